/* SPDX-License-Identifier: MIT */

/* The Link Layer's procedures: parameters, features, versions, data length, PHY. */

#include "rig.h"

#include <string.h>

#define SECOND 1000000u

static struct rig *pair(const struct bl_air_config *a, const struct bl_air_config *b, uint16_t h[2])
{
    struct rig *r = rig_new_off(0, a);
    struct bl_air_config configs[2] = {*a, *b};

    for (unsigned i = 0; i < 2; i++) {
        configs[i].public.b[0] = (uint8_t)(0x10 + i);
        ck_assert_int_eq(bl_air_add(r->air, &configs[i]), (int)i);
    }
    r->n = 2;
    rig_wake(r, 0);
    rig_wake(r, 1);
    rig_connect(r, 0, 1, &h[0], &h[1]);
    return r;
}

static struct rig *both(struct bl_air_config config, uint16_t h[2])
{
    return pair(&config, &config, h);
}

#define H(x) (x) & 255, (x) >> 8

static void check_update(const uint8_t *e, uint8_t status, uint16_t handle, uint16_t interval)
{
    ck_assert_uint_eq(e[0], status);
    ck_assert_uint_eq(rig_u16(e + 1), handle);
    ck_assert_uint_eq(rig_u16(e + 3), interval);
}

/* Core 5.4, Vol 6, Part B, 5.1.1: no sooner than six events later, at both. */
START_TEST(central_updates_parameters_at_an_instant)
{
    uint16_t h[2];
    struct rig *r = both(bl_air_config_v40(), h);
    uint64_t start = r->now;

    rig_ok(r, 1, 0x2013, "%02x %02x 50 00 50 00 01 00 f4 01 00 00 00 00", H(h[1]));
    ck_assert_uint_eq(
        rig_cmd(r, 1, 0x2013, "%02x %02x 50 00 50 00 01 00 f4 01 00 00 00 00", H(h[1])), 0x0c);
    const uint8_t *e = rig_wait(r, 1, 0x3e, 0x03, SECOND);
    check_update(e, 0, h[1], 0x50);
    ck_assert_uint_eq(rig_u16(e + 5), 1);
    ck_assert_uint_eq(rig_u16(e + 7), 0x1f4);
    ck_assert_uint_ge(r->now - start, 6 * 30000);
    check_update(rig_wait(r, 0, 0x3e, 0x03, 0), 0, h[0], 0x50);
    rig_free(r);
}
END_TEST

START_TEST(unchanged_parameters_are_told_to_the_one_who_asked)
{
    uint16_t h[2];
    struct rig *r = both(bl_air_config_v40(), h);

    rig_ok(r, 1, 0x2013, "%02x %02x 18 00 18 00 00 00 90 01 00 00 00 00", H(h[1]));
    check_update(rig_wait(r, 1, 0x3e, 0x03, SECOND), 0, h[1], 0x18);
    ck_assert_uint_eq(rig_count(r, 0, 0x3e, 0x03, SECOND), 0);
    rig_free(r);
}
END_TEST

START_TEST(peripheral_requests_parameters_and_the_centrals_host_agrees)
{
    uint16_t h[2];
    struct rig *r = both(bl_air_config_v42(), h);

    rig_ok(r, 0, 0x2013, "%02x %02x 28 00 32 00 00 00 f4 01 00 00 00 00", H(h[0]));
    const uint8_t *e = rig_wait(r, 1, 0x3e, 0x06, SECOND);
    ck_assert_uint_eq(rig_u16(e), h[1]);
    ck_assert_uint_eq(rig_u16(e + 2), 0x28);
    ck_assert_uint_eq(rig_u16(e + 4), 0x32);
    rig_ok(r, 1, 0x2020, "%02x %02x 30 00 32 00 00 00 f4 01 00 00 00 00", H(h[1]));
    check_update(rig_wait(r, 0, 0x3e, 0x03, 2 * SECOND), 0, h[0], 0x30);
    check_update(rig_wait(r, 1, 0x3e, 0x03, SECOND), 0, h[1], 0x30);
    rig_free(r);
}
END_TEST

