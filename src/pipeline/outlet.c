/* SPDX-License-Identifier: MIT */
/*
 * outlet.c - where an item goes: the emit of a stage.
 *
 * A try comes first; only when there is no room the clock is asked and the thread
 * waits.  With several outputs each open one is tried in turn, then a select waits
 * for the first that has room.  An item that nobody wants any more is counted and
 * discarded here, so the caller need not look at it again.
 */
#include "channel/told.h"
#include "pipeline/internal.h"
#include "pipeline/quick.h"

#include <errno.h>
#include <string.h>

/* Not inlined: the quick way of sks_emit() needs no frame. */
#define APART __attribute__((noinline))

int sksi_outlet_make(struct sksi_outlet *out, const struct sksi_crew *crew, unsigned which)
{
    out->n = out->open = crew->n_out;
    if (out->n == 0)
        return 0;
    out->tx = sksi_zalloc(out->n * sizeof(*out->tx));
    out->closed = sksi_zalloc(out->n * sizeof(*out->closed));
    if (!out->tx || !out->closed)
        return -1;
    for (size_t i = 0; i < out->n; i++)
        out->tx[i] = crew->out[i]->tx[which];
    if (out->n == 1)
        return 0;
    out->select = sks_select_new();
    if (!out->select)
        return -1;
    for (size_t i = 0; i < out->n; i++) {
        if (sks_select_send(out->select, out->tx[i], NULL) != (int)i)
            return -1;
    }
    return 0;
}

void sksi_outlet_fini(struct sksi_outlet *out)
{
    sks_select_free(out->select);
    sksi_free(out->tx);
    sksi_free(out->closed);
}

void sksi_outlet_done(struct sksi_outlet *out)
{
    for (size_t i = 0; i < out->n; i++)
        sks_sender_done(out->tx[i]);
}

void sksi_outlet_close(struct sksi_outlet *out, size_t i)
{
    if (out->closed[i])
        return;
    out->closed[i] = true;
    out->open--;
    if (out->select)
        sks_select_enable(out->select, (int)i, false);
}

/* ---- sending ----------------------------------------------------------- */

static int send_one(struct sks_worker *w, struct sksi_outlet *out, size_t i, const void *item)
{
    struct sksi_told told = {sksi_clock_sleeps_out, w};
    int rc = sks_sender_try_send(out->tx[i], item);

    if (rc < 0 && errno == EAGAIN) {
        sksi_clock_wait(w, SKSI_WAIT_OUT);
        rc = sksi_sender_wait(out->tx[i], item, SKS_NEVER, &told);
        sksi_clock_waited(w);
    }
    if (rc < 0)
        sksi_outlet_close(out, i);
    return rc;
}

static int try_any(struct sksi_outlet *out, const void *item)
{
    size_t first = out->turn;

    for (size_t k = 0; k < out->n; k++) {
        size_t i = (first + k) % out->n;

        if (out->closed[i])
            continue;
        if (sks_sender_try_send(out->tx[i], item) == 0) {
            out->turn = (i + 1) % out->n;
            return 0;
        }
        if (errno != EAGAIN)
            sksi_outlet_close(out, i);
    }
    return -1;
}

static int send_any(struct sks_worker *w, struct sksi_outlet *out, const void *item)
{
    int rc = try_any(out, item);

    if (rc == 0 || !out->open)
        return rc;
    for (size_t i = 0; i < out->n; i++)
        sks_select_set_item(out->select, (int)i, (void *)(uintptr_t)item);
    sksi_clock_to(w, SKSI_WAIT_OUT);
    while (rc < 0 && out->open) {
        int arm = sks_select_wait(out->select, SKS_NEVER, 0, &rc);

        if (arm < 0) /* cannot be: an arm is enabled, and the wait is for ever */
            break;
        if (rc < 0)
            sksi_outlet_close(out, (size_t)arm);
        else
            out->turn = ((size_t)arm + 1) % out->n;
    }
    sksi_clock_to(w, SKSI_BUSY);
    return rc;
}

/* Nobody wants the item, which was meant for output i, any more. */
static int refused(struct sks_worker *w, size_t i, const void *item)
{
    sksi_outlet_close(w->outlet, i);
    sksi_flow_refuse(w->crew->out[i], item);
    w->unusual = w->emit_failed = true;
    errno = sksi_run_aborted(w->crew->run) ? ECANCELED : EPIPE;
    return -1;
}

int sksi_outlet_send(struct sks_worker *w, int target, const void *item)
{
    struct sksi_outlet *out = w->outlet;
    size_t first = target >= 0 ? (size_t)target : 0;
    int rc;

    if (w->crew->out[0]->credit)
        rc = sksi_credit_send(w, out, target, item);
    else if (target >= 0 || out->n == 1)
        rc = send_one(w, out, first, item);
    else
        rc = send_any(w, out, item);
    if (rc == 0)
        return 0;
    return refused(w, first, item);
}

/* ---- public ------------------------------------------------------------ */

static int emit(struct sks_worker *w, int target, const void *item)
{
    if (w->crew->order)
        return sksi_order_emit(w, target, item);
    sksi_count(&w->x_out, 1);
    w->emitted++;
    return sksi_outlet_send(w, target, item);
}

/* A sink, several outputs, one that is shared or counts credit. */
APART static int emit_hard(struct sks_worker *w, const void *item)
{
    if (w->crew->n_out == 0) {
        errno = EINVAL;
        return -1;
    }
    return emit(w, -1, item);
}

APART static int emit_slow(struct sks_worker *w, const void *item)
{
    return sksi_outlet_send(w, -1, item);
}

/* Sent, and somebody is to be told: or it has come back. */
APART static int emit_flags(struct sks_worker *w, const void *item)
{
    return sks_sender_sent_(w->tx) ? refused(w, 0, item) : 0;
}

int sks_emit(sks_worker *w, const void *item)
{
    if (!w->tx)
        return emit_hard(w, item);
    sksi_count(&w->x_out, 1);
    w->emitted++;
    if (!sksi_quick_give(w->tx, item))
        return emit_slow(w, item);
    if (sksi_quick_sent_flags((struct sksi_ring_tx *)w->tx))
        return emit_flags(w, item);
    return 0;
}

int sks_emit_to(sks_worker *w, const char *stage, const void *item)
{
    const struct sksi_crew *crew = w->crew;

    for (size_t i = 0; stage && i < crew->n_out; i++) {
        if (strcmp(crew->out[i]->link->to->name, stage) == 0)
            return emit(w, (int)i, item);
    }
    errno = EINVAL;
    return -1;
}
