/* SPDX-License-Identifier: MIT */

#include "pair.h"

#include "crypto/p256.h"
#include "crypto/toolbox.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* Core 5.4, Vol 3, Part H, 2.3.5.1, table 2.8: what the people at the initiator and the responder
 * do. Rows: the initiator's capability, in the order of the codes; columns: the responder's. */
static const char *const LEGACY[5] = {"-- -- di -- di", "-- -- di -- di", "id id ii -- id",
                                      "-- -- -- -- --", "id id di -- di"};
static const char *const SECURE[5] = {"-- -- di -- di", "-- cc di -- cc", "id id ii -- id",
                                      "-- -- -- -- --", "id cc di -- cc"};

static enum bl_smp_user user(char c)
{
    return c == 'd'   ? BL_SMP_USER_DISPLAY
           : c == 'i' ? BL_SMP_USER_INPUT
           : c == 'c' ? BL_SMP_USER_COMPARE
                      : BL_SMP_USER_NOTHING;
}

START_TEST(every_pair_of_capabilities_ends_as_the_table_says)
{
    for (unsigned bits = 0; bits < 16; bits++)
        for (unsigned i = 0; i < 5; i++)
            for (unsigned r = 0; r < 5; r++) {
                struct pair w;
                bool i_sc = bits & 1, r_sc = bits & 2, i_mitm = bits & 4, r_mitm = bits & 8;
                bool sc = i_sc && r_sc;
                const char *cell = (sc ? SECURE : LEGACY)[i] + 3 * r;
                if (!i_mitm && !r_mitm)
                    cell = "--";

                pair_init(&w);
                w.i.params.io = (enum bl_io)i;
                w.r.params.io = (enum bl_io)r;
                w.i.params.secure_connections = i_sc;
                w.r.params.secure_connections = r_sc;
                w.i.params.mitm = i_mitm;
                w.r.params.mitm = r_mitm;
                struct bl_smp_features fi = {.io = (uint8_t)i,
                                             .auth = (uint8_t)(i_sc << 3 | i_mitm << 2)};
                struct bl_smp_features fr = {.io = (uint8_t)r,
                                             .auth = (uint8_t)(r_sc << 3 | r_mitm << 2)};
                struct bl_smp_choice choice;
                bl_smp_choose(&fi, &fr, &choice);
                ck_assert_int_eq(choice.initiator, user(cell[0]));
                ck_assert_int_eq(choice.responder, user(cell[1]));
                pair_start(&w);
                pair_run(&w);
                pair_assert_done(&w);
                ck_assert(w.i.keys.authenticated == (cell[0] != '-'));
                ck_assert(w.i.keys.secure_connections == sc);
                ck_assert(w.i.keys.bonded && w.i.keys.has_peer_irk && w.i.keys.has_peer_csrk);
                ck_assert_uint_eq(w.i.keys.peer_irk[0], 0x22);
                ck_assert_uint_eq(w.r.keys.peer_irk[0], 0x11);
                ck_assert(bl_addr_eq(&w.r.keys.peer_identity, &w.i.params.identity));
                ck_assert(w.i.keys.has_local_ltk && w.i.keys.has_peer_ltk);
                pair_deinit(&w);
            }
}
END_TEST

START_TEST(out_of_band_pairs_by_what_each_was_told)
{
    for (unsigned told = 1; told < 4; told++) { /* 1: the initiator, 2: the responder, 3: both */
        struct pair w;
        struct bl_smp_oob i = {0}, r = {0};
        static const uint8_t private_i[32] = {5, 4, 3, 2, 1}, private_r[32] = {9, 9, 8};
        struct bl_p256_public public_i, public_r;

        pair_init(&w);
        ck_assert_int_eq(bl_p256_public(private_i, &public_i), 0);
        ck_assert_int_eq(bl_p256_public(private_r, &public_r), 0);
        memcpy(i.local_scalar, private_i, 32);
        memcpy(r.local_scalar, private_r, 32);
        memset(i.local_r, 0xa1, 16);
        memset(r.local_r, 0xb2, 16);
        i.has_local = r.has_local = true;
        if (told & 1) {
            i.has_remote = true;
            memcpy(i.r, r.local_r, 16);
            ck_assert_int_eq(bl_crypto_f4(public_r.x, public_r.x, r.local_r, 0, i.c), 0);
        }
        if (told & 2) {
            r.has_remote = true;
            memcpy(r.r, i.local_r, 16);
            ck_assert_int_eq(bl_crypto_f4(public_i.x, public_i.x, i.local_r, 0, r.c), 0);
        }
        w.i.params.oob = &i;
        w.r.params.oob = &r;
        pair_start(&w);
        pair_run(&w);
        pair_assert_done(&w);
        ck_assert(w.i.keys.authenticated);
        pair_deinit(&w);
    }
}
END_TEST

static void drop_nothing_count(struct pair *w, bool from_initiator, uint8_t *pdu, size_t *n)
{
    unsigned *seen = w->arg;

    (void)from_initiator;
    (void)n;
    if (pdu[0] == BL_SMP_CONFIRM)
        (*seen)++;
}

START_TEST(a_passkey_takes_twenty_rounds_of_both)
{
    struct pair w;
    unsigned seen = 0;

    pair_init(&w);
    w.i.params.io = BL_IO_DISPLAY_ONLY;
    w.r.params.io = BL_IO_KEYBOARD_ONLY;
    w.i.params.mitm = true;
    w.tamper = drop_nothing_count;
    w.arg = &seen;
    pair_start(&w);
    pair_run(&w);
    pair_assert_done(&w);
    ck_assert_uint_eq(seen, 40);
    pair_deinit(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pairing");
    TCase *t = tcase_create("pairing");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, every_pair_of_capabilities_ends_as_the_table_says);
    tcase_add_test(t, out_of_band_pairs_by_what_each_was_told);
    tcase_add_test(t, a_passkey_takes_twenty_rounds_of_both);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
