/* SPDX-License-Identifier: MIT */

/* scanner: scripts of commands, replies, reports and time, on a recording stand-in for lib/hci. */

#include "gap/scanner.h"

#include "base/cleanup.h"
#include "base/timerq.h"
#include "fake_hci.h"
#include "hci/cmd.h"
#include "hci/error.h"
#include "oom.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    uint64_t now;
    struct bl_hci *hci;
    struct bl_env env;
    struct bl_evq events;
    struct bl_radio radio;
    struct bl_privacy privacy;
    struct bl_scanner s;
    uint8_t random;
    bool random_fails;
} w;

static int draw(void *ctx, void *out, size_t n)
{
    (void)ctx;
    if (w.random_fails)
        return -EIO;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = ++w.random;
    return 0;
}

static void begin(bool extended)
{
    oom_off();
    memset(&w, 0, sizeof(w));
    w.now = 1000000;
    w.hci = fake_hci_new(extended);
    w.env = (struct bl_env){.random = draw};
    ck_assert_int_eq(bl_evq_init(&w.events), 0);
    w.radio = (struct bl_radio){
        .hci = w.hci, .env = &w.env, .events = &w.events, .config = {.rpa_timeout_s = 900}};
    bl_privacy_init(&w.privacy, &w.radio);
    ck_assert_int_eq(bl_scanner_init(&w.s, &w.radio, &w.privacy), 0);
    w.radio.ready = true;
    bl_privacy_ready(&w.privacy, w.now);
}

static void begin_legacy(void)
{
    begin(false);
}

static void begin_extended(void)
{
    begin(true);
}

static void end(void)
{
    oom_off();
    bl_scanner_deinit(&w.s);
    bl_privacy_deinit(&w.privacy);
    bl_evq_deinit(&w.events);
    fake_hci_free(w.hci);
}

/* ---- the script's verbs ---- */

static void step(void)
{
    if (!w.radio.outstanding && w.radio.ready)
        (void)(bl_privacy_step(&w.privacy, w.now) || bl_scanner_step(&w.s, w.now));
}

/* The next command is this one, with these parameters in hex. */
static const struct fake_cmd *expect(uint16_t opcode, const char *hex)
{
    const struct fake_cmd *cmd = fake_hci_take(w.hci);
    char text[600] = "";

    ck_assert_msg(cmd, "no command, wanted %04x", opcode);
    for (size_t i = 0; i < cmd->n; i++)
        snprintf(text + 2 * i, 3, "%02x", cmd->params[i]);
    ck_assert_msg(cmd->opcode == opcode, "%04x %s, wanted %04x", cmd->opcode, text, opcode);
    if (hex)
        ck_assert_str_eq(text, hex);
    return cmd;
}

static void quiet(void)
{
    const struct fake_cmd *cmd = fake_hci_take(w.hci);

    ck_assert_msg(!cmd, "a command: %04x", cmd ? cmd->opcode : 0);
}

static void answer(const struct bl_hci_reply *reply)
{
    w.radio.outstanding = false;
    if (reply->owner == BL_HCI_OWNER_PRIVACY)
        bl_privacy_reply(&w.privacy, w.now, reply);
    else
        bl_scanner_reply(&w.s, w.now, reply);
    step();
}

static void reply(const struct fake_cmd *cmd, uint8_t status)
{
    struct bl_hci_reply r = fake_hci_reply(cmd, status, NULL, 0);

    answer(&r);
}

static void lose(const struct fake_cmd *cmd)
{
    struct bl_hci_reply r = fake_hci_lost(cmd);

    answer(&r);
}

static void take(uint16_t opcode, const char *hex)
{
    reply(expect(opcode, hex), 0);
}

static const struct bl_scan_params background = {
    .interval_us = 1280000, .window_us = 11250, .addr_mode = BL_ADDR_MODE_DEFAULT};

static int try_scan(const struct bl_scan_params *p, uint16_t *ret_scan, bl_op *ret_op)
{
    int r = bl_scanner_scan(&w.s, w.now, p, ret_scan, ret_op);

    step();
    return r;
}

static bl_op scan(const struct bl_scan_params *p, uint16_t *ret_scan)
{
    bl_op op = 0;

    ck_assert_int_eq(try_scan(p, ret_scan, &op), 0);
    ck_assert_uint_ne(op, 0);
    return op;
}

static void no_event(void)
{
    struct bl_event e = {0};

    ck_assert_msg(!bl_evq_pop(&w.events, &e), "an event of kind %d", (int)e.kind);
}

