/* SPDX-License-Identifier: MIT */
/*
 * work.h - the workloads, once for every C and C++ peer.  A peer's file is
 * compiled once for each ITEM_SIZE (bytes of an item); it includes item.h, defines
 *
 *   peer_tx, peer_rx                  the two ends, passed by value
 *   peer_open(c, &tx, &rx)            a connection of one direction
 *   peer_tx_dup, peer_rx_dup          the same end for one more thread
 *   peer_end(tx, receivers)           the last sender has sent all
 *   peer_tx_close, peer_rx_close      give an end back
 *   peer_send(&tx, &item)             waits; dies on failure
 *   peer_recv(&rx, &item)             1, or 0 at the end
 *
 * and, where it can do more,
 *
 *   PEER_PAIR     peer_pair_open(c, &duplex), peer_pair_close(&duplex)
 *   PEER_MANY     peer_send_many(&tx, items, n), peer_recv_many(&rx, items, n)
 *   PEER_INPLACE  peer_reserve, peer_commit, peer_peek, peer_consume
 *   PEER_FDS      descriptors that one direction takes; memory is the kernel's too
 *   PEER_BEFORE   what to do before any workload
 *
 * and includes this file, which defines work8() or work64() for main.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define WORK_JOIN_(a, b) a##b
#define WORK_JOIN(a, b) WORK_JOIN_(a, b)
#define MAX_THREADS 16
#define MAX_BATCH 256

/* What end 0 sends by tx[0] end 1 gets from rx[1], and the other way round. */
struct duplex {
    peer_tx tx[2];
    peer_rx rx[2];
};

#ifndef PEER_PAIR
static void peer_pair_open(const struct conf *c, struct duplex *d)
{
    peer_open(c, &d->tx[0], &d->rx[1]);
    peer_open(c, &d->tx[1], &d->rx[0]);
}

static void peer_pair_close(struct duplex *d)
{
    for (int i = 0; i < 2; i++)
        peer_tx_close(d->tx[i]);
    for (int i = 0; i < 2; i++)
        peer_rx_close(d->rx[i]);
}
#endif

/* One thread of a workload, on lines of its own: two threads write here all the time. */
struct job {
    const struct conf *c;
    pthread_t thread;
    peer_tx tx;
    peer_rx rx;
    unsigned id;
    bool *stop;
    struct counter *count;
    unsigned *left;      /* senders that have not finished */
    uint64_t moved, sum; /* items, and the sum of their numbers */
} LINE_APART;

static void sender_ends(struct job *j)
{
    if (__atomic_sub_fetch(j->left, 1, __ATOMIC_ACQ_REL) == 0)
        peer_end(&j->tx, j->c->receivers);
    peer_tx_close(j->tx);
}

/* ---- one sender, one receiver ------------------------------------------ */

static void *spsc_send(void *arg)
{
    struct job *j = (struct job *)arg;
    struct item it;

    place_thread(j->c, 0);
    memset(&it, 0, sizeof(it));
    while (!stop_get(j->stop)) {
        item_set(&it, j->moved);
        peer_send(&j->tx, &it);
        j->moved++;
    }
    sender_ends(j);
    return NULL;
}

static void *spsc_recv(void *arg)
{
    struct job *j = (struct job *)arg;
    struct item it;

    place_thread(j->c, 1);
    while (peer_recv(&j->rx, &it) != 0) {
        item_check(&it, j->moved);
        j->moved++;
        counter_add(j->count, 1);
    }
    return NULL;
}

#ifdef PEER_MANY
static void *many_send(void *arg)
{
    struct job *j = (struct job *)arg;
    struct item items[MAX_BATCH];
    unsigned batch = j->c->batch;

    place_thread(j->c, 0);
    memset(items, 0, sizeof(items));
    while (!stop_get(j->stop)) {
        for (unsigned i = 0; i < batch; i++)
            item_set(&items[i], j->moved + i);
        peer_send_many(&j->tx, items, batch);
        j->moved += batch;
    }
    sender_ends(j);
    return NULL;
}

static void *many_recv(void *arg)
{
    struct job *j = (struct job *)arg;
    struct item items[MAX_BATCH];
    size_t n;

    place_thread(j->c, 1);
    while ((n = peer_recv_many(&j->rx, items, j->c->batch)) != 0) {
        for (size_t i = 0; i < n; i++)
            item_check(&items[i], j->moved + i);
        j->moved += n;
        counter_add(j->count, n);
    }
    return NULL;
}
#endif

#ifdef PEER_INPLACE
static void *inplace_send(void *arg)
{
    struct job *j = (struct job *)arg;
    struct item *slots;

    place_thread(j->c, 0);
    while (!stop_get(j->stop)) {
        size_t n = peer_reserve(&j->tx, j->c->batch, &slots);

        for (size_t i = 0; i < n; i++)
            item_set(&slots[i], j->moved + i);
        peer_commit(&j->tx, n);
        j->moved += n;
    }
    sender_ends(j);
    return NULL;
}

static void *inplace_recv(void *arg)
{
    struct job *j = (struct job *)arg;
    struct item *slots;
    size_t n;

    place_thread(j->c, 1);
    while ((n = peer_peek(&j->rx, j->c->batch, &slots)) != 0) {
        for (size_t i = 0; i < n; i++)
            item_check(&slots[i], j->moved + i);
        peer_consume(&j->rx, n);
        j->moved += n;
        counter_add(j->count, n);
    }
    return NULL;
}
#endif

struct api {
    const char *name;
    void *(*send)(void *);
    void *(*recv)(void *);
};

