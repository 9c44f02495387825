/* SPDX-License-Identifier: MIT */

/* Connection parameters, by LL and by the signalling channel. */

#include "links_fixture.h"
#include "oom.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#define LL_FEATURE (UINT64_C(1) << BL_LE_PARAM_REQUEST)

static const struct bl_conn_params wanted = {
    .min_interval_us = 15000, .max_interval_us = 30000, .latency = 2, .timeout_ms = 3000};
static bl_op op;

static void update(uint16_t conn)
{
    ck_assert_int_eq(bl_links_update(&links, now, conn, &wanted, &op), 0);
}

static void told(bl_status status, uint16_t interval, uint16_t latency, uint16_t timeout)
{
    struct bl_event e = next_event(BL_EV_CONN_UPDATED);

    ck_assert_msg(e.conn_updated.status == status, "%04x", e.conn_updated.status);
    ck_assert_uint_eq(e.conn_updated.interval, interval);
    ck_assert_uint_eq(e.conn_updated.latency, latency);
    ck_assert_uint_eq(e.conn_updated.timeout, timeout);
}

static void succeeds(uint16_t interval)
{
    told(BL_OK, interval, 2, 300);
    struct bl_event e = next_event(BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_uint_eq(e.done.status, BL_OK);
    ck_assert_uint_eq(e.done.params.interval, interval);
    ck_assert_uint_eq(e.done.params.latency, 2);
    ck_assert_uint_eq(e.done.params.timeout, 300);
    silent();
}

static void fails(bl_status status)
{
    told(status, INTERVAL, 0, TIMEOUT);
    op_ends(op, status);
    silent();
    ck_assert_uint_eq(bl_links_deadline(&links), TIMERQ_NEVER);
}

static void sent(uint16_t handle, const void *pdu, size_t n)
{
    const struct fake_sent *s = fake_hci_take_sent(hci);

    ck_assert_ptr_nonnull(s);
    ck_assert_uint_eq(s->handle, handle);
    ck_assert_uint_eq(s->n, n + 4);
    ck_assert_uint_eq(s->data[0] | s->data[1] << 8, n);
    ck_assert_uint_eq(s->data[2] | s->data[3] << 8, 5);
    ck_assert_mem_eq(s->data + 4, pdu, n);
}

static void nothing_sent(void)
{
    ck_assert_ptr_null(fake_hci_take_sent(hci));
}

static void signal_in(uint16_t handle, const void *pdu, size_t n)
{
    signal_pdu(bl_links_by_handle(&links, handle), pdu, n);
}

/* The request for `wanted`, as it goes out with this identifier. */
static void asked_by_signal(uint8_t id)
{
    const uint8_t request[] = {0x12, id, 8, 0, 12, 0, 24, 0, 2, 0, 0x2c, 1};

    sent(5, request, sizeof(request));
}

static void answered(uint8_t id, uint8_t result)
{
    const uint8_t response[] = {0x13, id, 2, 0, result, 0};

    signal_in(5, response, sizeof(response));
}

/* ---- ours, as central ---- */

START_TEST(a_central_updates_by_command)
{
    uint16_t conn = central(5);
    static const uint8_t wire[] = {5, 0, 12, 0, 24, 0, 2, 0, 0x2c, 1, 0, 0, 0, 0};
    bl_op second;

    update(conn);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_CONNECTION_UPDATE, 5);
    ck_assert_uint_eq(cmd->n, sizeof(wire));
    ck_assert_mem_eq(cmd->params, wire, sizeof(wire));
    ck_assert_int_eq(bl_links_update(&links, now, conn, &wanted, &second), -EBUSY);
    if (_i == 0)
        answer(cmd, 0);
    silent();
    updated(5, 0, 24, 2, 300);
    succeeds(24);
    if (_i == 1)
        answer(cmd, 0); /* the event came first */
    silent();
    nothing_sent();
    ck_assert_uint_eq(bl_links_deadline(&links), TIMERQ_NEVER);
}
END_TEST

START_TEST(arguments_of_an_update_are_checked)
{
    uint16_t conn = central(5);
    const struct bl_conn_params bad = {.min_interval_us = 1};

    ck_assert_int_eq(bl_links_update(&links, now, conn, &bad, &op), -EINVAL);
    ck_assert_int_eq(bl_links_update(&links, now, conn + 1, &wanted, &op), -ENOTCONN);
    no_command();
    ck_assert_uint_eq(events.open_ops, 0);
}
END_TEST

