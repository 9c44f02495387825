/* SPDX-License-Identifier: MIT */

#include "links_fixture.h"
#include "oom.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#define PROOF_US (8 * INTERVAL * UINT64_C(1250) + 50000)

/* ---- when a link is announced ---- */

START_TEST(a_central_link_is_announced_at_its_first_sign_of_life)
{
    struct bl_hci_event e = {.handle = 5};
    static const enum bl_hci_event_kind life[] = {
        BL_HCI_EV_REMOTE_FEATURES, BL_HCI_EV_REMOTE_VERSION, BL_HCI_EV_CONNECTION_UPDATE,
        BL_HCI_EV_PARAM_REQUEST,   BL_HCI_EV_LTK_REQUEST,    BL_HCI_EV_ENCRYPTION_CHANGE,
        BL_HCI_EV_KEY_REFRESH,     BL_HCI_EV_PHY_UPDATE};

    add(BL_ROLE_CENTRAL, 5, 77, 0, false);
    (void)expect(BL_CMD_LE_READ_REMOTE_FEATURES, 5);
    silent();
    no_news();
    ck_assert_uint_eq(bl_links_by_handle(&links, 5), 0);
    ck_assert_uint_eq(bl_links_find(&links, &(struct bl_addr){ADDR_RANDOM, {5, 0, 0, 0, 0, 0xc0}}),
                      0);
    ck_assert_uint_eq(bl_links_count(&links), 1);
    if (_i < (int)ARRAY_LEN(life)) {
        e.kind = life[_i];
        event(&e);
    } else if (_i == ARRAY_LEN(life)) {
        ck_assert_uint_eq(bl_links_pdu(&links, now, 5), 1);
    } else {
        advance(PROOF_US - 1);
        silent();
        advance(1);
    }
    struct bl_event up = next_event(BL_EV_CONNECTED);
    ck_assert_uint_eq(up.connected.conn, 1);
    ck_assert_uint_eq(up.connected.attempt, 77);
    ck_assert_uint_eq(up.connected.adv, 0);
    ck_assert_int_eq(up.connected.role, BL_ROLE_CENTRAL);
    ck_assert_uint_eq(up.connected.peer.b[0], 5);
    struct bl_links_news n = news(BL_LINKS_ESTABLISHED);
    ck_assert_uint_eq(n.conn, 1);
    ck_assert_uint_eq(n.attempt, 77);
    no_news();
    ck_assert_uint_eq(bl_links_by_handle(&links, 5), 1);
}
END_TEST

START_TEST(what_the_controller_does_by_itself_is_no_sign_of_life)
{
    struct bl_conn_info info;

    add(BL_ROLE_CENTRAL, 5, 77, 0, false);
    features(5, BL_HCI_FAILED_TO_ESTABLISH, 0);
    event(&(struct bl_hci_event){.kind = BL_HCI_EV_CHANNEL_SELECTION, .handle = 5});
    event(&(struct bl_hci_event){.kind = BL_HCI_EV_DATA_LENGTH,
                                 .handle = 5,
                                 .data_length = {.tx_octets = 251, .rx_octets = 27}});
    silent();
    (void)bl_links_pdu(&links, now, 5);
    (void)next_event(BL_EV_CONNECTED);
    silent();
    ck_assert_int_eq(bl_links_info(&links, 1, &info), 0);
    ck_assert_uint_eq(info.tx_octets, 251);
}
END_TEST

START_TEST(a_central_link_lost_before_is_the_connectors_and_nobody_elses)
{
    add(BL_ROLE_CENTRAL, 5, 77, 0, false);
    (void)expect(BL_CMD_LE_READ_REMOTE_FEATURES, 5);
    gone(5, BL_HCI_FAILED_TO_ESTABLISH);
    silent();
    struct bl_links_news n = news(BL_LINKS_LOST);
    ck_assert_uint_eq(n.attempt, 77);
    ck_assert_uint_eq(n.reason, BL_HCI_FAILED_TO_ESTABLISH);
    ck_assert_uint_eq(n.peer.b[0], 5);
    no_news();
    ck_assert_uint_eq(bl_links_count(&links), 0);
    ck_assert_uint_eq(bl_links_deadline(&links), TIMERQ_NEVER);
    ck_assert_uint_eq(central(6), 1); /* it took no number */
}
END_TEST

