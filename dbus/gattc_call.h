/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * gattc_call: a call of org.bled.GattClient1 under way, for the files of that interface alone.
 *
 * A row (struct gattc_kind) says what its results are, how the reply is filled and which signals
 * stand for it where nobody waits. Results go into the reply as they come, so that nothing is kept
 * twice; what a peer can make it hold is bounded by its 65,535 handles, because they must rise.
 */

#include "gattc.h"

struct gattc_call {
    struct bus_call call;
    uint16_t conn;
    uint16_t handle;        /* that it is about, for Done signals and errors; 0: no single one */
    bool has_uuid;          /* for errors */
    struct bl_uuid uuid;    /* that it asks for */
    sd_bus_message *reply;  /* being filled, where the caller waits */
    int failed;             /* -errno: the reply cannot be filled */
    bool filled;            /* something is in it */
    sd_bus_message *source; /* Write: the call itself while it is held; value points into it */
    const uint8_t *value;
    size_t n;
    uint8_t mode;
};

struct gattc_kind {
    struct bus_call_kind call;
    const char *what;    /* for errors: "reading" */
    const char *element; /* of the array that the reply is; NULL: it is none */
    /* A result: the fields of an element, or the reply itself. */
    int (*append)(sd_bus_message *reply, const struct bl_event *e);
    /* Where nobody waits: a signal for each result, with conn and these fields, */
    const char *result;
    int (*fields)(sd_bus_message *signal, const struct bl_event *e);
    /* and one for the end: conn, the handle if done_handle, status. NULL: none. */
    const char *done;
    bool done_handle;
};

/* A new call of this kind (0, or negative with error set), and what the stack says to it: refused
 * (r negative: freed, error set) or under way. */
int bus_gattc_call_new(struct bus_adapter *a, sd_bus_message *m, const struct gattc_kind *kind,
                       bool wait, uint16_t conn, uint16_t handle, struct gattc_call **ret,
                       sd_bus_error *error);
int bus_gattc_call_go(struct gattc_call *g, int r, bl_op op, sd_bus_error *error);
/* For kinds: the end of an operation, the caller that has gone, what the call holds. */
void bus_gattc_call_done(struct bus_call *call, const struct bl_event *e);
void bus_gattc_call_cancel(struct bus_call *call);
void bus_gattc_call_drop(struct bus_call *call);
/* The end: the Done signal where nobody waits, else the reply or the error. Does not free it. */
void bus_gattc_call_end(struct gattc_call *g, bl_status status);
/* What the stack refused, as an error that names the connection. */
int bus_gattc_refused(sd_bus_error *error, int r, const char *what, uint16_t handle, uint16_t conn);

/* Handles of arguments: not 0; start to end. InvalidArgs. */
int bus_gattc_check_handle(uint16_t handle, sd_bus_error *error);
int bus_gattc_check_range(uint16_t start, uint16_t end, sd_bus_error *error);

/* gattc_value.c */
int bus_gattc_method_read(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_gattc_method_read_by_uuid(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_gattc_method_read_multiple(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_gattc_method_write(sd_bus_message *m, void *userdata, sd_bus_error *error);
/* Something may have made room: write commands that are held are tried again. */
void bus_gattc_write_retry(struct bus_adapter *a);
void bus_gattc_write_conn_gone(struct bus_adapter *a, uint16_t conn, bl_status status);
void bus_gattc_write_deinit(struct bus_adapter *a);

/* gattc_subscribe.c */
int bus_gattc_method_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error);
void bus_gattc_subscribe_retry(struct bus_adapter *a);
void bus_gattc_subscribe_conn_gone(struct bus_adapter *a, uint16_t conn, bl_status status);
void bus_gattc_subscribe_deinit(struct bus_adapter *a);
uint64_t bus_gattc_subscription_count(const struct bus_adapter *a);

/* gattc_listen.c */
int bus_gattc_method_listen_for(sd_bus_message *m, void *userdata, sd_bus_error *error);
void bus_gattc_listen_value(struct bus_adapter *a, uint16_t conn, uint16_t handle,
                            const uint8_t *value, size_t n);
void bus_gattc_listen_conn_gone(struct bus_adapter *a, uint16_t conn, bl_status status);
void bus_gattc_listen_deinit(struct bus_adapter *a);

/* What the module keeps of an adapter. */
enum { GATTC_BUCKETS = 64 };

struct gattc {
    struct list targets[GATTC_BUCKETS]; /* gattc_subscribe.c: by connection and handle */
    struct list listeners;              /* gattc_listen.c */
    struct list held;                   /* gattc_value.c: write commands without room, in order */
    bool dispatching;                   /* a value is being handed out: nothing is sent meanwhile */
    bool unsettled;                     /* a CCCD is to be written as soon as that can be */
};

static inline struct gattc *bus_gattc_of(const struct bus_adapter *a)
{
    return a->module[BUS_MODULE_gattc];
}
