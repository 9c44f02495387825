/* SPDX-License-Identifier: MIT */

/* Pairing, bonds and encryption between hosts of the real stack, in virtual time. */

#include "pair_rig.h"

#include "smp/method.h"
#include "smp/pdu.h"

#include <check.h>
#include <errno.h>
#include <string.h>

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
        ck_assert_uint_eq(pair_count(r, end, BL_EV_BOND), 1);
        ck_assert(pair_last(r, end, BL_EV_BOND).bond.added);
        const struct bl_bond *bond = pair_bond(r, end);
        ck_assert_ptr_nonnull(bond);
        ck_assert(bond->has_irk && bond->has_local_ltk && bond->has_peer_ltk);
        ck_assert(bond->has_local_csrk && bond->has_peer_csrk && bond->secure_connections);
        ck_assert(!bond->authenticated);
    }
}
END_TEST

/* BOND, IDENTITY, ENCRYPTED, and then the command's end. */
START_TEST(what_a_pairing_brings_is_told_in_order)
{
    static const enum bl_event_kind kinds[] = {BL_EV_BOND, BL_EV_IDENTITY, BL_EV_ENCRYPTED,
                                               BL_EV_OP_DONE};

    pair_connect(r);
    pair_forget(r);
    (void)pair_ok(r, RIG_B, NULL);
    const struct stack_end *e = &r->s->end[RIG_B];
    size_t k = 0;
    for (size_t i = 0; i < e->n_events; i++)
        if (k < 4 && e->events[i].kind == kinds[k])
            k++;
    ck_assert_uint_eq(k, 4);
}
END_TEST

static const struct {
    uint8_t a, b; /* IO capabilities: of the peripheral, of the central */
    uint8_t asked_a, asked_b;
} ways[] = {
    {BL_IO_DISPLAY_YES_NO, BL_IO_DISPLAY_YES_NO, BL_PASSKEY_COMPARE, BL_PASSKEY_COMPARE},
    {BL_IO_DISPLAY_ONLY, BL_IO_KEYBOARD_ONLY, BL_PASSKEY_DISPLAY, BL_PASSKEY_INPUT},
    {BL_IO_KEYBOARD_ONLY, BL_IO_DISPLAY_ONLY, BL_PASSKEY_INPUT, BL_PASSKEY_DISPLAY},
    {BL_IO_KEYBOARD_ONLY, BL_IO_KEYBOARD_ONLY, BL_PASSKEY_INPUT, BL_PASSKEY_INPUT},
};

START_TEST(people_make_an_authenticated_bond)
{
    size_t way = (size_t)_i % 4, who = _i < 4 ? RIG_A : RIG_B;

    pair_io(r, RIG_A, ways[way].a, true);
    pair_io(r, RIG_B, ways[way].b, true);
    pair_connect(r);
    struct bl_security security = pair_ok(r, who, NULL);
    ck_assert(security.secure_connections && security.bonded && security.authenticated);
    ck_assert_uint_eq(r->person[RIG_A].asked[ways[way].asked_a], 1);
    ck_assert_uint_eq(r->person[RIG_B].asked[ways[way].asked_b], 1);
    ck_assert(pair_bond(r, RIG_A)->authenticated && pair_bond(r, RIG_B)->authenticated);
}
END_TEST

/* A keyboard says that it is being typed on, and that it was. */
START_TEST(typing_is_told_to_the_one_who_displays)
{
    pair_io(r, RIG_A, BL_IO_DISPLAY_ONLY, true);
    pair_io(r, RIG_B, BL_IO_KEYBOARD_ONLY, true);
    pair_connect(r);
    pair_forget(r);
    (void)pair_ok(r, RIG_B, NULL);
    ck_assert_uint_eq(pair_count(r, RIG_A, BL_EV_KEYPRESS), 2);
    ck_assert_uint_eq(pair_last(r, RIG_A, BL_EV_KEYPRESS).keypress.type, 4);
    ck_assert_uint_eq(pair_count(r, RIG_B, BL_EV_KEYPRESS), 0);
}
END_TEST

START_TEST(digits_are_told_while_they_are_typed)
{
    bl_op op;

    pair_io(r, RIG_A, BL_IO_DISPLAY_ONLY, true);
    pair_io(r, RIG_B, BL_IO_KEYBOARD_ONLY, true);
    r->person[RIG_B].silent = true;
    pair_connect(r);
    pair_forget(r);
    ck_assert_int_eq(
        bl_pair(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], &(struct bl_pair_params){0}, &op),
        0);
    pair_run(r, 1000000);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(bl_keypress(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], 1), 0);
        pair_run(r, 25000000); /* each gives another 30 s */
    }
    ck_assert_int_eq(bl_keypress(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], 5), -ENOENT);
    ck_assert_uint_eq(pair_count(r, RIG_A, BL_EV_KEYPRESS), 7);
    ck_assert_int_eq(
        bl_passkey(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], BL_PASSKEY_INPUT, RIG_PASSKEY),
        0);
    ck_assert_uint_eq(stack_done(r->s, RIG_B, op, 5000000).done.status, BL_OK);
}
END_TEST

START_TEST(another_passkey_pairs_nobody)
{
    pair_io(r, RIG_A, BL_IO_DISPLAY_ONLY, true);
    pair_io(r, RIG_B, BL_IO_KEYBOARD_ONLY, true);
    r->person[RIG_B].passkey = RIG_PASSKEY + 1;
    pair_connect(r);
    pair_forget(r);
    struct bl_event e = pair_up(r, RIG_B, NULL);
    ck_assert_uint_eq(e.done.status, BL_STATUS_SMP + BL_SMP_CONFIRM_VALUE_FAILED);
    for (size_t end = 0; end < 2; end++) {
        ck_assert_uint_eq(pair_last(r, end, BL_EV_PAIRING_FAILED).pairing_failed.status,
                          BL_STATUS_SMP + BL_SMP_CONFIRM_VALUE_FAILED);
        ck_assert_uint_eq(pair_count(r, end, BL_EV_ENCRYPTED), 0);
        ck_assert(!pair_security(r, end).encrypted);
        ck_assert_ptr_null(pair_bond(r, end));
    }
}
END_TEST

