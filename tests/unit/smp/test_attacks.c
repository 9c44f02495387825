/* SPDX-License-Identifier: MIT */

/*
 * Attacks on a pairing, each by its name: by somebody in the middle who changes what is said, or by
 * a peer that is the attacker. In the first case neither side may end with keys, in the second not
 * the one that is attacked.
 */

#include "pair.h"

#include "crypto/p256.h"
#include "crypto/toolbox.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define SMP(reason) ((bl_status)(BL_STATUS_SMP + BL_SMP_##reason))

/* ---- somebody in the middle ---- */

struct change {
    bool of_initiator; /* whose PDU */
    uint8_t code;
    size_t at, n;             /* what becomes of it: n octets of `to` from `at` */
    uint8_t to[BL_SMP_MTU];   /* the code is octet 0 */
    uint8_t with;             /* or these bits of octet `at` turned */
    unsigned changed;         /* so many so far */
    uint8_t seen[BL_SMP_MTU]; /* the initiator's last PDU of that code */
};

static void change_one(struct pair *w, bool from_initiator, uint8_t *pdu, size_t *n)
{
    struct change *c = w->arg;

    if (from_initiator != c->of_initiator || pdu[0] != c->code)
        return;
    ck_assert_uint_le(c->at + c->n, *n);
    memcpy(pdu + c->at, c->to, c->n);
    pdu[c->at] ^= c->with;
    c->changed++;
}

static void run_changed(struct pair *w, struct change *c)
{
    w->tamper = change_one;
    w->arg = c;
    pair_start(w);
    pair_run(w);
    ck_assert_uint_gt(c->changed, 0);
}

static struct change set_octet(bool of_initiator, uint8_t code, size_t at, uint8_t to)
{
    return (struct change){
        .of_initiator = of_initiator, .code = code, .at = at, .n = 1, .to = {to}};
}

/* Octets of Pairing Request and Response */
enum { IO = 1, OOB, AUTH, KEY_SIZE, INITIATOR_KEYS, RESPONDER_KEYS };

static uint8_t features_code(bool of_initiator)
{
    return of_initiator ? BL_SMP_PAIRING_REQUEST : BL_SMP_PAIRING_RESPONSE;
}

/* The feature octet of one side is another one on its way: fails for that reason on both sides. */
static void expect_of_feature(enum pair_way way, bool of_initiator, size_t at, uint8_t to,
                              bl_status status)
{
    struct change c = set_octet(of_initiator, features_code(of_initiator), at, to);
    struct pair w;

    pair_init_way(&w, way);
    run_changed(&w, &c);
    ck_assert(!w.i.done && !w.r.done);
    ck_assert_msg(w.i.failed && w.i.status == status, "octet %zu is %u: 0x%x", at, to, w.i.status);
    ck_assert(!w.r.p || (w.r.failed && w.r.status == status));
    pair_deinit(&w);
}

/* ---- public keys ---- */

static void expect_of_public_key(bool of_initiator, const uint8_t key[static 64])
{
    struct change c = {.of_initiator = of_initiator, .code = BL_SMP_PUBLIC_KEY, .at = 1, .n = 64};
    struct pair w;

    memcpy(c.to, key, 64);
    pair_init_way(&w, WAY_SC_JUST_WORKS);
    run_changed(&w, &c);
    pair_assert_failed(&w, SMP(INVALID_PARAMETERS));
    pair_deinit(&w);
}

/* The prime of the curve, least significant octet first */
static const uint8_t PRIME[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                  0xff, 0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
                                  0,    0,    1,    0,    0,    0,    0xff, 0xff, 0xff, 0xff};

/* y becomes p - y */
static void negate(uint8_t y[static 32])
{
    int borrow = 0;

    for (size_t i = 0; i < 32; i++) {
        int d = PRIME[i] - y[i] - borrow;
        borrow = d < 0;
        y[i] = (uint8_t)d;
    }
    ck_assert_int_eq(borrow, 0);
}

