/* SPDX-License-Identifier: MIT */
/* send_test.c - order, capacity, batches, reservations.  Covers: send.c reserve.c */
#include "unit/channel/kit.h"

static void assert_receives(sks_receiver *rx, uint64_t from, uint64_t to)
{
    for (uint64_t id = from; id < to; id++) {
        struct item it;

        assert_int_equal(sks_receiver_try_recv(rx, &it), 1);
        assert_true(item_is(&it, id));
    }
}

static void items_come_out_in_order_over_many_laps(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;
        uint64_t sent = 0, got = 0;

        if (s->capacity == 0)
            continue;
        rig_open(&r, s);
        for (int lap = 0; lap < 200; lap++) {
            uint64_t n = 1 + (uint64_t)lap % (s->capacity < 8 ? s->capacity : 8);

            rig_send(&r, sent, n);
            sent += n;
            assert_receives(lap % 2 && r.rx2 ? r.rx2 : r.rx, got, sent);
            got = sent;
        }
        rig_close(&r);
    }
}

static void capacity_is_exact(void **state)
{
    static const size_t capacities[] = {1, 2, 3, 5, 8, 63, 64, 65, 100};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof capacities / sizeof *capacities; i++) {
        struct shape s = {"exact", capacities[i / 2], i % 2};
        struct item it = item_of(0);
        struct rig r;

        rig_open(&r, &s);
        for (int lap = 0; lap < 3; lap++) {
            rig_send(&r, 0, s.capacity);
            assert_int_equal(sks_sender_try_send(r.tx, &it), -1);
            assert_int_equal(errno, EAGAIN);
            assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_LEN), s.capacity);
            assert_receives(r.rx, 0, s.capacity);
        }
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_CAPACITY), s.capacity);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_HIGH_WATER), s.capacity);
        rig_close(&r);
    }
}

static void unbounded_holds_thousands_in_order(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        struct rig r;

        rig_open(&r, &shapes[6 + shared]);
        rig_send(&r, 0, 3000);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_CAPACITY), UINT64_MAX);
        assert_receives(r.rx, 0, 1500);
        rig_send(&r, 3000, 1000);
        assert_receives(r.rx, 1500, 3500);
        rig_close(&r);
        assert_destroyed(0, 3500, 0);
        assert_destroyed(3500, 4000, 1);
    }
}

static void batch_too_large_goes_in_part(void **state)
{
    struct item items[20];

    (void)state;
    for (uint64_t i = 0; i < 20; i++)
        items[i] = item_of(i);
    FOR_SHAPES(s)
    {
        struct rig r;
        size_t fit = s->capacity > 20 ? 20 : s->capacity;

        rig_open(&r, s);
        for (int lap = 0; lap < 3; lap++) {
            int64_t deadline = lap == 0 ? SKS_NOW : lap == 1 ? 1 : sks_after(1000);
            ssize_t n = sks_sender_send_many(r.tx, items, 20, deadline);

            assert_int_equal(n, fit ? (ssize_t)fit : -1);
            if (!fit)
                assert_int_equal(errno, lap ? ETIMEDOUT : EAGAIN);
            assert_receives(r.rx, 0, fit);
        }
        assert_int_equal(sks_sender_send_many(r.tx, items, 0, SKS_NEVER), 0);
        rig_close(&r);
    }
}

static void batch_wraps_around_the_end_of_the_ring(void **state)
{
    struct item items[8], out[8];

    (void)state;
    for (uint64_t offset = 0; offset < 16; offset++) {
        struct rig r;

        rig_open(&r, &shapes[4 + offset % 2]);
        for (uint64_t i = 0; i < offset; i++) {
            rig_send(&r, i, 1);
            assert_receives(r.rx, i, i + 1);
        }
        for (uint64_t i = 0; i < 8; i++)
            items[i] = item_of(100 + i);
        assert_int_equal(sks_sender_send_many(r.tx, items, 8, SKS_NOW), 8);
        assert_int_equal(sks_receiver_recv_many(r.rx, out, 8, SKS_NOW), 8);
        for (uint64_t i = 0; i < 8; i++)
            assert_true(item_is(&out[i], 100 + i));
        rig_close(&r);
    }
}

static void send_batch(struct job *j)
{
    struct item items[100];

    for (uint64_t i = 0; i < 100; i++)
        items[i] = item_of(i);
    j->call.r = sks_sender_send_many(j->call.tx, items, 100, SKS_NEVER);
}

