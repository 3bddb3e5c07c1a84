/* SPDX-License-Identifier: MIT */
/*
 * flow.c - a link during a run: what the channel does not know of it.
 *
 * COUNTS  A channel counts what went into it.  An item that was to go in when nobody
 * took any more counts as sent and discarded here (x_refused), so that nothing that
 * a stage emitted is missing in the balance.
 *
 * CREDIT  A crew with a flow that is bounded in bytes sends by credit on all its
 * flows, so that a worker waits in one place: an item needs one of the flow's places
 * and its weight in bytes, both from the send until a worker of the other crew has
 * taken it.  A flow with nothing in it takes any item, so a heavy one passes alone.
 * The channel has as many places; a send that holds credit waits for a receiver in
 * the middle of its own call at most.  Once a flow is cut it has no credit and
 * nothing is weighed any more.
 */
#include "pipeline/internal.h"

#include <errno.h>

/* Under the credit's lock. */
static size_t bytes_of(const struct sksi_flow *f)
{
    return atomic_load_explicit(&f->x_bytes, memory_order_relaxed); /* relaxed: owner */
}

static void bytes_set(struct sksi_flow *f, size_t bytes)
{
    atomic_store_explicit(&f->x_bytes, bytes, memory_order_relaxed);          /* relaxed: owner */
    if (bytes > atomic_load_explicit(&f->x_bytes_high, memory_order_relaxed)) /* relaxed: owner */
        atomic_store_explicit(&f->x_bytes_high, bytes, memory_order_relaxed); /* relaxed: owner */
}

/* ---- ends -------------------------------------------------------------- */

void sksi_flow_destroy(void *item, void *flow)
{
    struct sksi_flow *f = flow;

    sksi_flow_taken(f, item);
    sksi_discard(f->run, item, f->link->name);
}

void sksi_flow_refuse(struct sksi_flow *f, const void *item)
{
    /* relaxed: count. */
    atomic_fetch_add_explicit(&f->x_refused, 1, memory_order_relaxed);
    sksi_discard(f->run, (void *)(uintptr_t)item, f->link->name);
}

void sksi_flow_cut(struct sksi_flow *f, int code)
{
    if (f->credit) {
        sksi_lock_take(&f->credit->lock);
        f->cut = true;
        f->items = 0;
        bytes_set(f, 0);
        sksi_cond_wake(&f->credit->given);
        sksi_lock_drop(&f->credit->lock);
    }
    sks_sender_abort(f->tx[0], code);
}

void sksi_flow_counts(const struct sksi_flow *f, struct sksi_counts *c)
{
    const sks_sender *tx = f->tx[0];
    uint64_t refused;

    /* What came out first: the snapshot must not show more of it than went in. */
    refused = sksi_load(&f->x_refused);
    c->received = sks_sender_stat(tx, SKS_STAT_RECEIVED);
    c->discarded = sks_sender_stat(tx, SKS_STAT_DISCARDED) + refused;
    c->sent = sks_sender_stat(tx, SKS_STAT_SENT) + refused;
    c->capacity = sks_sender_stat(tx, SKS_STAT_CAPACITY);
    c->high_water = sks_sender_stat(tx, SKS_STAT_HIGH_WATER);
    c->blocked_sends = sks_sender_stat(tx, SKS_STAT_BLOCKED_SENDS) + sksi_load(&f->x_credit_waits);
    /* relaxed: stat. */
    c->blocked_send_ns = (int64_t)sks_sender_stat(tx, SKS_STAT_BLOCKED_SEND_NS) +
                         atomic_load_explicit(&f->x_credit_ns, memory_order_relaxed);
    c->blocked_receive_ns = (int64_t)sks_sender_stat(tx, SKS_STAT_BLOCKED_RECEIVE_NS);
}

/* ---- credit ------------------------------------------------------------ */

/* Under the credit's lock, so that nothing is weighed after a cut. */
static size_t weight_locked(const struct sksi_flow *f, const void *item)
{
    const sks_pipeline *p = f->run->p;
    int cancel;
    size_t n;

    if (!p->weigh)
        return f->link->from->options.item_size;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    n = p->weigh(item, p->weigh_arg);
    pthread_setcancelstate(cancel, NULL);
    return n;
}

