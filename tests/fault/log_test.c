/* SPDX-License-Identifier: MIT */
/*
 * log_test.c - filters, sinks and the built-in handler while the calls below them fail.
 * A record may be lost; it is never half a record, and the sink that was there stays.
 */
#include "fault/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sockstream/log.h>

#include "base/log.h"

/* ---- sinks ------------------------------------------------------------- */

static void count(const sks_log_record *record, void *arg)
{
    CHECK(strcmp(record->message, "hello") == 0 && record->n_fields == 1);
    ++*(int *)arg;
}

static void sink_scene(struct scene *s)
{
    int first = 0, second = 0;
    bool replaced;

    if (!TRY(s, sks_log_set(count, &first, "info,x.y=debug, z = off") == 0)) {
        CHECK(!sks_log_wanted(SKS_LOG_ERROR, "c"));
        return;
    }
    sks_info("c", "hello n=%d", 1);
    CHECK(first == 1);
    CHECK(sks_log_set(count, &second, "nonsense") == -1);
    replaced = TRY(s, sks_log_set(count, &second, NULL) == 0);
    sks_trace("c", "hello n=%d", 2);
    sks_info("c", "hello n=%d", 3);
    CHECK(replaced ? first == 1 && second == 2 : first == 2 && second == 0);
    CHECK(sks_log_set(NULL, NULL, NULL) == 0); /* silence needs nothing */
    CHECK(!sks_log_wanted(SKS_LOG_ERROR, "c"));
}

static void sink_is_replaced_or_stays_when_calls_fail(void **state)
{
    (void)state;
    sweep("log sinks", sink_scene, NULL, FAULT_ALL);
}

/* ---- the built-in handler ---------------------------------------------- */

static char written[1 << 16];

/* A line of three kilobytes: it needs memory of its own. */
static void long_record(void)
{
    char text[481];

    memset(text, '\x01', sizeof text - 1); /* four bytes each when escaped */
    text[sizeof text - 1] = '\0';
    sks_info("c", "long a=%s b=%s", text, text);
}

/* Each line begins as a record does and is whole. */
static unsigned lines_check(int fd)
{
    ssize_t n = pread(fd, written, sizeof written - 1, 0);
    unsigned lines = 0;

    CHECK(n >= 0);
    written[n] = '\0';
    for (char *line = written, *end; *line; line = end + 1) {
        CHECK(strncmp(line, "{\"time\":", 8) == 0 || strstr(line, "\"component\":\"c\"") != NULL);
        CHECK((end = strchr(line, '\n')) != NULL && end[-1] == '}');
        lines++;
    }
    return lines;
}

static void env_scene(struct scene *s)
{
    int memory = memfd_create("stderr", 0), old = dup(STDERR_FILENO);
    unsigned lines;
    bool on;

    CHECK(memory >= 0 && old >= 0 && dup2(memory, STDERR_FILENO) >= 0);
    on = TRY(s, sks_log_from_env() == 0);
    errno = ENOTTY;
    sks_info("c", "hello");
    long_record();
    sks_info("c", "good bye n=%d", 3);
    CHECK(errno == ENOTTY); /* logging keeps it, whatever fails */
    lines = lines_check(memory);
    if (on && !sweep_met(FAULT_WRITE))
        CHECK(lines == 3); /* without memory one record goes out without its fields */
    CHECK(lines <= 3 && (on || lines == 0));
    CHECK(sks_log_set(NULL, NULL, NULL) == 0);
    dup2(old, STDERR_FILENO);
    close(old);
    close(memory);
}

static void record_is_whole_or_not_there_when_calls_fail(void **state)
{
    (void)state;
    setenv("SKS_LOG", "info", 1);
    setenv("SKS_LOG_FORMAT", "json", 1);
    sweep("log to stderr", env_scene, NULL, FAULT_ALL);
}

SKS_TESTS("fault/log", cmocka_unit_test(sink_is_replaced_or_stays_when_calls_fail),
          cmocka_unit_test(record_is_whole_or_not_there_when_calls_fail))
