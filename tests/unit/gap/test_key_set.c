/* SPDX-License-Identifier: MIT */

#include "gap/key_set.h"

#include "oom.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#define SEED UINT64_C(0x8f3c5a7b12d4e697)

static struct key_set set;

static void setup(void)
{
    oom_off();
    bl_key_set_init(&set, 256, SEED);
}

static void teardown(void)
{
    oom_off();
    bl_key_set_deinit(&set);
    bl_key_set_deinit(&set); /* twice is harmless */
}

static bool add(uint64_t key)
{
    bool is_new;

    ck_assert_int_ge(bl_key_set_put(&set, key, 0, &is_new), 0);
    return is_new;
}

START_TEST(an_empty_set_holds_no_memory)
{
    oom_fail_from(1);
    int at = bl_key_set_find(&set, 1);
    unsigned long allocations = oom_count();
    oom_off();
    ck_assert_int_eq(at, -1);
    ck_assert_uint_eq(allocations, 0);
    ck_assert_ptr_null(set.ring);
}
END_TEST

START_TEST(a_key_is_new_once)
{
    ck_assert(add(0));
    ck_assert(!add(0));
    ck_assert(add((UINT64_C(1) << 60) - 1));
    ck_assert(!add((UINT64_C(1) << 60) - 1));
    ck_assert_int_ge(bl_key_set_find(&set, 0), 0);
    ck_assert_int_eq(bl_key_set_find(&set, 5), -1);
}
END_TEST

START_TEST(notes_stay_with_their_key)
{
    bool is_new;
    int at = bl_key_set_put(&set, 7, 5, &is_new);

    ck_assert_uint_eq(bl_key_set_get(&set, at), 5);
    bl_key_set_note(&set, at, 15);
    for (uint64_t k = 100; k < 300; k++)
        add(k);
    at = bl_key_set_find(&set, 7);
    ck_assert_int_ge(at, 0);
    ck_assert_uint_eq(bl_key_set_get(&set, at), 15);
    at = bl_key_set_put(&set, 7, 1, &is_new); /* notes are for a new one only */
    ck_assert(!is_new);
    ck_assert_uint_eq(bl_key_set_get(&set, at), 15);
}
END_TEST

START_TEST(a_full_set_forgets_the_oldest_first)
{
    for (uint64_t k = 0; k < 256; k++)
        ck_assert(add(k));
    for (uint64_t k = 256; k < 10000; k++) {
        ck_assert(add(k));
        ck_assert_int_eq(bl_key_set_find(&set, k - 256), -1);
        ck_assert_int_ge(bl_key_set_find(&set, k - 255), 0);
    }
    for (uint64_t k = 10000 - 256; k < 10000; k++)
        ck_assert(!add(k));
}
END_TEST

/* Against the plain truth, with keys that come and go and come again. */
START_TEST(it_agrees_with_a_list)
{
    uint64_t list[256];
    size_t n = 0;
    uint32_t random = 99;

    for (unsigned i = 0; i < 20000; i++) {
        random = random * 1664525 + 1013904223;
        uint64_t key = (uint64_t)((random >> 8) % 700) << 40;
        bool had = false;
        for (size_t k = 0; k < n; k++)
            had = had || list[k] == key;
        ck_assert(add(key) == !had);
        if (had)
            continue;
        if (n == 256) {
            for (size_t k = 1; k < n; k++)
                list[k - 1] = list[k];
            n--;
        }
        list[n++] = key;
    }
}
END_TEST

START_TEST(its_memory_is_bounded)
{
    for (uint64_t k = 0; k < 256; k++)
        add(k);
    oom_fail_from(1);
    for (uint64_t k = 1000; k < 20000; k++) {
        bool is_new;
        bl_key_set_put(&set, k, 0, &is_new);
    }
    unsigned long allocations = oom_count();
    oom_off();
    ck_assert_uint_eq(allocations, 0);
    ck_assert(!add(19999));
}
END_TEST

START_TEST(without_memory_the_first_key_fails_and_later_ones_forget_early)
{
    bool is_new;

    for (unsigned long n = 1; n <= 2; n++) {
        oom_fail_at(n);
        int at = bl_key_set_put(&set, 1, 0, &is_new);
        oom_off();
        ck_assert_int_eq(at, -ENOMEM);
    }
    for (uint64_t k = 0; k < 64; k++)
        ck_assert(add(k));
    for (uint64_t k = 64; k < 500; k++) {
        oom_fail_at(k % 2 + 1);
        int at = bl_key_set_put(&set, k, 0, &is_new);
        oom_off();
        ck_assert(at >= 0 && is_new);
        ck_assert_int_ge(bl_key_set_find(&set, k - 63), 0);
        ck_assert_int_eq(bl_key_set_find(&set, k - 64), -1);
    }
    for (uint64_t k = 500; k < 2000; k++) { /* memory again: it grows, and is whole */
        ck_assert(add(k));
        ck_assert(!add(k));
    }
    for (uint64_t k = 2000 - 200; k < 2000; k++)
        ck_assert(!add(k));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/key_set");
    TCase *t = tcase_create("key_set");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_empty_set_holds_no_memory);
    tcase_add_test(t, a_key_is_new_once);
    tcase_add_test(t, notes_stay_with_their_key);
    tcase_add_test(t, a_full_set_forgets_the_oldest_first);
    tcase_add_test(t, it_agrees_with_a_list);
    tcase_add_test(t, its_memory_is_bounded);
    tcase_add_test(t, without_memory_the_first_key_fails_and_later_ones_forget_early);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
