/* SPDX-License-Identifier: MIT */
/*
 * receipt.c - receipts and graphs as text: a table for people, JSON, DOT.
 *
 * All three follow snprintf: they write what fits, always closed by a NUL, and return
 * the whole length, so a first call with no room tells how much to allocate.  Names of
 * stages are harmless by rule; the pipeline's name, causes and verdicts are escaped.
 */
#include "pipeline/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define LINE 512

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
add(struct sksi_text *t, const char *format, ...)
{
    char line[LINE];
    va_list ap;

    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    sksi_text_add(t, line);
}

static const char *const outcomes[] = {"running", "drained", "failed", "aborted", "deadline"};

static const char *outcome_name(sks_outcome o)
{
    return (size_t)o < sizeof outcomes / sizeof *outcomes ? outcomes[o] : "?";
}

typedef unsigned long long ull;

/* ---- the table --------------------------------------------------------- */

static void text_stages(struct sksi_text *t, const sks_receipt *r, int width)
{
    add(t, "%-*s %7s %10s %10s %10s %8s %8s %9s %7s %6s %7s %8s\n", width, "stage", "workers", "in",
        "out", "passed", "filtered", "failed", "discarded", "in hand", "busy", "wait in",
        "wait out");
    for (size_t i = 0; i < r->n_stages; i++) {
        const sks_stage_receipt *s = &r->stages[i];
        int64_t all = r->elapsed_ns * (int64_t)s->workers;
        double unit = all > 0 ? 100.0 / (double)all : 0;

        add(t, "%-*s %7u %10llu %10llu %10llu %8llu %8llu %9llu %7llu %4.0f %% %5.0f %% %6.0f %%\n",
            width, s->name, s->workers, (ull)s->in, (ull)s->out, (ull)s->passed, (ull)s->filtered,
            (ull)s->failed, (ull)s->discarded, (ull)s->in_hand, unit * (double)s->busy_ns,
            unit * (double)s->wait_in_ns, unit * (double)s->wait_out_ns);
    }
}

static void text_links(struct sksi_text *t, const sks_receipt *r, int width)
{
    add(t, "%-*s %7s %10s %10s %10s %8s %8s %9s %11s %12s\n", width, "link", "items", "sent",
        "received", "discarded", "left", "high", "blocked", "blocked ms", "bytes high");
    for (size_t i = 0; i < r->n_links; i++) {
        const sks_link_receipt *l = &r->links[i];

        add(t, "%-*s %7llu %10llu %10llu %10llu %8llu %8llu %9llu %11.1f %12llu\n", width, l->name,
            (ull)l->capacity, (ull)l->sent, (ull)l->received, (ull)l->discarded, (ull)l->left,
            (ull)l->high_water, (ull)l->blocked_sends, (double)l->blocked_send_ns / 1e6,
            (ull)l->bytes_high_water);
    }
}

static void text_stuck(struct sksi_text *t, const sks_receipt *r)
{
    for (size_t i = 0; i < r->n_stages; i++) {
        const sks_stage_receipt *s = &r->stages[i];

        if (s->stuck_ns && r->outcome == SKS_DEADLINE)
            add(t, "stuck: %s, item %llu, for %.1f ms\n", s->name, (ull)s->stuck_item,
                (double)s->stuck_ns / 1e6);
    }
}

size_t sks_receipt_text(const sks_receipt *r, char *buf, size_t size)
{
    struct sksi_text t = sksi_text_in(buf, size);
    size_t width = sizeof "stage" - 1;

    for (size_t i = 0; i < r->n_stages; i++)
        width = strlen(r->stages[i].name) > width ? strlen(r->stages[i].name) : width;
    for (size_t i = 0; i < r->n_links; i++)
        width = strlen(r->links[i].name) > width ? strlen(r->links[i].name) : width;
    add(&t, "pipeline ");
    sksi_text_escape(&t, r->pipeline, SIZE_MAX, SKSI_ESCAPE_PLAIN);
    add(&t, ": %s%s after %.3f s\n", outcome_name(r->outcome), r->stopped ? ", stopped," : "",
        (double)r->elapsed_ns / 1e9);
    if (r->cause) {
        add(&t, "cause: %s%sworker %u, item %llu: error %d (%s)", r->cause_stage,
            r->cause_stage[0] ? ", " : "", r->cause_worker, (ull)r->cause_item, r->cause,
            strerrordesc_np(r->cause) ? strerrordesc_np(r->cause) : "unknown");
        add(&t, "%s", r->cause_text[0] ? ": " : "");
        sksi_text_escape(&t, r->cause_text, SIZE_MAX, SKSI_ESCAPE_PLAIN);
        add(&t, "\n");
    }
    text_stuck(&t, r);
    text_stages(&t, r, (int)width);
    text_links(&t, r, (int)width);
    add(&t, "limit: ");
    sksi_text_escape(&t, r->bottleneck, SIZE_MAX, SKSI_ESCAPE_PLAIN);
    add(&t, "\n");
    return t.len;
}

/* ---- JSON -------------------------------------------------------------- */

