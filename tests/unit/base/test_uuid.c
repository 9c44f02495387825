/* SPDX-License-Identifier: MIT */

#include "base/uuid.h"

#include <check.h>

START_TEST(every_spelling_of_a_uuid_is_the_same_value)
{
    static const char *const same[] = {"180d",
                                       "180D",
                                       "0x180d",
                                       "0X180D",
                                       "0000180d",
                                       "0x0000180d",
                                       "0000180d-0000-1000-8000-00805f9b34fb",
                                       "0000180D-0000-1000-8000-00805F9B34FB",
                                       "0000180d00001000800000805f9b34fb"};
    struct bl_uuid want = bl_uuid_from16(0x180d), u;
    char text[UUID_TEXT_LEN];

    for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
        ck_assert(bl_uuid_parse(same[i], &u));
        ck_assert(bl_uuid_eq(&u, &want));
        ck_assert_str_eq(bl_uuid_format(&u, text), "180d");
        ck_assert(bl_uuid_is16(&u) && bl_uuid_is32(&u));
        ck_assert_uint_eq(bl_uuid_get16(&u), 0x180d);
        ck_assert_uint_eq(bl_uuid_get32(&u), 0x180d);
    }
}
END_TEST

START_TEST(long_ones_are_formatted_in_full)
{
    static const char *const texts[] = {"12345678-9abc-def0-1234-56789abcdef0",
                                        "12345678-0000-1000-8000-00805f9b34fb"};
    struct bl_uuid u;
    char text[UUID_TEXT_LEN];

    for (size_t i = 0; i < 2; i++) {
        ck_assert(bl_uuid_parse(texts[i], &u));
        ck_assert_str_eq(bl_uuid_format(&u, text), texts[i]);
        ck_assert(!bl_uuid_is16(&u));
        ck_assert_int_eq(bl_uuid_is32(&u), i == 1);
    }
    ck_assert_uint_eq(bl_uuid_get32(&u), 0x12345678);
}
END_TEST

START_TEST(wire_order_is_least_significant_octet_first)
{
    struct bl_uuid u, want;
    uint8_t bytes[16];

    ck_assert(bl_uuid_from_wire("\x0d\x18", 2, &u));
    want = bl_uuid_from16(0x180d);
    ck_assert(bl_uuid_eq(&u, &want));
    ck_assert(bl_uuid_from_wire("\x78\x56\x34\x12", 4, &u));
    want = bl_uuid_from32(0x12345678);
    ck_assert(bl_uuid_eq(&u, &want));
    for (uint8_t i = 0; i < 16; i++)
        bytes[i] = (uint8_t)(0xf0 - i);
    ck_assert(bl_uuid_from_wire(bytes, 16, &u));
    ck_assert_mem_eq(u.b, bytes, 16);
    for (size_t n = 0; n <= 16; n++)
        ck_assert_int_eq(bl_uuid_from_wire(bytes, n, &u), n == 2 || n == 4 || n == 16);
}
END_TEST

START_TEST(anything_else_is_no_uuid)
{
    static const char *const bad[] = {"",
                                      "0x",
                                      "1",
                                      "180",
                                      "180d0",
                                      "180g",
                                      "0000180d-0000-1000-8000-00805f9b34f",
                                      "0000180d-0000-1000-8000-00805f9b34fb0",
                                      "0000180d-0000-1000-8000000805f9b34fb-",
                                      "0000180d_0000_1000_8000_00805f9b34fb",
                                      "-0000180d0000-1000-8000-00805f9b34fb",
                                      "0x0x180d",
                                      " 180d"};
    struct bl_uuid u;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(!bl_uuid_parse(bad[i], &u), "%s", bad[i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uuid");
    TCase *t = tcase_create("uuid");

    tcase_add_test(t, every_spelling_of_a_uuid_is_the_same_value);
    tcase_add_test(t, long_ones_are_formatted_in_full);
    tcase_add_test(t, wire_order_is_least_significant_octet_first);
    tcase_add_test(t, anything_else_is_no_uuid);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
