/* SPDX-License-Identifier: MIT */

#include "base/cleanup.h"
#include "db_world.h"
#include "gatt/gatt.h"
#include "oom.h"

#include <errno.h>

static struct bl_config config;
static struct bl_gatt g;

static void setup(void)
{
    config = (struct bl_config){.gap_name = "bled", .appearance = 0x0341};
    g = (struct bl_gatt){.config = &config};
    ck_assert_int_eq(bl_gatt_db_init(&g.db), 0);
    ck_assert_int_eq(bl_gatts_builtin_init(&g), 0);
}

static void teardown(void)
{
    db_check(&g.db);
    bl_gatt_db_deinit(&g.db);
}

static void value_is(uint16_t handle, const void *value, size_t n)
{
    const struct bl_gatt_attr *a = bl_gatt_db_get(&g.db, handle);

    ck_assert_ptr_nonnull(a);
    ck_assert_uint_eq(a->len, n);
    ck_assert_mem_eq(a->value, value, n);
}

START_TEST(built_in_services_stand_at_handles_that_never_change)
{
    db_expect(&g.db, 0, 0xffff,
              "0001 2800 P 0018\n"
              "0002 2803 C 020300002a\n"
              "0003 2a00 V\n"
              "0004 2803 C 020500012a\n"
              "0005 2a01 V\n"
              "0006 2803 C 020700042a\n"
              "0007 2a04 V\n"
              "0008 2800 P 0118\n"
              "0009 2803 C 200a00052a\n"
              "000a 2a05 V\n"
              "000b 2902 c\n"
              "000c 2803 C 0a0d00292b\n"
              "000d 2b29 V\n"
              "000e 2803 C 020f002a2b\n"
              "000f 2b2a V\n"
              "0010 2803 C 0211003a2b\n"
              "0011 2b3a V\n");
    ck_assert_uint_eq(g.db.reserved, 17);
    ck_assert_uint_eq(g.server.device_name, 3);
    ck_assert_uint_eq(g.server.appearance, 5);
    ck_assert_uint_eq(g.server.preferred_parameters, 7);
    ck_assert_uint_eq(g.server.service_changed, 10);
    ck_assert_uint_eq(g.server.client_features, 13);
    ck_assert_uint_eq(g.server.database_hash, 15);
    for (uint16_t h = 1; h <= 17; h++)
        ck_assert(bl_gatt_db_get(&g.db, h)->builtin);
}
END_TEST

START_TEST(handle_of_each_role_has_its_type)
{
    const struct {
        uint16_t handle, type;
    } rows[] = {
        {g.server.device_name, 0x2a00},     {g.server.appearance, 0x2a01},
        {g.server.service_changed, 0x2a05}, {g.server.preferred_parameters, 0x2a04},
        {g.server.client_features, 0x2b29}, {g.server.database_hash, 0x2b2a},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct bl_gatt_attr *a = bl_gatt_db_get(&g.db, rows[i].handle);

        ck_assert_int_eq(a->kind, BL_GATT_ATTR_VALUE);
        ck_assert_uint_eq(bl_uuid_get16(&a->type), rows[i].type);
    }
}
END_TEST

START_TEST(clients_services_begin_behind_them)
{
    const struct bl_gatts_service def = db_def(0x180d, NULL, 0);

    ck_assert_uint_eq(db_must_add(&g.db, &def, NULL), 18);
    ck_assert_int_eq(bl_gatt_db_remove(&g.db, 1), -EPERM);
    ck_assert_int_eq(bl_gatt_db_remove(&g.db, 8), -EPERM);
}
END_TEST

START_TEST(nobody_has_to_be_told_of_the_first_database)
{
    uint16_t start, end;

    ck_assert(!bl_gatt_db_changes(&g.db, &start, &end));
}
END_TEST

