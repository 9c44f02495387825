/* SPDX-License-Identifier: MIT */

#include "links_fixture.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

/* ---- what is asked of every link ---- */

START_TEST(features_are_read_where_the_role_and_the_controller_allow)
{
    add(BL_ROLE_CENTRAL, 1, 1, 0, false);
    (void)expect(BL_CMD_LE_READ_REMOTE_FEATURES, 1);
    add(BL_ROLE_PERIPHERAL, 2, 0, 0, false);
    no_command();
    hci->caps.le_features |= 1u << BL_LE_PERIPHERAL_FEATURES;
    add(BL_ROLE_PERIPHERAL, 3, 0, 0, false);
    (void)expect(BL_CMD_LE_READ_REMOTE_FEATURES, 3);
    fake_hci_deny(hci, BL_CMD_LE_READ_REMOTE_FEATURES);
    add(BL_ROLE_CENTRAL, 4, 4, 0, false);
    no_command();
}
END_TEST

START_TEST(a_link_that_began_on_another_phy_is_known_by_it)
{
    static const uint8_t coded[] = {5, 0, 3, 3}, bad[] = {5, 0, 4, 0}, other[] = {6, 0, 2, 2};
    struct bl_conn_info info;

    add(BL_ROLE_PERIPHERAL, 5, 0, 0, false);
    (void)next_event(BL_EV_CONNECTED);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_READ_PHY, 5);
    answer_with(cmd, 0, bad, sizeof(bad));
    answer_with(cmd, 0, other, sizeof(other));
    answer_with(cmd, 0, coded, 3);
    answer_with(cmd, 0x0c, coded, sizeof(coded));
    silent();
    answer_with(cmd, 0, coded, sizeof(coded));
    struct bl_event e = next_event(BL_EV_PHY_UPDATED);
    ck_assert_uint_eq(e.phy_updated.tx, BL_PHY_CODED);
    ck_assert_int_eq(bl_links_info(&links, 1, &info), 0);
    ck_assert_uint_eq(info.rx_phy, BL_PHY_CODED);
}
END_TEST

START_TEST(info_tells_what_is_known)
{
    struct bl_conn_info info;
    uint16_t conn = central(9), handle = 0;

    hci->queued = 3;
    ck_assert_int_eq(bl_links_info(&links, conn + 1, &info), -ENOTCONN);
    ck_assert_int_eq(bl_links_info(&links, conn, &info), 0);
    ck_assert_uint_eq(info.conn, conn);
    ck_assert_uint_eq(info.handle, 9);
    ck_assert_uint_eq(info.interval, INTERVAL);
    ck_assert_uint_eq(info.timeout, TIMEOUT);
    ck_assert_uint_eq(info.tx_phy, BL_PHY_1M);
    ck_assert_uint_eq(info.tx_octets, 27);
    ck_assert_uint_eq(info.queued, 3);
    ck_assert_uint_eq(info.since, now);
    ck_assert(bl_addr_is_zero(&info.identity));
    ck_assert(bl_links_handle(&links, conn, &handle));
    ck_assert_uint_eq(handle, 9);
    ck_assert(!bl_links_handle(&links, conn + 1, &handle));
}
END_TEST

START_TEST(events_of_no_link_do_nothing)
{
    for (int kind = 0; kind <= BL_HCI_EV_KINDS; kind++)
        event(&(struct bl_hci_event){.kind = (enum bl_hci_event_kind)kind, .handle = 77});
    ck_assert_uint_eq(bl_links_pdu(&links, now, 77), 0);
    bl_links_signal(&links, now, 77,
                    &(const struct bl_sig){.code = BL_SIG_REJECT, .identifier = 1});
    silent();
    no_command();
    no_news();
}
END_TEST

/* ---- RSSI ---- */

