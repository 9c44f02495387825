/* SPDX-License-Identifier: MIT */

#include "connector_fixture.h"
#include "oom.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

/* ---- direct attempts ---- */

START_TEST(arguments_are_checked_before_anything_happens)
{
    static const struct {
        const char *what;
        struct bl_connect_params p;
        int result;
    } rows[] = {
        {"zero peer", {.scan_duration_ms = 1}, -EINVAL},
        {"address type", {.peer = {2, {1}}, .scan_duration_ms = 1}, -EINVAL},
        {"no duration", {.peer = {0, {1}}}, -EINVAL},
        {"parameters",
         {.peer = {0, {1}}, .scan_duration_ms = 1, .params = {.min_interval_us = 1}},
         -EINVAL},
        {"unknown PHY", {.peer = {0, {1}}, .scan_duration_ms = 1, .phys = 8}, -EINVAL},
        {"2M alone", {.peer = {0, {1}}, .scan_duration_ms = 1, .phys = BL_PHYS_2M}, -EINVAL},
        {"coded on a legacy controller",
         {.peer = {0, {1}}, .scan_duration_ms = 1, .phys = BL_PHYS_CODED},
         -EOPNOTSUPP},
        {"RPA without a key",
         {.peer = {0, {1}}, .scan_duration_ms = 1, .addr_mode = BL_ADDR_MODE_RPA},
         -EOPNOTSUPP},
    };
    struct bl_connect_params p = {.peer = addr(1), .scan_duration_ms = 1};
    uint16_t id = 0;
    bl_op op = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_msg(bl_connector_connect(&connector, now, &rows[i].p, &id, &op) == rows[i].result,
                      "%s", rows[i].what);
    oom_fail_at(1);
    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &id, &op), -ENOMEM);
    hci->caps.accept_list = 0;
    p.automatic = true;
    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &id, &op), -EOPNOTSUPP);
    p.automatic = false;
    fake_hci_deny(hci, BL_CMD_LE_CREATE_CONNECTION);
    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &id, &op), -EOPNOTSUPP);
    ck_assert_uint_eq(id, 0);
    ck_assert_uint_eq(op, 0);
    ck_assert_uint_eq(events.open_ops, 0);
    ck_assert_ptr_null(next());
    silent();
}
END_TEST

START_TEST(a_peer_has_one_attempt_and_a_controller_a_bounded_number)
{
    struct bl_connect_params p = {.peer = addr(1), .scan_duration_ms = 1};
    uint16_t id;
    bl_op op;

    for (uint8_t i = 1; i <= BL_MAX_ATTEMPTS; i++)
        (void)begin_attempt(i, 1000, i % 2 == 0, &op);
    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &id, &op), -EALREADY);
    p.peer = addr(2);
    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &id, &op), -EALREADY);
    p.peer = addr(200);
    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &id, &op), -EBUSY);
}
END_TEST

START_TEST(legacy_create_connection_has_the_parameters_as_specified)
{
    static const uint8_t wire[] = {0x60, 0, 0x60, 0, 0, 1, 9,    0, 0, 0, 0, 0xc0, 0,
                                   24,   0, 40,   0, 0, 0, 0xf4, 1, 0, 0, 0, 0};

    direct(9, 2000);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_CREATE_CONNECTION);
    ck_assert_uint_eq(cmd->n, sizeof(wire));
    ck_assert_mem_eq(cmd->params, wire, sizeof(wire));
}
END_TEST

START_TEST(extended_create_connection_has_a_set_of_parameters_a_phy)
{
    static const uint8_t head[] = {0, 0, 1, 9, 0, 0, 0, 0, 0xc0, 7};
    static const uint8_t phy[] = {0x60, 0, 0x30, 0, 24, 0, 40, 0, 0, 0, 0xf4, 1, 0, 0, 0, 0};
    struct bl_connect_params p = {.peer = addr(9), .scan_duration_ms = 100, .phys = 7};
    uint16_t id;
    bl_op op;

    teardown();
    setup_extended();
    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &id, &op), 0);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_EXT_CREATE_CONNECTION);
    ck_assert_uint_eq(cmd->n, sizeof(head) + 3 * sizeof(phy));
    ck_assert_mem_eq(cmd->params, head, sizeof(head));
    for (size_t i = 0; i < 3; i++)
        ck_assert_mem_eq(cmd->params + sizeof(head) + i * sizeof(phy), phy, sizeof(phy));
}
END_TEST

