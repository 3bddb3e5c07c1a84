/* SPDX-License-Identifier: MIT */
/*
 * tbb.cpp - peer: oneTBB's parallel_pipeline with the three filters of
 * ours_pipeline.c, in order, cap tokens.  Its threads are not placed.
 */
#include "harness.h"

#include <cstdio>
#include <tbb/parallel_pipeline.h>

static const uint64_t factor = 3;
static bool stop;
static struct counter count;
static uint64_t made, taken;
static unsigned tokens;

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

    tbb::parallel_pipeline(tokens, tbb::make_filter<void, uint64_t>(serial, &source) &
                                       tbb::make_filter<uint64_t, uint64_t>(serial, &stage) &
                                       tbb::make_filter<uint64_t, void>(serial, &sink));
    return nullptr;
}

int main(int argc, char **argv)
{
    struct conf c = conf_parse(argc, argv);
    pthread_t thread;
    double rate;

    tokens = c.cap;
    if (!conf_is(&c, "pipeline"))
        die("%s: no such workload", c.workload);
    thread = thread_start(run, nullptr);
    rate = window_rate(&c, &count, 1, &stop);
    thread_join(thread);
    if (made != taken)
        die("made %llu, taken %llu", (unsigned long long)made, (unsigned long long)taken);
    std::printf("%.6g items/s\n", rate);
    return 0;
}
