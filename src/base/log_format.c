/* SPDX-License-Identifier: MIT */
/*
 * log_format.c - a record becomes one line.
 *
 *   human   12:34:56.789012 INFO  Stage1 sending item=3
 *   logfmt  time=2026-11-21T12:34:56.789012Z level=info component=Stage1 thread=gen
 *           msg="sending" item=3                                      (one line)
 *   JSON    {"time":"2026-11-21T12:34:56.789012Z","level":"info","component":"Stage1",
 *           "thread":"gen","msg":"sending","item":3}                  (one line)
 *
 * Human time is local and names the thread only where it is not the component; the
 * other two are UTC.  A field whose key is one of the fixed ones is written
 * `field.KEY`, so that no line has a key twice because of it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000LL

#define WHOLE SIZE_MAX /* of a string: up to its NUL */

static const char *text_of(const char *s)
{
    return s ? s : "";
}

/* ---- time -------------------------------------------------------------- */

static void time_add(struct sksi_text *t, int64_t time_ns, bool utc)
{
    time_t s = (time_t)(time_ns / NS_PER_S);
    long ns = (long)(time_ns % NS_PER_S);
    char buf[64];
    struct tm tm = {0};
    size_t n;

    if (ns < 0) { /* before 1970 */
        ns += NS_PER_S;
        s--;
    }
    if (utc)
        gmtime_r(&s, &tm);
    else
        localtime_r(&s, &tm);
    n = strftime(buf, sizeof buf, utc ? "%Y-%m-%dT%H:%M:%S" : "%H:%M:%S", &tm);
    sksi_text_add_n(t, buf, n);
    snprintf(buf, sizeof buf, ".%06ld%s", ns / 1000, utc ? "Z" : "");
    sksi_text_add(t, buf);
}

/* ---- level ------------------------------------------------------------- */

static const char *level_name(sks_log_level level)
{
    return (unsigned)level <= SKS_LOG_TRACE ? sksi_log_level_names[level] : "?";
}

static void level_add_human(struct sksi_text *t, sks_log_level level, bool color)
{
    static const struct {
        const char *name, *color;
    } levels[] = {
        {"OFF  ", "\033[0m"},  {"ERROR", "\033[31m"}, {"WARN ", "\033[33m"},
        {"INFO ", "\033[32m"}, {"DEBUG", "\033[36m"}, {"TRACE", "\033[2m"},
    };
    size_t i = (unsigned)level <= SKS_LOG_TRACE ? (size_t)level : 0;

    if (color)
        sksi_text_add(t, levels[i].color);
    sksi_text_add(t, levels[i].name);
    if (color)
        sksi_text_add(t, "\033[0m");
}

/* ---- keys and values --------------------------------------------------- */

static bool key_is_fixed(const char *key)
{
    static const char *const fixed[] = {"time", "level", "component", "thread", "msg"};

    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        if (strcmp(key, fixed[i]) == 0)
            return true;
    }
    return false;
}

/* Would a reader of logfmt take s for one bare word? */
static bool word_is_bare(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++) {
        if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f || strchr("\"=\\", *s))
            return false;
    }
    return true;
}

static const char *digits_skip(const char *s)
{
    while (*s >= '0' && *s <= '9')
        s++;
    return s;
}

/* Is s a number as JSON has them?  "nan", "0x1f", "+1" and "007" are not. */
static bool number_is_json(const char *s)
{
    const char *start;

    s += *s == '-';
    start = s;
    s = digits_skip(s);
    if (s == start || (*start == '0' && s - start > 1))
        return false;
    if (*s == '.') {
        start = s + 1;
        s = digits_skip(start);
        if (s == start)
            return false;
    }
    if (*s == 'e' || *s == 'E') {
        start = s + 1;
        start += *start == '+' || *start == '-';
        s = digits_skip(start);
        if (s == start)
            return false;
    }
    return !*s;
}

static void quoted_add(struct sksi_text *t, const char *s, enum sksi_escape how)
{
    sksi_text_put(t, '"');
    sksi_text_escape(t, s, WHOLE, how);
    sksi_text_put(t, '"');
}

