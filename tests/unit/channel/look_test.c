/* SPDX-License-Identifier: MIT */
/*
 * look_test.c - statistics, identity, is the other side gone; and waiting, of which the
 * statistics tell.
 *
 * Covers: block.c
 */
#include "unit/channel/kit.h"

static uint64_t stat(const struct rig *r, sks_stat which)
{
    uint64_t value = sks_sender_stat(r->tx, which);

    if (r->rx)
        assert_int_equal(sks_receiver_stat(r->rx, which), value);
    return value;
}

static void receive(struct rig *r, int n)
{
    struct item it;

    while (n--)
        assert_int_equal(sks_receiver_try_recv(r->rx, &it), 1);
}

static void counts_are_exact_when_nobody_is_in_a_call(void **state)
{
    (void)state;
    for (int k = 4; k < 8; k++) {
        struct rig r;

        rig_open(&r, &shapes[k]);
        rig_send(&r, 0, 6);
        receive(&r, 2);
        assert_int_equal(stat(&r, SKS_STAT_SENT), 6);
        assert_int_equal(stat(&r, SKS_STAT_RECEIVED), 2);
        assert_int_equal(stat(&r, SKS_STAT_LEN), 4);
        assert_int_equal(stat(&r, SKS_STAT_DISCARDED), 0);
        assert_int_equal(stat(&r, SKS_STAT_BLOCKED_SENDS), 0);
        assert_int_equal(stat(&r, SKS_STAT_BLOCKED_RECEIVES), 0);
        assert_int_equal(stat(&r, SKS_STAT_WAKEUPS), 0);
        rig_close_receivers(&r);
        assert_int_equal(stat(&r, SKS_STAT_DISCARDED), 4);
        assert_int_equal(stat(&r, SKS_STAT_RECEIVED), 2);
        assert_int_equal(stat(&r, SKS_STAT_LEN), 0);
        assert_int_equal(stat(&r, (sks_stat)99), 0);
        rig_close(&r);
    }
}

static void high_water_is_the_most_that_was_buffered(void **state)
{
    (void)state;
    for (int k = 4; k < 8; k++) {
        struct rig r;

        rig_open(&r, &shapes[k]);
        assert_int_equal(stat(&r, SKS_STAT_HIGH_WATER), 0);
        rig_send(&r, 0, 3);
        receive(&r, 1);
        assert_int_equal(stat(&r, SKS_STAT_HIGH_WATER), 3);
        rig_send(&r, 0, 5);
        assert_int_equal(stat(&r, SKS_STAT_HIGH_WATER), 7);
        receive(&r, 7);
        for (int lap = 0; lap < 50; lap++) {
            rig_send(&r, 0, 4);
            receive(&r, 4);
        }
        assert_int_equal(stat(&r, SKS_STAT_HIGH_WATER), 7);
        rig_close(&r);
    }
}

static void handles_are_counted(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;
        sks_sender *tx;
        sks_receiver *rx;
        uint64_t n = s->shared ? 2 : 1;

        rig_open(&r, s);
        assert_int_equal(stat(&r, SKS_STAT_SENDERS), n);
        assert_int_equal(stat(&r, SKS_STAT_RECEIVERS), n);
        tx = sks_sender_dup(r.tx);
        rx = sks_receiver_dup(r.rx);
        assert_int_equal(stat(&r, SKS_STAT_SENDERS), n + 1);
        assert_int_equal(stat(&r, SKS_STAT_RECEIVERS), n + 1);
        sks_sender_done(tx);
        assert_int_equal(stat(&r, SKS_STAT_SENDERS), n);
        sks_sender_close(sks_sender_dup(tx));
        assert_int_equal(stat(&r, SKS_STAT_SENDERS), n);
        sks_sender_close(tx);
        sks_receiver_close(rx);
        assert_int_equal(stat(&r, SKS_STAT_SENDERS), n);
        assert_int_equal(stat(&r, SKS_STAT_RECEIVERS), n);
        rig_close(&r);
    }
}