static const struct api apis[] = {
    {"one", spsc_send, spsc_recv},
#ifdef PEER_MANY
    {"many", many_send, many_recv},
#endif
#ifdef PEER_INPLACE
    {"inplace", inplace_send, inplace_recv},
#endif
};

static void run_spsc(const struct conf *c)
{
    static struct counter count;
    static struct job tx, rx;
    static bool stop LINE_APART;
    const struct api *api = NULL;
    unsigned left = 1;
    double rate;

    for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++)
        if (strcmp(apis[i].name, c->api) == 0)
            api = &apis[i];
    if (api == NULL || c->batch > MAX_BATCH)
        die("api=%s batch=%u: not here", c->api, c->batch);
    tx.c = c;
    tx.stop = &stop;
    tx.count = &count;
    tx.left = &left;
    rx = tx;
    peer_open(c, &tx.tx, &rx.rx);
    rx.thread = thread_start(api->recv, &rx);
    tx.thread = thread_start(api->send, &tx);
    rate = window_rate(c, &count, 1, &stop);
    thread_join(tx.thread);
    thread_join(rx.thread);
    peer_rx_close(rx.rx);
    if (tx.moved != rx.moved)
        die("sent %llu, received %llu", (unsigned long long)tx.moved, (unsigned long long)rx.moved);
    printf("%.6g msg/s\n", rate);
}

/* ---- many senders, many receivers -------------------------------------- */

static void *mpmc_send(void *arg)
{
    struct job *j = (struct job *)arg;
    struct item it;

    place_thread(j->c, 0);
    memset(&it, 0, sizeof(it));
    while (!stop_get(j->stop)) {
        uint64_t v = (uint64_t)j->id << 48 | j->moved;

        item_set(&it, v);
        peer_send(&j->tx, &it);
        j->sum += v;
        j->moved++;
    }
    sender_ends(j);
    return NULL;
}

static void *mpmc_recv(void *arg)
{
    struct job *j = (struct job *)arg;
    uint64_t next[MAX_THREADS] = {0};
    struct item it;

    place_thread(j->c, 1);
    while (peer_recv(&j->rx, &it) != 0) {
        uint64_t v = it.w[0], from = v >> 48, number = v & ((1ULL << 48) - 1);

        if (from >= j->c->senders || number < next[from])
            die("item %llu of sender %llu is out of order", (unsigned long long)number,
                (unsigned long long)from);
        next[from] = number + 1;
        j->sum += v;
        j->moved++;
        counter_add(j->count, 1);
    }
    peer_rx_close(j->rx);
    return NULL;
}

static void run_mpmc(const struct conf *c)
{
    static struct job tx[MAX_THREADS], rx[MAX_THREADS];
    static struct counter counts[MAX_THREADS];
    static bool stop LINE_APART;
    uint64_t sent = 0, received = 0, sum_tx = 0, sum_rx = 0;
    unsigned left = c->senders;
    double rate;

    if (c->senders > MAX_THREADS || c->receivers > MAX_THREADS)
        die("too many threads");
    peer_open(c, &tx[0].tx, &rx[0].rx);
    for (unsigned i = 1; i < c->senders; i++)
        tx[i].tx = peer_tx_dup(tx[0].tx);
    for (unsigned i = 1; i < c->receivers; i++)
        rx[i].rx = peer_rx_dup(rx[0].rx);
    for (unsigned i = 0; i < c->senders; i++) {
        tx[i].c = rx[i].c = c;
        tx[i].id = i;
        tx[i].stop = &stop;
        tx[i].left = &left;
    }
    for (unsigned i = 0; i < c->receivers; i++) {
        rx[i].c = c;
        rx[i].count = &counts[i];
        rx[i].thread = thread_start(mpmc_recv, &rx[i]);
    }
    for (unsigned i = 0; i < c->senders; i++)
        tx[i].thread = thread_start(mpmc_send, &tx[i]);
    rate = window_rate(c, counts, c->receivers, &stop);
    for (unsigned i = 0; i < c->senders; i++) {
        thread_join(tx[i].thread);
        sent += tx[i].moved;
        sum_tx += tx[i].sum;
    }
    for (unsigned i = 0; i < c->receivers; i++) {
        thread_join(rx[i].thread);
        received += rx[i].moved;
        sum_rx += rx[i].sum;
    }
    if (sent != received || sum_tx != sum_rx)
        die("sent %llu, received %llu, or not the same ones", (unsigned long long)sent,
            (unsigned long long)received);
    printf("%.6g msg/s\n", rate);
}

#include "work_pair.h"

#define WORK_ENTRY WORK_JOIN(work, ITEM_SIZE)

#ifdef __cplusplus
extern "C"
#endif
    void
    WORK_ENTRY(const struct conf *c);

void WORK_ENTRY(const struct conf *c)
{
#ifdef PEER_BEFORE
    PEER_BEFORE(c);
#endif
    if (conf_is(c, "spsc"))
        run_spsc(c);
    else if (conf_is(c, "mpmc"))
        run_mpmc(c);
    else if (conf_is(c, "rtt"))
        run_rtt(c, 0);
    else if (conf_is(c, "rtt-sleep"))
        run_rtt(c, c->gap_us * 1000LL);
    else if (conf_is(c, "churn"))
        run_churn(c);
    else if (conf_is(c, "bytes"))
        run_bytes(c);
    else if (conf_is(c, "idle"))
        run_idle(c);
    else
        die("%s: no such workload", c->workload);
}
