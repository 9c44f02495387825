/* SPDX-License-Identifier: MIT */

/*
 * pairing_legacy: LE legacy pairing, phase 2. Core 5.4, Vol 3, Part H, 2.3.5.2 to 2.3.5.5.
 *
 *     initiator                        responder
 *     [passkey]                        [passkey]
 *     Confirm = c1(TK, Mrand) -------->
 *              <------------- Confirm = c1(TK, Srand)
 *     Mrand   ----------------------->  compares
 *     compares <------------- Srand
 *     STK = s1(TK, Srand, Mrand)        the same
 */

#include "smp/pairing_internal.h"

#include "crypto/crypto.h"
#include "crypto/toolbox.h"

#include <string.h>

static bool legacy_c1(struct bl_pairing *p, uint64_t now, const uint8_t random[static 16],
                      uint8_t out[static 16])
{
    return pairing_ok(p, now,
                      bl_crypto_c1(p->tk, random, p->preq, p->pres, pairing_initiator(p),
                                   pairing_responder(p), out));
}

/* TK is known: our Confirm. The responder's waits for the initiator's. */
static void legacy_go(struct bl_pairing *p, uint64_t now)
{
    if (!pairing_random(p, now, p->own_random, 16) ||
        !legacy_c1(p, now, p->own_random, p->own_confirm))
        return;
    if (p->params.initiator) {
        pairing_send(p, now, BL_SMP_CONFIRM, p->own_confirm, 16);
        p->state = PAIRING_STATE_CONFIRM;
    } else if (p->has_peer_confirm) {
        pairing_send(p, now, BL_SMP_CONFIRM, p->own_confirm, 16);
        p->state = PAIRING_STATE_RANDOM;
    } else {
        p->state = PAIRING_STATE_CONFIRM;
    }
}

void pairing_legacy_begin(struct bl_pairing *p, uint64_t now)
{
    enum bl_smp_user user = p->params.initiator ? p->choice.initiator : p->choice.responder;

    if (p->choice.method == BL_SMP_OOB) {
        memcpy(p->tk, p->oob.tk, 16);
        p->oob_spent = true;
    }
    if (user == BL_SMP_USER_NOTHING) {
        p->has_passkey = true; /* there is none to wait for */
        legacy_go(p, now);
        return;
    }
    /* The initiator must not send before its user has acted; the responder's peer may. */
    p->state = p->params.initiator ? PAIRING_STATE_USER : PAIRING_STATE_CONFIRM;
    pairing_ask(p, now, user, 0);
}

void pairing_legacy_passkey(struct bl_pairing *p, uint64_t now)
{
    memset(p->tk, 0, 16); /* 2.3.5.3: the passkey as 128 bits */
    p->tk[0] = (uint8_t)p->passkey;
    p->tk[1] = (uint8_t)(p->passkey >> 8);
    p->tk[2] = (uint8_t)(p->passkey >> 16);
    legacy_go(p, now);
}

void pairing_legacy_confirm(struct bl_pairing *p, uint64_t now, const uint8_t *body)
{
    if (p->has_peer_confirm) { /* a second one, while our user is being waited for */
        pairing_fail(p, now, BL_SMP_UNSPECIFIED_REASON);
        return;
    }
    memcpy(p->peer_confirm, body, 16);
    p->has_peer_confirm = true;
    if (p->params.initiator) {
        pairing_send(p, now, BL_SMP_RANDOM, p->own_random, 16);
        p->state = PAIRING_STATE_RANDOM;
    } else if (p->has_passkey) {
        pairing_send(p, now, BL_SMP_CONFIRM, p->own_confirm, 16);
        p->state = PAIRING_STATE_RANDOM;
    } else {
        p->state = PAIRING_STATE_CONFIRM; /* our user has not acted yet */
    }
}

void pairing_legacy_random(struct bl_pairing *p, uint64_t now, const uint8_t *body)
{
    uint8_t confirm[16];

    memcpy(p->peer_random, body, 16);
    if (!legacy_c1(p, now, p->peer_random, confirm))
        return;
    /* A peer that gives our own values back knows nothing: c1 is the same for both sides. */
    if (!bl_crypto_equal(confirm, p->peer_confirm, 16) ||
        bl_crypto_equal(p->peer_random, p->own_random, 16)) {
        pairing_fail(p, now, BL_SMP_CONFIRM_VALUE_FAILED);
        return;
    }
    bool initiator = p->params.initiator;
    const uint8_t *srand = initiator ? p->peer_random : p->own_random;
    const uint8_t *mrand = initiator ? p->own_random : p->peer_random;
    if (!pairing_ok(p, now, bl_crypto_s1(p->tk, srand, mrand, p->key)))
        return;
    pairing_shorten(p->key, p->key_size);
    if (!initiator)
        pairing_send(p, now, BL_SMP_RANDOM, p->own_random, 16);
    pairing_encrypt(p);
}
