/* SPDX-License-Identifier: MIT */
/*
 * rendezvous.c - channels of capacity 0: an item goes from the sender's memory to
 * the receiver's while both are in their calls.
 *
 *   tag  where                     order    pairs  what it publishes
 *   R1   settle, hand over: x_done release  A1     the item's bytes, and that we are done with it
 *   A1   meet_finish: x_done       acquire  R1
 *
 * A waiter queues up in the gate with a pointer to its item (an OFFER: WANT_TURN), or
 * without one, to be told when an offer comes (a WATCH: a reserve, and arms of a
 * select in which only readiness is asked).  Whoever arrives and finds an offer of
 * the other side claims it and copies, all under the gate's lock.  So for every
 * meeting one side is an offer:
 *
 *            arrives          waits           who does it
 *            send, recv       offer           the one that arrives, at once
 *            reserve          offer (recv)    claims it now, copies at its commit
 *            recv, peek       watch (reserve) queues up as an offer, rouses the watch
 *
 * A peek is a receive into the handle's tray.  x_done of a claimed offer: 0 wait, 1
 * handed over, 2 try again (the claimer backed out, or the channel ended).
 */
#include "channel/internal.h"

#include <errno.h>

/* One item went from a sender to a receiver.  Under (g). */
static void count_meeting(struct sksi_chan *ch)
{
    sksi_ring_retract(&ch->tx.ring, sksi_ring_tail(&ch->tx.ring) + 1);
    sksi_ring_release(&ch->rx.ring, sksi_ring_head(&ch->rx.ring) + 1);
}

static void finish(struct sksi_chan *ch, struct sksi_waiter *w, uint32_t how)
{
    if (how == SKSI_DONE && w->to_tray)
        sksi_keep(ch, 1);
    /* [R1] the waiter may use the item, and leave: it is not touched after this. */
    atomic_store_explicit(&w->x_done, how, memory_order_release);
}

/* The first offer of a side that can be claimed; claims it.  Under (g). */
static struct sksi_waiter *claim_offer(struct sksi_chan *ch, int side)
{
    struct sksi_waiter *w, *next;

    for (w = ch->gate.first[side]; w; w = next) {
        next = w->next;
        if (w->want == SKSI_WANT_TURN && sksi_gate_claim_locked(&ch->gate, side, w))
            return w;
    }
    return NULL;
}

/* Is there an offer of the side that is not this parker's own?  Under (g). */
static bool offer_there(const struct sksi_chan *ch, int side, const struct sksi_parker *own)
{
    const struct sksi_waiter *w;

    for (w = ch->gate.first[side]; w; w = w->next) {
        if (w->want == SKSI_WANT_TURN && w->parker != own && sksi_wait_token(w->parker) == 0)
            return true;
    }
    return false;
}

static ssize_t ended(const struct sksi_chan *ch, int side)
{
    if (side == SKSI_SENDERS)
        return sksi_gate_flags(&ch->gate, SKSI_RECEIVERS) &
                       (SKSI_GONE | SKSI_REFUSED | SKSI_ABORTED)
                   ? sksi_chan_send_end(ch)
                   : -EAGAIN;
    if (sksi_gate_flags(&ch->gate, SKSI_SENDERS) & SKSI_ABORTED)
        return -sksi_chan_abort_code(ch);
    return sksi_recv_over(ch) && sksi_pending(ch) == 0 ? 0 : -EAGAIN;
}

/* Need an operation of this side not wait?  Under (g): an end, an offer of the other
 * side, an item that a handle gave back. */
static bool go_on(struct sksi_chan *ch, int side, const struct sksi_parker *own)
{
    int other = side == SKSI_SENDERS ? SKSI_RECEIVERS : SKSI_SENDERS;

    /* For a rendezvous x_back changes under the gate's lock. */
    return ended(ch, side) != -EAGAIN || offer_there(ch, other, own) ||
           (side == SKSI_RECEIVERS && sksi_back_hint(ch));
}

/* Meets an offer of the other side now, if there is one. */
static ssize_t meet(struct sksi_chan *ch, int side, void *item)
{
    int other = side == SKSI_SENDERS ? SKSI_RECEIVERS : SKSI_SENDERS;
    struct sksi_parker *parker;
    struct sksi_waiter *w;
    bool asleep;
    ssize_t r;

    sksi_lock_take(&ch->gate.lock);
    r = ended(ch, side);
    w = r == -EAGAIN ? claim_offer(ch, other) : NULL;
    if (!w) {
        sksi_lock_drop(&ch->gate.lock);
        return r;
    }
    parker = w->parker;
    asleep = w->asleep;
    if (side == SKSI_SENDERS)
        sksi_copy(w->item, item, ch->item_size);
    else
        sksi_copy(item, w->item, ch->item_size);
    count_meeting(ch);
    finish(ch, w, SKSI_DONE);
    sksi_lock_drop(&ch->gate.lock);
    if (asleep)
        sksi_count_wakes(ch, sksi_gate_rouse(parker));
    return 1;
}