START_TEST(beside_other_procedures_half_of_the_time_is_looked_for_the_peer)
{
    direct(9, 2000);
    radio.scanning = true;
    const struct fake_cmd *cmd = expect(BL_CMD_LE_CREATE_CONNECTION);
    ck_assert_uint_eq(cmd->params[0], 0x60);
    ck_assert_uint_eq(cmd->params[2], 0x30);
}
END_TEST

START_TEST(a_connection_ends_the_op_when_it_is_established)
{
    uint16_t id = direct(1, 2000);

    initiating();
    silent();
    connects(id, 1, last_op);
    ck_assert_ptr_null(next());
    ck_assert_uint_eq(bl_connector_deadline(&connector), TIMERQ_NEVER);
}
END_TEST

START_TEST(connection_complete_may_come_before_the_status_of_its_command)
{
    uint16_t id = direct(1, 2000);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_CREATE_CONNECTION);
    struct bl_addr peer = addr(1);

    ck_assert_uint_eq(complete(0, &peer), id);
    answer(cmd, 0);
    ck_assert(!radio.initiating);
    ck_assert_ptr_null(next());
    bl_connector_established(&connector, now, id, 3);
    op_ends(last_op, BL_OK, 3);
}
END_TEST

START_TEST(when_the_duration_is_over_the_initiation_is_cancelled_and_the_attempt_times_out)
{
    uint16_t id = direct(1, 2000);

    initiating();
    advance(2000 * MS - 1);
    ck_assert_ptr_null(next());
    advance(1);
    cancels(0);
    silent();
    ck_assert_uint_eq(complete(BL_HCI_UNKNOWN_CONNECTION, &nobody), 0);
    fails(id, last_op, BL_TIMEOUT);
    ck_assert(!radio.initiating);
    ck_assert_ptr_null(next());
}
END_TEST

START_TEST(a_connection_wins_over_the_cancel_of_a_timeout)
{
    uint16_t id = direct(1, 100);
    struct bl_addr peer = addr(1);

    initiating();
    advance(100 * MS);
    const struct fake_cmd *cancel = expect(BL_CMD_LE_CREATE_CONNECTION_CANCEL);
    if (_i == 0) { /* on the other side of the answer */
        ck_assert_uint_eq(complete(0, &peer), id);
        answer(cancel, BL_HCI_COMMAND_DISALLOWED);
    } else {
        answer(cancel, _i == 1 ? BL_HCI_COMMAND_DISALLOWED : 0);
        ck_assert_uint_eq(complete(0, &peer), id);
    }
    advance(60000 * MS);
    silent();
    bl_connector_established(&connector, now, id, 5);
    op_ends(last_op, BL_OK, 5);
    silent();
}
END_TEST

START_TEST(a_cancel_that_is_refused_lost_or_leads_to_nothing_does_not_hang)
{
    uint16_t id = direct(1, 100);

    initiating();
    advance(100 * MS);
    const struct fake_cmd *cancel = expect(BL_CMD_LE_CREATE_CONNECTION_CANCEL);
    if (_i == 0)
        answer(cancel, BL_HCI_COMMAND_DISALLOWED);
    else if (_i == 1)
        answer(cancel, 0);
    else
        lose(cancel);
    silent();
    advance(_i == 1 ? BL_CONNECTOR_CANCEL_US : BL_CONNECTOR_REFUSED_US);
    fails(id, last_op, BL_TIMEOUT);
    ck_assert(!radio.initiating);

    id = direct(2, 100);
    initiating();
    connects(id, 2, last_op);
}
END_TEST