static void op_done(bl_op op, bl_status status)
{
    struct bl_event e;

    ck_assert(bl_evq_pop(&w.events, &e));
    ck_assert_int_eq(e.kind, BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_uint_eq(e.done.status, status);
}

static void scan_done(uint16_t which, bl_status status)
{
    struct bl_event e;

    ck_assert(bl_evq_pop(&w.events, &e));
    ck_assert_int_eq(e.kind, BL_EV_SCAN_DONE);
    ck_assert_uint_eq(e.scan_done.scan, which);
    ck_assert_uint_eq(e.scan_done.status, status);
}

/* A legacy scan that runs. */
static uint16_t running(const struct bl_scan_params *p)
{
    uint16_t which;
    bl_op op = scan(p, &which);
    bool on = w.radio.scanning;

    if (on)
        take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    const struct fake_cmd *cmd = fake_hci_take(w.hci);
    if (cmd->opcode == BL_CMD_LE_SET_SCAN_PARAMS) {
        reply(cmd, 0);
        cmd = fake_hci_take(w.hci);
    }
    reply(cmd, 0);
    op_done(op, 0);
    return which;
}

static struct bl_hci_event report(uint8_t who, uint8_t adv_type, const char *data)
{
    return (struct bl_hci_event){.kind = BL_HCI_EV_REPORT,
                                 .adv = {.report = {.addr = {ADDR_RANDOM, {who, 2, 3, 4, 5, 0xc6}},
                                                    .adv_type = adv_type,
                                                    .legacy = adv_type <= 4,
                                                    .scan_response = adv_type == 4,
                                                    .sid = 0xff,
                                                    .primary_phy = BL_PHY_1M,
                                                    .rssi = -50,
                                                    .tx_power = 127,
                                                    .data = (const uint8_t *)data,
                                                    .len = (uint16_t)strlen(data)}}};
}

static void hear(struct bl_hci_event e)
{
    bl_scanner_event(&w.s, w.now, &e);
    step();
}

/* The next event is a report for these scans. */
static struct bl_report heard(uint64_t scans)
{
    struct bl_event e = {0};

    ck_assert(bl_evq_pop(&w.events, &e));
    ck_assert_int_eq(e.kind, BL_EV_REPORT);
    ck_assert_uint_eq(e.report.scans, scans);
    ck_assert_uint_eq(e.report.time, w.now);
    return e.report;
}

static uint64_t bit(uint16_t which)
{
    return UINT64_C(1) << which;
}

static void pass(uint64_t us)
{
    w.now += us;
    bl_scanner_tick(&w.s, w.now);
    step();
}

static void stop(uint16_t which)
{
    bl_op op;

    ck_assert_int_eq(bl_scanner_stop_scan(&w.s, w.now, which, &op), 0);
    step();
    scan_done(which, 0);
    op_done(op, 0);
}

/* ---- one scan ---- */

START_TEST(a_scan_sets_parameters_then_enables)
{
    uint16_t which;
    bl_op op = scan(&background, &which);

    no_event();
    take(BL_CMD_LE_SET_SCAN_PARAMS, "00000812000000"); /* passive, 0x0800, 0x0012, public, all */
    no_event();
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0100");
    op_done(op, 0);
    ck_assert(w.radio.scanning);
    ck_assert(bl_scanner_deadline(&w.s) == TIMERQ_NEVER);
    quiet();
}
END_TEST

START_TEST(a_scan_on_an_extended_controller_uses_extended_commands)
{
    struct bl_scan_params p = background;
    uint16_t which;

    p.active = true;
    p.phys = BL_PHYS_1M | BL_PHYS_CODED;
    bl_op op = scan(&p, &which);
    take(BL_CMD_LE_SET_EXT_SCAN_PARAMS, "0000050100081200"
                                        "0100081200");
    take(BL_CMD_LE_SET_EXT_SCAN_ENABLE, "010000000000");
    op_done(op, 0);
    stop(which);
    take(BL_CMD_LE_SET_EXT_SCAN_ENABLE, "000000000000");
    ck_assert(!w.radio.scanning);
    quiet();
}
END_TEST

START_TEST(a_duration_counts_from_the_start_and_ends_the_scan)
{
    struct bl_scan_params p = background;
    uint16_t which;

    p.duration_ms = 5000;
    bl_op op = scan(&p, &which);
    w.now += 700000; /* a slow controller */
    take(BL_CMD_LE_SET_SCAN_PARAMS, NULL);
    take(BL_CMD_LE_SET_SCAN_ENABLE, NULL);
    op_done(op, 0);
    ck_assert_uint_eq(bl_scanner_deadline(&w.s), w.now + 5000000);
    pass(4999999);
    no_event();
    pass(1);
    scan_done(which, 0);
    ck_assert(bl_scanner_deadline(&w.s) == TIMERQ_NEVER);
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    quiet();
    no_event();
}
END_TEST

START_TEST(a_stopped_scan_hears_no_more_and_may_begin_again)
{
    uint16_t which = running(&background), again;
    bl_op op;

    stop(which);
    hear(report(1, 0, "late"));
    no_event();
    ck_assert_int_eq(bl_scanner_stop_scan(&w.s, w.now, which, &op), -ENOENT);
    ck_assert_int_eq(bl_scanner_stop_scan(&w.s, w.now, 64, &op), -ENOENT);
    op = scan(&background, &again);
    ck_assert_uint_ne(again, which); /* what waits for the old one is not the new one's */
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0100"); /* the parameters are the same */
    op_done(op, 0);
}
END_TEST

START_TEST(a_scan_ends_without_a_number_also_while_events_wait)
{
    uint16_t which = running(&background);
    struct bl_event e = {.kind = BL_EV_READY};
    bl_op op;

    for (unsigned i = 0; i < BL_EVENTS_FULL; i++)
        bl_evq_push(&w.events, &e);
    ck_assert_int_eq(bl_scanner_stop_scan(&w.s, w.now, which, &op), -EBUSY);
    ck_assert_int_eq(bl_scanner_stop_scan(&w.s, w.now, which, NULL), 0);
    for (unsigned i = 0; i < BL_EVENTS_FULL; i++)
        ck_assert(bl_evq_pop(&w.events, &e) && e.kind == BL_EV_READY);
    scan_done(which, 0);
    no_event();
    ck_assert_uint_eq(w.events.open_ops, 0);
}
END_TEST

START_TEST(a_scan_stopped_before_it_runs_is_canceled)
{
    uint16_t which;
    bl_op op = scan(&background, &which), mine;
    const struct fake_cmd *cmd = expect(BL_CMD_LE_SET_SCAN_PARAMS, NULL);

    ck_assert_int_eq(bl_scanner_stop_scan(&w.s, w.now, which, &mine), 0);
    op_done(op, BL_CANCELED);
    scan_done(which, 0);
    op_done(mine, 0);
    reply(cmd, 0);
    quiet(); /* never enabled */
    ck_assert_uint_eq(w.events.open_ops, 0);
}
END_TEST

START_TEST(a_slot_taken_again_while_enabling_is_answered_for_itself)
{
    uint16_t first, second;
    bl_op op = scan(&background, &first), mine, other;

    take(BL_CMD_LE_SET_SCAN_PARAMS, NULL);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_SET_SCAN_ENABLE, "0100");
    ck_assert_int_eq(bl_scanner_stop_scan(&w.s, w.now, first, &mine), 0);
    op_done(op, BL_CANCELED);
    scan_done(first, 0);
    op_done(mine, 0);
    w.s.next_slot = first;
    other = scan(&background, &second);
    ck_assert_uint_eq(first, second);
    reply(cmd, 0);
    no_event();
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0100");
    op_done(other, 0);
}
END_TEST

#define US(interval, window) .interval_us = (interval), .window_us = (window), .addr_mode = 0xff

