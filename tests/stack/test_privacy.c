/* SPDX-License-Identifier: MIT */

/*
 * Peers with private addresses, by their identities: A advertises with addresses that change, B has
 * its key and looks for it, C is anybody.
 */

#include "stack.h"

#include "base/cleanup.h"
#include "hci/cmd.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

enum { A, B, C };

#define S UINT64_C(1000000)

static struct stack *s;
static struct bl_addr identity; /* A's */

static void set_addr_mode(size_t end, enum bl_addr_mode mode, uint32_t timeout_s)
{
    struct bl_config config;

    bl_host_get_config(s->end[end].host, &config);
    config.addr_mode = mode;
    config.rpa_timeout_s = timeout_s;
    ck_assert_int_eq(bl_host_set_config(s->end[end].host, s->now, &config), 0);
    stack_settle(s);
}

/* B has paired with A some time. */
static void bond(void)
{
    struct bl_config config;
    struct bl_bond b = {.identity = identity, .has_irk = true};

    bl_host_get_config(s->end[A].host, &config);
    memcpy(b.irk, config.irk, 16);
    ck_assert_int_eq(bl_bond_add(s->end[B].host, s->now, &b), 0);
}

static void use_list(bool on)
{
    struct bl_config mine;

    bl_host_get_config(s->end[B].host, &mine);
    mine.resolving_list = on;
    ck_assert_int_eq(bl_host_set_config(s->end[B].host, s->now, &mine), 0);
}

static void begin(const struct bl_air_config *config, uint32_t timeout_s)
{
    s = stack_new(7, 3, config);
    identity = stack_addr(s, A);
    set_addr_mode(A, BL_ADDR_MODE_RPA, timeout_s);
    use_list(true);
    bond();
}

static struct bl_air_config config_of(int i)
{
    return i == 0 ? bl_air_config_default() : i == 1 ? bl_air_config_v42() : bl_air_config_v40();
}

/* Controllers that do not find private addresses by themselves. */
static struct bl_air_config plain_config_of(int i)
{
    struct bl_air_config config = config_of(i);

    config.resolving_list_size = 0;
    return config;
}

static uint16_t advertise(bool connectable)
{
    struct bl_adv_params params = {
        .interval_us = 100000, .connectable = connectable, .addr_mode = BL_ADDR_MODE_DEFAULT};
    uint16_t adv;
    bl_op op;

    ck_assert_int_eq(bl_advertise(s->end[A].host, s->now, 0, &params, &adv, &op), 0);
    ck_assert_uint_eq(stack_done(s, A, op, S).done.status, BL_OK);
    return adv;
}

static void stop_advertising(uint16_t adv)
{
    ck_assert_int_eq(bl_advertise_stop(s->end[A].host, s->now, adv, NULL), 0);
    stack_settle(s);
}

static uint16_t connect_to(const struct bl_addr *peer, bool automatic, uint32_t ms, bl_op *op)
{
    struct bl_connect_params params = {.peer = *peer,
                                       .scan_duration_ms = ms,
                                       .addr_mode = BL_ADDR_MODE_DEFAULT,
                                       .automatic = automatic};
    uint16_t attempt;

    ck_assert_int_eq(bl_connect(s->end[B].host, s->now, &params, &attempt, op), 0);
    return attempt;
}

/* B has a connection to A: by its identity in the event, by both addresses otherwise. */
static uint16_t is_connected(uint64_t us)
{
    struct bl_event e = stack_wait(s, B, BL_EV_CONNECTED, us);
    struct bl_addr on_air = stack_addr(s, A);
    struct bl_conn_info info;

    ck_assert(bl_addr_eq(&e.connected.peer, &identity));
    ck_assert_int_eq(bl_conn_info(s->end[B].host, e.connected.conn, &info), 0);
    ck_assert(bl_addr_is_rpa(&info.peer));
    ck_assert(bl_addr_eq(&info.peer, &on_air));
    ck_assert(bl_addr_eq(&info.identity, &identity));
    ck_assert_uint_eq(bl_conn_find(s->end[B].host, &identity), e.connected.conn);
    ck_assert_uint_eq(bl_conn_find(s->end[B].host, &on_air), e.connected.conn);
    return e.connected.conn;
}

static void disconnect(uint16_t conn)
{
    bl_op op;

    ck_assert_int_eq(bl_disconnect(s->end[B].host, s->now, conn, 0, &op), 0);
    ck_assert_uint_eq(stack_done(s, B, op, 10 * S).done.status, BL_OK);
}

/* Nothing is sought, scanned for or initiated when nobody wants it. */
static void is_at_rest(size_t end)
{
    stack_run(s, 3 * S);
    ck_assert_uint_eq(stack_counter(s, end, "scan-seeks"), 0);
    ck_assert_uint_eq(stack_counter(s, end, "connect-open"), 0);
}

START_TEST(scan_filter_by_identity_finds_changing_addresses)
{
    struct bl_air_config config = config_of(_i);
    struct bl_scan_params params = {.interval_us = 30000,
                                    .window_us = 30000,
                                    .addr_mode = BL_ADDR_MODE_DEFAULT,
                                    .filter = {.addresses = &identity, .n_addresses = 1}};
    uint16_t scan;
    bl_op op;

    begin(&config, 2);
    ck_assert_int_eq(bl_scan(s->end[B].host, s->now, &params, &scan, &op), 0);
    advertise(false);
    stack_forget(s);
    stack_run(s, 10 * S);
    ck_assert_uint_ge(stack_count(s, A, BL_EV_ADDRESS_CHANGED), 4);
    unsigned reports = stack_count(s, B, BL_EV_REPORT);
    ck_assert_uint_ge(reports, 60);
    for (unsigned i = 0; i < reports; i++) {
        struct bl_event e = stack_wait(s, B, BL_EV_REPORT, 0);
        ck_assert(bl_addr_eq(&e.report.addr, &identity));
    }
    stack_free(s);
}
END_TEST

