/* SPDX-License-Identifier: MIT */

/*
 * cmd_l2cap: standard input and output through a channel: an SDU is what one read() of standard
 * input gives, at most the peer's MTU; what arrives is written as it comes. Ends when standard
 * input has ended and all of it has been sent, or when the peer closes the channel.
 *
 * Neither direction waits for the other: who does not read our output may still feed our input. So
 * output is written when there is room for it, and the channel is not read before.
 */

#include "ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define L2CAP "org.bled.L2cap1"

enum { SDU_MAX = 65535 };

struct piping {
    struct ctl *c;
    unsigned long psm, mtu, security;
    bool listening, wait, enhanced;
    int fd;
    uint16_t conn, cid, peer_mtu;
    uint8_t *out, *in; /* what waits for the socket, and for standard output; room for an SDU */
    size_t n_out, n_in, at_in;
    sd_event_source *input, *output, *socket;
    bool ended, file;   /* standard input */
    bool hung_up, read; /* the channel has ended; and all that came has been read */
    bool cut;           /* something was left to be sent then */
    bool told;          /* Disconnected has come, with: */
    uint16_t status;
};

static int over(struct piping *p, int status)
{
    ctl_loop_end(p->c, status);
    return 0;
}

/* All that came has been written, and bled has said how the channel ended. */
static int end_if_over(struct piping *p)
{
    if (!p->read || !p->told || p->n_in > 0)
        return 0;
    if (p->status != 0)
        return over(p,
                    ctl_fail(CTL_FAILED, "the channel has ended: %s", ctl_status_name(p->status)));
    if (p->cut)
        return over(p, ctl_fail(CTL_FAILED, "the peer has closed the channel before all was sent"));
    return over(p, CTL_OK);
}

/* Waits for what can be done now. A channel that has ended would report that without end. */
static int wait_for_more(struct piping *p)
{
    bool sends = !p->hung_up && (p->n_out > 0 || (p->file && !p->ended));
    bool reads = p->n_in == 0 && !p->read;

    (void)sd_event_source_set_io_events(p->socket,
                                        (reads ? EPOLLIN : 0u) | (sends ? EPOLLOUT : 0u));
    (void)sd_event_source_set_enabled(p->socket, p->hung_up && !reads ? SD_EVENT_OFF : SD_EVENT_ON);
    if (p->input)
        (void)sd_event_source_set_enabled(p->input,
                                          p->n_out > 0 || p->ended ? SD_EVENT_OFF : SD_EVENT_ON);
    if (p->output)
        (void)sd_event_source_set_enabled(p->output, p->n_in > 0 ? SD_EVENT_ON : SD_EVENT_OFF);
    return end_if_over(p);
}

/* What standard input gives goes to the socket; it is read again when that has been taken. A
 * regular file cannot be waited for, and is read whenever the socket has room. */
