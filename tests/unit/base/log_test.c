/* SPDX-License-Identifier: MIT */
/* log_test.c - the gate, the handler and its replacement. */
#include "base/log.h"
#include "lib/harness.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Counts its records, and keeps the last one as a line. */
struct listener {
    _Atomic int x_count;
    char last[1024];
};

static void listen_to(const sks_log_record *record, void *arg)
{
    struct listener *l = arg;

    atomic_fetch_add_explicit(&l->x_count, 1, memory_order_relaxed);
    sks_log_format_record(record, SKS_LOG_LOGFMT, false, l->last, sizeof l->last);
}

static int heard(struct listener *l)
{
    return atomic_load_explicit(&l->x_count, memory_order_relaxed);
}

static int evaluated;

static int evaluate(void)
{
    return ++evaluated;
}

static void nothing_is_logged_before_somebody_listens(void **state)
{
    (void)state;
    for (int level = SKS_LOG_ERROR; level <= SKS_LOG_TRACE; level++)
        assert_false(sks_log_wanted((sks_log_level)level, "c"));
    sks_error("c", "m n=%d", evaluate());
    assert_int_equal(evaluated, 0);
    assert_string_equal(sks_log_error(), "");
}

static void arguments_of_unwanted_records_are_not_evaluated(void **state)
{
    struct listener l = {0};

    (void)state;
    assert_int_equal(sks_log_set(listen_to, &l, "info,loud=trace,quiet=off"), 0);
    sks_debug("c", "m n=%d", evaluate());
    sks_error("quiet", "m n=%d", evaluate());
    assert_int_equal(evaluated, 0);
    assert_int_equal(heard(&l), 0);
    sks_info("c", "m n=%d", evaluate());
    sks_trace("loud.er", "m n=%d", evaluate());
    assert_int_equal(evaluated, 2);
    assert_int_equal(heard(&l), 2);
}

static void record_carries_level_component_thread_message_fields(void **state)
{
    struct listener l = {0};

    (void)state;
    assert_int_equal(sks_log_set(listen_to, &l, NULL), 0);
    sks_log_thread_name("main");
    sks_trace("pipeline.gzip", "batch done items=%zu from=%s", (size_t)7, "here");
    assert_non_null(strstr(l.last, " level=trace component=pipeline.gzip thread=main "
                                   "msg=\"batch done\" items=7 from=\"here\"\n"));
}

static void levels_that_are_none_are_never_wanted(void **state)
{
    struct listener l = {0};

    (void)state;
    assert_int_equal(sks_log_set(listen_to, &l, NULL), 0);
    assert_false(sks_log_wanted(SKS_LOG_OFF, "c"));
    assert_false(sks_log_wanted((sks_log_level)(SKS_LOG_TRACE + 1), "c"));
    assert_false(sks_log_wanted((sks_log_level)-1, "c"));
    sks_log_write(SKS_LOG_OFF, "c", "m");
    assert_int_equal(heard(&l), 0);
}

static void write_alone_obeys_the_filter(void **state)
{
    struct listener l = {0};

    (void)state;
    assert_int_equal(sks_log_set(listen_to, &l, "a=info"), 0);
    sks_log_write(SKS_LOG_INFO, "b", "m");
    sks_log_write(SKS_LOG_DEBUG, "a", "m");
    assert_int_equal(heard(&l), 0);
    sks_log_write(SKS_LOG_INFO, "a", "m");
    assert_int_equal(heard(&l), 1);
}

static void null_component_is_an_empty_one(void **state)
{
    struct listener l = {0};

    (void)state;
    assert_int_equal(sks_log_set(listen_to, &l, "off,a=info,warn"), 0);
    assert_true(sks_log_wanted(SKS_LOG_WARN, NULL));
    assert_false(sks_log_wanted(SKS_LOG_INFO, NULL));
    sks_warn(NULL, "m");
    assert_non_null(strstr(l.last, " component=\"\" "));
}

static void errno_is_kept(void **state)
{
    struct listener l = {0};

    (void)state;
    assert_int_equal(sks_log_set(listen_to, &l, NULL), 0);
    errno = 77;
    sks_info("c", "m f=%f", 1.5);
    assert_int_equal(errno, 77);
    sks_log_wanted(SKS_LOG_DEBUG, "c");
    assert_int_equal(errno, 77);
}

static void null_handler_turns_logging_off(void **state)
{
    struct listener l = {0};

    (void)state;
    assert_int_equal(sks_log_set(listen_to, &l, NULL), 0);
    assert_int_equal(sks_log_set(NULL, NULL, "even with nonsense"), 0);
    assert_false(sks_log_wanted(SKS_LOG_ERROR, "c"));
    sks_error("c", "m");
    assert_int_equal(heard(&l), 0);
}

