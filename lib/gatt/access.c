/* SPDX-License-Identifier: MIT */

/* access: see the header. */

#include "gatt/access.h"

#include "gatt/gatt.h"

uint8_t bl_gatt_access(const struct bl_gatt_attr *a, enum bl_gatt_access access,
                       const struct bl_gatt_security *security, uint8_t min_key_size)
{
    (void)a;
    (void)access;
    (void)security;
    (void)min_key_size;
    return 0;
}