START_TEST(numbers_that_differ_pair_nobody)
{
    pair_io(r, RIG_A, BL_IO_DISPLAY_YES_NO, true);
    pair_io(r, RIG_B, BL_IO_DISPLAY_YES_NO, true);
    r->person[_i].says_no = true;
    pair_connect(r);
    struct bl_event e = pair_up(r, RIG_B, NULL);
    ck_assert_uint_eq(e.done.status, BL_STATUS_SMP + BL_SMP_NUMERIC_COMPARISON_FAILED);
}
END_TEST

START_TEST(who_cannot_answer_ends_it_at_once)
{
    uint64_t began;

    pair_io(r, RIG_A, BL_IO_KEYBOARD_ONLY, true);
    pair_io(r, RIG_B, BL_IO_KEYBOARD_ONLY, true);
    r->person[_i].refuses = true;
    pair_connect(r);
    began = r->s->now;
    struct bl_event e = pair_up(r, RIG_B, NULL);
    ck_assert_uint_eq(e.done.status, BL_STATUS_SMP + BL_SMP_PASSKEY_ENTRY_FAILED);
    ck_assert(r->s->now - began < 3000000);
}
END_TEST

static void tell_oob(size_t from, size_t to)
{
    struct bl_addr addr = stack_addr(r->s, from);
    uint8_t random[16], commitment[16];

    ck_assert_int_eq(bl_oob_get(r->s->end[from].host, random, commitment), 0);
    ck_assert_int_eq(bl_oob_set(r->s->end[to].host, &addr, NULL, random, commitment), 0);
}

START_TEST(out_of_band_pairs_by_what_was_told)
{
    if (_i & 1)
        tell_oob(RIG_A, RIG_B);
    if (_i & 2)
        tell_oob(RIG_B, RIG_A);
    pair_connect(r);
    struct bl_security security = pair_ok(r, RIG_B, NULL);
    ck_assert(security.secure_connections && security.authenticated);
    ck_assert_uint_eq(r->person[RIG_A].asked[BL_PASSKEY_COMPARE], 0);
}
END_TEST

START_TEST(out_of_band_data_is_used_once)
{
    tell_oob(RIG_A, RIG_B);
    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    struct bl_addr addr = stack_addr(r->s, RIG_A);
    ck_assert_int_eq(bl_bond_remove(r->s->end[RIG_B].host, r->s->now, &addr), 0);
    pair_run(r, 1000000);
    addr = stack_addr(r->s, RIG_B);
    ck_assert_int_eq(bl_bond_remove(r->s->end[RIG_A].host, r->s->now, &addr), 0);
    pair_connect(r);
    ck_assert(!pair_ok(r, RIG_B, NULL).authenticated);
}
END_TEST

START_TEST(somebody_elses_commitment_pairs_nobody)
{
    uint8_t random[16], commitment[16];
    struct bl_addr addr = stack_addr(r->s, RIG_A);

    ck_assert_int_eq(bl_oob_get(r->s->end[RIG_A].host, random, commitment), 0);
    commitment[3] ^= 1;
    ck_assert_int_eq(bl_oob_set(r->s->end[RIG_B].host, &addr, NULL, random, commitment), 0);
    pair_connect(r);
    struct bl_event e = pair_up(r, RIG_B, NULL);
    ck_assert_uint_eq(e.done.status, BL_STATUS_SMP + BL_SMP_CONFIRM_VALUE_FAILED);
}
END_TEST

START_TEST(out_of_band_arguments_are_checked)
{
    struct bl_host *host = r->s->end[0].host;
    uint8_t key[16] = {1};
    struct bl_addr peer = {ADDR_PUBLIC, {1}};

    ck_assert_int_eq(bl_oob_set(host, &peer, NULL, key, NULL), -EINVAL);
    ck_assert_int_eq(bl_oob_set(host, &peer, NULL, NULL, NULL), 0);
    for (uint8_t i = 0; i < BL_MAX_OOB; i++) {
        peer.b[0] = (uint8_t)(i + 1);
        ck_assert_int_eq(bl_oob_set(host, &peer, key, NULL, NULL), 0);
    }
    peer.b[0] = 99;
    ck_assert_int_eq(bl_oob_set(host, &peer, key, NULL, NULL), -ENOBUFS);
    peer.b[0] = 3;
    ck_assert_int_eq(bl_oob_set(host, &peer, NULL, key, key), 0);
    ck_assert_int_eq(bl_oob_set(host, &peer, NULL, NULL, NULL), 0);
    peer.b[0] = 99;
    ck_assert_int_eq(bl_oob_set(host, &peer, key, NULL, NULL), 0);
}
END_TEST

/* ---- reconnecting ---- */

START_TEST(a_bonded_peer_is_encrypted_without_pairing)
{
    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    pair_disconnect(r, _i ? RIG_A : RIG_B);
    pair_run(r, 1000000); /* what came after the pairing is told of, too */
    pair_forget(r);
    pair_connect(r);
    pair_run(r, 500000);
    for (size_t end = 0; end < 2; end++) {
        struct bl_security security = pair_security(r, end);
        ck_assert(security.encrypted && security.bonded && security.secure_connections);
        ck_assert_uint_eq(security.key_size, 16);
        ck_assert_uint_eq(pair_count(r, end, BL_EV_ENCRYPTED), 1);
        ck_assert_uint_eq(pair_count(r, end, BL_EV_PAIRING_FAILED), 0);
        ck_assert_uint_eq(pair_count(r, end, BL_EV_BOND), 0);
    }
    ck_assert_uint_eq(stack_counter(r->s, RIG_A, "pairings"), 1);
}
END_TEST

