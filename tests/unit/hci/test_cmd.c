/* SPDX-License-Identifier: MIT */

#include "hci/cmd.h"

#include <check.h>
#include <string.h>

START_TEST(rows_are_in_order_and_found_by_opcode)
{
    const struct bl_cmd_row *row, *last = NULL;
    size_t n = 0;

    for (; (row = bl_cmd_row_at(n)); last = row, n++) {
        ck_assert_ptr_eq(bl_cmd_row(row->opcode), row);
        ck_assert(!last || last->opcode < row->opcode);
        ck_assert_uint_le(row->params_min, row->params_max);
        ck_assert(row->by_status == (row->returns_min == 0));
        ck_assert(row->bit == 0xffff || row->bit < 512);
        ck_assert_uint_gt(strlen(row->name), 4);
    }
    ck_assert_uint_ge(n, 60);
    ck_assert_uint_le(n, 128);
}
END_TEST

START_TEST(no_two_rows_share_a_bit)
{
    const struct bl_cmd_row *a, *b;

    for (size_t i = 0; (a = bl_cmd_row_at(i)); i++)
        for (size_t k = i + 1; (b = bl_cmd_row_at(k)); k++)
            ck_assert(a->bit == 0xffff || a->bit != b->bit);
}
END_TEST

START_TEST(unknown_opcodes_have_no_row)
{
    ck_assert_ptr_null(bl_cmd_row(0));
    ck_assert_ptr_null(bl_cmd_row(0xffff));
    ck_assert_ptr_null(bl_cmd_row(BL_OPCODE(0x3f, 1)));
    ck_assert_ptr_null(bl_cmd_row(BL_CMD_RESET + 1));
}
END_TEST

/* Against Core 5.4, Vol 4, Part E, 6.27 and 7, once more by hand. */
START_TEST(samples_of_the_table_are_as_specified)
{
    static const struct {
        uint16_t opcode, octet, bit;
        unsigned params, returns;
    } rows[] = {
        {0x0406, 0, 5, 3, 0},   {0x041d, 2, 7, 2, 0},   {0x1405, 15, 5, 2, 4},
        {0x2006, 25, 5, 15, 1}, {0x200d, 26, 4, 25, 0}, {0x2013, 27, 2, 14, 0},
        {0x2020, 33, 4, 14, 3}, {0x2022, 33, 6, 6, 3},  {0x2027, 34, 3, 39, 1},
        {0x2036, 36, 2, 25, 2}, {0x2039, 36, 5, 2, 1},  {0x203b, 36, 7, 0, 2},
        {0x2042, 37, 6, 6, 1},  {0x204e, 39, 2, 8, 1},  {0x2060, 41, 5, 0, 7},
        {0x2074, 44, 1, 2, 1},  {0x0c63, 22, 2, 8, 1},  {0x0c6d, 24, 6, 2, 1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct bl_cmd_row *row = bl_cmd_row(rows[i].opcode);
        ck_assert_ptr_nonnull(row);
        ck_assert_uint_eq(row->bit, rows[i].octet * 8u + rows[i].bit);
        ck_assert_uint_eq(row->params_min, rows[i].params);
        ck_assert_uint_eq(row->returns_min, rows[i].returns);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cmd");
    TCase *t = tcase_create("cmd");

    tcase_set_timeout(t, 60); /* under sanitizers, on a busy machine */
    tcase_add_test(t, rows_are_in_order_and_found_by_opcode);
    tcase_add_test(t, no_two_rows_share_a_bit);
    tcase_add_test(t, unknown_opcodes_have_no_row);
    tcase_add_test(t, samples_of_the_table_are_as_specified);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
