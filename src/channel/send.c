/* SPDX-License-Identifier: MIT */
/*
 * send.c - sending: one try of each operation, and the public calls.
 *
 * PATH of an item through a ring: <sockstream/ring.h>; look at what the receivers said and
 * for room (own line, or one transfer a lap), copy, publish, look at what they say
 * now (the same line).  No read-modify-write and no fence while one thread sends.
 *
 * ENDS  The look before says: do not even start.  The look after finds an end that
 * came in between, and after a REFUSED or GONE the items just published are taken
 * back unless a receiver has them: receivers that refused take theirs under the
 * gate's lock and leave a mark (rx.keep), so the two cannot both have one.
 * An abort is looser: an item that crosses it counts as sent, and is discarded.
 */
#include "channel/internal.h"
#include "channel/told.h"

#include <errno.h>

#define ENDS (SKSI_GONE | SKSI_REFUSED | SKSI_ABORTED)

ssize_t sksi_result(ssize_t r)
{
    if (r >= 0)
        return r;
    errno = (int)-r;
    return -1;
}

ssize_t sksi_chan_send_end(const struct sksi_chan *ch)
{
    int code = sksi_chan_abort_code(ch);

    return code ? -code : -EPIPE;
}

void sksi_sender_refit(sks_sender *tx)
{
    struct sksi_chan *ch = tx->ring.ch;
    bool plain = ch->kind == SKSI_RING && !tx->done && !tx->reserved &&
                 ch->item_size <= UINT32_MAX && ch->item_size == sksi_stride(ch);
    uint32_t size = plain ? (uint32_t)ch->item_size : 0;

    tx->turns = ch->tx_shared ? size : 0;
    if (tx == &ch->tx)
        tx->ring.size = ch->tx_shared || sksi_fence_real ? 0 : size;
}

/* Room that reservations of a shared side hold. */
uint64_t sksi_promised(const struct sksi_chan *ch)
{
    const struct sksi_more *m = sksi_more(ch);

    /* relaxed: owner, under (t); to others a hint. */
    return m ? atomic_load_explicit(&m->x_reserved, memory_order_relaxed) : 0;
}

void sksi_promise(struct sksi_chan *ch, uint64_t more)
{
    more += sksi_promised(ch);
    /* relaxed: owner, under (t). */
    atomic_store_explicit(&sksi_more(ch)->x_reserved, more, memory_order_relaxed);
}

/* ---- places ------------------------------------------------------------ */

/* LIST: makes the chain long enough for `want` items from `tail` on. */
static bool list_extend(struct sksi_chan *ch, uint64_t tail, uint64_t want)
{
    struct sksi_more *m = sksi_more(ch);

    while (m->tx_last_end - tail < want) {
        size_t at = sksi_items_at(ch, sizeof(struct sksi_block)), align = sksi_item_align(ch);
        struct sksi_block *b =
            sksi_chan_alloc(ch, at + SKSI_BLOCK_ITEMS * sksi_stride(ch), align > 16 ? align : 16);

        if (!b)
            return false;
        b->next = NULL;
        if (m->tx_last) {
            m->tx_last->next = b;
        } else {
            m->first = m->tx_block = b;
            m->tx_block_end = SKSI_BLOCK_ITEMS;
        }
        m->tx_last = b;
        m->tx_last_end += SKSI_BLOCK_ITEMS;
    }
    return true;
}

/* How many of n items there is room for at `tail`; 0 or a negated errno if none.
 * `kept` places are promised to others.  Under (t). */
ssize_t sksi_room(struct sksi_chan *ch, uint64_t tail, size_t n, uint64_t kept)
{
    uint64_t free_places;

    if (ch->kind == SKSI_LIST) {
        if (n > SKSI_BLOCK_ITEMS)
            n = SKSI_BLOCK_ITEMS;
        return list_extend(ch, tail, kept + n) ? (ssize_t)n : -ENOMEM;
    }
    free_places = sksi_ring_room(&ch->tx.ring, &ch->rx.ring, tail, ch->capacity, n + kept);
    if (free_places == 0)
        atomic_store_explicit(&ch->tx.x_full, true, memory_order_relaxed); /* relaxed: stat */
    if (free_places <= kept)
        return -EAGAIN;
    return (ssize_t)(free_places - kept < n ? free_places - kept : n);
}

