/* SPDX-License-Identifier: MIT */
/*
 * memory.c - the memory model: C11 with views.
 *
 * A location keeps all its stores, in the order in which they were done.  A thread
 * knows for each location the oldest store that it may still read: that of its last
 * read or write there, or a newer one that happens before.  So a load has a choice.
 *
 *   release   a store carries what its thread knows; a relaxed one, what the thread
 *             knew at its last release fence; a read-modify-write, what the store it
 *             read carried as well
 *   acquire   a load learns what the store carries; a relaxed one keeps it for the
 *             next acquire fence
 *   seq_cst   a fence exchanges views with all seq_cst fences before it, not the
 *             happens-before of plain accesses; an access is one between two fences
 *   heavy     membarrier(2): a seq_cst fence of the caller, and the views of all other
 *             threads exchanged as by one of theirs
 *
 * A read-modify-write reads the newest store; a compare-exchange may fail with an
 * older one.  futex wait compares with the newest, as the kernel does.
 *
 * Not modelled: stores of one location that become visible in another order than they
 * were done in (2+2W), and values out of thin air (load buffering).
 */
#include "engine.h"

#include <stdatomic.h>
#include <string.h>

struct store {
    uint64_t value;
    struct knowledge carries;
    int event; /* the node of the store; -1: before the run */
    int thread;
};

struct location {
    uintptr_t address;
    unsigned size;
    unsigned n;
    uint16_t stores[MAX_STORES_AT_ONE];
};

static struct store stores[MAX_STORES];
static unsigned n_stores;
static struct location locations[MAX_LOCATIONS];
static unsigned n_locations; /* number 0 is none */
static struct view fenced;   /* what the seq_cst fences so far know */

void memory_reset(void)
{
    n_stores = 0;
    n_locations = 1;
    memset(&fenced, 0, sizeof fenced);
    for (int i = 0; i < MAX_THREADS; i++) {
        memset(&threads[i].now, 0, sizeof threads[i].now);
        memset(&threads[i].acquired, 0, sizeof threads[i].acquired);
        memset(&threads[i].released, 0, sizeof threads[i].released);
        threads[i].now.hb.at[i] = 1;
    }
}

/* ---- knowledge --------------------------------------------------------- */

static void join_view(struct view *to, const struct view *from)
{
    for (unsigned i = 0; i < n_locations; i++)
        to->at[i] = to->at[i] > from->at[i] ? to->at[i] : from->at[i];
}

static void join_clock(struct clock *to, const struct clock *from)
{
    for (int i = 0; i < MAX_THREADS; i++)
        to->at[i] = to->at[i] > from->at[i] ? to->at[i] : from->at[i];
}

static void join(struct knowledge *to, const struct knowledge *from)
{
    join_clock(&to->hb, &from->hb);
    join_view(&to->view, &from->view);
}

static void copy(struct knowledge *to, const struct knowledge *from)
{
    to->hb = from->hb;
    memcpy(to->view.at, from->view.at, n_locations);
}

static bool acquires(int order)
{
    return order != memory_order_relaxed && order != memory_order_release;
}

static bool releases(int order)
{
    return order == memory_order_release || order == memory_order_acq_rel ||
           order == memory_order_seq_cst;
}

/* ---- locations --------------------------------------------------------- */

static uint64_t read_memory(uintptr_t address, unsigned size)
{
    uint64_t value = 0;

    __builtin_memcpy(&value, (const void *)address, size);
    return value;
}

static void append(struct location *l, uint64_t value, int event)
{
    if (n_stores == MAX_STORES || l->n == MAX_STORES_AT_ONE) {
        failure_note("the explorer: too many stores in one run");
        return;
    }
    struct store *s = &stores[n_stores];

    s->value = value;
    s->event = event;
    memset(&s->carries, 0, sizeof s->carries);
    l->stores[l->n++] = (uint16_t)n_stores++;
}

/* The location at an address.  One that is new, or was written by a plain store since,
 * holds what is in memory. */
static struct location *location_at(uintptr_t address, unsigned size)
{
    uint8_t *number = shadow_location(address);
    struct location *l;

