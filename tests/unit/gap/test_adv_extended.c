/* SPDX-License-Identifier: MIT */

/* A controller with extended advertising: three sets, 1650 octets. */

#include "gap_world.h"

#include "gap/adv_internal.h"

#include "base/timerq.h"

#include <errno.h>

#define PARAMS BL_CMD_LE_SET_EXT_ADV_PARAMS
#define ADDR   BL_CMD_LE_SET_ADV_SET_RANDOM_ADDRESS
#define DATA   BL_CMD_LE_SET_EXT_ADV_DATA
#define RESP   BL_CMD_LE_SET_EXT_SCAN_RSP_DATA
#define ENABLE BL_CMD_LE_SET_EXT_ADV_ENABLE
#define REMOVE BL_CMD_LE_REMOVE_ADV_SET

/* set, properties, intervals, channels, own, peer, filter, power, PHY, skip, PHY, SID, notify */
#define PEER_NONE  "00 000000000000"
#define ADV_IND(s) s " 1300 a00000 a00000 07 00 " PEER_NONE " 00 7f 01 00 01 00 00"
#define ON(s)      "01 01 " s " 0000 00"
#define OFF(s)     "00 01 " s " 0000 00"

static struct gap_world *w;
static uint8_t long_data[BL_MAX_ADV_EXTENDED];

static void setup(void)
{
    w = gap_world_new(true);
    gap_world_ready(w);
    for (size_t i = 0; i < sizeof(long_data); i++)
        long_data[i] = (uint8_t)(i * 7);
}

static void teardown(void)
{
    gap_world_free(w);
}

static struct bl_adv_params extended(size_t len)
{
    struct bl_adv_params p = gap_world_params("");

    p.extended = true;
    p.connectable = p.scannable = false;
    p.adv_data = long_data;
    p.adv_len = len;
    return p;
}

static bl_op stop(uint16_t adv)
{
    bl_op op = 0;

    ck_assert_int_eq(bl_advertiser_stop(&w->adv, w->now, adv, &op), 0);
    return op;
}

static uint16_t start_abc(void)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;
    uint16_t adv = gap_world_start(w, 0, &p, &op);

    gap_world_do(w, PARAMS, ADV_IND("00"));
    gap_world_do(w, DATA, "00 03 01 03 616263");
    gap_world_no_event(w);
    gap_world_do(w, ENABLE, ON("00"));
    gap_world_op_done(w, op, BL_OK);
    gap_world_quiet(w);
    ck_assert(!w->radio.advertising); /* the shared address is not in use */
    return adv;
}

START_TEST(legacy_pdus_by_properties)
{
    static const struct {
        bool connectable, scannable, directed, high_duty;
        const char *params, *enable;
    } rows[] = {
        {true, true, false, false, ADV_IND("00"), ON("00")},
        {true, false, false, false, ADV_IND("00"), ON("00")},
        {false, true, false, false,
         "00 1200 a00000 a00000 07 00 " PEER_NONE " 00 7f 01 00 01 00 00", ON("00")},
        {false, false, false, false,
         "00 1000 a00000 a00000 07 00 " PEER_NONE " 00 7f 01 00 01 00 00", ON("00")},
        {true, true, true, false,
         "00 1500 a00000 a00000 07 00 01 060504030201 00 7f 01 00 01 00 00", ON("00")},
        {true, true, true, true, "00 1d00 a00000 a00000 07 00 01 060504030201 00 7f 01 00 01 00 00",
         "01 01 00 8000 00"},
    };
    struct bl_adv_params p = gap_world_params("");
    bl_op op;

    p.connectable = rows[_i].connectable;
    p.scannable = rows[_i].scannable;
    p.has_directed = rows[_i].directed;
    p.high_duty = rows[_i].high_duty;
    p.directed = (struct bl_addr){ADDR_RANDOM, {6, 5, 4, 3, 2, 1}};
    gap_world_start(w, 0, &p, &op);
    gap_world_do(w, PARAMS, rows[_i].params);
    gap_world_do(w, ENABLE, rows[_i].enable);
    gap_world_op_done(w, op, BL_OK);
}
END_TEST

