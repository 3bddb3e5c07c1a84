/* SPDX-License-Identifier: MIT */
/*
 * sweep.c - the table with faults in it, and the passes over n.
 *
 * All kinds that a pass sweeps share one count of calls.  With several threads the n-th
 * call is another one from run to run; over all n each one is met.
 *
 * SIGACTION  A signal number is refused or not.  One that was accepted can be given back:
 * so only calls for a signal that is not installed fail.
 */
#include "fault/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <linux/futex.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plat/plat.h"

#define KINDS 6
#define N_MAX 2000     /* more calls than any scene makes */
#define N_MAX_FUTEX 40 /* how often a thread sleeps is not the same in each run */
#define RANDOM_ROUNDS 16
#define HANG_S 6
#define TASKS_GONE_NS 2000000000LL
#define SIGNALS 65

enum pass { CLEAN, ONE, FROM, RANDOM };

static const char *const pass_names[] = {"nothing fails", "the n-th call fails",
                                         "all from the n-th on fail", "one in eight fails"};
static const char *const kind_names[] = {"memory",    "thread", "eventfd",
                                         "sigaction", "write",  "futex"};
static const int kind_codes[] = {ENOMEM, EAGAIN, EMFILE, EINVAL, EIO, 0};

static struct sksi_sys real;

/* This run. */
static struct scene scene;
static enum pass pass;
static unsigned kinds;
static uint64_t n, seed;
static _Atomic int forced;
static _Atomic uint64_t calls;
static _Atomic bool by_pass; /* a call has failed that was not forced to */
static _Atomic uint64_t met[KINDS];
static _Atomic long live; /* pieces of memory */
static _Atomic bool installed[SIGNALS];
static char where[256]; /* for the watchdog */

/* All runs of this program. */
static uint64_t runs, total[KINDS];

/* ---- where we are ------------------------------------------------------ */

static void where_print(void)
{
    int len = snprintf(where, sizeof where, "scene \"%s\", ", scene.name);

    for (int k = 0; k < KINDS; k++) {
        if (kinds & 1u << k)
            len += snprintf(where + len, sizeof where - (size_t)len, "%s ", kind_names[k]);
    }
    snprintf(where + len, sizeof where - (size_t)len, "- %s, n = %llu, seed = %llu\n",
             pass_names[pass], (unsigned long long)n, (unsigned long long)seed);
}

void sweep_die(const char *file, int line, const char *format, ...)
{
    va_list ap;

    flockfile(stdout);
    printf("%s:%d: ", file, line);
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    printf("\n%s", where);
    for (int k = 0; k < KINDS; k++)
        printf("  %s: %llu failed\n", kind_names[k], (unsigned long long)met[k]);
    fflush(stdout);
    abort();
}

static void on_alarm(int signo)
{
    static const char hang[] = "hang: ";

    (void)signo;
    if (write(STDOUT_FILENO, hang, sizeof hang - 1) < 0 ||
        write(STDOUT_FILENO, where, strlen(where)) < 0)
        _exit(2);
    abort();
}

/* ---- the table --------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u; /* splitmix64, Vigna 2015 */
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Does this call fail?  k is the place of its kind. */
static bool unlucky(int k)
{
    uint64_t call;
    bool hit;

    if (forced == SWEEP_NONE || !(kinds & 1u << k))
        return false;
    call = atomic_fetch_add(&calls, 1) + 1;
    hit = forced == SWEEP_ALL || (pass == ONE && call == n) || (pass == FROM && call >= n) ||
          (pass == RANDOM && mix(seed + call) % 8 == 0);
    if (hit)
        atomic_fetch_add(&met[k], 1);
    if (hit && forced == SWEEP_NORMAL)
        by_pass = true;
    return hit;
}

static int poor_memalign(void **memory, size_t align, size_t size)
{
    int code = unlucky(0) ? ENOMEM : real.posix_memalign(memory, align, size);

    if (code == 0) {
        memset(*memory, 0xa5, size);
        atomic_fetch_add(&live, 1);
    }
    return code;
}