START_TEST(rssi_is_read)
{
    uint16_t conn = central(5);
    static const uint8_t good[] = {5, 0, 0xc4}, other[] = {6, 0, 0xc4};
    bl_op op, second;

    ck_assert_int_eq(bl_links_read_rssi(&links, now, conn, &op), 0);
    const struct fake_cmd *cmd = expect(BL_CMD_READ_RSSI, 5);
    ck_assert_int_eq(bl_links_read_rssi(&links, now, conn, &second), -EBUSY);
    switch (_i) {
    case 0: {
        answer_with(cmd, 0, good, sizeof(good));
        struct bl_event e = next_event(BL_EV_OP_DONE);
        ck_assert_uint_eq(e.done.op, op);
        ck_assert_uint_eq(e.done.status, BL_OK);
        ck_assert_int_eq(e.done.rssi, -60);
        break;
    }
    case 1:
        answer_with(cmd, 0, other, sizeof(other));
        op_ends(op, BL_PROTOCOL);
        break;
    case 2:
        answer_with(cmd, 0, good, 2);
        op_ends(op, BL_PROTOCOL);
        break;
    case 3:
        answer(cmd, 0x02);
        op_ends(op, 0x102);
        break;
    default:
        lose(cmd);
        op_ends(op, BL_TIMEOUT);
    }
    ck_assert_int_eq(bl_links_read_rssi(&links, now, conn, &second), 0);
}
END_TEST

START_TEST(what_the_controller_does_not_offer_is_refused_at_once)
{
    uint16_t conn = central(5);
    bl_op op;

    fake_hci_deny(hci, BL_CMD_READ_RSSI);
    ck_assert_int_eq(bl_links_read_rssi(&links, now, conn, &op), -EOPNOTSUPP);
    hci->caps.le_features = 0;
    ck_assert_int_eq(bl_links_set_phy(&links, now, conn, 0, BL_PHYS_2M, &op), -EOPNOTSUPP);
    ck_assert_int_eq(bl_links_set_phy(&links, now, conn, BL_PHYS_CODED, 0, &op), -EOPNOTSUPP);
    ck_assert_int_eq(bl_links_set_data_length(&links, now, conn, 251, &op), -EOPNOTSUPP);
    fake_hci_deny(hci, BL_CMD_LE_CONNECTION_UPDATE);
    ck_assert_int_eq(bl_links_update(&links, now, conn, &(struct bl_conn_params){0}, &op),
                     -EOPNOTSUPP);
    no_command();
    ck_assert_uint_eq(events.open_ops, 0);
}
END_TEST

/* ---- PHY ---- */

static void phy_event(uint8_t status, uint8_t tx, uint8_t rx)
{
    event(&(struct bl_hci_event){
        .kind = BL_HCI_EV_PHY_UPDATE, .status = status, .handle = 5, .phy = {tx, rx}});
}

START_TEST(a_phy_is_set_and_told)
{
    uint16_t conn = central(5);
    static const uint8_t wire[] = {5, 0, 2, 2, 0, 0, 0};
    bl_op op, second;

    hci->caps.le_features |= 1u << BL_LE_2M;
    ck_assert_int_eq(bl_links_set_phy(&links, now, conn, 8, 0, &op), -EINVAL);
    ck_assert_int_eq(bl_links_set_phy(&links, now, conn + 1, 1, 0, &op), -ENOTCONN);
    ck_assert_int_eq(bl_links_set_phy(&links, now, conn, BL_PHYS_2M, 0, &op), 0);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_SET_PHY, 5);
    ck_assert_uint_eq(cmd->n, sizeof(wire));
    ck_assert_mem_eq(cmd->params, wire, sizeof(wire));
    ck_assert_int_eq(bl_links_set_phy(&links, now, conn, 1, 1, &second), -EBUSY);
    if (_i == 0)
        answer(cmd, 0); /* else the event comes first */
    silent();
    phy_event(0, BL_PHY_2M, BL_PHY_1M);
    struct bl_event e = next_event(BL_EV_PHY_UPDATED);
    ck_assert_uint_eq(e.phy_updated.tx, BL_PHY_2M);
    ck_assert_uint_eq(e.phy_updated.rx, BL_PHY_1M);
    e = next_event(BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_uint_eq(e.done.status, BL_OK);
    ck_assert_uint_eq(e.done.phy.tx, BL_PHY_2M);
    ck_assert_uint_eq(e.done.phy.rx, BL_PHY_1M);
    if (_i == 1)
        answer(cmd, 0);
    silent();
    ck_assert_uint_eq(bl_links_deadline(&links), TIMERQ_NEVER);
}
END_TEST

