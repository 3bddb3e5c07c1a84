/* SPDX-License-Identifier: MIT */
/*
 * tray.c - items that are out of the queue and that nobody has received yet.
 *
 * What is peeked on a shared side, or on a kind without slots, is moved to a tray of the
 * handle.  A tray that is given up goes to the channel as it is, without an allocation
 * that might fail, and its items are received before those of the queue, trays in the
 * order of their first items.  x_pending counts items in trays: while there are any, it
 * is not the end of stream for the others.
 */
#include "channel/internal.h"

#define TRAY_ITEMS 64 /* most items shown by one peek or reserve on a shared side */

struct sksi_tray *sksi_tray_ready(struct sksi_chan *ch, struct sksi_tray **tray, size_t n)
{
    struct sksi_tray *t = *tray;

    if (!t) {
        uint32_t capacity = n < TRAY_ITEMS ? (uint32_t)n : TRAY_ITEMS;
        size_t size = sksi_items_at(ch, sizeof *t) + capacity * sksi_stride(ch);
        size_t align = sksi_item_align(ch) > 16 ? sksi_item_align(ch) : 16;

        t = sksi_more_need(ch) ? sksi_chan_alloc(ch, size, align) : NULL;
        if (!t)
            return NULL;
        *t = (struct sksi_tray){.size = size, .capacity = capacity};
        *tray = t;
    }
    return t;
}

/* n items have left a tray for good.  When they were the last ones out, and nothing
 * can come any more, it is the end of stream for the receivers that wait. */
void sksi_tray_settle(struct sksi_chan *ch, uint64_t n)
{
    _Atomic uint64_t *pending;
    bool end;

    if (n == 0)
        return;
    pending = &sksi_more(ch)->x_pending;
    /* relaxed: hint; the lock orders it for those who wait. */
    if (atomic_fetch_sub_explicit(pending, n, memory_order_relaxed) != n)
        return;
    sksi_lock_take(&ch->gate.lock);
    end = sksi_recv_over(ch);
    sksi_lock_drop(&ch->gate.lock);
    if (end)
        sksi_wake(ch, SKSI_RECEIVERS, UINT64_MAX);
}

/* The index in the channel of the first item that is left in a tray. */
uint64_t sksi_tray_index(const struct sksi_tray *t)
{
    return t->from + t->at;
}

/* Takes up to n items of a tray into *items. */
size_t sksi_tray_take(struct sksi_chan *ch, struct sksi_tray *t, void *items, size_t n)
{
    unsigned char *to = sksi_not_null(ch, items);
    size_t taken = 0;

    for (; taken < n && t->at < t->n; taken++, t->at++)
        sksi_copy(to + taken * ch->item_size, sksi_tray_slot(ch, t, t->at), ch->item_size);
    sksi_tray_settle(ch, taken);
    return taken;
}

/* Takes from the trays that were given back.  Under (r). */
size_t sksi_back_take(struct sksi_chan *ch, void *items, size_t n)
{
    struct sksi_more *m = sksi_more(ch);
    struct sksi_tray *t = m->back;
    size_t taken = sksi_tray_take(ch, t, items, n);

    if (t->at == t->n) {
        m->back = t->next;
        atomic_fetch_sub_explicit(&m->x_back, 1, memory_order_relaxed); /* relaxed: hint */
        sksi_chan_release(ch, t, t->size);
    }
    return taken;
}

void sksi_tray_destroy(struct sksi_chan *ch, struct sksi_tray *t)
{
    struct sksi_more *m = sksi_more(ch);
    uint32_t n = t->n - t->at;

    for (; t->at < t->n; t->at++) {
        if (m->destroy)
            m->destroy(sksi_tray_slot(ch, t, t->at), m->destroy_arg);
    }
    /* relaxed: stat. */
    atomic_fetch_add_explicit(&m->x_discarded, n, memory_order_relaxed);
    atomic_fetch_sub_explicit(&m->x_pending, n, memory_order_relaxed); /* relaxed: stat */
    sksi_chan_release(ch, t, t->size);
}

void sksi_receiver_unpeek(sks_receiver *rx)
{
    struct sksi_chan *ch = rx->ring.ch;
    struct sksi_tray *t = rx->tray, **place;
    struct sksi_more *m;
    uint64_t n;

    rx->peeked = 0;
    if (t && t->at < t->n) {
        n = t->n - t->at;
        rx->tray = NULL;
        if (sksi_chan_abort_code(ch)) { /* nobody may get them any more */
            sksi_tray_destroy(ch, t);
            return;
        }
        m = sksi_more(ch);
        if (ch->rx.shared)
            sksi_lock_take(&m->rx_lock);
        for (place = &m->back; *place && sksi_tray_index(*place) < sksi_tray_index(t);
             place = &(*place)->next)
            ;
        t->next = *place;
        *place = t;
        sksi_lock_take(&ch->gate.lock); /* a rendezvous waits without a fence */
        atomic_fetch_add_explicit(&m->x_back, 1, memory_order_relaxed); /* relaxed: hint */
        sksi_lock_drop(&ch->gate.lock);
        if (ch->rx.shared)
            sksi_lock_drop(&m->rx_lock);
        if (ch->kind == SKSI_RENDEZVOUS)
            sksi_wake(ch, SKSI_RECEIVERS, n); /* watches too: no flag tells of them */
        else
            sksi_notify(ch, SKSI_RECEIVERS, n);
    }
    sksi_receiver_refit(rx);
}
