/* SPDX-License-Identifier: MIT */
/*
 * graph.c - declaring a pipeline: stages, links, callbacks, signals.
 *
 * Stages and links are lists in the order of declaration, their names at the end of
 * their blocks.  A declaration that fails changes nothing and leaves its reason, in
 * words, in p->error.  One thread builds; during a run, and while a stage is stuck,
 * everything here gives EBUSY, so workers read the graph without a lock.
 */
#include "pipeline/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BATCH_DEFAULT 16
#define BATCH_MAX 65536
#define WINDOW_MAX (1u << 20)
#define ITEM_SIZE_MAX ((size_t)1 << 30)
#define NAME_MAX_ 64 /* bytes: a link's name holds two, a line of the receipt too */

int sksi_graph_error(sks_pipeline *p, int code, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(p->error, sizeof p->error, format, ap);
    va_end(ap);
    errno = code;
    return -1;
}

const char *sks_pipeline_error(const sks_pipeline *p)
{
    return p->error;
}

char *sksi_join(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    char *s = sksi_alloc(n + m + 1, 1);

    if (s) {
        memcpy(s, a, n);
        memcpy(s + n, b, m + 1);
    }
    return s;
}

static int no_memory(sks_pipeline *p)
{
    return sksi_graph_error(p, ENOMEM, "no memory");
}

/* Is a run going on, or a worker of the last one still there? */
static bool busy(sks_pipeline *p)
{
    bool b;

    sksi_lock_take(&p->lock);
    b = p->running || (p->run && p->run->present > 0);
    sksi_lock_drop(&p->lock);
    if (b)
        sksi_graph_error(p, EBUSY, "the pipeline is running");
    return b;
}

/* ---- the pipeline ------------------------------------------------------ */

sks_pipeline *sks_pipeline_new(const char *name)
{
    sks_pipeline *p = sksi_alloc(sizeof *p, alignof(sks_pipeline));

    if (!p)
        goto fail;
    memset(p, 0, sizeof *p);
    p->name = sksi_join(name ? name : "", "");
    p->component = sksi_join("pipeline.", name ? name : "");
    if (!p->name || !p->component)
        goto fail_text;
    atomic_init(&p->x_refs, 1);
    p->stages_end = &p->stages;
    p->links_end = &p->links;
    return p;
fail_text:
    sksi_free(p->name);
    sksi_free(p->component);
    sksi_free(p);
fail:
    errno = ENOMEM;
    return NULL;
}

/* ---- stages ------------------------------------------------------------ */

static struct sksi_stage *stage_find(const sks_pipeline *p, const char *name)
{
    struct sksi_stage *s = p->stages;

    while (s && strcmp(s->name, name) != 0)
        s = s->next;
    return s;
}

static bool name_valid(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t n = name ? strlen(name) : 0;

    return n > 0 && n <= NAME_MAX_ && strspn(name, allowed) == n;
}

/* Copies what the caller's version of the struct has; a newer caller may use only
 * members that we know. */
static int options_copy(sks_pipeline *p, const sks_stage_options *from, sks_stage_options *to)
{
    const unsigned char *bytes = (const unsigned char *)from;

    memset(to, 0, sizeof *to);
    if (!from)
        return 0;
    if (from->size < sizeof from->size)
        return sksi_graph_error(p, EINVAL, "options: size is not set");
    for (size_t i = sizeof *to; i < from->size; i++) {
        if (bytes[i])
            return sksi_graph_error(p, EINVAL, "options: a member that this version has not");
    }
    memcpy(to, from, from->size < sizeof *to ? from->size : sizeof *to);
    return 0;
}

