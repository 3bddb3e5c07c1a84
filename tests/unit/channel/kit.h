/* SPDX-License-Identifier: MIT */
/*
 * kit.h - what the tests of channels share: every shape of channel, items that know
 * whether they were destroyed, every kind of call, and calls on a thread of their own.
 *
 * A JOB is one call on another thread.  job_settle() makes it likely that the call is
 * asleep; a test must come to the same result when it is not.
 */
#ifndef SKS_TESTS_CHANNEL_KIT_H
#define SKS_TESTS_CHANNEL_KIT_H

#include <sockstream/select.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/harness.h"

/* ---- items ------------------------------------------------------------- */

#define IDS 4096

struct item {
    uint64_t id, not_id, twice;
};

static _Atomic unsigned destroyed[IDS];

static inline struct item item_of(uint64_t id)
{
    return (struct item){id, ~id, 2 * id};
}

static inline bool item_is(const struct item *it, uint64_t id)
{
    return it->id == id && it->not_id == ~id && it->twice == 2 * id;
}

static inline void destroy_item(void *at, void *arg)
{
    struct item it;

    memcpy(&it, at, sizeof it);
    if (!item_is(&it, it.id) || it.id >= IDS)
        abort();
    atomic_fetch_add(&destroyed[it.id], 1);
    if (arg)
        ++*(int *)arg;
}

/* Each of the ids [from, to) went through the destructor so often. */
static inline void assert_destroyed(uint64_t from, uint64_t to, unsigned times)
{
    for (uint64_t id = from; id < to; id++)
        assert_int_equal(destroyed[id], times);
}

/* ---- shapes ------------------------------------------------------------ */

struct shape {
    const char *name;
    size_t capacity;
    bool shared; /* both sides have been dup'ed */
};

static const struct shape shapes[] = {
    {"rendezvous", 0, false},
    {"rendezvous, shared", 0, true},
    {"one", 1, false},
    {"one, shared", 1, true},
    {"eight", 8, false},
    {"eight, shared", 8, true},
    {"unbounded", SKS_UNBOUNDED, false},
    {"unbounded, shared", SKS_UNBOUNDED, true},
};

#define FOR_SHAPES(s)                                                                              \
    for (const struct shape *s = shapes;                                                           \
         s < shapes + sizeof shapes / sizeof *shapes && printf("%s\n", s->name); s++)

/* A channel with its handles; tx2 and rx2 are there when it is shared. */
struct rig {
    const struct shape *shape;
    sks_sender *tx, *tx2;
    sks_receiver *rx, *rx2;
};

static inline void rig_open(struct rig *r, const struct shape *shape)
{
    sks_channel_options o = {.size = sizeof o, .destroy = destroy_item};

    *r = (struct rig){.shape = shape};
    memset((void *)destroyed, 0, sizeof destroyed);
    assert_int_equal(sks_channel_with(sizeof(struct item), shape->capacity, &o, &r->tx, &r->rx), 0);
    if (shape->shared) {
        assert_non_null(r->tx2 = sks_sender_dup(r->tx));
        assert_non_null(r->rx2 = sks_receiver_dup(r->rx));
    }
}

static inline void rig_close_senders(struct rig *r)
{
    sks_sender_close(r->tx2);
    sks_sender_close(r->tx);
    r->tx = r->tx2 = NULL;
}

static inline void rig_close_receivers(struct rig *r)
{
    sks_receiver_close(r->rx);
    sks_receiver_close(r->rx2);
    r->rx = r->rx2 = NULL;
}

static inline void rig_close(struct rig *r)
{
    rig_close_senders(r);
    rig_close_receivers(r);
}

/* Sends the ids [from, from + n). */
static inline void rig_send(struct rig *r, uint64_t from, uint64_t n)
{
    for (uint64_t id = from; id < from + n; id++) {
        struct item it = item_of(id);

        assert_int_equal(sks_sender_try_send(r->tx, &it), 0);
    }
}

/* Fills the channel with the ids 0, 1, ...; an unbounded one gets 5.  How many. */
static inline uint64_t rig_fill(struct rig *r)
{
    uint64_t n = r->shape->capacity == SKS_UNBOUNDED ? 5 : r->shape->capacity;

    rig_send(r, 0, n);
    return n;
}

/* ---- calls ------------------------------------------------------------- */

enum op {
    SEND,
    SEND_UNTIL,
    SEND_MANY,
    RESERVE,
    SELECT_SEND,
    SELECT_SEND_TWO,
    SELECT_SEND_READY,
    RECV,
    RECV_UNTIL,
    RECV_MANY,
    PEEK,
    SELECT_RECV,
    SELECT_RECV_TWO,
    SELECT_RECV_READY,
    OPS,
};

#define FOR_SENDS(op) for (int op = SEND; op < RECV; op++)
#define FOR_RECEIVES(op) for (int op = RECV; op < OPS; op++)

struct call {
    enum op op;
    sks_sender *tx;
    sks_receiver *rx;
    int64_t deadline;
    struct item item; /* what to send, or what was received */
    ssize_t r;        /* 0 or more: it went; for a receive 0 is the end of stream */
    int error;
};