static void batch_larger_than_capacity_waits_for_room(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;
        struct job j;

        rig_open(&r, s);
        j = (struct job){.run = send_batch, .call.tx = r.tx};
        job_start(&j);
        for (uint64_t i = 0; i < 100; i++) {
            struct item it;

            assert_int_equal(sks_receiver_recv(r.rx, &it), 1);
            assert_true(item_is(&it, i));
        }
        job_join(&j);
        assert_int_equal(j.call.r, 100);
        rig_close(&r);
    }
}

static void batch_when_receiver_closes_in_between_says_how_many_went(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;
        struct job j;
        struct item it;

        if (s->capacity == SKS_UNBOUNDED)
            continue;
        rig_open(&r, s);
        j = (struct job){.run = send_batch, .call.tx = r.tx};
        job_start(&j);
        for (uint64_t i = 0; i < 10; i++)
            assert_int_equal(sks_receiver_recv(r.rx, &it), 1);
        job_settle(&j);
        rig_close_receivers(&r);
        job_join(&j);
        assert_in_range((uint64_t)j.call.r, 10, 10 + s->capacity);
        assert_destroyed(0, 10, 0);
        assert_destroyed(10, (uint64_t)j.call.r, 1);
        assert_destroyed((uint64_t)j.call.r, 100, 0);
        rig_close(&r);
    }
}

/* ---- reserve and commit ------------------------------------------------ */

static struct item *reserve(sks_sender *tx, size_t n, ssize_t want)
{
    void *slots = NULL;

    assert_int_equal(sks_sender_reserve(tx, n, &slots, SKS_NOW), want);
    for (ssize_t i = 0; i < want; i++)
        ((struct item *)slots)[i] = item_of((uint64_t)i);
    return slots;
}

static void reservation_commits_some_of_it(void **state)
{
    (void)state;
    for (int k = 4; k < 8; k++) { /* eight and unbounded */
        for (size_t some = 0; some <= 4; some++) {
            struct rig r;

            rig_open(&r, &shapes[k]);
            reserve(r.tx, 4, 4);
            assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_LEN), 0);
            assert_int_equal(sks_sender_commit(r.tx, some), some);
            assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_LEN), some);
            assert_receives(r.rx, 0, some);
            rig_send(&r, 9, 1);
            assert_receives(r.rx, 9, 10);
            rig_close(&r);
            assert_destroyed(0, IDS, 0);
        }
    }
}

static void reservation_is_limited_by_room(void **state)
{
    void *slots;

    (void)state;
    for (int k = 2; k < 6; k++) {
        struct rig r;
        size_t capacity = shapes[k].capacity;

        rig_open(&r, &shapes[k]);
        reserve(r.tx, 50, (ssize_t)capacity);
        assert_int_equal(sks_sender_commit(r.tx, capacity), capacity);
        assert_int_equal(sks_sender_reserve(r.tx, 1, &slots, SKS_NOW), -1);
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(sks_sender_reserve(r.tx, 1, &slots, 1), -1);
        assert_int_equal(errno, ETIMEDOUT);
        assert_receives(r.rx, 0, capacity);
        rig_close(&r);
    }
}

static void reservation_of_one_sender_holds_its_room_against_others(void **state)
{
    struct item it = item_of(90);

    (void)state;
    for (int k = 3; k < 6; k += 2) {
        struct rig r;
        size_t capacity = shapes[k].capacity;

        rig_open(&r, &shapes[k]);
        reserve(r.tx, 1, 1);
        for (size_t i = 1; i < capacity; i++)
            assert_int_equal(sks_sender_try_send(r.tx2, &it), 0);
        assert_int_equal(sks_sender_try_send(r.tx2, &it), -1);
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(sks_sender_commit(r.tx, 1), 1);
        for (size_t i = 1; i < capacity; i++)
            assert_receives(r.rx, 90, 91);
        assert_receives(r.rx, 0, 1);
        rig_close(&r);
    }
}

static void reservation_given_up_wakes_another_sender(void **state)
{
    (void)state;
    for (int how = 0; how < 12; how++) {
        struct rig r;
        struct job j;
        struct item it = item_of(60);

        rig_open(&r, &shapes[3]);
        reserve(r.tx, 1, 1);
        job_call(&j, send_of(SEND + how % 3, r.tx2, 61, SKS_NEVER), how / 6);
        if (how % 2)
            assert_int_equal(sks_sender_commit(r.tx, 0), 0);
        else
            sks_sender_done(r.tx);
        job_join(&j);
        assert_int_equal(j.call.r >= 0, 1);
        assert_int_equal(sks_receiver_recv(r.rx, &it), 1);
        assert_true(item_is(&it, 61));
        rig_close(&r);
    }
}

