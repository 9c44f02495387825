/* SPDX-License-Identifier: MIT */

/*
 * A pairing with a peer that says anything, in either role; beside it an honest one, whose PDUs the
 * input lets through, so that every state is come to. Two octets say which way of pairing it is,
 * and then each step is an octet and what it takes:
 *
 *     0 a PDU (a length, octets)   1 one of its code's length (a code, octets)   2 the honest
 * peer's next PDU   3 the same, an octet changed (which, with what)   4 a person answers   5
 * somebody refuses, or types   6 time passes   7 the controllers encrypt
 *
 * Besides what the sanitizers see: PDUs have a code and its length, it ends once, in 30 s at the
 * latest, and it is done only where both sides have come to the same key.
 */

#include "base/rd.h"
#include "base/timerq.h"
#include "smp/pairing.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { KEPT = 64 };

struct fuzz_side {
    struct bl_pairing *p;
    struct bl_pairing_params params;
    enum bl_smp_user asked;
    bool has_key, over, done;
    uint8_t key[16];
};

struct fuzz {
    struct fuzz_side it, honest;
    struct bl_smp_oob its_oob, honest_oob;
    struct bl_env env;
    uint64_t now;
    uint32_t random;
    bool linked; /* encrypted with the same key */
    uint8_t kept[KEPT][BL_SMP_MTU];
    size_t kept_len[KEPT];
    unsigned kept_head, kept_n; /* the honest one's, not let through yet */
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

static int fuzz_random(void *ctx, void *out, size_t n)
{
    struct fuzz *f = ctx;
    uint8_t *p = out;

    for (size_t i = 0; i < n; i++) {
        f->random = f->random * 1664525u + 1013904223u;
        p[i] = (uint8_t)(f->random >> 24);
    }
    return 0;
}

/* ---- both sides ---- */

static void side_give(struct fuzz *f, struct fuzz_side *s, const uint8_t *pdu, size_t n)
{
    if (s->p)
        bl_pairing_receive(s->p, f->now, pdu, n);
    else if (n == 7 && pdu[0] == BL_SMP_PAIRING_REQUEST)
        must((s->p = bl_pairing_new(f->now, &s->params, pdu)) != NULL);
}

static void check_keys(const struct fuzz_side *s, const struct bl_pairing_keys *keys)
{
    static const uint8_t zero[16];
    const struct bl_addr *a = &keys->peer_identity;

    must(keys->key_size >= s->params.min_key_size && keys->key_size <= s->params.max_key_size);
    must(!s->params.sc_only || keys->secure_connections);
    must(!s->params.must_authenticate || keys->authenticated);
    must(!keys->has_peer_irk || memcmp(keys->peer_irk, zero, 16) != 0);
    must(!keys->has_peer_ltk || memcmp(keys->peer_ltk.key, zero, 16) != 0);
    must(bl_addr_is_zero(a) || a->type == ADDR_PUBLIC || bl_addr_is_static(a));
    must(!bl_addr_eq(a, &s->params.identity));
}

static void keep(struct fuzz *f, const struct bl_pairing_out *out)
{
    if (f->kept_n == KEPT)
        return;
    unsigned at = (f->kept_head + f->kept_n++) % KEPT;
    memcpy(f->kept[at], out->send.pdu, out->send.n);
    f->kept_len[at] = out->send.n;
}

static void side_take(struct fuzz *f, struct fuzz_side *s, const struct bl_pairing_out *out)
{
    must(!s->over);
    if (out->kind == BL_PAIRING_SEND) {
        must(out->send.n == bl_smp_len(out->send.pdu[0]));
        if (s == &f->honest)
            keep(f, out);
        else
            side_give(f, &f->honest, out->send.pdu, out->send.n);
    } else if (out->kind == BL_PAIRING_ENCRYPT) {
        must(s->params.initiator);
        s->has_key = true;
        memcpy(s->key, out->key, 16);
    } else if (out->kind == BL_PAIRING_ASK) {
        must(out->ask.passkey <= 999999);
        s->asked = out->ask.user;
    } else if (out->kind == BL_PAIRING_DONE) {
        must(f->linked);
        s->over = s->done = true;
        check_keys(s, &out->keys);
    } else if (out->kind == BL_PAIRING_FAILED) {
        must(out->status != BL_OK);
        s->over = true;
    }
}

static bool side_pull(struct fuzz *f, struct fuzz_side *s)
{
    struct bl_pairing_out out;
    bool any = false;

    for (unsigned i = 0; s->p && bl_pairing_next(s->p, &out); i++) {
        must(i < 12);
        side_take(f, s, &out);
        any = true;
    }
    return any;
}

static void pull(struct fuzz *f)
{
    while (side_pull(f, &f->it) || side_pull(f, &f->honest))
        ;
}

/* ---- steps ---- */

static void step_pdu(struct fuzz *f, const uint8_t *at, size_t n)
{
    uint8_t *exact = malloc(n > 0 ? n : 1);

    if (!exact)
        exit(1);
    if (n > 0)
        memcpy(exact, at, n);
    side_give(f, &f->it, exact, n);
    free(exact);
}

static void step_whole(struct fuzz *f, struct rd *r)
{
    uint8_t pdu[BL_SMP_MTU] = {0};
    uint8_t code = rd_u8(r) % 16;
    size_t len = bl_smp_len(code), left = r->left;
    size_t n = len > 0 ? len - 1 : 0;

    n = n < left ? n : left;
    pdu[0] = code;
    const uint8_t *body = rd_bytes(r, n);
    if (n > 0 && body)
        memcpy(pdu + 1, body, n);
    step_pdu(f, pdu, len > 0 ? len : 1);
}

static void step_honest(struct fuzz *f, uint8_t at, uint8_t with)
{
    if (f->kept_n == 0)
        return;
    uint8_t *pdu = f->kept[f->kept_head];
    size_t n = f->kept_len[f->kept_head];
    f->kept_head = (f->kept_head + 1) % KEPT;
    f->kept_n--;
    pdu[at % n] ^= with;
    step_pdu(f, pdu, n);
}

static void answer(struct fuzz *f, struct fuzz_side *s, enum bl_smp_user user, uint32_t passkey)
{
    if (s->p)
        (void)bl_pairing_passkey(s->p, f->now, user,
                                 user == BL_SMP_USER_COMPARE ? passkey % 2 : passkey);
}

/* Both people as they were asked, or it by anything. */
static void step_answer(struct fuzz *f, uint8_t how)
{
    if (how & 0x80) {
        answer(f, &f->it, how & 3, how & 4 ? 1000000 : how);
        return;
    }
    answer(f, &f->it, f->it.asked, 271829);
    answer(f, &f->honest, f->honest.asked, 271829);
}

static bool side_key(struct fuzz_side *s)
{
    static const uint8_t zero[8];

    return s->has_key || (s->p && bl_pairing_ltk(s->p, 0, zero, s->key));
}

static void step_encrypt(struct fuzz *f, uint8_t how)
{
    bool same = side_key(&f->it) && side_key(&f->honest) &&
                memcmp(f->it.key, f->honest.key, sizeof(f->it.key)) == 0;

    if (!same && !(how & 1))
        return;
    f->linked |= same;
    if (f->it.p)
        bl_pairing_encrypted(f->it.p, f->now, same);
    if (f->honest.p)
        bl_pairing_encrypted(f->honest.p, f->now, same);
}

static void step_time(struct fuzz *f, uint8_t how)
{
    f->now += (uint64_t)how * 1000000 / 4;
    if (f->it.p)
        bl_pairing_tick(f->it.p, f->now);
    if (f->honest.p)
        bl_pairing_tick(f->honest.p, f->now);
}

static void step(struct fuzz *f, struct rd *r)
{
    uint8_t kind = rd_u8(r) % 8;

    if (kind == 1) {
        step_whole(f, r);
        return;
    }
    uint8_t how = rd_u8(r);
    if (kind == 0) {
        size_t n = how % (BL_SMP_MTU + 4);
        n = n < r->left ? n : r->left;
        step_pdu(f, rd_bytes(r, n), n);
    } else if (kind == 2) {
        for (unsigned i = 0; i <= how % 100u; i++) {
            step_honest(f, 0, 0);
            pull(f);
        }
    } else if (kind == 3) {
        step_honest(f, how, rd_u8(r));
    } else if (kind == 4) {
        step_answer(f, how);
    } else if (kind == 5 && f->it.p) {
        if (how & 0x80)
            bl_pairing_refuse(f->it.p, f->now);
        else
            (void)bl_pairing_keypress(f->it.p, f->now, how % 8);
    } else if (kind == 6) {
        step_time(f, how);
    } else if (kind == 7) {
        step_encrypt(f, how);
    }
}

/* ---- */

static void begin(struct fuzz *f, uint8_t a, uint8_t b)
{
    f->env = (struct bl_env){.random = fuzz_random, .ctx = f};
    f->it.params = (struct bl_pairing_params){
        .env = &f->env,
        .initiator = a & 1,
        .own = {ADDR_PUBLIC, {1, 2, 3, 4, 5, 6}},
        .peer = {ADDR_RANDOM, {7, 8, 9, 10, 11, 0xcc}},
        .io = (enum bl_io)((a >> 1 & 7) % 5),
        .bond = a & 0x10,
        .mitm = a & 0x20,
        .secure_connections = a & 0x40,
        .keypress = a & 0x80,
        .sc_only = (b & 3) == 3,
        .must_authenticate = (b & 0x0c) == 0x0c,
        .min_key_size = b & 0x10 ? 7 : 16,
        .max_key_size = 16,
        .has_irk = true,
        .irk = {0x11},
        .identity = {ADDR_PUBLIC, {1, 2, 3, 4, 5, 6}},
        .signing = true,
    };
    f->honest.params = f->it.params;
    struct bl_pairing_params *honest = &f->honest.params;
    honest->initiator = !f->it.params.initiator;
    honest->own = f->it.params.peer;
    honest->peer = f->it.params.own;
    honest->irk[0] = 0x22;
    honest->identity = honest->own;
    honest->io = BL_IO_KEYBOARD_DISPLAY;
    f->its_oob = (struct bl_smp_oob){.has_tk = b & 0x20, .has_remote = b & 0x40, .tk = {1}};
    f->honest_oob = (struct bl_smp_oob){.has_tk = true, .tk = {1}};
    if (b & 0x60)
        f->it.params.oob = &f->its_oob;
    if (b & 0x20)
        honest->oob = &f->honest_oob;
    struct fuzz_side *first = f->it.params.initiator ? &f->it : &f->honest;
    must((first->p = bl_pairing_new(f->now, &first->params, NULL)) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct rd r = rd_make(data, n);
    struct fuzz f = {.random = 1};

    if (n < 2 || n > 4096)
        return 0;
    uint8_t a = rd_u8(&r), b = rd_u8(&r);
    begin(&f, a, b);
    pull(&f);
    while (r.left > 0 && !f.it.over) {
        step(&f, &r);
        pull(&f);
    }
    if (f.it.p && !f.it.over) {
        uint64_t end = bl_pairing_deadline(f.it.p);
        must(end <= f.now + BL_SMP_TIMEOUT_US);
        bl_pairing_tick(f.it.p, end);
        pull(&f);
        must(f.it.over && !f.it.done);
    }
    must(!f.it.p || bl_pairing_deadline(f.it.p) == TIMERQ_NEVER);
    bl_pairing_free(f.it.p);
    bl_pairing_free(f.honest.p);
    return 0;
}
