/* SPDX-License-Identifier: MIT */

#include "base/timerq.h"
#include "controller.h"

#include <check.h>

static uint64_t mask_of(const uint8_t *p)
{
    struct rd r = rd_make(p, 8);

    return rd_u64(&r);
}

static const char *dead_of(const struct ctl *c)
{
    ck_assert_uint_eq(ctl_count(c, BL_HCI_DEAD), 1);
    ck_assert_uint_eq(ctl_count(c, BL_HCI_READY), 0);
    return ctl_last(c, BL_HCI_DEAD)->in.dead.why;
}

static void finish(struct ctl *c)
{
    for (unsigned i = 0; c->n_in == 0 && i < 100; i++)
        ck_assert(ctl_wait(c));
    ck_assert_uint_gt(c->n_in, 0);
}

START_TEST(controller_of_4_0_is_brought_up_with_legacy_commands_alone)
{
    struct ctl *c = ctl_new(6);
    ctl_start(c);
    const struct bl_hci_caps *caps = bl_hci_caps(c->hci);

    ck_assert_int_eq(ctl_last(c, BL_HCI_READY)->in.kind, BL_HCI_READY);
    ck_assert_uint_eq(c->seen[0], BL_CMD_RESET);
    ck_assert_uint_eq(caps->hci_version, 6);
    ck_assert_uint_eq(caps->manufacturer, 0x05f1);
    ck_assert_uint_eq(caps->acl_len, 27);
    ck_assert_uint_eq(caps->acl_num, 4);
    ck_assert(!caps->acl_shared && !caps->extended);
    ck_assert_uint_eq(caps->adv_data_max, 31);
    ck_assert_uint_eq(caps->adv_sets, 1);
    ck_assert_uint_eq(caps->max_tx_octets, 27);
    ck_assert_uint_eq(caps->accept_list, 16);
    ck_assert_uint_eq(caps->resolving_list, 0);
    ck_assert_mem_eq(caps->public_addr.b, c->addr, 6);
    ck_assert_uint_eq(mask_of(ctl_params(c, BL_CMD_LE_SET_EVENT_MASK)), 0x1f);
    ck_assert_uint_eq(mask_of(ctl_params(c, BL_CMD_SET_EVENT_MASK)), 0x2000800002008890);
    for (size_t i = 0; i < c->n_seen; i++) {
        const struct bl_cmd_row *row = bl_cmd_row(c->seen[i]);
        ck_assert(row->bit == 0xffff || (c->commands[row->bit / 8] >> row->bit % 8 & 1));
    }
    ck_assert_uint_eq(ctl_times(c, BL_CMD_SET_EVENT_MASK_PAGE_2), 0);
    ck_assert_uint_eq(ctl_times(c, BL_CMD_WRITE_LE_HOST_SUPPORT), 0);
    ctl_free(c);
}
END_TEST

START_TEST(controller_of_4_2_with_br_edr_shares_its_pool)
{
    struct ctl *c = ctl_new(8);
    ctl_start(c);
    const struct bl_hci_caps *caps = bl_hci_caps(c->hci);

    ck_assert_uint_eq(ctl_count(c, BL_HCI_READY), 1);
    ck_assert(caps->acl_shared && !caps->extended);
    ck_assert_uint_eq(caps->acl_len, 1021);
    ck_assert_uint_eq(caps->acl_num, 8);
    ck_assert_uint_eq(caps->max_tx_octets, 251);
    ck_assert_uint_eq(caps->max_tx_time, 2120);
    ck_assert_uint_eq(caps->resolving_list, 16);
    ck_assert_mem_eq(ctl_params(c, BL_CMD_WRITE_LE_HOST_SUPPORT), "\x01\x00", 2);
    ck_assert_mem_eq(ctl_params(c, BL_CMD_LE_WRITE_SUGGESTED_DATA_LENGTH), "\xfb\x00\x48\x08", 4);
    /* parameter request, data length, enhanced connection complete, directed report */
    ck_assert_uint_eq(mask_of(ctl_params(c, BL_CMD_LE_SET_EVENT_MASK)), 0x67f);
    ctl_free(c);
}
END_TEST

