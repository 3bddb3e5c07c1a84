/* SPDX-License-Identifier: MIT */
/*
 * search.c - the tree of choices, depth first: which thread goes on, which store a
 * load reads, whom a wake finds.
 *
 * Each run follows the path of the last one to the deepest node that has a choice left,
 * takes that, and goes on as it likes.  Threads are reduced to source sets (Abdulla and
 * others, "Optimal dynamic partial order reduction", 2014): of two operations that
 * depend on each other and could have come in the other order, the later one's thread
 * is to be tried at the earlier one's node; and sleep sets: what was explored from a
 * node is not explored again beside it.
 *
 * Loads are treated better than by the book.  A load that reads an old store after a
 * newer one was made is the same as the load before that store.  So a load need not be
 * moved before a store, only stores before loads; and a load asleep is not woken by a
 * store but for the sake of reading that one (`low`: the oldest it may then read).
 *
 * With a bound on preemptions the search is not exhaustive: a thread that is moved to
 * an earlier node is tried at the beginning of the block of that node's thread, too
 * (Coons and others, "Bounded partial-order reduction", 2013).
 */
#include "engine.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASLEEP 0xffff

extern const char __executable_start[];

struct node {
    bool value; /* else a thread */
    /* A value: */
    unsigned n, pick;
    /* A thread: */
    uint8_t enabled, awake, done, backtrack, chosen, preempted;
    uint16_t avail;            /* a load: how many stores there were */
    uint16_t low[MAX_THREADS]; /* 0: awake, ASLEEP, else of a load: what it may read */
    struct event event;
};

bool explore_naive;
struct step steps[MAX_STEPS];
int n_steps;

static struct node nodes[MAX_NODES];
static int n_nodes;   /* of the path that is followed */
static int at;        /* how far this run has come */
static int fresh;     /* events from this node on are new */
static int event_now; /* the node whose operation is done now */
static unsigned bound;

int search_event(void)
{
    return event_now;
}

/* ---- races ------------------------------------------------------------- */

static void clock_join(struct clock *to, const struct clock *from)
{
    for (int i = 0; i < MAX_THREADS; i++)
        to->at[i] = to->at[i] > from->at[i] ? to->at[i] : from->at[i];
}

static bool comes_before(const struct event *a, const struct clock *b)
{
    return a->after.at[a->thread] <= b->at[a->thread];
}

/* Which threads could go first, of what came after node i without its doing, and then e. */
static unsigned initials(int i, const struct event *e, int last)
{
    unsigned seen = 0, result = 0;

    for (int k = i + 1; k <= last; k++) {
        const struct event *v = k == last ? e : &nodes[k].event;
        bool first = true;

        if (k != last && (nodes[k].value || comes_before(&nodes[i].event, &v->after)))
            continue;
        if (seen & 1u << v->thread)
            continue;
        seen |= 1u << v->thread;
        for (int j = i + 1; j < k && first; j++) {
            if (!nodes[j].value && !comes_before(&nodes[i].event, &nodes[j].event.after))
                first = !comes_before(&nodes[j].event, &v->after);
        }
        if (first)
            result |= 1u << v->thread;
    }
    return result;
}

/* The node where the block of its thread begins. */
static int block_start(int i)
{
    int start = i;

    for (int k = i - 1; k >= 0; k--) {
        if (nodes[k].value)
            continue;
        if (nodes[k].chosen != nodes[i].chosen)
            break;
        start = k;
    }
    return start;
}

static void try_at(int i, unsigned thread)
{
    nodes[i].backtrack |= (uint8_t)(1u << thread);
    if (bound) {
        struct node *n = &nodes[block_start(i)];

        n->backtrack |= (uint8_t)(1u << thread & n->enabled);
    }
}

/* Finds what e, the operation of node `last`, races with; sets its clock. */
static void find_races(struct event *e, int last)
{
    struct clock past = threads[e->thread].causal;
    struct clock full = past;
    int n_racing = 0, where[MAX_NODES];

    full.at[e->thread]++;
    for (int i = last - 1; i >= 0; i--) {
        const struct event *o = &nodes[i].event;
        enum relation r;

        if (nodes[i].value || o->thread == e->thread)
            continue;
        r = event_relation(o, e, i);
        if (r == UNRELATED)
            continue;
        if (r == RACING && !comes_before(o, &past))
            where[n_racing++] = i;
        clock_join(&past, &o->after);
    }
    clock_join(&full, &past);
    e->after = full;
    for (int k = 0; k < n_racing && !explore_naive; k++) {
        unsigned first = initials(where[k], e, last);

        if (first & nodes[where[k]].backtrack)
            continue;
        if (first & 1u << e->thread)
            try_at(where[k], (unsigned)e->thread);
        else if (first)
            try_at(where[k], (unsigned)__builtin_ctz(first));
    }
}

/* ---- one run ----------------------------------------------------------- */

