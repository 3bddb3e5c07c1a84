/* SPDX-License-Identifier: MIT */
/*
 * spin.h - how long to look before going to sleep.
 *
 * Waking a sleeping thread costs 5 to 50 microseconds on today's machines, so a thread
 * that has to wait looks again for about as long first: pauses for the first part,
 * then lets other threads run between the looks (where more threads than CPUs are
 * ready, the one it waits for may be among them).  The budget is time, not rounds:
 * a pause takes 15 times as long on some CPUs as on others.
 *
 * The budget learns per channel and side: a spin that was for nothing halves it, one
 * that found something doubles it.
 *
 * BURSTS  A side that moved several items since its last wait is in a stream, and
 * somewhat faster than the other.  Looking at once would take the other's cache line
 * away for every single item; so it rests for a moment first and finds several.  A
 * side that moved one item, as in a dialogue, looks at once.
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
};

struct sksi_spin {
    uint64_t start, yield_from, until; /* ticks */
    uint32_t rounds;
    bool same_cpu;
};

/* Notes the CPU that a side waits on. */
void sksi_spin_note(struct sksi_spin_hint *mine);

/* Does the other side wait on the CPU that we run on? */
bool sksi_spin_same_cpu(const struct sksi_spin_hint *other);

/* The spin ends with `deadline` at the latest. */
void sksi_spin_start(struct sksi_spin *s, const struct sksi_spin_hint *mine, bool same_cpu,
                     int64_t deadline);

/* Before the first look of a side that has moved `index` items so far. */
void sksi_spin_burst(const struct sksi_spin *s, struct sksi_spin_hint *mine, uint64_t index);

/* Rests a little.  False when it is time to sleep. */
bool sksi_spin_more(struct sksi_spin *s);

/* Learns: found tells whether the spin was worth it. */
void sksi_spin_learn(const struct sksi_spin *s, struct sksi_spin_hint *hint, bool found);

#endif
