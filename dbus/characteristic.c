/* SPDX-License-Identifier: MIT */

/*
 * characteristic: org.bled.Characteristic1, an object for each local characteristic of a client's.
 *
 * There may be thousands, so none is registered: one vtable serves every path that
 * bus_gatts_find() of its adapter knows, and an enumerator of each adapter lists them. sd-bus wants
 * such a vtable at a node that has no objects' own; /org is the nearest. What it hands to a method
 * or a property is the adapter, and the path says which characteristic is meant; so a call that had
 * to wait (bus_enter) finds its way too.
 *
 * Reads are told of by the stack where somebody wants to know: `read_events` when the
 * characteristic was made, or a trigger, for which no ReadRequested is due. Events() asks the
 * stack, which notes them without an event.
 */

#include "gatts.h"

#include "conn.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHARACTERISTIC_INTERFACE "org.bled.Characteristic1"

enum {
    PATH_LEN = 48,
    ALL_EVENTS = BUS_CHAR_READ_EVENT | BUS_CHAR_WRITE_EVENT | BUS_CHAR_SUBSCRIBE_EVENT,
};

/* ---- paths ---- */

static void path_of(const struct bus_adapter *a, uint16_t handle, char path[static PATH_LEN])
{
    snprintf(path, PATH_LEN, "%s/char%04x", a->path, handle);
}

/* NULL where the path is no characteristic's. One spelling each: lower-case hex digits. */
static struct bus_attr *attr_at(struct bus_adapter *a, const char *path)
{
    char right[PATH_LEN];
    size_t n = strlen(a->path);

    if (!a->module[BUS_MODULE_gatts] || strncmp(path, a->path, n) != 0 ||
        strncmp(path + n, "/char", 5) != 0)
        return NULL; /* the first: an adapter that is being made or freed */
    unsigned long handle = strtoul(path + n + 5, NULL, 16);
    if (handle == 0 || handle > 0xffff)
        return NULL;
    path_of(a, (uint16_t)handle, right);
    struct bus_attr *t = strcmp(path, right) == 0 ? bus_gatts_find(a, (uint16_t)handle) : NULL;
    return t && !t->of ? t : NULL;
}

static int characteristic_find(sd_bus *bus, const char *path, const char *interface, void *userdata,
                               void **ret_found, sd_bus_error *error)
{
    struct bus *b = userdata;

    (void)bus, (void)interface, (void)error;
    list_each(l, next, &b->adapters)
    {
        struct bus_adapter *a = list_entry(l, struct bus_adapter, link);
        if (!attr_at(a, path))
            continue;
        *ret_found = a;
        return 1;
    }
    return 0;
}

static int characteristic_enumerate(sd_bus *bus, const char *prefix, void *userdata,
                                    char ***ret_nodes, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_attr *t = NULL;
    char path[PATH_LEN];
    size_t n = 0, i = 0;

    (void)bus, (void)error;
    /* There is nothing below a characteristic, and sd-bus, which asks, would look no further. */
    if (strncmp(prefix, a->path, strlen(prefix)) != 0)
        return 0;
    while ((t = bus_gatts_next_characteristic(a, t ? t->handle : 0)))
        n++;
    char **nodes = calloc(n + 1, sizeof(*nodes));
    if (!nodes)
        return -ENOMEM;
    while (i < n && (t = bus_gatts_next_characteristic(a, t ? t->handle : 0))) {
        path_of(a, t->handle, path);
        nodes[i] = strdup(path);
        if (!nodes[i++]) {
            while (i-- > 0)
                free(nodes[i]);
            free(nodes);
            return -ENOMEM;
        }
    }
    *ret_nodes = nodes;
    return 0;
}

/* ---- properties ---- */

/* The characteristic of a property; NULL with error set where the caller may not. */
static struct bus_attr *property_attr(sd_bus *bus, struct bus_adapter *a, const char *path,
                                      sd_bus_error *error)
{
    struct bus_attr *t = attr_at(a, path);
    struct bus_owner *caller = bus_owner_of(a, sd_bus_get_current_message(bus));

    return t ? bus_gatts_get(a, caller, t->handle, true, error) : NULL;
}

static int get_uuid(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const struct bus_attr *t = attr_at(userdata, path);
    char text[UUID_TEXT_LEN];

    (void)bus, (void)interface, (void)error;
    if (!t)
        return -ENOENT;
    return sd_bus_message_append(
        reply, "s",
        bl_uuid_format(strcmp(property, "Service") == 0 ? &t->service->uuid : &t->uuid, text));
}

