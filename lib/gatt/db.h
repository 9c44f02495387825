/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * db: the local attributes, by handle. Core 5.4, Vol 3, Part G, 2.5 and 3.
 *
 * It holds what is declared and stored; who may see it is the server's business (access.h), what a
 * client may be told of changes as well. An attribute is found by its handle in constant time
 * (a table of pages), and the next one from any handle on costs no more, so that answering does not
 * depend on the size of the database.
 *
 * Attributes of a service stand together, services never share handles, a handle keeps its
 * attribute until its service is removed; an include goes with the service that it names, and its
 * handle stays empty then.
 *
 * What clients may have cached changes with each addition and removal: the hash is forgotten,
 * generation counts it, and whole services make up the range of bl_gatt_db_changes(), because a
 * client looks for services in what it is told of, not for parts of one.
 */

#include "host_gatt.h"
#include "types.h"

enum bl_gatt_attr_kind {
    BL_GATT_ATTR_PRIMARY, /* declarations: value as on the wire, read only, open to everybody */
    BL_GATT_ATTR_SECONDARY,
    BL_GATT_ATTR_INCLUDE,
    BL_GATT_ATTR_CHARACTERISTIC,
    BL_GATT_ATTR_VALUE,
    BL_GATT_ATTR_CCCD,       /* its value is each client's own: the server's */
    BL_GATT_ATTR_EXTENDED,   /* Characteristic Extended Properties, read only */
    BL_GATT_ATTR_DESCRIPTOR, /* any other */
};

struct bl_gatt_service_rec {
    uint16_t start, end; /* handles, both inclusive */
    bool secondary, builtin;
    struct bl_uuid uuid;
};

struct bl_gatt_attr {
    struct bl_uuid type;
    uint16_t handle;
    uint8_t kind; /* enum bl_gatt_attr_kind */
    bool builtin; /* the host's own: bl_gatts_* knows it not */
    bool truncate, append, authorize_reads, authorize_writes, read_events;
    bool was_read; /* by a peer, since that was asked */
    /* enum bl_gatt_flag: the characteristic's for VALUE and CCCD, a descriptor's own; READ for
     * declarations and EXTENDED */
    uint32_t flags;
    uint16_t group;        /* the service's first handle */
    uint16_t value_handle; /* CHARACTERISTIC, VALUE, CCCD and descriptors: the value's */
    uint16_t cccd;         /* VALUE: handle of its CCCD, 0: none */
    uint16_t len, max;     /* of value */
    uint16_t cap;          /* octets at value */
    uint8_t *value;        /* NULL while there never was one */
};

struct bl_gatt_page; /* db.c: 256 handles */

struct bl_gatt_include {
    uint16_t service, handle; /* the one that is named, and the declaration's */
};

struct bl_gatt_db {
    struct bl_gatt_page *pages[256];      /* by the high octet; NULL: nothing there */
    uint64_t page_bits[4];                /* which of them there are */
    struct bl_gatt_service_rec *services; /* by start */
    size_t n_services, cap_services;
    size_t n_dense; /* so many at the beginning leave no handle free before or between them */
    struct bl_gatt_include *includes; /* by service, then handle */
    size_t n_includes, cap_includes;
    size_t n_attrs;
    uint16_t reserved; /* handles up to here are the built-in services' */
    uint8_t hash[16];  /* as on the wire */
    bool hash_valid;
    uint64_t generation; /* counts changes of what the hash covers */
    /* Handles that changed since bl_gatt_db_changes(): 0 none. */
    uint16_t changed_start, changed_end;
};

/* 0 or -ENOMEM; no services in it. */
int bl_gatt_db_init(struct bl_gatt_db *db);
void bl_gatt_db_deinit(struct bl_gatt_db *db);

/* As bl_gatts_add() says; builtin: made before all others. Adds all of it or nothing. */
int bl_gatt_db_add(struct bl_gatt_db *db, const struct bl_gatts_service *def, bool builtin,
                   uint16_t *ret_service, uint16_t *ret_handles);
int bl_gatt_db_add_characteristic(struct bl_gatt_db *db, uint16_t service,
                                  const struct bl_gatts_characteristic *def, uint16_t *ret_handles);
int bl_gatt_db_remove(struct bl_gatt_db *db, uint16_t service);

/* NULL when there is none. */
struct bl_gatt_attr *bl_gatt_db_get(const struct bl_gatt_db *db, uint16_t handle);
/* The first at `handle` or after it, not after end; NULL when there is none. */
struct bl_gatt_attr *bl_gatt_db_next(const struct bl_gatt_db *db, uint16_t handle, uint16_t end);
/* The service with this first handle, and the first one that starts at `handle` or after. */
const struct bl_gatt_service_rec *bl_gatt_db_service(const struct bl_gatt_db *db, uint16_t start);
const struct bl_gatt_service_rec *bl_gatt_db_next_service(const struct bl_gatt_db *db,
                                                          uint16_t handle);
/* Octets of its type as ATT carries it: 2 or 16. */
static inline size_t bl_gatt_type_len(const struct bl_gatt_attr *a)
{
    return bl_uuid_is16(&a->type) ? 2 : 16;
}

/* Stores n octets in place of offset.. ; keep_tail: what is behind them stays, else the value ends
 * with them. value may be the attribute's own. 0; -EINVAL: offset > a->len; -EMSGSIZE over 512;
 * -EPERM: not a VALUE or DESCRIPTOR, whose value is fixed or not the database's; -ENOMEM. Nothing
 * changed on errors. Raises no event and checks no permission; max is enlarged when it is less.
 * The octets at a->value stay where they are while the value does not grow: one that is emptied can
 * be read until the next store. */
int bl_gatt_db_store(struct bl_gatt_attr *a, size_t offset, const uint8_t *value, size_t n,
                     bool keep_tail);

/* The Database Hash, computed when it is not known. Core 5.4, Vol 3, Part G, 7.3. 0, -EIO or
 * -ENOMEM. */
int bl_gatt_db_hash(struct bl_gatt_db *db, const uint8_t **ret);
/* What has changed since the last time this was asked; false: nothing. */
bool bl_gatt_db_changes(struct bl_gatt_db *db, uint16_t *ret_start, uint16_t *ret_end);
