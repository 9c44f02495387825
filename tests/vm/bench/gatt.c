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

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
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
    CALLS = 300,
    FLOOD = 2000,
    DISCOVERIES = 5,
    PATIENCE = 60, /* seconds for anything */
    MTU = 517,
    VALUE = 20,
    LONG_VALUE = 510,
    PEER_VALUE = 11, /* of the peer's first service: its last characteristic, which has the CCCD */
};

#define BUS_NAME "org.bled"
#define OBJECT   "/org/bled/hci0"
#define SERVER   "org.bled.GattServer1"
#define CLIENT   "org.bled.GattClient1"
#define STATE    "/run/bled-bench.state"
#define ECHO     "org.bled.bench.Echo"

struct bench {
    const char *bled, *peer, *address;
    sd_bus *bus;
    pid_t daemon, bled_pid, peer_pid, btvirt_pid, echo_pid;
    FILE *to_peer, *from_peer;
    char peer_address[18], bled_address[18];
    double echo;    /* us */
    unsigned heard; /* signals that carry numbered values */
    uint16_t conn;
    bool reply; /* to ReadRequested, by itself */
    /* Of the figure being taken. */
    uint64_t began, in_bled, in_daemon;
};

static _Noreturn void die(const char *what, int error)
{
    fprintf(stderr, "gatt: %s: %s\n", what, strerror(error < 0 ? -error : error));
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

/* --- figures --- */

static void begin(struct bench *b)
{
    b->in_bled = cpu_ns(b->bled_pid);
    b->in_daemon = cpu_ns(b->daemon);
    b->began = now_ns();
}

/* us 0: what has passed since begin(), divided by times. bluez: us as vm.md has them, 0: none.
 * most: the target in echoes, 0: none. */
static void figure(const struct bench *b, const char *name, double us, unsigned times, double bluez,
                   double most)
{
    double n = 1000.0 * times;
    if (us <= 0)
        us = (double)(now_ns() - b->began) / n;
    double bled = (double)(cpu_ns(b->bled_pid) - b->in_bled) / n;
    double daemon = (double)(cpu_ns(b->daemon) - b->in_daemon) / n;
    printf("%-52s %8.1f %7.2f %8.1f %8.1f", name, us, us / b->echo, bled, daemon);
    if (bluez > 0)
        printf(" %8.0f %7.2f", bluez, bluez / 302);
    else
        printf(" %8s %7s", "", "");
    if (most > 0)
        printf("  %6.2f%s", most, us / b->echo > most ? " MISSED" : "");
    putchar('\n');
    fflush(stdout);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double median_us(uint64_t *took, size_t n)
{
    qsort(took, n, sizeof(took[0]), by_value);
    return (double)took[n / 2] / 1000;
}

static void number(uint8_t *value, unsigned i)
{
    value[0] = (uint8_t)i;
    value[1] = (uint8_t)(i >> 8);
}

static void check_number(struct bench *b, const uint8_t *value, size_t n)
{
    if (n < 2 || (value[0] | value[1] << 8) != (int)b->heard) {
        fprintf(stderr, "gatt: a value of %zu octets where number %u was due\n", n, b->heard);
        exit(1);
    }
    b->heard++;
}

/* --- processes --- */

static pid_t spawn(char *const argv[], int in, int out)
{
    pid_t pid = fork();
    if (pid < 0)
        die("fork", errno);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (in >= 0)
            dup2(in, STDIN_FILENO);
        if (out >= 0)
            dup2(out, STDOUT_FILENO);
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    return pid;
}

static void stop(pid_t *pid)
{
    if (*pid <= 0)
        return;
    kill(*pid, SIGTERM);
    waitpid(*pid, NULL, 0);
    *pid = 0;
}

static void wait_for_file(const char *path)
{
    uint64_t deadline = now_ns() + PATIENCE * 1000000000ull;
    while (access(path, F_OK) < 0) {
        if (now_ns() > deadline)
            die(path, ETIMEDOUT);
        poll(NULL, 0, 10);
    }
}

static void start_btvirt(struct bench *b)
{
    char *argv[] = {strdup("btvirt"), strdup("-L"), strdup("-l2"), NULL};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    b->btvirt_pid = spawn(argv, -1, null);
    close(null);
    for (int i = 0; i < 3; i++)
        free(argv[i]);
    wait_for_file("/sys/class/bluetooth/hci0");
    wait_for_file("/sys/class/bluetooth/hci1");
}

/* What the peer says, after "ok ". */
static void answer(struct bench *b, char *ret, size_t cap)
{
    char line[128];
    if (!fgets(line, sizeof(line), b->from_peer) || strncmp(line, "ok ", 3) != 0)
        die("the peer gave up", EPIPE);
    line[strcspn(line, "\n")] = '\0';
    size_t n = strlen(line + 3);
    if (ret && n >= cap)
        die("the peer says too much", EPROTO);
    if (ret)
        memcpy(ret, line + 3, n + 1);
}

__attribute__((format(printf, 2, 3))) static void tell(struct bench *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(b->to_peer, format, args);
    va_end(args);
    fputc('\n', b->to_peer);
    fflush(b->to_peer);
}

/* The kernel's own start of a new controller has to be over: until then it is busy. */
static void start_peer(struct bench *b)
{
    char *argv[] = {strdup(b->peer), strdup("1"), NULL};
    for (int attempt = 0;; attempt++) {
        int in[2], out[2];
        if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
            die("pipe", errno);
        b->peer_pid = spawn(argv, in[0], out[1]);
        close(in[0]);
        close(out[1]);
        b->to_peer = fdopen(in[1], "we");
        b->from_peer = fdopen(out[0], "re");
        int c = fgetc(b->from_peer);
        if (c != EOF) {
            ungetc(c, b->from_peer);
            break;
        }
        if (attempt == 50)
            die("the peer did not start", EPIPE);
        waitpid(b->peer_pid, NULL, 0);
        fclose(b->to_peer);
        fclose(b->from_peer);
        poll(NULL, 0, 100);
    }
    answer(b, b->peer_address, sizeof(b->peer_address));
    free(argv[0]);
    free(argv[1]);
}

/* --- the bus --- */

static int on_value(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bench *b = ctx;
    uint16_t conn, handle;
    const void *value;
    size_t n;
    (void)error;
    if (sd_bus_message_read(m, "qq", &conn, &handle) < 0 ||
        sd_bus_message_read_array(m, 'y', &value, &n) < 0)
        die("a signal", EPROTO);
    check_number(b, value, n);
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
        die("Reply", r);
    return 0;
}

/* Takes in what comes until so many values have been heard. */
static void until_heard(struct bench *b, unsigned count)
{
    uint64_t deadline = now_ns() + PATIENCE * 1000000000ull;
    while (b->heard < count) {
        int r = sd_bus_process(b->bus, NULL);
        if (r < 0)
            die("bus", r);
        if (r == 0)
            sd_bus_wait(b->bus, 1000000);
        if (now_ns() > deadline) {
            fprintf(stderr, "gatt: %u of %u values came\n", b->heard, count);
            exit(1);
        }
    }
}

/* The peer has done what it was told, while the bus is served. */
static void until_answered(struct bench *b)
{
    struct pollfd fds[2] = {{.fd = fileno(b->from_peer), .events = POLLIN},
                            {.fd = sd_bus_get_fd(b->bus), .events = POLLIN}};
    while (fds[0].revents == 0) {
        int r;
        while ((r = sd_bus_process(b->bus, NULL)) > 0)
            ;
        if (r < 0)
            die("bus", r);
        if (poll(fds, 2, PATIENCE * 1000) <= 0)
            die("the peer does not answer", ETIMEDOUT);
    }
    answer(b, NULL, 0);
}

/* A call, whose reply is the caller's; ends the program when it fails. */
static sd_bus_message *call(struct bench *b, const char *interface, const char *member,
                            const char *types, ...)
{
    sd_bus_message *m = NULL, *reply = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    va_list args;
    int r = sd_bus_message_new_method_call(b->bus, &m, BUS_NAME, OBJECT, interface, member);
    va_start(args, types);
    if (r >= 0)
        r = sd_bus_message_appendv(m, types, args);
    va_end(args);
    if (r >= 0)
        r = sd_bus_call(b->bus, m, PATIENCE * 1000000ull, &error, &reply);
    if (r < 0) {
        fprintf(stderr, "gatt: %s: %s\n", member, error.message ? error.message : strerror(-r));
        exit(1);
    }
    sd_bus_message_unref(m);
    return reply;
}

static void do_call(sd_bus_message *reply)
{
    sd_bus_message_unref(reply);
}

static sd_bus_message *call_with_value(struct bench *b, const char *interface, const char *member,
                                       uint16_t handle, unsigned i, int mode)
{
    sd_bus_message *m = NULL, *reply = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    uint8_t value[VALUE] = {0};
    number(value, i);
    int r = sd_bus_message_new_method_call(b->bus, &m, BUS_NAME, OBJECT, interface, member);
    if (r >= 0)
        r = sd_bus_message_append(m, "qq", b->conn, handle);
    if (r >= 0 && mode >= 0) { /* Write */
        r = sd_bus_message_append_array(m, 'y', value, sizeof(value));
        if (r >= 0)
            r = sd_bus_message_append(m, "ya{sv}", mode, 0);
    } else if (r >= 0) { /* Notify */
        r = sd_bus_message_open_container(m, 'a', "{sv}");
        r = r < 0 ? r : sd_bus_message_open_container(m, 'e', "sv");
        r = r < 0 ? r : sd_bus_message_append(m, "s", "value");
        r = r < 0 ? r : sd_bus_message_open_container(m, 'v', "ay");
        r = r < 0 ? r : sd_bus_message_append_array(m, 'y', value, sizeof(value));
        for (int k = 0; k < 3; k++)
            r = r < 0 ? r : sd_bus_message_close_container(m);
    }
    if (r >= 0)
        r = sd_bus_call(b->bus, m, PATIENCE * 1000000ull, &error, &reply);
    if (r < 0) {
        fprintf(stderr, "gatt: %s: %s\n", member, error.message ? error.message : strerror(-r));
        exit(1);
    }
    sd_bus_message_unref(m);
    return reply;
}

static int acquire(struct bench *b, const char *interface, const char *member, uint16_t handle)
{
    sd_bus_message *reply = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int fd = -1, r = -EBUSY;
    /* The one closed just before may not have been seen to be. */
    for (int attempt = 0; r < 0 && attempt < 100; attempt++) {
        sd_bus_error_free(&error);
        r = sd_bus_call_method(b->bus, BUS_NAME, OBJECT, interface, member, &error, &reply,
                               "qqa{sv}", b->conn, handle, 0);
        if (r < 0 && !sd_bus_error_has_name(&error, "org.bled.Error.Busy"))
            break;
    }
    if (r < 0 || sd_bus_message_read(reply, "h", &fd) < 0) {
        fprintf(stderr, "gatt: %s: %s\n", member, error.message ? error.message : strerror(-r));
        exit(1);
    }
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    sd_bus_message_unref(reply);
    return fd;
}

/* --- the floor --- */

static int echo_method(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    const void *value;
    size_t n;
    sd_bus_message *reply = NULL;
    (void)ctx;
    (void)error;
    int r = sd_bus_message_read_array(m, 'y', &value, &n);
    if (r >= 0)
        r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = sd_bus_message_append_array(reply, 'y', value, n);
    if (r >= 0)
        r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r < 0 ? r : 1;
}

static _Noreturn void serve_echo(int ready)
{
    static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Echo", "ay", "ay", echo_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
    };
    sd_bus *bus = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (sd_bus_open_user(&bus) < 0 ||
        sd_bus_add_object_vtable(bus, NULL, "/", ECHO, vtable, NULL) < 0 ||
        sd_bus_request_name(bus, ECHO, 0) < 0 || write(ready, "", 1) != 1)
        _exit(1);
    for (;;) {
        int r = sd_bus_process(bus, NULL);
        if (r < 0 || (r == 0 && sd_bus_wait(bus, UINT64_MAX) < 0))
            _exit(1);
    }
}

static void measure_echo(struct bench *b)
{
    static uint64_t took[CALLS];
    static const uint8_t value[VALUE];
    int ready[2];
    char c;
    if (pipe2(ready, O_CLOEXEC) < 0)
        die("pipe", errno);
    b->echo_pid = fork();
    if (b->echo_pid < 0)
        die("fork", errno);
    if (b->echo_pid == 0)
        serve_echo(ready[1]);
    close(ready[1]);
    if (read(ready[0], &c, 1) != 1)
        die("echo", EPIPE);
    close(ready[0]);
    for (int i = -10; i < CALLS; i++) {
        sd_bus_message *m = NULL, *reply = NULL;
        uint64_t from = now_ns();
        int r = sd_bus_message_new_method_call(b->bus, &m, ECHO, "/", ECHO, "Echo");
        r = r < 0 ? r : sd_bus_message_append_array(m, 'y', value, sizeof(value));
        r = r < 0 ? r : sd_bus_call(b->bus, m, 0, NULL, &reply);
        if (r < 0)
            die("Echo", r);
        if (i >= 0)
            took[i] = now_ns() - from;
        sd_bus_message_unref(m);
        sd_bus_message_unref(reply);
    }
    stop(&b->echo_pid);
    b->echo = median_us(took, CALLS);
    printf("%-52s %8.1f %7.2f %8s %8s %8.0f %7.2f\n", "a bare echo by sd-bus", b->echo, 1.0, "", "",
           302.0, 1.0);
}

/* --- bled --- */

static void connect_bus(struct bench *b)
{
    sd_bus_message *reply = NULL;
    uint32_t pid = 0;
    b->address = getenv("DBUS_SESSION_BUS_ADDRESS");
    if (b->address == NULL)
        die("no DBUS_SESSION_BUS_ADDRESS", EINVAL);
    int r = sd_bus_open_user(&b->bus);
    if (r < 0)
        die("bus", r);
    r = sd_bus_call_method(b->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", "GetConnectionUnixProcessID", NULL, &reply, "s",
                           "org.freedesktop.DBus");
    if (r >= 0)
        r = sd_bus_message_read(reply, "u", &pid);
    if (r < 0)
        die("process of the bus", r);
    sd_bus_message_unref(reply);
    b->daemon = (pid_t)pid;
}

static void start_bled(struct bench *b)
{
    char bus[256];
    snprintf(bus, sizeof(bus), "--bus=%s", b->address);
    char *argv[] = {strdup(b->bled),
                    strdup("--adapter=hci0"),
                    bus,
                    strdup("--state-dir=" STATE),
                    strdup("--log-level=warning"),
                    NULL};
    uint64_t deadline = now_ns() + PATIENCE * 1000000000ull;
    mkdir(STATE, 0700);
    b->bled_pid = spawn(argv, -1, -1);
    for (int i = 0; i < 5; i++)
        if (i != 2)
            free(argv[i]);
    while (sd_bus_get_name_creds(b->bus, BUS_NAME, 0, NULL) < 0) {
        if (now_ns() > deadline || waitpid(b->bled_pid, NULL, WNOHANG) > 0)
            die("bled did not take its name", ETIMEDOUT);
        poll(NULL, 0, 20);
    }
    do_call(call(b, "org.bled.Adapter1", "SetActive", "ba{sv}", 1, 0));
    int r =
        sd_bus_set_property(b->bus, BUS_NAME, OBJECT, "org.bled.Adapter1", "Mtu", NULL, "q", MTU);
    if (r < 0)
        die("Mtu", r);
    sd_bus_message *reply = NULL;
    const char *address;
    uint8_t kind;
    r = sd_bus_get_property(b->bus, BUS_NAME, OBJECT, "org.bled.Adapter1", "Mac", NULL, &reply,
                            "(ys)");
    if (r < 0 || sd_bus_message_read(reply, "(ys)", &kind, &address) < 0)
        die("Mac", r);
    snprintf(b->bled_address, sizeof(b->bled_address), "%s", address);
    sd_bus_message_unref(reply);
}

/* A match for one signal that carries numbered values. */
static sd_bus_slot *hear(struct bench *b, const char *interface, const char *member,
                         sd_bus_message_handler_t handler)
{
    sd_bus_slot *slot = NULL;
    b->heard = 0;
    int r = sd_bus_match_signal(b->bus, &slot, NULL, OBJECT, interface, member, handler, b);
    if (r < 0)
        die(member, r);
    return slot;
}

/* --- bled as central --- */

static uint16_t connect_bled(struct bench *b)
{
    sd_bus_message *reply =
        call(b, "org.bled.Central1", "Connect", "ysa{sv}", 0, b->peer_address, 0);
    uint16_t conn;
    if (sd_bus_message_read(reply, "q", &conn) < 0)
        die("Connect", EPROTO);
    sd_bus_message_unref(reply);
    return conn;
}

static unsigned count_array(sd_bus_message *reply, const char *types)
{
    unsigned n = 0;
    if (sd_bus_message_enter_container(reply, 'a', types) < 0)
        die("an array", EPROTO);
    while (sd_bus_message_at_end(reply, 0) == 0 && sd_bus_message_skip(reply, types) >= 0)
        n++;
    sd_bus_message_unref(reply);
    return n;
}

static void discover(struct bench *b)
{
    uint64_t took[DISCOVERIES];
    for (int i = -1; i < DISCOVERIES; i++) {
        tell(b, "serve");
        until_answered(b);
        if (i == 0)
            begin(b);
        uint64_t from = now_ns();
        b->conn = connect_bled(b);
        do_call(call(b, CLIENT, "ExchangeMtu", "qa{sv}", b->conn, 0));
        unsigned services =
            count_array(call(b, CLIENT, "DiscoverServices", "qsa{sv}", b->conn, "", 0), "(qqs)");
        unsigned characteristics = count_array(
            call(b, CLIENT, "DiscoverCharacteristics", "qqqsa{sv}", b->conn, 1, 0xffff, "", 0),
            "(qqqs)");
        unsigned attributes = count_array(
            call(b, CLIENT, "DiscoverDescriptors", "qqqa{sv}", b->conn, 1, 0xffff, 0), "(qs)");
        if (i >= 0)
            took[i] = now_ns() - from;
        if (services != 10 || characteristics != 50 || attributes != 120)
            die("discovery is not complete", EPROTO);
        if (i < DISCOVERIES - 1) {
            do_call(call(b, "org.bled.Link1", "Disconnect", "qa{sv}", b->conn, 0));
            tell(b, "heard 0"); /* it has seen the end by now */
            until_answered(b);
        }
    }
    figure(b, "connect and discover 10 x 5", median_us(took, DISCOVERIES), DISCOVERIES, 42700,
           14.1);
}

static void client_calls(struct bench *b)
{
    static uint64_t took[CALLS];
    begin(b);
    for (int i = 0; i < CALLS; i++) {
        uint64_t from = now_ns();
        do_call(call(b, CLIENT, "Read", "qqa{sv}", b->conn, PEER_VALUE, 0));
        took[i] = now_ns() - from;
    }
    figure(b, "Read", median_us(took, CALLS), CALLS, 772, 1.5);
    begin(b);
    for (unsigned i = 0; i < CALLS; i++) {
        uint64_t from = now_ns();
        do_call(call_with_value(b, CLIENT, "Write", PEER_VALUE, i, 1));
        took[i] = now_ns() - from;
    }
    figure(b, "Write, request", median_us(took, CALLS), CALLS, 527, 0);
    tell(b, "heard %d", CALLS);
    begin(b);
    for (unsigned i = 0; i < CALLS; i++) {
        uint64_t from = now_ns();
        do_call(call_with_value(b, CLIENT, "Write", PEER_VALUE, i, 0));
        took[i] = now_ns() - from;
    }
    until_answered(b);
    figure(b, "Write, command", median_us(took, CALLS), CALLS, 474, 1.15);
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
            die("the socket ended", EPIPE);
        check_number(b, value, (size_t)n);
    }
}

