/* SPDX-License-Identifier: MIT */

#include "server_fixture.h"

#include <check.h>
#include <stdio.h>

/* GATT/SR/GAR/BV-01-C, BI-02-C (invalid handle), BI-01-C (not permitted) */
START_TEST(read_answers_the_value_or_why_not)
{
    static const struct row rows[] = {
        {"0a 2200", "0b 0102"},
        {"0a 2800", "0b 0a 2900 000102030405060708090a0b0c0d0e0f"},
        {"0a 2900", "0b"},
        {"0a 2a00", "0b 616263"},
        {"0a 2c00", "0b 6162"},
        {"0a 2000", "0b 0d18"},
        {"0a 2300", "0b 0000"},
        {"0a 4100", "0b 3000 3800 0f18"},
        {"0a 2700", "01 0a 2700 02"},
        {"0a 3600", "01 0a 3600 02"},
        {"0a 0a00", "01 0a 0a00 02"}, /* Service Changed is only indicated */
        {"0a 0000", "01 0a 0000 01"},
        {"0a 1200", "01 0a 1200 01"},
        {"0a ffff", "01 0a ffff 01"},
        {"0a 22", "01 0a 0000 04"},
        {"0a 220000", "01 0a 0000 04"},
    };

    CHECK_ROWS(A, rows);
    told("");
}
END_TEST

/* GATT/SR/GAR/BI-03..05-C */
START_TEST(security_is_asked_for_each_read)
{
    struct bl_gatt_security *s = &client(A)->security;

    check(A, "0a 5200", "01 0a 5200 05");
    check(A, "0a 5500", "01 0a 5500 05");
    check(A, "0a 5800", "01 0a 5800 05");
    check(A, "0a 5300", "0b 0000"); /* a CCCD is read by anybody */
    s->has_ltk = true;
    check(A, "0a 5200", "01 0a 5200 0f");
    check(A, "0a 5500", "01 0a 5500 0f");
    *s = (struct bl_gatt_security){.encrypted = true, .key_size = 15};
    check(A, "0a 5200", "01 0a 5200 0c");
    check(A, "0a 5500", "01 0a 5500 05");
    check(A, "0c 5200 0000", "01 0c 5200 0c");
    check(A, "0e 2200 5200", "01 0e 5200 0c");
    check(A, "20 2200 5200", "01 20 5200 0c");
    check(A, "08 0100 ffff 1c2a", "01 08 5200 0c");
    config.min_key_size = 15;
    check(A, "0a 5200", "0b 01");
    check(A, "0a 5500", "01 0a 5500 05");
    s->authenticated = true;
    check(A, "0a 5500", "0b 02");
    check(B, "0a 5200", "01 0a 5200 05"); /* the others' links are their own */
}
END_TEST

/* GATT/SR/GAR/BV-04-C, BI-12..; the offset before, at and behind the end */
START_TEST(read_blob_goes_to_the_end_and_not_behind_it)
{
    static const struct row rows[] = {
        {"0c 2200 0000", "0d 0102"},
        {"0c 2200 0100", "0d 02"},
        {"0c 2200 0200", "0d"},
        {"0c 2200 0300", "01 0c 2200 07"},
        {"0c 2200 ffff", "01 0c 2200 07"},
        {"0c 2900 0000", "0d"},
        {"0c 2900 0100", "01 0c 2900 07"},
        {"0c 2500 0000", "0d 5a*22"},
        {"0c 2500 ea01", "0d 5a*22"}, /* 490 */
        {"0c 2500 eb01", "0d 5a*21"},
        {"0c 2500 ff01", "0d 5a"},
        {"0c 2500 0002", "0d"},
        {"0c 2500 0102", "01 0c 2500 07"},
        {"0c 2700 0000", "01 0c 2700 02"},
        {"0c 0000 0000", "01 0c 0000 01"},
        {"0c ffff 0000", "01 0c ffff 01"},
        {"0c 2500", "01 0c 0000 04"},
        {"0c 2500 0000 00", "01 0c 0000 04"},
    };

    CHECK_ROWS(A, rows);
}
END_TEST

