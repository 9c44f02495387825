/* SPDX-License-Identifier: MIT */

#include "gap/scan_filter.h"

#include "oom.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static struct scan_filter filter;

static const struct bl_addr alice = {ADDR_PUBLIC, {1, 2, 3, 4, 5, 6}};
static const struct bl_addr bob = {ADDR_RANDOM, {6, 5, 4, 3, 2, 0xc1}};

/* 180d in its service list */
static const uint8_t heart[] = {2, 1, 6, 3, 3, 0x0d, 0x18};
static const uint8_t named[] = {6, 9, 'T', 'h', 'e', 'r', 'm'};
static const uint8_t apple[] = {5, 0xff, 0x4c, 0x00, 1, 2};

static void teardown(void)
{
    oom_off();
    bl_scan_filter_deinit(&filter);
}

static void setup(void)
{
    oom_off();
    filter = (struct scan_filter){0};
}

static void use(const struct bl_scan_filter *f)
{
    ck_assert_int_eq(bl_scan_filter_init(&filter, f, UINT64_C(0x9e3779b97f4a7c15)), 0);
}

static bool passes_at(const struct bl_addr *who, int8_t rssi, const uint8_t *data, size_t n)
{
    const struct bl_report r = {.addr = *who, .rssi = rssi, .data = data, .len = (uint16_t)n};

    return bl_scan_filter_match(&filter, &r, who);
}

#define passes(who, data) passes_at(who, -50, data, sizeof(data))

START_TEST(no_filter_passes_everything)
{
    use(&(struct bl_scan_filter){0});
    ck_assert(passes(&alice, heart));
    ck_assert(passes_at(&alice, 127, NULL, 0));
    ck_assert(bl_scan_filter_is_constant(&filter));
}
END_TEST

START_TEST(services_are_alternatives_and_compared_by_value)
{
    const struct bl_uuid u[] = {bl_uuid_from16(0x180a), bl_uuid_from32(0x180d)};
    /* the same UUID in its 128-bit form */
    static const uint8_t long_form[] = {17,   6, 0xfb, 0x34, 0x9b, 0x5f, 0x80, 0, 0,
                                        0x80, 0, 0x10, 0,    0,    0x0a, 0x18, 0, 0};
    static const uint8_t data_only[] = {3, 0x16, 0x0d, 0x18};

    use(&(struct bl_scan_filter){.services = u, .n_services = 2});
    ck_assert(!bl_scan_filter_is_constant(&filter));
    ck_assert(!passes(&alice, data_only));
    ck_assert(passes(&alice, heart));
    ck_assert(!passes(&bob, named));
    ck_assert(passes(&bob, long_form));
}
END_TEST

START_TEST(an_advertiser_that_matched_has_matched_for_good)
{
    const struct bl_uuid u = bl_uuid_from16(0x180d);

    use(&(struct bl_scan_filter){.services = &u, .n_services = 1});
    ck_assert(!passes(&alice, named)); /* its scan response, before */
    ck_assert(passes(&alice, heart));
    ck_assert(passes(&alice, named)); /* and after */
    ck_assert(passes_at(&alice, -90, NULL, 0));
    ck_assert(!passes(&bob, named));
}
END_TEST

START_TEST(criteria_may_be_met_by_different_payloads_of_one_advertiser)
{
    const struct bl_uuid u = bl_uuid_from16(0x180d);
    const uint16_t company = 0x4c;

    use(&(struct bl_scan_filter){.services = &u,
                                 .n_services = 1,
                                 .name_prefix = "Th",
                                 .manufacturers = &company,
                                 .n_manufacturers = 1});
    ck_assert(!passes(&alice, heart));
    ck_assert(!passes(&bob, named)); /* another one's name does not count */
    ck_assert(!passes(&alice, apple));
    ck_assert(passes(&alice, named));
    ck_assert(passes(&alice, heart));
    ck_assert(!passes(&bob, apple));
    ck_assert(passes(&bob, heart));
}
END_TEST

