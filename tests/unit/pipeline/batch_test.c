/* SPDX-License-Identifier: MIT */
/*
 * batch_test.c - stages that take several items a call: G21.
 *
 * Covers: work.c
 */
#include "unit/pipeline/helper.h"

#include <sched.h>

struct batches {
    struct book *b;
    _Atomic uint64_t calls, most, least;
};

static int take_batch(sks_worker *w, void *items, size_t n)
{
    struct batches *s = sks_worker_arg(w);
    unsigned char *at = items;

    s->calls++;
    if (n > s->most)
        s->most = n;
    if (n < s->least)
        s->least = n;
    for (size_t i = 0; i < n; i++)
        book_sink(s->b, at + i * sizeof(uint64_t));
    return SKS_OK;
}

static void g21_run(uint64_t items, const sks_stage_options *o, uint64_t calls)
{
    struct book *b = book_new(items);
    struct batches s = {.b = b, .least = UINT64_MAX};
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_batch_stage(p, "write", take_batch, &s, o));
    assert_int_equal(run(p, &r), 0);
    assert_int_equal(stage_of(r, "write")->passed, items);
    assert_true(s.most <= o->batch);
    if (calls)
        assert_int_equal(s.calls, calls);
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

static void g21_a_part_filled_batch_is_flushed_at_the_end(void **state)
{
    (void)state;
    g21_run(100, OPTIONS(.batch = 16, .linger_ns = SKS_NEVER), 7);
    g21_run(96, OPTIONS(.batch = 16, .linger_ns = SKS_NEVER), 6);
    g21_run(1, OPTIONS(.batch = 16, .linger_ns = SKS_NEVER), 1);
    g21_run(0, OPTIONS(.batch = 16, .linger_ns = SKS_NEVER), 0);
    g21_run(100, OPTIONS(.batch = 16), 0);
    g21_run(100, OPTIONS(.batch = 1), 100);
    g21_run(1000, OPTIONS(.batch = 16, .linger_ns = SKS_NEVER, .workers = 3), 0);
}

/* Gives three items, then waits for the stop. */
static int three_then_wait(sks_worker *w)
{
    struct book *b = sks_worker_arg(w);

    if (b->next < 3)
        return feed(w);
    sched_yield();
    return SKS_OK;
}

static void g21_a_part_filled_batch_is_flushed_at_stop(void **state)
{
    struct book *b = book_new(3);
    struct batches s = {.b = b, .least = UINT64_MAX};
    sks_pipeline *p = pipeline_new(b);
    uint64_t in = 0;
    struct runner t;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", three_then_wait, b, NULL));
    ok(p, sks_pipeline_batch_stage(p, "write", take_batch, &s,
                                   OPTIONS(.batch = 16, .linger_ns = SKS_NEVER)));
    runner_start(&t, p);
    while (in < 3) {
        sks_receipt *r = sks_pipeline_snapshot(p);

        in = stage_of(r, "write")->in;
        assert_int_equal(stage_of(r, "write")->passed, 0);
        sks_receipt_free(r);
    }
    sks_pipeline_stop(p);
    assert_int_equal(runner_join(&t), 0);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.most, 3);
    book_check(b);
    sks_receipt_free(t.r);
    sks_pipeline_free(p);
    free(b);
}

/* The source waits for its items to arrive: only the linger time brings them on. */
static int wait_for_arrival(sks_worker *w)
{
    struct batches *s = sks_worker_arg(w);
    uint64_t i = s->b->next++;

    if (i >= s->b->n)
        return SKS_END;
    s->b->emitted[i]++;
    if (sks_emit(w, &i))
        return SKS_ENOUGH;
    while (s->b->n_sunk <= i)
        sched_yield();
    return SKS_OK;
}

