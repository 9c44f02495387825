/* SPDX-License-Identifier: MIT */

/*
 * adapter_iface: org.bled.Adapter1: the adapter's holds, who is attached, what the controller is.
 *
 * SetActive, Attach and Reset are changes (struct bus_change): adapter.c calls them back when the
 * adapter has got where they wanted it, or cannot. A change that fails leaves nothing behind: the
 * hold it took goes, and a client that was not attached before is not attached.
 */

#include "adapter_iface.h"

#include "pairing.h"

#include <errno.h>

static void finish(struct bus_change *c, const sd_bus_error *error)
{
    if (error)
        bus_call_fail_error(&c->call, error);
    else
        bus_call_reply(&c->call, "");
}

/* SetActive */

static void set_active_ended(struct bus_change *c, const sd_bus_error *error)
{
    if (error && c->took_hold)
        c->call.adapter->hold = false;
    finish(c, error);
}

static const struct bus_call_kind SET_ACTIVE = {
    .method = "SetActive",
    .out = "",
    .size = sizeof(struct bus_change),
};

struct set_active_opts {
    struct bus_opts head;
    bool force;
};

static const struct bus_opt SET_ACTIVE_OPTS[] = {
    {"force", "b", offsetof(struct set_active_opts, force), 0, 0, NULL},
};

static int check_holders(struct bus_adapter *a, const struct bus_owner *except, const char *advice,
                         sd_bus_error *error)
{
    const char *who = NULL;
    size_t n = bus_owner_holders(a, except, &who);
    if (n == 0)
        return 0;
    if (n == 1)
        return bus_error_set(error, BUS_BUSY, "%s is held active by %s; %s.", a->name, who, advice);
    return bus_error_set(error, BUS_BUSY, "%s is held active by %s and %zu more; %s.", a->name, who,
                         n - 1, advice);
}

static int new_change(struct bus_adapter *a, sd_bus_message *m, const struct bus_call_kind *kind,
                      const struct bus_opts *head,
                      void (*ended)(struct bus_change *, const sd_bus_error *),
                      struct bus_change **ret, sd_bus_error *error)
{
    struct bus_call *call;
    int r = bus_call_new(a, m, kind, !head->no_wait, &call, error);
    if (r < 0)
        return r;
    *ret = (struct bus_change *)call;
    (*ret)->ended = ended;
    return 0;
}

static int set_inactive(struct bus_adapter *a, sd_bus_message *m,
                        const struct set_active_opts *opts, sd_bus_error *error)
{
    struct bus_change *c;
    int r = 0;
    if (opts->force)
        r = bus_check_root(a->bus, m, "SetActive with force", error);
    else
        r = check_holders(a, NULL, "they have to Detach, or root can use force", error);
    if (r >= 0)
        r = new_change(a, m, &SET_ACTIVE, &opts->head, set_active_ended, &c, error);
    if (r < 0)
        return r;

    a->hold = false;
    for (unsigned i = 1; i < BUS_MAX_OWNERS; i++)
        if (a->owners[i])
            a->owners[i]->hold = false;
    bool complete = bus_adapter_settle(a);
    bus_call_go(&c->call, 0);
    if (complete) {
        c->ended(c, NULL);
        bus_call_free(&c->call);
    } else {
        list_append(&a->waiting, &c->call.waiting);
    }
    return 1;
}

static int method_set_active(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct set_active_opts opts = {0};
    struct bus_change *c;
    int active;

    int r = bus_enter(a, m, method_set_active, BUS_WHILE_INACTIVE, NULL, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "b", &active);
    if (r >= 0)
        r = bus_opts_read(m, SET_ACTIVE_OPTS, ARRAY_LEN(SET_ACTIVE_OPTS), &opts, error);
    if (r < 0)
        return r;
    if (!active)
        return set_inactive(a, m, &opts, error);
    if (a->state == BUS_ENDING)
        return bus_call_hold(a, m, method_set_active, error);

    r = new_change(a, m, &SET_ACTIVE, &opts.head, set_active_ended, &c, error);
    if (r < 0)
        return r;
    c->took_hold = !a->hold;
    a->hold = true;
    bus_adapter_activate(a, c);
    return 1;
}

