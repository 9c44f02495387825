/* SPDX-License-Identifier: MIT */

#include "base/timerq.h"
#include "controller.h"

#include <check.h>
#include <errno.h>

#define TIMEOUT BL_HCI_COMMAND_TIMEOUT_US

static const uint8_t rssi[4] = {0, 0x40, 0, 0xc8};

static struct ctl *held(void)
{
    struct ctl *c = ctl_ready(8);

    c->hold = true;
    return c;
}

static void ask_rssi(struct ctl *c, uint32_t arg)
{
    ck_assert_int_eq(bl_hci_cmd(c->hci, BL_CMD_READ_RSSI, "\x40\x00", 2, BL_HCI_OWNER_LINKS, arg),
                     0);
    ctl_pump(c);
}

static const struct bl_hci_reply *reply(const struct ctl *c)
{
    return &ctl_last(c, BL_HCI_REPLY)->in.reply;
}

START_TEST(reply_goes_to_whoever_asked)
{
    struct ctl *c = held();

    ask_rssi(c, 77);
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
    ck_assert_uint_eq(c->n_in, 1);
    ck_assert_int_eq(reply(c)->owner, BL_HCI_OWNER_LINKS);
    ck_assert_uint_eq(reply(c)->arg, 77);
    ck_assert_uint_eq(reply(c)->opcode, BL_CMD_READ_RSSI);
    ck_assert_uint_eq(reply(c)->status, 0);
    ck_assert(!reply(c)->lost);
    ck_assert_uint_eq(c->in[0].len, 3);
    ck_assert_mem_eq(c->in[0].data, rssi + 1, 3);
    ck_assert_uint_eq(bl_hci_deadline(c->hci), TIMERQ_NEVER);
    ctl_free(c);
}
END_TEST

START_TEST(one_command_a_credit_is_in_flight)
{
    struct ctl *c = held();

    for (uint32_t i = 0; i < 5; i++)
        ask_rssi(c, i);
    ck_assert_uint_eq(c->n_seen, 1);
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
    ctl_pump(c);
    ck_assert_uint_eq(c->n_seen, 2);
    c->credits = 3;
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
    ctl_pump(c);
    ck_assert_uint_eq(c->n_seen, 5);
    c->credits = 0;
    ask_rssi(c, 5);
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
    ctl_pump(c);
    ck_assert_uint_eq(c->n_seen, 5); /* the last one has no credit */
    ctl_event(c, 0x0e, "\x01\x00\x00", 3);
    ctl_pump(c);
    ck_assert_uint_eq(c->n_seen, 6);
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_uint_eq(c->in[i].in.reply.arg, i); /* in the order they were asked in */
    ctl_free(c);
}
END_TEST

START_TEST(completions_are_matched_by_opcode)
{
    struct ctl *c = held();

    ctl_event(c, 0x0e, "\x02\x00\x00", 3);
    ask_rssi(c, 1);
    ck_assert_int_eq(
        bl_hci_cmd(c->hci, BL_CMD_LE_CLEAR_ACCEPT_LIST, NULL, 0, BL_HCI_OWNER_CONNECTOR, 2), 0);
    ctl_pump(c);
    ck_assert_uint_eq(c->n_seen, 2);
    ctl_complete(c, BL_CMD_LE_CLEAR_ACCEPT_LIST, "", 1);
    ck_assert_uint_eq(reply(c)->arg, 2);
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
    ck_assert_uint_eq(reply(c)->arg, 1);
    ctl_free(c);
}
END_TEST

START_TEST(answers_to_nothing_are_ignored_and_counted)
{
    struct ctl *c = held();

    ask_rssi(c, 1);
    ctl_complete(c, BL_CMD_LE_CLEAR_ACCEPT_LIST, "", 1);
    ctl_status(c, BL_CMD_DISCONNECT, 0);
    ctl_complete(c, 0xfc01, NULL, 0);
    ck_assert_uint_eq(c->n_in, 0);
    ck_assert_uint_eq(ctl_counter(c, "replies-unsolicited"), 3);
    ck_assert_uint_eq(c->logged, 1);
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
    ck_assert_uint_eq(c->n_in, 1);
    ck_assert_uint_eq(ctl_counter(c, "replies-unsolicited"), 4);
    ctl_free(c);
}
END_TEST

