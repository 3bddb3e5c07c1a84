/* SPDX-License-Identifier: MIT */
/*
 * reserve.c - sending in place: reserve and commit.
 *
 * A side that is alone gets the places in the queue themselves.  A shared one gets memory
 * of the handle and a promise of room, so that reservations of several handles do not
 * stand in each other's way; so does a rendezvous, whose promise is a receiver.
 */
#include "channel/internal.h"

#include <errno.h>

static ssize_t reserve_in_place(sks_sender *tx, size_t n, void **slots)
{
    struct sksi_chan *ch = tx->ring.ch;
    uint64_t tail = sksi_ring_tail(&ch->tx.ring);
    ssize_t fit = sksi_room(ch, tail, n, 0);

    if (fit < 0)
        return fit;
    tx->reserved = (uint32_t)sksi_places_here(ch, tail, (uint64_t)fit, slots);
    tx->in_place = true;
    tx->quick = 0;
    return (ssize_t)tx->reserved;
}

static ssize_t reserve_tray(sks_sender *tx, size_t n, void **slots)
{
    struct sksi_chan *ch = tx->ring.ch;
    struct sksi_tray *t = sksi_tray_ready(ch, &tx->tray, n);
    ssize_t fit;

    if (!t)
        return -ENOMEM;
    if (n > t->capacity)
        n = t->capacity;
    if (ch->kind == SKSI_RENDEZVOUS) {
        fit = sksi_meet_claim(tx);
    } else {
        sksi_tx_take(ch);
        fit = sksi_room(ch, sksi_ring_tail(&ch->tx.ring), n, sksi_promised(ch));
        if (fit > 0)
            sksi_promise(ch, (uint64_t)fit);
        sksi_tx_drop(ch);
    }
    if (fit < 0)
        return fit;
    tx->reserved = (uint32_t)fit;
    tx->in_place = false;
    tx->quick = 0;
    *slots = sksi_tray_slot(ch, t, 0);
    return fit;
}

/* ---- the quick way ----------------------------------------------------- */

/* Alone, in a ring, with room that is known.  0: the quick way is closed. */
static inline uint64_t reserve_quick(sks_sender *tx, uint64_t n, void **slots)
{
    struct sksi_ring_tx *t = &tx->ring;
    uint64_t tail = sksi_ring_tail(t), here = t->mask + 1 - (tail & t->mask);

    /* relaxed: hint, read again after the publish. */
    if (t->size == 0 || tail >= t->limit || atomic_load_explicit(&t->x_flags, memory_order_relaxed))
        return 0;
    if (here > t->limit - tail)
        here = t->limit - tail;
    if (here > n)
        here = n;
    *slots = t->slots + (tail & t->mask) * t->size;
    tx->reserved = (uint32_t)here;
    tx->in_place = true;
    tx->quick = t->size;
    t->size = 0;
    return here;
}

/* The same for a commit.  0: the other way. */
static inline ssize_t commit_quick(sks_sender *tx, size_t n)
{
    struct sksi_ring_tx *t = &tx->ring;
    uint32_t size = tx->quick;
    uint64_t tail;

    /* relaxed: hint, read again below. */
    if (size == 0 || n == 0 || n > tx->reserved ||
        atomic_load_explicit(&t->x_flags, memory_order_relaxed))
        return 0;
    tail = sksi_ring_tail(t);
    tx->reserved = 0;
    tx->quick = 0;
    t->size = size;
    if (size <= SKSI_EXPRESS)
        sksi_ring_publish_express(t, tail, n, size);
    else
        sksi_ring_publish(t, tail + n);
    return sksi_quick_sent_flags(t) ? sksi_sent(t->ch, n) : (ssize_t)n;
}

/* ---- one try ----------------------------------------------------------- */

ssize_t sksi_try_reserve(sks_sender *tx, size_t n, void **slots)
{
    struct sksi_chan *ch = tx->ring.ch;
    ssize_t r;

    if (n > UINT32_MAX)
        n = UINT32_MAX;
    if (tx->reserved)
        sksi_sender_unreserve(tx);
    if (sksi_send_ended(tx))
        return sksi_chan_send_end(ch);
    sksi_solo_leave(ch);
    if (ch->tx_shared || ch->kind == SKSI_RENDEZVOUS)
        r = reserve_tray(tx, n, slots);
    else
        r = reserve_in_place(tx, n, slots);
    sksi_sender_refit(tx);
    return r;
}

