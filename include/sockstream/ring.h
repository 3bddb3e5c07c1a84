/* SPDX-License-Identifier: MIT */
/*
 * ring.h - the two cache lines of a channel that an item goes through, and the quick
 * way through them, for the typed wrappers.  Not an interface: layout and names
 * belong to one version of the library.
 *
 *   tag  where                   order    pairs  what it publishes
 *   R1   push: x_tail            release  A1     the items below the new tail are written
 *   A1   src/ring/ring.h, items  acquire  R1
 *   R2   quick_recv: x_head      release  A2     the items below the new head have been read
 *   A2   src/ring/ring.h, room   acquire  R2
 *   R3   push: x_express         release  A3     the tails stored before it
 *   A3   src/ring/ring.h, express  acquire  R3
 *
 * Indices are 64 bits, count items since the beginning and never wrap in practice (584
 * years at 10^9 items/s); that makes them the statistics "sent" and "received" too.
 *
 * Each side has one line.  The other side looks at it only when it knows of nothing
 * more to do: a line moves between the CPUs once a lap, not once an item.  The line
 * also has what its own thread reads each time, and the word in which the other side
 * says that it sleeps or has ended, which is hardly ever written.
 *
 * EXPRESS  An item of up to 8 bytes travels in the line of the tail as well, item i in
 * x_express[i & 1].  A receiver that finds exactly one new item takes it from there and saves
 * the transfer of a second line.  The sender writes item i + 2 there only after
 * it has published i + 1; so a receiver that has read item i and then still finds
 * the tail at i + 1 has read item i.
 */
#ifndef SOCKSTREAM_RING_H
#define SOCKSTREAM_RING_H

#ifndef __cplusplus /* it has no <stdatomic.h>: its wrappers call the library */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sksi_chan;

#define SKSI_EXPRESS 8 /* bytes: the largest item that goes by express */
#define SKSI_RARE(x) __builtin_expect(!!(x), 0)

/* The sender's line: it stores all of it, but for x_flags. */
struct sksi_ring_tx {
    _Atomic uint64_t x_tail;
    uint64_t limit; /* below this index there is room */
    _Atomic uint64_t x_express[2];
    unsigned char *slots;
    uint64_t mask;
    uint32_t size;            /* of an item, bytes; 0: the quick way is closed */
    _Atomic uint32_t x_flags; /* what the receivers say (src/wait/gate.h) */
    struct sksi_chan *ch;
};

/* The receiver's line: the same the other way round. */
struct sksi_ring_rx {
    _Atomic uint64_t x_head;
    uint64_t limit; /* below this index there are items: the tail as last seen */
    unsigned char *slots;
    uint64_t mask;
    uint32_t size;
    _Atomic uint32_t x_flags; /* what the senders say */
    struct sksi_chan *ch;
    _Atomic uint32_t x_high_water; /* most items that a look has found */
    _Atomic uint32_t x_refs;       /* open handles of the block of memory that this begins */
    uint64_t keep; /* under the gate's lock: items below are the receivers' (channel/send.c) */
};

/* Publishes one item that lies at `tail`, and by express.  Sender only. */
static inline void sksi_ring_push(struct sksi_ring_tx *t, uint64_t tail, const void *item,
                                  size_t size)
{
    uint64_t word = 0;

    if (size <= SKSI_EXPRESS) {
        memcpy(&word, item, size);
        /* [R3] whoever reads this word also sees every tail before it. */
        atomic_store_explicit(&t->x_express[tail & 1], word, memory_order_release);
    }
    /* [R1] the item is written: the receiver may read it. */
    atomic_store_explicit(&t->x_tail, tail + 1, memory_order_release);
}

/* Copies an item in and publishes it.  False when the quick way is closed: it is full as
 * far as we know, the receivers say something, or this is no plain ring of such items. */
static inline bool sksi_quick_send(struct sksi_ring_tx *t, const void *item, size_t size)
{
    /* relaxed: owner, only the sender stores it. */
    uint64_t tail = atomic_load_explicit(&t->x_tail, memory_order_relaxed);

    /* relaxed: hint, read again below. */
    if (SKSI_RARE(tail >= t->limit || t->size != size ||
                  atomic_load_explicit(&t->x_flags, memory_order_relaxed)))
        return false;
    memcpy(t->slots + (tail & t->mask) * size, item, size);
    sksi_ring_push(t, tail, item, size);
    return true;
}

/* Do the receivers say something, after a publish?  Sender only. */
static inline bool sksi_quick_sent_flags(const struct sksi_ring_tx *t)
{
    /* The light half of a fence, see src/ring/port.h: where it has to be more than this the
     * quick way is closed. */
    atomic_signal_fence(memory_order_seq_cst);
    /* relaxed: hint, whoever acts on a flag takes the lock or reads it again. */
    return SKSI_RARE(atomic_load_explicit(&t->x_flags, memory_order_relaxed));
}

/* Copies an item out and gives its place back.  False as above.  Receiver only. */
static inline bool sksi_quick_recv(struct sksi_ring_rx *r, void *item, size_t size)
{
    /* relaxed: owner, only the receiver stores it. */
    uint64_t head = atomic_load_explicit(&r->x_head, memory_order_relaxed);

    /* relaxed: hint, read again below. */
    if (SKSI_RARE(head >= r->limit || r->size != size ||
                  atomic_load_explicit(&r->x_flags, memory_order_relaxed)))
        return false;
    memcpy(item, r->slots + (head & r->mask) * size, size);
    /* [R2] the item is read: the sender may write there again. */
    atomic_store_explicit(&r->x_head, head + 1, memory_order_release);
    return true;
}

/* Do the senders say something, after a place was given back?  Receiver only. */
static inline bool sksi_quick_took_flags(const struct sksi_ring_rx *r)
{
    atomic_signal_fence(memory_order_seq_cst); /* as above */
    /* relaxed: hint, as above. */
    return SKSI_RARE(atomic_load_explicit(&r->x_flags, memory_order_relaxed));
}

#endif
#endif
