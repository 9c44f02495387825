/* SPDX-License-Identifier: MIT */

/*
 * Discovery: services, included services, characteristics, descriptors. Core 5.4, Vol 3, Part G,
 * 4.4 to 4.7.
 *
 * Each asks for p->from..p->end until the peer says Attribute Not Found, or an answer has reached
 * the end. A result is told as soon as it is whole: a characteristic when the next one or the end
 * is known, because only then its own last handle is; an included service with a 128-bit UUID when
 * its declaration was read, which goes on between two answers (CLIENT_EACH).
 */

#include "gatt/client_internal.h"

#include <stdlib.h>
#include <string.h>

/* Core 5.4, Vol 3, Part G, 4.4.1: the error that says that there are no more. */
static int client_no_more(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, bl_status status)
{
    (void)c;
    (void)p;
    return status == BL_ATT_ATTRIBUTE_NOT_FOUND ? (int)BL_OK : (int)status;
}

static void client_range(struct bl_gattc_procedure *p, uint16_t start, uint16_t end,
                         const struct bl_uuid *uuid)
{
    p->from = start;
    p->end = end;
    p->has_uuid = uuid != NULL;
    if (uuid)
        p->uuid = *uuid;
}

/* ---- services ---- */

/* A service of an answer: groups follow one another and do not overlap. */
static bool client_service(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, uint16_t start,
                           uint16_t end, const struct bl_uuid *uuid)
{
    if (!client_rises(p, start) || end < start)
        return false;

    struct bl_event e = {
        .kind = BL_EV_GATTC_SERVICE,
        .gatt = {.start = start, .end = end, .uuid = *uuid},
    };
    client_result(c, p, &e);
    p->from = (uint32_t)end + 1;
    return true;
}

static int services_next(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p)
{
    return client_ask_range16(c, now, p, BL_ATT_READ_BY_GROUP_REQ, CLIENT_PRIMARY_SERVICE);
}

/* Core 5.4, Vol 3, Part F, 3.4.4.10 */
static int services_answer(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd body)
{
    uint8_t entry = rd_u8(&body);

    if ((entry != 6 && entry != 20) || body.left == 0 || body.left % entry != 0)
        return client_wrong(c);
    while (body.left > 0) {
        uint16_t start = rd_u16(&body), end = rd_u16(&body);
        size_t n = entry - 4u;
        struct bl_uuid uuid;

        if (!bl_uuid_from_wire(rd_bytes(&body, n), n, &uuid) ||
            !client_service(c, p, start, end, &uuid))
            return client_wrong(c);
    }
    return client_more(p);
}

/* Core 5.4, Vol 3, Part F, 3.4.3.3 */
static int services_by_uuid_next(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p)
{
    struct wr w;
    struct buf *pdu = bl_att_new(&c->bearer, BL_ATT_MTU_MIN, &w);

    if (!pdu)
        return -ENOMEM;
    wr_u8(&w, BL_ATT_FIND_BY_TYPE_REQ);
    wr_u16(&w, (uint16_t)p->from);
    wr_u16(&w, p->end);
    wr_u16(&w, CLIENT_PRIMARY_SERVICE);
    client_put_uuid(&w, &p->uuid);
    return bl_att_request(&c->bearer, now, pdu, &w);
}

static int services_by_uuid_answer(struct bl_gatt_conn *c, struct bl_gattc_procedure *p,
                                   struct rd body)
{
    if (body.left == 0 || body.left % 4 != 0)
        return client_wrong(c);
    while (body.left > 0) {
        uint16_t start = rd_u16(&body), end = rd_u16(&body);
        if (!client_service(c, p, start, end, &p->uuid))
            return client_wrong(c);
    }
    return client_more(p);
}

int bl_gattc_do_services(struct bl_gatt_conn *c, uint64_t now, const struct bl_uuid *uuid,
                         bl_op *op)
{
    static const struct client_kind all = {services_next, services_answer, client_no_more};
    static const struct client_kind one = {services_by_uuid_next, services_by_uuid_answer,
                                           client_no_more};
    struct bl_gattc_procedure *p = client_new(uuid ? &one : &all);

    if (p)
        client_range(p, 1, 0xffff, uuid);
    return client_queue(c, now, p, op);
}

