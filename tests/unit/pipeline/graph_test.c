/* SPDX-License-Identifier: MIT */
/*
 * graph_test.c - declaring a pipeline: what is refused, with which words.
 *
 * Covers: check.c uri.c
 */
#include "unit/pipeline/helper.h"

#include "pipeline/internal.h"

static int never(sks_worker *w)
{
    (void)w;
    return SKS_END;
}

static int nothing(sks_worker *w, void *item)
{
    (void)w;
    (void)item;
    return SKS_OK;
}

static int nothings(sks_worker *w, void *items, size_t n)
{
    (void)w;
    (void)items;
    (void)n;
    return SKS_OK;
}

#define REFUSED(p, call, code, words)                                                              \
    do {                                                                                           \
        assert_int_equal((call), -1);                                                              \
        assert_int_equal(errno, (code));                                                           \
        if (!strstr(sks_pipeline_error(p), (words)))                                               \
            fail_msg("\"%s\" is not in \"%s\"", (words), sks_pipeline_error(p));                   \
    } while (0)

/* ---- stages ------------------------------------------------------------ */

static void stage_names_are_checked(void **state)
{
    static const char *const bad[] = {NULL, "", "a b", "a/b", "\xc3\xa4", "a\n"};
    sks_pipeline *p = sks_pipeline_new("p");
    char name[66];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSED(p, sks_pipeline_source(p, bad[i], never, NULL, NULL), EINVAL, "name");
    memset(name, 'x', 65);
    name[65] = '\0';
    REFUSED(p, sks_pipeline_source(p, name, never, NULL, NULL), EINVAL, "name");
    ok(p, sks_pipeline_source(p, name + 1, never, NULL, NULL));
    ok(p, sks_pipeline_source(p, "A-z_0.9", never, NULL, NULL));
    REFUSED(p, sks_pipeline_sink(p, "A-z_0.9", nothing, NULL, NULL), EEXIST, "already");
    REFUSED(p, sks_pipeline_sink(p, "b", NULL, NULL, NULL), EINVAL, "no function");
    REFUSED(p, sks_pipeline_source(p, "b", NULL, NULL, NULL), EINVAL, "no function");
    REFUSED(p, sks_pipeline_batch_stage(p, "b", NULL, NULL, NULL), EINVAL, "no function");
    sks_pipeline_free(p);
}

static void stage_options_are_checked(void **state)
{
    sks_pipeline *p = sks_pipeline_new("p");
    struct {
        sks_stage_options o;
        void *newer;
    } big = {.o = {.size = sizeof big}};
    sks_stage_options none = {.size = 0}, old = {.size = offsetof(sks_stage_options, window)};

    (void)state;
    REFUSED(p, sks_pipeline_stage(p, "a", nothing, NULL, &none), EINVAL, "size");
    REFUSED(p, sks_pipeline_stage(p, "a", nothing, NULL, OPTIONS(.workers = 1025)), EINVAL,
            "workers");
    REFUSED(p, sks_pipeline_stage(p, "a", nothing, NULL, OPTIONS(.window = 1u << 21)), EINVAL,
            "window");
    REFUSED(p, sks_pipeline_stage(p, "a", nothing, NULL, OPTIONS(.item_size = SIZE_MAX)), EINVAL,
            "item_size");
    REFUSED(p, sks_pipeline_batch_stage(p, "a", nothings, NULL, OPTIONS(.batch = 65537)), EINVAL,
            "batch");
    REFUSED(p, sks_pipeline_batch_stage(p, "a", nothings, NULL, OPTIONS(.linger_ns = -1)), EINVAL,
            "linger");
    REFUSED(p, sks_pipeline_sink(p, "a", nothing, NULL, OPTIONS(.ordered = true, .workers = 2)),
            EINVAL, "ordered");
    big.newer = p;
    REFUSED(p, sks_pipeline_stage(p, "a", nothing, NULL, &big.o), EINVAL, "version");
    big.newer = NULL;
    ok(p, sks_pipeline_stage(p, "newer", nothing, NULL, &big.o));
    ok(p, sks_pipeline_stage(p, "older", nothing, NULL, &old));
    sks_pipeline_free(p);
}

