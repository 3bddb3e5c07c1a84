/* SPDX-License-Identifier: MIT */
/*
 * litmus.c - tests of the explorer itself: what it must find, and what it must not.
 *
 * The classical small programs.  Each that is wrong must break, with the failure named;
 * each that is right must pass.
 */
#include "explore.h"

#include <stdatomic.h>
#include <string.h>

#include "plat/plat.h"

static _Atomic uint32_t x, y, word;
static uint32_t r[4], plain;
static void *memory;

#define LOAD(a, order) atomic_load_explicit(&(a), memory_order_##order)
#define STORE(a, v, order) atomic_store_explicit(&(a), v, memory_order_##order)
#define ADD(a, v, order) atomic_fetch_add_explicit(&(a), v, memory_order_##order)

static void clear(void)
{
    STORE(x, 0, relaxed);
    STORE(y, 0, relaxed);
    STORE(word, 0, relaxed);
    memset(r, 0, sizeof r);
    plain = 0;
    memory = NULL;
}

/* ---- store buffering --------------------------------------------------- */

#define SB(name, first, second)                                                                    \
    static void name##_1(void)                                                                     \
    {                                                                                              \
        STORE(x, 1, relaxed);                                                                      \
        first;                                                                                     \
        r[0] = LOAD(y, relaxed);                                                                   \
    }                                                                                              \
    static void name##_2(void)                                                                     \
    {                                                                                              \
        STORE(y, 1, relaxed);                                                                      \
        second;                                                                                    \
        r[1] = LOAD(x, relaxed);                                                                   \
    }

SB(sb_bare, , )
SB(sb_acq_rel, atomic_thread_fence(memory_order_acq_rel), atomic_thread_fence(memory_order_acq_rel))
SB(sb_fence, atomic_thread_fence(memory_order_seq_cst), atomic_thread_fence(memory_order_seq_cst))
SB(sb_half, atomic_thread_fence(memory_order_seq_cst), )
SB(sb_asym, sksi_fence_light(), sksi_fence_heavy())
SB(sb_light, sksi_fence_light(), sksi_fence_light())
SB(sb_heavy, , sksi_fence_heavy())

static void sb_end(void)
{
    CHECK(r[0] || r[1]);
}

static void sb_seq_cst_1(void)
{
    STORE(x, 1, seq_cst);
    r[0] = LOAD(y, seq_cst);
}

static void sb_seq_cst_2(void)
{
    STORE(y, 1, seq_cst);
    r[1] = LOAD(x, seq_cst);
}

/* ---- message passing --------------------------------------------------- */

#define MP(name, before, store, load, after)                                                       \
    static void name##_1(void)                                                                     \
    {                                                                                              \
        STORE(x, 1, relaxed);                                                                      \
        before;                                                                                    \
        STORE(y, 1, store);                                                                        \
    }                                                                                              \
    static void name##_2(void)                                                                     \
    {                                                                                              \
        if (LOAD(y, load)) {                                                                       \
            after;                                                                                 \
            CHECK(LOAD(x, relaxed) == 1);                                                          \
        }                                                                                          \
    }

MP(mp, , release, acquire, )
MP(mp_no_acquire, , release, relaxed, )
MP(mp_no_release, , relaxed, acquire, )
MP(mp_fences, atomic_thread_fence(memory_order_release), relaxed, relaxed,
   atomic_thread_fence(memory_order_acquire))
MP(mp_heavy, , relaxed, relaxed, sksi_fence_heavy())

/* Release sequence: through a read-modify-write, not through a store. */
static void sequence_1(void)
{
    plain = 1;
    STORE(y, 1, release);
}

static void sequence_store(void)
{
    if (LOAD(y, relaxed) == 1)
        STORE(y, 2, relaxed);
}

static void sequence_3(void)
{
    if (LOAD(y, acquire) == 2)
        CHECK(plain == 1);
}

/* What the relaxed addition came before it saw nothing. */
static void sequence_careful_3(void)
{
    if (LOAD(y, acquire) == 2 && LOAD(x, relaxed) == 1)
        CHECK(plain == 1);
}

static void sequence_careful_add(void)
{
    if (ADD(y, 1, relaxed) == 1)
        STORE(x, 1, release);
}

/* ---- IRIW, load buffering, coherence ----------------------------------- */

static void iriw_x(void)
{
    STORE(x, 1, relaxed);
}

static void iriw_y(void)
{
    STORE(y, 1, relaxed);
}

#define IRIW(name, fence)                                                                          \
    static void name##_3(void)                                                                     \
    {                                                                                              \
        r[0] = LOAD(x, relaxed);                                                                   \
        fence;                                                                                     \
        r[1] = LOAD(y, relaxed);                                                                   \
    }                                                                                              \
    static void name##_4(void)                                                                     \
    {                                                                                              \
        r[2] = LOAD(y, relaxed);                                                                   \
        fence;                                                                                     \
        r[3] = LOAD(x, relaxed);                                                                   \
    }

