/* SPDX-License-Identifier: MIT */
/*
 * ends.c - models of how a bounded channel ends: a close, a refusal or an abort that crosses a
 * send or a receive, through the public calls alone.
 */
#include "items.h"

static void ring_1(void)
{
    items_set_up(1);
}

static void rendezvous(void)
{
    items_set_up(0);
}

/* ---- senders ----------------------------------------------------------- */

static void send_and_close(void)
{
    CHECK(item_send(txs[0], 1, SKS_NEVER) == 0);
    close_tx(0);
}

static void close_only(void)
{
    close_tx(0);
}

static void send_or_pipe(uint64_t n)
{
    for (uint64_t id = 1; id <= n; id++) {
        int r = item_send(txs[0], id, SKS_NEVER);

        CHECK(r == 0 || r == EPIPE);
    }
}

static void send_1_or_pipe(void)
{
    send_or_pipe(1);
}

static void send_2_or_pipe(void)
{
    send_or_pipe(2);
}

static void send_or_abort(void)
{
    int r = item_send(txs[0], 1, SKS_NEVER);

    CHECK(r == 0 || r == EIO);
}

/* Two handles of the side; the last one to go ends it. */
static void two_senders(void)
{
    items_set_up(1);
    txs[1] = sks_sender_dup(txs[0]);
    CHECK(txs[1]);
}

static void close_the_second(void)
{
    close_tx(1);
}

/* ---- receivers --------------------------------------------------------- */

static void drain_1(void)
{
    CHECK(items_drain(rxs[0]) == 1);
}

static void drain_1_and_close(void)
{
    drain_1();
    close_rx(0);
}

static void drain_0(void)
{
    CHECK(items_drain(rxs[0]) == 0);
}

static void close_at_once(void)
{
    close_rx(0);
}

static void refuse_and_drain(void)
{
    sks_receiver_refuse(rxs[0]);
    items_drain(rxs[0]);
    CHECK(item_recv(rxs[0], SKS_NOW) == 0);
}

static void recv_or_abort(void)
{
    int r = item_recv(rxs[0], SKS_NEVER);

    CHECK(r == 1 || r == -EIO);
}

static void abort_it(void)
{
    CHECK(sks_receiver_abort(rxs[0], EIO) == 0);
}

static void wait_gone(void)
{
    CHECK(sks_receiver_wait_gone(rxs[0], SKS_NEVER) == 0);
    CHECK(sks_receiver_gone(rxs[0]));
}

/* After a refusal nothing is accepted that is not received. */
static void finish_refused(void)
{
    items_finish();
    for (int i = 0; i < ITEMS; i++)
        CHECK(items[i].destroyed == 0);
}

static const struct model models[] = {
    {.name = "both close",
     .setup = ring_1,
     .thread = {close_only, close_at_once},
     .finish = items_finish},
    {.name = "send, drain, both close",
     .setup = ring_1,
     .thread = {send_and_close, drain_1_and_close},
     .preemptions = 1,
     .finish = items_finish},
    {.name = "close", .setup = ring_1, .thread = {close_only, drain_0}, .finish = items_finish},
    {.name = "send, close",
     .setup = ring_1,
     .thread = {send_and_close, drain_1},
     .preemptions = 3,
     .finish = items_finish},
    {.name = "two senders close",
     .setup = two_senders,
     .thread = {send_and_close, close_the_second, drain_1},
     .preemptions = 1,
     .finish = items_finish},
    {.name = "receiver closes",
     .setup = ring_1,
     .thread = {send_1_or_pipe, close_at_once},
     .finish = items_finish},
    {.name = "receiver closes, sender blocked",
     .setup = ring_1,
     .thread = {send_2_or_pipe, close_at_once},
     .preemptions = 3,
     .finish = items_finish},
    {.name = "refuse",
     .setup = ring_1,
     .thread = {send_1_or_pipe, refuse_and_drain},
     .preemptions = 3,
     .finish = finish_refused},
    {.name = "abort, send",
     .setup = ring_1,
     .thread = {send_or_abort, abort_it},
     .finish = items_finish},
    {.name = "abort, receive",
     .setup = ring_1,
     .thread = {recv_or_abort, abort_it, send_or_abort},
     .preemptions = 2,
     .finish = items_finish},
    {.name = "wait for the end", .setup = ring_1, .thread = {close_only, wait_gone},
     .finish = items_finish},
    {.name = "rendezvous, close",
     .setup = rendezvous,
     .thread = {send_and_close, drain_1},
     .preemptions = 2,
     .finish = items_finish},
    {.name = "rendezvous, receiver closes",
     .setup = rendezvous,
     .thread = {send_1_or_pipe, close_at_once},
     .preemptions = 3,
     .finish = items_finish},
    {.name = "rendezvous, refuse",
     .setup = rendezvous,
     .thread = {send_1_or_pipe, refuse_and_drain},
     .preemptions = 1,
     .finish = items_finish},
    {.name = "rendezvous, abort",
     .setup = rendezvous,
     .thread = {recv_or_abort, abort_it, send_or_abort},
     .preemptions = 1,
     .finish = items_finish},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/ends", models, sizeof models / sizeof *models);
}
