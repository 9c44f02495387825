/* SPDX-License-Identifier: MIT */

#include "smp/bonds.h"

#include "oom.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct bl_evq events;
static struct bl_bonds bonds;

static void setup(void)
{
    ck_assert_int_eq(bl_evq_init(&events), 0);
    bl_bonds_init(&bonds, &events);
}

static void teardown(void)
{
    oom_off();
    bl_bonds_deinit(&bonds);
    bl_evq_deinit(&events);
}

static struct bl_bond bond(unsigned i, bool authenticated)
{
    return (struct bl_bond){
        .identity = {ADDR_RANDOM, {(uint8_t)i, (uint8_t)(i >> 8), 0, 0, 0, 0xc0}},
        .authenticated = authenticated,
        .has_local_ltk = true,
        .local_ltk = {.key = {1}, .size = 16}};
}

static void put(unsigned i, bool authenticated)
{
    const struct bl_bond b = bond(i, authenticated);

    ck_assert_int_eq(bl_bonds_put(&bonds, 0, &b, true, NULL), 0);
}

static struct bl_event next_bond(unsigned i)
{
    const struct bl_bond b = bond(i, false);
    struct bl_event e = {0};

    ck_assert(bl_evq_pop(&events, &e));
    ck_assert_int_eq(e.kind, BL_EV_BOND);
    ck_assert(bl_addr_eq(&e.bond.identity, &b.identity));
    return e;
}

static void silent(void)
{
    struct bl_event e;

    ck_assert(!bl_evq_pop(&events, &e));
}

START_TEST(a_bond_is_found_by_its_identity)
{
    struct bl_bond b = bond(7, true);
    struct bl_addr evicted = {ADDR_RANDOM, {9}};

    ck_assert_ptr_null(bl_bonds_find(&bonds, &b.identity));
    ck_assert_int_eq(bl_bonds_put(&bonds, 5, &b, false, &evicted), 0);
    ck_assert(bl_addr_is_zero(&evicted));
    ck_assert(next_bond(7).bond.added);
    b.secure_connections = true;
    ck_assert_int_eq(bl_bonds_put(&bonds, 6, &b, false, NULL), 0);
    ck_assert(!next_bond(7).bond.added);
    ck_assert_uint_eq(bonds.n, 1);
    ck_assert(bl_bonds_find(&bonds, &b.identity)->secure_connections);
    bl_bonds_remove(&bonds, bl_bonds_find(&bonds, &b.identity));
    ck_assert(next_bond(7).bond.removed);
    ck_assert_uint_eq(bonds.n, 0);
}
END_TEST

START_TEST(what_is_loaded_is_no_news)
{
    put(1, true);
    bl_bonds_clear(&bonds);
    silent();
    ck_assert_uint_eq(bonds.n, 0);
}
END_TEST

/* The oldest that is not authenticated, by use. */
START_TEST(a_full_table_makes_room)
{
    struct bl_addr evicted;

    for (unsigned i = 0; i < BL_MAX_BONDS; i++)
        put(i, i < 3);
    struct bl_bond old = bond(3, false);
    bl_bonds_used(&bonds, bl_bonds_find(&bonds, &old.identity));
    struct bl_bond more = bond(5000, false);
    ck_assert_int_eq(bl_bonds_put(&bonds, 0, &more, false, &evicted), 0);
    ck_assert_uint_eq(bonds.n, BL_MAX_BONDS);
    ck_assert(next_bond(4).bond.removed); /* 3 was used since */
    ck_assert_uint_eq(evicted.b[0], 4);
    ck_assert(next_bond(5000).bond.added);
    ck_assert_uint_eq(bonds.evicted, 1);
}
END_TEST

