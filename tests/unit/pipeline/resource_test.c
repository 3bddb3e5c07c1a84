/* SPDX-License-Identifier: MIT */
/*
 * resource_test.c - nothing is left behind, whatever fails: G24, G25, G26.
 *
 * Covers: build.c run.c snapshot.c
 */
#include "unit/pipeline/helper.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "plat/plat.h"

/* ---- G24 --------------------------------------------------------------- */

static size_t entries(const char *path)
{
    DIR *dir = opendir(path);
    size_t n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static sks_pipeline *full_pipeline(struct book *b)
{
    sks_pipeline *p = pipeline_new(b);

    ok(p, sks_pipeline_on_signal(p, SIGTERM, 0));
    ok(p, sks_pipeline_source(p, "read", feed, b, OPTIONS(.workers = 2)));
    ok(p, sks_pipeline_stage(p, "order", pass, b, OPTIONS(.workers = 2, .ordered = true)));
    ok(p, sks_pipeline_stage(p, "left", pass, b, NULL));
    ok(p, sks_pipeline_stage(p, "right", pass, b, NULL));
    ok(p, sks_pipeline_sink(p, "write", sink, b, OPTIONS(.workers = 2)));
    ok(p, sks_pipeline_link(p, "read", "order", "chan:?items=4&bytes=64"));
    ok(p, sks_pipeline_link(p, "order", "left", "chan:?items=4"));
    ok(p, sks_pipeline_link(p, "order", "right", "chan:?items=4"));
    ok(p, sks_pipeline_link(p, "left", "write", "chan:?items=4"));
    ok(p, sks_pipeline_link(p, "right", "write", "chan:?items=4"));
    return p;
}

static void g24_nothing_is_left_and_it_runs_again(void **state)
{
    struct book *b = book_new(50);
    sks_pipeline *p = full_pipeline(b);
    size_t fds = entries("/proc/self/fd"), tasks = entries("/proc/self/task");
    sigset_t before, after;

    (void)state;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    for (int i = 0; i < 100; i++) {
        struct sigaction act;

        b->next = 0;
        assert_int_equal(run(p, NULL), 0);
        assert_int_equal(entries("/proc/self/fd"), fds);
        sigaction(SIGTERM, NULL, &act);
        assert_ptr_equal(act.sa_handler, SIG_DFL);
    }
    while (entries("/proc/self/task") != tasks) /* a joined thread may show a moment longer */
        sched_yield();
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int signo = 1; signo < 65; signo++)
        assert_int_equal(sigismember(&before, signo), sigismember(&after, signo));
    assert_int_equal(b->n_sunk, 5000);
    book_check(b);
    sks_pipeline_free(p);
    free(b);
}

