/* SPDX-License-Identifier: MIT */
/*
 * channel_test.c - channels of every shape, streams and timers, on one thread, while the
 * calls below them fail.
 */
#include "fault/items.h"

struct variant {
    const struct shape *shape;
    bool with_allocator;
};

/* Sweeps a scene over every shape, without and with an allocator. */
static void shapes_sweep(const char *name, scene_fn *fn)
{
    for (int with = 0; with <= 1; with++) {
        FOR_SHAPES(shape)
        {
            struct variant v = {shape, with};
            char text[128];

            snprintf(text, sizeof text, "%s, %s%s", name, shape->name, with ? ", allocator" : "");
            sweep(text, fn, &v, FAULT_ALL);
        }
    }
}

/* ---- use --------------------------------------------------------------- */

static void use_scene(struct scene *s)
{
    const struct variant *v = s->arg;
    struct rig r;
    uint64_t id = 0;

    if (!rig_try(s, &r, v->shape, v->with_allocator))
        return;
    for (int round = 0; round < 3; round++) {
        FOR_SENDS(op)
        {
            if (v->shape->capacity && op != SEND)
                give(s, r.tx2 && op % 2 ? r.tx2 : r.tx, op, id++, SKS_NOW);
        }
        FOR_RECEIVES(op)
        {
            if (op != RECV && op != SELECT_RECV_READY)
                take(s, r.rx2 && op % 2 ? r.rx2 : r.rx, op, SKS_NOW);
        }
    }
    rig_close(&r);
    CHECK(pieces == 0);
    items_check();
}

static void channel_is_used_while_calls_fail(void **state)
{
    (void)state;
    shapes_sweep("use", use_scene);
}

/* ---- in place ---------------------------------------------------------- */

/* Reserves up to 5, commits up to 3 of them. */
static void reserve_some(const struct scene *s, sks_sender *tx, uint64_t *id)
{
    void *slots;
    ssize_t n = -1, went;
    struct item it;

    if (!TRY(s, (n = sks_sender_reserve(tx, 5, &slots, SKS_NOW)) > 0 || not_now(SKS_NOW)) || n <= 0)
        return;
    CHECK(sks_sender_dup(tx) == NULL && errno == EBUSY);
    n = n > 3 ? 3 : n;
    for (ssize_t i = 0; i < n; i++) {
        it = item_of(*id + (uint64_t)i);
        memcpy((struct item *)slots + i, &it, sizeof it);
    }
    /* What was promised cannot fail, whatever else does. */
    went = sks_sender_commit(tx, (size_t)n);
    CHECK(went == n);
    for (; n; n--)
        sent[(*id)++]++;
}

/* Looks at up to 5, takes up to 2 of them. */
static void peek_some(const struct scene *s, sks_receiver *rx)
{
    void *slots;
    ssize_t n = -1;

    if (!TRY(s, (n = sks_receiver_peek(rx, 5, &slots, SKS_NOW)) > 0 || not_now(SKS_NOW)) || n <= 0)
        return;
    n = n > 2 ? 2 : n;
    for (ssize_t i = 0; i < n; i++) {
        struct item it;

        memcpy(&it, (struct item *)slots + i, sizeof it);
        item_got(&it);
    }
    CHECK(sks_receiver_consume(rx, (size_t)n) == 0);
}

static void in_place_scene(struct scene *s)
{
    const struct variant *v = s->arg;
    struct rig r;
    uint64_t id = 0;
    void *slots;

    if (!rig_try(s, &r, v->shape, v->with_allocator))
        return;
    for (int round = 0; round < 4; round++) {
        reserve_some(s, r.tx, &id);
        peek_some(s, r.rx);
        if (r.tx2)
            reserve_some(s, r.tx2, &id);
        if (r.rx2)
            peek_some(s, r.rx2);
    }
    /* Closed with a reservation and with peeked items: given back, and destroyed. */
    (void)sks_sender_reserve(r.tx, 2, &slots, SKS_NOW);
    (void)sks_receiver_peek(r.rx, 2, &slots, SKS_NOW);
    rig_close(&r);
    CHECK(pieces == 0);
    items_check();
}

static void items_are_made_and_read_in_place_while_calls_fail(void **state)
{
    (void)state;
    shapes_sweep("in place", in_place_scene);
}

/* ---- unbounded --------------------------------------------------------- */

