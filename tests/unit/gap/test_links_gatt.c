/* SPDX-License-Identifier: MIT */

/* Attributes come and go with their connection: opened behind BL_EV_CONNECTED, closed before
 * BL_EV_DISCONNECTED, whichever way it ends. */

#include "links_fixture.h"
#include "oom.h"

#include <check.h>

static bl_op reading(uint16_t conn)
{
    struct bl_gatt_conn *c = bl_gatt_find(&gatt, conn);
    bl_op op;

    ck_assert_ptr_nonnull(c);
    ck_assert_int_eq(bl_gattc_do_read(c, now, 3, 0, false, &op), 0);
    return op;
}

START_TEST(attributes_are_there_with_the_announcement)
{
    add(BL_ROLE_CENTRAL, 1, 1, 0, false);
    ck_assert_uint_eq(gatt.n_conns, 0);
    features(1, 0, 0);
    uint16_t conn = next_event(BL_EV_CONNECTED).connected.conn;
    struct bl_gatt_conn *c = bl_gatt_find(&gatt, conn);
    ck_assert_ptr_nonnull(c);
    ck_assert_int_eq(c->role, BL_ROLE_CENTRAL);
    ck_assert_uint_eq(c->bearer.handle, 1);
}
END_TEST

START_TEST(a_link_that_is_never_announced_has_none)
{
    add(BL_ROLE_CENTRAL, 1, 0, 0, false);
    add(BL_ROLE_CENTRAL, 2, 7, 0, false);
    gone(1, 0x13);
    gone(2, 0x3e);
    silent();
    ck_assert_uint_eq(gatt.n_conns, 0);
}
END_TEST

START_TEST(what_runs_ends_with_the_reason_before_the_connection)
{
    uint16_t conn = peripheral(1), other = central(2);
    bl_op op = reading(conn);

    gone(1, 0x08);
    op_ends(op, 0x108);
    disconnected(conn, 0x08);
    silent();
    ck_assert_ptr_null(bl_gatt_find(&gatt, conn));
    ck_assert_ptr_nonnull(bl_gatt_find(&gatt, other));
}
END_TEST

START_TEST(a_reset_ends_it_as_the_link_itself_ends)
{
    uint16_t conn = peripheral(1);
    bl_op op = reading(conn);

    bl_links_reset(&links, now, BL_NOT_ACTIVE);
    op_ends(op, 0x116);
    disconnected(conn, BL_HCI_LOCAL_TERMINATED);
    silent();
    ck_assert_uint_eq(gatt.n_conns, 0);
}
END_TEST

START_TEST(a_handle_given_again_is_not_written_to_by_the_old_connection)
{
    uint16_t conn = peripheral(1);
    bl_op first = reading(conn), second = reading(conn);

    ck_assert_ptr_nonnull(fake_hci_take_sent(hci));
    add(BL_ROLE_PERIPHERAL, 1, 0, 5, false);
    op_ends(first, 0x11f);
    op_ends(second, 0x11f);
    disconnected(conn, 0x1f);
    next_event(BL_EV_CONNECTED);
    silent();
    ck_assert_ptr_null(fake_hci_take_sent(hci));
    ck_assert_uint_eq(gatt.n_conns, 1);
}
END_TEST

START_TEST(a_forced_end_ends_it)
{
    uint16_t conn = peripheral(1);
    bl_op op = reading(conn);

    ck_assert_int_eq(bl_links_disconnect(&links, now, conn, 0, NULL), 0);
    answer(expect(BL_CMD_DISCONNECT, 1), 0);
    advance(60000 * MS);
    op_ends(op, 0x108);
    disconnected(conn, 0x08);
    ck_assert_uint_eq(gatt.n_conns, 0);
}
END_TEST

START_TEST(a_short_connection_is_told_whole_and_leaves_nothing)
{
    add(BL_ROLE_PERIPHERAL, 1, 0, 0, true);
    gone(1, 0x13);
    uint16_t conn = next_event(BL_EV_CONNECTED).connected.conn;
    disconnected(conn, 0x13);
    ck_assert_uint_eq(gatt.n_conns, 0);
}
END_TEST

/* The link has its memory, and its attributes do not. */
START_TEST(without_memory_for_attributes_the_peer_is_sent_away)
{
    oom_fail_at(2);
    add(BL_ROLE_PERIPHERAL, 1, 0, 5, false);
    unsigned long made = oom_count();
    oom_off();
    ck_assert_uint_ge(made, 2);
    uint16_t conn = next_event(BL_EV_CONNECTED).connected.conn;
    ck_assert_ptr_null(bl_gatt_find(&gatt, conn));
    const struct fake_cmd *cmd = fake_hci_take(hci);
    while (cmd && cmd->opcode != BL_CMD_DISCONNECT)
        cmd = fake_hci_take(hci);
    ck_assert_ptr_nonnull(cmd);
    ck_assert_uint_eq(cmd->params[2], BL_HCI_REMOTE_LOW_RESOURCES);
    bl_gatt_pdu(&gatt, now, conn, (const uint8_t *)"\x0a\x03\x00", 3);
    ck_assert_ptr_null(fake_hci_take_sent(hci));
    gone(1, 0x16);
    disconnected(conn, 0x16);
    silent();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/links_gatt");
    TCase *t = tcase_create("links_gatt");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, attributes_are_there_with_the_announcement);
    tcase_add_test(t, a_link_that_is_never_announced_has_none);
    tcase_add_test(t, what_runs_ends_with_the_reason_before_the_connection);
    tcase_add_test(t, a_reset_ends_it_as_the_link_itself_ends);
    tcase_add_test(t, a_handle_given_again_is_not_written_to_by_the_old_connection);
    tcase_add_test(t, a_forced_end_ends_it);
    tcase_add_test(t, a_short_connection_is_told_whole_and_leaves_nothing);
    tcase_add_test(t, without_memory_for_attributes_the_peer_is_sent_away);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
