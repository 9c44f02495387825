/* SPDX-License-Identifier: MIT */

#include "gatt_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

_Noreturn void bench_die(const char *what, int error)
{
    fprintf(stderr, "gatt: %s: %s\n", what, strerror(error < 0 ? -error : error));
    exit(1);
}

uint64_t bench_now(void)
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
        bench_die(path, errno);
    fclose(f);
    return spent;
}

/* --- figures --- */

void bench_begin(struct bench *b)
{
    b->in_bled = cpu_ns(b->bled_pid);
    b->in_daemon = cpu_ns(b->daemon);
    b->began = bench_now();
}

/* us 0: what has passed since bench_begin(), divided by times. bluez: us as vm.md has them, 0:
 * none. most: the target in echoes, 0: none. */
void bench_figure(const struct bench *b, const char *name, double us, unsigned times, double bluez,
                  double most)
{
    double n = 1000.0 * times;
    if (us <= 0)
        us = (double)(bench_now() - b->began) / n;
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

double bench_median(uint64_t *took, size_t n)
{
    qsort(took, n, sizeof(took[0]), by_value);
    return (double)took[n / 2] / 1000;
}

void bench_number(uint8_t *value, unsigned i)
{
    value[0] = (uint8_t)i;
    value[1] = (uint8_t)(i >> 8);
}

void bench_check(struct bench *b, const uint8_t *value, size_t n)
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
        bench_die("fork", errno);
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

void bench_stop(pid_t *pid)
{
    if (*pid <= 0)
        return;
    kill(*pid, SIGTERM);
    waitpid(*pid, NULL, 0);
    *pid = 0;
}

static void wait_for_file(const char *path)
{
    uint64_t deadline = bench_now() + PATIENCE * 1000000000ull;
    while (access(path, F_OK) < 0) {
        if (bench_now() > deadline)
            bench_die(path, ETIMEDOUT);
        poll(NULL, 0, 10);
    }
}

void bench_start_btvirt(struct bench *b)
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
        bench_die("the peer gave up", EPIPE);
    line[strcspn(line, "\n")] = '\0';
    size_t n = strlen(line + 3);
    if (ret && n >= cap)
        bench_die("the peer says too much", EPROTO);
    if (ret)
        memcpy(ret, line + 3, n + 1);
}

void bench_tell(struct bench *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(b->to_peer, format, args);
    va_end(args);
    fputc('\n', b->to_peer);
    fflush(b->to_peer);
}

