/* SPDX-License-Identifier: MIT */
/* stream_test.c - the duplex pair, and the typed wrappers in C. */
#include "unit/channel/kit.h"

#include <sys/socket.h>

struct point {
    int32_t x, y, z;
};

SKS_TYPED(points, struct point);
SKS_TYPED(numbers, uint64_t);

static void open_pair(sks_stream **a, sks_stream **b)
{
    sks_channel_options o = {.size = sizeof o, .destroy = destroy_item};

    assert_int_equal(sks_stream_pair_with(sizeof(struct item), 4, &o, a, b), 0);
}

static void send_id(sks_stream *s, uint64_t id)
{
    struct item it = item_of(id);

    assert_int_equal(sks_stream_send(s, &it), 0);
}

static void assert_gets(sks_stream *s, uint64_t id)
{
    struct item it;

    assert_int_equal(sks_stream_recv(s, &it), 1);
    assert_true(item_is(&it, id));
}

static void what_one_end_sends_the_other_receives(void **state)
{
    static const size_t aligns[] = {0, 8, 64, 4096};

    (void)state;
    for (int k = 0; k < 4; k++) {
        sks_channel_options o = {.size = sizeof o, .item_align = aligns[k]};
        sks_stream *a, *b;

        assert_int_equal(sks_stream_pair_with(sizeof(struct item), 3, &o, &a, &b), 0);
        for (uint64_t i = 0; i < 10; i++) {
            send_id(a, i);
            send_id(b, 100 + i);
            assert_gets(a, 100 + i);
            assert_gets(b, i);
        }
        sks_stream_close(a);
        sks_stream_close(b);
    }
}

static void each_direction_has_its_own_capacity(void **state)
{
    struct item it = item_of(1);
    sks_stream *a, *b;

    (void)state;
    assert_int_equal(sks_stream_pair(sizeof it, 2, &a, &b), 0);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(sks_stream_try_send(k ? a : b, &it), 0);
        assert_int_equal(sks_stream_send_until(k ? a : b, &it, SKS_NOW), 0);
        assert_int_equal(sks_stream_try_send(k ? a : b, &it), -1);
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(sks_stream_send_until(k ? a : b, &it, 1), -1);
        assert_int_equal(errno, ETIMEDOUT);
    }
    assert_int_equal(sks_stream_recv_until(a, &it, SKS_NOW), 1);
    assert_int_equal(sks_stream_recv_until(a, &it, 1), 1);
    assert_int_equal(sks_stream_recv_until(a, &it, 1), -1);
    assert_int_equal(sks_stream_try_recv(a, &it), -1);
    assert_true(sks_same_channel(sks_stream_sender(a), sks_stream_receiver(b)));
    assert_false(sks_same_channel(sks_stream_sender(a), sks_stream_receiver(a)));
    sks_stream_close(b);
    sks_stream_close(a);
}

static void close_delivers_what_is_in_flight_then_ends(void **state)
{
    struct item it = item_of(9);
    sks_stream *a, *b;

    (void)state;
    open_pair(&a, &b);
    send_id(a, 1);
    send_id(b, 2);
    sks_stream_close(a);
    assert_destroyed(2, 3, 1);
    assert_int_equal(sks_stream_send(b, &it), -1);
    assert_int_equal(errno, EPIPE);
    assert_gets(b, 1);
    assert_int_equal(sks_stream_recv(b, &it), 0);
    sks_stream_close(b);
    sks_stream_close(NULL);
    assert_destroyed(1, 2, 0);
    assert_destroyed(9, 10, 0);
}

static void shutdown_ends_the_halves_that_it_names(void **state)
{
    static const int hows[] = {SHUT_RD, SHUT_WR, SHUT_RDWR};

    (void)state;
    for (int k = 0; k < 3; k++) {
        bool rd = hows[k] != SHUT_WR, wr = hows[k] != SHUT_RD;
        struct item it = item_of(9);
        sks_stream *a, *b;

        open_pair(&a, &b);
        send_id(a, 1);
        send_id(b, 2);
        assert_int_equal(sks_stream_shutdown(a, hows[k]), 0);
        assert_int_equal(sks_stream_shutdown(a, hows[k]), 0);
        assert_int_equal(sks_stream_try_send(a, &it), wr ? -1 : 0);
        assert_int_equal(sks_stream_try_send(b, &it), rd ? -1 : 0);
        assert_gets(b, 1);
        assert_gets(a, 2);
        assert_int_equal(sks_stream_try_recv(b, &it), wr ? 0 : 1);
        assert_int_equal(sks_stream_try_recv(a, &it), rd ? 0 : 1);
        sks_stream_close(a);
        sks_stream_close(b);
    }
}