START_TEST(a_controller_that_cannot_cancel_does_not_hang_an_attempt)
{
    uint16_t id = direct(1, 100);

    fake_hci_deny(hci, BL_CMD_LE_CREATE_CONNECTION_CANCEL);
    initiating();
    advance(100 * MS + BL_CONNECTOR_REFUSED_US);
    fails(id, last_op, BL_TIMEOUT);
}
END_TEST

START_TEST(the_duration_counts_from_the_attempts_turn)
{
    uint16_t first = direct(1, 2000);
    bl_op first_op = last_op;
    uint16_t second = direct(2, 1000);

    initiating();
    advance(2000 * MS);
    cancels(0);
    advance(500 * MS); /* the controller takes its time */
    complete(BL_HCI_UNKNOWN_CONNECTION, &nobody);
    fails(first, first_op, BL_TIMEOUT);
    initiating();
    advance(1000 * MS - 1);
    silent();
    advance(1);
    cancels(0);
    complete(BL_HCI_UNKNOWN_CONNECTION, &nobody);
    fails(second, last_op, BL_TIMEOUT);
}
END_TEST

START_TEST(a_cancelled_attempt_ends_at_once_and_what_comes_of_it_is_nobodys)
{
    uint16_t id = direct(1, 2000);
    struct bl_addr peer = addr(1);

    initiating();
    ck_assert_int_eq(bl_connector_cancel(&connector, now, id), 0);
    fails(id, last_op, BL_CANCELED);
    const struct fake_cmd *cancel = expect(BL_CMD_LE_CREATE_CONNECTION_CANCEL);
    ck_assert_uint_eq(complete(0, &peer), 0);
    answer(cancel, BL_HCI_COMMAND_DISALLOWED);
    ck_assert(!radio.initiating);

    id = direct(2, 2000);
    initiating();
    connects(id, 2, last_op);
}
END_TEST

START_TEST(an_attempt_in_line_is_cancelled_without_a_command)
{
    uint16_t first = direct(1, 2000), second = direct(2, 2000);
    bl_op second_op = last_op;

    initiating();
    ck_assert_int_eq(bl_connector_cancel(&connector, now, second), 0);
    fails(second, second_op, BL_CANCELED);
    ck_assert_ptr_null(next());
    ck_assert_int_eq(bl_connector_cancel(&connector, now, first), 0);
}
END_TEST

START_TEST(cancelling_before_the_command_is_answered_cancels_when_it_is)
{
    uint16_t id = direct(1, 2000);
    const struct fake_cmd *create = expect(BL_CMD_LE_CREATE_CONNECTION);

    ck_assert_int_eq(bl_connector_cancel(&connector, now, id), 0);
    fails(id, last_op, BL_CANCELED);
    answer(create, 0);
    cancels(0);
    complete(BL_HCI_UNKNOWN_CONNECTION, &nobody);
    ck_assert(!radio.initiating);
    ck_assert_ptr_null(next());
}
END_TEST

START_TEST(a_link_that_waits_for_its_first_sign_of_life_can_be_cancelled)
{
    uint16_t id = direct(1, 2000);
    struct bl_addr peer = addr(1);

    initiating();
    ck_assert_uint_eq(complete(0, &peer), id);
    ck_assert_int_eq(bl_connector_cancel(&connector, now, id), 0);
    fails(id, last_op, BL_CANCELED);
    bl_connector_established(&connector, now, id, 9);
    bl_connector_link_lost(&connector, now, id, &peer, 0x3e);
    silent();
}
END_TEST

START_TEST(failed_to_be_established_is_tried_again_inside_the_duration)
{
    uint16_t id = direct(1, 1000);
    struct bl_addr peer = addr(1);
    unsigned tries = 0;

    for (uint64_t end = now + 1000 * MS; now < end; tries++) {
        initiating();
        if (tries % 2) {
            complete(BL_HCI_FAILED_TO_ESTABLISH, &peer);
        } else {
            ck_assert_uint_eq(complete(0, &peer), id);
            bl_connector_link_lost(&connector, now, id, &peer, BL_HCI_FAILED_TO_ESTABLISH);
        }
        ck_assert_ptr_null(next());
        if (now + BL_CONNECTOR_RETRY_US < end)
            silent();
        now += BL_CONNECTOR_RETRY_US;
        bl_connector_tick(&connector, now);
    }
    ck_assert_uint_eq(tries, 20);
    fails(id, last_op, BL_TIMEOUT);
}
END_TEST

