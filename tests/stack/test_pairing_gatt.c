/* SPDX-License-Identifier: MIT */

/* What pairing opens to clients, and what a bond keeps of them. */

#include "att/att.h"
#include "pair_rig.h"
#include "smp/method.h"

#include <check.h>
#include <errno.h>
#include <string.h>

static struct pair_rig *r;

enum { OPEN, ENCRYPTED, AUTHENTICATED, TOLD, SIGNED, VALUES }; /* characteristics of A */

static uint16_t service, handle[VALUES];

static void add_service(void)
{
    static const uint8_t value[3] = {'a', 'b', 'c'};
    static const uint32_t flags[VALUES] = {
        [OPEN] = BL_GATT_READ | BL_GATT_WRITE,
        [ENCRYPTED] =
            BL_GATT_READ | BL_GATT_WRITE | BL_GATT_READ_ENCRYPTED | BL_GATT_WRITE_ENCRYPTED,
        [AUTHENTICATED] = BL_GATT_READ | BL_GATT_READ_AUTHENTICATED,
        [TOLD] = BL_GATT_READ | BL_GATT_NOTIFY | BL_GATT_READ_ENCRYPTED,
        [SIGNED] = BL_GATT_READ | BL_GATT_SIGNED_WRITE | BL_GATT_WRITE_NO_RESPONSE,
    };
    struct bl_gatts_characteristic c[VALUES] = {0};
    const struct bl_gatts_service def = {
        .uuid = bl_uuid_from16(0xa001), .characteristics = c, .n_characteristics = VALUES};

    for (unsigned i = 0; i < VALUES; i++)
        c[i] = (struct bl_gatts_characteristic){.uuid = bl_uuid_from16((uint16_t)(0xb000 + i)),
                                                .flags = flags[i],
                                                .value = value,
                                                .len = 3,
                                                .max_len = 20};
    ck_assert_int_eq(bl_gatts_add(r->s->end[RIG_A].host, r->s->now, &def, &service, handle), 0);
}

static void setup(void)
{
    const struct bl_air_config config = bl_air_config_default();

    r = pair_new(21, 2, &config);
    add_service();
    pair_run(r, 10000);
}

static void teardown(void)
{
    pair_free(r);
}

static bl_status read_status(unsigned i)
{
    bl_op op;

    ck_assert_int_eq(
        bl_gattc_read(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], handle[i], 0, false, &op),
        0);
    return stack_done(r->s, RIG_B, op, 5000000).done.status;
}

static bl_status subscribe(uint16_t value, uint8_t bits)
{
    bl_op op;

    ck_assert_int_ge(
        bl_gattc_subscribe(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], value, bits, &op), 0);
    return stack_done(r->s, RIG_B, op, 5000000).done.status;
}

static uint8_t subscription(unsigned i)
{
    return bl_gatts_subscription(r->s->end[RIG_A].host, r->conn[RIG_A], handle[i]);
}

/* ---- access ---- */

START_TEST(what_is_protected_is_refused_until_the_link_is_good_enough)
{
    pair_connect(r);
    ck_assert_uint_eq(read_status(OPEN), BL_OK);
    ck_assert_uint_eq(read_status(ENCRYPTED), BL_ATT_INSUFFICIENT_AUTHENTICATION);
    ck_assert_uint_eq(read_status(AUTHENTICATED), BL_ATT_INSUFFICIENT_AUTHENTICATION);
    ck_assert_uint_eq(subscribe(handle[TOLD], 1), BL_ATT_INSUFFICIENT_AUTHENTICATION);
    ck_assert(!pair_ok(r, RIG_B, NULL).authenticated);
    ck_assert_uint_eq(read_status(ENCRYPTED), BL_OK);
    ck_assert_uint_eq(subscribe(handle[TOLD], 1), BL_OK);
    ck_assert_uint_eq(read_status(AUTHENTICATED), BL_ATT_INSUFFICIENT_AUTHENTICATION);
    pair_io(r, RIG_A, BL_IO_DISPLAY_YES_NO, true);
    pair_io(r, RIG_B, BL_IO_DISPLAY_YES_NO, true);
    const struct bl_pair_params more = {.security = BL_SECURITY_AUTHENTICATED};
    ck_assert(pair_ok(r, RIG_B, &more).authenticated);
    ck_assert_uint_eq(read_status(AUTHENTICATED), BL_OK);
}
END_TEST

