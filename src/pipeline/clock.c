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
 * between two waits is busy.  Where waits come less than WAIT_NS apart (one side is a little
 * faster than the other, and spins for some nanoseconds each time) one in WAIT_EVERY is
 * timed and counts for all, since the clock costs as much as the wait; one that becomes a sleep is
 * always timed, from there on.  To tell how old the item in hand is, it is also asked
 * every `stride` calls: each time while calls take over a microsecond, else every
 * 256th, so an age is never wrong by more than the time of 256 short calls.
 */
#include "pipeline/internal.h"

#define STRIDE_MAX 256
#define STRIDE_NS 1000
#define WAIT_NS 2000
#define WAIT_EVERY 16
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
    w->wait_weight = w->wait_every = 1;
    w->waited_at = now;
}

void sksi_clock_to(struct sks_worker *w, enum sksi_doing doing)
{
    /* relaxed: owner. */
    uint32_t was = atomic_load_explicit(&w->x_doing, memory_order_relaxed);
    uint32_t seq = atomic_load_explicit(&w->x_seq, memory_order_relaxed); /* relaxed: owner */
    int64_t now, spent, more;

    if (was == (uint32_t)doing)
        return;
    now = sksi_clock_ns();
    spent = now - load(&w->x_since);
    more = spent * (w->wait_weight - 1); /* of waits that counted as busy */
    if (more > load(&w->x_ns[SKSI_BUSY]))
        more = load(&w->x_ns[SKSI_BUSY]);
    w->wait_weight = 1;
    if (was == SKSI_WAIT_IN)
        store(&w->x_call_since, now);
    atomic_store_explicit(&w->x_seq, seq + 1, memory_order_relaxed); /* relaxed: fence behind it */
    atomic_thread_fence(memory_order_release);                       /* [R11] */
    store(&w->x_ns[SKSI_BUSY], load(&w->x_ns[SKSI_BUSY]) - more);
    store(&w->x_ns[was], load(&w->x_ns[was]) + spent + more);
    store(&w->x_since, now);
    /* relaxed: fence. */
    atomic_store_explicit(&w->x_doing, (uint32_t)doing, memory_order_relaxed);
    atomic_store_explicit(&w->x_seq, seq + 2, memory_order_release); /* [R12] */
}

void sksi_clock_wait(struct sks_worker *w, enum sksi_doing doing)
{
    if (--w->wait_left > 0)
        return;
    sksi_clock_to(w, doing);
    w->wait_weight = w->wait_every;
}

void sksi_clock_waited(struct sks_worker *w)
{
    int64_t now, each;

    /* relaxed: owner. */
    if (atomic_load_explicit(&w->x_doing, memory_order_relaxed) == SKSI_BUSY)
        return;
    sksi_clock_to(w, SKSI_BUSY);
    now = load(&w->x_since);
    each = (now - w->waited_at) / w->wait_every;
    w->waited_at = now;
    w->wait_every = each < WAIT_NS ? WAIT_EVERY : 1;
    w->wait_left = w->wait_every;
}

static void sleeps(struct sks_worker *w, enum sksi_doing doing)
{
    w->wait_weight = 1;
    sksi_clock_to(w, doing);
}

void sksi_clock_sleeps_in(void *worker)
{
    sleeps(worker, SKSI_WAIT_IN);
}

void sksi_clock_sleeps_out(void *worker)
{
    sleeps(worker, SKSI_WAIT_OUT);
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
