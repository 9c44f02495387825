/* SPDX-License-Identifier: MIT */

/*
 * ad_build: the writing half of advertising data. The fields become a row of items (one AD
 * structure each); a plan says for each item which payload it goes to, and writing follows the
 * plan. Plans are tried from the plainest:
 *
 *     in order    each item into the advertisement while it fits, else into the response
 *     any share   the first set of items that fills the advertisement so that the rest fits the
 *                 response: reachable sums of sizes as bits, so legacy payloads only (which alone
 *                 have both)
 *     split       in order, but service lists are cut where the advertisement is full
 */

#include "gap/ad_build.h"

#include "base/wr.h"

#include <errno.h>

#define AD_BUILD_LISTS 3 /* of UUIDs: one for each size */
#define AD_BUILD_ITEMS (1 + AD_BUILD_LISTS + 3 + 2 * BL_MAX_FILTER_ITEMS)
#define AD_BUILD_SHARE 32 /* more items of two octets and more than both legacy payloads hold */

enum ad_item_kind {
    AD_ITEM_FLAGS,
    AD_ITEM_SERVICES, /* index: of ad_list_sizes */
    AD_ITEM_APPEARANCE,
    AD_ITEM_MANUFACTURER,
    AD_ITEM_SERVICE_DATA,
    AD_ITEM_TX_POWER,
    AD_ITEM_NAME,
};

struct ad_item {
    enum ad_item_kind kind;
    size_t index;
    size_t size;  /* octets on the air, its two of header included */
    bool in_resp; /* the plan */
    size_t
        in_adv_n; /* split services: so many UUIDs in the advertisement, the rest in the response */
};

struct ad_plan {
    const struct bl_ad_fields *fields;
    struct ad_item items[AD_BUILD_ITEMS];
    size_t n, total;
    size_t adv_max, resp_max;
    bool split;
};

static const uint8_t ad_list_sizes[AD_BUILD_LISTS] = {2, 4, 16};

static size_t ad_uuid_size(const struct bl_uuid *u)
{
    return bl_uuid_is16(u) ? 2 : bl_uuid_is32(u) ? 4 : 16;
}

static void ad_write_uuid(struct wr *w, const struct bl_uuid *u)
{
    size_t size = ad_uuid_size(u);

    if (size == 2)
        wr_u16(w, bl_uuid_get16(u));
    else if (size == 4)
        wr_u32(w, bl_uuid_get32(u));
    else
        wr_bytes(w, u->b, 16);
}

static size_t ad_count_services(const struct bl_ad_fields *f, size_t uuid_size)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n_services; i++)
        n += ad_uuid_size(&f->services[i]) == uuid_size;
    return n;
}

static void ad_plan_add(struct ad_plan *plan, enum ad_item_kind kind, size_t index, size_t data)
{
    plan->items[plan->n++] = (struct ad_item){.kind = kind, .index = index, .size = 2 + data};
    plan->total += 2 + data;
}

/* All that is to be said, in its order. */
static void ad_plan_items(struct ad_plan *plan)
{
    const struct bl_ad_fields *f = plan->fields;

    if (f->has_flags)
        ad_plan_add(plan, AD_ITEM_FLAGS, 0, 1);
    for (size_t i = 0; i < AD_BUILD_LISTS; i++) {
        size_t n = ad_count_services(f, ad_list_sizes[i]);
        if (n > 0)
            ad_plan_add(plan, AD_ITEM_SERVICES, i, n * ad_list_sizes[i]);
    }
    if (f->has_appearance)
        ad_plan_add(plan, AD_ITEM_APPEARANCE, 0, 2);
    for (size_t i = 0; i < f->n_manufacturers; i++)
        ad_plan_add(plan, AD_ITEM_MANUFACTURER, i, 2 + f->manufacturers[i].len);
    for (size_t i = 0; i < f->n_service_data; i++)
        ad_plan_add(plan, AD_ITEM_SERVICE_DATA, i,
                    ad_uuid_size(&f->service_data[i].uuid) + f->service_data[i].len);
    if (f->has_tx_power)
        ad_plan_add(plan, AD_ITEM_TX_POWER, 0, 1);
    if (f->name)
        ad_plan_add(plan, AD_ITEM_NAME, 0, strlen(f->name));
}

