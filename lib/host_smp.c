/* SPDX-License-Identifier: MIT */

/*
 * host_smp: the commands about pairing and bonds. What lib/smp has to tell the other parts because
 * of them is passed on before they return. Bonds are there in every state, also without a
 * controller.
 */

#include "host_internal.h"

#include <errno.h>

static int smp_done(struct bl_host *host, uint64_t now, int r)
{
    if (r == 0)
        bl_host_pump(host, now);
    return r;
}

int bl_pair(struct bl_host *host, uint64_t now, uint16_t conn, const struct bl_pair_params *params,
            bl_op *op)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return smp_done(host, now, bl_smp_pair(host->smp, now, conn, params, op));
}

int bl_passkey(struct bl_host *host, uint64_t now, uint16_t conn, enum bl_passkey_action action,
               uint32_t passkey)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return smp_done(host, now, bl_smp_passkey(host->smp, now, conn, action, passkey));
}

int bl_passkey_refuse(struct bl_host *host, uint64_t now, uint16_t conn)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return smp_done(host, now, bl_smp_refuse(host->smp, now, conn));
}

int bl_keypress(struct bl_host *host, uint64_t now, uint16_t conn, uint8_t type)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return smp_done(host, now, bl_smp_keypress(host->smp, now, conn, type));
}

void bl_security(const struct bl_host *host, uint16_t conn, struct bl_security *ret)
{
    bl_smp_security(host->smp, conn, ret);
}

/* ---- out of band ---- */

int bl_oob_set(struct bl_host *host, const struct bl_addr *peer, const uint8_t *tk,
               const uint8_t *r, const uint8_t *c)
{
    return bl_smp_oob_set(host->smp, peer, tk, r, c);
}

int bl_oob_get(struct bl_host *host, uint8_t ret_r[static 16], uint8_t ret_c[static 16])
{
    return bl_smp_oob_get(host->smp, ret_r, ret_c);
}

/* ---- bonds ---- */

/* By its identity, or by a private address that was made with its key. */
static struct bl_bond *smp_bond(const struct bl_host *host, const struct bl_addr *peer)
{
    struct bl_bonds *bonds = bl_smp_bonds(host->smp);
    struct bl_bond *bond = bl_bonds_find(bonds, peer);
    struct bl_addr identity;

    if (!bond && bl_privacy_resolve(host->links.privacy, peer, &identity))
        bond = bl_bonds_find(bonds, &identity);
    return bond;
}

int bl_bond_add(struct bl_host *host, uint64_t now, const struct bl_bond *bond)
{
    int r = bl_smp_bond_add(host->smp, now, bond);

    bl_host_pump(host, now);
    return r;
}

int bl_bond_remove(struct bl_host *host, uint64_t now, const struct bl_addr *peer)
{
    const struct bl_bond *bond = smp_bond(host, peer);

    if (!bond)
        return -ENOENT;
    struct bl_addr identity = bond->identity;
    return smp_done(host, now, bl_smp_bond_remove(host->smp, now, &identity));
}

void bl_bond_clear(struct bl_host *host, uint64_t now)
{
    const struct bl_bond *bond;

    for (size_t i = 0; (bond = bl_bond_at(host, i)); i++)
        bl_privacy_remove_identity(&host->privacy, &bond->identity);
    bl_smp_bond_clear(host->smp);
    bl_host_pump(host, now);
}

const struct bl_bond *bl_bond_get(const struct bl_host *host, const struct bl_addr *peer)
{
    return smp_bond(host, peer);
}

const struct bl_bond *bl_bond_at(const struct bl_host *host, size_t index)
{
    const struct bl_bonds *bonds = bl_smp_bonds(host->smp);

    return index < bonds->n ? bonds->table[index] : NULL;
}

void bl_bond_seen(struct bl_host *host, const struct bl_addr *peer, uint64_t seconds)
{
    struct bl_bond *bond = smp_bond(host, peer);

    if (bond)
        bond->last_seen = seconds;
}
