/* SPDX-License-Identifier: MIT */
/*
 * select_test.c - the list of arms, the choice, two phases, readiness.
 *
 * Covers: select.c select_wait.c
 */
#include "unit/channel/kit.h"

#define ARMS 4

/* Channels of capacity 4 with a select over all of them. */
struct fan {
    struct rig rig[ARMS];
    struct item item[ARMS];
    sks_select *sel;
};

static void fan_open(struct fan *f, bool send, bool two)
{
    static const struct shape four = {"four", 4, false};

    assert_non_null(f->sel = sks_select_new());
    for (int i = 0; i < ARMS; i++) {
        void *item = two ? NULL : &f->item[i];

        rig_open(&f->rig[i], &four);
        f->item[i] = item_of(500 + (uint64_t)i);
        assert_int_equal(send ? sks_select_send(f->sel, f->rig[i].tx, item)
                              : sks_select_recv(f->sel, f->rig[i].rx, item),
                         i);
    }
}

static void fan_close(struct fan *f)
{
    sks_select_free(f->sel);
    for (int i = 0; i < ARMS; i++)
        rig_close(&f->rig[i]);
}

static void assert_chosen(sks_select *sel, unsigned flags, int arm, int result)
{
    int r = -9;

    errno = 0;
    assert_int_equal(sks_select_wait(sel, SKS_NOW, flags, &r), arm);
    assert_int_equal(r, result);
}

static void assert_none(sks_select *sel, int64_t deadline, int error)
{
    errno = 0;
    assert_int_equal(sks_select_wait(sel, deadline, 0, NULL), -1);
    assert_int_equal(errno, error);
}

/* ---- the list ---------------------------------------------------------- */

static void select_without_arms_is_refused_or_waits_in_vain(void **state)
{
    sks_select *sel = sks_select_new();

    (void)state;
    assert_none(sel, SKS_NEVER, EINVAL);
    assert_none(sel, SKS_NOW, EAGAIN);
    assert_none(sel, 1, ETIMEDOUT);
    assert_none(sel, sks_after(1000), ETIMEDOUT);
    sks_select_free(sel);
    sks_select_free(NULL);
}

static void arms_that_are_not_there_are_refused(void **state)
{
    struct fan f;

    (void)state;
    fan_open(&f, false, false);
    for (int arm = -1; arm <= ARMS; arm += ARMS + 1) {
        assert_int_equal(sks_select_remove(f.sel, arm), -1);
        assert_int_equal(errno, EINVAL);
        assert_int_equal(sks_select_enable(f.sel, arm, true), -1);
        assert_int_equal(sks_select_set_item(f.sel, arm, NULL), -1);
    }
    assert_int_equal(sks_select_remove(f.sel, 1), 0);
    assert_int_equal(sks_select_remove(f.sel, 1), -1);
    assert_int_equal(sks_select_complete(f.sel, &f.item[0]), -1);
    assert_int_equal(errno, EINVAL);
    fan_close(&f);
}

static void removed_arm_is_not_chosen_and_its_number_is_used_again(void **state)
{
    struct fan f;

    (void)state;
    fan_open(&f, false, false);
    rig_send(&f.rig[2], 7, 1);
    assert_int_equal(sks_select_remove(f.sel, 2), 0);
    assert_none(f.sel, SKS_NOW, EAGAIN);
    assert_int_equal(sks_select_recv(f.sel, f.rig[2].rx, &f.item[2]), 2);
    assert_chosen(f.sel, 0, 2, 1);
    assert_true(item_is(&f.item[2], 7));
    fan_close(&f);
}

static void disabled_arm_is_not_chosen(void **state)
{
    struct fan f;

    (void)state;
    fan_open(&f, false, false);
    for (int i = 0; i < ARMS; i++)
        rig_send(&f.rig[i], (uint64_t)i, 1);
    for (int i = 0; i < ARMS; i++)
        assert_int_equal(sks_select_enable(f.sel, i, i == 3), 0);
    assert_chosen(f.sel, 0, 3, 1);
    assert_int_equal(sks_select_enable(f.sel, 3, false), 0);
    assert_none(f.sel, SKS_NEVER, EINVAL);
    assert_int_equal(sks_select_enable(f.sel, 0, true), 0);
    assert_chosen(f.sel, 0, 0, 1);
    fan_close(&f);
}