static void blocks_scene(struct scene *s)
{
    const struct variant *v = s->arg;
    struct item many[80];
    uint64_t id = 0, last = 0;
    struct rig r;

    if (!rig_try(s, &r, v->shape, v->with_allocator))
        return;
    for (int round = 0; round < 3; round++) {
        ssize_t n = 0;

        for (int i = 0; i < 70; i++) {
            if (give(s, r.tx, SEND, id, SKS_NOW))
                id++;
        }
        for (uint64_t i = 0; i < 80; i++)
            many[i] = item_of(id + i);
        if (TRY(s, (n = sks_sender_send_many(r.tx, many, 80, SKS_NOW)) > 0)) {
            while (n--)
                sent[id++]++;
        }
        for (int i = 0; i < 90; i++) {
            struct item it;

            if (sks_receiver_try_recv(r.rx, &it) != 1)
                break;
            item_got(&it);
            CHECK(it.id == last); /* in order, none left out */
            last++;
        }
    }
    CHECK(sks_receiver_stat(r.rx, SKS_STAT_LEN) == id - last);
    rig_close(&r);
    CHECK(pieces == 0);
    items_check();
}

static void unbounded_channel_grows_while_calls_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int with = 0; with <= 1; with++) {
            struct variant v = {&shapes[i], with};

            if (shapes[i].capacity == SKS_UNBOUNDED)
                sweep(with ? "blocks, allocator" : "blocks", blocks_scene, &v, FAULT_ALL);
        }
    }
}

/* ---- stream ------------------------------------------------------------ */

static void stream_scene(struct scene *s)
{
    const struct variant *v = s->arg;
    sks_channel_options o = {
        .size = sizeof o,
        .destroy = destroy_item,
        .allocator = v->with_allocator ? &piece_allocator : NULL,
    };
    sks_stream *a, *b;
    sks_sender *more;

    items_reset();
    if (!TRY(s, sks_stream_pair_with(sizeof(struct item), v->shape->capacity, &o, &a, &b) == 0))
        return;
    for (uint64_t id = 0; id < 4 && v->shape->capacity; id++) {
        give(s, sks_stream_sender(id % 2 ? a : b), id < 2 ? SEND_MANY : RESERVE, id, SKS_NOW);
        take(s, sks_stream_receiver(id % 2 ? b : a), id < 2 ? PEEK : SELECT_RECV_TWO, SKS_NOW);
    }
    if (TRY(s, (more = sks_sender_dup(sks_stream_sender(a))) != NULL)) {
        if (v->shape->capacity)
            give(s, more, RESERVE, 10, SKS_NOW);
        sks_sender_close(more);
    }
    if (v->shape->capacity)
        give(s, sks_stream_sender(a), SEND_UNTIL, 11, SKS_NOW);
    sks_stream_close(a);
    take(s, sks_stream_receiver(b), PEEK, SKS_NOW);
    sks_stream_close(b);
    CHECK(pieces == 0);
    items_check();
}

static void stream_is_used_while_calls_fail(void **state)
{
    (void)state;
    shapes_sweep("stream", stream_scene);
}

/* ---- timers ------------------------------------------------------------ */

static sks_receiver *timer_of(int kind)
{
    switch (kind) {
    case 0:
        return sks_timer_after(1);
    case 1:
        return sks_timer_at(1);
    case 2:
        return sks_timer_tick(1000);
    default:
        return sks_timer_never();
    }
}

static void timer_scene(struct scene *s)
{
    for (int kind = 0; kind < 4; kind++) {
        sks_receiver *rx, *more = NULL;
        bool due = kind < 3;
        int64_t at = 0;
        void *slots;

        if (!TRY(s, (rx = timer_of(kind)) != NULL))
            continue;
        if (due && TRY(s, sks_receiver_peek(rx, 1, &slots, SKS_NEVER) == 1)) {
            memcpy(&at, slots, sizeof at);
            CHECK(at > 0 && sks_receiver_consume(rx, 1) == 0);
            due = kind == 2;
        }
        (void)TRY(s, (more = sks_receiver_dup(rx)) != NULL);
        if (due)
            CHECK(sks_receiver_recv(more ? more : rx, &at) == 1 && at > 0);
        if (kind != 2)
            CHECK(sks_receiver_recv_until(rx, &at, sks_after(1000)) == -1 && errno == ETIMEDOUT);
        sks_receiver_close(more);
        sks_receiver_close(rx);
    }
}

static void timer_is_used_while_calls_fail(void **state)
{
    (void)state;
    sweep("timers", timer_scene, NULL, FAULT_ALL);
}

SKS_TESTS("fault/channel", cmocka_unit_test(channel_is_used_while_calls_fail),
          cmocka_unit_test(items_are_made_and_read_in_place_while_calls_fail),
          cmocka_unit_test(unbounded_channel_grows_while_calls_fail),
          cmocka_unit_test(stream_is_used_while_calls_fail),
          cmocka_unit_test(timer_is_used_while_calls_fail))
