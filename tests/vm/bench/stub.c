/* SPDX-License-Identifier: MIT */
/*
 * stub: a controller that does nothing but report advertisements, as fast as it is told.
 *
 *     stub SOCKET ADVERTISERS RATE COUNT
 *
 * Serves H4 on a unix socket, a connection after the other. Bring-up commands of a 4.0 controller
 * are answered; once scanning is enabled, COUNT reports go out, RATE a second, one an event as
 * controllers do it, from ADVERTISERS addresses in turn. Scanning disabled pauses the flood.
 * "listening" and "done" are told on standard output, "done" with the microseconds that the flood
 * took.
 *
 * It must cost little beside the host that is measured, so it is one timer and one write a report.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    H4_COMMAND = 0x01,
    H4_EVENT = 0x04,
    EV_COMMAND_COMPLETE = 0x0e,
    EV_LE_META = 0x3e,
    SUB_ADVERTISING_REPORT = 0x02,
    OP_LE_SET_SCAN_ENABLE = 0x200c,
    UNKNOWN_COMMAND = 0x01,
};

/* What a command returns after its status. Anything not in this table is an unknown command. */
struct answer {
    uint16_t opcode;
    uint8_t len;
    const char *bytes; /* len of them; NULL: that many zeros */
};

/* Core 5.4, Vol 4, Part E, 6.27: the commands of the table below and no others. */
static const char supported[64] = {
    [5] = (char)0xc0,  /* Set Event Mask, Reset */
    [14] = (char)0xa8, /* Read Local Version, Local Supported Features, Buffer Size */
    [15] = 0x02,       /* Read BD_ADDR */
    [25] = (char)0xf7, /* LE event mask .. advertising data */
    [26] = (char)0xcf, /* scan response, advertising and scan enable, accept list */
    [27] = (char)0x83, /* accept list, LE Rand */
    [28] = 0x08,       /* LE Read Supported States */
};

static const struct answer answers[] = {
    {0x0c01, 0, NULL},                               /* Set Event Mask */
    {0x0c03, 0, NULL},                               /* Reset */
    {0x1001, 8, "\x06\x00\x00\x06\xff\xff\x00\x00"}, /* Read Local Version: 4.0 */
    {0x1002, 64, supported},                         /* Read Local Supported Commands */
    {0x1003, 8, "\x00\x00\x00\x00\x60\x00\x00\x00"}, /* Features: LE, no BR/EDR */
    {0x1005, 7, "\x00\x00\x00\x00\x00\x00\x00"},     /* Read Buffer Size: none of BR/EDR */
    {0x1009, 6, "\x55\x44\x33\x22\x11\x00"},         /* Read BD_ADDR */
    {0x2001, 0, NULL},                               /* LE Set Event Mask */
    {0x2002, 3, "\xfb\x00\x08"},                     /* LE Read Buffer Size: 251 x 8 */
    {0x2003, 8, NULL},                               /* LE Read Local Features: none */
    {0x2005, 0, NULL},                               /* LE Set Random Address */
    {0x2006, 0, NULL},                               /* LE Set Advertising Parameters */
    {0x2007, 1, NULL},                               /* LE Read Advertising TX Power */
    {0x2008, 0, NULL},                               /* LE Set Advertising Data */
    {0x2009, 0, NULL},                               /* LE Set Scan Response Data */
    {0x200a, 0, NULL},                               /* LE Set Advertising Enable */
    {0x200b, 0, NULL},                               /* LE Set Scan Parameters */
    {OP_LE_SET_SCAN_ENABLE, 0, NULL},                /* LE Set Scan Enable */
    {0x200f, 1, "\x10"},                             /* LE Read Filter Accept List Size */
    {0x2010, 0, NULL},                               /* LE Clear Filter Accept List */
    {0x2011, 0, NULL},                               /* LE Add to Filter Accept List */
    {0x2012, 0, NULL},                               /* LE Remove from it */
    {0x2018, 8, "\x01\x02\x03\x04\x05\x06\x07\x08"}, /* LE Rand */
    {0x201c, 8, "\xff\xff\xff\xff\xff\x03\x00\x00"}, /* LE Read Supported States */
};

struct stub {
    int host;  /* the connection */
    int timer; /* ticks while the flood runs */
    uint32_t advertisers, rate;
    uint64_t count, sent;
    uint64_t begun; /* us */
    uint8_t in[4096];
    size_t have;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Blocks while the host does not read: then the flood is late, and "done" shows it. */
static void put(const struct stub *s, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        ssize_t put = write(s->host, bytes, n);
        if (put < 0) {
            if (errno == EINTR)
                continue;
            return; /* the host has gone: the next read says so */
        }
        bytes += put;
        n -= (size_t)put;
    }
}

static void arm(const struct stub *s, bool on)
{
    struct itimerspec t = {0};
    if (on) {
        t.it_interval.tv_nsec = (long)(1000000000 / s->rate);
        t.it_value.tv_nsec = t.it_interval.tv_nsec;
    }
    if (timerfd_settime(s->timer, 0, &t, NULL) < 0)
        die("timerfd_settime");
}

