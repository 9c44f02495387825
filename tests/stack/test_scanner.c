/* SPDX-License-Identifier: MIT */

/* Several scans at once on real controllers: merging, long advertisements, kinds of address. */

#include "stack.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000u

static const uint8_t name[] = {2, 1, 6, 4, 9, 'P', 'i', '1'};

static struct bl_adv_params adv_params(void)
{
    return (struct bl_adv_params){.interval_us = 100000,
                                  .connectable = true,
                                  .scannable = true,
                                  .adv_data = name,
                                  .adv_len = sizeof(name)};
}

static struct bl_scan_params scan_params(void)
{
    return (struct bl_scan_params){
        .interval_us = 100000, .window_us = 100000, .addr_mode = BL_ADDR_MODE_DEFAULT};
}

static void advertise(struct stack *s, size_t end, const struct bl_adv_params *p)
{
    uint16_t adv;
    bl_op op;

    ck_assert_int_eq(bl_advertise(s->end[end].host, s->now, 0, p, &adv, &op), 0);
    ck_assert_uint_eq(stack_done(s, end, op, SECOND).done.status, BL_OK);
}

static uint16_t scan(struct stack *s, size_t end, const struct bl_scan_params *p)
{
    uint16_t slot;
    bl_op op;

    ck_assert_int_eq(bl_scan(s->end[end].host, s->now, p, &slot, &op), 0);
    ck_assert_uint_eq(stack_done(s, end, op, SECOND).done.status, BL_OK);
    return slot;
}

static void stop(struct stack *s, size_t end, uint16_t slot)
{
    bl_op op;

    ck_assert_int_eq(bl_scan_stop(s->end[end].host, s->now, slot, &op), 0);
    ck_assert_uint_eq(stack_done(s, end, op, SECOND).done.status, BL_OK);
    stack_forget(s);
}

static uint64_t bit(uint16_t slot)
{
    return UINT64_C(1) << slot;
}

START_TEST(an_advertisement_of_1650_octets_arrives_whole)
{
    struct bl_air_config config = bl_air_config_default();
    struct stack *s = stack_new(1, 2, &config);
    struct bl_scan_params p = scan_params();
    uint8_t data[BL_MAX_ADV_EXTENDED];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = i % 250 == 0 ? 249 : i % 250 == 1 ? 0xff : (uint8_t)(i / 250);
    advertise(
        s, 0,
        &(struct bl_adv_params){
            .interval_us = 100000, .extended = true, .adv_data = data, .adv_len = sizeof(data)});
    uint16_t legacy = scan(s, 1, &p);
    stack_run(s, SECOND);
    ck_assert_uint_eq(stack_count(s, 1, BL_EV_REPORT), 0); /* it has no legacy form */
    p.extended = true;
    uint16_t extended = scan(s, 1, &p);
    ck_assert_uint_ne(legacy, extended);
    for (unsigned i = 0; i < 3; i++) {
        struct bl_event e = stack_wait(s, 1, BL_EV_REPORT, SECOND);
        ck_assert_uint_eq(e.report.scans, bit(extended));
        ck_assert_uint_eq(e.report.len, sizeof(data));
        ck_assert(!e.report.truncated);
        ck_assert_uint_eq(e.report.adv_type, 0xff);
    }
    stack_free(s);
}
END_TEST

START_TEST(a_scan_that_joins_hears_who_was_filtered_for_the_first)
{
    struct bl_air_config config = _i ? bl_air_config_default() : bl_air_config_v40();
    struct stack *s = stack_new(2, 2, &config);
    struct bl_adv_params a = adv_params();
    struct bl_scan_params p = scan_params();

    advertise(s, 0, &a);
    p.filter_duplicates = true; /* by the controller, while nobody minds */
    uint16_t first = scan(s, 1, &p);
    ck_assert_uint_eq(stack_wait(s, 1, BL_EV_REPORT, SECOND).report.scans, bit(first));
    stack_run(s, SECOND);
    ck_assert_uint_eq(stack_count(s, 1, BL_EV_REPORT), 0);
    uint16_t second = scan(s, 1, &p);
    ck_assert_uint_eq(stack_wait(s, 1, BL_EV_REPORT, SECOND).report.scans, bit(second));
    p.filter_duplicates = false;
    uint16_t third = scan(s, 1, &p);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(stack_wait(s, 1, BL_EV_REPORT, SECOND).report.scans, bit(third));
    stop(s, 1, third);
    stack_run(s, SECOND);
    ck_assert_uint_eq(stack_count(s, 1, BL_EV_REPORT), 0);
    stack_free(s);
}
END_TEST

START_TEST(an_active_scan_beside_a_passive_one_keeps_its_responses_to_itself)
{
    struct bl_air_config config = _i ? bl_air_config_default() : bl_air_config_v40();
    struct stack *s = stack_new(3, 2, &config);
    struct bl_adv_params a = adv_params();
    struct bl_scan_params p = scan_params(), q = scan_params();
    unsigned responses = 0;

    advertise(s, 0, &a);
    q.active = true;
    uint16_t passive = scan(s, 1, &p), active = scan(s, 1, &q);
    for (unsigned i = 0; i < 20; i++) {
        struct bl_event e = stack_wait(s, 1, BL_EV_REPORT, SECOND);
        bool response = e.report.adv_type == 4;
        ck_assert_uint_eq(e.report.scans, response ? bit(active) : bit(active) | bit(passive));
        responses += response;
    }
    ck_assert_uint_ge(responses, 5);
    stop(s, 1, active);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(stack_wait(s, 1, BL_EV_REPORT, SECOND).report.adv_type, 0);
    stack_free(s);
}
END_TEST

