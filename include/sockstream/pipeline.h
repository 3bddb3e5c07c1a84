/* SPDX-License-Identifier: MIT */
/*
 * pipeline.h - stages joined by bounded links, and a shutdown that balances.
 *
 * A pipeline is built by one thread, run by sks_pipeline_run() and may be stopped
 * from anywhere: any thread, a stage, a signal handler.  However it ends, run
 * gives a receipt that balances:
 *
 *   each link    sent = received + discarded + left
 *   each stage   in   = passed + filtered + failed + discarded + in_hand
 *
 * left and in_hand are 0 unless a stage was stuck in its own code at the deadline.
 *
 *   event                         new items   in flight        run returns
 *   every source ended            none        processed        0, DRAINED
 *   stop, or first signal         none        processed        0, DRAINED, stopped set
 *   a sink or stage has ENOUGH    refused     discarded there  0, DRAINED
 *   one item fails                go on       dead letter      0, DRAINED, failed counted
 *   a stage fails                 refused     drained below    -1, FAILED, first cause
 *   abort, or second signal       refused     discarded        -1, ABORTED
 *   deadline                      refused     discarded        -1, DEADLINE, stuck stage named
 *
 * "discarded" items go through the discard callback, each once, with a reason.
 */
#ifndef SOCKSTREAM_PIPELINE_H
#define SOCKSTREAM_PIPELINE_H

#include <sockstream/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sks_pipeline sks_pipeline;
typedef struct sks_worker sks_worker; /* one thread of a stage, during a run */

/* What a stage's function returns. */
#define SKS_OK 0     /* go on */
#define SKS_END 1    /* a source: there is no more */
#define SKS_ENOUGH 2 /* take no more input; upstream stops, downstream drains */
#define SKS_FAILED 3 /* this item failed (sks_item_fail() gives it); go on */
#define SKS_FAIL (-1) /* the stage failed: sks_stage_fail() says why, else errno */

/* Called again and again until it returns SKS_END or the run is stopping.  It
 * emits 0..n items a call. */
typedef int sks_source_fn(sks_worker *w);

/* Called with one item in; emits 0..n items out.  `item` points to the item's
 * bytes, which are the function's from now on, whatever it returns. */
typedef int sks_item_fn(sks_worker *w, void *item);

/* Called with 1..batch items in, contiguous. */
typedef int sks_batch_fn(sks_worker *w, void *items, size_t n);

/* Zero means default for every member; set `size` to sizeof(options). */
typedef struct sks_stage_options {
    size_t size;
    unsigned workers;      /* threads; default 1 */
    bool ordered;          /* a transform's outputs leave in the order of its inputs (of their
                              arrival, with several input links) */
    unsigned window;       /* ordered: items between the oldest unfinished and the newest;
                              default 8 x workers */
    size_t item_size;      /* bytes of an output item; default sizeof(void *) */
    unsigned batch;        /* sks_pipeline_batch_stage(): most items a call; default 16 */
    int64_t linger_ns;     /* and how long a part-filled batch may wait for more; default 0:
                              take what is there; SKS_NEVER: until full or END */
    unsigned item_failures_max; /* the stage fails after so many; default: no limit */
    bool worker_loss_ok;   /* go on with the workers left when one is cancelled or exits */
    /* Once per worker, on its thread, before its first and after its last item.
     * open gives sks_worker_user(), or NULL and errno: the stage fails. */
    void *(*worker_open)(sks_worker *w, void *arg);
    void (*worker_close)(void *user, void *arg);
    /* Called once on the thread of run when the run begins to stop, to wake a
     * source that is blocked in a call of its own. */
    void (*wake)(void *arg);
} sks_stage_options;

/* The caller owns it.  The name is copied.  NULL with ENOMEM. */
SKS_API sks_pipeline *sks_pipeline_new(const char *name);

/* Not during a run.  NULL is ignored. */
SKS_API void sks_pipeline_free(sks_pipeline *p);

/*
 * Adds a stage.  Names are copied, unique, of letters, digits, '_', '-', '.'.
 * A batch stage is a transform, or a sink when nothing follows it.
 * 0, or -1 with EINVAL (a name, an option), EEXIST (the name), ENOMEM, EBUSY
 * (running).  sks_pipeline_error() says it in words.
 */
SKS_API int sks_pipeline_source(sks_pipeline *p, const char *name, sks_source_fn *fn, void *arg,
                                const sks_stage_options *options);
