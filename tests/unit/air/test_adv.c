/* SPDX-License-Identifier: MIT */

/* Legacy advertising and scanning. */

#include "rig.h"

#include <string.h>

#define SECOND 1000000u

/* Advertising parameters: interval in ms/0.625, type, channel map 7, filter policy. */
static void advertise(struct rig *r, unsigned i, unsigned interval, unsigned type, unsigned policy)
{
    rig_ok(r, i, 0x2006, "%02x %02x %02x %02x %02x 01 00 00 00 00 00 00 00 07 %02x", interval & 255,
           interval >> 8, interval & 255, interval >> 8, type, policy);
    rig_ok(r, i, 0x2008,
           "05 02 01 06 01 %02x 00000000 00000000 00000000 00000000 00000000 00000000 0000", i);
    rig_ok(r, i, 0x2009,
           "03 02 ff 99 00 00000000 00000000 00000000 00000000 00000000 00000000 000000");
    rig_ok(r, i, 0x200a, "01");
}

static void scan(struct rig *r, unsigned i, unsigned active, unsigned interval, unsigned window,
                 unsigned policy, unsigned dedupe)
{
    rig_ok(r, i, 0x200b, "%02x %02x %02x %02x %02x 01 %02x", active, interval & 255, interval >> 8,
           window & 255, window >> 8, policy);
    rig_ok(r, i, 0x200c, "01 %02x", dedupe);
}

static struct rig *world(unsigned n)
{
    struct bl_air_config config = bl_air_config_v42();

    return rig_new(n, &config);
}

START_TEST(report_carries_type_address_data_and_rssi)
{
    struct rig *r = world(2);
    static const uint8_t want[] = {1,    0,    1,    0,    0,    0,    0,   0,
                                   0xc0, 0x05, 0x02, 0x01, 0x06, 0x01, 0x00};

    bl_air_set_rssi(r->air, r->now, 0, 1, -55);
    advertise(r, 0, 0xa0, 0, 0);
    scan(r, 1, 0, 0x60, 0x60, 0, 0);
    const uint8_t *e = rig_wait(r, 1, 0x3e, 0x02, SECOND);
    ck_assert_mem_eq(e, want, sizeof(want));
    ck_assert_int_eq((int8_t)e[sizeof(want)], -55);
    rig_free(r);
}
END_TEST

START_TEST(intervals_are_the_hosts_plus_up_to_ten_milliseconds)
{
    struct rig *r = world(2);
    uint64_t last = 0;
    bool differ = false;

    advertise(r, 0, 0xa0, 0, 0);
    scan(r, 1, 0, 0x60, 0x60, 0, 0);
    for (unsigned i = 0; i < 50; i++) {
        rig_wait(r, 1, 0x3e, 0x02, SECOND);
        uint64_t gap = r->now - last;
        if (last) {
            ck_assert_uint_ge(gap, 100000);
            ck_assert_uint_le(gap, 110000);
            differ |= gap != 100000 && gap != 110000;
        }
        last = r->now;
    }
    ck_assert(differ);
    rig_free(r);
}
END_TEST

START_TEST(passive_scan_never_asks_for_the_response)
{
    struct rig *r = world(2);

    advertise(r, 0, 0xa0, 0, 0);
    scan(r, 1, 0, 0x60, 0x60, 0, 0);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_uint_eq(rig_wait(r, 1, 0x3e, 0x02, SECOND)[1], 0);
    rig_free(r);
}
END_TEST

START_TEST(active_scan_hears_the_response_right_after)
{
    struct rig *r = world(2);

    advertise(r, 0, 0xa0, 2, 0); /* ADV_SCAN_IND */
    scan(r, 1, 1, 0x60, 0x60, 0, 0);
    ck_assert_uint_eq(rig_wait(r, 1, 0x3e, 0x02, SECOND)[1], 2);
    const uint8_t *e = rig_wait(r, 1, 0x3e, 0x02, 0);
    ck_assert_uint_eq(e[1], 4);
    ck_assert_uint_eq(e[9], 3);
    ck_assert_uint_eq(e[11], 0xff);
    rig_free(r);
}
END_TEST

START_TEST(nonconnectable_is_neither_scannable_nor_connectable)
{
    struct rig *r = world(2);

    advertise(r, 0, 0xa0, 3, 0);
    scan(r, 1, 1, 0x60, 0x60, 0, 0);
    rig_ok(r, 1, 0x200d,
           "60 00 60 00 00 01 00 00 00 00 00 c0 01 18 00 18 00 00 00 90 01 00 00 00 00");
    for (unsigned i = 0; i < 10; i++)
        ck_assert_uint_eq(rig_wait(r, 1, 0x3e, 0x02, SECOND)[1], 3);
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x0a, SECOND), 0);
    rig_free(r);
}
END_TEST