START_TEST(a_link_that_nobody_wants_is_dropped_unseen)
{
    if (_i == 0) {
        add(BL_ROLE_CENTRAL, 5, 0, 0, false);
    } else {
        add(BL_ROLE_CENTRAL, 5, 77, 0, false);
        (void)expect(BL_CMD_LE_READ_REMOTE_FEATURES, 5);
        bl_links_abandon(&links, now, 78);
        no_command();
        bl_links_abandon(&links, now, 77);
    }
    const struct fake_cmd *cmd = expect(BL_CMD_DISCONNECT, 5);
    ck_assert_uint_eq(cmd->params[2], 0x13);
    answer(cmd, 0);
    features(5, 0, 0);
    ck_assert_uint_eq(bl_links_pdu(&links, now, 5), 0);
    advance(PROOF_US * 2);
    ck_assert_uint_eq(bl_links_count(&links), 1);
    gone(5, 0x16);
    silent();
    no_news();
    ck_assert_uint_eq(bl_links_count(&links), 0);
}
END_TEST

START_TEST(an_announced_link_is_not_abandoned)
{
    uint16_t conn = central(5);

    bl_links_abandon(&links, now, 5);
    no_command();
    ck_assert_uint_eq(bl_links_by_handle(&links, 5), conn);
}
END_TEST

START_TEST(a_peripheral_link_waits_for_its_advertisement)
{
    uint16_t adv = 9;

    add(BL_ROLE_PERIPHERAL, 5, 0, 0, true);
    silent();
    switch (_i) {
    case 0:
        bl_links_adv_known(&links, now, 5, &(struct bl_addr){0}, 9);
        break;
    case 1:
        ck_assert_uint_eq(bl_links_pdu(&links, now, 5), 1);
        adv = 0;
        break;
    default:
        advance(BL_LINKS_ADV_WAIT_US);
        adv = 0;
    }
    struct bl_event e = next_event(BL_EV_CONNECTED);
    ck_assert_uint_eq(e.connected.adv, adv);
    ck_assert_int_eq(e.connected.role, BL_ROLE_PERIPHERAL);
    bl_links_adv_known(&links, now, 5, &(struct bl_addr){0}, 9); /* late: for the end's sake */
    silent();
    (void)news(BL_LINKS_ESTABLISHED);
    gone(5, 0x13);
    ck_assert_uint_eq(news(BL_LINKS_GONE).adv, 9);
}
END_TEST

START_TEST(a_peripheral_link_with_nothing_to_wait_for_is_announced_at_once)
{
    add(BL_ROLE_PERIPHERAL, 5, 0, 3, false);
    struct bl_event e = next_event(BL_EV_CONNECTED);
    ck_assert_uint_eq(e.connected.adv, 3);
    ck_assert_uint_eq(e.connected.attempt, 0);
}
END_TEST

START_TEST(a_peripheral_link_that_was_short_is_told_whole)
{
    add(BL_ROLE_PERIPHERAL, 5, 0, 0, true);
    gone(5, 0x13);
    (void)next_event(BL_EV_CONNECTED);
    disconnected(1, 0x13);
    silent();
    (void)news(BL_LINKS_ESTABLISHED);
    (void)news(BL_LINKS_GONE);
    bl_links_adv_known(&links, now, 5, &(struct bl_addr){0},
                       9); /* whose it was still matters to its advertiser */
    struct bl_links_news n = news(BL_LINKS_GONE);
    ck_assert_uint_eq(n.adv, 9);
    ck_assert_uint_eq(n.conn, 0);
    silent();
}
END_TEST

START_TEST(a_peer_that_the_controller_resolved_is_named_by_its_identity)
{
    struct bl_hci_event e = {.kind = BL_HCI_EV_CONNECTION_COMPLETE,
                             .handle = 5,
                             .connection = {.role = BL_ROLE_PERIPHERAL,
                                            .peer = {ADDR_PUBLIC, {1, 2, 3, 4, 5, 6}},
                                            .resolved = true,
                                            .peer_rpa = {9, 9, 9, 9, 9, 0x49},
                                            .interval = INTERVAL,
                                            .timeout = TIMEOUT}};
    struct bl_addr air = {ADDR_RANDOM, {9, 9, 9, 9, 9, 0x49}};
    struct bl_conn_info info;

    bl_links_add(&links, now, &e, &(struct bl_addr){0}, 0, 1, false);
    struct bl_event up = next_event(BL_EV_CONNECTED);
    ck_assert(bl_addr_eq(&up.connected.peer, &e.connection.peer));
    ck_assert_uint_eq(bl_links_find(&links, &air), 1);
    ck_assert_uint_eq(bl_links_find(&links, &e.connection.peer), 1);
    ck_assert_int_eq(bl_links_info(&links, 1, &info), 0);
    ck_assert(bl_addr_eq(&info.peer, &air));
    ck_assert(bl_addr_eq(&info.identity, &e.connection.peer));
}
END_TEST

