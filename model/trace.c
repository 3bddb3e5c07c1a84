/* SPDX-License-Identifier: MIT */
/*
 * trace.c - the operations of a run that failed, one a line:
 *
 *   thread  operation  address  order  value  function file:line
 */
#include "engine.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern const char __executable_start[];

static const char *order_name(int order)
{
    static const char *const names[] = {"relaxed", "consume", "acquire",
                                        "release", "acq_rel", "seq_cst"};

    return order >= 0 && order < 6 ? names[order] : "?";
}

static const char *op_name(const struct op *op)
{
    static const char *const names[] = {"?",     "load",  "store", "rmw",  "cas",
                                        "fence", "heavy", "wait",  "wake", "timeout"};

    return names[op->kind];
}

/* Prints where a pc is; addr2line knows. */
static void print_place(const void *pc)
{
    const Elf64_Ehdr *header = (const void *)__executable_start;
    uintptr_t at = (uintptr_t)pc - 1;
    char command[300], exe[200], function[200], line[300], *name;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    FILE *f;

    if (!pc || n <= 0)
        return;
    exe[n] = '\0';
    if (header->e_type == ET_DYN)
        at -= (uintptr_t)__executable_start;
    snprintf(command, sizeof command, "addr2line -f -e '%s' %#zx 2>/dev/null", exe, (size_t)at);
    f = popen(command, "r");
    if (!f)
        return;
    if (fgets(function, sizeof function, f) && fgets(line, sizeof line, f)) {
        function[strcspn(function, "\n")] = '\0';
        line[strcspn(line, "\n")] = '\0';
        name = strstr(line, "/src/");
        if (!name)
            name = strstr(line, "/model/");
        printf(" %s %s", function, name ? name + 1 : line);
    }
    pclose(f);
}

static void print_result(const struct op *op)
{
    switch (op->kind) {
    case OP_LOAD:
        printf(" %s = %#llx", order_name(op->order), (unsigned long long)op->result);
        break;
    case OP_STORE:
        printf(" %s %#llx", order_name(op->order), (unsigned long long)op->value);
        break;
    case OP_RMW:
        printf(" %s %#llx, was %#llx", order_name(op->order), (unsigned long long)op->value,
               (unsigned long long)op->result);
        break;
    case OP_CAS:
        printf(" %s %#llx -> %#llx, was %#llx: %s", order_name(op->order),
               (unsigned long long)op->expected, (unsigned long long)op->value,
               (unsigned long long)op->result, op->ok ? "done" : "no");
        break;
    case OP_WAIT:
        printf(" for %#llx: %s", (unsigned long long)op->expected, op->ok ? "sleeps" : "differs");
        break;
    case OP_WAKE:
        printf(" %llu: %llu woken", (unsigned long long)op->value, (unsigned long long)op->result);
        break;
    default:
        break;
    }
}

void trace_print(void)
{
    const void *first, *second;
    char name[64];

    for (int i = 0; i < n_steps; i++) {
        const struct op *op = &steps[i].op;

        printf("  %3d  T%d %-7s", i, steps[i].thread, op_name(op));
        if (op->address)
            printf(" %-14s", shadow_name(op->address, name, sizeof name));
        print_result(op);
        print_place(op->pc);
        printf("\n");
    }
    shadow_race(&first, &second);
    if (second) {
        printf("  between");
        print_place(first);
        printf(" and");
        print_place(second);
        printf("\n");
    }
}
