/* SPDX-License-Identifier: MIT */
/*
 * plat.h - the whole contract with the operating system, beside ring/port.h.
 *
 * A port is one file that implements this header.  Every call that can fail goes
 * through the table sksi_sys, so a test can make the n-th one fail.  What is not in it
 * cannot fail with the arguments that it is given (a close, a join, a mutex, the write of
 * one to a fresh eventfd), or is made before main, where tests/fault/shim.c fails it.
 */
#ifndef SKSI_PLAT_PLAT_H
#define SKSI_PLAT_PLAT_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "ring/port.h"

#define SKSI_CACHE_LINE 64

/* What the library asks of libc and the kernel.  Replaced only while no other
 * thread is in the library (tests). */
struct sksi_sys {
    int (*posix_memalign)(void **memory, size_t align, size_t size);
    void (*free)(void *memory);
    int (*thread_create)(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);
    int (*eventfd)(unsigned value, int flags);
    int (*sigaction)(int signo, const struct sigaction *act, struct sigaction *old);
    ssize_t (*write)(int fd, const void *bytes, size_t n);
    /* WAIT_BITSET and WAKE.  A wait may end at any time and for no reason. */
    long (*futex)(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *until);
};
extern struct sksi_sys sksi_sys;

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t sksi_clock_ns(void);

/* A deadline `ns` from now, saturating; never 0 (which would mean SKS_NOW). */
int64_t sksi_clock_after(int64_t ns);

/* Memory aligned to `align` (a power of two), not cleared.  NULL when there is none. */
void *sksi_alloc(size_t size, size_t align);
/* Cleared memory aligned for any type. */
void *sksi_zalloc(size_t size);
void sksi_free(void *memory);

/* The CPU that the calling thread runs on at this moment; 0 and up. */
uint32_t sksi_cpu(void);

/* Lets another runnable thread have the CPU. */
void sksi_yield(void);

/* How many ticks (ring/port.h) make `ns` nanoseconds, and back. */
uint64_t sksi_ticks_of(int64_t ns);
uint64_t sksi_ticks_to_ns(uint64_t ticks);

#endif
