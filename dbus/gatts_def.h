/* SPDX-License-Identifier: MIT */
#pragma once

/* gatts_def: what services of GattServer1's methods are to be like, as the stack wants to be told.
 * Values are borrowed from the message. */

#include "opts.h"

enum {
    /* Handles that one owner's services may take: a quarter of all there are, so that no client
     * keeps the others from having any. */
    GATTS_MAX_HANDLES = 16384,
    GATTS_MAX_SERVICES = 1024, /* of one owner */
    /* RegisterServices, as its model has it. */
    GATTS_REGISTERED_BUFFER = 20,
    GATTS_VALUE_MAX = 512, /* Core 5.4, Vol 3, Part F, 3.2.9 */
};

/* For all characteristics of a call, unless they say otherwise. */
struct gatts_defaults {
    bool authorize_reads, authorize_writes, read_events;
};

/* What stands behind the pointers of a service: its characteristics' descriptors are allocated one
 * array each. Zeroed before first use. */
struct gatts_def {
    struct bl_gatts_service service;
    struct bl_gatts_characteristic *characteristics;
    uint16_t *includes;
};

struct gatts_defs {
    struct gatts_def *v;
    size_t n;
    size_t handles; /* that all of them take */
};

void gatts_def_clear(struct gatts_def *d);
void gatts_defs_clear(struct gatts_defs *d);
void gatts_characteristic_clear(struct bl_gatts_characteristic *c);

/* Handles that a characteristic or a service takes, and how many of them are handed out: values and
 * given descriptors. */
size_t gatts_characteristic_handles(const struct bl_gatts_characteristic *c);
size_t gatts_service_handles(const struct bl_gatts_service *s);
size_t gatts_characteristic_values(const struct bl_gatts_characteristic *c);
size_t gatts_service_values(const struct bl_gatts_service *s);

/* Each reads one argument; 0 or negative with error set. What is in *ret then is to be cleared in
 * either case. */
/* a(sa(sua(su))); authorization and events stand behind it in the message: gatts_defs_apply(). */
int gatts_def_read_services(sd_bus_message *m, struct gatts_defs *ret, sd_bus_error *error);
void gatts_defs_apply(struct gatts_defs *d, const struct gatts_defaults *defaults);
/* aa{sv} */
int gatts_def_read_characteristics(sd_bus_message *m, const struct gatts_defaults *defaults,
                                   struct gatts_def *ret, sd_bus_error *error);
/* a{sv} */
int gatts_def_read_characteristic(sd_bus_message *m, const struct gatts_defaults *defaults,
                                  struct bl_gatts_characteristic *ret, sd_bus_error *error);
