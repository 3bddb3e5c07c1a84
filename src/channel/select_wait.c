/* SPDX-License-Identifier: MIT */
/*
 * select_wait.c - the choice of one arm among several sends and receives.
 *
 *   1  try each enabled arm, in random order or in that of the list
 *   2  spin a little while none looks ready
 *   3  queue up in every arm's gate with one parker for all; fence; look again
 *   4  sleep
 *   5  leave every queue.  From here on nobody can claim us, so if a rendezvous was
 *      made meanwhile it is the only one: that arm is the answer.  Else go to 1.
 *
 * A wake-up of arm i that ends in choosing arm j is passed on: somebody else may
 * wait for what i was woken for.
 */
#include "channel/select_arms.h"

#include <errno.h>

/* ---- one arm ----------------------------------------------------------- */

static bool arm_ready(const struct sksi_arm *a)
{
    return a->tx ? sksi_send_ready(a->tx) : sksi_recv_ready(a->rx);
}

/* For SKS_SELECT_READY: 1, 0 or an errno value negated, without moving anything. */
static ssize_t arm_look(const struct sksi_arm *a)
{
    struct sksi_chan *ch = a->ch;

    if (a->tx && (a->tx->done || sks_sender_gone(a->tx)))
        return sksi_chan_send_end(ch);
    if (a->tx && a->tx->reserved) /* a send would give it up and go on */
        return 1;
    if (ch->kind == SKSI_RENDEZVOUS ? !sksi_meet_offered(ch, sksi_arm_side(a), NULL)
                                    : !arm_ready(a))
        return -EAGAIN;
    if (a->tx)
        return 1;
    if (sksi_chan_abort_code(ch))
        return -sksi_chan_abort_code(ch);
    if (ch->kind == SKSI_RENDEZVOUS || ch->kind == SKSI_TIMER)
        return sks_receiver_gone(a->rx) ? 0 : 1;
    return sks_receiver_gone(a->rx) && sks_receiver_stat(a->rx, SKS_STAT_LEN) == 0 ? 0 : 1;
}

/* Tries one arm.  -EAGAIN: not now. */
static ssize_t arm_try(sks_select *sel, const struct sksi_arm *a, unsigned flags)
{
    if (flags & SKS_SELECT_READY)
        return arm_ready(a) ? arm_look(a) : -EAGAIN;
    if (a->item)
        return a->tx ? sksi_send_one(a->tx, a->item) : sksi_recv_one(a->rx, a->item);
    if (!arm_ready(a))
        return -EAGAIN;
    return a->tx ? sksi_try_reserve(a->tx, 1, &sel->slot) : sksi_try_peek(a->rx, 1, &sel->slot);
}

/* ---- all arms ---------------------------------------------------------- */

static uint32_t next_random(sks_select *sel)
{
    uint32_t x = sel->seed; /* xorshift32, Marsaglia 2003 */

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return sel->seed = x;
}

/* The arm to try as the k-th: shuffles as it goes (Fisher and Yates). */
static uint32_t pick(sks_select *sel, uint32_t k, uint32_t random)
{
    uint32_t j, t;

    j = k + (uint32_t)(((uint64_t)random * (sel->n - k)) >> 32);
    t = sel->order[j];
    sel->order[j] = sel->order[k];
    sel->order[k] = t;
    return t;
}

static bool try_all(sks_select *sel, unsigned flags, struct sksi_outcome *out)
{
    for (uint32_t k = 0; k < sel->n; k++) {
        uint32_t i = flags & SKS_SELECT_BIASED ? k : pick(sel, k, next_random(sel));
        const struct sksi_arm *a = &sel->arms[i];

        if (!sksi_arm_live(a))
            continue;
        out->r = arm_try(sel, a, flags);
        if (out->r != -EAGAIN) {
            out->arm = (int)i;
            return true;
        }
    }
    return false;
}

static bool any_ready(const sks_select *sel)
{
    for (uint32_t i = 0; i < sel->n; i++) {
        if (sksi_arm_live(&sel->arms[i]) && arm_ready(&sel->arms[i]))
            return true;
    }
    return false;
}

/* Does anybody that we wait for wait on our CPU? */
static bool same_cpu(const sks_select *sel)
{
    bool same = false;

    for (uint32_t i = 0; i < sel->n && !same; i++) {
        const struct sksi_arm *a = &sel->arms[i];

        struct sksi_more *m = sksi_arm_live(a) ? sksi_more_need(a->ch) : NULL;

        if (m) {
            int side = sksi_arm_side(a);

            same = sksi_spin_same_cpu(&m->spin[side], &m->spin[!side]);
        }
    }
    return same;
}

static bool spin(sks_select *sel, int64_t deadline)
{
    struct sksi_spin s;
    bool found;

    sksi_spin_start(&s, &sel->spin, same_cpu(sel), deadline);
    while (!(found = any_ready(sel)) && sksi_spin_more(&s))
        ;
    sksi_spin_learn(&s, &sel->spin, found);
    return found;
}

/* ---- waiting ----------------------------------------------------------- */

/* Gives a waiter of a rendezvous the item that it offers; without one it watches.  False when
 * there is no memory for one. */
static bool offer(struct sksi_arm *a, unsigned flags)
{
    a->waiter.want = SKSI_WANT_WATCH;
    if (flags & SKS_SELECT_READY)
        return true;
    a->waiter.item = a->item;
    if (!a->item && a->rx) {
        struct sksi_tray *t = sksi_tray_ready(a->ch, &a->rx->tray, 1);

        if (!t)
            return false;
        a->waiter.item = sksi_tray_slot(a->ch, t, 0);
        a->waiter.to_tray = true;
    }
    if (a->waiter.item)
        a->waiter.want = SKSI_WANT_TURN;
    return true;
}

