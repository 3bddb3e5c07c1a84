/* SPDX-License-Identifier: MIT */
/* lock_test.c - the mutex and the condition. */
#include "lib/harness.h"
#include "plat/plat.h"
#include "wait/lock.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#define THREADS 4
#define ROUNDS 20000

struct shared {
    struct sksi_lock lock;
    struct sksi_cond cond;
    int counter; /* under the lock */
    int turn;    /* under the lock */
    int inside;  /* under the lock */
};

static void *count_up(void *arg)
{
    struct shared *s = arg;

    for (int i = 0; i < ROUNDS; i++) {
        sksi_lock_take(&s->lock);
        s->counter++;
        sksi_lock_drop(&s->lock);
    }
    return NULL;
}

static void run_threads(void *(*fn)(void *), struct shared *s)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fn, s), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void lock_held_by_one_thread_at_a_time(void **state)
{
    struct shared s;

    (void)state;
    memset(&s, 0, sizeof s);
    run_threads(count_up, &s);
    assert_int_equal(s.counter, THREADS * ROUNDS);
}

/* The holder gives the CPU away, so that the others must sleep. */
static void *count_up_slowly(void *arg)
{
    struct shared *s = arg;

    for (int i = 0; i < 200; i++) {
        sksi_lock_take(&s->lock);
        if (s->inside++)
            s->counter = INT_MIN;
        for (int k = 0; k < 20; k++)
            sched_yield();
        s->inside--;
        s->counter++;
        sksi_lock_drop(&s->lock);
    }
    return NULL;
}

static void lock_held_for_long_wakes_all_who_wait(void **state)
{
    struct shared s;

    (void)state;
    memset(&s, 0, sizeof s);
    run_threads(count_up_slowly, &s);
    assert_int_equal(s.counter, THREADS * 200);
}

static void lock_taken_try_fails_until_it_is_dropped(void **state)
{
    struct sksi_lock l;

    (void)state;
    memset(&l, 0, sizeof l);
    assert_true(sksi_lock_try(&l));
    assert_false(sksi_lock_try(&l));
    sksi_lock_drop(&l);
    sksi_lock_take(&l);
    assert_false(sksi_lock_try(&l));
    sksi_lock_drop(&l);
}

/* ---- the condition ----------------------------------------------------- */

/* Threads take turns: each waits for its number. */
static void *take_turns(void *arg)
{
    struct shared *s = arg;
    int mine;

    sksi_lock_take(&s->lock);
    mine = s->counter++;
    for (int round = 0; round < 500; round++) {
        while (s->turn % THREADS != mine)
            sksi_cond_wait(&s->cond, &s->lock, INT64_MAX);
        s->turn++;
        sksi_cond_wake(&s->cond);
    }
    sksi_lock_drop(&s->lock);
    return NULL;
}

static void condition_wakes_every_thread_in_turn(void **state)
{
    struct shared s;

    (void)state;
    memset(&s, 0, sizeof s);
    run_threads(take_turns, &s);
    assert_int_equal(s.turn, THREADS * 500);
    assert_int_equal(s.cond.waiting, 0);
}

static void condition_nobody_wakes_gives_up_at_the_deadline(void **state)
{
    static const int64_t deadlines[] = {INT64_MIN, -1, 0, 1};
    struct shared s;

    (void)state;
    memset(&s, 0, sizeof s);
    sksi_lock_take(&s.lock);
    for (int i = 0; i < 5; i++) {
        int64_t deadline = i < 4 ? deadlines[i] : sksi_clock_after(1000000);

        while (sksi_cond_wait(&s.cond, &s.lock, deadline))
            ;
        assert_true(sksi_clock_ns() >= deadline);
        assert_false(sksi_lock_try(&s.lock));
        assert_int_equal(s.cond.waiting, 0);
    }
    sksi_lock_drop(&s.lock);
    sksi_cond_wake(&s.cond);
}

SKS_TESTS("wait/lock", cmocka_unit_test(lock_held_by_one_thread_at_a_time),
          cmocka_unit_test(lock_held_for_long_wakes_all_who_wait),
          cmocka_unit_test(lock_taken_try_fails_until_it_is_dropped),
          cmocka_unit_test(condition_wakes_every_thread_in_turn),
          cmocka_unit_test(condition_nobody_wakes_gives_up_at_the_deadline))
