/* SPDX-License-Identifier: MIT */

/*
 * owner: attachments and their ends.
 *
 *     attach ---> live ---(Detach, vanished, slow)---> ending ---> freed
 *
 * Ending goes by ranks: release what has the lowest rank, wait until all of it has taken itself out
 * (at once, or when the stack says so), then the next. After the last the hold on the adapter goes;
 * if that was the last hold the adapter goes down, and only then Detach is answered and the slot
 * given back. bus_owner_step_all() is the only place where that advances, and it runs from the loop
 * with no module on the stack, so a module never sees an owner vanish under its hands.
 */

#include "adapter.h"

#include <errno.h>
#include <stdio.h>

struct bus_client *bus_client_find(struct bus *b, const char *name)
{
    list_each(l, next, &b->clients)
    {
        struct bus_client *c = list_entry(l, struct bus_client, link);
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

struct bus_client *bus_client_get(struct bus *b, const char *name)
{
    struct bus_client *c = bus_client_find(b, name);
    if (c)
        return c;
    size_t n = strlen(name) + 1;
    c = calloc(1, sizeof(*c) + n);
    if (!c)
        return NULL;
    memcpy(c->name, name, n);
    c->bus = b;
    list_append(&b->clients, &c->link);
    return c;
}

void bus_client_put(struct bus_client *c)
{
    if (c->calls > 0 || c->owners > 0)
        return;
    list_remove(&c->link);
    for (size_t i = 0; i < BUS_MAX_PROBES; i++)
        sd_bus_slot_unref(c->probes[i]);
    free(c);
}

static struct bus_owner *find_owner(struct bus_adapter *a, const char *sender)
{
    for (unsigned i = 1; i < BUS_MAX_OWNERS; i++) {
        struct bus_owner *o = a->owners[i];
        if (o && o->client && strcmp(o->client->name, sender) == 0)
            return o;
    }
    return NULL;
}

struct bus_owner *bus_owner_of(struct bus_adapter *a, sd_bus_message *m)
{
    const char *sender = m ? sd_bus_message_get_sender(m) : NULL;
    struct bus_owner *o = sender && a->attached > 0 ? find_owner(a, sender) : NULL;
    return o ? o : a->owners[0];
}

int bus_owner_may(const struct bus_owner *caller, const struct bus_owner *owner, const char *what,
                  sd_bus_error *error)
{
    if (caller == owner || bus_owner_is_daemon(owner))
        return 0;
    return bus_error_access(error, "%s belongs to %s.", what, owner->who);
}

void bus_thing_add(struct bus_thing *t, struct bus_owner *owner, const struct bus_thing_kind *kind)
{
    t->owner = owner;
    t->kind = kind;
    t->releasing = false;
    list_append(&owner->things, &t->link);
}

void bus_thing_remove(struct bus_thing *t)
{
    if (!t->owner)
        return;
    struct bus_owner *o = t->owner;
    list_remove(&t->link);
    t->owner = NULL;
    if (o->ending)
        bus_adapter_due(o->adapter);
}

size_t bus_thing_count(const struct bus_owner *owner, const struct bus_thing_kind *kind)
{
    size_t n = 0;
    list_each(l, next, &owner->things) n += list_entry(l, struct bus_thing, link)->kind == kind;
    return n;
}

size_t bus_owner_holders(const struct bus_adapter *a, const struct bus_owner *except,
                         const char **ret_who)
{
    size_t n = 0;
    for (unsigned i = 1; i < BUS_MAX_OWNERS; i++) {
        const struct bus_owner *o = a->owners[i];
        if (!o || !o->hold || o == except)
            continue;
        if (n++ == 0 && ret_who)
            *ret_who = o->who;
    }
    return n;
}

static struct bus_owner *make_owner(struct bus_adapter *a, unsigned slot)
{
    struct bus_owner *o = calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    o->adapter = a;
    o->slot = slot;
    o->serial = ++a->last_owner;
    list_init(&o->things);
    a->owners[slot] = o;
    return o;
}

int bus_owner_daemon(struct bus_adapter *a)
{
    struct bus_owner *o = make_owner(a, 0);
    if (!o)
        return -ENOMEM;
    snprintf(o->who, sizeof(o->who), "the daemon");
    return 0;
}

struct bus_owner *bus_owner_free(struct bus_owner *o)
{
    if (!o)
        return NULL;
    struct bus_adapter *a = o->adapter;
    list_each(l, next, &o->things)
    {
        struct bus_thing *t = list_entry(l, struct bus_thing, link);
        list_remove(&t->link);
        t->owner = NULL;
    }
    bus_call_forget_owner(a, o);
    a->owners[o->slot] = NULL;
    if (o->slot != 0)
        a->attached--;
    if (o->client) {
        o->client->owners--;
        bus_client_put(o->client);
    }
    free(o);
    return NULL;
}

/* One question to the bus for each Attach, of which there are few. */
static uint32_t ask_pid(sd_bus_message *m)
{
    sd_bus_creds *creds = NULL;
    pid_t pid = 0;
    if (sd_bus_query_sender_creds(m, SD_BUS_CREDS_PID, &creds) >= 0)
        (void)sd_bus_creds_get_pid(creds, &pid);
    sd_bus_creds_unref(creds);
    return pid > 0 ? (uint32_t)pid : 0;
}

int bus_owner_attach(struct bus_adapter *a, sd_bus_message *m, struct bus_owner **ret)
{
    const char *sender = sd_bus_message_get_sender(m);
    if (!sender)
        return -EINVAL;
    struct bus_owner *o = find_owner(a, sender);
    if (o) {
        *ret = o;
        return 0;
    }

    unsigned slot = 1;
    while (slot < BUS_MAX_OWNERS && a->owners[slot])
        slot++;
    if (slot == BUS_MAX_OWNERS)
        return -ENOBUFS;
    struct bus_client *c = bus_client_get(a->bus, sender);
    if (!c)
        return -ENOMEM;
    o = make_owner(a, slot);
    if (!o) {
        bus_client_put(c);
        return -ENOMEM;
    }
    if (c->pid == 0)
        c->pid = ask_pid(m);
    o->client = c;
    c->owners++;
    a->attached++;
    if (c->pid != 0)
        snprintf(o->who, sizeof(o->who), "%.40s (pid %u)", c->name, c->pid);
    else
        snprintf(o->who, sizeof(o->who), "%.60s", c->name);
    *ret = o;
    return 0;
}

/* Releases what has the lowest rank. False: something has still to take itself out. */
static bool release_things(struct bus_owner *o)
{
    while (!list_empty(&o->things)) {
        struct bus_thing *first = NULL;
        enum bus_rank rank = BUS_RANKS;
        list_each(l, next, &o->things)
        {
            struct bus_thing *t = list_entry(l, struct bus_thing, link);
            if (t->kind->rank < rank) {
                rank = t->kind->rank;
                first = NULL;
            }
            if (t->kind->rank == rank && !first && !t->releasing)
                first = t;
        }
        if (!first)
            return false;
        first->releasing = true;
        first->kind->release(first);
    }
    return true;
}

static void step(struct bus_owner *o)
{
    struct bus_adapter *a = o->adapter;
    if (!release_things(o))
        return;
    if (o->hold || a->state == BUS_ENDING) {
        o->hold = false;
        if (!bus_adapter_settle(a))
            return; /* comes back when the adapter is inactive */
    }
    struct bus_call *detach = steal_ptr(o->detach);
    bus_owner_free(o);
    if (detach) {
        bus_call_reply(detach, "");
        bus_call_free(detach);
    }
}

void bus_owner_step_all(struct bus_adapter *a)
{
    for (unsigned i = 1; i < BUS_MAX_OWNERS; i++)
        if (a->owners[i] && a->owners[i]->ending)
            step(a->owners[i]);
}

void bus_owner_end(struct bus_owner *o, struct bus_call *detach)
{
    if (detach)
        o->detach = detach;
    o->ending = true;
    bus_adapter_due(o->adapter);
}

void bus_client_vanished(struct bus_client *c)
{
    struct bus *b = c->bus;
    c->gone = true;
    c->calls++; /* keeps it while its calls and owners let go of it */
    list_each(l, next, &b->adapters)
    {
        struct bus_adapter *a = list_entry(l, struct bus_adapter, link);
        bus_call_cancel_client(a, c);
        struct bus_owner *o = find_owner(a, c->name);
        if (!o)
            continue;
        if (!o->ending)
            bus_news(a, "%s has left without Detach; what it owned ends", o->who);
        o->client = NULL; /* no signals, and its name owns nothing from here on */
        c->owners--;
        bus_owner_end(o, NULL);
    }
    c->calls--;
    bus_client_put(c);
}

void bus_client_mark_slow(struct bus_client *c)
{
    if (c->slow || c->owners == 0)
        return;
    c->slow = c->bus->slow = true;
    list_each(l, next, &c->bus->adapters) bus_adapter_due(list_entry(l, struct bus_adapter, link));
}

void bus_client_end_slow(struct bus *b)
{
    if (!b->slow)
        return;
    b->slow = false;
    list_each(l, next, &b->clients)
    {
        struct bus_client *c = list_entry(l, struct bus_client, link);
        if (!c->slow)
            continue;
        c->slow = false;
        bool news = false;
        list_each(k, after, &b->adapters)
        {
            struct bus_owner *o = find_owner(list_entry(k, struct bus_adapter, link), c->name);
            if (!o || o->ending)
                continue;
            news = true;
            /* behind all that it has not read, and before anything that it misses */
            bus_emit(o->adapter, bus_owner_bit(o), "org.bled.Adapter1", "Detached", "s",
                     "4096 signals were left unread");
            bus_owner_end(o, NULL);
        }
        if (!news)
            continue;
        b->clients_detached++;
        bus_log(b, BL_LOG_WARNING, "%s (pid %u) does not read its signals and is detached", c->name,
                c->pid);
    }
}
