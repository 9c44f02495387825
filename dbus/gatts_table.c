/* SPDX-License-Identifier: MIT */

/*
 * gatts_table: what clients have made of the local database, service by service, and each value
 * handle in a table of pages, so that an event finds its attribute in constant time.
 *
 * The stack keeps the attributes and their values in every state of the controller. So when that is
 * lost, what attached clients made is removed and what the daemon made stays where it is, with its
 * handles and values: only its objects on the bus go, until the controller is back.
 */

#include "gatts_table.h"

#include <errno.h>
#include <stdlib.h>

/* ---- finding ---- */

struct bus_attr *bus_gatts_find(struct bus_adapter *a, uint16_t handle)
{
    const struct gatts *g = gatts_of(a);
    struct bus_attr **page = g->pages[handle >> 8];

    return page && !g->away ? page[handle & 0xff] : NULL;
}

struct bus_attr *bus_gatts_next_characteristic(struct bus_adapter *a, uint16_t handle)
{
    const struct gatts *g = gatts_of(a);

    for (uint32_t h = (uint32_t)handle + 1; h <= UINT16_MAX && !g->away; h++) {
        struct bus_attr **page = g->pages[h >> 8];
        if (!page)
            h |= 0xff; /* on to the next one */
        else if (page[h & 0xff] && !page[h & 0xff]->of)
            return page[h & 0xff];
    }
    return NULL;
}

struct bus_attr *bus_gatts_get(struct bus_adapter *a, const struct bus_owner *caller,
                               uint16_t handle, bool characteristic, sd_bus_error *error)
{
    struct bus_attr *t = bus_gatts_find(a, handle);
    char what[40];

    if (!t) {
        (void)bus_error_set(error, BUS_NOT_FOUND,
                            "Handle %u (0x%04x) is not that of a local characteristic's value%s "
                            "that a client has made.",
                            handle, handle, characteristic ? "" : " or descriptor");
        return NULL;
    }
    if (characteristic && t->of) {
        (void)bus_error_set(error, BUS_NOT_FOUND,
                            "Handle %u (0x%04x) is that of a descriptor; its characteristic's "
                            "value is %u (0x%04x).",
                            handle, handle, t->of->handle, t->of->handle);
        return NULL;
    }
    snprintf(what, sizeof(what), "Attribute %u (0x%04x)", handle, handle);
    return bus_owner_may(caller, t->service->thing.owner, what, error) < 0 ? NULL : t;
}

struct bus_service *gatts_service_at(struct bus_adapter *a, uint16_t handle)
{
    list_each(l, next, &gatts_of(a)->services)
    {
        struct bus_service *s = list_entry(l, struct bus_service, link);
        if (handle >= s->handle && handle - s->handle < s->n_handles)
            return s;
    }
    return NULL;
}

struct bus_service *gatts_service_get(struct bus_adapter *a, const struct bus_owner *caller,
                                      uint16_t handle, sd_bus_error *error)
{
    struct bus_service *s = gatts_service_at(a, handle);
    char what[40];

    if (!s || s->handle != handle) {
        (void)bus_error_set(error, BUS_NOT_FOUND,
                            "No service that a client has made begins at handle %u (0x%04x).",
                            handle, handle);
        return NULL;
    }
    snprintf(what, sizeof(what), "Service %u (0x%04x)", handle, handle);
    return bus_owner_may(caller, s->thing.owner, what, error) < 0 ? NULL : s;
}

/* A page for this handle. */
static int table_reserve(struct gatts *g, unsigned handle)
{
    struct bus_attr ***page = &g->pages[handle >> 8 & 0xff];

    if (!*page)
        *page = calloc(256, sizeof(**page));
    return *page ? 0 : -ENOMEM;
}

static int table_put(struct gatts *g, struct bus_attr *t)
{
    unsigned high = t->handle >> 8;

    if (table_reserve(g, t->handle) < 0)
        return -ENOMEM;
    g->pages[high][t->handle & 0xff] = t;
    g->page_used[high]++;
    return 0;
}

static void table_take(struct gatts *g, const struct bus_attr *t)
{
    unsigned high = t->handle >> 8;

    if (!g->pages[high] || g->pages[high][t->handle & 0xff] != t)
        return;
    g->pages[high][t->handle & 0xff] = NULL;
    if (--g->page_used[high] > 0)
        return;
    free(g->pages[high]);
    g->pages[high] = NULL;
}

