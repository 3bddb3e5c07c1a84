/* SPDX-License-Identifier: MIT */
/*
 * stress.c - random mixes of every call on channels, from several threads; whatever
 * happens, each item ends in exactly one way.
 *
 *   --seconds N   as long as that        --rounds N   so many (default 300)
 *   --seed S      of the first round     --threads N  at most (default 8)
 *   --one-cpu     on one CPU only        --quiet      no line for each round
 *
 * A round makes 1 to 3 channels of random capacity, item size and alignment and 2 to 8
 * workers with handles of some sides of some of them.  When all are done it checks:
 *
 *   - every item made was received once, or destroyed once, or refused once
 *   - the items of one sender reached each receiver in order
 *   - the channel's statistics say the same
 *
 * A round without progress for 20 s has lost a wake-up: it is printed, then abort().
 * The round with seed S is the same every time, but for the timing.
 */
#include "sel.h"

#include <pthread.h>
#include <semaphore.h>
#include <time.h>
#include <unistd.h>

#define STUCK_S 20

struct world world;

static struct {
    long rounds, seconds;
    uint64_t seed;
    unsigned threads;
    bool one_cpu, quiet;
} args = {.rounds = 300, .seed = 1, .threads = WORKERS_MAX};

static sem_t done;

/* ---- a worker ---------------------------------------------------------- */

static unsigned live_handles(const struct worker *w, bool senders)
{
    unsigned n = 0;

    for (unsigned c = 0; c < world.channels; c++)
        n += senders ? w->tx[c] != NULL : w->rx[c] != NULL;
    return n;
}

/* One of the channels that the worker can still use on that side. */
static unsigned some_channel(struct worker *w, bool senders)
{
    unsigned c;

    do
        c = draw(&w->seed, world.channels);
    while (senders ? !w->tx[c] : !w->rx[c]);
    return c;
}

static void send_something(struct worker *w)
{
    unsigned c = some_channel(w, true);

    switch (draw(&w->seed, 16)) {
    case 0:
    case 1:
    case 2:
        op_send_many(w, c);
        break;
    case 3:
    case 4:
    case 5:
        op_reserve(w, c);
        break;
    case 6:
        op_sender_dup(w, c);
        break;
    case 7:
    case 8:
    case 9:
        op_select(w, true, w->mixed, !w->mixed);
        break;
    default:
        op_send(w, c);
    }
}

static void receive_something(struct worker *w, bool alone)
{
    unsigned c = some_channel(w, false);
    bool never = alone && live_handles(w, false) == 1;

    switch (draw(&w->seed, 16)) {
    case 0:
    case 1:
    case 2:
        op_recv_many(w, c, never);
        break;
    case 3:
    case 4:
    case 5:
        op_peek(w, c, never);
        break;
    case 6:
        op_receiver_dup(w, c);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
        op_select(w, false, true, alone);
        break;
    default:
        op_recv(w, c, never);
    }
}

