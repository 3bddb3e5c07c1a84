/* SPDX-License-Identifier: MIT */
/*
 * channel.h - bounded queues of equal-sized items between threads.
 *
 * A channel has two counted sides: senders and receivers.  It starts with one
 * handle a side; sks_sender_dup() and sks_receiver_dup() add more.  A handle is
 * used by ONE THREAD AT A TIME (pass it on as you like); give each further
 * thread a dup of its own.  Abort, the queries and the statistics are the
 * exception: any thread may call them while the handle is open.
 *
 * Order is strict first in, first out per channel.  When the queue is full a
 * sender waits: that is the backpressure.  When every sender is closed the
 * receivers take what is buffered and then see end of stream, for ever.
 *
 *   event                   senders                      receivers
 *   last sender closes      -                            drain, then 0 for ever
 *   last receiver closes    EPIPE, item stays theirs     buffered items destroyed
 *   receiver refuses        EPIPE                        drain, then 0
 *   sender is done          its own sends EPIPE          as closed, once all are
 *   abort with a code       that code, at once           that code, at once;
 *                                                        buffered items destroyed
 *
 * RETURN VALUES follow the sockets: sending gives 0, receiving gives 1 for an
 * item and 0 for end of stream, a batch gives a count, failure is -1 and errno.
 *   EAGAIN     a try call, or deadline SKS_NOW, and it would have to wait
 *   ETIMEDOUT  the deadline passed
 *   EPIPE      nobody will receive (closed, refused), or this sender is done
 *   ENOMEM     no memory (making, dup, an unbounded send)
 *   EINVAL     an argument makes no sense
 *   any code   that somebody gave to an abort
 * No call is interrupted by a signal (EINTR is never seen); none is a
 * cancellation point; none is async-signal-safe unless it says so.
 *
 * WAITING: an absolute deadline in nanoseconds of CLOCK_MONOTONIC.  A waiting
 * thread spins for some microseconds (not at all where it has one CPU only),
 * then sleeps in the kernel and uses no CPU until it is woken.
 */
#ifndef SOCKSTREAM_CHANNEL_H
#define SOCKSTREAM_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h> /* SHUT_RD, SHUT_WR, SHUT_RDWR */
#include <sys/types.h>

#include <sockstream/ring.h>

#ifndef SKS_API
#define SKS_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sks_sender sks_sender;
typedef struct sks_receiver sks_receiver;
typedef struct sks_stream sks_stream;

/* Deadlines: do not wait at all; wait for ever. */
#define SKS_NOW ((int64_t)0)
#define SKS_NEVER INT64_MAX

/* Capacity of a channel that never makes a sender wait.  Asked for by name: it
 * also never slows a fast sender down, so memory is the only bound. */
#define SKS_UNBOUNDED SIZE_MAX

/* Nanoseconds of CLOCK_MONOTONIC.  Any thread; async-signal-safe. */
SKS_API int64_t sks_now(void);

/* The deadline `ns` nanoseconds from now, saturating at SKS_NEVER. */
SKS_API int64_t sks_after(int64_t ns);

/* ---- making ------------------------------------------------------------ */

/* Called once for each item that no receiver will ever get.  `item` points to
 * the item's bytes, which are gone when it returns.  Runs on the thread whose
 * call discarded the item; it may not use the same channel. */
typedef void sks_destroy_fn(void *item, void *arg);

/* Memory for everything a channel keeps.  Both are called from any thread.
 * allocate returns `size` bytes aligned to `align` (a power of two), or NULL. */
typedef struct sks_allocator {
    void *(*allocate)(size_t size, size_t align, void *arg);
    void (*release)(void *memory, size_t size, void *arg);
    void *arg;
} sks_allocator;

/* Zero means default for every member; set `size` to sizeof(options). */
typedef struct sks_channel_options {
    size_t size;
    size_t item_align;              /* bytes, a power of two up to 4096; default: the
                                       largest that divides item_size, up to 64 */
    sks_destroy_fn *destroy;        /* default: items are plain bytes */
    void *destroy_arg;
    const sks_allocator *allocator; /* copied; default: malloc */
} sks_channel_options;

/*
 * Makes a channel for items of item_size bytes (0 is allowed: only their number
 * travels).  capacity counts items: 0 is a rendezvous (a send returns when a
 * receiver has taken the item), SKS_UNBOUNDED grows.  The caller owns both
 * handles.  Never waits.  Returns 0, or -1 with EINVAL or ENOMEM.
 */
