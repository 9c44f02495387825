/* SPDX-License-Identifier: MIT */

/* The names of errors: complete, unique, legal on the bus, and the same in the documentation. */

#include "error.h"

#include "base/cleanup.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool named(bl_status status)
{
    char buf[BUS_ERROR_NAME_LEN];
    return strstr(bus_error_name(status, buf), "Unknown") == NULL || status == 0x101 ||
           status == 0x102 || status == 0x119 || status == 0x142;
}

static void check_range(unsigned first, unsigned last)
{
    for (unsigned s = first; s <= last; s++)
        ck_assert_msg(named((bl_status)s), "status 0x%03x has no name", s);
}

START_TEST(every_code_of_the_specification_has_a_name)
{
    check_range(0x01, 0x13); /* Core 5.4, Vol 3, Part F, 3.4.1.1 */
    check_range(0x80, 0x9f);
    check_range(0xe0, 0xff);
    check_range(0x101, 0x12a); /* Core 5.4, Vol 1, Part F, 1.3 */
    check_range(0x12c, 0x130);
    check_range(0x132, 0x132);
    check_range(0x134, 0x13e);
    check_range(0x140, 0x145);
    check_range(0x201, 0x210); /* Core 5.4, Vol 3, Part H, 3.5.5 */
    check_range(0x302, 0x302); /* Core 5.4, Vol 3, Part A, 4.23, 4.26 */
    check_range(0x304, 0x30f);
    check_range(0x401, 0x407);
}
END_TEST

START_TEST(names_are_unique_and_legal)
{
    static char names[0x500][BUS_ERROR_NAME_LEN];
    for (unsigned s = 1; s < 0x500; s++) {
        char buf[BUS_ERROR_NAME_LEN];
        strcpy(names[s], bus_error_name((bl_status)s, buf));
        ck_assert_msg(sd_bus_interface_name_is_valid(names[s]) > 0, "%s", names[s]);
        size_t n = strlen(names[s]);
        if (s != 0x0e)
            ck_assert_msg(n < 5 || strcmp(names[s] + n - 5, "Error") != 0, "%s", names[s]);
        for (unsigned t = 1; t < s; t++)
            ck_assert_msg(strcmp(names[s], names[t]) != 0, "%s twice", names[s]);
    }
}
END_TEST

START_TEST(names_are_those_that_the_contract_gives)
{
    char buf[BUS_ERROR_NAME_LEN];
    ck_assert_str_eq(bus_error_name(0x02, buf), "org.bled.Error.Att.ReadNotPermitted");
    ck_assert_str_eq(bus_error_name(0x0e, buf), "org.bled.Error.Att.UnlikelyError");
    ck_assert_str_eq(bus_error_name(0x80, buf), "org.bled.Error.Att.Application80");
    ck_assert_str_eq(bus_error_name(0x9f, buf), "org.bled.Error.Att.Application9F");
    ck_assert_str_eq(bus_error_name(0xe0, buf), "org.bled.Error.Att.CommonE0");
    ck_assert_str_eq(bus_error_name(0xff, buf), "org.bled.Error.Att.CommonFF");
    ck_assert_str_eq(bus_error_name(0x7b, buf), "org.bled.Error.Att.Unknown7B");
    ck_assert_str_eq(bus_error_name(0x108, buf), "org.bled.Error.Hci.ConnectionTimeout");
    ck_assert_str_eq(bus_error_name(0x11f, buf), "org.bled.Error.Hci.Unspecified");
    ck_assert_str_eq(bus_error_name(0x17b, buf), "org.bled.Error.Hci.Unknown7B");
    ck_assert_str_eq(bus_error_name(0x201, buf), "org.bled.Error.Smp.PasskeyEntryFailed");
    ck_assert_str_eq(bus_error_name(0x302, buf), "org.bled.Error.L2cap.SpsmNotSupported");
    ck_assert_str_eq(bus_error_name(BL_TIMEOUT, buf), "org.bled.Error.Timeout");
    ck_assert_str_eq(bus_error_name(BL_CANCELED, buf), "org.bled.Error.Canceled");
}
END_TEST