static void waits_are_counted(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;
        struct item it;

        rig_open(&r, s);
        for (int i = 0; i < 3; i++)
            assert_int_equal(sks_receiver_recv_until(r.rx, &it, sks_after(100000)), -1);
        assert_int_equal(stat(&r, SKS_STAT_BLOCKED_RECEIVES), 3);
        assert_true(stat(&r, SKS_STAT_BLOCKED_RECEIVE_NS) > 0);
        assert_int_equal(stat(&r, SKS_STAT_BLOCKED_SENDS), 0);
        if (s->capacity != SKS_UNBOUNDED) {
            it = item_of(rig_fill(&r));
            assert_int_equal(sks_sender_send_until(r.tx, &it, sks_after(100000)), -1);
            assert_int_equal(stat(&r, SKS_STAT_BLOCKED_SENDS), 1);
            assert_true(stat(&r, SKS_STAT_BLOCKED_SEND_NS) > 0);
        }
        rig_close(&r);
    }
}

static void wake_ups_of_sleepers_are_counted(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;
        struct item it = item_of(0);

        rig_open(&r, s);
        /* Each round wakes a sleeper, unless the thread was late to fall asleep. */
        for (int round = 0; round < 1000 && stat(&r, SKS_STAT_WAKEUPS) == 0; round++) {
            struct job j;

            job_call(&j, recv_of(RECV, r.rx, SKS_NEVER), 0);
            assert_int_equal(sks_sender_send(r.tx, &it), 0);
            job_join(&j);
        }
        assert_true(stat(&r, SKS_STAT_WAKEUPS) > 0);
        rig_close(&r);
    }
}

static void blocked_sender_goes_on_when_there_is_room(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        for (int k = 0; k < 24 && s->capacity != SKS_UNBOUNDED; k++) {
            struct rig r;
            struct job j;
            struct item it;
            uint64_t n;

            rig_open(&r, s);
            n = rig_fill(&r);
            job_call(&j, send_of(SEND + k % 6, r.tx2 ? r.tx2 : r.tx, n, SKS_NEVER), k / 6);
            for (uint64_t id = 0; id <= n; id++) {
                assert_int_equal(sks_receiver_recv(r.rx, &it), 1);
                assert_true(item_is(&it, id));
            }
            job_join(&j);
            assert_int_equal(j.call.r >= 0, 1);
            rig_close(&r);
        }
    }
}

static void blocked_receivers_each_get_one_of_a_batch(void **state)
{
    (void)state;
    for (int round = 0; round < 30; round++) {
        struct item items[3] = {item_of(0), item_of(1), item_of(2)};
        struct rig r;
        struct job j[3];
        sks_receiver *rx3;

        rig_open(&r, &shapes[round % 2 ? 5 : 7]);
        rx3 = sks_receiver_dup(r.rx);
        job_call(&j[0], recv_of(RECV, r.rx, SKS_NEVER), round);
        job_call(&j[1], recv_of(PEEK, r.rx2, SKS_NEVER), round);
        job_call(&j[2], recv_of(SELECT_RECV, rx3, SKS_NEVER), round);
        assert_int_equal(sks_sender_send_many(r.tx, items, 3, SKS_NEVER), 3);
        for (int i = 0; i < 3; i++) {
            job_join(&j[i]);
            assert_int_equal(j[i].call.r, 1);
        }
        sks_receiver_close(rx3);
        rig_close(&r);
        assert_destroyed(0, IDS, 0);
    }
}

static void handles_know_whether_they_are_of_one_channel(void **state)
{
    struct rig a, b;

    (void)state;
    rig_open(&a, &shapes[5]);
    rig_open(&b, &shapes[5]);
    assert_true(sks_same_channel(a.tx, a.rx2) && sks_same_channel(a.tx2, a.rx));
    assert_false(sks_same_channel(a.tx, b.rx));
    assert_true(sks_sender_same(a.tx, a.tx2) && sks_receiver_same(b.rx, b.rx2));
    assert_false(sks_sender_same(a.tx, b.tx) || sks_receiver_same(a.rx2, b.rx));
    rig_close(&a);
    rig_close(&b);
}

