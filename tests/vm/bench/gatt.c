/* SPDX-License-Identifier: MIT */
/*
 * gatt: what GATT costs through bled, as a table, beside what BlueZ costs for the same.
 *
 *     DBUS_SESSION_BUS_ADDRESS=... gatt BLED PEER [client|server]
 *
 * bled has hci0 and the peer (peer.c) hci1 of btvirt's two controllers, both by the user channel;
 * this program is the client on the bus. Figures are microseconds of the machine, which has one
 * processor: under instruction counting (tests/vm/run --icount) that is all instructions of
 * everybody concerned, bled, dbus-daemon, both clients, kernel and btvirt. The unit is a call of a
 * method that returns its argument, served by sd-bus and nothing else. Beside them is what bled and
 * the bus daemon alone had of the processor. The bus is one with a system bus's policies (run-gatt
 * makes it), where bled is meant to be, and where BlueZ's figures were taken.
 *
 * Calls are made one after the other and their median counts; floods are divided by their number.
 * All values carry a number, and one that is missing is a failure; a missed target is told.
 */

#include "gatt_bench.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int on_value(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bench *b = ctx;
    uint16_t conn, handle;
    const void *value;
    size_t n;
    (void)error;
    if (sd_bus_message_read(m, "qq", &conn, &handle) < 0 ||
        sd_bus_message_read_array(m, 'y', &value, &n) < 0)
        bench_die("a signal", EPROTO);
    bench_check(b, value, n);
    return 0;
}

static int on_read(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bench *b = ctx;
    uint32_t request;
    (void)error;
    if (!b->reply || sd_bus_message_read(m, "u", &request) < 0)
        return 0;
    int r = sd_bus_call_method_async(b->bus, NULL, BUS_NAME, OBJECT, SERVER, "Reply", NULL, NULL,
                                     "uqa{sv}", request, 0, 0);
    if (r < 0)
        bench_die("Reply", r);
    return 0;
}

/* --- bled as central --- */

static uint16_t connect_bled(struct bench *b)
{
    sd_bus_message *reply =
        bench_call(b, "org.bled.Central1", "Connect", "ysa{sv}", 0, b->peer_address, 0);
    uint16_t conn;
    if (sd_bus_message_read(reply, "q", &conn) < 0)
        bench_die("Connect", EPROTO);
    sd_bus_message_unref(reply);
    return conn;
}

static unsigned count_array(sd_bus_message *reply, const char *types)
{
    unsigned n = 0;
    if (sd_bus_message_enter_container(reply, 'a', types) < 0)
        bench_die("an array", EPROTO);
    while (sd_bus_message_at_end(reply, 0) == 0 && sd_bus_message_skip(reply, types) >= 0)
        n++;
    sd_bus_message_unref(reply);
    return n;
}

static void discover(struct bench *b)
{
    uint64_t took[DISCOVERIES];
    for (int i = -1; i < DISCOVERIES; i++) {
        bench_tell(b, "serve");
        bench_until_answered(b);
        if (i == 0)
            bench_begin(b);
        uint64_t from = bench_now();
        b->conn = connect_bled(b);
        bench_do(bench_call(b, CLIENT, "ExchangeMtu", "qa{sv}", b->conn, 0));
        unsigned services = count_array(
            bench_call(b, CLIENT, "DiscoverServices", "qsa{sv}", b->conn, "", 0), "(qqs)");
        unsigned characteristics = count_array(bench_call(b, CLIENT, "DiscoverCharacteristics",
                                                          "qqqsa{sv}", b->conn, 1, 0xffff, "", 0),
                                               "(qqqs)");
        unsigned attributes = count_array(
            bench_call(b, CLIENT, "DiscoverDescriptors", "qqqa{sv}", b->conn, 1, 0xffff, 0),
            "(qs)");
        if (i >= 0)
            took[i] = bench_now() - from;
        if (services != 10 || characteristics != 50 || attributes != 120)
            bench_die("discovery is not complete", EPROTO);
        if (i < DISCOVERIES - 1) {
            bench_do(bench_call(b, "org.bled.Link1", "Disconnect", "qa{sv}", b->conn, 0));
            bench_tell(b, "heard 0"); /* it has seen the end by now */
            bench_until_answered(b);
        }
    }
    bench_figure(b, "connect and discover 10 x 5", bench_median(took, DISCOVERIES), DISCOVERIES,
                 42700, 14.1);
}

