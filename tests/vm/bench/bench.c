/* SPDX-License-Identifier: MIT */
/*
 * bench: what bled costs, as a table.
 *
 *     dbus-run-session -- bench BLED STUB [reports|memory|start]
 *
 * Each figure is taken from a fresh bled on a fresh stub controller (stub.c) and the session's bus.
 * Processor time is the scheduler's (/proc/PID/schedstat), user and kernel, of the bled process
 * alone; under instruction counting (tests/vm/run --icount) a nanosecond of it is an instruction.
 * Reports are counted here at the receiving end: one lost is a failure, a missed target is told.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

enum {
    RATE = 3000,     /* reports a second */
    SETTLED = 300,   /* reports after each advertiser was seen once, before counting begins */
    MEASURED = 6000, /* reports that count */
    MANY = 10000,    /* advertisers, for the memory */
    STARTS = 9,      /* runs of the start, of which the median counts */
    PINGS = 500,
    PATIENCE = 60,      /* seconds for anything */
    RECORD_DROPPED = 8, /* of AcquireScan: the offsets of the count of dropped ones and the data */
    RECORD_DATA = 32,
};

#define BUS_NAME "org.bled"
#define OBJECT   "/org/bled/hci0"
#define SOCKET   "/run/bled-bench.hci"
#define STATE    "/run/bled-bench.state"

enum mode { STREAM, BATCH, SIGNALS, MODES };

static const char *const mode_names[MODES] = {"stream", "batch", "signal"};
static const double mode_targets[MODES] = {15, 40, 0};

struct bench {
    const char *bled, *stub;
    const char *address;
    sd_bus *bus;
    pid_t daemon; /* the bus's */
    pid_t bled_pid, stub_pid;
    int stub_out;
    uint64_t started_ns;
    uint64_t received; /* reports, by signals */
    bool owned;        /* the name, as the last NameOwnerChanged had it */
    uint64_t owned_ns; /* when */
    bool failed;
};

static _Noreturn void die(const char *what, int error)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(error < 0 ? -error : error));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Nanoseconds on a processor. */
static uint64_t cpu_ns(pid_t pid)
{
    char path[64];
    uint64_t spent = 0;
    snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL || fscanf(f, "%" SCNu64, &spent) != 1)
        die(path, errno);
    fclose(f);
    return spent;
}

struct memory {
    unsigned long pss, private_dirty; /* kB */
};

static struct memory memory_of(pid_t pid)
{
    char path[64], line[256];
    struct memory m = {0};
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        die(path, errno);
    while (fgets(line, sizeof(line), f) != NULL) {
        sscanf(line, "Pss: %lu", &m.pss);
        sscanf(line, "Private_Dirty: %lu", &m.private_dirty);
    }
    fclose(f);
    return m;
}

/* --- processes --- */

