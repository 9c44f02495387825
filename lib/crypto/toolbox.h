/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * toolbox: the Security Manager's functions for pairing. Core 5.4, Vol 3, Part H, 2.2.
 *
 * Every value is in the order of the wire (least significant octet first), as SMP's PDUs carry it.
 * All return 0 or -EIO (crypto.h), outputs zeroed then. What is computed on the way is wiped.
 */

#include "base/addr.h"

#include <stdint.h>

/* LE legacy pairing: 2.2.3 and 2.2.4. preq, pres: the Pairing Request and Response, whole PDUs.
 * init, resp: the addresses of the initiating and the responding device. */
int bl_crypto_c1(const uint8_t k[static 16], const uint8_t r[static 16],
                 const uint8_t preq[static 7], const uint8_t pres[static 7],
                 const struct bl_addr *init, const struct bl_addr *resp, uint8_t out[static 16]);
int bl_crypto_s1(const uint8_t k[static 16], const uint8_t r1[static 16],
                 const uint8_t r2[static 16], uint8_t out[static 16]);

/* LE Secure Connections: 2.2.6 to 2.2.9. u, v: x coordinates; iocap: IO capability, OOB data flag
 * and AuthReq in the order of the PDU. */
int bl_crypto_f4(const uint8_t u[static 32], const uint8_t v[static 32], const uint8_t x[static 16],
                 uint8_t z, uint8_t out[static 16]);
int bl_crypto_f5(const uint8_t dhkey[static 32], const uint8_t n1[static 16],
                 const uint8_t n2[static 16], const struct bl_addr *a1, const struct bl_addr *a2,
                 uint8_t mackey[static 16], uint8_t ltk[static 16]);
int bl_crypto_f6(const uint8_t w[static 16], const uint8_t n1[static 16],
                 const uint8_t n2[static 16], const uint8_t r[static 16],
                 const uint8_t iocap[static 3], const struct bl_addr *a1, const struct bl_addr *a2,
                 uint8_t out[static 16]);
/* The whole 32 bits; what people compare is this modulo 1,000,000. */
int bl_crypto_g2(const uint8_t u[static 32], const uint8_t v[static 32], const uint8_t x[static 16],
                 const uint8_t y[static 16], uint32_t *out);

/* Link key conversion: 2.2.10 and 2.2.11. key_id: the four characters, first one most significant
 * ("lebr" is 0x6c656272). */
int bl_crypto_h6(const uint8_t w[static 16], uint32_t key_id, uint8_t out[static 16]);
int bl_crypto_h7(const uint8_t salt[static 16], const uint8_t w[static 16], uint8_t out[static 16]);
