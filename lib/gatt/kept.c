/* SPDX-License-Identifier: MIT */

/*
 * kept: what a bond keeps of a client, out of a connection and into one. Core 5.4, Vol 3, Part G,
 * 2.5.2.1, 3.3.3.3 and 7.2: CCCDs, Client Supported Features and change awareness are a bonded
 * client's for good; Part H, 2.4.5: so are the counters of signatures.
 *
 * The counter of the signatures that we make is kept ahead of what was used, so that not each of
 * them has to be stored before it is sent; and when half of that is used up it is told again, so
 * that there is time to store it.
 */

#include "gatt/server_internal.h"

#include <string.h>

enum { KEPT_SIGN_RESERVE = 256, KEPT_INDICATE = 0x02 };

void bl_gatt_changed(struct bl_gatt_conn *c)
{
    c->changed = true;
    c->gatt->changed = true;
}

uint16_t bl_gatt_pop_changed(struct bl_gatt *g)
{
    if (!g->changed)
        return 0;
    for (unsigned i = 0; i < g->n_conns; i++)
        if (g->conns[i]->changed) {
            g->conns[i]->changed = false;
            return g->conns[i]->conn;
        }
    g->changed = false;
    return 0;
}

/* ---- into the bond ---- */

static bool kept_save_cccds(const struct bl_gatts_conn *s, struct bl_bond *bond)
{
    struct bl_bond_cccd cccds[BL_BOND_CCCDS] = {0};
    uint16_t n = 0;

    for (unsigned i = 0; i < s->n_cccds && n < BL_BOND_CCCDS; i++) {
        cccds[n].handle = s->cccds[i].value_handle;
        cccds[n++].bits = s->cccds[i].bits;
    }
    bool same = n == bond->n_cccds;
    for (uint16_t i = 0; same && i < n; i++)
        same = cccds[i].handle == bond->cccds[i].handle && cccds[i].bits == bond->cccds[i].bits;
    bond->n_cccds = n;
    memcpy(bond->cccds, cccds, sizeof(cccds));
    return !same;
}

/* A client that does not know what there is now keeps the hash of what it knew. */
static bool kept_save_awareness(struct bl_gatt_conn *c, struct bl_bond *bond)
{
    const uint8_t *hash = NULL;
    bool aware = c->server.aware && bl_gatt_db_hash(&c->gatt->db, &hash) == 0;
    bool same =
        aware == bond->aware && (!aware || memcmp(hash, bond->db_hash, sizeof(bond->db_hash)) == 0);

    bond->aware = aware;
    if (aware)
        memcpy(bond->db_hash, hash, sizeof(bond->db_hash));
    return !same;
}

/* On a link that has signed nothing yet the two counters are the same. */
static bool kept_reserve_is_low(const struct bl_gatt_conn *c, const struct bl_bond *bond)
{
    uint32_t used = c->signing.local_counter, reserved = bond->local_counter;

    return used != reserved && reserved != UINT32_MAX &&
           (used > reserved || reserved - used < KEPT_SIGN_RESERVE / 2);
}

enum bl_gatt_kept bl_gatt_save(struct bl_gatt *g, uint16_t conn, bool client, struct bl_bond *bond)
{
    struct bl_gatt_conn *c = bl_gatt_find(g, conn);
    enum bl_gatt_kept kept = BL_GATT_KEPT_SAME;

    if (!c)
        return kept;
    if (client) {
        bool cccds = kept_save_cccds(&c->server, bond), aware = kept_save_awareness(c, bond);
        if (cccds || aware || bond->client_features != c->server.features)
            kept = BL_GATT_KEPT_CHANGED;
        bond->client_features = c->server.features;
    }
    if (bond->has_peer_csrk && c->signing.has_remote &&
        c->signing.remote_counter > bond->peer_counter) {
        bond->peer_counter = c->signing.remote_counter;
        kept = BL_GATT_KEPT_CHANGED;
    }
    if (bond->has_local_csrk && c->signing.has_local && kept_reserve_is_low(c, bond)) {
        uint32_t used = c->signing.local_counter;
        bond->local_counter =
            used > UINT32_MAX - KEPT_SIGN_RESERVE ? UINT32_MAX : used + KEPT_SIGN_RESERVE;
        kept = BL_GATT_KEPT_AT_ONCE;
    }
    return kept;
}

/* ---- out of the bond ---- */

/* What is there no more, or may not be had on this link, is not restored. */
static void kept_restore_cccd(struct bl_gatt_conn *c, const struct bl_bond_cccd *kept)
{
    const struct bl_gatt_attr *value = bl_gatt_db_get(&c->gatt->db, kept->handle);
    const struct bl_gatt_attr *cccd = value && value->kind == BL_GATT_ATTR_VALUE
                                          ? bl_gatt_db_get(&c->gatt->db, value->cccd)
                                          : NULL;
    const uint8_t bits[2] = {kept->bits, 0};

    if (!cccd || kept->bits == 0 || server_subs_check(cccd, bits, 2) != 0 ||
        bl_gatt_access(cccd, BL_GATT_ACCESS_WRITE, &c->security, c->gatt->config->min_key_size) !=
            0 ||
        !server_subs_is_new(c, cccd, kept->bits) || server_subs_reserve(c, 1) != 0)
        return;
    server_subs_store(c, cccd, kept->bits);
}

/* It is to learn of what has changed while it was away. */
static void kept_restore_awareness(struct bl_gatt_conn *c, const struct bl_bond *bond)
{
    struct bl_gatts_conn *s = &c->server;
    const uint8_t *hash;

    if (bond->aware && bl_gatt_db_hash(&c->gatt->db, &hash) == 0 &&
        memcmp(hash, bond->db_hash, sizeof(bond->db_hash)) == 0)
        return;
    s->aware = s->told = false;
    if (bl_gatts_bits(c, c->gatt->server.service_changed) & KEPT_INDICATE) {
        s->changed_start = 0x0001;
        s->changed_end = 0xffff;
    }
}

void bl_gatt_restore(struct bl_gatt *g, uint64_t now, uint16_t conn, const struct bl_bond *bond)
{
    static const uint8_t unknown[16];
    struct bl_gatt_conn *c = bl_gatt_find(g, conn);

    (void)now;
    if (!c || c->kept)
        return;
    c->kept = true;
    c->server.features |= bond->client_features;
    for (uint16_t i = 0; i < bond->n_cccds && i < BL_BOND_CCCDS; i++)
        kept_restore_cccd(c, &bond->cccds[i]);
    /* A bond that was made on this connection, or is of before this was kept, says nothing. */
    if (memcmp(bond->db_hash, unknown, sizeof(unknown)) != 0)
        kept_restore_awareness(c, bond);
    bl_gatt_due(c);
}
