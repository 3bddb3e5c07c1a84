/* SPDX-License-Identifier: MIT */
/*
 * build.c - the memory and the handles of one run, taken before anything starts.
 *
 * All that can fail fails here: a run that has begun allocates no more than what an
 * ordered crew keeps, and goes on without that.  A half-built run is cleared memory
 * with some pointers set, so one function takes down whole and half ones.
 */
#include "pipeline/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static size_t round_up(size_t n)
{
    return (n + SKSI_CACHE_LINE - 1) & ~(size_t)(SKSI_CACHE_LINE - 1);
}

/* Cleared, on cache lines of its own. */
static void *zalloc_lines(size_t n, size_t size)
{
    void *m = sksi_alloc(round_up(n * size), SKSI_CACHE_LINE);

    return m ? memset(m, 0, round_up(n * size)) : NULL;
}

static int event_new(void)
{
    return sksi_sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* ---- flows ------------------------------------------------------------- */

static int flow_open(struct sksi_flow *f)
{
    sks_channel_options o = {
        .size = sizeof o,
        .destroy = sksi_flow_destroy,
        .destroy_arg = f,
    };

    f->tx = sksi_zalloc(f->from->n_lets * sizeof(*f->tx));
    f->rx = sksi_zalloc(f->to->n_lets * sizeof(*f->rx));
    if (!f->tx || !f->rx)
        return -1;
    if (f->to->stage->n_in > 1) {
        f->taken = zalloc_lines(f->to->n_lets, sizeof *f->taken);
        if (!f->taken)
            return -1;
    }
    if (sks_channel_with(f->link->from->options.item_size, f->link->items, &o, &f->tx[0],
                         &f->rx[0]))
        return -1;
    f->n_tx = f->n_rx = 1;
    for (; f->n_tx < f->from->n_lets; f->n_tx++) {
        if ((f->tx[f->n_tx] = sks_sender_dup(f->tx[0])) == NULL)
            return -1;
    }
    for (; f->n_rx < f->to->n_lets; f->n_rx++) {
        if ((f->rx[f->n_rx] = sks_receiver_dup(f->rx[0])) == NULL)
            return -1;
    }
    return 0;
}

static int flows_open(struct sksi_run *run)
{
    const struct sksi_link *l = run->p->links;

    for (size_t i = 0; i < run->n_flows; i++, l = l->next) {
        struct sksi_flow *f = &run->flows[i];

        f->link = l;
        f->run = run;
        f->from = &run->crews[l->from->index];
        f->to = &run->crews[l->to->index];
        f->from->out[f->from->n_out++] = f;
        f->to->in[f->to->n_in++] = f;
        f->to->item_size = l->from->options.item_size;
        if (flow_open(f))
            return -1;
    }
    for (size_t i = 0; i < run->n_flows; i++) {
        struct sksi_crew *from = run->flows[i].from;

        for (size_t k = 0; run->flows[i].link->bytes != SIZE_MAX && k < from->n_out; k++)
            from->out[k]->credit = &from->credit;
    }
    return 0;
}

/* ---- crews ------------------------------------------------------------- */

static int crew_begin(struct sksi_crew *c, struct sksi_run *run, struct sksi_stage *s)
{
    c->stage = s;
    c->run = run;
    c->n_workers = s->options.workers;
    c->last = s->n_out == 0;
    c->in_turn = s->options.ordered && c->n_workers > 1 && s->n_in > 0;
    c->n_lets = c->in_turn ? 1 : c->n_workers;
    c->stop_fd = run->stop_fd;
    /* relaxed: stored before [R6]. */
    atomic_store_explicit(&c->x_present, c->n_workers, memory_order_relaxed);
    if (s->role == SKSI_SOURCE) {
        c->stop_fd = event_new();
        if (c->stop_fd < 0)
            return -1;
        c->own_fd = true;
    }
    c->in = sksi_zalloc(s->n_in * sizeof(*c->in));
    c->out = sksi_zalloc(s->n_out * sizeof(*c->out));
    c->workers = zalloc_lines(c->n_workers, sizeof *c->workers);
    c->inlets = zalloc_lines(c->n_lets, sizeof *c->inlets);
    c->outlets = zalloc_lines(c->n_lets, sizeof *c->outlets);
    return c->in && c->out && c->workers && c->inlets && c->outlets ? 0 : -1;
}

/* When the flows are open. */
static int crew_finish(struct sksi_crew *c)
{
    size_t batch = c->stage->options.batch;
    size_t each = round_up(batch * c->item_size);

    c->items = zalloc_lines(c->n_workers, each);
    if (!c->items)
        return -1;
    if (c->stage->batched && !(c->marks = sksi_zalloc(c->n_workers * batch * sizeof(*c->marks))))
        return -1;
    if (c->in_turn && !(c->order = sksi_order_new(c)))
        return -1;
    for (unsigned i = 0; i < c->n_lets; i++) {
        if (sksi_inlet_make(&c->inlets[i], c, i) || sksi_outlet_make(&c->outlets[i], c, i))
            return -1;
    }
    for (unsigned i = 0; i < c->n_workers; i++) {
        struct sks_worker *w = &c->workers[i];

        w->crew = c;
        w->index = i;
        w->inlet = &c->inlets[c->in_turn ? 0 : i];
        w->outlet = &c->outlets[c->in_turn ? 0 : i];
        w->items = c->items + i * each;
        if (c->n_in == 1 && !c->in_turn && !c->in[0]->credit)
            w->rx = w->inlet->rx[0];
        if (c->n_out == 1 && !c->in_turn && !c->out[0]->credit)
            w->tx = w->outlet->tx[0];
        w->mark = c->marks ? c->marks + i * batch : NULL;
    }
    return 0;
}

static void crew_free(struct sksi_crew *c)
{
    sksi_order_free(c->order);
    sksi_free(c->in);
    sksi_free(c->out);
    sksi_free(c->workers);
    sksi_free(c->inlets);
    sksi_free(c->outlets);
    sksi_free(c->items);
    sksi_free(c->marks);
}

/* ---- the run ----------------------------------------------------------- */

static int run_build(struct sksi_run *run)
{
    struct sksi_stage *s = run->p->stages;

    run->stop_fd = event_new();
    if (run->stop_fd < 0)
        return -1;
    for (size_t i = 0; i < run->n_crews; i++, s = s->next) {
        if (crew_begin(&run->crews[i], run, s))
            return -1;
        run->n_workers += s->options.workers;
    }
    if (flows_open(run))
        return -1;
    for (size_t i = 0; i < run->n_crews; i++) {
        if (crew_finish(&run->crews[i]))
            return -1;
    }
    return 0;
}

struct sksi_run *sksi_run_new(sks_pipeline *p)
{
    struct sksi_run *run = sksi_zalloc(sizeof *run);

    if (!run)
        goto no_memory;
    errno = 0; /* only what fails from here on counts */
    run->p = p;
    run->stop_fd = -1;
    run->cause.stage = "";
    run->crews = zalloc_lines(p->n_stages, sizeof *run->crews);
    run->flows = sksi_zalloc(p->n_links * sizeof(*run->flows));
    if (!run->crews || !run->flows)
        goto fail;
    run->n_crews = p->n_stages;
    run->n_flows = p->n_links;
    if (run_build(run) == 0)
        return run;
fail:
    if (errno != EMFILE && errno != ENFILE)
        errno = ENOMEM;
    {
        int code = errno;

        sksi_run_close(run);
        sksi_run_free(run);
        errno = code;
    }
    return NULL;
no_memory:
    errno = ENOMEM;
    return NULL;
}

static void lets_fini(struct sksi_crew *c)
{
    for (unsigned i = 0; c->inlets && i < c->n_lets; i++)
        sksi_inlet_fini(&c->inlets[i]);
    for (unsigned i = 0; c->outlets && i < c->n_lets; i++)
        sksi_outlet_fini(&c->outlets[i]);
    if (c->own_fd)
        close(c->stop_fd);
}

void sksi_run_close(struct sksi_run *run)
{
    size_t i;

    if (run->closed)
        return;
    for (i = 0; i < run->n_crews; i++)
        lets_fini(&run->crews[i]);
    if (run->stop_fd >= 0)
        close(run->stop_fd);
    /* The last receiver discards what came after the abort. */
    for (i = 0; i < run->n_flows; i++) {
        for (unsigned k = 0; k < run->flows[i].n_rx; k++)
            sks_receiver_close(run->flows[i].rx[k]);
    }
    sksi_lock_take(&run->p->lock);
    for (i = 0; i < run->n_flows; i++) {
        if (run->flows[i].n_tx)
            sksi_flow_counts(&run->flows[i], &run->flows[i].final);
    }
    run->closed = true;
    sksi_lock_drop(&run->p->lock);
    for (i = 0; i < run->n_flows; i++) {
        for (unsigned k = 0; k < run->flows[i].n_tx; k++)
            sks_sender_close(run->flows[i].tx[k]);
    }
}

void sksi_run_free(struct sksi_run *run)
{
    if (!run)
        return;
    for (size_t i = 0; i < run->n_crews; i++)
        crew_free(&run->crews[i]);
    for (size_t i = 0; i < run->n_flows; i++) {
        sksi_free(run->flows[i].tx);
        sksi_free(run->flows[i].rx);
        sksi_free(run->flows[i].taken);
    }
    sksi_free(run->crews);
    sksi_free(run->flows);
    sksi_free(run);
}