static void some_public_key(uint8_t key[static 64])
{
    static const uint8_t scalar[32] = {1, 2, 3, 4, 5};
    struct bl_p256_public public;

    ck_assert_int_eq(bl_p256_public(scalar, &public), 0);
    memcpy(key, public.x, 32);
    memcpy(key + 32, public.y, 32);
}

START_TEST(invalid_curve_point_off_the_curve)
{
    uint8_t key[64];

    some_public_key(key);
    for (size_t bit = 0; bit < 512; bit += 37) {
        key[bit / 8] ^= (uint8_t)(1u << bit % 8);
        expect_of_public_key(_i, key);
        key[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
END_TEST

START_TEST(invalid_curve_point_zero)
{
    uint8_t key[64] = {0};

    expect_of_public_key(_i, key);
    some_public_key(key);
    memset(key, 0, 32);
    expect_of_public_key(_i, key);
    some_public_key(key);
    memset(key + 32, 0, 32); /* the twist by which a key was made known: CVE-2018-5383 */
    expect_of_public_key(_i, key);
}
END_TEST

START_TEST(invalid_curve_point_coordinate_over_the_prime)
{
    uint8_t key[64];

    some_public_key(key);
    memset(key, 0xff, 32);
    expect_of_public_key(_i, key);
    some_public_key(key);
    memset(key + 32, 0xff, 32);
    expect_of_public_key(_i, key);
    /* x = 0 is on the curve; so is the same as p, for whoever reduces it */
    some_public_key(key);
    memcpy(key, PRIME, 32);
    expect_of_public_key(_i, key);
}
END_TEST

/* The specification's debug key: everybody knows the scalar. */
static const uint8_t DEBUG_SCALAR[32] = {
    0xbd, 0x1a, 0x3c, 0xcd, 0xa6, 0xb8, 0x99, 0x58, 0x99, 0xb7, 0x40, 0xeb, 0x7b, 0x60, 0xff, 0x4a,
    0x50, 0x3f, 0x10, 0xd2, 0xe3, 0xb3, 0xc9, 0x74, 0x38, 0x5f, 0xc5, 0xa3, 0xd4, 0xf6, 0x49, 0x3f};

START_TEST(debug_key_with_either_y)
{
    struct bl_p256_public public;
    uint8_t key[64];

    ck_assert_int_eq(bl_p256_public(DEBUG_SCALAR, &public), 0);
    memcpy(key, public.x, 32);
    memcpy(key + 32, public.y, 32);
    expect_of_public_key(_i, key);
    negate(key + 32);
    expect_of_public_key(_i, key);
}
END_TEST

static void reflect(struct pair *w, bool from_initiator, uint8_t *pdu, size_t *n)
{
    struct change *c = w->arg;

    (void)n;
    if (pdu[0] != BL_SMP_PUBLIC_KEY)
        return;
    if (from_initiator) {
        memcpy(c->seen, pdu, sizeof(c->seen));
        return;
    }
    memcpy(pdu, c->seen, sizeof(c->seen));
    if (c->with)
        negate(pdu + 33);
    c->changed++;
}

/* CVE-2020-26558: the victim's own x back, with its y or the opposite one */
START_TEST(reflected_public_key_with_either_y)
{
    struct change c = {.with = (uint8_t)_i};

    for (enum pair_way way = WAY_SC_JUST_WORKS; way < WAYS; way++) {
        struct pair w;

        pair_init_way(&w, way);
        w.tamper = reflect;
        w.arg = &c;
        pair_start(&w);
        pair_run(&w);
        pair_assert_failed(&w, SMP(INVALID_PARAMETERS));
        pair_deinit(&w);
    }
    ck_assert_uint_eq(c.changed, 5);
}
END_TEST

/* The responder's is known beforehand where it was made for out of band. */
START_TEST(reflected_public_key_that_is_known_out_of_band)
{
    struct change c = {.of_initiator = true, .code = BL_SMP_PUBLIC_KEY, .at = 1, .n = 64};
    struct bl_p256_public public;
    struct pair w;

    pair_init_way(&w, WAY_SC_OOB);
    ck_assert_int_eq(bl_p256_public(w.r_oob.local_scalar, &public), 0);
    memcpy(c.to, public.x, 32);
    memcpy(c.to + 32, public.y, 32);
    if (_i)
        negate(c.to + 32);
    run_changed(&w, &c);
    pair_assert_failed(&w, SMP(INVALID_PARAMETERS));
    pair_deinit(&w);
}
END_TEST

/* ---- passkeys ---- */

struct rounds {
    bool of_initiator;
    unsigned n, confirms, randoms;
    uint8_t values[2][40][16]; /* of both: what was committed to, and the commitments */
    bool replay;
};

static void watch_rounds(struct pair *w, bool from_initiator, uint8_t *pdu, size_t *n)
{
    struct rounds *r = w->arg;
    bool confirm = pdu[0] == BL_SMP_CONFIRM;

    (void)n;
    if ((!confirm && pdu[0] != BL_SMP_RANDOM) || from_initiator != r->of_initiator)
        return;
    unsigned *count = confirm ? &r->confirms : &r->randoms;
    if (*count > 0 && r->replay)
        memcpy(pdu + 1, r->values[confirm][0], 16);
    memcpy(r->values[confirm][(*count)++], pdu + 1, 16);
}

/* Bits that are the same have the same commitment, if the nonce is: it must not be. */
START_TEST(passkey_with_reused_bits)
{
    for (enum pair_way way = WAY_SC_DISPLAY; way <= WAY_SC_INPUT; way++) {
        struct rounds rounds = {.of_initiator = _i, .replay = true};
        struct pair w;

        pair_init_way(&w, way);
        w.passkey = 0;
        w.tamper = watch_rounds;
        w.arg = &rounds;
        pair_start(&w);
        pair_run(&w);
        pair_assert_failed(&w, SMP(CONFIRM_VALUE_FAILED));
        ck_assert_uint_eq(rounds.confirms, 2);
        pair_deinit(&w);
    }
}
END_TEST

START_TEST(passkey_bits_are_committed_to_anew_each_time)
{
    struct rounds rounds = {.of_initiator = _i};
    struct pair w;

    for (int again = 0; again < 2; again++) { /* the same passkey, twice */
        pair_init_way(&w, WAY_SC_DISPLAY);
        w.random += (uint32_t)again;
        w.passkey = 0;
        w.tamper = watch_rounds;
        w.arg = &rounds;
        pair_start(&w);
        pair_run(&w);
        pair_assert_done(&w);
        pair_deinit(&w);
    }
    ck_assert_uint_eq(rounds.confirms, 40);
    ck_assert_uint_eq(rounds.randoms, 40);
    for (unsigned kind = 0; kind < 2; kind++)
        for (unsigned i = 0; i < 40; i++)
            for (unsigned j = 0; j < i; j++)
                ck_assert_mem_ne(rounds.values[kind][i], rounds.values[kind][j], 16);
}
END_TEST

/* A guess is found out at its first wrong bit, and nothing is said of the next ones. */
START_TEST(passkey_guessed)
{
    for (unsigned bit = 0; bit < 19; bit++) {
        struct rounds rounds = {.of_initiator = false};
        struct pair w;

        pair_init_way(&w, WAY_SC_DISPLAY);
        w.people = false;
        w.tamper = watch_rounds;
        w.arg = &rounds;
        pair_start(&w);
        pair_run(&w);
        ck_assert(bl_pairing_passkey(w.r.p, w.now, BL_SMP_USER_INPUT, 271828));
        ck_assert(bl_pairing_passkey(w.i.p, w.now, BL_SMP_USER_DISPLAY, 271828 ^ 1u << bit));
        pair_run(&w);
        pair_assert_failed(&w, SMP(CONFIRM_VALUE_FAILED));
        ck_assert_uint_eq(rounds.confirms, bit + 1);
        ck_assert_uint_eq(rounds.randoms,
                          bit); /* the responder's value of that bit stays with it */
        pair_deinit(&w);
    }
}
END_TEST

START_TEST(passkey_of_a_legacy_pairing_guessed)
{
    struct pair w;

    pair_init_way(&w, _i ? WAY_LEGACY_DISPLAY : WAY_LEGACY_INPUT);
    w.people = false;
    pair_start(&w);
    pair_run(&w);
    ck_assert(bl_pairing_passkey(w.r.p, w.now, w.r.asked, 111111));
    ck_assert(bl_pairing_passkey(w.i.p, w.now, w.i.asked, 111112));
    pair_run(&w);
    pair_assert_failed(&w, SMP(CONFIRM_VALUE_FAILED));
    pair_deinit(&w);
}
END_TEST

/* A responder that knows no passkey gives back what it gets: c1 is the same for both. */
static void reflect_legacy(struct pair *w, bool from_initiator, uint8_t *pdu, size_t *n)
{
    struct change *c = w->arg;

    (void)n;
    if (pdu[0] != BL_SMP_CONFIRM && pdu[0] != BL_SMP_RANDOM)
        return;
    if (from_initiator)
        memcpy(c->seen, pdu, 17);
    else
        memcpy(pdu, c->seen, 17);
    c->changed++;
}

START_TEST(reflected_legacy_confirm_and_random)
{
    for (enum pair_way way = WAY_LEGACY_JUST_WORKS; way <= WAY_LEGACY_OOB; way++) {
        struct change c = {0};
        struct pair w;

        pair_init_way(&w, way);
        w.tamper = reflect_legacy;
        w.arg = &c;
        pair_start(&w);
        pair_run(&w);
        ck_assert_uint_eq(c.changed, 4);
        ck_assert(w.i.failed && w.i.status == SMP(CONFIRM_VALUE_FAILED));
        ck_assert(!w.i.done && !w.r.done);
        pair_deinit(&w);
    }
}
END_TEST

/* ---- the DHKey check ---- */

START_TEST(dhkey_check_wrong)
{
    for (enum pair_way way = WAY_SC_JUST_WORKS; way < WAYS; way++)
        for (size_t at = 1; at < 17; at += 5) {
            struct change c = {
                .of_initiator = _i, .code = BL_SMP_DHKEY_CHECK, .at = at, .with = 0x10};
            struct pair w;

            pair_init_way(&w, way);
            run_changed(&w, &c);
            ck_assert_uint_eq(c.changed, 1);
            pair_assert_failed(&w, SMP(DHKEY_CHECK_FAILED));
            pair_deinit(&w);
        }
}
END_TEST

static void drop_checks(struct pair *w, bool from_initiator, uint8_t *pdu, size_t *n)
{
    if (pdu[0] == BL_SMP_DHKEY_CHECK && from_initiator == *(bool *)w->arg)
        *n = 0;
}

START_TEST(dhkey_check_skipped)
{
    static const uint8_t zero[8];

    for (enum pair_way way = WAY_SC_JUST_WORKS; way < WAYS; way++) {
        bool initiators = _i;
        uint8_t key[16];
        struct pair w;

        pair_init_way(&w, way);
        w.tamper = drop_checks;
        w.arg = &initiators;
        w.unplugged = true;
        pair_start(&w);
        pair_run(&w);
        ck_assert(!w.i.has_key); /* without the responder's check nothing is encrypted */
        if (initiators) {        /* nor without the initiator's */
            ck_assert(!bl_pairing_ltk(w.r.p, 0, zero, key));
            bl_pairing_encrypted(w.r.p, w.now, true);
            pair_run(&w);
            ck_assert(!w.r.done);
        }
        pair_deinit(&w);
    }
}
END_TEST

/* The initiator's comes first, and none before the people have compared. */
START_TEST(dhkey_check_out_of_order)
{
    uint8_t check[17] = {BL_SMP_DHKEY_CHECK};
    struct pair w;

    pair_init_way(&w, WAY_SC_COMPARE);
    w.people = false;
    pair_start(&w);
    pair_run(&w);
    bl_pairing_receive(w.i.p, w.now, check, sizeof(check));
    bl_pairing_receive(w.r.p, w.now, check, sizeof(check));
    bl_pairing_receive(w.r.p, w.now, check, sizeof(check)); /* and once */
    pair_run(&w);
    pair_assert_failed(&w, SMP(UNSPECIFIED_REASON));
    pair_deinit(&w);
}
END_TEST

/* ---- every value that was exchanged ---- */

struct flip {
    unsigned at, seen;
    size_t octet, n; /* n: of the PDU that was changed; 0: there are not so many */
    uint8_t code;
};

static void flip_one(struct pair *w, bool from_initiator, uint8_t *pdu, size_t *n)
{
    struct flip *f = w->arg;

    (void)from_initiator;
    if (f->seen++ != f->at)
        return;
    f->n = *n;
    f->code = pdu[0];
    if (f->octet < *n)
        pdu[f->octet] ^= (uint8_t)(1u << f->octet % 8);
}

/* No check of Secure Connections covers which keys will come; nor does any cover typing. */
static bool is_covered(enum pair_way way, const struct flip *f)
{
    if (f->code == BL_SMP_KEYPRESS)
        return false;
    return way < WAY_SC_JUST_WORKS || f->code > BL_SMP_PAIRING_RESPONSE ||
           f->octet < INITIATOR_KEYS;
}

START_TEST(any_bit_changed_on_its_way)
{
    for (enum pair_way way = 0; way < WAYS; way++)
        for (struct flip f = {.octet = 1};;) {
            struct pair w;

            f.seen = 0;
            f.n = 0;
            pair_init_way(&w, way);
            w.tamper = flip_one;
            w.arg = &f;
            w.unplugged = true; /* before the keys, which the link protects */
            pair_start(&w);
            pair_run(&w);
            if (f.n > 0 && is_covered(way, &f))
                ck_assert_msg(!w.i.has_key, "way %d, PDU %u of code %u, octet %zu", way, f.at,
                              f.code, f.octet);
            pair_deinit(&w);
            if (f.n == 0)
                break;
            f.octet += way == WAY_SC_DISPLAY || way == WAY_SC_INPUT ? 7 : 1;
            if (f.octet >= f.n) {
                f.octet = 1 + f.at % 3;
                f.at++;
            }
        }
}
END_TEST

/* ---- features ---- */

START_TEST(key_size_below_the_minimum)
{
    for (enum pair_way way = 0; way < WAYS; way++)
        for (uint8_t size = 0; size < 16; size++)
            expect_of_feature(way, _i, KEY_SIZE, size, SMP(ENCRYPTION_KEY_SIZE));
}
END_TEST

/* 6 is none, whatever minimum is configured. */
START_TEST(key_size_below_seven)
{
    for (enum pair_way way = 0; way < WAYS; way++)
        for (uint8_t min = 0; min <= 7; min += 7) {
            struct pair w;

            pair_init_way(&w, way);
            w.i.params.min_key_size = w.r.params.min_key_size = min;
            (_i ? &w.i : &w.r)->params.max_key_size = 6;
            pair_start(&w);
            pair_run(&w);
            pair_assert_failed(&w, SMP(ENCRYPTION_KEY_SIZE));
            pair_deinit(&w);
        }
}
END_TEST

START_TEST(key_size_over_sixteen)
{
    static const uint8_t sizes[] = {17, 18, 128, 255};

    for (enum pair_way way = 0; way < WAYS; way++)
        for (size_t i = 0; i < sizeof(sizes); i++)
            expect_of_feature(way, _i, KEY_SIZE, sizes[i], SMP(INVALID_PARAMETERS));
}
END_TEST

static unsigned octets_of(const struct bl_ltk *ltk)
{
    unsigned n = 16;

    while (n > 0 && ltk->key[n - 1] == 0)
        n--;
    return n;
}

START_TEST(keys_are_as_long_as_both_can)
{
    for (enum pair_way way = 0; way < WAYS; way++)
        for (uint8_t size = 7; size <= 16; size++) {
            struct pair w;

            pair_init_way(&w, way);
            w.i.params.min_key_size = w.r.params.min_key_size = 7;
            (_i ? &w.i : &w.r)->params.max_key_size = size;
            pair_start(&w);
            pair_run(&w);
            pair_assert_done(&w);
            ck_assert_uint_eq(w.i.keys.key_size, size);
            ck_assert_uint_eq(octets_of(&w.i.keys.local_ltk), size);
            ck_assert_uint_eq(octets_of(&w.i.keys.peer_ltk), size);
            struct bl_ltk link = {.size = size};
            memcpy(link.key, w.i.key, 16);
            ck_assert_uint_eq(octets_of(&link), size); /* the STK too */
            pair_deinit(&w);
        }
}
END_TEST

/* An attacker in the middle takes the bit away from one side, or from both. */
static void hide_sc(struct pair *w, bool from_initiator, uint8_t *pdu, size_t *n)
{
    unsigned whose = *(unsigned *)w->arg;

    (void)n;
    if (pdu[0] <= BL_SMP_PAIRING_RESPONSE && whose & (from_initiator ? 1 : 2))
        pdu[AUTH] &= (uint8_t)~BL_SMP_AUTH_SC;
}

START_TEST(downgrade_from_secure_connections_to_legacy_by_somebody_in_the_middle)
{
    for (enum pair_way way = WAY_SC_JUST_WORKS; way < WAYS; way++)
        for (unsigned whose = 1; whose < 4; whose++) {
            struct pair w;

            pair_init_way(&w, way);
            w.tamper = hide_sc;
            w.arg = &whose;
            pair_start(&w);
            pair_run(&w);
            ck_assert(w.i.failed && w.r.failed && !w.i.done && !w.r.done);
            pair_deinit(&w);
        }
}
END_TEST

START_TEST(downgrade_from_secure_connections_to_legacy_by_the_peer)
{
    for (enum pair_way way = WAY_SC_JUST_WORKS; way < WAY_SC_OOB; way++) {
        struct pair w;

        pair_init_way(&w, way);
        struct pair_side *victim = _i ? &w.i : &w.r, *peer = _i ? &w.r : &w.i;
        victim->params.sc_only = true;
        peer->params.secure_connections = false;
        pair_start(&w);
        pair_run(&w);
        pair_assert_failed(&w, SMP(AUTHENTICATION_REQUIREMENTS));
        ck_assert_uint_eq(victim->sent, _i ? 2 : 1); /* nothing was promised */
        pair_deinit(&w);
    }
}
END_TEST

START_TEST(downgrade_to_just_works_by_somebody_in_the_middle)
{
    static const enum pair_way ways[] = {WAY_LEGACY_DISPLAY, WAY_LEGACY_INPUT, WAY_SC_COMPARE,
                                         WAY_SC_DISPLAY, WAY_SC_INPUT};

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct change c = set_octet(_i, features_code(_i), IO, BL_IO_NONE);
        struct pair w;

        pair_init_way(&w, ways[i]);
        run_changed(&w, &c);
        /* They may wait for one another, each in another kind of pairing. */
        bl_pairing_tick(w.i.p, w.now + BL_SMP_TIMEOUT_US);
        bl_pairing_tick(w.r.p, w.now + BL_SMP_TIMEOUT_US);
        pair_run(&w);
        ck_assert(w.i.failed && w.r.failed && !w.i.done && !w.r.done);
        pair_deinit(&w);
    }
}
END_TEST

START_TEST(downgrade_to_just_works_by_the_peer)
{
    for (enum pair_way way = 0; way < WAYS; way++) {
        struct pair w;

        pair_init_way(&w, way);
        struct pair_side *victim = _i ? &w.i : &w.r, *peer = _i ? &w.r : &w.i;
        victim->params.must_authenticate = true;
        victim->params.io = BL_IO_KEYBOARD_DISPLAY;
        victim->params.oob = NULL;
        peer->params.io = BL_IO_NONE;
        peer->params.oob = NULL;
        pair_start(&w);
        pair_run(&w);
        pair_assert_failed(&w, SMP(AUTHENTICATION_REQUIREMENTS));
        ck_assert_uint_eq(victim->sent, _i ? 2 : 1);
        pair_deinit(&w);
    }
}
END_TEST

START_TEST(reserved_values)
{
    for (enum pair_way way = 0; way < WAYS; way++) {
        for (unsigned io = 5; io < 256; io += 50)
            expect_of_feature(way, _i, IO, (uint8_t)io, SMP(INVALID_PARAMETERS));
        for (unsigned oob = 2; oob < 256; oob += 84)
            expect_of_feature(way, _i, OOB, (uint8_t)oob, SMP(INVALID_PARAMETERS));
        expect_of_feature(way, _i, AUTH, 0x02, SMP(INVALID_PARAMETERS));
        expect_of_feature(way, _i, AUTH, 0x0f, SMP(INVALID_PARAMETERS));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pairing/attacks");
    TCase *t = tcase_create("attacks");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, invalid_curve_point_off_the_curve, 0, 2);
    tcase_add_loop_test(t, invalid_curve_point_zero, 0, 2);
    tcase_add_loop_test(t, invalid_curve_point_coordinate_over_the_prime, 0, 2);
    tcase_add_loop_test(t, debug_key_with_either_y, 0, 2);
    tcase_add_loop_test(t, reflected_public_key_with_either_y, 0, 2);
    tcase_add_loop_test(t, reflected_public_key_that_is_known_out_of_band, 0, 2);
    tcase_add_loop_test(t, passkey_with_reused_bits, 0, 2);
    tcase_add_loop_test(t, passkey_bits_are_committed_to_anew_each_time, 0, 2);
    tcase_add_test(t, passkey_guessed);
    tcase_add_loop_test(t, passkey_of_a_legacy_pairing_guessed, 0, 2);
    tcase_add_test(t, reflected_legacy_confirm_and_random);
    tcase_add_loop_test(t, dhkey_check_wrong, 0, 2);
    tcase_add_loop_test(t, dhkey_check_skipped, 0, 2);
    tcase_add_test(t, dhkey_check_out_of_order);
    tcase_add_test(t, any_bit_changed_on_its_way);
    tcase_add_loop_test(t, key_size_below_the_minimum, 0, 2);
    tcase_add_loop_test(t, key_size_below_seven, 0, 2);
    tcase_add_loop_test(t, key_size_over_sixteen, 0, 2);
    tcase_add_loop_test(t, keys_are_as_long_as_both_can, 0, 2);
    tcase_add_test(t, downgrade_from_secure_connections_to_legacy_by_somebody_in_the_middle);
    tcase_add_loop_test(t, downgrade_from_secure_connections_to_legacy_by_the_peer, 0, 2);
    tcase_add_loop_test(t, downgrade_to_just_works_by_somebody_in_the_middle, 0, 2);
    tcase_add_loop_test(t, downgrade_to_just_works_by_the_peer, 0, 2);
    tcase_add_loop_test(t, reserved_values, 0, 2);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
