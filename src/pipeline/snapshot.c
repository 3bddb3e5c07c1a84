/* SPDX-License-Identifier: MIT */
/*
 * snapshot.c - the figures of a run at one moment, or for ever.
 *
 * A receipt is one block of memory:
 *
 *     receipt | stages ... | links ... | names, cause, verdict
 *
 * so the room for it is taken before a run starts and filling it cannot fail.  What
 * came out of a link or a stage is read before what went in: then `left` and
 * `in_hand`, which are the difference, are right or a little large, never negative.
 */
#include "pipeline/internal.h"

#include <errno.h>
#include <string.h>

#define VERDICT_BYTES 320

/* ---- the block --------------------------------------------------------- */

size_t sksi_receipt_size(const sks_pipeline *p)
{
    size_t n = sizeof(sks_receipt) + SKSI_TEXT + VERDICT_BYTES + strlen(p->name) + 1;

    for (const struct sksi_stage *s = p->stages; s; s = s->next)
        n += sizeof(sks_stage_receipt) + strlen(s->name) + 1;
    for (const struct sksi_link *l = p->links; l; l = l->next)
        n += sizeof(sks_link_receipt) + strlen(l->name) + 1;
    return n;
}

/* Copies text to *at, which moves on behind it. */
static const char *put(char **at, const char *text)
{
    size_t n = strlen(text) + 1;
    char *to = *at;

    memcpy(to, text, n);
    *at += n;
    return to;
}

/* ---- stages ------------------------------------------------------------ */

static void stage_stuck(sks_stage_receipt *r, const struct sks_worker *w, enum sksi_doing doing,
                        bool in_hand, int64_t now)
{
    bool source = w->crew->n_in == 0;
    /* relaxed: stat. */
    int64_t since = atomic_load_explicit(&w->x_call_since, memory_order_relaxed);

    /* A source has no item in hand; it is stuck when it is in its own code. */
    if (since == 0 || (source ? doing != SKSI_BUSY : !in_hand || doing == SKSI_WAIT_IN))
        return;
    if (now - since > r->stuck_ns) {
        r->stuck_ns = now - since;
        r->stuck_item = sksi_item_number(w);
    }
}

/* How w spent its time.  Until now it did what it did last, it seems; when it turns
 * out that it began something else before, what was said once stays. */
static enum sksi_doing times_look(struct sks_worker *w, int64_t now)
{
    struct sksi_times t;

    sksi_clock_read(w, now, &t);
    for (int k = 0; k < SKSI_DOINGS; k++) {
        if (t.ns[k] > w->seen_ns[k])
            w->seen_ns[k] = t.ns[k];
    }
    return t.doing;
}

static void worker_add(sks_stage_receipt *r, struct sks_worker *w, int64_t now)
{
    uint64_t passed = sksi_load(&w->x_passed), filtered = sksi_load(&w->x_filtered);
    uint64_t failed = sksi_load(&w->x_failed), discarded = sksi_load(&w->x_discarded);
    uint64_t in = sksi_load(&w->x_in), hand = in - passed - filtered - failed - discarded;
    enum sksi_doing doing = times_look(w, now);

    r->in += in;
    r->out += sksi_load(&w->x_out);
    r->passed += passed;
    r->filtered += filtered;
    r->failed += failed;
    r->discarded += discarded;
    r->in_hand += hand;
    r->busy_ns += w->seen_ns[SKSI_BUSY];
    r->wait_in_ns += w->seen_ns[SKSI_WAIT_IN];
    r->wait_out_ns += w->seen_ns[SKSI_WAIT_OUT];
    if (doing != SKSI_GONE)
        stage_stuck(r, w, doing, hand > 0, now);
}