START_TEST(answers_are_as_long_as_the_mtu_lets_them)
{
    static const struct {
        uint16_t mtu;
        struct row row;
    } rows[] = {
        {23, {"0a 2500", "0b 5a*22"}},        {24, {"0a 2500", "0b 5a*23"}},
        {512, {"0a 2500", "0b 5a*511"}},      {513, {"0a 2500", "0b 5a*512"}},
        {517, {"0a 2500", "0b 5a*512"}},      {512, {"0c 2500 0100", "0d 5a*511"}},
        {517, {"0c 2500 ff01", "0d 5a"}},     {512, {"0c 2500 ff01", "0d 5a"}},
        {517, {"0e 2500 2500", "0f 5a*516"}}, {23, {"0e 2200 2500", "0f 0102 5a*20"}},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        mtu(A, rows[i].mtu);
        check(A, rows[i].row.request, rows[i].row.response);
    }
}
END_TEST

/* What a long read has begun with is what it ends with. */
START_TEST(a_long_read_is_of_one_value)
{
    static const uint8_t other[100] = {1, 2, 3};

    check(A, "0a 2500", "0b 5a*22");
    ck_assert_int_eq(bl_gatt_db_store(attr(0x25), 0, other, 3, false), 0);
    check(A, "0c 2500 1600", "0d 5a*22");
    check(B, "0c 2500 0000", "0d 010203");
    check(A, "0c 2500 2c00", "0d 5a*22");
    check(A, "0c 2500 2c00", "01 0c 2500 07"); /* not where it was to go on: a new read */
    check(A, "0a 2500", "0b 010203");
    ck_assert_ptr_null(client(A)->server.long_value);
}
END_TEST

START_TEST(a_long_read_ends_with_its_attribute)
{
    static const uint8_t longer[30] = {1};

    ck_assert_int_eq(bl_gatt_db_store(attr(0x22), 0, longer, sizeof(longer), false), 0);
    check(A, "0a 2200", "0b 01 00*21");
    remove_service(0x20);
    add_service(0x20, 0xfeed);
    check(A, "0c 2200 1600", "01 0c 2200 07"); /* of another one that stands there now */
    check(A, "0a 2200", "0b 6e6577");
}
END_TEST

START_TEST(another_request_ends_a_long_read)
{
    check(A, "0a 2500", "0b 5a*22");
    ck_assert_int_eq(bl_gatt_db_store(attr(0x25), 0, (const uint8_t *)"abc", 3, false), 0);
    check(A, "04 2200 2200", "05 01 2200 372a");
    check(A, "0c 2500 1600", "01 0c 2500 07");
}
END_TEST

#define TEN    "77777777777777777777"
#define ALL_30 TEN TEN TEN

START_TEST(reads_are_told_of_once_a_long_read)
{
    check(A, "0a 3400", "0b 77*22");
    told("read 1 34 " ALL_30 ";"); /* what the whole read gives */
    check(A, "0c 3400 1600", "0d 77*8");
    told("");
    check(A, "0c 3400 1600", "0d 77*8"); /* it had ended */
    told("read 1 34 " ALL_30 ";");
    check(B, "0e 3400 2200", "0f 77*22");
    told("read 2 34 " TEN TEN "7777;"); /* what it gets */
    check(B, "20 3400 3400", "21 1e00 77*20");
    told("read 2 34 " TEN TEN ";read 2 34;");
    check(B, "08 0100 ffff 1a2a", "09 15 3400 77*19");
    told("read 2 34 " TEN "777777777777777777;");
    check(B, "06 0100 ffff 1a2a 77", "01 06 0100 0a");
    check(B, "0c 3400 ffff", "01 0c 3400 07");
    told("");
    attr(0x22)->read_events = true; /* as much as fits exactly */
    ck_assert_int_eq(
        bl_gatt_db_store(attr(0x22), 0, (const uint8_t *)"0123456789012345678901", 22, false), 0);
    check(A, "0a 2200", "0b 30313233343536373839303132333435363738393031");
    check(A, "0c 2200 1600", "0d");
    told("read 1 22 30313233343536373839303132333435363738393031;");
}
END_TEST

