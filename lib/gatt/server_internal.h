/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * server_internal: what the files of the server share.
 *
 * A request is served by one handler (server.c has the table), which answers it, or says by which
 * error and handle it is to be refused, or sets `waits` where the application has to be asked
 * first. In that case the request is kept (server_auth.c), and served once more from its beginning
 * when the application has replied, with what was granted so far in `held`: a handler may thus ask
 * for several attributes, one after the other, and keeps no state of its own between them.
 */

#include "base/list.h"
#include "base/rd.h"
#include "gatt/access.h"
#include "gatt/gatt.h"

/* The application's word on one attribute: go on, maybe with another value. */
struct server_grant {
    uint16_t handle;
    bool has_value;
    uint16_t len;
    uint8_t *value;
};

struct bl_gatts_held {
    struct list link; /* of bl_gatts_conn.commands */
    uint32_t request; /* what the application was asked by */
    uint16_t asked;   /* of which attribute */
    struct server_grant *grants;
    unsigned n_grants, cap_grants;
    uint8_t opcode;
    uint16_t n;
    uint8_t body[]; /* n octets */
};

struct server_request {
    uint8_t opcode;
    const uint8_t *params; /* all of them, n octets */
    size_t n;
    struct rd body;             /* the same, for the handler to read */
    struct bl_gatts_held *held; /* NULL until it has waited */
    bool waits;                 /* for the application; nothing is to be answered */
    uint16_t handle;            /* Attribute Handle In Error */
};

/* 0: answered, or q->waits; else the ATT error that it is refused with, q->handle set. Commands are
 * not answered, and their errors are dropped. */
typedef uint8_t server_handler(struct bl_gatt_conn *c, uint64_t now, struct server_request *q);

/* A value as this client sees it. */
struct server_value {
    const uint8_t *data;
    size_t len;
    uint8_t own[2];
};

/* The Command Flag: Core 5.4, Vol 3, Part F, 3.3.1. Commands are not answered. */
static inline bool server_is_command(uint8_t opcode)
{
    return opcode & 0x40;
}

/* server.c */
void server_serve(struct bl_gatt_conn *c, uint64_t now, struct server_request *q);
/* The attribute where the link is good enough for this access: 0 or an ATT error, and q->handle is
 * the handle. */
uint8_t server_find(struct bl_gatt_conn *c, struct server_request *q, uint16_t handle,
                    enum bl_gatt_access access, struct bl_gatt_attr **ret);
/* start > end or 0: Core 5.4, Vol 3, Part F, 3.4.3.1 and the like. 0 or an ATT error. */
uint8_t server_range(struct server_request *q, uint16_t start, uint16_t end);

/* server_find.c, server_read.c, server_write.c: the handlers */
server_handler server_find_info, server_find_by_type, server_read_by_group;
server_handler server_read, server_read_blob, server_read_multiple, server_read_by_type;
server_handler server_write, server_write_signed, server_write_prepare, server_write_execute;

/* The value, whoever asks: 0 or Unlikely Error. */
uint8_t server_read_view(struct bl_gatt_conn *c, const struct bl_gatt_attr *a,
                         struct server_value *ret);
void server_read_drop(struct bl_gatt_conn *c);

/* Drops the queue of prepared writes. */
void server_write_drop(struct bl_gatt_conn *c);
/* Their attributes go away. */
void server_write_removing(struct bl_gatt_conn *c, uint16_t start, uint16_t end);

/* server_auth.c */
bool server_auth_reads(const struct bl_gatt_attr *a);
bool server_auth_writes(const struct bl_gatt_attr *a);
/* What the application said of this attribute; NULL: it was not asked yet. */
const struct server_grant *server_auth_granted(const struct server_request *q, uint16_t handle);
/* Asks it, by an event of this kind: q->waits, or an ATT error. */
uint8_t server_auth_ask(struct bl_gatt_conn *c, struct server_request *q,
                        const struct bl_gatt_attr *a, enum bl_event_kind kind, const uint8_t *value,
                        size_t n);
/* Forgets a request that is answered or refused. held may be NULL. */
void server_auth_forget(struct bl_gatt_conn *c, struct bl_gatts_held *held);
void server_auth_drop(struct bl_gatt_conn *c);
void server_auth_removing(struct bl_gatt_conn *c, uint16_t start, uint16_t end);

/* server_send.c */
void server_send_confirmed(struct bl_gatt_conn *c, uint64_t now);
/* All that wait, that on the air included, end with status. */
void server_send_drop(struct bl_gatt_conn *c, bl_status status);
/* All from start to end end with BL_CANCELED, that on the air included. */
void server_send_removing(struct bl_gatt_conn *c, uint16_t start, uint16_t end);

/* server_subs.c */
/* Whether that is a value for this CCCD, an ATT error else. */
uint8_t server_subs_check(const struct bl_gatt_attr *a, const uint8_t *value, size_t n);
/* Whether it is one more than there are. */
bool server_subs_is_new(const struct bl_gatt_conn *c, const struct bl_gatt_attr *a, uint8_t bits);
/* Room for so many more subscriptions: 0 or Insufficient Resources. */
uint8_t server_subs_reserve(struct bl_gatt_conn *c, unsigned more);
/* Stores what was checked and reserved. */
void server_subs_store(struct bl_gatt_conn *c, const struct bl_gatt_attr *a, uint8_t bits);
void server_subs_drop(struct bl_gatt_conn *c);
void server_subs_removing(struct bl_gatt_conn *c, uint16_t start, uint16_t end);
/* Client Supported Features: 0 or an ATT error. */
uint8_t server_subs_check_features(const struct bl_gatt_conn *c, const uint8_t *value, size_t n);
void server_subs_store_features(struct bl_gatt_conn *c, uint8_t octet);
/* Whether a PDU of this client is to be served: 0, Database Out Of Sync with q->handle set (a
 * command is to be ignored then). by_handle: that is how this opcode names what it is about.
 * Core 5.4, Vol 3, Part G, 2.5.2.1. */
uint8_t server_subs_sync(struct bl_gatt_conn *c, struct server_request *q, bool by_handle);
/* It may get notifications and indications other than Service Changed. */
bool server_subs_may_tell(const struct bl_gatt_conn *c);