START_TEST(extended_pdus_carry_phys_and_sid)
{
    struct bl_adv_params p = extended(3);
    bl_op op;

    p.interval_us = 40960000;
    p.primary_phy = BL_PHY_CODED;
    p.secondary_phy = BL_PHY_2M;
    p.sid = 11;
    gap_world_start(w, 0, &p, &op);
    gap_world_do(w, PARAMS, "00 0000 000001 000001 07 00 " PEER_NONE " 00 7f 03 00 02 0b 00");
    gap_world_do(w, DATA, "00 03 01 03 00070e");
    gap_world_do(w, ENABLE, ON("00"));
    gap_world_op_done(w, op, BL_OK);
}
END_TEST

START_TEST(extended_connectable_scannable_and_directed)
{
    static const struct {
        bool connectable, scannable, directed;
        unsigned props;
    } rows[] = {{true, false, false, 1}, {false, true, false, 2}, {true, false, true, 5},
                {false, false, true, 4}, {false, true, true, 6},  {true, true, false, 1}};
    struct bl_adv_params p = extended(0);
    bl_op op;

    p.connectable = rows[_i].connectable;
    p.scannable = rows[_i].scannable;
    p.has_directed = rows[_i].directed;
    p.resp_data = long_data;
    p.resp_len = rows[_i].scannable && !rows[_i].connectable;
    gap_world_start(w, 0, &p, &op);
    const struct fake_cmd *cmd = gap_world_do(w, PARAMS, NULL);
    ck_assert_uint_eq(cmd->params[1], rows[_i].props);
    ck_assert_uint_eq(cmd->params[2], 0);
}
END_TEST

static void expect_fragment(uint16_t opcode, uint8_t operation, size_t at, size_t n)
{
    const struct fake_cmd *cmd = gap_world_do(w, opcode, NULL);

    ck_assert_uint_eq(cmd->n, 4 + n);
    ck_assert_uint_eq(cmd->params[0], 0);
    ck_assert_uint_eq(cmd->params[1], operation);
    ck_assert_uint_eq(cmd->params[3], n);
    ck_assert_mem_eq(cmd->params + 4, long_data + at, n);
}

START_TEST(long_data_goes_in_fragments)
{
    struct bl_adv_params p = extended(1650);
    bl_op op;

    gap_world_start(w, 0, &p, &op);
    gap_world_do(w, PARAMS, NULL);
    expect_fragment(DATA, 1, 0, 251);
    for (size_t i = 1; i < 6; i++)
        expect_fragment(DATA, 0, i * 251, 251);
    expect_fragment(DATA, 2, 6 * 251, 1650 - 6 * 251);
    gap_world_do(w, ENABLE, ON("00"));
    gap_world_op_done(w, op, BL_OK);
}
END_TEST

START_TEST(fragments_at_the_edge)
{
    struct bl_adv_params p = extended(_i == 0 ? 251 : 252);
    bl_op op;

    gap_world_start(w, 0, &p, &op);
    gap_world_do(w, PARAMS, NULL);
    if (_i == 0) {
        expect_fragment(DATA, 3, 0, 251);
    } else {
        expect_fragment(DATA, 1, 0, 251);
        expect_fragment(DATA, 2, 251, 1);
    }
    gap_world_do(w, ENABLE, ON("00"));
}
END_TEST

START_TEST(long_scan_response_goes_in_fragments)
{
    struct bl_adv_params p = extended(0);
    bl_op op;

    p.scannable = true;
    p.resp_data = long_data;
    p.resp_len = 300;
    gap_world_start(w, 0, &p, &op);
    gap_world_do(w, PARAMS, NULL);
    expect_fragment(RESP, 1, 0, 251);
    expect_fragment(RESP, 2, 251, 49);
    gap_world_do(w, ENABLE, ON("00"));
    gap_world_op_done(w, op, BL_OK);
}
END_TEST

