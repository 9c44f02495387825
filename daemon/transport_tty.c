/* SPDX-License-Identifier: MIT */
/*
 * H4 over a serial line: raw, 8 data bits, no parity, 1 stop bit, RTS/CTS. Core 5.4, Vol 4, Part A,
 * 2. The line is ours alone (TIOCEXCL), and what the driver had buffered is thrown away, since it
 * belongs to an earlier conversation.
 */
#include "base/cleanup.h"
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

static const struct {
    uint32_t baud;
    speed_t speed;
} speeds[] = {
    {9600, B9600},       {19200, B19200},     {38400, B38400},     {57600, B57600},
    {115200, B115200},   {230400, B230400},   {460800, B460800},   {500000, B500000},
    {576000, B576000},   {921600, B921600},   {1000000, B1000000}, {1152000, B1152000},
    {1500000, B1500000}, {2000000, B2000000}, {2500000, B2500000}, {3000000, B3000000},
    {3500000, B3500000}, {4000000, B4000000},
};

static int set_line(int fd, speed_t speed)
{
    struct termios line;
    if (tcgetattr(fd, &line) < 0)
        return -errno;
    cfmakeraw(&line);
    line.c_cflag &= ~(tcflag_t)(CSTOPB | PARENB);
    line.c_cflag |= (tcflag_t)(CLOCAL | CREAD | CRTSCTS);
    line.c_cc[VMIN] = 1;
    line.c_cc[VTIME] = 0;
    if (cfsetspeed(&line, speed) < 0 || tcsetattr(fd, TCSANOW, &line) < 0)
        return -errno;
    if (tcflush(fd, TCIOFLUSH) < 0)
        return -errno;
    return 0;
}

static const speed_t *find_speed(uint32_t baud)
{
    for (size_t i = 0; i < ARRAY_LEN(speeds); i++)
        if (speeds[i].baud == baud)
            return &speeds[i].speed;
    return NULL;
}

bool transport_tty_has_rate(uint32_t baud)
{
    return find_speed(baud) != NULL;
}

static int transport_tty_open(struct transport *t)
{
    const speed_t *speed = find_speed(t->spec->baud);
    if (!speed)
        return -EDOM;
    t->fd = open(t->spec->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (t->fd < 0)
        return -errno;
    int r = set_line(t->fd, *speed);
    if (r < 0)
        return r;
    return ioctl(t->fd, TIOCEXCL) < 0 ? -errno : 0;
}

static void transport_tty_explain(const struct transport *t, int error, char *out, size_t n)
{
    const char *path = t->spec->path;
    switch (-error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        snprintf(out, n, "there is no %s: plug it in", path);
        break;
    case EACCES:
    case EPERM:
        snprintf(out, n, "bled's user may not open %s: add it to the device's group (dialout)",
                 path);
        break;
    case EBUSY:
        snprintf(out, n, "another program has %s open: end it", path);
        break;
    case ENOTTY:
        snprintf(out, n, "%s is not a serial line", path);
        break;
    case EDOM:
        snprintf(out, n, "%u baud is not a rate of Linux's serial lines", t->spec->baud);
        break;
    case EPIPE:
    case EIO:
        snprintf(out, n, "%s was unplugged", path);
        break;
    case EBADMSG:
        snprintf(out, n,
                 "what comes from %s is not HCI in H4 framing: is the baud rate right, and are "
                 "RTS and CTS connected?",
                 path);
        break;
    default:
        snprintf(out, n, "%s: %s", path, strerror(-error));
    }
}

const struct transport_kind transport_tty_kind = {
    .open = transport_tty_open,
    .fill = transport_stream_fill,
    .next = transport_stream_next,
    .unread = transport_stream_unread,
    .send = transport_stream_send,
    .explain = transport_tty_explain,
};
