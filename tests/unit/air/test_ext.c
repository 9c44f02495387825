/* SPDX-License-Identifier: MIT */

/* Extended advertising, scanning and initiating, and how they get on with the legacy kind. */

#include "rig.h"

#include <stdio.h>
#include <string.h>

#define SECOND 1000000u

static struct rig *world(unsigned n)
{
    struct bl_air_config config = bl_air_config_default();
    struct rig *r = rig_new(n, &config);

    return r;
}

/* Set `handle`: 100 ms, own random address D0:..:i, these properties and PHYs. */
static void set_up(struct rig *r, unsigned i, unsigned handle, unsigned props, unsigned phys)
{
    rig_ok(r, i, 0x2036,
           "%02x %02x 00 a0 00 00 a0 00 00 07 01 00 00 00 00 00 00 00 00 7f %02x 00 %02x 05 01",
           handle, props, phys >> 4, phys & 15);
    rig_ok(r, i, 0x2035, "%02x %02x 00 00 00 00 d0", handle, i);
}

static void enable(struct rig *r, unsigned i, unsigned handle, unsigned duration, unsigned events)
{
    rig_ok(r, i, 0x2039, "01 01 %02x %02x %02x %02x", handle, duration & 255, duration >> 8,
           events);
}

static void scan(struct rig *r, unsigned i, unsigned active, unsigned dedupe, unsigned duration,
                 unsigned period)
{
    rig_ok(r, i, 0x2041, "01 00 01 %02x 60 00 60 00", active);
    rig_ok(r, i, 0x2042, "01 %02x %02x %02x %02x %02x", dedupe, duration & 255, duration >> 8,
           period & 255, period >> 8);
}

START_TEST(extended_report_has_phys_sid_and_data)
{
    struct rig *r = world(2);

    set_up(r, 0, 1, 0x00, 0x12);
    rig_ok(r, 0, 0x2037, "01 03 01 04 03 ff 34 12");
    enable(r, 0, 1, 0, 0);
    scan(r, 1, 0, 0, 0, 0);
    const uint8_t *e = rig_wait(r, 1, 0x3e, 0x0d, SECOND);
    static const uint8_t want[] = {1, 0, 0, 1, 0, 0, 0, 0, 0, 0xd0, 1, 2, 5, 0x7f, 0xc4};
    ck_assert_mem_eq(e, want, sizeof(want));
    ck_assert_uint_eq(e[24], 4);
    ck_assert_uint_eq(e[26], 0xff);
    rig_free(r);
}
END_TEST

START_TEST(long_data_comes_in_several_reports_and_is_whole)
{
    struct rig *r = world(2);
    uint8_t data[1650], got[1650];
    size_t n = 0;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7);
    set_up(r, 0, 0, 0x00, 0x11);
    for (size_t at = 0; at < sizeof(data); at += 240) {
        char hex[600] = "";
        size_t len = sizeof(data) - at < 240 ? sizeof(data) - at : 240;
        for (size_t k = 0; k < len; k++)
            snprintf(hex + 2 * k, 3, "%02x", data[at + k]);
        rig_ok(r, 0, 0x2037, "00 %02x 00 %02x %s",
               at == 0            ? 1
               : at + len == 1650 ? 2
                                  : 0,
               (unsigned)len, hex);
    }
    enable(r, 0, 0, 0, 0);
    scan(r, 1, 0, 0, 0, 0);
    for (;;) {
        const uint8_t *e = rig_wait(r, 1, 0x3e, 0x0d, SECOND);
        ck_assert_uint_le(n + e[24], sizeof(got));
        memcpy(got + n, e + 25, e[24]);
        n += e[24];
        if (!(e[1] & 0x60))
            break;
        ck_assert_uint_eq(e[1] & 0x60, 0x20);
    }
    ck_assert_uint_eq(n, sizeof(data));
    ck_assert_mem_eq(got, data, sizeof(data));
    rig_free(r);
}
END_TEST

