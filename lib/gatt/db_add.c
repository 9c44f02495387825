/* SPDX-License-Identifier: MIT */

/*
 * db_add.c: from definitions to attributes. Core 5.4, Vol 3, Part G, 3.
 *
 * In three passes, of which the last cannot fail, so that a definition is added whole or not at
 * all: check it and count its attributes (db_check.c); find its place and make the attributes, the
 * pages and the room among the services; put them in.
 *
 *     service declaration
 *     include declarations
 *     characteristic: declaration, value, CCCD if it notifies or indicates, the given descriptors,
 *                     Extended Properties if the flags ask for it and it was not given
 */

#include "base/cleanup.h"
#include "base/wr.h"
#include "gatt/db_internal.h"

#include <errno.h>
#include <stdlib.h>

enum {
    ADD_WRITABLE_AUXILIARIES = 0x0002, /* Core 5.4, Vol 3, Part G, 3.3.3.1 */
};

struct add_item {
    struct bl_gatt_attr *attr;
    bool told; /* its handle is among those that the caller gets */
};

/* What is being made: items for handles next - n to next - 1. */
struct add_plan {
    struct add_item *items;
    size_t n;
    unsigned next; /* handle of the next one */
    uint16_t group;
    bool builtin;
};

static void add_plan_free(struct add_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++)
        bl_gatt_db_attr_free(plan->items[i].attr);
    free(plan->items);
    *plan = (struct add_plan){0};
}

/* ---- second pass: a place, and what goes there ---- */

/* NULL: no memory. The plan's, with its handle; there is room for it. */
static struct bl_gatt_attr *add_attr(struct add_plan *plan, enum bl_gatt_attr_kind kind,
                                     struct bl_uuid type, uint16_t cap, bool told)
{
    struct bl_gatt_attr *a = bl_gatt_db_attr_new(cap);

    if (!a)
        return NULL;
    a->type = type;
    a->handle = (uint16_t)plan->next++;
    a->kind = (uint8_t)kind;
    a->builtin = plan->builtin;
    a->flags = BL_GATT_READ;
    a->group = plan->group;
    a->max = cap;
    plan->items[plan->n++] = (struct add_item){.attr = a, .told = told};
    return a;
}

static void add_put_uuid(struct wr *w, const struct bl_uuid *u)
{
    wr_bytes(w, bl_uuid_is16(u) ? u->b + 12 : u->b, bl_uuid_is16(u) ? 2 : 16);
}

/* A declaration's value is w.len of the octets that it was made with. */
static void add_set_declared(struct bl_gatt_attr *a, const struct wr *w)
{
    a->len = a->max = (uint16_t)w->len;
}

/* Core 5.4, Vol 3, Part G, 3.1 */
static bool add_service_declaration(struct add_plan *plan, const struct bl_gatts_service *def)
{
    struct bl_gatt_attr *a =
        add_attr(plan, def->secondary ? BL_GATT_ATTR_SECONDARY : BL_GATT_ATTR_PRIMARY,
                 bl_uuid_from16(def->secondary ? BL_GATT_TYPE_SECONDARY : BL_GATT_TYPE_PRIMARY),
                 bl_uuid_is16(&def->uuid) ? 2 : 16, false);

    if (!a)
        return false;

    struct wr w = wr_make(a->value, a->cap);

    add_put_uuid(&w, &def->uuid);
    add_set_declared(a, &w);
    return true;
}

/* 3.2: the UUID is there only when it is a 16 bit one. */
static bool add_include(struct add_plan *plan, const struct bl_gatt_service_rec *included)
{
    bool is16 = bl_uuid_is16(&included->uuid);
    struct bl_gatt_attr *a = add_attr(plan, BL_GATT_ATTR_INCLUDE,
                                      bl_uuid_from16(BL_GATT_TYPE_INCLUDE), is16 ? 6 : 4, false);

    if (!a)
        return false;

    struct wr w = wr_make(a->value, a->cap);

    wr_u16(&w, included->start);
    wr_u16(&w, included->end);
    if (is16)
        add_put_uuid(&w, &included->uuid);
    add_set_declared(a, &w);
    return true;
}