/* Gives up what is reserved beyond the first n. */
static void unreserve(sks_sender *tx)
{
    struct sksi_chan *ch = tx->ring.ch;
    uint64_t n = tx->reserved;

    tx->reserved = 0;
    sksi_sender_refit(tx);
    if (ch->kind == SKSI_RENDEZVOUS) {
        sksi_meet_settle(tx, NULL);
    } else if (!tx->in_place) {
        sksi_tx_take(ch);
        sksi_promise(ch, -n);
        sksi_tx_drop(ch);
        /* Other senders may have waited for this room. */
        sksi_notify(ch, SKSI_SENDERS, n);
    }
}

void sksi_sender_unreserve(sks_sender *tx)
{
    if (tx->reserved)
        unreserve(tx);
}

static ssize_t commit_tray(sks_sender *tx, size_t n, bool *wake)
{
    struct sksi_chan *ch = tx->ring.ch;
    const void *items = sksi_tray_slot(ch, tx->tray, 0);
    uint64_t left = tx->reserved - n;
    /* With gaps they do not lie as sksi_put() wants. */
    size_t each = sksi_stride(ch) == ch->item_size ? n : 1;
    ssize_t sent = 0, r = (ssize_t)each;

    sksi_tx_take(ch);
    sksi_promise(ch, -(uint64_t)tx->reserved);
    /* Room for all n is there, so what is short is an end: no more after that. */
    while ((size_t)sent < n && r == (ssize_t)each) {
        const unsigned char *from = (const unsigned char *)items + (size_t)sent * sksi_stride(ch);

        r = sksi_put(ch, from, each, 0, wake);
        sent += r > 0 ? r : 0;
    }
    sksi_tx_drop(ch);
    tx->reserved = 0;
    if (left)
        sksi_notify(ch, SKSI_SENDERS, left);
    return sent ? sent : r;
}

ssize_t sksi_try_commit(sks_sender *tx, size_t n)
{
    struct sksi_chan *ch = tx->ring.ch;
    bool wake = false;
    ssize_t r;

    if (n > tx->reserved)
        return -EINVAL;
    if (n == 0 || sksi_send_ended(tx)) {
        sksi_sender_unreserve(tx);
        return n == 0 ? 0 : sksi_chan_send_end(tx->ring.ch);
    }
    if (ch->kind == SKSI_RENDEZVOUS) {
        tx->reserved = 0;
        if (sksi_meet_settle(tx, sksi_tray_slot(ch, tx->tray, 0)))
            return 1;
        return sksi_send_ended(tx) ? sksi_chan_send_end(ch) : -EAGAIN;
    }
    if (tx->in_place) {
        tx->reserved = 0;
        r = sksi_publish(ch, sksi_ring_tail(&ch->tx.ring), n, &wake);
    } else {
        r = commit_tray(tx, n, &wake);
    }
    sksi_sender_refit(tx);
    if (wake && r > 0)
        sksi_wake(ch, SKSI_RECEIVERS, (uint64_t)r);
    return r;
}

/* ---- public ------------------------------------------------------------ */

static ssize_t reserve_once(struct sksi_op *op)
{
    return sksi_try_reserve(op->tx, op->n, op->slots);
}

/* What is left to do when the quick way is closed; apart, so that this one has no frame. */
SKSI_APART static ssize_t reserve_hard(sks_sender *tx, size_t n, void **slots, int64_t deadline)
{
    struct sksi_op op = {
        .try_once = reserve_once,
        .ch = tx->ring.ch,
        .tx = tx,
        .slots = slots,
        .n = n,
        .side = SKSI_SENDERS,
    };
    ssize_t r;

    if (n == 0 || !slots)
        return sksi_result(-EINVAL);
    r = sksi_try_reserve(tx, n, slots);
    return sksi_result(r == -EAGAIN && deadline > SKS_NOW ? sksi_block(&op, deadline) : r);
}

ssize_t sks_sender_reserve(sks_sender *tx, size_t n, void **slots, int64_t deadline)
{
    uint64_t r = n && slots ? reserve_quick(tx, n < UINT32_MAX ? n : UINT32_MAX, slots) : 0;

    return r ? (ssize_t)r : reserve_hard(tx, n, slots, deadline);
}

SKSI_APART static ssize_t commit_hard(sks_sender *tx, size_t n)
{
    return sksi_result(sksi_try_commit(tx, n));
}

ssize_t sks_sender_commit(sks_sender *tx, size_t n)
{
    ssize_t r = commit_quick(tx, n);

    if (r == 0)
        return commit_hard(tx, n);
    return r > 0 ? r : sksi_result(r);
}
