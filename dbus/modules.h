/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * modules: the interfaces of /org/bled/hciN. To add one: a .c file that defines its
 * `const struct bus_module bus_module_NAME`, a row here, and rows in events.c for its events.
 */

#include "bus.h"

struct bus_module {
    const char *interface;
    const sd_bus_vtable *vtable; /* userdata: struct bus_adapter *; NULL: no interface of its own */
    /* All may be NULL. init: a->module[BUS_MODULE_x] = ...; 0 or -errno (deinit is called then
     * too). */
    int (*init)(struct bus_adapter *a);
    void (*deinit)(struct bus_adapter *a);
    /* The adapter has become inactive, all events of the end have been dispatched: what is left
     * goes (payloads, ...). keep: the controller was lost; what the daemon owned stays
     * remembered for restore(). Called with keep false as well when it is not to come back. */
    void (*inactive)(struct bus_adapter *a, bool keep);
    /* The controller is back: make again what the daemon owned. */
    void (*restore)(struct bus_adapter *a);
    /* Counters for Adapter1.Stats(): bus_stat() each. */
    void (*stats)(struct bus_adapter *a, sd_bus_message *reply);
};

/* In the order in which they are registered, restored and told of the end. */
#define BUS_MODULE_TABLE(row)                                                                      \
    row(adapter) row(conn) row(link) row(broadcaster) row(observer) row(central) row(peripheral)   \
        row(pipe) row(gatts) row(gattc) row(socket) row(characteristic) row(pairing) row(l2cap)

#define BUS_MODULE_ENUM(name) BUS_MODULE_##name,
enum bus_module_index { BUS_MODULE_TABLE(BUS_MODULE_ENUM) BUS_MODULES };

#define BUS_MODULE_EXTERN(name) extern const struct bus_module bus_module_##name;
BUS_MODULE_TABLE(BUS_MODULE_EXTERN)

extern const struct bus_module *const bus_modules[BUS_MODULES];

/* One {st} of Stats(). */
void bus_stat(sd_bus_message *reply, const char *name, uint64_t value);
