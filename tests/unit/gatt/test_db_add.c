/* SPDX-License-Identifier: MIT */

#include "base/cleanup.h"
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
    db_check(&db);
    bl_gatt_db_deinit(&db);
    ck_assert_uint_eq(db.n_attrs, 0);
}

static struct bl_uuid long_uuid(uint8_t first)
{
    struct bl_uuid u;

    for (uint8_t i = 0; i < 16; i++)
        u.b[i] = (uint8_t)(first + i);
    return u;
}

static int add(const struct bl_gatts_service *def)
{
    uint16_t service = 0xdead, handles[16] = {0xdead};
    size_t before = db.n_attrs;
    uint64_t generation = db.generation;
    int r = bl_gatt_db_add(&db, def, false, &service, handles);

    if (r < 0) { /* nothing has happened */
        ck_assert_uint_eq(service, 0xdead);
        ck_assert_uint_eq(handles[0], 0xdead);
        ck_assert_uint_eq(db.n_attrs, before);
        ck_assert_uint_eq(db.generation, generation);
    }
    db_check(&db);
    return r;
}

static int add_one(const struct bl_gatts_characteristic *c)
{
    struct bl_gatts_service def = db_def(0x180d, c, 1);

    return add(&def);
}

/* ---- layout ---- */

START_TEST(service_of_nothing_is_its_declaration)
{
    struct bl_gatts_service def = db_def(0x180d, NULL, 0);

    ck_assert_uint_eq(db_must_add(&db, &def, NULL), 1);
    def.secondary = true;
    ck_assert_uint_eq(db_must_add(&db, &def, NULL), 2);
    db_expect(&db, 0, 0xffff, "0001 2800 P 0d18\n0002 2801 S 0d18\n");
}
END_TEST

START_TEST(characteristics_follow_with_cccd_and_descriptors_in_order)
{
    const struct bl_gatts_descriptor d[] = {db_desc(0x2904, BL_GATT_READ, "abcdefg", 7),
                                            db_desc(0x2901, BL_GATT_READ, "x", 1)};
    struct bl_gatts_characteristic c[] = {db_char(0x2a37, BL_GATT_READ | BL_GATT_NOTIFY),
                                          db_char(0x2a38, BL_GATT_WRITE),
                                          db_char(0x2a39, BL_GATT_INDICATE)};
    struct bl_gatts_service def = db_def(0x180d, c, ARRAY_LEN(c));
    uint16_t handles[5];

    c[0].descriptors = d;
    c[0].n_descriptors = 2;
    ck_assert_uint_eq(db_must_add(&db, &def, handles), 1);
    db_expect(&db, 0, 0xffff,
              "0001 2800 P 0d18\n"
              "0002 2803 C 120300372a\n"
              "0003 2a37 V\n"
              "0004 2902 c\n"
              "0005 2904 D\n"
              "0006 2901 D\n"
              "0007 2803 C 080800382a\n"
              "0008 2a38 V\n"
              "0009 2803 C 200a00392a\n"
              "000a 2a39 V\n"
              "000b 2902 c\n");
    ck_assert_uint_eq(handles[0], 3);
    ck_assert_uint_eq(handles[1], 5);
    ck_assert_uint_eq(handles[2], 6);
    ck_assert_uint_eq(handles[3], 8);
    ck_assert_uint_eq(handles[4], 10);
    ck_assert_mem_eq(bl_gatt_db_get(&db, 5)->value, "abcdefg", 7);
    ck_assert_uint_eq(bl_gatt_db_get(&db, 5)->value_handle, 3);
}
END_TEST

START_TEST(uuids_are_written_in_their_shortest_form)
{
    struct bl_gatts_characteristic c[] = {db_char(0, BL_GATT_READ), db_char(0, BL_GATT_READ)};
    struct bl_gatts_service def = db_def(0, c, 2);

    def.uuid = long_uuid(0x10);
    c[0].uuid = long_uuid(0x40);
    c[1].uuid = bl_uuid_from32(0x12345678); /* ATT has no form of 32 bits */
    db_must_add(&db, &def, NULL);
    db_expect(&db, 1, 1, "0001 2800 P 101112131415161718191a1b1c1d1e1f\n");
    db_expect(&db, 2, 2, "0002 2803 C 020300404142434445464748494a4b4c4d4e4f\n");
    db_expect(&db, 4, 4,
              "0004 2803 C 020500fb349b5f80000080001000"
              "0078563412\n");
    ck_assert_uint_eq(bl_gatt_type_len(bl_gatt_db_get(&db, 3)), 16);
    ck_assert_uint_eq(bl_gatt_type_len(bl_gatt_db_get(&db, 2)), 2);
}
END_TEST

