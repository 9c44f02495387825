/* SPDX-License-Identifier: MIT */

/*
 * access: permissions by the attribute's flags, then security by what the link has. Nothing is
 * asked of the application here, and nothing of the value.
 *
 *     link                                needs encryption   needs authentication
 *     not encrypted, no key for it        0x05               0x05
 *     not encrypted, a key for it         0x0f               0x0f
 *     encrypted, not authenticated        -                  0x05
 *     encrypted, key too short            0x0c               0x0c
 */

#include "gatt/access.h"

#include "gatt/gatt.h"

enum {
    ACCESS_READ_SECURITY = BL_GATT_READ_ENCRYPTED | BL_GATT_READ_AUTHENTICATED,
    ACCESS_WRITE_SECURITY = BL_GATT_WRITE_ENCRYPTED | BL_GATT_WRITE_AUTHENTICATED,
    ACCESS_AUTHENTICATED = BL_GATT_READ_AUTHENTICATED | BL_GATT_WRITE_AUTHENTICATED,
    ACCESS_KEY_SIZE_MAX = 16
};

/* By access: the flag that permits it, the flags that ask for security, and what it is refused
 * with. */
static const struct access_row {
    uint32_t permits, security;
    uint8_t error;
} access_rows[] = {
    [BL_GATT_ACCESS_READ] = {BL_GATT_READ, ACCESS_READ_SECURITY, BL_ATT_READ_NOT_PERMITTED},
    [BL_GATT_ACCESS_WRITE] = {BL_GATT_WRITE, ACCESS_WRITE_SECURITY, BL_ATT_WRITE_NOT_PERMITTED},
    [BL_GATT_ACCESS_COMMAND] = {BL_GATT_WRITE_NO_RESPONSE, ACCESS_WRITE_SECURITY,
                                BL_ATT_WRITE_NOT_PERMITTED},
    [BL_GATT_ACCESS_SIGNED] = {BL_GATT_SIGNED_WRITE, ACCESS_WRITE_SECURITY,
                               BL_ATT_WRITE_NOT_PERMITTED},
};

/* A CCCD is read by anybody; writing it asks for what the value's reading or writing asks for,
 * because by it the value is obtained. Core 5.4, Vol 3, Part G, 3.3.3.3. */
static uint8_t access_cccd(enum bl_gatt_access access, uint32_t *flags)
{
    if (access == BL_GATT_ACCESS_READ)
        *flags = 0;
    else if (access == BL_GATT_ACCESS_WRITE)
        *flags &= ACCESS_READ_SECURITY | ACCESS_WRITE_SECURITY;
    else
        return BL_ATT_WRITE_NOT_PERMITTED;
    return 0;
}

static uint8_t access_flags(const struct bl_gatt_attr *a, enum bl_gatt_access access,
                            uint32_t *flags)
{
    const struct access_row *row = &access_rows[access];

    *flags = a->flags;
    if (a->kind == BL_GATT_ATTR_CCCD)
        return access_cccd(access, flags);
    if (a->kind != BL_GATT_ATTR_VALUE && a->kind != BL_GATT_ATTR_DESCRIPTOR)
        *flags = BL_GATT_READ; /* declarations are for everybody to read: Part G, 3.1 to 3.3 */
    if (!(*flags & row->permits))
        return row->error;
    *flags &= row->security;
    return 0;
}

uint8_t bl_gatt_access(const struct bl_gatt_attr *a, enum bl_gatt_access access,
                       const struct bl_gatt_security *security, uint8_t min_key_size)
{
    uint32_t needs;
    uint8_t error = access_flags(a, access, &needs);

    if (error || !needs)
        return error;
    /* Core 5.4, Vol 3, Part C, 10.3.1, table 10.2 */
    if (!security->encrypted)
        return security->has_ltk ? BL_ATT_INSUFFICIENT_ENCRYPTION
                                 : BL_ATT_INSUFFICIENT_AUTHENTICATION;
    if ((needs & ACCESS_AUTHENTICATED) && !security->authenticated)
        return BL_ATT_INSUFFICIENT_AUTHENTICATION;
    if (security->key_size < (min_key_size ? min_key_size : ACCESS_KEY_SIZE_MAX))
        return BL_ATT_KEY_SIZE_TOO_SHORT;
    return 0;
}