    if (*number && locations[*number].size == size)
        return &locations[*number];
    if (*number)
        failure_note("atomic accesses of two sizes to one location");
    if (n_locations == MAX_LOCATIONS) {
        failure_note("the explorer: too many locations in one run");
        return &locations[1];
    }
    *number = (uint8_t)n_locations;
    l = &locations[n_locations++];
    *l = (struct location){.address = address, .size = size};
    append(l, read_memory(address, size), -1);
    return l;
}

static unsigned number_of(const struct location *l)
{
    return (unsigned)(l - locations);
}

bool memory_more_than(uintptr_t address, unsigned n)
{
    const uint8_t *number = shadow_location(address);

    return *number && locations[*number].n > n;
}

static bool is_own(const struct location *l, int thread)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (stores[l->stores[i]].event >= 0 && stores[l->stores[i]].thread != thread)
            return false;
    }
    return true;
}

bool memory_own(uintptr_t address, int thread)
{
    const uint8_t *number = shadow_location(address);

    return !*number || is_own(&locations[*number], thread);
}

/* ---- fences ------------------------------------------------------------ */

static void fence_views(struct thread *t)
{
    join_view(&t->now.view, &fenced);
    join_view(&fenced, &t->now.view);
}

void memory_fence_local(struct thread *t, int order)
{
    if (acquires(order))
        join(&t->now, &t->acquired);
    if (releases(order)) {
        copy(&t->released, &t->now);
        t->now.hb.at[t->id]++;
    }
}

static void fence(struct thread *t)
{
    join(&t->now, &t->acquired);
    fence_views(t);
    copy(&t->released, &t->now);
    t->now.hb.at[t->id]++;
}

static void fence_heavy(struct thread *t)
{
    fence(t);
    for (int i = 1; i < n_threads; i++) {
        if (&threads[i] != t)
            fence_views(&threads[i]);
    }
    fence(t);
}

/* ---- operations -------------------------------------------------------- */

/* Reads store number i of a location. */
static uint64_t read_store(struct thread *t, struct op *op, const struct location *l, unsigned i,
                           int order)
{
    struct store *s = &stores[l->stores[i]];

    t->now.view.at[number_of(l)] = (uint8_t)i;
    join(acquires(order) ? &t->now : &t->acquired, &s->carries);
    op->read_event = s->event;
    return s->value;
}

/* `read`: the store that a read-modify-write has read, NULL for a plain store. */
static void write_store(struct thread *t, struct location *l, uint64_t value, int order,
                        const struct store *read)
{
    struct store *s;

    append(l, value, search_event());
    stores[l->stores[l->n - 1]].thread = t->id;
    s = &stores[l->stores[l->n - 1]];
    t->now.view.at[number_of(l)] = (uint8_t)(l->n - 1);
    copy(&s->carries, releases(order) ? &t->now : &t->released);
    s->carries.view.at[number_of(l)] = (uint8_t)(l->n - 1);
    if (read)
        join(&s->carries, &read->carries);
    __builtin_memcpy((void *)l->address, &value, l->size);
    t->now.hb.at[t->id]++;
}

static uint64_t combine(const struct op *op, uint64_t old)
{
    uint64_t mask = op->size == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * op->size) - 1;

    switch (op->rmw) {
    case RMW_SET:
        return op->value & mask;
    case RMW_ADD:
        return (old + op->value) & mask;
    case RMW_SUB:
        return (old - op->value) & mask;
    case RMW_AND:
        return old & op->value & mask;
    case RMW_OR:
        return (old | op->value) & mask;
    case RMW_XOR:
        return (old ^ op->value) & mask;
    case RMW_NAND:
        return ~(old & op->value) & mask;
    }
    return 0;
}

static void access_now(struct thread *t, const struct op *op, enum access how)
{
    shadow_access(t, (const void *)op->address, op->size, how, op->pc);
}

static bool view_holds(const struct view *v, const struct view *other)
{
    for (unsigned i = 0; i < n_locations; i++) {
        if (v->at[i] < other->at[i])
            return false;
    }
    return true;
}