/* ---- characteristics ---- */

static int characteristics_next(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p)
{
    return client_ask_range16(c, now, p, BL_ATT_READ_BY_TYPE_REQ, CLIENT_CHARACTERISTIC);
}

/* The one whose end was not known: its last handle is `end`, or where the range asked for cuts it,
 * its value's. */
static void characteristic_ends(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, uint16_t end)
{
    const struct client_characteristic *pending = &p->pending;

    if (pending->declaration != 0 && (!p->has_uuid || bl_uuid_eq(&pending->uuid, &p->uuid))) {
        struct bl_event e = {
            .kind = BL_EV_GATTC_CHARACTERISTIC,
            .gatt = {.handle = pending->declaration,
                     .end = end < pending->value_handle ? pending->value_handle : end,
                     .value_handle = pending->value_handle,
                     .properties = pending->properties,
                     .uuid = pending->uuid},
        };
        client_result(c, p, &e);
    }
    p->pending.declaration = 0;
}

/* Core 5.4, Vol 3, Part G, 4.6.1 */
static int characteristics_answer(struct bl_gatt_conn *c, struct bl_gattc_procedure *p,
                                  struct rd body)
{
    uint8_t entry = rd_u8(&body);

    if ((entry != 7 && entry != 21) || body.left == 0 || body.left % entry != 0)
        return client_wrong(c);
    while (body.left > 0) {
        struct client_characteristic next = {.declaration = rd_u16(&body)};
        size_t n = entry - 5u;

        next.properties = rd_u8(&body);
        next.value_handle = rd_u16(&body);
        if (!bl_uuid_from_wire(rd_bytes(&body, n), n, &next.uuid) ||
            !client_rises(p, next.declaration) || next.value_handle <= next.declaration ||
            (p->pending.declaration != 0 && next.declaration <= p->pending.value_handle))
            return client_wrong(c);
        characteristic_ends(c, p, (uint16_t)(next.declaration - 1));
        client_seen(c, next.value_handle, &next.uuid);
        p->pending = next;
        p->from = next.declaration + 1u;
    }
    if (p->from <= p->end)
        return CLIENT_NEXT;
    characteristic_ends(c, p, p->end);
    return BL_OK;
}

static int characteristics_failed(struct bl_gatt_conn *c, struct bl_gattc_procedure *p,
                                  bl_status status)
{
    if (status == BL_ATT_ATTRIBUTE_NOT_FOUND)
        characteristic_ends(c, p, p->end);
    return client_no_more(c, p, status);
}

int bl_gattc_do_characteristics(struct bl_gatt_conn *c, uint64_t now, uint16_t start, uint16_t end,
                                const struct bl_uuid *uuid, bl_op *op)
{
    static const struct client_kind kind = {characteristics_next, characteristics_answer,
                                            characteristics_failed};
    struct bl_gattc_procedure *p;

    if (start == 0 || start > end)
        return -EINVAL;
    p = client_new(&kind);
    if (p)
        client_range(p, start, end, uuid);
    return client_queue(c, now, p, op);
}

/* ---- descriptors ---- */

bool client_info_begin(struct rd *body, struct client_info *ret)
{
    uint8_t format = rd_u8(body);

    *ret = (struct client_info){.n = format == 1 ? 2 : 16};
    return (format == 1 || format == 2) && body->left > 0 && body->left % (ret->n + 2) == 0;
}

bool client_info_next(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd *body,
                      struct client_info *info)
{
    info->handle = rd_u16(body);
    if (!bl_uuid_from_wire(rd_bytes(body, info->n), info->n, &info->uuid) ||
        !client_rises(p, info->handle))
        return false;
    p->from = info->handle + 1u;
    client_seen(c, info->handle, &info->uuid);
    return true;
}

static int descriptors_next(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p)
{
    return client_ask_range(c, now, p, BL_ATT_FIND_INFO_REQ, NULL);
}

