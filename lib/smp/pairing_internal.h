/* SPDX-License-Identifier: MIT */
#pragma once

/* pairing_internal: one pairing, for pairing.c (features, input, output, time), pairing_legacy.c,
 * pairing_sc.c and pairing_keys.c. */

#include "crypto/p256.h"
#include "smp/pairing.h"

enum pairing_state {
    PAIRING_STATE_OVER,       /* failed or done; also while an input is looked at */
    PAIRING_STATE_RESPONSE,   /* initiator: for Pairing Response */
    PAIRING_STATE_CONFIRM,    /* for the peer's Confirm (both kinds of pairing) */
    PAIRING_STATE_RANDOM,     /* for its Random */
    PAIRING_STATE_USER,       /* initiator: for the passkey, before the first Confirm */
    PAIRING_STATE_PUBLIC_KEY, /* SC: for its Public Key */
    PAIRING_STATE_COMPARE,    /* SC: for our user's word; the peer's check may come */
    PAIRING_STATE_CHECK,      /* SC: for its DHKey Check */
    PAIRING_STATE_ENCRYPTION, /* for the controller */
    PAIRING_STATE_KEYS,       /* for the keys it hands out */
    PAIRING_STATES,
};

enum { PAIRING_OUT_MOST = 12, PAIRING_ROUNDS = 20 };

struct bl_pairing {
    struct bl_pairing_params params;
    struct bl_smp_oob oob;
    bool has_oob, oob_spent;
    enum pairing_state state;
    bool ended; /* it has been said how */
    uint64_t deadline;

    struct bl_pairing_out out[PAIRING_OUT_MOST]; /* a ring */
    unsigned out_head, out_count;

    uint8_t preq[7], pres[7]; /* as on the wire */
    struct bl_smp_features initiator, responder;
    struct bl_smp_choice choice;
    uint8_t key_size;
    bool bonding;

    enum bl_smp_user user; /* what our person is asked for; NOTHING when it is answered */
    bool has_passkey;
    uint32_t passkey;

    /* Legacy: tk and the two randoms. SC: the nonces of this round. */
    uint8_t tk[16], own_random[16], peer_random[16], own_confirm[16], peer_confirm[16];
    bool has_peer_confirm; /* it came before we knew the passkey */

    /* Secure Connections */
    uint8_t scalar[32], dhkey[32], mackey[16], peer_check[16];
    struct bl_p256_public own_public, peer_public;
    unsigned round;
    uint8_t peer_randoms[PAIRING_ROUNDS][16]; /* of a passkey's rounds */
    bool has_peer_check, compared;

    uint8_t key[16]; /* the STK, or the LTK */
    bool key_ready;  /* the responder's controller may have it */
    uint8_t wanted;  /* of the peer's keys: BL_SMP_DIST_*, what has not come yet */
    uint8_t to_send; /* of ours */
    uint8_t
        keys_next; /* the PDU of the peer's that must come next; 0: the first of what is wanted */
    struct bl_pairing_keys keys;
};

/* Out. Sending starts the 30 s again. */
void pairing_send(struct bl_pairing *p, uint64_t now, uint8_t code, const void *body, size_t n);
void pairing_fail(struct bl_pairing *p, uint64_t now, enum bl_smp_reason reason);
void pairing_ask(struct bl_pairing *p, uint64_t now, enum bl_smp_user user, uint32_t passkey);
/* The row in the queue for one more thing to come out. */
struct bl_pairing_out *pairing_put(struct bl_pairing *p, enum bl_pairing_out_kind kind);
void pairing_encrypt(struct bl_pairing *p);
bool pairing_random(struct bl_pairing *p, uint64_t now, void *out, size_t n);
/* The result of a function of the toolbox: false, and failed, where it did not work. */
bool pairing_ok(struct bl_pairing *p, uint64_t now, int r);
/* lowers a key's size: the most significant octets become zeros. */
void pairing_shorten(uint8_t key[static 16], uint8_t size);
static inline const struct bl_addr *pairing_initiator(const struct bl_pairing *p)
{
    return p->params.initiator ? &p->params.own : &p->params.peer;
}
static inline const struct bl_addr *pairing_responder(const struct bl_pairing *p)
{
    return p->params.initiator ? &p->params.peer : &p->params.own;
}

/* Both sides' features are known. */
void pairing_legacy_begin(struct bl_pairing *p, uint64_t now);
void pairing_sc_begin(struct bl_pairing *p, uint64_t now);
/* The PDUs that the two have between them, by state; and the passkey, where one is known now. */
void pairing_legacy_confirm(struct bl_pairing *p, uint64_t now, const uint8_t *body);
void pairing_legacy_random(struct bl_pairing *p, uint64_t now, const uint8_t *body);
void pairing_legacy_passkey(struct bl_pairing *p, uint64_t now);
void pairing_sc_public_key(struct bl_pairing *p, uint64_t now, const uint8_t *body);
void pairing_sc_confirm(struct bl_pairing *p, uint64_t now, const uint8_t *body);
void pairing_sc_random(struct bl_pairing *p, uint64_t now, const uint8_t *body);
void pairing_sc_check(struct bl_pairing *p, uint64_t now, const uint8_t *body);
void pairing_sc_passkey(struct bl_pairing *p, uint64_t now);
void pairing_sc_compared(struct bl_pairing *p, uint64_t now);

void pairing_keys_begin(struct bl_pairing *p, uint64_t now);
void pairing_keys_pdu(struct bl_pairing *p, uint64_t now, uint8_t code, const uint8_t *body);
