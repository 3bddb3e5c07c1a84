/* SPDX-License-Identifier: MIT */
/*
 * receipt_test.c - receipts as text, JSON and DOT, the verdict, and what balances.
 *
 * Covers: snapshot.c verdict.c clock.c
 */
#include "unit/pipeline/helper.h"

#include "pipeline/internal.h"

/* read -> gzip -> write, gzip limits. */
struct made {
    sks_stage_receipt stages[3];
    sks_link_receipt links[2];
    sks_receipt r;
};

#define SECOND 1000000000LL

static void make(struct made *m)
{
    *m = (struct made){
        .stages = {{.name = "read",
                    .workers = 1,
                    .out = 10,
                    .busy_ns = SECOND / 5,
                    .wait_out_ns = SECOND * 4 / 5},
                   {.name = "gzip",
                    .workers = 2,
                    .in = 10,
                    .out = 8,
                    .passed = 8,
                    .filtered = 1,
                    .failed = 1,
                    .busy_ns = 2 * SECOND * 97 / 100,
                    .wait_in_ns = SECOND / 50},
                   {.name = "write",
                    .workers = 1,
                    .in = 8,
                    .passed = 8,
                    .busy_ns = SECOND / 10,
                    .wait_in_ns = SECOND * 64 / 100}},
        .links = {{.name = "read->gzip",
                   .sent = 10,
                   .received = 10,
                   .capacity = 4,
                   .high_water = 4,
                   .blocked_sends = 6,
                   .blocked_send_ns = SECOND * 81 / 100},
                  {.name = "gzip->write", .sent = 8, .received = 8, .capacity = 4}},
        .r = {.pipeline = "t\"g\\z\n\xff\xc3\xa4",
              .outcome = SKS_DRAINED,
              .elapsed_ns = SECOND,
              .cause_stage = "",
              .cause_text = "",
              .bottleneck = "",
              .n_stages = 3,
              .n_links = 2},
    };
    m->links[0].from = m->stages[0].name;
    m->links[0].to = m->links[1].from = m->stages[1].name;
    m->links[1].to = m->stages[2].name;
    m->r.stages = m->stages;
    m->r.links = m->links;
}

/* ---- the verdict ------------------------------------------------------- */

static void verdict_names_the_narrow_stage(void **state)
{
    struct made m;
    char text[200];

    (void)state;
    make(&m);
    sksi_verdict(&m.r, text, sizeof text);
    assert_string_equal(text, "gzip 97 % busy, read blocked 80 %, write idle 64 %: "
                              "add workers to gzip");
}

/* The same while it runs: what counts is how full the links are. */
static void verdict_of_a_running_pipeline_looks_at_the_links(void **state)
{
    struct made m;
    char text[200];

    (void)state;
    make(&m);
    m.r.outcome = SKS_RUNNING;
    m.links[0].left = 3;
    sksi_verdict(&m.r, text, sizeof text);
    assert_non_null(strstr(text, "add workers to gzip"));
    m.links[0].left = 2;
    sksi_verdict(&m.r, text, sizeof text);
    assert_null(strstr(text, "add workers"));
}

/* Two stages are busy behind full links: the one further down is the narrow one. */
static void verdict_prefers_the_stage_further_down(void **state)
{
    struct made m;
    char text[200];

    (void)state;
    make(&m);
    m.stages[2].busy_ns = SECOND;
    m.stages[2].wait_in_ns = 0;
    m.links[1].blocked_send_ns = SECOND / 2;
    sksi_verdict(&m.r, text, sizeof text);
    assert_non_null(strstr(text, "add workers to write"));
}

static void verdict_falls_back(void **state)
{
    struct made m;
    char text[200];

    (void)state;
    make(&m);
    m.stages[1].busy_ns = SECOND / 10;
    sksi_verdict(&m.r, text, sizeof text);
    assert_non_null(strstr(text, "no stage is busy"));
    m.stages[0].busy_ns = SECOND;
    sksi_verdict(&m.r, text, sizeof text);
    assert_non_null(strstr(text, "read 100 % busy, gzip idle 1 %: the source limits"));
    m.stages[0].busy_ns = 0;
    m.stages[1].busy_ns = 2 * SECOND * 6 / 10;
    sksi_verdict(&m.r, text, sizeof text);
    assert_non_null(strstr(text, "gzip 60 % busy"));
    assert_non_null(strstr(text, "the busiest"));
    m.r.elapsed_ns = 0;
    sksi_verdict(&m.r, text, sizeof text);
    assert_string_equal(text, "");
}

/* ---- text -------------------------------------------------------------- */