unsigned search_choose(unsigned n)
{
    if (n <= 1 || event_now < 0)
        return 0;
    if (at == MAX_NODES) {
        failure_note("the explorer: too many choices in one run");
        return 0;
    }
    if (at == n_nodes)
        nodes[n_nodes++] = (struct node){.value = true, .n = n};
    if (!nodes[at].value || nodes[at].pick >= n || (nodes[at].n && nodes[at].n != n)) {
        failure_note("the model is not the same in each run");
        return 0;
    }
    nodes[at].n = n;
    return nodes[at++].pick;
}

/* What a thread would do next. */
static struct op next_op(const struct thread *t)
{
    struct op op = t->op;

    if (t->state == THREAD_ASLEEP)
        op.kind = OP_TIMEOUT;
    return op;
}

static unsigned enabled_threads(bool *live)
{
    unsigned enabled = 0;

    *live = false;
    for (int i = 1; i < n_threads; i++) {
        const struct thread *t = &threads[i];

        *live |= t->state != THREAD_ENDED;
        if (t->state == THREAD_READY || (t->state == THREAD_ASLEEP && t->op.deadline != INT64_MAX))
            enabled |= 1u << i;
    }
    return enabled;
}

static bool is_awake(const struct thread *t, unsigned low)
{
    return low == 0 || (low != ASLEEP && memory_more_than(t->op.address, low));
}

/* The last node of a thread before node i. */
static const struct node *node_before(int i)
{
    while (--i >= 0) {
        if (!nodes[i].value)
            return &nodes[i];
    }
    return NULL;
}

/* A node for the choice of a thread that nobody has been at.  False when all that could
 * be done here was done elsewhere. */
static bool node_new(unsigned enabled, const uint16_t *low)
{
    const struct node *last = node_before(at);
    struct node *n = &nodes[at];
    unsigned awake = 0, able;

    *n = (struct node){.enabled = (uint8_t)enabled};
    memcpy(n->low, low, sizeof n->low);
    for (int i = 1; i < n_threads; i++) {
        if (enabled & 1u << i && is_awake(&threads[i], low[i]))
            awake |= 1u << i;
    }
    if (last) {
        bool same = enabled & 1u << last->chosen;

        n->preempted = last->preempted;
        if (bound && same && last->preempted >= bound)
            awake &= 1u << last->chosen;
    }
    n->awake = (uint8_t)awake;
    if (!awake)
        return false;
    able = last && awake & 1u << last->chosen ? last->chosen : (unsigned)__builtin_ctz(awake);
    n->chosen = (uint8_t)able;
    n->backtrack = explore_naive ? n->awake : (uint8_t)(1u << able);
    n_nodes = at + 1;
    return true;
}

static void count_preemption(int i)
{
    const struct node *last = node_before(i);
    struct node *n = &nodes[i];

    n->preempted = last ? last->preempted : 0;
    if (last && last->chosen != n->chosen && n->enabled & 1u << last->chosen)
        n->preempted++;
}

/* What sleeps after an event. */
static void low_after(const struct node *n, uint16_t *low)
{
    for (int i = 0; i < n_threads; i++) {
        struct op op = next_op(&threads[i]);

        low[i] = explore_naive || i == n->chosen ? 0 : n->low[i];
        if (low[i] && event_wakes(&threads[i], &op, &n->event) &&
            !(low[i] != ASLEEP && event_writes(&n->event) && op.address == n->event.address &&
              op.order != memory_order_seq_cst))
            low[i] = 0;
    }
}

static void do_op(struct thread *t, int i, uint16_t *low)
{
    struct node *n = &nodes[i];
    struct op *op = &t->op;
    bool timeout = t->state == THREAD_ASLEEP;
    unsigned oldest = n->low[t->id] == ASLEEP ? 0 : n->low[t->id];

    event_now = i;
    if (timeout) {
        op->kind = OP_TIMEOUT;
        op->result = false;
        t->state = THREAD_READY;
        if (t->clock_ns < op->deadline)
            t->clock_ns = op->deadline;
    } else {
        memory_do(t, op, oldest);
    }
    n = &nodes[i];
    steps[n_steps].thread = t->id;
    steps[n_steps++].op = *op;
    n->avail = (uint16_t)op->avail;
    n->event = (struct event){
        .thread = t->id,
        .kind = op->kind,
        .ok = op->ok,
        .own = op->own,
        .quiet = op->quiet,
        .sc = op->order == memory_order_seq_cst && op->kind <= OP_CAS,
        .address = op->address,
        .read_event = op->read_event,
        .after = n->event.after,
    };
    if (i >= fresh)
        find_races(&n->event, i);
    t->causal = n->event.after;
    event_now = -1;
    low_after(n, low);
}

