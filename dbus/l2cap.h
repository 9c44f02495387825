/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * l2cap: org.bled.L2cap1. l2cap.c has the channels and what is told of them; l2cap_listen.c
 * listeners and the peer's requests; l2cap_connect.c Connect and Reconfigure; l2cap_data.c Send,
 * Receive, Available; l2cap_socket.c channels as sockets.
 */

#include "conn.h"

#define L2CAP_INTERFACE "org.bled.L2cap1"

/* Events, in the order of events.c. */
void bus_l2cap_on_accept(struct bus_adapter *a, const struct bl_event *e);
void bus_l2cap_on_connected(struct bus_adapter *a, const struct bl_event *e);
void bus_l2cap_on_ended(struct bus_adapter *a, const struct bl_event *e);
void bus_l2cap_on_received(struct bus_adapter *a, const struct bl_event *e);
void bus_l2cap_on_send_ready(struct bus_adapter *a, const struct bl_event *e);
void bus_l2cap_on_reconfigured(struct bus_adapter *a, const struct bl_event *e);
/* BL_EV_DISCONNECTED: what was left of its channels to be read goes. */
void bus_l2cap_on_disconnected(struct bus_adapter *a, const struct bl_event *e);

/* An owner uses a connection no more: its channels and sockets on it are closed. */
void bus_l2cap_leave(struct bus_adapter *a, const struct bus_owner *owner, uint16_t conn);

/* ---- between the files of the module ---- */

enum { BUS_L2CAP_BUCKETS = 64 }; /* as many as a connection has CIDs */

struct bus_l2cap {
    struct list channels[BUS_L2CAP_BUCKETS]; /* struct bus_channel.link, by CID */
    struct list listeners;                   /* struct bus_listener.link */
    size_t n_channels, n_listeners, n_asked;
    size_t n_sockets;
    uint64_t socket_in, socket_out, socket_reads, socket_writes, too_long;
};

static inline struct bus_l2cap *bus_l2cap_of(const struct bus_adapter *a)
{
    return a->module[BUS_MODULE_l2cap];
}

/*
 *     ACCEPT --> ASKED --Reply, 5 s--> COMING --CONNECTED--> OPEN --DISCONNECTED--> gone
 *        '-----(no authorize)------------^        (ours)------^         '--> ENDED: unread SDUs
 */
enum bus_channel_state {
    BUS_CHANNEL_ASKED,
    BUS_CHANNEL_COMING,
    BUS_CHANNEL_OPEN,
    BUS_CHANNEL_ENDED, /* until what has come is read, or the link ends */
};

struct bus_l2cap_socket;

struct bus_channel {
    struct bus_thing thing;
    struct list link;
    struct bus_adapter *adapter;
    enum bus_channel_state state;
    uint16_t conn, cid, psm, our_mtu, peer_mtu;
    bool closing; /* bl_l2cap_disconnect() has been called */
    bool stalled; /* Send said false: SendReady is due */
    struct bus_l2cap_socket *socket;
    struct list ends;       /* Disconnect calls that wait */
    struct bus_timer timer; /* ASKED: the default answer */
    uint32_t request, host_request;
};

struct bus_listener {
    struct bus_thing thing;
    struct list link;
    struct bus_adapter *adapter;
    struct bl_l2cap_listen params;
    bool away; /* the controller is lost: made again by restore() */
};

/* ---- l2cap.c ---- */

struct bus_channel *bus_l2cap_find(struct bus_adapter *a, uint16_t conn, uint16_t cid);
/* What a method on a channel begins with: bus_enter(), conn and cid read from the message, the
 * channel found, which is the caller's or the daemon's, and is connected or ENDED. 0; 1: put off;
 * negative with error set. */
int bus_l2cap_enter(struct bus_adapter *a, sd_bus_message *m, sd_bus_message_handler_t handler,
                    struct bus_owner **ret_owner, struct bus_channel **ret, sd_bus_error *error);
/* Whether a PSM and an MTU of ours are such; else InvalidArgs naming the value. */
int bus_l2cap_check(uint16_t psm, uint16_t mtu, uint16_t mtu_min, sd_bus_error *error);
/* A channel of this owner, in the table; NULL: no memory. */
struct bus_channel *bus_l2cap_channel_new(struct bus_adapter *a, struct bus_owner *owner,
                                          const struct bl_event *e, enum bus_channel_state state);
/* Answers its Disconnect calls; no signal. */
void bus_l2cap_channel_free(struct bus_channel *ch);
/* Has the stack disconnect it; DISCONNECTED follows. */
void bus_l2cap_close(struct bus_channel *ch);
/* ENDED and nothing is left to be read: it is gone. */
void bus_l2cap_read_up(struct bus_channel *ch);
static inline bus_mask bus_l2cap_audience(const struct bus_channel *ch)
{
    return ch->thing.owner ? bus_owner_bit(ch->thing.owner) : 0;
}

/* ---- l2cap_listen.c ---- */

int bus_l2cap_method_listen(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_l2cap_method_stop_listening(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_l2cap_method_reply(sd_bus_message *m, void *userdata, sd_bus_error *error);
/* ASKED no more. */
void bus_l2cap_answered(struct bus_channel *ch);
/* ASKED: the peer is refused, the channel freed. */
void bus_l2cap_refuse(struct bus_channel *ch, enum bl_l2cap_result result);
void bus_l2cap_listeners_inactive(struct bus_adapter *a, bool keep);
void bus_l2cap_listeners_restore(struct bus_adapter *a);
void bus_l2cap_listeners_free(struct bus_adapter *a);

/* ---- l2cap_connect.c ---- */

int bus_l2cap_method_connect(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_l2cap_method_reconfigure(sd_bus_message *m, void *userdata, sd_bus_error *error);
/* For whom this operation of ours opens channels; NULL: whoever it was has gone. */
struct bus_owner *bus_l2cap_connect_owner(struct bus_adapter *a, bl_op op);
/* BL_EV_L2CAP_DISCONNECTED with cid 0. */
void bus_l2cap_connect_refused(struct bus_adapter *a, const struct bl_event *e);

/* ---- l2cap_data.c ---- */

int bus_l2cap_method_send(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_l2cap_method_receive(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_l2cap_method_available(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* ---- l2cap_socket.c ---- */

int bus_l2cap_method_acquire(sd_bus_message *m, void *userdata, sd_bus_error *error);
/* Whose it is, for errors. */
const struct bus_owner *bus_l2cap_socket_owner(const struct bus_l2cap_socket *s);
/* An SDU has come. */
void bus_l2cap_socket_received(struct bus_l2cap_socket *s);
/* The peer takes SDUs again. */
void bus_l2cap_socket_ready(struct bus_l2cap_socket *s);
/* The channel is to be closed as soon as what its client has written has been taken. */
void bus_l2cap_socket_close(struct bus_l2cap_socket *s);
/* The channel has ended: what has come goes to the socket, and then it is hung up. True: it is
 * gone; false: its reader has not read, and the channel stays ENDED until it has. */
bool bus_l2cap_socket_ended(struct bus_l2cap_socket *s);
/* Hangs up and frees. NULL is fine. */
void bus_l2cap_socket_free(struct bus_l2cap_socket *s);
