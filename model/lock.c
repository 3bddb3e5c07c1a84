/* SPDX-License-Identifier: MIT */
/*
 * lock.c - models of wait/lock.h: what it guards is plain memory, so two holders at a
 * time, or one that does not see what the last did, are a data race; a wake-up that is
 * lost is a deadlock.
 */
#include "explore.h"

#include <string.h>

#include "wait/lock.h"

enum { SOON = 5000 };

static struct sksi_lock lock;
static struct sksi_cond cond;
static int guarded, turn;

static void clear(void)
{
    memset(&lock, 0, sizeof lock);
    memset(&cond, 0, sizeof cond);
    guarded = turn = 0;
}

static void add(void)
{
    sksi_lock_take(&lock);
    guarded++;
    sksi_lock_drop(&lock);
}

static void add_twice(void)
{
    add();
    add();
}

static void try_add(void)
{
    if (sksi_lock_try(&lock)) {
        guarded++;
        sksi_lock_drop(&lock);
    }
}

static void finish_2(void)
{
    CHECK(guarded == 2);
}

static void finish_3(void)
{
    CHECK(guarded == 3);
}

static void await(int value)
{
    sksi_lock_take(&lock);
    while (turn < value)
        sksi_cond_wait(&cond, &lock, INT64_MAX);
    guarded++;
    sksi_lock_drop(&lock);
}

static void await_1(void)
{
    await(1);
}

static void await_2(void)
{
    await(2);
}

static void await_late(void)
{
    bool in_time = true;

    sksi_lock_take(&lock);
    while (turn < 1 && in_time)
        in_time = sksi_cond_wait(&cond, &lock, SOON);
    guarded++;
    sksi_lock_drop(&lock);
}

static void give(void)
{
    sksi_lock_take(&lock);
    turn++;
    sksi_cond_wake(&cond);
    sksi_lock_drop(&lock);
}

static void give_twice(void)
{
    give();
    give();
}

static const struct model models[] = {
    {.name = "two", .setup = clear, .thread = {add, add}, .finish = finish_2},
    {.name = "two and one", .setup = clear, .thread = {add_twice, add}, .finish = finish_3},
    {.name = "two and a try", .setup = clear, .thread = {add, try_add}},
    {.name = "cond", .setup = clear, .thread = {await_1, give}},
    {.name = "cond, deadline", .setup = clear, .thread = {await_late, give}},
    {.name = "cond, twice", .setup = clear, .thread = {await_2, give_twice}},
    {.name = "three", .setup = clear, .thread = {add, add, add}, .finish = finish_3},
    {.name = "cond, two wait",
     .setup = clear,
     .thread = {await_1, await_1, give},
     .preemptions = 2},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/lock", models, sizeof models / sizeof *models);
}
