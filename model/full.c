/* SPDX-License-Identifier: MIT */
/*
 * full.c - more of the ends (ends.c): an end lets a sender go that waits at a full
 * channel, the unbounded channel, done, and waiting for the other side to be gone.
 */
#include "items.h"

static void ring_1(void)
{
    items_set_up(1);
}

static void full(void)
{
    items_set_up(1);
    CHECK(item_send(txs[0], 1, SKS_NOW) == 0);
}

static void list(void)
{
    items_set_up(SKS_UNBOUNDED);
}

static void send_and_close(void)
{
    CHECK(item_send(txs[0], 1, SKS_NEVER) == 0);
    close_tx(0);
}

static void send_and_done(void)
{
    CHECK(item_send(txs[0], 1, SKS_NEVER) == 0);
    sks_sender_done(txs[0]);
    CHECK(item_send(txs[0], 2, SKS_NEVER) == EPIPE);
}

static void drain(void)
{
    CHECK(items_drain(rxs[0]) == 1);
}

static void only_close_tx(void)
{
    close_tx(0);
}

static void recv_end(void)
{
    CHECK(item_recv(rxs[0], SKS_NEVER) == 0);
    CHECK(item_recv(rxs[0], SKS_NEVER) == 0);
}

/* Its place is not free before the receiver goes, so only an end lets it go on. */
static void send_to_full(void)
{
    CHECK(item_send(txs[0], 2, SKS_NEVER) == EPIPE);
}

static void send_to_end(void)
{
    int r = item_send(txs[0], 1, SKS_NEVER);

    CHECK(r == 0 || r == EPIPE);
}

static void only_close_rx(void)
{
    close_rx(0);
}

static void refuse(void)
{
    sks_receiver_refuse(rxs[0]);
}

/* Once the end was returned nothing comes any more. */
static void refuse_and_drain(void)
{
    sks_receiver_refuse(rxs[0]);
    CHECK(items_drain(rxs[0]) <= 1);
    CHECK(item_recv(rxs[0], SKS_NEVER) == 0);
}

static void abort_rx(void)
{
    CHECK(sks_receiver_abort(rxs[0], ECANCELED) == 0);
}

static void abort_tx(void)
{
    CHECK(sks_sender_abort(txs[0], ECANCELED) == 0);
}

static void send_full_to_abort(void)
{
    CHECK(item_send(txs[0], 2, SKS_NEVER) == ECANCELED);
}

static void recv_aborted(void)
{
    CHECK(item_recv(rxs[0], SKS_NEVER) == -ECANCELED);
}

static void send_and_abort(void)
{
    CHECK(item_send(txs[0], 1, SKS_NEVER) == 0);
    abort_tx();
}

static void recv_to_abort(void)
{
    int r = item_recv(rxs[0], SKS_NEVER);

    CHECK(r == 1 || r == -ECANCELED);
}

static void await_rx_gone(void)
{
    CHECK(sks_sender_wait_gone(txs[0], SKS_NEVER) == 0);
    CHECK(sks_sender_gone(txs[0]));
}

static void await_tx_gone(void)
{
    CHECK(sks_receiver_wait_gone(rxs[0], SKS_NEVER) == 0);
    CHECK(item_recv(rxs[0], SKS_NOW) == 1);
}

/* ---- the second channel of a pair -------------------------------------- */

/* Its struct sksi_more is made by the first who needs it, and it is not the one that says how to
 * allocate. */
static sks_stream *streams[2];

static void full_pair(void)
{
    uint64_t id = 1;

    CHECK(sks_stream_pair(sizeof id, 1, &streams[0], &streams[1]) == 0);
    CHECK(sks_stream_send(streams[1], &id) == 0);
}

static void send_to_full_pair(void)
{
    uint64_t id = 2;

    CHECK(sks_stream_send(streams[1], &id) == -1 && errno == EPIPE);
}

static void close_pair_0(void)
{
    sks_stream_close(streams[0]);
}

static void finish_pair(void)
{
    sks_stream_close(streams[1]);
}

#define MODEL(n, up, bound, ...)                                                                   \
    {                                                                                              \
        .name = n, .setup = up, .thread = {__VA_ARGS__}, .finish = items_finish,                   \
        .preemptions = bound                                                                       \
    }

static const struct model models[] = {
    MODEL("close, full send", full, 0, send_to_full, only_close_rx),
    MODEL("send, close, unbounded", list, 2, send_and_close, drain),
    MODEL("close, send, unbounded", list, 0, send_to_end, only_close_rx),
    MODEL("done", ring_1, 2, send_and_done, drain),
    MODEL("refuse, full send", full, 3, send_to_full, refuse),
    MODEL("refuse, send, unbounded", list, 0, send_to_end, refuse_and_drain),
    MODEL("abort, full send", full, 3, send_full_to_abort, abort_rx),
    MODEL("abort, recv", ring_1, 3, abort_tx, recv_aborted),
    MODEL("send, abort", ring_1, 2, send_and_abort, recv_to_abort),
    MODEL("gone, sender", ring_1, 0, await_rx_gone, only_close_rx),
    MODEL("gone, receiver", ring_1, 0, send_and_close, await_tx_gone),
    {.name = "close of a pair, full send",
     .setup = full_pair,
     .thread = {send_to_full_pair, close_pair_0},
     .preemptions = 2,
     .finish = finish_pair},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/full", models, sizeof models / sizeof *models);
}
