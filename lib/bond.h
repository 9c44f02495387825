/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * bond: what is kept of a bonded peer: keys from pairing, and what GATT remembers of a client.
 * Keys are in the order of the wire. Whoever has a copy wipes it (bl_crypto_wipe).
 */

#include "types.h"

enum { BL_BOND_CCCDS = 64 };

struct bl_ltk {
    uint8_t key[16]; /* shortened to size: the most significant octets are zeros */
    uint8_t size;    /* 7..16 */
    uint16_t ediv;   /* 0, and rand zeros, with Secure Connections */
    uint8_t rand[8];
};

struct bl_bond_cccd {
    uint16_t handle; /* of the characteristic's value */
    uint8_t bits;
};

struct bl_bond {
    struct bl_addr identity; /* as distributed, else the address that the peer paired with */
    bool authenticated, secure_connections;
    bool has_local_ltk, has_peer_ltk, has_irk, has_local_csrk, has_peer_csrk;
    struct bl_ltk local_ltk; /* ours: links on which we are peripheral are encrypted with it */
    struct bl_ltk peer_ltk;  /* links on which we are central; the same with Secure Connections */
    uint8_t irk[16];         /* never all zeros */
    uint8_t local_csrk[16], peer_csrk[16];
    uint32_t local_counter; /* of the next signature we make */
    uint32_t peer_counter;  /* the least that is accepted of the peer */
    uint32_t peer_ahead;    /* not kept: how much higher than it is peer_counter is to be stored */
    uint64_t last_seen;     /* seconds since 1970, 0 unknown: the owner's, see bl_bond_seen() */
    /* GATT */
    uint8_t client_features; /* Client Supported Features */
    bool aware;              /* knew the database whose hash is db_hash */
    uint8_t db_hash[16];
    uint16_t n_cccds;
    struct bl_bond_cccd cccds[BL_BOND_CCCDS]; /* those that are not 0, by handle */
};
