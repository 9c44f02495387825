/* SPDX-License-Identifier: MIT */

/*
 * Initiating: rows, and what happens when the advertiser that is waited for is heard. Nothing is
 * pending but c->init: an advertising event, a cancel, or Reset ends it.
 * Core 5.4, Vol 4, Part E, 7.8.12, 7.8.13, 7.8.66; Vol 6, Part B, 4.4.4.
 */

#include "air/air_internal.h"

/* Core 5.4, Vol 4, Part E, 7.8.12. */
bool bl_air_conn_params_ok(const struct air_conn_params *p)
{
    return p->interval_min >= 6 && p->interval_min <= p->interval_max &&
           p->interval_max <= 0x0c80 && p->latency <= 0x01f3 && p->timeout >= 0x0a &&
           p->timeout <= 0x0c80 &&
           p->timeout * 10000u > (1u + p->latency) * p->interval_max * 1250u * 2u;
}

static void init_conn_params(struct rd *p, struct air_conn_params *ret)
{
    ret->interval_min = rd_u16(p);
    ret->interval_max = rd_u16(p);
    ret->latency = rd_u16(p);
    ret->timeout = rd_u16(p);
    rd_u16(p); /* Min_CE_Length */
    rd_u16(p); /* Max_CE_Length */
}

static bool init_window_ok(const struct air_window *w, bool extended)
{
    return w->interval >= 4 && w->window >= 4 && w->window <= w->interval &&
           (extended || w->interval <= 0x4000);
}

static bool init_connected(const struct air_ctrl *c, const struct bl_addr *peer)
{
    list_each(pos, tmp, &c->ends)
    {
        const struct air_end *e = list_entry(pos, struct air_end, of_ctrl);
        if (bl_addr_eq(&e->peer, peer))
            return true;
    }
    return false;
}

static uint8_t init_start(struct air_ctrl *c, struct air_init *init, uint8_t peer_type)
{
    bool privacy = c->cfg.le_features & BL_AIR_LE_PRIVACY;

    if (init->own_type > (privacy ? 3 : 1) || (!init->by_list && peer_type > (privacy ? 3 : 1)))
        return AIR_INVALID;
    init->peer.type = peer_type & 1;
    if (c->init.enabled)
        return bl_air_disallow(c, "creating a connection while another is being created");
    if (init->own_type == 1 && !c->has_random) {
        bl_air_violate(c, "initiating with a random address that was never set");
        return AIR_INVALID;
    }
    if (!init->by_list && init_connected(c, &init->peer))
        return AIR_CONNECTION_EXISTS;
    if (c->n_ends >= c->cfg.max_links)
        return AIR_CONNECTION_LIMIT;
    bl_air_privacy_begin(c, init->own_type);
    init->enabled = true;
    init->start = c->air->now;
    c->init = *init;
    bl_air_listen(c);
    return AIR_OK;
}

static uint8_t init_create(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_init init = {.phy = {{.on = true}}};

    (void)ret;
    init.phy[0].interval = rd_u16(p);
    init.phy[0].window = rd_u16(p);
    uint8_t policy = rd_u8(p), peer_type = rd_u8(p);
    rd_copy(p, init.peer.b, 6);
    init.own_type = rd_u8(p);
    init_conn_params(p, &init.params);
    init.by_list = policy;
    if (policy > 1 || !init_window_ok(&init.phy[0], false) || !bl_air_conn_params_ok(&init.params))
        return AIR_INVALID;
    return init_start(c, &init, peer_type);
}

static uint8_t init_ext_create(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_init init = {.extended = true};
    uint8_t policy = rd_u8(p);

    (void)ret;
    init.by_list = policy;
    init.own_type = rd_u8(p);
    uint8_t peer_type = rd_u8(p);
    rd_copy(p, init.peer.b, 6);
    uint8_t phys = rd_u8(p);
    if (policy > 1 || !(phys & 5) || phys & ~7u)
        return AIR_INVALID;
    if ((phys & 2 && !(c->cfg.le_features & BL_AIR_LE_2M)) ||
        (phys & 4 && !(c->cfg.le_features & BL_AIR_LE_CODED)))
        return AIR_UNSUPPORTED;
    for (unsigned bit = 0; bit < 3; bit++) {
        struct air_window w = {.on = true};
        struct air_conn_params params;
        if (!(phys >> bit & 1))
            continue;
        w.interval = rd_u16(p);
        w.window = rd_u16(p);
        init_conn_params(p, &params);
        if (rd_ok(p) &&
            ((bit != 1 && !init_window_ok(&w, true)) || !bl_air_conn_params_ok(&params)))
            return AIR_INVALID;
        if (bit != 1)
            init.phy[bit / 2] = w;
        if (init.params.interval_min == 0)
            init.params = params;
    }
    if (!rd_done(p)) {
        bl_air_violate(c, "LE Extended Create Connection does not have its PHYs' parameters");
        return AIR_INVALID;
    }
    return init_start(c, &init, peer_type);
}

static uint8_t init_cancel(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p, (void)ret;
    if (!c->init.enabled)
        return AIR_DISALLOWED; /* no violation: the connection may just have been made */
    c->init.enabled = false;
    bl_air_listen(c);
    bl_air_connection_failed(c, AIR_UNKNOWN_CONNECTION, 0);
    return AIR_OK;
}

