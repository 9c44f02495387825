/* SPDX-License-Identifier: MIT */
#pragma once

/* db_internal: what db.c has for db_add.c, hash.c and builtin.c, and nobody else uses. */

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

/* Core 5.4, Vol 3, Part G, 3.3.1.1 */
enum { BL_GATT_PROPERTY_EXTENDED = 0x80 };

/* An attribute of nobody's yet, with room for cap octets. NULL: no memory. */
struct bl_gatt_attr *bl_gatt_db_attr_new(uint16_t cap);
struct bl_gatt_attr *bl_gatt_db_attr_free(struct bl_gatt_attr *a);

/* Pages for the handles from start to end: -ENOMEM, nothing changed. What stays empty of them has
 * to be given back. */
int bl_gatt_db_reserve(struct bl_gatt_db *db, uint16_t start, uint16_t end);
void bl_gatt_db_unreserve(struct bl_gatt_db *db, uint16_t start, uint16_t end);
/* Takes the attribute over; its page is reserved, its handle free. */
void bl_gatt_db_put(struct bl_gatt_db *db, struct bl_gatt_attr *a);

/* Room for one more service, then that service: the range is free. */
int bl_gatt_db_reserve_service(struct bl_gatt_db *db);
void bl_gatt_db_put_service(struct bl_gatt_db *db, const struct bl_gatt_service_rec *rec);
struct bl_gatt_service_rec *bl_gatt_db_rec(const struct bl_gatt_db *db, uint16_t start);
/* The service's end has changed: so do the includes that name it. */
void bl_gatt_db_includes_follow(struct bl_gatt_db *db, const struct bl_gatt_service_rec *rec);

/* Something from start to end is not as it was. */
void bl_gatt_db_touch(struct bl_gatt_db *db, uint16_t start, uint16_t end);
