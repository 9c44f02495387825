/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * refuse: what a device without an attribute server says on the ATT channel. Core 5.4, Vol 3,
 * Part F, 3.4. The real bearer and server take this module's place when they exist; until then a
 * peer gets honest answers instead of a transaction that times out after 30 s.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * The answer to one ATT PDU: octets written to out, 0 where none is due. MTU requests are answered
 * with 23, indications confirmed, other requests refused with Request Not Supported; commands,
 * notifications, responses and confirmations want no answer. 5 octets are always enough.
 */
size_t bl_att_refuse(const void *in, size_t n, void *out, size_t cap);
