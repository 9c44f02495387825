/* SPDX-License-Identifier: MIT */

#include "base/cleanup.h"
#include "crypto/crypto.h"
#include "db_world.h"
#include "oom.h"

#include <errno.h>
#include <stdio.h>

static struct bl_gatt_db db;

static void setup(void)
{
    ck_assert_int_eq(bl_gatt_db_init(&db), 0);
}

static void teardown(void)
{
    bl_gatt_db_deinit(&db);
}

static void hash_is(const char *most_significant_first)
{
    const uint8_t *hash = NULL;
    char text[33];

    ck_assert_int_eq(bl_gatt_db_hash(&db, &hash), 0);
    for (size_t i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02X", hash[15 - i]);
    ck_assert_str_eq(text, most_significant_first);
}

static void hash_copy(uint8_t ret[static 16])
{
    const uint8_t *hash = NULL;

    ck_assert_int_eq(bl_gatt_db_hash(&db, &hash), 0);
    memcpy(ret, hash, 16);
}

static bool hash_differs(uint8_t last[static 16])
{
    uint8_t now[16];

    hash_copy(now);

    bool differs = memcmp(now, last, 16) != 0;

    memcpy(last, now, 16);
    return differs;
}

/* Core 5.4, Vol 3, Part G, Appendix B. The included service has to be there first. */
START_TEST(hash_is_that_of_the_specifications_example)
{
    struct bl_gatts_characteristic gap[] = {db_char(0x2a00, BL_GATT_READ | BL_GATT_WRITE),
                                            db_char(0x2a01, BL_GATT_READ)};
    struct bl_gatts_characteristic gatt[] = {db_char(0x2a05, BL_GATT_INDICATE),
                                             db_char(0x2b29, BL_GATT_READ | BL_GATT_WRITE),
                                             db_char(0x2b2a, BL_GATT_READ)};
    struct bl_gatts_characteristic battery = db_char(0x2a19, BL_GATT_READ);
    struct bl_gatts_descriptor extended = db_desc(0x2900, 0, "\0\0", 2);
    struct bl_gatts_characteristic glucose = db_char(0x2a18, BL_GATT_READ | BL_GATT_INDICATE);
    struct bl_gatts_service s = db_def(0x180f, &battery, 1);
    uint16_t at = 0x14;

    s.secondary = true;
    s.handle = at;
    ck_assert_int_eq(bl_gatt_db_add(&db, &s, true, NULL, NULL), 0);
    s = db_def(0x1800, gap, 2);
    s.handle = 1;
    ck_assert_int_eq(bl_gatt_db_add(&db, &s, true, NULL, NULL), 0);
    s = db_def(0x1801, gatt, 3);
    s.handle = 6;
    ck_assert_int_eq(bl_gatt_db_add(&db, &s, true, NULL, NULL), 0);
    glucose.descriptors = &extended;
    glucose.n_descriptors = 1;
    s = db_def(0x1808, &glucose, 1);
    s.handle = 0x0e;
    s.includes = &at;
    s.n_includes = 1;
    ck_assert_int_eq(bl_gatt_db_add(&db, &s, true, NULL, NULL), 0);
    db_check(&db);
    db_expect(&db, 0, 0xffff,
              "0001 2800 P 0018\n"
              "0002 2803 C 0a0300002a\n"
              "0003 2a00 V\n"
              "0004 2803 C 020500012a\n"
              "0005 2a01 V\n"
              "0006 2800 P 0118\n"
              "0007 2803 C 200800052a\n"
              "0008 2a05 V\n"
              "0009 2902 c\n"
              "000a 2803 C 0a0b00292b\n"
              "000b 2b29 V\n"
              "000c 2803 C 020d002a2b\n"
              "000d 2b2a V\n"
              "000e 2800 P 0818\n"
              "000f 2802 I 140016000f18\n"
              "0010 2803 C a21100182a\n"
              "0011 2a18 V\n"
              "0012 2902 c\n"
              "0013 2900 E 0000\n"
              "0014 2801 S 0f18\n"
              "0015 2803 C 021600192a\n"
              "0016 2a19 V\n");
    hash_is("F1CA2D48ECF58BAC8A8830BBB9FBA990");
}
END_TEST

/* AES-CMAC of no octets with a key of zeros. */
START_TEST(empty_database_has_a_hash)
{
    static const uint8_t key[16];
    uint8_t mac[16];
    const uint8_t *hash = NULL;

    ck_assert_int_eq(bl_crypto_cmac(key, NULL, 0, mac), 0);
    ck_assert_int_eq(bl_gatt_db_hash(&db, &hash), 0);
    for (size_t i = 0; i < 16; i++)
        ck_assert_uint_eq(hash[i], mac[15 - i]);
}
END_TEST

START_TEST(hash_changes_with_the_structure_and_not_with_values)
{
    struct bl_gatts_descriptor d = db_desc(0x2901, BL_GATT_READ, "name", 4);
    struct bl_gatts_characteristic c = db_char(0x2a37, BL_GATT_READ);
    struct bl_gatts_service def = db_def(0x180d, &c, 1);
    uint16_t handles[2], service;
    uint8_t last[16];

    hash_copy(last);
    c.descriptors = &d;
    c.n_descriptors = 1;
    service = db_must_add(&db, &def, handles);
    ck_assert(!db.hash_valid);
    ck_assert(hash_differs(last));
    ck_assert(db.hash_valid);
    ck_assert_int_eq(
        bl_gatt_db_store(bl_gatt_db_get(&db, handles[0]), 0, (const uint8_t *)"abc", 3, false), 0);
    ck_assert_int_eq(
        bl_gatt_db_store(bl_gatt_db_get(&db, handles[1]), 0, (const uint8_t *)"abc", 3, false), 0);
    db.hash_valid = false; /* computed again */
    ck_assert(!hash_differs(last));
    ck_assert_int_eq(bl_gatt_db_add_characteristic(&db, service, &c, NULL), 0);
    ck_assert(hash_differs(last));
    c.flags |= BL_GATT_WRITE;
    ck_assert_int_eq(bl_gatt_db_add_characteristic(&db, service, &c, NULL), 0);
    ck_assert(hash_differs(last));
    ck_assert_int_eq(bl_gatt_db_remove(&db, service), 0);
    ck_assert(hash_differs(last));

    const uint8_t *hash = NULL;
    uint8_t empty[16];

    ck_assert_int_eq(bl_gatt_db_hash(&db, &hash), 0);
    memcpy(empty, hash, 16);
    def.handle = service;
    def.secondary = true;
    service = db_must_add(&db, &def, handles);
    ck_assert(hash_differs(last));
    ck_assert_int_eq(bl_gatt_db_remove(&db, service), 0);
    ck_assert(hash_differs(last));
    ck_assert_mem_eq(last, empty, 16);
}
END_TEST

/* Each descriptor of 2900..2905 counts; a value of 2901 does not, nor does any other descriptor. */
START_TEST(hash_covers_the_descriptors_that_the_specification_names)
{
    static const struct {
        uint16_t type;
        bool counts, value_counts;
    } rows[] = {
        {0x2900, true, true},   {0x2901, true, false},  {0x2903, true, false},
        {0x2904, true, false},  {0x2905, true, false},  {0x2906, false, false},
        {0x290e, false, false}, {0x2a37, false, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bl_gatts_descriptor d = db_desc(rows[i].type, BL_GATT_READ, "\1\0", 2);
        struct bl_gatts_characteristic c = db_char(0x2a38, BL_GATT_READ);
        struct bl_gatts_service def = db_def(0x180d, &c, 1);
        uint8_t last[16];

        if (rows[i].type == 0x2900)
            c.flags |= BL_GATT_AUX_WRITE; /* the property is the same with and without */

        uint16_t service = db_must_add(&db, &def, NULL);

        hash_copy(last);
        ck_assert_int_eq(bl_gatt_db_remove(&db, service), 0);
        c.descriptors = &d;
        c.n_descriptors = 1;
        service = db_must_add(&db, &def, NULL);
        ck_assert_msg(hash_differs(last) == rows[i].counts, "%04x", rows[i].type);
        ck_assert_int_eq(bl_gatt_db_remove(&db, service), 0);
        d.value = (const uint8_t *)"\5\0";
        service = db_must_add(&db, &def, NULL);
        ck_assert_msg(hash_differs(last) == rows[i].value_counts, "%04x", rows[i].type);
        ck_assert_int_eq(bl_gatt_db_remove(&db, service), 0);
    }
}
END_TEST

START_TEST(hash_of_all_handles_can_be_had)
{
    enum { N = 32767 };
    _cleanup_free_ struct bl_gatts_characteristic *c = calloc(N, sizeof(*c));
    uint8_t last[16];

    ck_assert_ptr_nonnull(c);
    for (size_t i = 0; i < N; i++) {
        c[i] = db_char(0, BL_GATT_READ);
        c[i].uuid.b[0] = (uint8_t)i;
    }

    struct bl_gatts_service def = db_def(0x180d, c, N);

    hash_copy(last);
    db_must_add(&db, &def, NULL);
    ck_assert_uint_eq(db.n_attrs, 0xffff);
    ck_assert(hash_differs(last));
}
END_TEST

START_TEST(hash_without_memory_is_computed_later)
{
    const struct bl_gatts_characteristic c = db_char(0x2a37, BL_GATT_READ);
    const struct bl_gatts_service def = db_def(0x180d, &c, 1);
    const uint8_t *hash = NULL;
    uint8_t last[16];
    int r;

    hash_copy(last); /* loads libcrypto */
    db_must_add(&db, &def, NULL);
    oom_fail_at(1);
    r = bl_gatt_db_hash(&db, &hash);
    oom_off();
    ck_assert_int_eq(r, -ENOMEM);
    ck_assert_ptr_null(hash);
    ck_assert(!db.hash_valid);
    ck_assert(hash_differs(last));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hash");
    TCase *t = tcase_create("hash");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, hash_is_that_of_the_specifications_example);
    tcase_add_test(t, empty_database_has_a_hash);
    tcase_add_test(t, hash_changes_with_the_structure_and_not_with_values);
    tcase_add_test(t, hash_covers_the_descriptors_that_the_specification_names);
    tcase_add_test(t, hash_of_all_handles_can_be_had);
    tcase_add_test(t, hash_without_memory_is_computed_later);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
