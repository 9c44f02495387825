/* SPDX-License-Identifier: MIT */

/*
 * server_find.c: what is there: Find Information, Find By Type Value, Read By Group Type.
 *
 * None of these looks at permissions, except that a value that may not be read is not found by it.
 * Each lists what follows from the first handle asked for, as much as fits, and as long as entries
 * have the same size; the client goes on behind the last. Answers are made when the first entry is
 * there, so that "not found" costs nothing.
 */

#include "gatt/db_internal.h"
#include "gatt/server_internal.h"

#include <string.h>

/* ---- Find Information: Core 5.4, Vol 3, Part F, 3.4.3.1 ---- */

enum { FIND_FORMAT_16 = 1, FIND_FORMAT_128 = 2 };

static void find_put_type(struct wr *w, const struct bl_uuid *uuid, size_t len)
{
    if (len == 2)
        wr_u16(w, bl_uuid_get16(uuid));
    else
        wr_bytes(w, uuid->b, 16);
}

uint8_t server_find_info(struct bl_gatt_conn *c, uint64_t now, struct server_request *q)
{
    (void)now;
    uint16_t start = rd_u16(&q->body), end = rd_u16(&q->body);
    const struct bl_gatt_db *db = &c->gatt->db;
    struct wr w;

    uint8_t error = server_range(q, start, end);
    if (error)
        return error;
    const struct bl_gatt_attr *a = bl_gatt_db_next(db, start, end);
    if (!a)
        return BL_ATT_ATTRIBUTE_NOT_FOUND;

    struct buf *pdu = bl_att_new(&c->bearer, c->bearer.mtu, &w);
    if (!pdu)
        return BL_ATT_INSUFFICIENT_RESOURCES;

    size_t len = bl_gatt_type_len(a);
    wr_u8(&w, BL_ATT_FIND_INFO_RSP);
    wr_u8(&w, len == 2 ? FIND_FORMAT_16 : FIND_FORMAT_128);
    while (a && bl_gatt_type_len(a) == len && w.cap - w.len >= 2 + len) {
        wr_u16(&w, a->handle);
        find_put_type(&w, &a->type, len);
        a = a->handle < end ? bl_gatt_db_next(db, (uint16_t)(a->handle + 1), end) : NULL;
    }
    bl_att_respond(&c->bearer, pdu, &w);
    return 0;
}

/* ---- Find By Type Value: Core 5.4, Vol 3, Part F, 3.4.3.3 ---- */

/* The last handle of the group that an attribute begins; itself where it begins none.
 * Core 5.4, Vol 3, Part G, 2.5.3. */
static uint16_t find_group_end(const struct bl_gatt_db *db, const struct bl_gatt_attr *a)
{
    const struct bl_gatt_service_rec *service = bl_gatt_db_service(db, a->group);
    uint16_t last = a->handle;

    if (a->kind == BL_GATT_ATTR_PRIMARY || a->kind == BL_GATT_ATTR_SECONDARY)
        return service ? service->end : last;
    if (a->kind != BL_GATT_ATTR_CHARACTERISTIC || !service)
        return last;
    while (last < service->end) {
        const struct bl_gatt_attr *next = bl_gatt_db_next(db, (uint16_t)(last + 1), service->end);
        if (!next || next->kind == BL_GATT_ATTR_CHARACTERISTIC)
            break;
        last = next->handle;
    }
    return last;
}

struct find_wanted {
    struct bl_uuid type;
    const uint8_t *value;
    size_t n;
    bool is_uuid; /* the value is one, of a service */
    struct bl_uuid uuid;
};

/* Whether it has that value, and the client may know. A service's UUID is compared as one, whatever
 * its form. */
static bool find_matches(struct bl_gatt_conn *c, const struct bl_gatt_attr *a,
                         const struct find_wanted *wanted)
{
    struct server_value v;

    if (!bl_uuid_eq(&a->type, &wanted->type))
        return false;
    if (a->kind == BL_GATT_ATTR_PRIMARY || a->kind == BL_GATT_ATTR_SECONDARY) {
        const struct bl_gatt_service_rec *service = bl_gatt_db_service(&c->gatt->db, a->handle);
        return service && wanted->is_uuid && bl_uuid_eq(&service->uuid, &wanted->uuid);
    }
    if (bl_gatt_access(a, BL_GATT_ACCESS_READ, &c->security, c->gatt->config->min_key_size) ||
        server_auth_reads(a) || server_read_view(c, a, &v))
        return false;
    return v.len == wanted->n && (v.len == 0 || memcmp(v.data, wanted->value, v.len) == 0);
}

