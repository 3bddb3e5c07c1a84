/* SPDX-License-Identifier: MIT */
/*
 * order.c - several workers, one order.
 *
 *       intake            tickets (window = 8)              outlet
 *     one worker at     oldest             next
 *     a time takes        v                  v
 *     an item and a    [ 40 | 41 | 42 | 43 ]              one worker at a time:
 *     ticket             ^own  done busy busy             whose ticket is the oldest
 *
 * THE TURN  The worker of the oldest ticket has the turn: what it emits goes out at
 * once.  What the others emit is kept with their tickets.  Who is done with the oldest
 * ticket sends what the tickets behind it keep, as far as those are done; the next
 * worker that is not done finds itself to be the oldest.  So exactly one thread sends
 * at any time, without a lock, and every ticket is released once, whatever became of
 * its item: passed, filtered, failed, or lost with its worker.
 *
 * BOUNDS  No ticket is given out beyond oldest + window.  A ticket keeps at most
 * KEPT_MAX items, the next one waits for the turn.  With no memory to keep an item it
 * waits for the turn too.
 *
 * CUT  After an abort nobody waits for a turn; what is kept is discarded, by the
 * thread that aborts or by the worker that is done with it.
 */
#include "pipeline/internal.h"

#include <errno.h>
#include <string.h>

#define KEPT_MAX 1024
#define KEPT_FIRST 4

enum slot_state { OPEN, DONE, SENDING };

struct slot {
    /* OPEN: the ticket's worker; else under order.lock, SENDING: who made it so. */
    unsigned char *items;
    int *targets;
    uint32_t n, room;
    /* Under order.lock. */
    enum slot_state state;
};

struct sksi_order {
    /* Held over a receive: the inlet, and next. */
    alignas(SKSI_CACHE_LINE) struct sksi_lock intake;
    uint64_t next;

    alignas(SKSI_CACHE_LINE) struct sksi_lock lock;
    struct sksi_cond moved; /* oldest went on, or cut */
    uint64_t oldest;        /* (p) of order.lock */
    bool cut;

    uint64_t window; /* constant */
    struct slot slots[];
};

struct sksi_order *sksi_order_new(const struct sksi_crew *crew)
{
    size_t window = crew->stage->options.window;
    struct sksi_order *o =
        sksi_alloc(sizeof *o + window * sizeof(struct slot), alignof(struct sksi_order));

    if (!o)
        return NULL;
    memset(o, 0, sizeof *o + window * sizeof(struct slot));
    o->window = window;
    return o;
}

void sksi_order_free(struct sksi_order *o)
{
    if (!o)
        return;
    for (uint64_t i = 0; i < o->window; i++) {
        sksi_free(o->slots[i].items);
        sksi_free(o->slots[i].targets);
    }
    sksi_free(o);
}

static struct slot *slot_of(struct sksi_order *o, uint64_t ticket)
{
    return &o->slots[ticket % o->window];
}

/* ---- intake ------------------------------------------------------------ */

int sksi_order_enter(struct sks_worker *w)
{
    struct sksi_order *o = w->crew->order;
    bool cut;

    if (!sksi_lock_try(&o->intake)) {
        sksi_clock_to(w, SKSI_WAIT_IN);
        sksi_lock_take(&o->intake);
    }
    sksi_lock_take(&o->lock);
    while (o->next - o->oldest >= o->window && !o->cut) {
        sksi_clock_to(w, SKSI_WAIT_IN);
        sksi_cond_wait(&o->moved, &o->lock, SKS_NEVER);
    }
    cut = o->cut;
    sksi_lock_drop(&o->lock);
    sksi_clock_to(w, SKSI_BUSY);
    if (!cut)
        return 0;
    sksi_lock_drop(&o->intake);
    errno = ECANCELED;
    return -1;
}

void sksi_order_leave(struct sks_worker *w, bool taken)
{
    struct sksi_order *o = w->crew->order;

    w->turn = false;
    w->ticketed = taken;
    if (taken)
        w->ticket = o->next++;
    sksi_lock_drop(&o->intake);
}

void sksi_order_purge(struct sks_worker *w)
{
    sksi_lock_take(&w->crew->order->intake);
    sksi_inlet_purge(w);
    sksi_lock_drop(&w->crew->order->intake);
}

/* ---- keeping ----------------------------------------------------------- */

static bool slot_grow(struct slot *s, size_t item_size)
{
    uint32_t room = s->room ? 2 * s->room : KEPT_FIRST;
    unsigned char *items = sksi_alloc(room * item_size, SKSI_CACHE_LINE);
    int *targets = sksi_alloc(room * sizeof *targets, alignof(int));

    if (!items || !targets) {
        sksi_free(items);
        sksi_free(targets);
        return false;
    }
    if (s->n) {
        memcpy(items, s->items, s->n * item_size);
        memcpy(targets, s->targets, s->n * sizeof *targets);
    }
    sksi_free(s->items);
    sksi_free(s->targets);
    s->items = items;
    s->targets = targets;
    s->room = room;
    return true;
}

