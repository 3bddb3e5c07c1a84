/* SPDX-License-Identifier: MIT */
/*
 * sweep.h - runs a scene again and again, each time with other calls of sksi_sys failing.
 *
 *     static void ring_scene(struct scene *s)
 *     {
 *         if (!TRY(s, sks_channel(8, 4, &tx, &rx) == 0))
 *             return;
 *         ...
 *     }
 *
 *     sweep("ring", ring_scene, NULL, FAULT_ALL);
 *
 * PASSES  One run with nothing failing.  Then for each kind of call, and for all kinds
 * together: only the n-th call fails, n = 1, 2, ... until a run has met no failure; and
 * every call from the n-th on.  Then some rounds in which one call in eight fails; their
 * seed is printed, SKS_FAULT_SEED sets it.
 *
 * A SCENE puts TRY around each call of the library that may fail.  TRY makes the call,
 * and once more when it failed, for a failure must leave everything as it was: when one
 * call only fails, the second try has to succeed.  A call may fail only when a call of
 * the table failed under it, and with that one's errno; errno is wrong on purpose before.
 * A scene checks itself that each item ended in one place.
 *
 * AFTER EACH RUN  the memory, the descriptors and the threads are as many as before, the
 * signals' dispositions and the mask are the same.  New memory is full of rubbish, old
 * memory is overwritten.  A run that hangs is aborted with the name of its scene and n.
 */
#ifndef SKS_TESTS_FAULT_SWEEP_H
#define SKS_TESTS_FAULT_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/harness.h"

/* Kinds of calls, as bits.  A futex does not fail: its wait ends too soon. */
enum fault {
    FAULT_MEMORY = 1,
    FAULT_THREAD = 2,
    FAULT_EVENTFD = 4,
    FAULT_SIGACTION = 8,
    FAULT_WRITE = 16,
    FAULT_FUTEX = 32,
    FAULT_ALL = 63,
};

struct scene {
    const char *name;
    const void *arg;
    bool clean; /* nothing fails in this run */
    bool once;  /* one call only fails in this run */
};

typedef void scene_fn(struct scene *s);

/* From a test, with no other thread in the library. */
void sweep(const char *name, scene_fn *fn, const void *arg, unsigned kinds);

/* Has a call of one of these kinds failed in this run? */
bool sweep_met(unsigned kinds);

/* From here to the end of the run, or until it is set again, nothing fails, or all. */
enum sweep_force { SWEEP_NORMAL, SWEEP_NONE, SWEEP_ALL };
void sweep_force(enum sweep_force how);

/* Ends the test: where we are, and what is wrong.  Any thread. */
#define SWEEP_DIE(...) sweep_die(__FILE__, __LINE__, __VA_ARGS__)
__attribute__((noreturn, format(printf, 3, 4))) void sweep_die(const char *file, int line,
                                                               const char *format, ...);

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what))                                                                               \
            SWEEP_DIE("%s", #what);                                                                \
    } while (0)

/* What had failed when a call began. */
struct attempt {
    uint64_t met[6];
};

struct attempt attempt_begin(void);
/* Has an allocation failed since the last attempt of this thread began? */
bool attempt_met_memory(void);
/* Was it good?  Dies when the failure is not one that it may have. */
bool attempt_end(const struct scene *s, const struct attempt *a, bool good, bool last,
                 const char *call, const char *file, int line);

/* Evaluates `good` up to twice; gives its last value.  Any thread. */
#define TRY(s, good)                                                                               \
    __extension__({                                                                                \
        bool good_ = false;                                                                        \
        for (int turn_ = 0; turn_ < 2 && !good_; turn_++) {                                        \
            struct attempt attempt_ = attempt_begin();                                             \
            good_ = (good);                                                                        \
            attempt_end((s), &attempt_, good_, turn_ == 1, #good, __FILE__, __LINE__);             \
        }                                                                                          \
        good_;                                                                                     \
    })

#endif