START_TEST(pair_on_a_link_that_is_good_enough_ends_at_once)
{
    bl_op op;

    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    for (size_t end = 0; end < 2; end++) {
        ck_assert_int_eq(bl_pair(r->s->end[end].host, r->s->now, r->conn[end],
                                 &(struct bl_pair_params){.security = BL_SECURITY_ENCRYPTED}, &op),
                         0);
        struct bl_event e = stack_done(r->s, end, op, 0);
        ck_assert_uint_eq(e.done.status, BL_OK);
        ck_assert(e.done.security.encrypted && e.done.security.bonded);
    }
    ck_assert_uint_eq(stack_counter(r->s, RIG_A, "pairings"), 1);
}
END_TEST

/* Asked while the stored key is being tried: one encryption, and its outcome for whoever asks. */
START_TEST(pair_joins_the_encryption_that_is_under_way)
{
    bl_op op;

    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    pair_disconnect(r, RIG_B);
    pair_connect(r);
    ck_assert_int_eq(
        bl_pair(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], &(struct bl_pair_params){0}, &op),
        0);
    ck_assert_uint_eq(stack_done(r->s, RIG_B, op, 2000000).done.status, BL_OK);
    ck_assert(pair_security(r, RIG_B).encrypted);
    ck_assert_uint_eq(stack_counter(r->s, RIG_B, "pairings"), 1);
}
END_TEST

static void lose_bond(size_t end)
{
    bl_bond_clear(r->s->end[end].host, r->s->now);
}

START_TEST(a_peer_that_lost_its_key_is_reported_and_not_paired_with)
{
    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    pair_disconnect(r, RIG_B);
    lose_bond(RIG_A);
    pair_forget(r);
    pair_connect(r);
    pair_run(r, 1000000);
    ck_assert_uint_eq(pair_last(r, RIG_B, BL_EV_PAIRING_FAILED).pairing_failed.status, 0x106);
    ck_assert_uint_eq(pair_count(r, RIG_B, BL_EV_ENCRYPTED), 0);
    ck_assert_uint_eq(pair_count(r, RIG_B, BL_EV_DISCONNECTED), 0);
    ck_assert_ptr_nonnull(pair_bond(r, RIG_B));
    ck_assert_ptr_null(pair_bond(r, RIG_A));
    struct bl_event e = pair_up(r, RIG_B, NULL);
    ck_assert_uint_eq(e.done.status, 0x106);
    ck_assert(!pair_security(r, RIG_B).encrypted);
}
END_TEST

START_TEST(a_peer_that_lost_its_key_is_paired_with_where_that_is_wanted)
{
    struct bl_config config = pair_config_of(r, RIG_B);

    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    pair_disconnect(r, RIG_B);
    lose_bond(RIG_A);
    config.pair_again = true;
    pair_config(r, RIG_B, &config);
    pair_connect(r);
    pair_run(r, 2000000);
    ck_assert(pair_security(r, RIG_B).encrypted && pair_security(r, RIG_A).encrypted);
    ck_assert_ptr_nonnull(pair_bond(r, RIG_A));
    ck_assert_uint_eq(stack_counter(r->s, RIG_B, "pairings"), 2);
}
END_TEST

/* The same where the other one pairs: it is refused, and we are told. */
START_TEST(a_central_that_lost_its_key_is_reported_and_refused)
{
    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    pair_disconnect(r, RIG_B);
    lose_bond(RIG_B);
    pair_forget(r);
    pair_connect(r);
    struct bl_event e = pair_up(r, RIG_B, NULL);
    ck_assert_uint_eq(e.done.status, BL_STATUS_SMP + BL_SMP_PAIRING_NOT_SUPPORTED);
    ck_assert_uint_eq(pair_last(r, RIG_A, BL_EV_PAIRING_FAILED).pairing_failed.status, 0x106);
    ck_assert_ptr_nonnull(pair_bond(r, RIG_A));

    struct bl_config config = pair_config_of(r, RIG_A);
    config.pair_again = true;
    pair_config(r, RIG_A, &config);
    (void)pair_ok(r, RIG_B, NULL);
}
END_TEST

START_TEST(a_deleted_bond_ends_its_link)
{
    struct bl_addr addr = stack_addr(r->s, RIG_A);

    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    pair_forget(r);
    ck_assert_int_eq(bl_bond_remove(r->s->end[RIG_B].host, r->s->now, &addr), 0);
    ck_assert_int_eq(bl_bond_remove(r->s->end[RIG_B].host, r->s->now, &addr), -ENOENT);
    pair_run(r, 1000000);
    ck_assert(pair_last(r, RIG_B, BL_EV_BOND).bond.removed);
    ck_assert_uint_eq(pair_count(r, RIG_B, BL_EV_DISCONNECTED), 1);
    ck_assert_uint_eq(pair_last(r, RIG_A, BL_EV_DISCONNECTED).disconnected.reason, 0x05);
    ck_assert_ptr_null(pair_bond(r, RIG_B));
}
END_TEST

/* ---- what is asked for ---- */

START_TEST(secure_connections_or_nothing)
{
    struct bl_config config = pair_config_of(r, RIG_A);

    config.le_secure = true;
    pair_config(r, RIG_A, &config);
    pair_connect(r);
    ck_assert(pair_ok(r, RIG_B, NULL).secure_connections);
}
END_TEST

START_TEST(a_level_that_cannot_be_had_is_refused)
{
    const struct bl_pair_params want = {.security = (uint8_t)_i};

    pair_connect(r);
    struct bl_event e = pair_up(r, RIG_B, &want);
    ck_assert_uint_eq(e.done.status, BL_STATUS_SMP + BL_SMP_AUTHENTICATION_REQUIREMENTS);
    ck_assert(!pair_security(r, RIG_B).encrypted);
}
END_TEST

