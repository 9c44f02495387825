/* SPDX-License-Identifier: MIT */
/* log: a flood of one kind is cut and counted, other kinds and later times are not. */
#include "base/cleanup.h"
#include "log.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char printed[65536];

/* What fn writes to standard error. */
static const char *printed_by(void (*fn)(void))
{
    int pipes[2], saved = dup(STDERR_FILENO);
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_ge(dup2(pipes[1], STDERR_FILENO), 0);
    close(pipes[1]);
    fn();
    ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
    close(saved);
    size_t n = 0;
    ssize_t got;
    while ((got = read(pipes[0], printed + n, sizeof(printed) - 1 - n)) > 0)
        n += (size_t)got;
    close(pipes[0]);
    printed[n] = '\0';
    return printed;
}

START_TEST(a_kind_is_cut_after_its_burst_and_told_in_the_next_window)
{
    struct log_limit l = {0};
    uint32_t held;
    char text[32];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "event 0x%02d is short", i);
        ck_assert_int_eq(log_limit_pass(&l, 5, text, &held), i < LOG_BURST);
        ck_assert_uint_eq(held, 0);
    }
    ck_assert(!log_limit_pass(&l, 5 + LOG_WINDOW_US - 1, "event 0x7 is short", &held));
    ck_assert(log_limit_pass(&l, 5 + LOG_WINDOW_US, "event 0x7 is short", &held));
    ck_assert_uint_eq(held, 100 - LOG_BURST + 1);
    ck_assert(log_limit_pass(&l, 5 + LOG_WINDOW_US, "event 0x8 is short", &held));
    ck_assert_uint_eq(held, 0);
}
END_TEST

START_TEST(another_kind_passes_during_a_flood)
{
    struct log_limit l = {0};
    uint32_t held;
    for (int i = 0; i < 100; i++)
        log_limit_pass(&l, 0, "a flood", &held);
    ck_assert(log_limit_pass(&l, 0, "something else", &held));
}
END_TEST

START_TEST(inventing_kinds_does_not_help)
{
    struct log_limit l = {0};
    uint32_t held;
    unsigned passed = 0;
    for (unsigned i = 0; i < 100000; i++) {
        const char text[] = {(char)('a' + i % 26), (char)('a' + i / 26 % 26),
                             (char)('a' + i / 676 % 26), '\0'};
        passed += log_limit_pass(&l, 0, text, &held);
    }
    ck_assert_uint_le(passed, LOG_KINDS * LOG_BURST);
}
END_TEST

static void say_hostile(void)
{
    log_msg(LOG_WARN, "hci0", "name \n\x1b[2J%s", "x");
}

static void say_flood(void)
{
    for (int i = 0; i < 1000; i++)
        log_msg(LOG_WARN, NULL, "packet %d lost", i);
}

START_TEST(a_line_is_one_line_without_control_characters)
{
    log_open();
    ck_assert_str_eq(printed_by(say_hostile), "bled: hci0: name ??[2Jx\n");
}
END_TEST

START_TEST(a_flood_is_ten_lines)
{
    log_open();
    const char *p = printed_by(say_flood);
    int lines = 0;
    for (; *p; p++)
        lines += *p == '\n';
    ck_assert_int_eq(lines, LOG_BURST);
}
END_TEST

static void say_all_levels(void)
{
    log_msg(LOG_ERROR, NULL, "e");
    log_msg(LOG_WARN, NULL, "w");
    log_msg(LOG_INFORM, NULL, "i");
    log_msg(LOG_TRACE, NULL, "d");
}

START_TEST(the_level_chooses)
{
    log_open();
    ck_assert_int_eq(log_set_level("warning"), 0);
    ck_assert_str_eq(log_get_level(), "warning");
    ck_assert_str_eq(printed_by(say_all_levels), "bled: e\nbled: w\n");
    ck_assert_int_eq(log_set_level("debug"), 0);
    ck_assert_str_eq(printed_by(say_all_levels), "bled: e\nbled: w\nbled: i\nbled: d\n");
    ck_assert_int_eq(log_set_level("verbose"), -EINVAL);
    ck_assert_str_eq(log_get_level(), "debug");
    ck_assert_int_eq(log_set_target("null"), 0);
    ck_assert_str_eq(printed_by(say_all_levels), "");
    ck_assert_int_eq(log_set_target("auto"), 0);
    ck_assert_int_eq(log_set_target("kmsg"), -EINVAL);
    ck_assert_str_eq(log_get_target(), "console");
}
END_TEST

static void say_to_journal(void)
{
    struct stat st;
    char stream[64];
    ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open();
    log_msg(LOG_WARN, "hci1", "w");
    setenv("JOURNAL_STREAM", "1:1", 1);
    log_open();
    log_msg(LOG_WARN, "hci1", "w");
}

START_TEST(the_journal_gets_levels)
{
    ck_assert_str_eq(printed_by(say_to_journal), "<4>hci1: w\nbled: hci1: w\n");
}
END_TEST

START_TEST(a_reader_that_hangs_costs_lines_and_no_time)
{
    int pipes[2], saved = dup(STDERR_FILENO);
    size_t n = 0;
    ssize_t got;
    log_open();
    log_set_level("debug");
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_ge(dup2(pipes[1], STDERR_FILENO), 0);
    for (int i = 0; i < 10000; i++)
        log_msg(LOG_TRACE, NULL, "line %d", i); /* would wait for ever */
    ck_assert_int_eq(fcntl(pipes[0], F_SETFL, O_NONBLOCK), 0);
    while ((got = read(pipes[0], printed, sizeof(printed))) > 0)
        n += (size_t)got;
    ck_assert_uint_gt(n, 4096);
    log_msg(LOG_TRACE, NULL, "again");
    ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
    got = read(pipes[0], printed, sizeof(printed) - 1);
    ck_assert_int_gt(got, 0);
    printed[got] = '\0';
    ck_assert_ptr_nonnull(strstr(printed, "bled: again\n"));
    ck_assert_ptr_nonnull(strstr(printed, "lines of this log were lost"));
    close(saved);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("daemon/log");
    TCase *c = tcase_create("log");
    tcase_add_test(c, a_kind_is_cut_after_its_burst_and_told_in_the_next_window);
    tcase_add_test(c, another_kind_passes_during_a_flood);
    tcase_add_test(c, inventing_kinds_does_not_help);
    tcase_add_test(c, a_line_is_one_line_without_control_characters);
    tcase_add_test(c, a_flood_is_ten_lines);
    tcase_add_test(c, the_level_chooses);
    tcase_add_test(c, the_journal_gets_levels);
    tcase_add_test(c, a_reader_that_hangs_costs_lines_and_no_time);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
