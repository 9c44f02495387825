/* SPDX-License-Identifier: MIT */

/* Encryption: keys compared, refused, refreshed. */

#include "rig.h"

#include <string.h>

#define SECOND 1000000u
#define H(x)   (x) & 255, (x) >> 8
#define KEY    "000102030405060708090a0b0c0d0e0f"

static struct rig *pair(uint16_t h[2])
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(2, &config);

    rig_connect(r, 0, 1, &h[0], &h[1]);
    return r;
}

static void request(struct rig *r, const uint16_t h[2])
{
    static const uint8_t want[] = {1, 2, 3, 4, 5, 6, 7, 8, 0x0a, 0x0b};

    rig_ok(r, 1, 0x2019, "%02x %02x 0102030405060708 0a0b " KEY, H(h[1]));
    const uint8_t *e = rig_wait(r, 0, 0x3e, 0x05, SECOND);
    ck_assert_uint_eq(rig_u16(e), h[0]);
    ck_assert_mem_eq(e + 2, want, sizeof(want));
}

static void encrypted(struct rig *r, const uint16_t h[2])
{
    request(r, h);
    rig_ok(r, 0, 0x201a, "%02x %02x " KEY, H(h[0]));
    for (unsigned i = 0; i < 2; i++) {
        const uint8_t *e = rig_wait(r, i, 0x08, 0, SECOND);
        ck_assert_uint_eq(e[0], 0);
        ck_assert_uint_eq(rig_u16(e + 1), h[i]);
        ck_assert_uint_eq(e[3], 1);
    }
}

START_TEST(equal_keys_encrypt_both_ends)
{
    uint16_t h[2];
    struct rig *r = pair(h);

    encrypted(r, h);
    rig_free(r);
}
END_TEST

START_TEST(unequal_keys_are_a_mic_failure_at_both_ends)
{
    uint16_t h[2];
    struct rig *r = pair(h);

    request(r, h);
    rig_ok(r, 0, 0x201a, "%02x %02x ff0102030405060708090a0b0c0d0e0f", H(h[0]));
    for (unsigned i = 0; i < 2; i++)
        ck_assert_uint_eq(rig_wait(r, i, 0x05, 0, SECOND)[3], 0x3d);
    ck_assert_uint_eq(rig_count(r, 1, 0x08, 0, 0), 0);
    rig_free(r);
}
END_TEST

START_TEST(no_key_is_an_encryption_change_with_its_error_and_the_link_stays)
{
    uint16_t h[2];
    struct rig *r = pair(h);

    request(r, h);
    rig_ok(r, 0, 0x201b, "%02x %02x", H(h[0]));
    const uint8_t *e = rig_wait(r, 1, 0x08, 0, SECOND);
    ck_assert_uint_eq(e[0], 0x06);
    ck_assert_uint_eq(e[3], 0);
    ck_assert_uint_eq(rig_count(r, 1, 0x05, 0, 10 * SECOND), 0);
    encrypted(r, h);
    rig_free(r);
}
END_TEST

START_TEST(second_encryption_is_a_key_refresh)
{
    uint16_t h[2];
    struct rig *r = pair(h);

    encrypted(r, h);
    request(r, h);
    rig_ok(r, 0, 0x201a, "%02x %02x " KEY, H(h[0]));
    for (unsigned i = 0; i < 2; i++) {
        const uint8_t *e = rig_wait(r, i, 0x30, 0, SECOND);
        ck_assert_uint_eq(e[0], 0);
        ck_assert_uint_eq(rig_u16(e + 1), h[i]);
    }
    ck_assert_uint_eq(rig_count(r, 1, 0x08, 0, SECOND), 0);
    rig_free(r);
}
END_TEST

START_TEST(no_key_for_a_refresh_ends_the_link)
{
    uint16_t h[2];
    struct rig *r = pair(h);

    encrypted(r, h);
    request(r, h);
    rig_ok(r, 0, 0x201b, "%02x %02x", H(h[0]));
    ck_assert_uint_eq(rig_wait(r, 1, 0x05, 0, SECOND)[3], 0x06);
    ck_assert_uint_eq(rig_wait(r, 0, 0x05, 0, SECOND)[3], 0x16);
    rig_free(r);
}
END_TEST

