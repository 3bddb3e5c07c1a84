/* SPDX-License-Identifier: MIT */
/*
 * ck.c - peer: Concurrency Kit's ck_ring.  It cannot wait: we spin.  Items lie in
 * the ring.  CK_MPMC: its protocol for many threads.
 */
#include "item.h"

#include <ck_ring.h>
#include <stdlib.h>
#include <string.h>

CK_RING_PROTOTYPE(item, item)

struct queue {
    ck_ring_t ring;
    struct item *items;
    unsigned refs;
};

typedef struct queue *peer_tx, *peer_rx;

static void peer_open(const struct conf *c, peer_tx *tx, peer_rx *rx)
{
    struct queue *q = (struct queue *)aligned_alloc(64, (sizeof(*q) + 63) / 64 * 64);
    struct item *items = (struct item *)calloc(c->cap, sizeof(*items));

    if (q == NULL || items == NULL)
        die("no memory");
    ck_ring_init(&q->ring, c->cap);
    q->items = items;
    q->refs = 2;
    *tx = *rx = q;
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
    free(q->items);
    free(q);
}

#define peer_tx_dup queue_ref
#define peer_rx_dup queue_ref
#define peer_tx_close queue_drop
#define peer_rx_close queue_drop

#if defined(CK_MPMC)
#define ENQUEUE ck_ring_enqueue_mpmc_item
#define DEQUEUE ck_ring_dequeue_mpmc_item
#else
#define ENQUEUE ck_ring_enqueue_spsc_item
#define DEQUEUE ck_ring_dequeue_spsc_item
#endif

static inline void peer_send(peer_tx *tx, const struct item *it)
{
    struct item copy = *it; /* ck takes no const */
    unsigned round = 0;

    while (!ENQUEUE(&(*tx)->ring, (*tx)->items, &copy))
        spin_wait(&round);
}

static inline int peer_recv(peer_rx *rx, struct item *it)
{
    unsigned round = 0;

    while (!DEQUEUE(&(*rx)->ring, (*rx)->items, it))
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

#include "work.h"