static int descriptors_answer(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd body)
{
    struct client_info info;

    if (!client_info_begin(&body, &info))
        return client_wrong(c);
    while (body.left > 0) {
        if (!client_info_next(c, p, &body, &info))
            return client_wrong(c);
        struct bl_event e = {
            .kind = BL_EV_GATTC_DESCRIPTOR,
            .gatt = {.handle = info.handle, .uuid = info.uuid},
        };
        client_result(c, p, &e);
    }
    return client_more(p);
}

int bl_gattc_do_descriptors(struct bl_gatt_conn *c, uint64_t now, uint16_t start, uint16_t end,
                            bl_op *op)
{
    static const struct client_kind kind = {descriptors_next, descriptors_answer, client_no_more};
    struct bl_gattc_procedure *p;

    if (start == 0 || start > end)
        return -EINVAL;
    p = client_new(&kind);
    if (p)
        client_range(p, start, end, NULL);
    return client_queue(c, now, p, op);
}

/* ---- included services ---- */

/* The entry at work in p->list: of the include, start, end. */
static struct bl_event include_entry(const struct bl_gattc_procedure *p)
{
    struct rd r = rd_make(p->list + p->pos, 6);
    struct bl_event e = {.kind = BL_EV_GATTC_INCLUDE};

    e.gatt.handle = rd_u16(&r);
    e.gatt.start = rd_u16(&r);
    e.gatt.end = rd_u16(&r);
    return e;
}

/* Core 5.4, Vol 3, Part G, 4.5.1: the UUID of one without it is in its declaration. */
static int includes_next(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p)
{
    if (p->phase != CLIENT_EACH)
        return client_ask_range16(c, now, p, BL_ATT_READ_BY_TYPE_REQ, CLIENT_INCLUDE);

    struct wr w;
    struct buf *pdu = bl_att_new(&c->bearer, BL_ATT_MTU_MIN, &w);
    if (!pdu)
        return -ENOMEM;
    wr_u8(&w, BL_ATT_READ_REQ);
    wr_u16(&w, include_entry(p).gatt.start);
    return bl_att_request(&c->bearer, now, pdu, &w);
}

static int include_declaration(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd body)
{
    struct bl_event e = include_entry(p);
    size_t n = body.left;

    if ((n != 2 && n != 16) || !bl_uuid_from_wire(rd_bytes(&body, n), n, &e.gatt.uuid))
        return client_wrong(c);
    client_result(c, p, &e);
    p->pos += 6;
    if (p->pos < p->n_list)
        return CLIENT_NEXT;
    p->phase = CLIENT_FIRST;
    return client_more(p);
}

/* All of one answer have a UUID, or none has. */
static int includes_answer(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd body)
{
    if (p->phase == CLIENT_EACH)
        return include_declaration(c, p, body);

    uint8_t entry = rd_u8(&body);
    if ((entry != 6 && entry != 8) || body.left == 0 || body.left % entry != 0 ||
        body.left > sizeof(p->list))
        return client_wrong(c);
    memcpy(p->list, body.p, body.left);
    p->n_list = body.left;
    for (p->pos = 0; p->pos < p->n_list; p->pos += entry) {
        struct bl_event e = include_entry(p);

        if (!client_rises(p, e.gatt.handle) || e.gatt.start == 0 || e.gatt.end < e.gatt.start)
            return client_wrong(c);
        p->from = e.gatt.handle + 1u;
        if (entry == 8 && bl_uuid_from_wire(p->list + p->pos + 6, 2, &e.gatt.uuid))
            client_result(c, p, &e);
    }
    if (entry == 8)
        return client_more(p);
    p->pos = 0;
    p->phase = CLIENT_EACH;
    return CLIENT_NEXT;
}

static int includes_failed(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, bl_status status)
{
    return p->phase == CLIENT_EACH ? (int)status : client_no_more(c, p, status);
}

int bl_gattc_do_includes(struct bl_gatt_conn *c, uint64_t now, uint16_t start, uint16_t end,
                         bl_op *op)
{
    static const struct client_kind kind = {includes_next, includes_answer, includes_failed};
    struct bl_gattc_procedure *p;

    if (start == 0 || start > end)
        return -EINVAL;
    p = client_new(&kind);
    if (p)
        client_range(p, start, end, NULL);
    return client_queue(c, now, p, op);
}
