/* SPDX-License-Identifier: MIT */
/* log_env_test.c - the built-in handler and what the environment asks of it. */
#include "base/log.h"
#include "lib/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char written[1 << 17];

/* Standard error goes to memory between these two. */
static int real_stderr, memory;

static void capture_start(void)
{
    unsetenv("NO_COLOR");
    unsetenv("SKS_LOG");
    unsetenv("SKS_LOG_FORMAT");
    setenv("TZ", "UTC", 1);
    real_stderr = dup(STDERR_FILENO);
    memory = memfd_create("stderr", 0);
    assert_true(real_stderr >= 0 && memory >= 0);
    dup2(memory, STDERR_FILENO);
}

static void capture_end(void)
{
    ssize_t n = pread(memory, written, sizeof written - 1, 0);

    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    close(memory);
    assert_true(n >= 0);
    written[n] = '\0';
}

static void without_sks_log_nothing_changes(void **state)
{
    (void)state;
    capture_start();
    setenv("SKS_LOG_FORMAT", "nonsense", 1);
    assert_int_equal(sks_log_from_env(), 0);
    setenv("SKS_LOG", "", 1);
    assert_int_equal(sks_log_from_env(), 0);
    assert_false(sks_log_wanted(SKS_LOG_ERROR, "c"));
    sks_error("c", "nobody hears");
    capture_end();
    assert_string_equal(written, "");
}

static void human_is_the_default_format(void **state)
{
    (void)state;
    capture_start();
    setenv("SKS_LOG", "info,Stage2=off", 1);
    assert_int_equal(sks_log_from_env(), 0);
    sks_info("Stage1", "sending item=%d", 3);
    sks_debug("Stage1", "too much");
    sks_error("Stage2", "not asked for");
    capture_end();
    assert_string_equal(written + strlen("12:34:56.789012"), " INFO  Stage1 sending item=3\n");
}

static void format_is_chosen_by_name(void **state)
{
    (void)state;
    capture_start();
    setenv("SKS_LOG", "info", 1);
    setenv("SKS_LOG_FORMAT", "logfmt", 1);
    assert_int_equal(sks_log_from_env(), 0);
    sks_info("c", "one");
    setenv("SKS_LOG_FORMAT", "JSON", 1);
    assert_int_equal(sks_log_from_env(), 0);
    sks_info("c", "two");
    capture_end();
    assert_non_null(strstr(written, " level=info component=c thread=\"\" msg=\"one\"\n{\"time\""));
    assert_non_null(strstr(written, "\"msg\":\"two\"}\n"));
}

static void wrong_format_is_named_with_the_nearest(void **state)
{
    (void)state;
    capture_start();
    setenv("SKS_LOG", "info", 1);
    setenv("SKS_LOG_FORMAT", "jsno", 1);
    assert_int_equal(sks_log_from_env(), -1);
    assert_int_equal(errno, EINVAL);
    capture_end();
    assert_string_equal(sks_log_error(), "SKS_LOG_FORMAT: 'jsno' is not a format: "
                                         "human logfmt json; did you mean 'json'?");
    assert_false(sks_log_wanted(SKS_LOG_ERROR, "c"));
}

static void wrong_filter_says_where_and_changes_nothing(void **state)
{
    (void)state;
    capture_start();
    setenv("SKS_LOG", "warn", 1);
    assert_int_equal(sks_log_from_env(), 0);
    setenv("SKS_LOG", "debug,a=trcae", 1);
    assert_int_equal(sks_log_from_env(), -1);
    assert_int_equal(errno, EINVAL);
    capture_end();
    assert_non_null(strstr(sks_log_error(), "SKS_LOG: 'trcae' at byte 9 is not a level"));
    assert_true(sks_log_wanted(SKS_LOG_WARN, "a"));
    assert_false(sks_log_wanted(SKS_LOG_DEBUG, "a"));
}

static void file_gets_no_color(void **state)
{
    (void)state;
    capture_start();
    setenv("SKS_LOG", "info", 1);
    assert_int_equal(sks_log_from_env(), 0);
    sks_error("c", "m");
    capture_end();
    assert_null(strchr(written, '\033'));
}