/* Attach, Detach */

static void attach_ended(struct bus_change *c, const sd_bus_error *error)
{
    struct bus_owner *o = c->call.owner;
    if (error && o && c->took_hold)
        o->hold = false;
    if (error && o && c->attached)
        bus_owner_end(o, NULL);
    finish(c, error);
}

static const struct bus_call_kind ATTACH = {
    .method = "Attach",
    .out = "",
    .size = sizeof(struct bus_change),
};

static const struct bus_call_kind DETACH = {
    .method = "Detach",
    .out = "",
    .size = sizeof(struct bus_call),
};

struct attach_opts {
    struct bus_opts head;
    bool active, authorize_reads, authorize_writes, read_events;
};

static const struct bus_opt ATTACH_OPTS[] = {
    {"active", "b", offsetof(struct attach_opts, active), 0, 0, NULL},
    {"authorize_reads", "b", offsetof(struct attach_opts, authorize_reads), 0, 0, NULL},
    {"authorize_writes", "b", offsetof(struct attach_opts, authorize_writes), 0, 0, NULL},
    {"read_events", "b", offsetof(struct attach_opts, read_events), 0, 0, NULL},
};

static int attach(struct bus_adapter *a, sd_bus_message *m, const struct attach_opts *opts,
                  struct bus_change *c, sd_bus_error *error)
{
    struct bus_owner *o;
    bool before = !bus_owner_is_daemon(bus_owner_of(a, m));
    int r = bus_owner_attach(a, m, &o);
    if (r == -ENOBUFS)
        return bus_error_set(error, BUS_NO_RESOURCES, "%d clients are attached to %s already.",
                             BUS_MAX_OWNERS - 1, a->name);
    if (r < 0)
        return bus_error_errno(error, r, "attaching to %s", a->name);

    c->call.owner = o;
    c->attached = !before;
    c->took_hold = opts->active && !o->hold;
    bool dropped = o->hold && !opts->active;
    o->hold = opts->active;
    o->authorize_reads = opts->authorize_reads;
    o->authorize_writes = opts->authorize_writes;
    o->read_events = opts->read_events;
    if (opts->active) {
        bus_adapter_activate(a, c);
    } else if (dropped && !bus_adapter_settle(a)) {
        list_append(&a->waiting, &c->call.waiting);
        bus_call_go(&c->call, 0);
    } else {
        finish(c, NULL);
        bus_call_free(&c->call);
    }
    return 1;
}

static int method_attach(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct attach_opts opts = {0};
    struct bus_change *c;

    int r = bus_enter(a, m, method_attach, BUS_WHILE_INACTIVE, NULL, error);
    if (r != 0)
        return r;
    r = bus_opts_read(m, ATTACH_OPTS, ARRAY_LEN(ATTACH_OPTS), &opts, error);
    if (r < 0)
        return r;
    if (opts.active && a->state == BUS_ENDING)
        return bus_call_hold(a, m, method_attach, error);
    r = new_change(a, m, &ATTACH, &opts.head, attach_ended, &c, error);
    if (r < 0)
        return r;
    r = attach(a, m, &opts, c, error);
    if (r < 0)
        bus_call_free(&c->call);
    return r;
}

static int method_detach(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    struct bus_call *call;

    int r = bus_enter(a, m, method_detach, BUS_WHILE_INACTIVE, &owner, error);
    if (r != 0)
        return r;
    bus_pairing_detach(a, sd_bus_message_get_sender(m));
    if (bus_owner_is_daemon(owner))
        return sd_bus_reply_method_return(m, NULL);
    r = bus_call_new(a, m, &DETACH, true, &call, error);
    if (r < 0)
        return r;
    bus_owner_end(owner, call);
    return 1;
}

/* Reset */