static const struct {
    struct bl_scan_params p;
    int legacy, extended; /* on such a controller */
} ranges[] = {
    {{US(2500, 2500)}, 0, 0},
    {{US(2499, 2499)}, -EINVAL, -EINVAL},
    {{US(2500, 2499)}, -EINVAL, -EINVAL},
    {{US(10240000, 10240000)}, 0, 0},
    {{US(10240001, 11250)}, -EINVAL, -EINVAL},
    {{US(40959375, 40959375), .extended = true}, -EINVAL, 0},
    {{US(40959376, 2500), .extended = true}, -EINVAL, -EINVAL},
    {{US(10000, 10001)}, -EINVAL, -EINVAL},
    {{US(0, 0)}, -EINVAL, -EINVAL},
    {{US(10000, 10000), .phys = BL_PHYS_1M}, 0, 0},
    {{US(10000, 10000), .phys = BL_PHYS_2M}, -EINVAL, -EINVAL},
    {{US(10000, 10000), .phys = 8}, -EINVAL, -EINVAL},
    {{US(10000, 10000), .phys = BL_PHYS_CODED}, -EOPNOTSUPP, 0},
    {{.interval_us = 10000, .window_us = 10000, .addr_mode = 4}, -EINVAL, -EINVAL},
    {{.interval_us = 10000, .window_us = 10000, .addr_mode = BL_ADDR_MODE_RPA, .active = true},
     -EOPNOTSUPP,
     -EOPNOTSUPP}, /* no IRK */
    {{US(10000, 10000), .filter = {.n_addresses = 65}}, -EINVAL, -EINVAL},
    {{US(10000, 10000), .filter = {.n_services = 65}}, -EINVAL, -EINVAL},
    {{US(10000, 10000), .filter = {.addresses = &(struct bl_addr){.type = 2}, .n_addresses = 1}},
     -EINVAL,
     -EINVAL},
};

START_TEST(arguments_out_of_range_are_refused_and_change_nothing)
{
    for (unsigned extended = 0; extended < 2; extended++) {
        uint16_t which = 77;
        bl_op op = 88;
        end();
        begin(extended);
        int want = extended ? ranges[_i].extended : ranges[_i].legacy;
        ck_assert_int_eq(try_scan(&ranges[_i].p, &which, &op), want);
        ck_assert((want == 0) == (fake_hci_take(w.hci) != NULL));
        if (want < 0)
            ck_assert(which == 77 && op == 88 && w.events.open_ops == 0 && w.s.used == 0);
    }
}
END_TEST

/* ---- several scans ---- */

START_TEST(a_wider_scan_restarts_the_radio_and_disturbs_nobody)
{
    uint16_t narrow = running(&background), wide;
    struct bl_scan_params p = {
        .interval_us = 100000, .window_us = 50000, .active = true, .addr_mode = 0xff};
    bl_op op = scan(&p, &wide);

    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    hear(report(1, 0, "")); /* still on its way */
    heard(bit(narrow));
    take(BL_CMD_LE_SET_SCAN_PARAMS, "01a00050000000");
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0100");
    op_done(op, 0);
    hear(report(1, 0, "a"));
    heard(bit(narrow) | bit(wide));
    stop(wide);
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    take(BL_CMD_LE_SET_SCAN_PARAMS, "00000812000000");
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0100");
    quiet();
    no_event();
    hear(report(1, 0, "b"));
    heard(bit(narrow));
}
END_TEST

START_TEST(the_end_of_a_narrower_scan_leaves_the_radio_alone)
{
    const struct bl_scan_params wide = {
        .interval_us = 100000, .window_us = 100000, .addr_mode = 0xff};
    uint16_t a = running(&wide), b = running(&background);

    stop(b);
    quiet();
    hear(report(1, 0, ""));
    heard(bit(a));
}
END_TEST

START_TEST(a_newcomer_restarts_the_radio_so_that_nothing_is_withheld_from_it)
{
    uint16_t a = running(&background), b;
    bl_op op = scan(&background, &b);

    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0100");
    op_done(op, 0);
    hear(report(1, 0, ""));
    heard(bit(a) | bit(b));
    quiet();
}
END_TEST

START_TEST(each_phy_has_the_widest_of_those_that_want_it)
{
    struct bl_scan_params a = {.interval_us = 20000, .window_us = 10000, .addr_mode = 0xff};
    struct bl_scan_params b = {
        .interval_us = 40000, .window_us = 10000, .phys = 5, .addr_mode = 0xff};
    struct bl_scan_params c = {
        .interval_us = 40000, .window_us = 5000, .phys = 4, .addr_mode = 0xff};
    struct bl_scan_params d = {.interval_us = 10000, .window_us = 5000, .addr_mode = 0xff};
    uint16_t which;

    scan(&a, &which);
    scan(&b, &which);
    scan(&c, &which);
    scan(&d, &which); /* as wide as a, and sooner */
    take(BL_CMD_LE_SET_EXT_SCAN_PARAMS, "000001002000"
                                        "1000"); /* a alone was known then */
    take(BL_CMD_LE_SET_EXT_SCAN_PARAMS, "000005"
                                        "0010000800"
                                        "0040001000");
    take(BL_CMD_LE_SET_EXT_SCAN_ENABLE, NULL);
    for (unsigned i = 0; i < 4; i++) {
        struct bl_event e;
        ck_assert(bl_evq_pop(&w.events, &e) && e.kind == BL_EV_OP_DONE && e.done.status == 0);
        ck_assert_uint_eq(e.done.scan, i);
    }
    quiet();
}
END_TEST

START_TEST(each_scan_has_its_own_duration)
{
    struct bl_scan_params p = background;

    p.duration_ms = 1000;
    uint16_t a = running(&p);
    pass(400000);
    uint16_t b = running(&p);
    uint16_t c = running(&background);
    pass(600000);
    scan_done(a, 0);
    no_event();
    ck_assert_uint_eq(bl_scanner_deadline(&w.s), w.now + 400000);
    pass(400000);
    scan_done(b, 0);
    quiet();
    hear(report(1, 0, ""));
    heard(bit(c));
}
END_TEST

