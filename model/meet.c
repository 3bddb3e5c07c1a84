/* SPDX-License-Identifier: MIT */
/*
 * meet.c - models of a rendezvous of one sender and one receiver, and of how it becomes a general
 * one (channel/solo.c, channel/rendezvous.c), through the public calls alone.
 */
#include "items.h"

static sks_receiver *more;

static void rendezvous(void)
{
    items_set_up(0);
    more = NULL;
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

static void recv_1(void)
{
    CHECK(item_recv(rxs[0], SKS_NEVER) == 1);
}

static void recv_2(void)
{
    recv_1();
    CHECK(item_recv(rxs[0], SKS_NEVER) == 2);
}

static void send_soon(void)
{
    int r = item_send(txs[0], 1, SOON);

    CHECK(r == 0 || r == ETIMEDOUT);
}

static void recv_soon(void)
{
    int r = item_recv(rxs[0], SOON);

    CHECK(r == 1 || r == -ETIMEDOUT);
}

static void try_send(void)
{
    int r = item_send(txs[0], 1, SKS_NOW);

    CHECK(r == 0 || r == EAGAIN);
}

static void try_recv(void)
{
    int r = item_recv(rxs[0], SKS_NOW);

    CHECK(r == 1 || r == -EAGAIN);
}

/* The receiver leaves the short way in the middle of the other's call. */
static void dup_and_recv(void)
{
    more = sks_receiver_dup(rxs[0]);
    CHECK(more);
    CHECK(item_recv(more, SKS_NEVER) == 1);
    sks_receiver_close(more);
}

static void reserve_and_commit(void)
{
    uint64_t id = 1;
    void *slots;
    ssize_t r;

    item_make(id);
    do {
        CHECK(sks_sender_reserve(txs[0], 1, &slots, SKS_NEVER) == 1);
        memcpy(slots, &id, sizeof id);
        r = sks_sender_commit(txs[0], 1);
        CHECK(r == 1 || errno == EAGAIN);
    } while (r != 1);
    items[id].accepted = 1;
}

static const struct model models[] = {
    {.name = "one",
     .setup = rendezvous,
     .thread = {send_1, recv_1},
     .preemptions = 3,
     .finish = items_finish},
    {.name = "two",
     .setup = rendezvous,
     .thread = {send_2, recv_2},
     .preemptions = 2,
     .finish = items_finish},
    {.name = "send, deadline",
     .setup = rendezvous,
     .thread = {send_soon, recv_soon},
     .preemptions = 2,
     .finish = items_finish},
    {.name = "try to send",
     .setup = rendezvous,
     .thread = {try_send, recv_soon},
     .preemptions = 2,
     .finish = items_finish},
    {.name = "try to receive",
     .setup = rendezvous,
     .thread = {send_soon, try_recv},
     .preemptions = 2,
     .finish = items_finish},
    {.name = "dup",
     .setup = rendezvous,
     .thread = {send_1, dup_and_recv},
     .preemptions = 1,
     .finish = items_finish},
    {.name = "reserve",
     .setup = rendezvous,
     .thread = {reserve_and_commit, recv_1},
     .preemptions = 1,
     .finish = items_finish},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/meet", models, sizeof models / sizeof *models);
}
