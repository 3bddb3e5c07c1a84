/* SPDX-License-Identifier: MIT */
/*
 * shutdown_test.c - the table of channel.h, its second half: refuse, done, abort.  Each
 * capacity, alone and shared, peers that are asleep and peers that are not.
 *
 * Covers: channel.c send.c recv.c rendezvous.c
 */
#include "unit/channel/events.h"

/* ---- refuse ------------------------------------------------------------ */

static void receiver_refuses_sends_fail_items_stay(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;

        rig_open(&r, s);
        refuse(&r);
        assert_true(sks_sender_gone(r.tx));
        assert_true(sks_receiver_gone(r.rx));
        assert_all_sends_fail(r.tx, EPIPE);
        if (r.tx2)
            assert_all_sends_fail(r.tx2, EPIPE);
        rig_close(&r);
        assert_destroyed(0, IDS, 0);
    }
}

static void receiver_refuses_blocked_senders_fail(void **state)
{
    (void)state;
    blocked_senders_see(refuse, EPIPE);
}

static void receiver_refuses_receivers_drain_then_end_for_ever(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;
        uint64_t n;

        rig_open(&r, s);
        n = rig_fill(&r);
        refuse(&r);
        assert_drains(r.rx, 0, n);
        if (r.rx2)
            assert_drains(r.rx2, n, n);
        rig_close(&r);
        assert_destroyed(0, IDS, 0);
    }
}

static void receiver_refuses_other_blocked_receivers_end(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        for (int k = 0; k < (OPS - RECV) * ROUNDS && s->shared; k++) {
            struct rig r;
            struct job j;

            rig_open(&r, s);
            job_call(&j, recv_of(RECV + k / ROUNDS, r.rx2, SKS_NEVER), k);
            refuse(&r);
            job_join(&j);
            assert_int_equal(j.call.r, 0);
            rig_close(&r);
        }
    }
}

static void reservation_when_receiver_refuses_commit_fails(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;
        struct item it = item_of(50);
        void *slots;

        if (s->capacity == 0)
            continue;
        rig_open(&r, s);
        assert_int_equal(sks_sender_reserve(r.tx, 1, &slots, SKS_NOW), 1);
        memcpy(slots, &it, sizeof it);
        refuse(&r);
        assert_int_equal(sks_sender_commit(r.tx, 1), -1);
        assert_int_equal(errno, EPIPE);
        assert_drains(r.rx, 0, 0);
        rig_close(&r);
        assert_destroyed(50, 51, 0);
    }
}

static void send_until_refused(struct job *j)
{
    struct item it = item_of(1);

    do
        j->call.r += sks_sender_try_send(j->call.tx, &it) == 0;
    while (!sks_sender_gone(j->call.tx) || sks_sender_try_send(j->call.tx, &it) == 0);
}

/*   sender    send send send EPIPE           each send that gave 0 is received
 *   receiver          refuse recv recv 0     none comes after the 0 */
static void refusal_in_the_middle_of_sends_loses_nothing(void **state)
{
    (void)state;
    for (int round = 0; round < 800; round++) {
        struct rig r;
        struct job j;
        struct item it;
        ssize_t got = 0;

        rig_open(&r, &shapes[round % 2 ? 4 : 6]);
        j = (struct job){.run = send_until_refused, .call.tx = r.tx};
        job_start(&j);
        while (got < round % 16)
            got += sks_receiver_try_recv(r.rx, &it) == 1;
        sks_receiver_refuse(r.rx);
        while (sks_receiver_try_recv(r.rx, &it) == 1)
            got++;
        job_join(&j);
        assert_int_equal(j.call.r, got);
        assert_int_equal(sks_receiver_try_recv(r.rx, &it), 0);
        rig_close(&r);
        assert_destroyed(1, 2, 0);
    }
}

/* ---- done -------------------------------------------------------------- */

static void sender_is_done_only_its_own_sends_fail(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;
        struct job j;
        struct item it = item_of(3);

        rig_open(&r, s);
        sks_sender_done(r.tx);
        sks_sender_done(r.tx);
        assert_all_sends_fail(r.tx, EPIPE);
        assert_int_equal(sks_receiver_gone(r.rx), !s->shared);
        if (s->shared) {
            job_call(&j, recv_of(RECV, r.rx, SKS_NEVER), 0);
            assert_int_equal(sks_sender_send(r.tx2, &it), 0);
            job_join(&j);
            assert_int_equal(j.call.r, 1);
        }
        rig_close(&r);
    }
}

