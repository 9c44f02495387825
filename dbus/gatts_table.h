/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * gatts_table: between the files of GattServer1 (gatt_server.c, gatts_table.c, gatts_value.c,
 * gatts_request.c): the adapter's services and value handles, and what waits on them.
 */

#include "gatts.h"
#include "gatts_def.h"

struct gatts {
    struct list services; /* struct bus_service.link, by handle */
    size_t n_services;
    size_t n_handles;             /* that they take */
    struct bus_attr **pages[256]; /* by the high octet; NULL: nothing there */
    uint16_t page_used[256];
    bool away;            /* the controller is lost: objects are gone until restore() */
    struct list requests; /* gatts_request.c: of peers, waiting for Reply */
    size_t n_requests;
    struct list
        held; /* gatts_value.c: calls that wait for room, in order: struct bus_call.waiting */
};

static inline struct gatts *gatts_of(const struct bus_adapter *a)
{
    return a->module[BUS_MODULE_gatts];
}

/* ---- gatts_table.c ---- */

/* The service that begins at this handle: for a method: NULL with NotFound or AccessDenied. */
struct bus_service *gatts_service_get(struct bus_adapter *a, const struct bus_owner *caller,
                                      uint16_t handle, sd_bus_error *error);
/* The client's service that has this handle among its own; NULL. */
struct bus_service *gatts_service_at(struct bus_adapter *a, uint16_t handle);
/* Handles of all services of this owner; registered: of those alone. */
size_t gatts_owner_handles(const struct bus_owner *owner, bool registered, size_t *ret_services);

/* Structures alone, in no table: 0 or -ENOMEM; gatts_service_drop() frees them. */
struct bus_service *gatts_service_new(struct bus_adapter *a, const struct bl_gatts_service *def);
void gatts_service_drop(struct bus_service *s);
/* Into the stack, the tables and the owner's things; objects appear. As bl_gatts_add(); nothing has
 * happened where it fails, and s is still the caller's. */
int gatts_service_add(struct bus_service *s, struct bus_owner *owner,
                      const struct bl_gatts_service *def, bool registered);
/* One more characteristic at its end; ret_handles as bl_gatts_add_characteristic(). */
int gatts_service_extend(struct bus_service *s, const struct bl_gatts_characteristic *def,
                         uint16_t *ret_handles);
/* Out of all of them: requests get their default answers, sockets are hung up, objects go. */
void gatts_service_remove(struct bus_service *s);
void gatts_remove_registered(struct bus_adapter *a, const struct bus_owner *owner);

/* The module's inactive() and restore(). */
void gatts_table_inactive(struct bus_adapter *a, bool keep);
void gatts_table_restore(struct bus_adapter *a);
void gatts_table_free(struct bus_adapter *a);

/* ---- gatts_value.c ---- */

/* The attribute goes: its indications and the calls that wait end, Canceled. */
void gatts_value_attr_gone(struct bus_adapter *a, const struct bus_attr *t);
void gatts_value_conn_gone(struct bus_adapter *a, uint16_t conn, bl_status status);
void gatts_value_run_held(struct bus_adapter *a);

int gatts_method_read(sd_bus_message *m, void *userdata, sd_bus_error *error);
int gatts_method_write(sd_bus_message *m, void *userdata, sd_bus_error *error);
int gatts_method_set_buffer(sd_bus_message *m, void *userdata, sd_bus_error *error);
int gatts_method_notify(sd_bus_message *m, void *userdata, sd_bus_error *error);
int gatts_method_indicate(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* ---- gatts_request.c ---- */

/* Default answers at once for what waits on it. */
void gatts_request_attr_gone(struct bus_adapter *a, const struct bus_attr *t);
void gatts_requests_void(struct bus_adapter *a, uint16_t conn); /* 0: all */

int gatts_method_set_authorization(sd_bus_message *m, void *userdata, sd_bus_error *error);
int gatts_method_reply(sd_bus_message *m, void *userdata, sd_bus_error *error);
