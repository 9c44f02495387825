/* SPDX-License-Identifier: MIT */

#include "pair.h"

#include "crypto/p256.h"
#include "crypto/toolbox.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int pair_random(void *ctx, void *out, size_t n)
{
    struct pair *w = ctx;
    uint8_t *p = out;

    if (++w->randoms == w->random_fails_at)
        return -EIO;
    for (size_t i = 0; i < n; i++) {
        w->random = w->random * 1664525u + 1013904223u;
        p[i] = (uint8_t)(w->random >> 24);
    }
    return 0;
}

static struct bl_env *pair_env(struct pair *w)
{
    struct bl_env *env = malloc(sizeof(*env));

    ck_assert_ptr_nonnull(env);
    *env = (struct bl_env){.random = pair_random, .ctx = w};
    return env;
}

void pair_init(struct pair *w)
{
    *w = (struct pair){.passkey = 19655, .people = true, .random = 1};
    struct bl_env *env = pair_env(w);

    w->i.params = (struct bl_pairing_params){
        .env = env,
        .initiator = true,
        .own = {ADDR_PUBLIC, {1, 2, 3, 4, 5, 6}},
        .peer = {ADDR_RANDOM, {7, 8, 9, 10, 11, 0xcc}},
        .io = BL_IO_NONE,
        .bond = true,
        .secure_connections = true,
        .min_key_size = 16,
        .max_key_size = 16,
        .has_irk = true,
        .irk = {0x11},
        .identity = {ADDR_PUBLIC, {1, 2, 3, 4, 5, 6}},
        .signing = true,
    };
    w->r.params = w->i.params;
    w->r.params.initiator = false;
    w->r.params.own = w->i.params.peer;
    w->r.params.peer = w->i.params.own;
    w->r.params.irk[0] = 0x22;
    w->r.params.identity = (struct bl_addr){ADDR_RANDOM, {7, 8, 9, 10, 11, 0xcc}};
}

/* What each has made, and the other one was told. */
static void pair_tell(struct pair *w)
{
    static const uint8_t scalars[2][32] = {{5, 4, 3, 2, 1}, {9, 9, 8}};
    struct bl_smp_oob *made[2] = {&w->i_oob, &w->r_oob};

    for (int side = 0; side < 2; side++) {
        struct bl_smp_oob *mine = made[side], *other = made[!side];
        struct bl_p256_public public;

        ck_assert_int_eq(bl_p256_public(scalars[side], &public), 0);
        mine->has_local = other->has_remote = true;
        memcpy(mine->local_scalar, scalars[side], 32);
        memset(mine->local_r, 0xa1 + side, 16);
        memcpy(other->r, mine->local_r, 16);
        ck_assert_int_eq(bl_crypto_f4(public.x, public.x, mine->local_r, 0, other->c), 0);
    }
}

void pair_init_way(struct pair *w, enum pair_way way)
{
    pair_init(w);
    struct bl_pairing_params *i = &w->i.params, *r = &w->r.params;
    i->secure_connections = r->secure_connections = way >= WAY_SC_JUST_WORKS;
    i->mitm = way != WAY_LEGACY_JUST_WORKS && way != WAY_SC_JUST_WORKS;
    if (way == WAY_LEGACY_DISPLAY || way == WAY_SC_DISPLAY) {
        i->io = BL_IO_DISPLAY_ONLY;
        r->io = BL_IO_KEYBOARD_ONLY;
    } else if (way == WAY_LEGACY_INPUT || way == WAY_SC_INPUT) {
        i->io = BL_IO_KEYBOARD_ONLY;
        r->io = BL_IO_DISPLAY_ONLY;
        i->keypress = r->keypress = way == WAY_SC_INPUT;
    } else if (way == WAY_SC_COMPARE) {
        i->io = r->io = BL_IO_DISPLAY_YES_NO;
    } else if (way == WAY_LEGACY_OOB || way == WAY_SC_OOB) {
        i->oob = &w->i_oob;
        r->oob = &w->r_oob;
    }
    if (way == WAY_SC_OOB)
        pair_tell(w);
    if (way == WAY_LEGACY_OOB) {
        w->i_oob.has_tk = w->r_oob.has_tk = true;
        memset(w->i_oob.tk, 0x77, 16);
        memset(w->r_oob.tk, 0x77, 16);
    }
}

void pair_deinit(struct pair *w)
{
    bl_pairing_free(w->i.p);
    bl_pairing_free(w->r.p);
    free((void *)(uintptr_t)w->i.params.env);
}

void pair_start(struct pair *w)
{
    w->i.p = bl_pairing_new(w->now, &w->i.params, NULL);
    ck_assert_ptr_nonnull(w->i.p);
}