/* Points *place at up to n of the places at `tail` that lie side by side. */
uint64_t sksi_places_here(struct sksi_chan *ch, uint64_t tail, uint64_t n, void **place)
{
    uint64_t here;

    if (ch->kind == SKSI_LIST) {
        struct sksi_more *m = sksi_more(ch);

        if (tail == m->tx_block_end) {
            m->tx_block = m->tx_block->next;
            m->tx_block_end += SKSI_BLOCK_ITEMS;
        }
        *place = sksi_block_slot(ch, m->tx_block, m->tx_block_end, tail);
        here = m->tx_block_end - tail;
    } else {
        *place = sksi_slot(ch, tail);
        here = ch->tx.ring.mask + 1 - (tail & ch->tx.ring.mask);
    }
    return here < n ? here : n;
}

/* ---- publishing -------------------------------------------------------- */

/* The receivers ended while we published [from, to): takes back what they do not
 * have.  Returns how many they have. */
static uint64_t take_back(struct sksi_chan *ch, uint64_t from, uint64_t to)
{
    uint64_t theirs;

    sksi_lock_take(&ch->gate.lock);
    theirs = sksi_ring_head_hint(&ch->rx.ring);
    if (theirs < ch->rx.ring.keep)
        theirs = ch->rx.ring.keep;
    if (theirs < from)
        theirs = from;
    if (theirs > to)
        theirs = to;
    sksi_ring_retract(&ch->tx.ring, theirs);
    sksi_lock_drop(&ch->gate.lock);
    return theirs - from;
}

/* What the receivers say after [tail, tail + n) was published: flags.  Returns how
 * many items went, or why none did; *wake: receivers wait.  Under (t). */
static ssize_t answer(struct sksi_chan *ch, uint64_t tail, uint64_t n, uint32_t flags, bool *wake)
{
    *wake = flags & SKSI_WAITING;
    if ((flags & (SKSI_GONE | SKSI_REFUSED)) && !(flags & SKSI_ABORTED)) {
        n = take_back(ch, tail, tail + n);
        if (n == 0)
            return sksi_chan_send_end(ch);
    }
    return (ssize_t)n;
}

/* Publishes the n items written at `tail`.  As answer().  Under (t). */
ssize_t sksi_publish(struct sksi_chan *ch, uint64_t tail, uint64_t n, bool *wake)
{
    uint32_t flags;

    if (ch->kind == SKSI_RING && sksi_is_express(ch))
        sksi_ring_publish_express(&ch->tx.ring, tail, n, ch->item_size);
    else
        sksi_ring_publish(&ch->tx.ring, tail + n);
    sksi_fence_light();
    flags = sksi_says(ch, SKSI_RECEIVERS);
    return flags ? answer(ch, tail, n, flags, wake) : (ssize_t)n;
}

/* Copies up to n items in.  Under (t). */
ssize_t sksi_put(struct sksi_chan *ch, const void *items, size_t n, uint64_t kept, bool *wake)
{
    uint64_t tail = sksi_ring_tail(&ch->tx.ring);
    const unsigned char *from = sksi_not_null(ch, items);
    size_t stride = sksi_stride(ch);
    ssize_t fit = sksi_room(ch, tail, n, kept);
    uint64_t at = tail, left;

    if (fit < 0)
        return fit;
    for (left = (uint64_t)fit; left;) {
        void *place;
        uint64_t here = sksi_places_here(ch, at, left, &place);

        if (here == 1 || stride != ch->item_size) {
            sksi_copy(place, from, ch->item_size);
            here = 1;
        } else {
            memcpy(place, from, here * stride);
        }
        from += here * ch->item_size;
        at += here;
        left -= here;
    }
    return sksi_publish(ch, tail, (uint64_t)fit, wake);
}

/* ---- one try ----------------------------------------------------------- */

bool sksi_send_ended(const sks_sender *tx)
{
    return tx->done || (sksi_says(tx->ring.ch, SKSI_RECEIVERS) & ENDS);
}

void sksi_tx_take(struct sksi_chan *ch)
{
    if (ch->tx_shared)
        sksi_lock_take(&sksi_more(ch)->tx_lock);
}

