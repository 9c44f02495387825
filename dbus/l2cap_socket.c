/* SPDX-License-Identifier: MIT */

/*
 * l2cap_socket: L2cap1's Acquire: a channel as a SOCK_SEQPACKET socket, an SDU a packet.
 *
 *     open --the client closes, writes too much--> drained --DISCONNECTED--> freed
 *       |--Disconnect, its owner or its client goes--> closing --all read, or too late--> drained
 *       '--DISCONNECTED--> the reader's: freed when all that has come is in the socket
 *
 * Nothing is copied and nothing is kept here: packets are read straight into the stack's slots, as
 * many as it has with one system call, and SDUs sent from where the stack has joined them. Where
 * the peer gives no credits the client's packets stay in the socket, until that is full; where the
 * client does not read, SDUs stay in the stack, which gives the peer no credits for them.
 *
 * An empty packet and the end of file are told apart as in pipe.c, by SO_PASSCRED. As there, while
 * the peer takes nothing the watch is left alone until the client writes. From then on a timer
 * looks whether the client has hung up, since the end of file is behind what is not read: it is
 * `closing` then too.
 *
 * When the channel has ended the socket's buffer is made as large as may be, so that what has come
 * is the client's to read even after the link, which the stack's store ends with.
 */

#include "l2cap.h"
#include "pipe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SOCKET_OUT = 16,         /* SDUs a system call towards the client */
    SOCKET_TURNS = 4,        /* batches of the client's a turn of the loop */
    SOCKET_TRIES = 8,        /* of a system call that was disturbed */
    SOCKET_ROOM = 128 << 10, /* the kernel wants a packet and a little more in the buffer */
    SOCKET_LAST_ROOM = 1 << 20,
    SOCKET_RETRY_US = 5000,     /* where there was no memory */
    SOCKET_LOOK_US = 1000000,   /* while the peer takes nothing, or closing */
    SOCKET_IDLE_US = 5000000,   /* closing: without the peer taking anything... */
    SOCKET_LATE_US = 300000000, /* ...and in all, which a slow link needs for a full socket */
};

struct bus_l2cap_socket {
    struct bus_thing thing; /* of whoever acquired it */
    struct bus_channel *ch;
    int fd;
    struct bus_watch *watch;
    uint32_t events; /* that the watch waits for */
    bool full;       /* the client reads too slowly: POLLOUT is awaited */
    bool deserted;   /* nobody reads: what comes is thrown away */
    bool stalled;    /* the peer takes nothing: SEND_READY is awaited... */
    bool deaf;       /* ...and the client has written meanwhile */
    bool closing;    /* it may write no more */
    bool drained;    /* the client's last packet has been taken */
    struct bus_timer look, retry;
    size_t frames; /* closing: of what the stack has, when they were last counted */
    uint64_t idle, give_up;
};

const struct bus_owner *bus_l2cap_socket_owner(const struct bus_l2cap_socket *s)
{
    return s->thing.owner ? s->thing.owner : s->ch->adapter->owners[0];
}

static void socket_want(struct bus_l2cap_socket *s)
{
    uint32_t events = 0;

    if (!s->drained && !s->deaf)
        events |= POLLIN;
    if (s->full)
        events |= POLLOUT;
    if (events == s->events)
        return;
    s->events = events;
    s->ch->adapter->bus->options.rewatch_fd(s->watch, events);
}

/* The client has written its last: the channel is closed when that has left. */
static void socket_drained(struct bus_l2cap_socket *s, const char *why)
{
    struct bus_channel *ch = s->ch;

    if (why)
        bus_news(ch->adapter, "connection %u: the socket of channel 0x%04x is hung up: %s",
                 ch->conn, ch->cid, why);
    s->drained = true;
    bus_timer_cancel(ch->adapter, &s->look);
    (void)shutdown(s->fd, SHUT_RD); /* what it writes from now on is refused */
    bus_l2cap_close(ch);
}

