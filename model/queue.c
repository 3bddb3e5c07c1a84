/* SPDX-License-Identifier: MIT */
/*
 * queue.c - models of a bounded and an unbounded channel, one thread a side, through the
 * public calls alone.
 */
#include "items.h"

static void ring_1(void)
{
    items_set_up(1);
}

static void ring_2(void)
{
    items_set_up(2);
}

/* Without a destructor, so without struct sksi_more until somebody waits. */
static void bare_1(void)
{
    items_set_up(1);
    items_close(0);
    CHECK(sks_channel(sizeof(uint64_t), 1, &txs[0], &rxs[0]) == 0);
}

static void list(void)
{
    items_set_up(SKS_UNBOUNDED);
}

static void send_1(void)
{
    CHECK(item_send(txs[0], 1, SKS_NEVER) == 0);
}

static void send_2(void)
{
    send_1();
    CHECK(item_send(txs[0], 2, SKS_NEVER) == 0);
}

static void send_3(void)
{
    send_2();
    CHECK(item_send(txs[0], 3, SKS_NEVER) == 0);
}

static void send_many(void)
{
    uint64_t ids[3] = {1, 2, 3};

    for (uint64_t i = 1; i <= 3; i++)
        item_make(i);
    CHECK(sks_sender_send_many(txs[0], ids, 3, SKS_NEVER) == 3);
    for (uint64_t i = 1; i <= 3; i++)
        items[i].accepted = 1;
}

static void recv_1(void)
{
    CHECK(item_recv(rxs[0], SKS_NEVER) == 1);
}

static void recv_2(void)
{
    recv_1();
    CHECK(item_recv(rxs[0], SKS_NEVER) == 2);
}

static void recv_3(void)
{
    recv_2();
    CHECK(item_recv(rxs[0], SKS_NEVER) == 3);
}

static void recv_many(void)
{
    uint64_t ids[3];
    uint64_t n = 0;

    while (n < 3) {
        ssize_t r = sks_receiver_recv_many(rxs[0], ids, 3 - (size_t)n, SKS_NEVER);

        CHECK(r > 0);
        for (ssize_t i = 0; i < r; i++) {
            CHECK(ids[i] == ++n);
            item_came(n);
        }
    }
}

static void send_soon(void)
{
    int r = item_send(txs[0], 1, SOON);

    CHECK(r == 0 || r == ETIMEDOUT);
}

static void send_2_soon(void)
{
    send_1();
    int r = item_send(txs[0], 2, SOON);

    CHECK(r == 0 || r == ETIMEDOUT);
}

static void recv_soon(void)
{
    int r = item_recv(rxs[0], SOON);

    CHECK(r == 1 || r == -ETIMEDOUT);
}

static void try_send_2(void)
{
    CHECK(item_send(txs[0], 1, SKS_NOW) == 0);
    int r = item_send(txs[0], 2, SKS_NOW);

    CHECK(r == 0 || r == EAGAIN);
}

static void try_recv_2(void)
{
    int r = item_recv(rxs[0], SKS_NOW);

    CHECK(r == 1 || r == -EAGAIN);
    r = item_recv(rxs[0], SKS_NOW);
    CHECK(r == 1 || r == 2 || r == -EAGAIN);
}

static void send_look(void)
{
    send_1();
    CHECK(sks_sender_stat(txs[0], SKS_STAT_SENT) == 1);
    CHECK(sks_sender_stat(txs[0], SKS_STAT_LEN) <= 1);
}

/* Both make struct sksi_more. */
static void dup_and_send(void)
{
    sks_sender *more = sks_sender_dup(txs[0]);

    CHECK(more);
    CHECK(item_send(more, 1, SKS_NEVER) == 0);
    sks_sender_close(more);
}

/* The first of two channels that has an item. */
static void select_setup(void)
{
    items_set_up(1);
    items_channel(1, 1);
}

static void select_1(void)
{
    uint64_t got[2] = {0};
    sks_select *sel = sks_select_new();
    int result = 0, arm;

    CHECK(sel);
    for (int i = 0; i < 2; i++)
        CHECK(sks_select_recv(sel, rxs[i], &got[i]) == i);
    arm = sks_select_wait(sel, SKS_NEVER, SKS_SELECT_BIASED, &result);
    CHECK(arm == 0 && result == 1);
    item_came(got[0]);
    sks_select_free(sel);
}

static const struct model models[] = {
    {.name = "select",
     .setup = select_setup,
     .thread = {send_1, select_1},
     .preemptions = 2,
     .finish = items_finish},
    {.name = "made twice",
     .setup = bare_1,
     .thread = {dup_and_send, recv_1},
     .preemptions = 2,
     .finish = items_finish},
    {.name = "try", .setup = ring_1, .thread = {try_send_2, try_recv_2}, .finish = items_finish},
    {.name = "one", .setup = ring_1, .thread = {send_look, recv_1}, .finish = items_finish},
    {.name = "made late",
     .setup = bare_1,
     .thread = {send_1, recv_1},
     .preemptions = 3,
     .finish = items_finish},
    {.name = "two, made late",
     .setup = bare_1,
     .thread = {send_2, recv_2},
     .preemptions = 1,
     .finish = items_finish},
    {.name = "two, capacity 1",
     .setup = ring_1,
     .thread = {send_2, recv_2},
     .preemptions = 1,
     .finish = items_finish},
    {.name = "two, capacity 2",
     .setup = ring_2,
     .thread = {send_2, recv_2},
     .preemptions = 2,
     .finish = items_finish},
    {.name = "send, deadline",
     .setup = ring_1,
     .thread = {send_2_soon, recv_1},
     .preemptions = 2,
     .finish = items_finish},
    {.name = "recv, deadline",
     .setup = ring_1,
     .thread = {send_1, recv_soon},
     .preemptions = 3,
     .finish = items_finish},
    {.name = "both, deadlines",
     .setup = ring_1,
     .thread = {send_soon, recv_soon},
     .preemptions = 3,
     .finish = items_finish},
    {.name = "unbounded",
     .setup = list,
     .thread = {send_2, recv_2},
     .preemptions = 2,
     .finish = items_finish},
    {.name = "batches",
     .setup = ring_2,
     .thread = {send_many, recv_many},
     .preemptions = 1,
     .finish = items_finish},
    {.name = "three, capacity 2",
     .setup = ring_2,
     .thread = {send_3, recv_3},
     .preemptions = 1,
     .finish = items_finish},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/queue", models, sizeof models / sizeof *models);
}
