/* SPDX-License-Identifier: MIT */

#include "connector_fixture.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static void lists(uint16_t opcode, uint8_t n)
{
    const struct fake_cmd *cmd = expect(opcode);
    struct bl_addr peer = addr(n);

    ck_assert_uint_eq(cmd->n, 7);
    ck_assert_uint_eq(cmd->params[0], peer.type);
    ck_assert_mem_eq(cmd->params + 1, peer.b, 6);
    answer(cmd, 0);
}

static void initiating_by_list(void)
{
    static const uint8_t wire[] = {192, 0, 48, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    const struct fake_cmd *cmd = expect(BL_CMD_LE_CREATE_CONNECTION);

    ck_assert_mem_eq(cmd->params, wire, sizeof(wire));
    answer(cmd, 0);
    ck_assert(radio.initiating);
}

static void links(uint16_t id, uint8_t n)
{
    struct bl_addr peer = addr(n);

    ck_assert_uint_eq(complete(0, &peer), id);
    bl_connector_established(&connector, now, id, n);
    silent();
}

static void stopped(void)
{
    cancels(0);
    complete(BL_HCI_UNKNOWN_CONNECTION, &nobody);
    ck_assert(!radio.initiating);
}

START_TEST(automatic_attempts_wait_together_on_the_accept_list)
{
    uint16_t one = automatic(1), two = automatic(2);

    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 2);
    initiating_by_list();
    ck_assert_ptr_null(next());
    ck_assert_uint_eq(bl_connector_deadline(&connector), TIMERQ_NEVER);

    links(two, 2);
    lists(BL_CMD_LE_REMOVE_ACCEPT_LIST, 2);
    initiating_by_list();
    links(one, 1);
    ck_assert_ptr_null(next());
}
END_TEST

START_TEST(the_list_is_used_for_extended_initiation_too)
{
    teardown();
    setup_extended();
    (void)automatic(1);
    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_EXT_CREATE_CONNECTION);
    ck_assert_uint_eq(cmd->params[0], 1);
    ck_assert_uint_eq(cmd->n, 26);
}
END_TEST

START_TEST(an_automatic_attempt_goes_again_when_its_peer_has_gone)
{
    uint16_t id = automatic(1);
    struct bl_addr peer = addr(1), other = addr(2);

    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    for (unsigned i = 0; i < 5; i++) {
        initiating_by_list();
        links(id, 1);
        bl_connector_peer_gone(&connector, now, &other);
        ck_assert_ptr_null(next());
        bl_connector_peer_gone(&connector, now, &peer);
    }
    initiating_by_list();
}
END_TEST

START_TEST(a_direct_attempt_pauses_the_automatic_ones)
{
    (void)automatic(1);
    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    initiating_by_list();

    uint16_t id = direct(2, 1000);
    stopped();
    const struct fake_cmd *cmd = expect(BL_CMD_LE_CREATE_CONNECTION);
    ck_assert_uint_eq(cmd->params[4], 0);
    answer(cmd, 0);
    connects(id, 2, last_op);
    initiating_by_list();
}
END_TEST

START_TEST(the_clock_of_a_direct_attempt_runs_while_the_list_is_being_stopped)
{
    (void)automatic(1);
    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    initiating_by_list();
    uint16_t id = direct(2, 1000);
    answer(expect(BL_CMD_LE_CREATE_CONNECTION_CANCEL), 0);
    advance(1000 * MS); /* the controller says no more */
    fails(id, last_op, BL_TIMEOUT);
    advance(BL_CONNECTOR_CANCEL_US);
    ck_assert_ptr_nonnull(fake_hci_take(hci)); /* the list again */
}
END_TEST

START_TEST(a_connection_while_the_list_is_being_stopped_counts)
{
    uint16_t id = automatic(1);
    struct bl_addr peer = addr(1);

    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    initiating_by_list();
    (void)direct(2, 1000);
    const struct fake_cmd *cancel = expect(BL_CMD_LE_CREATE_CONNECTION_CANCEL);
    ck_assert_uint_eq(complete(0, &peer), id);
    answer(cancel, BL_HCI_COMMAND_DISALLOWED);
    accepted(BL_CMD_LE_CREATE_CONNECTION);
}
END_TEST

START_TEST(peers_that_do_not_fit_take_turns)
{
    hci->caps.accept_list = 2;
    for (uint8_t i = 1; i <= 3; i++)
        (void)automatic(i);
    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 2);
    initiating_by_list();
    advance(BL_CONNECTOR_ROTATE_US - 1);
    ck_assert_ptr_null(next());
    advance(1);
    stopped();
    lists(BL_CMD_LE_REMOVE_ACCEPT_LIST, 2);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 3);
    initiating_by_list();
    advance(BL_CONNECTOR_ROTATE_US);
    stopped();
    lists(BL_CMD_LE_REMOVE_ACCEPT_LIST, 1);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 2);
    initiating_by_list();
}
END_TEST