static void answer(struct stub *s, uint16_t opcode, const uint8_t *params, size_t n)
{
    uint8_t ev[3 + 3 + 1 + 64] = {
        H4_EVENT,       EV_COMMAND_COMPLETE, 4, 1, (uint8_t)opcode, (uint8_t)(opcode >> 8),
        UNKNOWN_COMMAND};
    size_t len = 0;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (answers[i].opcode != opcode)
            continue;
        len = answers[i].len;
        ev[2] = (uint8_t)(4 + len);
        ev[6] = 0;
        if (answers[i].bytes != NULL)
            memcpy(ev + 7, answers[i].bytes, len);
    }
    put(s, ev, 7 + len);
    if (opcode == OP_LE_SET_SCAN_ENABLE && n >= 1 && s->sent < s->count) {
        if (s->begun == 0)
            s->begun = now_us();
        arm(s, params[0] != 0);
    }
}

/* Flags, a service, a name with the advertiser's number, manufacturer data: 31 bytes. */
static void report(const struct stub *s, uint32_t number)
{
    uint8_t ev[] = {H4_EVENT,
                    EV_LE_META,
                    43,
                    SUB_ADVERTISING_REPORT,
                    1,
                    0 /* ADV_IND */,
                    1 /* random */,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0xc0,
                    31,
                    2,
                    0x01,
                    0x06,
                    3,
                    0x03,
                    0x0d,
                    0x18,
                    10,
                    0x09,
                    's',
                    'e',
                    'n',
                    's',
                    'o',
                    'r',
                    '0',
                    '0',
                    '0',
                    12,
                    0xff,
                    0x59,
                    0x00,
                    1,
                    2,
                    3,
                    4,
                    5,
                    6,
                    7,
                    8,
                    9,
                    (uint8_t)-60};
    ev[7] = (uint8_t)number;
    ev[8] = (uint8_t)(number >> 8);
    ev[9] = (uint8_t)(number >> 16);
    ev[29] = (uint8_t)('0' + number / 100 % 10);
    ev[30] = (uint8_t)('0' + number / 10 % 10);
    ev[31] = (uint8_t)('0' + number % 10);
    put(s, ev, sizeof(ev));
}

static void tick(struct stub *s)
{
    uint64_t ticks;
    if (read(s->timer, &ticks, sizeof(ticks)) != sizeof(ticks))
        return;
    for (; ticks > 0 && s->sent < s->count; ticks--)
        report(s, (uint32_t)(s->sent++ % s->advertisers));
    if (s->sent == s->count) {
        arm(s, false);
        printf("done %llu\n", (unsigned long long)(now_us() - s->begun));
        fflush(stdout);
    }
}

static bool receive(struct stub *s)
{
    ssize_t got = read(s->host, s->in + s->have, sizeof(s->in) - s->have);
    if (got <= 0)
        return got < 0 && errno == EINTR;
    s->have += (size_t)got;
    size_t at = 0;
    while (s->have - at >= 4 && s->have - at - 4 >= s->in[at + 3]) {
        const uint8_t *p = s->in + at;
        if (p[0] != H4_COMMAND) {
            fprintf(stderr, "stub: packet type %02x\n", p[0]);
            return false;
        }
        answer(s, (uint16_t)(p[1] | p[2] << 8), p + 4, p[3]);
        at += 4u + p[3];
    }
    s->have -= at;
    memmove(s->in, s->in + at, s->have);
    return true;
}

static int serve(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(to.sun_path)) {
        fprintf(stderr, "stub: path too long: %s\n", path);
        exit(2);
    }
    memcpy(to.sun_path, path, strlen(path) + 1);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 || listen(fd, 1) < 0)
        die(path);
    puts("listening");
    fflush(stdout);
    return fd;
}

/* Until the host hangs up. */
static void converse(struct stub *s)
{
    struct pollfd fds[] = {{.fd = s->host, .events = POLLIN}, {.fd = s->timer, .events = POLLIN}};
    bool more = true;
    s->have = 0;
    while (more) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            die("poll");
        if (fds[1].revents & POLLIN)
            tick(s);
        if (fds[0].revents)
            more = receive(s);
    }
    arm(s, false);
}

int main(int argc, char **argv)
{
    static struct stub s;
    if (argc != 5) {
        fprintf(stderr, "usage: stub SOCKET ADVERTISERS RATE COUNT\n");
        return 2;
    }
    s.advertisers = (uint32_t)strtoul(argv[2], NULL, 10);
    s.rate = (uint32_t)strtoul(argv[3], NULL, 10);
    s.count = strtoull(argv[4], NULL, 10);
    if (s.advertisers == 0 || s.rate < 2) {
        fprintf(stderr, "stub: advertisers from 1, rate from 2\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int listener = serve(argv[1]);
    s.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (s.timer < 0)
        die("timerfd_create");
    while ((s.host = accept(listener, NULL, NULL)) >= 0) {
        converse(&s);
        close(s.host);
    }
    die("accept");
}
