/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what a pipeline is made of.
 *
 *   sks_pipeline  the graph, and what outlives a run: requests, callbacks, the last run
 *   sksi_stage    a stage as declared           sksi_crew    the same during a run
 *   sksi_link     a link as declared            sksi_flow    the same during a run
 *   sks_worker    one thread of a crew
 *   sksi_inlet    the receivers and the senders that one thread at a time uses: those
 *   sksi_outlet   of a worker, or those of a whole ordered crew
 *
 * A flow is a channel; its first sender serves for aborts and statistics too, so the
 * run keeps all handles until nobody is left, and a worker that leaves says "done".
 * A crew that takes no more input aborts its flows with EPIPE: its senders see them
 * closed, and what is buffered goes to the discard callback.
 *
 * LIFE  The user and each stuck worker hold a reference to the pipeline, and it holds
 * its last run.  The last worker out of a run that is over frees its handles.
 *
 * LOCKS  intake (order.c), then a channel's, then one of p->lock and credit.lock, or that of
 * the turns (wait/turns.h); no two of these three together.  None of the three is held over a
 * callback, except that credit.lock is held over the weigh callback.
 *
 *   tag  where                            order    pairs  what it publishes
 *   R1   sksi_count                       release  A1     the counters that were raised before
 *   A1   sksi_load                        acquire  R1
 *   R2   crew_close in crew.c: x_closing  release  A2     the first cause is set
 *   A2   work.c, purge in worker.c        acquire  R2
 *   R3   run.c, note in crew.c: x_ask     release  A3     the abort's code, the first cause
 *   A3   sksi_run_aborted, run.c, work.c  acquire  R3
 *   R4   run_abort in crew.c: x_reason    release  A4     why items are discarded now
 *   A4   sksi_run_aborted                 acquire  R4
 *   R5   poke in run.c: x_event           release  A5     whatever was changed
 *   A5   coordinate in run.c              acquire  R5
 *   R6   gate_open in run.c: x_gate       release  A6     the run is complete
 *   A6   gate_pass in worker.c            acquire  R6
 *   R7   leave in worker.c: x_present     acq_rel  A7     what this worker sent
 *   A7   leave in worker.c: it is 0       acq_rel  R7
 *   R8   main in worker.c: x_ended        release  A8     the input had ended
 *   A8   leave in worker.c                acquire  R8
 *   R9   rele in run.c: x_refs            acq_rel  A9     all that was done
 *   A9   rele in run.c: it is 0           acq_rel  R9
 *
 * Key: (k) constant during a run; (p) under p->lock; (w) the worker only;
 * (c) the thread of sks_pipeline_run() only; (i) who has the inlet; (o) who has the
 * outlet; x_ any thread.
 */
#ifndef SKSI_PIPELINE_INTERNAL_H
#define SKSI_PIPELINE_INTERNAL_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include <sockstream/pipeline.h>
#include <sockstream/select.h>

#include "plat/plat.h"
#include "wait/lock.h"

#define SKSI_TEXT 160  /* bytes of a cause, cut: one line on a terminal and a half */
#define SKSI_SIGNALS 8 /* of one pipeline */
#define SKSI_WORKERS_MAX 1024
#define SKSI_GRACE_NS 100000000 /* after a deadline, for stages to notice */

enum sksi_role { SKSI_SOURCE, SKSI_STAGE, SKSI_SINK };

/* (k) A stage as declared. */
struct sksi_stage {
    struct sksi_stage *next;
    unsigned index;
    enum sksi_role role;
    bool batched;
    union {
        sks_source_fn *source;
        sks_item_fn *item;
        sks_batch_fn *batch;
    } fn;
    void *arg;
    sks_stage_options options; /* defaults filled in */
    size_t n_in, n_out;        /* counted by check.c */
    char *component;           /* "pipeline.NAME", for the log */
    char name[];
};

