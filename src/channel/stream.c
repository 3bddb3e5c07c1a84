/* SPDX-License-Identifier: MIT */
/*
 * stream.c - SockStream: two channels, one each way, in one block of memory.
 */
#include "channel/internal.h"

#include <errno.h>
#include <sys/socket.h>

/* An end is its sender; the receiver is that of the other channel. */
struct sks_stream {
    sks_sender tx;
};

static sks_receiver *rx_of(const sks_stream *s)
{
    return &s->tx.ring.ch->other->rx;
}

int sks_stream_pair_with(size_t item_size, size_t capacity, const sks_channel_options *o,
                         sks_stream **a, sks_stream **b)
{
    struct sksi_shape s;
    struct sksi_chan *there;

    if (!a || !b || sksi_options_check(o) || !sksi_shape_make(&s, item_size, capacity, o)) {
        errno = EINVAL;
        return -1;
    }
    there = sksi_home_make(&s, o, true);
    if (!there) {
        errno = ENOMEM;
        return -1;
    }
    *a = (sks_stream *)&there->tx;
    *b = (sks_stream *)&there->other->tx;
    return 0;
}

int sks_stream_pair(size_t item_size, size_t capacity, sks_stream **a, sks_stream **b)
{
    return sks_stream_pair_with(item_size, capacity, NULL, a, b);
}

int sks_stream_send(sks_stream *s, const void *item)
{
    return sks_sender_send(&s->tx, item);
}

int sks_stream_try_send(sks_stream *s, const void *item)
{
    return sks_sender_try_send(&s->tx, item);
}

int sks_stream_send_until(sks_stream *s, const void *item, int64_t deadline)
{
    return sks_sender_send_until(&s->tx, item, deadline);
}

int sks_stream_recv(sks_stream *s, void *item)
{
    return sks_receiver_recv(rx_of(s), item);
}

int sks_stream_try_recv(sks_stream *s, void *item)
{
    return sks_receiver_try_recv(rx_of(s), item);
}

int sks_stream_recv_until(sks_stream *s, void *item, int64_t deadline)
{
    return sks_receiver_recv_until(rx_of(s), item, deadline);
}

int sks_stream_shutdown(sks_stream *s, int how)
{
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
        errno = EINVAL;
        return -1;
    }
    if (how != SHUT_WR)
        sks_receiver_refuse(rx_of(s));
    if (how != SHUT_RD)
        sks_sender_done(&s->tx);
    return 0;
}

int sks_stream_abort(sks_stream *s, int code)
{
    int r = sks_sender_abort(&s->tx, code);

    return r ? r : sks_receiver_abort(rx_of(s), code);
}

void sks_stream_close(sks_stream *s)
{
    if (s)
        sksi_ends_close(&s->tx, rx_of(s));
}

sks_sender *sks_stream_sender(sks_stream *s)
{
    return &s->tx;
}

sks_receiver *sks_stream_receiver(sks_stream *s)
{
    return rx_of(s);
}
