/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * redact: takes keys out of a copy of HCI traffic before somebody else may read it: keys that the
 * host gives to the controller, random numbers that become keys, and what SMP distributes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REDACT_OPEN = 128 };

/* L2CAP frames that are not complete, of which the rest is to be blanked. Zeroed to begin with. */
struct redact {
    struct {
        uint16_t handle; /* with bit 15: received */
        uint16_t left;
    } open[REDACT_OPEN];
    unsigned turn;
};

/* Zeroes the secret octets of one H4 packet in place; lengths and all else stay. */
void redact_packet(struct redact *r, bool received, uint8_t *packet, size_t n);