SKS_API int sks_channel(size_t item_size, size_t capacity, sks_sender **tx, sks_receiver **rx);

/* The same with options; NULL is allowed. */
SKS_API int sks_channel_with(size_t item_size, size_t capacity, const sks_channel_options *options,
                             sks_sender **tx, sks_receiver **rx);

/* The same with plain arguments, for callers from other languages.  item_align
 * 0 and destroy NULL are the defaults. */
SKS_API int sks_channel_plain(size_t item_size, size_t item_align, size_t capacity,
                              sks_destroy_fn *destroy, void *destroy_arg, sks_sender **tx,
                              sks_receiver **rx);

/* One more handle of the same side, for one more thread.  NULL with ENOMEM, or
 * EBUSY while this one has something reserved or peeked.  The first dup of a side
 * switches that side to the shared protocol. */
SKS_API sks_sender *sks_sender_dup(sks_sender *tx);
SKS_API sks_receiver *sks_receiver_dup(sks_receiver *rx);

/* Gives the handle back; NULL is ignored.  Never waits.  See the table above
 * for what the last one of a side does.  What was reserved is given up, what
 * was peeked and not consumed stays in the channel. */
SKS_API void sks_sender_close(sks_sender *tx);
SKS_API void sks_receiver_close(sks_receiver *rx);

/* ---- sending ----------------------------------------------------------- */

/* Copies one item in.  0, or -1 and the item is still the caller's: EPIPE, an
 * abort's code; EAGAIN (try, or deadline SKS_NOW), ETIMEDOUT (until), ENOMEM
 * (unbounded only). */
SKS_API int sks_sender_send(sks_sender *tx, const void *item);
SKS_API int sks_sender_try_send(sks_sender *tx, const void *item);
SKS_API int sks_sender_send_until(sks_sender *tx, const void *item, int64_t deadline);

/* Copies n items in, waiting for room as needed.  Returns how many went: all n,
 * or fewer when the deadline, a close or an abort came in between; -1 when none
 * went.  n = 0 returns 0. */
SKS_API ssize_t sks_sender_send_many(sks_sender *tx, const void *items, size_t n, int64_t deadline);

/*
 * Waits for room for at least one item and points *slots at room for up to n
 * items, contiguous; the caller fills them in place.  Returns how many (1..n),
 * or -1 as send does.  sks_sender_commit() then sends the first `n` of them
 * (0 gives all of it back) and returns how many went, or -1 with EPIPE or an
 * abort's code.  A reservation holds room in the channel, so nothing that was
 * promised can fail for want of it; a send or another reserve on the handle gives it
 * up.  On a shared side *slots is memory of the handle, and the order among senders
 * is that of the commits.  On a rendezvous it holds a receiver that waits;
 * commit gives EAGAIN when that one's deadline has passed meanwhile.
 */
SKS_API ssize_t sks_sender_reserve(sks_sender *tx, size_t n, void **slots, int64_t deadline);
SKS_API ssize_t sks_sender_commit(sks_sender *tx, size_t n);

/* ---- receiving --------------------------------------------------------- */

/* Takes one item into *item.  1; 0 at end of stream (*item untouched); -1 with
 * an abort's code; EAGAIN (try, or deadline SKS_NOW), ETIMEDOUT (until). */
SKS_API int sks_receiver_recv(sks_receiver *rx, void *item);
SKS_API int sks_receiver_try_recv(sks_receiver *rx, void *item);
SKS_API int sks_receiver_recv_until(sks_receiver *rx, void *item, int64_t deadline);

/* Waits for at least one item, then takes what is there, up to n.  Returns how
 * many, 0 at end of stream (or n = 0), -1 as recv does. */
SKS_API ssize_t sks_receiver_recv_many(sks_receiver *rx, void *items, size_t n, int64_t deadline);

/*
 * As recv_many, but points *slots at up to n items where they lie, contiguous.
 * They stay the channel's until sks_receiver_consume(), which takes the first n
 * of them out (their content is then the caller's, not the destructor's); the
 * rest is given back.  A receive on the handle takes peeked items first.  On a shared
 * side peeked items belong to this handle meanwhile: no other receiver gets them, none
 * sees the end of stream before they are consumed, and their places are free for new
 * ones.
 */
SKS_API ssize_t sks_receiver_peek(sks_receiver *rx, size_t n, void **slots, int64_t deadline);
SKS_API int sks_receiver_consume(sks_receiver *rx, size_t n);