static void client_calls(struct bench *b)
{
    static uint64_t took[CALLS];
    bench_begin(b);
    for (int i = 0; i < CALLS; i++) {
        uint64_t from = bench_now();
        bench_do(bench_call(b, CLIENT, "Read", "qqa{sv}", b->conn, PEER_VALUE, 0));
        took[i] = bench_now() - from;
    }
    bench_figure(b, "Read", bench_median(took, CALLS), CALLS, 772, 1.5);
    bench_begin(b);
    for (unsigned i = 0; i < CALLS; i++) {
        uint64_t from = bench_now();
        bench_do(bench_call_value(b, CLIENT, "Write", PEER_VALUE, i, 1));
        took[i] = bench_now() - from;
    }
    bench_figure(b, "Write, request", bench_median(took, CALLS), CALLS, 527, 0);
    bench_tell(b, "heard %d", CALLS);
    bench_begin(b);
    for (unsigned i = 0; i < CALLS; i++) {
        uint64_t from = bench_now();
        bench_do(bench_call_value(b, CLIENT, "Write", PEER_VALUE, i, 0));
        took[i] = bench_now() - from;
    }
    bench_until_answered(b);
    bench_figure(b, "Write, command", bench_median(took, CALLS), CALLS, 474, 1.15);
}

static void take_packets(struct bench *b, int fd, unsigned count)
{
    uint8_t value[1024];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (b->heard < count) {
        if (poll(&p, 1, PATIENCE * 1000) <= 0) {
            fprintf(stderr, "gatt: %u of %u packets came\n", b->heard, count);
            exit(1);
        }
        ssize_t n = recv(fd, value, sizeof(value), 0);
        if (n <= 0)
            bench_die("the socket ended", EPIPE);
        bench_check(b, value, (size_t)n);
    }
}

static void send_packets(int fd, size_t len, unsigned count)
{
    uint8_t value[LONG_VALUE] = {0};
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    for (unsigned i = 0; i < count;) {
        bench_number(value, i);
        if (send(fd, value, len, MSG_NOSIGNAL) == (ssize_t)len)
            i++;
        else if (errno != EAGAIN || poll(&p, 1, PATIENCE * 1000) <= 0)
            bench_die("a packet", errno);
    }
}

static void client_streams(struct bench *b)
{
    sd_bus_slot *slot = bench_hear(b, CLIENT, "Notified", on_value);
    bench_do(bench_call(b, CLIENT, "Subscribe", "qqya{sv}", b->conn, PEER_VALUE, 1, 0));
    bench_begin(b);
    for (unsigned i = 0; i < CALLS; i++) { /* numbered alike: each is number 0 */
        b->heard = 0;
        bench_tell(b, "notify %d %d 1", PEER_VALUE, VALUE);
        bench_until_heard(b, 1);
        bench_until_answered(b);
    }
    bench_figure(b, "notification to a signal, each told to the peer", 0, CALLS, 325, 0);
    b->heard = 0;
    bench_begin(b);
    bench_tell(b, "notify %d %d %d", PEER_VALUE, VALUE, FLOOD);
    bench_until_heard(b, FLOOD);
    bench_figure(b, "notification to a signal, flood of 2000", 0, FLOOD, 325, 1.08);
    bench_until_answered(b);
    sd_bus_slot_unref(slot);
    bench_do(bench_call(b, CLIENT, "Subscribe", "qqya{sv}", b->conn, PEER_VALUE, 0, 0));

    int fd = bench_acquire(b, CLIENT, "AcquireNotify", PEER_VALUE);
    b->heard = 0;
    bench_begin(b);
    bench_tell(b, "notify %d %d %d", PEER_VALUE, VALUE, FLOOD);
    take_packets(b, fd, FLOOD);
    bench_figure(b, "notification to an AcquireNotify fd, flood of 2000", 0, FLOOD, 74, 0.238);
    bench_until_answered(b);
    close(fd);

    static const struct {
        const char *name;
        size_t len;
        double bluez, most;
    } sizes[] = {{"AcquireWrite fd, 20 octets, flood of 2000", VALUE, 72, 0.238},
                 {"AcquireWrite fd, 510 octets, flood of 2000", LONG_VALUE, 175, 0}};
    for (size_t i = 0; i < 2; i++) {
        fd = bench_acquire(b, CLIENT, "AcquireWrite", PEER_VALUE);
        bench_tell(b, "heard %d", FLOOD);
        bench_begin(b);
        send_packets(fd, sizes[i].len, FLOOD);
        bench_until_answered(b);
        bench_figure(b, sizes[i].name, 0, FLOOD, sizes[i].bluez, sizes[i].most);
        close(fd);
    }
}

static void client(struct bench *b)
{
    discover(b);
    client_calls(b);
    client_streams(b);
    bench_do(bench_call(b, "org.bled.Link1", "Disconnect", "qa{sv}", b->conn, 0));
}

/* --- bled as peripheral --- */

static int on_central(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bench *b = ctx;
    (void)error;
    if (sd_bus_message_read(m, "q", &b->conn) < 0)
        bench_die("CentralConnected", EPROTO);
    b->heard = 1;
    return 0;
}

