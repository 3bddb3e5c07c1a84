/* SPDX-License-Identifier: MIT */
/*
 * block.c - one operation that waits: try, spin, queue up, sleep, try again.
 *
 * A wake-up is a hint that a try may do now, not a promise: another thread may have
 * been quicker.  Then the waiter queues up again.  Every wake-up of one item or one
 * place goes to one waiter, and a waiter that leaves with something else than what
 * woke it leaves that for whoever finds it in the try that each waiter makes after
 * it has queued up.
 *
 * A rendezvous is the other way round: it queues up with its item first and spins
 * after that, since the other side takes the item from the waiter itself.
 */
#include "channel/internal.h"
#include "channel/told.h"

#include <errno.h>

#define GLANCES 50 /* about 200 ns: a round trip between near CPUs */

static bool ready(const struct sksi_op *op)
{
    return op->tx ? sksi_send_ready(op->tx) : sksi_recv_ready(op->rx);
}

/* What both sides have learned about spinning; `none` when there is no memory for it. */
static struct sksi_spin_hint *hints_of(struct sksi_chan *ch, struct sksi_spin_hint none[2])
{
    struct sksi_more *m = sksi_more_need(ch);

    if (m)
        return m->spin;
    memset(none, 0, 2 * sizeof *none);
    return none;
}

