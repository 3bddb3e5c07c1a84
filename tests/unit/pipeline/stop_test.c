/* SPDX-License-Identifier: MIT */
/*
 * stop_test.c - stopping: from anywhere, whatever the stages do.  G5, G9, G10, G15, G17.
 *
 * Covers: run.c
 */
#include "unit/pipeline/helper.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

/* ---- stages ------------------------------------------------------------ */

static int endless(sks_worker *w)
{
    struct book *b = sks_worker_arg(w);
    uint64_t i = atomic_fetch_add(&b->next, 1) % b->n;

    b->emitted[i]++;
    return sks_emit(w, &i) ? SKS_ENOUGH : SKS_OK;
}

struct waiting_sink {
    struct book *b;
    struct gate gate;
    bool passed;
};

/* Waits at its gate with the first item in hand. */
static int wait_once(sks_worker *w, void *item)
{
    struct waiting_sink *s = sks_worker_arg(w);

    if (!s->passed)
        gate_pass(&s->gate);
    s->passed = true;
    book_sink(s->b, item);
    return SKS_OK;
}

static bool all_full(sks_pipeline *p)
{
    sks_receipt *r = sks_pipeline_snapshot(p);
    bool full = true;

    for (size_t i = 0; i < r->n_links; i++)
        full = full && r->links[i].left == r->links[i].capacity;
    sks_receipt_free(r);
    return full;
}

/* ---- G5: drain --------------------------------------------------------- */

static void nothing(int signo)
{
    (void)signo;
}

struct killer {
    pthread_t thread;
    struct gate gate;
    unsigned patience;
};

static void *kill_after(void *arg)
{
    struct killer *k = arg;

    gate_pass(&k->gate);
    for (unsigned i = 0; i < k->patience; i++)
        sched_yield();
    kill(getpid(), SIGTERM);
    return NULL;
}

static void g5_drain_discards_nothing(void **state)
{
    unsigned seed = 12345;

    (void)state;
    signal(SIGTERM, nothing); /* for a signal that comes when the run is over */
    for (int i = 0; i < 1000; i++) {
        struct book *b = book_new(300);
        struct killer k = {.patience = (unsigned)rand_r(&seed) % 40};
        sks_pipeline *p = pipeline_new(b);
        sks_receipt *r;

        gate_init(&k.gate);
        ok(p, sks_pipeline_on_signal(p, SIGTERM, 0));
        ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
        ok(p, sks_pipeline_stage(p, "pass", pass, b,
                                 OPTIONS(.workers = 1 + (unsigned)i % 2, .ordered = true)));
        ok(p, sks_pipeline_sink(p, "write", sink_in_order, b, NULL));
        assert_int_equal(pthread_create(&k.thread, NULL, kill_after, &k), 0);
        gate_await(&k.gate);
        gate_open(&k.gate);
        assert_int_equal(run(p, &r), 0);
        pthread_join(k.thread, NULL);
        assert_int_equal(b->n_discarded, 0);
        assert_false(b->disorder);
        book_check(b);
        sks_receipt_free(r);
        sks_pipeline_free(p);
        free(b);
    }
}

/* ---- G9, G10 ----------------------------------------------------------- */

static void g9_stop_while_every_queue_is_full(void **state)
{
    struct book *b = book_new(BOOK_MAX);
    struct waiting_sink s = {.b = b};
    sks_pipeline *p = pipeline_new(b);
    struct runner t;

    (void)state;
    gate_init(&s.gate);
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_stage(p, "pass", pass, b, OPTIONS(.workers = 2)));
    ok(p, sks_pipeline_sink(p, "write", wait_once, &s, NULL));
    runner_start(&t, p);
    gate_await(&s.gate);
    while (!all_full(p))
        sched_yield();
    sks_pipeline_stop(p);
    gate_open(&s.gate);
    assert_int_equal(runner_join(&t), 0);
    assert_true(t.r->stopped);
    assert_int_equal(t.r->outcome, SKS_DRAINED);
    assert_int_equal(b->n_discarded, 0);
    assert_true(b->n_sunk < b->n);
    book_check(b);
    sks_receipt_free(t.r);
    sks_pipeline_free(p);
    free(b);
}

