/* SPDX-License-Identifier: MIT */
/*
 * select_test.c - selects of 1 to 9 arms of every kind, in every mode, while the calls
 * below them fail.
 */
#include "fault/items.h"

#define ARMS_MAX 9

struct select_variant {
    int arms;
    bool two; /* two phases */
    unsigned flags;
};

struct set {
    struct rig rigs[ARMS_MAX];
    int arm[ARMS_MAX];
    struct item items[ARMS_MAX];
    sks_select *sel;
    sks_receiver *timer;
    int n;
};

/* A rig of each shape in turn; those with room hold an item. */
static bool set_open(const struct scene *s, struct set *set, int n, bool two)
{
    const struct item empty = {0};

    memset(set, 0, sizeof *set);
    items_reset();
    for (; set->n < n; set->n++) {
        struct rig *r = &set->rigs[set->n];
        sks_channel_options o = {.size = sizeof o, .destroy = destroy_item};

        r->shape = &shapes[(set->n + 3) % 8];
        if (!TRY(s, sks_channel_with(sizeof(struct item), r->shape->capacity, &o, &r->tx, &r->rx) ==
                        0))
            return false;
        if (r->shape->shared) {
            (void)TRY(s, (r->tx2 = sks_sender_dup(r->tx)) != NULL);
            (void)TRY(s, (r->rx2 = sks_receiver_dup(r->rx)) != NULL);
        }
        if (r->shape->capacity)
            give(s, r->tx, SEND, (uint64_t)set->n, SKS_NOW);
        set->items[set->n] = empty;
    }
    if (!TRY(s, (set->sel = sks_select_new()) != NULL) ||
        !TRY(s, (set->timer = sks_timer_never()) != NULL))
        return false;
    for (int i = 0; i < n; i++) {
        void *item = two ? NULL : &set->items[i];
        sks_receiver *rx = i == 0 && n > 1 ? set->timer : set->rigs[i].rx;

        if (!TRY(s, (set->arm[i] = sks_select_recv(set->sel, rx, item)) == i))
            return false;
    }
    return true;
}

static void set_close(struct set *set)
{
    sks_select_free(set->sel); /* what it holds goes back */
    sks_receiver_close(set->timer);
    for (int i = 0; i < set->n; i++)
        rig_close(&set->rigs[i]);
    items_check();
}

/* Takes what the chosen arm has. */
static void arm_take(const struct scene *s, struct set *set, int arm, int result, bool two,
                     unsigned flags)
{
    struct item it;

    (void)s;
    CHECK(arm >= 0 && arm < set->n && result == 1);
    if (flags & SKS_SELECT_READY)
        CHECK(sks_receiver_try_recv(set->rigs[arm].rx, &it) == 1);
    else if (two)
        CHECK(sks_select_complete(set->sel, &it) == 1);
    else
        it = set->items[arm];
    item_got(&it);
}

static void receive_scene(struct scene *s)
{
    const struct select_variant *v = s->arg;
    struct set set;
    int arm, result;

    if (!set_open(s, &set, v->arms, v->two))
        goto out;
    for (int turn = 0; turn < 2 * v->arms; turn++) {
        result = -2;
        if (!TRY(s, ((arm = sks_select_wait(set.sel, SKS_NOW, v->flags, &result)) >= 0 &&
                     result >= 0) ||
                        (arm < 0 && not_now(SKS_NOW))))
            continue;
        if (arm < 0)
            break;
        if (turn != 1 || !v->two) /* the second is given back by the next wait */
            arm_take(s, &set, arm, result, v->two, v->flags);
    }
out:
    set_close(&set);
}

static void select_receives_while_calls_fail(void **state)
{
    (void)state;
    for (int arms = 1; arms <= ARMS_MAX; arms++) {
        for (int mode = 0; mode < 3; mode++) {
            struct select_variant v = {arms, mode == 1, mode == 2 ? SKS_SELECT_READY : 0};
            char text[64];

            snprintf(text, sizeof text, "select %d receives, mode %d", arms, mode);
            sweep(text, receive_scene, &v, FAULT_ALL);
        }
    }
}

/* ---- sends ------------------------------------------------------------- */

static void send_scene(struct scene *s)
{
    const struct select_variant *v = s->arg;
    struct set set;
    int arm = -1, result;

    if (!set_open(s, &set, v->arms, false))
        goto out;
    for (int i = 0; i < v->arms; i++)
        CHECK(sks_select_remove(set.sel, set.arm[i]) == 0);
    for (int i = 0; i < v->arms; i++) {
        set.items[i] = item_of((uint64_t)(100 + i));
        /* The numbers of removed arms are used again: no memory. */
        CHECK(sks_select_send(set.sel, set.rigs[i].tx, v->two ? NULL : &set.items[i]) == i);
    }
    for (int turn = 0; turn < v->arms; turn++) {
        result = -2;
        if (!TRY(s, ((arm = sks_select_wait(set.sel, SKS_NOW, v->flags, &result)) >= 0 &&
                     result >= 0) ||
                        (arm < 0 && not_now(SKS_NOW))) ||
            arm < 0)
            continue;
        if (v->flags & SKS_SELECT_READY)
            (void)TRY(s, (result = sks_sender_try_send(set.rigs[arm].tx, &set.items[arm])) == 0);
        else if (v->two)
            CHECK((result = sks_select_complete(set.sel, &set.items[arm])) == 0);
        if (result == 0)
            sent[100 + arm]++;
        CHECK(sks_select_enable(set.sel, arm, false) == 0);
    }
out:
    set_close(&set);
}

static void select_sends_while_calls_fail(void **state)
{
    (void)state;
    for (int arms = 1; arms <= ARMS_MAX; arms++) {
        for (int mode = 0; mode < 3; mode++) {
            struct select_variant v = {arms, mode == 1, mode == 2 ? SKS_SELECT_READY : 0};
            char text[64];

            snprintf(text, sizeof text, "select %d sends, mode %d", arms, mode);
            sweep(text, send_scene, &v, FAULT_ALL);
        }
    }
}

SKS_TESTS("fault/select", cmocka_unit_test(select_receives_while_calls_fail),
          cmocka_unit_test(select_sends_while_calls_fail))
