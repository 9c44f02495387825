/* SPDX-License-Identifier: MIT */

/* A controller without extended advertising: one set. */

#include "gap_world.h"

#include "gap/adv_internal.h"

#include <errno.h>

#define PARAMS BL_CMD_LE_SET_ADV_PARAMS
#define DATA   BL_CMD_LE_SET_ADV_DATA
#define RESP   BL_CMD_LE_SET_SCAN_RSP_DATA
#define ENABLE BL_CMD_LE_SET_ADV_ENABLE

#define ZERO8     "0000000000000000"
#define DATA_ABC  "03 616263 " ZERO8 ZERO8 ZERO8 "00000000"
#define DATA_XYZ  "03 78797a " ZERO8 ZERO8 ZERO8 "00000000"
#define DATA_NONE "00 000000 " ZERO8 ZERO8 ZERO8 "00000000"
/* interval, interval, type, own type, peer type, peer, channels, filter */
#define ADV_IND_PUBLIC "a000 a000 00 00 00 000000000000 07 00"

static struct gap_world *w;

static void setup(void)
{
    w = gap_world_new(false);
    gap_world_ready(w);
}

static void teardown(void)
{
    gap_world_free(w);
}

static uint16_t start_abc(void)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;
    uint16_t adv = gap_world_start(w, 0, &p, &op);

    gap_world_do(w, PARAMS, ADV_IND_PUBLIC);
    gap_world_do(w, DATA, DATA_ABC);
    gap_world_no_event(w);
    ck_assert(!w->radio.advertising);
    gap_world_do(w, ENABLE, "01");
    ck_assert(w->radio.advertising);
    gap_world_op_done(w, op, BL_OK);
    gap_world_quiet(w);
    return adv;
}

static bl_op stop(uint16_t adv)
{
    bl_op op = 0;

    ck_assert_int_eq(bl_advertiser_stop(&w->adv, w->now, adv, &op), 0);
    return op;
}

START_TEST(start_sets_parameters_and_data_and_enables)
{
    start_abc();
    gap_world_no_event(w);
}
END_TEST

START_TEST(pdu_type_follows_the_parameters)
{
    static const struct {
        bool connectable, scannable, directed, high_duty;
        const char *params;
    } rows[] = {
        {true, true, false, false, "a000 a000 00 00 00 000000000000 07 00"},
        {true, false, false, false, "a000 a000 00 00 00 000000000000 07 00"},
        {false, true, false, false, "a000 a000 02 00 00 000000000000 07 00"},
        {false, false, false, false, "a000 a000 03 00 00 000000000000 07 00"},
        {true, true, true, false, "a000 a000 04 00 01 060504030201 07 00"},
        {true, false, true, true, "a000 a000 01 00 01 060504030201 07 00"},
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
    gap_world_do(w, ENABLE, "01");
    gap_world_op_done(w, op, BL_OK);
}
END_TEST

START_TEST(interval_is_rounded_down)
{
    struct bl_adv_params p = gap_world_params("");
    bl_op op;

    p.interval_us = 20624;
    gap_world_start(w, 0, &p, &op);
    gap_world_do(w, PARAMS, "2000 2000 00 00 00 000000000000 07 00");
}
END_TEST

START_TEST(scan_response_is_set)
{
    struct bl_adv_params p = gap_world_params("");
    bl_op op;

    p.resp_data = (const uint8_t *)"xyz";
    p.resp_len = 3;
    gap_world_start(w, 0, &p, &op);
    gap_world_do(w, PARAMS, ADV_IND_PUBLIC);
    gap_world_do(w, RESP, DATA_XYZ);
    gap_world_do(w, ENABLE, "01");
    gap_world_op_done(w, op, BL_OK);
}
END_TEST

START_TEST(stop_disables_then_tells)
{
    uint16_t adv = start_abc();
    bl_op op = stop(adv), again;

    ck_assert_int_eq(bl_advertiser_stop(&w->adv, w->now, adv, &again), -ENOENT);
    gap_world_no_event(w);
    gap_world_do(w, ENABLE, "00");
    gap_world_adv_stopped(w, adv, BL_OK);
    gap_world_op_done(w, op, BL_OK);
    ck_assert(!w->radio.advertising);
    gap_world_quiet(w);
    gap_world_no_event(w);
    ck_assert_uint_eq(w->adv.n_advs, 0);
}
END_TEST

START_TEST(stop_before_the_air_cancels_the_start)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op start, end;
    uint16_t adv = gap_world_start(w, 0, &p, &start);

    const struct fake_cmd *cmd = gap_world_expect(w, PARAMS, NULL);
    end = stop(adv);
    gap_world_op_done(w, start, BL_CANCELED);
    gap_world_op_done(w, end, BL_OK);
    gap_world_answer(w, cmd, 0);
    gap_world_quiet(w);
    gap_world_no_event(w);
}
END_TEST

