/* SPDX-License-Identifier: MIT */
/*
 * multi_stage_pipeline.c - three threads and two channels of capacity 2.
 *
 * Stage1 makes 1..5, one every 50 ms; Stage2 needs 100 ms to double each; Stage3
 * sums them up.  Stage1 is faster, so the first channel fills, and a send to a full
 * channel waits: backpressure.  Run it with SKS_LOG=info to watch.
 */
#include <pthread.h>
#include <sockstream/sockstream.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

SKS_TYPED(num, int);

#define CAPACITY 2

struct stages {
    num_sender to2, to3;
    num_receiver from1, from2;
    int sum;
};

/* Simulates work. */
static void work_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void *stage1(void *arg)
{
    struct stages *s = arg;

    sks_log_thread_name("Stage1");
    for (int i = 1; i <= 5; i++) {
        int64_t since = sks_now();
        unsigned queued;

        if (num_send(s->to2, i)) /* waits while the channel is full */
            break;
        queued = (unsigned)sks_sender_stat(s->to2.h, SKS_STAT_LEN);
        sks_info("Stage1", "sent item=%d queued=%u waited_us=%lld", i, queued,
                 (long long)(sks_now() - since) / 1000);
        if (queued == CAPACITY)
            sks_info("Stage1", "channel full, backpressure: the next send waits for Stage2");
        work_ms(50);
    }
    sks_info("Stage1", "finished, closing its channel");
    num_sender_close(s->to2);
    return NULL;
}

static void *stage2(void *arg)
{
    struct stages *s = arg;
    int v;

    sks_log_thread_name("Stage2");
    while (num_recv(s->from1, &v) == 1) {
        sks_info("Stage2", "received item=%d", v);
        work_ms(100);
        if (num_send(s->to3, 2 * v))
            break;
        sks_info("Stage2", "forwarded item=%d doubled=%d", v, 2 * v);
    }
    sks_info("Stage2", "no more input, closing its channel");
    num_receiver_close(s->from1);
    num_sender_close(s->to3);
    return NULL;
}

static void *stage3(void *arg)
{
    struct stages *s = arg;
    int v;

    sks_log_thread_name("Stage3");
    while (num_recv(s->from2, &v) == 1) {
        s->sum += v;
        sks_info("Stage3", "received item=%d sum=%d", v, s->sum);
    }
    sks_info("Stage3", "no more input sum=%d", s->sum);
    num_receiver_close(s->from2);
    return NULL;
}

int main(void)
{
    void *(*const stages[])(void *) = {stage1, stage2, stage3};
    struct stages s = {.sum = 0};
    pthread_t threads[3];

    if (sks_log_from_env()) {
        fprintf(stderr, "multi_stage_pipeline: %s\n", sks_log_error());
        return EXIT_FAILURE;
    }
    if (num_channel(CAPACITY, &s.to2, &s.from1) || num_channel(CAPACITY, &s.to3, &s.from2)) {
        perror("multi_stage_pipeline: channel");
        return EXIT_FAILURE;
    }
    for (int i = 0; i < 3; i++) {
        int code = pthread_create(&threads[i], NULL, stages[i], &s);

        if (code) {
            fprintf(stderr, "multi_stage_pipeline: thread: %s\n", strerror(code));
            return EXIT_FAILURE; /* with the process the threads end that there are */
        }
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    printf("final sum = %d\n", s.sum);
    if (fflush(stdout)) {
        perror("multi_stage_pipeline: standard output");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