static int get_handle(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const struct bus_attr *t = attr_at(userdata, path);

    (void)bus, (void)interface, (void)property, (void)error;
    return t ? sd_bus_message_append(reply, "q", t->handle) : -ENOENT;
}

static int get_flags(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const struct bus_attr *t = attr_at(userdata, path);

    (void)bus, (void)interface, (void)property, (void)error;
    return t ? sd_bus_message_append(reply, "u", t->flags) : -ENOENT;
}

static int get_owner(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const struct bus_attr *t = attr_at(userdata, path);
    const struct bus_owner *o = t ? t->service->thing.owner : NULL;

    (void)bus, (void)interface, (void)property, (void)error;
    return sd_bus_message_append(reply, "s", o && o->client ? o->client->name : "");
}

/* The next connection after c that subscribed to it; NULL. */
static struct bus_conn *next_subscriber(struct bus_adapter *a, uint16_t handle, struct bus_conn *c)
{
    do
        c = bus_conn_next(a, c);
    while (c && bl_gatts_subscription(a->host, c->info.conn, handle) == 0);
    return c;
}

static bool may_have_subscribers(const struct bus_attr *t)
{
    return (t->flags & (BL_GATT_NOTIFY | BL_GATT_INDICATE)) != 0;
}

static int get_subscribers(sd_bus *bus, const char *path, const char *interface,
                           const char *property, sd_bus_message *reply, void *userdata,
                           sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    const struct bus_attr *t = attr_at(a, path);
    struct bus_conn *c = NULL;

    (void)bus, (void)interface, (void)property, (void)error;
    if (!t)
        return -ENOENT;
    int r = sd_bus_message_open_container(reply, 'a', "q");
    while (r >= 0 && may_have_subscribers(t) && (c = next_subscriber(a, t->handle, c)))
        r = sd_bus_message_append_basic(reply, 'q', &c->info.conn);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_value(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    const struct bus_attr *t = property_attr(bus, a, path, error);
    const uint8_t *value;
    size_t n;

    (void)interface, (void)property;
    if (!t)
        return -ENOENT;
    int r = bl_gatts_read(a->host, t->handle, false, &value, &n);
    if (r < 0)
        return bus_error_errno(error, r, "characteristic 0x%04x", t->handle);
    return sd_bus_message_append_array(reply, 'y', value, n);
}

static int store(struct bus_adapter *a, const struct bus_attr *t, const void *value, size_t n,
                 sd_bus_error *error)
{
    bl_op op = 0;

    if (n > 512)
        return bus_error_invalid(error, "A value of %zu octets is longer than 512.", n);
    int r = bl_gatts_write(a->host, bus_now(a), t->handle, value, n, false, &op);
    return r < 0 ? bus_error_errno(error, r, "characteristic 0x%04x", t->handle) : 0;
}

static int set_value(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *value, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    const struct bus_attr *t = property_attr(bus, a, path, error);
    const void *data;
    size_t n;

    (void)interface, (void)property;
    if (!t)
        return -ENOENT;
    int r = sd_bus_message_read_array(value, 'y', &data, &n);
    return r < 0 ? r : store(a, t, data, n, error);
}

static void subscribers_changed(struct bus_adapter *a, struct bus_attr *t)
{
    char path[PATH_LEN], name[] = "Subscribers"; /* sd-bus wants char * */

    path_of(a, t->handle, path);
    bus_emit_changed_strv(a->bus, path, CHARACTERISTIC_INTERFACE, (char *[]){name, NULL});
}

static uint16_t count_subscribers(struct bus_adapter *a, const struct bus_attr *t)
{
    uint16_t n = 0;

    for (struct bus_conn *c = NULL; (c = next_subscriber(a, t->handle, c));)
        n++;
    return n;
}

void bus_characteristic_on_disconnected(struct bus_adapter *a, const struct bl_event *e)
{
    (void)e;
    for (struct bus_attr *t = NULL; (t = bus_gatts_next_characteristic(a, t ? t->handle : 0));) {
        if (t->subscribers == 0)
            continue;
        uint16_t n = count_subscribers(a, t);
        if (n == t->subscribers)
            continue;
        t->subscribers = n;
        subscribers_changed(a, t);
    }
}

/* ---- events and triggers ---- */

/* Reads are told of from now on, or as it was when the characteristic was made. */
static void watch_reads(struct bus_adapter *a, const struct bus_attr *t, bool on)
{
    if (!t->read_events)
        (void)bl_gatts_set_read_events(a->host, t->handle, on);
}

/* Who set the trigger; NULL where nobody has, or that one has gone. */
static struct bus_owner *trigger_owner(struct bus_adapter *a, struct bus_attr *t)
{
    for (size_t i = 0; t->trigger != 0 && i < BUS_MAX_OWNERS; i++) {
        struct bus_owner *o = a->owners[i];
        if (o && o->serial == t->trigger_owner)
            return o->ending ? NULL : o;
    }
    return NULL;
}

static bool send_event(struct bus_adapter *a, const struct bus_attr *t, const struct bus_owner *to,
                       uint32_t event, uint16_t conn, const uint8_t *value, size_t n)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    char path[PATH_LEN];

    path_of(a, t->handle, path);
    if (bus_signal_new(a, path, CHARACTERISTIC_INTERFACE, "Event", &m) < 0)
        return false;
    int r = sd_bus_message_append(m, "uq", event, conn);
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', value, n);
    if (r < 0) {
        a->bus->signals_failed++;
        return false;
    }
    bus_signal_send(a, bus_owner_bit(to), &m);
    return true;
}