START_TEST(stop_while_being_enabled_takes_it_off_the_air)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op start, end;
    uint16_t adv = gap_world_start(w, 0, &p, &start);

    gap_world_do(w, PARAMS, NULL);
    gap_world_do(w, DATA, NULL);
    const struct fake_cmd *cmd = gap_world_expect(w, ENABLE, "01");
    end = stop(adv);
    gap_world_answer(w, cmd, 0);
    gap_world_no_event(w);
    gap_world_do(w, ENABLE, "00");
    gap_world_op_done(w, start, BL_CANCELED);
    gap_world_op_done(w, end, BL_OK);
    gap_world_no_event(w);
}
END_TEST

START_TEST(new_data_replaces_without_a_gap)
{
    uint16_t adv = start_abc();
    struct bl_adv_params p = gap_world_params("xyz");
    bl_op op;

    gap_world_start(w, adv, &p, &op);
    gap_world_do(w, DATA, DATA_XYZ);
    gap_world_op_done(w, op, BL_OK);
    gap_world_quiet(w);
    gap_world_no_event(w);
}
END_TEST

START_TEST(data_is_cleared_by_empty_data)
{
    uint16_t adv = start_abc();
    struct bl_adv_params p = gap_world_params("");
    bl_op op;

    gap_world_start(w, adv, &p, &op);
    gap_world_do(w, DATA, DATA_NONE);
    gap_world_op_done(w, op, BL_OK);
    gap_world_quiet(w);
}
END_TEST

START_TEST(same_again_succeeds_without_a_command)
{
    uint16_t adv = start_abc();
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    gap_world_start(w, adv, &p, &op);
    gap_world_quiet(w);
    gap_world_op_done(w, op, BL_OK);
}
END_TEST

START_TEST(new_parameters_replace_with_a_short_gap)
{
    uint16_t adv = start_abc();
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    p.interval_us = 200000;
    gap_world_start(w, adv, &p, &op);
    gap_world_do(w, ENABLE, "00");
    gap_world_do(w, PARAMS, "4001 4001 00 00 00 000000000000 07 00");
    gap_world_no_event(w);
    gap_world_do(w, ENABLE, "01");
    gap_world_op_done(w, op, BL_OK);
    gap_world_quiet(w);
    gap_world_no_event(w);
}
END_TEST

START_TEST(replacing_a_waiting_start_cancels_it)
{
    struct bl_adv_params p = gap_world_params("abc"), q = gap_world_params("xyz");
    bl_op first, second;
    uint16_t adv = gap_world_start(w, 0, &p, &first);

    gap_world_do(w, PARAMS, NULL);
    const struct fake_cmd *cmd = gap_world_expect(w, DATA, DATA_ABC);
    gap_world_start(w, adv, &q, &second);
    gap_world_op_done(w, first, BL_CANCELED);
    gap_world_answer(w, cmd, 0);
    gap_world_do(w, DATA, DATA_XYZ);
    gap_world_do(w, ENABLE, "01");
    gap_world_op_done(w, second, BL_OK);
    gap_world_no_event(w);
}
END_TEST