START_TEST(a_phy_that_cannot_be_set_says_why)
{
    uint16_t conn = central(5);
    bl_op op;

    ck_assert_int_eq(bl_links_set_phy(&links, now, conn, 1, 1, &op), 0);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_SET_PHY, 5);
    switch (_i) {
    case 0:
        answer(cmd, 0x0c);
        op_ends(op, 0x10c);
        break;
    case 1:
        lose(cmd);
        op_ends(op, BL_TIMEOUT);
        break;
    case 2:
        answer(cmd, 0);
        phy_event(0x1a, 0, 0);
        ck_assert_uint_eq(next_event(BL_EV_PHY_UPDATED).phy_updated.status, 0x11a);
        op_ends(op, 0x11a);
        break;
    default:
        answer(cmd, 0);
        advance(BL_LINKS_LL_US);
        op_ends(op, BL_TIMEOUT);
    }
    silent();
    ck_assert_int_eq(bl_links_set_phy(&links, now, conn, 1, 1, &op), 0);
}
END_TEST

START_TEST(a_phy_that_the_peer_changed_is_told)
{
    (void)central(5);
    phy_event(0, BL_PHY_2M, BL_PHY_2M);
    ck_assert_uint_eq(next_event(BL_EV_PHY_UPDATED).phy_updated.rx, BL_PHY_2M);
    silent();
}
END_TEST

/* ---- data length ---- */

START_TEST(data_length_is_set_and_its_change_told)
{
    uint16_t conn = central(5);
    static const uint8_t wire[] = {5, 0, 251, 0, 0x48, 0x08};
    bl_op op, second;

    ck_assert_int_eq(bl_links_set_data_length(&links, now, conn, 26, &op), -EINVAL);
    ck_assert_int_eq(bl_links_set_data_length(&links, now, conn, 252, &op), -EINVAL);
    ck_assert_int_eq(bl_links_set_data_length(&links, now, conn + 1, 27, &op), -ENOTCONN);
    ck_assert_int_eq(bl_links_set_data_length(&links, now, conn, 251, &op), 0);
    ck_assert_int_eq(bl_links_set_data_length(&links, now, conn, 27, &second), -EBUSY);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_SET_DATA_LENGTH, 5);
    ck_assert_uint_eq(cmd->n, sizeof(wire));
    ck_assert_mem_eq(cmd->params, wire, sizeof(wire));
    if (_i == 0) {
        answer_with(cmd, 0, wire, 2);
        op_ends(op, BL_OK);
    } else {
        lose(cmd);
        op_ends(op, BL_TIMEOUT);
    }
    event(&(struct bl_hci_event){.kind = BL_HCI_EV_DATA_LENGTH,
                                 .handle = 5,
                                 .data_length = {.tx_octets = 251, .rx_octets = 100}});
    struct bl_event e = next_event(BL_EV_DATA_LENGTH);
    ck_assert_uint_eq(e.data_length.conn, conn);
    ck_assert_uint_eq(e.data_length.tx_octets, 251);
    ck_assert_uint_eq(e.data_length.rx_octets, 100);
}
END_TEST

START_TEST(data_length_on_coded_counts_its_time)
{
    uint16_t conn = central(5);
    bl_op op;

    phy_event(0, BL_PHY_CODED, BL_PHY_CODED);
    (void)next_event(BL_EV_PHY_UPDATED);
    ck_assert_int_eq(bl_links_set_data_length(&links, now, conn, 251, &op), 0);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_SET_DATA_LENGTH, 5);
    ck_assert_uint_eq(cmd->params[4] | cmd->params[5] << 8, 17040);
}
END_TEST

/* ---- the command queue ---- */

START_TEST(commands_that_find_no_room_are_sent_later_with_what_then_holds)
{
    uint16_t conn = central(5);
    bl_op op;

    hci->cmd_error = -EBUSY;
    ck_assert_int_eq(bl_links_read_rssi(&links, now, conn, &op), 0);
    no_command();
    if (_i == 0) { /* with the next answer or event, or after a while */
        features(5, 0, 0);
    } else {
        hci->cmd_error = -EBUSY;
        advance(100 * MS);
        no_command();
        advance(100 * MS);
    }
    (void)expect(BL_CMD_READ_RSSI, 5);
    no_command();
    ck_assert_uint_eq(bl_links_deadline(&links), TIMERQ_NEVER);
}
END_TEST

