/* SPDX-License-Identifier: MIT */

#include "base/addr.h"

static int addr_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool bl_addr_parse(const char *text, uint8_t type, struct bl_addr *ret)
{
    struct bl_addr a = {.type = type};

    if (type > ADDR_RANDOM || strlen(text) != ADDR_TEXT_LEN - 1)
        return false;
    for (unsigned i = 0; i < 6; i++) {
        int high = addr_hex(text[3 * i]), low = addr_hex(text[3 * i + 1]);
        if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
            return false;
        a.b[5 - i] = (uint8_t)(high << 4 | low);
    }
    *ret = a;
    return true;
}

char *bl_addr_format(const struct bl_addr *a, char out[static ADDR_TEXT_LEN])
{
    static const char digits[] = "0123456789ABCDEF";

    for (unsigned i = 0; i < 6; i++) {
        out[3 * i] = digits[a->b[5 - i] >> 4];
        out[3 * i + 1] = digits[a->b[5 - i] & 15];
        out[3 * i + 2] = i < 5 ? ':' : '\0';
    }
    return out;
}

uint32_t bl_addr_hash(const struct bl_addr *a, uint32_t seed)
{
    uint64_t x = seed;

    for (unsigned i = 0; i < 6; i++)
        x = x << 8 ^ x >> 56 ^ a->b[i];
    x ^= a->type;
    x *= 0x9e3779b97f4a7c15u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return (uint32_t)(x >> 32);
}