static void json_is_well_formed_and_escaped(void **state)
{
    struct made m;
    char text[4096];
    size_t n;

    (void)state;
    make(&m);
    m.r.cause = 5;
    m.r.cause_stage = "gzip";
    m.r.cause_item = 7;
    m.r.cause_text = "bad \"block\"\x1b[31m";
    n = sks_receipt_json(&m.r, text, sizeof text);
    assert_int_equal(n, strlen(text));
    assert_non_null(strstr(text, "{\"pipeline\":\"t\\\"g\\\\z\\u000a\\u00ff\xc3\xa4\","
                                 "\"outcome\":\"drained\",\"stopped\":false,"
                                 "\"elapsed_ns\":1000000000,\"cause\":{\"code\":5,"
                                 "\"stage\":\"gzip\",\"worker\":0,\"item\":7,"
                                 "\"text\":\"bad \\\"block\\\"\\u001b[31m\"},"
                                 "\"bottleneck\":\"\",\"stages\":[{\"name\":\"read\","));
    assert_non_null(strstr(text, "},{\"name\":\"gzip\",\"workers\":2,\"in\":10,\"out\":8,"
                                 "\"passed\":8,\"filtered\":1,\"failed\":1,\"discarded\":0,"
                                 "\"in_hand\":0,\"busy_ns\":1940000000,"));
    assert_non_null(strstr(text, "],\"links\":[{\"name\":\"read->gzip\",\"from\":\"read\","
                                 "\"to\":\"gzip\",\"sent\":10,\"received\":10,"));
    assert_string_equal(text + n - 4, "0}]}");
}

static void text_is_a_table(void **state)
{
    struct made m;
    char text[4096];
    size_t n;

    (void)state;
    make(&m);
    m.r.stopped = true;
    m.r.bottleneck = "gzip";
    n = sks_receipt_text(&m.r, text, sizeof text);
    assert_int_equal(n, strlen(text));
    assert_non_null(strstr(text, "pipeline t\"g\\\\z\\x0a\\xff\xc3\xa4: drained, stopped, after"));
    assert_non_null(strstr(text, "limit: gzip\n"));
    assert_null(strstr(text, "cause:"));
    m.r.outcome = SKS_DEADLINE;
    m.r.cause = 110;
    m.r.cause_stage = "gzip";
    m.r.cause_text = "why";
    m.stages[1].stuck_ns = 5 * SECOND;
    m.stages[1].stuck_item = 9;
    sks_receipt_text(&m.r, text, sizeof text);
    assert_non_null(strstr(text, "cause: gzip, worker 0, item 0: error 110 ("));
    assert_non_null(strstr(text, "): why\n"));
    assert_non_null(strstr(text, "stuck: gzip, item 9, for 5000.0 ms\n"));
}

static void text_fits_the_room_like_snprintf(void **state)
{
    struct made m;
    char all[4096], part[4096];
    size_t n;

    (void)state;
    make(&m);
    n = sks_receipt_json(&m.r, all, sizeof all);
    assert_int_equal(sks_receipt_json(&m.r, NULL, 0), n);
    for (size_t size = 1; size <= n + 1; size += 97) {
        memset(part, 'x', sizeof part);
        assert_int_equal(sks_receipt_json(&m.r, part, size), n);
        assert_int_equal(strlen(part), size - 1);
        assert_memory_equal(part, all, size - 1);
        assert_int_equal(part[size], 'x');
    }
}

static void dot_draws_the_graph(void **state)
{
    struct book *b = book_new(0);
    sks_pipeline *p = sks_pipeline_new("a\"b");
    char text[1000];
    size_t n;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_stage(p, "gzip", pass, b, OPTIONS(.workers = 8, .ordered = true)));
    ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
    n = sks_pipeline_dot(p, text, sizeof text);
    assert_int_equal(n, strlen(text));
    assert_string_equal(text, "digraph \"a\\\"b\" {\n"
                              "    rankdir=LR;\n"
                              "    \"read\" [shape=cds];\n"
                              "    \"gzip\" [shape=box, label=\"gzip\\n8 workers, ordered\"];\n"
                              "    \"write\" [shape=cylinder];\n"
                              "    \"read\" -> \"gzip\" [label=\"64\"];\n"
                              "    \"gzip\" -> \"write\" [label=\"64\"];\n"
                              "}\n");
    ok(p, sks_pipeline_link(p, "read", "gzip", "chan:?items=2&bytes=3"));
    sks_pipeline_dot(p, text, sizeof text);
    assert_non_null(strstr(text, "\"read\" -> \"gzip\" [label=\"2, 3 bytes\"];\n}\n"));
    sks_pipeline_free(p);
    free(b);
}

/* ---- balance ----------------------------------------------------------- */

