/* SPDX-License-Identifier: MIT */
/*
 * tbb.cpp - peer: oneTBB's parallel_pipeline with the three filters of
 * ours_pipeline.c, in order, cap tokens.  With workers=2 or more the middle one is
 * parallel, and so many threads are in it (workers=0: as many as oneTBB thinks good).
 * Its threads are not placed.
 */
#include "harness.h"

#include <cstdio>
#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_pipeline.h>
#include <tbb/task_arena.h>

static const uint64_t factor = 3;
static bool stop LINE_APART;
static struct counter count;
static uint64_t made LINE_APART, taken LINE_APART;
static const struct conf *conf;

static uint64_t source(tbb::flow_control &flow)
{
    if (stop_get(&stop)) {
        flow.stop();
        return 0;
    }
    return made++;
}

static uint64_t stage(uint64_t v)
{
    if (conf->steps > 0)
        work_on(v, conf->steps);
    return v * factor;
}

static void sink(uint64_t v)
{
    if (v != taken * factor)
        die("item %llu: got %llu", (unsigned long long)taken, (unsigned long long)v);
    taken++;
    counter_add(&count, 1);
}

static void *run(void *)
{
    const auto serial = tbb::filter_mode::serial_in_order;
    const auto middle = conf->workers == 1 ? serial : tbb::filter_mode::parallel;
    auto arena = conf->workers > 1 ? tbb::task_arena((int)conf->workers) : tbb::task_arena();
    tbb::global_control threads(tbb::global_control::max_allowed_parallelism,
                                conf->workers > 1 ? conf->workers
                                                  : (size_t)tbb::info::default_concurrency());

    arena.execute([&] {
        tbb::parallel_pipeline(conf->cap, tbb::make_filter<void, uint64_t>(serial, &source) &
                                              tbb::make_filter<uint64_t, uint64_t>(middle, &stage) &
                                              tbb::make_filter<uint64_t, void>(serial, &sink));
    });
    return nullptr;
}

int main(int argc, char **argv)
{
    struct conf c = conf_parse(argc, argv);
    pthread_t thread;
    double rate;

    conf = &c;
    if (!conf_is(&c, "pipeline") && !conf_is(&c, "work"))
        die("%s: no such workload", c.workload);
    thread = thread_start(run, nullptr);
    rate = window_rate(&c, &count, 1, &stop);
    thread_join(thread);
    if (made != taken)
        die("made %llu, taken %llu", (unsigned long long)made, (unsigned long long)taken);
    std::printf("%.6g items/s\n", rate);
    return 0;
}