/* ---- attributes ---- */

static struct bus_attr *attr_new(struct bus_service *s, struct list *to, struct bus_attr *of,
                                 const struct bl_uuid *uuid, uint32_t flags)
{
    struct bus_attr *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->service = s;
    t->of = of;
    t->uuid = *uuid;
    t->flags = flags;
    t->default_status = GATTS_DEFAULT_STATUS;
    list_init(&t->pipes);
    list_append(to, &t->link);
    return t;
}

/* A characteristic and its descriptors, in the order in which the stack hands out handles. */
static int attrs_new(struct bus_service *s, struct list *to,
                     const struct bl_gatts_characteristic *def)
{
    struct bus_attr *of = attr_new(s, to, NULL, &def->uuid, def->flags);

    if (of)
        of->read_events = def->read_events;
    for (size_t i = 0; of && i < def->n_descriptors; i++)
        if (!attr_new(s, to, of, &def->descriptors[i].uuid, def->descriptors[i].flags))
            return -ENOMEM;
    return of ? 0 : -ENOMEM;
}

static void attrs_free(struct list *attrs)
{
    for (struct list *l; (l = list_pop(attrs));)
        free(list_entry(l, struct bus_attr, link));
}

/* Gives them their handles and enters them; all or none. */
static int attrs_enter(struct gatts *g, struct list *attrs, const uint16_t *handles)
{
    size_t n = 0;

    list_each(l, next, attrs)
    {
        struct bus_attr *t = list_entry(l, struct bus_attr, link);
        t->handle = handles[n++];
        if (table_put(g, t) == 0)
            continue;
        list_each(k, after, attrs) table_take(g, list_entry(k, struct bus_attr, link));
        return -ENOMEM;
    }
    return 0;
}

static void attrs_appear(struct bus_adapter *a, struct list *attrs)
{
    list_each(l, next, attrs)
    {
        struct bus_attr *t = list_entry(l, struct bus_attr, link);
        if (!t->of)
            bus_characteristic_added(a, t);
    }
}

/* Whatever waits on them or stands for them ends. */
static void attrs_disappear(struct bus_adapter *a, struct list *attrs)
{
    list_each(l, next, attrs)
    {
        struct bus_attr *t = list_entry(l, struct bus_attr, link);
        gatts_request_attr_gone(a, t);
        gatts_value_attr_gone(a, t);
        bus_gatts_pipe_attr_gone(a, t);
        if (!t->of)
            bus_characteristic_removed(a, t);
    }
}

/* ---- services ---- */

static void service_release(struct bus_thing *thing)
{
    gatts_service_remove(list_entry(thing, struct bus_service, thing));
}

static const struct bus_thing_kind GATTS_SERVICE = {
    .holds = "services",
    .rank = BUS_RANK_SERVICE,
    .release = service_release,
};

size_t gatts_owner_handles(const struct bus_owner *owner, bool registered, size_t *ret_services)
{
    size_t handles = 0, services = 0;

    list_each(l, next, &owner->things)
    {
        const struct bus_thing *t = list_entry(l, struct bus_thing, link);
        if (t->kind != &GATTS_SERVICE)
            continue;
        const struct bus_service *s = list_entry(l, struct bus_service, thing.link);
        if (registered && !s->registered)
            continue;
        handles += s->n_handles;
        services++;
    }
    if (ret_services)
        *ret_services = services;
    return handles;
}

struct bus_service *gatts_service_new(struct bus_adapter *a, const struct bl_gatts_service *def)
{
    struct bus_service *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->adapter = a;
    s->uuid = def->uuid;
    list_init(&s->link);
    list_init(&s->attrs);
    for (size_t i = 0; i < def->n_characteristics; i++) {
        if (attrs_new(s, &s->attrs, &def->characteristics[i]) == 0)
            continue;
        gatts_service_drop(s);
        return NULL;
    }
    return s;
}

void gatts_service_drop(struct bus_service *s)
{
    attrs_free(&s->attrs);
    free(s);
}

static void service_enter(struct gatts *g, struct bus_service *s)
{
    struct list *where = g->services.next;

    while (where != &g->services && list_entry(where, struct bus_service, link)->handle < s->handle)
        where = where->next;
    list_insert_before(where, &s->link);
    g->n_services++;
    g->n_handles += s->n_handles;
}

