/* SPDX-License-Identifier: MIT */

/*
 * gatt_client: org.bled.GattClient1: the interface, discovery and ATT_MTU.
 *
 * Reads and writes are in gattc_value.c, subscriptions and what is notified in gattc_subscribe.c,
 * ListenFor in gattc_listen.c, sockets in gattc_pipe.c, and what all calls share in gattc_call.c.
 */

#include "gattc_call.h"

#include <errno.h>

/* ---- discovery ---- */

static int append_service(sd_bus_message *m, const struct bl_event *e)
{
    char uuid[UUID_TEXT_LEN];

    return sd_bus_message_append(m, "qqs", e->gatt.start, e->gatt.end,
                                 bl_uuid_format(&e->gatt.uuid, uuid));
}

static int append_characteristic(sd_bus_message *m, const struct bl_event *e)
{
    char uuid[UUID_TEXT_LEN];

    return sd_bus_message_append(m, "qqqs", e->gatt.end, e->gatt.value_handle,
                                 (uint16_t)e->gatt.properties, bl_uuid_format(&e->gatt.uuid, uuid));
}

static int append_descriptor(sd_bus_message *m, const struct bl_event *e)
{
    char uuid[UUID_TEXT_LEN];

    return sd_bus_message_append(m, "qs", e->gatt.handle, bl_uuid_format(&e->gatt.uuid, uuid));
}

static int append_include(sd_bus_message *m, const struct bl_event *e)
{
    char uuid[UUID_TEXT_LEN];

    return sd_bus_message_append(m, "qqqs", e->gatt.handle, e->gatt.start, e->gatt.end,
                                 bl_uuid_format(&e->gatt.uuid, uuid));
}

/* The same fields as an element of the reply. */
#define GATTC_ELEMENT(name, types)                                                                 \
    static int element_##name(sd_bus_message *m, const struct bl_event *e)                         \
    {                                                                                              \
        int r = sd_bus_message_open_container(m, 'r', types);                                      \
        if (r >= 0)                                                                                \
            r = append_##name(m, e);                                                               \
        return r < 0 ? r : sd_bus_message_close_container(m);                                      \
    }

GATTC_ELEMENT(service, "qqs")
GATTC_ELEMENT(characteristic, "qqqs")
GATTC_ELEMENT(descriptor, "qs")
GATTC_ELEMENT(include, "qqqs")

#define GATTC_DISCOVERY(member, types, name, text, signal)                                         \
    {                                                                                              \
        .call =                                                                                    \
            {                                                                                      \
                .method = member,                                                                  \
                .out = "a(" types ")",                                                             \
                .size = sizeof(struct gattc_call),                                                 \
                .done = bus_gattc_call_done,                                                       \
                .cancel = bus_gattc_call_cancel,                                                   \
                .drop = bus_gattc_call_drop,                                                       \
            },                                                                                     \
        .what = "discovering " text " of", .element = "(" types ")", .append = element_##name,     \
        .result = signal "Result", .fields = append_##name, .done = signal "Done",                 \
    }

static const struct gattc_kind SERVICES =
    GATTC_DISCOVERY("DiscoverServices", "qqs", service, "services", "Service");
static const struct gattc_kind CHARACTERISTICS = GATTC_DISCOVERY(
    "DiscoverCharacteristics", "qqqs", characteristic, "characteristics", "Characteristic");
static const struct gattc_kind DESCRIPTORS =
    GATTC_DISCOVERY("DiscoverDescriptors", "qs", descriptor, "descriptors", "Descriptor");
static const struct gattc_kind INCLUDES =
    GATTC_DISCOVERY("DiscoverIncludes", "qqqs", include, "includes", "Include");

/* What a discovery asks for; the methods differ in which of it they take. */
struct discovery {
    uint16_t start, end;
    struct bl_uuid uuid;
    bool has_uuid;
};