START_TEST(a_list_that_holds_less_than_it_claims_makes_them_take_turns)
{
    uint16_t two;

    (void)automatic(1);
    two = automatic(2);
    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    answer(expect(BL_CMD_LE_ADD_ACCEPT_LIST), BL_HCI_MEMORY_EXCEEDED);
    initiating_by_list();
    advance(BL_CONNECTOR_ROTATE_US);
    stopped();
    lists(BL_CMD_LE_REMOVE_ACCEPT_LIST, 1);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 2);
    initiating_by_list();
    links(two, 2);
}
END_TEST

START_TEST(attempts_of_other_parameters_take_turns)
{
    struct bl_connect_params p = {.peer = addr(2),
                                  .automatic = true,
                                  .addr_mode = BL_ADDR_MODE_PUBLIC,
                                  .params = {.min_interval_us = 7500, .max_interval_us = 7500}};
    uint16_t id;
    bl_op op;

    (void)automatic(1);
    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &id, &op), 0);
    op_ends(op, BL_OK, 0);
    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    initiating_by_list();
    advance(BL_CONNECTOR_ROTATE_US);
    stopped();
    lists(BL_CMD_LE_REMOVE_ACCEPT_LIST, 1);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 2);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_CREATE_CONNECTION);
    ck_assert_uint_eq(cmd->params[13], 6);
    ck_assert_uint_eq(cmd->params[15], 6);
}
END_TEST

/* In network privacy mode a peer with a key is nobody until it is heard. _i: the one that can be
 * found does not fit beside it, or has other parameters. */
START_TEST(peers_that_are_yet_to_be_heard_keep_nobody_from_his_turn)
{
    const uint8_t irk[16] = {1, 2, 3};
    const struct bl_addr unheard = addr(1);
    struct bl_connect_params p = {
        .peer = addr(2), .automatic = true, .addr_mode = BL_ADDR_MODE_PUBLIC};
    uint16_t id;
    bl_op op;

    radio.config.network_privacy = true;
    ck_assert_int_eq(bl_privacy_add_identity(&privacy, &unheard, irk), 0);
    (void)automatic(1);
    if (_i == 0)
        hci->caps.accept_list = 1;
    else
        p.params.min_interval_us = p.params.max_interval_us = 7500;
    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &id, &op), 0);
    op_ends(op, BL_OK, 0);
    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    ck_assert_ptr_null(next());
    advance(BL_CONNECTOR_AUTO_RETRY_US);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 2);
    initiating_by_list();
    links(id, 2);
}
END_TEST

START_TEST(a_newcomer_joins_the_list_at_once)
{
    (void)automatic(1);
    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    initiating_by_list();
    (void)automatic(2);
    stopped();
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 2);
    initiating_by_list();
}
END_TEST

START_TEST(a_cancelled_one_leaves_the_list_and_the_others_go_on)
{
    uint16_t one = automatic(1), two = automatic(2);

    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 2);
    initiating_by_list();
    ck_assert_int_eq(bl_connector_cancel(&connector, now, one), 0);
    attempt_ends(one, BL_CANCELED);
    silent();
    stopped();
    lists(BL_CMD_LE_REMOVE_ACCEPT_LIST, 1);
    initiating_by_list();
    links(two, 2);

    ck_assert_int_eq(bl_connector_cancel(&connector, now, two), 0);
    attempt_ends(two, BL_CANCELED);
    ck_assert_int_eq(bl_connector_cancel(&connector, now, two), -ENOENT);
    ck_assert_ptr_null(next());
}
END_TEST

START_TEST(failures_of_the_list_are_tried_again_after_a_pause)
{
    uint16_t id = automatic(1);
    struct bl_addr peer = addr(1);

    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    initiating_by_list();
    if (_i == 0) {
        complete(BL_HCI_FAILED_TO_ESTABLISH, &nobody);
    } else {
        ck_assert_uint_eq(complete(0, &peer), id);
        bl_connector_link_lost(&connector, now, id, &peer, _i == 1 ? 0x3e : 0x13);
    }
    ck_assert_ptr_null(next());
    advance(BL_CONNECTOR_AUTO_RETRY_US - 1);
    ck_assert_ptr_null(next());
    now++;
    bl_connector_tick(&connector, now);
    initiating_by_list();
    silent();
}
END_TEST

