/* SPDX-License-Identifier: MIT */
/*
 * harness_test.c - the harness catches what it promises to catch.
 *
 * Runs harness_bad (its path is in HARNESS_BAD), one of its tests at a time, and
 * reads what it prints.
 */
#include "lib/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static char output[65536];

/* Runs one test of the bad suite; returns the exit status of the suite. */
static int bad_run(const char *test, const char *factor)
{
    char command[4096];
    size_t n;
    FILE *f;

    assert_non_null(getenv("HARNESS_BAD"));
    snprintf(command, sizeof command, "SKS_TEST_TIMEOUT=%s SKS_TEST_ONLY=%s '%s' 2>&1", factor,
             test, getenv("HARNESS_BAD"));
    f = popen(command, "r");
    assert_non_null(f);
    n = fread(output, 1, sizeof output - 1, f);
    output[n] = '\0';
    return WEXITSTATUS(pclose(f));
}

static void assert_said(const char *what)
{
    if (!strstr(output, what))
        fail_msg("\"%s\" is not in:\n%s", what, output);
}

static void assert_caught(const char *test, const char *what)
{
    assert_int_equal(bad_run(test, "1"), 1);
    assert_said(what);
    assert_said("bad: 0 passed, 1 failed, 0 skipped\n");
}

static void good_test_passes(void **state)
{
    (void)state;
    assert_int_equal(bad_run("good", "1"), 0);
    assert_said("[       OK ] good");
    assert_said("bad: 1 passed, 0 failed, 0 skipped\n");
}

static void test_that_cleans_up_passes(void **state)
{
    (void)state;
    assert_int_equal(bad_run("cleans_up", "1"), 0);
    assert_said("bad: 1 passed, 0 failed, 0 skipped\n");
}

static void skipped_test_is_counted_with_its_reason(void **state)
{
    (void)state;
    assert_int_equal(bad_run("skips", "1"), 0);
    assert_said("skipped: nothing to see");
    assert_said("bad: 0 passed, 0 failed, 1 skipped\n");
}

static void failed_assertion_shows_what_the_test_printed(void **state)
{
    (void)state;
    assert_caught("wrong", "said before it went wrong");
    assert_said("[  FAILED  ] wrong");
}

static void hang_is_killed_and_its_threads_are_listed(void **state)
{
    (void)state;
    assert_int_equal(bad_run("hangs", "0.02"), 1);
    assert_said("  thread ");
    assert_said("not done after 0.4 s");
    assert_said("bad: 0 passed, 1 failed, 0 skipped\n");
}

static void crash_is_caught(void **state)
{
    (void)state;
    assert_caught("crashes", "killed by signal 9");
}

static void exit_in_a_test_is_caught(void **state)
{
    (void)state;
    assert_caught("ends_the_process", "the test ended the process");
}

static void descriptor_leak_is_caught(void **state)
{
    (void)state;
    assert_caught("leaks_descriptor", "leaked descriptor ");
    assert_said("/dev/null");
}

static void thread_leak_is_caught(void **state)
{
    (void)state;
    assert_caught("leaks_thread", "leaked threads: ");
}

static void process_leak_is_caught(void **state)
{
    (void)state;
    assert_caught("leaves_process", "left processes behind");
}

SKS_TESTS("harness", cmocka_unit_test(good_test_passes),
          cmocka_unit_test(test_that_cleans_up_passes),
          cmocka_unit_test(skipped_test_is_counted_with_its_reason),
          cmocka_unit_test(failed_assertion_shows_what_the_test_printed),
          cmocka_unit_test(hang_is_killed_and_its_threads_are_listed),
          cmocka_unit_test(crash_is_caught), cmocka_unit_test(exit_in_a_test_is_caught),
          cmocka_unit_test(descriptor_leak_is_caught), cmocka_unit_test(thread_leak_is_caught),
          cmocka_unit_test(process_leak_is_caught))
