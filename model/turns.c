/* SPDX-License-Identifier: MIT */
/*
 * turns.c - models of wait/turns.h: what a ticket keeps and what has been passed on is plain
 * memory, so two that have the turn at a time are a data race; each ticket is passed on once, in
 * order, or thrown away once after a cut; who waits for ever is a deadlock.
 */
#include "explore.h"

#include <string.h>

#include "wait/turns.h"

enum { TICKETS = 3 };

static struct sksi_turns turns;
static struct sksi_turn turn[TICKETS]; /* the first `window` are used */
static unsigned window;
static int kept[TICKETS], thrown[TICKETS]; /* by ticket */
static int why;                            /* set before a cut */
static int passed;                         /* how many, by who has the turn */

static void clear(unsigned of)
{
    memset(&turns, 0, sizeof turns);
    memset(turn, 0, sizeof turn);
    memset(kept, 0, sizeof kept);
    memset(thrown, 0, sizeof thrown);
    passed = why = 0;
    window = of;
    atomic_store_explicit(&turn[0].x_state, SKSI_TURN_GIVEN, memory_order_relaxed);
}

static void clear_1(void)
{
    clear(1);
}

static void clear_2(void)
{
    clear(2);
}

static void clear_3(void)
{
    clear(3);
}

static struct sksi_turn *turn_of(unsigned ticket)
{
    return &turn[ticket % window];
}

static void pass(unsigned ticket)
{
    CHECK((unsigned)passed == ticket);
    CHECK(kept[ticket] == 1);
    kept[ticket] = 0;
    passed++;
}

static void discard(unsigned ticket)
{
    CHECK(kept[ticket] == 1);
    kept[ticket] = 0;
    thrown[ticket]++;
}

static void done(unsigned ticket)
{
    unsigned next;

    if (!sksi_turn_done(turn_of(ticket))) {
        if (sksi_turns_cut_meanwhile(&turns) && sksi_turn_claim(turn_of(ticket))) {
            CHECK(why == 1);
            discard(ticket);
        }
        return;
    }
    for (;; ticket = next) {
        pass(ticket);
        next = ticket + 1;
        if (!sksi_turns_next(&turns, turn_of(ticket), turn_of(next)))
            break;
    }
    sksi_turns_moved(&turns);
}

static void make(unsigned ticket)
{
    kept[ticket] = 1;
    done(ticket);
}

static void first(void)
{
    make(0);
}

static void second(void)
{
    make(1);
}

static void third(void)
{
    make(2);
}

/* The place of ticket 2 is that of ticket 0. */
static void first_and_third(void)
{
    make(0);
    sksi_turns_await_passed(&turns, 0);
    make(2);
}

static void second_in_its_turn(void)
{
    sksi_turns_await_turn(&turns, turn_of(1));
    CHECK(sksi_turn_has(turn_of(1)) || sksi_turns_are_cut(&turns));
    if (sksi_turn_has(turn_of(1)))
        CHECK(passed == 1);
    make(1);
}

static void second_later(void)
{
    sksi_turns_await_passed(&turns, 0);
    make(1);
}

static void cut(void)
{
    why = 1;
    sksi_turns_cut(&turns);
    for (unsigned i = 0; i < window; i++) {
        if (sksi_turn_claim(&turn[i]))
            discard(i);
    }
}

static void finish_2(void)
{
    CHECK(passed == 2 && sksi_turns_oldest(&turns) == 2);
}

static void finish_3(void)
{
    CHECK(passed == 3 && sksi_turns_oldest(&turns) == 3);
}

/* Tickets 0 and 1 were passed on or thrown away. */
static void finish_cut(void)
{
    CHECK(kept[0] == 0 && kept[1] == 0);
    CHECK(passed + thrown[0] + thrown[1] == 2);
}

static void finish_thrown(void)
{
    CHECK(thrown[1] == 1);
}

static const struct model models[] = {
    {.name = "two", .setup = clear_2, .thread = {first, second}, .finish = finish_2},
    {.name = "its turn",
     .setup = clear_2,
     .thread = {first, second_in_its_turn},
     .finish = finish_2},
    {.name = "window of one",
     .setup = clear_1,
     .thread = {first, second_later},
     .finish = finish_2},
    {.name = "window of two",
     .setup = clear_2,
     .thread = {first_and_third, second},
     .finish = finish_3},
    {.name = "cut", .setup = clear_2, .thread = {second, cut}, .finish = finish_thrown},
    {.name = "cut, waiting",
     .setup = clear_2,
     .thread = {second_in_its_turn, cut},
     .finish = finish_thrown},
    {.name = "three", .setup = clear_3, .thread = {first, second, third}, .finish = finish_3},
    {.name = "two and a cut",
     .setup = clear_2,
     .thread = {first, second, cut},
     .finish = finish_cut},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, "model/turns", models, sizeof models / sizeof *models);
}