START_TEST(refused_parameters_end_a_start_without_a_trace)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    gap_world_start(w, 0, &p, &op);
    gap_world_answer(w, gap_world_expect(w, PARAMS, NULL), BL_HCI_INVALID_PARAMETERS);
    gap_world_op_done(w, op, BL_STATUS_HCI + BL_HCI_INVALID_PARAMETERS);
    gap_world_no_event(w);
    gap_world_quiet(w);
    ck_assert_uint_eq(w->adv.n_advs, 0);
}
END_TEST

START_TEST(refused_replacement_ends_the_advertisement)
{
    uint16_t adv = start_abc();
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    p.interval_us = 200000;
    gap_world_start(w, adv, &p, &op);
    gap_world_do(w, ENABLE, "00");
    gap_world_answer(w, gap_world_expect(w, PARAMS, NULL), BL_HCI_UNSUPPORTED);
    gap_world_op_done(w, op, BL_STATUS_HCI + BL_HCI_UNSUPPORTED);
    gap_world_adv_stopped(w, adv, BL_STATUS_HCI + BL_HCI_UNSUPPORTED);
    gap_world_quiet(w);
}
END_TEST

START_TEST(refused_data_on_the_air_takes_it_off_first)
{
    uint16_t adv = start_abc();
    struct bl_adv_params p = gap_world_params("xyz");
    bl_op op;

    gap_world_start(w, adv, &p, &op);
    gap_world_answer(w, gap_world_expect(w, DATA, NULL), BL_HCI_UNSPECIFIED);
    gap_world_no_event(w);
    gap_world_do(w, ENABLE, "00");
    gap_world_op_done(w, op, BL_STATUS_HCI + BL_HCI_UNSPECIFIED);
    gap_world_adv_stopped(w, adv, BL_STATUS_HCI + BL_HCI_UNSPECIFIED);
}
END_TEST

START_TEST(controller_without_the_command_is_not_supported)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    fake_hci_deny(w->hci, DATA);
    gap_world_start(w, 0, &p, &op);
    gap_world_do(w, PARAMS, NULL);
    gap_world_quiet(w);
    gap_world_op_done(w, op, BL_NOT_SUPPORTED);
}
END_TEST

START_TEST(full_command_queue_is_waited_for)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    gap_world_start(w, 0, &p, &op);
    w->hci->cmd_error = -EBUSY;
    gap_world_quiet(w);
    gap_world_no_event(w);
    gap_world_run(w);
    gap_world_op_done(w, op, BL_OK);
}
END_TEST

START_TEST(silent_controller_is_asked_again_and_taken_off_the_air_first)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    gap_world_start(w, 0, &p, &op);
    gap_world_lose(w, gap_world_expect(w, PARAMS, NULL));
    gap_world_do(w, PARAMS, NULL);
    gap_world_do(w, DATA, NULL);
    gap_world_lose(w, gap_world_expect(w, ENABLE, "01"));
    gap_world_do(w, ENABLE, "00"); /* it may be on */
    gap_world_do(w, ENABLE, "01");
    gap_world_op_done(w, op, BL_OK);
}
END_TEST

START_TEST(controller_silent_for_good_ends_the_start)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    gap_world_start(w, 0, &p, &op);
    for (unsigned i = 0; i < 3; i++)
        gap_world_lose(w, gap_world_expect(w, PARAMS, NULL));
    gap_world_op_done(w, op, BL_TIMEOUT);
    gap_world_quiet(w);
}
END_TEST

START_TEST(controller_that_has_it_on_without_our_knowledge_is_disabled_once)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    gap_world_start(w, 0, &p, &op);
    gap_world_answer(w, gap_world_expect(w, PARAMS, NULL), BL_HCI_COMMAND_DISALLOWED);
    gap_world_do(w, ENABLE, "00");
    gap_world_answer(w, gap_world_expect(w, PARAMS, NULL), BL_HCI_COMMAND_DISALLOWED);
    gap_world_op_done(w, op, BL_STATUS_HCI + BL_HCI_COMMAND_DISALLOWED);
    gap_world_quiet(w);
    gap_world_no_event(w);
}
END_TEST

/* ---- time ---- */

