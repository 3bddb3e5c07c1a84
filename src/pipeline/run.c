/* SPDX-License-Identifier: MIT */
/*
 * run.c - the thread of sks_pipeline_run(), and the calls that steer it.
 *
 * STEERING  stop and abort set a bit and wake a futex, so a signal handler may call
 * them; all that takes time is done here: waking sources, cutting flows, deadlines.
 * x_event is read before anything is looked at, so what changes later ends the sleep
 * at once.
 *
 * START  Every thread waits at a gate until all of them exist; when one cannot be
 * made the others go home from there, and nothing of the user has run.
 *
 * END  When all workers have left they are joined, signal handlers taken back, and
 * only then the requests are read for the last time: a signal is either seen in this
 * receipt or has its old effect.
 *
 * LATE  At a deadline everything is cut; after the grace, workers that have not left
 * are stuck in their own code.  They are detached and hold the pipeline; run returns.
 */
#include "pipeline/internal.h"

#include <errno.h>
#include <limits.h>
#include <sockstream/log.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- requests: async-signal-safe --------------------------------------- */

void sksi_pipeline_poke(sks_pipeline *p)
{
    atomic_fetch_add_explicit(&p->x_event, 1, memory_order_release); /* [R5] */
    sksi_futex_wake(&p->x_event, INT_MAX);
}

static void ask(sks_pipeline *p, unsigned what)
{
    atomic_fetch_or_explicit(&p->x_ask, what, memory_order_release); /* [R3] */
    sksi_pipeline_poke(p);
}

static unsigned asked(sks_pipeline *p)
{
    return atomic_load_explicit(&p->x_ask, memory_order_acquire); /* [A3] */
}

void sks_pipeline_stop(sks_pipeline *p)
{
    ask(p, SKSI_ASK_STOP);
}

void sks_pipeline_abort(sks_pipeline *p, int code)
{
    int none = 0;

    /* relaxed: owner, the first one sets it; the bit behind publishes it. */
    atomic_compare_exchange_strong_explicit(&p->x_abort_code, &none, code > 0 ? code : ECANCELED,
                                            memory_order_relaxed, memory_order_relaxed);
    ask(p, SKSI_ASK_ABORT);
}

void sksi_pipeline_signal(sks_pipeline *p, int signo, unsigned nth)
{
    if (nth == 0) {
        /* relaxed: stored before [R3]. */
        atomic_store_explicit(&p->x_signo, signo, memory_order_relaxed);
        sks_pipeline_stop(p);
    } else {
        sks_pipeline_abort(p, ECANCELED);
    }
}

/* ---- carrying them out ------------------------------------------------- */

static void crew_wake(struct sksi_crew *c)
{
    static const uint64_t one = 1;

    if (c->woken)
        return;
    c->woken = true;
    /* It stays readable: nobody reads it. */
    if (c->own_fd && write(c->stop_fd, &one, sizeof one) < 0)
        sks_error(c->stage->component, "stop descriptor");
    if (c->stage->options.wake)
        c->stage->options.wake(c->stage->arg);
}

/* Wakes the sources: all of them, or those that nobody wants. */
static void wake_sources(struct sksi_run *run, bool all)
{
    static const uint64_t one = 1;

    if (all && !run->told) {
        run->told = true;
        if (write(run->stop_fd, &one, sizeof one) < 0)
            sks_error(run->p->component, "stop descriptor");
    }
    for (size_t i = 0; i < run->n_crews; i++) {
        struct sksi_crew *c = &run->crews[i];

        /* relaxed: hint, who closes a crew pokes us after it. */
        if (all || (c->own_fd && atomic_load_explicit(&c->x_closing, memory_order_relaxed)))
            crew_wake(c);
    }
}

static void abort_asked(struct sksi_run *run, unsigned what)
{
    struct sksi_cause cause = {.outcome = SKS_ABORTED, .stage = "", .text = "aborted"};

    if (!(what & (SKSI_ASK_ABORT | SKSI_ASK_CUT)) || run->aborted)
        return;
    run->aborted = true;
    if (what & SKSI_ASK_ABORT) {
        /* relaxed: read after [A3]. */
        cause.code = atomic_load_explicit(&run->p->x_abort_code, memory_order_relaxed);
        sksi_cause_set(run, &cause);
    }
    sksi_run_abort(run, SKS_DISCARD_ABORTED);
}

/* The drain after the first signal is bounded. */
static void drain_bound(struct sksi_run *run)
{
    sks_pipeline *p = run->p;
    /* relaxed: read after [A3]. */
    int signo = atomic_load_explicit(&p->x_signo, memory_order_relaxed);

    if (signo == 0 || run->drain_deadline != SKS_NEVER)
        return;
    for (size_t i = 0; i < p->n_signals; i++) {
        if (p->signals[i].signo == signo && p->signals[i].drain_ns)
            run->drain_deadline = sks_after(p->signals[i].drain_ns);
    }
}

/* ---- the deadline ------------------------------------------------------ */