START_TEST(command_status_ends_what_is_answered_so)
{
    struct ctl *c = held();

    ck_assert_int_eq(
        bl_hci_cmd(c->hci, BL_CMD_DISCONNECT, "\x40\x00\x13", 3, BL_HCI_OWNER_LINKS, 9), 0);
    ctl_pump(c);
    ctl_status(c, BL_CMD_DISCONNECT, 0x02);
    ck_assert_uint_eq(reply(c)->status, 0x02);
    ck_assert_uint_eq(c->in[0].len, 0);
    ask_rssi(c, 1);
    ctl_status(c, BL_CMD_READ_RSSI, 0x0c); /* an error may come so, too */
    ck_assert_uint_eq(reply(c)->status, 0x0c);
    ctl_free(c);
}
END_TEST

START_TEST(command_status_of_success_announces_a_command_complete)
{
    struct ctl *c = held();

    ask_rssi(c, 1);
    c->now += TIMEOUT - 1;
    ctl_status(c, BL_CMD_READ_RSSI, 0);
    ck_assert_uint_eq(c->n_in, 0);
    ck_assert_uint_eq(bl_hci_deadline(c->hci), c->now + TIMEOUT);
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
    ck_assert_uint_eq(reply(c)->status, 0);
    ctl_free(c);
}
END_TEST

START_TEST(short_returns_are_an_error_and_counted)
{
    struct ctl *c = held();

    for (size_t n = 0; n < 4; n++) {
        ask_rssi(c, 1);
        ctl_complete(c, BL_CMD_READ_RSSI, rssi, n);
        ck_assert_uint_eq(reply(c)->status, BL_HCI_UNSPECIFIED);
        ck_assert_uint_eq(ctl_last(c, BL_HCI_REPLY)->len, 0);
    }
    ck_assert_uint_eq(ctl_counter(c, "replies-short"), 4);
    ask_rssi(c, 1);
    ctl_complete(c, BL_CMD_READ_RSSI, "\x02", 1); /* an error needs no more than its status */
    ck_assert_uint_eq(reply(c)->status, 0x02);
    ck_assert_uint_eq(ctl_counter(c, "replies-short"), 4);
    ctl_free(c);
}
END_TEST

START_TEST(malformed_command_complete_and_status_change_nothing)
{
    struct ctl *c = held();

    ask_rssi(c, 1);
    ctl_event(c, 0x0e, "\x01\x05", 2);
    ctl_event(c, 0x0e, "", 0);
    ctl_event(c, 0x0f, "\x00\x01\x05", 3);
    ctl_event(c, 0x0f, "\x00\x01\x05\x14\x00", 5);
    ck_assert_uint_eq(c->n_in, 0);
    ck_assert_uint_eq(ctl_counter(c, "hci-events-bad"), 4);
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
    ck_assert_uint_eq(c->n_in, 1);
    ctl_free(c);
}
END_TEST

START_TEST(unknown_command_is_not_sent_again)
{
    struct ctl *c = held();

    ck_assert(bl_hci_supports(c->hci, BL_CMD_READ_RSSI));
    ask_rssi(c, 1);
    ctl_complete(c, BL_CMD_READ_RSSI, "\x01", 1);
    ck_assert_uint_eq(reply(c)->status, BL_HCI_UNKNOWN_COMMAND);
    ck_assert(!bl_hci_supports(c->hci, BL_CMD_READ_RSSI));
    ck_assert_int_eq(bl_hci_caps(c->hci)->commands[15] & 0x20, 0);
    ck_assert_int_eq(bl_hci_cmd(c->hci, BL_CMD_READ_RSSI, "\x40\x00", 2, BL_HCI_OWNER_LINKS, 1),
                     -EOPNOTSUPP);
    ctl_free(c);
}
END_TEST

START_TEST(command_without_an_answer_is_lost_after_2_s_and_the_queue_goes_on)
{
    struct ctl *c = held();

    ask_rssi(c, 1);
    ask_rssi(c, 2);
    ck_assert_uint_eq(bl_hci_deadline(c->hci), c->now + TIMEOUT);
    c->now += TIMEOUT - 1;
    bl_hci_tick(c->hci, c->now);
    ctl_pump(c);
    ck_assert_uint_eq(c->n_in, 0);
    c->now++;
    bl_hci_tick(c->hci, c->now);
    ctl_pump(c);
    ck_assert_uint_eq(c->n_in, 1);
    ck_assert(reply(c)->lost);
    ck_assert_uint_eq(reply(c)->arg, 1);
    ck_assert_uint_eq(reply(c)->status, BL_HCI_UNSPECIFIED);
    ck_assert_uint_eq(c->n_seen, 2);
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
    ck_assert_uint_eq(reply(c)->arg, 2);
    ck_assert(!reply(c)->lost);
    ctl_free(c);
}
END_TEST

