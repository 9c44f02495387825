/* SPDX-License-Identifier: MIT */

/*
 * pairing_sc: LE Secure Connections pairing, phase 2. Core 5.4, Vol 3, Part H, 2.3.5.6.
 *
 *     initiator A                          responder B
 *     PKa ------------------------------->
 *        <------------------------------- PKb                     public key exchange (1)
 *     just works, comparison:              Cb = f4(PKbx, PKax, Nb, 0)
 *        <------------------------------- Cb
 *     Na  ------------------------------->
 *        <------------------------------- Nb                      authentication, stage 1
 *     passkey, for each of 20 bits:
 *     Cai ------------------------------->
 *        <------------------------------- Cbi
 *     Nai ------------------------------->
 *        <------------------------------- Nbi
 *     out of band: Na, Nb
 *     Ea  ------------------------------->                        authentication, stage 2
 *        <------------------------------- Eb
 *
 * The key pair is fresh for each pairing, or the one whose hash the peer was told out of band. A
 * peer's key that is no point of the curve, or has our own x, ends the pairing before the scalar
 * has been used with it.
 */

#include "smp/pairing_internal.h"

#include "crypto/crypto.h"
#include "crypto/toolbox.h"

#include <errno.h>
#include <string.h>

enum { SC_SCALAR_TRIES = 4 }; /* a random scalar is out of range once in 2^32 */

static const uint8_t *sc_initiators(const struct bl_pairing *p, const uint8_t *own,
                                    const uint8_t *peer)
{
    return p->params.initiator ? own : peer;
}

static bool sc_key_pair(struct bl_pairing *p, uint64_t now)
{
    int r = -ERANGE;

    /* Ours that a peer was told of goes out once, and only to whom it is meant. */
    if (p->choice.method == BL_SMP_OOB && p->oob.has_local) {
        memcpy(p->scalar, p->oob.local_scalar, sizeof(p->scalar));
        r = bl_p256_public(p->scalar, &p->own_public);
    }
    for (int i = 0; r == -ERANGE && i < SC_SCALAR_TRIES; i++) {
        if (!pairing_random(p, now, p->scalar, sizeof(p->scalar)))
            return false;
        r = bl_p256_public(p->scalar, &p->own_public);
    }
    return pairing_ok(p, now, r);
}

static void sc_send_public_key(struct bl_pairing *p, uint64_t now)
{
    uint8_t body[64];

    memcpy(body, p->own_public.x, 32);
    memcpy(body + 32, p->own_public.y, 32);
    p->oob_spent = p->choice.method == BL_SMP_OOB;
    pairing_send(p, now, BL_SMP_PUBLIC_KEY, body, sizeof(body));
}

void pairing_sc_begin(struct bl_pairing *p, uint64_t now)
{
    if (!sc_key_pair(p, now))
        return;
    if (p->params.initiator)
        sc_send_public_key(p, now);
    p->state = PAIRING_STATE_PUBLIC_KEY;
}

/* ---- confirm values ---- */

/* The bit of this round, or 0 where no passkey is involved: 2.3.5.6.3 */
static uint8_t sc_z(const struct bl_pairing *p)
{
    return p->choice.method == BL_SMP_PASSKEY ? (uint8_t)(0x80u | (p->passkey >> p->round & 1u))
                                              : 0;
}

static bool sc_confirm_value(struct bl_pairing *p, uint64_t now, bool own, uint8_t out[static 16])
{
    const struct bl_p256_public *mine = own ? &p->own_public : &p->peer_public;
    const struct bl_p256_public *other = own ? &p->peer_public : &p->own_public;

    return pairing_ok(
        p, now,
        bl_crypto_f4(mine->x, other->x, own ? p->own_random : p->peer_random, sc_z(p), out));
}

