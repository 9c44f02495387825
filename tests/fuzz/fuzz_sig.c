/* SPDX-License-Identifier: MIT */

/*
 * LE signalling PDUs: what parses builds to itself, every request has an answer that parses, and no
 * answer wants an answer.
 */

#include "l2cap/sig.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void check_answer(const struct bl_sig *answer)
{
    uint8_t out[BL_SIG_MTU];
    struct bl_sig again, more;
    size_t n = bl_l2cap_sig_build(answer, out, sizeof(out));

    must(n >= 6);
    must(bl_l2cap_sig_parse(out, n, &again) == BL_SIG_OK);
    must(again.code == answer->code && again.identifier == answer->identifier);
    must(!bl_l2cap_sig_refuse(&again, &more));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t out[BL_SIG_MTU];
    struct bl_sig sig, answer;
    enum bl_sig_verdict verdict = bl_l2cap_sig_parse(data, n, &sig);

    if (verdict == BL_SIG_SEND_REJECT)
        check_answer(&sig);
    if (verdict == BL_SIG_OK) {
        size_t built = bl_l2cap_sig_build(&sig, out, sizeof(out));
        must(built > 0 && built <= n);
        /* a Command Reject of a reason that is not known loses its data */
        if (sig.code != BL_SIG_REJECT || sig.reject.reason <= BL_SIG_INVALID_CID)
            must(built == n && memcmp(out, data, n) == 0);
        if (bl_l2cap_sig_refuse(&sig, &answer))
            check_answer(&answer);
    }
    return 0;
}
