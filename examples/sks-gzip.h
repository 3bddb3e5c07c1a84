/* SPDX-License-Identifier: MIT */
/*
 * sks-gzip.h - what the two files of the example share: options and display.
 */
#ifndef SKS_GZIP_H
#define SKS_GZIP_H

#include <pthread.h>
#include <sockstream/sockstream.h>
#include <stdatomic.h>
#include <stdio.h>

enum receipt_form { RECEIPT_NONE, RECEIPT_TEXT, RECEIPT_JSON };

struct options {
    unsigned workers;
    int level;
    const char *output; /* "-" is standard output */
    char **files;
    int n_files;
    bool progress;
    enum receipt_form receipt;
};

/* -1 to go on, else the exit status. */
int options_parse(struct options *o, int argc, char **argv);

/* Counted by the stages, read by the display. */
struct progress {
    _Atomic uint64_t in, taken, out; /* bytes read; read and written; written */
    sks_pipeline *p;
    sks_sender *done; /* closing it ends the display */
    pthread_t thread;
    bool running;
    int64_t start, elapsed_ns;
};

static inline void progress_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed); /* relaxed: stat */
}

static inline uint64_t progress_get(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed); /* relaxed: stat */
}

/* Shows a line on standard error while the pipeline runs, if that was asked for. */
void progress_start(struct progress *g, sks_pipeline *p, const struct options *o);
void progress_stop(struct progress *g);

/* Prints the receipt to standard error. */
void receipt_print(const sks_receipt *r, enum receipt_form form, struct progress *g);

#endif
