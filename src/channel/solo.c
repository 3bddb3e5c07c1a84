/* SPDX-License-Identifier: MIT */
/*
 * solo.c - a rendezvous of one sender and one receiver: no lock, one line transfer each way.
 *
 *   tag  where                       order    pairs  what it publishes
 *   R1   solo_send, withdraw: index  release  A1     the item in its place
 *   A1   met: index of the senders   acquire  R1
 *   R2   solo_recv, withdraw: index  release  A2     that the item before has been copied out
 *   A2   met: index of the receivers acquire  R2
 *
 * As long as both sides are alone, and neither selects, reserves or peeks, the two indices are
 * used like this: the sender's counts the items it has OFFERED, the receiver's the ones it has
 * ASKED for.  Item k changes hands once both are above k.  Each side raises its own and waits for
 * the other's:
 *
 *       send k: put it in place k % 2          recv k:
 *       offered = k + 1                        asked = k + 1
 *       wait until asked > k                   wait until offered > k
 *                                              take it out of place k % 2
 *
 * A sender may return before the item is copied, but not before its receiver is in its
 * call; that one takes it, or finds it when it wants to give up.  It has copied it before it asks
 * for the next, so two places do.
 *
 * GIVING UP (a deadline, an end) lowers the own index again, under the gate's lock, so that only
 * one side does so at a time; fences heavily; looks whether the other side has gone on
 * after all.  If it has, it may have seen our index as it was: then the item has changed hands,
 * and the index is raised again.  If it has not, it will see the lowered one.
 *
 * LEAVING  The general way (rendezvous.c) queues up offers under a lock.  Whoever needs it says
 * CROWD in both words.  A side that waits here gives up when it sees that, and goes on there; the
 * one that called waits for it, so that no try of its own misses who was waiting.  That needs no
 * fence: a sleeper has queued up under the gate's lock, so its index is seen; whoever does not
 * sleep yet has only just come, and looks for CROWD once more under the lock before it does.
 */
#include "channel/internal.h"

#include <errno.h>
#include <limits.h>

/* x_crowd: somebody said CROWD; whoever waited here has gone on there. */
enum { SAID = 1, FOLLOWED = 2 };

static _Atomic uint64_t *index_of(struct sksi_chan *ch, int side)
{
    return side == SKSI_SENDERS ? &ch->tx.ring.x_tail : &ch->rx.ring.x_head;
}

static bool met(struct sksi_chan *ch, int side, uint64_t k)
{
    _Atomic uint64_t *other = index_of(ch, !side);

    /* [A1] the item is in its place; [A2] the place of the next item is free. */
    return atomic_load_explicit(other, memory_order_acquire) > k;
}

/* Will waiting here come to nothing? */
static bool over(struct sksi_chan *ch, int side)
{
    uint32_t ends = side == SKSI_SENDERS ? SKSI_GONE | SKSI_REFUSED | SKSI_ABORTED | SKSI_CROWD
                                         : SKSI_GONE | SKSI_ABORTED | SKSI_CROWD;

    return sksi_says(ch, !side) & ends;
}

/* ---- waiting ----------------------------------------------------------- */

static bool solo_spin(struct sksi_chan *ch, int side, uint64_t k, int64_t deadline)
{
    struct sksi_more *m = sksi_more(ch);
    struct sksi_spin s;
    bool found;

    found = sksi_spin_same_cpu(&m->spin[side], &m->spin[!side]);
    sksi_spin_start(&s, &m->spin[side], found, deadline);
    while (!(found = met(ch, side, k) || over(ch, side)) && sksi_spin_more(&s))
        ;
    sksi_spin_learn(&s, &m->spin[side], found);
    return found;
}

/* Sleeps until woken.  False when the deadline has passed. */
static bool solo_sleep(struct sksi_chan *ch, int side, uint64_t k, int64_t deadline)
{
    struct sksi_parker parker = {0};
    struct sksi_waiter w = {.parker = &parker, .want = SKSI_WANT_WATCH};
    bool in_time = true;

    sksi_wait_enter(&ch->gate, side, &w);
    sksi_fence_heavy();
    if (!met(ch, side, k) && !over(ch, side))
        in_time = sksi_wait_park(&parker, deadline);
    sksi_wait_leave(&ch->gate, side, &w);
    return in_time;
}

