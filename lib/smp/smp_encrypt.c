/* SPDX-License-Identifier: MIT */

/*
 * smp_encrypt: keys for the controller, and what it says of encryption. Core 5.4, Vol 4, Part E,
 * 7.8.24 to 7.8.26, 7.7.8, 7.7.39.
 *
 * A link counts as encrypted when the controller says so and was given a key for it since the last
 * time: an event that nobody had a key for changes nothing.
 */

#include "smp/smp_internal.h"

#include "base/wr.h"
#include "crypto/crypto.h"
#include "hci/cmd.h"

#include <string.h>

struct smp_level smp_bond_level(const struct bl_bond *bond, const struct bl_ltk *ltk)
{
    return (struct smp_level){bond->authenticated, bond->secure_connections, true, ltk->size};
}

bool smp_encrypt(struct bl_smp *s, uint64_t now, struct smp_conn *c, const struct bl_ltk *ltk,
                 const struct smp_level *level)
{
    uint8_t params[28];
    struct wr w = wr_make(params, sizeof(params));

    wr_u16(&w, c->link.handle);
    wr_bytes(&w, ltk->rand, 8);
    wr_u16(&w, ltk->ediv);
    wr_bytes(&w, ltk->key, 16);
    int r = bl_hci_cmd(s->hci, BL_CMD_LE_ENABLE_ENCRYPTION, params, w.len, BL_HCI_OWNER_SMP,
                       c->link.conn);
    bl_crypto_wipe(params, sizeof(params));
    if (r < 0)
        return false;
    c->using = *level;
    c->key_given = true;
    if (!c->pairing)
        c->deadline = now + SMP_WAIT_US;
    return true;
}

bool smp_encrypt_bonded(struct bl_smp *s, uint64_t now, struct smp_conn *c)
{
    struct bl_bond *bond = smp_bond_of(s, c);

    if (!bond || !bond->has_peer_ltk)
        return false;
    const struct smp_level level = smp_bond_level(bond, &bond->peer_ltk);
    if (!smp_good_enough(&level, &c->want) || !smp_encrypt(s, now, c, &bond->peer_ltk, &level))
        return false;
    c->phase = SMP_ENCRYPTING;
    bl_bonds_used(&s->bonds, bond);
    return true;
}

/* ---- the peripheral's side ---- */

/* The key for this request: the pairing's, or the bond's. */
static bool encrypt_key_for(struct bl_smp *s, struct smp_conn *c, const struct bl_hci_event *e,
                            uint8_t key[static 16])
{
    struct bl_bond *bond = smp_bond_of(s, c);

    if (c->pairing) /* never an old key in the middle of a new pairing */
        return bl_pairing_ltk(c->pairing, e->ltk.ediv, e->ltk.rand, key);
    if (!bond || !bond->has_local_ltk || bond->local_ltk.ediv != e->ltk.ediv ||
        memcmp(bond->local_ltk.rand, e->ltk.rand, 8) != 0)
        return false;
    memcpy(key, bond->local_ltk.key, 16);
    c->using = smp_bond_level(bond, &bond->local_ltk);
    bl_bonds_used(&s->bonds, bond);
    return true;
}

static void encrypt_ltk_request(struct bl_smp *s, struct smp_conn *c, const struct bl_hci_event *e)
{
    uint8_t params[18];
    struct wr w = wr_make(params, sizeof(params));
    uint16_t opcode = BL_CMD_LE_LTK_NEGATIVE_REPLY;

    wr_u16(&w, c->link.handle);
    if (c->link.role == BL_ROLE_PERIPHERAL && encrypt_key_for(s, c, e, params + 2)) {
        opcode = BL_CMD_LE_LTK_REPLY;
        w.len = sizeof(params);
        c->key_given = true;
    }
    (void)bl_hci_cmd(s->hci, opcode, params, w.len, BL_HCI_OWNER_SMP, c->link.conn);
    bl_crypto_wipe(params, sizeof(params));
}

/* ---- what came of it ---- */

static void encrypt_on(struct bl_smp *s, uint64_t now, struct smp_conn *c)
{
    c->security.encrypted = true;
    if (c->pairing) { /* what it is worth is known at its end */
        bl_pairing_encrypted(c->pairing, now, true);
        smp_pair_pull(s, now, c);
        return;
    }
    c->security.authenticated = c->using.authenticated;
    c->security.secure_connections = c->using.secure_connections;
    c->security.bonded = c->using.bonded;
    c->security.key_size = c->using.key_size;
    smp_succeeded(s, c);
}

static void encrypt_failed(struct bl_smp *s, uint64_t now, struct smp_conn *c, uint8_t status)
{
    if (c->pairing) {
        bl_pairing_encrypted(c->pairing, now, false);
        smp_pair_pull(s, now, c);
        return;
    }
    if (c->phase != SMP_ENCRYPTING)
        return;
    /* 0x06, PIN or Key Missing: the peer has lost its key. The bond stays; what to do is policy. */
    if (status == 0x06 && s->config->pair_again) {
        c->phase = SMP_IDLE;
        c->deadline = TIMERQ_NEVER;
        smp_pair_begin(s, now, c, NULL);
        return;
    }
    smp_failed(s, c, bl_status_hci(status));
}

static void encrypt_change(struct bl_smp *s, uint64_t now, struct smp_conn *c, uint8_t status,
                           bool on)
{
    bool given = c->key_given;

    c->key_given = false;
    if (status != 0) {
        if (given)
            encrypt_failed(s, now, c, status);
        return;
    }
    if (on && given) {
        encrypt_on(s, now, c);
    } else if (!on && c->security.encrypted) {
        /* A link that was encrypted and is no more is not to be trusted with anything. */
        c->security = (struct bl_security){0};
        smp_tell(s, c, BL_SMP_SECURITY);
        smp_tell(s, c, BL_SMP_DROP);
    }
}

void bl_smp_event(struct bl_smp *s, uint64_t now, uint16_t conn, const struct bl_hci_event *e)
{
    struct smp_conn *c = smp_find(s, conn);

    if (!c)
        return;
    if (e->kind == BL_HCI_EV_LTK_REQUEST)
        encrypt_ltk_request(s, c, e);
    else if (e->kind == BL_HCI_EV_ENCRYPTION_CHANGE)
        encrypt_change(s, now, c, e->status, e->encryption.enabled != 0);
    else if (e->kind == BL_HCI_EV_KEY_REFRESH)
        encrypt_change(s, now, c, e->status, true);
}

/* LE Enable Encryption is answered by a status, and by an event when that was good. */
void bl_smp_reply(struct bl_smp *s, uint64_t now, const struct bl_hci_reply *reply)
{
    struct smp_conn *c = smp_find(s, (uint16_t)reply->arg);

    if (!c || reply->opcode != BL_CMD_LE_ENABLE_ENCRYPTION || reply->status == 0)
        return;
    c->key_given = false;
    encrypt_failed(s, now, c, reply->status);
}
