/* SPDX-License-Identifier: MIT */
#pragma once

/* types: what every public header of the stack shares. Time is uint64_t microseconds, monotonic. */

#include "base/addr.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The documented outcome of a procedure, as the D-Bus API's `q` status: 0 success, 1..0xff ATT,
 * 0x100+N HCI error N, 0x200+N SMP reason N, 0x300+N L2CAP result N, 0x400+N local.
 */
typedef uint16_t bl_status;

enum {
    BL_OK = 0,
    BL_STATUS_ATT = 0x000,
    BL_STATUS_HCI = 0x100,
    BL_STATUS_SMP = 0x200,
    BL_STATUS_L2CAP = 0x300,
    BL_STATUS_LOCAL = 0x400,
    BL_TIMEOUT = 0x401,
    BL_CANCELED = 0x402,
    BL_DISCONNECTED = 0x403,
    BL_NO_RESOURCES = 0x404,
    BL_NOT_ACTIVE = 0x405,
    BL_NOT_SUPPORTED = 0x406,
    BL_PROTOCOL = 0x407, /* an answer that the specification does not allow */
};

static inline bl_status bl_status_hci(uint8_t error)
{
    return error ? (bl_status)(BL_STATUS_HCI + error) : (bl_status)BL_OK;
}

/* The number of a command given to the host; never 0. It ends in exactly one BL_EV_OP_DONE. */
typedef uint32_t bl_op;

enum bl_role {
    BL_ROLE_CENTRAL = 0, /* as HCI's Role: Core 5.4, Vol 4, Part E, 7.7.65.1 */
    BL_ROLE_PERIPHERAL = 1,
};

enum bl_phy { /* as HCI's PHY numbers; BL_PHY_NONE where a report has no secondary PHY */
              BL_PHY_NONE = 0,
              BL_PHY_1M = 1,
              BL_PHY_2M = 2,
              BL_PHY_CODED = 3,
};

enum { /* masks of PHYs, as HCI's */
       BL_PHYS_1M = 1,
       BL_PHYS_2M = 2,
       BL_PHYS_CODED = 4,
};

enum bl_addr_mode {
    BL_ADDR_MODE_PUBLIC = 0,
    BL_ADDR_MODE_STATIC = 1,
    BL_ADDR_MODE_RPA = 2,
    BL_ADDR_MODE_NRPA = 3,
    BL_ADDR_MODE_DEFAULT = 0xff, /* in parameters: the host's configured mode */
};
