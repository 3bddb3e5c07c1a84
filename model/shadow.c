/* SPDX-License-Identifier: MIT */
/*
 * shadow.c - what is known about plain memory: who accessed it last, is it allocated.
 *
 * A data race is two accesses to one byte, one of them a write, one of them not atomic,
 * that no happens-before orders.  All addresses are treated alike, stacks too: when a
 * frame's memory is used again while another thread's access to it is not ordered
 * before, that other thread used a variable which may be gone, and the race says so.
 *
 * A free is a write to all of the block.  Blocks are never used again within a run, and
 * each thread has a heap of its own, so addresses do not depend on the order of threads.
 */
#include "engine.h"

#include <stdio.h>
#include <string.h>

enum { GRANULES = 1 << 14, CELLS = 10, PROBES = 64 };

struct cell {
    const void *pc;
    uint16_t when; /* of the thread's clock */
    uint8_t thread, mask;
    uint8_t write, atomic;
};

/* Eight bytes of memory. */
struct granule {
    uintptr_t key;
    uint32_t run; /* else it is empty */
    uint8_t n;
    uint8_t location[8]; /* of the atomic that begins at this byte */
    struct cell cells[CELLS];
};

static struct granule granules[GRANULES];
static uint32_t run;
static const void *race[2];

enum { HEAP_NEVER, HEAP_LIVE, HEAP_FREED };

static struct heap {
    _Alignas(4096) unsigned char bytes[HEAP_BYTES];
    unsigned char state[HEAP_BYTES];
    size_t used;
    struct {
        size_t at, size;
        bool freed;
    } blocks[64];
    unsigned n_blocks;
} heaps[MAX_THREADS];

void shadow_reset(void)
{
    run++;
    race[0] = race[1] = NULL;
    for (int i = 0; i < MAX_THREADS; i++) {
        memset(heaps[i].state, HEAP_NEVER, heaps[i].used);
        heaps[i].used = 0;
        heaps[i].n_blocks = 0;
    }
}

void shadow_race(const void **first, const void **second)
{
    *first = race[0];
    *second = race[1];
}

/* ---- granules ---------------------------------------------------------- */

static struct granule *granule_of(uintptr_t address, bool make)
{
    uintptr_t key = address >> 3;
    size_t at = (size_t)((key * 0x9e3779b97f4a7c15u) >> 50) % GRANULES;

    for (int i = 0; i < PROBES; i++, at = (at + 1) % GRANULES) {
        struct granule *g = &granules[at];

        if (g->run == run && g->key == key)
            return g;
        if (g->run != run) {
            if (!make)
                return NULL;
            g->key = key;
            g->run = run;
            g->n = 0;
            memset(g->location, 0, sizeof g->location);
            return g;
        }
    }
    failure_note("the explorer: too many addresses in one run");
    return &granules[0];
}

uint8_t *shadow_location(uintptr_t address)
{
    return &granule_of(address, true)->location[address & 7];
}

static bool before(const struct cell *c, const struct thread *t)
{
    return c->when <= t->now.hb.at[c->thread];
}

static void check_cells(const struct granule *g, const struct thread *t, const struct cell *mine)
{
    for (int i = 0; i < g->n; i++) {
        const struct cell *c = &g->cells[i];

        if (!(c->mask & mine->mask) || c->thread == mine->thread || (c->atomic && mine->atomic) ||
            !(c->write || mine->write) || before(c, t))
            continue;
        if (!race[0]) {
            race[0] = c->pc;
            race[1] = mine->pc;
        }
        failure_note("data race");
    }
}

/* Keeps what a later access of another thread could race with. */
static void keep_cell(struct granule *g, const struct cell *mine)
{
    for (int i = 0; i < g->n; i++) {
        struct cell *c = &g->cells[i];

        if (c->thread == mine->thread && c->mask == mine->mask && c->write <= mine->write &&
            c->atomic >= mine->atomic) {
            *c = *mine;
            return;
        }
    }
    if (g->n < CELLS)
        g->cells[g->n++] = *mine;
    else
        g->cells[mine->when % CELLS] = *mine;
}

