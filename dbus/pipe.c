/* SPDX-License-Identifier: MIT */

/*
 * pipe: packets to and from a client's socket.
 *
 *     open ---(over() told)---> over ---.
 *       '----------bus_pipe_free()------+---> freed, or draining while a reader still reads
 *
 * From the client: packets are read several with one system call, into a batch that outlives a
 * pause, so that a slow link costs no system call for each. An empty packet and the end of file
 * both read as 0 octets. They are told apart by SO_PASSCRED: the kernel puts the sender's
 * credentials to every packet, and nothing to the end of file; as no room is given for them a
 * packet carries MSG_CTRUNC (recvmsg(2)) and the end does not. Descriptors that a client sends
 * along are closed by the kernel for the same lack of room.
 *
 * Towards the client: straight to the socket; what it does not take goes to a ring of octets, each
 * value behind its length in two of them, which grows as needed and is given back when empty. How
 * much may wait is counted per connection, not per socket, or a client could have any amount of
 * memory by acquiring often.
 *
 * A pause leaves the watch alone: only when the client writes meanwhile, POLLIN is taken out of it,
 * and a watch for nothing does not fire on a hang-up either.
 */

#include "pipe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PIPE_BATCH = 8,           /* packets a system call */
    PIPE_BATCHES = 4,         /* a turn of the loop: others are to have theirs */
    PIPE_TRIES = 8,           /* of a system call that was disturbed */
    PIPE_RING = 4096,         /* to begin with */
    PIPE_LINGER_S = 30,       /* that a reader has after the end */
    PIPE_LAST_ROOM = 4 << 20, /* for what waits when there is no later */
};

struct pipe_batch {
    size_t n, next;
    struct mmsghdr head[PIPE_BATCH];
    struct iovec where[PIPE_BATCH];
    uint8_t data[PIPE_BATCH][BUS_PIPE_MAX];
};

/* What waits for readers of one connection; as long as there are pipes of it. */
struct pipe_quota {
    struct list link;
    uint16_t conn;
    unsigned pipes;
    size_t used;
};

struct bus_pipe {
    struct list link; /* of all, or of those that drain */
    struct bus_adapter *adapter;
    struct pipe_quota *quota;
    const struct bus_pipe_ops *ops;
    void *userdata;
    int fd;
    struct bus_watch *watch;
    uint32_t events; /* that the watch waits for */

    size_t max;
    struct pipe_batch *batch; /* NULL until the client writes */
    bool paused;              /* `packet` said so */
    bool deaf;                /* and the client has written meanwhile */

    uint8_t *ring;
    size_t queue_max, size, head, used;

    bool busy;  /* at work, perhaps in its ops: it may not vanish */
    bool over;  /* told */
    bool freed; /* by its user: it drains, or vanishes as soon as it is not busy */
    struct bus_timer linger;
};

struct bus_pipes {
    struct list all, draining; /* struct bus_pipe.link */
    struct list quotas;
    size_t open; /* in both lists */
    uint64_t overflowed, too_long, undelivered, packets_in, packets_out;
};

static struct bus_pipes *pipes_of(const struct bus_adapter *a)
{
    return a->module[BUS_MODULE_pipe];
}

/* ---- the watch, beginning and end ---- */

static void pipe_ready(void *userdata, uint32_t events);

static void pipe_want(struct bus_pipe *p)
{
    uint32_t events = 0;

    if (!p->deaf && !p->over)
        events |= POLLIN;
    if (p->used > 0)
        events |= POLLOUT;
    if (events == p->events)
        return;
    p->events = events;
    p->adapter->bus->options.rewatch_fd(p->watch, events);
}

static struct pipe_quota *pipe_quota(struct bus_pipes *t, uint16_t conn)
{
    struct pipe_quota *q;

    list_each(l, next, &t->quotas)
    {
        q = list_entry(l, struct pipe_quota, link);
        if (q->conn == conn)
            return q;
    }
    q = calloc(1, sizeof(*q));
    if (!q)
        return NULL;
    q->conn = conn;
    list_append(&t->quotas, &q->link);
    return q;
}

static void pipe_drop(struct bus_pipe *p)
{
    p->quota->used -= p->used;
    p->used = 0;
    free(p->ring);
    p->ring = NULL;
    p->size = p->head = 0;
}

