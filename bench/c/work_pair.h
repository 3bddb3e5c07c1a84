/* SPDX-License-Identifier: MIT */
/*
 * work_pair.h - second half of work.h: workloads on a connection of two
 * directions (round trips, making and dropping, memory, idle time).
 */

/* ---- round trips ------------------------------------------------------- */

/* Trips between two looks at the clock, where nobody is to sleep. */
#define TRIP_GROUP 8
#define TRIPS_MAX (1u << 18)

struct echo {
    const struct conf *c;
    struct duplex *d;
    int64_t gap_ns;
    uint64_t trips;
    long sleeps;
};

/* Sends back what it gets; with a gap it works that long before, so that the
 * other side has gone to sleep. */
static void *echo_run(void *arg)
{
    struct echo *e = (struct echo *)arg;
    peer_rx rx = e->d->rx[1]; /* copies: the ends of both threads lie side by side */
    peer_tx tx = e->d->tx[1];
    struct item it;
    uint64_t n = 0;
    long before = thread_sleeps();

    place_thread(e->c, 1);
    while (peer_recv(&rx, &it) != 0) {
        item_check(&it, n++);
        if (e->gap_ns > 0)
            spin_until(now_ns() + e->gap_ns);
        peer_send(&tx, &it);
    }
    e->d->rx[1] = rx;
    e->d->tx[1] = tx;
    e->trips = n;
    e->sleeps = thread_sleeps() - before;
    return NULL;
}

static inline void trip(peer_tx *tx, peer_rx *rx, uint64_t number)
{
    struct item it;

    memset(&it, 0, sizeof(it));
    item_set(&it, number);
    peer_send(tx, &it);
    if (peer_recv(rx, &it) == 0)
        die("the echo has ended");
    item_check(&it, number);
}

/* gap_ns > 0: each side works that long before each of its sends, and the time
 * that is given is without the gap of the echo. */
static void run_rtt(const struct conf *c, int64_t gap_ns)
{
    struct duplex d;
    struct echo e = {c, &d, gap_ns, 0, 0};
    unsigned group = gap_ns > 0 ? 1 : TRIP_GROUP;
    int64_t t0, t1, from, to, total = 0;
    struct trips trips;
    uint64_t n = 0, measured = 0;
    pthread_t thread;
    peer_tx tx;
    peer_rx rx;
    long sleeps;

    trips_init(&trips, TRIPS_MAX);
    peer_pair_open(c, &d);
    tx = d.tx[0];
    rx = d.rx[0];
    place_thread(c, 0);
    thread = thread_start(echo_run, &e);
    sleeps = thread_sleeps();
    from = now_ns() + WARM_UP_NS;
    to = from + (int64_t)(c->secs * 1e9);
    do {
        if (gap_ns > 0)
            spin_until(now_ns() + gap_ns);
        t0 = now_ns();
        for (unsigned i = 0; i < group; i++)
            trip(&tx, &rx, n++);
        t1 = now_ns();
        if (t0 >= from) {
            trips_add(&trips, (t1 - t0) / group - gap_ns);
            total += t1 - t0 - gap_ns * group;
            measured += group;
        }
    } while (t1 < to || measured == 0);
    sleeps = thread_sleeps() - sleeps;
    d.rx[0] = rx;
    d.tx[0] = tx;
    peer_end(&d.tx[0], 1);
    thread_join(thread);
    if (e.trips != n)
        die("%llu trips, %llu echoed", (unsigned long long)n, (unsigned long long)e.trips);
    peer_pair_close(&d);
    trips_print(&trips, (double)total / (double)measured, (double)(sleeps + e.sleeps) / (double)n);
}

/* ---- making and dropping ----------------------------------------------- */

static void message(peer_tx *tx, peer_rx *rx, uint64_t number)
{
    struct item it;

    memset(&it, 0, sizeof(it));
    item_set(&it, number);
    peer_send(tx, &it);
    if (peer_recv(rx, &it) == 0)
        die("it has ended");
    item_check(&it, number);
}

static void churn_once(const struct conf *c, uint64_t number)
{
    struct duplex d;

    if (c->dirs == 1) {
        peer_open(c, &d.tx[0], &d.rx[1]);
        message(&d.tx[0], &d.rx[1], number);
        peer_tx_close(d.tx[0]);
        peer_rx_close(d.rx[1]);
        return;
    }
    peer_pair_open(c, &d);
    message(&d.tx[0], &d.rx[1], number);
    message(&d.tx[1], &d.rx[0], number);
    peer_pair_close(&d);
}

static void run_churn(const struct conf *c)
{
    int64_t t, from, start = 0;
    uint64_t n = 0;

    place_thread(c, 0);
    from = now_ns() + WARM_UP_NS;
    do {
        for (unsigned i = 0; i < 16; i++)
            churn_once(c, i);
        t = now_ns();
        if (start != 0)
            n += 16;
        else if (t >= from)
            start = t;
    } while (start == 0 || t - start < (int64_t)(c->secs * 1e9));
    printf("%.6g pairs/s\n", (double)n * 1e9 / (double)(t - start));
}

/* ---- memory ------------------------------------------------------------ */

#ifndef PEER_FDS
#define PEER_FDS 0
#endif

static void run_bytes(const struct conf *c)
{
    struct rlimit files;
    struct duplex *all;
    unsigned n = c->pairs, fds = PEER_FDS * c->dirs;
    double resident, slab;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (fds > 0 && n > (files.rlim_cur - 64) / fds)
        n = (unsigned)((files.rlim_cur - 64) / fds);
    all = (struct duplex *)malloc(n * sizeof(*all));
    if (all == NULL)
        die("no memory");
    memset((void *)all, 1, n * sizeof(*all));
    slab = slab_bytes();
    resident = resident_bytes();
    for (unsigned i = 0; i < n; i++) {
        if (c->dirs == 1)
            peer_open(c, &all[i].tx[0], &all[i].rx[1]);
        else
            peer_pair_open(c, &all[i]);
    }
    resident = (resident_bytes() - resident) / n;
    slab = PEER_FDS > 0 ? (slab_bytes() - slab) / n : 0;
    printf("%.6g B/pair resident=%.6g n=%u", resident + slab, resident, n);
    if (PEER_FDS > 0)
        printf(" kernel=%.6g", slab);
    putchar('\n');
    fflush(stdout);
    _exit(0); /* the kernel drops them faster than we would */
}

/* ---- idle -------------------------------------------------------------- */

static void *idle_recv(void *arg)
{
    struct duplex *d = (struct duplex *)arg;
    struct item it;

    (void)peer_recv(&d->rx[1], &it);
    die("an idle receiver got something");
}

static void *idle_send(void *arg)
{
    struct duplex *d = (struct duplex *)arg;
    struct item it;

    memset(&it, 0, sizeof(it));
    for (;;)
        peer_send(&d->tx[1], &it);
    return NULL;
}

/* One thread blocked for room, one for an item; what they use meanwhile. */
static void run_idle(const struct conf *c)
{
    static struct duplex d;

    peer_pair_open(c, &d);
    thread_start(idle_recv, &d);
    thread_start(idle_send, &d);
    idle_print(c);
    fflush(stdout);
    _exit(0);
}
