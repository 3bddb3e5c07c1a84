/* SPDX-License-Identifier: MIT */
/*
 * callback.c - calling the user's discard and dead-letter functions.
 *
 *   tag  where                             order    pairs   what it orders
 *   S1   enter: x_callbacks up, x_freed    seq_cst  S2      either the caller sees that
 *   S2   end: x_freed, x_callbacks         seq_cst  S1      the pipeline is freed, or
 *                                                           free sees the caller and waits
 *   R11  leave: x_callbacks down           release  A11     the callback has returned
 *   A11  end: x_callbacks reaches 0        seq_cst  R11
 *
 * A worker that was stuck when its run returned may come back after the user has
 * freed the pipeline and what the callbacks use; then nothing is called any more.
 * One that is stuck in a callback itself holds free up no longer than the grace.
 *
 * A callback is not a place where a thread may be cancelled: an item would be lost
 * halfway.
 */
#include "pipeline/internal.h"

bool sksi_callback_enter(sks_pipeline *p, int *cancel_state)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, cancel_state);
    atomic_fetch_add_explicit(&p->x_callbacks, 1, memory_order_seq_cst); /* [S1] */
    if (!atomic_load_explicit(&p->x_freed, memory_order_seq_cst))        /* [S1] */
        return true;
    sksi_callback_leave(p, *cancel_state);
    return false;
}

void sksi_callback_leave(sks_pipeline *p, int cancel_state)
{
    /* [R11] free may let go of what the callback used. */
    if (atomic_fetch_sub_explicit(&p->x_callbacks, 1, memory_order_release) == 1)
        sksi_futex_wake(&p->x_callbacks, 1);
    pthread_setcancelstate(cancel_state, NULL);
}

void sksi_callbacks_end(sks_pipeline *p)
{
    int64_t deadline = sksi_clock_after(SKSI_GRACE_NS);
    uint32_t n;

    atomic_store_explicit(&p->x_freed, true, memory_order_seq_cst); /* [S2] */
    do {
        /* [S2] [A11] */
        n = atomic_load_explicit(&p->x_callbacks, memory_order_seq_cst);
    } while (n != 0 && sksi_futex_wait(&p->x_callbacks, n, deadline));
}

static sks_discard_reason reason_now(const struct sksi_run *run)
{
    /* relaxed: hint, the channel's end that led here is ordered behind it. */
    uint32_t reason = atomic_load_explicit(&run->x_reason, memory_order_relaxed);

    /* An abort that is asked for but not carried out yet is one already. */
    if (reason == SKS_DISCARD_CLOSED && sksi_run_aborted(run))
        return SKS_DISCARD_ABORTED;
    return (sks_discard_reason)reason;
}

void sksi_discard(struct sksi_run *run, void *item, const char *link)
{
    sks_pipeline *p = run->p;
    int cancel;

    if (!p->discard || !sksi_callback_enter(p, &cancel))
        return;
    p->discard(item, link, reason_now(run), p->discard_arg);
    sksi_callback_leave(p, cancel);
}

void sksi_dead_letter(struct sks_worker *w, void *item, int code, const char *why)
{
    sks_pipeline *p = w->crew->run->p;
    int cancel;

    if (!p->dead_letter || !sksi_callback_enter(p, &cancel))
        return;
    p->dead_letter(item, w->crew->stage->name, code, why, p->dead_letter_arg);
    sksi_callback_leave(p, cancel);
}
