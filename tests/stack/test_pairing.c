/* SPDX-License-Identifier: MIT */

/* Pairing, bonds and encryption between hosts of the real stack, in virtual time. */

#include "pair_rig.h"

#include <check.h>

static struct pair_rig *r;

static void setup(void)
{
    const struct bl_air_config config = bl_air_config_default();

    r = pair_new(11, 2, &config);
}

static void teardown(void)
{
    pair_free(r);
}

/* ---- the ways of pairing ---- */

START_TEST(just_works_makes_an_unauthenticated_bond)
{
    size_t who = _i ? RIG_B : RIG_A;

    pair_connect(r);
    pair_forget(r);
    struct bl_security security = pair_ok(r, who, NULL);
    ck_assert(security.secure_connections && security.bonded && !security.authenticated);
    ck_assert_uint_eq(security.key_size, 16);
    for (size_t end = 0; end < 2; end++) {
        ck_assert_uint_eq(pair_count(r, end, BL_EV_ENCRYPTED), 1);
        ck_assert_uint_eq(pair_count(r, end, BL_EV_PAIRING_FAILED), 0);
        ck_assert_uint_eq(pair_count(r, end, BL_EV_PASSKEY), 0);
        ck_assert(pair_last(r, end, BL_EV_BOND).bond.added);
        const struct bl_bond *bond = pair_bond(r, end);
        ck_assert_ptr_nonnull(bond);
        ck_assert(bond->has_irk && bond->has_local_ltk && bond->has_peer_ltk);
        ck_assert(bond->has_local_csrk && bond->has_peer_csrk && bond->secure_connections);
        ck_assert(!bond->authenticated);
    }
}
END_TEST

static Suite *pairing_suite(void)
{
    Suite *s = suite_create("stack/pairing");
    TCase *t = tcase_create("pairing");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, just_works_makes_an_unauthenticated_bond, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(pairing_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
