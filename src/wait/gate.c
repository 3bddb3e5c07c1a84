/* SPDX-License-Identifier: MIT */
/*
 * gate.c - the slow half of gate.h.
 *
 *   tag  where                  order    pairs  what it publishes
 *   R1   gate_end: x_flags      release  A1     all that its side did before it ended
 *   A1   sksi_gate_flags        acquire  R1     (gate.h)
 *   R2   claim: x_token         release  A2     what the waker did before the wake
 *   A2   sksi_wait_token        acquire  R2     (gate.h)
 *   R3   free_held: x_done      release  A3     that the waiter is not touched any more
 *   A3   meet_finish in channel/rendezvous.c: x_done  acquire  R3
 *
 * WAITING itself carries no data, so setting and clearing it is relaxed; its order
 * against the items comes from the fences that gate.h draws.
 *
 * R2 and A2 are for a waiter that acts on its claim before wait_leave.  None in src/channel
 * does: a claim is made under the lock of the gate it is for, and wait_leave takes that
 * lock once more.
 */
#include "wait/gate.h"

void sksi_gate_init(struct sksi_gate *g, _Atomic uint32_t *senders, _Atomic uint32_t *receivers)
{
    *g = (struct sksi_gate){0};
    g->flags_at[SKSI_SENDERS] = (int16_t)((uintptr_t)senders - (uintptr_t)g);
    g->flags_at[SKSI_RECEIVERS] = (int16_t)((uintptr_t)receivers - (uintptr_t)g);
}

void sksi_gate_queue_locked(struct sksi_gate *g, int side, struct sksi_waiter *w)
{
    struct sksi_waiter *first = g->first[side];
    uint32_t flags = w->want == SKSI_WANT_TURN ? SKSI_QUEUED | SKSI_WAITING : SKSI_QUEUED;

    w->next = NULL;
    if (first) {
        w->prev = first->prev;
        first->prev->next = w;
        first->prev = w;
    } else {
        w->prev = w;
        g->first[side] = w;
    }
    w->queued = true;
    /* relaxed: hint, ordered by the caller's fence_heavy. */
    if ((sksi_gate_hint(g, side) & flags) != flags)
        atomic_fetch_or_explicit(sksi_gate_word(g, side), flags, memory_order_relaxed);
}

/* What the queue of a side makes of its flags. */
static uint32_t queue_flags(const struct sksi_gate *g, int side)
{
    const struct sksi_waiter *w = g->first[side];

    if (!w)
        return 0;
    while (w && w->want != SKSI_WANT_TURN)
        w = w->next;
    return w ? SKSI_QUEUED | SKSI_WAITING : SKSI_QUEUED;
}

void sksi_gate_unqueue_locked(struct sksi_gate *g, int side, struct sksi_waiter *w)
{
    struct sksi_waiter *first = g->first[side];
    uint32_t stale;

    if (w->next)
        w->next->prev = w->prev;
    else
        first->prev = w->prev;
    if (w == first)
        g->first[side] = w->next;
    else
        w->prev->next = w->next;
    w->queued = false;
    stale = (SKSI_QUEUED | SKSI_WAITING) & ~queue_flags(g, side);
    /* relaxed: hint, a flag seen too long costs a look at an empty queue. */
    if (stale & sksi_gate_hint(g, side))
        atomic_fetch_and_explicit(sksi_gate_word(g, side), ~stale, memory_order_relaxed);
}

bool sksi_gate_claim_locked(struct sksi_gate *g, int side, struct sksi_waiter *w)
{
    uint32_t token = 0;
    bool mine;

    /* relaxed: stat. */
    atomic_store_explicit(&w->parker->x_woken_at, sksi_ticks(), memory_order_relaxed);
    /* [R2] the woken thread sees what we did; relaxed: hint, on failure nothing is read. */
    do
        mine = atomic_compare_exchange_strong_explicit(&w->parker->x_token, &token, w->arm + 1,
                                                       memory_order_release, memory_order_relaxed);
    while (!mine && token == SKSI_ASLEEP);
    w->asleep = token == SKSI_ASLEEP;
    sksi_gate_unqueue_locked(g, side, w);
    return mine;
}

void sksi_gate_hold_locked(struct sksi_waiter **held, struct sksi_waiter *w,
                           struct sksi_waiter **holder)
{
    w->next = *held;
    *held = w;
    w->holder = holder;
    *holder = w;
}

void sksi_gate_unhold_locked(struct sksi_waiter **held, struct sksi_waiter *w)
{
    while (*held != w)
        held = &(*held)->next;
    *held = w->next;
    *w->holder = NULL;
}

