/* SPDX-License-Identifier: MIT */
/*
 * limits.c - what this machine can do at best: memcpy (between two buffers of
 * size bytes in cache), getppid (the price of entering the kernel), and work (the
 * steps of items on `workers` threads that have nothing to do with each other; work-time:
 * of one).
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_WORKERS 16

static void use_memory(void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

static void once_memcpy(void *a, void *b, size_t n)
{
    memcpy(b, a, n);
    use_memory(b);
}

static void once_getppid(void *a, void *b, size_t n)
{
    (void)a;
    (void)b;
    (void)n;
    syscall(SYS_getppid);
}

static double per_second(const struct conf *c, void (*once)(void *, void *, size_t))
{
    char *a = malloc(c->size), *b = malloc(c->size);
    int64_t t, from, start = 0;
    uint64_t n = 0;

    if (a == NULL || b == NULL)
        die("no memory");
    memset(a, 1, c->size);
    memset(b, 2, c->size);
    from = now_ns() + WARM_UP_NS;
    do {
        for (int i = 0; i < 64; i++)
            once(a, b, c->size);
        t = now_ns();
        if (start != 0)
            n += 64;
        else if (t >= from)
            start = t;
    } while (start == 0 || t - start < (int64_t)(c->secs * 1e9));
    free(a);
    free(b);
    return (double)n * 1e9 / (double)(t - start);
}

static bool stop LINE_APART;
static unsigned steps;

static void *worker(void *arg)
{
    struct counter *count = arg;

    for (uint64_t v = 0; !stop_get(&stop); v++) {
        work_on(v, steps);
        counter_add(count, 1);
    }
    return NULL;
}

static double work_rate(const struct conf *c)
{
    static struct counter counts[MAX_WORKERS];
    pthread_t threads[MAX_WORKERS];
    double rate;

    if (c->workers > MAX_WORKERS)
        die("too many workers");
    steps = c->steps;
    for (unsigned i = 0; i < c->workers; i++)
        threads[i] = thread_start(worker, &counts[i]);
    rate = window_rate(c, counts, c->workers, &stop);
    for (unsigned i = 0; i < c->workers; i++)
        thread_join(threads[i]);
    return rate;
}

int main(int argc, char **argv)
{
    struct conf c = conf_parse(argc, argv);

    if (conf_is(&c, "work")) {
        printf("%.6g items/s\n", work_rate(&c));
        return 0;
    }
    if (conf_is(&c, "work-time")) {
        printf("%.6g ns\n", 1e9 / work_rate(&c));
        return 0;
    }
    place_thread(&c, 0);
    if (conf_is(&c, "memcpy"))
        printf("%.6g B/s\n", per_second(&c, once_memcpy) * c.size);
    else if (conf_is(&c, "getppid"))
        printf("%.6g ns\n", 1e9 / per_second(&c, once_getppid));
    else
        die("%s: no such workload", c.workload);
    return 0;
}
