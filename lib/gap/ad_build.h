/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * ad_build: advertising data from fields, spread over the advertisement and its scan response.
 *
 * Order: flags, services, appearance, manufacturer data, service data, TX power, name. Each stands
 * in the advertisement while there is room, else in the scan response; where taking them in order
 * leaves something over, other shares are tried, so that what can fit does. Service lists that fit
 * nowhere whole are split, and marked incomplete. Flags are never in a scan response (CSS, Part A,
 * 1.3). Nothing is shortened: too much is an error.
 */

#include "bounds.h"
#include "gap/ad.h"

struct bl_ad_manufacturer {
    uint16_t company;
    const uint8_t *data;
    size_t len;
};

struct bl_ad_service_data {
    struct bl_uuid uuid;
    const uint8_t *data;
    size_t len;
};

/* All borrowed. Each list is an array and its length. */
struct bl_ad_fields {
    bool has_flags, has_appearance, has_tx_power;
    uint8_t flags;
    uint16_t appearance;
    int8_t tx_power;
    const char *name; /* UTF-8; NULL: none */
    const struct bl_uuid *services;
    const struct bl_ad_manufacturer *manufacturers;
    const struct bl_ad_service_data *service_data;
    size_t n_services, n_manufacturers, n_service_data;
};

struct bl_ad_payload {
    size_t len;
    uint8_t bytes[BL_MAX_ADV_EXTENDED];
};

/* The flags that belong on an advertisement: LE General Discoverable, BR/EDR not supported, on a
 * connectable one; none (0) on a broadcast, which shall not be discoverable. Core 5.4, Vol 3, Part
 * C, 9.1.1 and 9.2.4. */
static inline uint8_t bl_ad_flags(bool connectable)
{
    return connectable ? BL_AD_FLAG_GENERAL | BL_AD_FLAG_NO_BREDR : 0;
}

/*
 * Builds both payloads. adv_max, resp_max: octets that fit, at most BL_MAX_ADV_EXTENDED; 31 and 31
 * for legacy; 0 where there is no such payload.
 *   0          *ret_adv and *ret_resp are set
 *   -EMSGSIZE  more than fits. *ret_needed: the octets that all of it takes; where that is not
 *              more than adv_max + resp_max, some one field is too long for either.
 *   -EINVAL    more than BL_MAX_FILTER_ITEMS in a list
 * *ret_needed (may be NULL) is set with 0 and -EMSGSIZE.
 */
int bl_ad_build(const struct bl_ad_fields *fields, size_t adv_max, size_t resp_max,
                struct bl_ad_payload *ret_adv, struct bl_ad_payload *ret_resp, size_t *ret_needed);