static void arm_receives_into_the_item_it_was_pointed_at(void **state)
{
    struct fan f;
    struct item other;

    (void)state;
    fan_open(&f, false, false);
    rig_send(&f.rig[1], 8, 1);
    assert_int_equal(sks_select_set_item(f.sel, 1, &other), 0);
    assert_chosen(f.sel, 0, 1, 1);
    assert_true(item_is(&other, 8));
    assert_true(item_is(&f.item[1], 501));
    fan_close(&f);
}

static void select_holds_hundreds_of_arms(void **state)
{
    struct fan f;
    struct item it;

    (void)state;
    fan_open(&f, false, false);
    for (int i = ARMS; i < 300; i++)
        assert_int_equal(sks_select_recv(f.sel, f.rig[i % 3].rx, &it), i);
    assert_none(f.sel, sks_after(1000), ETIMEDOUT);
    rig_send(&f.rig[3], 9, 1);
    assert_chosen(f.sel, 0, 3, 1);
    fan_close(&f);
}

/* ---- the choice -------------------------------------------------------- */

static void ready_arms_are_chosen_fairly(void **state)
{
    struct fan f;
    int chosen[ARMS] = {0};

    (void)state;
    fan_open(&f, false, false);
    for (int i = 0; i < ARMS; i++)
        rig_send(&f.rig[i], 0, 1);
    for (int round = 0; round < 10000; round++) {
        int arm = sks_select_wait(f.sel, SKS_NOW, 0, NULL);

        assert_in_range(arm, 0, ARMS - 1);
        chosen[arm]++;
        rig_send(&f.rig[arm], 0, 1);
    }
    for (int i = 0; i < ARMS; i++)
        assert_in_range(chosen[i], 1500, 3500);
    fan_close(&f);
}

static void biased_choice_is_the_lowest_ready_arm(void **state)
{
    struct fan f;

    (void)state;
    fan_open(&f, false, false);
    for (int round = 0; round < 100; round++) {
        for (int i = ARMS - 1; i >= 0; i--)
            rig_send(&f.rig[i], (uint64_t)i, 1);
        for (int i = 0; i < ARMS; i++) {
            assert_chosen(f.sel, SKS_SELECT_BIASED, i, 1);
            assert_true(item_is(&f.item[i], (uint64_t)i));
        }
    }
    assert_none(f.sel, SKS_NOW, EAGAIN);
    fan_close(&f);
}

static void ended_arms_count_as_ready(void **state)
{
    for (int k = 0; k < 8; k++) {
        struct rig r;
        struct item it = item_of(1);
        sks_select *sel = sks_select_new();
        void *item = k % 2 ? NULL : &it;
        unsigned flags = k % 4 / 2 ? SKS_SELECT_READY : 0;

        (void)state;
        rig_open(&r, &shapes[k]);
        sks_select_recv(sel, r.rx, item);
        rig_close_senders(&r);
        assert_chosen(sel, flags, 0, 0);
        assert_int_equal(sks_select_complete(sel, &it), -1);
        sks_select_remove(sel, 0);
        rig_close(&r);

        rig_open(&r, &shapes[k]);
        sks_select_send(sel, r.tx, item);
        rig_close_receivers(&r);
        assert_chosen(sel, flags, 0, -1);
        assert_int_equal(errno, EPIPE);
        assert_int_equal(sks_select_complete(sel, &it), -1);
        sks_select_free(sel);
        rig_close(&r);
    }
}

static void losers_keep_their_items(void **state)
{
    struct fan f;

    (void)state;
    fan_open(&f, true, false);
    for (int round = 1; round <= 4 * ARMS; round++) {
        uint64_t len = 0;

        assert_true(sks_select_wait(f.sel, SKS_NEVER, 0, NULL) >= 0);
        for (int i = 0; i < ARMS; i++)
            len += sks_sender_stat(f.rig[i].tx, SKS_STAT_LEN);
        assert_int_equal(len, round);
    }
    assert_none(f.sel, SKS_NOW, EAGAIN);
    fan_close(&f);
}

