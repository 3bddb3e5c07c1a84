/* SPDX-License-Identifier: MIT */
/*
 * rendezvous_test.c - capacity 0: who meets whom, from calls, reservations and selects.
 *
 * Covers: rendezvous.c select.c select_wait.c
 */
#include "unit/channel/kit.h"

#define MEETINGS 3000

static void open_alone(struct rig *r)
{
    rig_open(r, &shapes[0]);
}

static void send_returns_when_a_receiver_has_the_item(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct rig r;
        struct job j;
        struct item it;

        open_alone(&r);
        job_call(&j, send_of(SEND + round % 6, r.tx, 9, SKS_NEVER), round / 6);
        assert_int_equal(sks_receiver_recv(r.rx, &it), 1);
        job_join(&j);
        assert_int_equal(j.call.r >= 0, 1);
        assert_true(item_is(&it, 9));
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_SENT), 1);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_RECEIVED), 1);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_LEN), 0);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_HIGH_WATER), 0);
        rig_close(&r);
    }
}

static void every_send_meets_every_receive(void **state)
{
    (void)state;
    for (int k = 0; k < 36 * 4; k++) {
        int send = SEND + k % 6, receive = RECV + k / 6 % 6;
        struct rig r;
        struct job a, b;

        open_alone(&r);
        job_call(&a, send_of(send, r.tx, 9, SKS_NEVER), k / 36);
        job_call(&b, recv_of(receive, r.rx, SKS_NEVER), k / 72);
        job_join(&a);
        job_join(&b);
        assert_int_equal(a.call.r >= 0, 1);
        assert_int_equal(b.call.r, 1);
        assert_true(item_is(&b.call.item, 9));
        rig_close(&r);
    }
}

static void try_call_meets_a_peer_that_waits(void **state)
{
    (void)state;
    for (int k = 0; k < 20; k++) {
        struct rig r;
        struct job j;
        struct item it = item_of(4);
        int done;

        open_alone(&r);
        job_call(&j, k % 2 ? send_of(SEND, r.tx, 4, SKS_NEVER) : recv_of(RECV, r.rx, SKS_NEVER), 0);
        do
            done = k % 2 ? sks_receiver_try_recv(r.rx, &it) : sks_sender_try_send(r.tx, &it) + 1;
        while (done != 1 && errno == EAGAIN);
        assert_int_equal(done, 1);
        job_join(&j);
        assert_true(item_is(k % 2 ? &it : &j.call.item, 4));
        rig_close(&r);
    }
}

static void send_that_times_out_keeps_its_item(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct rig r;
        struct job j;
        struct item it;
        int got;

        open_alone(&r);
        job_call(&j, send_of(SEND_UNTIL, r.tx, 4, sks_after(round * 300)), 1);
        got = sks_receiver_recv_until(r.rx, &it, sks_after((300 - round) * 300));
        job_join(&j);
        assert_int_equal(j.call.r == 0, got == 1);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_SENT), got == 1);
        rig_close(&r);
        assert_destroyed(0, IDS, 0);
    }
}

/* ---- reservations ------------------------------------------------------ */

static void reservation_given_back_leaves_the_receiver_waiting(void **state)
{
    (void)state;
    for (int how = 0; how < 30; how++) {
        struct rig r;
        struct job j;
        struct item it = item_of(12);
        void *slots;

        open_alone(&r);
        job_call(&j, recv_of(RECV + how % 6, r.rx, SKS_NEVER), 0);
        assert_int_equal(sks_sender_reserve(r.tx, 5, &slots, SKS_NEVER), 1);
        memset(slots, 0xee, sizeof it);
        if (how / 6 % 2)
            assert_int_equal(sks_sender_commit(r.tx, 0), 0);
        assert_int_equal(sks_sender_send(r.tx, &it), 0);
        job_join(&j);
        assert_int_equal(j.call.r, 1);
        assert_true(item_is(&j.call.item, 12));
        rig_close(&r);
    }
}

static void sender_with_a_reservation_closes_receiver_ends(void **state)
{
    (void)state;
    for (int how = 0; how < 12; how++) {
        struct rig r;
        struct job j;
        void *slots;

        open_alone(&r);
        job_call(&j, recv_of(RECV + how % 6, r.rx, SKS_NEVER), 0);
        assert_int_equal(sks_sender_reserve(r.tx, 1, &slots, SKS_NEVER), 1);
        rig_close_senders(&r);
        job_join(&j);
        assert_int_equal(j.call.r, 0);
        rig_close(&r);
    }
}