START_TEST(a_read_that_waited_is_told_of_when_it_is_served)
{
    attr(0x32)->read_events = true;
    says(A, "0a 3200");
    told("read# 1 32;");
    ck_assert_int_eq(bl_gatts_do_reply(&gatt, now, last_request, 2, NULL, 0), 0);
    turn();
    hears(A, "01 0a 3200 02");
    told("");
    says(A, "0a 3200");
    told("read# 1 32;");
    ck_assert_int_eq(bl_gatts_do_reply(&gatt, now, last_request, 0, (const uint8_t *)"new", 3), 0);
    turn();
    hears(A, "0b 6e6577");
    told("served 1 32 6e6577;");
}
END_TEST

START_TEST(reads_are_noted_of_every_attribute)
{
    check(A, "0a 2500", "0b 5a*22");
    ck_assert(attr(0x25)->was_read);
    attr(0x25)->was_read = false;
    check(A, "0c 2500 1600", "0d 5a*22"); /* the same read */
    ck_assert(!attr(0x25)->was_read);
    check(A, "0e 2200 2a00", "0f 0102 616263");
    ck_assert(attr(0x22)->was_read && attr(0x2a)->was_read);
    check(A, "0a 3600", "01 0a 3600 02");
    check(A, "12 2900 00", "13");
    ck_assert(!attr(0x36)->was_read && !attr(0x29)->was_read);
    told("written 1 29 00;");
    says(A, "0a 3200"); /* authorized: noted when it is answered */
    ck_assert(!attr(0x32)->was_read);
    told("read# 1 32;");
    ck_assert_int_eq(bl_gatts_do_reply(&gatt, now, last_request, 2, NULL, 0), 0);
    turn();
    hears(A, "01 0a 3200 02");
    ck_assert(!attr(0x32)->was_read);
    says(A, "0a 3200");
    told("read# 1 32;");
    ck_assert_int_eq(bl_gatts_do_reply(&gatt, now, last_request, 0, NULL, 0), 0);
    ck_assert(attr(0x32)->was_read);
    told("");
}
END_TEST

/* GATT/SR/GAR/BV-05-C, BI-18.. */
START_TEST(read_multiple_reads_all_or_names_the_one_that_fails)
{
    static const struct row rows[] = {
        {"0e 2200 2a00", "0f 0102 616263"},
        {"0e 2200 2200", "0f 0102 0102"},
        {"0e 2a00 2900 2200", "0f 616263 0102"},
        {"0e 2500 2200", "0f 5a*22"},
        {"0e 2200 2700", "01 0e 2700 02"},
        {"0e 2700 2200", "01 0e 2700 02"},
        {"0e 2200 5200", "01 0e 5200 05"},
        {"0e 2200 0000", "01 0e 0000 01"},
        {"0e 2500 ffff", "01 0e ffff 01"}, /* also behind what fits */
        {"0e 2200", "01 0e 0000 04"},
        {"0e 2200 22", "01 0e 0000 04"},
    };

    CHECK_ROWS(A, rows);
}
END_TEST

/* ATT/SR/GAR, Core 5.4, Vol 3, Part F, 3.4.4.12: the lengths are whole, the list is cut */
START_TEST(read_multiple_variable_says_the_lengths)
{
    static const struct row rows[] = {
        {"20 2200 2a00", "21 0200 0102 0300 616263"},
        {"20 2900 2900", "21 0000 0000"},
        {"20 2500 2200", "21 0002 5a*20"},
        {"20 2200 2500", "21 0200 0102 0002 5a*16"},
        {"20 2200 2200 2200 2200 2a00 2a00",
         "21 0200 0102 0200 0102 0200 0102 0200 0102 0300 616263 03"},
        {"20 2200 2700", "01 20 2700 02"},
        {"20 2200 1200", "01 20 1200 01"},
        {"20 2200", "01 20 0000 04"},
        {"20 2200 22", "01 20 0000 04"},
    };

    CHECK_ROWS(A, rows);
    mtu(A, 24);
    check(A, "20 2200 2500", "21 0200 0102 0002 5a*17");
    mtu(A, 517);
    check(A, "20 2500 2200", "21 0002 5a*512 0200");
}
END_TEST