/* The next one that matches. Services are found by their own table, in steps of a service. */
static const struct bl_gatt_attr *find_next(struct bl_gatt_conn *c, uint32_t from, uint16_t end,
                                            const struct find_wanted *wanted)
{
    const struct bl_gatt_db *db = &c->gatt->db;
    const struct bl_gatt_service_rec *service;
    uint16_t type = bl_uuid_get16(&wanted->type);

    while (from <= end) {
        uint16_t at = (uint16_t)from;

        if (type == BL_GATT_TYPE_PRIMARY || type == BL_GATT_TYPE_SECONDARY) {
            service = bl_gatt_db_next_service(db, at);
            if (!service || service->start > end)
                return NULL;
            at = service->start;
        }
        const struct bl_gatt_attr *a = bl_gatt_db_next(db, at, end);
        if (!a || find_matches(c, a, wanted))
            return a;
        from = (uint32_t)a->handle + 1;
    }
    return NULL;
}

uint8_t server_find_by_type(struct bl_gatt_conn *c, uint64_t now, struct server_request *q)
{
    (void)now;
    uint16_t start = rd_u16(&q->body), end = rd_u16(&q->body);
    struct find_wanted wanted = {.type = bl_uuid_from16(rd_u16(&q->body))};
    struct wr w;

    uint8_t error = server_range(q, start, end);
    if (error)
        return error;
    wanted.n = q->body.left;
    wanted.value = rd_bytes(&q->body, wanted.n);
    wanted.is_uuid = (wanted.n == 2 || wanted.n == 16) &&
                     bl_uuid_from_wire(wanted.value, wanted.n, &wanted.uuid);

    const struct bl_gatt_attr *a = find_next(c, start, end, &wanted);
    if (!a)
        return BL_ATT_ATTRIBUTE_NOT_FOUND;
    struct buf *pdu = bl_att_new(&c->bearer, c->bearer.mtu, &w);
    if (!pdu)
        return BL_ATT_INSUFFICIENT_RESOURCES;

    wr_u8(&w, BL_ATT_FIND_BY_TYPE_RSP);
    while (a && w.cap - w.len >= 4) {
        wr_u16(&w, a->handle);
        wr_u16(&w, find_group_end(&c->gatt->db, a));
        a = find_next(c, (uint32_t)a->handle + 1, end, &wanted);
    }
    bl_att_respond(&c->bearer, pdu, &w);
    return 0;
}

/* ---- Read By Group Type: Core 5.4, Vol 3, Part F, 3.4.4.9 ---- */

/* The next service of this kind that begins from `from` to end. */
static const struct bl_gatt_service_rec *find_service(const struct bl_gatt_db *db, uint32_t from,
                                                      uint16_t end, bool secondary)
{
    while (from <= end) {
        const struct bl_gatt_service_rec *service = bl_gatt_db_next_service(db, (uint16_t)from);

        if (!service || service->start > end)
            return NULL;
        if (service->secondary == secondary)
            return service;
        from = (uint32_t)service->start + 1;
    }
    return NULL;
}

static size_t find_uuid_len(const struct bl_uuid *uuid)
{
    return bl_uuid_is16(uuid) ? 2 : 16;
}

uint8_t server_read_by_group(struct bl_gatt_conn *c, uint64_t now, struct server_request *q)
{
    (void)now;
    uint16_t start = rd_u16(&q->body), end = rd_u16(&q->body);
    const struct bl_gatt_db *db = &c->gatt->db;
    struct bl_uuid type;
    struct wr w;
    size_t n = q->body.left;

    if ((n != 2 && n != 16) || !bl_uuid_from_wire(rd_bytes(&q->body, n), n, &type))
        return BL_ATT_INVALID_PDU;
    uint8_t error = server_range(q, start, end);
    if (error)
        return error;
    bool secondary = bl_uuid_is16(&type) && bl_uuid_get16(&type) == BL_GATT_TYPE_SECONDARY;
    if (!secondary && !(bl_uuid_is16(&type) && bl_uuid_get16(&type) == BL_GATT_TYPE_PRIMARY))
        return BL_ATT_UNSUPPORTED_GROUP_TYPE;
    const struct bl_gatt_service_rec *service = find_service(db, start, end, secondary);
    if (!service)
        return BL_ATT_ATTRIBUTE_NOT_FOUND;
    struct buf *pdu = bl_att_new(&c->bearer, c->bearer.mtu, &w);
    if (!pdu)
        return BL_ATT_INSUFFICIENT_RESOURCES;

    size_t len = find_uuid_len(&service->uuid);
    wr_u8(&w, BL_ATT_READ_BY_GROUP_RSP);
    wr_u8(&w, (uint8_t)(4 + len));
    while (service && find_uuid_len(&service->uuid) == len && w.cap - w.len >= 4 + len) {
        wr_u16(&w, service->start);
        wr_u16(&w, service->end);
        find_put_type(&w, &service->uuid, len);
        service = find_service(db, (uint32_t)service->start + 1, end, secondary);
    }
    bl_att_respond(&c->bearer, pdu, &w);
    return 0;
}