START_TEST(what_an_update_leaves_out_stays)
{
    uint16_t conn = central(5);
    const struct bl_conn_params p = {.latency = 3, .has_latency = true};
    static const uint8_t wire[] = {5, 0, INTERVAL, 0, INTERVAL, 0, 3, 0, 0xf4, 1};

    ck_assert_int_eq(bl_links_update(&links, now, conn, &p, &op), 0);
    ck_assert_mem_eq(expect(BL_CMD_LE_CONNECTION_UPDATE, 5)->params, wire, sizeof(wire));
}
END_TEST

START_TEST(a_central_update_that_fails_says_why)
{
    uint16_t conn = central(5);

    update(conn);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_CONNECTION_UPDATE, 5);
    switch (_i) {
    case 0:
        answer(cmd, 0x0c);
        fails(0x10c);
        break;
    case 1:
        lose(cmd);
        fails(BL_TIMEOUT);
        break;
    case 2:
        answer(cmd, 0);
        updated(5, 0x3b, 0, 0, 0);
        fails(0x13b);
        break;
    default:
        answer(cmd, 0);
        advance(BL_LINKS_LL_US - 1);
        silent();
        advance(1);
        fails(BL_TIMEOUT);
    }
    update(conn);
    answer(expect(BL_CMD_LE_CONNECTION_UPDATE, 5), 0);
    updated(5, 0, 12, 2, 300);
    succeeds(12);
}
END_TEST

START_TEST(a_change_that_nobody_asked_for_is_told)
{
    (void)central(5);
    updated(5, 0, 30, 1, 400);
    told(BL_OK, 30, 1, 400);
    silent();
}
END_TEST

/* ---- ours, as peripheral ---- */

/* A peripheral whose features are read; what the peer offers comes after. */
static uint16_t capable_peripheral(void)
{
    hci->caps.le_features |= LL_FEATURE | 1u << BL_LE_PERIPHERAL_FEATURES;
    add(BL_ROLE_PERIPHERAL, 5, 0, 0, false);
    (void)news(BL_LINKS_ESTABLISHED);
    return next_event(BL_EV_CONNECTED).connected.conn;
}

START_TEST(a_peripheral_updates_by_ll_where_both_sides_can)
{
    uint16_t conn = capable_peripheral();

    answer(expect(BL_CMD_LE_READ_REMOTE_FEATURES, 5), 0);
    if (_i == 0)
        features(5, 0, LL_FEATURE);
    update(conn);
    if (_i == 1) { /* it waits to know */
        no_command();
        nothing_sent();
        features(5, 0, LL_FEATURE);
    }
    answer(expect(BL_CMD_LE_CONNECTION_UPDATE, 5), 0);
    updated(5, 0, 20, 2, 300);
    succeeds(20);
    nothing_sent();
}
END_TEST

START_TEST(a_peripheral_asks_by_signal_where_a_side_cannot)
{
    uint16_t conn;

    switch (_i) {
    case 0: /* we cannot */
        hci->caps.le_features &= ~LL_FEATURE;
        conn = peripheral(5);
        update(conn);
        break;
    case 1: /* features are not to be had */
        conn = peripheral(5);
        update(conn);
        break;
    case 2: /* the peer cannot */
        conn = capable_peripheral();
        update(conn);
        features(5, 0, 0);
        break;
    case 3: /* reading them fails */
        conn = capable_peripheral();
        update(conn);
        features(5, 0x1a, 0);
        break;
    case 4: /* or is refused */
        conn = capable_peripheral();
        update(conn);
        answer(expect(BL_CMD_LE_READ_REMOTE_FEATURES, 5), 0x0c);
        break;
    case 5: /* the command turns out not to be for peripherals */
        conn = capable_peripheral();
        features(5, 0, LL_FEATURE);
        update(conn);
        (void)expect(BL_CMD_LE_READ_REMOTE_FEATURES, 5);
        answer(expect(BL_CMD_LE_CONNECTION_UPDATE, 5), BL_HCI_COMMAND_DISALLOWED);
        break;
    default: /* the peer's controller turns out not to know it */
        conn = capable_peripheral();
        features(5, 0, LL_FEATURE);
        update(conn);
        (void)expect(BL_CMD_LE_READ_REMOTE_FEATURES, 5);
        answer(expect(BL_CMD_LE_CONNECTION_UPDATE, 5), 0);
        updated(5, BL_HCI_UNSUPPORTED_REMOTE, 0, 0, 0);
    }
    asked_by_signal(129);
    silent();
    answered(129, 0);
    silent();
    updated(5, 0, 24, 2, 300);
    succeeds(24);
    nothing_sent();
}
END_TEST