IRIW(iriw_bare, )
IRIW(iriw_fence, atomic_thread_fence(memory_order_seq_cst))

static void iriw_end(void)
{
    CHECK(!(r[0] && !r[1] && r[2] && !r[3]));
}

static void lb_1(void)
{
    r[0] = LOAD(x, relaxed);
    STORE(y, 1, relaxed);
}

static void lb_2(void)
{
    r[1] = LOAD(y, relaxed);
    STORE(x, 1, relaxed);
}

static void lb_end(void)
{
    CHECK(!(r[0] && r[1]));
}

static void coherence_1(void)
{
    STORE(x, 1, relaxed);
    STORE(x, 2, relaxed);
}

static void coherence_2(void)
{
    r[0] = LOAD(x, relaxed);
    r[1] = LOAD(x, relaxed);
    CHECK(r[0] <= r[1]);
}

static void add_1(void)
{
    ADD(x, 1, relaxed);
    ADD(x, 1, relaxed);
}

static void add_end(void)
{
    CHECK(LOAD(x, relaxed) == 4);
}

static void add_torn(void)
{
    STORE(x, LOAD(x, relaxed) + 1, relaxed);
    STORE(x, LOAD(x, relaxed) + 1, relaxed);
}

/* ---- plain memory ------------------------------------------------------ */

static void race_write(void)
{
    plain = 1;
}

static void race_read(void)
{
    r[0] = plain;
}

static void locked(void)
{
    uint32_t zero = 0;

    if (atomic_compare_exchange_strong_explicit(&x, &zero, 1, memory_order_acquire,
                                                memory_order_relaxed)) {
        plain++;
        STORE(x, 0, release);
    }
}

static void locked_relaxed(void)
{
    uint32_t zero = 0;

    if (atomic_compare_exchange_strong_explicit(&x, &zero, 1, memory_order_relaxed,
                                                memory_order_relaxed)) {
        plain++;
        STORE(x, 0, release);
    }
}

static void heap_set_up(void)
{
    clear();
    memory = sksi_alloc(8, 8);
    memset(memory, 0, 8);
}

static void heap_free_it(void)
{
    sksi_free(memory);
}

static void heap_use_late(void)
{
    while (LOAD(x, acquire) == 0)
        sksi_futex_wait(&x, 0, INT64_MAX);
    *(char *)memory = 1;
}

static void heap_free_early(void)
{
    sksi_free(memory);
    STORE(x, 1, release);
    sksi_futex_wake(&x, 1);
}

static void heap_read(void)
{
    r[0] = *(unsigned char *)memory;
}

static void plain_look(void)
{
    CHECK(plain == 0);
}

static void nothing(void)
{
}

/* ---- sleeping ---------------------------------------------------------- */

static void sleeper(void)
{
    while (LOAD(word, acquire) == 0)
        sksi_futex_wait(&word, 0, INT64_MAX);
}

static void waker(void)
{
    STORE(word, 1, release);
    sksi_futex_wake(&word, 1);
}

static void waker_early(void)
{
    sksi_futex_wake(&word, 1);
    STORE(word, 1, release);
}

/* The sleeper says that it sleeps, the other side looks: without fences, and with. */
#define FLAG(name, side, other)                                                                    \
    static void name##_1(void)                                                                     \
    {                                                                                              \
        STORE(x, 1, relaxed);                                                                      \
        side;                                                                                      \
        if (LOAD(y, relaxed)) {                                                                    \
            ADD(word, 1, relaxed);                                                                 \
            sksi_futex_wake(&word, 1);                                                             \
        }                                                                                          \
    }                                                                                              \
    static void name##_2(void)                                                                     \
    {                                                                                              \
        STORE(y, 1, relaxed);                                                                      \
        other;                                                                                     \
        if (!LOAD(x, relaxed))                                                                     \
            sksi_futex_wait(&word, 0, INT64_MAX);                                                  \
    }

FLAG(flag_bare, , )
FLAG(flag_fences, sksi_fence_light(), sksi_fence_heavy())
FLAG(flag_no_light, , sksi_fence_heavy())
FLAG(flag_no_heavy, sksi_fence_light(), )

static void two_wait(void)
{
    sksi_futex_wait(&word, 0, INT64_MAX);
}

static void late(void)
{
    r[0] = sksi_futex_wait(&word, 0, 5000);
    CHECK(r[0]);
}

static void late_ok(void)
{
    if (!sksi_futex_wait(&word, 0, 5000))
        CHECK(sksi_clock_ns() >= 5000);
}

static void wake_one(void)
{
    sksi_futex_wake(&word, 1);
}

static void endless(void)
{
    while (!LOAD(x, relaxed))
        ;
}

#define BAD(name, what, ...)                                                                       \
    {                                                                                              \
        name, clear, {__VA_ARGS__}, NULL, 0, EXPLORE_BOTH, what                                    \
    }
#define GOOD(name, ...)                                                                            \
    {                                                                                              \
        name, clear, {__VA_ARGS__}, NULL, 0, EXPLORE_BOTH, NULL                                    \
    }