static inline ssize_t call_select(struct call *c, bool two, unsigned flags)
{
    sks_select *sel = sks_select_new();
    void *item = two ? NULL : &c->item;
    int arm = c->tx ? sks_select_send(sel, c->tx, item) : sks_select_recv(sel, c->rx, item);
    int result = -3;

    arm = sks_select_wait(sel, c->deadline, flags, &result);
    if (arm == 0 && two && result == 1)
        result = sks_select_complete(sel, &c->item);
    c->error = errno;
    sks_select_free(sel);
    return arm < 0 ? -1 : result;
}

/* Reserve and commit, or peek and consume. */
static inline ssize_t call_in_place(struct call *c)
{
    void *slots = NULL;
    ssize_t r = c->tx ? sks_sender_reserve(c->tx, 1, &slots, c->deadline)
                      : sks_receiver_peek(c->rx, 1, &slots, c->deadline);

    if (r == 1 && c->tx) {
        memcpy(slots, &c->item, sizeof c->item);
        r = sks_sender_commit(c->tx, 1);
    } else if (r == 1) {
        memcpy(&c->item, slots, sizeof c->item);
        r = sks_receiver_consume(c->rx, 1) ? -1 : 1;
    }
    c->error = errno;
    return r;
}

static inline void call_run(struct call *c)
{
    errno = 0;
    switch (c->op) {
    case SEND:
        c->r = sks_sender_send(c->tx, &c->item);
        break;
    case SEND_UNTIL:
        c->r = sks_sender_send_until(c->tx, &c->item, c->deadline);
        break;
    case SEND_MANY:
        c->r = sks_sender_send_many(c->tx, &c->item, 1, c->deadline);
        break;
    case RECV:
        c->r = sks_receiver_recv(c->rx, &c->item);
        break;
    case RECV_UNTIL:
        c->r = sks_receiver_recv_until(c->rx, &c->item, c->deadline);
        break;
    case RECV_MANY:
        c->r = sks_receiver_recv_many(c->rx, &c->item, 1, c->deadline);
        break;
    case RESERVE:
    case PEEK:
        c->r = call_in_place(c);
        return;
    case SELECT_SEND:
    case SELECT_RECV:
        c->r = call_select(c, false, 0);
        return;
    case SELECT_SEND_TWO:
    case SELECT_RECV_TWO:
        c->r = call_select(c, true, 0);
        return;
    case SELECT_SEND_READY:
    case SELECT_RECV_READY:
        c->r = call_select(c, false, SKS_SELECT_READY);
        return;
    case OPS:
        abort();
    }
    c->error = errno;
}

/* A send call on tx with this id. */
static inline struct call send_of(int op, sks_sender *tx, uint64_t id, int64_t deadline)
{
    return (struct call){.op = (enum op)op, .tx = tx, .deadline = deadline, .item = item_of(id)};
}

static inline struct call recv_of(int op, sks_receiver *rx, int64_t deadline)
{
    return (struct call){.op = (enum op)op, .rx = rx, .deadline = deadline};
}

#define assert_fails(c, code)                                                                      \
    do {                                                                                           \
        call_run(c);                                                                               \
        assert_int_equal((c)->r, -1);                                                              \
        assert_int_equal((c)->error, code);                                                        \
    } while (0)

/* ---- jobs -------------------------------------------------------------- */

struct job {
    struct call call;
    void (*run)(struct job *job); /* NULL: the call */
    void *arg;
    pthread_t thread;
    _Atomic pid_t tid;
    _Atomic bool done;
};

static inline void *job_main(void *arg)
{
    struct job *j = arg;

    atomic_store(&j->tid, gettid());
    if (j->run)
        j->run(j);
    else
        call_run(&j->call);
    atomic_store(&j->done, true);
    return NULL;
}

static inline void job_start(struct job *j)
{
    atomic_store(&j->tid, 0);
    atomic_store(&j->done, false);
    assert_int_equal(pthread_create(&j->thread, NULL, job_main, j), 0);
}

static inline char task_state(pid_t tid)
{
    char path[64], text[256], *paren;
    size_t n;
    FILE *f;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    f = fopen(path, "re");
    if (!f)
        return '?';
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    paren = strrchr(text, ')');
    return paren && paren[1] ? paren[2] : '?';
}

/* Returns when the job is done, or seems to sleep. */
static inline void job_settle(struct job *j)
{
    int asleep = 0;

    while (!atomic_load(&j->done) && asleep < 3) {
        pid_t tid = atomic_load(&j->tid);

        asleep = tid && task_state(tid) == 'S' ? asleep + 1 : 0;
        sched_yield();
    }
}

static inline void job_join(struct job *j)
{
    assert_int_equal(pthread_join(j->thread, NULL), 0);
}

/* Starts a call on a thread; on even rounds it has probably gone to sleep. */
static inline void job_call(struct job *j, struct call call, int round)
{
    *j = (struct job){.call = call};
    job_start(j);
    if (round % 2 == 0)
        job_settle(j);
}

#endif
