/* SPDX-License-Identifier: MIT */
/* linux_test.c - futex, fences, clock, memory. */
#include "lib/harness.h"
#include "plat/plat.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- futex ------------------------------------------------------------- */

static void futex_word_that_differs_is_not_slept_on(void **state)
{
    _Atomic uint32_t word = 1;

    (void)state;
    assert_true(sksi_futex_wait(&word, 0, INT64_MAX));
    assert_int_equal(sksi_futex_wake(&word, 1), 0);
    assert_int_equal(sksi_futex_wake(&word, UINT32_MAX), 0);
}

static void futex_deadline_passes_also_when_it_is_long_ago(void **state)
{
    int64_t deadlines[] = {INT64_MIN, -1, 0, 1, sksi_clock_ns(), sksi_clock_after(1000000)};
    _Atomic uint32_t word = 0;

    (void)state;
    for (int i = 0; i < 6; i++) {
        errno = 77;
        while (sksi_futex_wait(&word, 0, deadlines[i]))
            ;
        assert_true(sksi_clock_ns() >= deadlines[i]);
        assert_int_equal(errno, 77);
    }
}

static _Atomic uint32_t turn;

static void *futex_peer(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < 2000; i++) {
        while (atomic_load(&turn) != 2 * i + 1)
            sksi_futex_wait(&turn, 2 * i, INT64_MAX);
        atomic_store(&turn, 2 * i + 2);
        sksi_futex_wake(&turn, 1);
    }
    return NULL;
}

static void futex_wake_reaches_the_sleeper(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, futex_peer, NULL), 0);
    for (uint32_t i = 0; i < 2000; i++) {
        atomic_store(&turn, 2 * i + 1);
        sksi_futex_wake(&turn, 1);
        while (atomic_load(&turn) != 2 * i + 2)
            sksi_futex_wait(&turn, 2 * i + 1, INT64_MAX);
    }
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&turn), 4000);
}

/* ---- fences ------------------------------------------------------------ */

#define ROUNDS 20000

static struct {
    alignas(64) _Atomic uint32_t x;
    alignas(64) _Atomic uint32_t y;
    alignas(64) _Atomic uint32_t go;
    alignas(64) _Atomic uint32_t ready;
    uint32_t light_saw[ROUNDS];
} duel;

/* Close in time where there are two CPUs, and no longer than needed where there is one. */
static void until(_Atomic uint32_t *word, uint32_t value)
{
    for (int spins = 0; atomic_load_explicit(word, memory_order_acquire) != value; spins++) {
        if (spins < 1000)
            sksi_pause();
        else
            sched_yield();
    }
}

/*   light: store x; light; load y        heavy: store y; heavy; load x
 *   not both may miss the other's store */
static void *light_side(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        until(&duel.go, i + 1);
        atomic_store_explicit(&duel.x, i + 1, memory_order_relaxed);
        sksi_fence_light();
        duel.light_saw[i] = atomic_load_explicit(&duel.y, memory_order_relaxed);
        atomic_store_explicit(&duel.ready, i + 1, memory_order_release);
    }
    return NULL;
}

static void run_duel(void)
{
    pthread_t thread;

    memset(&duel, 0, sizeof duel);
    assert_int_equal(pthread_create(&thread, NULL, light_side, NULL), 0);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t seen;

        atomic_store_explicit(&duel.go, i + 1, memory_order_release);
        for (uint32_t k = 0; k < i % 64; k++) /* meet at every distance */
            sksi_pause();
        atomic_store_explicit(&duel.y, i + 1, memory_order_relaxed);
        sksi_fence_heavy();
        seen = atomic_load_explicit(&duel.x, memory_order_relaxed);
        until(&duel.ready, i + 1);
        assert_true(seen == i + 1 || duel.light_saw[i] == i + 1);
    }
    pthread_join(thread, NULL);
}

static void fences_of_both_sides_do_not_both_miss(void **state)
{
    (void)state;
    run_duel();
}

static void real_fences_do_not_both_miss(void **state)
{
    (void)state;
    sksi_fence_real = true;
    run_duel();
}

