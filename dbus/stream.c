/* SPDX-License-Identifier: MIT */

/*
 * stream: reports as records on a SOCK_SEQPACKET socket, one a packet. The layout is documented in
 * interfaces/org.bled.Observer1.xml, at AcquireScan.
 *
 * A record goes straight to the socket. What the socket does not take (the kernel lets few packets
 * wait) is kept in a ring of bytes, in order, and sent when the socket is writable again; what does
 * not fit there is dropped and counted in the next record. The reader ends the scan by closing.
 */

#include "scan.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STREAM_HEADER = 32, STREAM_RECORD_MAX = STREAM_HEADER + BL_MAX_ADV_EXTENDED };

struct stream {
    struct scan *scan;
    int fd;
    struct bus_watch *watch;
    uint8_t *waiting; /* records, each behind its length in two bytes; NULL until needed */
    size_t max, head, used;
    uint32_t dropped; /* since the last record that was sent */
    uint64_t dropped_ever;
};

static void stream_ready(void *userdata, uint32_t events);

/* One store where n is a constant. */
static inline void stream_put(uint8_t *to, uint64_t value, size_t n)
{
    value = htole64(value);
    memcpy(to, &value, n);
}

static size_t stream_record(const struct stream *t, const struct bl_report *r, uint8_t *out)
{
    uint8_t flags =
        (uint8_t)(r->connectable | r->scannable << 1 | r->directed << 2 | r->scan_response << 3 |
                  r->legacy << 4 | r->truncated << 5 | r->anonymous << 6);

    stream_put(out, r->time, 8);
    stream_put(out + 8, t->dropped, 4);
    for (unsigned i = 0; i < 6; i++)
        out[12 + i] = r->addr.b[5 - i];
    out[18] = r->addr.type;
    out[19] = r->adv_type;
    out[20] = r->primary_phy;
    out[21] = r->secondary_phy;
    out[22] = r->sid;
    out[23] = (uint8_t)r->rssi;
    out[24] = (uint8_t)r->tx_power;
    out[25] = flags;
    stream_put(out + 26, r->len, 2);
    stream_put(out + 28, r->periodic_interval, 2);
    stream_put(out + 30, 0, 2);
    if (r->len > 0)
        memcpy(out + STREAM_HEADER, r->data, r->len);
    return STREAM_HEADER + (size_t)r->len;
}

int bus_stream_new(struct scan *s, size_t max, struct stream **ret, int *ret_fd)
{
    const struct bus_options *o = &s->adapter->bus->options;
    struct stream *t = calloc(1, sizeof(*t));
    int fds[2];

    if (!t)
        return -ENOMEM;
    t->fd = -1;
    t->scan = s;
    t->max = max;
    int r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds);
    if (r < 0) {
        r = -errno;
        bus_stream_free(t);
        return r;
    }
    t->fd = fds[0];
    r = o->watch_fd(o->ctx, t->fd, POLLIN, stream_ready, t, &t->watch);
    if (r < 0) {
        close(fds[1]);
        bus_stream_free(t);
        return r;
    }
    *ret_fd = fds[1];
    *ret = t;
    return 0;
}

struct stream *bus_stream_free(struct stream *t)
{
    if (!t)
        return NULL;
    if (t->watch)
        t->scan->adapter->bus->options.unwatch_fd(t->watch);
    if (t->fd >= 0)
        close(t->fd);
    free(t->waiting);
    free(t);
    return NULL;
}

uint64_t bus_stream_dropped(const struct stream *t)
{
    return t->dropped_ever;
}

static void stream_copy_in(struct stream *t, const void *p, size_t n)
{
    size_t at = (t->head + t->used) % t->max, first = n < t->max - at ? n : t->max - at;

    memcpy(t->waiting + at, p, first);
    memcpy(t->waiting, (const uint8_t *)p + first, n - first);
    t->used += n;
}

static void stream_copy_out(const struct stream *t, size_t offset, void *p, size_t n)
{
    size_t at = (t->head + offset) % t->max, first = n < t->max - at ? n : t->max - at;

    memcpy(p, t->waiting + at, first);
    memcpy((uint8_t *)p + first, t->waiting, n - first);
}

/* Keeps a record that the socket would not take. */
static void stream_keep(struct stream *t, const uint8_t *record, size_t n)
{
    const struct bus_options *o = &t->scan->adapter->bus->options;
    uint8_t length[2] = {(uint8_t)n, (uint8_t)(n >> 8)};

    if (!t->waiting)
        t->waiting = malloc(t->max);
    if (!t->waiting || n + 2 > t->max - t->used) {
        t->dropped++;
        t->dropped_ever++;
        return;
    }
    if (t->used == 0)
        o->rewatch_fd(t->watch, POLLIN | POLLOUT);
    stream_copy_in(t, length, 2);
    stream_copy_in(t, record, n);
    t->dropped = 0;
}

void bus_stream_report(struct stream *t, const struct bl_report *r)
{
    uint8_t record[STREAM_RECORD_MAX];

    if (r->len > BL_MAX_ADV_EXTENDED)
        return;
    size_t n = stream_record(t, r, record);
    if (t->used == 0 && send(t->fd, record, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        t->dropped = 0;
    else
        stream_keep(t, record, n); /* a reader that has gone is noticed by the watch */
}

static void stream_flush(struct stream *t)
{
    uint8_t record[STREAM_RECORD_MAX], length[2];

    while (t->used > 0) {
        stream_copy_out(t, 0, length, 2);
        size_t n = (size_t)(length[0] | length[1] << 8);
        stream_copy_out(t, 2, record, n);
        if (send(t->fd, record, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            return;
        t->head = (t->head + 2 + n) % t->max;
        t->used -= 2 + n;
    }
    t->scan->adapter->bus->options.rewatch_fd(t->watch, POLLIN);
}

void bus_stream_finish(struct stream *t)
{
    int room = 4 << 20; /* beyond the usual, for a reader that is behind: there is no later */

    if (t->used == 0 || !t->watch)
        return;
    if (setsockopt(t->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
        (void)setsockopt(t->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    stream_flush(t);
}

static void stream_ready(void *userdata, uint32_t events)
{
    struct stream *t = userdata;
    uint8_t ignored;

    /* A reader has nothing to say: what it sends is taken out and dropped, an end is its end. */
    if (events & POLLIN && recv(t->fd, &ignored, 1, MSG_DONTWAIT) == 0) {
        /* The hang-up lasts: not to be told of it again until the scan has ended. */
        t->scan->adapter->bus->options.unwatch_fd(t->watch);
        t->watch = NULL;
        bus_scan_stop(t->scan);
    } else if (events & POLLOUT) {
        stream_flush(t);
    }
}
