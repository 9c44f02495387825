/* SPDX-License-Identifier: MIT */

#include "gatt_rig.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE UINT64_C(60000000)

enum { SERVICE_ATTRS = 50 };

void rig_mtu(struct stack *s, uint16_t mtu)
{
    for (size_t i = 0; i < s->n; i++) {
        struct bl_config config;
        bl_host_get_config(s->end[i].host, &config);
        config.mtu = mtu;
        ck_assert_int_eq(bl_host_set_config(s->end[i].host, s->now, &config), 0);
    }
}

size_t rig_value(unsigned i, bool written, uint8_t value[512])
{
    /* Most are short, as they are; every sixteenth is long, and some of these as long as can be. */
    size_t n = i % 16 == 5 ? 512 - 3 * (i / 16 % 60) : i % 21;

    if (written)
        n = i % 16 == 5 ? 600 - n : 20 - n;
    for (size_t k = 0; k < n; k++)
        value[k] = (uint8_t)(i * 31u + k * 7u + (k >> 8) + (written ? 0x55u : 0));
    return n;
}

static unsigned rig_service(struct stack *s, size_t end, unsigned attrs, struct rig_db *db)
{
    struct bl_gatts_characteristic chars[SERVICE_ATTRS] = {0};
    static uint8_t values[SERVICE_ATTRS][512];
    unsigned n = (attrs - 1) / 2;
    uint16_t handles[SERVICE_ATTRS], first;

    for (unsigned i = 0; i < n; i++) {
        unsigned number = db->n_values + i;
        chars[i] = (struct bl_gatts_characteristic){
            .uuid = bl_uuid_from16((uint16_t)(RIG_VALUE_UUID + number)),
            .flags = BL_GATT_READ | BL_GATT_WRITE | BL_GATT_WRITE_NO_RESPONSE,
            .value = values[i],
            .len = (uint16_t)rig_value(number, false, values[i]),
            .max_len = 512,
        };
    }
    bool cccd = n > 0 && attrs % 2 == 0;
    if (cccd)
        chars[n - 1].flags |= BL_GATT_NOTIFY | BL_GATT_INDICATE;
    struct bl_gatts_service def = {
        .uuid = bl_uuid_from16((uint16_t)(RIG_SERVICE_UUID + db->n_services)),
        .characteristics = chars,
        .n_characteristics = n,
    };
    ck_assert_int_eq(bl_gatts_add(s->end[end].host, s->now, &def, &first, handles), 0);
    db->service[db->n_services] = first;
    db->streaming[db->n_services++] = cccd ? handles[n - 1] : 0;
    for (unsigned i = 0; i < n; i++)
        db->value[db->n_values++] = handles[i];
    return 1 + 2 * n + cccd;
}

void rig_fill(struct stack *s, size_t end, unsigned attrs, struct rig_db *ret)
{
    memset(ret, 0, sizeof(*ret));
    while (ret->n_attrs < attrs) {
        unsigned left = attrs - ret->n_attrs;
        ret->n_attrs += rig_service(s, end, left < SERVICE_ATTRS ? left : SERVICE_ATTRS, ret);
    }
    ck_assert_uint_eq(ret->n_attrs, attrs);
}

struct bl_event rig_done(struct stack *s, size_t end, int r, bl_op op)
{
    ck_assert_int_ge(r, 0);
    if (r == 1)
        return (struct bl_event){.kind = BL_EV_OP_DONE};
    return stack_done(s, end, op, 100 * MINUTE);
}

void rig_ok(struct stack *s, size_t end, int r, bl_op op)
{
    ck_assert_uint_eq(rig_done(s, end, r, op).done.status, BL_OK);
}

static bool rig_of_procedure(enum bl_event_kind kind)
{
    return kind >= BL_EV_GATTC_SERVICE && kind <= BL_EV_GATTC_VALUE;
}

const struct bl_event *rig_event(const struct stack *s, size_t end, enum bl_event_kind kind,
                                 bl_op op, unsigned i)
{
    const struct stack_end *e = &s->end[end];

    for (size_t k = 0; k < e->n_events; k++) {
        const struct bl_event *event = &e->events[k];
        if (event->kind != kind || (op && (!rig_of_procedure(kind) || event->gatt.op != op)))
            continue;
        if (i-- == 0)
            return event;
    }
    return NULL;
}

unsigned rig_count(const struct stack *s, size_t end, enum bl_event_kind kind, bl_op op)
{
    const struct stack_end *e = &s->end[end];
    unsigned n = 0;

    for (size_t k = 0; k < e->n_events; k++)
        n += e->events[k].kind == kind &&
             (!op || (rig_of_procedure(kind) && e->events[k].gatt.op == op));
    return n;
}

/* Walks over results of one procedure in order: NULL after the last. */
static const struct bl_event *rig_next(const struct stack *s, size_t end, enum bl_event_kind kind,
                                       bl_op op, size_t *at)
{
    const struct stack_end *e = &s->end[end];

    while (*at < e->n_events) {
        const struct bl_event *event = &e->events[(*at)++];
        if (event->kind == kind && event->gatt.op == op)
            return event;
    }
    return NULL;
}

