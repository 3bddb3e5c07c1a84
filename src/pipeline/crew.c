/* SPDX-License-Identifier: MIT */
/*
 * crew.c - how stages end before their input does.
 *
 * CLOSE  A crew that takes no more cuts the flows into it.  A crew whose every output
 * is cut is not wanted any more and closes too, up to the sources: so one that waits
 * in a call of its own is woken even if it would never emit again.
 *
 * CAUSE  The first failure or abort is recorded with what happened; all that it
 * brings about comes later and finds the record taken.  An abort is a cause from the
 * moment it is asked for, although the thread of run carries it out.
 */
#include "pipeline/internal.h"

#include <errno.h>
#include <sockstream/log.h>
#include <string.h>

/* ---- the first cause --------------------------------------------------- */

/* Under p->lock. */
static void cause_locked(struct sksi_run *run, const struct sksi_cause *cause)
{
    /* relaxed: hint, an abort that is asked for at this very moment is as good as a
     * later one. */
    int code = atomic_load_explicit(&run->p->x_abort_code, memory_order_relaxed);

    if (run->cause.outcome != SKS_RUNNING)
        return;
    run->cause = *cause;
    if (code && cause->outcome != SKS_ABORTED)
        run->cause = (struct sksi_cause){
            .outcome = SKS_ABORTED, .code = code, .stage = "", .text = "aborted"};
}

void sksi_cause_set(struct sksi_run *run, const struct sksi_cause *cause)
{
    sksi_lock_take(&run->p->lock);
    cause_locked(run, cause);
    sksi_lock_drop(&run->p->lock);
}

/* ---- closing ----------------------------------------------------------- */

/* Has every flow out of the crew been refused? */
static bool unwanted(struct sksi_crew *crew)
{
    bool all = crew->n_out > 0;

    sksi_lock_take(&crew->run->p->lock);
    for (size_t i = 0; i < crew->n_out; i++)
        all = all && crew->out[i]->refused;
    sksi_lock_drop(&crew->run->p->lock);
    return all;
}

static void refuse_inputs(struct sksi_crew *crew)
{
    sksi_lock_take(&crew->run->p->lock);
    for (size_t i = 0; i < crew->n_in; i++)
        crew->in[i]->refused = true;
    sksi_lock_drop(&crew->run->p->lock);
}

void sksi_crew_close(struct sksi_crew *crew)
{
    /* [R2] */
    if (atomic_exchange_explicit(&crew->x_closing, true, memory_order_release))
        return;
    refuse_inputs(crew);
    for (size_t i = 0; i < crew->n_in; i++)
        sksi_flow_cut(crew->in[i], EPIPE);
    /* As deep as the graph is long. */
    for (size_t i = 0; i < crew->n_in; i++) {
        if (unwanted(crew->in[i]->from))
            sksi_crew_close(crew->in[i]->from);
    }
    if (crew->n_in == 0)
        sksi_pipeline_poke(crew->run->p); /* a source: wake it */
}

/* ---- failing ----------------------------------------------------------- */

/* A stuck worker that fails after its run is over is nobody's cause. */
static void note(struct sksi_run *run, const struct sksi_cause *cause)
{
    sks_pipeline *p = run->p;
    unsigned ask = SKSI_ASK_FAILED | (p->abort_on_failure ? SKSI_ASK_CUT : 0u);

    sksi_lock_take(&p->lock);
    if (!run->over) {
        cause_locked(run, cause);
        atomic_fetch_or_explicit(&p->x_ask, ask, memory_order_release); /* [R3] */
    }
    sksi_lock_drop(&p->lock);
}

void sksi_crew_fail(struct sks_worker *w, int code, const char *text)
{
    struct sksi_crew *crew = w->crew;
    struct sksi_cause cause = {
        .outcome = SKS_STAGE_FAILED,
        .code = code > 0 ? code : EIO,
        .worker = w->index,
        .item = sksi_item_number(w),
        .stage = crew->stage->name,
    };
    size_t n = strlen(text);
    int cancel;

    if (n >= sizeof cause.text)
        n = sizeof cause.text - 1;
    memcpy(cause.text, text, n);
    note(crew->run, &cause);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    sks_warn(crew->stage->component, "stage failed code=%d worker=%u why=%s", cause.code,
             cause.worker, cause.text);
    pthread_setcancelstate(cancel, NULL);
    sksi_crew_close(crew);
    sksi_pipeline_poke(crew->run->p);
}

/* ---- aborting ---------------------------------------------------------- */

void sksi_run_abort(struct sksi_run *run, sks_discard_reason reason)
{
    /* [R4] before the channels say so. */
    atomic_store_explicit(&run->x_reason, (uint32_t)reason, memory_order_release);
    for (size_t i = 0; i < run->n_flows; i++)
        sksi_flow_cut(&run->flows[i], ECANCELED);
    for (size_t i = 0; i < run->n_crews; i++) {
        struct sksi_crew *crew = &run->crews[i];

        /* [R2] a source that is stuck now is not called again when it is back. */
        atomic_store_explicit(&crew->x_closing, true, memory_order_release);
        if (crew->order)
            sksi_order_cut(crew);
    }
}
