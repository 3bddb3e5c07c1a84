/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what the files of this folder need from each other.
 */
#ifndef SKSI_CHANNEL_INTERNAL_H
#define SKSI_CHANNEL_INTERNAL_H

#include "channel/chan.h"

/* ---- make.c, channel.c ------------------------------------------------- */

/* How large a channel with this shape is, and where its slots start.  False when
 * the sizes make no sense or overflow. */
struct sksi_shape {
    size_t item_size, item_align, capacity;
    enum sksi_kind kind;
    size_t stride, slots_at, more_at, size; /* computed; more_at 0: none */
    uint64_t slots;
};
bool sksi_shape_make(struct sksi_shape *s, size_t item_size, size_t capacity,
                     const sks_channel_options *options);

/* Makes a channel, or two that are a pair: the other one is ->other.  NULL without memory. */
struct sksi_chan *sksi_home_make(const struct sksi_shape *s, const sks_channel_options *options,
                                 bool pair);

int sksi_options_check(const sks_channel_options *options);
void *sksi_chan_alloc(const struct sksi_chan *ch, size_t size, size_t align);
void sksi_chan_release(const struct sksi_chan *ch, void *memory, size_t size);
void sksi_chan_hold(struct sksi_chan *ch);

/* Are these n handles all that is open?  Then nobody else will look at the channel, nor at the
 * other one of the pair. */
bool sksi_chan_last(const struct sksi_chan *ch, uint32_t n);

/* Gives back the references of n handles. */
void sksi_chan_drop(struct sksi_chan *ch, uint32_t n);

/* Closes both handles of an end of a pair. */
void sksi_ends_close(sks_sender *tx, sks_receiver *rx);

/* Destroys all that is buffered.  Under (r). */
void sksi_chan_discard(struct sksi_chan *ch);

/* Points *items at up to n of the items at `head`, as they lie side by side, and
 * returns how many.  Under (r); they are there. */
uint64_t sksi_items_here(struct sksi_chan *ch, uint64_t head, uint64_t n, void **items);

/* The code of the abort; 0 if there was none. */
int sksi_chan_abort_code(const struct sksi_chan *ch);

/* Why nothing can be sent any more: -EPIPE or the abort's code, negated. */
ssize_t sksi_chan_send_end(const struct sksi_chan *ch);

/* ---- send.c, recv.c: one try each -------------------------------------- */

/* What one try gives beside 0 or more: an errno value, negated; never sets errno.
 * -EAGAIN is the one that is worth waiting for. */
ssize_t sksi_try_send(sks_sender *tx, const void *items, size_t n);
ssize_t sksi_try_reserve(sks_sender *tx, size_t n, void **slots);
ssize_t sksi_try_commit(sks_sender *tx, size_t n);
ssize_t sksi_try_recv(sks_receiver *rx, void *items, size_t n);
ssize_t sksi_try_peek(sks_receiver *rx, size_t n, void **slots);

/* One item, by the shortest way; for an arm of a select. */
ssize_t sksi_send_one(sks_sender *tx, const void *item);
ssize_t sksi_recv_one(sks_receiver *rx, void *item);

/* Takes the first n peeked items out. */
int sksi_try_consume(sks_receiver *rx, size_t n);

/* Gives back what the handle holds. */
void sksi_receiver_unpeek(sks_receiver *rx);
/* Has the handle peeked items? */
static inline bool sksi_receiver_holds(const sks_receiver *rx)
{
    return rx->peeked || (rx->tray && rx->tray->at < rx->tray->n);
}
void sksi_sender_unreserve(sks_sender *tx);

/* Opens or closes the quick way of the channel, as the state of the handle allows. */
void sksi_sender_refit(sks_sender *tx);
void sksi_receiver_refit(sks_receiver *rx);

/* ---- send.c, for reserve.c --------------------------------------------- */

/* Takes its turn, on a shared side. */
void sksi_tx_take(struct sksi_chan *ch);
void sksi_tx_drop(struct sksi_chan *ch);

/* Will no send of this handle ever succeed? */
bool sksi_send_ended(const sks_sender *tx);

/* Room that reservations of a shared side hold; `more` of it (or less: negated). */
uint64_t sksi_promised(const struct sksi_chan *ch);
void sksi_promise(struct sksi_chan *ch, uint64_t more);

/* How many of n items there is room for at `tail`; a negated errno if none.  `kept` places
 * are promised to others.  Under (t). */
ssize_t sksi_room(struct sksi_chan *ch, uint64_t tail, size_t n, uint64_t kept);

/* Points *place at up to n of the places at `tail` that lie side by side.  Under (t). */
uint64_t sksi_places_here(struct sksi_chan *ch, uint64_t tail, uint64_t n, void **place);

/* Publishes the n items written at `tail`; put copies up to n there first.  How many went, or
 * why none did; *wake: receivers wait.  Under (t). */