/* ---- hearing ---- */

/* Whether this is the advertiser that c waits for; *id is who it is. */
static bool init_wants(struct air_ctrl *c, const struct air_event_pdu *pdu, struct bl_addr *id)
{
    const struct air_init *init = &c->init;
    const struct air_set *s = pdu->set;

    if (!(s->props & ADV_LEGACY) && !init->extended)
        return false;
    if (!bl_air_window_open(&init->phy[s->phy1 == 3], init->start, c->air->now))
        return false;
    if (bl_air_privacy_refuses(c, &pdu->adva))
        return false;
    bl_air_resolve(c, &pdu->adva, id);
    if (init_connected(c, id)) /* one connection of two devices: Core 5.4, Vol 6, Part B, 4.5 */
        return false;
    if (init->by_list ? !bl_air_accepted(c, id)
                      : !bl_addr_eq(id, &init->peer) && !bl_addr_eq(&pdu->adva, &init->peer))
        return false;
    return !(s->props & ADV_DIRECTED) || bl_air_is_mine(c, init->own_type, &pdu->targeta);
}

/* Whether the advertiser takes this initiator. *id: who it is to the advertiser. */
static bool init_taken(const struct air_event_pdu *pdu, const struct bl_addr *inita,
                       struct bl_addr *id)
{
    struct air_ctrl *advertiser = pdu->from;

    if (bl_air_privacy_refuses(advertiser, inita))
        return false;
    bl_air_resolve(advertiser, inita, id);
    if (pdu->set->props & ADV_DIRECTED)
        return bl_addr_eq(id, &pdu->set->peer) || bl_addr_eq(inita, &pdu->set->peer);
    return !(pdu->set->filter_policy & 2) || bl_air_accepted(advertiser, id);
}

static void init_name(struct air_end *e, uint8_t own_type, const struct bl_addr *own,
                      const struct bl_addr *peer, const struct bl_addr *id)
{
    e->peer = *id;
    e->peer_resolved = !bl_addr_eq(peer, id);
    if (e->peer_resolved)
        e->peer_rpa = *peer;
    if (own_type >= 2 && bl_addr_is_rpa(own))
        e->own_rpa = *own;
}

/* Fault: the connection request is sent, and not heard. */
static bool init_unheard(struct air_ctrl *c, const struct air_event_pdu *pdu,
                         const struct bl_addr *inita, const struct bl_addr *id, uint8_t phy)
{
    c->not_established--;
    c->init.enabled = false;
    bl_air_listen(c);
    if (c->not_established_at_once) {
        bl_air_connection_failed(c, AIR_NOT_ESTABLISHED, 0);
        return true;
    }
    struct air_end *e = bl_air_link_new(c->air, c, NULL, &c->init.params, phy);
    if (e) {
        init_name(e, c->init.own_type, inita, &pdu->adva, id);
        bl_air_link_announce(e, false);
    }
    return true;
}

bool bl_air_init_hear(struct air_ctrl *c, const struct air_event_pdu *pdu)
{
    struct air_set *s = pdu->set;
    struct bl_addr peer_id, my_id;

    if (!init_wants(c, pdu, &peer_id))
        return false;
    struct bl_addr inita =
        bl_air_own_addr(c, BL_AIR_USE_INIT, c->init.own_type, &peer_id, &c->random);
    if (!init_taken(pdu, &inita, &my_id))
        return false;
    uint8_t phy = s->props & ADV_LEGACY ? 1 : s->phy2;
    if (c->not_established > 0)
        return init_unheard(c, pdu, &inita, &peer_id, phy);
    if (!bl_air_heard(c->air, c, pdu->from))
        return false;
    struct air_end *e = bl_air_link_new(c->air, c, pdu->from, &c->init.params, phy);
    if (!e)
        return false;
    struct air_end *p = bl_air_end_peer(e);
    init_name(e, c->init.own_type, &inita, &pdu->adva, &peer_id);
    init_name(p, s->own_type, &pdu->adva, &inita, &my_id);
    c->init.enabled = false;
    bl_air_listen(c);
    bl_air_set_stop(s);
    bool selection = c->cfg.le_features & p->c->cfg.le_features & BL_AIR_LE_CSA2;
    bl_air_link_announce(e, selection);
    bl_air_link_announce(p, selection);
    bl_air_set_terminated(s, AIR_OK, p->handle);
    bl_air_ll_begin(e);
    bl_air_ll_begin(p);
    return true;
}

static const struct air_cmd init_rows[] = {
    {0x200d, 25, 25, 0, AIR_BIT(26, 4), 0, 0, AIR_CMD_LEGACY | AIR_CMD_STATUS, init_create},
    {0x200e, 0, 0, 0, AIR_BIT(26, 5), 0, 0, 0, init_cancel},
    {0x2043, 26, 58, 0, AIR_BIT(37, 7), 9, BL_AIR_LE_EXTENDED_ADV,
     AIR_CMD_EXTENDED | AIR_CMD_STATUS, init_ext_create},
};

const struct air_cmd_table bl_air_init_commands = {init_rows,
                                                   sizeof(init_rows) / sizeof(init_rows[0])};
