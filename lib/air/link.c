/* SPDX-License-Identifier: MIT */

/*
 * A connection: two ends, each a controller's, and what waits to cross.
 *
 * Paced, PDUs cross at connection events: anchor + k * interval, alternating from the central, for
 * as long as the interval lasts at the speed of the PHYs. An event in which nothing waits does
 * nothing, so its timer is set only while something does (or while packets get lost, because then
 * the supervision timeout depends on each). Unpaced, links with something to send are in air->busy
 * until it has crossed.
 *
 *   made -> (TERMINATE crosses | supervision timeout | MIC failure | power off) -> both ends closed
 *        -> dead, freed by bl_air_links_run()
 */

#include "air/air_internal.h"

#include "crypto/crypto.h"

#include <stdlib.h>

#define LINK_UNIT_US    UINT64_C(1250)
#define LINK_TIMEOUT_US UINT64_C(10000)
#define LINK_FIRST_US   2500u /* transmitWindowDelay and offset */
#define LINK_INSTANT    6     /* connection events from a PDU with an instant to that instant */

struct air_end *bl_air_end_peer(const struct air_end *e)
{
    return &e->link->end[!e->side];
}

struct air_end *bl_air_end_find(const struct air_ctrl *c, uint16_t handle)
{
    list_each(pos, tmp, &c->ends)
    {
        struct air_end *e = list_entry(pos, struct air_end, of_ctrl);
        if (e->handle == handle)
            return e;
    }
    return NULL;
}

static uint16_t link_handle(struct air_ctrl *c)
{
    uint16_t handle;

    do {
        handle = c->next_handle++;
        if (c->next_handle > 0x0eff)
            c->next_handle = 0x01;
    } while (bl_air_end_find(c, handle));
    return handle;
}

static uint64_t link_interval_us(const struct air_link *l)
{
    return l->interval * LINK_UNIT_US;
}

/* ---- timers ---- */

static bool link_reachable(const struct air_link *l)
{
    return l->end[0].c && l->end[1].c && bl_air_in_range(l->air, l->end[0].c, l->end[1].c);
}

static bool link_lossy(const struct air_link *l)
{
    return l->end[0].c && l->end[1].c && bl_air_pair(l->air, l->end[0].c, l->end[1].c).loss > 0;
}

static bool link_waiting(const struct air_link *l)
{
    for (unsigned side = 0; side < 2; side++)
        if (!list_empty(&l->end[side].ctl) || !list_empty(&l->end[side].acl))
            return true;
    return false;
}

/* The first connection event after now. */
static uint64_t link_next_event(const struct air_link *l)
{
    uint64_t now = l->air->now, us = link_interval_us(l);

    return l->anchor > now ? l->anchor : l->anchor + ((now - l->anchor) / us + 1) * us;
}

uint64_t bl_air_link_instant(const struct air_link *l)
{
    return link_next_event(l) + LINK_INSTANT * link_interval_us(l);
}

static void link_supervised(struct bl_air *air, struct air_timer *timer)
{
    struct air_link *l = timer_entry(timer, struct air_link, supervision);

    (void)air;
    for (unsigned side = 0; side < 2; side++) {
        struct air_end *e = &l->end[side];
        bl_air_end_close(e, e->terminating ? AIR_LOCAL_TERMINATED : l->loss_reason);
    }
}

static void link_supervise(struct air_link *l)
{
    bl_air_timer_set(l->air, &l->supervision, l->air->now + l->timeout * LINK_TIMEOUT_US,
                     link_supervised);
}

static uint64_t link_air_time(uint8_t phy, int octets)
{
    uint64_t n = octets > 0 ? (uint64_t)octets : 0;

    /* preamble, access address, header, CRC; coded: S=8. Core 5.4, Vol 6, Part B, 2.1, 2.2 */
    return phy == 2 ? 44 + 4 * n : phy == 3 ? 720 + 64 * n : 80 + 8 * n;
}

/* One connection event: packets in turn, until nothing is left or the next event is near. */
static void link_exchange(struct air_link *l)
{
    uint64_t used = 0, limit = link_interval_us(l);

    for (unsigned round = 0; round < AIR_EVENT_ROUNDS && link_reachable(l); round++) {
        int there = bl_air_send_one(&l->end[0]);
        int back = link_reachable(l) ? bl_air_send_one(&l->end[1]) : -1;
        if (there < 0 && back < 0)
            return;
        used += link_air_time(l->phy[0], there) + link_air_time(l->phy[1], back) + 300;
        if (used + link_air_time(l->phy[0], l->end[0].tx_octets) + 300 > limit)
            return;
    }
}

static void link_event(struct bl_air *air, struct air_timer *timer)
{
    struct air_link *l = timer_entry(timer, struct air_link, event);

    if (air->pace == BL_AIR_NONE) {
        if (list_empty(&l->busy))
            list_append(&air->busy, &l->busy);
        return;
    }
    l->anchor = air->now;
    if (!link_reachable(l))
        return;
    bool lossy = link_lossy(l);
    if (!lossy || bl_air_heard(air, l->end[0].c, l->end[1].c)) {
        if (lossy)
            link_supervise(l);
        link_exchange(l);
        bl_air_tell_completed(&l->end[0]);
        bl_air_tell_completed(&l->end[1]);
    }
    bl_air_link_kick(l);
}

