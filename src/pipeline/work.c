/* SPDX-License-Identifier: MIT */
/*
 * work.c - what a worker does between its first and its last item: take, call, settle.
 *
 * SETTLE  Every item that was taken gets one outcome, whatever the function did:
 *
 *   answer        items of the call
 *   OK, ENOUGH    failed, those given to sks_item_fail(); the rest passed when
 *                 something was emitted or nothing follows, else filtered
 *   FAILED        the same; all failed when none was given to sks_item_fail()
 *   FAIL, other   failed
 *   (no answer)   failed: the thread went away
 *
 * A source takes nothing; an item that it fails counts as taken and failed.  FAIL
 * because an emit found nobody left is read as ENOUGH: that is no cause of its own.
 */
#include "pipeline/internal.h"
#include "pipeline/quick.h"

#include <errno.h>
#include <stdio.h>

/* ---- taking ------------------------------------------------------------ */

/* The input was cut while a batch was put together. */
static void discard_taken(struct sks_worker *w, size_t n)
{
    const struct sksi_crew *crew = w->crew;

    for (size_t i = 0; i < n; i++)
        sksi_discard(crew->run, w->items + i * crew->item_size,
                     crew->in[w->mark[i].from]->link->name);
    sksi_count(&w->x_discarded, n);
}

/* Adds to the first item of a batch: how many there are, or -1. */
static int collect_more(struct sks_worker *w)
{
    const sks_stage_options *o = &w->crew->stage->options;
    int64_t deadline = SKS_NOW;
    size_t n = 1;
    int rc;

    if (o->linger_ns)
        deadline = o->linger_ns == SKS_NEVER ? SKS_NEVER : sks_after(o->linger_ns);
    while (n < o->batch) {
        rc = sksi_inlet_take(w, n, deadline);
        if (rc > 0) {
            sksi_count(&w->x_in, 1);
            n++;
        } else if (rc == 0 ? !sksi_run_aborted(w->crew->run)
                           : errno == EAGAIN || errno == ETIMEDOUT) {
            break;
        } else {
            discard_taken(w, n);
            return -1;
        }
    }
    return (int)n;
}

/* Takes what one call works on: how many items, 0 at the end, -1 when cut. */
static int collect(struct sks_worker *w)
{
    int rc = sksi_inlet_take(w, 0, SKS_NEVER);

    if (rc <= 0)
        return rc;
    sksi_count(&w->x_in, 1);
    return w->mark ? collect_more(w) : 1;
}

static int take(struct sks_worker *w)
{
    int n;

    if (!w->crew->in_turn)
        return collect(w);
    if (sksi_order_enter(w))
        return -1;
    n = collect(w);
    sksi_order_leave(w, n > 0);
    return n;
}

/* ---- settling ---------------------------------------------------------- */

static inline void call_begin(struct sks_worker *w, size_t n)
{
    struct sksi_crew *crew = w->crew;

    if (crew->n_workers > 1 && n) {
        /* relaxed: count. */
        uint64_t number = atomic_fetch_add_explicit(&crew->x_next, n, memory_order_relaxed);

        atomic_store_explicit(&w->x_number, number, memory_order_relaxed); /* relaxed: stat */
    }
    w->emitted = 0;
    w->held = n;
    if (--w->stride_left == 0)
        sksi_clock_stride(w);
}

static void call_forget(struct sks_worker *w)
{
    w->unusual = w->emit_failed = false;
    w->failed = 0;
    w->fail_code = 0;
}

uint64_t sksi_item_number(const struct sks_worker *w)
{
    uint64_t done, in;

    if (w->crew->n_in == 0)
        return sksi_load(&w->x_out);
    if (w->crew->n_workers > 1)
        return sksi_load(&w->x_number);
    done = sksi_load(&w->x_passed) + sksi_load(&w->x_filtered) + sksi_load(&w->x_failed) +
           sksi_load(&w->x_discarded);
    in = sksi_load(&w->x_in);
    return done < in ? done : in - (in > 0);
}

/* FAIL: says why.  `code` is errno as the function left it. */
static void fail(struct sks_worker *w, int answer, int code)
{
    char text[SKSI_TEXT];

    if (w->fail_code) {
        sksi_crew_fail(w, w->fail_code, w->fail_text);
    } else if (answer == SKS_FAIL) {
        sksi_crew_fail(w, code, "");
    } else {
        snprintf(text, sizeof text, "the function returned %d", answer);
        sksi_crew_fail(w, EINVAL, text);
    }
}

/* Are there too many failed items now? */
static bool too_many(struct sks_worker *w, uint64_t failed)
{
    struct sksi_crew *crew = w->crew;
    unsigned max = crew->stage->options.item_failures_max;
    uint64_t before;
    char text[SKSI_TEXT];

    if (failed == 0 || max == 0)
        return false;
    /* relaxed: count. */
    before = atomic_fetch_add_explicit(&crew->x_failures, failed, memory_order_relaxed);
    if (before + failed < max)
        return false;
    snprintf(text, sizeof text, "%llu items failed%s%.100s", (unsigned long long)(before + failed),
             w->fail_text[0] ? ", the last: " : "", w->fail_text);
    sksi_crew_fail(w, w->item_code ? w->item_code : EIO, text);
    return true;
}

