/* SPDX-License-Identifier: MIT */

#include "gatt/db.h"

#include <errno.h>

int bl_gatt_db_hash(struct bl_gatt_db *db, const uint8_t **ret)
{
    (void)db;
    (void)ret;
    return -EOPNOTSUPP;
}
