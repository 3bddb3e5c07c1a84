/* SPDX-License-Identifier: MIT */
/*
 * ours.c - sockstream channels as a peer.  With OURS_TYPED single items go through
 * the typed wrappers; with OURS_STREAM a pair is a SockStream, not two channels;
 * OURS_BARE comes with a library that keeps no statistics, and sees that it keeps none.
 */
#include "item.h"

#include <errno.h>
#include <sockstream/channel.h>
#include <string.h>

SKS_TYPED(msg, struct item);

typedef struct {
    msg_sender h;
    sks_stream *s; /* OURS_STREAM: the end of a pair, else NULL */
} peer_tx;

typedef struct {
    msg_receiver h;
    sks_stream *s;
} peer_rx;

static void peer_open(const struct conf *c, peer_tx *tx, peer_rx *rx)
{
    tx->s = rx->s = NULL;
    if (msg_channel(c->cap, &tx->h, &rx->h) != 0)
        die("sks_channel: %s", strerror(errno));
}

static inline peer_tx peer_tx_dup(peer_tx tx)
{
    tx.h = msg_sender_dup(tx.h);
    if (tx.h.h == NULL)
        die("sks_sender_dup: %s", strerror(errno));
    return tx;
}

static inline peer_rx peer_rx_dup(peer_rx rx)
{
    rx.h = msg_receiver_dup(rx.h);
    if (rx.h.h == NULL)
        die("sks_receiver_dup: %s", strerror(errno));
    return rx;
}

static inline void peer_tx_close(peer_tx tx)
{
    msg_sender_close(tx.h);
}

static inline void peer_rx_close(peer_rx rx)
{
    msg_receiver_close(rx.h);
}

static inline void peer_end(peer_tx *tx, unsigned receivers)
{
    (void)receivers;
    sks_sender_done(tx->h.h);
}

#if defined(OURS_STREAM)
static inline void peer_send(peer_tx *tx, const struct item *it)
{
    if (sks_stream_send(tx->s, it) != 0)
        die("sks_stream_send: %s", strerror(errno));
}

static inline int peer_recv(peer_rx *rx, struct item *it)
{
    int rc = sks_stream_recv(rx->s, it);

    if (rc < 0)
        die("sks_stream_recv: %s", strerror(errno));
    return rc;
}

#define PEER_PAIR 1
struct duplex;
static void peer_pair_open(const struct conf *c, struct duplex *d);
static void peer_pair_close(struct duplex *d);
#else
static inline void peer_send(peer_tx *tx, const struct item *it)
{
#if defined(OURS_TYPED)
    if (msg_send(tx->h, *it) != 0)
#else
    if (sks_sender_send(tx->h.h, it) != 0)
#endif
        die("send: %s", strerror(errno));
}

static inline int peer_recv(peer_rx *rx, struct item *it)
{
#if defined(OURS_TYPED)
    int rc = msg_recv(rx->h, it);
#else
    int rc = sks_receiver_recv(rx->h.h, it);
#endif

    if (rc < 0)
        die("recv: %s", strerror(errno));
    return rc;
}
#endif

#define PEER_MANY 1

static inline void peer_send_many(peer_tx *tx, const struct item *items, size_t n)
{
    if (sks_sender_send_many(tx->h.h, items, n, SKS_NEVER) != (ssize_t)n)
        die("sks_sender_send_many: %s", strerror(errno));
}

static inline size_t peer_recv_many(peer_rx *rx, struct item *items, size_t n)
{
    ssize_t got = sks_receiver_recv_many(rx->h.h, items, n, SKS_NEVER);

    if (got < 0)
        die("sks_receiver_recv_many: %s", strerror(errno));
    return (size_t)got;
}

#define PEER_INPLACE 1

static inline size_t peer_reserve(peer_tx *tx, size_t n, struct item **slots)
{
    void *p = NULL;
    ssize_t got = sks_sender_reserve(tx->h.h, n, &p, SKS_NEVER);

    if (got < 0)
        die("sks_sender_reserve: %s", strerror(errno));
    *slots = (struct item *)p;
    return (size_t)got;
}

static inline void peer_commit(peer_tx *tx, size_t n)
{
    if (sks_sender_commit(tx->h.h, n) != (ssize_t)n)
        die("sks_sender_commit: %s", strerror(errno));
}

static inline size_t peer_peek(peer_rx *rx, size_t n, struct item **slots)
{
    void *p = NULL;
    ssize_t got = sks_receiver_peek(rx->h.h, n, &p, SKS_NEVER);

    if (got < 0)
        die("sks_receiver_peek: %s", strerror(errno));
    *slots = (struct item *)p;
    return (size_t)got;
}

static inline void peer_consume(peer_rx *rx, size_t n)
{
    if (sks_receiver_consume(rx->h.h, n) != 0)
        die("sks_receiver_consume: %s", strerror(errno));
}

#if defined(OURS_BARE)
#define PEER_BEFORE(c) bare_check(c)
static void bare_check(const struct conf *c)
{
    struct item it = {{0}};
    peer_tx tx;
    peer_rx rx;

    peer_open(c, &tx, &rx);
    peer_send(&tx, &it);
    peer_recv(&rx, &it);
    if (sks_sender_stat(tx.h.h, SKS_STAT_HIGH_WATER) != 0)
        die("the library keeps statistics: it knows no SKSI_NO_STATS");
    peer_tx_close(tx);
    peer_rx_close(rx);
}
#endif

#include "work.h"

#if defined(OURS_STREAM)
static void peer_pair_open(const struct conf *c, struct duplex *d)
{
    msg_stream end[2];

    if (msg_pair(c->cap, &end[0], &end[1]) != 0)
        die("sks_stream_pair: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        d->tx[i].s = d->rx[i].s = end[i].h;
        d->tx[i].h.h = sks_stream_sender(end[i].h);
        d->rx[i].h.h = sks_stream_receiver(end[i].h);
    }
}

static void peer_pair_close(struct duplex *d)
{
    for (int i = 0; i < 2; i++)
        msg_stream_close((msg_stream){d->tx[i].s});
}
#endif
