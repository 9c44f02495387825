/* SPDX-License-Identifier: MIT */

#include "gap/report_join.h"

#include "base/timerq.h"
#include "oom.h"

#include <check.h>
#include <stdlib.h>

static struct report_join join;
static struct bl_report out;
static uint8_t bytes[255];

static void setup(void)
{
    oom_off();
    bl_report_join_init(&join);
    memset(&out, 0, sizeof(out));
}

static void teardown(void)
{
    oom_off();
    bl_report_join_deinit(&join);
    bl_report_join_deinit(&join);
}

static struct bl_report fragment(unsigned who, char fill, uint16_t n)
{
    memset(bytes, fill, sizeof(bytes));
    return (struct bl_report){
        .addr = {ADDR_RANDOM, {(uint8_t)who, (uint8_t)(who >> 8), 1, 1, 1, 0xc0}},
        .adv_type = 0xff,
        .primary_phy = BL_PHY_1M,
        .secondary_phy = BL_PHY_2M,
        .sid = 3,
        .rssi = -40,
        .data = bytes,
        .len = n};
}

static bool take(uint64_t now, struct bl_report r, enum bl_hci_data_status status)
{
    return bl_report_join_take(&join, now, &r, status, &out);
}

START_TEST(a_report_in_one_piece_passes)
{
    ck_assert(take(0, fragment(1, 'a', 10), BL_HCI_DATA_COMPLETE));
    ck_assert_uint_eq(out.len, 10);
    ck_assert(!out.truncated);
    ck_assert(!bl_report_join_expired(&join, 0, &out));
    ck_assert(bl_report_join_deadline(&join) == TIMERQ_NEVER);
}
END_TEST

START_TEST(fragments_become_one_report_with_the_latest_signal)
{
    struct bl_report last = fragment(1, 'c', 5);

    last.rssi = -60;
    ck_assert(!take(0, fragment(1, 'a', 229), BL_HCI_DATA_MORE));
    ck_assert(!take(1, fragment(1, 'b', 229), BL_HCI_DATA_MORE));
    memset(bytes, 'c', sizeof(bytes));
    ck_assert(take(2, last, BL_HCI_DATA_COMPLETE));
    ck_assert_uint_eq(out.len, 463);
    ck_assert(out.data[0] == 'a' && out.data[228] == 'a' && out.data[229] == 'b' &&
              out.data[457] == 'b' && out.data[458] == 'c' && out.data[462] == 'c');
    ck_assert_int_eq(out.rssi, -60);
    ck_assert(!out.truncated);
    ck_assert_uint_eq(join.count, 0);
}
END_TEST

START_TEST(chains_of_several_advertisers_may_be_interleaved)
{
    struct bl_report other_set = fragment(1, 'z', 7);

    other_set.sid = 4;
    ck_assert(!take(0, fragment(1, 'a', 10), BL_HCI_DATA_MORE));
    ck_assert(!take(0, fragment(2, 'x', 20), BL_HCI_DATA_MORE));
    ck_assert(take(0, fragment(3, 'q', 3), BL_HCI_DATA_COMPLETE)); /* a whole one between */
    ck_assert_uint_eq(out.len, 3);
    memset(bytes, 'z', sizeof(bytes));
    ck_assert(take(0, other_set, BL_HCI_DATA_COMPLETE));
    ck_assert_uint_eq(out.len, 7);
    ck_assert(take(0, fragment(2, 'y', 20), BL_HCI_DATA_COMPLETE));
    ck_assert(out.len == 40 && out.data[19] == 'x' && out.data[20] == 'y');
    ck_assert(take(0, fragment(1, 'b', 10), BL_HCI_DATA_COMPLETE));
    ck_assert(out.len == 20 && out.data[9] == 'a' && out.data[10] == 'b');
}
END_TEST

START_TEST(a_truncated_chain_comes_out_marked)
{
    ck_assert(!take(0, fragment(1, 'a', 10), BL_HCI_DATA_MORE));
    ck_assert(take(0, fragment(1, 'b', 0), BL_HCI_DATA_TRUNCATED));
    ck_assert(out.truncated);
    ck_assert_uint_eq(out.len, 10);
    ck_assert(take(0, fragment(1, 'c', 4), BL_HCI_DATA_TRUNCATED)); /* in one piece */
    ck_assert(out.truncated);
    ck_assert(take(0, fragment(1, 'd', 4), BL_HCI_DATA_COMPLETE)); /* nothing stays behind */
    ck_assert(!out.truncated);
    ck_assert_uint_eq(out.len, 4);
}
END_TEST

START_TEST(more_than_1650_octets_are_cut)
{
    for (unsigned i = 0; i < 7; i++)
        ck_assert(!take(0, fragment(1, (char)('a' + i), 229), BL_HCI_DATA_MORE));
    ck_assert(take(0, fragment(1, 'z', 47), BL_HCI_DATA_COMPLETE));
    ck_assert_uint_eq(out.len, 1650);
    ck_assert(!out.truncated); /* exactly full */
    for (unsigned i = 0; i < 100; i++)
        ck_assert(!take(0, fragment(1, 'a', 229), BL_HCI_DATA_MORE));
    ck_assert(take(0, fragment(1, 'z', 1), BL_HCI_DATA_COMPLETE));
    ck_assert_uint_eq(out.len, 1650);
    ck_assert(out.truncated);
}
END_TEST

