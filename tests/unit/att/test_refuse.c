/* SPDX-License-Identifier: MIT */

#include "att/refuse.h"

#include <check.h>
#include <stdbool.h>
#include <string.h>

static size_t refuse(const void *in, size_t n, uint8_t out[8])
{
    return bl_att_refuse(in, n, out, 8);
}

START_TEST(mtu_request_is_answered_with_23)
{
    uint8_t out[8];

    ck_assert_uint_eq(refuse("\x02\x05\x02", 3, out), 3);
    ck_assert_mem_eq(out, "\x03\x17\x00", 3);
}
END_TEST

START_TEST(mtu_request_of_wrong_length_is_an_invalid_pdu)
{
    uint8_t out[8];

    for (size_t n = 1; n < 8; n++) {
        if (n == 3)
            continue;
        ck_assert_uint_eq(refuse("\x02\x05\x02\x00\x00\x00\x00", n, out), 5);
        ck_assert_mem_eq(out, "\x01\x02\x00\x00\x04", 5);
    }
}
END_TEST

START_TEST(indication_is_confirmed)
{
    uint8_t out[8];

    ck_assert_uint_eq(refuse("\x1d\x03\x00xyz", 6, out), 1);
    ck_assert_uint_eq(out[0], 0x1e);
    ck_assert_uint_eq(refuse("\x1d\x03\x00", 3, out), 1);
    ck_assert_uint_eq(refuse("\x1d\x03", 2, out), 0); /* that is no indication */
}
END_TEST

START_TEST(requests_are_not_supported)
{
    static const uint8_t requests[] = {0x04, 0x06, 0x08, 0x0a, 0x0c, 0x0e, 0x10, 0x12, 0x16,
                                       0x18, 0x20, 0x00, 0x14, 0x22, 0x24, 0x30, 0x81, 0xbf};

    for (size_t i = 0; i < sizeof(requests); i++) {
        uint8_t in[5] = {requests[i], 1, 0, 0xff, 0xff}, out[8];
        uint8_t want[5] = {0x01, requests[i], 0, 0, 0x06};
        ck_assert_uint_eq(refuse(in, 5, out), 5);
        ck_assert_mem_eq(out, want, 5);
        ck_assert_uint_eq(refuse(in, 1, out), 5);
    }
}
END_TEST

START_TEST(commands_responses_and_notifications_are_not_answered)
{
    static const uint8_t silent[] = {0x01, 0x03, 0x05, 0x07, 0x09, 0x0b, 0x0d, 0x0f, 0x11, 0x13,
                                     0x17, 0x19, 0x1b, 0x1e, 0x21, 0x23, 0x52, 0xd2, 0x40, 0xff};
    uint8_t out[8];

    for (size_t i = 0; i < sizeof(silent); i++) {
        uint8_t in[4] = {silent[i], 1, 0, 0};
        ck_assert_uint_eq(refuse(in, 4, out), 0);
    }
    ck_assert_uint_eq(refuse("", 0, out), 0);
}
END_TEST

/* Two devices that do this to each other may not talk for ever. */
START_TEST(no_answer_is_answered)
{
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        uint8_t in[5] = {(uint8_t)opcode, 1, 0, 0, 0}, out[8], again[8];
        for (size_t n = 1; n <= 5; n++) {
            size_t k = refuse(in, n, out);
            ck_assert(k == 0 || refuse(out, k, again) == 0);
        }
    }
}
END_TEST

START_TEST(no_room_is_no_answer)
{
    uint8_t out[8];

    for (size_t cap = 0; cap < 5; cap++)
        ck_assert_uint_eq(bl_att_refuse("\x0a\x01\x00", 3, out, cap), 0);
    ck_assert_uint_eq(bl_att_refuse("\x02\x17\x00", 3, out, 2), 0);
    ck_assert_uint_eq(bl_att_refuse("\x1d\x01\x00", 3, out, 0), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("refuse");
    TCase *t = tcase_create("refuse");

    tcase_add_test(t, mtu_request_is_answered_with_23);
    tcase_add_test(t, mtu_request_of_wrong_length_is_an_invalid_pdu);
    tcase_add_test(t, indication_is_confirmed);
    tcase_add_test(t, requests_are_not_supported);
    tcase_add_test(t, commands_responses_and_notifications_are_not_answered);
    tcase_add_test(t, no_answer_is_answered);
    tcase_add_test(t, no_room_is_no_answer);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
