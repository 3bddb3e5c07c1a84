/* SPDX-License-Identifier: MIT */
/*
 * balance_test.c - every item is counted once: G1 to G4, G6 to G8, and the feed.
 *
 * Covers: work.c inlet.c outlet.c worker.c
 */
#include "unit/pipeline/helper.h"

/* ---- stages ------------------------------------------------------------ */

/* By number: passes, is filtered, fails, fails without a dead letter. */
static int sieve(sks_worker *w, void *item)
{
    struct book *b = sks_worker_arg(w);
    uint64_t i;

    memcpy(&i, item, sizeof i);
    switch (i % 4) {
    case 1:
        b->filtered[i]++;
        return SKS_OK;
    case 2:
        return sks_item_fail(w, item, EIO, "item %llu is bad", (unsigned long long)i);
    case 3:
        b->failed[i]++;
        return SKS_FAILED;
    default:
        return sks_emit(w, item) ? SKS_ENOUGH : SKS_OK;
    }
}

static int fails_at_the_end(sks_worker *w, void *item)
{
    struct book *b = sks_worker_arg(w);
    uint64_t i;

    memcpy(&i, item, sizeof i);
    if (i == b->n / 2) {
        b->failed[i]++;
        return sks_stage_fail(w, EBADMSG, "half is enough");
    }
    return sks_emit(w, item) ? SKS_ENOUGH : SKS_OK;
}

static int twice(sks_worker *w, void *item)
{
    if (sks_emit(w, item) || sks_emit(w, item))
        return SKS_ENOUGH;
    return SKS_OK;
}

/* ---- tests ------------------------------------------------------------- */

static void sieve_run(unsigned workers, bool ordered)
{
    struct book *b = book_new(4000);
    sks_pipeline *p = pipeline_new(b);
    const sks_stage_receipt *s;
    sks_receipt *r;

    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p,
       sks_pipeline_stage(p, "sieve", sieve, b, OPTIONS(.workers = workers, .ordered = ordered)));
    ok(p, sks_pipeline_sink(p, "write", ordered ? sink_in_order : sink, b, NULL));
    assert_int_equal(run(p, &r), 0);
    assert_int_equal(r->outcome, SKS_DRAINED);
    s = stage_of(r, "sieve");
    assert_int_equal(s->in, 4000);
    assert_int_equal(s->passed, 1000);
    assert_int_equal(s->filtered, 1000);
    assert_int_equal(s->failed, 2000);
    assert_int_equal(s->out, 1000);
    assert_int_equal(stage_of(r, "write")->passed, 1000);
    assert_false(b->disorder);
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

static void g1_links_and_g2_stages_balance(void **state)
{
    (void)state;
    sieve_run(1, false);
    sieve_run(4, false);
    sieve_run(4, true);
}

static void g1_links_balance_after_a_failure(void **state)
{
    struct book *b = book_new(1000);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_stage(p, "half", fails_at_the_end, b, NULL));
    ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
    assert_int_equal(run(p, &r), EBADMSG);
    assert_int_equal(r->outcome, SKS_STAGE_FAILED);
    assert_int_equal(stage_of(r, "write")->passed, 500);
    assert_int_equal(link_of(r, "read->half")->discarded, b->n_discarded);
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

static void g2_children_are_counted_apart_from_items(void **state)
{
    struct book *b = book_new(500);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_stage(p, "twice", twice, b, OPTIONS(.workers = 3, .ordered = true)));
    ok(p, sks_pipeline_sink(p, "write", sink_in_order, b, NULL));
    assert_int_equal(run(p, &r), 0);
    assert_int_equal(stage_of(r, "twice")->passed, 500);
    assert_int_equal(stage_of(r, "twice")->out, 1000);
    for (size_t i = 0; i < 500; i++)
        assert_int_equal(b->sunk[i], 2);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

/* Several sources, workers, failures and filters: as sets. */
static void g3_ids_at_the_source_are_those_at_the_ends(void **state)
{
    struct book *b = book_new(BOOK_MAX);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, OPTIONS(.workers = 3)));
    ok(p, sks_pipeline_stage(p, "sieve", sieve, b, OPTIONS(.workers = 3)));
    ok(p, sks_pipeline_stage(p, "pass", pass, b, OPTIONS(.workers = 2, .ordered = true)));
    ok(p, sks_pipeline_sink(p, "write", sink, b, OPTIONS(.workers = 2)));
    assert_int_equal(run(p, &r), 0);
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

static void g4_no_id_twice_at_the_sink(void **state)
{
    struct book *b = book_new(10000);
    sks_pipeline *p = pipeline_new(b);

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, OPTIONS(.workers = 2)));
    ok(p, sks_pipeline_stage(p, "pass", pass, b, OPTIONS(.workers = 4)));
    ok(p, sks_pipeline_sink(p, "write", sink, b, OPTIONS(.workers = 2)));
    assert_int_equal(run(p, NULL), 0);
    for (size_t i = 0; i < b->n; i++)
        assert_int_equal(b->sunk[i], 1);
    sks_pipeline_free(p);
    free(b);
}