static void pair_carry(struct pair *w, struct pair_side *from, const uint8_t *pdu, size_t n)
{
    bool initiator = from == &w->i;
    struct pair_side *to = initiator ? &w->r : &w->i;
    uint8_t copy[BL_SMP_MTU + 1];

    memcpy(copy, pdu, n);
    from->sent++;
    if (w->tamper)
        w->tamper(w, initiator, copy, &n);
    if (n == 0)
        return;
    if (!to->p && to == &w->r && !to->done && !to->failed && copy[0] == BL_SMP_PAIRING_REQUEST) {
        to->p = bl_pairing_new(w->now, &to->params, copy);
        ck_assert_ptr_nonnull(to->p);
    } else if (to->p) {
        bl_pairing_receive(to->p, w->now, copy, n);
    }
}

static void pair_take(struct pair *w, struct pair_side *s, const struct bl_pairing_out *out)
{
    switch (out->kind) {
    case BL_PAIRING_SEND:
        pair_carry(w, s, out->send.pdu, out->send.n);
        break;
    case BL_PAIRING_ENCRYPT:
        memcpy(s->key, out->key, 16);
        s->has_key = true;
        break;
    case BL_PAIRING_ASK:
        s->asked = out->ask.user;
        s->number = out->ask.passkey;
        break;
    case BL_PAIRING_KEYPRESS:
        s->keypresses++;
        break;
    case BL_PAIRING_DONE:
        s->done = true;
        s->keys = out->keys;
        break;
    case BL_PAIRING_FAILED:
        s->failed = true;
        s->status = out->status;
        break;
    }
}

static bool pair_pull(struct pair *w, struct pair_side *s)
{
    struct bl_pairing_out out;
    bool any = false;

    while (s->p && bl_pairing_next(s->p, &out)) {
        pair_take(w, s, &out);
        any = true;
    }
    return any;
}

static bool pair_answer(struct pair *w, struct pair_side *s)
{
    enum bl_smp_user asked = s->asked;

    if (!w->people || asked == BL_SMP_USER_NOTHING || s->failed)
        return false;
    s->asked = BL_SMP_USER_NOTHING;
    if (asked == BL_SMP_USER_COMPARE && w->i.number != w->r.number)
        bl_pairing_passkey(s->p, w->now, asked, 0);
    else
        ck_assert(
            bl_pairing_passkey(s->p, w->now, asked, asked == BL_SMP_USER_COMPARE ? 1 : w->passkey));
    return true;
}

/* The controllers: the central's key and the one that the peripheral's host gives. */
static bool pair_link(struct pair *w)
{
    static const uint8_t zero[8];
    uint8_t key[16];

    if (!w->i.has_key || w->unplugged)
        return false;
    w->i.has_key = false;
    bool same = w->r.p && bl_pairing_ltk(w->r.p, 0, zero, key) && memcmp(key, w->i.key, 16) == 0;
    if (w->i.p)
        bl_pairing_encrypted(w->i.p, w->now, same);
    if (w->r.p)
        bl_pairing_encrypted(w->r.p, w->now, same);
    return true;
}

/* Both numbers are there before anybody compares. */
void pair_run(struct pair *w)
{
    for (int i = 0; i < 1000; i++) {
        bool moved = pair_pull(w, &w->i);
        moved |= pair_pull(w, &w->r);
        if (!moved)
            moved = pair_answer(w, &w->i) || pair_answer(w, &w->r) || pair_link(w);
        if (!moved)
            return;
    }
    ck_abort_msg("it never ends");
}

void pair_assert_done(const struct pair *w)
{
    const struct bl_pairing_keys *a = &w->i.keys, *b = &w->r.keys;

    ck_assert_msg(w->i.done && w->r.done, "initiator 0x%x, responder 0x%x", w->i.status,
                  w->r.status);
    ck_assert(a->authenticated == b->authenticated);
    ck_assert(a->secure_connections == b->secure_connections);
    ck_assert(a->bonded == b->bonded);
    ck_assert_uint_eq(a->key_size, b->key_size);
    ck_assert(a->has_peer_ltk == b->has_local_ltk && b->has_peer_ltk == a->has_local_ltk);
    if (a->has_peer_ltk)
        ck_assert_mem_eq(&a->peer_ltk, &b->local_ltk, sizeof(a->peer_ltk));
    if (b->has_peer_ltk)
        ck_assert_mem_eq(&b->peer_ltk, &a->local_ltk, sizeof(b->peer_ltk));
    if (a->has_peer_csrk)
        ck_assert_mem_eq(a->peer_csrk, b->local_csrk, 16);
    if (b->has_peer_csrk)
        ck_assert_mem_eq(b->peer_csrk, a->local_csrk, 16);
}

void pair_assert_failed(const struct pair *w, bl_status status)
{
    ck_assert(!w->i.done && !w->r.done);
    ck_assert_msg(w->i.failed && w->i.status == status, "initiator: 0x%x", w->i.status);
    ck_assert_msg(!w->r.p || (w->r.failed && w->r.status == status), "responder: 0x%x",
                  w->r.status);
}