/* Mode of the advertisement and of the scan on one controller: each begins, or is told at once that
 * they exclude each other; none hangs. */
START_TEST(every_pair_of_address_kinds_is_served_or_refused)
{
    struct bl_air_config config = _i & 16 ? bl_air_config_default() : bl_air_config_v40();
    struct stack *s = stack_new(4, 2, &config);
    struct bl_host *host = s->end[0].host;
    struct bl_adv_params a = adv_params();
    struct bl_scan_params p = scan_params();
    struct bl_config c;
    uint16_t slot;
    bl_op op;

    bl_host_get_config(host, &c);
    c.irk[0] = 1;
    ck_assert_int_eq(bl_host_set_config(host, s->now, &c), 0);
    advertise(s, 1, &a);
    a.addr_mode = (enum bl_addr_mode)(_i & 3);
    p.addr_mode = (enum bl_addr_mode)(_i >> 2 & 3);
    p.active = true;
    advertise(s, 0, &a);
    bool shared = !(_i & 16) && a.addr_mode != 0 && p.addr_mode != 0 && a.addr_mode != p.addr_mode;
    int r = bl_scan(host, s->now, &p, &slot, &op);
    ck_assert_int_eq(r, shared ? -EBUSY : 0); /* one random address serves both */
    if (shared) {
        p.active = false; /* it needs none */
        ck_assert_int_eq(bl_scan(host, s->now, &p, &slot, &op), 0);
    }
    ck_assert_uint_eq(stack_done(s, 0, op, SECOND).done.status, BL_OK);
    for (unsigned i = 0; i < 3; i++)
        stack_wait(s, 0, BL_EV_REPORT, SECOND);
    stack_free(s);
}
END_TEST

START_TEST(a_scan_goes_on_through_changes_of_its_private_address)
{
    struct bl_air_config config = _i ? bl_air_config_default() : bl_air_config_v40();
    struct stack *s = stack_new(5, 2, &config);
    struct bl_host *host = s->end[1].host;
    struct bl_adv_params a = adv_params();
    struct bl_scan_params p = scan_params();
    struct bl_config c;

    bl_host_get_config(host, &c);
    c.irk[0] = 1;
    c.rpa_timeout_s = 2;
    ck_assert_int_eq(bl_host_set_config(host, s->now, &c), 0);
    advertise(s, 0, &a);
    p.active = true;
    p.addr_mode = BL_ADDR_MODE_RPA;
    uint16_t slot = scan(s, 1, &p);
    for (unsigned i = 0; i < 10; i++) {
        stack_forget(s);
        stack_run(s, SECOND);
        ck_assert_uint_ge(stack_count(s, 1, BL_EV_REPORT), 5);
        ck_assert_uint_eq(stack_count(s, 1, BL_EV_SCAN_DONE), 0);
    }
    ck_assert_uint_ge(stack_counter(s, 1, "scan-restarts"), 4);
    stop(s, 1, slot);
    stack_free(s);
}
END_TEST

/* An owner who cannot take events for a while must not cost the controller its life: answers lie
 * behind the reports that are held back. */
START_TEST(commands_are_not_lost_while_input_is_held_back)
{
    struct bl_air_config config = bl_air_config_v40();
    struct stack *s = stack_new(5, 1, &config);
    struct bl_scan_params p = scan_params();
    struct bl_host *h = s->end[0].host;
    uint8_t report[15] = {4, 0x3e, 12, 2, 1, 0, 1}, answer[16];
    const uint8_t *bytes;
    struct bl_event e;
    uint16_t slot = scan(s, 0, &p);
    size_t n;

    while (bl_host_receive(h, s->now, report, sizeof(report)) == 0)
        report[8] = (uint8_t)(report[8] + (report[7]++ == 255));
    ck_assert_int_eq(bl_scan_stop(h, s->now, slot, NULL), 0);
    ck_assert_uint_gt(n = bl_host_next_tx(h, s->now, &bytes), 0);
    bl_air_receive(s->air, s->now, s->end[0].controller, bytes, n);
    ck_assert_uint_gt(n = bl_air_next_tx(s->air, s->end[0].controller, &bytes), 0);
    ck_assert_uint_le(n, sizeof(answer));
    memcpy(answer, bytes, n);
    ck_assert_int_eq(bl_host_receive(h, s->now, answer, n), -EAGAIN);

    s->now += 10 * SECOND;
    ck_assert_uint_gt(bl_host_deadline(h), s->now);
    bl_host_tick(h, s->now);
    while (bl_host_next_event(h, &e))
        ck_assert_int_ne(e.kind, BL_EV_FAILED);
    ck_assert_int_eq(bl_host_receive(h, s->now, report, sizeof(report)), 0);
    bl_host_tick(h, s->now);
    ck_assert_int_eq(bl_host_receive(h, s->now, answer, n), 0);
    ck_assert_uint_eq(stack_counter(s, 0, "commands-lost"), 0);
    ck_assert_uint_eq(stack_counter(s, 0, "replies-unsolicited"), 0);
    stack_free(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stack/scanner");
    TCase *t = tcase_create("scanner");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_advertisement_of_1650_octets_arrives_whole);
    tcase_add_loop_test(t, a_scan_that_joins_hears_who_was_filtered_for_the_first, 0, 2);
    tcase_add_loop_test(t, an_active_scan_beside_a_passive_one_keeps_its_responses_to_itself, 0, 2);
    tcase_add_loop_test(t, every_pair_of_address_kinds_is_served_or_refused, 0, 32);
    tcase_add_loop_test(t, a_scan_goes_on_through_changes_of_its_private_address, 0, 2);
    tcase_add_test(t, commands_are_not_lost_while_input_is_held_back);
    suite_add_tcase(suite, t);

    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
