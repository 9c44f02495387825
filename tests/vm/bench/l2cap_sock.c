/* SPDX-License-Identifier: MIT */

#include "l2cap_sock.h"
#include "gatt_bench.h"

#include <bluetooth/hci.h>
#include <bluetooth/hci_lib.h>
#include <bluetooth/l2cap.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LONGEST = 65535,
    NUMBER = 4, /* octets in front of an SDU */
};

/* --- controllers --- */

static int raw_socket(void)
{
    int fd = socket(AF_BLUETOOTH, SOCK_RAW | SOCK_CLOEXEC, BTPROTO_HCI);
    if (fd < 0)
        bench_die("an HCI socket", errno);
    return fd;
}

/* The kernel's own start of a new controller has to be over: until then it is busy. */
void l2_up(int index)
{
    int fd = raw_socket();
    for (int attempt = 0; ioctl(fd, HCIDEVUP, index) < 0 && errno != EALREADY; attempt++) {
        if (errno != EBUSY || attempt == 100)
            bench_die("HCIDEVUP", errno);
        poll(NULL, 0, 100);
    }
    close(fd);
}

void l2_down(int index)
{
    int fd = raw_socket();
    if (ioctl(fd, HCIDEVDOWN, index) < 0)
        bench_die("HCIDEVDOWN", errno);
    close(fd);
}

bdaddr_t l2_address(int index)
{
    struct hci_dev_info info = {.dev_id = (uint16_t)index};
    int fd = raw_socket();
    if (ioctl(fd, HCIGETDEVINFO, &info) < 0)
        bench_die("HCIGETDEVINFO", errno);
    close(fd);
    return info.bdaddr;
}

void l2_advertise(int index)
{
    int fd = hci_open_dev(index);
    if (fd < 0 || hci_le_set_advertise_enable(fd, 1, 10000) < 0)
        bench_die("advertising", errno);
    hci_close_dev(fd);
}

/* --- sockets --- */

static int l2_socket(const bdaddr_t *own, uint16_t psm, uint16_t mtu)
{
    struct sockaddr_l2 address = {
        .l2_family = AF_BLUETOOTH,
        .l2_psm = htobs(psm),
        .l2_bdaddr = *own,
        .l2_bdaddr_type = BDADDR_LE_PUBLIC,
    };
    int fd = socket(AF_BLUETOOTH, SOCK_SEQPACKET | SOCK_CLOEXEC, BTPROTO_L2CAP);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(fd, SOL_BLUETOOTH, BT_RCVMTU, &mtu, sizeof(mtu)) < 0)
        bench_die("an L2CAP socket", errno);
    return fd;
}

int l2_listen(const bdaddr_t *own, uint16_t psm, uint16_t mtu)
{
    int fd = l2_socket(own, psm, mtu);
    if (listen(fd, 4) < 0)
        bench_die("listen", errno);
    return fd;
}

int l2_accept(int listener)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};
    if (poll(&p, 1, PATIENCE * 1000) <= 0)
        bench_die("nobody connects", ETIMEDOUT);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        bench_die("accept", errno);
    return fd;
}

int l2_connect(const bdaddr_t *own, const bdaddr_t *peer, uint16_t psm, uint16_t mtu)
{
    struct sockaddr_l2 address = {
        .l2_family = AF_BLUETOOTH,
        .l2_psm = htobs(psm),
        .l2_bdaddr = *peer,
        .l2_bdaddr_type = BDADDR_LE_PUBLIC,
    };
    int fd = l2_socket(own, 0, mtu);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        bench_die("connect", errno);
    return fd;
}

/* --- streams --- */

static void blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
        bench_die("a blocking socket", errno);
}

static _Noreturn void write_stream(int ready, int to, size_t len, unsigned count)
{
    static uint8_t sdu[LONGEST];
    char c;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (read(ready, &c, 1) != 1)
        _exit(1);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(sdu, &i, NUMBER);
        if (send(to, sdu, len, MSG_NOSIGNAL) != (ssize_t)len) {
            perror("l2cap: send");
            _exit(1);
        }
    }
    _exit(0);
}

uint64_t l2_stream(int to, int from, size_t len, unsigned count)
{
    static uint8_t sdu[LONGEST];
    int ready[2];
    blocking(to);
    blocking(from);
    if (pipe2(ready, O_CLOEXEC) < 0)
        bench_die("pipe", errno);
    pid_t writer = fork();
    if (writer < 0)
        bench_die("fork", errno);
    if (writer == 0)
        write_stream(ready[0], to, len, count);
    struct timeval patience = {.tv_sec = PATIENCE};
    if (setsockopt(from, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
        bench_die("SO_RCVTIMEO", errno);
    uint64_t begun = bench_now();
    if (write(ready[1], "", 1) != 1)
        bench_die("pipe", errno);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = 0;
        ssize_t n = recv(from, sdu, sizeof(sdu), 0);
        if (n >= NUMBER)
            memcpy(&number, sdu, NUMBER);
        if (n != (ssize_t)len || number != i) {
            fprintf(stderr, "l2cap: SDU %u of %zu octets was due; %zd octets, number %u: %s\n", i,
                    len, n, number, n < 0 ? strerror(errno) : "");
            exit(1);
        }
    }
    uint64_t took = bench_now() - begun;
    int status;
    if (waitpid(writer, &status, 0) < 0 || status != 0)
        bench_die("the writer failed", EPIPE);
    close(ready[0]);
    close(ready[1]);
    return took;
}

/* --- system calls --- */

#define TRACING "/sys/kernel/tracing"

const char *const calls_names[CALLS_KINDS] = {"all",     "epoll",  "recvmmsg", "sendto", "recvmsg",
                                              "sendmsg", "timer*", "sendmmsg", "read",   "write"};

static const char *const calls_filters[CALLS_KINDS] = {
    NULL,
    "id == 232 || id == 281", /* epoll_wait, epoll_pwait */
    "id == 299",
    "id == 44",
    "id == 47 || id == 45", /* recvmmsg, sendto; recvmsg, recvfrom */
    "id == 46",
    "id == 286 || id == 228", /* sendmsg; timerfd_settime, clock */
    "id == 307",
    "id == 0",
    "id == 1", /* sendmmsg, read, write */
};

static int trace_point(void)
{
    int id = -1;
    (void)mount("tracefs", TRACING, "tracefs", 0, NULL);
    FILE *f = fopen(TRACING "/events/raw_syscalls/sys_enter/id", "re");
    if (f && fscanf(f, "%d", &id) != 1)
        id = -1;
    if (f)
        fclose(f);
    return id;
}

void calls_begin(struct calls *c, pid_t pid)
{
    int id = trace_point();
    for (int i = 0; i < CALLS_KINDS; i++) {
        struct perf_event_attr attr = {
            .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .config = (unsigned)id};
        c->fd[i] =
            id < 0 ? -1
                   : (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
        if (c->fd[i] >= 0 && calls_filters[i] &&
            ioctl(c->fd[i], PERF_EVENT_IOC_SET_FILTER, calls_filters[i]) < 0)
            bench_die("a filter of the trace point", errno);
    }
}

void calls_end(struct calls *c, uint64_t ret[static CALLS_KINDS])
{
    for (int i = 0; i < CALLS_KINDS; i++) {
        ret[i] = 0;
        if (c->fd[i] < 0)
            continue;
        if (read(c->fd[i], &ret[i], sizeof(ret[i])) != sizeof(ret[i]))
            bench_die("a counter", errno);
        close(c->fd[i]);
    }
}