bool bus_characteristic_event(struct bus_adapter *a, struct bus_attr *t, uint32_t event,
                              uint16_t conn, const uint8_t *value, size_t n)
{
    const struct bus_owner *to = trigger_owner(a, t);
    bool sent = false;

    if (t->of)
        return false;
    if (event != BUS_CHAR_READ_EVENT) /* the stack notes those */
        t->events |= event;
    if (to && t->trigger & event)
        sent = send_event(a, t, to, event, conn, value, n);
    if (event == BUS_CHAR_SUBSCRIBE_EVENT) { /* not in place of Subscribed */
        t->subscribers = count_subscribers(a, t);
        subscribers_changed(a, t);
        return false;
    }
    /* In place of what the trigger's own client gets; others know nothing of it. */
    bool instead = sent && to == t->service->thing.owner;
    return instead || (event == BUS_CHAR_READ_EVENT && !t->read_events);
}

/* ---- methods ---- */

/* What every method begins with; *ret_attr is the caller's to use. As bus_enter(). */
static int enter(struct bus_adapter *a, sd_bus_message *m, sd_bus_message_handler_t handler,
                 struct bus_owner **ret_owner, struct bus_attr **ret_attr, sd_bus_error *error)
{
    int r = bus_enter(a, m, handler, 0, ret_owner, error);
    if (r != 0)
        return r;
    const char *path = sd_bus_message_get_path(m);
    const struct bus_attr *t = attr_at(a, path);
    if (!t)
        return bus_error_set(error, BUS_NOT_FOUND, "There is no characteristic %s any more.", path);
    *ret_attr = bus_gatts_get(a, *ret_owner, t->handle, true, error);
    return *ret_attr ? 0 : -EACCES;
}

/* The variants of SetValue that are numbers, little-endian as the attribute protocol has them. */
static int read_number(sd_bus_message *m, char type, uint8_t out[static 8], size_t *ret_n)
{
    static const struct {
        char type;
        uint8_t size;
    } SIZES[] = {{'y', 1}, {'n', 2}, {'q', 2}, {'i', 4}, {'u', 4}, {'x', 8}, {'t', 8}};
    union {
        uint8_t b1;
        uint16_t b2;
        uint32_t b4;
        uint64_t b8;
    } v;
    uint64_t value = 0;
    size_t size = 0;

    for (size_t i = 0; i < ARRAY_LEN(SIZES); i++)
        if (SIZES[i].type == type)
            size = SIZES[i].size;
    if (size == 0)
        return 0;
    int r = sd_bus_message_read_basic(m, type, &v);
    if (r < 0)
        return r;
    if (size == 1)
        value = v.b1;
    else if (size == 2)
        value = v.b2;
    else
        value = size == 4 ? v.b4 : v.b8;
    value = htole64(value);
    memcpy(out, &value, size);
    *ret_n = size;
    return 1;
}

