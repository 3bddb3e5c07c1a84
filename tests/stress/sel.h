/* SPDX-License-Identifier: MIT */
/*
 * sel.h - the selects of the stress test: some of the worker's handles as arms, with an
 * item or in two phases, several waits on one select.
 */
#ifndef SKS_STRESS_SEL_H
#define SKS_STRESS_SEL_H

#include "ops.h"

struct arm_use {
    unsigned c;
    bool send, two_phase, live;
    unsigned char item[ITEM_MAX];
};

struct select_use {
    sks_select *sel;
    struct arm_use arm[2 * CHANNELS_MAX];
    unsigned n;
};

static inline void arm_add(struct worker *w, struct select_use *u, unsigned c, bool send)
{
    struct arm_use *a = &u->arm[u->n];
    bool two = draw(&w->seed, 3) == 0;
    int arm;

    *a = (struct arm_use){.c = c, .send = send, .two_phase = two, .live = true};
    arm = send ? sks_select_send(u->sel, w->tx[c], two ? NULL : a->item)
               : sks_select_recv(u->sel, w->rx[c], two ? NULL : a->item);
    CHECK(arm == (int)u->n, "arm %d is not %u", arm, u->n);
    u->n++;
}

static inline void arm_end(struct worker *w, struct select_use *u, unsigned arm)
{
    struct arm_use *a = &u->arm[arm];

    sks_select_remove(u->sel, (int)arm);
    a->live = false;
    if (a->send)
        stop_sending(w, a->c);
    else
        stop_receiving(w, a->c);
}

/* The second phase of a send. */
static inline void finish_send(struct worker *w, struct select_use *u, unsigned arm)
{
    struct arm_use *a = &u->arm[arm];
    int r;

    if (draw(&w->seed, 4) == 0)
        return;
    item_make(w, a->c, a->item);
    r = sks_select_complete(u->sel, a->item);
    if (r == 0) {
        count_sent(a->c, 1);
        return;
    }
    CHECK(r == -1, "complete gave %d", r);
    item_refused(a->item);
    check_error(a->c, errno, SKS_NEVER, w->tx[a->c], world.channel[a->c].capacity == 0);
    if (is_end(errno))
        arm_end(w, u, arm);
}

static inline void finish_recv(struct worker *w, struct select_use *u, unsigned arm)
{
    struct arm_use *a = &u->arm[arm];
    int r;

    if ((world.give_back || world.channel[a->c].receivers == 1) && draw(&w->seed, 4) == 0)
        return;
    r = sks_select_complete(u->sel, a->item);
    if (r == 1) {
        item_received(w, a->c, a->item);
        return;
    }
    CHECK(r == -1 && errno == atomic_load(&world.channel[a->c].abort_code),
          "complete gave %d, errno %d", r, errno);
    arm_end(w, u, arm);
}

static inline void chosen_send(struct worker *w, struct select_use *u, unsigned arm, int r,
                               int error)
{
    struct arm_use *a = &u->arm[arm];

    if (r == -1) {
        check_error(a->c, error, SKS_NEVER, w->tx[a->c], false);
        arm_end(w, u, arm);
    } else if (a->two_phase) {
        CHECK(r == 1, "a send in two phases gave %d", r);
        finish_send(w, u, arm);
    } else {
        CHECK(r == 0, "a send gave %d", r);
        count_sent(a->c, 1);
    }
}

static inline void chosen_recv(struct worker *w, struct select_use *u, unsigned arm, int r,
                               int error)
{
    struct arm_use *a = &u->arm[arm];

    if (r == -1)
        check_error(a->c, error, SKS_NEVER, NULL, false);
    if (r != 1)
        arm_end(w, u, arm);
    else if (a->two_phase)
        finish_recv(w, u, arm);
    else
        item_received(w, a->c, a->item);
}

/* One wait.  False when it was in vain. */
static inline bool wait_once(struct worker *w, struct select_use *u, int64_t deadline,
                             unsigned flags)
{
    int result = -7, arm, error;

    for (unsigned i = 0; i < u->n; i++) {
        struct arm_use *a = &u->arm[i];

        if (a->live && a->send && !a->two_phase)
            item_make(w, a->c, a->item);
    }
    arm = sks_select_wait(u->sel, deadline, flags, &result);
    error = errno;
    for (unsigned i = 0; i < u->n; i++) {
        struct arm_use *a = &u->arm[i];
        bool sent = (int)i == arm && result == 0 && !(flags & SKS_SELECT_READY);

        if (a->live && a->send && !a->two_phase && !sent)
            item_refused(a->item);
    }
    if (arm == -1) {
        check_error(0, error, deadline, NULL, false);
        return false;
    }
    if (arm < 0 || arm >= (int)u->n || !u->arm[arm].live) {
        CHECK(false, "arm %d was chosen", arm);
        return false;
    }
    if (flags & SKS_SELECT_READY)
        CHECK(result <= 1 && result >= -1, "ready gave %d", result);
    else if (u->arm[arm].send)
        chosen_send(w, u, (unsigned)arm, result, error);
    else
        chosen_recv(w, u, (unsigned)arm, result, error);
    return true;
}

/* all: every receiver there is, and it may wait for ever. */
static inline void op_select(struct worker *w, bool sends, bool receives, bool never)
{
    struct select_use u = {.sel = sks_select_new()};
    unsigned rounds = 1 + draw(&w->seed, 4), flags = 0;

    for (unsigned c = 0; c < world.channels; c++) {
        if (sends && w->tx[c] && draw(&w->seed, 4))
            arm_add(w, &u, c, true);
        if (receives && w->rx[c] && (never || draw(&w->seed, 4)))
            arm_add(w, &u, c, false);
    }
    while (rounds--) {
        bool live = false;
        int64_t deadline;

        for (unsigned i = 0; i < u.n; i++)
            live |= u.arm[i].live;
        if (!live || w->made + 2 * CHANNELS_MAX >= ITEMS_MAX)
            break;
        flags = draw(&w->seed, 3) == 0 ? SKS_SELECT_BIASED : 0;
        if (draw(&w->seed, 8) == 0)
            flags |= SKS_SELECT_READY;
        deadline = some_deadline(w, never && !(flags & SKS_SELECT_READY));
        step(w, deadline == SKS_NEVER ? "select for ever" : "select", 0);
        wait_once(w, &u, deadline, flags);
    }
    sks_select_free(u.sel);
}

#endif
