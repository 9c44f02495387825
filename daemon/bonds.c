/* SPDX-License-Identifier: MIT */
/*
 * What a change is worth is seen by comparing it with what is known to be stored: with the entry of
 * that bond, else with the file.
 *
 *     (none) --change--> dirty --due, written--> resting --due--> (none)
 *                          ^  |                     |
 *                 RETRY_US +--+ failed   <--change--+ (due as before)
 *
 * An entry that is `gone` is a deletion; it is kept only until the file is gone.
 */
#include "bonds.h"
#include "base/cleanup.h"
#include "bonds_disk.h"
#include "bounds.h"
#include "clock.h"
#include "log.h"
#include "whole.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SHARE = 9 }; /* after a write of a second, nine of rest */

struct entry {
    struct list link;
    struct bl_bond bond;
    uint64_t due;
    uint32_t local_stored; /* our counter, as it is on the disk */
    bool dirty, gone;
    int told; /* the error that the log knows of, 0: none */
};

static struct entry *entry_of(struct list *l)
{
    return list_entry(l, struct entry, link);
}

static struct entry *entry_find(const struct bonds *s, const struct bl_addr *identity)
{
    list_each(l, next, &s->entries)
    {
        if (bl_addr_eq(&entry_of(l)->bond.identity, identity))
            return entry_of(l);
    }
    return NULL;
}

static struct entry *entry_new(struct bonds *s, const struct bl_addr *identity, uint64_t due)
{
    struct entry *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->bond.identity = *identity;
    e->due = due;
    list_append(&s->entries, &e->link);
    return e;
}

static void entry_free(struct entry *e)
{
    list_remove(&e->link);
    explicit_bzero(e, sizeof(*e));
    free(e);
}

static void bond_wipe(struct bl_bond *bond)
{
    explicit_bzero(bond, sizeof(*bond));
}

/* ---- what is different ---- */

enum change {
    CHANGE_NONE,
    CHANGE_REST,
    CHANGE_SUBSCRIPTIONS,
    CHANGE_COUNTERS,
    CHANGE_KEYS,
};

static bool same_key(bool had, bool has, const uint8_t was[static 16], const uint8_t is[static 16])
{
    return had == has && (!has || memcmp(was, is, 16) == 0);
}

static bool same_ltk(bool had, bool has, const struct bl_ltk *was, const struct bl_ltk *is)
{
    return same_key(had, has, was->key, is->key) && was->size == is->size &&
           was->ediv == is->ediv && memcmp(was->rand, is->rand, sizeof(is->rand)) == 0;
}

static bool same_keys(const struct bl_bond *was, const struct bl_bond *is)
{
    return was->authenticated == is->authenticated &&
           was->secure_connections == is->secure_connections &&
           same_ltk(was->has_local_ltk, is->has_local_ltk, &was->local_ltk, &is->local_ltk) &&
           same_ltk(was->has_peer_ltk, is->has_peer_ltk, &was->peer_ltk, &is->peer_ltk) &&
           same_key(was->has_irk, is->has_irk, was->irk, is->irk) &&
           same_key(was->has_local_csrk, is->has_local_csrk, was->local_csrk, is->local_csrk) &&
           same_key(was->has_peer_csrk, is->has_peer_csrk, was->peer_csrk, is->peer_csrk);
}

static bool same_rest(const struct bl_bond *was, const struct bl_bond *is)
{
    return was->last_seen == is->last_seen && was->client_features == is->client_features &&
           was->aware == is->aware && memcmp(was->db_hash, is->db_hash, sizeof(is->db_hash)) == 0 &&
           was->peer_counter == is->peer_counter;
}

static bool same_cccds(const struct bl_bond *was, const struct bl_bond *is)
{
    if (was->n_cccds != is->n_cccds)
        return false;
    for (size_t i = 0; i < is->n_cccds && i < BL_BOND_CCCDS; i++)
        if (was->cccds[i].handle != is->cccds[i].handle || was->cccds[i].bits != is->cccds[i].bits)
            return false;
    return true;
}

