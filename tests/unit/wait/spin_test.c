/* SPDX-License-Identifier: MIT */
/* spin_test.c - a spin ends, learns, and is short where it is pointless. */
#include "lib/harness.h"
#include "plat/plat.h"
#include "wait/spin.h"

#include <sched.h>
#include <string.h>

/* How many looks a spin gives. */
static uint64_t looks(struct sksi_spin_hint *hint, bool same_cpu, int64_t deadline, bool found)
{
    struct sksi_spin s;
    uint64_t n = 0;

    sksi_spin_start(&s, hint, same_cpu, deadline);
    while (sksi_spin_more(&s))
        n++;
    sksi_spin_learn(&s, hint, found);
    return n;
}

static void spin_ends_whatever_was_learned(void **state)
{
    struct sksi_spin_hint hint;

    (void)state;
    for (uint32_t level = 0; level < 100; level++) {
        memset(&hint, 0, sizeof hint);
        atomic_init(&hint.x_level, level);
        assert_in_range(looks(&hint, false, INT64_MAX, false), 0, 200000);
        assert_in_range(looks(&hint, true, INT64_MAX, false), 0, 200000);
    }
}

static void spin_past_its_deadline_ends_almost_at_once(void **state)
{
    struct sksi_spin_hint hint;

    (void)state;
    memset(&hint, 0, sizeof hint);
    assert_in_range(looks(&hint, false, 1, true), 0, 16);
    assert_in_range(looks(&hint, false, sksi_clock_ns(), true), 0, 16);
}

static void spin_in_vain_many_times_stops_but_for_probes(void **state)
{
    struct sksi_spin_hint hint;
    int shorts = 0, longs = 0;

    (void)state;
    if (sksi_one_cpu())
        sks_test_skip("one CPU");
    memset(&hint, 0, sizeof hint);
    for (int i = 0; i < 20; i++)
        looks(&hint, false, INT64_MAX, false);
    for (int i = 0; i < 100; i++) {
        if (looks(&hint, false, INT64_MAX, false) <= 8)
            shorts++;
        else
            longs++;
    }
    assert_true(shorts > longs);
    assert_true(longs > 0);
}

static void spin_that_found_something_brings_the_budget_back(void **state)
{
    struct sksi_spin_hint hint;

    (void)state;
    if (sksi_one_cpu())
        sks_test_skip("one CPU");
    memset(&hint, 0, sizeof hint);
    for (int i = 0; i < 30; i++)
        looks(&hint, false, INT64_MAX, false);
    for (int i = 0; i < 30; i++)
        looks(&hint, false, INT64_MAX, true);
    assert_int_equal(atomic_load(&hint.x_level), 0);
}

static void spin_against_the_same_cpu_yields_a_few_times(void **state)
{
    struct sksi_spin_hint hint;

    (void)state;
    memset(&hint, 0, sizeof hint);
    assert_in_range(looks(&hint, true, INT64_MAX, false), 0, 10);
    assert_int_equal(atomic_load(&hint.x_level), 0);
}

static void side_that_waits_here_is_found_here(void **state)
{
    struct sksi_spin_hint hint, mine;
    cpu_set_t one;
    uint32_t cpu = sksi_cpu();

    (void)state;
    memset(&hint, 0, sizeof hint);
    memset(&mine, 0, sizeof mine);
    assert_false(sksi_spin_same_cpu(&mine, &hint));
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one))
        sks_test_skip("no affinity");
    sksi_spin_note(&hint);
    assert_true(sksi_spin_same_cpu(&mine, &hint));
    assert_true(sksi_spin_same_cpu(&hint, &mine)); /* and the other way round */
}

static void wake_up_that_took_any_time_leaves_a_sane_budget(void **state)
{
    struct sksi_spin_hint hint;

    (void)state;
    memset(&hint, 0, sizeof hint);
    for (int i = 0; i < 50; i++)
        sksi_spin_woken(0);
    assert_in_range(looks(&hint, false, INT64_MAX, true), 0, 200000);
    for (int i = 0; i < 50; i++)
        sksi_spin_woken(sksi_ticks() + sksi_ticks_of(1000000000));
    assert_in_range(looks(&hint, false, INT64_MAX, true), 0, 200000);
}

static void rest_of_any_stream_ends(void **state)
{
    struct sksi_spin_hint hint;
    struct sksi_spin s;
    uint64_t n;
    uint32_t rest;

    (void)state;
    memset(&hint, 0, sizeof hint);
    for (uint64_t index = 0; index < 1000; index += index % 7 + 1) {
        sksi_spin_start(&s, &hint, index % 2, INT64_MAX);
        rest = sksi_spin_stream(&hint, index, &n);
        if (rest)
            sksi_spin_rest(&s, &hint, rest, n, 1 + index % 100);
    }
    sksi_spin_start(&s, &hint, false, 1);
    sksi_spin_rest(&s, &hint, 1, UINT64_MAX, UINT64_MAX);
    assert_true(sksi_clock_ns() > 0);
}

SKS_TESTS("wait/spin", cmocka_unit_test(spin_ends_whatever_was_learned),
          cmocka_unit_test(spin_past_its_deadline_ends_almost_at_once),
          cmocka_unit_test(spin_in_vain_many_times_stops_but_for_probes),
          cmocka_unit_test(spin_that_found_something_brings_the_budget_back),
          cmocka_unit_test(spin_against_the_same_cpu_yields_a_few_times),
          cmocka_unit_test(side_that_waits_here_is_found_here),
          cmocka_unit_test(wake_up_that_took_any_time_leaves_a_sane_budget),
          cmocka_unit_test(rest_of_any_stream_ends))
