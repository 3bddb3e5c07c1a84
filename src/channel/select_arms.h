/* SPDX-License-Identifier: MIT */
/*
 * select_arms.h - what a select is made of, for select.c (the list, the public calls)
 * and select_wait.c (the choice).  All of it belongs to the thread in the call.
 */
#ifndef SKSI_CHANNEL_SELECT_ARMS_H
#define SKSI_CHANNEL_SELECT_ARMS_H

#include <sockstream/select.h>

#include "channel/internal.h"

struct sksi_arm {
    sks_sender *tx; /* one of the two; neither: the arm is free */
    sks_receiver *rx;
    struct sksi_chan *ch;
    void *item;
    bool enabled;
    struct sksi_waiter waiter;
};

struct sks_select {
    struct sksi_arm *arms;
    uint32_t *order; /* a permutation of the arms */
    uint32_t n, capacity;
    uint32_t seed;
    int held; /* the arm chosen in two phases and not completed, or -1 */
    void *slot;
    struct sksi_spin_hint spin;
};

/* What a try of an arm came to. */
struct sksi_outcome {
    int arm;
    ssize_t r;
};

static inline int sksi_arm_side(const struct sksi_arm *a)
{
    return a->tx ? SKSI_SENDERS : SKSI_RECEIVERS;
}

static inline bool sksi_arm_live(const struct sksi_arm *a)
{
    return a->enabled && (a->tx || a->rx);
}

/* Waits for one arm that can go on.  0, EAGAIN or ETIMEDOUT. */
int sksi_select_choose(sks_select *sel, int64_t deadline, unsigned flags, struct sksi_outcome *out);

#endif
