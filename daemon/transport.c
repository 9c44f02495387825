/* SPDX-License-Identifier: MIT */
/*
 * What the kinds have in common: a buffer of packets on their way out, filled from the host's
 * queue, so that one system call takes several; and reading and writing of streams.
 */
#include "transport.h"
#include "base/cleanup.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void transport_init(struct transport *t, const struct spec *spec)
{
    static const struct transport_kind *const kinds[] = {
        [SPEC_HCI] = &hci_user_kind,
        [SPEC_UNIX] = &transport_unix_kind,
        [SPEC_TCP] = &transport_tcp_kind,
        [SPEC_TTY] = &transport_tty_kind,
    };
    *t = (struct transport){
        .kind = kinds[spec->kind], .spec = spec, .fd = -1, .rx.types = H4_FROM_CONTROLLER};
}

int transport_open(struct transport *t)
{
    h4_reset(&t->rx);
    t->tx_len = t->tx_at = 0;
    int r = t->kind->open(t);
    if (r < 0)
        transport_close(t);
    return r;
}

int transport_connected(struct transport *t)
{
    return t->kind->connected(t);
}

void transport_close(struct transport *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    t->tx_len = t->tx_at = 0;
}

void transport_done(struct transport *t)
{
    transport_close(t);
    h4_free(&t->rx);
    if (t->resolved)
        freeaddrinfo(t->resolved);
    t->resolved = t->next = NULL;
    free(t->batch);
    t->batch = NULL;
    free(t->tx);
    t->tx = NULL;
    t->tx_cap = 0;
}

int transport_fill(struct transport *t)
{
    return t->kind->fill(t);
}

ssize_t transport_next(struct transport *t, const uint8_t **ret)
{
    return t->kind->next(t, ret);
}

void transport_unread(struct transport *t)
{
    t->kind->unread(t);
}

int transport_queue(struct transport *t, const uint8_t *packet, size_t n)
{
    if (t->tx_at > 0 && (t->tx_at == t->tx_len || n > t->tx_cap - t->tx_len)) {
        /* What has gone makes room: a reader that never quite catches up must not cost memory. */
        t->tx_len -= t->tx_at;
        if (t->tx_len > 0)
            memmove(t->tx, t->tx + t->tx_at, t->tx_len);
        t->tx_at = 0;
    }
    if (n > t->tx_cap - t->tx_len) {
        size_t cap = t->tx_len + n > 512 ? 2 * (t->tx_len + n) : 512;
        uint8_t *tx = realloc(t->tx, cap);
        if (!tx)
            return -ENOMEM;
        t->tx = tx;
        t->tx_cap = cap;
    }
    memcpy(t->tx + t->tx_len, packet, n);
    t->tx_len += n;
    return 0;
}

int transport_flush(struct transport *t)
{
    while (t->tx_at < t->tx_len) {
        size_t sent = 0;
        int r = t->kind->send(t, t->tx + t->tx_at, t->tx_len - t->tx_at, &sent);
        if (r < 0)
            return r;
        if (sent == 0)
            return -EAGAIN;
        t->tx_at += sent;
    }
    return 0;
}

size_t transport_queued(const struct transport *t)
{
    return t->tx_len - t->tx_at;
}

void transport_explain(const struct transport *t, int error, char *out, size_t n)
{
    t->kind->explain(t, error, out, n);
}

int transport_stream_fill(struct transport *t)
{
    size_t room;
    uint8_t *at = h4_room(&t->rx, &room);
    if (!at)
        return -ENOMEM;
    ssize_t n = read(t->fd, at, room);
    if (n == 0)
        return -EPIPE;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    h4_fed(&t->rx, (size_t)n);
    return 0;
}

ssize_t transport_stream_next(struct transport *t, const uint8_t **ret)
{
    return h4_next(&t->rx, ret);
}

void transport_stream_unread(struct transport *t)
{
    h4_unread(&t->rx);
}

int transport_stream_send(struct transport *t, const uint8_t *bytes, size_t n, size_t *ret_sent)
{
    ssize_t sent = write(t->fd, bytes, n); /* SIGPIPE is ignored */
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return -errno;
    *ret_sent = sent > 0 ? (size_t)sent : 0;
    return 0;
}

int transport_stream_connected(struct transport *t)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    return -error;
}