START_TEST(data_stands_still_while_encryption_starts)
{
    uint16_t h[2];
    struct rig *r = pair(h);
    uint8_t data[10] = {1};

    request(r, h);
    rig_acl(r, 0, h[0], 0, data, sizeof(data));
    rig_acl(r, 1, h[1], 0, data, sizeof(data));
    ck_assert_uint_eq(rig_count(r, 0, 0, 0, SECOND), 0);
    ck_assert_uint_eq(rig_count(r, 1, 0, 0, SECOND), 0);
    rig_ok(r, 0, 0x201a, "%02x %02x " KEY, H(h[0]));
    rig_wait(r, 0, 0x08, 0, SECOND);
    rig_wait_acl(r, 0, SECOND);
    rig_wait(r, 1, 0x08, 0, SECOND);
    rig_wait_acl(r, 1, SECOND);
    rig_free(r);
}
END_TEST

START_TEST(a_masked_key_request_is_refused_by_the_controller)
{
    uint16_t h[2];
    struct rig *r = pair(h);

    rig_ok(r, 0, 0x2001, "ef ff ff ff ff ff ff ff");
    rig_ok(r, 1, 0x2019, "%02x %02x 0102030405060708 0a0b " KEY, H(h[1]));
    ck_assert_uint_eq(rig_wait(r, 1, 0x08, 0, SECOND)[0], 0x06);
    rig_free(r);
}
END_TEST

START_TEST(a_key_that_never_comes_ends_the_link_after_40_s)
{
    uint16_t h[2];
    struct rig *r = pair(h);

    request(r, h);
    ck_assert_uint_eq(rig_wait(r, 1, 0x05, 0, 41 * SECOND)[3], 0x22);
    rig_free(r);
}
END_TEST

START_TEST(disconnecting_works_while_encryption_starts)
{
    uint16_t h[2];
    struct rig *r = pair(h);
    uint8_t data[10] = {1};

    request(r, h);
    rig_acl(r, 1, h[1], 0, data, sizeof(data));
    rig_ok(r, 1, 0x0406, "%02x %02x 13", H(h[1]));
    ck_assert_uint_eq(rig_wait(r, 0, 0x05, 0, SECOND)[3], 0x13);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x201a, "%02x %02x " KEY, H(h[0])), 0x02);
    rig_free(r);
}
END_TEST

START_TEST(only_the_central_starts_and_only_the_asked_reply)
{
    uint16_t h[2];
    struct rig *r = pair(h);

    ck_assert_uint_eq(rig_cmd(r, 0, 0x2019, "%02x %02x 0102030405060708 0a0b " KEY, H(h[0])), 0x0c);
    rig_violations(r, 1, "by a peripheral");
    ck_assert_uint_eq(rig_cmd(r, 0, 0x201a, "%02x %02x " KEY, H(h[0])), 0x0c);
    rig_violations(r, 1, "not asked for");
    request(r, h);
    ck_assert_uint_eq(rig_cmd(r, 1, 0x2019, "%02x %02x 0102030405060708 0a0b " KEY, H(h[1])), 0x0c);
    rig_violations(r, 1, "under way");
    rig_free(r);
}
END_TEST

START_TEST(without_the_feature_bit_the_commands_are_unknown_and_the_peer_hears_it)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(1, &config);
    uint16_t h[2];

    config.le_features &= ~BL_AIR_LE_ENCRYPTION;
    config.public.b[0] = 0x11;
    ck_assert_int_eq(bl_air_add(r->air, &config), 1);
    r->n = 2;
    rig_wake(r, 1);
    rig_connect(r, 1, 0, &h[1], &h[0]);
    ck_assert_uint_eq(rig_cmd(r, 1, 0x201b, "%02x %02x", H(h[1])), 0x01);
    rig_ok(r, 0, 0x2019, "%02x %02x 0102030405060708 0a0b " KEY, H(h[0]));
    ck_assert_uint_eq(rig_wait(r, 0, 0x08, 0, SECOND)[0], 0x1a);
    rig_free(r);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        equal_keys_encrypt_both_ends,
        unequal_keys_are_a_mic_failure_at_both_ends,
        no_key_is_an_encryption_change_with_its_error_and_the_link_stays,
        second_encryption_is_a_key_refresh,
        no_key_for_a_refresh_ends_the_link,
        data_stands_still_while_encryption_starts,
        a_masked_key_request_is_refused_by_the_controller,
        a_key_that_never_comes_ends_the_link_after_40_s,
        disconnecting_works_while_encryption_starts,
        only_the_central_starts_and_only_the_asked_reply,
        without_the_feature_bit_the_commands_are_unknown_and_the_peer_hears_it,
    };

    return rig_main("air/encrypt", tests, sizeof(tests) / sizeof(tests[0]));
}
