/* SPDX-License-Identifier: MIT */
/*
 * mailbox.c - limits: one word in one cache line for each direction, and nothing
 * else.  MAILBOX_FUTEX: whoever waits sleeps in futex(2) at once.  Else it spins:
 * what the line itself takes.  Only for round trips of 8-byte items: there is no
 * buffer, nobody waits for room.
 */
#include "item.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The item's number + 2, so that END_MARK is 1 and 0 is no item. */
struct mailbox {
    uint64_t word;
} LINE_APART;

typedef struct mailbox *peer_tx;

typedef struct {
    struct mailbox *m;
    uint64_t seen;
} peer_rx;

static void peer_open(const struct conf *c, peer_tx *tx, peer_rx *rx)
{
    struct mailbox *m = (struct mailbox *)aligned_alloc(128, sizeof(*m));

    (void)c;
    if (m == NULL)
        die("no memory");
    m->word = 0;
    *tx = m;
    *rx = (peer_rx){m, 0};
}

static inline peer_tx peer_tx_dup(peer_tx tx)
{
    return tx;
}

static inline peer_rx peer_rx_dup(peer_rx rx)
{
    return rx;
}

static inline void peer_tx_close(peer_tx tx)
{
    (void)tx;
}

static inline void peer_rx_close(peer_rx rx)
{
    free(rx.m);
}

static inline void peer_send(peer_tx *tx, const struct item *it)
{
    __atomic_store_n(&(*tx)->word, it->w[0] + 2, __ATOMIC_RELEASE);
#if defined(MAILBOX_FUTEX)
    syscall(SYS_futex, &(*tx)->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
#endif
}

static inline int peer_recv(peer_rx *rx, struct item *it)
{
    uint64_t word;
#if !defined(MAILBOX_FUTEX)
    unsigned round = 0;
#endif

    while ((word = __atomic_load_n(&rx->m->word, __ATOMIC_ACQUIRE)) == rx->seen) {
#if defined(MAILBOX_FUTEX) /* on the low half: little endian only */
        syscall(SYS_futex, &rx->m->word, FUTEX_WAIT_PRIVATE, (uint32_t)word, NULL, NULL, 0);
#else
        spin_wait(&round);
#endif
    }
    rx->seen = word;
    item_set(it, word - 2);
    return !item_is_end(it);
}

static inline void peer_end(peer_tx *tx, unsigned receivers)
{
    struct item it;

    (void)receivers;
    memset(&it, 0, sizeof(it));
    it.w[0] = END_MARK;
    peer_send(tx, &it);
}

#include "work.h"
