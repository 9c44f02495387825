/* SPDX-License-Identifier: MIT */

/*
 * smp_encrypt: keys for the controller, and what it says of encryption. Core 5.4, Vol 4, Part E,
 * 7.8.24 to 7.8.26, 7.7.8, 7.7.39.
 *
 * A link counts as encrypted when the controller says so and was given a key for it since the last
 * time: an event that nobody had a key for changes nothing. What the link is worth is what that key
 * is: a bond's, or that of the pairing under way, also while the pairing's keys are still handed
 * out.
 */

#include "smp/smp_internal.h"

#include "base/wr.h"
#include "crypto/crypto.h"
#include "hci/cmd.h"
#include "hci/error.h"

#include <string.h>

const struct bl_ltk *smp_bond_key(const struct bl_smp *s, const struct smp_conn *c,
                                  const struct bl_bond *bond, struct smp_level *ret_level)
{
    bool central = c->link.role == BL_ROLE_CENTRAL;

    if (!bond || !(central ? bond->has_peer_ltk : bond->has_local_ltk))
        return NULL;
    const struct bl_ltk *ltk = central ? &bond->peer_ltk : &bond->local_ltk;
    if (ltk->size < smp_min_key_size(s) || (s->config->le_secure && !bond->secure_connections))
        return NULL;
    *ret_level = (struct smp_level){bond->authenticated, bond->secure_connections, true, ltk->size};
    return ltk;
}

bool smp_encrypt(struct bl_smp *s, struct smp_conn *c, const struct bl_ltk *ltk, enum smp_key key,
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
    c->given = key;
    return true;
}

bool smp_encrypt_bonded(struct bl_smp *s, uint64_t now, struct smp_conn *c)
{
    struct bl_bond *bond = smp_bond_of(s, c);
    struct smp_level level;
    const struct bl_ltk *ltk = smp_bond_key(s, c, bond, &level);

    if (!ltk || !smp_good_enough(&level, &c->want))
        return false;
    c->phase = SMP_ENCRYPTING;
    c->deadline = now + SMP_WAIT_US;
    bl_bonds_used(&s->bonds, bond);
    if (!smp_encrypt(s, c, ltk, SMP_KEY_BOND, &level))
        smp_failed(s, c, BL_NO_RESOURCES);
    return true;
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
    /* The peer has lost its key. The bond stays; what to do is policy. */
    if (status == BL_HCI_KEY_MISSING && s->config->pair_again) {
        smp_pair_begin(s, now, c, NULL);
        return;
    }
    if (status == BL_HCI_KEY_MISSING)
        smp_count_failure(s, now, c);
    smp_failed(s, c, bl_status_hci(status));
}

/* ---- the peripheral's side ---- */

/* The key of the pairing that is under way. */
static enum smp_key encrypt_pairing_key(struct smp_conn *c, const struct bl_hci_event *e,
                                        uint8_t key[static 16])
{
    struct bl_pairing_level level;

    if (!bl_pairing_ltk(c->pairing, e->ltk.ediv, e->ltk.rand, key))
        return SMP_KEY_NONE;
    bl_pairing_level(c->pairing, &level);
    c->using =
        (struct smp_level){level.authenticated, level.secure_connections, false, level.key_size};
    return SMP_KEY_PAIRING;
}

static enum smp_key encrypt_bond_key(struct bl_smp *s, struct smp_conn *c,
                                     const struct bl_hci_event *e, uint8_t key[static 16])
{
    struct bl_bond *bond = smp_bond_of(s, c);
    struct smp_level level;
    const struct bl_ltk *ltk = smp_bond_key(s, c, bond, &level);

    if (!ltk || ltk->ediv != e->ltk.ediv || memcmp(ltk->rand, e->ltk.rand, 8) != 0)
        return SMP_KEY_NONE;
    memcpy(key, ltk->key, 16);
    c->using = level;
    bl_bonds_used(&s->bonds, bond);
    return SMP_KEY_BOND;
}

