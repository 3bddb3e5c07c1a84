/* SPDX-License-Identifier: MIT */
/*
 * quick.h - one item through a channel without a call, where nothing has to be waited
 * for, looked up or told: the inlined halves of <sockstream/ring.h> for a size that is
 * known at run time only.
 *
 * They look at the caller's own cache line and no further, so whoever gets false has
 * not yet asked the other side and calls the channel, which does, once.
 */
#ifndef SKSI_PIPELINE_QUICK_H
#define SKSI_PIPELINE_QUICK_H

#include <sockstream/channel.h>

/* True: an item has been taken. */
static inline bool sksi_quick_take(sks_receiver *rx, void *item)
{
    struct sksi_ring_rx *r = (struct sksi_ring_rx *)rx;
    bool took;

    switch (r->size) { /* the usual sizes spelled out: no call for the copy */
    case 0:            /* closed */
        return false;
    case 8:
        took = sksi_quick_recv(r, item, 8);
        break;
    case 16:
        took = sksi_quick_recv(r, item, 16);
        break;
    case 64:
        took = sksi_quick_recv(r, item, 64);
        break;
    default:
        took = sksi_quick_recv(r, item, r->size);
    }
    if (took && sksi_quick_took_flags(r))
        sks_receiver_took_(rx);
    return took;
}

/* True: it has been sent, and sksi_quick_sent_flags() says whether that was all.  False: not
 * yet asked, or not one of the usual sizes: a copy by a call would give the caller a frame. */
static inline bool sksi_quick_give(sks_sender *tx, const void *item)
{
    struct sksi_ring_tx *t = (struct sksi_ring_tx *)tx;

    switch (t->size) {
    case 8:
        return sksi_quick_send(t, item, 8);
    case 16:
        return sksi_quick_send(t, item, 16);
    case 64:
        return sksi_quick_send(t, item, 64);
    default:
        return false;
    }
}

#endif