/* ---- two phases -------------------------------------------------------- */

static void chosen_receive_is_completed_later(void **state)
{
    struct fan f;
    struct item it;

    (void)state;
    fan_open(&f, false, true);
    rig_send(&f.rig[2], 40, 2);
    assert_chosen(f.sel, 0, 2, 1);
    assert_int_equal(sks_sender_stat(f.rig[2].tx, SKS_STAT_LEN), 2);
    assert_int_equal(sks_select_complete(f.sel, &it), 1);
    assert_true(item_is(&it, 40));
    assert_int_equal(sks_sender_stat(f.rig[2].tx, SKS_STAT_RECEIVED), 1);
    assert_int_equal(sks_select_complete(f.sel, &it), -1);
    assert_int_equal(errno, EINVAL);
    fan_close(&f);
}

static void chosen_send_is_completed_later(void **state)
{
    struct fan f;
    struct item it = item_of(41), out;
    int arm;

    (void)state;
    fan_open(&f, true, true);
    arm = sks_select_wait(f.sel, SKS_NOW, 0, NULL);
    assert_int_equal(sks_sender_stat(f.rig[arm].tx, SKS_STAT_SENT), 0);
    assert_int_equal(sks_select_complete(f.sel, &it), 0);
    assert_int_equal(sks_receiver_try_recv(f.rig[arm].rx, &out), 1);
    assert_true(item_is(&out, 41));
    assert_int_equal(sks_select_complete(f.sel, &it), -1);
    assert_int_equal(errno, EINVAL);
    fan_close(&f);
}

static void chosen_receive_that_is_not_completed_loses_nothing(void **state)
{
    (void)state;
    for (int k = 0; k < 10; k++) {
        struct rig r;
        struct item it;
        sks_select *sel = sks_select_new();

        rig_open(&r, &shapes[4 + k / 5]);
        rig_send(&r, 0, 2);
        sks_select_recv(sel, r.rx, NULL);
        assert_chosen(sel, 0, 0, 1);
        if (k % 5 == 0)
            assert_chosen(sel, 0, 0, 1);
        else if (k % 5 == 1)
            sks_select_remove(sel, 0);
        else if (k % 5 == 2)
            sks_select_set_item(sel, 0, &it);
        else if (k % 5 == 3)
            sks_select_enable(sel, 0, false);
        sks_select_free(sel);
        for (uint64_t id = 0; id < 2; id++) {
            assert_int_equal(sks_receiver_try_recv(r.rx2 ? r.rx2 : r.rx, &it), 1);
            assert_true(item_is(&it, id));
        }
        rig_close(&r);
    }
}

static void chosen_send_that_is_not_completed_gives_its_room_back(void **state)
{
    (void)state;
    for (int k = 2; k < 4; k++) {
        struct rig r;
        sks_select *sel = sks_select_new();

        rig_open(&r, &shapes[k]);
        sks_select_send(sel, r.tx, NULL);
        for (int lap = 0; lap < 5; lap++)
            assert_chosen(sel, 0, 0, 1);
        sks_select_free(sel);
        rig_send(&r, 0, 1);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_SENT), 1);
        rig_close(&r);
    }
}

static void call_on_the_handle_gives_up_what_the_select_held(void **state)
{
    (void)state;
    for (int k = 2; k < 8; k++) {
        struct rig r;
        struct item it = item_of(60), bad = item_of(61);
        sks_select *sel = sks_select_new();

        rig_open(&r, &shapes[k]);
        sks_select_send(sel, r.tx, NULL);
        assert_chosen(sel, 0, 0, 1);
        assert_int_equal(sks_sender_try_send(r.tx, &it), 0);
        assert_int_equal(sks_select_complete(sel, &bad), -1);
        assert_int_equal(errno, EINVAL);
        sks_select_remove(sel, 0);
        sks_select_recv(sel, r.rx, NULL);
        assert_chosen(sel, 0, 0, 1);
        assert_int_equal(sks_receiver_try_recv(r.rx, &it), 1);
        assert_true(item_is(&it, 60));
        assert_int_equal(sks_select_complete(sel, &bad), -1);
        assert_true(item_is(&bad, 61));
        sks_select_free(sel);
        rig_close(&r);
    }
}