void bl_air_link_kick(struct air_link *l)
{
    struct bl_air *air = l->air;

    if (l->dead || !link_reachable(l) || (!link_waiting(l) && !link_lossy(l)))
        return;
    if (air->pace == BL_AIR_PACED) {
        if (!l->event.t.set)
            bl_air_timer_set(air, &l->event, link_next_event(l), link_event);
    } else if (list_empty(&l->busy)) {
        list_append(&air->busy, &l->busy);
    }
}

void bl_air_links_kick(struct air_ctrl *c)
{
    list_each(pos, tmp, &c->ends) bl_air_link_kick(list_entry(pos, struct air_end, of_ctrl)->link);
}

void bl_air_link_reach(struct air_link *l)
{
    if (l->dead)
        return;
    if (link_reachable(l) && !link_lossy(l) && !l->end[0].terminating && !l->end[1].terminating)
        bl_air_timer_stop(l->air, &l->supervision);
    else if (!l->supervision.t.set)
        link_supervise(l);
    bl_air_link_kick(l);
}

/* ---- unpaced ---- */

/* The delay of the medium, or a loss, keeps the first PDU back: when to look again. */
static uint64_t link_retry_at(const struct air_link *l)
{
    uint64_t at = TIMERQ_NEVER;

    for (unsigned side = 0; side < 2; side++)
        for (unsigned q = 0; q < 2; q++) {
            const struct list *queue = q ? &l->end[side].acl : &l->end[side].ctl;
            if (list_empty(queue))
                continue;
            const struct air_pdu *pdu = list_entry(queue->next, struct air_pdu, link);
            if (pdu->ready > l->air->now && pdu->ready < at)
                at = pdu->ready;
        }
    return at;
}

static void link_run(struct air_link *l)
{
    bool lossy = link_lossy(l), moved = true, lost = false;

    while (moved && !lost) {
        moved = false;
        for (unsigned side = 0; side < 2 && !lost && link_reachable(l); side++) {
            if (lossy && link_waiting(l))
                lost = !bl_air_heard(l->air, l->end[0].c, l->end[1].c);
            if (!lost && bl_air_send_one(&l->end[side]) >= 0)
                moved = true;
        }
    }
    if (lossy && !lost && link_reachable(l))
        link_supervise(l);
    bl_air_tell_completed(&l->end[0]);
    bl_air_tell_completed(&l->end[1]);
    uint64_t again = lost || lossy ? l->air->now + link_interval_us(l) : link_retry_at(l);
    if (again != TIMERQ_NEVER && !l->dead && link_reachable(l))
        bl_air_timer_set(l->air, &l->event, again, link_event);
}

void bl_air_links_run(struct bl_air *air)
{
    struct list *pos;

    if (air->settling)
        return;
    air->settling = true;
    while ((pos = list_pop(&air->busy)) != NULL) {
        struct air_link *l = list_entry(pos, struct air_link, busy);
        if (l->dead)
            bl_air_link_free(l);
        else
            link_run(l);
    }
    air->settling = false;
}

/* ---- birth ---- */

static void link_end_init(struct air_link *l, uint8_t side, struct air_ctrl *c)
{
    struct air_end *e = &l->end[side];

    e->link = l;
    e->side = side;
    e->c = c;
    list_init(&e->of_ctrl);
    list_init(&e->ctl);
    list_init(&e->acl);
    e->tx_octets = e->rx_octets = 27;
    e->tx_time = e->rx_time = 328;
    e->auth_timeout = 3000;
    if (!c)
        return;
    e->handle = link_handle(c);
    e->want_tx = c->default_tx;
    e->want_time = c->default_time;
    e->pref_tx = c->default_tx_phys;
    e->pref_rx = c->default_rx_phys;
    list_append(&c->ends, &e->of_ctrl);
    c->n_ends++;
}

struct air_end *bl_air_link_new(struct bl_air *air, struct air_ctrl *central,
                                struct air_ctrl *peripheral, const struct air_conn_params *params,
                                uint8_t phy)
{
    struct air_link *l = calloc(1, sizeof(*l));

    if (!l)
        return NULL;
    l->air = air;
    l->anchor = air->now + LINK_FIRST_US;
    l->interval = params->interval_min;
    l->latency = params->latency;
    l->timeout = params->timeout;
    l->phy[0] = l->phy[1] = phy;
    l->loss_reason = AIR_CONNECTION_TIMEOUT;
    memcpy(l->channels, central->channels, 5);
    list_init(&l->busy);
    list_append(&air->links, &l->link);
    link_end_init(l, 0, central);
    link_end_init(l, 1, peripheral);
    if (!peripheral) { /* Core 5.4, Vol 6, Part B, 4.5.2: six intervals without a packet */
        l->loss_reason = AIR_NOT_ESTABLISHED;
        bl_air_timer_set(air, &l->supervision, air->now + 6 * link_interval_us(l), link_supervised);
    } else {
        bl_air_link_reach(l);
    }
    return &l->end[0];
}

