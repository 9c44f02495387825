/* SPDX-License-Identifier: MIT */

/* Advertising data from the air: every walk over it, and payloads that are built from what was
 * read say the same again. */

#include "gap/ad.h"
#include "gap/ad_build.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* Every octet given out is touched, so that the sanitizers see where it lies. */
static unsigned touch(const uint8_t *p, size_t n)
{
    unsigned sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += p[i];
    return sum;
}

static void build(const struct bl_ad_fields *f, size_t adv_max, size_t resp_max)
{
    static struct bl_ad_payload adv, resp;
    size_t needed = 0;
    int r = bl_ad_build(f, adv_max, resp_max, &adv, &resp, &needed);

    must(r == 0 || r == -EMSGSIZE);
    if (r < 0)
        return;
    must(adv.len <= adv_max && resp.len <= resp_max);
    must(adv.len + resp.len >= needed); /* more where a list is split */
    must(bl_ad_check(adv.bytes, adv.len) == adv.len);
    must(bl_ad_check(resp.bytes, resp.len) == resp.len);

    struct bl_ad_iter a = bl_ad_iter_make(adv.bytes, adv.len);
    struct bl_ad_iter b = bl_ad_iter_make(resp.bytes, resp.len);
    struct bl_uuid u;
    size_t services = 0;
    while (bl_ad_next_service(&a, &u) || bl_ad_next_service(&b, &u))
        services++;
    must(services == f->n_services);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct bl_uuid services[BL_MAX_FILTER_ITEMS];
    static struct bl_ad_manufacturer manufacturers[BL_MAX_FILTER_ITEMS];
    static struct bl_ad_service_data service_data[BL_MAX_FILTER_ITEMS];
    struct bl_ad_fields f = {
        .services = services, .manufacturers = manufacturers, .service_data = service_data};
    char text[BL_AD_TEXT_MAX + 1];
    struct bl_ad_item item;
    struct bl_ad_info info;
    volatile unsigned sum = 0;

    if (n > BL_MAX_ADV_EXTENDED)
        return 0;
    must(bl_ad_check(data, n) <= n);
    for (struct bl_ad_iter it = bl_ad_iter_make(data, n); bl_ad_next(&it, &item);) {
        sum += touch(item.data, item.len);
        must(bl_ad_text(item.data, item.len, text) == strlen(text));
    }
    bl_ad_parse(data, n, &info);
    if (info.has_name) {
        bl_ad_text(info.name, info.name_len, text);
        f.name = text;
    }
    f.has_flags = info.has_flags;
    f.flags = info.flags;
    f.has_appearance = info.has_appearance;
    f.appearance = info.appearance;
    f.has_tx_power = info.has_tx_power;
    f.tx_power = info.tx_power;
    for (struct bl_ad_iter it = bl_ad_iter_make(data, n);
         f.n_services < BL_MAX_FILTER_ITEMS && bl_ad_next_service(&it, &services[f.n_services]);)
        f.n_services++;
    for (struct bl_ad_iter it = bl_ad_iter_make(data, n);
         f.n_manufacturers < BL_MAX_FILTER_ITEMS;) {
        struct bl_ad_manufacturer *m = &manufacturers[f.n_manufacturers];
        if (!bl_ad_next_manufacturer(&it, &m->company, &m->data, &m->len))
            break;
        sum += touch(m->data, m->len);
        f.n_manufacturers++;
    }
    for (struct bl_ad_iter it = bl_ad_iter_make(data, n); f.n_service_data < BL_MAX_FILTER_ITEMS;) {
        struct bl_ad_service_data *d = &service_data[f.n_service_data];
        if (!bl_ad_next_service_data(&it, &d->uuid, &d->data, &d->len))
            break;
        sum += touch(d->data, d->len);
        f.n_service_data++;
    }
    build(&f, BL_MAX_ADV_LEGACY, BL_MAX_ADV_LEGACY);
    build(&f, BL_MAX_ADV_EXTENDED, 0);
    build(&f, n, BL_MAX_ADV_EXTENDED - n);
    (void)sum;
    return 0;
}