static void send_packets(int fd, size_t len, unsigned count)
{
    uint8_t value[LONG_VALUE] = {0};
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    for (unsigned i = 0; i < count;) {
        number(value, i);
        if (send(fd, value, len, MSG_NOSIGNAL) == (ssize_t)len)
            i++;
        else if (errno != EAGAIN || poll(&p, 1, PATIENCE * 1000) <= 0)
            die("a packet", errno);
    }
}

static void client_streams(struct bench *b)
{
    sd_bus_slot *slot = hear(b, CLIENT, "Notified", on_value);
    do_call(call(b, CLIENT, "Subscribe", "qqya{sv}", b->conn, PEER_VALUE, 1, 0));
    begin(b);
    for (unsigned i = 0; i < CALLS; i++) { /* numbered alike: each is number 0 */
        b->heard = 0;
        tell(b, "notify %d %d 1", PEER_VALUE, VALUE);
        until_heard(b, 1);
        until_answered(b);
    }
    figure(b, "notification to a signal, each told to the peer", 0, CALLS, 325, 0);
    b->heard = 0;
    begin(b);
    tell(b, "notify %d %d %d", PEER_VALUE, VALUE, FLOOD);
    until_heard(b, FLOOD);
    figure(b, "notification to a signal, flood of 2000", 0, FLOOD, 325, 1.08);
    until_answered(b);
    sd_bus_slot_unref(slot);
    do_call(call(b, CLIENT, "Subscribe", "qqya{sv}", b->conn, PEER_VALUE, 0, 0));

    int fd = acquire(b, CLIENT, "AcquireNotify", PEER_VALUE);
    b->heard = 0;
    begin(b);
    tell(b, "notify %d %d %d", PEER_VALUE, VALUE, FLOOD);
    take_packets(b, fd, FLOOD);
    figure(b, "notification to an AcquireNotify fd, flood of 2000", 0, FLOOD, 74, 0.238);
    until_answered(b);
    close(fd);

    static const struct {
        const char *name;
        size_t len;
        double bluez, most;
    } sizes[] = {{"AcquireWrite fd, 20 octets, flood of 2000", VALUE, 72, 0.238},
                 {"AcquireWrite fd, 510 octets, flood of 2000", LONG_VALUE, 175, 0}};
    for (size_t i = 0; i < 2; i++) {
        fd = acquire(b, CLIENT, "AcquireWrite", PEER_VALUE);
        tell(b, "heard %d", FLOOD);
        begin(b);
        send_packets(fd, sizes[i].len, FLOOD);
        until_answered(b);
        figure(b, sizes[i].name, 0, FLOOD, sizes[i].bluez, sizes[i].most);
        close(fd);
    }
}

