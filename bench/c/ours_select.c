/* SPDX-License-Identifier: MIT */
/*
 * ours_select.c - sockstream's select as a peer.
 *
 *   select-rx    one thread receives from `senders` channels with a sender each
 *   select-both  two threads, each selects over 2 sends and 2 receives to and from
 *                the other
 */
#include "harness.h"

#include <errno.h>
#include <sockstream/select.h>
#include <stdio.h>
#include <string.h>

#define MAX_ARMS 16

static bool stop LINE_APART;

/* ---- select-rx --------------------------------------------------------- */

struct sender {
    const struct conf *c;
    sks_sender *tx;
    uint64_t sent;
    pthread_t thread;
} LINE_APART;

struct collector {
    const struct conf *c;
    sks_receiver *rx[MAX_ARMS];
    uint64_t got[MAX_ARMS];
    struct counter *count;
} LINE_APART;

static void *sender_run(void *arg)
{
    struct sender *s = arg;

    place_thread(s->c, 0);
    while (!stop_get(&stop)) {
        if (sks_sender_send(s->tx, &s->sent) != 0)
            die("send: %s", strerror(errno));
        s->sent++;
    }
    sks_sender_close(s->tx);
    return NULL;
}

static void *collector_run(void *arg)
{
    struct collector *k = arg;
    unsigned open = k->c->senders;
    uint64_t items[MAX_ARMS];
    sks_select *sel = sks_select_new();

    place_thread(k->c, 1);
    for (unsigned i = 0; i < k->c->senders; i++)
        if (sel == NULL || sks_select_recv(sel, k->rx[i], &items[i]) != (int)i)
            die("sks_select_recv: %s", strerror(errno));
    while (open > 0) {
        int result = -1;
        int arm = sks_select_wait(sel, SKS_NEVER, 0, &result);

        if (arm < 0 || result < 0)
            die("sks_select_wait: arm %d, %s", arm, strerror(errno));
        if (result == 0) {
            sks_select_remove(sel, arm);
            open--;
            continue;
        }
        if (items[arm] != k->got[arm]++)
            die("arm %d: got item %llu", arm, (unsigned long long)items[arm]);
        counter_add(k->count, 1);
    }
    sks_select_free(sel);
    return NULL;
}

static void run_rx(const struct conf *c)
{
    static struct sender senders[MAX_ARMS];
    static struct collector k;
    static struct counter count;
    pthread_t thread;
    double rate;

    if (c->senders > MAX_ARMS)
        die("too many arms");
    for (unsigned i = 0; i < c->senders; i++)
        if (sks_channel(sizeof(uint64_t), c->cap, &senders[i].tx, &k.rx[i]) != 0)
            die("sks_channel: %s", strerror(errno));
    k.c = c;
    k.count = &count;
    thread = thread_start(collector_run, &k);
    for (unsigned i = 0; i < c->senders; i++) {
        senders[i].c = c;
        senders[i].thread = thread_start(sender_run, &senders[i]);
    }
    rate = window_rate(c, &count, 1, &stop);
    thread_join(thread);
    for (unsigned i = 0; i < c->senders; i++) {
        thread_join(senders[i].thread);
        sks_receiver_close(k.rx[i]);
        if (senders[i].sent != k.got[i])
            die("arm %u: sent %llu, received %llu", i, (unsigned long long)senders[i].sent,
                (unsigned long long)k.got[i]);
    }
    printf("%.6g msg/s\n", rate);
}

/* ---- select-both ------------------------------------------------------- */

struct side {
    const struct conf *c;
    int role;
    sks_sender *tx[2];
    sks_receiver *rx[2];
    uint64_t sent[2], got[2];
    struct counter *count;
} LINE_APART;

/* Arms 0 and 1 send, 2 and 3 receive. */
static void both_stop_sending(struct side *s, sks_select *sel)
{
    for (int i = 0; i < 2; i++) {
        sks_select_remove(sel, i);
        sks_sender_close(s->tx[i]);
    }
}

static void *both_run(void *arg)
{
    struct side *s = arg;
    uint64_t items[2];
    unsigned open = 2;
    bool sending = true;
    sks_select *sel = sks_select_new();

    place_thread(s->c, s->role);
    for (int i = 0; i < 2; i++)
        if (sel == NULL || sks_select_send(sel, s->tx[i], &s->sent[i]) != i)
            die("sks_select_send: %s", strerror(errno));
    for (int i = 0; i < 2; i++)
        if (sks_select_recv(sel, s->rx[i], &items[i]) != 2 + i)
            die("sks_select_recv: %s", strerror(errno));
    while (open > 0) {
        int result = -1, arm;

        if (sending && stop_get(&stop)) {
            both_stop_sending(s, sel);
            sending = false;
        }
        arm = sks_select_wait(sel, SKS_NEVER, 0, &result);
        if (arm < 0 || result < 0)
            die("sks_select_wait: arm %d, %s", arm, strerror(errno));
        if (arm < 2) {
            s->sent[arm]++;
        } else if (result == 0) {
            sks_select_remove(sel, arm);
            open--;
        } else {
            if (items[arm - 2] != s->got[arm - 2]++)
                die("arm %d: got item %llu", arm, (unsigned long long)items[arm - 2]);
            counter_add(s->count, 1);
        }
    }
    if (sending)
        both_stop_sending(s, sel);
    sks_select_free(sel);
    return NULL;
}

static void run_both(const struct conf *c)
{
    static struct side sides[2];
    static struct counter counts[2];
    pthread_t threads[2];
    double rate;

    for (int i = 0; i < 2; i++) {
        sides[i].c = c;
        sides[i].role = i;
        sides[i].count = &counts[i];
        for (int k = 0; k < 2; k++)
            if (sks_channel(sizeof(uint64_t), c->cap, &sides[i].tx[k], &sides[1 - i].rx[k]) != 0)
                die("sks_channel: %s", strerror(errno));
    }
    for (int i = 0; i < 2; i++)
        threads[i] = thread_start(both_run, &sides[i]);
    rate = window_rate(c, counts, 2, &stop);
    for (int i = 0; i < 2; i++)
        thread_join(threads[i]);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 2; k++) {
            if (sides[i].sent[k] != sides[1 - i].got[k])
                die("sent %llu, received %llu", (unsigned long long)sides[i].sent[k],
                    (unsigned long long)sides[1 - i].got[k]);
            sks_receiver_close(sides[i].rx[k]);
        }
    }
    printf("%.6g msg/s\n", rate);
}

int main(int argc, char **argv)
{
    struct conf c = conf_parse(argc, argv);

    if (conf_is(&c, "select-rx"))
        run_rx(&c);
    else if (conf_is(&c, "select-both"))
        run_both(&c);
    else
        die("%s: no such workload", c.workload);
    return 0;
}