static bool heap_bad(uintptr_t address, size_t size)
{
    size_t at = address - (uintptr_t)heaps;

    if (at >= sizeof heaps)
        return false;
    const struct heap *h = &heaps[at / sizeof *h];

    at %= sizeof *h;
    if (at >= HEAP_BYTES)
        return true;
    for (size_t i = at; i < at + size; i++) {
        if (i >= HEAP_BYTES || h->state[i] != HEAP_LIVE) {
            failure_note(i < HEAP_BYTES && h->state[i] == HEAP_FREED
                             ? "use after free"
                             : "access outside of allocated memory");
            return true;
        }
    }
    return false;
}

void shadow_access(struct thread *t, const void *memory, size_t size, enum access how,
                   const void *pc)
{
    uintptr_t address = (uintptr_t)memory, end = address + size;
    struct cell c = {.pc = pc,
                     .when = t->now.hb.at[t->id],
                     .thread = (uint8_t)t->id,
                     .write = how == ACCESS_WRITE || how == ACCESS_ATOMIC_WRITE,
                     .atomic = how == ACCESS_ATOMIC_READ || how == ACCESS_ATOMIC_WRITE};

    if (heap_bad(address, size) && !race[1])
        race[1] = pc;
    while (address < end) {
        uintptr_t next = (address | 7) + 1;
        uintptr_t to = next < end ? next : end;
        bool before_all = t->id == 0; /* setup and finish race with nobody */
        struct granule *g = granule_of(address, !before_all);

        if (g) {
            c.mask = (uint8_t)(((1u << (to - address)) - 1) << (address & 7));
            if (!before_all) {
                check_cells(g, t, &c);
                keep_cell(g, &c);
            }
            if (how == ACCESS_WRITE) /* an atomic that was here begins anew */
                memset(&g->location[address & 7], 0, to - address);
        }
        address = to;
    }
}

/* ---- heap -------------------------------------------------------------- */

void *heap_alloc(size_t size, size_t align)
{
    struct heap *h = &heaps[current ? current->id : 0];
    size_t at = (h->used + 16 + align - 1) & ~(align - 1);

    if (size == 0)
        size = 1;
    if (align > 4096 || h->n_blocks == 64 || size > HEAP_BYTES || at + size > HEAP_BYTES) {
        failure_note("the explorer: not enough heap");
        return NULL;
    }
    h->used = at + size;
    h->blocks[h->n_blocks].at = at;
    h->blocks[h->n_blocks].freed = false;
    h->blocks[h->n_blocks++].size = size;
    memset(h->state + at, HEAP_LIVE, size);
    memset(h->bytes + at, 0xa5, size); /* not what the last run has left */
    return h->bytes + at;
}

void heap_free(void *memory, const void *pc)
{
    size_t at = (uintptr_t)memory - (uintptr_t)heaps;
    struct heap *h;

    if (!memory)
        return;
    if (at >= sizeof heaps)
        explore_fail("free of what was not allocated");
    h = &heaps[at / sizeof *h];
    for (unsigned i = 0; i < h->n_blocks; i++) {
        if (h->bytes + h->blocks[i].at != memory)
            continue;
        if (h->blocks[i].freed)
            explore_fail("double free");
        shadow_access(current, memory, h->blocks[i].size, ACCESS_WRITE, pc);
        h->blocks[i].freed = true;
        memset(h->state + h->blocks[i].at, HEAP_FREED, h->blocks[i].size);
        memset(h->bytes + h->blocks[i].at, 0x5a, h->blocks[i].size);
        return;
    }
    explore_fail("free of what was not allocated");
}

void heap_check(void)
{
    for (int i = 0; i < MAX_THREADS; i++) {
        for (unsigned b = 0; b < heaps[i].n_blocks; b++) {
            if (!heaps[i].blocks[b].freed)
                failure_note("memory leak");
        }
    }
}

const char *shadow_name(uintptr_t address, char *buffer, size_t size)
{
    size_t at = address - (uintptr_t)heaps;

    if (at < sizeof heaps) {
        const struct heap *h = &heaps[at / sizeof *h];

        for (unsigned i = 0; i < h->n_blocks; i++) {
            size_t in = at % sizeof *h - h->blocks[i].at;

            if (in < h->blocks[i].size) {
                snprintf(buffer, size, "heap%zu.%u+%zu", at / sizeof *h, i, in);
                return buffer;
            }
        }
    }
    snprintf(buffer, size, "%#zx", (size_t)address);
    return buffer;
}