START_TEST(only_what_falls_into_the_scan_window_is_heard)
{
    struct rig *r = world(2);

    advertise(r, 0, 0xa0, 3, 0);
    scan(r, 1, 0, 0x640, 0x640, 0, 0);
    unsigned all = rig_count(r, 1, 0x3e, 0x02, 60 * SECOND);
    rig_ok(r, 1, 0x200c, "00 00");
    rig_forget(r);
    scan(r, 1, 0, 0x640, 0x64, 0, 0); /* a sixteenth */
    uint64_t start = r->now;
    unsigned n = 0;
    while (rig_poll(r, 1, 0x3e, 0x02, start + 60 * SECOND - r->now)) {
        ck_assert_uint_lt((r->now - start) % SECOND, 62500);
        n++;
    }
    ck_assert_uint_ge(all, 550);
    ck_assert_uint_ge(n, all / 32);
    ck_assert_uint_le(n, all / 8);
    rig_free(r);
}
END_TEST

START_TEST(duplicates_are_reported_once_for_each_enable)
{
    struct rig *r = world(3);

    advertise(r, 0, 0xa0, 0, 0);
    advertise(r, 1, 0xa0, 3, 0);
    for (unsigned round = 0; round < 2; round++) {
        scan(r, 2, 1, 0x60, 0x60, 0, 1);
        ck_assert_uint_eq(rig_count(r, 2, 0x3e, 0x02, 2 * SECOND), 3); /* one has a response */
        rig_ok(r, 2, 0x200c, "00 00");
    }
    rig_free(r);
}
END_TEST

START_TEST(scan_filter_policy_takes_the_accept_list_alone)
{
    struct rig *r = world(3);

    advertise(r, 0, 0xa0, 3, 0);
    advertise(r, 1, 0xa0, 3, 0);
    rig_ok(r, 2, 0x2011, "01 01 00 00 00 00 c0");
    scan(r, 2, 0, 0x60, 0x60, 1, 0);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(rig_wait(r, 2, 0x3e, 0x02, SECOND)[3], 1);
    rig_free(r);
}
END_TEST

START_TEST(advertisers_policy_refuses_scan_and_connection_requests_of_strangers)
{
    struct rig *r = world(3);

    rig_ok(r, 0, 0x2011, "01 02 00 00 00 00 c0");
    advertise(r, 0, 0xa0, 0, 3);
    scan(r, 1, 1, 0x60, 0x60, 0, 0);
    scan(r, 2, 1, 0x60, 0x60, 0, 0);
    rig_ok(r, 1, 0x200d,
           "60 00 60 00 00 01 00 00 00 00 00 c0 01 18 00 18 00 00 00 90 01 00 00 00 00");
    rig_wait(r, 1, 0x3e, 0x02, SECOND);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(rig_wait(r, 1, 0x3e, 0x02, SECOND)[1], 0);
    rig_wait(r, 2, 0x3e, 0x02, SECOND);
    ck_assert_uint_eq(rig_wait(r, 2, 0x3e, 0x02, SECOND)[1], 4);
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x0a, SECOND), 0);
    rig_free(r);
}
END_TEST

START_TEST(directed_advertising_is_for_its_target)
{
    struct rig *r = world(3);

    rig_ok(r, 0, 0x2006, "a0 00 a0 00 04 01 01 02 00 00 00 00 c0 07 00");
    rig_ok(r, 0, 0x200a, "01");
    for (unsigned i = 1; i < 3; i++)
        scan(r, i, 0, 0x60, 0x60, 0, 0);
    const uint8_t *e = rig_wait(r, 2, 0x3e, 0x02, SECOND);
    ck_assert_uint_eq(e[1], 1);
    ck_assert_uint_eq(e[9], 0);
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x02, SECOND), 0);
    for (unsigned i = 1; i < 3; i++)
        rig_ok(r, i, 0x200d,
               "60 00 60 00 00 01 00 00 00 00 00 c0 01 18 00 18 00 00 00 90 01 00 00 00 00");
    ck_assert_uint_eq(rig_wait(r, 2, 0x3e, 0x0a, SECOND)[0], 0);
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x0a, SECOND), 0);
    rig_free(r);
}
END_TEST

START_TEST(high_duty_directed_advertising_ends_after_1280_ms)
{
    struct rig *r = world(2);

    rig_ok(r, 0, 0x2006, "00 00 00 00 01 01 01 01 00 00 00 00 c0 07 00");
    rig_ok(r, 0, 0x200a, "01");
    scan(r, 1, 0, 0x60, 0x60, 0, 0);
    uint64_t start = r->now;
    ck_assert_uint_eq(rig_wait(r, 0, 0x3e, 0x0a, 2 * SECOND)[0], 0x3c);
    ck_assert_uint_eq(r->now - start, 1280000);
    ck_assert_uint_gt(rig_count(r, 1, 0x3e, 0x02, 0), 300);
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x02, SECOND), 0);
    rig_free(r);
}
END_TEST