static void poor_free(void *memory)
{
    if (memory) {
        memset(memory, 0x5a, malloc_usable_size(memory));
        atomic_fetch_sub(&live, 1);
    }
    real.free(memory);
}

static int poor_thread(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
    return unlucky(1) ? EAGAIN : real.thread_create(t, a, fn, arg);
}

static int poor_eventfd(unsigned value, int flags)
{
    if (!unlucky(2))
        return real.eventfd(value, flags);
    errno = EMFILE;
    return -1;
}

static int poor_sigaction(int signo, const struct sigaction *act, struct sigaction *old)
{
    int r;

    if (!installed[signo] && unlucky(3)) {
        errno = EINVAL;
        return -1;
    }
    r = real.sigaction(signo, act, old);
    if (r == 0 && act)
        installed[signo] = !installed[signo];
    return r;
}

static ssize_t poor_write(int fd, const void *bytes, size_t size)
{
    if (!unlucky(4))
        return real.write(fd, bytes, size);
    errno = EIO;
    return -1;
}

static bool late(const struct timespec *until)
{
    return until && sksi_clock_ns() >= until->tv_sec * 1000000000LL + until->tv_nsec;
}

static long poor_futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *until)
{
    if ((op & FUTEX_CMD_MASK) == FUTEX_WAKE || !unlucky(5))
        return real.futex(word, op, value, until);
    sched_yield();
    errno = late(until) ? ETIMEDOUT : EINTR;
    return -1;
}

void sweep_force(enum sweep_force how)
{
    forced = (int)how;
}

bool sweep_met(unsigned which)
{
    for (int k = 0; k < KINDS; k++) {
        if (which & 1u << k && met[k])
            return true;
    }
    return false;
}

/* ---- attempts ---------------------------------------------------------- */

static _Thread_local uint64_t memory_before;

bool attempt_met_memory(void)
{
    return met[0] > memory_before;
}

struct attempt attempt_begin(void)
{
    struct attempt a;

    for (int k = 0; k < KINDS; k++)
        a.met[k] = met[k];
    memory_before = a.met[0];
    /* Not the code that a failure of this kind gives. */
    errno = kinds & FAULT_MEMORY ? EMFILE : ENOMEM;
    return a;
}

bool attempt_end(const struct scene *s, const struct attempt *a, bool good, bool last,
                 const char *call, const char *file, int line)
{
    int code = errno;

    if (good)
        return true;
    for (int k = 0; k < KINDS; k++) {
        if (met[k] > a->met[k] && kind_codes[k] == code) {
            if (last && s->once && forced != SWEEP_ALL)
                sweep_die(file, line, "%s: failed again, with one fault only", call);
            return false;
        }
    }
    sweep_die(file, line, "%s: failed with %s, and no call has failed so", call, strerror(code));
}

/* ---- one run ----------------------------------------------------------- */

struct state {
    long memory;
    size_t fds, tasks;
    sigset_t mask;
    struct sigaction signals[SIGNALS];
};