static void own_reservation_does_not_block_a_send_in_a_select(void **state)
{
    (void)state;
    for (int k = 2; k < 8; k++) {
        struct rig r;
        struct item it = item_of(5);
        sks_select *sel = sks_select_new();
        void *slots;

        rig_open(&r, &shapes[k]);
        assert_true(sks_sender_reserve(r.tx, 8, &slots, SKS_NOW) > 0);
        sks_select_send(sel, r.tx, &it);
        assert_chosen(sel, SKS_SELECT_READY, 0, 1);
        assert_chosen(sel, 0, 0, 0);
        sks_select_free(sel);
        rig_close(&r);
    }
}

/* ---- readiness --------------------------------------------------------- */

static void readiness_moves_nothing(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        struct rig r;
        struct item in = item_of(1), out = {0};
        sks_select *sel = sks_select_new();

        rig_open(&r, &shapes[4 + k / 2]);
        sks_select_send(sel, r.tx, k % 2 ? NULL : &in);
        for (int lap = 0; lap < 20; lap++)
            assert_chosen(sel, SKS_SELECT_READY, 0, 1);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_SENT), 0);
        rig_send(&r, 0, 8);
        sks_select_remove(sel, 0);
        sks_select_recv(sel, r.rx, k % 2 ? NULL : &out);
        for (int lap = 0; lap < 20; lap++)
            assert_chosen(sel, SKS_SELECT_READY, 0, 1);
        assert_int_equal(out.id, 0);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_LEN), 8);
        assert_int_equal(sks_select_complete(sel, &out), -1);
        sks_select_free(sel);
        rig_close(&r);
    }
}

/*   waiter    READY on rx: queues up first         other    recv on rx2: queues up second
 *   sender    one item: wakes the waiter, who takes nothing: the other must be told */
static void readiness_does_not_keep_the_wake_up_of_another_receiver(void **state)
{
    (void)state;
    for (int k = 1; k < 8; k += 2) {
        for (int round = 0; round < 20; round++) {
            struct rig r;
            struct job ready, other, sender;

            rig_open(&r, &shapes[k]);
            job_call(&ready, recv_of(SELECT_RECV_READY, r.rx, SKS_NEVER), 0);
            job_call(&other, recv_of(RECV + round % 4, r.rx2, SKS_NEVER), 0);
            job_call(&sender, send_of(SEND, r.tx, 3, SKS_NEVER), 1);
            job_join(&other);
            assert_int_equal(other.call.r, 1);
            job_join(&sender);
            rig_close_senders(&r);
            job_join(&ready);
            rig_close(&r);
        }
    }
}

SKS_TESTS("channel/select", cmocka_unit_test(select_without_arms_is_refused_or_waits_in_vain),
          cmocka_unit_test(arms_that_are_not_there_are_refused),
          cmocka_unit_test(removed_arm_is_not_chosen_and_its_number_is_used_again),
          cmocka_unit_test(disabled_arm_is_not_chosen),
          cmocka_unit_test(arm_receives_into_the_item_it_was_pointed_at),
          cmocka_unit_test(select_holds_hundreds_of_arms),
          cmocka_unit_test(ready_arms_are_chosen_fairly),
          cmocka_unit_test(biased_choice_is_the_lowest_ready_arm),
          cmocka_unit_test(ended_arms_count_as_ready), cmocka_unit_test(losers_keep_their_items),
          cmocka_unit_test(chosen_receive_is_completed_later),
          cmocka_unit_test(chosen_send_is_completed_later),
          cmocka_unit_test(chosen_receive_that_is_not_completed_loses_nothing),
          cmocka_unit_test(chosen_send_that_is_not_completed_gives_its_room_back),
          cmocka_unit_test(call_on_the_handle_gives_up_what_the_select_held),
          cmocka_unit_test(own_reservation_does_not_block_a_send_in_a_select),
          cmocka_unit_test(readiness_moves_nothing),
          cmocka_unit_test(readiness_does_not_keep_the_wake_up_of_another_receiver))
