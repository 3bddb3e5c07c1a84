/* SPDX-License-Identifier: MIT */
/*
 * ops.h - what a worker of the stress test does: one function for each kind of call.
 *
 * PROGRESS  A worker that only sends may wait for ever, one that only receives may wait for
 * ever for all its channels at once, one that does both only for a moment.  So every
 * round ends unless a wake-up is lost.
 */
#ifndef SKS_STRESS_OPS_H
#define SKS_STRESS_OPS_H

#include "world.h"

static inline int64_t some_deadline(struct worker *w, bool never)
{
    switch (draw(&w->seed, never ? 6 : 3)) {
    case 0:
        return SKS_NOW;
    case 1:
        return draw(&w->seed, 2) ? 1 : sks_now();
    case 2:
        return sks_after(draw(&w->seed, 200000));
    default:
        return SKS_NEVER;
    }
}

/* Is this errno one that the call may fail with here?  tx: of a sender, else NULL. */
static inline void check_error(unsigned c, int error, int64_t deadline, const sks_sender *tx,
                               bool again)
{
    int code = atomic_load(&world.channel[c].abort_code);

    if (error == EAGAIN)
        CHECK(again || deadline == SKS_NOW, "EAGAIN with deadline %" PRId64, deadline);
    else if (error == ETIMEDOUT)
        CHECK(deadline != SKS_NOW && deadline != SKS_NEVER && sks_now() >= deadline, "ETIMEDOUT");
    else if (error == EPIPE)
        CHECK(tx && sks_sender_gone(tx), "EPIPE although somebody receives, or for a receiver");
    else
        CHECK(code && error == code, "errno %d, code %d", error, code);
}

static inline bool is_end(int error)
{
    return error != EAGAIN && error != ETIMEDOUT;
}

/* ---- sending ----------------------------------------------------------- */

/* No more from this worker on channel c. */
static inline void stop_sending(struct worker *w, unsigned c)
{
    sks_sender *tx = w->tx[c];

    w->tx[c] = NULL;
    if (w->keep[c]) {
        sks_sender_done(tx);
        CHECK(sks_sender_try_send(tx, &(char[ITEM_MAX]){0}) == -1 && errno != EAGAIN, "done sends");
    } else {
        sks_sender_close(tx);
    }
}

static inline void sent_or_not(struct worker *w, unsigned c, const void *item, int r,
                               int64_t deadline, bool again)
{
    int error = errno;

    if (r == 0) {
        count_sent(c, 1);
        return;
    }
    CHECK(r == -1, "a send gave %d", r);
    item_refused(item);
    check_error(c, error, deadline, w->tx[c], again);
    if (is_end(error))
        stop_sending(w, c);
}

static inline void op_send(struct worker *w, unsigned c)
{
    int64_t deadline = some_deadline(w, !w->mixed);
    unsigned char item[ITEM_MAX];
    int r;

    step(w, "send", c);
    item_make(w, c, item);
    if (deadline == SKS_NEVER)
        r = sks_sender_send(w->tx[c], item);
    else if (deadline == SKS_NOW)
        r = sks_sender_try_send(w->tx[c], item);
    else
        r = sks_sender_send_until(w->tx[c], item, deadline);
    sent_or_not(w, c, item, r, deadline, false);
}

static inline void op_send_many(struct worker *w, unsigned c)
{
    int64_t deadline = some_deadline(w, !w->mixed);
    unsigned char items[BATCH_MAX * ITEM_MAX];
    size_t size = world.channel[c].item_size, n = 1 + draw(&w->seed, BATCH_MAX);
    ssize_t r;
    int error;

    step(w, "send_many", c);
    for (size_t i = 0; i < n; i++)
        item_make(w, c, items + i * size);
    r = sks_sender_send_many(w->tx[c], items, n, deadline);
    error = errno;
    CHECK(r == -1 || (r > 0 && (size_t)r <= n), "send_many gave %zd", r);
    if (r > 0)
        count_sent(c, (size_t)r);
    for (size_t i = r > 0 ? (size_t)r : 0; i < n; i++)
        item_refused(items + i * size);
    if (r > 0)
        return;
    check_error(c, error, deadline, w->tx[c], false);
    if (is_end(error))
        stop_sending(w, c);
}

static inline void op_reserve(struct worker *w, unsigned c)
{
    int64_t deadline = some_deadline(w, !w->mixed);
    size_t stride = world.channel[c].item_size, n = 1 + draw(&w->seed, BATCH_MAX), some;
    size_t align = world.channel[c].item_align;
    void *slots = NULL;
    ssize_t r, went;

    step(w, "reserve", c);
    r = sks_sender_reserve(w->tx[c], n, &slots, deadline);
    if (r == -1) {
        check_error(c, errno, deadline, w->tx[c], false);
        if (is_end(errno))
            stop_sending(w, c);
        return;
    }
    CHECK(r > 0 && (size_t)r <= n, "reserve gave %zd of %zu", r, n);
    stride = align ? (stride + align - 1) / align * align : stride;
    some = draw(&w->seed, (uint32_t)r + 1);
    for (size_t i = 0; i < some; i++)
        item_make(w, c, (char *)slots + i * stride);
    if (draw(&w->seed, 4) == 0)
        sched_yield();
    if (some == 0 && world.channels == 1 && draw(&w->seed, 2)) /* the next send gives it up */
        return;
    step(w, "commit", c);
    unsigned char copies[BATCH_MAX * ITEM_MAX];
    memcpy(copies, slots, some ? (some - 1) * stride + world.channel[c].item_size : 0);
    went = sks_sender_commit(w->tx[c], some);
    CHECK(went == -1 || (size_t)went <= some, "commit gave %zd of %zu", went, some);
    CHECK(went != -1 || (errno == EAGAIN ? world.channel[c].capacity == 0 : errno != EINVAL),
          "commit: errno %d", errno);
    CHECK(went == -1 || (size_t)went == some || sks_sender_gone(w->tx[c]), "promised room");
    count_sent(c, went > 0 ? (size_t)went : 0);
    for (size_t i = went > 0 ? (size_t)went : 0; i < some; i++)
        item_refused(copies + i * stride);
}

