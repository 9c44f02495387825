/* SPDX-License-Identifier: MIT */

/*
 * The resolving list: rows, and addresses by it. Our own RPA towards a peer lives in the peer's
 * entry, from when a procedure begins that uses RPAs, and is made anew when it is asked for after
 * the RPA timeout, so no timer is needed. Core 5.4, Vol 6, Part B, 4.7 and 6; Vol 4, Part E, 7.8.38
 * to 7.8.45, 7.8.77.
 */

#include "air/air_internal.h"

#include "crypto/crypto.h"

static const uint8_t privacy_no_irk[16];

/* Core 5.4, Vol 6, Part B, 1.3.2.2: prand's two top bits are 01, and not all else 0 or 1. */
static struct bl_addr privacy_make(struct air_ctrl *c, const uint8_t irk[static 16])
{
    struct bl_addr a = {.type = ADDR_RANDOM};
    uint64_t r = bl_air_random(&c->rng);

    a.b[3] = (uint8_t)(r | 1);
    a.b[4] = (uint8_t)((r >> 8) & 0xfe);
    a.b[5] = (uint8_t)(((r >> 16) & 0x3f) | 0x40);
    bl_crypto_ah(irk, a.b + 3, a.b);
    return a;
}

static bool privacy_matches(const uint8_t irk[static 16], const struct bl_addr *a)
{
    uint8_t hash[3];

    return bl_crypto_ah(irk, a->b + 3, hash) == 0 && memcmp(hash, a->b, 3) == 0;
}

struct air_resolving *bl_air_resolving_find(struct air_ctrl *c, const struct bl_addr *id)
{
    for (unsigned i = 0; i < c->n_resolving; i++)
        if (bl_addr_eq(&c->resolving[i].id, id))
            return &c->resolving[i];
    return NULL;
}

struct air_resolving *bl_air_resolve(struct air_ctrl *c, const struct bl_addr *a,
                                     struct bl_addr *id)
{
    *id = *a;
    if (c->n_resolving == 0 || c->cfg.list == BL_AIR_LIST_IDLE)
        return NULL;
    if (!bl_addr_is_rpa(a) || !c->resolution)
        return bl_air_resolving_find(c, a);
    for (unsigned i = 0; i < c->n_resolving; i++)
        if (bl_addr_eq(&c->resolving[i].peer_rpa, a)) {
            *id = c->resolving[i].id;
            return &c->resolving[i];
        }
    for (unsigned i = 0; i < c->n_resolving; i++) {
        struct air_resolving *r = &c->resolving[i];
        if (r->has_peer_irk && privacy_matches(r->peer_irk, a)) {
            r->peer_rpa = *a;
            *id = r->id;
            return r;
        }
    }
    return NULL;
}

/* Fault: of whom an entry is about nothing is heard. */
static bool privacy_is_idle_for(struct air_ctrl *c, const struct bl_addr *a)
{
    bool rpa = bl_addr_is_rpa(a);

    for (unsigned i = 0; i < c->n_resolving; i++) {
        const struct air_resolving *r = &c->resolving[i];
        if (r->has_peer_irk && (bl_addr_eq(&r->id, a) || (rpa && privacy_matches(r->peer_irk, a))))
            return true;
    }
    return false;
}

bool bl_air_privacy_refuses(struct air_ctrl *c, const struct bl_addr *a)
{
    if (!c->resolution || c->n_resolving == 0)
        return false;
    const struct air_resolving *r = bl_air_resolving_find(c, a);
    if (c->cfg.list == BL_AIR_LIST_IDLE)
        return privacy_is_idle_for(c, a);
    return r && r->has_peer_irk && !r->device_mode;
}

/* This end's address towards the entry's peer, made anew when it is due. */
static struct bl_addr privacy_local(struct air_ctrl *c, struct air_resolving *r)
{
    bool old = c->air->now - r->local_since >= c->rpa_timeout && c->cfg.list != BL_AIR_LIST_FROZEN;

    if (bl_addr_is_zero(&r->local_rpa) || old) {
        r->local_rpa = privacy_make(c, r->local_irk);
        r->local_since = c->air->now;
    }
    return r->local_rpa;
}