START_TEST(three_commands_lost_in_a_row_are_the_end)
{
    struct ctl *c = held();

    for (uint32_t i = 0; i < 6; i++)
        ask_rssi(c, i);
    ck_assert(ctl_wait(c));
    ck_assert(ctl_wait(c));
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4); /* it lives: counted anew */
    ctl_pump(c);
    ck_assert(ctl_wait(c));
    ck_assert(ctl_wait(c));
    ck_assert_uint_eq(ctl_count(c, BL_HCI_DEAD), 0);
    ck_assert(ctl_wait(c));
    ck_assert_uint_eq(ctl_count(c, BL_HCI_DEAD), 1);
    ck_assert_uint_eq(ctl_count(c, BL_HCI_REPLY), 6);
    ck_assert_int_eq(c->in[c->n_in - 1].in.kind, BL_HCI_DEAD); /* nothing follows */
    ck_assert(!ctl_wait(c));
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
    ctl_connect(c, 0x40);
    ck_assert_int_eq(c->in[c->n_in - 1].in.kind, BL_HCI_DEAD);
    ck_assert_int_eq(bl_hci_cmd(c->hci, BL_CMD_READ_RSSI, "\x40\x00", 2, BL_HCI_OWNER_LINKS, 1),
                     -EBUSY);
    ctl_free(c);
}
END_TEST

START_TEST(commands_lost_together_are_told_one_by_one)
{
    struct ctl *c = held();

    ctl_event(c, 0x0e, "\x05\x00\x00", 3);
    for (uint32_t i = 0; i < 2; i++)
        ask_rssi(c, i);
    ck_assert_uint_eq(c->n_seen, 2);
    ck_assert(ctl_wait(c));
    ck_assert_uint_eq(ctl_count(c, BL_HCI_REPLY), 2);
    ck_assert_uint_eq(ctl_count(c, BL_HCI_DEAD), 0);
    ctl_free(c);
}
END_TEST

START_TEST(a_late_answer_is_nobodys)
{
    struct ctl *c = held();

    ask_rssi(c, 1);
    ck_assert(ctl_wait(c));
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
    ck_assert_uint_eq(c->n_in, 1);
    ck_assert_uint_eq(ctl_counter(c, "replies-unsolicited"), 1);
    ctl_free(c);
}
END_TEST

START_TEST(a_controller_that_takes_the_last_credit_away_is_tried_after_2_s)
{
    struct ctl *c = held();

    ask_rssi(c, 1);
    c->credits = 0;
    ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
    ck_assert_uint_eq(bl_hci_deadline(c->hci), TIMERQ_NEVER); /* nothing waits */
    c->n_seen = 0;
    ask_rssi(c, 2);
    ck_assert_uint_eq(c->n_seen, 0);
    ck_assert_uint_eq(bl_hci_deadline(c->hci), c->now + TIMEOUT);
    ck_assert(ctl_wait(c));
    ck_assert_uint_eq(c->n_seen, 1);
    ctl_free(c);
}
END_TEST

START_TEST(queue_is_bounded)
{
    struct ctl *c = held();

    for (uint32_t i = 0; i < BL_MAX_COMMANDS; i++)
        ask_rssi(c, i);
    ck_assert_int_eq(bl_hci_cmd(c->hci, BL_CMD_READ_RSSI, "\x40\x00", 2, BL_HCI_OWNER_LINKS, 1),
                     -EBUSY);
    ck_assert_int_eq(bl_hci_cmd_raw(c->hci, 0xfc01, NULL, 0, BL_HCI_OWNER_HOST, 1), -EBUSY);
    for (uint32_t i = 0; i < BL_MAX_COMMANDS; i++) {
        ctl_complete(c, BL_CMD_READ_RSSI, rssi, 4);
        ck_assert_uint_eq(reply(c)->arg, i);
        ctl_pump(c);
    }
    ck_assert_uint_eq(ctl_counter(c, "commands-high-water"), BL_MAX_COMMANDS);
    ask_rssi(c, 1);
    ctl_free(c);
}
END_TEST

