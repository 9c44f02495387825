/* SPDX-License-Identifier: MIT */

/*
 * The Link Layer's control procedures: what an end does when a control PDU arrives. One handler a
 * PDU. Procedures that wait for a host are supervised by link->response (40 s). Those with an
 * instant are applied to both ends at once, by link->update_at and link->phy_at.
 * Core 5.4, Vol 6, Part B, 5.1.
 */

#include "air/air_internal.h"

#include <stdlib.h>

#define LL_RESPONSE_US 40000000u /* Core 5.4, Vol 6, Part B, 5.2 */

void bl_air_ll_send(struct air_end *e, const struct ll_ctl *ctl)
{
    struct air_pdu *pdu = calloc(1, sizeof(*pdu));

    if (!pdu)
        return;
    list_init(&pdu->link);
    pdu->ctl = *ctl;
    list_append(&e->ctl, &pdu->link);
    bl_air_link_kick(e->link);
}

void bl_air_ll_reject(struct air_end *e, enum ll_op about, uint8_t error)
{
    bl_air_ll_send(e, &(struct ll_ctl){.op = LL_REJECT, .about = about, .error = error});
}

static void ll_no_response(struct bl_air *air, struct air_timer *timer)
{
    struct air_link *l = timer_entry(timer, struct air_link, response);

    (void)air;
    bl_air_end_close(&l->end[0], AIR_RESPONSE_TIMEOUT);
    bl_air_end_close(&l->end[1], AIR_RESPONSE_TIMEOUT);
}

void bl_air_ll_response_start(struct air_link *l)
{
    bl_air_timer_set(l->air, &l->response, l->air->now + LL_RESPONSE_US, ll_no_response);
}

static bool ll_has(const struct air_end *e, uint64_t feature)
{
    return e->c->cfg.le_features & feature;
}

/* ---- events ---- */

void bl_air_tell_features(struct air_end *e, uint8_t status)
{
    struct air_event ev;

    e->features_asked = false;
    bl_air_meta_begin(&ev, LE_REMOTE_FEATURES);
    wr_u8(&ev.w, status);
    wr_u16(&ev.w, e->handle);
    wr_u64(&ev.w, status == AIR_OK ? e->features : 0);
    bl_air_event_send(e->c, &ev, 0);
}

void bl_air_tell_version(struct air_end *e, uint8_t status)
{
    struct air_event ev;

    e->version_asked = false;
    bl_air_event_begin(&ev, EV_REMOTE_VERSION);
    wr_u8(&ev.w, status);
    wr_u16(&ev.w, e->handle);
    wr_u8(&ev.w, e->version);
    wr_u16(&ev.w, e->manufacturer);
    wr_u16(&ev.w, 0);
    bl_air_event_send(e->c, &ev, 0);
}

void bl_air_tell_update(struct air_end *e, uint8_t status)
{
    const struct air_link *l = e->link;
    struct air_event ev;

    e->update_asked = false;
    bl_air_meta_begin(&ev, LE_CONNECTION_UPDATE);
    wr_u8(&ev.w, status);
    wr_u16(&ev.w, e->handle);
    wr_u16(&ev.w, l->interval);
    wr_u16(&ev.w, l->latency);
    wr_u16(&ev.w, l->timeout);
    bl_air_event_send(e->c, &ev, 0);
}

void bl_air_tell_phy(struct air_end *e, uint8_t status)
{
    const struct air_link *l = e->link;
    struct air_event ev;

    e->phy_asked = false;
    bl_air_meta_begin(&ev, LE_PHY_UPDATE);
    wr_u8(&ev.w, status);
    wr_u16(&ev.w, e->handle);
    wr_u8(&ev.w, l->phy[e->side]);
    wr_u8(&ev.w, l->phy[!e->side]);
    bl_air_event_send(e->c, &ev, 0);
}

/* ---- termination: 5.1.6 ---- */

static void ll_terminate(struct air_end *e, const struct ll_ctl *p)
{
    bl_air_end_close(e, p->error);
    bl_air_end_close(bl_air_end_peer(e), AIR_LOCAL_TERMINATED);
}

/* ---- connection update: 5.1.1 ---- */

