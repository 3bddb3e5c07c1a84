/* SPDX-License-Identifier: MIT */
/*
 * failure_test.c - stages that fail, have enough, or lose a thread.  G11, G12, G13, G18.
 *
 * Covers: crew.c callback.c
 */
#include "unit/pipeline/helper.h"

#include <unistd.h>

/* ---- stages ------------------------------------------------------------ */

struct failing {
    struct book *b;
    uint64_t at; /* the item that makes it happen */
    _Atomic uint64_t seen;
    int how;
};

enum { FAIL, EXIT, CANCEL };

static int happens(sks_worker *w, void *item)
{
    struct failing *f = sks_worker_arg(w);

    if (f->seen++ != f->at)
        return sks_emit(w, item) ? SKS_ENOUGH : SKS_OK;
    if (f->how == EXIT)
        pthread_exit(NULL);
    if (f->how == CANCEL) {
        pthread_cancel(pthread_self());
        for (;;)
            pthread_testcancel();
    }
    on_dead_letter(item, "", 0, "", f->b);
    return sks_stage_fail(w, EBADMSG, "item %d is the one", (int)f->at);
}

static void happens_run(struct failing *f, const sks_stage_options *o, int code, sks_receipt **r)
{
    sks_pipeline *p = pipeline_new(f->b);

    ok(p, sks_pipeline_source(p, "read", feed, f->b, NULL));
    ok(p, sks_pipeline_stage(p, "middle", happens, f, o));
    ok(p, sks_pipeline_sink(p, "write", sink, f->b, NULL));
    ok(p, sks_pipeline_link(p, "read", "middle", "chan:?items=2"));
    ok(p, sks_pipeline_link(p, "middle", "write", "chan:?items=2"));
    assert_int_equal(run(p, r), code);
    book_check(f->b);
    sks_pipeline_free(p);
}

/* ---- G11 --------------------------------------------------------------- */

static void g11_a_middle_stage_fails_at(uint64_t at, uint64_t n)
{
    struct book *b = book_new(n);
    struct failing f = {.b = b, .at = at};
    sks_receipt *r;

    happens_run(&f, NULL, EBADMSG, &r);
    assert_int_equal(r->outcome, SKS_STAGE_FAILED);
    assert_string_equal(r->cause_stage, "middle");
    assert_int_equal(r->cause_item, at);
    assert_int_equal(r->cause, EBADMSG);
    assert_true(strncmp(r->cause_text, "item ", 5) == 0);
    assert_false(r->stopped);
    assert_int_equal(b->n_sunk, at); /* what was before it is drained */
    sks_receipt_free(r);
    free(b);
}

static void g11_a_middle_stage_fails_and_both_sides_wake(void **state)
{
    (void)state;
    g11_a_middle_stage_fails_at(0, 1000);
    g11_a_middle_stage_fails_at(1, 1000);
    g11_a_middle_stage_fails_at(500, 1000);
    g11_a_middle_stage_fails_at(999, 1000);
}

static void g11_abort_on_failure_discards_below_too(void **state)
{
    struct book *b = book_new(1000);
    struct failing f = {.b = b, .at = 100};
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_stage(p, "middle", happens, &f, NULL));
    ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
    sks_pipeline_abort_on_failure(p, true);
    assert_int_equal(run(p, &r), EBADMSG);
    assert_int_equal(r->outcome, SKS_STAGE_FAILED);
    assert_string_equal(r->cause_stage, "middle");
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

static void *no_open(sks_worker *w, void *arg)
{
    (void)arg;
    errno = ENODEV;
    return sks_worker_index(w) == 1 ? NULL : arg;
}

static void g11_worker_open_that_fails_fails_the_stage(void **state)
{
    struct book *b = book_new(1000);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_stage(p, "middle", pass, b, OPTIONS(.workers = 2, .worker_open = no_open)));
    ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
    assert_int_equal(run(p, &r), ENODEV);
    assert_string_equal(r->cause_stage, "middle");
    assert_int_equal(r->cause_worker, 1);
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

static int every_item_fails(sks_worker *w, void *item)
{
    return sks_item_fail(w, item, ENOSPC, "no room");
}

static void g11_too_many_failed_items_fail_the_stage(void **state)
{
    struct book *b = book_new(1000);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_sink(p, "write", every_item_fails, b, OPTIONS(.item_failures_max = 7)));
    assert_int_equal(run(p, &r), ENOSPC);
    assert_int_equal(stage_of(r, "write")->failed, 7);
    assert_int_equal(b->n_failed, 7);
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