static int discovery_read(sd_bus_message *m, bool range, bool uuid, struct discovery *ret,
                          bool *ret_wait, sd_bus_error *error)
{
    const char *text = "";
    int r = 0;

    *ret = (struct discovery){0};
    if (range) {
        r = sd_bus_message_read(m, "qq", &ret->start, &ret->end);
        if (r >= 0)
            r = bus_gattc_check_range(ret->start, ret->end, error);
    }
    if (r >= 0 && uuid)
        r = sd_bus_message_read_basic(m, 's', &text);
    if (r >= 0 && *text) {
        r = bus_read_uuid(text, &ret->uuid, error);
        ret->has_uuid = true;
    }
    return r < 0 ? r : bus_opts_read_wait(m, ret_wait, error);
}

typedef int (*discovery_fn)(struct bl_host *host, uint64_t now, uint16_t conn,
                            const struct discovery *d, bl_op *op);

static int discover(sd_bus_message *m, struct bus_adapter *a, sd_bus_message_handler_t handler,
                    const struct gattc_kind *kind, bool range, bool uuid, discovery_fn begin,
                    sd_bus_error *error)
{
    struct discovery d;
    struct gattc_call *g;
    struct bus_conn *c;
    bool wait;
    bl_op op = 0;
    int r;

    r = bus_gattc_enter(a, m, handler, NULL, &c, error);
    if (r != 0)
        return r;
    r = discovery_read(m, range, uuid, &d, &wait, error);
    if (r < 0)
        return r;
    r = bus_gattc_call_new(a, m, kind, wait, c->info.conn, 0, &g, error);
    if (r < 0)
        return r;
    g->has_uuid = d.has_uuid;
    g->uuid = d.uuid;
    r = begin(a->host, bus_now(a), c->info.conn, &d, &op);
    return bus_gattc_call_go(g, r, op, error);
}

static int begin_services(struct bl_host *host, uint64_t now, uint16_t conn,
                          const struct discovery *d, bl_op *op)
{
    return bl_gattc_services(host, now, conn, d->has_uuid ? &d->uuid : NULL, op);
}

static int method_services(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    return discover(m, userdata, method_services, &SERVICES, false, true, begin_services, error);
}

static int begin_characteristics(struct bl_host *host, uint64_t now, uint16_t conn,
                                 const struct discovery *d, bl_op *op)
{
    return bl_gattc_characteristics(host, now, conn, d->start, d->end,
                                    d->has_uuid ? &d->uuid : NULL, op);
}

static int method_characteristics(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    return discover(m, userdata, method_characteristics, &CHARACTERISTICS, true, true,
                    begin_characteristics, error);
}

static int begin_descriptors(struct bl_host *host, uint64_t now, uint16_t conn,
                             const struct discovery *d, bl_op *op)
{
    return bl_gattc_descriptors(host, now, conn, d->start, d->end, op);
}

static int method_descriptors(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    return discover(m, userdata, method_descriptors, &DESCRIPTORS, true, false, begin_descriptors,
                    error);
}

static int begin_includes(struct bl_host *host, uint64_t now, uint16_t conn,
                          const struct discovery *d, bl_op *op)
{
    return bl_gattc_includes(host, now, conn, d->start, d->end, op);
}

static int method_includes(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    return discover(m, userdata, method_includes, &INCLUDES, true, false, begin_includes, error);
}

/* ---- ATT_MTU ---- */

struct mtu_opts {
    struct bus_opts head;
    uint16_t mtu;
};

/* Core 5.4, Vol 3, Part F, 3.2.8; more than 517 no attribute needs. */
static const struct bus_opt MTU_OPTS[] = {
    {"mtu", "q", offsetof(struct mtu_opts, mtu), 23, 517, NULL},
};

/* MtuExchanged stands for it where nobody waits. */
static void mtu_done(struct bus_call *call, const struct bl_event *e)
{
    if (e->done.status == BL_OK)
        bus_call_reply(call, "q", e->done.mtu);
    else
        bus_gattc_call_done(call, e);
}

static const struct gattc_kind EXCHANGE_MTU = {
    .call =
        {
            .method = "ExchangeMtu",
            .out = "q",
            .size = sizeof(struct gattc_call),
            .done = mtu_done,
            .cancel = bus_gattc_call_cancel,
            .drop = bus_gattc_call_drop,
        },
    .what = "exchanging the MTU of",
};

