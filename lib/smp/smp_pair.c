/* SPDX-License-Identifier: MIT */

/*
 * smp_pair: pairings on links: with what they begin, what they say, and what becomes of their keys.
 *
 * A peer that is bonded may only pair anew at the level that its bond has: less is refused before
 * anything is exchanged (Authentication Requirements), and once more at the end, when the peer has
 * told its identity, so that nobody takes another one's bond by claiming to be it.
 */

#include "smp/smp_internal.h"

#include "crypto/crypto.h"
#include "hci/error.h"

#include <errno.h>
#include <string.h>

#define SMP_BACK_OFF_US   1000000u
#define SMP_BACK_OFF_MOST 6           /* doublings: 64 s */
#define SMP_FORGIVEN_US   3600000000u /* after the end of the wait */

/* ---- repeated attempts: Core 5.4, Vol 3, Part H, 2.3.6 ---- */

static const struct bl_addr *pair_who(const struct smp_conn *c)
{
    return bl_addr_is_zero(&c->link.identity) ? &c->link.peer : &c->link.identity;
}

static unsigned pair_attempts_index(const struct bl_smp *s, const struct smp_conn *c)
{
    unsigned i = 0;

    while (i < s->n_attempts && !bl_addr_eq(&s->attempts[i].peer, pair_who(c)))
        i++;
    return i;
}

bool smp_pair_blocked(const struct bl_smp *s, uint64_t now, const struct smp_conn *c)
{
    unsigned i = pair_attempts_index(s, c);

    return i < s->n_attempts && now < s->attempts[i].until;
}

/* A few failures are people's mistakes; after these each doubles the wait. */
void smp_count_failure(struct bl_smp *s, uint64_t now, const struct smp_conn *c)
{
    unsigned i = pair_attempts_index(s, c);

    if (i == s->n_attempts) {
        if (s->n_attempts == SMP_ATTEMPTS) { /* the oldest one is forgotten */
            memmove(&s->attempts[0], &s->attempts[1], (SMP_ATTEMPTS - 1) * sizeof(s->attempts[0]));
            s->n_attempts--;
            i--;
        }
        s->n_attempts++;
        s->attempts[i] = (struct smp_attempts){.peer = *pair_who(c)};
    }
    if (s->attempts[i].until != 0 && now >= s->attempts[i].until + SMP_FORGIVEN_US)
        s->attempts[i].failed = 0;
    unsigned failed = ++s->attempts[i].failed;
    if (failed < SMP_FREE_TRIES)
        return;
    unsigned doublings = failed - SMP_FREE_TRIES;
    if (doublings > SMP_BACK_OFF_MOST)
        doublings = SMP_BACK_OFF_MOST;
    s->attempts[i].until = now + ((uint64_t)SMP_BACK_OFF_US << doublings);
}

static void pair_forget_failures(struct bl_smp *s, const struct smp_conn *c)
{
    unsigned i = pair_attempts_index(s, c);

    if (i < s->n_attempts)
        s->attempts[i] = s->attempts[--s->n_attempts];
}

/* ---- beginning ---- */

uint8_t smp_min_key_size(const struct bl_smp *s)
{
    return s->config->min_key_size ? s->config->min_key_size : BL_SMP_KEY_MAX;
}

static bool pair_le_secure(const struct bl_smp *s, const struct bl_pair_params *want)
{
    return want->has_le_secure ? want->le_secure : s->config->le_secure;
}

/* What a bond of that peer demands of a pairing that would take its place. */
static void pair_keep_level(struct bl_pairing_params *p, const struct bl_bond *bond)
{
    const struct bl_ltk *ltk = bond->has_peer_ltk ? &bond->peer_ltk : &bond->local_ltk;

    p->must_authenticate |= bond->authenticated;
    p->sc_only |= bond->secure_connections;
    if (ltk->size > p->min_key_size && ltk->size <= BL_SMP_KEY_MAX)
        p->min_key_size = ltk->size;
}

