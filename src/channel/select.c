/* SPDX-License-Identifier: MIT */
/*
 * select.c - the list of arms of a select, and its public calls.
 *
 * TWO PHASES are reserve and peek of the handle: what the select holds between wait
 * and complete is a reservation or a peeked item, and giving it back is what those
 * do anyway.
 */
#include "channel/select_arms.h"

#include <errno.h>

/* ---- the list ---------------------------------------------------------- */

sks_select *sks_select_new(void)
{
    sks_select *sel = sksi_zalloc(sizeof *sel);

    if (!sel) {
        errno = ENOMEM;
        return NULL;
    }
    sel->held = -1;
    sel->seed = (uint32_t)sksi_ticks() | 1;
    return sel;
}

static void give_back(sks_select *sel)
{
    struct sksi_arm *a;

    if (sel->held < 0)
        return;
    a = &sel->arms[sel->held];
    sel->held = -1;
    if (a->tx)
        sksi_sender_unreserve(a->tx);
    else if (a->rx)
        sksi_receiver_unpeek(a->rx);
}

void sks_select_free(sks_select *sel)
{
    if (!sel)
        return;
    give_back(sel);
    sksi_free(sel->arms);
    sksi_free(sel->order);
    sksi_free(sel);
}

static bool grow(sks_select *sel)
{
    uint32_t capacity = sel->capacity ? sel->capacity * 2 : 8;
    struct sksi_arm *arms = sksi_zalloc(capacity * sizeof *arms);
    uint32_t *order = sksi_zalloc(capacity * sizeof *order);

    if (!arms || !order) {
        sksi_free(arms);
        sksi_free(order);
        errno = ENOMEM;
        return false;
    }
    if (sel->n) {
        memcpy(arms, sel->arms, sel->n * sizeof *arms);
        memcpy(order, sel->order, sel->n * sizeof *order);
    }
    sksi_free(sel->arms);
    sksi_free(sel->order);
    sel->arms = arms;
    sel->order = order;
    sel->capacity = capacity;
    return true;
}

static int add(sks_select *sel, sks_sender *tx, sks_receiver *rx, void *item)
{
    uint32_t i = 0;

    while (i < sel->n && (sel->arms[i].tx || sel->arms[i].rx))
        i++;
    if (i == sel->n) {
        if (sel->n == sel->capacity && !grow(sel))
            return -1;
        sel->order[i] = i;
        sel->n++;
    }
    sel->arms[i] = (struct sksi_arm){
        .tx = tx, .rx = rx, .ch = tx ? tx->ring.ch : rx->ring.ch, .item = item, .enabled = true};
    return (int)i;
}

int sks_select_send(sks_select *sel, sks_sender *tx, const void *item)
{
    return add(sel, tx, NULL, (void *)(uintptr_t)item);
}

int sks_select_recv(sks_select *sel, sks_receiver *rx, void *item)
{
    return add(sel, NULL, rx, item);
}

static struct sksi_arm *arm_at(sks_select *sel, int arm)
{
    if (arm < 0 || (uint32_t)arm >= sel->n || (!sel->arms[arm].tx && !sel->arms[arm].rx)) {
        errno = EINVAL;
        return NULL;
    }
    if (sel->held == arm)
        give_back(sel);
    return &sel->arms[arm];
}

int sks_select_set_item(sks_select *sel, int arm, void *item)
{
    struct sksi_arm *a = arm_at(sel, arm);

    if (!a)
        return -1;
    a->item = item;
    return 0;
}

int sks_select_enable(sks_select *sel, int arm, bool on)
{
    struct sksi_arm *a = arm_at(sel, arm);

    if (!a)
        return -1;
    a->enabled = on;
    return 0;
}

int sks_select_remove(sks_select *sel, int arm)
{
    struct sksi_arm *a = arm_at(sel, arm);

    if (!a)
        return -1;
    *a = (struct sksi_arm){0};
    return 0;
}

/* ---- public ------------------------------------------------------------ */

static bool none_enabled(const sks_select *sel)
{
    uint32_t i = 0;

    while (i < sel->n && !sksi_arm_live(&sel->arms[i]))
        i++;
    return i == sel->n;
}

int sks_select_wait(sks_select *sel, int64_t deadline, unsigned flags, int *result)
{
    struct sksi_outcome out;
    struct sksi_arm *a;
    int failed, r;

    give_back(sel);
    if (deadline == SKS_NEVER && none_enabled(sel)) {
        errno = EINVAL;
        return -1;
    }
    failed = sksi_select_choose(sel, deadline, flags, &out);
    if (failed) {
        errno = failed;
        return -1;
    }
    a = &sel->arms[out.arm];
    r = (int)sksi_result(out.r);
    if (r == 1 && !(flags & SKS_SELECT_READY)) {
        if (!a->item)
            sel->held = out.arm;
        else if (a->tx)
            r = 0;
    }
    if (result)
        *result = r;
    return out.arm;
}

int sks_select_complete(sks_select *sel, void *item)
{
    const struct sksi_arm *a;
    ssize_t r;

    if (sel->held < 0) {
        errno = EINVAL;
        return -1;
    }
    a = &sel->arms[sel->held];
    sel->held = -1;
    /* A call on the handle itself may have given it up. */
    if (a->tx ? !a->tx->reserved : !sksi_receiver_holds(a->rx)) {
        errno = EINVAL;
        return -1;
    }
    if (a->tx) {
        sksi_copy(sel->slot, item, a->ch->item_size);
        r = sksi_try_commit(a->tx, 1);
        return r == 1 ? 0 : (int)sksi_result(r);
    }
    sksi_copy(item, sel->slot, a->ch->item_size);
    r = sksi_try_consume(a->rx, 1);
    return r == 0 ? 1 : (int)sksi_result(r);
}
