/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * client_internal: what the client's files share: the procedure, and the table of what each kind
 * does with an answer.
 *
 *     queued --(first, bearer free)--> next() --sent--> answer() or failed() --CLIENT_NEXT-->
 * next() |                    `--bl_status--> OP_DONE, freed
 *                                        `--nothing left to ask, or no memory--> OP_DONE, freed
 */

#include "gatt/client.h"
#include "gatt/gatt.h"

#include <errno.h>

/* What answer() and failed() give where the procedure goes on; else a bl_status that ends it. */
enum { CLIENT_NEXT = -1 };

/* What next() gives beside 0 (a request is out) and a negative errno. */
enum { CLIENT_NOTHING_TO_ASK = 1 }; /* ends with BL_OK */

enum { CLIENT_MAX_KNOWN = 256 }; /* CCCDs remembered on one connection */

enum { /* Assigned Numbers, 3.5 and 3.8 */
       CLIENT_PRIMARY_SERVICE = 0x2800,
       CLIENT_SECONDARY_SERVICE = 0x2801,
       CLIENT_INCLUDE = 0x2802,
       CLIENT_CHARACTERISTIC = 0x2803,
       CLIENT_CCCD = 0x2902,
       CLIENT_SERVICE_CHANGED = 0x2a05,
};

struct client_kind {
    int (*next)(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p);
    /* The response to what next() has asked: its length is one that the opcode may have. */
    int (*answer)(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd body);
    /* An ATT error, BL_PROTOCOL for an answer of the wrong kind, BL_NO_RESOURCES where next()
     * failed. NULL: the procedure ends with it. */
    int (*failed)(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, bl_status status);
};

enum client_phase { /* of the kinds that ask more than one question */
                    CLIENT_FIRST,
                    CLIENT_EACH, /* what list holds, one by one */
                    CLIENT_WRITE,
                    CLIENT_CLEAN,   /* Execute Write 0 for what an earlier one has left behind */
                    CLIENT_PREPARE, /* a part */
                    CLIENT_EXECUTE,
                    CLIENT_CANCEL, /* Execute Write 0; ends with outcome */
};

/* A characteristic whose end is not known yet. */
struct client_characteristic {
    uint16_t declaration, value_handle; /* declaration 0: none */
    uint8_t properties;
    struct bl_uuid uuid;
};

struct bl_gattc_procedure {
    struct list link;
    const struct client_kind *kind;
    bl_op op;
    bool begun; /* next() was called: it cannot be canceled any more */
    enum client_phase phase;
    uint16_t mtu; /* when the last request went out: what its answer could hold */

    uint32_t from; /* the least handle that is still to be seen; 0x10000: all were */
    uint16_t end;
    bool has_uuid;
    struct bl_uuid uuid;
    struct client_characteristic pending;

    uint16_t handle, offset;
    bool is_long, has_part; /* has_part: the first part of the value is there */
    bool reliable;
    uint8_t bits; /* subscribe */
    uint16_t cccd;
    uint16_t offered;   /* exchange of ATT_MTU */
    size_t len, sent;   /* of value: what is there; write: what was prepared */
    size_t part;        /* write: octets in the Prepare Write that is out */
    bl_status outcome;  /* CLIENT_CANCEL */
    size_t entry;       /* octets of an entry of list */
    size_t n_list, pos; /* octets; where the entry at work begins */
    uint8_t list[BL_ATT_MTU_MAX];
    uint8_t value[BL_ATT_VALUE_MAX];
};

/* ---- client.c ---- */

/* NULL where there is no memory. */
struct bl_gattc_procedure *client_new(const struct client_kind *kind);
/* Takes p, which may be NULL; begins it if it can. 0; -ENOMEM, -EBUSY, -ENOTCONN. */
int client_queue(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p, bl_op *op);
/* Counts, and gives BL_PROTOCOL. */
int client_wrong(struct bl_gatt_conn *c);
void client_put_uuid(struct wr *w, const struct bl_uuid *uuid);
/* A request about p->from..p->end: Find Information, or by type where there is one. */
int client_ask_range(struct bl_gatt_conn *c, uint64_t now, const struct bl_gattc_procedure *p,
                     uint8_t opcode, const struct bl_uuid *type);
int client_ask_range16(struct bl_gatt_conn *c, uint64_t now, const struct bl_gattc_procedure *p,
                       uint8_t opcode, uint16_t type);
/* An attribute's handle and UUID were seen on the peer. */
void client_seen(struct bl_gatt_conn *c, uint16_t handle, const struct bl_uuid *uuid);
/* A result with p->op. e->gatt but for conn and op is the caller's. */
void client_result(struct bl_gatt_conn *c, const struct bl_gattc_procedure *p, struct bl_event *e);
void client_value(struct bl_gatt_conn *c, const struct bl_gattc_procedure *p, uint16_t handle,
                  const uint8_t *value, size_t n);

/* The next handle of an answer: it must rise, and lie within what was asked for. */
static inline bool client_rises(const struct bl_gattc_procedure *p, uint16_t handle)
{
    return handle >= p->from && handle <= p->end;
}

/* ATT_MTU that the answer was made for: an exchange may have come between. */
static inline size_t client_answer_mtu(const struct bl_gatt_conn *c,
                                       const struct bl_gattc_procedure *p)
{
    return p->mtu < c->bearer.mtu ? p->mtu : c->bearer.mtu;
}

/* After an answer that was right: the next request, or the end of the range. */
static inline int client_more(const struct bl_gattc_procedure *p)
{
    return p->from <= p->end ? (int)CLIENT_NEXT : (int)BL_OK;
}

/* ---- client_discover.c: the pairs of Find Information. Core 5.4, Vol 3, Part F, 3.4.3.2 ---- */

struct client_info {
    size_t n; /* octets of a UUID */
    uint16_t handle;
    struct bl_uuid uuid;
};

/* False where the answer is not allowed; body is left at the first pair. */
bool client_info_begin(struct rd *body, struct client_info *ret);
/* The next pair, of which there must be one; false where its handle does not rise. */
bool client_info_next(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd *body,
                      struct client_info *info);

/* ---- client_value.c: reading one value, for everybody ---- */

/* Read Request, or Read Blob Request for what follows p->offset and p->len. */
int client_read_next(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p);
/* Appends to p->value. CLIENT_NEXT: more by blobs; BL_OK: the value is whole; BL_PROTOCOL. */
int client_read_answer(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd body);
/* BL_OK where the error only says that there is no more. */
int client_read_failed(const struct bl_gattc_procedure *p, bl_status status);

/* ---- client_write.c ---- */

/* Write Request; n is at most ATT_MTU-3. */
int client_send_write(struct bl_gatt_conn *c, uint64_t now, uint16_t handle, const uint8_t *value,
                      size_t n);