static void client(struct bench *b)
{
    discover(b);
    client_calls(b);
    client_streams(b);
    do_call(call(b, "org.bled.Link1", "Disconnect", "qa{sv}", b->conn, 0));
}

/* --- bled as peripheral --- */

static int on_central(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bench *b = ctx;
    (void)error;
    if (sd_bus_message_read(m, "q", &b->conn) < 0)
        die("CentralConnected", EPROTO);
    b->heard = 1;
    return 0;
}

/* One service with one characteristic: its handle. */
static uint16_t serve(struct bench *b)
{
    sd_bus_message *reply = call(b, SERVER, "AddService", "saa{sv}a{sv}", "a000", 1, 3, "uuid", "s",
                                 "b000", "flags", "u", 0x1e, "value", "ay", 5, 1, 2, 3, 4, 5, 0);
    uint16_t service, handle = 0;
    if (sd_bus_message_read(reply, "qaq", &service, 1, &handle) < 0)
        die("AddService", EPROTO);
    sd_bus_message_unref(reply);
    sd_bus_slot *slot = hear(b, "org.bled.Peripheral1", "CentralConnected", on_central);
    do_call(call(b, "org.bled.Broadcaster1", "Advertise", "ua{sv}", 100000, 1, "name", "s", "b"));
    tell(b, "connect %s", b->bled_address);
    until_heard(b, 1);
    until_answered(b);
    sd_bus_slot_unref(slot);
    tell(b, "mtu %d", MTU);
    until_answered(b);
    return handle;
}

