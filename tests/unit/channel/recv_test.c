/* SPDX-License-Identifier: MIT */
/*
 * recv_test.c - batches, peeked items, who gets them when they are given back.
 *
 * Covers: peek.c recv.c tray.c
 */
#include "unit/channel/kit.h"

static struct item *peek(sks_receiver *rx, size_t n, ssize_t want)
{
    void *slots = NULL;

    assert_int_equal(sks_receiver_peek(rx, n, &slots, SKS_NOW), want);
    return slots;
}

static void assert_receives(sks_receiver *rx, uint64_t from, uint64_t to)
{
    for (uint64_t id = from; id < to; id++) {
        struct item it;

        assert_int_equal(sks_receiver_try_recv(rx, &it), 1);
        assert_true(item_is(&it, id));
    }
}

static void batch_takes_what_is_there(void **state)
{
    struct item items[8];

    (void)state;
    for (int k = 4; k < 8; k++) {
        struct rig r;

        rig_open(&r, &shapes[k]);
        assert_int_equal(sks_receiver_recv_many(r.rx, items, 8, SKS_NOW), -1);
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(sks_receiver_recv_many(r.rx, items, 8, 1), -1);
        assert_int_equal(errno, ETIMEDOUT);
        rig_send(&r, 0, 5);
        assert_int_equal(sks_receiver_recv_many(r.rx, items, 0, SKS_NEVER), 0);
        assert_int_equal(sks_receiver_recv_many(r.rx, items, 3, SKS_NEVER), 3);
        assert_int_equal(sks_receiver_recv_many(r.rx, items + 3, 8, SKS_NEVER), 2);
        for (uint64_t i = 0; i < 5; i++)
            assert_true(item_is(&items[i], i));
        rig_close(&r);
    }
}

static void peeked_items_are_consumed_in_part(void **state)
{
    (void)state;
    for (int k = 4; k < 8; k++) {
        for (uint64_t some = 0; some <= 4; some++) {
            struct rig r;
            struct item *slots;

            rig_open(&r, &shapes[k]);
            rig_send(&r, 0, 5);
            slots = peek(r.rx, 4, 4);
            for (uint64_t i = 0; i < 4; i++)
                assert_true(item_is(&slots[i], i));
            assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_LEN), 5);
            assert_int_equal(sks_receiver_consume(r.rx, some), 0);
            assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_LEN), 5 - some);
            assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_RECEIVED), some);
            assert_receives(r.rx, some, 5);
            rig_close(&r);
            assert_destroyed(0, IDS, 0);
        }
    }
}

static void peek_again_shows_the_same_items(void **state)
{
    (void)state;
    for (int k = 4; k < 8; k++) {
        struct rig r;

        rig_open(&r, &shapes[k]);
        rig_send(&r, 0, 3);
        assert_true(item_is(peek(r.rx, 1, 1), 0));
        assert_true(item_is(peek(r.rx, 1, 1), 0));
        assert_receives(r.rx, 0, 1);
        assert_true(item_is(peek(r.rx, 1, 1), 1));
        assert_int_equal(sks_receiver_consume(r.rx, 2), -1);
        assert_int_equal(errno, EINVAL);
        assert_receives(r.rx, 1, 3);
        assert_int_equal(sks_receiver_consume(r.rx, 1), -1);
        assert_int_equal(errno, EINVAL);
        rig_close(&r);
    }
}

static void peeked_items_belong_to_their_handle_until_given_back(void **state)
{
    (void)state;
    for (int k = 5; k < 8; k += 2) {
        struct rig r;

        rig_open(&r, &shapes[k]);
        rig_send(&r, 0, 5);
        peek(r.rx, 2, 2);
        assert_receives(r.rx2, 2, 3);
        assert_int_equal(sks_receiver_consume(r.rx, 1), 0);
        assert_receives(r.rx2, 1, 2);
        assert_receives(r.rx2, 3, 5);
        rig_close(&r);
        assert_destroyed(0, IDS, 0);
    }
}

static void peeked_items_of_a_closed_handle_go_to_the_other(void **state)
{
    (void)state;
    for (int k = 3; k < 8; k += 2) {
        struct rig r;

        rig_open(&r, &shapes[k]);
        rig_send(&r, 0, 1);
        peek(r.rx, 1, 1);
        sks_receiver_close(r.rx);
        r.rx = NULL;
        assert_receives(r.rx2, 0, 1);
        rig_close(&r);
        assert_destroyed(0, IDS, 0);
    }
}

static void item_given_back_wakes_another_receiver(void **state)
{
    (void)state;
    for (int k = 0; k < (OPS - RECV) * 4; k++) {
        struct rig r;
        struct job j;

        if (RECV + k / 4 == SELECT_RECV_READY)
            continue;
        rig_open(&r, &shapes[5]);
        rig_send(&r, 0, 1);
        peek(r.rx, 1, 1);
        job_call(&j, recv_of(RECV + k / 4, r.rx2, SKS_NEVER), k);
        assert_int_equal(sks_receiver_consume(r.rx, 0), 0);
        job_join(&j);
        assert_int_equal(j.call.r, 1);
        assert_true(item_is(&j.call.item, 0));
        rig_close(&r);
    }
}