START_TEST(duration_ends_it_with_timeout)
{
    struct bl_adv_params p = gap_world_params("abc");

    p.duration_ms = 5000;
    uint16_t adv = gap_world_started(w, &p);
    ck_assert_uint_eq(bl_advertiser_deadline(&w->adv), w->now + 5000000u);
    gap_world_pass(w, w->now + 4999999u);
    gap_world_no_event(w);
    w->now++;
    bl_advertiser_tick(&w->adv, w->now);
    gap_world_no_event(w);
    gap_world_do(w, ENABLE, "00");
    gap_world_adv_stopped(w, adv, BL_TIMEOUT);
    gap_world_no_event(w);
}
END_TEST

START_TEST(replacing_starts_the_duration_anew)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    p.duration_ms = 5000;
    uint16_t adv = gap_world_started(w, &p);
    gap_world_pass(w, w->now + 3000000);
    p.duration_ms = 4000;
    gap_world_start(w, adv, &p, &op);
    gap_world_run(w);
    gap_world_op_done(w, op, BL_OK);
    ck_assert_uint_eq(bl_advertiser_deadline(&w->adv), w->now + 4000000u);
}
END_TEST

START_TEST(high_duty_ends_by_the_controllers_timeout)
{
    struct bl_adv_params p = gap_world_params("");

    p.has_directed = p.high_duty = true;
    uint16_t adv = gap_world_started(w, &p);
    gap_world_connected(w, 0, BL_HCI_ADVERTISING_TIMEOUT);
    gap_world_adv_stopped(w, adv, BL_TIMEOUT);
    gap_world_quiet(w);
    ck_assert(!w->radio.advertising);
}
END_TEST

START_TEST(high_duty_ends_also_when_the_controller_forgets_to_say_so)
{
    struct bl_adv_params p = gap_world_params("");

    p.has_directed = p.high_duty = true;
    uint16_t adv = gap_world_started(w, &p);
    gap_world_pass(w, w->now + 2000000);
    gap_world_adv_stopped(w, adv, BL_TIMEOUT);
}
END_TEST

/* ---- connections ---- */

START_TEST(connection_ends_it)
{
    uint16_t adv = start_abc();

    ck_assert_uint_eq(gap_world_connected(w, 0x40, 0), adv);
    gap_world_adv_stopped(w, adv, BL_OK);
    ck_assert(!w->radio.advertising);
    gap_world_quiet(w);
    gap_world_no_event(w);
    ck_assert_uint_eq(w->adv.n_advs, 0);
}
END_TEST

START_TEST(resume_starts_again_when_the_connection_has_ended)
{
    struct bl_adv_params p = gap_world_params("abc");

    p.resume = true;
    uint16_t adv = gap_world_started(w, &p);
    ck_assert_uint_eq(gap_world_connected(w, 0x40, 0), adv);
    w->radio.links = 1;
    gap_world_quiet(w);
    bl_advertiser_link_gone(&w->adv, w->now, 0); /* another one */
    gap_world_quiet(w);
    w->radio.links = 0;
    bl_advertiser_link_gone(&w->adv, w->now, adv);
    gap_world_do(w, ENABLE, "01");
    gap_world_quiet(w);
    gap_world_no_event(w);
}
END_TEST

START_TEST(resuming_can_be_stopped_while_connected)
{
    struct bl_adv_params p = gap_world_params("abc");

    p.resume = true;
    uint16_t adv = gap_world_started(w, &p);
    gap_world_connected(w, 0x40, 0);
    bl_op op = stop(adv);
    gap_world_adv_stopped(w, adv, BL_OK);
    gap_world_op_done(w, op, BL_OK);
    bl_advertiser_link_gone(&w->adv, w->now, adv);
    gap_world_quiet(w);
}
END_TEST

START_TEST(replacing_while_connected_advertises_at_once)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    p.resume = true;
    uint16_t adv = gap_world_started(w, &p);
    gap_world_connected(w, 0x40, 0);
    gap_world_start(w, adv, &p, &op);
    gap_world_do(w, ENABLE, "01");
    gap_world_op_done(w, op, BL_OK);
}
END_TEST

