/* SPDX-License-Identifier: MIT */
/*
 * log.h - structured log records: a level, a component, a message, fields.
 *
 * Silent by default.  A program that wants records either installs a handler of
 * its own, or turns on the built-in one, which writes to standard error what the
 * environment asks for:
 *
 *   SKS_LOG         a filter: `info`, `channel=debug,pipeline.gzip=trace`,
 *                   `warn,Stage2=off`.  Levels: off error warn info debug trace.
 *                   A component matches itself and what follows a dot; the
 *                   longest match wins.
 *   SKS_LOG_FORMAT  human (default), logfmt, json
 *   NO_COLOR        set and not empty: no colours; there are none anyway unless
 *                   standard error is a terminal.
 *
 * A record that nobody wants costs one relaxed load.  Control characters and
 * bytes that are not UTF-8 are escaped in every output format, so untrusted text
 * cannot forge a record or steer a terminal.
 */
#ifndef SOCKSTREAM_LOG_H
#define SOCKSTREAM_LOG_H

#include <sockstream/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sks_log_level {
    SKS_LOG_OFF,
    SKS_LOG_ERROR,
    SKS_LOG_WARN,
    SKS_LOG_INFO,
    SKS_LOG_DEBUG,
    SKS_LOG_TRACE,
} sks_log_level;

typedef struct sks_log_field {
    const char *key;
    const char *value; /* as printed, not escaped */
    bool quoted;       /* text; else a number */
} sks_log_field;

/* One record.  Valid only during the handler's call. */
typedef struct sks_log_record {
    int64_t time_ns;       /* CLOCK_REALTIME */
    sks_log_level level;
    const char *component; /* dotted, e.g. "pipeline.gzip" */
    const char *thread;    /* stage or thread name, may be "" */
    const char *message;
    const sks_log_field *fields;
    size_t n_fields;
} sks_log_record;

/* Called on the logging thread, several at once; it must not log. */
typedef void sks_log_handler(const sks_log_record *record, void *arg);

/*
 * Sends records that `filter` lets through (syntax as SKS_LOG; NULL is "trace",
 * everything) to `handler`; NULL turns logging off.  Replaces the handler before it.
 * When it returns, the old handler is no longer running and will not be called
 * again.  Any thread but a handler's.  0, or -1 with EINVAL (the filter; logging
 * is unchanged) or ENOMEM.
 */
SKS_API int sks_log_set(sks_log_handler *handler, void *arg, const char *filter);

/* The built-in handler with the filter and the format from the environment.
 * Without SKS_LOG it changes nothing.  0, or -1 with EINVAL when SKS_LOG or
 * SKS_LOG_FORMAT does not parse, or ENOMEM; sks_log_error() then says what and where. */
SKS_API int sks_log_from_env(void);

/* What the last failed filter on this thread was about, in words; "" if none. */
SKS_API const char *sks_log_error(void);

typedef enum sks_log_format { SKS_LOG_HUMAN, SKS_LOG_LOGFMT, SKS_LOG_JSON } sks_log_format;

/* Formats a record as the built-in handler does, with a newline, into buf: at
 * most `size` bytes with the closing NUL, as snprintf.  Returns the whole length. */
SKS_API size_t sks_log_format_record(const sks_log_record *record, sks_log_format format,
                                     bool color, char *buf, size_t size);

/* The name of the calling thread in later records; copied, cut to 31 bytes. */
SKS_API void sks_log_thread_name(const char *name);

/* Would a record of this level and component be wanted?  One relaxed load when
 * nobody wants the level. */
SKS_API bool sks_log_wanted(sks_log_level level, const char *component);

/*
 * Logs one record.  `format` is the message, then its fields: the first word of
 * the form key=conversion starts them, "sending batch items=%zu peer=%s".  Words
 * are separated by one space.  Conversions, in the message too: %d %i %u %x %o
 * %c %s %p %f %g %e %%, with printf's flags, width, precision and length.  An
 * item value of %s and %c is text, the others are numbers.  errno is kept.
 */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
SKS_API void sks_log_write(sks_log_level level, const char *component, const char *format, ...);

/* SKS_LOG(level, component, format, ...): its arguments are evaluated only when
 * the record is wanted. */
#define SKS_LOG(level, component, ...)                                                             \
    do {                                                                                           \
        if (sks_log_wanted((level), (component)))                                                  \
            sks_log_write((level), (component), __VA_ARGS__);                                      \
    } while (0)

#define sks_error(component, ...) SKS_LOG(SKS_LOG_ERROR, component, __VA_ARGS__)
#define sks_warn(component, ...) SKS_LOG(SKS_LOG_WARN, component, __VA_ARGS__)
#define sks_info(component, ...) SKS_LOG(SKS_LOG_INFO, component, __VA_ARGS__)
#define sks_debug(component, ...) SKS_LOG(SKS_LOG_DEBUG, component, __VA_ARGS__)
#define sks_trace(component, ...) SKS_LOG(SKS_LOG_TRACE, component, __VA_ARGS__)

#ifdef __cplusplus
}
#endif

#endif
