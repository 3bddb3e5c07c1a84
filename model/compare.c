/* SPDX-License-Identifier: MIT */
/*
 * compare.c - random little programs, explored with the reduction and without: what
 * the threads can read has to be the same set.
 *
 *   compare [PROGRAMS [SEED]]
 */
#include "engine.h"
#include "ring/port.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plat/plat.h"

enum { THREADS = 3, OPS = 4, OUTCOMES = 1 << 16, RUNS_MAX = 60000 };

enum what { READ, WRITE, ADD, CAS, FENCE, LIGHT, HEAVY, SLEEP, WAKE, KINDS };

static struct {
    enum what what;
    int variable;
    memory_order order;
} program[THREADS][OPS];

static int n_ops[THREADS];
static _Atomic uint32_t variables[2];
static uint32_t results[THREADS][OPS];
static unsigned char outcomes[2][OUTCOMES / 8];
static int which;
static uint64_t seed = 1;

static unsigned pick(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static memory_order order_of(enum what what)
{
    static const memory_order loads[] = {memory_order_relaxed, memory_order_acquire,
                                         memory_order_seq_cst};
    static const memory_order stores[] = {memory_order_relaxed, memory_order_release,
                                          memory_order_seq_cst};
    static const memory_order both[] = {memory_order_relaxed, memory_order_acquire,
                                        memory_order_release, memory_order_acq_rel};
    static const memory_order fences[] = {memory_order_acquire, memory_order_release,
                                          memory_order_seq_cst};

    switch (what) {
    case READ:
        return loads[pick(8) % 3];
    case WRITE:
        return stores[pick(8) % 3];
    case FENCE:
        return fences[pick(3)];
    default:
        return both[pick(4)];
    }
}

static int make_program(void)
{
    static const enum what kinds[] = {READ, READ,  READ,  WRITE, WRITE, WRITE, ADD,
                                      CAS,  FENCE, LIGHT, HEAVY, SLEEP, WAKE};
    int n_used = 2 + (int)pick(2);

    for (int t = 0; t < n_used; t++) {
        n_ops[t] = n_used == 2 ? 3 + (int)pick(2) : 2 + (int)pick(2) * (t == 0);
        for (int i = 0; i < n_ops[t]; i++) {
            program[t][i].what = kinds[pick(sizeof kinds / sizeof *kinds)];
            program[t][i].variable = (int)pick(2);
            program[t][i].order = order_of(program[t][i].what);
        }
    }
    return n_used;
}

static uint32_t run_op(int t, int i)
{
    _Atomic uint32_t *v = &variables[program[t][i].variable];
    memory_order order = program[t][i].order;
    uint32_t value = (uint32_t)(1 + t * OPS + i), zero = 0;

    switch (program[t][i].what) {
    case READ:
        return atomic_load_explicit(v, order);
    case WRITE:
        atomic_store_explicit(v, value, order);
        return 0;
    case ADD:
        return atomic_fetch_add_explicit(v, 100, order);
    case CAS:
        atomic_compare_exchange_strong_explicit(v, &zero, value, order, memory_order_relaxed);
        return zero;
    case FENCE:
        atomic_thread_fence(order);
        return 0;
    case LIGHT:
        sksi_fence_light();
        return 0;
    case HEAVY:
        sksi_fence_heavy();
        return 0;
    case SLEEP:
        return sksi_futex_wait(v, 0, 5000);
    case WAKE:
        return sksi_futex_wake(v, 1);
    case KINDS:
        break;
    }
    return 0;
}

static void run_thread(int t)
{
    for (int i = 0; i < n_ops[t]; i++)
        results[t][i] = run_op(t, i);
}

static void thread_0(void)
{
    run_thread(0);
}

static void thread_1(void)
{
    run_thread(1);
}

static void thread_2(void)
{
    run_thread(2);
}

static void clear(void)
{
    for (int i = 0; i < 2; i++)
        atomic_store_explicit(&variables[i], 0, memory_order_relaxed);
    memset(results, 0, sizeof results);
}

static void note(void)
{
    uint64_t hash = 14695981039346656037u;

    for (int t = 0; t < THREADS; t++) {
        for (int i = 0; i < OPS; i++)
            hash = (hash ^ results[t][i]) * 1099511628211u;
    }
    for (int i = 0; i < 2; i++)
        hash = (hash ^ atomic_load_explicit(&variables[i], memory_order_relaxed)) * 1099511628211u;
    hash = (hash ^ hash >> 29) * 0x9e3779b97f4a7c15u >> 48;
    outcomes[which][hash / 8] |= (unsigned char)(1u << hash % 8);
}

/* 1: the same, 0: not, -1: too large to tell. */
static int compare(int n_used, uint64_t *runs)
{
    struct model m = {.name = "random",
                      .setup = clear,
                      .thread = {thread_0, thread_1, n_used == 3 ? thread_2 : NULL},
                      .finish = note};
    struct count count;

    memset(outcomes, 0, sizeof outcomes);
    for (which = 0; which < 2; which++) {
        explore_naive = which;
        if (!search_all(&m, RUNS_MAX, &count)) {
            printf("FAILED: %s\n", failure);
            return 0;
        }
        if (count.runs + count.cut >= RUNS_MAX)
            return -1;
        runs[which] += count.runs + count.cut;
    }
    return !memcmp(outcomes[0], outcomes[1], sizeof outcomes[0]);
}

static void print_program(int n_used)
{
    static const char *const names[] = {"read",  "write", "add",   "cas", "fence",
                                        "light", "heavy", "sleep", "wake"};

    for (int t = 0; t < n_used; t++) {
        printf("  T%d:", t + 1);
        for (int i = 0; i < n_ops[t]; i++)
            printf(" %s %c %d;", names[program[t][i].what], 'x' + program[t][i].variable,
                   (int)program[t][i].order);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 300, passed = 0, failed = 0, skipped = 0;
    uint64_t runs[2] = {0};

    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (unsigned i = 0; i < n; i++) {
        int n_used = make_program(), same;

        sksi_fence_real = pick(2);
        same = compare(n_used, runs);
        passed += same == 1;
        skipped += same == -1;
        if (same == 0 && ++failed < 4) {
            printf("program %u differs [%s]\n", i, sksi_fence_real ? "real" : "asym");
            print_program(n_used);
        }
    }
    printf("%llu runs with the reduction, %llu without; %u programs were too large\n",
           (unsigned long long)runs[0], (unsigned long long)runs[1], skipped);
    printf("model/compare: %u passed, %u failed, %u skipped\n", passed, failed, 0);
    return failed > 0;
}
