/* SPDX-License-Identifier: MIT */
/*
 * pipeline_test.c - pipelines of several shapes and endings while the calls below them
 * fail: a run goes well, or nothing of the user has run; a run that has begun comes to
 * the same end, with a receipt that balances, whatever fails from then on.
 */
#include "fault/sweep.h"
#include "unit/pipeline/helper.h"

#include <signal.h>

#define ITEMS 24
#define TRIGGER 12 /* the item at which something happens */

/* A pipeline, and how it ends when nothing fails. */
struct plan {
    const char *name;
    bool (*build)(const struct scene *s, sks_pipeline *p, struct book *b);
    sks_outcome outcome;
    int code;
    int64_t deadline_ns; /* 0: none */
    bool endless;        /* the source ends when it is stopped */
};

/* The scene and what a stage needs to end the run. */
static const struct scene *now;

/* ---- stages ------------------------------------------------------------ */

static uint64_t number_of(const void *item)
{
    uint64_t i;

    memcpy(&i, item, sizeof i);
    return i;
}

static int emit_twelve(sks_worker *w, void *item)
{
    struct book *b = sks_worker_arg(w);
    uint64_t i = number_of(item);

    if (sks_emit(w, item))
        return SKS_ENOUGH;
    for (uint64_t k = 1; k < 12; k++) {
        uint64_t more = 1000 * k + i;

        b->emitted[more]++;
        if (sks_emit(w, &more))
            return SKS_ENOUGH;
    }
    return SKS_OK;
}

static int pass_batch(sks_worker *w, void *items, size_t n)
{
    struct book *b = sks_worker_arg(w);
    size_t k;

    for (k = 0; k < n; k++) {
        unsigned char *item = (unsigned char *)items + k * sizeof(uint64_t);

        if (number_of(item) % 7 == 3)
            (void)sks_item_fail(w, item, EIO, "number %d", (int)number_of(item));
        else if (sks_emit(w, item))
            break;
    }
    for (k++; k < n; k++) /* not emitted */
        b->filtered[number_of((unsigned char *)items + k * sizeof(uint64_t))]++;
    return SKS_OK;
}

static int fail_thirds(sks_worker *w, void *item)
{
    if (number_of(item) % 3 == 0)
        return sks_item_fail(w, item, EIO, "a third");
    return pass(w, item);
}

static int fail_at_trigger(sks_worker *w, void *item)
{
    struct book *b = sks_worker_arg(w);

    if (number_of(item) != TRIGGER)
        return pass(w, item);
    b->filtered[TRIGGER]++;
    return sks_stage_fail(w, EDOM, "number %d", TRIGGER);
}

static int stop_at_trigger(sks_worker *w, void *item)
{
    if (number_of(item) == TRIGGER)
        sks_pipeline_stop(sks_worker_pipeline(w));
    return pass(w, item);
}

static int abort_at_trigger(sks_worker *w, void *item)
{
    if (number_of(item) == TRIGGER)
        sks_pipeline_abort(sks_worker_pipeline(w), 0);
    return pass(w, item);
}

static int signal_at_trigger(sks_worker *w, void *item)
{
    if (number_of(item) == TRIGGER)
        raise(SIGTERM); /* to this thread: ThreadSanitizer may keep others for ever */
    return pass(w, item);
}

static int enough_at_trigger(sks_worker *w, void *item)
{
    book_sink(sks_worker_arg(w), item);
    return number_of(item) == TRIGGER ? SKS_ENOUGH : SKS_OK;
}

/* Feeds for ever. */
static int feed_slowly(sks_worker *w)
{
    struct book *b = sks_worker_arg(w);

    if (b->next >= BOOK_MAX - 10 || sks_worker_stopping(w))
        return SKS_OK;
    return feed(w);
}

static int look_around(sks_worker *w, void *item)
{
    sks_receipt *r = NULL;

    if (TRY(now, (r = sks_pipeline_snapshot(sks_worker_pipeline(w))) != NULL))
        CHECK(sks_receipt_balances(r) && r->outcome == SKS_RUNNING);
    sks_receipt_free(r);
    return pass(w, item);
}

static void *open_something(sks_worker *w, void *arg)
{
    (void)w;
    return arg;
}

static void close_something(void *user, void *arg)
{
    CHECK(user == arg);
}

/* ---- shapes ------------------------------------------------------------ */

