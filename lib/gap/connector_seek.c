/* SPDX-License-Identifier: MIT */

/*
 * Looking for peers with private addresses. The initiator and the accept list know addresses alone,
 * and that of a peer with a key lasts for minutes; so the host listens beside them:
 *
 *     heard with another address --(initiating for it)--> stop --> Create or accept list with it
 *
 * That is where the controller is not to find such a peer by itself (privacy_list.c), or cannot.
 * Not all that have a list do what it is for: with btvirt's, nothing of that peer is heard any
 * more.
 *
 * An address that was heard is kept against others for BL_CONNECTOR_SIGHTED_US since it was heard
 * last: a peer may have two on the air at once, and going back and forth between them would lead
 * nowhere.
 */

#include "gap/connector_internal.h"

#include "gap/privacy.h"

#include <errno.h>

static void connector_recognize_one(struct bl_connector *c, struct bl_attempt *a)
{
    struct bl_addr identity = {0};

    if (!bl_privacy_resolve(c->privacy, &a->params.peer, &identity) &&
        bl_privacy_knows(c->privacy, &a->params.peer))
        identity = a->params.peer;
    bool same = bl_addr_eq(&identity, &a->identity);
    bool unlisted = a->listed && !bl_privacy_is_listed(c->privacy, &identity);
    a->identity = identity;
    if (same && !unlisted)
        return;
    a->on_air = (struct bl_addr){0}; /* whose that was is not so sure any more */
    a->listed = a->seeks = false;
    c->stop |= a->in_batch ? c->by_list : c->target == a;
}

bool connector_enlist(struct bl_connector *c, uint64_t now, struct bl_attempt *a)
{
    bool by_list = c->radio->config.resolving_list && !bl_addr_is_zero(&a->identity);
    int r = by_list ? bl_privacy_list(c->privacy, now, &a->identity) : -EOPNOTSUPP;

    a->listed = r == 0;
    a->seeks = r == -EOPNOTSUPP;
    return r != -EAGAIN;
}

void connector_recognize(struct bl_connector *c)
{
    if (c->recognized && c->keys_seen == c->privacy->changes)
        return;
    list_each(l, next, &c->direct) connector_recognize_one(c, connector_entry(l));
    list_each(l, next, &c->automatic) connector_recognize_one(c, connector_entry(l));
    c->recognized = true;
    c->keys_seen = c->privacy->changes;
}

/* Of a list, those that wait for a peer with a key: the PHYs they look on. */
static uint8_t connector_seek_phys(struct list *attempts)
{
    uint8_t phys = 0;

    list_each(l, next, attempts)
    {
        const struct bl_attempt *a = connector_entry(l);
        if (a->state == BL_ATTEMPT_WAITING && a->seeks && !bl_addr_is_zero(&a->identity))
            phys |= a->params.phys & (BL_PHYS_1M | BL_PHYS_CODED);
    }
    return phys;
}

enum bl_seek bl_connector_seek(struct bl_connector *c, uint8_t *ret_phys)
{
    connector_recognize(c);
    uint8_t direct = connector_seek_phys(&c->direct), slow = connector_seek_phys(&c->automatic);

    c->seeking = direct || slow;
    *ret_phys = c->seeking ? direct | slow : BL_PHYS_1M;
    return direct ? BL_SEEK_FAST : slow ? BL_SEEK_SLOWLY : BL_SEEK_OFF;
}

static bool connector_heard(struct bl_connector *c, uint64_t now, struct bl_attempt *a,
                            const struct bl_addr *addr)
{
    if (bl_addr_eq(addr, connector_address(a))) {
        a->on_air = *addr;
        a->heard_at = now;
        return false;
    }
    if (!bl_addr_is_zero(&a->on_air) && now - a->heard_at < BL_CONNECTOR_SIGHTED_US)
        return false;
    a->on_air = *addr;
    a->heard_at = now;
    c->sightings++;
    c->stop |= a->in_batch ? c->by_list : c->target == a;
    return true;
}

/* Whether r is of a's peer. Where that could not be found out for all peers at once it is for this
 * one, so that a flood of addresses keeps nobody from connecting. */
static bool connector_is_of(const struct bl_connector *c, const struct bl_attempt *a,
                            const struct bl_report *r, int resolved, const struct bl_addr *identity)
{
    if (a->state != BL_ATTEMPT_WAITING || !a->seeks)
        return false;
    return resolved < 0 ? bl_privacy_is(c->privacy, &r->addr, &a->identity)
                        : bl_addr_eq(&a->identity, identity);
}

bool bl_connector_sighted(struct bl_connector *c, uint64_t now, const struct bl_report *r)
{
    struct bl_addr identity = r->addr;
    bool news = false;

    if (!c->seeking || !r->connectable || r->anonymous || bl_privacy_refuses(c->privacy, &r->addr))
        return false;
    int resolved = bl_privacy_resolve_heard(c->privacy, now, &r->addr, &identity);
    list_each(l, next, &c->direct)
    {
        struct bl_attempt *a = connector_entry(l);
        if (connector_is_of(c, a, r, resolved, &identity))
            news |= connector_heard(c, now, a, &r->addr);
    }
    list_each(l, next, &c->automatic)
    {
        struct bl_attempt *a = connector_entry(l);
        if (connector_is_of(c, a, r, resolved, &identity))
            news |= connector_heard(c, now, a, &r->addr);
    }
    return news;
}
