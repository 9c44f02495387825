/* SPDX-License-Identifier: MIT */

/*
 * adv_step: the next command for a set, from what is wanted and what the controller has been told.
 *
 *     off the air:  [remove] -> parameters -> [address] -> data -> scan response -> enable
 *     on the air:   what may change there changes there; for all else, disable first
 *
 * Bracketed steps are for sets of the extended commands: a set is removed before it changes its
 * kind of PDU, since data of the old kind may not fit the new (Core 5.4, Vol 4, Part E, 7.8.53).
 *
 * A refusal ends the advertisement, but for those that pass: a controller that cannot advertise
 * beside a connection, or has less room than it has sets, or thinks a set on that we think off.
 */

#include "gap/adv_internal.h"

#include "hci/cmd.h"
#include "hci/error.h"

#include <errno.h>

#define STEP_ONE_FRAGMENT 251     /* more needs several commands, and the set off: 7.8.54 */
#define STEP_PAUSE_US     200000u /* before what was refused is tried again */
#define STEP_TRIES        3

enum step {
    STEP_NOTHING, /* all is told */
    STEP_WAIT,    /* for room in the command queue, or for privacy: look at the next input */
    STEP_QUEUED,
    STEP_AGAIN, /* what is wanted has changed: look again */
};

/* Who makes the address: the controller by its resolving list, for what is undirected and not on
 * one of the further sets, whose addresses are each its own. Directed advertising would name its
 * target by a private address too, of which is not known whether the target resolves it (Core 5.4,
 * Vol 3, Part C, 10.7.1). */
uint8_t bl_adv_own_type(const struct bl_advertiser *a, const struct bl_adv_set *set,
                        const struct bl_adv *x)
{
    if (x->mode == BL_ADDR_MODE_PUBLIC)
        return ADDR_PUBLIC;
    bool listed = x->mode == BL_ADDR_MODE_RPA && !x->params.has_directed && set == a->sets &&
                  bl_privacy_by_controller(a->privacy);
    return listed ? BL_PRIVACY_LISTED : ADDR_RANDOM;
}

static bool step_has_params(const struct bl_advertiser *a, const struct bl_adv_set *set,
                            const struct bl_adv *x)
{
    return set->params_told == x->params_stamp && set->own_type == bl_adv_own_type(a, set, x);
}

bool bl_adv_is_current(const struct bl_advertiser *a, const struct bl_adv_set *set,
                       const struct bl_adv *x)
{
    bool address = !bl_adv_extended(a) || x->mode == BL_ADDR_MODE_PUBLIC ||
                   bl_addr_eq(&set->addr_told, &x->addr);

    return address && set->suspect != 1 && step_has_params(a, set, x) &&
           set->data_told == x->data_stamp && set->resp_told == x->resp_stamp;
}

/* The set is gone, or (not removed) nothing is known of it but that it can be set up anew. */
static void step_forget(struct bl_adv_set *set, bool removed)
{
    set->exists = false;
    set->params_told = set->sending = 0;
    set->data_told = set->resp_told = removed ? ADV_STAMP_EMPTY : 0;
    set->addr_told = (struct bl_addr){0};
}

/* ---- asking ---- */

static enum step step_ask(struct bl_advertiser *a, unsigned i, struct bl_adv *x, enum adv_ask kind)
{
    struct bl_adv_set *set = &a->sets[i];
    struct bl_adv_asked asked = {.kind = (uint8_t)kind, .set = (uint8_t)i};
    int r;

    asked.adv = kind == ADV_ASK_DISABLE ? set->on : x ? x->id : 0;
    asked.own_type = x ? bl_adv_own_type(a, set, x) : ADDR_PUBLIC;
    r = bl_adv_extended(a) ? adv_extended_ask(a, x, &asked) : adv_legacy_ask(a, x, &asked);
    if (r == 0) {
        a->asked = asked;
        return STEP_QUEUED;
    }
    if (r == -EBUSY)
        return STEP_WAIT;
    if (kind == ADV_ASK_DISABLE)
        set->enabled = false;
    else if (kind == ADV_ASK_REMOVE)
        step_forget(set, false);
    else
        bl_adv_end(x, BL_NOT_SUPPORTED);
    return STEP_AGAIN;
}

/* On the air. */
static enum step step_on(struct bl_advertiser *a, unsigned i, struct bl_adv *x)
{
    struct bl_adv_set *set = &a->sets[i];
    bool extended = bl_adv_extended(a);

