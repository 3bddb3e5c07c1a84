/* SPDX-License-Identifier: MIT */
/*
 * make.c - the memory of a channel: its shape, making and freeing it.
 *
 *   tag  where                    order    pairs  what it publishes
 *   R1   more_need: x_more        acq_rel  A1     that struct sksi_more is cleared
 *   A1   sksi_more: x_more        acquire  R1     (internal.h)
 *   R2   chan_drop: x_refs        acq_rel  A2     all that the handle did before
 *   A2   chan_drop, chan_last     acquire  R2
 *
 * One block holds the channel, the first handle of each side and the slots; a pair holds
 * both its channels in one.  The one at the beginning is the "home", which counts open handles;
 * the block is freed when the last one is closed.  Handles from dup are blocks of their own.
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
        s->slots = 2; /* see solo.c */
        return times(s->slots, s->stride, bytes);
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
    return o && (o->size < sizeof *o ||
                 (o->allocator && (!o->allocator->allocate || !o->allocator->release)))
               ? EINVAL
               : 0;
}

/* ---- memory ------------------------------------------------------------ */

/*
 * The default allocator is malloc, which is several times as fast as an aligned allocation:
 * so we take some bytes more and align ourselves.  *slack: how far from the beginning.
 */
static void *home_alloc(const sks_channel_options *o, size_t size, size_t align, uint8_t *slack)
{
    unsigned char *p;

    *slack = 0;
    if (o && o->allocator)
        return o->allocator->allocate(size, align, o->allocator->arg);
    if (align > SKSI_CACHE_LINE)
        return sksi_alloc(size, align);
    p = sksi_alloc(size + SKSI_CACHE_LINE - alignof(max_align_t), alignof(max_align_t));
    if (!p)
        return NULL;
    *slack = (uint8_t)(-(uintptr_t)p & (SKSI_CACHE_LINE - 1));
    return p + *slack;
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

/* Of one memset, compilers make a string instruction that takes 40 ns. */
static void clear(struct sksi_chan *ch)
{
    static const struct sksi_chan none;

    memcpy(&ch->tx, &none.tx, sizeof none.tx);
    memcpy(&ch->capacity, &none.capacity, offsetof(struct sksi_chan, rx) - sizeof none.tx);
    memcpy(&ch->rx, &none.rx, sizeof none.rx);
    memcpy(&ch->gate, &none.gate, sizeof none - offsetof(struct sksi_chan, gate));
}

static void chan_init(struct sksi_chan *ch, const struct sksi_shape *s,
                      const sks_channel_options *o, size_t home_size)
{
    unsigned char *memory = (unsigned char *)ch;

    clear(ch);
    ch->kind = (uint8_t)s->kind;
    ch->item_size = s->item_size;
    ch->align_log = (uint8_t)__builtin_ctzll(s->item_align);
    ch->capacity = s->kind == SKSI_LIST ? UINT64_MAX : s->capacity;
    if (s->more_at) {
        struct sksi_more *m = (struct sksi_more *)(memory + s->more_at);

        options_keep(m, o, home_size);
        atomic_init(&ch->x_more, m);
    }
    ch->tx.ring.ch = ch->rx.ring.ch = ch;
    ch->tx.ring.mask = ch->rx.ring.mask = s->slots - 1;
    ch->tx.ring.slots = ch->rx.ring.slots = memory + s->slots_at;
    ch->tx.ring.limit = s->kind == SKSI_RING ? s->capacity : 0;
    sksi_gate_init(&ch->gate, &ch->rx.ring.x_flags, &ch->tx.ring.x_flags);
    atomic_init(&ch->x_senders, 1);
    atomic_init(&ch->x_receivers, 1);
    sksi_sender_refit(&ch->tx);
    sksi_receiver_refit(&ch->rx);
}

struct sksi_chan *sksi_home_make(const struct sksi_shape *s, const sks_channel_options *o,
                                 bool pair)
{
    size_t align = s->item_align > SKSI_CACHE_LINE ? s->item_align : SKSI_CACHE_LINE;
    size_t size = round_up(s->size, align) * (pair ? 2 : 1);
    struct sksi_chan *ch, *back;
    uint8_t slack;

    ch = home_alloc(o, size, align, &slack);
    if (!ch)
        return NULL;
    chan_init(ch, s, o, size);
    ch->home = (uint8_t)(1 + slack);
    atomic_init(&ch->rx.ring.x_refs, pair ? 4 : 2);
    if (pair) {
        back = (struct sksi_chan *)((unsigned char *)ch + size / 2);
        chan_init(back, s, o, 0);
        ch->other = back;
        back->other = ch;
    }
    return ch;
}

int sks_channel_with(size_t item_size, size_t capacity, const sks_channel_options *o,
                     sks_sender **tx, sks_receiver **rx)
{
    struct sksi_shape s;
    struct sksi_chan *ch;

    if (!tx || !rx || sksi_options_check(o) || !sksi_shape_make(&s, item_size, capacity, o)) {
        errno = EINVAL;
        return -1;
    }
    ch = sksi_home_make(&s, o, false);
    if (!ch) {
        errno = ENOMEM;
        return -1;
    }
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

static void home_free(struct sksi_chan *home)
{
    struct sksi_more *m;

    if (home->other)
        chan_fini(home->other);
    m = sksi_more(home);
    if (m && m->embedded && m->allocator.release) {
        sks_allocator a = m->allocator;
        size_t size = m->home_size;

        chan_fini(home);
        a.release(home, size, a.arg);
    } else {
        chan_fini(home);
        sksi_free((unsigned char *)home - (home->home - 1));
    }
}

void sksi_chan_drop(struct sksi_chan *ch, uint32_t n)
{
    struct sksi_chan *home = home_of(ch);

    /* [R2] what these handles did comes before the free; [A2] the last one sees all. */
    if (sksi_chan_last(ch, n) ||
        atomic_fetch_sub_explicit(&home->rx.ring.x_refs, n, memory_order_acq_rel) == n)
        home_free(home);
}

bool sksi_chan_last(const struct sksi_chan *ch, uint32_t n)
{
    /* [A2] what the other handles did is visible. */
    return atomic_load_explicit(&home_of(ch)->rx.ring.x_refs, memory_order_acquire) == n;
}