static void pipe_destroy(struct bus_pipe *p)
{
    bus_timer_cancel(p->adapter, &p->linger);
    if (p->used > 0)
        pipes_of(p->adapter)->undelivered++;
    if (p->quota) {
        pipe_drop(p);
        if (--p->quota->pipes == 0) {
            list_remove(&p->quota->link);
            free(p->quota);
        }
    }
    if (p->watch)
        p->adapter->bus->options.unwatch_fd(p->watch);
    if (p->fd >= 0)
        close(p->fd);
    list_remove(&p->link);
    pipes_of(p->adapter)->open--;
    free(p->batch);
    free(p);
}

static int pipe_open(struct bus_pipe *p, int *ret_fd)
{
    const struct bus_options *o = &p->adapter->bus->options;
    int fds[2], on = 1;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
        return -errno;
    p->fd = fds[0];
    p->events = POLLIN;
    int r = setsockopt(p->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ? -errno : 0;
    if (r >= 0)
        r = o->watch_fd(o->ctx, p->fd, p->events, pipe_ready, p, &p->watch);
    if (r < 0)
        close(fds[1]);
    else
        *ret_fd = fds[1];
    return r;
}

int bus_pipe_new(struct bus_pipe **ret, struct bus_adapter *a, uint16_t conn, size_t max,
                 size_t queue_max, const struct bus_pipe_ops *ops, void *userdata, int *ret_fd)
{
    struct bus_pipes *t = pipes_of(a);

    if (t->open >= BUS_MAX_PIPES)
        return -ENOBUFS;
    struct bus_pipe *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    *p = (struct bus_pipe){.adapter = a,
                           .ops = ops,
                           .userdata = userdata,
                           .fd = -1,
                           .max = max < BUS_PIPE_MAX ? max : BUS_PIPE_MAX,
                           .queue_max = queue_max};
    list_append(&t->all, &p->link);
    t->open++;
    p->quota = pipe_quota(t, conn);
    if (p->quota)
        p->quota->pipes++;
    int r = p->quota ? pipe_open(p, ret_fd) : -ENOMEM;
    if (r < 0) {
        pipe_destroy(p);
        return r;
    }
    *ret = p;
    return 0;
}

int bus_pipe_claim(struct bus_adapter *a)
{
    if (pipes_of(a)->open >= BUS_MAX_PIPES)
        return -ENOBUFS;
    pipes_of(a)->open++;
    return 0;
}

void bus_pipe_unclaim(struct bus_adapter *a)
{
    pipes_of(a)->open--;
}

static void pipe_linger_over(struct bus_timer *t, uint64_t now)
{
    struct bus_pipe *p = list_entry(t, struct bus_pipe, linger);

    (void)now;
    bus_log(p->adapter->bus, BL_LOG_WARNING,
            "%s: a socket that was hung up was not read to its end: %zu octets are thrown away",
            p->adapter->name, p->used);
    pipe_destroy(p);
}

static void pipe_flush(struct bus_pipe *p);

/* Its user has let go of it. */
static void pipe_finish(struct bus_pipe *p)
{
    struct bus_adapter *a = p->adapter;

    if (p->used > 0)
        pipe_flush(p);
    if (p->used == 0) {
        pipe_destroy(p);
        return;
    }
    p->deaf = true;
    (void)shutdown(p->fd, SHUT_RD); /* what the client writes is refused from now on */
    pipe_want(p);
    list_remove(&p->link);
    list_append(&pipes_of(a)->draining, &p->link);
    p->linger.fire = pipe_linger_over;
    bus_timer_set(a, &p->linger, bus_now(a) + PIPE_LINGER_S * (uint64_t)1000000);
}

struct bus_pipe *bus_pipe_free(struct bus_pipe *p)
{
    if (p && !p->freed) {
        p->freed = true;
        if (!p->busy)
            pipe_finish(p);
    }
    return NULL;
}

/* Between these two it outlives what its user does; after the outer pipe_leave() it may be gone. */
static bool pipe_enter(struct bus_pipe *p)
{
    bool outer = !p->busy;

    p->busy = true;
    return outer;
}

static void pipe_leave(struct bus_pipe *p, bool outer)
{
    if (!outer)
        return;
    p->busy = false;
    if (p->freed)
        pipe_finish(p);
}

/* p may be gone afterwards, unless it is entered. */
static void pipe_over(struct bus_pipe *p, const char *why)
{
    if (p->over)
        return;
    bool outer = pipe_enter(p);
    p->over = true;
    p->paused = false;
    pipe_want(p);
    p->ops->over(p->userdata, why);
    pipe_leave(p, outer);
}

/* ---- towards the client ---- */

static void pipe_copy_in(struct bus_pipe *p, const void *from, size_t n)
{
    size_t at = (p->head + p->used) % p->size, first = n < p->size - at ? n : p->size - at;

    memcpy(p->ring + at, from, first);
    memcpy(p->ring, (const uint8_t *)from + first, n - first);
    p->used += n;
    p->quota->used += n;
}

static void pipe_copy_out(const struct bus_pipe *p, size_t offset, void *to, size_t n)
{
    size_t at = (p->head + offset) % p->size, first = n < p->size - at ? n : p->size - at;

    memcpy(to, p->ring + at, first);
    memcpy((uint8_t *)to + first, p->ring, n - first);
}

/* Room for n more; false where that is too much, or more than there is. */
static bool pipe_reserve(struct bus_pipe *p, size_t n)
{
    size_t size = p->size ? p->size : PIPE_RING;

    if (p->quota->used + n > p->queue_max)
        return false;
    while (size < p->used + n)
        size *= 2;
    if (size == p->size)
        return true;
    uint8_t *ring = malloc(size);
    if (!ring)
        return false;
    if (p->used > 0)
        pipe_copy_out(p, 0, ring, p->used);
    free(p->ring);
    p->ring = ring;
    p->size = size;
    p->head = 0;
    return true;
}

/* Whether the socket took it; true as well where the reader has gone, which its end of file tells.
 */
static bool pipe_push(struct bus_pipe *p, const uint8_t *data, size_t n)
{
    if (send(p->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN;
    pipes_of(p->adapter)->packets_out++;
    return true;
}

int bus_pipe_send(struct bus_pipe *p, const uint8_t *data, size_t n)
{
    uint8_t length[2] = {(uint8_t)n, (uint8_t)(n >> 8)};

    if (p->over)
        return -ENOBUFS;
    if (n > BUS_PIPE_MAX)
        return -EMSGSIZE;
    if (p->used == 0 && pipe_push(p, data, n))
        return 0;
    if (!pipe_reserve(p, n + sizeof(length))) {
        pipes_of(p->adapter)->overflowed++;
        pipe_over(p, "its reader leaves too much unread");
        return -ENOBUFS;
    }
    pipe_copy_in(p, length, sizeof(length));
    if (n > 0)
        pipe_copy_in(p, data, n);
    pipe_want(p);
    return 0;
}

static void pipe_flush(struct bus_pipe *p)
{
    uint8_t value[BUS_PIPE_MAX], length[2];

    while (p->used > 0) {
        pipe_copy_out(p, 0, length, sizeof(length));
        size_t n = (size_t)(length[0] | length[1] << 8), whole = n + sizeof(length);
        pipe_copy_out(p, sizeof(length), value, n);
        if (!pipe_push(p, value, n))
            break;
        p->head = (p->head + whole) % p->size;
        p->used -= whole;
        p->quota->used -= whole;
    }
    if (p->used == 0)
        pipe_drop(p); /* a ring that a burst needed goes back */
    pipe_want(p);
}

/* ---- from the client ---- */

static void pipe_deliver(struct bus_pipe *p)
{
    struct pipe_batch *b = p->batch;
    char why[96];

    while (b && b->next < b->n && !p->paused && !p->over && !p->freed) {
        size_t i = b->next++, n = b->head[i].msg_len;
        if (!(b->head[i].msg_hdr.msg_flags & MSG_CTRUNC)) {
            pipe_over(p, NULL); /* the end of file */
        } else if (!p->ops->packet) {
            pipe_over(p, "its client wrote, where there is only to read");
        } else if (n > p->max) {
            pipes_of(p->adapter)->too_long++;
            snprintf(why, sizeof(why), "its client wrote %zu octets, where %zu are the most", n,
                     p->max);
            pipe_over(p, why);
        } else {
            pipes_of(p->adapter)->packets_in++;
            p->paused = !p->ops->packet(p->userdata, b->data[i], n);
        }
    }
}

static struct pipe_batch *pipe_batch(struct bus_pipe *p)
{
    if (p->batch)
        return p->batch;
    p->batch = calloc(1, sizeof(*p->batch));
    for (size_t i = 0; p->batch && i < PIPE_BATCH; i++) {
        p->batch->where[i] = (struct iovec){p->batch->data[i], BUS_PIPE_MAX};
        p->batch->head[i].msg_hdr.msg_iov = &p->batch->where[i];
        p->batch->head[i].msg_hdr.msg_iovlen = 1;
    }
    return p->batch;
}

/* Reads a batch; false where there is none (any more). */
static bool pipe_receive(struct bus_pipe *p)
{
    struct pipe_batch *b = pipe_batch(p);
    int n;

    if (!b) {
        pipe_over(p, "no memory");
        return false;
    }
    /* A client that closed with values unread leaves an error before what it had written. */
    int tries = PIPE_TRIES;
    do
        n = recvmmsg(p->fd, b->head, PIPE_BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
    while (n < 0 && (errno == EINTR || errno == ECONNRESET) && --tries > 0);
    b->next = 0;
    b->n = n > 0 ? (size_t)n : 0;
    if (n < 0 && errno != EAGAIN)
        pipe_over(p, strerror(errno));
    return n > 0;
}

static void pipe_read(struct bus_pipe *p)
{
    bool full = true;

    for (int i = 0; i < PIPE_BATCHES && full; i++) {
        if (!pipe_receive(p))
            return;
        full = p->batch->n == PIPE_BATCH;
        pipe_deliver(p);
        if (p->paused || p->over || p->freed)
            return;
    }
}

void bus_pipe_pause(struct bus_pipe *p)
{
    p->paused = true;
}

void bus_pipe_resume(struct bus_pipe *p)
{
    if (!p->paused || p->over || p->busy)
        return;
    bool outer = pipe_enter(p);
    p->paused = false;
    pipe_deliver(p); /* what is left of the batch in which `packet` said to pause */
    if (p->deaf && !p->paused && !p->over && !p->freed)
        pipe_read(p); /* there is more: without two changes of the watch for each batch */
    if (!p->paused && !p->over && !p->freed) {
        p->deaf = false;
        pipe_want(p);
    }
    pipe_leave(p, outer);
}

/* An end that is still open is not read: its client could go on for ever. */
bool bus_pipe_look(struct bus_pipe *p)
{
    struct pollfd f = {.fd = p->fd, .events = POLLRDHUP};

    if (p->busy || poll(&f, 1, 0) <= 0 || !(f.revents & (POLLHUP | POLLRDHUP)))
        return true;
    bool outer = pipe_enter(p);
    while (!p->paused && !p->over && !p->freed && pipe_receive(p))
        pipe_deliver(p);
    pipe_leave(p, outer);
    return false;
}

void bus_pipe_close_in(struct bus_pipe *p)
{
    (void)shutdown(p->fd, SHUT_RD); /* reads as an end of file behind what is there */
}

void bus_pipe_set_max(struct bus_pipe *p, size_t max)
{
    p->max = max < BUS_PIPE_MAX ? max : BUS_PIPE_MAX;
}

/* ---- both ---- */

static void pipe_ready(void *userdata, uint32_t events)
{
    struct bus_pipe *p = userdata;

    if (p->used > 0 && events & POLLOUT)
        pipe_flush(p);
    if (p->freed) {
        if (p->used == 0)
            pipe_destroy(p);
        return;
    }
    if (p->over || !(events & POLLIN))
        return;
    if (p->paused) {
        p->deaf = true;
        pipe_want(p);
        return;
    }
    bool outer = pipe_enter(p);
    pipe_read(p);
    pipe_leave(p, outer);
}

/* ---- the module ---- */

static int pipes_init(struct bus_adapter *a)
{
    struct bus_pipes *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;
    list_init(&t->all);
    list_init(&t->draining);
    list_init(&t->quotas);
    a->module[BUS_MODULE_pipe] = t;
    return 0;
}

static void pipes_deinit(struct bus_adapter *a)
{
    struct bus_pipes *t = pipes_of(a);
    int room = PIPE_LAST_ROOM;

    if (!t)
        return;
    list_each(l, next, &t->draining)
    {
        struct bus_pipe *p = list_entry(l, struct bus_pipe, link);
        if (setsockopt(p->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
            (void)setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
        pipe_flush(p);
        pipe_destroy(p);
    }
    list_each(l, next, &t->all) pipe_destroy(list_entry(l, struct bus_pipe, link));
    free(t);
    a->module[BUS_MODULE_pipe] = NULL;
}

static void pipes_stats(struct bus_adapter *a, sd_bus_message *reply)
{
    const struct bus_pipes *t = pipes_of(a);

    bus_stat(reply, "sockets-open", t->open);
    bus_stat(reply, "socket-packets-received", t->packets_in);
    bus_stat(reply, "socket-packets-sent", t->packets_out);
    bus_stat(reply, "sockets-too-long", t->too_long);
    bus_stat(reply, "sockets-overflowed", t->overflowed);
    bus_stat(reply, "sockets-undelivered", t->undelivered);
}

const struct bus_module bus_module_pipe = {
    .init = pipes_init,
    .deinit = pipes_deinit,
    .stats = pipes_stats,
};
