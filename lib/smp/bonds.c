/* SPDX-License-Identifier: MIT */

#include "smp/bonds.h"

#include "crypto/crypto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void bl_bonds_init(struct bl_bonds *b, struct bl_evq *events)
{
    *b = (struct bl_bonds){.events = events};
}

static void bonds_free(struct bl_bond *bond)
{
    bl_crypto_wipe(bond, sizeof(*bond));
    free(bond);
}

void bl_bonds_clear(struct bl_bonds *b)
{
    for (size_t i = 0; i < b->n; i++)
        bonds_free(b->table[i]);
    b->n = 0;
}

void bl_bonds_deinit(struct bl_bonds *b)
{
    bl_bonds_clear(b);
    free(b->table);
    *b = (struct bl_bonds){0};
}

/* n where there is none */
static size_t bonds_index(const struct bl_bonds *b, const struct bl_addr *identity)
{
    size_t i = 0;

    while (i < b->n && !bl_addr_eq(&b->table[i]->identity, identity))
        i++;
    return i;
}

struct bl_bond *bl_bonds_find(const struct bl_bonds *b, const struct bl_addr *identity)
{
    size_t i = bonds_index(b, identity);

    return i < b->n ? b->table[i] : NULL;
}

static void bonds_tell(struct bl_bonds *b, const struct bl_bond *bond, bool added, bool removed)
{
    bl_evq_push(b->events,
                &(struct bl_event){
                    .kind = BL_EV_BOND,
                    .bond = {.identity = bond->identity, .added = added, .removed = removed}});
}

/* Takes one out of the table; the caller has it then. */
static struct bl_bond *bonds_take(struct bl_bonds *b, size_t i)
{
    struct bl_bond *bond = b->table[i];

    b->n--;
    memmove(&b->table[i], &b->table[i + 1], (b->n - i) * sizeof(*b->table));
    return bond;
}

/* Room for one more: memory, and where the table is full whoever is the least of a loss. */
static int bonds_room(struct bl_bonds *b, struct bl_addr *ret_evicted)
{
    if (b->n < b->cap)
        return 0;
    if (b->cap < BL_MAX_BONDS) {
        size_t cap = b->cap ? b->cap * 2 : 8;
        struct bl_bond **table = realloc(b->table, cap * sizeof(struct bl_bond *));
        if (!table)
            return -ENOMEM;
        b->table = table;
        b->cap = cap;
        return 0;
    }
    size_t i = 0;
    while (i < b->n && b->table[i]->authenticated)
        i++;
    if (i == b->n) {
        b->refused++;
        return -ENOBUFS;
    }
    struct bl_bond *evicted = bonds_take(b, i);
    b->evicted++;
    if (ret_evicted)
        *ret_evicted = evicted->identity;
    bonds_tell(b, evicted, false, true);
    bonds_free(evicted);
    return 0;
}

int bl_bonds_put(struct bl_bonds *b, const struct bl_bond *bond, bool quiet,
                 struct bl_addr *ret_evicted)
{
    struct bl_bond *there = bl_bonds_find(b, &bond->identity);
    bool added = there == NULL;

    if (ret_evicted)
        *ret_evicted = (struct bl_addr){0};
    if (added) {
        there = malloc(sizeof(*there));
        int r = there ? bonds_room(b, ret_evicted) : -ENOMEM;
        if (r < 0) {
            free(there);
            return r;
        }
        b->table[b->n++] = there;
    }
    *there = *bond;
    if (!quiet)
        bonds_tell(b, there, added, false);
    bl_bonds_used(b, there);
    return 0;
}

bool bl_bonds_may_replace(const struct bl_bond *old, const struct bl_bond *bond)
{
    uint8_t was = old->has_peer_ltk ? old->peer_ltk.size : old->local_ltk.size;
    uint8_t is = bond->has_peer_ltk ? bond->peer_ltk.size : bond->local_ltk.size;

    return bond->authenticated >= old->authenticated &&
           bond->secure_connections >= old->secure_connections && is >= was;
}

void bl_bonds_remove(struct bl_bonds *b, struct bl_bond *bond)
{
    size_t i = bonds_index(b, &bond->identity);

    bonds_tell(b, bond, false, true);
    bonds_free(bonds_take(b, i));
}

void bl_bonds_changed(struct bl_bonds *b, const struct bl_bond *bond)
{
    bonds_tell(b, bond, false, false);
}

void bl_bonds_used(struct bl_bonds *b, const struct bl_bond *bond)
{
    struct bl_bond *used = bonds_take(b, bonds_index(b, &bond->identity));

    b->table[b->n++] = used;
}