#define GOES(call) TRY(s, (call) == 0)

static bool build_two(const struct scene *s, sks_pipeline *p, struct book *b)
{
    return GOES(sks_pipeline_source(p, "read", feed, b, NULL)) &&
           GOES(sks_pipeline_sink(p, "write", sink, b, NULL));
}

static bool build_net(const struct scene *s, sks_pipeline *p, struct book *b)
{
    return GOES(sks_pipeline_source(p, "read", feed, b, OPTIONS(.workers = 2))) &&
           GOES(sks_pipeline_stage(p, "order", pass, b, OPTIONS(.workers = 2, .ordered = true))) &&
           GOES(sks_pipeline_stage(p, "left", pass, b, OPTIONS(.workers = 2))) &&
           GOES(sks_pipeline_stage(p, "right", fail_thirds, b, NULL)) &&
           GOES(sks_pipeline_sink(p, "write", sink, b, OPTIONS(.workers = 2))) &&
           GOES(sks_pipeline_link(p, "read", "order", "chan:?items=4&bytes=64")) &&
           GOES(sks_pipeline_link(p, "order", "left", "chan:?items=4")) &&
           GOES(sks_pipeline_link(p, "order", "right", "chan:?items=4")) &&
           GOES(sks_pipeline_link(p, "left", "write", "chan:?items=4")) &&
           GOES(sks_pipeline_link(p, "right", "write", "chan:?items=4"));
}

/* Tickets keep more than they have room for. */
static bool build_order(const struct scene *s, sks_pipeline *p, struct book *b)
{
    return GOES(sks_pipeline_source(p, "read", feed, b, NULL)) &&
           GOES(sks_pipeline_stage(p, "many", emit_twelve, b,
                                   OPTIONS(.workers = 4, .ordered = true))) &&
           GOES(sks_pipeline_sink(p, "write", sink, b, NULL));
}

static bool build_batch(const struct scene *s, sks_pipeline *p, struct book *b)
{
    return GOES(sks_pipeline_source(p, "read", feed, b, NULL)) &&
           GOES(sks_pipeline_batch_stage(p, "some", pass_batch, b,
                                         OPTIONS(.workers = 2, .batch = 5, .linger_ns = 1000))) &&
           GOES(sks_pipeline_batch_stage(p, "ordered", pass_batch, b,
                                         OPTIONS(.workers = 2, .batch = 3, .ordered = true))) &&
           GOES(sks_pipeline_sink(p, "write", sink, b, NULL));
}

/* read -> middle, with a function of its own -> write, and two signals. */
static bool build_middle(const struct scene *s, sks_pipeline *p, struct book *b, sks_source_fn *src,
                         sks_item_fn *middle, sks_item_fn *last)
{
    return GOES(sks_pipeline_on_signal(p, SIGTERM, 0)) &&
           GOES(sks_pipeline_on_signal(p, SIGUSR1, 0)) &&
           GOES(sks_pipeline_source(p, "read", src, b, NULL)) &&
           GOES(sks_pipeline_stage(p, "middle", middle, b,
                                   OPTIONS(.workers = 2, .worker_open = open_something,
                                           .worker_close = close_something))) &&
           GOES(sks_pipeline_sink(p, "write", last, b, NULL)) &&
           GOES(sks_pipeline_link(p, "read", "middle", "chan:?items=2")) &&
           GOES(sks_pipeline_link(p, "middle", "write", "chan:?items=2"));
}

static bool build_stop(const struct scene *s, sks_pipeline *p, struct book *b)
{
    return build_middle(s, p, b, feed_slowly, stop_at_trigger, sink);
}

static bool build_abort(const struct scene *s, sks_pipeline *p, struct book *b)
{
    return build_middle(s, p, b, feed_slowly, abort_at_trigger, sink);
}

static bool build_fail(const struct scene *s, sks_pipeline *p, struct book *b)
{
    return build_middle(s, p, b, feed, fail_at_trigger, sink);
}

static bool build_signal(const struct scene *s, sks_pipeline *p, struct book *b)
{
    return build_middle(s, p, b, feed_slowly, signal_at_trigger, sink);
}

static bool build_enough(const struct scene *s, sks_pipeline *p, struct book *b)
{
    return build_middle(s, p, b, feed_slowly, pass, enough_at_trigger);
}

