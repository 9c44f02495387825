/* SPDX-License-Identifier: MIT */

#include "gatts_rig.h"

#include <stdio.h>

struct rig rig;

void gatts_setup(void)
{
    rig_start(&rig, true);
    rig_ready(&rig);
    rig.host.gatt.result = 1;
}

void gatts_teardown(void)
{
    rig_stop(&rig);
}

int gatts_main(const char *name, void (*add)(TCase *t))
{
    Suite *suite = suite_create(name);
    TCase *t = tcase_create(name);
    suite_add_tcase(suite, t);
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, gatts_setup, gatts_teardown);
    add(t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void attach(const char *name)
{
    unsigned call = rig_call(&rig, name, "org.bled.Adapter1", "Attach", "a{sv}", 0);
    ck_answer(call, "reply");
}

uint16_t add_service(const char *name)
{
    unsigned call = rig_call(&rig, name, GATTS, "AddService", "saa{sv}a{sv}", "180d", 1, 2, "uuid",
                             "s", "2a37", "flags", "u", 0x1a, 0);
    unsigned number, handle;
    const char *line = text_of(call);

    ck_assert_msg(line && sscanf(line, "reply %u %u", &number, &handle) == 2, "%s", line);
    return (uint16_t)(handle + 2);
}

void event(const struct bl_event *e)
{
    bus_adapter_event(rig.a, e);
    rig_run(&rig);
}

void connected(uint16_t conn)
{
    event(&(struct bl_event){
        .kind = BL_EV_CONNECTED,
        .connected = {.conn = conn,
                      .role = BL_ROLE_PERIPHERAL,
                      .peer = {.type = ADDR_RANDOM, .b = {1, 2, 3, 4, (uint8_t)conn, 0xc6}}}});
}

void disconnected(uint16_t conn)
{
    event(&(struct bl_event){
        .kind = BL_EV_DISCONNECTED,
        .disconnected = {.conn = conn, .role = BL_ROLE_PERIPHERAL, .reason = 0x13}});
}

void ck_log(size_t n, const char *what, uint16_t conn, uint16_t handle)
{
    const struct fake_gatt *g = &rig.host.gatt;

    ck_assert_msg(n < g->n_log, "%zu commands were taken, %s is none", g->n_log, what);
    ck_assert_str_eq(g->log[n].what, what);
    ck_assert_uint_eq(g->log[n].conn, conn);
    ck_assert_uint_eq(g->log[n].handle, handle);
}

void ck_answer(unsigned call, const char *want)
{
    const char *have = rig_answer(&rig, call);

    ck_assert_msg(strcmp(have, want) == 0, "%s, not %s: %s", have, want,
                  text_of(call) ? text_of(call) : "");
}

const char *text_of(unsigned call)
{
    char prefix[32];

    snprintf(prefix, sizeof(prefix), "error %u ", call);
    const char *line = rig_find(&rig, prefix);
    snprintf(prefix, sizeof(prefix), "reply %u ", call);
    return line ? line : rig_find(&rig, prefix);
}