static void server_requests(struct bench *b, uint16_t handle)
{
    tell(b, "read %u 10", handle);
    until_answered(b);
    begin(b);
    tell(b, "read %u %d", handle, FLOOD);
    until_answered(b);
    figure(b, "ATT read answered by the stack", 0, FLOOD, 136, 0);

    sd_bus_slot *slot = hear(b, SERVER, "ReadRequested", on_read);
    do_call(call(b, SERVER, "SetAuthorization", "qbbq", handle, 1, 0, 8));
    b->reply = true;
    begin(b);
    tell(b, "read %u %d", handle, CALLS);
    until_answered(b);
    figure(b, "ATT read answered by the application", 0, CALLS, 616, 0);
    b->reply = false;
    do_call(call(b, SERVER, "SetAuthorization", "qbbq", handle, 0, 0, 8));
    sd_bus_slot_unref(slot);

    slot = hear(b, SERVER, "Written", on_value);
    begin(b);
    tell(b, "write %u %d %d", handle, VALUE, CALLS);
    until_heard(b, CALLS);
    until_answered(b);
    figure(b, "ATT write request, a signal for each", 0, CALLS, 410, 0);
    b->heard = 0;
    begin(b);
    tell(b, "command %u %d %d", handle, VALUE, FLOOD);
    until_heard(b, FLOOD);
    until_answered(b);
    figure(b, "ATT write command to a signal, flood of 2000", 0, FLOOD, 361, 0);
    sd_bus_slot_unref(slot);
}

