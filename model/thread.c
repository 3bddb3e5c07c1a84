/* SPDX-License-Identifier: MIT */
/*
 * thread.c - the model's threads: coroutines on one thread of the system.
 *
 * A thread stops before each operation that others can see, and leaves it to the
 * search; what it does in between is nobody's business, so it needs no choice.
 * Threads of abandoned runs are not unwound: the next run begins on their stacks.
 */
#include "engine.h"
#include "ring/port.h"

#include <errno.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

struct thread threads[MAX_THREADS];
struct thread *current;
int n_threads;
bool sksi_fence_real;
const char *failure;
bool start_again;

static struct place {
    alignas(64) unsigned char stack[STACK_BYTES];
    ucontext_t context;
    jmp_buf at;
    void (*body)(void);
    int error; /* its errno */
} places[MAX_THREADS];

static jmp_buf search_at;

void failure_note(const char *what)
{
    if (!failure)
        failure = what;
}

/* Back to the search. */
static void stop(struct thread *t)
{
    places[t->id].error = errno;
    if (!_setjmp(places[t->id].at))
        _longjmp(search_at, 1);
}

static void begin(void)
{
    struct thread *t = current;

    places[t->id].body();
    t->state = THREAD_ENDED;
    _longjmp(search_at, 1);
}

_Noreturn void explore_fail(const char *what)
{
    failure_note(what);
    if (!current)
        abort();
    current->state = THREAD_ENDED;
    _longjmp(search_at, 1);
}

void thread_start(int i, void (*body)(void))
{
    struct place *p = &places[i];
    struct thread *t = &threads[i];

    t->id = i;
    t->state = THREAD_READY;
    t->op.kind = OP_NONE;
    t->clock_ns = 1000;
    p->body = body;
    getcontext(&p->context);
    p->context.uc_stack.ss_sp = p->stack;
    p->context.uc_stack.ss_size = sizeof p->stack;
    makecontext(&p->context, begin, 0);
    current = t;
    errno = 0;
    if (!_setjmp(search_at))
        setcontext(&p->context);
    current = NULL;
}

void thread_go(struct thread *t)
{
    current = t;
    errno = places[t->id].error;
    if (!_setjmp(search_at))
        _longjmp(places[t->id].at, 1);
    current = NULL;
}

enum { ALONE_MAX = 1000 };

/* Operations in a row that were no choice. */
static unsigned alone_row;

void thread_do(struct op *op)
{
    struct thread *t = current;
    bool alone = false;

    if (t->id == 0) {
        memory_do(t, op, 0);
        return;
    }
    if (op->kind >= OP_LOAD && op->kind <= OP_CAS)
        alone = private_is(t, op->address, &start_again) && op->order != memory_order_seq_cst;
    else if (op->kind == OP_WAIT)
        private_is(t, op->address, &start_again);
    /* Not for ever: a loop over such a location has to be seen, too. */
    if (alone && ++alone_row < ALONE_MAX) {
        memory_do(t, op, 0);
        return;
    }
    alone_row = 0;
    t->op = *op;
    stop(t);
    *op = t->op;
}