    if (!x || set->on != x->id || set->suspect == 1 || !step_has_params(a, set, x) ||
        (extended ? a->radio->still : a->radio->pause))
        return step_ask(a, i, x, ADV_ASK_DISABLE);
    if (extended && x->mode != BL_ADDR_MODE_PUBLIC && !bl_addr_eq(&set->addr_told, &x->addr))
        /* Core 5.4, Vol 4, Part E, 7.8.52: not while a connectable set is enabled */
        return step_ask(a, i, x, x->params.connectable ? ADV_ASK_DISABLE : ADV_ASK_ADDR);
    if (set->data_told != x->data_stamp) {
        bool several = x->params.adv_len > STEP_ONE_FRAGMENT;
        return step_ask(a, i, x, several ? ADV_ASK_DISABLE : ADV_ASK_DATA);
    }
    if (set->resp_told != x->resp_stamp) {
        bool several = x->params.resp_len > STEP_ONE_FRAGMENT;
        return step_ask(a, i, x, several ? ADV_ASK_DISABLE : ADV_ASK_RESP);
    }
    return STEP_NOTHING;
}

static enum step step_no_address(struct bl_adv *x, uint64_t now, int error)
{
    if (error == -EAGAIN)
        return STEP_WAIT; /* privacy's step is on it */
    if (error == -EBUSY)
        x->not_before = now + STEP_PAUSE_US;
    else
        bl_adv_end(x, error == -EOPNOTSUPP ? BL_NOT_SUPPORTED : BL_NO_RESOURCES);
    return STEP_AGAIN;
}

/* Off the air, without extended commands: the shared address. */
static enum step step_off_legacy(struct bl_advertiser *a, uint64_t now, struct bl_adv *x)
{
    const struct bl_adv_set *set = &a->sets[0];
    uint8_t ignored;

    if (a->radio->pause)
        return STEP_NOTHING;
    if (x->mode != BL_ADDR_MODE_PUBLIC) { /* public ones leave the others' claim alone */
        int r = bl_privacy_own(a->privacy, now, BL_PRIVACY_ADV, x->mode, &ignored);
        if (r < 0)
            return step_no_address(x, now, r);
    }
    if (!step_has_params(a, set, x))
        return step_ask(a, 0, x, ADV_ASK_PARAMS);
    if (set->data_told != x->data_stamp)
        return step_ask(a, 0, x, ADV_ASK_DATA);
    if (set->resp_told != x->resp_stamp)
        return step_ask(a, 0, x, ADV_ASK_RESP);
    return step_ask(a, 0, x, ADV_ASK_ENABLE);
}

static enum step step_off_extended(struct bl_advertiser *a, uint64_t now, unsigned i,
                                   struct bl_adv *x)
{
    struct bl_adv_set *set = &a->sets[i];

    if (a->radio->still)
        return STEP_NOTHING;
    if (x->mode != BL_ADDR_MODE_PUBLIC && bl_addr_is_zero(&x->addr)) {
        int r = bl_privacy_make(a->privacy, now, x->mode, i == 0, &x->addr, &x->addr_until);
        if (r < 0)
            return step_no_address(x, now, r);
    }
    if (!step_has_params(a, set, x)) {
        bool remove = set->exists && set->props != adv_extended_props(&x->params);
        return step_ask(a, i, x, remove ? ADV_ASK_REMOVE : ADV_ASK_PARAMS);
    }
    if (x->mode != BL_ADDR_MODE_PUBLIC && !bl_addr_eq(&set->addr_told, &x->addr))
        return step_ask(a, i, x, ADV_ASK_ADDR);
    if (set->data_told != x->data_stamp)
        return step_ask(a, i, x, ADV_ASK_DATA);
    if (set->resp_told != x->resp_stamp)
        return step_ask(a, i, x, ADV_ASK_RESP);
    return step_ask(a, i, x, ADV_ASK_ENABLE);
}

static enum step step_set(struct bl_advertiser *a, uint64_t now, unsigned i)
{
    struct bl_adv *x = bl_adv_find(a, a->sets[i].adv);

    if (a->sets[i].enabled)
        return step_on(a, i, x);
    if (!x)
        return STEP_NOTHING;
    return bl_adv_extended(a) ? step_off_extended(a, now, i, x) : step_off_legacy(a, now, x);
}

