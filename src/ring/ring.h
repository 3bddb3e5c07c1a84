/* SPDX-License-Identifier: MIT */
/*
 * ring.h - the two indices of a bounded queue with one writer and one reader.
 *
 *   tag  where                    order    pairs  what it publishes
 *   R1   ring_publish: x_tail     release  A1     the items below the new tail are written
 *   A1   ring_items: x_tail       acquire  R1
 *   R2   ring_release: x_head     release  A2     the items below the new head have been read
 *   A2   ring_room: x_head        acquire  R2
 *
 * Only indices: where item i lies is the caller's business (a ring, a list of
 * blocks), so the same code serves every item size.  Indices are 64 bits, count
 * items since the beginning and never wrap in practice (584 years at 10^9 items/s);
 * that makes them the statistics "sent" and "received" too.
 *
 * "One writer" and "one reader" mean one at a time: several threads may take turns
 * under a lock, which then orders the plain fields.
 *
 * Each side keeps the other's index as it last saw it and looks again only when
 * that one does not do: a line moves between the CPUs once a lap, not once an item.
 */
#ifndef SKSI_RING_RING_H
#define SKSI_RING_RING_H

#include <stdatomic.h>
#include <stdint.h>

/* The writer stores all of it; the reader loads x_tail. */
struct sksi_ring_tx {
    _Atomic uint64_t x_tail;
    uint64_t head_seen;
    _Atomic uint64_t x_high_water;
};

/* The reader stores all of it; the writer loads x_head. */
struct sksi_ring_rx {
    _Atomic uint64_t x_head;
    uint64_t tail_seen;
};

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
    uint64_t used = tail - tx->head_seen;

    if (capacity - used < want) {
        /* [A2] the reader is done with the items whose places we reuse. */
        tx->head_seen = atomic_load_explicit(&rx->x_head, memory_order_acquire);
        used = tail - tx->head_seen;
    }
    return capacity - used;
}

/* How many items the reader may read at `head`; looks at the writer's index only
 * when fewer than `want` are known.  Reader only. */
static inline uint64_t sksi_ring_items(struct sksi_ring_rx *rx, const struct sksi_ring_tx *tx,
                                       uint64_t head, uint64_t want)
{
    if (rx->tail_seen - head < want) {
        /* [A1] the items below this tail are written. */
        rx->tail_seen = atomic_load_explicit(&tx->x_tail, memory_order_acquire);
    }
    return rx->tail_seen - head;
}

/* Looks up how full the queue is and keeps the maximum.  Writer only. */
static inline void sksi_ring_measure(struct sksi_ring_tx *tx, const struct sksi_ring_rx *rx,
                                     uint64_t tail)
{
    /* [A2] may be used as room later on. */
    uint64_t head = atomic_load_explicit(&rx->x_head, memory_order_acquire);

    tx->head_seen = head;
    /* relaxed: stat, the writer stores it alone. */
    if (tail - head > atomic_load_explicit(&tx->x_high_water, memory_order_relaxed))
        atomic_store_explicit(&tx->x_high_water, tail - head, memory_order_relaxed);
}

/* Makes the items below `tail` visible to the reader.  Writer only. */
static inline void sksi_ring_publish(struct sksi_ring_tx *tx, const struct sksi_ring_rx *rx,
                                     uint64_t tail)
{
    /* [R1] the items are written: the reader may read them. */
    atomic_store_explicit(&tx->x_tail, tail, memory_order_release);
    /* The reader may be further than we know, so this overestimates; only when it
     * would be a new maximum is it worth the look.  relaxed: stat. */
    if (tail - tx->head_seen > atomic_load_explicit(&tx->x_high_water, memory_order_relaxed))
        sksi_ring_measure(tx, rx, tail);
}

/* Takes back items at the end that the reader cannot have seen or may not touch
 * any more (the caller holds the lock that says so).  Writer only. */
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
