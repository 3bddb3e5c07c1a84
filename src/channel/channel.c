/* SPDX-License-Identifier: MIT */
/*
 * channel.c - making channels, counting handles, ending.
 *
 *   tag  where                        order    pairs  what it publishes
 *   R1   drop, done, close: the count  acq_rel  A1     all that the handle did before
 *   A1   the same, the last of them    acq_rel  R1
 *
 * MEMORY  one block holds the channel, the first handle of each side and the slots;
 * a pair holds both its channels in one ("home").  The block is freed when the last
 * handle is closed.  Handles from dup are blocks of their own.
 *
 * ENDING  every end is a flag of one side in the gate, for ever, set before anybody
 * is woken (gate.h).  What each flag does to the other side is in send.c and recv.c.
 */
#include "channel/internal.h"

#include <errno.h>

#define ITEM_ALIGN_DEFAULT 64 /* at most; a cache line */
#define ITEM_ALIGN_MAX 4096   /* a page */
#define MORE_FROM 1024        /* bytes of slots from which struct sksi_more hardly counts */

/* ---- shape ------------------------------------------------------------- */

static size_t round_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

static bool times(size_t a, size_t b, size_t *product)
{
    if (b && a > SIZE_MAX / 4 / b)
        return false;
    *product = a * b;
    return true;
}

/* The bytes of the slots.  False when the capacity makes no sense or overflows. */
static bool slots_make(struct sksi_shape *s, size_t *bytes)
{
    s->slots = 1;
    *bytes = 0;
    if (s->capacity == 0) {
        s->kind = SKSI_RENDEZVOUS;
    } else if (s->capacity == SKS_UNBOUNDED) {
        s->kind = SKSI_LIST;
    } else {
        s->kind = SKSI_RING;
        if (s->capacity > (SIZE_MAX >> 2))
            return false;
        while (s->slots < s->capacity)
            s->slots *= 2;
        return times(s->slots, s->stride, bytes);
    }
    return true;
}

bool sksi_shape_make(struct sksi_shape *s, size_t item_size, size_t capacity,
                     const sks_channel_options *o)
{
    size_t slots_bytes, align = o ? o->item_align : 0;

    *s = (struct sksi_shape){.item_size = item_size, .capacity = capacity};
    if (align == 0) {
        align = item_size ? (item_size & -item_size) : 1;
        if (align > ITEM_ALIGN_DEFAULT)
            align = ITEM_ALIGN_DEFAULT;
    }
    /* A block of items must not overflow either. */
    if (align & (align - 1) || align > ITEM_ALIGN_MAX ||
        item_size > SIZE_MAX / 4 / SKSI_BLOCK_ITEMS)
        return false;
    s->item_align = align;
    s->stride = round_up(item_size, align);
    if (!slots_make(s, &slots_bytes))
        return false;
    s->size = sizeof(struct sksi_chan);
    if (s->kind != SKSI_RING || o || slots_bytes >= MORE_FROM) {
        s->more_at = s->size;
        s->size += sizeof(struct sksi_more);
    }
    s->slots_at = round_up(s->size, align);
    s->size = round_up(s->slots_at + slots_bytes, SKSI_CACHE_LINE);
    return true;
}

int sksi_options_check(const sks_channel_options *o)
{
    return o && (o->size < sizeof *o || (o->allocator && (!o->allocator->allocate ||
                                                          !o->allocator->release)))
               ? EINVAL
               : 0;
}

/* ---- memory ------------------------------------------------------------ */

static size_t home_align(size_t item_align)
{
    return item_align > SKSI_CACHE_LINE ? item_align : SKSI_CACHE_LINE;
}

void *sksi_home_alloc(const sks_channel_options *o, size_t size)
{
    size_t align = home_align(o ? o->item_align : 0);

    if (o && o->allocator)
        return o->allocator->allocate(size, align, o->allocator->arg);
    return sksi_alloc(size, align);
}

static struct sksi_chan *home_of(const struct sksi_chan *ch)
{
    return ch->home ? (struct sksi_chan *)(uintptr_t)ch : ch->other;
}

/* NULL: the default. */
static const sks_allocator *allocator_of(const struct sksi_chan *ch)
{
    const struct sksi_more *m = sksi_more(home_of(ch));

    return m && m->allocator.allocate ? &m->allocator : NULL;
}

void *sksi_chan_alloc(const struct sksi_chan *ch, size_t size, size_t align)
{
    const sks_allocator *a = allocator_of(ch);

    return a ? a->allocate(size, align, a->arg) : sksi_alloc(size, align);
}

void sksi_chan_release(const struct sksi_chan *ch, void *memory, size_t size)
{
    const sks_allocator *a = allocator_of(ch);

    if (a)
        a->release(memory, size, a->arg);
    else
        sksi_free(memory);
}