static void json_text(struct sksi_text *t, const char *key, const char *value)
{
    add(t, "\"%s\":\"", key);
    sksi_text_escape(t, value, SIZE_MAX, SKSI_ESCAPE_JSON);
    add(t, "\"");
}

static void json_stage(struct sksi_text *t, const sks_stage_receipt *s)
{
    add(t, "{");
    json_text(t, "name", s->name);
    add(t, ",\"workers\":%u,\"in\":%llu,\"out\":%llu", s->workers, (ull)s->in, (ull)s->out);
    add(t, ",\"passed\":%llu,\"filtered\":%llu,\"failed\":%llu,\"discarded\":%llu,\"in_hand\":%llu",
        (ull)s->passed, (ull)s->filtered, (ull)s->failed, (ull)s->discarded, (ull)s->in_hand);
    add(t, ",\"busy_ns\":%lld,\"wait_in_ns\":%lld,\"wait_out_ns\":%lld", (long long)s->busy_ns,
        (long long)s->wait_in_ns, (long long)s->wait_out_ns);
    add(t, ",\"stuck_ns\":%lld,\"stuck_item\":%llu}", (long long)s->stuck_ns, (ull)s->stuck_item);
}

static void json_link(struct sksi_text *t, const sks_link_receipt *l)
{
    add(t, "{");
    json_text(t, "name", l->name);
    add(t, ",");
    json_text(t, "from", l->from);
    add(t, ",");
    json_text(t, "to", l->to);
    add(t, ",\"sent\":%llu,\"received\":%llu,\"discarded\":%llu,\"left\":%llu", (ull)l->sent,
        (ull)l->received, (ull)l->discarded, (ull)l->left);
    add(t, ",\"capacity\":%llu,\"high_water\":%llu,\"bytes\":%llu,\"bytes_max\":%llu",
        (ull)l->capacity, (ull)l->high_water, (ull)l->bytes, (ull)l->bytes_max);
    add(t, ",\"bytes_high_water\":%llu,\"blocked_sends\":%llu", (ull)l->bytes_high_water,
        (ull)l->blocked_sends);
    add(t, ",\"blocked_send_ns\":%lld,\"blocked_receive_ns\":%lld}", (long long)l->blocked_send_ns,
        (long long)l->blocked_receive_ns);
}

size_t sks_receipt_json(const sks_receipt *r, char *buf, size_t size)
{
    struct sksi_text t = sksi_text_in(buf, size);

    add(&t, "{");
    json_text(&t, "pipeline", r->pipeline);
    add(&t, ",\"outcome\":\"%s\",\"stopped\":%s,\"elapsed_ns\":%lld,\"cause\":{\"code\":%d,",
        outcome_name(r->outcome), r->stopped ? "true" : "false", (long long)r->elapsed_ns,
        r->cause);
    json_text(&t, "stage", r->cause_stage);
    add(&t, ",\"worker\":%u,\"item\":%llu,", r->cause_worker, (ull)r->cause_item);
    json_text(&t, "text", r->cause_text);
    add(&t, "},");
    json_text(&t, "bottleneck", r->bottleneck);
    add(&t, ",\"stages\":[");
    for (size_t i = 0; i < r->n_stages; i++) {
        add(&t, "%s", i ? "," : "");
        json_stage(&t, &r->stages[i]);
    }
    add(&t, "],\"links\":[");
    for (size_t i = 0; i < r->n_links; i++) {
        add(&t, "%s", i ? "," : "");
        json_link(&t, &r->links[i]);
    }
    add(&t, "]}");
    return t.len;
}

/* ---- DOT --------------------------------------------------------------- */

static const char *shape_of(const struct sksi_stage *s)
{
    return s->role == SKSI_SOURCE ? "cds" : s->role == SKSI_SINK ? "cylinder" : "box";
}

size_t sks_pipeline_dot(sks_pipeline *p, char *buf, size_t size)
{
    struct sksi_text t = sksi_text_in(buf, size);
    bool running;

    sksi_lock_take(&p->lock);
    running = p->running || (p->run && p->run->present);
    sksi_lock_drop(&p->lock);
    if (!running)
        sksi_graph_check(p); /* joins stages that nobody joined; any error is run's */
    add(&t, "digraph \"");
    sksi_text_escape(&t, p->name, SIZE_MAX, SKSI_ESCAPE_QUOTED);
    add(&t, "\" {\n    rankdir=LR;\n");
    for (const struct sksi_stage *s = p->stages; s; s = s->next) {
        add(&t, "    \"%s\" [shape=%s", s->name, shape_of(s));
        if (s->options.workers > 1)
            add(&t, ", label=\"%s\\n%u workers%s\"", s->name, s->options.workers,
                s->options.ordered ? ", ordered" : "");
        add(&t, "];\n");
    }
    for (const struct sksi_link *l = p->links; l; l = l->next) {
        add(&t, "    \"%s\" -> \"%s\" [label=\"%zu", l->from->name, l->to->name, l->items);
        if (l->bytes != SIZE_MAX)
            add(&t, ", %zu bytes", l->bytes);
        add(&t, "\"];\n");
    }
    add(&t, "}\n");
    return t.len;
}