SKS_API int sks_pipeline_stage(sks_pipeline *p, const char *name, sks_item_fn *fn, void *arg,
                               const sks_stage_options *options);
SKS_API int sks_pipeline_batch_stage(sks_pipeline *p, const char *name, sks_batch_fn *fn, void *arg,
                                     const sks_stage_options *options);
SKS_API int sks_pipeline_sink(sks_pipeline *p, const char *name, sks_item_fn *fn, void *arg,
                              const sks_stage_options *options);

/*
 * Joins two stages.  uri names the kind and its bounds:
 *     chan:?items=64&bytes=64M      (items default 64; bytes default: not bounded)
 * items is 1 or more; k, M, G are powers of 1024.  An item heavier than the whole
 * byte bound passes alone.  Without any call of this, stages are joined in the
 * order of declaration with "chan:".
 * 0, or -1 with EINVAL, ENOENT (no such stage), EEXIST, ENOMEM, EBUSY,
 * EPROTONOSUPPORT (an unknown kind).
 */
SKS_API int sks_pipeline_link(sks_pipeline *p, const char *from, const char *to, const char *uri);

/* What the last call that failed was about, in words, with the place in a URI.
 * Never NULL; valid until the next call. */
SKS_API const char *sks_pipeline_error(const sks_pipeline *p);

/* ---- callbacks: set before run ----------------------------------------- */

typedef enum sks_discard_reason {
    SKS_DISCARD_CLOSED,   /* the stage behind the link has enough, or failed */
    SKS_DISCARD_ABORTED,
    SKS_DISCARD_DEADLINE,
} sks_discard_reason;

/* Gets each item that was sent into a link and that no stage took, once.  May
 * run on any thread of the pipeline, several at once; it may not emit. */
typedef void sks_discard_fn(void *item, const char *link, sks_discard_reason reason, void *arg);
SKS_API void sks_pipeline_on_discard(sks_pipeline *p, sks_discard_fn *fn, void *arg);

/* Gets each item that a stage gave to sks_item_fail(). */
typedef void sks_dead_letter_fn(void *item, const char *stage, int code, const char *why,
                                void *arg);
SKS_API void sks_pipeline_on_dead_letter(sks_pipeline *p, sks_dead_letter_fn *fn, void *arg);

/* The weight in bytes of an item, for links with a byte bound; default: the
 * item's size.  Must give the same for the same item until it is taken. */
typedef size_t sks_weigh_fn(const void *item, void *arg);
SKS_API void sks_pipeline_on_weigh(sks_pipeline *p, sks_weigh_fn *fn, void *arg);

/* When a stage fails: abort everything, in place of draining what is below it. */
SKS_API void sks_pipeline_abort_on_failure(sks_pipeline *p, bool on);

/* During run, `signo` stops the pipeline, a second one aborts it, a third has
 * its old effect.  drain_ns bounds the drain after the first (0: no bound).  The
 * old handlers are back when run returns.  0, or -1 with EINVAL, ENOSPC (8 signals). */
SKS_API int sks_pipeline_on_signal(sks_pipeline *p, int signo, int64_t drain_ns);

/* ---- running ----------------------------------------------------------- */

typedef struct sks_receipt sks_receipt;

/*
 * Runs until every stage has ended, or until `deadline` (SKS_NEVER: no bound),
 * after which it aborts, waits a short grace (100 ms) for stages to notice, and
 * returns.  *receipt (may be NULL) is the caller's to free.  It can be run again.
 * 0 when drained; -1 with ECANCELED (aborted), ETIMEDOUT (deadline), the first
 * failure's code, EINVAL (the graph; nothing was started), ENOMEM, EAGAIN, EMFILE or
 * ENFILE (no memory, thread, signal listener or descriptor; nothing is left running),
 * EBUSY (running already, or a stage is still stuck from the last run).  A deadline
 * after an earlier failure gives DEADLINE with that failure as its cause.
 * A stage that is stuck past the deadline keeps its thread; what it uses is
 * freed when it returns.
 */
SKS_API int sks_pipeline_run(sks_pipeline *p, int64_t deadline, sks_receipt **receipt);

/* Sources end; what is in flight is processed.  Idempotent; before a run it makes
 * that run stop at once.  Any thread, a stage, a signal handler.  Never waits. */
SKS_API void sks_pipeline_stop(sks_pipeline *p);

/* Stop, and what is in flight is discarded.  code is an errno value, 0 is
 * ECANCELED.  As stop. */