/* ---- from the peer to the client ---- */

static void socket_discard(struct bus_l2cap_socket *s)
{
    struct bus_channel *ch = s->ch;
    size_t octets, sdus;

    if (bl_l2cap_available(ch->adapter->host, ch->conn, ch->cid, &octets, &sdus) < 0 || sdus == 0)
        return;
    (void)bl_l2cap_consume_sdus(ch->adapter->host, bus_now(ch->adapter), ch->conn, ch->cid, sdus);
    bus_kick(ch->adapter);
}

/* How many of the SDUs that wait the socket took; they are consumed. */
static size_t socket_give_batch(struct bus_l2cap_socket *s, size_t *ret_n)
{
    struct bus_channel *ch = s->ch;
    struct bus_adapter *a = ch->adapter;
    struct mmsghdr head[SOCKET_OUT];
    struct iovec where[SOCKET_OUT];
    const uint8_t *sdu;
    size_t n = 0, len;
    int sent;

    while (n < SOCKET_OUT && bl_l2cap_peek(a->host, ch->conn, ch->cid, n, &sdu, &len)) {
        where[n] = (struct iovec){(void *)(uintptr_t)sdu, len}; /* sendmmsg() reads it only */
        head[n] = (struct mmsghdr){.msg_hdr = {.msg_iov = &where[n], .msg_iovlen = 1}};
        n++;
    }
    *ret_n = n;
    if (n == 0)
        return 0;
    bus_l2cap_of(a)->socket_writes++;
    sent = sendmmsg(s->fd, head, (unsigned)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) {
        /* ECONNRESET tells once that the client has closed with packets of its own unread. */
        s->deserted = errno != EAGAIN && errno != EINTR && errno != ECONNRESET && errno != ENOBUFS;
        if (errno == EMSGSIZE)
            socket_drained(s, "an SDU is longer than its buffer can be made");
        return 0;
    }
    bus_l2cap_of(a)->socket_out += (size_t)sent;
    (void)bl_l2cap_consume_sdus(a->host, bus_now(a), ch->conn, ch->cid, (size_t)sent);
    bus_kick(a);
    return (size_t)sent;
}

/* All that waits, or as much as goes in. */
static void socket_give(struct bus_l2cap_socket *s)
{
    size_t n, sent;

    s->full = false;
    while (!s->deserted && !s->full) {
        sent = socket_give_batch(s, &n);
        if (n == 0)
            break;
        s->full = sent < n;
    }
    if (s->deserted) {
        s->full = false;
        socket_discard(s);
    }
    socket_want(s);
}

void bus_l2cap_socket_received(struct bus_l2cap_socket *s)
{
    if (!s->full)
        socket_give(s);
}

/* ---- from the client to the peer ---- */

static void socket_too_long(struct bus_l2cap_socket *s, size_t n, size_t max)
{
    char why[96];

    bus_l2cap_of(s->ch->adapter)->too_long++;
    snprintf(why, sizeof(why), "its client wrote %zu octets, where %zu are the most", n, max);
    socket_drained(s, why);
}

/* What of these is to be sent: their lengths. Behind the end of file, or a packet that is too long,
 * nothing is. */
static size_t socket_usable(const struct mmsghdr *head, size_t n, size_t *ret_len)
{
    size_t k = 0;

    while (k < n && head[k].msg_hdr.msg_flags & MSG_CTRUNC &&
           !(head[k].msg_hdr.msg_flags & MSG_TRUNC)) {
        ret_len[k] = head[k].msg_len;
        k++;
    }
    return k;
}

static int socket_read(struct bus_l2cap_socket *s, struct mmsghdr *head, size_t n)
{
    int tries = SOCKET_TRIES, r;

    bus_l2cap_of(s->ch->adapter)->socket_reads++;
    do
        r = recvmmsg(s->fd, head, (unsigned)n, MSG_DONTWAIT | MSG_TRUNC, NULL);
    while (r < 0 && (errno == EINTR || errno == ECONNRESET) && --tries > 0);
    if (r < 0 && errno != EAGAIN)
        socket_drained(s, strerror(errno));
    return r;
}

