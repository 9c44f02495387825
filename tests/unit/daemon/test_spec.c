/* SPDX-License-Identifier: MIT */
/* spec: what names an adapter, what does not, and which objects' names follow. */
#include "base/cleanup.h"
#include "spec.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct spec parsed(const char *text)
{
    struct spec s;
    const char *why;
    ck_assert_msg(spec_parse(text, &s, &why) == 0, "%s: %s", text, why);
    ck_assert_str_eq(s.text, text);
    return s;
}

START_TEST(good_specs)
{
    struct spec s = parsed("hci0");
    ck_assert_int_eq(s.kind, SPEC_HCI);
    ck_assert_uint_eq(s.index, 0);
    ck_assert_uint_eq(parsed("hci65534").index, 65534);
    s = parsed("unix:/run/a:b,c/hci0");
    ck_assert_int_eq(s.kind, SPEC_UNIX);
    ck_assert_str_eq(s.path, "/run/a:b,c/hci0");
    s = parsed("tcp:example.org:7000");
    ck_assert_int_eq(s.kind, SPEC_TCP);
    ck_assert_str_eq(s.host, "example.org");
    ck_assert_uint_eq(s.port, 7000);
    s = parsed("tcp:[fe80::1]:1");
    ck_assert_str_eq(s.host, "fe80::1");
    s = parsed("tty:/dev/ttyS0");
    ck_assert_int_eq(s.kind, SPEC_TTY);
    ck_assert_str_eq(s.path, "/dev/ttyS0");
    ck_assert_uint_eq(s.baud, 115200);
    ck_assert_uint_eq(parsed("tty:/dev/ttyS0,1000000").baud, 1000000);
}
END_TEST

START_TEST(bad_specs_say_why)
{
    char long_path[200] = "unix:/", long_text[600] = "tcp:";
    memset(long_path + 6, 'a', 150);
    memset(long_text + 4, 'a', 500);
    const char *const bad[] = {
        "",
        "hci",
        "hci-1",
        "hci00",
        "hci07",
        "hci0x1",
        "hci 1",
        "hci65535",
        "hci99999999999",
        "HCI0",
        "unix:",
        long_path,
        "tcp:",
        "tcp:host",
        "tcp:host:",
        "tcp::1",
        "tcp:host:0",
        "tcp:host:65536",
        "tcp:h:1x",
        "tcp:::1:80",
        "tcp:[::1:80",
        long_text,
        "tty:",
        "tty:ttyS0",
        "tty:/dev/a,",
        "tty:/dev/a,0",
        "tty:/dev/a,x",
        "tty:/dev/a,4000001",
        "tty:/dev/a,12345",
        "usb:1",
        "/dev/ttyS0",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct spec s = {.index = 4711};
        const char *why = NULL;
        ck_assert_msg(spec_parse(bad[i], &s, &why) == -EINVAL, "'%s' was taken", bad[i]);
        ck_assert_ptr_nonnull(why);
        ck_assert_uint_gt(strlen(why), 10);
        ck_assert_uint_eq(s.index, 4711);
    }
}
END_TEST

START_TEST(names_are_the_kernels_numbers_else_the_first_free_ones)
{
    struct spec s[] = {parsed("unix:/a"), parsed("hci1"),       parsed("unix:/b"),
                       parsed("hci0"),    parsed("tty:/dev/x"), parsed("hci3")};
    static const char *const names[] = {"hci2", "hci1", "hci4", "hci0", "hci5", "hci3"};
    size_t again;
    ck_assert_int_eq(spec_name_all(s, ARRAY_LEN(s), &again), 0);
    for (size_t i = 0; i < ARRAY_LEN(s); i++)
        ck_assert_str_eq(s[i].name, names[i]);
}
END_TEST

START_TEST(one_controller_is_not_taken_twice)
{
    struct spec s[] = {parsed("hci1"), parsed("unix:/a"), parsed("unix:/b"), parsed("unix:/a")};
    size_t again = 0;
    ck_assert_int_eq(spec_name_all(s, ARRAY_LEN(s), &again), -EEXIST);
    ck_assert_uint_eq(again, 3);
    /* Another rate is the same line. */
    struct spec lines[] = {parsed("tty:/dev/a"), parsed("tty:/dev/a,9600")};
    ck_assert_int_eq(spec_name_all(lines, 2, &again), -EEXIST);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("daemon/spec");
    TCase *c = tcase_create("spec");
    tcase_add_test(c, good_specs);
    tcase_add_test(c, bad_specs_say_why);
    tcase_add_test(c, names_are_the_kernels_numbers_else_the_first_free_ones);
    tcase_add_test(c, one_controller_is_not_taken_twice);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