START_TEST(a_command_refused_by_the_queue_ends_its_op)
{
    uint16_t conn = central(5);
    bl_op op;

    hci->cmd_error = -EOPNOTSUPP;
    ck_assert_int_eq(bl_links_read_rssi(&links, now, conn, &op), 0);
    op_ends(op, 0x101);
    hci->cmd_error = -EOPNOTSUPP;
    ck_assert_int_eq(bl_links_set_phy(&links, now, conn, 1, 1, &op), 0);
    op_ends(op, 0x101);
    hci->cmd_error = -EOPNOTSUPP;
    ck_assert_int_eq(bl_links_set_data_length(&links, now, conn, 27, &op), 0);
    op_ends(op, 0x101);
    hci->cmd_error = -EOPNOTSUPP;
    ck_assert_int_eq(bl_links_disconnect(&links, now, conn, 0, &op), 0);
    op_ends(op, 0x101);
    hci->cmd_error = -EOPNOTSUPP;
    ck_assert_int_eq(bl_links_update(&links, now, conn, &(struct bl_conn_params){0}, &op), 0);
    ck_assert_uint_eq(next_event(BL_EV_CONN_UPDATED).conn_updated.status, 0x101);
    op_ends(op, 0x101);
    silent();
    ck_assert_uint_eq(events.open_ops, 0);
}
END_TEST

START_TEST(an_answer_for_a_link_that_has_gone_is_not_another_ones)
{
    uint16_t conn = central(5);
    static const uint8_t good[] = {5, 0, 0xc4};
    bl_op op;

    ck_assert_int_eq(bl_links_read_rssi(&links, now, conn, &op), 0);
    const struct fake_cmd *old = expect(BL_CMD_READ_RSSI, 5);
    gone(5, 0x13);
    op_ends(op, 0x113);
    disconnected(conn, 0x13);
    (void)news(BL_LINKS_GONE);
    conn = peripheral(5);
    ck_assert_int_eq(bl_links_read_rssi(&links, now, conn, &op), 0);
    answer_with(old, 0, good, sizeof(good));
    silent();
    answer_with(expect(BL_CMD_READ_RSSI, 5), 0, good, sizeof(good));
    op_ends(op, BL_OK);
}
END_TEST

START_TEST(with_all_numbers_of_operations_out_the_host_is_busy)
{
    uint16_t conn = central(5);
    bl_op op;

    while (bl_evq_op(&events))
        ;
    ck_assert_int_eq(bl_links_read_rssi(&links, now, conn, &op), -EBUSY);
    ck_assert_int_eq(bl_links_disconnect(&links, now, conn, 0, &op), -EBUSY);
    ck_assert_int_eq(bl_links_set_phy(&links, now, conn, 1, 1, &op), -EBUSY);
    ck_assert_int_eq(bl_links_set_data_length(&links, now, conn, 27, &op), -EBUSY);
    ck_assert_int_eq(bl_links_update(&links, now, conn, &(struct bl_conn_params){0}, &op), -EBUSY);
    no_command();
    gone(5, 0x13);
    disconnected(conn, 0x13);
    silent();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/link_ops");
    TCase *t = tcase_create("operations"), *x = tcase_create("extended");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, features_are_read_where_the_role_and_the_controller_allow);
    tcase_add_test(t, info_tells_what_is_known);
    tcase_add_test(t, events_of_no_link_do_nothing);
    tcase_add_loop_test(t, rssi_is_read, 0, 5);
    tcase_add_test(t, what_the_controller_does_not_offer_is_refused_at_once);
    tcase_add_loop_test(t, a_phy_is_set_and_told, 0, 2);
    tcase_add_loop_test(t, a_phy_that_cannot_be_set_says_why, 0, 4);
    tcase_add_test(t, a_phy_that_the_peer_changed_is_told);
    tcase_add_loop_test(t, data_length_is_set_and_its_change_told, 0, 2);
    tcase_add_test(t, data_length_on_coded_counts_its_time);
    tcase_add_loop_test(t, commands_that_find_no_room_are_sent_later_with_what_then_holds, 0, 2);
    tcase_add_test(t, a_command_refused_by_the_queue_ends_its_op);
    tcase_add_test(t, an_answer_for_a_link_that_has_gone_is_not_another_ones);
    tcase_add_test(t, with_all_numbers_of_operations_out_the_host_is_busy);
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(x, setup_extended, teardown);
    tcase_add_test(x, a_link_that_began_on_another_phy_is_known_by_it);
    suite_add_tcase(s, x);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
