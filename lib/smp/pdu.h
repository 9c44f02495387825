/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * pdu: the Security Manager Protocol's numbers and the table of its PDUs. Core 5.4, Vol 3, Part
 * H, 3. A PDU is a code and its parameters, each of one length: the table says it, and nobody after
 * it checks again.
 */

#include "base/rd.h"
#include "base/wr.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    BL_SMP_CID = 6,
    BL_SMP_MTU = 65, /* with Secure Connections: 3.2 */
    BL_SMP_KEY_MIN = 7,
    BL_SMP_KEY_MAX = 16,
};

enum bl_smp_code {
    BL_SMP_PAIRING_REQUEST = 0x01,
    BL_SMP_PAIRING_RESPONSE = 0x02,
    BL_SMP_CONFIRM = 0x03,
    BL_SMP_RANDOM = 0x04,
    BL_SMP_FAILED = 0x05,
    BL_SMP_ENCRYPTION_INFORMATION = 0x06,
    BL_SMP_CENTRAL_IDENTIFICATION = 0x07,
    BL_SMP_IDENTITY_INFORMATION = 0x08,
    BL_SMP_IDENTITY_ADDRESS = 0x09,
    BL_SMP_SIGNING_INFORMATION = 0x0a,
    BL_SMP_SECURITY_REQUEST = 0x0b,
    BL_SMP_PUBLIC_KEY = 0x0c,
    BL_SMP_DHKEY_CHECK = 0x0d,
    BL_SMP_KEYPRESS = 0x0e,
    BL_SMP_CODES,
};

/* Pairing Failed reasons: 3.5.5, table 3.7 */
enum bl_smp_reason {
    BL_SMP_PASSKEY_ENTRY_FAILED = 0x01,
    BL_SMP_OOB_NOT_AVAILABLE = 0x02,
    BL_SMP_AUTHENTICATION_REQUIREMENTS = 0x03,
    BL_SMP_CONFIRM_VALUE_FAILED = 0x04,
    BL_SMP_PAIRING_NOT_SUPPORTED = 0x05,
    BL_SMP_ENCRYPTION_KEY_SIZE = 0x06,
    BL_SMP_COMMAND_NOT_SUPPORTED = 0x07,
    BL_SMP_UNSPECIFIED_REASON = 0x08,
    BL_SMP_REPEATED_ATTEMPTS = 0x09,
    BL_SMP_INVALID_PARAMETERS = 0x0a,
    BL_SMP_DHKEY_CHECK_FAILED = 0x0b,
    BL_SMP_NUMERIC_COMPARISON_FAILED = 0x0c,
    BL_SMP_KEY_REJECTED = 0x0f,
};

enum { /* AuthReq: 3.5.1 */
       BL_SMP_AUTH_BONDING = 0x01,
       BL_SMP_AUTH_BONDING_MASK = 0x03,
       BL_SMP_AUTH_MITM = 0x04,
       BL_SMP_AUTH_SC = 0x08,
       BL_SMP_AUTH_KEYPRESS = 0x10,
       BL_SMP_AUTH_CT2 = 0x20,
};

enum { /* key distribution: 3.6.1 */
       BL_SMP_DIST_ENC = 0x01,
       BL_SMP_DIST_ID = 0x02,
       BL_SMP_DIST_SIGN = 0x04,
       BL_SMP_DIST_LINK = 0x08,
       BL_SMP_DIST_ALL = 0x0f, /* the others are reserved, and ignored */
};

/* Pairing Request and Response; `wire` as they were sent, for c1. */
struct bl_smp_features {
    uint8_t io, oob, auth, max_key_size, initiator_keys, responder_keys;
};

/* Octets of a PDU of this code, the code counted; 0: no such code. */
size_t bl_smp_len(uint8_t code);
bool bl_smp_parse_features(const uint8_t *pdu, size_t n, struct bl_smp_features *ret);
void bl_smp_put_features(struct wr *w, uint8_t code, const struct bl_smp_features *f);
