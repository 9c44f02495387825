/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * crypto: the Security Manager's toolbox over OpenSSL's libcrypto. Every value is in the order of
 * the wire (least significant octet first), as HCI and SMP carry it; the functions turn it round
 * where the specification's definitions are most significant first.
 *
 * All return 0, or -EIO when libcrypto refuses (no memory, a FIPS policy) or cannot be loaded,
 * which happens with the first call of any of them but the last two: outputs are then zeroed.
 */

#include <stddef.h>
#include <stdint.h>

/* Security function e: AES-128 of one block. Core 5.4, Vol 3, Part H, 2.2.1. */
int bl_crypto_e(const uint8_t key[static 16], const uint8_t in[static 16], uint8_t out[static 16]);

/* Random address hash function ah: 24 bits of prand to 24 bits of hash.
 * Core 5.4, Vol 3, Part H, 2.2.2. */
int bl_crypto_ah(const uint8_t irk[static 16], const uint8_t prand[static 3],
                 uint8_t hash[static 3]);

/* The first of n keys, `stride` octets apart, with which ah gives this hash: 1 and *ret_index; 0
 * where there is none; -EIO. Much cheaper than one call for each. */
int bl_crypto_ah_find(const uint8_t *irks, size_t stride, size_t n, const uint8_t prand[static 3],
                      const uint8_t hash[static 3], size_t *ret_index);

/* AES-CMAC: Core 5.4, Vol 3, Part H, 2.2.5 (RFC 4493). The one function here that turns nothing
 * round: key, msg and mac have their most significant octet first, as the RFC has them. What the
 * wire carries is turned round by the caller where its section says so: the message of the Database
 * Hash is a string of octets that stays as it is, its result is turned (Vol 3, Part G, 7.3); a
 * signature turns the key, the message and the result (Part H, 2.4.5). msg may be NULL when n is 0.
 */
int bl_crypto_cmac(const uint8_t key[static 16], const void *msg, size_t n, uint8_t mac[static 16]);

/* Overwrites secrets in a way that the compiler keeps. */
void bl_crypto_wipe(void *p, size_t n);
/* Equality in time that does not depend on the contents. */
int bl_crypto_equal(const void *a, const void *b, size_t n);