START_TEST(a_chain_that_waits_too_long_comes_out_truncated)
{
    ck_assert(!take(1000, fragment(1, 'a', 10), BL_HCI_DATA_MORE));
    ck_assert_uint_eq(bl_report_join_deadline(&join), 1000 + BL_REPORT_JOIN_TIMEOUT_US);
    ck_assert(!take(2000, fragment(1, 'b', 10), BL_HCI_DATA_MORE));
    ck_assert_uint_eq(bl_report_join_deadline(&join), 2000 + BL_REPORT_JOIN_TIMEOUT_US);
    ck_assert(!bl_report_join_expired(&join, 2000 + BL_REPORT_JOIN_TIMEOUT_US - 1, &out));
    ck_assert(bl_report_join_expired(&join, 2000 + BL_REPORT_JOIN_TIMEOUT_US, &out));
    ck_assert(out.truncated);
    ck_assert_uint_eq(out.len, 20);
    ck_assert_uint_eq(join.lost, 1);
    ck_assert(!bl_report_join_expired(&join, UINT64_MAX, &out));
    ck_assert(bl_report_join_deadline(&join) == TIMERQ_NEVER);
}
END_TEST

START_TEST(too_many_chains_push_the_oldest_out)
{
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert(!take(0, fragment(i, 'a', 10), BL_HCI_DATA_MORE));
        bool pushed = bl_report_join_expired(&join, 0, &out);
        ck_assert(pushed == (i >= BL_MAX_CHAINS - 1));
        if (pushed) {
            unsigned who = i - (BL_MAX_CHAINS - 1);
            ck_assert_uint_eq(out.addr.b[0] + out.addr.b[1] * 256u, who);
            ck_assert(out.truncated && out.len == 10 && out.data[0] == 'a');
        }
        ck_assert(!bl_report_join_expired(&join, 0, &out));
    }
}
END_TEST

START_TEST(more_chains_than_places_are_survived_without_asking_for_the_expired)
{
    unsigned given = 0;

    for (unsigned i = 0; i < 1000; i++)
        given += take(0, fragment(i, 'a', 10), BL_HCI_DATA_MORE);
    ck_assert_uint_eq(given, 1000 - BL_MAX_CHAINS);
}
END_TEST

START_TEST(a_steady_flow_of_chains_allocates_nothing)
{
    unsigned wrong = 0;

    ck_assert(!take(0, fragment(1, 'a', 200), BL_HCI_DATA_MORE));
    ck_assert(!take(0, fragment(2, 'a', 200), BL_HCI_DATA_MORE));
    ck_assert(take(0, fragment(1, 'b', 200), BL_HCI_DATA_COMPLETE));
    ck_assert(take(0, fragment(2, 'b', 200), BL_HCI_DATA_COMPLETE));
    oom_fail_from(1);
    for (unsigned i = 0; i < 1000; i++) {
        wrong += take(0, fragment(i, 'a', 200), BL_HCI_DATA_MORE);
        wrong += !take(0, fragment(i, 'b', 200), BL_HCI_DATA_COMPLETE);
        wrong += out.len != 400;
    }
    unsigned long allocations = oom_count();
    oom_off();
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(allocations, 0);
}
END_TEST

START_TEST(without_memory_the_beginning_goes_out_and_the_rest_is_passed_over)
{
    oom_fail_from(1);
    bool first = take(0, fragment(1, 'a', 10), BL_HCI_DATA_MORE);
    struct bl_report given = out;
    bool second = take(0, fragment(1, 'b', 10), BL_HCI_DATA_MORE);
    bool third = take(0, fragment(1, 'c', 10), BL_HCI_DATA_COMPLETE);
    oom_off();
    ck_assert(first && given.truncated && given.len == 10);
    ck_assert(!second && !third);
    ck_assert_uint_eq(join.lost, 1);
    ck_assert(!take(0, fragment(1, 'd', 10), BL_HCI_DATA_MORE));
    ck_assert(take(0, fragment(1, 'e', 10), BL_HCI_DATA_COMPLETE));
    ck_assert_uint_eq(out.len, 20);
}
END_TEST

START_TEST(clearing_forgets_open_chains)
{
    for (unsigned i = 0; i < 20; i++)
        ck_assert(!take(0, fragment(i, 'a', 10), BL_HCI_DATA_MORE));
    bl_report_join_clear(&join);
    ck_assert(bl_report_join_deadline(&join) == TIMERQ_NEVER);
    ck_assert(take(0, fragment(1, 'b', 10), BL_HCI_DATA_COMPLETE));
    ck_assert_uint_eq(out.len, 10);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/report_join");
    TCase *t = tcase_create("report_join");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_report_in_one_piece_passes);
    tcase_add_test(t, fragments_become_one_report_with_the_latest_signal);
    tcase_add_test(t, chains_of_several_advertisers_may_be_interleaved);
    tcase_add_test(t, a_truncated_chain_comes_out_marked);
    tcase_add_test(t, more_than_1650_octets_are_cut);
    tcase_add_test(t, a_chain_that_waits_too_long_comes_out_truncated);
    tcase_add_test(t, too_many_chains_push_the_oldest_out);
    tcase_add_test(t, more_chains_than_places_are_survived_without_asking_for_the_expired);
    tcase_add_test(t, a_steady_flow_of_chains_allocates_nothing);
    tcase_add_test(t, without_memory_the_beginning_goes_out_and_the_rest_is_passed_over);
    tcase_add_test(t, clearing_forgets_open_chains);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
