/* SPDX-License-Identifier: MIT */

#include "server_fixture.h"

#include <check.h>

/* GATT/SR/GAD/BV-06-C, ATT/SR/FND: handles and types, sixteen-bit ones and others apart */
START_TEST(find_information_lists_types_of_one_size)
{
    static const struct row rows[] = {
        {"04 2000 2300", "05 01 2000 0028 2100 0328 2200 372a 2300 0229"},
        {"04 2200 2200", "05 01 2200 372a"},
        {"04 2300 ffff", "05 01 2300 0229 2400 0328 2500 382a 2600 0328 2700 392a"},
        {"04 2700 2900", "05 01 2700 392a 2800 0328"},
        {"04 2900 ffff", "05 02 2900 000102030405060708090a0b0c0d0e0f"},
        {"04 5900 ffff", "05 01 5900 0129"},
        {"04 1200 2000", "05 01 2000 0028"},
    };

    CHECK_ROWS(A, rows);
}
END_TEST

/* GATT/SR/GAD/BI, ATT/SR/FND/BI */
START_TEST(find_information_refuses_bad_ranges)
{
    static const struct row rows[] = {
        {"04 0000 ffff", "01 04 0000 01"},    {"04 0000 0000", "01 04 0000 01"},
        {"04 2200 2100", "01 04 2200 01"},    {"04 ffff 0100", "01 04 ffff 01"},
        {"04 5a00 ffff", "01 04 5a00 0a"},    {"04 ffff ffff", "01 04 ffff 0a"},
        {"04 1200 1f00", "01 04 1200 0a"},    {"04 2200", "01 04 0000 04"},
        {"04 2200 2300 00", "01 04 0000 04"},
    };

    CHECK_ROWS(A, rows);
}
END_TEST

START_TEST(find_information_fills_what_the_mtu_has)
{
    mtu(A, 24);
    check(A, "04 0100 1000", "05 01 0100 0028 0200 0328 0300 002a 0400 0328 0500 012a");
    mtu(A, 25);
    check(A, "04 0100 1000", "05 01 0100 0028 0200 0328 0300 002a 0400 0328 0500 012a");
    mtu(A, 26); /* exactly */
    check(A, "04 0100 1000", "05 01 0100 0028 0200 0328 0300 002a 0400 0328 0500 012a 0600 0328");
    check(A, "10 0100 ffff 0028",
          "11 06 0100 0700 0018 0800 1100 0118 2000 2c00 0d18 3000 3800 0f18");
    mtu(A, 517);
    check(A, "04 2000 2800",
          "05 01 2000 0028 2100 0328 2200 372a 2300 0229 2400 0328 2500 382a 2600 0328 2700 392a "
          "2800 0328");
}
END_TEST

/* GATT/SR/GAD/BV-02-C, BV-03-C */
START_TEST(find_by_type_value_finds_services_by_their_uuid)
{
    static const struct row rows[] = {
        {"06 0100 ffff 0028 0d18", "07 2000 2c00"},
        {"06 0100 ffff 0028 000102030405060708090a0b0c0d0e0f", "07 5000 5900"},
        {"06 0100 ffff 0028 fb349b5f8000008000100000 0d180000", "07 2000 2c00"},
        {"06 0100 ffff 0028 0018", "07 0100 0700"},
        {"06 0100 ffff 0128 3412", "07 4000 4100"},
        {"06 2000 2000 0028 0d18", "07 2000 2c00"}, /* its group may end behind the range */
        {"06 0100 1f00 0028 0d18", "01 06 0100 0a"},
        {"06 2100 ffff 0028 0d18", "01 06 2100 0a"},
        {"06 0100 ffff 0128 0d18", "01 06 0100 0a"}, /* no secondary one */
        {"06 0100 ffff 0028 3412", "01 06 0100 0a"},
        {"06 0100 ffff 0028", "01 06 0100 0a"},
        {"06 0100 ffff 0028 0d", "01 06 0100 0a"},
        {"06 0100 ffff 0028 0d180000", "01 06 0100 0a"},
        {"06 0000 ffff 0028 0d18", "01 06 0000 01"},
        {"06 0200 0100 0028 0d18", "01 06 0200 01"},
        {"06 0200 0100 00", "01 06 0000 04"},
    };

    CHECK_ROWS(A, rows);
}
END_TEST

/* Any type may be asked for; what the client may not read is not found by its value. */
START_TEST(find_by_type_value_looks_at_readable_values_only)
{
    static const struct row rows[] = {
        {"06 0100 ffff 372a 0102", "07 2200 2200"},
        {"06 0100 ffff 0229 0000", "07 0b00 0b00 2300 2300 5300 5300 5600 5600"},
        {"06 0100 ffff 0129 616263", "07 2a00 2a00"},
        {"06 0100 ffff 192a 64", "07 3800 3800"},
        {"06 0100 ffff 192a 61", "01 06 0100 0a"},        /* would need the application */
        {"06 0100 ffff 1b2a 01", "01 06 0100 0a"},        /* not readable */
        {"06 0100 ffff 1c2a 01", "01 06 0100 0a"},        /* not on this link */
        {"06 2000 ffff 0328 7e2200372a", "07 2100 2300"}, /* the characteristic, to its end */
        {"06 2000 ffff 0328 021a002a2b", "01 06 2000 0a"},
    };

    CHECK_ROWS(A, rows);
    told("");
    client(A)->security = (struct bl_gatt_security){.encrypted = true, .key_size = 16};
    check(A, "06 0100 ffff 1c2a 01", "07 5200 5200");
}
END_TEST