/* One service with one characteristic: its handle. */
static uint16_t serve(struct bench *b)
{
    sd_bus_message *reply =
        bench_call(b, SERVER, "AddService", "saa{sv}a{sv}", "a000", 1, 3, "uuid", "s", "b000",
                   "flags", "u", 0x1e, "value", "ay", 5, 1, 2, 3, 4, 5, 0);
    uint16_t service, handle = 0;
    if (sd_bus_message_read(reply, "qaq", &service, 1, &handle) < 0)
        bench_die("AddService", EPROTO);
    sd_bus_message_unref(reply);
    sd_bus_slot *slot = bench_hear(b, "org.bled.Peripheral1", "CentralConnected", on_central);
    bench_do(
        bench_call(b, "org.bled.Broadcaster1", "Advertise", "ua{sv}", 100000, 1, "name", "s", "b"));
    bench_tell(b, "connect %s", b->bled_address);
    bench_until_heard(b, 1);
    bench_until_answered(b);
    sd_bus_slot_unref(slot);
    bench_tell(b, "mtu %d", MTU);
    bench_until_answered(b);
    return handle;
}

static void server_requests(struct bench *b, uint16_t handle)
{
    bench_tell(b, "read %u 10", handle);
    bench_until_answered(b);
    bench_begin(b);
    bench_tell(b, "read %u %d", handle, FLOOD);
    bench_until_answered(b);
    bench_figure(b, "ATT read answered by the stack", 0, FLOOD, 136, 0);

    sd_bus_slot *slot = bench_hear(b, SERVER, "ReadRequested", on_read);
    bench_do(bench_call(b, SERVER, "SetAuthorization", "qbbq", handle, 1, 0, 8));
    b->reply = true;
    bench_begin(b);
    bench_tell(b, "read %u %d", handle, CALLS);
    bench_until_answered(b);
    bench_figure(b, "ATT read answered by the application", 0, CALLS, 616, 0);
    b->reply = false;
    bench_do(bench_call(b, SERVER, "SetAuthorization", "qbbq", handle, 0, 0, 8));
    sd_bus_slot_unref(slot);

    slot = bench_hear(b, SERVER, "Written", on_value);
    bench_begin(b);
    bench_tell(b, "write %u %d %d", handle, VALUE, CALLS);
    bench_until_heard(b, CALLS);
    bench_until_answered(b);
    bench_figure(b, "ATT write request, a signal for each", 0, CALLS, 410, 0);
    b->heard = 0;
    bench_begin(b);
    bench_tell(b, "command %u %d %d", handle, VALUE, FLOOD);
    bench_until_heard(b, FLOOD);
    bench_until_answered(b);
    bench_figure(b, "ATT write command to a signal, flood of 2000", 0, FLOOD, 361, 0);
    sd_bus_slot_unref(slot);
}

static void server_streams(struct bench *b, uint16_t handle)
{
    static uint64_t took[CALLS];
    int fd = bench_acquire(b, SERVER, "AcquireWrites", handle);
    b->heard = 0;
    bench_begin(b);
    bench_tell(b, "command %u %d %d", handle, VALUE, FLOOD);
    take_packets(b, fd, FLOOD);
    bench_until_answered(b);
    bench_figure(b, "ATT write command to an AcquireWrites fd, flood", 0, FLOOD, 111, 0.238);
    close(fd);

    bench_tell(b, "heard %d", CALLS);
    bench_begin(b);
    for (unsigned i = 0; i < CALLS; i++) {
        uint64_t from = bench_now();
        bench_do(bench_call_value(b, SERVER, "Notify", handle, i, -1));
        took[i] = bench_now() - from;
    }
    bench_until_answered(b);
    bench_figure(b, "Notify", bench_median(took, CALLS), CALLS, 456, 0);

    fd = bench_acquire(b, SERVER, "AcquireNotify", handle);
    bench_tell(b, "heard %d", FLOOD);
    bench_begin(b);
    send_packets(fd, VALUE, FLOOD);
    bench_until_answered(b);
    bench_figure(b, "notification from an AcquireNotify fd, flood", 0, FLOOD, 76, 0.238);
    close(fd);
}

static void server(struct bench *b)
{
    uint16_t handle = serve(b);
    server_requests(b, handle);
    server_streams(b, handle);
    bench_tell(b, "drop");
    bench_until_answered(b);
}

int main(int argc, char **argv)
{
    static struct bench b;
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: gatt BLED PEER [client|server]\n");
        return 2;
    }
    b.bled = argv[1];
    b.peer = argv[2];
    const char *part = argc == 4 ? argv[3] : "";
    signal(SIGPIPE, SIG_IGN);
    bench_connect(&b);
    bench_start_btvirt(&b);
    bench_start_peer(&b);
    bench_start_bled(&b);
    printf("%-52s %8s %7s %8s %8s %8s %7s  %6s\n", "microseconds, and in echoes", "all", "echoes",
           "bled", "bus", "BlueZ", "echoes", "target");
    bench_echo(&b);
    if (part[0] == '\0' || strcmp(part, "client") == 0)
        client(&b);
    if (part[0] == '\0' || strcmp(part, "server") == 0)
        server(&b);
    bench_stop(&b.bled_pid);
    bench_stop(&b.peer_pid);
    bench_stop(&b.btvirt_pid);
    sd_bus_flush_close_unref(b.bus);
    return 0;
}