START_TEST(connection_while_being_stopped_ends_it_once)
{
    uint16_t adv = start_abc();
    bl_op op = stop(adv);

    const struct fake_cmd *cmd = gap_world_expect(w, ENABLE, "00");
    ck_assert_uint_eq(gap_world_connected(w, 0x40, 0), adv);
    gap_world_adv_stopped(w, adv, BL_OK);
    gap_world_op_done(w, op, BL_OK);
    gap_world_answer(w, cmd, BL_HCI_COMMAND_DISALLOWED);
    gap_world_quiet(w);
    gap_world_no_event(w);
}
END_TEST

START_TEST(connection_before_the_reply_to_enable_counts)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;
    uint16_t adv = gap_world_start(w, 0, &p, &op);

    gap_world_do(w, PARAMS, NULL);
    gap_world_do(w, DATA, NULL);
    const struct fake_cmd *cmd = gap_world_expect(w, ENABLE, "01");
    ck_assert_uint_eq(gap_world_connected(w, 0x40, 0), adv);
    gap_world_op_done(w, op, BL_OK);
    gap_world_adv_stopped(w, adv, BL_OK);
    gap_world_answer(w, cmd, 0);
    ck_assert(!w->radio.advertising);
    gap_world_quiet(w);
    gap_world_no_event(w);
}
END_TEST

START_TEST(connection_during_a_replacement_ends_it_as_started)
{
    uint16_t adv = start_abc();
    struct bl_adv_params p = gap_world_params("xyz");
    bl_op op;

    gap_world_start(w, adv, &p, &op);
    const struct fake_cmd *cmd = gap_world_expect(w, DATA, NULL);
    ck_assert_uint_eq(gap_world_connected(w, 0x40, 0), adv);
    gap_world_op_done(w, op, BL_OK);
    gap_world_adv_stopped(w, adv, BL_OK);
    gap_world_answer(w, cmd, 0);
    gap_world_quiet(w);
    gap_world_no_event(w);
}
END_TEST

START_TEST(connection_out_of_the_blue_is_nobodys)
{
    ck_assert_uint_eq(gap_world_connected(w, 0x40, 0), 0);
    gap_world_no_event(w);
    gap_world_quiet(w);
}
END_TEST

START_TEST(failed_connection_advertises_again)
{
    start_abc();
    gap_world_connected(w, 0, BL_HCI_FAILED_TO_ESTABLISH);
    gap_world_do(w, ENABLE, "01");
    gap_world_quiet(w);
    gap_world_no_event(w);
}
END_TEST

START_TEST(controller_that_cannot_advertise_beside_a_connection_is_waited_for)
{
    static const uint8_t refusals[] = {BL_HCI_COMMAND_DISALLOWED, BL_HCI_CONNECTION_LIMIT};
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    w->radio.links = 2;
    uint16_t adv = gap_world_start(w, 0, &p, &op);
    gap_world_do(w, PARAMS, NULL);
    gap_world_do(w, DATA, NULL);
    gap_world_answer(w, gap_world_expect(w, ENABLE, "01"), refusals[_i]);
    gap_world_pass(w, w->now + 10000000);
    gap_world_quiet(w);
    gap_world_no_event(w);
    w->radio.links = 1;
    bl_advertiser_link_gone(&w->adv, w->now, 0);
    gap_world_do(w, ENABLE, "01");
    gap_world_op_done(w, op, BL_OK);
    ck_assert_uint_eq(w->adv.advs[0]->id, adv);
}
END_TEST

START_TEST(refused_enable_without_a_connection_is_tried_three_times)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    gap_world_start(w, 0, &p, &op);
    gap_world_do(w, PARAMS, NULL);
    gap_world_do(w, DATA, NULL);
    for (unsigned i = 0; i < 3; i++) {
        gap_world_answer(w, gap_world_expect(w, ENABLE, "01"), BL_HCI_COMMAND_DISALLOWED);
        gap_world_do(w, ENABLE, "00"); /* in case that was why */
        gap_world_quiet(w);
        if (i == 2)
            break;
        gap_world_no_event(w);
        w->now = bl_advertiser_deadline(&w->adv);
        bl_advertiser_tick(&w->adv, w->now);
    }
    gap_world_op_done(w, op, BL_STATUS_HCI + BL_HCI_COMMAND_DISALLOWED);
    gap_world_no_event(w);
}
END_TEST

