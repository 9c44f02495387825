/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * fake_gatts: the local server of a fake host: it hands out handles as the real one does, keeps
 * values of up to 20 attributes' handles apart, and remembers what it was told. What its commands
 * return is the test's to say.
 */

#include "host.h"

enum { FAKE_GATTS_SERVICES = 8, FAKE_GATTS_SENT = 64 };

struct fake_gatts {
    int refuse;         /* bl_gatts_add() and _add_characteristic(): 0, or this error... */
    unsigned refuse_at; /* ...when they have been called so often, counted from 1; 0: always */
    unsigned adds, removes;
    struct {
        uint16_t start, n; /* handles; 0: none */
    } services[FAKE_GATTS_SERVICES];
    struct bl_gatts_characteristic last; /* the last one made; pointers are void */

    int result; /* of write with update, notify and indicate: 1, 0 (an operation) or -errno */
    struct {
        uint16_t conn, handle; /* conn 0: a write */
        uint16_t len;
        uint8_t first;
        bool update;
    } sent[FAKE_GATTS_SENT]; /* what was taken */
    unsigned n_sent;

    uint8_t value[512]; /* every attribute's */
    uint16_t len;
    bool append, cleared;
    uint16_t buffer;

    uint32_t reply_request; /* the last one */
    uint8_t reply_error;
    bool reply_has_value;
    uint16_t reply_len;
    unsigned replies;
    bool authorize_reads, authorize_writes;
};

extern struct fake_gatts fake_gatts; /* = (struct fake_gatts){.result = 1} before each test */