START_TEST(replacing_between_fragments_begins_anew)
{
    struct bl_adv_params p = extended(600), q = extended(500);
    bl_op first, second;
    uint16_t adv = gap_world_start(w, 0, &p, &first);

    gap_world_do(w, PARAMS, NULL);
    expect_fragment(DATA, 1, 0, 251);
    const struct fake_cmd *cmd = gap_world_expect(w, DATA, NULL);
    gap_world_start(w, adv, &q, &second);
    gap_world_op_done(w, first, BL_CANCELED);
    gap_world_answer(w, cmd, 0);
    expect_fragment(DATA, 1, 0, 251);
    expect_fragment(DATA, 2, 251, 249);
    gap_world_do(w, ENABLE, ON("00"));
    gap_world_op_done(w, second, BL_OK);
}
END_TEST

START_TEST(refused_fragment_of_a_replaced_version_is_of_no_interest)
{
    struct bl_adv_params p = extended(600), q = extended(3);
    bl_op first, second;
    uint16_t adv = gap_world_start(w, 0, &p, &first);

    gap_world_do(w, PARAMS, NULL);
    const struct fake_cmd *cmd = gap_world_expect(w, DATA, NULL);
    gap_world_start(w, adv, &q, &second);
    gap_world_answer(w, cmd, BL_HCI_MEMORY_EXCEEDED);
    expect_fragment(DATA, 3, 0, 3);
    gap_world_do(w, ENABLE, ON("00"));
    gap_world_op_done(w, first, BL_CANCELED);
    gap_world_op_done(w, second, BL_OK);
    gap_world_no_event(w);
}
END_TEST

START_TEST(short_data_is_replaced_in_place_and_long_data_off_the_air)
{
    struct bl_adv_params p = extended(3), q = extended(251), r = extended(252);
    uint16_t adv = gap_world_started(w, &p);
    bl_op op;

    gap_world_start(w, adv, &q, &op);
    expect_fragment(DATA, 3, 0, 251);
    gap_world_op_done(w, op, BL_OK);
    gap_world_start(w, adv, &r, &op);
    gap_world_do(w, ENABLE, OFF("00"));
    expect_fragment(DATA, 1, 0, 251);
    expect_fragment(DATA, 2, 251, 1);
    gap_world_do(w, ENABLE, ON("00"));
    gap_world_op_done(w, op, BL_OK);
    gap_world_quiet(w);
    gap_world_no_event(w);
}
END_TEST

START_TEST(stopped_set_is_disabled_and_removed)
{
    uint16_t adv = start_abc();
    bl_op op = stop(adv);

    gap_world_do(w, ENABLE, OFF("00"));
    gap_world_adv_stopped(w, adv, BL_OK);
    gap_world_op_done(w, op, BL_OK);
    gap_world_do(w, REMOVE, "00");
    gap_world_quiet(w);
}
END_TEST

START_TEST(set_is_removed_before_its_kind_of_pdu_changes)
{
    uint16_t adv = start_abc();
    struct bl_adv_params p = extended(300);
    bl_op op;

    gap_world_start(w, adv, &p, &op);
    gap_world_do(w, ENABLE, OFF("00"));
    gap_world_do(w, REMOVE, "00");
    gap_world_do(w, PARAMS, NULL);
    expect_fragment(DATA, 1, 0, 251);
    expect_fragment(DATA, 2, 251, 49);
    gap_world_do(w, ENABLE, ON("00"));
    gap_world_op_done(w, op, BL_OK);
    gap_world_quiet(w);
}
END_TEST