/* 3.3.1 */
static bool add_declaration(struct add_plan *plan, const struct bl_gatts_characteristic *c)
{
    struct bl_gatt_attr *a =
        add_attr(plan, BL_GATT_ATTR_CHARACTERISTIC, bl_uuid_from16(BL_GATT_TYPE_CHARACTERISTIC),
                 bl_uuid_is16(&c->uuid) ? 5 : 19, false);

    if (!a)
        return false;

    struct wr w = wr_make(a->value, a->cap);
    uint8_t properties = c->flags & 0x7f;

    if (bl_gatt_db_makes_extended(c) || bl_gatt_db_given(c, BL_GATT_TYPE_EXTENDED))
        properties |= BL_GATT_PROPERTY_EXTENDED;
    a->value_handle = (uint16_t)(a->handle + 1u);
    wr_u8(&w, properties);
    wr_u16(&w, a->value_handle);
    add_put_uuid(&w, &c->uuid);
    add_set_declared(a, &w);
    return true;
}

/* What a value and its descriptors have in common. */
static struct bl_gatt_attr *add_stored(struct add_plan *plan, enum bl_gatt_attr_kind kind,
                                       const struct bl_gatts_characteristic *c,
                                       const struct bl_gatts_descriptor *as, uint16_t value_handle)
{
    struct bl_gatt_attr *a = add_attr(plan, kind, as->uuid, as->len, true);

    if (!a)
        return NULL;
    if (as->len > 0)
        memcpy(a->value, as->value, as->len);
    a->len = as->len;
    a->max = as->max_len > as->len ? as->max_len : as->len;
    a->flags = as->flags;
    a->value_handle = value_handle;
    a->truncate = c->truncate;
    a->authorize_reads = c->authorize_reads;
    a->authorize_writes = c->authorize_writes;
    a->read_events = c->read_events;
    return a;
}

/* 3.3.3.1: read only and open; the flag adds to what was given. */
static bool add_extended(struct add_plan *plan, const struct bl_gatts_characteristic *c,
                         const struct bl_gatts_descriptor *given, uint16_t value_handle)
{
    struct bl_gatt_attr *a = add_attr(plan, BL_GATT_ATTR_EXTENDED,
                                      bl_uuid_from16(BL_GATT_TYPE_EXTENDED), 2, given != NULL);

    if (!a)
        return false;
    a->value_handle = value_handle;
    a->len = 2;
    a->value[0] = a->value[1] = 0;
    if (given && given->len == 2)
        memcpy(a->value, given->value, 2);
    if (c->flags & BL_GATT_AUX_WRITE)
        a->value[0] |= ADD_WRITABLE_AUXILIARIES;
    return true;
}

static bool add_cccd(struct add_plan *plan, const struct bl_gatts_characteristic *c,
                     struct bl_gatt_attr *value)
{
    struct bl_gatt_attr *a =
        add_attr(plan, BL_GATT_ATTR_CCCD, bl_uuid_from16(BL_GATT_TYPE_CCCD), 0, false);

    if (!a)
        return false;
    a->flags = c->flags;
    a->value_handle = value->handle;
    a->max = 2; /* 3.3.3.3 */
    value->cccd = a->handle;
    return true;
}

static bool add_characteristic(struct add_plan *plan, const struct bl_gatts_characteristic *c)
{
    const struct bl_gatts_descriptor as = {.uuid = c->uuid,
                                           .flags = c->flags,
                                           .value = c->value,
                                           .len = c->len,
                                           .max_len = c->max_len};

    if (!add_declaration(plan, c))
        return false;

    uint16_t handle = (uint16_t)plan->next;
    struct bl_gatt_attr *value = add_stored(plan, BL_GATT_ATTR_VALUE, c, &as, handle);

    if (!value)
        return false;
    value->append = c->append;
    if ((c->flags & BL_GATT_SUBSCRIBABLE) && !add_cccd(plan, c, value))
        return false;
    for (size_t i = 0; i < c->n_descriptors; i++) {
        const struct bl_gatts_descriptor *d = &c->descriptors[i];
        bool made = bl_gatt_db_is(&d->uuid, BL_GATT_TYPE_EXTENDED)
                        ? add_extended(plan, c, d, handle)
                        : add_stored(plan, BL_GATT_ATTR_DESCRIPTOR, c, d, handle) != NULL;

        if (!made)
            return false;
    }
    return !bl_gatt_db_makes_extended(c) || add_extended(plan, c, NULL, handle);
}

