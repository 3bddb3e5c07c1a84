/* SPDX-License-Identifier: MIT */
/*
 * blocked_test.c - threads that wait for each other in every kind of call, while the
 * calls below them fail: nobody is left asleep, and nothing is lost.
 */
#include "fault/items.h"

#define EACH 3 /* items a kind of call */

struct traffic {
    const struct scene *scene;
    sks_sender *tx;
    sks_receiver *rx;
    uint64_t from;
    bool looks; /* it may select with READY */
    pthread_t thread;
};

/* ---- traffic ----------------------------------------------------------- */

static void *sender_main(void *arg)
{
    struct traffic *t = arg;
    uint64_t id = t->from;

    for (int i = 0; i < EACH; i++) {
        FOR_SENDS(op)
        give(t->scene, t->tx, op, id++, SKS_NEVER);
    }
    sks_sender_close(t->tx);
    return NULL;
}

static void *receiver_main(void *arg)
{
    struct traffic *t = arg;
    bool more = true;

    while (more) {
        for (int op = RECV; op < OPS && more; op++) {
            /* On a rendezvous two that only look do not see each other. */
            if (op == SELECT_RECV_READY && !t->looks)
                continue;
            more = take(t->scene, t->rx, op, SKS_NEVER);
        }
    }
    sks_receiver_close(t->rx);
    return NULL;
}

static void traffic_scene(struct scene *s)
{
    struct traffic t[4];
    struct rig r;
    int n = 0;

    if (!rig_try(s, &r, s->arg, false))
        return;
    t[n++] = (struct traffic){.scene = s, .tx = r.tx, .from = 0};
    if (r.tx2)
        t[n++] = (struct traffic){.scene = s, .tx = r.tx2, .from = 1000};
    t[n++] = (struct traffic){.scene = s, .rx = r.rx, .looks = r.shape->capacity};
    if (r.rx2)
        t[n++] = (struct traffic){.scene = s, .rx = r.rx2, .looks = r.shape->capacity};
    for (int i = 0; i < n; i++)
        CHECK(pthread_create(&t[i].thread, NULL, t[i].tx ? sender_main : receiver_main, &t[i]) ==
              0);
    for (int i = 0; i < n; i++)
        pthread_join(t[i].thread, NULL);
    items_check();
}

static void traffic_goes_on_while_calls_fail(void **state)
{
    (void)state;
    FOR_SHAPES(shape)
    {
        char text[64];

        snprintf(text, sizeof text, "traffic, %s", shape->name);
        sweep(text, traffic_scene, shape, FAULT_MEMORY | FAULT_FUTEX);
    }
}

/* ---- woken without memory ---------------------------------------------- */

struct pair {
    const struct shape *shape;
    int op; /* of the waiter that is woken first */
};

struct waiter {
    struct job job;
    struct call call;
};

static void waiter_run(struct job *j)
{
    struct waiter *w = j->arg;
    struct call *c = &w->call;

    errno = 0;
    if (c->tx)
        c->r = give_once(c->tx, c->op, &c->item, SKS_NEVER);
    else
        c->r = take_once(c->rx, c->op, &c->item, SKS_NEVER);
    c->error = errno;
}

static void waiter_start(struct waiter *w, struct call c)
{
    *w = (struct waiter){.call = c, .job = {.run = waiter_run, .arg = w}};
    job_start(&w->job);
    job_settle(&w->job);
}

/* No memory; or it only looked, and the other one was quicker. */
static bool left_well(const struct call *c)
{
    bool looked = c->op == SELECT_SEND_READY || c->op == SELECT_RECV_READY;

    return c->error == ENOMEM || (looked && c->error == EAGAIN);
}

/* Two receivers sleep on an empty channel, there is no more memory, one item comes: one
 * of the two has it. */
static void receivers_scene(struct scene *s)
{
    const struct pair *p = s->arg;
    struct waiter first, second;
    struct rig r;

    if (!rig_try(s, &r, p->shape, false))
        return;
    if (r.tx2 && r.rx2) {
        if (p->shape->capacity && give(s, r.tx, SEND, 0, SKS_NOW)) /* the first block is there */
            CHECK(take(s, r.rx, RECV, SKS_NOW));
        waiter_start(&first, recv_of(p->op, r.rx, SKS_NEVER));
        waiter_start(&second, recv_of(RECV, r.rx2, SKS_NEVER));
        sweep_force(SWEEP_ALL);
        if (give(s, r.tx, SEND, 1, p->shape->capacity ? SKS_NOW : SKS_NEVER) &&
            p->shape->capacity) {
            while (sks_receiver_stat(r.rx, SKS_STAT_LEN))
                sched_yield();
        }
        rig_close_senders(&r); /* the other one sees the end */
        job_join(&first.job);
        job_join(&second.job);
        sweep_force(SWEEP_NORMAL);
        CHECK(first.call.r >= 0 || left_well(&first.call));
        CHECK(second.call.r >= 0);
        if (first.call.r == 1)
            item_got(&first.call.item);
        if (second.call.r == 1)
            item_got(&second.call.item);
    }
    rig_close(&r);
    items_check();
}