START_TEST(a_retry_can_succeed)
{
    uint16_t id = direct(1, 1000);

    initiating();
    complete(BL_HCI_FAILED_TO_ESTABLISH, &nobody);
    now += BL_CONNECTOR_RETRY_US;
    bl_connector_tick(&connector, now);
    initiating();
    connects(id, 1, last_op);
}
END_TEST

START_TEST(a_link_lost_after_the_duration_is_a_timeout_and_for_another_reason_that_reason)
{
    uint16_t id = direct(1, 100);
    struct bl_addr peer = addr(1);

    initiating();
    ck_assert_uint_eq(complete(0, &peer), id);
    if (_i == 0)
        advance(200 * MS);
    silent();
    bl_connector_link_lost(&connector, now, id, &peer, _i == 0 ? 0x3e : 0x13);
    fails(id, last_op, _i == 0 ? BL_TIMEOUT : 0x113);
}
END_TEST

START_TEST(an_error_that_stays_ends_the_attempt_with_it)
{
    uint16_t id = direct(1, 2000);

    if (_i == 0) {
        answer(expect(BL_CMD_LE_CREATE_CONNECTION), BL_HCI_INVALID_PARAMETERS);
        fails(id, last_op, 0x112);
    } else {
        initiating();
        complete(BL_HCI_CONNECTION_LIMIT, &nobody);
        fails(id, last_op, 0x109);
    }
    ck_assert(!radio.initiating);
    ck_assert_ptr_null(next());
}
END_TEST

START_TEST(create_connection_lost_or_disallowed_is_cancelled_and_tried_again)
{
    uint16_t id = direct(1, 10000);
    const struct fake_cmd *create = expect(BL_CMD_LE_CREATE_CONNECTION);

    if (_i == 0)
        answer(create, BL_HCI_COMMAND_DISALLOWED);
    else
        lose(create);
    cancels(_i == 0 ? 0 : BL_HCI_COMMAND_DISALLOWED);
    complete(BL_HCI_UNKNOWN_CONNECTION, &nobody);
    advance(BL_CONNECTOR_REFUSED_US + BL_CONNECTOR_RETRY_US);
    silent();
    answer(fake_hci_take(hci), 0);
    ck_assert(radio.initiating);
    connects(id, 1, last_op);
}
END_TEST

START_TEST(a_controller_that_cannot_initiate_beside_scanning_has_the_scan_make_way)
{
    uint16_t id = direct(1, 1000);

    radio.scanning = true;
    answer(expect(BL_CMD_LE_CREATE_CONNECTION), BL_HCI_COMMAND_DISALLOWED);
    ck_assert(radio.hush);
    cancels(BL_HCI_COMMAND_DISALLOWED);
    radio.scanning = false; /* the scanner's part */
    advance(BL_CONNECTOR_REFUSED_US + BL_CONNECTOR_RETRY_US);
    answer(fake_hci_take(hci), 0);
    ck_assert(radio.hush);
    connects(id, 1, last_op);
    ck_assert_ptr_null(next());
    ck_assert(!radio.hush);
}
END_TEST

START_TEST(another_kind_of_own_address_in_use_is_busy_and_waited_for_in_line)
{
    struct bl_connect_params p = {
        .peer = addr(2), .scan_duration_ms = 1000, .addr_mode = BL_ADDR_MODE_STATIC};
    uint16_t id;
    uint8_t own;
    bl_op op;

    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &id, &op), 0);
    radio.config.irk[0] = 1;
    ck_assert_int_eq(bl_privacy_own(&privacy, now, BL_PRIVACY_SCAN, BL_ADDR_MODE_RPA, &own),
                     -EAGAIN);
    p.peer = addr(3);
    uint16_t other;
    bl_op other_op;
    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &other, &other_op), -EBUSY);
    accepted(BL_CMD_LE_SET_RANDOM_ADDRESS);
    ck_assert_ptr_null(next());
    if (_i == 0) {
        advance(1000 * MS);
        fails(id, op, BL_NO_RESOURCES);
    } else {
        bl_privacy_release(&privacy, BL_PRIVACY_SCAN);
        now += BL_CONNECTOR_RETRY_US;
        bl_connector_tick(&connector, now);
        accepted(BL_CMD_LE_SET_RANDOM_ADDRESS);
        initiating();
        connects(id, 2, op);
    }
}
END_TEST

