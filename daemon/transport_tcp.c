/* SPDX-License-Identifier: MIT */
/*
 * H4 over TCP. The connection is made without waiting for it; a host's name is looked up once, by
 * the first attempt, when the daemon starts: a resolver may take seconds that the loop has not got
 * later. Numeric addresses, which need no lookup, are the better choice.
 */
#include "transport.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int look_up(struct transport *t)
{
    char port[8];
    snprintf(port, sizeof(port), "%u", t->spec->port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    int r = getaddrinfo(t->spec->host, port, &hints, &t->resolved);
    if (r != 0 && !t->looked_up) {
        hints.ai_flags = AI_NUMERICSERV;
        r = getaddrinfo(t->spec->host, port, &hints, &t->resolved);
    }
    t->looked_up = true;
    if (r != 0)
        t->resolved = NULL;
    return r == 0 ? 0 : -EADDRNOTAVAIL;
}

static int transport_tcp_open(struct transport *t)
{
    int r = t->resolved ? 0 : look_up(t);
    if (r < 0)
        return r;
    const struct addrinfo *a = t->next ? t->next : t->resolved;
    t->next = a->ai_next; /* a host with several addresses: another one with each attempt */
    t->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (t->fd < 0)
        return -errno;
    int on = 1; /* commands are short and waited for */
    (void)setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(t->fd, a->ai_addr, a->ai_addrlen) == 0)
        return 0;
    return errno == EINPROGRESS ? 1 : -errno;
}

static void transport_tcp_explain(const struct transport *t, int error, char *out, size_t n)
{
    const char *where = t->spec->text + strlen("tcp:");
    switch (-error) {
    case ECONNREFUSED:
        snprintf(out, n, "nobody serves %s: start its server", where);
        break;
    case EADDRNOTAVAIL:
        snprintf(out, n,
                 "the host of %s is not known: give its address in numbers, or restart bled when "
                 "its name can be looked up",
                 where);
        break;
    case ETIMEDOUT:
        snprintf(out, n, "%s does not answer", where);
        break;
    case EPIPE:
    case ECONNRESET:
        snprintf(out, n, "%s hung up", where);
        break;
    case EBADMSG:
        snprintf(out, n, "what comes from %s is not HCI in H4 framing", where);
        break;
    default:
        snprintf(out, n, "%s: %s", where, strerror(-error));
    }
}

const struct transport_kind transport_tcp_kind = {
    .open = transport_tcp_open,
    .connected = transport_stream_connected,
    .fill = transport_stream_fill,
    .next = transport_stream_next,
    .unread = transport_stream_unread,
    .send = transport_stream_send,
    .explain = transport_tcp_explain,
};
