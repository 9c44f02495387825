/* SPDX-License-Identifier: MIT */

/*
 * gatt_server: org.bled.GattServer1: making and removing services; values are gatts_value.c's,
 * requests gatts_request.c's, sockets gatts_pipe.c's.
 *
 * A method reads and checks all of its message and makes its own structures before it touches the
 * database, so that a call that is refused has changed nothing. What is left to the stack to refuse
 * is what it alone knows: a handle that is taken, an include that is none, memory.
 */

#include "broadcaster.h"
#include "gatts_table.h"

#include <errno.h>
#include <stdlib.h>

enum {
    /* Left out of the count of free handles for the built-in services, which have fewer. */
    RESERVED_HANDLES = 64,
};

static struct gatts_defaults defaults_of(const struct bus_owner *owner)
{
    return (struct gatts_defaults){
        .authorize_reads = owner->authorize_reads,
        .authorize_writes = owner->authorize_writes,
        .read_events = owner->read_events,
    };
}

/* Whether the owner may have so many more, `less` of which it gives back, and there are any. */
static int check_quota(const struct bus_adapter *a, const struct bus_owner *owner, size_t services,
                       size_t handles, size_t less_services, size_t less, sd_bus_error *error)
{
    size_t has_services, has = gatts_owner_handles(owner, false, &has_services);

    if (has_services - less_services + services > GATTS_MAX_SERVICES)
        return bus_error_set(
            error, BUS_NO_RESOURCES, "%s would have %zu services; %d are the most of one owner.",
            owner->who, has_services - less_services + services, (int)GATTS_MAX_SERVICES);
    if (has - less + handles > GATTS_MAX_HANDLES)
        return bus_error_set(error, BUS_NO_RESOURCES,
                             "The services of %s would take %zu handles; %d are the most of one "
                             "owner.",
                             owner->who, has - less + handles, (int)GATTS_MAX_HANDLES);
    if (gatts_of(a)->n_handles - less + handles > UINT16_MAX - RESERVED_HANDLES)
        return bus_error_set(error, BUS_NO_RESOURCES, "%zu handles are wanted and %zu are free.",
                             handles,
                             UINT16_MAX - RESERVED_HANDLES - (gatts_of(a)->n_handles - less));
    return 0;
}

/* A line of news: what has come or gone. */
static void news_of(const struct bus_service *s, const char *how)
{
    char uuid[UUID_TEXT_LEN];

    bus_news(s->adapter, "%s has %s service %s, handles 0x%04x to 0x%04x", s->thing.owner->who, how,
             bl_uuid_format(&s->uuid, uuid), s->handle, s->handle + s->n_handles - 1);
}

/* ---- RegisterServices ---- */

struct register_opts {
    struct bus_opts head;
    bool authorize_reads, authorize_writes, read_events;
};

static const struct bus_opt REGISTER_OPTS[] = {
    {"authorize_reads", "b", offsetof(struct register_opts, authorize_reads), 0, 0, NULL},
    {"authorize_writes", "b", offsetof(struct register_opts, authorize_writes), 0, 0, NULL},
    {"read_events", "b", offsetof(struct register_opts, read_events), 0, 0, NULL},
};

/* Structures for all of them: an array of defs->n, dropped by register_drop() but for those that
 * are NULL. */
static struct bus_service **register_prepare(struct bus_adapter *a, const struct gatts_defs *defs)
{
    struct bus_service **v = calloc(defs->n + 1, sizeof(struct bus_service *));

    for (size_t i = 0; v && i < defs->n; i++) {
        v[i] = gatts_service_new(a, &defs->v[i].service);
        if (v[i])
            continue;
        while (i-- > 0)
            gatts_service_drop(v[i]);
        free(v);
        return NULL;
    }
    return v;
}

