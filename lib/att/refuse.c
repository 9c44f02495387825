/* SPDX-License-Identifier: MIT */

#include "att/refuse.h"

#include "base/rd.h"
#include "base/wr.h"

#include <stdbool.h>

enum {
    REFUSE_MTU = 23, /* the least ATT_MTU: Core 5.4, Vol 3, Part G, 5.2.1 */

    REFUSE_INVALID_PDU = 0x04,
    REFUSE_NOT_SUPPORTED = 0x06,
};

enum {
    ATT_ERROR_RSP = 0x01,
    ATT_MTU_REQ = 0x02,
    ATT_MTU_RSP = 0x03,
    ATT_INDICATION = 0x1d,
    ATT_CONFIRMATION = 0x1e,
    ATT_COMMAND_FLAG = 0x40,
};

/* What else arrives at a client, or is no request: Core 5.4, Vol 3, Part F, 3.4.8. */
static bool refuse_wants_no_answer(uint8_t opcode)
{
    static const uint8_t silent[] = {0x01, 0x03, 0x05, 0x07, 0x09, 0x0b, 0x0d, 0x0f,
                                     0x11, 0x13, 0x17, 0x19, 0x1b, 0x1e, 0x21, 0x23};

    return (opcode & ATT_COMMAND_FLAG) || memchr(silent, opcode, sizeof(silent)) != NULL;
}

static size_t refuse_error(struct wr *w, uint8_t opcode, uint8_t error)
{
    wr_u8(w, ATT_ERROR_RSP);
    wr_u8(w, opcode);
    wr_u16(w, 0); /* no attribute in particular */
    wr_u8(w, error);
    return wr_ok(w) ? w->len : 0;
}

size_t bl_att_refuse(const void *in, size_t n, void *out, size_t cap)
{
    struct rd r = rd_make(in, n);
    struct wr w = wr_make(out, cap);
    uint8_t opcode = rd_u8(&r);

    if (!rd_ok(&r) || refuse_wants_no_answer(opcode))
        return 0;
    if (opcode == ATT_INDICATION) {
        /* 3.4.7.2: confirmed by whoever got it, once it is an indication: a handle and a value */
        if (r.left < 2)
            return 0;
        wr_u8(&w, ATT_CONFIRMATION);
        return wr_ok(&w) ? w.len : 0;
    }
    if (opcode != ATT_MTU_REQ)
        return refuse_error(&w, opcode, REFUSE_NOT_SUPPORTED);
    if (r.left != 2)
        return refuse_error(&w, opcode, REFUSE_INVALID_PDU);
    wr_u8(&w, ATT_MTU_RSP);
    wr_u16(&w, REFUSE_MTU);
    return wr_ok(&w) ? w.len : 0;
}