static void shutdown_of_nothing_known_is_refused(void **state)
{
    sks_stream *a, *b;

    (void)state;
    open_pair(&a, &b);
    assert_int_equal(sks_stream_shutdown(a, 17), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(sks_stream_abort(a, 0), -1);
    assert_int_equal(errno, EINVAL);
    send_id(a, 1);
    sks_stream_close(a);
    sks_stream_close(b);
    assert_int_equal(sks_stream_pair(8, 1, NULL, &b), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(sks_stream_pair(SIZE_MAX / 2, 1, &a, &b), -1);
    assert_int_equal(errno, EINVAL);
}

static void abort_ends_both_directions_with_the_code(void **state)
{
    struct item it = item_of(9);
    sks_stream *a, *b;

    (void)state;
    open_pair(&a, &b);
    send_id(a, 1);
    send_id(b, 2);
    assert_int_equal(sks_stream_abort(a, 44), 0);
    for (int k = 0; k < 2; k++) {
        errno = 0;
        assert_int_equal(sks_stream_send(k ? a : b, &it), -1);
        assert_int_equal(errno, 44);
        errno = 0;
        assert_int_equal(sks_stream_recv(k ? a : b, &it), -1);
        assert_int_equal(errno, 44);
    }
    sks_stream_close(a);
    sks_stream_close(b);
    assert_destroyed(1, 3, 1);
}

static void half_that_was_dup_ed_outlives_its_stream(void **state)
{
    struct item it;
    sks_stream *a, *b;
    sks_sender *tx;

    (void)state;
    open_pair(&a, &b);
    tx = sks_sender_dup(sks_stream_sender(a));
    sks_stream_close(a);
    it = item_of(3);
    assert_int_equal(sks_sender_send(tx, &it), 0);
    sks_sender_close(tx);
    assert_gets(b, 3);
    assert_int_equal(sks_stream_recv(b, &it), 0);
    sks_stream_close(b);
}

static void typed_wrappers_pass_values(void **state)
{
    points_sender tx, more;
    points_receiver rx;
    points_item p = {1, 2, 3}, many[3] = {{1, 1, 1}, {2, 2, 2}, {3, 3, 3}}, got[3];

    (void)state;
    assert_int_equal(points_channel(4, &tx, &rx), 0);
    more = points_sender_dup(tx);
    assert_int_equal(points_send(tx, p), 0);
    assert_int_equal(points_try_send(more, p), 0);
    assert_int_equal(points_send_until(tx, p, SKS_NOW), 0);
    assert_int_equal(points_recv(rx, &p), 1);
    assert_int_equal(points_try_recv(rx, &p), 1);
    assert_int_equal(points_recv_until(rx, &p, SKS_NOW), 1);
    assert_int_equal(p.x + p.y + p.z, 6);
    assert_int_equal(points_send_many(tx, many, 3, SKS_NEVER), 3);
    assert_int_equal(points_recv_many(rx, got, 3, SKS_NEVER), 3);
    assert_int_equal(got[2].z, 3);
    points_receiver_close(points_receiver_dup(rx));
    points_sender_close(more);
    points_sender_close(tx);
    assert_int_equal(points_recv(rx, &p), 0);
    points_receiver_close(rx);
}

static void typed_streams_pass_values(void **state)
{
    numbers_stream a, b;
    uint64_t n = 0;

    (void)state;
    assert_int_equal(numbers_pair(1, &a, &b), 0);
    assert_int_equal(numbers_stream_send(a, 5), 0);
    assert_int_equal(numbers_stream_try_send(a, 6), -1);
    assert_int_equal(numbers_stream_recv(b, &n), 1);
    assert_int_equal(n, 5);
    assert_int_equal(numbers_stream_try_recv(b, &n), -1);
    assert_int_equal(numbers_stream_shutdown(a, SHUT_WR), 0);
    assert_int_equal(numbers_stream_recv(b, &n), 0);
    numbers_stream_close(a);
    numbers_stream_close(b);
}

SKS_TESTS("channel/stream", cmocka_unit_test(what_one_end_sends_the_other_receives),
          cmocka_unit_test(each_direction_has_its_own_capacity),
          cmocka_unit_test(close_delivers_what_is_in_flight_then_ends),
          cmocka_unit_test(shutdown_ends_the_halves_that_it_names),
          cmocka_unit_test(shutdown_of_nothing_known_is_refused),
          cmocka_unit_test(abort_ends_both_directions_with_the_code),
          cmocka_unit_test(half_that_was_dup_ed_outlives_its_stream),
          cmocka_unit_test(typed_wrappers_pass_values), cmocka_unit_test(typed_streams_pass_values))
