/* SPDX-License-Identifier: MIT */

/*
 * dup_filter: the key that makes two reports the same.
 *
 *     57..9: address and its type       anonymous: 48 bits of a hash of the data
 *      8..6: kind of PDU: legacy 0..4 as adv_type, 5 extended, 6 extended connectable, 7 extended
 *            scan response
 *      5..1: advertising set (SID), 16 where there is none
 *         0: truncated
 *        58: anonymous
 */

#include "gap/dup_filter.h"

#include "bounds.h"

void bl_dup_filter_init(struct dup_filter *f, uint64_t seed)
{
    bl_key_set_init(&f->seen, BL_MAX_ADVERTISERS, seed);
}

void bl_dup_filter_deinit(struct dup_filter *f)
{
    bl_key_set_deinit(&f->seen);
}

/* FNV-1a from a secret start. Who can find two payloads alike hides one of his own. */
static uint64_t dup_filter_data_hash(const struct bl_report *r, uint64_t seed)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;

    for (size_t i = 0; i < r->len; i++)
        h = (h ^ r->data[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 48;
}

static uint64_t dup_filter_kind(const struct bl_report *r)
{
    if (r->adv_type <= 4)
        return r->adv_type;
    return r->scan_response ? 7 : r->connectable ? 6 : 5;
}

bool bl_dup_filter_is_new(struct dup_filter *f, const struct bl_report *r)
{
    uint64_t who =
        r->anonymous
            ? (dup_filter_data_hash(r, f->seen.seed) & UINT64_C(0xffffffffffff)) | UINT64_C(1) << 49
            : bl_dup_filter_addr(&r->addr);
    uint64_t key = who << 9 | dup_filter_kind(r) << 6 | (r->sid < 16 ? r->sid : 16u) << 1 |
                   (r->truncated ? 1 : 0);
    bool is_new;

    return bl_key_set_put(&f->seen, key, 0, &is_new) < 0 || is_new;
}
