/* SPDX-License-Identifier: MIT */
/* ring_test.c - the two indices: room, items, retract, high water, two threads. */
#include "lib/harness.h"
#include "ring/ring.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

struct ring {
    struct sksi_ring_tx tx;
    struct sksi_ring_rx rx;
};

static void publish(struct ring *r, uint64_t n)
{
    sksi_ring_publish(&r->tx, sksi_ring_tail(&r->tx) + n);
}

static void release(struct ring *r, uint64_t n)
{
    sksi_ring_release(&r->rx, sksi_ring_head(&r->rx) + n);
}

static uint64_t room(struct ring *r, uint64_t capacity, uint64_t want)
{
    return sksi_ring_room(&r->tx, &r->rx, sksi_ring_tail(&r->tx), capacity, want);
}

static uint64_t items(struct ring *r, uint64_t want)
{
    return sksi_ring_items(&r->rx, &r->tx, sksi_ring_head(&r->rx), want);
}

static void empty_ring_has_all_room_and_no_items(void **state)
{
    struct ring r = {0};

    (void)state;
    assert_int_equal(room(&r, 5, 1), 5);
    assert_int_equal(items(&r, 1), 0);
}

static void full_ring_has_no_room_until_something_is_released(void **state)
{
    struct ring r = {0};

    (void)state;
    publish(&r, 5);
    assert_int_equal(room(&r, 5, 1), 0);
    assert_int_equal(items(&r, 1), 5);
    release(&r, 2);
    assert_int_equal(room(&r, 5, 1), 2);
    assert_int_equal(items(&r, 3), 3);
}

static void other_index_is_looked_at_only_when_too_few_are_known(void **state)
{
    struct ring r = {0};

    (void)state;
    publish(&r, 4);
    assert_int_equal(items(&r, 1), 4);
    release(&r, 3);
    assert_int_equal(room(&r, 10, 1), 9);
    release(&r, 1);
    assert_int_equal(room(&r, 10, 9), 9); /* the stale view is enough */
    assert_int_equal(room(&r, 10, 10), 10);
    publish(&r, 3);
    assert_int_equal(items(&r, 1), 3);
    publish(&r, 2);
    assert_int_equal(items(&r, 1), 3);
    assert_int_equal(items(&r, 4), 5);
}

static void retracted_items_were_never_there(void **state)
{
    struct ring r = {0};

    (void)state;
    publish(&r, 4);
    sksi_ring_retract(&r.tx, 1);
    assert_int_equal(sksi_ring_tail(&r.tx), 1);
    assert_int_equal(items(&r, UINT64_MAX), 1);
    assert_int_equal(room(&r, 4, 4), 3);
    publish(&r, 1);
    r.rx.limit = 0;
    assert_int_equal(items(&r, 1), 2);
}

static void high_water_is_the_most_that_a_look_found(void **state)
{
    struct ring r = {0};

    (void)state;
    publish(&r, 5);
    assert_int_equal(atomic_load(&r.rx.x_high_water), 0);
    assert_int_equal(items(&r, 1), 5);
    assert_int_equal(atomic_load(&r.rx.x_high_water), 5);
    release(&r, 5);
    publish(&r, 3);
    assert_int_equal(items(&r, 1), 3);
    assert_int_equal(atomic_load(&r.rx.x_high_water), 5);
}

/* ---- by express -------------------------------------------------------- */

/* One item that is alone comes by express, with any mix of single items and batches; an
 * item that is not alone does not. */
static void single_item_comes_by_express(void **state)
{
    uint32_t slots[16] = {0}, item = 0, seed = 7;
    struct ring r = {.tx = {.slots = (unsigned char *)slots, .mask = 15}};
    uint64_t next = 0;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        uint64_t n = 1 + (seed = seed * 1664525 + 1013904223) % 7;

        for (uint64_t k = next; k < next + n; k++)
            slots[k % 16] = (uint32_t)k;
        sksi_ring_publish_express(&r.tx, next, n, sizeof item);
        assert_int_equal(items(&r, 1), n);
        assert_int_equal(sksi_ring_express(&r.tx, next, &item, sizeof item), n == 1);
        next += n;
        release(&r, n - 1);
        assert_true(sksi_ring_express(&r.tx, next - 1, &item, sizeof item));
        assert_int_equal(item, next - 1);
        release(&r, 1);
    }
}

/* ---- two threads ------------------------------------------------------- */

#define ITEMS 200000
#define SLOTS 8
#define CAPACITY 5

static struct {
    struct ring ring;
    uint64_t slots[SLOTS];
} shared;

static void *write_all(void *arg)
{
    uint64_t next = 0;

    (void)arg;
    while (next < ITEMS) {
        uint64_t want = 1 + next % 3;
        uint64_t n = room(&shared.ring, CAPACITY, want);

        if (n > CAPACITY)
            return NULL;
        if (n == 0)
            sched_yield();
        n = n < want ? n : want;
        for (uint64_t i = 0; i < n; i++)
            shared.slots[(next + i) % SLOTS] = next + i;
        if (n)
            publish(&shared.ring, n);
        next += n;
    }
    return &shared;
}

static void reader_sees_each_item_once_and_whole(void **state)
{
    pthread_t thread;
    void *result;
    uint64_t next = 0;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, write_all, NULL), 0);
    while (next < ITEMS) {
        uint64_t n = items(&shared.ring, 1 + next % 2);

        assert_in_range(n, 0, CAPACITY);
        if (n == 0)
            sched_yield();
        for (uint64_t i = 0; i < n; i++)
            assert_int_equal(shared.slots[(next + i) % SLOTS], next + i);
        if (n)
            release(&shared.ring, n);
        next += n;
    }
    pthread_join(thread, &result);
    assert_ptr_equal(result, &shared);
    assert_in_range(atomic_load(&shared.ring.rx.x_high_water), 1, CAPACITY);
}

SKS_TESTS("ring/ring", cmocka_unit_test(empty_ring_has_all_room_and_no_items),
          cmocka_unit_test(full_ring_has_no_room_until_something_is_released),
          cmocka_unit_test(other_index_is_looked_at_only_when_too_few_are_known),
          cmocka_unit_test(retracted_items_were_never_there),
          cmocka_unit_test(high_water_is_the_most_that_a_look_found),
          cmocka_unit_test(single_item_comes_by_express),
          cmocka_unit_test(reader_sees_each_item_once_and_whole))
