/* SPDX-License-Identifier: MIT */

/* smp_bond: the bonds, as links and the owner of the host see them. */

#include "smp/smp_internal.h"

#include "crypto/crypto.h"

#include <errno.h>

struct bl_bonds *bl_smp_bonds(struct bl_smp *s)
{
    return &s->bonds;
}

struct bl_bond *smp_bond_of(const struct bl_smp *s, const struct smp_conn *c)
{
    const struct bl_addr *who =
        bl_addr_is_zero(&c->link.identity) ? &c->link.peer : &c->link.identity;

    return bl_bonds_find(&s->bonds, who);
}

struct bl_bond *bl_smp_bond(const struct bl_smp *s, uint16_t conn)
{
    struct smp_conn *c = smp_find(s, conn);

    return c ? smp_bond_of(s, c) : NULL;
}

static bool bond_key_good(const uint8_t key[static 16])
{
    static const uint8_t zero[16];

    return !bl_crypto_equal(key, zero, sizeof(zero));
}

/* An all-zero key is nobody's secret. */
static bool bond_ltk_good(bool has, const struct bl_ltk *ltk)
{
    return !has ||
           (ltk->size >= BL_SMP_KEY_MIN && ltk->size <= BL_SMP_KEY_MAX && bond_key_good(ltk->key));
}

static bool bond_good(const struct bl_bond *bond)
{
    const struct bl_addr *a = &bond->identity;

    return (a->type == ADDR_PUBLIC ? !bl_addr_is_zero(a) : bl_addr_is_static(a)) &&
           bond_ltk_good(bond->has_local_ltk, &bond->local_ltk) &&
           bond_ltk_good(bond->has_peer_ltk, &bond->peer_ltk) &&
           (!bond->has_irk || bond_key_good(bond->irk)) && bond->n_cccds <= BL_BOND_CCCDS;
}

/* Who has it, if it is there no more. */
static void bond_left(struct bl_smp *s, const struct bl_addr *identity)
{
    for (unsigned i = 0; i < s->n; i++) {
        struct smp_conn *c = s->conns[i];
        const struct bl_addr *who =
            bl_addr_is_zero(&c->link.identity) ? &c->link.peer : &c->link.identity;
        if (bl_addr_eq(who, identity))
            smp_unbonded(s, c);
    }
    smp_tell_bond(s, BL_SMP_BOND_GONE, identity);
}

int smp_bond_put(struct bl_smp *s, uint64_t now, const struct bl_bond *bond, bool quiet)
{
    struct bl_addr evicted;

    int r = bl_bonds_put(&s->bonds, now, bond, quiet, &evicted);
    if (r < 0)
        return r;
    if (!bl_addr_is_zero(&evicted))
        bond_left(s, &evicted);
    smp_tell_bond(s, BL_SMP_BOND_ADDED, &bond->identity);
    return 0;
}

int bl_smp_bond_add(struct bl_smp *s, uint64_t now, const struct bl_bond *bond)
{
    return bond_good(bond) ? smp_bond_put(s, now, bond, true) : -EINVAL;
}

/* The links' use of its keys ends with the links. */
int bl_smp_bond_remove(struct bl_smp *s, uint64_t now, const struct bl_addr *identity)
{
    struct bl_bond *bond = bl_bonds_find(&s->bonds, identity);

    (void)now;
    if (!bond)
        return -ENOENT;
    for (unsigned i = 0; i < s->n; i++)
        if (smp_bond_of(s, s->conns[i]) == bond)
            smp_tell(s, s->conns[i], BL_SMP_DROP);
    const struct bl_addr gone = *identity;
    bl_bonds_remove(&s->bonds, bond);
    bond_left(s, &gone);
    return 0;
}

void bl_smp_bond_clear(struct bl_smp *s)
{
    bl_bonds_clear(&s->bonds);
    for (unsigned i = 0; i < s->n; i++) {
        smp_unbonded(s, s->conns[i]);
        smp_tell(s, s->conns[i], BL_SMP_SECURITY);
    }
}
