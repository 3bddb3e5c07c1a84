/* SPDX-License-Identifier: MIT */
/*
 * stream.c - SockStream: two channels, one each way, in one block of memory.
 */
#include "channel/internal.h"

#include <errno.h>
#include <sys/socket.h>

struct sks_stream {
    sks_sender *tx;
    sks_receiver *rx;
};

/* One block: two channels, then the two ends. */
struct ends {
    struct sks_stream a, b;
};

int sks_stream_pair_with(size_t item_size, size_t capacity, const sks_channel_options *o,
                         sks_stream **a, sks_stream **b)
{
    struct sksi_shape s;
    struct sksi_chan *there, *back;
    struct ends *ends;
    size_t align, each;

    if (!a || !b || sksi_options_check(o) ||
        !sksi_shape_make(&s, item_size, o ? o->item_align : 0, capacity)) {
        errno = EINVAL;
        return -1;
    }
    align = s.item_align > SKSI_CACHE_LINE ? s.item_align : SKSI_CACHE_LINE;
    each = (s.size + align - 1) & ~(align - 1);
    there = sksi_home_alloc(o, 2 * each + sizeof *ends);
    if (!there) {
        errno = ENOMEM;
        return -1;
    }
    back = (struct sksi_chan *)((unsigned char *)there + each);
    ends = (struct ends *)((unsigned char *)there + 2 * each);
    sksi_chan_init(there, &s, o, there, 4);
    sksi_chan_init(back, &s, o, there, 0);
    there->home_size = 2 * each + sizeof *ends;
    there->pair = back;
    ends->a = (struct sks_stream){&there->tx0, &back->rx0};
    ends->b = (struct sks_stream){&back->tx0, &there->rx0};
    *a = &ends->a;
    *b = &ends->b;
    return 0;
}

int sks_stream_pair(size_t item_size, size_t capacity, sks_stream **a, sks_stream **b)
{
    return sks_stream_pair_with(item_size, capacity, NULL, a, b);
}

int sks_stream_send(sks_stream *s, const void *item)
{
    return sks_sender_send(s->tx, item);
}

int sks_stream_try_send(sks_stream *s, const void *item)
{
    return sks_sender_try_send(s->tx, item);
}

int sks_stream_send_until(sks_stream *s, const void *item, int64_t deadline)
{
    return sks_sender_send_until(s->tx, item, deadline);
}

int sks_stream_recv(sks_stream *s, void *item)
{
    return sks_receiver_recv(s->rx, item);
}

int sks_stream_try_recv(sks_stream *s, void *item)
{
    return sks_receiver_try_recv(s->rx, item);
}

int sks_stream_recv_until(sks_stream *s, void *item, int64_t deadline)
{
    return sks_receiver_recv_until(s->rx, item, deadline);
}

int sks_stream_shutdown(sks_stream *s, int how)
{
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
        errno = EINVAL;
        return -1;
    }
    if (how != SHUT_WR)
        sks_receiver_refuse(s->rx);
    if (how != SHUT_RD)
        sks_sender_done(s->tx);
    return 0;
}

int sks_stream_abort(sks_stream *s, int code)
{
    int r = sks_sender_abort(s->tx, code);

    return r ? r : sks_receiver_abort(s->rx, code);
}

void sks_stream_close(sks_stream *s)
{
    sks_sender *tx;
    sks_receiver *rx;

    if (!s)
        return;
    tx = s->tx;
    rx = s->rx;
    sks_sender_close(tx);
    sks_receiver_close(rx);
}

sks_sender *sks_stream_sender(sks_stream *s)
{
    return s->tx;
}

sks_receiver *sks_stream_receiver(sks_stream *s)
{
    return s->rx;
}