START_TEST(an_authenticated_bond_never_makes_room)
{
    for (unsigned i = 0; i < BL_MAX_BONDS; i++)
        put(i, true);
    struct bl_bond more = bond(5000, true);
    ck_assert_int_eq(bl_bonds_put(&bonds, 0, &more, false, NULL), -ENOBUFS);
    ck_assert_uint_eq(bonds.n, BL_MAX_BONDS);
    ck_assert_uint_eq(bonds.refused, 1);
    silent();
    more = bond(17, true); /* one that is there is replaced all the same */
    ck_assert_int_eq(bl_bonds_put(&bonds, 0, &more, true, NULL), 0);
}
END_TEST

START_TEST(only_as_good_a_bond_may_replace)
{
    for (unsigned i = 0; i < 8; i++)
        for (unsigned k = 0; k < 8; k++) {
            struct bl_bond was = bond(1, i & 1), is = bond(1, k & 1);
            was.secure_connections = i & 2;
            is.secure_connections = k & 2;
            was.local_ltk.size = i & 4 ? 16 : 7;
            is.local_ltk.size = k & 4 ? 16 : 7;
            ck_assert_int_eq(bl_bonds_may_replace(&was, &is), (i & k) == i);
        }
}
END_TEST

static bool is_five(const void *ctx, const struct bl_bond *b)
{
    const unsigned *five = ctx;

    return b->identity.b[0] == *five && b->identity.b[1] == 0;
}

/* _i: 0 there is another one that is not authenticated; 1 there is none */
START_TEST(a_bond_that_a_link_has_goes_last)
{
    static const unsigned five = 5;
    struct bl_addr evicted;

    bonds.in_use = is_five;
    bonds.ctx = &five;
    for (unsigned i = 0; i < BL_MAX_BONDS; i++)
        put(i, i != 5 && (_i || i != 900));
    struct bl_bond more = bond(5000, false);
    ck_assert_int_eq(bl_bonds_put(&bonds, 0, &more, false, &evicted), 0);
    ck_assert(next_bond(_i ? 5 : 900).bond.removed); /* never without a word */
}
END_TEST

START_TEST(what_is_loaded_takes_nobodys_place)
{
    for (unsigned i = 0; i < BL_MAX_BONDS; i++)
        put(i, false);
    struct bl_bond more = bond(5000, true);
    ck_assert_int_eq(bl_bonds_put(&bonds, 0, &more, true, NULL), -ENOBUFS);
    ck_assert_uint_eq(bonds.evicted, 0);
    ck_assert_uint_eq(bonds.n, BL_MAX_BONDS);
    silent();
}
END_TEST

START_TEST(changes_are_told_at_once_and_then_once_a_second)
{
    put(1, true);
    struct bl_bond b = bond(1, true);
    struct bl_bond *there = bl_bonds_find(&bonds, &b.identity);
    uint64_t now = 10;

    for (unsigned i = 0; i < BL_BONDS_BURST; i++) {
        bl_bonds_changed(&bonds, now, there, false);
        (void)next_bond(1);
        ck_assert_uint_eq(bonds.due, TIMERQ_NEVER);
    }
    for (unsigned i = 0; i < 100; i++)
        bl_bonds_changed(&bonds, now + i, there, false);
    silent();
    ck_assert_uint_eq(bonds.due, now + BL_BONDS_PAUSE_US);
    bl_bonds_tick(&bonds, bonds.due - 1);
    silent();
    bl_bonds_tick(&bonds, bonds.due);
    (void)next_bond(1);
    silent();
    ck_assert_uint_eq(bonds.due, TIMERQ_NEVER);
    now += BL_BONDS_PAUSE_US;
    bl_bonds_changed(&bonds, now + 1, there, false);
    silent();
    for (unsigned i = 0; i < 100; i++) { /* cannot wait, and takes the other along */
        bl_bonds_changed(&bonds, now + 2, there, true);
        (void)next_bond(1);
    }
    bl_bonds_tick(&bonds, UINT64_MAX - 1);
    silent();
    bl_bonds_changed(&bonds, now + 3, there, false);
    ck_assert_uint_le(bonds.due, now + 3 + 2 * BL_BONDS_PAUSE_US); /* nor does it hold up more */
    bl_bonds_flush(&bonds, now + 4);
    (void)next_bond(1);
    silent();
}
END_TEST

