/* SPDX-License-Identifier: MIT */

#include "base/addr.h"

#include <check.h>

START_TEST(text_is_most_significant_octet_first)
{
    struct bl_addr a;
    char text[ADDR_TEXT_LEN];

    ck_assert(bl_addr_parse("C0:1a:2B:3c:4D:5e", ADDR_RANDOM, &a));
    ck_assert_uint_eq(a.type, ADDR_RANDOM);
    ck_assert_mem_eq(a.b, "\x5e\x4d\x3c\x2b\x1a\xc0", 6);
    ck_assert_str_eq(bl_addr_format(&a, text), "C0:1A:2B:3C:4D:5E");
}
END_TEST

START_TEST(anything_else_is_no_address)
{
    static const char *const bad[] = {"",
                                      "C0:1A:2B:3C:4D",
                                      "C0:1A:2B:3C:4D:5",
                                      "C0:1A:2B:3C:4D:5E:",
                                      "C0:1A:2B:3C:4D:5E ",
                                      " C0:1A:2B:3C:4D:5E",
                                      "C0-1A-2B-3C-4D-5E",
                                      "C0:1A:2B:3C:4D:5G",
                                      "C0:1A:2B:3C:4D:+5",
                                      "C0:1A:2B:3C:4D5E:",
                                      "C01A2B3C4D5E00000"};
    struct bl_addr a = {7, {1, 2, 3, 4, 5, 6}}, before = a;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        ck_assert(!bl_addr_parse(bad[i], ADDR_PUBLIC, &a));
        ck_assert_mem_eq(&a, &before, sizeof(a));
    }
    ck_assert(!bl_addr_parse("C0:1A:2B:3C:4D:5E", 2, &a));
    ck_assert_mem_eq(&a, &before, sizeof(a));
}
END_TEST

START_TEST(kinds_of_random_addresses_are_told_by_two_bits)
{
    for (unsigned top = 0; top < 256; top++) {
        struct bl_addr a = {ADDR_RANDOM, {1, 1, 1, 1, 1, (uint8_t)top}};
        ck_assert_int_eq(bl_addr_is_nrpa(&a), top < 0x40);
        ck_assert_int_eq(bl_addr_is_rpa(&a), top >= 0x40 && top < 0x80);
        ck_assert_int_eq(bl_addr_is_static(&a), top >= 0xc0);
        a.type = ADDR_PUBLIC;
        ck_assert(!bl_addr_is_nrpa(&a) && !bl_addr_is_rpa(&a) && !bl_addr_is_static(&a));
    }
}
END_TEST

START_TEST(equality_is_of_kind_and_octets)
{
    struct bl_addr a = {0, {1, 2, 3, 4, 5, 6}}, b = a;

    ck_assert(bl_addr_eq(&a, &b));
    b.type = 1;
    ck_assert(!bl_addr_eq(&a, &b));
    b = a;
    b.b[5] = 7;
    ck_assert(!bl_addr_eq(&a, &b));
    ck_assert(!bl_addr_is_zero(&a));
    b = (struct bl_addr){1, {0}};
    ck_assert(bl_addr_is_zero(&b));
}
END_TEST

START_TEST(hash_depends_on_kind_octets_and_seed_and_spreads)
{
    struct bl_addr a = {0, {1, 2, 3, 4, 5, 6}}, b = {1, {1, 2, 3, 4, 5, 6}};
    unsigned buckets[64] = {0};

    ck_assert_uint_eq(bl_addr_hash(&a, 5), bl_addr_hash(&a, 5));
    ck_assert_uint_ne(bl_addr_hash(&a, 5), bl_addr_hash(&b, 5));
    ck_assert_uint_ne(bl_addr_hash(&a, 5), bl_addr_hash(&a, 6));
    for (unsigned i = 0; i < 6400; i++) {
        a.b[0] = (uint8_t)i;
        a.b[1] = (uint8_t)(i >> 8);
        buckets[bl_addr_hash(&a, 5) % 64]++;
    }
    for (unsigned i = 0; i < 64; i++)
        ck_assert(buckets[i] > 50 && buckets[i] < 150);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("addr");
    TCase *t = tcase_create("addr");

    tcase_add_test(t, text_is_most_significant_octet_first);
    tcase_add_test(t, anything_else_is_no_address);
    tcase_add_test(t, kinds_of_random_addresses_are_told_by_two_bits);
    tcase_add_test(t, equality_is_of_kind_and_octets);
    tcase_add_test(t, hash_depends_on_kind_octets_and_seed_and_spreads);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