static void do_load(struct thread *t, struct op *op, unsigned oldest)
{
    struct location *l = location_at(op->address, op->size);
    unsigned from = t->now.view.at[number_of(l)];

    op->own = is_own(l, t->id);
    op->quiet = from == l->n - 1 && view_holds(&t->now.view, &stores[l->stores[from]].carries.view);
    if (from < oldest && oldest < l->n)
        from = oldest;
    op->avail = l->n;
    access_now(t, op, ACCESS_ATOMIC_READ);
    op->result = read_store(t, op, l, l->n - 1 - search_choose(l->n - from), op->order);
}

static void do_cas(struct thread *t, struct op *op)
{
    struct location *l = location_at(op->address, op->size);
    unsigned newest = l->n - 1, ways[MAX_STORES_AT_ONE], n = 0, way;
    const struct store *s;

    ways[n++] = newest;
    for (unsigned i = newest; i-- > t->now.view.at[number_of(l)];) {
        if (stores[l->stores[i]].value != op->expected)
            ways[n++] = i;
    }
    way = ways[search_choose(n)];
    s = &stores[l->stores[way]];
    op->ok = s->value == op->expected;
    access_now(t, op, op->ok ? ACCESS_ATOMIC_WRITE : ACCESS_ATOMIC_READ);
    op->result = read_store(t, op, l, way, op->ok ? op->order : op->order_failed);
    if (op->ok)
        write_store(t, l, op->value, op->order, s);
}

static void do_rmw(struct thread *t, struct op *op)
{
    struct location *l = location_at(op->address, op->size);
    const struct store *s = &stores[l->stores[l->n - 1]];

    access_now(t, op, ACCESS_ATOMIC_WRITE);
    op->result = read_store(t, op, l, l->n - 1, op->order);
    write_store(t, l, combine(op, op->result), op->order, s);
}

/* ---- futex ------------------------------------------------------------- */

static void do_wait(struct thread *t, struct op *op)
{
    struct location *l = location_at(op->address, op->size);

    access_now(t, op, ACCESS_ATOMIC_READ);
    /* What the kernel has read here the thread cannot read older. */
    t->now.view.at[number_of(l)] = (uint8_t)(l->n - 1);
    op->ok = stores[l->stores[l->n - 1]].value == op->expected;
    op->read_event = stores[l->stores[l->n - 1]].event;
    op->result = true;
    if (op->ok)
        t->state = THREAD_ASLEEP;
}

static void do_wake(struct thread *t, struct op *op)
{
    struct thread *there[MAX_THREADS];
    unsigned n = 0;
    unsigned number = *shadow_location(op->address);

    for (int i = 1; i < n_threads; i++) {
        if (threads[i].state == THREAD_ASLEEP && threads[i].op.address == op->address)
            there[n++] = &threads[i];
    }
    for (op->result = 0; n && op->result < op->value; op->result++) {
        unsigned i = search_choose(n);
        struct thread *woken = there[i];

        there[i] = there[--n];
        woken->state = THREAD_READY;
        if (number && woken->now.view.at[number] < t->now.view.at[number])
            woken->now.view.at[number] = t->now.view.at[number];
    }
    op->ok = op->result != 0;
}

void memory_do(struct thread *t, struct op *op, unsigned oldest)
{
    bool sc = op->order == memory_order_seq_cst && op->kind >= OP_LOAD && op->kind <= OP_CAS;

    if (sc)
        fence(t);
    switch (op->kind) {
    case OP_LOAD:
        do_load(t, op, oldest);
        break;
    case OP_STORE:
        access_now(t, op, ACCESS_ATOMIC_WRITE);
        write_store(t, location_at(op->address, op->size), op->value, op->order, NULL);
        break;
    case OP_RMW:
        do_rmw(t, op);
        break;
    case OP_CAS:
        do_cas(t, op);
        break;
    case OP_FENCE:
        fence(t);
        break;
    case OP_HEAVY:
        fence_heavy(t);
        break;
    case OP_WAIT:
        do_wait(t, op);
        break;
    case OP_WAKE:
        do_wake(t, op);
        break;
    case OP_TIMEOUT:
    case OP_NONE:
        break;
    }
    if (sc)
        fence(t);
}

void memory_fork(void)
{
    for (int i = 1; i < n_threads; i++)
        join(&threads[i].now, &threads[0].now);
    threads[0].now.hb.at[0]++;
}

void memory_join(void)
{
    for (int i = 1; i < n_threads; i++)
        join(&threads[0].now, &threads[i].now);
}