START_TEST(a_link_is_raised_to_what_is_asked_for)
{
    const struct bl_pair_params want = {.security = BL_SECURITY_SC};

    pair_connect(r);
    ck_assert(!pair_ok(r, RIG_B, NULL).authenticated);
    pair_io(r, RIG_A, BL_IO_DISPLAY_YES_NO, true);
    pair_io(r, RIG_B, BL_IO_DISPLAY_YES_NO, true);
    ck_assert(pair_ok(r, _i ? RIG_A : RIG_B, &want).authenticated);
    ck_assert(pair_bond(r, RIG_A)->authenticated);
}
END_TEST

/* And never lowered: the bond stays, and so does the link. */
START_TEST(a_link_is_not_lowered)
{
    const struct bl_pair_params want = {.has_io = true, .io = BL_IO_NONE, .has_le_secure = true};

    pair_io(r, RIG_A, BL_IO_DISPLAY_YES_NO, true);
    pair_io(r, RIG_B, BL_IO_DISPLAY_YES_NO, true);
    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    pair_forget(r);
    /* it would have to be another level before a pairing is begun at all */
    ck_assert_uint_eq(pair_up(r, RIG_B, &want).done.status, BL_OK);
    ck_assert_uint_eq(pair_count(r, RIG_B, BL_EV_ENCRYPTED), 0);
    ck_assert(pair_security(r, RIG_B).authenticated);
}
END_TEST

START_TEST(nobody_pairs_with_who_is_not_pairable)
{
    struct bl_config config = pair_config_of(r, RIG_A);

    config.pairable = false;
    pair_config(r, RIG_A, &config);
    pair_connect(r);
    struct bl_event e = pair_up(r, RIG_B, NULL);
    ck_assert_uint_eq(e.done.status, BL_STATUS_SMP + BL_SMP_PAIRING_NOT_SUPPORTED);
    (void)pair_ok(r, RIG_A, NULL); /* but it may itself */
}
END_TEST

START_TEST(a_central_that_is_not_pairable_says_so)
{
    struct bl_config config = pair_config_of(r, RIG_B);

    config.pairable = false;
    pair_config(r, RIG_B, &config);
    pair_connect(r);
    struct bl_event e = pair_up(r, RIG_A, NULL);
    ck_assert_uint_eq(e.done.status, BL_STATUS_SMP + BL_SMP_PAIRING_NOT_SUPPORTED);
}
END_TEST

START_TEST(without_bonding_nothing_is_kept)
{
    const struct bl_pair_params want = {.has_bond = true};

    pair_connect(r);
    struct bl_security security = pair_ok(r, _i ? RIG_A : RIG_B, &want);
    ck_assert(security.encrypted && !security.bonded);
    ck_assert_ptr_null(pair_bond(r, RIG_A));
    ck_assert_ptr_null(pair_bond(r, RIG_B));
    ck_assert_uint_eq(pair_count(r, RIG_A, BL_EV_BOND), 0);
}
END_TEST

START_TEST(arguments_are_checked)
{
    struct bl_host *host = r->s->end[RIG_B].host;
    bl_op op;

    pair_connect(r);
    for (unsigned level = 0; level < 8; level++) {
        const struct bl_pair_params p = {.security = (uint8_t)level};
        if (level == BL_SECURITY_NONE || level > BL_SECURITY_SC)
            ck_assert_int_eq(bl_pair(host, r->s->now, r->conn[RIG_B], &p, &op), -EINVAL);
    }
    const struct bl_pair_params io = {.has_io = true, .io = 5};
    ck_assert_int_eq(bl_pair(host, r->s->now, r->conn[RIG_B], &io, &op), -EINVAL);
    ck_assert_int_eq(bl_pair(host, r->s->now, 77, &(struct bl_pair_params){0}, &op), -ENOTCONN);
    ck_assert_int_eq(bl_passkey(host, r->s->now, 77, BL_PASSKEY_INPUT, 1), -ENOTCONN);
    ck_assert_int_eq(bl_passkey(host, r->s->now, r->conn[RIG_B], BL_PASSKEY_INPUT, 1), -ENOENT);
    ck_assert_int_eq(bl_passkey_refuse(host, r->s->now, r->conn[RIG_B]), -ENOENT);
    ck_assert_int_eq(bl_keypress(host, r->s->now, r->conn[RIG_B], 1), -ENOENT);
    struct bl_config config = pair_config_of(r, RIG_B);
    config.io = 5;
    ck_assert_int_eq(bl_host_set_config(host, r->s->now, &config), -EINVAL);
    config.io = 0;
    config.min_key_size = 6;
    ck_assert_int_eq(bl_host_set_config(host, r->s->now, &config), -EINVAL);
    config.min_key_size = 17;
    ck_assert_int_eq(bl_host_set_config(host, r->s->now, &config), -EINVAL);
}
END_TEST