static inline void op_sender_dup(struct worker *w, unsigned c)
{
    sks_sender *more;

    step(w, "sender_dup", c);
    more = sks_sender_dup(w->tx[c]);
    if (!more) {
        CHECK(errno == EBUSY && sks_sender_commit(w->tx[c], 0) == 0, "dup: errno %d", errno);
    } else if (w->keep[c] || draw(&w->seed, 2)) {
        sks_sender_close(more);
    } else {
        sks_sender_close(w->tx[c]);
        w->tx[c] = more;
    }
}

/* ---- receiving --------------------------------------------------------- */

static inline void stop_receiving(struct worker *w, unsigned c)
{
    sks_receiver_close(w->rx[c]);
    w->rx[c] = NULL;
}

/* A receive gave 0, or -1 and `error`. */
static inline void received_none(struct worker *w, unsigned c, ssize_t r, int error,
                                 int64_t deadline)
{
    unsigned char item[ITEM_MAX];

    CHECK(r == 0 || r == -1, "a receive gave %zd", r);
    if (r == -1) {
        check_error(c, error, deadline, NULL, false);
        if (!is_end(error))
            return;
    } else {
        r = sks_receiver_try_recv(w->rx[c], item);
        CHECK(r == 0 || (r == -1 && errno == atomic_load(&world.channel[c].abort_code)),
              "end of stream, then %zd, errno %d", r, errno);
    }
    stop_receiving(w, c);
}

static inline void op_recv(struct worker *w, unsigned c, bool never)
{
    int64_t deadline = some_deadline(w, never);
    unsigned char item[ITEM_MAX];
    int r;

    step(w, "recv", c);
    if (deadline == SKS_NEVER)
        r = sks_receiver_recv(w->rx[c], item);
    else if (deadline == SKS_NOW)
        r = sks_receiver_try_recv(w->rx[c], item);
    else
        r = sks_receiver_recv_until(w->rx[c], item, deadline);
    if (r == 1)
        item_received(w, c, item);
    else
        received_none(w, c, r, errno, deadline);
}

static inline void op_recv_many(struct worker *w, unsigned c, bool never)
{
    int64_t deadline = some_deadline(w, never);
    unsigned char items[BATCH_MAX * ITEM_MAX];
    size_t n = 1 + draw(&w->seed, BATCH_MAX);
    ssize_t r;

    step(w, "recv_many", c);
    r = sks_receiver_recv_many(w->rx[c], items, n, deadline);
    CHECK(r <= (ssize_t)n, "recv_many gave %zd of %zu", r, n);
    if (r <= 0)
        received_none(w, c, r, errno, deadline);
    for (ssize_t i = 0; i < r; i++)
        item_received(w, c, items + (size_t)i * world.channel[c].item_size);
}

static inline void op_peek(struct worker *w, unsigned c, bool never)
{
    int64_t deadline = some_deadline(w, never);
    size_t stride = world.channel[c].item_size, n = 1 + draw(&w->seed, BATCH_MAX), some;
    size_t align = world.channel[c].item_align;
    unsigned char copies[BATCH_MAX * ITEM_MAX];
    void *slots = NULL;
    ssize_t r;

    step(w, "peek", c);
    r = sks_receiver_peek(w->rx[c], n, &slots, deadline);
    CHECK(r <= (ssize_t)n, "peek gave %zd of %zu", r, n);
    if (r <= 0) {
        received_none(w, c, r, errno, deadline);
        return;
    }
    stride = align ? (stride + align - 1) / align * align : stride;
    memcpy(copies, slots, ((size_t)r - 1) * stride + world.channel[c].item_size);
    some = world.give_back || world.channel[c].receivers == 1 ? draw(&w->seed, (uint32_t)r + 1)
                                                              : (size_t)r;
    if (draw(&w->seed, 4) == 0)
        sched_yield();
    step(w, "consume", c);
    if (sks_receiver_consume(w->rx[c], some) == -1) {
        CHECK(errno == atomic_load(&world.channel[c].abort_code), "consume: errno %d", errno);
        stop_receiving(w, c);
        return;
    }
    for (size_t i = 0; i < some; i++)
        item_received(w, c, copies + i * stride);
}

static inline void op_receiver_dup(struct worker *w, unsigned c)
{
    sks_receiver *more;

    step(w, "receiver_dup", c);
    more = sks_receiver_dup(w->rx[c]);
    CHECK(more, "dup: errno %d", errno);
    if (!more)
        return;
    if (draw(&w->seed, 2)) {
        sks_receiver *old = w->rx[c];

        w->rx[c] = more;
        more = old;
    }
    sks_receiver_close(more);
}

#endif
