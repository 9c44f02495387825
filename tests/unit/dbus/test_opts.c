/* SPDX-License-Identifier: MIT */

/* Reading a{sv} by a table: every way to be wrong names the key. */

#include "opts.h"

#include "base/cleanup.h"
#include "rig.h"

#include <check.h>
#include <errno.h>

static struct rig rig;

struct opts {
    struct bus_opts head;
    bool b;
    uint8_t y;
    int16_t n;
    uint16_t q;
    uint32_t u;
    uint64_t t;
    const char *s;
    struct bus_bytes ay;
    struct bus_uuids uuids;
    struct bl_addr addr;
    struct bus_addrs addrs;
    struct bus_u16s u16s;
    uint8_t phys, phy;
};

enum { B, Y, N, Q, U, T, S, AY, UUIDS, ADDR, ADDRS, U16S, PHYS, PHY };

#define AT(field) offsetof(struct opts, field)

static const struct bus_opt TABLE[] = {
    [B] = {"b", "b", AT(b), 0, 0, NULL},
    [Y] = {"y", "y", AT(y), 1, 4, NULL},
    [N] = {"n", "n", AT(n), -127, 20, NULL},
    [Q] = {"q", "q", AT(q), 0, 0, NULL},
    [U] = {"u", "u", AT(u), 0, 4000000000, NULL},
    [T] = {"t", "t", AT(t), 0, 0, NULL},
    [S] = {"s", "s", AT(s), 0, 0, NULL},
    [AY] = {"ay", "ay", AT(ay), 0, 0, NULL},
    [UUIDS] = {"uuids", "as", AT(uuids), 0, 0, bus_opt_uuids},
    [ADDR] = {"addr", "(ys)", AT(addr), 0, 0, bus_opt_addr},
    [ADDRS] = {"addrs", "a(ys)", AT(addrs), 0, 0, bus_opt_addrs},
    [U16S] = {"u16s", "aq", AT(u16s), 0, 0, bus_opt_u16s},
    [PHYS] = {"phys", "as", AT(phys), 0, 0, bus_opt_phys},
    [PHY] = {"phy", "s", AT(phy), 0, 0, bus_opt_phy},
};

static struct opts opts;
static sd_bus_message *message;
static sd_bus_error error;

static void setup(void)
{
    rig_start(&rig, false);
    opts = (struct opts){0};
    error = SD_BUS_ERROR_NULL;
}

static void teardown(void)
{
    sd_bus_error_free(&error);
    message = sd_bus_message_unref(message);
    rig_stop(&rig);
}

/* Reads a{sv} made of the arguments. */
static int read_opts(const char *types, ...)
{
    va_list ap;
    ck_assert_int_ge(sd_bus_message_new_method_call(rig.server, &message, "a.b", "/", "a.b", "C"),
                     0);
    va_start(ap, types);
    ck_assert_int_ge(sd_bus_message_appendv(message, types, ap), 0);
    va_end(ap);
    ck_assert_int_ge(sd_bus_message_seal(message, 1, 0), 0);
    return bus_opts_read(message, TABLE, ARRAY_LEN(TABLE), &opts, &error);
}

static void refused(int r, const char *naming)
{
    ck_assert_int_lt(r, 0);
    ck_assert_str_eq(error.name, "org.freedesktop.DBus.Error.InvalidArgs");
    ck_assert_msg(strstr(error.message, naming) != NULL, "%s", error.message);
}

