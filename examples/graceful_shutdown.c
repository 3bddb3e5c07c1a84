/* SPDX-License-Identifier: MIT */
/*
 * graceful_shutdown.c - an endless source, stopped by a flag, and nothing lost.
 *
 * Stage1 counts 1, 2, 3, ... every 50 ms until it sees the flag, which main raises
 * after a second.  Stage2 doubles, slowly; Stage3 adds up.  When the flag is up the
 * end travels down behind the last item: every value sent is processed, and the
 * receipt proves it.  Run it with SKS_LOG=info to watch.
 */
#include <pthread.h>
#include <sockstream/sockstream.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static atomic_bool stop_flag;

struct totals {
    long long last, count, sum;
};

/* Simulates work. */
static void work_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static int count_up(sks_worker *w)
{
    struct totals *t = sks_worker_arg(w);

    if (atomic_load(&stop_flag)) {
        sks_info("Stage1", "stop flag seen, finishing last=%lld", t->last);
        return SKS_END;
    }
    t->last++;
    if (sks_emit(w, &t->last))
        return SKS_ENOUGH;
    sks_info("Stage1", "sent item=%lld", t->last);
    work_ms(50);
    return SKS_OK;
}

static int twice(sks_worker *w, void *item)
{
    long long v = *(long long *)item, doubled = 2 * v;

    sks_info("Stage2", "received item=%lld", v);
    work_ms(100);
    if (sks_emit(w, &doubled))
        return SKS_ENOUGH;
    sks_info("Stage2", "forwarded item=%lld doubled=%lld", v, doubled);
    return SKS_OK;
}

static int add_up(sks_worker *w, void *item)
{
    struct totals *t = sks_worker_arg(w);

    t->sum += *(long long *)item;
    t->count++;
    sks_info("Stage3", "received item=%lld count=%lld sum=%lld", *(long long *)item, t->count,
             t->sum);
    return SKS_OK;
}

static void *raise_flag(void *unused)
{
    (void)unused;
    work_ms(1000);
    sks_info("main", "raising the stop flag");
    atomic_store(&stop_flag, true);
    return NULL;
}

int main(void)
{
    sks_stage_options items = {.size = sizeof items, .item_size = sizeof(long long)};
    struct totals t = {0};
    sks_pipeline *p = sks_pipeline_new("shutdown");
    sks_receipt *r = NULL;
    pthread_t timer;
    char text[4096];
    int failed;

    if (sks_log_from_env()) {
        fprintf(stderr, "graceful_shutdown: %s\n", sks_log_error());
        return EXIT_FAILURE;
    }
    if (!p || sks_pipeline_source(p, "Stage1", count_up, &t, &items) ||
        sks_pipeline_stage(p, "Stage2", twice, NULL, &items) ||
        sks_pipeline_sink(p, "Stage3", add_up, &t, NULL) ||
        sks_pipeline_link(p, "Stage1", "Stage2", "chan:?items=5") ||
        sks_pipeline_link(p, "Stage2", "Stage3", "chan:?items=5")) {
        fprintf(stderr, "graceful_shutdown: %s\n", p ? sks_pipeline_error(p) : "no memory");
        return EXIT_FAILURE;
    }
    if (pthread_create(&timer, NULL, raise_flag, NULL)) {
        fputs("graceful_shutdown: no thread for the timer\n", stderr);
        return EXIT_FAILURE;
    }
    failed = sks_pipeline_run(p, SKS_NEVER, &r);
    if (failed)
        perror("graceful_shutdown: run");
    pthread_join(timer, NULL);
    if (r) {
        sks_receipt_text(r, text, sizeof text);
        fputs(text, stdout);
    }
    printf("sent %lld, count = %lld, sum = %lld\n", t.last, t.count, t.sum);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    if (fflush(stdout)) {
        perror("graceful_shutdown: standard output");
        failed = 1;
    }
    return !failed && t.count == t.last ? EXIT_SUCCESS : EXIT_FAILURE;
}
