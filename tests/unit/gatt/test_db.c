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
}

static void changes_are(uint16_t start, uint16_t end)
{
    uint16_t s = 0, e = 0;
    bool any = bl_gatt_db_changes(&db, &s, &e);

    ck_assert_int_eq(any, start != 0);
    ck_assert_uint_eq(s, start);
    ck_assert_uint_eq(e, end);
}

/* ---- lookup ---- */

START_TEST(nothing_is_found_in_an_empty_database)
{
    ck_assert_ptr_null(bl_gatt_db_get(&db, 0));
    ck_assert_ptr_null(bl_gatt_db_get(&db, 1));
    ck_assert_ptr_null(bl_gatt_db_get(&db, 0xffff));
    ck_assert_ptr_null(bl_gatt_db_next(&db, 0, 0xffff));
    ck_assert_ptr_null(bl_gatt_db_next(&db, 0xffff, 0xffff));
    ck_assert_ptr_null(bl_gatt_db_service(&db, 1));
    ck_assert_ptr_null(bl_gatt_db_next_service(&db, 0));
    changes_are(0, 0);
}
END_TEST

START_TEST(next_attribute_is_found_over_any_gap)
{
    static const uint16_t at[] = {1,     0x3f,   0x40,   0x41,   0xff,   0x100,  0x101,  0x17f,
                                  0x1fe, 0x4000, 0x40ff, 0x7fff, 0x8000, 0xfeff, 0xff00, 0xffff};

    for (size_t i = ARRAY_LEN(at); i-- > 0;)
        db_must_add_at(&db, at[i], 0x180d, NULL, 0);

    size_t next = 0;

    for (unsigned h = 0; h <= 0xffff; h++) {
        const struct bl_gatt_attr *a = bl_gatt_db_next(&db, (uint16_t)h, 0xffff);

        while (next < ARRAY_LEN(at) && at[next] < h)
            next++;
        if (!a || a->handle != at[next])
            ck_abort_msg("from %04x: %04x", h, a ? a->handle : 0u);
        if (bl_gatt_db_next(&db, (uint16_t)h, a->handle) != a)
            ck_abort_msg("the end %04x counts", a->handle);
        if (bl_gatt_db_next(&db, (uint16_t)h, (uint16_t)(a->handle - 1)))
            ck_abort_msg("%04x is after the end", a->handle);
        if ((bl_gatt_db_get(&db, (uint16_t)h) != NULL) != (a->handle == h))
            ck_abort_msg("at %04x", h);
        if (bl_gatt_db_next_service(&db, (uint16_t)h)->start != a->handle)
            ck_abort_msg("service from %04x", h);
    }
    ck_assert_ptr_null(bl_gatt_db_next(&db, 0x8000, 0x7fff));
}
END_TEST

START_TEST(services_are_found_by_their_first_handle_only)
{
    const struct bl_gatts_characteristic c = db_char(0x2a37, BL_GATT_READ);

    db_must_add_at(&db, 10, 0x180d, &c, 1);
    db_must_add_at(&db, 5, 0x180f, NULL, 0);
    ck_assert_uint_eq(bl_gatt_db_service(&db, 10)->end, 12);
    ck_assert_ptr_null(bl_gatt_db_service(&db, 11));
    ck_assert_ptr_null(bl_gatt_db_service(&db, 9));
    ck_assert_uint_eq(bl_gatt_db_next_service(&db, 0)->start, 5);
    ck_assert_uint_eq(bl_gatt_db_next_service(&db, 5)->start, 5);
    ck_assert_uint_eq(bl_gatt_db_next_service(&db, 6)->start, 10);
    ck_assert_ptr_null(bl_gatt_db_next_service(&db, 11));
}
END_TEST