static int pump(struct piping *p)
{
    if (p->n_out == 0 && !p->ended) {
        ssize_t n = read(STDIN_FILENO, p->out, p->peer_mtu);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            return 0;
        if (n < 0)
            return over(p, ctl_error("standard input", -errno, NULL));
        p->ended = n == 0;
        p->n_out = (size_t)n;
        if (p->ended && !p->wait)
            (void)shutdown(p->fd, SHUT_WR); /* bled sends what it has, then closes the channel */
    }
    if (p->n_out > 0 && send(p->fd, p->out, p->n_out, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
        p->n_out = 0;
    } else if (p->n_out > 0 && errno != EAGAIN) { /* what the peer has sent is still read */
        p->cut = p->ended = true;
        p->n_out = 0;
    }
    return 0;
}

static int on_input(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
    struct piping *p = userdata;

    (void)s;
    (void)fd;
    (void)events;
    (void)pump(p);
    return wait_for_more(p);
}

/* As much as goes without waiting: a pipe that can be written takes that much, a file anything. */
static int put(struct piping *p)
{
    struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};

    while (p->at_in < p->n_in && (!p->output || poll(&room, 1, 0) > 0)) {
        size_t n = p->n_in - p->at_in;
        if (p->output && n > PIPE_BUF)
            n = PIPE_BUF;
        ssize_t m = write(STDOUT_FILENO, p->in + p->at_in, n);
        if (m < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (m < 0)
            return over(p, ctl_error("standard output", -errno, NULL));
        p->at_in += (size_t)m;
    }
    if (p->at_in == p->n_in)
        p->at_in = p->n_in = 0;
    return wait_for_more(p);
}

static int on_output(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
    (void)s;
    (void)fd;
    (void)events;
    return put(userdata);
}

/* A packet; 0: an empty SDU, -ENODATA: the end. Both are nothing to recv(), but a packet comes with
 * its sender's credentials. */
static ssize_t take(struct piping *p)
{
    char control[CMSG_SPACE(sizeof(struct ucred))];
    struct iovec room = {.iov_base = p->in, .iov_len = SDU_MAX};
    struct msghdr h = {.msg_iov = &room,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(p->fd, &h, MSG_DONTWAIT);

    return n < 0 ? -errno : n == 0 && h.msg_controllen == 0 ? -ENODATA : n;
}

static void hang_up(struct piping *p)
{
    uint8_t more;

    p->hung_up = true;
    if (p->n_out > 0 || (p->file && !p->ended && read(STDIN_FILENO, &more, 1) > 0))
        p->cut = true;
    p->ended = true;
    p->n_out = 0;
}

static int on_socket(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
    struct piping *p = userdata;

    (void)s;
    (void)fd;
    if ((events & (EPOLLHUP | EPOLLERR)) && !p->hung_up)
        hang_up(p);
    else if (events & EPOLLOUT)
        (void)pump(p);
    if (p->n_in > 0 || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return wait_for_more(p);
    ssize_t n = take(p);
    if (n > 0)
        p->n_in = (size_t)n;
    else if (n < 0 && n != -EAGAIN && n != -EINTR)
        p->read = true;
    return put(p);
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct piping *p = userdata;
    uint16_t conn, cid, psm, status;

    (void)error;
    if (sd_bus_message_read(m, "qqqq", &conn, &cid, &psm, &status) < 0 || p->fd < 0 ||
        conn != p->conn || cid != p->cid)
        return 0;
    p->told = true;
    p->status = status;
    return end_if_over(p);
}

/* 1 where fd can be waited for, 0 where it need not be. */
static int add_io(struct piping *p, sd_event_source **ret, int fd, sd_event_io_handler_t handler,
                  uint32_t events)
{
    int r = sd_event_add_io(p->c->event, ret, fd, events, handler, p);

    return r == -EPERM ? 0 : r < 0 ? r : 1;
}

static int begin(struct piping *p)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    struct stat input;
    int fd, yes = 1;

    int status =
        ctl_call(p->c, "taking the channel", L2CAP, "Acquire", &m, "qqa{sv}", p->conn, p->cid, 0);
    if (status != CTL_OK)
        return status;
    int r = sd_bus_message_read(m, "h", &fd);
    p->fd = r < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    p->out = malloc(p->peer_mtu ? p->peer_mtu : 1);
    p->in = malloc(SDU_MAX);
    if (p->fd < 0 || !p->out || !p->in ||
        setsockopt(p->fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) < 0)
        return ctl_fail(CTL_FAILED, "the channel cannot be taken: %s", strerror(errno));
    ctl_progress(p->c, "Channel %u of connection %u is open.", p->cid, p->conn);
    r = add_io(p, &p->socket, p->fd, on_socket, EPOLLIN);
    if (r >= 0)
        r = add_io(p, &p->output, STDOUT_FILENO, on_output, EPOLLOUT);
    if (r >= 0) {
        r = add_io(p, &p->input, STDIN_FILENO, on_input, EPOLLIN);
        p->file = r == 0;
    }
    /* Who was given /dev/null has nothing to send: the peer says when it is over. */
    if (p->file && fstat(STDIN_FILENO, &input) == 0 && S_ISCHR(input.st_mode) &&
        input.st_rdev == makedev(1, 3))
        p->ended = true;
    return r < 0 ? ctl_error("standard input", r, NULL) : wait_for_more(p);
}

/* What is not waited for: one channel is what we are here for. */
static void tell(struct piping *p, const char *method, const char *types, unsigned a, unsigned b)
{
    struct ctl *c = p->c;

    if (types[1])
        (void)sd_bus_call_method_async(c->bus, NULL, c->bus_name, c->path, L2CAP, method, NULL,
                                       NULL, types, a, b);
    else
        (void)sd_bus_call_method_async(c->bus, NULL, c->bus_name, c->path, L2CAP, method, NULL,
                                       NULL, types, a);
}

static int on_connected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct piping *p = userdata;
    uint16_t conn, cid, psm, our_mtu, peer_mtu;

    (void)error;
    if (sd_bus_message_read(m, "qqqqq", &conn, &cid, &psm, &our_mtu, &peer_mtu) < 0 ||
        psm != p->psm)
        return 0;
    if (p->fd >= 0) {
        tell(p, "Disconnect", "qq", conn, cid);
        return 0;
    }
    tell(p, "StopListening", "q", psm, 0);
    p->conn = conn;
    p->cid = cid;
    p->peer_mtu = peer_mtu;
    int status = begin(p);
    return status == CTL_OK ? 0 : over(p, status);
}

static int read_line(struct piping *p, int argc, char **argv)
{
    static const struct option options[] = {{"mtu", required_argument, NULL, 'm'},
                                            {"security", required_argument, NULL, 's'},
                                            {"enhanced", no_argument, NULL, 'e'},
                                            {"wait", no_argument, NULL, 'w'},
                                            {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "m:s:ew", options, NULL)) != -1) {
        if (option == '?')
            return ctl_usage_said(argv[0]);
        if (option == 'm' && (!ctl_parse_number(optarg, 65535, &p->mtu) || p->mtu < 23))
            return ctl_usage(argv[0], "--mtu is 23 to 65535");
        if (option == 's' && (!ctl_parse_number(optarg, 4, &p->security) || p->security < 1))
            return ctl_usage(argv[0], "--security is 1 to 4");
        p->enhanced = p->enhanced || option == 'e';
        p->wait = p->wait || option == 'w';
    }
    p->listening = optind < argc && strcmp(argv[optind], "listen") == 0;
    int want = p->listening ? 2 : 3;
    if (argc - optind != want || (!p->listening && strcmp(argv[optind], "connect") != 0))
        return ctl_usage(argv[0], "either `listen PSM` or `connect DEVICE PSM`");
    if (!ctl_parse_number(argv[argc - 1], 0xff, &p->psm) || p->psm == 0)
        return ctl_usage(argv[0], "a PSM is 1 to 255 (128 and up are free for use)");
    return CTL_OK;
}