/* Sets take turns at the controller too, beginning after the one that was served last. */
static enum step step_sets(struct bl_advertiser *a, uint64_t now)
{
    enum step all = STEP_NOTHING;

    for (unsigned k = 1; k <= BL_ADVERTISER_SETS; k++) {
        enum step step = step_set(a, now, (a->asked.set + k) % BL_ADVERTISER_SETS);
        if (step == STEP_QUEUED || step == STEP_AGAIN)
            return step;
        if (step == STEP_WAIT)
            all = STEP_WAIT;
    }
    return all;
}

/* When all is done, sets that nobody is on give their memory back. */
static enum step step_remove(struct bl_advertiser *a)
{
    enum step step = STEP_NOTHING;

    for (unsigned i = 0; bl_adv_extended(a) && i < BL_ADVERTISER_SETS; i++) {
        struct bl_adv_set *set = &a->sets[i];
        if (set->exists && !set->enabled && set->adv == 0)
            step = step_ask(a, i, NULL, ADV_ASK_REMOVE);
        if (step == STEP_QUEUED)
            break;
    }
    return step;
}

bool bl_advertiser_step(struct bl_advertiser *a, uint64_t now)
{
    enum step step = STEP_AGAIN;

    if (!a->radio->ready || (a->settled && a->seen_pause == a->radio->pause &&
                             a->seen_still == a->radio->still && a->seen_links == a->radio->links &&
                             a->seen_listed == bl_privacy_by_controller(a->privacy)))
        return false;
    /* Each round again has ended an advertisement, put it off or forgotten a set. */
    for (unsigned i = 0; step == STEP_AGAIN && i < 2 * BL_MAX_ADV + BL_ADVERTISER_SETS; i++) {
        bl_adv_reap(a);
        bl_adv_schedule(a, now);
        step = step_sets(a, now);
    }
    bl_adv_settle(a, now);
    if (step == STEP_NOTHING)
        step = step_remove(a);
    a->settled = step == STEP_NOTHING;
    a->seen_pause = a->radio->pause;
    a->seen_still = a->radio->still;
    a->seen_links = a->radio->links;
    a->seen_listed = bl_privacy_by_controller(a->privacy);
    return step == STEP_QUEUED;
}

/* ---- replies ---- */

static void step_data_accepted(struct bl_adv_set *set, const struct bl_adv_asked *asked,
                               uint32_t *told)
{
    size_t before = set->sending == asked->stamp ? set->sent : 0;

    *told = asked->last ? asked->stamp : 0;
    set->sending = asked->last ? 0 : asked->stamp;
    set->sent = asked->last ? 0 : before + asked->n;
}

static void step_accepted(struct bl_adv_set *set, const struct bl_adv_asked *asked, uint64_t now)
{
    switch ((enum adv_ask)asked->kind) {
    case ADV_ASK_PARAMS:
        set->exists = true;
        set->params_told = asked->stamp;
        set->props = asked->props;
        set->own_type = asked->own_type;
        break;
    case ADV_ASK_ADDR:
        set->addr_told = asked->addr;
        break;
    case ADV_ASK_DATA:
        step_data_accepted(set, asked, &set->data_told);
        break;
    case ADV_ASK_RESP:
        step_data_accepted(set, asked, &set->resp_told);
        break;
    case ADV_ASK_ENABLE:
        set->enabled = true;
        set->on = asked->adv;
        set->suspect = 0;
        set->turn_began = now;
        break;
    case ADV_ASK_DISABLE:
        set->enabled = false;
        set->suspect = set->suspect == 1 ? 2 : set->suspect;
        break;
    case ADV_ASK_REMOVE:
        step_forget(set, true);
        break;
    case ADV_ASK_NONE:
        break;
    }
}

/* It is, or may be, on the air without our knowledge: it is disabled next. */
static void step_suspect(struct bl_adv_set *set, const struct bl_adv_asked *asked)
{
    set->enabled = true;
    set->on = asked->adv;
    set->suspect = 1;
}

/* The controller has no memory for another set: as many as there are must do. */
static bool step_shrink(struct bl_advertiser *a, const struct bl_adv_set *set)
{
    unsigned n = 0;

    for (unsigned i = 0; i < BL_ADVERTISER_SETS; i++)
        n += a->sets[i].exists;
    if (set->exists || n == 0 || n >= bl_adv_sets(a))
        return false;
    a->set_limit = n;
    return true;
}

