/* SPDX-License-Identifier: MIT */
/* turns_test.c - tickets that are done in any order are passed on in order. */
#include "wait/turns.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "lib/harness.h"

#define THREADS 4
#define WINDOW 5
#define TICKETS 20000

struct desk {
    struct sksi_turns turns;
    struct sksi_turn turn[WINDOW];
    uint64_t kept[WINDOW];
    struct sksi_lock draw;
    uint64_t next;   /* under draw */
    uint64_t passed; /* who has the turn */

    bool disorder;
};

static void desk_init(struct desk *d)
{
    memset(d, 0, sizeof *d);
    atomic_store_explicit(&d->turn[0].x_state, SKSI_TURN_GIVEN, memory_order_relaxed);
}

static void pass(struct desk *d, uint64_t ticket)
{
    if (d->passed != ticket || d->kept[ticket % WINDOW] != ticket)
        d->disorder = true;
    d->passed++;
}

static void done(struct desk *d, uint64_t ticket)
{
    d->kept[ticket % WINDOW] = ticket;
    if (!sksi_turn_done(&d->turn[ticket % WINDOW]))
        return;
    for (;; ticket++) {
        pass(d, ticket);
        if (!sksi_turns_next(&d->turns, &d->turn[ticket % WINDOW], &d->turn[(ticket + 1) % WINDOW]))
            break;
    }
    sksi_turns_moved(&d->turns);
}

static void out_of_order(void **state)
{
    struct desk d;

    (void)state;
    desk_init(&d);
    assert_true(sksi_turn_has(&d.turn[0]));
    assert_false(sksi_turn_has(&d.turn[1]));
    done(&d, 2);
    done(&d, 1);
    assert_int_equal(d.passed, 0);
    assert_int_equal(sksi_turns_oldest(&d.turns), 0);
    done(&d, 0);
    assert_int_equal(d.passed, 3);
    assert_int_equal(sksi_turns_oldest(&d.turns), 3);
    assert_true(sksi_turn_has(&d.turn[3]));
    assert_false(d.disorder);
}

static void a_cut_leaves_what_is_done_to_one(void **state)
{
    struct desk d;

    (void)state;
    desk_init(&d);
    done(&d, 1);
    assert_false(sksi_turns_cut_meanwhile(&d.turns));
    sksi_turns_cut(&d.turns);
    assert_true(sksi_turns_cut_meanwhile(&d.turns));
    assert_true(sksi_turn_claim(&d.turn[1]));
    assert_false(sksi_turn_claim(&d.turn[1]));
    assert_false(sksi_turn_claim(&d.turn[0])); /* has the turn */
    assert_false(sksi_turn_claim(&d.turn[2])); /* not drawn */
    done(&d, 0);                               /* goes no further than what was claimed */
    assert_int_equal(d.passed, 1);
    /* Neither waits. */
    sksi_turns_await_passed(&d.turns, 100);
    sksi_turns_await_turn(&d.turns, &d.turn[3]);
}

static void *work(void *arg)
{
    struct desk *d = arg;
    uint64_t ticket;

    for (;;) {
        sksi_lock_take(&d->draw);
        if (d->next >= sksi_turns_oldest(&d->turns) + WINDOW)
            sksi_turns_await_passed(&d->turns, d->next - WINDOW);
        ticket = d->next++;
        sksi_lock_drop(&d->draw);
        if (ticket >= TICKETS)
            return NULL;
        if (ticket % 7 == 0)
            sched_yield();
        if (ticket % 11 == 0)
            sksi_turns_await_turn(&d->turns, &d->turn[ticket % WINDOW]);
        done(d, ticket);
    }
}

static void many_threads_one_order(void **state)
{
    pthread_t threads[THREADS];
    struct desk d;

    (void)state;
    desk_init(&d);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &d), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(d.passed, TICKETS);
    assert_false(d.disorder);
}

SKS_TESTS("wait/turns", cmocka_unit_test(out_of_order),
          cmocka_unit_test(a_cut_leaves_what_is_done_to_one),
          cmocka_unit_test(many_threads_one_order))