START_TEST(direct_by_identity_finds_the_private_address)
{
    struct bl_air_config config = config_of(_i);
    bl_op op;

    begin(&config, 900);
    advertise(true);
    connect_to(&identity, false, 2000, &op);
    uint16_t conn = is_connected(2 * S);
    struct bl_event e = stack_done(s, B, op, S);
    ck_assert_uint_eq(e.done.status, BL_OK);
    ck_assert_uint_eq(e.done.conn, conn);
    is_at_rest(B);
    stack_free(s);
}
END_TEST

START_TEST(an_attempt_by_a_private_address_outlives_it)
{
    struct bl_air_config config = config_of(_i);
    struct bl_addr old;
    bl_op op;

    begin(&config, 2);
    old = stack_addr(s, A);
    ck_assert(bl_addr_is_rpa(&old));
    stack_run(s, 3 * S);
    advertise(true);
    struct bl_addr now = stack_addr(s, A);
    ck_assert(!bl_addr_eq(&now, &old));
    connect_to(&old, false, 2000, &op);
    is_connected(2 * S);
    ck_assert_uint_eq(stack_done(s, B, op, S).done.status, BL_OK);
    stack_free(s);
}
END_TEST

START_TEST(a_bonded_peer_without_privacy_connects_too)
{
    struct bl_air_config config = config_of(_i);
    bl_op op;

    begin(&config, 900);
    set_addr_mode(A, BL_ADDR_MODE_PUBLIC, 900);
    advertise(true);
    for (int automatic = 0; automatic < 2; automatic++) {
        uint16_t attempt = connect_to(&identity, automatic, 2000, &op);
        struct bl_event e = stack_wait(s, B, BL_EV_CONNECTED, 3 * S);
        ck_assert(bl_addr_eq(&e.connected.peer, &identity));
        if (automatic)
            ck_assert_int_eq(bl_connect_cancel(s->end[B].host, s->now, attempt), 0);
        disconnect(e.connected.conn);
        advertise(true);
    }
    stack_free(s);
}
END_TEST

START_TEST(auto_by_identity_connects_again_and_again)
{
    struct bl_air_config config = config_of(_i);
    bl_op op;

    begin(&config, 2);
    uint16_t attempt = connect_to(&identity, true, 0, &op);
    stack_run(s, 3 * S);
    for (int i = 0; i < 4; i++) {
        advertise(true);
        uint16_t conn = is_connected(5 * S);
        stack_run(s, 3 * S); /* there is another address by then */
        disconnect(conn);
    }
    ck_assert_int_eq(bl_connect_cancel(s->end[B].host, s->now, attempt), 0);
    is_at_rest(B);
    stack_free(s);
}
END_TEST

/* Heard once, and gone before B could connect; then there with another address. */
START_TEST(a_new_address_in_the_middle_of_an_attempt_is_followed)
{
    struct bl_air_config config = plain_config_of(_i % 3);
    bool automatic = _i >= 3;
    bl_op op;

    begin(&config, 2);
    connect_to(&identity, automatic, 20000, &op);
    stack_run(s, S);
    for (uint64_t round = 1; round <= 3; round++) {
        uint16_t adv = advertise(true);
        while (stack_counter(s, B, "connect-sightings") < round)
            stack_run(s, 100);
        stop_advertising(adv);
        ck_assert_uint_eq(stack_count(s, B, BL_EV_CONNECTED), 0);
        stack_run(s, 5 * S / 2);
    }
    advertise(true);
    is_connected(5 * S);
    ck_assert_uint_eq(stack_done(s, B, op, S).done.status, BL_OK);
    stack_free(s);
}
END_TEST

START_TEST(nobody_else_is_taken_for_the_peer)
{
    struct bl_air_config config = config_of(_i);
    bl_op op;

    begin(&config, 900);
    identity = stack_addr(s, C); /* C is bonded, A is on the air, with another key than C's */
    struct bl_bond b = {.identity = identity, .has_irk = true, .irk = {0x77}};
    ck_assert_int_eq(bl_bond_add(s->end[B].host, s->now, &b), 0);
    advertise(true);
    connect_to(&identity, false, 3000, &op);
    ck_assert_uint_eq(stack_done(s, B, op, 6 * S).done.status, BL_TIMEOUT);
    ck_assert_uint_eq(stack_count(s, B, BL_EV_CONNECTED), 0);
    is_at_rest(B);
    stack_free(s);
}
END_TEST

START_TEST(a_bond_that_comes_or_goes_during_an_attempt_counts)
{
    struct bl_air_config config = config_of(_i);
    bl_op op;

    begin(&config, 900);
    ck_assert_int_eq(bl_bond_remove(s->end[B].host, s->now, &identity), 0);
    advertise(true);
    connect_to(&identity, false, 20000, &op);
    stack_run(s, 3 * S);
    ck_assert_uint_eq(stack_count(s, B, BL_EV_CONNECTED), 0);
    ck_assert_uint_eq(stack_counter(s, B, "scan-seeks"), 0);
    bond();
    is_connected(3 * S);
    stack_free(s);
}
END_TEST