START_TEST(scan_responses_are_for_active_scans_alone)
{
    struct bl_scan_params active = background;

    active.active = true;
    uint16_t a = running(&background), b = running(&active);
    hear(report(1, 4, "response"));
    ck_assert_uint_eq(heard(bit(b)).len, 8);
    hear(report(1, 0, "adv"));
    heard(bit(a) | bit(b));
    stop(b);
    hear(report(1, 4, "response"));
    no_event();
}
END_TEST

START_TEST(duplicates_are_each_scans_own)
{
    struct bl_scan_params once = background;

    once.filter_duplicates = true;
    uint16_t a = running(&background), b = running(&once);
    hear(report(1, 0, "x"));
    heard(bit(a) | bit(b));
    hear(report(1, 0, "y"));
    heard(bit(a));
    uint16_t c = running(&once);
    hear(report(1, 0, "z"));
    heard(bit(a) | bit(c));
}
END_TEST

START_TEST(the_controller_filters_duplicates_only_where_it_takes_nothing_from_anyone)
{
    struct bl_scan_params once = background;
    uint16_t a, b;

    once.filter_duplicates = true;
    once.filter.addresses = &(struct bl_addr){ADDR_PUBLIC, {1}};
    once.filter.n_addresses = 1;
    bl_op op = scan(&once, &a);
    take(BL_CMD_LE_SET_SCAN_PARAMS, NULL);
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0101");
    op_done(op, 0);
    once.filter.name_prefix = "a"; /* it may match later */
    op = scan(&once, &b);
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0100");
    op_done(op, 0);
    stop(a);
    stop(b);
}
END_TEST

START_TEST(filters_are_each_scans_own)
{
    struct bl_scan_params near = background;

    near.filter.has_rssi_min = true;
    near.filter.rssi_min = -40;
    uint16_t a = running(&near);
    hear(report(1, 0, ""));
    no_event();
    uint16_t b = running(&background);
    hear(report(1, 0, ""));
    heard(bit(b));
    struct bl_hci_event strong = report(1, 0, "");
    strong.adv.report.rssi = -30;
    hear(strong);
    heard(bit(a) | bit(b));
}
END_TEST

START_TEST(sixty_four_scans_run_and_the_next_is_busy)
{
    uint16_t which;
    bl_op op;

    for (unsigned i = 0; i < BL_MAX_SCANS; i++)
        ck_assert_uint_eq(running(&background), i);
    ck_assert_int_eq(try_scan(&background, &which, &op), -EBUSY);
    hear(report(1, 0, ""));
    heard(UINT64_MAX);
    stop(17);
    ck_assert_uint_eq(running(&background), 17);
}
END_TEST

START_TEST(without_a_number_for_the_command_nothing_changes)
{
    uint16_t a = running(&background), which;
    bl_op op;

    w.events.open_ops = BL_MAX_OPS;
    ck_assert_int_eq(try_scan(&background, &which, &op), -EBUSY);
    ck_assert_int_eq(bl_scanner_stop_scan(&w.s, w.now, a, &op), -EBUSY);
    w.events.open_ops = 0;
    quiet();
    hear(report(1, 0, ""));
    heard(bit(a));
}
END_TEST

/* ---- what goes wrong ---- */

START_TEST(refused_parameters_end_the_newcomer_alone)
{
    uint16_t a = running(&background), b;
    struct bl_scan_params p = {.interval_us = 10000, .window_us = 10000, .addr_mode = 0xff};
    bl_op op = scan(&p, &b);

    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    reply(expect(BL_CMD_LE_SET_SCAN_PARAMS, NULL), BL_HCI_INVALID_PARAMETERS);
    op_done(op, BL_STATUS_HCI + 0x12);
    scan_done(b, BL_STATUS_HCI + 0x12);
    take(BL_CMD_LE_SET_SCAN_PARAMS, "00000812000000"); /* as before */
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0100");
    hear(report(1, 0, ""));
    heard(bit(a));
    no_event();
    quiet();
}
END_TEST

START_TEST(where_even_the_old_state_is_refused_everything_ends)
{
    uint16_t a = running(&background), b;
    bl_op op = scan(&background, &b);

    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    reply(expect(BL_CMD_LE_SET_SCAN_ENABLE, "0100"), BL_HCI_HARDWARE_FAILURE);
    op_done(op, BL_STATUS_HCI + 3);
    scan_done(b, BL_STATUS_HCI + 3);
    reply(expect(BL_CMD_LE_SET_SCAN_PARAMS, NULL), BL_HCI_HARDWARE_FAILURE);
    scan_done(a, BL_STATUS_HCI + 3);
    no_event();
    quiet();
    ck_assert(!w.radio.scanning);
    running(&background); /* the next one is tried afresh */
}
END_TEST

START_TEST(a_lost_enable_is_taken_back_and_told)
{
    uint16_t a;
    bl_op op = scan(&background, &a);

    take(BL_CMD_LE_SET_SCAN_PARAMS, NULL);
    lose(expect(BL_CMD_LE_SET_SCAN_ENABLE, "0100"));
    op_done(op, BL_STATUS_HCI + 0x1f);
    scan_done(a, BL_STATUS_HCI + 0x1f);
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000"); /* it may have been executed */
    quiet();
    no_event();
}
END_TEST

START_TEST(running_scans_survive_one_lost_command)
{
    uint16_t a = running(&background);

    hear((struct bl_hci_event){.kind = BL_HCI_EV_SCAN_TIMEOUT});
    lose(expect(BL_CMD_LE_SET_SCAN_ENABLE, "0100"));
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    take(BL_CMD_LE_SET_SCAN_PARAMS, NULL);
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0100");
    no_event();
    hear(report(1, 0, ""));
    heard(bit(a));
}
END_TEST

START_TEST(running_scans_end_when_the_second_try_is_lost)
{
    uint16_t a = running(&background);
    struct bl_hci_event e = {.kind = BL_HCI_EV_SCAN_TIMEOUT};

    hear(e);
    lose(expect(BL_CMD_LE_SET_SCAN_ENABLE, "0100"));
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    take(BL_CMD_LE_SET_SCAN_PARAMS, NULL);
    lose(expect(BL_CMD_LE_SET_SCAN_ENABLE, "0100"));
    scan_done(a, BL_STATUS_HCI + 0x1f);
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    quiet();
    no_event();
}
END_TEST