/* ---- numbers and room ---- */

START_TEST(numbers_count_up_and_none_comes_again_before_all_others)
{
    uint16_t keep = central(1);

    ck_assert_uint_eq(keep, 1);
    for (uint16_t i = 2; i < 0xffff; i++) {
        if (i == 300) { /* and so on */
            i = 0xff00;
            links.last_conn = 0xfeff;
        }
        hci->n_commands = hci->taken = 0;
        ck_assert_uint_eq(peripheral(2), i);
        gone(2, 0x13);
        disconnected(i, 0x13);
        (void)news(BL_LINKS_GONE);
        if (i % 100 == 0) { /* also across the controller's end */
            bl_links_reset(&links, now, BL_NOT_ACTIVE);
            if (keep)
                disconnected(keep, 0x16);
            keep = 0;
        }
    }
    add(BL_ROLE_CENTRAL, 3, 3, 0, false);
    (void)bl_links_pdu(&links, now, 3);
    ck_assert_uint_eq(next_event(BL_EV_CONNECTED).connected.conn, 1);
    ck_assert_uint_eq(news(BL_LINKS_ESTABLISHED).conn, 1);
}
END_TEST

START_TEST(a_number_in_use_is_skipped)
{
    (void)peripheral(1);
    links.last_conn = 0xfffd;
    ck_assert_uint_eq(peripheral(2), 0xfffe);
    ck_assert_uint_eq(peripheral(3), 2);
}
END_TEST

START_TEST(the_connection_after_the_last_place_is_refused)
{
    for (uint16_t i = 1; i <= BL_MAX_LINKS; i++)
        ck_assert_uint_eq(i % 2 ? central(i) : peripheral(i), i);
    for (uint16_t i = 0, conn = 0; i < BL_MAX_LINKS; i++) {
        conn = bl_links_next(&links, conn);
        ck_assert_uint_eq(conn, i + 1);
    }
    ck_assert_uint_eq(bl_links_next(&links, BL_MAX_LINKS), 0);

    add(BL_ROLE_CENTRAL, 200, 42, 0, false);
    answer(expect(BL_CMD_DISCONNECT, 200), 0);
    struct bl_links_news n = news(BL_LINKS_LOST);
    ck_assert_uint_eq(n.attempt, 42);
    ck_assert_uint_eq(n.reason, BL_HCI_CONNECTION_LIMIT);
    add(BL_ROLE_PERIPHERAL, 201, 0, 7, false);
    (void)expect(BL_CMD_DISCONNECT, 201);
    ck_assert_uint_eq(news(BL_LINKS_GONE).adv, 7);
    gone(200, 0x16);
    silent();

    gone(10, 0x13);
    disconnected(10, 0x13);
    (void)news(BL_LINKS_GONE);
    ck_assert_uint_eq(peripheral(202), BL_MAX_LINKS + 1);
}
END_TEST

START_TEST(without_memory_a_connection_is_refused_also_when_the_queue_is_full)
{
    hci->cmd_error = -EBUSY;
    oom_fail_at(1);
    add(BL_ROLE_CENTRAL, 5, 42, 0, false);
    oom_off();
    ck_assert_uint_eq(news(BL_LINKS_LOST).attempt, 42);
    no_command();
    ck_assert_uint_ne(bl_links_deadline(&links), TIMERQ_NEVER);
    advance(200 * MS);
    (void)expect(BL_CMD_DISCONNECT, 5);
    ck_assert_uint_eq(bl_links_deadline(&links), TIMERQ_NEVER);
    ck_assert_uint_eq(bl_links_count(&links), 0);
    silent();
}
END_TEST

START_TEST(a_handle_given_again_ends_the_old_connection)
{
    uint16_t conn = central(5);

    ck_assert_uint_eq(peripheral(6), 2);
    add(BL_ROLE_PERIPHERAL, 5, 0, 0, false);
    disconnected(conn, BL_HCI_UNSPECIFIED);
    ck_assert_uint_eq(next_event(BL_EV_CONNECTED).connected.conn, 3);
    ck_assert_uint_eq(bl_links_by_handle(&links, 5), 3);
}
END_TEST