/* A source that has nothing: it waits for a pipe and for the stop. */
struct quiet {
    int fd[2];
    struct gate gate;
    bool announced;
};

static int quiet_poll(sks_worker *w)
{
    struct quiet *q = sks_worker_arg(w);
    struct pollfd fds[2] = {
        {.fd = q->fd[0], .events = POLLIN},
        {.fd = sks_worker_stop_fd(w), .events = POLLIN},
    };

    sem_post(&q->gate.arrived);
    while (poll(fds, 2, -1) < 0)
        assert_int_equal(errno, EINTR);
    assert_true(fds[1].revents & POLLIN);
    assert_true(sks_worker_stopping(w));
    return SKS_OK;
}

static int quiet_read(sks_worker *w)
{
    struct quiet *q = sks_worker_arg(w);
    char c;

    sem_post(&q->gate.arrived);
    assert_int_equal(read(q->fd[0], &c, 1), 1);
    return SKS_OK;
}

static void quiet_wake(void *arg)
{
    struct quiet *q = arg;

    assert_int_equal(write(q->fd[1], "", 1), 1);
}

static void quiet_run(sks_source_fn *fn, void (*wake)(void *arg))
{
    struct book *b = book_new(1);
    sks_pipeline *p = pipeline_new(b);
    struct quiet q = {.announced = false};
    struct runner t;

    gate_init(&q.gate);
    assert_int_equal(pipe(q.fd), 0);
    ok(p, sks_pipeline_source(p, "read", fn, &q, OPTIONS(.wake = wake)));
    ok(p, sks_pipeline_stage(p, "pass", pass, b, OPTIONS(.workers = 3, .ordered = true)));
    ok(p, sks_pipeline_sink(p, "write", sink, b, OPTIONS(.workers = 2)));
    runner_start(&t, p);
    gate_await(&q.gate);
    sks_pipeline_stop(p);
    assert_int_equal(runner_join(&t), 0);
    assert_true(t.r->stopped);
    sks_receipt_free(t.r);
    sks_pipeline_free(p);
    close(q.fd[0]);
    close(q.fd[1]);
    free(b);
}

static void g10_stop_while_all_workers_sleep(void **state)
{
    (void)state;
    quiet_run(quiet_poll, NULL);
}

static void g10_stop_before_the_run_stops_it_at_once(void **state)
{
    struct book *b = book_new(100);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, NULL));
    ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
    sks_pipeline_stop(p);
    assert_int_equal(run(p, &r), 0);
    assert_true(r->stopped);
    assert_int_equal(b->next, 0);
    sks_receipt_free(r);
    assert_int_equal(run(p, &r), 0); /* and only that run */
    assert_false(r->stopped);
    assert_int_equal(b->n_sunk, 100);
    sks_receipt_free(r);
    sks_pipeline_abort(p, ENOTCONN);
    assert_int_equal(run(p, &r), ENOTCONN);
    assert_int_equal(r->outcome, SKS_ABORTED);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

static void *stop_in_open(sks_worker *w, void *arg)
{
    sks_pipeline_stop(sks_worker_pipeline(w));
    return arg;
}

static void g10_stop_before_the_first_item(void **state)
{
    struct book *b = book_new(100);
    sks_pipeline *p = pipeline_new(b);

    (void)state;
    ok(p, sks_pipeline_source(p, "read", feed, b, OPTIONS(.worker_open = stop_in_open)));
    ok(p, sks_pipeline_sink(p, "write", sink, b, NULL));
    assert_int_equal(run(p, NULL), 0);
    assert_int_equal(b->next, 0);
    sks_pipeline_free(p);
    free(b);
}

/* ---- G15: from anywhere ------------------------------------------------ */

static void *stop_often(void *arg)
{
    for (int i = 0; i < 1000; i++)
        sks_pipeline_stop(arg);
    return NULL;
}

static int stop_in_sink(sks_worker *w, void *item)
{
    sks_pipeline_stop(sks_worker_pipeline(w));
    return sink(w, item);
}