/* (k) A link as declared. */
struct sksi_link {
    struct sksi_link *next;
    struct sksi_stage *from, *to;
    size_t items, bytes; /* bytes SIZE_MAX: not bounded */
    char name[];         /* "from->to" */
};

/* The first failure or abort. */
struct sksi_cause {
    sks_outcome outcome; /* SKS_RUNNING: there is none */
    int code;
    unsigned worker;
    uint64_t item;
    const char *stage;
    char text[SKSI_TEXT];
};

/* Bits of x_ask. */
enum {
    SKSI_ASK_STOP = 1,   /* somebody asked */
    SKSI_ASK_ABORT = 2,  /* somebody asked; the code is x_abort_code */
    SKSI_ASK_FAILED = 4, /* a stage failed: sources stop */
    SKSI_ASK_CUT = 8,    /* as abort, but nobody asked */
};

struct sks_pipeline {
    /* (k) */
    char *name, *component;
    struct sksi_stage *stages, **stages_end;
    struct sksi_link *links, **links_end;
    size_t n_stages, n_links;
    bool implicit; /* the links are the order of declaration */
    bool abort_on_failure;
    sks_discard_fn *discard;
    sks_dead_letter_fn *dead_letter;
    sks_weigh_fn *weigh;
    void *discard_arg, *dead_letter_arg, *weigh_arg;
    struct {
        int signo;
        int64_t drain_ns;
    } signals[SKSI_SIGNALS];
    size_t n_signals;
    char error[256];

    /* The flags a source looks at before each call. */
    alignas(SKSI_CACHE_LINE) _Atomic unsigned x_ask;
    _Atomic int x_abort_code, x_signo; /* x_signo: of the first signal, 0 if none */
    _Atomic unsigned x_signals;
    _Atomic uint32_t x_event; /* counts whatever the thread of run should look at */

    alignas(SKSI_CACHE_LINE) struct sksi_lock lock;
    /* (p) */
    bool running;
    struct sksi_run *run; /* the last one */

    _Atomic unsigned x_refs;      /* the user, and stuck workers */
    _Atomic uint32_t x_callbacks; /* threads in a callback: callback.c */
    _Atomic bool x_freed;
};

/* Byte and item credit of the flows that leave one crew. */
struct sksi_credit {
    struct sksi_lock lock;
    struct sksi_cond given;
};

/* What a flow counts; final once the channel is gone. */
struct sksi_counts {
    uint64_t sent, received, discarded, capacity, high_water, blocked_sends;
    int64_t blocked_send_ns, blocked_receive_ns;
};

/* Items that one inlet took from one flow, on a line of its own. */
struct sksi_taken {
    alignas(SKSI_CACHE_LINE) _Atomic uint64_t x_n;
};

struct sksi_flow {
    /* (k) */
    const struct sksi_link *link;
    struct sksi_run *run;
    struct sksi_crew *from, *to;
    sks_sender **tx; /* one for each outlet of `from` */
    sks_receiver **rx;
    unsigned n_tx, n_rx;
    struct sksi_taken *taken;   /* by each inlet of `to`; NULL: its only flow, x_in tells */
    struct sksi_credit *credit; /* of `from`; NULL when none of its flows is bounded in bytes */
    /* Under credit->lock; x_ also read by snapshots. */
    size_t items;
    bool cut;
    _Atomic size_t x_bytes, x_bytes_high;
    /* (p) */
    bool refused;
    struct sksi_counts final;

    _Atomic uint64_t x_refused; /* items that came when nobody took any: sent and discarded */
    _Atomic uint64_t x_credit_waits;
    _Atomic int64_t x_credit_ns;
};

struct sksi_inlet {
    unsigned which; /* (k) of the crew's */
    size_t n, open; /* (k); (i) not ended */
    size_t turn;    /* (i) which is tried first */
    sks_receiver **rx;
    bool *ended;
    sks_select *select; /* n > 1 */
};

struct sksi_outlet {
    size_t n, open;
    size_t turn;
    sks_sender **tx;
    bool *closed;
    sks_select *select;
};

