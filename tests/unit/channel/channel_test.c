/* SPDX-License-Identifier: MIT */
/*
 * channel_test.c - making channels: sizes, alignments, allocators, memory that runs out;
 * and the deadlines that every call knows.
 *
 * Covers: make.c send.c recv.c
 */
#include "plat/plat.h"
#include "unit/channel/kit.h"

/* ---- sizes and alignments ---------------------------------------------- */

static void fill_bytes(unsigned char *at, size_t size, unsigned char seed)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (unsigned char)(seed + i * 7);
}

static bool bytes_are(const unsigned char *at, size_t size, unsigned char seed)
{
    for (size_t i = 0; i < size; i++) {
        if (at[i] != (unsigned char)(seed + i * 7))
            return false;
    }
    return true;
}

/* Sends and receives 10 items in every way; places must be aligned. */
static void go_through(size_t size, size_t align, size_t capacity, bool shared)
{
    static unsigned char in[4 * 4096], out[4 * 4096];
    size_t stride = (size + (align ? align : 1) - 1) / (align ? align : 1) * (align ? align : 1);
    sks_sender *tx, *tx2 = NULL;
    sks_receiver *rx, *rx2 = NULL;
    void *slots;

    assert_int_equal(sks_channel_plain(size, align, capacity, NULL, NULL, &tx, &rx), 0);
    if (shared) {
        assert_non_null(tx2 = sks_sender_dup(tx));
        assert_non_null(rx2 = sks_receiver_dup(rx));
    }
    for (int lap = 0; lap < 10; lap++) {
        ssize_t n;

        fill_bytes(in, 2 * size, (unsigned char)lap);
        assert_int_equal(sks_sender_send_many(tx, in, 2, SKS_NOW), 2);
        n = sks_sender_reserve(tx, 1, &slots, SKS_NOW);
        assert_int_equal(n, 1);
        assert_int_equal(align ? (uintptr_t)slots % align : 0, 0);
        fill_bytes(slots, size, (unsigned char)(lap + 100));
        assert_int_equal(sks_sender_commit(tx, 1), 1);
        memset(out, 0xee, sizeof out);
        for (int k = 0; k < 2; k++)
            assert_int_equal(sks_receiver_recv_many(rx, out + (size_t)k * size, 1, SKS_NOW), 1);
        assert_true(bytes_are(out, 2 * size, (unsigned char)lap));
        assert_int_equal(out[2 * size], 0xee);
        assert_int_equal(sks_receiver_peek(rx, 3, &slots, SKS_NOW), 1);
        assert_int_equal(align ? (uintptr_t)slots % align : 0, 0);
        assert_true(bytes_are(slots, size, (unsigned char)(lap + 100)));
        assert_int_equal(sks_receiver_consume(rx, 1), 0);
    }
    assert_true(stride >= size);
    sks_sender_close(tx);
    sks_sender_close(tx2);
    sks_receiver_close(rx);
    sks_receiver_close(rx2);
}

static void items_of_every_size_and_alignment_arrive_whole(void **state)
{
    static const size_t sizes[] = {0, 1, 3, 4, 8, 16, 24, 32, 64, 100, 4096};
    static const size_t aligns[] = {0, 1, 64, 4096};
    static const size_t capacities[] = {3, 8, SKS_UNBOUNDED};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t k = 0; k < sizeof aligns / sizeof *aligns; k++) {
            for (size_t c = 0; c < 6; c++)
                go_through(sizes[i], aligns[k], capacities[c / 2], c % 2);
        }
    }
}

static void default_alignment_is_the_largest_that_divides_up_to_64(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 48, 64, 128, 192};

    (void)state;
    for (size_t i = 0; i < 2 * (sizeof sizes / sizeof *sizes); i++) {
        size_t size = sizes[i / 2], align = size & -size;
        sks_sender *tx;
        sks_receiver *rx;
        void *slots;

        align = align > 64 ? 64 : align;
        assert_int_equal(sks_channel(size, i % 2 ? 4 : SKS_UNBOUNDED, &tx, &rx), 0);
        assert_int_equal(sks_sender_reserve(tx, 4, &slots, SKS_NOW), 4);
        assert_int_equal((uintptr_t)slots % align, 0);
        sks_sender_close(tx);
        sks_receiver_close(rx);
    }
}

static void items_of_size_zero_need_no_pointer(void **state)
{
    (void)state;
    FOR_SHAPES(s)
    {
        sks_sender *tx;
        sks_receiver *rx;
        struct job j;

        assert_int_equal(sks_channel(0, s->capacity, &tx, &rx), 0);
        j = (struct job){.call = {.op = SEND_MANY, .tx = tx, .deadline = SKS_NEVER}};
        job_start(&j);
        assert_int_equal(sks_receiver_recv(rx, NULL), 1);
        job_join(&j);
        assert_int_equal(j.call.r, 1);
        if (s->capacity == 8) {
            assert_int_equal(sks_sender_send_many(tx, NULL, 9, SKS_NOW), 8);
            assert_int_equal(sks_receiver_recv_many(rx, NULL, 9, SKS_NOW), 8);
        }
        sks_sender_close(tx);
        sks_receiver_close(rx);
    }
}