START_TEST(a_lost_disable_is_asked_once_more)
{
    uint16_t a = running(&background);

    stop(a);
    lose(expect(BL_CMD_LE_SET_SCAN_ENABLE, "0000"));
    lose(expect(BL_CMD_LE_SET_SCAN_ENABLE, "0000"));
    quiet();
    ck_assert(!w.radio.scanning);
}
END_TEST

START_TEST(a_controller_that_stops_by_itself_is_started_again)
{
    uint16_t a = running(&background);
    struct bl_hci_event e = {.kind = BL_HCI_EV_SCAN_TIMEOUT};

    hear(e);
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0100");
    hear(report(1, 0, ""));
    heard(bit(a));
    no_event();
}
END_TEST

START_TEST(running_scans_wait_where_the_controller_does_not_scan_while_it_initiates)
{
    uint16_t a = running(&background), b;
    struct bl_hci_event e = {.kind = BL_HCI_EV_SCAN_TIMEOUT};
    bl_op op;

    w.radio.initiating = true;
    hear(e);
    reply(expect(BL_CMD_LE_SET_SCAN_ENABLE, "0100"), BL_HCI_COMMAND_DISALLOWED);
    step();
    quiet();
    no_event();
    w.radio.initiating = false;
    step();
    take(BL_CMD_LE_SET_SCAN_PARAMS, NULL);
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0100");
    hear(report(1, 0, ""));
    heard(bit(a));
    w.radio.initiating = true; /* a newcomer is told */
    op = scan(&background, &b);
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    reply(expect(BL_CMD_LE_SET_SCAN_ENABLE, "0100"), BL_HCI_COMMAND_DISALLOWED);
    op_done(op, BL_STATUS_HCI + 0x0c);
    scan_done(b, BL_STATUS_HCI + 0x0c);
}
END_TEST

START_TEST(a_controller_that_cannot_scan_at_all_is_not_supported)
{
    uint16_t a;
    bl_op op;

    fake_hci_deny(w.hci, BL_CMD_LE_SET_SCAN_PARAMS);
    op = scan(&background, &a);
    op_done(op, BL_NOT_SUPPORTED);
    scan_done(a, BL_NOT_SUPPORTED);
    quiet();
    ck_assert_uint_eq(w.s.used, 0);
}
END_TEST

START_TEST(a_full_command_queue_delays_only)
{
    uint16_t a;
    bl_op op;

    w.hci->cmd_error = -EBUSY;
    op = scan(&background, &a);
    quiet();
    no_event();
    step();
    take(BL_CMD_LE_SET_SCAN_PARAMS, NULL);
    take(BL_CMD_LE_SET_SCAN_ENABLE, NULL);
    op_done(op, 0);
}
END_TEST