/* Core 5.4, Vol 3, Part C, 10.3.1: there is a key, and it is not used. */
START_TEST(a_bonded_client_that_does_not_encrypt_is_told_to)
{
    struct bl_bond bond;

    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    bond = *pair_bond(r, RIG_B);
    pair_disconnect(r, RIG_B);
    bond.has_peer_ltk = false; /* B could not encrypt */
    ck_assert_int_eq(bl_bond_add(r->s->end[RIG_B].host, r->s->now, &bond), 0);
    pair_connect(r);
    ck_assert_uint_eq(read_status(OPEN), BL_OK);
    ck_assert_uint_eq(read_status(ENCRYPTED), BL_ATT_INSUFFICIENT_ENCRYPTION);
}
END_TEST

START_TEST(a_short_key_is_too_short_for_what_is_protected)
{
    struct bl_config config = pair_config_of(r, RIG_A);
    struct bl_bond bond[2];

    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    for (size_t end = 0; end < 2; end++) {
        struct bl_config mine = pair_config_of(r, end);
        mine.min_key_size = 7;
        pair_config(r, end, &mine);
        bond[end] = *pair_bond(r, end);
    }
    pair_disconnect(r, RIG_B);
    for (size_t end = 0; end < 2; end++) { /* as a pairing with 7 octets would have made it */
        memset(bond[end].local_ltk.key + 7, 0, 9);
        memset(bond[end].peer_ltk.key + 7, 0, 9);
        bond[end].local_ltk.size = bond[end].peer_ltk.size = 7;
        ck_assert_int_eq(bl_bond_add(r->s->end[end].host, r->s->now, &bond[end]), 0);
    }
    pair_connect(r);
    pair_run(r, 500000);
    ck_assert_uint_eq(pair_security(r, RIG_A).key_size, 7);
    ck_assert_uint_eq(read_status(ENCRYPTED), BL_OK);
    pair_config(r, RIG_A, &config); /* 16 again */
    ck_assert_uint_eq(read_status(ENCRYPTED), BL_ATT_KEY_SIZE_TOO_SHORT);
    pair_disconnect(r, RIG_B);
    pair_connect(r); /* nor is it used any more */
    pair_run(r, 500000);
    ck_assert(!pair_security(r, RIG_A).encrypted);
}
END_TEST

/* ---- what is kept ---- */

START_TEST(subscriptions_come_back_with_encryption)
{
    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    ck_assert_uint_eq(subscribe(handle[TOLD], 1), BL_OK);
    pair_run(r, 2000000);
    ck_assert_uint_eq(pair_bond(r, RIG_A)->n_cccds, 1);
    ck_assert(!pair_last(r, RIG_A, BL_EV_BOND).bond.added);
    pair_disconnect(r, RIG_B);
    ck_assert_uint_eq(pair_bond(r, RIG_A)->n_cccds, 1);
    pair_forget(r);
    pair_connect(r);
    pair_run(r, 500000);
    ck_assert_uint_eq(subscription(TOLD), 1);
    struct bl_event e = pair_last(r, RIG_A, BL_EV_GATTS_SUBSCRIBED);
    ck_assert_uint_eq(e.gatt.handle, handle[TOLD]);
    ck_assert_uint_eq(e.gatt.bits, 1);
    ck_assert_int_eq(bl_gatts_write(r->s->end[RIG_A].host, r->s->now, handle[TOLD],
                                    (const uint8_t[]){9}, 1, true, &(bl_op){0}),
                     1);
    (void)stack_wait(r->s, RIG_B, BL_EV_GATTC_NOTIFIED, 1000000);
    ck_assert_uint_eq(subscribe(handle[TOLD], 0), BL_OK);
    pair_run(r, 2000000);
    ck_assert_uint_eq(pair_bond(r, RIG_A)->n_cccds, 0);
}
END_TEST

