/* SPDX-License-Identifier: MIT */

/* The keys at the end: which, in what order, and what is taken for one. */

#include "pair.h"

#include "smp/pairing_internal.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define SMP(reason) ((bl_status)(BL_STATUS_SMP + BL_SMP_##reason))

/* The keys of one side are caught on their way, and then given by hand. */
struct caught {
    bool of_initiator;
    uint8_t pdus[8][17];
    size_t lengths[8];
    unsigned n;
};

static void catch_keys(struct pair *w, bool from_initiator, uint8_t *pdu, size_t *n)
{
    struct caught *c = w->arg;

    if (from_initiator != c->of_initiator || pdu[0] < BL_SMP_ENCRYPTION_INFORMATION ||
        pdu[0] > BL_SMP_SIGNING_INFORMATION)
        return;
    memcpy(c->pdus[c->n], pdu, *n);
    c->lengths[c->n++] = *n;
    *n = 0;
}

/* To where the other side waits for them all. */
static struct pair_side *run_to_keys(struct pair *w, bool legacy, struct caught *c)
{
    pair_init_way(w, legacy ? WAY_LEGACY_JUST_WORKS : WAY_SC_JUST_WORKS);
    w->tamper = catch_keys;
    w->arg = c;
    return c->of_initiator ? &w->r : &w->i;
}

static struct pair_side *catch_all(struct pair *w, bool legacy, struct caught *c)
{
    struct pair_side *waits = run_to_keys(w, legacy, c);

    pair_start(w);
    pair_run(w);
    ck_assert_uint_eq(c->n, legacy ? 5 : 3);
    ck_assert(!waits->done && !waits->failed);
    return waits;
}

static void give(struct pair *w, struct pair_side *to, const struct caught *c, unsigned i)
{
    bl_pairing_receive(to->p, w->now, c->pdus[i], c->lengths[i]);
}

static void assert_refused(struct pair *w, const struct pair_side *s, bl_status status)
{
    pair_run(w);
    ck_assert(!s->done);
    ck_assert_msg(s->failed && s->status == status, "0x%x", s->status);
}

START_TEST(keys_in_every_order_but_the_right_one)
{
    for (int legacy = 0; legacy < 2; legacy++)
        for (unsigned good = 0;; good++) { /* so many as they are to come, then another one */
            struct caught probe = {.of_initiator = _i};
            struct pair w;
            catch_all(&w, legacy, &probe);
            pair_deinit(&w);
            if (good == probe.n)
                break;
            for (unsigned wrong = 0; wrong < probe.n; wrong++) {
                struct caught c = {.of_initiator = _i};
                if (wrong == good)
                    continue;
                struct pair_side *s = catch_all(&w, legacy, &c);
                for (unsigned i = 0; i < good; i++)
                    give(&w, s, &c, i);
                give(&w, s, &c, wrong); /* too early, or twice */
                assert_refused(&w, s, SMP(UNSPECIFIED_REASON));
                pair_deinit(&w);
            }
        }
}
END_TEST

START_TEST(keys_in_their_order_are_taken)
{
    for (int legacy = 0; legacy < 2; legacy++) {
        struct caught c = {.of_initiator = _i};
        struct pair w;
        struct pair_side *s = catch_all(&w, legacy, &c);

        for (unsigned i = 0; i < c.n; i++)
            give(&w, s, &c, i);
        for (unsigned i = 0; i < c.n; i++) /* nobody listens any more */
            give(&w, s, &c, i);
        w.tamper = NULL;
        pair_run(&w);
        pair_assert_done(&w);
        pair_deinit(&w);
    }
}
END_TEST