/* Vol 3, Part F, 3.2.2: the last handle is 0xffff. */
START_TEST(five_thousand_attributes_reach_up_to_the_last_handle)
{
    struct bl_gatts_characteristic c[] = {db_char(0x2a37, BL_GATT_READ | BL_GATT_NOTIFY),
                                          db_char(0x2a38, BL_GATT_READ)};
    unsigned n = 0;

    for (unsigned at = 0xffff - 5; n < 5004; at -= 6, n += 6)
        db_must_add_at(&db, (uint16_t)at, 0x180d, c, 2);
    ck_assert_uint_eq(db.n_attrs, 5004);
    ck_assert_uint_eq(db.n_services, 834);
    ck_assert_ptr_nonnull(bl_gatt_db_get(&db, 0xffff));
    db_check(&db);

    size_t pages = 0;

    for (size_t i = 0; i < 256; i++)
        pages += db.pages[i] != NULL;
    ck_assert_uint_eq(pages, 20); /* of 256: as many as it takes */
    while (db.n_services > 0)
        ck_assert_int_eq(bl_gatt_db_remove(&db, db.services[db.n_services / 2].start), 0);
    ck_assert_uint_eq(db.n_attrs, 0);
    for (size_t i = 0; i < 256; i++)
        ck_assert_ptr_null(db.pages[i]);
}
END_TEST

/* ---- removal ---- */

START_TEST(removal_leaves_the_others_where_they_are)
{
    const struct bl_gatts_characteristic c = db_char(0x2a37, BL_GATT_READ);
    struct bl_gatts_service def = db_def(0x180d, &c, 1);
    const struct bl_gatt_attr *values[3];
    uint16_t handle;

    for (size_t i = 0; i < 3; i++) {
        db_must_add(&db, &def, &handle);
        values[i] = bl_gatt_db_get(&db, handle);
    }
    changes_are(1, 9);
    ck_assert_int_eq(bl_gatt_db_remove(&db, 5), -ENOENT); /* a characteristic */
    ck_assert_int_eq(bl_gatt_db_remove(&db, 0), -ENOENT);
    ck_assert_int_eq(bl_gatt_db_remove(&db, 10), -ENOENT);
    changes_are(0, 0);
    ck_assert_int_eq(bl_gatt_db_remove(&db, 4), 0);
    changes_are(4, 6);
    ck_assert_ptr_null(bl_gatt_db_get(&db, 5));
    ck_assert_ptr_eq(bl_gatt_db_get(&db, 3), values[0]);
    ck_assert_ptr_eq(bl_gatt_db_get(&db, 9), values[2]);
    ck_assert_int_eq(bl_gatt_db_remove(&db, 4), -ENOENT);
    ck_assert_uint_eq(db_must_add(&db, &def, &handle), 4);
    changes_are(4, 6);
}
END_TEST

START_TEST(changes_are_joined_until_they_are_asked_for)
{
    uint64_t generation = db.generation;

    db_must_add_at(&db, 0x100, 0x180d, NULL, 0);
    db_must_add_at(&db, 0x200, 0x180d, NULL, 0);
    ck_assert_uint_gt(db.generation, generation);
    ck_assert_int_eq(bl_gatt_db_remove(&db, 0x100), 0);
    db_must_add_at(&db, 0x180, 0x180d, NULL, 0);
    changes_are(0x100, 0x200);
    changes_are(0, 0);
}
END_TEST

/* ---- includes ---- */

/* A service at `handle` with these includes, and a characteristic unless bare. */
static uint16_t add_including(uint16_t handle, bool bare, const uint16_t *includes, size_t n)
{
    static struct bl_gatts_characteristic c;

    c = db_char(0x2a37, BL_GATT_READ);

    struct bl_gatts_service def = db_def(0x180d, &c, bare ? 0 : 1);

    def.handle = handle;
    def.includes = includes;
    def.n_includes = n;
    return db_must_add(&db, &def, NULL);
}

START_TEST(include_names_the_service_its_end_and_a_short_uuid)
{
    const struct bl_gatts_characteristic c = db_char(0x2a19, BL_GATT_READ);
    struct bl_gatts_service def = db_def(0, &c, 1);
    uint16_t includes[] = {0x0105, 0x0207};

    def.handle = 0x105;
    memset(def.uuid.b, 0x77, 16);
    db_must_add(&db, &def, NULL);
    db_must_add_at(&db, 0x207, 0x180f, &c, 1);
    add_including(1, false, includes, 2);
    db_expect(&db, 1, 5,
              "0001 2800 P 0d18\n"
              "0002 2802 I 05010701\n"
              "0003 2802 I 070209020f18\n"
              "0004 2803 C 020500372a\n"
              "0005 2a37 V\n");
}
END_TEST

