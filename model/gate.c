/* SPDX-License-Identifier: MIT */
/*
 * gate.c - models of wait/gate.h: park, wake and close, as channel/block.c and
 * channel/select_wait.c use them.
 *
 * The "channel" here is a counter of items.  `told` is plain memory that a waker
 * writes before it wakes and a woken thread reads.
 */
#include "explore.h"

#include <string.h>

#include "wait/gate.h"

enum { SOON = 5000 };

/* A gate and the words of its sides. */
static struct {
    struct sksi_gate gate;
    _Atomic uint32_t words[2];
} places[2];
static _Atomic uint32_t x_items;
static int told[2], claims;

static void clear(void)
{
    memset(places, 0, sizeof places);
    for (int i = 0; i < 2; i++)
        sksi_gate_init(&places[i].gate, &places[i].words[SKSI_SENDERS],
                       &places[i].words[SKSI_RECEIVERS]);
    memset(told, 0, sizeof told);
    atomic_store_explicit(&x_items, 0, memory_order_relaxed);
    claims = 0;
}

static bool look(void)
{
    return atomic_load_explicit(&x_items, memory_order_acquire) != 0;
}

static bool over(int flag)
{
    return sksi_gate_flags(&places[0].gate, SKSI_SENDERS) & (uint32_t)flag;
}

/* One turn of a receiver.  False when its deadline has passed. */
static bool wait_turn(enum sksi_want want, int64_t deadline)
{
    struct sksi_parker parker = {0};
    struct sksi_waiter w = {.parker = &parker, .want = want};
    bool in_time = true;

    sksi_wait_enter(&places[0].gate, SKSI_RECEIVERS, &w);
    sksi_fence_heavy();
    if (!look() && !over(SKSI_GONE | SKSI_ABORTED))
        in_time = sksi_wait_park(&parker, deadline);
    sksi_wait_leave(&places[0].gate, SKSI_RECEIVERS, &w);
    return in_time;
}

static void receive(void)
{
    while (!look() && !over(SKSI_GONE))
        wait_turn(SKSI_WANT_TURN, INT64_MAX);
}

static void receive_soon(void)
{
    while (!look() && !over(SKSI_GONE) && wait_turn(SKSI_WANT_TURN, SOON))
        ;
}

static void await_end(void)
{
    while (!over(SKSI_GONE))
        wait_turn(SKSI_WANT_END, INT64_MAX);
    CHECK(told[0] == 1);
}

static void send(void)
{
    atomic_store_explicit(&x_items, 1, memory_order_release);
    sksi_fence_light();
    if (sksi_gate_hint(&places[0].gate, SKSI_RECEIVERS) & SKSI_WAITING)
        sksi_gate_wake(&places[0].gate, SKSI_RECEIVERS, 1);
}

static void end(void)
{
    told[0] = 1;
    sksi_gate_end(&places[0].gate, SKSI_SENDERS, SKSI_GONE, NULL);
}

static void see_end(void)
{
    if (over(SKSI_GONE))
        CHECK(told[0] == 1);
}

/* What the waker did is visible with the claim alone, before the gate's lock is taken again. */
static void await_wake(void)
{
    struct sksi_parker parker = {0};
    struct sksi_waiter w = {.parker = &parker};

    sksi_wait_enter(&places[0].gate, SKSI_RECEIVERS, &w);
    if (sksi_wait_park(&parker, SOON))
        CHECK(told[0] == 1);
    sksi_wait_leave(&places[0].gate, SKSI_RECEIVERS, &w);
}

/* ---- one parker in two gates ------------------------------------------- */

static bool select_turn(int64_t deadline)
{
    struct sksi_parker parker = {0};
    struct sksi_waiter w[2] = {{.parker = &parker, .arm = 0}, {.parker = &parker, .arm = 1}};
    uint32_t token;

    for (int i = 0; i < 2; i++)
        sksi_wait_enter(&places[i].gate, SKSI_RECEIVERS, &w[i]);
    sksi_wait_park(&parker, deadline);
    for (int i = 0; i < 2; i++)
        sksi_wait_leave(&places[i].gate, SKSI_RECEIVERS, &w[i]);
    token = sksi_wait_token(&parker);
    if (token) {
        CHECK(told[token - 1] == 1);
        claims++;
    }
    return token != 0;
}

static void select_soon(void)
{
    select_turn(SOON);
}

static void wake(int i)
{
    told[i] = 1;
    sksi_gate_wake(&places[i].gate, SKSI_RECEIVERS, 1);
}

static void wake_0(void)
{
    wake(0);
}

static void wake_1(void)
{
    wake(1);
}

static void finish_gates(void)
{
    for (int i = 0; i < 2; i++) {
        CHECK(!places[i].gate.first[SKSI_RECEIVERS]);
        CHECK(!(sksi_gate_hint(&places[i].gate, SKSI_RECEIVERS) & SKSI_WAITING));
    }
    CHECK(claims <= 1);
}

static const struct model models[] = {
    {.name = "flag", .setup = clear, .thread = {see_end, end}},
    {.name = "turn", .setup = clear, .thread = {receive, send}, .finish = finish_gates},
    {.name = "turn, deadline",
     .setup = clear,
     .thread = {receive_soon, send},
     .finish = finish_gates},
    {.name = "end", .setup = clear, .thread = {receive, end}, .finish = finish_gates},
    {.name = "wait for the end", .setup = clear, .thread = {await_end, end}},
    {.name = "claim", .setup = clear, .thread = {await_wake, wake_0}, .finish = finish_gates},
    {.name = "select", .setup = clear, .thread = {select_soon, wake_0}, .finish = finish_gates},
    {.name = "select, two wakes",
     .setup = clear,
     .thread = {select_soon, wake_0, wake_1},
     .preemptions = 3,
     .finish = finish_gates},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/gate", models, sizeof models / sizeof *models);
}