/* Each of the three kinds that one side did not ask for. */
START_TEST(a_key_that_was_not_asked_for)
{
    static const uint8_t codes[] = {BL_SMP_ENCRYPTION_INFORMATION, BL_SMP_CENTRAL_IDENTIFICATION,
                                    BL_SMP_SIGNING_INFORMATION};

    for (size_t k = 0; k < sizeof(codes); k++) {
        struct caught c = {.of_initiator = _i};
        struct pair w;
        uint8_t pdu[17] = {codes[k], 1, 2, 3};
        struct pair_side *s = run_to_keys(&w, false, &c);

        s->params.signing = false; /* and an LTK there is none to give with this pairing */
        pair_start(&w);
        pair_run(&w);
        bl_pairing_receive(s->p, w.now, pdu, bl_smp_len(codes[k]));
        assert_refused(&w, s, SMP(UNSPECIFIED_REASON));
        pair_deinit(&w);
    }
}
END_TEST

/* ---- what is in them ---- */

/* Octet 0 of `body` is the code: that key of the caught ones is given so. */
static void expect_of_key(bool of_initiator, bool legacy, const uint8_t *body, bl_status status)
{
    struct caught c = {.of_initiator = of_initiator};
    struct pair w;
    struct pair_side *s = catch_all(&w, legacy, &c);

    for (unsigned i = 0; i < c.n && !s->failed; i++) {
        if (c.pdus[i][0] == body[0])
            memcpy(c.pdus[i], body, c.lengths[i]);
        give(&w, s, &c, i);
        pair_run(&w);
    }
    assert_refused(&w, s, status);
    pair_deinit(&w);
}