/*   receiver   recv: waits                      is woken with the code
 *   sender               reserve: has claimed it                       commit: the code
 *   third                                 abort */
static void abort_reaches_a_receiver_that_a_reservation_holds(void **state)
{
    (void)state;
    for (int how = 0; how < 6; how++) {
        struct rig r;
        struct job j;
        void *slots;

        open_alone(&r);
        job_call(&j, recv_of(RECV + how, r.rx, SKS_NEVER), 0);
        assert_int_equal(sks_sender_reserve(r.tx, 1, &slots, SKS_NEVER), 1);
        assert_int_equal(sks_sender_abort(r.tx, 77), 0);
        job_join(&j);
        assert_int_equal(j.call.r, -1);
        assert_int_equal(j.call.error, 77);
        assert_int_equal(sks_sender_commit(r.tx, 1), -1);
        assert_int_equal(errno, 77);
        rig_close(&r);
    }
}

static void deadline_reaches_a_receiver_that_a_reservation_holds(void **state)
{
    (void)state;
    for (int how = RECV_UNTIL - RECV; how < 6; how++) {
        struct rig r;
        struct job j;
        void *slots;
        ssize_t held;

        open_alone(&r);
        job_call(&j, recv_of(RECV + how, r.rx, sks_after(50000000)), 0);
        held = sks_sender_reserve(r.tx, 1, &slots, sks_after(10000000));
        job_join(&j);
        assert_int_equal(j.call.r, -1);
        assert_int_equal(j.call.error, ETIMEDOUT);
        if (held == 1) {
            assert_int_equal(sks_sender_commit(r.tx, 1), -1);
            assert_int_equal(errno, EAGAIN);
        }
        rig_close(&r);
    }
}

/* ---- selects ----------------------------------------------------------- */

static void select_does_not_meet_itself(void **state)
{
    (void)state;
    for (int k = 0; k < 32; k++) {
        struct rig r;
        struct item in = item_of(1), out;
        sks_select *sel = sks_select_new();

        open_alone(&r);
        sks_select_send(sel, r.tx, k & 1 ? &in : NULL);
        sks_select_recv(sel, r.rx, k & 2 ? &out : NULL);
        assert_int_equal(sks_select_wait(sel, k & 4 ? SKS_NOW : sks_after(100000),
                                         k & 8 ? SKS_SELECT_READY : 0, NULL),
                         -1);
        assert_int_equal(errno, k & 4 ? EAGAIN : ETIMEDOUT);
        assert_int_equal(sks_sender_stat(r.tx, SKS_STAT_SENT), 0);
        sks_select_free(sel);
        rig_close(&r);
    }
}

/* One side of several channels in one select; sends or receives MEETINGS items. */
struct side {
    sks_sender *tx[3];
    sks_receiver *rx[3];
    bool two;
    uint64_t sum, n;
};

static void meet_many(struct job *j)
{
    struct side *s = j->arg;
    sks_select *sel = sks_select_new();
    struct item it[3];

    for (int i = 0; i < 3; i++) {
        void *item = s->two ? NULL : &it[i];

        if (s->tx[0])
            sks_select_send(sel, s->tx[i], item);
        else
            sks_select_recv(sel, s->rx[i], item);
    }
    while (s->n < MEETINGS) {
        int result = -5, arm;

        for (int i = 0; i < 3 && s->tx[0]; i++)
            it[i] = item_of(s->n);
        arm = sks_select_wait(sel, SKS_NEVER, 0, &result);
        if (s->two && result == 1)
            result = sks_select_complete(sel, &it[arm]);
        if (s->two && result == -1 && errno == EAGAIN)
            continue;
        if (arm < 0 || result != (s->tx[0] ? 0 : 1) || !item_is(&it[arm], s->n))
            break;
        s->sum += it[arm].id;
        s->n++;
    }
    sks_select_free(sel);
}

static void selects_meet(bool two_send, bool two_recv)
{
    struct rig r[3];
    struct side a = {.two = two_send}, b = {.two = two_recv};
    struct job ja = {.run = meet_many, .arg = &a}, jb = {.run = meet_many, .arg = &b};

    for (int i = 0; i < 3; i++) {
        open_alone(&r[i]);
        a.tx[i] = r[i].tx;
        b.rx[i] = r[i].rx;
    }
    job_start(&ja);
    job_start(&jb);
    job_join(&ja);
    job_join(&jb);
    assert_int_equal(a.n, MEETINGS);
    assert_int_equal(b.n, MEETINGS);
    assert_int_equal(a.sum, b.sum);
    for (int i = 0; i < 3; i++)
        rig_close(&r[i]);
}

