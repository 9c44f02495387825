/* SPDX-License-Identifier: MIT */

/*
 * The book of attempts: what is wanted, and how each one ends.
 *
 *   direct      WAITING --complete--> LINKED --established--> (op ends with conn)
 *                  ^ ^------lost (0x3E)--'
 *                  '- retry, pause           ended: timeout, cancel, an error, reset
 *
 *   automatic   WAITING --complete--> LINKED --established--> CONNECTED --peer_gone--> WAITING
 *                  ^------------lost----'                     ended: cancel, an error, reset
 *
 * What the controller is told for them is in connector_run.c.
 */

#include "gap/connector_internal.h"

#include "base/cleanup.h"
#include "base/timerq.h"
#include "gap/privacy.h"
#include "hci/cmd.h"
#include "hci/error.h"

#include <errno.h>
#include <stdlib.h>

int bl_connector_init(struct bl_connector *c, struct bl_radio *radio, struct bl_privacy *privacy)
{
    *c = (struct bl_connector){.radio = radio, .privacy = privacy, .rotate_at = TIMERQ_NEVER};
    list_init(&c->direct);
    list_init(&c->automatic);
    return 0;
}

void bl_connector_deinit(struct bl_connector *c)
{
    struct list *l;

    if (!c->direct.next)
        return; /* never initialised */
    while ((l = list_pop(&c->direct)) || (l = list_pop(&c->automatic)))
        free(connector_entry(l));
}

static struct bl_attempt *connector_find(struct bl_connector *c, uint16_t id)
{
    list_each(l, next, &c->direct) if (connector_entry(l)->id == id) return connector_entry(l);
    list_each(l, next, &c->automatic) if (connector_entry(l)->id == id) return connector_entry(l);
    return NULL;
}

bool connector_names(struct bl_connector *c, const struct bl_attempt *a, const struct bl_addr *addr)
{
    struct bl_addr asked = a->params.peer, named = *addr;

    if (bl_addr_eq(&a->params.peer, addr))
        return true;
    if (a->state != BL_ATTEMPT_WAITING && bl_addr_eq(&a->link_peer, addr))
        return true;
    (void)bl_privacy_resolve(c->privacy, &a->params.peer, &asked);
    (void)bl_privacy_resolve(c->privacy, addr, &named);
    return bl_addr_eq(&asked, &named);
}

static bool connector_has(struct bl_connector *c, const struct bl_addr *peer)
{
    list_each(l, next, &c->direct) if (connector_names(c, connector_entry(l), peer)) return true;
    list_each(l, next, &c->automatic) if (connector_names(c, connector_entry(l), peer)) return true;
    return false;
}

/* ---- beginnings ---- */

/* 2M is a PHY to connect on, not one to look for the peer on: Core 5.4, Vol 4, Part E, 7.8.66. */
static int connector_check_phys(const struct bl_connector *c, uint8_t phys)
{
    const struct bl_hci *hci = c->radio->hci;

    if (phys & ~(BL_PHYS_1M | BL_PHYS_2M | BL_PHYS_CODED) || phys == BL_PHYS_2M)
        return -EINVAL;
    if ((phys & ~BL_PHYS_1M) && !bl_hci_caps(hci)->extended)
        return -EOPNOTSUPP;
    if (((phys & BL_PHYS_2M) && !bl_hci_has_feature(hci, BL_LE_2M)) ||
        ((phys & BL_PHYS_CODED) && !bl_hci_has_feature(hci, BL_LE_CODED)))
        return -EOPNOTSUPP;
    return 0;
}

static int connector_check(struct bl_connector *c, const struct bl_connect_params *p,
                           struct bl_conn_units *ret_units)
{
    uint16_t create = bl_hci_caps(c->radio->hci)->extended ? BL_CMD_LE_EXT_CREATE_CONNECTION
                                                           : BL_CMD_LE_CREATE_CONNECTION;
    int r;

    if (p->peer.type > ADDR_RANDOM || bl_addr_is_zero(&p->peer) ||
        (!p->automatic && p->scan_duration_ms == 0))
        return -EINVAL;
    if ((r = bl_conn_params_units(&p->params, NULL, ret_units)) < 0 ||
        (r = connector_check_phys(c, p->phys)) < 0)
        return r;
    if (!bl_hci_supports(c->radio->hci, create) ||
        (p->automatic && (bl_hci_caps(c->radio->hci)->accept_list == 0 ||
                          !bl_hci_supports(c->radio->hci, BL_CMD_LE_ADD_ACCEPT_LIST))))
        return -EOPNOTSUPP;
    if (connector_has(c, &p->peer))
        return -EALREADY;
    if (c->count >= BL_MAX_ATTEMPTS)
        return -EBUSY;
    return bl_privacy_check(c->privacy, BL_PRIVACY_INIT, p->addr_mode);
}

static uint16_t connector_new_id(struct bl_connector *c)
{
    do
        c->last_id++;
    while (c->last_id == 0 || connector_find(c, c->last_id));
    return c->last_id;
}