static enum bl_io pair_io(uint8_t io)
{
    return io <= BL_IO_KEYBOARD_DISPLAY ? (enum bl_io)io : BL_IO_NONE;
}

/* An address of ours that is no private one is what the peer will know us by again. */
static struct bl_addr pair_own_identity(const struct bl_smp *s, const struct smp_conn *c)
{
    const struct bl_addr *own = &c->link.own;
    bool lasting = own->type == ADDR_PUBLIC ? !bl_addr_is_zero(own) : bl_addr_is_static(own);

    return lasting ? *own : s->identity;
}

static void pair_params(struct bl_smp *s, const struct smp_conn *c, struct bl_pairing_params *p)
{
    static const uint8_t no_irk[16];
    const struct bl_config *config = s->config;
    const struct bl_pair_params *want = &c->want;
    const struct bl_bond *bond = smp_bond_of(s, c);

    *p = (struct bl_pairing_params){
        .env = s->env,
        .initiator = c->link.role == BL_ROLE_CENTRAL,
        .own = c->link.own,
        .peer = c->link.peer,
        .io = pair_io(want->has_io ? want->io : config->io),
        .bond = want->has_bond ? want->bond : config->bond,
        .mitm = want->has_mitm ? want->mitm : config->mitm,
        .secure_connections = true,
        .sc_only = pair_le_secure(s, want) || want->security == BL_SECURITY_SC,
        .must_authenticate = want->security >= BL_SECURITY_AUTHENTICATED,
        .min_key_size = smp_min_key_size(s),
        .max_key_size = BL_SMP_KEY_MAX,
        .keypress = true,
        .has_irk = !bl_crypto_equal(config->irk, no_irk, sizeof(no_irk)),
        .identity = pair_own_identity(s, c),
        .signing = true,
    };
    if (p->sc_only) /* Core 5.4, Vol 3, Part C, 10.2.4: 128 bits */
        p->min_key_size = BL_SMP_KEY_MAX;
    memcpy(p->irk, config->irk, sizeof(p->irk));
    if (bond)
        pair_keep_level(p, bond);
}

void smp_pair_begin(struct bl_smp *s, uint64_t now, struct smp_conn *c, const uint8_t *first)
{
    struct bl_pairing_params params;
    struct bl_smp_oob oob;

    pair_params(s, c, &params);
    params.oob = smp_oob_for(s, c, &oob);
    c->oob_taken = params.oob != NULL;
    c->oob_local = s->local_oob;
    c->known = c->link.identity;
    c->pairing = bl_pairing_new(now, &params, first);
    bl_crypto_wipe(&params, sizeof(params));
    bl_crypto_wipe(&oob, sizeof(oob));
    c->phase = SMP_PAIRING;
    c->deadline = TIMERQ_NEVER;
    if (c->pairing) {
        smp_pair_pull(s, now, c);
        return;
    }
    if (first)
        smp_refuse(s, c, BL_SMP_UNSPECIFIED_REASON);
    smp_failed(s, c, BL_NO_RESOURCES);
}

void smp_pair_end(struct smp_conn *c)
{
    c->pairing = bl_pairing_free(c->pairing);
}

/*
 * A bonded peer that could encrypt and pairs instead has lost its key, or is somebody else: that is
 * told, and only what the policy allows goes on. One that asks for more than its bond is worth must
 * get it. On an encrypted link it has shown that it has the key.
 */
static bool pair_is_lost_key(const struct bl_smp *s, struct smp_conn *c, const uint8_t *pdu)
{
    const struct bl_bond *bond = smp_bond_of(s, c);
    struct smp_level level;

    if (s->config->pair_again || c->security.encrypted || !smp_bond_key(s, c, bond, &level) ||
        !smp_good_enough(&level, &c->want))
        return false;
    if (bond->authenticated || !(pdu[3] & BL_SMP_AUTH_MITM))
        return true;
    c->want.security = BL_SECURITY_AUTHENTICATED;
    return false;
}

