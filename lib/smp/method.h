/* SPDX-License-Identifier: MIT */
#pragma once

/* method: which way of pairing follows from what both sides have said. Core 5.4, Vol 3, Part H,
 * 2.3.5.1, tables 2.6 to 2.8. */

#include "smp/pdu.h"

enum bl_io { /* IO capabilities: 3.5.1, table 3.4 */
             BL_IO_DISPLAY_ONLY = 0,
             BL_IO_DISPLAY_YES_NO = 1,
             BL_IO_KEYBOARD_ONLY = 2,
             BL_IO_NONE = 3,
             BL_IO_KEYBOARD_DISPLAY = 4,
};

enum bl_smp_method {
    BL_SMP_JUST_WORKS,
    BL_SMP_PASSKEY,
    BL_SMP_NUMERIC_COMPARISON, /* Secure Connections alone */
    BL_SMP_OOB,
};

enum bl_smp_user { /* what the person at one side has to do */
                   BL_SMP_USER_NOTHING,
                   BL_SMP_USER_DISPLAY, /* a passkey is shown here */
                   BL_SMP_USER_INPUT,   /* and entered here */
                   BL_SMP_USER_COMPARE,
};

struct bl_smp_choice {
    enum bl_smp_method method;
    bool secure_connections;
    bool authenticated; /* protects against man in the middle */
    enum bl_smp_user initiator, responder;
};

/* io values over 4 are the caller's to refuse (Invalid Parameters). */
void bl_smp_choose(const struct bl_smp_features *initiator, const struct bl_smp_features *responder,
                   struct bl_smp_choice *ret);