START_TEST(controller_that_cannot_remove_is_not_asked_twice)
{
    uint16_t adv = start_abc();
    struct bl_adv_params p = extended(0);
    bl_op op;

    fake_hci_deny(w->hci, REMOVE);
    gap_world_start(w, adv, &p, &op);
    gap_world_do(w, ENABLE, OFF("00"));
    gap_world_do(w, PARAMS, NULL);
    gap_world_do(w, DATA, "00 03 01 00"); /* what it had is cleared */
    gap_world_do(w, RESP, "00 03 01 00");
    gap_world_do(w, ENABLE, ON("00"));
    gap_world_op_done(w, op, BL_OK);
    stop(adv);
    gap_world_do(w, ENABLE, OFF("00"));
    gap_world_quiet(w);
}
END_TEST

START_TEST(each_has_a_set_of_its_own)
{
    struct bl_adv_params p = gap_world_params("");
    bl_op op;

    gap_world_started(w, &p);
    gap_world_start(w, 0, &p, &op);
    gap_world_do(w, PARAMS, ADV_IND("01"));
    gap_world_do(w, ENABLE, ON("01"));
    gap_world_op_done(w, op, BL_OK);
    gap_world_start(w, 0, &p, &op);
    gap_world_do(w, PARAMS, ADV_IND("02"));
    gap_world_do(w, ENABLE, ON("02"));
    gap_world_op_done(w, op, BL_OK);
    ck_assert_uint_eq(bl_advertiser_deadline(&w->adv), TIMERQ_NEVER);
}
END_TEST

START_TEST(more_than_there_are_sets_take_turns_fairly)
{
    struct bl_adv_params p = gap_world_params("abc");
    unsigned on[7] = {0};
    uint16_t first = 0;
    bl_op op;

    for (unsigned i = 0; i < 7; i++) {
        uint16_t adv = gap_world_start(w, 0, &p, &op);
        first = first ? first : adv;
    }
    gap_world_run(w);
    for (unsigned i = 0; i < 700; i++) {
        gap_world_pass(w, w->now + 50000);
        for (unsigned s = 0; s < 3; s++) {
            ck_assert(w->adv.sets[s].enabled);
            on[w->adv.sets[s].on - first]++;
        }
    }
    for (unsigned i = 0; i < 7; i++) {
        ck_assert_uint_ge(on[i], 290);
        ck_assert_uint_le(on[i], 310);
    }
}
END_TEST

START_TEST(controller_with_room_for_fewer_sets_than_it_says)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    uint16_t first = gap_world_started(w, &p);
    gap_world_start(w, 0, &p, &op);
    gap_world_answer(w, gap_world_expect(w, PARAMS, NULL), BL_HCI_MEMORY_EXCEEDED);
    gap_world_quiet(w);
    gap_world_no_event(w);
    gap_world_pass(w, w->now + 100000); /* then they take turns */
    gap_world_op_done(w, op, BL_OK);
    ck_assert_uint_ne(w->adv.sets[0].on, first);
    ck_assert(!w->adv.sets[1].enabled);
}
END_TEST

START_TEST(no_room_at_all_is_an_error)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    gap_world_start(w, 0, &p, &op);
    gap_world_answer(w, gap_world_expect(w, PARAMS, NULL), BL_HCI_MEMORY_EXCEEDED);
    gap_world_op_done(w, op, BL_STATUS_HCI + BL_HCI_MEMORY_EXCEEDED);
    gap_world_quiet(w);
}
END_TEST

START_TEST(controller_that_says_it_has_no_sets_has_one)
{
    struct bl_adv_params p = gap_world_params("abc");

    w->hci->caps.adv_sets = 0;
    gap_world_started(w, &p);
}
END_TEST

/* ---- addresses ---- */

START_TEST(static_address_is_given_to_the_set)
{
    struct bl_adv_params p = gap_world_params("");
    bl_op op;

    w->radio.config.static_addr = (struct bl_addr){ADDR_RANDOM, {1, 2, 3, 4, 5, 0xc6}};
    p.addr_mode = BL_ADDR_MODE_STATIC;
    gap_world_start(w, 0, &p, &op);
    gap_world_do(w, PARAMS, "00 1300 a00000 a00000 07 01 " PEER_NONE " 00 7f 01 00 01 00 00");
    gap_world_do(w, ADDR, "00 0102030405c6");
    gap_world_do(w, ENABLE, ON("00"));
    gap_world_op_done(w, op, BL_OK);
    ck_assert_uint_eq(bl_advertiser_deadline(&w->adv), TIMERQ_NEVER);
}
END_TEST