static void shapes_that_make_no_sense_are_refused(void **state)
{
    sks_sender *tx;
    sks_receiver *rx;
    sks_channel_options o = {.size = sizeof o};
    sks_allocator a = {0};

    (void)state;
#define assert_einval(call)                                                                        \
    do {                                                                                           \
        errno = 0;                                                                                 \
        assert_int_equal((call), -1);                                                              \
        assert_int_equal(errno, EINVAL);                                                           \
    } while (0)
    assert_einval(sks_channel(8, 1, NULL, &rx));
    assert_einval(sks_channel(8, 1, &tx, NULL));
    assert_einval(sks_channel(8, SIZE_MAX - 1, &tx, &rx));
    assert_einval(sks_channel(4096, SIZE_MAX / 8192, &tx, &rx));
    assert_einval(sks_channel(SIZE_MAX, 1, &tx, &rx));
    assert_einval(sks_channel(SIZE_MAX / 8, SKS_UNBOUNDED, &tx, &rx));
    assert_einval(sks_channel(SIZE_MAX / 16, 0, &tx, &rx));
    assert_einval(sks_channel_plain(8, 3, 1, NULL, NULL, &tx, &rx));
    assert_einval(sks_channel_plain(8, 8192, 1, NULL, NULL, &tx, &rx));
    o.size = 1;
    assert_einval(sks_channel_with(8, 1, &o, &tx, &rx));
    o.size = sizeof o;
    o.allocator = &a;
    assert_einval(sks_channel_with(8, 1, &o, &tx, &rx));
}

static void destructor_gets_its_argument(void **state)
{
    int calls = 0;
    struct item it = item_of(5);
    sks_sender *tx;
    sks_receiver *rx;

    (void)state;
    assert_int_equal(sks_channel_plain(sizeof it, 0, 2, destroy_item, &calls, &tx, &rx), 0);
    assert_int_equal(sks_sender_send(tx, &it), 0);
    sks_receiver_close(rx);
    assert_int_equal(calls, 1);
    sks_sender_close(tx);
    sks_sender_close(NULL);
    sks_receiver_close(NULL);
    assert_int_equal(calls, 1);
}

/* ---- memory ------------------------------------------------------------ */

/* Counts what it gave; fails at the call number fail_at (from 1 on), and from then on. */
struct ledger {
    int calls, live, fail_at;
    size_t bytes;
};

static void *ledger_allocate(size_t size, size_t align, void *arg)
{
    struct ledger *l = arg;
    void *memory;

    if (++l->calls == l->fail_at)
        return NULL;
    if (posix_memalign(&memory, align < sizeof memory ? sizeof memory : align, size))
        return NULL;
    memset(memory, 0xa5, size);
    l->live++;
    l->bytes += size;
    return memory;
}

static void ledger_release(void *memory, size_t size, void *arg)
{
    struct ledger *l = arg;

    memset(memory, 0x5a, size);
    l->live--;
    l->bytes -= size;
    free(memory);
}

static int stolen_calls, stolen_fail_at, stolen_live;

static int steal_memalign(void **memory, size_t align, size_t size)
{
    if (++stolen_calls == stolen_fail_at)
        return ENOMEM;
    stolen_live++;
    return posix_memalign(memory, align, size);
}

static void steal_free(void *memory)
{
    stolen_live -= memory != NULL;
    free(memory);
}

/* Sends id and counts it, or fails for want of memory. */
static void try_one(sks_sender *tx, uint64_t id, uint64_t *sent)
{
    struct item it = item_of(id);

    errno = 0;
    if (sks_sender_try_send(tx, &it) == 0)
        ++*sent;
    else
        assert_int_equal(errno, ENOMEM);
}

/* Uses everything that allocates.  Whatever fails, no item is lost. */
static void use_everything(size_t capacity, const sks_allocator *a)
{
    sks_channel_options o = {.size = sizeof o, .destroy = destroy_item, .allocator = a};
    uint64_t sent = 0, destroyed_all = 0;
    sks_sender *tx, *tx2;
    sks_receiver *rx, *rx2;
    void *slots;
    ssize_t n;

    memset((void *)destroyed, 0, sizeof destroyed);
    if (sks_channel_with(sizeof(struct item), capacity, &o, &tx, &rx)) {
        assert_int_equal(errno, ENOMEM);
        return;
    }
    tx2 = sks_sender_dup(tx);
    rx2 = sks_receiver_dup(rx);
    for (uint64_t i = 0; i < 150; i++)
        try_one(tx, i, &sent);
    n = sks_sender_reserve(tx, 2, &slots, SKS_NOW);
    assert_true(n > 0 || errno == ENOMEM);
    if (n > 0) {
        *(struct item *)slots = item_of(200);
        assert_int_equal(sks_sender_commit(tx, 1), 1);
        sent++;
    }
    n = sks_receiver_peek(rx, 3, &slots, SKS_NOW);
    assert_true(n > 0 || (n == -1 && (errno == ENOMEM || sent == 0)));
    sks_sender_close(tx);
    sks_sender_close(tx2);
    sks_receiver_close(rx);
    sks_receiver_close(rx2);
    for (uint64_t i = 0; i <= 200; i++)
        destroyed_all += destroyed[i];
    assert_int_equal(destroyed_all, sent);
}