int bl_connector_connect(struct bl_connector *c, uint64_t now,
                         const struct bl_connect_params *params, uint16_t *ret_attempt, bl_op *op)
{
    struct bl_conn_units units;
    int r = connector_check(c, params, &units);

    (void)now;
    if (r < 0)
        return r;

    _cleanup_free_ struct bl_attempt *a = calloc(1, sizeof(*a));
    if (!a)
        return -ENOMEM;
    list_init(&a->link);
    a->id = connector_new_id(c);
    a->params = *params;
    if (a->params.phys == 0)
        a->params.phys = BL_PHYS_1M;
    a->units = units;
    a->deadline = TIMERQ_NEVER;
    a->why = BL_TIMEOUT;
    a->op = bl_evq_op(c->radio->events);
    if (a->op == 0)
        return -EBUSY;

    *op = a->op;
    *ret_attempt = a->id;
    c->count++;
    c->attempts++;
    c->recognized = false;
    if (params->automatic) {
        bl_evq_op_done(c->radio->events, a->op, BL_OK);
        a->op = 0;
        c->stop |= c->by_list; /* made anew, to have this one too if it fits */
    }
    list_append(params->automatic ? &c->automatic : &c->direct, &a->link);
    steal_ptr(a);
    return 0;
}

/* ---- ends ---- */

void connector_end(struct bl_connector *c, struct bl_attempt *a, bl_status status)
{
    struct bl_event e = {
        .kind = BL_EV_ATTEMPT_ENDED,
        .attempt_ended = {.attempt = a->id, .peer = a->params.peer, .status = status}};

    if (status == BL_TIMEOUT)
        c->timeouts++;
    bl_evq_push(c->radio->events, &e);
    bl_evq_op_done(c->radio->events, a->op, status);
    if (c->target == a)
        c->target = NULL;
    list_remove(&a->link);
    c->count--;
    free(a);
}

void connector_end_automatic(struct bl_connector *c, bool batch, bl_status status)
{
    list_each(l, next, &c->automatic)
    {
        struct bl_attempt *a = connector_entry(l);
        if (!batch || (a->in_batch && a->state == BL_ATTEMPT_WAITING))
            connector_end(c, a, status);
    }
}

int bl_connector_cancel(struct bl_connector *c, uint64_t now, uint16_t attempt)
{
    struct bl_attempt *a = connector_find(c, attempt);

    (void)now;
    if (!a)
        return -ENOENT;
    if (a->in_batch && a->state == BL_ATTEMPT_WAITING)
        c->stop |= c->by_list;
    connector_end(c, a, BL_CANCELED);
    return 0;
}

void bl_connector_reset(struct bl_connector *c, uint64_t now, bl_status status)
{
    (void)now;
    list_each(l, next, &c->direct) connector_end(c, connector_entry(l), status);
    connector_end_automatic(c, false, status);
    connector_rest(c);
    c->radio->hush = false;
    c->auto_retry_at = 0;
    c->list_known = false;
    c->list_cap = 0;
    c->n_listed = 0;
}

/* ---- what became of a link ---- */

void bl_connector_established(struct bl_connector *c, uint64_t now, uint16_t attempt, uint16_t conn)
{
    struct bl_attempt *a = connector_find(c, attempt);

    (void)now;
    if (!a || a->state != BL_ATTEMPT_LINKED)
        return;
    if (a->params.automatic) {
        a->state = BL_ATTEMPT_CONNECTED;
        return;
    }
    bl_evq_op_result(c->radio->events,
                     &(struct bl_event){.kind = BL_EV_OP_DONE,
                                        .done = {.op = a->op, .status = BL_OK, .conn = conn}});
    list_remove(&a->link);
    c->count--;
    free(a);
}

void bl_connector_link_lost(struct bl_connector *c, uint64_t now, uint16_t attempt,
                            const struct bl_addr *peer, uint8_t reason)
{
    struct bl_attempt *a = connector_find(c, attempt);
    bool never = reason == BL_HCI_FAILED_TO_ESTABLISH || reason == BL_HCI_CONNECTION_TIMEOUT;

    (void)peer;
    if (!a || a->state != BL_ATTEMPT_LINKED)
        return;
    c->retries++;
    a->state = BL_ATTEMPT_WAITING;
    if (a->params.automatic) {
        c->auto_retry_at = now + BL_CONNECTOR_AUTO_RETRY_US;
        list_remove(&a->link);
        list_append(&c->automatic, &a->link);
    } else if (!never) {
        connector_end(c, a, bl_status_hci(reason));
    } else if (now >= a->deadline) {
        connector_end(c, a, BL_TIMEOUT);
    } else {
        a->retry_at = now + BL_CONNECTOR_RETRY_US;
    }
}

void bl_connector_peer_gone(struct bl_connector *c, uint64_t now, const struct bl_addr *peer)
{
    (void)now;
    list_each(l, next, &c->automatic)
    {
        struct bl_attempt *a = connector_entry(l);
        if (a->state != BL_ATTEMPT_CONNECTED || !connector_names(c, a, peer))
            continue;
        a->state = BL_ATTEMPT_WAITING;
        a->in_batch = false;
        a->on_air = (struct bl_addr){0};
        c->stop |= c->by_list;
    }
}

bool bl_connector_counter(const struct bl_connector *c, size_t index, const char **ret_name,
                          uint64_t *ret_value)
{
    const struct {
        const char *name;
        uint64_t value;
    } table[] = {
        {"connect-attempts", c->attempts},       {"connect-open", c->count},
        {"connect-initiations", c->initiations}, {"connect-retries", c->retries},
        {"connect-timeouts", c->timeouts},       {"connect-cancels-lost", c->cancels_lost},
        {"connect-sightings", c->sightings},
    };

    if (index >= ARRAY_LEN(table))
        return false;
    *ret_name = table[index].name;
    *ret_value = table[index].value;
    return true;
}