static void with_rpa(void)
{
    memset(w->radio.config.irk, 7, 16);
    w->radio.config.addr_mode = BL_ADDR_MODE_RPA;
    bl_privacy_configured(&w->privacy, w->now);
    gap_world_do(w, BL_CMD_LE_SET_RANDOM_ADDRESS, NULL);
    struct bl_event e;
    ck_assert(gap_world_event(w, &e));
}

START_TEST(first_set_has_the_current_address_and_others_have_their_own)
{
    struct bl_adv_params p = gap_world_params("");
    struct bl_addr current;
    bl_op op;

    with_rpa();
    ck_assert(bl_privacy_current(&w->privacy, &current));
    gap_world_start(w, 0, &p, &op);
    gap_world_do(w, PARAMS, NULL);
    ck_assert_mem_eq(gap_world_do(w, ADDR, NULL)->params + 1, current.b, 6);
    gap_world_do(w, ENABLE, ON("00"));
    gap_world_start(w, 0, &p, &op);
    gap_world_do(w, PARAMS, NULL);
    ck_assert_mem_ne(gap_world_do(w, ADDR, NULL)->params + 1, current.b, 6);
    gap_world_do(w, ENABLE, ON("01"));
}
END_TEST

START_TEST(connectable_sets_go_off_the_air_for_a_new_address_others_do_not)
{
    struct bl_adv_params p = gap_world_params(""), q = gap_world_params("");
    struct bl_addr before, current;

    with_rpa();
    q.connectable = q.scannable = false;
    gap_world_started(w, &p);
    gap_world_started(w, &q);
    ck_assert(bl_privacy_current(&w->privacy, &before));
    w->now = bl_advertiser_deadline(&w->adv);
    bl_privacy_tick(&w->privacy, w->now);
    bl_advertiser_tick(&w->adv, w->now);
    gap_world_do(w, BL_CMD_LE_SET_RANDOM_ADDRESS, NULL);
    ck_assert(bl_privacy_current(&w->privacy, &current));
    ck_assert(!bl_addr_eq(&before, &current));

    gap_world_do(w, ENABLE, OFF("00"));
    const struct fake_cmd *one = gap_world_do(w, ADDR, NULL), *two;
    if (one->params[0] == 1) { /* sets take turns */
        two = one;
        one = gap_world_do(w, ADDR, NULL);
    } else {
        two = gap_world_do(w, ADDR, NULL);
    }
    gap_world_do(w, ENABLE, ON("00"));
    ck_assert_uint_eq(one->params[0], 0);
    ck_assert_mem_eq(one->params + 1, current.b, 6);
    ck_assert_uint_eq(two->params[0], 1);
    gap_world_quiet(w);
    ck_assert_uint_gt(bl_advertiser_deadline(&w->adv), w->now);
}
END_TEST

START_TEST(different_kinds_of_addresses_do_not_meet)
{
    struct bl_adv_params p = gap_world_params("");

    memset(w->radio.config.irk, 7, 16);
    p.addr_mode = BL_ADDR_MODE_RPA;
    gap_world_started(w, &p);
    p.addr_mode = BL_ADDR_MODE_STATIC;
    gap_world_started(w, &p);
    p.addr_mode = BL_ADDR_MODE_NRPA;
    gap_world_started(w, &p);
}
END_TEST

START_TEST(no_randomness_ends_the_start)
{
    struct bl_adv_params p = gap_world_params("");
    bl_op op;

    p.addr_mode = BL_ADDR_MODE_NRPA;
    w->random_fails = true;
    gap_world_start(w, 0, &p, &op);
    gap_world_quiet(w);
    gap_world_op_done(w, op, BL_NO_RESOURCES);
}
END_TEST