ssize_t sksi_publish(struct sksi_chan *ch, uint64_t tail, uint64_t n, bool *wake);
ssize_t sksi_put(struct sksi_chan *ch, const void *items, size_t n, uint64_t kept, bool *wake);

/* n items have just been sent the quick way, and the receivers say something.  How many went, or
 * why none did. */
ssize_t sksi_sent(struct sksi_chan *ch, uint64_t n);

/* ---- recv.c, for peek.c ------------------------------------------------ */

/* How many of n items are there; 0 at the end of stream, -EAGAIN when none yet.  Under (r). */
ssize_t sksi_items_there(struct sksi_chan *ch, uint64_t head, size_t n);

/* Takes up to n items, whatever the kind.  Not from the handle's own tray.  *from: for a
 * tray, the index of the first; else NULL. */
ssize_t sksi_take(sks_receiver *rx, void *items, size_t n, uint64_t *from);

/* After an abort: what is buffered goes, on whichever receiver comes first. */
ssize_t sksi_recv_aborted(sks_receiver *rx);

/* ---- block.c: waiting -------------------------------------------------- */

/* One operation that may wait.  try_once is called until it gives something else
 * than -EAGAIN. */
struct sksi_op {
    ssize_t (*try_once)(struct sksi_op *op);
    struct sksi_chan *ch;
    sks_sender *tx; /* one of the two */
    sks_receiver *rx;
    void *items; /* NULL: reserve, peek */
    void **slots;
    size_t n;
    int side;
    uint64_t since;               /* ticks at which the wait began, 0: not known yet */
    const struct sksi_told *told; /* who is told of a sleep, NULL: nobody */
};

/* After a try that gave -EAGAIN: waits until the deadline at most.  As try_once, or -ETIMEDOUT. */
ssize_t sksi_block(struct sksi_op *op, int64_t deadline);

/* Shows *tray with room for up to n items, NULL when there is no memory. */
struct sksi_tray *sksi_tray_ready(struct sksi_chan *ch, struct sksi_tray **tray, size_t n);

/* Takes up to n items out of a tray; of the first tray that was given back, under (r). */
size_t sksi_tray_take(struct sksi_chan *ch, struct sksi_tray *t, void *items, size_t n);
size_t sksi_back_take(struct sksi_chan *ch, void *items, size_t n);

/* Destroys the items of a tray, and the tray. */
void sksi_tray_destroy(struct sksi_chan *ch, struct sksi_tray *t);

/* n items have left a tray for good. */
void sksi_tray_settle(struct sksi_chan *ch, uint64_t n);

/* The index in the channel of the first item that is left in a tray. */
uint64_t sksi_tray_index(const struct sksi_tray *t);

/* The result of a try as the public calls give it: -1 and errno. */
ssize_t sksi_result(ssize_t r);

/* Would a try come to a result?  A hint without side effects; exact once its caller
 * has queued up and fenced. */
bool sksi_send_ready(const sks_sender *tx);
bool sksi_recv_ready(const sks_receiver *rx);

/* Wakes up to n waiters of a side, on behalf of the other one. */
void sksi_wake(struct sksi_chan *ch, int side, uint64_t n);

/* Counts n woken threads. */
static inline void sksi_count_wakes(struct sksi_chan *ch, unsigned n)
{
    struct sksi_more *m = n ? sksi_more(ch) : NULL;

    if (m)
        atomic_fetch_add_explicit(&m->x_wakes, n, memory_order_relaxed); /* relaxed: stat */
}

/* Tells a waiter of the side, if there is one, that n items or n places are there
 * now.  After the publish. */
static inline void sksi_notify(struct sksi_chan *ch, int side, uint64_t n)
{
    sksi_fence_light();
    if (sksi_says(ch, side) & SKSI_WAITING)
        sksi_wake(ch, side, n);
}

/* Items of a block of an unbounded channel. */
#define SKSI_BLOCK_ITEMS 64

/* Where items start behind a header of `size` bytes. */
static inline size_t sksi_items_at(const struct sksi_chan *ch, size_t size)
{
    return (size + sksi_item_align(ch) - 1) & ~(sksi_item_align(ch) - 1);
}

/* The place of item `index` in the block that ends before index `end`. */
static inline unsigned char *sksi_block_slot(const struct sksi_chan *ch, struct sksi_block *b,
                                             uint64_t end, uint64_t index)
{
    return (unsigned char *)b + sksi_items_at(ch, sizeof *b) +
           (SKSI_BLOCK_ITEMS - (end - index)) * sksi_stride(ch);
}

static inline unsigned char *sksi_tray_slot(const struct sksi_chan *ch, struct sksi_tray *t,
                                            uint32_t i)
{
    return (unsigned char *)t + sksi_items_at(ch, sizeof *t) + i * sksi_stride(ch);
}

static inline unsigned char *sksi_slot(const struct sksi_chan *ch, uint64_t index)
{
    return ch->tx.ring.slots + (index & ch->tx.ring.mask) * sksi_stride(ch);
}