void smp_request(struct bl_smp *s, uint64_t now, struct smp_conn *c, const uint8_t *pdu, size_t n)
{
    if (c->link.role == BL_ROLE_CENTRAL) {
        smp_refuse(s, c, BL_SMP_COMMAND_NOT_SUPPORTED);
    } else if (n != bl_smp_len(BL_SMP_PAIRING_REQUEST)) {
        smp_refuse(s, c, BL_SMP_INVALID_PARAMETERS);
    } else if (!s->config->pairable && c->phase != SMP_REQUESTED) {
        smp_refuse(s, c, BL_SMP_PAIRING_NOT_SUPPORTED);
    } else if (smp_pair_blocked(s, now, c)) {
        smp_refuse(s, c, BL_SMP_REPEATED_ATTEMPTS);
    } else if (pair_is_lost_key(s, c, pdu)) {
        smp_refuse(s, c, BL_SMP_PAIRING_NOT_SUPPORTED);
        smp_count_failure(s, now, c);
        smp_failed(s, c, bl_status_hci(BL_HCI_KEY_MISSING));
    } else {
        smp_pair_begin(s, now, c, pdu);
    }
}

/* ---- Security Request: Core 5.4, Vol 3, Part H, 2.4.6 ---- */

bool smp_security_request(struct bl_smp *s, const struct smp_conn *c)
{
    struct bl_pairing_params p;
    uint8_t pdu[2] = {BL_SMP_SECURITY_REQUEST, BL_SMP_AUTH_SC};

    pair_params(s, c, &p);
    pdu[1] |= p.bond ? BL_SMP_AUTH_BONDING : 0;
    pdu[1] |= p.mitm || p.must_authenticate ? BL_SMP_AUTH_MITM : 0;
    bl_crypto_wipe(&p, sizeof(p));
    return smp_send(s, c, pdu, sizeof(pdu));
}

void smp_security_requested(struct bl_smp *s, uint64_t now, struct smp_conn *c, uint8_t auth)
{
    const struct bl_bond *bond = smp_bond_of(s, c);
    struct smp_level level;
    bool mitm = auth & BL_SMP_AUTH_MITM;

    /* While something is under way, and where the link is as good as is asked for, it changes
     * nothing. */
    if (c->phase != SMP_IDLE ||
        (c->security.encrypted && (!mitm || c->security.authenticated || c->mitm_tried)) ||
        smp_pair_blocked(s, now, c))
        return;
    if (!c->security.encrypted && smp_bond_key(s, c, bond, &level) &&
        (!mitm || level.authenticated)) {
        (void)smp_encrypt_bonded(s, now, c);
        return;
    }
    if (!s->config->pairable) {
        smp_refuse(s, c, BL_SMP_PAIRING_NOT_SUPPORTED);
        return;
    }
    if (mitm) { /* what we ask for ourselves stays asked for */
        c->want.has_mitm = c->want.mitm = true;
        c->mitm_tried = true; /* once on a link: what came of it will come again */
    }
    /* A key that could be used gives way to a better one alone: pair_is_lost_key() */
    if (!s->config->pair_again && !c->security.encrypted && smp_bond_key(s, c, bond, &level))
        c->want.security = BL_SECURITY_AUTHENTICATED;
    smp_pair_begin(s, now, c, NULL);
}

/* ---- what a pairing says ---- */

static void pair_ask(struct bl_smp *s, const struct smp_conn *c, const struct bl_pairing_out *out)
{
    static const uint8_t actions[] = {[BL_SMP_USER_NOTHING] = BL_PASSKEY_NONE,
                                      [BL_SMP_USER_DISPLAY] = BL_PASSKEY_DISPLAY,
                                      [BL_SMP_USER_INPUT] = BL_PASSKEY_INPUT,
                                      [BL_SMP_USER_COMPARE] = BL_PASSKEY_COMPARE};

    bl_evq_push(s->events, &(struct bl_event){.kind = BL_EV_PASSKEY,
                                              .passkey = {.conn = c->link.conn,
                                                          .action = actions[out->ask.user],
                                                          .passkey = out->ask.passkey}});
}