static int method_exchange_mtu(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct mtu_opts o = {0};
    struct gattc_call *g;
    struct bus_conn *c;
    bl_op op = 0;
    int r;

    r = bus_gattc_enter(a, m, method_exchange_mtu, NULL, &c, error);
    if (r != 0)
        return r;
    r = bus_opts_read(m, MTU_OPTS, ARRAY_LEN(MTU_OPTS), &o, error);
    if (r < 0)
        return r;
    r = bus_gattc_call_new(a, m, &EXCHANGE_MTU, !o.head.no_wait, c->info.conn, 0, &g, error);
    if (r < 0)
        return r;
    r = bl_gattc_exchange_mtu(a->host, bus_now(a), c->info.conn, o.mtu, &op);
    if (r > 0) { /* there was one */
        bus_call_reply(&g->call, "q", g->call.wait ? bl_gatt_mtu(a->host, c->info.conn) : 0);
        bus_call_free(&g->call);
        return 1;
    }
    return bus_gattc_call_go(g, r, op, error);
}

void bus_gattc_on_mtu(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->mtu.conn, NULL);

    if (c)
        bus_emit(a, bus_conn_audience(c), GATTC_INTERFACE, "MtuExchanged", "qq", e->mtu.conn,
                 e->mtu.mtu);
}

void bus_gattc_on_services_changed(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->gatt.conn, NULL);

    if (c)
        bus_emit(a, bus_conn_audience(c), GATTC_INTERFACE, "ServicesChanged", "qqq", e->gatt.conn,
                 e->gatt.start, e->gatt.end);
}

/* ---- the interface ---- */