START_TEST(pause_does_not_concern_sets)
{
    start_abc();
    w->radio.pause = true;
    ck_assert(!bl_advertiser_step(&w->adv, w->now));
}
END_TEST

/* ---- connections ---- */

START_TEST(only_connectable_set_is_known_at_once)
{
    uint16_t adv = start_abc();
    struct bl_adv_params q = extended(3);

    gap_world_started(w, &q);
    ck_assert_uint_eq(gap_world_connected(w, 0x40, 0), adv);
    gap_world_adv_stopped(w, adv, BL_OK);
    ck_assert_uint_eq(gap_world_terminated(w, 0, 0, 0x40), adv);
    ck_assert_uint_eq(gap_world_terminated(w, 0, 0, 0x40), 0);
    gap_world_no_event(w);
    gap_world_do(w, REMOVE, "00");
    gap_world_quiet(w);
}
END_TEST

START_TEST(one_of_several_is_told_by_the_controller)
{
    struct bl_adv_params p = gap_world_params("abc");
    uint16_t first = gap_world_started(w, &p), second = gap_world_started(w, &p);

    ck_assert_uint_eq(gap_world_connected(w, 0x40, 0), 0);
    gap_world_no_event(w);
    ck_assert_uint_eq(gap_world_terminated(w, 1, 0, 0x40), second);
    gap_world_adv_stopped(w, second, BL_OK);
    gap_world_no_event(w);
    ck_assert_uint_eq(w->adv.sets[0].on, first);
    ck_assert(w->adv.sets[0].enabled);
    gap_world_do(w, REMOVE, "01");
    gap_world_quiet(w);
}
END_TEST

START_TEST(resume_is_on_again_after_the_connection)
{
    struct bl_adv_params p = gap_world_params("abc");

    p.resume = true;
    uint16_t adv = gap_world_started(w, &p);
    ck_assert_uint_eq(gap_world_connected(w, 0x40, 0), adv);
    ck_assert_uint_eq(gap_world_terminated(w, 0, 0, 0x40), adv);
    gap_world_run(w);
    ck_assert(!w->adv.sets[0].enabled);
    bl_advertiser_link_gone(&w->adv, w->now, adv);
    gap_world_run(w);
    ck_assert(w->adv.sets[0].enabled);
    gap_world_no_event(w);
}
END_TEST

START_TEST(late_termination_does_not_touch_the_next_on_the_set)
{
    struct bl_adv_params p = gap_world_params("abc");
    uint16_t adv = gap_world_started(w, &p);

    ck_assert_uint_eq(gap_world_connected(w, 0x40, 0), adv);
    gap_world_adv_stopped(w, adv, BL_OK);
    uint16_t next = gap_world_started(w, &p);
    ck_assert_uint_eq(gap_world_terminated(w, 0, 0, 0x40), adv);
    ck_assert(w->adv.sets[0].enabled);
    ck_assert_uint_eq(w->adv.sets[0].on, next);
    gap_world_no_event(w);
}
END_TEST

START_TEST(termination_of_an_unknown_set_is_ignored)
{
    start_abc();
    ck_assert_uint_eq(gap_world_terminated(w, 200, 0, 0x40), 0);
    ck_assert_uint_eq(gap_world_terminated(w, 2, 0, 0x40), 0);
    ck_assert_uint_eq(gap_world_terminated(w, 2, BL_HCI_LIMIT_REACHED, 0), 0);
    gap_world_quiet(w);
    gap_world_no_event(w);
}
END_TEST

START_TEST(high_duty_is_over_by_termination)
{
    struct bl_adv_params p = gap_world_params("");

    p.has_directed = p.high_duty = true;
    uint16_t adv = gap_world_started(w, &p);
    gap_world_connected(w, 0, BL_HCI_ADVERTISING_TIMEOUT);
    gap_world_no_event(w);
    gap_world_terminated(w, 0, BL_HCI_ADVERTISING_TIMEOUT, 0);
    gap_world_adv_stopped(w, adv, BL_TIMEOUT);
    gap_world_no_event(w);
}
END_TEST

