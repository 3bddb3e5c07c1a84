/* SPDX-License-Identifier: MIT */
/*
 * recv.c - receiving: one try of each operation, and the public calls.
 *
 * PATH of an item: look whether the senders aborted (one load), look for items (own
 * line, or one transfer for all that came meanwhile), copy, give the place back,
 * look whether a sender waits (the same line as before).
 *
 * ORDER of what is received: trays that a handle gave back, then the queue.  A
 * handle's own tray comes first of all.
 *
 * END OF STREAM is "all senders gone" read first and "nothing there" read after it,
 * so an item sent before the end is always seen.  After a refusal the end may come
 * while a sender is in the middle of a send: then items are taken under the gate's
 * lock (send.c, take_back()), and once 0 was returned it stays 0.
 */
#include "channel/internal.h"
#include "channel/told.h"

#include <errno.h>

static void side_take(struct sksi_chan *ch)
{
    if (ch->rx.shared)
        sksi_lock_take(&sksi_more(ch)->rx_lock);
}

static void side_drop(struct sksi_chan *ch)
{
    if (ch->rx.shared)
        sksi_lock_drop(&sksi_more(ch)->rx_lock);
}

void sksi_receiver_refit(sks_receiver *rx)
{
    struct sksi_chan *ch = rx->ring.ch;
    bool plain = ch->kind == SKSI_RING && !sksi_receiver_holds(rx) && ch->item_size <= UINT32_MAX &&
                 ch->item_size == sksi_stride(ch);
    bool quick = !ch->rx.shared && !ch->rx.refused && !sksi_back(ch) && !sksi_fence_real;
    uint32_t size = plain ? (uint32_t)ch->item_size : 0;

    /* What a shared side's other handles do is looked at under its lock. */
    rx->turns = ch->rx.shared ? size : 0;
    if (rx == &ch->rx)
        rx->ring.size = quick ? size : 0;
}

/* ---- places ------------------------------------------------------------ */

uint64_t sksi_items_here(struct sksi_chan *ch, uint64_t head, uint64_t n, void **items)
{
    struct sksi_more *m;
    uint64_t here;

    if (ch->kind == SKSI_RING) {
        *items = sksi_slot(ch, head);
        here = ch->rx.ring.mask + 1 - (head & ch->rx.ring.mask);
        return here < n ? here : n;
    }
    m = sksi_more(ch);
    if (head == m->rx_block_end) {
        struct sksi_block *old = m->rx_block;

        m->rx_block = old ? old->next : m->first;
        m->rx_block_end += SKSI_BLOCK_ITEMS;
        if (old)
            sksi_chan_release(ch, old,
                              sksi_items_at(ch, sizeof *old) + SKSI_BLOCK_ITEMS * sksi_stride(ch));
    }
    *items = sksi_block_slot(ch, m->rx_block, m->rx_block_end, head);
    here = m->rx_block_end - head;
    return here < n ? here : n;
}

/* How many of n items are there; 0 at the end of stream, -EAGAIN when none yet.
 * Under (r). */
ssize_t sksi_items_there(struct sksi_chan *ch, uint64_t head, size_t n)
{
    uint64_t there = sksi_ring_items(&ch->rx.ring, &ch->tx.ring, head, n);

    if (there == 0) {
        if (!(sksi_gate_flags(&ch->gate, SKSI_SENDERS) & SKSI_GONE))
            return -EAGAIN;
        /* All that was sent before the end is visible now. */
        there = sksi_ring_items(&ch->rx.ring, &ch->tx.ring, head, n);
        if (there == 0 && sksi_pending(ch))
            return -EAGAIN; /* another handle may give items back */
    }
    return (ssize_t)(there < n ? there : n);
}

/* The same after a refusal: what it counts can no longer be taken back. */
static ssize_t items_kept(struct sksi_chan *ch, uint64_t head, size_t n)
{
    uint64_t there;

    if (ch->rx.ended)
        return 0;
    sksi_lock_take(&ch->gate.lock);
    ch->rx.ring.limit = head; /* it may have gone back */
    there = sksi_ring_items(&ch->rx.ring, &ch->tx.ring, head, n);
    if (there < n)
        n = there;
    if (ch->rx.ring.keep < head + n)
        ch->rx.ring.keep = head + n;
    sksi_lock_drop(&ch->gate.lock);
    if (n == 0 && sksi_pending(ch))
        return -EAGAIN;
    ch->rx.ended = n == 0;
    return (ssize_t)n;
}

/* Takes up to n items from the queue.  Under (r). */
static ssize_t queue_take(struct sksi_chan *ch, void *items, size_t n)
{
    uint64_t head = sksi_ring_head(&ch->rx.ring), left;
    ssize_t there = ch->rx.refused ? items_kept(ch, head, n) : sksi_items_there(ch, head, n);
    unsigned char *to = sksi_not_null(ch, items);
    size_t stride = sksi_stride(ch);

    if (there <= 0)
        return there;
    for (left = (uint64_t)there; left;) {
        void *place;
        uint64_t here = sksi_items_here(ch, head, left, &place);

        if (here == 1 || stride != ch->item_size) {
            sksi_copy(to, place, ch->item_size);
            here = 1;
        } else {
            memcpy(to, place, here * stride);
        }
        to += here * ch->item_size;
        head += here;
        left -= here;
    }
    sksi_ring_release(&ch->rx.ring, head);
    return there;
}