/* ---- the end ---- */

START_TEST(events_at_the_end_come_in_order)
{
    const uint16_t conn = 1;
    bl_op rssi, phy, update, length, end;
    const struct bl_conn_params p = {0};

    teardown();
    setup_extended();
    add(BL_ROLE_CENTRAL, 5, 5, 0, false);
    (void)bl_links_pdu(&links, now, 5);
    (void)next_event(BL_EV_CONNECTED);
    (void)news(BL_LINKS_ESTABLISHED);
    ck_assert_int_eq(bl_links_disconnect(&links, now, conn, 0x15, &end), 0);
    ck_assert_int_eq(bl_links_set_data_length(&links, now, conn, 251, &length), 0);
    ck_assert_int_eq(bl_links_set_phy(&links, now, conn, 2, 2, &phy), 0);
    ck_assert_int_eq(bl_links_read_rssi(&links, now, conn, &rssi), 0);
    ck_assert_int_eq(bl_links_update(&links, now, conn, &p, &update), 0);
    silent();
    gone(5, 0x08);
    op_ends(update, 0x108);
    op_ends(rssi, 0x108);
    op_ends(phy, 0x108);
    op_ends(length, 0x108);
    disconnected(conn, 0x08);
    struct bl_event e = next_event(BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, end);
    ck_assert_uint_eq(e.done.status, BL_OK);
    ck_assert(e.done.was_connected);
    silent();
    struct bl_links_news n = news(BL_LINKS_GONE);
    ck_assert_uint_eq(n.conn, conn);
    ck_assert_uint_eq(n.reason, 0x08);
    ck_assert_uint_eq(events.open_ops, 0);
    ck_assert_uint_eq(bl_links_deadline(&links), TIMERQ_NEVER);

    for (const struct fake_cmd *cmd; (cmd = fake_hci_take(hci));) /* answers that come too late */
        answer(cmd, 0);
    silent();
    ck_assert_int_eq(bl_links_disconnect(&links, now, conn, 0, &end), -ENOTCONN);
}
END_TEST

START_TEST(disconnect_takes_the_reasons_that_hci_has)
{
    uint16_t conn = central(5);
    bl_op op, other;

    ck_assert_int_eq(bl_links_disconnect(&links, now, conn, 0x16, &op), -EINVAL);
    ck_assert_int_eq(bl_links_disconnect(&links, now, conn, 0x08, &op), -EINVAL);
    ck_assert_int_eq(bl_links_disconnect(&links, now, conn + 1, 0x13, &op), -ENOTCONN);
    ck_assert_int_eq(bl_links_disconnect(&links, now, 0, 0x13, &op), -ENOTCONN);
    ck_assert_int_eq(bl_links_disconnect(&links, now, conn, 0, &op), 0);
    const struct fake_cmd *cmd = expect(BL_CMD_DISCONNECT, 5);
    ck_assert_uint_eq(cmd->n, 3);
    ck_assert_uint_eq(cmd->params[2], 0x13);
    ck_assert_int_eq(bl_links_disconnect(&links, now, conn, 0, &other), -EBUSY);
    answer(cmd, 0);
    gone(5, 0x13); /* some say so to the one that did it */
    disconnected(conn, 0x13);
    op_ends(op, BL_OK);
}
END_TEST

START_TEST(a_disconnect_that_is_never_completed_is_forced)
{
    uint16_t conn = central(5);
    bl_op op;

    ck_assert_int_eq(bl_links_disconnect(&links, now, conn, 0, &op), 0);
    const struct fake_cmd *cmd = expect(BL_CMD_DISCONNECT, 5);
    uint64_t end = now + BL_HCI_COMMAND_TIMEOUT_US + TIMEOUT * 10 * MS + BL_LINKS_END_EXTRA_US;
    if (_i == 0)
        answer(cmd, 0);
    else if (_i == 1)
        lose(cmd);
    else
        answer(cmd, BL_HCI_COMMAND_DISALLOWED);
    advance(end - now - 1);
    silent();
    advance(1);
    disconnected(conn, BL_HCI_CONNECTION_TIMEOUT);
    op_ends(op, BL_OK);
    ck_assert_uint_eq(bl_links_count(&links), 0);
    gone(5, 0x16);
    silent();
}
END_TEST

