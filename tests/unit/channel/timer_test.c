/* SPDX-License-Identifier: MIT */
/*
 * timer_test.c - receivers whose items are points in time.
 *
 * A late tick is made by asking late: the test works on until the clock says so.
 */
#include "unit/channel/kit.h"

#define MS 1000000LL

static void work_until(int64_t when)
{
    while (sks_now() < when)
        sched_yield();
}

static void after_gives_one_item_not_too_early_then_none(void **state)
{
    int64_t before = sks_now(), due = 0;
    sks_receiver *rx = sks_timer_after(2 * MS);

    (void)state;
    assert_int_equal(sks_receiver_recv(rx, &due), 1);
    assert_true(sks_now() >= due && due >= before + 2 * MS);
    assert_int_equal(sks_receiver_try_recv(rx, &due), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(sks_receiver_recv_until(rx, &due, sks_after(MS)), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_false(sks_receiver_gone(rx));
    assert_int_equal(sks_receiver_stat(rx, SKS_STAT_RECEIVED), 1);
    assert_int_equal(sks_receiver_stat(rx, SKS_STAT_LEN), 0);
    sks_receiver_close(rx);
}

static void at_gives_its_own_time_also_when_that_has_passed(void **state)
{
    int64_t times[] = {-7, 0, 1, sks_now() - MS, sks_after(MS)};

    (void)state;
    for (int i = 0; i < 5; i++) {
        sks_receiver *rx = sks_timer_at(times[i]);
        int64_t due = 99;

        assert_int_equal(sks_receiver_recv(rx, &due), 1);
        assert_int_equal(due, times[i]);
        assert_true(sks_now() >= due);
        sks_receiver_close(rx);
    }
}

static void deadline_before_the_timer_times_out(void **state)
{
    sks_receiver *rx = sks_timer_after(3600 * 1000 * MS);
    int64_t due;
    void *slots;

    (void)state;
    assert_int_equal(sks_receiver_try_recv(rx, &due), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(sks_receiver_recv_until(rx, &due, sks_after(MS)), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_int_equal(sks_receiver_peek(rx, 1, &slots, sks_after(MS)), -1);
    assert_int_equal(errno, ETIMEDOUT);
    sks_receiver_close(rx);
}

static void tick_merges_late_ones_and_keeps_its_beat(void **state)
{
    sks_receiver *rx = sks_timer_tick(MS);
    int64_t first, second, third, got;

    (void)state;
    assert_int_equal(sks_receiver_recv(rx, &first), 1);
    got = sks_now();
    work_until(first + 10 * MS);
    assert_int_equal(sks_receiver_recv(rx, &second), 1);
    assert_true(second > first && second <= got + MS);
    assert_int_equal((second - first) % MS, 0);
    assert_int_equal(sks_receiver_recv(rx, &third), 1);
    assert_true(third > first + 10 * MS);
    assert_int_equal((third - first) % MS, 0);
    sks_receiver_close(rx);
}

static void never_gives_none(void **state)
{
    sks_receiver *never[] = {sks_timer_never(), sks_timer_at(SKS_NEVER), sks_timer_after(INT64_MAX),
                             sks_timer_tick(INT64_MAX)};
    int64_t due;

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(sks_receiver_recv_until(never[i], &due, sks_after(MS)), -1);
        assert_int_equal(errno, ETIMEDOUT);
        sks_receiver_close(never[i]);
    }
}

static void periods_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    errno = 0;
    assert_null(sks_timer_tick(0));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(sks_timer_tick(-1));
    assert_int_equal(errno, EINVAL);
}

static void timer_shared_by_two_threads_gives_its_item_once(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        sks_receiver *rx = sks_timer_after(MS), *rx2 = sks_receiver_dup(rx);
        struct job j[2];
        int got;

        for (int i = 0; i < 2; i++) {
            j[i] = (struct job){.call = recv_of(RECV_UNTIL, i ? rx2 : rx, sks_after(3 * MS))};
            job_start(&j[i]);
        }
        job_join(&j[0]);
        job_join(&j[1]);
        got = (j[0].call.r == 1) + (j[1].call.r == 1);
        assert_int_equal(got, 1);
        sks_receiver_close(rx);
        sks_receiver_close(rx2);
    }
}

static void peeked_time_is_consumed_or_given_back(void **state)
{
    sks_receiver *rx = sks_timer_after(0);
    int64_t *due = NULL, again;

    (void)state;
    assert_int_equal(sks_receiver_peek(rx, 5, (void **)&due, SKS_NEVER), 1);
    again = *due;
    assert_int_equal(sks_receiver_consume(rx, 0), 0);
    assert_int_equal(sks_receiver_recv(rx, &again), 1);
    assert_int_equal(sks_receiver_stat(rx, SKS_STAT_RECEIVED), 1);
    assert_int_equal(sks_receiver_try_recv(rx, &again), -1);
    sks_receiver_close(rx);
}

static void refused_and_aborted_timers_end(void **state)
{
    sks_receiver *rx = sks_timer_never();
    int64_t due;

    (void)state;
    sks_receiver_refuse(rx);
    assert_int_equal(sks_receiver_recv(rx, &due), 0);
    assert_int_equal(sks_receiver_abort(rx, 55), 0);
    assert_int_equal(sks_receiver_recv(rx, &due), -1);
    assert_int_equal(errno, 55);
    sks_receiver_close(rx);
}

static void abort_wakes_a_thread_that_waits_for_a_timer(void **state)
{
    (void)state;
    for (int op = RECV; op < OPS; op++) {
        sks_receiver *rx = sks_timer_after(3600 * 1000 * MS);
        struct job j;

        job_call(&j, recv_of(op, rx, SKS_NEVER), op);
        assert_int_equal(sks_receiver_abort(rx, 56), 0);
        job_join(&j);
        assert_int_equal(j.call.r, -1);
        assert_int_equal(j.call.error, 56);
        sks_receiver_close(rx);
    }
}

/* A select over a channel and timers of every kind. */
static void timers_work_in_a_select(void **state)
{
    struct rig r;
    sks_select *sel = sks_select_new();
    sks_receiver *after = sks_timer_after(2 * MS), *tick = sks_timer_tick(MS);
    sks_receiver *never = sks_timer_never();
    int64_t due[3];
    struct item it;
    int ticks = 0, arm, result;

    (void)state;
    rig_open(&r, &shapes[4]);
    assert_int_equal(sks_select_recv(sel, r.rx, &it), 0);
    assert_int_equal(sks_select_recv(sel, never, &due[0]), 1);
    assert_int_equal(sks_select_recv(sel, tick, &due[1]), 2);
    assert_int_equal(sks_select_recv(sel, after, &due[2]), 3);
    while ((arm = sks_select_wait(sel, SKS_NEVER, 0, &result)) == 2 && result == 1)
        ticks++;
    assert_int_equal(arm, 3);
    assert_int_equal(result, 1);
    assert_true(ticks >= 0);
    sks_select_enable(sel, 2, false);
    assert_int_equal(sks_select_wait(sel, sks_after(MS), 0, NULL), -1);
    assert_int_equal(errno, ETIMEDOUT);
    rig_send(&r, 4, 1);
    assert_int_equal(sks_select_wait(sel, SKS_NEVER, 0, &result), 0);
    assert_true(item_is(&it, 4));
    sks_select_free(sel);
    sks_receiver_close(after);
    sks_receiver_close(tick);
    sks_receiver_close(never);
    rig_close(&r);
}

static void timer_chosen_in_two_phases_is_not_lost(void **state)
{
    sks_select *sel = sks_select_new();
    sks_receiver *rx = sks_timer_after(MS);
    int64_t due = 0;
    int result;

    (void)state;
    sks_select_recv(sel, rx, NULL);
    assert_int_equal(sks_select_wait(sel, SKS_NEVER, SKS_SELECT_READY, &result), 0);
    assert_int_equal(sks_select_wait(sel, SKS_NEVER, 0, &result), 0);
    assert_int_equal(sks_select_wait(sel, SKS_NEVER, 0, &result), 0);
    assert_int_equal(sks_select_complete(sel, &due), 1);
    assert_true(due > 0);
    sks_select_free(sel);
    sks_receiver_close(rx);
}

SKS_TESTS("channel/timer", cmocka_unit_test(after_gives_one_item_not_too_early_then_none),
          cmocka_unit_test(at_gives_its_own_time_also_when_that_has_passed),
          cmocka_unit_test(deadline_before_the_timer_times_out),
          cmocka_unit_test(tick_merges_late_ones_and_keeps_its_beat),
          cmocka_unit_test(never_gives_none),
          cmocka_unit_test(periods_that_make_no_sense_are_refused),
          cmocka_unit_test(timer_shared_by_two_threads_gives_its_item_once),
          cmocka_unit_test(peeked_time_is_consumed_or_given_back),
          cmocka_unit_test(refused_and_aborted_timers_end),
          cmocka_unit_test(abort_wakes_a_thread_that_waits_for_a_timer),
          cmocka_unit_test(timers_work_in_a_select),
          cmocka_unit_test(timer_chosen_in_two_phases_is_not_lost))
