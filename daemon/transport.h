/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * transport: the way to one controller. Packets in both directions are H4: type first.
 *
 * One kind a file behind struct transport_kind; all are non-blocking, and none logs or retries: the
 * adapter does. A transport is open or connecting while fd >= 0.
 */

#include "h4.h"
#include "spec.h"

#include <stdbool.h>

struct addrinfo;
struct transport;

struct transport_kind {
    /* 0: open (t->fd set); 1: connecting, connected() is to be called when fd is writable. */
    int (*open)(struct transport *t);
    int (*connected)(struct transport *t);
    /* Reads by one system call; 0 also when there was nothing. Then next() until it is 0. */
    int (*fill)(struct transport *t);
    ssize_t (*next)(struct transport *t, const uint8_t **ret);
    /* Makes the last packet the next one again. */
    void (*unread)(struct transport *t);
    /* Writes bytes of whole packets and tells how much went: *ret_sent < n, the kernel has no room.
     */
    int (*send)(struct transport *t, const uint8_t *bytes, size_t n, size_t *ret_sent);
    /* A sentence for a person about -error of any of these. */
    void (*explain)(const struct transport *t, int error, char *out, size_t n);
};

struct transport {
    const struct transport_kind *kind;
    const struct spec *spec;
    int fd;
    struct h4 rx;                 /* the stream kinds' */
    struct hci_user_batch *batch; /* the user channel's */
    uint8_t *tx;
    size_t tx_cap, tx_len, tx_at;
    struct addrinfo *resolved; /* tcp: what the host's name stands for */
    struct addrinfo *next;
    bool looked_up;
};

/* spec is borrowed. */
void transport_init(struct transport *t, const struct spec *spec);
int transport_open(struct transport *t);
int transport_connected(struct transport *t);
/* Bytes that wait are forgotten. */
void transport_close(struct transport *t);
void transport_done(struct transport *t);

/*
 * Receiving: transport_fill() when fd is readable, which is one system call, then packets from
 * transport_next() until it is 0, each borrowed until the next call. A packet that cannot be taken
 * now is left for later by transport_unread(), and no fill() until it was taken.
 * -errno: the transport is dead. -EPIPE: the other end hung up; -EBADMSG: what comes is no HCI.
 */
int transport_fill(struct transport *t);
ssize_t transport_next(struct transport *t, const uint8_t **ret);
void transport_unread(struct transport *t);

/* Takes a copy of a packet; transport_flush() writes as much as goes. 0: all is written, -EAGAIN:
 * go on when fd is writable. */
int transport_queue(struct transport *t, const uint8_t *packet, size_t n);
int transport_flush(struct transport *t);
size_t transport_queued(const struct transport *t);

void transport_explain(const struct transport *t, int error, char *out, size_t n);

/* The kinds. */
extern const struct transport_kind hci_user_kind;
extern const struct transport_kind transport_unix_kind;
extern const struct transport_kind transport_tcp_kind;
extern const struct transport_kind transport_tty_kind;

/* Whether Linux's serial lines have that baud rate. */
bool transport_tty_has_rate(uint32_t baud);

/* Shared by the stream kinds. */
int transport_stream_fill(struct transport *t);
ssize_t transport_stream_next(struct transport *t, const uint8_t **ret);
void transport_stream_unread(struct transport *t);
int transport_stream_send(struct transport *t, const uint8_t *bytes, size_t n, size_t *ret_sent);
int transport_stream_connected(struct transport *t);
