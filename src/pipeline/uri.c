/* SPDX-License-Identifier: MIT */
/*
 * uri.c - the address of a link.
 *
 *     uri    = "chan:" [ "?" param *( "&" param ) ]
 *     param  = ( "items" / "bytes" ) "=" 1*DIGIT [ "k" / "M" / "G" ]
 *
 * A parameter may be given once.  An error names the place, counted from 0.
 */
#include "pipeline/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ITEMS_DEFAULT 64
#define ITEMS_MAX ((size_t)1 << 30)

struct parser {
    const char *uri, *at;
    char *why;
    size_t why_size;
};

static int wrong(const struct parser *s, int code, const char *what)
{
    snprintf(s->why, s->why_size, "%s, at %zu of \"%s\"", what, (size_t)(s->at - s->uri), s->uri);
    return code;
}

/* A number with its unit: 0 or an errno value. */
static int number(struct parser *s, size_t max, size_t *value)
{
    static const struct {
        char name;
        unsigned shift;
    } units[] = {{'k', 10}, {'M', 20}, {'G', 30}};
    const char *start = s->at;
    size_t v = 0;

    for (; *s->at >= '0' && *s->at <= '9'; s->at++) {
        size_t digit = (size_t)(*s->at - '0');

        if (v > (SIZE_MAX - digit) / 10)
            return wrong(s, EINVAL, "the number is too large");
        v = v * 10 + digit;
    }
    if (s->at == start)
        return wrong(s, EINVAL, "a number is missing");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (*s->at == units[i].name) {
            if (v > SIZE_MAX >> units[i].shift)
                return wrong(s, EINVAL, "the number is too large");
            v <<= units[i].shift;
            s->at++;
            break;
        }
    }
    if (*s->at && *s->at != '&')
        return wrong(s, EINVAL, "a number ends with k, M, G or nothing");
    s->at = v == 0 || v > max ? start : s->at;
    if (v == 0)
        return wrong(s, EINVAL, "the number is 1 or more");
    if (v > max)
        return wrong(s, EINVAL, "the number is too large");
    *value = v;
    return 0;
}

static int param(struct parser *s, struct sksi_bounds *b, bool given[2])
{
    static const char *const names[2] = {"items=", "bytes="};
    size_t *const values[2] = {&b->items, &b->bytes};
    size_t which = 0;

    while (which < 2 && strncmp(s->at, names[which], strlen(names[which])) != 0)
        which++;
    if (which == 2)
        return wrong(s, EINVAL, "items= or bytes= is expected");
    if (given[which])
        return wrong(s, EINVAL, "given twice");
    given[which] = true;
    s->at += strlen(names[which]);
    return number(s, which == 0 ? ITEMS_MAX : SIZE_MAX / 2, values[which]);
}

int sksi_uri_parse(const char *uri, struct sksi_bounds *b, char *why, size_t why_size)
{
    struct parser s = {uri, uri, why, why_size};
    bool given[2] = {false, false};
    const char *colon = strchr(uri, ':');
    int code;

    b->items = ITEMS_DEFAULT;
    b->bytes = SIZE_MAX;
    if (!colon)
        return wrong(&s, EINVAL, "a link is KIND:?PARAMETERS");
    if (colon - uri != 4 || strncmp(uri, "chan", 4) != 0)
        return wrong(&s, EPROTONOSUPPORT, "an unknown kind of link");
    s.at = colon + 1;
    if (!*s.at)
        return 0;
    if (*s.at != '?')
        return wrong(&s, EINVAL, "? is expected");
    if (!*++s.at)
        return 0;
    for (;;) {
        code = param(&s, b, given);
        if (code || !*s.at)
            return code;
        s.at++; /* & */
    }
}