START_TEST(peripheral_that_is_refused_hears_why)
{
    uint16_t h[2];
    struct rig *r = both(bl_air_config_v42(), h);

    rig_ok(r, 0, 0x2013, "%02x %02x 28 00 32 00 00 00 f4 01 00 00 00 00", H(h[0]));
    rig_wait(r, 1, 0x3e, 0x06, SECOND);
    rig_ok(r, 1, 0x2021, "%02x %02x 3b", H(h[1]));
    check_update(rig_wait(r, 0, 0x3e, 0x03, SECOND), 0x3b, h[0], 0x18);
    ck_assert_uint_eq(rig_cmd(r, 1, 0x2021, "%02x %02x 3b", H(h[1])), 0x0c);
    rig_violations(r, 1, "parameter request that is none");
    rig_free(r);
}
END_TEST

START_TEST(central_asks_a_peripheral_that_can_be_asked)
{
    uint16_t h[2];
    struct rig *r = both(bl_air_config_v42(), h);

    rig_ok(r, 1, 0x2016, "%02x %02x", H(h[1]));
    rig_wait(r, 1, 0x3e, 0x04, SECOND);
    rig_ok(r, 1, 0x2013, "%02x %02x 28 00 32 00 00 00 f4 01 00 00 00 00", H(h[1]));
    rig_wait(r, 0, 0x3e, 0x06, SECOND);
    rig_ok(r, 0, 0x2020, "%02x %02x 32 00 32 00 00 00 f4 01 00 00 00 00", H(h[0]));
    check_update(rig_wait(r, 1, 0x3e, 0x03, 2 * SECOND), 0, h[1], 0x32);
    check_update(rig_wait(r, 0, 0x3e, 0x03, SECOND), 0, h[0], 0x32);
    rig_free(r);
}
END_TEST

START_TEST(central_whose_peer_masks_the_request_just_updates)
{
    uint16_t h[2];
    struct rig *r = both(bl_air_config_v42(), h);

    rig_ok(r, 0, 0x2001, "df ff ff ff ff ff ff ff");
    rig_ok(r, 1, 0x2016, "%02x %02x", H(h[1]));
    rig_wait(r, 1, 0x3e, 0x04, SECOND);
    rig_ok(r, 1, 0x2013, "%02x %02x 28 00 32 00 00 00 f4 01 00 00 00 00", H(h[1]));
    check_update(rig_wait(r, 1, 0x3e, 0x03, 2 * SECOND), 0, h[1], 0x28);
    rig_free(r);
}
END_TEST

START_TEST(a_host_that_never_answers_a_request_loses_the_link_after_40_s)
{
    uint16_t h[2];
    struct rig *r = both(bl_air_config_v42(), h);

    rig_ok(r, 0, 0x2013, "%02x %02x 28 00 32 00 00 00 f4 01 00 00 00 00", H(h[0]));
    ck_assert_uint_eq(rig_wait(r, 0, 0x05, 0, 41 * SECOND)[3], 0x22);
    ck_assert_uint_eq(rig_wait(r, 1, 0x05, 0, 41 * SECOND)[3], 0x22);
    rig_free(r);
}
END_TEST

START_TEST(peripheral_of_4_0_cannot_update)
{
    uint16_t h[2];
    struct rig *r = both(bl_air_config_v40(), h);

    ck_assert_uint_eq(
        rig_cmd(r, 0, 0x2013, "%02x %02x 28 00 32 00 00 00 f4 01 00 00 00 00", H(h[0])), 0x0c);
    rig_violations(r, 1, "peripheral that cannot request");
    rig_free(r);
}
END_TEST

START_TEST(peripheral_is_told_that_a_4_0_central_cannot_be_asked)
{
    struct bl_air_config a = bl_air_config_v42(), b = bl_air_config_v40();
    uint16_t h[2];
    struct rig *r = rig_new(1, &a);

    b.public.b[0] = 0x11;
    ck_assert_int_eq(bl_air_add(r->air, &b), 1);
    r->n = 2;
    rig_wake(r, 1);
    rig_ok(r, 1, 0x2001, "1f 00 00 00 00 00 00 00");
    rig_ok(r, 0, 0x2006, "a0 00 a0 00 00 01 00 00 00 00 00 00 00 07 00");
    rig_ok(r, 0, 0x200a, "01");
    rig_ok(r, 1, 0x200d,
           "60 00 60 00 00 01 00 00 00 00 00 c0 01 18 00 18 00 00 00 90 01 00 00 00 00");
    h[1] = rig_u16(rig_wait(r, 1, 0x3e, 0x01, SECOND) + 1);
    h[0] = rig_u16(rig_wait(r, 0, 0x3e, 0x0a, SECOND) + 1);
    rig_ok(r, 0, 0x2013, "%02x %02x 28 00 32 00 00 00 f4 01 00 00 00 00", H(h[0]));
    check_update(rig_wait(r, 0, 0x3e, 0x03, SECOND), 0x1a, h[0], 0x18);
    rig_ok(r, 0, 0x2016, "%02x %02x", H(h[0]));
    ck_assert_uint_eq(rig_wait(r, 0, 0x3e, 0x04, SECOND)[0], 0x1a);
    rig_free(r);
}
END_TEST

