/* SPDX-License-Identifier: MIT */
/*
 * harness.c - the parent of every test.
 *
 * The parent has one thread, so fork() is safe under the sanitizers.  It blocks
 * SIGCHLD and waits for it with a time limit: no polling, no handler.  The child is
 * the leader of a process group, which dies with it.  What the child prints goes to
 * a file in memory, which the parent reads when the child is gone.
 *
 * The child looks for leaks itself, after the test: /proc/self/fd and
 * /proc/self/task.  A thread that was joined may stand there for some microseconds
 * more, so the child looks again for TASKS_GONE_NS before it complains.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "lib/harness.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIME_LIMIT_S 20.0
#define TASKS_GONE_NS 1000000000LL
#define FDS_MAX 1024 /* as RLIMIT_NOFILE usually is */

enum result { PASSED, FAILED, SKIPPED };

/* Exit status of the child when the test itself passed but left something behind. */
#define EXIT_LEAK 3

/* What cmocka prints. */
static const char skip_mark[] = "[  SKIPPED ]";
static const char done_mark[] = "1 test(s) run.";

double sks_test_patience(void)
{
    const char *factor = getenv("SKS_TEST_TIMEOUT");
    double value = factor ? strtod(factor, NULL) : 1;

    return value > 0 ? value : 1;
}

void sks_test_skip(const char *reason)
{
    printf("skipped: %s\n", reason);
    fflush(stdout);
    skip();
}

static long long now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* ---- the child: what is open, who runs --------------------------------- */

struct fd_set_seen {
    bool open[FDS_MAX];
};

static void fds_look(struct fd_set_seen *seen)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *e;

    memset(seen, 0, sizeof *seen);
    if (!dir)
        return;
    while ((e = readdir(dir))) {
        long fd = strtol(e->d_name, NULL, 10);

        if (e->d_name[0] != '.' && fd >= 0 && fd < FDS_MAX && fd != dirfd(dir))
            seen->open[fd] = true;
    }
    closedir(dir);
}