/* What makes some rounds end early. */
static void end_something(struct worker *w)
{
    unsigned c;

    if (world.ending == END_NORMAL || draw(&w->seed, 100) || !live_handles(w, false))
        return;
    c = some_channel(w, false);
    step(w, "end", c);
    if (world.ending == END_REFUSE) {
        sks_receiver_refuse(w->rx[c]);
    } else if (world.ending == END_CLOSE) {
        stop_receiving(w, c);
    } else {
        int none = 0;

        atomic_compare_exchange_strong(&world.channel[c].abort_code, &none, 1000 + (int)c);
        if (w->tx[c] && draw(&w->seed, 2))
            sks_sender_abort(w->tx[c], 1000 + (int)c);
        else
            sks_receiver_abort(w->rx[c], 1000 + (int)c);
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;

    while (live_handles(w, true) && w->budget > 0 && w->made + 4 * BATCH_MAX < ITEMS_MAX) {
        w->budget--;
        end_something(w);
        if (w->mixed && live_handles(w, false) && draw(&w->seed, 2))
            receive_something(w, false);
        else if (live_handles(w, true))
            send_something(w);
    }
    for (unsigned c = 0; c < world.channels; c++) {
        if (w->tx[c])
            stop_sending(w, c);
    }
    while (live_handles(w, false)) {
        receive_something(w, true);
        if (live_handles(w, false))
            end_something(w);
    }
    step(w, "done", 0);
    sem_post(&done);
    return NULL;
}

/* ---- a round ----------------------------------------------------------- */

static void channel_make(struct channel *ch, unsigned c, uint64_t *seed)
{
    static const size_t capacities[] = {0, 0, 1, 2, 3, 8, 64, 100, SKS_UNBOUNDED};
    static const size_t sizes[] = {16, 24, 32, 40, 100, 256};
    sks_channel_options o = {.size = sizeof o, .destroy = item_destroyed, .destroy_arg = ch};
    struct worker *senders[WORKERS_MAX], *receivers[WORKERS_MAX];
    sks_sender *tx;
    sks_receiver *rx;

    ch->capacity = capacities[draw(seed, sizeof capacities / sizeof *capacities)];
    ch->item_size = sizes[draw(seed, sizeof sizes / sizeof *sizes)];
    ch->item_align = o.item_align = draw(seed, 4) ? 0 : 64;
    if (sks_channel_with(ch->item_size, ch->capacity, &o, &tx, &rx)) {
        perror("sks_channel_with");
        exit(2);
    }
    for (unsigned i = 0; i < world.workers; i++) {
        uint32_t side = draw(seed, 4); /* 0, 1: send; 2, 3: receive; 0 or 3: perhaps both */
        bool both = draw(seed, 4) == 0;

        if (i == 0 || (i != 1 && (side < 2 || both)))
            senders[ch->senders++] = &world.worker[i];
        if (i == 1 || (i != 0 && (side >= 2 || both)))
            receivers[ch->receivers++] = &world.worker[i];
    }
    senders[0]->keep[c] = true;
    senders[0]->tx[c] = ch->last_tx = tx;
    receivers[0]->rx[c] = rx;
    for (unsigned i = 1; i < ch->senders; i++)
        senders[i]->tx[c] = sks_sender_dup(tx);
    for (unsigned i = 1; i < ch->receivers; i++)
        receivers[i]->rx[c] = sks_receiver_dup(rx);
}

static void round_make(uint64_t round_seed)
{
    uint64_t seed = round_seed;

    memset(&world, 0, sizeof world);
    world.seed = round_seed;
    world.workers = 2 + draw(&seed, args.threads - 1);
    world.channels = draw(&seed, 2) ? 1 : 1 + draw(&seed, CHANNELS_MAX);
    world.ending = (enum ending)(draw(&seed, 2) ? END_NORMAL : draw(&seed, ENDINGS));
    world.give_back = draw(&seed, 2);
    for (unsigned i = 0; i < world.workers; i++) {
        struct worker *w = &world.worker[i];

        w->self = i;
        w->seed = seed + i * 77;
        w->budget = (int)draw(&seed, 300);
        for (unsigned c = 0; c < CHANNELS_MAX; c++) {
            for (unsigned k = 0; k < WORKERS_MAX; k++)
                w->seen[c][k] = -1;
        }
    }
    for (unsigned c = 0; c < world.channels; c++)
        channel_make(&world.channel[c], c, &seed);
    for (unsigned i = 0; i < world.workers; i++) {
        struct worker *w = &world.worker[i];

        w->mixed = live_handles(w, true) && live_handles(w, false);
    }
}

static void print_stuck(void)
{
    printf("STUCK seed %" PRIu64 "\n", world.seed);
    for (unsigned i = 0; i < world.workers; i++)
        printf("  worker %u: %s on %d, mixed %d, made %u\n", i, atomic_load(&world.worker[i].doing),
               atomic_load(&world.worker[i].on), world.worker[i].mixed, world.worker[i].made);
    for (unsigned c = 0; c < world.channels; c++) {
        const sks_sender *tx = world.channel[c].last_tx;

        printf("  channel %u: capacity %zu, sent %" PRIu64 " received %" PRIu64 " len %" PRIu64
               " discarded %" PRIu64 " senders %" PRIu64 " receivers %" PRIu64 "\n",
               c, world.channel[c].capacity, sks_sender_stat(tx, SKS_STAT_SENT),
               sks_sender_stat(tx, SKS_STAT_RECEIVED), sks_sender_stat(tx, SKS_STAT_LEN),
               sks_sender_stat(tx, SKS_STAT_DISCARDED), sks_sender_stat(tx, SKS_STAT_SENDERS),
               sks_sender_stat(tx, SKS_STAT_RECEIVERS));
    }
    fflush(stdout);
    abort();
}

static uint64_t all_steps(void)
{
    uint64_t steps = 0;

    for (unsigned i = 0; i < world.workers; i++)
        steps += atomic_load(&world.worker[i].steps);
    return steps;
}

/* Waits until n workers are done. */
static void watch(unsigned n)
{
    uint64_t before = all_steps();
    struct timespec limit;
    int quiet = 0;

    while (n) {
        clock_gettime(CLOCK_REALTIME, &limit);
        limit.tv_sec++;
        if (sem_timedwait(&done, &limit) == 0) {
            n--;
            continue;
        }
        if (errno != ETIMEDOUT)
            continue;
        quiet = all_steps() == before ? quiet + 1 : 0;
        before = all_steps();
        if (quiet == STUCK_S)
            print_stuck();
    }
}

static void check_stats(unsigned c)
{
    struct channel *ch = &world.channel[c];
    const sks_sender *tx = ch->last_tx;
    uint64_t len = sks_sender_stat(tx, SKS_STAT_LEN);

    CHECK(sks_sender_stat(tx, SKS_STAT_SENT) == ch->sent, "sent %" PRIu64 ", not %" PRIu64,
          sks_sender_stat(tx, SKS_STAT_SENT), ch->sent);
    CHECK(sks_sender_stat(tx, SKS_STAT_RECEIVED) == ch->received,
          "received %" PRIu64 ", not %" PRIu64, sks_sender_stat(tx, SKS_STAT_RECEIVED),
          ch->received);
    CHECK(sks_sender_stat(tx, SKS_STAT_DISCARDED) == ch->destroyed,
          "discarded %" PRIu64 ", not %" PRIu64, sks_sender_stat(tx, SKS_STAT_DISCARDED),
          ch->destroyed);
    CHECK(ch->sent == ch->received + ch->destroyed + len, "len %" PRIu64, len);
    CHECK(len == 0 || ch->abort_code, "len %" PRIu64 " without an abort", len);
    /* Receivers that stay until they see the end leave nothing to destroy. */
    if (world.ending == END_NORMAL || world.ending == END_REFUSE)
        CHECK(ch->destroyed == 0, "%" PRIu64 " destroyed", ch->destroyed);
    CHECK(sks_sender_stat(tx, SKS_STAT_SENDERS) == 0, "senders");
    CHECK(sks_sender_stat(tx, SKS_STAT_RECEIVERS) == 0, "receivers");
    if (ch->capacity != SKS_UNBOUNDED)
        CHECK(sks_sender_stat(tx, SKS_STAT_HIGH_WATER) <= ch->capacity, "high water");
}

static void check_fates(void)
{
    for (unsigned i = 0; i < world.workers; i++) {
        for (uint32_t k = 0; k < world.worker[i].made; k++) {
            const _Atomic uint8_t *f = world.fates[i][k];

            CHECK(f[RECEIVED] + f[DESTROYED] + f[REFUSED] == 1,
                  "item %u of worker %u: received %d, destroyed %d, refused %d", k, i, f[RECEIVED],
                  f[DESTROYED], f[REFUSED]);
        }
    }
}

static bool round_run(uint64_t seed)
{
    pthread_t threads[WORKERS_MAX];
    unsigned n;

    round_make(seed);
    n = world.workers;
    for (unsigned i = 0; i < n; i++) {
        if (pthread_create(&threads[i], NULL, work, &world.worker[i]))
            exit(2);
    }
    watch(n);
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    for (unsigned c = 0; c < world.channels; c++) {
        check_stats(c);
        sks_sender_close(world.channel[c].last_tx);
    }
    check_fates();
    if (!args.quiet)
        printf("round seed %" PRIu64
               ": workers %u, channels %u, ending %d, give back %d, sent %" PRIu64 "\n",
               seed, n, world.channels, world.ending, world.give_back,
               world.channel[0].sent + world.channel[1].sent + world.channel[2].sent);
    return !world.failed;
}

/* ---- the program ------------------------------------------------------- */

static void pin(void)
{
    cpu_set_t all, one;

    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof all, &all))
        return;
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &all)) {
            CPU_SET(i, &one);
            break;
        }
    }
    sched_setaffinity(0, sizeof one, &one);
}