/*   rx peeks 0 1, rx2 peeks 2 3; rx gives back, then rx2: the order is 0 1 2 3 still */
static void items_given_back_by_two_handles_are_in_order(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        struct rig r;

        rig_open(&r, &shapes[5]);
        rig_send(&r, 0, 5);
        peek(r.rx, 2, 2);
        peek(r.rx2, 2, 2);
        sks_receiver_consume(first ? r.rx2 : r.rx, 0);
        sks_receiver_consume(first ? r.rx : r.rx2, 0);
        assert_receives(r.rx, 0, 5);
        rig_close(&r);
    }
}

static void items_given_back_twice_are_in_order(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, &shapes[5]);
    rig_send(&r, 0, 6);
    peek(r.rx, 5, 5);
    assert_int_equal(sks_receiver_consume(r.rx, 1), 0); /* 1 2 3 4 lie in a tray, 5 in the ring */
    peek(r.rx, 3, 3);
    assert_int_equal(sks_receiver_consume(r.rx, 1), 0); /* 2 3, 4, 5 */
    assert_receives(r.rx2, 2, 6);
    rig_close(&r);
}

static void peeked_items_are_destroyed_with_the_last_receiver(void **state)
{
    (void)state;
    for (int k = 4; k < 8; k++) {
        struct rig r;

        rig_open(&r, &shapes[k]);
        rig_send(&r, 0, 4);
        peek(r.rx, 2, 2);
        if (r.rx2)
            peek(r.rx2, 1, 1);
        rig_close_receivers(&r);
        assert_destroyed(0, 4, 1);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_DISCARDED), 4);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_LEN), 0);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_RECEIVED), 0);
        rig_close(&r);
        assert_destroyed(0, 4, 1);
    }
}

static void peeked_items_when_aborted_are_destroyed_once(void **state)
{
    (void)state;
    for (int k = 4; k < 8; k++) {
        struct rig r;

        rig_open(&r, &shapes[k]);
        rig_send(&r, 0, 4);
        peek(r.rx, 2, 2);
        assert_int_equal(sks_sender_abort(r.tx, 99), 0);
        assert_int_equal(sks_receiver_consume(r.rx, 1), -1);
        assert_int_equal(errno, 99);
        rig_close(&r);
        assert_destroyed(0, 4, 1);
    }
}

static void peeked_items_when_refused_can_be_consumed(void **state)
{
    (void)state;
    for (int k = 4; k < 8; k++) {
        struct rig r;

        rig_open(&r, &shapes[k]);
        rig_send(&r, 0, 4);
        peek(r.rx, 3, 3);
        sks_receiver_refuse(r.rx);
        assert_int_equal(sks_receiver_consume(r.rx, 2), 0);
        assert_true(item_is(peek(r.rx, 1, 1), 2));
        assert_receives(r.rx, 2, 4);
        peek(r.rx, 1, 0);
        rig_close(&r);
        assert_destroyed(0, IDS, 0);
    }
}

static void handle_with_peeked_items_is_busy_for_dup(void **state)
{
    (void)state;
    for (int k = 2; k < 8; k++) {
        struct rig r;
        sks_receiver *more;

        rig_open(&r, &shapes[k]);
        rig_send(&r, 0, 1);
        peek(r.rx, 1, 1);
        errno = 0;
        assert_null(sks_receiver_dup(r.rx));
        assert_int_equal(errno, EBUSY);
        assert_int_equal(sks_receiver_consume(r.rx, 1), 0);
        assert_non_null(more = sks_receiver_dup(r.rx));
        sks_receiver_close(more);
        rig_close(&r);
    }
}

/* Senders are gone and another handle still may give an item back: no end yet. */
static void end_of_stream_waits_for_items_peeked_elsewhere(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        struct rig r;
        struct job j;

        rig_open(&r, &shapes[5]);
        rig_send(&r, 0, 1);
        peek(r.rx, 1, 1);
        rig_close_senders(&r);
        job_call(&j, recv_of(RECV, r.rx2, SKS_NEVER), k);
        assert_int_equal(sks_receiver_consume(r.rx, (size_t)k / 2), 0);
        job_join(&j);
        assert_int_equal(j.call.r, k / 2 ? 0 : 1);
        assert_int_equal(sks_receiver_try_recv(r.rx, &j.call.item), 0);
        rig_close(&r);
    }
}

SKS_TESTS("channel/recv", cmocka_unit_test(batch_takes_what_is_there),
          cmocka_unit_test(peeked_items_are_consumed_in_part),
          cmocka_unit_test(peek_again_shows_the_same_items),
          cmocka_unit_test(peeked_items_belong_to_their_handle_until_given_back),
          cmocka_unit_test(peeked_items_of_a_closed_handle_go_to_the_other),
          cmocka_unit_test(item_given_back_wakes_another_receiver),
          cmocka_unit_test(items_given_back_by_two_handles_are_in_order),
          cmocka_unit_test(items_given_back_twice_are_in_order),
          cmocka_unit_test(peeked_items_are_destroyed_with_the_last_receiver),
          cmocka_unit_test(peeked_items_when_aborted_are_destroyed_once),
          cmocka_unit_test(peeked_items_when_refused_can_be_consumed),
          cmocka_unit_test(handle_with_peeked_items_is_busy_for_dup),
          cmocka_unit_test(end_of_stream_waits_for_items_peeked_elsewhere))