START_TEST(create_connection_disallowed_until_the_end_says_so)
{
    uint16_t id = direct(1, 1000);
    struct bl_event e;

    for (unsigned i = 0; i < 20 && events.count == 0; i++) {
        const struct fake_cmd *cmd;
        while ((cmd = next()))
            answer(cmd, BL_HCI_COMMAND_DISALLOWED);
        advance(BL_CONNECTOR_REFUSED_US);
    }
    attempt_ends(id, 0x10c);
    ck_assert(bl_evq_pop(&events, &e));
}
END_TEST

START_TEST(a_connection_to_another_peer_is_nobodys_and_the_attempt_goes_on)
{
    uint16_t id = direct(1, 2000);
    struct bl_addr other = addr(77);

    ck_assert_uint_eq(complete(0, &other), 0);
    initiating();
    ck_assert_uint_eq(complete(0, &other), 0);
    silent();
    advance(BL_CONNECTOR_RETRY_US);
    answer(fake_hci_take(hci), 0);
    connects(id, 1, last_op);
}
END_TEST

START_TEST(a_peer_that_the_controller_resolved_is_known_by_the_address_on_the_air)
{
    struct bl_connect_params p = {.peer = {ADDR_RANDOM, {1, 2, 3, 4, 5, 0x46}},
                                  .scan_duration_ms = 100};
    struct bl_hci_event e = {.kind = BL_HCI_EV_CONNECTION_COMPLETE,
                             .handle = 64,
                             .connection = {.role = BL_ROLE_CENTRAL,
                                            .peer = {ADDR_PUBLIC, {9, 9, 9, 9, 9, 9}},
                                            .resolved = true,
                                            .peer_rpa = {1, 2, 3, 4, 5, 0x46}}};
    uint16_t id;
    bl_op op;

    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &id, &op), 0);
    initiating();
    ck_assert_uint_eq(bl_connector_complete(&connector, now, &e), id);
}
END_TEST

/* An address on the air of the peer whose identity and key privacy has been told. */
static struct bl_addr resolvable(const struct bl_addr *identity)
{
    struct bl_addr rpa;
    uint64_t until;

    memset(radio.config.irk, 0x77, sizeof(radio.config.irk));
    ck_assert_int_eq(bl_privacy_make(&privacy, now, BL_ADDR_MODE_RPA, false, &rpa, &until), 0);
    ck_assert_int_eq(bl_privacy_add_identity(&privacy, identity, radio.config.irk), 0);
    return rpa;
}

START_TEST(an_identity_and_its_address_on_the_air_are_one_peer)
{
    struct bl_addr identity = addr(1), rpa = resolvable(&identity);
    struct bl_connect_params p = {.peer = _i == 0 ? identity : rpa, .scan_duration_ms = 100};
    uint16_t id, other;
    bl_op op, other_op;

    hci->caps.resolving_list = 0;
    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &id, &op), 0);
    p.peer = _i == 0 ? rpa : identity;
    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &other, &other_op), -EALREADY);
    initiating();
    ck_assert_uint_eq(complete(0, &p.peer), id);
}
END_TEST