START_TEST(each_flag_gives_its_property_and_attributes)
{
    static const struct {
        uint32_t flag;
        uint8_t property;
        uint16_t attributes;
    } rows[] = {
        {BL_GATT_BROADCAST, 0x01, 2},
        {BL_GATT_READ, 0x02, 2},
        {BL_GATT_WRITE_NO_RESPONSE, 0x04, 2},
        {BL_GATT_WRITE, 0x08, 2},
        {BL_GATT_NOTIFY, 0x10, 3},
        {BL_GATT_INDICATE, 0x20, 3},
        {BL_GATT_SIGNED_WRITE, 0x40, 2},
        {BL_GATT_AUX_WRITE, 0x80, 3},
        {BL_GATT_READ_ENCRYPTED, 0x00, 2},
        {BL_GATT_READ_AUTHENTICATED, 0x00, 2},
        {BL_GATT_READ_AUTHORIZED, 0x00, 2},
        {BL_GATT_WRITE_ENCRYPTED, 0x00, 2},
        {BL_GATT_WRITE_AUTHENTICATED, 0x00, 2},
        {BL_GATT_WRITE_AUTHORIZED, 0x00, 2},
        {BL_GATT_FLAGS, 0xff, 4},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bl_gatts_characteristic c = db_char(0x2a37, rows[i].flag);
        struct bl_gatts_service def = db_def(0x180d, &c, 1);
        uint16_t handle, at = db_must_add(&db, &def, &handle);

        ck_assert_uint_eq(bl_gatt_db_get(&db, at + 1)->value[0], rows[i].property);
        ck_assert_uint_eq(bl_gatt_db_get(&db, handle)->flags, rows[i].flag);
        ck_assert_uint_eq(bl_gatt_db_service(&db, at)->end, at + rows[i].attributes);
        if (bl_gatt_db_get(&db, handle)->cccd)
            ck_assert_uint_eq(bl_gatt_db_get(&db, handle + 1)->flags, rows[i].flag);
        db_check(&db);
    }
}
END_TEST

START_TEST(flags_that_there_are_not_are_refused)
{
    for (unsigned bit = 0; bit < 32; bit++) {
        uint32_t flag = UINT32_C(1) << bit;
        struct bl_gatts_descriptor d = db_desc(0x2901, flag, "", 0);
        struct bl_gatts_characteristic c = db_char(0x2a37, flag), with = db_char(0x2a37, 0);
        int expected = flag & BL_GATT_FLAGS ? 0 : -EINVAL;

        with.descriptors = &d;
        with.n_descriptors = 1;
        ck_assert_int_eq(add_one(&c), expected);
        ck_assert_int_eq(add_one(&with), expected);
    }
}
END_TEST

