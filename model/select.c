/* SPDX-License-Identifier: MIT */
/*
 * select.c - models of select: one arm is done and no other is touched, a wake-up is
 * never lost, not even one that came for an arm which was not chosen.
 */
#include "items.h"

static sks_select *sel;
static uint64_t got[2];

static void set_up(size_t a, size_t b)
{
    items_set_up(a);
    items_channel(1, b);
    sel = sks_select_new();
    got[0] = got[1] = 0;
}

static void rings(void)
{
    set_up(1, 1);
}

static void meets(void)
{
    set_up(0, 0);
}

/* The short way was left before. */
static void crowds(void)
{
    meets();
    for (int i = 0; i < 2; i++)
        sks_sender_close(sks_sender_dup(txs[i]));
}

static void receivers(void)
{
    for (int i = 0; i < 2; i++)
        CHECK(sks_select_recv(sel, rxs[i], &got[i]) == i);
}

static void choose(int64_t deadline)
{
    int result = 0;
    int arm = sks_select_wait(sel, deadline, SKS_SELECT_BIASED, &result);

    if (arm < 0) {
        CHECK(errno == ETIMEDOUT && deadline != SKS_NEVER);
        return;
    }
    CHECK(result == 1 && got[arm] == (uint64_t)arm + 1);
    item_came(got[arm]);
    got[arm] = 0;
}

static void select_one(void)
{
    receivers();
    choose(SKS_NEVER);
}

static void select_soon(void)
{
    receivers();
    choose(SOON);
}

static void select_both(void)
{
    receivers();
    choose(SKS_NEVER);
    choose(SKS_NEVER);
}

/* The second arm is closed, and so counts as ready. */
static void select_end(void)
{
    int result = 1, arm;

    receivers();
    arm = sks_select_wait(sel, SKS_NEVER, SKS_SELECT_BIASED, &result);
    CHECK(arm == 1 && result == 0);
}

static void select_send(void)
{
    uint64_t id = 1;
    int result = -1;

    item_make(1);
    CHECK(sks_select_send(sel, txs[0], &id) == 0);
    CHECK(sks_select_wait(sel, SKS_NEVER, SKS_SELECT_BIASED, &result) == 0);
    CHECK(result == 0);
    items[1].accepted = 1;
}

static void send_0(void)
{
    CHECK(item_send(txs[0], 1, SKS_NEVER) == 0);
}

static void send_0_soon(void)
{
    int r = item_send(txs[0], 1, SOON);

    CHECK(r == 0 || r == ETIMEDOUT);
}

static void send_1(void)
{
    CHECK(item_send(txs[1], 2, SKS_NEVER) == 0);
}

static void recv_0(void)
{
    CHECK(item_recv(rxs[0], SKS_NEVER) == 1);
}

static void close_1(void)
{
    close_tx(1);
}

static void finish(void)
{
    sks_select_free(sel);
    items_finish();
}

#define MODEL(n, up, bound, ...)                                                                   \
    {                                                                                              \
        .name = n, .setup = up, .thread = {__VA_ARGS__}, .finish = finish, .preemptions = bound    \
    }

static const struct model models[] = {
    MODEL("one arm ready", rings, 0, select_one, send_0),
    MODEL("deadline", rings, 0, select_soon, send_0),
    MODEL("end", rings, 0, select_end, close_1),
    MODEL("meet, deadline", crowds, 2, select_soon, send_0_soon),
    MODEL("meet, send, short way", meets, 1, select_send, recv_0),
    MODEL("meet, short way", meets, 1, select_one, send_0),
    MODEL("meet, send", crowds, 3, select_send, recv_0),
    MODEL("meet", crowds, 3, select_one, send_0),
    MODEL("two senders", rings, 2, select_both, send_0, send_1),
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/select", models, sizeof models / sizeof *models);
}
