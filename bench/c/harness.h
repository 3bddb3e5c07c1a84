/* SPDX-License-Identifier: MIT */
/*
 * harness.h - what every C and C++ peer program shares: the command line, CPU
 * places, the clock and the measuring window.
 *
 *   peer WORKLOAD [key=value...]     prints "value unit [key=value...]"
 *
 * A value that could not be verified is never printed: die() ends the program
 * with status 1 and a line on stderr.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LINE_APART __attribute__((aligned(128)))
#define WARM_UP_NS 20000000

/* The value of the item that tells a peer without a close "that was all". */
#define END_MARK UINT64_MAX

enum place {
    PLACE_FREE,
    PLACE_PIN, /* senders on the first CPU, receivers on the second */
    PLACE_ONE, /* the process was started with one CPU: nothing to do */
};

struct conf {
    const char *workload;
    const char *api; /* "one", "many" or "inplace" */
    enum place place;
    double secs;
    unsigned size, cap, senders, receivers, batch, gap_us, dirs, pairs, workers, steps;
};

/* One per thread that counts; written by it, read by the window. */
struct counter {
    uint64_t n;
} LINE_APART;

/* Round trips, in groups.  Filled by one thread. */
struct trips {
    size_t n, max;
    uint32_t *ns; /* of one trip, mean over a group */
};

void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

struct conf conf_parse(int argc, char **argv);
bool conf_is(const struct conf *c, const char *workload);

int64_t now_ns(void);
void spin_until(int64_t deadline);

/* Puts the calling thread where the place says; role 0 sends, 1 receives. */
void place_thread(const struct conf *c, int role);

pthread_t thread_start(void *(*fn)(void *), void *arg);
void thread_join(pthread_t thread);

/* Waits the warm-up, then secs; returns the counted per second and sets *stop. */
double window_rate(const struct conf *c, const struct counter *counters, size_t n, bool *stop);

void trips_init(struct trips *t, size_t max);
void trips_add(struct trips *t, int64_t ns);
void trips_print(struct trips *t, double mean, double sleeps);

/* Voluntary context switches of the calling thread, or of the others. */
long thread_sleeps(void);
long others_sleeps(void);

/* CPU time of all threads but the calling one. */
double others_ns(void);

/* What the others use while the calling thread sleeps for a window; prints it. */
void idle_print(const struct conf *c);

/* What the process holds now: resident bytes, and all kernel slabs of the machine. */
double resident_bytes(void);
double slab_bytes(void);

static inline bool stop_get(const bool *stop)
{
    return __atomic_load_n(stop, __ATOMIC_RELAXED);
}

static inline void counter_add(struct counter *c, uint64_t n)
{
    __atomic_store_n(&c->n, c->n + n, __ATOMIC_RELAXED);
}

static inline void cpu_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* The work of an item: each step waits for the one before.  As many everywhere, so it is
 * CPU time, not time on the clock, which would also pass while a thread has no CPU. */
static inline void work_on(uint64_t v, unsigned steps)
{
    for (; steps > 0; steps--)
        v = (v ^ v >> 29) * 0x9e3779b97f4a7c15;
    __asm__ volatile("" : : "r"(v));
}

/* How spinning peers wait: pause, and give the CPU away every 64 pauses, or at
 * once where there is one CPU only. */
void spin_wait(unsigned *round);
void spin_one_cpu(bool on);

#ifdef __cplusplus
}
#endif

#endif