/* ---- taking turns ---- */

START_TEST(two_take_turns)
{
    struct bl_adv_params p = gap_world_params("abc"), q = gap_world_params("xyz");
    bl_op op;

    p.interval_us = 500000;
    uint16_t first = gap_world_started(w, &p);
    gap_world_start(w, 0, &q, &op);
    gap_world_quiet(w);
    gap_world_no_event(w);
    ck_assert_uint_eq(bl_advertiser_deadline(&w->adv), w->now + 500000); /* an event each turn */

    w->now += 500000;
    bl_advertiser_tick(&w->adv, w->now);
    gap_world_do(w, ENABLE, "00");
    gap_world_do(w, PARAMS, NULL);
    gap_world_do(w, DATA, DATA_XYZ);
    gap_world_do(w, ENABLE, "01");
    gap_world_op_done(w, op, BL_OK);
    ck_assert_uint_eq(bl_advertiser_deadline(&w->adv), w->now + 100000);
    w->now += 100000;
    bl_advertiser_tick(&w->adv, w->now);
    gap_world_run(w);
    ck_assert_uint_eq(w->adv.sets[0].on, first);
    gap_world_no_event(w);
}
END_TEST

START_TEST(turns_are_fair)
{
    struct bl_adv_params p = gap_world_params("abc");
    unsigned turns[6] = {0};
    uint16_t ids[5], last = 0;
    bl_op op;

    for (unsigned i = 0; i < 5; i++)
        ids[i] = gap_world_start(w, 0, &p, &op);
    gap_world_run(w);
    for (uint64_t end = w->now + 10000000; w->now < end;) {
        gap_world_pass(w, w->now + 50000);
        if (w->adv.sets[0].on != last)
            turns[w->adv.sets[0].on - ids[0]]++;
        last = w->adv.sets[0].on;
    }
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_uint_ge(turns[i], 19);
        ck_assert_uint_le(turns[i], 21);
    }
}
END_TEST

START_TEST(one_alone_keeps_the_air)
{
    start_abc();
    gap_world_pass(w, w->now + 3600u * 1000000);
    ck_assert_uint_eq(w->hci->n_commands, w->hci->taken);
    ck_assert_uint_eq(w->hci->n_commands, 3);
}
END_TEST

START_TEST(others_go_on_after_a_connection)
{
    struct bl_adv_params p = gap_world_params("abc"), q = gap_world_params("xyz");
    bl_op op;

    q.connectable = q.scannable = false;
    uint16_t first = gap_world_started(w, &p);
    uint16_t second = gap_world_start(w, 0, &q, &op);
    ck_assert_uint_eq(gap_world_connected(w, 0x40, 0), first);
    gap_world_adv_stopped(w, first, BL_OK);
    gap_world_run(w);
    gap_world_op_done(w, op, BL_OK);
    ck_assert_uint_eq(w->adv.sets[0].on, second);
    ck_assert(w->radio.advertising);
}
END_TEST

START_TEST(blocked_one_leaves_the_air_to_another)
{
    struct bl_adv_params p = gap_world_params("abc"), q = gap_world_params("xyz");
    bl_op first, second;

    w->radio.links = 1;
    gap_world_start(w, 0, &p, &first);
    q.connectable = q.scannable = false;
    gap_world_start(w, 0, &q, &second);
    gap_world_do(w, PARAMS, ADV_IND_PUBLIC);
    gap_world_do(w, DATA, NULL);
    gap_world_answer(w, gap_world_expect(w, ENABLE, "01"), BL_HCI_CONNECTION_LIMIT);
    gap_world_do(w, PARAMS, NULL);
    gap_world_do(w, DATA, DATA_XYZ);
    gap_world_do(w, ENABLE, "01");
    gap_world_op_done(w, second, BL_OK);
    gap_world_pass(w, w->now + 5000000);
    gap_world_no_event(w);
}
END_TEST

