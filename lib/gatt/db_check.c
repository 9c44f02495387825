/* SPDX-License-Identifier: MIT */

/*
 * db_check.c: whether a definition may become attributes, and how many. Core 5.4, Vol 3, Part G, 3.
 * Nothing is made here, so that a refusal has nothing to take back.
 */

#include "base/cleanup.h"
#include "gatt/db_internal.h"

#include <errno.h>

enum {
    CHECK_VALUE_MAX = 512, /* Core 5.4, Vol 3, Part F, 3.2.9 */
};

bool bl_gatt_db_is(const struct bl_uuid *u, uint16_t type)
{
    return bl_uuid_is16(u) && bl_uuid_get16(u) == type;
}

/* Declarations make the structure of the database, so nothing else may have their types; the CCCD
 * is each client's own and made by itself. */
static bool check_type_reserved(const struct bl_uuid *u)
{
    if (!bl_uuid_is16(u))
        return false;

    uint16_t type = bl_uuid_get16(u);

    return (type >= BL_GATT_TYPE_PRIMARY && type <= BL_GATT_TYPE_CHARACTERISTIC) ||
           type == BL_GATT_TYPE_CCCD;
}

static int check_value(const uint8_t *value, uint16_t len, uint16_t max, bool truncate)
{
    if (len > CHECK_VALUE_MAX || max > CHECK_VALUE_MAX || (len > max && !truncate))
        return -EMSGSIZE;
    return len > 0 && !value ? -EINVAL : 0;
}

static int check_descriptor(const struct bl_gatts_descriptor *d, bool truncate)
{
    if (d->flags & ~(uint32_t)BL_GATT_FLAGS || check_type_reserved(&d->uuid))
        return -EINVAL;
    if (bl_gatt_db_is(&d->uuid, BL_GATT_TYPE_EXTENDED)) { /* always two octets: 3.3.3.1 */
        if (d->len == 0 || (d->len == 2 && d->value))
            return 0;
        return -EINVAL;
    }
    return check_value(d->value, d->len, d->max_len, truncate);
}

const struct bl_gatts_descriptor *bl_gatt_db_given(const struct bl_gatts_characteristic *c,
                                                   uint16_t type)
{
    for (size_t i = 0; i < c->n_descriptors; i++)
        if (bl_gatt_db_is(&c->descriptors[i].uuid, type))
            return &c->descriptors[i];
    return NULL;
}

/* Core 5.4, Vol 3, Part G, 3.3.3.1, .2, .4 and .6: at most one of each. */
static bool check_descriptor_twice(const struct bl_gatts_characteristic *c)
{
    static const uint16_t single[] = {BL_GATT_TYPE_EXTENDED, BL_GATT_TYPE_USER_DESCRIPTION,
                                      BL_GATT_TYPE_SCCD, BL_GATT_TYPE_AGGREGATE};

    for (size_t i = 0; i < ARRAY_LEN(single); i++) {
        const struct bl_gatts_descriptor *first = bl_gatt_db_given(c, single[i]);

        for (size_t j = 0; first && j < c->n_descriptors; j++)
            if (&c->descriptors[j] != first && bl_gatt_db_is(&c->descriptors[j].uuid, single[i]))
                return true;
    }
    return false;
}

bool bl_gatt_db_makes_extended(const struct bl_gatts_characteristic *c)
{
    return (c->flags & BL_GATT_AUX_WRITE) && !bl_gatt_db_given(c, BL_GATT_TYPE_EXTENDED);
}

int bl_gatt_db_check_characteristic(const struct bl_gatts_characteristic *c, size_t *n)
{
    if (c->flags & ~(uint32_t)BL_GATT_FLAGS || check_type_reserved(&c->uuid))
        return -EINVAL;

    int r = check_value(c->value, c->len, c->max_len, c->truncate);

    for (size_t i = 0; r == 0 && i < c->n_descriptors; i++)
        r = check_descriptor(&c->descriptors[i], c->truncate);
    if (r < 0)
        return r;
    if (check_descriptor_twice(c))
        return -EINVAL;
    *n += 2 + c->n_descriptors; /* the declaration and the value */
    *n += c->flags & BL_GATT_SUBSCRIBABLE ? 1 : 0;
    *n += bl_gatt_db_makes_extended(c) ? 1 : 0;
    return 0;
}

int bl_gatt_db_check_service(const struct bl_gatt_db *db, const struct bl_gatts_service *def,
                             size_t *ret_n)
{
    size_t n = 1 + def->n_includes;

    for (size_t i = 0; i < def->n_characteristics; i++) {
        int r = bl_gatt_db_check_characteristic(&def->characteristics[i], &n);

        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < def->n_includes; i++)
        if (!bl_gatt_db_service(db, def->includes[i]))
            return -ENOENT;
    if (n > BL_GATT_HANDLE_MAX)
        return -ENOSPC;
    *ret_n = n;
    return 0;
}