static enum change compare(const struct bl_bond *was, uint32_t local_stored,
                           const struct bl_bond *is)
{
    if (!same_keys(was, is))
        return CHANGE_KEYS;
    if (is->peer_counter > was->peer_counter || is->local_counter > local_stored)
        return CHANGE_COUNTERS;
    if (!same_cccds(was, is))
        return CHANGE_SUBSCRIPTIONS;
    return same_rest(was, is) ? CHANGE_NONE : CHANGE_REST;
}

/* ---- what the log is told ---- */

static const char *advice(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return "make room on that file system";
    case EIO:
        return "the disk may be failing, see the kernel's log";
    case ENOTDIR:
        return "it has to be a directory, and none by a symbolic link";
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return "the daemon or the machine has too little";
    case EPROTO:
        return "this bond is not as it should be: please report that";
    default:
        return "see the directory's owner and mode, and --state-dir";
    }
}

/* Once for each reason. */
static void tell(const struct bonds *s, const struct bl_addr *identity, bool gone, int error,
                 int *told)
{
    char address[ADDR_TEXT_LEN];
    if (error == *told)
        return;
    bl_addr_format(identity, address);
    if (error)
        log_msg(LOG_ERROR, s->place.name, "the bond with %s cannot be %s in %s/%s/bonds: %s; %s%s",
                address, gone ? "deleted" : "stored", s->place.state_dir, s->place.name,
                strerror(error), advice(error),
                gone ? "; until then it would be back after a restart"
                     : "; until then it is lost with a restart");
    else
        log_msg(LOG_NOTE, s->place.name, "the bond with %s is %s now", address,
                gone ? "deleted" : "stored");
    *told = error;
}

/* ---- the store ---- */

void bonds_init(struct bonds *s, const struct bonds_place *place)
{
    *s = (struct bonds){.place = *place, .dir = -1};
    list_init(&s->entries);
}

static void close_place(struct bonds *s)
{
    whole_close(&s->dir);
    s->dir = -1;
}

static void drop_entries(struct bonds *s)
{
    list_each(l, next, &s->entries) entry_free(entry_of(l));
}

void bonds_done(struct bonds *s)
{
    drop_entries(s);
    close_place(s);
}

/* -ENOENT: there is none, and none is to be made. */
static int open_place(struct bonds *s, bool make)
{
    if (s->dir >= 0)
        return 0;
    if (!s->has_controller)
        return -ENODEV;
    s->dir = bonds_place_open(&s->place, &s->controller, make);
    return s->dir < 0 ? s->dir : 0;
}

bool bonds_serve(struct bonds *s, uint64_t now, const struct bonds_controller *c)
{
    bool other =
        s->has_controller && !s->place.any_controller && !bonds_controller_eq(&s->controller, c);
    if (other) {
        bonds_flush(s, now);
        drop_entries(s); /* which cannot be stored: told */
    }
    close_place(s); /* somebody may have put another one in its place */
    s->has_controller = true;
    s->controller = *c;
    return other;
}

static int file_apply(struct bonds *s, const struct bl_bond *bond, bool gone)
{
    int r = open_place(s, !gone);
    if (r < 0)
        return r == -ENOENT && gone ? 0 : r;
    return gone ? bonds_disk_delete(&s->place, s->dir, &bond->identity)
                : bonds_disk_store(&s->place, s->dir, bond);
}

/* A failure is told, and made up for later. */
static void entry_apply(struct bonds *s, struct entry *e, uint64_t now)
{
    int r = file_apply(s, &e->bond, e->gone);
    tell(s, &e->bond.identity, e->gone, -r, &e->told);
    e->dirty = r < 0;
    if (r == 0)
        e->local_stored = bonds_disk_ahead(&e->bond);
    e->due = now + (r < 0 ? BONDS_RETRY_US : BONDS_COALESCE_US);
    if (r == 0 && e->gone)
        entry_free(e);
}