static bool ad_plan_in_order(struct ad_plan *plan)
{
    size_t adv = plan->adv_max, resp = plan->resp_max;

    for (size_t i = 0; i < plan->n; i++) {
        struct ad_item *item = &plan->items[i];
        item->in_resp = item->size > adv;
        if (item->in_resp && (item->kind == AD_ITEM_FLAGS || item->size > resp))
            return false;
        *(item->in_resp ? &resp : &adv) -= item->size;
    }
    return true;
}

/* reach[i]: bit s is set where some of the first i items are s octets together. */
static bool ad_plan_any_share(struct ad_plan *plan)
{
    uint64_t reach[AD_BUILD_SHARE + 1] = {1};
    size_t want;

    if (plan->adv_max > BL_MAX_ADV_LEGACY || plan->n > AD_BUILD_SHARE)
        return false;
    for (size_t i = 0; i < plan->n; i++) {
        const struct ad_item *item = &plan->items[i];
        uint64_t with = item->size > plan->adv_max ? 0 : reach[i] << item->size;
        reach[i + 1] = item->kind == AD_ITEM_FLAGS ? with : reach[i] | with;
    }
    for (want = plan->adv_max; !(reach[plan->n] >> want & 1); want--)
        if (want == 0)
            return false;
    if (plan->total - want > plan->resp_max)
        return false;
    for (size_t i = plan->n; i-- > 0;) { /* back from the sum to the items that made it */
        struct ad_item *item = &plan->items[i];
        item->in_resp = item->kind != AD_ITEM_FLAGS && (reach[i] >> want & 1);
        if (!item->in_resp)
            want -= item->size;
    }
    return true;
}

static bool ad_plan_split(struct ad_plan *plan)
{
    size_t adv = plan->adv_max, resp = plan->resp_max;

    plan->split = true;
    for (size_t i = 0; i < plan->n; i++) {
        struct ad_item *item = &plan->items[i];
        item->in_resp = item->size > adv;
        item->in_adv_n = 0;
        if (!item->in_resp) {
            adv -= item->size;
            continue;
        }
        if (item->kind == AD_ITEM_FLAGS)
            return false;
        size_t in_resp = item->size;
        if (item->kind == AD_ITEM_SERVICES && item->size > resp && adv > 2) {
            size_t uuid = ad_list_sizes[item->index];
            item->in_adv_n = (adv - 2) / uuid;
            if (item->in_adv_n > 0)
                adv -= 2 + item->in_adv_n * uuid;
            in_resp -= item->in_adv_n * uuid;
        }
        if (in_resp > resp)
            return false;
        resp -= in_resp;
    }
    return true;
}

/* UUIDs number `from` to `to` of one size. */
static void ad_write_services(struct wr *w, const struct bl_ad_fields *f, size_t list, size_t from,
                              size_t to, bool complete)
{
    static const uint8_t types[AD_BUILD_LISTS] = {BL_AD_UUID16_SOME, BL_AD_UUID32_SOME,
                                                  BL_AD_UUID128_SOME};
    size_t size = ad_list_sizes[list], at = 0;

    if (from == to)
        return;
    wr_u8(w, (uint8_t)(1 + (to - from) * size));
    wr_u8(w, (uint8_t)(types[list] + (complete ? 1 : 0)));
    for (size_t i = 0; i < f->n_services; i++) {
        if (ad_uuid_size(&f->services[i]) != size)
            continue;
        if (at >= from && at < to)
            ad_write_uuid(w, &f->services[i]);
        at++;
    }
}