START_TEST(subscriptions_do_not_come_back_without_encryption)
{
    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    ck_assert_uint_eq(subscribe(handle[TOLD], 1), BL_OK);
    pair_disconnect(r, RIG_B);
    bl_bond_clear(r->s->end[RIG_B].host, r->s->now); /* somebody with its address, and no key */
    pair_connect(r);
    pair_run(r, 500000);
    ck_assert_uint_eq(subscription(TOLD), 0);
    pair_disconnect(r, RIG_B);
    ck_assert_uint_eq(pair_bond(r, RIG_A)->n_cccds, 1); /* nor does it take them away */
}
END_TEST

START_TEST(subscriptions_to_what_is_gone_are_dropped)
{
    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    ck_assert_uint_eq(subscribe(handle[TOLD], 1), BL_OK);
    pair_disconnect(r, RIG_B);
    ck_assert_int_eq(bl_gatts_remove(r->s->end[RIG_A].host, r->s->now, service), 0);
    pair_run(r, 10000);
    pair_connect(r);
    pair_run(r, 2000000);
    ck_assert_uint_eq(subscription(TOLD), 0);
    ck_assert_uint_eq(pair_bond(r, RIG_A)->n_cccds, 0);
}
END_TEST

static uint16_t builtin_value(uint16_t uuid16)
{
    const struct bl_uuid uuid = bl_uuid_from16(uuid16);
    bl_op op;

    pair_forget(r);
    ck_assert_int_eq(bl_gattc_characteristics(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], 1,
                                              0xffff, &uuid, &op),
                     0);
    ck_assert_uint_eq(stack_done(r->s, RIG_B, op, 5000000).done.status, BL_OK);
    return pair_last(r, RIG_B, BL_EV_GATTC_CHARACTERISTIC).gatt.value_handle;
}

/* A client that was away while the database changed is told when it is back. */
START_TEST(a_change_while_away_is_indicated)
{
    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    uint16_t changed = builtin_value(0x2a05);
    ck_assert_uint_eq(subscribe(changed, 2), BL_OK);
    pair_disconnect(r, RIG_B);
    if (_i) {
        ck_assert_int_eq(bl_gatts_remove(r->s->end[RIG_A].host, r->s->now, service), 0);
        pair_run(r, 10000);
    }
    pair_forget(r);
    pair_connect(r);
    pair_run(r, 2000000);
    /* the client has not discovered on this link: it knows the handle from before */
    ck_assert_uint_eq(pair_count(r, RIG_B, BL_EV_GATTC_INDICATED), _i ? 1u : 0u);
    if (_i)
        ck_assert_uint_eq(pair_last(r, RIG_B, BL_EV_GATTC_INDICATED).gatt.handle, changed);
    pair_disconnect(r, RIG_B);
    pair_forget(r);
    pair_connect(r); /* it knows now */
    pair_run(r, 2000000);
    ck_assert_uint_eq(pair_count(r, RIG_B, BL_EV_GATTC_INDICATED), 0);
}
END_TEST

/* The same with robust caching, for a client that does not listen: Part G, 2.5.2.1. */
START_TEST(a_caching_client_is_out_of_sync_when_it_comes_back)
{
    bl_op op;

    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    uint16_t features = builtin_value(0x2b29);
    ck_assert_int_eq(bl_gattc_write(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], features,
                                    (const uint8_t[]){1}, 1, BL_GATT_WRITE_REQUEST, 0, &op),
                     0);
    ck_assert_uint_eq(stack_done(r->s, RIG_B, op, 5000000).done.status, BL_OK);
    pair_disconnect(r, RIG_B);
    ck_assert_uint_eq(pair_bond(r, RIG_A)->client_features, 1);
    uint16_t another;
    const struct bl_gatts_service more = {.uuid = bl_uuid_from16(0xa002)};
    ck_assert_int_eq(
        bl_gatts_add(r->s->end[RIG_A].host, r->s->now, &more, &another, &(uint16_t){0}), 0);
    pair_run(r, 10000);
    pair_connect(r);
    pair_run(r, 500000);
    ck_assert_uint_eq(read_status(OPEN), BL_ATT_DATABASE_OUT_OF_SYNC);
    ck_assert_uint_eq(read_status(OPEN), BL_OK);
    pair_run(r, 2000000);
    ck_assert(pair_bond(r, RIG_A)->aware);
}
END_TEST