START_TEST(names_match_by_prefix_complete_or_shortened)
{
    static const uint8_t shorter[] = {3, 8, 'T', 'h'};
    static const uint8_t no_name[] = {1, 9};

    use(&(struct bl_scan_filter){.name_prefix = "The"});
    ck_assert(!passes(&alice, shorter));
    ck_assert(!passes(&alice, heart));
    ck_assert(passes(&alice, named));
    bl_scan_filter_deinit(&filter);
    use(&(struct bl_scan_filter){.name_prefix = "T"});
    ck_assert(passes(&bob, shorter));
    bl_scan_filter_deinit(&filter);
    use(&(struct bl_scan_filter){.name_prefix = ""}); /* any name */
    ck_assert(!passes(&alice, heart));
    ck_assert(passes(&alice, no_name));
}
END_TEST

START_TEST(manufacturers_are_alternatives)
{
    const uint16_t companies[] = {0x59, 0x4c};

    use(&(struct bl_scan_filter){.manufacturers = companies, .n_manufacturers = 2});
    ck_assert(passes(&alice, apple));
    ck_assert(!passes(&bob, heart));
}
END_TEST

START_TEST(addresses_match_on_air_or_as_identity)
{
    const struct bl_addr rpa = {ADDR_RANDOM, {1, 1, 1, 1, 1, 0x41}};
    const struct bl_report resolved = {.addr = alice};
    const struct bl_report raw = {.addr = rpa};

    use(&(struct bl_scan_filter){.addresses = (struct bl_addr[]){bob, alice}, .n_addresses = 2});
    ck_assert(bl_scan_filter_is_constant(&filter));
    ck_assert(bl_scan_filter_match(&filter, &resolved, &rpa));
    ck_assert(!bl_scan_filter_match(&filter, &raw, &rpa));
    bl_scan_filter_deinit(&filter);
    use(&(struct bl_scan_filter){.addresses = &rpa, .n_addresses = 1});
    ck_assert(bl_scan_filter_match(&filter, &resolved, &rpa));
    ck_assert(!bl_scan_filter_match(&filter, &resolved, &alice));
}
END_TEST

START_TEST(all_of_many_addresses_are_found_and_no_other)
{
    struct bl_addr many[BL_MAX_FILTER_ITEMS];
    uint32_t random = 5;

    for (size_t i = 0; i < BL_MAX_FILTER_ITEMS; i++) {
        random = random * 1664525 + 1013904223;
        many[i] = (struct bl_addr){(uint8_t)(random >> 31),
                                   {(uint8_t)random, (uint8_t)(random >> 8), 0, 0, 7, (uint8_t)i}};
    }
    use(&(struct bl_scan_filter){.addresses = many, .n_addresses = BL_MAX_FILTER_ITEMS});
    for (size_t i = 0; i < BL_MAX_FILTER_ITEMS; i++) {
        struct bl_addr other = many[i];
        ck_assert(passes(&many[i], heart));
        other.type ^= 1;
        ck_assert(!passes(&other, heart));
    }
}
END_TEST

START_TEST(weak_or_unknown_signals_do_not_pass)
{
    use(&(struct bl_scan_filter){.has_rssi_min = true, .rssi_min = -70});
    ck_assert(!bl_scan_filter_is_constant(&filter));
    ck_assert(passes_at(&alice, -70, NULL, 0));
    ck_assert(!passes_at(&alice, -71, NULL, 0)); /* also of who has been near */
    ck_assert(!passes_at(&alice, 127, NULL, 0));
    ck_assert(passes_at(&alice, 20, NULL, 0));
}
END_TEST

START_TEST(an_anonymous_advertisement_has_to_show_all_itself)
{
    const struct bl_uuid u = bl_uuid_from16(0x180d);
    struct bl_report r = {.anonymous = true, .data = heart, .len = sizeof(heart)};

    use(&(struct bl_scan_filter){.services = &u, .n_services = 1});
    ck_assert(bl_scan_filter_match(&filter, &r, &r.addr));
    r.len = 3;
    ck_assert(!bl_scan_filter_match(&filter, &r, &r.addr));
    bl_scan_filter_deinit(&filter);
    use(&(struct bl_scan_filter){.addresses = &(struct bl_addr){0}, .n_addresses = 1});
    ck_assert(!bl_scan_filter_match(&filter, &r, &r.addr));
}
END_TEST

