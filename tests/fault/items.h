/* SPDX-License-Identifier: MIT */
/*
 * items.h - numbered items in channels whose calls may fail, and where each item ended.
 *
 * items_check(): each number that was sent was received or destroyed, once, and none
 * that is still the caller's.
 */
#ifndef SKS_TESTS_FAULT_ITEMS_H
#define SKS_TESTS_FAULT_ITEMS_H

#include "fault/sweep.h"
#include "unit/channel/kit.h"

#include "plat/plat.h"

static _Atomic unsigned sent[IDS], received[IDS];

static inline void items_reset(void)
{
    memset((void *)sent, 0, sizeof sent);
    memset((void *)received, 0, sizeof received);
    memset((void *)destroyed, 0, sizeof destroyed);
}

static inline void items_check(void)
{
    for (unsigned id = 0; id < IDS; id++) {
        if (sent[id] > 1 || received[id] + destroyed[id] != sent[id])
            SWEEP_DIE("item %u: sent %u, received %u, destroyed %u", id, sent[id], received[id],
                      destroyed[id]);
    }
}

static inline void item_got(const struct item *it)
{
    CHECK(item_is(it, it->id) && it->id < IDS);
    atomic_fetch_add(&received[it->id], 1);
}

/* ---- an allocator that knows what it gave ------------------------------ */

struct piece {
    void *base;
    size_t size;
};

static _Atomic long pieces;

static inline void *piece_allocate(size_t size, size_t align, void *arg)
{
    size_t room = align > sizeof(struct piece) ? align : sizeof(struct piece);
    unsigned char *base = sksi_alloc(room + size, room);

    CHECK(arg == &pieces && align && (align & (align - 1)) == 0);
    if (!base)
        return NULL;
    ((struct piece *)(void *)(base + room))[-1] = (struct piece){base, size};
    atomic_fetch_add(&pieces, 1);
    return base + room;
}

static inline void piece_release(void *memory, size_t size, void *arg)
{
    const struct piece *p = (struct piece *)memory - 1;

    CHECK(arg == &pieces && p->size == size);
    atomic_fetch_sub(&pieces, 1);
    sksi_free(p->base);
}

static const sks_allocator piece_allocator = {piece_allocate, piece_release, &pieces};

/* ---- one item out ------------------------------------------------------ */

/* Each of these sends an item once, 0 or -1 and errno: then it is still the caller's. */

static inline int give_reserved(sks_sender *tx, const struct item *it, int64_t deadline)
{
    void *slots;

    if (sks_sender_reserve(tx, 1, &slots, deadline) != 1)
        return -1;
    memcpy(slots, it, sizeof *it);
    return sks_sender_commit(tx, 1) == 1 ? 0 : -1;
}

static inline int give_selected(sks_sender *tx, struct item *it, int64_t deadline, bool two,
                                unsigned flags)
{
    sks_select *sel = sks_select_new();
    int result = -1, arm = -1, code;

    if (sel && sks_select_send(sel, tx, two ? NULL : it) == 0)
        arm = sks_select_wait(sel, deadline, flags, &result);
    if (arm == 0 && result == 1)
        result =
            flags & SKS_SELECT_READY ? sks_sender_try_send(tx, it) : sks_select_complete(sel, it);
    code = errno;
    sks_select_free(sel);
    errno = code;
    return arm == 0 ? result : -1;
}

static inline int give_once(sks_sender *tx, enum op op, struct item *it, int64_t deadline)
{
    switch (op) {
    case SEND:
        return deadline == SKS_NEVER ? sks_sender_send(tx, it) : sks_sender_try_send(tx, it);
    case SEND_MANY:
        return sks_sender_send_many(tx, it, 1, deadline) == 1 ? 0 : -1;
    case RESERVE:
        return give_reserved(tx, it, deadline);
    case SELECT_SEND:
    case SELECT_SEND_TWO:
        return give_selected(tx, it, deadline, op == SELECT_SEND_TWO, 0);
    case SELECT_SEND_READY:
        return give_selected(tx, it, deadline, false, SKS_SELECT_READY);
    default:
        return sks_sender_send_until(tx, it, deadline);
    }
}

/* EAGAIN: the other side backed out of a meeting, or somebody else was quicker. */
static inline int give_again(sks_sender *tx, enum op op, struct item *it, int64_t deadline)
{
    int r;

    while ((r = give_once(tx, op, it, deadline)) && errno == EAGAIN && deadline != SKS_NOW)
        ;
    return r;
}