START_TEST(features_and_versions_are_the_peers_from_either_side)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];
    struct rig *r = both(config, h);

    for (unsigned side = 0; side < 2; side++)
        for (unsigned again = 0; again < 2; again++) {
            rig_ok(r, side, 0x2016, "%02x %02x", H(h[side]));
            const uint8_t *e = rig_wait(r, side, 0x3e, 0x04, SECOND);
            ck_assert_uint_eq(e[0], 0);
            ck_assert_uint_eq(rig_u16(e + 1), h[side]);
            ck_assert_uint_eq(e[3], config.le_features & 255);
            rig_ok(r, side, 0x041d, "%02x %02x", H(h[side]));
            e = rig_wait(r, side, 0x0c, 0, SECOND);
            ck_assert_uint_eq(e[0], 0);
            ck_assert_uint_eq(e[3], 8);
            ck_assert_uint_eq(rig_u16(e + 4), 0xffff);
        }
    rig_free(r);
}
END_TEST

START_TEST(data_length_grows_to_what_both_can)
{
    uint16_t h[2];
    struct rig *r = both(bl_air_config_v42(), h);
    uint8_t data[251] = {7};

    rig_ok(r, 1, 0x2022, "%02x %02x fb 00 48 08", H(h[1]));
    const uint8_t *e = rig_wait(r, 1, 0x3e, 0x07, SECOND);
    ck_assert_uint_eq(rig_u16(e), h[1]);
    ck_assert_uint_eq(rig_u16(e + 2), 251);
    ck_assert_uint_eq(rig_u16(e + 6), 27); /* the other has not asked for more */
    e = rig_wait(r, 0, 0x3e, 0x07, SECOND);
    ck_assert_uint_eq(rig_u16(e + 2), 27);
    ck_assert_uint_eq(rig_u16(e + 6), 251);
    rig_acl(r, 1, h[1], 0, data, 251);
    ck_assert_uint_eq(rig_wait_acl(r, 0, SECOND)->n, 5 + 251);
    ck_assert_uint_eq(rig_cmd(r, 1, 0x2022, "%02x %02x fc 00 48 08", H(h[1])), 0x12);
    rig_violations(r, 1, "out of range");
    rig_free(r);
}
END_TEST

START_TEST(suggested_data_length_is_asked_for_by_the_controller_itself)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(2, &config);

    for (unsigned i = 0; i < 2; i++)
        rig_ok(r, i, 0x2024, "fb 00 48 08");
    rig_ok(r, 0, 0x2006, "a0 00 a0 00 00 01 00 00 00 00 00 00 00 07 00");
    rig_ok(r, 0, 0x200a, "01");
    rig_ok(r, 1, 0x200d,
           "60 00 60 00 00 01 00 00 00 00 00 c0 01 18 00 18 00 00 00 90 01 00 00 00 00");
    for (unsigned i = 0; i < 2; i++) {
        const uint8_t *e = rig_wait(r, i, 0x3e, 0x07, SECOND);
        ck_assert_uint_eq(rig_u16(e + 2), 251);
        ck_assert_uint_eq(rig_u16(e + 6), 251);
    }
    rig_free(r);
}
END_TEST

START_TEST(phy_changes_at_both_and_data_goes_on)
{
    for (unsigned side = 0; side < 2; side++)
        for (unsigned phy = 2; phy <= 3; phy++) {
            uint16_t h[2];
            struct rig *r = both(bl_air_config_default(), h);
            uint8_t data[20] = {9};
            unsigned mask = phy == 3 ? 4 : 2;

            rig_ok(r, side, 0x2032, "%02x %02x 00 %02x %02x 00 00", H(h[side]), mask, mask);
            for (unsigned end = 0; end < 2; end++) {
                const uint8_t *e = rig_wait(r, end, 0x3e, 0x0c, 2 * SECOND);
                ck_assert_uint_eq(e[0], 0);
                ck_assert_uint_eq(rig_u16(e + 1), h[end]);
                ck_assert_uint_eq(e[3], phy);
                ck_assert_uint_eq(e[4], phy);
                rig_ok(r, end, 0x2030, "%02x %02x", H(h[end]));
                ck_assert_uint_eq(r->ret[2], phy);
            }
            rig_acl(r, 1, h[1], 0, data, sizeof(data));
            rig_wait_acl(r, 0, SECOND);
            rig_free(r);
        }
}
END_TEST

