/* SPDX-License-Identifier: MIT */
/*
 * sks-gzip.c - a parallel gzip on a pipeline:  read -> N x deflate, in order -> write.
 *
 * PATH    The reader takes an empty block from a pool (a channel), fills it with 128
 *         KiB of input and a copy of the 32 KiB before it, which deflate uses as its
 *         dictionary.  A worker deflates the block and ends it on a byte boundary
 *         (Z_SYNC_FLUSH), so the blocks, one behind the other, are one deflate
 *         stream (RFC 1951).  The writer appends them in order, combines the CRCs,
 *         and gives the block back to the pool.
 * MEMORY  The pool: 2 x workers + 6 blocks of 290 KiB, however long the input.
 * END     The gzip trailer (RFC 1952) is written when the pipeline has drained; so a
 *         SIGTERM, which drains it too, leaves a valid archive of what was read.
 *         After any failure the output file is removed; it has its final name only
 *         when it is complete.
 * EXIT    0 all of it; 1 error; 2 usage; 128 + signal: stopped early, archive valid.
 */
#include "sks-gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNK (128u << 10)
#define WINDOW (32u << 10)
#define OUT_MAX (CHUNK + CHUNK / 8 + 256) /* more than deflateBound() and the flush */

struct block {
    unsigned char in[WINDOW + CHUNK]; /* dictionary, then input */
    unsigned char out[OUT_MAX];
    size_t dict, n, n_out;
    uLong crc;
};

struct job {
    const struct options *o;
    sks_pipeline *p;
    pthread_mutex_t pool_lock; /* one handle serves every stage that gives a block back */
    sks_sender *pool_in;
    sks_receiver *pool_out;
    /* The reader's. */
    const char *name;
    int in, next_file;
    unsigned char tail[WINDOW];
    size_t tail_n;
    /* The writer's. */
    int out;
    uLong crc;
    /* Both sides of the progress display. */
    struct progress progress;
};

/* Gives an empty block back to the reader. */
static void pool_give(struct job *j, struct block *b)
{
    pthread_mutex_lock(&j->pool_lock);
    if (sks_sender_try_send(j->pool_in, &b))
        free(b);
    pthread_mutex_unlock(&j->pool_lock);
}

/* ---- read -------------------------------------------------------------- */

/* Opens the next input.  1, 0 when there is none, -1 and errno. */
static int open_next(struct job *j)
{
    if (j->in >= 0 && j->in != STDIN_FILENO)
        close(j->in);
    j->in = -1;
    if (j->next_file >= j->o->n_files)
        return 0;
    j->name = j->o->files[j->next_file++];
    if (strcmp(j->name, "-") == 0) {
        j->name = "standard input";
        j->in = STDIN_FILENO;
        return 1;
    }
    j->in = open(j->name, O_RDONLY | O_CLOEXEC);
    return j->in < 0 ? -1 : 1;
}

/* Waits for input, or for the run to stop.  False when it stops. */
static bool input_ready(sks_worker *w, int fd)
{
    struct pollfd fds[2] = {
        {.fd = fd, .events = POLLIN},
        {.fd = sks_worker_stop_fd(w), .events = POLLIN},
    };

    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        ;
    return fds[1].revents == 0;
}

/* Reads up to CHUNK bytes, across files.  SKS_OK, SKS_END (maybe with bytes), SKS_FAIL. */
static int fill(sks_worker *w, struct job *j, struct block *b)
{
    while (b->n < CHUNK) {
        ssize_t got;
        int more;

        if (j->in < 0 && (more = open_next(j)) <= 0)
            return more == 0 ? SKS_END : sks_stage_fail(w, errno, "%s: cannot open", j->name);
        if (!input_ready(w, j->in))
            return SKS_END;
        got = read(j->in, b->in + WINDOW + b->n, CHUNK - b->n);
        if (got < 0 && errno != EINTR && errno != EAGAIN)
            return sks_stage_fail(w, errno, "%s: cannot read", j->name);
        if (got > 0)
            b->n += (size_t)got;
        if (got == 0) {
            if (j->in != STDIN_FILENO)
                close(j->in);
            j->in = -1;
        }
    }
    return SKS_OK;
}

static int read_block(sks_worker *w)
{
    struct job *j = sks_worker_arg(w);
    struct block *b;
    int r;

    if (sks_receiver_recv(j->pool_out, &b) != 1)
        return SKS_FAIL;
    b->n = 0;
    b->dict = j->tail_n;
    memcpy(b->in + WINDOW - b->dict, j->tail, b->dict);
    r = fill(w, j, b);
    if (r == SKS_FAIL || b->n == 0) {
        pool_give(j, b);
        return r;
    }
    j->tail_n = b->n < WINDOW ? b->n : WINDOW;
    memcpy(j->tail, b->in + WINDOW + b->n - j->tail_n, j->tail_n);
    progress_add(&j->progress.in, b->n);
    return sks_emit(w, &b) ? SKS_ENOUGH : r;
}