/* Core 5.4, Vol 4, Part E, 7.7.65.1, 7.7.65.10. */
static void link_complete(struct air_ctrl *c, uint8_t status, const struct air_end *e, uint8_t role)
{
    bool enhanced = bl_air_event_wanted(c, EV_META, LE_ENHANCED_COMPLETE);
    struct air_event ev;

    bl_air_meta_begin(&ev, enhanced ? LE_ENHANCED_COMPLETE : LE_CONNECTION_COMPLETE);
    wr_u8(&ev.w, status);
    wr_u16(&ev.w, e ? e->handle : 0);
    wr_u8(&ev.w, role);
    wr_u8(&ev.w, e ? (uint8_t)(e->peer.type | (enhanced && e->peer_resolved ? 2 : 0)) : 0);
    wr_bytes(&ev.w, e ? e->peer.b : (const uint8_t[6]){0}, 6);
    if (enhanced) {
        wr_bytes(&ev.w, e ? e->own_rpa.b : (const uint8_t[6]){0}, 6);
        wr_bytes(&ev.w, e ? e->peer_rpa.b : (const uint8_t[6]){0}, 6);
    }
    wr_u16(&ev.w, e ? e->link->interval : 0);
    wr_u16(&ev.w, e ? e->link->latency : 0);
    wr_u16(&ev.w, e ? e->link->timeout : 0);
    wr_u8(&ev.w, 0); /* Central_Clock_Accuracy: 500 ppm */
    bl_air_event_send(c, &ev, 0);
}

void bl_air_connection_failed(struct air_ctrl *c, uint8_t status, uint8_t role)
{
    link_complete(c, status, NULL, role);
}

void bl_air_link_announce(struct air_end *e, bool selection)
{
    struct air_event ev;

    link_complete(e->c, AIR_OK, e, e->side);
    if (!(e->c->cfg.le_features & BL_AIR_LE_CSA2))
        return;
    bl_air_meta_begin(&ev, LE_CHANNEL_SELECTION);
    wr_u16(&ev.w, e->handle);
    wr_u8(&ev.w, selection);
    bl_air_event_send(e->c, &ev, 0);
}

/* ---- death ---- */

static void link_queue_free(struct list *queue)
{
    struct list *pos;

    while ((pos = list_pop(queue)) != NULL) {
        struct air_pdu *pdu = list_entry(pos, struct air_pdu, link);
        bl_crypto_wipe(&pdu->ctl, sizeof(pdu->ctl));
        free(pdu);
    }
}

static void link_timers_stop(struct air_link *l)
{
    struct air_timer *timers[] = {&l->event, &l->supervision, &l->response, &l->update_at,
                                  &l->phy_at};

    for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++)
        bl_air_timer_stop(l->air, timers[i]);
}

void bl_air_end_close(struct air_end *e, uint8_t reason)
{
    struct air_link *l = e->link;
    struct air_ctrl *c = e->c;
    struct air_event ev;

    if (!c)
        return;
    list_remove(&e->of_ctrl);
    c->n_ends--;
    e->c = NULL;
    if (reason) { /* Core 5.4, Vol 4, Part E, 7.7.5; the host has its buffers back with it */
        c->closed[c->n_closed % AIR_CLOSED].handle = e->handle;
        c->closed[c->n_closed++ % AIR_CLOSED].at = l->air->now;
        bl_air_event_begin(&ev, EV_DISCONNECTION_COMPLETE);
        wr_u8(&ev.w, AIR_OK);
        wr_u16(&ev.w, e->handle);
        wr_u8(&ev.w, reason);
        bl_air_event_send(c, &ev, (uint16_t)(e->n_acl + e->completed));
    }
    link_queue_free(&e->ctl);
    link_queue_free(&e->acl);
    e->n_acl = e->completed = 0;
    if (c->flow_control)
        bl_air_links_kick(c);
    if (bl_air_end_peer(e)->c) {
        bl_air_link_reach(l);
        return;
    }
    l->dead = true;
    link_timers_stop(l);
    if (list_empty(&l->busy))
        list_append(&l->air->busy, &l->busy);
}

void bl_air_links_vanish(struct air_ctrl *c)
{
    list_each(pos, tmp, &c->ends) bl_air_end_close(list_entry(pos, struct air_end, of_ctrl), 0);
}

void bl_air_link_free(struct air_link *l)
{
    link_timers_stop(l);
    for (unsigned side = 0; side < 2; side++) {
        link_queue_free(&l->end[side].ctl);
        link_queue_free(&l->end[side].acl);
    }
    list_remove(&l->link);
    list_remove(&l->busy);
    bl_crypto_wipe(l, sizeof(*l));
    free(l);
}