START_TEST(set_that_ends_without_reason_is_on_again_after_a_while)
{
    start_abc();
    gap_world_terminated(w, 0, BL_HCI_LIMIT_REACHED, 0);
    gap_world_run(w);
    ck_assert(!w->adv.sets[0].enabled);
    gap_world_pass(w, w->now + 1000000);
    ck_assert(w->adv.sets[0].enabled);
    gap_world_no_event(w);
}
END_TEST

START_TEST(connections_through_all_sets_at_once)
{
    struct bl_adv_params p = gap_world_params("abc");
    uint16_t ids[3];

    for (unsigned i = 0; i < 3; i++)
        ids[i] = gap_world_started(w, &p);
    for (uint8_t i = 0; i < 3; i++) {
        uint16_t adv = gap_world_connected(w, (uint16_t)(0x40 + i), 0);
        uint16_t told = gap_world_terminated(w, i, 0, (uint16_t)(0x40 + i));
        ck_assert_uint_eq(told, ids[i]);
        ck_assert(adv == (i == 2 ? ids[2] : 0));
        gap_world_adv_stopped(w, ids[i], BL_OK);
    }
    gap_world_no_event(w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("adv_extended");
    TCase *c = tcase_create("extended");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, legacy_pdus_by_properties, 0, 6);
    tcase_add_test(c, extended_pdus_carry_phys_and_sid);
    tcase_add_loop_test(c, extended_connectable_scannable_and_directed, 0, 6);
    tcase_add_test(c, long_data_goes_in_fragments);
    tcase_add_loop_test(c, fragments_at_the_edge, 0, 2);
    tcase_add_test(c, long_scan_response_goes_in_fragments);
    tcase_add_test(c, replacing_between_fragments_begins_anew);
    tcase_add_test(c, refused_fragment_of_a_replaced_version_is_of_no_interest);
    tcase_add_test(c, short_data_is_replaced_in_place_and_long_data_off_the_air);
    tcase_add_test(c, stopped_set_is_disabled_and_removed);
    tcase_add_test(c, set_is_removed_before_its_kind_of_pdu_changes);
    tcase_add_test(c, controller_that_cannot_remove_is_not_asked_twice);
    tcase_add_test(c, each_has_a_set_of_its_own);
    tcase_add_test(c, more_than_there_are_sets_take_turns_fairly);
    tcase_add_test(c, controller_with_room_for_fewer_sets_than_it_says);
    tcase_add_test(c, no_room_at_all_is_an_error);
    tcase_add_test(c, controller_that_says_it_has_no_sets_has_one);
    tcase_add_test(c, static_address_is_given_to_the_set);
    tcase_add_test(c, first_set_has_the_current_address_and_others_have_their_own);
    tcase_add_test(c, connectable_sets_go_off_the_air_for_a_new_address_others_do_not);
    tcase_add_test(c, different_kinds_of_addresses_do_not_meet);
    tcase_add_test(c, no_randomness_ends_the_start);
    tcase_add_test(c, pause_does_not_concern_sets);
    tcase_add_test(c, only_connectable_set_is_known_at_once);
    tcase_add_test(c, one_of_several_is_told_by_the_controller);
    tcase_add_test(c, resume_is_on_again_after_the_connection);
    tcase_add_test(c, late_termination_does_not_touch_the_next_on_the_set);
    tcase_add_test(c, termination_of_an_unknown_set_is_ignored);
    tcase_add_test(c, high_duty_is_over_by_termination);
    tcase_add_test(c, set_that_ends_without_reason_is_on_again_after_a_while);
    tcase_add_test(c, connections_through_all_sets_at_once);
    suite_add_tcase(suite, c);
    return gap_world_main(suite);
}