/* ---- ending ------------------------------------------------------------ */

/* SHUT_WR: this handle sends no more.  Idempotent; the handle still needs its
 * close. */
SKS_API void sks_sender_done(sks_sender *tx);

/* SHUT_RD: nobody sends any more; receivers drain what is buffered, then see
 * end of stream.  Holds for the whole channel.  Idempotent. */
SKS_API void sks_receiver_refuse(sks_receiver *rx);

/* Every call on either side fails with `code` (an errno value, > 0) from now
 * on, blocked ones wake; the first abort wins.  The handles still need their
 * close.  Any thread.  0, or -1 with EINVAL. */
SKS_API int sks_sender_abort(sks_sender *tx, int code);
SKS_API int sks_receiver_abort(sks_receiver *rx, int code);

/* Is the other side gone?  For a sender: nobody will take another item.  For a
 * receiver: nobody will send another (buffered ones may still be there).  The
 * wait forms return 0 when gone, -1 with ETIMEDOUT (EAGAIN for SKS_NOW). */
SKS_API bool sks_sender_gone(const sks_sender *tx);
SKS_API bool sks_receiver_gone(const sks_receiver *rx);
SKS_API int sks_sender_wait_gone(sks_sender *tx, int64_t deadline);
SKS_API int sks_receiver_wait_gone(sks_receiver *rx, int64_t deadline);

/* ---- looking ----------------------------------------------------------- */

/* Statistics of a channel: always on, exact when nobody is in a call. */
typedef enum sks_stat {
    SKS_STAT_SENT,               /* items accepted */
    SKS_STAT_RECEIVED,           /* items handed to receivers */
    SKS_STAT_DISCARDED,          /* items that went through the destructor */
    SKS_STAT_LEN,                /* items buffered now */
    SKS_STAT_CAPACITY,           /* items; UINT64_MAX when unbounded */
    SKS_STAT_HIGH_WATER,         /* most items that a receiver, or this call, found buffered;
                                    the capacity once a sender found it full */
    SKS_STAT_SENDERS,            /* open handles that are not done */
    SKS_STAT_RECEIVERS,          /* open handles */
    SKS_STAT_BLOCKED_SENDS,      /* sends that had to wait */
    SKS_STAT_BLOCKED_SEND_NS,    /* and for how long in all */
    SKS_STAT_BLOCKED_RECEIVES,
    SKS_STAT_BLOCKED_RECEIVE_NS,
    SKS_STAT_WAKEUPS,            /* sleeping threads woken through this channel */
} sks_stat;

SKS_API uint64_t sks_sender_stat(const sks_sender *tx, sks_stat which);
SKS_API uint64_t sks_receiver_stat(const sks_receiver *rx, sks_stat which);

/* Do the two belong to one channel? */
SKS_API bool sks_same_channel(const sks_sender *tx, const sks_receiver *rx);
SKS_API bool sks_sender_same(const sks_sender *a, const sks_sender *b);
SKS_API bool sks_receiver_same(const sks_receiver *a, const sks_receiver *b);

/* ---- timers ------------------------------------------------------------ */

/* Receivers whose items are int64_t, the time (CLOCK_MONOTONIC, ns) that they
 * were due.  after and at give one item and then none; tick gives one every
 * period, late ones merged into one; never gives none.  They never end, need no
 * thread and work in a select.  Dup and close as any receiver.  NULL with
 * ENOMEM or EINVAL (period <= 0). */
SKS_API sks_receiver *sks_timer_after(int64_t ns);
SKS_API sks_receiver *sks_timer_at(int64_t deadline);
SKS_API sks_receiver *sks_timer_tick(int64_t period_ns);
SKS_API sks_receiver *sks_timer_never(void);

/* ---- SockStream: the duplex pair --------------------------------------- */

/*
 * Two connected ends, each a sender and a receiver of items: what one end sends
 * the other receives.  capacity counts items for each direction.  An end is used
 * by two threads at most at a time: one that sends, one that receives.
 * Returns 0, or -1 with EINVAL or ENOMEM.
 */
SKS_API int sks_stream_pair(size_t item_size, size_t capacity, sks_stream **a, sks_stream **b);
SKS_API int sks_stream_pair_with(size_t item_size, size_t capacity,
                                 const sks_channel_options *options, sks_stream **a,
                                 sks_stream **b);

