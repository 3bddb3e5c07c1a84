/* SPDX-License-Identifier: MIT */
/*
 * log_text.c - bounded text, and untrusted text made harmless.
 *
 * A log line is read by people on a terminal and by programs that split at line
 * ends.  So nothing comes out as it is that moves a cursor, ends a line or turns
 * the direction of writing: C0 and C1 controls, DEL, U+2028, U+2029, the
 * bidirectional controls.  What is not UTF-8 (RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF) comes out byte by byte.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/log.h"

#include <string.h>

struct sksi_text sksi_text_in(char *buf, size_t size)
{
    if (size > 0)
        buf[0] = '\0';
    return (struct sksi_text){.buf = buf, .size = size};
}

void sksi_text_add_n(struct sksi_text *t, const char *s, size_t n)
{
    if (t->len + 1 < t->size) {
        size_t room = t->size - 1 - t->len;
        size_t fits = n < room ? n : room;

        memcpy(t->buf + t->len, s, fits);
        t->buf[t->len + fits] = '\0';
    }
    t->len += n;
}

void sksi_text_put(struct sksi_text *t, char c)
{
    sksi_text_add_n(t, &c, 1);
}

void sksi_text_add(struct sksi_text *t, const char *s)
{
    sksi_text_add_n(t, s, strlen(s));
}

size_t sksi_text_close(struct sksi_text *t)
{
    size_t end;

    if (t->len < t->size || t->size < sizeof "...")
        return t->len < t->size ? t->len : t->size ? t->size - 1 : 0;
    end = t->size - sizeof "...";
    while (end > 0 && ((unsigned char)t->buf[end] & 0xc0) == 0x80)
        end--;
    memcpy(t->buf + end, "...", sizeof "...");
    return end + 3;
}

/* ---- UTF-8 ------------------------------------------------------------- */

/* How many bytes the character at s takes, and which it is; 0 when the bytes there
 * are not UTF-8.  Looks at n bytes at most. */
static size_t utf8_read(const unsigned char *s, size_t n, uint32_t *c)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

    if (len > n || (s[0] >= 0x80 && s[0] < 0xc0) || s[0] > 0xf4)
        return 0;
    *c = len == 1 ? s[0] : s[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (s[i] & 0x3fu);
    }
    if (*c < smallest[len] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff))
        return 0;
    return len;
}

static bool char_prints(uint32_t c)
{
    if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
        return false;
    if (c == 0x061c || c == 0x200e || c == 0x200f) /* marks of direction */
        return false;
    return !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

static void hex_put(struct sksi_text *t, const char *prefix, uint32_t value, int digits)
{
    sksi_text_add(t, prefix);
    while (digits-- > 0)
        sksi_text_put(t, "0123456789abcdef"[value >> (4 * digits) & 0xf]);
}

/* One character, or one byte that is none (len 0). */
static void escape_one(struct sksi_text *t, const char *s, size_t len, uint32_t c,
                       enum sksi_escape how)
{
    if (len > 0 && char_prints(c)) {
        if (c == '\\' || (c == '"' && how != SKSI_ESCAPE_PLAIN))
            sksi_text_put(t, '\\');
        sksi_text_add_n(t, s, len);
    } else if (how == SKSI_ESCAPE_JSON) {
        hex_put(t, "\\u", len > 0 ? c : (unsigned char)*s, 4);
    } else {
        for (size_t i = 0; i < (len > 0 ? len : 1); i++)
            hex_put(t, "\\x", (unsigned char)s[i], 2);
    }
}

void sksi_text_escape(struct sksi_text *t, const char *s, size_t n, enum sksi_escape how)
{
    size_t left = strnlen(s, n);

    while (left > 0) {
        uint32_t c = 0;
        size_t len = utf8_read((const unsigned char *)s, left, &c);
        size_t step = len > 0 ? len : 1;

        escape_one(t, s, len, c, how);
        s += step;
        left -= step;
    }
}