/* Whether the identity that it told goes with the address it has on the air: is that, or has made
 * it with the key that it told. */
static bool pair_identity_fits(const struct smp_conn *c, const struct bl_pairing_keys *keys)
{
    const struct bl_addr *air = &c->link.peer;
    uint8_t hash[3];

    if (bl_addr_eq(&keys->peer_identity, air))
        return true;
    return keys->has_peer_irk && bl_addr_is_rpa(air) &&
           bl_crypto_ah(keys->peer_irk, air->b + 3, hash) == 0 && memcmp(hash, air->b, 3) == 0;
}

/* Whether this name is ours, or that of somebody else who is here. */
static bool pair_identity_taken(const struct bl_smp *s, const struct smp_conn *c,
                                const struct bl_addr *identity)
{
    if (bl_addr_eq(identity, &s->identity) || bl_addr_eq(identity, &c->link.own))
        return true;
    for (unsigned i = 0; i < s->n; i++)
        if (s->conns[i] != c && bl_addr_eq(pair_who(s->conns[i]), identity))
            return true;
    return false;
}

/*
 * Who the bond is of: who the link is known to be with, else the identity that it told, where that
 * fits, else its address where that lasts. A name that only it has given itself is nobody's. One
 * that its own key fits to its address is taken from it if nobody has it yet: Core 5.4, Vol 3, Part
 * H, 3.6.5 knows no proof of it, and whoever is met first keeps it until its bond is deleted.
 */
static bool pair_identity(const struct bl_smp *s, const struct smp_conn *c,
                          const struct bl_pairing_keys *keys, struct bl_addr *ret)
{
    *ret = *pair_who(c);
    if (bl_addr_is_zero(&c->link.identity) && !bl_addr_is_zero(&keys->peer_identity) &&
        pair_identity_fits(c, keys) && !pair_identity_taken(s, c, &keys->peer_identity))
        *ret = keys->peer_identity;
    return ret->type == ADDR_PUBLIC || bl_addr_is_static(ret);
}

static void pair_make_bond(const struct bl_pairing_keys *keys, const struct bl_addr *identity,
                           struct bl_bond *ret)
{
    *ret = (struct bl_bond){
        .identity = *identity,
        .authenticated = keys->authenticated,
        .secure_connections = keys->secure_connections,
        .has_local_ltk = keys->has_local_ltk,
        .has_peer_ltk = keys->has_peer_ltk,
        .has_irk = keys->has_peer_irk,
        .has_local_csrk = keys->has_local_csrk,
        .has_peer_csrk = keys->has_peer_csrk,
        .local_ltk = keys->local_ltk,
        .peer_ltk = keys->peer_ltk,
        .aware = true,
    };
    memcpy(ret->irk, keys->peer_irk, 16);
    memcpy(ret->local_csrk, keys->local_csrk, 16);
    memcpy(ret->peer_csrk, keys->peer_csrk, 16);
}

/* Whether it may take the place of the bond that there is. One who says only in the end who it is
 * has not been known by its address: a person may have vouched for it, but not for that name. */
static bool pair_may_replace(const struct bl_smp *s, const struct smp_conn *c,
                             const struct bl_bond *old, const struct bl_bond *bond)
{
    bool claimed =
        !bl_addr_eq(&c->link.peer, &bond->identity) && !bl_addr_eq(&c->known, &bond->identity);

    return bl_bonds_may_replace(old, bond) &&
           (!claimed || (s->config->pair_again && bond->authenticated));
}

/* 1: bonded; 0: not bonded, which is no failure; -EPERM: it would take the place of a better one.
 */
