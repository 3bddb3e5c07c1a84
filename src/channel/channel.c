/* SPDX-License-Identifier: MIT */
/*
 * channel.c - counting handles, ending.
 *
 *   tag  where                        order    pairs  what it publishes
 *   R1   drop, done, close: the count  acq_rel  A1     all that the handle did before
 *   A1   the same, the last of them    acq_rel  R1
 *
 * ENDING  every end is a flag of one side in the gate, for ever, set before anybody
 * is woken (gate.h).  What each flag does to the other side is in send.c and recv.c.
 */
#include "channel/internal.h"

#include <errno.h>

/* ---- handles ----------------------------------------------------------- */

sks_sender *sks_sender_dup(sks_sender *tx)
{
    struct sksi_chan *ch = tx->ring.ch;
    sks_sender *more;

    if (tx->reserved) {
        errno = EBUSY;
        return NULL;
    }
    sksi_solo_leave(ch);
    more = sksi_more_need(ch) ? sksi_chan_alloc(ch, sizeof *more, SKSI_CACHE_LINE) : NULL;
    if (!more) {
        errno = ENOMEM;
        return NULL;
    }
    memset(more, 0, sizeof *more);
    more->ring.ch = ch;
    more->done = tx->done;
    if (!tx->done) {
        /* relaxed: count, the caller's own handle keeps it above 0. */
        atomic_fetch_add_explicit(&ch->x_senders, 1, memory_order_relaxed);
    }
    if (!ch->tx_shared) { /* else other threads may be reading it */
        ch->tx_shared = true;
        sksi_sender_refit(tx);
    }
    sksi_sender_refit(more);
    sksi_chan_hold(ch);
    return more;
}

sks_receiver *sks_receiver_dup(sks_receiver *rx)
{
    struct sksi_chan *ch = rx->ring.ch;
    sks_receiver *more;

    if (sksi_receiver_holds(rx)) {
        errno = EBUSY;
        return NULL;
    }
    sksi_solo_leave(ch);
    more = sksi_more_need(ch) ? sksi_chan_alloc(ch, sizeof *more, SKSI_CACHE_LINE) : NULL;
    if (!more) {
        errno = ENOMEM;
        return NULL;
    }
    memset(more, 0, sizeof *more);
    more->ring.ch = ch;
    /* relaxed: count, the caller's own handle keeps it above 0. */
    atomic_fetch_add_explicit(&ch->x_receivers, 1, memory_order_relaxed);
    if (!ch->rx.shared) { /* else other threads may be reading it */
        ch->rx.shared = true;
        sksi_receiver_refit(rx);
    }
    sksi_receiver_refit(more);
    sksi_chan_hold(ch);
    return more;
}

/* No receiver is left: destroys what is buffered.  Without a fence a send that
 * crosses the last receiver's close may not see it, so each sender's end looks again. */
static void purge(struct sksi_chan *ch)
{
    bool empty = sksi_ring_tail_hint(&ch->tx.ring) == sksi_ring_head_hint(&ch->rx.ring);
    struct sksi_more *m = empty ? sksi_more(ch) : sksi_more_need(ch);

    if (!m) /* nothing is there, or it stays until the last handle is closed */
        return;
    sksi_lock_take(&m->rx_lock);
    sksi_chan_discard(ch);
    sksi_lock_drop(&m->rx_lock);
}

static void end(struct sksi_chan *ch, int side, uint32_t flag)
{
    struct sksi_waiter **held = ch->kind == SKSI_RENDEZVOUS ? &sksi_more(ch)->held : NULL;

    sksi_count_wakes(ch, sksi_gate_end(&ch->gate, side, flag, held));
}

/* One handle less on a side: was it the last? */
static bool count_down(_Atomic uint32_t *count, bool shared)
{
    if (shared) /* [R1] what it did comes before the end; [A1] and so does what the others did */
        return atomic_fetch_sub_explicit(count, 1, memory_order_acq_rel) == 1;
    atomic_store_explicit(count, 0, memory_order_relaxed); /* relaxed: stat, there is no other */
    return true;
}

void sks_sender_done(sks_sender *tx)
{
    struct sksi_chan *ch = tx->ring.ch;

    if (tx->done)
        return;
    sksi_sender_unreserve(tx);
    tx->done = true;
    sksi_sender_refit(tx);
    if (count_down(&ch->x_senders, ch->tx_shared))
        end(ch, SKSI_SENDERS, SKSI_GONE);
    if (sksi_gate_flags(&ch->gate, SKSI_RECEIVERS) & SKSI_GONE)
        purge(ch);
}