static int options_check(sks_pipeline *p, sks_stage_options *o, enum sksi_role role)
{
    if (o->workers == 0)
        o->workers = 1;
    if (o->window == 0)
        o->window = 8 * o->workers;
    if (o->item_size == 0)
        o->item_size = sizeof(void *);
    if (o->batch == 0)
        o->batch = BATCH_DEFAULT;
    if (o->workers > SKSI_WORKERS_MAX)
        return sksi_graph_error(p, EINVAL, "workers: at most %d", SKSI_WORKERS_MAX);
    if (o->window > WINDOW_MAX)
        return sksi_graph_error(p, EINVAL, "window: at most %u", WINDOW_MAX);
    if (o->item_size > ITEM_SIZE_MAX)
        return sksi_graph_error(p, EINVAL, "item_size: at most %zu", ITEM_SIZE_MAX);
    if (o->batch > BATCH_MAX)
        return sksi_graph_error(p, EINVAL, "batch: at most %d", BATCH_MAX);
    if (o->linger_ns < 0)
        return sksi_graph_error(p, EINVAL, "linger_ns: less than 0");
    if (o->ordered && o->workers > 1 && role != SKSI_STAGE)
        return sksi_graph_error(p, EINVAL,
                                "ordered: only between an input and an output; "
                                "a sink in order has one worker");
    return 0;
}

/* A stage of any kind; its function is still missing. */
static struct sksi_stage *stage_add(sks_pipeline *p, const char *name, enum sksi_role role,
                                    void *arg, const sks_stage_options *options)
{
    sks_stage_options o;
    struct sksi_stage *s;
    size_t n;

    if (busy(p))
        return NULL;
    if (!name_valid(name)) {
        sksi_graph_error(p, EINVAL, "a stage's name is 1 to %d of letters, digits, _ - .",
                         NAME_MAX_);
        return NULL;
    }
    if (stage_find(p, name)) {
        sksi_graph_error(p, EEXIST, "there is a stage \"%s\" already", name);
        return NULL;
    }
    if (options_copy(p, options, &o) || options_check(p, &o, role))
        return NULL;
    n = strlen(name) + 1;
    s = sksi_zalloc(sizeof *s + n);
    if (s && (s->component = sksi_join("pipeline.", name)) == NULL) {
        sksi_free(s);
        s = NULL;
    }
    if (!s) {
        no_memory(p);
        return NULL;
    }
    sksi_run_forget(p); /* its figures are those of another graph */
    memcpy(s->name, name, n);
    s->role = role;
    s->arg = arg;
    s->options = o;
    s->index = (unsigned)p->n_stages++;
    *p->stages_end = s;
    p->stages_end = &s->next;
    return s;
}

static int no_function(sks_pipeline *p, const char *name)
{
    return sksi_graph_error(p, EINVAL, "stage \"%s\" has no function", name ? name : "");
}

int sks_pipeline_source(sks_pipeline *p, const char *name, sks_source_fn *fn, void *arg,
                        const sks_stage_options *options)
{
    struct sksi_stage *s;

    if (!fn)
        return no_function(p, name);
    s = stage_add(p, name, SKSI_SOURCE, arg, options);
    if (!s)
        return -1;
    s->fn.source = fn;
    return 0;
}

static int item_stage(sks_pipeline *p, const char *name, enum sksi_role role, sks_item_fn *fn,
                      void *arg, const sks_stage_options *options)
{
    struct sksi_stage *s;

    if (!fn)
        return no_function(p, name);
    s = stage_add(p, name, role, arg, options);
    if (!s)
        return -1;
    s->fn.item = fn;
    s->options.batch = 1;
    return 0;
}

int sks_pipeline_stage(sks_pipeline *p, const char *name, sks_item_fn *fn, void *arg,
                       const sks_stage_options *options)
{
    return item_stage(p, name, SKSI_STAGE, fn, arg, options);
}

int sks_pipeline_sink(sks_pipeline *p, const char *name, sks_item_fn *fn, void *arg,
                      const sks_stage_options *options)
{
    return item_stage(p, name, SKSI_SINK, fn, arg, options);
}

int sks_pipeline_batch_stage(sks_pipeline *p, const char *name, sks_batch_fn *fn, void *arg,
                             const sks_stage_options *options)
{
    struct sksi_stage *s;

    if (!fn)
        return no_function(p, name);
    s = stage_add(p, name, SKSI_STAGE, arg, options);
    if (!s)
        return -1;
    s->fn.batch = fn;
    s->batched = true;
    return 0;
}