/* Meanwhile SetActive(false) may have been called: then it ends inactive, without an error. */
static void reset_ended(struct bus_change *c, const sd_bus_error *error)
{
    static const sd_bus_error canceled = {BUS_CANCELED,
                                          "The adapter was made inactive before it was up.", 0};
    if (!error && c->call.adapter->state != BUS_ACTIVE)
        error = &canceled;
    finish(c, error);
}

static const struct bus_call_kind RESET = {
    .method = "Reset",
    .out = "",
    .size = sizeof(struct bus_change),
};

static int method_reset(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    struct set_active_opts opts = {0};
    struct bus_change *c;

    int r = bus_enter(a, m, method_reset, 0, &owner, error);
    if (r != 0)
        return r;
    r = bus_opts_read(m, SET_ACTIVE_OPTS, ARRAY_LEN(SET_ACTIVE_OPTS), &opts, error);
    if (r < 0)
        return r;
    if (opts.force)
        r = bus_check_root(a->bus, m, "Reset with force", error);
    else
        r = check_holders(a, owner, "a reset would end what they do; root can use force", error);
    if (r >= 0)
        r = new_change(a, m, &RESET, &opts.head, reset_ended, &c, error);
    if (r < 0)
        return r;
    list_append(&a->waiting, &c->call.waiting);
    bus_call_go(&c->call, 0);
    bus_adapter_restart(a);
    return 1;
}

/* Properties */

static int get_active(sd_bus *sd, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const struct bus_adapter *a = userdata;
    (void)sd, (void)path, (void)interface, (void)property, (void)error;
    return sd_bus_message_append(reply, "b", a->state == BUS_ACTIVE || a->state == BUS_ENDING);
}

static int append_addr(sd_bus_message *reply, const struct bl_addr *addr)
{
    char text[ADDR_TEXT_LEN] = "";
    if (bl_addr_is_zero(addr))
        return sd_bus_message_append(reply, "(ys)", 0, "");
    return sd_bus_message_append(reply, "(ys)", addr->type, bl_addr_format(addr, text));
}

static int get_mac(sd_bus *sd, const char *path, const char *interface, const char *property,
                   sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const struct bus_adapter *a = userdata;
    (void)sd, (void)path, (void)interface, (void)property, (void)error;
    return append_addr(reply, &a->info.current);
}

static int get_identity(sd_bus *sd, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const struct bus_adapter *a = userdata;
    (void)sd, (void)path, (void)interface, (void)property, (void)error;
    return append_addr(reply, &a->info.identity);
}

static int get_manufacturer(sd_bus *sd, const char *path, const char *interface,
                            const char *property, sd_bus_message *reply, void *userdata,
                            sd_bus_error *error)
{
    const struct bus_adapter *a = userdata;
    const struct bus_options *o = &a->bus->options;
    const char *name =
        a->known && o->manufacturer ? o->manufacturer(o->ctx, a->info.manufacturer) : NULL;
    (void)sd, (void)path, (void)interface, (void)property, (void)error;
    return sd_bus_message_append(reply, "s", name ? name : "");
}

