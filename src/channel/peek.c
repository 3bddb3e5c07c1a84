/* SPDX-License-Identifier: MIT */
/*
 * peek.c - receiving in place: peek and consume.
 *
 * A side that is alone is shown the items where they lie; they stay in the queue until it
 * consumes them.  Elsewhere (a shared side, a rendezvous, after a refusal, trays given back) they
 * are moved to a tray of the handle first.
 */
#include "channel/internal.h"

#include <errno.h>

static ssize_t peek_in_place(sks_receiver *rx, size_t n, void **slots)
{
    struct sksi_chan *ch = rx->ring.ch;
    uint64_t head = sksi_ring_head(&ch->rx.ring);
    ssize_t there = sksi_items_there(ch, head, n);

    if (there > 0) {
        rx->peeked = (uint32_t)sksi_items_here(ch, head, (uint64_t)there, slots);
        rx->quick = 0;
        there = (ssize_t)rx->peeked;
    }
    return there;
}

static ssize_t peek_tray(sks_receiver *rx, size_t n, void **slots)
{
    struct sksi_chan *ch = rx->ring.ch;
    struct sksi_tray *t = sksi_tray_ready(ch, &rx->tray, n);
    ssize_t r;

    if (!t)
        return -ENOMEM;
    if (t->at == t->n) {
        if (n > t->capacity)
            n = t->capacity;
        if (sksi_stride(ch) != ch->item_size)
            n = 1;
        r = sksi_take(rx, sksi_tray_slot(ch, t, 0), n, &t->from);
        if (r <= 0)
            return r;
        t->at = 0;
        t->n = (uint32_t)r;
    }
    *slots = sksi_tray_slot(ch, t, t->at);
    return t->n - t->at < n ? (ssize_t)(t->n - t->at) : (ssize_t)n;
}

/* ---- the quick way ----------------------------------------------------- */

/* Alone, in a ring.  0: the quick way is closed, or there is nothing. */
static inline uint64_t peek_quick(sks_receiver *rx, uint64_t n, void **slots)
{
    struct sksi_ring_rx *r = &rx->ring;
    uint64_t head = sksi_ring_head(r), here;

    /* relaxed: hint, read again after the release. */
    if (r->size == 0 || atomic_load_explicit(&r->x_flags, memory_order_relaxed))
        return 0;
    here = sksi_ring_items(r, &r->ch->tx.ring, head, n);
    if (here > r->mask + 1 - (head & r->mask))
        here = r->mask + 1 - (head & r->mask);
    if (here > n)
        here = n;
    if (here == 0)
        return 0;
    *slots = r->slots + (head & r->mask) * r->size;
    rx->peeked = (uint32_t)here;
    rx->quick = r->size;
    r->size = 0;
    return here;
}

/* The same for a consume.  False: the other way. */
static inline bool consume_quick(sks_receiver *rx, size_t n)
{
    struct sksi_ring_rx *r = &rx->ring;

    /* relaxed: hint, read again below. */
    if (rx->quick == 0 || n == 0 || n > rx->peeked ||
        atomic_load_explicit(&r->x_flags, memory_order_relaxed))
        return false;
    rx->peeked = 0;
    r->size = rx->quick;
    rx->quick = 0;
    sksi_ring_release(r, sksi_ring_head(r) + n);
    if (sksi_quick_took_flags(r) && sksi_says(r->ch, SKSI_SENDERS) & SKSI_WAITING)
        sksi_wake(r->ch, SKSI_SENDERS, n);
    return true;
}

/* ---- one try ----------------------------------------------------------- */

ssize_t sksi_try_peek(sks_receiver *rx, size_t n, void **slots)
{
    struct sksi_chan *ch = rx->ring.ch;
    bool queue = ch->kind == SKSI_RING || ch->kind == SKSI_LIST;
    ssize_t r;

    if (n > UINT32_MAX)
        n = UINT32_MAX;
    if (sksi_says(ch, SKSI_SENDERS) & SKSI_ABORTED)
        return sksi_recv_aborted(rx);
    sksi_solo_leave(ch);
    if (queue && !ch->rx.shared && !sksi_back(ch) && !ch->rx.refused &&
        !(rx->tray && rx->tray->at < rx->tray->n))
        r = peek_in_place(rx, n, slots);
    else
        r = peek_tray(rx, n, slots);
    sksi_receiver_refit(rx);
    return r;
}

int sksi_try_consume(sks_receiver *rx, size_t n)
{
    struct sksi_chan *ch = rx->ring.ch;
    struct sksi_tray *t = rx->tray;

    if (sksi_says(ch, SKSI_SENDERS) & SKSI_ABORTED)
        return (int)sksi_recv_aborted(rx);
    if (n == 0) {
        sksi_receiver_unpeek(rx);
        return 0;
    }
    if (n <= rx->peeked) {
        sksi_ring_release(&ch->rx.ring, sksi_ring_head(&ch->rx.ring) + n);
        rx->peeked = 0;
        sksi_receiver_refit(rx);
        sksi_notify(ch, SKSI_SENDERS, n);
        return 0;
    }
    if (!t || n > t->n - t->at)
        return -EINVAL;
    t->at += (uint32_t)n;
    sksi_tray_settle(ch, n);
    sksi_receiver_unpeek(rx);
    return 0;
}

/* ---- public ------------------------------------------------------------ */

static ssize_t peek_once(struct sksi_op *op)
{
    return sksi_try_peek(op->rx, op->n, op->slots);
}

/* What is left to do when the quick way has nothing; apart, so that this one has no frame. */
SKSI_APART static ssize_t peek_hard(sks_receiver *rx, size_t n, void **slots, int64_t deadline)
{
    struct sksi_op op = {
        .try_once = peek_once,
        .ch = rx->ring.ch,
        .rx = rx,
        .slots = slots,
        .n = n,
        .side = SKSI_RECEIVERS,
    };
    ssize_t r;

    if (n == 0 || !slots)
        return sksi_result(-EINVAL);
    r = sksi_try_peek(rx, n, slots);
    return sksi_result(r == -EAGAIN && deadline > SKS_NOW ? sksi_block(&op, deadline) : r);
}

ssize_t sks_receiver_peek(sks_receiver *rx, size_t n, void **slots, int64_t deadline)
{
    uint64_t r = n && slots ? peek_quick(rx, n < UINT32_MAX ? n : UINT32_MAX, slots) : 0;

    return r ? (ssize_t)r : peek_hard(rx, n, slots, deadline);
}

SKSI_APART static int consume_hard(sks_receiver *rx, size_t n)
{
    return (int)sksi_result(sksi_try_consume(rx, n));
}

int sks_receiver_consume(sks_receiver *rx, size_t n)
{
    return consume_quick(rx, n) ? 0 : consume_hard(rx, n);
}