/* ---- links ------------------------------------------------------------- */

void sksi_links_free(sks_pipeline *p)
{
    struct sksi_link *l, *next;

    for (l = p->links; l; l = next) {
        next = l->next;
        sksi_free(l);
    }
    p->links = NULL;
    p->links_end = &p->links;
    p->n_links = 0;
}

int sksi_link_add(sks_pipeline *p, struct sksi_stage *from, struct sksi_stage *to, size_t items,
                  size_t bytes)
{
    size_t n = strlen(from->name) + 2 + strlen(to->name) + 1;
    struct sksi_link *l = sksi_zalloc(sizeof *l + n);

    if (!l)
        return no_memory(p);
    snprintf(l->name, n, "%s->%s", from->name, to->name);
    l->from = from;
    l->to = to;
    l->items = items;
    l->bytes = bytes;
    *p->links_end = l;
    p->links_end = &l->next;
    p->n_links++;
    return 0;
}

int sks_pipeline_link(sks_pipeline *p, const char *from, const char *to, const char *uri)
{
    struct sksi_stage *a, *b;
    struct sksi_bounds bounds;
    char why[160];
    int code;

    if (busy(p))
        return -1;
    a = from ? stage_find(p, from) : NULL;
    b = to ? stage_find(p, to) : NULL;
    if (!a || !b) {
        const char *missing = a ? to : from;

        return sksi_graph_error(p, ENOENT, "no stage \"%s\"", missing ? missing : "");
    }
    if (a->role == SKSI_SINK)
        return sksi_graph_error(p, EINVAL, "nothing comes out of the sink \"%s\"", from);
    if (b->role == SKSI_SOURCE)
        return sksi_graph_error(p, EINVAL, "nothing goes into the source \"%s\"", to);
    for (const struct sksi_link *l = p->implicit ? NULL : p->links; l; l = l->next) {
        if (l->from == a && l->to == b)
            return sksi_graph_error(p, EEXIST, "there is a link %s already", l->name);
    }
    code = sksi_uri_parse(uri ? uri : "chan:", &bounds, why, sizeof why);
    if (code)
        return sksi_graph_error(p, code, "%s", why);
    sksi_run_forget(p);
    if (p->implicit)
        sksi_links_free(p);
    p->implicit = false;
    return sksi_link_add(p, a, b, bounds.items, bounds.bytes);
}

/* ---- callbacks and signals --------------------------------------------- */

void sks_pipeline_on_discard(sks_pipeline *p, sks_discard_fn *fn, void *arg)
{
    p->discard = fn;
    p->discard_arg = arg;
}

void sks_pipeline_on_dead_letter(sks_pipeline *p, sks_dead_letter_fn *fn, void *arg)
{
    p->dead_letter = fn;
    p->dead_letter_arg = arg;
}

void sks_pipeline_on_weigh(sks_pipeline *p, sks_weigh_fn *fn, void *arg)
{
    p->weigh = fn;
    p->weigh_arg = arg;
}

void sks_pipeline_abort_on_failure(sks_pipeline *p, bool on)
{
    p->abort_on_failure = on;
}

int sks_pipeline_on_signal(sks_pipeline *p, int signo, int64_t drain_ns)
{
    size_t i = 0;

    if (busy(p))
        return -1;
    if (!sksi_signal_valid(signo) || drain_ns < 0)
        return sksi_graph_error(p, EINVAL, "signal %d cannot be handled", signo);
    while (i < p->n_signals && p->signals[i].signo != signo)
        i++;
    if (i == SKSI_SIGNALS)
        return sksi_graph_error(p, ENOSPC, "at most %d signals", SKSI_SIGNALS);
    p->signals[i].signo = signo;
    p->signals[i].drain_ns = drain_ns;
    if (i == p->n_signals)
        p->n_signals++;
    return 0;
}