START_TEST(a_group_ends_before_the_next_characteristic_or_with_its_service)
{
    static const struct row rows[] = {
        {"06 3000 ffff 0328 023800192a", "07 3700 3800"},
        {"06 5000 ffff 0328 0258001e2a", "07 5700 5900"},
        {"06 3000 ffff 0328 023400 1a2a", "07 3300 3400"},
    };

    CHECK_ROWS(A, rows);
}
END_TEST

START_TEST(find_by_type_value_lists_as_many_as_fit)
{
    for (uint16_t i = 0; i < 8; i++)
        add_service((uint16_t)(0x100 + 0x10 * i), 0xfeed);
    check(A, "06 0100 ffff 0028 edfe", "07 0001 0301 1001 1301 2001 2301 3001 3301 4001 4301");
    mtu(A, 24);
    check(A, "06 0100 ffff 0028 edfe", "07 0001 0301 1001 1301 2001 2301 3001 3301 4001 4301");
    mtu(A, 25); /* exactly */
    check(A, "06 0100 ffff 0028 edfe",
          "07 0001 0301 1001 1301 2001 2301 3001 3301 4001 4301 5001 5301");
    check(A, "06 4101 ffff 0028 edfe", "07 5001 5301 6001 6301 7001 7301");
}
END_TEST

/* GATT/SR/GAD/BV-01-C */
START_TEST(read_by_group_type_lists_services_of_one_size)
{
    static const struct row rows[] = {
        {"10 0100 ffff 0028", "11 06 0100 0700 0018 0800 1100 0118 2000 2c00 0d18"},
        {"10 2d00 ffff 0028", "11 06 3000 3800 0f18"},
        {"10 3900 ffff 0028", "11 14 5000 5900 000102030405060708090a0b0c0d0e0f"},
        {"10 0100 ffff 0128", "11 06 4000 4100 3412"},
        {"10 0100 ffff fb349b5f800000800010000000280000", "11 06 0100 0700 0018 0800 1100 0118 "
                                                          "2000 2c00 0d18"},
        {"10 2000 2000 0028", "11 06 2000 2c00 0d18"},
    };

    CHECK_ROWS(A, rows);
}
END_TEST

/* GATT/SR/GAD/BI, GATT/SR/GPM */
START_TEST(read_by_group_type_refuses)
{
    static const struct row rows[] = {
        {"10 0000 ffff 0028", "01 10 0000 01"},
        {"10 0200 0100 0028", "01 10 0200 01"},
        {"10 5100 ffff 0028", "01 10 5100 0a"},
        {"10 ffff ffff 0028", "01 10 ffff 0a"},
        {"10 2100 2f00 0028", "01 10 2100 0a"},
        {"10 0100 3f00 0128", "01 10 0100 0a"},
        {"10 0100 ffff 0228", "01 10 0100 10"},
        {"10 0100 ffff 0328", "01 10 0100 10"},
        {"10 0100 ffff 0d18", "01 10 0100 10"},
        {"10 0100 ffff 000102030405060708090a0b0c0d0e0f", "01 10 0100 10"},
        {"10 0100 ffff 00280000", "01 10 0000 04"},
        {"10 0100 ffff 00", "01 10 0000 04"},
    };

    CHECK_ROWS(A, rows);
}
END_TEST

START_TEST(the_last_handle_is_found)
{
    add_service(0xfffc, 0xfeed);
    check(A, "04 fcff ffff", "05 01 fcff 0028 fdff 0328 feff 002a ffff 0229");
    check(A, "04 ffff ffff", "05 01 ffff 0229");
    check(A, "06 fcff ffff 0028 edfe", "07 fcff ffff");
    check(A, "06 ffff ffff 0229 0000", "07 ffff ffff");
    check(A, "10 fcff ffff 0028", "11 06 fcff ffff edfe");
    check(A, "08 feff ffff 0229", "09 04 ffff 0000");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("server_find");
    TCase *t = tcase_create("server_find");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, find_information_lists_types_of_one_size);
    tcase_add_test(t, find_information_refuses_bad_ranges);
    tcase_add_test(t, find_information_fills_what_the_mtu_has);
    tcase_add_test(t, find_by_type_value_finds_services_by_their_uuid);
    tcase_add_test(t, find_by_type_value_looks_at_readable_values_only);
    tcase_add_test(t, a_group_ends_before_the_next_characteristic_or_with_its_service);
    tcase_add_test(t, find_by_type_value_lists_as_many_as_fit);
    tcase_add_test(t, read_by_group_type_lists_services_of_one_size);
    tcase_add_test(t, read_by_group_type_refuses);
    tcase_add_test(t, the_last_handle_is_found);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
