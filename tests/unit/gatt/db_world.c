/* SPDX-License-Identifier: MIT */

#include "db_world.h"

#include <stdio.h>
#include <stdlib.h>

struct bl_gatts_characteristic db_char(uint16_t uuid, uint32_t flags)
{
    return (struct bl_gatts_characteristic){
        .uuid = bl_uuid_from16(uuid), .flags = flags, .max_len = 20};
}

struct bl_gatts_descriptor db_desc(uint16_t uuid, uint32_t flags, const void *value, uint16_t len)
{
    return (struct bl_gatts_descriptor){.uuid = bl_uuid_from16(uuid),
                                        .flags = flags,
                                        .value = value,
                                        .len = len,
                                        .max_len = len > 20 ? len : 20};
}

struct bl_gatts_service db_def(uint16_t uuid, const struct bl_gatts_characteristic *c, size_t n)
{
    return (struct bl_gatts_service){
        .uuid = bl_uuid_from16(uuid), .characteristics = c, .n_characteristics = n};
}

uint16_t db_must_add(struct bl_gatt_db *db, const struct bl_gatts_service *def,
                     uint16_t *ret_handles)
{
    uint16_t service = 0;
    int r = bl_gatt_db_add(db, def, false, &service, ret_handles);

    ck_assert_int_eq(r, 0);
    ck_assert_uint_ne(service, 0);
    return service;
}

uint16_t db_must_add_at(struct bl_gatt_db *db, uint16_t handle, uint16_t uuid,
                        const struct bl_gatts_characteristic *c, size_t n)
{
    struct bl_gatts_service def = db_def(uuid, c, n);

    def.handle = handle;

    uint16_t service = db_must_add(db, &def, NULL);

    ck_assert_uint_eq(service, handle);
    return service;
}

/* ---- what it looks like ---- */

static bool db_shows_value(const struct bl_gatt_attr *a)
{
    return a->kind != BL_GATT_ATTR_VALUE && a->kind != BL_GATT_ATTR_DESCRIPTOR &&
           a->kind != BL_GATT_ATTR_CCCD;
}

static void db_print(FILE *f, const struct bl_gatt_attr *a)
{
    char type[UUID_TEXT_LEN];

    fprintf(f, "%04x %s %c", a->handle, bl_uuid_format(&a->type, type), "PSICVcED"[a->kind]);
    if (db_shows_value(a)) {
        fputc(' ', f);
        for (size_t i = 0; i < a->len; i++)
            fprintf(f, "%02x", a->value[i]);
    }
    fputc('\n', f);
}

void db_expect(const struct bl_gatt_db *db, uint16_t start, uint16_t end, const char *lines)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    ck_assert_ptr_nonnull(f);
    for (unsigned h = start; h <= end; h++) {
        const struct bl_gatt_attr *a = bl_gatt_db_get(db, (uint16_t)h);

        if (a)
            db_print(f, a);
    }
    fclose(f);
    ck_assert_str_eq(text, lines);
    free(text);
}

/* ---- what is true of all ---- */