START_TEST(include_of_no_service_is_refused)
{
    const struct bl_gatts_characteristic c = db_char(0x2a19, BL_GATT_READ);
    struct bl_gatts_service def = db_def(0x180d, NULL, 0);
    static const uint16_t bad[] = {0, 9, 11, 0x20, 0xffff};

    db_must_add_at(&db, 10, 0x180f, &c, 1);
    def.handle = 0x20; /* not itself either */
    def.n_includes = 1;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        def.includes = &bad[i];
        ck_assert_int_eq(bl_gatt_db_add(&db, &def, false, NULL, NULL), -ENOENT);
    }
    ck_assert_uint_eq(db.n_services, 1);
}
END_TEST

START_TEST(include_follows_a_service_that_grows)
{
    const struct bl_gatts_characteristic c = db_char(0x2a19, BL_GATT_READ);
    uint16_t grows = 0x40, other = 0x30, both[] = {other, grows};

    db_must_add_at(&db, other, 0x180f, NULL, 0);
    db_must_add_at(&db, grows, 0x180f, NULL, 0);
    add_including(0x10, false, both, 2);
    add_including(0x20, false, &other, 1);
    add_including(0x60, true, &grows, 1);
    changes_are(0x10, 0x61);
    ck_assert_int_eq(bl_gatt_db_add_characteristic(&db, grows, &c, NULL), 0);
    db_expect(&db, 0x11, 0x12, "0011 2802 I 300030000f18\n0012 2802 I 400042000f18\n");
    db_expect(&db, 0x61, 0x61, "0061 2802 I 400042000f18\n");
    changes_are(0x10, 0x61); /* the includers whole, too */
}
END_TEST

START_TEST(includes_end_with_the_service_that_they_name)
{
    uint16_t a = 0x40, b = 0x50, ab[] = {a, b}, ba[] = {b, a}, aa[] = {a, a};

    db_must_add_at(&db, a, 0x180f, NULL, 0);
    db_must_add_at(&db, b, 0x180f, NULL, 0);
    add_including(0x10, false, ab, 2);
    add_including(0x20, true, ba, 2);
    add_including(0x30, true, aa, 2);
    changes_are(0x10, 0x50);
    ck_assert_int_eq(bl_gatt_db_remove(&db, a), 0);
    changes_are(0x10, 0x40);
    db_expect(&db, 0x10, 0x3f,
              "0010 2800 P 0d18\n"
              "0012 2802 I 500050000f18\n"
              "0013 2803 C 021400372a\n"
              "0014 2a37 V\n"
              "0020 2800 P 0d18\n"
              "0021 2802 I 500050000f18\n"
              "0030 2800 P 0d18\n");
    /* a service ends with its last attribute: Vol 3, Part G, 2.6.2 */
    ck_assert_uint_eq(bl_gatt_db_service(&db, 0x10)->end, 0x14);
    ck_assert_uint_eq(bl_gatt_db_service(&db, 0x20)->end, 0x21);
    ck_assert_uint_eq(bl_gatt_db_service(&db, 0x30)->end, 0x30);
    ck_assert_int_eq(bl_gatt_db_remove(&db, 0x10), 0);
    ck_assert_int_eq(bl_gatt_db_remove(&db, 0x20), 0);
    ck_assert_uint_eq(db.n_includes, 0);
}
END_TEST

