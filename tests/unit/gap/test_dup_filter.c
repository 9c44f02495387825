/* SPDX-License-Identifier: MIT */

#include "gap/dup_filter.h"

#include "bounds.h"
#include "oom.h"

#include <check.h>
#include <stdlib.h>

static struct dup_filter filter;

static void setup(void)
{
    oom_off();
    bl_dup_filter_init(&filter, UINT64_C(0xd1b54a32d192ed03));
}

static void teardown(void)
{
    oom_off();
    bl_dup_filter_deinit(&filter);
}

static struct bl_report report(uint32_t who, uint8_t adv_type, const char *data)
{
    return (struct bl_report){
        .addr = {ADDR_RANDOM,
                 {(uint8_t)who, (uint8_t)(who >> 8), (uint8_t)(who >> 16), 1, 2, 0xc3}},
        .adv_type = adv_type,
        .legacy = adv_type <= 4,
        .scan_response = adv_type == 4,
        .sid = adv_type <= 4 ? 0xff : 1,
        .data = (const uint8_t *)data,
        .len = (uint16_t)strlen(data),
    };
}

static bool is_new(struct bl_report r)
{
    return bl_dup_filter_is_new(&filter, &r);
}

START_TEST(advertisement_and_scan_response_are_each_reported_once)
{
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(is_new(report(1, 0, "a")) == (i == 0));
        ck_assert(is_new(report(1, 4, "b")) == (i == 0));
        ck_assert(is_new(report(2, 0, "a")) == (i == 0));
    }
}
END_TEST

START_TEST(changed_data_is_no_news)
{
    ck_assert(is_new(report(1, 0, "count 1")));
    ck_assert(!is_new(report(1, 0, "count 2")));
}
END_TEST

START_TEST(the_same_octets_of_another_type_are_another_address)
{
    struct bl_report r = report(1, 0, "");

    ck_assert(is_new(r));
    r.addr.type = ADDR_PUBLIC;
    ck_assert(is_new(r));
    ck_assert(!is_new(r));
}
END_TEST

START_TEST(each_kind_of_pdu_and_each_set_is_news)
{
    struct bl_report r = report(1, 0xff, "");

    for (uint8_t type = 0; type <= 4; type++)
        ck_assert(is_new(report(1, type, "")));
    ck_assert(is_new(r));
    r.connectable = true;
    ck_assert(is_new(r));
    r.sid = 2;
    ck_assert(is_new(r));
    r.truncated = true;
    ck_assert(is_new(r));
    r.scan_response = true;
    ck_assert(is_new(r));
    ck_assert(!is_new(r));
    r = report(1, 0xff, "");
    ck_assert(!is_new(r));
}
END_TEST

START_TEST(anonymous_advertisements_are_told_apart_by_their_data)
{
    struct bl_report a = report(0, 0xff, "one"), b = report(0, 0xff, "two");

    a.anonymous = b.anonymous = true;
    a.addr = b.addr = (struct bl_addr){0};
    ck_assert(is_new(a));
    ck_assert(is_new(b));
    ck_assert(!is_new(a));
    ck_assert(!is_new(b));
}
END_TEST

START_TEST(the_oldest_of_more_than_4096_is_forgotten)
{
    for (uint32_t i = 0; i < BL_MAX_ADVERTISERS; i++)
        ck_assert(is_new(report(i, 0, "")));
    ck_assert(!is_new(report(0, 0, "")));
    ck_assert(is_new(report(BL_MAX_ADVERTISERS, 0, "")));
    ck_assert(!is_new(report(1, 0, "")));
    ck_assert(is_new(report(0, 0, "")));
}
END_TEST

START_TEST(without_memory_everything_is_news)
{
    oom_fail_from(1);
    bool first = is_new(report(1, 0, "")), second = is_new(report(1, 0, ""));
    oom_off();
    ck_assert(first && second);
    ck_assert(is_new(report(1, 0, "")));
    ck_assert(!is_new(report(1, 0, "")));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/dup_filter");
    TCase *t = tcase_create("dup_filter");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, advertisement_and_scan_response_are_each_reported_once);
    tcase_add_test(t, changed_data_is_no_news);
    tcase_add_test(t, the_same_octets_of_another_type_are_another_address);
    tcase_add_test(t, each_kind_of_pdu_and_each_set_is_news);
    tcase_add_test(t, anonymous_advertisements_are_told_apart_by_their_data);
    tcase_add_test(t, the_oldest_of_more_than_4096_is_forgotten);
    tcase_add_test(t, without_memory_everything_is_news);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