static bool build_snapshot(const struct scene *s, sks_pipeline *p, struct book *b)
{
    return build_middle(s, p, b, feed, look_around, sink);
}

static bool build_deadline(const struct scene *s, sks_pipeline *p, struct book *b)
{
    return build_middle(s, p, b, feed_slowly, pass, sink);
}

static const struct plan plans[] = {
    {"two stages", build_two, SKS_DRAINED, 0, 0, false},
    {"a net", build_net, SKS_DRAINED, 0, 0, false},
    {"in order", build_order, SKS_DRAINED, 0, 0, false},
    {"batches", build_batch, SKS_DRAINED, 0, 0, false},
    {"a stop", build_stop, SKS_DRAINED, 0, 0, true},
    {"an abort", build_abort, SKS_ABORTED, ECANCELED, 0, true},
    {"a failure", build_fail, SKS_STAGE_FAILED, EDOM, 0, false},
    {"a signal", build_signal, SKS_DRAINED, 0, 0, true},
    {"enough", build_enough, SKS_DRAINED, 0, 0, true},
    {"snapshots", build_snapshot, SKS_DRAINED, 0, 0, false},
    {"a deadline", build_deadline, SKS_DEADLINE, ETIMEDOUT, 2 * MS, true},
};

/* ---- a run ------------------------------------------------------------- */

/* True when the run began; then it ended as planned. */
static bool run_begins(const struct plan *plan, sks_pipeline *p, struct book *b, bool wanted)
{
    int64_t deadline = plan->deadline_ns ? sks_after(plan->deadline_ns) : SKS_NEVER;
    sks_receipt *r = NULL;
    int code = sks_pipeline_run(p, deadline, wanted ? &r : NULL) ? errno : 0;
    char text[8192];

    if (code != plan->code) {
        CHECK(r == NULL);
        CHECK(b->next == 0); /* nothing of the user has run */
        CHECK(sks_pipeline_error(p)[0]);
        errno = code;
        return false;
    }
    CHECK(b->next > 0 || plan->outcome == SKS_DEADLINE);
    CHECK((r != NULL) == wanted);
    if (r) {
        receipt_check(r);
        CHECK(r->outcome == plan->outcome);
        CHECK(sks_receipt_text(r, text, sizeof text) < sizeof text);
        CHECK(sks_receipt_json(r, text, sizeof text) < sizeof text);
    }
    sks_receipt_free(r);
    return true;
}

static void pipeline_scene(struct scene *s)
{
    const struct plan *plan = s->arg;
    struct book *b = book_new(plan->endless ? BOOK_MAX : ITEMS);
    sks_pipeline *p = NULL;
    sks_receipt *r = NULL;
    char text[2048];

    now = s;
    if (!TRY(s, (p = sks_pipeline_new("fault")) != NULL))
        goto out;
    sks_pipeline_on_discard(p, on_discard, b);
    sks_pipeline_on_dead_letter(p, on_dead_letter, b);
    if (!plan->build(s, p, b))
        goto out;
    (void)TRY(s, run_begins(plan, p, b, true));
    if (plan->build == build_two) { /* again, without a receipt */
        b->next = 0;
        (void)TRY(s, run_begins(plan, p, b, false));
    }
    (void)TRY(s, (r = sks_pipeline_snapshot(p)) != NULL);
    if (r)
        receipt_check(r);
    sks_receipt_free(r);
    (void)sks_pipeline_dot(p, text, sizeof text);
out:
    sks_pipeline_free(p);
    b->n = BOOK_MAX;
    book_check(b);
    free(b);
}

static void pipelines_sweep(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        char text[64];

        snprintf(text, sizeof text, "pipeline, %s", plans[i].name);
        sweep(text, pipeline_scene, &plans[i], FAULT_ALL);
    }
}

static void pipeline_of_each_shape_drains_or_does_not_begin(void **state)
{
    (void)state;
    pipelines_sweep(0, 4);
}

static void pipeline_with_each_ending_ends_so_or_does_not_begin(void **state)
{
    (void)state;
    pipelines_sweep(4, sizeof plans / sizeof *plans);
}

SKS_TESTS("fault/pipeline", cmocka_unit_test(pipeline_of_each_shape_drains_or_does_not_begin),
          cmocka_unit_test(pipeline_with_each_ending_ends_so_or_does_not_begin))
