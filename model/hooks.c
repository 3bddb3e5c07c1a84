/* SPDX-License-Identifier: MIT */
/*
 * hooks.c - what gcc calls for each access of code compiled with -fsanitize=thread.
 *
 * The program is linked without the sanitizer's own library, so these are the only
 * ones there are.  Plain accesses go to shadow.c, atomic ones to the search.  The
 * sanitizer would intercept memcpy and its like in libc; here the code is compiled with
 * -Dmemcpy=model_memcpy instead.
 */
#include "engine.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define HERE __builtin_extract_return_addr(__builtin_return_address(0))

static void plain(const void *address, size_t size, enum access how, const void *pc)
{
    /* One errno serves all threads of a model here; each has its own (thread.c). */
    if (current && size && address != &errno)
        shadow_access(current, address, size, how, pc);
}

/* ---- plain accesses ---------------------------------------------------- */

void __tsan_init(void);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);
void __tsan_read_range(void *address, size_t size);
void __tsan_write_range(void *address, size_t size);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc)
{
    (void)pc;
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *address, size_t size)
{
    plain(address, size, ACCESS_READ, HERE);
}

void __tsan_write_range(void *address, size_t size)
{
    plain(address, size, ACCESS_WRITE, HERE);
}

#define PLAIN(name, size, how)                                                                     \
    void __tsan_##name(void *address);                                                             \
    void __tsan_##name(void *address)                                                              \
    {                                                                                              \
        plain(address, size, how, HERE);                                                           \
    }

#define PLAIN_SIZE(size)                                                                           \
    PLAIN(read##size, size, ACCESS_READ)                                                           \
    PLAIN(write##size, size, ACCESS_WRITE)                                                         \
    PLAIN(unaligned_read##size, size, ACCESS_READ)                                                 \
    PLAIN(unaligned_write##size, size, ACCESS_WRITE)                                               \
    PLAIN(volatile_read##size, size, ACCESS_READ)                                                  \
    PLAIN(volatile_write##size, size, ACCESS_WRITE)

PLAIN_SIZE(1)
PLAIN_SIZE(2)
PLAIN_SIZE(4)
PLAIN_SIZE(8)
PLAIN_SIZE(16)

void *model_memcpy(void *to, const void *from, size_t size);
void *model_memmove(void *to, const void *from, size_t size);
void *model_memset(void *to, int value, size_t size);

void *model_memcpy(void *to, const void *from, size_t size)
{
    plain(from, size, ACCESS_READ, HERE);
    plain(to, size, ACCESS_WRITE, HERE);
    return memcpy(to, from, size);
}

void *model_memmove(void *to, const void *from, size_t size)
{
    plain(from, size, ACCESS_READ, HERE);
    plain(to, size, ACCESS_WRITE, HERE);
    return memmove(to, from, size);
}

void *model_memset(void *to, int value, size_t size)
{
    plain(to, size, ACCESS_WRITE, HERE);
    return memset(to, value, size);
}

/* ---- fences ------------------------------------------------------------ */

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_signal_fence(int order);

void __tsan_atomic_thread_fence(int order)
{
    struct op op = {.kind = OP_FENCE, .order = order, .pc = HERE};

    if (!current)
        return;
    if (order == memory_order_seq_cst)
        thread_do(&op);
    else
        memory_fence_local(current, order);
}

void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}

/* ---- atomic accesses --------------------------------------------------- */

#define ATOMIC_RMW(bits, type, name, what)                                                         \
    type __tsan_atomic##bits##_##name(volatile type *a, type value, int order);                    \
    type __tsan_atomic##bits##_##name(volatile type *a, type value, int order)                     \
    {                                                                                              \
        struct op op = {.kind = OP_RMW,                                                            \
                        .rmw = what,                                                               \
                        .order = order,                                                            \
                        .address = (uintptr_t)a,                                                   \
                        .size = sizeof *a,                                                         \
                        .value = value,                                                            \
                        .pc = HERE};                                                               \
                                                                                                   \
        thread_do(&op);                                                                            \
        return (type)op.result;                                                                    \
    }

#define ATOMIC_CAS(bits, type, name)                                                               \
    int __tsan_atomic##bits##_##name(volatile type *a, type *expected, type value, int order,      \
                                     int order_failed);                                            \
    int __tsan_atomic##bits##_##name(volatile type *a, type *expected, type value, int order,      \
                                     int order_failed)                                             \
    {                                                                                              \
        struct op op = {.kind = OP_CAS,                                                            \
                        .order = order,                                                            \
                        .order_failed = order_failed,                                              \
                        .address = (uintptr_t)a,                                                   \
                        .size = sizeof *a,                                                         \
                        .value = value,                                                            \
                        .expected = *expected,                                                     \
                        .pc = HERE};                                                               \
                                                                                                   \
        thread_do(&op);                                                                            \
        if (!op.ok)                                                                                \
            *expected = (type)op.result;                                                           \
        return op.ok;                                                                              \
    }

#define ATOMIC(bits, type)                                                                         \
    type __tsan_atomic##bits##_load(const volatile type *a, int order);                            \
    type __tsan_atomic##bits##_load(const volatile type *a, int order)                             \
    {                                                                                              \
        struct op op = {.kind = OP_LOAD,                                                           \
                        .order = order,                                                            \
                        .address = (uintptr_t)a,                                                   \
                        .size = sizeof *a,                                                         \
                        .pc = HERE};                                                               \
                                                                                                   \
        thread_do(&op);                                                                            \
        return (type)op.result;                                                                    \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile type *a, type value, int order);                     \
    void __tsan_atomic##bits##_store(volatile type *a, type value, int order)                      \
    {                                                                                              \
        struct op op = {.kind = OP_STORE,                                                          \
                        .order = order,                                                            \
                        .address = (uintptr_t)a,                                                   \
                        .size = sizeof *a,                                                         \
                        .value = value,                                                            \
                        .pc = HERE};                                                               \
                                                                                                   \
        thread_do(&op);                                                                            \
    }                                                                                              \
    ATOMIC_RMW(bits, type, exchange, RMW_SET)                                                      \
    ATOMIC_RMW(bits, type, fetch_add, RMW_ADD)                                                     \
    ATOMIC_RMW(bits, type, fetch_sub, RMW_SUB)                                                     \
    ATOMIC_RMW(bits, type, fetch_and, RMW_AND)                                                     \
    ATOMIC_RMW(bits, type, fetch_or, RMW_OR)                                                       \
    ATOMIC_RMW(bits, type, fetch_xor, RMW_XOR)                                                     \
    ATOMIC_RMW(bits, type, fetch_nand, RMW_NAND)                                                   \
    ATOMIC_CAS(bits, type, compare_exchange_strong)                                                \
    ATOMIC_CAS(bits, type, compare_exchange_weak)

ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)
