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
 * THE TURN  (wait/turns.h)  The worker of the oldest ticket has the turn: what it emits
 * goes out at once.  What the others emit is kept with their tickets.  Who is done with
 * the turn sends what the tickets behind it keep, as far as those are done, and gives it
 * to the first that is not.  So exactly one thread sends at any time, without a lock, and
 * every ticket is released once, whatever became of its item: passed, filtered, failed, or
 * lost with its worker.
 *
 * INTAKE  One worker at a time takes an item and draws its ticket.  That is short, but for
 * a wait for an item or for a place in the window; the others yield, then sleep: who they
 * wait for may be ready and without a CPU, and to let it run costs less than to be woken by it.
 *
 * BOUNDS  No ticket is drawn beyond oldest + window.  A ticket keeps at most
 * KEPT_MAX items, the next one waits for the turn.  With no memory to keep an item it
 * waits for the turn too.
 *
 * CUT  After an abort nobody waits for a turn; what is kept is discarded, by the
 * thread that aborts or by the worker that is done with it.
 */
#include "pipeline/internal.h"

#include <errno.h>
#include <string.h>

#include "wait/turns.h"

#define KEPT_MAX 1024
#define KEPT_FIRST 4
#define GLANCES 16 /* at the intake, before the clock is asked */
#define YIELDS 20

struct slot {
    alignas(SKSI_CACHE_LINE) struct sksi_turn turn;
    /* The ticket's worker; when that is done, who has the turn, or who claims it. */
    uint32_t n, room;
    unsigned char *items;
    int *targets;
};

struct sksi_order {
    /* Held over a receive: the inlet, and these. */
    alignas(SKSI_CACHE_LINE) struct sksi_lock intake;
    uint64_t next;   /* ticket */
    uint64_t oldest; /* as it was when it was looked at */

    alignas(SKSI_CACHE_LINE) struct sksi_turns turns;

    alignas(SKSI_CACHE_LINE) uint64_t window; /* constant */
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
    /* relaxed: owner, there are no workers yet. */
    atomic_store_explicit(&o->slots[0].turn.x_state, SKSI_TURN_GIVEN, memory_order_relaxed);
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

static bool intake_free(const struct sksi_order *o)
{
    /* relaxed: hint, the exchange decides. */
    return atomic_load_explicit(&o->intake.x_state, memory_order_relaxed) == SKSI_LOCK_FREE;
}

static void intake_wait(struct sks_worker *w)
{
    struct sksi_order *o = w->crew->order;

    for (int i = 0; i < GLANCES; i++) {
        sksi_pause();
        if (intake_free(o) && sksi_lock_try(&o->intake))
            return;
    }
    sksi_clock_to(w, SKSI_WAIT_IN);
    for (int i = 0; i < YIELDS; i++) {
        sksi_yield();
        if (intake_free(o) && sksi_lock_try(&o->intake))
            return;
    }
    sksi_lock_take(&o->intake);
}

/* Is there a place in the window?  Under the intake. */
static bool window_open(struct sksi_order *o)
{
    if (o->next - o->oldest >= o->window)
        o->oldest = sksi_turns_oldest(&o->turns);
    return o->next - o->oldest < o->window;
}

static void window_wait(struct sks_worker *w)
{
    struct sksi_order *o = w->crew->order;

    sksi_clock_to(w, SKSI_WAIT_IN);
    for (int i = 0; i < YIELDS; i++) {
        sksi_yield();
        if (window_open(o))
            return;
    }
    sksi_turns_await_passed(&o->turns, o->next - o->window);
}

int sksi_order_enter(struct sks_worker *w)
{
    struct sksi_order *o = w->crew->order;

    if (!sksi_lock_try(&o->intake))
        intake_wait(w);
    if (!window_open(o))
        window_wait(w);
    sksi_clock_to(w, SKSI_BUSY);
    if (!sksi_turns_are_cut(&o->turns))
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

/* Until it is w's turn, or everything is cut. */
static void turn_wait(struct sks_worker *w, const struct slot *s)
{
    sksi_clock_to(w, SKSI_WAIT_OUT);
    sksi_turns_await_turn(&w->crew->order->turns, &s->turn);
    sksi_clock_to(w, SKSI_BUSY);
    w->turn = sksi_turn_has(&s->turn);
}

/* Keeps it, or waits for the turn: true when it is kept. */
static bool keep(struct sks_worker *w, struct slot *s, int target, const void *item)
{
    if (sksi_turns_are_cut(&w->crew->order->turns))
        return false;
    if (slot_keep(s, w->crew->stage->options.item_size, target, item))
        return true;
    turn_wait(w, s);
    return false;
}

int sksi_order_emit(struct sks_worker *w, int target, const void *item)
{
    struct sksi_crew *crew = w->crew;
    struct slot *s = slot_of(crew->order, w->ticket);

    if (!w->ticketed) {
        errno = EINVAL;
        return -1;
    }
    sksi_count(&w->x_out, 1);
    w->emitted++;
    if (!w->turn)
        w->turn = sksi_turn_has(&s->turn);
    if (!w->turn && keep(w, s, target, item))
        return 0;
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

void sksi_order_done(struct sks_worker *w)
{
    struct sksi_order *o = w->crew->order;
    uint64_t ticket = w->ticket;
    struct slot *s = slot_of(o, ticket), *next;

    w->ticketed = w->turn = false;
    if (!sksi_turn_done(&s->turn)) {
        if (sksi_turns_cut_meanwhile(&o->turns) && sksi_turn_claim(&s->turn))
            slot_discard(w->crew, s);
        return;
    }
    for (;; s = next) {
        slot_send(w, s);
        next = slot_of(o, ++ticket);
        if (!sksi_turns_next(&o->turns, &s->turn, &next->turn))
            break;
    }
    sksi_turns_moved(&o->turns);
}

void sksi_order_cut(struct sksi_crew *crew)
{
    struct sksi_order *o = crew->order;

    sksi_turns_cut(&o->turns);
    for (uint64_t i = 0; i < o->window; i++) {
        struct slot *s = &o->slots[i];

        if (sksi_turn_claim(&s->turn))
            slot_discard(crew, s);
    }
}