static bool sc_send_confirm(struct bl_pairing *p, uint64_t now)
{
    if (!pairing_random(p, now, p->own_random, 16) ||
        !sc_confirm_value(p, now, true, p->own_confirm))
        return false;
    pairing_send(p, now, BL_SMP_CONFIRM, p->own_confirm, 16);
    return true;
}

/* What was committed to is what came. */
static bool sc_confirmed(struct bl_pairing *p, uint64_t now)
{
    uint8_t confirm[16];

    if (!sc_confirm_value(p, now, false, confirm))
        return false;
    if (!bl_crypto_equal(confirm, p->peer_confirm, 16)) {
        pairing_fail(p, now, BL_SMP_CONFIRM_VALUE_FAILED);
        return false;
    }
    return true;
}

/* ---- stage 1 ---- */

/* The peer's commitment to its key came out of band: 2.3.5.6.4 */
static bool sc_oob_confirmed(struct bl_pairing *p, uint64_t now)
{
    uint8_t c[16];

    if (!p->has_oob || !p->oob.has_remote)
        return true;
    if (!pairing_ok(p, now, bl_crypto_f4(p->peer_public.x, p->peer_public.x, p->oob.r, 0, c)))
        return false;
    if (!bl_crypto_equal(c, p->oob.c, 16)) {
        pairing_fail(p, now, BL_SMP_CONFIRM_VALUE_FAILED);
        return false;
    }
    return true;
}

static void sc_stage1_oob(struct bl_pairing *p, uint64_t now)
{
    if (!sc_oob_confirmed(p, now) || !pairing_random(p, now, p->own_random, 16))
        return;
    if (p->params.initiator)
        pairing_send(p, now, BL_SMP_RANDOM, p->own_random, 16);
    p->state = PAIRING_STATE_RANDOM;
}

/* One of 20. The initiator needs the passkey to begin, the responder to answer. */
static void sc_passkey_round(struct bl_pairing *p, uint64_t now)
{
    p->has_peer_confirm = false;
    if (p->params.initiator && !sc_send_confirm(p, now))
        return;
    p->state = PAIRING_STATE_CONFIRM;
}

static void sc_stage1(struct bl_pairing *p, uint64_t now)
{
    enum bl_smp_user user = p->params.initiator ? p->choice.initiator : p->choice.responder;

    switch (p->choice.method) {
    case BL_SMP_OOB:
        sc_stage1_oob(p, now);
        break;
    case BL_SMP_PASSKEY:
        p->state = p->params.initiator ? PAIRING_STATE_USER : PAIRING_STATE_CONFIRM;
        pairing_ask(p, now, user, 0);
        break;
    case BL_SMP_JUST_WORKS:
    case BL_SMP_NUMERIC_COMPARISON:
        if (p->params.initiator)
            p->state = PAIRING_STATE_CONFIRM;
        else if (sc_send_confirm(p, now))
            p->state = PAIRING_STATE_RANDOM;
        break;
    }
}

void pairing_sc_public_key(struct bl_pairing *p, uint64_t now, const uint8_t *body)
{
    /* The specification's debug key, whose scalar everybody knows: 2.3.5.6.1 */
    static const uint8_t debug_x[32] = {0xe6, 0x9d, 0x35, 0x0e, 0x48, 0x01, 0x03, 0xcc,
                                        0xdb, 0xfd, 0xf4, 0xac, 0x11, 0x91, 0xf4, 0xef,
                                        0xb9, 0xa5, 0xf9, 0xe9, 0xa7, 0x83, 0x2c, 0x5e,
                                        0x2c, 0xbe, 0x97, 0xf2, 0xd2, 0x03, 0xb0, 0x20};

    memcpy(p->peer_public.x, body, 32);
    memcpy(p->peer_public.y, body + 32, 32);
    if (memcmp(p->peer_public.x, p->own_public.x, 32) == 0 ||
        memcmp(p->peer_public.x, debug_x, 32) == 0) {
        pairing_fail(p, now, BL_SMP_INVALID_PARAMETERS);
        return;
    }
    int r = bl_p256_dhkey(p->scalar, &p->peer_public, p->dhkey);
    if (r == -EINVAL) {
        pairing_fail(p, now, BL_SMP_INVALID_PARAMETERS);
        return;
    }
    if (!pairing_ok(p, now, r))
        return;
    if (!p->params.initiator)
        sc_send_public_key(p, now);
    sc_stage1(p, now);
}