ssize_t sksi_meet_try_send(sks_sender *tx, const void *item)
{
    return meet(tx->ring.ch, SKSI_SENDERS, (void *)(uintptr_t)item);
}

ssize_t sksi_meet_try_recv(sks_receiver *rx, void *item)
{
    return meet(rx->ring.ch, SKSI_RECEIVERS, item);
}

bool sksi_meet_ready(const struct sksi_chan *ch, int side)
{
    /* relaxed: hint; a queue's first changes under the gate's lock. */
    return sksi_says(ch, side == SKSI_SENDERS ? SKSI_RECEIVERS : SKSI_SENDERS) & SKSI_WAITING;
}

bool sksi_meet_offered(struct sksi_chan *ch, int side, const struct sksi_parker *own)
{
    bool there;

    sksi_lock_take(&ch->gate.lock);
    there = go_on(ch, side, own);
    sksi_lock_drop(&ch->gate.lock);
    return there;
}

/* ---- reserve ----------------------------------------------------------- */

ssize_t sksi_meet_claim(sks_sender *tx)
{
    struct sksi_chan *ch = tx->ring.ch;
    struct sksi_waiter *w;
    ssize_t r;

    sksi_lock_take(&ch->gate.lock);
    r = ended(ch, SKSI_SENDERS);
    w = r == -EAGAIN ? claim_offer(ch, SKSI_RECEIVERS) : NULL;
    if (w)
        sksi_gate_hold_locked(&sksi_more(ch)->held, w, &tx->tray->match);
    sksi_lock_drop(&ch->gate.lock);
    return w ? 1 : r;
}

bool sksi_meet_settle(sks_sender *tx, const void *item)
{
    struct sksi_chan *ch = tx->ring.ch;
    struct sksi_parker *parker;
    _Atomic uint32_t *done;
    struct sksi_waiter *w;

    sksi_lock_take(&ch->gate.lock);
    w = tx->tray->match;
    if (!w) { /* the receiver has backed out */
        sksi_lock_drop(&ch->gate.lock);
        return false;
    }
    parker = w->parker;
    done = &w->x_done;
    sksi_gate_unhold_locked(&sksi_more(ch)->held, w);
    if (item) {
        sksi_copy(w->item, item, ch->item_size);
        count_meeting(ch);
    }
    finish(ch, w, item ? SKSI_DONE : SKSI_RETRY);
    sksi_lock_drop(&ch->gate.lock);
    sksi_count_wakes(ch, sksi_gate_rouse(parker));
    sksi_futex_wake(done, 1);
    return true;
}

/* ---- waiting ----------------------------------------------------------- */

#define ROUSE_MAX 8

bool sksi_meet_enter(struct sksi_chan *ch, int side, struct sksi_waiter *w)
{
    int other = side == SKSI_SENDERS ? SKSI_RECEIVERS : SKSI_SENDERS;
    struct sksi_parker *roused[ROUSE_MAX];
    struct sksi_waiter *o, *next;
    unsigned n = 0;

    sksi_lock_take(&ch->gate.lock);
    if (go_on(ch, side, w->parker)) {
        sksi_lock_drop(&ch->gate.lock);
        return false;
    }
    sksi_gate_queue_locked(&ch->gate, side, w);
    /* Our offer is for one: a few watches are enough, each that finds it gone or
     * claimed watches again. */
    o = w->want == SKSI_WANT_TURN ? ch->gate.first[other] : NULL;
    for (; o && n < ROUSE_MAX; o = next) {
        struct sksi_parker *p = o->parker;

        next = o->next;
        if (o->want == SKSI_WANT_WATCH && p != w->parker &&
            sksi_gate_claim_locked(&ch->gate, other, o) && o->asleep)
            roused[n++] = p;
    }
    sksi_lock_drop(&ch->gate.lock);
    while (n)
        sksi_count_wakes(ch, sksi_gate_rouse(roused[--n]));
    return true;
}

static uint32_t done_of(const struct sksi_waiter *w)
{
    /* [A1] the item's bytes are there, or have been read. */
    return atomic_load_explicit(&w->x_done, memory_order_acquire);
}

bool sksi_meet_finish(struct sksi_chan *ch, struct sksi_waiter *w, int64_t deadline)
{
    struct sksi_gate *gate = &ch->gate;
    bool in_time = true;

    /* Whoever hands over at once does it under the lock that it claims under. */
    sksi_lock_take(&gate->lock);
    sksi_lock_drop(&gate->lock);
    while (done_of(w) == 0 && in_time)
        in_time = sksi_futex_wait(&w->x_done, 0, deadline);
    if (done_of(w) == 0) {
        sksi_lock_take(&gate->lock);
        if (done_of(w) == 0)
            sksi_gate_unhold_locked(&sksi_more(ch)->held, w);
        sksi_lock_drop(&gate->lock);
    }
    return done_of(w) == SKSI_DONE;
}
