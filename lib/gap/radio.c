/* SPDX-License-Identifier: MIT */

#include "gap/radio.h"

int bl_radio_cmd(struct bl_radio *radio, uint16_t opcode, const void *params, size_t n,
                 enum bl_hci_owner owner, uint32_t arg)
{
    int r = bl_hci_cmd(radio->hci, opcode, params, n, owner, arg);

    if (r == 0)
        radio->outstanding = true;
    return r;
}
