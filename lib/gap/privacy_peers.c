/* SPDX-License-Identifier: MIT */

/*
 * privacy_peers: who a peer's resolvable private address belongs to.
 *
 * Trying an address costs an AES block for each identity that is known, and an advertiser in range
 * is heard many times a second, so answers are remembered, "nobody" included: a table of fixed
 * size, in sets of four with the one used last in front, under a hash with a secret seed, so that
 * nobody can choose addresses that push each other out.
 *
 * An address that is heard for the first time costs a block for each key all the same, and somebody
 * may send many of them: for reports only so many keys are tried in a time (BL_PRIVACY_RATE). What
 * is over that stays unresolved until it is heard again, and pushes nothing out of the table.
 *
 * The identities stand in the order in which their keys came, each with a serial number, and the
 * table has numbers and no places. So it outlives changes: an address of one that has gone is
 * looked for anew when it is heard again; one that was nobody's is tried with the keys that have
 * come since, which are the last ones.
 */

#include "gap/privacy.h"

#include "crypto/crypto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PEERS_WAYS = 4, PEERS_SETS = BL_PRIVACY_CACHE / PEERS_WAYS, PEERS_FIRST = 16 };

struct peers_row {   /* zeros: nothing, since that is no RPA */
    uint64_t serial; /* of whom; nobody: the last key that was tried */
    uint8_t b[6];
    bool nobody;
};

struct bl_privacy_cache {
    uint32_t seed;
    struct peers_row rows[PEERS_SETS][PEERS_WAYS];
};

/* ---- identities ---- */

static unsigned peers_find(const struct bl_privacy *p, const struct bl_addr *identity)
{
    unsigned i = 0;

    while (i < p->n_identities && !bl_addr_eq(&p->identities[i].addr, identity))
        i++;
    return i;
}

bool bl_privacy_knows(const struct bl_privacy *p, const struct bl_addr *identity)
{
    return peers_find(p, identity) < p->n_identities;
}

/* Core 5.4, Vol 6, Part B, 4.7 */
bool bl_privacy_refuses(const struct bl_privacy *p, const struct bl_addr *on_air)
{
    return p->radio->config.network_privacy && !bl_addr_is_rpa(on_air) &&
           bl_privacy_knows(p, on_air);
}

const uint8_t *bl_privacy_irk(const struct bl_privacy *p, const struct bl_addr *identity)
{
    static const uint8_t none[16];
    unsigned i = peers_find(p, identity);

    return i < p->n_identities ? p->identities[i].irk : none;
}

static void peers_drop(struct bl_privacy *p, unsigned i)
{
    bl_privacy_list_forget(p, &p->identities[i].addr);
    p->changes++;
    p->n_identities--;
    memmove(&p->identities[i], &p->identities[i + 1],
            (p->n_identities - i) * sizeof(*p->identities));
    bl_crypto_wipe(&p->identities[p->n_identities], sizeof(*p->identities));
}

/* Room for one more. Not by realloc(), which would leave keys behind. */
static int peers_grow(struct bl_privacy *p)
{
    unsigned cap = p->cap_identities ? 2 * p->cap_identities : PEERS_FIRST;
    struct bl_privacy_peer *bigger;

    if (p->n_identities < p->cap_identities)
        return 0;
    if (!(bigger = calloc(cap, sizeof(*bigger))))
        return -ENOMEM;
    if (p->identities) {
        memcpy(bigger, p->identities, p->n_identities * sizeof(*bigger));
        bl_crypto_wipe(p->identities, p->cap_identities * sizeof(*bigger));
        free(p->identities);
    }
    p->identities = bigger;
    p->cap_identities = cap;
    return 0;
}

static int peers_make_cache(struct bl_privacy *p)
{
    if (p->cache)
        return 0;
    p->cache = calloc(1, sizeof(*p->cache));
    if (!p->cache)
        return -ENOMEM;
    /* Without randomness resolution works all the same, only its cost can be provoked. */
    (void)p->radio->env->random(p->radio->env->ctx, &p->cache->seed, sizeof(p->cache->seed));
    return 0;
}

int bl_privacy_add_identity(struct bl_privacy *p, const struct bl_addr *identity,
                            const uint8_t irk[static 16])
{
    static const uint8_t zero[16];
    unsigned i = peers_find(p, identity);
    bool known = i < p->n_identities;

    if (bl_crypto_equal(irk, zero, sizeof(zero)))
        return -EINVAL;
    if (known && bl_crypto_equal(p->identities[i].irk, irk, 16))
        return 0;
    if (!known && p->n_identities == BL_PRIVACY_MAX_IDENTITIES)
        return -ENOBUFS;
    if (peers_make_cache(p) < 0 || (!known && peers_grow(p) < 0))
        return -ENOMEM;
    if (known)
        peers_drop(p, i);

    struct bl_privacy_peer *peer = &p->identities[p->n_identities++];
    peer->addr = *identity;
    peer->serial = ++p->last_serial;
    memcpy(peer->irk, irk, 16);
    p->changes++;
    return 0;
}

