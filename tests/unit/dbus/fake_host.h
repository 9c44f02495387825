/* SPDX-License-Identifier: MIT */
#pragma once

/* fake_host: a struct bl_host that does nothing but number the commands it is given. */

#include "host.h"

struct bl_host {
    bl_op last_op;
    int result; /* what commands return; 0: a new operation */
    bl_op shutdown_op, hci_op;
    uint16_t hci_opcode;
    uint16_t last_adv;
    unsigned adv_stops, scan_stops, disconnects;
    struct bl_config config;
    struct bl_controller_info info;
};