void sksi_tx_drop(struct sksi_chan *ch)
{
    if (ch->tx_shared)
        sksi_lock_drop(&sksi_more(ch)->tx_lock);
}

ssize_t sksi_try_send(sks_sender *tx, const void *items, size_t n)
{
    struct sksi_chan *ch = tx->ring.ch;
    bool wake = false;
    ssize_t r;

    if (tx->reserved)
        sksi_sender_unreserve(tx);
    if (sksi_send_ended(tx))
        return sksi_chan_send_end(ch);
    if (ch->kind == SKSI_RENDEZVOUS)
        return sksi_meet_try_send(tx, items);
    sksi_tx_take(ch);
    r = sksi_put(ch, items, n, sksi_promised(ch), &wake);
    sksi_tx_drop(ch);
    if (wake && r > 0)
        sksi_wake(ch, SKSI_RECEIVERS, (uint64_t)r);
    return r;
}

ssize_t sksi_sent(struct sksi_chan *ch, uint64_t n)
{
    uint32_t flags = sksi_says(ch, SKSI_RECEIVERS);
    bool wake;
    ssize_t r = answer(ch, sksi_ring_tail(&ch->tx.ring) - n, n, flags, &wake);

    if (wake && r > 0)
        sksi_wake(ch, SKSI_RECEIVERS, (uint64_t)r);
    return r;
}

int sks_sender_sent_(sks_sender *tx)
{
    ssize_t r = sksi_sent(tx->ring.ch, 1);

    return r > 0 ? 0 : (int)sksi_result(r);
}

/* One item of `size` bytes into a ring of a shared side. */
static inline ssize_t send_in_turn(sks_sender *tx, const void *item, size_t size)
{
    struct sksi_chan *ch = tx->ring.ch;
    struct sksi_ring_tx *t = &ch->tx.ring;
    struct sksi_more *m = sksi_more(ch);
    bool wake = false;
    ssize_t r = 1;
    uint64_t tail, kept;
    uint32_t flags;

    if (sksi_send_ended(tx))
        return sksi_chan_send_end(ch);
    sksi_lock_take(&m->tx_lock);
    tail = sksi_ring_tail(t);
    kept = sksi_promised(ch);
    if (SKSI_RARE(tail + kept >= t->limit))
        r = sksi_room(ch, tail, 1, kept);
    if (r > 0) {
        memcpy(t->slots + (tail & t->mask) * size, item, size);
        sksi_ring_push(t, tail, item, size);
        sksi_fence_light();
        flags = sksi_says(ch, SKSI_RECEIVERS);
        if (SKSI_RARE(flags))
            r = answer(ch, tail, 1, flags, &wake);
    }
    sksi_lock_drop(&m->tx_lock);
    if (SKSI_RARE(wake) && r > 0)
        sksi_wake(ch, SKSI_RECEIVERS, 1);
    return r;
}

/* One try for one item, not the quick way. */
static ssize_t try_one(sks_sender *tx, const void *item)
{
    switch (tx->turns) { /* the usual sizes spelled out, as in sksi_copy() */
    case 0:
        return sksi_try_send(tx, item, 1);
    case 8:
        return send_in_turn(tx, item, 8);
    case 64:
        return send_in_turn(tx, item, 64);
    default:
        return send_in_turn(tx, item, tx->turns);
    }
}

/* One item the quick way.  False: it is closed. */
static inline bool send_quick(sks_sender *tx, const void *item)
{
    struct sksi_ring_tx *t = &tx->ring;

    switch (t->size) {
    case 0:
        return false;
    case 4:
        return sksi_quick_send(t, item, 4);
    case 8:
        return sksi_quick_send(t, item, 8);
    case 16:
        return sksi_quick_send(t, item, 16);
    case 64:
        return sksi_quick_send(t, item, 64);
    default:
        return sksi_quick_send(t, item, t->size);
    }
}

/* ---- waiting ----------------------------------------------------------- */

