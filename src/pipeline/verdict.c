/* SPDX-License-Identifier: MIT */
/*
 * verdict.c - which stage limits, in words.
 *
 * The rule: the most downstream stage that is busy over 90 % of the time, with a link
 * into it that is over half full and none out of it that is.  Work piles up before it
 * and not behind it, so it is the narrow place.  In a receipt of a run that has ended
 * every link is empty; there, a link counts as full when its senders were blocked for
 * over a tenth of the time.
 *
 * Where the rule finds none, the busiest stage is named if it is busy for over half of
 * the time; else the stages wait for each other, or for the world outside.
 */
#include "pipeline/internal.h"

#include <stdio.h>

#define BUSY_PERCENT 90
#define SOME_PERCENT 50
#define BLOCKED_TENTH 10

static int percent(const sks_receipt *r, const sks_stage_receipt *s, int64_t ns)
{
    int64_t all = r->elapsed_ns / 100 * (int64_t)s->workers;
    int64_t n = all > 0 ? ns / all : 0;

    return n > 100 ? 100 : (int)n;
}

static bool full(const sks_receipt *r, const sks_link_receipt *l)
{
    if (r->outcome == SKS_RUNNING)
        return l->left * 2 > l->capacity || (l->bytes_max && l->bytes > l->bytes_max / 2);
    return l->blocked_send_ns > r->elapsed_ns / BLOCKED_TENTH;
}

/* The link into (or out of) a stage that is full, else any one; NULL: none there. */
static const sks_link_receipt *link_of(const sks_receipt *r, const sks_stage_receipt *s, bool in)
{
    const sks_link_receipt *found = NULL;

    for (size_t i = 0; i < r->n_links; i++) {
        const sks_link_receipt *l = &r->links[i];

        if ((in ? l->to : l->from) == s->name && (!found || full(r, l)))
            found = l;
    }
    return found;
}

static const sks_stage_receipt *stage_named(const sks_receipt *r, const char *name)
{
    for (size_t i = 0; i < r->n_stages; i++) {
        if (r->stages[i].name == name)
            return &r->stages[i];
    }
    return NULL;
}

/* Can b be reached from a?  The graph has no circle. */
static bool below(const sks_receipt *r, const sks_stage_receipt *a, const sks_stage_receipt *b)
{
    for (size_t i = 0; i < r->n_links; i++) {
        const sks_stage_receipt *next;

        if (r->links[i].from != a->name)
            continue;
        next = stage_named(r, r->links[i].to);
        if (next == b || below(r, next, b))
            return true;
    }
    return false;
}

static bool narrow(const sks_receipt *r, const sks_stage_receipt *s)
{
    const sks_link_receipt *in = link_of(r, s, true), *out = link_of(r, s, false);

    return percent(r, s, s->busy_ns) > BUSY_PERCENT && in && full(r, in) && !(out && full(r, out));
}

static const sks_stage_receipt *by_rule(const sks_receipt *r)
{
    const sks_stage_receipt *found = NULL;

    for (size_t i = 0; i < r->n_stages; i++) {
        const sks_stage_receipt *s = &r->stages[i];

        if (narrow(r, s) && (!found || below(r, found, s)))
            found = s;
    }
    return found;
}

static const sks_stage_receipt *busiest(const sks_receipt *r)
{
    const sks_stage_receipt *found = &r->stages[0];

    for (size_t i = 1; i < r->n_stages; i++) {
        const sks_stage_receipt *s = &r->stages[i];

        if (percent(r, s, s->busy_ns) > percent(r, found, found->busy_ns))
            found = s;
    }
    return found;
}

void sksi_verdict(const sks_receipt *r, char *text, size_t size)
{
    const sks_stage_receipt *s = r->n_stages ? by_rule(r) : NULL, *up, *down;
    const sks_link_receipt *in, *out;
    bool rule = s != NULL;
    int n;

    text[0] = '\0';
    if (r->elapsed_ns < 100 || r->n_stages == 0)
        return;
    if (!s)
        s = busiest(r);
    if (percent(r, s, s->busy_ns) <= SOME_PERCENT) {
        snprintf(text, size, "no stage is busy, %s most with %d %%: waits and hand-overs limit",
                 s->name, percent(r, s, s->busy_ns));
        return;
    }
    in = link_of(r, s, true);
    out = link_of(r, s, false);
    up = in ? stage_named(r, in->from) : NULL;
    down = out ? stage_named(r, out->to) : NULL;
    n = snprintf(text, size, "%s %d %% busy", s->name, percent(r, s, s->busy_ns));
    if (up && (size_t)n < size)
        n += snprintf(text + n, size - (size_t)n, ", %s blocked %d %%", up->name,
                      percent(r, up, up->wait_out_ns));
    if (down && (size_t)n < size)
        n += snprintf(text + n, size - (size_t)n, ", %s idle %d %%", down->name,
                      percent(r, down, down->wait_in_ns));
    if ((size_t)n >= size)
        return;
    if (rule)
        snprintf(text + n, size - (size_t)n, ": add workers to %s", s->name);
    else
        snprintf(text + n, size - (size_t)n, ": %s",
                 up ? "it is the busiest" : "the source limits");
}