/* Neither a failure nor a success: there is nothing to do now.  On one thread: a call that
 * had no memory does not say this instead. */
static inline bool not_now(int64_t deadline)
{
    return deadline == SKS_NOW && errno == EAGAIN && !attempt_met_memory();
}

/* True when it went.  Without memory for the call it goes by one that needs none. */
static inline bool give(const struct scene *s, sks_sender *tx, int op, uint64_t id,
                        int64_t deadline)
{
    struct item it = item_of(id);
    int r = -1;

    atomic_fetch_add(&sent[id], 1); /* the other side may be quicker than our return */
    if (!TRY(s, (r = give_again(tx, (enum op)op, &it, deadline)) == 0 || not_now(deadline)))
        (void)TRY(s, (r = sks_sender_send_until(tx, &it, deadline)) == 0 || not_now(deadline));
    if (r)
        atomic_fetch_sub(&sent[id], 1);
    return r == 0;
}

/* ---- one item in ------------------------------------------------------- */

/* 1, 0 at the end of stream, or -1 and errno. */

static inline int take_peeked(sks_receiver *rx, struct item *it, int64_t deadline)
{
    void *slots;
    ssize_t r = sks_receiver_peek(rx, 1, &slots, deadline);

    if (r != 1)
        return (int)r;
    memcpy(it, slots, sizeof *it);
    return sks_receiver_consume(rx, 1) ? -1 : 1;
}

static inline int take_selected(sks_receiver *rx, struct item *it, int64_t deadline, bool two,
                                unsigned flags)
{
    sks_select *sel = sks_select_new();
    int result = -1, arm = -1, code;

    if (sel && sks_select_recv(sel, rx, two ? NULL : it) == 0)
        arm = sks_select_wait(sel, deadline, flags, &result);
    if (arm == 0 && result == 1 && flags & SKS_SELECT_READY)
        result = sks_receiver_try_recv(rx, it);
    else if (arm == 0 && result == 1 && two)
        result = sks_select_complete(sel, it);
    code = errno;
    sks_select_free(sel);
    errno = code;
    return arm == 0 ? result : -1;
}

static inline int take_once(sks_receiver *rx, enum op op, struct item *it, int64_t deadline)
{
    switch (op) {
    case RECV:
        return deadline == SKS_NEVER ? sks_receiver_recv(rx, it) : sks_receiver_try_recv(rx, it);
    case RECV_MANY:
        return (int)sks_receiver_recv_many(rx, it, 1, deadline);
    case PEEK:
        return take_peeked(rx, it, deadline);
    case SELECT_RECV:
    case SELECT_RECV_TWO:
        return take_selected(rx, it, deadline, op == SELECT_RECV_TWO, 0);
    case SELECT_RECV_READY:
        return take_selected(rx, it, deadline, false, SKS_SELECT_READY);
    default:
        return sks_receiver_recv_until(rx, it, deadline);
    }
}

static inline int take_again(sks_receiver *rx, enum op op, struct item *it, int64_t deadline)
{
    int r;

    while ((r = take_once(rx, op, it, deadline)) < 0 && errno == EAGAIN && deadline != SKS_NOW)
        ;
    return r;
}

/* False at the end of stream, or with SKS_NOW when nothing is there. */
static inline bool take(const struct scene *s, sks_receiver *rx, int op, int64_t deadline)
{
    struct item it;
    int r = -1;

    if (!TRY(s, (r = take_again(rx, (enum op)op, &it, deadline)) >= 0 || not_now(deadline)))
        (void)TRY(s, (r = sks_receiver_recv_until(rx, &it, deadline)) >= 0 || not_now(deadline));
    if (r == 1)
        item_got(&it);
    return r == 1;
}

/* ---- a channel --------------------------------------------------------- */

/* False when there was no memory for it; tx2 and rx2 are there when it is shared and
 * there was. */
static inline bool rig_try(const struct scene *s, struct rig *r, const struct shape *shape,
                           bool with_allocator)
{
    sks_channel_options o = {
        .size = sizeof o,
        .destroy = destroy_item,
        .allocator = with_allocator ? &piece_allocator : NULL,
    };

    items_reset();
    *r = (struct rig){.shape = shape};
    if (!TRY(s, sks_channel_with(sizeof(struct item), shape->capacity, &o, &r->tx, &r->rx) == 0))
        return false;
    if (shape->shared) {
        (void)TRY(s, (r->tx2 = sks_sender_dup(r->tx)) != NULL);
        (void)TRY(s, (r->rx2 = sks_receiver_dup(r->rx)) != NULL);
    }
    return true;
}

#endif