START_TEST(reset_ends_everything_with_its_status)
{
    struct bl_scan_params p = background;
    uint16_t a = running(&background), b;
    bl_op op;

    p.duration_ms = 1000;
    op = scan(&p, &b);
    const struct fake_cmd *cmd = expect(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    bl_scanner_reset(&w.s, w.now, BL_NOT_ACTIVE);
    scan_done(a, BL_NOT_ACTIVE);
    op_done(op, BL_NOT_ACTIVE);
    scan_done(b, BL_NOT_ACTIVE);
    no_event();
    ck_assert(bl_scanner_deadline(&w.s) == TIMERQ_NEVER);
    ck_assert(!w.radio.scanning);
    reply(cmd, 0); /* too late to matter */
    quiet();
    w.now += 10;
    running(&background);
}
END_TEST

START_TEST(nothing_is_asked_of_a_controller_that_is_not_ready)
{
    uint16_t a;
    bl_op op;

    w.radio.ready = false;
    ck_assert_int_eq(bl_scanner_scan(&w.s, w.now, &background, &a, &op), 0);
    ck_assert(!bl_scanner_step(&w.s, w.now));
    w.radio.ready = w.radio.outstanding = true;
    ck_assert(!bl_scanner_step(&w.s, w.now));
    quiet();
}
END_TEST

START_TEST(a_scan_that_there_is_no_memory_for_leaves_nothing)
{
    const struct bl_uuid u = bl_uuid_from16(0x180d);
    struct bl_scan_params p = background;
    uint16_t which;
    unsigned long n = 0;
    bl_op op;
    int r;

    p.filter = (struct bl_scan_filter){.services = &u, .n_services = 1, .name_prefix = "a"};
    do {
        oom_fail_at(++n);
        r = bl_scanner_scan(&w.s, w.now, &p, &which, &op);
        oom_off();
        if (r < 0)
            ck_assert(r == -ENOMEM && w.s.used == 0 && w.events.open_ops == 0);
    } while (r < 0);
    ck_assert_uint_eq(n, 4); /* the scan, its services, its name; nothing for advertisers yet */
    step();
    take(BL_CMD_LE_SET_SCAN_PARAMS, NULL);
    take(BL_CMD_LE_SET_SCAN_ENABLE, NULL);
    op_done(op, 0);
}
END_TEST

START_TEST(scanning_works_without_randomness)
{
    struct bl_scan_params once = background;

    w.random_fails = true;
    once.filter_duplicates = true;
    uint16_t a = running(&once);
    hear(report(1, 0, ""));
    heard(bit(a));
    hear(report(1, 0, ""));
    no_event();
}
END_TEST

/* ---- addresses ---- */

START_TEST(a_random_address_is_set_before_scanning_and_released_after)
{
    struct bl_scan_params p = background;
    uint16_t a;

    p.active = true;
    p.addr_mode = BL_ADDR_MODE_STATIC;
    bl_op op = scan(&p, &a);
    take(BL_CMD_LE_SET_RANDOM_ADDRESS, NULL);
    take(BL_CMD_LE_SET_SCAN_PARAMS, "01000812000100");
    take(BL_CMD_LE_SET_SCAN_ENABLE, NULL);
    while (w.events.count > 1) { /* the address may be news */
        struct bl_event e;
        bl_evq_pop(&w.events, &e);
        ck_assert_int_eq(e.kind, BL_EV_ADDRESS_CHANGED);
    }
    op_done(op, 0);
    ck_assert_int_eq(bl_privacy_check(&w.privacy, BL_PRIVACY_INIT, BL_ADDR_MODE_NRPA), -EBUSY);
    stop(a);
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    step();
    ck_assert_int_eq(bl_privacy_check(&w.privacy, BL_PRIVACY_INIT, BL_ADDR_MODE_NRPA), 0);
}
END_TEST

START_TEST(active_scans_agree_on_a_kind_of_address)
{
    struct bl_scan_params p = background, q = background;
    uint16_t a, b;
    bl_op op;

    p.active = q.active = true;
    p.addr_mode = BL_ADDR_MODE_NRPA;
    scan(&p, &a);
    q.addr_mode = BL_ADDR_MODE_STATIC;
    ck_assert_int_eq(try_scan(&q, &b, &op), -EBUSY);
    q.addr_mode = BL_ADDR_MODE_PUBLIC;
    ck_assert_int_eq(try_scan(&q, &b, &op), -EBUSY);
    q.addr_mode = BL_ADDR_MODE_DEFAULT; /* joins in */
    ck_assert_int_eq(try_scan(&q, &b, &op), 0);
    q.active = false; /* sends nothing */
    q.addr_mode = BL_ADDR_MODE_STATIC;
    ck_assert_int_eq(try_scan(&q, &b, &op), 0);
}
END_TEST

START_TEST(a_passive_scan_does_without_an_address_that_is_not_to_be_had)
{
    uint8_t own;

    ck_assert_int_eq(bl_privacy_own(&w.privacy, w.now, BL_PRIVACY_INIT, BL_ADDR_MODE_NRPA, &own),
                     -EAGAIN);
    w.radio.config.addr_mode = BL_ADDR_MODE_STATIC;
    bl_privacy_configured(&w.privacy, w.now);
    struct bl_scan_params p = background;
    uint16_t a;
    bl_op op;
    p.active = true;
    ck_assert_int_eq(try_scan(&p, &a, &op), -EBUSY);
    p.active = false;
    scan(&p, &a);
    take(BL_CMD_LE_SET_RANDOM_ADDRESS, NULL); /* the other's */
    take(BL_CMD_LE_SET_SCAN_PARAMS, "00000812000000");
    take(BL_CMD_LE_SET_SCAN_ENABLE, NULL);
}
END_TEST

/* Privacy has used the controller's scan for its own ends. */
START_TEST(parameters_that_were_changed_in_a_pause_are_told_anew)
{
    struct bl_scan_params p = background;
    uint16_t a;

    scan(&p, &a);
    take(BL_CMD_LE_SET_SCAN_PARAMS, NULL);
    take(BL_CMD_LE_SET_SCAN_ENABLE, NULL);
    for (int moved = 0; moved < 2; moved++) {
        w.radio.pause = true; /* until privacy's next step */
        w.radio.scan_moved = moved;
        ck_assert(bl_scanner_step(&w.s, w.now));
        take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
        if (moved)
            take(BL_CMD_LE_SET_SCAN_PARAMS, NULL);
        take(BL_CMD_LE_SET_SCAN_ENABLE, "0100");
        ck_assert(!w.radio.scan_moved);
    }
}
END_TEST

START_TEST(a_pause_stops_and_resumes_without_a_word_to_anyone)
{
    struct bl_scan_params p = background;
    struct bl_event e;
    uint16_t a;

    w.radio.config.irk[0] = 1;
    p.active = true;
    p.addr_mode = BL_ADDR_MODE_RPA;
    scan(&p, &a);
    take(BL_CMD_LE_SET_RANDOM_ADDRESS, NULL);
    take(BL_CMD_LE_SET_SCAN_PARAMS, NULL);
    take(BL_CMD_LE_SET_SCAN_ENABLE, NULL);
    while (bl_evq_pop(&w.events, &e))
        ;
    w.now += UINT64_C(900000000); /* the address has had its time */
    bl_privacy_tick(&w.privacy, w.now);
    step();
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0000");
    take(BL_CMD_LE_SET_RANDOM_ADDRESS, NULL);
    take(BL_CMD_LE_SET_SCAN_ENABLE, "0100");
    hear(report(1, 0, ""));
    while (bl_evq_pop(&w.events, &e) && e.kind == BL_EV_ADDRESS_CHANGED)
        ;
    ck_assert_int_eq(e.kind, BL_EV_REPORT);
    quiet();
}
END_TEST

/* ---- reports ---- */

START_TEST(a_report_is_handed_on_as_it_came)
{
    uint16_t a = running(&background);

    w.now += 5;
    hear(report(9, 2, "data"));
    struct bl_report r = heard(bit(a));
    ck_assert_uint_eq(r.addr.b[0], 9);
    ck_assert_uint_eq(r.adv_type, 2);
    ck_assert_int_eq(r.rssi, -50);
    ck_assert_uint_eq(r.len, 4);
    ck_assert_mem_eq(r.data, "data", 4);
}
END_TEST

START_TEST(directed_advertising_has_type_1_and_no_data)
{
    uint16_t a = running(&background);

    hear(report(1, 1, "what is this"));
    struct bl_report r = heard(bit(a));
    ck_assert_uint_eq(r.adv_type, 1);
    ck_assert_uint_eq(r.len, 0);
}
END_TEST

START_TEST(what_has_no_legacy_form_is_for_those_who_ask)
{
    struct bl_scan_params p = background;

    p.extended = true;
    uint16_t a = running(&background), b = running(&p);
    hear(report(1, 0xff, "extended"));
    heard(bit(b));
    hear(report(1, 3, "legacy"));
    heard(bit(a) | bit(b));
}
END_TEST

START_TEST(what_came_on_coded_is_for_those_who_listen_there)
{
    struct bl_scan_params p = background, q = background;
    struct bl_hci_event coded = report(1, 0xff, "");
    uint16_t a, b;
    struct bl_event e;

    p.extended = q.extended = true;
    q.phys = BL_PHYS_CODED;
    scan(&p, &a);
    scan(&q, &b);
    for (const struct fake_cmd *cmd; (cmd = fake_hci_take(w.hci));)
        reply(cmd, 0);
    while (bl_evq_pop(&w.events, &e))
        ;
    coded.adv.report.primary_phy = BL_PHY_CODED;
    hear(coded);
    heard(bit(b));
    hear(report(1, 0xff, ""));
    heard(bit(a));
}
END_TEST

START_TEST(fragments_are_joined_before_they_are_filtered)
{
    struct bl_scan_params p = background;
    struct bl_hci_event first = report(1, 0xff, "\x02\x01\x06\x03"),
                        rest = report(1, 0xff, "\x03\x0d\x18");
    const struct bl_uuid u = bl_uuid_from16(0x180d);

    p.extended = true;
    p.filter = (struct bl_scan_filter){.services = &u, .n_services = 1};
    uint16_t a = running(&p);
    first.adv.data_status = BL_HCI_DATA_MORE;
    hear(first);
    hear(report(2, 0, "")); /* another one's, between */
    no_event();
    hear(rest);
    struct bl_report r = heard(bit(a));
    ck_assert_uint_eq(r.len, 7);
    ck_assert(!r.truncated);
    ck_assert(bl_scanner_deadline(&w.s) == TIMERQ_NEVER);
}
END_TEST

START_TEST(a_chain_that_never_ends_comes_out_by_the_clock)
{
    struct bl_scan_params p = background;
    struct bl_hci_event first = report(1, 0xff, "begin");

    p.extended = true;
    uint16_t a = running(&p);
    first.adv.data_status = BL_HCI_DATA_MORE;
    hear(first);
    uint64_t at = bl_scanner_deadline(&w.s);
    ck_assert(at != TIMERQ_NEVER);
    pass(at - w.now);
    struct bl_report r = heard(bit(a));
    ck_assert(r.truncated);
    ck_assert_uint_eq(r.len, 5);
    ck_assert(bl_scanner_deadline(&w.s) == TIMERQ_NEVER);
}
END_TEST

START_TEST(a_private_address_is_reported_and_filtered_as_the_identity)
{
    /* Core 5.4, Vol 3, Part H, D.7: ah(IRK, 0x708194) = 0x0dfbaa */
    static const uint8_t irk[16] = {0x9b, 0x7d, 0x39, 0x0a, 0xa6, 0x10, 0x10, 0x34,
                                    0x05, 0xad, 0xc8, 0x57, 0xa3, 0x34, 0x02, 0xec};
    const struct bl_addr identity = {ADDR_PUBLIC, {1, 2, 3, 4, 5, 6}};
    const struct bl_addr rpa = {ADDR_RANDOM, {0xaa, 0xfb, 0x0d, 0x94, 0x81, 0x70}};
    struct bl_scan_params p = background, q = background;
    struct bl_hci_event e = report(1, 0, "");

    ck_assert_int_eq(bl_privacy_add_identity(&w.privacy, &identity, irk), 0);
    p.filter = (struct bl_scan_filter){.addresses = &identity, .n_addresses = 1};
    q.filter = (struct bl_scan_filter){.addresses = &rpa, .n_addresses = 1};
    uint16_t a = running(&p), b = running(&q);
    e.adv.report.addr = rpa;
    hear(e);
    struct bl_report r = heard(bit(a) | bit(b));
    ck_assert(bl_addr_eq(&r.addr, &identity));
    e.adv.report.addr = identity; /* resolved by the controller */
    e.adv.resolved = true;
    hear(e);
    heard(bit(a) | bit(b));
    e.adv.report.addr.b[0] ^= 1;
    hear(e);
    no_event();
}
END_TEST

START_TEST(counters_tell_what_became_of_reports)
{
    static const struct {
        const char *name;
        uint64_t value;
    } want[] = {{"scans-open", 1},    {"scan-restarts", 0},   {"scan-received", 4},
                {"scan-unwanted", 3}, {"scan-duplicates", 2}, {"scan-fragments-lost", 0},
                {"scan-seeks", 0},    {"scan-unresolved", 0}};
    struct bl_scan_params once = background;
    const char *name;
    uint64_t value;

    once.filter_duplicates = true;
    running(&once);
    hear(report(1, 0, ""));
    hear(report(1, 0, ""));
    hear(report(1, 0, ""));
    hear(report(1, 4, ""));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        ck_assert(bl_scanner_counter(&w.s, i, &name, &value));
        ck_assert_str_eq(name, want[i].name);
        ck_assert_msg(value == want[i].value, "%s %lu", name, (unsigned long)value);
    }
    ck_assert(!bl_scanner_counter(&w.s, ARRAY_LEN(want), &name, &value));
}
END_TEST