START_TEST(a_refused_disconnect_leaves_the_connection)
{
    uint16_t conn = central(5);
    bl_op op;

    ck_assert_int_eq(bl_links_disconnect(&links, now, conn, 0, &op), 0);
    const struct fake_cmd *cmd = expect(BL_CMD_DISCONNECT, 5);
    if (_i == 0) {
        answer(cmd, BL_HCI_INVALID_PARAMETERS);
    } else {
        answer(cmd, 0);
        event(&(struct bl_hci_event){
            .kind = BL_HCI_EV_DISCONNECTION_COMPLETE, .status = 0x12, .handle = 5});
    }
    op_ends(op, 0x112);
    advance(60000 * MS);
    silent();
    ck_assert_uint_eq(bl_links_by_handle(&links, 5), conn);
    ck_assert_int_eq(bl_links_disconnect(&links, now, conn, 0, &op), 0);
    gone(5, 0x16);
    disconnected(conn, 0x16);
    op_ends(op, BL_OK);
}
END_TEST

START_TEST(a_disconnect_of_what_the_controller_does_not_know_any_more_ends_it)
{
    uint16_t conn = central(5);
    bl_op op;

    ck_assert_int_eq(bl_links_disconnect(&links, now, conn, 0, &op), 0);
    answer(expect(BL_CMD_DISCONNECT, 5), BL_HCI_UNKNOWN_CONNECTION);
    disconnected(conn, 0x16);
    op_ends(op, BL_OK);
}
END_TEST

START_TEST(a_disconnect_waits_for_room_in_the_command_queue)
{
    uint16_t conn = central(5);
    bl_op op;

    hci->cmd_error = -EBUSY;
    ck_assert_int_eq(bl_links_disconnect(&links, now, conn, 0x05, &op), 0);
    no_command();
    advance(100 * MS);
    ck_assert_uint_eq(expect(BL_CMD_DISCONNECT, 5)->params[2], 0x05);
}
END_TEST

START_TEST(a_disconnect_that_found_no_room_until_it_was_forced_is_sent_all_the_same)
{
    uint16_t conn = central(5);
    bl_op op;

    hci->cmd_error = -EBUSY;
    ck_assert_int_eq(bl_links_disconnect(&links, now, conn, 0, &op), 0);
    for (unsigned i = 0; i < 100 && bl_links_count(&links) > 0; i++) {
        hci->cmd_error = -EBUSY;
        advance(100 * MS);
    }
    disconnected(conn, BL_HCI_CONNECTION_TIMEOUT);
    op_ends(op, BL_OK);
    hci->cmd_error = 0;
    advance(100 * MS);
    (void)expect(BL_CMD_DISCONNECT, 5);
    no_command();
    ck_assert_uint_eq(bl_links_deadline(&links), TIMERQ_NEVER);
}
END_TEST

START_TEST(a_peer_is_found_by_any_of_its_private_addresses)
{
    struct bl_addr identity = addr(5), rpa;
    uint16_t conn = central(5);
    uint64_t until;

    memset(radio.config.irk, 0x77, sizeof(radio.config.irk));
    ck_assert_int_eq(bl_privacy_make(&privacy, now, BL_ADDR_MODE_RPA, false, &rpa, &until), 0);
    ck_assert_uint_eq(bl_links_find(&links, &rpa), 0);
    ck_assert_int_eq(bl_privacy_add_identity(&privacy, &identity, radio.config.irk), 0);
    ck_assert_uint_eq(bl_links_find(&links, &rpa), conn);
}
END_TEST

START_TEST(what_happened_is_counted)
{
    const char *name;
    uint64_t value, sum = 0;
    size_t n = 0;

    (void)central(5);
    gone(5, 0x13);
    for (; bl_links_counter(&links, n, &name, &value); n++) {
        ck_assert_uint_gt(strlen(name), 0);
        sum += value;
    }
    ck_assert_uint_eq(n, 5);
    ck_assert_uint_eq(sum, 2); /* one opened, one closed */
}
END_TEST

START_TEST(a_reason_of_zero_is_no_success)
{
    uint16_t conn = central(5);
    bl_op op;

    ck_assert_int_eq(bl_links_read_rssi(&links, now, conn, &op), 0);
    gone(5, 0);
    op_ends(op, 0x11f);
    disconnected(conn, BL_HCI_UNSPECIFIED);
}
END_TEST

