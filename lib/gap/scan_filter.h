/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * scan_filter: which reports a scan wants.
 *
 * The address and the signal strength are asked of each report. Services, name and manufacturer are
 * asked of the advertiser: what one of its payloads showed holds for the scan's life, so that a
 * service in the advertisement and a name in the scan response match together, and once all that
 * the filter asks for was seen every report of that advertiser passes. BL_MAX_ADVERTISERS are
 * remembered. An anonymous advertisement has to show all by itself.
 *
 * Services are those of the service lists, not of service data. A name, shortened or complete, has
 * to begin with the prefix. A report without RSSI does not pass rssi_min.
 */

#include "gap/key_set.h"
#include "host.h"

#define BL_SCAN_NAME_MAX 248 /* Core 5.4, Vol 3, Part C, 12.1 */
#define BL_RSSI_NONE     127 /* Core 5.4, Vol 4, Part E, 7.7.65.2 */

struct scan_filter {
    struct bl_uuid *services;
    uint64_t *addresses; /* sorted keys */
    uint16_t *manufacturers;
    char *name_prefix;
    size_t n_services, n_addresses, n_manufacturers, name_len;
    bool has_rssi_min;
    int8_t rssi_min;
    uint8_t wanted; /* what an advertiser has to show: its bits in `shown` */
    struct key_set shown;
};

/* Copies. 0; -EINVAL (more than BL_MAX_FILTER_ITEMS, a prefix over BL_SCAN_NAME_MAX); -ENOMEM. On
 * failure there is nothing to deinit. */
int bl_scan_filter_init(struct scan_filter *f, const struct bl_scan_filter *from, uint64_t seed);
void bl_scan_filter_deinit(struct scan_filter *f);
/* `on_air`: the address that r was received with, r->addr being the identity where that is known;
 * a filter may name either. */
bool bl_scan_filter_match(struct scan_filter *f, const struct bl_report *r,
                          const struct bl_addr *on_air);
/* Nothing that a later report of the same advertiser could change: a controller that tells of each
 * advertiser once would hide nothing. */
bool bl_scan_filter_is_constant(const struct scan_filter *f);