START_TEST(an_attempt_whose_kind_of_address_is_not_to_be_had_any_more_ends)
{
    struct bl_connect_params p = {.peer = addr(1),
                                  .scan_duration_ms = 100,
                                  .addr_mode = BL_ADDR_MODE_RPA,
                                  .automatic = _i == 1};
    uint16_t id;
    bl_op op;

    memset(radio.config.irk, 0x77, sizeof(radio.config.irk));
    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &id, &op), 0);
    memset(radio.config.irk, 0, sizeof(radio.config.irk));
    if (_i == 1) {
        op_ends(op, BL_OK, 0);
        accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
        accepted(BL_CMD_LE_ADD_ACCEPT_LIST);
        ck_assert_ptr_null(next());
        attempt_ends(id, BL_NOT_SUPPORTED);
    } else {
        ck_assert_ptr_null(next());
        fails(id, op, BL_NOT_SUPPORTED);
    }
    silent();
}
END_TEST

START_TEST(a_create_connection_that_turns_out_unsupported_ends_the_attempt)
{
    uint16_t id = direct(1, 100);

    fake_hci_deny(hci, BL_CMD_LE_CREATE_CONNECTION);
    ck_assert_ptr_null(next());
    fails(id, last_op, BL_NOT_SUPPORTED);
}
END_TEST

START_TEST(what_was_done_is_counted)
{
    const char *name;
    uint64_t value, sum = 0;
    size_t n = 0;
    uint16_t id = direct(1, 100);

    initiating();
    connects(id, 1, last_op);
    for (; bl_connector_counter(&connector, n, &name, &value); n++) {
        ck_assert_uint_gt(strlen(name), 0);
        sum += value;
    }
    ck_assert_uint_eq(n, 7);
    ck_assert_uint_eq(sum, 2); /* an attempt, an initiation */
}
END_TEST

START_TEST(a_pause_stops_the_initiation_and_keeps_the_attempt)
{
    uint16_t id = direct(1, 2000);

    initiating();
    standstill = radio.pause = true;
    cancels(0);
    complete(BL_HCI_UNKNOWN_CONNECTION, &nobody);
    ck_assert(!radio.initiating);
    ck_assert_ptr_null(next());
    silent();
    radio.pause = false;
    initiating();
    connects(id, 1, last_op);
}
END_TEST

START_TEST(a_random_own_address_is_set_before_the_initiation_and_released_after_it)
{
    struct bl_connect_params p = {
        .peer = addr(1), .scan_duration_ms = 100, .addr_mode = BL_ADDR_MODE_STATIC};
    uint16_t id;
    bl_op op;

    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &id, &op), 0);
    accepted(BL_CMD_LE_SET_RANDOM_ADDRESS);
    const struct fake_cmd *create = expect(BL_CMD_LE_CREATE_CONNECTION);
    ck_assert_uint_eq(create->params[12], ADDR_RANDOM);
    answer(create, 0);
    ck_assert_int_eq(privacy.claims[BL_PRIVACY_INIT], BL_ADDR_MODE_STATIC);
    connects(id, 1, op);
    ck_assert_int_eq(privacy.claims[BL_PRIVACY_INIT], BL_ADDR_MODE_DEFAULT);
}
END_TEST

START_TEST(a_full_command_queue_delays_and_changes_nothing)
{
    uint16_t id = direct(1, 2000);

    hci->cmd_error = -EBUSY;
    ck_assert_ptr_null(next());
    initiating();
    hci->cmd_error = -EBUSY;
    advance(2000 * MS);
    silent();
    cancels(0);
    complete(BL_HCI_UNKNOWN_CONNECTION, &nobody);
    fails(id, last_op, BL_TIMEOUT);
}
END_TEST

