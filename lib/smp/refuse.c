/* SPDX-License-Identifier: MIT */

#include "smp/refuse.h"

#include "base/rd.h"
#include "base/wr.h"

enum {
    SMP_PAIRING_REQUEST = 0x01,
    SMP_PAIRING_FAILED = 0x05,
    SMP_SECURITY_REQUEST = 0x0b,

    SMP_PAIRING_NOT_SUPPORTED = 0x05, /* Core 5.4, Vol 3, Part H, 3.5.5 */
};

size_t bl_smp_refuse(const void *in, size_t n, void *out, size_t cap)
{
    struct rd r = rd_make(in, n);
    struct wr w = wr_make(out, cap);
    uint8_t code = rd_u8(&r);

    if (!rd_ok(&r) || (code != SMP_PAIRING_REQUEST && code != SMP_SECURITY_REQUEST))
        return 0;
    wr_u8(&w, SMP_PAIRING_FAILED);
    wr_u8(&w, SMP_PAIRING_NOT_SUPPORTED);
    return wr_ok(&w) ? w.len : 0;
}