static uint8_t ad_service_data_type(const struct bl_uuid *u)
{
    size_t size = ad_uuid_size(u);

    return size == 2   ? BL_AD_SERVICE_DATA16
           : size == 4 ? BL_AD_SERVICE_DATA32
                       : BL_AD_SERVICE_DATA128;
}

static void ad_write_item(struct wr *w, const struct bl_ad_fields *f, const struct ad_item *item)
{
    wr_u8(w, (uint8_t)(item->size - 1));
    switch (item->kind) {
    case AD_ITEM_FLAGS:
        wr_u8(w, BL_AD_FLAGS);
        wr_u8(w, f->flags);
        break;
    case AD_ITEM_APPEARANCE:
        wr_u8(w, BL_AD_APPEARANCE);
        wr_u16(w, f->appearance);
        break;
    case AD_ITEM_MANUFACTURER:
        wr_u8(w, BL_AD_MANUFACTURER);
        wr_u16(w, f->manufacturers[item->index].company);
        wr_bytes(w, f->manufacturers[item->index].data, f->manufacturers[item->index].len);
        break;
    case AD_ITEM_SERVICE_DATA:
        wr_u8(w, ad_service_data_type(&f->service_data[item->index].uuid));
        ad_write_uuid(w, &f->service_data[item->index].uuid);
        wr_bytes(w, f->service_data[item->index].data, f->service_data[item->index].len);
        break;
    case AD_ITEM_TX_POWER:
        wr_u8(w, BL_AD_TX_POWER);
        wr_i8(w, f->tx_power);
        break;
    case AD_ITEM_NAME:
        wr_u8(w, BL_AD_NAME);
        wr_bytes(w, f->name, strlen(f->name));
        break;
    case AD_ITEM_SERVICES: /* ad_write_services() */
        break;
    }
}

/* Both cursors have the room: the plan has counted it. */
static void ad_plan_write(const struct ad_plan *plan, struct wr *adv, struct wr *resp)
{
    for (size_t i = 0; i < plan->n; i++) {
        const struct ad_item *item = &plan->items[i];
        if (item->kind != AD_ITEM_SERVICES) {
            ad_write_item(item->in_resp ? resp : adv, plan->fields, item);
            continue;
        }
        size_t n = ad_count_services(plan->fields, ad_list_sizes[item->index]);
        size_t cut = !item->in_resp ? n : plan->split ? item->in_adv_n : 0;
        bool complete = cut == 0 || cut == n;
        ad_write_services(adv, plan->fields, item->index, 0, cut, complete);
        ad_write_services(resp, plan->fields, item->index, cut, n, complete);
    }
}

static bool ad_plan_fits_structures(const struct ad_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++)
        if (plan->items[i].size > 2 + BL_AD_DATA_MAX)
            return false;
    return true;
}

int bl_ad_build(const struct bl_ad_fields *fields, size_t adv_max, size_t resp_max,
                struct bl_ad_payload *ret_adv, struct bl_ad_payload *ret_resp, size_t *ret_needed)
{
    struct ad_plan plan = {.fields = fields, .adv_max = adv_max, .resp_max = resp_max};

    if (fields->n_services > BL_MAX_FILTER_ITEMS || fields->n_manufacturers > BL_MAX_FILTER_ITEMS ||
        fields->n_service_data > BL_MAX_FILTER_ITEMS || adv_max > BL_MAX_ADV_EXTENDED ||
        resp_max > BL_MAX_ADV_EXTENDED)
        return -EINVAL;
    ad_plan_items(&plan);
    if (ret_needed)
        *ret_needed = plan.total;
    if (!ad_plan_in_order(&plan) && !ad_plan_any_share(&plan) && !ad_plan_split(&plan))
        return -EMSGSIZE;
    if (!ad_plan_fits_structures(&plan))
        return -EMSGSIZE;

    struct wr adv = wr_make(ret_adv->bytes, adv_max), resp = wr_make(ret_resp->bytes, resp_max);
    ad_plan_write(&plan, &adv, &resp);
    ret_adv->len = adv.len;
    ret_resp->len = resp.len;
    return 0;
}
