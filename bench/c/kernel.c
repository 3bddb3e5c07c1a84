/* SPDX-License-Identifier: MIT */
/*
 * kernel.c - peers: AF_UNIX socket pairs (KERNEL_TYPE is SOCK_STREAM or
 * SOCK_SEQPACKET) and, without KERNEL_TYPE, pipes.  One item is one call; the
 * batch calls of a byte stream move many.
 */
#include "item.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef int peer_tx;
typedef int peer_rx;

struct duplex;

#if defined(KERNEL_TYPE)
static void pair_open(const struct conf *c, int fd[2])
{
    int bytes = (int)c->cap * (ITEM_SIZE + 768); /* the kernel counts its overhead too */

    if (socketpair(AF_UNIX, KERNEL_TYPE | SOCK_CLOEXEC, 0, fd) != 0)
        die("socketpair: %s", strerror(errno));
    for (int i = 0; i < 2 && bytes > 200000; i++) {
        setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
        setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    }
}

static void peer_open(const struct conf *c, peer_tx *tx, peer_rx *rx)
{
    int fd[2];

    pair_open(c, fd);
    *tx = fd[0];
    *rx = fd[1];
}

#define PEER_PAIR 1
static void peer_pair_open(const struct conf *c, struct duplex *d);
static void peer_pair_close(struct duplex *d);
#define PEER_FDS 2
#else
static void peer_open(const struct conf *c, peer_tx *tx, peer_rx *rx)
{
    int fd[2];

    if (pipe2(fd, O_CLOEXEC) != 0)
        die("pipe2: %s", strerror(errno));
    if (c->cap != 16)
        fcntl(fd[0], F_SETPIPE_SZ, (int)c->cap * ITEM_SIZE);
    *rx = fd[0];
    *tx = fd[1];
}
#define PEER_FDS 2
#endif

static inline int fd_dup(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static inline void fd_close(int fd)
{
    close(fd);
}

#define peer_tx_dup fd_dup
#define peer_rx_dup fd_dup
#define peer_tx_close fd_close
#define peer_rx_close fd_close

static inline void peer_end(peer_tx *tx, unsigned receivers)
{
    (void)receivers;
#if defined(KERNEL_TYPE)
    shutdown(*tx, SHUT_WR);
#else
    close(*tx);
    *tx = -1;
#endif
}

static inline void write_all(int fd, const void *from, size_t n)
{
    ssize_t done = write(fd, from, n);

    while (done >= 0 && (size_t)done < n) {
        ssize_t more = write(fd, (const char *)from + done, n - (size_t)done);

        done = more < 0 ? more : done + more;
    }
    if (done < 0)
        die("write: %s", strerror(errno));
}

static inline void peer_send(peer_tx *tx, const struct item *it)
{
    write_all(*tx, it, sizeof(*it));
}

/* A pipe may give a part of an item at the end of a page only when ITEM_SIZE does not
 * divide the page: it always does here. */
static inline size_t read_items(int fd, struct item *items, size_t n)
{
    ssize_t got = read(fd, items, n * sizeof(*items));

    if (got < 0)
        die("read: %s", strerror(errno));
    while ((size_t)got % sizeof(*items) != 0) {
        ssize_t more = read(fd, (char *)items + got, sizeof(*items) - (size_t)got % sizeof(*items));

        if (more <= 0)
            die("read: half an item");
        got += more;
    }
    return (size_t)got / sizeof(*items);
}

static inline int peer_recv(peer_rx *rx, struct item *it)
{
    return (int)read_items(*rx, it, 1);
}

#if !defined(KERNEL_TYPE) || KERNEL_MANY
#define PEER_MANY 1

static inline void peer_send_many(peer_tx *tx, const struct item *items, size_t n)
{
    write_all(*tx, items, n * sizeof(*items));
}

static inline size_t peer_recv_many(peer_rx *rx, struct item *items, size_t n)
{
    return read_items(*rx, items, n);
}
#endif

#include "work.h"

#if defined(KERNEL_TYPE)
static void peer_pair_open(const struct conf *c, struct duplex *d)
{
    int fd[2];

    pair_open(c, fd);
    for (int i = 0; i < 2; i++)
        d->tx[i] = d->rx[i] = fd[i];
}

static void peer_pair_close(struct duplex *d)
{
    close(d->tx[0]);
    close(d->tx[1]);
}
#endif
