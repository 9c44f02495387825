/* SPDX-License-Identifier: MIT */
#pragma once

/* report: an advertising report, as the controller gives it and as the host hands it on. */

#include "types.h"

/* One received advertisement, legacy or extended, whole. */
struct bl_report {
    uint64_t time;  /* when it came from the controller, us */
    uint64_t scans; /* bit n: scan with slot n wants it */
    struct bl_addr addr;
    struct bl_addr target; /* of a directed one, else zero */
    uint8_t adv_type;      /* 0 ADV_IND .. 4 SCAN_RSP; 0xff: no legacy form */
    uint8_t primary_phy, secondary_phy;
    uint8_t sid;     /* 0xff: none */
    int8_t rssi;     /* 127: not available */
    int8_t tx_power; /* 127: not available */
    bool connectable, scannable, directed, scan_response, legacy, truncated, anonymous;
    uint16_t periodic_interval; /* 1.25 ms, 0: none */
    uint16_t len;
    const uint8_t *data;
};