/* Do its items go by express? */
static inline bool sksi_is_express(const struct sksi_chan *ch)
{
    return ch->item_size && ch->item_size <= SKSI_EXPRESS && ch->item_size == sksi_stride(ch);
}

/* Items of size 0 need no memory, but null must not be counted on from. */
static inline void *sksi_not_null(struct sksi_chan *ch, const void *items)
{
    return items ? (void *)(uintptr_t)items : ch;
}

/* Items that are in trays: taken out, and maybe given back yet.  While there are any it
 * is not the end of stream for other handles. */
static inline uint64_t sksi_pending(const struct sksi_chan *ch)
{
    const struct sksi_more *m = sksi_more(ch);

    return m ? atomic_load_explicit(&m->x_pending, memory_order_relaxed) : 0; /* relaxed: hint */
}

/* n items go to a tray.  Under (r), or (g) for a rendezvous. */
static inline void sksi_keep(struct sksi_chan *ch, uint64_t n)
{
    /* relaxed: hint. */
    atomic_fetch_add_explicit(&sksi_more(ch)->x_pending, n, memory_order_relaxed);
}

/* Was a tray given back? */
static inline bool sksi_back_hint(const struct sksi_chan *ch)
{
    const struct sksi_more *m = sksi_more(ch);

    return m && atomic_load_explicit(&m->x_back, memory_order_relaxed); /* relaxed: hint */
}

/* The first tray that was given back, or NULL.  Under (r). */
static inline struct sksi_tray *sksi_back(const struct sksi_chan *ch)
{
    const struct sksi_more *m = sksi_more(ch);

    return m ? m->back : NULL;
}

/* Will nothing be sent any more? */
static inline bool sksi_recv_over(const struct sksi_chan *ch)
{
    return sksi_says(ch, SKSI_SENDERS) & SKSI_GONE || sksi_says(ch, SKSI_RECEIVERS) & SKSI_REFUSED;
}

/* memcpy with the usual sizes spelled out, so that they become moves. */
static inline void sksi_copy(void *to, const void *from, size_t size)
{
    switch (size) {
    case 0:
        break;
    case 4:
        memcpy(to, from, 4);
        break;
    case 8:
        memcpy(to, from, 8);
        break;
    case 16:
        memcpy(to, from, 16);
        break;
    case 32:
        memcpy(to, from, 32);
        break;
    case 64:
        memcpy(to, from, 64);
        break;
    default:
        memcpy(to, from, size);
    }
}

/* One operation of the side waited for so long. */
void sksi_count_wait(struct sksi_chan *ch, int side, uint64_t ticks);

/* ---- solo.c: one sender, one receiver ---------------------------------- */

/* One item, waiting until the deadline at most.  False when the channel has left this way:
 * then the caller goes on with the general one, and calls sksi_solo_follow() when it has queued
 * up or come to a result. */
bool sksi_solo_send(sks_sender *tx, const void *item, int64_t deadline, ssize_t *r);
bool sksi_solo_recv(sks_receiver *rx, void *item, int64_t deadline, ssize_t *r);
void sksi_solo_follow(struct sksi_chan *ch);

/* Leaves it for good, if this is a rendezvous.  Before any other operation than those two. */
void sksi_solo_leave(struct sksi_chan *ch);

/* ---- rendezvous.c ------------------------------------------------------ */

ssize_t sksi_meet_try_send(sks_sender *tx, const void *item);
ssize_t sksi_meet_try_recv(sks_receiver *rx, void *item);
/* Claims a waiting receiver for a later commit. */
ssize_t sksi_meet_claim(sks_sender *tx);
/* Hands the item to the claimed receiver; NULL lets it go on waiting.  False when it has
 * backed out: its deadline has passed, or the channel has ended. */
bool sksi_meet_settle(sks_sender *tx, const void *item);
bool sksi_meet_ready(const struct sksi_chan *ch, int side);

/* Queues a waiter with an item up, or finds that it need not wait: false, and the
 * caller tries again. */
bool sksi_meet_enter(struct sksi_chan *ch, int side, struct sksi_waiter *w);

/* After a claim by the other side: waits for the hand-over, until the deadline at most.
 * True when it was made, false to try again. */
bool sksi_meet_finish(struct sksi_chan *ch, struct sksi_waiter *w, int64_t deadline);

/* Could an operation of this side go on now?  `own` offers do not count. */
bool sksi_meet_offered(struct sksi_chan *ch, int side, const struct sksi_parker *own);

/* ---- timer.c ----------------------------------------------------------- */

ssize_t sksi_timer_try_recv(struct sksi_chan *ch, void *item);
int64_t sksi_timer_due(const struct sksi_chan *ch);
/* Nothing will come any more.  Under (r). */
void sksi_timer_stop(struct sksi_chan *ch);

#endif
