/* SPDX-License-Identifier: MIT */
/*
 * ring.h - the two indices of a bounded queue with one writer and one reader: what
 * <sockstream/ring.h> leaves to the library.
 *
 *   tag  where                    order    pairs  what it publishes
 *   R1   ring_publish: x_tail     release  A1     the items below the new tail are written
 *   A1   ring_items: x_tail       acquire  R1
 *   R2   ring_release: x_head     release  A2     the items below the new head have been read
 *   A2   ring_room: x_head        acquire  R2
 *   R3   include/sockstream/ring.h, ring_push: x_express  release  A3  the tails before it
 *   A3   ring_express: x_express  acquire  R3
 *
 * Mostly indices: where item i lies is the caller's business (a ring, a list of blocks).
 *
 * "One writer" and "one reader" mean one at a time: several threads may take turns
 * under a lock, which then orders the plain fields.
 */
#ifndef SKSI_RING_RING_H
#define SKSI_RING_RING_H

#include <sockstream/ring.h>

/* Does a channel count what only people read?  Off in one build of the benchmarks, which
 * shows what it costs. */
#if defined(SKSI_NO_STATS)
#define SKSI_STATS 0
#else
#define SKSI_STATS 1
#endif

/* The writer's own index. */
static inline uint64_t sksi_ring_tail(const struct sksi_ring_tx *tx)
{
    /* relaxed: owner, only the writer stores it. */
    return atomic_load_explicit(&tx->x_tail, memory_order_relaxed);
}

/* The reader's own index. */
static inline uint64_t sksi_ring_head(const struct sksi_ring_rx *rx)
{
    /* relaxed: owner, only the reader stores it. */
    return atomic_load_explicit(&rx->x_head, memory_order_relaxed);
}

/* How many items the writer may write at `tail`, in a ring of `capacity`; looks at
 * the reader's index only when fewer than `want` are known.  Writer only. */
static inline uint64_t sksi_ring_room(struct sksi_ring_tx *tx, const struct sksi_ring_rx *rx,
                                      uint64_t tail, uint64_t capacity, uint64_t want)
{
    if (tx->limit < tail || tx->limit - tail < want) {
        /* [A2] the reader is done with the items whose places we reuse. */
        tx->limit = atomic_load_explicit(&rx->x_head, memory_order_acquire) + capacity;
    }
    return tx->limit - tail;
}

/* How many items the reader may read at `head`; looks at the writer's index only
 * when fewer than `want` are known.  Reader only. */
static inline uint64_t sksi_ring_items(struct sksi_ring_rx *rx, const struct sksi_ring_tx *tx,
                                       uint64_t head, uint64_t want)
{
    uint64_t n = rx->limit - head;

    if (n < want) {
        /* [A1] the items below this tail are written. */
        rx->limit = atomic_load_explicit(&tx->x_tail, memory_order_acquire);
        n = rx->limit - head;
        /* relaxed: stat; one who asks for it stores it too, and one of two may be lost. */
        if (SKSI_STATS && n > atomic_load_explicit(&rx->x_high_water, memory_order_relaxed))
            atomic_store_explicit(&rx->x_high_water, n < UINT32_MAX ? (uint32_t)n : UINT32_MAX,
                                  memory_order_relaxed);
    }
    return n;
}

/* Makes the items below `tail` visible to the reader.  Writer only; not for items that go
 * by express. */
static inline void sksi_ring_publish(struct sksi_ring_tx *tx, uint64_t tail)
{
    /* [R1] the items are written: the reader may read them. */
    atomic_store_explicit(&tx->x_tail, tail, memory_order_release);
}

static inline const unsigned char *sksi_ring_place(const struct sksi_ring_tx *tx, uint64_t i,
                                                  size_t size)
{
    return tx->slots + (i & tx->mask) * size;
}

/*
 * The same for n items of up to SKSI_EXPRESS bytes that lie in the ring from `tail` on.  The
 * last one goes by express too, and not in the word of the last one before, which may
 * be on its way: with an even n the first item is published alone.
 */
static inline void sksi_ring_publish_express(struct sksi_ring_tx *tx, uint64_t tail, uint64_t n,
                                             size_t size)
{
    if (n % 2 == 0)
        sksi_ring_push(tx, tail, sksi_ring_place(tx, tail, size), size);
    sksi_ring_push(tx, tail + n - 1, sksi_ring_place(tx, tail + n - 1, size), size);
}

/* Takes the item at `head` by express, when it is the only one.  Reader only, after
 * sksi_ring_items() said 1.  False when it has to be read in the ring. */
static inline bool sksi_ring_express(const struct sksi_ring_tx *tx, uint64_t head, void *item,
                                     size_t size)
{
    /* [A3] the tail below is at least as new as this word. */
    uint64_t word = atomic_load_explicit(&tx->x_express[head & 1], memory_order_acquire);

    /* relaxed: hint, ordered by [A3]; the item itself is the word. */
    if (atomic_load_explicit(&tx->x_tail, memory_order_relaxed) != head + 1)
        return false;
    memcpy(item, &word, size);
    return true;
}

/* Takes back items at the end that the reader cannot have seen or may not touch
 * any more (the caller holds the lock that says so), or counts one.  Writer only. */
static inline void sksi_ring_retract(struct sksi_ring_tx *tx, uint64_t tail)
{
    /* [R1] the items below are as they were. */
    atomic_store_explicit(&tx->x_tail, tail, memory_order_release);
}

/* Gives the places below `head` back to the writer.  Reader only. */
static inline void sksi_ring_release(struct sksi_ring_rx *rx, uint64_t head)
{
    /* [R2] the items are read: the writer may write there again. */
    atomic_store_explicit(&rx->x_head, head, memory_order_release);
}

/* What the other side can know without owning an index.  relaxed: hint, a call
 * under the right order follows before it matters. */
static inline uint64_t sksi_ring_tail_hint(const struct sksi_ring_tx *tx)
{
    return atomic_load_explicit(&tx->x_tail, memory_order_relaxed); /* relaxed: hint */
}

static inline uint64_t sksi_ring_head_hint(const struct sksi_ring_rx *rx)
{
    return atomic_load_explicit(&rx->x_head, memory_order_relaxed); /* relaxed: hint */
}

#endif
