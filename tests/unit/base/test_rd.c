/* SPDX-License-Identifier: MIT */

#include "base/rd.h"

#include <check.h>

static const uint8_t bytes[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xf0};

START_TEST(integers_are_little_endian)
{
    struct rd r = rd_make(bytes, 16);

    ck_assert_uint_eq(rd_u8(&r), 0x01);
    ck_assert_uint_eq(rd_u16(&r), 0x0302);
    ck_assert_uint_eq(rd_u24(&r), 0x060504);
    ck_assert_uint_eq(rd_u32(&r), 0x0a090807);
    r = rd_make(bytes, 16);
    ck_assert_uint_eq(rd_u64(&r), 0x0807060504030201);
    rd_bytes(&r, 7);
    ck_assert_int_eq(rd_i8(&r), -16);
    ck_assert(rd_done(&r));
}
END_TEST

START_TEST(the_first_read_past_the_end_fails_all_that_follow)
{
    for (size_t n = 0; n < 8; n++) {
        struct rd r = rd_make(bytes, n);
        ck_assert_uint_eq(rd_u64(&r), n < 4 ? 0 : 0x04030201);
        ck_assert(!rd_ok(&r) && !rd_done(&r));
        ck_assert_uint_eq(r.left, 0);
        ck_assert_uint_eq(rd_u8(&r), 0);
        ck_assert_ptr_null(rd_bytes(&r, 0));
        ck_assert(!rd_ok(&r));
    }
}
END_TEST

START_TEST(done_wants_everything_consumed)
{
    struct rd r = rd_make(bytes, 3);

    rd_u16(&r);
    ck_assert(rd_ok(&r) && !rd_done(&r));
    rd_u8(&r);
    ck_assert(rd_done(&r));
    r = rd_make(NULL, 0);
    ck_assert(rd_done(&r));
}
END_TEST

START_TEST(copy_zeroes_what_it_cannot_fill)
{
    uint8_t out[4] = {9, 9, 9, 9};
    struct rd r = rd_make(bytes, 6);

    rd_copy(&r, out, 4);
    ck_assert_mem_eq(out, bytes, 4);
    rd_copy(&r, out, 4);
    ck_assert_mem_eq(out, "\0\0\0\0", 4);
    ck_assert(!rd_ok(&r));
}
END_TEST

START_TEST(sub_cursor_is_bounded_by_its_own_length)
{
    struct rd r = rd_make(bytes, 8);
    struct rd s = rd_sub(&r, 3);

    ck_assert_uint_eq(rd_u24(&s), 0x030201);
    ck_assert(rd_done(&s));
    rd_u8(&s);
    ck_assert(!rd_ok(&s) && rd_ok(&r));
    ck_assert_uint_eq(rd_u8(&r), 4);
    s = rd_sub(&r, 5);
    ck_assert(!rd_ok(&s) && !rd_ok(&r));
    ck_assert_uint_eq(rd_u8(&s), 0);
}
END_TEST

START_TEST(huge_lengths_do_not_wrap)
{
    struct rd r = rd_make(bytes, 8);

    rd_u8(&r);
    ck_assert_ptr_null(rd_bytes(&r, SIZE_MAX));
    ck_assert(!rd_ok(&r));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rd");
    TCase *t = tcase_create("rd");

    tcase_add_test(t, integers_are_little_endian);
    tcase_add_test(t, the_first_read_past_the_end_fails_all_that_follow);
    tcase_add_test(t, done_wants_everything_consumed);
    tcase_add_test(t, copy_zeroes_what_it_cannot_fill);
    tcase_add_test(t, sub_cursor_is_bounded_by_its_own_length);
    tcase_add_test(t, huge_lengths_do_not_wrap);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