START_TEST(include_follows_a_service_that_shrinks)
{
    uint16_t a = 0x40, middle = 0x50;

    db_must_add_at(&db, a, 0x180f, NULL, 0);
    add_including(middle, true, &a, 1);
    add_including(0x10, true, &middle, 1);
    db_expect(&db, 0x11, 0x11, "0011 2802 I 500051000d18\n");
    changes_are(0x10, 0x51);
    ck_assert_int_eq(bl_gatt_db_remove(&db, a), 0);
    db_expect(&db, 0x11, 0x11, "0011 2802 I 500050000d18\n");
    changes_are(0x10, 0x51);
}
END_TEST

/* As many services as there can be that include another one, taken away from the first on: what
 * that costs must not be the square of their number. */
START_TEST(chain_of_includes_over_all_handles_is_taken_apart)
{
    struct bl_gatts_service def = db_def(0x180d, NULL, 0);
    uint16_t last = db_must_add(&db, &def, NULL), included;
    size_t n = 1;

    def.includes = &included;
    def.n_includes = 1;
    for (included = last; bl_gatt_db_add(&db, &def, false, &last, NULL) == 0; included = last)
        n++;
    ck_assert_uint_eq(n, 32768);
    ck_assert_uint_eq(db.n_attrs, 65535);
    ck_assert_uint_eq(db.n_includes, 32767);
    db_check(&db);
    while (db.n_services > 0) {
        if (bl_gatt_db_remove(&db, db.services[0].start) != 0)
            ck_abort_msg("%zu left", db.n_services);
        if (db.n_services % 4096 == 0)
            db_check(&db);
    }
    ck_assert_uint_eq(db.n_attrs, 0);
    ck_assert_uint_eq(db.n_includes, 0);
}
END_TEST

/* ---- values ---- */

static struct bl_gatt_attr *add_value(const void *value, uint16_t len, uint16_t max)
{
    struct bl_gatts_characteristic c = db_char(0x2a37, BL_GATT_READ);
    struct bl_gatts_service def = db_def(0x180d, &c, 1);
    uint16_t handle;

    c.value = value;
    c.len = len;
    c.max_len = max;
    db_must_add(&db, &def, &handle);
    return bl_gatt_db_get(&db, handle);
}

