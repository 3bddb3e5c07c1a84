/* SPDX-License-Identifier: MIT */
/*
 * ours_pipeline.c - 8-byte items: a source counts, stages multiply, a sink checks.
 *
 *   pipeline         sks_pipeline with three stages
 *   hop              the same with two: one link
 *   work             three stages; the middle one has workers, works steps on each item, in order
 *   idle             three stages; the source waits for the stop, the others for items
 *   wired-pipeline, wired-hop, wired-work
 *                    threads of our own over bare channels; the workers of `work` have two
 *                    channels each, dealt to and collected from in turn, which keeps the order
 */
#include "harness.h"

#include <errno.h>
#include <poll.h>
#include <sockstream/pipeline.h>
#include <stdio.h>
#include <string.h>

#define FACTOR 3
#define MAX_WORKERS 16

static const struct conf *conf;
static bool stop LINE_APART;
static struct counter count;
static uint64_t made LINE_APART, taken LINE_APART; /* by the source; by the sink */
static uint64_t factor LINE_APART;                 /* that items had when they reach the sink */

static inline void take(uint64_t v)
{
    if (v != taken * factor)
        die("item %llu: got %llu", (unsigned long long)taken, (unsigned long long)v);
    taken++;
    counter_add(&count, 1);
}

static inline uint64_t worked(uint64_t v)
{
    if (conf->steps > 0)
        work_on(v, conf->steps);
    return v * FACTOR;
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

static int idle_source(sks_worker *w)
{
    struct pollfd stopped = {.fd = sks_worker_stop_fd(w), .events = POLLIN};

    poll(&stopped, 1, -1);
    return SKS_END;
}

static int stage(sks_worker *w, void *item)
{
    uint64_t v = worked(*(uint64_t *)item);

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

static sks_pipeline *pipeline_new(const struct conf *c, sks_source_fn *from, bool middle)
{
    sks_stage_options o = {.size = sizeof(o), .item_size = sizeof(uint64_t)};
    sks_stage_options many = o;
    sks_pipeline *p = sks_pipeline_new("bench");
    const char *last = middle ? "stage" : "source";
    char uri[64];

    many.worker_open = o.worker_open = stage_open;
    many.workers = c->workers;
    many.ordered = c->workers > 1;
    many.window = c->workers > 1 ? c->cap : 0;
    snprintf(uri, sizeof(uri), "chan:?items=%u", c->cap);
    if (p == NULL || sks_pipeline_source(p, "source", from, NULL, &o) != 0 ||
        (middle && sks_pipeline_stage(p, "stage", stage, NULL, &many) != 0) ||
        sks_pipeline_sink(p, "sink", sink, NULL, &o) != 0 ||
        (middle && sks_pipeline_link(p, "source", "stage", uri) != 0) ||
        sks_pipeline_link(p, last, "sink", uri) != 0)
        die("pipeline: %s", p == NULL ? "no memory" : sks_pipeline_error(p));
    return p;
}

static double run_pipeline(const struct conf *c, bool middle)
{
    sks_pipeline *p = pipeline_new(c, source, middle);
    pthread_t thread = thread_start(pipeline_run, p);
    double rate = window_rate(c, &count, 1, &stop);

    thread_join(thread);
    sks_pipeline_free(p);
    return rate;
}

static void run_idle(const struct conf *c)
{
    sks_pipeline *p = pipeline_new(c, idle_source, true);
    pthread_t thread = thread_start(pipeline_run, p);

    idle_print(c);
    sks_pipeline_stop(p);
    thread_join(thread);
    sks_pipeline_free(p);
}

/* ---- by hand ----------------------------------------------------------- */

/* A thread: the channels that it takes from and gives to, each in turn. */
struct wired {
    const struct conf *c;
    pthread_t thread;
    unsigned n_rx, n_tx;
    sks_receiver *rx[MAX_WORKERS];
    sks_sender *tx[MAX_WORKERS];
} LINE_APART;

static inline unsigned in_turn(unsigned i, unsigned n)
{
    return i + 1 < n ? i + 1 : 0;
}

static void wired_end(struct wired *w)
{
    for (unsigned i = 0; i < w->n_tx; i++)
        sks_sender_close(w->tx[i]);
}

static void *wired_source(void *arg)
{
    struct wired *w = arg;

    place_thread(w->c, 0);
    for (unsigned i = 0; !stop_get(&stop); i = in_turn(i, w->n_tx)) {
        if (sks_sender_send(w->tx[i], &made) != 0)
            die("send: %s", strerror(errno));
        made++;
    }
    wired_end(w);
    return NULL;
}

static void *wired_stage(void *arg)
{
    struct wired *w = arg;
    uint64_t v;

    place_thread(w->c, 1);
    while (sks_receiver_recv(w->rx[0], &v) == 1) {
        v = worked(v);
        if (sks_sender_send(w->tx[0], &v) != 0)
            die("send: %s", strerror(errno));
    }
    wired_end(w);
    return NULL;
}

static void *wired_sink(void *arg)
{
    struct wired *w = arg;
    uint64_t v;

    place_thread(w->c, 1);
    /* The first that has ended is the one after the last item. */
    for (unsigned i = 0; sks_receiver_recv(w->rx[i], &v) == 1; i = in_turn(i, w->n_rx))
        take(v);
    return NULL;
}

static void wire(const struct conf *c, struct wired *from, struct wired *to)
{
    if (sks_channel(sizeof(uint64_t), c->cap, &from->tx[from->n_tx++], &to->rx[to->n_rx++]) != 0)
        die("sks_channel: %s", strerror(errno));
}

static double run_wired(const struct conf *c, unsigned stages)
{
    static struct wired first, last, middle[MAX_WORKERS];
    double rate;

    if (stages > MAX_WORKERS)
        die("too many workers");
    first.c = last.c = c;
    for (unsigned i = 0; i < stages; i++) {
        middle[i].c = c;
        wire(c, &first, &middle[i]);
        wire(c, &middle[i], &last);
        middle[i].thread = thread_start(wired_stage, &middle[i]);
    }
    if (stages == 0)
        wire(c, &first, &last);
    last.thread = thread_start(wired_sink, &last);
    first.thread = thread_start(wired_source, &first);
    rate = window_rate(c, &count, 1, &stop);
    thread_join(first.thread);
    for (unsigned i = 0; i < stages; i++)
        thread_join(middle[i].thread);
    thread_join(last.thread);
    return rate;
}

static double run(const struct conf *c)
{
    factor = FACTOR;
    if (conf_is(c, "pipeline") || conf_is(c, "work"))
        return run_pipeline(c, true);
    if (conf_is(c, "wired-pipeline") || conf_is(c, "wired-work"))
        return run_wired(c, c->workers);
    factor = 1;
    if (conf_is(c, "hop"))
        return run_pipeline(c, false);
    if (conf_is(c, "wired-hop"))
        return run_wired(c, 0);
    die("%s: no such workload", c->workload);
}

int main(int argc, char **argv)
{
    struct conf c = conf_parse(argc, argv);
    double rate;

    conf = &c;
    if (conf_is(&c, "idle")) {
        run_idle(&c);
        return 0;
    }
    rate = run(&c);
    if (made != taken)
        die("made %llu, taken %llu", (unsigned long long)made, (unsigned long long)taken);
    if (strstr(c.workload, "hop") != NULL)
        printf("%.6g ns\n", 1e9 / rate);
    else
        printf("%.6g items/s\n", rate);
    return 0;
}
