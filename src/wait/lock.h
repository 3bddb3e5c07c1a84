/* SPDX-License-Identifier: MIT */
/*
 * lock.h - a mutex of eight bytes and a condition, on futexes.
 *
 *   tag  where                     order    pairs  what it publishes
 *   A1   lock_try: x_held 0->1     acquire  R1
 *   R1   lock_drop: x_held         release  A1     everything done under the lock
 *
 * Taking it is one exchange, dropping it a plain store: whether somebody sleeps is
 * asked with the light half of the asymmetric fence (ring/port.h), and the sleeper,
 * which has time, pays for the heavy half.  A short spin first, none where one CPU is
 * all there is: the sections it guards are some tens of instructions.
 *
 * The holder touches the lock after it has given it away, so whoever may free the
 * memory must know that every earlier holder has returned (a reference each).
 */
#ifndef SKSI_WAIT_LOCK_H
#define SKSI_WAIT_LOCK_H

#include "ring/port.h"

struct sksi_lock {
    _Atomic uint32_t x_held;     /* 0 or 1 */
    _Atomic uint32_t x_sleepers; /* threads that sleep on x_held, or are about to */
};

/* The slow halves of take and drop. */
void sksi_lock_wait(struct sksi_lock *l);
void sksi_lock_rouse(struct sksi_lock *l);

static inline bool sksi_lock_try(struct sksi_lock *l)
{
    uint32_t zero = 0;

    /* [A1] what the last holder did is visible; relaxed: hint, nothing was taken. */
    return atomic_compare_exchange_strong_explicit(&l->x_held, &zero, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

static inline void sksi_lock_take(struct sksi_lock *l)
{
    if (!sksi_lock_try(l))
        sksi_lock_wait(l);
}

static inline void sksi_lock_drop(struct sksi_lock *l)
{
    /* [R1] the next holder sees all of it. */
    atomic_store_explicit(&l->x_held, 0, memory_order_release);
    sksi_fence_light();
    /* relaxed: hint, ordered by the fences. */
    if (atomic_load_explicit(&l->x_sleepers, memory_order_relaxed))
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