/* One batch. True: there may be more, and the peer takes it. */
static bool socket_take_batch(struct bus_l2cap_socket *s)
{
    struct bus_channel *ch = s->ch;
    struct bus_adapter *a = ch->adapter;
    struct bl_l2cap_slot slot[BL_L2CAP_SLOTS];
    struct mmsghdr head[BL_L2CAP_SLOTS];
    struct iovec where[BL_L2CAP_SLOTS];
    size_t len[BL_L2CAP_SLOTS];

    size_t n = bl_l2cap_slots(a->host, ch->conn, ch->cid, slot, BL_L2CAP_SLOTS);
    if (n == 0) {
        s->stalled = true;
        if (!ch->stalled) /* no memory, or it has ended, of which the event is on its way */
            bus_timer_set(a, &s->retry, bus_now(a) + SOCKET_RETRY_US);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        where[i] =
            (struct iovec){slot[i].data, slot[i].size < ch->peer_mtu ? slot[i].size : ch->peer_mtu};
        head[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &where[i], .msg_iovlen = 1}};
    }
    int got = socket_read(s, head, n);
    if (got <= 0)
        return false;
    size_t use = socket_usable(head, (size_t)got, len);
    if (use > 0) {
        int r = bl_l2cap_commit(a->host, bus_now(a), ch->conn, ch->cid, len, use);
        bus_kick(a);
        bus_l2cap_of(a)->socket_in += use;
        s->stalled = r == 0;
        if (r < 0) { /* it has ended; its event is on its way */
            socket_drained(s, NULL);
            return false;
        }
        s->idle = bus_now(a) + SOCKET_IDLE_US;
    }
    if (use < (size_t)got) {
        if (head[use].msg_hdr.msg_flags & MSG_CTRUNC)
            socket_too_long(s, head[use].msg_len, where[use].iov_len);
        else
            socket_drained(s, NULL);
        return false;
    }
    return (size_t)got == n && !s->stalled;
}

static void socket_take(struct bus_l2cap_socket *s)
{
    for (int i = 0; i < SOCKET_TURNS && !s->drained && !s->stalled; i++)
        if (!socket_take_batch(s))
            break;
}

void bus_l2cap_socket_ready(struct bus_l2cap_socket *s)
{
    s->stalled = false;
    if (s->drained)
        return;
    if (s->deaf) /* there is more: without two changes of the watch for each batch */
        socket_take(s);
    if (!s->stalled)
        s->deaf = false;
    socket_want(s);
}

static void socket_retry(struct bus_timer *t, uint64_t now)
{
    (void)now;
    bus_l2cap_socket_ready(list_entry(t, struct bus_l2cap_socket, retry));
}

/* The client may have hung up. */
static void socket_look(struct bus_l2cap_socket *s)
{
    struct bus_adapter *a = s->ch->adapter;
    struct pollfd p = {.fd = s->fd, .events = POLLRDHUP};

    if (s->closing)
        return;
    if (poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLRDHUP))
        bus_l2cap_socket_close(s);
    else
        bus_timer_set(a, &s->look, bus_now(a) + SOCKET_LOOK_US);
}

static void socket_ready(void *userdata, uint32_t events)
{
    struct bus_l2cap_socket *s = userdata;
    struct bus_channel *ch = s->ch;

    if (events & POLLOUT && s->full) {
        socket_give(s);
        if (ch->state == BUS_CHANNEL_ENDED) {
            if (s->full)
                return;
            bus_l2cap_socket_free(s);
            bus_l2cap_read_up(ch);
            return;
        }
    }
    if (!(events & POLLIN) || s->drained)
        return;
    if (s->stalled) {
        s->deaf = true;
        socket_look(s);
    } else {
        socket_take(s);
    }
    socket_want(s);
}

