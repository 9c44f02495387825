/* SPDX-License-Identifier: MIT */

/*
 * What the controller and the clock say about a link. Each kind of event has a row: whether it
 * proves that the peer is there (which announces the link before anything else is said of it), and
 * what it does. Links that are being thrown away hear of nothing but their end.
 */

#include "gap/link_internal.h"

#include "gap/privacy.h"
#include "hci/error.h"

static void event_disconnection(struct bl_links *l, uint64_t now, struct bl_link *link,
                                const struct bl_hci_event *e)
{
    uint8_t reason = e->disconnection.reason ? e->disconnection.reason : BL_HCI_UNSPECIFIED;

    if (e->status == 0) {
        link_end(l, now, link, reason, bl_status_hci(reason));
    } else if (link->ops[LINK_OP_DISCONNECT]) { /* the disconnection failed: it stays */
        link->ending = false;
        link_stop_timer(l, link, LINK_TIMER_END);
        link_op_done(l, link, LINK_OP_DISCONNECT, bl_status_hci(e->status));
    }
}

static void event_features(struct bl_links *l, uint64_t now, struct bl_link *link,
                           const struct bl_hci_event *e)
{
    if (e->status == 0) {
        link->features_state = LINK_FEATURES_KNOWN;
        link->features = e->features.features;
    } else if (link->features_state == LINK_FEATURES_ASKED) {
        link->features_state = LINK_FEATURES_UNKNOWN;
    }
    link_update_features(l, now, link);
}

/* Core 5.4, Vol 4, Part E, 7.7.65.6: nothing goes on before it is answered. */
static void event_param_request(struct bl_links *l, uint64_t now, struct bl_link *link,
                                const struct bl_hci_event *e)
{
    const struct bl_conn_units asked = {e->param_request.interval_min,
                                        e->param_request.interval_max, e->param_request.latency,
                                        e->param_request.timeout};

    link->wants &= ~(1u << LINK_CMD_PARAM_REPLY | 1u << LINK_CMD_PARAM_REJECT);
    if (bl_conn_params_accept(&l->radio->config, &asked, &link->answer))
        link_want(l, now, link, LINK_CMD_PARAM_REPLY);
    else
        link_want(l, now, link, LINK_CMD_PARAM_REJECT);
}

/* A controller may change its own side before the peer was heard: no proof, then, and not told. */
static void event_data_length(struct bl_links *l, uint64_t now, struct bl_link *link,
                              const struct bl_hci_event *e)
{
    (void)now;
    link->tx_octets = e->data_length.tx_octets;
    link->rx_octets = e->data_length.rx_octets;
    if (link->state == LINK_UP)
        bl_evq_push(l->radio->events,
                    &(struct bl_event){.kind = BL_EV_DATA_LENGTH,
                                       .data_length = {.conn = link->conn,
                                                       .tx_octets = link->tx_octets,
                                                       .rx_octets = link->rx_octets}});
}

static void event_phy(struct bl_links *l, uint64_t now, struct bl_link *link,
                      const struct bl_hci_event *e)
{
    (void)now;
    if (e->status == 0) {
        link->tx_phy = e->phy.tx;
        link->rx_phy = e->phy.rx;
    }
    if (link->state == LINK_UP)
        link_phy_event(l, link, e->status);
}

static void event_nothing(struct bl_links *l, uint64_t now, struct bl_link *link,
                          const struct bl_hci_event *e)
{
    (void)l;
    (void)now;
    (void)link;
    (void)e;
}

static const struct {
    void (*handler)(struct bl_links *, uint64_t, struct bl_link *, const struct bl_hci_event *);
    bool life; /* with status 0: the peer has been heard */
} link_events[BL_HCI_EV_KINDS] = {
    [BL_HCI_EV_DISCONNECTION_COMPLETE] = {event_disconnection, false},
    [BL_HCI_EV_CONNECTION_UPDATE] = {link_update_event, true},
    [BL_HCI_EV_PARAM_REQUEST] = {event_param_request, true},
    [BL_HCI_EV_REMOTE_FEATURES] = {event_features, true},
    [BL_HCI_EV_REMOTE_VERSION] = {event_nothing, true},
    [BL_HCI_EV_LTK_REQUEST] = {event_nothing, true},
    [BL_HCI_EV_ENCRYPTION_CHANGE] = {event_nothing, true},
    [BL_HCI_EV_KEY_REFRESH] = {event_nothing, true},
    [BL_HCI_EV_DATA_LENGTH] = {event_data_length, false},
    [BL_HCI_EV_PHY_UPDATE] = {event_phy, true},
};

void bl_links_event(struct bl_links *l, uint64_t now, const struct bl_hci_event *e)
{
    struct bl_link *link;

    link_flush(l, now);
    if (e->kind < BL_HCI_EV_KINDS && link_events[e->kind].handler &&
        (link = link_by_handle(l, e->handle))) {
        if (link_events[e->kind].life && e->status == 0)
            link_announce(l, now, link);
        if (link->state != LINK_DROPPED || e->kind == BL_HCI_EV_DISCONNECTION_COMPLETE)
            link_events[e->kind].handler(l, now, link, e);
    }
}

uint16_t bl_links_pdu(struct bl_links *l, uint64_t now, uint16_t handle)
{
    struct bl_link *link = link_by_handle(l, handle);

    if (!link || link->state == LINK_DROPPED)
        return 0;
    link_announce(l, now, link);
    return link->conn;
}

/* ---- time ---- */

static void timer_announce(struct bl_links *l, uint64_t now, struct bl_link *link)
{
    link_announce(l, now, link);
}

static void timer_phy(struct bl_links *l, uint64_t now, struct bl_link *link)
{
    (void)now;
    link->wants &= ~(1u << LINK_CMD_PHY);
    link_op_done(l, link, LINK_OP_PHY, BL_TIMEOUT);
}

/* The controller has not told of the end; the peer has given up by now in any case. */
static void timer_end(struct bl_links *l, uint64_t now, struct bl_link *link)
{
    uint16_t handle = link->handle;

    l->forced++;
    link_end(l, now, link, BL_HCI_CONNECTION_TIMEOUT, bl_status_hci(BL_HCI_CONNECTION_TIMEOUT));
    link_orphan(l, now, handle); /* once more: Disconnect, or its event, may have been lost */
}

uint64_t bl_links_deadline(const struct bl_links *l)
{
    uint64_t at = timerq_next(&l->timers);

    return at < l->blocked_until ? at : l->blocked_until;
}

void bl_links_tick(struct bl_links *l, uint64_t now)
{
    static void (*const handlers[LINK_TIMERS])(struct bl_links *, uint64_t, struct bl_link *) = {
        [LINK_TIMER_ANNOUNCE] = timer_announce,
        [LINK_TIMER_UPDATE] = link_update_timeout,
        [LINK_TIMER_PHY] = timer_phy,
        [LINK_TIMER_END] = timer_end,
    };
    struct timer *t;

    while ((t = timerq_pop(&l->timers, now))) {
        struct link_clock *clock = (struct link_clock *)(void *)t; /* its first member */
        handlers[clock->kind](l, now, clock->link);
    }
    if (l->blocked_until <= now)
        link_flush(l, now);
}