static pid_t spawn(char *const argv[], int out)
{
    pid_t pid = fork();
    if (pid < 0)
        die("fork", errno);
    if (pid == 0) {
        if (out >= 0)
            dup2(out, STDOUT_FILENO);
        execv(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    return pid;
}

static void start_stub(struct bench *b, uint32_t advertisers, uint64_t count)
{
    char n[16], rate[16], reports[24];
    int out[2];
    snprintf(n, sizeof(n), "%" PRIu32, advertisers);
    snprintf(rate, sizeof(rate), "%d", RATE);
    snprintf(reports, sizeof(reports), "%" PRIu64, count);
    char *argv[] = {strdup(b->stub), strdup(SOCKET), n, rate, reports, NULL};
    if (pipe2(out, O_CLOEXEC) < 0)
        die("pipe", errno);
    b->stub_pid = spawn(argv, out[1]);
    close(out[1]);
    b->stub_out = out[0];
    free(argv[0]);
    free(argv[1]);
    char word[32];
    if (read(out[0], word, sizeof(word)) <= 0)
        die("the stub did not start", EPIPE);
}

static void start_bled(struct bench *b)
{
    char bus[256];
    snprintf(bus, sizeof(bus), "--bus=%s", b->address);
    char *argv[] = {strdup(b->bled),
                    strdup("--adapter=unix:" SOCKET),
                    bus,
                    strdup("--state-dir=" STATE),
                    strdup("--log-level=warning"),
                    NULL};
    b->owned = false;
    b->started_ns = now_ns();
    b->bled_pid = spawn(argv, -1);
    for (int i = 0; i < 5; i++)
        if (i != 2)
            free(argv[i]);
}

static void stop(pid_t *pid)
{
    if (*pid <= 0)
        return;
    kill(*pid, SIGTERM);
    waitpid(*pid, NULL, 0);
    *pid = 0;
}

/* --- the bus --- */

static int on_owner(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bench *b = ctx;
    const char *name, *old, *new;
    (void)error;
    if (sd_bus_message_read(m, "sss", &name, &old, &new) < 0 || strcmp(name, BUS_NAME) != 0)
        return 0;
    b->owned = *new != '\0';
    b->owned_ns = now_ns();
    return 0;
}

static int on_result(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bench *b = ctx;
    (void)m;
    (void)error;
    b->received++;
    return 0;
}

static int on_results(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bench *b = ctx;
    (void)error;
    if (sd_bus_message_enter_container(m, 'a', "(ysynay)") < 0)
        return 0;
    while (sd_bus_message_at_end(m, 0) == 0 && sd_bus_message_skip(m, "(ysynay)") >= 0)
        b->received++;
    return 0;
}

static void connect_bus(struct bench *b)
{
    sd_bus_message *reply = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    uint32_t pid = 0;
    b->address = getenv("DBUS_SESSION_BUS_ADDRESS");
    if (b->address == NULL)
        die("run this by dbus-run-session", EINVAL);
    int r = sd_bus_open_user(&b->bus);
    if (r < 0)
        die("bus", r);
    r = sd_bus_call_method(b->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", "GetConnectionUnixProcessID", &error, &reply,
                           "s", "org.freedesktop.DBus");
    if (r >= 0)
        r = sd_bus_message_read(reply, "u", &pid);
    if (r < 0)
        die("process of the bus", r);
    sd_bus_message_unref(reply);
    b->daemon = (pid_t)pid;
    sd_bus_match_signal(b->bus, NULL, "org.freedesktop.DBus", NULL, "org.freedesktop.DBus",
                        "NameOwnerChanged", on_owner, b);
    sd_bus_match_signal(b->bus, NULL, NULL, OBJECT, "org.bled.Observer1", "ScanResult", on_result,
                        b);
    sd_bus_match_signal(b->bus, NULL, NULL, OBJECT, "org.bled.Observer1", "ScanResults", on_results,
                        b);
}

/* Turns the bus until *word is value; exits when that takes too long. */
static void until_owned(struct bench *b, bool value)
{
    uint64_t deadline = now_ns() + PATIENCE * 1000000000ull;
    while (b->owned != value) {
        int r = sd_bus_process(b->bus, NULL);
        if (r < 0)
            die("bus", r);
        if (r == 0)
            sd_bus_wait(b->bus, 1000000);
        if (value && waitpid(b->bled_pid, NULL, WNOHANG) > 0)
            die("bled ended at once", ECHILD);
        if (now_ns() > deadline)
            die(value ? "bled did not take its name" : "bled kept its name", ETIMEDOUT);
    }
}

/*
 * A call on hci0 with a first argument and, unless key is NULL, one option that is a u, or a b
 * where the key is filter_duplicates. Returns the reply, or ends the program.
 */
static sd_bus_message *call(struct bench *b, const char *interface, const char *member,
                            const char *first, uint32_t value, const char *key, uint32_t option)
{
    sd_bus_message *m = NULL, *reply = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = sd_bus_message_new_method_call(b->bus, &m, BUS_NAME, OBJECT, interface, member);
    if (r >= 0 && first != NULL)
        r = sd_bus_message_append(m, first, value);
    bool flag = key != NULL && strcmp(key, "filter_duplicates") == 0;
    if (r >= 0 && first != NULL)
        r = key == NULL ? sd_bus_message_append(m, "a{sv}", 0)
                        : sd_bus_message_append(m, "a{sv}", 1, key, flag ? "b" : "u", option);
    if (r >= 0)
        r = sd_bus_call(b->bus, m, PATIENCE * 1000000ull, &error, &reply);
    if (r < 0) {
        fprintf(stderr, "bench: %s: %s\n", member, error.message ? error.message : strerror(-r));
        exit(1);
    }
    sd_bus_message_unref(m);
    return reply;
}

/* A fresh bled, active on a fresh stub that will send count reports. */
static void up(struct bench *b, uint32_t advertisers, uint64_t count)
{
    start_stub(b, advertisers, count);
    start_bled(b);
    until_owned(b, true);
    sd_bus_message_unref(call(b, "org.bled.Adapter1", "SetActive", "b", 1, NULL, 0));
}

static void down(struct bench *b)
{
    stop(&b->bled_pid);
    until_owned(b, false);
    stop(&b->stub_pid);
    close(b->stub_out);
}

static void ping_some(struct bench *b, int times)
{
    for (int i = 0; i < times; i++) {
        sd_bus_message *reply = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call_method(b->bus, BUS_NAME, OBJECT, "org.freedesktop.DBus.Peer", "Ping",
                                   &error, &reply, "");
        if (r < 0)
            die("Ping", r);
        sd_bus_message_unref(reply);
    }
}

/* --- reports --- */

/* A scan whose reports are counted up; step() takes in what has come, false when nothing comes. */
struct scan {
    struct bench *bench;
    enum mode mode;
    int fd; /* STREAM */
    uint64_t received;
    int dropped; /* not 0: a record said that some before it were */
};

static struct scan start_scan(struct bench *b, enum mode mode, bool unique)
{
    struct scan s = {.bench = b, .mode = mode, .fd = -1};
    b->received = 0;
    if (mode == STREAM) {
        sd_bus_message *reply = call(b, "org.bled.Observer1", "AcquireScan", "u", 0,
                                     unique ? "filter_duplicates" : NULL, 1);
        int fd = -1;
        if (sd_bus_message_read(reply, "h", &fd) < 0)
            die("AcquireScan", EPROTO);
        s.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        sd_bus_message_unref(reply);
    } else {
        const char *key = mode == BATCH ? "batch_ms" : NULL;
        sd_bus_message_unref(call(b, "org.bled.Observer1", "Scan", "u", 0, key, 100));
    }
    return s;
}

static void take_records(struct scan *s)
{
    uint8_t record[2048];
    for (;;) {
        ssize_t n = recv(s->fd, record, sizeof(record), MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            die("the stream ended", n < 0 ? errno : EPIPE);
        if (n < RECORD_DATA)
            die("a short record", EPROTO);
        s->received++;
        s->dropped |= record[RECORD_DROPPED] | record[RECORD_DROPPED + 1];
    }
}

static bool step(struct scan *s)
{
    uint64_t before = s->received;
    if (s->mode == STREAM) {
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        if (poll(&p, 1, 5000) > 0)
            take_records(s);
    } else {
        int r;
        while ((r = sd_bus_process(s->bench->bus, NULL)) > 0)
            ;
        if (r < 0)
            die("bus", r);
        if (s->bench->received == before)
            sd_bus_wait(s->bench->bus, 5000000);
        while ((r = sd_bus_process(s->bench->bus, NULL)) > 0)
            ;
        s->received = s->bench->received;
    }
    return s->received > before;
}

static void stop_scan(struct scan *s)
{
    if (s->fd >= 0)
        close(s->fd);
    else
        sd_bus_message_unref(call(s->bench, "org.bled.Observer1", "StopScan", NULL, 0, NULL, 0));
    s->fd = -1;
}

static void one_mode(struct bench *b, enum mode mode, uint32_t advertisers)
{
    uint64_t warm = advertisers + SETTLED, all = warm + MEASURED;
    up(b, advertisers, all);
    struct scan s = start_scan(b, mode, false);
    while (s.received < warm && step(&s))
        ;
    uint64_t from = s.received, bled = cpu_ns(b->bled_pid), daemon = cpu_ns(b->daemon);
    while (s.received < all && step(&s))
        ;
    bled = cpu_ns(b->bled_pid) - bled;
    daemon = cpu_ns(b->daemon) - daemon;
    uint64_t counted = s.received - from;
    double each = counted > 0 ? (double)bled / 1000.0 / (double)counted : 0;
    double bus = counted > 0 ? (double)daemon / 1000.0 / (double)counted : 0;
    printf("%-8s %11" PRIu32 " %13.1f %15.1f %8" PRId64, mode_names[mode], advertisers, each, bus,
           (int64_t)(all - s.received));
    if (mode_targets[mode] > 0)
        printf("   %.0f%s", mode_targets[mode], each > mode_targets[mode] ? " MISSED" : "");
    putchar('\n');
    if (s.received != all || s.dropped != 0)
        b->failed = true;
    stop_scan(&s);
    down(b);
    fflush(stdout);
}

static void reports(struct bench *b)
{
    static const uint32_t advertisers[] = {10, 100, 1000};
    printf("Advertising reports at %d/s, microseconds each\n", RATE);
    printf("%-8s %11s %13s %15s %8s   target\n", "by", "advertisers", "in bled", "in dbus-daemon",
           "lost");
    for (int mode = 0; mode < MODES; mode++)
        for (size_t i = 0; i < sizeof(advertisers) / sizeof(advertisers[0]); i++)
            one_mode(b, (enum mode)mode, advertisers[i]);
}

/* --- memory --- */

static void print_memory(const char *when, struct memory m, bool judged)
{
    printf("%-34s %6lu %15lu", when, m.pss, m.private_dirty);
    if (judged)
        printf("   2048, 410%s", m.pss > 2048 || m.private_dirty > 410 ? " MISSED" : "");
    putchar('\n');
}

static void memory(struct bench *b)
{
    printf("\nMemory, kB\n%-34s %6s %15s   target\n", "", "PSS", "private dirty");
    up(b, MANY, MANY);
    print_memory("idle, active", memory_of(b->bled_pid), true);
    struct scan s = start_scan(b, STREAM, true);
    while (s.received < MANY && step(&s))
        ;
    print_memory("10,000 advertisers, scanning", memory_of(b->bled_pid), false);
    stop_scan(&s);
    ping_some(b, PINGS); /* the end takes an answer of the controller */
    print_memory("10,000 advertisers, scan over", memory_of(b->bled_pid), false);
    if (s.received != MANY) {
        printf("         of %d reports %" PRIu64 " came\n", MANY, s.received);
        b->failed = true;
    }
    down(b);
    fflush(stdout);
}

/* --- the start --- */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/*
 * A counting clock skips over idle time, and a program that starts has the machine idle whenever it
 * looks for a file that only the host can say is not there. So something else is always running,
 * in nobody's way.
 */
static pid_t keep_busy(void)
{
    pid_t pid = fork();
    if (pid < 0)
        die("fork", errno);
    if (pid > 0)
        return pid;
    struct sched_param none = {0};
    if (sched_setscheduler(0, SCHED_IDLE, &none) < 0)
        _exit(1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (volatile unsigned turns = 0;; turns++)
        ;
}

static void starts(struct bench *b)
{
    uint64_t name[STARTS], spent[STARTS];
    pid_t busy = keep_busy();
    for (int i = 0; i < STARTS; i++) {
        start_stub(b, 1, 1);
        start_bled(b);
        until_owned(b, true);
        spent[i] = cpu_ns(b->bled_pid);
        name[i] = b->owned_ns - b->started_ns;
        down(b);
    }
    kill(busy, SIGKILL);
    waitpid(busy, NULL, 0);
    qsort(name, STARTS, sizeof(name[0]), by_value);
    qsort(spent, STARTS, sizeof(spent[0]), by_value);
    double ms = (double)name[STARTS / 2] / 1e6;
    printf("\nFrom exec to the bus name (median of %d)\n", STARTS);
    printf("time until a client is told   %7.2f ms   target 5%s\n", ms, ms > 5 ? " MISSED" : "");
    printf("processor time of bled        %7.2f ms   (under instruction counting, million "
           "instructions)\n",
           (double)spent[STARTS / 2] / 1e6);
}

static void ping(struct bench *b)
{
    up(b, 1, 1);
    ping_some(b, 10);
    uint64_t from = now_ns(), spent = cpu_ns(b->bled_pid);
    ping_some(b, PINGS);
    printf("\nPeer.Ping, for scale: %.0f us there and back, of it %.0f in bled\n",
           (double)(now_ns() - from) / 1e3 / PINGS,
           (double)(cpu_ns(b->bled_pid) - spent) / 1e3 / PINGS);
    down(b);
}

int main(int argc, char **argv)
{
    static struct bench b;
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: dbus-run-session -- bench BLED STUB [reports|memory|start]\n");
        return 2;
    }
    b.bled = argv[1];
    b.stub = argv[2];
    mkdir(STATE, 0700);
    connect_bus(&b);
    /* Twice: the first makes the guest read what it needs from the host, outside any figure. */
    for (int i = 0; i < 2; i++) {
        up(&b, 1, 1);
        memory_of(b.bled_pid);
        down(&b);
    }
    const char *part = argc == 4 ? argv[3] : "";
    if (part[0] == '\0' || strcmp(part, "reports") == 0)
        reports(&b);
    if (part[0] == '\0' || strcmp(part, "memory") == 0)
        memory(&b);
    if (part[0] == '\0' || strcmp(part, "start") == 0) {
        starts(&b);
        ping(&b);
    }
    sd_bus_flush_close_unref(b.bus);
    return b.failed ? 1 : 0;
}
