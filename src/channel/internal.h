/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what a channel is made of.
 *
 * FOUR KINDS share one shape; `kind` picks the few functions that differ (ops.h):
 *
 *   RING        bounded: slots in one array, ring.h's indices
 *   LIST        unbounded: slots in linked blocks, the same indices
 *   RENDEZVOUS  capacity 0: items go from stack to stack under the gate's lock;
 *               the indices only count
 *   TIMER       receivers only: items are made when they are due
 *
 * TWO MODES of a side.  Alone: one handle, so one thread, so no lock.  Shared: from
 * the first dup on, the threads of the side take turns under its lock; towards the
 * other side that is still one writer, or one reader.  A dup is a use of the handle
 * it copies, so nobody else of that side is in a call when `shared` is set, and the
 * new handle reaches its thread by a hand-over that orders it.
 *
 * LOCK ORDER  tx.lock or rx.lock, then gate.lock.  tx.lock and rx.lock are never
 * held together.  None is held while a thread sleeps or calls out, but for the
 * destructor when a close or an abort discards.
 *
 * Key: (k) constant once made; (t) the sending thread, under tx.lock when shared;
 * (r) the receiving thread, under rx.lock when shared; (g) gate.lock; x_ any thread.
 */
#ifndef SKSI_CHANNEL_INTERNAL_H
#define SKSI_CHANNEL_INTERNAL_H

#include <stdalign.h>
#include <string.h>

#include <sockstream/channel.h>

#include "plat/plat.h"
#include "ring/ring.h"
#include "wait/gate.h"
#include "wait/spin.h"

struct sksi_chan;

enum sksi_kind { SKSI_RING, SKSI_LIST, SKSI_RENDEZVOUS, SKSI_TIMER };

/* Items taken out of the queue for one handle and not consumed yet: memory that can
 * be handed back to the channel whole, without an allocation that might fail. */
struct sksi_tray {
    struct sksi_tray *next; /* in the channel's list of trays given back */
    size_t size;            /* bytes, for the release */
    uint32_t at, n;         /* items [at, n) are there */
    uint32_t capacity;      /* items; they lie at tray_at bytes from here */
    uint64_t from;          /* the index in the channel of the first place */
};

/* Used by one thread at a time. */
struct sks_sender {
    struct sksi_chan *ch;
    struct sksi_tray *tray;    /* shared: where reserved items are filled in */
    uint64_t reserved;         /* items promised by reserve */
    struct sksi_waiter *match; /* (g) rendezvous: the receiver that a reserve holds, or NULL */
    bool fast;     /* a ring, nothing reserved, not done */
    bool done;
    bool in_place; /* the reservation lies in the channel */
};

struct sks_receiver {
    struct sksi_chan *ch;
    struct sksi_tray *tray; /* peeked items, when they were taken out */
    uint64_t peeked;        /* items shown by peek, in place */
    bool fast;              /* a ring, nothing peeked; alone: not refused, no tray given back */
};

/* One block of an unbounded channel; its items lie at block_at bytes from here.
 * `next` is published with the first item of the next block. */
struct sksi_block {
    struct sksi_block *next;
};

struct sksi_tx {
    struct sksi_ring_tx ring;
    _Atomic uint64_t x_reserved; /* (t) room promised to handles, shared mode */
    /* (t) LIST: the block of the next item, the index behind it; the last block there
     * is and the index behind that one: a reservation may have made it in advance. */
    struct sksi_block *block, *last;
    uint64_t block_end, last_end;
    alignas(SKSI_CACHE_LINE) struct sksi_lock lock;
    bool shared; /* (t) */
};

struct sksi_rx {
    struct sksi_ring_rx ring;
    struct sksi_tray *back;   /* (r) trays given back, to be received first */
    struct sksi_block *block; /* (r) LIST: the block of the next item */
    uint64_t block_end;       /* (r) LIST: and the index behind it */
    uint64_t keep;            /* (g) items below are the receivers': no sender may take
                                 one back after a refusal */
    alignas(SKSI_CACHE_LINE) struct sksi_lock lock;
    bool shared;  /* (r) */
    bool refused; /* (r) SHUT_RD was said */
    bool ended;   /* (r) end of stream was returned in the refused state: it stays */
};

/* Counted in the slow paths, read by people. */
struct sksi_waits {
    _Atomic uint64_t x_count, x_ticks;
};

struct sksi_chan {
    /* (k) */
    alignas(SKSI_CACHE_LINE) enum sksi_kind kind;
    size_t item_size, stride, item_align; /* bytes */
    uint64_t capacity, mask;              /* items */
    unsigned char *slots;                 /* RING */
    struct sksi_block *first;             /* LIST: written before the first item is published */
    sks_destroy_fn *destroy;
    void *destroy_arg;

    alignas(SKSI_CACHE_LINE) struct sksi_tx tx;
    alignas(SKSI_CACHE_LINE) struct sksi_gate gate;
    alignas(SKSI_CACHE_LINE) struct sksi_rx rx;

    /* Cold. */
    alignas(SKSI_CACHE_LINE) _Atomic uint32_t x_senders; /* open and not done */
    _Atomic uint32_t x_receivers;
    _Atomic int x_abort_code;
    struct sksi_spin_hint spin[2];
    struct sksi_waits waits[2];
    _Atomic uint64_t x_discarded;
    _Atomic uint64_t x_pending; /* items in trays: out of the queue, not consumed */
    _Atomic uint32_t x_back;    /* trays given back: hint for rx.back */
    /* TIMER */
    _Atomic int64_t x_due;
    int64_t period; /* (k) 0: once */

