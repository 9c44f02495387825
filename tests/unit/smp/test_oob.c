/* SPDX-License-Identifier: MIT */

/* Out of band: what is claimed of it, and what of it is wrong. */

#include "pair.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define SMP(reason) ((bl_status)(BL_STATUS_SMP + BL_SMP_##reason))

/* Whoever was given nothing says that it was: the secret would be zeros. */
START_TEST(out_of_band_claimed_by_the_peer)
{
    for (int victim_has_remote = 0; victim_has_remote < 2; victim_has_remote++) {
        struct pair w;

        pair_init_way(&w, WAY_SC_OOB);
        struct pair_side *victim = _i ? &w.i : &w.r;
        struct bl_smp_oob *its = _i ? &w.i_oob : &w.r_oob, *other = _i ? &w.r_oob : &w.i_oob;
        its->has_local = false;
        memset(other->r, 0, 16);
        if (!victim_has_remote)
            victim->params.oob = NULL;
        pair_start(&w);
        pair_run(&w);
        pair_assert_failed(&w, SMP(OOB_NOT_AVAILABLE));
        pair_deinit(&w);
    }
}
END_TEST

/* What we have is for Secure Connections; the peer has a TK of zeros. */
START_TEST(out_of_band_turned_into_a_legacy_one)
{
    struct pair w;

    pair_init_way(&w, WAY_SC_OOB);
    struct pair_side *peer = _i ? &w.r : &w.i;
    struct bl_smp_oob *its = _i ? &w.r_oob : &w.i_oob;
    *its = (struct bl_smp_oob){.has_tk = true};
    peer->params.secure_connections = false;
    if (!_i) /* as the responder we say what we have when we know what it will be */
        w.r.params.mitm = w.i.params.mitm = true;
    pair_start(&w);
    pair_run(&w);
    ck_assert(!w.i.keys.authenticated && !w.r.keys.authenticated);
    if (_i)
        pair_assert_failed(&w, SMP(OOB_NOT_AVAILABLE));
    pair_deinit(&w);
}
END_TEST

START_TEST(out_of_band_with_another_secret)
{
    for (int legacy = 0; legacy < 2; legacy++) {
        struct pair w;

        pair_init_way(&w, legacy ? WAY_LEGACY_OOB : WAY_SC_OOB);
        struct bl_smp_oob *its = _i ? &w.i_oob : &w.r_oob;
        its->tk[3] ^= 1;
        its->r[3] ^= 1;
        pair_start(&w);
        pair_run(&w);
        pair_assert_failed(&w, SMP(CONFIRM_VALUE_FAILED));
        pair_deinit(&w);
    }
}
END_TEST

/* It claims to have been told, and has the commitment of ours but not the random. */
START_TEST(out_of_band_without_the_peers_random)
{
    struct pair w;

    pair_init_way(&w, WAY_SC_OOB);
    (_i ? &w.i_oob : &w.r_oob)->local_r[0] ^= 1;
    pair_start(&w);
    pair_run(&w);
    ck_assert(w.i.failed && w.r.failed && w.i.status == w.r.status);
    ck_assert_int_eq(w.i.status, SMP(DHKEY_CHECK_FAILED));
    pair_deinit(&w);
}
END_TEST

/* Tables 2.6 and 2.7: of a legacy pairing both sides have to have the data. */
START_TEST(without_data_on_both_sides_a_legacy_pairing_does_not_use_it)
{
    struct pair w;

    pair_init_way(&w, WAY_LEGACY_OOB);
    (_i % 2 ? &w.i : &w.r)->params.oob = NULL;
    if (_i >= 2) { /* then by a passkey, where they can */
        w.i.params.io = BL_IO_DISPLAY_ONLY;
        w.r.params.io = BL_IO_KEYBOARD_ONLY;
    }
    pair_start(&w);
    pair_run(&w);
    pair_assert_done(&w);
    ck_assert(w.i.keys.authenticated == (_i >= 2));
    pair_deinit(&w);
}
END_TEST

/* A TK alone is for a legacy pairing, whatever both can; but not where one must not. */
START_TEST(out_of_band_by_tk_is_legacy_unless_that_is_refused)
{
    struct pair w;

    pair_init_way(&w, WAY_LEGACY_OOB);
    w.i.params.secure_connections = w.r.params.secure_connections = true;
    (_i ? &w.i : &w.r)->params.sc_only = true;
    pair_start(&w);
    pair_run(&w);
    if (_i) { /* the initiator does not speak of its TK, and pairs without */
        pair_assert_done(&w);
        ck_assert(!w.i.keys.authenticated && w.i.keys.secure_connections);
    } else {
        pair_assert_failed(&w, SMP(AUTHENTICATION_REQUIREMENTS));
    }
    pair_deinit(&w);
    pair_init_way(&w, WAY_LEGACY_OOB);
    w.i.params.secure_connections = w.r.params.secure_connections = true;
    pair_start(&w);
    pair_run(&w);
    pair_assert_done(&w);
    ck_assert(w.i.keys.authenticated && !w.i.keys.secure_connections);
    pair_deinit(&w);
}
END_TEST

static void shorten(struct pair *w, bool from_initiator, uint8_t *pdu, size_t *n)
{
    (void)w;
    (void)n;
    if (from_initiator && pdu[0] == BL_SMP_PAIRING_REQUEST)
        pdu[4] = 7;
}

/* A stranger could burn it otherwise, by a request that comes to nothing. */
START_TEST(out_of_band_data_is_used_when_a_key_has_gone_out)
{
    struct bl_pairing_level level;
    struct pair w;

    pair_init_way(&w, WAY_SC_OOB);
    w.tamper = shorten;
    pair_start(&w);
    pair_run(&w);
    ck_assert_uint_eq(w.r.status, SMP(ENCRYPTION_KEY_SIZE));
    bl_pairing_level(w.r.p, &level);
    ck_assert(!level.oob);
    pair_deinit(&w);

    pair_init_way(&w, WAY_SC_OOB);
    pair_start(&w);
    pair_run(&w);
    pair_assert_done(&w);
    bl_pairing_level(w.r.p, &level);
    ck_assert(level.oob);
    bl_pairing_level(w.i.p, &level);
    ck_assert(level.oob);
    pair_deinit(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pairing/oob");
    TCase *t = tcase_create("oob");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, out_of_band_claimed_by_the_peer, 0, 2);
    tcase_add_loop_test(t, out_of_band_turned_into_a_legacy_one, 0, 2);
    tcase_add_loop_test(t, out_of_band_with_another_secret, 0, 2);
    tcase_add_loop_test(t, out_of_band_without_the_peers_random, 0, 2);
    tcase_add_loop_test(t, without_data_on_both_sides_a_legacy_pairing_does_not_use_it, 0, 4);
    tcase_add_loop_test(t, out_of_band_by_tk_is_legacy_unless_that_is_refused, 0, 2);
    tcase_add_test(t, out_of_band_data_is_used_when_a_key_has_gone_out);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