START_TEST(strangers_do_not_push_out_who_has_matched)
{
    const struct bl_uuid u = bl_uuid_from16(0x180d);

    use(&(struct bl_scan_filter){.services = &u, .n_services = 1});
    ck_assert(passes(&alice, heart));
    for (uint32_t i = 0; i < 3 * BL_MAX_ADVERTISERS; i++) {
        struct bl_addr a = {ADDR_RANDOM, {(uint8_t)i, (uint8_t)(i >> 8), 0, 0, 0, 0xc0}};
        ck_assert(!passes(&a, named));
    }
    ck_assert(passes(&alice, named));
}
END_TEST

START_TEST(filters_beyond_the_limits_are_einval)
{
    static const struct bl_uuid u[BL_MAX_FILTER_ITEMS + 1];
    static const struct bl_addr a[BL_MAX_FILTER_ITEMS + 1];
    static const uint16_t m[BL_MAX_FILTER_ITEMS + 1];
    char name[BL_SCAN_NAME_MAX + 2] = {0};
    const struct bl_scan_filter bad[] = {
        {.services = u, .n_services = BL_MAX_FILTER_ITEMS + 1},
        {.addresses = a, .n_addresses = BL_MAX_FILTER_ITEMS + 1},
        {.manufacturers = m, .n_manufacturers = BL_MAX_FILTER_ITEMS + 1},
        {.name_prefix = name},
    };

    memset(name, 'n', BL_SCAN_NAME_MAX + 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_int_eq(bl_scan_filter_init(&filter, &bad[i], 1), -EINVAL);
    name[BL_SCAN_NAME_MAX] = '\0';
    use(&(struct bl_scan_filter){.name_prefix = name});
}
END_TEST

START_TEST(a_filter_that_there_is_no_memory_for_leaves_nothing)
{
    const struct bl_uuid u = bl_uuid_from16(0x180d);
    const uint16_t company = 0x4c;
    const struct bl_scan_filter f = {.services = &u,
                                     .n_services = 1,
                                     .addresses = &alice,
                                     .n_addresses = 1,
                                     .manufacturers = &company,
                                     .n_manufacturers = 1,
                                     .name_prefix = "T"};
    unsigned long n = 0;

    do
        oom_fail_at(++n);
    while (bl_scan_filter_init(&filter, &f, 1) == -ENOMEM);
    oom_fail_from(1); /* no memory for what it showed: it has to show again */
    bool passed = passes(&alice, heart) || passes(&alice, named);
    oom_off();
    ck_assert_uint_eq(n, 5); /* four allocations */
    ck_assert(!passed);
    ck_assert(!passes(&alice, heart));
    ck_assert(!passes(&alice, apple));
    ck_assert(passes(&alice, named));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/scan_filter");
    TCase *t = tcase_create("scan_filter");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, no_filter_passes_everything);
    tcase_add_test(t, services_are_alternatives_and_compared_by_value);
    tcase_add_test(t, an_advertiser_that_matched_has_matched_for_good);
    tcase_add_test(t, criteria_may_be_met_by_different_payloads_of_one_advertiser);
    tcase_add_test(t, names_match_by_prefix_complete_or_shortened);
    tcase_add_test(t, manufacturers_are_alternatives);
    tcase_add_test(t, addresses_match_on_air_or_as_identity);
    tcase_add_test(t, all_of_many_addresses_are_found_and_no_other);
    tcase_add_test(t, weak_or_unknown_signals_do_not_pass);
    tcase_add_test(t, an_anonymous_advertisement_has_to_show_all_itself);
    tcase_add_test(t, strangers_do_not_push_out_who_has_matched);
    tcase_add_test(t, filters_beyond_the_limits_are_einval);
    tcase_add_test(t, a_filter_that_there_is_no_memory_for_leaves_nothing);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
