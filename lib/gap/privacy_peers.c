/* SPDX-License-Identifier: MIT */

/*
 * privacy_peers: who a peer's resolvable private address belongs to.
 *
 * Trying an address costs an AES block for each identity that is known, and an advertiser in range
 * is heard many times a second, so answers are remembered, "nobody" included: a table of fixed size
 * where an address has one place, under a hash with a secret seed, so that nobody can choose
 * addresses that push each other out. Every change of the identities empties it.
 */

#include "gap/privacy.h"

#include "crypto/crypto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PEERS_EMPTY = 0, PEERS_NOBODY = 0xffff }; /* else the identity's index and 1 */

struct bl_privacy_cache {
    uint32_t seed;
    struct {
        uint8_t b[6];
        uint16_t who;
    } rows[BL_PRIVACY_CACHE];
};

static void peers_forget(struct bl_privacy *p)
{
    memset(p->cache->rows, 0, sizeof(p->cache->rows));
}

static unsigned peers_find(const struct bl_privacy *p, const struct bl_addr *identity)
{
    unsigned i = 0;

    while (i < p->n_identities && !bl_addr_eq(&p->identities[i].addr, identity))
        i++;
    return i;
}

int bl_privacy_add_identity(struct bl_privacy *p, const struct bl_addr *identity,
                            const uint8_t irk[static 16])
{
    static const uint8_t zero[16];
    unsigned i = peers_find(p, identity);

    if (bl_crypto_equal(irk, zero, sizeof(zero)))
        return -EINVAL;
    if (i == BL_PRIVACY_MAX_IDENTITIES)
        return -ENOBUFS;
    if (!p->cache) {
        p->cache = calloc(1, sizeof(*p->cache));
        if (!p->cache)
            return -ENOMEM;
        /* Without randomness resolution works all the same, only its cost can be provoked. */
        (void)p->radio->env->random(p->radio->env->ctx, &p->cache->seed, sizeof(p->cache->seed));
    }
    p->identities[i].addr = *identity;
    memcpy(p->identities[i].irk, irk, 16);
    if (i == p->n_identities)
        p->n_identities++;
    peers_forget(p);
    return 0;
}

void bl_privacy_remove_identity(struct bl_privacy *p, const struct bl_addr *identity)
{
    unsigned i = peers_find(p, identity);

    if (i == p->n_identities)
        return;
    p->n_identities--;
    p->identities[i] = p->identities[p->n_identities];
    bl_crypto_wipe(&p->identities[p->n_identities], sizeof(p->identities[0]));
    peers_forget(p);
}

/* Core 5.4, Vol 6, Part B, 1.3.2.3. */
static uint16_t peers_search(const struct bl_privacy *p, const struct bl_addr *addr)
{
    for (unsigned i = 0; i < p->n_identities; i++) {
        uint8_t hash[3];
        if (bl_crypto_ah(p->identities[i].irk, addr->b + 3, hash) == 0 &&
            memcmp(hash, addr->b, 3) == 0)
            return (uint16_t)(i + 1);
    }
    return PEERS_NOBODY;
}

bool bl_privacy_resolve(struct bl_privacy *p, const struct bl_addr *addr,
                        struct bl_addr *ret_identity)
{
    if (p->n_identities == 0 || !bl_addr_is_rpa(addr))
        return false;

    uint32_t at = bl_addr_hash(addr, p->cache->seed) % BL_PRIVACY_CACHE;
    if (p->cache->rows[at].who == PEERS_EMPTY || memcmp(p->cache->rows[at].b, addr->b, 6) != 0) {
        memcpy(p->cache->rows[at].b, addr->b, 6);
        p->cache->rows[at].who = peers_search(p, addr);
    }

    uint16_t who = p->cache->rows[at].who;
    if (who == PEERS_NOBODY)
        return false;
    *ret_identity = p->identities[who - 1].addr;
    return true;
}
