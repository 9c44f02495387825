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

START_TEST(changes_are_told_once_a_second)
{
    put(1, true);
    struct bl_bond b = bond(1, true);
    struct bl_bond *there = bl_bonds_find(&bonds, &b.identity);
    uint64_t now = 10;

    bl_bonds_changed(&bonds, now, there, false);
    (void)next_bond(1);
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
    bl_bonds_changed(&bonds, now + 2, there, true); /* cannot wait, and takes the other along */
    (void)next_bond(1);
    bl_bonds_tick(&bonds, UINT64_MAX - 1);
    silent();
    bl_bonds_changed(&bonds, now + 3, there, false);
    bl_bonds_flush(&bonds, now + 4);
    (void)next_bond(1);
    silent();
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
    tcase_add_test(t, changes_are_told_once_a_second);
    tcase_add_test(t, no_memory_is_no_bond);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