static bool fds_leaked(const struct fd_set_seen *before)
{
    struct fd_set_seen after;
    bool leaked = false;

    fds_look(&after);
    for (int fd = 0; fd < FDS_MAX; fd++) {
        char path[64], target[256];
        ssize_t n;

        if (!after.open[fd] || before->open[fd])
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        n = readlink(path, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        printf("leaked descriptor %d: %s\n", fd, target);
        leaked = true;
    }
    return leaked;
}

static int tasks_count(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *e;
    int n = 0;

    if (!dir)
        return 0;
    while ((e = readdir(dir)))
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static bool tasks_leaked(int before)
{
    long long give_up = now_ns() + TASKS_GONE_NS;
    int after;

    while ((after = tasks_count()) > before && now_ns() < give_up)
        sched_yield();
    if (after > before)
        printf("leaked threads: %d at the start, %d at the end\n", before, after);
    return after > before;
}

static void *nothing(void *arg)
{
    return arg;
}

/* ThreadSanitizer starts a thread of its own with the first one of the program. */
static void sanitizer_warm_up(void)
{
    pthread_t t;

    if (pthread_create(&t, NULL, nothing, NULL) == 0)
        pthread_join(t, NULL);
}

static void child_run(const struct CMUnitTest *test, int output)
{
    static struct fd_set_seen fds;
    const struct CMUnitTest one[] = {*test};
    int tasks, failed;
    sigset_t none;
    bool leaked;

    setpgid(0, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    close(output);
    setvbuf(stdout, NULL, _IOLBF, 0); /* in order with stderr */
    sanitizer_warm_up();
    fds_look(&fds);
    tasks = tasks_count();
    while (tasks > 1 && tasks_count() < tasks) /* the warm-up's own end */
        tasks = tasks_count();
    failed = cmocka_run_group_tests_name(test->name, one, NULL, NULL);
    leaked = tasks_leaked(tasks);
    leaked |= fds_leaked(&fds);
    fflush(stdout);
    /* exit() and not _exit(): LeakSanitizer looks when the program ends. */
    exit(failed ? 1 : leaked ? EXIT_LEAK : 0);
}

/* ---- the parent -------------------------------------------------------- */

static void line_copy(const char *path)
{
    char line[256];
    FILE *f = fopen(path, "r");

    if (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        printf(" %s", line);
    }
    if (f)
        fclose(f);
}

/* For a test that hangs: its threads, and the kernel function each of them is in. */
static void threads_print(pid_t pid)
{
    char path[64], file[400];
    DIR *dir;
    struct dirent *e;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    dir = opendir(path);
    while (dir && (e = readdir(dir))) {
        if (e->d_name[0] == '.')
            continue;
        printf("  thread %s:", e->d_name);
        snprintf(file, sizeof file, "%s/%s/comm", path, e->d_name);
        line_copy(file);
        snprintf(file, sizeof file, "%s/%s/wchan", path, e->d_name);
        line_copy(file);
        snprintf(file, sizeof file, "%s/%s/syscall", path, e->d_name);
        line_copy(file);
        printf("\n");
    }
    if (dir)
        closedir(dir);
}

/* Waits for the child, up to the limit.  False: it was not done and is dead now. */
static bool child_wait(pid_t pid, double limit_s, int *status)
{
    long long deadline = now_ns() + (long long)(limit_s * 1e9);
    sigset_t chld;

    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    while (waitpid(pid, status, WNOHANG) != pid) {
        long long left = deadline - now_ns();
        struct timespec ts = {left / 1000000000, left % 1000000000};

        if (left <= 0) {
            threads_print(pid);
            kill(pid, SIGKILL);
            waitpid(pid, status, 0);
            return false;
        }
        sigtimedwait(&chld, NULL, &ts);
    }
    return true;
}

/* Ends what is left of the test's process group. */
static bool group_left(pid_t pid, bool in_time)
{
    bool left = kill(-pid, SIGKILL) == 0;

    if (left && in_time)
        printf("left processes behind\n");
    return left;
}

static char *output_read(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);

    if (text && pread(fd, text, (size_t)size, 0) < 0)
        text[0] = '\0';
    return text;
}

static enum result verdict(const char *output, bool in_time, double limit, bool left, int status)
{
    if (!in_time) {
        printf("not done after %g s\n", limit);
        return FAILED;
    }
    if (WIFSIGNALED(status)) {
        printf("killed by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
        return FAILED;
    }
    if (WEXITSTATUS(status) > 1 && WEXITSTATUS(status) != EXIT_LEAK)
        printf("exit status %d\n", WEXITSTATUS(status));
    if (WEXITSTATUS(status) != 0 || left)
        return FAILED;
    /* Without cmocka's own last word the test has called exit(). */
    if (!strstr(output, done_mark)) {
        printf("the test ended the process\n");
        return FAILED;
    }
    return strstr(output, skip_mark) ? SKIPPED : PASSED;
}

static void output_show(const char *output, enum result result)
{
    const char *why = strstr(output, "skipped: ");

    if (result == FAILED || getenv("SKS_TEST_VERBOSE"))
        fputs(output, stdout);
    else if (result == SKIPPED && why)
        printf("%.*s\n", (int)strcspn(why, "\n"), why);
}

static enum result test_run(const struct CMUnitTest *test)
{
    double limit = TIME_LIMIT_S * sks_test_patience();
    int output = memfd_create("test", MFD_CLOEXEC), status = 0;
    enum result result;
    bool in_time, left;
    char *text;
    pid_t pid;

    fflush(NULL);
    pid = output < 0 ? -1 : fork();
    if (pid == 0)
        child_run(test, output);
    if (pid < 0) {
        printf("no child: %s\n", strerror(errno));
        return FAILED;
    }
    setpgid(pid, pid); /* whoever of the two comes first */
    in_time = child_wait(pid, limit, &status);
    left = group_left(pid, in_time);
    text = output_read(output);
    result = verdict(text ? text : "", in_time, limit, left, status);
    output_show(text ? text : "", result);
    free(text);
    close(output);
    return result;
}

/* nohup, a shell's background job and some daemons start programs with signals ignored. */
static void signals_default(void)
{
    static const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGPIPE,
                                  SIGCHLD, SIGALRM, SIGUSR1, SIGUSR2};

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], SIG_DFL);
}

int sks_test_main(const char *suite, const struct CMUnitTest *tests, size_t n)
{
    static const char *const marks[] = {"[       OK ]", "[  FAILED  ]", "[  SKIPPED ]"};
    const char *only = getenv("SKS_TEST_ONLY");
    size_t count[3] = {0};
    sigset_t chld;

    signals_default();
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, NULL);
    for (size_t i = 0; i < n; i++) {
        long long start = now_ns();
        enum result result;

        if (only && !strstr(tests[i].name, only))
            continue;
        printf("[ RUN      ] %s\n", tests[i].name);
        result = test_run(&tests[i]);
        count[result]++;
        printf("%s %s (%lld ms)\n", marks[result], tests[i].name, (now_ns() - start) / 1000000);
    }
    printf("%s: %zu passed, %zu failed, %zu skipped\n", suite, count[PASSED], count[FAILED],
           count[SKIPPED]);
    return count[FAILED] > 0;
}
