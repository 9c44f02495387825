/* SPDX-License-Identifier: MIT */

/*
 * scan_filter: what a filter asks of an advertiser is a set of bits (services, name, manufacturer).
 * The bits an advertiser has shown are kept under its address; a payload is parsed only while some
 * are missing, so that a known advertiser costs one look-up whatever its data.
 */

#include "gap/scan_filter.h"

#include "gap/ad.h"
#include "gap/dup_filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { /* bits of wanted and shown */
       SHOWN_SERVICE = 1,
       SHOWN_NAME = 2,
       SHOWN_MANUFACTURER = 4,
};

void bl_scan_filter_deinit(struct scan_filter *f)
{
    free(f->services);
    free(f->addresses);
    free(f->manufacturers);
    free(f->name_prefix);
    bl_key_set_deinit(&f->shown);
    *f = (struct scan_filter){0};
}

/* A copy of n bytes, NULL where n is 0; false where there is no memory. */
static bool scan_filter_copy(void **ret, const void *from, size_t n)
{
    if (n == 0)
        return true;
    *ret = malloc(n);
    if (!*ret)
        return false;
    memcpy(*ret, from, n);
    return true;
}

static bool scan_filter_copy_addresses(struct scan_filter *f, const struct bl_scan_filter *from)
{
    if (from->n_addresses == 0)
        return true;
    f->addresses = malloc(from->n_addresses * sizeof(*f->addresses));
    if (!f->addresses)
        return false;
    for (size_t i = 0; i < from->n_addresses; i++) { /* by insertion: there are few */
        uint64_t key = bl_dup_filter_addr(&from->addresses[i]);
        size_t at = i;
        for (; at > 0 && f->addresses[at - 1] > key; at--)
            f->addresses[at] = f->addresses[at - 1];
        f->addresses[at] = key;
    }
    f->n_addresses = from->n_addresses;
    return true;
}

int bl_scan_filter_init(struct scan_filter *f, const struct bl_scan_filter *from, uint64_t seed)
{
    size_t name_len = from->name_prefix ? strnlen(from->name_prefix, BL_SCAN_NAME_MAX + 1) : 0;
    void *services = NULL, *manufacturers = NULL, *name = NULL;

    *f = (struct scan_filter){0};
    if (from->n_services > BL_MAX_FILTER_ITEMS || from->n_addresses > BL_MAX_FILTER_ITEMS ||
        from->n_manufacturers > BL_MAX_FILTER_ITEMS || name_len > BL_SCAN_NAME_MAX)
        return -EINVAL;

    bool copied =
        scan_filter_copy(&services, from->services, from->n_services * sizeof(*f->services)) &&
        scan_filter_copy(&manufacturers, from->manufacturers,
                         from->n_manufacturers * sizeof(*f->manufacturers)) &&
        scan_filter_copy(&name, from->name_prefix, name_len) && scan_filter_copy_addresses(f, from);
    f->services = services;
    f->manufacturers = manufacturers;
    f->name_prefix = name;
    if (!copied) {
        bl_scan_filter_deinit(f);
        return -ENOMEM;
    }
    f->n_services = from->n_services;
    f->n_manufacturers = from->n_manufacturers;
    f->name_len = name_len;
    f->has_rssi_min = from->has_rssi_min;
    f->rssi_min = from->rssi_min;
    f->wanted =
        (uint8_t)((f->n_services ? SHOWN_SERVICE : 0) | (from->name_prefix ? SHOWN_NAME : 0) |
                  (f->n_manufacturers ? SHOWN_MANUFACTURER : 0));
    bl_key_set_init(&f->shown, BL_MAX_ADVERTISERS, seed);
    return 0;
}

bool bl_scan_filter_is_constant(const struct scan_filter *f)
{
    return f->wanted == 0 && !f->has_rssi_min;
}

static bool scan_filter_has_address(const struct scan_filter *f, const struct bl_addr *a)
{
    uint64_t key = bl_dup_filter_addr(a);
    size_t low = 0, high = f->n_addresses;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->addresses[middle] == key)
            return true;
        if (f->addresses[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool scan_filter_shows_service(const struct scan_filter *f, const struct bl_report *r)
{
    struct bl_ad_iter it = bl_ad_iter_make(r->data, r->len);
    struct bl_uuid uuid;

    while (bl_ad_next_service(&it, &uuid))
        for (size_t i = 0; i < f->n_services; i++)
            if (bl_uuid_eq(&uuid, &f->services[i]))
                return true;
    return false;
}

static bool scan_filter_shows_manufacturer(const struct scan_filter *f, const struct bl_report *r)
{
    struct bl_ad_iter it = bl_ad_iter_make(r->data, r->len);
    const uint8_t *data;
    uint16_t company;
    size_t len;

    while (bl_ad_next_manufacturer(&it, &company, &data, &len))
        for (size_t i = 0; i < f->n_manufacturers; i++)
            if (f->manufacturers[i] == company)
                return true;
    return false;
}

/* Any name structure: a device may give a shortened name and a complete one. */
static bool scan_filter_shows_name(const struct scan_filter *f, const struct bl_report *r)
{
    struct bl_ad_iter it = bl_ad_iter_make(r->data, r->len);
    struct bl_ad_item item;

    while (bl_ad_next(&it, &item))
        if ((item.type == BL_AD_NAME || item.type == BL_AD_NAME_SHORT) && item.len >= f->name_len &&
            (f->name_len == 0 || memcmp(item.data, f->name_prefix, f->name_len) == 0))
            return true;
    return false;
}

static unsigned scan_filter_look(const struct scan_filter *f, const struct bl_report *r,
                                 unsigned missing)
{
    unsigned shown = 0;

    if ((missing & SHOWN_SERVICE) && scan_filter_shows_service(f, r))
        shown |= SHOWN_SERVICE;
    if ((missing & SHOWN_NAME) && scan_filter_shows_name(f, r))
        shown |= SHOWN_NAME;
    if ((missing & SHOWN_MANUFACTURER) && scan_filter_shows_manufacturer(f, r))
        shown |= SHOWN_MANUFACTURER;
    return shown;
}

bool bl_scan_filter_match(struct scan_filter *f, const struct bl_report *r,
                          const struct bl_addr *on_air)
{
    bool is_new;

    if (f->n_addresses > 0 && (r->anonymous || (!scan_filter_has_address(f, &r->addr) &&
                                                !scan_filter_has_address(f, on_air))))
        return false;
    if (f->has_rssi_min && (r->rssi == BL_RSSI_NONE || r->rssi < f->rssi_min))
        return false;
    if (f->wanted == 0)
        return true;
    if (r->anonymous)
        return scan_filter_look(f, r, f->wanted) == f->wanted;

    /* Only who has shown something is remembered, so that a crowd of others pushes nobody out. */
    uint64_t key = bl_dup_filter_addr(&r->addr);
    int at = bl_key_set_find(&f->shown, key);
    unsigned shown = at < 0 ? 0 : bl_key_set_get(&f->shown, at);
    unsigned missing = f->wanted & ~shown;
    if (missing == 0)
        return true;
    unsigned more = scan_filter_look(f, r, missing);
    if (more == 0)
        return false;
    if (at < 0)
        (void)bl_key_set_put(&f->shown, key, more, &is_new); /* no memory: it has to show again */
    else
        bl_key_set_note(&f->shown, at, shown | more);
    return more == missing;
}