START_TEST(types_with_a_role_of_their_own_are_refused)
{
    static const struct {
        uint16_t type;
        int as_characteristic, as_descriptor;
    } rows[] = {
        {0x27ff, 0, 0},
        {0x2800, -EINVAL, -EINVAL},
        {0x2801, -EINVAL, -EINVAL},
        {0x2802, -EINVAL, -EINVAL},
        {0x2803, -EINVAL, -EINVAL},
        {0x2804, 0, 0},
        {0x2902, -EINVAL, -EINVAL},
        {0x2903, 0, 0},
        {0x2905, 0, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bl_gatts_descriptor d = db_desc(rows[i].type, BL_GATT_READ, "ab", 2);
        struct bl_gatts_characteristic c = db_char(rows[i].type, 0), with = db_char(0x2a37, 0);

        with.descriptors = &d;
        with.n_descriptors = 1;
        ck_assert_int_eq(add_one(&c), rows[i].as_characteristic);
        ck_assert_int_eq(add_one(&with), rows[i].as_descriptor);
    }
}
END_TEST

START_TEST(descriptors_that_there_is_one_of_are_refused_twice)
{
    static const struct {
        uint16_t type;
        int result;
    } rows[] = {{0x2900, -EINVAL}, {0x2901, -EINVAL}, {0x2903, -EINVAL},
                {0x2904, 0},       {0x2905, -EINVAL}, {0x2906, 0}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bl_gatts_descriptor d[] = {db_desc(rows[i].type, BL_GATT_READ, "ab", 2),
                                          db_desc(0x290a, BL_GATT_READ, "ab", 2),
                                          db_desc(rows[i].type, BL_GATT_READ, "cd", 2)};
        struct bl_gatts_characteristic c = db_char(0x2a37, 0);

        c.descriptors = d;
        c.n_descriptors = 3;
        ck_assert_int_eq(add_one(&c), rows[i].result);
        c.n_descriptors = 2;
        ck_assert_int_eq(add_one(&c), 0);
    }
}
END_TEST

/* ---- extended properties ---- */

START_TEST(writable_auxiliaries_make_extended_properties_at_the_end)
{
    struct bl_gatts_descriptor d = db_desc(0x2901, BL_GATT_READ | BL_GATT_WRITE, "x", 1);
    struct bl_gatts_characteristic c = db_char(0x2a37, BL_GATT_NOTIFY | BL_GATT_AUX_WRITE);
    struct bl_gatts_service def = db_def(0x180d, &c, 1);
    uint16_t handles[3] = {0, 0, 0xdead};

    c.descriptors = &d;
    c.n_descriptors = 1;
    db_must_add(&db, &def, handles);
    db_expect(&db, 0, 0xffff,
              "0001 2800 P 0d18\n"
              "0002 2803 C 900300372a\n"
              "0003 2a37 V\n"
              "0004 2902 c\n"
              "0005 2901 D\n"
              "0006 2900 E 0200\n");
    ck_assert_uint_eq(handles[1], 5);
    ck_assert_uint_eq(handles[2], 0xdead); /* made by itself: not told */
    ck_assert_uint_eq(bl_gatt_db_get(&db, 6)->flags, BL_GATT_READ);
}
END_TEST

START_TEST(extended_properties_that_are_given_stand_where_they_were_given)
{
    static const struct {
        uint32_t flags;
        uint16_t len;
        const char *lines;
    } rows[] = {
        {0, 2, "0002 2803 C 800300372a\n0003 2a37 V\n0004 2900 E 0100\n0005 2901 D\n"},
        {0, 0, "0002 2803 C 800300372a\n0003 2a37 V\n0004 2900 E 0000\n0005 2901 D\n"},
        {BL_GATT_AUX_WRITE, 2,
         "0002 2803 C 800300372a\n0003 2a37 V\n0004 2900 E 0300\n0005 2901 D\n"},
        {BL_GATT_AUX_WRITE, 0,
         "0002 2803 C 800300372a\n0003 2a37 V\n0004 2900 E 0200\n0005 2901 D\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bl_gatts_descriptor d[] = {db_desc(0x2900, 0, "\x01", rows[i].len),
                                          db_desc(0x2901, BL_GATT_READ, "x", 1)};
        struct bl_gatts_characteristic c = db_char(0x2a37, rows[i].flags);
        struct bl_gatts_service def = db_def(0x180d, &c, 1);
        uint16_t handles[3];

        c.descriptors = d;
        c.n_descriptors = 2;
        ck_assert_uint_eq(db_must_add(&db, &def, handles), 1);
        db_expect(&db, 2, 0xffff, rows[i].lines);
        ck_assert_uint_eq(handles[1], 4);
        ck_assert_uint_eq(handles[2], 5);
        ck_assert_int_eq(bl_gatt_db_remove(&db, 1), 0);
    }
}
END_TEST

START_TEST(extended_properties_are_two_octets)
{
    for (uint16_t len = 0; len < 5; len++) {
        struct bl_gatts_descriptor d = db_desc(0x2900, 0, "abcd", len);
        struct bl_gatts_characteristic c = db_char(0x2a37, 0);

        c.descriptors = &d;
        c.n_descriptors = 1;
        ck_assert_int_eq(add_one(&c), len == 0 || len == 2 ? 0 : -EINVAL);
    }
}
END_TEST

/* ---- values ---- */

START_TEST(values_are_at_most_512_and_fit_unless_cut)
{
    static const uint8_t value[600];
    static const struct {
        uint16_t len, max;
        bool truncate;
        int result;
        uint16_t max_then;
    } rows[] = {
        {0, 0, false, 0, 0},
        {0, 512, false, 0, 512},
        {0, 513, false, -EMSGSIZE, 0},
        {0, 513, true, -EMSGSIZE, 0},
        {20, 20, false, 0, 20},
        {21, 20, false, -EMSGSIZE, 0},
        {21, 20, true, 0, 21},
        {512, 512, false, 0, 512},
        {512, 20, true, 0, 512},
        {513, 20, true, -EMSGSIZE, 0},
        {513, 512, true, -EMSGSIZE, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bl_gatts_descriptor d = {.uuid = bl_uuid_from16(0x2901),
                                        .value = value,
                                        .len = rows[i].len,
                                        .max_len = rows[i].max};
        struct bl_gatts_characteristic c = db_char(0x2a37, BL_GATT_READ), with = c;
        struct bl_gatts_service def = db_def(0x180d, &c, 1);
        uint16_t handles[2], service;

        c.value = value;
        c.len = rows[i].len;
        c.max_len = rows[i].max;
        with.truncate = c.truncate = rows[i].truncate;
        with.descriptors = &d;
        with.n_descriptors = 1;
        ck_assert_int_eq(add_one(&c), rows[i].result);
        ck_assert_int_eq(add_one(&with), rows[i].result);
        if (rows[i].result < 0)
            continue;
        service = db_must_add(&db, &def, handles);

        const struct bl_gatt_attr *a = bl_gatt_db_get(&db, handles[0]);

        ck_assert_uint_eq(a->len, rows[i].len);
        ck_assert_uint_eq(a->max, rows[i].max_then);
        ck_assert_uint_eq(a->cap, rows[i].len); /* no more memory than there is value */
        ck_assert_int_eq(bl_gatt_db_remove(&db, service), 0);
        def = db_def(0x180d, &with, 1);
        db_must_add(&db, &def, handles);
        a = bl_gatt_db_get(&db, handles[1]);
        ck_assert_uint_eq(a->len, rows[i].len);
        ck_assert_uint_eq(a->max, rows[i].max_then);
    }
}
END_TEST

START_TEST(length_without_a_value_is_refused)
{
    struct bl_gatts_descriptor d = db_desc(0x2901, 0, NULL, 1);
    struct bl_gatts_characteristic c = db_char(0x2a37, 0);

    c.descriptors = &d;
    c.n_descriptors = 1;
    ck_assert_int_eq(add_one(&c), -EINVAL);
    d.uuid = bl_uuid_from16(0x2900);
    d.len = 2;
    ck_assert_int_eq(add_one(&c), -EINVAL);
    c = db_char(0x2a37, 0);
    c.len = 1;
    ck_assert_int_eq(add_one(&c), -EINVAL);
}
END_TEST

START_TEST(descriptors_follow_their_characteristic_but_for_flags)
{
    struct bl_gatts_descriptor d = db_desc(0x2901, BL_GATT_WRITE, "x", 1);
    struct bl_gatts_characteristic c = db_char(0x2a37, BL_GATT_READ | BL_GATT_NOTIFY);
    struct bl_gatts_service def = db_def(0x180d, &c, 1);
    uint16_t handles[2];

    c.descriptors = &d;
    c.n_descriptors = 1;
    c.truncate = c.append = c.authorize_reads = c.authorize_writes = c.read_events = true;
    db_must_add(&db, &def, handles);
    for (size_t i = 0; i < 2; i++) {
        const struct bl_gatt_attr *a = bl_gatt_db_get(&db, handles[i]);

        ck_assert(a->truncate && a->authorize_reads && a->authorize_writes && a->read_events);
        ck_assert_int_eq(a->append, i == 0);
        ck_assert_uint_eq(a->flags, i == 0 ? BL_GATT_READ | BL_GATT_NOTIFY : BL_GATT_WRITE);
    }
    ck_assert(!bl_gatt_db_get(&db, 4)->authorize_writes); /* the CCCD is the server's */
}
END_TEST

/* ---- places ---- */

/* A service of n attributes, n even: the declaration, n/2 - 1 characteristics, and a CCCD. */
static struct bl_gatts_service sized(size_t n, struct bl_gatts_characteristic *c)
{
    size_t chars = (n - 1) / 2;

    for (size_t i = 0; i < chars; i++)
        c[i] = db_char(0x2a37, i == 0 && n % 2 == 0 ? BL_GATT_NOTIFY : BL_GATT_READ);
    return db_def(0x180d, c, chars);
}

START_TEST(services_are_placed_in_the_lowest_gap_that_takes_them_whole)
{
    struct bl_gatts_characteristic c[8];
    struct bl_gatts_service six = sized(6, c);

    db_must_add_at(&db, 7, 0x1801, NULL, 0);  /* six free before it */
    db_must_add_at(&db, 13, 0x1802, NULL, 0); /* five between */
    db_must_add_at(&db, 20, 0x1803, NULL, 0); /* six between */
    ck_assert_uint_eq(db_must_add(&db, &six, NULL), 1);
    ck_assert_uint_eq(db_must_add(&db, &six, NULL), 14);
    ck_assert_uint_eq(db_must_add(&db, &six, NULL), 21);

    struct bl_gatts_service five = sized(5, c);

    ck_assert_uint_eq(db_must_add(&db, &five, NULL), 8);
    ck_assert_int_eq(bl_gatt_db_remove(&db, 1), 0);
    ck_assert_uint_eq(db_must_add(&db, &five, NULL), 1);
    ck_assert_uint_eq(db_must_add(&db, &five, NULL), 27);
}
END_TEST

START_TEST(services_that_follow_another_leave_out_what_is_before_it)
{
    struct bl_gatts_characteristic c[8];
    struct bl_gatts_service five = sized(5, c);

    db_must_add_at(&db, 20, 0x1801, NULL, 0);
    five.from = 3; /* in the middle of what is free */
    ck_assert_uint_eq(db_must_add(&db, &five, NULL), 3);
    five.from = 17; /* where it does not fit */
    ck_assert_uint_eq(db_must_add(&db, &five, NULL), 21);
    five.from = 0xfffb;
    ck_assert_uint_eq(db_must_add(&db, &five, NULL), 0xfffb);
    for (five.from = 0xfffc; five.from <= 0x10000; five.from++)
        ck_assert_int_eq(add(&five), -ENOSPC);
    five.from = 0;
    ck_assert_uint_eq(db_must_add(&db, &five, NULL), 8);
    db_check(&db);
}
END_TEST

START_TEST(handle_that_is_taken_is_refused)
{
    struct bl_gatts_characteristic c[8], own = db_char(0x2a00, BL_GATT_READ);
    struct bl_gatts_service def = sized(6, c), builtin = db_def(0x1800, &own, 1);

    ck_assert_int_eq(bl_gatt_db_add(&db, &builtin, true, NULL, NULL), 0);
    ck_assert_uint_eq(db.reserved, 3);
    db_must_add_at(&db, 20, 0x1801, &own, 1); /* 20..22 */
    for (uint16_t at = 1; at < 40; at++) {
        bool taken = at <= 3 || (at + 5 >= 20 && at <= 22);

        def.handle = at;
        ck_assert_int_eq(add(&def), taken ? -EEXIST : 0);
        if (!taken)
            ck_assert_int_eq(bl_gatt_db_remove(&db, at), 0);
    }
    def.handle = 0;
    ck_assert_uint_eq(db_must_add(&db, &def, NULL), 4); /* after the built-in ones */
}
END_TEST

START_TEST(what_the_built_in_services_leave_free_stays_free)
{
    struct bl_gatts_characteristic own = db_char(0x2a00, BL_GATT_READ);
    struct bl_gatts_service builtin = db_def(0x1800, &own, 1), def = db_def(0x180d, NULL, 0);

    builtin.handle = 10; /* 10..12 */
    ck_assert_int_eq(bl_gatt_db_add(&db, &builtin, true, NULL, NULL), 0);
    for (def.handle = 1; def.handle <= 12; def.handle++)
        ck_assert_int_eq(add(&def), -EEXIST);
    def.handle = 0;
    ck_assert_uint_eq(db_must_add(&db, &def, NULL), 13);
    builtin.handle = 4;
    ck_assert_int_eq(bl_gatt_db_add(&db, &builtin, true, NULL, NULL), 0);
    ck_assert_uint_eq(db.reserved, 12);
}
END_TEST

START_TEST(handles_end_at_ffff)
{
    struct bl_gatts_characteristic c[8];
    struct bl_gatts_service def = sized(6, c);

    def.handle = 0xfffb;
    ck_assert_int_eq(add(&def), -ENOSPC);
    def.handle = 0xffff;
    ck_assert_int_eq(add(&def), -ENOSPC);
    def.handle = 0xfffa;
    ck_assert_int_eq(add(&def), 0);
    ck_assert_uint_eq(bl_gatt_db_service(&db, 0xfffa)->end, 0xffff);
    ck_assert_int_eq(bl_gatt_db_add_characteristic(&db, 0xfffa, c, NULL), -ENOSPC);
}
END_TEST

START_TEST(full_database_has_no_place)
{
    _cleanup_free_ struct bl_gatts_characteristic *c = calloc(32767, sizeof(*c));
    struct bl_gatts_service def, one = db_def(0x180d, NULL, 0), more;

    ck_assert_ptr_nonnull(c);
    def = sized(65535, c);
    ck_assert_uint_eq(db_must_add(&db, &def, NULL), 1);
    ck_assert_uint_eq(db.n_attrs, 65535);
    ck_assert_int_eq(add(&one), -ENOSPC);
    ck_assert_int_eq(bl_gatt_db_remove(&db, 1), 0);
    ck_assert_uint_eq(db_must_add(&db, &one, NULL), 1);
    def = sized(65535, c);
    ck_assert_int_eq(add(&def), -ENOSPC);
    more = sized(65534, c);
    ck_assert_uint_eq(db_must_add(&db, &more, NULL), 2);
    ck_assert_int_eq(add(&one), -ENOSPC);
}
END_TEST

START_TEST(more_attributes_than_handles_are_refused)
{
    _cleanup_free_ struct bl_gatts_characteristic *c = calloc(32768, sizeof(*c));

    ck_assert_ptr_nonnull(c);

    struct bl_gatts_service def = sized(65537, c);

    ck_assert_int_eq(add(&def), -ENOSPC);
    ck_assert_uint_eq(db.n_attrs, 0);
}
END_TEST

/* ---- growing ---- */

START_TEST(characteristic_is_added_at_the_end_of_a_service)
{
    struct bl_gatts_characteristic a = db_char(0x2a37, BL_GATT_READ),
                                   b = db_char(0x2a38, BL_GATT_NOTIFY);
    uint16_t handle = 0, start = 0, end = 0;

    db_must_add_at(&db, 5, 0x180d, &a, 1); /* 5..7 */
    db_must_add_at(&db, 11, 0x180f, NULL, 0);
    ck_assert(bl_gatt_db_changes(&db, &start, &end));
    ck_assert_int_eq(bl_gatt_db_add_characteristic(&db, 5, &b, &handle), 0); /* 8..10 */
    ck_assert_uint_eq(handle, 9);
    ck_assert_uint_eq(bl_gatt_db_service(&db, 5)->end, 10);
    ck_assert(bl_gatt_db_changes(&db, &start, &end));
    ck_assert_uint_eq(start, 5); /* the service whole, for clients to find it again */
    ck_assert_uint_eq(end, 10);
    db_check(&db);
    handle = 0xdead;
    ck_assert_int_eq(bl_gatt_db_add_characteristic(&db, 5, &a, &handle), -ENOSPC);
    ck_assert_uint_eq(handle, 0xdead);
    ck_assert_int_eq(bl_gatt_db_add_characteristic(&db, 6, &a, &handle), -ENOENT);
    ck_assert_int_eq(bl_gatt_db_add_characteristic(&db, 0, &a, &handle), -ENOENT);
    ck_assert_int_eq(bl_gatt_db_add_characteristic(&db, 12, &a, &handle), -ENOENT);
    a.flags = 0x80;
    ck_assert_int_eq(bl_gatt_db_add_characteristic(&db, 11, &a, &handle), -EINVAL);
}
END_TEST

START_TEST(built_in_services_are_not_the_clients)
{
    struct bl_gatts_characteristic c = db_char(0x2a00, BL_GATT_READ);
    struct bl_gatts_service def = db_def(0x1800, &c, 1);

    ck_assert_int_eq(bl_gatt_db_add(&db, &def, true, NULL, NULL), 0);
    ck_assert_int_eq(bl_gatt_db_add_characteristic(&db, 1, &c, NULL), -EPERM);
    ck_assert_int_eq(bl_gatt_db_remove(&db, 1), -EPERM);
    ck_assert_uint_eq(db.n_attrs, 3);
}
END_TEST

/* ---- no memory ---- */

START_TEST(adding_without_memory_changes_nothing)
{
    struct bl_gatts_descriptor d[] = {db_desc(0x2901, BL_GATT_READ, "abc", 3),
                                      db_desc(0x2900, 0, NULL, 0)};
    struct bl_gatts_characteristic c[] = {db_char(0x2a37, BL_GATT_READ | BL_GATT_INDICATE),
                                          db_char(0x2a38, BL_GATT_READ | BL_GATT_AUX_WRITE)};
    struct bl_gatts_service def = db_def(0x180d, c, 2);
    uint16_t included = db_must_add_at(&db, 0x20, 0x180f, NULL, 0), service = 0, handles[4];
    unsigned long n = 1;
    int r;

    c[0].descriptors = d;
    c[0].n_descriptors = 2;
    c[0].value = (const uint8_t *)"value";
    c[0].len = 5;
    def.includes = &included;
    def.n_includes = 1;
    def.handle = 0x10f8; /* over two pages, neither of them there */
    ck_assert_uint_eq(db.cap_services, 8);
    db.cap_services = 1; /* as if it were full */
    for (;; n++) {
        uint64_t generation = db.generation;

        oom_fail_at(n);
        r = bl_gatt_db_add(&db, &def, false, &service, handles);
        oom_off();
        db_check(&db);
        if (r == 0)
            break;
        ck_assert_int_eq(r, -ENOMEM);
        ck_assert_uint_eq(service, 0);
        ck_assert_uint_eq(db.n_attrs, 1);
        ck_assert_uint_eq(db.n_services, 1);
        ck_assert_uint_eq(db.n_includes, 0);
        ck_assert_uint_eq(db.generation, generation);
        ck_assert_ptr_null(db.pages[0x10]);
        ck_assert_ptr_null(db.pages[0x11]);
    }
    ck_assert_uint_gt(n, 10);
    ck_assert_uint_eq(service, 0x10f8);
    ck_assert_uint_eq(bl_gatt_db_service(&db, service)->end, 0x1101);

    for (n = 1;; n++) { /* one more, and nothing half of it */
        oom_fail_at(n);
        r = bl_gatt_db_add_characteristic(&db, service, c, handles);
        oom_off();
        db_check(&db);
        if (r == 0)
            break;
        ck_assert_int_eq(r, -ENOMEM);
        ck_assert_uint_eq(bl_gatt_db_service(&db, service)->end, 0x1101);
    }
    ck_assert_uint_gt(n, 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("db_add");
    TCase *t = tcase_create("db_add");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, service_of_nothing_is_its_declaration);
    tcase_add_test(t, characteristics_follow_with_cccd_and_descriptors_in_order);
    tcase_add_test(t, uuids_are_written_in_their_shortest_form);
    tcase_add_test(t, each_flag_gives_its_property_and_attributes);
    tcase_add_test(t, flags_that_there_are_not_are_refused);
    tcase_add_test(t, types_with_a_role_of_their_own_are_refused);
    tcase_add_test(t, descriptors_that_there_is_one_of_are_refused_twice);
    tcase_add_test(t, writable_auxiliaries_make_extended_properties_at_the_end);
    tcase_add_test(t, extended_properties_that_are_given_stand_where_they_were_given);
    tcase_add_test(t, extended_properties_are_two_octets);
    tcase_add_test(t, values_are_at_most_512_and_fit_unless_cut);
    tcase_add_test(t, length_without_a_value_is_refused);
    tcase_add_test(t, descriptors_follow_their_characteristic_but_for_flags);
    tcase_add_test(t, services_are_placed_in_the_lowest_gap_that_takes_them_whole);
    tcase_add_test(t, services_that_follow_another_leave_out_what_is_before_it);
    tcase_add_test(t, handle_that_is_taken_is_refused);
    tcase_add_test(t, what_the_built_in_services_leave_free_stays_free);
    tcase_add_test(t, handles_end_at_ffff);
    tcase_add_test(t, full_database_has_no_place);
    tcase_add_test(t, more_attributes_than_handles_are_refused);
    tcase_add_test(t, characteristic_is_added_at_the_end_of_a_service);
    tcase_add_test(t, built_in_services_are_not_the_clients);
    tcase_add_test(t, adding_without_memory_changes_nothing);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
