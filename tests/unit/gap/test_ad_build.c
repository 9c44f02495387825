/* SPDX-License-Identifier: MIT */

#include "gap/ad_build.h"

#include "base/cleanup.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static struct bl_ad_payload adv, resp;
static size_t needed;

static int build(const struct bl_ad_fields *f, size_t adv_max, size_t resp_max)
{
    memset(&adv, 0xaa, sizeof(adv));
    memset(&resp, 0xaa, sizeof(resp));
    int r = bl_ad_build(f, adv_max, resp_max, &adv, &resp, &needed);
    if (r == 0) {
        ck_assert_uint_le(adv.len, adv_max);
        ck_assert_uint_le(resp.len, resp_max);
        ck_assert_uint_eq(bl_ad_check(adv.bytes, adv.len), adv.len);
        ck_assert_uint_eq(bl_ad_check(resp.bytes, resp.len), resp.len);
    }
    return r;
}

static void expect(const struct bl_ad_payload *p, const void *bytes, size_t n)
{
    ck_assert_uint_eq(p->len, n);
    ck_assert_mem_eq(p->bytes, bytes, n);
}

/* A service list of n UUIDs of one size. */
static struct bl_uuid *uuids(size_t n, size_t size)
{
    static struct bl_uuid u[BL_MAX_FILTER_ITEMS];

    for (size_t i = 0; i < n; i++) {
        u[i] = size == 2 ? bl_uuid_from16((uint16_t)(0x1800 + i))
                         : bl_uuid_from32((uint32_t)(0x12340000 + i));
        if (size == 16)
            memset(u[i].b, (int)i + 1, 16);
    }
    return u;
}

START_TEST(fields_stand_in_their_order)
{
    static const uint8_t apple[] = {1, 2}, beacon[] = {7};
    const struct bl_ad_manufacturer m = {0x004c, apple, 2};
    const struct bl_ad_service_data d = {bl_uuid_from16(0xfeaa), beacon, 1};
    const struct bl_uuid u = bl_uuid_from16(0x180d);
    static const uint8_t want[] = {2,    1, 6,    3,    3,    0x0d, 0x18, 3,   0x19, 0x40,
                                   0x03, 5, 0xff, 0x4c, 0,    1,    2,    4,   0x16, 0xaa,
                                   0xfe, 7, 2,    0x0a, 0xf8, 3,    9,    'P', 'i'};

    ck_assert_int_eq(build(&(struct bl_ad_fields){.has_flags = true,
                                                  .flags = bl_ad_flags(true),
                                                  .name = "Pi",
                                                  .services = &u,
                                                  .n_services = 1,
                                                  .has_appearance = true,
                                                  .appearance = 0x0340,
                                                  .manufacturers = &m,
                                                  .n_manufacturers = 1,
                                                  .service_data = &d,
                                                  .n_service_data = 1,
                                                  .has_tx_power = true,
                                                  .tx_power = -8},
                           31, 31),
                     0);
    expect(&adv, want, sizeof(want));
    ck_assert_uint_eq(resp.len, 0);
    ck_assert_uint_eq(needed, sizeof(want));
}
END_TEST

START_TEST(nothing_at_all_builds_nothing)
{
    ck_assert_int_eq(build(&(struct bl_ad_fields){0}, 31, 31), 0);
    ck_assert_uint_eq(adv.len + resp.len + needed, 0);
    ck_assert_int_eq(build(&(struct bl_ad_fields){0}, 0, 0), 0);
}
END_TEST

START_TEST(a_name_that_does_not_fit_moves_to_the_scan_response)
{
    const struct bl_ad_fields f = {.has_flags = true,
                                   .flags = 6,
                                   .name = "abcdefghijklmnopqrstuvwxyz", /* 28 on the air */
                                   .services = uuids(1, 2),
                                   .n_services = 1};

    ck_assert_int_eq(build(&f, 31, 31), 0);
    expect(&adv, "\x02\x01\x06\x03\x03\x00\x18", 7);
    ck_assert_uint_eq(resp.len, 28);
    ck_assert_uint_eq(resp.bytes[0], 27);
    ck_assert_uint_eq(resp.bytes[1], BL_AD_NAME);
}
END_TEST

START_TEST(sizes_are_exact_to_the_octet)
{
    struct bl_ad_fields f = {.has_flags = true, .flags = 6, .name = "abcdefghijklmnopqrstuvwxyz"};

    ck_assert_int_eq(build(&f, 31, 0), 0); /* 3 + 28 */
    ck_assert_uint_eq(adv.len, 31);
    f.name = "abcdefghijklmnopqrstuvwxyz0";
    ck_assert_int_eq(build(&f, 31, 0), -EMSGSIZE);
    ck_assert_uint_eq(needed, 32);
    f.name = "abcdefghijklmnopqrstuvwxyz012";
    ck_assert_int_eq(build(&f, 31, 31), 0);
    ck_assert_uint_eq(resp.len, 31);
    f.name = "abcdefghijklmnopqrstuvwxyz0123";
    ck_assert_int_eq(build(&f, 31, 31), -EMSGSIZE);
    ck_assert_uint_eq(needed, 35);
}
END_TEST

