/* SPDX-License-Identifier: MIT */
/*
 * shim.c - LD_PRELOAD: calls of libc that fail, for programs as they are.
 *
 *   FAULT_CALL=read    the calls of this name fail, or of these: rename,unlink
 *   FAULT_N=3          the third one,
 *   FAULT_FROM=1       and all after it.
 *   FAULT_FD=9         a byte goes there for each that failed
 *
 * Counted are the calls of the program and its libraries, not those of libc itself; those
 * before main too, but for the loader's.  Sleeps are fifty times shorter.  glibc only: it
 * has the __libc_ names, so that no call here needs memory to find the real one.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#undef _FILE_OFFSET_BITS /* it would give open() the name open64 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define HASTE 50

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t align, size_t size);
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso);

static _Atomic unsigned long calls;

static unsigned long number(const char *name)
{
    const char *text = getenv(name);

    return text ? strtoul(text, NULL, 10) : 0;
}

/* Does this call fail?  Needs no memory; before libc has begun there is no environment. */
static bool unlucky(const char *call)
{
    const char *which = environ ? getenv("FAULT_CALL") : NULL;
    size_t len = strlen(call);
    unsigned long n, k;

    while (which && (strncmp(which, call, len) != 0 || (which[len] && which[len] != ','))) {
        which = strchr(which, ',');
        which += which != NULL;
    }
    if (!which)
        return false;
    n = number("FAULT_N");
    k = atomic_fetch_add(&calls, 1) + 1;
    if (k != n && !(k > n && number("FAULT_FROM")))
        return false;
    syscall(SYS_write, (int)number("FAULT_FD"), "x", 1UL);
    return true;
}

static int failed(int code)
{
    errno = code;
    return -1;
}

/* The function behind the one here. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* ---- memory ------------------------------------------------------------ */

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t size)
{
    return unlucky("malloc") ? no_memory() : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return unlucky("calloc") ? no_memory() : __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size)
{
    return unlucky("realloc") ? no_memory() : __libc_realloc(memory, size);
}

int posix_memalign(void **memory, size_t align, size_t size)
{
    void *m = unlucky("posix_memalign") ? NULL : __libc_memalign(align, size);

    if (!m)
        return ENOMEM;
    *memory = m;
    return 0;
}

/* ---- threads, signals, the kernel -------------------------------------- */

int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
    return unlucky("pthread_create") ? EAGAIN : REAL(pthread_create)(t, a, fn, arg);
}

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso)
{
    return unlucky("pthread_atfork") ? ENOMEM
                                     : REAL(__register_atfork)(prepare, parent, child, dso);
}

int sigaction(int signo, const struct sigaction *act, struct sigaction *old)
{
    return unlucky("sigaction") ? failed(EINVAL) : REAL(sigaction)(signo, act, old);
}

int eventfd(unsigned value, int flags)
{
    return unlucky("eventfd") ? failed(EMFILE) : REAL(eventfd)(value, flags);
}

/* futex(2) and membarrier(2).  membarrier: the first two ask whether it works; once it
 * does it cannot fail. */
long syscall(long nr, ...)
{
    static _Atomic unsigned barriers;
    long a[6];
    va_list ap;

    va_start(ap, nr);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (nr == SYS_membarrier && atomic_fetch_add(&barriers, 1) < 2 && unlucky("membarrier"))
        return failed(ENOSYS);
    return REAL(syscall)(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    struct timespec less = {.tv_sec = wanted->tv_sec / HASTE,
                            .tv_nsec = wanted->tv_sec % HASTE * (1000000000 / HASTE) +
                                       wanted->tv_nsec / HASTE};

    return REAL(nanosleep)(&less, left);
}

/* ---- files ------------------------------------------------------------- */

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list ap;

    if (flags & (O_CREAT | O_TMPFILE)) {
        va_start(ap, flags);
        mode = (mode_t)va_arg(ap, int);
        va_end(ap);
    }
    return unlucky("open") ? failed(EMFILE) : REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

ssize_t read(int fd, void *bytes, size_t n)
{
    return unlucky("read") ? failed(EIO) : REAL(read)(fd, bytes, n);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    if (unlucky("short write") && n > 1) /* no failure: the rest must follow */
        return REAL(write)(fd, bytes, n / 2);
    return unlucky("write") ? failed(ENOSPC) : REAL(write)(fd, bytes, n);
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    return unlucky("poll") ? failed(ENOMEM) : REAL(poll)(fds, n, timeout);
}

/* The descriptor is closed all the same. */
int close(int fd)
{
    int r = REAL(close)(fd);

    return unlucky("close") ? failed(EIO) : r;
}

int rename(const char *from, const char *to)
{
    return unlucky("rename") ? failed(EACCES) : REAL(rename)(from, to);
}

int unlink(const char *path)
{
    return unlucky("unlink") ? failed(EACCES) : REAL(unlink)(path);
}