struct sksi_more *sksi_more_need(struct sksi_chan *ch)
{
    struct sksi_more *m = sksi_more(ch), *none = NULL;

    if (m)
        return m;
    m = sksi_chan_alloc(ch, sizeof *m, alignof(struct sksi_more));
    if (!m)
        return NULL;
    memset(m, 0, sizeof *m);
    /* [R1] ours is cleared; [A1] and so is another thread's that was first. */
    if (atomic_compare_exchange_strong_explicit(&ch->x_more, &none, m, memory_order_acq_rel,
                                                memory_order_acquire))
        return m;
    sksi_chan_release(ch, m, sizeof *m);
    return none;
}

static void options_keep(struct sksi_more *m, const sks_channel_options *o, size_t home_size)
{
    memset(m, 0, sizeof *m);
    m->embedded = true;
    m->home_size = home_size;
    if (o) {
        m->destroy = o->destroy;
        m->destroy_arg = o->destroy_arg;
        if (o->allocator)
            m->allocator = *o->allocator;
    }
}

void sksi_chan_init(struct sksi_chan *ch, const struct sksi_shape *s, const sks_channel_options *o,
                    struct sksi_chan *other, size_t home_size, uint32_t handles)
{
    unsigned char *memory = (unsigned char *)ch;

    memset(ch, 0, sizeof *ch);
    ch->kind = (uint8_t)s->kind;
    ch->item_size = s->item_size;
    while (sksi_item_align(ch) < s->item_align)
        ch->align_log++;
    ch->capacity = s->kind == SKSI_LIST ? UINT64_MAX : s->capacity;
    ch->other = other;
    ch->home = home_size > 0;
    if (s->more_at) {
        struct sksi_more *m = (struct sksi_more *)(memory + s->more_at);

        options_keep(m, o, home_size);
        atomic_init(&ch->x_more, m);
    }
    ch->tx.ring.ch = ch->rx.ring.ch = ch;
    ch->tx.ring.mask = ch->rx.ring.mask = s->slots - 1;
    ch->tx.ring.slots = ch->rx.ring.slots = memory + s->slots_at;
    sksi_gate_init(&ch->gate, &ch->rx.ring.x_flags, &ch->tx.ring.x_flags);
    atomic_init(&ch->x_senders, 1);
    atomic_init(&ch->x_receivers, 1);
    atomic_init(&ch->rx.ring.x_refs, handles);
    sksi_sender_refit(&ch->tx);
    sksi_receiver_refit(&ch->rx);
}

int sks_channel_with(size_t item_size, size_t capacity, const sks_channel_options *o,
                     sks_sender **tx, sks_receiver **rx)
{
    struct sksi_shape s;
    struct sksi_chan *ch;

    if (!tx || !rx || sksi_options_check(o) ||
        !sksi_shape_make(&s, item_size, capacity, o)) {
        errno = EINVAL;
        return -1;
    }
    ch = sksi_home_alloc(o, s.size);
    if (!ch) {
        errno = ENOMEM;
        return -1;
    }
    sksi_chan_init(ch, &s, o, NULL, s.size, 2);
    *tx = &ch->tx;
    *rx = &ch->rx;
    return 0;
}

int sks_channel(size_t item_size, size_t capacity, sks_sender **tx, sks_receiver **rx)
{
    return sks_channel_with(item_size, capacity, NULL, tx, rx);
}

int sks_channel_plain(size_t item_size, size_t item_align, size_t capacity, sks_destroy_fn *destroy,
                      void *destroy_arg, sks_sender **tx, sks_receiver **rx)
{
    sks_channel_options o = {
        .size = sizeof o,
        .item_align = item_align,
        .destroy = destroy,
        .destroy_arg = destroy_arg,
    };

    return sks_channel_with(item_size, capacity, item_align || destroy ? &o : NULL, tx, rx);
}

/* ---- freeing ----------------------------------------------------------- */

static void discard_trays(struct sksi_chan *ch)
{
    struct sksi_more *m = sksi_more(ch);

    while (m && m->back) {
        struct sksi_tray *t = m->back;

        m->back = t->next;
        atomic_fetch_sub_explicit(&m->x_back, 1, memory_order_relaxed); /* relaxed: hint */
        sksi_tray_destroy(ch, t);
    }
}

