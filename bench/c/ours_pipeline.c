/* SPDX-License-Identifier: MIT */
/*
 * ours_pipeline.c - three stages, 8-byte items: a source counts, a stage multiplies,
 * a sink checks.
 *
 *   pipeline       sks_pipeline
 *   pipeline-wired three threads of our own over bare channels
 */
#include "harness.h"

#include <errno.h>
#include <sockstream/pipeline.h>
#include <stdio.h>
#include <string.h>

#define FACTOR 3

static const struct conf *conf;
static bool stop;
static struct counter count;
static uint64_t made, taken;
static sks_sender *wire_tx[2];
static sks_receiver *wire_rx[2];

static void take(uint64_t v)
{
    if (v != taken * FACTOR)
        die("item %llu: got %llu", (unsigned long long)taken, (unsigned long long)v);
    taken++;
    counter_add(&count, 1);
}

/* ---- sks_pipeline ------------------------------------------------------ */

static void *stage_open(sks_worker *w, void *arg)
{
    const char *name = sks_worker_stage(w);

    place_thread(conf, strcmp(name, "source") != 0);
    return arg != NULL ? arg : &count; /* anything but NULL */
}

static int source(sks_worker *w)
{
    if (stop_get(&stop))
        return SKS_END;
    if (sks_emit(w, &made) != 0)
        return SKS_ENOUGH;
    made++;
    return SKS_OK;
}

static int stage(sks_worker *w, void *item)
{
    uint64_t v = *(uint64_t *)item * FACTOR;

    return sks_emit(w, &v) == 0 ? SKS_OK : SKS_ENOUGH;
}

static int sink(sks_worker *w, void *item)
{
    (void)w;
    take(*(uint64_t *)item);
    return SKS_OK;
}

static void *pipeline_run(void *arg)
{
    sks_receipt *receipt = NULL;

    if (sks_pipeline_run(arg, SKS_NEVER, &receipt) != 0)
        die("sks_pipeline_run: %s", sks_pipeline_error(arg));
    if (!sks_receipt_balances(receipt))
        die("the receipt does not balance");
    sks_receipt_free(receipt);
    return NULL;
}

static void run_pipeline(const struct conf *c)
{
    sks_stage_options o = {.size = sizeof(o), .item_size = sizeof(uint64_t)};
    sks_pipeline *p = sks_pipeline_new("bench");
    pthread_t thread;
    char uri[64];
    double rate;

    o.worker_open = stage_open;
    snprintf(uri, sizeof(uri), "chan:?items=%u", c->cap);
    if (p == NULL || sks_pipeline_source(p, "source", source, NULL, &o) != 0 ||
        sks_pipeline_stage(p, "stage", stage, NULL, &o) != 0 ||
        sks_pipeline_sink(p, "sink", sink, NULL, &o) != 0 ||
        sks_pipeline_link(p, "source", "stage", uri) != 0 ||
        sks_pipeline_link(p, "stage", "sink", uri) != 0)
        die("pipeline: %s", p == NULL ? "no memory" : sks_pipeline_error(p));
    thread = thread_start(pipeline_run, p);
    rate = window_rate(c, &count, 1, &stop);
    thread_join(thread);
    sks_pipeline_free(p);
    printf("%.6g items/s\n", rate);
}

/* ---- by hand ----------------------------------------------------------- */

static void *wired_source(void *arg)
{
    place_thread(arg, 0);
    while (!stop_get(&stop)) {
        if (sks_sender_send(wire_tx[0], &made) != 0)
            die("send: %s", strerror(errno));
        made++;
    }
    sks_sender_close(wire_tx[0]);
    return NULL;
}

static void *wired_stage(void *arg)
{
    uint64_t v;

    place_thread(arg, 1);
    while (sks_receiver_recv(wire_rx[0], &v) == 1) {
        v *= FACTOR;
        if (sks_sender_send(wire_tx[1], &v) != 0)
            die("send: %s", strerror(errno));
    }
    sks_sender_close(wire_tx[1]);
    return NULL;
}

static void *wired_sink(void *arg)
{
    uint64_t v;

    place_thread(arg, 1);
    while (sks_receiver_recv(wire_rx[1], &v) == 1)
        take(v);
    return NULL;
}

static void run_wired(const struct conf *c)
{
    void *(*const run[])(void *) = {wired_source, wired_stage, wired_sink};
    pthread_t threads[3];
    double rate;

    for (int i = 0; i < 2; i++)
        if (sks_channel(sizeof(uint64_t), c->cap, &wire_tx[i], &wire_rx[i]) != 0)
            die("sks_channel: %s", strerror(errno));
    for (int i = 0; i < 3; i++)
        threads[i] = thread_start(run[i], (void *)c);
    rate = window_rate(c, &count, 1, &stop);
    for (int i = 0; i < 3; i++)
        thread_join(threads[i]);
    for (int i = 0; i < 2; i++)
        sks_receiver_close(wire_rx[i]);
    printf("%.6g items/s\n", rate);
}

int main(int argc, char **argv)
{
    struct conf c = conf_parse(argc, argv);

    conf = &c;
    if (conf_is(&c, "pipeline"))
        run_pipeline(&c);
    else if (conf_is(&c, "pipeline-wired"))
        run_wired(&c);
    else
        die("%s: no such workload", c.workload);
    if (made != taken)
        die("made %llu, taken %llu", (unsigned long long)made, (unsigned long long)taken);
    return 0;
}