static int pair_bond(struct bl_smp *s, uint64_t now, const struct smp_conn *c,
                     const struct bl_pairing_keys *keys, const struct bl_addr *identity)
{
    struct bl_bond bond;

    pair_make_bond(keys, identity, &bond);
    const struct bl_bond *old = bl_bonds_find(&s->bonds, identity);
    int r = old && !pair_may_replace(s, c, old, &bond) ? -EPERM : 0;
    if (r == 0) {
        r = smp_bond_put(s, now, &bond, false);
        if (r < 0)
            bl_env_log(s->env, BL_LOG_WARNING, "there is no room for another bond (%d)", r);
        r = r == 0;
    }
    bl_crypto_wipe(&bond, sizeof(bond));
    return r;
}

static void pair_done(struct bl_smp *s, uint64_t now, struct smp_conn *c,
                      const struct bl_pairing_keys *keys)
{
    struct bl_addr identity;
    bool known = pair_identity(s, c, keys, &identity);
    int bonded = known && keys->bonded ? pair_bond(s, now, c, keys, &identity) : 0;

    if (bonded < 0) { /* whoever this is, it is not to go on as if it were the other one */
        smp_oob_used(s, c);
        smp_failed(s, c, BL_STATUS_SMP + BL_SMP_AUTHENTICATION_REQUIREMENTS);
        smp_drop(s, c);
        return;
    }
    pair_forget_failures(s, c);
    if (bonded)
        smp_identify(s, c, &identity);
    c->security.bonded = bonded > 0;
    s->paired++;
    smp_oob_used(s, c);
    smp_succeeded(s, c);
}

static void pair_over(struct bl_smp *s, uint64_t now, struct smp_conn *c, bl_status status)
{
    bool by_pairing = c->by_pairing;

    smp_oob_used(s, c);
    if (status == BL_TIMEOUT)
        c->dead = true;
    else if (status != BL_NO_RESOURCES)
        smp_count_failure(s, now, c);
    smp_failed(s, c, status);
    if (by_pairing) /* in the middle of the keys: encrypted with a key that is worth nothing */
        smp_drop(s, c);
}

static void pair_encrypt(struct bl_smp *s, uint64_t now, struct smp_conn *c,
                         const uint8_t key[static 16])
{
    struct bl_ltk ltk = {.size = BL_SMP_KEY_MAX};
    struct bl_pairing_level worth;

    bl_pairing_level(c->pairing, &worth);
    const struct smp_level level = {worth.authenticated, worth.secure_connections, false,
                                    worth.key_size};
    memcpy(ltk.key, key, 16);
    if (!smp_encrypt(s, c, &ltk, SMP_KEY_PAIRING, &level))
        bl_pairing_encrypted(c->pairing, now, false);
    bl_crypto_wipe(&ltk, sizeof(ltk));
}

void smp_pair_pull(struct bl_smp *s, uint64_t now, struct smp_conn *c)
{
    struct bl_pairing_out out;

    while (c->pairing && bl_pairing_next(c->pairing, &out)) {
        switch (out.kind) {
        case BL_PAIRING_SEND:
            if (!smp_send(s, c, out.send.pdu, out.send.n))
                bl_pairing_abort(c->pairing);
            break;
        case BL_PAIRING_ENCRYPT:
            pair_encrypt(s, now, c, out.key);
            break;
        case BL_PAIRING_ASK:
            pair_ask(s, c, &out);
            break;
        case BL_PAIRING_KEYPRESS:
            bl_evq_push(s->events, &(struct bl_event){.kind = BL_EV_KEYPRESS,
                                                      .keypress = {c->link.conn, out.keypress}});
            break;
        case BL_PAIRING_DONE:
            pair_done(s, now, c, &out.keys);
            break;
        case BL_PAIRING_FAILED:
            pair_over(s, now, c, out.status);
            break;
        }
        bl_crypto_wipe(&out, sizeof(out));
    }
}
