/* SPDX-License-Identifier: MIT */
/*
 * atomic_queue.cpp - peer: atomic_queue, which spins by design.  try_push and
 * try_pop, so that our spin_wait() gives the CPU away where it must.  One sender and
 * one receiver only: with more it loses the order when a thread is preempted between
 * claiming a slot and filling it, also with TOTAL_ORDER (version of 2022-05-18).
 */
#include <cassert>
#include <cstdint>

#include "item.h"

#include <atomic>
#include <atomic_queue/atomic_queue.h>
#include <cstring>

#if ITEM_SIZE == 8 /* the slot is the item; this number is none */
using ring =
    atomic_queue::AtomicQueueB<uint64_t, std::allocator<uint64_t>, END_MARK - 1, true, false, true>;
#else
using ring = atomic_queue::AtomicQueueB2<item, std::allocator<item>, true, false, true>;
#endif

struct queue {
    ring r;
    std::atomic<unsigned> refs{2};
    explicit queue(unsigned cap) : r(cap)
    {
    }
};

typedef queue *peer_tx;
typedef queue *peer_rx;

static void peer_open(const struct conf *c, peer_tx *tx, peer_rx *rx)
{
    *tx = *rx = new queue(c->cap);
}

static inline queue *queue_ref(queue *q)
{
    q->refs++;
    return q;
}

static inline void queue_drop(queue *q)
{
    if (q->refs.fetch_sub(1) == 1)
        delete q;
}

#define peer_tx_dup queue_ref
#define peer_rx_dup queue_ref
#define peer_tx_close queue_drop
#define peer_rx_close queue_drop

static inline void peer_send(peer_tx *tx, const item *it)
{
    unsigned round = 0;

#if ITEM_SIZE == 8
    while (!(*tx)->r.try_push(it->w[0]))
#else
    while (!(*tx)->r.try_push(*it))
#endif
        spin_wait(&round);
}

static inline int peer_recv(peer_rx *rx, item *it)
{
    unsigned round = 0;

#if ITEM_SIZE == 8
    while (!(*rx)->r.try_pop(it->w[0]))
#else
    while (!(*rx)->r.try_pop(*it))
#endif
        spin_wait(&round);
    return !item_is_end(it);
}

static inline void peer_end(peer_tx *tx, unsigned receivers)
{
    item it = {};

    it.w[0] = END_MARK;
    while (receivers-- > 0)
        peer_send(tx, &it);
}

#include "work.h"
