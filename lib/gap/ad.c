/* SPDX-License-Identifier: MIT */

/*
 * ad: the reading half of advertising data. Everything here is on the path of each advertising
 * report that a filter looks at, so it walks the payload in place and keeps no state but cursors.
 */

#include "gap/ad.h"

struct bl_ad_iter bl_ad_iter_make(const void *payload, size_t n)
{
    return (struct bl_ad_iter){.rd = rd_make(payload, n)};
}

bool bl_ad_next(struct bl_ad_iter *it, struct bl_ad_item *ret)
{
    if (it->rd.left == 0)
        return false;

    uint8_t len = rd_u8(&it->rd);
    if (len == 0 || len > it->rd.left) { /* the early end, or a structure that is cut off */
        it->rd.left = 0;
        return false;
    }
    ret->type = rd_u8(&it->rd);
    ret->len = (uint8_t)(len - 1);
    ret->data = rd_bytes(&it->rd, ret->len);
    return true;
}

static uint8_t ad_service_list_size(uint8_t type)
{
    switch (type) {
    case BL_AD_UUID16_SOME:
    case BL_AD_UUID16_ALL:
        return 2;
    case BL_AD_UUID32_SOME:
    case BL_AD_UUID32_ALL:
        return 4;
    case BL_AD_UUID128_SOME:
    case BL_AD_UUID128_ALL:
        return 16;
    default:
        return 0;
    }
}

bool bl_ad_next_service(struct bl_ad_iter *it, struct bl_uuid *ret)
{
    struct bl_ad_item item;

    for (;;) {
        if (it->uuid_size > 0 && it->uuids.left >= it->uuid_size)
            return bl_uuid_from_wire(rd_bytes(&it->uuids, it->uuid_size), it->uuid_size, ret);
        if (!bl_ad_next(it, &item))
            return false;
        it->uuid_size = ad_service_list_size(item.type);
        it->uuids = rd_make(item.data, item.len);
    }
}

bool bl_ad_next_manufacturer(struct bl_ad_iter *it, uint16_t *ret_company, const uint8_t **ret_data,
                             size_t *ret_len)
{
    struct bl_ad_item item;

    while (bl_ad_next(it, &item)) {
        if (item.type != BL_AD_MANUFACTURER || item.len < 2)
            continue;
        struct rd r = rd_make(item.data, item.len);
        *ret_company = rd_u16(&r);
        *ret_data = r.p;
        *ret_len = r.left;
        return true;
    }
    return false;
}

static uint8_t ad_service_data_size(uint8_t type)
{
    switch (type) {
    case BL_AD_SERVICE_DATA16:
        return 2;
    case BL_AD_SERVICE_DATA32:
        return 4;
    case BL_AD_SERVICE_DATA128:
        return 16;
    default:
        return 0;
    }
}

bool bl_ad_next_service_data(struct bl_ad_iter *it, struct bl_uuid *ret_uuid,
                             const uint8_t **ret_data, size_t *ret_len)
{
    struct bl_ad_item item;

    while (bl_ad_next(it, &item)) {
        uint8_t size = ad_service_data_size(item.type);
        if (size == 0 || item.len < size)
            continue;
        bl_uuid_from_wire(item.data, size, ret_uuid);
        *ret_data = item.data + size;
        *ret_len = (size_t)item.len - size;
        return true;
    }
    return false;
}

static void ad_parse_name(const struct bl_ad_item *item, struct bl_ad_info *ret)
{
    bool complete = item->type == BL_AD_NAME;

    if (ret->has_name && (ret->name_complete || !complete))
        return;
    ret->has_name = true;
    ret->name_complete = complete;
    ret->name = item->data;
    ret->name_len = item->len;
}

static void ad_parse_item(const struct bl_ad_item *item, struct bl_ad_info *ret)
{
    switch (item->type) {
    case BL_AD_FLAGS: /* may grow: CSS, Part A, 1.3.2 */
        if (item->len < 1 || ret->has_flags)
            break;
        ret->has_flags = true;
        ret->flags = item->data[0];
        break;
    case BL_AD_NAME:
    case BL_AD_NAME_SHORT:
        ad_parse_name(item, ret);
        break;
    case BL_AD_TX_POWER:
        if (item->len != 1 || ret->has_tx_power)
            break;
        ret->has_tx_power = true;
        ret->tx_power = (int8_t)item->data[0];
        break;
    case BL_AD_APPEARANCE:
        if (item->len != 2 || ret->has_appearance)
            break;
        ret->has_appearance = true;
        ret->appearance = (uint16_t)(item->data[0] | item->data[1] << 8);
        break;
    default:
        break;
    }
}

void bl_ad_parse(const void *payload, size_t n, struct bl_ad_info *ret)
{
    struct bl_ad_iter it = bl_ad_iter_make(payload, n);
    struct bl_ad_item item;

    *ret = (struct bl_ad_info){0};
    while (bl_ad_next(&it, &item))
        ad_parse_item(&item, ret);
}

/* Octets of the well-formed UTF-8 sequence at p, 0 where there is none: no overlong forms, no
 * surrogates, nothing past U+10FFFF (Unicode 15, table 3-7). */
static size_t ad_utf8_length(const uint8_t *p, size_t left)
{
    uint8_t low = 0x80, high = 0xbf;
    size_t n;

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        n = 2;
    else if ((p[0] & 0xf0) == 0xe0)
        n = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        n = 4;
    else
        return 0;
    if (n > left)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

size_t bl_ad_text(const uint8_t *bytes, size_t n, char out[static BL_AD_TEXT_MAX + 1])
{
    size_t len = 0;

    if (n > BL_AD_DATA_MAX)
        n = BL_AD_DATA_MAX;
    for (size_t i = 0; i < n && bytes[i] != 0;) {
        size_t k = ad_utf8_length(bytes + i, n - i);
        memcpy(out + len, k ? (const void *)(bytes + i) : "\xef\xbf\xbd", k ? k : 3);
        len += k ? k : 3;
        i += k ? k : 1;
    }
    out[len] = '\0';
    return len;
}

size_t bl_ad_check(const void *payload, size_t n)
{
    const uint8_t *p = payload;

    for (size_t at = 0; at < n; at += 1u + p[at]) {
        if (p[at] > n - at - 1)
            return at;
        if (p[at] > 0)
            continue;
        while (at < n && p[at] == 0) /* after the early end all is zero */
            at++;
        return at;
    }
    return n;
}