START_TEST(controller_of_5_0_is_used_with_extended_advertising)
{
    struct ctl *c = ctl_new(9);
    ctl_start(c);
    const struct bl_hci_caps *caps = bl_hci_caps(c->hci);

    ck_assert_uint_eq(ctl_count(c, BL_HCI_READY), 1);
    ck_assert(caps->extended);
    ck_assert_uint_eq(caps->adv_data_max, 251);
    ck_assert_uint_eq(caps->adv_sets, 3);
    ck_assert_uint_eq(mask_of(ctl_params(c, BL_CMD_LE_SET_EVENT_MASK)), 0xb1e7f);
    /* nothing legacy was touched: the two sets of commands do not mix */
    ck_assert_uint_eq(ctl_times(c, BL_CMD_LE_SET_ADV_ENABLE), 0);
    ck_assert_uint_eq(ctl_times(c, BL_CMD_LE_SET_SCAN_ENABLE), 0);
    ck_assert_uint_eq(ctl_times(c, BL_CMD_LE_CREATE_CONNECTION), 0);
    ctl_free(c);
}
END_TEST

START_TEST(controller_of_5_3_says_its_buffers_by_v2)
{
    struct ctl *c = ctl_new(12);
    ctl_start(c);

    ck_assert_uint_eq(ctl_count(c, BL_HCI_READY), 1);
    ck_assert_uint_eq(bl_hci_caps(c->hci)->acl_num, 6);
    ck_assert_uint_eq(ctl_times(c, BL_CMD_LE_READ_BUFFER_SIZE_V2), 1);
    ck_assert_uint_eq(ctl_times(c, BL_CMD_LE_READ_BUFFER_SIZE), 0);
    ck_assert_uint_eq(mask_of(ctl_params(c, BL_CMD_SET_EVENT_MASK_PAGE_2)), 1ull << 25);
    ck_assert_mem_eq(ctl_params(c, BL_CMD_LE_SET_HOST_FEATURE), "\x20\x00", 2);
    ctl_free(c);
}
END_TEST

/* Without these nothing can be done. */
static bool is_vital(const struct ctl *c, uint16_t opcode)
{
    return opcode == BL_CMD_RESET ||
           (opcode == BL_CMD_LE_READ_BUFFER_SIZE && c->le_num > 0 && c->version < 12) ||
           (opcode == BL_CMD_READ_BUFFER_SIZE && c->le_num == 0);
}

static const uint8_t versions[] = {6, 8, 9, 12};

/* Every command of bring-up, every way not to answer it well. */
START_TEST(no_single_lie_stops_bringup_but_about_reset_and_buffers)
{
    struct ctl *honest = ctl_new(versions[_i]);
    unsigned tried = 0;

    ctl_start(honest);
    for (size_t k = 0; k < honest->n_seen; k++)
        for (enum ctl_how how = CTL_UNKNOWN; how <= CTL_NOISE; how++) {
            uint16_t opcode = honest->seen[k];
            struct ctl *c = ctl_new(versions[_i]);
            ctl_rule(c, opcode, how, 0);
            ctl_start(c);
            finish(c);
            bool harmless = how == CTL_TWICE || how == CTL_NOISE ||
                            (how == CTL_SHORT && bl_cmd_row(opcode)->by_status);
            bool dead = is_vital(c, opcode) && !harmless;
            ck_assert_msg(ctl_count(c, BL_HCI_DEAD) == dead, "0x%04x, way %d", opcode, how);
            ck_assert_msg(ctl_count(c, BL_HCI_READY) == !dead, "0x%04x, way %d", opcode, how);
            ck_assert_uint_eq(c->n_in, 1);
            if (!dead && (how == CTL_UNKNOWN || how == CTL_UNKNOWN_STATUS)) {
                ck_assert_uint_eq(ctl_counter(c, "commands-unknown"), 1);
                ck_assert(!bl_hci_supports(c->hci, opcode));
                ck_assert_int_eq(bl_hci_cmd(c->hci, opcode, NULL, 0, BL_HCI_OWNER_HOST, 1), -95);
            }
            ctl_free(c);
            tried++;
        }
    ck_assert_uint_ge(tried, 11 * 8);
    ctl_free(honest);
}
END_TEST