START_TEST(commands_are_checked_against_their_row)
{
    struct ctl *c = held();
    uint8_t p[256] = {0};

    ck_assert_int_eq(bl_hci_cmd(c->hci, BL_CMD_READ_RSSI, p, 1, BL_HCI_OWNER_LINKS, 1), -EINVAL);
    ck_assert_int_eq(bl_hci_cmd(c->hci, BL_CMD_READ_RSSI, p, 3, BL_HCI_OWNER_LINKS, 1), -EINVAL);
    ck_assert_int_eq(bl_hci_cmd(c->hci, 0xfc01, p, 3, BL_HCI_OWNER_LINKS, 1), -EOPNOTSUPP);
    /* 4.2 has no extended advertising */
    ck_assert_int_eq(bl_hci_cmd(c->hci, BL_CMD_LE_CLEAR_ADV_SETS, p, 0, BL_HCI_OWNER_LINKS, 1),
                     -EOPNOTSUPP);
    ck_assert_int_eq(bl_hci_cmd_raw(c->hci, 0, p, 0, BL_HCI_OWNER_HOST, 1), -EINVAL);
    ck_assert_int_eq(bl_hci_cmd_raw(c->hci, 0xfc01, p, 256, BL_HCI_OWNER_HOST, 1), -EINVAL);
    ctl_pump(c);
    ck_assert_uint_eq(c->n_seen, 0);
    ctl_free(c);
}
END_TEST

START_TEST(raw_commands_are_answered_with_whatever_came)
{
    struct ctl *c = held();
    uint8_t p[255];

    memset(p, 0x77, sizeof(p));
    ck_assert_int_eq(bl_hci_cmd_raw(c->hci, 0xfc01, p, 255, BL_HCI_OWNER_HOST, 5), 0);
    ctl_pump(c);
    ck_assert_mem_eq(ctl_params(c, 0xfc01), p, 64);
    ctl_complete(c, 0xfc01, "\x00\x09\x08", 3);
    ck_assert_uint_eq(reply(c)->arg, 5);
    ck_assert_mem_eq(c->in[0].data, "\x09\x08", 2);
    ck_assert_int_eq(bl_hci_cmd_raw(c->hci, 0xfc01, NULL, 0, BL_HCI_OWNER_HOST, 6), 0);
    ctl_pump(c);
    ctl_complete(c, 0xfc01, NULL, 0);
    ck_assert_uint_eq(reply(c)->arg, 6);
    ck_assert_uint_eq(reply(c)->status, 0);
    ck_assert_int_eq(bl_hci_cmd_raw(c->hci, 0x0401, p, 5, BL_HCI_OWNER_HOST, 7), 0);
    ctl_pump(c);
    ctl_status(c, 0x0401, 0);
    ck_assert_uint_eq(reply(c)->arg, 7);
    ctl_free(c);
}
END_TEST

START_TEST(nothing_is_sent_while_reset_is_under_way)
{
    struct ctl *c = held();

    ctl_event(c, 0x0e, "\x05\x00\x00", 3);
    ck_assert_int_eq(bl_hci_cmd(c->hci, BL_CMD_RESET, NULL, 0, BL_HCI_OWNER_HOST, 0), 0);
    ask_rssi(c, 1);
    ck_assert_uint_eq(c->n_seen, 1);
    ctl_complete(c, BL_CMD_RESET, "", 1);
    ctl_pump(c);
    ck_assert_uint_eq(c->n_seen, 2);
    ctl_free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cmdq");
    TCase *t = tcase_create("cmdq");

    tcase_set_timeout(t, 60); /* under sanitizers, on a busy machine */
    tcase_add_test(t, reply_goes_to_whoever_asked);
    tcase_add_test(t, one_command_a_credit_is_in_flight);
    tcase_add_test(t, completions_are_matched_by_opcode);
    tcase_add_test(t, answers_to_nothing_are_ignored_and_counted);
    tcase_add_test(t, command_status_ends_what_is_answered_so);
    tcase_add_test(t, command_status_of_success_announces_a_command_complete);
    tcase_add_test(t, short_returns_are_an_error_and_counted);
    tcase_add_test(t, malformed_command_complete_and_status_change_nothing);
    tcase_add_test(t, unknown_command_is_not_sent_again);
    tcase_add_test(t, command_without_an_answer_is_lost_after_2_s_and_the_queue_goes_on);
    tcase_add_test(t, three_commands_lost_in_a_row_are_the_end);
    tcase_add_test(t, commands_lost_together_are_told_one_by_one);
    tcase_add_test(t, a_late_answer_is_nobodys);
    tcase_add_test(t, a_controller_that_takes_the_last_credit_away_is_tried_after_2_s);
    tcase_add_test(t, queue_is_bounded);
    tcase_add_test(t, commands_are_checked_against_their_row);
    tcase_add_test(t, raw_commands_are_answered_with_whatever_came);
    tcase_add_test(t, nothing_is_sent_while_reset_is_under_way);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
