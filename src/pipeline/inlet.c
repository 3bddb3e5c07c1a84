/* SPDX-License-Identifier: MIT */
/*
 * inlet.c - where the next item comes from.
 *
 * Items are taken one by one: what no stage works on stays in its channel, where it
 * counts against the bound and where an abort finds it.  A try comes first; only
 * when there is nothing the clock is asked and the thread waits.  With several
 * inputs each is tried in turn, then a select waits for all that have not ended.
 */
#include "pipeline/internal.h"

#include <errno.h>

#include "channel/told.h"

int sksi_inlet_make(struct sksi_inlet *in, const struct sksi_crew *crew, unsigned which)
{
    in->which = which;
    in->n = in->open = crew->n_in;
    if (in->n == 0)
        return 0;
    in->rx = sksi_zalloc(in->n * sizeof(*in->rx));
    in->ended = sksi_zalloc(in->n * sizeof(*in->ended));
    if (!in->rx || !in->ended)
        return -1;
    for (size_t i = 0; i < in->n; i++)
        in->rx[i] = crew->in[i]->rx[which];
    if (in->n == 1)
        return 0;
    in->select = sks_select_new();
    if (!in->select)
        return -1;
    for (size_t i = 0; i < in->n; i++) {
        if (sks_select_recv(in->select, in->rx[i], NULL) != (int)i)
            return -1;
    }
    return 0;
}

void sksi_inlet_fini(struct sksi_inlet *in)
{
    sks_select_free(in->select);
    sksi_free(in->rx);
    sksi_free(in->ended);
}

static void *place(const struct sks_worker *w, size_t at)
{
    return w->items + at * w->crew->item_size;
}

static int taken(struct sks_worker *w, size_t i, size_t at)
{
    struct sksi_flow *f = w->crew->in[i];

    if (f->credit)
        sksi_flow_taken(f, place(w, at));
    if (f->taken)
        sksi_count(&f->taken[w->inlet->which].x_n, 1);
    if (w->mark)
        w->mark[at] = (struct sksi_mark){.from = (uint16_t)i};
    return 1;
}

/* ---- one input --------------------------------------------------------- */

static int wait_one(struct sks_worker *w, void *item, int64_t deadline)
{
    struct sksi_told told = {sksi_clock_sleeps_in, w};
    int rc;

    sksi_clock_wait(w, SKSI_WAIT_IN);
    rc = sksi_receiver_wait(w->inlet->rx[0], item, deadline, &told);
    sksi_clock_waited(w);
    return rc;
}

static int take_one(struct sks_worker *w, size_t at, int64_t deadline)
{
    void *item = place(w, at);
    int rc = sks_receiver_try_recv(w->inlet->rx[0], item);

    if (rc < 0 && errno == EAGAIN && deadline != SKS_NOW)
        rc = wait_one(w, item, deadline);
    return rc > 0 ? taken(w, 0, at) : rc;
}

/* ---- several ----------------------------------------------------------- */

/* Input i gave rc: 1 and the item is ours, 0 and it has ended, -1 and errno. */
static int result(struct sks_worker *w, size_t i, int rc, size_t at)
{
    struct sksi_inlet *in = w->inlet;

    if (rc > 0)
        return taken(w, i, at);
    if (rc == 0 && !in->ended[i]) {
        in->ended[i] = true;
        in->open--;
        sks_select_enable(in->select, (int)i, false);
    }
    return rc;
}

/* Tries each once; 0 also when only some have ended. */
static int try_any(struct sks_worker *w, size_t at)
{
    struct sksi_inlet *in = w->inlet;
    size_t first = in->turn;

    for (size_t k = 0; k < in->n; k++) {
        size_t i = (first + k) % in->n;
        int rc;

        if (in->ended[i])
            continue;
        rc = result(w, i, sks_receiver_try_recv(in->rx[i], place(w, at)), at);
        if (rc > 0)
            in->turn = (i + 1) % in->n;
        if (rc > 0 || (rc < 0 && errno != EAGAIN))
            return rc;
    }
    errno = EAGAIN;
    return in->open ? -1 : 0;
}

static int take_any(struct sks_worker *w, size_t at, int64_t deadline)
{
    struct sksi_inlet *in = w->inlet;
    int rc = try_any(w, at);

    if (rc >= 0 || errno != EAGAIN || deadline == SKS_NOW)
        return rc;
    for (size_t i = 0; i < in->n; i++)
        sks_select_set_item(in->select, (int)i, place(w, at));
    sksi_clock_to(w, SKSI_WAIT_IN);
    while (in->open) {
        int got, arm = sks_select_wait(in->select, deadline, 0, &got);

        rc = arm < 0 ? -1 : result(w, (size_t)arm, got, at);
        if (rc != 0)
            break;
        rc = 0;
    }
    {
        int saved = errno;

        sksi_clock_to(w, SKSI_BUSY);
        errno = saved;
    }
    return rc;
}

int sksi_inlet_take(struct sks_worker *w, size_t at, int64_t deadline)
{
    return w->inlet->n == 1 ? take_one(w, at, deadline) : take_any(w, at, deadline);
}

void sksi_inlet_purge(struct sks_worker *w)
{
    struct sksi_inlet *in = w->inlet;

    for (size_t i = 0; i < in->n; i++) {
        /* The first receive after an abort discards what is buffered. */
        while (sks_receiver_try_recv(in->rx[i], w->items) > 0) {
            taken(w, i, 0);
            sksi_count(&w->x_in, 1);
            sksi_discard(w->crew->run, w->items, w->crew->in[i]->link->name);
            sksi_count(&w->x_discarded, 1);
        }
    }
}