/* A word of logfmt: bare, or in quotes where it must be or is asked to be. */
static void word_add(struct sksi_text *t, const char *s, bool quoted)
{
    if (!quoted && word_is_bare(s))
        sksi_text_add(t, s);
    else
        quoted_add(t, s, SKSI_ESCAPE_QUOTED);
}

/* A key of human and logfmt; what a key may not contain becomes '_'. */
static void key_add(struct sksi_text *t, const char *key)
{
    if (!*key)
        sksi_text_put(t, '_');
    for (; *key; key++) {
        bool bad =
            (unsigned char)*key <= ' ' || (unsigned char)*key >= 0x7f || strchr("\"=\\", *key);

        sksi_text_put(t, bad ? '_' : *key);
    }
}

/* ---- the three formats ------------------------------------------------- */

static void human_add(struct sksi_text *t, const sks_log_record *r, bool color)
{
    const char *component = text_of(r->component), *thread = text_of(r->thread);

    time_add(t, r->time_ns, false);
    sksi_text_put(t, ' ');
    level_add_human(t, r->level, color);
    sksi_text_put(t, ' ');
    sksi_text_escape(t, component, WHOLE, SKSI_ESCAPE_PLAIN);
    if (*thread && strcmp(thread, component) != 0) {
        sksi_text_put(t, '[');
        sksi_text_escape(t, thread, WHOLE, SKSI_ESCAPE_PLAIN);
        sksi_text_put(t, ']');
    }
    if (*component || *thread)
        sksi_text_put(t, ' ');
    sksi_text_escape(t, text_of(r->message), WHOLE, SKSI_ESCAPE_PLAIN);
    for (size_t i = 0; i < r->n_fields; i++) {
        sksi_text_put(t, ' ');
        key_add(t, text_of(r->fields[i].key));
        sksi_text_put(t, '=');
        word_add(t, text_of(r->fields[i].value), false);
    }
}

static void logfmt_add(struct sksi_text *t, const sks_log_record *r)
{
    sksi_text_add(t, "time=");
    time_add(t, r->time_ns, true);
    sksi_text_add(t, " level=");
    sksi_text_add(t, level_name(r->level));
    sksi_text_add(t, " component=");
    word_add(t, text_of(r->component), false);
    sksi_text_add(t, " thread=");
    word_add(t, text_of(r->thread), false);
    sksi_text_add(t, " msg=");
    word_add(t, text_of(r->message), true);
    for (size_t i = 0; i < r->n_fields; i++) {
        const sks_log_field *f = &r->fields[i];

        sksi_text_add(t, key_is_fixed(text_of(f->key)) ? " field." : " ");
        key_add(t, text_of(f->key));
        sksi_text_put(t, '=');
        word_add(t, text_of(f->value), f->quoted);
    }
}

static void json_member(struct sksi_text *t, const char *key, const char *value)
{
    sksi_text_add(t, key);
    quoted_add(t, text_of(value), SKSI_ESCAPE_JSON);
}

static void json_add(struct sksi_text *t, const sks_log_record *r)
{
    sksi_text_add(t, "{\"time\":\"");
    time_add(t, r->time_ns, true);
    json_member(t, "\",\"level\":", level_name(r->level));
    json_member(t, ",\"component\":", r->component);
    json_member(t, ",\"thread\":", r->thread);
    json_member(t, ",\"msg\":", r->message);
    for (size_t i = 0; i < r->n_fields; i++) {
        const char *key = text_of(r->fields[i].key), *value = text_of(r->fields[i].value);

        sksi_text_add(t, key_is_fixed(key) ? ",\"field." : ",\"");
        sksi_text_escape(t, key, WHOLE, SKSI_ESCAPE_JSON);
        sksi_text_add(t, "\":");
        if (!r->fields[i].quoted && number_is_json(value))
            sksi_text_add(t, value);
        else
            quoted_add(t, value, SKSI_ESCAPE_JSON);
    }
    sksi_text_put(t, '}');
}

size_t sks_log_format_record(const sks_log_record *record, sks_log_format format, bool color,
                             char *buf, size_t size)
{
    struct sksi_text t = sksi_text_in(buf, size);

    if (format == SKS_LOG_JSON)
        json_add(&t, record);
    else if (format == SKS_LOG_LOGFMT)
        logfmt_add(&t, record);
    else
        human_add(&t, record, color);
    sksi_text_put(&t, '\n');
    return t.len;
}