/* The same for what can wait: it takes its share of the time. */
static void entry_apply_soon(struct bonds *s, struct entry *e, uint64_t now)
{
    uint64_t before = clock_us(CLOCK_MONOTONIC);
    entry_apply(s, e, now);
    s->rest_until = now + (clock_us(CLOCK_MONOTONIC) - before) * (SHARE + 1);
}

/* The same for keys and deletions, which are at once unless these have had more than their share.
 */
static void entry_apply_urgent(struct bonds *s, struct entry *e, uint64_t now)
{
    uint64_t from = s->urgent_until > now ? s->urgent_until : now;
    if (from - now > BONDS_URGENT_US) {
        e->due = now;
        return;
    }
    uint64_t before = clock_us(CLOCK_MONOTONIC);
    entry_apply(s, e, now);
    s->urgent_until = from + (clock_us(CLOCK_MONOTONIC) - before) * (SHARE + 1);
}

static enum change compare_stored(struct bonds *s, const struct bl_bond *bond,
                                  uint32_t *ret_local_stored)
{
    struct bl_bond was;
    *ret_local_stored = 0;
    if (open_place(s, false) < 0 || bonds_disk_read(s->dir, &bond->identity, &was) < 0)
        return CHANGE_KEYS;
    *ret_local_stored = was.local_counter;
    enum change c = compare(&was, was.local_counter, bond);
    bond_wipe(&was);
    return c;
}

/* Without memory for an entry: now or never. */
static void apply_once(struct bonds *s, const struct bl_bond *bond, bool gone)
{
    int told = 0;
    tell(s, &bond->identity, gone, -file_apply(s, bond, gone), &told);
}

static enum change compare_entry(const struct entry *e, const struct bl_bond *bond)
{
    return e->gone ? CHANGE_KEYS : compare(&e->bond, e->local_stored, bond);
}

void bonds_write(struct bonds *s, uint64_t now, const struct bl_bond *bond)
{
    struct entry *e = entry_find(s, &bond->identity);
    uint32_t local_stored;
    enum change c = e ? compare_entry(e, bond) : compare_stored(s, bond, &local_stored);
    if (c == CHANGE_NONE)
        return;
    if (!e) {
        e = entry_new(s, &bond->identity, now + BONDS_COALESCE_US);
        if (!e) {
            apply_once(s, bond, false);
            return;
        }
        e->local_stored = local_stored;
    }
    bool failing = e->told != 0; /* a disk that fails is tried again for keys alone before time */
    e->told = e->gone ? 0 : e->told;
    e->gone = false;
    e->dirty = true;
    e->bond = *bond;
    if (c == CHANGE_KEYS)
        entry_apply_urgent(s, e, now);
    else if (c == CHANGE_COUNTERS && !failing)
        entry_apply(s, e, now);
    else if (c == CHANGE_SUBSCRIPTIONS && !failing && now >= s->rest_until)
        entry_apply_soon(s, e, now);
    else if (c == CHANGE_SUBSCRIPTIONS && !failing)
        e->due = now;
}

/* Of a place that is out of order: strangers who pair under ever new names push others out, and the
 * deletions that cannot be made are not to fill the memory. */
static void deletions_bound(struct bonds *s, uint64_t now)
{
    struct entry *oldest = NULL;
    size_t n = 0;
    list_each(l, next, &s->entries)
    {
        if (!entry_of(l)->gone)
            continue;
        oldest = oldest ? oldest : entry_of(l);
        n++;
    }
    if (n > BL_MAX_BONDS && !oldest->told)
        entry_apply(s, oldest, now);
    else if (n > BL_MAX_BONDS)
        entry_free(oldest);
}

void bonds_delete(struct bonds *s, uint64_t now, const struct bl_addr *identity)
{
    struct entry *e = entry_find(s, identity);
    if (!e)
        e = entry_new(s, identity, now);
    if (!e) {
        apply_once(s, &(struct bl_bond){.identity = *identity}, true);
        return;
    }
    bond_wipe(&e->bond);
    e->bond.identity = *identity;
    e->told = e->gone ? e->told : 0;
    e->gone = e->dirty = true;
    entry_apply_urgent(s, e, now);
    deletions_bound(s, now);
}

