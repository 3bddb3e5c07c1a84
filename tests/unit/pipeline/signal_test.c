/* SPDX-License-Identifier: MIT */
/*
 * signal_test.c - signals that stop a run: the first drains, the second aborts, the
 * third has its old effect.  G14.
 */
#include "unit/pipeline/helper.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic int old_handler_calls;

static void old_handler(int signo)
{
    (void)signo;
    old_handler_calls++;
}

/* ---- stages ------------------------------------------------------------ */

struct rig {
    struct book *b;
    struct gate gate;
    sks_pipeline *p;
    struct runner t;
};

static int gated_sink(sks_worker *w, void *item)
{
    struct rig *g = sks_worker_arg(w);

    if (g->b->n_sunk == 0)
        gate_pass(&g->gate);
    book_sink(g->b, item);
    return SKS_OK;
}

/* A pipeline whose sink holds its first item. */
static void rig_start(struct rig *g, int64_t drain_ns)
{
    g->b = book_new(1000);
    g->p = pipeline_new(g->b);
    gate_init(&g->gate);
    ok(g->p, sks_pipeline_on_signal(g->p, SIGTERM, drain_ns));
    ok(g->p, sks_pipeline_on_signal(g->p, SIGINT, drain_ns));
    ok(g->p, sks_pipeline_source(g->p, "read", feed, g->b, NULL));
    ok(g->p, sks_pipeline_stage(g->p, "pass", pass, g->b, OPTIONS(.workers = 2)));
    ok(g->p, sks_pipeline_sink(g->p, "write", gated_sink, g, NULL));
    runner_start(&g->t, g->p);
    gate_await(&g->gate);
}

static uint64_t link_left(sks_pipeline *p, size_t i)
{
    sks_receipt *r = sks_pipeline_snapshot(p);
    uint64_t left = r->links[i].left;

    sks_receipt_free(r);
    return left;
}

static void rig_end(struct rig *g)
{
    book_check(g->b);
    sks_receipt_free(g->t.r);
    sks_pipeline_free(g->p);
    free(g->b);
}

/* ---- tests ------------------------------------------------------------- */

static void g14_the_first_signal_drains(void **state)
{
    struct rig g;

    (void)state;
    rig_start(&g, 0);
    kill(getpid(), SIGTERM);
    gate_open(&g.gate);
    assert_int_equal(runner_join(&g.t), 0);
    assert_int_equal(g.t.r->outcome, SKS_DRAINED);
    assert_true(g.t.r->stopped);
    assert_int_equal(g.b->n_discarded, 0);
    rig_end(&g);
}

static void g14_the_second_signal_aborts(void **state)
{
    struct rig g;

    (void)state;
    rig_start(&g, 0);
    while (link_left(g.p, 1) < 64) /* in flight: it is discarded when the sink is back */
        sched_yield();
    raise(SIGTERM);
    raise(SIGINT);
    gate_open(&g.gate);
    assert_int_equal(runner_join(&g.t), ECANCELED);
    assert_int_equal(g.t.r->outcome, SKS_ABORTED);
    assert_true(g.b->n_discarded >= 64);
    assert_int_equal(g.b->reasons[SKS_DISCARD_ABORTED], g.b->n_discarded);
    rig_end(&g);
}

static void g14_the_third_signal_has_its_old_effect(void **state)
{
    struct rig g;

    (void)state;
    signal(SIGTERM, old_handler);
    rig_start(&g, 0);
    raise(SIGTERM);
    raise(SIGTERM);
    assert_int_equal(old_handler_calls, 0);
    raise(SIGTERM);
    assert_int_equal(old_handler_calls, 1);
    gate_open(&g.gate);
    assert_int_equal(runner_join(&g.t), ECANCELED);
    rig_end(&g);
}

static void g14_the_third_signal_kills_by_default(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        struct rig g;

        rig_start(&g, 0);
        raise(SIGTERM);
        raise(SIGTERM);
        raise(SIGTERM);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
}

static void g14_the_old_handler_is_back(void **state)
{
    struct sigaction act;
    struct rig g;

    (void)state;
    signal(SIGTERM, old_handler);
    rig_start(&g, 0);
    gate_open(&g.gate);
    assert_int_equal(runner_join(&g.t), 0);
    assert_false(g.t.r->stopped);
    sigaction(SIGTERM, NULL, &act);
    assert_ptr_equal(act.sa_handler, old_handler);
    sigaction(SIGINT, NULL, &act);
    assert_ptr_equal(act.sa_handler, SIG_DFL);
    raise(SIGTERM);
    assert_int_equal(old_handler_calls, 1);
    rig_end(&g);
}

static void *raise_in_open(sks_worker *w, void *arg)
{
    (void)w;
    raise(SIGTERM);
    return arg;
}

static void raise_in_close(void *user, void *arg)
{
    (void)user;
    (void)arg;
    raise(SIGTERM);
}

