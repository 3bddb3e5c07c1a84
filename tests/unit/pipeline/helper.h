/* SPDX-License-Identifier: MIT */
/*
 * helper.h - what the tests of pipelines share: numbered items, and a book of them.
 *
 * A feed gives the numbers 0, 1, 2, ... as items of 8 bytes.  A book counts for each
 * number where it ended; book_check() says whether every number that was emitted
 * ended in exactly one place (G2, G3, G4, G6).
 *
 * A gate is what a stage waits at until the test lets it through, and where a test
 * waits until a stage has arrived: no test sleeps.
 */
#ifndef SKS_TESTS_PIPELINE_HELPER_H
#define SKS_TESTS_PIPELINE_HELPER_H

#include "lib/harness.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sockstream/pipeline.h>

#define BOOK_MAX 20000
#define MS 1000000LL

/* ---- gates ------------------------------------------------------------- */

struct gate {
    sem_t arrived, open;
};

static inline void gate_init(struct gate *g)
{
    sem_init(&g->arrived, 0, 0);
    sem_init(&g->open, 0, 0);
}

/* A stage: says it is here, and waits. */
static inline void gate_pass(struct gate *g)
{
    sem_post(&g->arrived);
    while (sem_wait(&g->open) && errno == EINTR)
        ;
}

static inline void gate_await(struct gate *g)
{
    while (sem_wait(&g->arrived) && errno == EINTR)
        ;
}

static inline void gate_open(struct gate *g)
{
    sem_post(&g->open);
}

/* ---- the book ---------------------------------------------------------- */

struct book {
    uint64_t n; /* numbers the feed gives */
    _Atomic uint64_t next;
    _Atomic unsigned char emitted[BOOK_MAX], sunk[BOOK_MAX], filtered[BOOK_MAX], failed[BOOK_MAX],
        discarded[BOOK_MAX];
    _Atomic uint64_t n_sunk, n_discarded, n_failed;
    _Atomic uint64_t reasons[3];
    uint64_t last; /* number the sink saw, plus 1 */
    _Atomic bool disorder;
};

static inline struct book *book_new(uint64_t n)
{
    struct book *b = calloc(1, sizeof *b);

    assert_non_null(b);
    assert_true(n <= BOOK_MAX);
    b->n = n;
    return b;
}

static inline int feed(sks_worker *w)
{
    struct book *b = sks_worker_arg(w);
    uint64_t i = atomic_fetch_add(&b->next, 1);

    if (i >= b->n)
        return SKS_END;
    b->emitted[i]++;
    return sks_emit(w, &i) ? SKS_ENOUGH : SKS_OK;
}

static inline int pass(sks_worker *w, void *item)
{
    return sks_emit(w, item) ? SKS_ENOUGH : SKS_OK;
}

static inline void book_sink(struct book *b, const void *item)
{
    uint64_t i;

    memcpy(&i, item, sizeof i);
    b->sunk[i]++;
    atomic_fetch_add(&b->n_sunk, 1);
}

static inline int sink(sks_worker *w, void *item)
{
    book_sink(sks_worker_arg(w), item);
    return SKS_OK;
}

/* For a sink with one worker: numbers must rise. */
static inline int sink_in_order(sks_worker *w, void *item)
{
    struct book *b = sks_worker_arg(w);
    uint64_t i;

    memcpy(&i, item, sizeof i);
    if (i < b->last)
        b->disorder = true;
    b->last = i + 1;
    book_sink(b, item);
    return SKS_OK;
}

static inline void on_discard(void *item, const char *link, sks_discard_reason reason, void *arg)
{
    struct book *b = arg;
    uint64_t i;

    (void)link;
    memcpy(&i, item, sizeof i);
    b->discarded[i]++;
    atomic_fetch_add(&b->n_discarded, 1);
    atomic_fetch_add(&b->reasons[reason], 1);
}

static inline void on_dead_letter(void *item, const char *stage, int code, const char *why,
                                  void *arg)
{
    struct book *b = arg;
    uint64_t i;

    (void)stage;
    (void)code;
    (void)why;
    memcpy(&i, item, sizeof i);
    b->failed[i]++;
    atomic_fetch_add(&b->n_failed, 1);
}

static inline void book_check(const struct book *b)
{
    for (uint64_t i = 0; i < b->n; i++) {
        int ends = b->sunk[i] + b->filtered[i] + b->failed[i] + b->discarded[i];

        if (ends != b->emitted[i])
            fail_msg("item %llu: emitted %d, sunk %d, filtered %d, failed %d, discarded %d",
                     (unsigned long long)i, b->emitted[i], b->sunk[i], b->filtered[i], b->failed[i],
                     b->discarded[i]);
    }
}

/* ---- running ----------------------------------------------------------- */

static inline sks_pipeline *pipeline_new(struct book *b)
{
    sks_pipeline *p = sks_pipeline_new("test");

    assert_non_null(p);
    sks_pipeline_on_discard(p, on_discard, b);
    sks_pipeline_on_dead_letter(p, on_dead_letter, b);
    return p;
}

static inline void ok(sks_pipeline *p, int rc)
{
    if (rc)
        fail_msg("%s", sks_pipeline_error(p));
}

static inline void receipt_print(const sks_receipt *r)
{
    char text[8192];

    sks_receipt_text(r, text, sizeof text);
    printf("%s", text);
}

static inline void receipt_check(const sks_receipt *r)
{
    assert_non_null(r);
    if (!sks_receipt_balances(r)) {
        receipt_print(r);
        fail_msg("the receipt does not balance");
    }
}

/* Runs to its end; 0 or errno.  The receipt balances. */
static inline int run_to(sks_pipeline *p, int64_t deadline, sks_receipt **r)
{
    sks_receipt *mine = NULL;
    int rc = sks_pipeline_run(p, deadline, &mine);
    int code = rc ? errno : 0;

    receipt_check(mine);
    if (r)
        *r = mine;
    else
        sks_receipt_free(mine);
    return code;
}

static inline int run(sks_pipeline *p, sks_receipt **r)
{
    return run_to(p, SKS_NEVER, r);
}

/* The same on a thread of its own. */
struct runner {
    pthread_t thread;
    sks_pipeline *p;
    int64_t deadline;
    sks_receipt *r;
    int code;
};

static inline void *runner_main(void *arg)
{
    struct runner *t = arg;

    t->code = run_to(t->p, t->deadline, &t->r);
    return NULL;
}

static inline void runner_start(struct runner *t, sks_pipeline *p)
{
    t->p = p;
    t->deadline = SKS_NEVER;
    assert_int_equal(pthread_create(&t->thread, NULL, runner_main, t), 0);
}

static inline int runner_join(struct runner *t)
{
    assert_int_equal(pthread_join(t->thread, NULL), 0);
    return t->code;
}

static inline const sks_stage_receipt *stage_of(const sks_receipt *r, const char *name)
{
    for (size_t i = 0; i < r->n_stages; i++) {
        if (strcmp(r->stages[i].name, name) == 0)
            return &r->stages[i];
    }
    fail_msg("no stage %s", name);
    return NULL;
}

static inline const sks_link_receipt *link_of(const sks_receipt *r, const char *name)
{
    for (size_t i = 0; i < r->n_links; i++) {
        if (strcmp(r->links[i].name, name) == 0)
            return &r->links[i];
    }
    fail_msg("no link %s", name);
    return NULL;
}

#define OPTIONS(...) (&(sks_stage_options){.size = sizeof(sks_stage_options), __VA_ARGS__})

#endif
