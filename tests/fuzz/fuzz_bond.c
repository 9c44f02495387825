/* SPDX-License-Identifier: MIT */

/* What a provider of secrets gives back: whatever is taken for a bond is one, and the same octets
 * come of it again. */

#include "bond_record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct bl_bond none;
    uint8_t again[BOND_RECORD_MAX];
    struct bl_bond bond;

    if (!bond_record_read(data, n, &bond)) {
        must(memcmp(&bond, &none, sizeof(bond)) == 0);
        return 0;
    }
    must(n <= BOND_RECORD_MAX && bond.n_cccds <= BL_BOND_CCCDS);
    must(bond.identity.type == ADDR_PUBLIC || bl_addr_is_static(&bond.identity));
    must(bond.local_ltk.size <= 16 && bond.peer_ltk.size <= 16);
    must(bond_record_write(&bond, again) == n && memcmp(again, data, n) == 0);
    return 0;
}