static void own_allocator_is_used_for_everything_and_balanced(void **state)
{
    static const size_t capacities[] = {200, SKS_UNBOUNDED};

    (void)state;
    sksi_sys.posix_memalign = steal_memalign;
    for (int k = 0; k < 2; k++) {
        struct ledger l = {0};
        sks_allocator a = {ledger_allocate, ledger_release, &l};

        use_everything(capacities[k], &a);
        assert_true(l.calls >= 5);
        assert_int_equal(l.live, 0);
        assert_int_equal(l.bytes, 0);
    }
    assert_int_equal(stolen_calls, 0);
}

static void own_allocator_fails_at_every_call_nothing_is_lost(void **state)
{
    static const size_t capacities[] = {200, SKS_UNBOUNDED};

    (void)state;
    for (int k = 0; k < 2; k++) {
        struct ledger l = {.fail_at = 1};
        sks_allocator a = {ledger_allocate, ledger_release, &l};

        for (; l.calls >= l.fail_at - 1; l.fail_at++) {
            l.calls = 0;
            use_everything(capacities[k], &a);
            assert_int_equal(l.live, 0);
            assert_int_equal(l.bytes, 0);
            if (l.calls < l.fail_at)
                break;
        }
        assert_true(l.fail_at > 5);
    }
}

static void memory_fails_at_every_call_nothing_is_lost(void **state)
{
    (void)state;
    sksi_sys.posix_memalign = steal_memalign;
    sksi_sys.free = steal_free;
    for (stolen_fail_at = 1;; stolen_fail_at++) {
        stolen_calls = 0;
        use_everything(SKS_UNBOUNDED, NULL);
        assert_int_equal(stolen_live, 0);
        if (stolen_calls < stolen_fail_at)
            break;
    }
    assert_true(stolen_fail_at > 5);
}

/* ---- deadlines --------------------------------------------------------- */

static void deadlines_tell_would_wait_from_too_late(void **state)
{
    static const int64_t deadlines[] = {INT64_MIN, -1, SKS_NOW, 1, 1000000};

    (void)state;
    FOR_SHAPES(s)
    {
        for (int op = SEND; op < OPS; op++) {
            for (int k = 0; k < 6; k++) {
                int64_t deadline = k < 5 ? deadlines[k] : sks_after(2000);
                struct rig r;
                struct call c;

                if (op == SEND || op == RECV || (op < RECV && s->capacity == SKS_UNBOUNDED))
                    continue;
                rig_open(&r, s);
                if (op < RECV)
                    rig_fill(&r);
                c = op < RECV ? send_of(op, r.tx, 999, deadline) : recv_of(op, r.rx, deadline);
                assert_fails(&c, deadline <= 0 ? EAGAIN : ETIMEDOUT);
                rig_close(&r);
                assert_destroyed(999, 1000, 0);
            }
        }
    }
}

static void deadlines_that_have_passed_do_not_matter_when_there_is_something(void **state)
{
    (void)state;
    for (int k = 2; k < 8; k++) {
        for (int op = SEND; op < OPS; op++) {
            for (int64_t deadline = 0; deadline < 2; deadline++) {
                struct rig r;
                struct call c;

                rig_open(&r, &shapes[k]);
                if (op >= RECV)
                    rig_send(&r, 0, 1);
                c = op < RECV ? send_of(op, r.tx, 0, deadline) : recv_of(op, r.rx, deadline);
                call_run(&c);
                assert_true(c.r >= 0);
                rig_close(&r);
            }
        }
    }
}

SKS_TESTS("channel/channel", cmocka_unit_test(items_of_every_size_and_alignment_arrive_whole),
          cmocka_unit_test(default_alignment_is_the_largest_that_divides_up_to_64),
          cmocka_unit_test(items_of_size_zero_need_no_pointer),
          cmocka_unit_test(shapes_that_make_no_sense_are_refused),
          cmocka_unit_test(destructor_gets_its_argument),
          cmocka_unit_test(own_allocator_is_used_for_everything_and_balanced),
          cmocka_unit_test(own_allocator_fails_at_every_call_nothing_is_lost),
          cmocka_unit_test(memory_fails_at_every_call_nothing_is_lost),
          cmocka_unit_test(deadlines_tell_would_wait_from_too_late),
          cmocka_unit_test(deadlines_that_have_passed_do_not_matter_when_there_is_something))
