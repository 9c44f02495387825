/* SPDX-License-Identifier: MIT */

/*
 * pairing: features, the dispatch of input, output and time. What follows from a choice is in
 * pairing_legacy.c and pairing_sc.c, the keys at the end in pairing_keys.c.
 *
 * Input: a PDU has a row per code, which says in which states it may come; everything else that
 * arrives is Unspecified Reason (3.5.5), except Pairing Failed, which is always the end. The state
 * is OVER while a PDU is handled, so a handler that returns early has ended the pairing, and
 * pairing_handle() says so to the peer if the handler did not.
 */

#include "smp/pairing_internal.h"

#include "base/cleanup.h"
#include "base/timerq.h"
#include "crypto/crypto.h"

#include <stdlib.h>
#include <string.h>

/* ---- output ---- */

struct bl_pairing_out *pairing_put(struct bl_pairing *p, enum bl_pairing_out_kind kind)
{
    if (p->out_count == PAIRING_OUT_MOST)
        abort(); /* the most that one input leads to is the keys of one side: a bug */
    struct bl_pairing_out *out = &p->out[(p->out_head + p->out_count) % PAIRING_OUT_MOST];

    p->out_count++;
    *out = (struct bl_pairing_out){.kind = kind};
    return out;
}

bool bl_pairing_next(struct bl_pairing *p, struct bl_pairing_out *ret)
{
    if (p->out_count == 0)
        return false;
    *ret = p->out[p->out_head];
    bl_crypto_wipe(&p->out[p->out_head], sizeof(p->out[0]));
    p->out_head = (p->out_head + 1) % PAIRING_OUT_MOST;
    p->out_count--;
    return true;
}

void pairing_send(struct bl_pairing *p, uint64_t now, uint8_t code, const void *body, size_t n)
{
    struct bl_pairing_out *out = pairing_put(p, BL_PAIRING_SEND);

    out->send.pdu[0] = code;
    memcpy(out->send.pdu + 1, body, n);
    out->send.n = 1 + n;
    p->deadline = now + BL_SMP_TIMEOUT_US; /* Core 5.4, Vol 3, Part H, 3.4 */
}

static void pairing_over(struct bl_pairing *p, bl_status status)
{
    p->state = PAIRING_STATE_OVER;
    p->ended = true;
    p->deadline = TIMERQ_NEVER;
    p->user = BL_SMP_USER_NOTHING;
    p->key_ready = false;
    bl_crypto_wipe(p->key, sizeof(p->key));
    pairing_put(p, BL_PAIRING_FAILED)->status = status;
}

void pairing_fail(struct bl_pairing *p, uint64_t now, enum bl_smp_reason reason)
{
    uint8_t body = (uint8_t)reason;

    pairing_send(p, now, BL_SMP_FAILED, &body, 1);
    pairing_over(p, (bl_status)(BL_STATUS_SMP + reason));
}

enum { /* Keypress Notification: 3.5.8 */
       PAIRING_KEYPRESS_STARTED = 0,
       PAIRING_KEYPRESS_COMPLETED = 4,
};

/* Both said that they know of it; before Secure Connections there was no such PDU. */
static bool pairing_keypresses(const struct bl_pairing *p)
{
    return (p->initiator.auth & p->responder.auth & BL_SMP_AUTH_KEYPRESS) &&
           p->choice.secure_connections;
}

void pairing_ask(struct bl_pairing *p, uint64_t now, enum bl_smp_user user, uint32_t passkey)
{
    struct bl_pairing_out *out = pairing_put(p, BL_PAIRING_ASK);

    out->ask.user = p->user = user;
    out->ask.passkey = passkey;
    if (user == BL_SMP_USER_INPUT && pairing_keypresses(p))
        pairing_send(p, now, BL_SMP_KEYPRESS, &(uint8_t){PAIRING_KEYPRESS_STARTED}, 1);
}

void pairing_encrypt(struct bl_pairing *p)
{
    p->state = PAIRING_STATE_ENCRYPTION;
    p->key_ready = true;
    if (p->params.initiator)
        memcpy(pairing_put(p, BL_PAIRING_ENCRYPT)->key, p->key, 16);
}

bool pairing_ok(struct bl_pairing *p, uint64_t now, int r)
{
    if (r < 0)
        pairing_fail(p, now, BL_SMP_UNSPECIFIED_REASON);
    return r >= 0;
}

bool pairing_random(struct bl_pairing *p, uint64_t now, void *out, size_t n)
{
    return pairing_ok(p, now, p->params.env->random(p->params.env->ctx, out, n));
}

