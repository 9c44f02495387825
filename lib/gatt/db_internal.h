/* SPDX-License-Identifier: MIT */
#pragma once

/* db_internal: what the files of the database have for one another, and nobody else uses. */

#include "gatt/db.h"

enum { /* attribute types: Assigned Numbers, 3.7, 3.8 and 3.9 */
       BL_GATT_TYPE_PRIMARY = 0x2800,
       BL_GATT_TYPE_SECONDARY = 0x2801,
       BL_GATT_TYPE_INCLUDE = 0x2802,
       BL_GATT_TYPE_CHARACTERISTIC = 0x2803,
       BL_GATT_TYPE_EXTENDED = 0x2900,
       BL_GATT_TYPE_USER_DESCRIPTION = 0x2901,
       BL_GATT_TYPE_CCCD = 0x2902,
       BL_GATT_TYPE_SCCD = 0x2903,
       BL_GATT_TYPE_FORMAT = 0x2904,
       BL_GATT_TYPE_AGGREGATE = 0x2905,
};

enum {
    BL_GATT_PROPERTY_EXTENDED = 0x80, /* Core 5.4, Vol 3, Part G, 3.3.1.1 */
    BL_GATT_SUBSCRIBABLE = BL_GATT_NOTIFY | BL_GATT_INDICATE,
    BL_GATT_HANDLE_MAX = 0xffff, /* Core 5.4, Vol 3, Part F, 3.2.2 */
};

/* ---- db_check.c ---- */

/* 0 and the number of attributes that it takes, or the error that bl_gatts_add() gives of it. */
int bl_gatt_db_check_service(const struct bl_gatt_db *db, const struct bl_gatts_service *def,
                             size_t *ret_n);
/* The same of a characteristic; its number is added to *n. */
int bl_gatt_db_check_characteristic(const struct bl_gatts_characteristic *c, size_t *n);
bool bl_gatt_db_is(const struct bl_uuid *u, uint16_t type);
/* The first descriptor of that type in a definition, NULL: none. */
const struct bl_gatts_descriptor *bl_gatt_db_given(const struct bl_gatts_characteristic *c,
                                                   uint16_t type);
/* Whether the flags ask for Extended Properties that are not given. */
bool bl_gatt_db_makes_extended(const struct bl_gatts_characteristic *c);

/* ---- db.c ---- */

/* An attribute of nobody's yet, with room for cap octets. NULL: no memory. */
struct bl_gatt_attr *bl_gatt_db_attr_new(uint16_t cap);
struct bl_gatt_attr *bl_gatt_db_attr_free(struct bl_gatt_attr *a);

/* Pages for the handles from start to end: -ENOMEM, nothing changed. What stays empty of them has
 * to be given back. */
int bl_gatt_db_reserve(struct bl_gatt_db *db, uint16_t start, uint16_t end);
void bl_gatt_db_unreserve(struct bl_gatt_db *db, uint16_t start, uint16_t end);
/* Takes the attribute over; its page is reserved, its handle free. */
void bl_gatt_db_put(struct bl_gatt_db *db, struct bl_gatt_attr *a);

/* Takes it out, and frees it. */
void bl_gatt_db_drop(struct bl_gatt_db *db, struct bl_gatt_attr *a);

/* ---- db_services.c ---- */

/* Room for one more service, then that service: the range is free. */
int bl_gatt_db_reserve_service(struct bl_gatt_db *db);
void bl_gatt_db_put_service(struct bl_gatt_db *db, const struct bl_gatt_service_rec *rec);
void bl_gatt_db_drop_service(struct bl_gatt_db *db, uint16_t start);
struct bl_gatt_service_rec *bl_gatt_db_rec(const struct bl_gatt_db *db, uint16_t start);

/* The lowest place, not before `from`, in which n handles are free: 0 or -ENOSPC. */
int bl_gatt_db_find_place(struct bl_gatt_db *db, size_t n, uint32_t from, uint16_t *ret);
/* Whether n handles are free from a given one on: 0, -EEXIST or -ENOSPC. */
int bl_gatt_db_check_place(const struct bl_gatt_db *db, size_t n, uint16_t handle, bool builtin);

/* The index of include declarations: room for n more, then kept by bl_gatt_db_put() and _drop(). */
int bl_gatt_db_reserve_includes(struct bl_gatt_db *db, size_t n);
void bl_gatt_db_include_put(struct bl_gatt_db *db, const struct bl_gatt_attr *a);
void bl_gatt_db_include_drop(struct bl_gatt_db *db, const struct bl_gatt_attr *a);
/* The service's end has changed: so do the includes that name it. */
void bl_gatt_db_includes_follow(struct bl_gatt_db *db, const struct bl_gatt_service_rec *rec);
/* The service is no more: nor are the includes that name it. */
void bl_gatt_db_includes_end(struct bl_gatt_db *db, uint16_t service);

/* ---- db.c ---- */

/* Something from start to end is not as it was. */
void bl_gatt_db_touch(struct bl_gatt_db *db, uint16_t start, uint16_t end);
