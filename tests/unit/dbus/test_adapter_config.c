/* SPDX-License-Identifier: MIT */

/* The configuration properties: ranges, change signals, the timeout of Pairable. */

#include "rig.h"

#include <check.h>

#define A "org.bled.Adapter1"

static struct rig rig;

static void setup(void)
{
    rig_start(&rig, false);
}

static void teardown(void)
{
    rig_stop(&rig);
}

static const char *set(const char *name, const char *type, unsigned value)
{
    rig_forget(&rig);
    return rig_answer(&rig, rig_call(&rig, ":1.1", "org.freedesktop.DBus.Properties", "Set", "ssv",
                                     A, name, type, value));
}

START_TEST(change_is_told_before_the_answer_and_once)
{
    ck_assert_str_eq(set("Mtu", "q", 517), "reply");
    ck_assert_str_eq(rig.lines[0], "signal PropertiesChanged -> * org.bled.Adapter1 ... ...");
    ck_assert_uint_eq(rig.n_lines, 2);
    ck_assert_uint_eq(rig.a->config.mtu, 517);
    ck_assert_str_eq(set("Mtu", "q", 517), "reply");
    ck_assert_uint_eq(rig.n_lines, 1);
}
END_TEST

static const struct {
    const char *name, *type;
    unsigned good, bad;
} EDGES[] = {
    {"AddrMode", "y", 3, 4}, {"RxBuf", "u", 512, 511}, {"RxBuf", "u", 16777216, 16777217},
    {"Mtu", "q", 23, 22},    {"Mtu", "q", 517, 518},   {"Io", "y", 4, 5},
};

START_TEST(edges_are_taken_and_what_is_beyond_is_refused)
{
    ck_assert_str_eq(set(EDGES[_i].name, EDGES[_i].type, EDGES[_i].good), "reply");
    ck_assert_str_eq(set(EDGES[_i].name, EDGES[_i].type, EDGES[_i].bad),
                     "org.freedesktop.DBus.Error.InvalidArgs");
    ck_assert_ptr_nonnull(strstr(rig_find(&rig, "error"), EDGES[_i].name));
    ck_assert_uint_eq(rig_count(&rig, "signal"), 0);
}
END_TEST

START_TEST(longest_name_is_248_bytes)
{
    char name[250];
    memset(name, 'x', sizeof(name));
    name[249] = '\0';
    ck_assert_str_eq(rig_answer(&rig, rig_call(&rig, ":1.1", "org.freedesktop.DBus.Properties",
                                               "Set", "ssv", A, "GapName", "s", name)),
                     "org.freedesktop.DBus.Error.InvalidArgs");
    name[248] = '\0';
    ck_assert_str_eq(rig_answer(&rig, rig_call(&rig, ":1.1", "org.freedesktop.DBus.Properties",
                                               "Set", "ssv", A, "GapName", "s", name)),
                     "reply");
    ck_assert_str_eq(rig.a->config.gap_name, name);
}
END_TEST

START_TEST(the_host_is_told_of_its_share)
{
    rig.host.config.addr_mode = BL_ADDR_MODE_STATIC; /* as the configuration file had it */
    set("Mtu", "q", 100);
    set("Appearance", "q", 0x340);
    set("RxBuf", "u", 4096);
    ck_assert_uint_eq(rig.host.config.mtu, 100);
    ck_assert_uint_eq(rig.host.config.rx_buf, 4096);
    ck_assert_uint_eq(rig.host.config.appearance, 0x340);
    ck_assert_str_eq(rig.host.config.gap_name, "bled");
    ck_assert_uint_eq(rig.host.config.addr_mode, BL_ADDR_MODE_STATIC);
    rig_call(&rig, ":1.1", "org.freedesktop.DBus.Properties", "Set", "ssv", A, "GapName", "s", "x");
    ck_assert_str_eq(rig.host.config.gap_name, "x");
    set("AddrMode", "y", BL_ADDR_MODE_NRPA);
    ck_assert_uint_eq(rig.host.config.addr_mode, BL_ADDR_MODE_NRPA);
}
END_TEST

START_TEST(wrong_type_is_refused)
{
    ck_assert_str_eq(set("Mtu", "u", 100), "org.freedesktop.DBus.Error.InvalidArgs");
    ck_assert_uint_eq(rig.a->config.mtu, 256);
}
END_TEST

START_TEST(pairable_goes_off_after_its_timeout)
{
    set("PairableTimeout", "u", 10);
    ck_assert(rig.a->config.pairable);
    rig.now += 9999999;
    rig_run(&rig);
    ck_assert(rig.a->config.pairable);
    rig_forget(&rig);
    rig.now += 1;
    rig_run(&rig);
    ck_assert(!rig.a->config.pairable);
    ck_assert_uint_eq(rig_count(&rig, "signal PropertiesChanged"), 1);
    set("Pairable", "b", 1);
    rig.now += 10000000;
    rig_run(&rig);
    ck_assert(!rig.a->config.pairable);
}
END_TEST

START_TEST(the_host_is_told_what_to_ask_of_peers)
{
    const struct bl_config *c = &rig.host.config;

    for (unsigned on = 2; on-- > 0;) {
        set("Bond", "b", on);
        set("Mitm", "b", on);
        set("LeSecure", "b", on);
        set("Io", "y", on ? 4 : 0);
        set("Pairable", "b", on);
        ck_assert(c->bond == on && c->mitm == on && c->le_secure == on && c->pairable == on);
        ck_assert_uint_eq(c->io, on ? 4 : 0);
    }
    set("Pairable", "b", 1);
    set("PairableTimeout", "u", 1);
    ck_assert(c->pairable);
    rig.now += 1000000;
    rig_run(&rig);
    ck_assert(!c->pairable);
}
END_TEST

START_TEST(pairable_without_timeout_stays)
{
    rig.now += (uint64_t)1 << 60;
    rig_run(&rig);
    ck_assert(rig.a->config.pairable);
}
END_TEST

START_TEST(all_properties_can_be_read_while_inactive)
{
    unsigned c = rig_call(&rig, ":1.1", "org.freedesktop.DBus.Properties", "GetAll", "s", A);
    ck_assert_str_eq(rig_answer(&rig, c), "reply");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config");
    TCase *t = tcase_create("config");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, change_is_told_before_the_answer_and_once);
    tcase_add_loop_test(t, edges_are_taken_and_what_is_beyond_is_refused, 0, (int)ARRAY_LEN(EDGES));
    tcase_add_test(t, longest_name_is_248_bytes);
    tcase_add_test(t, the_host_is_told_of_its_share);
    tcase_add_test(t, wrong_type_is_refused);
    tcase_add_test(t, pairable_goes_off_after_its_timeout);
    tcase_add_test(t, the_host_is_told_what_to_ask_of_peers);
    tcase_add_test(t, pairable_without_timeout_stays);
    tcase_add_test(t, all_properties_can_be_read_while_inactive);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