static int open_channel(struct piping *p, const char *text)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    struct ctl_device device;
    sd_bus_message *m = NULL;
    uint16_t our_mtu;

    int status = ctl_device_connected(p->c, text, &device);
    if (status == CTL_OK)
        status = ctl_message(p->c, L2CAP, "Connect", &m);
    if (status != CTL_OK)
        return status;
    int r = sd_bus_message_append(m, "qqq", device.conn, (unsigned)p->psm, (unsigned)p->mtu);
    if (r >= 0 && p->security)
        r = sd_bus_message_append(m, "a{sv}", 2, "enhanced", "b", (int)p->enhanced, "security", "y",
                                  (int)p->security);
    else if (r >= 0)
        r = sd_bus_message_append(m, "a{sv}", 1, "enhanced", "b", (int)p->enhanced);
    if (r < 0) {
        sd_bus_message_unref(m);
        return ctl_error("opening a channel", r, NULL);
    }
    if ((status = ctl_send(p->c, "opening a channel", m, &reply)) != CTL_OK)
        return status;
    p->conn = device.conn;
    r = sd_bus_message_read(reply, "qqq", &p->cid, &our_mtu, &p->peer_mtu);
    return r < 0 ? ctl_error("opening a channel", r, NULL) : begin(p);
}

int cmd_l2cap(struct ctl *c, int argc, char **argv)
{
    struct piping p = {.c = c, .mtu = 2048, .fd = -1};
    char ready[64];

    int status = read_line(&p, argc, argv);
    if (status == CTL_OK)
        status = ctl_attach(c, true);
    if (status == CTL_OK && p.listening)
        status = ctl_match(c, L2CAP, "Connected", on_connected, &p);
    if (status == CTL_OK)
        status = ctl_match(c, L2CAP, "Disconnected", on_disconnected, &p);
    if (status == CTL_OK)
        status = ctl_loop_init(c);
    if (status == CTL_OK && p.listening)
        status = ctl_call(c, "listening", L2CAP, "Listen", NULL, "qqa{sv}", (unsigned)p.psm,
                          (unsigned)p.mtu, 1, "security", "y", (int)(p.security ? p.security : 1));
    snprintf(ready, sizeof(ready), "Listening on PSM %lu; Ctrl-C ends it.", p.psm);
    if (status == CTL_OK && !p.listening)
        status = open_channel(&p, argv[optind + 1]);
    if (status == CTL_OK)
        status = ctl_loop(c, CTL_INTERRUPTED, p.listening ? ready : NULL);
    sd_event_source_unref(p.input);
    sd_event_source_unref(p.output);
    sd_event_source_unref(p.socket);
    if (p.fd >= 0)
        close(p.fd);
    free(p.out);
    free(p.in);
    return status;
}
