/* SPDX-License-Identifier: MIT */

#include "base/rd.h"
#include "base/wr.h"

#include <check.h>

START_TEST(what_is_written_is_read_back)
{
    uint8_t out[40];
    struct wr w = wr_make(out, sizeof(out));

    wr_u8(&w, 0x12);
    wr_i8(&w, -3);
    wr_u16(&w, 0x3456);
    wr_u24(&w, 0x789abc);
    wr_u32(&w, 0xdef01234);
    wr_u64(&w, 0x0123456789abcdef);
    wr_bytes(&w, "xyz", 3);
    wr_zero(&w, 2);
    ck_assert(wr_ok(&w));
    ck_assert_uint_eq(w.len, 24);

    struct rd r = rd_make(out, w.len);
    ck_assert_uint_eq(rd_u8(&r), 0x12);
    ck_assert_int_eq(rd_i8(&r), -3);
    ck_assert_uint_eq(rd_u16(&r), 0x3456);
    ck_assert_uint_eq(rd_u24(&r), 0x789abc);
    ck_assert_uint_eq(rd_u32(&r), 0xdef01234);
    ck_assert_uint_eq(rd_u64(&r), 0x0123456789abcdef);
    ck_assert_mem_eq(rd_bytes(&r, 3), "xyz", 3);
    ck_assert_uint_eq(rd_u16(&r), 0);
    ck_assert(rd_done(&r));
}
END_TEST

START_TEST(a_write_that_does_not_fit_changes_nothing_and_fails_the_rest)
{
    uint8_t out[10];

    for (size_t cap = 0; cap < 8; cap++) {
        memset(out, 0xee, sizeof(out));
        struct wr w = wr_make(out, cap);
        wr_u64(&w, 0);
        ck_assert(!wr_ok(&w));
        ck_assert_uint_eq(w.len, 0);
        wr_u8(&w, 1); /* which would have fitted */
        ck_assert(!wr_ok(&w));
        ck_assert_ptr_null(wr_room(&w, 0));
        for (size_t i = 0; i < sizeof(out); i++)
            ck_assert_uint_eq(out[i], 0xee);
    }
}
END_TEST

START_TEST(exactly_full_is_good)
{
    uint8_t out[4];
    struct wr w = wr_make(out, 4);

    wr_u32(&w, 1);
    wr_bytes(&w, NULL, 0);
    wr_zero(&w, 0);
    ck_assert(wr_ok(&w));
    ck_assert_ptr_null(wr_room(&w, SIZE_MAX));
    ck_assert(!wr_ok(&w));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wr");
    TCase *t = tcase_create("wr");

    tcase_add_test(t, what_is_written_is_read_back);
    tcase_add_test(t, a_write_that_does_not_fit_changes_nothing_and_fails_the_rest);
    tcase_add_test(t, exactly_full_is_good);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
