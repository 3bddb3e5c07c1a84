/* SPDX-License-Identifier: MIT */
/*
 * private.c - which atomic locations only one thread uses.
 *
 * An operation there can be seen by nobody else, so it needs no choice.  Every address
 * is taken to be private until a second thread uses it; then it is noted as shared, and
 * the search of the model begins again.  Addresses are the same in each run, so at the
 * end no run has been explored under a wrong assumption.  Setup and finish do not count.
 */
#include "engine.h"

enum { PLACES = 1 << 12, SHARED = MAX_THREADS };

static struct {
    uintptr_t address;
    uint8_t user; /* of this run; SHARED: for ever */
    uint32_t run;
} places[PLACES];

static uint32_t run, model_from = 1;

void private_clear(void)
{
    model_from = ++run;
}

void private_reset(void)
{
    run++;
}

bool private_is(const struct thread *t, uintptr_t address, bool *again)
{
    size_t at = (size_t)(address * 0x9e3779b97f4a7c15u >> 52) % PLACES;

    for (int i = 0; i < PLACES; i++, at = (at + 1) % PLACES) {
        if (places[at].run >= model_from && places[at].address == address)
            break;
        if (places[at].run < model_from) {
            places[at].address = address;
            places[at].user = (uint8_t)t->id;
            places[at].run = run;
            return true;
        }
    }
    if (places[at].user == SHARED)
        return false;
    if (places[at].run == run && places[at].user != t->id) {
        places[at].user = SHARED;
        *again = true;
        return false;
    }
    places[at].run = run;
    places[at].user = (uint8_t)t->id;
    return true;
}

void private_share(uintptr_t address)
{
    static const struct thread other[2] = {{.id = 1}, {.id = 2}};
    bool again;

    private_is(&other[0], address, &again);
    private_is(&other[1], address, &again);
}

uintptr_t private_shared(size_t *at)
{
    while (*at < PLACES) {
        size_t i = (*at)++;

        if (places[i].run >= model_from && places[i].user == SHARED)
            return places[i].address;
    }
    return 0;
}