START_TEST(phy_with_a_peer_that_has_one_fails_as_unsupported)
{
    struct bl_air_config a = bl_air_config_v42(), b = bl_air_config_default();
    uint16_t h[2];
    struct rig *r = pair(&a, &b, h);

    rig_ok(r, 1, 0x2032, "%02x %02x 00 02 02 00 00", H(h[1]));
    const uint8_t *e = rig_wait(r, 1, 0x3e, 0x0c, SECOND);
    ck_assert_uint_eq(e[0], 0x1a);
    ck_assert_uint_eq(e[3], 1);
    rig_free(r);
}
END_TEST

START_TEST(channel_map_is_the_centrals)
{
    uint16_t h[2];
    struct rig *r = both(bl_air_config_v42(), h);
    static const uint8_t map[5] = {0xff, 0, 0xff, 0, 0x10};

    rig_ok(r, 1, 0x2014, "ff 00 ff 00 10");
    for (unsigned side = 0; side < 2; side++) {
        rig_ok(r, side, 0x2015, "%02x %02x", H(h[side]));
        ck_assert_mem_eq(r->ret + 2, map, 5);
    }
    ck_assert_uint_eq(rig_cmd(r, 1, 0x2014, "01 00 00 00 00"), 0x12);
    rig_violations(r, 1, "out of range");
    rig_free(r);
}
END_TEST

START_TEST(vanishing_in_the_middle_of_each_procedure_ends_in_a_timeout)
{
    static const struct {
        uint16_t opcode;
        const char *params;
    } procedures[] = {
        {0x2016, ""},
        {0x041d, ""},
        {0x2013, "28 00 32 00 00 00 f4 01 00 00 00 00"},
        {0x2032, "00 02 02 00 00"},
        {0x2022, "fb 00 48 08"},
        {0x2019, "0102030405060708 0a0b 000102030405060708090a0b0c0d0e0f"},
        {0x0406, "13"},
    };

    for (unsigned k = 0; k < sizeof(procedures) / sizeof(procedures[0]); k++)
        for (unsigned pace = 0; pace < 2; pace++) {
            uint16_t h[2];
            struct rig *r = both(bl_air_config_default(), h);
            bl_air_set_pace(r->air, r->now, pace ? BL_AIR_NONE : BL_AIR_PACED);
            rig_cmd(r, 1, procedures[k].opcode, "%02x %02x %s", H(h[1]), procedures[k].params);
            bl_air_power_off(r->air, r->now, 0);
            ck_assert_uint_ne(rig_wait(r, 1, 0x05, 0, 6 * SECOND)[3], 0);
            rig_wake(r, 0);
            rig_forget(r);
            rig_connect(r, 0, 1, &h[0], &h[1]);
            rig_free(r);
        }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        central_updates_parameters_at_an_instant,
        unchanged_parameters_are_told_to_the_one_who_asked,
        peripheral_requests_parameters_and_the_centrals_host_agrees,
        peripheral_that_is_refused_hears_why,
        central_asks_a_peripheral_that_can_be_asked,
        central_whose_peer_masks_the_request_just_updates,
        a_host_that_never_answers_a_request_loses_the_link_after_40_s,
        peripheral_of_4_0_cannot_update,
        peripheral_is_told_that_a_4_0_central_cannot_be_asked,
        features_and_versions_are_the_peers_from_either_side,
        data_length_grows_to_what_both_can,
        suggested_data_length_is_asked_for_by_the_controller_itself,
        phy_changes_at_both_and_data_goes_on,
        phy_with_a_peer_that_has_one_fails_as_unsupported,
        channel_map_is_the_centrals,
        vanishing_in_the_middle_of_each_procedure_ends_in_a_timeout,
    };

    return rig_main("air/ll", tests, sizeof(tests) / sizeof(tests[0]));
}