void sksi_chan_discard(struct sksi_chan *ch)
{
    uint64_t head, end, n;
    struct sksi_more *m;
    void *items;

    discard_trays(ch);
    if (ch->kind == SKSI_RENDEZVOUS || ch->kind == SKSI_TIMER)
        return;
    head = sksi_ring_head(&ch->rx.ring);
    sksi_lock_take(&ch->gate.lock);
    end = head + sksi_ring_items(&ch->rx.ring, &ch->tx.ring, head, UINT64_MAX);
    if (ch->rx.ring.keep < end)
        ch->rx.ring.keep = end;
    sksi_lock_drop(&ch->gate.lock);
    m = head < end ? sksi_more_need(ch) : NULL; /* without memory it is not counted */
    while (head < end && (n = sksi_items_here(ch, head, end - head, &items)) > 0) {
        for (uint64_t i = 0; i < n && m && m->destroy; i++)
            m->destroy((unsigned char *)items + i * sksi_stride(ch), m->destroy_arg);
        head += n;
        if (m)
            atomic_fetch_add_explicit(&m->x_discarded, n, memory_order_relaxed); /* relaxed: stat */
        sksi_ring_release(&ch->rx.ring, head);
    }
}

/* Everything that is not part of the home block. */
static void chan_fini(struct sksi_chan *ch)
{
    struct sksi_more *m;
    struct sksi_block *b, *next;
    size_t size = sksi_items_at(ch, sizeof *b) + SKSI_BLOCK_ITEMS * sksi_stride(ch);

    sksi_chan_discard(ch);
    m = sksi_more(ch);
    if (!m)
        return;
    for (b = m->rx_block ? m->rx_block : m->first; b; b = next) {
        next = b == m->tx_last ? NULL : b->next;
        sksi_chan_release(ch, b, size);
    }
    if (!m->embedded)
        sksi_chan_release(ch, m, sizeof *m);
}

void sksi_chan_hold(struct sksi_chan *ch)
{
    /* relaxed: count, the caller's own reference keeps it alive. */
    atomic_fetch_add_explicit(&home_of(ch)->rx.ring.x_refs, 1, memory_order_relaxed);
}

void sksi_chan_drop(struct sksi_chan *ch)
{
    struct sksi_chan *home = home_of(ch);
    struct sksi_more *m;

    /* [R1] what this handle did comes before the free; [A1] the last one sees all. */
    if (atomic_fetch_sub_explicit(&home->rx.ring.x_refs, 1, memory_order_acq_rel) != 1)
        return;
    if (home->other)
        chan_fini(home->other);
    m = sksi_more(home);
    if (m && m->embedded) {
        sks_allocator a = m->allocator;
        size_t size = m->home_size;

        chan_fini(home);
        if (a.release)
            a.release(home, size, a.arg);
        else
            sksi_free(home);
    } else {
        chan_fini(home);
        sksi_free(home);
    }
}

/* ---- handles ----------------------------------------------------------- */

sks_sender *sks_sender_dup(sks_sender *tx)
{
    struct sksi_chan *ch = tx->ring.ch;
    sks_sender *more;

    if (tx->reserved) {
        errno = EBUSY;
        return NULL;
    }
    more = sksi_more_need(ch) ? sksi_chan_alloc(ch, sizeof *more, SKSI_CACHE_LINE) : NULL;
    if (!more) {
        errno = ENOMEM;
        return NULL;
    }
    memset(more, 0, sizeof *more);
    more->ring.ch = ch;
    more->done = tx->done;
    if (!tx->done) {
        /* relaxed: count, the caller's own handle keeps it above 0. */
        atomic_fetch_add_explicit(&ch->x_senders, 1, memory_order_relaxed);
    }
    if (!ch->tx_shared) { /* else other threads may be reading it */
        ch->tx_shared = true;
        sksi_sender_refit(tx);
    }
    sksi_sender_refit(more);
    sksi_chan_hold(ch);
    return more;
}

sks_receiver *sks_receiver_dup(sks_receiver *rx)
{
    struct sksi_chan *ch = rx->ring.ch;
    sks_receiver *more;

    if (sksi_receiver_holds(rx)) {
        errno = EBUSY;
        return NULL;
    }
    more = sksi_more_need(ch) ? sksi_chan_alloc(ch, sizeof *more, SKSI_CACHE_LINE) : NULL;
    if (!more) {
        errno = ENOMEM;
        return NULL;
    }
    memset(more, 0, sizeof *more);
    more->ring.ch = ch;
    /* relaxed: count, the caller's own handle keeps it above 0. */
    atomic_fetch_add_explicit(&ch->x_receivers, 1, memory_order_relaxed);
    if (!ch->rx.shared) { /* else other threads may be reading it */
        ch->rx.shared = true;
        sksi_receiver_refit(rx);
    }
    sksi_receiver_refit(more);
    sksi_chan_hold(ch);
    return more;
}

/* No receiver is left: destroys what is buffered.  Without a fence a send that
 * crosses the last receiver's close may not see it, so each sender's end looks again. */
