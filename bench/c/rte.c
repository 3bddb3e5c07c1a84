/* SPDX-License-Identifier: MIT */
/*
 * rte.c - peer: DPDK's rte_ring, in memory of our own: no EAL, no huge pages.  It cannot
 * wait: we spin.  Items lie in the ring, which holds cap - 1 of them.
 *
 *   RTE_FLAGS   how threads share it: RING_F_SP_ENQ | RING_F_SC_DEQ, one and one;
 *               0, many and many; RING_F_MP_HTS_ENQ | RING_F_MC_HTS_DEQ, many where
 *               threads may lose their CPU in the middle
 */
#include "item.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <stdlib.h>
#include <string.h>

struct queue {
    struct rte_ring *ring;
    unsigned refs;
};

typedef struct queue *peer_tx;

typedef struct {
    struct queue *q;
    bool ended; /* the end mark was the last of a batch */
} peer_rx;

static void peer_open(const struct conf *c, peer_tx *tx, peer_rx *rx)
{
    struct queue *q = malloc(sizeof(*q));
    struct rte_ring *ring =
        aligned_alloc(128, (sizeof(*ring) + c->cap * ITEM_SIZE + 127) / 128 * 128);

    if (q == NULL || ring == NULL || rte_ring_init(ring, "bench", c->cap, RTE_FLAGS) != 0)
        die("rte_ring_init");
    q->ring = ring;
    q->refs = 2;
    *tx = q;
    *rx = (peer_rx){q, false};
}

static inline struct queue *queue_ref(struct queue *q)
{
    __atomic_add_fetch(&q->refs, 1, __ATOMIC_RELAXED);
    return q;
}

static inline void queue_drop(struct queue *q)
{
    if (__atomic_sub_fetch(&q->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    free(q->ring);
    free(q);
}

#define peer_tx_dup queue_ref
#define peer_tx_close queue_drop

static inline peer_rx peer_rx_dup(peer_rx rx)
{
    queue_ref(rx.q);
    return rx;
}

static inline void peer_rx_close(peer_rx rx)
{
    queue_drop(rx.q);
}

/* The compiler knows the flags: what rte_ring_enqueue_elem() finds out at run time. */
static inline unsigned enqueue(struct rte_ring *r, const struct item *items, unsigned n)
{
#if RTE_FLAGS == (RING_F_SP_ENQ | RING_F_SC_DEQ)
    return rte_ring_sp_enqueue_burst_elem(r, items, ITEM_SIZE, n, NULL);
#elif RTE_FLAGS == 0
    return rte_ring_mp_enqueue_burst_elem(r, items, ITEM_SIZE, n, NULL);
#else
    return rte_ring_enqueue_burst_elem(r, items, ITEM_SIZE, n, NULL);
#endif
}

static inline unsigned dequeue(struct rte_ring *r, struct item *items, unsigned n)
{
#if RTE_FLAGS == (RING_F_SP_ENQ | RING_F_SC_DEQ)
    return rte_ring_sc_dequeue_burst_elem(r, items, ITEM_SIZE, n, NULL);
#elif RTE_FLAGS == 0
    return rte_ring_mc_dequeue_burst_elem(r, items, ITEM_SIZE, n, NULL);
#else
    return rte_ring_dequeue_burst_elem(r, items, ITEM_SIZE, n, NULL);
#endif
}

static inline void peer_send(peer_tx *tx, const struct item *it)
{
    unsigned round = 0;

    while (enqueue((*tx)->ring, it, 1) == 0)
        spin_wait(&round);
}

static inline int peer_recv(peer_rx *rx, struct item *it)
{
    unsigned round = 0;

    while (dequeue(rx->q->ring, it, 1) == 0)
        spin_wait(&round);
    return !item_is_end(it);
}

static inline void peer_end(peer_tx *tx, unsigned receivers)
{
    struct item it;

    memset(&it, 0, sizeof(it));
    it.w[0] = END_MARK;
    while (receivers-- > 0)
        peer_send(tx, &it);
}

#define PEER_MANY 1

static inline void peer_send_many(peer_tx *tx, const struct item *items, size_t n)
{
    unsigned round = 0;

    for (size_t done = 0; done < n;) {
        unsigned went = enqueue((*tx)->ring, items + done, (unsigned)(n - done));

        if (went == 0)
            spin_wait(&round);
        done += went;
    }
}

static inline size_t peer_recv_many(peer_rx *rx, struct item *items, size_t n)
{
    unsigned round = 0;
    size_t got;

    if (rx->ended)
        return 0;
    while ((got = dequeue(rx->q->ring, items, (unsigned)n)) == 0)
        spin_wait(&round);
    if (item_is_end(&items[got - 1])) {
        rx->ended = true;
        got--;
    }
    return got;
}

#include "work.h"