/* Never an old key in the middle of a new pairing, nor any as central, who is not asked. */
static void encrypt_ltk_request(struct bl_smp *s, uint64_t now, struct smp_conn *c,
                                const struct bl_hci_event *e)
{
    uint8_t params[18] = {0};
    struct wr w = wr_make(params, sizeof(params));

    wr_u16(&w, c->link.handle);
    c->given = SMP_KEY_NONE;
    if (c->link.role == BL_ROLE_PERIPHERAL)
        c->given = c->pairing ? encrypt_pairing_key(c, e, params + 2)
                              : encrypt_bond_key(s, c, e, params + 2);
    bool has = c->given != SMP_KEY_NONE;
    if (!has || bl_hci_cmd(s->hci, BL_CMD_LE_LTK_REPLY, params, sizeof(params), BL_HCI_OWNER_SMP,
                           c->link.conn) < 0) {
        c->given = SMP_KEY_NONE;
        (void)bl_hci_cmd(s->hci, BL_CMD_LE_LTK_NEGATIVE_REPLY, params, w.len, BL_HCI_OWNER_SMP,
                         c->link.conn);
    }
    bl_crypto_wipe(params, sizeof(params));
    if (has && c->given == SMP_KEY_NONE)
        encrypt_failed(s, now, c, BL_HCI_UNSPECIFIED);
}

/* ---- what came of it ---- */

static void encrypt_by_pairing(struct bl_smp *s, uint64_t now, struct smp_conn *c)
{
    if (!c->pairing) { /* it has failed since: the key is worth nothing */
        smp_drop(s, c);
        return;
    }
    c->by_pairing = true;
    smp_tell(s, c, BL_SMP_SECURITY);
    bl_pairing_encrypted(c->pairing, now, true);
    smp_pair_pull(s, now, c);
}

static void encrypt_by_bond(struct bl_smp *s, uint64_t now, struct smp_conn *c)
{
    if (c->pairing) { /* its outcome is what will be told */
        smp_tell(s, c, BL_SMP_SECURITY);
    } else if (c->op && c->link.role == BL_ROLE_CENTRAL &&
               !smp_good_enough(&c->using, &c->want)) { /* whoever joined asks for more */
        smp_encrypted(s, c);
        smp_pair_begin(s, now, c, NULL);
    } else {
        smp_succeeded(s, c);
    }
}

static void encrypt_on(struct bl_smp *s, uint64_t now, struct smp_conn *c, enum smp_key given,
                       uint8_t key_size)
{
    const struct smp_level *level = &c->using;

    c->security = (struct bl_security){.encrypted = true,
                                       .authenticated = level->authenticated,
                                       .bonded = level->bonded,
                                       .secure_connections = level->secure_connections,
                                       .key_size = level->key_size};
    if (key_size != 0 && key_size < level->key_size)
        c->security.key_size = key_size; /* the controller's word, where it has one */
    if (given == SMP_KEY_PAIRING)
        encrypt_by_pairing(s, now, c);
    else
        encrypt_by_bond(s, now, c);
}

static void encrypt_change(struct bl_smp *s, uint64_t now, struct smp_conn *c,
                           const struct bl_hci_event *e)
{
    bool refresh = e->kind == BL_HCI_EV_KEY_REFRESH;
    bool on = refresh || e->encryption.enabled != 0;
    enum smp_key given = c->given;

    c->given = SMP_KEY_NONE;
    if (e->status != 0) {
        if (given != SMP_KEY_NONE)
            encrypt_failed(s, now, c, e->status);
    } else if (!on) {
        if (c->security.encrypted)
            smp_drop(s, c);
    } else if (given != SMP_KEY_NONE) {
        encrypt_on(s, now, c, given, refresh ? 0 : e->encryption.key_size);
    } else if (refresh && c->security.encrypted) {
        smp_drop(s, c); /* with whose key? */
    }
}

void bl_smp_event(struct bl_smp *s, uint64_t now, uint16_t conn, const struct bl_hci_event *e)
{
    struct smp_conn *c = smp_find(s, conn);

    if (!c)
        return;
    if (e->kind == BL_HCI_EV_LTK_REQUEST)
        encrypt_ltk_request(s, now, c, e);
    else if (e->kind == BL_HCI_EV_ENCRYPTION_CHANGE || e->kind == BL_HCI_EV_KEY_REFRESH)
        encrypt_change(s, now, c, e);
}

/* LE Enable Encryption is answered by a status, and by an event when that was good; so is a key. */
void bl_smp_reply(struct bl_smp *s, uint64_t now, const struct bl_hci_reply *reply)
{
    struct smp_conn *c = smp_find(s, (uint16_t)reply->arg);

    if (!c || reply->status == 0 || c->given == SMP_KEY_NONE ||
        (reply->opcode != BL_CMD_LE_ENABLE_ENCRYPTION && reply->opcode != BL_CMD_LE_LTK_REPLY))
        return;
    c->given = SMP_KEY_NONE;
    encrypt_failed(s, now, c, reply->status);
}
