/* SPDX-License-Identifier: MIT */
/*
 * item.h - the item that the peers move: ITEM_SIZE bytes, 8 or more, with its number in
 * the first word and, when there is room, its complement in the last.
 */
#ifndef BENCH_ITEM_H
#define BENCH_ITEM_H

#include "harness.h"

#define ITEM_WORDS (ITEM_SIZE / 8)

struct item {
    uint64_t w[ITEM_WORDS];
};

static inline void item_set(struct item *it, uint64_t v)
{
    it->w[0] = v;
#if ITEM_SIZE > 8
    it->w[ITEM_WORDS - 1] = ~v;
#endif
}

static inline void item_check(const struct item *it, uint64_t v)
{
    if (it->w[0] != v)
        die("got item %llx in place of %llx", (unsigned long long)it->w[0],
            (unsigned long long)v);
#if ITEM_SIZE > 8
    if (it->w[ITEM_WORDS - 1] != ~v)
        die("item %llx is torn", (unsigned long long)v);
#endif
}

static inline bool item_is_end(const struct item *it)
{
    return it->w[0] == END_MARK;
}

#endif
