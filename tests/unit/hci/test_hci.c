/* SPDX-License-Identifier: MIT */

#include "base/timerq.h"
#include "controller.h"
#include "oom.h"

#include <check.h>
#include <errno.h>

START_TEST(hardware_error_is_the_end_whatever_its_length)
{
    for (size_t n = 0; n < 3; n++) {
        struct ctl *c = ctl_ready(6);
        ctl_connect(c, 0x40);
        ctl_event(c, 0x10, "\x42\x42\x42", n);
        ck_assert_uint_eq(c->n_in, 2);
        ck_assert_int_eq(c->in[1].in.kind, BL_HCI_DEAD);
        ck_assert_str_eq(c->in[1].in.dead.why, "the controller reports a hardware error");
        ctl_connect(c, 0x41);
        ctl_pump(c);
        ck_assert(!ctl_wait(c));
        ck_assert_uint_eq(c->n_in, 2);
        ctl_start(c); /* and it can be begun again */
        ck_assert_uint_eq(ctl_count(c, BL_HCI_READY), 1);
        ctl_free(c);
    }
}
END_TEST

START_TEST(hardware_error_during_bringup_is_the_end_too)
{
    struct ctl *c = ctl_new(9);

    c->hold = true;
    ctl_start(c);
    ctl_complete(c, BL_CMD_RESET, "", 1);
    ctl_event(c, 0x10, "\x01", 1);
    ck_assert_uint_eq(c->n_in, 1);
    ck_assert_int_eq(c->in[0].in.kind, BL_HCI_DEAD);
    ctl_free(c);
}
END_TEST

START_TEST(nothing_is_taken_or_sent_while_stopped)
{
    struct ctl *c = ctl_new(6);
    const uint8_t *p;

    ctl_connect(c, 0x40);
    ck_assert_uint_eq(c->n_in, 0);
    ck_assert_uint_eq(bl_hci_next_tx(c->hci, c->now, &p), 0);
    ck_assert_uint_eq(bl_hci_deadline(c->hci), TIMERQ_NEVER);
    ck_assert_int_eq(bl_hci_cmd(c->hci, BL_CMD_RESET, NULL, 0, BL_HCI_OWNER_HOST, 0), -EBUSY);
    ck_assert_int_eq(bl_hci_cmd_raw(c->hci, 0xfc00, NULL, 0, BL_HCI_OWNER_HOST, 0), -EBUSY);
    ctl_start(c);
    ck_assert_int_eq(bl_hci_cmd(c->hci, BL_CMD_READ_RSSI, "\x40\x00", 2, BL_HCI_OWNER_LINKS, 1), 0);
    bl_hci_stop(c->hci);
    ck_assert_uint_eq(bl_hci_next_tx(c->hci, c->now, &p), 0);
    ck_assert_uint_eq(bl_hci_deadline(c->hci), TIMERQ_NEVER);
    ctl_free(c);
}
END_TEST

START_TEST(events_of_connections_before_ready_are_ignored)
{
    struct ctl *c = ctl_new(6);

    c->hold = true;
    ctl_start(c);
    ctl_complete(c, BL_CMD_RESET, "", 1);
    ctl_connect(c, 0x40);
    ctl_acl(c, 0x40, 2, "\0\0\4\0", 4);
    ck_assert_uint_eq(c->n_in, 0);
    ck_assert_uint_eq(bl_hci_queued(c->hci, 0x40), 0);
    ctl_free(c);
}
END_TEST

START_TEST(packets_of_no_kind_are_counted_and_said_once)
{
    struct ctl *c = ctl_ready(6);

    ctl_packet(c, "", 0);
    ctl_packet(c, "\x00\x00\x00", 3);
    ctl_packet(c, "\x03\x00\x00\x00", 4); /* synchronous data */
    ctl_packet(c, "\x01\x03\x0c\x00", 4); /* a command, from a controller */
    ctl_packet(c, "\x04\x05", 2);
    ctl_packet(c, "\x04\x05\x04\x00", 4);
    ctl_packet(c, "\x04\x05\x00\x00", 4);
    ck_assert_uint_eq(ctl_counter(c, "packets-bad"), 7);
    ck_assert_uint_eq(c->logged, 1);
    ck_assert_uint_eq(c->n_in, 0);
    ctl_free(c);
}
END_TEST