static void all_senders_are_done_receivers_drain_then_end_for_ever(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;
        uint64_t n;

        rig_open(&r, s);
        n = rig_fill(&r);
        say_done(&r);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_SENDERS), 0);
        assert_drains(r.rx, 0, n);
        if (r.rx2)
            assert_drains(r.rx2, n, n);
        rig_close(&r);
        assert_destroyed(0, n, 0);
    }
}

static void all_senders_are_done_blocked_receivers_end(void **state)
{
    (void)state;
    blocked_receivers_see(say_done, 0, 0);
}

/* ---- abort ------------------------------------------------------------- */

static void abort_every_call_gives_the_code_at_once(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        for (int from = 0; from < 2; from++) {
            struct rig r;
            uint64_t n;

            rig_open(&r, s);
            n = rig_fill(&r);
            (from ? abort_from_sender : abort_from_receiver)(&r);
            assert_true(sks_sender_gone(r.tx));
            assert_true(sks_receiver_gone(r.rx));
            assert_all_sends_fail(r.tx, CODE);
            assert_all_receives_fail(r.rx, CODE);
            if (s->shared) {
                assert_all_sends_fail(r.tx2, CODE);
                assert_all_receives_fail(r.rx2, CODE);
            }
            assert_destroyed(0, n, 1);
            rig_close(&r);
            assert_destroyed(0, n, 1);
            assert_destroyed(n, IDS, 0);
        }
    }
}

static void abort_blocked_senders_get_the_code(void **state)
{
    (void)state;
    blocked_senders_see(abort_from_sender, CODE);
    blocked_senders_see(abort_from_receiver, CODE);
}

static void abort_blocked_receivers_get_the_code(void **state)
{
    (void)state;
    blocked_receivers_see(abort_from_sender, -1, CODE);
    blocked_receivers_see(abort_from_receiver, -1, CODE);
}

static void abort_buffered_items_are_destroyed_by_the_last_close(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;
        uint64_t n;

        rig_open(&r, s);
        n = rig_fill(&r);
        abort_from_sender(&r);
        rig_close_receivers(&r);
        assert_destroyed(0, n, 1);
        assert_all_sends_fail(r.tx, CODE);
        rig_close(&r);
        assert_destroyed(0, n, 1);
    }
}

static void second_abort_changes_nothing(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;

        rig_open(&r, s);
        abort_from_receiver(&r);
        assert_int_equal(sks_sender_abort(r.tx, CODE + 1), 0);
        assert_int_equal(sks_receiver_abort(r.rx, CODE + 2), 0);
        refuse(&r);
        say_done(&r);
        assert_all_sends_fail(r.tx, CODE);
        assert_all_receives_fail(r.rx, CODE);
        rig_close(&r);
    }
}

static void abort_with_no_code_is_refused(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, &shapes[4]);
    assert_int_equal(sks_sender_abort(r.tx, 0), -1);
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_int_equal(sks_receiver_abort(r.rx, -5), -1);
    assert_int_equal(errno, EINVAL);
    rig_send(&r, 0, 1);
    rig_close(&r);
}

SKS_TESTS("channel/shutdown", cmocka_unit_test(receiver_refuses_sends_fail_items_stay),
          cmocka_unit_test(receiver_refuses_blocked_senders_fail),
          cmocka_unit_test(receiver_refuses_receivers_drain_then_end_for_ever),
          cmocka_unit_test(receiver_refuses_other_blocked_receivers_end),
          cmocka_unit_test(reservation_when_receiver_refuses_commit_fails),
          cmocka_unit_test(refusal_in_the_middle_of_sends_loses_nothing),
          cmocka_unit_test(sender_is_done_only_its_own_sends_fail),
          cmocka_unit_test(all_senders_are_done_receivers_drain_then_end_for_ever),
          cmocka_unit_test(all_senders_are_done_blocked_receivers_end),
          cmocka_unit_test(abort_every_call_gives_the_code_at_once),
          cmocka_unit_test(abort_blocked_senders_get_the_code),
          cmocka_unit_test(abort_blocked_receivers_get_the_code),
          cmocka_unit_test(abort_buffered_items_are_destroyed_by_the_last_close),
          cmocka_unit_test(second_abort_changes_nothing),
          cmocka_unit_test(abort_with_no_code_is_refused))
