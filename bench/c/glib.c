/* SPDX-License-Identifier: MIT */
/*
 * glib.c - peer: GLib's GAsyncQueue.  It moves pointers, so an item of 64 bytes is an
 * allocation, as with everybody who uses it, and the number of one of 8 bytes is the
 * pointer.  It has no bound: every 64 items a sender looks whether there are cap, and
 * then gives its CPU away.
 */
#include "item.h"

#include <glib.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define LOOK 64

struct queue {
    GAsyncQueue *q;
    gint cap;
    unsigned sent;
};

typedef struct queue peer_tx, peer_rx;

static void peer_open(const struct conf *c, peer_tx *tx, peer_rx *rx)
{
    tx->q = g_async_queue_new();
    tx->cap = (gint)c->cap;
    tx->sent = 0;
    *rx = *tx;
    g_async_queue_ref(rx->q);
}

static inline struct queue queue_ref(struct queue q)
{
    g_async_queue_ref(q.q);
    return q;
}

static inline void queue_drop(struct queue q)
{
    g_async_queue_unref(q.q);
}

#define peer_tx_dup queue_ref
#define peer_rx_dup queue_ref
#define peer_tx_close queue_drop
#define peer_rx_close queue_drop

/* Numbers + 2, so that END_MARK is 1 and none is NULL. */
static inline void peer_send(peer_tx *tx, const struct item *it)
{
    void *p = (void *)(uintptr_t)(it->w[0] + 2);

#if ITEM_SIZE > 8
    if ((p = malloc(sizeof(*it))) == NULL)
        die("no memory");
    memcpy(p, it, sizeof(*it));
#endif
    if (++tx->sent % LOOK == 0)
        while (g_async_queue_length(tx->q) >= tx->cap)
            sched_yield();
    g_async_queue_push(tx->q, p);
}

static inline int peer_recv(peer_rx *rx, struct item *it)
{
    void *p = g_async_queue_pop(rx->q);

#if ITEM_SIZE > 8
    memcpy(it, p, sizeof(*it));
    free(p);
#else
    item_set(it, (uint64_t)(uintptr_t)p - 2);
#endif
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
