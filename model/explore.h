/* SPDX-License-Identifier: MIT */
/*
 * explore.h - what a model sees of the explorer: a stateless model checker.
 *
 * A model is a few threads that use production code.  The explorer runs it again and
 * again, with every order of the threads' atomic operations and every store that a
 * load may read from, and fails it at the first broken CHECK, data race, use after
 * free, leak, lost wake-up (a deadlock) or endless loop.  docs/models.md says what is
 * explored, and what is not.
 *
 * setup runs before the threads, finish after all of them have ended; both see
 * everything.  State lives in static variables, and setup sets all of it: a run has to
 * be the same each time, but for the explorer's choices.
 */
#ifndef MODEL_EXPLORE_H
#define MODEL_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXPLORE_THREADS = 4 };

/* Which halves of the asymmetric fence (ring/port.h) a model runs with. */
enum explore_mode {
    EXPLORE_BOTH,
    EXPLORE_REAL, /* both are seq_cst fences */
    EXPLORE_ASYM, /* light is nothing, heavy is a fence of every thread */
};

struct model {
    const char *name;
    void (*setup)(void);
    void (*thread[EXPLORE_THREADS])(void); /* ended by NULL */
    void (*finish)(void);
    /* More preemptions than this are not explored; 0: no bound. */
    unsigned preemptions;
    enum explore_mode mode;
    /* Part of what must go wrong in some run; NULL: nothing may. */
    const char *breaks;
    /* As preemptions, for a search that stops at the first fault; 0: the same. */
    unsigned preemptions_to_stop;
};

/* Runs the models; what main() returns. */
int explore_main(int argc, char **argv, const char *suite, const struct model *models, size_t n);

/* Ends the run as a failure. */
_Noreturn void explore_fail(const char *what);

#define EXPLORE_STRING_(x) #x
#define EXPLORE_STRING(x) EXPLORE_STRING_(x)

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            explore_fail(__FILE__ ":" EXPLORE_STRING(__LINE__) ": " #condition);                   \
    } while (0)

#endif
