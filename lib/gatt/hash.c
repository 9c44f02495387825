/* SPDX-License-Identifier: MIT */

/*
 * hash.c: the Database Hash. Core 5.4, Vol 3, Part G, 7.3.1.
 *
 * AES-CMAC with a key of zeros over the attributes in the order of their handles: those that make
 * the structure with handle, type and value, the descriptors that the specification names with
 * handle and type, all others not at all. So a value can change without the hash changing. All
 * types that count are 16 bit ones; integers are little-endian in the message. The result is a
 * number of 128 bits, and goes on the wire with its least significant octet first.
 */

#include "base/cleanup.h"
#include "base/wr.h"
#include "crypto/crypto.h"
#include "gatt/db_internal.h"

#include <errno.h>

enum { HASH_FIXED = 4, HASH_LEN = 16 }; /* handle and type */

static bool hash_with_value(uint16_t type)
{
    return (type >= BL_GATT_TYPE_PRIMARY && type <= BL_GATT_TYPE_CHARACTERISTIC) ||
           type == BL_GATT_TYPE_EXTENDED;
}

static bool hash_without_value(uint16_t type)
{
    return type >= BL_GATT_TYPE_USER_DESCRIPTION && type <= BL_GATT_TYPE_AGGREGATE;
}

/* Its octets in the message; 0: it does not count. */
static size_t hash_len(const struct bl_gatt_attr *a)
{
    if (!bl_uuid_is16(&a->type))
        return 0;

    uint16_t type = bl_uuid_get16(&a->type);

    if (hash_with_value(type))
        return HASH_FIXED + (size_t)a->len;
    return hash_without_value(type) ? HASH_FIXED : 0;
}

static void hash_put(struct wr *w, const struct bl_gatt_attr *a)
{
    size_t n = hash_len(a);

    if (n == 0)
        return;
    wr_u16(w, a->handle);
    wr_u16(w, bl_uuid_get16(&a->type));
    wr_bytes(w, a->value, n - HASH_FIXED);
}

static const struct bl_gatt_attr *hash_after(const struct bl_gatt_db *db,
                                             const struct bl_gatt_attr *a)
{
    return a->handle == UINT16_MAX ? NULL : bl_gatt_db_next(db, a->handle + 1, UINT16_MAX);
}

int bl_gatt_db_hash(struct bl_gatt_db *db, const uint8_t **ret)
{
    static const uint8_t key[16];
    const struct bl_gatt_attr *first = bl_gatt_db_next(db, 1, UINT16_MAX);
    uint8_t mac[HASH_LEN];
    size_t n = 0;

    if (db->hash_valid) {
        *ret = db->hash;
        return 0;
    }
    for (const struct bl_gatt_attr *a = first; a; a = hash_after(db, a))
        n += hash_len(a);

    _cleanup_free_ uint8_t *message = malloc(n + 1); /* not of size 0 */

    if (!message)
        return -ENOMEM;

    struct wr w = wr_make(message, n);

    for (const struct bl_gatt_attr *a = first; a; a = hash_after(db, a))
        hash_put(&w, a);
    if (!wr_ok(&w) || bl_crypto_cmac(key, message, n, mac) < 0)
        return -EIO;
    for (size_t i = 0; i < HASH_LEN; i++)
        db->hash[i] = mac[HASH_LEN - 1 - i];
    db->hash_valid = true;
    *ret = db->hash;
    return 0;
}
