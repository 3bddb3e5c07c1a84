/* SPDX-License-Identifier: MIT */
/*
 * port.h - the functions that the rings and the waiting code need from
 * below.  src/plat implements them; a model checker brings its own.
 *
 *   tag  where                      order    pairs  what it orders
 *   S0   fence_light, real fences   seq_cst  S0     a store before the load that follows it;
 *                                                   the other S0 is fence_heavy in plat/linux.c
 */
#ifndef SKSI_RING_PORT_H
#define SKSI_RING_PORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Sleeps while *word == expected, until `deadline` (ns, CLOCK_MONOTONIC) at most.
 * May return early for no reason.  False when the deadline has passed. */
bool sksi_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline);

/* Wakes up to n threads that sleep on *word.  Returns how many.  The word may be
 * freed memory by now: only its address is used. */
unsigned sksi_futex_wake(_Atomic uint32_t *word, unsigned n);

/*
 * The two sides of an asymmetric store-then-load fence.  If thread A does
 * "store x; light; load y" and thread B "store y; heavy; load x", at least one of
 * the loads sees the other's store.  light is a compiler barrier where heavy can
 * be membarrier(2), else both are seq_cst fences.
 */
static inline void sksi_fence_light(void);
void sksi_fence_heavy(void);

/* Is spinning pointless, because there is one CPU only? */
bool sksi_one_cpu(void);

/* Ticks of the cheapest steady clock there is. */
uint64_t sksi_ticks(void);

/* A thread has just woken up from a sleep that was ended at `ticks`. */
void sksi_spin_woken(uint64_t ticks);

/* Lets the CPU rest for some nanoseconds in a spin loop. */
static inline void sksi_pause(void);

/* Decided once before main(): true makes light a real fence. */
extern bool sksi_fence_real;

#if defined(SKSI_MODEL)
#include "model_port.h"
#else
static inline void sksi_fence_light(void)
{
    atomic_signal_fence(memory_order_seq_cst);
    if (sksi_fence_real)
        atomic_thread_fence(memory_order_seq_cst); /* [S0] pairs with sksi_fence_heavy() */
}

static inline void sksi_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}
#endif

#endif
