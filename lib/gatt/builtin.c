/* SPDX-License-Identifier: MIT */

#include "gatt/gatt.h"

int bl_gatts_builtin_init(struct bl_gatt *g)
{
    (void)g;
    return 0;
}

void bl_gatts_builtin_configured(struct bl_gatt *g, uint64_t now)
{
    (void)g;
    (void)now;
}