/* ---- links ------------------------------------------------------------- */

static void link_addresses_are_parsed(void **state)
{
    static const struct {
        const char *uri;
        size_t items, bytes;
    } good[] = {
        {"chan:", 64, SIZE_MAX},
        {"chan:?", 64, SIZE_MAX},
        {"chan:?items=1", 1, SIZE_MAX},
        {"chan:?items=2k&bytes=64M", 2048, 64u << 20},
        {"chan:?bytes=1G&items=7", 7, 1u << 30},
        {"chan:?bytes=1", 64, 1},
    };
    struct sksi_bounds b;
    char why[100];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(sksi_uri_parse(good[i].uri, &b, why, sizeof why), 0);
        assert_int_equal(b.items, good[i].items);
        assert_int_equal(b.bytes, good[i].bytes);
    }
}

static void link_addresses_that_are_wrong_name_the_place(void **state)
{
    static const struct {
        const char *uri;
        int code;
        const char *words;
    } bad[] = {
        {"", EINVAL, "at 0 "},
        {"chan", EINVAL, "at 0 "},
        {"tcp:host:80", EPROTONOSUPPORT, "unknown kind"},
        {"channel:", EPROTONOSUPPORT, "unknown kind"},
        {"chan:items=1", EINVAL, "at 5 "},
        {"chan:?items=0", EINVAL, "1 or more, at 12 "},
        {"chan:?items=", EINVAL, "missing, at 12 "},
        {"chan:?items=-1", EINVAL, "missing, at 12 "},
        {"chan:?items=1x", EINVAL, "at 13 "},
        {"chan:?items=1K", EINVAL, "at 13 "},
        {"chan:?items=1&", EINVAL, "at 14 "},
        {"chan:?items=1&items=2", EINVAL, "twice, at 14 "},
        {"chan:?slots=1", EINVAL, "at 6 "},
        {"chan:?items=2G", EINVAL, "too large, at 12 "},
        {"chan:?bytes=99999999999999999999", EINVAL, "too large"},
        {"chan:?bytes=17179869184G", EINVAL, "too large"},
    };
    struct sksi_bounds b;
    char why[100];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(sksi_uri_parse(bad[i].uri, &b, why, sizeof why), bad[i].code);
        if (!strstr(why, bad[i].words))
            fail_msg("\"%s\" is not in \"%s\"", bad[i].words, why);
    }
}

static void links_are_checked(void **state)
{
    sks_pipeline *p = sks_pipeline_new("p");

    (void)state;
    ok(p, sks_pipeline_source(p, "read", never, NULL, NULL));
    ok(p, sks_pipeline_sink(p, "write", nothing, NULL, NULL));
    REFUSED(p, sks_pipeline_link(p, "read", "nobody", NULL), ENOENT, "nobody");
    REFUSED(p, sks_pipeline_link(p, NULL, "write", NULL), ENOENT, "no stage");
    REFUSED(p, sks_pipeline_link(p, "write", "write", NULL), EINVAL, "sink");
    REFUSED(p, sks_pipeline_link(p, "read", "read", NULL), EINVAL, "source");
    REFUSED(p, sks_pipeline_link(p, "read", "write", "shm:x"), EPROTONOSUPPORT, "at 0");
    ok(p, sks_pipeline_link(p, "read", "write", NULL));
    REFUSED(p, sks_pipeline_link(p, "read", "write", NULL), EEXIST, "read->write");
    sks_pipeline_free(p);
}

/* ---- graphs ------------------------------------------------------------ */

static void refused_run(sks_pipeline *p, const char *words)
{
    sks_receipt *r = (sks_receipt *)p;

    REFUSED(p, sks_pipeline_run(p, SKS_NEVER, &r), EINVAL, words);
    assert_null(r);
}

