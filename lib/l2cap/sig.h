/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * sig: the PDUs of the LE signalling channel (CID 5), parsed and built. Pure functions: who sends
 * what when, identifiers and the 30 s are the caller's. Core 5.4, Vol 3, Part A, 4.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BL_SIG_MTU     23 /* MTUsig of LE-U: Core 5.4, Vol 3, Part A, 4 */
#define BL_SIG_CID_MAX 5  /* channels in one enhanced request */

enum bl_sig_code {
    BL_SIG_REJECT = 0x01,
    BL_SIG_DISCONNECTION_REQ = 0x06,
    BL_SIG_DISCONNECTION_RSP = 0x07,
    BL_SIG_PARAM_UPDATE_REQ = 0x12,
    BL_SIG_PARAM_UPDATE_RSP = 0x13,
    BL_SIG_LE_CONNECTION_REQ = 0x14, /* LE credit based */
    BL_SIG_LE_CONNECTION_RSP = 0x15,
    BL_SIG_CREDITS = 0x16,
    BL_SIG_ENHANCED_REQ = 0x17, /* enhanced credit based */
    BL_SIG_ENHANCED_RSP = 0x18,
    BL_SIG_RECONFIGURE_REQ = 0x19,
    BL_SIG_RECONFIGURE_RSP = 0x1a,
};

enum bl_sig_reason { /* of a Command Reject: Core 5.4, Vol 3, Part A, 4.1 */
                     BL_SIG_NOT_UNDERSTOOD = 0x0000,
                     BL_SIG_MTU_EXCEEDED = 0x0001,
                     BL_SIG_INVALID_CID = 0x0002,
};

enum {
    BL_SIG_PARAMS_ACCEPTED = 0x0000, /* Core 5.4, Vol 3, Part A, 4.21 */
    BL_SIG_PARAMS_REJECTED = 0x0001,
    BL_SIG_SPSM_NOT_SUPPORTED = 0x0002, /* 4.23; 4.26 for all channels of a request */
    BL_SIG_RECONFIGURE_INVALID_CID = 0x0003,
};

/* One command. `code` tells which member is valid. */
struct bl_sig {
    uint8_t code; /* enum bl_sig_code */
    uint8_t identifier;
    union {
        struct {
            uint16_t reason;                     /* enum bl_sig_reason, or what the peer says */
            uint16_t mtu, local_cid, remote_cid; /* where the reason has them, else 0 */
        } reject;
        struct {
            uint16_t dcid, scid;
        } disconnection; /* request and response */
        struct {
            uint16_t interval_min, interval_max; /* 1.25 ms */
            uint16_t latency;                    /* events */
            uint16_t timeout;                    /* 10 ms */
        } params;
        struct {
            uint16_t result;
        } result; /* of PARAM_UPDATE_RSP and RECONFIGURE_RSP */
        struct {
            uint16_t spsm, mtu, mps, credits, result; /* those that the PDU has */
            uint16_t cid[BL_SIG_CID_MAX];
            uint8_t n_cid;
        } channel; /* connection, enhanced and reconfigure PDUs; ENHANCED_RSP may have no cid */
        struct {
            uint16_t cid, credits;
        } credits;
    };
};

enum bl_sig_verdict {
    BL_SIG_OK = 0,      /* *ret is the command */
    BL_SIG_SEND_REJECT, /* *ret is the Command Reject to answer with: hand it to bl_l2cap_sig_build
                         */
    BL_SIG_IGNORE,      /* no answer is due or possible; *ret is zero */
};

/*
 * What came on CID 5: one PDU's payload, which on LE holds exactly one command. Ignored: less than
 * a header, identifier 0 (no answer could carry it: it is never legal), responses that are
 * malformed or that bled does not know. Rejected: requests that are malformed or unknown, or over
 * BL_SIG_MTU. The ranges of parameters are not looked at: see bl_l2cap_sig_params_legal().
 */
enum bl_sig_verdict bl_l2cap_sig_parse(const void *data, size_t n, struct bl_sig *ret);

/* Writes the command's octets, header included; how many, or 0 where cap is too small or the code
 * is not one of enum bl_sig_code. BL_SIG_MTU octets are always enough. */
size_t bl_l2cap_sig_build(const struct bl_sig *sig, void *out, size_t cap);

/*
 * Fills *ret with the answer to a request that is not served, and true; false where nothing is to
 * be answered (responses, credits). Connection requests: SPSM not supported; disconnection: invalid
 * CID; reconfiguration: invalid CID; parameter update (the peripheral's answer: Core 5.4, Vol 3,
 * Part A, 4.20): not understood.
 */
bool bl_l2cap_sig_refuse(const struct bl_sig *request, struct bl_sig *ret);

/* The Command Reject "not understood" for this identifier. */
struct bl_sig bl_l2cap_sig_not_understood(uint8_t identifier);

/* Intervals 6..3200 in order, latency to 499, timeout 10..3200 and over (1 + latency) * max * 2:
 * Core 5.4, Vol 3, Part A, 4.20; also what Connection Update takes (Vol 4, Part E, 7.8.18). */
bool bl_l2cap_sig_params_legal(uint16_t interval_min, uint16_t interval_max, uint16_t latency,
                               uint16_t timeout);