START_TEST(masked_reports_do_not_come)
{
    struct rig *r = world(2);

    rig_ok(r, 1, 0x2001, "1d 00 00 00 00 00 00 00");
    advertise(r, 0, 0xa0, 0, 0);
    scan(r, 1, 0, 0x60, 0x60, 0, 0);
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x02, SECOND), 0);
    rig_ok(r, 1, 0x2001, "1f 00 00 00 00 00 00 00");
    rig_wait(r, 1, 0x3e, 0x02, SECOND);
    rig_ok(r, 1, 0x0c01, "ff ff ff ff ff 1f 00 00"); /* the default: no LE meta event */
    rig_forget(r);
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x02, SECOND), 0);
    rig_free(r);
}
END_TEST

START_TEST(random_address_is_not_set_while_in_use)
{
    struct rig *r = world(2);

    advertise(r, 0, 0xa0, 0, 0);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x2005, "01 02 03 04 05 c6"), 0x0c);
    rig_violations(r, 1, "Set Random Address");
    rig_ok(r, 0, 0x200a, "00");
    scan(r, 0, 0, 0x60, 0x60, 0, 0);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x2005, "01 02 03 04 05 c6"), 0x0c);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x200b, "00 60 00 60 00 01 00"), 0x0c);
    rig_violations(r, 2, "while scanning");
    rig_ok(r, 0, 0x200c, "00 00");
    rig_ok(r, 0, 0x2005, "01 02 03 04 05 c6");
    rig_free(r);
}
END_TEST

START_TEST(out_of_range_advertising_is_not_heard_and_loss_is_partial)
{
    struct rig *r = world(2);

    advertise(r, 0, 0xa0, 3, 0);
    scan(r, 1, 0, 0x60, 0x60, 0, 0);
    bl_air_set_rssi(r->air, r->now, 0, 1, BL_AIR_OUT_OF_RANGE);
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x02, 5 * SECOND), 0);
    bl_air_set_rssi(r->air, r->now, 0, 1, -60);
    bl_air_set_loss(r->air, r->now, 0, 1, 500);
    unsigned n = rig_count(r, 1, 0x3e, 0x02, 105 * SECOND);
    ck_assert_uint_ge(n, 400);
    ck_assert_uint_le(n, 600);
    rig_free(r);
}
END_TEST

START_TEST(parameters_out_of_range_are_refused)
{
    struct rig *r = world(1);
    static const char *const bad[] = {
        "1f 00 a0 00 00 01 00 00 00 00 00 00 00 07 00", /* interval too short */
        "a0 00 9f 00 00 01 00 00 00 00 00 00 00 07 00", /* minimum above maximum */
        "a0 00 01 40 00 01 00 00 00 00 00 00 00 07 00", /* too long */
        "a0 00 a0 00 05 01 00 00 00 00 00 00 00 07 00", /* type */
        "a0 00 a0 00 00 04 00 00 00 00 00 00 00 07 00", /* own address type */
        "a0 00 a0 00 00 01 00 00 00 00 00 00 00 00 00", /* no channel */
        "a0 00 a0 00 00 01 00 00 00 00 00 00 00 07 04", /* policy */
        "20 00 20 00 03 01 00 00 00 00 00 00 00 07 00", /* 20 ms, before 5.0 */
    };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_uint_eq(rig_cmd(r, 0, 0x2006, "%s", bad[i]), 0x12);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x200b, "00 60 00 61 00 01 00"), 0x12);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x200b, "02 60 00 60 00 01 00"), 0x12);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x200c, "02 00"), 0x12);
    rig_violations(r, 11, "out of range");
    rig_free(r);
}
END_TEST

START_TEST(a_random_address_never_set_is_no_own_address)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new_off(1, &config);

    bl_air_power_on(r->air, r->now, 0);
    rig_ok(r, 0, 0x2006, "a0 00 a0 00 00 01 00 00 00 00 00 00 00 07 00");
    ck_assert_uint_eq(rig_cmd(r, 0, 0x200a, "01"), 0x12);
    rig_violations(r, 1, "never set");
    rig_free(r);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        report_carries_type_address_data_and_rssi,
        intervals_are_the_hosts_plus_up_to_ten_milliseconds,
        passive_scan_never_asks_for_the_response,
        active_scan_hears_the_response_right_after,
        nonconnectable_is_neither_scannable_nor_connectable,
        only_what_falls_into_the_scan_window_is_heard,
        duplicates_are_reported_once_for_each_enable,
        scan_filter_policy_takes_the_accept_list_alone,
        advertisers_policy_refuses_scan_and_connection_requests_of_strangers,
        directed_advertising_is_for_its_target,
        high_duty_directed_advertising_ends_after_1280_ms,
        masked_reports_do_not_come,
        random_address_is_not_set_while_in_use,
        out_of_range_advertising_is_not_heard_and_loss_is_partial,
        parameters_out_of_range_are_refused,
        a_random_address_never_set_is_no_own_address,
    };

    return rig_main("air/adv", tests, sizeof(tests) / sizeof(tests[0]));
}