static void stages_fill(const sks_pipeline *p, sks_stage_receipt *r, char **at, int64_t now)
{
    const struct sksi_stage *s = p->stages;

    for (; s; s = s->next, r++) {
        r->name = put(at, s->name);
        r->workers = s->options.workers;
        for (unsigned i = 0; p->run && i < r->workers; i++)
            worker_add(r, &p->run->crews[s->index].workers[i], now);
    }
}

/* ---- links ------------------------------------------------------------- */

static void no_less(uint64_t *seen, uint64_t now)
{
    if (now > *seen)
        *seen = now;
}

/* Items that the workers behind a flow have taken from it. */
static uint64_t taken(const struct sksi_flow *f)
{
    const struct sksi_crew *to = f->to;
    uint64_t n = 0;

    for (unsigned i = 0; f->taken && i < f->n_rx; i++)
        n += sksi_load(&f->taken[i].x_n);
    for (unsigned i = 0; !f->taken && i < to->n_workers; i++)
        n += sksi_load(&to->workers[i].x_in);
    return n;
}

/* What the flow counts; under p->lock.  A channel takes what was discarded off what
 * came out, so in the middle of a discard it cannot tell how many were received; the
 * workers can.  What came in is read last. */
static const struct sksi_counts *flow_look(struct sksi_flow *f)
{
    struct sksi_counts now;

    if (f->run->closed)
        return &f->final;
    no_less(&f->final.received, taken(f));
    sksi_flow_counts(f, &now);
    no_less(&f->final.discarded, now.discarded);
    no_less(&f->final.sent, now.sent);
    no_less(&f->final.sent, f->final.received + f->final.discarded);
    no_less(&f->final.high_water, now.high_water);
    f->final.capacity = now.capacity;
    f->final.blocked_sends = now.blocked_sends;
    f->final.blocked_send_ns = now.blocked_send_ns;
    f->final.blocked_receive_ns = now.blocked_receive_ns;
    return &f->final;
}

static void flow_fill(sks_link_receipt *r, struct sksi_flow *f)
{
    const struct sksi_counts *c = flow_look(f);

    r->sent = c->sent;
    r->received = c->received;
    r->discarded = c->discarded;
    r->left = c->sent - c->received - c->discarded;
    r->capacity = c->capacity;
    r->high_water = c->high_water;
    r->blocked_sends = c->blocked_sends;
    r->blocked_send_ns = c->blocked_send_ns;
    r->blocked_receive_ns = c->blocked_receive_ns;
    if (f->link->bytes != SIZE_MAX) {
        r->bytes_max = f->link->bytes;
        /* relaxed: stat. */
        r->bytes = atomic_load_explicit(&f->x_bytes, memory_order_relaxed);
        r->bytes_high_water = atomic_load_explicit(&f->x_bytes_high, memory_order_relaxed);
    }
}

static void links_fill(const sks_pipeline *p, sks_link_receipt *r, const sks_stage_receipt *stages,
                       char **at)
{
    size_t i = 0;

    for (const struct sksi_link *l = p->links; l; l = l->next, i++) {
        r[i].name = put(at, l->name);
        r[i].from = stages[l->from->index].name;
        r[i].to = stages[l->to->index].name;
        r[i].capacity = l->items;
        if (p->run && i < p->run->n_flows)
            flow_fill(&r[i], &p->run->flows[i]);
    }
}

/* ---- the whole --------------------------------------------------------- */

static void head_fill(const sks_pipeline *p, sks_receipt *r, const sks_stage_receipt *stages,
                      char **at, int64_t now)
{
    const struct sksi_run *run = p->run;
    bool over;

    r->pipeline = put(at, p->name);
    r->cause_stage = r->cause_text = "";
    r->outcome = SKS_DRAINED;
    if (!run)
        return;
    /* What crossed an abort is discarded when the handles close: not over before. */
    over = run->over && (run->closed || run->present);
    r->outcome = over ? run->outcome : SKS_RUNNING;
    r->elapsed_ns = run->over ? run->elapsed_ns : now - run->started_ns;
    /* relaxed: hint. */
    r->stopped = run->over ? run->stopped
                           : (atomic_load_explicit(&p->x_ask, memory_order_relaxed) &
                              (SKSI_ASK_STOP | SKSI_ASK_ABORT)) != 0;
    r->cause = run->cause.code;
    r->cause_worker = run->cause.worker;
    r->cause_item = run->cause.item;
    r->cause_text = put(at, run->cause.text);
    for (const struct sksi_stage *s = p->stages; s; s = s->next) {
        if (run->cause.stage == s->name)
            r->cause_stage = stages[s->index].name;
    }
}