START_TEST(a_signal_that_is_refused_or_not_answered_ends_the_update)
{
    uint16_t conn = peripheral(5);
    static const uint8_t reject[] = {0x01, 129, 2, 0, 0, 0};

    update(conn);
    asked_by_signal(129);
    answered(130, 1); /* another identifier */
    silent();
    switch (_i) {
    case 0:
        answered(129, 1);
        fails(0x13b);
        break;
    case 1:
        signal_in(5, reject, sizeof(reject));
        fails(BL_NOT_SUPPORTED);
        break;
    case 2:
        advance(BL_LINKS_SIGNAL_US);
        fails(BL_TIMEOUT);
        break;
    default: /* granted and not done */
        advance(BL_LINKS_SIGNAL_US - 1);
        answered(129, 0);
        advance(BL_LINKS_SIGNAL_US);
        fails(BL_TIMEOUT);
    }
    answered(129, 0);
    silent();
    update(conn);
    asked_by_signal(130);
}
END_TEST

START_TEST(an_update_that_comes_before_its_answer_counts_if_it_is_what_was_asked)
{
    uint16_t conn = peripheral(5);

    update(conn);
    asked_by_signal(129);
    updated(5, 0, 100, 2, 300);
    told(BL_OK, 100, 2, 300);
    silent();
    updated(5, 0, 20, 2, 300);
    succeeds(20);
    answered(129, 0);
    silent();
}
END_TEST

START_TEST(granting_what_is_so_already_needs_no_event)
{
    uint16_t conn = peripheral(5);

    updated(5, 0, 16, 2, 300);
    told(BL_OK, 16, 2, 300);
    update(conn);
    asked_by_signal(129);
    answered(129, 0);
    struct bl_event e = next_event(BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.params.interval, 16);
    ck_assert_uint_eq(bl_links_deadline(&links), TIMERQ_NEVER);
}
END_TEST

START_TEST(a_signal_that_cannot_be_sent_ends_the_update)
{
    uint16_t conn = peripheral(5);

    if (_i == 0)
        hci->send_error = -ENOBUFS;
    else
        oom_fail_at(1);
    update(conn);
    oom_off();
    fails(BL_NO_RESOURCES);
    update(conn);
    asked_by_signal(130);
}
END_TEST

START_TEST(identifiers_are_from_129_to_255_in_turn)
{
    uint16_t conn = peripheral(5);

    for (unsigned i = 0; i < 2 * 127; i++) {
        uint8_t id = (uint8_t)(129 + i % 127);
        hci->n_sent = hci->sent_taken = 0;
        update(conn);
        asked_by_signal(id);
        answered(id, 1);
        fails(0x13b);
    }
}
END_TEST

/* ---- the peer's ---- */

static void asks_by_ll(uint16_t min, uint16_t max)
{
    event(&(struct bl_hci_event){
        .kind = BL_HCI_EV_PARAM_REQUEST, .handle = 5, .param_request = {min, max, 0, 500}});
}

START_TEST(an_ll_request_is_answered_in_either_role_as_the_policy_says)
{
    static const uint8_t granted[] = {5, 0, 24, 0, 32, 0, 0, 0, 0xf4, 1, 0, 0, 0, 0};
    static const uint8_t refused[] = {5, 0, 0x3b};

    (void)(_i == 0 ? central(5) : peripheral(5));
    radio.config.accept_max_interval = 32;
    asks_by_ll(24, 40);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_PARAM_REQUEST_REPLY, 5);
    ck_assert_uint_eq(cmd->n, sizeof(granted));
    ck_assert_mem_eq(cmd->params, granted, sizeof(granted));
    asks_by_ll(33, 40);
    cmd = expect(BL_CMD_LE_PARAM_REQUEST_NEGATIVE_REPLY, 5);
    ck_assert_uint_eq(cmd->n, sizeof(refused));
    ck_assert_mem_eq(cmd->params, refused, sizeof(refused));
    asks_by_ll(5, 40); /* not legal */
    (void)expect(BL_CMD_LE_PARAM_REQUEST_NEGATIVE_REPLY, 5);
    silent();
}
END_TEST

