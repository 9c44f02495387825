/* SPDX-License-Identifier: MIT */

#include "smp/pdu.h"

/* Core 5.4, Vol 3, Part H, 3.3 and 3.5 to 3.6 */
static const uint8_t pdu_lengths[BL_SMP_CODES] = {
    [BL_SMP_PAIRING_REQUEST] = 7,
    [BL_SMP_PAIRING_RESPONSE] = 7,
    [BL_SMP_CONFIRM] = 17,
    [BL_SMP_RANDOM] = 17,
    [BL_SMP_FAILED] = 2,
    [BL_SMP_ENCRYPTION_INFORMATION] = 17,
    [BL_SMP_CENTRAL_IDENTIFICATION] = 11,
    [BL_SMP_IDENTITY_INFORMATION] = 17,
    [BL_SMP_IDENTITY_ADDRESS] = 8,
    [BL_SMP_SIGNING_INFORMATION] = 17,
    [BL_SMP_SECURITY_REQUEST] = 2,
    [BL_SMP_PUBLIC_KEY] = 65,
    [BL_SMP_DHKEY_CHECK] = 17,
    [BL_SMP_KEYPRESS] = 2,
};

size_t bl_smp_len(uint8_t code)
{
    return code < BL_SMP_CODES ? pdu_lengths[code] : 0;
}

bool bl_smp_parse_features(const uint8_t *pdu, size_t n, struct bl_smp_features *ret)
{
    struct rd r = rd_make(pdu, n);

    rd_u8(&r); /* the code */
    struct bl_smp_features f;
    f.io = rd_u8(&r);
    f.oob = rd_u8(&r);
    f.auth = rd_u8(&r);
    f.max_key_size = rd_u8(&r);
    f.initiator_keys = rd_u8(&r);
    f.responder_keys = rd_u8(&r);
    if (!rd_done(&r))
        return false;
    *ret = f;
    return true;
}

void bl_smp_put_features(struct wr *w, uint8_t code, const struct bl_smp_features *f)
{
    wr_u8(w, code);
    wr_u8(w, f->io);
    wr_u8(w, f->oob);
    wr_u8(w, f->auth);
    wr_u8(w, f->max_key_size);
    wr_u8(w, f->initiator_keys);
    wr_u8(w, f->responder_keys);
}
