/* SPDX-License-Identifier: MIT */
/* gate_test.c - queues of waiters, claims, ends, the park and wake protocol. */
#include "lib/harness.h"
#include "plat/plat.h"
#include "wait/gate.h"

#include <pthread.h>
#include <string.h>

/* A gate and the words that the sides speak in. */
struct place {
    struct sksi_gate gate;
    _Atomic uint32_t words[2];
};

static struct place here;

static struct sksi_gate *fresh(struct place *p)
{
    memset(p, 0, sizeof *p);
    sksi_gate_init(&p->gate, &p->words[SKSI_SENDERS], &p->words[SKSI_RECEIVERS]);
    return &p->gate;
}

static void waiter_init(struct sksi_waiter *w, struct sksi_parker *p, enum sksi_want want)
{
    memset(p, 0, sizeof *p);
    *w = (struct sksi_waiter){.parker = p, .want = want};
}

static uint32_t flags(int side)
{
    return sksi_gate_flags(&here.gate, side);
}

static void waiting_flag_is_set_while_somebody_wants_a_turn(void **state)
{
    struct sksi_parker p[3];
    struct sksi_waiter w[3];

    (void)state;
    fresh(&here);
    for (int i = 0; i < 3; i++)
        waiter_init(&w[i], &p[i], i == 2 ? SKSI_WANT_END : SKSI_WANT_TURN);
    sksi_wait_enter(&here.gate, SKSI_RECEIVERS, &w[2]);
    assert_int_equal(flags(SKSI_RECEIVERS), SKSI_QUEUED);
    sksi_wait_enter(&here.gate, SKSI_RECEIVERS, &w[0]);
    sksi_wait_enter(&here.gate, SKSI_RECEIVERS, &w[1]);
    assert_int_equal(flags(SKSI_RECEIVERS), SKSI_QUEUED | SKSI_WAITING);
    assert_int_equal(flags(SKSI_SENDERS), 0);
    sksi_wait_leave(&here.gate, SKSI_RECEIVERS, &w[0]);
    assert_int_equal(flags(SKSI_RECEIVERS), SKSI_QUEUED | SKSI_WAITING);
    sksi_wait_leave(&here.gate, SKSI_RECEIVERS, &w[1]);
    assert_int_equal(flags(SKSI_RECEIVERS), SKSI_QUEUED);
    sksi_wait_leave(&here.gate, SKSI_RECEIVERS, &w[2]);
    sksi_wait_leave(&here.gate, SKSI_RECEIVERS, &w[2]);
    assert_null(here.gate.first[SKSI_RECEIVERS]);
}

static void wake_claims_the_first_n_that_want_a_turn(void **state)
{
    struct sksi_parker p[5];
    struct sksi_waiter w[5];

    (void)state;
    fresh(&here);
    for (int i = 0; i < 5; i++) {
        waiter_init(&w[i], &p[i], i == 1 ? SKSI_WANT_END : SKSI_WANT_TURN);
        w[i].arm = (uint32_t)i;
        sksi_wait_enter(&here.gate, SKSI_SENDERS, &w[i]);
    }
    sksi_gate_wake(&here.gate, SKSI_SENDERS, 2);
    assert_int_equal(sksi_wait_token(&p[0]), 1);
    assert_int_equal(sksi_wait_token(&p[1]), 0);
    assert_int_equal(sksi_wait_token(&p[2]), 3);
    assert_int_equal(sksi_wait_token(&p[3]), 0);
    sksi_gate_wake(&here.gate, SKSI_SENDERS, 100);
    assert_int_equal(sksi_wait_token(&p[3]), 4);
    assert_int_equal(sksi_wait_token(&p[4]), 5);
    assert_int_equal(sksi_wait_token(&p[1]), 0);
    assert_int_equal(flags(SKSI_SENDERS), SKSI_QUEUED);
    sksi_wait_leave(&here.gate, SKSI_SENDERS, &w[1]);
    assert_int_equal(flags(SKSI_SENDERS), 0);
}

static void wake_of_more_than_a_batch_reaches_all(void **state)
{
    static struct sksi_parker p[50];
    static struct sksi_waiter w[50];

    (void)state;
    fresh(&here);
    for (int i = 0; i < 50; i++) {
        waiter_init(&w[i], &p[i], SKSI_WANT_TURN);
        sksi_wait_enter(&here.gate, SKSI_SENDERS, &w[i]);
    }
    sksi_gate_wake(&here.gate, SKSI_SENDERS, 40);
    for (int i = 0; i < 50; i++)
        assert_int_equal(sksi_wait_token(&p[i]), i < 40);
    sksi_gate_end(&here.gate, SKSI_RECEIVERS, SKSI_GONE, NULL);
    for (int i = 40; i < 50; i++)
        assert_int_equal(sksi_wait_token(&p[i]), 1);
    assert_int_equal(flags(SKSI_RECEIVERS), SKSI_GONE);
}

static void waiter_at_two_gates_is_claimed_once(void **state)
{
    static struct place there;
    struct sksi_gate *other = fresh(&there);
    struct sksi_parker p, next_parker;
    struct sksi_waiter a, b, next;

    (void)state;
    fresh(&here);
    waiter_init(&a, &p, SKSI_WANT_TURN);
    waiter_init(&b, &p, SKSI_WANT_TURN);
    waiter_init(&next, &next_parker, SKSI_WANT_TURN);
    b.arm = 1;
    sksi_wait_enter(&here.gate, SKSI_RECEIVERS, &a);
    sksi_wait_enter(other, SKSI_RECEIVERS, &b);
    sksi_wait_enter(other, SKSI_RECEIVERS, &next);
    sksi_gate_wake(&here.gate, SKSI_RECEIVERS, 1);
    sksi_gate_wake(other, SKSI_RECEIVERS, 1); /* not wasted on who has been woken */
    assert_int_equal(sksi_wait_token(&p), 1);
    assert_int_equal(sksi_wait_token(&next_parker), 1);
    sksi_wait_leave(&here.gate, SKSI_RECEIVERS, &a);
    sksi_wait_leave(other, SKSI_RECEIVERS, &b);
}