/* A part of what a run's workers did with their time. */
enum sksi_doing { SKSI_WAIT_IN, SKSI_BUSY, SKSI_WAIT_OUT, SKSI_GONE, SKSI_DOINGS };

/* What became of an item of a batch before its call returned. */
struct sksi_mark {
    uint16_t from; /* which input */
    bool failed;   /* it went to the dead letters */
};

struct sks_worker {
    /* (k) */
    struct sksi_crew *crew;
    struct sksi_inlet *inlet;
    struct sksi_outlet *outlet;
    pthread_t thread;
    unsigned index;
    sks_receiver *rx;       /* its only input, if it is its own and has no credit */
    sks_sender *tx;         /* the same for its output */
    unsigned char *items;   /* `batch` of them */
    struct sksi_mark *mark; /* and their marks; NULL for items one by one */

    /* (w) */
    void *user;
    bool opened, finished;
    bool unusual;     /* something of the next three happened in this call */
    bool emit_failed; /* an emit of this call did */
    bool turn;        /* order.c: all before this ticket is sent */
    bool ticketed;
    int fail_code;            /* from sks_stage_fail() in this call */
    int item_code;            /* from the last sks_item_fail() */
    uint32_t emitted, failed; /* in this call */
    uint32_t stride, stride_left;
    int32_t wait_weight, wait_every, wait_left; /* clock.c */
    int64_t waited_at;
    size_t held; /* items in `items` that have no outcome yet */
    uint64_t ticket;
    char fail_text[SKSI_TEXT];

    /* (p) */
    bool left, detached;
    int64_t seen_ns[SKSI_DOINGS]; /* by snapshots */

    /* The worker stores, anybody reads. */
    alignas(SKSI_CACHE_LINE) _Atomic uint64_t x_in;
    _Atomic uint64_t x_out, x_passed, x_filtered, x_failed, x_discarded;
    _Atomic uint64_t x_number; /* of the item in hand, n_workers > 1 */
    _Atomic int64_t x_call_since;
    _Atomic uint32_t x_seq; /* odd while the next three change */
    _Atomic uint32_t x_doing;
    _Atomic int64_t x_since;
    _Atomic int64_t x_ns[SKSI_DOINGS];
};

struct sksi_crew {
    /* (k) */
    struct sksi_stage *stage;
    struct sksi_run *run;
    struct sks_worker *workers;
    unsigned n_workers;
    bool last;    /* nothing follows: a sink */
    bool in_turn; /* ordered and several workers: one inlet and one outlet for all */
    size_t n_in, n_out, item_size; /* bytes of an item that comes in */
    struct sksi_flow **in, **out;
    struct sksi_inlet *inlets; /* one, or one for each worker */
    struct sksi_outlet *outlets;
    unsigned n_lets;
    unsigned char *items; /* of all workers */
    struct sksi_mark *marks;
    struct sksi_order *order;
    struct sksi_credit credit;
    int stop_fd;
    bool own_fd;
    bool woken; /* (c) */

    alignas(SKSI_CACHE_LINE) _Atomic bool x_closing;  /* takes no more */
    _Atomic bool x_ended;                             /* a worker saw the end */
    _Atomic unsigned x_present;                       /* workers */
    _Atomic uint64_t x_failures;                      /* items */
    alignas(SKSI_CACHE_LINE) _Atomic uint64_t x_next; /* number of the next item, n_workers > 1 */
};

struct sksi_run {
    /* (k) */
    sks_pipeline *p;
    struct sksi_crew *crews;
    struct sksi_flow *flows;
    size_t n_crews, n_flows, n_workers;
    int64_t started_ns;
    int stop_fd;

    /* (c) */
    size_t n_created;
    bool aborted, late, told;
    int64_t drain_deadline;
    struct sks_receipt *receipt; /* its memory, taken at the start */
    size_t receipt_size;

