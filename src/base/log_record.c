/* SPDX-License-Identifier: MIT */
/*
 * log_record.c - a printf format and its arguments become a message and fields.
 *
 *   format     = word *(" " word)
 *   word       = field | text          field = key "=" conversion
 *   conversion = "%" *("-" "+" " " "#" "0") [width] ["." precision] [length] letter
 *
 * The format is read once from left to right, so the arguments are taken in order.
 * Words of the form key=conversion become fields.  All others are the message, also
 * those after the first field, and fields for which there is no room: nothing that
 * was asked for is dropped in silence.  Text that does not fit ends with "...".
 *
 * A conversion that is not in the list (%n, %*d, %Lf, %ls) makes the arguments after
 * it unreadable, since their types are not known: from there on the format itself is
 * the message.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#define DIGITS_MAX 4 /* of a width or a precision: 9999 is more than any room here */
#define SPEC_MAX 32  /* %, 5 flags twice, digits, '.', digits, ll, letter, NUL */
#define FLAGS_MAX 10

enum length { LEN_NONE, LEN_HH, LEN_H, LEN_L, LEN_LL, LEN_Z, LEN_J, LEN_T };

struct conversion {
    const char *end; /* after its letter */
    enum length length;
    char letter;
    bool left;     /* - */
    int width;     /* 0: none */
    int precision; /* -1: none */
    char spec[SPEC_MAX];
};

/* ---- reading a format -------------------------------------------------- */

static bool digits_read(const char **s, int *value)
{
    const char *start = *s;

    *value = 0;
    for (; **s >= '0' && **s <= '9'; (*s)++) {
        if (*s - start == DIGITS_MAX)
            return false;
        *value = *value * 10 + (**s - '0');
    }
    return true;
}

static enum length length_read(const char **s)
{
    static const struct {
        const char *name;
        enum length length;
    } lengths[] = {
        {"hh", LEN_HH}, {"h", LEN_H}, {"ll", LEN_LL}, {"l", LEN_L},
        {"z", LEN_Z},   {"j", LEN_J}, {"t", LEN_T},
    };

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t n = strlen(lengths[i].name);

        if (strncmp(*s, lengths[i].name, n) == 0) {
            *s += n;
            return lengths[i].length;
        }
    }
    return LEN_NONE;
}

/* Reads the conversion at s.  False when it is none of ours. */
static bool conversion_read(const char *s, struct conversion *c)
{
    const char *start = s;

    *c = (struct conversion){.precision = -1};
    if (*s++ != '%')
        return false;
    for (; *s && strchr("-+ #0", *s); s++) {
        c->left |= *s == '-';
        if (s - start > FLAGS_MAX)
            return false;
    }
    if (!digits_read(&s, &c->width))
        return false;
    if (*s == '.') {
        s++;
        if (!digits_read(&s, &c->precision))
            return false;
    }
    c->length = length_read(&s);
    c->letter = *s;
    if (!*s || !strchr(c->length == LEN_NONE ? "diuxXocspfFeEgG%" : "diuxXofFeEgG", *s))
        return false;
    if (strchr("fFeEgG", *s) && c->length != LEN_NONE && c->length != LEN_L)
        return false;
    c->end = s + 1;
    memcpy(c->spec, start, (size_t)(c->end - start));
    return true;
}

static bool key_char(char c, bool first)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_')
        return true;
    return !first && ((c >= '0' && c <= '9') || c == '.' || c == '-');
}

/* Is the word at s a field?  *key_len is then the length of its key. */
static bool field_read(const char *s, size_t *key_len, struct conversion *c)
{
    size_t n = 0;

    while (key_char(s[n], n == 0))
        n++;
    *key_len = n;
    return n > 0 && n < SKSI_LOG_KEY && s[n] == '=' && conversion_read(s + n + 1, c) &&
           c->letter != '%' && (*c->end == ' ' || *c->end == '\0');
}

/* ---- printing a conversion --------------------------------------------- */

