/* SPDX-License-Identifier: MIT */

/* The part of pairing: commands are numbered and kept, bonds are a table without rules. */

#include "fake_host.h"

#include <errno.h>
#include <string.h>

int bl_pair(struct bl_host *host, uint64_t now, uint16_t conn, const struct bl_pair_params *params,
            bl_op *op)
{
    (void)now;
    if (host->smp.result < 0)
        return host->smp.result;
    host->smp.pairs++;
    host->smp.conn = conn;
    host->smp.params = *params;
    *op = ++host->last_op;
    return 0;
}

int bl_passkey(struct bl_host *host, uint64_t now, uint16_t conn, enum bl_passkey_action action,
               uint32_t passkey)
{
    (void)now;
    if (host->smp.result < 0)
        return host->smp.result;
    host->smp.answers++;
    host->smp.conn = conn;
    host->smp.action = action;
    host->smp.passkey = passkey;
    return 0;
}

int bl_passkey_refuse(struct bl_host *host, uint64_t now, uint16_t conn)
{
    (void)now;
    host->smp.refusals++;
    host->smp.conn = conn;
    return 0;
}

int bl_keypress(struct bl_host *host, uint64_t now, uint16_t conn, uint8_t type)
{
    (void)now, (void)conn;
    host->smp.keypress = type;
    return host->smp.result;
}

void bl_security(const struct bl_host *host, uint16_t conn, struct bl_security *ret)
{
    (void)conn;
    *ret = host->smp.security;
}

int bl_oob_set(struct bl_host *host, const struct bl_addr *peer, const uint8_t *tk,
               const uint8_t *r, const uint8_t *c)
{
    if (host->smp.result < 0)
        return host->smp.result;
    host->smp.oob_peer = *peer;
    host->smp.oob = (tk ? 1u : 0u) | (r ? 2u : 0u) | (c ? 4u : 0u);
    return 0;
}

int bl_oob_get(struct bl_host *host, uint8_t ret_r[static 16], uint8_t ret_c[static 16])
{
    memset(ret_r, 0x11, 16);
    memset(ret_c, 0x22, 16);
    return host->smp.result;
}

static size_t index_of(const struct bl_host *host, const struct bl_addr *peer)
{
    size_t i = 0;

    while (i < host->smp.n_bonds && !bl_addr_eq(&host->smp.bonds[i].identity, peer))
        i++;
    return i;
}

int bl_bond_add(struct bl_host *host, uint64_t now, const struct bl_bond *bond)
{
    size_t i = index_of(host, &bond->identity);

    (void)now;
    if (i == FAKE_BONDS)
        return -ENOBUFS;
    host->smp.bonds[i] = *bond;
    if (i == host->smp.n_bonds)
        host->smp.n_bonds++;
    return 0;
}

/* The event is the test's. */
int bl_bond_remove(struct bl_host *host, uint64_t now, const struct bl_addr *peer)
{
    size_t i = index_of(host, peer);

    (void)now;
    if (i == host->smp.n_bonds)
        return -ENOENT;
    host->smp.bonds[i] = host->smp.bonds[--host->smp.n_bonds];
    return 0;
}

void bl_bond_clear(struct bl_host *host, uint64_t now)
{
    (void)now;
    host->smp.n_bonds = 0;
    host->smp.clears++;
}

const struct bl_bond *bl_bond_get(const struct bl_host *host, const struct bl_addr *peer)
{
    return bl_bond_at(host, index_of(host, peer));
}

const struct bl_bond *bl_bond_at(const struct bl_host *host, size_t index)
{
    return index < host->smp.n_bonds ? &host->smp.bonds[index] : NULL;
}

void bl_bond_seen(struct bl_host *host, const struct bl_addr *peer, uint64_t seconds)
{
    size_t i = index_of(host, peer);

    if (i < host->smp.n_bonds)
        host->smp.bonds[i].last_seen = seconds;
}