static void deadline_passed(struct sksi_run *run)
{
    struct sksi_cause cause = {
        .outcome = SKS_DEADLINE, .code = ETIMEDOUT, .stage = "", .text = "the deadline passed"};

    run->late = true;
    run->drain_deadline = sks_after(SKSI_GRACE_NS);
    sksi_cause_set(run, &cause);
    sks_warn(run->p->component, "deadline passed");
    if (!run->aborted) {
        run->aborted = true;
        atomic_fetch_or_explicit(&run->p->x_ask, SKSI_ASK_CUT, memory_order_release); /* [R3] */
        sksi_run_abort(run, SKS_DISCARD_DEADLINE);
    }
}

/* Names the first stuck worker; under p->lock. */
static void blame_locked(struct sksi_run *run, const struct sks_worker *w)
{
    struct sksi_cause *c = &run->cause;
    /* relaxed: stat. */
    int64_t age = sksi_clock_ns() - atomic_load_explicit(&w->x_call_since, memory_order_relaxed);

    if (c->outcome != SKS_DEADLINE || c->stage[0])
        return;
    c->stage = w->crew->stage->name;
    c->worker = w->index;
    c->item = sksi_item_number(w);
    snprintf(c->text, sizeof c->text, "stuck in its own code for %lld ms",
             (long long)(age / 1000000));
}

/* Lets go of the threads that have not left. */
static void detach_stuck(struct sksi_run *run)
{
    sks_pipeline *p = run->p;

    sksi_lock_take(&p->lock);
    for (size_t i = 0; i < run->n_crews; i++) {
        for (unsigned k = 0; k < run->crews[i].n_workers; k++) {
            struct sks_worker *w = &run->crews[i].workers[k];

            if (w->left)
                continue;
            w->detached = true;
            /* relaxed: count, the caller's own reference keeps it. */
            atomic_fetch_add_explicit(&p->x_refs, 1, memory_order_relaxed);
            blame_locked(run, w);
        }
    }
    sksi_lock_drop(&p->lock);
}

/* ---- waiting ----------------------------------------------------------- */

static size_t present(struct sksi_run *run)
{
    size_t n;

    sksi_lock_take(&run->p->lock);
    n = run->present;
    sksi_lock_drop(&run->p->lock);
    return n;
}

/* Until every worker has left, or is stuck past a deadline. */
static void coordinate(struct sksi_run *run, int64_t deadline)
{
    sks_pipeline *p = run->p;

    for (;;) {
        uint32_t event = atomic_load_explicit(&p->x_event, memory_order_acquire); /* [A5] */
        unsigned what = asked(p);
        int64_t until;

        if (what)
            drain_bound(run);
        wake_sources(run, what != 0);
        abort_asked(run, what);
        if (present(run) == 0)
            return;
        until = run->late || run->drain_deadline < deadline ? run->drain_deadline : deadline;
        if (until != SKS_NEVER && sksi_clock_ns() >= until) {
            if (run->late) {
                detach_stuck(run);
                return;
            }
            deadline_passed(run);
            continue;
        }
        sksi_futex_wait(&p->x_event, event, until);
    }
}

/* ---- start and end ----------------------------------------------------- */

/* The i-th worker of all. */
static struct sks_worker *worker_at(struct sksi_run *run, size_t i)
{
    struct sksi_crew *c = run->crews;

    for (; i >= c->n_workers; c++)
        i -= c->n_workers;
    return &c->workers[i];
}

static void gate_open(struct sksi_run *run, uint32_t how)
{
    atomic_store_explicit(&run->x_gate, how, memory_order_release); /* [R6] */
    sksi_futex_wake(&run->x_gate, INT_MAX);
}

static void join(struct sksi_run *run)
{
    for (size_t i = 0; i < run->n_created; i++) {
        struct sks_worker *w = worker_at(run, i);

        if (w->detached)
            pthread_detach(w->thread);
        else
            pthread_join(w->thread, NULL);
    }
}

static int threads_start(struct sksi_run *run)
{
    for (; run->n_created < run->n_workers; run->n_created++) {
        struct sks_worker *w = worker_at(run, run->n_created);
        int code = sksi_sys.thread_create(&w->thread, NULL, sksi_worker_main, w);

        if (code) {
            gate_open(run, 2);
            join(run);
            errno = code;
            return -1;
        }
    }
    run->present = run->n_workers;
    return 0;
}

/* Reads the requests for the last time, and decides what the run was. */
static int conclude(struct sksi_run *run)
{
    sks_pipeline *p = run->p;
    unsigned what;
    int code;

    abort_asked(run, asked(p)); /* one that came when all had left */
    sksi_lock_take(&p->lock);
    run->over = true;
    what = atomic_exchange_explicit(&p->x_ask, 0, memory_order_acquire); /* [A3] */
    /* relaxed: owner, nobody asks any more; who does asks for the next run. */
    atomic_store_explicit(&p->x_abort_code, 0, memory_order_relaxed);
    run->stopped = what & (SKSI_ASK_STOP | SKSI_ASK_ABORT);
    run->elapsed_ns = sksi_clock_ns() - run->started_ns;
    code = run->cause.code;
    run->outcome = run->cause.outcome == SKS_RUNNING ? SKS_DRAINED : run->cause.outcome;
    if (run->late)
        run->outcome = SKS_DEADLINE;
    sksi_lock_drop(&p->lock);
    return code;
}