START_TEST(identity_address_that_is_no_identity)
{
    static const uint8_t bad[][8] = {
        {BL_SMP_IDENTITY_ADDRESS, 0, 0, 0, 0, 0, 0, 0},                   /* none */
        {BL_SMP_IDENTITY_ADDRESS, 1, 1, 2, 3, 4, 5, 0x41},                /* resolvable */
        {BL_SMP_IDENTITY_ADDRESS, 1, 1, 2, 3, 4, 5, 0x01},                /* not resolvable */
        {BL_SMP_IDENTITY_ADDRESS, 1, 1, 2, 3, 4, 5, 0x81},                /* reserved */
        {BL_SMP_IDENTITY_ADDRESS, 1, 0, 0, 0, 0, 0, 0xc0},                /* zeros */
        {BL_SMP_IDENTITY_ADDRESS, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, /* ones */
        {BL_SMP_IDENTITY_ADDRESS, 2, 1, 2, 3, 4, 5, 6},                   /* no kind */
        {BL_SMP_IDENTITY_ADDRESS, 0xff, 1, 2, 3, 4, 5, 6},                /* no kind */
    };
    static const uint8_t ours[2][8] = {
        {BL_SMP_IDENTITY_ADDRESS, 0, 1, 2, 3, 4, 5, 6},
        {BL_SMP_IDENTITY_ADDRESS, 1, 7, 8, 9, 10, 11, 0xcc},
    };

    for (int legacy = 0; legacy < 2; legacy++) {
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
            expect_of_key(_i, legacy, bad[i], SMP(INVALID_PARAMETERS));
        expect_of_key(_i, legacy, ours[_i], SMP(INVALID_PARAMETERS));
    }
}
END_TEST

START_TEST(ltk_all_zero)
{
    static const uint8_t zeros[17] = {BL_SMP_ENCRYPTION_INFORMATION};

    expect_of_key(_i, true, zeros, SMP(KEY_REJECTED));
}
END_TEST

/* Zeros in the octets that count, where the key is a short one. */
START_TEST(ltk_all_zero_when_shortened)
{
    struct caught c = {.of_initiator = _i};
    struct pair w;
    struct pair_side *s = run_to_keys(&w, true, &c);

    w.i.params.min_key_size = w.r.params.min_key_size = 7;
    s->params.max_key_size = 7;
    pair_start(&w);
    pair_run(&w);
    ck_assert_uint_eq(c.n, 5);
    memset(c.pdus[0] + 1, 0, 7);
    memset(c.pdus[0] + 8, 0xff, 9);
    give(&w, s, &c, 0);
    assert_refused(&w, s, SMP(KEY_REJECTED));
    pair_deinit(&w);
}
END_TEST

static void clear_keys(struct pair *w, bool from_initiator, uint8_t *pdu, size_t *n)
{
    (void)w;
    (void)from_initiator;
    if (pdu[0] == BL_SMP_IDENTITY_INFORMATION || pdu[0] == BL_SMP_SIGNING_INFORMATION)
        memset(pdu + 1, 0, *n - 1);
}

/* A peer may say so that it has none: it is paired with, and nothing resolves or signs by them. */
START_TEST(irk_and_csrk_all_zero)
{
    for (int legacy = 0; legacy < 2; legacy++) {
        struct pair w;

        pair_init_way(&w, legacy ? WAY_LEGACY_JUST_WORKS : WAY_SC_JUST_WORKS);
        w.tamper = clear_keys;
        pair_start(&w);
        pair_run(&w);
        ck_assert(w.i.done && w.r.done);
        ck_assert(!w.i.keys.has_peer_irk && !w.r.keys.has_peer_irk);
        ck_assert(!w.i.keys.has_peer_csrk && !w.r.keys.has_peer_csrk);
        ck_assert(bl_addr_eq(&w.i.keys.peer_identity, &w.r.params.identity));
        pair_deinit(&w);
    }
}
END_TEST

/* ---- which keys ---- */

enum { INITIATOR_KEYS = 5, RESPONDER_KEYS };

struct more {
    size_t at;
    uint8_t bits;
};

static void grant_more(struct pair *w, bool from_initiator, uint8_t *pdu, size_t *n)
{
    const struct more *more = w->arg;

    (void)from_initiator;
    (void)n;
    if (pdu[0] == BL_SMP_PAIRING_RESPONSE)
        pdu[more->at] |= more->bits;
}

START_TEST(a_responder_that_grants_more_than_was_asked)
{
    for (size_t at = INITIATOR_KEYS; at <= RESPONDER_KEYS; at++)
        for (unsigned key = 0; key < 8; key++) {
            struct more more = {.at = at, .bits = (uint8_t)(1u << key)};
            struct pair w;

            pair_init_way(&w, WAY_SC_JUST_WORKS);
            w.i.params.bond = false; /* asks for none */
            w.tamper = grant_more;
            w.arg = &more;
            pair_start(&w);
            pair_run(&w);
            if (key < 4) {
                pair_assert_failed(&w, SMP(INVALID_PARAMETERS));
            } else { /* reserved: ignored */
                pair_assert_done(&w);
                ck_assert(!w.i.keys.bonded && !w.i.keys.has_peer_irk);
            }
            pair_deinit(&w);
        }
}
END_TEST

/* The peer wants one kind of key of us: 3.6.1 */
struct want {
    bool of_initiator;
    unsigned given[16]; /* by code */
};

static void want_only(struct pair *w, bool from_initiator, uint8_t *pdu, size_t *n)
{
    struct want *want = w->arg;
    bool key = pdu[0] >= BL_SMP_ENCRYPTION_INFORMATION && pdu[0] <= BL_SMP_SIGNING_INFORMATION;

    (void)n;
    if (key && from_initiator == want->of_initiator)
        want->given[pdu[0]]++;
}

START_TEST(a_side_gives_what_was_asked_for_and_nothing_else)
{
    for (enum pair_way way = WAY_LEGACY_JUST_WORKS; way <= WAY_SC_JUST_WORKS;
         way += WAY_SC_JUST_WORKS)
        for (uint8_t keys = 0; keys < 8; keys++) {
            struct want want = {.of_initiator = _i};
            struct pair w;

            pair_init_way(&w, way);
            w.unplugged = true;
            w.tamper = want_only;
            w.arg = &want;
            pair_start(&w);
            pair_run(&w);
            /* As if that had been agreed on: a change on the way would be found out. */
            struct bl_pairing *giver = _i ? w.i.p : w.r.p, *taker = _i ? w.r.p : w.i.p;
            giver->to_send &= keys;
            taker->wanted &= keys;
            w.unplugged = false;
            pair_run(&w);
            pair_assert_done(&w);
            bool ltk = way == WAY_LEGACY_JUST_WORKS && (keys & BL_SMP_DIST_ENC);
            ck_assert_uint_eq(want.given[BL_SMP_ENCRYPTION_INFORMATION], ltk);
            ck_assert_uint_eq(want.given[BL_SMP_CENTRAL_IDENTIFICATION], ltk);
            ck_assert_uint_eq(want.given[BL_SMP_IDENTITY_INFORMATION], keys >> 1 & 1);
            ck_assert_uint_eq(want.given[BL_SMP_IDENTITY_ADDRESS], keys >> 1 & 1);
            ck_assert_uint_eq(want.given[BL_SMP_SIGNING_INFORMATION], keys >> 2 & 1);
            pair_deinit(&w);
        }
}
END_TEST

START_TEST(a_side_that_does_not_bond_gives_and_takes_no_keys)
{
    for (enum pair_way way = 0; way < WAYS; way++) {
        struct pair w;

        pair_init_way(&w, way);
        (_i ? &w.i : &w.r)->params.bond = false;
        pair_start(&w);
        pair_run(&w);
        pair_assert_done(&w);
        ck_assert(!w.i.keys.bonded && !w.r.keys.bonded);
        ck_assert(!w.i.keys.has_peer_irk && !w.r.keys.has_peer_irk);
        ck_assert(!w.i.keys.has_peer_csrk && !w.r.keys.has_peer_csrk);
        ck_assert(way >= WAY_SC_JUST_WORKS || (!w.i.keys.has_peer_ltk && !w.r.keys.has_peer_ltk));
        pair_deinit(&w);
    }
}
END_TEST

/* Both say bonding, and no key comes of it to encrypt with the next time. */
START_TEST(without_an_ltk_there_is_no_bond)
{
    struct pair w;

    pair_init_way(&w, WAY_LEGACY_JUST_WORKS);
    w.unplugged = true;
    pair_start(&w);
    pair_run(&w);
    struct bl_pairing *both[] = {w.i.p, w.r.p};
    for (int i = 0; i < 2; i++) { /* as if neither had offered one */
        both[i]->wanted &= (uint8_t)~BL_SMP_DIST_ENC;
        both[i]->to_send &= (uint8_t)~BL_SMP_DIST_ENC;
    }
    w.unplugged = false;
    pair_run(&w);
    pair_assert_done(&w);
    ck_assert(w.i.keys.has_peer_irk && !w.i.keys.has_peer_ltk);
    ck_assert(!w.i.keys.bonded && !w.r.keys.bonded);
    pair_deinit(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pairing/keys");
    TCase *t = tcase_create("keys");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, keys_in_every_order_but_the_right_one, 0, 2);
    tcase_add_loop_test(t, keys_in_their_order_are_taken, 0, 2);
    tcase_add_loop_test(t, a_key_that_was_not_asked_for, 0, 2);
    tcase_add_loop_test(t, identity_address_that_is_no_identity, 0, 2);
    tcase_add_loop_test(t, ltk_all_zero, 0, 2);
    tcase_add_loop_test(t, ltk_all_zero_when_shortened, 0, 2);
    tcase_add_test(t, irk_and_csrk_all_zero);
    tcase_add_test(t, a_responder_that_grants_more_than_was_asked);
    tcase_add_loop_test(t, a_side_gives_what_was_asked_for_and_nothing_else, 0, 2);
    tcase_add_loop_test(t, a_side_that_does_not_bond_gives_and_takes_no_keys, 0, 2);
    tcase_add_test(t, without_an_ltk_there_is_no_bond);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