void bl_air_privacy_begin(struct air_ctrl *c, uint8_t own_type)
{
    for (unsigned i = 0; i < c->n_resolving; i++)
        if (own_type >= 2 && c->resolving[i].has_local_irk && c->cfg.list != BL_AIR_LIST_IDLE)
            privacy_local(c, &c->resolving[i]);
}

static struct bl_addr privacy_own(struct air_ctrl *c, uint8_t own_type, const struct bl_addr *peer,
                                  const struct bl_addr *random)
{
    struct air_resolving *r = own_type >= 2 ? bl_air_resolving_find(c, peer) : NULL;

    if (own_type >= 2 && c->cfg.list == BL_AIR_LIST_IDLE)
        return c->cfg.public;
    if (r && r->has_local_irk)
        return privacy_local(c, r);
    return own_type & 1 ? *random : c->cfg.public;
}

struct bl_addr bl_air_own_addr(struct air_ctrl *c, enum bl_air_use use, uint8_t own_type,
                               const struct bl_addr *peer, const struct bl_addr *random)
{
    struct bl_addr own = privacy_own(c, own_type, peer, random);

    c->own[use] = own;
    c->watched += bl_addr_eq(&own, &c->watch);
    return own;
}

struct bl_addr bl_air_own(const struct bl_air *air, int i, enum bl_air_use use)
{
    return air->ctrl[i]->own[use];
}

void bl_air_watch(struct bl_air *air, int i, const struct bl_addr *addr)
{
    air->ctrl[i]->watch = *addr;
    air->ctrl[i]->watched = 0;
}

uint64_t bl_air_watched(const struct bl_air *air, int i)
{
    return air->ctrl[i]->watched;
}

struct bl_addr bl_air_target_addr(struct air_ctrl *c, uint8_t own_type, const struct bl_addr *peer)
{
    struct air_resolving *r = own_type >= 2 ? bl_air_resolving_find(c, peer) : NULL;

    if (!r || !r->has_peer_irk)
        return *peer;
    if (bl_addr_is_zero(&r->target_rpa) || c->air->now - r->target_since >= c->rpa_timeout) {
        r->target_rpa = privacy_make(c, r->peer_irk);
        r->target_since = c->air->now;
    }
    return r->target_rpa;
}

bool bl_air_is_mine(struct air_ctrl *c, uint8_t own_type, const struct bl_addr *a)
{
    if (bl_addr_is_rpa(a) && c->resolution && own_type >= 2)
        for (unsigned i = 0; i < c->n_resolving; i++)
            if (c->resolving[i].has_local_irk && privacy_matches(c->resolving[i].local_irk, a))
                return true;
    return own_type & 1 ? c->has_random && bl_addr_eq(a, &c->random)
                        : bl_addr_eq(a, &c->cfg.public);
}

/* ---- rows ---- */

/* The list must not change while it is used. */
static bool privacy_in_use(const struct air_ctrl *c)
{
    return c->resolution && (bl_air_advertising(c) || c->scan.enabled || c->init.enabled);
}

static uint8_t privacy_add(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_resolving r = {.id = {.type = rd_u8(p)}};

    (void)ret;
    rd_copy(p, r.id.b, 6);
    rd_copy(p, r.peer_irk, 16);
    rd_copy(p, r.local_irk, 16);
    r.has_peer_irk = memcmp(r.peer_irk, privacy_no_irk, 16) != 0;
    r.has_local_irk = memcmp(r.local_irk, privacy_no_irk, 16) != 0;
    if (r.id.type > 1)
        return AIR_INVALID;
    if (privacy_in_use(c))
        return bl_air_disallow(c, "the resolving list is in use");
    if (bl_air_resolving_find(c, &r.id)) {
        bl_air_violate(c, "this identity is in the resolving list already");
        return AIR_INVALID;
    }
    if (c->n_resolving >= c->cfg.resolving_list_size)
        return AIR_MEMORY_EXCEEDED;
    c->resolving[c->n_resolving++] = r;
    return AIR_OK;
}

