/* SPDX-License-Identifier: MIT */

/* manager: which adapters there are, and who is attached to them holding what. */

#include "manager.h"

#include "adapter.h"

static int get_adapters(sd_bus *sd, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    struct bus *b = userdata;
    (void)sd, (void)path, (void)interface, (void)property, (void)error;
    int r = sd_bus_message_open_container(reply, 'a', "o");
    list_each(l, next, &b->adapters) if (r >= 0) r =
        sd_bus_message_append_basic(reply, 'o', list_entry(l, struct bus_adapter, link)->path);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_default(sd_bus *sd, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    struct bus *b = userdata;
    (void)sd, (void)path, (void)interface, (void)property, (void)error;
    const char *first = list_empty(&b->adapters)
                            ? "/"
                            : list_entry(b->adapters.next, struct bus_adapter, link)->path;
    return sd_bus_message_append_basic(reply, 'o', first);
}

static int get_version(sd_bus *sd, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    (void)sd, (void)path, (void)interface, (void)property, (void)userdata, (void)error;
    return sd_bus_message_append_basic(reply, 's', BLED_VERSION);
}

/* A count for each kind of thing that it owns, in the order of the first of each. */
static int append_things(sd_bus_message *reply, const struct bus_owner *o)
{
    int r = 0;
    list_each(l, next, &o->things)
    {
        const struct bus_thing_kind *kind = list_entry(l, struct bus_thing, link)->kind;
        bool counted = false;
        for (struct list *p = o->things.next; p != l && !counted; p = p->next)
            counted = strcmp(list_entry(p, struct bus_thing, link)->kind->holds, kind->holds) == 0;
        if (!counted && r >= 0)
            r = sd_bus_message_append(reply, "{sv}", kind->holds, "u",
                                      (uint32_t)bus_thing_count(o, kind));
    }
    return r;
}

static int append_owner(sd_bus_message *reply, const struct bus_owner *o)
{
    int r = sd_bus_message_open_container(reply, 'r', "sua{sv}");
    if (r >= 0)
        r = sd_bus_message_append(reply, "su", o->client->name, o->client->pid);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "{sv}");
    if (r >= 0)
        r = sd_bus_message_append(reply, "{sv}{sv}{sv}", "adapter", "o", o->adapter->path, "active",
                                  "b", o->hold, "calls", "u", o->client->calls);
    if (r >= 0)
        r = append_things(reply, o);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_clients(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus *b = userdata;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    (void)error;

    int r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "(sua{sv})");
    list_each(l, next, &b->adapters)
    {
        struct bus_adapter *a = list_entry(l, struct bus_adapter, link);
        for (unsigned i = 1; i < BUS_MAX_OWNERS && r >= 0; i++)
            if (a->owners[i] && a->owners[i]->client)
                r = append_owner(reply, a->owners[i]);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(b->sd, reply, NULL);
}

const sd_bus_vtable bus_manager_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Adapters", "ao", get_adapters, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("DefaultAdapter", "o", get_default, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_METHOD_WITH_ARGS("Clients", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sua{sv})", clients),
                            method_clients, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};
