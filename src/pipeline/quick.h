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

/* 1: sent.  0: not yet asked.  -1: nobody takes it, errno is set. */
static inline int sksi_quick_give(sks_sender *tx, const void *item)
{
    struct sksi_ring_tx *t = (struct sksi_ring_tx *)tx;
    bool sent;

    switch (t->size) {
    case 0:
        return 0;
    case 8:
        sent = sksi_quick_send(t, item, 8);
        break;
    case 16:
        sent = sksi_quick_send(t, item, 16);
        break;
    case 64:
        sent = sksi_quick_send(t, item, 64);
        break;
    default:
        sent = sksi_quick_send(t, item, t->size);
    }
    if (!sent)
        return 0;
    return sksi_quick_sent_flags(t) && sks_sender_sent_(tx) ? -1 : 1;
}

#endif