bool sksi_send_ready(const sks_sender *tx)
{
    const struct sksi_chan *ch = tx->ring.ch;
    uint64_t used;

    /* A try gives up what the handle has reserved itself. */
    if (tx->reserved || sksi_send_ended(tx) || ch->kind == SKSI_LIST)
        return true;
    if (ch->kind == SKSI_RENDEZVOUS)
        return sksi_meet_ready(ch, SKSI_SENDERS);
    /* The head first: the other way round a head from later could pass the tail. */
    used = sksi_ring_head_hint(&ch->rx.ring);
    used = sksi_ring_tail_hint(&ch->tx.ring) - used;
    return used + sksi_promised(ch) < ch->capacity;
}

ssize_t sksi_send_one(sks_sender *tx, const void *item)
{
    if (send_quick(tx, item))
        return sksi_quick_sent_flags(&tx->ring) ? sksi_sent(tx->ring.ch, 1) : 1;
    return sksi_send_ready(tx) ? try_one(tx, item) : -EAGAIN;
}

static ssize_t send_once(struct sksi_op *op)
{
    return op->n == 1 ? try_one(op->tx, op->items) : sksi_try_send(op->tx, op->items, op->n);
}

static ssize_t send_slow(sks_sender *tx, const void *items, size_t n, int64_t deadline,
                         const struct sksi_told *told)
{
    struct sksi_op op = {
        .try_once = send_once,
        .ch = tx->ring.ch,
        .tx = tx,
        .items = (void *)(uintptr_t)items,
        .n = n,
        .side = SKSI_SENDERS,
        .told = told,
    };

    return sksi_block(&op, deadline);
}

/* ---- public ------------------------------------------------------------ */

/* What is left to do when the quick way is closed; apart, so that this one has no frame. */
SKSI_APART static int send_hard(sks_sender *tx, const void *item, int64_t deadline)
{
    struct sksi_chan *ch = tx->ring.ch;
    ssize_t r;

    if (ch->kind == SKSI_RENDEZVOUS && sksi_solo_send(tx, item, deadline, &r))
        return r == 1 ? 0 : (int)sksi_result(r);
    r = try_one(tx, item);
    if (r == -EAGAIN && deadline > SKS_NOW)
        r = send_slow(tx, item, 1, deadline, NULL);
    if (ch->kind == SKSI_RENDEZVOUS)
        sksi_solo_follow(ch);
    return r == 1 ? 0 : (int)sksi_result(r);
}

static inline int send_item(sks_sender *tx, const void *item, int64_t deadline)
{
    if (!send_quick(tx, item))
        return send_hard(tx, item, deadline);
    return sksi_quick_sent_flags(&tx->ring) ? sks_sender_sent_(tx) : 0;
}

int sks_sender_send_until(sks_sender *tx, const void *item, int64_t deadline)
{
    return send_item(tx, item, deadline);
}

int sks_sender_send(sks_sender *tx, const void *item)
{
    return send_item(tx, item, SKS_NEVER);
}

int sks_sender_try_send(sks_sender *tx, const void *item)
{
    return send_item(tx, item, SKS_NOW);
}

int sksi_sender_wait(sks_sender *tx, const void *item, int64_t deadline,
                     const struct sksi_told *told)
{
    ssize_t r;

    if (tx->ring.ch->kind == SKSI_RENDEZVOUS) {
        told->sleeps(told->arg);
        return send_hard(tx, item, deadline);
    }
    r = send_slow(tx, item, 1, deadline, told);
    return r == 1 ? 0 : (int)sksi_result(r);
}

ssize_t sks_sender_send_many(sks_sender *tx, const void *items, size_t n, int64_t deadline)
{
    const struct sksi_chan *ch = tx->ring.ch;
    const unsigned char *from = sksi_not_null(tx->ring.ch, items);
    size_t sent = 0;

    if (ch->kind == SKSI_RENDEZVOUS) {
        while (sent < n && send_hard(tx, from + sent * ch->item_size, deadline) == 0)
            sent++;
        return sent || n == 0 ? (ssize_t)sent : -1;
    }
    while (sent < n) {
        ssize_t r = sksi_try_send(tx, from + sent * ch->item_size, n - sent);

        if (r == -EAGAIN && deadline > SKS_NOW)
            r = send_slow(tx, from + sent * ch->item_size, n - sent, deadline, NULL);
        if (r < 0)
            return sent ? (ssize_t)sent : sksi_result(r);
        sent += (size_t)r;
    }
    return (ssize_t)sent;
}
