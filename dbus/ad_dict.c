/* SPDX-License-Identifier: MIT */

#include "ad_dict.h"

#include "gap/ad.h"

#include <string.h>

enum {
    AD_ITEMS = 128
}; /* of each kind in one answer; what two payloads of 1650 octets rarely have */

struct ad_parts {
    const uint8_t *data[2];
    size_t len[2];
};

static void ad_open(sd_bus_message *m, const char *key, const char *type)
{
    sd_bus_message_open_container(m, 'e', "sv");
    sd_bus_message_append(m, "s", key);
    sd_bus_message_open_container(m, 'v', type);
}

static void ad_close(sd_bus_message *m)
{
    sd_bus_message_close_container(m);
    sd_bus_message_close_container(m);
}

static void ad_services(sd_bus_message *m, const struct ad_parts *p)
{
    struct bl_uuid seen[AD_ITEMS], uuid;
    size_t n = 0;

    for (unsigned part = 0; part < 2; part++) {
        struct bl_ad_iter it = bl_ad_iter_make(p->data[part], p->len[part]);
        while (n < AD_ITEMS && bl_ad_next_service(&it, &uuid)) {
            bool known = false;
            for (size_t i = 0; i < n; i++)
                known |= bl_uuid_eq(&seen[i], &uuid);
            if (!known)
                seen[n++] = uuid;
        }
    }
    if (n == 0)
        return;
    ad_open(m, "services", "as");
    sd_bus_message_open_container(m, 'a', "s");
    for (size_t i = 0; i < n; i++) {
        char text[UUID_TEXT_LEN];
        sd_bus_message_append(m, "s", bl_uuid_format(&seen[i], text));
    }
    sd_bus_message_close_container(m);
    ad_close(m);
}

struct ad_value {
    uint16_t company;
    struct bl_uuid uuid;
    const uint8_t *data;
    size_t len;
};

static void ad_bytes(sd_bus_message *m, const struct ad_value *v)
{
    sd_bus_message_open_container(m, 'v', "ay");
    sd_bus_message_append_array(m, 'y', v->data, v->len);
    sd_bus_message_close_container(m);
}

static void ad_manufacturers(sd_bus_message *m, const struct ad_parts *p)
{
    struct ad_value seen[AD_ITEMS], v = {0};
    size_t n = 0, i;

    for (unsigned part = 0; part < 2; part++) {
        struct bl_ad_iter it = bl_ad_iter_make(p->data[part], p->len[part]);
        while (n < AD_ITEMS && bl_ad_next_manufacturer(&it, &v.company, &v.data, &v.len)) {
            for (i = 0; i < n && seen[i].company != v.company; i++)
                ;
            seen[i] = v;
            n += i == n;
        }
    }
    if (n == 0)
        return;
    ad_open(m, "manufacturer_data", "a{qv}");
    sd_bus_message_open_container(m, 'a', "{qv}");
    for (i = 0; i < n; i++) {
        sd_bus_message_open_container(m, 'e', "qv");
        sd_bus_message_append(m, "q", seen[i].company);
        ad_bytes(m, &seen[i]);
        sd_bus_message_close_container(m);
    }
    sd_bus_message_close_container(m);
    ad_close(m);
}