static int read_answer(const struct sks_worker *w, int answer, int code)
{
    if (answer == SKS_FAIL && !w->fail_code && w->emit_failed &&
        (code == EPIPE || code == ECANCELED))
        return SKS_ENOUGH;
    return answer;
}

static void count_outcomes(struct sks_worker *w, size_t n, size_t failed)
{
    if (failed > n)
        failed = n;
    if (failed)
        sksi_count(&w->x_failed, failed);
    if (failed == n)
        return;
    sksi_count(w->emitted || w->crew->last ? &w->x_passed : &w->x_filtered, n - failed);
}

/* After a call that was not the usual one; false when the worker is to leave. */
static bool settle_unusual(struct sks_worker *w, size_t n, int answer, int code)
{
    size_t failed = w->failed;

    answer = read_answer(w, answer, code);
    if (answer == SKS_FAILED && failed == 0)
        failed = n;
    else if (answer != SKS_OK && answer != SKS_ENOUGH && answer != SKS_FAILED)
        failed = n;
    count_outcomes(w, n, failed);
    if (w->ticketed)
        sksi_order_done(w);
    if (answer == SKS_ENOUGH)
        sksi_crew_close(w->crew);
    else if (answer != SKS_OK && answer != SKS_FAILED)
        fail(w, answer, code);
    else if (!too_many(w, failed))
        return call_forget(w), true;
    return false;
}

/* After a call with n items. */
static inline bool settle(struct sks_worker *w, size_t n, int answer)
{
    if (answer != SKS_OK || w->unusual)
        return settle_unusual(w, n, answer, answer == SKS_FAIL ? errno : 0);
    sksi_count(w->emitted || w->crew->last ? &w->x_passed : &w->x_filtered, n);
    if (w->ticketed)
        sksi_order_done(w);
    return true;
}

static void items(struct sks_worker *w)
{
    const struct sksi_stage *stage = w->crew->stage;
    const sks_pipeline *p = w->crew->run->p;
    int n, answer;

    while (!sksi_abort_asked(p) && (n = take(w)) > 0) {
        call_begin(w, (size_t)n);
        answer =
            stage->batched ? stage->fn.batch(w, w->items, (size_t)n) : stage->fn.item(w, w->items);
        if (!settle(w, (size_t)n, answer))
            return;
    }
}

/* The same, one by one from one input of its own: the short way of most stages. */
static void items_alone(struct sks_worker *w)
{
    sks_item_fn *fn = w->crew->stage->fn.item;
    const sks_pipeline *p = w->crew->run->p;
    sks_receiver *rx = w->rx;
    void *item = w->items;

    while (!sksi_abort_asked(p)) {
        if (!sksi_quick_take(rx, item) && sksi_inlet_take(w, 0, SKS_NEVER) <= 0)
            return;
        sksi_count(&w->x_in, 1);
        call_begin(w, 1);
        if (!settle(w, 1, fn(w, item)))
            return;
    }
}

/* ---- sources ----------------------------------------------------------- */

static inline bool stopping(const struct sks_worker *w)
{
    const struct sksi_crew *crew = w->crew;

    /* [A3] */
    return atomic_load_explicit(&crew->run->p->x_ask, memory_order_acquire) != 0 ||
           atomic_load_explicit(&crew->x_closing, memory_order_acquire); /* [A2] */
}

bool sks_worker_stopping(const sks_worker *w)
{
    return stopping(w);
}

static bool source_settle(struct sks_worker *w, int answer, int code)
{
    size_t failed = w->failed;

    answer = read_answer(w, answer, code);
    if (answer == SKS_FAILED && failed == 0)
        failed = 1;
    if (failed) {
        sksi_count(&w->x_in, failed);
        sksi_count(&w->x_failed, failed);
        w->failed = 0;
    }
    if (answer == SKS_ENOUGH)
        sksi_crew_close(w->crew);
    else if (answer != SKS_OK && answer != SKS_FAILED && answer != SKS_END)
        fail(w, answer, code);
    else if (answer != SKS_END && !too_many(w, failed))
        return call_forget(w), true;
    return false;
}

static void source(struct sks_worker *w)
{
    sks_source_fn *fn = w->crew->stage->fn.source;
    int answer;

    while (!stopping(w)) {
        call_begin(w, 0);
        answer = fn(w);
        if (answer == SKS_OK && !w->unusual)
            continue;
        if (!source_settle(w, answer, answer == SKS_FAIL ? errno : 0))
            return;
    }
}

void sksi_worker_work(struct sks_worker *w)
{
    if (w->crew->n_in == 0)
        source(w);
    else if (w->rx && !w->mark)
        items_alone(w);
    else
        items(w);
}

void sksi_worker_lost(struct sks_worker *w)
{
    const struct sksi_crew *crew = w->crew;
    size_t n = crew->n_in ? w->held : w->failed;

    for (size_t i = 0; i < w->held; i++) {
        if (w->mark ? !w->mark[i].failed : w->failed == 0)
            sksi_dead_letter(w, w->items + i * crew->item_size, ECANCELED, "worker lost");
    }
    if (crew->n_in == 0)
        sksi_count(&w->x_in, n);
    if (n)
        sksi_count(&w->x_failed, n);
    w->held = 0;
    if (w->ticketed)
        sksi_order_done(w);
}