static void give_locked(struct sksi_flow *f, size_t weight)
{
    size_t bytes = bytes_of(f);

    if (f->cut)
        return;
    f->items -= f->items > 0;
    bytes_set(f, bytes > weight ? bytes - weight : 0);
    sksi_cond_wake(&f->credit->given);
}

void sksi_flow_taken(struct sksi_flow *f, const void *item)
{
    if (!f->credit)
        return;
    sksi_lock_take(&f->credit->lock);
    if (!f->cut)
        give_locked(f, weight_locked(f, item));
    sksi_lock_drop(&f->credit->lock);
}

static bool take_locked(struct sksi_flow *f, size_t weight)
{
    size_t max = f->link->bytes, bytes = bytes_of(f);

    if (f->items == f->link->items)
        return false;
    if (f->items > 0 && (bytes > max || weight > max - bytes))
        return false;
    f->items++;
    bytes_set(f, weight > SIZE_MAX - bytes ? SIZE_MAX : bytes + weight);
    return true;
}

/* Takes credit from the target, or from the next flow in turn that has some: its
 * number, -1 when all are full, -2 when none is open. */
static int choose_locked(struct sks_worker *w, struct sksi_outlet *out, int target, size_t weight)
{
    size_t n = target >= 0 ? 1 : out->n;
    bool open = false;

    for (size_t k = 0; k < n; k++) {
        size_t i = target >= 0 ? (size_t)target : (out->turn + k) % out->n;
        struct sksi_flow *f = w->crew->out[i];

        if (f->cut)
            continue;
        open = true;
        if (take_locked(f, weight)) {
            out->turn = target >= 0 ? out->turn : (i + 1) % out->n;
            return (int)i;
        }
    }
    return open ? -1 : -2;
}

static bool any_open_locked(const struct sksi_crew *crew, int target)
{
    for (size_t i = 0; i < crew->n_out; i++) {
        if ((target < 0 || (size_t)target == i) && !crew->out[i]->cut)
            return true;
    }
    return false;
}

/* Waits until credit is given somewhere. */
static void wait_locked(struct sks_worker *w, struct sksi_outlet *out, int target)
{
    struct sksi_credit *c = &w->crew->credit;
    struct sksi_flow *f = w->crew->out[target >= 0 ? (size_t)target : out->turn];
    int64_t start = sksi_clock_ns();

    sksi_clock_to(w, SKSI_WAIT_OUT);
    sksi_cond_wait(&c->given, &c->lock, SKS_NEVER);
    /* relaxed: stat. */
    atomic_fetch_add_explicit(&f->x_credit_ns, sksi_clock_ns() - start, memory_order_relaxed);
}

/* Takes credit, waiting for it: the flow's number, or -2 when none is open. */
static int credit_take(struct sks_worker *w, struct sksi_outlet *out, int target, const void *item,
                       size_t *weight)
{
    struct sksi_credit *c = &w->crew->credit;
    struct sksi_flow *f = w->crew->out[target >= 0 ? (size_t)target : out->turn];
    bool waited = false;
    int which;

    sksi_lock_take(&c->lock);
    *weight = any_open_locked(w->crew, target) ? weight_locked(f, item) : 0;
    while ((which = choose_locked(w, out, target, *weight)) == -1) {
        /* relaxed: count. */
        if (!waited)
            atomic_fetch_add_explicit(&f->x_credit_waits, 1, memory_order_relaxed);
        waited = true;
        wait_locked(w, out, target);
    }
    sksi_lock_drop(&c->lock);
    sksi_clock_to(w, SKSI_BUSY);
    return which;
}

int sksi_credit_send(struct sks_worker *w, struct sksi_outlet *out, int target, const void *item)
{
    struct sksi_credit *c = &w->crew->credit;
    size_t weight;
    int which;

    while ((which = credit_take(w, out, target, item, &weight)) >= 0) {
        struct sksi_flow *f = w->crew->out[which];

        if (sks_sender_try_send(out->tx[which], item) == 0 ||
            (errno == EAGAIN && sks_sender_send(out->tx[which], item) == 0))
            return 0;
        /* Cut meanwhile, so it is not chosen again. */
        sksi_lock_take(&c->lock);
        give_locked(f, weight);
        sksi_lock_drop(&c->lock);
    }
    errno = EPIPE;
    return -1;
}
