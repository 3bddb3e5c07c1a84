/* SPDX-License-Identifier: MIT */
/* told_test.c - a wait says that it goes to sleep, and a try that succeeds says nothing. */
#include "channel/told.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "lib/harness.h"

struct world {
    sks_sender *tx;
    sks_receiver *rx;
    _Atomic int slept;
    int rc;
    int item;
};

static void sleeps(void *arg)
{
    struct world *w = arg;

    atomic_fetch_add_explicit(&w->slept, 1, memory_order_relaxed);
}

static void *receiver(void *arg)
{
    struct world *w = arg;
    struct sksi_told told = {sleeps, w};

    w->rc = sksi_receiver_wait(w->rx, &w->item, SKS_NEVER, &told);
    return NULL;
}

static void *sender(void *arg)
{
    struct world *w = arg;
    struct sksi_told told = {sleeps, w};

    w->rc = sksi_sender_wait(w->tx, &w->item, SKS_NEVER, &told);
    return NULL;
}

static void await_sleep(struct world *w)
{
    while (atomic_load_explicit(&w->slept, memory_order_relaxed) == 0)
        sched_yield();
}

static void world_open(struct world *w, size_t capacity)
{
    *w = (struct world){.item = 7};
    assert_int_equal(sks_channel(sizeof(int), capacity, &w->tx, &w->rx), 0);
}

static void world_close(struct world *w)
{
    sks_sender_close(w->tx);
    sks_receiver_close(w->rx);
}

static void a_receive_that_sleeps_says_so(void **state)
{
    pthread_t thread;
    struct world w;
    int item = 42;

    (void)state;
    for (size_t capacity = 0; capacity <= 1; capacity++) {
        world_open(&w, capacity);
        assert_int_equal(pthread_create(&thread, NULL, receiver, &w), 0);
        await_sleep(&w);
        assert_int_equal(sks_sender_send(w.tx, &item), 0);
        pthread_join(thread, NULL);
        assert_int_equal(w.rc, 1);
        assert_int_equal(w.item, 42);
        world_close(&w);
    }
}

static void a_send_that_sleeps_says_so(void **state)
{
    pthread_t thread;
    struct world w;
    int item = 42;

    (void)state;
    for (size_t capacity = 0; capacity <= 1; capacity++) {
        world_open(&w, capacity);
        if (capacity)
            assert_int_equal(sks_sender_send(w.tx, &item), 0);
        assert_int_equal(pthread_create(&thread, NULL, sender, &w), 0);
        await_sleep(&w);
        if (capacity)
            assert_int_equal(sks_receiver_recv(w.rx, &item), 1);
        assert_int_equal(sks_receiver_recv(w.rx, &item), 1);
        assert_int_equal(item, 7);
        pthread_join(thread, NULL);
        assert_int_equal(w.rc, 0);
        world_close(&w);
    }
}

static void a_deadline_ends_the_wait(void **state)
{
    struct world w;
    struct sksi_told told = {sleeps, &w};
    int item = 1;

    (void)state;
    world_open(&w, 1);
    assert_int_equal(sksi_receiver_wait(w.rx, &item, sks_after(1000), &told), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_int_equal(sks_sender_send(w.tx, &item), 0);
    assert_int_equal(sksi_sender_wait(w.tx, &item, sks_after(1000), &told), -1);
    assert_int_equal(errno, ETIMEDOUT);
    world_close(&w);
}

static void an_end_ends_the_wait(void **state)
{
    struct world w;
    struct sksi_told told = {sleeps, &w};
    int item = 1;

    (void)state;
    world_open(&w, 1);
    sks_sender_done(w.tx);
    assert_int_equal(sksi_receiver_wait(w.rx, &item, SKS_NEVER, &told), 0);
    world_close(&w);
    world_open(&w, 1);
    sks_receiver_refuse(w.rx);
    assert_int_equal(sksi_sender_wait(w.tx, &item, SKS_NEVER, &told), -1);
    assert_int_equal(errno, EPIPE);
    world_close(&w);
}

SKS_TESTS("channel/told", cmocka_unit_test(a_receive_that_sleeps_says_so),
          cmocka_unit_test(a_send_that_sleeps_says_so), cmocka_unit_test(a_deadline_ends_the_wait),
          cmocka_unit_test(an_end_ends_the_wait))
