/* SPDX-License-Identifier: MIT */
/*
 * log_env.c - the built-in handler and what the environment asks of it.
 *
 * One write(2) per record, so that records of several threads and processes do not
 * mix in a line.  A line that is longer than LINE bytes is put into memory of its
 * own; where there is none, the record goes out without its fields.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/log.h"

#include "plat/plat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE 2048 /* on the stack: longer than lines that people read */

static const char *const format_names[] = {"human", "logfmt", "json"};

#define N_FORMATS ((int)(sizeof format_names / sizeof *format_names))

/* By format and colour. */
static struct sksi_log_stderr choices[][2] = {
    {{SKS_LOG_HUMAN, false, STDERR_FILENO}, {SKS_LOG_HUMAN, true, STDERR_FILENO}},
    {{SKS_LOG_LOGFMT, false, STDERR_FILENO}, {SKS_LOG_LOGFMT, true, STDERR_FILENO}},
    {{SKS_LOG_JSON, false, STDERR_FILENO}, {SKS_LOG_JSON, true, STDERR_FILENO}},
};

static void line_write(int fd, const char *line, size_t len)
{
    while (len > 0) {
        ssize_t n = sksi_sys.write(fd, line, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nowhere to complain */
        line += n;
        len -= (size_t)n;
    }
}

void sksi_log_to_fd(const sks_log_record *record, void *arg)
{
    const struct sksi_log_stderr *to = arg;
    char line[LINE], *memory;
    size_t len = sks_log_format_record(record, to->format, to->color, line, sizeof line);

    if (len < sizeof line) {
        line_write(to->fd, line, len);
        return;
    }
    memory = sksi_alloc(len + 1, 1);
    if (memory) {
        sks_log_format_record(record, to->format, to->color, memory, len + 1);
        line_write(to->fd, memory, len);
        sksi_free(memory);
    } else {
        sks_log_record bare = *record;

        bare.n_fields = 0;
        bare.message = "a longer record; no memory to print it";
        len = sks_log_format_record(&bare, to->format, to->color, line, sizeof line);
        line_write(to->fd, line, len < sizeof line ? len : 0);
    }
}

int sks_log_from_env(void)
{
    const char *filter = getenv("SKS_LOG");
    const char *name = getenv("SKS_LOG_FORMAT");
    const char *no_color = getenv("NO_COLOR");
    int format = SKS_LOG_HUMAN;
    bool color;

    if (!filter || !*filter)
        return 0;
    if (name && *name) {
        format = sksi_log_name_find(name, strlen(name), format_names, N_FORMATS);
        if (format < 0) {
            sksi_log_error_name("SKS_LOG_FORMAT: ", name, strlen(name),
                                " is not a format:", format_names, N_FORMATS);
            errno = EINVAL;
            return -1;
        }
    }
    color = isatty(STDERR_FILENO) && !(no_color && *no_color);
    return sksi_log_set_from(sksi_log_to_fd, &choices[format][color], filter, "SKS_LOG: ");
}
