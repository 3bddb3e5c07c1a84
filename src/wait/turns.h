/* SPDX-License-Identifier: MIT */
/*
 * turns.h - tickets: drawn in order, done in any order, passed on in order.
 *
 *   tag  where                          order    pairs  what it publishes
 *   R1   turn_done: OPEN->DONE          release  A1     what the ticket keeps
 *   A1   turn_claim: DONE->TAKEN        acquire  R1
 *   R2   turns_next: OPEN->GIVEN        release  A2     what was passed on before
 *   A2   turn_has, turn_done: GIVEN     acquire  R2
 *   R3   turns_next: x_oldest           release  A3     the place of the one before is free
 *   A3   turns_oldest                   acquire  R3
 *   R4   turns_cut: x_cut               release  A4     why
 *   A4   turns_are_cut                  acquire  R4
 *
 * THE TURN  Exactly one ticket has the turn, the oldest that has not been passed on, be
 * it drawn yet or not.  Its owner passes on what it makes at once; the others keep
 * theirs and say "done".  Who is done with the turn goes to the next ticket: it is done
 * as well, and he passes that on too; or it is not, and is given the turn.  One compare
 * and swap on the ticket's state decides between the two, so nobody waits for a lock and
 * no ticket is forgotten.
 *
 *          turn_done                       turns_next, turn_claim
 *   OPEN -------------> DONE -------------------------------------> TAKEN
 *    | turns_next                                                     |
 *    +-----------> GIVEN (the turn) --- turns_next of its owner --> OPEN, window later
 *
 * CUT  After an abort no turn is passed any more.  Who cuts and who is done at that moment
 * look at each other's store, with the asymmetric fence between; both may find the ticket,
 * one claims it.
 *
 * Few wait: for the turn when they can keep no more, or for a place in the window.
 */
#ifndef SKSI_WAIT_TURNS_H
#define SKSI_WAIT_TURNS_H

#include "wait/lock.h"

enum sksi_turn_state { SKSI_TURN_OPEN, SKSI_TURN_GIVEN, SKSI_TURN_DONE, SKSI_TURN_TAKEN };

/* Of one ticket; that of the first one starts as SKSI_TURN_GIVEN, the others as 0. */
struct sksi_turn {
    _Atomic uint32_t x_state;
};

/* Zero is the beginning. */
struct sksi_turns {
    _Atomic uint64_t x_oldest; /* who has the turn stores it */
    _Atomic uint32_t x_sleepers;
    _Atomic bool x_cut;
    struct sksi_lock lock;
    struct sksi_cond moved;
};

/* All tickets below are passed on, and their places are free. */
static inline uint64_t sksi_turns_oldest(const struct sksi_turns *t)
{
    return atomic_load_explicit(&t->x_oldest, memory_order_acquire); /* [A3] */
}

static inline bool sksi_turns_are_cut(const struct sksi_turns *t)
{
    return atomic_load_explicit(&t->x_cut, memory_order_acquire); /* [A4] */
}

/* Owner only, before it is done. */
static inline bool sksi_turn_has(const struct sksi_turn *turn)
{
    /* [A2] */
    return atomic_load_explicit(&turn->x_state, memory_order_acquire) == SKSI_TURN_GIVEN;
}

/* Owner only, once.  True: it has the turn, and goes on with sksi_turns_next() when it
 * has passed on what it keeps.  False: somebody else will, unless the turns are cut and
 * sksi_turn_claim() says that it is left to the caller. */
static inline bool sksi_turn_done(struct sksi_turn *turn)
{
    uint32_t open = SKSI_TURN_OPEN;

    /* [R1] or [A2] */
    return !atomic_compare_exchange_strong_explicit(&turn->x_state, &open, SKSI_TURN_DONE,
                                                    memory_order_release, memory_order_acquire);
}

/* Is what a ticket keeps the caller's to throw away?  After a cut. */
static inline bool sksi_turn_claim(struct sksi_turn *turn)
{
    uint32_t done = SKSI_TURN_DONE;

    /* [A1]; relaxed: nothing is read when it is somebody else's. */
    return atomic_compare_exchange_strong_explicit(&turn->x_state, &done, SKSI_TURN_TAKEN,
                                                   memory_order_acquire, memory_order_relaxed);
}

/* From who has the turn: `turn` is passed on, `next` is the one behind it (the same one in
 * a window of one).  True: that one is done and the caller's to pass on.  False: it has the
 * turn now, or all is cut; then sksi_turns_moved() is the caller's last duty. */
bool sksi_turns_next(struct sksi_turns *t, struct sksi_turn *turn, struct sksi_turn *next);

/* Wakes those who wait. */
void sksi_turns_moved(struct sksi_turns *t);

/* Waits until the turn is the caller's, or everything is cut. */
void sksi_turns_await_turn(struct sksi_turns *t, const struct sksi_turn *turn);

/* Waits until `ticket` is passed on, or everything is cut. */
void sksi_turns_await_passed(struct sksi_turns *t, uint64_t ticket);

/* Nobody waits any more.  The caller then claims each ticket. */
void sksi_turns_cut(struct sksi_turns *t);

/* After sksi_turn_done() was false: is it cut?  Then the ticket is to be claimed. */
bool sksi_turns_cut_meanwhile(const struct sksi_turns *t);

#endif