START_TEST(reset_ends_all_that_was_announced)
{
    static const struct {
        bl_status status;
        uint8_t reason;
    } rows[] = {{BL_NOT_ACTIVE, 0x16}, {0x103, 0x03}};
    uint16_t conn = central(1);
    bl_op op;

    add(BL_ROLE_CENTRAL, 2, 2, 0, false);
    add(BL_ROLE_CENTRAL, 3, 0, 0, false);
    ck_assert_int_eq(bl_links_read_rssi(&links, now, conn, &op), 0);
    bl_links_reset(&links, now, rows[_i].status);
    op_ends(op, rows[_i].status);
    disconnected(conn, rows[_i].reason);
    silent();
    no_news();
    ck_assert_uint_eq(bl_links_count(&links), 0);
    ck_assert_uint_eq(bl_links_deadline(&links), TIMERQ_NEVER);
    hci->taken = hci->n_commands;
    ck_assert_uint_eq(central(1), conn + 1);
}
END_TEST

START_TEST(shutdown_disconnects_every_link)
{
    uint16_t one = central(1), two = peripheral(2);

    add(BL_ROLE_CENTRAL, 3, 33, 0, false);
    (void)expect(BL_CMD_LE_READ_REMOTE_FEATURES, 3);
    bl_links_disconnect_all(&links, now, 0x15);
    ck_assert_uint_eq(expect(BL_CMD_DISCONNECT, 1)->params[2], 0x15);
    (void)expect(BL_CMD_DISCONNECT, 2);
    (void)expect(BL_CMD_DISCONNECT, 3);
    ck_assert_uint_eq(news(BL_LINKS_LOST).attempt, 33);
    bl_links_disconnect_all(&links, now, 0x15); /* nothing twice */
    no_command();
    gone(3, 0x16);
    silent();
    gone(2, 0x16);
    disconnected(two, 0x16);
    ck_assert_uint_eq(bl_links_count(&links), 1);
    advance(60000 * MS); /* that one is not answered */
    disconnected(one, 0x08);
    ck_assert_uint_eq(bl_links_count(&links), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/links");
    TCase *t = tcase_create("links");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_central_link_is_announced_at_its_first_sign_of_life, 0, 10);
    tcase_add_test(t, what_the_controller_does_by_itself_is_no_sign_of_life);
    tcase_add_test(t, a_central_link_lost_before_is_the_connectors_and_nobody_elses);
    tcase_add_loop_test(t, a_link_that_nobody_wants_is_dropped_unseen, 0, 2);
    tcase_add_test(t, an_announced_link_is_not_abandoned);
    tcase_add_loop_test(t, a_peripheral_link_waits_for_its_advertisement, 0, 3);
    tcase_add_test(t, a_peripheral_link_with_nothing_to_wait_for_is_announced_at_once);
    tcase_add_test(t, a_peripheral_link_that_was_short_is_told_whole);
    tcase_add_test(t, a_peer_that_the_controller_resolved_is_named_by_its_identity);
    tcase_add_test(t, numbers_count_up_and_none_comes_again_before_all_others);
    tcase_add_test(t, a_number_in_use_is_skipped);
    tcase_add_test(t, the_connection_after_the_last_place_is_refused);
    tcase_add_test(t, without_memory_a_connection_is_refused_also_when_the_queue_is_full);
    tcase_add_test(t, a_handle_given_again_ends_the_old_connection);
    tcase_add_test(t, events_at_the_end_come_in_order);
    tcase_add_test(t, disconnect_takes_the_reasons_that_hci_has);
    tcase_add_loop_test(t, a_disconnect_that_is_never_completed_is_forced, 0, 3);
    tcase_add_loop_test(t, a_refused_disconnect_leaves_the_connection, 0, 2);
    tcase_add_test(t, a_disconnect_of_what_the_controller_does_not_know_any_more_ends_it);
    tcase_add_test(t, a_disconnect_waits_for_room_in_the_command_queue);
    tcase_add_test(t, a_disconnect_that_found_no_room_until_it_was_forced_is_sent_all_the_same);
    tcase_add_test(t, a_peer_is_found_by_any_of_its_private_addresses);
    tcase_add_test(t, what_happened_is_counted);
    tcase_add_test(t, a_reason_of_zero_is_no_success);
    tcase_add_loop_test(t, reset_ends_all_that_was_announced, 0, 2);
    tcase_add_test(t, shutdown_disconnects_every_link);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