START_TEST(stopping_the_one_on_the_air_gives_it_to_the_next)
{
    uint16_t adv = start_abc();
    struct bl_adv_params q = gap_world_params("xyz");
    bl_op op;

    gap_world_start(w, 0, &q, &op);
    bl_op end = stop(adv);
    gap_world_do(w, ENABLE, "00");
    gap_world_adv_stopped(w, adv, BL_OK);
    gap_world_op_done(w, end, BL_OK);
    gap_world_run(w);
    gap_world_op_done(w, op, BL_OK);
}
END_TEST

/* ---- the shared address ---- */

START_TEST(static_address_is_set_first)
{
    struct bl_adv_params p = gap_world_params("");
    bl_op op;

    p.addr_mode = BL_ADDR_MODE_STATIC;
    gap_world_start(w, 0, &p, &op);
    gap_world_do(w, BL_CMD_LE_SET_RANDOM_ADDRESS, NULL);
    gap_world_do(w, PARAMS, "a000 a000 00 01 00 000000000000 07 00");
    gap_world_do(w, ENABLE, "01");
    gap_world_op_done(w, op, BL_OK);
}
END_TEST

START_TEST(advertising_stands_still_for_a_new_private_address)
{
    struct bl_adv_params p = gap_world_params("");

    memset(w->radio.config.irk, 7, 16);
    p.addr_mode = BL_ADDR_MODE_RPA;
    gap_world_started(w, &p);
    w->now += 900000000;
    bl_privacy_tick(&w->privacy, w->now);
    gap_world_do(w, ENABLE, "00");
    gap_world_do(w, BL_CMD_LE_SET_RANDOM_ADDRESS, NULL);
    gap_world_do(w, ENABLE, "01");
    gap_world_quiet(w);
    ck_assert(w->radio.advertising);
    gap_world_no_event(w);
}
END_TEST

START_TEST(pause_for_others_is_respected)
{
    struct bl_adv_params p = gap_world_params("");
    uint8_t type;

    gap_world_started(w, &p); /* public */
    ck_assert_int_eq(
        bl_privacy_own(&w->privacy, w->now, BL_PRIVACY_SCAN, BL_ADDR_MODE_STATIC, &type), -EAGAIN);
    gap_world_do(w, ENABLE, "00");
    gap_world_do(w, BL_CMD_LE_SET_RANDOM_ADDRESS, NULL);
    gap_world_do(w, ENABLE, "01");
    gap_world_quiet(w);
}
END_TEST

START_TEST(address_kinds_at_odds_are_busy)
{
    struct bl_adv_params p = gap_world_params("");
    uint16_t ret;
    uint8_t type;
    bl_op op;

    memset(w->radio.config.irk, 7, 16);
    p.addr_mode = BL_ADDR_MODE_STATIC;
    uint16_t adv = gap_world_started(w, &p);
    p.addr_mode = BL_ADDR_MODE_RPA;
    ck_assert_int_eq(bl_advertiser_start(&w->adv, w->now, 0, &p, &ret, &op), -EBUSY);
    ck_assert_int_eq(
        bl_privacy_own(&w->privacy, w->now, BL_PRIVACY_SCAN, BL_ADDR_MODE_STATIC, &type), 0);
    ck_assert_int_eq(bl_advertiser_start(&w->adv, w->now, adv, &p, &ret, &op), -EBUSY);
    bl_privacy_release(&w->privacy, BL_PRIVACY_SCAN);
    gap_world_start(w, adv, &p, &op); /* its own claim may change */
    gap_world_run(w);
    gap_world_op_done(w, op, BL_OK);
    p.addr_mode = BL_ADDR_MODE_PUBLIC;
    gap_world_start(w, 0, &p, &op);
}
END_TEST

START_TEST(address_is_free_for_others_after_the_last)
{
    struct bl_adv_params p = gap_world_params("");
    uint8_t type;

    p.addr_mode = BL_ADDR_MODE_STATIC;
    uint16_t adv = gap_world_started(w, &p);
    stop(adv);
    gap_world_run(w);
    ck_assert_int_eq(bl_privacy_own(&w->privacy, w->now, BL_PRIVACY_SCAN, BL_ADDR_MODE_NRPA, &type),
                     -EAGAIN);
}
END_TEST