static void g14_edge(const sks_stage_options *o, int code, bool empty)
{
    struct book *b = book_new(100);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    ok(p, sks_pipeline_on_signal(p, SIGTERM, 0));
    ok(p, sks_pipeline_source(p, "read", feed, b, o));
    ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
    assert_int_equal(run(p, &r), code);
    assert_true(r->stopped);
    if (empty)
        assert_int_equal(b->next, 0);
    book_check(b);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

static void g14_a_signal_in_startup_and_in_teardown(void **state)
{
    (void)state;
    g14_edge(OPTIONS(.worker_open = raise_in_open), 0, true);
    g14_edge(OPTIONS(.worker_open = raise_in_open, .worker_close = raise_in_close), ECANCELED,
             true);
}

/* The last item is done, the run is over but for its end: still seen. */
static void g14_a_signal_in_teardown_is_in_the_receipt(void **state)
{
    struct book *b = book_new(100);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_on_signal(p, SIGTERM, 0));
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_sink(p, "write", sink, b, OPTIONS(.worker_close = raise_in_close)));
    assert_int_equal(run(p, &r), 0);
    assert_true(r->stopped);
    assert_int_equal(b->n_sunk, 100);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

static void g14_two_runs_listen_to_one_signal(void **state)
{
    struct rig g, h;

    (void)state;
    rig_start(&g, 0);
    rig_start(&h, 0);
    raise(SIGTERM);
    gate_open(&g.gate);
    gate_open(&h.gate);
    assert_int_equal(runner_join(&g.t), 0);
    assert_int_equal(runner_join(&h.t), 0);
    assert_true(g.t.r->stopped);
    assert_true(h.t.r->stopped);
    rig_end(&g);
    rig_end(&h);
}

/* The drain after a signal is bounded: a sink that never ends is cut off. */
static void g14_the_drain_has_a_bound(void **state)
{
    struct rig g;

    (void)state;
    rig_start(&g, MS);
    raise(SIGTERM);
    assert_int_equal(runner_join(&g.t), ETIMEDOUT);
    assert_int_equal(g.t.r->outcome, SKS_DEADLINE);
    assert_true(g.t.r->stopped);
    assert_string_equal(g.t.r->cause_stage, "write");
    gate_open(&g.gate);
    while (sks_pipeline_on_signal(g.p, SIGTERM, 0)) /* EBUSY until it is back */
        sched_yield();
    sks_receipt_free(g.t.r);
    sks_pipeline_free(g.p);
    free(g.b);
}

static int in_child(sks_worker *w)
{
    struct book *b = sks_worker_arg(w);
    pid_t child = fork();
    int status;

    if (child == 0) {
        raise(SIGTERM);
        for (;;)
            pause();
    }
    waitpid(child, &status, 0);
    b->reasons[0] = WIFSIGNALED(status);
    return SKS_END;
}

static void g14_a_forked_child_has_the_old_effect(void **state)
{
    struct book *b = book_new(1);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
#ifdef __SANITIZE_THREAD__
    sks_test_skip("ThreadSanitizer runs no handlers in the child of a threaded process");
#endif
    ok(p, sks_pipeline_on_signal(p, SIGTERM, 0));
    ok(p, sks_pipeline_source(p, "read", in_child, b, NULL));
    ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
    assert_int_equal(run(p, &r), 0);
    assert_false(r->stopped);
    assert_int_equal(b->reasons[0], 1);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

static void signals_that_cannot_be_handled_are_refused(void **state)
{
    sks_pipeline *p = sks_pipeline_new("p");
    static const int bad[] = {0, -1, 65, SIGKILL, SIGSTOP};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(sks_pipeline_on_signal(p, bad[i], 0), -1);
        assert_int_equal(errno, EINVAL);
    }
    for (int i = 0; i < 8; i++)
        ok(p, sks_pipeline_on_signal(p, SIGRTMIN + i, 0));
    ok(p, sks_pipeline_on_signal(p, SIGRTMIN, 1)); /* again: changed */
    assert_int_equal(sks_pipeline_on_signal(p, SIGTERM, 0), -1);
    assert_int_equal(errno, ENOSPC);
    sks_pipeline_free(p);
}

SKS_TESTS("pipeline/signal", cmocka_unit_test(g14_the_first_signal_drains),
          cmocka_unit_test(g14_the_second_signal_aborts),
          cmocka_unit_test(g14_the_third_signal_has_its_old_effect),
          cmocka_unit_test(g14_the_third_signal_kills_by_default),
          cmocka_unit_test(g14_the_old_handler_is_back),
          cmocka_unit_test(g14_a_signal_in_startup_and_in_teardown),
          cmocka_unit_test(g14_a_signal_in_teardown_is_in_the_receipt),
          cmocka_unit_test(g14_two_runs_listen_to_one_signal),
          cmocka_unit_test(g14_the_drain_has_a_bound),
          cmocka_unit_test(g14_a_forked_child_has_the_old_effect),
          cmocka_unit_test(signals_that_cannot_be_handled_are_refused))