    _Atomic uint32_t x_gate;   /* 0 wait, 1 go, 2 go home */
    _Atomic uint32_t x_reason; /* sks_discard_reason; CLOSED: not aborted */

    /* (p) */
    struct sksi_cause cause;
    size_t present; /* workers that have not left */
    bool over;      /* run has returned, or is about to */
    bool closed;    /* the handles are gone, sksi_flow.final counts */
    bool stopped;
    sks_outcome outcome;
    int64_t elapsed_ns;
};

/* ---- graph.c, check.c, uri.c ------------------------------------------- */

char *sksi_join(const char *a, const char *b); /* NULL: no memory */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
int sksi_graph_error(sks_pipeline *p, int code, const char *format, ...); /* -1 and errno */
int sksi_link_add(sks_pipeline *p, struct sksi_stage *from, struct sksi_stage *to, size_t items,
                  size_t bytes);
void sksi_links_free(sks_pipeline *p);

/* Joins the stages if nobody did, and says whether it can run: 0, or -1 and errno. */
int sksi_graph_check(sks_pipeline *p);

struct sksi_bounds {
    size_t items, bytes;
};
/* 0 or an errno value, and why in words. */
int sksi_uri_parse(const char *uri, struct sksi_bounds *b, char *why, size_t why_size);

/* ---- build.c: a run's memory and handles ------------------------------- */

struct sksi_run *sksi_run_new(sks_pipeline *p);
void sksi_run_free(struct sksi_run *run);
/* Closes all handles, after which the flows' counts are final.  Nobody is left. */
void sksi_run_close(struct sksi_run *run);

/* ---- run.c ------------------------------------------------------------- */

void sksi_pipeline_rele(sks_pipeline *p);
void sksi_run_forget(sks_pipeline *p);    /* frees the last run: nobody is left of it */
void sksi_pipeline_poke(sks_pipeline *p); /* async-signal-safe */
void sksi_pipeline_signal(sks_pipeline *p, int signo, unsigned nth);

/* ---- crew.c: ends ------------------------------------------------------ */

/* The first cause stays. */
void sksi_cause_set(struct sksi_run *run, const struct sksi_cause *cause);
void sksi_crew_close(struct sksi_crew *crew);
void sksi_crew_fail(struct sks_worker *w, int code, const char *text);
void sksi_run_abort(struct sksi_run *run, sks_discard_reason reason);

/* ---- callback.c -------------------------------------------------------- */

bool sksi_callback_enter(sks_pipeline *p, int *cancel_state);
void sksi_callback_leave(sks_pipeline *p, int cancel_state);
void sksi_callbacks_end(sks_pipeline *p);
void sksi_discard(struct sksi_run *run, void *item, const char *link);
void sksi_dead_letter(struct sks_worker *w, void *item, int code, const char *why);

/* ---- flow.c ------------------------------------------------------------ */

void sksi_flow_destroy(void *item, void *flow); /* the channel's destructor */
void sksi_flow_refuse(struct sksi_flow *f, const void *item);
void sksi_flow_cut(struct sksi_flow *f, int code);
void sksi_flow_taken(struct sksi_flow *f, const void *item); /* gives its credit back */
void sksi_flow_counts(const struct sksi_flow *f, struct sksi_counts *c);
/* One of the flows that leave w's crew, `target` or any: 0, or -1 and errno. */
int sksi_credit_send(struct sks_worker *w, struct sksi_outlet *out, int target, const void *item);

/* ---- inlet.c, outlet.c ------------------------------------------------- */

int sksi_inlet_make(struct sksi_inlet *in, const struct sksi_crew *crew, unsigned which);
void sksi_inlet_fini(struct sksi_inlet *in);
/* One item into w->items + at: 1; 0 when all inputs have ended; -1 with EAGAIN,
 * ETIMEDOUT, or why the input was cut. */
int sksi_inlet_take(struct sks_worker *w, size_t at, int64_t deadline);
/* Discards what a cut input still holds. */
void sksi_inlet_purge(struct sks_worker *w);