/* ---- the end ---- */

/* Closing: until when it is waited for. A large SDU takes its time, frame by frame. */
static uint64_t socket_until(struct bus_l2cap_socket *s, uint64_t now)
{
    const struct bus_channel *ch = s->ch;
    struct bl_l2cap_info info = {0};

    if (bl_l2cap_info(ch->adapter->host, ch->conn, ch->cid, &info) == 0 &&
        info.tx_frames != s->frames) {
        s->frames = info.tx_frames;
        s->idle = now + SOCKET_IDLE_US;
    }
    return s->idle < s->give_up ? s->idle : s->give_up;
}

static void socket_looks(struct bus_timer *t, uint64_t now)
{
    struct bus_l2cap_socket *s = list_entry(t, struct bus_l2cap_socket, look);

    if (!s->closing) {
        if (s->deaf)
            socket_look(s);
        return;
    }
    uint64_t until = socket_until(s, now);
    if (now >= until)
        socket_drained(s, "it is closed, and what its client wrote has not left in time");
    else
        bus_timer_set(s->ch->adapter, &s->look,
                      now + SOCKET_LOOK_US < until ? now + SOCKET_LOOK_US : until);
}

void bus_l2cap_socket_close(struct bus_l2cap_socket *s)
{
    uint64_t now = bus_now(s->ch->adapter);

    if (s->closing || s->drained)
        return;
    s->closing = true;
    s->give_up = now + SOCKET_LATE_US;
    (void)socket_until(s, now);
    s->idle = now + SOCKET_IDLE_US;
    bus_timer_set(s->ch->adapter, &s->look, now + SOCKET_LOOK_US);
    (void)shutdown(s->fd, SHUT_RD); /* reads as an end of file behind what is there */
}

bool bus_l2cap_socket_ended(struct bus_l2cap_socket *s)
{
    int room = SOCKET_LAST_ROOM;

    bus_timer_cancel(s->ch->adapter, &s->look);
    s->drained = true;
    (void)shutdown(s->fd, SHUT_RD);
    socket_give(s);
    if (s->full) {
        if (setsockopt(s->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
            (void)setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
        socket_give(s);
    }
    if (s->full && (s->thing.releasing || s->ch->thing.releasing)) {
        s->deserted = true;
        socket_give(s);
    }
    if (s->full)
        return false;
    bus_l2cap_socket_free(s);
    return true;
}

/* Its client's unread packets would be an error to the client before what it has to read. */
static void socket_empty(const struct bus_l2cap_socket *s)
{
    struct mmsghdr head[SOCKET_OUT] = {0};
    char nothing[1];
    struct iovec where = {nothing, sizeof(nothing)};
    int got;

    for (int i = 0; i < SOCKET_OUT; i++)
        head[i].msg_hdr = (struct msghdr){.msg_iov = &where, .msg_iovlen = 1};
    do
        got = recvmmsg(s->fd, head, SOCKET_OUT, MSG_DONTWAIT, NULL);
    while (got == SOCKET_OUT && head[0].msg_hdr.msg_flags & MSG_CTRUNC);
}

void bus_l2cap_socket_free(struct bus_l2cap_socket *s)
{
    if (!s)
        return;
    struct bus_adapter *a = s->ch->adapter;

    bus_timer_cancel(a, &s->look);
    bus_timer_cancel(a, &s->retry);
    if (s->watch)
        a->bus->options.unwatch_fd(s->watch);
    if (s->fd >= 0) {
        (void)shutdown(s->fd, SHUT_RD);
        socket_empty(s);
        close(s->fd);
    }
    s->ch->socket = NULL;
    bus_thing_remove(&s->thing);
    bus_pipe_unclaim(a);
    bus_l2cap_of(a)->n_sockets--;
    free(s);
}

static void socket_release(struct bus_thing *thing)
{
    struct bus_l2cap_socket *s = list_entry(thing, struct bus_l2cap_socket, thing);
    struct bus_channel *ch = s->ch;

    if (ch->state != BUS_CHANNEL_ENDED) {
        bus_l2cap_socket_close(s);
        return;
    }
    socket_discard(s);
    bus_l2cap_channel_free(ch);
}

static const struct bus_thing_kind SOCKET = {
    .holds = "sockets",
    .rank = BUS_RANK_CHANNEL,
    .release = socket_release,
};

/* ---- Acquire ---- */

/* A packet that is longer than the buffer is refused (EMSGSIZE), whoever writes it. */
static void socket_room(int fd)
{
    int have = 0, want = SOCKET_ROOM;
    socklen_t n = sizeof(have);

    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &have, &n) == 0 && have >= SOCKET_ROOM)
        return;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &want, sizeof(want)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof(want));
}