START_TEST(refused_address_ends_the_start)
{
    struct bl_adv_params p = gap_world_params("");
    bl_op op;

    p.addr_mode = BL_ADDR_MODE_STATIC;
    gap_world_start(w, 0, &p, &op);
    gap_world_answer(w, gap_world_expect(w, BL_CMD_LE_SET_RANDOM_ADDRESS, NULL),
                     BL_HCI_COMMAND_DISALLOWED);
    gap_world_quiet(w);
    gap_world_op_done(w, op, BL_NO_RESOURCES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("adv_legacy");
    TCase *c = tcase_create("legacy");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, start_sets_parameters_and_data_and_enables);
    tcase_add_loop_test(c, pdu_type_follows_the_parameters, 0, 6);
    tcase_add_test(c, interval_is_rounded_down);
    tcase_add_test(c, scan_response_is_set);
    tcase_add_test(c, stop_disables_then_tells);
    tcase_add_test(c, stop_before_the_air_cancels_the_start);
    tcase_add_test(c, stop_while_being_enabled_takes_it_off_the_air);
    tcase_add_test(c, new_data_replaces_without_a_gap);
    tcase_add_test(c, data_is_cleared_by_empty_data);
    tcase_add_test(c, same_again_succeeds_without_a_command);
    tcase_add_test(c, new_parameters_replace_with_a_short_gap);
    tcase_add_test(c, replacing_a_waiting_start_cancels_it);
    tcase_add_test(c, refused_parameters_end_a_start_without_a_trace);
    tcase_add_test(c, refused_replacement_ends_the_advertisement);
    tcase_add_test(c, refused_data_on_the_air_takes_it_off_first);
    tcase_add_test(c, controller_without_the_command_is_not_supported);
    tcase_add_test(c, full_command_queue_is_waited_for);
    tcase_add_test(c, silent_controller_is_asked_again_and_taken_off_the_air_first);
    tcase_add_test(c, controller_silent_for_good_ends_the_start);
    tcase_add_test(c, controller_that_has_it_on_without_our_knowledge_is_disabled_once);
    tcase_add_test(c, duration_ends_it_with_timeout);
    tcase_add_test(c, replacing_starts_the_duration_anew);
    tcase_add_test(c, high_duty_ends_by_the_controllers_timeout);
    tcase_add_test(c, high_duty_ends_also_when_the_controller_forgets_to_say_so);
    tcase_add_test(c, connection_ends_it);
    tcase_add_test(c, resume_starts_again_when_the_connection_has_ended);
    tcase_add_test(c, resuming_can_be_stopped_while_connected);
    tcase_add_test(c, replacing_while_connected_advertises_at_once);
    tcase_add_test(c, connection_while_being_stopped_ends_it_once);
    tcase_add_test(c, connection_before_the_reply_to_enable_counts);
    tcase_add_test(c, connection_during_a_replacement_ends_it_as_started);
    tcase_add_test(c, connection_out_of_the_blue_is_nobodys);
    tcase_add_test(c, failed_connection_advertises_again);
    tcase_add_loop_test(c, controller_that_cannot_advertise_beside_a_connection_is_waited_for, 0,
                        2);
    tcase_add_test(c, refused_enable_without_a_connection_is_tried_three_times);
    tcase_add_test(c, two_take_turns);
    tcase_add_test(c, turns_are_fair);
    tcase_add_test(c, one_alone_keeps_the_air);
    tcase_add_test(c, others_go_on_after_a_connection);
    tcase_add_test(c, blocked_one_leaves_the_air_to_another);
    tcase_add_test(c, stopping_the_one_on_the_air_gives_it_to_the_next);
    tcase_add_test(c, static_address_is_set_first);
    tcase_add_test(c, advertising_stands_still_for_a_new_private_address);
    tcase_add_test(c, pause_for_others_is_respected);
    tcase_add_test(c, address_kinds_at_odds_are_busy);
    tcase_add_test(c, address_is_free_for_others_after_the_last);
    tcase_add_test(c, refused_address_ends_the_start);
    suite_add_tcase(suite, c);
    return gap_world_main(suite);
}
