/* SPDX-License-Identifier: MIT */

/*
 * The controller's accept list, and which automatic attempts are on it: a batch of those that have
 * the same parameters and fit. The list is changed entry by entry and only while nothing is being
 * initiated; after a command whose outcome is not known it is cleared and built anew.
 */

#include "gap/connector_internal.h"

#include "base/cleanup.h"
#include "base/timerq.h"
#include "base/wr.h"
#include "hci/cmd.h"
#include "hci/error.h"

static bool connector_alike(const struct bl_attempt *a, const struct bl_attempt *b)
{
    return a->params.phys == b->params.phys && a->params.addr_mode == b->params.addr_mode &&
           a->units.interval_min == b->units.interval_min &&
           a->units.interval_max == b->units.interval_max && a->units.latency == b->units.latency &&
           a->units.timeout == b->units.timeout;
}

struct bl_attempt *connector_choose_batch(struct bl_connector *c, bool *ret_more)
{
    unsigned n = 0, cap = bl_hci_caps(c->radio->hci)->accept_list;
    struct bl_attempt *first = NULL;

    if (c->list_cap && c->list_cap < cap)
        cap = c->list_cap;
    *ret_more = false;
    list_each(l, next, &c->automatic)
    {
        struct bl_attempt *a = connector_entry(l);
        a->in_batch = false;
        if (a->state != BL_ATTEMPT_WAITING)
            continue;
        if (!first)
            first = a;
        if (n < cap && connector_alike(first, a)) {
            a->in_batch = true;
            n++;
        } else {
            *ret_more = true;
        }
    }
    return first;
}

static struct bl_attempt *connector_in_batch(struct bl_connector *c, const struct bl_addr *peer)
{
    list_each(l, next, &c->automatic)
    {
        struct bl_attempt *a = connector_entry(l);
        if (a->in_batch && connector_findable(c, a) && bl_addr_eq(connector_address(a), peer))
            return a;
    }
    return NULL;
}

static bool connector_is_listed(const struct bl_connector *c, const struct bl_addr *addr)
{
    for (unsigned i = 0; i < c->n_listed; i++)
        if (bl_addr_eq(&c->listed[i], addr))
            return true;
    return false;
}

static int connector_list_cmd(struct bl_connector *c, uint16_t opcode, const struct bl_addr *addr)
{
    uint8_t bytes[7] = {0};
    struct wr w = wr_make(bytes, sizeof(bytes));

    if (addr) {
        wr_u8(&w, addr->type);
        wr_bytes(&w, addr->b, 6);
        c->listing = *addr;
    }
    int r = bl_radio_cmd(c->radio, opcode, bytes, w.len, BL_HCI_OWNER_CONNECTOR, c->initiation);
    return r < 0 ? r : 1;
}

int connector_sync_list(struct bl_connector *c)
{
    if (!c->list_known)
        return connector_list_cmd(c, BL_CMD_LE_CLEAR_ACCEPT_LIST, NULL);
    for (unsigned i = 0; i < c->n_listed; i++)
        if (!connector_in_batch(c, &c->listed[i]))
            return connector_list_cmd(c, BL_CMD_LE_REMOVE_ACCEPT_LIST, &c->listed[i]);
    list_each(l, next, &c->automatic)
    {
        const struct bl_attempt *a = connector_entry(l);
        if (a->in_batch && connector_findable(c, a) &&
            !connector_is_listed(c, connector_address(a)))
            return connector_list_cmd(c, BL_CMD_LE_ADD_ACCEPT_LIST, connector_address(a));
    }
    return 0;
}

void connector_listed(struct bl_connector *c, uint64_t now, const struct bl_hci_reply *reply)
{
    struct bl_attempt *a = connector_in_batch(c, &c->listing);
    bool add = reply->opcode == BL_CMD_LE_ADD_ACCEPT_LIST;

    if (reply->lost || reply->status == BL_HCI_COMMAND_DISALLOWED) {
        c->list_known = false; /* what it holds is anybody's guess */
        c->auto_retry_at = now + BL_CONNECTOR_AUTO_RETRY_US;
    } else if (add && reply->status == 0) {
        if (c->n_listed < ARRAY_LEN(c->listed))
            c->listed[c->n_listed++] = c->listing;
    } else if (add && reply->status == BL_HCI_MEMORY_EXCEEDED && c->n_listed > 0) {
        c->list_cap = (uint8_t)c->n_listed; /* smaller than it claims: take turns */
    } else if (add) {
        if (a)
            connector_end(c, a, bl_status_hci(reply->status));
    } else if (reply->status == 0) {
        for (unsigned i = 0; i < c->n_listed; i++)
            if (bl_addr_eq(&c->listed[i], &c->listing))
                c->listed[i] = c->listed[--c->n_listed];
    } else {
        c->list_known = false;
    }
}

void connector_cleared(struct bl_connector *c, uint64_t now, const struct bl_hci_reply *reply)
{
    c->n_listed = 0;
    c->list_known = reply->status == 0 && !reply->lost;
    if (c->list_known)
        return;
    c->auto_retry_at = now + BL_CONNECTOR_AUTO_RETRY_US;
    if (connector_hopeless(reply->status) && !reply->lost) {
        connector_end_automatic(c, false, bl_status_hci(reply->status));
    } else if (reply->status == BL_HCI_COMMAND_DISALLOWED) {
        c->by_list = true; /* in use: by an initiation that we thought was over */
        connector_unsure(c, now, BL_OK);
    }
}

void connector_rotate(struct bl_connector *c)
{
    struct list waited;

    list_init(&waited);
    list_each(l, next, &c->automatic)
    {
        if (connector_entry(l)->in_batch) {
            list_remove(l);
            list_append(&waited, l);
        }
    }
    for (struct list *l; (l = list_pop(&waited));)
        list_append(&c->automatic, l);
    c->rotate_at = TIMERQ_NEVER;
    c->stop = true;
}
