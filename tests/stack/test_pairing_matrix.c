/* SPDX-License-Identifier: MIT */

/*
 * Every pair of IO capabilities, with and without protection asked for by each, with every kind of
 * out-of-band data on either side, begun by the central and by the peripheral: on two hosts, each
 * outcome as the specification's tables have it (Core 5.4, Vol 3, Part H, 2.3.5.1, tables 2.6 to
 * 2.8). A is peripheral and responder, B central and initiator.
 */

#include "pair_rig.h"

#include <check.h>

/* What the people at the initiator and the responder do. Rows: the initiator's capability, in the
 * order of the codes; columns: the responder's. */
static const char *const LEGACY[5] = {"-- -- di -- di", "-- -- di -- di", "id id ii -- id",
                                      "-- -- -- -- --", "id id di -- di"};
static const char *const SECURE[5] = {"-- -- di -- di", "-- cc di -- cc", "id id ii -- id",
                                      "-- -- -- -- --", "id cc di -- cc"};

enum told { TOLD_NOTHING, TOLD_A, TOLD_B, TOLD_BOTH, TK_BOTH, TK_B, TK_A, TOLDS };

static const struct {
    bool secure, oob;
} outcomes[TOLDS] = {
    [TOLD_NOTHING] = {true, false},
    [TOLD_A] = {true, true}, /* Secure Connections: what one side has is enough */
    [TOLD_B] = {true, true},
    [TOLD_BOTH] = {true, true},
    [TK_BOTH] = {false, true}, /* legacy: it takes both */
    [TK_B] = {false, false},   /* the initiator, which has nothing but a TK, means legacy */
    [TK_A] = {true, false},
};

static void tell(struct pair_rig *r, size_t from, size_t to)
{
    struct bl_addr addr = stack_addr(r->s, from);
    uint8_t random[16], commitment[16];

    ck_assert_int_eq(bl_oob_get(r->s->end[from].host, random, commitment), 0);
    ck_assert_int_eq(bl_oob_set(r->s->end[to].host, &addr, NULL, random, commitment), 0);
}

static void tell_tk(struct pair_rig *r, size_t to)
{
    static const uint8_t tk[16] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct bl_addr addr = stack_addr(r->s, to == RIG_A ? RIG_B : RIG_A);

    ck_assert_int_eq(bl_oob_set(r->s->end[to].host, &addr, tk, NULL, NULL), 0);
}

static void tell_all(struct pair_rig *r, enum told told)
{
    if (told == TOLD_A || told == TOLD_BOTH)
        tell(r, RIG_B, RIG_A);
    if (told == TOLD_B || told == TOLD_BOTH)
        tell(r, RIG_A, RIG_B);
    if (told == TK_A || told == TK_BOTH)
        tell_tk(r, RIG_A);
    if (told == TK_B || told == TK_BOTH)
        tell_tk(r, RIG_B);
}

static unsigned asked_by(char c, enum bl_passkey_action action)
{
    return (c == 'd' && action == BL_PASSKEY_DISPLAY) || (c == 'i' && action == BL_PASSKEY_INPUT) ||
           (c == 'c' && action == BL_PASSKEY_COMPARE);
}

static void assert_asked(const struct pair_rig *r, size_t end, char c)
{
    for (enum bl_passkey_action action = BL_PASSKEY_NONE; action <= BL_PASSKEY_COMPARE; action++)
        ck_assert_uint_eq(r->person[end].asked[action], asked_by(c, action));
}

static void pair_once(uint8_t a, uint8_t b, unsigned mitm, enum told told, size_t who)
{
    const struct bl_air_config config = bl_air_config_default();
    struct pair_rig *r = pair_new(a * 5u + b + 1, 2, &config);

    pair_io(r, RIG_A, a, mitm & 1);
    pair_io(r, RIG_B, b, mitm & 2);
    tell_all(r, told);
    pair_connect(r);
    struct bl_event e = pair_up(r, who, NULL);
    ck_assert_msg(e.done.status == BL_OK, "B %u, A %u, mitm %u, told %d: 0x%03x", b, a, mitm, told,
                  e.done.status);
    struct bl_security security = pair_security(r, RIG_A), other = pair_security(r, RIG_B);
    ck_assert_int_eq(security.authenticated, other.authenticated);
    const char *cell = (outcomes[told].secure ? SECURE : LEGACY)[b] + 3 * a;
    if (outcomes[told].oob || !mitm)
        cell = "--";
    ck_assert(security.bonded && security.key_size == 16);
    ck_assert_msg(security.secure_connections == outcomes[told].secure, "B %u, A %u, told %d", b, a,
                  told);
    ck_assert_msg(security.authenticated == (outcomes[told].oob || cell[0] != '-'),
                  "B %u, A %u, mitm %u, told %d", b, a, mitm, told);
    assert_asked(r, RIG_B, cell[0]);
    assert_asked(r, RIG_A, cell[1]);
    pair_free(r);
}

START_TEST(every_outcome_is_the_one_of_the_tables)
{
    enum told told = (enum told)(_i % TOLDS);
    size_t who = _i / TOLDS ? RIG_A : RIG_B;

    for (uint8_t a = 0; a < 5; a++)
        for (uint8_t b = 0; b < 5; b++)
            for (unsigned mitm = 0; mitm < 4; mitm++)
                pair_once(a, b, mitm, told, who);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stack/pairing_matrix");
    TCase *t = tcase_create("matrix");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, every_outcome_is_the_one_of_the_tables, 0, 2 * TOLDS);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
