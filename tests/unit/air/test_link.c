/* SPDX-License-Identifier: MIT */

/* Connections: made, used, ended. */

#include "rig.h"

#include <string.h>

#define SECOND 1000000u

static struct rig *pair(uint16_t h[2])
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(2, &config);

    rig_connect(r, 0, 1, &h[0], &h[1]);
    return r;
}

START_TEST(connection_is_told_to_both_with_roles_and_parameters)
{
    struct bl_air_config config = bl_air_config_v40();
    struct rig *r = rig_new(2, &config);
    static const uint8_t adv[6] = {0, 0, 0, 0, 0, 0xc0}, init[6] = {1, 0, 0, 0, 0, 0xc0};

    rig_ok(r, 0, 0x2001, "1f 00 00 00 00 00 00 00");
    rig_ok(r, 1, 0x2001, "1f 00 00 00 00 00 00 00");
    rig_ok(r, 0, 0x2006, "a0 00 a0 00 00 01 00 00 00 00 00 00 00 07 00");
    rig_ok(r, 0, 0x200a, "01");
    rig_ok(r, 1, 0x200d,
           "60 00 60 00 00 01 00 00 00 00 00 c0 01 18 00 28 00 02 00 90 01 00 00 00 00");
    const uint8_t *e = rig_wait(r, 1, 0x3e, 0x01, SECOND);
    ck_assert_uint_eq(e[0], 0);
    ck_assert_uint_eq(e[3], 0); /* central */
    ck_assert_uint_eq(e[4], 1);
    ck_assert_mem_eq(e + 5, adv, 6);
    ck_assert_uint_ge(rig_u16(e + 11), 0x18);
    ck_assert_uint_le(rig_u16(e + 11), 0x28);
    ck_assert_uint_eq(rig_u16(e + 13), 2);
    ck_assert_uint_eq(rig_u16(e + 15), 0x190);
    e = rig_wait(r, 0, 0x3e, 0x01, SECOND);
    ck_assert_uint_eq(e[3], 1); /* peripheral */
    ck_assert_mem_eq(e + 5, init, 6);
    rig_forget(r);
    /* advertising has ended: a scanner hears nothing */
    rig_ok(r, 1, 0x200c, "01 00");
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x02, SECOND), 0);
    rig_free(r);
}
END_TEST

START_TEST(creation_waits_until_the_peer_advertises)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(2, &config);

    rig_ok(r, 1, 0x200d,
           "60 00 30 00 00 01 00 00 00 00 00 c0 01 18 00 18 00 00 00 90 01 00 00 00 00");
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x0a, 10 * SECOND), 0);
    rig_ok(r, 0, 0x2006, "a0 00 a0 00 00 01 00 00 00 00 00 00 00 07 00");
    rig_ok(r, 0, 0x200a, "01");
    rig_wait(r, 1, 0x3e, 0x0a, 3 * SECOND);
    rig_free(r);
}
END_TEST

START_TEST(cancel_ends_creation_with_unknown_connection)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(2, &config);

    rig_ok(r, 1, 0x200d,
           "60 00 30 00 00 01 00 00 00 00 00 c0 01 18 00 18 00 00 00 90 01 00 00 00 00");
    rig_ok(r, 1, 0x200e, "%s", "");
    ck_assert_uint_eq(rig_wait(r, 1, 0x3e, 0x0a, 0)[0], 0x02);
    ck_assert_uint_eq(rig_cmd(r, 1, 0x200e, "%s", ""), 0x0c);
    rig_free(r);
}
END_TEST

START_TEST(a_second_creation_is_disallowed_and_a_violation)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(2, &config);
    const char *create =
        "60 00 30 00 00 01 00 00 00 00 00 c0 01 18 00 18 00 00 00 90 01 00 00 00 00";

    rig_ok(r, 1, 0x200d, "%s", create);
    ck_assert_uint_eq(rig_cmd(r, 1, 0x200d, "%s", create), 0x0c);
    rig_violations(r, 1, "another is being created");
    rig_free(r);
}
END_TEST

START_TEST(creation_to_a_connected_peer_says_connection_exists)
{
    uint16_t h[2];
    struct rig *r = pair(h);

    ck_assert_uint_eq(
        rig_cmd(r, 1, 0x200d,
                "60 00 30 00 00 01 00 00 00 00 00 c0 01 18 00 18 00 00 00 90 01 00 00 00 00"),
        0x0b);
    rig_free(r);
}
END_TEST

