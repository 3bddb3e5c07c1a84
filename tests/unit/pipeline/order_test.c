/* SPDX-License-Identifier: MIT */
/*
 * order_test.c - several workers, one order: G19, G20.
 */
#include "unit/pipeline/helper.h"

#include <sched.h>

/* Some items take longer than others, by a dice of their number. */
static void dawdle(uint64_t i)
{
    for (uint64_t k = (i * 2654435761u >> 7) % 8; k > 0; k--)
        sched_yield();
}

struct holes {
    struct book *b;
    uint64_t every;
};

/* Every k-th item is dropped, failed or lost in turn. */
static int holey(sks_worker *w, void *item)
{
    struct holes *h = sks_worker_arg(w);
    uint64_t i;

    memcpy(&i, item, sizeof i);
    dawdle(i);
    if (i % h->every)
        return sks_emit(w, item) ? SKS_ENOUGH : SKS_OK;
    if (i / h->every % 2 == 0)
        return sks_item_fail(w, item, EIO, "a hole");
    h->b->filtered[i]++;
    return SKS_OK;
}

static void g19_a_hole_releases_its_ticket(void **state)
{
    (void)state;
    for (uint64_t every = 1; every <= 3; every++) {
        for (unsigned workers = 2; workers <= 4; workers++) {
            struct book *b = book_new(2000);
            struct holes h = {b, every};
            sks_pipeline *p = pipeline_new(b);

            ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
            ok(p,
               sks_pipeline_stage(p, "holey", holey, &h,
                                  OPTIONS(.workers = workers, .ordered = true, .window = workers)));
            ok(p, sks_pipeline_sink(p, "write", sink_in_order, b, NULL));
            assert_int_equal(run(p, NULL), 0);
            assert_false(b->disorder);
            book_check(b);
            sks_pipeline_free(p);
            free(b);
        }
    }
}

struct lost {
    struct book *b;
    struct gate gate;
};

/* The worker with item 5 goes away when all the others wait behind it. */
static int lost_late(sks_worker *w, void *item)
{
    struct lost *l = sks_worker_arg(w);
    uint64_t i;

    memcpy(&i, item, sizeof i);
    if (i == 5) {
        gate_pass(&l->gate);
        pthread_exit(NULL);
    }
    return sks_emit(w, item) ? SKS_ENOUGH : SKS_OK;
}

static uint64_t taken(sks_pipeline *p)
{
    sks_receipt *r = sks_pipeline_snapshot(p);
    uint64_t n = stage_of(r, "lose")->in;

    sks_receipt_free(r);
    return n;
}

static void g19_a_lost_worker_releases_its_ticket(void **state)
{
    struct book *b = book_new(1000);
    struct lost l = {.b = b};
    sks_pipeline *p = pipeline_new(b);
    struct runner t;

    (void)state;
    gate_init(&l.gate);
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_stage(
              p, "lose", lost_late, &l,
              OPTIONS(.workers = 2, .ordered = true, .window = 4, .worker_loss_ok = true)));
    ok(p, sks_pipeline_sink(p, "write", sink_in_order, b, NULL));
    runner_start(&t, p);
    gate_await(&l.gate);
    while (taken(p) < 9) /* 5 to 8: the window is full */
        sched_yield();
    gate_open(&l.gate);
    assert_int_equal(runner_join(&t), 0);
    assert_int_equal(b->n_sunk, 999);
    assert_int_equal(b->n_failed, 1);
    assert_false(b->disorder);
    book_check(b);
    sks_receipt_free(t.r);
    sks_pipeline_free(p);
    free(b);
}

static int slow_pass(sks_worker *w, void *item)
{
    uint64_t i;

    memcpy(&i, item, sizeof i);
    dawdle(i);
    return sks_emit(w, item) ? SKS_ENOUGH : SKS_OK;
}

static int stops(sks_worker *w, void *item)
{
    struct book *b = sks_worker_arg(w);

    if (b->n_sunk == b->n / 2)
        sks_pipeline_stop(sks_worker_pipeline(w));
    return sink_in_order(w, item);
}

