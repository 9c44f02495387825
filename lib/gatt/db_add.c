/* SPDX-License-Identifier: MIT */

#include "gatt/db.h"

#include <errno.h>

int bl_gatt_db_add(struct bl_gatt_db *db, const struct bl_gatts_service *def, bool builtin,
                   uint16_t *ret_service, uint16_t *ret_handles)
{
    (void)db;
    (void)def;
    (void)builtin;
    (void)ret_service;
    (void)ret_handles;
    return -EOPNOTSUPP;
}

int bl_gatt_db_add_characteristic(struct bl_gatt_db *db, uint16_t service,
                                  const struct bl_gatts_characteristic *def, uint16_t *ret_handles)
{
    (void)db;
    (void)service;
    (void)def;
    (void)ret_handles;
    return -EOPNOTSUPP;
}