START_TEST(store_replaces_from_an_offset_on)
{
    static const struct {
        size_t offset;
        const char *value;
        bool keep_tail;
        const char *result; /* of "abcdef" */
    } rows[] = {
        {0, "", false, ""},
        {0, "", true, "abcdef"},
        {0, "XY", false, "XY"},
        {0, "XY", true, "XYcdef"},
        {2, "XY", false, "abXY"},
        {2, "XY", true, "abXYef"},
        {2, "", false, "ab"},
        {6, "XY", false, "abcdefXY"},
        {6, "XY", true, "abcdefXY"},
        {5, "XYZ", true, "abcdeXYZ"},
        {4, "XY", true, "abcdXY"},
        {6, "", false, "abcdef"},
        {0, "0123456789", true, "0123456789"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bl_gatt_attr *a = add_value("abcdef", 6, 6);
        size_t n = strlen(rows[i].result);

        ck_assert_int_eq(bl_gatt_db_store(a, rows[i].offset, (const uint8_t *)rows[i].value,
                                          strlen(rows[i].value), rows[i].keep_tail),
                         0);
        ck_assert_uint_eq(a->len, n);
        ck_assert_mem_eq(a->value, rows[i].result, n);
        ck_assert_uint_eq(a->max, n > 6 ? n : 6); /* enlarged */
        ck_assert_uint_eq(a->cap, n > 6 ? n : 6);
    }
}
END_TEST

START_TEST(store_goes_up_to_512_octets)
{
    static const uint8_t value[513] = {1, 2, 3};
    struct bl_gatt_attr *a = add_value("ab", 2, 512);

    ck_assert_int_eq(bl_gatt_db_store(a, 0, value, 513, false), -EMSGSIZE);
    ck_assert_int_eq(bl_gatt_db_store(a, 0, value, SIZE_MAX, false), -EMSGSIZE);
    ck_assert_int_eq(bl_gatt_db_store(a, 2, value, 511, false), -EMSGSIZE);
    ck_assert_int_eq(bl_gatt_db_store(a, 3, value, 1, false), -EINVAL);
    ck_assert_uint_eq(a->len, 2);
    ck_assert_mem_eq(a->value, "ab", 2);
    ck_assert_int_eq(bl_gatt_db_store(a, 2, value, 510, false), 0);
    ck_assert_uint_eq(a->len, 512);
    ck_assert_int_eq(bl_gatt_db_store(a, 512, value, 0, false), 0);
    ck_assert_int_eq(bl_gatt_db_store(a, 512, value, 1, false), -EMSGSIZE);
    ck_assert_uint_eq(a->len, 512);
    ck_assert_int_eq(bl_gatt_db_store(a, 0, value, 512, true), 0);
    ck_assert_mem_eq(a->value, value, 512);
}
END_TEST

START_TEST(value_that_is_emptied_can_still_be_read)
{
    struct bl_gatt_attr *a = add_value("abc", 3, 20);
    const uint8_t *value = a->value;

    ck_assert_int_eq(bl_gatt_db_store(a, 0, NULL, 0, false), 0);
    ck_assert_uint_eq(a->len, 0);
    ck_assert_mem_eq(value, "abc", 3);
    ck_assert_ptr_eq(a->value, value);
}
END_TEST

START_TEST(value_can_be_stored_into_itself)
{
    struct bl_gatt_attr *a = add_value("abcdef", 6, 6);

    ck_assert_int_eq(bl_gatt_db_store(a, 0, a->value + 1, 4, true), 0);
    ck_assert_mem_eq(a->value, "bcdeef", 6);
    ck_assert_int_eq(bl_gatt_db_store(a, 6, a->value, 6, false), 0);
    ck_assert_uint_eq(a->len, 12);
    ck_assert_mem_eq(a->value, "bcdeefbcdeef", 12);
}
END_TEST

START_TEST(only_values_and_descriptors_can_be_stored)
{
    struct bl_gatts_descriptor d[] = {db_desc(0x2900, 0, "\0\0", 2), db_desc(0x2901, 0, "x", 1)};
    struct bl_gatts_characteristic c = db_char(0x2a37, BL_GATT_READ | BL_GATT_NOTIFY);
    struct bl_gatts_service def = db_def(0x180d, &c, 1);
    uint16_t included = db_must_add_at(&db, 1, 0x180f, NULL, 0);
    size_t stored = 0;

    c.descriptors = d;
    c.n_descriptors = 2;
    def.includes = &included;
    def.n_includes = 1;
    db_must_add(&db, &def, NULL);
    for (uint16_t h = 1; h <= db.n_attrs; h++) {
        struct bl_gatt_attr *a = bl_gatt_db_get(&db, h);
        int r = bl_gatt_db_store(a, 0, (const uint8_t *)"y", 1, true);

        ck_assert_int_eq(
            r, a->kind == BL_GATT_ATTR_VALUE || a->kind == BL_GATT_ATTR_DESCRIPTOR ? 0 : -EPERM);
        stored += r == 0;
    }
    ck_assert_uint_eq(stored, 2);
}
END_TEST

START_TEST(store_without_memory_changes_nothing)
{
    struct bl_gatt_attr *a = add_value("abc", 3, 20);
    int r;

    oom_fail_from(1);
    r = bl_gatt_db_store(a, 1, (const uint8_t *)"12345", 5, false);
    oom_off();
    ck_assert_int_eq(r, -ENOMEM);
    ck_assert_uint_eq(a->len, 3);
    ck_assert_mem_eq(a->value, "abc", 3);
    oom_fail_from(1);
    r = bl_gatt_db_store(a, 1, (const uint8_t *)"12", 2, false);
    oom_off();
    ck_assert_int_eq(r, 0); /* what fits needs none */
    ck_assert_mem_eq(a->value, "a12", 3);
}
END_TEST

START_TEST(removal_needs_no_memory)
{
    uint16_t a = 0x40;

    db_must_add_at(&db, a, 0x180f, NULL, 0);
    add_including(0x10, true, &a, 1);
    oom_fail_from(1);
    int r = bl_gatt_db_remove(&db, a);
    unsigned long allocations = oom_count();
    oom_off();
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(allocations, 0);
}
END_TEST

/* ---- against a model ---- */

/* What stands at each handle, the plainest way: 'P', 'I', 'C', 'V', 'c', 'D', 'E', or 0. */
struct model {
    char kind[0x10000];
    uint16_t service[0x10000]; /* whose extent a handle is in */
    uint16_t included[0x10000];
    const struct bl_gatt_attr *attr[0x10000];
};

static uint32_t model_seed;

static unsigned model_random(unsigned below)
{
    model_seed = model_seed * 1664525 + 1013904223;
    return (model_seed >> 8) % below;
}

static unsigned model_characteristic(char *kinds, const struct bl_gatts_characteristic *c)
{
    unsigned n = 0;

    kinds[n++] = 'C';
    kinds[n++] = 'V';
    if (c->flags & (BL_GATT_NOTIFY | BL_GATT_INDICATE))
        kinds[n++] = 'c';
    for (size_t i = 0; i < c->n_descriptors; i++)
        kinds[n++] = 'D';
    if (c->flags & BL_GATT_AUX_WRITE)
        kinds[n++] = 'E';
    return n;
}

static bool model_free(const struct model *m, unsigned at, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (at + i > 0xffff || m->service[at + i])
            return false;
    return true;
}

static void model_put(struct model *m, unsigned at, const char *kinds, unsigned n, uint16_t service)
{
    for (unsigned i = 0; i < n; i++) {
        m->kind[at + i] = kinds[i];
        m->service[at + i] = service;
    }
}

/* A service's extent ends with its last attribute. */
static void model_trim(struct model *m)
{
    for (unsigned h = 0xffff; h > 0; h--)
        if (m->service[h] && !m->kind[h] && (h == 0xffff || m->service[h + 1] != m->service[h]))
            m->service[h] = 0;
}

static void model_remove(struct model *m, uint16_t service)
{
    for (unsigned h = 1; h <= 0xffff; h++)
        if (m->service[h] == service || (m->kind[h] == 'I' && m->included[h] == service)) {
            m->kind[h] = 0;
            m->attr[h] = NULL;
            if (m->service[h] == service)
                m->service[h] = 0;
        }
    model_trim(m);
}

static void model_compare(struct model *m)
{
    size_t n = 0;

    for (unsigned h = 1; h <= 0xffff; h++) {
        const struct bl_gatt_attr *a = bl_gatt_db_get(&db, (uint16_t)h);

        if ((a ? "PSICVcED"[a->kind] : 0) != m->kind[h])
            ck_abort_msg("%04x is %c", h, a ? "PSICVcED"[a->kind] : '-');
        if (m->attr[h] && m->attr[h] != a)
            ck_abort_msg("%04x has been moved", h);
        m->attr[h] = a;
        n += a != NULL;
    }
    ck_assert_uint_eq(n, db.n_attrs);
    db_check(&db);
}

static void model_add(struct model *m)
{
    static const struct bl_gatts_descriptor d[2];
    struct bl_gatts_descriptor named[2] = {db_desc(0x2901, BL_GATT_READ, "x", 1),
                                           db_desc(0x290a, BL_GATT_READ, d, 2)};
    struct bl_gatts_characteristic c[4];
    unsigned n_chars = model_random(5), n = 0, n_includes = 0, at;
    uint16_t includes[2], service = 0, handles[16];
    char kinds[64];

    kinds[n++] = 'P';
    while (db.n_services > 0 && n_includes < 2 && model_random(3) == 0) {
        includes[n_includes++] = db.services[model_random((unsigned)db.n_services)].start;
        kinds[n++] = 'I';
    }
    for (unsigned i = 0; i < n_chars; i++) {
        c[i] = db_char((uint16_t)(0x2a00 + model_random(200)), model_random(0x200) & 0x17f);
        c[i].descriptors = named;
        c[i].n_descriptors = model_random(3);
        n += model_characteristic(kinds + n, &c[i]);
    }

    struct bl_gatts_service def = db_def(0x180d, c, n_chars);
    unsigned window = model_random(2) ? 300 : 0xffff; /* crowded, or anywhere */

    def.handle = (uint16_t)(model_random(2) ? 1 + model_random(window) : 0);
    def.includes = includes;
    def.n_includes = n_includes;
    for (at = def.handle ? def.handle : 1; !def.handle && !model_free(m, at, n);)
        at++;

    int r = bl_gatt_db_add(&db, &def, false, &service, handles);

    if (at + n - 1 > 0xffff) {
        ck_assert_int_eq(r, -ENOSPC);
        return;
    }
    if (!model_free(m, at, n)) {
        ck_assert_int_eq(r, -EEXIST);
        return;
    }
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(service, at);
    model_put(m, at, kinds, n, service);
    for (unsigned i = 0; i < n_includes; i++)
        m->included[at + 1 + i] = includes[i];
    for (unsigned h = at, told = 0; h < at + n; h++)
        if (m->kind[h] == 'V' || m->kind[h] == 'D')
            ck_assert_uint_eq(handles[told++], h);
}

static void model_grow(struct model *m)
{
    struct bl_gatts_characteristic c = db_char(0x2a37, model_random(0x200) & 0x17f);
    char kinds[8];

    if (db.n_services == 0)
        return;

    uint16_t service = db.services[model_random((unsigned)db.n_services)].start;
    unsigned n = model_characteristic(kinds, &c), at = service;

    while (at <= 0xffff && m->service[at] == service)
        at++;

    int r = bl_gatt_db_add_characteristic(&db, service, &c, NULL);

    if (!model_free(m, at, n)) {
        ck_assert_int_eq(r, -ENOSPC);
        return;
    }
    ck_assert_int_eq(r, 0);
    model_put(m, at, kinds, n, service);
}

START_TEST(random_changes_agree_with_a_plain_model)
{
    _cleanup_free_ struct model *m = calloc(1, sizeof(*m));

    ck_assert_ptr_nonnull(m);
    model_seed = (uint32_t)_i * 7919 + 1;
    for (unsigned step = 0; step < 400; step++) {
        unsigned what = model_random(8);

        if (what < 4) {
            model_add(m);
        } else if (what < 6) {
            model_grow(m);
        } else if (db.n_services > 0) {
            uint16_t service = db.services[model_random((unsigned)db.n_services)].start;

            ck_assert_int_eq(bl_gatt_db_remove(&db, service), 0);
            model_remove(m, service);
        }
        model_compare(m);
    }
    ck_assert_uint_gt(db.n_services, 10);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("db");
    TCase *t = tcase_create("db");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, nothing_is_found_in_an_empty_database);
    tcase_add_test(t, next_attribute_is_found_over_any_gap);
    tcase_add_test(t, services_are_found_by_their_first_handle_only);
    tcase_add_test(t, five_thousand_attributes_reach_up_to_the_last_handle);
    tcase_add_test(t, removal_leaves_the_others_where_they_are);
    tcase_add_test(t, changes_are_joined_until_they_are_asked_for);
    tcase_add_test(t, include_names_the_service_its_end_and_a_short_uuid);
    tcase_add_test(t, include_of_no_service_is_refused);
    tcase_add_test(t, include_follows_a_service_that_grows);
    tcase_add_test(t, includes_end_with_the_service_that_they_name);
    tcase_add_test(t, include_follows_a_service_that_shrinks);
    tcase_add_test(t, chain_of_includes_over_all_handles_is_taken_apart);
    tcase_add_test(t, store_replaces_from_an_offset_on);
    tcase_add_test(t, store_goes_up_to_512_octets);
    tcase_add_test(t, value_that_is_emptied_can_still_be_read);
    tcase_add_test(t, value_can_be_stored_into_itself);
    tcase_add_test(t, only_values_and_descriptors_can_be_stored);
    tcase_add_test(t, store_without_memory_changes_nothing);
    tcase_add_test(t, removal_needs_no_memory);
    tcase_add_loop_test(t, random_changes_agree_with_a_plain_model, 0, 8);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
