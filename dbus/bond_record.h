/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * bond_record: a bond as octets, for a client that keeps secrets (Pairing1.ProvideSecrets), to whom
 * they mean nothing. The first octet is the version; integers are little-endian; the whole record
 * is checked when it comes back, because what comes back is not ours any more.
 */

#include "bond.h"

enum {
    BOND_RECORD_VERSION = 1,
    BOND_RECORD_KEY = 7,    /* octets that name a bond: the identity's type and address */
    BOND_RECORD_HEAD = 146, /* octets of a record without subscriptions */
    BOND_RECORD_MAX = BOND_RECORD_HEAD + 3 * BL_BOND_CCCDS,
};

void bond_record_key(const struct bl_addr *identity, uint8_t out[static BOND_RECORD_KEY]);
/* The length of the record, at most BOND_RECORD_MAX. Whoever has it wipes it. */
size_t bond_record_write(const struct bl_bond *bond, uint8_t out[static BOND_RECORD_MAX]);
/* False, and *ret all zeros, unless it is a record of this version, whole and of a bond that may
 * be. */
bool bond_record_read(const uint8_t *record, size_t n, struct bl_bond *ret);
