/* SPDX-License-Identifier: MIT */
/*
 * spin.h - how long to look before going to sleep.
 *
 * Waking a sleeping thread costs 5 to 50 microseconds on today's machines, so a thread
 * that has to wait looks again for about as long first: pauses for the first part,
 * then lets other threads run between the looks (where more threads than CPUs are
 * ready, the one it waits for may be among them; a break in which somebody ran shows that
 * there are more, and for a while the spins begin with it).  The budget is time, not rounds:
 * a pause takes 15 times as long on some CPUs as on others.  Where one such break took as
 * long as a time slice there are none for a while: strangers want the CPU, and a sleeper
 * that is woken comes before them.
 *
 * The budget learns per channel and side: a spin that was for nothing halves it, one
 * that found something doubles it.
 *
 * STREAMS  A side that is somewhat faster than the other, and looks at once, takes the
 * other's cache line away for every single item.  In a stream it rests for a moment first and
 * finds several.  Whether it is in one is learned too: a rest that gathered several items
 * makes the next one longer, one for nothing ends them; after a few items at once, and now and
 * then anyway, it is tried.  A dialogue has one item a wait and hardly ever rests.  A rest
 * is no longer than the other side takes for a quarter of the capacity.
 *
 * SAME CPU  Each side notes the CPU that it last waited or woke somebody on.  When that
 * of the other side is the one we run on, the other side cannot be running, so we do not spin: we
 * yield to it, and sleep when that did not help.  Affinity alone does not tell: two
 * threads pinned to two CPUs should spin.
 */
#ifndef SKSI_WAIT_SPIN_H
#define SKSI_WAIT_SPIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What was learned.  Zero is the default. */
struct sksi_spin_hint {
    _Atomic uint32_t x_level; /* see spin.c */
    _Atomic uint32_t x_cpu;   /* the CPU of the last wait + 1; 0: not known */
    _Atomic uint64_t x_index; /* items that the side had moved at its last wait */
    _Atomic uint64_t x_at;    /* and when that was, ticks */
    _Atomic uint32_t x_rest;  /* 0, or how long to rest: see spin.c */
    _Atomic uint16_t x_tries; /* waits until a rest is tried, and how many of them next time */
    _Atomic uint16_t x_every;
};

struct sksi_spin {
    uint64_t start, yield_from, until; /* ticks */
    uint32_t rounds;
    bool same_cpu;
};

/* Notes the CPU that a side waits on, or wakes somebody on. */
void sksi_spin_note(struct sksi_spin_hint *mine);

/* The same; does the other side wait on it, too? */
bool sksi_spin_same_cpu(struct sksi_spin_hint *mine, const struct sksi_spin_hint *other);

/* The spin ends with `deadline` at the latest. */
void sksi_spin_start(struct sksi_spin *s, const struct sksi_spin_hint *mine, bool same_cpu,
                     int64_t deadline);

/* A side that has moved `index` items so far has to wait: is it in a stream?  *n: items since
 * its last wait.  Returns how long to rest, for sksi_spin_rest() before the first look; 0:
 * not at all. */
uint32_t sksi_spin_stream(struct sksi_spin_hint *mine, uint64_t index, uint64_t *n);
void sksi_spin_rest(const struct sksi_spin *s, struct sksi_spin_hint *mine, uint32_t rest,
                    uint64_t n, uint64_t capacity);

/* Rests a little.  False when it is time to sleep. */
bool sksi_spin_more(struct sksi_spin *s);

/* Learns: found tells whether the spin was worth it. */
void sksi_spin_learn(const struct sksi_spin *s, struct sksi_spin_hint *hint, bool found);

#endif