int gatts_service_add(struct bus_service *s, struct bus_owner *owner,
                      const struct bl_gatts_service *def, bool registered)
{
    struct bus_adapter *a = s->adapter;
    _cleanup_free_ uint16_t *handles =
        calloc(gatts_service_values(def) + 1, sizeof(*handles)); /* none is not NULL */

    if (!handles)
        return -ENOMEM;
    int r = bl_gatts_add(a->host, bus_now(a), def, &s->handle, handles);
    if (r < 0)
        return r;
    r = attrs_enter(gatts_of(a), &s->attrs, handles);
    if (r < 0) {
        (void)bl_gatts_remove(a->host, bus_now(a), s->handle);
        return r;
    }
    s->n_handles = (uint16_t)gatts_service_handles(def);
    s->registered = registered;
    service_enter(gatts_of(a), s);
    bus_thing_add(&s->thing, owner, &GATTS_SERVICE);
    attrs_appear(a, &s->attrs);
    bus_kick(a);
    return 0;
}

int gatts_service_extend(struct bus_service *s, const struct bl_gatts_characteristic *def,
                         uint16_t *ret_handles)
{
    struct bus_adapter *a = s->adapter;
    size_t n = gatts_characteristic_handles(def);
    struct list attrs;

    list_init(&attrs);
    int r = attrs_new(s, &attrs, def);
    /* What the stack has added it cannot take back alone: nothing may fail after it. */
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = table_reserve(gatts_of(a), (unsigned)(s->handle + s->n_handles + i));
    if (r >= 0)
        r = bl_gatts_add_characteristic(a->host, bus_now(a), s->handle, def, ret_handles);
    if (r >= 0)
        r = attrs_enter(gatts_of(a), &attrs, ret_handles);
    if (r < 0) {
        attrs_free(&attrs);
        return r;
    }
    s->n_handles = (uint16_t)(s->n_handles + n);
    gatts_of(a)->n_handles += n;
    attrs_appear(a, &attrs);
    for (struct list *l; (l = list_pop(&attrs));)
        list_append(&s->attrs, l);
    bus_kick(a);
    return 0;
}

void gatts_service_remove(struct bus_service *s)
{
    struct bus_adapter *a = s->adapter;
    struct gatts *g = gatts_of(a);

    if (!g->away)
        attrs_disappear(a, &s->attrs);
    list_each(l, next, &s->attrs) table_take(g, list_entry(l, struct bus_attr, link));
    g->n_services--;
    g->n_handles -= s->n_handles;
    (void)bl_gatts_remove(a->host, bus_now(a), s->handle);
    list_remove(&s->link);
    bus_thing_remove(&s->thing);
    gatts_service_drop(s);
    bus_kick(a);
}

void gatts_remove_registered(struct bus_adapter *a, const struct bus_owner *owner)
{
    list_each(l, next, &gatts_of(a)->services)
    {
        struct bus_service *s = list_entry(l, struct bus_service, link);
        if (s->registered && s->thing.owner == owner)
            gatts_service_remove(s);
    }
}

/* ---- the controller goes and comes ---- */

void gatts_table_inactive(struct bus_adapter *a, bool keep)
{
    struct gatts *g = gatts_of(a);

    list_each(l, next, &g->services)
    {
        struct bus_service *s = list_entry(l, struct bus_service, link);
        if (!keep || !bus_owner_is_daemon(s->thing.owner))
            gatts_service_remove(s);
        else if (!g->away)
            attrs_disappear(a, &s->attrs);
    }
    g->away = keep;
}

void gatts_table_restore(struct bus_adapter *a)
{
    struct gatts *g = gatts_of(a);

    g->away = false;
    list_each(l, next, &g->services)
        attrs_appear(a, &list_entry(l, struct bus_service, link)->attrs);
}

void gatts_table_free(struct bus_adapter *a)
{
    struct gatts *g = gatts_of(a);

    list_each(l, next, &g->services)
    {
        struct bus_service *s = list_entry(l, struct bus_service, link);
        list_remove(&s->link);
        bus_thing_remove(&s->thing);
        gatts_service_drop(s);
    }
    for (size_t i = 0; i < ARRAY_LEN(g->pages); i++)
        free(g->pages[i]);
}