/* As ck_assert(), which notes each time where it is: too slow for every attribute of thousands. */
#define NEED(what)                                                                                 \
    do {                                                                                           \
        if (!(what))                                                                               \
            ck_abort_msg("%s:%d: %s", __FILE__, __LINE__, #what);                                  \
    } while (0)

static uint16_t db_u16(const struct bl_gatt_attr *a, size_t at)
{
    NEED(a->len >= at + 2);
    return (uint16_t)(a->value[at] | a->value[at + 1] << 8);
}

static void db_check_uuid(const struct bl_gatt_attr *a, size_t at, const struct bl_uuid *expected)
{
    struct bl_uuid u;

    NEED(bl_uuid_from_wire(a->value + at, a->len - at, &u));
    NEED(bl_uuid_eq(&u, expected));
}

static void db_check_characteristic(const struct bl_gatt_db *db, const struct bl_gatt_attr *a)
{
    const struct bl_gatt_attr *v = bl_gatt_db_get(db, (uint16_t)(a->handle + 1));

    NEED(v != NULL);
    NEED(v->kind == BL_GATT_ATTR_VALUE);
    NEED(db_u16(a, 1) == v->handle);
    NEED(a->value_handle == v->handle);
    NEED(v->value_handle == v->handle);
    NEED((a->value[0] & 0x7f) == (v->flags & 0x7f));
    NEED(v->cccd == (v->flags & (BL_GATT_NOTIFY | BL_GATT_INDICATE) ? v->handle + 1u : 0));
    db_check_uuid(a, 3, &v->type);

    bool extended = false;
    const struct bl_gatt_attr *d = v;

    while (d->handle < 0xffff && (d = bl_gatt_db_next(db, (uint16_t)(d->handle + 1), 0xffff)) &&
           d->kind >= BL_GATT_ATTR_CCCD) {
        NEED(d->value_handle == v->handle);
        NEED((d->kind == BL_GATT_ATTR_CCCD) == (d->handle == v->cccd));
        extended = extended || d->kind == BL_GATT_ATTR_EXTENDED;
    }
    NEED(extended == ((a->value[0] & 0x80) != 0));
}

static uint32_t db_check_include(const struct bl_gatt_db *db, const struct bl_gatt_attr *a)
{
    const struct bl_gatt_service_rec *s = bl_gatt_db_service(db, db_u16(a, 0));

    NEED(s != NULL);
    NEED(db_u16(a, 2) == s->end);
    NEED(a->len == (bl_uuid_is16(&s->uuid) ? 6 : 4));
    if (bl_uuid_is16(&s->uuid))
        db_check_uuid(a, 4, &s->uuid);
    return 1;
}

static void db_check_attr(const struct bl_gatt_attr *a)
{
    NEED(a->len <= a->cap);
    NEED(a->len <= a->max);
    NEED(a->max <= 512);
    NEED(a->cap == 0 || a->value);
    NEED((a->flags & ~(uint32_t)BL_GATT_FLAGS) == 0);
}

static void db_check_service(const struct bl_gatt_db *db, const struct bl_gatt_service_rec *s,
                             size_t *n, uint32_t *includes)
{
    const struct bl_gatt_attr *first = bl_gatt_db_get(db, s->start), *a;

    NEED(first != NULL);
    NEED(bl_gatt_db_get(db, s->end) != NULL);
    NEED(first->kind == (s->secondary ? BL_GATT_ATTR_SECONDARY : BL_GATT_ATTR_PRIMARY));
    db_check_uuid(first, 0, &s->uuid);
    for (unsigned h = s->start; h <= s->end; h = a->handle + 1u) {
        a = bl_gatt_db_next(db, (uint16_t)h, s->end);
        if (!a)
            break;
        NEED(bl_gatt_db_get(db, a->handle) == a);
        NEED(a->group == s->start);
        NEED(a->builtin == s->builtin);
        db_check_attr(a);
        if (a->kind == BL_GATT_ATTR_CHARACTERISTIC)
            db_check_characteristic(db, a);
        else if (a->kind == BL_GATT_ATTR_INCLUDE)
            *includes += db_check_include(db, a);
        (*n)++;
    }
}

void db_check(const struct bl_gatt_db *db)
{
    size_t n = 0, all = 0;
    uint32_t includes = 0;

    for (size_t i = 0; i < db->n_services; i++) {
        const struct bl_gatt_service_rec *s = &db->services[i];

        NEED(s->start <= s->end);
        NEED(i == 0 || s->start > db->services[i - 1].end);
        NEED(bl_gatt_db_service(db, s->start) == s);
        db_check_service(db, s, &n, &includes);
    }
    NEED(includes == db->n_includes);
    for (size_t i = 0; i < db->n_includes; i++) {
        const struct bl_gatt_include *at = &db->includes[i];
        const struct bl_gatt_attr *a = bl_gatt_db_get(db, at->handle);

        NEED(a && a->kind == BL_GATT_ATTR_INCLUDE && db_u16(a, 0) == at->service);
        NEED(i == 0 || at[-1].service < at->service ||
             (at[-1].service == at->service && at[-1].handle < at->handle));
    }
    NEED(db->n_dense <= db->n_services);
    for (size_t i = 0; i < db->n_dense; i++)
        NEED(db->services[i].start == (i == 0 ? 1 : db->services[i - 1].end + 1));
    for (const struct bl_gatt_attr *a = bl_gatt_db_next(db, 0, 0xffff); a;
         a = a->handle == 0xffff ? NULL : bl_gatt_db_next(db, (uint16_t)(a->handle + 1), 0xffff))
        all++;
    NEED(all == n); /* none outside a service */
    NEED(db->n_attrs == n);
}
