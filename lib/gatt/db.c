/* SPDX-License-Identifier: MIT */

#include "gatt/db.h"

#include <errno.h>

int bl_gatt_db_init(struct bl_gatt_db *db)
{
    *db = (struct bl_gatt_db){0};
    return 0;
}

void bl_gatt_db_deinit(struct bl_gatt_db *db)
{
    *db = (struct bl_gatt_db){0};
}

int bl_gatt_db_remove(struct bl_gatt_db *db, uint16_t service)
{
    (void)db;
    (void)service;
    return -EOPNOTSUPP;
}

struct bl_gatt_attr *bl_gatt_db_get(const struct bl_gatt_db *db, uint16_t handle)
{
    (void)db;
    (void)handle;
    return NULL;
}

struct bl_gatt_attr *bl_gatt_db_next(const struct bl_gatt_db *db, uint16_t handle, uint16_t end)
{
    (void)db;
    (void)handle;
    (void)end;
    return NULL;
}

const struct bl_gatt_service_rec *bl_gatt_db_service(const struct bl_gatt_db *db, uint16_t start)
{
    (void)db;
    (void)start;
    return NULL;
}

const struct bl_gatt_service_rec *bl_gatt_db_next_service(const struct bl_gatt_db *db,
                                                          uint16_t handle)
{
    (void)db;
    (void)handle;
    return NULL;
}

int bl_gatt_db_store(struct bl_gatt_attr *a, size_t offset, const uint8_t *value, size_t n,
                     bool keep_tail)
{
    (void)a;
    (void)offset;
    (void)value;
    (void)n;
    (void)keep_tail;
    return -EOPNOTSUPP;
}

bool bl_gatt_db_changes(struct bl_gatt_db *db, uint16_t *ret_start, uint16_t *ret_end)
{
    (void)db;
    (void)ret_start;
    (void)ret_end;
    return false;
}