/* Whether a refusal passes, and the advertisement goes on wanting. */
static bool step_passes(struct bl_advertiser *a, uint64_t now, struct bl_adv_set *set,
                        struct bl_adv *x, const struct bl_adv_asked *asked,
                        const struct bl_hci_reply *reply)
{
    bool disallowed = reply->status == BL_HCI_COMMAND_DISALLOWED;

    if (reply->lost) {
        if (asked->kind == ADV_ASK_ENABLE)
            step_suspect(set, asked);
        return ++x->tries < STEP_TRIES;
    }
    if (asked->kind == ADV_ASK_PARAMS && reply->status == BL_HCI_MEMORY_EXCEEDED)
        return step_shrink(a, set);
    if (asked->kind != ADV_ASK_ENABLE) {
        if (!disallowed || set->suspect != 0)
            return false;
        step_suspect(set, asked);
        return true;
    }
    if (!disallowed && reply->status != BL_HCI_CONNECTION_LIMIT)
        return false;
    if (a->radio->links > 0) {
        x->blocked = true;
        return true;
    }
    if (disallowed)
        step_suspect(set, asked);
    x->not_before = now + STEP_PAUSE_US;
    return ++x->tries < STEP_TRIES;
}

static bool step_is_stale(const struct bl_adv *x, const struct bl_adv_asked *asked)
{
    return (asked->kind == ADV_ASK_PARAMS && asked->stamp != x->params_stamp) ||
           (asked->kind == ADV_ASK_DATA && asked->stamp != x->data_stamp) ||
           (asked->kind == ADV_ASK_RESP && asked->stamp != x->resp_stamp);
}

static void step_refused(struct bl_advertiser *a, uint64_t now, const struct bl_adv_asked *asked,
                         const struct bl_hci_reply *reply)
{
    struct bl_adv_set *set = &a->sets[asked->set];
    struct bl_adv *x = bl_adv_find(a, asked->adv);

    a->refused++;
    if (asked->kind == ADV_ASK_DISABLE) {
        if (!reply->lost) /* it is off, or not known: else asked again */
            step_accepted(set, asked, now);
        return;
    }
    if (asked->kind == ADV_ASK_REMOVE) {
        step_forget(set, false);
        return;
    }
    set->sending = 0;
    if (asked->kind == ADV_ASK_PARAMS) /* one that kept silent may have taken them */
        set->params_told = 0;
    if (asked->kind == ADV_ASK_ADDR)
        set->addr_told = (struct bl_addr){0};
    if (asked->kind == ADV_ASK_DATA)
        set->data_told = 0;
    if (asked->kind == ADV_ASK_RESP)
        set->resp_told = 0;
    if (!x || step_is_stale(x, asked) || step_passes(a, now, set, x, asked, reply))
        return;
    set->suspect = set->suspect == 1 ? 1 : 0;
    bl_adv_end(x, reply->lost ? (bl_status)BL_TIMEOUT : bl_status_hci(reply->status));
}

/* Selected_TX_Power: Core 5.4, Vol 4, Part E, 7.8.53. A legacy controller's is known from bring-up.
 */
static void step_learn_tx_power(struct bl_advertiser *a, const struct bl_adv_asked *asked,
                                const struct bl_hci_reply *reply)
{
    struct bl_adv *x = bl_adv_find(a, asked->adv);
    struct rd params = reply->params;
    int8_t dbm = rd_i8(&params);

    if (!bl_adv_extended(a))
        dbm = bl_hci_caps(a->radio->hci)->adv_tx_power;
    else if (!rd_ok(&params))
        return;
    if (x && asked->kind == ADV_ASK_PARAMS)
        bl_adv_tx_power(a, x, dbm);
}

void bl_advertiser_reply(struct bl_advertiser *a, uint64_t now, const struct bl_hci_reply *reply)
{
    struct bl_adv_asked asked = a->asked;

    a->settled = false;
    a->asked.kind = ADV_ASK_NONE;
    if (asked.kind == ADV_ASK_NONE)
        return; /* of before a reset, or what it asked for is known by now */
    if (reply->status == 0 && !reply->lost) {
        step_accepted(&a->sets[asked.set], &asked, now);
        step_learn_tx_power(a, &asked, reply);
    } else {
        step_refused(a, now, &asked, reply);
    }
    bl_adv_settle(a, now);
    bl_adv_reap(a);
}