START_TEST(scans_of_clients_and_seeking_go_together)
{
    struct bl_air_config config = plain_config_of(_i);
    struct bl_scan_params params = {.interval_us = 60000,
                                    .window_us = 30000,
                                    .active = true,
                                    .filter_duplicates = true,
                                    .addr_mode = BL_ADDR_MODE_DEFAULT};
    uint16_t scan;
    bl_op op, scan_op;

    begin(&config, 900);
    uint16_t attempt = connect_to(&identity, true, 0, &op);
    stack_run(s, S);
    ck_assert_uint_eq(stack_counter(s, B, "scan-seeks"), 1);
    ck_assert_int_eq(bl_scan_stop(s->end[B].host, s->now, 0, NULL), -ENOENT);
    ck_assert_int_eq(bl_scan(s->end[B].host, s->now, &params, &scan, &scan_op), 0);
    ck_assert_uint_eq(stack_done(s, B, scan_op, S).done.status, BL_OK);
    advertise(false);
    stack_run(s, 3 * S);
    unsigned reports = stack_count(s, B, BL_EV_REPORT);
    ck_assert_uint_eq(reports, 1);
    ck_assert_uint_eq(stack_wait(s, B, BL_EV_REPORT, 0).report.scans, UINT64_C(1) << scan);
    ck_assert_int_eq(bl_connect_cancel(s->end[B].host, s->now, attempt), 0);
    stack_run(s, S);
    ck_assert_uint_eq(stack_counter(s, B, "scans-open"), 1);
    ck_assert_int_eq(bl_scan_stop(s->end[B].host, s->now, scan, NULL), 0);
    stack_wait(s, B, BL_EV_SCAN_DONE, S);
    ck_assert_uint_eq(stack_count(s, B, BL_EV_SCAN_DONE), 0);
    is_at_rest(B);
    stack_free(s);
}
END_TEST

START_TEST(a_controller_that_refuses_to_scan_is_not_pestered)
{
    struct bl_air_config config = plain_config_of(_i);
    uint16_t enable = config.extended ? BL_CMD_LE_SET_EXT_SCAN_ENABLE : BL_CMD_LE_SET_SCAN_ENABLE;
    bl_op op;

    begin(&config, 900);
    ck_assert_int_eq(bl_air_fault_command(s->air, s->end[B].controller, enable,
                                          BL_AIR_ANSWER_STATUS, 0x0c, BL_AIR_FOREVER),
                     0);
    uint64_t packets = s->end[B].packets_out;
    connect_to(&identity, false, 30000, &op);
    ck_assert_uint_eq(stack_done(s, B, op, 40 * S).done.status, BL_TIMEOUT);
    ck_assert_uint_le(s->end[B].packets_out - packets, 40);
    set_addr_mode(A, BL_ADDR_MODE_PUBLIC, 900);
    advertise(true);
    connect_to(&identity, false, 2000, &op);
    ck_assert_uint_eq(stack_done(s, B, op, 3 * S).done.status, BL_OK);
    stack_free(s);
}
END_TEST

START_TEST(a_reset_of_the_controller_ends_the_seeking_and_it_begins_anew)
{
    struct bl_air_config config = config_of(_i);
    bl_op op;

    begin(&config, 900);
    connect_to(&identity, true, 0, &op);
    stack_run(s, S);
    bl_host_stop(s->end[B].host, s->now);
    bl_air_power_off(s->air, s->now, s->end[B].controller);
    stack_run(s, S);
    bl_air_power_on(s->air, s->now, s->end[B].controller);
    ck_assert_int_eq(bl_host_start(s->end[B].host, s->now, &op), 0);
    ck_assert_uint_eq(stack_done(s, B, op, S).done.status, BL_OK);
    ck_assert_uint_eq(stack_counter(s, B, "scan-seeks"), 0);
    stack_forget(s);
    advertise(true);
    connect_to(&identity, true, 0, &op);
    is_connected(5 * S);
    stack_free(s);
}
END_TEST

/* ---- the controller's resolving list ---- */

START_TEST(a_resolving_list_finds_the_peer_without_scanning)
{
    struct bl_air_config config = bl_air_config_default();
    bool automatic = _i;
    bl_op op;

    begin(&config, 2);
    connect_to(&identity, automatic, 20000, &op);
    for (int i = 0; i < 3; i++) {
        stack_run(s, 3 * S);
        ck_assert_uint_eq(stack_counter(s, B, "scan-seeks"), 0);
    }
    advertise(true);
    is_connected(5 * S);
    ck_assert_uint_eq(stack_done(s, B, op, S).done.status, BL_OK);
    ck_assert_uint_eq(stack_counter(s, B, "connect-sightings"), 0);
    stack_free(s);
}
END_TEST

/* What is configured otherwise. */
START_TEST(without_the_list_the_host_listens)
{
    struct bl_air_config config = bl_air_config_default();
    bool automatic = _i;
    bl_op op;

    begin(&config, 2);
    use_list(false);
    connect_to(&identity, automatic, 20000, &op);
    stack_run(s, 3 * S);
    ck_assert_uint_ge(stack_counter(s, B, "scan-seeks"), 1);
    advertise(true);
    is_connected(5 * S);
    ck_assert_uint_ge(stack_counter(s, B, "connect-sightings"), 1);
    stack_free(s);
}
END_TEST

