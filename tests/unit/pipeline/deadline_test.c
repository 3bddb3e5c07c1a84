/* SPDX-License-Identifier: MIT */
/*
 * deadline_test.c - stages that are stuck in their own code.  G16.
 *
 * So that a deadline never passes before the stage is stuck, it is mostly the one of
 * a drain: the test waits for the stage, then raises the signal.
 *
 * Covers: build.c
 */
#include "unit/pipeline/helper.h"

#include <sched.h>
#include <signal.h>

struct stuck {
    struct book *b;
    struct gate gate;
    uint64_t at;
    _Atomic uint64_t seen;
    bool emits; /* when it is back */
    _Atomic bool back;
};

static int gets_stuck(sks_worker *w, void *item)
{
    struct stuck *s = sks_worker_arg(w);

    if (s->seen++ == s->at) {
        gate_pass(&s->gate);
        if (s->emits)
            assert_int_equal(sks_emit(w, item), -1);
        s->back = true;
        return SKS_OK;
    }
    return sks_emit(w, item) ? SKS_ENOUGH : SKS_OK;
}

static sks_pipeline *stuck_new(struct stuck *s, const sks_stage_options *o)
{
    sks_pipeline *p = pipeline_new(s->b);

    gate_init(&s->gate);
    ok(p, sks_pipeline_on_signal(p, SIGUSR1, 1));
    ok(p, sks_pipeline_source(p, "read", feed, s->b, NULL));
    ok(p, sks_pipeline_stage(p, "middle", gets_stuck, s, o));
    ok(p, sks_pipeline_sink(p, "write", sink, s->b, NULL));
    return p;
}

/* Runs until a stage is stuck, and from there to the end of a bounded drain. */
static void run_stuck(sks_pipeline *p, struct stuck *s, int code, sks_receipt **r)
{
    struct runner t;

    runner_start(&t, p);
    gate_await(&s->gate);
    raise(SIGUSR1);
    assert_int_equal(runner_join(&t), code);
    if (r)
        *r = t.r;
    else
        sks_receipt_free(t.r);
}

/* Until the stuck worker has left. */
static void await_back(sks_pipeline *p)
{
    while (sks_pipeline_on_signal(p, SIGUSR2, 0)) {
        assert_int_equal(errno, EBUSY);
        sched_yield();
    }
}

static void g16_run(const sks_stage_options *o, bool emits)
{
    struct book *b = book_new(BOOK_MAX);
    struct stuck s = {.b = b, .at = 7, .emits = emits};
    sks_pipeline *p = stuck_new(&s, o);
    const sks_stage_receipt *m;
    sks_receipt *r;

    run_stuck(p, &s, ETIMEDOUT, &r);
    assert_int_equal(r->outcome, SKS_DEADLINE);
    assert_string_equal(r->cause_stage, "middle");
    assert_int_equal(r->cause_item, o ? stage_of(r, "middle")->stuck_item : 7);
    m = stage_of(r, "middle");
    assert_int_equal(m->in_hand, 1);
    assert_true(m->stuck_ns > 0);
    assert_int_equal(stage_of(r, "read")->in_hand, 0);
    assert_int_equal(link_of(r, "middle->write")->left, 0);
    sks_receipt_free(r);
    assert_int_equal(sks_pipeline_run(p, SKS_NEVER, NULL), -1);
    assert_int_equal(errno, EBUSY);
    gate_open(&s.gate);
    await_back(p);
    r = sks_pipeline_snapshot(p);
    receipt_check(r);
    assert_int_equal(stage_of(r, "middle")->in_hand, 0);
    sks_receipt_free(r);
    for (uint64_t i = 0; i < b->n; i++)
        assert_true(b->sunk[i] + b->discarded[i] <= b->emitted[i]);
    sks_pipeline_free(p);
    free(b);
}

static void g16_the_stuck_stage_is_named(void **state)
{
    (void)state;
    g16_run(NULL, false);
    g16_run(NULL, true);
    g16_run(OPTIONS(.workers = 3), true);
    g16_run(OPTIONS(.workers = 3, .ordered = true), false);
    g16_run(OPTIONS(.workers = 3, .ordered = true), true);
}

static void g16_it_can_run_again_when_the_stuck_one_is_back(void **state)
{
    struct book *b = book_new(100);
    struct stuck s = {.b = b, .at = 7};
    sks_pipeline *p = stuck_new(&s, NULL);

    (void)state;
    run_stuck(p, &s, ETIMEDOUT, NULL);
    gate_open(&s.gate);
    await_back(p);
    b->next = 0;
    assert_int_equal(run(p, NULL), 0);
    sks_pipeline_free(p);
    free(b);
}

/* Freed while a stage is stuck: no callback is called any more. */
static void g16_free_while_a_stage_is_stuck(void **state)
{
    struct book *b = book_new(BOOK_MAX);
    static struct stuck s; /* the stuck thread looks at it after the test's end */
    uint64_t discarded;
    sks_pipeline *p;

    (void)state;
    s = (struct stuck){.b = b, .at = 7, .emits = true};
    p = stuck_new(&s, NULL);
    run_stuck(p, &s, ETIMEDOUT, NULL);
    sks_pipeline_free(p);
    discarded = b->n_discarded;
    gate_open(&s.gate);
    while (!s.back)
        sched_yield();
    assert_int_equal(b->n_discarded, discarded);
    free(b);
}

