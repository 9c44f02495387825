/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * ad: advertising data read. A payload is a row of AD structures {length, type, data}; a length of
 * zero ends it early, and what does not fit into the payload ends it too: whatever was whole before
 * is good. Core 5.4, Vol 3, Part C, 11; types and their layouts: Supplement (CSS), Part A, 1.
 *
 * Nothing here allocates, and all pointers given out are into the caller's payload.
 */

#include "base/rd.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bl_ad_type { /* Assigned Numbers, 2.3 */
                  BL_AD_FLAGS = 0x01,
                  BL_AD_UUID16_SOME = 0x02,
                  BL_AD_UUID16_ALL = 0x03,
                  BL_AD_UUID32_SOME = 0x04,
                  BL_AD_UUID32_ALL = 0x05,
                  BL_AD_UUID128_SOME = 0x06,
                  BL_AD_UUID128_ALL = 0x07,
                  BL_AD_NAME_SHORT = 0x08,
                  BL_AD_NAME = 0x09,
                  BL_AD_TX_POWER = 0x0a,
                  BL_AD_SERVICE_DATA16 = 0x16,
                  BL_AD_APPEARANCE = 0x19,
                  BL_AD_SERVICE_DATA32 = 0x20,
                  BL_AD_SERVICE_DATA128 = 0x21,
                  BL_AD_MANUFACTURER = 0xff,
};

enum { /* bits of BL_AD_FLAGS: CSS, Part A, 1.3 */
       BL_AD_FLAG_LIMITED = 1,
       BL_AD_FLAG_GENERAL = 2,
       BL_AD_FLAG_NO_BREDR = 4,
};

#define BL_AD_DATA_MAX 254                  /* of one structure: its length octet counts the type */
#define BL_AD_TEXT_MAX (3 * BL_AD_DATA_MAX) /* a name as text, without the final NUL */

struct bl_ad_item {
    uint8_t type;
    uint8_t len; /* of data */
    const uint8_t *data;
};

/* Walks the structures in order. */
struct bl_ad_iter {
    struct rd rd;
    struct rd uuids; /* the rest of the list that bl_ad_next_service() is in */
    uint8_t uuid_size;
};

struct bl_ad_iter bl_ad_iter_make(const void *payload, size_t n);
bool bl_ad_next(struct bl_ad_iter *it, struct bl_ad_item *ret);
/* The next structure of one kind, skipping all others; each kind wants an iterator of its own. A
 * structure too short for its kind is skipped too. */
bool bl_ad_next_service(struct bl_ad_iter *it, struct bl_uuid *ret); /* complete and incomplete */
bool bl_ad_next_manufacturer(struct bl_ad_iter *it, uint16_t *ret_company, const uint8_t **ret_data,
                             size_t *ret_len);
bool bl_ad_next_service_data(struct bl_ad_iter *it, struct bl_uuid *ret_uuid,
                             const uint8_t **ret_data, size_t *ret_len);

/* What a payload says once. Of a field given twice the first counts; a complete name goes before a
 * shortened one. */
struct bl_ad_info {
    bool has_flags, has_appearance, has_tx_power, has_name;
    bool name_complete;
    uint8_t flags; /* the first octet */
    uint8_t name_len;
    uint16_t appearance;
    int8_t tx_power; /* dBm */
    const uint8_t *name;
};

void bl_ad_parse(const void *payload, size_t n, struct bl_ad_info *ret);

/* Bytes from the air as text that may go anywhere: valid UTF-8 stays, each octet that is none
 * becomes U+FFFD, a NUL ends it (some devices pad). Returns the length; out is NUL-terminated.
 * n may not be more than BL_AD_DATA_MAX. */
size_t bl_ad_text(const uint8_t *bytes, size_t n, char out[static BL_AD_TEXT_MAX + 1]);

/* Where the payload breaks: the offset of the structure that does not fit, or of the first octet
 * that is not zero after an early end; n where it is sound. For telling people only: raw payloads
 * are sent as they are. */
size_t bl_ad_check(const void *payload, size_t n);
