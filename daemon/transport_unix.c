/* SPDX-License-Identifier: MIT */
/* H4 over a unix stream socket: a simulated controller, or a program that has a real one. */
#include "transport.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static int transport_unix_open(struct transport *t)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(t->spec->path);
    memcpy(address.sun_path, t->spec->path, len);
    if (address.sun_path[0] == '@')
        address.sun_path[0] = '\0';
    t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (t->fd < 0)
        return -errno;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (connect(t->fd, (const struct sockaddr *)&address, size) < 0)
        return -errno;
    return 0;
}

static void transport_unix_explain(const struct transport *t, int error, char *out, size_t n)
{
    const char *path = t->spec->path;
    switch (-error) {
    case ENOENT:
        snprintf(out, n, "there is no socket %s: start its server", path);
        break;
    case ECONNREFUSED:
        snprintf(out, n, "nobody serves the socket %s: start its server", path);
        break;
    case EACCES:
    case EPERM:
        snprintf(out, n, "bled's user may not write to the socket %s: see its mode and owner",
                 path);
        break;
    case EAGAIN:
        snprintf(out, n, "the server of %s does not accept connections: is it hanging?", path);
        break;
    case EPIPE:
    case ECONNRESET:
        snprintf(out, n,
                 "the server of %s hung up: it ended, the controller vanished, or another program "
                 "is connected",
                 path);
        break;
    case EBADMSG:
        snprintf(out, n, "what comes from %s is not HCI in H4 framing", path);
        break;
    default:
        snprintf(out, n, "%s: %s", path, strerror(-error));
    }
}

const struct transport_kind transport_unix_kind = {
    .open = transport_unix_open,
    .fill = transport_stream_fill,
    .next = transport_stream_next,
    .unread = transport_stream_unread,
    .send = transport_stream_send,
    .explain = transport_unix_explain,
};