START_TEST(data_buffer_overflow_is_counted)
{
    struct ctl *c = ctl_ready(6);

    ctl_event(c, 0x1a, "\x01", 1);
    ck_assert_uint_eq(ctl_counter(c, "buffer-overflows"), 1);
    ck_assert_uint_eq(c->logged, 1);
    ctl_free(c);
}
END_TEST

START_TEST(every_counter_has_a_name_of_its_own)
{
    struct ctl *c = ctl_ready(6);
    const char *a, *b;
    uint64_t v;
    size_t n = 0;

    for (; bl_hci_counter(c->hci, n, &a, &v); n++)
        for (size_t k = 0; k < n; k++) {
            ck_assert(bl_hci_counter(c->hci, k, &b, &v));
            ck_assert_str_ne(a, b);
        }
    ck_assert_uint_ge(n, 15);
    ctl_free(c);
}
END_TEST

/* The loop of a whole host: the controller vanishes after any number of packets, and comes back. */
START_TEST(a_stop_at_any_step_of_bringup_leaves_nothing_behind)
{
    struct ctl *honest = ctl_new(12);
    ctl_start(honest);

    for (size_t at = 0; at <= honest->n_seen; at++) {
        struct ctl *c = ctl_new(12);
        const uint8_t *p;
        bl_hci_start(c->hci, c->now);
        if (at > 0) {
            ctl_rule(c, honest->seen[at - 1], CTL_SILENT, 1);
            ctl_pump(c);
        }
        bl_hci_stop(c->hci);
        ck_assert_uint_eq(bl_hci_next_tx(c->hci, c->now, &p), 0);
        c->n_rules = 0;
        c->n_in = 0;
        ctl_start(c);
        ck_assert_uint_eq(ctl_count(c, BL_HCI_READY), 1);
        ck_assert(bl_hci_caps(c->hci)->extended);
        ctl_free(c);
    }
    ctl_free(honest);
}
END_TEST

START_TEST(no_memory_for_a_controller_is_null)
{
    struct bl_env env = {0};

    oom_fail_at(1);
    struct bl_hci *hci = bl_hci_new(&env);
    oom_off();
    ck_assert_ptr_null(hci);
    ck_assert_ptr_null(bl_hci_free(NULL));
}
END_TEST

START_TEST(bringup_and_commands_take_no_memory)
{
    struct ctl *c = ctl_new(12);
    const uint8_t *p;

    oom_fail_from(1);
    bl_hci_start(c->hci, c->now);
    for (unsigned i = 0; i < 100; i++) {
        bl_hci_next_tx(c->hci, c->now, &p);
        bl_hci_tick(c->hci, c->now += BL_HCI_COMMAND_TIMEOUT_US);
    }
    oom_off();
    ck_assert_uint_eq(oom_count(), 0);
    ctl_free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hci");
    TCase *t = tcase_create("hci");

    tcase_set_timeout(t, 60); /* under sanitizers, on a busy machine */
    tcase_add_test(t, hardware_error_is_the_end_whatever_its_length);
    tcase_add_test(t, hardware_error_during_bringup_is_the_end_too);
    tcase_add_test(t, nothing_is_taken_or_sent_while_stopped);
    tcase_add_test(t, events_of_connections_before_ready_are_ignored);
    tcase_add_test(t, packets_of_no_kind_are_counted_and_said_once);
    tcase_add_test(t, data_buffer_overflow_is_counted);
    tcase_add_test(t, every_counter_has_a_name_of_its_own);
    tcase_add_test(t, a_stop_at_any_step_of_bringup_leaves_nothing_behind);
    tcase_add_test(t, no_memory_for_a_controller_is_null);
    tcase_add_test(t, bringup_and_commands_take_no_memory);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
