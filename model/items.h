/* SPDX-License-Identifier: MIT */
/*
 * items.h - what all models of channels share: items that are counted.
 *
 * An item is a number; what belongs to it is plain memory, written before the send and
 * read after the receive.  At the end each one that was accepted has been received or
 * destroyed once, each one that was refused never.
 */
#ifndef MODEL_ITEMS_H
#define MODEL_ITEMS_H

#include "explore.h"

#include <errno.h>
#include <string.h>

#include <sockstream/channel.h>
#include <sockstream/select.h>

enum { ITEMS = 6, SOON = 5000 };

static struct {
    uint64_t payload;
    int accepted, refused, received, destroyed;
} items[ITEMS];

static sks_sender *txs[3];
static sks_receiver *rxs[3];

static void item_destroy(void *item, void *arg)
{
    uint64_t id;

    (void)arg;
    memcpy(&id, item, sizeof id);
    CHECK(id > 0 && id < ITEMS);
    CHECK(items[id].payload == id);
    items[id].destroyed++;
}

/* A channel between txs[i] and rxs[i]. */
static inline void items_channel(int i, size_t capacity)
{
    CHECK(sks_channel_plain(sizeof(uint64_t), 0, capacity, item_destroy, NULL, &txs[i], &rxs[i]) ==
          0);
}

static inline void items_set_up(size_t capacity)
{
    memset(items, 0, sizeof items);
    memset(txs, 0, sizeof txs);
    memset(rxs, 0, sizeof rxs);
    items_channel(0, capacity);
}

static inline void item_make(uint64_t id)
{
    items[id].payload = id;
}

/* 0 or an errno value. */
static inline int item_send(sks_sender *tx, uint64_t id, int64_t deadline)
{
    int r;

    item_make(id);
    r = sks_sender_send_until(tx, &id, deadline);
    CHECK(r == 0 || r == -1);
    items[id].accepted += r == 0;
    items[id].refused += r != 0;
    return r ? errno : 0;
}

static inline void item_came(uint64_t id)
{
    CHECK(id > 0 && id < ITEMS);
    CHECK(items[id].payload == id);
    items[id].received++;
}

/* The item; 0 at the end of stream; else an errno value, negated. */
static inline int item_recv(sks_receiver *rx, int64_t deadline)
{
    uint64_t id = 0;
    int r = sks_receiver_recv_until(rx, &id, deadline);

    if (r == -1)
        return -errno;
    if (r == 0) {
        CHECK(id == 0);
        return 0;
    }
    item_came(id);
    return (int)id;
}

/* Receives until the end; items have to come in order. */
static inline int items_drain(sks_receiver *rx)
{
    int last = 0, n = 0, id;

    while ((id = item_recv(rx, SKS_NEVER)) > 0) {
        CHECK(id > last);
        last = id;
        n++;
    }
    CHECK(id == 0);
    return n;
}

static inline void items_close(int i)
{
    sks_sender_close(txs[i]);
    sks_receiver_close(rxs[i]);
    txs[i] = NULL;
    rxs[i] = NULL;
}

static inline void close_tx(int i)
{
    sks_sender_close(txs[i]);
    txs[i] = NULL;
}

static inline void close_rx(int i)
{
    sks_receiver_close(rxs[i]);
    rxs[i] = NULL;
}

/* Closes what the threads have left open; then no item may be unaccounted for. */
static inline void items_finish(void)
{
    for (int i = 0; i < 3; i++)
        items_close(i);
    for (int i = 0; i < ITEMS; i++) {
        CHECK(items[i].received + items[i].destroyed == items[i].accepted);
        CHECK(items[i].accepted + items[i].refused <= 1);
    }
}

#endif