/* ---- one try ----------------------------------------------------------- */

/* After an abort: what is buffered goes, on whichever receiver comes first. */
ssize_t sksi_recv_aborted(sks_receiver *rx)
{
    struct sksi_chan *ch = rx->ring.ch;

    side_take(ch);
    sksi_chan_discard(ch);
    side_drop(ch);
    return -sksi_chan_abort_code(ch);
}

/* Takes up to n items, whatever the kind.  Not from the handle's own tray.  *from: for a
 * tray, the index of the first; else NULL. */
ssize_t sksi_take(sks_receiver *rx, void *items, size_t n, uint64_t *from)
{
    struct sksi_chan *ch = rx->ring.ch;
    bool queue = ch->kind == SKSI_RING || ch->kind == SKSI_LIST;
    const struct sksi_tray *back;
    ssize_t r;

    side_take(ch);
    back = sksi_back(ch);
    if (from)
        *from = back ? sksi_tray_index(back) : sksi_ring_head(&ch->rx.ring);
    if (back)
        r = (ssize_t)sksi_back_take(ch, items, n);
    else if (queue)
        r = queue_take(ch, items, n);
    else if (ch->kind == SKSI_TIMER)
        r = sksi_timer_try_recv(ch, items);
    else
        r = sksi_meet_try_recv(rx, items);
    if (from && r > 0)
        sksi_keep(ch, (uint64_t)r);
    side_drop(ch);
    if (queue && r > 0)
        sksi_notify(ch, SKSI_SENDERS, (uint64_t)r);
    return r;
}

ssize_t sksi_try_recv(sks_receiver *rx, void *items, size_t n)
{
    struct sksi_chan *ch = rx->ring.ch;
    ssize_t r;

    if (sksi_says(ch, SKSI_SENDERS) & SKSI_ABORTED)
        return sksi_recv_aborted(rx);
    rx->peeked = 0;
    if (rx->tray && rx->tray->at < rx->tray->n)
        r = (ssize_t)sksi_tray_take(ch, rx->tray, items, n);
    else
        r = sksi_take(rx, items, n, NULL);
    sksi_receiver_refit(rx);
    return r;
}

/* An item has just been taken the quick way, and the senders say something. */
static void quick_took(struct sksi_chan *ch)
{
    if (sksi_says(ch, SKSI_SENDERS) & SKSI_WAITING)
        sksi_wake(ch, SKSI_SENDERS, 1);
}

void sks_receiver_took_(sks_receiver *rx)
{
    quick_took(rx->ring.ch);
}

/* One item of `size` bytes from a ring of a shared side. */
static inline ssize_t recv_in_turn(sks_receiver *rx, void *item, size_t size)
{
    struct sksi_chan *ch = rx->ring.ch;
    struct sksi_more *m = sksi_more(ch);
    struct sksi_ring_rx *r = &ch->rx.ring;
    ssize_t there = 1;
    uint64_t head;

    if (SKSI_RARE(sksi_says(ch, SKSI_SENDERS) & SKSI_ABORTED))
        return sksi_recv_aborted(rx);
    sksi_lock_take(&m->rx_lock);
    if (SKSI_RARE(m->back || ch->rx.refused)) {
        sksi_lock_drop(&m->rx_lock);
        return sksi_try_recv(rx, item, 1);
    }
    head = sksi_ring_head(r);
    if (SKSI_RARE(head >= r->limit))
        there = sksi_items_there(ch, head, 1);
    if (there > 0) {
        memcpy(item, r->slots + (head & r->mask) * size, size);
        sksi_ring_release(r, head + 1);
    }
    sksi_lock_drop(&m->rx_lock);
    if (there > 0)
        sksi_notify(ch, SKSI_SENDERS, 1);
    return there;
}

/* A receiver that is alone and knows of no item: looks for one, by express if it is
 * the only one.  0: the quick way is closed, or there is none. */
static ssize_t recv_new(sks_receiver *rx, void *item)
{
    struct sksi_ring_rx *r = &rx->ring;
    const struct sksi_ring_tx *t = &r->ch->tx.ring;
    uint64_t head = sksi_ring_head(r);

    /* relaxed: hint, taken seriously in sksi_try_recv(). */
    if (head < r->limit || atomic_load_explicit(&r->x_flags, memory_order_relaxed) ||
        sksi_ring_items(r, t, head, 1) == 0)
        return 0;
    if (r->size <= SKSI_EXPRESS && r->limit == head + 1 &&
        sksi_ring_express(t, head, item, r->size))
        sksi_ring_release(r, head + 1);
    else if (!sksi_quick_recv(r, item, r->size))
        return 0;
    if (sksi_quick_took_flags(r))
        sks_receiver_took_(rx);
    return 1;
}

