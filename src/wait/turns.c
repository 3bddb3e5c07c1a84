/* SPDX-License-Identifier: MIT */
/*
 * turns.c - the turn moves on, and the waiting for it.
 *
 * A sleeper counts itself, fences and looks again under the lock; whoever moves the turn
 * fences and looks at the count.  One of the two sees the other.
 */
#include "wait/turns.h"

bool sksi_turns_next(struct sksi_turns *t, struct sksi_turn *turn, struct sksi_turn *next)
{
    uint32_t open = SKSI_TURN_OPEN;
    /* relaxed: owner, only who has the turn stores it. */
    uint64_t oldest = atomic_load_explicit(&t->x_oldest, memory_order_relaxed);

    /* relaxed: [R3] publishes it. */
    atomic_store_explicit(&turn->x_state, SKSI_TURN_OPEN, memory_order_relaxed);
    atomic_store_explicit(&t->x_oldest, oldest + 1, memory_order_release); /* [R3] */
    /* [R2]; relaxed: sksi_turn_claim() is the one that acquires. */
    if (atomic_compare_exchange_strong_explicit(&next->x_state, &open, SKSI_TURN_GIVEN,
                                                memory_order_release, memory_order_relaxed))
        return false;
    return sksi_turn_claim(next);
}

void sksi_turns_moved(struct sksi_turns *t)
{
    sksi_fence_light();
    /* relaxed: hint, ordered by the fences. */
    if (atomic_load_explicit(&t->x_sleepers, memory_order_relaxed) == 0)
        return;
    sksi_lock_take(&t->lock);
    sksi_cond_wake(&t->moved);
    sksi_lock_drop(&t->lock);
}

/* Under the lock. */
static void sleepers_add(struct sksi_turns *t, uint32_t n)
{
    /* relaxed: hint, ordered by the fences; atomic for those who look. */
    atomic_fetch_add_explicit(&t->x_sleepers, n, memory_order_relaxed);
}

void sksi_turns_await_turn(struct sksi_turns *t, const struct sksi_turn *turn)
{
    sksi_lock_take(&t->lock);
    sleepers_add(t, 1);
    sksi_fence_heavy();
    while (!sksi_turn_has(turn) && !sksi_turns_are_cut(t))
        sksi_cond_wait(&t->moved, &t->lock, INT64_MAX);
    sleepers_add(t, UINT32_MAX);
    sksi_lock_drop(&t->lock);
}

void sksi_turns_await_passed(struct sksi_turns *t, uint64_t ticket)
{
    sksi_lock_take(&t->lock);
    sleepers_add(t, 1);
    sksi_fence_heavy();
    while (sksi_turns_oldest(t) <= ticket && !sksi_turns_are_cut(t))
        sksi_cond_wait(&t->moved, &t->lock, INT64_MAX);
    sleepers_add(t, UINT32_MAX);
    sksi_lock_drop(&t->lock);
}

void sksi_turns_cut(struct sksi_turns *t)
{
    atomic_store_explicit(&t->x_cut, true, memory_order_release); /* [R4] */
    sksi_fence_heavy();
    sksi_turns_moved(t);
}

bool sksi_turns_cut_meanwhile(const struct sksi_turns *t)
{
    sksi_fence_light();
    return sksi_turns_are_cut(t); /* [A4] */
}