/* The store is at any time as the last event had it: a crash anywhere, and nothing that the peer
 * has signed is taken twice. Nor is it told without end, and in the end it is told exactly. */
START_TEST(a_peers_counter_is_stored_before_its_signature_counts)
{
    struct bl_bond b = bond(1, true);
    b.has_peer_csrk = true;
    b.peer_counter = 7;
    ck_assert_int_eq(bl_bonds_put(&bonds, 0, &b, true, NULL), 0);
    struct bl_bond *there = bl_bonds_find(&bonds, &b.identity);
    uint64_t stored = 7, now = 0;
    unsigned told = 0;
    struct bl_event e;

    for (unsigned i = 0; i < 10000; i++) {
        uint32_t counter = there->peer_counter;
        there->peer_counter = counter + 1;
        now += 1000;
        bl_bonds_tick(&bonds, now);
        bl_bonds_changed(&bonds, now, there, false);
        while (bl_evq_pop(&events, &e)) {
            stored = (uint64_t)there->peer_counter + there->peer_ahead;
            told++;
        }
        ck_assert_uint_gt(stored, counter);
        ck_assert_uint_le(stored - counter, BL_BONDS_AHEAD + 1);
    }
    ck_assert_uint_le(told, BL_BONDS_BURST + 10 + 10000 / (BL_BONDS_AHEAD / 2));
    bl_bonds_tick(&bonds, now + BL_BONDS_PAUSE_US);
    (void)next_bond(1);
    ck_assert_uint_eq(there->peer_ahead, 0);
    there->peer_counter = UINT32_MAX - 3;
    bl_bonds_changed(&bonds, now + BL_BONDS_PAUSE_US, there, false);
    ck_assert_uint_le(there->peer_ahead, 3);
}
END_TEST

START_TEST(a_change_is_told_before_what_it_belongs_to)
{
    struct bl_bond b = bond(1, true);

    put(1, true);
    bl_evq_push(&events, &(struct bl_event){.kind = BL_EV_GATTS_WRITTEN});
    bl_bonds_changed(&bonds, 5, bl_bonds_find(&bonds, &b.identity), false);
    (void)next_bond(1);
}
END_TEST

START_TEST(no_memory_is_no_bond)
{
    unsigned failed = 0;

    for (unsigned i = 0; i < 40; i++) {
        const struct bl_bond b = bond(i, true);
        for (unsigned nth = 1;; nth++) {
            oom_fail_at(nth);
            int r = bl_bonds_put(&bonds, 0, &b, true, NULL);
            oom_off();
            if (r == 0)
                break;
            ck_assert_int_eq(r, -ENOMEM);
            ck_assert_uint_eq(bonds.n, i);
            failed++;
        }
    }
    ck_assert_uint_ge(failed, 40);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bonds");
    TCase *t = tcase_create("bonds");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_bond_is_found_by_its_identity);
    tcase_add_test(t, what_is_loaded_is_no_news);
    tcase_add_test(t, a_full_table_makes_room);
    tcase_add_test(t, an_authenticated_bond_never_makes_room);
    tcase_add_test(t, only_as_good_a_bond_may_replace);
    tcase_add_loop_test(t, a_bond_that_a_link_has_goes_last, 0, 2);
    tcase_add_test(t, what_is_loaded_takes_nobodys_place);
    tcase_add_test(t, changes_are_told_at_once_and_then_once_a_second);
    tcase_add_test(t, a_peers_counter_is_stored_before_its_signature_counts);
    tcase_add_test(t, a_change_is_told_before_what_it_belongs_to);
    tcase_add_test(t, no_memory_is_no_bond);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