static size_t entries(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;

    if (!dir)
        SWEEP_DIE("%s: %s", path, strerror(errno));
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void state_look(struct state *st)
{
    memset(st, 0, sizeof *st);
    st->memory = live;
    st->fds = entries("/proc/self/fd");
    st->tasks = entries("/proc/self/task");
    pthread_sigmask(SIG_SETMASK, NULL, &st->mask);
    for (int signo = 1; signo < SIGNALS; signo++)
        sigaction(signo, NULL, &st->signals[signo]);
}

static void state_compare(const struct state *before)
{
    int64_t give_up = sksi_clock_ns() + TASKS_GONE_NS;
    struct state after;

    state_look(&after);
    /* A joined thread may be seen a moment longer. */
    while (after.tasks > before->tasks && sksi_clock_ns() < give_up) {
        sched_yield();
        after.tasks = entries("/proc/self/task");
    }
    if (after.memory != before->memory)
        SWEEP_DIE("%ld pieces of memory leaked", after.memory - before->memory);
    if (after.fds != before->fds)
        SWEEP_DIE("%zu descriptors at the start, %zu at the end", before->fds, after.fds);
    if (after.tasks != before->tasks)
        SWEEP_DIE("%zu threads at the start, %zu at the end", before->tasks, after.tasks);
    for (int signo = 1; signo < SIGNALS; signo++) {
        if (sigismember(&before->mask, signo) != sigismember(&after.mask, signo))
            SWEEP_DIE("signal %d: the mask is another one", signo);
        if (before->signals[signo].sa_handler != after.signals[signo].sa_handler)
            SWEEP_DIE("signal %d: the disposition is another one", signo);
    }
}

/* True when a call has failed. */
static bool run(scene_fn *fn, enum pass how, unsigned which, uint64_t nth)
{
    struct state before;

    pass = how;
    kinds = which;
    n = nth;
    forced = SWEEP_NORMAL;
    calls = 0;
    by_pass = false;
    for (int k = 0; k < KINDS; k++)
        met[k] = 0;
    memset((void *)installed, 0, sizeof installed);
    scene.clean = how == CLEAN;
    scene.once = how == ONE;
    where_print();
    state_look(&before);
    alarm((unsigned)(HANG_S * sks_test_patience()) + 1);
    fn(&scene);
    alarm(0);
    kinds = 0;
    state_compare(&before);
    runs++;
    for (int k = 0; k < KINDS; k++)
        total[k] += met[k];
    return by_pass;
}

/* ---- all runs ---------------------------------------------------------- */

static void each_n(scene_fn *fn, enum pass how, unsigned which)
{
    uint64_t most = which & FAULT_FUTEX ? N_MAX_FUTEX : N_MAX;
    uint64_t nth = 1;

    while (run(fn, how, which, nth) && nth < most)
        nth++;
    if (nth == N_MAX)
        SWEEP_DIE("there is no end of calls");
}

static void random_rounds(scene_fn *fn, unsigned which)
{
    const char *text = getenv("SKS_FAULT_SEED");

    seed = text ? strtoull(text, NULL, 10) : (uint64_t)sksi_clock_ns() % 1000000 * 1000;
    printf("  seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < RANDOM_ROUNDS; round++, seed += 1000000007)
        run(fn, RANDOM, which, 0);
    seed = 0;
}

void sweep(const char *name, scene_fn *fn, const void *arg, unsigned which)
{
    unsigned failing = which & ~(unsigned)FAULT_FUTEX;

    memset(total, 0, sizeof total);
    runs = 0;
    signal(SIGALRM, on_alarm);
    scene = (struct scene){.name = name, .arg = arg};
    real = sksi_sys;
    sksi_sys = (struct sksi_sys){
        .posix_memalign = poor_memalign,
        .free = poor_free,
        .thread_create = poor_thread,
        .eventfd = poor_eventfd,
        .sigaction = poor_sigaction,
        .write = poor_write,
        .futex = poor_futex,
    };
    run(fn, CLEAN, which, 0);
    for (int k = 0; k < KINDS; k++) {
        if (which & 1u << k) {
            each_n(fn, ONE, 1u << k);
            each_n(fn, FROM, 1u << k);
        }
    }
    if (failing & (failing - 1)) { /* more than one kind */
        each_n(fn, ONE, failing);
        each_n(fn, FROM, failing);
    }
    random_rounds(fn, which);
    sksi_sys = real;
    signal(SIGALRM, SIG_DFL);
    printf("swept %s: %llu runs, failed calls:", name, (unsigned long long)runs);
    for (int k = 0; k < KINDS; k++) {
        if (which & 1u << k)
            printf(" %s %llu", kind_names[k], (unsigned long long)total[k]);
    }
    printf("\n");
}
