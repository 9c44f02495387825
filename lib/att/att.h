/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * att: the Attribute Protocol's numbers and the table of its PDUs. Core 5.4, Vol 3, Part F, 3.4.
 *
 * A PDU is an opcode and its parameters, little-endian. The table says of each opcode what it is
 * and how long it may be; the bearer checks both once, and nobody after it.
 */

#include "base/rd.h"
#include "base/wr.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    BL_ATT_CID = 4,        /* Core 5.4, Vol 3, Part A, 2.1 */
    BL_ATT_MTU_MIN = 23,   /* Core 5.4, Vol 3, Part G, 5.2.1 */
    BL_ATT_MTU_MAX = 517,  /* a value of 512 octets in any PDU */
    BL_ATT_VALUE_MAX = 512 /* Core 5.4, Vol 3, Part F, 3.2.9 */
};

enum bl_att_opcode {
    BL_ATT_ERROR_RSP = 0x01,
    BL_ATT_MTU_REQ = 0x02,
    BL_ATT_MTU_RSP = 0x03,
    BL_ATT_FIND_INFO_REQ = 0x04,
    BL_ATT_FIND_INFO_RSP = 0x05,
    BL_ATT_FIND_BY_TYPE_REQ = 0x06,
    BL_ATT_FIND_BY_TYPE_RSP = 0x07,
    BL_ATT_READ_BY_TYPE_REQ = 0x08,
    BL_ATT_READ_BY_TYPE_RSP = 0x09,
    BL_ATT_READ_REQ = 0x0a,
    BL_ATT_READ_RSP = 0x0b,
    BL_ATT_READ_BLOB_REQ = 0x0c,
    BL_ATT_READ_BLOB_RSP = 0x0d,
    BL_ATT_READ_MULTIPLE_REQ = 0x0e,
    BL_ATT_READ_MULTIPLE_RSP = 0x0f,
    BL_ATT_READ_BY_GROUP_REQ = 0x10,
    BL_ATT_READ_BY_GROUP_RSP = 0x11,
    BL_ATT_WRITE_REQ = 0x12,
    BL_ATT_WRITE_RSP = 0x13,
    BL_ATT_PREPARE_WRITE_REQ = 0x16,
    BL_ATT_PREPARE_WRITE_RSP = 0x17,
    BL_ATT_EXECUTE_WRITE_REQ = 0x18,
    BL_ATT_EXECUTE_WRITE_RSP = 0x19,
    BL_ATT_NOTIFICATION = 0x1b,
    BL_ATT_INDICATION = 0x1d,
    BL_ATT_CONFIRMATION = 0x1e,
    BL_ATT_READ_MULTIPLE_VAR_REQ = 0x20,
    BL_ATT_READ_MULTIPLE_VAR_RSP = 0x21,
    BL_ATT_MULTIPLE_NOTIFICATION = 0x23,
    BL_ATT_WRITE_CMD = 0x52,
    BL_ATT_SIGNED_WRITE_CMD = 0xd2,
};

/* Core 5.4, Vol 3, Part F, 3.4.1.1, table 3.4 */
enum bl_att_error {
    BL_ATT_INVALID_HANDLE = 0x01,
    BL_ATT_READ_NOT_PERMITTED = 0x02,
    BL_ATT_WRITE_NOT_PERMITTED = 0x03,
    BL_ATT_INVALID_PDU = 0x04,
    BL_ATT_INSUFFICIENT_AUTHENTICATION = 0x05,
    BL_ATT_REQUEST_NOT_SUPPORTED = 0x06,
    BL_ATT_INVALID_OFFSET = 0x07,
    BL_ATT_INSUFFICIENT_AUTHORIZATION = 0x08,
    BL_ATT_PREPARE_QUEUE_FULL = 0x09,
    BL_ATT_ATTRIBUTE_NOT_FOUND = 0x0a,
    BL_ATT_ATTRIBUTE_NOT_LONG = 0x0b,
    BL_ATT_KEY_SIZE_TOO_SHORT = 0x0c, /* Encryption Key Size Too Short */
    BL_ATT_INVALID_VALUE_LENGTH = 0x0d,
    BL_ATT_UNLIKELY_ERROR = 0x0e,
    BL_ATT_INSUFFICIENT_ENCRYPTION = 0x0f,
    BL_ATT_UNSUPPORTED_GROUP_TYPE = 0x10,
    BL_ATT_INSUFFICIENT_RESOURCES = 0x11,
    BL_ATT_DATABASE_OUT_OF_SYNC = 0x12,
    BL_ATT_VALUE_NOT_ALLOWED = 0x13,
    BL_ATT_CCCD_IMPROPER = 0xfd, /* Core Specification Supplement, Part B, 1.2 */
    BL_ATT_PROCEDURE_IN_PROGRESS = 0xfe,
    BL_ATT_OUT_OF_RANGE = 0xff,
};

enum bl_att_kind {
    BL_ATT_REQUEST, /* to the server, answered by one response or Error Response */
    BL_ATT_COMMAND, /* to the server, not answered */
    BL_ATT_CONFIRM, /* to the server: Confirmation */
    BL_ATT_RESPONSE,
    BL_ATT_NOTIFY, /* to the client, not answered */
    BL_ATT_INDICATE,
};

struct bl_att_row {
    uint8_t opcode;
    uint8_t kind;      /* enum bl_att_kind */
    uint8_t answer;    /* a request's response, 0 for others */
    uint16_t min, max; /* octets, the opcode counted */
};

/* NULL for an opcode that the specification does not have. */
const struct bl_att_row *bl_att_row(uint8_t opcode);

/* The one PDU that every layer builds. */
static inline void bl_att_put_error(struct wr *w, uint8_t request, uint16_t handle, uint8_t error)
{
    wr_u8(w, BL_ATT_ERROR_RSP);
    wr_u8(w, request);
    wr_u16(w, handle);
    wr_u8(w, error);
}
