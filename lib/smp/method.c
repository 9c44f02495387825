/* SPDX-License-Identifier: MIT */

#include "smp/method.h"

#include "base/cleanup.h"

/* What the two people do, by what their devices can: Core 5.4, Vol 3, Part H, 2.3.5.1, table 2.8.
 * Rows are the initiator's capability, columns the responder's. */
enum method_cell {
    JW, /* nothing */
    PD, /* passkey: the initiator displays, the responder enters */
    PI, /* passkey: the initiator enters, the responder displays */
    PB, /* passkey: both enter the same one */
    NC, /* numeric comparison */
};

#define METHOD_IOS 5

static const uint8_t method_legacy[METHOD_IOS][METHOD_IOS] = {
    [BL_IO_DISPLAY_ONLY] = {JW, JW, PD, JW, PD},     [BL_IO_DISPLAY_YES_NO] = {JW, JW, PD, JW, PD},
    [BL_IO_KEYBOARD_ONLY] = {PI, PI, PB, JW, PI},    [BL_IO_NONE] = {JW, JW, JW, JW, JW},
    [BL_IO_KEYBOARD_DISPLAY] = {PI, PI, PD, JW, PD},
};

static const uint8_t method_secure[METHOD_IOS][METHOD_IOS] = {
    [BL_IO_DISPLAY_ONLY] = {JW, JW, PD, JW, PD},     [BL_IO_DISPLAY_YES_NO] = {JW, NC, PD, JW, NC},
    [BL_IO_KEYBOARD_ONLY] = {PI, PI, PB, JW, PI},    [BL_IO_NONE] = {JW, JW, JW, JW, JW},
    [BL_IO_KEYBOARD_DISPLAY] = {PI, NC, PD, JW, NC},
};

static const struct method_row {
    enum bl_smp_method method;
    enum bl_smp_user initiator, responder;
} method_rows[] = {
    [JW] = {BL_SMP_JUST_WORKS, BL_SMP_USER_NOTHING, BL_SMP_USER_NOTHING},
    [PD] = {BL_SMP_PASSKEY, BL_SMP_USER_DISPLAY, BL_SMP_USER_INPUT},
    [PI] = {BL_SMP_PASSKEY, BL_SMP_USER_INPUT, BL_SMP_USER_DISPLAY},
    [PB] = {BL_SMP_PASSKEY, BL_SMP_USER_INPUT, BL_SMP_USER_INPUT},
    [NC] = {BL_SMP_NUMERIC_COMPARISON, BL_SMP_USER_COMPARE, BL_SMP_USER_COMPARE},
};

void bl_smp_choose(const struct bl_smp_features *initiator, const struct bl_smp_features *responder,
                   struct bl_smp_choice *ret)
{
    bool sc = (initiator->auth & responder->auth & BL_SMP_AUTH_SC) != 0;
    bool mitm = ((initiator->auth | responder->auth) & BL_SMP_AUTH_MITM) != 0;
    /* Tables 2.6 and 2.7: legacy needs the data on both sides, Secure Connections on one. */
    bool oob = sc ? initiator->oob == 1 || responder->oob == 1
                  : initiator->oob == 1 && responder->oob == 1;

    *ret = (struct bl_smp_choice){.method = BL_SMP_JUST_WORKS, .secure_connections = sc};
    if (oob) {
        ret->method = BL_SMP_OOB;
        ret->authenticated = true;
        return;
    }
    if (!mitm || initiator->io >= METHOD_IOS || responder->io >= METHOD_IOS)
        return;
    uint8_t cell = (sc ? method_secure : method_legacy)[initiator->io][responder->io];
    ret->method = method_rows[cell].method;
    ret->initiator = method_rows[cell].initiator;
    ret->responder = method_rows[cell].responder;
    ret->authenticated = ret->method != BL_SMP_JUST_WORKS;
}