static void purge(struct sksi_chan *ch)
{
    bool empty = sksi_ring_tail_hint(&ch->tx.ring) == sksi_ring_head_hint(&ch->rx.ring);
    struct sksi_more *m = empty ? sksi_more(ch) : sksi_more_need(ch);

    if (!m) /* nothing is there, or it stays until the last handle is closed */
        return;
    sksi_lock_take(&m->rx_lock);
    sksi_chan_discard(ch);
    sksi_lock_drop(&m->rx_lock);
}

static void end(struct sksi_chan *ch, int side, uint32_t flag)
{
    struct sksi_waiter **held = ch->kind == SKSI_RENDEZVOUS ? &sksi_more(ch)->held : NULL;

    sksi_count_wakes(ch, sksi_gate_end(&ch->gate, side, flag, held));
}

void sks_sender_done(sks_sender *tx)
{
    struct sksi_chan *ch = tx->ring.ch;

    if (tx->done)
        return;
    sksi_sender_unreserve(tx);
    tx->done = true;
    sksi_sender_refit(tx);
    /* [R1] our items come before the end; [A1] and so do those of the others. */
    if (atomic_fetch_sub_explicit(&ch->x_senders, 1, memory_order_acq_rel) == 1)
        end(ch, SKSI_SENDERS, SKSI_GONE);
    if (sksi_gate_flags(&ch->gate, SKSI_RECEIVERS) & SKSI_GONE)
        purge(ch);
}

void sks_sender_close(sks_sender *tx)
{
    struct sksi_chan *ch;

    if (!tx)
        return;
    ch = tx->ring.ch;
    sks_sender_done(tx);
    if (tx->tray)
        sksi_chan_release(ch, tx->tray, tx->tray->size);
    if (tx != &ch->tx)
        sksi_chan_release(ch, tx, sizeof *tx);
    sksi_chan_drop(ch);
}

void sks_receiver_close(sks_receiver *rx)
{
    struct sksi_chan *ch;

    if (!rx)
        return;
    ch = rx->ring.ch;
    sksi_receiver_unpeek(rx);
    if (rx->tray)
        sksi_chan_release(ch, rx->tray, rx->tray->size);
    /* [R1] what we took comes before the end; [A1] and so does what the others took. */
    if (atomic_fetch_sub_explicit(&ch->x_receivers, 1, memory_order_acq_rel) == 1) {
        end(ch, SKSI_RECEIVERS, SKSI_GONE);
        purge(ch);
    }
    if (rx != &ch->rx)
        sksi_chan_release(ch, rx, sizeof *rx);
    sksi_chan_drop(ch);
}

/* ---- ends -------------------------------------------------------------- */

void sks_receiver_refuse(sks_receiver *rx)
{
    struct sksi_chan *ch = rx->ring.ch;

    if (ch->rx.shared)
        sksi_lock_take(&sksi_more(ch)->rx_lock);
    if (!ch->rx.refused) {
        ch->rx.refused = true;
        sksi_receiver_refit(rx);
        if (ch->kind == SKSI_TIMER)
            sksi_timer_stop(ch);
        sksi_lock_take(&ch->gate.lock);
        /* What is peeked in place is ours; see send.c, take_back(). */
        ch->rx.ring.keep = sksi_ring_head(&ch->rx.ring) + rx->peeked;
        sksi_lock_drop(&ch->gate.lock);
        end(ch, SKSI_RECEIVERS, SKSI_REFUSED);
        /* From here on a sender that publishes sees REFUSED after it. */
        sksi_fence_heavy();
    }
    if (ch->rx.shared)
        sksi_lock_drop(&sksi_more(ch)->rx_lock);
}

static int chan_abort(struct sksi_chan *ch, int code)
{
    int none = 0;

    if (code <= 0) {
        errno = EINVAL;
        return -1;
    }
    /* relaxed: owner, the first one sets it; published by the flag behind it. */
    atomic_compare_exchange_strong_explicit(&ch->x_abort_code, &none, code, memory_order_relaxed,
                                            memory_order_relaxed);
    /* Whoever is not the first sets the flags too: the first may not be that far yet. */
    end(ch, SKSI_SENDERS, SKSI_ABORTED);
    end(ch, SKSI_RECEIVERS, SKSI_ABORTED);
    return 0;
}

int sks_sender_abort(sks_sender *tx, int code)
{
    return chan_abort(tx->ring.ch, code);
}

int sks_receiver_abort(sks_receiver *rx, int code)
{
    return chan_abort(rx->ring.ch, code);
}

int sksi_chan_abort_code(const struct sksi_chan *ch)
{
    /* Both: the caller may have seen the one without an order. */
    if (!((sksi_gate_flags(&ch->gate, SKSI_SENDERS) | sksi_gate_flags(&ch->gate, SKSI_RECEIVERS)) &
          SKSI_ABORTED))
        return 0;
    /* relaxed: owner, set once before the flag. */
    return atomic_load_explicit(&ch->x_abort_code, memory_order_relaxed);
}
