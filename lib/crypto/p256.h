/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * p256: the key agreement of LE Secure Connections, on curve P-256 over libcrypto.
 * Core 5.4, Vol 3, Part H, 2.2 and 2.3.5.6.1. Coordinates and scalars as SMP carries them, least
 * significant octet first. Scalars are secrets: the caller wipes its own.
 */

#include <stdint.h>

struct bl_p256_public {
    uint8_t x[32], y[32];
};

/*
 * The public key of a private one. 0; -ERANGE where the scalar is 0 or not below the order of the
 * curve (draw another one); -EIO where libcrypto refuses or cannot be loaded. The output is zeroed
 * on failure.
 */
int bl_p256_public(const uint8_t scalar[static 32], struct bl_p256_public *ret);

/*
 * DHKey = P256(scalar, peer). -EINVAL where the peer's key is no point of the curve: a coordinate
 * not below p, off the curve, or zero. A debug key is the caller's to refuse. Otherwise as above.
 */
int bl_p256_dhkey(const uint8_t scalar[static 32], const struct bl_p256_public *peer,
                  uint8_t ret[static 32]);