START_TEST(reset_ends_every_attempt_and_the_next_one_works)
{
    uint16_t first = direct(1, 2000);
    bl_op op = last_op;
    uint16_t second = automatic(2);

    /* at every step of the first one */
    if (_i > 0) {
        const struct fake_cmd *create = expect(BL_CMD_LE_CREATE_CONNECTION);
        struct bl_addr peer = addr(1);
        if (_i > 1)
            answer(create, 0);
        if (_i == 3)
            complete(0, &peer);
        if (_i == 4) {
            advance(2000 * MS);
            ck_assert_ptr_nonnull(fake_hci_take(hci));
        }
    }
    bl_connector_reset(&connector, now, BL_NOT_ACTIVE);
    radio.outstanding = false;
    attempt_ends(first, BL_NOT_ACTIVE);
    op_ends(op, BL_NOT_ACTIVE, 0);
    attempt_ends(second, BL_NOT_ACTIVE);
    silent();
    ck_assert(!radio.initiating);
    ck_assert_uint_eq(bl_connector_deadline(&connector), TIMERQ_NEVER);
    ck_assert_ptr_null(next());

    first = direct(1, 2000);
    initiating();
    connects(first, 1, last_op);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/connector");
    TCase *t = tcase_create("direct");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, arguments_are_checked_before_anything_happens);
    tcase_add_test(t, a_peer_has_one_attempt_and_a_controller_a_bounded_number);
    tcase_add_test(t, legacy_create_connection_has_the_parameters_as_specified);
    tcase_add_test(t, extended_create_connection_has_a_set_of_parameters_a_phy);
    tcase_add_test(t, beside_other_procedures_half_of_the_time_is_looked_for_the_peer);
    tcase_add_test(t, a_connection_ends_the_op_when_it_is_established);
    tcase_add_test(t, connection_complete_may_come_before_the_status_of_its_command);
    tcase_add_test(t,
                   when_the_duration_is_over_the_initiation_is_cancelled_and_the_attempt_times_out);
    tcase_add_loop_test(t, a_connection_wins_over_the_cancel_of_a_timeout, 0, 3);
    tcase_add_loop_test(t, a_cancel_that_is_refused_lost_or_leads_to_nothing_does_not_hang, 0, 3);
    tcase_add_test(t, a_controller_that_cannot_cancel_does_not_hang_an_attempt);
    tcase_add_test(t, the_duration_counts_from_the_attempts_turn);
    tcase_add_test(t, a_cancelled_attempt_ends_at_once_and_what_comes_of_it_is_nobodys);
    tcase_add_test(t, an_attempt_in_line_is_cancelled_without_a_command);
    tcase_add_test(t, cancelling_before_the_command_is_answered_cancels_when_it_is);
    tcase_add_test(t, a_link_that_waits_for_its_first_sign_of_life_can_be_cancelled);
    tcase_add_test(t, failed_to_be_established_is_tried_again_inside_the_duration);
    tcase_add_test(t, a_retry_can_succeed);
    tcase_add_loop_test(
        t, a_link_lost_after_the_duration_is_a_timeout_and_for_another_reason_that_reason, 0, 2);
    tcase_add_loop_test(t, an_error_that_stays_ends_the_attempt_with_it, 0, 2);
    tcase_add_loop_test(t, create_connection_lost_or_disallowed_is_cancelled_and_tried_again, 0, 2);
    tcase_add_test(t, a_controller_that_cannot_initiate_beside_scanning_has_the_scan_make_way);
    tcase_add_loop_test(t, another_kind_of_own_address_in_use_is_busy_and_waited_for_in_line, 0, 2);
    tcase_add_test(t, create_connection_disallowed_until_the_end_says_so);
    tcase_add_test(t, a_connection_to_another_peer_is_nobodys_and_the_attempt_goes_on);
    tcase_add_test(t, a_peer_that_the_controller_resolved_is_known_by_the_address_on_the_air);
    tcase_add_loop_test(t, an_identity_and_its_address_on_the_air_are_one_peer, 0, 2);
    tcase_add_loop_test(t, an_attempt_whose_kind_of_address_is_not_to_be_had_any_more_ends, 0, 2);
    tcase_add_test(t, a_create_connection_that_turns_out_unsupported_ends_the_attempt);
    tcase_add_test(t, what_was_done_is_counted);
    tcase_add_test(t, a_pause_stops_the_initiation_and_keeps_the_attempt);
    tcase_add_test(t, a_random_own_address_is_set_before_the_initiation_and_released_after_it);
    tcase_add_test(t, a_full_command_queue_delays_and_changes_nothing);
    tcase_add_loop_test(t, reset_ends_every_attempt_and_the_next_one_works, 0, 5);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
