/* SPDX-License-Identifier: MIT */
/*
 * spin.c - the adaptive spin of spin.h.
 *
 * The whole budget is twice what a wake-up costs on this machine, measured: every
 * sleeper that is woken learns how long ago that was.  It has to be more than one
 * wake-up, or two threads that sleep in turn would never find each other awake again.
 *
 * The level is how often the budget is halved: 0 is the whole, LEVELS no spin at
 * all but for a probe every PROBE waits, so that a side that slept through a quiet
 * hour finds its speed again.
 */
#include "wait/spin.h"

#include "plat/plat.h"

#define WAKE_NS 10000 /* a wake-up, before one was measured */
#define WAKE_MIN_NS 2000
#define WAKE_MAX_NS 50000
#define PAUSE_NS 3000 /* so long a spin does not give the CPU away */
#define LEVELS 6
#define PROBE 16      /* waits without a spin between two probes */
#define CLOCK_EVERY 8 /* rounds between two looks at the clock */
#define ROUNDS_MAX 100000
#define STREAM 4      /* items since the last wait that make a stream, or make it longer */
#define STREAM_KEEP 3 /* and that keep it */
#define REST_NS 250   /* the rest at level 0; the next ones are twice as long each */
#define REST_LEVELS 4 /* x_rest is 0, or the level + 1 */
#define TRY_EVERY 32  /* waits without a rest until one is tried; doubles when in vain */
#define TRY_EVERY_MAX 4096
#define SAME_CPU_YIELDS 3
#define YIELD_SOME_NS 1500   /* a yield of that length let somebody run */
#define CROWD_NS 1000000     /* so long after one every spin yields at once */
#define YIELD_LONG_NS 500000 /* a yield of that length gave the CPU to a stranger */
#define BUSY_NS 20000000     /* so long nobody yields after one */

/* Until then there are more threads ready than CPUs, and the CPUs have more to do than ours
 * (ticks). */
static _Atomic uint64_t x_crowd_until, x_busy_until;

/* What a wake-up costs: a moving average, in ticks; 0 before the first. */
static _Atomic uint64_t x_wake_ticks;

void sksi_spin_woken(uint64_t ticks)
{
    uint64_t cost = sksi_ticks() - ticks, min = sksi_ticks_of(WAKE_MIN_NS);
    uint64_t max = sksi_ticks_of(WAKE_MAX_NS), old;

    cost = cost < min ? min : cost > max ? max : cost;
    /* relaxed: hint; of two lessons at once one may be lost. */
    old = atomic_load_explicit(&x_wake_ticks, memory_order_relaxed);
    cost = old ? (7 * old + cost) / 8 : cost;
    atomic_store_explicit(&x_wake_ticks, cost, memory_order_relaxed); /* relaxed: hint */
}

static uint64_t whole_budget(void)
{
    /* relaxed: hint. */
    uint64_t cost = atomic_load_explicit(&x_wake_ticks, memory_order_relaxed);

    return 2 * (cost ? cost : sksi_ticks_of(WAKE_NS));
}

static void limit(struct sksi_spin *s, int64_t deadline)
{
    int64_t left = deadline - sksi_clock_ns();

    if (left <= 0)
        s->until = s->start;
    else if (left < 2 * WAKE_MAX_NS && s->start + sksi_ticks_of(left) < s->until)
        s->until = s->start + sksi_ticks_of(left);
}

void sksi_spin_note(struct sksi_spin_hint *mine)
{
    atomic_store_explicit(&mine->x_cpu, sksi_cpu() + 1, memory_order_relaxed); /* relaxed: hint */
}

bool sksi_spin_same_cpu(struct sksi_spin_hint *mine, const struct sksi_spin_hint *other)
{
    uint32_t cpu = sksi_cpu() + 1;

    /* relaxed: hint, both. */
    if (atomic_load_explicit(&mine->x_cpu, memory_order_relaxed) != cpu)
        atomic_store_explicit(&mine->x_cpu, cpu, memory_order_relaxed);
    return atomic_load_explicit(&other->x_cpu, memory_order_relaxed) == cpu; /* relaxed: hint */
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
    s->yield_from = s->start;
    /* relaxed: hint, both. */
    if (s->start >= atomic_load_explicit(&x_crowd_until, memory_order_relaxed) ||
        s->start < atomic_load_explicit(&x_busy_until, memory_order_relaxed))
        s->yield_from += sksi_ticks_of(PAUSE_NS);
    s->until = s->start;
    if (level < LEVELS)
        s->until += whole_budget() >> level;
    else if (level == LEVELS + PROBE)
        s->until += whole_budget();
    if (deadline != INT64_MAX)
        limit(s, deadline);
}

