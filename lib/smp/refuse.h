/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * refuse: what a device that does not pair says on the SMP channel. Core 5.4, Vol 3, Part H, 3.5.5.
 * The real Security Manager takes this module's place when it exists.
 */

#include <stddef.h>
#include <stdint.h>

/* The answer to one SMP PDU: octets written to out, 0 where none is due. Pairing Request and
 * Security Request get Pairing Failed (Pairing Not Supported); everything else belongs to a pairing
 * that there is not. 2 octets are always enough. */
size_t bl_smp_refuse(const void *in, size_t n, void *out, size_t cap);
