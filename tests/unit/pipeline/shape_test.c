/* SPDX-License-Identifier: MIT */
/*
 * shape_test.c - graphs of every shape, and their bounds: G22, G23, bytes.
 *
 * Covers: flow.c inlet.c outlet.c
 */
#include "unit/pipeline/helper.h"

#include <sched.h>

#define ONE "chan:?items=1"

/* ---- G22 --------------------------------------------------------------- */

static void diamond(const char *uri, unsigned workers, bool ordered)
{
    struct book *b = book_new(2000);
    sks_pipeline *p = pipeline_new(b);
    const sks_stage_options *o = OPTIONS(.workers = workers, .ordered = ordered);

    ok(p, sks_pipeline_source(p, "top", feed, b, OPTIONS(.workers = workers)));
    ok(p, sks_pipeline_stage(p, "left", pass, b, o));
    ok(p, sks_pipeline_stage(p, "right", pass, b, o));
    ok(p, sks_pipeline_sink(p, "bottom", sink, b, OPTIONS(.workers = workers)));
    ok(p, sks_pipeline_link(p, "top", "left", uri));
    ok(p, sks_pipeline_link(p, "top", "right", uri));
    ok(p, sks_pipeline_link(p, "left", "bottom", uri));
    ok(p, sks_pipeline_link(p, "right", "bottom", uri));
    assert_int_equal(run(p, NULL), 0);
    assert_int_equal(b->n_sunk, 2000);
    book_check(b);
    sks_pipeline_free(p);
    free(b);
}

static void g22_a_diamond_with_capacity_one(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        diamond(ONE, workers, false);
        diamond(ONE, workers, true);
        diamond("chan:?items=1&bytes=1", workers, false);
        diamond("chan:?items=1&bytes=1", workers, true);
    }
}

/* Both ways at once: a short cut past the middle stage. */
static void g22_a_short_cut_with_capacity_one(void **state)
{
    struct book *b = book_new(2000);
    sks_pipeline *p = pipeline_new(b);

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_stage(p, "middle", pass, b, OPTIONS(.workers = 2)));
    ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
    ok(p, sks_pipeline_link(p, "read", "middle", ONE));
    ok(p, sks_pipeline_link(p, "read", "write", ONE));
    ok(p, sks_pipeline_link(p, "middle", "write", ONE));
    assert_int_equal(run(p, NULL), 0);
    assert_int_equal(b->n_sunk, 2000);
    book_check(b);
    sks_pipeline_free(p);
    free(b);
}

static void g22_fan_in_from_sources_of_different_length(void **state)
{
    struct book *b = book_new(2000), *none = book_new(0);
    sks_pipeline *p = pipeline_new(b);
    char name[16];

    (void)state;
    ok(p, sks_pipeline_sink(p, "write", sink, b, OPTIONS(.workers = 2)));
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "read%d", i);
        ok(p, sks_pipeline_source(p, name, feed, i % 2 ? b : none, NULL));
        ok(p, sks_pipeline_link(p, name, "write", ONE));
    }
    assert_int_equal(run(p, NULL), 0);
    assert_int_equal(b->n_sunk, 2000);
    book_check(b);
    sks_pipeline_free(p);
    free(b);
    free(none);
}

/* ---- G23 --------------------------------------------------------------- */

struct alive {
    struct book *b;
    _Atomic int now, most;
};

static void born(struct alive *a)
{
    int n = ++a->now, most = a->most;

    while (n > most && !atomic_compare_exchange_weak(&a->most, &most, n))
        ;
}

static int bear_feed(sks_worker *w)
{
    struct alive *a = sks_worker_arg(w);
    uint64_t i = a->b->next++;

    if (i >= a->b->n)
        return SKS_END;
    a->b->emitted[i]++;
    born(a);
    return sks_emit(w, &i) ? SKS_ENOUGH : SKS_OK;
}

static int slow_death(sks_worker *w, void *item)
{
    struct alive *a = sks_worker_arg(w);

    for (int i = 0; i < 3; i++)
        sched_yield();
    book_sink(a->b, item);
    a->now--;
    return SKS_OK;
}

static int slow_turn(sks_worker *w, void *item)
{
    uint64_t i;

    memcpy(&i, item, sizeof i);
    for (uint64_t k = i % 16 ? 0 : 20; k > 0; k--)
        sched_yield();
    return sks_emit(w, item) ? SKS_ENOUGH : SKS_OK;
}

