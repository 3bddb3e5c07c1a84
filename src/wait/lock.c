/* SPDX-License-Identifier: MIT */
/*
 * lock.c - the waiting half of lock.h.
 *
 * A sleeper counts itself, fences, and tries again before each sleep; the holder
 * stores 0, fences and looks at the count.  One of the two sees the other.  The
 * kernel compares x_held once more before it puts a thread to sleep.
 *
 * The condition's x_turn needs no order of its own: it is read and written under
 * the lock, and the kernel compares it too.
 */
#include "wait/lock.h"

#include <limits.h>

/* About a microsecond: longer than any section, shorter than a sleep. */
#define LOCK_SPINS 40

void sksi_lock_wait(struct sksi_lock *l)
{
    for (int i = 0; i < LOCK_SPINS && !sksi_one_cpu(); i++) {
        sksi_pause();
        /* relaxed: hint, the exchange decides. */
        if (atomic_load_explicit(&l->x_held, memory_order_relaxed) == 0 && sksi_lock_try(l))
            return;
    }
    /* relaxed: hint, ordered by the fences. */
    atomic_fetch_add_explicit(&l->x_sleepers, 1, memory_order_relaxed);
    sksi_fence_heavy();
    while (!sksi_lock_try(l))
        sksi_futex_wait(&l->x_held, 1, INT64_MAX);
    atomic_fetch_sub_explicit(&l->x_sleepers, 1, memory_order_relaxed); /* relaxed: hint */
}

void sksi_lock_rouse(struct sksi_lock *l)
{
    sksi_futex_wake(&l->x_held, 1);
}

bool sksi_cond_wait(struct sksi_cond *c, struct sksi_lock *l, int64_t deadline)
{
    /* relaxed: owner, x_turn changes under the lock only. */
    uint32_t turn = atomic_load_explicit(&c->x_turn, memory_order_relaxed);
    bool in_time;

    c->waiting++;
    sksi_lock_drop(l);
    in_time = sksi_futex_wait(&c->x_turn, turn, deadline);
    sksi_lock_take(l);
    c->waiting--;
    return in_time;
}

void sksi_cond_wake(struct sksi_cond *c)
{
    if (c->waiting == 0)
        return;
    /* relaxed: owner, under the lock. */
    atomic_store_explicit(&c->x_turn, atomic_load_explicit(&c->x_turn, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    sksi_futex_wake(&c->x_turn, INT_MAX);
}