void sksi_count_wait(struct sksi_chan *ch, int side, uint64_t ticks)
{
    bool shared = side == SKSI_SENDERS ? ch->tx_shared : ch->rx.shared;
    struct sksi_more *m = sksi_more(ch);
    struct sksi_waits *w;

    if (!m || !SKSI_STATS)
        return;
    w = &m->waits[side];
    if (shared) {
        atomic_fetch_add_explicit(&w->x_count, 1, memory_order_relaxed);     /* relaxed: stat */
        atomic_fetch_add_explicit(&w->x_ticks, ticks, memory_order_relaxed); /* relaxed: stat */
        return;
    }
    /* relaxed: stat, stored by one thread. */
    ticks += atomic_load_explicit(&w->x_ticks, memory_order_relaxed);
    atomic_store_explicit(&w->x_ticks, ticks, memory_order_relaxed);
    atomic_store_explicit(&w->x_count, atomic_load_explicit(&w->x_count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

void sksi_wake(struct sksi_chan *ch, int side, uint64_t n)
{
    struct sksi_more *m = sksi_more(ch);

    if (m)
        sksi_spin_note(&m->spin[!side]);
    sksi_count_wakes(ch, sksi_gate_wake(&ch->gate, side, n));
}

static uint64_t own_index(const struct sksi_op *op)
{
    return op->tx ? sksi_ring_tail_hint(&op->ch->tx.ring) : sksi_ring_head_hint(&op->ch->rx.ring);
}

/* The first looks, without a pause and without the clock, which costs as much as a line takes from
 * CPU to CPU. */
static bool glance(const struct sksi_op *op)
{
    int i = 0;

    while (i < GLANCES && !ready(op))
        i++;
    return i < GLANCES;
}

/* Spins until the operation looks ready.  False when the budget is over. */
static bool spin(struct sksi_op *op, int64_t deadline)
{
    struct sksi_spin_hint none[2], *hints = hints_of(op->ch, none), *hint = &hints[op->side];
    bool same_cpu = sksi_spin_same_cpu(hint, &hints[!op->side]), found = false;
    struct sksi_spin s;
    uint32_t rest = 0;
    uint64_t n = 0;

    if (!same_cpu && !sksi_one_cpu()) {
        rest = sksi_spin_stream(hint, own_index(op), &n);
        if (rest == 0 && glance(op))
            return true;
    }
    sksi_spin_start(&s, hint, same_cpu, deadline);
    if (op->since == 0)
        op->since = same_cpu ? sksi_ticks() : s.start;
    if (rest)
        sksi_spin_rest(&s, hint, rest, n, op->ch->capacity);
    while (!(found = ready(op)) && sksi_spin_more(&s))
        ;
    sksi_spin_learn(&s, hint, found);
    return found;
}

/* A timer's receiver sleeps no longer than until the timer is due. */
static int64_t sleep_limit(const struct sksi_op *op, int64_t deadline)
{
    int64_t due = op->ch->kind == SKSI_TIMER ? sksi_timer_due(op->ch) : SKS_NEVER;

    return due < deadline ? due : deadline;
}

static void tell(const struct sksi_op *op)
{
    if (op->told)
        op->told->sleeps(op->told->arg);
}

/* Sleeps until woken.  False when the deadline has passed. */
static bool sleep_turn(struct sksi_op *op, int64_t deadline)
{
    struct sksi_parker parker = {0};
    struct sksi_waiter w = {.parker = &parker, .want = SKSI_WANT_TURN};
    struct sksi_gate *gate = &op->ch->gate;
    int64_t limit = sleep_limit(op, deadline);
    bool in_time = true;

    tell(op);
    sksi_wait_enter(gate, op->side, &w);
    sksi_fence_heavy();
    if (!ready(op))
        in_time = sksi_wait_park(&parker, limit) || limit < deadline;
    sksi_wait_leave(gate, op->side, &w);
    return in_time;
}

/* Spins until somebody has claimed us, then sleeps. */
static bool meet_wait(struct sksi_op *op, struct sksi_parker *parker, int64_t deadline)
{
    struct sksi_spin_hint none[2], *hints = hints_of(op->ch, none), *hint = &hints[op->side];
    struct sksi_spin s;
    bool found;

    found = sksi_spin_same_cpu(hint, &hints[!op->side]);
    sksi_spin_start(&s, hint, found, deadline);
    while (!(found = sksi_wait_token(parker) != 0) && sksi_spin_more(&s))
        ;
    sksi_spin_learn(&s, hint, found);
    return found || sksi_wait_park(parker, deadline);
}

/* One turn of waiting on a rendezvous.  1 when the other side has taken or given
 * the item, -EAGAIN to try again, -ETIMEDOUT. */
static ssize_t meet_turn(struct sksi_op *op, int64_t deadline)
{
    struct sksi_parker parker = {0};
    struct sksi_waiter w = {
        .parker = &parker,
        .want = op->slots && op->tx ? SKSI_WANT_WATCH : SKSI_WANT_TURN, /* a reserve watches */
        .item = op->items,
    };
    struct sksi_tray **tray = op->tx ? &op->tx->tray : &op->rx->tray;
    bool in_time, claimed;

    if (op->slots && op->rx) { /* a peek: offer the handle's tray */
        struct sksi_tray *t = sksi_tray_ready(op->ch, tray, 1);

        if (!t)
            return -ENOMEM;
        w.item = sksi_tray_slot(op->ch, t, 0);
        w.to_tray = true;
    }
    if (!sksi_meet_enter(op->ch, op->side, &w))
        return -EAGAIN;
    sksi_solo_follow(op->ch);
    in_time = meet_wait(op, &parker, deadline);
    sksi_wait_leave(&op->ch->gate, op->side, &w);
    claimed = sksi_wait_token(&parker) != 0;
    if (!claimed)
        return in_time ? -EAGAIN : -ETIMEDOUT;
    if (w.want == SKSI_WANT_WATCH || !sksi_meet_finish(op->ch, &w, deadline))
        return -EAGAIN;
    if (op->slots) {
        struct sksi_tray *t = *tray;

        t->at = 0;
        t->n = 1;
        t->from = sksi_ring_head_hint(&op->ch->rx.ring) - 1; /* or soon after that */
        *op->slots = w.item;
        sksi_receiver_refit(op->rx);
    }
    return 1;
}

ssize_t sksi_block(struct sksi_op *op, int64_t deadline)
{
    ssize_t r;

    op->since = op->ch->kind == SKSI_RING || op->ch->kind == SKSI_LIST ? 0 : sksi_ticks();
    for (;;) {
        bool in_time = true;

        if (op->ch->kind == SKSI_RENDEZVOUS) {
            r = meet_turn(op, deadline);
            if (r != -EAGAIN && r != -ETIMEDOUT)
                break;
            in_time = r == -EAGAIN;
        } else if (op->ch->kind == SKSI_TIMER || !spin(op, deadline)) {
            in_time = sleep_turn(op, deadline);
        }
        r = op->try_once(op);
        if (r != -EAGAIN)
            break;
        if (!in_time) {
            r = -ETIMEDOUT;
            break;
        }
    }
    /* A wait that a glance ended is counted with no time. */
    sksi_count_wait(op->ch, op->side, op->since ? sksi_ticks() - op->since : 0);
    return r;
}