/* The arguments, in a struct so that functions can share them. */
struct arguments {
    va_list list;
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static int print_signed(char *buf, size_t size, const struct conversion *c, struct arguments *a)
{
    switch (c->length) {
    case LEN_L:
        return snprintf(buf, size, c->spec, va_arg(a->list, long));
    case LEN_LL:
        return snprintf(buf, size, c->spec, va_arg(a->list, long long));
    case LEN_Z:
        return snprintf(buf, size, c->spec, va_arg(a->list, ssize_t));
    case LEN_J:
        return snprintf(buf, size, c->spec, va_arg(a->list, intmax_t));
    case LEN_T:
        return snprintf(buf, size, c->spec, va_arg(a->list, ptrdiff_t));
    default:
        return snprintf(buf, size, c->spec, va_arg(a->list, int));
    }
}

static int print_unsigned(char *buf, size_t size, const struct conversion *c, struct arguments *a)
{
    switch (c->length) {
    case LEN_L:
        return snprintf(buf, size, c->spec, va_arg(a->list, unsigned long));
    case LEN_LL:
        return snprintf(buf, size, c->spec, va_arg(a->list, unsigned long long));
    case LEN_Z:
        return snprintf(buf, size, c->spec, va_arg(a->list, size_t));
    case LEN_J:
        return snprintf(buf, size, c->spec, va_arg(a->list, uintmax_t));
    case LEN_T:
        return snprintf(buf, size, c->spec, va_arg(a->list, ptrdiff_t));
    default:
        return snprintf(buf, size, c->spec, va_arg(a->list, unsigned));
    }
}

static int print_other(char *buf, size_t size, const struct conversion *c, struct arguments *a)
{
    if (c->letter == 'p')
        return snprintf(buf, size, c->spec, va_arg(a->list, void *));
    if (c->letter == '%')
        return snprintf(buf, size, "%%");
    return snprintf(buf, size, c->spec, va_arg(a->list, double));
}

#pragma GCC diagnostic pop

static void spaces_add(struct sksi_text *t, size_t n)
{
    while (n-- > 0)
        sksi_text_put(t, ' ');
}

/* %s and %c by hand: a string that is longer than the room is not read to its end,
 * and \0 as a %c does not close the text. */
static void text_print(struct sksi_text *t, const struct conversion *c, struct arguments *a)
{
    char one;
    const char *s = &one;
    size_t len = 1, pad;

    if (c->letter == 'c') {
        one = (char)va_arg(a->list, int);
        if (!one) {
            s = "\\0";
            len = 2;
        }
    } else {
        size_t most = t->size + 1;

        s = va_arg(a->list, const char *);
        if (!s)
            s = "(null)";
        if (c->precision >= 0 && (size_t)c->precision < most)
            most = (size_t)c->precision;
        len = strnlen(s, most);
    }
    pad = (size_t)c->width > len ? (size_t)c->width - len : 0;
    if (!c->left)
        spaces_add(t, pad);
    sksi_text_add_n(t, s, len);
    if (c->left)
        spaces_add(t, pad);
}

/* Adds what the conversion prints. */
static void conversion_print(struct sksi_text *t, const struct conversion *c, struct arguments *a)
{
    size_t at = t->len < t->size ? t->len : t->size - 1;
    char *buf = t->buf + at;
    int n;

    if (c->letter == 's' || c->letter == 'c') {
        text_print(t, c, a);
        return;
    }
    if (strchr("di", c->letter))
        n = print_signed(buf, t->size - at, c, a);
    else if (strchr("uxXo", c->letter))
        n = print_unsigned(buf, t->size - at, c, a);
    else
        n = print_other(buf, t->size - at, c, a);
    if (n > 0)
        t->len += (size_t)n;
}

/* ---- a record ---------------------------------------------------------- */

/* Room for a key and a value that says something. */
static bool field_fits(const struct sksi_log_text *t, size_t key_len)
{
    return t->record.n_fields < SKSI_LOG_FIELDS &&
           t->used + key_len + 1 + sizeof "..." <= sizeof t->values;
}

static void field_print(struct sksi_log_text *t, const char *key, size_t key_len,
                        const struct conversion *c, struct arguments *a)
{
    sks_log_field *f = &t->fields[t->record.n_fields++];
    char *at = t->values + t->used;
    size_t left = sizeof t->values - t->used - key_len - 1;
    struct sksi_text value;

    f->key = memcpy(at, key, key_len);
    at[key_len] = '\0';
    at += key_len + 1;
    f->value = at;
    f->quoted = c->letter == 's' || c->letter == 'c';
    value = sksi_text_in(at, left < SKSI_LOG_VALUE ? left : SKSI_LOG_VALUE);
    conversion_print(&value, c, a);
    t->used += key_len + 1 + sksi_text_close(&value) + 1;
}

/* Adds the word at s to the message; returns where it ends.  *lost: from here on the
 * arguments cannot be read. */
static const char *word_print(struct sksi_text *m, const char *s, struct arguments *a, bool *lost)
{
    struct conversion c;

    while (*s && *s != ' ') {
        if (*s != '%' || *lost) {
            sksi_text_put(m, *s++);
        } else if (conversion_read(s, &c)) {
            conversion_print(m, &c, a);
            s = c.end;
        } else {
            *lost = true;
        }
    }
    return s;
}

void sksi_log_record_print(struct sksi_log_text *t, const char *format, va_list args)
{
    struct sksi_text message = sksi_text_in(t->message, sizeof t->message);
    struct arguments a;
    struct conversion c;
    const char *s = format;
    bool first = true, worded = false, lost = false;
    size_t key_len;

    t->record.n_fields = 0;
    t->used = 0;
    va_copy(a.list, args);
    for (; *s; first = false) {
        s += !first; /* the space before this word */
        if (!lost && field_read(s, &key_len, &c) && field_fits(t, key_len)) {
            field_print(t, s, key_len, &c, &a);
            s = c.end;
            continue;
        }
        if (worded)
            sksi_text_put(&message, ' ');
        worded = true;
        s = word_print(&message, s, &a, &lost);
    }
    va_end(a.list);
    sksi_text_close(&message);
    t->record.message = t->message;
    t->record.fields = t->fields;
}