static int add_plan_begin(struct add_plan *plan, uint16_t handle, size_t n, uint16_t group,
                          bool builtin)
{
    *plan = (struct add_plan){.next = handle, .group = group, .builtin = builtin};
    plan->items = calloc(n, sizeof(*plan->items));
    return plan->items ? 0 : -ENOMEM;
}

static int add_plan_service(const struct bl_gatt_db *db, struct add_plan *plan,
                            const struct bl_gatts_service *def)
{
    bool made = add_service_declaration(plan, def);

    for (size_t i = 0; made && i < def->n_includes; i++)
        made = add_include(plan, bl_gatt_db_service(db, def->includes[i]));
    for (size_t i = 0; made && i < def->n_characteristics; i++)
        made = add_characteristic(plan, &def->characteristics[i]);
    return made ? 0 : -ENOMEM;
}

/* ---- third pass ---- */

static void add_put(struct bl_gatt_db *db, struct add_plan *plan, uint16_t *ret_handles)
{
    for (size_t i = 0; i < plan->n; i++) {
        struct bl_gatt_attr *a = steal_ptr(plan->items[i].attr);

        if (plan->items[i].told && ret_handles)
            *ret_handles++ = a->handle;
        bl_gatt_db_put(db, a);
    }
}

int bl_gatt_db_add(struct bl_gatt_db *db, const struct bl_gatts_service *def, bool builtin,
                   uint16_t *ret_service, uint16_t *ret_handles)
{
    _cleanup_(add_plan_free) struct add_plan plan = {0};
    uint16_t start = def->handle;
    size_t n = 0;
    int r = bl_gatt_db_check_service(db, def, &n);

    if (r == 0)
        r = start ? bl_gatt_db_check_place(db, n, start, builtin)
                  : bl_gatt_db_find_place(db, n, def->from, &start);
    if (r == 0)
        r = add_plan_begin(&plan, start, n, start, builtin);
    if (r == 0)
        r = add_plan_service(db, &plan, def);
    if (r == 0)
        r = bl_gatt_db_reserve_service(db);
    if (r == 0)
        r = bl_gatt_db_reserve_includes(db, def->n_includes);
    if (r < 0)
        return r;

    uint16_t end = (uint16_t)(start + n - 1);

    r = bl_gatt_db_reserve(db, start, end);
    if (r < 0)
        return r;
    add_put(db, &plan, ret_handles);
    bl_gatt_db_put_service(db, &(struct bl_gatt_service_rec){.start = start,
                                                             .end = end,
                                                             .secondary = def->secondary,
                                                             .builtin = builtin,
                                                             .uuid = def->uuid});
    if (builtin && end > db->reserved)
        db->reserved = end;
    bl_gatt_db_touch(db, start, end);
    if (ret_service)
        *ret_service = start;
    return 0;
}

int bl_gatt_db_add_characteristic(struct bl_gatt_db *db, uint16_t service,
                                  const struct bl_gatts_characteristic *def, uint16_t *ret_handles)
{
    _cleanup_(add_plan_free) struct add_plan plan = {0};
    struct bl_gatt_service_rec *rec = bl_gatt_db_rec(db, service);
    size_t n = 0;

    if (!rec)
        return -ENOENT;
    if (rec->builtin)
        return -EPERM;

    int r = bl_gatt_db_check_characteristic(def, &n);

    if (r < 0)
        return r;
    if (rec->end + n > BL_GATT_HANDLE_MAX ||
        bl_gatt_db_check_place(db, n, (uint16_t)(rec->end + 1), false) < 0)
        return -ENOSPC;

    uint16_t start = (uint16_t)(rec->end + 1), end = (uint16_t)(rec->end + n);

    r = add_plan_begin(&plan, start, n, rec->start, false);
    if (r == 0 && !add_characteristic(&plan, def))
        r = -ENOMEM;
    if (r == 0)
        r = bl_gatt_db_reserve(db, start, end);
    if (r < 0)
        return r;
    add_put(db, &plan, ret_handles);
    rec->end = end;
    bl_gatt_db_includes_follow(db, rec);
    bl_gatt_db_touch(db, rec->start, end);
    return 0;
}
