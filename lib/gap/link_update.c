/* SPDX-License-Identifier: MIT */

/*
 * Connection parameters: one procedure at a time on a link, for the user or for what a peer was
 * granted; the other one waits. Three ways to do it:
 *
 *   central                         NONE --> LL --Connection Update event--> NONE
 *   peripheral, both sides can      NONE --> [FEATURES] --> LL --event--> NONE
 *   peripheral, else                NONE --> [FEATURES] --> SIGNAL --accepted--> GRANTED --event-->
 *                                            LL --refused as unsupported--> SIGNAL
 *
 * The specification forbids the L2CAP request where both controllers have the LL procedure (Core
 * 5.4, Vol 3, Part A, 4.20), so a peripheral waits to know the peer's features. One timer bounds
 * each way. An event that comes unasked is told and changes nothing here, unless it gives just what
 * was asked for.
 */

#include "gap/link_internal.h"

#include "hci/cmd.h"
#include "hci/error.h"

#include <errno.h>

/* What the link has is what was asked for. */
static bool update_satisfied(const struct bl_link *link)
{
    const struct bl_conn_units *u = &link->updating;

    return link->interval >= u->interval_min && link->interval <= u->interval_max &&
           link->latency == u->latency && link->timeout == u->timeout;
}

static void update_tell(struct bl_links *l, const struct bl_link *link, bl_status status)
{
    if (link->state == LINK_UP)
        bl_evq_push(l->radio->events,
                    &(struct bl_event){.kind = BL_EV_CONN_UPDATED,
                                       .conn_updated = {.conn = link->conn,
                                                        .interval = link->interval,
                                                        .latency = link->latency,
                                                        .timeout = link->timeout,
                                                        .status = status}});
}

static void update_finish(struct bl_links *l, uint64_t now, struct bl_link *link, bl_status status)
{
    bool users = link->update_is_users;

    link_stop_timer(l, link, LINK_TIMER_UPDATE);
    link->wants &= ~(1u << LINK_CMD_UPDATE);
    link->update = LINK_UPDATE_NONE;
    link->update_is_users = false;
    if (users)
        link_op_done(l, link, LINK_OP_UPDATE, status);
    link_update_next(l, now, link);
}

/* Ended without an event of the controller that would have said so. */
static void update_fail(struct bl_links *l, uint64_t now, struct bl_link *link, bl_status status)
{
    if (link->update_is_users)
        update_tell(l, link, status);
    update_finish(l, now, link, status);
}

static void update_by_signal(struct bl_links *l, uint64_t now, struct bl_link *link)
{
    link->update = LINK_UPDATE_SIGNAL;
    link_set_timer(l, link, LINK_TIMER_UPDATE, now + BL_LINKS_SIGNAL_US);
    if (link_signal_update(l, link) < 0)
        update_fail(l, now, link, BL_NO_RESOURCES);
}

static void update_by_ll(struct bl_links *l, uint64_t now, struct bl_link *link)
{
    link->update = LINK_UPDATE_LL;
    link_set_timer(l, link, LINK_TIMER_UPDATE, now + BL_LINKS_LL_US);
    link_want(l, now, link, LINK_CMD_UPDATE);
}

static void update_choose_way(struct bl_links *l, uint64_t now, struct bl_link *link)
{
    const uint64_t bit = UINT64_C(1) << BL_LE_PARAM_REQUEST;

    if (link->role == BL_ROLE_CENTRAL) {
        update_by_ll(l, now, link);
    } else if (!bl_hci_has_feature(l->radio->hci, BL_LE_PARAM_REQUEST)) {
        update_by_signal(l, now, link);
    } else if (link->features_state == LINK_FEATURES_ASKED) {
        link->update = LINK_UPDATE_FEATURES;
        link_set_timer(l, link, LINK_TIMER_UPDATE, now + BL_LINKS_LL_US);
    } else if (link->features_state == LINK_FEATURES_KNOWN && (link->features & bit)) {
        update_by_ll(l, now, link);
    } else {
        update_by_signal(l, now, link);
    }
}

/* ---- inputs ---- */