static void g20_order_at_the_sink_is_that_of_the_source(void **state)
{
    (void)state;
    for (int drain = 0; drain <= 1; drain++) {
        struct book *b = book_new(3000);
        sks_pipeline *p = pipeline_new(b);

        ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
        ok(p, sks_pipeline_stage(p, "a", slow_pass, b, OPTIONS(.workers = 4, .ordered = true)));
        ok(p, sks_pipeline_stage(p, "b", slow_pass, b,
                                 OPTIONS(.workers = 3, .ordered = true, .window = 3)));
        ok(p, sks_pipeline_sink(p, "write", drain ? stops : sink_in_order, b, NULL));
        assert_int_equal(run(p, NULL), 0);
        assert_false(b->disorder);
        assert_int_equal(b->n_discarded, 0);
        assert_int_equal(b->n_sunk, b->next > b->n ? b->n : b->next);
        book_check(b);
        sks_pipeline_free(p);
        free(b);
    }
}

/* More children than a ticket keeps: the rest waits for the turn. */
struct burst {
    struct gate gate;
    _Atomic unsigned in;
};

static int bursts(sks_worker *w, void *item)
{
    struct burst *u = sks_worker_arg(w);
    uint64_t i, child;

    memcpy(&i, item, sizeof i);
    if (i == 0)
        gate_pass(&u->gate);
    for (uint64_t k = 0; k < 1500; k++) {
        child = i * 1500 + k;
        if (sks_emit(w, &child))
            return SKS_ENOUGH;
        if (i == 1 && k == 1023)
            gate_open(&u->gate); /* as many as are kept: now let the first one go */
    }
    return SKS_OK;
}

static int count_in_order(sks_worker *w, void *item)
{
    struct book *b = sks_worker_arg(w);
    uint64_t i;

    memcpy(&i, item, sizeof i);
    if (i != b->last)
        b->disorder = true;
    b->last = i + 1;
    return SKS_OK;
}

static void g20_more_children_than_a_ticket_keeps(void **state)
{
    struct book *b = book_new(6);
    struct burst u = {.in = 0};
    sks_pipeline *p = sks_pipeline_new("burst");

    (void)state;
    gate_init(&u.gate);
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_stage(p, "burst", bursts, &u, OPTIONS(.workers = 3, .ordered = true)));
    ok(p, sks_pipeline_sink(p, "write", count_in_order, b, NULL));
    assert_int_equal(run(p, NULL), 0);
    assert_false(b->disorder);
    assert_int_equal(b->last, 9000);
    sks_pipeline_free(p);
    free(b);
}

/* Kept children remember the stage they were meant for. */
static int by_number(sks_worker *w, void *item)
{
    uint64_t i;

    memcpy(&i, item, sizeof i);
    dawdle(i);
    assert_int_equal(sks_emit_to(w, "nowhere", item), -1);
    assert_int_equal(errno, EINVAL);
    return sks_emit_to(w, i % 3 ? "most" : "third", item) ? SKS_ENOUGH : SKS_OK;
}

static void g20_kept_children_remember_their_target(void **state)
{
    struct book *b = book_new(3000), *c = book_new(3000);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_stage(p, "split", by_number, b, OPTIONS(.workers = 3, .ordered = true)));
    ok(p, sks_pipeline_sink(p, "most", sink_in_order, b, NULL));
    ok(p, sks_pipeline_sink(p, "third", sink_in_order, c, NULL));
    ok(p, sks_pipeline_link(p, "read", "split", NULL));
    ok(p, sks_pipeline_link(p, "split", "most", "chan:?items=2"));
    ok(p, sks_pipeline_link(p, "split", "third", "chan:?items=2"));
    assert_int_equal(run(p, &r), 0);
    assert_int_equal(stage_of(r, "third")->in, 1000);
    assert_int_equal(stage_of(r, "most")->in, 2000);
    for (uint64_t i = 0; i < 3000; i++)
        assert_int_equal(i % 3 ? b->sunk[i] : c->sunk[i], 1);
    assert_false(b->disorder || c->disorder);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
    free(c);
}

SKS_TESTS("pipeline/order", cmocka_unit_test(g19_a_hole_releases_its_ticket),
          cmocka_unit_test(g19_a_lost_worker_releases_its_ticket),
          cmocka_unit_test(g20_order_at_the_sink_is_that_of_the_source),
          cmocka_unit_test(g20_more_children_than_a_ticket_keeps),
          cmocka_unit_test(g20_kept_children_remember_their_target))