static void child_of_fork_can_fence(void **state)
{
    int status = -1;
    pid_t child;

    (void)state;
    fflush(NULL);
    child = fork();
    if (child == 0) {
        sksi_fence_heavy();
        sksi_fence_light();
        _exit(7);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

/* ---- clock ------------------------------------------------------------- */

static void clock_does_not_go_back(void **state)
{
    int64_t last = 0;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        int64_t now = sksi_clock_ns();

        assert_true(now >= last);
        last = now;
    }
}

static void deadline_after_is_never_zero_and_saturates(void **state)
{
    (void)state;
    assert_true(sksi_clock_after(INT64_MIN) > 0);
    assert_true(sksi_clock_after(-1) > 0);
    assert_true(sksi_clock_after(0) > 0);
    assert_true(sksi_clock_after(INT64_MAX) == INT64_MAX);
    assert_true(sksi_clock_after(INT64_MAX - 1) == INT64_MAX);
    assert_true(sksi_clock_after(1000) <= sksi_clock_ns() + 1000);
}

static void ticks_go_forth_and_back(void **state)
{
    static const int64_t spans[] = {0, 1000, 20000, 1000000, 1000000000, 3600000000000};

    (void)state;
    for (int i = 0; i < 6; i++) {
        int64_t back = (int64_t)sksi_ticks_to_ns(sksi_ticks_of(spans[i]));

        assert_true(back <= spans[i] && spans[i] - back <= 1000 + spans[i] / 1000);
    }
    assert_true(sksi_ticks() <= sksi_ticks() + 1);
}

/* ---- CPUs and memory --------------------------------------------------- */

static void cpu_is_one_that_the_thread_may_run_on(void **state)
{
    cpu_set_t set;

    (void)state;
    if (sched_getaffinity(0, sizeof set, &set))
        sks_test_skip("no affinity");
    sksi_yield();
    assert_true(CPU_ISSET((size_t)sksi_cpu(), &set));
}

static void memory_is_aligned_as_asked(void **state)
{
    (void)state;
    for (size_t align = 1; align <= 65536; align *= 2) {
        for (size_t size = 0; size < 300; size += 37) {
            unsigned char *memory = sksi_alloc(size, align);

            assert_non_null(memory);
            assert_int_equal((uintptr_t)memory % align, 0);
            memset(memory, 0xff, size);
            sksi_free(memory);
        }
    }
    sksi_free(NULL);
}

static void cleared_memory_is_zero(void **state)
{
    (void)state;
    for (size_t size = 0; size < 5000; size += 499) {
        unsigned char *memory = sksi_zalloc(size);

        assert_non_null(memory);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 0xff, size);
        sksi_free(memory);
    }
}

static int no_memory(void **memory, size_t align, size_t size)
{
    (void)memory;
    (void)align;
    (void)size;
    return ENOMEM;
}

static void memory_that_runs_out_gives_null(void **state)
{
    (void)state;
    sksi_sys.posix_memalign = no_memory;
    assert_null(sksi_alloc(1, 1));
    assert_null(sksi_zalloc(1));
}

SKS_TESTS("plat/linux", cmocka_unit_test(futex_word_that_differs_is_not_slept_on),
          cmocka_unit_test(futex_deadline_passes_also_when_it_is_long_ago),
          cmocka_unit_test(futex_wake_reaches_the_sleeper),
          cmocka_unit_test(fences_of_both_sides_do_not_both_miss),
          cmocka_unit_test(real_fences_do_not_both_miss), cmocka_unit_test(child_of_fork_can_fence),
          cmocka_unit_test(clock_does_not_go_back),
          cmocka_unit_test(deadline_after_is_never_zero_and_saturates),
          cmocka_unit_test(ticks_go_forth_and_back),
          cmocka_unit_test(cpu_is_one_that_the_thread_may_run_on),
          cmocka_unit_test(memory_is_aligned_as_asked), cmocka_unit_test(cleared_memory_is_zero),
          cmocka_unit_test(memory_that_runs_out_gives_null))