static void g21_a_part_filled_batch_is_flushed_at_its_linger_time(void **state)
{
    struct book *b = book_new(3);
    struct batches s = {.b = b, .least = UINT64_MAX};
    sks_pipeline *p = pipeline_new(b);

    (void)state;
    ok(p, sks_pipeline_source(p, "read", wait_for_arrival, &s, NULL));
    ok(p,
       sks_pipeline_batch_stage(p, "write", take_batch, &s, OPTIONS(.batch = 16, .linger_ns = MS)));
    assert_int_equal(run(p, NULL), 0);
    assert_int_equal(s.calls, 3);
    book_check(b);
    sks_pipeline_free(p);
    free(b);
}

/* Of each batch the first item fails, the rest goes on in order. */
static int first_fails(sks_worker *w, void *items, size_t n)
{
    unsigned char *at = items;

    sks_item_fail(w, at, EIO, "the first");
    for (size_t i = 1; i < n; i++) {
        if (sks_emit(w, at + i * sizeof(uint64_t)))
            return SKS_ENOUGH;
    }
    return n == 1 ? SKS_FAILED : SKS_OK;
}

static void g2_items_of_a_batch_have_outcomes_of_their_own(void **state)
{
    struct book *b = book_new(1600);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_batch_stage(
              p, "pack", first_fails, b,
              OPTIONS(.batch = 16, .linger_ns = SKS_NEVER, .workers = 2, .ordered = true)));
    ok(p, sks_pipeline_sink(p, "write", sink_in_order, b, NULL));
    assert_int_equal(run(p, &r), 0);
    assert_int_equal(stage_of(r, "pack")->failed, 100);
    assert_int_equal(stage_of(r, "pack")->passed, 1500);
    assert_false(b->disorder);
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

static int lost_in_batch(sks_worker *w, void *items, size_t n)
{
    (void)n;
    sks_item_fail(w, (unsigned char *)items + sizeof(uint64_t), EIO, "the second");
    pthread_exit(NULL);
}

static void g18_a_worker_lost_in_a_batch_fails_each_item_once(void **state)
{
    struct book *b = book_new(4);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_batch_stage(p, "write", lost_in_batch, b,
                                   OPTIONS(.batch = 4, .linger_ns = SKS_NEVER)));
    assert_int_equal(run(p, &r), ECANCELED);
    assert_int_equal(stage_of(r, "write")->failed, 4);
    assert_int_equal(b->n_failed, 4);
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

/* An abort finds a batch that is still being put together. */
static void g6_a_batch_that_waits_is_discarded_by_an_abort(void **state)
{
    struct book *b = book_new(3);
    struct batches s = {.b = b, .least = UINT64_MAX};
    sks_pipeline *p = pipeline_new(b);
    uint64_t in = 0;
    struct runner t;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", three_then_wait, b, NULL));
    ok(p, sks_pipeline_batch_stage(p, "write", take_batch, &s,
                                   OPTIONS(.batch = 16, .linger_ns = SKS_NEVER)));
    runner_start(&t, p);
    while (in < 3) {
        sks_receipt *r = sks_pipeline_snapshot(p);

        in = stage_of(r, "write")->in;
        sks_receipt_free(r);
    }
    sks_pipeline_abort(p, 0);
    assert_int_equal(runner_join(&t), ECANCELED);
    assert_int_equal(s.calls, 0);
    assert_int_equal(stage_of(t.r, "write")->discarded, 3);
    assert_int_equal(b->reasons[SKS_DISCARD_ABORTED], 3);
    book_check(b);
    sks_receipt_free(t.r);
    sks_pipeline_free(p);
    free(b);
}

SKS_TESTS("pipeline/batch", cmocka_unit_test(g21_a_part_filled_batch_is_flushed_at_the_end),
          cmocka_unit_test(g21_a_part_filled_batch_is_flushed_at_stop),
          cmocka_unit_test(g21_a_part_filled_batch_is_flushed_at_its_linger_time),
          cmocka_unit_test(g2_items_of_a_batch_have_outcomes_of_their_own),
          cmocka_unit_test(g18_a_worker_lost_in_a_batch_fails_each_item_once),
          cmocka_unit_test(g6_a_batch_that_waits_is_discarded_by_an_abort))