START_TEST(accept_list_chooses_whom_the_initiator_connects_to)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(3, &config);

    for (unsigned i = 0; i < 2; i++) {
        rig_ok(r, i, 0x2006, "a0 00 a0 00 00 01 00 00 00 00 00 00 00 07 00");
        rig_ok(r, i, 0x200a, "01");
    }
    rig_ok(r, 2, 0x2011, "01 01 00 00 00 00 c0");
    rig_ok(r, 2, 0x200d,
           "60 00 60 00 01 00 00 00 00 00 00 00 01 18 00 18 00 00 00 90 01 00 00 00 00");
    ck_assert_uint_eq(rig_cmd(r, 2, 0x2010, "%s", ""), 0x0c);
    rig_violations(r, 1, "accept list is in use");
    const uint8_t *e = rig_wait(r, 2, 0x3e, 0x0a, SECOND);
    ck_assert_uint_eq(e[0], 0);
    ck_assert_uint_eq(e[5], 1);
    rig_free(r);
}
END_TEST

START_TEST(disconnecting_gives_each_end_its_reason)
{
    uint16_t h[2];
    struct rig *r = pair(h);

    rig_ok(r, 1, 0x0406, "%02x %02x 13", h[1] & 255, h[1] >> 8);
    const uint8_t *e = rig_wait(r, 1, 0x05, 0, SECOND);
    ck_assert_uint_eq(e[0], 0);
    ck_assert_uint_eq(rig_u16(e + 1), h[1]);
    ck_assert_uint_eq(e[3], 0x16);
    e = rig_wait(r, 0, 0x05, 0, SECOND);
    ck_assert_uint_eq(rig_u16(e + 1), h[0]);
    ck_assert_uint_eq(e[3], 0x13);
    ck_assert_uint_eq(rig_cmd(r, 1, 0x0406, "%02x %02x 13", h[1] & 255, h[1] >> 8), 0x02);
    rig_connect(r, 0, 1, &h[0], &h[1]);
    rig_free(r);
}
END_TEST

START_TEST(reasons_that_hosts_may_not_give_are_refused)
{
    uint16_t h[2];
    struct rig *r = pair(h);

    ck_assert_uint_eq(rig_cmd(r, 1, 0x0406, "%02x %02x 08", h[1] & 255, h[1] >> 8), 0x12);
    rig_violations(r, 1, "out of range");
    rig_free(r);
}
END_TEST

START_TEST(a_peer_that_vanishes_is_a_supervision_timeout)
{
    uint16_t h[2];
    struct rig *r = pair(h);
    uint64_t start = r->now;

    bl_air_power_off(r->air, r->now, 0);
    ck_assert_uint_eq(rig_wait(r, 1, 0x05, 0, 10 * SECOND)[3], 0x08);
    ck_assert_uint_ge(r->now - start, 3900000);
    ck_assert_uint_le(r->now - start, 4100000);
    rig_free(r);
}
END_TEST

START_TEST(out_of_range_times_out_at_both_and_coming_back_in_time_does_not)
{
    uint16_t h[2];
    struct rig *r = pair(h);

    bl_air_set_rssi(r->air, r->now, 0, 1, BL_AIR_OUT_OF_RANGE);
    rig_run(r, 3 * SECOND);
    bl_air_set_rssi(r->air, r->now, 0, 1, -80);
    ck_assert_uint_eq(rig_count(r, 0, 0x05, 0, 10 * SECOND), 0);
    bl_air_set_rssi(r->air, r->now, 0, 1, BL_AIR_OUT_OF_RANGE);
    ck_assert_uint_eq(rig_wait(r, 0, 0x05, 0, 10 * SECOND)[3], 0x08);
    ck_assert_uint_eq(rig_wait(r, 1, 0x05, 0, SECOND)[3], 0x08);
    rig_free(r);
}
END_TEST

START_TEST(reset_of_one_end_is_a_supervision_timeout_of_the_other)
{
    uint16_t h[2];
    struct rig *r = pair(h);

    rig_ok(r, 0, 0x0c03, "%s", "");
    ck_assert_uint_eq(rig_count(r, 0, 0x05, 0, SECOND), 0);
    ck_assert_uint_eq(rig_wait(r, 1, 0x05, 0, 10 * SECOND)[3], 0x08);
    rig_free(r);
}
END_TEST

START_TEST(rssi_is_what_the_medium_says)
{
    uint16_t h[2];
    struct rig *r = pair(h);

    bl_air_set_rssi(r->air, r->now, 0, 1, -71);
    rig_ok(r, 1, 0x1405, "%02x %02x", h[1] & 255, h[1] >> 8);
    ck_assert_uint_eq(r->ret_len, 3);
    ck_assert_uint_eq(rig_u16(r->ret), h[1]);
    ck_assert_int_eq((int8_t)r->ret[2], -71);
    ck_assert_uint_eq(rig_cmd(r, 1, 0x1405, "ff 0e"), 0x02);
    ck_assert_uint_eq(rig_cmd(r, 1, 0x1405, "00 0f"), 0x12);
    rig_violations(r, 1, "out of range");
    rig_free(r);
}
END_TEST

