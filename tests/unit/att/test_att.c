/* SPDX-License-Identifier: MIT */

#include "att/att.h"

#include <check.h>

/* Core 5.4, Vol 3, Part F, 3.4.8, table 3.44, and the sections of the PDUs for the lengths. */
static const struct bl_att_row expected[] = {
    {0x01, BL_ATT_RESPONSE, 0, 5, 5},     {0x02, BL_ATT_REQUEST, 0x03, 3, 3},
    {0x03, BL_ATT_RESPONSE, 0, 3, 3},     {0x04, BL_ATT_REQUEST, 0x05, 5, 5},
    {0x05, BL_ATT_RESPONSE, 0, 6, 517},   {0x06, BL_ATT_REQUEST, 0x07, 7, 517},
    {0x07, BL_ATT_RESPONSE, 0, 5, 517},   {0x08, BL_ATT_REQUEST, 0x09, 7, 21},
    {0x09, BL_ATT_RESPONSE, 0, 4, 517},   {0x0a, BL_ATT_REQUEST, 0x0b, 3, 3},
    {0x0b, BL_ATT_RESPONSE, 0, 1, 517},   {0x0c, BL_ATT_REQUEST, 0x0d, 5, 5},
    {0x0d, BL_ATT_RESPONSE, 0, 1, 517},   {0x0e, BL_ATT_REQUEST, 0x0f, 5, 517},
    {0x0f, BL_ATT_RESPONSE, 0, 1, 517},   {0x10, BL_ATT_REQUEST, 0x11, 7, 21},
    {0x11, BL_ATT_RESPONSE, 0, 6, 517},   {0x12, BL_ATT_REQUEST, 0x13, 3, 517},
    {0x13, BL_ATT_RESPONSE, 0, 1, 1},     {0x16, BL_ATT_REQUEST, 0x17, 5, 517},
    {0x17, BL_ATT_RESPONSE, 0, 5, 517},   {0x18, BL_ATT_REQUEST, 0x19, 2, 2},
    {0x19, BL_ATT_RESPONSE, 0, 1, 1},     {0x1b, BL_ATT_NOTIFY, 0, 3, 517},
    {0x1d, BL_ATT_INDICATE, 0, 3, 517},   {0x1e, BL_ATT_CONFIRM, 0, 1, 1},
    {0x20, BL_ATT_REQUEST, 0x21, 5, 517}, {0x21, BL_ATT_RESPONSE, 0, 1, 517},
    {0x23, BL_ATT_NOTIFY, 0, 5, 517},     {0x52, BL_ATT_COMMAND, 0, 3, 517},
    {0xd2, BL_ATT_COMMAND, 0, 15, 517},
};

enum { EXPECTED = sizeof(expected) / sizeof(expected[0]) };

START_TEST(the_table_has_the_specifications_pdus)
{
    const struct bl_att_row *row = bl_att_row(expected[_i].opcode);

    ck_assert_ptr_nonnull(row);
    ck_assert_uint_eq(row->opcode, expected[_i].opcode);
    ck_assert_uint_eq(row->kind, expected[_i].kind);
    ck_assert_uint_eq(row->answer, expected[_i].answer);
    ck_assert_uint_eq(row->min, expected[_i].min);
    ck_assert_uint_eq(row->max, expected[_i].max);
}
END_TEST

START_TEST(no_other_opcode_has_a_row)
{
    unsigned found = 0;

    for (unsigned opcode = 0; opcode <= 0xff; opcode++)
        found += bl_att_row((uint8_t)opcode) != NULL;
    ck_assert_uint_eq(found, EXPECTED);
}
END_TEST

START_TEST(every_request_is_answered_by_a_response)
{
    for (size_t i = 0; i < EXPECTED; i++) {
        const struct bl_att_row *row = bl_att_row(expected[i].opcode);
        ck_assert_int_eq(row->kind == BL_ATT_REQUEST, row->answer != 0);
        if (row->answer)
            ck_assert_uint_eq(bl_att_row(row->answer)->kind, BL_ATT_RESPONSE);
    }
}
END_TEST

START_TEST(an_error_response_has_request_handle_and_code)
{
    uint8_t out[5];
    struct wr w = wr_make(out, sizeof(out));

    bl_att_put_error(&w, BL_ATT_READ_REQ, 0x1234, BL_ATT_INVALID_HANDLE);
    ck_assert(wr_ok(&w));
    ck_assert_uint_eq(w.len, 5);
    ck_assert_mem_eq(out, "\x01\x0a\x34\x12\x01", 5);
    w = wr_make(out, 4);
    bl_att_put_error(&w, BL_ATT_READ_REQ, 1, 1);
    ck_assert(!wr_ok(&w));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("att");
    TCase *t = tcase_create("att");

    tcase_add_loop_test(t, the_table_has_the_specifications_pdus, 0, EXPECTED);
    tcase_add_test(t, no_other_opcode_has_a_row);
    tcase_add_test(t, every_request_is_answered_by_a_response);
    tcase_add_test(t, an_error_response_has_request_handle_and_code);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
