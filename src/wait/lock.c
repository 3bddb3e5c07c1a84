/* SPDX-License-Identifier: MIT */
/*
 * lock.c - the waiting half of lock.h.
 *
 *   tag  where                       order    pairs  what it publishes
 *   A2   lock_wait: x_state 0->2     acquire  R2
 *   R2   sksi_lock_drop in lock.h    release  A2     everything done under the lock
 *
 * The condition's x_turn needs no order of its own: it is read and written under
 * the lock, and the kernel compares it again before it puts a thread to sleep.
 */
#include "wait/lock.h"

#include <limits.h>

/* About a microsecond: longer than any section, shorter than a sleep. */
#define LOCK_SPINS 40

void sksi_lock_wait(struct sksi_lock *l)
{
    if (!sksi_one_cpu()) {
        for (int i = 0; i < LOCK_SPINS; i++) {
            sksi_pause();
            /* relaxed: hint, the exchange decides. */
            if (atomic_load_explicit(&l->x_state, memory_order_relaxed) == 0 && sksi_lock_try(l))
                return;
        }
    }
    /* [A2] pairs with [R2]. */
    while (atomic_exchange_explicit(&l->x_state, 2, memory_order_acquire) != 0)
        sksi_futex_wait(&l->x_state, 2, INT64_MAX);
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