START_TEST(advertising_and_scanning_go_on_after_the_list_has_changed)
{
    struct bl_air_config config = bl_air_config_default();
    struct bl_adv_params adv = {
        .interval_us = 100000, .connectable = true, .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_scan_params scan = {
        .interval_us = 30000, .window_us = 30000, .addr_mode = BL_ADDR_MODE_DEFAULT};
    uint16_t id, attempt;
    bl_op op;

    config.extended = _i;
    if (!_i)
        config.le_features &= ~BL_AIR_LE_EXTENDED_ADV;
    begin(&config, 900);
    ck_assert_int_eq(bl_advertise(s->end[B].host, s->now, 0, &adv, &id, &op), 0);
    ck_assert_int_eq(bl_scan(s->end[B].host, s->now, &scan, &id, &op), 0);
    ck_assert_int_eq(bl_scan(s->end[C].host, s->now, &scan, &id, &op), 0);
    advertise(false);
    attempt = connect_to(&identity, true, 0, &op);
    stack_run(s, S);
    ck_assert_uint_eq(stack_counter(s, B, "scan-seeks"), 0);
    stack_forget(s);
    stack_run(s, 2 * S);
    ck_assert_uint_ge(stack_count(s, B, BL_EV_REPORT), 15);
    ck_assert_uint_ge(stack_count(s, C, BL_EV_REPORT), 30);
    ck_assert_uint_eq(stack_count(s, B, BL_EV_ADV_STOPPED), 0);
    struct bl_event e = stack_wait(s, B, BL_EV_REPORT, 0);
    ck_assert(bl_addr_eq(&e.report.addr, &identity));
    /* The bond goes, and with it what the controller knows. */
    ck_assert_int_eq(bl_bond_remove(s->end[B].host, s->now, &identity), 0);
    stack_run(s, S);
    stack_forget(s);
    struct bl_addr on_air = stack_addr(s, A);
    e = stack_wait(s, B, BL_EV_REPORT, S);
    ck_assert(bl_addr_eq(&e.report.addr, &on_air));
    ck_assert_int_eq(bl_connect_cancel(s->end[B].host, s->now, attempt), 0);
    stack_free(s);
}
END_TEST

/* One has the controller's only entry, the other is sought. */
START_TEST(a_list_that_is_full_leaves_the_others_to_the_host)
{
    struct bl_air_config config = bl_air_config_default();
    struct bl_adv_params adv = {
        .interval_us = 100000, .connectable = true, .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_config theirs;
    uint16_t id;
    bl_op op;

    config.resolving_list_size = _i == 0 ? 2 : 16; /* one for ourselves */
    begin(&config, 2);
    struct bl_bond b = {.identity = stack_addr(s, C), .has_irk = true};
    bl_host_get_config(s->end[C].host, &theirs);
    memcpy(b.irk, theirs.irk, 16);
    set_addr_mode(C, BL_ADDR_MODE_RPA, 2);
    ck_assert_int_eq(bl_bond_add(s->end[B].host, s->now, &b), 0);
    connect_to(&identity, true, 0, &op);
    stack_run(s, S);
    if (_i == 1) /* it has lied about its size */
        ck_assert_int_eq(bl_air_fault_command(s->air, s->end[B].controller,
                                              BL_CMD_LE_ADD_RESOLVING_LIST, BL_AIR_ANSWER_STATUS,
                                              0x07, BL_AIR_FOREVER),
                         0);
    connect_to(&b.identity, true, 0, &op);
    stack_run(s, S);
    ck_assert_uint_eq(stack_counter(s, B, "scan-seeks"), 1);
    advertise(true);
    is_connected(5 * S);
    ck_assert_int_eq(bl_advertise(s->end[C].host, s->now, 0, &adv, &id, &op), 0);
    struct bl_event e = stack_wait(s, B, BL_EV_CONNECTED, 30 * S);
    ck_assert(bl_addr_eq(&e.connected.peer, &b.identity));
    stack_free(s);
}
END_TEST

static const uint16_t list_commands[] = {BL_CMD_LE_ADD_RESOLVING_LIST, BL_CMD_LE_SET_PRIVACY_MODE,
                                         BL_CMD_LE_SET_ADDRESS_RESOLUTION};
static const struct {
    enum bl_air_command_fault fault;
    unsigned value, times;
} list_faults[] = {{BL_AIR_ANSWER_STATUS, 0x0c, 1},
                   {BL_AIR_ANSWER_STATUS, 0x01, BL_AIR_FOREVER},
                   {BL_AIR_ANSWER_STATUS, 0x07, BL_AIR_FOREVER},
                   {BL_AIR_NEVER_ANSWER, 0, 1}};

START_TEST(a_list_that_is_refused_leaves_all_to_the_host)
{
    struct bl_air_config config = bl_air_config_default();
    size_t i = (size_t)_i % ARRAY_LEN(list_faults), command = (size_t)_i / ARRAY_LEN(list_faults);
    bl_op op;

    begin(&config, 2);
    ck_assert_int_eq(bl_air_fault_command(s->air, s->end[B].controller, list_commands[command],
                                          list_faults[i].fault, list_faults[i].value,
                                          list_faults[i].times),
                     0);
    uint16_t attempt = connect_to(&identity, true, 0, &op);
    stack_run(s, 5 * S);
    ck_assert_uint_eq(stack_counter(s, B, "scan-seeks"), 1);
    advertise(true);
    uint16_t conn = is_connected(5 * S);
    ck_assert_int_eq(bl_connect_cancel(s->end[B].host, s->now, attempt), 0);
    disconnect(conn);
    set_addr_mode(A, BL_ADDR_MODE_PUBLIC, 900); /* nor does it hide what it knows half of */
    advertise(true);
    connect_to(&identity, false, 3000, &op);
    ck_assert_uint_eq(stack_done(s, B, op, 4 * S).done.status, BL_OK);
    stack_free(s);
}
END_TEST

/* ---- network privacy mode ---- */

static void insist_on_privacy(bool list)
{
    struct bl_config mine;

    bl_host_get_config(s->end[B].host, &mine);
    mine.network_privacy = true;
    mine.resolving_list = list;
    ck_assert_int_eq(bl_host_set_config(s->end[B].host, s->now, &mine), 0);
}

/* A has a key and uses its identity address all the same: B knows nobody of that name. The host
 * alone, and the controller's list; direct and automatic. */
START_TEST(network_privacy_takes_nobody_for_a_peer_under_its_identity_address)
{
    struct bl_air_config config = config_of(_i % 3);
    struct bl_scan_params scan = {
        .interval_us = 30000, .window_us = 30000, .addr_mode = BL_ADDR_MODE_DEFAULT};
    uint16_t id;
    bl_op op;

    begin(&config, 900);
    insist_on_privacy(_i >= 3);
    set_addr_mode(A, BL_ADDR_MODE_PUBLIC, 900);
    ck_assert_int_eq(bl_scan(s->end[B].host, s->now, &scan, &id, &op), 0);
    uint16_t adv = advertise(true);
    connect_to(&identity, false, 3000, &op);
    ck_assert_uint_eq(stack_done(s, B, op, 6 * S).done.status, BL_TIMEOUT);
    uint16_t attempt = connect_to(&identity, true, 0, &op);
    stack_run(s, 3 * S);
    ck_assert_uint_eq(stack_count(s, A, BL_EV_CONNECTED), 0);
    ck_assert_uint_eq(stack_count(s, B, BL_EV_CONNECTED), 0);
    ck_assert_uint_eq(stack_count(s, B, BL_EV_REPORT), 0);
    set_addr_mode(A, BL_ADDR_MODE_RPA, 900);
    stop_advertising(adv);
    advertise(true);
    is_connected(5 * S);
    ck_assert_int_eq(bl_connect_cancel(s->end[B].host, s->now, attempt), 0);
    stack_free(s);
}
END_TEST

START_TEST(network_privacy_finds_private_addresses)
{
    struct bl_air_config config = config_of(_i % 3);
    bl_op op;

    begin(&config, 2);
    insist_on_privacy(_i >= 3);
    uint16_t attempt = connect_to(&identity, true, 0, &op);
    stack_run(s, 3 * S);
    for (int i = 0; i < 2; i++) {
        advertise(true);
        uint16_t conn = is_connected(5 * S);
        stack_run(s, 3 * S);
        disconnect(conn);
    }
    ck_assert_int_eq(bl_connect_cancel(s->end[B].host, s->now, attempt), 0);
    advertise(true);
    connect_to(&identity, false, 3000, &op);
    is_connected(3 * S);
    is_at_rest(B);
    stack_free(s);
}
END_TEST

/* A connects to B, first as anybody who has its address could, then as itself. */
START_TEST(network_privacy_lets_nobody_in_under_a_peers_identity_address)
{
    struct bl_air_config config = config_of(_i);
    struct bl_adv_params adv = {.interval_us = 100000,
                                .connectable = true,
                                .resume = true,
                                .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_connect_params to = {.scan_duration_ms = 2000, .addr_mode = BL_ADDR_MODE_DEFAULT};
    uint16_t id;
    bl_op op;

    begin(&config, 900);
    insist_on_privacy(false);
    set_addr_mode(A, BL_ADDR_MODE_PUBLIC, 900);
    to.peer = stack_addr(s, B);
    ck_assert_int_eq(bl_advertise(s->end[B].host, s->now, 0, &adv, &id, &op), 0);
    ck_assert_int_eq(bl_connect(s->end[A].host, s->now, &to, &id, &op), 0);
    stack_run(s, 3 * S);
    ck_assert_uint_eq(stack_count(s, B, BL_EV_CONNECTED), 0);
    ck_assert_uint_eq(stack_count(s, B, BL_EV_ADV_STOPPED), 0);
    ck_assert_uint_eq(stack_count(s, A, BL_EV_CONNECTED), stack_count(s, A, BL_EV_DISCONNECTED));
    set_addr_mode(A, BL_ADDR_MODE_RPA, 900);
    ck_assert_int_eq(bl_connect(s->end[A].host, s->now, &to, &id, &op), 0);
    struct bl_event e = stack_wait(s, B, BL_EV_CONNECTED, 3 * S);
    ck_assert(bl_addr_eq(&e.connected.peer, &identity));
    stack_free(s);
}
END_TEST

/* ---- more new addresses than can be tried ---- */

/* B has as many bonds as it can, A's among them. */
static void bond_with_many(void)
{
    for (unsigned i = 0; i < BL_MAX_BONDS - 1; i++) {
        struct bl_bond b = {.identity = {ADDR_PUBLIC, {(uint8_t)i, (uint8_t)(i >> 8), 7}},
                            .has_irk = true,
                            .irk = {(uint8_t)i, (uint8_t)(i >> 8), 9}};
        ck_assert_int_eq(bl_bond_add(s->end[B].host, s->now, &b), 0);
    }
}

/* n advertising reports to B, each from another RPA that is nobody's. */
static void flood(unsigned n)
{
    static unsigned next;
    uint8_t report[] = {0x04, 0x3e, 12 + 3, 2, 1, 0, 1, 0, 0, 0, 4, 1, 0x40, 3, 2, 1, 6, 0xc0};

    for (unsigned i = 0; i < n; i++, next++) {
        report[7] = (uint8_t)next;
        report[8] = (uint8_t)(next >> 8);
        report[9] = (uint8_t)(next >> 16);
        ck_assert_int_eq(bl_host_receive(s->end[B].host, s->now, report, sizeof(report)), 0);
        stack_settle(s);
    }
}

/* A is heard for the first time when nothing can be afforded, by a controller that reports each
 * advertiser once. */
START_TEST(who_could_not_be_found_out_is_later)
{
    struct bl_air_config config = bl_air_config_v42();
    struct bl_scan_params scan = {.interval_us = 30000,
                                  .window_us = 30000,
                                  .filter_duplicates = true,
                                  .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_event e;
    uint16_t id;
    bl_op op;

    begin(&config, 900);
    bond_with_many();
    ck_assert_int_eq(bl_scan(s->end[B].host, s->now, &scan, &id, &op), 0);
    stack_done(s, B, op, S);
    struct bl_addr mine = stack_addr(s, A);
    flood(200);
    stack_forget(s);
    bl_op started;
    struct bl_adv_params adv = {.interval_us = 100000, .addr_mode = BL_ADDR_MODE_DEFAULT};
    ck_assert_int_eq(bl_advertise(s->end[A].host, s->now, 0, &adv, &id, &started), 0);
    e = stack_wait(s, B, BL_EV_REPORT, S);
    ck_assert(bl_addr_eq(&e.report.addr, &mine));
    ck_assert_uint_ge(stack_counter(s, B, "scan-unresolved"), 100);
    e = stack_wait(s, B, BL_EV_REPORT, 2 * S);
    ck_assert(bl_addr_eq(&e.report.addr, &identity));
    stack_free(s);
}
END_TEST

START_TEST(a_flood_of_addresses_keeps_nobody_from_connecting)
{
    struct bl_air_config config = plain_config_of(1);
    bl_op op;

    begin(&config, 900);
    bond_with_many();
    flood(1); /* not scanned for: of no interest */
    connect_to(&identity, false, 3000, &op);
    stack_run(s, S / 2);
    flood(200);
    ck_assert_uint_ge(stack_counter(s, B, "scan-unresolved"), 100);
    advertise(true);
    for (unsigned i = 0; i < 2000 && stack_count(s, B, BL_EV_CONNECTED) == 0; i++) {
        flood(2);
        stack_run(s, S / 1000);
    }
    is_connected(0);
    stack_free(s);
}
END_TEST

/* ---- our own ---- */

enum { OURS = BL_AIR_LIST_FROZEN + 1, OWN_KINDS }; /* kinds of list; OURS: as configured, none */

/* By whom A's addresses are made: controllers of three ages, with each kind of list. */
static struct bl_air_config own_config(int i)
{
    struct bl_air_config config = config_of(i % 3);

    if (i / 3 < OURS)
        config.list = (enum bl_air_list)(i / 3);
    return config;
}

static void begin_own(int i, uint32_t timeout_s)
{
    struct bl_air_config config = own_config(i);
    struct bl_config mine;

    s = stack_new_off(11, 3, &config);
    for (size_t end = 0; end < 3; end++) {
        bl_op op;
        bl_host_get_config(s->end[end].host, &mine);
        if (end == A) {
            mine.addr_mode = BL_ADDR_MODE_RPA;
            mine.rpa_timeout_s = timeout_s;
            mine.resolving_list = i / 3 < OURS;
            ck_assert_int_eq(bl_host_set_config(s->end[A].host, s->now, &mine), 0);
        }
        ck_assert_int_eq(bl_host_start(s->end[end].host, s->now, &op), 0);
        stack_done(s, end, op, S);
    }
    stack_forget(s);
    identity = config.public;
    identity.b[0] = 0x10;
    bl_air_watch(s->air, s->end[A].controller, &identity);
}

static struct bl_addr on_air(enum bl_air_use use)
{
    return bl_air_own(s->air, s->end[A].controller, use);
}

/* Moves time until the address on the air has changed, at most by us; the new one. */
static struct bl_addr changed(enum bl_air_use use, const struct bl_addr *from, uint64_t us)
{
    struct bl_addr now = on_air(use);

    for (uint64_t end = s->now + us; s->now < end && bl_addr_eq(&now, from); now = on_air(use))
        stack_run(s, 50000);
    ck_assert(!bl_addr_eq(&now, from));
    ck_assert(bl_addr_is_rpa(&now));
    return now;
}

/* The address changes while we advertise, by whomever it is made. It is told, and the controller
 * that makes it is left alone by its host. */
START_TEST(the_address_changes_while_we_advertise)
{
    bool by_controller = _i / 3 == BL_AIR_LIST_WORKS && _i % 3 != 2;

    begin_own(_i, 2);
    advertise(true);
    stack_run(s, 12 * S); /* also for one whose address stays to be found out */
    struct bl_addr mine = on_air(BL_AIR_USE_ADV);
    for (int i = 0; i < 4; i++) {
        uint64_t packets = s->end[A].packets_out;
        mine = changed(BL_AIR_USE_ADV, &mine, 3 * S);
        struct bl_addr told = stack_addr(s, A);
        ck_assert(bl_addr_eq(&told, &mine) || by_controller);
        if (by_controller)
            ck_assert_uint_le(s->end[A].packets_out - packets, 4); /* it is asked, every second */
    }
    stack_forget(s);
    stack_run(s, 10 * S);
    ck_assert_uint_ge(stack_count(s, A, BL_EV_ADDRESS_CHANGED), 4);
    ck_assert_uint_eq(bl_air_watched(s->air, s->end[A].controller), 0);
    stack_free(s);
}
END_TEST

/* With an active scan, whose requests carry it, alone and beside advertising. */
START_TEST(the_address_changes_while_we_scan)
{
    struct bl_adv_params adv = {
        .interval_us = 100000, .scannable = true, .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_scan_params scan = {.interval_us = 30000,
                                  .window_us = 30000,
                                  .active = true,
                                  .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_addr mine = {0};
    uint16_t id;
    bl_op op;

    begin_own(_i, 2);
    ck_assert_int_eq(bl_advertise(s->end[B].host, s->now, 0, &adv, &id, &op), 0);
    ck_assert_int_eq(bl_scan(s->end[A].host, s->now, &scan, &id, &op), 0);
    for (int i = 0; i < 8; i++) {
        mine = changed(BL_AIR_USE_SCAN, &mine, 3 * S);
        if (i == 4)
            advertise(true);
    }
    ck_assert_uint_eq(bl_air_watched(s->air, s->end[A].controller), 0);
    stack_free(s);
}
END_TEST

static void command(size_t end, uint16_t opcode, const uint8_t *params, size_t n)
{
    bl_op op;

    ck_assert_int_eq(bl_hci_command(s->end[end].host, s->now, opcode, params, n, &op), 0);
    ck_assert_uint_eq(stack_done(s, end, op, S).done.reply.status, 0);
}

/* A bonded peer that A looks for by the list directs its advertising at A, by an address that its
 * controller has made of A's key. */
START_TEST(what_a_listed_peer_directs_at_us_is_for_us)
{
    struct bl_bond b = {.has_irk = true};
    struct bl_connect_params to = {.scan_duration_ms = 3000, .addr_mode = BL_ADDR_MODE_DEFAULT};
    uint8_t entry[39] = {0}, directed[15] = {0xa0, 0, 0xa0, 0, 4, 2, 0}, on = 1;
    struct bl_config config;
    uint16_t id;
    bl_op op;

    begin_own(1, 900);
    b.identity = to.peer = stack_addr(s, B);
    bl_host_get_config(s->end[B].host, &config);
    memcpy(b.irk, config.irk, 16);
    memcpy(entry + 23, config.irk, 16);
    ck_assert_int_eq(bl_bond_add(s->end[A].host, s->now, &b), 0);
    bl_host_get_config(s->end[A].host, &config);
    config.network_privacy = true; /* for which this old a controller's list will do */
    ck_assert_int_eq(bl_host_set_config(s->end[A].host, s->now, &config), 0);
    ck_assert_int_eq(bl_connect(s->end[A].host, s->now, &to, &id, &op), 0);
    memcpy(entry + 1, identity.b, 6);
    memcpy(entry + 7, config.irk, 16);
    memcpy(directed + 7, identity.b, 6);
    directed[13] = 7;
    command(B, BL_CMD_LE_ADD_RESOLVING_LIST, entry, sizeof(entry));
    command(B, BL_CMD_LE_SET_ADDRESS_RESOLUTION, &on, 1);
    command(B, BL_CMD_LE_SET_ADV_PARAMS, directed, sizeof(directed));
    command(B, BL_CMD_LE_SET_ADV_ENABLE, &on, 1);
    ck_assert_uint_eq(stack_done(s, A, op, 3 * S).done.status, BL_OK);
    struct bl_addr mine = on_air(BL_AIR_USE_INIT);
    ck_assert(bl_addr_is_rpa(&mine));
    ck_assert_uint_eq(bl_air_watched(s->air, s->end[A].controller), 0);
    stack_free(s);
}
END_TEST

static uint32_t draw(uint32_t *state, uint32_t n)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % n;
}

static void do_something(uint32_t *state)
{
    static const uint16_t faulty[] = {
        BL_CMD_LE_ADD_RESOLVING_LIST, BL_CMD_LE_SET_ADDRESS_RESOLUTION,
        BL_CMD_LE_READ_LOCAL_RPA,     BL_CMD_LE_SET_RPA_TIMEOUT,
        BL_CMD_LE_SET_PRIVACY_MODE,   BL_CMD_LE_SET_RANDOM_ADDRESS,
        BL_CMD_LE_SET_ADV_PARAMS,     BL_CMD_LE_SET_EXT_ADV_PARAMS};
    struct bl_host *host = s->end[A].host;
    struct bl_addr theirs = stack_addr(s, 1 + draw(state, 2));
    uint32_t k = draw(state, 16);
    struct bl_adv_params adv = {.interval_us = 30000,
                                .connectable = k & 1,
                                .scannable = k & 2,
                                .resume = k & 4,
                                .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_scan_params scan = {.interval_us = 30000,
                                  .window_us = 15000,
                                  .active = true,
                                  .duration_ms = k & 1 ? 300 : 0,
                                  .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_connect_params to = {.peer = theirs,
                                   .scan_duration_ms = 500,
                                   .automatic = k & 1,
                                   .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_bond bond = {.identity = theirs, .has_irk = true, .irk = {(uint8_t)k, 9}};
    uint16_t id;
    bl_op op;

    switch (draw(state, 12)) {
    case 0:
    case 1:
        adv.has_directed = k == 15;
        adv.directed = theirs;
        adv.connectable |= adv.has_directed;
        adv.scannable &= !adv.has_directed;
        (void)bl_advertise(host, s->now, (uint16_t)(k & 8 ? draw(state, 4) : 0), &adv, &id, &op);
        break;
    case 2:
        (void)bl_advertise_stop(host, s->now, (uint16_t)draw(state, 6), NULL);
        break;
    case 3:
        (void)bl_scan(host, s->now, &scan, &id, &op);
        break;
    case 4:
        (void)bl_scan_stop(host, s->now, (uint16_t)draw(state, 6), NULL);
        break;
    case 5:
    case 6:
        (void)bl_connect(host, s->now, &to, &id, &op);
        break;
    case 7:
        (void)bl_disconnect(host, s->now, (uint16_t)draw(state, 8), 0, NULL);
        break;
    case 8:
        if (k & 1)
            (void)bl_bond_add(host, s->now, &bond);
        else
            (void)bl_bond_remove(host, s->now, &theirs);
        break;
    case 9:
        set_addr_mode(A, BL_ADDR_MODE_RPA, 1 + k % 3);
        break;
    case 10:
        (void)bl_air_fault_command(s->air, s->end[A].controller, faulty[draw(state, 8)],
                                   k & 1 ? BL_AIR_ANSWER_STATUS : BL_AIR_NEVER_ANSWER, 0x0c, 1);
        break;
    case 11:
        if (k == 0 || !bl_host_ready(host)) {
            bl_host_stop(host, s->now);
            bl_air_power_off(s->air, s->now, s->end[A].controller);
            bl_air_power_on(s->air, s->now, s->end[A].controller);
            (void)bl_host_start(host, s->now, &op);
        }
        break;
    }
}

/* Whatever is done in whatever order, with whatever goes wrong. */
START_TEST(the_identity_address_is_never_on_the_air)
{
    struct bl_adv_params adv = {.interval_us = 50000,
                                .connectable = true,
                                .resume = true,
                                .addr_mode = BL_ADDR_MODE_DEFAULT};
    uint32_t state = (uint32_t)_i;
    uint16_t id;
    bl_op op;

    begin_own(_i % (3 * OWN_KINDS), 1);
    for (size_t end = B; end <= C; end++)
        ck_assert_int_eq(bl_advertise(s->end[end].host, s->now, 0, &adv, &id, &op), 0);
    for (int i = 0; i < 300; i++) {
        do_something(&state);
        stack_run(s, draw(&state, 200000));
        ck_assert_uint_eq(bl_air_watched(s->air, s->end[A].controller), 0);
    }
    struct bl_addr used = on_air((enum bl_air_use)draw(&state, BL_AIR_USES));
    ck_assert(bl_addr_is_zero(&used) || bl_addr_is_rpa(&used));
    bl_air_violations_clear(s->air); /* of commands after one that was lost */
    stack_free(s);
}
END_TEST

/* That would be seen. */
START_TEST(the_identity_address_is_on_the_air_where_it_may_be)
{
    begin_own(0, 900);
    set_addr_mode(A, BL_ADDR_MODE_PUBLIC, 900);
    advertise(true);
    stack_run(s, S);
    ck_assert_uint_ge(bl_air_watched(s->air, s->end[A].controller), 5);
    stack_free(s);
}
END_TEST

/* B advertises and scans with private addresses too; A, who has B's key, knows it throughout. */
START_TEST(our_own_addresses_change_under_a_bonded_peer_that_knows_us)
{
    struct bl_air_config config = config_of(_i);
    struct bl_adv_params adv = {.interval_us = 100000, .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_scan_params scan = {.interval_us = 30000,
                                  .window_us = 30000,
                                  .active = true,
                                  .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_config mine;
    uint16_t id;
    bl_op op;

    begin(&config, 900);
    struct bl_bond b = {.identity = stack_addr(s, B), .has_irk = true};
    bl_host_get_config(s->end[B].host, &mine);
    memcpy(b.irk, mine.irk, 16);
    ck_assert_int_eq(bl_bond_add(s->end[A].host, s->now, &b), 0);
    set_addr_mode(B, BL_ADDR_MODE_RPA, 3);
    ck_assert_int_eq(bl_advertise(s->end[B].host, s->now, 0, &adv, &id, &op), 0);
    ck_assert_int_eq(bl_scan(s->end[B].host, s->now, &scan, &id, &op), 0);
    scan.filter = (struct bl_scan_filter){.addresses = &b.identity, .n_addresses = 1};
    ck_assert_int_eq(bl_scan(s->end[A].host, s->now, &scan, &id, &op), 0);
    advertise(true);
    stack_forget(s);
    for (int i = 0; i < 5; i++) {
        stack_wait(s, B, BL_EV_ADDRESS_CHANGED, 4 * S);
        s->end[A].taken = s->end[A].n_events;
        stack_run(s, 2 * S);
        unsigned reports = stack_count(s, A, BL_EV_REPORT);
        ck_assert_uint_ge(reports, 15);
        struct bl_event e = stack_wait(s, A, BL_EV_REPORT, 0);
        ck_assert(bl_addr_eq(&e.report.addr, &b.identity));
    }
    stack_free(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stack/privacy");
    TCase *t = tcase_create("identities");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, scan_filter_by_identity_finds_changing_addresses, 0, 3);
    tcase_add_loop_test(t, direct_by_identity_finds_the_private_address, 0, 3);
    tcase_add_loop_test(t, an_attempt_by_a_private_address_outlives_it, 0, 3);
    tcase_add_loop_test(t, a_bonded_peer_without_privacy_connects_too, 0, 3);
    tcase_add_loop_test(t, auto_by_identity_connects_again_and_again, 0, 3);
    tcase_add_loop_test(t, a_new_address_in_the_middle_of_an_attempt_is_followed, 0, 6);
    tcase_add_loop_test(t, nobody_else_is_taken_for_the_peer, 0, 3);
    tcase_add_loop_test(t, a_bond_that_comes_or_goes_during_an_attempt_counts, 0, 3);
    tcase_add_loop_test(t, scans_of_clients_and_seeking_go_together, 0, 3);
    tcase_add_loop_test(t, a_controller_that_refuses_to_scan_is_not_pestered, 0, 3);
    tcase_add_loop_test(t, a_reset_of_the_controller_ends_the_seeking_and_it_begins_anew, 0, 3);
    tcase_add_loop_test(t, our_own_addresses_change_under_a_bonded_peer_that_knows_us, 0, 3);
    tcase_add_loop_test(t, a_resolving_list_finds_the_peer_without_scanning, 0, 2);
    tcase_add_loop_test(t, without_the_list_the_host_listens, 0, 2);
    tcase_add_loop_test(t, advertising_and_scanning_go_on_after_the_list_has_changed, 0, 2);
    tcase_add_loop_test(t, a_list_that_is_full_leaves_the_others_to_the_host, 0, 2);
    tcase_add_loop_test(t, a_list_that_is_refused_leaves_all_to_the_host, 0, 12);
    suite_add_tcase(suite, t);
    tcase_add_loop_test(t, network_privacy_takes_nobody_for_a_peer_under_its_identity_address, 0,
                        6);
    tcase_add_loop_test(t, network_privacy_finds_private_addresses, 0, 6);
    tcase_add_loop_test(t, network_privacy_lets_nobody_in_under_a_peers_identity_address, 0, 3);
    tcase_add_test(t, who_could_not_be_found_out_is_later);
    tcase_add_test(t, a_flood_of_addresses_keeps_nobody_from_connecting);
    tcase_add_loop_test(t, the_address_changes_while_we_advertise, 0, 3 * OWN_KINDS);
    tcase_add_loop_test(t, the_address_changes_while_we_scan, 0, 3 * OWN_KINDS);
    tcase_add_test(t, what_a_listed_peer_directs_at_us_is_for_us);
    tcase_add_loop_test(t, the_identity_address_is_never_on_the_air, 0, 60);
    tcase_add_test(t, the_identity_address_is_on_the_air_where_it_may_be);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