static void *stuck_open(sks_worker *w, void *arg)
{
    struct stuck *s = arg;

    (void)w;
    gate_pass(&s->gate);
    return s;
}

static int ends(sks_worker *w)
{
    (void)w;
    return SKS_END;
}

/* However late its thread starts, it is stuck. */
static void g16_a_stuck_source_is_named_at_the_deadline(void **state)
{
    struct book *b = book_new(1);
    struct stuck s = {.b = b};
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    gate_init(&s.gate);
    ok(p, sks_pipeline_source(p, "read", ends, &s, OPTIONS(.worker_open = stuck_open)));
    ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
    assert_int_equal(run_to(p, SKS_NOW, &r), ETIMEDOUT);
    assert_int_equal(r->outcome, SKS_DEADLINE);
    assert_string_equal(r->cause_stage, "read");
    assert_false(r->stopped);
    sks_receipt_free(r);
    gate_open(&s.gate);
    await_back(p);
    sks_pipeline_free(p);
    free(b);
}

static int stuck_once(sks_worker *w)
{
    struct stuck *s = sks_worker_arg(w);

    if (s->seen++ == 0)
        gate_pass(&s->gate);
    return SKS_OK;
}

static void g16_a_stuck_source_is_not_called_again(void **state)
{
    struct book *b = book_new(1);
    struct stuck s = {.b = b};
    sks_pipeline *p = pipeline_new(b);

    (void)state;
    gate_init(&s.gate);
    ok(p, sks_pipeline_on_signal(p, SIGUSR1, 1));
    ok(p, sks_pipeline_source(p, "read", stuck_once, &s, NULL));
    ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
    run_stuck(p, &s, ETIMEDOUT, NULL);
    gate_open(&s.gate);
    await_back(p);
    assert_int_equal(s.seen, 1);
    sks_pipeline_free(p);
    free(b);
}

static int endless(sks_worker *w)
{
    uint64_t zero = 0;

    return sks_emit(w, &zero) ? SKS_ENOUGH : SKS_OK;
}

static void g16_a_deadline_that_nobody_is_stuck_at(void **state)
{
    struct book *b = book_new(1);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", endless, b, NULL));
    ok(p, sks_pipeline_stage(p, "pass", pass, b, OPTIONS(.workers = 2, .ordered = true)));
    ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
    assert_int_equal(run_to(p, SKS_NOW, &r), ETIMEDOUT);
    assert_int_equal(r->outcome, SKS_DEADLINE);
    for (size_t i = 0; i < r->n_links; i++)
        assert_int_equal(r->links[i].left, 0);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

/* A failure before the deadline stays the cause. */
static int fails_at_once(sks_worker *w, void *item)
{
    (void)item;
    return sks_stage_fail(w, EBADF, "at once");
}

static void g16_the_first_cause_outlives_the_deadline(void **state)
{
    struct book *b = book_new(1);
    struct stuck s = {.b = b};
    sks_pipeline *p = pipeline_new(b);
    int cause = 0;
    struct runner t;
    sks_receipt *r;

    (void)state;
    gate_init(&s.gate);
    ok(p, sks_pipeline_on_signal(p, SIGUSR1, 1));
    ok(p, sks_pipeline_source(p, "stuck", ends, &s, OPTIONS(.worker_open = stuck_open)));
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_sink(p, "write", fails_at_once, b, NULL));
    ok(p, sks_pipeline_link(p, "stuck", "write", NULL));
    ok(p, sks_pipeline_link(p, "read", "write", NULL));
    runner_start(&t, p);
    gate_await(&s.gate);
    while (cause == 0) {
        r = sks_pipeline_snapshot(p);
        cause = r->cause;
        sks_receipt_free(r);
    }
    raise(SIGUSR1);
    assert_int_equal(runner_join(&t), EBADF);
    assert_int_equal(t.r->outcome, SKS_DEADLINE);
    assert_string_equal(t.r->cause_stage, "write");
    sks_receipt_free(t.r);
    gate_open(&s.gate);
    await_back(p);
    sks_pipeline_free(p);
    free(b);
}

SKS_TESTS("pipeline/deadline", cmocka_unit_test(g16_the_stuck_stage_is_named),
          cmocka_unit_test(g16_it_can_run_again_when_the_stuck_one_is_back),
          cmocka_unit_test(g16_free_while_a_stage_is_stuck),
          cmocka_unit_test(g16_a_stuck_source_is_named_at_the_deadline),
          cmocka_unit_test(g16_a_stuck_source_is_not_called_again),
          cmocka_unit_test(g16_a_deadline_that_nobody_is_stuck_at),
          cmocka_unit_test(g16_the_first_cause_outlives_the_deadline))