START_TEST(an_answer_lost_once_is_survived)
{
    struct ctl *honest = ctl_new(versions[_i]);

    ctl_start(honest);
    for (size_t k = 0; k < honest->n_seen; k++) {
        struct ctl *c = ctl_new(versions[_i]);
        ctl_rule(c, honest->seen[k], CTL_SILENT, 1);
        ctl_start(c);
        ck_assert_uint_eq(c->n_in, 0);
        ck_assert_uint_eq(bl_hci_deadline(c->hci), 1000 + BL_HCI_COMMAND_TIMEOUT_US);
        finish(c);
        ck_assert_uint_eq(ctl_count(c, BL_HCI_READY), 1);
        ck_assert_mem_eq(bl_hci_caps(c->hci)->commands, bl_hci_caps(honest->hci)->commands, 64);
        ck_assert_uint_eq(bl_hci_caps(c->hci)->acl_num, bl_hci_caps(honest->hci)->acl_num);
        ck_assert_uint_eq(ctl_counter(c, "commands-lost"), 1);
        ctl_free(c);
    }
    ctl_free(honest);
}
END_TEST

START_TEST(one_lie_about_extended_advertising_means_legacy_from_reset_on)
{
    static const uint16_t opcodes[] = {
        BL_CMD_LE_SET_ADV_SET_RANDOM_ADDRESS, BL_CMD_LE_SET_EXT_ADV_PARAMS,
        BL_CMD_LE_SET_EXT_ADV_DATA,           BL_CMD_LE_SET_EXT_SCAN_RSP_DATA,
        BL_CMD_LE_SET_EXT_ADV_ENABLE,         BL_CMD_LE_REMOVE_ADV_SET,
        BL_CMD_LE_SET_EXT_SCAN_PARAMS,        BL_CMD_LE_SET_EXT_SCAN_ENABLE};

    for (size_t i = 0; i < sizeof(opcodes) / sizeof(*opcodes); i++) {
        struct ctl *c = ctl_new(12);
        ctl_rule(c, opcodes[i], CTL_UNKNOWN, 0);
        ctl_start(c);
        ck_assert_uint_eq(ctl_count(c, BL_HCI_READY), 1);
        ck_assert(!bl_hci_caps(c->hci)->extended);
        ck_assert_uint_eq(bl_hci_caps(c->hci)->adv_data_max, 31);
        ck_assert_uint_eq(bl_hci_caps(c->hci)->adv_sets, 1);
        ck_assert_uint_eq(ctl_times(c, BL_CMD_RESET), 2);
        ck_assert_uint_eq(ctl_times(c, opcodes[i]), 1);
        ck_assert_uint_eq(mask_of(ctl_params(c, BL_CMD_LE_SET_EVENT_MASK)) & (1 << 12), 0);
        /* after the second Reset no extended command came */
        size_t k = c->n_seen;
        while (c->seen[--k] != BL_CMD_RESET)
            ck_assert(c->seen[k] < BL_CMD_LE_SET_ADV_SET_RANDOM_ADDRESS ||
                      c->seen[k] > BL_CMD_LE_EXT_CREATE_CONNECTION);
        ctl_free(c);
    }
}
END_TEST

START_TEST(extended_advertising_that_lacks_a_command_is_not_tried)
{
    struct ctl *c = ctl_new(9);

    ctl_support(c, BL_CMD_LE_SET_EXT_SCAN_ENABLE, false);
    ctl_start(c);
    ck_assert_uint_eq(ctl_count(c, BL_HCI_READY), 1);
    ck_assert(!bl_hci_caps(c->hci)->extended);
    ck_assert_uint_eq(ctl_times(c, BL_CMD_LE_SET_EXT_ADV_PARAMS), 0);
    ck_assert_uint_eq(ctl_times(c, BL_CMD_RESET), 1);
    ctl_free(c);
}
END_TEST