static void send_and_reserve_give_the_reservation_up(void **state)
{
    struct item it = item_of(70);

    (void)state;
    for (int k = 2; k < 8; k++) {
        struct rig r;

        rig_open(&r, &shapes[k]);
        reserve(r.tx, 1, 1);
        assert_int_equal(sks_sender_try_send(r.tx, &it), 0);
        assert_int_equal(sks_sender_commit(r.tx, 1), -1);
        assert_int_equal(errno, EINVAL);
        assert_receives(r.rx, 70, 71);
        reserve(r.tx, 1, 1);
        reserve(r.tx, 1, 1);
        assert_int_equal(sks_sender_commit(r.tx, 1), 1);
        assert_receives(r.rx, 0, 1);
        rig_close(&r);
    }
}

static void handle_with_a_reservation_is_busy_for_dup(void **state)
{
    (void)state;
    for (int k = 2; k < 8; k++) {
        struct rig r;
        sks_sender *more;

        rig_open(&r, &shapes[k]);
        reserve(r.tx, 1, 1);
        errno = 0;
        assert_null(sks_sender_dup(r.tx));
        assert_int_equal(errno, EBUSY);
        assert_int_equal(sks_sender_commit(r.tx, 1), 1);
        assert_non_null(more = sks_sender_dup(r.tx));
        sks_sender_close(more);
        rig_close(&r);
    }
}

static void commit_of_more_than_was_reserved_is_refused(void **state)
{
    void *slots;

    (void)state;
    FOR_SHAPES(s)
    {
        struct rig r;

        rig_open(&r, s);
        assert_int_equal(sks_sender_commit(r.tx, 0), 0);
        assert_int_equal(sks_sender_commit(r.tx, 1), -1);
        assert_int_equal(errno, EINVAL);
        assert_int_equal(sks_sender_reserve(r.tx, 0, &slots, SKS_NOW), -1);
        assert_int_equal(errno, EINVAL);
        rig_close(&r);
    }
}

static void reserve_and_commit_all(struct job *j)
{
    uint64_t from = j->call.item.id, sent = 0;

    while (sent < 300) {
        void *slots;
        ssize_t n = sks_sender_reserve(j->call.tx, 5, &slots, SKS_NEVER);
        ssize_t some = n > 1 ? n - 1 : n;

        for (ssize_t i = 0; i < some; i++)
            ((struct item *)slots)[i] = item_of(from + sent + (uint64_t)i);
        if (n < 1 || sks_sender_commit(j->call.tx, (size_t)some) != some)
            return;
        sent += (uint64_t)some;
    }
    j->call.r = (ssize_t)sent;
}

static void promised_room_is_there_whatever_the_other_sender_does(void **state)
{
    (void)state;
    for (int k = 3; k < 8; k += 2) {
        struct rig r;
        struct job j[2];
        uint64_t next[2] = {0, 1000}, all;

        rig_open(&r, &shapes[k]);
        j[0] = (struct job){.run = reserve_and_commit_all, .call = {.tx = r.tx}};
        j[1] = (struct job){.run = reserve_and_commit_all, .call = {.tx = r.tx2, .item.id = 1000}};
        job_start(&j[0]);
        job_start(&j[1]);
        for (all = 0; all < 600; all++) {
            struct item it;

            if (sks_receiver_recv_until(r.rx, &it, sks_after(10000000000)) != 1)
                break;
            assert_true(item_is(&it, next[it.id >= 1000]));
            next[it.id >= 1000]++;
        }
        job_join(&j[0]);
        job_join(&j[1]);
        assert_true(all >= 600 && j[0].call.r >= 300 && j[1].call.r >= 300);
        rig_close(&r);
    }
}

SKS_TESTS("channel/send", cmocka_unit_test(items_come_out_in_order_over_many_laps),
          cmocka_unit_test(capacity_is_exact), cmocka_unit_test(unbounded_holds_thousands_in_order),
          cmocka_unit_test(batch_too_large_goes_in_part),
          cmocka_unit_test(batch_wraps_around_the_end_of_the_ring),
          cmocka_unit_test(batch_larger_than_capacity_waits_for_room),
          cmocka_unit_test(batch_when_receiver_closes_in_between_says_how_many_went),
          cmocka_unit_test(reservation_commits_some_of_it),
          cmocka_unit_test(reservation_is_limited_by_room),
          cmocka_unit_test(reservation_of_one_sender_holds_its_room_against_others),
          cmocka_unit_test(reservation_given_up_wakes_another_sender),
          cmocka_unit_test(send_and_reserve_give_the_reservation_up),
          cmocka_unit_test(handle_with_a_reservation_is_busy_for_dup),
          cmocka_unit_test(commit_of_more_than_was_reserved_is_refused),
          cmocka_unit_test(promised_room_is_there_whatever_the_other_sender_does))
