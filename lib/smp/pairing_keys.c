/* SPDX-License-Identifier: MIT */

/*
 * pairing_keys: phase 3, what each side hands out over the encrypted link. Core 5.4, Vol 3, Part H,
 * 2.4.3 and 3.6. The responder's come first, in the order of the codes:
 *
 *     Encryption Information, Central Identification      legacy: LTK, EDIV, Rand
 *     Identity Information, Identity Address Information  IRK, identity address
 *     Signing Information                                 CSRK
 */

#include "smp/pairing_internal.h"

#include "base/timerq.h"
#include "crypto/crypto.h"

#include <string.h>

static bool keys_send_ltk(struct bl_pairing *p, uint64_t now)
{
    struct bl_ltk *ltk = &p->keys.local_ltk;
    uint8_t id[10];

    if (!pairing_random(p, now, ltk->key, 16) || !pairing_random(p, now, ltk->rand, 8) ||
        !pairing_random(p, now, id, 2))
        return false;
    pairing_shorten(ltk->key, p->key_size);
    ltk->size = p->key_size;
    ltk->ediv = (uint16_t)(id[0] | id[1] << 8);
    memcpy(id + 2, ltk->rand, 8);
    p->keys.has_local_ltk = true;
    pairing_send(p, now, BL_SMP_ENCRYPTION_INFORMATION, ltk->key, 16);
    pairing_send(p, now, BL_SMP_CENTRAL_IDENTIFICATION, id, sizeof(id));
    return true;
}

static void keys_send_identity(struct bl_pairing *p, uint64_t now)
{
    uint8_t body[7];

    body[0] = p->params.identity.type;
    memcpy(body + 1, p->params.identity.b, 6);
    pairing_send(p, now, BL_SMP_IDENTITY_INFORMATION, p->params.irk, 16);
    pairing_send(p, now, BL_SMP_IDENTITY_ADDRESS, body, sizeof(body));
}

static bool keys_send_csrk(struct bl_pairing *p, uint64_t now)
{
    if (!pairing_random(p, now, p->keys.local_csrk, 16))
        return false;
    p->keys.has_local_csrk = true;
    pairing_send(p, now, BL_SMP_SIGNING_INFORMATION, p->keys.local_csrk, 16);
    return true;
}

static bool keys_send(struct bl_pairing *p, uint64_t now)
{
    uint8_t keys = p->to_send;

    p->to_send = 0;
    if ((keys & BL_SMP_DIST_ENC) && !keys_send_ltk(p, now))
        return false;
    if (keys & BL_SMP_DIST_ID)
        keys_send_identity(p, now);
    return !(keys & BL_SMP_DIST_SIGN) || keys_send_csrk(p, now);
}

static void keys_done(struct bl_pairing *p)
{
    p->keys.secure_connections = p->choice.secure_connections;
    p->keys.authenticated = p->choice.authenticated;
    p->keys.key_size = p->key_size;
    if (p->choice.secure_connections) { /* one key for both roles */
        p->keys.has_local_ltk = p->keys.has_peer_ltk = true;
        memcpy(p->keys.local_ltk.key, p->key, 16);
        p->keys.local_ltk.size = p->key_size;
        p->keys.peer_ltk = p->keys.local_ltk;
    }
    /* Without a key to encrypt with the next time there is nothing to keep. */
    p->keys.bonded = p->bonding && (p->keys.has_local_ltk || p->keys.has_peer_ltk);
    p->state = PAIRING_STATE_OVER;
    p->ended = true;
    p->deadline = TIMERQ_NEVER;
    p->key_ready = false;
    pairing_put(p, BL_PAIRING_DONE)->keys = p->keys;
    bl_crypto_wipe(&p->keys, sizeof(p->keys));
    bl_crypto_wipe(p->key, sizeof(p->key));
}

static uint8_t keys_first(const struct bl_pairing *p)
{
    if (p->wanted & BL_SMP_DIST_ENC)
        return BL_SMP_ENCRYPTION_INFORMATION;
    if (p->wanted & BL_SMP_DIST_ID)
        return BL_SMP_IDENTITY_INFORMATION;
    return p->wanted & BL_SMP_DIST_SIGN ? BL_SMP_SIGNING_INFORMATION : 0;
}

