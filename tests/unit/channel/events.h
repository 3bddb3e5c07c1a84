/* SPDX-License-Identifier: MIT */
/*
 * events.h - the events of the table in channel.h, and what each side must see after one.
 */
#ifndef SKS_TESTS_CHANNEL_EVENTS_H
#define SKS_TESTS_CHANNEL_EVENTS_H

#include "unit/channel/kit.h"

#define ROUNDS 4
#define CODE 4711

/* ---- what each side must see ------------------------------------------- */

/* The receiver gets the ids [from, to) and then nothing for ever. */
static inline void assert_drains(sks_receiver *rx, uint64_t from, uint64_t to)
{
    for (uint64_t id = from; id < to; id++) {
        struct call c = recv_of(RECV, rx, SKS_NEVER);

        call_run(&c);
        assert_int_equal(c.r, 1);
        assert_true(item_is(&c.item, id));
    }
    FOR_RECEIVES(op)
    {
        struct call c = recv_of(op, rx, op % 2 ? SKS_NOW : SKS_NEVER);

        call_run(&c);
        assert_int_equal(c.r, 0);
        assert_int_equal(c.item.id, 0);
    }
}

static inline void assert_all_sends_fail(sks_sender *tx, int code)
{
    FOR_SENDS(op)
    {
        struct call c = send_of(op, tx, 100 + (uint64_t)op, op % 2 ? SKS_NOW : SKS_NEVER);

        assert_fails(&c, code);
        assert_true(item_is(&c.item, 100 + (uint64_t)op));
    }
    assert_destroyed(100, 200, 0);
}

static inline void assert_all_receives_fail(sks_receiver *rx, int code)
{
    FOR_RECEIVES(op)
    {
        struct call c = recv_of(op, rx, op % 2 ? SKS_NOW : SKS_NEVER);

        assert_fails(&c, code);
        assert_int_equal(c.item.id, 0);
    }
}

/* ---- events ------------------------------------------------------------ */

static inline void close_senders(struct rig *r)
{
    rig_close_senders(r);
}

static inline void close_receivers(struct rig *r)
{
    rig_close_receivers(r);
}

static inline void refuse(struct rig *r)
{
    sks_receiver_refuse(r->rx);
    sks_receiver_refuse(r->rx);
}

static inline void say_done(struct rig *r)
{
    sks_sender_done(r->tx);
    sks_sender_done(r->tx);
    if (r->tx2)
        sks_sender_done(r->tx2);
}

static inline void abort_from_sender(struct rig *r)
{
    assert_int_equal(sks_sender_abort(r->tx, CODE), 0);
}

static inline void abort_from_receiver(struct rig *r)
{
    assert_int_equal(sks_receiver_abort(r->rx, CODE), 0);
}

/* A receiver that waits in `op` on an empty channel comes back with r and code. */
static inline void blocked_receivers_see(void (*event)(struct rig *), ssize_t result, int code)
{
    FOR_SHAPES(s)
    {
        FOR_RECEIVES(op)
        {
            for (int round = 0; round < ROUNDS; round++) {
                struct rig r;
                struct job j;

                rig_open(&r, s);
                /* The receiver that waits is not the one that ends, if there are two. */
                job_call(&j, recv_of(op, r.rx2 ? r.rx2 : r.rx, SKS_NEVER), round);
                event(&r);
                job_join(&j);
                assert_int_equal(j.call.r, result);
                if (result == -1)
                    assert_int_equal(j.call.error, code);
                assert_int_equal(j.call.item.id, 0);
                rig_close(&r);
            }
        }
    }
}

/* A sender that waits in `op` on a full channel comes back with `code`. */
static inline void blocked_senders_see(void (*event)(struct rig *), int code)
{
    FOR_SHAPES(s)
    {
        for (int k = 0; k < (RECV - SEND) * ROUNDS && s->capacity != SKS_UNBOUNDED; k++) {
            struct rig r;
            struct job j;
            uint64_t n;

            rig_open(&r, s);
            n = rig_fill(&r);
            job_call(&j, send_of(SEND + k / ROUNDS, r.tx2 ? r.tx2 : r.tx, 77, SKS_NEVER), k);
            event(&r);
            job_join(&j);
            assert_int_equal(j.call.r, -1);
            assert_int_equal(j.call.error, code);
            assert_destroyed(77, 78, 0);
            rig_close(&r);
            assert_destroyed(0, n, 1);
            assert_destroyed(77, 78, 0);
        }
    }
}

#endif