START_TEST(legacy_scanner_does_not_hear_extended_pdus_and_hears_legacy_ones_of_a_set)
{
    struct rig *r = world(2);

    set_up(r, 0, 0, 0x00, 0x11);
    enable(r, 0, 0, 0, 0);
    rig_ok(r, 1, 0x200b, "00 60 00 60 00 01 00");
    rig_ok(r, 1, 0x200c, "01 00");
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x02, SECOND), 0);
    set_up(r, 0, 1, 0x13, 0x11);
    enable(r, 0, 1, 0, 0);
    ck_assert_uint_eq(rig_wait(r, 1, 0x3e, 0x02, SECOND)[1], 0);
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x0d, 0), 0);
    rig_free(r);
}
END_TEST

START_TEST(extended_scanner_hears_legacy_pdus_with_the_legacy_bit)
{
    struct rig *r = world(2);

    rig_ok(r, 0, 0x2006, "a0 00 a0 00 00 01 00 00 00 00 00 00 00 07 00");
    rig_ok(r, 0, 0x2009,
           "03 02 ff 99 00 00000000 00000000 00000000 00000000 00000000 00000000 000000");
    rig_ok(r, 0, 0x200a, "01");
    scan(r, 1, 1, 0, 0, 0);
    const uint8_t *e = rig_wait(r, 1, 0x3e, 0x0d, SECOND);
    ck_assert_uint_eq(rig_u16(e + 1), 0x13);
    ck_assert_uint_eq(e[11], 0);    /* no secondary PHY */
    ck_assert_uint_eq(e[12], 0xff); /* no SID */
    e = rig_wait(r, 1, 0x3e, 0x0d, 0);
    ck_assert_uint_eq(rig_u16(e + 1), 0x1b);
    ck_assert_uint_eq(e[24], 3);
    rig_free(r);
}
END_TEST

START_TEST(legacy_and_extended_commands_do_not_mix)
{
    struct rig *r = world(1);

    set_up(r, 0, 0, 0x13, 0x11);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x200b, "00 60 00 60 00 01 00"), 0x0c);
    rig_violations(r, 1, "legacy and extended");
    rig_ok(r, 0, 0x0c03, "%s", "");
    rig_ok(r, 0, 0x200b, "00 60 00 60 00 01 00");
    ck_assert_uint_eq(rig_cmd(r, 0, 0x203b, "%s", ""), 0x0c);
    rig_violations(r, 1, "legacy and extended");
    rig_free(r);
}
END_TEST

START_TEST(duration_and_event_limit_end_a_set)
{
    struct rig *r = world(1);

    set_up(r, 0, 2, 0x13, 0x11);
    enable(r, 0, 2, 50, 0);
    uint64_t start = r->now;
    const uint8_t *e = rig_wait(r, 0, 0x3e, 0x12, SECOND);
    ck_assert_uint_eq(e[0], 0x3c);
    ck_assert_uint_eq(e[1], 2);
    ck_assert_uint_eq(r->now - start, 500000);
    enable(r, 0, 2, 0, 3);
    e = rig_wait(r, 0, 0x3e, 0x12, SECOND);
    ck_assert_uint_eq(e[0], 0x43);
    ck_assert_uint_eq(e[4], 3);
    ck_assert_uint_eq(rig_count(r, 0, 0x3e, 0x12, SECOND), 0);
    rig_free(r);
}
END_TEST

START_TEST(connecting_terminates_the_set_and_leaves_the_others)
{
    struct rig *r = world(3);

    set_up(r, 0, 0, 0x01, 0x12);
    set_up(r, 0, 1, 0x00, 0x11);
    enable(r, 0, 0, 0, 0);
    enable(r, 0, 1, 0, 0);
    rig_ok(r, 1, 0x2043,
           "00 01 01 00 00 00 00 00 d0 01 60 00 60 00 18 00 18 00 00 00 90 01 00 00 00 00");
    const uint8_t *e = rig_wait(r, 1, 0x3e, 0x0a, SECOND);
    ck_assert_uint_eq(e[0], 0);
    uint16_t central = rig_u16(e + 1);
    e = rig_wait(r, 1, 0x3e, 0x14, 0);
    ck_assert_uint_eq(e[2], 1); /* algorithm #2 */
    e = rig_wait(r, 0, 0x3e, 0x0a, 0);
    uint16_t handle = rig_u16(e + 1);
    e = rig_wait(r, 0, 0x3e, 0x12, 0);
    ck_assert_uint_eq(e[0], 0);
    ck_assert_uint_eq(e[1], 0);
    ck_assert_uint_eq(rig_u16(e + 2), handle);
    rig_ok(r, 1, 0x2030, "%02x %02x", central & 255, central >> 8);
    ck_assert_uint_eq(r->ret[2], 2); /* the secondary PHY */
    scan(r, 2, 0, 0, 0, 0);
    ck_assert_uint_ge(rig_count(r, 2, 0x3e, 0x0d, SECOND), 8);
    rig_free(r);
}
END_TEST

