/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * uuid: a UUID kept as 128 bits in wire order (little-endian), so that comparison is by value
 * whatever the form was: 16- and 32-bit ones are placed on the Bluetooth base.
 * Core 5.4, Vol 3, Part B, 2.5.1.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define UUID_TEXT_LEN 37 /* with the final NUL */

struct bl_uuid {
    uint8_t b[16];
};

struct bl_uuid bl_uuid_from16(uint16_t v);
struct bl_uuid bl_uuid_from32(uint32_t v);
/* n bytes in wire order: 2, 4 or 16; false for any other n. */
bool bl_uuid_from_wire(const void *p, size_t n, struct bl_uuid *ret);

/* 180d, 0x180d, 0000180d, 0x0000180d, or 128 bits as 8-4-4-4-12 or 32 digits, any case. */
bool bl_uuid_parse(const char *text, struct bl_uuid *ret);
/* The one spelling: four lower-case digits where it is a 16-bit UUID, else the full form. */
char *bl_uuid_format(const struct bl_uuid *u, char out[static UUID_TEXT_LEN]);

/* Octets of the shortest form on the wire: 2 or 16 where 4 is not allowed (ATT); an AD structure
 * may use 4 too. */
bool bl_uuid_is16(const struct bl_uuid *u);
bool bl_uuid_is32(const struct bl_uuid *u); /* true for a 16-bit one also */
uint16_t bl_uuid_get16(const struct bl_uuid *u);
uint32_t bl_uuid_get32(const struct bl_uuid *u);

static inline bool bl_uuid_eq(const struct bl_uuid *a, const struct bl_uuid *b)
{
    return memcmp(a->b, b->b, 16) == 0;
}
