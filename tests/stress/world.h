/* SPDX-License-Identifier: MIT */
/*
 * world.h - what one round of the stress test consists of: channels, workers, and the
 * fate of each item.
 *
 * An item is (worker, channel, number); its bytes follow from that.  Its fates are
 * counted, and in the end exactly one of them must be 1.
 */
#ifndef SKS_STRESS_WORLD_H
#define SKS_STRESS_WORLD_H

#include <sockstream/select.h>

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_MAX 8
#define CHANNELS_MAX 3
#define ITEMS_MAX 3000 /* of one worker in one round */
#define ITEM_MAX 256   /* bytes */
#define BATCH_MAX 10

enum fate { RECEIVED, DESTROYED, REFUSED, FATES };

struct item {
    uint32_t worker, channel, number, check;
};

enum ending { END_NORMAL, END_REFUSE, END_ABORT, END_CLOSE, ENDINGS };

struct channel {
    size_t capacity, item_size, item_align;
    unsigned senders, receivers; /* workers that have a handle */
    sks_sender *last_tx;         /* kept open to ask for the statistics */
    _Atomic uint64_t sent, received, destroyed;
    _Atomic int abort_code;
};

/* Written by its own thread, read by the watchdog too. */
struct worker {
    unsigned self;
    uint64_t seed;
    sks_sender *tx[CHANNELS_MAX];
    sks_receiver *rx[CHANNELS_MAX];
    bool keep[CHANNELS_MAX];  /* tx is the channel's last_tx */
    bool quiet[CHANNELS_MAX]; /* this rx has seen the end */
    bool mixed;               /* sends and receives: never waits for ever meanwhile */
    int budget;               /* sends still to make */
    uint32_t made;            /* items */
    int64_t seen[CHANNELS_MAX][WORKERS_MAX];
    _Atomic(const char *) doing;
    _Atomic int on; /* channel */
    _Atomic uint64_t steps;
};

struct world {
    uint64_t seed;
    unsigned channels, workers;
    enum ending ending;
    bool give_back; /* receivers of a shared side give peeked items back: order is lost */
    struct channel channel[CHANNELS_MAX];
    struct worker worker[WORKERS_MAX];
    _Atomic uint8_t fates[WORKERS_MAX][ITEMS_MAX][FATES];
    _Atomic bool failed;
};

extern struct world world;

/* The round goes on after a failure, so that it ends. */
#define CHECK(ok, ...)                                                                             \
    do {                                                                                           \
        if (!(ok) && !atomic_exchange(&world.failed, true)) {                                      \
            printf("FAILED seed %" PRIu64 ": %s:%d: ", world.seed, __FILE__, __LINE__);            \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
            fflush(stdout);                                                                        \
        }                                                                                          \
    } while (0)

static inline uint32_t draw(uint64_t *seed, uint32_t below)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15; /* splitmix64 */

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (uint32_t)(((z ^ z >> 31) >> 32) * below >> 32);
}

static inline uint32_t item_check(const struct item *it)
{
    return (it->worker * 31 + it->channel) * 1000003 + it->number * 7 + 1;
}

static inline bool fate_add(const struct item *it, enum fate fate)
{
    if (it->check != item_check(it) || it->worker >= WORKERS_MAX || it->number >= ITEMS_MAX ||
        it->channel >= CHANNELS_MAX) {
        CHECK(false, "an item is damaged: %u %u %u", it->worker, it->channel, it->number);
        return false;
    }
    atomic_fetch_add_explicit(&world.fates[it->worker][it->number][fate], 1, memory_order_relaxed);
    return true;
}

/* Makes the worker's next item at `at`. */
static inline void item_make(struct worker *w, unsigned c, void *at)
{
    struct item it = {.worker = w->self, .channel = c, .number = w->made++};

    it.check = item_check(&it);
    memset(at, (int)(it.check & 0xff), world.channel[c].item_size);
    memcpy(at, &it, sizeof it);
}

static inline void item_refused(const void *at)
{
    struct item it;

    memcpy(&it, at, sizeof it);
    fate_add(&it, REFUSED);
}

/* The destructor; arg is the channel. */
static inline void item_destroyed(void *at, void *arg)
{
    struct channel *ch = arg;
    struct item it;

    memcpy(&it, at, sizeof it);
    fate_add(&it, DESTROYED);
    atomic_fetch_add_explicit(&ch->destroyed, 1, memory_order_relaxed);
}

/* A receiver got it: is it whole, and in order? */
static inline void item_received(struct worker *w, unsigned c, const void *at)
{
    struct channel *ch = &world.channel[c];
    const unsigned char *bytes = at;
    struct item it;

    memcpy(&it, at, sizeof it);
    if (!fate_add(&it, RECEIVED))
        return;
    atomic_fetch_add_explicit(&ch->received, 1, memory_order_relaxed);
    CHECK(it.channel == c, "an item of channel %u came out of %u", it.channel, c);
    for (size_t i = sizeof it; i < ch->item_size; i++)
        CHECK(bytes[i] == (it.check & 0xff), "byte %zu of an item is damaged", i);
    if (!world.give_back || ch->receivers == 1)
        CHECK((int64_t)it.number > w->seen[c][it.worker],
              "order: %u after %" PRId64 " of worker %u, channel %u of capacity %zu, doing %s",
              it.number, w->seen[c][it.worker], it.worker, c, ch->capacity, w->doing);
    w->seen[c][it.worker] = it.number;
}

static inline void count_sent(unsigned c, size_t n)
{
    atomic_fetch_add_explicit(&world.channel[c].sent, n, memory_order_relaxed);
}

static inline void step(struct worker *w, const char *doing, unsigned c)
{
    atomic_store_explicit(&w->doing, doing, memory_order_relaxed);
    atomic_store_explicit(&w->on, (int)c, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->steps, 1, memory_order_relaxed);
}

#endif