/* As sks_sender_* and sks_receiver_* on the two halves. */
SKS_API int sks_stream_send(sks_stream *s, const void *item);
SKS_API int sks_stream_try_send(sks_stream *s, const void *item);
SKS_API int sks_stream_send_until(sks_stream *s, const void *item, int64_t deadline);
SKS_API int sks_stream_recv(sks_stream *s, void *item);
SKS_API int sks_stream_try_recv(sks_stream *s, void *item);
SKS_API int sks_stream_recv_until(sks_stream *s, void *item, int64_t deadline);

/* how: SHUT_RD refuses, SHUT_WR says done, SHUT_RDWR both (<sys/socket.h>).
 * 0, or -1 with EINVAL. */
SKS_API int sks_stream_shutdown(sks_stream *s, int how);
SKS_API int sks_stream_abort(sks_stream *s, int code);

/* Closes both halves.  The peer receives what is in flight, then end of stream. */
SKS_API void sks_stream_close(sks_stream *s);

/* The halves, for batches, select, dup and statistics.  They stay the stream's:
 * do not close them. */
SKS_API sks_sender *sks_stream_sender(sks_stream *s);
SKS_API sks_receiver *sks_stream_receiver(sks_stream *s);

/* For the typed wrappers: an item has gone the quick way (ring.h), and the other side says
 * something. */
SKS_API int sks_sender_sent_(sks_sender *tx);
SKS_API void sks_receiver_took_(sks_receiver *rx);

#ifdef __cplusplus
}
#endif

/* ---- typed wrappers ---------------------------------------------------- */

/*
 * SKS_TYPED(name, T) declares, for items of type T,
 *
 *   name_sender, name_receiver, name_stream          handles, passed by value
 *   name_channel(capacity, &tx, &rx)  name_pair(capacity, &a, &b)
 *   name_send(tx, T)      name_try_send   name_send_until   name_send_many
 *   name_recv(rx, T *)    name_try_recv   name_recv_until   name_recv_many
 *   name_sender_dup  name_sender_close  name_receiver_dup  name_receiver_close
 *   name_stream_send(s, T)  name_stream_recv(s, T *)  _try_send  _try_recv
 *   name_stream_shutdown  name_stream_close
 *
 * with T in their signatures.  `.h` of a handle is the untyped one.  Works in
 * C11 and in C++17 (there for trivially copyable T).  In C11 a send or receive that
 * need not wait is inlined.
 */
/* Not every program calls every wrapper. */
#if defined(__GNUC__)
#define SKS_INLINE_ __attribute__((unused)) static inline
#else
#define SKS_INLINE_ static inline
#endif

#ifdef __cplusplus
#define sks_send_inline_(tx, item, size, deadline) sks_sender_send_until(tx, item, deadline)
#define sks_recv_inline_(rx, item, size, deadline) sks_receiver_recv_until(rx, item, deadline)
#else
SKS_INLINE_ int sks_send_inline_(sks_sender *tx, const void *item, size_t size, int64_t deadline)
{
    struct sksi_ring_tx *t = (struct sksi_ring_tx *)tx;

    if (!sksi_quick_send(t, item, size))
        return sks_sender_send_until(tx, item, deadline);
    return sksi_quick_sent_flags(t) ? sks_sender_sent_(tx) : 0;
}

SKS_INLINE_ int sks_recv_inline_(sks_receiver *rx, void *item, size_t size, int64_t deadline)
{
    struct sksi_ring_rx *r = (struct sksi_ring_rx *)rx;

    if (!sksi_quick_recv(r, item, size))
        return sks_receiver_recv_until(rx, item, deadline);
    if (sksi_quick_took_flags(r))
        sks_receiver_took_(rx);
    return 1;
}
#endif

