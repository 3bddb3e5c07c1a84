/* SPDX-License-Identifier: MIT */
/*
 * gate.h - who waits on a channel, and how it ended: the park, wake and close
 * protocol.
 *
 *   tag  where                        order    pairs  what it publishes
 *   R1   gate_set: x_flags            release  A1     all that its side did before it ended
 *   A1   gate_flags: x_flags          acquire  R1
 *   R2   gate claim: x_token          release  A2     what the waker did before the wake
 *   A2   wait_token: x_token          acquire  R2
 *
 * A gate has two sides, SENDERS and RECEIVERS.  What a side says, its flags, is
 * read by the other one before and after each operation; so the word lies in the
 * other side's cache line, and the gate only knows how far away:
 *
 *   WAITING   somebody of the side sleeps until it is its turn, or is about to
 *   QUEUED    somebody of the side is in the queue, for whatever
 *   GONE      the side has ended: nobody of it will come again
 *   REFUSED   (receivers) nothing more is wanted
 *   ABORTED   (both sides) every call fails
 *
 * WAITING is the store-then-load point of the library.  Lost wake-up, and why not:
 *
 *       one side                          the other side
 *       publish an item                   wait_enter: queue up, set WAITING
 *       fence_light                       fence_heavy
 *       read WAITING: set? wake           look for items: there? do not sleep
 *
 * By the fences (ring/port.h) one of the two reads sees the other's write.
 *
 * A waiter that waits for several gates (a select) has a node in each and one
 * parker; a waker claims it by moving x_token from 0 to the arm's number plus one.
 * Only one claim succeeds, so nobody spends a wake-up on a thread that has one.
 * Whoever is claimed and then does not use it passes it on (select.c).
 *
 * No libc in here: a model checker takes this file and gate.c as they are.
 */
#ifndef SKSI_WAIT_GATE_H
#define SKSI_WAIT_GATE_H

#include "wait/lock.h"

#include <stddef.h>

enum {
    SKSI_WAITING = 1,
    SKSI_GONE = 2,
    SKSI_REFUSED = 4,
    SKSI_ABORTED = 8,
    SKSI_QUEUED = 16,
    SKSI_CROWD = 32, /* for channel/solo.c: more than one thread a side, or a select */
};

enum { SKSI_SENDERS, SKSI_RECEIVERS };

/* A parker whose thread has to be woken by a system call. */
#define SKSI_ASLEEP UINT32_MAX

/* One thread's sleep. */
struct sksi_parker {
    _Atomic uint32_t x_token;    /* 0: not claimed yet, SKSI_ASLEEP: and in the kernel; else
                                    the claimed arm + 1 */
    _Atomic uint64_t x_woken_at; /* ticks of the claim: what a wake-up costs */
};

/* What a waiter is there for; decides which wakes reach it. */
enum sksi_want {
    SKSI_WANT_TURN,  /* to send or receive: any wake */
    SKSI_WANT_WATCH, /* the same, but hands nothing over itself (rendezvous) */
    SKSI_WANT_END,   /* the other side's end only */
};

/* How a rendezvous ended for the waiter that was claimed: x_done. */
enum { SKSI_DONE = 1, SKSI_RETRY = 2 };

/* All fields under the gate's lock while queued. */
struct sksi_waiter {
    struct sksi_waiter *next, *prev;
    struct sksi_parker *parker;
    uint32_t arm;
    enum sksi_want want;
    bool queued;
    bool asleep; /* it was when it was claimed: rouse it */
    /* Rendezvous: the item's bytes, whether they are a tray's, is the hand-over done. */
    void *item;
    bool to_tray;
    _Atomic uint32_t x_done;
    struct sksi_waiter **holder; /* the reservation that holds it, see sksi_gate_hold_locked() */
};

struct sksi_gate {
    struct sksi_lock lock;
    int16_t flags_at[2];          /* (k) bytes from here to the word of each side */
    struct sksi_waiter *first[2]; /* the queues; the prev of the first is the last */
};

/* The flags of a side: its word `senders` or `receivers`, near the gate. */
void sksi_gate_init(struct sksi_gate *g, _Atomic uint32_t *senders, _Atomic uint32_t *receivers);

static inline _Atomic uint32_t *sksi_gate_word(const struct sksi_gate *g, int side)
{
    return (_Atomic uint32_t *)((uintptr_t)g + (uintptr_t)(intptr_t)g->flags_at[side]);
}

static inline uint32_t sksi_gate_flags(const struct sksi_gate *g, int side)
{
    /* [A1] after GONE all that the side did is visible. */
    return atomic_load_explicit(sksi_gate_word(g, side), memory_order_acquire);
}

/* The same for a fast path.  relaxed: hint, whoever acts on a flag takes the lock
 * or reads it again with sksi_gate_flags(). */
static inline uint32_t sksi_gate_hint(const struct sksi_gate *g, int side)
{
    return atomic_load_explicit(sksi_gate_word(g, side), memory_order_relaxed);
}

/* The claimed arm + 1, 0 when there is none. */
static inline uint32_t sksi_wait_token(const struct sksi_parker *p)
{
    /* [A2] what the waker did is visible. */
    uint32_t token = atomic_load_explicit(&p->x_token, memory_order_acquire);

    return token == SKSI_ASLEEP ? 0 : token;
}

/* Sets a flag of a side for ever, frees the waiters in the list *held (a channel without
 * reservations of waiters has none: NULL), wakes everybody on both sides.  This and wake
 * return how many threads they roused. */
unsigned sksi_gate_end(struct sksi_gate *g, int side, uint32_t flag, struct sksi_waiter **held);

/* Wakes up to n of a side that want a turn.  Callers look at WAITING first. */
unsigned sksi_gate_wake(struct sksi_gate *g, int side, uint64_t n);

/* Queues the waiter up.  Then: fence_heavy, look again (at the flags too), park,
 * wait_leave. */
void sksi_wait_enter(struct sksi_gate *g, int side, struct sksi_waiter *w);

/* Sleeps until claimed or the deadline.  False when the deadline has passed and
 * nobody has claimed it. */
bool sksi_wait_park(struct sksi_parker *p, int64_t deadline);

/* Takes the waiter out of the queue, if it is still in it. */
void sksi_wait_leave(struct sksi_gate *g, int side, struct sksi_waiter *w);

/* ---- under the gate's lock (rendezvous) -------------------------------- */

/* Queues up, or takes out, without taking the lock. */
void sksi_gate_queue_locked(struct sksi_gate *g, int side, struct sksi_waiter *w);
void sksi_gate_unqueue_locked(struct sksi_gate *g, int side, struct sksi_waiter *w);

/* Claims a waiter and takes it out of the queue.  False when it was claimed before. */
bool sksi_gate_claim_locked(struct sksi_gate *g, int side, struct sksi_waiter *w);

/* A claimed waiter waits on until its holder hands something over or gives it up.  An
 * end, or the waiter's own deadline, frees it: then *holder is NULL. */
void sksi_gate_hold_locked(struct sksi_waiter **held, struct sksi_waiter *w,
                           struct sksi_waiter **holder);
void sksi_gate_unhold_locked(struct sksi_waiter **held, struct sksi_waiter *w);

/* Wakes the thread of a waiter that was asleep when it was claimed; returns how many that
 * were.  It may be gone by now: only addresses are used. */
unsigned sksi_gate_rouse(struct sksi_parker *p);

#endif