static void balance_finds_what_is_missing(void **state)
{
    struct made m;

    (void)state;
    make(&m);
    assert_true(sks_receipt_balances(&m.r));
    m.stages[1].passed--;
    assert_false(sks_receipt_balances(&m.r));
    make(&m);
    m.links[1].sent++;
    assert_false(sks_receipt_balances(&m.r));
    make(&m);
    m.links[1].sent++;
    m.links[1].left++;
    assert_false(sks_receipt_balances(&m.r)); /* nothing is left in a drained run */
    make(&m);
    m.stages[0].out++;
    assert_false(sks_receipt_balances(&m.r)); /* emitted, and in no link */
    make(&m);
    m.stages[1].in++;
    m.stages[1].in_hand++;
    assert_false(sks_receipt_balances(&m.r));
    m.r.outcome = SKS_DEADLINE;
    m.stages[1].stuck_ns = 1;
    assert_true(sks_receipt_balances(&m.r));
}

/* ---- live -------------------------------------------------------------- */

static void snapshot_before_any_run_is_empty(void **state)
{
    struct book *b = book_new(0);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    r = sks_pipeline_snapshot(p);
    receipt_check(r);
    assert_string_equal(r->pipeline, "test");
    assert_int_equal(r->n_stages, 1);
    assert_int_equal(r->elapsed_ns, 0);
    sks_receipt_free(r);
    sks_receipt_free(NULL);
    sks_pipeline_free(p);
    free(b);
}

struct held {
    struct gate gate;
    struct book *b;
};

static int hold(sks_worker *w, void *item)
{
    struct held *h = sks_worker_arg(w);

    gate_pass(&h->gate);
    book_sink(h->b, item);
    return SKS_OK;
}

/* The clock: what a worker does now counts too. */
static void snapshot_counts_the_item_in_hand(void **state)
{
    struct book *b = book_new(1);
    struct held h = {.b = b};
    sks_pipeline *p = pipeline_new(b);
    const sks_stage_receipt *s;
    int64_t busy = 0;
    struct runner t;

    (void)state;
    gate_init(&h.gate);
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_sink(p, "write", hold, &h, NULL));
    runner_start(&t, p);
    gate_await(&h.gate);
    while (busy < 2 * MS) {
        sks_receipt *r = sks_pipeline_snapshot(p);

        s = stage_of(r, "write");
        assert_int_equal(r->outcome, SKS_RUNNING);
        assert_int_equal(s->in, 1);
        assert_int_equal(s->in_hand, 1);
        assert_true(s->busy_ns >= busy);
        assert_true(s->stuck_ns <= r->elapsed_ns);
        busy = s->busy_ns;
        sks_receipt_free(r);
    }
    gate_open(&h.gate);
    assert_int_equal(runner_join(&t), 0);
    s = stage_of(t.r, "write");
    assert_true(s->busy_ns >= busy);
    assert_true(s->busy_ns + s->wait_in_ns <= t.r->elapsed_ns + 1);
    assert_int_equal(s->stuck_ns, 0);
    sks_receipt_free(t.r);
    sks_pipeline_free(p);
    free(b);
}

/* Waits that come thick and fast are timed by samples. */
static void times_of_a_stage_add_up(void **state)
{
    struct book *b = book_new(BOOK_MAX);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_sink(p, "write", sink_in_order, b, NULL));
    ok(p, sks_pipeline_link(p, "read", "write", "chan:?items=4"));
    assert_int_equal(run(p, &r), 0);
    for (size_t i = 0; i < r->n_stages; i++) {
        const sks_stage_receipt *s = &r->stages[i];

        assert_true(s->busy_ns >= 0 && s->wait_in_ns >= 0 && s->wait_out_ns >= 0);
        assert_true(s->busy_ns + s->wait_in_ns + s->wait_out_ns <= r->elapsed_ns + 1);
    }
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

SKS_TESTS("pipeline/receipt", cmocka_unit_test(verdict_names_the_narrow_stage),
          cmocka_unit_test(verdict_of_a_running_pipeline_looks_at_the_links),
          cmocka_unit_test(verdict_prefers_the_stage_further_down),
          cmocka_unit_test(verdict_falls_back), cmocka_unit_test(json_is_well_formed_and_escaped),
          cmocka_unit_test(text_is_a_table), cmocka_unit_test(text_fits_the_room_like_snprintf),
          cmocka_unit_test(dot_draws_the_graph), cmocka_unit_test(balance_finds_what_is_missing),
          cmocka_unit_test(snapshot_before_any_run_is_empty),
          cmocka_unit_test(snapshot_counts_the_item_in_hand),
          cmocka_unit_test(times_of_a_stage_add_up))
