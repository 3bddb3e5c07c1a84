/* SPDX-License-Identifier: MIT */
/*
 * signal.c - signals that stop a run: the only state of the process as a whole.
 *
 *   tag  where                          order    pairs   what it orders
 *   S1   handler: x_inside, x_pipeline  seq_cst  S2      either the handler finds the slot
 *   S2   give: x_pipeline, x_inside     seq_cst  S1      empty, or give waits for it
 *   R11  handler: x_inside down         seq_cst  A11     it is done with the pipeline
 *   A11  give: x_inside is 0            seq_cst  R11
 *
 * A run puts one listener a signal into a table; the handler walks the table, counts
 * the signal in each pipeline that listens to it and asks it to stop, then to abort.
 * At the third one the old disposition comes back and the signal is raised again: it
 * is delivered as soon as the handler returns.
 *
 * Runs that listen to one signal share one handler; the first installs it and the last
 * takes it back, unless somebody has put another one there meanwhile.  A child that was
 * forked during a run has no run: in it a signal has its old effect at once.
 */
#include "pipeline/internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define LISTENERS 64 /* of all runs in the process */
#define SIGNALS 65   /* numbers 1 to 64 */

static struct listener {
    _Atomic(sks_pipeline *) x_pipeline;
    _Atomic int x_signo;
} listeners[LISTENERS];

static _Atomic unsigned x_inside; /* handlers that run now */
static _Atomic int x_owner;       /* process that installed them */

/* Guards the rest, and against other runs the tables above. */
static struct sksi_lock lock;
static struct {
    unsigned users;
    struct sigaction old; /* written before the handler can run */
} installed[SIGNALS];

bool sksi_signal_valid(int signo)
{
    return signo > 0 && signo < SIGNALS && signo != SIGKILL && signo != SIGSTOP;
}

/* ---- the handler ------------------------------------------------------- */

static void old_effect(int signo)
{
    sksi_sys.sigaction(signo, &installed[signo].old, NULL);
    raise(signo);
}

static void handler(int signo)
{
    int saved = errno;
    bool third = false;

    /* relaxed: owner, stored before the handler was installed. */
    if (getpid() != atomic_load_explicit(&x_owner, memory_order_relaxed)) {
        old_effect(signo);
        errno = saved;
        return;
    }
    atomic_fetch_add_explicit(&x_inside, 1, memory_order_seq_cst); /* [S1] */
    for (size_t i = 0; i < LISTENERS; i++) {
        sks_pipeline *p;
        unsigned nth;

        /* [S1] */
        p = atomic_load_explicit(&listeners[i].x_pipeline, memory_order_seq_cst);
        /* relaxed: stored before [S2]. */
        if (!p || atomic_load_explicit(&listeners[i].x_signo, memory_order_relaxed) != signo)
            continue;
        /* relaxed: count. */
        nth = atomic_fetch_add_explicit(&p->x_signals, 1, memory_order_relaxed);
        sksi_pipeline_signal(p, signo, nth);
        third = third || nth >= 2;
    }
    atomic_fetch_sub_explicit(&x_inside, 1, memory_order_seq_cst); /* [R11] */
    if (third)
        old_effect(signo);
    errno = saved;
}

/* ---- taking and giving back -------------------------------------------- */

static int install_locked(int signo)
{
    struct sigaction act;

    if (installed[signo].users == 0) {
        memset(&act, 0, sizeof act);
        act.sa_handler = handler;
        act.sa_flags = SA_RESTART; /* a stage's own calls are not disturbed */
        sigemptyset(&act.sa_mask);
        if (sksi_sys.sigaction(signo, NULL, &installed[signo].old) ||
            sksi_sys.sigaction(signo, &act, NULL))
            return -1;
    }
    installed[signo].users++;
    return 0;
}

static void restore_locked(int signo)
{
    struct sigaction now;

    if (--installed[signo].users)
        return;
    if (sksi_sys.sigaction(signo, NULL, &now) == 0 && now.sa_handler == handler)
        sksi_sys.sigaction(signo, &installed[signo].old, NULL);
}

static void forget_locked(sks_pipeline *p)
{
    for (size_t i = 0; i < LISTENERS; i++) {
        struct listener *l = &listeners[i];

        /* relaxed: owner, under the lock. */
        if (atomic_load_explicit(&l->x_pipeline, memory_order_relaxed) != p)
            continue;
        /* The handler goes first: then a signal is counted, or has its old effect.
         * relaxed: owner. */
        restore_locked(atomic_load_explicit(&l->x_signo, memory_order_relaxed));
        atomic_store_explicit(&l->x_pipeline, NULL, memory_order_seq_cst); /* [S2] */
    }
}

static int listen_locked(sks_pipeline *p, int signo)
{
    struct listener *l = listeners;

    /* relaxed: owner, under the lock. */
    while (l < listeners + LISTENERS && atomic_load_explicit(&l->x_pipeline, memory_order_relaxed))
        l++;
    if (l == listeners + LISTENERS) {
        errno = EAGAIN;
        return -1;
    }
    atomic_store_explicit(&x_owner, (int)getpid(), memory_order_relaxed); /* relaxed: owner */
    atomic_store_explicit(&l->x_signo, signo, memory_order_relaxed);      /* relaxed: owner */
    atomic_store_explicit(&l->x_pipeline, p, memory_order_seq_cst);       /* [S2] */
    if (install_locked(signo) == 0)
        return 0;
    atomic_store_explicit(&l->x_pipeline, NULL, memory_order_seq_cst); /* [S2] */
    return -1;
}

/* Waits for the handlers that may still look at a pipeline: they never wait. */
static void settle(void)
{
    while (atomic_load_explicit(&x_inside, memory_order_seq_cst)) /* [S2] [A11] */
        sksi_yield();
}

int sksi_signals_take(sks_pipeline *p)
{
    int code = 0;

    /* relaxed: owner, no handler knows p yet. */
    atomic_store_explicit(&p->x_signals, 0, memory_order_relaxed);
    atomic_store_explicit(&p->x_signo, 0, memory_order_relaxed); /* relaxed: owner */
    sksi_lock_take(&lock);
    for (size_t i = 0; i < p->n_signals && code == 0; i++) {
        if (listen_locked(p, p->signals[i].signo))
            code = errno;
    }
    if (code)
        forget_locked(p);
    sksi_lock_drop(&lock);
    if (code == 0)
        return 0;
    settle();
    errno = code;
    return -1;
}

void sksi_signals_give(sks_pipeline *p)
{
    if (p->n_signals == 0)
        return;
    sksi_lock_take(&lock);
    forget_locked(p);
    sksi_lock_drop(&lock);
    settle();
}
