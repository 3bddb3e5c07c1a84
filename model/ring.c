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
static uint64_t slots[2], sent, received, capacity;

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
            sksi_ring_publish(&tx, &rx, tail + room);
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

/* After a measure the writer may use the places that it has seen to be free. */
static void push_measured(void)
{
    push_some(1, 1);
    sksi_ring_measure(&tx, &rx, sksi_ring_tail(&tx));
    push_some(1, 1);
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
    sksi_ring_publish(&tx, &rx, 1);
    slots[1] = 77;
    sksi_ring_publish(&tx, &rx, 2);
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
    {.name = "measure", .setup = clear_1, .thread = {push_measured, pop_one}, .finish = finish},
    {.name = "retract",
     .setup = clear_retract,
     .thread = {retract, pop_below},
     .finish = finish_retract},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/ring", models, sizeof models / sizeof *models);
}