static bool slot_keep(struct slot *s, size_t item_size, int target, const void *item)
{
    if (s->n == KEPT_MAX || (s->n == s->room && !slot_grow(s, item_size)))
        return false;
    memcpy(s->items + s->n * item_size, item, item_size);
    s->targets[s->n++] = target;
    return true;
}

/* Sends what a ticket keeps.  With the turn. */
static void slot_send(struct sks_worker *w, struct slot *s)
{
    size_t item_size = w->crew->stage->options.item_size;

    for (uint32_t i = 0; i < s->n; i++)
        sksi_outlet_send(w, s->targets[i], s->items + i * item_size);
    s->n = 0;
}

static void slot_discard(const struct sksi_crew *crew, struct slot *s)
{
    size_t item_size = crew->stage->options.item_size;

    for (uint32_t i = 0; i < s->n; i++)
        sksi_flow_refuse(crew->out[s->targets[i] < 0 ? 0 : s->targets[i]],
                         s->items + i * item_size);
    s->n = 0;
}

/* ---- emit -------------------------------------------------------------- */

/* Is it w's turn?  With `wait`, waits for it; false then means cut. */
static bool turn_has(struct sks_worker *w, bool wait, bool *cut)
{
    struct sksi_order *o = w->crew->order;

    sksi_lock_take(&o->lock);
    while (wait && o->oldest != w->ticket && !o->cut) {
        sksi_clock_to(w, SKSI_WAIT_OUT);
        sksi_cond_wait(&o->moved, &o->lock, SKS_NEVER);
    }
    w->turn = o->oldest == w->ticket;
    *cut = o->cut;
    sksi_lock_drop(&o->lock);
    sksi_clock_to(w, SKSI_BUSY);
    return w->turn;
}

int sksi_order_emit(struct sks_worker *w, int target, const void *item)
{
    struct sksi_crew *crew = w->crew;
    struct slot *s = slot_of(crew->order, w->ticket);
    bool cut = false;

    if (!w->ticketed) {
        errno = EINVAL;
        return -1;
    }
    sksi_count(&w->x_out, 1);
    w->emitted++;
    if (!w->turn && !turn_has(w, false, &cut) && !cut) {
        if (slot_keep(s, crew->stage->options.item_size, target, item))
            return 0;
        turn_has(w, true, &cut);
    }
    if (w->turn) {
        slot_send(w, s);
        return sksi_outlet_send(w, target, item);
    }
    slot_discard(crew, s);
    sksi_flow_refuse(crew->out[target < 0 ? 0 : target], item);
    w->unusual = w->emit_failed = true;
    errno = ECANCELED;
    return -1;
}

/* ---- done -------------------------------------------------------------- */

/* The oldest ticket is w's: sends from there on what is done. */
static void send_done(struct sks_worker *w)
{
    struct sksi_order *o = w->crew->order;

    sksi_lock_take(&o->lock);
    for (;;) {
        struct slot *s = slot_of(o, o->oldest);

        if (s->state != DONE)
            break;
        if (s->n) {
            s->state = SENDING;
            sksi_lock_drop(&o->lock);
            slot_send(w, s);
            sksi_lock_take(&o->lock);
        }
        s->state = OPEN;
        o->oldest++;
        sksi_cond_wake(&o->moved);
    }
    sksi_lock_drop(&o->lock);
}

void sksi_order_done(struct sks_worker *w)
{
    struct sksi_order *o = w->crew->order;
    struct slot *s = slot_of(o, w->ticket);
    bool turn, cut;

    sksi_lock_take(&o->lock);
    turn = o->oldest == w->ticket;
    cut = o->cut;
    s->state = turn || !cut ? DONE : SENDING;
    sksi_lock_drop(&o->lock);
    w->ticketed = w->turn = false;
    if (turn) {
        send_done(w);
    } else if (cut) {
        slot_discard(w->crew, s);
        sksi_lock_take(&o->lock);
        s->state = DONE;
        turn = o->oldest == w->ticket;
        sksi_lock_drop(&o->lock);
        if (turn)
            send_done(w);
    }
}

void sksi_order_cut(struct sksi_crew *crew)
{
    struct sksi_order *o = crew->order;

    sksi_lock_take(&o->lock);
    o->cut = true;
    sksi_cond_wake(&o->moved);
    for (uint64_t i = 0; i < o->window; i++) {
        struct slot *s = &o->slots[i];

        if (s->state != DONE)
            continue;
        s->state = SENDING;
        sksi_lock_drop(&o->lock);
        slot_discard(crew, s);
        sksi_lock_take(&o->lock);
        s->state = DONE;
    }
    sksi_lock_drop(&o->lock);
}