static void ll_update_apply(struct bl_air *air, struct air_timer *timer)
{
    struct air_link *l = timer_entry(timer, struct air_link, update_at);
    bool changed = l->interval != l->update.interval_min || l->latency != l->update.latency ||
                   l->timeout != l->update.timeout;

    l->update_pending = false;
    l->anchor = air->now;
    l->interval = l->update.interval_min;
    l->latency = l->update.latency;
    l->timeout = l->update.timeout;
    bl_air_timer_stop(air, &l->event);
    for (unsigned side = 0; side < 2; side++) {
        struct air_end *e = &l->end[side];
        if (e->c && (changed || e->update_asked))
            bl_air_tell_update(e, AIR_OK);
    }
    bl_air_link_kick(l);
}

/* The central decides. */
static void ll_update_send(struct air_end *central, const struct air_conn_params *p)
{
    central->link->update_pending = true;
    bl_air_ll_send(central, &(struct ll_ctl){.op = LL_UPDATE_IND, .params = *p});
}

static void ll_update_ind(struct air_end *e, const struct ll_ctl *p)
{
    struct air_link *l = e->link;

    l->update = p->params;
    e->param_out = false;
    bl_air_timer_stop(l->air, &l->response);
    bl_air_timer_set(l->air, &l->update_at, bl_air_link_instant(l), ll_update_apply);
}

/* From the host, checked. By request where both can (5.1.7), else the central just does it. */
uint8_t bl_air_ll_update(struct air_end *e, const struct air_conn_params *p)
{
    bool central = e->side == 0;
    bool peer_can = e->features_known ? (e->features & BL_AIR_LE_PARAM_REQUEST) != 0 : !central;

    if (e->update_asked || e->param_out || e->link->update_pending)
        return AIR_DISALLOWED; /* one at a time; the host cannot know of the peer's */
    if (!central && !ll_has(e, BL_AIR_LE_PARAM_REQUEST))
        return bl_air_disallow(e->c, "LE Connection Update by a peripheral that cannot request it");
    if (!central && !peer_can)
        return AIR_UNSUPPORTED_REMOTE;
    e->update_asked = true;
    e->param_want = *p;
    if (ll_has(e, BL_AIR_LE_PARAM_REQUEST) && peer_can) {
        e->param_out = true;
        bl_air_ll_response_start(e->link);
        bl_air_ll_send(e, &(struct ll_ctl){.op = LL_PARAM_REQ, .params = *p});
    } else {
        ll_update_send(e, p);
    }
    return AIR_OK;
}

static void ll_param_req(struct air_end *e, const struct ll_ctl *p)
{
    struct air_event ev;

    if (!ll_has(e, BL_AIR_LE_PARAM_REQUEST)) {
        bl_air_ll_reject(e, LL_PARAM_REQ, AIR_UNSUPPORTED_REMOTE);
        return;
    }
    if (e->side == 0 && (e->param_out || e->link->update_pending)) { /* 5.3: the central's wins */
        bl_air_ll_reject(e, LL_PARAM_REQ, AIR_COLLISION);
        return;
    }
    if (!bl_air_event_wanted(e->c, EV_META, LE_PARAM_REQUEST)) {
        bl_air_ll_reject(e, LL_PARAM_REQ, AIR_UNSUPPORTED_REMOTE);
        return;
    }
    e->param_wanted = true;
    bl_air_meta_begin(&ev, LE_PARAM_REQUEST);
    wr_u16(&ev.w, e->handle);
    wr_u16(&ev.w, p->params.interval_min);
    wr_u16(&ev.w, p->params.interval_max);
    wr_u16(&ev.w, p->params.latency);
    wr_u16(&ev.w, p->params.timeout);
    bl_air_event_send(e->c, &ev, 0);
}

/* The host has agreed to the peer's request. */
void bl_air_ll_param_reply(struct air_end *e, const struct air_conn_params *p)
{
    e->param_wanted = false;
    if (e->side == 0)
        ll_update_send(e, p);
    else
        bl_air_ll_send(e, &(struct ll_ctl){.op = LL_PARAM_RSP, .params = *p});
}

static void ll_param_rsp(struct air_end *e, const struct ll_ctl *p)
{
    if (e->side != 0 || !e->param_out)
        return;
    e->param_out = false;
    bl_air_timer_stop(e->link->air, &e->link->response);
    ll_update_send(e, &p->params);
}

static void ll_param_rejected(struct air_end *e, uint8_t error)
{
    if (!e->param_out)
        return;
    e->param_out = false;
    bl_air_timer_stop(e->link->air, &e->link->response);
    if (e->side == 0 && error == AIR_UNSUPPORTED_REMOTE)
        ll_update_send(e, &e->param_want);
    else
        bl_air_tell_update(e, error);
}

