/* SPDX-License-Identifier: MIT */
/*
 * timer.c - receivers whose items are points in time.
 *
 * A timer is a channel without senders: its receivers sleep until x_due, so it needs
 * no thread.  x_due is INT64_MAX when nothing will come any more.
 */
#include "channel/internal.h"

#include <errno.h>

int64_t sksi_timer_due(const struct sksi_chan *ch)
{
    /* relaxed: hint, whoever takes the item looks again under (r). */
    return atomic_load_explicit(&sksi_more(ch)->x_due, memory_order_relaxed);
}

void sksi_timer_stop(struct sksi_chan *ch)
{
    /* relaxed: owner, under (r). */
    atomic_store_explicit(&sksi_more(ch)->x_due, INT64_MAX, memory_order_relaxed);
}

ssize_t sksi_timer_try_recv(struct sksi_chan *ch, void *item)
{
    int64_t due = sksi_timer_due(ch), period = sksi_more(ch)->period, now, next = INT64_MAX;

    if (ch->rx.refused)
        return sksi_pending(ch) ? -EAGAIN : 0;
    if (due == INT64_MAX || (now = sksi_clock_ns()) < due)
        return -EAGAIN;
    if (period && (now - due) / period < (INT64_MAX - now) / period - 1)
        next = due + period * ((now - due) / period + 1);
    /* relaxed: owner, under (r). */
    atomic_store_explicit(&sksi_more(ch)->x_due, next, memory_order_relaxed);
    memcpy(item, &due, sizeof due);
    sksi_ring_retract(&ch->tx.ring, sksi_ring_tail(&ch->tx.ring) + 1);
    sksi_ring_release(&ch->rx.ring, sksi_ring_head(&ch->rx.ring) + 1);
    return 1;
}

static sks_receiver *timer_make(int64_t due, int64_t period)
{
    struct sksi_shape s;
    struct sksi_chan *ch;

    sksi_shape_make(&s, sizeof(int64_t), 0, NULL);
    s.kind = SKSI_TIMER;
    ch = sksi_home_make(&s, NULL, false);
    if (!ch) {
        errno = ENOMEM;
        return NULL;
    }
    ch->capacity = 1;
    atomic_init(&ch->rx.ring.x_refs, 1); /* there is no sender */
    sksi_more(ch)->period = period;
    atomic_init(&ch->x_senders, 0);
    atomic_init(&sksi_more(ch)->x_due, due);
    return &ch->rx;
}

sks_receiver *sks_timer_at(int64_t deadline)
{
    return timer_make(deadline, 0);
}

sks_receiver *sks_timer_after(int64_t ns)
{
    return timer_make(sksi_clock_after(ns), 0);
}

sks_receiver *sks_timer_tick(int64_t period_ns)
{
    if (period_ns <= 0) {
        errno = EINVAL;
        return NULL;
    }
    return timer_make(sksi_clock_after(period_ns), period_ns);
}

sks_receiver *sks_timer_never(void)
{
    return timer_make(INT64_MAX, 0);
}