START_TEST(an_answer_has_to_be_to_the_question)
{
    struct bl_host *host = r->s->end[RIG_B].host;
    uint16_t conn;
    bl_op op, second;

    pair_io(r, RIG_A, BL_IO_DISPLAY_ONLY, true);
    pair_io(r, RIG_B, BL_IO_KEYBOARD_ONLY, true);
    r->person[RIG_B].silent = true;
    pair_connect(r);
    conn = r->conn[RIG_B];
    ck_assert_int_eq(bl_pair(host, r->s->now, conn, &(struct bl_pair_params){0}, &op), 0);
    ck_assert_int_eq(bl_pair(host, r->s->now, conn, &(struct bl_pair_params){0}, &second), -EBUSY);
    pair_run(r, 1000000);
    ck_assert_int_eq(bl_passkey(host, r->s->now, conn, BL_PASSKEY_DISPLAY, 1), -ENOENT);
    ck_assert_int_eq(bl_passkey(host, r->s->now, conn, BL_PASSKEY_COMPARE, 1), -ENOENT);
    ck_assert_int_eq(bl_passkey(host, r->s->now, conn, BL_PASSKEY_NONE, 1), -ENOENT);
    ck_assert_int_eq(bl_passkey(host, r->s->now, conn, BL_PASSKEY_INPUT, 1000000), -EINVAL);
    ck_assert_int_eq(bl_passkey(host, r->s->now, conn, BL_PASSKEY_INPUT, RIG_PASSKEY), 0);
    ck_assert_int_eq(bl_passkey(host, r->s->now, conn, BL_PASSKEY_INPUT, RIG_PASSKEY), -ENOENT);
    ck_assert_uint_eq(stack_done(r->s, RIG_B, op, 5000000).done.status, BL_OK);
}
END_TEST

/* The peer was faster: its pairing is what was asked for. */
START_TEST(a_pairing_of_the_peers_is_ours_too)
{
    const struct bl_pair_params want = {.security = BL_SECURITY_AUTHENTICATED};
    bl_op op, mine;

    pair_io(r, RIG_A, BL_IO_DISPLAY_ONLY, true);
    pair_io(r, RIG_B, BL_IO_KEYBOARD_ONLY, true);
    r->person[RIG_B].silent = true;
    pair_connect(r);
    ck_assert_int_eq(
        bl_pair(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], &(struct bl_pair_params){0}, &op),
        0);
    pair_run(r, 1000000);
    ck_assert_int_eq(bl_pair(r->s->end[RIG_A].host, r->s->now, r->conn[RIG_A], &want, &mine), 0);
    ck_assert_int_eq(
        bl_passkey(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], BL_PASSKEY_INPUT, RIG_PASSKEY),
        0);
    ck_assert_uint_eq(stack_done(r->s, RIG_B, op, 5000000).done.status, BL_OK);
    struct bl_event e = stack_done(r->s, RIG_A, mine, 5000000);
    ck_assert_uint_eq(e.done.status, BL_OK);
    ck_assert(e.done.security.authenticated);
}
END_TEST

/* ---- ends ---- */

START_TEST(a_person_who_does_not_answer_costs_30_s)
{
    pair_io(r, RIG_A, BL_IO_DISPLAY_ONLY, true);
    pair_io(r, RIG_B, BL_IO_KEYBOARD_ONLY, true);
    r->person[RIG_B].silent = true;
    pair_connect(r);
    pair_forget(r);
    uint64_t began = r->s->now;
    struct bl_event e = pair_up(r, RIG_B, NULL);
    ck_assert_uint_eq(e.done.status, BL_TIMEOUT);
    ck_assert(r->s->now - began >= 30000000 && r->s->now - began < 32000000);
    ck_assert_uint_eq(pair_last(r, RIG_A, BL_EV_PAIRING_FAILED).pairing_failed.status, BL_TIMEOUT);
    /* Core 5.4, Vol 3, Part H, 3.4: not on this link any more */
    bl_op op;
    ck_assert_int_eq(
        bl_pair(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], &(struct bl_pair_params){0}, &op),
        -EOPNOTSUPP);
    pair_disconnect(r, RIG_B);
    r->person[RIG_B].silent = false;
    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
}
END_TEST

START_TEST(a_link_that_ends_ends_its_pairing)
{
    bl_op op, gone;

    pair_io(r, RIG_A, BL_IO_DISPLAY_ONLY, true);
    pair_io(r, RIG_B, BL_IO_KEYBOARD_ONLY, true);
    r->person[RIG_B].silent = true;
    pair_connect(r);
    pair_forget(r);
    ck_assert_int_eq(
        bl_pair(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], &(struct bl_pair_params){0}, &op),
        0);
    pair_run(r, 1000000);
    ck_assert_int_eq(bl_disconnect(r->s->end[RIG_A].host, r->s->now, r->conn[RIG_A], 0, &gone), 0);
    ck_assert_uint_eq(stack_done(r->s, RIG_B, op, 5000000).done.status, 0x113);
    pair_run(r, 1000000);
    for (size_t end = 0; end < 2; end++) {
        bool failed = false, ended = false;
        const struct stack_end *e = &r->s->end[end];
        for (size_t i = 0; i < e->n_events; i++) {
            ck_assert(!(e->events[i].kind == BL_EV_PAIRING_FAILED && ended));
            failed |= e->events[i].kind == BL_EV_PAIRING_FAILED;
            ended |= e->events[i].kind == BL_EV_DISCONNECTED;
        }
        ck_assert(failed && ended);
    }
}
END_TEST

/* A controller that vanishes after so many packets, at every one of them. */
START_TEST(a_controller_that_dies_ends_the_pairing)
{
    size_t who = _i % 2 ? RIG_A : RIG_B;
    bl_op op;

    pair_io(r, RIG_A, BL_IO_DISPLAY_YES_NO, true);
    pair_io(r, RIG_B, BL_IO_DISPLAY_YES_NO, true);
    pair_connect(r);
    pair_forget(r);
    r->s->end[who].die_after = r->s->end[who].packets_in + (uint64_t)(_i / 2) + 1;
    ck_assert_int_eq(
        bl_pair(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], &(struct bl_pair_params){0}, &op),
        0);
    pair_run(r, 40000000);
    (void)stack_done(r->s, RIG_B, op, 0);
    for (size_t end = 0; end < 2; end++) {
        unsigned ends =
            pair_count(r, end, BL_EV_ENCRYPTED) + pair_count(r, end, BL_EV_PAIRING_FAILED);
        if (end == RIG_B || ends)
            ck_assert_uint_eq(ends, 1);
        ck_assert_uint_eq(stack_counter(r->s, end, "procedures-open"), 0);
    }
}
END_TEST

