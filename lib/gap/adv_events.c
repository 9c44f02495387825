/* SPDX-License-Identifier: MIT */

/*
 * adv_events: what the controller says unasked: that a set went off the air, with a connection or
 * without.
 *
 * Without extended advertising Connection Complete says it all. With it, LE Advertising Set
 * Terminated follows and names the set (Core 5.4, Vol 4, Part E, 7.7.65.18); where only one set can
 * have led to the connection there is no need to wait for that, and when it comes it is known by
 * its connection handle.
 */

#include "gap/adv_internal.h"

#include "hci/error.h"

#define EVENTS_PAUSE_US 200000u /* a set that ends without reason is on again after this */

/* The set that is on the air and connectable, where there is exactly one; else NULL. */
static struct bl_adv_set *events_only(struct bl_advertiser *a)
{
    struct bl_adv_set *only = NULL;

    for (unsigned i = 0; i < BL_ADVERTISER_SETS; i++) {
        struct bl_adv_set *set = &a->sets[i];
        if (!set->enabled || !(set->props & ADV_CONNECTABLE))
            continue;
        if (only)
            return NULL;
        only = set;
    }
    return only;
}

/* Our address in a connection that x led to. */
static void events_own(struct bl_advertiser *a, const struct bl_adv_set *set,
                       const struct bl_adv *x)
{
    if (x->mode == BL_ADDR_MODE_PUBLIC)
        a->conn_own = bl_hci_caps(a->radio->hci)->public_addr;
    else
        a->conn_own = bl_adv_extended(a) ? set->addr_told : a->privacy->shared;
}

/* An enable that has not been answered must have worked: its reply is of no interest any more. */
static void events_presume_enabled(struct bl_advertiser *a, unsigned i)
{
    if (a->asked.kind != ADV_ASK_ENABLE || a->asked.set != i)
        return;
    a->sets[i].enabled = true;
    a->sets[i].on = a->asked.adv;
    a->asked.kind = ADV_ASK_NONE;
}

/* A high duty cycle ends by itself; unless it is to be replaced by something else. */
static bool events_is_over(const struct bl_adv_set *set, const struct bl_adv *x, uint8_t status)
{
    return status == BL_HCI_ADVERTISING_TIMEOUT && (set->props & ADV_HIGH_DUTY) &&
           set->params_told == x->params_stamp;
}

uint16_t bl_advertiser_connected(struct bl_advertiser *a, uint64_t now,
                                 const struct bl_hci_event *e)
{
    struct bl_adv_set *set = &a->sets[0];

    a->settled = false;
    a->conn_own = (struct bl_addr){0};
    for (unsigned i = 0; i < BL_ADVERTISER_SETS; i++)
        if (a->sets[i].conn_handle == e->handle)
            a->sets[i].conn_adv = 0; /* another connection, long gone */
    if (bl_adv_extended(a))
        set = events_only(a);
    else
        events_presume_enabled(a, 0);

    /* Legacy: also the last one that was on, if it was being disabled when this happened. */
    struct bl_adv *x = set ? bl_adv_find(a, set->on) : NULL;
    if (!x || !(set->props & ADV_CONNECTABLE))
        return 0;

    uint16_t id = x->id;
    set->enabled = false;
    set->conn_handle = e->handle;
    set->conn_adv = id;
    events_own(a, set, x);
    bl_adv_connected(a, x);
    bl_adv_settle(a, now);
    bl_adv_reap(a);
    return id;
}

uint16_t bl_advertiser_terminated(struct bl_advertiser *a, uint64_t now,
                                  const struct bl_hci_event *e)
{
    unsigned i = e->adv_terminated.set;

    a->conn_own = (struct bl_addr){0};
    if (i >= BL_ADVERTISER_SETS)
        return 0;

    struct bl_adv_set *set = &a->sets[i];
    uint16_t id = set->conn_adv;
    a->settled = false;
    if (e->status == 0 && id != 0 && set->conn_handle == e->adv_terminated.conn_handle) {
        set->conn_adv = 0;
        return id;
    }
    events_presume_enabled(a, i);

    struct bl_adv *x = bl_adv_find(a, set->on);
    if (!x || (e->status != 0 && !set->enabled))
        return 0;
    id = x->id;
    set->enabled = false;
    events_own(a, set, x);
    if (e->status == 0)
        bl_adv_connected(a, x);
    else if (events_is_over(set, x, e->status))
        bl_adv_end(x, BL_TIMEOUT);
    else
        x->not_before = now + EVENTS_PAUSE_US;
    bl_adv_settle(a, now);
    bl_adv_reap(a);
    return id;
}

void bl_advertiser_failed_connect(struct bl_advertiser *a, uint64_t now,
                                  const struct bl_hci_event *e)
{
    a->settled = false;
    if (bl_adv_extended(a))
        return; /* LE Advertising Set Terminated tells */
    events_presume_enabled(a, 0);
    if (!a->sets[0].enabled)
        return;

    struct bl_adv *x = bl_adv_find(a, a->sets[0].on);
    a->sets[0].enabled = false;
    if (x && events_is_over(&a->sets[0], x, e->status))
        bl_adv_end(x, BL_TIMEOUT);
    bl_adv_settle(a, now);
    bl_adv_reap(a);
}

void bl_advertiser_link_gone(struct bl_advertiser *a, uint64_t now, uint16_t adv)
{
    struct bl_adv *x = bl_adv_find(a, adv);

    (void)now;
    a->settled = false;
    if (x)
        x->connected = false;
    for (unsigned i = 0; i < a->n_advs; i++) {
        a->advs[i]->blocked = false;
        a->advs[i]->tries = 0;
    }
}
