/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * client: procedures on a peer's server. Core 5.4, Vol 3, Part G, 4.
 *
 * Procedures of one connection wait in order; the first has the bearer's requests to itself until
 * it ends. Everything a peer answers is checked: lengths, handles that must rise within what was
 * asked for, sums. What is not allowed ends the procedure with BL_PROTOCOL, and the next begins.
 */

#include "att/bearer.h"
#include "base/list.h"
#include "host_gatt.h"

struct bl_gatt;
struct bl_gatt_conn;
struct bl_gattc_procedure; /* client_internal.h */

struct bl_gattc_known { /* CCCDs found on the peer, for bl_gattc_subscribe() */
    uint16_t value_handle, cccd;
};

struct bl_gattc_conn {
    struct list procedures; /* struct bl_gattc_procedure; the first one runs */
    unsigned n_procedures;
    struct bl_gattc_known *known;
    unsigned n_known;
    uint16_t service_changed; /* the peer's Service Changed value handle once it was seen, else 0 */
    bool unclean;      /* the peer may hold parts that we have prepared and neither executed nor
                          cancelled */
    uint64_t nonsense; /* answers the specification does not allow */
};

void bl_gattc_open(struct bl_gatt_conn *c);
void bl_gattc_close(struct bl_gatt_conn *c, uint64_t now, bl_status status);
/* BL_ATT_IN_RESPONSE, _ERROR, _NONSENSE, _NOTIFY and _INDICATE. */
void bl_gattc_pdu(struct bl_gatt_conn *c, uint64_t now, enum bl_att_in in,
                  const struct bl_att_pdu *pdu);
/* The bearer died of a request that nobody answered: the procedure ends with BL_TIMEOUT. */
void bl_gattc_timeout(struct bl_gatt_conn *c, uint64_t now);
/* Begins the next procedure if none runs. */
void bl_gattc_step(struct bl_gatt_conn *c, uint64_t now);

/* The procedures, as host_gatt.h says of bl_gattc_services() and the others. */
int bl_gattc_do_services(struct bl_gatt_conn *c, uint64_t now, const struct bl_uuid *uuid,
                         bl_op *op);
int bl_gattc_do_characteristics(struct bl_gatt_conn *c, uint64_t now, uint16_t start, uint16_t end,
                                const struct bl_uuid *uuid, bl_op *op);
int bl_gattc_do_descriptors(struct bl_gatt_conn *c, uint64_t now, uint16_t start, uint16_t end,
                            bl_op *op);
int bl_gattc_do_includes(struct bl_gatt_conn *c, uint64_t now, uint16_t start, uint16_t end,
                         bl_op *op);
int bl_gattc_do_read(struct bl_gatt_conn *c, uint64_t now, uint16_t handle, uint16_t offset,
                     bool is_long, bl_op *op);
int bl_gattc_do_read_by_uuid(struct bl_gatt_conn *c, uint64_t now, uint16_t start, uint16_t end,
                             const struct bl_uuid *uuid, bl_op *op);
int bl_gattc_do_read_multiple(struct bl_gatt_conn *c, uint64_t now, const uint16_t *handles,
                              size_t n, bl_op *op);
int bl_gattc_do_write(struct bl_gatt_conn *c, uint64_t now, uint16_t handle, const uint8_t *value,
                      size_t n, enum bl_gatt_write_mode mode, uint16_t offset, bl_op *op);
int bl_gattc_do_exchange_mtu(struct bl_gatt_conn *c, uint64_t now, uint16_t mtu, bl_op *op);
int bl_gattc_do_subscribe(struct bl_gatt_conn *c, uint64_t now, uint16_t handle, uint8_t bits,
                          bl_op *op);
int bl_gattc_do_cancel(struct bl_gatt *g, uint64_t now, bl_op op);
