/* SPDX-License-Identifier: MIT */
/*
 * linux.c - plat.h and ring/port.h on Linux.
 *
 *   tag  where                       order    pairs  what it orders
 *   S0   fence_light, real build     seq_cst  S0     store before the load that follows it
 *        fence_heavy, real build
 *
 * FENCES  membarrier(2) PRIVATE_EXPEDITED runs a full barrier on every CPU that runs
 * a thread of this process, so the light side needs a compiler barrier only.  It is
 * registered in a constructor: in a process that has threads already, registering
 * costs an RCU grace period.  Where the kernel or a seccomp filter refuses, and where
 * SKS_REAL_FENCES is set in the environment or at build time, both sides are real
 * seq_cst fences (ThreadSanitizer and the models check that build).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "plat/plat.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *until)
{
    return syscall(SYS_futex, word, op, value, until, NULL, FUTEX_BITSET_MATCH_ANY);
}

struct sksi_sys sksi_sys = {
    .posix_memalign = posix_memalign,
    .free = free,
    .thread_create = pthread_create,
    .eventfd = eventfd,
    .sigaction = sigaction,
    .write = write,
    .futex = futex,
};

bool sksi_fence_real = true;

static uint64_t ticks_per_us = 1000;
static bool one_cpu;

/* ---- clock ------------------------------------------------------------- */

int64_t sksi_clock_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t sksi_clock_after(int64_t ns)
{
    int64_t now = sksi_clock_ns();

    if (ns <= 0)
        return now;
    return ns >= INT64_MAX - now ? INT64_MAX : now + ns;
}

#if defined(__x86_64__)
uint64_t sksi_ticks(void)
{
    return __builtin_ia32_rdtsc();
}
#elif defined(__aarch64__)
uint64_t sksi_ticks(void)
{
    uint64_t v;

    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
    return v;
}
#else
uint64_t sksi_ticks(void)
{
    return (uint64_t)sksi_clock_ns();
}
#endif

uint64_t sksi_ticks_of(int64_t ns)
{
    return (uint64_t)(ns / 1000) * ticks_per_us + (uint64_t)(ns % 1000) * ticks_per_us / 1000;
}

uint64_t sksi_ticks_to_ns(uint64_t ticks)
{
    return ticks / ticks_per_us * 1000 + ticks % ticks_per_us * 1000 / ticks_per_us;
}

/* Measures the tick against the clock for 100 us.  A wrong answer (a move to
 * another host) makes spins too long or short, never endless: each is bounded by
 * a number of rounds too. */
static void ticks_calibrate(void)
{
    int64_t t0 = sksi_clock_ns();
    uint64_t c0 = sksi_ticks();
    int64_t t1;

    do
        t1 = sksi_clock_ns();
    while (t1 - t0 < 100000);
    ticks_per_us = (sksi_ticks() - c0) * 1000 / (uint64_t)(t1 - t0);
    if (ticks_per_us == 0)
        ticks_per_us = 1;
}

/* ---- futex ------------------------------------------------------------- */

bool sksi_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
    struct timespec ts, *pts = NULL;
    int saved = errno;
    long rc;

    if (deadline < 0)
        deadline = 0;
    if (deadline != INT64_MAX) {
        ts.tv_sec = deadline / NS_PER_S;
        ts.tv_nsec = deadline % NS_PER_S;
        pts = &ts;
    }
    rc = sksi_sys.futex(word, FUTEX_WAIT_BITSET_PRIVATE, expected, pts);
    bool late = rc == -1 && errno == ETIMEDOUT;
    errno = saved;
    return !late;
}

unsigned sksi_futex_wake(_Atomic uint32_t *word, unsigned n)
{
    int saved = errno;
    long rc;

    if (n > INT_MAX)
        n = INT_MAX;
    rc = sksi_sys.futex(word, FUTEX_WAKE_PRIVATE, n, NULL);
    errno = saved;
    return rc > 0 ? (unsigned)rc : 0;
}

/* ---- fences ------------------------------------------------------------ */

void sksi_fence_heavy(void)
{
    if (!sksi_fence_real) {
        int saved = errno;
        long rc = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);

        errno = saved;
        if (rc == 0)
            return;
        /* Registered, so it cannot fail; if it does all the same, a fence here
         * alone would be wrong in silence. */
        abort();
    }
    atomic_thread_fence(memory_order_seq_cst); /* [S0] */
}

static void fences_choose(void)
{
#ifndef SKSI_REAL_FENCES
    const char *asked = getenv("SKS_REAL_FENCES");

    if (asked && *asked && *asked != '0')
        return;
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 &&
        syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
        sksi_fence_real = false;
#endif
}

/* A child of fork() is a new process: it registers again, or falls back. */
static void after_fork(void)
{
    if (!sksi_fence_real &&
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
        sksi_fence_real = true;
}

__attribute__((constructor)) static void plat_start(void)
{
    int saved = errno;

    ticks_calibrate();
    fences_choose();
    one_cpu = sysconf(_SC_NPROCESSORS_ONLN) == 1;
    /* A child would not register: it must not need to. */
    if (pthread_atfork(NULL, NULL, after_fork))
        sksi_fence_real = true;
    errno = saved;
}

/* ---- CPUs -------------------------------------------------------------- */

bool sksi_one_cpu(void)
{
    return one_cpu;
}

uint32_t sksi_cpu(void)
{
    int cpu = sched_getcpu(); /* no system call where libc has rseq(2) or a vDSO */

    return cpu > 0 ? (uint32_t)cpu : 0;
}

void sksi_yield(void)
{
    sched_yield();
}

/* ---- memory ------------------------------------------------------------ */

void *sksi_alloc(size_t size, size_t align)
{
    void *memory;

    if (align < sizeof(void *))
        align = sizeof(void *);
    return sksi_sys.posix_memalign(&memory, align, size ? size : 1) ? NULL : memory;
}

void *sksi_zalloc(size_t size)
{
    void *memory = sksi_alloc(size, _Alignof(max_align_t));

    return memory ? memset(memory, 0, size) : NULL;
}

void sksi_free(void *memory)
{
    sksi_sys.free(memory);
}
