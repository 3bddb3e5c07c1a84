/* SPDX-License-Identifier: MIT */
/*
 * log_filter.c - which components log how much.
 *
 *   filter = word *("," word)      word = level | component "=" level
 *
 * Spaces around a word, a component or a level do not count; case does not matter in
 * a level.  A word that is said twice: the last one holds.  A rule matches its
 * component and what follows it after a dot, the longest rule wins, so `channel`
 * does not match "channels".  Filters have a few rules: they are searched in line.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/log.h"

#include "plat/plat.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <strings.h>

/* Longest word quoted in a message; longer ones are cut. */
#define WORD_SHOWN 40

/* More wrong letters than this, and a name is not a misspelling. */
#define WRONG_MAX 2

/* Longer words are not compared letter by letter: no name is half as long. */
#define NEAREST_WORD 16

const char *const sksi_log_level_names[] = {"off", "error", "warn", "info", "debug", "trace"};

#define N_LEVELS ((int)(sizeof sksi_log_level_names / sizeof *sksi_log_level_names))

static _Thread_local char last_error[256];

const char *sks_log_error(void)
{
    return last_error;
}

/* ---- names ------------------------------------------------------------- */

int sksi_log_name_find(const char *word, size_t len, const char *const *names, int n)
{
    for (int i = 0; i < n; i++) {
        if (strlen(names[i]) == len && strncasecmp(names[i], word, len) == 0)
            return i;
    }
    return -1;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;

    return least < c ? least : c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Letters to change, add, drop or swap with their neighbour to make one of the other. */
static unsigned wrong_letters(const char *word, size_t len, const char *name)
{
    unsigned d[NEAREST_WORD + 1][NEAREST_WORD + 1];
    size_t name_len = strlen(name);

    for (size_t i = 0; i <= len; i++)
        d[i][0] = (unsigned)i;
    for (size_t j = 0; j <= name_len; j++)
        d[0][j] = (unsigned)j;
    for (size_t i = 1; i <= len; i++) {
        for (size_t j = 1; j <= name_len; j++) {
            unsigned same = lower(word[i - 1]) == name[j - 1] ? 0 : 1;

            d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + same);
            if (i > 1 && j > 1 && lower(word[i - 1]) == name[j - 2] &&
                lower(word[i - 2]) == name[j - 1] && d[i - 2][j - 2] + 1 < d[i][j])
                d[i][j] = d[i - 2][j - 2] + 1;
        }
    }
    return d[len][name_len];
}

int sksi_log_name_nearest(const char *word, size_t len, const char *const *names, int n)
{
    unsigned best = WRONG_MAX + 1;
    int nearest = -1;

    if (len == 0 || len > NEAREST_WORD)
        return -1;
    for (int i = 0; i < n; i++) {
        size_t name_len = strlen(names[i]);
        unsigned wrong = wrong_letters(word, len, names[i]);

        /* "warning" is "warn" and more. */
        if (wrong > 1 && len > name_len && strncasecmp(word, names[i], name_len) == 0)
            wrong = 1;
        /* A name in which nothing is right is no suggestion. */
        if (wrong < best && wrong < name_len) {
            best = wrong;
            nearest = i;
        }
    }
    return nearest;
}

/* ---- what was wrong ---------------------------------------------------- */

static void quote(struct sksi_text *t, const char *word, size_t len)
{
    sksi_text_put(t, '\'');
    sksi_text_escape(t, word, len < WORD_SHOWN ? len : WORD_SHOWN, SKSI_ESCAPE_PLAIN);
    sksi_text_add(t, len <= WORD_SHOWN ? "'" : "...'");
}

void sksi_log_error_name(const char *where, const char *word, size_t len, const char *what,
                         const char *const *names, int n)
{
    struct sksi_text t = sksi_text_in(last_error, sizeof last_error);
    int nearest = sksi_log_name_nearest(word, len, names, n);

    sksi_text_add(&t, where);
    quote(&t, word, len);
    sksi_text_add(&t, what);
    for (int i = 0; i < n; i++) {
        sksi_text_put(&t, ' ');
        sksi_text_add(&t, names[i]);
    }
    if (nearest >= 0) {
        sksi_text_add(&t, "; did you mean ");
        quote(&t, names[nearest], strlen(names[nearest]));
        sksi_text_put(&t, '?');
    }
    sksi_text_close(&t);
}

void sksi_log_error_text(const char *where, const char *what)
{
    struct sksi_text t = sksi_text_in(last_error, sizeof last_error);

    sksi_text_add(&t, where);
    sksi_text_add(&t, what);
    sksi_text_close(&t);
}