/* Waits until the other side has gone beyond k.  False: the deadline, or an end. */
static bool solo_wait(struct sksi_chan *ch, int side, uint64_t k, int64_t deadline)
{
    uint64_t start;

    if (met(ch, side, k))
        return true;
    if (deadline <= SKS_NOW)
        return false;
    start = sksi_ticks();
    while (!met(ch, side, k) && !over(ch, side)) {
        if (!solo_spin(ch, side, k, deadline) && !solo_sleep(ch, side, k, deadline))
            break;
    }
    sksi_count_wait(ch, side, sksi_ticks() - start);
    return met(ch, side, k);
}

/* Whoever said CROWD waits for us no longer. */
void sksi_solo_follow(struct sksi_chan *ch)
{
    _Atomic uint32_t *crowd = &sksi_more(ch)->x_crowd;

    /* relaxed: hint, the futex compares it; what it tells of is ordered by the gate's lock. */
    if (atomic_load_explicit(crowd, memory_order_relaxed) != SAID)
        return;
    atomic_store_explicit(crowd, FOLLOWED, memory_order_relaxed); /* relaxed: hint */
    sksi_futex_wake(crowd, INT_MAX);
}

/* Lowers our index to k again.  True when the item has changed hands all the same. */
static bool withdraw(struct sksi_chan *ch, int side, uint64_t k)
{
    _Atomic uint64_t *mine = index_of(ch, side);
    bool done;

    sksi_lock_take(&ch->gate.lock);
    /* [R1] [R2] it is as it was before our call. */
    atomic_store_explicit(mine, k, memory_order_release);
    sksi_fence_heavy();
    done = met(ch, side, k);
    if (done) {
        /* relaxed: fence, the heavy one above publishes what was done before. */
        atomic_store_explicit(mine, k + 1, memory_order_relaxed);
    }
    sksi_lock_drop(&ch->gate.lock);
    return done;
}

/* Our index is above k now: tells the other side if it sleeps, waits for it, gives up in the end.
 * True when the item has changed hands. */
static bool solo_meet(struct sksi_chan *ch, int side, uint64_t k, int64_t deadline)
{
    sksi_fence_light();
    if (sksi_says(ch, !side) & SKSI_QUEUED)
        sksi_wake(ch, !side, 1);
    if (solo_wait(ch, side, k, deadline) || withdraw(ch, side, k)) {
        sksi_solo_follow(ch);
        return true;
    }
    return false;
}

/* ---- send and receive -------------------------------------------------- */

/* A small item lies in the line of the sender's index. */
static void put(struct sksi_chan *ch, uint64_t k, const void *item)
{
    uint64_t word = 0;

    if (ch->item_size == sizeof word) {
        memcpy(&word, item, sizeof word);
    } else if (ch->item_size < sizeof word) {
        if (ch->item_size) /* else there may be no memory */
            memcpy(&word, item, ch->item_size);
    } else {
        sksi_copy(ch->tx.ring.slots + (k & 1) * sksi_stride(ch), item, ch->item_size);
        return;
    }
    /* relaxed: owner, published with the index. */
    atomic_store_explicit(&ch->tx.ring.x_express[k & 1], word, memory_order_relaxed);
}

static void take(struct sksi_chan *ch, uint64_t k, void *item)
{
    uint64_t word;

    if (ch->item_size > sizeof word) {
        sksi_copy(item, ch->tx.ring.slots + (k & 1) * sksi_stride(ch), ch->item_size);
        return;
    }
    /* relaxed: owner, the sender stores it before the index [A1]. */
    word = atomic_load_explicit(&ch->tx.ring.x_express[k & 1], memory_order_relaxed);
    if (ch->item_size == sizeof word)
        memcpy(item, &word, sizeof word);
    else if (ch->item_size) /* else there may be no memory */
        memcpy(item, &word, ch->item_size);
}