/* What is stored outlives the host: a new one is given it, and goes on. */
START_TEST(a_loaded_bond_is_as_good_as_the_one_that_was_stored)
{
    struct bl_bond bond;

    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    ck_assert_uint_eq(subscribe(handle[TOLD], 1), BL_OK);
    pair_disconnect(r, RIG_B);
    bond = *pair_bond(r, RIG_A);
    bl_bond_clear(r->s->end[RIG_A].host, r->s->now);
    ck_assert_ptr_null(pair_bond(r, RIG_A));
    ck_assert_int_eq(bl_bond_add(r->s->end[RIG_A].host, r->s->now, &bond), 0);
    pair_forget(r);
    pair_connect(r);
    pair_run(r, 500000);
    ck_assert_uint_eq(subscription(TOLD), 1);
    ck_assert(pair_security(r, RIG_A).bonded);
    ck_assert_uint_eq(pair_count(r, RIG_A, BL_EV_BOND), 0); /* nothing is new */
}
END_TEST

/* Pairing anew over the link that the bond encrypts, for more: it is the client that it was. */
START_TEST(subscriptions_stay_when_a_bond_is_made_better)
{
    const struct bl_pair_params more = {.security = BL_SECURITY_AUTHENTICATED};

    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    ck_assert_uint_eq(subscribe(handle[TOLD], 1), BL_OK);
    pair_disconnect(r, RIG_B);
    pair_connect(r);
    pair_run(r, 500000);
    pair_io(r, RIG_A, BL_IO_DISPLAY_YES_NO, true);
    pair_io(r, RIG_B, BL_IO_DISPLAY_YES_NO, true);
    ck_assert(pair_ok(r, RIG_B, &more).authenticated);
    ck_assert_uint_eq(subscription(TOLD), 1);
    ck_assert(pair_bond(r, RIG_A)->authenticated);
    ck_assert_uint_eq(pair_bond(r, RIG_A)->n_cccds, 1);
    pair_disconnect(r, RIG_B);
    pair_connect(r);
    pair_run(r, 500000);
    ck_assert_uint_eq(subscription(TOLD), 1);
}
END_TEST

/* One that has lost its keys has lost what it knew, and may be another one: it begins anew. */
START_TEST(subscriptions_do_not_outlive_lost_keys)
{
    struct bl_config config = pair_config_of(r, RIG_A);

    config.pair_again = true;
    pair_config(r, RIG_A, &config);
    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    ck_assert_uint_eq(subscribe(handle[TOLD], 1), BL_OK);
    pair_disconnect(r, RIG_B);
    bl_bond_clear(r->s->end[RIG_B].host, r->s->now);
    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    ck_assert_uint_eq(subscription(TOLD), 0);
    ck_assert_uint_eq(pair_bond(r, RIG_A)->n_cccds, 0);
    ck_assert_uint_eq(pair_bond(r, RIG_A)->client_features, 0);
}
END_TEST

/* ---- signed writes ---- */

/* Bonded, and unable to encrypt: there signatures have their place. */
static void pair_without_ltks(void)
{
    pair_connect(r);
    (void)pair_ok(r, RIG_B, NULL);
    pair_disconnect(r, RIG_B);
    for (size_t end = 0; end < 2; end++) {
        struct bl_bond bond = *pair_bond(r, end);
        bond.has_local_ltk = bond.has_peer_ltk = false;
        ck_assert_int_eq(bl_bond_add(r->s->end[end].host, r->s->now, &bond), 0);
    }
    pair_connect(r);
    pair_forget(r);
}