void pairing_shorten(uint8_t key[static 16], uint8_t size)
{
    memset(key + size, 0, (size_t)(16 - size)); /* Core 5.4, Vol 3, Part H, 2.3.4 */
}

/* ---- features ---- */

static uint8_t pairing_auth(const struct bl_pairing_params *p, bool sc)
{
    uint8_t auth = p->bond ? BL_SMP_AUTH_BONDING : 0;

    auth |= p->mitm || p->must_authenticate ? BL_SMP_AUTH_MITM : 0;
    auth |= sc ? BL_SMP_AUTH_SC : 0;
    auth |= p->keypress ? BL_SMP_AUTH_KEYPRESS : 0;
    return auth;
}

/* What we hand out, or want, when there is to be a bond. */
static uint8_t pairing_dist(const struct bl_pairing_params *p, bool ours)
{
    if (!p->bond)
        return 0;
    uint8_t keys = BL_SMP_DIST_ENC;
    keys |= !ours || p->has_irk ? BL_SMP_DIST_ID : 0;
    keys |= p->signing ? BL_SMP_DIST_SIGN : 0;
    return keys;
}

/* Which data we have depends on whether the pairing is to be a legacy one: 2.3.3. */
static uint8_t pairing_oob_flag(const struct bl_pairing *p, bool sc)
{
    return p->has_oob && (sc ? p->oob.has_remote : p->oob.has_tk) ? 1 : 0;
}

/* Whoever was given a TK for a peer, and nothing else, was told that it pairs that way. */
static bool pairing_offers_sc(const struct bl_pairing *p)
{
    bool only_tk = p->has_oob && p->oob.has_tk && !p->oob.has_remote && !p->oob.has_local;

    return p->params.secure_connections && (p->params.sc_only || !only_tk);
}

/* sc: we say that we can; sc_follows: and so it will be, as far as we know. */
static struct bl_smp_features pairing_features(const struct bl_pairing *p, bool sc, bool sc_follows)
{
    const struct bl_pairing_params *params = &p->params;

    return (struct bl_smp_features){
        .io = (uint8_t)params->io,
        .oob = pairing_oob_flag(p, sc_follows),
        .auth = pairing_auth(params, sc),
        .max_key_size = params->max_key_size,
        .initiator_keys = pairing_dist(params, params->initiator),
        .responder_keys = pairing_dist(params, !params->initiator),
    };
}

/* Core 5.4, Vol 3, Part H, 3.5.1: values that are reserved */
static bool pairing_legal(const struct bl_smp_features *f)
{
    return f->io <= BL_IO_KEYBOARD_DISPLAY && f->oob <= 1 &&
           (f->auth & BL_SMP_AUTH_BONDING_MASK) <= BL_SMP_AUTH_BONDING &&
           f->max_key_size <= BL_SMP_KEY_MAX;
}

/* A flag is a claim: a peer that says it has our data when there are none out, or that means
 * another kind of pairing than our data are for, would pair with zeros in their place, which
 * everybody knows, and count as authenticated. */
static bool pairing_has_oob(const struct bl_pairing *p)
{
    const struct bl_smp_features *peer = p->params.initiator ? &p->responder : &p->initiator;

    if (!p->has_oob)
        return false;
    if (!p->choice.secure_connections)
        return p->oob.has_tk;
    return peer->oob == 0 || p->oob.has_local;
}

/* Both have spoken: what follows, and whether we have anything against it. */
static bool pairing_objects(struct bl_pairing *p, enum bl_smp_reason *ret)
{
    const struct bl_pairing_params *params = &p->params;
    const struct bl_smp_features *i = &p->initiator, *r = &p->responder;

    bl_smp_choose(i, r, &p->choice);
    p->key_size = i->max_key_size < r->max_key_size ? i->max_key_size : r->max_key_size;
    p->bonding = (i->auth & r->auth & BL_SMP_AUTH_BONDING) != 0;
    if (p->key_size < params->min_key_size || p->key_size < BL_SMP_KEY_MIN)
        *ret = BL_SMP_ENCRYPTION_KEY_SIZE;
    else if ((params->sc_only && !p->choice.secure_connections) ||
             (params->must_authenticate && !p->choice.authenticated))
        *ret = BL_SMP_AUTHENTICATION_REQUIREMENTS;
    else if (p->choice.method == BL_SMP_OOB && !pairing_has_oob(p))
        *ret = BL_SMP_OOB_NOT_AVAILABLE;
    else
        return false;
    return true;
}