static int run_inside(sks_worker *w)
{
    assert_int_equal(sks_pipeline_run(sks_worker_pipeline(w), SKS_NEVER, NULL), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(sks_pipeline_sink(sks_worker_pipeline(w), "late", sink, NULL, NULL), -1);
    assert_int_equal(errno, EBUSY);
    return SKS_END;
}

static void g24_a_running_pipeline_is_busy(void **state)
{
    struct book *b = book_new(1);
    sks_pipeline *p = pipeline_new(b);

    (void)state;
    ok(p, sks_pipeline_source(p, "read", run_inside, b, NULL));
    ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
    assert_int_equal(run(p, NULL), 0);
    sks_pipeline_free(p);
    free(b);
}

/* ---- G25: the n-th call fails ------------------------------------------ */

static struct sksi_sys real;
static _Atomic int countdown;

/* Is this call the one that fails? */
static bool unlucky(void)
{
    return --countdown == 0;
}

static int poor_memalign(void **memory, size_t align, size_t size)
{
    return unlucky() ? ENOMEM : real.posix_memalign(memory, align, size);
}

static int poor_thread(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
    return unlucky() ? EAGAIN : real.thread_create(t, a, fn, arg);
}

static int poor_eventfd(unsigned value, int flags)
{
    if (!unlucky())
        return real.eventfd(value, flags);
    errno = EMFILE;
    return -1;
}

static int poor_sigaction(int signo, const struct sigaction *act, struct sigaction *old)
{
    if (!unlucky())
        return real.sigaction(signo, act, old);
    errno = EINVAL;
    return -1;
}

/* Lets each call of a kind fail in turn, until a run goes well without meeting it. */
static void each_fails(int code)
{
    struct book *b = book_new(50);
    sks_pipeline *p = full_pipeline(b);
    size_t fds = entries("/proc/self/fd");
    int rc, n = 0, failed;

    do {
        sks_receipt *r = NULL;

        b->next = 0;
        countdown = ++n;
        rc = sks_pipeline_run(p, SKS_NEVER, &r);
        failed = countdown <= 0;
        countdown = 0;
        if (rc) {
            assert_int_equal(errno, code);
            assert_null(r);
            assert_int_equal(b->next, 0); /* nothing of the user has run */
        } else {
            receipt_check(r);
            sks_receipt_free(r);
        }
        assert_int_equal(entries("/proc/self/fd"), fds);
    } while (failed);
    assert_int_equal(rc, 0);
    book_check(b);
    sks_pipeline_free(p);
    free(b);
}

static void g25_no_memory_at_the_nth_allocation(void **state)
{
    (void)state;
    real = sksi_sys;
    sksi_sys.posix_memalign = poor_memalign;
    each_fails(ENOMEM);
    sksi_sys = real;
}

static void g25_no_thread_at_stage_k(void **state)
{
    (void)state;
    real = sksi_sys;
    sksi_sys.thread_create = poor_thread;
    each_fails(EAGAIN);
    sksi_sys = real;
}

static void g25_no_descriptor(void **state)
{
    (void)state;
    real = sksi_sys;
    sksi_sys.eventfd = poor_eventfd;
    each_fails(EMFILE);
    sksi_sys = real;
}

static void g25_no_signal_handler(void **state)
{
    struct book *b = book_new(1);
    sks_pipeline *p = full_pipeline(b);
    struct sigaction act;

    (void)state;
    real = sksi_sys;
    sksi_sys.sigaction = poor_sigaction;
    for (int n = 1; n <= 2; n++) {
        countdown = n;
        assert_int_equal(sks_pipeline_run(p, SKS_NEVER, NULL), -1);
        assert_int_equal(errno, EINVAL);
    }
    sksi_sys = real;
    sigaction(SIGTERM, NULL, &act);
    assert_ptr_equal(act.sa_handler, SIG_DFL);
    assert_int_equal(run(p, NULL), 0);
    sks_pipeline_free(p);
    free(b);
}

/* ---- G26 --------------------------------------------------------------- */

struct sampler {
    pthread_t thread;
    sks_pipeline *p;
    _Atomic bool over;
    const char *wrong; /* cmocka's assertions are for the test's own thread */
};

#define NO_LESS(member)                                                                            \
    do {                                                                                           \
        if (now->member < before->member)                                                          \
            s->wrong = #member " went back";                                                       \
    } while (0)

static void stages_compare(struct sampler *s, const sks_receipt *a, const sks_receipt *b)
{
    for (size_t i = 0; i < a->n_stages; i++) {
        const sks_stage_receipt *before = &a->stages[i], *now = &b->stages[i];

        NO_LESS(in);
        NO_LESS(out);
        NO_LESS(passed);
        NO_LESS(filtered);
        NO_LESS(failed);
        NO_LESS(discarded);
        NO_LESS(busy_ns);
        NO_LESS(wait_in_ns);
        NO_LESS(wait_out_ns);
    }
}

static void links_compare(struct sampler *s, const sks_receipt *a, const sks_receipt *b)
{
    for (size_t i = 0; i < a->n_links; i++) {
        const sks_link_receipt *before = &a->links[i], *now = &b->links[i];

        NO_LESS(sent);
        NO_LESS(received);
        NO_LESS(discarded);
        NO_LESS(high_water);
        NO_LESS(blocked_sends);
    }
}

static void *sample(void *arg)
{
    struct sampler *s = arg;
    sks_receipt *last = sks_pipeline_snapshot(s->p), *now;

    while (!s->over) {
        now = sks_pipeline_snapshot(s->p);
        if (!sks_receipt_balances(now))
            s->wrong = "a snapshot does not balance";
        if (last->n_links == now->n_links && last->outcome == SKS_RUNNING) {
            stages_compare(s, last, now);
            links_compare(s, last, now);
        }
        sks_receipt_free(last);
        last = now;
    }
    sks_receipt_free(last);
    return NULL;
}

static int aborts_late(sks_worker *w, void *item)
{
    struct book *b = sks_worker_arg(w);

    book_sink(b, item);
    if (b->n_sunk == 9000)
        sks_pipeline_abort(sks_worker_pipeline(w), 0);
    return SKS_OK;
}

static void same_figures(const sks_receipt *a, const sks_receipt *b)
{
    char x[8192], y[8192];

    assert_true(sks_receipt_json(a, x, sizeof x) < sizeof x);
    assert_true(sks_receipt_json(b, y, sizeof y) < sizeof y);
    assert_string_equal(x, y);
}

static void g26_snapshots_never_go_back_and_end_as_the_receipt(void **state)
{
    (void)state;
    for (int abort = 0; abort <= 1; abort++) {
        struct book *b = book_new(10000);
        sks_pipeline *p = pipeline_new(b);
        struct sampler s = {.p = p};
        sks_receipt *r, *last;

        ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
        ok(p, sks_pipeline_stage(p, "a", pass, b, OPTIONS(.workers = 2)));
        ok(p, sks_pipeline_stage(p, "b", pass, b, OPTIONS(.workers = 2, .ordered = true)));
        ok(p, sks_pipeline_sink(p, "write", abort ? aborts_late : sink, b, NULL));
        assert_int_equal(pthread_create(&s.thread, NULL, sample, &s), 0);
        assert_int_equal(run(p, &r), abort ? ECANCELED : 0);
        s.over = true;
        pthread_join(s.thread, NULL);
        if (s.wrong)
            fail_msg("%s", s.wrong);
        last = sks_pipeline_snapshot(p);
        same_figures(r, last);
        book_check(b);
        sks_receipt_free(last);
        sks_receipt_free(r);
        sks_pipeline_free(p);
        free(b);
    }
}

SKS_TESTS("pipeline/resource", cmocka_unit_test(g24_nothing_is_left_and_it_runs_again),
          cmocka_unit_test(g24_a_running_pipeline_is_busy),
          cmocka_unit_test(g25_no_memory_at_the_nth_allocation),
          cmocka_unit_test(g25_no_thread_at_stage_k), cmocka_unit_test(g25_no_descriptor),
          cmocka_unit_test(g25_no_signal_handler),
          cmocka_unit_test(g26_snapshots_never_go_back_and_end_as_the_receipt))