static void server_streams(struct bench *b, uint16_t handle)
{
    static uint64_t took[CALLS];
    int fd = acquire(b, SERVER, "AcquireWrites", handle);
    b->heard = 0;
    begin(b);
    tell(b, "command %u %d %d", handle, VALUE, FLOOD);
    take_packets(b, fd, FLOOD);
    until_answered(b);
    figure(b, "ATT write command to an AcquireWrites fd, flood", 0, FLOOD, 111, 0.238);
    close(fd);

    tell(b, "heard %d", CALLS);
    begin(b);
    for (unsigned i = 0; i < CALLS; i++) {
        uint64_t from = now_ns();
        do_call(call_with_value(b, SERVER, "Notify", handle, i, -1));
        took[i] = now_ns() - from;
    }
    until_answered(b);
    figure(b, "Notify", median_us(took, CALLS), CALLS, 456, 0);

    fd = acquire(b, SERVER, "AcquireNotify", handle);
    tell(b, "heard %d", FLOOD);
    begin(b);
    send_packets(fd, VALUE, FLOOD);
    until_answered(b);
    figure(b, "notification from an AcquireNotify fd, flood", 0, FLOOD, 76, 0.238);
    close(fd);
}

static void server(struct bench *b)
{
    uint16_t handle = serve(b);
    server_requests(b, handle);
    server_streams(b, handle);
    tell(b, "drop");
    until_answered(b);
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
    connect_bus(&b);
    start_btvirt(&b);
    start_peer(&b);
    start_bled(&b);
    printf("%-52s %8s %7s %8s %8s %8s %7s  %6s\n", "microseconds, and in echoes", "all", "echoes",
           "bled", "bus", "BlueZ", "echoes", "target");
    measure_echo(&b);
    if (part[0] == '\0' || strcmp(part, "client") == 0)
        client(&b);
    if (part[0] == '\0' || strcmp(part, "server") == 0)
        server(&b);
    stop(&b.bled_pid);
    stop(&b.peer_pid);
    stop(&b.btvirt_pid);
    sd_bus_flush_close_unref(b.bus);
    return 0;
}
