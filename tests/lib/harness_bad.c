/* SPDX-License-Identifier: MIT */
/*
 * harness_bad.c - a suite in which nearly every test does what the harness must
 * catch.  harness_test.c runs it and reads what it says.
 */
#include "lib/harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void good(void **state)
{
    (void)state;
    assert_true(1);
}

static void wrong(void **state)
{
    (void)state;
    printf("said before it went wrong\n");
    assert_int_equal(1, 2);
}

static void hangs(void **state)
{
    (void)state;
    for (;;)
        pause();
}

/* Dies of a signal that cmocka does not catch. */
static void crashes(void **state)
{
    (void)state;
    raise(SIGKILL);
}

static void ends_the_process(void **state)
{
    (void)state;
    exit(0);
}

static void leaks_descriptor(void **state)
{
    (void)state;
    assert_true(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}

static void *sleeper(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void leaks_thread(void **state)
{
    pthread_t t;

    (void)state;
    assert_int_equal(pthread_create(&t, NULL, sleeper, NULL), 0);
    pthread_detach(t);
}

static void leaves_process(void **state)
{
    pid_t pid;

    (void)state;
    pid = fork();
    if (pid == 0) {
        for (;;)
            pause();
    }
    assert_true(pid > 0);
}

static void skips(void **state)
{
    (void)state;
    sks_test_skip("nothing to see");
}

/* A thread that was joined, and a descriptor that was closed, are no leaks. */
static void *returns(void *arg)
{
    return arg;
}

static void cleans_up(void **state)
{
    pthread_t t;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_int_equal(pthread_create(&t, NULL, returns, NULL), 0);
    pthread_join(t, NULL);
    close(fd);
}

SKS_TESTS("bad", cmocka_unit_test(good), cmocka_unit_test(wrong), cmocka_unit_test(hangs),
          cmocka_unit_test(crashes), cmocka_unit_test(ends_the_process),
          cmocka_unit_test(leaks_descriptor), cmocka_unit_test(leaks_thread),
          cmocka_unit_test(leaves_process), cmocka_unit_test(skips), cmocka_unit_test(cleans_up))
