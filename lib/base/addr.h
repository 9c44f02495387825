/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * addr: a device address and its kind. Bytes are in the order of the wire (little-endian, b[5] is
 * the first octet of the text), text is AA:BB:CC:DD:EE:FF. Core 5.4, Vol 6, Part B, 1.3.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ADDR_PUBLIC   0
#define ADDR_RANDOM   1
#define ADDR_TEXT_LEN 18 /* with the final NUL */

struct bl_addr {
    uint8_t type; /* ADDR_PUBLIC or ADDR_RANDOM */
    uint8_t b[6];
};

/* False (and *ret untouched) unless text is exactly six pairs of hex digits separated by colons
 * and type is 0 or 1. Either case is taken. */
bool bl_addr_parse(const char *text, uint8_t type, struct bl_addr *ret);
/* Upper case, and NUL-terminated. Returns out. */
char *bl_addr_format(const struct bl_addr *a, char out[static ADDR_TEXT_LEN]);

static inline bool bl_addr_eq(const struct bl_addr *a, const struct bl_addr *b)
{
    return a->type == b->type && memcmp(a->b, b->b, 6) == 0;
}

static inline bool bl_addr_is_zero(const struct bl_addr *a)
{
    static const uint8_t zero[6];
    return memcmp(a->b, zero, 6) == 0;
}

/* The two most significant bits of a random address tell its kind: Core 5.4, Vol 6, Part B, 1.3.2.
 */
static inline bool bl_addr_is_static(const struct bl_addr *a)
{
    return a->type == ADDR_RANDOM && (a->b[5] & 0xc0) == 0xc0;
}

static inline bool bl_addr_is_rpa(const struct bl_addr *a)
{
    return a->type == ADDR_RANDOM && (a->b[5] & 0xc0) == 0x40;
}

static inline bool bl_addr_is_nrpa(const struct bl_addr *a)
{
    return a->type == ADDR_RANDOM && (a->b[5] & 0xc0) == 0x00;
}

/* A hash for tables keyed by address; not for adversaries without a secret seed. */
uint32_t bl_addr_hash(const struct bl_addr *a, uint32_t seed);