static struct air_resolving *privacy_named(struct air_ctrl *c, struct rd *p)
{
    struct bl_addr id = {.type = rd_u8(p)};

    rd_copy(p, id.b, 6);
    return bl_air_resolving_find(c, &id);
}

static uint8_t privacy_remove(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)ret;
    if (privacy_in_use(c))
        return bl_air_disallow(c, "the resolving list is in use");
    struct air_resolving *r = privacy_named(c, p);
    if (!r)
        return AIR_UNKNOWN_CONNECTION;
    *r = c->resolving[--c->n_resolving];
    return AIR_OK;
}

static uint8_t privacy_clear(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p, (void)ret;
    if (privacy_in_use(c))
        return bl_air_disallow(c, "the resolving list is in use");
    c->n_resolving = 0;
    return AIR_OK;
}

static uint8_t privacy_read_size(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p;
    wr_u8(ret, c->cfg.resolving_list_size);
    return AIR_OK;
}

static uint8_t privacy_read_peer(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_resolving *r = privacy_named(c, p);

    if (!r || bl_addr_is_zero(&r->peer_rpa))
        return AIR_UNKNOWN_CONNECTION;
    wr_bytes(ret, r->peer_rpa.b, 6);
    return AIR_OK;
}

static uint8_t privacy_read_local(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_resolving *r = privacy_named(c, p);

    if (!r || bl_addr_is_zero(&r->local_rpa))
        return AIR_UNKNOWN_CONNECTION;
    struct bl_addr a = privacy_local(c, r);
    wr_bytes(ret, a.b, 6);
    return AIR_OK;
}

static uint8_t privacy_enable(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint8_t enable = rd_u8(p);

    (void)ret;
    if (enable > 1)
        return AIR_INVALID;
    if (bl_air_advertising(c) || c->scan.enabled || c->init.enabled)
        return bl_air_disallow(c, "address resolution switched while in use");
    c->resolution = enable;
    return AIR_OK;
}

static uint8_t privacy_timeout(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint16_t seconds = rd_u16(p);

    (void)ret;
    if (seconds < 1 || seconds > 0xa1b8)
        return AIR_INVALID;
    c->rpa_timeout = seconds * UINT64_C(1000000);
    return AIR_OK;
}

static uint8_t privacy_mode(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_resolving *r = privacy_named(c, p);
    uint8_t mode = rd_u8(p);

    (void)ret;
    if (mode > 1)
        return AIR_INVALID;
    if (privacy_in_use(c))
        return bl_air_disallow(c, "the resolving list is in use");
    if (!r)
        return AIR_UNKNOWN_CONNECTION;
    r->device_mode = mode;
    return AIR_OK;
}

#define PRIVACY BL_AIR_LE_PRIVACY

static const struct air_cmd privacy_rows[] = {
    {0x2027, 39, 39, 0, AIR_BIT(34, 3), 0, PRIVACY, 0, privacy_add},
    {0x2028, 7, 7, 0, AIR_BIT(34, 4), 0, PRIVACY, 0, privacy_remove},
    {0x2029, 0, 0, 0, AIR_BIT(34, 5), 0, PRIVACY, 0, privacy_clear},
    {0x202a, 0, 0, 1, AIR_BIT(34, 6), 0, PRIVACY, 0, privacy_read_size},
    {0x202b, 7, 7, 6, AIR_BIT(34, 7), 0, PRIVACY, 0, privacy_read_peer},
    {0x202c, 7, 7, 6, AIR_BIT(35, 0), 0, PRIVACY, 0, privacy_read_local},
    {0x202d, 1, 1, 0, AIR_BIT(35, 1), 0, PRIVACY, 0, privacy_enable},
    {0x202e, 2, 2, 0, AIR_BIT(35, 2), 0, PRIVACY, 0, privacy_timeout},
    {0x204e, 8, 8, 0, AIR_BIT(39, 2), 9, PRIVACY, 0, privacy_mode},
};

const struct air_cmd_table bl_air_privacy_commands = {privacy_rows, sizeof(privacy_rows) /
                                                                        sizeof(privacy_rows[0])};