/* Frees the waiters that reservations hold.  Under (g). */
static void free_held(struct sksi_waiter **held)
{
    while (*held) {
        struct sksi_waiter *w = *held;
        _Atomic uint32_t *done = &w->x_done, *token = &w->parker->x_token;

        sksi_gate_unhold_locked(held, w);
        /* [R3] we are done with w: it may be gone, or in use again, after this. */
        atomic_store_explicit(done, SKSI_RETRY, memory_order_release);
        sksi_futex_wake(token, 1);
        sksi_futex_wake(done, 1);
    }
}

unsigned sksi_gate_rouse(struct sksi_parker *p)
{
    return sksi_futex_wake(&p->x_token, 1);
}

/* How many sleepers are woken after the lock is dropped. */
#define ROUSE_MAX 16

/* Claims up to n (at most ROUSE_MAX) waiters; `all` includes those that wait for an
 * end.  Returns how many parkers it put into `roused`. */
static unsigned claim_some(struct sksi_gate *g, int side, uint64_t n, bool all,
                           struct sksi_parker **roused)
{
    struct sksi_waiter *w, *next;
    unsigned found = 0;

    sksi_lock_take(&g->lock);
    for (w = g->first[side]; w && found < n && found < ROUSE_MAX; w = next) {
        struct sksi_parker *p = w->parker;

        next = w->next;
        if (!all && w->want == SKSI_WANT_END)
            continue;
        /* A rendezvous reads it after the claim: nothing is handed over, try again.
         * relaxed: owner, under the lock; published by the claim. */
        atomic_store_explicit(&w->x_done, SKSI_RETRY, memory_order_relaxed);
        if (sksi_gate_claim_locked(g, side, w))
            roused[found++] = w->asleep ? p : NULL;
    }
    sksi_lock_drop(&g->lock);
    return found;
}

static unsigned wake_some(struct sksi_gate *g, int side, uint64_t n, bool all)
{
    struct sksi_parker *roused[ROUSE_MAX];
    unsigned woken = 0;

    while (n) {
        unsigned found = claim_some(g, side, n, all, roused);

        for (unsigned i = 0; i < found; i++)
            if (roused[i])
                woken += sksi_gate_rouse(roused[i]);
        if (found < ROUSE_MAX)
            break;
        n -= found;
    }
    return woken;
}

unsigned sksi_gate_wake(struct sksi_gate *g, int side, uint64_t n)
{
    return wake_some(g, side, n, false);
}

unsigned sksi_gate_end(struct sksi_gate *g, int side, uint32_t flag, struct sksi_waiter **held)
{
    unsigned woken = 0;

    /* [R1] whoever sees the end sees all that came before it. */
    atomic_fetch_or_explicit(sksi_gate_word(g, side), flag, memory_order_release);
    /* A waiter queues up, fences and looks at the flags: either we see it in the queue
     * now, or it will see the flag. */
    sksi_fence_light();
    if (held) {
        sksi_lock_take(&g->lock);
        free_held(held);
        sksi_lock_drop(&g->lock);
    }
    for (int s = SKSI_SENDERS; s <= SKSI_RECEIVERS; s++)
        if (held || sksi_gate_hint(g, s) & SKSI_QUEUED)
            woken += wake_some(g, s, UINT64_MAX, true);
    return woken;
}

void sksi_wait_enter(struct sksi_gate *g, int side, struct sksi_waiter *w)
{
    sksi_lock_take(&g->lock);
    sksi_gate_queue_locked(g, side, w);
    sksi_lock_drop(&g->lock);
}

bool sksi_wait_park(struct sksi_parker *p, int64_t deadline)
{
    bool slept = false;

    uint32_t zero = 0;

    /* relaxed: owner, only a claim moves it from 0 or from here. */
    atomic_compare_exchange_strong_explicit(&p->x_token, &zero, SKSI_ASLEEP, memory_order_relaxed,
                                            memory_order_relaxed);
    while (sksi_wait_token(p) == 0) {
        slept = true;
        if (!sksi_futex_wait(&p->x_token, SKSI_ASLEEP, deadline))
            return sksi_wait_token(p) != 0;
    }
    if (slept) {
        /* relaxed: stat. */
        sksi_spin_woken(atomic_load_explicit(&p->x_woken_at, memory_order_relaxed));
    }
    return true;
}

void sksi_wait_leave(struct sksi_gate *g, int side, struct sksi_waiter *w)
{
    sksi_lock_take(&g->lock);
    if (w->queued)
        sksi_gate_unqueue_locked(g, side, w);
    sksi_lock_drop(&g->lock);
}
