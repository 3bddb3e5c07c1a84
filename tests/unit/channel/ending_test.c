/* SPDX-License-Identifier: MIT */
/*
 * ending_test.c - the table of channel.h, its first half: the last sender or receiver
 * closes.  Each capacity, alone and shared, peers that are asleep and peers that are not.
 *
 * Covers: channel.c send.c recv.c rendezvous.c
 */
#include "unit/channel/events.h"

/* ---- last sender closes ------------------------------------------------ */

static void last_sender_closes_receivers_drain_then_end_for_ever(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;
        uint64_t n;

        rig_open(&r, s);
        n = rig_fill(&r);
        rig_close_senders(&r);
        assert_drains(r.rx, 0, n);
        if (r.rx2)
            assert_drains(r.rx2, n, n);
        rig_close(&r);
        assert_destroyed(0, n, 0);
    }
}

static void last_sender_closes_blocked_receivers_end(void **state)
{
    (void)state;
    blocked_receivers_see(close_senders, 0, 0);
}

static void one_of_two_senders_closes_nothing_ends(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;
        struct job j;

        if (!s->shared)
            continue;
        rig_open(&r, s);
        sks_sender_close(r.tx2);
        r.tx2 = NULL;
        assert_false(sks_receiver_gone(r.rx));
        job_call(&j, recv_of(RECV, r.rx, SKS_NEVER), 0);
        assert_int_equal(sks_sender_send(r.tx, &j.call.item), 0);
        job_join(&j);
        assert_int_equal(j.call.r, 1);
        rig_close(&r);
    }
}

/* ---- last receiver closes ---------------------------------------------- */

static void last_receiver_closes_sends_fail_items_stay(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;

        rig_open(&r, s);
        rig_close_receivers(&r);
        assert_true(sks_sender_gone(r.tx));
        assert_all_sends_fail(r.tx, EPIPE);
        if (r.tx2)
            assert_all_sends_fail(r.tx2, EPIPE);
        rig_close(&r);
        assert_destroyed(0, IDS, 0);
    }
}

static void last_receiver_closes_blocked_senders_fail(void **state)
{
    (void)state;
    blocked_senders_see(close_receivers, EPIPE);
}

static void last_receiver_closes_buffered_items_are_destroyed_once(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;
        uint64_t n;

        rig_open(&r, s);
        n = rig_fill(&r);
        rig_close_receivers(&r);
        assert_destroyed(0, n, 1);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_DISCARDED), n);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_LEN), 0);
        rig_close(&r);
        assert_destroyed(0, n, 1);
        assert_destroyed(n, IDS, 0);
    }
}

static void reservation_when_last_receiver_closes_commit_fails(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;
        struct item it = item_of(50);
        void *slots;

        if (s->capacity == 0) /* its reservation holds a receiver, which cannot close */
            continue;
        rig_open(&r, s);
        assert_int_equal(sks_sender_reserve(r.tx, 1, &slots, SKS_NOW), 1);
        memcpy(slots, &it, sizeof it);
        rig_close_receivers(&r);
        errno = 0;
        assert_int_equal(sks_sender_commit(r.tx, 1), -1);
        assert_int_equal(errno, EPIPE);
        rig_close(&r);
        assert_destroyed(50, 51, 0);
    }
}

SKS_TESTS("channel/ending", cmocka_unit_test(last_sender_closes_receivers_drain_then_end_for_ever),
          cmocka_unit_test(last_sender_closes_blocked_receivers_end),
          cmocka_unit_test(one_of_two_senders_closes_nothing_ends),
          cmocka_unit_test(last_receiver_closes_sends_fail_items_stay),
          cmocka_unit_test(last_receiver_closes_blocked_senders_fail),
          cmocka_unit_test(last_receiver_closes_buffered_items_are_destroyed_once),
          cmocka_unit_test(reservation_when_last_receiver_closes_commit_fails))