bool sksi_solo_send(sks_sender *tx, const void *item, int64_t deadline, ssize_t *r)
{
    struct sksi_chan *ch = tx->ring.ch;
    uint64_t k = sksi_ring_tail(&ch->tx.ring);
    uint32_t flags = sksi_says(ch, SKSI_RECEIVERS);

    *r = -EAGAIN;
    if (flags & SKSI_CROWD || tx->done)
        return false;
    if (flags & (SKSI_GONE | SKSI_REFUSED | SKSI_ABORTED)) {
        *r = sksi_chan_send_end(ch);
        return true;
    }
    if (deadline <= SKS_NOW && !met(ch, SKSI_SENDERS, k))
        return true;
    put(ch, k, item);
    /* [R1] the item is in its place. */
    atomic_store_explicit(&ch->tx.ring.x_tail, k + 1, memory_order_release);
    if (solo_meet(ch, SKSI_SENDERS, k, deadline)) {
        *r = 1;
        return true;
    }
    flags = sksi_gate_flags(&ch->gate, SKSI_RECEIVERS);
    if (flags & (SKSI_GONE | SKSI_REFUSED | SKSI_ABORTED))
        *r = sksi_chan_send_end(ch);
    else if (flags & SKSI_CROWD)
        return false;
    else
        *r = deadline <= SKS_NOW ? -EAGAIN : -ETIMEDOUT;
    sksi_solo_follow(ch);
    return true;
}

bool sksi_solo_recv(sks_receiver *rx, void *item, int64_t deadline, ssize_t *r)
{
    struct sksi_chan *ch = rx->ring.ch;
    uint64_t k = sksi_ring_head(&ch->rx.ring);
    uint32_t flags = sksi_says(ch, SKSI_SENDERS);

    *r = -EAGAIN;
    if (flags & SKSI_CROWD)
        return false;
    if (deadline <= SKS_NOW && !met(ch, SKSI_RECEIVERS, k) && !over(ch, SKSI_RECEIVERS))
        return true;
    if (!(flags & SKSI_ABORTED)) {
        /* [R2] the item before has been copied out. */
        atomic_store_explicit(&ch->rx.ring.x_head, k + 1, memory_order_release);
        if (solo_meet(ch, SKSI_RECEIVERS, k, deadline)) {
            take(ch, k, item);
            *r = 1;
            return true;
        }
    }
    flags = sksi_gate_flags(&ch->gate, SKSI_SENDERS);
    if (flags & SKSI_ABORTED)
        *r = -sksi_chan_abort_code(ch);
    else if (flags & SKSI_GONE)
        *r = 0;
    else if (flags & SKSI_CROWD)
        return false;
    else
        *r = deadline <= SKS_NOW ? -EAGAIN : -ETIMEDOUT;
    sksi_solo_follow(ch);
    return true;
}

/* ---- leaving ----------------------------------------------------------- */

void sksi_solo_leave(struct sksi_chan *ch)
{
    struct sksi_more *m;
    bool waits;

    if (ch->kind != SKSI_RENDEZVOUS || sksi_says(ch, SKSI_SENDERS) & SKSI_CROWD)
        return;
    m = sksi_more(ch);
    sksi_lock_take(&ch->gate.lock);
    if (sksi_says(ch, SKSI_SENDERS) & SKSI_CROWD) {
        sksi_lock_drop(&ch->gate.lock);
        return;
    }
    atomic_store_explicit(&m->x_crowd, SAID, memory_order_relaxed); /* relaxed: owner, under (g) */
    for (int side = SKSI_SENDERS; side <= SKSI_RECEIVERS; side++) {
        /* relaxed: hint, ordered by the gate's lock. */
        atomic_fetch_or_explicit(sksi_gate_word(&ch->gate, side), SKSI_CROWD, memory_order_relaxed);
    }
    waits = sksi_ring_tail_hint(&ch->tx.ring) != sksi_ring_head_hint(&ch->rx.ring);
    sksi_lock_drop(&ch->gate.lock);
    sksi_wake(ch, SKSI_SENDERS, UINT64_MAX);
    sksi_wake(ch, SKSI_RECEIVERS, UINT64_MAX);
    /* relaxed: hint, what follows is under the gate's lock. */
    while (waits && atomic_load_explicit(&m->x_crowd, memory_order_relaxed) == SAID)
        sksi_futex_wait(&m->x_crowd, SAID, INT64_MAX);
}
