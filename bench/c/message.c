/* SPDX-License-Identifier: MIT */
/*
 * message.c - peers: PAIR sockets of ZeroMQ and, with MESSAGE_NNG, of nng, in the process
 * (inproc).  A pair of sockets is a connection of both directions; each socket is used by
 * one thread at a time.  Each side buffers half the capacity.
 */
#include "item.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(MESSAGE_NNG)
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
typedef nng_socket sock;
#else
#include <zmq.h>
typedef void *sock;
#endif

/* Both close when both ends are given back: a close may drop what is on its way. */
struct link {
    sock s[2];
    unsigned refs;
};

typedef struct {
    struct link *link;
    sock s;
} peer_tx, peer_rx;

#if defined(MESSAGE_NNG)
static void link_open(struct link *l, const char *url, int half)
{
    for (int i = 0; i < 2; i++)
        if (nng_pair0_open(&l->s[i]) != 0 ||
            nng_socket_set_int(l->s[i], NNG_OPT_SENDBUF, half) != 0 ||
            nng_socket_set_int(l->s[i], NNG_OPT_RECVBUF, half) != 0)
            die("nng_pair0_open");
    if (nng_listen(l->s[0], url, NULL, 0) != 0 || nng_dial(l->s[1], url, NULL, 0) != 0)
        die("nng_dial");
}

static void sock_close(sock s)
{
    nng_close(s);
}

static inline void peer_send(peer_tx *tx, const struct item *it)
{
    nng_msg *m;

    if (nng_msg_alloc(&m, sizeof(*it)) != 0)
        die("no memory");
    memcpy(nng_msg_body(m), it, sizeof(*it));
    if (nng_sendmsg(tx->s, m, 0) != 0)
        die("nng_sendmsg");
}

static inline int peer_recv(peer_rx *rx, struct item *it)
{
    nng_msg *m;

    if (nng_recvmsg(rx->s, &m, 0) != 0)
        die("nng_recvmsg");
    memcpy(it, nng_msg_body(m), sizeof(*it));
    nng_msg_free(m);
    return !item_is_end(it);
}
#else
static void link_open(struct link *l, const char *url, int half)
{
    static void *context;
    int none = 0;

    if (context == NULL)
        context = zmq_ctx_new();
    for (int i = 0; i < 2; i++) {
        l->s[i] = zmq_socket(context, ZMQ_PAIR);
        if (l->s[i] == NULL || zmq_setsockopt(l->s[i], ZMQ_SNDHWM, &half, sizeof(half)) != 0 ||
            zmq_setsockopt(l->s[i], ZMQ_RCVHWM, &half, sizeof(half)) != 0 ||
            zmq_setsockopt(l->s[i], ZMQ_LINGER, &none, sizeof(none)) != 0)
            die("zmq_socket: %s", zmq_strerror(errno));
    }
    if (zmq_bind(l->s[0], url) != 0 || zmq_connect(l->s[1], url) != 0)
        die("zmq_connect: %s", zmq_strerror(errno));
}

static void sock_close(sock s)
{
    zmq_close(s);
}

static inline void peer_send(peer_tx *tx, const struct item *it)
{
    if (zmq_send(tx->s, it, sizeof(*it), 0) != (int)sizeof(*it))
        die("zmq_send: %s", zmq_strerror(errno));
}

static inline int peer_recv(peer_rx *rx, struct item *it)
{
    if (zmq_recv(rx->s, it, sizeof(*it), 0) != (int)sizeof(*it))
        die("zmq_recv: %s", zmq_strerror(errno));
    return !item_is_end(it);
}
#endif

static struct link *link_new(const struct conf *c)
{
    static uint64_t number;
    struct link *l = malloc(sizeof(*l));
    char url[64];

    if (l == NULL)
        die("no memory");
    snprintf(url, sizeof(url), "inproc://bench-%d-%llu", ITEM_SIZE, (unsigned long long)number++);
    link_open(l, url, (int)c->cap / 2);
    l->refs = 2;
    return l;
}

static void link_drop(struct link *l)
{
    if (__atomic_sub_fetch(&l->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    sock_close(l->s[0]);
    sock_close(l->s[1]);
    free(l);
}

static void peer_open(const struct conf *c, peer_tx *tx, peer_rx *rx)
{
    struct link *l = link_new(c);

    *tx = (peer_tx){l, l->s[0]};
    *rx = (peer_rx){l, l->s[1]};
}

static inline peer_tx peer_tx_dup(peer_tx tx)
{
    (void)tx;
    die("one thread a socket");
}

#define peer_rx_dup peer_tx_dup

static inline void peer_tx_close(peer_tx tx)
{
    link_drop(tx.link);
}

#define peer_rx_close peer_tx_close

static inline void peer_end(peer_tx *tx, unsigned receivers)
{
    struct item it;

    memset(&it, 0, sizeof(it));
    it.w[0] = END_MARK;
    while (receivers-- > 0)
        peer_send(tx, &it);
}

#define PEER_PAIR 1
struct duplex;
static void peer_pair_open(const struct conf *c, struct duplex *d);
static void peer_pair_close(struct duplex *d);

#include "work.h"

static void peer_pair_open(const struct conf *c, struct duplex *d)
{
    struct link *l = link_new(c);

    for (int i = 0; i < 2; i++)
        d->tx[i] = d->rx[i] = (peer_tx){l, l->s[i]};
}

static void peer_pair_close(struct duplex *d)
{
    link_drop(d->tx[0].link);
    link_drop(d->tx[1].link);
}