/* Two senders sleep on a full channel, there is no more memory, one place gets free: one
 * of the two has it. */
static void senders_scene(struct scene *s)
{
    const struct pair *p = s->arg;
    struct waiter first, second;
    uint64_t n = p->shape->capacity;
    struct item it;
    struct rig r;

    if (!rig_try(s, &r, p->shape, false))
        return;
    if (r.tx2 && r.rx2) {
        for (uint64_t id = 10; id < 10 + n; id++)
            give(s, r.tx, SEND, id, SKS_NOW);
        sent[1] = sent[2] = 1;
        waiter_start(&first, send_of(p->op, r.tx, 1, SKS_NEVER));
        waiter_start(&second, send_of(SEND, r.tx2, 2, SKS_NEVER));
        sweep_force(SWEEP_ALL);
        CHECK(sks_receiver_recv(r.rx, &it) == 1);
        item_got(&it);
        while (n && sks_receiver_stat(r.rx, SKS_STAT_LEN) < n)
            sched_yield();
        rig_close_receivers(&r); /* the other one sees the end */
        job_join(&first.job);
        job_join(&second.job);
        sweep_force(SWEEP_NORMAL);
        CHECK(first.call.r == 0 || first.call.error == EPIPE || left_well(&first.call));
        sent[1] = first.call.r == 0;
        sent[2] = second.call.r == 0;
    }
    rig_close(&r);
    items_check();
}

/* A select in two phases on a queue: it needs its memory after it was woken. */
static bool two_phases(int op)
{
    return op == SELECT_SEND_TWO || op == SELECT_RECV_TWO;
}

static void pairs_sweep(const char *name, scene_fn *fn, int from, int to, bool two)
{
    FOR_SHAPES(shape)
    {
        for (int op = from; op < to && shape->shared; op++) {
            struct pair p = {shape, op};
            char text[64];

            if (from == SEND && shape->capacity == SKS_UNBOUNDED)
                continue;
            if (two_phases(op) != two)
                continue;
            snprintf(text, sizeof text, "%s, %s, call %d", name, shape->name, op);
            sweep(text, fn, &p, FAULT_MEMORY);
        }
    }
}

static void one_of_two_receivers_has_the_item_when_memory_is_short(void **state)
{
    (void)state;
    pairs_sweep("two receivers", receivers_scene, RECV, OPS, false);
}

static void one_of_two_senders_has_the_place_when_memory_is_short(void **state)
{
    (void)state;
    pairs_sweep("two senders", senders_scene, SEND, RECV, false);
}

/* ---- select in two phases --------------------------------------------- */

static void select_that_fails_leaves_its_wake_up_to_the_next(void **state)
{
    (void)state;
    pairs_sweep("two receivers", receivers_scene, RECV, OPS, true);
    pairs_sweep("two senders", senders_scene, SEND, RECV, true);
}

static void reserve_on_rendezvous(struct job *j)
{
    struct waiter *w = j->arg;

    w->call.r = give_reserved(w->call.tx, &w->call.item, w->call.deadline);
}

/* A reserve waits for a receiver, and a select comes that has no memory for the item. */
static void meeting_scene(struct scene *s)
{
    struct waiter w = {.job = {.run = reserve_on_rendezvous, .arg = &w}};
    struct item it;
    struct rig r;
    sks_select *sel;
    void *slots;
    int got;

    if (!rig_try(s, &r, s->arg, false))
        return;
    /* Its memory is there before the rest runs short. */
    if (TRY(s, sks_sender_reserve(r.tx, 1, &slots, SKS_NOW) == -1 && errno == EAGAIN)) {
        w.call = send_of(RESERVE, r.tx, 1, SKS_NEVER);
        job_start(&w.job);
        job_settle(&w.job);
        got = 0;
        sel = sks_select_new();
        if (sel && sks_select_recv(sel, r.rx, NULL) == 0) {
            int result = -2, arm;

            sweep_force(SWEEP_ALL);
            arm = sks_select_wait(sel, sks_after(1000000000), 0, &result);
            CHECK(arm == 0); /* done, or no memory: not the deadline */
            if (result == 1 && sks_select_complete(sel, &it) == 1)
                got = 1;
            else
                CHECK(errno == ENOMEM);
            sweep_force(SWEEP_NORMAL);
        }
        sks_select_free(sel);
        rig_close_receivers(&r);
        job_join(&w.job);
        CHECK((w.call.r == 0) == got);
    }
    rig_close(&r);
}

static void select_without_memory_for_a_meeting_says_so(void **state)
{
    (void)state;
    sweep("meeting", meeting_scene, &shapes[0], FAULT_MEMORY);
}

SKS_TESTS("fault/blocked", cmocka_unit_test(traffic_goes_on_while_calls_fail),
          cmocka_unit_test(one_of_two_receivers_has_the_item_when_memory_is_short),
          cmocka_unit_test(one_of_two_senders_has_the_place_when_memory_is_short),
          cmocka_unit_test(select_that_fails_leaves_its_wake_up_to_the_next),
          cmocka_unit_test(select_without_memory_for_a_meeting_says_so))