int sksi_outlet_make(struct sksi_outlet *out, const struct sksi_crew *crew, unsigned which);
void sksi_outlet_fini(struct sksi_outlet *out);
/* target -1: any.  0, or -1 and the item was discarded. */
int sksi_outlet_send(struct sks_worker *w, int target, const void *item);
void sksi_outlet_close(struct sksi_outlet *out, size_t i);
void sksi_outlet_done(struct sksi_outlet *out);

/* ---- order.c ----------------------------------------------------------- */

struct sksi_order *sksi_order_new(const struct sksi_crew *crew);
void sksi_order_free(struct sksi_order *o);
/* Before an item is taken: 0, or -1 when the run was aborted.  leave gives what was
 * taken, if anything, its ticket. */
int sksi_order_enter(struct sks_worker *w);
void sksi_order_leave(struct sks_worker *w, bool taken);
int sksi_order_emit(struct sks_worker *w, int target, const void *item);
void sksi_order_done(struct sks_worker *w);
void sksi_order_purge(struct sks_worker *w);
void sksi_order_cut(struct sksi_crew *crew);

/* ---- worker.c, work.c, clock.c ----------------------------------------- */

void *sksi_worker_main(void *worker);
void sksi_worker_work(struct sks_worker *w);
/* The number of the item in hand at its stage. */
uint64_t sksi_item_number(const struct sks_worker *w);
/* Counts what was in hand when the thread went away. */
void sksi_worker_lost(struct sks_worker *w);

void sksi_clock_start(struct sks_worker *w);
void sksi_clock_to(struct sks_worker *w, enum sksi_doing doing);
void sksi_clock_stride(struct sks_worker *w);
/* Around a wait that may be short, and when it is not (struct sksi_told). */
void sksi_clock_wait(struct sks_worker *w, enum sksi_doing doing);
void sksi_clock_waited(struct sks_worker *w);
void sksi_clock_sleeps_in(void *worker);
void sksi_clock_sleeps_out(void *worker);
struct sksi_times {
    int64_t ns[SKSI_DOINGS];
    enum sksi_doing doing;
};
/* How w spent its time until `now`. */
void sksi_clock_read(const struct sks_worker *w, int64_t now, struct sksi_times *t);

/* ---- signal.c ---------------------------------------------------------- */

bool sksi_signal_valid(int signo);
int sksi_signals_take(sks_pipeline *p); /* 0, or -1 and errno */
void sksi_signals_give(sks_pipeline *p);

/* ---- snapshot.c, verdict.c --------------------------------------------- */

size_t sksi_receipt_size(const sks_pipeline *p);
void sksi_receipt_fill(sks_pipeline *p, struct sks_receipt *r, size_t size);
void sksi_verdict(const sks_receipt *r, char *text, size_t size);

/* Has an abort been asked for?  What it was is forgotten when the run is over. */
static inline bool sksi_abort_asked(const sks_pipeline *p)
{
    /* [A3] */
    return atomic_load_explicit(&p->x_ask, memory_order_acquire) & (SKSI_ASK_ABORT | SKSI_ASK_CUT);
}

/* Has an abort been asked for, or been carried out? */
static inline bool sksi_run_aborted(const struct sksi_run *run)
{
    return sksi_abort_asked(run->p) ||
           /* [A4] */
           atomic_load_explicit(&run->x_reason, memory_order_acquire) != SKS_DISCARD_CLOSED;
}

/* Adds to a counter that only the caller stores. */
static inline void sksi_count(_Atomic uint64_t *x, uint64_t n)
{
    /* relaxed: owner.  [R1] who sees an item's outcome sees that it was taken too. */
    uint64_t old = atomic_load_explicit(x, memory_order_relaxed);

    atomic_store_explicit(x, old + n, memory_order_release);
}

static inline uint64_t sksi_load(const _Atomic uint64_t *x)
{
    return atomic_load_explicit(x, memory_order_acquire); /* [A1] */
}

#endif