    /* The block of memory this channel lives in; a pair has one for both. */
    struct sksi_chan *home;
    _Atomic uint32_t x_refs; /* of the home: handles */
    size_t home_size;
    struct sksi_chan *pair; /* of the home: the other channel in it, or NULL */
    sks_allocator allocator;
    sks_sender tx0;
    sks_receiver rx0;
};

/* ---- channel.c --------------------------------------------------------- */

/* How large a channel with this shape is, and where its slots start.  False when
 * the sizes make no sense or overflow. */
struct sksi_shape {
    size_t item_size, item_align, capacity;
    enum sksi_kind kind;
    size_t stride, slots_at, size; /* computed */
    uint64_t slots;
};
bool sksi_shape_make(struct sksi_shape *s, size_t item_size, size_t item_align, size_t capacity);

/* Makes a channel in cleared memory of the shape's size. */
void sksi_chan_init(struct sksi_chan *ch, const struct sksi_shape *s,
                    const sks_channel_options *options, struct sksi_chan *home, uint32_t handles);

int sksi_options_check(const sks_channel_options *options);
void *sksi_chan_alloc(const struct sksi_chan *ch, size_t size, size_t align);
void sksi_chan_release(const struct sksi_chan *ch, void *memory, size_t size);
void *sksi_home_alloc(const sks_channel_options *options, size_t size);
void sksi_chan_hold(struct sksi_chan *ch);

/* Gives a handle's reference back. */
void sksi_chan_drop(struct sksi_chan *ch);

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

/* Sets `fast` again. */
void sksi_sender_refit(sks_sender *tx);
void sksi_receiver_refit(sks_receiver *rx);

/* ---- block.c: waiting -------------------------------------------------- */

/* One operation that may wait.  try_once is called until it gives something else
 * than -EAGAIN. */
struct sksi_op {
    ssize_t (*try_once)(struct sksi_op *op);
    struct sksi_chan *ch;
    sks_sender *tx;   /* one of the two */
    sks_receiver *rx;
    void *items;      /* NULL: reserve, peek */
    void **slots;
    size_t n;
    int side;
};

/* Waits until the deadline at most.  As try_once, or -ETIMEDOUT. */
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
static inline void sksi_wake(struct sksi_chan *ch, int side, uint64_t n)
{
    sksi_spin_note(&ch->spin[!side]);
    sksi_gate_wake(&ch->gate, side, n);
}

/* Tells a waiter of the side, if there is one, that n items or n places are there
 * now.  After the publish. */
static inline void sksi_notify(struct sksi_chan *ch, int side, uint64_t n)
{
    sksi_fence_light();
    if (sksi_gate_hint(&ch->gate, side) & SKSI_WAITING)
        sksi_wake(ch, side, n);
}

/* Items of a block of an unbounded channel. */
#define SKSI_BLOCK_ITEMS 64

/* Where items start behind a header of `size` bytes. */
static inline size_t sksi_items_at(const struct sksi_chan *ch, size_t size)
{
    return (size + ch->item_align - 1) & ~(ch->item_align - 1);
}

/* The place of item `index` in the block that ends before index `end`. */
static inline unsigned char *sksi_block_slot(const struct sksi_chan *ch, struct sksi_block *b,
                                             uint64_t end, uint64_t index)
{
    return (unsigned char *)b + sksi_items_at(ch, sizeof *b) +
           (SKSI_BLOCK_ITEMS - (end - index)) * ch->stride;
}

static inline unsigned char *sksi_tray_slot(const struct sksi_chan *ch, struct sksi_tray *t,
                                            uint32_t i)
{
    return (unsigned char *)t + sksi_items_at(ch, sizeof *t) + i * ch->stride;
}

static inline unsigned char *sksi_ring_slot(const struct sksi_chan *ch, uint64_t index)
{
    return ch->slots + (index & ch->mask) * ch->stride;
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
    return atomic_load_explicit(&ch->x_pending, memory_order_relaxed); /* relaxed: hint */
}

/* n items go to a tray.  Under (r), or (g) for a rendezvous. */
static inline void sksi_keep(struct sksi_chan *ch, uint64_t n)
{
    atomic_fetch_add_explicit(&ch->x_pending, n, memory_order_relaxed); /* relaxed: hint */
}

/* Will nothing be sent any more? */
static inline bool sksi_recv_over(const struct sksi_chan *ch)
{
    return sksi_gate_hint(&ch->gate, SKSI_SENDERS) & SKSI_GONE ||
           sksi_gate_hint(&ch->gate, SKSI_RECEIVERS) & SKSI_REFUSED;
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

static inline void sksi_count_wait(struct sksi_waits *w, uint64_t ticks)
{
    atomic_fetch_add_explicit(&w->x_count, 1, memory_order_relaxed);     /* relaxed: stat */
    atomic_fetch_add_explicit(&w->x_ticks, ticks, memory_order_relaxed); /* relaxed: stat */
}

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
bool sksi_meet_finish(struct sksi_waiter *w, struct sksi_gate *gate, int64_t deadline);

/* Could an operation of this side go on now?  `own` offers do not count. */
bool sksi_meet_offered(struct sksi_chan *ch, int side, const struct sksi_parker *own);

/* ---- timer.c ----------------------------------------------------------- */

ssize_t sksi_timer_try_recv(struct sksi_chan *ch, void *item);
int64_t sksi_timer_due(const struct sksi_chan *ch);

#endif