/* One try for one item that the quick way has not. */
static ssize_t try_one(sks_receiver *rx, void *item)
{
    ssize_t r;

    switch (rx->turns) { /* the usual sizes spelled out, as in sksi_copy() */
    case 0:
        r = rx->ring.size ? recv_new(rx, item) : 0;
        return r ? r : sksi_try_recv(rx, item, 1);
    case 8:
        return recv_in_turn(rx, item, 8);
    case 64:
        return recv_in_turn(rx, item, 64);
    default:
        return recv_in_turn(rx, item, rx->turns);
    }
}

/* One item the quick way.  False: it is closed, or knows of none. */
static inline bool recv_quick(sks_receiver *rx, void *item)
{
    struct sksi_ring_rx *r = &rx->ring;

    switch (r->size) {
    case 0:
        return false;
    case 4:
        return sksi_quick_recv(r, item, 4);
    case 8:
        return sksi_quick_recv(r, item, 8);
    case 16:
        return sksi_quick_recv(r, item, 16);
    case 64:
        return sksi_quick_recv(r, item, 64);
    default:
        return sksi_quick_recv(r, item, r->size);
    }
}

/* ---- waiting ----------------------------------------------------------- */

bool sksi_recv_ready(const sks_receiver *rx)
{
    const struct sksi_chan *ch = rx->ring.ch;
    uint32_t flags = sksi_says(ch, SKSI_SENDERS);

    if (flags & SKSI_ABORTED || (sksi_pending(ch) == 0 && sksi_recv_over(ch)))
        return true;
    if ((rx->tray && rx->tray->at < rx->tray->n) || sksi_back_hint(ch))
        return true;
    if (ch->kind == SKSI_TIMER)
        return sksi_timer_due(ch) <= sksi_clock_ns();
    if (ch->kind == SKSI_RENDEZVOUS)
        return sksi_meet_ready(ch, SKSI_RECEIVERS);
    return sksi_ring_tail_hint(&ch->tx.ring) != sksi_ring_head_hint(&ch->rx.ring);
}

ssize_t sksi_recv_one(sks_receiver *rx, void *item)
{
    if (!recv_quick(rx, item))
        return sksi_recv_ready(rx) ? try_one(rx, item) : -EAGAIN;
    if (sksi_quick_took_flags(&rx->ring))
        sks_receiver_took_(rx);
    return 1;
}

static ssize_t recv_once(struct sksi_op *op)
{
    return op->n == 1 ? try_one(op->rx, op->items) : sksi_try_recv(op->rx, op->items, op->n);
}

static ssize_t recv_slow(sks_receiver *rx, void *items, size_t n, int64_t deadline,
                         const struct sksi_told *told)
{
    struct sksi_op op = {
        .try_once = recv_once,
        .ch = rx->ring.ch,
        .rx = rx,
        .items = items,
        .n = n,
        .side = SKSI_RECEIVERS,
        .told = told,
    };

    return sksi_block(&op, deadline);
}

/* ---- public ------------------------------------------------------------ */

/* What is left to do when the quick way has nothing; apart, so that this one has no frame. */
SKSI_APART static int recv_hard(sks_receiver *rx, void *item, int64_t deadline)
{
    struct sksi_chan *ch = rx->ring.ch;
    ssize_t r;

    if (ch->kind == SKSI_RENDEZVOUS && sksi_solo_recv(rx, item, deadline, &r))
        return (int)sksi_result(r);
    r = try_one(rx, item);
    if (r == -EAGAIN && deadline > SKS_NOW)
        r = recv_slow(rx, item, 1, deadline, NULL);
    if (ch->kind == SKSI_RENDEZVOUS)
        sksi_solo_follow(ch);
    return (int)sksi_result(r);
}

static inline int receive(sks_receiver *rx, void *item, int64_t deadline)
{
    if (!recv_quick(rx, item))
        return recv_hard(rx, item, deadline);
    if (sksi_quick_took_flags(&rx->ring))
        sks_receiver_took_(rx);
    return 1;
}

int sks_receiver_recv_until(sks_receiver *rx, void *item, int64_t deadline)
{
    return receive(rx, item, deadline);
}

int sks_receiver_recv(sks_receiver *rx, void *item)
{
    return receive(rx, item, SKS_NEVER);
}

int sks_receiver_try_recv(sks_receiver *rx, void *item)
{
    return receive(rx, item, SKS_NOW);
}

int sksi_receiver_wait(sks_receiver *rx, void *item, int64_t deadline, const struct sksi_told *told)
{
    if (rx->ring.ch->kind != SKSI_RENDEZVOUS)
        return (int)sksi_result(recv_slow(rx, item, 1, deadline, told));
    told->sleeps(told->arg);
    return recv_hard(rx, item, deadline);
}

ssize_t sks_receiver_recv_many(sks_receiver *rx, void *items, size_t n, int64_t deadline)
{
    ssize_t r;

    if (n == 0)
        return 0;
    if (rx->ring.ch->kind == SKSI_RENDEZVOUS)
        return recv_hard(rx, items, deadline);
    r = sksi_try_recv(rx, items, n);
    if (r == -EAGAIN && deadline > SKS_NOW)
        r = recv_slow(rx, items, n, deadline, NULL);
    return sksi_result(r);
}