START_TEST(shutdown_ends_a_pairing_in_order)
{
    static const enum bl_event_kind kinds[] = {BL_EV_PAIRING_FAILED, BL_EV_OP_DONE,
                                               BL_EV_DISCONNECTED, BL_EV_OP_DONE};
    bl_op op[2], down;
    size_t k = 0;

    pair_io(r, RIG_A, BL_IO_DISPLAY_ONLY, true);
    pair_io(r, RIG_B, BL_IO_KEYBOARD_ONLY, true);
    r->person[RIG_B].silent = true;
    pair_connect(r);
    pair_forget(r);
    ck_assert_int_eq(bl_pair(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B],
                             &(struct bl_pair_params){0}, &op[0]),
                     0);
    pair_run(r, 1000000);
    if (_i) {
        ck_assert_int_eq(bl_host_shutdown(r->s->end[RIG_B].host, r->s->now, &down), 0);
    } else {
        bl_host_stop(r->s->end[RIG_B].host, r->s->now);
    }
    pair_run(r, 3000000);
    const struct stack_end *e = &r->s->end[RIG_B];
    for (size_t i = 0; i < e->n_events; i++)
        if (k < 4 && e->events[i].kind == kinds[k])
            k++;
    ck_assert_uint_ge(k, _i ? 4 : 3);
    ck_assert(!pair_security(r, RIG_B).encrypted);
    ck_assert_int_eq(bl_pair(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B],
                             &(struct bl_pair_params){0}, &op[1]),
                     -ENETDOWN);
}
END_TEST

/* Bonds are the host's, not the controller's. */
START_TEST(bonds_outlive_the_controller)
{
    bl_op op;

    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    for (size_t end = 0; end < 2; end++) {
        bl_host_stop(r->s->end[end].host, r->s->now);
        ck_assert_int_eq(bl_host_start(r->s->end[end].host, r->s->now, &op), 0);
        ck_assert_uint_eq(stack_done(r->s, end, op, 1000000).done.status, BL_OK);
    }
    pair_forget(r);
    pair_connect(r);
    pair_run(r, 500000);
    ck_assert(pair_security(r, RIG_A).bonded && pair_security(r, RIG_B).bonded);
}
END_TEST

/* ---- several at once ---- */

static void central_pairs_with(size_t end, uint16_t *ret_conn, bl_op *ret_op)
{
    uint16_t theirs;

    stack_connect(r->s, end, RIG_A, &theirs, ret_conn);
    ck_assert_int_eq(
        bl_pair(r->s->end[RIG_A].host, r->s->now, *ret_conn, &(struct bl_pair_params){0}, ret_op),
        0);
}

START_TEST(several_links_pair_at_once)
{
    const struct bl_air_config config = bl_air_config_default();
    uint16_t conn[STACK_HOSTS];
    bl_op op[STACK_HOSTS];

    pair_free(r);
    r = pair_new(5, 4, &config);
    for (size_t i = 0; i < 4; i++)
        pair_io(r, i, BL_IO_DISPLAY_YES_NO, true);
    for (size_t i = 1; i < 4; i++)
        r->person[i].silent = true; /* so that all are under way together */
    for (size_t i = 1; i < 4; i++)
        central_pairs_with(i, &conn[i], &op[i]);
    pair_run(r, 2000000);
    ck_assert_uint_eq(r->person[RIG_A].asked[BL_PASSKEY_COMPARE], 3);
    for (size_t i = 1; i < 4; i++) {
        struct bl_event e = pair_last(r, i, BL_EV_PASSKEY);
        ck_assert_int_eq(
            bl_passkey(r->s->end[i].host, r->s->now, e.passkey.conn, BL_PASSKEY_COMPARE, 1), 0);
    }
    for (size_t i = 1; i < 4; i++) {
        struct bl_event e = stack_done(r->s, RIG_A, op[i], 5000000);
        ck_assert_uint_eq(e.done.status, BL_OK);
        ck_assert(e.done.security.authenticated);
    }
    ck_assert_ptr_nonnull(bl_bond_at(r->s->end[RIG_A].host, 2));
    ck_assert_ptr_null(bl_bond_at(r->s->end[RIG_A].host, 3));
}
END_TEST

/* Each with an address of its own kind: the values of a pairing are over the right ones. */
START_TEST(every_kind_of_address_pairs_and_comes_back)
{
    enum bl_addr_mode a = (enum bl_addr_mode)(_i % 3), b = (enum bl_addr_mode)(_i / 3 % 3);
    bool old = _i >= 9;
    struct bl_air_config config = old ? bl_air_config_v42() : bl_air_config_default();
    struct bl_config mine;

    pair_free(r);
    r = pair_new(3, 2, &config);
    mine = pair_config_of(r, RIG_A);
    mine.addr_mode = a;
    pair_config(r, RIG_A, &mine);
    mine = pair_config_of(r, RIG_B);
    mine.addr_mode = b;
    pair_config(r, RIG_B, &mine);
    pair_run(r, 100000);
    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    for (size_t end = 0; end < 2; end++) {
        struct bl_controller_info other;
        bool is_static = (end == RIG_A ? b : a) == BL_ADDR_MODE_STATIC;
        bl_host_info(r->s->end[1 - end].host, &other);
        const struct bl_bond *bond = bl_bond_at(r->s->end[end].host, 0);
        ck_assert_ptr_nonnull(bond);
        ck_assert(bl_addr_eq(&bond->identity, is_static ? &other.current : &other.identity));
    }
    pair_disconnect(r, RIG_B);
    pair_connect(r);
    pair_run(r, 500000);
    ck_assert(pair_security(r, RIG_A).encrypted && pair_security(r, RIG_B).encrypted);
}
END_TEST