static int method_set_value(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    struct bus_attr *t;
    uint8_t number[8];
    const void *data = number;
    const char *type;
    size_t n;

    int r = enter(a, m, method_set_value, &owner, &t, error);
    if (r != 0)
        return r;
    r = sd_bus_message_peek_type(m, NULL, &type);
    if (r >= 0)
        r = sd_bus_message_enter_container(m, 'v', type);
    if (r < 0)
        return r;
    if (strcmp(type, "ay") == 0) {
        r = sd_bus_message_read_array(m, 'y', &data, &n);
    } else if (strcmp(type, "s") == 0) {
        const char *text;
        r = sd_bus_message_read_basic(m, 's', &text);
        if (r >= 0) {
            data = text;
            n = strlen(text);
        }
    } else {
        r = strlen(type) == 1 ? read_number(m, type[0], number, &n) : 0;
        if (r == 0)
            return bus_error_invalid(error, "A value is y n q i u x t, s or ay, not %s.", type);
    }
    if (r >= 0)
        r = store(a, t, data, n, error);
    return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

static int method_set_trigger(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    struct bus_attr *t;
    uint32_t mask;

    int r = enter(a, m, method_set_trigger, &owner, &t, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "u", &mask);
    if (r < 0)
        return r;
    if (mask & ~(uint32_t)ALL_EVENTS)
        return bus_error_invalid(error,
                                 "mask 0x%x: there are events 1 (read), 2 (write) and 4 "
                                 "(subscribe) only.",
                                 mask);
    const struct bus_owner *other = trigger_owner(a, t);
    if (other && other != owner && !bus_owner_is_daemon(other))
        return bus_error_set(error, BUS_BUSY, "The trigger of characteristic 0x%04x is %s's.",
                             t->handle, other->who);
    t->trigger = mask;
    t->trigger_owner = owner->serial;
    watch_reads(a, t, (mask & BUS_CHAR_READ_EVENT) != 0);
    return sd_bus_reply_method_return(m, NULL);
}

static int method_events(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    struct bus_attr *t;

    int r = enter(a, m, method_events, &owner, &t, error);
    if (r != 0)
        return r;
    if (bl_gatts_was_read(a->host, t->handle))
        t->events |= BUS_CHAR_READ_EVENT;
    r = sd_bus_reply_method_return(m, "u", t->events);
    if (r >= 0)
        t->events = 0;
    return r;
}

#define UNPRIVILEGED SD_BUS_VTABLE_UNPRIVILEGED
#define CONSTANT     SD_BUS_VTABLE_PROPERTY_CONST

static const sd_bus_vtable characteristic_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("SetValue", SD_BUS_ARGS("v", value), SD_BUS_NO_RESULT, method_set_value,
                            UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("SetTrigger", SD_BUS_ARGS("u", mask), SD_BUS_NO_RESULT,
                            method_set_trigger, UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Events", SD_BUS_NO_ARGS, SD_BUS_RESULT("u", events), method_events,
                            UNPRIVILEGED),
    SD_BUS_SIGNAL_WITH_ARGS("Event", SD_BUS_ARGS("u", event, "q", conn, "ay", value), 0),
    SD_BUS_PROPERTY("Uuid", "s", get_uuid, 0, CONSTANT),
    SD_BUS_PROPERTY("Service", "s", get_uuid, 0, CONSTANT),
    SD_BUS_PROPERTY("Handle", "q", get_handle, 0, CONSTANT),
    SD_BUS_PROPERTY("Flags", "u", get_flags, 0, CONSTANT),
    SD_BUS_PROPERTY("Owner", "s", get_owner, 0, CONSTANT),
    SD_BUS_PROPERTY("Subscribers", "aq", get_subscribers, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_WRITABLE_PROPERTY("Value", "ay", get_value, set_value, 0,
                             UNPRIVILEGED | SD_BUS_VTABLE_PROPERTY_EXPLICIT),
    SD_BUS_VTABLE_END,
};

/* ---- beginning and end ---- */

void bus_characteristic_added(struct bus_adapter *a, struct bus_attr *t)
{
    char path[PATH_LEN];

    if (t->trigger & BUS_CHAR_READ_EVENT) /* made again after the controller was lost */
        watch_reads(a, t, true);
    path_of(a, t->handle, path);
    bus_emit_object_added(a->bus, path);
}

void bus_characteristic_removed(struct bus_adapter *a, struct bus_attr *t)
{
    char path[PATH_LEN];

    t->subscribers = 0;
    path_of(a, t->handle, path);
    bus_emit_object_removed(a->bus, path);
}

int bus_characteristic_register(struct bus *b, sd_bus_slot **ret)
{
    return sd_bus_add_fallback_vtable(b->sd, ret, "/org", CHARACTERISTIC_INTERFACE,
                                      characteristic_vtable, characteristic_find, b);
}

static int characteristics_init(struct bus_adapter *a)
{
    sd_bus_slot *slot = NULL;
    int r = sd_bus_add_node_enumerator(a->bus->sd, &slot, a->path, characteristic_enumerate, a);

    a->module[BUS_MODULE_characteristic] = slot;
    return r;
}

static void characteristics_deinit(struct bus_adapter *a)
{
    a->module[BUS_MODULE_characteristic] = sd_bus_slot_unref(a->module[BUS_MODULE_characteristic]);
}

const struct bus_module bus_module_characteristic = {
    .init = characteristics_init,
    .deinit = characteristics_deinit,
};
