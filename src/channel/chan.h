/* SPDX-License-Identifier: MIT */
/*
 * chan.h - what a channel is made of.
 *
 * FOUR KINDS share one shape; `kind` picks the few functions that differ:
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
 * MEMORY  The lines of the two sides (<sockstream/ring.h>) are the first handles' own
 * structures; what is hardly ever used fills up the lines behind them.  The rest is struct
 * sksi_more, which a small plain channel does without until it first has to wait, is shared, or
 * discards something.
 *
 *   tag  where                   order    pairs  what it publishes
 *   R1   make.c, more_need: x_more  acq_rel  A1  that struct sksi_more is cleared
 *   A1   sksi_more: x_more       acquire  R1
 *
 * Key: (k) constant once made; (t) the sending thread, under tx_lock when shared;
 * (r) the receiving thread, under rx_lock when shared; (g) gate.lock; x_ any thread.
 */
#ifndef SKSI_CHANNEL_CHAN_H
#define SKSI_CHANNEL_CHAN_H

#include <stdalign.h>
#include <string.h>

#include <sockstream/channel.h>

#include "plat/plat.h"
#include "ring/ring.h"
#include "wait/gate.h"
#include "wait/spin.h"

/* A function that is not inlined: its callers' quick way needs no stack frame. */
#define SKSI_APART __attribute__((noinline))

struct sksi_chan;

enum sksi_kind { SKSI_RING, SKSI_LIST, SKSI_RENDEZVOUS, SKSI_TIMER };

/* Items taken out of the queue for one handle and not consumed yet: memory that can
 * be handed back to the channel whole, without an allocation that might fail.  A sender
 * fills reserved items in there. */
struct sksi_tray {
    struct sksi_tray *next;    /* in the channel's list of trays given back */
    size_t size;               /* bytes, for the release */
    uint32_t at, n;            /* items [at, n) are there */
    uint32_t capacity;         /* items; they lie at tray_at bytes from here */
    uint64_t from;             /* the index in the channel of the first place */
    struct sksi_waiter *match; /* (g) rendezvous: the receiver that a reserve holds, or NULL */
};

/* Used by one thread at a time.  Of the line only the first handle's is used, for all. */
struct sks_sender {
    struct sksi_ring_tx ring;
    struct sksi_tray *tray; /* shared, rendezvous: where reserved items are filled in */
    uint32_t reserved;      /* items promised by reserve */
    uint32_t quick;         /* reserved the quick way, which is closed until the commit: its size */
    uint32_t turns;         /* as ring.size, for a shared side: its handles take turns */
    bool done;
    bool in_place;       /* the reservation lies in the channel */
    _Atomic bool x_full; /* of the first handle: the channel was full once */
};

struct sks_receiver {
    struct sksi_ring_rx ring;
    struct sksi_tray *tray; /* peeked items, when they were taken out */
    uint32_t peeked;        /* items shown by peek, in place */
    uint32_t quick;         /* the same for peek and consume */
    uint32_t turns;         /* as ring.size, for a shared side: its handles take turns */
    /* Of the first handle, for all: */
    bool shared;  /* (r) */
    bool refused; /* (r) SHUT_RD was said */
    bool ended;   /* (r) end of stream was returned in the refused state: it stays */
};

/* One block of an unbounded channel; its items lie at block_at bytes from here.
 * `next` is published with the first item of the next block. */
struct sksi_block {
    struct sksi_block *next;
};

/* Counted in the slow paths, read by people. */
struct sksi_waits {
    _Atomic uint64_t x_count, x_ticks;
};

struct sksi_more {
    struct sksi_lock tx_lock;
    _Atomic uint64_t x_reserved; /* (t) room promised to handles, shared mode */
    /* (t) LIST: the block of the next item, the index behind it; the last block there
     * is and the index behind that one: a reservation may have made it in advance. */
    struct sksi_block *tx_block, *tx_last;
    uint64_t tx_block_end, tx_last_end;
    struct sksi_block *first; /* LIST: written before the first item is published */

    alignas(SKSI_CACHE_LINE) struct sksi_lock rx_lock;
    struct sksi_tray *back;      /* (r) trays given back, to be received first */
    struct sksi_block *rx_block; /* (r) LIST: the block of the next item */
    uint64_t rx_block_end;       /* (r) LIST: and the index behind it */
    _Atomic uint64_t x_pending;  /* items in trays: out of the queue, not consumed */
    _Atomic uint32_t x_back;     /* trays given back: hint for `back` */

    alignas(SKSI_CACHE_LINE) struct sksi_spin_hint spin[2];
    struct sksi_waits waits[2];
    _Atomic uint64_t x_wakes; /* threads woken through this channel */
    _Atomic uint64_t x_discarded;
    _Atomic uint32_t x_crowd; /* RENDEZVOUS: see solo.c */
    struct sksi_waiter *held; /* (g) RENDEZVOUS: receivers that reservations hold */
    _Atomic int64_t x_due;    /* TIMER */
    int64_t period;           /* (k) TIMER, 0: once */
    /* (k) */
    sks_destroy_fn *destroy;
    void *destroy_arg;
    sks_allocator allocator;
    size_t home_size; /* of the home */
    bool embedded;    /* part of the home's block */
};

struct sksi_chan {
    alignas(SKSI_CACHE_LINE) sks_sender tx;
    /* (k) */
    uint64_t capacity; /* items */
    size_t item_size;  /* bytes */
    _Atomic(struct sksi_more *) x_more;
    struct sksi_chan *other; /* of a pair: the other direction, in the same block; or NULL */
    _Atomic int x_abort_code;
    uint8_t kind;      /* (k) enum sksi_kind */
    uint8_t align_log; /* (k) of the items */
    uint8_t home;      /* (k) not 0: the block begins with this one, home - 1 bytes before it */
    bool tx_shared;    /* (t) */

    alignas(SKSI_CACHE_LINE) sks_receiver rx;
    struct sksi_gate gate;
    _Atomic uint32_t x_senders; /* open and not done */
    _Atomic uint32_t x_receivers;
};

/* What a side says: sksi_gate_hint(), without a look at the gate's line. */
static inline uint32_t sksi_says(const struct sksi_chan *ch, int side)
{
    const _Atomic uint32_t *word =
        side == SKSI_SENDERS ? &ch->rx.ring.x_flags : &ch->tx.ring.x_flags;

    return atomic_load_explicit(word, memory_order_relaxed); /* relaxed: hint */
}

/* The rarely used part; NULL when there is none yet. */
static inline struct sksi_more *sksi_more(const struct sksi_chan *ch)
{
    /* [A1] it is cleared, or as its maker left it. */
    return atomic_load_explicit(&ch->x_more, memory_order_acquire);
}

/* The same; makes it.  NULL when there is no memory. */
struct sksi_more *sksi_more_need(struct sksi_chan *ch);

static inline size_t sksi_item_align(const struct sksi_chan *ch)
{
    return (size_t)1 << ch->align_log;
}

/* From one item to the next, bytes. */
static inline size_t sksi_stride(const struct sksi_chan *ch)
{
    return (ch->item_size + sksi_item_align(ch) - 1) & ~(sksi_item_align(ch) - 1);
}

#endif