/* ---- loading ---- */

/* What waits to be written is newer than the file, and a deletion that waits has happened. */
static const struct bl_bond *newest(const struct bonds *s, const struct bl_bond *stored)
{
    const struct entry *e = entry_find(s, &stored->identity);
    if (!e || !e->dirty)
        return stored;
    return e->gone ? NULL : &e->bond;
}

static bool is_among(struct bl_bond *const *bonds, size_t n, const struct bl_addr *identity)
{
    for (size_t i = 0; i < n; i++)
        if (bl_addr_eq(&bonds[i]->identity, identity))
            return true;
    return false;
}

struct giving {
    const struct bonds *s;
    bonds_give_fn give;
    void *ctx;
    size_t given;
};

static void give_one(struct giving *g, const struct bl_bond *bond)
{
    char address[ADDR_TEXT_LEN];
    int r = g->given < BL_MAX_BONDS ? g->give(g->ctx, bond) : -ENOBUFS;
    if (r >= 0)
        g->given++;
    else
        log_msg(LOG_ERROR, g->s->place.name, "the stored bond with %s cannot be used: %s",
                bl_addr_format(&bond->identity, address), strerror(-r));
}

static void give_all(struct giving *g, struct bl_bond *const *stored, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct bl_bond *bond = newest(g->s, stored[i]);
        if (bond)
            give_one(g, bond);
    }
    list_each(l, next, &g->s->entries)
    {
        const struct entry *e = entry_of(l);
        if (e->dirty && !e->gone && !is_among(stored, n, &e->bond.identity))
            give_one(g, &e->bond);
    }
}

size_t bonds_load(struct bonds *s, bonds_give_fn give, void *ctx)
{
    struct giving g = {.s = s, .give = give, .ctx = ctx};
    struct bl_bond **stored = NULL;
    size_t n = 0;
    int r = open_place(s, false);
    if (r == 0)
        r = bonds_disk_list(&s->place, s->dir, &stored, &n);
    r = r == -ENOENT ? 0 : r; /* none has been made yet */
    if (r < 0 && -r != s->told)
        log_msg(LOG_ERROR, s->place.name,
                "bonds cannot be read or kept in %s/%s/bonds: %s; %s; until then there are those "
                "in memory",
                s->place.state_dir, s->place.name, strerror(-r), advice(-r));
    s->told = -r;
    give_all(&g, stored, n);
    bonds_disk_free(stored, n);
    if (g.given > 0)
        log_msg(LOG_INFORM, s->place.name, "bonds loaded: %zu", g.given);
    return g.given;
}

/* ---- time ---- */

static struct entry *entry_next(const struct bonds *s)
{
    struct entry *first = NULL;
    list_each(l, next, &s->entries)
    {
        if (!first || entry_of(l)->due < first->due)
            first = entry_of(l);
    }
    return first;
}

uint64_t bonds_deadline(const struct bonds *s)
{
    const struct entry *e = entry_next(s);
    if (!e)
        return UINT64_MAX;
    return e->due > s->rest_until ? e->due : s->rest_until;
}

void bonds_tick(struct bonds *s, uint64_t now)
{
    struct entry *e;
    if (now < s->rest_until)
        return;
    while ((e = entry_next(s)) && e->due <= now) {
        if (!e->dirty) {
            entry_free(e);
            continue;
        }
        entry_apply_soon(s, e, now);
        return;
    }
}

void bonds_hurry(struct bonds *s, uint64_t now)
{
    list_each(l, next, &s->entries)
    {
        struct entry *e = entry_of(l);
        if (e->dirty && !e->told && e->due > now)
            e->due = now;
    }
}

void bonds_flush(struct bonds *s, uint64_t now)
{
    list_each(l, next, &s->entries)
    {
        if (entry_of(l)->dirty)
            entry_apply(s, entry_of(l), now);
    }
}