/* The responder's answer to the commitment of a round. */
static void sc_answer_confirm(struct bl_pairing *p, uint64_t now)
{
    if (sc_send_confirm(p, now))
        p->state = PAIRING_STATE_RANDOM;
}

void pairing_sc_passkey(struct bl_pairing *p, uint64_t now)
{
    p->round = 0;
    if (p->params.initiator)
        sc_passkey_round(p, now);
    else if (p->has_peer_confirm)
        sc_answer_confirm(p, now);
}

void pairing_sc_confirm(struct bl_pairing *p, uint64_t now, const uint8_t *body)
{
    if (p->has_peer_confirm) { /* a second one, while our user is being waited for */
        pairing_fail(p, now, BL_SMP_UNSPECIFIED_REASON);
        return;
    }
    memcpy(p->peer_confirm, body, 16);
    p->has_peer_confirm = true;
    if (!p->params.initiator) { /* passkey alone: the state is never CONFIRM otherwise */
        if (p->has_passkey)
            sc_answer_confirm(p, now);
        else
            p->state = PAIRING_STATE_CONFIRM; /* our user has not acted yet */
        return;
    }
    if (p->choice.method != BL_SMP_PASSKEY && !pairing_random(p, now, p->own_random, 16))
        return;
    pairing_send(p, now, BL_SMP_RANDOM, p->own_random, 16);
    p->state = PAIRING_STATE_RANDOM;
}

/* ---- stage 2 ---- */

/* The values that each side knows of the other out of band, or the passkey: 2.3.5.6.5 */
static void sc_r(const struct bl_pairing *p, bool of_peer, uint8_t out[static 16])
{
    memset(out, 0, 16);
    if (p->choice.method == BL_SMP_PASSKEY) {
        out[0] = (uint8_t)p->passkey;
        out[1] = (uint8_t)(p->passkey >> 8);
        out[2] = (uint8_t)(p->passkey >> 16);
    } else if (p->choice.method == BL_SMP_OOB) {
        /* of_peer: what the peer made and we were told; else what we made, where it was told */
        const struct bl_smp_features *peer = p->params.initiator ? &p->responder : &p->initiator;
        if (of_peer && p->oob.has_remote)
            memcpy(out, p->oob.r, 16);
        else if (!of_peer && peer->oob == 1 && p->oob.has_local)
            memcpy(out, p->oob.local_r, 16);
    }
}

/* The check value of one side: f6 over its nonce first, with what the other side gave it. */
static bool sc_check_value(struct bl_pairing *p, uint64_t now, bool own, uint8_t out[static 16])
{
    const struct bl_addr *me = &p->params.own, *other = &p->params.peer;
    bool of_initiator = own == p->params.initiator;
    const uint8_t *features = of_initiator ? p->preq : p->pres;
    uint8_t r[16];

    sc_r(p, own, r);
    bool ok = pairing_ok(p, now,
                         bl_crypto_f6(p->mackey, own ? p->own_random : p->peer_random,
                                      own ? p->peer_random : p->own_random, r, features + 1,
                                      own ? me : other, own ? other : me, out));
    bl_crypto_wipe(r, sizeof(r));
    return ok;
}

static bool sc_send_check(struct bl_pairing *p, uint64_t now)
{
    uint8_t check[16];

    if (!sc_check_value(p, now, true, check))
        return false;
    pairing_send(p, now, BL_SMP_DHKEY_CHECK, check, sizeof(check));
    return true;
}

