/* SPDX-License-Identifier: MIT */
/*
 * depend.c - which operations of two threads do not commute.
 *
 *   store, store     at one location
 *   load, store      in this order: the other way round the load may read an old store
 *   store, load      only if the load has read this store, and then the other order is
 *                    another choice of the load, not of the threads
 *   fence, fence     seq_cst
 *   heavy, any       but calls of the futex; and not if it is a load of what the thread
 *                    alone has stored, or, before, of what it knew already
 *   wait, store      of the word; wake and a wait that slept, or its time-out
 *
 * A failed compare-exchange is a load that might have been a store.
 */
#include "engine.h"

#include <stdatomic.h>

static bool is_load(const struct event *e)
{
    return e->kind == OP_LOAD || (e->kind == OP_CAS && !e->ok);
}

bool event_writes(const struct event *e)
{
    return e->kind == OP_STORE || e->kind == OP_RMW || (e->kind == OP_CAS && e->ok);
}

static bool is_access(const struct event *e)
{
    return e->kind >= OP_LOAD && e->kind <= OP_CAS;
}

static bool is_fence(const struct event *e)
{
    return e->kind == OP_FENCE || e->kind == OP_HEAVY || e->sc;
}

/* Of what both do beside reading and writing. */
static bool depend_futex(const struct event *a, const struct event *b)
{
    if (a->kind == OP_WAKE && b->kind == OP_WAKE)
        return a->ok || b->ok;
    if (a->kind == OP_WAKE || b->kind == OP_WAKE) {
        const struct event *other = a->kind == OP_WAKE ? b : a;

        return other->kind == OP_TIMEOUT || (other->kind == OP_WAIT && other->ok);
    }
    return (a->kind == OP_WAIT && event_writes(b)) || (b->kind == OP_WAIT && event_writes(a));
}

/* What another thread did, after a heavy fence or before it. */
static bool depend_heavy(const struct event *e, bool after)
{
    if (e->kind == OP_WAIT)
        return true;
    if (e->kind == OP_LOAD && (e->own || (e->quiet && !after)))
        return false;
    return is_access(e);
}

enum relation event_relation(const struct event *a, const struct event *b, int node_a)
{
    if (is_fence(a) && is_fence(b))
        return RACING;
    if ((a->kind == OP_HEAVY && depend_heavy(b, true)) ||
        (b->kind == OP_HEAVY && depend_heavy(a, false)))
        return RACING;
    if (a->kind == OP_FENCE || a->kind == OP_HEAVY || a->address != b->address)
        return UNRELATED;
    if (is_access(a) && is_access(b)) {
        if (is_load(a) && is_load(b))
            return UNRELATED;
        if (event_writes(a) && b->kind == OP_LOAD)
            return b->read_event == node_a ? ORDERED : UNRELATED;
        return RACING;
    }
    return depend_futex(a, b) ? RACING : UNRELATED;
}

bool event_wakes(const struct thread *t, const struct op *op, const struct event *e)
{
    struct event p = {.kind = op->kind,
                      .ok = true, /* it might be */
                      .sc = op->order == memory_order_seq_cst,
                      .own = e->kind == OP_HEAVY && op->kind == OP_LOAD &&
                             memory_own(op->address, t->id),
                      .address = op->address,
                      .read_event = -2};

    if (event_writes(&p) && is_access(e) && is_load(e) && !(is_fence(&p) && is_fence(e)))
        return false;
    return event_relation(&p, e, -1) != UNRELATED || event_relation(e, &p, -3) != UNRELATED;
}