START_TEST(connection_that_is_not_established_ends_with_its_reason)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(2, &config);
    uint16_t h[2];

    for (unsigned at_once = 0; at_once < 2; at_once++) {
        bl_air_fault_establish(r->air, 1, 1, at_once);
        rig_ok(r, 0, 0x2006, "a0 00 a0 00 00 01 00 00 00 00 00 00 00 07 00");
        rig_ok(r, 0, 0x200a, "01");
        rig_ok(r, 1, 0x200d,
               "60 00 60 00 00 01 00 00 00 00 00 c0 01 18 00 18 00 00 00 90 01 00 00 00 00");
        const uint8_t *e = rig_wait(r, 1, 0x3e, 0x0a, SECOND);
        ck_assert_uint_eq(e[0], at_once ? 0x3e : 0);
        if (!at_once)
            ck_assert_uint_eq(rig_wait(r, 1, 0x05, 0, SECOND)[3], 0x3e);
        ck_assert_uint_eq(rig_count(r, 0, 0x3e, 0x0a, SECOND), 0);
        rig_ok(r, 0, 0x200a, "00");
    }
    rig_forget(r);
    rig_connect(r, 0, 1, &h[0], &h[1]);
    rig_free(r);
}
END_TEST

START_TEST(links_in_both_roles_at_once)
{
    struct bl_air_config config = bl_air_config_default();
    struct rig *r = rig_new(4, &config);
    uint16_t h[2], all[3];

    for (unsigned i = 1; i < 4; i++) {
        rig_connect(r, 0, i, &h[0], &h[1]);
        all[i - 1] = h[0];
    }
    rig_connect(r, 1, 2, &h[0], &h[1]);
    ck_assert_uint_ne(all[0], all[1]);
    ck_assert_uint_ne(all[1], all[2]);
    bl_air_power_off(r->air, r->now, 0);
    for (unsigned i = 1; i < 4; i++)
        ck_assert_uint_eq(rig_wait(r, i, 0x05, 0, 5 * SECOND)[3], 0x08);
    rig_free(r);
}
END_TEST

START_TEST(too_many_links_are_a_limit)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];

    config.max_links = 1;
    struct rig *r = rig_new(3, &config);
    rig_connect(r, 0, 1, &h[0], &h[1]);
    ck_assert_uint_eq(
        rig_cmd(r, 1, 0x200d,
                "60 00 30 00 00 01 02 00 00 00 00 c0 01 18 00 18 00 00 00 90 01 00 00 00 00"),
        0x09);
    /* an advertiser that is full does not take another */
    rig_ok(r, 0, 0x200a, "01");
    rig_ok(r, 2, 0x200d,
           "60 00 30 00 00 01 00 00 00 00 00 c0 01 18 00 18 00 00 00 90 01 00 00 00 00");
    ck_assert_uint_eq(rig_count(r, 2, 0x3e, 0x0a, 2 * SECOND), 0);
    rig_free(r);
}
END_TEST

START_TEST(disconnecting_from_a_peer_that_is_gone_ends_by_the_timeout)
{
    uint16_t h[2];
    struct rig *r = pair(h);

    bl_air_set_rssi(r->air, r->now, 0, 1, BL_AIR_OUT_OF_RANGE);
    rig_ok(r, 1, 0x0406, "%02x %02x 13", h[1] & 255, h[1] >> 8);
    ck_assert_uint_eq(rig_wait(r, 1, 0x05, 0, 5 * SECOND)[3], 0x16);
    ck_assert_uint_eq(rig_wait(r, 0, 0x05, 0, SECOND)[3], 0x08);
    rig_free(r);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        connection_is_told_to_both_with_roles_and_parameters,
        creation_waits_until_the_peer_advertises,
        cancel_ends_creation_with_unknown_connection,
        a_second_creation_is_disallowed_and_a_violation,
        creation_to_a_connected_peer_says_connection_exists,
        accept_list_chooses_whom_the_initiator_connects_to,
        disconnecting_gives_each_end_its_reason,
        reasons_that_hosts_may_not_give_are_refused,
        a_peer_that_vanishes_is_a_supervision_timeout,
        out_of_range_times_out_at_both_and_coming_back_in_time_does_not,
        reset_of_one_end_is_a_supervision_timeout_of_the_other,
        rssi_is_what_the_medium_says,
        connection_that_is_not_established_ends_with_its_reason,
        links_in_both_roles_at_once,
        too_many_links_are_a_limit,
        disconnecting_from_a_peer_that_is_gone_ends_by_the_timeout,
    };

    return rig_main("air/link", tests, sizeof(tests) / sizeof(tests[0]));
}