START_TEST(an_error_that_stays_ends_automatic_attempts)
{
    uint16_t id = automatic(1);

    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    if (_i == 0) {
        answer(expect(BL_CMD_LE_ADD_ACCEPT_LIST), BL_HCI_INVALID_PARAMETERS);
    } else {
        lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
        answer(expect(BL_CMD_LE_CREATE_CONNECTION), BL_HCI_INVALID_PARAMETERS);
    }
    attempt_ends(id, 0x112);
    silent();
    advance(BL_CONNECTOR_AUTO_RETRY_US);
    ck_assert_ptr_null(next());
}
END_TEST

START_TEST(a_list_command_without_an_answer_makes_the_list_anew)
{
    (void)automatic(1);
    if (_i == 0) {
        lose(expect(BL_CMD_LE_CLEAR_ACCEPT_LIST));
    } else {
        accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
        lose(expect(BL_CMD_LE_ADD_ACCEPT_LIST));
    }
    ck_assert_ptr_null(next());
    now += BL_CONNECTOR_AUTO_RETRY_US;
    bl_connector_tick(&connector, now);
    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    initiating_by_list();
}
END_TEST

START_TEST(a_list_in_use_by_a_forgotten_initiation_is_freed_by_a_cancel)
{
    (void)automatic(1);
    answer(expect(BL_CMD_LE_CLEAR_ACCEPT_LIST), BL_HCI_COMMAND_DISALLOWED);
    stopped();
    advance(BL_CONNECTOR_AUTO_RETRY_US);
    answer(fake_hci_take(hci), 0);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    initiating_by_list();
}
END_TEST

START_TEST(a_link_by_list_to_somebody_else_is_nobodys)
{
    struct bl_addr other = addr(9);

    (void)automatic(1);
    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    initiating_by_list();
    ck_assert_uint_eq(complete(0, &other), 0);
    advance(BL_CONNECTOR_AUTO_RETRY_US);
    ck_assert_uint_eq(fake_hci_take(hci)->opcode, BL_CMD_LE_CREATE_CONNECTION);
}
END_TEST

START_TEST(reset_forgets_the_list_and_ends_connected_attempts_too)
{
    uint16_t one = automatic(1), two = automatic(2);

    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 1);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 2);
    initiating_by_list();
    links(one, 1);
    bl_connector_reset(&connector, now, BL_NOT_ACTIVE);
    attempt_ends(one, BL_NOT_ACTIVE);
    attempt_ends(two, BL_NOT_ACTIVE);
    silent();
    ck_assert_ptr_null(next());
    (void)automatic(3);
    accepted(BL_CMD_LE_CLEAR_ACCEPT_LIST);
    lists(BL_CMD_LE_ADD_ACCEPT_LIST, 3);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/connector_list");
    TCase *t = tcase_create("automatic");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, automatic_attempts_wait_together_on_the_accept_list);
    tcase_add_test(t, the_list_is_used_for_extended_initiation_too);
    tcase_add_test(t, an_automatic_attempt_goes_again_when_its_peer_has_gone);
    tcase_add_test(t, a_direct_attempt_pauses_the_automatic_ones);
    tcase_add_test(t, the_clock_of_a_direct_attempt_runs_while_the_list_is_being_stopped);
    tcase_add_test(t, a_connection_while_the_list_is_being_stopped_counts);
    tcase_add_test(t, peers_that_do_not_fit_take_turns);
    tcase_add_test(t, a_list_that_holds_less_than_it_claims_makes_them_take_turns);
    tcase_add_test(t, attempts_of_other_parameters_take_turns);
    tcase_add_loop_test(t, peers_that_are_yet_to_be_heard_keep_nobody_from_his_turn, 0, 2);
    tcase_add_test(t, a_newcomer_joins_the_list_at_once);
    tcase_add_test(t, a_cancelled_one_leaves_the_list_and_the_others_go_on);
    tcase_add_loop_test(t, failures_of_the_list_are_tried_again_after_a_pause, 0, 3);
    tcase_add_loop_test(t, an_error_that_stays_ends_automatic_attempts, 0, 2);
    tcase_add_loop_test(t, a_list_command_without_an_answer_makes_the_list_anew, 0, 2);
    tcase_add_test(t, a_list_in_use_by_a_forgotten_initiation_is_freed_by_a_cancel);
    tcase_add_test(t, a_link_by_list_to_somebody_else_is_nobodys);
    tcase_add_test(t, reset_forgets_the_list_and_ends_connected_attempts_too);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
