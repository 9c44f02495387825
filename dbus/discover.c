/* SPDX-License-Identifier: MIT */

/*
 * discover: the scan for scripts: one entry an advertiser, with its last advertising data and scan
 * response put together. Bounded by `limit`: later advertisers are not listed. Found by hash, so
 * that a report costs the same however many there are.
 */

#include "ad_dict.h"
#include "scan.h"

#include <stdlib.h>
#include <string.h>

struct discovered {
    struct bl_addr addr;
    bool connectable;
    int8_t rssi;
    uint8_t *data[2]; /* advertising data, scan response */
    uint16_t len[2];
    bool has[2];
};

struct discover {
    uint32_t limit, n, cap;
    struct discovered *entries; /* in order of their first report */
    uint32_t *slots;            /* index + 1; a power of two, at least twice limit */
    uint32_t mask;
    uint32_t seed; /* so that addresses that collide are not known in advance */
};

struct discover *bus_discover_new(uint32_t limit)
{
    struct discover *d = calloc(1, sizeof(*d));
    uint32_t slots = 16;

    if (!d)
        return NULL;
    while (slots < 2 * limit)
        slots *= 2;
    d->limit = limit;
    d->mask = slots - 1;
    d->seed = (uint32_t)((uintptr_t)d >> 4);
    d->slots = calloc(slots, sizeof(*d->slots));
    return d->slots ? d : bus_discover_free(d);
}

struct discover *bus_discover_free(struct discover *d)
{
    if (!d)
        return NULL;
    for (uint32_t i = 0; i < d->n; i++) {
        free(d->entries[i].data[0]);
        free(d->entries[i].data[1]);
    }
    free(d->entries);
    free(d->slots);
    free(d);
    return NULL;
}

/* The advertiser's entry; NULL when the limit is reached or there is no memory. */
static struct discovered *discover_entry(struct discover *d, const struct bl_addr *addr)
{
    uint32_t i = bl_addr_hash(addr, d->seed) & d->mask;

    for (; d->slots[i]; i = (i + 1) & d->mask)
        if (bl_addr_eq(&d->entries[d->slots[i] - 1].addr, addr))
            return &d->entries[d->slots[i] - 1];
    if (d->n == d->limit)
        return NULL;
    if (d->n == d->cap) {
        uint32_t cap = d->cap ? 2 * d->cap : 16;
        struct discovered *grown = realloc(d->entries, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        d->entries = grown;
        d->cap = cap;
    }
    d->entries[d->n] = (struct discovered){.addr = *addr, .rssi = INT8_MIN};
    d->slots[i] = ++d->n;
    return &d->entries[d->n - 1];
}

void bus_discover_report(struct discover *d, const struct bl_report *r)
{
    struct discovered *e = discover_entry(d, &r->addr);
    unsigned which = r->scan_response;

    if (!e)
        return;
    if (r->rssi != 127 && r->rssi > e->rssi) /* Core 5.4, Vol 4, Part E, 7.7.65.2: 127 is none */
        e->rssi = r->rssi;
    e->connectable |= r->connectable;
    if (e->len[which] != r->len) {
        uint8_t *resized = realloc(e->data[which], r->len ? r->len : 1);
        if (!resized)
            return;
        e->data[which] = resized;
        e->len[which] = r->len;
    }
    if (r->len > 0)
        memcpy(e->data[which], r->data, r->len);
    e->has[which] = true;
}

/* What the AD structures of both parts say, as the entries of an a{sv}. */
static void discover_append_fields(const struct discovered *e, sd_bus_message *m)
{
    static const char *const raw[2] = {"adv_data", "resp_data"};

    bus_ad_append(m, e->data[0], e->len[0], e->data[1], e->len[1]);
    for (unsigned i = 0; i < 2; i++) {
        if (!e->has[i])
            continue;
        sd_bus_message_open_container(m, 'e', "sv");
        sd_bus_message_append(m, "s", raw[i]);
        sd_bus_message_open_container(m, 'v', "ay");
        sd_bus_message_append_array(m, 'y', e->data[i], e->len[i]);
        sd_bus_message_close_container(m);
        sd_bus_message_close_container(m);
    }
}

int bus_discover_append(const struct discover *d, sd_bus_message *m)
{
    char text[ADDR_TEXT_LEN];

    sd_bus_message_open_container(m, 'a', "(ysbna{sv})");
    for (uint32_t i = 0; i < d->n; i++) {
        const struct discovered *e = &d->entries[i];
        sd_bus_message_open_container(m, 'r', "ysbna{sv}");
        sd_bus_message_append(m, "ysbn", e->addr.type, bl_addr_format(&e->addr, text),
                              e->connectable, e->rssi == INT8_MIN ? 127 : e->rssi);
        sd_bus_message_open_container(m, 'a', "{sv}");
        discover_append_fields(e, m);
        sd_bus_message_close_container(m);
        sd_bus_message_close_container(m);
    }
    return sd_bus_message_close_container(m);
}
