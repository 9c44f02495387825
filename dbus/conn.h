/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * conn: the connections of an adapter as D-Bus sees them: their objects (Connection1), whose they
 * are and who uses them. The interfaces Central1, Peripheral1 and Link1 stand on it.
 *
 * A use is a thing of its owner. A connection ends when its last use has ended; its `owner` is the
 * user that it came about for, and when that one goes, the user next in line.
 */

#include "adapter.h"

struct bus_conn {
    struct list link; /* of the table; in order of their beginnings */
    struct bus_adapter *adapter;
    struct list uses; /* struct bus_use.of_conn; the first is the owner's */
    struct bl_conn_info info;
    struct bl_addr peer; /* identity where known */
    struct bl_security security;
    uint64_t since; /* CLOCK_REALTIME, us */
    uint16_t mtu;   /* ATT_MTU in force */
    sd_bus_slot *slot;
    char path[48];
    bool ending;      /* its last use has ended, a disconnection is under way */
    struct list ends; /* Disconnect calls to be answered at its end */
};

struct bus_use {
    struct bus_thing thing;
    struct list of_conn;
    struct bus_conn *conn;
};

/* The connection of this number; NULL, with error (may be NULL) NotConnected. */
struct bus_conn *bus_conn_find(struct bus_adapter *a, uint16_t conn, sd_bus_error *error);
/* All of them in turn: the first after c, or after none (NULL). */
struct bus_conn *bus_conn_next(struct bus_adapter *a, struct bus_conn *c);
/* Makes the owner a user, if it is none yet. 0 or -ENOMEM. */
int bus_conn_use(struct bus_conn *c, struct bus_owner *owner);
/* The use of this owner; NULL when it has none. */
struct bus_use *bus_conn_use_of(const struct bus_conn *c, const struct bus_owner *owner);
/* Ends a use that is not the last one. */
void bus_conn_leave(struct bus_use *use);
bool bus_conn_is_last(const struct bus_use *use);
/* Begins the end of the link; BL_EV_DISCONNECTED follows. 0, or -EINVAL for a reason (0: the usual
 * one) that may not be given. */
int bus_conn_end(struct bus_conn *c, uint8_t reason);
/* The first user: whose the connection is. The daemon where nobody is left. */
struct bus_owner *bus_conn_owner(const struct bus_conn *c);
/* Who hears of it: everyone where the daemon is among the users, else the users. */
bus_mask bus_conn_audience(const struct bus_conn *c);

/* What is wrong with parameters of a client, said in its own units: InvalidArgs with both values.
 * Zeros are what was not given; `defaults` are put in their place where they are known (Connect).
 * 0 where nothing was found. */
int bus_conn_params_check(const struct bl_conn_params *p, bool defaults, sd_bus_error *error);
/* PHYs to scan and initiate on: 1m and coded. Core 5.4, Vol 4, Part E, 7.8.64 and 7.8.66. */
int bus_phys_check(uint8_t phys, sd_bus_error *error);

/* Events, in the order of events.c. */
void bus_conn_on_connected(struct bus_adapter *a, const struct bl_event *e);
void bus_conn_on_updated(struct bus_adapter *a, const struct bl_event *e);
void bus_conn_on_phy(struct bus_adapter *a, const struct bl_event *e);
void bus_conn_on_data_length(struct bus_adapter *a, const struct bl_event *e);
void bus_conn_on_mtu(struct bus_adapter *a, const struct bl_event *e);
void bus_conn_on_security(struct bus_adapter *a, const struct bl_event *e);
void bus_conn_on_identity(struct bus_adapter *a, const struct bl_event *e);
void bus_conn_on_disconnected(struct bus_adapter *a, const struct bl_event *e);
