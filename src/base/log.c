/* SPDX-License-Identifier: MIT */
/*
 * log.c - the gate, the sink and its replacement.
 *
 * x_gate holds two levels: no component wants more than `most`, every component
 * wants up to `least`.  One load answers nearly always; a level in between takes
 * the lock and searches the filter.
 *
 * A sink is a handler with its argument and its filter.  Who logs counts itself
 * into the sink under the lock, and calls the handler without it; who replaces a
 * sink waits until nobody is counted in the old one.  New records go to the new
 * sink, so the wait is that of the slowest handler, however much is logged.  Setters
 * take turns, so that one that returns has seen the end of every earlier handler.
 *
 * A handler that logs is not called again by its own records: they are dropped.
 * A cancelled thread is cancelled after its handler, so that it is counted out.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/log.h"

#include "plat/plat.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define THREAD_NAME 32 /* bytes, with the NUL; said in sockstream/log.h */

struct sink {
    sks_log_handler *handler;
    void *arg;
    struct sksi_log_filter *filter;
    unsigned running; /* calls of the handler; under the lock */
};

/* Lock order: turn, lock.  turn is held while its owner waits for handlers. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER; /* a sink's running became 0 */
static struct sink *current;                           /* under the lock */

/* Written under the lock. */
static _Atomic uint32_t x_gate;

#define GATE(least, most) ((uint32_t)(least) << 8 | (uint32_t)(most))
#define GATE_LEAST(gate) ((gate) >> 8)
#define GATE_MOST(gate) ((gate)&0xff)

static _Thread_local bool in_handler;
static _Thread_local char thread_name[THREAD_NAME];

/* ---- gate -------------------------------------------------------------- */

static bool level_is_one(sks_log_level level)
{
    return (unsigned)level >= SKS_LOG_ERROR && (unsigned)level <= SKS_LOG_TRACE;
}

static bool wanted_locked(sks_log_level level, const char *component)
{
    return current && level <= sksi_log_filter_level(current->filter, component);
}

bool sks_log_wanted(sks_log_level level, const char *component)
{
    /* relaxed: hint, sink_enter() looks again under the lock. */
    uint32_t gate = atomic_load_explicit(&x_gate, memory_order_relaxed);
    bool wanted;

    if ((uint32_t)level > GATE_MOST(gate) || !level_is_one(level))
        return false;
    if ((uint32_t)level <= GATE_LEAST(gate))
        return true;
    pthread_mutex_lock(&lock);
    wanted = wanted_locked(level, component ? component : "");
    pthread_mutex_unlock(&lock);
    return wanted;
}

/* ---- sink -------------------------------------------------------------- */

/* The sink that wants the record, with us counted in; or NULL. */
static struct sink *sink_enter(sks_log_level level, const char *component)
{
    struct sink *s = NULL;

    pthread_mutex_lock(&lock);
    if (wanted_locked(level, component)) {
        s = current;
        s->running++;
    }
    pthread_mutex_unlock(&lock);
    return s;
}

static void sink_leave(struct sink *s)
{
    pthread_mutex_lock(&lock);
    if (--s->running == 0)
        pthread_cond_broadcast(&idle);
    pthread_mutex_unlock(&lock);
}

/* Puts s (NULL: silence) in the place of the current sink; frees that one when the
 * last call of its handler has returned. */
static void sink_replace(struct sink *s)
{
    struct sink *old;

    pthread_mutex_lock(&turn);
    pthread_mutex_lock(&lock);
    old = current;
    current = s;
    /* relaxed: hint, as where it is read. */
    atomic_store_explicit(&x_gate, s ? GATE(s->filter->least, s->filter->most) : 0,
                          memory_order_relaxed);
    while (old && old->running > 0)
        pthread_cond_wait(&idle, &lock);
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&turn);
    if (old) {
        sksi_free(old->filter);
        sksi_free(old);
    }
}

/* ---- fork -------------------------------------------------------------- */

static void fork_prepare(void)
{
    pthread_mutex_lock(&lock);
}

static void fork_parent(void)
{
    pthread_mutex_unlock(&lock);
}

/* Of the handlers that were running only the forking thread's own still is, and no
 * setter: turn is new, since a handler may fork while a setter waits for it. */
static void fork_child(void)
{
    if (current)
        current->running = in_handler && current->running > 0;
    pthread_cond_init(&idle, NULL);
    pthread_mutex_init(&turn, NULL);
    pthread_mutex_unlock(&lock);
}

static int fork_cared; /* errno value: no child would have a lock that it can take */

static void fork_care(void)
{
    fork_cared = pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/* ---- public ------------------------------------------------------------ */

int sksi_log_set_from(sks_log_handler *handler, void *arg, const char *filter, const char *where)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sink *s = NULL;
    int cancel;

    if (in_handler) { /* it would wait for itself */
        errno = EDEADLK;
        return -1;
    }
    pthread_once(&once, fork_care);
    if (handler && fork_cared) {
        sksi_log_error_text(where, "no memory");
        errno = fork_cared;
        return -1;
    }
    if (handler) {
        struct sksi_log_filter *f = sksi_log_filter_parse(filter ? filter : "trace", where);

        if (!f)
            return -1;
        s = sksi_zalloc(sizeof *s);
        if (!s) {
            sksi_free(f);
            sksi_log_error_text(where, "no memory");
            errno = ENOMEM;
            return -1;
        }
        *s = (struct sink){.handler = handler, .arg = arg, .filter = f};
    }
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    sink_replace(s);
    pthread_setcancelstate(cancel, NULL);
    return 0;
}

int sks_log_set(sks_log_handler *handler, void *arg, const char *filter)
{
    return sksi_log_set_from(handler, arg, filter, "");
}

void sks_log_thread_name(const char *name)
{
    size_t len = name ? strnlen(name, THREAD_NAME) : 0;

    if (len == THREAD_NAME) {
        len--;
        while (len > 0 && ((unsigned char)name[len] & 0xc0) == 0x80)
            len--; /* not inside a character */
    }
    if (len > 0)
        memmove(thread_name, name, len);
    thread_name[len] = '\0';
}

/* Apart, so that a record that nobody wants needs no room on the stack. */
__attribute__((noinline)) static void record_send(struct sink *s, sks_log_level level,
                                                  const char *component, const char *format,
                                                  va_list args)
{
    struct sksi_log_text text;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    text.record = (sks_log_record){
        .time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec,
        .level = level,
        .component = component,
        .thread = thread_name,
    };
    sksi_log_record_print(&text, format, args);
    in_handler = true;
    s->handler(&text.record, s->arg);
    in_handler = false;
}

void sks_log_write(sks_log_level level, const char *component, const char *format, ...)
{
    int saved = errno, cancel;
    struct sink *s;
    va_list args;

    component = component ? component : "";
    if (in_handler || !sks_log_wanted(level, component))
        return;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    s = sink_enter(level, component);
    if (s) {
        va_start(args, format);
        record_send(s, level, component, format, args);
        va_end(args);
        sink_leave(s);
    }
    pthread_setcancelstate(cancel, NULL);
    errno = saved;
}