static int write_signed(uint8_t octet)
{
    bl_op op;
    int result = bl_gattc_write(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], handle[SIGNED],
                                &octet, 1, BL_GATT_WRITE_SIGNED, 0, &op);

    pair_run(r, 1000000);
    return result;
}

START_TEST(signed_writes_are_made_and_checked)
{
    pair_without_ltks();
    for (uint8_t i = 0; i < 3; i++) {
        ck_assert_int_eq(write_signed(i), 1);
        ck_assert_uint_eq(pair_last(r, RIG_A, BL_EV_GATTS_WRITTEN).gatt.value.data[0], i);
    }
    ck_assert_uint_eq(pair_count(r, RIG_A, BL_EV_GATTS_WRITTEN), 3);
    ck_assert(!pair_security(r, RIG_A).encrypted);
    pair_run(r, 2000000);
    ck_assert_uint_eq(pair_bond(r, RIG_A)->peer_counter, 3);
    ck_assert_uint_ge(pair_bond(r, RIG_B)->local_counter, 3);
    /* the counter goes on where the link has ended, never back */
    pair_disconnect(r, RIG_B);
    pair_connect(r);
    ck_assert_int_eq(write_signed(7), 1);
    ck_assert_uint_eq(pair_count(r, RIG_A, BL_EV_GATTS_WRITTEN), 4);
}
END_TEST

/* The counter that a signature was made with is never good again, on no link. */
START_TEST(replayed_signatures_are_refused)
{
    pair_without_ltks();
    struct bl_bond before = *pair_bond(r, RIG_B);
    ck_assert_int_eq(write_signed(1), 1);
    pair_disconnect(r, RIG_B);
    ck_assert_int_eq(bl_bond_add(r->s->end[RIG_B].host, r->s->now, &before), 0);
    pair_connect(r);
    pair_forget(r);
    ck_assert_int_eq(write_signed(1), 1); /* to the bit what was sent before */
    ck_assert_uint_eq(pair_count(r, RIG_A, BL_EV_GATTS_WRITTEN), 0);
    ck_assert_int_eq(write_signed(2), 1);
    ck_assert_uint_eq(pair_count(r, RIG_A, BL_EV_GATTS_WRITTEN), 1);
}
END_TEST

/* A crash after the last store: what was stored is ahead of what was used. */
START_TEST(a_stored_counter_is_ahead_of_the_signatures)
{
    struct bl_bond stored;

    pair_without_ltks();
    ck_assert_int_eq(write_signed(0), 1);
    ck_assert(!pair_last(r, RIG_B, BL_EV_BOND).bond.added);
    stored = *pair_bond(r, RIG_B);
    pair_forget(r);
    for (uint8_t i = 0; i < 100; i++)
        ck_assert_int_eq(write_signed(i), 1);
    ck_assert_uint_eq(pair_count(r, RIG_B, BL_EV_BOND), 0); /* not a store for each */
    pair_disconnect(r, RIG_B);
    bl_bond_clear(r->s->end[RIG_B].host, r->s->now);
    ck_assert_int_eq(bl_bond_add(r->s->end[RIG_B].host, r->s->now, &stored), 0);
    pair_connect(r);
    pair_forget(r);
    ck_assert_int_eq(write_signed(1), 1);
    ck_assert_uint_eq(pair_count(r, RIG_A, BL_EV_GATTS_WRITTEN), 1);
}
END_TEST

static size_t index_of(size_t end, enum bl_event_kind kind)
{
    const struct stack_end *e = &r->s->end[end];
    size_t i = 0;

    while (i < e->n_events && e->events[i].kind != kind)
        i++;
    ck_assert_uint_lt(i, e->n_events);
    return i;
}