/* What a terminal gets when NO_COLOR is `no_color`. */
static const char *terminal_gets(const char *no_color)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), slave = -1;
    ssize_t n;

    if (master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0)
        slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    if (slave < 0) {
        close(master);
        sks_test_skip("no pseudo-terminals (/dev/pts is not mounted)");
    }
    capture_start();
    dup2(slave, STDERR_FILENO);
    if (no_color)
        setenv("NO_COLOR", no_color, 1);
    setenv("SKS_LOG", "info", 1);
    assert_int_equal(sks_log_from_env(), 0);
    sks_error("c", "m");
    capture_end();
    n = read(master, written, sizeof written - 1);
    written[n > 0 ? n : 0] = '\0';
    close(slave);
    close(master);
    return written;
}

static void terminal_gets_color_unless_no_color_is_set(void **state)
{
    (void)state;
    assert_non_null(strstr(terminal_gets(NULL), "\033[31mERROR\033[0m"));
    assert_non_null(strstr(terminal_gets(""), "\033[31mERROR\033[0m"));
    assert_null(strchr(terminal_gets("1"), '\033'));
}

static void long_record_is_written_whole(void **state)
{
    char text[2000];

    (void)state;
    memset(text, '\n', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    capture_start();
    setenv("SKS_LOG", "info", 1);
    setenv("SKS_LOG_FORMAT", "json", 1);
    assert_int_equal(sks_log_from_env(), 0);
    sks_info("c", "m a=%s b=%s c=%s end=%d", text, text, text, 7);
    capture_end();
    assert_true(strlen(written) > 3 * 6 * 1000);
    assert_non_null(strstr(written, "\\u000a...\",\"end\":7}\n"));
}

static void dead_standard_error_changes_nothing(void **state)
{
    (void)state;
    capture_start();
    close(STDERR_FILENO);
    setenv("SKS_LOG", "info", 1);
    assert_int_equal(sks_log_from_env(), 0);
    errno = 77;
    sks_info("c", "m");
    assert_int_equal(errno, 77);
    capture_end();
}

#define WRITERS 4
#define RECORDS 500

static void *writer(void *arg)
{
    char name[16];

    snprintf(name, sizeof name, "w%d", *(int *)arg);
    sks_log_thread_name(name);
    for (int i = 0; i < RECORDS; i++)
        sks_info("c", "m thread_says=%s i=%d", name, i);
    return NULL;
}

/* Each line is whole: it ends as it began, with its writer's name and its number. */
static void records_of_several_threads_do_not_mix(void **state)
{
    pthread_t t[WRITERS];
    int id[WRITERS], next[WRITERS] = {0}, lines = 0;

    (void)state;
    capture_start();
    fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
    setenv("SKS_LOG", "info", 1);
    assert_int_equal(sks_log_from_env(), 0);
    for (int i = 0; i < WRITERS; i++) {
        id[i] = i;
        assert_int_equal(pthread_create(&t[i], NULL, writer, &id[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(t[i], NULL);
    capture_end();
    for (char *s = strtok(written, "\n"); s; s = strtok(NULL, "\n"), lines++) {
        int who = -1, says = -1, i = -1, end = 0;

        sscanf(s + strlen("12:34:56.789012"), " INFO c[w%d] m thread_says=w%d i=%d%n", &who, &says,
               &i, &end);
        assert_true(who >= 0 && who < WRITERS);
        assert_int_equal(who, says);
        assert_int_equal(i, next[who]++);
        assert_int_equal(s[strlen("12:34:56.789012") + (size_t)end], '\0');
    }
    assert_int_equal(lines, WRITERS * RECORDS);
}

SKS_TESTS("base/log_env", cmocka_unit_test(without_sks_log_nothing_changes),
          cmocka_unit_test(human_is_the_default_format), cmocka_unit_test(format_is_chosen_by_name),
          cmocka_unit_test(wrong_format_is_named_with_the_nearest),
          cmocka_unit_test(wrong_filter_says_where_and_changes_nothing),
          cmocka_unit_test(file_gets_no_color),
          cmocka_unit_test(terminal_gets_color_unless_no_color_is_set),
          cmocka_unit_test(long_record_is_written_whole),
          cmocka_unit_test(dead_standard_error_changes_nothing),
          cmocka_unit_test(records_of_several_threads_do_not_mix))
