/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * host_smp: the pairing part of the facade. Rules, errors and events as in host.h, which includes
 * this file.
 *
 * A pairing ends in one BL_EV_ENCRYPTED (keys distributed, the bond in the table and told by
 * BL_EV_BOND) or one BL_EV_PAIRING_FAILED. A link to a bonded peer of which we are central is
 * encrypted with the stored key as soon as it is up; that ends in BL_EV_ENCRYPTED too, or in
 * BL_EV_PAIRING_FAILED with 0x106 where the peer has lost the key: the bond is kept.
 */

#include "bond.h"
#include "event.h"
#include "types.h"

struct bl_host;

enum bl_passkey_action { /* MicroPython's _PASSKEY_ACTION_* */
                         BL_PASSKEY_NONE = 0,
                         BL_PASSKEY_INPUT = 2,
                         BL_PASSKEY_DISPLAY = 3,
                         BL_PASSKEY_COMPARE = 4,
};

enum bl_security_level { /* what Pair's and Listen's `security` mean */
                         BL_SECURITY_NONE = 1,
                         BL_SECURITY_ENCRYPTED = 2,
                         BL_SECURITY_AUTHENTICATED = 3,
                         BL_SECURITY_SC = 4, /* authenticated, Secure Connections, 128 bit key */
};

struct bl_security {
    bool encrypted, authenticated, bonded, secure_connections;
    uint8_t key_size; /* 0 where not encrypted */
};

struct bl_pair_params { /* what is not given is as configured */
    bool has_bond, bond, has_mitm, mitm, has_le_secure, le_secure, has_io;
    uint8_t io;       /* enum bl_io: 0..4 */
    uint8_t security; /* the least that is accepted: 2..4; 0: whatever comes about */
};

/*
 * Central: encrypts with a stored key that is good enough, else pairs. Peripheral: Security
 * Request; ends with what the central then does, or after 30 s. At once where the link is good
 * enough already. done.security. Where the
 * peer has begun already, its outcome is this one's too. -EBUSY: another bl_pair() is under way on
 * that connection; -EOPNOTSUPP:
 * one has timed out, and there is none any more before the peer connects anew. Ends in 0x200 +
 * reason, BL_TIMEOUT, 0x100 + HCI error (0x106: the peer lost its key).
 */
int bl_pair(struct bl_host *host, uint64_t now, uint16_t conn, const struct bl_pair_params *params,
            bl_op *op);
/* The answer to BL_EV_PASSKEY. INPUT, DISPLAY (the number the application drew and shows):
 * 0..999999; COMPARE: 1 equal, 0 not. -ENOENT: nothing of the kind is asked. */
int bl_passkey(struct bl_host *host, uint64_t now, uint16_t conn, enum bl_passkey_action action,
               uint32_t passkey);
/* Nobody is there to answer. -ENOENT. */
int bl_passkey_refuse(struct bl_host *host, uint64_t now, uint16_t conn);
/* Keypress Notification: 0 started, 1 digit entered, 2 erased, 3 cleared, 4 completed. */
int bl_keypress(struct bl_host *host, uint64_t now, uint16_t conn, uint8_t type);
void bl_security(const struct bl_host *host, uint16_t conn, struct bl_security *ret);

/* Out of band. set: what a peer told by other means; NULLs are what it did not tell; all NULL:
 * forgotten. Kept until used or replaced, BL_MAX_OOB peers (-ENOBUFS). get: ours for the next
 * pairing, to be told to a peer; a new key pair each time it is called. */
int bl_oob_set(struct bl_host *host, const struct bl_addr *peer, const uint8_t *tk,
               const uint8_t *r, const uint8_t *c);
int bl_oob_get(struct bl_host *host, uint8_t ret_r[static 16], uint8_t ret_c[static 16]);

/* Bonds: a table of BL_MAX_BONDS. add: what the owner has stored; replaces, says nothing; takes
 * nobody's place (-ENOBUFS); links that are up are recognised by it (BL_EV_IDENTITY). remove: links
 * to that peer end; BL_EV_BOND. Either of the peer's addresses. A link whose bond goes, also to
 * make room or by clear, is not bonded any more (BL_EV_SECURITY). */
int bl_bond_add(struct bl_host *host, uint64_t now, const struct bl_bond *bond);
int bl_bond_remove(struct bl_host *host, uint64_t now, const struct bl_addr *peer); /* -ENOENT */
void bl_bond_clear(struct bl_host *host, uint64_t now); /* all, without events */
/* Borrowed until the next call into the host. get: NULL when there is none. at: by index, NULL past
 * the last. */
const struct bl_bond *bl_bond_get(const struct bl_host *host, const struct bl_addr *peer);
const struct bl_bond *bl_bond_at(const struct bl_host *host, size_t index);
void bl_bond_seen(struct bl_host *host, const struct bl_addr *peer, uint64_t seconds);