static void select_that_sends_meets_select_that_receives(void **state)
{
    (void)state;
    selects_meet(false, false);
}

static void two_phase_send_meets_select_that_receives(void **state)
{
    (void)state;
    selects_meet(true, false);
}

static void select_that_sends_meets_two_phase_receive(void **state)
{
    (void)state;
    selects_meet(false, true);
}

static void two_phase_send_meets_two_phase_receive(void **state)
{
    (void)state;
    selects_meet(true, true);
}

/*   Two threads, each sends on one channel and receives on another in one select. */
struct swap {
    sks_sender *tx;
    sks_receiver *rx;
    uint64_t sent, received;
};

static void swap_items(struct job *j)
{
    struct swap *s = j->arg;
    sks_select *sel = sks_select_new();
    struct item in, out = item_of(0);

    sks_select_send(sel, s->tx, &out);
    sks_select_recv(sel, s->rx, &in);
    while (s->sent < MEETINGS || s->received < MEETINGS) {
        int result, arm = sks_select_wait(sel, SKS_NEVER, 0, &result);

        if (arm == 0 && result == 0)
            out = item_of(++s->sent);
        else if (arm == 1 && result == 1 && item_is(&in, s->received))
            s->received++;
        else
            break;
        sks_select_enable(sel, 0, s->sent < MEETINGS);
        sks_select_enable(sel, 1, s->received < MEETINGS);
    }
    sks_select_free(sel);
}

static void selects_that_send_and_receive_crosswise_go_on(void **state)
{
    struct rig r[2];
    struct swap a, b;
    struct job ja = {.run = swap_items, .arg = &a}, jb = {.run = swap_items, .arg = &b};

    (void)state;
    open_alone(&r[0]);
    open_alone(&r[1]);
    a = (struct swap){r[0].tx, r[1].rx, 0, 0};
    b = (struct swap){r[1].tx, r[0].rx, 0, 0};
    job_start(&ja);
    job_start(&jb);
    job_join(&ja);
    job_join(&jb);
    assert_int_equal(a.sent + b.sent, 2 * MEETINGS);
    assert_int_equal(a.received + b.received, 2 * MEETINGS);
    rig_close(&r[0]);
    rig_close(&r[1]);
}

static void *signals(void *arg)
{
    for (int i = 0; i < 50; i++)
        assert_int_equal(sks_sender_send(arg, NULL), 0);
    sks_sender_close(arg);
    return NULL;
}

/* Items of no bytes need no memory: NULL is no peek. */
static void items_of_size_0_meet_without_memory(void **state)
{
    sks_sender *tx;
    sks_receiver *rx;
    pthread_t t;

    (void)state;
    assert_int_equal(sks_channel(0, 0, &tx, &rx), 0);
    assert_int_equal(pthread_create(&t, NULL, signals, tx), 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(sks_receiver_recv(rx, NULL), 1);
    assert_int_equal(sks_receiver_recv(rx, NULL), 0);
    assert_int_equal(sks_receiver_stat(rx, SKS_STAT_RECEIVED), 50);
    assert_int_equal(sks_receiver_stat(rx, SKS_STAT_LEN), 0);
    sks_receiver_close(rx);
    assert_int_equal(pthread_join(t, NULL), 0);
}

SKS_TESTS("channel/rendezvous", cmocka_unit_test(send_returns_when_a_receiver_has_the_item),
          cmocka_unit_test(every_send_meets_every_receive),
          cmocka_unit_test(try_call_meets_a_peer_that_waits),
          cmocka_unit_test(send_that_times_out_keeps_its_item),
          cmocka_unit_test(reservation_given_back_leaves_the_receiver_waiting),
          cmocka_unit_test(sender_with_a_reservation_closes_receiver_ends),
          cmocka_unit_test(abort_reaches_a_receiver_that_a_reservation_holds),
          cmocka_unit_test(deadline_reaches_a_receiver_that_a_reservation_holds),
          cmocka_unit_test(select_does_not_meet_itself),
          cmocka_unit_test(select_that_sends_meets_select_that_receives),
          cmocka_unit_test(two_phase_send_meets_select_that_receives),
          cmocka_unit_test(select_that_sends_meets_two_phase_receive),
          cmocka_unit_test(two_phase_send_meets_two_phase_receive),
          cmocka_unit_test(selects_that_send_and_receive_crosswise_go_on),
          cmocka_unit_test(items_of_size_0_meet_without_memory))