static void wrong_filter_leaves_the_old_handler(void **state)
{
    struct listener l = {0}, other = {0};

    (void)state;
    assert_int_equal(sks_log_set(listen_to, &l, "info"), 0);
    assert_int_equal(sks_log_set(listen_to, &other, "infa"), -1);
    assert_int_equal(errno, EINVAL);
    assert_string_equal(sks_log_error(), "'infa' at byte 1 is not a level: "
                                         "off error warn info debug trace; did you mean 'info'?");
    sks_info("c", "m");
    assert_int_equal(heard(&l), 1);
    assert_int_equal(heard(&other), 0);
}

static void *error_of_thread(void *arg)
{
    sks_log_set(listen_to, NULL, "=");
    strcpy(arg, sks_log_error());
    return NULL;
}

static void error_belongs_to_its_thread(void **state)
{
    char other[512];
    pthread_t t;

    (void)state;
    assert_int_equal(sks_log_set(listen_to, NULL, "nonsense"), -1);
    assert_int_equal(pthread_create(&t, NULL, error_of_thread, other), 0);
    pthread_join(t, NULL);
    assert_non_null(strstr(other, "no level at byte 2"));
    assert_non_null(strstr(sks_log_error(), "'nonsense'"));
}

static void thread_name_is_cut_between_characters(void **state)
{
    struct listener l = {0};

    (void)state;
    assert_int_equal(sks_log_set(listen_to, &l, NULL), 0);
    sks_log_thread_name("0123456789012345678901234567890123456789");
    sks_info("c", "m");
    assert_non_null(strstr(l.last, " thread=0123456789012345678901234567890 "));
    sks_log_thread_name("012345678901234567890123456789\xc3\xa9");
    sks_info("c", "m");
    assert_non_null(strstr(l.last, " thread=012345678901234567890123456789 "));
    sks_log_thread_name(NULL);
    sks_info("c", "m");
    assert_non_null(strstr(l.last, " thread=\"\" "));
}

/* ---- a handler that does what it must not ------------------------------ */

static void logging_handler(const sks_log_record *record, void *arg)
{
    int *result = arg;

    (void)record;
    sks_error("handler", "again");
    if (sks_log_set(NULL, NULL, NULL) == -1 && errno == EDEADLK)
        ++*result;
}

static void handler_that_logs_or_sets_gets_nowhere(void **state)
{
    int refused = 0;

    (void)state;
    assert_int_equal(sks_log_set(logging_handler, &refused, NULL), 0);
    sks_info("c", "m");
    sks_info("c", "m");
    assert_int_equal(refused, 2);
}

/* ---- replacement ------------------------------------------------------- */

/* A handler that stands at a gate. */
struct gate {
    sem_t inside, open;
    _Atomic int x_left;
};

static void gated_handler(const sks_log_record *record, void *arg)
{
    struct gate *g = arg;

    (void)record;
    sem_post(&g->inside);
    sem_wait(&g->open);
    atomic_store_explicit(&g->x_left, 1, memory_order_relaxed);
}

static void *log_once(void *arg)
{
    sks_info("c", "m");
    return arg;
}

struct setter {
    struct gate *gate;
    struct listener *next;
    int left_at_return;
};

static void *replace_handler(void *arg)
{
    struct setter *s = arg;

    sks_log_set(listen_to, s->next, NULL);
    s->left_at_return = atomic_load_explicit(&s->gate->x_left, memory_order_relaxed);
    return NULL;
}

/*
 *   logger    in the old handler ............ leaves
 *   setter                  set() ............... returns
 *   later                            set() ....... returns
 *   main                       new handler hears  opens the gate
 */
static void set_returns_after_the_last_call_of_the_old_handler(void **state)
{
    struct gate g = {.x_left = 0};
    struct listener next = {0};
    struct setter s = {&g, &next, -1}, s_later = s;
    pthread_t logger, setter, later;

    (void)state;
    sem_init(&g.inside, 0, 0);
    sem_init(&g.open, 0, 0);
    assert_int_equal(sks_log_set(gated_handler, &g, "info"), 0);
    assert_int_equal(pthread_create(&logger, NULL, log_once, NULL), 0);
    sem_wait(&g.inside);
    assert_int_equal(pthread_create(&setter, NULL, replace_handler, &s), 0);
    /* Wanted under the new filter only: the setter has come as far as its wait. */
    while (!sks_log_wanted(SKS_LOG_TRACE, "c"))
        sched_yield();
    sks_trace("c", "m");
    assert_int_equal(heard(&next), 1);
    assert_int_equal(pthread_create(&later, NULL, replace_handler, &s_later), 0);
    for (int i = 0; i < 100; i++)
        sched_yield(); /* a chance for the later one to be wrong */
    sem_post(&g.open);
    pthread_join(setter, NULL);
    pthread_join(later, NULL);
    pthread_join(logger, NULL);
    assert_int_equal(s.left_at_return, 1);
    assert_int_equal(s_later.left_at_return, 1);
}

