/* SPDX-License-Identifier: MIT */
/*
 * harness.h - runs each test of a suite in a child process of its own.
 *
 *     static void ring_full_push_returns_false(void **state) { ... }
 *
 *     SKS_TESTS("ring", cmocka_unit_test(ring_full_push_returns_false), ...)
 *
 * A test fails when an assertion of cmocka fails, when it crashes or exits, when it
 * is not done in time, and when at its end there are descriptors, threads or child
 * processes that were not there at its start.  One that hangs is killed with all
 * its children, after a list of its threads and of what they wait for.
 *
 * What a test prints is shown when it fails.  The last line of a suite is
 * "suite: N passed, N failed, N skipped"; the exit status is 1 when one failed.
 *
 *   SKS_TEST_TIMEOUT  factor on the time limit of a test, 20 s; e.g. 4, or 0.1
 *   SKS_TEST_ONLY     runs only the tests whose name contains this
 *   SKS_TEST_VERBOSE  shows what tests print also when they pass
 */
#ifndef SKS_TESTS_HARNESS_H
#define SKS_TESTS_HARNESS_H

#ifdef NDEBUG
#error "tests need their assertions"
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Runs the n tests one after another; from main() only, before any thread is made.
 * Returns the exit status. */
int sks_test_main(const char *suite, const struct CMUnitTest *tests, size_t n);

/* Ends the calling test as skipped and prints why.  Does not return. */
void sks_test_skip(const char *reason);

/* The time limits' factor, for tests that wait with a deadline of their own. */
double sks_test_patience(void);

#define SKS_TESTS(suite, ...)                                                                      \
    int main(void)                                                                                 \
    {                                                                                              \
        static const struct CMUnitTest tests[] = {__VA_ARGS__};                                    \
                                                                                                   \
        return sks_test_main((suite), tests, sizeof tests / sizeof *tests);                        \
    }

#endif
