/* SPDX-License-Identifier: MIT */
/*
 * sks-gzip-ui.c - options, the live display and the receipt of sks-gzip.
 *
 * The display is a thread that selects over a tick and a channel on which nothing is
 * ever sent: its end is the signal to stop.
 */
#include "sks-gzip.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS_MAX 256
#define TICK_NS 200000000

/* ---- options ----------------------------------------------------------- */

static const char usage_text[] =
    "usage: sks-gzip [-1..-9] [-p N] [-o FILE] [--progress] [--receipt[=json]] [FILE...]\n"
    "\n"
    "Compresses the files, one behind the other, or standard input, into one gzip\n"
    "stream on standard output.\n"
    "\n"
    "  -1 .. -9         fast .. small; default 6\n"
    "  -p N             deflate workers; default: one per CPU\n"
    "  -o FILE          write there; the name appears when the archive is complete\n"
    "      --progress   show rate and queues even when standard error is no terminal\n"
    "      --quiet      never show them\n"
    "      --receipt    print what every stage and link counted; =json for programs\n"
    "  -h, --help\n"
    "\n"
    "SIGTERM and SIGINT stop the reading; what was read is compressed and the archive\n"
    "is valid.  A second one gives up.  Exit: 0 all of it, 1 error, 2 usage, 143\n"
    "stopped early.\n";

static int usage_error(const char *what)
{
    fprintf(stderr, "sks-gzip: %s\nTry 'sks-gzip --help'.\n", what);
    return 2;
}

static bool workers_parse(const char *text, unsigned *workers)
{
    char *end;
    unsigned long n;

    errno = 0;
    n = strtoul(text, &end, 10);
    *workers = (unsigned)n;
    return *text >= '0' && *text <= '9' && *end == '\0' && !errno && n >= 1 && n <= WORKERS_MAX;
}

int options_parse(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {{"progress", no_argument, NULL, 'P'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"receipt", optional_argument, NULL, 'R'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    static char standard_input[] = "-";
    static char *none[] = {standard_input, NULL};
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int c;

    *o = (struct options){.level = 6, .output = "-", .progress = isatty(STDERR_FILENO)};
    o->workers = cpus < 1 ? 1 : cpus > WORKERS_MAX ? WORKERS_MAX : (unsigned)cpus;
    while ((c = getopt_long(argc, argv, "123456789p:o:qch", longs, NULL)) != -1) {
        if (c >= '1' && c <= '9')
            o->level = c - '0';
        else if (c == 'p' && !workers_parse(optarg, &o->workers))
            return usage_error("-p takes a number of workers from 1 to 256");
        else if (c == 'o')
            o->output = optarg;
        else if (c == 'P' || c == 'q')
            o->progress = c == 'P';
        else if (c == 'R' && optarg && strcmp(optarg, "json") && strcmp(optarg, "text"))
            return usage_error("--receipt takes text or json");
        else if (c == 'R')
            o->receipt = optarg && optarg[0] == 'j' ? RECEIPT_JSON : RECEIPT_TEXT;
        else if (c == 'h')
            return fputs(usage_text, stdout) < 0;
        else if (c == '?')
            return fputs("Try 'sks-gzip --help'.\n", stderr), 2;
    }
    o->files = optind < argc ? argv + optind : none;
    o->n_files = optind < argc ? argc - optind : 1;
    return -1;
}

/* ---- display ----------------------------------------------------------- */

#define MIB (1024.0 * 1024.0)
#define BAR 8

static void queue_bar(char *bar, const sks_link_receipt *l)
{
    uint64_t fill = l->capacity ? (l->left * BAR + l->capacity - 1) / l->capacity : 0;

    for (uint64_t i = 0; i < BAR; i++)
        bar[i] = i < fill ? '#' : '.';
    bar[BAR] = '\0';
}

static void show(struct progress *g)
{
    sks_receipt *r = sks_pipeline_snapshot(g->p);
    double in = (double)progress_get(&g->taken), out = (double)progress_get(&g->out);
    double seconds = (double)(sks_now() - g->start) / 1e9;
    char before[BAR + 1], after[BAR + 1];

    if (!r)
        return;
    if (r->n_links == 2) {
        queue_bar(before, &r->links[0]);
        queue_bar(after, &r->links[1]);
        fprintf(stderr,
                "%s%8.1f MiB in %8.1f MiB out %5.1f %% %7.1f MiB/s  "
                "read [%s] deflate [%s] write%s",
                isatty(STDERR_FILENO) ? "\r" : "", in / MIB, out / MIB, in > 0 ? 100 * out / in : 0,
                in / MIB / (seconds > 0 ? seconds : 1), before, after,
                isatty(STDERR_FILENO) ? "" : "\n");
    }
    sks_receipt_free(r);
}

struct display {
    struct progress *g;
    sks_receiver *done, *tick;
};

static void *display_loop(void *arg)
{
    struct display *d = arg;
    sks_select *sel = sks_select_new();
    int64_t due;
    char nothing;
    int end = sel ? sks_select_recv(sel, d->done, &nothing) : -1, chosen;

    /* Without memory for both arms there is no display: it would not see its end. */
    if (end >= 0 && sks_select_recv(sel, d->tick, &due) >= 0) {
        while ((chosen = sks_select_wait(sel, SKS_NEVER, 0, NULL)) >= 0 && chosen != end)
            show(d->g);
    }
    sks_select_free(sel);
    sks_receiver_close(d->tick);
    sks_receiver_close(d->done);
    free(d);
    return NULL;
}

void progress_start(struct progress *g, sks_pipeline *p, const struct options *o)
{
    struct display *d;

    g->p = p;
    g->start = sks_now();
    if (!o->progress)
        return;
    d = calloc(1, sizeof *d);
    if (!d)
        return;
    d->g = g;
    d->tick = sks_timer_tick(TICK_NS);
    if (!d->tick || sks_channel(0, 1, &g->done, &d->done)) {
        sks_receiver_close(d->tick);
        free(d);
        return;
    }
    g->running = pthread_create(&g->thread, NULL, display_loop, d) == 0;
    if (!g->running) {
        sks_sender_close(g->done);
        sks_receiver_close(d->done);
        sks_receiver_close(d->tick);
        free(d);
    }
}

void progress_stop(struct progress *g)
{
    g->elapsed_ns = sks_now() - g->start;
    if (!g->running)
        return;
    sks_sender_close(g->done);
    pthread_join(g->thread, NULL);
    g->running = false;
    show(g);
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
}

/* ---- receipt ----------------------------------------------------------- */

void receipt_print(const sks_receipt *r, enum receipt_form form, struct progress *g)
{
    size_t (*print)(const sks_receipt *, char *, size_t) =
        form == RECEIPT_JSON ? sks_receipt_json : sks_receipt_text;
    size_t size = print(r, NULL, 0) + 1;
    char *text = malloc(size);

    if (!text) {
        fputs("sks-gzip: no memory for the receipt\n", stderr);
        return;
    }
    print(r, text, size);
    fputs(text, stderr);
    if (form == RECEIPT_JSON)
        fputc('\n', stderr);
    else
        fprintf(stderr, "%llu bytes compressed to %llu\n",
                (unsigned long long)progress_get(&g->taken),
                (unsigned long long)progress_get(&g->out));
    free(text);
}
