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
    uint64_t full;       /* when all BL_BONDS_BURST events may be sent again */
    uint64_t covered;    /* the least of the peer's counters that its store takes after a crash */
    bool pending;
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

/* A change is to be stored before what it belongs to is acted on: it goes first. */
static void bonds_tell(struct bl_bonds *b, const struct bl_bond *bond, bool added, bool removed)
{
    const struct bl_event e = {
        .kind = BL_EV_BOND,
        .bond = {.identity = bond->identity, .added = added, .removed = removed}};

    if (added || removed)
        bl_evq_push(b->events, &e);
    else if (!bl_evq_has_bond(b->events, &bond->identity))
        bl_evq_push_first(b->events, &e);
}

/* Takes one out of the table; the caller has it then. */
static struct bl_bond *bonds_take(struct bl_bonds *b, size_t i)
{
    struct bl_bond *bond = b->table[i];

    b->n--;
    memmove(&b->table[i], &b->table[i + 1], (b->n - i) * sizeof(*b->table));
    return bond;
}

/* Who is the least of a loss: n where everybody is one. */
static size_t bonds_least(const struct bl_bonds *b)
{
    size_t used = b->n;

    for (size_t i = 0; i < b->n; i++) {
        if (b->table[i]->authenticated)
            continue;
        if (!b->in_use || !b->in_use(b->ctx, b->table[i]))
            return i;
        used = used == b->n ? i : used;
    }
    return used;
}

/* Room for one more: memory, and where the table is full somebody else's. */
static int bonds_room(struct bl_bonds *b, bool quiet, struct bl_addr *ret_evicted)
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
    size_t i = quiet ? b->n : bonds_least(b);
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
    const uint64_t most = now + (uint64_t)BL_BONDS_BURST * BL_BONDS_PAUSE_US;

    e->full = (e->full > now ? e->full : now) + BL_BONDS_PAUSE_US;
    e->full = e->full < most ? e->full : most; /* what could not wait does not hold up the rest */
    e->pending = false;
    e->bond.peer_ahead = 0;
    e->covered = e->bond.peer_counter;
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
        int r = there ? bonds_room(b, quiet, ret_evicted) : -ENOMEM;
        if (r < 0) {
            free(there);
            return r;
        }
        b->table[b->n++] = there;
    }
    *there = *bond;
    bl_bonds_used(b, there);
    struct bonds_entry *e = bonds_entry(b, b->n - 1);
    e->bond.peer_ahead = 0;
    e->covered = bond->peer_counter; /* another key counts from its own beginning */
    if (!quiet)
        bonds_tell_now(b, now, e, added);
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
    const uint64_t burst = (uint64_t)(BL_BONDS_BURST - 1) * BL_BONDS_PAUSE_US;

    return e->full > burst ? e->full - burst : 0;
}

/* Between two exact ones. */
static void bonds_tell_ahead(struct bl_bonds *b, struct bonds_entry *e)
{
    uint32_t room = UINT32_MAX - e->bond.peer_counter;

    e->bond.peer_ahead = room < BL_BONDS_AHEAD ? room : BL_BONDS_AHEAD;
    e->covered = (uint64_t)e->bond.peer_counter + e->bond.peer_ahead;
    bonds_tell(b, &e->bond, false, false);
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
    if (bond->has_peer_csrk && bond->peer_counter > e->covered)
        bonds_tell_ahead(b, e);
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