START_TEST(outputs_are_untouched_by_a_failure)
{
    const struct bl_ad_fields f = {.name = "a name that is too long for an advertisement"};

    ck_assert_int_eq(build(&f, 31, 31), -EMSGSIZE);
    ck_assert_uint_eq(adv.bytes[0], 0xaa);
    ck_assert_uint_eq(resp.bytes[0], 0xaa);
    ck_assert_int_eq(bl_ad_build(&f, 31, 31, &adv, &resp, NULL), -EMSGSIZE);
}
END_TEST

START_TEST(flags_are_never_in_a_scan_response)
{
    const struct bl_ad_fields f = {.has_flags = true, .flags = 6};

    ck_assert_int_eq(build(&f, 2, 31), -EMSGSIZE);
    ck_assert_int_eq(build(&f, 0, 31), -EMSGSIZE);
    ck_assert_int_eq(build(&f, 3, 0), 0);
}
END_TEST

START_TEST(only_connectable_advertising_is_discoverable)
{
    ck_assert_uint_eq(bl_ad_flags(true), 0x06);
    ck_assert_uint_eq(bl_ad_flags(false), 0);
}
END_TEST

START_TEST(what_can_fit_in_some_share_does)
{
    /* 10, 10, 18 and 20 octets after the flags: in order 20 would be left over */
    static const uint8_t bytes[16];
    const struct bl_ad_manufacturer m[] = {
        {1, bytes, 6}, {2, bytes, 6}, {3, bytes, 14}, {4, bytes, 16}};
    const struct bl_ad_fields f = {
        .has_flags = true, .flags = 6, .manufacturers = m, .n_manufacturers = 4};
    struct bl_ad_iter it;
    const uint8_t *data;
    unsigned seen = 0;
    uint16_t company;
    size_t len;

    ck_assert_int_eq(build(&f, 31, 31), 0);
    ck_assert_uint_eq(adv.len + resp.len, 61);
    ck_assert_mem_eq(adv.bytes, "\x02\x01\x06", 3);
    it = bl_ad_iter_make(adv.bytes, adv.len);
    while (bl_ad_next_manufacturer(&it, &company, &data, &len))
        seen |= 1u << company;
    it = bl_ad_iter_make(resp.bytes, resp.len);
    while (bl_ad_next_manufacturer(&it, &company, &data, &len))
        seen |= 1u << company;
    ck_assert_uint_eq(seen, 0x1e);
}
END_TEST

START_TEST(services_of_three_sizes_have_a_list_each)
{
    struct bl_uuid u[3] = {bl_uuid_from32(0x12345678), bl_uuid_from16(0x180f), {{1}}};

    ck_assert_int_eq(build(&(struct bl_ad_fields){.services = u, .n_services = 3}, 31, 0), 0);
    expect(&adv,
           "\x03\x03\x0f\x18\x05\x05\x78\x56\x34\x12\x11\x07\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
           28);
}
END_TEST

START_TEST(lists_that_fit_nowhere_whole_are_split_and_marked_incomplete)
{
    struct bl_ad_fields f = {
        .has_flags = true, .flags = 6, .services = uuids(2, 16), .n_services = 2};

    ck_assert_int_eq(build(&f, 31, 31), 0);
    ck_assert_uint_eq(adv.len, 3 + 18);
    ck_assert_uint_eq(adv.bytes[4], BL_AD_UUID128_SOME);
    ck_assert_uint_eq(resp.len, 18);
    ck_assert_uint_eq(resp.bytes[1], BL_AD_UUID128_SOME);
    ck_assert_mem_eq(adv.bytes + 5, f.services[0].b, 16);
    ck_assert_mem_eq(resp.bytes + 2, f.services[1].b, 16);
    f.n_services = 3;
    f.services = uuids(3, 16);
    ck_assert_int_eq(build(&f, 31, 31), -EMSGSIZE);
    ck_assert_uint_eq(needed, 3 + 50);
    f.n_services = 27; /* 28 octets left of the advertisement: 13; 31 of the response: 14 */
    f.services = uuids(27, 2);
    ck_assert_int_eq(build(&f, 31, 31), 0);
    ck_assert_uint_eq(adv.len + resp.len, 31 + 30);
    ck_assert_uint_eq(adv.bytes[4], BL_AD_UUID16_SOME);
    f.n_services = 28;
    f.services = uuids(28, 2);
    ck_assert_int_eq(build(&f, 31, 31), -EMSGSIZE);
}
END_TEST

