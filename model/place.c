/* SPDX-License-Identifier: MIT */
/*
 * place.c - models of items that are written and read where they lie: reserve and
 * commit, peek and consume.
 */
#include "items.h"

static void ring_1(void)
{
    items_set_up(1);
}

static void two_senders(void)
{
    items_set_up(1);
    txs[1] = sks_sender_dup(txs[0]);
}

static void two_receivers(void)
{
    items_set_up(1);
    rxs[1] = sks_receiver_dup(rxs[0]);
}

static void send_place(uint64_t id)
{
    void *slot;

    item_make(id);
    CHECK(sks_sender_reserve(txs[0], 1, &slot, SKS_NEVER) == 1);
    memcpy(slot, &id, sizeof id);
    CHECK(sks_sender_commit(txs[0], 1) == 1);
    items[id].accepted = 1;
}

static void send_places(void)
{
    send_place(1);
    send_place(2);
}

static void send_one_place(void)
{
    send_place(1);
}

static void reserve_and_give_up(void)
{
    void *slot;
    ssize_t r = sks_sender_reserve(txs[0], 1, &slot, SOON);

    CHECK(r == 1 || (r == -1 && errno == ETIMEDOUT));
    if (r == 1)
        CHECK(sks_sender_commit(txs[0], 0) == 0);
}

static void send_other(void)
{
    CHECK(item_send(txs[1], 1, SKS_NEVER) == 0);
}

static void look(uint64_t id)
{
    void *slot;
    uint64_t there;

    CHECK(sks_receiver_peek(rxs[0], 1, &slot, SKS_NEVER) == 1);
    memcpy(&there, slot, sizeof there);
    CHECK(there == id);
    item_came(there);
    CHECK(sks_receiver_consume(rxs[0], 1) == 0);
}

static void look_twice(void)
{
    look(1);
    look(2);
}

static void look_and_leave(void)
{
    void *slot;

    CHECK(sks_receiver_peek(rxs[0], 1, &slot, SKS_NEVER) == 1);
    close_rx(0);
}

static void peek_and_give_back(void)
{
    void *slot;
    ssize_t r = sks_receiver_peek(rxs[0], 1, &slot, SOON);

    CHECK(r == 1 || (r == -1 && errno == ETIMEDOUT));
    if (r == 1)
        CHECK(sks_receiver_consume(rxs[0], 0) == 0);
}

static void recv_1(void)
{
    CHECK(item_recv(rxs[0], SKS_NEVER) == 1);
}

static void recv_other(void)
{
    CHECK(item_recv(rxs[1], SKS_NEVER) == 1);
}

static void recv_2(void)
{
    recv_1();
    CHECK(item_recv(rxs[0], SKS_NEVER) == 2);
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

/* The receiver has seen the item, but not consumed it: it may still be refused. */
static void send_or_pipe(void)
{
    int r = item_send(txs[0], 1, SKS_NEVER);

    CHECK(r == 0 || r == EPIPE);
}

static void full_two_receivers(void)
{
    two_receivers();
    send_1();
}

#define MODEL(n, up, bound, ...)                                                                   \
    {                                                                                              \
        .name = n, .setup = up, .thread = {__VA_ARGS__}, .finish = items_finish,                   \
        .preemptions = bound                                                                       \
    }

static const struct model models[] = {
    MODEL("reserve", ring_1, 1, send_places, recv_2),
    MODEL("peek", ring_1, 1, send_2, look_twice),
    MODEL("peek, close", ring_1, 0, send_or_pipe, look_and_leave),
    MODEL("reserve, shared", two_senders, 0, send_one_place, recv_1),
    MODEL("reserve, give up", two_senders, 2, reserve_and_give_up, send_other),
    MODEL("peek, give back", full_two_receivers, 2, peek_and_give_back, recv_other),
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/place", models, sizeof models / sizeof *models);
}
