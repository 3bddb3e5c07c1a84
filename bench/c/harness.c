/* SPDX-License-Identifier: MIT */
/*
 * harness.c - see harness.h.
 */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static bool one_cpu;
static cpu_set_t allowed; /* CPUs of the process when it started */

void die(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    _exit(1);
}

/* ---- command line ------------------------------------------------------ */

static enum place place_parse(const char *s)
{
    if (strcmp(s, "free") == 0)
        return PLACE_FREE;
    if (strcmp(s, "pin") == 0)
        return PLACE_PIN;
    if (strcmp(s, "one") == 0)
        return PLACE_ONE;
    die("place=%s: must be pin, free or one", s);
}

static bool key_is(const char *arg, const char *key, const char **value)
{
    size_t n = strlen(key);

    if (strncmp(arg, key, n) != 0 || arg[n] != '=')
        return false;
    *value = arg + n + 1;
    return true;
}

static bool number_key(struct conf *c, const char *arg)
{
    struct {
        const char *key;
        unsigned *to;
    } keys[] = {
        {"size", &c->size},   {"cap", &c->cap},     {"senders", &c->senders},
        {"batch", &c->batch}, {"gap", &c->gap_us},  {"receivers", &c->receivers},
        {"dirs", &c->dirs},   {"pairs", &c->pairs}, {"workers", &c->workers},
        {"steps", &c->steps},
    };
    const char *v;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (key_is(arg, keys[i].key, &v)) {
            *keys[i].to = (unsigned)strtoul(v, NULL, 10);
            return true;
        }
    }
    return false;
}

struct conf conf_parse(int argc, char **argv)
{
    struct conf c = {
        .api = "one",
        .place = PLACE_FREE,
        .secs = 0.15,
        .size = 8,
        .cap = 1024,
        .senders = 1,
        .receivers = 1,
        .batch = 64,
        .gap_us = 50,
        .dirs = 1,
        .pairs = 20000,
        .workers = 1,
    };
    const char *v;

    if (argc < 2)
        die("usage: %s WORKLOAD [key=value...]", program_invocation_short_name);
    c.workload = argv[1];
    for (int i = 2; i < argc; i++) {
        if (key_is(argv[i], "place", &v))
            c.place = place_parse(v);
        else if (key_is(argv[i], "secs", &v))
            c.secs = strtod(v, NULL);
        else if (key_is(argv[i], "api", &v))
            c.api = v;
        else if (!number_key(&c, argv[i]))
            die("%s: unknown key", argv[i]);
    }
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        die("sched_getaffinity: %s", strerror(errno));
    spin_one_cpu(c.place == PLACE_ONE);
    alarm((unsigned)c.secs + 20);
    return c;
}

bool conf_is(const struct conf *c, const char *workload)
{
    return strcmp(c->workload, workload) == 0;
}

/* ---- time, places, threads --------------------------------------------- */

int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

void spin_until(int64_t deadline)
{
    while (now_ns() < deadline)
        cpu_pause();
}

static void sleep_ns(int64_t ns)
{
    struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

    nanosleep(&ts, NULL);
}

void place_thread(const struct conf *c, int role)
{
    cpu_set_t one;
    int left = role;

    if (c->place != PLACE_PIN)
        return;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || left-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (sched_setaffinity(0, sizeof(one), &one) != 0)
            die("sched_setaffinity: %s", strerror(errno));
        return;
    }
    die("place=pin needs two CPUs");
}

pthread_t thread_start(void *(*fn)(void *), void *arg)
{
    pthread_t t;
    int rc = pthread_create(&t, NULL, fn, arg);

    if (rc != 0)
        die("pthread_create: %s", strerror(rc));
    return t;
}

void thread_join(pthread_t thread)
{
    pthread_join(thread, NULL);
}

void spin_one_cpu(bool on)
{
    one_cpu = on;
}

void spin_wait(unsigned *round)
{
    if (one_cpu || (++*round & 63) == 0)
        sched_yield();
    else
        cpu_pause();
}

/* ---- measuring --------------------------------------------------------- */

static uint64_t counted(const struct counter *counters, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += __atomic_load_n(&counters[i].n, __ATOMIC_RELAXED);
    return sum;
}

double window_rate(const struct conf *c, const struct counter *counters, size_t n, bool *stop)
{
    int64_t t0, t1;
    uint64_t n0, n1;

    sleep_ns(WARM_UP_NS);
    t0 = now_ns();
    n0 = counted(counters, n);
    sleep_ns((int64_t)(c->secs * 1e9));
    t1 = now_ns();
    n1 = counted(counters, n);
    __atomic_store_n(stop, true, __ATOMIC_RELAXED);
    return (double)(n1 - n0) * 1e9 / (double)(t1 - t0);
}

void trips_init(struct trips *t, size_t max)
{
    t->n = 0;
    t->max = max;
    t->ns = (uint32_t *)malloc(max * sizeof(*t->ns));
    if (t->ns == NULL)
        die("no memory");
}

void trips_add(struct trips *t, int64_t ns)
{
    if (t->n < t->max)
        t->ns[t->n++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

void trips_print(struct trips *t, double mean, double sleeps)
{
    if (t->n == 0)
        die("not one round trip in the window");
    qsort(t->ns, t->n, sizeof(*t->ns), by_value);
    printf("%u ns mean=%.4g p99=%u sleeps=%.3g n=%zu\n", t->ns[t->n / 2], mean,
           t->ns[t->n * 99 / 100], sleeps, t->n);
    free(t->ns);
}

long thread_sleeps(void)
{
    struct rusage ru;

    getrusage(RUSAGE_THREAD, &ru);
    return ru.ru_nvcsw;
}

long others_sleeps(void)
{
    struct rusage ru;

    getrusage(RUSAGE_SELF, &ru);
    return ru.ru_nvcsw - thread_sleeps();
}

/* The CPU clock of a thread of this process, as <linux/posix-timers.h> has it. */
static double thread_ns(long tid)
{
    struct timespec t;

    if (clock_gettime((clockid_t)(~(unsigned)tid << 3 | 6), &t) != 0)
        die("no clock of thread %ld", tid);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double others_ns(void)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *task;
    double ns = 0;

    if (tasks == NULL)
        die("/proc/self/task: cannot read");
    while ((task = readdir(tasks)) != NULL) {
        long tid = strtol(task->d_name, NULL, 10);

        if (tid > 0 && tid != gettid())
            ns += thread_ns(tid);
    }
    closedir(tasks);
    return ns;
}

void idle_print(const struct conf *c)
{
    int64_t t0;
    double ns;
    long sleeps;

    sleep_ns(200000000); /* until they have gone to sleep */
    sleeps = others_sleeps();
    ns = others_ns();
    t0 = now_ns();
    sleep_ns((int64_t)(c->secs * 1e9));
    ns = others_ns() - ns;
    sleeps = others_sleeps() - sleeps;
    printf("%.6g ns/s sleeps=%ld\n", ns * 1e9 / (double)(now_ns() - t0), sleeps);
}

double resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long size, resident = 0;

    if (f == NULL || fscanf(f, "%lu %lu", &size, &resident) != 2)
        die("/proc/self/statm: cannot read");
    fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

double slab_bytes(void)
{
    FILE *f = fopen("/proc/meminfo", "r");
    char line[128];
    unsigned long kb = 0;

    if (f == NULL)
        die("/proc/meminfo: cannot read");
    while (fgets(line, sizeof(line), f) != NULL && sscanf(line, "Slab: %lu kB", &kb) != 1)
        ;
    fclose(f);
    return (double)kb * 1024;
}
