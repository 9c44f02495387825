/* SPDX-License-Identifier: MIT */
#pragma once

/* access: whether a link is good enough for an attribute. Core 5.4, Vol 3, Part C, 10.3.1 and
 * Part F, 3.2.5. */

#include "gatt/db.h"

struct bl_gatt_security;

enum bl_gatt_access {
    BL_GATT_ACCESS_READ,
    BL_GATT_ACCESS_WRITE,   /* Write Request, Prepare Write */
    BL_GATT_ACCESS_COMMAND, /* Write Command */
    BL_GATT_ACCESS_SIGNED,  /* Signed Write Command, whose signature was right */
};

/* 0, or the ATT error. Authorization by the application is not asked here. min_key_size: of the
 * configuration. */
uint8_t bl_gatt_access(const struct bl_gatt_attr *a, enum bl_gatt_access access,
                       const struct bl_gatt_security *security, uint8_t min_key_size);
