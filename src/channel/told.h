/* SPDX-License-Identifier: MIT */
/*
 * told.h - a send and a receive that tell when they go to sleep, for those who keep a clock of
 * what a thread does: a wait that a spin ends is over before a clock has been read twice.
 */
#ifndef SKSI_CHANNEL_TOLD_H
#define SKSI_CHANNEL_TOLD_H

#include <sockstream/channel.h>

/* Called by the thread that waits, perhaps several times in a wait, with no lock held; it must
 * not call the channel. */
struct sksi_told {
    void (*sleeps)(void *arg);
    void *arg;
};

/* As sks_receiver_recv_until() and sks_sender_send_until(), after a try that gave EAGAIN. */
int sksi_receiver_wait(sks_receiver *rx, void *item, int64_t deadline,
                       const struct sksi_told *told);
int sksi_sender_wait(sks_sender *tx, const void *item, int64_t deadline,
                     const struct sksi_told *told);

#endif
