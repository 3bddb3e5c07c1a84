/* SPDX-License-Identifier: MIT */
/*
 * held.c - a receiver of a rendezvous that a reserve holds: it waits on, awake, until the sender
 * commits, gives up or aborts, or its own deadline comes.
 */
#include "items.h"

/* On the way for more than one thread a side. */
static void crowd(void)
{
    items_set_up(0);
    txs[1] = sks_sender_dup(txs[0]);
    CHECK(txs[1]);
}

/* What lay in the frames of the last call is written over. */
static __attribute__((noinline)) void use_stack(void)
{
    char room[1500];

    memset(room, 0, sizeof room);
}

/* False when no receiver is there. */
static bool reserve(void)
{
    uint64_t id = 1;
    void *slot;
    ssize_t r = sks_sender_reserve(txs[0], 1, &slot, SKS_NOW);

    CHECK(r == 1 || (r == -1 && errno == EAGAIN));
    if (r == 1) {
        item_make(id);
        memcpy(slot, &id, sizeof id);
    }
    return r == 1;
}

static void commit_or_send(void)
{
    if (!reserve()) {
        CHECK(item_send(txs[0], 1, SKS_NEVER) == 0);
        return;
    }
    CHECK(sks_sender_commit(txs[0], 1) == 1);
    items[1].accepted = 1;
}

static void try_to_commit(void)
{
    ssize_t r;

    if (!reserve())
        return;
    r = sks_sender_commit(txs[0], 1);
    CHECK(r == 1 || (r == -1 && errno == EAGAIN));
    items[1].accepted = r == 1;
}

static void give_up_and_send(void)
{
    if (reserve())
        CHECK(sks_sender_commit(txs[0], 0) == 0);
    CHECK(item_send(txs[0], 2, SKS_NEVER) == 0);
}

/* The other handle of the side aborts, so the reservation is still there. */
static void reserve_and_abort(void)
{
    reserve();
    CHECK(sks_sender_abort(txs[1], ECANCELED) == 0);
}

static void recv_1(void)
{
    CHECK(item_recv(rxs[0], SKS_NEVER) == 1);
    use_stack();
}

static void recv_2(void)
{
    CHECK(item_recv(rxs[0], SKS_NEVER) == 2);
    use_stack();
}

static void recv_soon(void)
{
    int r = item_recv(rxs[0], SOON);

    CHECK(r == 1 || r == -ETIMEDOUT);
    use_stack();
}

static void recv_aborted(void)
{
    CHECK(item_recv(rxs[0], SKS_NEVER) == -ECANCELED);
    use_stack();
}

#define MODEL(n, bound, ...)                                                                       \
    {                                                                                              \
        .name = n, .setup = crowd, .thread = {__VA_ARGS__}, .finish = items_finish,                \
        .preemptions = bound                                                                       \
    }

static const struct model models[] = {
    MODEL("commit", 2, recv_1, commit_or_send),
    MODEL("commit, deadline", 2, recv_soon, try_to_commit),
    MODEL("give up", 1, recv_2, give_up_and_send),
    MODEL("abort", 2, recv_aborted, reserve_and_abort),
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/held", models, sizeof models / sizeof *models);
}
