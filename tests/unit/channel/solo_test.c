/* SPDX-License-Identifier: MIT */
/*
 * solo_test.c - a rendezvous of one sender and one receiver, and how it becomes a general one: each
 * item changes hands once or not at all, whatever crosses it.
 */
#include "unit/channel/kit.h"

#define MEETINGS 3000

struct tally {
    sks_sender *tx;
    sks_receiver *rx;
    unsigned seed;
    unsigned hasty; /* of three waits so many have a deadline */
    uint64_t moved, sum, failed;
};

static unsigned draw(struct tally *t, unsigned n)
{
    t->seed = t->seed * 1664525 + 1013904223;
    return (t->seed >> 16) % n;
}

static int64_t deadline_of(struct tally *t)
{
    if (draw(t, 3) >= t->hasty)
        return SKS_NEVER;
    return draw(t, 3) ? sks_after(draw(t, 20000)) : SKS_NOW;
}

static void *send_some(void *arg)
{
    struct tally *t = arg;

    for (uint64_t id = 1; id <= MEETINGS; id++) {
        if (sks_sender_send_until(t->tx, &id, deadline_of(t)) == 0) {
            t->moved++;
            t->sum += id;
        } else if (errno == ETIMEDOUT || errno == EAGAIN) {
            t->failed++;
        } else {
            break;
        }
    }
    sks_sender_close(t->tx);
    return NULL;
}

/* Until the end of stream; from meeting `leave` on it has a dup, so the general way. */
static void receive_all(struct tally *t, uint64_t leave)
{
    sks_receiver *more = NULL;
    uint64_t id, last = 0;

    for (;;) {
        int r = sks_receiver_recv_until(more ? more : t->rx, &id, deadline_of(t));

        if (r == 0)
            break;
        if (r == 1) {
            t->failed += id <= last; /* they come in order */
            last = id;
            t->moved++;
            t->sum += id;
        } else if (errno != ETIMEDOUT && errno != EAGAIN) {
            t->failed++;
            break;
        }
        if (t->moved >= leave && !more)
            assert_non_null(more = sks_receiver_dup(t->rx));
    }
    sks_receiver_close(more);
    sks_receiver_close(t->rx);
}

static void each_item_is_moved_once_or_not_at_all(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 18; k++) {
        struct tally out = {.seed = k, .hasty = k % 3}, in = {.seed = 99 - k, .hasty = k / 3 % 3};
        pthread_t thread;

        assert_int_equal(sks_channel(sizeof(uint64_t), 0, &out.tx, &in.rx), 0);
        assert_int_equal(pthread_create(&thread, NULL, send_some, &out), 0);
        receive_all(&in, k < 9 ? UINT64_MAX : 20 * k);
        pthread_join(thread, NULL);
        assert_int_equal(in.failed, 0);
        assert_int_equal(in.moved, out.moved);
        assert_int_equal(in.sum, out.sum);
        assert_int_equal(out.moved + out.failed, MEETINGS);
    }
}

/* ---- leaving ----------------------------------------------------------- */

/* Whoever waits on the short way is there for the next try of the one that leaves it. */
static void sender_that_waits_is_there_after_a_dup(void **state)
{
    (void)state;
    for (int k = 0; k < 40; k++) {
        struct rig r;
        struct job j;
        struct item it;
        sks_receiver *more;

        rig_open(&r, &shapes[0]);
        job_call(&j, send_of(SEND, r.tx, 4, SKS_NEVER), 0);
        assert_non_null(more = sks_receiver_dup(r.rx));
        assert_int_equal(sks_receiver_try_recv(k % 2 ? more : r.rx, &it), 1);
        assert_true(item_is(&it, 4));
        job_join(&j);
        assert_int_equal(j.call.r, 0);
        sks_receiver_close(more);
        rig_close(&r);
    }
}

static void receiver_that_waits_is_there_for_a_reserve(void **state)
{
    (void)state;
    for (int k = 0; k < 40; k++) {
        struct item it = item_of(7);
        void *slots;
        struct rig r;
        struct job j;

        rig_open(&r, &shapes[0]);
        job_call(&j, recv_of(RECV, r.rx, SKS_NEVER), 0);
        assert_int_equal(sks_sender_reserve(r.tx, 1, &slots, SKS_NOW), 1);
        memcpy(slots, &it, sizeof it);
        assert_int_equal(sks_sender_commit(r.tx, 1), 1);
        job_join(&j);
        assert_int_equal(j.call.r, 1);
        assert_true(item_is(&j.call.item, 7));
        rig_close(&r);
    }
}

/* ---- small and large items --------------------------------------------- */

struct sending {
    sks_sender *tx;
    const void *item;
};

static void *send_and_close(void *arg)
{
    struct sending *s = arg;

    sks_sender_send(s->tx, s->item);
    sks_sender_close(s->tx);
    return NULL;
}

static void items_of_any_size_arrive_whole(void **state)
{
    static const size_t sizes[] = {0, 1, 3, 4, 7, 8, 9, 16, 100, 5000};

    (void)state;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        unsigned char in[5000], out[5000] = {0};
        struct sending s = {.item = in};
        sks_receiver *rx;
        pthread_t thread;

        for (size_t i = 0; i < sizeof in; i++)
            in[i] = (unsigned char)(i * 7 + k);
        assert_int_equal(sks_channel(sizes[k], 0, &s.tx, &rx), 0);
        assert_int_equal(pthread_create(&thread, NULL, send_and_close, &s), 0);
        assert_int_equal(sks_receiver_recv(rx, out), 1);
        assert_memory_equal(in, out, sizes[k]);
        assert_int_equal(sks_receiver_recv(rx, out), 0);
        pthread_join(thread, NULL);
        sks_receiver_close(rx);
    }
}

SKS_TESTS("channel/solo", cmocka_unit_test(each_item_is_moved_once_or_not_at_all),
          cmocka_unit_test(sender_that_waits_is_there_after_a_dup),
          cmocka_unit_test(receiver_that_waits_is_there_for_a_reserve),
          cmocka_unit_test(items_of_any_size_arrive_whole))