/* ---- features, version: 5.1.4, 5.1.5 ---- */

static void ll_feature_req(struct air_end *e, const struct ll_ctl *p)
{
    e->features = p->features;
    if (e->side == 0 && !ll_has(e, BL_AIR_LE_PERIPHERAL_FEATURES)) {
        bl_air_ll_reject(e, LL_FEATURE_REQ, AIR_UNSUPPORTED_REMOTE);
        return;
    }
    e->features_known = true;
    bl_air_ll_send(e, &(struct ll_ctl){.op = LL_FEATURE_RSP, .features = e->c->cfg.le_features});
}

static void ll_feature_rsp(struct air_end *e, const struct ll_ctl *p)
{
    e->features = p->features;
    e->features_known = true;
    if (e->features_asked)
        bl_air_tell_features(e, AIR_OK);
}

static void ll_version(struct air_end *e, const struct ll_ctl *p)
{
    e->version = p->version;
    e->manufacturer = p->manufacturer;
    e->version_known = true;
    if (!e->version_sent) {
        e->version_sent = true;
        bl_air_ll_send(e, &(struct ll_ctl){.op = LL_VERSION,
                                           .version = e->c->cfg.hci_version,
                                           .manufacturer = e->c->cfg.manufacturer});
    }
    if (e->version_asked)
        bl_air_tell_version(e, AIR_OK);
}

/* ---- data length: 5.1.9 ---- */

static struct ll_ctl ll_lengths(const struct air_end *e, enum ll_op op)
{
    return (struct ll_ctl){.op = op,
                           .tx_octets = e->want_tx,
                           .tx_time = e->want_time,
                           .rx_octets = 251,
                           .rx_time = 17040};
}

void bl_air_ll_length(struct air_end *e)
{
    struct ll_ctl ctl = ll_lengths(e, LL_LENGTH_REQ);

    bl_air_ll_send(e, &ctl);
}

static uint16_t ll_least(uint16_t a, uint16_t b)
{
    return a < b ? a : b;
}

static void ll_length_apply(struct air_end *e, const struct ll_ctl *p)
{
    uint16_t before[4] = {e->tx_octets, e->tx_time, e->rx_octets, e->rx_time};
    struct air_event ev;

    e->tx_octets = ll_least(e->want_tx, p->rx_octets);
    e->tx_time = ll_least(e->want_time, p->rx_time);
    e->rx_octets = ll_least(p->tx_octets, 251);
    e->rx_time = ll_least(p->tx_time, 17040);
    uint16_t after[4] = {e->tx_octets, e->tx_time, e->rx_octets, e->rx_time};
    if (memcmp(before, after, sizeof(before)) == 0)
        return;
    bl_air_meta_begin(&ev, LE_DATA_LENGTH);
    wr_u16(&ev.w, e->handle);
    for (unsigned i = 0; i < 4; i++)
        wr_u16(&ev.w, after[i]);
    bl_air_event_send(e->c, &ev, 0);
}

static void ll_length_req(struct air_end *e, const struct ll_ctl *p)
{
    if (!ll_has(e, BL_AIR_LE_DATA_LENGTH)) {
        bl_air_ll_reject(e, LL_LENGTH_REQ, AIR_UNSUPPORTED_REMOTE);
        return;
    }
    struct ll_ctl answer = ll_lengths(e, LL_LENGTH_RSP);
    bl_air_ll_send(e, &answer);
    ll_length_apply(e, p);
}

void bl_air_ll_begin(struct air_end *e)
{
    if (e->c && ll_has(e, BL_AIR_LE_DATA_LENGTH) && e->want_tx > 27)
        bl_air_ll_length(e);
}

/* ---- PHY: 5.1.10 ---- */

void bl_air_ll_phy(struct air_end *e)
{
    bl_air_ll_send(
        e, &(struct ll_ctl){.op = LL_PHY_REQ, .tx_phys = e->pref_tx, .rx_phys = e->pref_rx});
}

/* The fastest that both want, else what there is. */
static uint8_t ll_phy_pick(uint8_t a, uint8_t b, uint8_t now)
{
    uint8_t both = a & b;

    return both & 2 ? 2 : both & 1 ? 1 : both & 4 ? 3 : now;
}