/* The next rest of a side that moved n items since its last wait. */
static uint32_t rest_learn(struct sksi_spin_hint *mine, uint64_t n)
{
    /* relaxed: hint, all of these; any value is safe. */
    uint32_t rest = atomic_load_explicit(&mine->x_rest, memory_order_relaxed);
    uint16_t tries, every;

    if (n >= STREAM) {
        rest = rest < REST_LEVELS ? rest + 1 : REST_LEVELS;
        atomic_store_explicit(&mine->x_every, 0, memory_order_relaxed); /* relaxed: hint */
    } else if (rest && n < STREAM_KEEP) {
        rest = 0;
    } else if (rest == 0) {
        tries = atomic_load_explicit(&mine->x_tries, memory_order_relaxed); /* relaxed: hint */
        if (tries == 0) {
            every = atomic_load_explicit(&mine->x_every, memory_order_relaxed); /* relaxed: hint */
            every = every == 0 ? TRY_EVERY : every < TRY_EVERY_MAX ? 2 * every : TRY_EVERY_MAX;
            atomic_store_explicit(&mine->x_every, every, memory_order_relaxed); /* relaxed: hint */
            tries = every;
            rest = REST_LEVELS;
        }
        tries--;
        atomic_store_explicit(&mine->x_tries, tries, memory_order_relaxed); /* relaxed: hint */
    }
    atomic_store_explicit(&mine->x_rest, rest, memory_order_relaxed); /* relaxed: hint */
    return rest;
}

uint32_t sksi_spin_stream(struct sksi_spin_hint *mine, uint64_t index, uint64_t *n)
{
    /* relaxed: hint. */
    *n = index - atomic_load_explicit(&mine->x_index, memory_order_relaxed);
    atomic_store_explicit(&mine->x_index, index, memory_order_relaxed); /* relaxed: hint */
    return rest_learn(mine, *n);
}

void sksi_spin_rest(const struct sksi_spin *s, struct sksi_spin_hint *mine, uint32_t rest,
                    uint64_t n, uint64_t capacity)
{
    /* relaxed: hint. */
    uint64_t before = atomic_load_explicit(&mine->x_at, memory_order_relaxed);
    uint64_t ticks = sksi_ticks_of(REST_NS) << (rest - 1), most;

    if (s->same_cpu || s->until == s->start)
        return;
    atomic_store_explicit(&mine->x_at, s->start, memory_order_relaxed); /* relaxed: hint */
    if (capacity < UINT32_MAX) {
        most = n ? (s->start - before) / n * (capacity / 4) : 0;
        ticks = ticks < most ? ticks : most;
    }
    for (int i = 0; i < 256 && sksi_ticks() - s->start < ticks; i++)
        sksi_pause();
}

/* Lets others run for a moment.  False when that is no good: whoever runs then has a lot to do, and
 * a sleeper that is woken comes before it. */
static bool yield(uint64_t now)
{
    uint64_t after;

    /* relaxed: hint. */
    if (now < atomic_load_explicit(&x_busy_until, memory_order_relaxed))
        return false;
    sksi_yield();
    after = sksi_ticks();
    if (after - now < sksi_ticks_of(YIELD_SOME_NS))
        return true;
    /* relaxed: hint, both. */
    atomic_store_explicit(&x_crowd_until, after + sksi_ticks_of(CROWD_NS), memory_order_relaxed);
    if (after - now >= sksi_ticks_of(YIELD_LONG_NS))
        atomic_store_explicit(&x_busy_until, after + sksi_ticks_of(BUSY_NS), memory_order_relaxed);
    return true;
}

bool sksi_spin_more(struct sksi_spin *s)
{
    uint64_t now;

    s->rounds++;
    if (s->same_cpu)
        return s->rounds <= SAME_CPU_YIELDS && yield(sksi_ticks());
    sksi_pause();
    if (s->rounds % CLOCK_EVERY)
        return true;
    now = sksi_ticks();
    if (now >= s->until || s->rounds > ROUNDS_MAX)
        return false;
    return now < s->yield_from || yield(now);
}

void sksi_spin_learn(const struct sksi_spin *s, struct sksi_spin_hint *hint, bool found)
{
    uint32_t level;

    if (s->same_cpu)
        return;
    /* relaxed: hint; two threads that learn at once may lose one lesson. */
    level = atomic_load_explicit(&hint->x_level, memory_order_relaxed);
    if (found && level == 0)
        return;
    if (found)
        level = level > LEVELS ? LEVELS - 1 : level > 0 ? level - 1 : 0;
    else
        level = level < LEVELS + PROBE ? level + 1 : LEVELS;
    atomic_store_explicit(&hint->x_level, level, memory_order_relaxed); /* relaxed: hint */
}