static void rig_find_services(struct stack *s, size_t end, uint16_t conn, const struct rig_db *db)
{
    const struct bl_event *e;
    unsigned found = 0;
    size_t at = 0;
    bl_op op;

    int r = bl_gattc_services(s->end[end].host, s->now, conn, NULL, &op);
    rig_ok(s, end, r, op);
    while ((e = rig_next(s, end, BL_EV_GATTC_SERVICE, op, &at)) != NULL) {
        ck_assert_uint_eq(e->gatt.conn, conn);
        if (e->gatt.start < db->service[0])
            continue; /* the host's own */
        ck_assert_uint_lt(found, db->n_services);
        struct bl_uuid uuid = bl_uuid_from16((uint16_t)(RIG_SERVICE_UUID + found));
        ck_assert(bl_uuid_eq(&e->gatt.uuid, &uuid));
        ck_assert_uint_eq(e->gatt.start, db->service[found++]);
        if (found < db->n_services)
            ck_assert_uint_eq(e->gatt.end, db->service[found] - 1);
    }
    ck_assert_uint_eq(found, db->n_services);

    struct bl_uuid last = bl_uuid_from16((uint16_t)(RIG_SERVICE_UUID + found - 1));
    r = bl_gattc_services(s->end[end].host, s->now, conn, &last, &op);
    rig_ok(s, end, r, op);
    ck_assert_uint_eq(rig_count(s, end, BL_EV_GATTC_SERVICE, op), 1);
    ck_assert_uint_eq(rig_event(s, end, BL_EV_GATTC_SERVICE, op, 0)->gatt.start,
                      db->service[found - 1]);
}

static void rig_find_characteristics(struct stack *s, size_t end, uint16_t conn,
                                     const struct rig_db *db)
{
    const struct bl_event *e;
    unsigned found = 0;
    size_t at = 0;
    bl_op op;

    int r =
        bl_gattc_characteristics(s->end[end].host, s->now, conn, db->service[0], 0xffff, NULL, &op);
    rig_ok(s, end, r, op);
    while ((e = rig_next(s, end, BL_EV_GATTC_CHARACTERISTIC, op, &at)) != NULL) {
        ck_assert_uint_lt(found, db->n_values);
        struct bl_uuid uuid = bl_uuid_from16((uint16_t)(RIG_VALUE_UUID + found));
        ck_assert(bl_uuid_eq(&e->gatt.uuid, &uuid));
        ck_assert_uint_eq(e->gatt.handle, db->value[found] - 1);
        ck_assert_uint_eq(e->gatt.properties & 0x0e, 0x0e);
        ck_assert_uint_eq(e->gatt.value_handle, db->value[found++]);
    }
    ck_assert_uint_eq(found, db->n_values);
}

void rig_discover(struct stack *s, size_t end, uint16_t conn, const struct rig_db *db)
{
    const struct bl_event *e;
    unsigned found = 0;
    size_t at = 0;
    bl_op op;

    rig_find_services(s, end, conn, db);
    rig_find_characteristics(s, end, conn, db);
    int r = bl_gattc_descriptors(s->end[end].host, s->now, conn, db->service[0], 0xffff, &op);
    rig_ok(s, end, r, op);
    while ((e = rig_next(s, end, BL_EV_GATTC_DESCRIPTOR, op, &at)) != NULL)
        ck_assert_uint_eq(e->gatt.handle, db->service[0] + found++);
    ck_assert_uint_eq(found, db->n_attrs);
    r = bl_gattc_includes(s->end[end].host, s->now, conn, db->service[0], 0xffff, &op);
    rig_ok(s, end, r, op);
    ck_assert_uint_eq(rig_count(s, end, BL_EV_GATTC_INCLUDE, op), 0);
}

void rig_read(struct stack *s, size_t end, uint16_t conn, const struct rig_db *db, unsigned step,
              bool written)
{
    uint8_t value[512];
    bl_op op;

    for (unsigned i = 0; i < db->n_values; i += step) {
        s->end[end].n_events = s->end[end].taken = 0;
        int r = bl_gattc_read(s->end[end].host, s->now, conn, db->value[i], 0, true, &op);
        rig_ok(s, end, r, op);
        const struct bl_event *e = rig_event(s, end, BL_EV_GATTC_VALUE, op, 0);
        size_t n = rig_value(i, written, value);
        ck_assert_uint_eq(rig_count(s, end, BL_EV_GATTC_VALUE, op), 1);
        ck_assert_uint_eq(e->gatt.handle, db->value[i]);
        ck_assert_uint_eq(e->gatt.value.len, n);
        if (n > 0)
            ck_assert_mem_eq(e->gatt.value.data, value, n);
    }
}

void rig_write(struct stack *s, size_t end, uint16_t conn, size_t server, const struct rig_db *db,
               unsigned step)
{
    uint8_t value[512];
    bl_op op;

    for (unsigned i = 0; i < db->n_values; i += step) {
        stack_forget(s);
        size_t n = rig_value(i, true, value);
        int r = bl_gattc_write(s->end[end].host, s->now, conn, db->value[i], value, n,
                               BL_GATT_WRITE_REQUEST, 0, &op);
        rig_ok(s, end, r, op);
        ck_assert_uint_eq(rig_count(s, server, BL_EV_GATTS_WRITTEN, 0), 1);
        const struct bl_event *e = rig_event(s, server, BL_EV_GATTS_WRITTEN, 0, 0);
        ck_assert_uint_eq(e->gatt.handle, db->value[i]);
        ck_assert_uint_eq(e->gatt.value.len, n);
        if (n > 0)
            ck_assert_mem_eq(e->gatt.value.data, value, n);
        const uint8_t *stored;
        size_t len;
        ck_assert_int_eq(bl_gatts_read(s->end[server].host, db->value[i], false, &stored, &len), 0);
        ck_assert_uint_eq(len, n);
        if (n > 0)
            ck_assert_mem_eq(stored, value, n);
    }
}