/* ---- G12 --------------------------------------------------------------- */

/* The stage above sees its output closed and takes it for a failure of its own. */
static int takes_it_hard(sks_worker *w, void *item)
{
    return sks_emit(w, item) ? SKS_FAIL : SKS_OK;
}

static int takes_it_in_words(sks_worker *w, void *item)
{
    return sks_emit(w, item) ? sks_stage_fail(w, ECANCELED, "cancelled") : SKS_OK;
}

static int fails_with_eio(sks_worker *w, void *item)
{
    struct book *b = sks_worker_arg(w);

    on_dead_letter(item, "", 0, "", b);
    errno = EIO;
    return SKS_FAIL;
}

static void g12_run(sks_item_fn *above, sks_item_fn *below, int code, const char *stage)
{
    struct book *b = book_new(1000);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_stage(p, "above", above, b, OPTIONS(.workers = 2)));
    ok(p, sks_pipeline_sink(p, "below", below, b, NULL));
    assert_int_equal(run(p, &r), code);
    assert_string_equal(r->cause_stage, stage);
    assert_int_equal(r->cause, code);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

static int enough(sks_worker *w, void *item)
{
    sink(w, item);
    return SKS_ENOUGH;
}

static int aborts_and_fails(sks_worker *w, void *item)
{
    on_dead_letter(item, "", 0, "", sks_worker_arg(w));
    sks_pipeline_abort(sks_worker_pipeline(w), EOWNERDEAD);
    return sks_stage_fail(w, EIO, "after the abort");
}

static void g12_the_first_cause_wins(void **state)
{
    (void)state;
    g12_run(takes_it_hard, fails_with_eio, EIO, "below");
    g12_run(takes_it_in_words, fails_with_eio, EIO, "below");
    g12_run(takes_it_hard, enough, 0, "");
    g12_run(pass, aborts_and_fails, EOWNERDEAD, "");
}

/* ---- G13 --------------------------------------------------------------- */

static void g13_a_consumer_that_has_enough_is_no_failure(void **state)
{
    struct book *b = book_new(10000);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, OPTIONS(.workers = 2)));
    ok(p, sks_pipeline_stage(p, "pass", pass, b, OPTIONS(.workers = 2, .ordered = true)));
    ok(p, sks_pipeline_sink(p, "head", enough, b, NULL));
    assert_int_equal(run(p, &r), 0);
    assert_int_equal(r->outcome, SKS_DRAINED);
    assert_int_equal(r->cause, 0);
    assert_int_equal(b->n_sunk, 1);
    assert_int_equal(b->reasons[SKS_DISCARD_CLOSED], b->n_discarded);
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

/* Of two sinks one has enough: the other gets the rest. */
static void g13_one_of_two_consumers_leaves(void **state)
{
    struct book *b = book_new(1000);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_sink(p, "head", enough, b, NULL));
    ok(p, sks_pipeline_sink(p, "rest", sink, b, NULL));
    ok(p, sks_pipeline_link(p, "read", "head", "chan:?items=1"));
    ok(p, sks_pipeline_link(p, "read", "rest", "chan:?items=1"));
    assert_int_equal(run(p, &r), 0);
    assert_int_equal(stage_of(r, "head")->passed, 1);
    assert_int_equal(stage_of(r, "read")->out, 1000);
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

/* ---- G18 --------------------------------------------------------------- */

static void g18_lost(int how, const sks_stage_options *o, uint64_t at)
{
    struct book *b = book_new(1000);
    struct failing f = {.b = b, .how = how, .at = at};
    bool goes_on = o && o->worker_loss_ok;
    sks_receipt *r;

    happens_run(&f, o, goes_on ? 0 : ECANCELED, &r);
    assert_int_equal(stage_of(r, "middle")->failed, 1);
    assert_int_equal(b->n_failed, 1);
    if (goes_on) {
        assert_int_equal(b->n_sunk, 999);
    } else {
        assert_int_equal(r->outcome, SKS_STAGE_FAILED);
        assert_string_equal(r->cause_stage, "middle");
    }
    sks_receipt_free(r);
    free(b);
}

