/* SPDX-License-Identifier: MIT */
#pragma once

/* fake_host: a struct bl_host that does nothing but number the commands it is given. The part of
 * GATT (fake_gatt.c) keeps what it was given last, too. */

#include "host.h"

enum { FAKE_HANDLES = 64, FAKE_VALUE = 512 };

struct fake_gatt {
    int result;        /* of commands: 0: a new operation; 1: done at once; else -errno */
    unsigned commands; /* that were taken */
    const char *last;  /* the name of the last one */
    uint16_t conn, handle;
    uint8_t bits;       /* of the last subscription */
    bool reads, writes; /* of the last set_authorization; reads: of set_read_events too */
    uint8_t error;      /* of the last reply */
    uint8_t value[FAKE_VALUE];
    size_t n;
    uint16_t mtu;         /* of every connection; 0: 23 */
    uint16_t next_handle; /* of services: they follow each other */
    uint32_t subscribed;  /* bit n: connection n has subscribed to everything */
    struct {
        uint8_t data[FAKE_VALUE];
        uint16_t len;
        bool exists;
    } values[FAKE_HANDLES]; /* of local attributes, by handle */
};

struct bl_host {
    struct fake_gatt gatt;
    bl_op last_op;
    int result; /* what commands return; 0: a new operation */
    bl_op shutdown_op, hci_op;
    uint16_t hci_opcode;
    uint16_t last_adv;
    unsigned adv_stops, scan_stops, disconnects;
    struct bl_config config;
    struct bl_controller_info info;
};
