/* SPDX-License-Identifier: MIT */
/*
 * select.h - wait for the first of several sends and receives.
 *
 * A select holds a list of arms; each is a send to a sender or a receive from
 * a receiver (a timer is a receiver).  It is kept and used again and again by
 * one thread at a time; the handles in it stay the caller's and must outlive
 * their arms.  sks_select_wait() chooses one arm that can go on and does it:
 *
 *   - an arm with an item pointer is done when wait returns: the item was sent,
 *     or received into the pointer;
 *   - an arm with NULL is chosen only: its room or its item is held for this
 *     select until sks_select_complete() does it, or the next wait, or the free
 *     gives it back.  No item is lost, whatever is not chosen or not completed.
 *
 * An arm whose channel has ended counts as ready: its result is then 0 (end of
 * stream) or -1 with EPIPE or the abort's code.
 *
 * Between ready arms the choice is random and fair, or the first in the list
 * with SKS_SELECT_BIASED.
 */
#ifndef SOCKSTREAM_SELECT_H
#define SOCKSTREAM_SELECT_H

#include <sockstream/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sks_select sks_select;

/* Flags of sks_select_wait(). */
#define SKS_SELECT_BIASED 1u /* the lowest ready arm, not a random one */
#define SKS_SELECT_READY 2u  /* only say which arm is ready; hold and move nothing.  On a
                                rendezvous: ready while the other side waits with an item or
                                for one; two that only look do not see each other */

/* The caller owns it.  NULL with ENOMEM. */
SKS_API sks_select *sks_select_new(void);

/* Removes every arm and frees it; NULL is ignored. */
SKS_API void sks_select_free(sks_select *sel);

/* Adds an arm and returns its number (0, 1, 2, ... in the order of adding; the
 * number of a removed arm is used again), or -1 with ENOMEM.  item may be NULL:
 * two phases.  It is read or written during wait only. */
SKS_API int sks_select_send(sks_select *sel, sks_sender *tx, const void *item);
SKS_API int sks_select_recv(sks_select *sel, sks_receiver *rx, void *item);

/* Points an arm at another item.  0, or -1 with EINVAL (no such arm). */
SKS_API int sks_select_set_item(sks_select *sel, int arm, void *item);

/* A disabled arm is never chosen.  Arms start enabled.  -1 with EINVAL. */
SKS_API int sks_select_enable(sks_select *sel, int arm, bool on);

/* Forgets an arm.  -1 with EINVAL. */
SKS_API int sks_select_remove(sks_select *sel, int arm);

/*
 * Waits until `deadline` at most for one arm and returns its number; *result
 * (may be NULL) is what its send or receive returned: for a send 0 or -1, for a
 * receive 1, 0 or -1, with errno set for -1.  For an arm in two phases, and with
 * SKS_SELECT_READY, *result is 1 while there is something to do, else as above.
 * Returns -1 with EAGAIN (deadline SKS_NOW), ETIMEDOUT, or EINVAL when
 * no arm is enabled and the deadline is SKS_NEVER.
 */
SKS_API int sks_select_wait(sks_select *sel, int64_t deadline, unsigned flags, int *result);

/*
 * Completes the arm that the last wait chose, in two phases: sends *item or
 * receives into it.  Returns as a send or a receive does; -1 with EINVAL when
 * there is nothing to complete.  On a rendezvous channel it may wait for the
 * other side's complete, and gives EAGAIN when that side backed out.
 */
SKS_API int sks_select_complete(sks_select *sel, void *item);

#ifdef __cplusplus
}
#endif

#endif