static int get_features(sd_bus *sd, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const struct bl_controller_info *info = &((const struct bus_adapter *)userdata)->info;
    const struct {
        bool there;
        const char *name;
    } rows[] = {
        {true, "le-secure-connections"}, /* the curve is ours */
        {info->data_length, "data-length"},
        {info->le_2m, "2m-phy"},
        {info->le_coded, "coded-phy"},
        {info->extended_advertising, "extended-advertising"},
        {true, "l2cap-ecred"}, /* the host's too */
        {info->privacy, "privacy"},
        {info->param_request, "connection-parameter-request"},
    };
    (void)sd, (void)path, (void)interface, (void)property, (void)error;
    int r = sd_bus_message_open_container(reply, 'a', "s");
    for (size_t i = 0; i < ARRAY_LEN(rows) && r >= 0; i++)
        if (rows[i].there)
            r = sd_bus_message_append_basic(reply, 's', rows[i].name);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

void bus_adapter_iface_active_changed(struct bus_adapter *a)
{
    bus_emit_changed(a, ADAPTER_IFACE, "Active", "Mac", NULL);
}

void bus_adapter_iface_address_changed(struct bus_adapter *a)
{
    if (a->state == BUS_ACTIVE)
        bus_emit_changed(a, ADAPTER_IFACE, "Mac", NULL);
}

void bus_adapter_iface_failed(struct bus_adapter *a, const char *why)
{
    bus_emit(a, BUS_EVERYONE, ADAPTER_IFACE, "Failed", "s", why);
}

void bus_adapter_iface_learned(struct bus_adapter *a, const struct bl_controller_info *old)
{
    const struct bl_controller_info *info = &a->info;
    if (!a->known || info->hci_version != old->hci_version ||
        info->manufacturer != old->manufacturer || info->le_features != old->le_features ||
        !bl_addr_eq(&info->identity, &old->identity))
        bus_emit_changed(a, ADAPTER_IFACE, "Identity", "Manufacturer", "ManufacturerId",
                         "HciVersion", "Features", NULL);
    bus_config_apply(a);
}

#define FLAGS   SD_BUS_VTABLE_UNPRIVILEGED
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define CONFIG(name, type)                                                                         \
    SD_BUS_WRITABLE_PROPERTY(name, type, bus_config_get, bus_config_set, 0, FLAGS | CHANGES)

static const sd_bus_vtable VTABLE[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Active", "b", get_active, 0, CHANGES),
    SD_BUS_PROPERTY("Mac", "(ys)", get_mac, 0, CHANGES),
    SD_BUS_PROPERTY("Identity", "(ys)", get_identity, 0, CHANGES),
    SD_BUS_PROPERTY("Transport", "s", NULL, offsetof(struct bus_adapter, transport),
                    SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Manufacturer", "s", get_manufacturer, 0, CHANGES),
    SD_BUS_PROPERTY("ManufacturerId", "q", NULL, offsetof(struct bus_adapter, info.manufacturer),
                    CHANGES),
    SD_BUS_PROPERTY("HciVersion", "y", NULL, offsetof(struct bus_adapter, info.hci_version),
                    CHANGES),
    SD_BUS_PROPERTY("Features", "as", get_features, 0, CHANGES),
    CONFIG("AddrMode", "y"),
    CONFIG("GapName", "s"),
    CONFIG("Appearance", "q"),
    CONFIG("RxBuf", "u"),
    CONFIG("Mtu", "q"),
    CONFIG("Bond", "b"),
    CONFIG("Mitm", "b"),
    CONFIG("Io", "y"),
    CONFIG("LeSecure", "b"),
    CONFIG("Pairable", "b"),
    CONFIG("PairableTimeout", "u"),
    SD_BUS_METHOD_WITH_ARGS("SetActive", SD_BUS_ARGS("b", active, "a{sv}", options),
                            SD_BUS_NO_RESULT, method_set_active, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("Attach", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                            method_attach, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("Detach", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_detach, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("Reset", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_reset,
                            FLAGS),
    SD_BUS_METHOD_WITH_ARGS("Stats", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{st}", counters),
                            bus_tools_stats, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("HciCommand", SD_BUS_ARGS("q", ogf, "q", ocf, "ay", params),
                            SD_BUS_RESULT("y", status, "ay", return_parameters),
                            bus_tools_hci_command, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("StartCapture", SD_BUS_ARGS("h", fd, "a{sv}", options),
                            SD_BUS_NO_RESULT, bus_tools_start_capture, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("StopCapture", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, bus_tools_stop_capture,
                            FLAGS),
    SD_BUS_SIGNAL_WITH_ARGS("Detached", SD_BUS_ARGS("s", reason), 0),
    SD_BUS_SIGNAL_WITH_ARGS("Failed", SD_BUS_ARGS("s", reason), 0),
    SD_BUS_VTABLE_END,
};

static int init(struct bus_adapter *a)
{
    bus_config_start(a);
    return 0;
}

static void deinit(struct bus_adapter *a)
{
    bus_config_stop(a);
}

const struct bus_module bus_module_adapter = {
    .interface = ADAPTER_IFACE,
    .vtable = VTABLE,
    .init = init,
    .deinit = deinit,
};