static int aborts(sks_worker *w, void *item)
{
    struct book *b = sks_worker_arg(w);

    book_sink(b, item);
    if (b->n_sunk == 100)
        sks_pipeline_abort(sks_worker_pipeline(w), EINTR);
    return SKS_OK;
}

static void g6_discarded_items_reach_the_callback_once(void **state)
{
    struct book *b = book_new(BOOK_MAX);
    sks_pipeline *p = pipeline_new(b);
    uint64_t discarded = 0;
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, OPTIONS(.workers = 2)));
    ok(p, sks_pipeline_stage(p, "pass", pass, b, OPTIONS(.workers = 3, .ordered = true)));
    ok(p, sks_pipeline_stage(p, "more", pass, b, OPTIONS(.workers = 2)));
    ok(p, sks_pipeline_sink(p, "write", aborts, b, NULL));
    assert_int_equal(run(p, &r), EINTR);
    assert_int_equal(r->outcome, SKS_ABORTED);
    for (size_t i = 0; i < r->n_links; i++)
        discarded += r->links[i].discarded;
    for (size_t i = 0; i < r->n_stages; i++)
        discarded += r->stages[i].discarded;
    assert_int_equal(discarded, b->n_discarded);
    assert_int_equal(b->reasons[SKS_DISCARD_ABORTED], b->n_discarded);
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

/* ---- the end ----------------------------------------------------------- */

struct producers {
    struct book *b;
    struct gate gate;
    unsigned n;
};

/* Worker 0 emits nothing; the last one waits until all others are done. */
static int producer(sks_worker *w)
{
    struct producers *s = sks_worker_arg(w);
    uint64_t i;

    if (sks_worker_index(w) == 0 && s->n > 1)
        return SKS_END;
    if (sks_worker_index(w) == s->n - 1)
        gate_pass(&s->gate);
    i = atomic_fetch_add(&s->b->next, 1);
    s->b->emitted[i]++;
    sks_emit(w, &i);
    return SKS_END;
}

static void g7_end_comes_after_the_last_of_n_producers(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 8; n++) {
        struct book *b = book_new(8);
        struct producers s = {.b = b, .n = n};
        sks_pipeline *p = pipeline_new(b);
        struct runner t;

        gate_init(&s.gate);
        ok(p, sks_pipeline_source(p, "read", producer, &s, OPTIONS(.workers = n)));
        ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
        runner_start(&t, p);
        gate_await(&s.gate);
        gate_open(&s.gate);
        assert_int_equal(runner_join(&t), 0);
        assert_int_equal(b->n_sunk, n > 1 ? n - 1 : 1);
        book_check(b);
        sks_receipt_free(t.r);
        sks_pipeline_free(p);
        free(b);
    }
}

struct ends {
    _Atomic unsigned opened, closed;
};

static void *end_open(sks_worker *w, void *arg)
{
    struct ends *e = arg;

    (void)w;
    e->opened++;
    return e;
}

static void end_close(void *user, void *arg)
{
    struct ends *e = arg;

    assert_ptr_equal(user, arg);
    e->closed++;
}

static int end_pass(sks_worker *w, void *item)
{
    assert_ptr_equal(sks_worker_user(w), sks_worker_arg(w));
    return pass(w, item);
}

static void g8_end_reaches_each_of_n_workers(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 16; n++) {
        struct book *b = book_new(200);
        struct ends e = {0, 0};
        sks_pipeline *p = pipeline_new(b);

        ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
        ok(p, sks_pipeline_stage(p, "pass", end_pass, &e,
                                 OPTIONS(.workers = n, .ordered = n % 2 == 0,
                                         .worker_open = end_open, .worker_close = end_close)));
        ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
        assert_int_equal(run(p, NULL), 0);
        assert_int_equal(b->n_sunk, 200);
        assert_int_equal(e.opened, n);
        assert_int_equal(e.closed, n);
        book_check(b);
        sks_pipeline_free(p);
        free(b);
    }
}

SKS_TESTS("pipeline/balance", cmocka_unit_test(g1_links_and_g2_stages_balance),
          cmocka_unit_test(g1_links_balance_after_a_failure),
          cmocka_unit_test(g2_children_are_counted_apart_from_items),
          cmocka_unit_test(g3_ids_at_the_source_are_those_at_the_ends),
          cmocka_unit_test(g4_no_id_twice_at_the_sink),
          cmocka_unit_test(g6_discarded_items_reach_the_callback_once),
          cmocka_unit_test(g7_end_comes_after_the_last_of_n_producers),
          cmocka_unit_test(g8_end_reaches_each_of_n_workers))
