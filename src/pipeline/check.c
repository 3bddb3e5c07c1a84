/* SPDX-License-Identifier: MIT */
/*
 * check.c - is the graph one that can run?
 *
 * Every stage but a source has an input, every stage but a sink an output (a batch
 * stage may be the last), items that meet in one stage have one size, and there is
 * no way round: in a circle of bounded links, full is for ever.  With as many rounds
 * as stages, each taking away those without an input left, a circle remains.
 */
#include "pipeline/internal.h"

#include <errno.h>

#define ITEMS_DEFAULT 64

/* Under p->lock: a snapshot may look at the links. */
static int chain_locked(sks_pipeline *p)
{
    if (p->implicit && p->n_links + 1 == p->n_stages)
        return 0;
    sksi_links_free(p);
    p->implicit = true;
    for (struct sksi_stage *s = p->stages; s && s->next; s = s->next) {
        if (s->role == SKSI_SINK)
            return sksi_graph_error(p, EINVAL,
                                    "\"%s\" follows the sink \"%s\"; say with links how "
                                    "they are joined",
                                    s->next->name, s->name);
        if (s->next->role == SKSI_SOURCE)
            return sksi_graph_error(p, EINVAL,
                                    "the source \"%s\" comes after \"%s\"; say with "
                                    "links how they are joined",
                                    s->next->name, s->name);
        if (sksi_link_add(p, s, s->next, ITEMS_DEFAULT, SIZE_MAX))
            return -1;
    }
    return 0;
}

static int chain(sks_pipeline *p)
{
    int rc;

    sksi_lock_take(&p->lock);
    rc = chain_locked(p);
    sksi_lock_drop(&p->lock);
    return rc;
}

static int sides(sks_pipeline *p)
{
    struct sksi_stage *s;
    struct sksi_link *l;

    for (s = p->stages; s; s = s->next)
        s->n_in = s->n_out = 0;
    for (l = p->links; l; l = l->next) {
        l->from->n_out++;
        l->to->n_in++;
    }
    for (s = p->stages; s; s = s->next) {
        if (s->role != SKSI_SOURCE && s->n_in == 0)
            return sksi_graph_error(p, EINVAL, "nothing goes into \"%s\"", s->name);
        if (s->role != SKSI_SINK && !s->batched && s->n_out == 0)
            return sksi_graph_error(p, EINVAL, "\"%s\" leads nowhere", s->name);
        if (s->n_in > UINT16_MAX)
            return sksi_graph_error(p, EINVAL, "too many links into \"%s\"", s->name);
        if (s->n_out == 0 && s->options.ordered && s->options.workers > 1)
            return sksi_graph_error(p, EINVAL, "ordered: nothing comes out of \"%s\"", s->name);
    }
    return 0;
}

static int sizes(sks_pipeline *p)
{
    for (const struct sksi_link *l = p->links; l; l = l->next) {
        size_t size = l->from->options.item_size;

        if (size > SIZE_MAX / 4 / l->to->options.batch / l->to->options.workers)
            return sksi_graph_error(p, EINVAL, "a batch of \"%s\" is too large", l->to->name);
        for (const struct sksi_link *m = l->next; m; m = m->next) {
            if (m->to == l->to && m->from->options.item_size != size)
                return sksi_graph_error(p, EINVAL, "%s carries items of %zu bytes, %s of %zu",
                                        l->name, size, m->name, m->from->options.item_size);
        }
    }
    return 0;
}

static int no_circle(sks_pipeline *p)
{
    size_t gone = 0, before;
    struct sksi_stage *s;

    do {
        before = gone;
        for (s = p->stages; s; s = s->next) {
            if (s->n_in != 0)
                continue;
            s->n_in = SIZE_MAX; /* taken away */
            gone++;
            for (struct sksi_link *l = p->links; l; l = l->next) {
                if (l->from == s)
                    l->to->n_in--;
            }
        }
    } while (gone != before);
    for (s = p->stages; s && s->n_in == SIZE_MAX; s = s->next)
        ;
    if (s)
        return sksi_graph_error(p, EINVAL, "the links go round in a circle at \"%s\"", s->name);
    return 0;
}

int sksi_graph_check(sks_pipeline *p)
{
    p->error[0] = '\0';
    if (!p->stages)
        return sksi_graph_error(p, EINVAL, "there is no stage");
    if ((p->implicit || !p->links) && chain(p))
        return -1;
    if (sides(p) || sizes(p) || no_circle(p))
        return -1;
    return sides(p); /* counts again what no_circle() used up */
}