START_TEST(ten_thousand_advertisers_leave_bounded_memory_and_allocate_no_more)
{
    struct bl_scan_params once = background;
    struct bl_event e;

    once.filter_duplicates = true;
    once.filter.name_prefix = "";
    uint16_t a = running(&once);
    for (uint32_t i = 0; i < 20000; i++) {
        struct bl_hci_event r = report(1, 0, "\x02\x09z");
        r.adv.report.addr.b[1] = (uint8_t)i;
        r.adv.report.addr.b[2] = (uint8_t)(i >> 8);
        if (i == 10000)
            oom_fail_from(1);
        bl_scanner_event(&w.s, w.now, &r);
        if (!bl_evq_pop(&w.events, &e) || e.kind != BL_EV_REPORT || e.report.scans != bit(a)) {
            oom_off();
            ck_abort_msg("report %u did not come", i);
        }
    }
    unsigned long allocations = oom_count();
    oom_off();
    ck_assert_uint_eq(allocations, 0);
}
END_TEST

/* Commands fail, get lost and come late at random; scans begin and end at random: every command and
 * every scan ends once, and when all is quiet a scan works. */
START_TEST(whatever_happens_every_scan_ends_once)
{
    uint8_t op_state[20000] = {0};
    bool up[BL_MAX_SCANS] = {0};
    uint32_t random = (uint32_t)_i * 77777 + 1;
    const struct fake_cmd *out = NULL;
    struct bl_event e;

    for (unsigned i = 0; i < 1000; i++) {
        struct bl_scan_params p = background;
        uint16_t which;
        bl_op op;
        random = random * 1664525 + 1013904223;
        uint32_t r = random >> 12;
        switch (r % 8) {
        case 0:
        case 1:
            p.active = r & 256;
            p.filter_duplicates = r & 512;
            p.window_us *= 1 + (r >> 10) % 4;
            p.duration_ms = (r >> 14) % 5;
            if (try_scan(&p, &which, &op) == 0) {
                ck_assert(!up[which]);
                up[which] = true;
                op_state[op] = 1;
            }
            break;
        case 2:
            if (bl_scanner_stop_scan(&w.s, w.now, (uint16_t)(r >> 8) % BL_MAX_SCANS, &op) == 0)
                op_state[op] = 1;
            step();
            break;
        case 3:
            pass(r % 2000);
            break;
        case 4:
            w.radio.initiating = r & 256;
            if (r % 100 == 0)
                bl_scanner_reset(&w.s, w.now, BL_NOT_ACTIVE);
            step();
            break;
        default:
            if (!out)
                out = fake_hci_take(w.hci);
            if (!out)
                break;
            if (r & 256)
                reply(out, 0);
            else if (r & 512)
                lose(out);
            else
                reply(out, r & 1024 ? 0x0c : 0x12);
            out = NULL;
        }
        while (bl_evq_pop(&w.events, &e)) {
            if (e.kind == BL_EV_OP_DONE) {
                ck_assert_uint_eq(op_state[e.done.op], 1);
                op_state[e.done.op] = 2;
            } else {
                ck_assert_int_eq(e.kind, BL_EV_SCAN_DONE);
                ck_assert(up[e.scan_done.scan]);
                up[e.scan_done.scan] = false;
            }
        }
    }
    bl_scanner_reset(&w.s, w.now, BL_NOT_ACTIVE);
    if (!out)
        out = fake_hci_take(w.hci);
    if (out)
        reply(out, 0);
    while (bl_evq_pop(&w.events, &e))
        ;
    ck_assert_uint_eq(w.events.open_ops, 0);
    w.radio.initiating = false;
    running(&background);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/scanner");
    TCase *t = tcase_create("legacy");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin_legacy, end);
    tcase_add_test(t, a_scan_sets_parameters_then_enables);
    tcase_add_test(t, a_duration_counts_from_the_start_and_ends_the_scan);
    tcase_add_test(t, a_stopped_scan_hears_no_more_and_may_begin_again);
    tcase_add_test(t, a_scan_ends_without_a_number_also_while_events_wait);
    tcase_add_test(t, a_scan_stopped_before_it_runs_is_canceled);
    tcase_add_test(t, a_slot_taken_again_while_enabling_is_answered_for_itself);
    tcase_add_loop_test(t, arguments_out_of_range_are_refused_and_change_nothing, 0,
                        ARRAY_LEN(ranges));
    tcase_add_test(t, a_wider_scan_restarts_the_radio_and_disturbs_nobody);
    tcase_add_test(t, the_end_of_a_narrower_scan_leaves_the_radio_alone);
    tcase_add_test(t, a_newcomer_restarts_the_radio_so_that_nothing_is_withheld_from_it);
    tcase_add_test(t, each_scan_has_its_own_duration);
    tcase_add_test(t, scan_responses_are_for_active_scans_alone);
    tcase_add_test(t, duplicates_are_each_scans_own);
    tcase_add_test(t, the_controller_filters_duplicates_only_where_it_takes_nothing_from_anyone);
    tcase_add_test(t, filters_are_each_scans_own);
    tcase_add_test(t, sixty_four_scans_run_and_the_next_is_busy);
    tcase_add_test(t, without_a_number_for_the_command_nothing_changes);
    tcase_add_test(t, refused_parameters_end_the_newcomer_alone);
    tcase_add_test(t, where_even_the_old_state_is_refused_everything_ends);
    tcase_add_test(t, a_lost_enable_is_taken_back_and_told);
    tcase_add_test(t, running_scans_survive_one_lost_command);
    tcase_add_test(t, running_scans_end_when_the_second_try_is_lost);
    tcase_add_test(t, a_lost_disable_is_asked_once_more);
    tcase_add_test(t, a_controller_that_stops_by_itself_is_started_again);
    tcase_add_test(t, running_scans_wait_where_the_controller_does_not_scan_while_it_initiates);
    tcase_add_test(t, a_controller_that_cannot_scan_at_all_is_not_supported);
    tcase_add_test(t, a_full_command_queue_delays_only);
    tcase_add_test(t, reset_ends_everything_with_its_status);
    tcase_add_test(t, nothing_is_asked_of_a_controller_that_is_not_ready);
    tcase_add_test(t, a_scan_that_there_is_no_memory_for_leaves_nothing);
    tcase_add_test(t, scanning_works_without_randomness);
    tcase_add_test(t, a_random_address_is_set_before_scanning_and_released_after);
    tcase_add_test(t, active_scans_agree_on_a_kind_of_address);
    tcase_add_test(t, a_passive_scan_does_without_an_address_that_is_not_to_be_had);
    tcase_add_test(t, a_pause_stops_and_resumes_without_a_word_to_anyone);
    tcase_add_test(t, parameters_that_were_changed_in_a_pause_are_told_anew);
    tcase_add_test(t, a_report_is_handed_on_as_it_came);
    tcase_add_test(t, directed_advertising_has_type_1_and_no_data);
    tcase_add_test(t, what_has_no_legacy_form_is_for_those_who_ask);
    tcase_add_test(t, fragments_are_joined_before_they_are_filtered);
    tcase_add_test(t, a_chain_that_never_ends_comes_out_by_the_clock);
    tcase_add_test(t, a_private_address_is_reported_and_filtered_as_the_identity);
    tcase_add_test(t, counters_tell_what_became_of_reports);
    tcase_add_test(t, ten_thousand_advertisers_leave_bounded_memory_and_allocate_no_more);
    tcase_add_loop_test(t, whatever_happens_every_scan_ends_once, 0, 40);
    suite_add_tcase(s, t);
    t = tcase_create("extended");
    tcase_add_checked_fixture(t, begin_extended, end);
    tcase_add_test(t, a_scan_on_an_extended_controller_uses_extended_commands);
    tcase_add_test(t, each_phy_has_the_widest_of_those_that_want_it);
    tcase_add_test(t, what_came_on_coded_is_for_those_who_listen_there);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