/* ---- deflate ----------------------------------------------------------- */

static void *deflate_open(sks_worker *w, void *arg)
{
    const struct job *j = arg;
    z_stream *z = calloc(1, sizeof *z);

    (void)w;
    if (z && deflateInit2(z, j->o->level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(z);
        errno = ENOMEM;
        return NULL;
    }
    return z;
}

static void deflate_close(void *user, void *arg)
{
    (void)arg;
    deflateEnd(user);
    free(user);
}

static int deflate_block(sks_worker *w, void *item)
{
    struct block *b = *(struct block **)item;
    z_stream *z = sks_worker_user(w);

    deflateReset(z);
    if (b->dict)
        deflateSetDictionary(z, b->in + WINDOW - b->dict, (uInt)b->dict);
    z->next_in = b->in + WINDOW;
    z->avail_in = (uInt)b->n;
    z->next_out = b->out;
    z->avail_out = sizeof b->out;
    if (deflate(z, Z_SYNC_FLUSH) != Z_OK || z->avail_in || !z->avail_out) {
        struct job *j = sks_worker_arg(w);

        pool_give(j, b);
        return sks_stage_fail(w, EIO, "deflate: %s", z->msg ? z->msg : "no room");
    }
    b->n_out = sizeof b->out - z->avail_out;
    b->crc = crc32(0, b->in + WINDOW, (uInt)b->n);
    return sks_emit(w, &b) ? SKS_ENOUGH : SKS_OK;
}

static const char *out_name(const struct job *j)
{
    return strcmp(j->o->output, "-") ? j->o->output : "standard output";
}

/* ---- write ------------------------------------------------------------- */

/* 0, or an errno value. */
static int write_all(int fd, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;

    while (n) {
        ssize_t put = write(fd, at, n);

        if (put < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        else if (put < 0 && errno != EINTR)
            return errno;
        if (put > 0) {
            at += put;
            n -= (size_t)put;
        }
    }
    return 0;
}

static int write_block(sks_worker *w, void *item)
{
    struct block *b = *(struct block **)item;
    struct job *j = sks_worker_arg(w);
    int failed = write_all(j->out, b->out, b->n_out);

    if (!failed) {
        j->crc = crc32_combine(j->crc, b->crc, (z_off_t)b->n);
        progress_add(&j->progress.taken, b->n);
        progress_add(&j->progress.out, b->n_out);
    }
    pool_give(j, b);
    return failed ? sks_stage_fail(w, failed, "%s: cannot write", out_name(j)) : SKS_OK;
}

static void discard_block(void *item, const char *link, sks_discard_reason reason, void *arg)
{
    struct job *j = arg;

    (void)link;
    (void)reason;
    pool_give(j, *(struct block **)item);
}

static int write_header(struct job *j)
{
    static const unsigned char header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};

    return write_all(j->out, header, sizeof header);
}

static int write_trailer(struct job *j)
{
    unsigned char end[10] = {3, 0}; /* an empty last block */
    uint32_t crc = (uint32_t)j->crc, n = (uint32_t)progress_get(&j->progress.taken);

    for (int i = 0; i < 4; i++) {
        end[2 + i] = (unsigned char)(crc >> 8 * i);
        end[6 + i] = (unsigned char)(n >> 8 * i);
    }
    progress_add(&j->progress.out, sizeof end + 10);
    return write_all(j->out, end, sizeof end);
}

/* ---- the job ----------------------------------------------------------- */

static void free_block(void *item, void *arg)
{
    (void)arg;
    free(*(void **)item);
}

static int pool_fill(struct job *j)
{
    sks_channel_options o = {.size = sizeof o, .destroy = free_block};
    size_t n = 2 * j->o->workers + 6;

    pthread_mutex_init(&j->pool_lock, NULL);
    if (sks_channel_with(sizeof(void *), n, &o, &j->pool_in, &j->pool_out))
        return -1;
    for (; n; n--) {
        struct block *b = malloc(sizeof *b);

        if (!b)
            return -1;
        pool_give(j, b);
    }
    return 0;
}

static int build(struct job *j)
{
    sks_stage_options deflaters = {
        .size = sizeof deflaters,
        .workers = j->o->workers,
        .ordered = true,
        .window = j->o->workers + 2,
        .worker_open = deflate_open,
        .worker_close = deflate_close,
    };
    char uri[32];

    j->p = sks_pipeline_new("sks-gzip");
    if (!j->p)
        return -1;
    snprintf(uri, sizeof uri, "chan:?items=%u", j->o->workers + 1);
    sks_pipeline_on_discard(j->p, discard_block, j);
    return sks_pipeline_source(j->p, "read", read_block, j, NULL) ||
                   sks_pipeline_stage(j->p, "deflate", deflate_block, j, &deflaters) ||
                   sks_pipeline_sink(j->p, "write", write_block, j, NULL) ||
                   sks_pipeline_link(j->p, "read", "deflate", uri) ||
                   sks_pipeline_link(j->p, "deflate", "write", uri) ||
                   sks_pipeline_on_signal(j->p, SIGTERM, 0) ||
                   sks_pipeline_on_signal(j->p, SIGINT, 0)
               ? -1
               : 0;
}

static int finish(struct job *j, const char *temporary, const sks_receipt *r)
{
    int failed = 0;

    if (r && r->outcome != SKS_DRAINED) {
        fprintf(stderr, "sks-gzip: %s: %s\n", r->cause_text[0] ? r->cause_text : "aborted",
                strerror(r->cause));
        failed = 1;
    } else if (!r) {
        fprintf(stderr, "sks-gzip: %s\n", sks_pipeline_error(j->p));
        failed = 1;
    } else if ((failed = write_trailer(j))) {
        fprintf(stderr, "sks-gzip: %s: %s\n", out_name(j), strerror(failed));
        failed = 1;
    }
    if (j->out != STDOUT_FILENO && close(j->out) && !failed) {
        fprintf(stderr, "sks-gzip: %s: %s\n", out_name(j), strerror(errno));
        failed = 1;
    }
    if (!failed && temporary && rename(temporary, j->o->output)) {
        fprintf(stderr, "sks-gzip: %s: %s\n", out_name(j), strerror(errno));
        failed = 1;
    }
    if (failed && temporary)
        unlink(temporary);
    return failed;
}

static int run(struct job *j, const char *temporary)
{
    sks_receipt *r = NULL;
    int failed;

    progress_start(&j->progress, j->p, j->o);
    sks_pipeline_run(j->p, SKS_NEVER, &r);
    progress_stop(&j->progress);
    failed = finish(j, temporary, r);
    if (r && j->o->receipt)
        receipt_print(r, j->o->receipt, &j->progress);
    if (!failed && r->stopped) {
        fprintf(stderr,
                "sks-gzip: stopped early: the archive is valid and holds the first %llu "
                "bytes\n",
                (unsigned long long)progress_get(&j->progress.taken));
        failed = 128 + SIGTERM;
    }
    sks_receipt_free(r);
    return failed;
}

/* Opens the output: a file beside its final name, or standard output. */
static int open_output(struct job *j, char **temporary)
{
    size_t size;

    *temporary = NULL;
    j->out = STDOUT_FILENO;
    if (strcmp(j->o->output, "-") == 0) {
        if (isatty(STDOUT_FILENO)) {
            fputs("sks-gzip: not writing compressed bytes to a terminal; use -o FILE\n", stderr);
            return -1;
        }
        return 0;
    }
    size = strlen(j->o->output) + 32;
    *temporary = malloc(size);
    if (!*temporary) {
        fprintf(stderr, "sks-gzip: %s: %s\n", out_name(j), strerror(errno));
        return -1;
    }
    snprintf(*temporary, size, "%s.part.%ld", j->o->output, (long)getpid());
    j->out = open(*temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (j->out >= 0)
        return 0;
    fprintf(stderr, "sks-gzip: %s: %s\n", out_name(j), strerror(errno));
    free(*temporary);
    *temporary = NULL;
    return -1;
}

int main(int argc, char **argv)
{
    struct options o;
    struct job j = {.o = &o, .in = -1, .crc = crc32(0, NULL, 0)};
    char *temporary = NULL;
    int failed = options_parse(&o, argc, argv);

    if (failed >= 0)
        return failed;
    signal(SIGPIPE, SIG_IGN);
    if (sks_log_from_env())
        fprintf(stderr, "sks-gzip: %s\n", sks_log_error());
    if (open_output(&j, &temporary))
        return 1;
    failed = 1;
    if (pool_fill(&j) || build(&j)) {
        fprintf(stderr, "sks-gzip: %s\n", j.p ? sks_pipeline_error(j.p) : strerror(errno));
    } else if ((errno = write_header(&j))) {
        fprintf(stderr, "sks-gzip: %s: %s\n", out_name(&j), strerror(errno));
    } else {
        failed = run(&j, temporary);
        free(temporary);
        temporary = NULL;
    }
    if (temporary)
        unlink(temporary);
    free(temporary);
    sks_pipeline_free(j.p);
    sks_sender_close(j.pool_in);
    sks_receiver_close(j.pool_out);
    return failed;
}