/* What the handle holds itself, and the handle. */
static void sender_free(sks_sender *tx)
{
    struct sksi_chan *ch = tx->ring.ch;

    if (tx->tray)
        sksi_chan_release(ch, tx->tray, tx->tray->size);
    if (tx != &ch->tx)
        sksi_chan_release(ch, tx, sizeof *tx);
}

static void receiver_free(sks_receiver *rx)
{
    struct sksi_chan *ch = rx->ring.ch;

    if (rx->tray)
        sksi_chan_release(ch, rx->tray, rx->tray->size);
    if (rx != &ch->rx)
        sksi_chan_release(ch, rx, sizeof *rx);
}

static void receiver_end(sks_receiver *rx)
{
    struct sksi_chan *ch = rx->ring.ch;

    if (sksi_receiver_holds(rx))
        sksi_receiver_unpeek(rx);
    if (count_down(&ch->x_receivers, ch->rx.shared)) {
        end(ch, SKSI_RECEIVERS, SKSI_GONE);
        purge(ch);
    }
}

void sks_sender_close(sks_sender *tx)
{
    struct sksi_chan *ch;

    if (!tx)
        return;
    ch = tx->ring.ch;
    if (!sksi_chan_last(ch, 1))
        sks_sender_done(tx);
    sender_free(tx);
    sksi_chan_drop(ch, 1);
}

void sks_receiver_close(sks_receiver *rx)
{
    struct sksi_chan *ch;

    if (!rx)
        return;
    ch = rx->ring.ch;
    if (sksi_receiver_holds(rx) || !sksi_chan_last(ch, 1))
        receiver_end(rx);
    receiver_free(rx);
    sksi_chan_drop(ch, 1);
}

void sksi_ends_close(sks_sender *tx, sks_receiver *rx)
{
    struct sksi_chan *ch = tx->ring.ch;
    bool last = !sksi_receiver_holds(rx) && sksi_chan_last(ch, 2);

    if (!last) {
        sks_sender_done(tx);
        receiver_end(rx);
    }
    sender_free(tx);
    receiver_free(rx);
    sksi_chan_drop(ch, 2);
}

/* ---- ends -------------------------------------------------------------- */

void sks_receiver_refuse(sks_receiver *rx)
{
    struct sksi_chan *ch = rx->ring.ch;

    sksi_solo_leave(ch);
    if (ch->rx.shared)
        sksi_lock_take(&sksi_more(ch)->rx_lock);
    if (!ch->rx.refused) {
        ch->rx.refused = true;
        sksi_receiver_refit(rx);
        if (ch->kind == SKSI_TIMER)
            sksi_timer_stop(ch);
        sksi_lock_take(&ch->gate.lock);
        /* What is peeked in place is ours; see send.c, take_back(). */
        ch->rx.ring.keep = sksi_ring_head(&ch->rx.ring) + rx->peeked;
        sksi_lock_drop(&ch->gate.lock);
        end(ch, SKSI_RECEIVERS, SKSI_REFUSED);
        /* From here on a sender that publishes sees REFUSED after it. */
        sksi_fence_heavy();
    }
    if (ch->rx.shared)
        sksi_lock_drop(&sksi_more(ch)->rx_lock);
}

static int chan_abort(struct sksi_chan *ch, int code)
{
    int none = 0;

    if (code <= 0) {
        errno = EINVAL;
        return -1;
    }
    /* relaxed: owner, the first one sets it; published by the flag behind it. */
    atomic_compare_exchange_strong_explicit(&ch->x_abort_code, &none, code, memory_order_relaxed,
                                            memory_order_relaxed);
    /* Whoever is not the first sets the flags too: the first may not be that far yet. */
    end(ch, SKSI_SENDERS, SKSI_ABORTED);
    end(ch, SKSI_RECEIVERS, SKSI_ABORTED);
    return 0;
}

int sks_sender_abort(sks_sender *tx, int code)
{
    return chan_abort(tx->ring.ch, code);
}

int sks_receiver_abort(sks_receiver *rx, int code)
{
    return chan_abort(rx->ring.ch, code);
}

int sksi_chan_abort_code(const struct sksi_chan *ch)
{
    /* Both: the caller may have seen the one without an order. */
    if (!((sksi_gate_flags(&ch->gate, SKSI_SENDERS) | sksi_gate_flags(&ch->gate, SKSI_RECEIVERS)) &
          SKSI_ABORTED))
        return 0;
    /* relaxed: owner, set once before the flag. */
    return atomic_load_explicit(&ch->x_abort_code, memory_order_relaxed);
}