static void pairing_begin(struct bl_pairing *p, uint64_t now)
{
    const struct bl_pairing_params *params = &p->params;
    const struct bl_smp_features *i = &p->initiator, *r = &p->responder;

    /* Core 5.4, Vol 3, Part H, 2.4.2.2: with Secure Connections there is no LTK to hand out */
    uint8_t mine = i->initiator_keys & r->initiator_keys,
            theirs = i->responder_keys & r->responder_keys;
    uint8_t known = BL_SMP_DIST_ENC | BL_SMP_DIST_ID | BL_SMP_DIST_SIGN;
    if (p->choice.secure_connections)
        known &= (uint8_t)~BL_SMP_DIST_ENC;
    p->to_send = (params->initiator ? mine : theirs) & known;
    p->wanted = (params->initiator ? theirs : mine) & known;
    if (p->choice.secure_connections)
        pairing_sc_begin(p, now);
    else
        pairing_legacy_begin(p, now);
}

/* The initiator cannot know yet what the peer can: it tells of the data that it would use. */
static void pairing_request(struct bl_pairing *p, uint64_t now)
{
    struct wr w = wr_make(p->preq, sizeof(p->preq));

    bool sc = pairing_offers_sc(p);
    p->initiator = pairing_features(p, sc, sc);
    bl_smp_put_features(&w, BL_SMP_PAIRING_REQUEST, &p->initiator);
    pairing_send(p, now, BL_SMP_PAIRING_REQUEST, p->preq + 1, 6);
    p->state = PAIRING_STATE_RESPONSE;
}

static void pairing_response(struct bl_pairing *p, uint64_t now, const uint8_t *body)
{
    enum bl_smp_reason reason;

    p->pres[0] = BL_SMP_PAIRING_RESPONSE;
    memcpy(p->pres + 1, body, 6);
    /* Core 5.4, Vol 3, Part H, 3.6.1: the responder may only take away from what was offered */
    if (!bl_smp_parse_features(p->pres, sizeof(p->pres), &p->responder) ||
        !pairing_legal(&p->responder) ||
        (p->responder.initiator_keys & BL_SMP_DIST_ALL & ~p->initiator.initiator_keys) ||
        (p->responder.responder_keys & BL_SMP_DIST_ALL & ~p->initiator.responder_keys))
        pairing_fail(p, now, BL_SMP_INVALID_PARAMETERS);
    else if (pairing_objects(p, &reason))
        pairing_fail(p, now, reason);
    else
        pairing_begin(p, now);
}

static void pairing_respond(struct bl_pairing *p, uint64_t now, const uint8_t *first)
{
    struct wr w = wr_make(p->pres, sizeof(p->pres));
    enum bl_smp_reason reason;

    memcpy(p->preq, first, sizeof(p->preq));
    if (!bl_smp_parse_features(p->preq, sizeof(p->preq), &p->initiator) ||
        !pairing_legal(&p->initiator)) {
        pairing_fail(p, now, BL_SMP_INVALID_PARAMETERS);
        return;
    }
    bool sc = p->initiator.oob == 1 ? pairing_offers_sc(p) : p->params.secure_connections;
    p->responder = pairing_features(p, sc, sc && (p->initiator.auth & BL_SMP_AUTH_SC));
    if (!(p->initiator.auth & BL_SMP_AUTH_BONDING))
        p->responder.initiator_keys = p->responder.responder_keys = 0;
    p->responder.initiator_keys &= p->initiator.initiator_keys;
    p->responder.responder_keys &= p->initiator.responder_keys;
    bl_smp_put_features(&w, BL_SMP_PAIRING_RESPONSE, &p->responder);
    /* What will be refused is refused before anything is promised. */
    if (pairing_objects(p, &reason)) {
        pairing_fail(p, now, reason);
        return;
    }
    pairing_send(p, now, BL_SMP_PAIRING_RESPONSE, p->pres + 1, 6);
    pairing_begin(p, now);
}

/* ---- life ---- */

struct bl_pairing *bl_pairing_new(uint64_t now, const struct bl_pairing_params *params,
                                  const uint8_t *first)
{
    struct bl_pairing *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->params = *params;
    if (params->oob) {
        p->oob = *params->oob;
        p->has_oob = true;
    }
    p->params.oob = NULL;
    p->deadline = now + BL_SMP_TIMEOUT_US;
    if (params->initiator)
        pairing_request(p, now);
    else
        pairing_respond(p, now, first);
    return p;
}