SKS_API void sks_pipeline_abort(sks_pipeline *p, int code);

/* ---- for a stage's function -------------------------------------------- */

/*
 * Sends one item on, waiting while the link is full: the backpressure.  With
 * several output links it goes to the next one in turn that has room;
 * sks_emit_to() names the stage.  Returns 0, or -1 with EPIPE (nobody wants
 * more: return SKS_ENOUGH) or ECANCELED; the item has then gone to the discard
 * callback.  EINVAL: a sink, or no such output; the item stays the caller's.
 */
SKS_API int sks_emit(sks_worker *w, const void *item);
SKS_API int sks_emit_to(sks_worker *w, const char *stage, const void *item);

/* Gives an item to the dead-letter callback.  Returns SKS_FAILED, so:
 * return sks_item_fail(w, item, EIO, "bad block %d", n); */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
SKS_API int sks_item_fail(sks_worker *w, void *item, int code, const char *why, ...);

/* Says why the stage fails.  Returns SKS_FAIL. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
SKS_API int sks_stage_fail(sks_worker *w, int code, const char *why, ...);

SKS_API void *sks_worker_arg(const sks_worker *w);  /* as given with the stage */
SKS_API void *sks_worker_user(const sks_worker *w); /* from worker_open */
SKS_API unsigned sks_worker_index(const sks_worker *w);
SKS_API const char *sks_worker_stage(const sks_worker *w);
SKS_API sks_pipeline *sks_worker_pipeline(const sks_worker *w);

/* Is the run stopping?  And a descriptor that becomes readable when it is, for
 * poll(2); do not read or close it. */
SKS_API bool sks_worker_stopping(const sks_worker *w);
SKS_API int sks_worker_stop_fd(const sks_worker *w);

/* ---- receipt and snapshot ---------------------------------------------- */

typedef enum sks_outcome {
    SKS_RUNNING,
    SKS_DRAINED,
    SKS_STAGE_FAILED,
    SKS_ABORTED,
    SKS_DEADLINE,
} sks_outcome;

typedef struct sks_stage_receipt {
    const char *name;
    unsigned workers;
    uint64_t in, out; /* items taken, items emitted */
    uint64_t passed, filtered, failed, discarded, in_hand;
    int64_t busy_ns, wait_in_ns, wait_out_ns; /* summed over workers */
    int64_t stuck_ns;                         /* age of the oldest item in hand */
    uint64_t stuck_item;                      /* and its number at this stage, from 0 */
} sks_stage_receipt;

typedef struct sks_link_receipt {
    const char *name, *from, *to; /* name is "from->to" */
    uint64_t sent, received, discarded, left;
    uint64_t capacity, high_water;
    uint64_t bytes, bytes_max, bytes_high_water;
    uint64_t blocked_sends;
    int64_t blocked_send_ns, blocked_receive_ns;
} sks_link_receipt;

struct sks_receipt {
    const char *pipeline;
    sks_outcome outcome;
    bool stopped;             /* somebody asked for it */
    int64_t elapsed_ns;
    int cause;                /* errno value of the first failure or abort, 0 if none */
    const char *cause_stage;  /* "" if none */
    unsigned cause_worker;
    uint64_t cause_item;      /* the item's number at that stage, from 0 */
    const char *cause_text;   /* "" if none */
    const char *bottleneck;   /* the stage that limits, in words */
    size_t n_stages, n_links;
    const sks_stage_receipt *stages;
    const sks_link_receipt *links;
};

/* The same figures at this moment, outcome SKS_RUNNING during a run; counts never
 * go back from one to the next.  Any thread.  The caller frees it.  NULL with ENOMEM. */
SKS_API sks_receipt *sks_pipeline_snapshot(sks_pipeline *p);
SKS_API void sks_receipt_free(sks_receipt *r);

/* Does it balance?  (A question for tests: it always should.) */
SKS_API bool sks_receipt_balances(const sks_receipt *r);

/* Text for people, JSON for programs, the graph in DOT.  As snprintf: write at most
 * `size` bytes with the closing NUL and return the whole length. */
SKS_API size_t sks_receipt_text(const sks_receipt *r, char *buf, size_t size);
SKS_API size_t sks_receipt_json(const sks_receipt *r, char *buf, size_t size);
SKS_API size_t sks_pipeline_dot(sks_pipeline *p, char *buf, size_t size);

#ifdef __cplusplus
}
#endif

#endif
