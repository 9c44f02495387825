/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * server: answers a peer's requests from the local database. Core 5.4, Vol 3, Part F, 3.4 and
 * Part G, 4.
 *
 * Every function is about one bearer and cannot block another: a read or write that waits for the
 * application is kept in its connection (`held`) until bl_gatts_do_reply().
 */

#include "att/bearer.h"
#include "base/list.h"
#include "gatt/db.h"

struct bl_gatt;
struct bl_gatt_conn;

/* What one client has written to a CCCD; a client without an entry has 0. */
struct bl_gatts_cccd {
    uint16_t value_handle;
    uint8_t bits;
};

struct bl_gatts_prepared; /* server_write.c */
struct bl_gatts_held;     /* server_internal.h: a request that waits for the application */

struct bl_gatts_conn {
    struct bl_gatts_cccd *cccds; /* by value_handle */
    unsigned n_cccds, cap_cccds;
    struct list prepared; /* struct bl_gatts_prepared, in order of arrival */
    unsigned n_prepared;
    size_t prepared_bytes;
    struct bl_gatts_held *held; /* at most one: a bearer has one request at a time */
    struct list commands;       /* struct bl_gatts_held: commands that wait for the application */
    unsigned n_commands;
    /* The value that a long read goes on with: taken when it begins, dropped by any other request
     * and by a blob that does not go on where the last answer ended (long_next). */
    uint16_t long_handle;
    uint16_t long_len, long_next;
    uint8_t *long_value;
    struct list
        indications; /* waiting for their turn; the first is on the air while bearer.indicating */
    unsigned n_indications;
    /* Service Changed that is due: 0 none. */
    uint16_t changed_start, changed_end;
    uint8_t features; /* Client Supported Features, octet 0 */
    bool aware,
        told; /* change-aware; told of a change: the next request makes it aware (2.5.2.1) */
};

struct bl_gatts {
    uint32_t last_request; /* of held requests; never 0 */
    uint16_t service_changed, database_hash, client_features, device_name, appearance,
        preferred_parameters; /* value handles of the built-in ones */
    uint64_t reads, writes, notifications, indications, refused;
    uint64_t commands_dropped; /* beyond BL_MAX_HELD_COMMANDS */
};

/* builtin.c: the GAP and GATT services; their values after a change of the configuration. */
int bl_gatts_builtin_init(struct bl_gatt *g);
void bl_gatts_builtin_configured(struct bl_gatt *g, uint64_t now);

int bl_gatts_open(struct bl_gatt_conn *c, uint64_t now);
void bl_gatts_close(struct bl_gatt_conn *c, uint64_t now, bl_status status);
/* BL_ATT_IN_REQUEST, _COMMAND and _CONFIRM. */
void bl_gatts_pdu(struct bl_gatt_conn *c, uint64_t now, const struct bl_att_pdu *pdu);
/* The bearer died of an indication that nobody confirmed: that one ends with BL_TIMEOUT. */
void bl_gatts_timeout(struct bl_gatt_conn *c, uint64_t now);
/* The attributes from start to end are about to go, and nothing between them stays: to be called
 * before bl_gatt_db_remove(). What clients had begun with them ends. */
void bl_gatts_removing(struct bl_gatt *g, uint64_t now, uint16_t start, uint16_t end);
/* The database has changed from start to end (bl_gatt_step). */
void bl_gatts_changed(struct bl_gatt *g, uint64_t now, uint16_t start, uint16_t end);
/* The next indication, Service Changed first. */
void bl_gatts_step(struct bl_gatt_conn *c, uint64_t now);

/* The local operations, as host_gatt.h says. */
int bl_gatts_do_write(struct bl_gatt *g, uint64_t now, uint16_t handle, const uint8_t *value,
                      size_t n, bool update, bl_op *op);
int bl_gatts_do_notify(struct bl_gatt_conn *c, uint64_t now, uint16_t handle, const uint8_t *value,
                       size_t n, uint16_t *ret_sent, bl_op *op);
int bl_gatts_do_indicate(struct bl_gatt_conn *c, uint64_t now, uint16_t handle,
                         const uint8_t *value, size_t n, uint16_t *ret_sent, bl_op *op);
bool bl_gatts_do_give_up(struct bl_gatt *g, uint16_t handle, uint16_t *ret_conn);
int bl_gatts_do_reply(struct bl_gatt *g, uint64_t now, uint32_t request, uint8_t error,
                      const uint8_t *value, size_t n);
uint8_t bl_gatts_bits(const struct bl_gatt_conn *c, uint16_t value_handle);
