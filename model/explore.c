/* SPDX-License-Identifier: MIT */
/*
 * explore.c - runs the models of one program, each with both kinds of fences.
 *
 *   PROGRAM [--only TEXT] [--max N] [--bound N] [--quiet] [--stop] [--naive]
 *   PROGRAM --replay MODEL MODE PATH
 *
 * --bound N explores N preemptions at most, 0: all of them, whatever the model says.
 * --stop ends at the first failure, and looks for it further than a whole run may take.
 * What a failure prints can be run again alone: --replay says the operations of that
 * one run.  --max stops a model after so many runs; it says so, and counts as skipped.
 */
#include "engine.h"
#include "ring/port.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
    const char *only;
    uint64_t max;
    unsigned bound;
    bool quiet, stop; /* stop at the first failure */
} options = {.max = UINT64_MAX, .bound = UINT_MAX};

static unsigned passed, failed, skipped;

static double seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static const char *mode_name(void)
{
    return sksi_fence_real ? "real" : "asym";
}

static void report_failure(const struct model *m)
{
    printf("FAILED %s [%s]: %s\n", m->name, mode_name(), failure);
    trace_print();
    printf("  again: --replay '%s' %s ", m->name, mode_name());
    search_print_path();
}

static void run_model(const struct model *given)
{
    struct model copy = *given, *m = &copy;
    double start = seconds();
    struct count count;
    bool good;

    if (options.bound != UINT_MAX)
        copy.preemptions = options.bound;
    else if (options.stop && given->preemptions_to_stop)
        copy.preemptions = given->preemptions_to_stop;
    good = search_all(m, options.max, &count);
    if (m->breaks) {
        bool found = !good && strstr(failure, m->breaks);

        passed += found;
        failed += !found;
        if (!found && good)
            printf("FAILED %s [%s]: %s was not found\n", m->name, mode_name(), m->breaks);
        else if (!found)
            report_failure(m);
    } else if (!good) {
        failed++;
        report_failure(m);
    } else if (count.runs + count.cut >= options.max) {
        skipped++;
    } else {
        passed++;
    }
    if (options.quiet)
        return;
    printf("%-32s %s %9llu runs, %9llu cut, %4d steps, %6.2f s", m->name, mode_name(),
           (unsigned long long)count.runs, (unsigned long long)count.cut, count.steps,
           seconds() - start);
    if (m->breaks)
        printf("; must break");
    if (m->preemptions)
        printf("; at most %u preemptions", m->preemptions);
    if (good && count.runs + count.cut >= options.max)
        printf("; stopped: not exhaustive");
    printf("\n");
    fflush(stdout);
}

static int replay(const struct model *models, size_t n, char **args)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(models[i].name, args[0]))
            continue;
        sksi_fence_real = !strcmp(args[1], "real");
        search_replay(&models[i], args[2]);
        printf("%s [%s]: %s\n", models[i].name, mode_name(), failure ? failure : "nothing wrong");
        trace_print();
        return failure != NULL;
    }
    printf("there is no model %s\n", args[0]);
    return 2;
}

static int parse(int argc, char **argv, const struct model *models, size_t n)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--quiet")) {
            options.quiet = true;
        } else if (!strcmp(argv[i], "--stop")) {
            options.stop = true;
        } else if (!strcmp(argv[i], "--naive")) {
            explore_naive = true;
        } else if (!strcmp(argv[i], "--only") && i + 1 < argc) {
            options.only = argv[++i];
        } else if (!strcmp(argv[i], "--max") && i + 1 < argc) {
            options.max = strtoull(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--bound") && i + 1 < argc) {
            options.bound = (unsigned)strtoul(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--replay") && i + 3 < argc) {
            return replay(models, n, argv + i + 1);
        } else {
            printf("%s: see the top of model/explore.c\n", argv[i]);
            return 2;
        }
    }
    return -1;
}

int explore_main(int argc, char **argv, const char *suite, const struct model *models, size_t n)
{
    int status = parse(argc, argv, models, n);

    if (status >= 0)
        return status;
    for (size_t i = 0; i < n; i++) {
        if (options.only && !strstr(models[i].name, options.only))
            continue;
        for (int real = 1; real >= 0; real--) {
            if (models[i].mode == (real ? EXPLORE_ASYM : EXPLORE_REAL) || (options.stop && failed))
                continue;
            sksi_fence_real = real;
            run_model(&models[i]);
        }
    }
    printf("%s: %u passed, %u failed, %u skipped\n", suite, passed, failed, skipped);
    return failed > 0;
}