static int append_values(sd_bus_message *reply, struct list *attrs)
{
    int r = sd_bus_message_open_container(reply, 'a', "q");

    list_each(l, next, attrs)
    {
        if (r >= 0)
            r = sd_bus_message_append_basic(reply, 'q',
                                            &list_entry(l, struct bus_attr, link)->handle);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* The old ones go, the new ones come. Takes the structures of v. */
static int register_replace(struct bus_adapter *a, struct bus_owner *owner,
                            const struct gatts_defs *defs, struct bus_service **v,
                            sd_bus_message *reply, sd_bus_error *error)
{
    size_t old, old_handles = gatts_owner_handles(owner, true, &old);
    size_t i = 0;
    int r = 0;

    gatts_remove_registered(a, owner);
    for (; i < defs->n && r >= 0; i++) {
        struct bl_gatts_service def = defs->v[i].service;
        if (i > 0) /* in order, whatever is free before it */
            def.from = (uint32_t)v[i - 1]->handle + v[i - 1]->n_handles;
        r = gatts_service_add(v[i], owner, &def, true);
    }
    if (r < 0) {
        for (size_t k = i - 1; k < defs->n; k++) /* the one that was refused, and those behind it */
            gatts_service_drop(v[k]);
        gatts_remove_registered(a, owner);
        bus_news(a, "%s has lost its %zu registered services: new ones were refused", owner->who,
                 old);
        if (r == -ENOSPC)
            return bus_error_set(
                error, BUS_NO_RESOURCES,
                "There is no room for service %zu of %zu handles in one piece; what "
                "was registered before has gone.",
                i, gatts_service_handles(&defs->v[i - 1].service));
        return bus_error_errno(error, r, "registering service %zu", i);
    }
    bus_news(a, "%s has registered %zu services of %zu handles in place of %zu of %zu", owner->who,
             defs->n, defs->handles, old, old_handles);
    r = sd_bus_message_open_container(reply, 'a', "aq");
    for (i = 0; i < defs->n && r >= 0; i++)
        r = append_values(reply, &v[i]->attrs);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int register_services(struct bus_adapter *a, sd_bus_message *m, struct bus_owner *owner,
                             const struct gatts_defs *defs, sd_bus_error *error)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    size_t old, old_handles = gatts_owner_handles(owner, true, &old);

    int r = check_quota(a, owner, defs->n, defs->handles, old, old_handles, error);
    if (r < 0)
        return r;
    r = sd_bus_message_new_method_return(m, &reply);
    if (r < 0)
        return r;
    _cleanup_free_ struct bus_service **v = register_prepare(a, defs);
    if (!v)
        return -ENOMEM;
    r = register_replace(a, owner, defs, v, reply, error);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_register_services(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    _cleanup_(gatts_defs_clear) struct gatts_defs defs = {0};
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;

    int r = bus_enter(a, m, method_register_services, 0, &owner, error);
    if (r != 0)
        return r;
    struct gatts_defaults d = defaults_of(owner);
    struct register_opts o = {{0}, d.authorize_reads, d.authorize_writes, d.read_events};
    r = gatts_def_read_services(m, &defs, error);
    if (r >= 0)
        r = bus_opts_read(m, REGISTER_OPTS, ARRAY_LEN(REGISTER_OPTS), &o, error);
    if (r < 0)
        return r;
    if (bus_broadcaster_on_the_air(owner))
        return bus_error_set(error, BUS_BUSY,
                             "%s advertises: call StopAdvertising before RegisterServices, or use "
                             "AddService.",
                             owner->who);
    d = (struct gatts_defaults){o.authorize_reads, o.authorize_writes, o.read_events};
    gatts_defs_apply(&defs, &d);
    return register_services(a, m, owner, &defs, error);
}

/* ---- AddService ---- */

struct add_opts {
    struct bus_opts head;
    bool primary;
    uint16_t handle;
    struct bus_u16s includes;
};

static const struct bus_opt ADD_OPTS[] = {
    {"primary", "b", offsetof(struct add_opts, primary), 0, 0, NULL},
    {"handle", "q", offsetof(struct add_opts, handle), 1, UINT16_MAX, NULL},
    {"includes", "aq", offsetof(struct add_opts, includes), 0, 0, bus_opt_u16s},
};

static int check_includes(const struct bus_u16s *includes, sd_bus_error *error)
{
    for (size_t i = 1; i < includes->n; i++)
        for (size_t k = 0; k < i; k++)
            if (includes->v[i] == includes->v[k])
                return bus_error_invalid(error, "includes: service 0x%04x is named twice.",
                                         includes->v[i]);
    return 0;
}

/* Why the stack will not have it, in the client's terms. */
static int add_refused(struct bus_adapter *a, int r, const struct bl_gatts_service *def,
                       sd_bus_error *error)
{
    size_t n = gatts_service_handles(def);

    if (r == -ENOENT) {
        for (size_t i = 0; i < def->n_includes; i++) {
            const struct bus_service *s = gatts_service_at(a, def->includes[i]);
            if (!s || s->handle != def->includes[i])
                return bus_error_set(error, BUS_NOT_FOUND,
                                     "includes: no service begins at handle 0x%04x.",
                                     def->includes[i]);
        }
        return bus_error_set(error, BUS_NOT_FOUND, "includes: one of the handles is no service's.");
    }
    if (r == -EEXIST) {
        for (size_t i = 0; i < n && def->handle + i <= UINT16_MAX; i++) {
            const struct bus_service *s = gatts_service_at(a, (uint16_t)(def->handle + i));
            if (s)
                return bus_error_set(error, BUS_BUSY,
                                     "handle: 0x%04x and the %zu behind it run into service 0x%04x "
                                     "of %s.",
                                     def->handle, n - 1, s->handle, s->thing.owner->who);
        }
        return bus_error_set(error, BUS_BUSY, "handle: 0x%04x is one of bled's own services.",
                             def->handle);
    }
    if (r == -ENOSPC)
        return bus_error_set(error, BUS_NO_RESOURCES,
                             "There are no %zu handles left in one piece%s.", n,
                             def->handle != 0 ? " from the one given" : "");
    return bus_error_errno(error, r, "adding the service");
}

static int add_service(struct bus_adapter *a, sd_bus_message *m, struct bus_owner *owner,
                       const struct bl_gatts_service *def, sd_bus_error *error)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

    int r = check_quota(a, owner, 1, gatts_service_handles(def), 0, 0, error);
    if (r >= 0)
        r = sd_bus_message_new_method_return(m, &reply);
    if (r < 0)
        return r;
    struct bus_service *s = gatts_service_new(a, def);
    if (!s)
        return -ENOMEM;
    r = gatts_service_add(s, owner, def, false);
    if (r < 0) {
        gatts_service_drop(s);
        return add_refused(a, r, def, error);
    }
    news_of(s, "added");
    r = sd_bus_message_append(reply, "q", s->handle);
    if (r >= 0)
        r = append_values(reply, &s->attrs);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_add_service(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    _cleanup_(gatts_def_clear) struct gatts_def def = {0};
    struct add_opts o = {.primary = true};
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    const char *uuid;

    int r = bus_enter(a, m, method_add_service, 0, &owner, error);
    if (r != 0)
        return r;
    struct gatts_defaults defaults = defaults_of(owner);
    r = sd_bus_message_read_basic(m, 's', &uuid);
    if (r >= 0)
        r = bus_read_uuid(uuid, &def.service.uuid, error);
    if (r >= 0)
        r = gatts_def_read_characteristics(m, &defaults, &def, error);
    if (r >= 0)
        r = bus_opts_read(m, ADD_OPTS, ARRAY_LEN(ADD_OPTS), &o, error);
    if (r >= 0)
        r = check_includes(&o.includes, error);
    if (r < 0)
        return r;
    def.service.secondary = !o.primary;
    def.service.handle = o.handle;
    def.service.includes = o.includes.v;
    def.service.n_includes = o.includes.n;
    return add_service(a, m, owner, &def.service, error);
}

/* ---- AddCharacteristic, RemoveService ---- */

static int add_characteristic(struct bus_service *s, sd_bus_message *m,
                              const struct bl_gatts_characteristic *def, sd_bus_error *error)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    size_t n = gatts_characteristic_values(def);

    int r =
        check_quota(s->adapter, s->thing.owner, 0, gatts_characteristic_handles(def), 0, 0, error);
    if (r >= 0)
        r = sd_bus_message_new_method_return(m, &reply);
    if (r < 0)
        return r;
    _cleanup_free_ uint16_t *handles = calloc(n, sizeof(*handles));
    if (!handles)
        return -ENOMEM;
    r = gatts_service_extend(s, def, handles);
    if (r == -ENOSPC)
        return bus_error_set(error, BUS_NO_RESOURCES,
                             "Service 0x%04x cannot grow: the handles behind 0x%04x are another "
                             "service's, or there are no more.",
                             s->handle, s->handle + s->n_handles - 1);
    if (r < 0)
        return bus_error_errno(error, r, "adding to service 0x%04x", s->handle);
    news_of(s, "extended");
    r = sd_bus_message_append_array(reply, 'q', handles, n * sizeof(*handles));
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_add_characteristic(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    _cleanup_(gatts_characteristic_clear) struct bl_gatts_characteristic def = {0};
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    uint16_t handle;

    int r = bus_enter(a, m, method_add_characteristic, 0, &owner, error);
    if (r != 0)
        return r;
    struct gatts_defaults defaults = defaults_of(owner);
    r = sd_bus_message_read_basic(m, 'q', &handle);
    if (r >= 0)
        r = gatts_def_read_characteristic(m, &defaults, &def, error);
    if (r < 0)
        return r;
    struct bus_service *s = gatts_service_get(a, owner, handle, error);
    return s ? add_characteristic(s, m, &def, error) : -ENOENT;
}

static int method_remove_service(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    uint16_t handle;

    int r = bus_enter(a, m, method_remove_service, 0, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read_basic(m, 'q', &handle);
    if (r < 0)
        return r;
    struct bus_service *s = gatts_service_get(a, owner, handle, error);
    if (!s)
        return -ENOENT;
    news_of(s, "removed");
    gatts_service_remove(s);
    return sd_bus_reply_method_return(m, NULL);
}

/* ---- the module ---- */

static int gatts_init(struct bus_adapter *a)
{
    struct gatts *g = calloc(1, sizeof(*g));

    if (!g)
        return -ENOMEM;
    list_init(&g->services);
    list_init(&g->requests);
    list_init(&g->held);
    a->module[BUS_MODULE_gatts] = g;
    return 0;
}

static void gatts_deinit(struct bus_adapter *a)
{
    struct gatts *g = gatts_of(a);

    if (!g)
        return;
    gatts_requests_void(a, 0);
    while (list_pop(&g->held)) /* the calls are the adapter's to free */
        ;
    gatts_table_free(a);
    free(g);
    a->module[BUS_MODULE_gatts] = NULL;
}

static void gatts_stats(struct bus_adapter *a, sd_bus_message *reply)
{
    const struct gatts *g = gatts_of(a);
    uint64_t held = 0;

    list_each(l, next, &g->held) held++;
    bus_stat(reply, "gatts-services-open", g->n_services);
    bus_stat(reply, "gatts-handles-open", g->n_handles);
    bus_stat(reply, "gatts-requests-open", g->n_requests);
    bus_stat(reply, "gatts-held-open", held);
}

static const sd_bus_vtable gatts_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS(
        "RegisterServices", SD_BUS_ARGS("a(sa(sua(su)))", services, "a{sv}", options),
        SD_BUS_RESULT("aaq", handles), method_register_services, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS(
        "AddService", SD_BUS_ARGS("s", uuid, "aa{sv}", characteristics, "a{sv}", options),
        SD_BUS_RESULT("q", service, "aq", handles), method_add_service, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("AddCharacteristic", SD_BUS_ARGS("q", service, "a{sv}", characteristic),
                            SD_BUS_RESULT("aq", handles), method_add_characteristic,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("RemoveService", SD_BUS_ARGS("q", service), SD_BUS_NO_RESULT,
                            method_remove_service, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Read", SD_BUS_ARGS("q", handle), SD_BUS_RESULT("ay", value),
                            gatts_method_read, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Write", SD_BUS_ARGS("q", handle, "ay", value, "b", send_update),
                            SD_BUS_NO_RESULT, gatts_method_write, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("SetBuffer", SD_BUS_ARGS("q", handle, "u", len, "b", append),
                            SD_BUS_NO_RESULT, gatts_method_set_buffer, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Notify", SD_BUS_ARGS("q", conn, "q", handle, "a{sv}", options),
                            SD_BUS_RESULT("q", sent), gatts_method_notify,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Indicate", SD_BUS_ARGS("q", conn, "q", handle, "a{sv}", options),
                            SD_BUS_RESULT("q", sent), gatts_method_indicate,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS(
        "SetAuthorization", SD_BUS_ARGS("q", handle, "b", reads, "b", writes, "q", default_status),
        SD_BUS_NO_RESULT, gatts_method_set_authorization, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Reply", SD_BUS_ARGS("u", request, "q", att_status, "a{sv}", options),
                            SD_BUS_NO_RESULT, gatts_method_reply, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("AcquireWrites", SD_BUS_ARGS("q", conn, "q", handle, "a{sv}", options),
                            SD_BUS_RESULT("h", fd, "q", mtu), bus_gatts_method_acquire_writes,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("AcquireNotify", SD_BUS_ARGS("q", conn, "q", handle, "a{sv}", options),
                            SD_BUS_RESULT("h", fd, "q", mtu), bus_gatts_method_acquire_notify,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL_WITH_ARGS("Written", SD_BUS_ARGS("q", conn, "q", handle, "ay", value), 0),
    SD_BUS_SIGNAL_WITH_ARGS("ReadRequested", SD_BUS_ARGS("u", request, "q", conn, "q", handle), 0),
    SD_BUS_SIGNAL_WITH_ARGS("WriteRequested",
                            SD_BUS_ARGS("u", request, "q", conn, "q", handle, "ay", value), 0),
    SD_BUS_SIGNAL_WITH_ARGS("IndicateDone", SD_BUS_ARGS("q", conn, "q", handle, "q", status), 0),
    SD_BUS_SIGNAL_WITH_ARGS("Subscribed", SD_BUS_ARGS("q", conn, "q", handle, "y", bits), 0),
    SD_BUS_VTABLE_END,
};

const struct bus_module bus_module_gatts = {
    .interface = GATTS_INTERFACE,
    .vtable = gatts_vtable,
    .init = gatts_init,
    .deinit = gatts_deinit,
    .inactive = gatts_table_inactive,
    .restore = gatts_table_restore,
    .stats = gatts_stats,
};
