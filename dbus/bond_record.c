/* SPDX-License-Identifier: MIT */

/* bond_record: see the header. Fields follow each other as they are written below. */

#include "bond_record.h"

#include "base/rd.h"
#include "base/wr.h"

#include <string.h>

enum { /* of the flags */
       RECORD_AUTHENTICATED = 0x01,
       RECORD_SC = 0x02,
       RECORD_LOCAL_LTK = 0x04,
       RECORD_PEER_LTK = 0x08,
       RECORD_IRK = 0x10,
       RECORD_LOCAL_CSRK = 0x20,
       RECORD_PEER_CSRK = 0x40,
       RECORD_AWARE = 0x80,
};

enum {
    KEY_MIN = 7, /* Core 5.4, Vol 3, Part H, 2.3.4 */
    KEY_MAX = 16,
    CCCD_BITS = 3,
};

void bond_record_key(const struct bl_addr *identity, uint8_t out[static BOND_RECORD_KEY])
{
    out[0] = identity->type;
    memcpy(out + 1, identity->b, 6);
}

static void write_ltk(struct wr *w, const struct bl_ltk *ltk)
{
    wr_bytes(w, ltk->key, 16);
    wr_u8(w, ltk->size);
    wr_u16(w, ltk->ediv);
    wr_bytes(w, ltk->rand, 8);
}

static uint8_t flags_of(const struct bl_bond *bond)
{
    return (uint8_t)((bond->authenticated ? RECORD_AUTHENTICATED : 0) |
                     (bond->secure_connections ? RECORD_SC : 0) |
                     (bond->has_local_ltk ? RECORD_LOCAL_LTK : 0) |
                     (bond->has_peer_ltk ? RECORD_PEER_LTK : 0) | (bond->has_irk ? RECORD_IRK : 0) |
                     (bond->has_local_csrk ? RECORD_LOCAL_CSRK : 0) |
                     (bond->has_peer_csrk ? RECORD_PEER_CSRK : 0) |
                     (bond->aware ? RECORD_AWARE : 0));
}

size_t bond_record_write(const struct bl_bond *bond, uint8_t out[static BOND_RECORD_MAX])
{
    struct wr w = wr_make(out, BOND_RECORD_MAX);
    uint16_t n = bond->n_cccds < BL_BOND_CCCDS ? bond->n_cccds : (uint16_t)BL_BOND_CCCDS;

    wr_u8(&w, BOND_RECORD_VERSION);
    wr_u8(&w, bond->identity.type);
    wr_bytes(&w, bond->identity.b, 6);
    wr_u8(&w, flags_of(bond));
    write_ltk(&w, &bond->local_ltk);
    write_ltk(&w, &bond->peer_ltk);
    wr_bytes(&w, bond->irk, 16);
    wr_bytes(&w, bond->local_csrk, 16);
    wr_bytes(&w, bond->peer_csrk, 16);
    wr_u32(&w, bond->local_counter);
    wr_u32(&w, bond->peer_counter);
    wr_u64(&w, bond->last_seen);
    wr_u8(&w, bond->client_features);
    wr_bytes(&w, bond->db_hash, 16);
    wr_u16(&w, n);
    for (uint16_t i = 0; i < n; i++) {
        wr_u16(&w, bond->cccds[i].handle);
        wr_u8(&w, bond->cccds[i].bits);
    }
    return w.len;
}

static void read_ltk(struct rd *r, struct bl_ltk *ltk)
{
    rd_copy(r, ltk->key, 16);
    ltk->size = rd_u8(r);
    ltk->ediv = rd_u16(r);
    rd_copy(r, ltk->rand, 8);
}

static void read_flags(uint8_t flags, struct bl_bond *bond)
{
    bond->authenticated = flags & RECORD_AUTHENTICATED;
    bond->secure_connections = flags & RECORD_SC;
    bond->has_local_ltk = flags & RECORD_LOCAL_LTK;
    bond->has_peer_ltk = flags & RECORD_PEER_LTK;
    bond->has_irk = flags & RECORD_IRK;
    bond->has_local_csrk = flags & RECORD_LOCAL_CSRK;
    bond->has_peer_csrk = flags & RECORD_PEER_CSRK;
    bond->aware = flags & RECORD_AWARE;
}

static bool all_zero(const uint8_t *p, size_t n)
{
    uint8_t any = 0;

    for (size_t i = 0; i < n; i++)
        any |= p[i];
    return any == 0;
}

/* What is above its size is zeros, and a key of nothing but zeros is none. */
static bool good_ltk(bool there, const struct bl_ltk *ltk, bool sc)
{
    static const uint8_t no_rand[8];

    if (!there)
        return ltk->size == 0 || (ltk->size >= KEY_MIN && ltk->size <= KEY_MAX);
    return ltk->size >= KEY_MIN && ltk->size <= KEY_MAX && !all_zero(ltk->key, KEY_MAX) &&
           all_zero(ltk->key + ltk->size, (size_t)KEY_MAX - ltk->size) &&
           (!sc || (ltk->ediv == 0 && memcmp(ltk->rand, no_rand, 8) == 0));
}

static bool good_bond(const struct bl_bond *b)
{
    if (b->identity.type > ADDR_RANDOM || bl_addr_is_zero(&b->identity) ||
        (b->identity.type == ADDR_RANDOM && !bl_addr_is_static(&b->identity)))
        return false;
    if (!good_ltk(b->has_local_ltk, &b->local_ltk, b->secure_connections) ||
        !good_ltk(b->has_peer_ltk, &b->peer_ltk, b->secure_connections))
        return false;
    if (b->has_irk && all_zero(b->irk, sizeof(b->irk)))
        return false;
    for (size_t i = 0; i < b->n_cccds; i++) {
        const struct bl_bond_cccd *c = &b->cccds[i];
        if (c->handle == 0 || c->bits == 0 || c->bits > CCCD_BITS ||
            (i > 0 && c->handle <= c[-1].handle))
            return false;
    }
    return true;
}

static bool read_bond(struct rd *r, struct bl_bond *ret)
{
    if (rd_u8(r) != BOND_RECORD_VERSION)
        return false;
    ret->identity.type = rd_u8(r);
    rd_copy(r, ret->identity.b, 6);
    read_flags(rd_u8(r), ret);
    read_ltk(r, &ret->local_ltk);
    read_ltk(r, &ret->peer_ltk);
    rd_copy(r, ret->irk, 16);
    rd_copy(r, ret->local_csrk, 16);
    rd_copy(r, ret->peer_csrk, 16);
    ret->local_counter = rd_u32(r);
    ret->peer_counter = rd_u32(r);
    ret->last_seen = rd_u64(r);
    ret->client_features = rd_u8(r);
    rd_copy(r, ret->db_hash, 16);
    ret->n_cccds = rd_u16(r);
    if (ret->n_cccds > BL_BOND_CCCDS)
        return false;
    for (size_t i = 0; i < ret->n_cccds; i++) {
        ret->cccds[i].handle = rd_u16(r);
        ret->cccds[i].bits = rd_u8(r);
    }
    return rd_done(r) && good_bond(ret);
}

bool bond_record_read(const uint8_t *record, size_t n, struct bl_bond *ret)
{
    struct rd r = rd_make(record, n);

    *ret = (struct bl_bond){0};
    if (read_bond(&r, ret))
        return true;
    explicit_bzero(ret, sizeof(*ret));
    return false;
}
