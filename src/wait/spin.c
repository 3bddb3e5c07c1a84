/* SPDX-License-Identifier: MIT */
/*
 * spin.c - the adaptive spin of spin.h.
 *
 * The level is how often the budget is halved: 0 is the whole, LEVELS no spin at
 * all but for a probe every PROBE waits, so that a side that slept through a quiet
 * hour finds its speed again.
 */
#include "wait/spin.h"

#include "plat/plat.h"

#define BUDGET_NS 20000 /* about four wake-ups of a sleeping CPU */
#define PAUSE_NS 3000   /* of these without giving the CPU away */
#define LEVELS 6        /* 20 us, 10, 5, 2.5, 1.2, 0.6, then none */
#define PROBE 16        /* waits without a spin between two probes */
#define CLOCK_EVERY 8   /* rounds between two looks at the clock */
#define ROUNDS_MAX 100000
#define SAME_CPU_YIELDS 3

static void limit(struct sksi_spin *s, int64_t deadline)
{
    int64_t left = deadline - sksi_clock_ns();

    if (left <= 0)
        s->until = s->start;
    else if (left < BUDGET_NS && s->start + sksi_ticks_of(left) < s->until)
        s->until = s->start + sksi_ticks_of(left);
}

void sksi_spin_note(struct sksi_spin_hint *mine)
{
    atomic_store_explicit(&mine->x_cpu, sksi_cpu() + 1, memory_order_relaxed); /* relaxed: hint */
}

bool sksi_spin_same_cpu(const struct sksi_spin_hint *other)
{
    /* relaxed: hint. */
    return atomic_load_explicit(&other->x_cpu, memory_order_relaxed) == sksi_cpu() + 1;
}

void sksi_spin_start(struct sksi_spin *s, const struct sksi_spin_hint *hint, bool same_cpu,
                     int64_t deadline)
{
    /* relaxed: hint, any value is safe. */
    uint32_t level = atomic_load_explicit(&hint->x_level, memory_order_relaxed);

    s->rounds = 0;
    s->same_cpu = same_cpu || sksi_one_cpu();
    if (s->same_cpu)
        return;
    s->start = sksi_ticks();
    s->yield_from = s->start + sksi_ticks_of(PAUSE_NS);
    if (level < LEVELS)
        s->until = s->start + (sksi_ticks_of(BUDGET_NS) >> level);
    else
        s->until = level == LEVELS + PROBE ? s->start + sksi_ticks_of(BUDGET_NS) / 8 : s->start;
    if (deadline != INT64_MAX)
        limit(s, deadline);
}

bool sksi_spin_more(struct sksi_spin *s)
{
    uint64_t now;

    s->rounds++;
    if (s->same_cpu) {
        if (s->rounds > SAME_CPU_YIELDS)
            return false;
        sksi_yield();
        return true;
    }
    sksi_pause();
    if (s->rounds % CLOCK_EVERY)
        return true;
    now = sksi_ticks();
    if (now >= s->until || s->rounds > ROUNDS_MAX)
        return false;
    if (now >= s->yield_from)
        sksi_yield();
    return true;
}

void sksi_spin_learn(const struct sksi_spin *s, struct sksi_spin_hint *hint, bool found)
{
    uint32_t level;

    if (s->same_cpu)
        return;
    /* relaxed: hint; two threads that learn at once may lose one lesson. */
    level = atomic_load_explicit(&hint->x_level, memory_order_relaxed);
    if (found)
        level = level > LEVELS ? LEVELS - 1 : level > 0 ? level - 1 : 0;
    else
        level = level < LEVELS + PROBE ? level + 1 : LEVELS;
    atomic_store_explicit(&hint->x_level, level, memory_order_relaxed); /* relaxed: hint */
}