START_TEST(scan_duration_ends_in_scan_timeout)
{
    struct rig *r = world(2);

    set_up(r, 0, 0, 0x13, 0x11);
    enable(r, 0, 0, 0, 0);
    scan(r, 1, 0, 0, 30, 0);
    uint64_t start = r->now;
    rig_wait(r, 1, 0x3e, 0x11, SECOND);
    ck_assert_uint_eq(r->now - start, 300000);
    rig_forget(r);
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x0d, SECOND), 0);
    rig_free(r);
}
END_TEST

START_TEST(scan_period_repeats_and_forgets_duplicates)
{
    struct rig *r = world(2);

    set_up(r, 0, 0, 0x10, 0x11);
    enable(r, 0, 0, 0, 0);
    scan(r, 1, 0, 2, 60, 1); /* 600 ms of each 1.28 s */
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x0d, 1280000 * 5 - 1), 5);
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x11, 0), 0);
    ck_assert_uint_eq(rig_cmd(r, 1, 0x2042, "01 00 80 00 01 00"), 0x12);
    rig_violations(r, 1, "out of range");
    rig_free(r);
}
END_TEST

START_TEST(scannable_set_answers_scan_requests_and_tells_its_host)
{
    struct rig *r = world(2);
    static const uint8_t scanner[] = {0, 1, 1, 0, 0, 0, 0, 0xc0};

    set_up(r, 0, 0, 0x02, 0x11);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x2039, "01 01 00 00 00 00"), 0x0c);
    rig_violations(r, 1, "without scan response");
    rig_ok(r, 0, 0x2038, "00 03 00 02 01 06");
    enable(r, 0, 0, 0, 0);
    scan(r, 1, 1, 0, 0, 0);
    const uint8_t *e = rig_wait(r, 1, 0x3e, 0x0d, SECOND);
    ck_assert_uint_eq(rig_u16(e + 1), 0x02);
    e = rig_wait(r, 1, 0x3e, 0x0d, 0);
    ck_assert_uint_eq(rig_u16(e + 1), 0x0a);
    ck_assert_uint_eq(e[24], 2);
    e = rig_wait(r, 0, 0x3e, 0x13, 0);
    ck_assert_mem_eq(e, scanner, sizeof(scanner));
    rig_free(r);
}
END_TEST

START_TEST(new_data_gets_past_the_duplicate_filter)
{
    struct rig *r = world(2);

    set_up(r, 0, 0, 0x00, 0x11);
    rig_ok(r, 0, 0x2037, "00 03 01 01 00");
    enable(r, 0, 0, 0, 0);
    scan(r, 1, 0, 1, 0, 0);
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x0d, SECOND), 1);
    rig_ok(r, 0, 0x2037, "00 03 01 01 55");
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x0d, SECOND), 1);
    rig_free(r);
}
END_TEST

