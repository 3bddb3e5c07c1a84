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

bool sksi_shape_make(struct sksi_shape *s, size_t item_size, size_t item_align, size_t capacity)
{
    size_t slots_bytes = 0;

    *s = (struct sksi_shape){.item_size = item_size, .capacity = capacity};
    if (item_align == 0) {
        item_align = item_size ? (item_size & -item_size) : 1;
        if (item_align > ITEM_ALIGN_DEFAULT)
            item_align = ITEM_ALIGN_DEFAULT;
    }
    /* A block of items must not overflow either. */
    if (item_align & (item_align - 1) || item_align > ITEM_ALIGN_MAX ||
        item_size > SIZE_MAX / 4 / SKSI_BLOCK_ITEMS)
        return false;
    s->item_align = item_align;
    s->stride = round_up(item_size, item_align);
    s->slots = 1;
    if (capacity == 0) {
        s->kind = SKSI_RENDEZVOUS;
    } else if (capacity == SKS_UNBOUNDED) {
        s->kind = SKSI_LIST;
    } else {
        s->kind = SKSI_RING;
        if (capacity > (SIZE_MAX >> 2))
            return false;
        while (s->slots < capacity)
            s->slots *= 2;
        if (!times(s->slots, s->stride, &slots_bytes))
            return false;
    }
    s->slots_at = round_up(sizeof(struct sksi_chan), item_align);
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

void *sksi_chan_alloc(const struct sksi_chan *ch, size_t size, size_t align)
{
    const sks_allocator *a = &ch->home->allocator;

    return a->allocate ? a->allocate(size, align, a->arg) : sksi_alloc(size, align);
}

void sksi_chan_release(const struct sksi_chan *ch, void *memory, size_t size)
{
    const sks_allocator *a = &ch->home->allocator;

    if (a->release)
        a->release(memory, size, a->arg);
    else
        sksi_free(memory);
}

void sksi_chan_init(struct sksi_chan *ch, const struct sksi_shape *s, const sks_channel_options *o,
                    struct sksi_chan *home, uint32_t handles)
{
    memset(ch, 0, sizeof *ch);
    ch->kind = s->kind;
    ch->item_size = s->item_size;
    ch->stride = s->stride;
    ch->item_align = s->item_align;
    ch->capacity = s->kind == SKSI_LIST ? UINT64_MAX : s->capacity;
    ch->mask = s->slots - 1;
    ch->slots = (unsigned char *)ch + s->slots_at;
    ch->home = home;
    if (o) {
        ch->destroy = o->destroy;
        ch->destroy_arg = o->destroy_arg;
        if (o->allocator)
            ch->allocator = *o->allocator;
    }
    atomic_init(&ch->x_senders, 1);
    atomic_init(&ch->x_receivers, 1);
    atomic_init(&ch->x_refs, handles);
    ch->tx0.ch = ch;
    ch->rx0.ch = ch;
    sksi_sender_refit(&ch->tx0);
    sksi_receiver_refit(&ch->rx0);
}

int sks_channel_with(size_t item_size, size_t capacity, const sks_channel_options *o,
                     sks_sender **tx, sks_receiver **rx)
{
    struct sksi_shape s;
    struct sksi_chan *ch;

    if (!tx || !rx || sksi_options_check(o) ||
        !sksi_shape_make(&s, item_size, o ? o->item_align : 0, capacity)) {
        errno = EINVAL;
        return -1;
    }
    ch = sksi_home_alloc(o, s.size);
    if (!ch) {
        errno = ENOMEM;
        return -1;
    }
    sksi_chan_init(ch, &s, o, ch, 2);
    ch->home_size = s.size;
    *tx = &ch->tx0;
    *rx = &ch->rx0;
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

    return sks_channel_with(item_size, capacity, &o, tx, rx);
}

/* ---- freeing ----------------------------------------------------------- */

static void discard_trays(struct sksi_chan *ch)
{
    while (ch->rx.back) {
        struct sksi_tray *t = ch->rx.back;

        ch->rx.back = t->next;
        atomic_fetch_sub_explicit(&ch->x_back, 1, memory_order_relaxed); /* relaxed: hint */
        sksi_tray_destroy(ch, t);
    }
}

void sksi_chan_discard(struct sksi_chan *ch)
{
    uint64_t head, end, n;
    void *items;

    discard_trays(ch);
    if (ch->kind == SKSI_RENDEZVOUS || ch->kind == SKSI_TIMER)
        return;
    head = sksi_ring_head(&ch->rx.ring);
    sksi_lock_take(&ch->gate.lock);
    end = head + sksi_ring_items(&ch->rx.ring, &ch->tx.ring, head, UINT64_MAX);
    if (ch->rx.keep < end)
        ch->rx.keep = end;
    sksi_lock_drop(&ch->gate.lock);
    while (head < end && (n = sksi_items_here(ch, head, end - head, &items)) > 0) {
        for (uint64_t i = 0; i < n && ch->destroy; i++)
            ch->destroy((unsigned char *)items + i * ch->stride, ch->destroy_arg);
        head += n;
        /* relaxed: stat. */
        atomic_fetch_add_explicit(&ch->x_discarded, n, memory_order_relaxed);
        sksi_ring_release(&ch->rx.ring, head);
    }
}

/* Everything that is not part of the home block. */
static void chan_fini(struct sksi_chan *ch)
{
    struct sksi_block *b, *next;
    size_t size = sksi_items_at(ch, sizeof *b) + SKSI_BLOCK_ITEMS * ch->stride;

    sksi_chan_discard(ch);
    for (b = ch->rx.block ? ch->rx.block : ch->first; b; b = next) {
        next = b == ch->tx.last ? NULL : b->next;
        sksi_chan_release(ch, b, size);
    }
}

void sksi_chan_hold(struct sksi_chan *ch)
{
    /* relaxed: count, the caller's own reference keeps it alive. */
    atomic_fetch_add_explicit(&ch->home->x_refs, 1, memory_order_relaxed);
}

void sksi_chan_drop(struct sksi_chan *ch)
{
    struct sksi_chan *home = ch->home, *other;

    /* [R1] what this handle did comes before the free; [A1] the last one sees all. */
    if (atomic_fetch_sub_explicit(&home->x_refs, 1, memory_order_acq_rel) != 1)
        return;
    other = home->pair;
    if (other)
        chan_fini(other);
    chan_fini(home);
    sksi_chan_release(home, home, home->home_size);
}

/* ---- handles ----------------------------------------------------------- */

sks_sender *sks_sender_dup(sks_sender *tx)
{
    struct sksi_chan *ch = tx->ch;
    sks_sender *more;

    if (tx->reserved) {
        errno = EBUSY;
        return NULL;
    }
    more = sksi_chan_alloc(ch, sizeof *more, alignof(max_align_t));
    if (!more) {
        errno = ENOMEM;
        return NULL;
    }
    memset(more, 0, sizeof *more);
    more->ch = ch;
    more->done = tx->done;
    if (!tx->done) {
        /* relaxed: count, the caller's own handle keeps it above 0. */
        atomic_fetch_add_explicit(&ch->x_senders, 1, memory_order_relaxed);
    }
    if (!ch->tx.shared) /* else other threads may be reading it */
        ch->tx.shared = true;
    sksi_sender_refit(more);
    sksi_chan_hold(ch);
    return more;
}

sks_receiver *sks_receiver_dup(sks_receiver *rx)
{
    struct sksi_chan *ch = rx->ch;
    sks_receiver *more;

    if (sksi_receiver_holds(rx)) {
        errno = EBUSY;
        return NULL;
    }
    more = sksi_chan_alloc(ch, sizeof *more, alignof(max_align_t));
    if (!more) {
        errno = ENOMEM;
        return NULL;
    }
    memset(more, 0, sizeof *more);
    more->ch = ch;
    /* relaxed: count, the caller's own handle keeps it above 0. */
    atomic_fetch_add_explicit(&ch->x_receivers, 1, memory_order_relaxed);
    if (!ch->rx.shared) /* else other threads may be reading it */
        ch->rx.shared = true;
    sksi_receiver_refit(rx);
    sksi_receiver_refit(more);
    sksi_chan_hold(ch);
    return more;
}

/* No receiver is left: destroys what is buffered.  Without a fence a send that
 * crosses the last receiver's close may not see it, so each sender's end looks again. */
static void purge(struct sksi_chan *ch)
{
    sksi_lock_take(&ch->rx.lock);
    sksi_chan_discard(ch);
    sksi_lock_drop(&ch->rx.lock);
}

void sks_sender_done(sks_sender *tx)
{
    struct sksi_chan *ch = tx->ch;

    if (tx->done)
        return;
    sksi_sender_unreserve(tx);
    tx->done = true;
    tx->fast = false;
    /* [R1] our items come before the end; [A1] and so do those of the others. */
    if (atomic_fetch_sub_explicit(&ch->x_senders, 1, memory_order_acq_rel) == 1)
        sksi_gate_end(&ch->gate, SKSI_SENDERS, SKSI_GONE);
    if (sksi_gate_flags(&ch->gate, SKSI_RECEIVERS) & SKSI_GONE)
        purge(ch);
}

void sks_sender_close(sks_sender *tx)
{
    struct sksi_chan *ch;

    if (!tx)
        return;
    ch = tx->ch;
    sks_sender_done(tx);
    if (tx->tray)
        sksi_chan_release(ch, tx->tray, tx->tray->size);
    if (tx != &ch->tx0)
        sksi_chan_release(ch, tx, sizeof *tx);
    sksi_chan_drop(ch);
}

void sks_receiver_close(sks_receiver *rx)
{
    struct sksi_chan *ch;

    if (!rx)
        return;
    ch = rx->ch;
    sksi_receiver_unpeek(rx);
    if (rx->tray)
        sksi_chan_release(ch, rx->tray, rx->tray->size);
    /* [R1] what we took comes before the end; [A1] and so does what the others took. */
    if (atomic_fetch_sub_explicit(&ch->x_receivers, 1, memory_order_acq_rel) == 1) {
        sksi_gate_end(&ch->gate, SKSI_RECEIVERS, SKSI_GONE);
        purge(ch);
    }
    if (rx != &ch->rx0)
        sksi_chan_release(ch, rx, sizeof *rx);
    sksi_chan_drop(ch);
}

/* ---- ends -------------------------------------------------------------- */

void sks_receiver_refuse(sks_receiver *rx)
{
    struct sksi_chan *ch = rx->ch;

    if (ch->rx.shared)
        sksi_lock_take(&ch->rx.lock);
    rx->fast = false;
    if (!ch->rx.refused) {
        ch->rx.refused = true;
        if (ch->kind == SKSI_TIMER)
            atomic_store_explicit(&ch->x_due, INT64_MAX, memory_order_relaxed); /* relaxed: owner */
        sksi_lock_take(&ch->gate.lock);
        /* What is peeked in place is ours; see send.c, take_back(). */
        ch->rx.keep = sksi_ring_head(&ch->rx.ring) + rx->peeked;
        sksi_lock_drop(&ch->gate.lock);
        sksi_gate_end(&ch->gate, SKSI_RECEIVERS, SKSI_REFUSED);
        /* From here on a sender that publishes sees REFUSED after it. */
        sksi_fence_heavy();
    }
    if (ch->rx.shared)
        sksi_lock_drop(&ch->rx.lock);
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
    sksi_gate_end(&ch->gate, SKSI_SENDERS, SKSI_ABORTED);
    sksi_gate_end(&ch->gate, SKSI_RECEIVERS, SKSI_ABORTED);
    return 0;
}

int sks_sender_abort(sks_sender *tx, int code)
{
    return chan_abort(tx->ch, code);
}

int sks_receiver_abort(sks_receiver *rx, int code)
{
    return chan_abort(rx->ch, code);
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