static const struct model models[] = {
    {"sb bare", clear, {sb_bare_1, sb_bare_2}, sb_end, 0, EXPLORE_BOTH, "r[0] || r[1]"},
    {"sb acq_rel", clear, {sb_acq_rel_1, sb_acq_rel_2}, sb_end, 0, EXPLORE_BOTH, "r[0] || r[1]"},
    {"sb half", clear, {sb_half_1, sb_half_2}, sb_end, 0, EXPLORE_BOTH, "r[0] || r[1]"},
    {"sb fence", clear, {sb_fence_1, sb_fence_2}, sb_end, 0, EXPLORE_BOTH, NULL},
    {"sb seq_cst", clear, {sb_seq_cst_1, sb_seq_cst_2}, sb_end, 0, EXPLORE_BOTH, NULL},
    {"sb light heavy", clear, {sb_asym_1, sb_asym_2}, sb_end, 0, EXPLORE_BOTH, NULL},
    {"sb light light", clear, {sb_light_1, sb_light_2}, sb_end, 0, EXPLORE_REAL, NULL},
    {"sb light light", clear, {sb_light_1, sb_light_2}, sb_end, 0, EXPLORE_ASYM, "r[0] || r[1]"},
    {"sb none heavy", clear, {sb_heavy_1, sb_heavy_2}, sb_end, 0, EXPLORE_REAL, "r[0] || r[1]"},
    {"sb none heavy", clear, {sb_heavy_1, sb_heavy_2}, sb_end, 0, EXPLORE_ASYM, NULL},
    GOOD("mp", mp_1, mp_2),
    GOOD("mp fences", mp_fences_1, mp_fences_2),
    BAD("mp no acquire", "LOAD(x", mp_no_acquire_1, mp_no_acquire_2),
    BAD("mp no release", "LOAD(x", mp_no_release_1, mp_no_release_2),
    {"mp heavy", clear, {mp_heavy_1, mp_heavy_2}, NULL, 0, EXPLORE_REAL, "LOAD(x"},
    GOOD("release sequence", sequence_1, sequence_careful_add, sequence_careful_3),
    BAD("release sequence broken", "data race", sequence_1, sequence_store, sequence_3),
    {"iriw bare",
     clear,
     {iriw_x, iriw_y, iriw_bare_3, iriw_bare_4},
     iriw_end,
     0,
     EXPLORE_BOTH,
     "r[0] &&"},
    {"iriw fence",
     clear,
     {iriw_x, iriw_y, iriw_fence_3, iriw_fence_4},
     iriw_end,
     0,
     EXPLORE_BOTH,
     NULL},
    {"load buffering", clear, {lb_1, lb_2}, lb_end, 0, EXPLORE_BOTH, NULL},
    GOOD("coherence", coherence_1, coherence_2),
    {"add", clear, {add_1, add_1}, add_end, 0, EXPLORE_BOTH, NULL},
    {"add torn", clear, {add_torn, add_1}, add_end, 0, EXPLORE_BOTH, "LOAD(x"},
    BAD("data race", "data race", race_write, race_read),
    BAD("data race of writes", "data race", race_write, race_write),
    GOOD("reads do not race", plain_look, plain_look),
    GOOD("lock", locked, locked, locked),
    BAD("lock relaxed", "data race", locked_relaxed, locked_relaxed),
    {"double free", heap_set_up, {heap_free_it, heap_free_it}, NULL, 0, EXPLORE_BOTH, "free"},
    {"double free alone",
     heap_set_up,
     {heap_free_it},
     heap_free_it,
     0,
     EXPLORE_BOTH,
     "double free"},
    {"use after free",
     heap_set_up,
     {heap_use_late, heap_free_early},
     NULL,
     0,
     EXPLORE_BOTH,
     "use after free"},
    {"use beside free", heap_set_up, {heap_read, heap_free_it}, NULL, 0, EXPLORE_BOTH, "data race"},
    {"leak", heap_set_up, {nothing}, NULL, 0, EXPLORE_BOTH, "memory leak"},
    GOOD("sleep", sleeper, waker),
    BAD("sleep woken early", "deadlock", sleeper, waker_early),
    BAD("lost wake-up", "deadlock", flag_bare_1, flag_bare_2),
    GOOD("flag and fences", flag_fences_1, flag_fences_2),
    {"flag without light",
     clear,
     {flag_no_light_1, flag_no_light_2},
     NULL,
     0,
     EXPLORE_REAL,
     "deadlock"},
    BAD("flag without heavy", "deadlock", flag_no_heavy_1, flag_no_heavy_2),
    BAD("deadlock", "deadlock", two_wait, two_wait),
    BAD("one of two woken", "deadlock", two_wait, two_wait, wake_one),
    BAD("time-out", "r[0]", late, wake_one),
    GOOD("time-out goes on", late_ok, wake_one),
    BAD("endless", "no end", endless, iriw_y),
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/litmus", models, sizeof models / sizeof *models);
}
