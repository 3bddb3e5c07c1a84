/* SPDX-License-Identifier: MIT */
/*
 * worker.c - one thread of a stage, from its first instruction to its last, and what
 * a stage's function may ask of it.
 *
 * LOST  A thread may end anywhere in the user's code: pthread_exit(), or a cancel.
 * Everything from the gate on runs under one cleanup handler, so leave() runs on every
 * way out, and what follows downstream sees its end.  Our own code has no
 * cancellation point but the user's callbacks and log handlers, and those run with
 * cancellation off; so a lost worker is never in the middle of a send or a receive.
 */
#include "pipeline/internal.h"

#include <errno.h>
#include <sockstream/log.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- the thread -------------------------------------------------------- */

static bool gate_pass(struct sksi_run *run)
{
    uint32_t gate;

    /* [A6] */
    while ((gate = atomic_load_explicit(&run->x_gate, memory_order_acquire)) == 0)
        sksi_futex_wait(&run->x_gate, 0, SKS_NEVER);
    return gate == 1;
}

static bool worker_open(struct sks_worker *w)
{
    const struct sksi_stage *stage = w->crew->stage;

    if (stage->options.worker_open) {
        errno = 0;
        w->user = stage->options.worker_open(w, stage->arg);
        if (!w->user) {
            sksi_crew_fail(w, errno, "worker_open failed");
            return false;
        }
    }
    w->opened = true;
    return true;
}

static void worker_close(struct sks_worker *w)
{
    const struct sksi_stage *stage = w->crew->stage;
    sks_pipeline *p = w->crew->run->p;
    int cancel;

    if (!w->opened || !stage->options.worker_close || !sksi_callback_enter(p, &cancel))
        return;
    stage->options.worker_close(w->user, stage->arg);
    sksi_callback_leave(p, cancel);
}

/* The last thing a worker does with the pipeline.  The last one of a run that is
 * over closes what it left open. */
static void worker_left(struct sks_worker *w)
{
    struct sksi_run *run = w->crew->run;
    sks_pipeline *p = run->p;
    bool detached;

    sksi_lock_take(&p->lock);
    if (run->over && run->present == 1) {
        sksi_lock_drop(&p->lock);
        sksi_run_close(run);
        sksi_lock_take(&p->lock);
    }
    run->present--;
    w->left = true;
    detached = w->detached;
    sksi_lock_drop(&p->lock);
    sksi_pipeline_poke(p);
    if (detached)
        sksi_pipeline_rele(p);
}

/* Leaves what a cut input still holds to the discard callback. */
static void worker_purge(struct sks_worker *w)
{
    const struct sksi_crew *crew = w->crew;

    if (!atomic_load_explicit(&crew->x_closing, memory_order_acquire) && /* [A2] */
        !sksi_run_aborted(crew->run))
        return;
    if (crew->in_turn)
        sksi_order_purge(w);
    else
        sksi_inlet_purge(w);
}

static void leave(void *arg)
{
    struct sks_worker *w = arg;
    struct sksi_crew *crew = w->crew;
    bool lost = !w->finished, ended;
    unsigned others;

    if (lost)
        sksi_worker_lost(w);
    worker_close(w);
    /* [R7] our items come before the end; [A7] and so do those of the others. */
    others = atomic_fetch_sub_explicit(&crew->x_present, 1, memory_order_acq_rel) - 1;
    ended = atomic_load_explicit(&crew->x_ended, memory_order_acquire); /* [A8] */
    if (lost && !(crew->stage->options.worker_loss_ok && (others || ended)))
        sksi_crew_fail(w, ECANCELED, "a worker was cancelled or exited");
    worker_purge(w);
    if (others == 0 || !crew->in_turn)
        sksi_outlet_done(w->outlet);
    sksi_clock_to(w, SKSI_GONE);
    worker_left(w);
}

void *sksi_worker_main(void *worker)
{
    struct sks_worker *w = worker;

    if (!gate_pass(w->crew->run))
        return NULL;
    pthread_cleanup_push(leave, w);
    sks_log_thread_name(w->crew->stage->name);
    sksi_clock_start(w);
    if (worker_open(w)) {
        sksi_worker_work(w);
        /* [R8] */
        atomic_store_explicit(&w->crew->x_ended, true, memory_order_release);
    }
    w->finished = true;
    pthread_cleanup_pop(1);
    return NULL;
}

/* ---- for a stage's function -------------------------------------------- */

int sks_item_fail(sks_worker *w, void *item, int code, const char *why, ...)
{
    struct sksi_crew *crew = w->crew;
    size_t at;
    va_list ap;

    va_start(ap, why);
    vsnprintf(w->fail_text, sizeof w->fail_text, why, ap);
    va_end(ap);
    w->unusual = true;
    w->failed++;
    w->item_code = code;
    if (w->mark) {
        at = ((uintptr_t)item - (uintptr_t)w->items) / crew->item_size;
        if (at < w->held)
            w->mark[at].failed = true;
    }
    sksi_dead_letter(w, item, code, w->fail_text);
    return SKS_FAILED;
}

int sks_stage_fail(sks_worker *w, int code, const char *why, ...)
{
    va_list ap;

    va_start(ap, why);
    vsnprintf(w->fail_text, sizeof w->fail_text, why, ap);
    va_end(ap);
    w->unusual = true;
    w->fail_code = code > 0 ? code : EIO;
    return SKS_FAIL;
}

void *sks_worker_arg(const sks_worker *w)
{
    return w->crew->stage->arg;
}

void *sks_worker_user(const sks_worker *w)
{
    return w->user;
}

unsigned sks_worker_index(const sks_worker *w)
{
    return w->index;
}

const char *sks_worker_stage(const sks_worker *w)
{
    return w->crew->stage->name;
}

sks_pipeline *sks_worker_pipeline(const sks_worker *w)
{
    return w->crew->run->p;
}

int sks_worker_stop_fd(const sks_worker *w)
{
    return w->crew->stop_fd;
}