/* Does what the node says and runs the threads to their next operations. */
static void step(int i, uint16_t *low)
{
    struct thread *t = &threads[nodes[i].chosen];
    unsigned asleep = 0;

    for (int k = 1; k < n_threads; k++)
        asleep |= (unsigned)(threads[k].state == THREAD_ASLEEP) << k;
    do_op(t, i, low);
    for (int k = 1; k < n_threads && !failure; k++) {
        struct thread *o = &threads[k];

        if (o == t ? o->state == THREAD_READY : asleep & 1u << k && o->state == THREAD_READY) {
            if (o != t) {
                clock_join(&o->causal, &t->causal);
                o->op.result = true;
            }
            thread_go(o);
        }
    }
}

static void run_begin(const struct model *m)
{
    failure = NULL;
    start_again = false;
    private_reset();
    n_steps = 0;
    at = 0;
    event_now = -1;
    shadow_reset();
    for (n_threads = 1; n_threads < MAX_THREADS && m->thread[n_threads - 1]; n_threads++)
        ;
    memory_reset();
    memset(&threads[0].causal, 0, sizeof threads[0].causal);
    if (m->setup)
        thread_start(0, m->setup);
    memory_fork();
    for (int i = 1; i < n_threads && !failure; i++) {
        memset(&threads[i].causal, 0, sizeof threads[i].causal);
        thread_start(i, m->thread[i - 1]);
    }
}

/* Runs the model once, along the path and then anyhow.  False when it was cut off. */
static bool run_once(const struct model *m)
{
    uint16_t low[MAX_THREADS] = {0};

    run_begin(m);
    while (!failure && !start_again) {
        bool live;
        unsigned enabled = enabled_threads(&live);

        if (!enabled) {
            if (live)
                failure_note("deadlock: all threads sleep, a wake-up was lost");
            break;
        }
        if (n_steps == MAX_STEPS || at == MAX_NODES) {
            failure_note("no end: too many operations in one run");
            break;
        }
        if (at == n_nodes && !node_new(enabled, low))
            return false;
        if (nodes[at].value || !(enabled & 1u << nodes[at].chosen)) {
            failure_note("the model is not the same in each run");
            break;
        }
        count_preemption(at);
        step(at++, low);
    }
    if (!failure && !start_again) {
        memory_join();
        if (m->finish)
            thread_start(0, m->finish);
        if (!failure)
            heap_check();
    }
    return true;
}

/* ---- all runs ---------------------------------------------------------- */

/* Turns to the deepest choice that is left.  False when there is none. */
static bool next_path(void)
{
    while (n_nodes > 0) {
        struct node *n = &nodes[n_nodes - 1];
        unsigned left;

        if (n->value) {
            if (++n->pick < n->n) {
                fresh = (int)(node_before(n_nodes) - nodes);
                return true;
            }
            n_nodes--;
            continue;
        }
        n->done |= (uint8_t)(1u << n->chosen);
        n->low[n->chosen] = n->event.kind == OP_LOAD && !n->event.sc ? n->avail : ASLEEP;
        left = n->backtrack & n->awake & ~(unsigned)n->done;
        if (left) {
            n->chosen = (uint8_t)__builtin_ctz(left);
            fresh = n_nodes - 1;
            return true;
        }
        n_nodes--;
    }
    return false;
}

bool search_all(const struct model *m, uint64_t max, struct count *count)
{
    *count = (struct count){0};
    n_nodes = 0;
    fresh = 0;
    bound = m->preemptions;
    private_clear();
    do {
        bool whole = run_once(m);

        if (start_again) {
            n_nodes = 0;
            fresh = 0;
            *count = (struct count){0};
            continue;
        }
        count->runs += whole;
        count->cut += !whole;
        if (n_steps > count->steps)
            count->steps = n_steps;
        if (failure)
            return false;
    } while (start_again || (count->runs + count->cut < max && next_path()));
    return true;
}

bool search_replay(const struct model *m, const char *path)
{
    char *end;

    n_nodes = 0;
    fresh = MAX_NODES;
    bound = 0;
    for (; *path && *path != '@' && n_nodes < MAX_NODES; path++) {
        struct node *n = &nodes[n_nodes++];

        *n = (struct node){0};
        n->value = *path >= 'a';
        n->pick = (unsigned)(*path - 'a');
        n->chosen = (uint8_t)(*path - '0');
    }
    private_clear();
    for (; *path; path = end)
        private_share(strtoul(path + 1, &end, 16) + (uintptr_t)__executable_start);
    run_once(m);
    return !failure;
}

void search_print_path(void)
{
    uintptr_t shared;
    size_t k = 0;

    for (int i = 0; i < at; i++)
        putchar(nodes[i].value ? 'a' + (int)nodes[i].pick : '0' + nodes[i].chosen);
    for (char c = '@'; (shared = private_shared(&k)) != 0; c = ',')
        printf("%c%zx", c, (size_t)(shared - (uintptr_t)__executable_start));
    putchar('\n');
}