static void graphs_that_cannot_run_are_refused(void **state)
{
    sks_pipeline *p = sks_pipeline_new("p");

    (void)state;
    refused_run(p, "no stage");
    ok(p, sks_pipeline_stage(p, "a", nothing, NULL, NULL));
    refused_run(p, "nothing goes into \"a\"");
    ok(p, sks_pipeline_source(p, "read", never, NULL, NULL));
    refused_run(p, "comes after");
    ok(p, sks_pipeline_link(p, "read", "a", NULL));
    refused_run(p, "leads nowhere");
    ok(p, sks_pipeline_stage(p, "b", nothing, NULL, NULL));
    ok(p, sks_pipeline_stage(p, "c", nothing, NULL, NULL));
    ok(p, sks_pipeline_link(p, "a", "b", NULL));
    ok(p, sks_pipeline_link(p, "b", "c", NULL));
    ok(p, sks_pipeline_link(p, "c", "b", NULL));
    refused_run(p, "circle");
    sks_pipeline_free(p);
}

static void items_that_meet_have_one_size(void **state)
{
    sks_pipeline *p = sks_pipeline_new("p");

    (void)state;
    ok(p, sks_pipeline_source(p, "a", never, NULL, OPTIONS(.item_size = 8)));
    ok(p, sks_pipeline_source(p, "b", never, NULL, OPTIONS(.item_size = 16)));
    ok(p, sks_pipeline_sink(p, "c", nothing, NULL, NULL));
    ok(p, sks_pipeline_link(p, "a", "c", NULL));
    ok(p, sks_pipeline_link(p, "b", "c", NULL));
    refused_run(p, "items of 8 bytes");
    sks_pipeline_free(p);
}

static void an_ordered_batch_stage_at_the_end_is_refused(void **state)
{
    sks_pipeline *p = sks_pipeline_new("p");

    (void)state;
    ok(p, sks_pipeline_source(p, "a", never, NULL, NULL));
    ok(p, sks_pipeline_batch_stage(p, "b", nothings, NULL, OPTIONS(.ordered = true, .workers = 2)));
    refused_run(p, "ordered");
    sks_pipeline_free(p);
}

/* Stages may be added between two runs of a chain. */
static void a_chain_grows_between_runs(void **state)
{
    struct book *b = book_new(10);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_batch_stage(p, "end", nothings, b, NULL));
    assert_int_equal(run(p, NULL), 0);
    ok(p, sks_pipeline_batch_stage(p, "more", nothings, b, NULL));
    r = sks_pipeline_snapshot(p);
    assert_int_equal(r->n_stages, 3);
    receipt_check(r);
    sks_receipt_free(r);
    assert_int_equal(run(p, &r), 0);
    assert_int_equal(r->n_links, 2);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

/* Items larger than a pointer, and of no size at all. */
static int big_source(sks_worker *w)
{
    unsigned char item[100];

    memset(item, 7, sizeof item);
    return sks_emit(w, item) ? SKS_ENOUGH : SKS_END;
}

static int big_sink(sks_worker *w, void *item)
{
    unsigned char *at = item;

    (void)w;
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(at[i], 7);
    assert_int_equal(sks_emit(w, item), -1);
    assert_int_equal(errno, EINVAL);
    assert_string_equal(sks_worker_stage(w), "write");
    return SKS_OK;
}

static void items_have_the_size_that_was_said(void **state)
{
    sks_pipeline *p = sks_pipeline_new(NULL);

    (void)state;
    ok(p, sks_pipeline_source(p, "read", big_source, NULL, OPTIONS(.item_size = 100)));
    ok(p, sks_pipeline_sink(p, "write", big_sink, NULL, NULL));
    assert_int_equal(run(p, NULL), 0);
    sks_pipeline_free(p);
    sks_pipeline_free(NULL);
}

SKS_TESTS("pipeline/graph", cmocka_unit_test(stage_names_are_checked),
          cmocka_unit_test(stage_options_are_checked), cmocka_unit_test(link_addresses_are_parsed),
          cmocka_unit_test(link_addresses_that_are_wrong_name_the_place),
          cmocka_unit_test(links_are_checked), cmocka_unit_test(graphs_that_cannot_run_are_refused),
          cmocka_unit_test(items_that_meet_have_one_size),
          cmocka_unit_test(an_ordered_batch_stage_at_the_end_is_refused),
          cmocka_unit_test(a_chain_grows_between_runs),
          cmocka_unit_test(items_have_the_size_that_was_said))