static void g18_a_lost_worker_fails_its_item_and_its_stage(void **state)
{
    (void)state;
    for (int how = EXIT; how <= CANCEL; how++) {
        g18_lost(how, NULL, 0);
        g18_lost(how, NULL, 999);
        g18_lost(how, OPTIONS(.workers = 3), 10);
        g18_lost(how, OPTIONS(.workers = 3, .ordered = true), 10);
    }
}

static void g18_the_rest_goes_on_when_the_policy_says_so(void **state)
{
    (void)state;
    for (int how = EXIT; how <= CANCEL; how++) {
        g18_lost(how, OPTIONS(.workers = 3, .worker_loss_ok = true), 10);
        g18_lost(how, OPTIONS(.workers = 2, .ordered = true, .worker_loss_ok = true), 10);
        g18_lost(how, OPTIONS(.workers = 2, .ordered = true, .worker_loss_ok = true), 999);
    }
}

struct waiting {
    struct gate gate;
    pthread_t worker;
    struct book *b;
};

static void *tell_thread(sks_worker *w, void *arg)
{
    struct waiting *s = arg;

    (void)w;
    s->worker = pthread_self();
    sem_post(&s->gate.arrived);
    return s;
}

static int gated_feed(sks_worker *w)
{
    struct waiting *s = sks_worker_arg(w);
    uint64_t i = s->b->next++;

    if (i == s->b->n)
        return SKS_END;
    if (i == 0)
        while (sem_wait(&s->gate.open))
            ;
    s->b->emitted[i]++;
    return sks_emit(w, &i) ? SKS_ENOUGH : SKS_OK;
}

static int testcancel(sks_worker *w, void *item)
{
    struct waiting *s = sks_worker_arg(w);

    pthread_testcancel();
    book_sink(s->b, item);
    return SKS_OK;
}

static int no_testcancel(sks_worker *w, void *item)
{
    struct waiting *s = sks_worker_arg(w);

    book_sink(s->b, item);
    return SKS_OK;
}

/* Cancelled while it waits for its first item: it is lost in the user's code only. */
static void g18_a_cancel_of_a_waiting_worker_loses_no_item(void **state)
{
    (void)state;
    for (int lost = 0; lost <= 1; lost++) {
        struct book *b = book_new(5);
        struct waiting s = {.b = b};
        sks_pipeline *p = pipeline_new(b);
        struct runner t;

        gate_init(&s.gate);
        ok(p, sks_pipeline_source(p, "read", gated_feed, &s, NULL));
        ok(p, sks_pipeline_sink(p, "write", lost ? testcancel : no_testcancel, &s,
                                OPTIONS(.worker_open = tell_thread)));
        runner_start(&t, p);
        gate_await(&s.gate);
        pthread_cancel(s.worker);
        gate_open(&s.gate);
        assert_int_equal(runner_join(&t), lost ? ECANCELED : 0);
        assert_int_equal(b->n_failed, lost);
        assert_int_equal(b->n_sunk, lost ? 0 : 5);
        book_check(b);
        sks_receipt_free(t.r);
        sks_pipeline_free(p);
        free(b);
    }
}

static int source_exits(sks_worker *w)
{
    uint64_t zero = 0;

    sks_emit(w, &zero);
    pthread_exit(NULL);
}

static void g18_a_source_that_is_lost_ends_its_links(void **state)
{
    struct book *b = book_new(1);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", source_exits, b, NULL));
    ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
    assert_int_equal(run(p, &r), ECANCELED);
    assert_string_equal(r->cause_stage, "read");
    assert_int_equal(b->n_sunk, 1);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

SKS_TESTS("pipeline/failure", cmocka_unit_test(g11_a_middle_stage_fails_and_both_sides_wake),
          cmocka_unit_test(g11_abort_on_failure_discards_below_too),
          cmocka_unit_test(g11_worker_open_that_fails_fails_the_stage),
          cmocka_unit_test(g11_too_many_failed_items_fail_the_stage),
          cmocka_unit_test(g12_the_first_cause_wins),
          cmocka_unit_test(g13_a_consumer_that_has_enough_is_no_failure),
          cmocka_unit_test(g13_one_of_two_consumers_leaves),
          cmocka_unit_test(g18_a_lost_worker_fails_its_item_and_its_stage),
          cmocka_unit_test(g18_the_rest_goes_on_when_the_policy_says_so),
          cmocka_unit_test(g18_a_cancel_of_a_waiting_worker_loses_no_item),
          cmocka_unit_test(g18_a_source_that_is_lost_ends_its_links))