static void g15_stop_from_threads_and_from_a_stage(void **state)
{
    struct book *b = book_new(10);
    sks_pipeline *p = pipeline_new(b);
    pthread_t threads[4];
    struct runner t;

    (void)state;
    ok(p, sks_pipeline_source(p, "read", endless, b, NULL));
    ok(p, sks_pipeline_stage(p, "pass", pass, b, OPTIONS(.workers = 2)));
    ok(p, sks_pipeline_sink(p, "write", stop_in_sink, b, OPTIONS(.workers = 2)));
    runner_start(&t, p);
    while (b->n_sunk == 0)
        sched_yield();
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, stop_often, p);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(runner_join(&t), 0);
    assert_int_equal(t.r->outcome, SKS_DRAINED);
    assert_true(t.r->stopped);
    assert_int_equal(b->n_discarded, 0);
    sks_receipt_free(t.r);
    sks_pipeline_free(p);
    free(b);
}

static sks_pipeline *x_stopped;

static void stop_handler(int signo)
{
    (void)signo;
    sks_pipeline_stop(x_stopped);
}

static int raise_in_sink(sks_worker *w, void *item)
{
    raise(SIGUSR1);
    return sink(w, item);
}

static void g15_stop_from_a_signal_handler(void **state)
{
    struct book *b = book_new(10);
    sks_pipeline *p = pipeline_new(b);
    sks_receipt *r;

    (void)state;
    x_stopped = p;
    signal(SIGUSR1, stop_handler);
    ok(p, sks_pipeline_source(p, "read", endless, b, NULL));
    ok(p, sks_pipeline_sink(p, "write", raise_in_sink, b, NULL));
    assert_int_equal(run(p, &r), 0);
    assert_true(r->stopped);
    assert_int_equal(b->n_discarded, 0);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    free(b);
}

/* ---- G17: blocked sources ---------------------------------------------- */

static void g17_a_source_in_poll_sees_the_stop_descriptor(void **state)
{
    (void)state;
    quiet_run(quiet_poll, NULL);
}

static void g17_a_source_in_a_call_is_woken(void **state)
{
    (void)state;
    quiet_run(quiet_read, quiet_wake);
}

/* One item, then it waits for more. */
static int one_then_poll(sks_worker *w)
{
    struct quiet *q = sks_worker_arg(w);
    uint64_t one = 0;

    if (q->announced)
        return quiet_poll(w);
    q->announced = true;
    return sks_emit(w, &one) ? SKS_ENOUGH : SKS_OK;
}

static int enough_at_once(sks_worker *w, void *item)
{
    (void)w;
    (void)item;
    return SKS_ENOUGH;
}

/* Nobody wants more, and the source would never emit again. */
static void g17_a_source_that_nobody_wants_is_woken(void **state)
{
    struct book *b = book_new(1);
    sks_pipeline *p = pipeline_new(b);
    struct quiet q = {.announced = false};
    sks_receipt *r;

    (void)state;
    gate_init(&q.gate);
    assert_int_equal(pipe(q.fd), 0);
    ok(p, sks_pipeline_source(p, "read", one_then_poll, &q, NULL));
    ok(p, sks_pipeline_stage(p, "pass", pass, b, NULL));
    ok(p, sks_pipeline_sink(p, "head", enough_at_once, b, NULL));
    assert_int_equal(run(p, &r), 0);
    assert_int_equal(r->outcome, SKS_DRAINED);
    assert_false(r->stopped);
    sks_receipt_free(r);
    sks_pipeline_free(p);
    close(q.fd[0]);
    close(q.fd[1]);
    free(b);
}

SKS_TESTS("pipeline/stop", cmocka_unit_test(g5_drain_discards_nothing),
          cmocka_unit_test(g9_stop_while_every_queue_is_full),
          cmocka_unit_test(g10_stop_while_all_workers_sleep),
          cmocka_unit_test(g10_stop_before_the_run_stops_it_at_once),
          cmocka_unit_test(g10_stop_before_the_first_item),
          cmocka_unit_test(g15_stop_from_threads_and_from_a_stage),
          cmocka_unit_test(g15_stop_from_a_signal_handler),
          cmocka_unit_test(g17_a_source_in_poll_sees_the_stop_descriptor),
          cmocka_unit_test(g17_a_source_in_a_call_is_woken),
          cmocka_unit_test(g17_a_source_that_nobody_wants_is_woken))
