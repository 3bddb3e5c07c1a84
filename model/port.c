/* SPDX-License-Identifier: MIT */
/*
 * port.c - what production code needs from below, for the models: ring/port.h,
 * plat/plat.h and wait/spin.h.
 *
 * Nobody spins: there is one CPU.  A thread's clock stands still until a sleep of its
 * ends by the deadline; whether it does is the search's choice.
 */
#include "engine.h"

#include <errno.h>
#include <string.h>

#include "plat/plat.h"
#include "wait/spin.h"

#define HERE __builtin_extract_return_addr(__builtin_return_address(0))

/* ---- ring/port.h ------------------------------------------------------- */

bool sksi_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
    struct op op = {.kind = OP_WAIT,
                    .address = (uintptr_t)word,
                    .size = sizeof *word,
                    .expected = expected,
                    .deadline = deadline,
                    .pc = HERE};

    thread_do(&op);
    return op.result != 0;
}

unsigned sksi_futex_wake(_Atomic uint32_t *word, unsigned n)
{
    struct op op = {
        .kind = OP_WAKE, .address = (uintptr_t)word, .size = sizeof *word, .value = n, .pc = HERE};

    thread_do(&op);
    return (unsigned)op.result;
}

void model_fence_light(void)
{
    struct op op = {.kind = OP_FENCE, .order = memory_order_seq_cst, .pc = HERE};

    if (sksi_fence_real)
        thread_do(&op);
}

void sksi_fence_heavy(void)
{
    struct op op = {
        .kind = sksi_fence_real ? OP_FENCE : OP_HEAVY, .order = memory_order_seq_cst, .pc = HERE};

    thread_do(&op);
}

bool sksi_one_cpu(void)
{
    return true;
}

uint64_t sksi_ticks(void)
{
    return 1000;
}

/* ---- plat/plat.h ------------------------------------------------------- */

static int table_memalign(void **memory, size_t align, size_t size)
{
    *memory = heap_alloc(size, align);
    return *memory ? 0 : ENOMEM;
}

static void table_free(void *memory)
{
    heap_free(memory, HERE);
}

struct sksi_sys sksi_sys = {.posix_memalign = table_memalign, .free = table_free};

void *sksi_alloc(size_t size, size_t align)
{
    return heap_alloc(size, align < sizeof(void *) ? sizeof(void *) : align);
}

void *sksi_zalloc(size_t size)
{
    void *memory = heap_alloc(size, _Alignof(max_align_t));

    return memory ? memset(memory, 0, size) : NULL;
}

void sksi_free(void *memory)
{
    heap_free(memory, HERE);
}

int64_t sksi_clock_ns(void)
{
    return current ? current->clock_ns : 1000;
}

int64_t sksi_clock_after(int64_t ns)
{
    int64_t now = sksi_clock_ns();

    if (ns <= 0)
        return now;
    return ns >= INT64_MAX - now ? INT64_MAX : now + ns;
}

uint32_t sksi_cpu(void)
{
    return 0;
}

void sksi_yield(void)
{
}

uint64_t sksi_ticks_of(int64_t ns)
{
    return (uint64_t)ns;
}

uint64_t sksi_ticks_to_ns(uint64_t ticks)
{
    return ticks;
}

/* ---- wait/spin.h ------------------------------------------------------- */

void sksi_spin_woken(uint64_t ticks)
{
    (void)ticks;
}

void sksi_spin_note(struct sksi_spin_hint *mine)
{
    (void)mine;
}

bool sksi_spin_same_cpu(struct sksi_spin_hint *mine, const struct sksi_spin_hint *other)
{
    (void)mine;
    (void)other;
    return true;
}

void sksi_spin_start(struct sksi_spin *s, const struct sksi_spin_hint *mine, bool same_cpu,
                     int64_t deadline)
{
    (void)mine;
    (void)deadline;
    s->same_cpu = same_cpu;
}

uint32_t sksi_spin_stream(struct sksi_spin_hint *mine, uint64_t index, uint64_t *n)
{
    (void)mine;
    (void)index;
    *n = 0;
    return 0;
}

void sksi_spin_rest(const struct sksi_spin *s, struct sksi_spin_hint *mine, uint32_t rest,
                    uint64_t n, uint64_t capacity)
{
    (void)s;
    (void)mine;
    (void)rest;
    (void)n;
    (void)capacity;
}

bool sksi_spin_more(struct sksi_spin *s)
{
    (void)s;
    return false;
}

void sksi_spin_learn(const struct sksi_spin *s, struct sksi_spin_hint *hint, bool found)
{
    (void)s;
    (void)hint;
    (void)found;
}