static void g23_items_alive_are_bounded(void **state)
{
    struct book *b = book_new(5000);
    struct alive a = {.b = b};
    sks_pipeline *p = pipeline_new(b);

    (void)state;
    ok(p, sks_pipeline_source(p, "read", bear_feed, &a, NULL));
    ok(p, sks_pipeline_stage(p, "turn", slow_turn, &a,
                             OPTIONS(.workers = 3, .ordered = true, .window = 6)));
    ok(p, sks_pipeline_stage(p, "pass", pass, &a, OPTIONS(.workers = 2)));
    ok(p, sks_pipeline_sink(p, "write", slow_death, &a, NULL));
    ok(p, sks_pipeline_link(p, "read", "turn", "chan:?items=5"));
    ok(p, sks_pipeline_link(p, "turn", "pass", "chan:?items=3"));
    ok(p, sks_pipeline_link(p, "pass", "write", "chan:?items=4"));
    assert_int_equal(run(p, NULL), 0);
    assert_int_equal(a.now, 0);
    /* Capacities, workers, the reorder window. */
    assert_true(a.most <= 5 + 3 + 4 + 1 + 3 + 2 + 1 + 6);
    book_check(b);
    sks_pipeline_free(p);
    free(b);
}

/* ---- bytes ------------------------------------------------------------- */

static size_t weigh(const void *item, void *arg)
{
    uint64_t i;

    (void)arg;
    memcpy(&i, item, sizeof i);
    return i % 10 == 0 ? 1000 : 30; /* the heavy ones pass alone */
}

static void bytes_are_bounded_and_a_heavy_item_passes_alone(void **state)
{
    struct book *b = book_new(2000);
    sks_pipeline *p = pipeline_new(b);
    const sks_link_receipt *l;
    sks_receipt *r;

    (void)state;
    sks_pipeline_on_weigh(p, weigh, NULL);
    ok(p, sks_pipeline_source(p, "read", feed, b, OPTIONS(.workers = 2)));
    ok(p, sks_pipeline_stage(p, "pass", pass, b, OPTIONS(.workers = 2)));
    ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
    ok(p, sks_pipeline_link(p, "read", "pass", "chan:?items=64&bytes=100"));
    ok(p, sks_pipeline_link(p, "pass", "write", "chan:?items=64&bytes=1k"));
    assert_int_equal(run(p, &r), 0);
    assert_int_equal(b->n_sunk, 2000);
    l = link_of(r, "read->pass");
    assert_int_equal(l->bytes_max, 100);
    assert_int_equal(l->bytes_high_water, 1000);
    assert_int_equal(l->bytes, 0);
    assert_true(l->high_water <= 3);
    assert_true(link_of(r, "pass->write")->bytes_high_water <= 1024);
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

static int enough_later(sks_worker *w, void *item)
{
    struct book *b = sks_worker_arg(w);

    book_sink(b, item);
    return b->n_sunk < 20 ? SKS_OK : SKS_ENOUGH;
}

/* Senders that wait for bytes see the close and the abort. */
static void bytes_waiting_senders_see_the_end(void **state)
{
    struct book *b = book_new(2000);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, OPTIONS(.workers = 3)));
    ok(p, sks_pipeline_stage(p, "pass", pass, b, OPTIONS(.workers = 2, .ordered = true)));
    ok(p, sks_pipeline_sink(p, "write", enough_later, b, NULL));
    ok(p, sks_pipeline_link(p, "read", "pass", "chan:?items=64&bytes=20"));
    ok(p, sks_pipeline_link(p, "pass", "write", "chan:?items=64&bytes=1"));
    assert_int_equal(run(p, &r), 0);
    assert_int_equal(b->n_sunk, 20);
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

struct held {
    struct book *b;
    struct gate gate;
};

static int held_sink(sks_worker *w, void *item)
{
    struct held *h = sks_worker_arg(w);

    gate_pass(&h->gate);
    book_sink(h->b, item);
    return SKS_OK;
}

static void bytes_waiting_senders_see_an_abort(void **state)
{
    struct book *b = book_new(2000);
    struct held h = {.b = b};
    sks_pipeline *p = pipeline_new(b);
    uint64_t sent = 0;
    struct runner t;

    (void)state;
    gate_init(&h.gate);
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_sink(p, "write", held_sink, &h, NULL));
    ok(p, sks_pipeline_link(p, "read", "write", "chan:?bytes=16"));
    runner_start(&t, p);
    gate_await(&h.gate);
    while (sent < 3 || b->next < 4) { /* one is taken, two are in, the fourth waits */
        sks_receipt *r = sks_pipeline_snapshot(p);

        sent = r->links[0].sent;
        sks_receipt_free(r);
    }
    sks_pipeline_abort(p, EINTR);
    while (b->n_discarded == 0) /* the sender's own item */
        sched_yield();
    gate_open(&h.gate);
    assert_int_equal(runner_join(&t), EINTR);
    assert_int_equal(b->n_sunk, 1);
    book_check(b);
    sks_receipt_free(t.r);
    sks_pipeline_free(p);
    free(b);
}

SKS_TESTS("pipeline/shape", cmocka_unit_test(g22_a_diamond_with_capacity_one),
          cmocka_unit_test(g22_a_short_cut_with_capacity_one),
          cmocka_unit_test(g22_fan_in_from_sources_of_different_length),
          cmocka_unit_test(g23_items_alive_are_bounded),
          cmocka_unit_test(bytes_are_bounded_and_a_heavy_item_passes_alone),
          cmocka_unit_test(bytes_waiting_senders_see_the_end),
          cmocka_unit_test(bytes_waiting_senders_see_an_abort))