/* Two sets are on the air: the address that counts is that of the one which was answered. */
START_TEST(each_advertising_set_pairs_by_its_own_address)
{
    struct bl_adv_params adv = {.interval_us = 30000,
                                .connectable = true,
                                .scannable = true,
                                .addr_mode = BL_ADDR_MODE_RPA};
    struct bl_connect_params to = {.scan_duration_ms = 5000, .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_host *a = r->s->end[RIG_A].host, *b = r->s->end[RIG_B].host;
    struct bl_scan_params scan = {.duration_ms = 500,
                                  .interval_us = 60000,
                                  .window_us = 60000,
                                  .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_addr seen[2] = {0};
    uint16_t id, which;
    unsigned n = 0;
    bl_op op;

    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(bl_advertise(a, r->s->now, 0, &adv, &id, &op), 0);
        ck_assert_uint_eq(stack_done(r->s, RIG_A, op, 1000000).done.status, BL_OK);
    }
    pair_forget(r);
    ck_assert_int_eq(bl_scan(b, r->s->now, &scan, &which, &op), 0);
    pair_run(r, 1000000);
    for (size_t i = 0; i < r->s->end[RIG_B].n_events; i++) {
        const struct bl_event *e = &r->s->end[RIG_B].events[i];
        if (e->kind == BL_EV_REPORT && n < 2 && !(n == 1 && bl_addr_eq(&seen[0], &e->report.addr)))
            seen[n++] = e->report.addr;
    }
    ck_assert_uint_eq(n, 2);
    to.peer = seen[_i];
    ck_assert_int_eq(bl_connect(b, r->s->now, &to, &id, &op), 0);
    r->conn[RIG_B] = stack_done(r->s, RIG_B, op, 6000000).done.conn;
    r->conn[RIG_A] = stack_wait(r->s, RIG_A, BL_EV_CONNECTED, 1000000).connected.conn;
    (void)pair_ok(r, RIG_B, NULL);
}
END_TEST

/* Data of legacy pairing alone: the peer is a legacy one, whose keys have EDIV and Rand, one each
 * way. */
START_TEST(a_legacy_pairing_comes_back_in_both_roles)
{
    const uint8_t tk[16] = {0x5a, 1, 2, 3};
    struct bl_addr a = stack_addr(r->s, RIG_A), b = stack_addr(r->s, RIG_B);

    ck_assert_int_eq(bl_oob_set(r->s->end[RIG_B].host, &a, tk, NULL, NULL), 0);
    ck_assert_int_eq(bl_oob_set(r->s->end[RIG_A].host, &b, tk, NULL, NULL), 0);
    pair_connect(r);
    struct bl_security security = pair_ok(r, RIG_B, NULL);
    ck_assert(!security.secure_connections && security.authenticated && security.bonded);
    const struct bl_bond *bond = pair_bond(r, RIG_B);
    ck_assert(bond->has_local_ltk && bond->has_peer_ltk && bond->peer_ltk.ediv != 0);
    ck_assert(memcmp(bond->local_ltk.key, bond->peer_ltk.key, 16) != 0);
    pair_disconnect(r, RIG_B);
    pair_connect(r);
    pair_run(r, 500000);
    ck_assert(pair_security(r, RIG_A).authenticated && pair_security(r, RIG_B).authenticated);
    pair_disconnect(r, RIG_B);
    pair_forget(r);
    stack_connect(r->s, RIG_B, RIG_A, &r->conn[RIG_B], &r->conn[RIG_A]); /* the other way round */
    pair_run(r, 500000);
    ck_assert(pair_security(r, RIG_A).authenticated && pair_security(r, RIG_B).authenticated);
    ck_assert_uint_eq(stack_counter(r->s, RIG_A, "pairings"), 1);
}
END_TEST

/* Secure Connections only: what was made without them is no key any more. */
START_TEST(a_legacy_bond_is_not_used_where_only_secure_connections_are)
{
    const uint8_t tk[16] = {0x5a, 1, 2, 3};
    struct bl_addr a = stack_addr(r->s, RIG_A), b = stack_addr(r->s, RIG_B);
    struct bl_config config;

    ck_assert_int_eq(bl_oob_set(r->s->end[RIG_B].host, &a, tk, NULL, NULL), 0);
    ck_assert_int_eq(bl_oob_set(r->s->end[RIG_A].host, &b, tk, NULL, NULL), 0);
    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    pair_disconnect(r, RIG_B);
    config = pair_config_of(r, (size_t)_i);
    config.le_secure = true;
    pair_config(r, (size_t)_i, &config);
    pair_connect(r);
    pair_run(r, 500000);
    ck_assert(!pair_security(r, RIG_A).encrypted && !pair_security(r, RIG_B).encrypted);
}
END_TEST

/* A wish that the link does not fulfil is not fulfilled by finding it encrypted. */
START_TEST(a_bond_that_is_asked_for_is_made)
{
    const struct bl_pair_params without = {.has_bond = true};
    const struct bl_pair_params with = {.has_bond = true, .bond = true};

    pair_connect(r);
    ck_assert(!pair_ok(r, RIG_B, &without).bonded);
    ck_assert(pair_ok(r, RIG_B, &with).bonded);
    ck_assert_ptr_nonnull(pair_bond(r, RIG_A));
}
END_TEST

/* ---- who is here ---- */

static struct bl_addr identity_shown(size_t end)
{
    struct bl_conn_info info;

    ck_assert_int_eq(bl_conn_info(r->s->end[end].host, r->conn[end], &info), 0);
    return info.identity;
}

static struct bl_bond mine_taken(size_t end)
{
    const struct bl_bond bond = *pair_bond(r, end);

    bl_bond_clear(r->s->end[end].host, r->s->now);
    return bond;
}

/* _i: 0 both have their identity addresses on the air; 1 private ones. Bonded peers are known when
 * the link is up; one whose bond is loaded later is known then, and encrypted with by a central. */
START_TEST(bonded_peers_are_known_at_once_or_when_their_bonds_are)
{
    for (size_t end = 0; end < 2; end++) {
        struct bl_config config = pair_config_of(r, end);
        config.addr_mode = _i ? BL_ADDR_MODE_RPA : BL_ADDR_MODE_PUBLIC;
        memset(config.irk, 0x31 + (int)end, sizeof(config.irk));
        pair_config(r, end, &config);
    }
    pair_connect(r);
    struct bl_addr nobody = identity_shown(RIG_A);
    ck_assert(bl_addr_is_zero(&nobody));
    (void)pair_ok(r, RIG_B, NULL);
    pair_disconnect(r, RIG_B);
    pair_connect(r);
    for (size_t end = 0; end < 2; end++) {
        struct bl_addr shown = identity_shown(end);
        ck_assert(bl_addr_eq(&shown, &bl_bond_at(r->s->end[end].host, 0)->identity));
    }
    pair_run(r, 500000);
    pair_disconnect(r, RIG_B);

    struct bl_bond bond[2] = {mine_taken(RIG_A), mine_taken(RIG_B)};
    pair_connect(r);
    pair_run(r, 500000);
    pair_forget(r);
    for (size_t end = 0; end < 2; end++) {
        struct bl_addr shown = identity_shown(end);
        ck_assert(bl_addr_is_zero(&shown));
        ck_assert(!pair_security(r, end).encrypted);
        ck_assert_int_eq(bl_bond_add(r->s->end[end].host, r->s->now, &bond[end]), 0);
        shown = identity_shown(end);
        ck_assert(bl_addr_eq(&shown, &bond[end].identity));
    }
    pair_run(r, 500000);
    for (size_t end = 0; end < 2; end++) {
        struct bl_event e = pair_last(r, end, BL_EV_IDENTITY);
        ck_assert(bl_addr_eq(&e.identity.identity, &bond[end].identity));
        ck_assert(pair_security(r, end).encrypted && pair_security(r, end).bonded);
    }
}
END_TEST

/* ---- the suite ---- */

static Suite *pairing_suite(void)
{
    Suite *s = suite_create("stack/pairing");
    TCase *t = tcase_create("pairing");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, just_works_makes_an_unauthenticated_bond, 0, 2);
    tcase_add_test(t, what_a_pairing_brings_is_told_in_order);
    tcase_add_loop_test(t, people_make_an_authenticated_bond, 0, 8);
    tcase_add_test(t, typing_is_told_to_the_one_who_displays);
    tcase_add_test(t, digits_are_told_while_they_are_typed);
    tcase_add_test(t, another_passkey_pairs_nobody);
    tcase_add_loop_test(t, numbers_that_differ_pair_nobody, 0, 2);
    tcase_add_loop_test(t, who_cannot_answer_ends_it_at_once, 0, 2);
    tcase_add_loop_test(t, out_of_band_pairs_by_what_was_told, 1, 4);
    tcase_add_test(t, out_of_band_data_is_used_once);
    tcase_add_test(t, somebody_elses_commitment_pairs_nobody);
    tcase_add_test(t, out_of_band_arguments_are_checked);
    tcase_add_loop_test(t, a_bonded_peer_is_encrypted_without_pairing, 0, 2);
    tcase_add_test(t, pair_on_a_link_that_is_good_enough_ends_at_once);
    tcase_add_test(t, pair_joins_the_encryption_that_is_under_way);
    tcase_add_test(t, a_peer_that_lost_its_key_is_reported_and_not_paired_with);
    tcase_add_test(t, a_peer_that_lost_its_key_is_paired_with_where_that_is_wanted);
    tcase_add_test(t, a_central_that_lost_its_key_is_reported_and_refused);
    tcase_add_test(t, a_deleted_bond_ends_its_link);
    tcase_add_test(t, secure_connections_or_nothing);
    tcase_add_loop_test(t, a_level_that_cannot_be_had_is_refused, BL_SECURITY_AUTHENTICATED, 5);
    tcase_add_loop_test(t, a_link_is_raised_to_what_is_asked_for, 0, 2);
    tcase_add_test(t, a_link_is_not_lowered);
    tcase_add_test(t, nobody_pairs_with_who_is_not_pairable);
    tcase_add_test(t, a_central_that_is_not_pairable_says_so);
    tcase_add_loop_test(t, without_bonding_nothing_is_kept, 0, 2);
    tcase_add_test(t, arguments_are_checked);
    tcase_add_test(t, an_answer_has_to_be_to_the_question);
    tcase_add_test(t, a_pairing_of_the_peers_is_ours_too);
    tcase_add_test(t, a_person_who_does_not_answer_costs_30_s);
    tcase_add_test(t, a_link_that_ends_ends_its_pairing);
    tcase_add_loop_test(t, a_controller_that_dies_ends_the_pairing, 0, 80);
    tcase_add_test(t, several_links_pair_at_once);
    tcase_add_loop_test(t, every_kind_of_address_pairs_and_comes_back, 0, 18);
    tcase_add_loop_test(t, each_advertising_set_pairs_by_its_own_address, 0, 2);
    tcase_add_test(t, a_legacy_pairing_comes_back_in_both_roles);
    tcase_add_loop_test(t, a_legacy_bond_is_not_used_where_only_secure_connections_are, 0, 2);
    tcase_add_test(t, a_bond_that_is_asked_for_is_made);
    tcase_add_loop_test(t, shutdown_ends_a_pairing_in_order, 0, 2);
    tcase_add_test(t, bonds_outlive_the_controller);
    tcase_add_loop_test(t, bonded_peers_are_known_at_once_or_when_their_bonds_are, 0, 2);
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