void link_update_next(struct bl_links *l, uint64_t now, struct bl_link *link)
{
    if (link->update != LINK_UPDATE_NONE || (!link->granted_waits && !link->user_waits))
        return;
    link->update_is_users = !link->granted_waits;
    if (link->granted_waits) {
        link->granted_waits = false;
        link->updating = link->granted;
    } else {
        link->user_waits = false;
        link->updating = link->users;
    }
    update_choose_way(l, now, link);
}

int bl_links_update(struct bl_links *l, uint64_t now, uint16_t conn,
                    const struct bl_conn_params *params, bl_op *op)
{
    struct bl_link *link = link_by_conn(l, conn);
    struct bl_conn_units units;

    if (!link)
        return -ENOTCONN;

    const struct bl_conn_units base = {link->interval, link->interval, link->latency,
                                       link->timeout};
    if (bl_conn_params_units(params, &base, &units) < 0)
        return -EINVAL;
    if (link->role == BL_ROLE_CENTRAL &&
        !bl_hci_supports(l->radio->hci, BL_CMD_LE_CONNECTION_UPDATE))
        return -EOPNOTSUPP;
    if (link->ops[LINK_OP_UPDATE])
        return -EBUSY;
    link->ops[LINK_OP_UPDATE] = bl_evq_op(l->radio->events);
    if (!link->ops[LINK_OP_UPDATE])
        return -EBUSY;
    *op = link->ops[LINK_OP_UPDATE];
    link->users = units;
    link->user_waits = true;
    link_update_next(l, now, link);
    return 0;
}

void link_update_features(struct bl_links *l, uint64_t now, struct bl_link *link)
{
    if (link->update == LINK_UPDATE_FEATURES)
        update_choose_way(l, now, link);
}

/* As peripheral, a refusal may mean that the LL procedure does not exist here or there. */
static bool update_other_way(const struct bl_link *link, uint8_t status)
{
    return link->role == BL_ROLE_PERIPHERAL &&
           (status == BL_HCI_UNKNOWN_COMMAND || status == BL_HCI_COMMAND_DISALLOWED ||
            status == BL_HCI_UNSUPPORTED || status == BL_HCI_UNSUPPORTED_REMOTE);
}

void link_update_reply(struct bl_links *l, uint64_t now, struct bl_link *link, uint8_t status,
                       bool lost)
{
    if (link->update != LINK_UPDATE_LL || (status == 0 && !lost))
        return;
    if (lost)
        update_fail(l, now, link, BL_TIMEOUT);
    else if (update_other_way(link, status))
        update_by_signal(l, now, link);
    else
        update_fail(l, now, link, bl_status_hci(status));
}

void link_update_event(struct bl_links *l, uint64_t now, struct bl_link *link,
                       const struct bl_hci_event *e)
{
    bool ll = link->update == LINK_UPDATE_LL && !(link->wants >> LINK_CMD_UPDATE & 1);

    if (e->status == 0) {
        link->interval = e->update.interval;
        link->latency = e->update.latency;
        link->timeout = e->update.timeout;
    } else if (ll && update_other_way(link, e->status)) {
        update_by_signal(l, now, link);
        return;
    }
    update_tell(l, link, bl_status_hci(e->status));
    if (ll)
        update_finish(l, now, link, bl_status_hci(e->status));
    else if (e->status == 0 && (link->update == LINK_UPDATE_GRANTED ||
                                (link->update == LINK_UPDATE_SIGNAL && update_satisfied(link))))
        update_finish(l, now, link, BL_OK);
}

void link_update_answered(struct bl_links *l, uint64_t now, struct bl_link *link, bool accepted)
{
    if (!accepted) { /* as the LL procedure would say it */
        update_fail(l, now, link, bl_status_hci(BL_HCI_UNACCEPTABLE_PARAMETERS));
    } else if (update_satisfied(link)) { /* nothing that would have to change */
        update_finish(l, now, link, BL_OK);
    } else {
        link->update = LINK_UPDATE_GRANTED;
        link_set_timer(l, link, LINK_TIMER_UPDATE, now + BL_LINKS_SIGNAL_US);
    }
}

void link_update_not_understood(struct bl_links *l, uint64_t now, struct bl_link *link)
{
    update_fail(l, now, link, BL_NOT_SUPPORTED);
}

void link_update_timeout(struct bl_links *l, uint64_t now, struct bl_link *link)
{
    update_fail(l, now, link, BL_TIMEOUT);
}