static void end_wakes_both_sides_and_those_that_wait_for_it(void **state)
{
    struct sksi_parker p[3];
    struct sksi_waiter w[3];

    (void)state;
    fresh(&here);
    for (int i = 0; i < 3; i++) {
        waiter_init(&w[i], &p[i], i == 1 ? SKSI_WANT_END : SKSI_WANT_TURN);
        sksi_wait_enter(&here.gate, i == 2 ? SKSI_SENDERS : SKSI_RECEIVERS, &w[i]);
    }
    sksi_gate_end(&here.gate, SKSI_SENDERS, SKSI_ABORTED, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sksi_wait_token(&p[i]), 1);
    assert_int_equal(flags(SKSI_SENDERS), SKSI_ABORTED);
    sksi_gate_end(&here.gate, SKSI_SENDERS, SKSI_GONE, NULL);
    assert_int_equal(flags(SKSI_SENDERS), SKSI_ABORTED | SKSI_GONE);
}

static void park_without_a_claim_ends_at_the_deadline(void **state)
{
    struct sksi_parker p;
    struct sksi_waiter w;
    int64_t deadline;

    (void)state;
    fresh(&here);
    waiter_init(&w, &p, SKSI_WANT_TURN);
    assert_false(sksi_wait_park(&p, 1));
    deadline = sksi_clock_after(1000000);
    assert_false(sksi_wait_park(&p, deadline));
    assert_true(sksi_clock_ns() >= deadline);
    sksi_wait_enter(&here.gate, SKSI_SENDERS, &w);
    sksi_gate_wake(&here.gate, SKSI_SENDERS, 1);
    assert_true(sksi_wait_park(&p, 1));
    assert_true(sksi_wait_park(&p, INT64_MAX));
}

/* ---- two threads ------------------------------------------------------- */

#define ITEMS 20000

static _Atomic uint64_t published;

/*   publisher: publish, fence_light, WAITING? wake    (gate.h)
 *   main:      enter, fence_heavy, look, park, leave */
static void *publish_all(void *arg)
{
    (void)arg;
    for (uint64_t i = 1; i <= ITEMS; i++) {
        atomic_store_explicit(&published, i, memory_order_relaxed);
        sksi_fence_light();
        if (sksi_gate_hint(&here.gate, SKSI_RECEIVERS) & SKSI_WAITING)
            sksi_gate_wake(&here.gate, SKSI_RECEIVERS, 1);
    }
    return NULL;
}

static void publisher_that_looks_after_publishing_loses_no_wake_up(void **state)
{
    pthread_t thread;
    uint64_t seen = 0;

    (void)state;
    fresh(&here);
    assert_int_equal(pthread_create(&thread, NULL, publish_all, NULL), 0);
    while (seen < ITEMS) {
        struct sksi_parker p;
        struct sksi_waiter w;

        waiter_init(&w, &p, SKSI_WANT_TURN);
        sksi_wait_enter(&here.gate, SKSI_RECEIVERS, &w);
        sksi_fence_heavy();
        if (atomic_load_explicit(&published, memory_order_relaxed) == seen)
            sksi_wait_park(&p, INT64_MAX);
        sksi_wait_leave(&here.gate, SKSI_RECEIVERS, &w);
        seen = atomic_load_explicit(&published, memory_order_relaxed);
    }
    pthread_join(thread, NULL);
    assert_int_equal(flags(SKSI_RECEIVERS), 0);
}

static uint64_t before_the_end;

static void *end_it(void *arg)
{
    (void)arg;
    before_the_end = 42;
    sksi_gate_end(&here.gate, SKSI_SENDERS, SKSI_GONE, NULL);
    return NULL;
}

static void end_is_never_slept_through(void **state)
{
    (void)state;
    fresh(&here);
    for (int round = 0; round < 500; round++) {
        struct sksi_parker p;
        struct sksi_waiter w;
        pthread_t thread;

        fresh(&here);
        before_the_end = 0;
        assert_int_equal(pthread_create(&thread, NULL, end_it, NULL), 0);
        waiter_init(&w, &p, SKSI_WANT_END);
        sksi_wait_enter(&here.gate, SKSI_RECEIVERS, &w);
        sksi_fence_heavy();
        if (!(flags(SKSI_SENDERS) & SKSI_GONE))
            assert_true(sksi_wait_park(&p, INT64_MAX));
        sksi_wait_leave(&here.gate, SKSI_RECEIVERS, &w);
        assert_int_equal(flags(SKSI_SENDERS), SKSI_GONE);
        assert_int_equal(before_the_end, 42);
        pthread_join(thread, NULL);
    }
}

SKS_TESTS("wait/gate", cmocka_unit_test(waiting_flag_is_set_while_somebody_wants_a_turn),
          cmocka_unit_test(wake_claims_the_first_n_that_want_a_turn),
          cmocka_unit_test(wake_of_more_than_a_batch_reaches_all),
          cmocka_unit_test(waiter_at_two_gates_is_claimed_once),
          cmocka_unit_test(end_wakes_both_sides_and_those_that_wait_for_it),
          cmocka_unit_test(park_without_a_claim_ends_at_the_deadline),
          cmocka_unit_test(publisher_that_looks_after_publishing_loses_no_wake_up),
          cmocka_unit_test(end_is_never_slept_through))
