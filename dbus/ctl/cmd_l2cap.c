/* SPDX-License-Identifier: MIT */

/*
 * cmd_l2cap: standard input and output through a channel: an SDU is what one read() of standard
 * input gives, at most the peer's MTU; what arrives is written as it comes. Ends when standard
 * input has ended and all of it has been sent, or when the peer closes the channel.
 */

#include "ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define L2CAP "org.bled.L2cap1"

struct piping {
    struct ctl *c;
    unsigned long psm, mtu, security;
    bool listening, keep, enhanced;
    int fd;
    uint16_t conn, cid, peer_mtu;
    uint8_t *out, *in; /* what waits for the socket; room for an SDU */
    size_t n_out;
    sd_event_source *input, *socket;
    bool ended, file; /* standard input */
};

static int over(struct piping *p, int status)
{
    ctl_loop_end(p->c, status);
    return 0;
}

/* What standard input gives goes to the socket; it is read again when that has been taken. A
 * regular file cannot be waited for, and is read whenever the socket has room. */
static int pump(struct piping *p)
{
    if (p->n_out == 0 && !p->ended) {
        ssize_t n = read(STDIN_FILENO, p->out, p->peer_mtu);
        if (n < 0)
            return errno == EINTR || errno == EAGAIN
                       ? 0
                       : over(p, ctl_error("standard input", -errno, NULL));
        p->ended = n == 0;
        p->n_out = (size_t)n;
        if (p->ended)
            (void)shutdown(p->fd, SHUT_WR); /* bled sends what it has, then closes the channel */
    }
    if (p->n_out > 0 && send(p->fd, p->out, p->n_out, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        p->n_out = 0;
    else if (p->n_out > 0 && errno != EAGAIN)
        p->ended = true, p->n_out = 0; /* the peer has closed: what it sent is still read */
    bool room = p->n_out > 0 || (p->file && !p->ended);
    (void)sd_event_source_set_io_events(p->socket, room ? EPOLLIN | EPOLLOUT : EPOLLIN);
    if (p->input)
        (void)sd_event_source_set_enabled(p->input,
                                          p->n_out > 0 || p->ended ? SD_EVENT_OFF : SD_EVENT_ON);
    return 0;
}

static int on_input(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
    (void)s;
    (void)fd;
    (void)events;
    return pump(userdata);
}

static int on_socket(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
    struct piping *p = userdata;

    (void)s;
    if (events & EPOLLOUT)
        (void)pump(p);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return 0;
    ssize_t n = recv(fd, p->in, 65535, MSG_DONTWAIT);
    if (n > 0) {
        for (ssize_t at = 0, m; at < n; at += m)
            if ((m = write(STDOUT_FILENO, p->in + at, (size_t)(n - at))) < 0)
                return over(p, ctl_error("standard output", -errno, NULL));
        return 0;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    /* an empty SDU and the end both read as nothing */
    return events & (EPOLLHUP | EPOLLRDHUP) || n < 0 ? over(p, CTL_OK) : 0;
}

static int begin(struct piping *p)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    int fd;

    int status =
        ctl_call(p->c, "taking the channel", L2CAP, "Acquire", &m, "qqa{sv}", p->conn, p->cid, 0);
    if (status != CTL_OK)
        return status;
    int r = sd_bus_message_read(m, "h", &fd);
    p->fd = r < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    p->out = malloc(p->peer_mtu ? p->peer_mtu : 1);
    p->in = malloc(65535);
    if (p->fd < 0 || !p->out || !p->in)
        return ctl_fail(CTL_FAILED, "the channel cannot be taken: %s", strerror(errno));
    ctl_progress(p->c, "Channel %u of connection %u is open.", p->cid, p->conn);
    r = sd_event_add_io(p->c->event, &p->socket, p->fd, EPOLLIN, on_socket, p);
    if (r >= 0)
        r = sd_event_add_io(p->c->event, &p->input, STDIN_FILENO, EPOLLIN, on_input, p);
    if (r == -EPERM) {
        p->file = true;
        r = sd_event_source_set_io_events(p->socket, EPOLLIN | EPOLLOUT);
    }
    return r < 0 ? ctl_error("standard input", r, NULL) : CTL_OK;
}

static int on_connected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct piping *p = userdata;
    uint16_t conn, cid, psm, our_mtu, peer_mtu;

    (void)error;
    if (p->fd >= 0 || sd_bus_message_read(m, "qqqqq", &conn, &cid, &psm, &our_mtu, &peer_mtu) < 0 ||
        psm != p->psm)
        return 0;
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
                                            {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "m:s:e", options, NULL)) != -1) {
        if (option == '?')
            return ctl_usage(argv[0], "no such option");
        if (option == 'm' && (!ctl_parse_number(optarg, 65535, &p->mtu) || p->mtu < 23))
            return ctl_usage(argv[0], "--mtu is 23 to 65535");
        if (option == 's' && (!ctl_parse_number(optarg, 4, &p->security) || p->security < 1))
            return ctl_usage(argv[0], "--security is 1 to 4");
        p->enhanced = p->enhanced || option == 'e';
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

    int status = read_line(&p, argc, argv);
    if (status == CTL_OK)
        status = ctl_attach(c, true);
    if (status == CTL_OK && p.listening)
        status = ctl_match(c, L2CAP, "Connected", on_connected, &p);
    if (status == CTL_OK)
        status = ctl_loop_init(c);
    if (status == CTL_OK && p.listening)
        status = ctl_call(c, "listening", L2CAP, "Listen", NULL, "qqa{sv}", (unsigned)p.psm,
                          (unsigned)p.mtu, 1, "security", "y", (int)(p.security ? p.security : 1));
    if (status == CTL_OK && p.listening)
        ctl_progress(c, "Listening on PSM %lu; Ctrl-C ends it.", p.psm);
    if (status == CTL_OK && !p.listening)
        status = open_channel(&p, argv[optind + 1]);
    if (status == CTL_OK)
        status = ctl_loop(c, CTL_INTERRUPTED);
    sd_event_source_unref(p.input);
    sd_event_source_unref(p.socket);
    if (p.fd >= 0)
        close(p.fd);
    free(p.out);
    free(p.in);
    return status;
}
