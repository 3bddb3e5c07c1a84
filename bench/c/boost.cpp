/* SPDX-License-Identifier: MIT */
/*
 * boost.cpp - peers that cannot wait, so we spin: boost::lockfree::spsc_queue, and
 * with BOOST_MPMC boost::lockfree::queue (fixed size).
 */
#include "item.h"

#include <atomic>
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstring>

#if defined(BOOST_MPMC)
using ring = boost::lockfree::queue<item, boost::lockfree::fixed_sized<true>>;
#else
using ring = boost::lockfree::spsc_queue<item>;
#endif

struct queue {
    ring r;
    std::atomic<unsigned> refs{2};
    explicit queue(size_t cap) : r(cap)
    {
    }
};

typedef queue *peer_tx;

struct peer_rx {
    queue *q;
    bool ended; /* the end mark was the last of a batch */
};

static void peer_open(const struct conf *c, peer_tx *tx, peer_rx *rx)
{
    *tx = new queue(c->cap);
    *rx = peer_rx{*tx, false};
}

static inline void queue_drop(queue *q)
{
    if (q->refs.fetch_sub(1) == 1)
        delete q;
}

static inline peer_tx peer_tx_dup(peer_tx tx)
{
    tx->refs++;
    return tx;
}

static inline peer_rx peer_rx_dup(peer_rx rx)
{
    rx.q->refs++;
    return rx;
}

static inline void peer_tx_close(peer_tx tx)
{
    queue_drop(tx);
}

static inline void peer_rx_close(peer_rx rx)
{
    queue_drop(rx.q);
}

static inline void peer_send(peer_tx *tx, const item *it)
{
    unsigned round = 0;

#if defined(BOOST_MPMC)
    while (!(*tx)->r.bounded_push(*it))
#else
    while (!(*tx)->r.push(*it))
#endif
        spin_wait(&round);
}

static inline int peer_recv(peer_rx *rx, item *it)
{
    unsigned round = 0;

    while (!rx->q->r.pop(*it))
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

#if !defined(BOOST_MPMC)
#define PEER_MANY 1

static inline void peer_send_many(peer_tx *tx, const item *items, size_t n)
{
    unsigned round = 0;

    for (size_t done = 0; done < n;) {
        size_t went = (*tx)->r.push(items + done, n - done);

        if (went == 0)
            spin_wait(&round);
        done += went;
    }
}

static inline size_t peer_recv_many(peer_rx *rx, item *items, size_t n)
{
    unsigned round = 0;
    size_t got;

    if (rx->ended)
        return 0;
    while ((got = rx->q->r.pop(items, n)) == 0)
        spin_wait(&round);
    if (item_is_end(&items[got - 1])) {
        rx->ended = true;
        got--;
    }
    return got;
}
#endif

#include "work.h"