START_TEST(no_connection_is_begun)
{
    struct ctl *c = ctl_new(9);

    ctl_start(c);
    ck_assert_uint_eq(ctl_times(c, BL_CMD_LE_EXT_CREATE_CONNECTION), 0);
    ck_assert_uint_eq(ctl_times(c, BL_CMD_LE_CREATE_CONNECTION), 0);
    ctl_free(c);
}
END_TEST

START_TEST(refused_le_event_mask_falls_back_to_the_default_one)
{
    struct ctl *c = ctl_new(9);

    ctl_rule(c, BL_CMD_LE_SET_EVENT_MASK, CTL_ERROR, 1);
    ctl_start(c);
    ck_assert_uint_eq(ctl_count(c, BL_HCI_READY), 1);
    ck_assert_uint_eq(ctl_times(c, BL_CMD_LE_SET_EVENT_MASK), 2);
    ck_assert_uint_eq(mask_of(ctl_params(c, BL_CMD_LE_SET_EVENT_MASK)), 0x1f);
    ctl_free(c);
}
END_TEST

START_TEST(zero_and_erased_addresses_are_none)
{
    struct ctl *c = ctl_new(6);

    memset(c->addr, 0, 6);
    ctl_start(c);
    ck_assert(bl_addr_is_zero(&bl_hci_caps(c->hci)->public_addr));
    ctl_free(c);
    c = ctl_new(6);
    memset(c->addr, 0xff, 6);
    ctl_start(c);
    ck_assert_uint_eq(ctl_count(c, BL_HCI_READY), 1);
    ck_assert(bl_addr_is_zero(&bl_hci_caps(c->hci)->public_addr));
    ctl_free(c);
}
END_TEST

START_TEST(missing_encryption_bit_and_no_features_at_all_are_survived)
{
    struct ctl *c = ctl_new(8);

    c->features = 0;
    ctl_start(c);
    ck_assert_uint_eq(ctl_count(c, BL_HCI_READY), 1);
    ck_assert(!bl_hci_has_feature(c->hci, BL_LE_ENCRYPTION));
    ck_assert(!bl_hci_has_feature(c->hci, 64));
    ck_assert_uint_eq(ctl_times(c, BL_CMD_LE_WRITE_SUGGESTED_DATA_LENGTH), 0);
    ctl_free(c);
}
END_TEST

START_TEST(controller_without_le_is_dead)
{
    struct ctl *c = ctl_new(6);

    c->lmp[4] = 0;
    ctl_start(c);
    ck_assert_str_eq(dead_of(c), "this controller has no Bluetooth LE");
    ck_assert_uint_eq(bl_hci_deadline(c->hci), TIMERQ_NEVER);
    ctl_free(c);
}
END_TEST

START_TEST(controller_without_buffers_is_dead)
{
    static const struct {
        uint16_t len;
        uint8_t num;
        uint16_t shared_len, shared_num;
    } rows[] = {{0, 0, 0, 0}, {0, 0, 26, 4}, {0, 0, 100, 0}, {27, 0, 0, 5}, {26, 4, 0, 0}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct ctl *c = ctl_new(8);
        c->le_len = rows[i].len;
        c->le_num = rows[i].num;
        c->shared_len = rows[i].shared_len;
        c->shared_num = rows[i].shared_num;
        ctl_start(c);
        ck_assert_str_eq(dead_of(c), "the controller has no buffers for LE data");
        ctl_free(c);
    }
}
END_TEST

START_TEST(limits_out_of_range_are_not_believed)
{
    struct ctl *c = ctl_new(9);

    c->tx_octets = 300;
    c->adv_data_max = 5000;
    c->adv_sets = 0;
    ctl_start(c);
    ck_assert_uint_eq(ctl_count(c, BL_HCI_READY), 1);
    ck_assert_uint_eq(bl_hci_caps(c->hci)->max_tx_octets, 27);
    ck_assert_uint_eq(bl_hci_caps(c->hci)->adv_data_max, 31);
    ck_assert_uint_eq(bl_hci_caps(c->hci)->adv_sets, 1);
    ctl_free(c);
}
END_TEST

