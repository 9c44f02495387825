/* SPDX-License-Identifier: MIT */

/*
 * Subscriptions and the exchange of ATT_MTU. Core 5.4, Vol 3, Part G, 4.3.1, 4.10, 4.11 and 4.13.
 *
 * A subscription knows a value handle and needs the handle of its Client Characteristic
 * Configuration. It is looked for with Find Information from the value itself on, so that its UUID
 * is seen too (Service Changed is known by it), to the next declaration, and remembered as long as
 * the peer's services do not change.
 */

#include "gatt/client_internal.h"

#include <stdlib.h>

/* ---- what is known ---- */

static struct bl_gattc_known *known_find(struct bl_gatt_conn *c, uint16_t value_handle)
{
    for (unsigned i = 0; i < c->client.n_known; i++)
        if (c->client.known[i].value_handle == value_handle)
            return &c->client.known[i];
    return NULL;
}

/* Without memory, or when there are too many, it is looked for again the next time. */
static void known_add(struct bl_gatt_conn *c, uint16_t value_handle, uint16_t cccd)
{
    unsigned n = c->client.n_known;
    struct bl_gattc_known *known;

    if (n == CLIENT_MAX_KNOWN)
        return;
    known = realloc(c->client.known, (n + 1) * sizeof(*known));
    if (!known)
        return;
    known[n] = (struct bl_gattc_known){value_handle, cccd};
    c->client.known = known;
    c->client.n_known = n + 1;
}

static void known_remove(struct bl_gatt_conn *c, uint16_t value_handle)
{
    struct bl_gattc_known *known = known_find(c, value_handle);

    if (known)
        *known = c->client.known[--c->client.n_known];
}

/* ---- subscribe ---- */

static int subscribe_next(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p)
{
    const struct bl_gattc_known *known = known_find(c, p->handle);
    uint8_t value[2] = {p->bits, 0};

    if (p->phase == CLIENT_FIRST && known) {
        p->cccd = known->cccd;
        p->phase = CLIENT_WRITE;
    }
    if (p->phase == CLIENT_WRITE)
        return client_send_write(c, now, p->cccd, value, sizeof(value));
    return client_ask_range(c, now, p, BL_ATT_FIND_INFO_REQ, NULL);
}

/* Where a characteristic ends: Core 5.4, Vol 3, Part G, 3.3. */
static bool subscribe_is_declaration(uint16_t uuid)
{
    return uuid >= CLIENT_PRIMARY_SERVICE && uuid <= CLIENT_CHARACTERISTIC;
}

static int subscribe_answer(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd body)
{
    struct client_info info;

    if (p->phase == CLIENT_WRITE)
        return BL_OK;
    if (!client_info_begin(&body, &info))
        return client_wrong(c);
    while (body.left > 0) {
        if (!client_info_next(c, p, &body, &info))
            return client_wrong(c);

        uint16_t uuid = bl_uuid_is16(&info.uuid) ? bl_uuid_get16(&info.uuid) : 0;
        bool is_value = !p->has_part;
        if (subscribe_is_declaration(uuid) ||
            (is_value && (info.handle != p->handle || uuid == CLIENT_CCCD)))
            return BL_ATT_ATTRIBUTE_NOT_FOUND;
        p->has_part = true;
        if (uuid == CLIENT_CCCD) {
            p->cccd = info.handle;
            p->phase = CLIENT_WRITE;
            known_add(c, p->handle, p->cccd);
            return CLIENT_NEXT;
        }
    }
    return p->from <= p->end ? (int)CLIENT_NEXT : (int)BL_ATT_ATTRIBUTE_NOT_FOUND;
}

/* A CCCD that is refused may not be where it was. */
static int subscribe_failed(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, bl_status status)
{
    if (p->phase == CLIENT_WRITE)
        known_remove(c, p->handle);
    return status;
}

int bl_gattc_do_subscribe(struct bl_gatt_conn *c, uint64_t now, uint16_t handle, uint8_t bits,
                          bl_op *op)
{
    static const struct client_kind kind = {subscribe_next, subscribe_answer, subscribe_failed};
    struct bl_gattc_procedure *p;

    if (handle == 0 || bits > 3)
        return -EINVAL;
    p = client_new(&kind);
    if (p) {
        p->handle = handle;
        p->from = handle;
        p->end = 0xffff;
        p->bits = bits;
    }
    return client_queue(c, now, p, op);
}

/* ---- ATT_MTU ---- */

/* One that waited for another has nothing to ask any more: Core 5.4, Vol 3, Part F, 3.4.2.1. */
static int mtu_next(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p)
{
    if (c->bearer.asked)
        return CLIENT_NOTHING_TO_ASK;
    return bl_att_exchange_mtu(&c->bearer, now, p->offered);
}

/* The bearer has looked at it, and gatt.c has told everybody. */
static int mtu_answer(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd body)
{
    (void)c;
    (void)p;
    (void)body;
    return BL_OK;
}

int bl_gattc_do_exchange_mtu(struct bl_gatt_conn *c, uint64_t now, uint16_t mtu, bl_op *op)
{
    static const struct client_kind kind = {mtu_next, mtu_answer, NULL};
    struct bl_gattc_procedure *p;

    if (mtu != 0 && (mtu < BL_ATT_MTU_MIN || mtu > BL_ATT_MTU_MAX))
        return -EINVAL;
    if (c->bearer.asked) {
        *op = 0;
        return 1;
    }
    p = client_new(&kind);
    if (p)
        p->offered = mtu ? mtu : c->bearer.offered;
    return client_queue(c, now, p, op);
}
