/* SPDX-License-Identifier: MIT */

#include "smp/refuse.h"

#include <check.h>

START_TEST(pairing_and_security_requests_are_refused)
{
    static const uint8_t codes[] = {0x01, 0x0b};
    uint8_t out[4];

    for (size_t i = 0; i < sizeof(codes); i++)
        for (size_t n = 1; n <= 7; n++) {
            uint8_t in[7] = {codes[i], 3, 0, 1, 16, 0, 0};
            ck_assert_uint_eq(bl_smp_refuse(in, n, out, sizeof(out)), 2);
            ck_assert_mem_eq(out, "\x05\x05", 2);
        }
}
END_TEST

START_TEST(everything_else_is_not_answered)
{
    uint8_t out[4];

    for (unsigned code = 0; code < 256; code++) {
        uint8_t in[17] = {(uint8_t)code};
        if (code != 0x01 && code != 0x0b)
            ck_assert_uint_eq(bl_smp_refuse(in, 17, out, sizeof(out)), 0);
    }
    ck_assert_uint_eq(bl_smp_refuse("", 0, out, sizeof(out)), 0);
}
END_TEST

START_TEST(no_room_is_no_answer)
{
    uint8_t out[1];

    ck_assert_uint_eq(bl_smp_refuse("\x01", 1, out, 1), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("refuse");
    TCase *t = tcase_create("refuse");

    tcase_add_test(t, pairing_and_security_requests_are_refused);
    tcase_add_test(t, everything_else_is_not_answered);
    tcase_add_test(t, no_room_is_no_answer);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