#define LOGGERS 3
#define ROUNDS 300

/* A handler's argument that is poisoned as soon as it was replaced. */
struct short_lived {
    int alive;
    _Atomic int x_calls;
};

static _Atomic bool x_stop;
static _Atomic long x_handled;

static void check_alive(const sks_log_record *record, void *arg)
{
    struct short_lived *s = arg;

    (void)record;
    if (s->alive != 1)
        abort();
    atomic_fetch_add_explicit(&x_handled, 1, memory_order_relaxed);
}

static void *log_until_stopped(void *arg)
{
    while (!atomic_load_explicit(&x_stop, memory_order_relaxed)) {
        sks_info("c", "m n=%d", 1);
        sks_debug("a.b", "m n=%d", 2);
    }
    return arg;
}

static void *replace_often(void *arg)
{
    static const char *const filters[] = {"info", "a=debug", "trace", "off"};

    /* Until the loggers have come to it, too. */
    for (int i = 0; i < ROUNDS || atomic_load_explicit(&x_handled, memory_order_relaxed) < ROUNDS;
         i++) {
        struct short_lived *s = calloc(1, sizeof *s);

        s->alive = 1;
        if (sks_log_set(check_alive, s, filters[i % 4]) || sks_log_set(NULL, NULL, NULL))
            abort();
        /* Whichever setter replaced ours: its calls have ended. */
        s->alive = 0;
        free(s);
    }
    return arg;
}

static void handlers_are_replaced_from_several_threads_under_load(void **state)
{
    pthread_t loggers[LOGGERS], setters[2];

    (void)state;
    for (int i = 0; i < LOGGERS; i++)
        assert_int_equal(pthread_create(&loggers[i], NULL, log_until_stopped, NULL), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&setters[i], NULL, replace_often, NULL), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(setters[i], NULL);
    atomic_store_explicit(&x_stop, true, memory_order_relaxed);
    for (int i = 0; i < LOGGERS; i++)
        pthread_join(loggers[i], NULL);
    assert_true(atomic_load(&x_handled) >= ROUNDS);
}

/* ---- fork and cancellation --------------------------------------------- */

static void child_of_fork_logs_and_replaces(void **state)
{
    struct gate g = {.x_left = 0};
    pthread_t logger;
    int status;
    pid_t pid;

    (void)state;
    sem_init(&g.inside, 0, 0);
    sem_init(&g.open, 0, 0);
    assert_int_equal(sks_log_set(gated_handler, &g, NULL), 0);
    assert_int_equal(pthread_create(&logger, NULL, log_once, NULL), 0);
    sem_wait(&g.inside);
    pid = fork();
    if (pid == 0) {
        struct listener l = {0};

        /* The logger of the parent is in the old handler for ever, here. */
        sks_log_set(listen_to, &l, NULL);
        sks_info("c", "m");
        _exit(heard(&l) == 1 ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    sem_post(&g.open);
    pthread_join(logger, NULL);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void cancelled_thread_leaves_its_handler_first(void **state)
{
    struct gate g = {.x_left = 0};
    pthread_t logger;
    void *result;

    (void)state;
    sem_init(&g.inside, 0, 0);
    sem_init(&g.open, 0, 0);
    assert_int_equal(sks_log_set(gated_handler, &g, NULL), 0);
    assert_int_equal(pthread_create(&logger, NULL, log_once, NULL), 0);
    sem_wait(&g.inside);
    pthread_cancel(logger);
    sem_post(&g.open);
    pthread_join(logger, &result);
    assert_int_equal(atomic_load(&g.x_left), 1);
    assert_int_equal(sks_log_set(NULL, NULL, NULL), 0);
}

SKS_TESTS("base/log", cmocka_unit_test(nothing_is_logged_before_somebody_listens),
          cmocka_unit_test(arguments_of_unwanted_records_are_not_evaluated),
          cmocka_unit_test(record_carries_level_component_thread_message_fields),
          cmocka_unit_test(levels_that_are_none_are_never_wanted),
          cmocka_unit_test(write_alone_obeys_the_filter),
          cmocka_unit_test(null_component_is_an_empty_one), cmocka_unit_test(errno_is_kept),
          cmocka_unit_test(null_handler_turns_logging_off),
          cmocka_unit_test(wrong_filter_leaves_the_old_handler),
          cmocka_unit_test(error_belongs_to_its_thread),
          cmocka_unit_test(thread_name_is_cut_between_characters),
          cmocka_unit_test(handler_that_logs_or_sets_gets_nowhere),
          cmocka_unit_test(set_returns_after_the_last_call_of_the_old_handler),
          cmocka_unit_test(handlers_are_replaced_from_several_threads_under_load),
          cmocka_unit_test(child_of_fork_logs_and_replaces),
          cmocka_unit_test(cancelled_thread_leaves_its_handler_first))