START_TEST(every_type_is_stored)
{
    int r = read_opts("a{sv}", 14, "b", "b", 1, "y", "y", 4, "n", "n", -70, "q", "q", 65535, "u",
                      "u", 4000000000u, "t", "t", UINT64_MAX, "s", "s", "text", "ay", "ay", 2, 1, 2,
                      "uuids", "as", 2, "180d", "0x180F", "addr", "(ys)", 1, "C0:11:22:33:44:55",
                      "addrs", "a(ys)", 1, 0, "00:11:22:33:44:55", "u16s", "aq", 2, 5, 6, "phys",
                      "as", 2, "1m", "coded", "phy", "s", "2m");
    ck_assert_int_eq(r, 0);
    ck_assert(opts.b);
    ck_assert_uint_eq(opts.y, 4);
    ck_assert_int_eq(opts.n, -70);
    ck_assert_uint_eq(opts.q, 65535);
    ck_assert_uint_eq(opts.u, 4000000000u);
    ck_assert(opts.t == UINT64_MAX);
    ck_assert_str_eq(opts.s, "text");
    ck_assert_uint_eq(opts.ay.n, 2);
    ck_assert_mem_eq(opts.ay.p, "\1\2", 2);
    ck_assert_uint_eq(opts.uuids.n, 2);
    ck_assert_uint_eq(bl_uuid_get16(&opts.uuids.v[1]), 0x180f);
    ck_assert_uint_eq(opts.addr.b[5], 0xc0);
    ck_assert_uint_eq(opts.addrs.n, 1);
    ck_assert_uint_eq(opts.u16s.v[1], 6);
    ck_assert_uint_eq(opts.phys, BL_PHYS_1M | BL_PHYS_CODED);
    ck_assert_uint_eq(opts.phy, BL_PHY_2M);
    ck_assert(opts.head.given == 0x3fff);
    ck_assert(!opts.head.no_wait);
}
END_TEST

START_TEST(nothing_given_leaves_the_defaults)
{
    opts.u = 17;
    ck_assert_int_eq(read_opts("a{sv}", 0), 0);
    ck_assert_uint_eq(opts.u, 17);
    ck_assert(opts.head.given == 0);
}
END_TEST

START_TEST(wait_is_taken_everywhere)
{
    ck_assert_int_eq(read_opts("a{sv}", 1, "wait", "b", 0), 0);
    ck_assert(opts.head.no_wait);
}
END_TEST

START_TEST(wait_true_waits)
{
    ck_assert_int_eq(read_opts("a{sv}", 1, "wait", "b", 1), 0);
    ck_assert(!opts.head.no_wait);
}
END_TEST

START_TEST(wait_of_another_type_is_refused)
{
    refused(read_opts("a{sv}", 1, "wait", "u", 1), "'wait'");
}
END_TEST

START_TEST(unknown_key_is_named)
{
    refused(read_opts("a{sv}", 2, "b", "b", 1, "colour", "s", "red"), "'colour'");
}
END_TEST

START_TEST(those_that_there_are_are_told_with_an_unknown_one)
{
    refused(read_opts("a{sv}", 1, "colour", "s", "red"),
            "but b, y, n, q, u, t, s, ay, uuids, addr, addrs, u16s, phys, phy, wait.");
}
END_TEST

START_TEST(wrong_type_is_named)
{
    refused(read_opts("a{sv}", 1, "u", "i", 1), "'u' takes a value of type 'u', not 'i'");
}
END_TEST

START_TEST(variant_in_a_variant_is_a_wrong_type)
{
    refused(read_opts("a{sv}", 1, "u", "v", "u", 1), "'u'");
}
END_TEST

START_TEST(key_given_twice_is_named)
{
    refused(read_opts("a{sv}", 2, "u", "u", 1, "u", "u", 2), "'u' is given twice");
}
END_TEST

START_TEST(wait_given_twice_is_named)
{
    refused(read_opts("a{sv}", 2, "wait", "b", 1, "wait", "b", 1), "'wait' is given twice");
}
END_TEST

START_TEST(number_under_its_range_is_named)
{
    refused(read_opts("a{sv}", 1, "y", "y", 0), "'y' is 0, which is not in 1 to 4");
}
END_TEST

START_TEST(number_over_its_range_is_named)
{
    refused(read_opts("a{sv}", 1, "y", "y", 5), "'y' is 5");
}
END_TEST

START_TEST(signed_number_under_its_range_is_named)
{
    refused(read_opts("a{sv}", 1, "n", "n", -128), "'n' is -128");
}
END_TEST