START_TEST(a_structure_has_at_most_254_octets)
{
    static const uint8_t bytes[300];
    struct bl_ad_manufacturer m = {1, bytes, 252};
    struct bl_ad_fields f = {.manufacturers = &m, .n_manufacturers = 1};
    char name[BL_AD_DATA_MAX + 2] = {0};

    ck_assert_int_eq(build(&f, BL_MAX_ADV_EXTENDED, 0), 0);
    ck_assert_uint_eq(adv.len, 256);
    m.len = 253;
    ck_assert_int_eq(build(&f, BL_MAX_ADV_EXTENDED, 0), -EMSGSIZE);
    ck_assert_uint_eq(needed, 257);
    memset(name, 'n', BL_AD_DATA_MAX);
    ck_assert_int_eq(build(&(struct bl_ad_fields){.name = name}, 1650, 0), 0);
    name[BL_AD_DATA_MAX] = 'n';
    ck_assert_int_eq(build(&(struct bl_ad_fields){.name = name}, 1650, 0), -EMSGSIZE);
}
END_TEST

START_TEST(an_extended_advertisement_holds_1650_octets)
{
    static const uint8_t bytes[252];
    struct bl_ad_manufacturer m[7];

    for (size_t i = 0; i < 7; i++)
        m[i] = (struct bl_ad_manufacturer){(uint16_t)i, bytes, i < 6 ? 252 : 110};
    ck_assert_int_eq(
        build(&(struct bl_ad_fields){.manufacturers = m, .n_manufacturers = 7}, 1650, 0), 0);
    ck_assert_uint_eq(adv.len, 1650);
    m[6].len++;
    ck_assert_int_eq(
        build(&(struct bl_ad_fields){.manufacturers = m, .n_manufacturers = 7}, 1650, 0),
        -EMSGSIZE);
    ck_assert_uint_eq(needed, 1651);
}
END_TEST

START_TEST(too_many_items_or_octets_are_einval)
{
    static const struct bl_ad_manufacturer m[BL_MAX_FILTER_ITEMS + 1];

    ck_assert_int_eq(
        build(&(struct bl_ad_fields){.manufacturers = m, .n_manufacturers = BL_MAX_FILTER_ITEMS},
              1650, 0),
        0);
    ck_assert_int_eq(build(&(struct bl_ad_fields){.manufacturers = m,
                                                  .n_manufacturers = BL_MAX_FILTER_ITEMS + 1},
                           1650, 0),
                     -EINVAL);
    ck_assert_int_eq(build(&(struct bl_ad_fields){0}, 1651, 0), -EINVAL);
    ck_assert_int_eq(build(&(struct bl_ad_fields){0}, 31, 1651), -EINVAL);
}
END_TEST

/* Every set of up to five items of every size: built exactly when some share fits. */
START_TEST(a_payload_is_refused_only_where_no_share_fits)
{
    static const uint8_t bytes[64];
    struct bl_ad_manufacturer m[5];
    uint32_t random = 12345;

    for (unsigned round = 0; round < 20000; round++) {
        size_t total = 0, n = 1 + round % 5;
        bool possible = false;
        for (size_t i = 0; i < n; i++) {
            random = random * 1664525 + 1013904223;
            m[i] = (struct bl_ad_manufacturer){(uint16_t)i, bytes, (random >> 16) % 24};
            total += 4 + m[i].len;
        }
        for (unsigned set = 0; set < 1u << n; set++) {
            size_t sum = 0;
            for (size_t i = 0; i < n; i++)
                sum += set >> i & 1 ? 4 + m[i].len : 0;
            possible = possible || (sum <= 31 && total - sum <= 31);
        }
        int r = build(&(struct bl_ad_fields){.manufacturers = m, .n_manufacturers = n}, 31, 31);
        ck_assert_int_eq(r, possible ? 0 : -EMSGSIZE);
        ck_assert_uint_eq(needed, total);
        if (r == 0)
            ck_assert_uint_eq(adv.len + resp.len, total);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/ad_build");
    TCase *t = tcase_create("ad_build");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, fields_stand_in_their_order);
    tcase_add_test(t, nothing_at_all_builds_nothing);
    tcase_add_test(t, a_name_that_does_not_fit_moves_to_the_scan_response);
    tcase_add_test(t, sizes_are_exact_to_the_octet);
    tcase_add_test(t, outputs_are_untouched_by_a_failure);
    tcase_add_test(t, flags_are_never_in_a_scan_response);
    tcase_add_test(t, only_connectable_advertising_is_discoverable);
    tcase_add_test(t, what_can_fit_in_some_share_does);
    tcase_add_test(t, services_of_three_sizes_have_a_list_each);
    tcase_add_test(t, lists_that_fit_nowhere_whole_are_split_and_marked_incomplete);
    tcase_add_test(t, a_structure_has_at_most_254_octets);
    tcase_add_test(t, an_extended_advertisement_holds_1650_octets);
    tcase_add_test(t, too_many_items_or_octets_are_einval);
    tcase_add_test(t, a_payload_is_refused_only_where_no_share_fits);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
