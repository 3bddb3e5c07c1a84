/* SPDX-License-Identifier: MIT */
/*
 * part.c - more of the rendezvous (meet.c): one side gives up and tries again, goes
 * away, peeks, or shares its handle, while the other is on its way.
 */
#include "items.h"

static void meet(void)
{
    items_set_up(0);
}

static void send_1(void)
{
    CHECK(item_send(txs[0], 1, SKS_NEVER) == 0);
}

static void recv_1(void)
{
    CHECK(item_recv(rxs[0], SKS_NEVER) == 1);
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

/* Whatever becomes of the first, the second goes. */
static void send_soon_and_send(void)
{
    int r = item_send(txs[0], 1, SOON);

    CHECK(r == 0 || r == ETIMEDOUT);
    if (r)
        CHECK(item_send(txs[0], 2, SKS_NEVER) == 0);
}

static void recv_any(void)
{
    int r = item_recv(rxs[0], SKS_NEVER);

    CHECK(r == 1 || r == 2);
}

static void recv_soon_and_recv(void)
{
    int r = item_recv(rxs[0], SOON);

    CHECK(r == 1 || r == -ETIMEDOUT);
    if (r < 0)
        CHECK(item_recv(rxs[0], SKS_NEVER) == 1);
}

static void send_to_close(void)
{
    int r = item_send(txs[0], 1, SKS_NEVER);

    CHECK(r == 0 || r == EPIPE);
}

static void recv_and_close(void)
{
    int r = item_recv(rxs[0], SOON);

    CHECK(r == 1 || r == -ETIMEDOUT);
    close_rx(0);
}

static void only_close_rx(void)
{
    close_rx(0);
}

static void only_close_tx(void)
{
    close_tx(0);
}

static void recv_end(void)
{
    CHECK(item_recv(rxs[0], SKS_NEVER) == 0);
}

static void abort_it(void)
{
    CHECK(sks_receiver_abort(rxs[0], ECANCELED) == 0);
}

static void send_aborted(void)
{
    CHECK(item_send(txs[0], 1, SKS_NEVER) == ECANCELED);
}

/* The way for more than one thread a side. */
static void crowd(void)
{
    items_set_up(0);
    txs[1] = sks_sender_dup(txs[0]);
}

static void peek_one(void)
{
    void *slot;
    uint64_t id;

    CHECK(sks_receiver_peek(rxs[0], 1, &slot, SKS_NEVER) == 1);
    memcpy(&id, slot, sizeof id);
    item_came(id);
    CHECK(sks_receiver_consume(rxs[0], 1) == 0);
}

#define MODEL(n, up, bound, ...)                                                                   \
    {                                                                                              \
        .name = n, .setup = up, .thread = {__VA_ARGS__}, .finish = items_finish,                   \
        .preemptions = bound                                                                       \
    }

static const struct model models[] = {
    MODEL("send, deadline, send", meet, 2, send_soon_and_send, recv_any),
    MODEL("recv, deadline, recv", meet, 2, send_1, recv_soon_and_recv),
    MODEL("close, recv", meet, 3, only_close_tx, recv_end),
    MODEL("send, close of recv", meet, 3, send_to_close, only_close_rx),
    MODEL("send, recv and close", meet, 2, send_to_close, recv_and_close),
    MODEL("abort", meet, 2, send_aborted, abort_it),
    MODEL("crowd", crowd, 2, send_1, recv_1),
    MODEL("crowd, deadlines", crowd, 1, send_soon, recv_soon),
    MODEL("crowd, close", crowd, 3, send_to_close, only_close_rx),
    MODEL("peek", meet, 1, send_1, peek_one),
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/part", models, sizeof models / sizeof *models);
}
