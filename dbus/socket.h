/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * socket: what the sockets of the two GATT interfaces have in common: a pipe for one handle on one
 * connection, a thing of whoever acquired it, hung up with any of them.
 *
 * Towards the peer (AcquireWrite, AcquireNotify of the server) each packet of the client's goes to
 * kind->send(); one that finds no room holds the pipe until there is. Towards the client the
 * interface calls bus_pipe_send(s->pipe).
 */

#include "conn.h"
#include "pipe.h"

struct bus_attr;
struct bus_socket;
struct bus_sub;

struct bus_socket_kind {
    const char *method; /* that acquires it */
    bool server;        /* of GattServer1 */
    /* 1: taken, another may follow; 0: taken, when *op ends another may; -EAGAIN: not taken, again
     * later; else negative: the socket is over. NULL: clients do not write. */
    int (*send)(struct bus_socket *s, const uint8_t *data, size_t n, bl_op *op);
    /* May be NULL. It goes: nothing may refer to it any more. */
    void (*gone)(struct bus_socket *s);
};

struct bus_socket {
    struct bus_thing thing; /* rank CHANNEL */
    struct list link;       /* of the adapter's */
    struct list of_attr;    /* bus_attr.pipes, of the server's */
    struct bus_adapter *adapter;
    const struct bus_socket_kind *kind;
    uint16_t conn, handle;
    bool made_use; /* the owner was no user of the connection before */
    struct bus_pipe *pipe;
    struct bus_attr *attr;        /* the server's */
    struct bus_sub *sub;          /* the client's AcquireNotify */
    struct bus_call *subscribing; /* the same, as long as its call waits */

    struct socket_turn *turn; /* the operation that the next packet waits for */
    uint8_t *held;            /* a packet that found no room, tried again by `retry` */
    size_t held_len;
    struct bus_timer retry; /* or its turn has come, where another was before it */
    struct bus_timer late;  /* its owner goes, and what it has written is still on its way */
};

/* The first socket of this kind; NULL when there is none. Behind it there may be others, where its
 * client has closed it. */
struct bus_socket *bus_socket_find(struct bus_adapter *a, const struct bus_socket_kind *kind,
                                   uint16_t conn, uint16_t handle);
/* A new one (*ret_fd: the client's end, for bus_socket_give()), and the owner a user of the
 * connection. Negative with error set: Busy where there is one already that is not closed. What a
 * closed one has goes to the peer first. */
int bus_socket_new(struct bus_socket **ret, const struct bus_socket_kind *kind,
                   struct bus_owner *owner, struct bus_conn *c, uint16_t handle, int *ret_fd,
                   sd_bus_error *error);
/* Hangs up and frees. */
void bus_socket_end(struct bus_socket *s);
/* The same for one that nobody has got: nor does its owner use the connection for it. */
void bus_socket_undo(struct bus_socket *s);
/* Hands over the client's end, and closes ours of it in any case. 1 or negative, for the handler
 * to return: the socket has ended then. */
int bus_socket_give(struct bus_socket *s, sd_bus_message *m, int fd);

/* Those of a connection that has ended, of one of the interfaces. */
void bus_sockets_conn_gone(struct bus_adapter *a, uint16_t conn, bool server);
/* Those of an owner that uses the connection no more. */
void bus_sockets_end_all(struct bus_adapter *a, const struct bus_owner *owner, uint16_t conn);
/* BL_EV_MTU: packets may be longer. */
void bus_sockets_on_mtu(struct bus_adapter *a, const struct bl_event *e);
