/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * payload: what an advertisement says, from Advertise's options: raw bytes, or fields that are laid
 * out over the advertisement and its scan response.
 */

#include "adapter.h"

#include "gap/ad_build.h"

struct payload {
    uint8_t *adv, *resp; /* owned; NULL where len is 0 */
    size_t adv_len, resp_len;
    bool tx_power; /* holds an AD structure TX Power Level for the controller's figure */
};

struct payload_manufacturers {
    size_t n;
    struct bl_ad_manufacturer v[BL_MAX_FILTER_ITEMS];
};

struct payload_service_data {
    size_t n;
    struct bl_ad_service_data v[BL_MAX_FILTER_ITEMS];
};

/* As options: bytes are borrowed from the message. */
struct payload_opts {
    struct bus_bytes adv_data, resp_data;
    const char *name;
    struct bus_uuids services;
    uint16_t appearance;
    bool tx_power;
    struct payload_manufacturers manufacturers;
    struct payload_service_data service_data;
    /* Which were given. */
    bool has_adv_data, has_resp_data, has_appearance, has_fields;
};

int payload_opt_manufacturers(sd_bus_message *m, const struct bus_opt *o, void *field,
                              sd_bus_error *error); /* a{qay} */
int payload_opt_service_data(sd_bus_message *m, const struct bus_opt *o, void *field,
                             sd_bus_error *error); /* a{say} */

/*
 * The payload of a set from these options. `last` is the set's payload so far, used for what raw
 * data does not give. adv_max, resp_max: octets that fit. *ret is the caller's, also where it is
 * last's equal. 0, -ENOMEM or InvalidArgs with the byte count.
 */
int payload_make(const struct payload_opts *o, const struct payload *last, bool connectable,
                 size_t adv_max, size_t resp_max, struct payload *ret, sd_bus_error *error);
void payload_clear(struct payload *p);
