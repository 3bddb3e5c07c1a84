/* SPDX-License-Identifier: MIT */
/*
 * lock.h - a mutex of four bytes and a condition, on futexes.
 *
 *   tag  where                        order    pairs  what it publishes
 *   A1   lock_try, lock_wait: taken   acquire  R1
 *   R1   lock_drop                    release  A1     everything done under the lock
 *
 * Taking it is one compare and swap, dropping it one exchange, which also tells whether somebody
 * sleeps.  A short spin first, none where one CPU is all there is: the sections it guards are
 * some tens of instructions.
 *
 * Who drops it may wake a sleeper after it has given the lock away: that touches no memory, the
 * kernel looks the address up only.
 */
#ifndef SKSI_WAIT_LOCK_H
#define SKSI_WAIT_LOCK_H

#include "ring/port.h"

enum { SKSI_LOCK_FREE, SKSI_LOCK_HELD, SKSI_LOCK_WAITED };

struct sksi_lock {
    _Atomic uint32_t x_state;
};

/* The slow halves of take and drop. */
void sksi_lock_wait(struct sksi_lock *l);
void sksi_lock_rouse(struct sksi_lock *l);

static inline bool sksi_lock_try(struct sksi_lock *l)
{
    uint32_t unheld = SKSI_LOCK_FREE;

    /* [A1] what the last holder did is visible; relaxed: hint, nothing was taken. */
    return atomic_compare_exchange_strong_explicit(&l->x_state, &unheld, SKSI_LOCK_HELD,
                                                   memory_order_acquire, memory_order_relaxed);
}

static inline void sksi_lock_take(struct sksi_lock *l)
{
    if (!sksi_lock_try(l))
        sksi_lock_wait(l);
}

static inline void sksi_lock_drop(struct sksi_lock *l)
{
    /* [R1] the next holder sees all of it. */
    if (atomic_exchange_explicit(&l->x_state, SKSI_LOCK_FREE, memory_order_release) ==
        SKSI_LOCK_WAITED)
        sksi_lock_rouse(l);
}

/* A condition: state guarded by a lock has changed. */
struct sksi_cond {
    _Atomic uint32_t x_turn; /* counts wakes */
    uint32_t waiting;        /* under the lock */
};

/* Drops the lock, sleeps until a wake or the deadline, takes the lock again.
 * False when the deadline has passed.  May return true for no reason. */
bool sksi_cond_wait(struct sksi_cond *c, struct sksi_lock *l, int64_t deadline);

/* Wakes all.  Under the lock. */
void sksi_cond_wake(struct sksi_cond *c);

#endif