void bl_privacy_remove_identity(struct bl_privacy *p, const struct bl_addr *identity)
{
    unsigned i = peers_find(p, identity);

    if (i < p->n_identities)
        peers_drop(p, i);
}

/* ---- addresses ---- */

/* The first identity whose serial is `least` or higher: its place, n_identities without one. */
static unsigned peers_since(const struct bl_privacy *p, uint64_t least)
{
    unsigned from = 0, to = p->n_identities;

    while (from < to) {
        unsigned middle = (from + to) / 2;
        if (p->identities[middle].serial < least)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static const struct bl_privacy_peer *peers_by_serial(const struct bl_privacy *p, uint64_t serial)
{
    unsigned i = peers_since(p, serial);

    return i < p->n_identities && p->identities[i].serial == serial ? &p->identities[i] : NULL;
}

/* Tries the keys from `from` on. Core 5.4, Vol 6, Part B, 1.3.2.3. False: it could not be done, and
 * may be known next time. */
static bool peers_search(struct bl_privacy *p, const struct bl_addr *addr, unsigned from,
                         struct peers_row *ret)
{
    size_t i = 0;

    p->searches++;
    int r = bl_crypto_ah_find(p->identities[from].irk, sizeof(*p->identities),
                              p->n_identities - from, addr->b + 3, addr->b, &i);
    if (r < 0)
        return false;
    memcpy(ret->b, addr->b, 6);
    ret->nobody = r == 0;
    ret->serial = r == 0 ? p->last_serial : p->identities[from + i].serial;
    return true;
}

/* From where on keys are to be tried, n_identities where there is nothing to find out. */
static unsigned peers_from(const struct bl_privacy *p, const struct peers_row *row)
{
    if (!row->serial)
        return 0;
    if (row->nobody)
        return peers_since(p, row->serial + 1);
    return peers_by_serial(p, row->serial) ? p->n_identities : 0;
}

/* Keys that may be tried for what is heard; they come back with time. */
static bool peers_afford(struct bl_privacy *p, uint64_t now, unsigned keys)
{
    uint64_t whole = BL_PRIVACY_BURST * UINT64_C(1000000) / BL_PRIVACY_RATE;
    uint64_t since = now - p->tried_at < whole ? now - p->tried_at : whole;
    uint64_t back = since * BL_PRIVACY_RATE / 1000000;

    if (back > 0) {
        p->tried_at = now;
        p->tried = back < p->tried ? p->tried - (unsigned)back : 0;
    }
    if (p->tried + keys > BL_PRIVACY_BURST)
        return false;
    p->tried += keys;
    return true;
}

/* As bl_privacy_resolve_heard() says; never -EAGAIN without `now`. */
static int peers_resolve(struct bl_privacy *p, const uint64_t *now, const struct bl_addr *addr,
                         struct bl_addr *ret_identity)
{
    if (p->n_identities == 0 || !bl_addr_is_rpa(addr))
        return 0;

    struct peers_row *set = p->cache->rows[bl_addr_hash(addr, p->cache->seed) % PEERS_SETS];
    struct peers_row row = {0};
    unsigned way = 0;
    while (way < PEERS_WAYS && memcmp(set[way].b, addr->b, 6) != 0)
        way++;
    if (way < PEERS_WAYS)
        row = set[way];
    unsigned from = peers_from(p, &row);
    if (from < p->n_identities && now && !peers_afford(p, *now, p->n_identities - from))
        return -EAGAIN;
    if (from < p->n_identities && !peers_search(p, addr, from, &row))
        return 0;
    if (way == PEERS_WAYS)
        way--; /* the one that was used the longest ago makes room */
    memmove(set + 1, set, way * sizeof(*set));
    set[0] = row;
    if (row.nobody)
        return 0;
    *ret_identity = peers_by_serial(p, row.serial)->addr;
    return 1;
}

bool bl_privacy_resolve(struct bl_privacy *p, const struct bl_addr *addr,
                        struct bl_addr *ret_identity)
{
    return peers_resolve(p, NULL, addr, ret_identity) > 0;
}

int bl_privacy_resolve_heard(struct bl_privacy *p, uint64_t now, const struct bl_addr *addr,
                             struct bl_addr *ret_identity)
{
    int r = peers_resolve(p, &now, addr, ret_identity);

    p->postponed += r < 0;
    return r;
}

bool bl_privacy_is(const struct bl_privacy *p, const struct bl_addr *addr,
                   const struct bl_addr *identity)
{
    uint8_t hash[3];

    return bl_addr_is_rpa(addr) && bl_privacy_knows(p, identity) &&
           bl_crypto_ah(bl_privacy_irk(p, identity), addr->b + 3, hash) == 0 &&
           bl_crypto_equal(hash, addr->b, sizeof(hash));
}
