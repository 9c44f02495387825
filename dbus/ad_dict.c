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

/* The values of both parts, one a key, the last one counting. */
static size_t ad_collect(const struct ad_parts *p, bool manufacturers, struct ad_value *seen)
{
    struct ad_value v = {0};
    size_t n = 0, i;

    for (unsigned part = 0; part < 2; part++) {
        struct bl_ad_iter it = bl_ad_iter_make(p->data[part], p->len[part]);
        while (n < AD_ITEMS &&
               (manufacturers ? bl_ad_next_manufacturer(&it, &v.company, &v.data, &v.len)
                              : bl_ad_next_service_data(&it, &v.uuid, &v.data, &v.len))) {
            for (i = 0; i < n; i++)
                if (seen[i].company == v.company && bl_uuid_eq(&seen[i].uuid, &v.uuid))
                    break;
            seen[i] = v;
            n += i == n;
        }
    }
    return n;
}

static void ad_values(sd_bus_message *m, const struct ad_parts *p, bool manufacturers)
{
    struct ad_value seen[AD_ITEMS];
    char text[UUID_TEXT_LEN];
    size_t n = ad_collect(p, manufacturers, seen);

    if (n == 0)
        return;
    ad_open(m, manufacturers ? "manufacturer_data" : "service_data",
            manufacturers ? "a{qay}" : "a{say}");
    sd_bus_message_open_container(m, 'a', manufacturers ? "{qay}" : "{say}");
    for (size_t i = 0; i < n; i++) {
        sd_bus_message_open_container(m, 'e', manufacturers ? "qay" : "say");
        if (manufacturers)
            sd_bus_message_append(m, "q", seen[i].company);
        else
            sd_bus_message_append(m, "s", bl_uuid_format(&seen[i].uuid, text));
        sd_bus_message_append_array(m, 'y', seen[i].data, seen[i].len);
        sd_bus_message_close_container(m);
    }
    sd_bus_message_close_container(m);
    ad_close(m);
}

void bus_ad_append(sd_bus_message *m, const uint8_t *adv, size_t adv_len, const uint8_t *resp,
                   size_t resp_len)
{
    struct ad_parts p = {{adv, resp}, {adv_len, resp_len}};
    char text[BL_AD_TEXT_MAX + 1];
    struct bl_ad_info info[2];

    for (unsigned i = 0; i < 2; i++)
        bl_ad_parse(p.data[i], p.len[i], &info[i]);
    /* A complete name, wherever it stands, goes before a shortened one. */
    const struct bl_ad_info *named =
        info[0].has_name && (info[0].name_complete || !info[1].has_name) ? &info[0] : &info[1];
    if (named->has_name) {
        bl_ad_text(named->name, named->name_len, text);
        ad_open(m, "name", "s");
        sd_bus_message_append(m, "s", text);
        ad_close(m);
    }
    ad_services(m, &p);
    for (unsigned i = 0; i < 2; i++)
        if (info[i].has_appearance) {
            ad_open(m, "appearance", "q");
            sd_bus_message_append(m, "q", info[i].appearance);
            ad_close(m);
            break;
        }
    for (unsigned i = 0; i < 2; i++)
        if (info[i].has_tx_power) {
            ad_open(m, "tx_power", "n");
            sd_bus_message_append(m, "n", (int)info[i].tx_power);
            ad_close(m);
            break;
        }
    ad_values(m, &p, true);
    ad_values(m, &p, false);
}