/* Queues up in every arm's gate.  False when one of them turned out to be ready; *poor: the one
 * that cannot wait for want of memory, or -1. */
static bool enter_all(sks_select *sel, struct sksi_parker *parker, unsigned flags, bool *fence,
                      int *poor)
{
    for (uint32_t i = 0; i < sel->n; i++) {
        struct sksi_arm *a = &sel->arms[i];

        a->waiter = (struct sksi_waiter){.parker = parker, .arm = i, .want = SKSI_WANT_TURN};
        if (!sksi_arm_live(a))
            continue;
        if (a->ch->kind != SKSI_RENDEZVOUS) {
            sksi_wait_enter(&a->ch->gate, sksi_arm_side(a), &a->waiter);
            *fence = true;
            continue;
        }
        if (!offer(a, flags)) {
            *poor = (int)i;
            return false;
        }
        if (!sksi_meet_enter(a->ch, sksi_arm_side(a), &a->waiter))
            return false;
    }
    return true;
}

static void leave_all(sks_select *sel)
{
    for (uint32_t i = 0; i < sel->n; i++) {
        struct sksi_arm *a = &sel->arms[i];

        if (a->waiter.parker && sksi_arm_live(a))
            sksi_wait_leave(&a->ch->gate, sksi_arm_side(a), &a->waiter);
    }
}

/* When a sleep has to end: the deadline or the first timer. */
static int64_t sleep_limit(const sks_select *sel, int64_t deadline)
{
    for (uint32_t i = 0; i < sel->n; i++) {
        const struct sksi_arm *a = &sel->arms[i];

        if (sksi_arm_live(a) && a->ch->kind == SKSI_TIMER && sksi_timer_due(a->ch) < deadline)
            deadline = sksi_timer_due(a->ch);
    }
    return deadline;
}

static bool ready_after_fence(const sks_select *sel)
{
    sksi_fence_heavy();
    for (uint32_t i = 0; i < sel->n; i++) {
        const struct sksi_arm *a = &sel->arms[i];

        if (sksi_arm_live(a) && a->ch->kind != SKSI_RENDEZVOUS && arm_ready(a))
            return true;
    }
    return false;
}

/* The other side of a rendezvous claimed arm i: was the item handed over? */
static bool met(sks_select *sel, uint32_t i, int64_t deadline, struct sksi_outcome *out)
{
    struct sksi_arm *a = &sel->arms[i];

    if (a->ch->kind != SKSI_RENDEZVOUS || a->waiter.want != SKSI_WANT_TURN ||
        !sksi_meet_finish(a->ch, &a->waiter, deadline))
        return false;
    if (!a->item) {
        a->rx->tray->at = 0;
        a->rx->tray->n = 1;
        a->rx->tray->from = sksi_ring_head_hint(&a->ch->rx.ring) - 1; /* or soon after that */
        sel->slot = a->waiter.item;
        sksi_receiver_refit(a->rx);
    }
    *out = (struct sksi_outcome){(int)i, 1};
    return true;
}

/* Arm i was woken but something else was chosen, it failed, or nothing was moved: wake the next
 * in its queue.  No flag tells of the watches of a rendezvous. */
static void pass_on(const sks_select *sel, int woken, int chosen, unsigned flags)
{
    const struct sksi_arm *a;

    if (woken < 0 || (woken == chosen && !(flags & SKS_SELECT_READY)))
        return;
    a = &sel->arms[woken];
    if (arm_ready(a) &&
        (a->ch->kind == SKSI_RENDEZVOUS || sksi_says(a->ch, sksi_arm_side(a)) & SKSI_WAITING))
        sksi_wake(a->ch, sksi_arm_side(a), 1);
}

/* One sleep.  1: *out is the answer; 0: try again; -1: the deadline has passed. */
static int sleep_turn(sks_select *sel, int64_t deadline, unsigned flags, int *woken,
                      struct sksi_outcome *out)
{
    struct sksi_parker parker = {0};
    int64_t limit = sleep_limit(sel, deadline);
    bool in_time = true, fence = false;
    int poor = -1;
    uint32_t token;

    for (uint32_t i = 0; i < sel->n; i++)
        sel->arms[i].waiter.parker = NULL;
    if (enter_all(sel, &parker, flags, &fence, &poor) && !(fence && ready_after_fence(sel)))
        in_time = sksi_wait_park(&parker, limit) || limit < deadline;
    leave_all(sel);
    token = sksi_wait_token(&parker);
    *woken = (int)token - 1;
    if (token && met(sel, token - 1, deadline, out)) {
        *woken = -1;
        return 1;
    }
    if (poor >= 0) {
        *out = (struct sksi_outcome){poor, -ENOMEM};
        return 1;
    }
    return in_time || token ? 0 : -1;
}

int sksi_select_choose(sks_select *sel, int64_t deadline, unsigned flags, struct sksi_outcome *out)
{
    int woken = -1;
    bool late = false;

    for (uint32_t i = 0; i < sel->n; i++)
        if (sksi_arm_live(&sel->arms[i]))
            sksi_solo_leave(sel->arms[i].ch);
    for (;;) {
        int slept;

        if (try_all(sel, flags, out)) {
            pass_on(sel, woken, out->r < 0 ? -1 : out->arm, flags);
            return 0;
        }
        if (deadline <= SKS_NOW)
            return EAGAIN;
        if (late)
            return ETIMEDOUT;
        if (spin(sel, deadline))
            continue;
        slept = sleep_turn(sel, deadline, flags, &woken, out);
        if (slept == 1) {
            pass_on(sel, woken, -1, flags);
            return 0;
        }
        late = slept < 0;
    }
}