START_TEST(what_comes_before_the_answer_to_reset_is_ignored)
{
    struct ctl *c = ctl_new(6);
    uint8_t zero = 0, hardware = 0x42;

    c->hold = true;
    ctl_start(c);
    ctl_connect(c, 0x0040);
    ctl_event(c, 0x10, &hardware, 1);
    ctl_complete(c, BL_CMD_READ_BD_ADDR, &zero, 1);
    ctl_event(c, 0x0e, "\x01\x00\x00", 3);
    ck_assert_uint_eq(c->n_in, 0);
    ck_assert_uint_eq(c->n_seen, 1);
    ctl_complete(c, BL_CMD_RESET, &zero, 1);
    c->hold = false;
    ctl_pump(c);
    ck_assert_uint_eq(ctl_count(c, BL_HCI_READY), 1);
    ck_assert_uint_eq(c->n_in, 1);
    ck_assert_uint_eq(bl_hci_queued(c->hci, 0x0040), 0);
    ctl_free(c);
}
END_TEST

START_TEST(a_silent_controller_is_dead_after_three_resets)
{
    struct ctl *c = ctl_new(6);

    c->hold = true;
    ctl_start(c);
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert_uint_eq(c->n_in, 0);
        ck_assert_uint_eq(c->n_seen, i);
        ck_assert(ctl_wait(c));
        ck_assert_uint_eq(c->now, 1000 + i * (uint64_t)BL_HCI_COMMAND_TIMEOUT_US);
    }
    ck_assert_str_eq(dead_of(c), "the controller has stopped answering commands");
    ck_assert_uint_eq(c->n_seen, 3);
    ck_assert(!ctl_wait(c));
    ctl_free(c);
}
END_TEST

START_TEST(starting_again_forgets_what_was_a_lie)
{
    struct ctl *c = ctl_new(9);

    ctl_rule(c, BL_CMD_LE_SET_EXT_ADV_DATA, CTL_UNKNOWN, 1);
    ctl_start(c);
    ck_assert(!bl_hci_caps(c->hci)->extended);
    ctl_start(c);
    ck_assert(bl_hci_caps(c->hci)->extended);
    ctl_free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bringup");
    TCase *t = tcase_create("bringup");

    tcase_set_timeout(t, 60); /* under sanitizers, on a busy machine */
    tcase_add_test(t, controller_of_4_0_is_brought_up_with_legacy_commands_alone);
    tcase_add_test(t, controller_of_4_2_with_br_edr_shares_its_pool);
    tcase_add_test(t, controller_of_5_0_is_used_with_extended_advertising);
    tcase_add_test(t, controller_of_5_3_says_its_buffers_by_v2);
    tcase_add_loop_test(t, no_single_lie_stops_bringup_but_about_reset_and_buffers, 0, 4);
    tcase_add_loop_test(t, an_answer_lost_once_is_survived, 0, 4);
    tcase_add_test(t, one_lie_about_extended_advertising_means_legacy_from_reset_on);
    tcase_add_test(t, extended_advertising_that_lacks_a_command_is_not_tried);
    tcase_add_test(t, no_connection_is_begun);
    tcase_add_test(t, refused_le_event_mask_falls_back_to_the_default_one);
    tcase_add_test(t, zero_and_erased_addresses_are_none);
    tcase_add_test(t, missing_encryption_bit_and_no_features_at_all_are_survived);
    tcase_add_test(t, controller_without_le_is_dead);
    tcase_add_test(t, controller_without_buffers_is_dead);
    tcase_add_test(t, limits_out_of_range_are_not_believed);
    tcase_add_test(t, what_comes_before_the_answer_to_reset_is_ignored);
    tcase_add_test(t, a_silent_controller_is_dead_after_three_resets);
    tcase_add_test(t, starting_again_forgets_what_was_a_lie);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
