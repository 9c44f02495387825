/* SPDX-License-Identifier: MIT */
/*
 * l2cap: what connection-oriented channels cost through bled, beside the kernel's own, as a table.
 *
 *     DBUS_SESSION_BUS_ADDRESS=... l2cap BLED [kernel|send|receive] [OCTETS]
 *
 * The peer is the kernel's L2CAP on hci1 always; the other end is the kernel's on hci0, then bled
 * there, whose channels are had through Acquire. Each stream is numbered SDUs from one process to
 * another one; under instruction counting (tests/vm/run --icount) the time is all instructions of
 * everybody concerned: both processes, both hosts and btvirt. So bled costs as much as the kernel
 * does where the streams take the same time.
 *
 * The system calls are counted in a stream of their own, after the one that is timed.
 */

#include "gatt_bench.h"
#include "l2cap_sock.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PSM = 0x80,
    PSM_BLED = 0x90,
    WARM = 20,
    COUNTED = 500,
    OCTETS = 2 << 20, /* a stream, at most */
    SDUS = 2000,      /* and as many */
};

#define L2CAP "org.bled.L2cap1"

static const struct {
    size_t len;
    uint16_t mtu;
} sizes[] = {{20, 1000}, {100, 1000}, {1000, 1000}, {10000, 10000}};

enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

struct l2cap {
    struct bench b;
    bdaddr_t own, peer;
    const char *part;
    size_t only;          /* octets; 0: all */
    double kernel[SIZES]; /* ns an SDU */
};

static bool wanted(const struct l2cap *l, const char *part)
{
    return l->part[0] == '\0' || strcmp(l->part, part) == 0;
}

static unsigned count_of(size_t len)
{
    return len * SDUS > OCTETS ? (unsigned)(OCTETS / len) : SDUS;
}

static void row(const char *name, size_t len, double ns)
{
    printf("%-18s %6zu %9.2f %9.1f", name, len, (double)len * 1000 / ns, ns / 1000);
}

/* --- the kernel alone --- */

static void kernel(struct l2cap *l)
{
    l2_up(0);
    l2_up(1);
    l->own = l2_address(0);
    l->peer = l2_address(1);
    l2_advertise(1);
    for (int i = 0; i < SIZES; i++) {
        if (l->only && sizes[i].len != l->only)
            continue;
        uint16_t psm = (uint16_t)(PSM + i);
        int listener = l2_listen(&l->peer, psm, sizes[i].mtu);
        int out = l2_connect(&l->own, &l->peer, psm, sizes[i].mtu);
        int in = l2_accept(listener);
        unsigned count = count_of(sizes[i].len);
        (void)l2_stream(out, in, sizes[i].len, WARM);
        l->kernel[i] = (double)l2_stream(out, in, sizes[i].len, count) / count;
        row("kernel to kernel", sizes[i].len, l->kernel[i]);
        putchar('\n');
        fflush(stdout);
        /* They stay open, and so does the link, until both controllers are down: btvirt tells a
         * peer nothing of a controller that goes. */
    }
    l2_down(0);
    l2_down(1);
}

/* --- bled --- */

/* Nanoseconds on a processor. */
static uint64_t spent(pid_t pid)
{
    char path[64];
    uint64_t ns = 0;
    snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL || fscanf(f, "%" SCNu64, &ns) != 1)
        bench_die(path, errno);
    fclose(f);
    return ns;
}

/* ACL packets in both directions so far. */
static uint64_t packets(struct l2cap *l)
{
    uint64_t sum = 0, value;
    const char *name;
    sd_bus_message *reply = bench_call(&l->b, "org.bled.Adapter1", "Stats", "");
    if (sd_bus_message_enter_container(reply, 'a', "{st}") < 0)
        bench_die("Stats", EPROTO);
    while (sd_bus_message_read(reply, "{st}", &name, &value) > 0)
        if (strcmp(name, "acl-rx-packets") == 0 || strcmp(name, "acl-tx-packets") == 0)
            sum += value;
    sd_bus_message_unref(reply);
    return sum;
}