struct bl_pairing *bl_pairing_free(struct bl_pairing *p)
{
    if (p)
        bl_crypto_wipe(p, sizeof(*p));
    free(p);
    return NULL;
}

/* ---- input ---- */

typedef void pairing_fn(struct bl_pairing *p, uint64_t now, const uint8_t *body);

static void pairing_confirm(struct bl_pairing *p, uint64_t now, const uint8_t *body)
{
    if (p->choice.secure_connections)
        pairing_sc_confirm(p, now, body);
    else
        pairing_legacy_confirm(p, now, body);
}

static void pairing_randomly(struct bl_pairing *p, uint64_t now, const uint8_t *body)
{
    if (p->choice.secure_connections)
        pairing_sc_random(p, now, body);
    else
        pairing_legacy_random(p, now, body);
}

#define PAIRING_IN(state) (1u << PAIRING_STATE_##state)

static const struct pairing_row {
    unsigned states;
    pairing_fn *fn;
} pairing_rows[BL_SMP_CODES] = {
    [BL_SMP_PAIRING_RESPONSE] = {PAIRING_IN(RESPONSE), pairing_response},
    [BL_SMP_CONFIRM] = {PAIRING_IN(CONFIRM), pairing_confirm},
    [BL_SMP_RANDOM] = {PAIRING_IN(RANDOM), pairing_randomly},
    [BL_SMP_PUBLIC_KEY] = {PAIRING_IN(PUBLIC_KEY), pairing_sc_public_key},
    [BL_SMP_DHKEY_CHECK] = {PAIRING_IN(COMPARE) | PAIRING_IN(CHECK), pairing_sc_check},
};

static bool pairing_is_key(uint8_t code)
{
    return code >= BL_SMP_ENCRYPTION_INFORMATION && code <= BL_SMP_SIGNING_INFORMATION;
}

/* Keypress Notifications are news for the one who displays, while the other enters, before either
 * has committed to the passkey: 3.5.8 */
static void pairing_keypress_in(struct bl_pairing *p, uint64_t now, uint8_t type)
{
    bool waits = p->state == PAIRING_STATE_USER ||
                 (p->state == PAIRING_STATE_CONFIRM && p->round == 0 && !p->has_peer_confirm);
    enum bl_smp_user mine = p->params.initiator ? p->choice.initiator : p->choice.responder;
    enum bl_smp_user theirs = p->params.initiator ? p->choice.responder : p->choice.initiator;

    if (type > PAIRING_KEYPRESS_COMPLETED) {
        pairing_fail(p, now, BL_SMP_INVALID_PARAMETERS);
        return;
    }
    if (theirs != BL_SMP_USER_INPUT || !pairing_keypresses(p) || !waits) {
        pairing_fail(p, now, BL_SMP_UNSPECIFIED_REASON);
        return;
    }
    p->deadline = now + BL_SMP_TIMEOUT_US;
    if (mine == BL_SMP_USER_DISPLAY)
        pairing_put(p, BL_PAIRING_KEYPRESS)->keypress = type;
}

/* Closed until the handler says where it goes on. */
static void pairing_handle(struct bl_pairing *p, uint64_t now, pairing_fn *fn, const uint8_t *body)
{
    p->state = PAIRING_STATE_OVER;
    fn(p, now, body);
    if (p->state == PAIRING_STATE_OVER && !p->ended)
        pairing_fail(p, now, BL_SMP_UNSPECIFIED_REASON);
}

void bl_pairing_receive(struct bl_pairing *p, uint64_t now, const uint8_t *pdu, size_t n)
{
    if (p->state == PAIRING_STATE_OVER || n == 0)
        return;
    size_t len = bl_smp_len(pdu[0]);
    if (len == 0) { /* Core 5.4, Vol 3, Part H, 3.5.5 */
        pairing_fail(p, now, BL_SMP_COMMAND_NOT_SUPPORTED);
        return;
    }
    if (n != len) {
        pairing_fail(p, now, BL_SMP_INVALID_PARAMETERS);
        return;
    }
    if (pdu[0] == BL_SMP_FAILED) {
        uint8_t reason = pdu[1] ? pdu[1] : BL_SMP_UNSPECIFIED_REASON;
        pairing_over(p, (bl_status)(BL_STATUS_SMP + reason));
        return;
    }
    if (pdu[0] == BL_SMP_KEYPRESS) {
        pairing_keypress_in(p, now, pdu[1]);
        return;
    }
    if (pairing_is_key(pdu[0]) && p->state == PAIRING_STATE_KEYS) {
        pairing_keys_pdu(p, now, pdu[0], pdu + 1);
        return;
    }
    const struct pairing_row *row = &pairing_rows[pdu[0]];
    if (!(row->states & 1u << p->state)) {
        pairing_fail(p, now, BL_SMP_UNSPECIFIED_REASON);
        return;
    }
    p->deadline = now + BL_SMP_TIMEOUT_US;
    pairing_handle(p, now, row->fn, pdu + 1);
}

