/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * gatts: the local services as D-Bus sees them: whose they are, and what belongs to each value
 * handle. org.bled.GattServer1 stands on it (gatt_server.c: registration; gatts_value.c: values,
 * notifications; gatts_request.c: authorization), and so do the objects of org.bled.Characteristic1
 * (characteristic.c) and the sockets (gatts_pipe.c).
 */

#include "adapter.h"

#define GATTS_INTERFACE "org.bled.GattServer1"

struct bus_service {
    struct bus_thing thing; /* rank SERVICE */
    struct bus_adapter *adapter;
    struct list link; /* of the table, by handle */
    uint16_t handle, n_handles;
    struct bl_uuid uuid;
    bool registered;   /* by RegisterServices: the next one replaces it */
    struct list attrs; /* struct bus_attr.link, by handle */
};

/* A characteristic's value, or a descriptor of a client's. */
struct bus_attr {
    struct list link;
    struct bus_service *service;
    struct bus_attr *of; /* a descriptor's characteristic; NULL for a characteristic */
    uint16_t handle;
    uint32_t flags;
    struct bl_uuid uuid;
    uint8_t default_status; /* SetAuthorization: 0x08 until then */
    /* Characteristic1 (characteristic.c) */
    uint32_t trigger;       /* SetTrigger */
    uint64_t trigger_owner; /* serial of the owner that set it */
    uint32_t events;        /* since the last Events(), but for reads */
    bool read_events;       /* asked for when it was made: ReadRequested tells of reads */
    uint16_t subscribers;   /* how many were in Subscribers last */
    struct list pipes;      /* gatts_pipe.c: sockets on it */
};

enum { /* Characteristic1's events */
       BUS_CHAR_READ_EVENT = 1,
       BUS_CHAR_WRITE_EVENT = 2,
       BUS_CHAR_SUBSCRIBE_EVENT = 4,
};

/* What SetAuthorization has not changed: Insufficient Authorization. */
enum { GATTS_DEFAULT_STATUS = 0x08 };

/* NULL where no client made it, and while the controller is lost. Constant time. */
struct bus_attr *bus_gatts_find(struct bus_adapter *a, uint16_t handle);
/* The same for a method: NULL with NotFound, or with AccessDenied where it is another attached
 * client's. characteristic: descriptors are NotFound too. */
struct bus_attr *bus_gatts_get(struct bus_adapter *a, const struct bus_owner *caller,
                               uint16_t handle, bool characteristic, sd_bus_error *error);
/* The characteristics, in order of their handles: the first after `handle`. */
struct bus_attr *bus_gatts_next_characteristic(struct bus_adapter *a, uint16_t handle);
/* Who hears of it. */
static inline bus_mask bus_attr_audience(const struct bus_attr *t)
{
    return t->service->thing.owner ? bus_owner_bit(t->service->thing.owner) : 0;
}

/* Hooks of the other files, called by gatt_server.c and its like. */
/* characteristic.c: serves the objects of all adapters; once a bus. */
int bus_characteristic_register(struct bus *b, sd_bus_slot **ret);
/* The object of a characteristic comes and goes (InterfacesAdded, -Removed);
 * bus_gatts_find() finds it at both times. */
void bus_characteristic_added(struct bus_adapter *a, struct bus_attr *t);
void bus_characteristic_removed(struct bus_adapter *a, struct bus_attr *t);
/* An event of a characteristic: remembered for Events(), but for reads. True where a trigger of the
 * service's owner took it: Event has been sent in place of the usual signal. */
bool bus_characteristic_event(struct bus_adapter *a, struct bus_attr *t, uint32_t event,
                              uint16_t conn, const uint8_t *value, size_t n);
/* gatts_pipe.c: what a peer has written. True where a socket took it. */
bool bus_gatts_pipe_written(struct bus_adapter *a, struct bus_attr *t, uint16_t conn,
                            const uint8_t *value, size_t n);
/* The attribute goes, or the connection has ended: sockets are hung up. */
void bus_gatts_pipe_attr_gone(struct bus_adapter *a, struct bus_attr *t);
void bus_gatts_pipe_conn_gone(struct bus_adapter *a, uint16_t conn);

/* Events (events.c). */
void bus_gatts_on_written(struct bus_adapter *a, const struct bl_event *e);
void bus_gatts_on_read(struct bus_adapter *a, const struct bl_event *e);
void bus_gatts_on_served(struct bus_adapter *a, const struct bl_event *e);
void bus_gatts_on_write(struct bus_adapter *a, const struct bl_event *e);
void bus_gatts_on_indicate_done(struct bus_adapter *a, const struct bl_event *e);
void bus_gatts_on_subscribed(struct bus_adapter *a, const struct bl_event *e);
/* BL_EV_OP_DONE, after the call that it ends: calls that wait for room try again. */
void bus_gatts_on_op_done(struct bus_adapter *a, const struct bl_event *e);
/* BL_EV_DISCONNECTED: requests of that connection are void, its sockets hung up. */
void bus_gatts_on_disconnected(struct bus_adapter *a, const struct bl_event *e);
/* The same: Subscribers change. */
void bus_characteristic_on_disconnected(struct bus_adapter *a, const struct bl_event *e);

/* The methods of the sockets (gatts_pipe.c), for the vtable. */
int bus_gatts_method_acquire_writes(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_gatts_method_acquire_notify(sd_bus_message *m, void *userdata, sd_bus_error *error);