/* The kernel's own start of a new controller has to be over: until then it is busy. */
void bench_start_peer(struct bench *b)
{
    char *argv[] = {strdup(b->peer), strdup("1"), NULL};
    for (int attempt = 0;; attempt++) {
        int in[2], out[2];
        if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
            bench_die("pipe", errno);
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
            bench_die("the peer did not start", EPIPE);
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

/* Takes in what comes until so many values have been heard. */
void bench_until_heard(struct bench *b, unsigned count)
{
    uint64_t deadline = bench_now() + PATIENCE * 1000000000ull;
    while (b->heard < count) {
        int r = sd_bus_process(b->bus, NULL);
        if (r < 0)
            bench_die("bus", r);
        if (r == 0)
            sd_bus_wait(b->bus, 1000000);
        if (bench_now() > deadline) {
            fprintf(stderr, "gatt: %u of %u values came\n", b->heard, count);
            exit(1);
        }
    }
}

/* The peer has done what it was told, while the bus is served. */
void bench_until_answered(struct bench *b)
{
    struct pollfd fds[2] = {{.fd = fileno(b->from_peer), .events = POLLIN},
                            {.fd = sd_bus_get_fd(b->bus), .events = POLLIN}};
    while (fds[0].revents == 0) {
        int r;
        while ((r = sd_bus_process(b->bus, NULL)) > 0)
            ;
        if (r < 0)
            bench_die("bus", r);
        if (poll(fds, 2, PATIENCE * 1000) <= 0)
            bench_die("the peer does not answer", ETIMEDOUT);
    }
    answer(b, NULL, 0);
}

/* A call, whose reply is the caller's; ends the program when it fails. */
sd_bus_message *bench_call(struct bench *b, const char *interface, const char *member,
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

void bench_do(sd_bus_message *reply)
{
    sd_bus_message_unref(reply);
}

sd_bus_message *bench_call_value(struct bench *b, const char *interface, const char *member,
                                 uint16_t handle, unsigned i, int mode)
{
    sd_bus_message *m = NULL, *reply = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    uint8_t value[VALUE] = {0};
    bench_number(value, i);
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

int bench_acquire(struct bench *b, const char *interface, const char *member, uint16_t handle)
{
    sd_bus_message *reply = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int fd = -1;
    int r = sd_bus_call_method(b->bus, BUS_NAME, OBJECT, interface, member, &error, &reply,
                               "qqa{sv}", b->conn, handle, 0);

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

void bench_echo(struct bench *b)
{
    static uint64_t took[CALLS];
    static const uint8_t value[VALUE];
    int ready[2];
    char c;
    if (pipe2(ready, O_CLOEXEC) < 0)
        bench_die("pipe", errno);
    b->echo_pid = fork();
    if (b->echo_pid < 0)
        bench_die("fork", errno);
    if (b->echo_pid == 0)
        serve_echo(ready[1]);
    close(ready[1]);
    if (read(ready[0], &c, 1) != 1)
        bench_die("echo", EPIPE);
    close(ready[0]);
    for (int i = -10; i < CALLS; i++) {
        sd_bus_message *m = NULL, *reply = NULL;
        uint64_t from = bench_now();
        int r = sd_bus_message_new_method_call(b->bus, &m, ECHO, "/", ECHO, "Echo");
        r = r < 0 ? r : sd_bus_message_append_array(m, 'y', value, sizeof(value));
        r = r < 0 ? r : sd_bus_call(b->bus, m, 0, NULL, &reply);
        if (r < 0)
            bench_die("Echo", r);
        if (i >= 0)
            took[i] = bench_now() - from;
        sd_bus_message_unref(m);
        sd_bus_message_unref(reply);
    }
    bench_stop(&b->echo_pid);
    b->echo = bench_median(took, CALLS);
    printf("%-52s %8.1f %7.2f %8s %8s %8.0f %7.2f\n", "a bare echo by sd-bus", b->echo, 1.0, "", "",
           302.0, 1.0);
}

/* --- bled --- */

void bench_connect(struct bench *b)
{
    sd_bus_message *reply = NULL;
    uint32_t pid = 0;
    b->address = getenv("DBUS_SESSION_BUS_ADDRESS");
    if (b->address == NULL)
        bench_die("no DBUS_SESSION_BUS_ADDRESS", EINVAL);
    int r = sd_bus_open_user(&b->bus);
    if (r < 0)
        bench_die("bus", r);
    r = sd_bus_call_method(b->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", "GetConnectionUnixProcessID", NULL, &reply, "s",
                           "org.freedesktop.DBus");
    if (r >= 0)
        r = sd_bus_message_read(reply, "u", &pid);
    if (r < 0)
        bench_die("process of the bus", r);
    sd_bus_message_unref(reply);
    b->daemon = (pid_t)pid;
}

void bench_start_bled(struct bench *b)
{
    char bus[256];
    snprintf(bus, sizeof(bus), "--bus=%s", b->address);
    char *argv[] = {strdup(b->bled),
                    strdup("--adapter=hci0"),
                    bus,
                    strdup("--state-dir=" STATE),
                    strdup("--log-level=warning"),
                    NULL};
    uint64_t deadline = bench_now() + PATIENCE * 1000000000ull;
    mkdir(STATE, 0700);
    b->bled_pid = spawn(argv, -1, -1);
    for (int i = 0; i < 5; i++)
        if (i != 2)
            free(argv[i]);
    while (sd_bus_get_name_creds(b->bus, BUS_NAME, 0, NULL) < 0) {
        if (bench_now() > deadline || waitpid(b->bled_pid, NULL, WNOHANG) > 0)
            bench_die("bled did not take its name", ETIMEDOUT);
        poll(NULL, 0, 20);
    }
    bench_do(bench_call(b, "org.bled.Adapter1", "SetActive", "ba{sv}", 1, 0));
    int r =
        sd_bus_set_property(b->bus, BUS_NAME, OBJECT, "org.bled.Adapter1", "Mtu", NULL, "q", MTU);
    if (r < 0)
        bench_die("Mtu", r);
    sd_bus_message *reply = NULL;
    const char *address;
    uint8_t kind;
    r = sd_bus_get_property(b->bus, BUS_NAME, OBJECT, "org.bled.Adapter1", "Mac", NULL, &reply,
                            "(ys)");
    if (r < 0 || sd_bus_message_read(reply, "(ys)", &kind, &address) < 0)
        bench_die("Mac", r);
    snprintf(b->bled_address, sizeof(b->bled_address), "%s", address);
    sd_bus_message_unref(reply);
}

/* A match for one signal that carries numbered values. */
sd_bus_slot *bench_hear(struct bench *b, const char *interface, const char *member,
                        sd_bus_message_handler_t handler)
{
    sd_bus_slot *slot = NULL;
    b->heard = 0;
    int r = sd_bus_match_signal(b->bus, &slot, NULL, OBJECT, interface, member, handler, b);
    if (r < 0)
        bench_die(member, r);
    return slot;
}
