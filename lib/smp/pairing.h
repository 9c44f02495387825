/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * pairing: one pairing on one link, either role, legacy and Secure Connections. Core 5.4, Vol 3,
 * Part H, 2.3 and 2.4, Appendix C.
 *
 * A machine that knows nothing of links or stores: PDUs, the person's answers, the controller's
 * encryption and time go in; what is to be done comes out of bl_pairing_next(), to be pulled until
 * it is false after each input. FAILED is stored before an input is looked at and replaced by the
 * next state on success alone, so every early way out fails closed: a PDU that the state does not
 * expect, an answer nobody asked for by the peer, a key that is not there.
 *
 *     FEATURES -> (legacy) CONFIRM -> RANDOM -> ENCRYPT -> KEYS -> DONE
 *              -> (SC) PUBLIC_KEYS -> [20 times] CONFIRM -> RANDOM -> [COMPARE] -> DHKEY_CHECK ->
 *                      ENCRYPT -> KEYS -> DONE
 *
 * 30 s without an SMP PDU either way end it (3.4). Secrets are wiped at the end and by free.
 */

#include "base/addr.h"
#include "bond.h"
#include "env.h"
#include "smp/method.h"
#include "types.h"

#define BL_SMP_TIMEOUT_US 30000000u /* Core 5.4, Vol 3, Part H, 3.4 */

struct bl_pairing;

struct bl_smp_oob {
    bool has_tk;
    uint8_t tk[16]; /* legacy */
    bool has_remote;
    uint8_t r[16], c[16]; /* Secure Connections: the peer's random and commitment */
    bool has_local;
    uint8_t local_r[16], local_scalar[32]; /* ours, of which the peer was told r and c */
};

struct bl_pairing_params {
    const struct bl_env *env;
    bool initiator;           /* the central */
    struct bl_addr own, peer; /* as the connection was made with: 2.2.3, 2.2.7 */
    enum bl_io io;
    bool bond, mitm, secure_connections;
    bool sc_only;           /* legacy is refused: Authentication Requirements */
    bool must_authenticate; /* Just Works is refused: Authentication Requirements */
    bool keypress;
    uint8_t min_key_size, max_key_size; /* 7..16 */
    const struct bl_smp_oob *oob;       /* NULL: none. Copied. */
    /* What we hand out, where bonding and the peer wants it. Copied. */
    bool has_irk;
    uint8_t irk[16];
    struct bl_addr identity;
    bool signing; /* a CSRK too */
};

/* What the link is worth once it is encrypted with the key of this pairing. */
struct bl_pairing_level {
    bool authenticated, secure_connections;
    uint8_t key_size;
    bool oob; /* out-of-band data has been used, and is nobody's secret any more */
};

/* What a pairing has brought. */
struct bl_pairing_keys {
    bool secure_connections, authenticated, bonded;
    uint8_t key_size;
    bool has_local_ltk, has_peer_ltk;  /* local: ours, used when we are peripheral */
    struct bl_ltk local_ltk, peer_ltk; /* the same key with Secure Connections */
    bool has_peer_irk;                 /* never an all-zero one */
    uint8_t peer_irk[16];
    struct bl_addr peer_identity; /* zero where not distributed */
    bool has_local_csrk, has_peer_csrk;
    uint8_t local_csrk[16], peer_csrk[16];
};

enum bl_pairing_out_kind {
    BL_PAIRING_SEND,     /* pdu, n */
    BL_PAIRING_ENCRYPT,  /* initiator: start encryption with key (EDIV and Rand 0) */
    BL_PAIRING_ASK,      /* user, passkey (DISPLAY with one to show: passkey; else to be given) */
    BL_PAIRING_KEYPRESS, /* the peer's: type */
    BL_PAIRING_DONE,     /* keys; nothing follows */
    BL_PAIRING_FAILED,   /* reason as a bl_status (0x200 + reason, BL_TIMEOUT); nothing follows */
};

struct bl_pairing_out {
    enum bl_pairing_out_kind kind;
    union {
        struct {
            uint8_t pdu[BL_SMP_MTU];
            size_t n;
        } send;
        uint8_t key[16];
        struct {
            enum bl_smp_user user;
            uint32_t passkey; /* COMPARE: the six digits; else 0 */
        } ask;
        uint8_t keypress;
        struct bl_pairing_keys keys;
        bl_status status;
    };
};

/* initiator: first is NULL, the Pairing Request comes out. responder: first is the Pairing Request
 * that has arrived, 7 octets. NULL:
 * no memory. */
struct bl_pairing *bl_pairing_new(uint64_t now, const struct bl_pairing_params *params,
                                  const uint8_t *first);
struct bl_pairing *bl_pairing_free(struct bl_pairing *p);

/* Any SMP PDU but a Security Request; of a wrong length too. */
void bl_pairing_receive(struct bl_pairing *p, uint64_t now, const uint8_t *pdu, size_t n);
/* The person's answer: DISPLAY and INPUT 0..999999, COMPARE 1 or 0. False: nothing of the kind was
 * asked (any more). */
bool bl_pairing_passkey(struct bl_pairing *p, uint64_t now, enum bl_smp_user user,
                        uint32_t passkey);
/* A PDU that came out could not be sent: it fails with BL_NO_RESOURCES, whatever else was to come
 * out. */
void bl_pairing_abort(struct bl_pairing *p);
/* Nobody can answer, or the person said no: Passkey Entry Failed, Numeric Comparison Failed. */
void bl_pairing_refuse(struct bl_pairing *p, uint64_t now);
bool bl_pairing_keypress(struct bl_pairing *p, uint64_t now, uint8_t type);
/* The controller: the link is encrypted now with the key that came out, or could not be. */
void bl_pairing_encrypted(struct bl_pairing *p, uint64_t now, bool on);
/* responder: the controller asks for a key with this EDIV and Rand: the STK or LTK of this pairing,
 * where it is that far and both are 0. */
bool bl_pairing_ltk(const struct bl_pairing *p, uint16_t ediv, const uint8_t rand[static 8],
                    uint8_t ret_key[static 16]);

void bl_pairing_level(const struct bl_pairing *p, struct bl_pairing_level *ret);

bool bl_pairing_next(struct bl_pairing *p, struct bl_pairing_out *ret);
uint64_t bl_pairing_deadline(const struct bl_pairing *p);
void bl_pairing_tick(struct bl_pairing *p, uint64_t now);