/* Where the peer has handed out everything: ours, if it is our turn, and the end. */
static void keys_go_on(struct bl_pairing *p, uint64_t now)
{
    p->keys_next = keys_first(p);
    if (p->keys_next)
        return;
    if (p->params.initiator && !keys_send(p, now))
        return;
    keys_done(p);
}

void pairing_keys_begin(struct bl_pairing *p, uint64_t now)
{
    p->state = PAIRING_STATE_KEYS;
    if (!p->params.initiator && !keys_send(p, now))
        return;
    keys_go_on(p, now);
}

static bool keys_zero(const uint8_t key[static 16])
{
    static const uint8_t zero[16];

    return bl_crypto_equal(key, zero, sizeof(zero));
}

/* A public address, or a static one, whose random part is neither all zeros nor all ones (Vol 6,
 * Part B, 1.3.2.1). */
static bool keys_identity_legal(const struct bl_addr *a)
{
    static const struct bl_addr least = {ADDR_RANDOM, {0, 0, 0, 0, 0, 0xc0}},
                                most = {ADDR_RANDOM, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

    if (a->type == ADDR_PUBLIC)
        return !bl_addr_is_zero(a);
    return bl_addr_is_static(a) && !bl_addr_eq(a, &least) && !bl_addr_eq(a, &most);
}

/* An IRK of zeros says that the peer has none: Vol 3, Part C, 10.7. */
static void keys_take_identity(struct bl_pairing *p, uint64_t now, const uint8_t *body)
{
    struct bl_addr *a = &p->keys.peer_identity;

    a->type = body[0];
    memcpy(a->b, body + 1, 6);
    if (!keys_identity_legal(a) || bl_addr_eq(a, &p->params.identity)) { /* nor is it us */
        pairing_fail(p, now, BL_SMP_INVALID_PARAMETERS);
        return;
    }
    p->keys.has_peer_irk = !keys_zero(p->keys.peer_irk);
    p->wanted &= (uint8_t)~BL_SMP_DIST_ID;
    keys_go_on(p, now);
}

void pairing_keys_pdu(struct bl_pairing *p, uint64_t now, uint8_t code, const uint8_t *body)
{
    if (code != p->keys_next) {
        pairing_fail(p, now, BL_SMP_UNSPECIFIED_REASON);
        return;
    }
    p->deadline = now + BL_SMP_TIMEOUT_US;
    if (code == BL_SMP_ENCRYPTION_INFORMATION) {
        memcpy(p->keys.peer_ltk.key, body, 16);
        pairing_shorten(p->keys.peer_ltk.key, p->key_size);
        if (keys_zero(p->keys.peer_ltk.key)) { /* everybody's */
            pairing_fail(p, now, BL_SMP_KEY_REJECTED);
            return;
        }
        p->keys_next = BL_SMP_CENTRAL_IDENTIFICATION;
    } else if (code == BL_SMP_CENTRAL_IDENTIFICATION) {
        p->keys.peer_ltk.ediv = (uint16_t)(body[0] | body[1] << 8);
        memcpy(p->keys.peer_ltk.rand, body + 2, 8);
        p->keys.peer_ltk.size = p->key_size;
        p->keys.has_peer_ltk = true;
        p->wanted &= (uint8_t)~BL_SMP_DIST_ENC;
        keys_go_on(p, now);
    } else if (code == BL_SMP_IDENTITY_INFORMATION) {
        memcpy(p->keys.peer_irk, body, 16);
        p->keys_next = BL_SMP_IDENTITY_ADDRESS;
    } else if (code == BL_SMP_IDENTITY_ADDRESS) {
        keys_take_identity(p, now, body);
    } else {
        memcpy(p->keys.peer_csrk, body, 16);
        p->keys.has_peer_csrk = !keys_zero(body);
        p->wanted &= (uint8_t)~BL_SMP_DIST_SIGN;
        keys_go_on(p, now);
    }
}
