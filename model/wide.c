/* SPDX-License-Identifier: MIT */
/*
 * wide.c - the rendezvous of one sender and one receiver (channel/solo.c) with items of more than
 * 8 bytes: those lie in two places, by turns, and not beside the index.  So an item may only be
 * written when the one before the last has been copied out.
 */
#include "items.h"

struct wide {
    uint64_t id, again;
};

static void meet(void)
{
    items_set_up(0);
    items_close(0);
    CHECK(sks_channel_plain(sizeof(struct wide), 0, 0, item_destroy, NULL, &txs[0], &rxs[0]) == 0);
}

/* 0 or an errno value. */
static int wide_send(uint64_t id, int64_t deadline)
{
    struct wide w = {id, id};
    int r;

    item_make(id);
    r = sks_sender_send_until(txs[0], &w, deadline);
    items[id].accepted += r == 0;
    return r ? errno : 0;
}

/* As item_recv(). */
static int wide_recv(int64_t deadline)
{
    struct wide w;

    if (sks_receiver_recv_until(rxs[0], &w, deadline) != 1)
        return -errno;
    CHECK(w.id == w.again);
    item_came(w.id);
    return (int)w.id;
}

static void send_3(void)
{
    for (uint64_t id = 1; id <= 3; id++)
        CHECK(wide_send(id, SKS_NEVER) == 0);
}

static void recv_3(void)
{
    for (int id = 1; id <= 3; id++)
        CHECK(wide_recv(SKS_NEVER) == id);
}

/* ---- an abort by a third thread: a side gives up without having slept --- */

/* Nothing unless the receiver is there already: fewer runs. */
static void send_to_abort(uint64_t n)
{
    int r = wide_send(1, SKS_NOW);

    for (uint64_t id = 2; id <= n && r == 0; id++)
        r = wide_send(id, SKS_NEVER);
    CHECK(r == 0 || r == ECANCELED || r == EAGAIN);
}

static void send_2_to_abort(void)
{
    send_to_abort(2);
}

static void send_3_to_abort(void)
{
    send_to_abort(3);
}

static void recv_1_to_abort(void)
{
    int r = wide_recv(SKS_NEVER);

    CHECK(r == 1 || r == -ECANCELED);
}

static void recv_3_to_abort(void)
{
    int r = wide_recv(SKS_NEVER);

    for (int id = 2; id <= 3 && r > 0; id++) {
        r = wide_recv(SKS_NOW);
        CHECK(r == id || r == -ECANCELED || r == -EAGAIN);
    }
}

static void abort_it(void)
{
    CHECK(sks_sender_abort(txs[0], ECANCELED) == 0);
}

#define MODEL(n, how, bound, ...)                                                                  \
    {                                                                                              \
        .name = n, .setup = meet, .thread = {__VA_ARGS__}, .finish = items_finish,                 \
        .preemptions = bound, .mode = how                                                          \
    }

static const struct model models[] = {
    MODEL("three", EXPLORE_BOTH, 1, send_3, recv_3),
    MODEL("sender gives up", EXPLORE_ASYM, 1, recv_1_to_abort, abort_it, send_2_to_abort),
    {.name = "receiver gives up",
     .setup = meet,
     .thread = {send_3_to_abort, recv_3_to_abort, abort_it},
     .finish = items_finish,
     .preemptions = 2,
     .preemptions_to_stop = 3,
     .mode = EXPLORE_ASYM},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/wide", models, sizeof models / sizeof *models);
}
