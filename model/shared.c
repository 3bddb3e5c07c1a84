/* SPDX-License-Identifier: MIT */
/*
 * shared.c - models of sides with more than one handle: each item goes to one receiver,
 * the end comes when the last handle is closed.
 */
#include "items.h"

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

static void send_a(void)
{
    CHECK(item_send(txs[0], 1, SKS_NEVER) == 0);
}

static void send_b(void)
{
    CHECK(item_send(txs[1], 2, SKS_NEVER) == 0);
}

static void send_soon_a(void)
{
    int r = item_send(txs[0], 1, SOON);

    CHECK(r == 0 || r == ETIMEDOUT);
}

static void try_send_b(void)
{
    int r = item_send(txs[1], 2, SKS_NOW);

    CHECK(r == 0 || r == EAGAIN);
}

static void send_b_and_close(void)
{
    send_b();
    close_tx(1);
}

static void send_a_b(void)
{
    send_a();
    CHECK(item_send(txs[0], 2, SKS_NEVER) == 0);
}

static void take(int i)
{
    int r = item_recv(rxs[i], SKS_NEVER);

    CHECK(r == 1 || r == 2);
}

static void recv_a(void)
{
    take(0);
}

static void recv_b(void)
{
    take(1);
}

static void recv_both(void)
{
    take(0);
    take(0);
}

static void take_soon(int i)
{
    int r = item_recv(rxs[i], SOON);

    CHECK(r == 1 || r == -ETIMEDOUT);
}

static void take_soon_a(void)
{
    take_soon(0);
}

static void take_soon_b(void)
{
    take_soon(1);
}

/* The last two handles of a side, closed at the same time. */
static void close_a(void)
{
    close_tx(0);
}

static void close_b(void)
{
    close_tx(1);
}

static void close_rx_a(void)
{
    close_rx(0);
}

static void close_rx_b(void)
{
    close_rx(1);
}

static void full_two_receivers(void)
{
    two_receivers();
    CHECK(item_send(txs[0], 1, SKS_NOW) == 0);
}

static void close_rest(void)
{
    for (int i = 0; i < 2; i++)
        if (rxs[i])
            CHECK(item_recv(rxs[i], SKS_NOW) <= 0);
    items_finish();
}

#define MODEL(n, up, bound, end, ...)                                                              \
    {                                                                                              \
        .name = n, .setup = up, .thread = {__VA_ARGS__}, .finish = end, .preemptions = bound       \
    }

static const struct model models[] = {
    MODEL("two senders alone", two_senders, 0, items_finish, send_soon_a, try_send_b),
    MODEL("two receivers alone", full_two_receivers, 0, items_finish, take_soon_a, take_soon_b),
    MODEL("closes of senders", two_senders, 0, close_rest, close_a, close_b),
    MODEL("closes of receivers", full_two_receivers, 0, items_finish, close_rx_a, close_rx_b),
    MODEL("two senders", two_senders, 1, close_rest, send_a, send_b, recv_both),
    MODEL("two receivers", two_receivers, 1, items_finish, send_a_b, recv_a, recv_b),
    MODEL("one close of two", two_senders, 1, close_rest, send_b_and_close, send_a, recv_both),
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/shared", models, sizeof models / sizeof *models);
}