/* A crash right after somebody was told: what is stored by then refuses a replay. */
START_TEST(a_signature_is_stored_before_anybody_is_told_of_it)
{
    pair_without_ltks();
    for (unsigned i = 0; i < 20; i++) {
        const struct bl_bond signer = *pair_bond(r, RIG_B);
        pair_disconnect(r, RIG_B);
        pair_connect(r);
        pair_forget(r);
        ck_assert_int_eq(write_signed(1), 1);
        ck_assert_uint_lt(index_of(RIG_A, BL_EV_BOND), index_of(RIG_A, BL_EV_GATTS_WRITTEN));
        const struct bl_bond stored = *pair_bond(r, RIG_A);
        pair_disconnect(r, RIG_B);
        bl_bond_clear(r->s->end[RIG_A].host, r->s->now); /* it starts again */
        ck_assert_int_eq(bl_bond_add(r->s->end[RIG_A].host, r->s->now, &stored), 0);
        const struct bl_bond goes_on = *pair_bond(r, RIG_B);
        ck_assert_int_eq(bl_bond_add(r->s->end[RIG_B].host, r->s->now, &signer), 0);
        pair_connect(r);
        pair_forget(r);
        ck_assert_int_eq(write_signed(1), 1);
        ck_assert_uint_eq(pair_count(r, RIG_A, BL_EV_GATTS_WRITTEN), 0);
        pair_disconnect(r, RIG_B);
        ck_assert_int_eq(bl_bond_add(r->s->end[RIG_B].host, r->s->now, &goes_on), 0);
        pair_connect(r);
    }
}
END_TEST

/* However many it signs, it is told of the reserve while there is half of it left. */
START_TEST(our_signatures_stay_behind_what_is_stored)
{
    uint32_t stored, before;

    pair_without_ltks();
    stored = pair_bond(r, RIG_B)->local_counter;
    for (unsigned i = 0; i < 600; i++) {
        pair_forget(r);
        before = stored;
        bl_op op;
        ck_assert_int_ge(bl_gattc_write(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B],
                                        handle[SIGNED], &(const uint8_t){1}, 1,
                                        BL_GATT_WRITE_SIGNED, 0, &op),
                         0);
        pair_run(r, 50000);
        if (pair_count(r, RIG_B, BL_EV_BOND) > 0)
            stored = pair_bond(r, RIG_B)->local_counter;
        if (i > 0) /* also by a store that is this slow */
            ck_assert_uint_ge(before, i + 1 + 100);
    }
}
END_TEST

START_TEST(nobody_signs_without_a_key)
{
    pair_connect(r);
    ck_assert_int_eq(write_signed(1), -EOPNOTSUPP);
}
END_TEST

/* ---- the suite ---- */

static Suite *pairing_gatt_suite(void)
{
    Suite *s = suite_create("stack/pairing_gatt");
    TCase *t = tcase_create("pairing_gatt");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, what_is_protected_is_refused_until_the_link_is_good_enough);
    tcase_add_test(t, a_bonded_client_that_does_not_encrypt_is_told_to);
    tcase_add_test(t, a_short_key_is_too_short_for_what_is_protected);
    tcase_add_test(t, subscriptions_come_back_with_encryption);
    tcase_add_test(t, subscriptions_do_not_come_back_without_encryption);
    tcase_add_test(t, subscriptions_to_what_is_gone_are_dropped);
    tcase_add_loop_test(t, a_change_while_away_is_indicated, 0, 2);
    tcase_add_test(t, a_caching_client_is_out_of_sync_when_it_comes_back);
    tcase_add_test(t, a_loaded_bond_is_as_good_as_the_one_that_was_stored);
    tcase_add_test(t, subscriptions_stay_when_a_bond_is_made_better);
    tcase_add_test(t, subscriptions_do_not_outlive_lost_keys);
    tcase_add_test(t, signed_writes_are_made_and_checked);
    tcase_add_test(t, replayed_signatures_are_refused);
    tcase_add_test(t, a_stored_counter_is_ahead_of_the_signatures);
    tcase_add_test(t, a_signature_is_stored_before_anybody_is_told_of_it);
    tcase_add_test(t, our_signatures_stay_behind_what_is_stored);
    tcase_add_test(t, nobody_signs_without_a_key);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(pairing_gatt_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
