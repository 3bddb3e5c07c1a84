/* SPDX-License-Identifier: MIT */
/*
 * clock.c - where a worker's time goes.
 *
 *   tag  where                           order    pairs  what it publishes
 *   R11  clock_to: x_seq odd, fence      release  A12    a change began
 *   R12  clock_to: x_seq even            release  A11    the three are of one moment
 *   A11  clock_read: x_seq before        acquire  R12
 *   A12  clock_read: fence, x_seq after  acquire  R11    nothing read was half changed
 *
 * The clock is asked when a worker begins or ends a wait, not for each item: all
 * between two waits is busy.  To tell how old the item in hand is, it is also asked
 * every `stride` calls: each time while calls take over a microsecond, else every
 * 256th, so an age is never wrong by more than the time of 256 short calls.
 */
#include "pipeline/internal.h"

#define STRIDE_MAX 256
#define STRIDE_NS 1000
#define READ_TRIES 1000 /* a change takes nanoseconds; then take what there is */

static int64_t load(const _Atomic int64_t *x)
{
    return atomic_load_explicit(x, memory_order_relaxed); /* relaxed: owner, or [R11] [A12] */
}

static void store(_Atomic int64_t *x, int64_t v)
{
    atomic_store_explicit(x, v, memory_order_relaxed); /* relaxed: owner, or [R11] [A12] */
}

void sksi_clock_start(struct sks_worker *w)
{
    int64_t now = sksi_clock_ns();

    store(&w->x_call_since, now);
    store(&w->x_since, now);
    /* relaxed: owner. */
    atomic_store_explicit(&w->x_doing, SKSI_BUSY, memory_order_relaxed);
    w->stride = w->stride_left = 1;
}

void sksi_clock_to(struct sks_worker *w, enum sksi_doing doing)
{
    /* relaxed: owner. */
    uint32_t was = atomic_load_explicit(&w->x_doing, memory_order_relaxed);
    uint32_t seq = atomic_load_explicit(&w->x_seq, memory_order_relaxed); /* relaxed: owner */
    int64_t now;

    if (was == (uint32_t)doing)
        return;
    now = sksi_clock_ns();
    if (was == SKSI_WAIT_IN)
        store(&w->x_call_since, now);
    atomic_store_explicit(&w->x_seq, seq + 1, memory_order_relaxed); /* relaxed: fence behind it */
    atomic_thread_fence(memory_order_release);                       /* [R11] */
    store(&w->x_ns[was], load(&w->x_ns[was]) + now - load(&w->x_since));
    store(&w->x_since, now);
    /* relaxed: fence. */
    atomic_store_explicit(&w->x_doing, (uint32_t)doing, memory_order_relaxed);
    atomic_store_explicit(&w->x_seq, seq + 2, memory_order_release); /* [R12] */
}

void sksi_clock_stride(struct sks_worker *w)
{
    int64_t now = sksi_clock_ns();
    int64_t each = (now - load(&w->x_call_since)) / w->stride;

    store(&w->x_call_since, now);
    w->stride = each > STRIDE_NS ? 1 : STRIDE_MAX;
    w->stride_left = w->stride;
}

void sksi_clock_read(const struct sks_worker *w, int64_t now, struct sksi_times *t)
{
    uint32_t before, after;
    int64_t since;

    for (int i = 0; i < READ_TRIES; i++) {
        before = atomic_load_explicit(&w->x_seq, memory_order_acquire); /* [A11] */
        for (int k = 0; k < SKSI_DOINGS; k++)
            t->ns[k] = load(&w->x_ns[k]);
        since = load(&w->x_since);
        /* relaxed: fence. */
        t->doing = (enum sksi_doing)atomic_load_explicit(&w->x_doing, memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire); /* [A12] */
        after =
            atomic_load_explicit(&w->x_seq, memory_order_relaxed); /* relaxed: fence before it */
        if (before == after && !(before & 1))
            break;
    }
    if (since && now > since)
        t->ns[t->doing] += now - since;
}
