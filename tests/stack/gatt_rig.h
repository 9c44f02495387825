/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * gatt_rig: databases of any size on the hosts of stack.h, and what a client finds in them.
 *
 * The values of a database made here are known from their numbers (rig_value), so that whoever
 * reads one can tell whether it is whole and the right one.
 */

#include "stack.h"

enum { RIG_VALUES = 2500, RIG_SERVICES = 128, RIG_SERVICE_UUID = 0xa000, RIG_VALUE_UUID = 0xb000 };

struct rig_db {
    unsigned n_attrs; /* in all, without the host's own */
    unsigned n_services, n_values;
    uint16_t service[RIG_SERVICES];   /* first handles */
    uint16_t value[RIG_VALUES];       /* value handles */
    uint16_t streaming[RIG_SERVICES]; /* the one value of a service that has a CCCD; 0: none */
};

/* Offers this MTU from now on, at every end. */
void rig_mtu(struct stack *s, uint16_t mtu);
/* So many attributes: services of 50, the last one of what is left. */
void rig_fill(struct stack *s, size_t end, unsigned attrs, struct rig_db *ret);
/* The value number i of a database, before anybody wrote to it and after: its length. */
size_t rig_value(unsigned i, bool written, uint8_t value[512]);

/* The end of what a function of host_gatt.h began with result r (which must not be an error). */
struct bl_event rig_done(struct stack *s, size_t end, int r, bl_op op);
/* The same, which must have ended well. */
void rig_ok(struct stack *s, size_t end, int r, bl_op op);
/* The i-th event of a kind at that end; op 0: any. NULL when there are not so many. */
const struct bl_event *rig_event(const struct stack *s, size_t end, enum bl_event_kind kind,
                                 bl_op op, unsigned i);
unsigned rig_count(const struct stack *s, size_t end, enum bl_event_kind kind, bl_op op);

/* Procedures of that end as client, checked against the database of the other one. */
void rig_discover(struct stack *s, size_t end, uint16_t conn, const struct rig_db *db);
/* Every step-th value. */
void rig_read(struct stack *s, size_t end, uint16_t conn, const struct rig_db *db, unsigned step,
              bool written);
void rig_write(struct stack *s, size_t end, uint16_t conn, size_t server, const struct rig_db *db,
               unsigned step);
