/* SPDX-License-Identifier: MIT */

/*
 * Data: from the host into this end's queue, in the buffers that the host was told of, and from
 * there in PDUs of the link's length to the peer's host. A buffer is free when the peer has all of
 * it; the host may use it when it was told so (struct air_packet's credits), and that is what is
 * held against it.
 */

#include "air/air_internal.h"

#include "crypto/crypto.h"

#include <stdlib.h>

/* How long after a disconnection data for its handle is put down to a race. */
#define ACL_GRACE_US 1000000u

static bool acl_just_closed(const struct air_ctrl *c, uint16_t handle)
{
    unsigned n = c->n_closed < AIR_CLOSED ? c->n_closed : AIR_CLOSED;

    for (unsigned i = 0; i < n; i++)
        if (c->closed[i].handle == handle && c->air->now - c->closed[i].at < ACL_GRACE_US)
            return true;
    return false;
}

/* Core 5.4, Vol 4, Part E, 7.7.24. */
static void acl_overflow(struct air_ctrl *c)
{
    struct air_event e;

    bl_air_event_begin(&e, EV_BUFFER_OVERFLOW);
    wr_u8(&e.w, 1);
    bl_air_event_send(c, &e, 0);
}

static void acl_keep(struct air_end *e, bool start, struct rd data)
{
    size_t n = data.left;
    struct air_pdu *pdu = calloc(1, sizeof(*pdu) + n);

    if (!pdu) {
        e->completed++;
        bl_air_tell_completed(e);
        return;
    }
    list_init(&pdu->link);
    pdu->start = start;
    pdu->len = (uint16_t)n;
    pdu->ready = e->link->air->now;
    if (bl_air_end_peer(e)->c)
        pdu->ready += bl_air_pair(e->link->air, e->c, bl_air_end_peer(e)->c).delay;
    memcpy(pdu->data, data.p, n);
    list_append(&e->acl, &pdu->link);
    e->n_acl++;
    bl_air_link_kick(e->link);
}

/* Core 5.4, Vol 4, Part E, 5.4.2. */
void bl_air_acl_from_host(struct air_ctrl *c, const uint8_t *p, size_t n)
{
    struct rd in = rd_make(p, n);
    uint16_t word = rd_u16(&in), len = rd_u16(&in);
    uint16_t handle = word & 0x0fff;
    uint8_t boundary = word >> 12 & 3;

    if (!rd_ok(&in) || in.left != len) {
        bl_air_violate(c, "an ACL packet whose length is not its data's");
        return;
    }
    struct air_end *e = bl_air_end_find(c, handle);
    if (!e) {
        if (!acl_just_closed(c, handle))
            bl_air_violate(c, "ACL data for handle 0x%04x, which is none", handle);
        return;
    }
    if (--c->acl_credits < 0) {
        c->acl_credits++;
        bl_air_violate(c, "more ACL packets than the %u buffers", c->cfg.acl_num);
        acl_overflow(c);
        return;
    }
    const char *wrong = len > c->cfg.acl_len ? "longer than the buffers"
                        : len == 0           ? "empty"
                        : word >> 14 != 0    ? "with a broadcast flag"
                        : boundary == 3      ? "with a boundary flag of AMP"
                                             : NULL;
    if (wrong) {
        bl_air_violate(c, "an ACL packet %s (%u octets, handle 0x%04x)", wrong, len, handle);
        e->completed++;
        bl_air_tell_completed(e);
        return;
    }
    if (boundary == 2) /* only the controller may say so on LE: 5.4.2 */
        bl_air_violate(c, "an ACL packet that is automatically flushable");
    acl_keep(e, boundary != 1, in);
}

void bl_air_tell_completed(struct air_end *e)
{
    struct air_event ev;

    if (!e->c || e->completed == 0)
        return;
    bl_air_event_begin(&ev, EV_COMPLETED_PACKETS);
    wr_u8(&ev.w, 1);
    wr_u16(&ev.w, e->handle);
    wr_u16(&ev.w, e->completed);
    bl_air_event_send(e->c, &ev, e->completed);
    e->completed = 0;
}

/* ---- over the air ---- */

static int acl_send_control(struct air_end *e)
{
    if (list_empty(&e->ctl))
        return -1;
    struct air_pdu *pdu = list_entry(e->ctl.next, struct air_pdu, link);
    /* Termination comes after the data that the host sent before it. */
    if (pdu->ctl.op == LL_TERMINATE && !list_empty(&e->acl) && !e->link->encrypting)
        return -1;
    list_remove(&pdu->link);
    bl_air_ll_receive(bl_air_end_peer(e), &pdu->ctl);
    bl_crypto_wipe(&pdu->ctl, sizeof(pdu->ctl));
    free(pdu);
    return 26;
}

static int acl_send_data(struct air_end *e)
{
    struct air_end *peer = bl_air_end_peer(e);
    struct air_ctrl *to = peer->c;

    if (list_empty(&e->acl) || e->link->encrypting)
        return -1;
    struct air_pdu *pdu = list_entry(e->acl.next, struct air_pdu, link);
    if (pdu->ready > e->link->air->now)
        return -1;
    if (!bl_air_acl_room(to, peer)) {
        to->blocked = true;
        return -1;
    }
    uint16_t n =
        pdu->len - pdu->sent < e->tx_octets ? (uint16_t)(pdu->len - pdu->sent) : e->tx_octets;
    if (to->flow_control && n > to->host_acl_len)
        n = to->host_acl_len;
    if (bl_air_acl_to_host(to, peer->handle, pdu->start && pdu->sent == 0, pdu->data + pdu->sent,
                           n) &&
        to->flow_control)
        peer->to_host++;
    pdu->sent = (uint16_t)(pdu->sent + n);
    if (pdu->sent == pdu->len) {
        list_remove(&pdu->link);
        free(pdu);
        e->n_acl--;
        e->completed++;
    }
    return n;
}

int bl_air_send_one(struct air_end *e)
{
    int n = acl_send_control(e);

    return n >= 0 || !e->c ? n : acl_send_data(e);
}