static void fill_locked(sks_pipeline *p, sks_receipt *r, size_t size)
{
    sks_stage_receipt *stages = (sks_stage_receipt *)(r + 1);
    sks_link_receipt *links = (sks_link_receipt *)(stages + p->n_stages);
    char *at = (char *)(links + p->n_links);
    int64_t now = sksi_clock_ns();

    memset(r, 0, size);
    r->n_stages = p->n_stages;
    r->n_links = p->n_links;
    r->stages = stages;
    r->links = links;
    stages_fill(p, stages, &at, now);
    links_fill(p, links, stages, &at);
    head_fill(p, r, stages, &at, now);
    r->bottleneck = at;
    sksi_verdict(r, at, (size_t)((char *)r + size - at));
}

void sksi_receipt_fill(sks_pipeline *p, sks_receipt *r, size_t size)
{
    sksi_lock_take(&p->lock);
    fill_locked(p, r, size);
    sksi_lock_drop(&p->lock);
}

sks_receipt *sks_pipeline_snapshot(sks_pipeline *p)
{
    sks_receipt *r = NULL;
    size_t room = 0, size;

    /* Twice at most: a run that begins may join the stages meanwhile. */
    for (;;) {
        sksi_lock_take(&p->lock);
        size = sksi_receipt_size(p);
        if (size <= room)
            break;
        sksi_lock_drop(&p->lock);
        sksi_free(r);
        r = sksi_alloc(size, alignof(sks_receipt));
        if (!r) {
            errno = ENOMEM;
            return NULL;
        }
        room = size;
    }
    fill_locked(p, r, room);
    sksi_lock_drop(&p->lock);
    return r;
}

void sks_receipt_free(sks_receipt *r)
{
    sksi_free(r);
}

/* ---- does it balance? -------------------------------------------------- */

/* Stages against links: what one emitted went into its links, what one took came
 * out of them.  Exact when nobody is at work; while it runs, and where somebody is
 * stuck, an item may be between the two. */
static bool sums_balance(const sks_receipt *r, const sks_stage_receipt *s)
{
    uint64_t sent = 0, received = 0;
    bool source = true, sink = true;

    for (size_t i = 0; i < r->n_links; i++) {
        if (r->links[i].from == s->name) {
            sent += r->links[i].sent;
            sink = false;
        }
        if (r->links[i].to == s->name) {
            received += r->links[i].received;
            source = false;
        }
    }
    return (source || received == s->in) && (sink || sent == s->out);
}

bool sks_receipt_balances(const sks_receipt *r)
{
    bool exact = r->outcome != SKS_RUNNING;

    for (size_t i = 0; i < r->n_stages; i++) {
        const sks_stage_receipt *s = &r->stages[i];

        if (s->in != s->passed + s->filtered + s->failed + s->discarded + s->in_hand)
            return false;
        if (exact && s->in_hand && r->outcome != SKS_DEADLINE)
            return false;
        if (exact && s->stuck_ns == 0 && !sums_balance(r, s))
            return false;
    }
    for (size_t i = 0; i < r->n_links; i++) {
        const sks_link_receipt *l = &r->links[i];

        if (l->sent != l->received + l->discarded + l->left)
            return false;
        if (exact && l->left && r->outcome != SKS_DEADLINE)
            return false;
    }
    return true;
}