START_TEST(message_names_what_failed_and_the_code)
{
    _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
    ck_assert_int_lt(bus_error_status(&e, 0x13e, "connecting to %s", "C0:11:22:33:44:55"), 0);
    ck_assert_str_eq(e.name, "org.bled.Error.Hci.ConnectionFailedToBeEstablished");
    ck_assert_ptr_nonnull(strstr(e.message, "connecting to C0:11:22:33:44:55: "));
    ck_assert_ptr_nonnull(strstr(e.message, "(HCI error 0x3e)."));
}
END_TEST

START_TEST(refusals_of_the_stack_have_the_documented_names)
{
    static const struct {
        int r;
        const char *name;
    } rows[] = {
        {-EINVAL, "org.freedesktop.DBus.Error.InvalidArgs"},
        {-EMSGSIZE, "org.freedesktop.DBus.Error.InvalidArgs"},
        {-ENETDOWN, "org.bled.Error.NotActive"},
        {-ENOTCONN, "org.bled.Error.NotConnected"},
        {-EALREADY, "org.bled.Error.AlreadyConnected"},
        {-ENOENT, "org.bled.Error.NotFound"},
        {-EBUSY, "org.bled.Error.Busy"},
        {-EOPNOTSUPP, "org.bled.Error.NotSupported"},
        {-ENOMEM, "org.freedesktop.DBus.Error.NoMemory"},
        {-EXDEV, "org.freedesktop.DBus.Error.Failed"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        ck_assert_int_eq(bus_error_errno(&e, rows[i].r, "it"), rows[i].r);
        ck_assert_str_eq(e.name, rows[i].name);
    }
}
END_TEST

/* BLED_ERROR_XML is interfaces/org.bled.Error.xml: <error name="..." status="0x13e">. */
static const struct {
    const char *text, *trimmed;
} CUT[] = {
    {"", ""},
    {"x", "x"},
    {"x\xc3\xa9", "x\xc3\xa9"},
    {"x\xc3", "x"},
    {"\xe2\x82", ""},
    {"\xe2\x82\xac", "\xe2\x82\xac"},
    {"\xe2\x82\xac\xe2", "\xe2\x82\xac"},
    {"a\xf0\x9f\x98", "a"},
    {"a\xf0\x9f\x98\x80", "a\xf0\x9f\x98\x80"},
};

START_TEST(a_cut_text_ends_with_a_character)
{
    char text[16];

    strcpy(text, CUT[_i].text);
    bus_text_trim(text);
    ck_assert_str_eq(text, CUT[_i].trimmed);
}
END_TEST

START_TEST(documentation_has_the_whole_table_and_nothing_else)
{
    char line[512], name[BUS_ERROR_NAME_LEN], buf[BUS_ERROR_NAME_LEN];
    unsigned status, found = 0, expected = 0;
    FILE *f = fopen(BLED_ERROR_XML, "re");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f)) {
        const char *at = strstr(line, "<error name=\"");
        if (!at || sscanf(at, "<error name=\"%95[^\"]\" status=\"0x%x\"", name, &status) != 2)
            continue;
        ck_assert_str_eq(name, bus_error_name((bl_status)status, buf));
        ck_assert_msg(strstr(line, bus_error_text((bl_status)status)) != NULL, "%s", line);
        found++;
    }
    fclose(f);
    for (unsigned s = 1; s < 0x500; s++)
        expected += named((bl_status)s);
    ck_assert_uint_eq(found, expected);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("error");
    TCase *t = tcase_create("error");
    tcase_add_test(t, every_code_of_the_specification_has_a_name);
    tcase_add_test(t, names_are_unique_and_legal);
    tcase_add_test(t, names_are_those_that_the_contract_gives);
    tcase_add_test(t, message_names_what_failed_and_the_code);
    tcase_add_test(t, refusals_of_the_stack_have_the_documented_names);
    tcase_add_loop_test(t, a_cut_text_ends_with_a_character, 0, ARRAY_LEN(CUT));
    tcase_add_test(t, documentation_has_the_whole_table_and_nothing_else);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