START_TEST(an_answer_that_waits_for_room_is_to_the_last_request)
{
    (void)central(5);
    radio.config.accept_max_interval = 32;
    hci->cmd_error = -EBUSY;
    asks_by_ll(24, 40);
    hci->cmd_error = -EBUSY;
    asks_by_ll(33, 40);
    (void)expect(BL_CMD_LE_PARAM_REQUEST_NEGATIVE_REPLY, 5);
    no_command();
}
END_TEST

static void asks_by_signal(uint8_t id, uint8_t min, uint8_t max)
{
    const uint8_t request[] = {0x12, id, 8, 0, min, 0, max, 0, 0, 0, 0xf4, 1};

    signal_in(5, request, sizeof(request));
}

static void replied(uint8_t id, uint8_t result)
{
    const uint8_t response[] = {0x13, id, 2, 0, result, 0};

    sent(5, response, sizeof(response));
}

START_TEST(a_signal_from_a_peripheral_is_granted_and_done)
{
    static const uint8_t wire[] = {5, 0, 8, 0, 16, 0, 0, 0, 0xf4, 1};

    (void)central(5);
    asks_by_signal(7, 8, 16);
    replied(7, 0);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_CONNECTION_UPDATE, 5);
    ck_assert_mem_eq(cmd->params, wire, sizeof(wire));
    answer(cmd, 0);
    updated(5, 0, 16, 0, 500);
    told(BL_OK, 16, 0, 500);
    silent();
    ck_assert_uint_eq(bl_links_deadline(&links), TIMERQ_NEVER);
}
END_TEST

START_TEST(a_signal_that_the_policy_or_the_specification_forbids_is_refused)
{
    (void)central(5);
    radio.config.accept_min_interval = 24;
    asks_by_signal(7, 8, 16);
    replied(7, 1);
    asks_by_signal(8, 5, 16);
    replied(8, 1);
    no_command();
    silent();
}
END_TEST

START_TEST(a_central_does_not_ask_by_signal)
{
    static const uint8_t reject[] = {0x01, 7, 2, 0, 0, 0};

    (void)peripheral(5);
    asks_by_signal(7, 8, 16);
    sent(5, reject, sizeof(reject));
    no_command();
}
END_TEST

START_TEST(what_is_granted_waits_for_what_is_under_way_and_the_other_way_round)
{
    uint16_t conn = central(5);

    update(conn);
    answer(expect(BL_CMD_LE_CONNECTION_UPDATE, 5), 0);
    asks_by_signal(7, 8, 16);
    asks_by_signal(8, 9, 16); /* the last one holds */
    replied(7, 0);
    replied(8, 0);
    no_command();
    updated(5, 0, 24, 2, 300);
    succeeds(24);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_CONNECTION_UPDATE, 5);
    ck_assert_uint_eq(cmd->params[2], 9);
    answer(cmd, 0);
    update(conn);
    no_command();
    updated(5, 0, 16, 0, 500);
    told(BL_OK, 16, 0, 500);
    silent();
    answer(expect(BL_CMD_LE_CONNECTION_UPDATE, 5), 0);
    updated(5, 0, 20, 2, 300);
    succeeds(20);
}
END_TEST

START_TEST(an_update_waits_no_longer_than_the_granted_one_may_take)
{
    uint16_t conn = central(5);

    asks_by_signal(7, 8, 16);
    answer(expect(BL_CMD_LE_CONNECTION_UPDATE, 5), 0);
    update(conn);
    advance(BL_LINKS_LL_US);
    silent();
    (void)expect(BL_CMD_LE_CONNECTION_UPDATE, 5);
    advance(BL_LINKS_LL_US);
    fails(BL_TIMEOUT);
}
END_TEST

START_TEST(a_grant_that_cannot_be_sent_is_none)
{
    (void)central(5);
    if (_i == 0)
        hci->send_error = -ENOBUFS;
    else
        oom_fail_at(1);
    asks_by_signal(7, 8, 16);
    oom_off();
    nothing_sent();
    no_command();
    ck_assert_uint_eq(l2cap.counters[BL_L2CAP_N_SIGNALS_DROPPED], 1);
}
END_TEST

