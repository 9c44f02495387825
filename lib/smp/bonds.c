/* SPDX-License-Identifier: MIT */

#include "smp/bonds.h"

#include "crypto/crypto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void bl_bonds_init(struct bl_bonds *b, struct bl_evq *events)
{
    *b = (struct bl_bonds){.events = events, .due = TIMERQ_NEVER};
}

/* What stands in the table. */
struct bonds_entry {
    struct bl_bond bond; /* first */
    uint64_t told;       /* its last event; loaded ones have had none */
    bool ever_told, pending;
};

static struct bonds_entry *bonds_entry(const struct bl_bonds *b, size_t i)
{
    return (struct bonds_entry *)(void *)b->table[i];
}

static void bonds_free(struct bl_bond *bond)
{
    bl_crypto_wipe(bond, sizeof(struct bonds_entry));
    free(bond);
}

void bl_bonds_clear(struct bl_bonds *b)
{
    for (size_t i = 0; i < b->n; i++)
        bonds_free(b->table[i]);
    b->n = 0;
    b->due = TIMERQ_NEVER;
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

static void bonds_tell_now(struct bl_bonds *b, uint64_t now, struct bonds_entry *e, bool added)
{
    e->told = now;
    e->ever_told = true;
    e->pending = false;
    bonds_tell(b, &e->bond, added, false);
}

int bl_bonds_put(struct bl_bonds *b, uint64_t now, const struct bl_bond *bond, bool quiet,
                 struct bl_addr *ret_evicted)
{
    struct bl_bond *there = bl_bonds_find(b, &bond->identity);
    bool added = there == NULL;

    if (ret_evicted)
        *ret_evicted = (struct bl_addr){0};
    if (added) {
        there = calloc(1, sizeof(struct bonds_entry));
        int r = there ? bonds_room(b, ret_evicted) : -ENOMEM;
        if (r < 0) {
            free(there);
            return r;
        }
        b->table[b->n++] = there;
    }
    *there = *bond;
    bl_bonds_used(b, there);
    if (!quiet)
        bonds_tell_now(b, now, bonds_entry(b, b->n - 1), added);
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

static uint64_t bonds_due(const struct bonds_entry *e)
{
    return e->ever_told ? e->told + BL_BONDS_PAUSE_US : 0;
}

void bl_bonds_changed(struct bl_bonds *b, uint64_t now, const struct bl_bond *bond, bool at_once)
{
    struct bonds_entry *e = bonds_entry(b, bonds_index(b, &bond->identity));

    if (at_once || now >= bonds_due(e)) {
        bonds_tell_now(b, now, e, false);
        return;
    }
    e->pending = true;
    if (bonds_due(e) < b->due)
        b->due = bonds_due(e);
}

static void bonds_tell_pending(struct bl_bonds *b, uint64_t now, bool all)
{
    b->due = TIMERQ_NEVER;
    for (size_t i = 0; i < b->n; i++) {
        struct bonds_entry *e = bonds_entry(b, i);
        if (!e->pending)
            continue;
        if (all || now >= bonds_due(e))
            bonds_tell_now(b, now, e, false);
        else if (bonds_due(e) < b->due)
            b->due = bonds_due(e);
    }
}

void bl_bonds_tick(struct bl_bonds *b, uint64_t now)
{
    if (now >= b->due)
        bonds_tell_pending(b, now, false);
}

void bl_bonds_flush(struct bl_bonds *b, uint64_t now)
{
    if (b->due != TIMERQ_NEVER)
        bonds_tell_pending(b, now, true);
}

void bl_bonds_used(struct bl_bonds *b, const struct bl_bond *bond)
{
    struct bl_bond *used = bonds_take(b, bonds_index(b, &bond->identity));

    b->table[b->n++] = used;
}