static void parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";

        if (!strcmp(argv[i], "--one-cpu")) {
            args.one_cpu = true;
            continue;
        }
        if (!strcmp(argv[i], "--quiet")) {
            args.quiet = true;
            continue;
        }
        if (!strcmp(argv[i], "--seconds"))
            args.seconds = strtol(value, NULL, 0);
        else if (!strcmp(argv[i], "--rounds"))
            args.rounds = strtol(value, NULL, 0);
        else if (!strcmp(argv[i], "--seed"))
            args.seed = strtoull(value, NULL, 0);
        else if (!strcmp(argv[i], "--threads"))
            args.threads = (unsigned)strtoul(value, NULL, 0);
        else
            exit(2);
        i++;
    }
    if (args.threads < 2 || args.threads > WORKERS_MAX)
        args.threads = WORKERS_MAX;
}

int main(int argc, char **argv)
{
    int64_t end;
    long n = 0;
    bool ok = true;

    parse(argc, argv);
    if (args.one_cpu)
        pin();
    setvbuf(stdout, NULL, _IOLBF, 0);
    sem_init(&done, 0, 0);
    end = args.seconds ? sks_after(args.seconds * 1000000000) : SKS_NEVER;
    while (ok && (args.seconds ? sks_now() < end : n < args.rounds))
        ok = round_run(args.seed + (uint64_t)n++);
    printf("%ld rounds from seed %" PRIu64 "\n", n, args.seed);
    printf("stress: %d passed, %d failed, 0 skipped\n", ok, !ok);
    return !ok;
}
