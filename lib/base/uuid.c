/* SPDX-License-Identifier: MIT */

#include "base/uuid.h"

/* 00000000-0000-1000-8000-00805F9B34FB, Core 5.4, Vol 3, Part B, 2.5.1 */
static const uint8_t uuid_base[12] = {0xfb, 0x34, 0x9b, 0x5f, 0x80, 0x00,
                                      0x00, 0x80, 0x00, 0x10, 0x00, 0x00};

struct bl_uuid bl_uuid_from32(uint32_t v)
{
    struct bl_uuid u;

    memcpy(u.b, uuid_base, sizeof(uuid_base));
    for (unsigned i = 0; i < 4; i++)
        u.b[12 + i] = (uint8_t)(v >> 8 * i);
    return u;
}

struct bl_uuid bl_uuid_from16(uint16_t v)
{
    return bl_uuid_from32(v);
}

bool bl_uuid_from_wire(const void *p, size_t n, struct bl_uuid *ret)
{
    const uint8_t *b = p;

    if (n == 2)
        *ret = bl_uuid_from16((uint16_t)(b[0] | b[1] << 8));
    else if (n == 4)
        *ret = bl_uuid_from32((uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
                              (uint32_t)b[3] << 24);
    else if (n == 16)
        memcpy(ret->b, b, 16);
    else
        return false;
    return true;
}

bool bl_uuid_is32(const struct bl_uuid *u)
{
    return memcmp(u->b, uuid_base, sizeof(uuid_base)) == 0;
}

bool bl_uuid_is16(const struct bl_uuid *u)
{
    return bl_uuid_is32(u) && u->b[14] == 0 && u->b[15] == 0;
}

uint16_t bl_uuid_get16(const struct bl_uuid *u)
{
    return (uint16_t)(u->b[12] | u->b[13] << 8);
}

uint32_t bl_uuid_get32(const struct bl_uuid *u)
{
    return (uint32_t)u->b[12] | (uint32_t)u->b[13] << 8 | (uint32_t)u->b[14] << 16 |
           (uint32_t)u->b[15] << 24;
}

static int uuid_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Exactly n hex digits into n/2 bytes, the last byte of the text first. */
static bool uuid_digits(const char *text, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i += 2) {
        int high = uuid_hex(text[i]), low = high < 0 ? -1 : uuid_hex(text[i + 1]);
        if (low < 0)
            return false;
        out[n / 2 - 1 - i / 2] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool bl_uuid_parse(const char *text, struct bl_uuid *ret)
{
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        text += 2;

    size_t n = strlen(text);
    char digits[33];
    uint8_t b[16];

    if (n == 36) {
        size_t used = 0;
        for (size_t i = 0; i < 36; i++) {
            bool dash = i == 8 || i == 13 || i == 18 || i == 23;
            if (dash != (text[i] == '-'))
                return false;
            if (!dash)
                digits[used++] = text[i];
        }
        digits[32] = '\0';
        text = digits;
        n = 32;
    }
    if ((n != 4 && n != 8 && n != 32) || !uuid_digits(text, n, b))
        return false;
    return bl_uuid_from_wire(b, n / 2, ret);
}

char *bl_uuid_format(const struct bl_uuid *u, char out[static UUID_TEXT_LEN])
{
    static const char hex[] = "0123456789abcdef";
    bool is16 = bl_uuid_is16(u);
    size_t pos = 0, first = is16 ? 2 : 0, last = is16 ? 4 : 16;

    for (size_t i = first; i < last; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[pos++] = '-';
        out[pos++] = hex[u->b[15 - i] >> 4];
        out[pos++] = hex[u->b[15 - i] & 15];
    }
    out[pos] = '\0';
    return out;
}
