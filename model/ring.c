/* SPDX-License-Identifier: MIT */
/*
 * ring.c - models of ring/ring.h: one writer, one reader, nobody waits.
 *
 * The slots are plain memory, so an index that is published or released without its
 * order is a data race on a slot.
 */
#include "explore.h"

#include <string.h>

#include "ring/ring.h"

enum { TRIES = 3 };

static struct sksi_ring_tx tx;
static struct sksi_ring_rx rx;
static uint64_t slots[4], sent, received, capacity;

static void clear(uint64_t n)
{
    memset(&tx, 0, sizeof tx);
    memset(&rx, 0, sizeof rx);
    memset(slots, 0, sizeof slots);
    sent = received = 0;
    capacity = n;
}

static void clear_1(void)
{
    clear(1);
}

static void clear_2(void)
{
    clear(2);
}

static void push_some(uint64_t tries, uint64_t want)
{
    for (uint64_t i = 0; i < tries; i++) {
        uint64_t tail = sksi_ring_tail(&tx), room;

        room = sksi_ring_room(&tx, &rx, tail, capacity, want);
        CHECK(room <= capacity);
        room = room < want ? room : want;
        for (uint64_t k = 0; k < room; k++)
            slots[(tail + k) % capacity] = ++sent;
        if (room)
            sksi_ring_publish(&tx, tail + room);
    }
}

static void pop_some(uint64_t tries, uint64_t want)
{
    for (uint64_t i = 0; i < tries; i++) {
        uint64_t head = sksi_ring_head(&rx), items;

        items = sksi_ring_items(&rx, &tx, head, want);
        CHECK(items <= capacity);
        items = items < want ? items : want;
        for (uint64_t k = 0; k < items; k++) {
            CHECK(slots[(head + k) % capacity] == received + 1);
            received++;
        }
        if (items)
            sksi_ring_release(&rx, head + items);
    }
}

static void push_one(void)
{
    push_some(TRIES, 1);
}

static void pop_one(void)
{
    pop_some(TRIES, 1);
}

static void push_two(void)
{
    push_some(TRIES - 1, 2);
}

static void pop_two(void)
{
    pop_some(TRIES - 1, 2);
}

/* ---- <sockstream/ring.h> ----------------------------------------------- */

/* The sender of a channel that is alone: quick, else it looks for room. */
static void send_quick(void)
{
    for (uint64_t i = 0; i < TRIES; i++) {
        uint64_t item = sent + 1;

        if (!sksi_quick_send(&tx, &item, sizeof item)) {
            sksi_ring_room(&tx, &rx, sksi_ring_tail(&tx), capacity, 1);
            if (!sksi_quick_send(&tx, &item, sizeof item))
                continue;
        }
        sent++;
    }
}

/* And its receiver: quick, else it looks for items, and takes a single one by express. */
static void recv_quick(void)
{
    for (uint64_t i = 0; i < TRIES; i++) {
        uint64_t item = 0, head = sksi_ring_head(&rx);

        if (!sksi_quick_recv(&rx, &item, sizeof item)) {
            uint64_t n = sksi_ring_items(&rx, &tx, head, 1);

            if (n == 0)
                continue;
            if (n == 1 && sksi_ring_express(&tx, head, &item, sizeof item))
                sksi_ring_release(&rx, head + 1);
            else
                CHECK(sksi_quick_recv(&rx, &item, sizeof item));
        }
        CHECK(item == ++received);
    }
}

/* Batches of n that leave by express. */
static void send_batches(uint64_t n, uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) {
        uint64_t tail = sksi_ring_tail(&tx);

        if (sksi_ring_room(&tx, &rx, tail, capacity, n) < n)
            continue;
        for (uint64_t k = 0; k < n; k++)
            slots[(tail + k) & tx.mask] = ++sent;
        sksi_ring_publish_express(&tx, tail, n, sizeof *slots);
    }
}

static void send_twos(void)
{
    send_batches(2, 2);
}

static void send_one_two_one(void)
{
    send_batches(1, 1);
    send_batches(2, 1);
    send_batches(1, 1);
}

static void clear_quick(uint64_t n)
{
    clear(n);
    tx.slots = rx.slots = (unsigned char *)slots;
    tx.mask = rx.mask = n - 1;
    tx.size = rx.size = sizeof *slots;
}

static void clear_quick_1(void)
{
    clear_quick(1);
}

static void clear_quick_2(void)
{
    clear_quick(2);
}

static void clear_quick_4(void)
{
    clear_quick(4);
}

static void finish_quick(void)
{
    recv_quick();
    recv_quick();
    CHECK(sent == received);
}

static void finish(void)
{
    CHECK(sksi_ring_tail(&tx) == sent);
    CHECK(sksi_ring_head(&rx) == received);
    CHECK(sent - received <= capacity);
    pop_some(2, 1);
    CHECK(sent == received);
}

/* A writer takes back an item that the reader may not touch yet: it stops below. */
static _Atomic uint64_t x_keep;

static void clear_retract(void)
{
    clear(2);
    atomic_store_explicit(&x_keep, 0, memory_order_relaxed);
}

static void retract(void)
{
    slots[0] = ++sent;
    sksi_ring_publish(&tx, 1);
    slots[1] = 77;
    sksi_ring_publish(&tx, 2);
    sksi_ring_retract(&tx, 1);
}

static void pop_below(void)
{
    uint64_t items = sksi_ring_items(&rx, &tx, 0, 2);

    if (items) {
        CHECK(slots[0] == 1);
        received = 1;
        sksi_ring_release(&rx, 1);
    }
}

static void finish_retract(void)
{
    CHECK(sksi_ring_tail(&tx) == 1);
}

static const struct model models[] = {
    {.name = "capacity 1", .setup = clear_1, .thread = {push_one, pop_one}, .finish = finish},
    {.name = "capacity 2", .setup = clear_2, .thread = {push_one, pop_one}, .finish = finish},
    {.name = "batches", .setup = clear_2, .thread = {push_two, pop_two}, .finish = finish},
    {.name = "batch, one", .setup = clear_2, .thread = {push_two, pop_one}, .finish = finish},
    {.name = "quick, capacity 1",
     .setup = clear_quick_1,
     .thread = {send_quick, recv_quick},
     .finish = finish_quick},
    {.name = "quick, capacity 2",
     .setup = clear_quick_2,
     .thread = {send_quick, recv_quick},
     .finish = finish_quick},
    {.name = "express, batches",
     .setup = clear_quick_2,
     .thread = {send_twos, recv_quick},
     .finish = finish_quick},
    {.name = "express, mixed",
     .setup = clear_quick_4,
     .thread = {send_one_two_one, recv_quick},
     .finish = finish_quick},
    {.name = "retract",
     .setup = clear_retract,
     .thread = {retract, pop_below},
     .finish = finish_retract},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/ring", models, sizeof models / sizeof *models);
}
