/* SPDX-License-Identifier: MIT */
/*
 * lock.c - the waiting half of lock.h.
 *
 * Drepper's mutex ("Futexes Are Tricky", 2011, the second one): HELD becomes WAITED
 * before somebody sleeps, and only who drops a WAITED lock wakes one.  A sleeper that takes
 * the lock cannot know whether it was the last one, so it takes it as WAITED: one wake-up
 * for nothing.  A thread that was woken and waits for a CPU does not hold up the others,
 * and costs them nothing: the lock may come and go as FREE and HELD meanwhile.
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
        if (atomic_load_explicit(&l->x_state, memory_order_relaxed) == SKSI_LOCK_FREE &&
            sksi_lock_try(l))
            return;
    }
    /* [A1] when it was free. */
    while (atomic_exchange_explicit(&l->x_state, SKSI_LOCK_WAITED, memory_order_acquire) !=
           SKSI_LOCK_FREE)
        sksi_futex_wait(&l->x_state, SKSI_LOCK_WAITED, INT64_MAX);
}

void sksi_lock_rouse(struct sksi_lock *l)
{
    sksi_futex_wake(&l->x_state, 1);
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
