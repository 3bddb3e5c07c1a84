/* SPDX-License-Identifier: MIT */
/*
 * look.c - questions about a channel: statistics, identity, is the other side gone.
 *
 * Every figure comes from what the protocol keeps anyway: the indices are the counts.
 */
#include "channel/internal.h"

#include <errno.h>

int64_t sks_now(void)
{
    return sksi_clock_ns();
}

int64_t sks_after(int64_t ns)
{
    return sksi_clock_after(ns);
}

/* ---- statistics -------------------------------------------------------- */

static uint64_t load(const _Atomic uint64_t *x)
{
    return atomic_load_explicit(x, memory_order_relaxed); /* relaxed: stat */
}

/* What receivers found at their looks, what is there now, or all if it was full once. */
static uint64_t high_water(const struct sksi_chan *ch)
{
    uint64_t len = ch->kind == SKSI_RENDEZVOUS
                       ? 0
                       : sksi_ring_tail_hint(&ch->tx.ring) - sksi_ring_head_hint(&ch->rx.ring);
    _Atomic uint32_t *high = &((struct sksi_chan *)(uintptr_t)ch)->rx.ring.x_high_water;
    uint64_t most = atomic_load_explicit(high, memory_order_relaxed); /* relaxed: stat */

    /* relaxed: stat. */
    if (atomic_load_explicit(&ch->tx.x_full, memory_order_relaxed))
        return ch->capacity;
    if ((int64_t)len <= 0 || len > ch->capacity || len <= most)
        return most;
    atomic_store_explicit(high, (uint32_t)len, memory_order_relaxed); /* relaxed: stat */
    return len;
}

static uint64_t waited(const struct sksi_chan *ch, int side, bool ns)
{
    const struct sksi_more *m = sksi_more(ch);

    if (!m)
        return 0;
    return ns ? sksi_ticks_to_ns(load(&m->waits[side].x_ticks)) : load(&m->waits[side].x_count);
}

static uint64_t stat_of(const struct sksi_chan *ch, sks_stat which)
{
    /* In this order no difference below can become negative. */
    const struct sksi_more *m = sksi_more(ch);
    uint64_t discarded = m ? load(&m->x_discarded) : 0, pending = sksi_pending(ch);
    uint64_t head = sksi_ring_head_hint(&ch->rx.ring), tail = sksi_ring_tail_hint(&ch->tx.ring);
    uint64_t out = discarded + pending;

    if (ch->kind == SKSI_RENDEZVOUS) /* what is only offered, or asked for, does not count */
        head = tail = head < tail ? head : tail;

    switch (which) {
    case SKS_STAT_SENT:
        return tail;
    case SKS_STAT_RECEIVED:
        return head > out ? head - out : 0;
    case SKS_STAT_DISCARDED:
        return discarded;
    case SKS_STAT_LEN:
        return (tail > head ? tail - head : 0) + pending;
    case SKS_STAT_CAPACITY:
        return ch->capacity;
    case SKS_STAT_HIGH_WATER:
        return high_water(ch);
    case SKS_STAT_SENDERS:
        return atomic_load_explicit(&ch->x_senders, memory_order_relaxed); /* relaxed: stat */
    case SKS_STAT_RECEIVERS:
        return atomic_load_explicit(&ch->x_receivers, memory_order_relaxed); /* relaxed: stat */
    case SKS_STAT_BLOCKED_SENDS:
        return waited(ch, SKSI_SENDERS, false);
    case SKS_STAT_BLOCKED_SEND_NS:
        return waited(ch, SKSI_SENDERS, true);
    case SKS_STAT_BLOCKED_RECEIVES:
        return waited(ch, SKSI_RECEIVERS, false);
    case SKS_STAT_BLOCKED_RECEIVE_NS:
        return waited(ch, SKSI_RECEIVERS, true);
    case SKS_STAT_WAKEUPS:
        return m ? load(&m->x_wakes) : 0;
    }
    return 0;
}

uint64_t sks_sender_stat(const sks_sender *tx, sks_stat which)
{
    return stat_of(tx->ring.ch, which);
}

uint64_t sks_receiver_stat(const sks_receiver *rx, sks_stat which)
{
    return stat_of(rx->ring.ch, which);
}

/* ---- identity ---------------------------------------------------------- */

bool sks_same_channel(const sks_sender *tx, const sks_receiver *rx)
{
    return tx->ring.ch == rx->ring.ch;
}

bool sks_sender_same(const sks_sender *a, const sks_sender *b)
{
    return a->ring.ch == b->ring.ch;
}

bool sks_receiver_same(const sks_receiver *a, const sks_receiver *b)
{
    return a->ring.ch == b->ring.ch;
}

/* ---- the other side ---------------------------------------------------- */

static bool gone(const struct sksi_chan *ch, int side)
{
    uint32_t flags = sksi_gate_flags(&ch->gate, SKSI_RECEIVERS);

    if (side == SKSI_SENDERS)
        return flags & (SKSI_GONE | SKSI_REFUSED | SKSI_ABORTED);
    return flags & SKSI_REFUSED ||
           sksi_gate_flags(&ch->gate, SKSI_SENDERS) & (SKSI_GONE | SKSI_ABORTED);
}

static int wait_gone(struct sksi_chan *ch, int side, int64_t deadline)
{
    struct sksi_gate *g = &ch->gate;

    while (!gone(ch, side)) {
        struct sksi_parker parker = {0};
        struct sksi_waiter w = {.parker = &parker, .want = SKSI_WANT_END};
        bool in_time = true;

        if (deadline <= SKS_NOW) {
            errno = EAGAIN;
            return -1;
        }
        sksi_wait_enter(g, side, &w);
        sksi_fence_heavy();
        if (!gone(ch, side))
            in_time = sksi_wait_park(&parker, deadline);
        sksi_wait_leave(g, side, &w);
        if (!in_time && !gone(ch, side)) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
    return 0;
}

bool sks_sender_gone(const sks_sender *tx)
{
    return gone(tx->ring.ch, SKSI_SENDERS);
}

bool sks_receiver_gone(const sks_receiver *rx)
{
    return gone(rx->ring.ch, SKSI_RECEIVERS);
}

int sks_sender_wait_gone(sks_sender *tx, int64_t deadline)
{
    return wait_gone(tx->ring.ch, SKSI_SENDERS, deadline);
}

int sks_receiver_wait_gone(sks_receiver *rx, int64_t deadline)
{
    return wait_gone(rx->ring.ch, SKSI_RECEIVERS, deadline);
}
