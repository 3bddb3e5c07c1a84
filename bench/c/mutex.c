/* SPDX-License-Identifier: MIT */
/*
 * mutex.c - peer: the ring with one mutex and two condition variables that one
 * writes by hand.  It signals only when somebody waits, and after the unlock, so that
 * who wakes does not find the mutex taken.
 */
#include "item.h"

#include <stdlib.h>
#include <string.h>

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t room, filled;
    size_t cap, head, len;
    unsigned wait_room, wait_filled, refs;
    bool ended;
    struct item items[];
};

typedef struct queue *peer_tx, *peer_rx;

static void peer_open(const struct conf *c, peer_tx *tx, peer_rx *rx)
{
    struct queue *q = (struct queue *)calloc(1, sizeof(*q) + c->cap * sizeof(q->items[0]));

    if (q == NULL)
        die("no memory");
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->room, NULL);
    pthread_cond_init(&q->filled, NULL);
    q->cap = c->cap;
    q->refs = 2;
    *tx = *rx = q;
}

static inline struct queue *queue_ref(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->refs++;
    pthread_mutex_unlock(&q->lock);
    return q;
}

static void queue_drop(struct queue *q)
{
    unsigned refs;

    pthread_mutex_lock(&q->lock);
    refs = --q->refs;
    pthread_mutex_unlock(&q->lock);
    if (refs > 0)
        return;
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->room);
    pthread_cond_destroy(&q->filled);
    free(q);
}

#define peer_tx_dup queue_ref
#define peer_rx_dup queue_ref
#define peer_tx_close queue_drop
#define peer_rx_close queue_drop

static void peer_end(peer_tx *tx, unsigned receivers)
{
    (void)receivers;
    pthread_mutex_lock(&(*tx)->lock);
    (*tx)->ended = true;
    pthread_cond_broadcast(&(*tx)->filled);
    pthread_mutex_unlock(&(*tx)->lock);
}

#define PEER_MANY 1

static inline void peer_send_many(peer_tx *tx, const struct item *items, size_t n)
{
    struct queue *q = *tx;
    unsigned waiting;

    pthread_mutex_lock(&q->lock);
    for (size_t i = 0; i < n; i++) {
        while (q->len == q->cap) {
            if (q->wait_filled > 0)
                pthread_cond_broadcast(&q->filled);
            q->wait_room++;
            pthread_cond_wait(&q->room, &q->lock);
            q->wait_room--;
        }
        size_t at = q->head + q->len++;

        q->items[at < q->cap ? at : at - q->cap] = items[i];
    }
    waiting = q->wait_filled;
    pthread_mutex_unlock(&q->lock);
    if (waiting > 1 && n > 1)
        pthread_cond_broadcast(&q->filled);
    else if (waiting > 0)
        pthread_cond_signal(&q->filled);
}

static inline size_t peer_recv_many(peer_rx *rx, struct item *items, size_t n)
{
    struct queue *q = *rx;
    size_t got = 0;
    unsigned waiting;

    pthread_mutex_lock(&q->lock);
    while (q->len == 0 && !q->ended) {
        q->wait_filled++;
        pthread_cond_wait(&q->filled, &q->lock);
        q->wait_filled--;
    }
    while (got < n && q->len > 0) {
        items[got++] = q->items[q->head];
        q->head = q->head + 1 < q->cap ? q->head + 1 : 0;
        q->len--;
    }
    waiting = q->wait_room;
    pthread_mutex_unlock(&q->lock);
    if (waiting > 1 && n > 1)
        pthread_cond_broadcast(&q->room);
    else if (waiting > 0)
        pthread_cond_signal(&q->room);
    return got;
}

static inline void peer_send(peer_tx *tx, const struct item *it)
{
    peer_send_many(tx, it, 1);
}

static inline int peer_recv(peer_rx *rx, struct item *it)
{
    return (int)peer_recv_many(rx, it, 1);
}

#include "work.h"