/* ---- gone -------------------------------------------------------------- */

static void wait_gone_gives_up_at_its_deadline(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;

        rig_open(&r, s);
        assert_false(sks_sender_gone(r.tx) || sks_receiver_gone(r.rx));
        assert_int_equal(sks_sender_wait_gone(r.tx, SKS_NOW), -1);
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(sks_receiver_wait_gone(r.rx, SKS_NOW), -1);
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(sks_sender_wait_gone(r.tx, sks_after(1000)), -1);
        assert_int_equal(errno, ETIMEDOUT);
        assert_int_equal(sks_receiver_wait_gone(r.rx, 1), -1);
        assert_int_equal(errno, ETIMEDOUT);
        rig_close(&r);
    }
}

static void sender_waits(struct job *j)
{
    j->call.r = sks_sender_wait_gone(j->call.tx, SKS_NEVER);
}

static void receiver_waits(struct job *j)
{
    j->call.r = sks_receiver_wait_gone(j->call.rx, SKS_NEVER);
}

static void wait_gone_sleeps_through_items_and_ends_with_the_other_side(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        for (int how = 0; how < 10; how++) {
            struct rig r;
            struct job j;
            bool of_sender = how < 5;

            rig_open(&r, s);
            j = (struct job){.run = of_sender ? sender_waits : receiver_waits,
                             .call = {.tx = r.tx, .rx = r.rx}};
            job_start(&j);
            job_settle(&j);
            if (s->capacity && s->shared)
                assert_int_equal(sks_sender_try_send(r.tx2, &(struct item){0}), 0);
            if (s->capacity && s->shared)
                assert_int_equal(sks_receiver_try_recv(r.rx2, &(struct item){0}), 1);
            assert_false(atomic_load(&j.done));
            if (how % 5 == 0 && of_sender)
                rig_close_receivers(&r);
            else if (how % 5 == 0)
                rig_close_senders(&r);
            else if (how % 5 == 1 && of_sender)
                sks_receiver_refuse(r.rx);
            else if (how % 5 == 2 && s->shared)
                sks_receiver_refuse(of_sender ? r.rx : r.rx2);
            else if (how % 5 == 3)
                sks_sender_abort(r.tx, 5);
            else
                sks_receiver_abort(r.rx, 5);
            job_join(&j);
            assert_int_equal(j.call.r, 0);
            rig_close(&r);
        }
    }
}

static void clock_goes_on_and_deadlines_saturate(void **state)
{
    int64_t now = sks_now();

    (void)state;
    assert_true(now > 0);
    assert_true(sks_now() >= now);
    assert_true(sks_after(0) >= now && sks_after(-5) >= now && sks_after(INT64_MIN) >= now);
    assert_true(sks_after(1000000000) >= now + 1000000000);
    assert_int_equal(sks_after(INT64_MAX), SKS_NEVER);
    assert_int_equal(sks_after(INT64_MAX - now), SKS_NEVER);
}

SKS_TESTS("channel/look", cmocka_unit_test(counts_are_exact_when_nobody_is_in_a_call),
          cmocka_unit_test(high_water_is_the_most_that_was_buffered),
          cmocka_unit_test(handles_are_counted), cmocka_unit_test(waits_are_counted),
          cmocka_unit_test(wake_ups_of_sleepers_are_counted),
          cmocka_unit_test(blocked_sender_goes_on_when_there_is_room),
          cmocka_unit_test(blocked_receivers_each_get_one_of_a_batch),
          cmocka_unit_test(handles_know_whether_they_are_of_one_channel),
          cmocka_unit_test(wait_gone_gives_up_at_its_deadline),
          cmocka_unit_test(wait_gone_sleeps_through_items_and_ends_with_the_other_side),
          cmocka_unit_test(clock_goes_on_and_deadlines_saturate))