#define SKS_TYPED(name, T)                                                                         \
    typedef T name##_item;                                                                         \
    SKS_TYPED_CHANNEL_(name, name##_item)                                                          \
    SKS_TYPED_STREAM_(name, name##_item)                                                           \
    struct name##_typed_ /* takes the semicolon */

#define SKS_TYPED_CHANNEL_(name, T)                                                                \
    typedef struct name##_sender {                                                                 \
        sks_sender *h;                                                                             \
    } name##_sender;                                                                               \
    typedef struct name##_receiver {                                                               \
        sks_receiver *h;                                                                           \
    } name##_receiver;                                                                             \
    SKS_INLINE_ int name##_channel(size_t capacity, name##_sender *tx, name##_receiver *rx)        \
    {                                                                                              \
        return sks_channel(sizeof(T), capacity, &tx->h, &rx->h);                                   \
    }                                                                                              \
    SKS_INLINE_ name##_sender name##_sender_dup(name##_sender tx)                                  \
    {                                                                                              \
        tx.h = sks_sender_dup(tx.h);                                                               \
        return tx;                                                                                 \
    }                                                                                              \
    SKS_INLINE_ name##_receiver name##_receiver_dup(name##_receiver rx)                            \
    {                                                                                              \
        rx.h = sks_receiver_dup(rx.h);                                                             \
        return rx;                                                                                 \
    }                                                                                              \
    SKS_INLINE_ void name##_sender_close(name##_sender tx)                                         \
    {                                                                                              \
        sks_sender_close(tx.h);                                                                    \
    }                                                                                              \
    SKS_INLINE_ void name##_receiver_close(name##_receiver rx)                                     \
    {                                                                                              \
        sks_receiver_close(rx.h);                                                                  \
    }                                                                                              \
    SKS_INLINE_ int name##_send(name##_sender tx, T item)                                          \
    {                                                                                              \
        return sks_send_inline_(tx.h, &item, sizeof item, SKS_NEVER);                              \
    }                                                                                              \
    SKS_INLINE_ int name##_try_send(name##_sender tx, T item)                                      \
    {                                                                                              \
        return sks_send_inline_(tx.h, &item, sizeof item, SKS_NOW);                                \
    }                                                                                              \
    SKS_INLINE_ int name##_send_until(name##_sender tx, T item, int64_t deadline)                  \
    {                                                                                              \
        return sks_send_inline_(tx.h, &item, sizeof item, deadline);                               \
    }                                                                                              \
    SKS_INLINE_ ssize_t name##_send_many(name##_sender tx, const T *items, size_t n,               \
                                           int64_t deadline)                                       \
    {                                                                                              \
        return sks_sender_send_many(tx.h, items, n, deadline);                                     \
    }                                                                                              \
    SKS_INLINE_ int name##_recv(name##_receiver rx, T *item)                                       \
    {                                                                                              \
        return sks_recv_inline_(rx.h, item, sizeof *item, SKS_NEVER);                              \
    }                                                                                              \
    SKS_INLINE_ int name##_try_recv(name##_receiver rx, T *item)                                   \
    {                                                                                              \
        return sks_recv_inline_(rx.h, item, sizeof *item, SKS_NOW);                                \
    }                                                                                              \
    SKS_INLINE_ int name##_recv_until(name##_receiver rx, T *item, int64_t deadline)               \
    {                                                                                              \
        return sks_recv_inline_(rx.h, item, sizeof *item, deadline);                               \
    }                                                                                              \
    SKS_INLINE_ ssize_t name##_recv_many(name##_receiver rx, T *items, size_t n,                   \
                                           int64_t deadline)                                       \
    {                                                                                              \
        return sks_receiver_recv_many(rx.h, items, n, deadline);                                   \
    }

#define SKS_TYPED_STREAM_(name, T)                                                                 \
    typedef struct name##_stream {                                                                 \
        sks_stream *h;                                                                             \
    } name##_stream;                                                                               \
    SKS_INLINE_ int name##_pair(size_t capacity, name##_stream *a, name##_stream *b)               \
    {                                                                                              \
        return sks_stream_pair(sizeof(T), capacity, &a->h, &b->h);                                 \
    }                                                                                              \
    SKS_INLINE_ int name##_stream_send(name##_stream s, T item)                                    \
    {                                                                                              \
        return sks_stream_send(s.h, &item);                                                        \
    }                                                                                              \
    SKS_INLINE_ int name##_stream_try_send(name##_stream s, T item)                                \
    {                                                                                              \
        return sks_stream_try_send(s.h, &item);                                                    \
    }                                                                                              \
    SKS_INLINE_ int name##_stream_recv(name##_stream s, T *item)                                   \
    {                                                                                              \
        return sks_stream_recv(s.h, item);                                                         \
    }                                                                                              \
    SKS_INLINE_ int name##_stream_try_recv(name##_stream s, T *item)                               \
    {                                                                                              \
        return sks_stream_try_recv(s.h, item);                                                     \
    }                                                                                              \
    SKS_INLINE_ int name##_stream_shutdown(name##_stream s, int how)                               \
    {                                                                                              \
        return sks_stream_shutdown(s.h, how);                                                      \
    }                                                                                              \
    SKS_INLINE_ void name##_stream_close(name##_stream s)                                          \
    {                                                                                              \
        sks_stream_close(s.h);                                                                     \
    }

#endif