static int socket_open(struct bus_l2cap_socket *s, int *ret_fd)
{
    const struct bus_options *o = &s->ch->adapter->bus->options;
    int fds[2], on = 1;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
        return -errno;
    s->fd = fds[0];
    s->events = POLLIN;
    socket_room(fds[0]);
    socket_room(fds[1]);
    int r = setsockopt(s->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ? -errno : 0;
    if (r >= 0)
        r = o->watch_fd(o->ctx, s->fd, s->events, socket_ready, s, &s->watch);
    if (r < 0)
        close(fds[1]);
    else
        *ret_fd = fds[1];
    return r;
}

static int socket_new(struct bus_channel *ch, struct bus_owner *owner, int *ret_fd)
{
    struct bus_conn *c = bus_conn_find(ch->adapter, ch->conn, NULL);

    int r = c ? bus_conn_use(c, owner) : -ENOTCONN;
    if (r >= 0)
        r = bus_pipe_claim(ch->adapter);
    if (r < 0)
        return r;
    struct bus_l2cap_socket *s = calloc(1, sizeof(*s));
    if (!s) {
        bus_pipe_unclaim(ch->adapter);
        return -ENOMEM;
    }
    s->ch = ch;
    s->fd = -1;
    s->look.fire = socket_looks;
    s->retry.fire = socket_retry;
    ch->socket = s;
    bus_l2cap_of(ch->adapter)->n_sockets++;
    bus_thing_add(&s->thing, owner, &SOCKET);
    r = socket_open(s, ret_fd);
    if (r < 0)
        bus_l2cap_socket_free(s);
    return r;
}

int bus_l2cap_method_acquire(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    struct bus_channel *ch;
    bool wait;
    int fd = -1;

    int r = bus_l2cap_enter(a, m, bus_l2cap_method_acquire, &owner, &ch, error);
    if (r != 0)
        return r;
    r = bus_opts_read_wait(m, &wait, error);
    if (r < 0)
        return r;
    if (ch->socket)
        return bus_error_set(error, BUS_BUSY,
                             "Channel 0x%04x of connection %u is a socket of %s already.", ch->cid,
                             ch->conn, bus_l2cap_socket_owner(ch->socket)->who);
    if (ch->closing && ch->state != BUS_CHANNEL_ENDED)
        return bus_error_set(error, BUS_NOT_FOUND,
                             "Channel 0x%04x of connection %u is being closed.", ch->cid, ch->conn);
    r = socket_new(ch, owner, &fd);
    if (r < 0)
        return bus_error_errno(error, r, "a socket for channel 0x%04x of connection %u", ch->cid,
                               ch->conn);
    r = sd_bus_reply_method_return(m, "h", fd);
    close(fd); /* sent as a duplicate */
    if (r < 0) {
        bus_l2cap_socket_free(ch->socket);
        return r;
    }
    if (ch->state != BUS_CHANNEL_ENDED)
        socket_give(ch->socket);
    else if (bus_l2cap_socket_ended(ch->socket))
        bus_l2cap_read_up(ch);
    return 1;
}