/* GATT/SR/GAR/BV-03-C, GATT/SR/GAD/BV-04-C and -05-C */
START_TEST(read_by_type_lists_values_of_one_length)
{
    static const struct row rows[] = {
        {"08 0100 ffff 372a", "09 04 2200 0102"},
        {"08 2000 ffff 0328", "09 07 2100 7e 2200 372a 2400 02 2500 382a 2600 08 2700 392a"},
        {"08 2700 2900 0328", "09 15 2800 0a 2900 000102030405060708090a0b0c0d0e0f"},
        {"08 4000 ffff 0228", "09 08 4100 3000 3800 0f18"},
        {"08 0100 ffff 000102030405060708090a0b0c0d0e0f", "09 02 2900"},
        {"08 0100 ffff 0229", "09 04 0b00 0000 2300 0000 5300 0000 5600 0000"},
        {"08 0100 ffff 382a", "09 15 2500 5a*19"},
        {"08 0100 ffff 0028", "09 04 0100 0018 0800 0118 2000 0d18 3000 0f18"},
        {"08 0100 ffff 002a", "09 06 0300 626c6564"},
        {"08 3200 ffff 1a2a", "09 15 3400 77*19"},
    };

    CHECK_ROWS(A, rows);
    mtu(A, 517);
    check(A, "08 0100 ffff 382a", "09 ff 2500 5a*253");
}
END_TEST

/* GATT/SR/GAR/BI-06..11-C */
START_TEST(read_by_type_refuses)
{
    static const struct row rows[] = {
        {"08 0000 ffff 372a", "01 08 0000 01"},     {"08 2200 2100 372a", "01 08 2200 01"},
        {"08 2300 ffff 372a", "01 08 2300 0a"},     {"08 ffff ffff 372a", "01 08 ffff 0a"},
        {"08 0100 ffff 3412", "01 08 0100 0a"},     {"08 0100 ffff 1b2a", "01 08 3600 02"},
        {"08 0100 ffff 1c2a", "01 08 5200 05"},     {"08 0100 ffff 392a", "01 08 2700 02"},
        {"08 0100 ffff 372a0000", "01 08 0000 04"}, {"08 0100 ffff 37", "01 08 0000 04"},
    };

    CHECK_ROWS(A, rows);
}
END_TEST

START_TEST(a_list_ends_before_what_cannot_be_read)
{
    check(A, "08 2a00 ffff 0129", "09 05 2a00 616263"); /* 0x59 may not be read */
    check(A, "08 2b00 ffff 0129", "01 08 5900 02");
    check(A, "08 3300 ffff 192a", "09 03 3800 64");
    told("");
    attr(0x22)->type = attr(0x32)->type;
    check(A, "08 2000 ffff 192a", "09 04 2200 0102");
    told("");
}
END_TEST

START_TEST(the_hosts_own_values_are_read)
{
    static const struct row rows[] = {
        {"0a 0300", "0b 626c6564"}, {"0a 0500", "0b 0000"}, {"0a 0d00", "0b 00"},
        {"0a 1100", "0b 00"},       {"0a 0b00", "0b 0000"},
    };
    const uint8_t *hash;
    char text[64] = "0b ";

    CHECK_ROWS(A, rows);
    ck_assert_int_eq(bl_gatt_db_hash(&gatt.db, &hash), 0);
    for (unsigned i = 0; i < 16; i++)
        snprintf(text + 3 + 2 * i, 3, "%02x", hash[i]);
    check(A, "0a 0f00", text);
    told("");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("server_read");
    TCase *t = tcase_create("server_read");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, read_answers_the_value_or_why_not);
    tcase_add_test(t, security_is_asked_for_each_read);
    tcase_add_test(t, read_blob_goes_to_the_end_and_not_behind_it);
    tcase_add_test(t, answers_are_as_long_as_the_mtu_lets_them);
    tcase_add_test(t, a_long_read_is_of_one_value);
    tcase_add_test(t, a_long_read_ends_with_its_attribute);
    tcase_add_test(t, another_request_ends_a_long_read);
    tcase_add_test(t, reads_are_told_of_once_a_long_read);
    tcase_add_test(t, a_read_that_waited_is_told_of_when_it_is_served);
    tcase_add_test(t, reads_are_noted_of_every_attribute);
    tcase_add_test(t, read_multiple_reads_all_or_names_the_one_that_fails);
    tcase_add_test(t, read_multiple_variable_says_the_lengths);
    tcase_add_test(t, read_by_type_lists_values_of_one_length);
    tcase_add_test(t, read_by_type_refuses);
    tcase_add_test(t, a_list_ends_before_what_cannot_be_read);
    tcase_add_test(t, the_hosts_own_values_are_read);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