START_TEST(sets_have_their_limits_and_states)
{
    struct rig *r = world(1);

    for (unsigned i = 0; i < 4; i++)
        set_up(r, 0, i, 0x13, 0x11);
    ck_assert_uint_eq(
        rig_cmd(r, 0, 0x2036,
                "04 13 00 a0 00 00 a0 00 00 07 01 00 00000000 0000 00 7f 01 00 01 00 00"),
        0x07);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x2039, "01 01 09 00 00 00"), 0x42);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x203c, "09"), 0x42);
    enable(r, 0, 0, 0, 0);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x203c, "00"), 0x0c);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x203d, "%s", ""), 0x0c);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x2037, "00 01 00 01 00"), 0x0c);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x2035, "00 00 00 00 00 00 c1"), 0x0c);
    rig_violations(r, 4, "random address of a connectable set");
    rig_ok(r, 0, 0x2039, "00 00");
    rig_ok(r, 0, 0x203d, "%s", "");
    ck_assert_uint_eq(rig_cmd(r, 0, 0x2037, "00 03 00 01 00"), 0x42);
    rig_free(r);
}
END_TEST

START_TEST(properties_that_do_not_exist_are_refused)
{
    struct rig *r = world(1);
    static const unsigned bad[] = {0x03, 0x0c, 0x21, 0x11, 0x14, 0x1f, 0x80};

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_uint_eq(rig_cmd(r, 0, 0x2036,
                                  "00 %02x 00 a0 00 00 a0 00 00 07 01 00 00000000 0000 00 7f 01 00 "
                                  "01 00 00",
                                  bad[i]),
                          0x12);
    rig_violations(r, 7, "out of range");
    rig_free(r);
}
END_TEST

START_TEST(coded_advertising_is_heard_by_coded_scanners_alone)
{
    struct rig *r = world(3);

    set_up(r, 0, 0, 0x00, 0x33);
    enable(r, 0, 0, 0, 0);
    scan(r, 1, 0, 0, 0, 0);
    rig_ok(r, 2, 0x2041, "01 00 05 00 60 00 30 00 00 60 00 30 00");
    rig_ok(r, 2, 0x2042, "01 00 00 00 00 00");
    const uint8_t *e = rig_wait(r, 2, 0x3e, 0x0d, SECOND);
    ck_assert_uint_eq(e[10], 3);
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x0d, SECOND), 0);
    rig_free(r);
}
END_TEST

START_TEST(anonymous_and_directed_sets_say_so)
{
    struct rig *r = world(2);

    set_up(r, 0, 0, 0x20, 0x11);
    enable(r, 0, 0, 0, 0);
    scan(r, 1, 0, 0, 0, 0);
    ck_assert_uint_eq(rig_wait(r, 1, 0x3e, 0x0d, SECOND)[3], 0xff);
    rig_ok(r, 0, 0x2039, "00 01 00 00 00 00");
    rig_forget(r);
    rig_ok(r, 0, 0x2036,
           "01 05 00 a0 00 00 a0 00 00 07 01 01 01 00 00 00 00 c0 00 7f 01 00 01 00 00");
    rig_ok(r, 0, 0x2035, "01 00 00 00 00 00 d1");
    enable(r, 0, 1, 0, 0);
    const uint8_t *e = rig_wait(r, 1, 0x3e, 0x0d, SECOND);
    static const uint8_t me[] = {1, 1, 0, 0, 0, 0, 0xc0};
    ck_assert_uint_eq(rig_u16(e + 1), 0x05);
    ck_assert_mem_eq(e + 17, me, sizeof(me));
    rig_free(r);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        extended_report_has_phys_sid_and_data,
        long_data_comes_in_several_reports_and_is_whole,
        legacy_scanner_does_not_hear_extended_pdus_and_hears_legacy_ones_of_a_set,
        extended_scanner_hears_legacy_pdus_with_the_legacy_bit,
        legacy_and_extended_commands_do_not_mix,
        duration_and_event_limit_end_a_set,
        connecting_terminates_the_set_and_leaves_the_others,
        scan_duration_ends_in_scan_timeout,
        scan_period_repeats_and_forgets_duplicates,
        scannable_set_answers_scan_requests_and_tells_its_host,
        new_data_gets_past_the_duplicate_filter,
        sets_have_their_limits_and_states,
        properties_that_do_not_exist_are_refused,
        coded_advertising_is_heard_by_coded_scanners_alone,
        anonymous_and_directed_sets_say_so,
    };

    return rig_main("air/ext", tests, sizeof(tests) / sizeof(tests[0]));
}