START_TEST(bad_uuid_is_named)
{
    refused(read_opts("a{sv}", 1, "uuids", "as", 1, "18g0"), "'18g0'");
}
END_TEST

START_TEST(bad_address_is_named)
{
    refused(read_opts("a{sv}", 1, "addr", "(ys)", 0, "00:11:22:33:44"), "'00:11:22:33:44'");
}
END_TEST

START_TEST(bad_address_type_is_named)
{
    refused(read_opts("a{sv}", 1, "addrs", "a(ys)", 1, 2, "00:11:22:33:44:55"), "'addrs'");
}
END_TEST

START_TEST(bad_phy_is_named)
{
    refused(read_opts("a{sv}", 1, "phys", "as", 1, "3m"), "'3m'");
}
END_TEST

START_TEST(no_phy_at_all_is_refused)
{
    refused(read_opts("a{sv}", 1, "phys", "as", 0), "'phys'");
}
END_TEST

START_TEST(more_items_than_fit_are_refused)
{
    sd_bus_message *m;
    ck_assert_int_ge(sd_bus_message_new_method_call(rig.server, &m, "a.b", "/", "a.b", "C"), 0);
    sd_bus_message_open_container(m, 'a', "{sv}");
    sd_bus_message_open_container(m, 'e', "sv");
    sd_bus_message_append(m, "s", "uuids");
    sd_bus_message_open_container(m, 'v', "as");
    sd_bus_message_open_container(m, 'a', "s");
    for (int i = 0; i <= BUS_OPT_MAX_ITEMS; i++)
        sd_bus_message_append(m, "s", "180d");
    sd_bus_message_close_container(m);
    sd_bus_message_close_container(m);
    sd_bus_message_close_container(m);
    sd_bus_message_close_container(m);
    ck_assert_int_ge(sd_bus_message_seal(m, 1, 0), 0);
    refused(bus_opts_read(m, TABLE, ARRAY_LEN(TABLE), &opts, &error), "'uuids'");
    sd_bus_message_unref(m);
}
END_TEST

START_TEST(nested_dictionaries_have_no_wait)
{
    ck_assert_int_ge(sd_bus_message_new_method_call(rig.server, &message, "a.b", "/", "a.b", "C"),
                     0);
    ck_assert_int_ge(sd_bus_message_append(message, "a{sv}", 1, "wait", "b", 1), 0);
    ck_assert_int_ge(sd_bus_message_seal(message, 1, 0), 0);
    refused(bus_opts_read_nested(message, TABLE, ARRAY_LEN(TABLE), &opts, &error), "'wait'");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("opts");
    TCase *t = tcase_create("opts");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, every_type_is_stored);
    tcase_add_test(t, nothing_given_leaves_the_defaults);
    tcase_add_test(t, wait_is_taken_everywhere);
    tcase_add_test(t, wait_true_waits);
    tcase_add_test(t, wait_of_another_type_is_refused);
    tcase_add_test(t, unknown_key_is_named);
    tcase_add_test(t, those_that_there_are_are_told_with_an_unknown_one);
    tcase_add_test(t, wrong_type_is_named);
    tcase_add_test(t, variant_in_a_variant_is_a_wrong_type);
    tcase_add_test(t, key_given_twice_is_named);
    tcase_add_test(t, wait_given_twice_is_named);
    tcase_add_test(t, number_under_its_range_is_named);
    tcase_add_test(t, number_over_its_range_is_named);
    tcase_add_test(t, signed_number_under_its_range_is_named);
    tcase_add_test(t, bad_uuid_is_named);
    tcase_add_test(t, bad_address_is_named);
    tcase_add_test(t, bad_address_type_is_named);
    tcase_add_test(t, bad_phy_is_named);
    tcase_add_test(t, no_phy_at_all_is_refused);
    tcase_add_test(t, more_items_than_fit_are_refused);
    tcase_add_test(t, nested_dictionaries_have_no_wait);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