bool bl_pairing_passkey(struct bl_pairing *p, uint64_t now, enum bl_smp_user user, uint32_t passkey)
{
    if (p->user == BL_SMP_USER_NOTHING || p->user != user)
        return false;
    if (user == BL_SMP_USER_COMPARE && passkey != 1) {
        pairing_fail(p, now, BL_SMP_NUMERIC_COMPARISON_FAILED);
        return true;
    }
    if (passkey > 999999)
        return false;
    p->user = BL_SMP_USER_NOTHING;
    if (user == BL_SMP_USER_COMPARE) {
        pairing_sc_compared(p, now);
        return true;
    }
    p->passkey = passkey;
    p->has_passkey = true;
    if (user == BL_SMP_USER_INPUT && pairing_keypresses(p))
        pairing_send(p, now, BL_SMP_KEYPRESS, &(uint8_t){PAIRING_KEYPRESS_COMPLETED}, 1);
    if (p->choice.secure_connections)
        pairing_sc_passkey(p, now);
    else
        pairing_legacy_passkey(p, now);
    return true;
}

void bl_pairing_refuse(struct bl_pairing *p, uint64_t now)
{
    if (p->state != PAIRING_STATE_OVER)
        pairing_fail(p, now,
                     p->user == BL_SMP_USER_COMPARE ? BL_SMP_NUMERIC_COMPARISON_FAILED
                                                    : BL_SMP_PASSKEY_ENTRY_FAILED);
}

bool bl_pairing_keypress(struct bl_pairing *p, uint64_t now, uint8_t type)
{
    if (type > PAIRING_KEYPRESS_COMPLETED || p->user != BL_SMP_USER_INPUT || !pairing_keypresses(p))
        return false;
    pairing_send(p, now, BL_SMP_KEYPRESS, &type, 1);
    return true;
}

static bool pairing_has_failed(const struct bl_pairing *p)
{
    for (unsigned i = 0; i < p->out_count; i++)
        if (p->out[(p->out_head + i) % PAIRING_OUT_MOST].kind == BL_PAIRING_FAILED)
            return true;
    return false;
}

void bl_pairing_abort(struct bl_pairing *p)
{
    if (pairing_has_failed(p))
        return; /* for a reason of its own */
    bl_crypto_wipe(p->out, sizeof(p->out));
    p->out_count = 0;
    pairing_over(p, BL_NO_RESOURCES);
}

void bl_pairing_level(const struct bl_pairing *p, struct bl_pairing_level *ret)
{
    *ret = (struct bl_pairing_level){.authenticated = p->choice.authenticated,
                                     .secure_connections = p->choice.secure_connections,
                                     .oob = p->oob_spent,
                                     .key_size = p->key_size};
}

void bl_pairing_encrypted(struct bl_pairing *p, uint64_t now, bool on)
{
    if (p->state != PAIRING_STATE_ENCRYPTION)
        return;
    if (!on)
        pairing_fail(p, now, BL_SMP_UNSPECIFIED_REASON);
    else
        pairing_keys_begin(p, now);
}

bool bl_pairing_ltk(const struct bl_pairing *p, uint16_t ediv, const uint8_t rand[static 8],
                    uint8_t ret_key[static 16])
{
    static const uint8_t zero[8];

    if (p->params.initiator || !p->key_ready || p->state != PAIRING_STATE_ENCRYPTION || ediv != 0 ||
        memcmp(rand, zero, sizeof(zero)) != 0)
        return false;
    memcpy(ret_key, p->key, 16);
    return true;
}

/* ---- time ---- */

uint64_t bl_pairing_deadline(const struct bl_pairing *p)
{
    return p->deadline;
}

/* No Pairing Failed is sent: nothing may be, until the link has been made anew. 3.4 */
void bl_pairing_tick(struct bl_pairing *p, uint64_t now)
{
    if (p->state != PAIRING_STATE_OVER && now >= p->deadline)
        pairing_over(p, BL_TIMEOUT);
}