static const sd_bus_vtable gattc_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("DiscoverServices", SD_BUS_ARGS("q", conn, "s", uuid, "a{sv}", options),
                            SD_BUS_RESULT("a(qqs)", services), method_services,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS(
        "DiscoverCharacteristics",
        SD_BUS_ARGS("q", conn, "q", start, "q", end, "s", uuid, "a{sv}", options),
        SD_BUS_RESULT("a(qqqs)", characteristics), method_characteristics,
        SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS(
        "DiscoverDescriptors", SD_BUS_ARGS("q", conn, "q", start, "q", end, "a{sv}", options),
        SD_BUS_RESULT("a(qs)", descriptors), method_descriptors, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS(
        "DiscoverIncludes", SD_BUS_ARGS("q", conn, "q", start, "q", end, "a{sv}", options),
        SD_BUS_RESULT("a(qqqs)", includes), method_includes, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Read", SD_BUS_ARGS("q", conn, "q", handle, "a{sv}", options),
                            SD_BUS_RESULT("ay", value), bus_gattc_method_read,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS(
        "ReadByUuid", SD_BUS_ARGS("q", conn, "q", start, "q", end, "s", uuid, "a{sv}", options),
        SD_BUS_RESULT("a(qay)", values), bus_gattc_method_read_by_uuid, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ReadMultiple", SD_BUS_ARGS("q", conn, "aq", handles, "a{sv}", options),
                            SD_BUS_RESULT("aay", values), bus_gattc_method_read_multiple,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS(
        "Write", SD_BUS_ARGS("q", conn, "q", handle, "ay", value, "y", mode, "a{sv}", options),
        SD_BUS_NO_RESULT, bus_gattc_method_write, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ExchangeMtu", SD_BUS_ARGS("q", conn, "a{sv}", options),
                            SD_BUS_RESULT("q", mtu), method_exchange_mtu,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS(
        "Subscribe", SD_BUS_ARGS("q", conn, "q", handle, "y", bits, "a{sv}", options),
        SD_BUS_NO_RESULT, bus_gattc_method_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS(
        "ListenFor", SD_BUS_ARGS("q", conn, "q", handle, "u", count, "a{sv}", options),
        SD_BUS_RESULT("aay", values), bus_gattc_method_listen_for, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("AcquireWrite", SD_BUS_ARGS("q", conn, "q", handle, "a{sv}", options),
                            SD_BUS_RESULT("h", fd, "q", mtu), bus_gattc_method_acquire_write,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("AcquireNotify", SD_BUS_ARGS("q", conn, "q", handle, "a{sv}", options),
                            SD_BUS_RESULT("h", fd, "q", mtu), bus_gattc_method_acquire_notify,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL_WITH_ARGS("ServiceResult",
                            SD_BUS_ARGS("q", conn, "q", start, "q", end, "s", uuid), 0),
    SD_BUS_SIGNAL_WITH_ARGS("ServiceDone", SD_BUS_ARGS("q", conn, "q", status), 0),
    SD_BUS_SIGNAL_WITH_ARGS(
        "CharacteristicResult",
        SD_BUS_ARGS("q", conn, "q", end, "q", value_handle, "q", properties, "s", uuid), 0),
    SD_BUS_SIGNAL_WITH_ARGS("CharacteristicDone", SD_BUS_ARGS("q", conn, "q", status), 0),
    SD_BUS_SIGNAL_WITH_ARGS("DescriptorResult", SD_BUS_ARGS("q", conn, "q", handle, "s", uuid), 0),
    SD_BUS_SIGNAL_WITH_ARGS("DescriptorDone", SD_BUS_ARGS("q", conn, "q", status), 0),
    SD_BUS_SIGNAL_WITH_ARGS(
        "IncludeResult", SD_BUS_ARGS("q", conn, "q", handle, "q", start, "q", end, "s", uuid), 0),
    SD_BUS_SIGNAL_WITH_ARGS("IncludeDone", SD_BUS_ARGS("q", conn, "q", status), 0),
    SD_BUS_SIGNAL_WITH_ARGS("ReadResult", SD_BUS_ARGS("q", conn, "q", handle, "ay", value), 0),
    SD_BUS_SIGNAL_WITH_ARGS("ReadDone", SD_BUS_ARGS("q", conn, "q", handle, "q", status), 0),
    SD_BUS_SIGNAL_WITH_ARGS("WriteDone", SD_BUS_ARGS("q", conn, "q", handle, "q", status), 0),
    SD_BUS_SIGNAL_WITH_ARGS("Notified", SD_BUS_ARGS("q", conn, "q", handle, "ay", value), 0),
    SD_BUS_SIGNAL_WITH_ARGS("Indicated", SD_BUS_ARGS("q", conn, "q", handle, "ay", value), 0),
    SD_BUS_SIGNAL_WITH_ARGS("MtuExchanged", SD_BUS_ARGS("q", conn, "q", mtu), 0),
    SD_BUS_SIGNAL_WITH_ARGS("ServicesChanged", SD_BUS_ARGS("q", conn, "q", start, "q", end), 0),
    SD_BUS_VTABLE_END,
};

static int gattc_init(struct bus_adapter *a)
{
    struct gattc *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;
    for (size_t i = 0; i < GATTC_BUCKETS; i++)
        list_init(&t->targets[i]);
    list_init(&t->listeners);
    list_init(&t->held);
    a->module[BUS_MODULE_gattc] = t;
    return 0;
}

static void gattc_deinit(struct bus_adapter *a)
{
    struct gattc *t = bus_gattc_of(a);

    if (!t)
        return;
    bus_gattc_write_deinit(a);
    bus_gattc_listen_deinit(a);
    bus_gattc_subscribe_deinit(a);
    free(t);
    a->module[BUS_MODULE_gattc] = NULL;
}

static void gattc_stats(struct bus_adapter *a, sd_bus_message *reply)
{
    uint64_t procedures = 0, listeners = 0;

    list_each(l, next, &a->calls) procedures +=
        list_entry(l, struct bus_call, link)->kind->drop == bus_gattc_call_drop;
    list_each(l, next, &bus_gattc_of(a)->listeners) listeners++;
    bus_stat(reply, "gattc-calls-open", procedures);
    bus_stat(reply, "gattc-subscriptions-open", bus_gattc_subscription_count(a));
    bus_stat(reply, "gattc-listeners-open", listeners);
}

const struct bus_module bus_module_gattc = {
    .interface = GATTC_INTERFACE,
    .vtable = gattc_vtable,
    .init = gattc_init,
    .deinit = gattc_deinit,
    .stats = gattc_stats,
};