static uint8_t ll_phys_able(const struct air_end *e)
{
    return (uint8_t)(1 | (ll_has(e, BL_AIR_LE_2M) ? 2 : 0) | (ll_has(e, BL_AIR_LE_CODED) ? 4 : 0));
}

static void ll_phy_apply(struct bl_air *air, struct air_timer *timer)
{
    struct air_link *l = timer_entry(timer, struct air_link, phy_at);
    bool changed = l->phy[0] != l->new_phy[0] || l->phy[1] != l->new_phy[1];

    (void)air;
    l->phy_pending = false;
    l->phy[0] = l->new_phy[0];
    l->phy[1] = l->new_phy[1];
    for (unsigned side = 0; side < 2; side++) {
        struct air_end *e = &l->end[side];
        if (e->c && (changed || e->phy_asked))
            bl_air_tell_phy(e, AIR_OK);
    }
}

/* The central, knowing what the peripheral wants, decides. */
static void ll_phy_decide(struct air_end *central, const struct ll_ctl *p)
{
    struct air_link *l = central->link;
    uint8_t able = ll_phys_able(central);

    if (l->phy_pending)
        return;
    l->phy_pending = true;
    l->new_phy[0] = ll_phy_pick(central->pref_tx & able, p->rx_phys, l->phy[0]);
    l->new_phy[1] = ll_phy_pick(central->pref_rx & able, p->tx_phys, l->phy[1]);
    bl_air_ll_send(central, &(struct ll_ctl){.op = LL_PHY_UPDATE});
}

static void ll_phy_req(struct air_end *e, const struct ll_ctl *p)
{
    if (!ll_has(e, BL_AIR_LE_2M | BL_AIR_LE_CODED)) {
        bl_air_ll_reject(e, LL_PHY_REQ, AIR_UNSUPPORTED_REMOTE);
    } else if (e->side == 0) {
        ll_phy_decide(e, p);
    } else {
        uint8_t able = ll_phys_able(e);
        bl_air_ll_send(e, &(struct ll_ctl){.op = LL_PHY_RSP,
                                           .tx_phys = e->pref_tx & able,
                                           .rx_phys = e->pref_rx & able});
    }
}

static void ll_phy_rsp(struct air_end *e, const struct ll_ctl *p)
{
    if (e->side == 0)
        ll_phy_decide(e, p);
}

static void ll_phy_update(struct air_end *e, const struct ll_ctl *p)
{
    struct air_link *l = e->link;

    (void)p;
    bl_air_timer_set(l->air, &l->phy_at, bl_air_link_instant(l), ll_phy_apply);
}

/* ---- refusals ---- */

static void ll_reject(struct air_end *e, const struct ll_ctl *p)
{
    if (p->about == LL_PARAM_REQ)
        ll_param_rejected(e, p->error);
    else if (p->about == LL_FEATURE_REQ && e->features_asked)
        bl_air_tell_features(e, p->error);
    else if (p->about == LL_PHY_REQ && e->phy_asked)
        bl_air_tell_phy(e, p->error);
    else if (p->about == LL_ENC_REQ)
        bl_air_enc_rejected(e, p->error);
}

static void (*const ll_handlers[LL_OPS])(struct air_end *e, const struct ll_ctl *p) = {
    [LL_TERMINATE] = ll_terminate,
    [LL_UPDATE_IND] = ll_update_ind,
    [LL_PARAM_REQ] = ll_param_req,
    [LL_PARAM_RSP] = ll_param_rsp,
    [LL_REJECT] = ll_reject,
    [LL_FEATURE_REQ] = ll_feature_req,
    [LL_FEATURE_RSP] = ll_feature_rsp,
    [LL_VERSION] = ll_version,
    [LL_LENGTH_REQ] = ll_length_req,
    [LL_LENGTH_RSP] = ll_length_apply,
    [LL_PHY_REQ] = ll_phy_req,
    [LL_PHY_RSP] = ll_phy_rsp,
    [LL_PHY_UPDATE] = ll_phy_update,
    [LL_ENC_REQ] = bl_air_enc_request,
    [LL_START_ENC_REQ] = bl_air_enc_start,
    [LL_START_ENC_RSP] = bl_air_enc_started,
};

void bl_air_ll_receive(struct air_end *e, const struct ll_ctl *ctl)
{
    if (e->c)
        ll_handlers[ctl->op](e, ctl);
}