START_TEST(values_are_the_configurations)
{
    char longest[249];

    value_is(3, "bled", 4);
    value_is(5, "\x41\x03", 2);
    value_is(7, "\xff\xff\xff\xff\0\0\xff\xff", 8); /* nothing in particular */
    value_is(17, "\0", 1);                          /* no EATT */
    memset(longest, 'x', 248);
    longest[248] = '\0';
    memcpy(config.gap_name, longest, sizeof(longest));
    config.appearance = 0xfffe;
    config.preferred_min = 0x0006;
    config.preferred_max = 0x0c80;
    config.preferred_latency = 0x01f3;
    config.preferred_timeout = 0x0c80;
    bl_gatts_builtin_configured(&g, 0);
    value_is(3, longest, 248);
    value_is(5, "\xfe\xff", 2);
    value_is(7, "\x06\x00\x80\x0c\xf3\x01\x80\x0c", 8);
    config.gap_name[0] = '\0';
    bl_gatts_builtin_configured(&g, 0);
    value_is(3, "", 0);
    ck_assert_uint_eq(bl_gatt_db_get(&g.db, 3)->max, 248);
}
END_TEST

START_TEST(new_values_are_no_change_of_the_database)
{
    uint64_t generation = g.db.generation;
    uint16_t start, end;

    memcpy(config.gap_name, "other", 6);
    config.appearance = 1;
    config.preferred_min = 6;
    bl_gatts_builtin_configured(&g, 0);
    ck_assert(!bl_gatt_db_changes(&g.db, &start, &end));
    ck_assert_uint_eq(g.db.generation, generation);
}
END_TEST

START_TEST(name_that_becomes_writable_is_a_change_of_the_gap_service)
{
    const struct bl_gatt_attr *name = bl_gatt_db_get(&g.db, 3);
    uint16_t start, end;

    for (int writable = 1; writable >= 0; writable--) {
        uint64_t generation = g.db.generation;

        config.name_writable = writable;
        g.db.hash_valid = true;
        bl_gatts_builtin_configured(&g, 0);
        ck_assert(!g.db.hash_valid);
        ck_assert_uint_ne(g.db.generation, generation);
        ck_assert_uint_eq(name->flags, writable ? BL_GATT_READ | BL_GATT_WRITE : BL_GATT_READ);
        db_expect(&g.db, 2, 2, writable ? "0002 2803 C 0a0300002a\n" : "0002 2803 C 020300002a\n");
        ck_assert(bl_gatt_db_changes(&g.db, &start, &end));
        ck_assert_uint_eq(start, 1);
        ck_assert_uint_eq(end, 7);
        bl_gatts_builtin_configured(&g, 0); /* once */
        ck_assert(!bl_gatt_db_changes(&g.db, &start, &end));
    }
}
END_TEST

START_TEST(configuring_needs_no_memory)
{
    memset(config.gap_name, 'x', 248);
    config.name_writable = true;
    oom_fail_from(1);
    bl_gatts_builtin_configured(&g, 0);
    unsigned long allocations = oom_count();
    oom_off();
    ck_assert_uint_eq(allocations, 0);
    ck_assert_uint_eq(bl_gatt_db_get(&g.db, 3)->len, 248);
}
END_TEST

START_TEST(beginning_without_memory_says_so)
{
    unsigned long n = 1;
    int r;

    for (;; n++) {
        struct bl_gatt other = {.config = &config};

        oom_fail_at(n);
        r = bl_gatt_db_init(&other.db);
        if (r == 0)
            r = bl_gatts_builtin_init(&other);
        oom_off();
        bl_gatt_db_deinit(&other.db);
        if (r == 0)
            break;
        ck_assert_int_eq(r, -ENOMEM);
    }
    ck_assert_uint_gt(n, 17);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("builtin");
    TCase *t = tcase_create("builtin");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, built_in_services_stand_at_handles_that_never_change);
    tcase_add_test(t, handle_of_each_role_has_its_type);
    tcase_add_test(t, clients_services_begin_behind_them);
    tcase_add_test(t, nobody_has_to_be_told_of_the_first_database);
    tcase_add_test(t, values_are_the_configurations);
    tcase_add_test(t, new_values_are_no_change_of_the_database);
    tcase_add_test(t, name_that_becomes_writable_is_a_change_of_the_gap_service);
    tcase_add_test(t, configuring_needs_no_memory);
    tcase_add_test(t, beginning_without_memory_says_so);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
