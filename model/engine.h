/* SPDX-License-Identifier: MIT */
/*
 * engine.h - the parts of the explorer, for each other.
 *
 *   hooks.c   the calls that the compiler makes for each access (-fsanitize=thread)
 *   port.c    what production code needs from below: futex, fences, memory, clock
 *   thread.c  the model's threads: coroutines that stop before each visible operation
 *   memory.c  atomic locations, views, orders: what an operation may read
 *   shadow.c  plain accesses: data races, the heap
 *   depend.c  which operations do not commute
 *   private.c which locations only one thread uses
 *   search.c  which thread goes on, which store is read: the tree of choices
 *   trace.c   what is said about a run that failed
 *   explore.c the models of one program, one after another
 */
#ifndef MODEL_ENGINE_H
#define MODEL_ENGINE_H

#include "explore.h"

enum {
    MAX_THREADS = EXPLORE_THREADS + 1, /* number 0 runs setup and finish */
    MAX_LOCATIONS = 240,
    MAX_STORES = 2000, /* of a run */
    MAX_STORES_AT_ONE = 200,
    MAX_STEPS = 1500, /* operations of a run */
    MAX_NODES = 2 * MAX_STEPS,
    HEAP_BYTES = 1 << 17, /* of a thread */
    STACK_BYTES = 1 << 16,
};

/* Event counts per thread: two kinds, the program's happens-before and the search's. */
struct clock {
    uint16_t at[MAX_THREADS];
};

/* Per location the oldest store that may still be read. */
struct view {
    uint8_t at[MAX_LOCATIONS];
};

/* What a thread, a store or a fence knows. */
struct knowledge {
    struct clock hb;
    struct view view;
};

enum op_kind {
    OP_NONE,
    OP_LOAD,
    OP_STORE,
    OP_RMW,
    OP_CAS,
    OP_FENCE, /* seq_cst */
    OP_HEAVY, /* a fence of every thread */
    OP_WAIT,  /* futex */
    OP_WAKE,
    OP_TIMEOUT,
};

enum op_rmw { RMW_SET, RMW_ADD, RMW_SUB, RMW_AND, RMW_OR, RMW_XOR, RMW_NAND };

struct op {
    enum op_kind kind;
    enum op_rmw rmw;
    int order, order_failed; /* memory_order_* */
    unsigned size;
    uintptr_t address;
    uint64_t value;    /* stored; the operand; WAKE: how many */
    uint64_t expected; /* CAS, WAIT */
    int64_t deadline;  /* WAIT */
    const void *pc;
    /* After it was done: */
    uint64_t result; /* read; WAIT: in time; WAKE: how many */
    bool ok;         /* CAS: exchanged; WAIT: slept; WAKE: woke somebody */
    int read_event;  /* the node of the store that was read, -1: before the run */
    unsigned avail;  /* LOAD: how many stores there were */
    bool own;        /* LOAD: no other thread has stored here */
    bool quiet;      /* LOAD: there was one choice, and it told the thread nothing */
};

enum thread_state { THREAD_READY, THREAD_ASLEEP, THREAD_ENDED };

struct thread {
    int id;
    enum thread_state state;
    struct op op; /* READY: what it does next; ASLEEP: the wait */
    struct knowledge now, acquired, released;
    struct clock causal; /* the search's clock of its last operation */
    int64_t clock_ns;
};

/* ---- thread.c ---------------------------------------------------------- */

extern struct thread threads[MAX_THREADS];
extern struct thread *current; /* NULL: the explorer itself */
extern int n_threads;          /* with number 0 */

/* Runs thread i from its beginning until its first operation, or its end.  Number 0
 * does not stop at operations. */
void thread_start(int i, void (*body)(void));
/* Runs it on until its next operation. */
void thread_go(struct thread *t);
/* Called in a thread: does the operation, when the search says so. */
void thread_do(struct op *op);

/* The run is worth nothing: what was thought to be private is not. */
extern bool start_again;

/* What went wrong in this run; NULL: nothing. */
extern const char *failure;
void failure_note(const char *what);

/* ---- memory.c ---------------------------------------------------------- */

void memory_reset(void);
/* Does the thread's operation; a load reads from the `oldest` store on at least. */
void memory_do(struct thread *t, struct op *op, unsigned oldest);
/* Has a location more than n stores? */
bool memory_more_than(uintptr_t address, unsigned n);
/* Has no thread but t (and setup) stored at a location? */
bool memory_own(uintptr_t address, int thread);
/* A fence of the calling thread alone: no operation, nobody sees when it is done. */
void memory_fence_local(struct thread *t, int order);
/* The threads begin with what number 0 knows, and number 0 ends with what they know. */
void memory_fork(void);
void memory_join(void);

/* ---- shadow.c ---------------------------------------------------------- */

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_ATOMIC_READ, ACCESS_ATOMIC_WRITE };

void shadow_reset(void);
void shadow_access(struct thread *t, const void *address, size_t size, enum access how,
                   const void *pc);
/* The location that lies at an address: its number, 0 when none has been made. */
uint8_t *shadow_location(uintptr_t address);
void *heap_alloc(size_t size, size_t align);
void heap_free(void *memory, const void *pc);
/* Fails the run when there is memory that was not freed. */
void heap_check(void);
/* What two accesses raced, for the trace. */
void shadow_race(const void **first, const void **second);
/* Names an address; returns the buffer. */
const char *shadow_name(uintptr_t address, char *buffer, size_t size);

/* ---- depend.c ---------------------------------------------------------- */

/* An operation that was done. */
struct event {
    int thread;
    enum op_kind kind;
    bool sc, ok, own, quiet;
    uintptr_t address;
    int read_event;
    struct clock after; /* its own causal past, and itself */
};

enum relation {
    UNRELATED,
    ORDERED, /* and could not have come in the other order */
    RACING,
};

/* Of two operations of two threads; a came before b, at node_a. */
enum relation event_relation(const struct event *a, const struct event *b, int node_a);
bool event_writes(const struct event *e);
/* Does what a sleeping thread would do depend on what was done? */
bool event_wakes(const struct thread *t, const struct op *op, const struct event *e);

/* ---- search.c ---------------------------------------------------------- */

struct step { /* of the run, for the trace */
    int thread;
    struct op op;
};
extern struct step steps[MAX_STEPS];
extern int n_steps;

struct count {
    uint64_t runs, cut; /* cut: the rest of the run was the same as that of another */
    int steps;          /* of the longest run */
};

/* Every order of the threads, without any reduction; to test the reduction. */
extern bool explore_naive;
/* Explores one model; false when it failed: then `failure` says why. */
bool search_all(const struct model *m, uint64_t max, struct count *count);
/* Runs one path of choices. */
bool search_replay(const struct model *m, const char *path);
/* Prints the path of choices of the last run, and which addresses are shared. */
void search_print_path(void);
/* One of n, 0 first. */
unsigned search_choose(unsigned n);
/* The node of the operation that is being done; -1: none. */
int search_event(void);

/* ---- private.c --------------------------------------------------------- */

/* Forgets all addresses, before a model; and who used which, before a run. */
void private_clear(void);
void private_reset(void);
/* Is t the only thread that uses this address?  Otherwise the search begins again, knowing
 * that it is not: *again. */
bool private_is(const struct thread *t, uintptr_t address, bool *again);
/* Notes an address as shared; lists them: *at begins with 0, the end is 0. */
void private_share(uintptr_t address);
uintptr_t private_shared(size_t *at);

/* ---- trace.c ----------------------------------------------------------- */

void trace_print(void);

#endif
