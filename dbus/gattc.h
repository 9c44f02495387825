/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * gattc: org.bled.GattClient1: procedures on a peer's server (gatt_client.c: discovery;
 * gattc_value.c: reads and writes; gattc_subscribe.c: subscriptions, ListenFor, what is notified
 * and to whom), and its sockets (gattc_pipe.c).
 *
 * A subscription is a thing of its owner: what it wants of one value handle on one connection. The
 * CCCD is the union of all of them; when one ends, what is left is written.
 */

#include "adapter.h"
#include "conn.h"

#define GATTC_INTERFACE "org.bled.GattClient1"

struct bus_pipe;
struct gattc_target;

struct bus_sub {
    struct bus_thing thing; /* rank SUBSCRIPTION */
    struct bus_adapter *adapter;
    struct gattc_target *target; /* gattc_subscribe.c: the CCCD */
    struct list link;            /* of the target */
    uint16_t conn, handle;
    uint8_t bits;          /* what it wants: 1 notifications, 2 indications */
    uint8_t confirmed;     /* what of it the peer has taken */
    bool made_use;         /* the owner was no user of the connection before */
    bool ending;           /* its owner goes: it ends with the write, whatever that brings */
    struct bus_timer late; /* or then */
    struct bus_pipe *pipe; /* AcquireNotify: values go there in place of signals; else NULL */
};

/* The subscription of this owner through Subscribe; NULL when it has none. */
struct bus_sub *bus_sub_find(struct bus_adapter *a, const struct bus_owner *owner, uint16_t conn,
                             uint16_t handle);
/* What all subscriptions to this handle want together, but for `except`. */
uint8_t bus_sub_union(struct bus_adapter *a, uint16_t conn, uint16_t handle,
                      const struct bus_sub *except);
/* Makes one, at once and without traffic, so that nothing is lost before the CCCD's response; NULL
 * without memory. Writing the CCCD is the caller's (bus_sub_write). The owner becomes a user of the
 * connection. */
struct bus_sub *bus_sub_new(struct bus_adapter *a, struct bus_owner *owner, struct bus_conn *c,
                            uint16_t handle, uint8_t bits);
/*
 * Has the CCCD written so that s gets what it wants; s->bits has just been set. Writes of one CCCD
 * follow each other, and calls that want nothing more than the one under way share its outcome.
 * 0: the call waits, by call->waiting (bus_call_go(call, 0) is the caller's), and its kind's done()
 * is told the outcome as of an operation; when that is a failure it calls bus_sub_failed() or
 * bus_sub_end(). Negative: as bl_gattc_subscribe().
 */
int bus_sub_write(struct bus_sub *s, struct bus_call *call);
/* What bus_sub_write() began for `bits` has failed: s becomes what it was, or ends if it was
 * nothing. Not if a later call has changed it again. */
void bus_sub_failed(struct bus_sub *s, uint8_t bits);
/* Ends it: where that changes the union, the CCCD is written, and nobody waits for that. */
void bus_sub_end(struct bus_sub *s);
/* All of an owner that uses the connection no more. */
void bus_sub_end_all(const struct bus_owner *owner, uint16_t conn);

/* gattc_pipe.c */
int bus_gattc_method_acquire_write(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_gattc_method_acquire_notify(sd_bus_message *m, void *userdata, sd_bus_error *error);
/* A value for s->pipe. s may be gone afterwards: bus_sub_end() has been called on a slow reader. */
void bus_gattc_pipe_value(struct bus_sub *s, const uint8_t *value, size_t n);
void bus_gattc_pipe_conn_gone(struct bus_adapter *a, uint16_t conn);
/* A subscription with a pipe ends, whatever ended it: hung up. Before s is freed. */
void bus_gattc_pipe_sub_gone(struct bus_sub *s);

/* The first checks of every method: bus_enter, conn, the connection. As bus_enter() returns. */
int bus_gattc_enter(struct bus_adapter *a, sd_bus_message *m, sd_bus_message_handler_t handler,
                    struct bus_owner **ret_owner, struct bus_conn **ret_conn, sd_bus_error *error);
/* Fails a call with a status of the client's: Disconnected, Att.NAME..., naming the handle. */
void bus_gattc_fail(struct bus_call *call, bl_status status, const char *what, uint16_t handle,
                    uint16_t conn);

/* Events (events.c). */
void bus_gattc_on_result(struct bus_adapter *a, const struct bl_event *e); /* SERVICE to VALUE */
void bus_gattc_on_value(struct bus_adapter *a, const struct bl_event *e);  /* NOTIFIED, INDICATED */
void bus_gattc_on_services_changed(struct bus_adapter *a, const struct bl_event *e);
void bus_gattc_on_mtu(struct bus_adapter *a, const struct bl_event *e); /* MtuExchanged */
/* OP_DONE, after bus_call_event(): there may be room for what is held. */
void bus_gattc_on_op_done(struct bus_adapter *a, const struct bl_event *e);
void bus_gattc_on_disconnected(struct bus_adapter *a, const struct bl_event *e);