/* From here on nothing can fail. */
static int run_through(struct sksi_run *run, int64_t deadline)
{
    sks_pipeline *p = run->p;
    int code;

    sks_debug(p->component, "run started stages=%zu workers=%zu", run->n_crews, run->n_workers);
    gate_open(run, 1);
    coordinate(run, deadline);
    join(run);
    sksi_signals_give(p);
    code = conclude(run);
    sks_debug(p->component, "run ended outcome=%d code=%d", (int)run->outcome, code);
    return code;
}

/* ---- public ------------------------------------------------------------ */

void sksi_run_forget(sks_pipeline *p)
{
    struct sksi_run *old;

    sksi_lock_take(&p->lock);
    old = p->run;
    p->run = NULL;
    sksi_lock_drop(&p->lock);
    if (old)
        sksi_run_close(old);
    sksi_run_free(old);
}

/* Makes it the caller's to run; frees what the last run left. */
static int claim(sks_pipeline *p)
{
    sksi_lock_take(&p->lock);
    if (p->running || (p->run && p->run->present)) {
        sksi_lock_drop(&p->lock);
        errno = EBUSY;
        return -1;
    }
    p->running = true;
    sksi_lock_drop(&p->lock);
    sksi_run_forget(p);
    return 0;
}

static void disclaim(sks_pipeline *p)
{
    sksi_lock_take(&p->lock);
    p->running = false;
    sksi_lock_drop(&p->lock);
}

static void install(sks_pipeline *p, struct sksi_run *run)
{
    sksi_lock_take(&p->lock);
    p->run = run;
    sksi_lock_drop(&p->lock);
}

/* Says so; errno stays. */
static struct sksi_run *not_started(sks_pipeline *p, const char *what)
{
    const char *why = strerrordesc_np(errno);

    sksi_graph_error(p, errno, "cannot start: %s: %s", what, why ? why : "unknown error");
    return NULL;
}

/* Everything up to the open gate: NULL and errno when it cannot be. */
static struct sksi_run *run_start(sks_pipeline *p, bool with_receipt)
{
    struct sksi_run *run;
    const char *what;
    int code;

    if (sksi_graph_check(p))
        return NULL;
    if ((run = sksi_run_new(p)) == NULL)
        return not_started(p, "memory or descriptors");
    run->drain_deadline = SKS_NEVER;
    what = "memory";
    if (with_receipt) {
        run->receipt_size = sksi_receipt_size(p);
        run->receipt = sksi_zalloc(run->receipt_size);
        if (!run->receipt) {
            errno = ENOMEM;
            goto fail;
        }
    }
    what = "signals";
    if (sksi_signals_take(p))
        goto fail;
    what = "threads";
    if (threads_start(run))
        goto fail_signals;
    run->started_ns = sksi_clock_ns();
    return run;
fail_signals:
    code = errno;
    sksi_signals_give(p);
    errno = code;
fail:
    code = errno;
    sksi_run_close(run);
    sksi_free(run->receipt);
    sksi_run_free(run);
    errno = code;
    return not_started(p, what);
}

/* 0 or an errno value. */
static int run_whole(sks_pipeline *p, int64_t deadline, sks_receipt **receipt)
{
    struct sksi_run *run;
    int code;

    if (claim(p))
        return errno;
    run = run_start(p, receipt != NULL);
    if (!run) {
        code = errno;
        disclaim(p);
        return code;
    }
    install(p, run);
    code = run_through(run, deadline);
    if (present(run) == 0)
        sksi_run_close(run);
    if (receipt) {
        sksi_receipt_fill(p, run->receipt, run->receipt_size);
        *receipt = run->receipt;
        run->receipt = NULL;
    }
    disclaim(p);
    return code;
}

int sks_pipeline_run(sks_pipeline *p, int64_t deadline, sks_receipt **receipt)
{
    int cancel, code;

    if (receipt)
        *receipt = NULL;
    /* A cancel halfway would leave the workers alone: it waits until run is done. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    code = run_whole(p, deadline, receipt);
    pthread_setcancelstate(cancel, NULL);
    if (code == 0)
        return 0;
    errno = code;
    return -1;
}

void sksi_pipeline_rele(sks_pipeline *p)
{
    struct sksi_stage *s, *next;

    /* [R9] what the others did comes before the free; [A9] the last one sees it. */
    if (atomic_fetch_sub_explicit(&p->x_refs, 1, memory_order_acq_rel) != 1)
        return;
    sksi_run_forget(p);
    sksi_links_free(p);
    for (s = p->stages; s; s = next) {
        next = s->next;
        sksi_free(s->component);
        sksi_free(s);
    }
    sksi_free(p->name);
    sksi_free(p->component);
    sksi_free(p);
}

void sks_pipeline_free(sks_pipeline *p)
{
    if (!p)
        return;
    sksi_callbacks_end(p);
    sksi_pipeline_rele(p);
}