START_TEST(other_signals_are_refused_as_the_specification_says)
{
    static const struct {
        uint8_t in[24];
        size_t n;
        uint8_t out[14];
        size_t out_n;
    } rows[] = {
        {{0x99, 3, 0, 0}, 4, {0x01, 3, 2, 0, 0, 0}, 6}, /* unknown */
        {{0x14, 4, 10, 0, 0x80, 0, 0x40, 0, 23, 0, 23, 0, 1, 0},
         14,
         {0x15, 4, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0},
         14},                                                  /* LE credit based connection */
        {{0x12, 0, 8, 0, 8, 0, 8, 0, 0, 0, 1, 0}, 12, {0}, 0}, /* identifier 0 */
        {{0x12, 5}, 2, {0}, 0},                                /* truncated header */
        {{0x12, 5, 8, 0, 8}, 5, {0x01, 5, 2, 0, 0, 0}, 6},     /* truncated request */
        {{0x13, 5, 2, 0, 0, 0}, 6, {0}, 0},                    /* an answer to nothing */
    };

    (void)central(5);
    signal_in(5, rows[_i].in, rows[_i].n);
    if (rows[_i].out_n)
        sent(5, rows[_i].out, rows[_i].out_n);
    nothing_sent();
    no_command();
    silent();
}
END_TEST

/* ---- ends in between ---- */

START_TEST(a_disconnection_at_any_step_of_an_update_ends_it_with_the_reason)
{
    uint16_t conn = _i < 4 ? central(5) : peripheral(5);

    if (_i == 3)
        asks_by_signal(7, 8, 16); /* ours waits */
    if (_i == 0)
        hci->cmd_error = -EBUSY;
    update(conn);
    if (_i == 2 || _i == 3)
        answer(expect(BL_CMD_LE_CONNECTION_UPDATE, 5), 0);
    if (_i == 5)
        answered(1, 0);
    gone(5, 0x13);
    op_ends(op, 0x113);
    disconnected(conn, 0x13);
    silent();
    updated(5, 0, 24, 2, 300);
    answered(1, 0);
    advance(100000 * MS);
    silent();
    ck_assert_uint_eq(bl_links_deadline(&links), TIMERQ_NEVER);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/link_update");
    TCase *t = tcase_create("update");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_central_updates_by_command, 0, 2);
    tcase_add_test(t, arguments_of_an_update_are_checked);
    tcase_add_test(t, what_an_update_leaves_out_stays);
    tcase_add_loop_test(t, a_central_update_that_fails_says_why, 0, 4);
    tcase_add_test(t, a_change_that_nobody_asked_for_is_told);
    tcase_add_loop_test(t, a_peripheral_updates_by_ll_where_both_sides_can, 0, 2);
    tcase_add_loop_test(t, a_peripheral_asks_by_signal_where_a_side_cannot, 0, 7);
    tcase_add_loop_test(t, a_signal_that_is_refused_or_not_answered_ends_the_update, 0, 4);
    tcase_add_test(t, an_update_that_comes_before_its_answer_counts_if_it_is_what_was_asked);
    tcase_add_test(t, granting_what_is_so_already_needs_no_event);
    tcase_add_loop_test(t, a_signal_that_cannot_be_sent_ends_the_update, 0, 2);
    tcase_add_test(t, identifiers_are_from_129_to_255_in_turn);
    tcase_add_loop_test(t, an_ll_request_is_answered_in_either_role_as_the_policy_says, 0, 2);
    tcase_add_test(t, an_answer_that_waits_for_room_is_to_the_last_request);
    tcase_add_test(t, a_signal_from_a_peripheral_is_granted_and_done);
    tcase_add_test(t, a_signal_that_the_policy_or_the_specification_forbids_is_refused);
    tcase_add_test(t, a_central_does_not_ask_by_signal);
    tcase_add_test(t, what_is_granted_waits_for_what_is_under_way_and_the_other_way_round);
    tcase_add_test(t, an_update_waits_no_longer_than_the_granted_one_may_take);
    tcase_add_loop_test(t, a_grant_that_cannot_be_sent_is_none, 0, 2);
    tcase_add_loop_test(t, other_signals_are_refused_as_the_specification_says, 0, 6);
    tcase_add_loop_test(t, a_disconnection_at_any_step_of_an_update_ends_it_with_the_reason, 0, 6);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