/* Its check has come, and our user has said yes. */
static void sc_finish(struct bl_pairing *p, uint64_t now)
{
    uint8_t check[16];

    if (!sc_check_value(p, now, false, check))
        return;
    if (!bl_crypto_equal(check, p->peer_check, 16)) {
        pairing_fail(p, now, BL_SMP_DHKEY_CHECK_FAILED);
        return;
    }
    if (!p->params.initiator && !sc_send_check(p, now))
        return;
    pairing_encrypt(p);
}

static void sc_stage2(struct bl_pairing *p, uint64_t now)
{
    const uint8_t *na = sc_initiators(p, p->own_random, p->peer_random);
    const uint8_t *nb = sc_initiators(p, p->peer_random, p->own_random);
    uint32_t number;

    if (!pairing_ok(p, now,
                    bl_crypto_f5(p->dhkey, na, nb, pairing_initiator(p), pairing_responder(p),
                                 p->mackey, p->key)))
        return;
    pairing_shorten(p->key, p->key_size);
    bl_crypto_wipe(p->dhkey, sizeof(p->dhkey));
    bl_crypto_wipe(p->scalar, sizeof(p->scalar));
    if (p->choice.method == BL_SMP_NUMERIC_COMPARISON) {
        const uint8_t *ax = sc_initiators(p, p->own_public.x, p->peer_public.x);
        const uint8_t *bx = sc_initiators(p, p->peer_public.x, p->own_public.x);
        if (!pairing_ok(p, now, bl_crypto_g2(ax, bx, na, nb, &number)))
            return;
        p->state = PAIRING_STATE_COMPARE;
        pairing_ask(p, now, BL_SMP_USER_COMPARE, number % 1000000);
        return;
    }
    pairing_sc_compared(p, now);
}

/* Nothing is to be compared (any more): the initiator checks first. */
void pairing_sc_compared(struct bl_pairing *p, uint64_t now)
{
    p->compared = true;
    p->state = PAIRING_STATE_CHECK;
    if (p->params.initiator) {
        if (!sc_send_check(p, now))
            return;
    } else if (p->has_peer_check) {
        sc_finish(p, now);
    }
}

void pairing_sc_check(struct bl_pairing *p, uint64_t now, const uint8_t *body)
{
    /* The responder's comes after the initiator's, and each once. */
    if (p->has_peer_check || (p->params.initiator && !p->compared)) {
        pairing_fail(p, now, BL_SMP_UNSPECIFIED_REASON);
        return;
    }
    memcpy(p->peer_check, body, 16);
    p->has_peer_check = true;
    if (p->compared)
        sc_finish(p, now);
    else
        p->state = PAIRING_STATE_COMPARE;
}

/* Each bit of the passkey is committed to with a nonce of its own: 2.3.5.6.3 */
static bool sc_nonce_is_new(struct bl_pairing *p)
{
    for (unsigned i = 0; i < p->round; i++)
        if (memcmp(p->peer_randoms[i], p->peer_random, 16) == 0)
            return false;
    memcpy(p->peer_randoms[p->round], p->peer_random, 16);
    return true;
}

void pairing_sc_random(struct bl_pairing *p, uint64_t now, const uint8_t *body)
{
    bool initiator = p->params.initiator, passkey = p->choice.method == BL_SMP_PASSKEY;

    memcpy(p->peer_random, body, 16);
    /* Who committed is checked: in comparison the responder, in a passkey's rounds both. */
    if ((passkey || (initiator && p->choice.method != BL_SMP_OOB)) && !sc_confirmed(p, now))
        return;
    if (passkey && !sc_nonce_is_new(p)) {
        pairing_fail(p, now, BL_SMP_CONFIRM_VALUE_FAILED);
        return;
    }
    if (!initiator)
        pairing_send(p, now, BL_SMP_RANDOM, p->own_random, 16);
    if (passkey && ++p->round < PAIRING_ROUNDS)
        sc_passkey_round(p, now);
    else
        sc_stage2(p, now);
}