static void number_add(struct sksi_text *t, size_t v)
{
    if (v >= 10)
        number_add(t, v / 10);
    sksi_text_put(t, (char)('0' + v % 10));
}

static void error_empty(const char *where, const char *what, size_t at)
{
    struct sksi_text t = sksi_text_in(last_error, sizeof last_error);

    sksi_text_add(&t, where);
    sksi_text_add(&t, what);
    sksi_text_add(&t, " at byte ");
    number_add(&t, at);
    sksi_text_add(&t, ": expected level or component=level");
    sksi_text_close(&t);
}

static void error_level(const char *where, const char *word, size_t len, size_t at)
{
    char what[64];
    struct sksi_text t = sksi_text_in(what, sizeof what);

    sksi_text_add(&t, " at byte ");
    number_add(&t, at);
    sksi_text_add(&t, " is not a level:");
    sksi_text_close(&t);
    sksi_log_error_name(where, word, len, what, sksi_log_level_names, N_LEVELS);
}

/* ---- parsing ----------------------------------------------------------- */

/* A part of the filter's text. */
struct span {
    const char *s;
    size_t len;
};

static struct span trimmed(const char *s, const char *end)
{
    while (s < end && (*s == ' ' || *s == '\t'))
        s++;
    while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct span){s, (size_t)(end - s)};
}

static void rule_set(struct sksi_log_filter *f, struct span component, sks_log_level level)
{
    size_t i = 0;

    while (i < f->n_rules && (f->rules[i].len != component.len ||
                              memcmp(f->rules[i].component, component.s, component.len) != 0))
        i++;
    if (i == f->n_rules)
        f->n_rules++;
    f->rules[i] = (struct sksi_log_rule){component.s, component.len, level};
}

/* One word.  `text` is what the positions count from. */
static bool word_parse(struct sksi_log_filter *f, struct span word, const char *text,
                       const char *where)
{
    const char *end = word.s + word.len;
    const char *equals = memchr(word.s, '=', word.len);
    struct span level = equals ? trimmed(equals + 1, end) : word;
    int found = sksi_log_name_find(level.s, level.len, sksi_log_level_names, N_LEVELS);

    if (level.len == 0) {
        error_empty(where, equals ? "no level" : "empty word", (size_t)(level.s - text) + 1);
        return false;
    }
    if (found < 0) {
        error_level(where, level.s, level.len, (size_t)(level.s - text) + 1);
        return false;
    }
    if (equals) {
        struct span component = trimmed(word.s, equals);

        if (component.len == 0) {
            error_empty(where, "no component", (size_t)(word.s - text) + 1);
            return false;
        }
        rule_set(f, component, (sks_log_level)found);
    } else {
        f->usual = (sks_log_level)found;
    }
    return true;
}

static void bounds_set(struct sksi_log_filter *f)
{
    f->least = f->most = f->usual;
    for (size_t i = 0; i < f->n_rules; i++) {
        if (f->rules[i].level < f->least)
            f->least = f->rules[i].level;
        if (f->rules[i].level > f->most)
            f->most = f->rules[i].level;
    }
}

struct sksi_log_filter *sksi_log_filter_parse(const char *text, const char *where)
{
    size_t len = strlen(text), n_words = 1;
    struct sksi_log_filter *f;
    const char *copy, *s, *end;

    for (size_t i = 0; i < len; i++)
        n_words += text[i] == ',';
    f = sksi_alloc(sizeof *f + n_words * sizeof f->rules[0] + len + 1, alignof(max_align_t));
    if (!f) {
        sksi_log_error_text(where, "no memory");
        errno = ENOMEM;
        return NULL;
    }
    *f = (struct sksi_log_filter){.usual = SKS_LOG_OFF};
    s = copy = memcpy(&f->rules[n_words], text, len + 1);
    do {
        end = strchrnul(s, ',');
        if (!word_parse(f, trimmed(s, end), copy, where)) {
            sksi_free(f);
            errno = EINVAL;
            return NULL;
        }
        s = end + 1;
    } while (*end);
    bounds_set(f);
    return f;
}

/* ---- matching ---------------------------------------------------------- */

sks_log_level sksi_log_filter_level(const struct sksi_log_filter *f, const char *component)
{
    sks_log_level level = f->usual;
    size_t longest = 0;

    for (size_t i = 0; i < f->n_rules; i++) {
        const struct sksi_log_rule *r = &f->rules[i];

        if (r->len > longest && strncmp(component, r->component, r->len) == 0 &&
            (component[r->len] == '\0' || component[r->len] == '.')) {
            longest = r->len;
            level = r->level;
        }
    }
    return level;
}
