/* SPDX-License-Identifier: MIT */

/*
 * Pairing, reconnecting and a bonded client where controllers and memory fail, at every step. After
 * each, no procedure is open, nobody is taken for more than he has shown, and a new pairing works.
 */

#include "oom.h"
#include "pair_rig.h"
#include "smp/method.h"
#include "smp/pdu.h"

#include <check.h>
#include <errno.h>
#include <string.h>

static struct pair_rig *r;

static void begin(void)
{
    const struct bl_air_config config = bl_air_config_default();

    r = pair_new(31, 2, &config);
    pair_io(r, RIG_A, BL_IO_DISPLAY_YES_NO, true);
    pair_io(r, RIG_B, BL_IO_DISPLAY_YES_NO, true);
}

/* Whatever comes of it. */
static void try_to_pair(size_t end)
{
    bl_op op;

    if (bl_pair(r->s->end[end].host, r->s->now, r->conn[end], &(struct bl_pair_params){0}, &op) ==
        0)
        pair_run(r, 45000000);
}

static void try_to_end(void)
{
    for (size_t end = 0; end < 2; end++)
        (void)bl_disconnect(r->s->end[end].host, r->s->now, r->conn[end], 0, NULL);
    pair_run(r, 45000000);
}

/* The same at both ends, and neither believes what the other one does not. */
static void all_is_well(bool unable)
{
    for (size_t end = 0; end < 2; end++) {
        ck_assert_uint_eq(stack_counter(r->s, end, "procedures-open"), 0);
        ck_assert_uint_eq(stack_counter(r->s, end, "links-open"), 0);
        bl_bond_clear(r->s->end[end].host, r->s->now);
    }
    bl_air_fault_clear(r->s->air, r->s->end[RIG_A].controller);
    bl_air_fault_clear(r->s->air, r->s->end[RIG_B].controller);
    pair_run(r, 120000000); /* failures are forgiven by then */
    pair_forget(r);
    pair_connect(r);
    if (unable) { /* it has said that it does not know the command: it is not asked again */
        ck_assert_uint_eq(pair_up(r, RIG_B, NULL).done.status,
                          BL_STATUS_SMP + BL_SMP_UNSPECIFIED_REASON);
        pair_free(r);
        return;
    }
    struct bl_security security = pair_ok(r, RIG_B, NULL);
    ck_assert(security.authenticated && security.bonded);
    pair_free(r);
}

static const struct {
    size_t end;
    uint16_t opcode;
} commands[] = {
    {RIG_B, 0x2019}, /* LE Enable Encryption */
    {RIG_A, 0x201a}, /* LE Long Term Key Request Reply */
    {RIG_A, 0x201b}, /* and its negative one */
};

static const struct {
    enum bl_air_command_fault fault;
    unsigned value;
} faults[] = {
    {BL_AIR_NEVER_ANSWER, 0},     {BL_AIR_ANSWER_STATUS, 0x01}, {BL_AIR_ANSWER_STATUS, 0x0c},
    {BL_AIR_ANSWER_STATUS, 0x02}, {BL_AIR_ANSWER_SHORT, 1},     {BL_AIR_ANSWER_LATE, 1500},
};

START_TEST(commands_that_fail_leave_nothing_behind)
{
    size_t command = (size_t)_i % 3, fault = (size_t)_i / 3 % 6;
    bool bonded = _i >= 18;

    begin();
    pair_connect(r);
    if (bonded) {
        (void)pair_ok(r, RIG_B, NULL);
        pair_disconnect(r, RIG_B);
        if (command == 2)
            bl_bond_clear(r->s->end[RIG_A].host, r->s->now);
    }
    ck_assert_int_eq(bl_air_fault_command(r->s->air, r->s->end[commands[command].end].controller,
                                          commands[command].opcode, faults[fault].fault,
                                          faults[fault].value, 1),
                     0);
    if (bonded)
        pair_connect(r);
    try_to_pair(RIG_B);
    try_to_end();
    all_is_well(command < 2 && faults[fault].value == 0x01 &&
                faults[fault].fault == BL_AIR_ANSWER_STATUS);
}
END_TEST

START_TEST(events_that_are_cut_leave_nothing_behind)
{
    static const struct {
        size_t end;
        uint8_t code, subevent;
    } cut[] = {
        {RIG_A, 0x08, 0}, {RIG_B, 0x08, 0}, {RIG_A, 0x3e, 0x05}, {RIG_A, 0x30, 0}, {RIG_B, 0x30, 0},
    };

    begin();
    pair_connect(r);
    ck_assert_int_eq(bl_air_fault_event(r->s->air, r->s->end[cut[_i].end].controller, cut[_i].code,
                                        cut[_i].subevent, -1, 1),
                     0);
    try_to_pair(RIG_B);
    const struct bl_pair_params more = {.security = BL_SECURITY_SC, .has_mitm = true, .mitm = true};
    bl_op op;
    if (bl_pair(r->s->end[RIG_B].host, r->s->now, r->conn[RIG_B], &more, &op) == 0)
        pair_run(r, 45000000);
    try_to_end();
    all_is_well(false);
}
END_TEST

/* ---- memory ---- */

static unsigned long oom_left; /* allocations of the hosts until one fails */

static void oom_enter(void)
{
    if (oom_left)
        oom_fail_at(oom_left);
}

static void oom_leave(void)
{
    if (oom_left)
        oom_left -= oom_count() < oom_left ? oom_count() : oom_left;
    oom_off();
}

START_TEST(memory_may_fail_at_any_step)
{
    unsigned long step = 1;

    for (bool more = true; more; step++) {
        begin();
        pair_connect(r);
        r->s->enter = oom_enter;
        r->s->leave = oom_leave;
        oom_left = step;
        try_to_pair(_i ? RIG_A : RIG_B);
        for (size_t end = 0; end < 2; end++)
            (void)bl_disconnect(r->s->end[end].host, r->s->now, r->conn[end], 0, NULL);
        pair_run(r, 45000000);
        more = oom_left == 0;
        oom_left = 0;
        r->s->enter = r->s->leave = NULL;
        try_to_end();
        all_is_well(false);
    }
    ck_assert_uint_gt(step, 15);
}
END_TEST

static Suite *pairing_faults_suite(void)
{
    Suite *s = suite_create("stack/pairing_faults");
    TCase *t = tcase_create("pairing_faults");

    tcase_set_timeout(t, 280);
    tcase_add_loop_test(t, commands_that_fail_leave_nothing_behind, 0, 36);
    tcase_add_loop_test(t, events_that_are_cut_leave_nothing_behind, 0, 5);
    tcase_add_loop_test(t, memory_may_fail_at_any_step, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(pairing_faults_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