/* What a stream makes bled do: packets and system calls an SDU. */
static void count(struct l2cap *l, int size, int to, int from)
{
    uint64_t made[CALLS_KINDS], before = packets(l);
    unsigned n = count_of(sizes[size].len) < COUNTED ? count_of(sizes[size].len) : COUNTED;
    struct calls calls;
    calls_begin(&calls, l->b.bled_pid);
    (void)l2_stream(to, from, sizes[size].len, n);
    calls_end(&calls, made);
    printf(" %8.2f %8.2f  ", (double)(packets(l) - before) / n, (double)made[0] / n);
    for (int i = 1; i < CALLS_KINDS; i++)
        if (made[i] * 100 >= n)
            printf(" %s %.2f", calls_names[i], (double)made[i] / n);
}

static void measure(struct l2cap *l, const char *name, int size, int to, int from)
{
    size_t len = sizes[size].len;
    unsigned n = count_of(len);
    (void)l2_stream(to, from, len, WARM);
    uint64_t in_bled = spent(l->b.bled_pid);
    double ns = (double)l2_stream(to, from, len, n) / n;
    in_bled = spent(l->b.bled_pid) - in_bled;
    row(name, len, ns);
    if (l->kernel[size] > 0)
        printf(" %7.2f", ns / l->kernel[size]);
    else
        printf(" %7s", "");
    printf(" %8.1f", (double)in_bled / 1000 / n);
    if (getenv("BLED_BENCH_PERF") == NULL) /* whose profile is of the stream above */
        count(l, size, to, from);
    putchar('\n');
    fflush(stdout);
}

/* A channel that bled connects to the kernel: its socket, and the kernel's. */
static int open_channel(struct l2cap *l, int listener, uint16_t psm, uint16_t mtu, int *ret_kernel)
{
    uint16_t cid, ours, theirs;
    sd_bus_message *reply = bench_call(&l->b, L2CAP, "Connect", "qqqa{sv}", l->b.conn, psm, mtu, 0);
    if (sd_bus_message_read(reply, "qqq", &cid, &ours, &theirs) < 0 || ours != mtu || theirs != mtu)
        bench_die("Connect", EPROTO);
    sd_bus_message_unref(reply);
    *ret_kernel = l2_accept(listener);
    return bench_acquire(&l->b, L2CAP, "Acquire", cid);
}

static void connect_bled(struct l2cap *l)
{
    char text[18];
    ba2str(&l->peer, text);
    l2_advertise(1);
    sd_bus_message *reply =
        bench_call(&l->b, "org.bled.Central1", "Connect", "ysa{sv}", 0, text, 0);
    if (sd_bus_message_read(reply, "q", &l->b.conn) < 0)
        bench_die("Connect", EPROTO);
    sd_bus_message_unref(reply);
}

static void bled(struct l2cap *l)
{
    l2_up(1);
    l->peer = l2_address(1);
    bench_start_bled(&l->b);
    connect_bled(l);
    for (int i = 0; i < SIZES; i++) {
        if (l->only && sizes[i].len != l->only)
            continue;
        uint16_t psm = (uint16_t)(PSM_BLED + i);
        int in_kernel, listener = l2_listen(&l->peer, psm, sizes[i].mtu);
        int in_bled = open_channel(l, listener, psm, sizes[i].mtu, &in_kernel);
        if (wanted(l, "send"))
            measure(l, "bled to kernel", i, in_bled, in_kernel);
        if (wanted(l, "receive"))
            measure(l, "kernel to bled", i, in_kernel, in_bled);
        close(in_bled);
        close(in_kernel);
        close(listener);
    }
    bench_stop(&l->b.bled_pid);
}

int main(int argc, char **argv)
{
    static struct l2cap l;
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: l2cap BLED [kernel|send|receive] [OCTETS]\n");
        return 2;
    }
    l.b.bled = argv[1];
    l.part = argc > 2 ? argv[2] : "";
    l.only = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    signal(SIGPIPE, SIG_IGN);
    bench_connect(&l.b);
    bench_start_btvirt(&l.b);
    printf("%-18s %6s %9s %9s %7s %8s %8s %8s   %s\n", "stream", "SDU", "MB/s", "us/SDU", "kernel",
           "bled us", "ACL/SDU", "calls", "of these, an SDU");
    if (wanted(&l, "kernel"))
        kernel(&l);
    if (wanted(&l, "send") || wanted(&l, "receive"))
        bled(&l);
    bench_stop(&l.b.btvirt_pid);
    sd_bus_flush_close_unref(l.b.bus);
    return 0;
}
