/* SPDX-License-Identifier: MIT */

/*
 * link: org.bled.Link1: what either role does with a connection.
 *
 * Any permitted caller may ask things of a connection; to end it takes a use of it, or `force`.
 */

#include "link.h"

#include "conn.h"
#include "gattc.h"
#include "l2cap.h"
#include "socket.h"

#include <errno.h>
#include <string.h>

#define LINK_INTERFACE "org.bled.Link1"

struct link_call {
    struct bus_call call;
    uint16_t conn;
};

static uint16_t link_conn(const struct bus_call *call)
{
    return ((const struct link_call *)call)->conn;
}

/* An operation on a connection has failed: of itself, or with the link. */
static void link_fail(struct bus_call *call, const struct bl_event *e, const char *what)
{
    struct bl_conn_info info;

    /* The stack knows a link no more when its operations end by it; its events come behind. */
    if (bl_conn_info(call->adapter->host, link_conn(call), &info) < 0)
        bus_call_fail_disconnected(call, e->done.status, "%s of connection %u", what,
                                   link_conn(call));
    else
        bus_call_fail(call, e->done.status, "%s of connection %u", what, link_conn(call));
}

/* What most methods here begin with: entry, the connection's number, the connection. */
static int link_enter(struct bus_adapter *a, sd_bus_message *m, sd_bus_message_handler_t handler,
                      struct bus_owner **ret_owner, struct bus_conn **ret_conn, sd_bus_error *error)
{
    uint16_t conn;
    int r;

    r = bus_enter(a, m, handler, 0, ret_owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "q", &conn);
    if (r < 0)
        return r;
    *ret_conn = bus_conn_find(a, conn, error);
    return *ret_conn ? 0 : -ENOTCONN;
}

/* A call of this kind whose command has been given (r, op) or refused. */
static int link_go(struct bus_call *call, uint16_t conn, int r, bl_op op, const char *what,
                   sd_bus_error *error)
{
    if (r < 0) {
        bus_call_free(call);
        if (r == -EBUSY)
            return bus_error_set(error, BUS_BUSY, "%s of connection %u is under way already.", what,
                                 conn);
        return bus_error_errno(error, r, "%s of connection %u", what, conn);
    }
    ((struct link_call *)call)->conn = conn;
    return bus_call_go(call, op);
}

/* ---- Disconnect ---- */

struct disconnect_opts {
    struct bus_opts head;
    bool force;
    uint8_t reason;
};

static const struct bus_opt DISCONNECT_OPTS[] = {
    {"force", "b", offsetof(struct disconnect_opts, force), 0, 0, NULL},
    {"reason", "y", offsetof(struct disconnect_opts, reason), 1, 255, NULL},
};

/* Any number of these wait for the one end. */
static const struct bus_call_kind DISCONNECT = {
    .method = "Disconnect",
    .out = "b",
    .size = sizeof(struct bus_call),
};

static int link_disconnect(struct bus_adapter *a, sd_bus_message *m, struct bus_conn *c,
                           const struct disconnect_opts *o, sd_bus_error *error)
{
    struct bus_call *call;

    int r = bus_call_new(a, m, &DISCONNECT, !o->head.no_wait, &call, error);
    if (r < 0)
        return r;
    (void)bus_conn_end(c, o->reason);
    list_append(&c->ends, &call->waiting);
    return bus_call_go(call, 0);
}

/* Core 5.4, Vol 4, Part E, 7.1.6 */
static bool disconnect_may_say(uint8_t reason)
{
    static const uint8_t allowed[] = {0x05, 0x13, 0x14, 0x15, 0x1a, 0x29, 0x3b};

    return memchr(allowed, reason, sizeof(allowed)) != NULL;
}

static int method_disconnect(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct disconnect_opts o = {.reason = 0x13};
    struct bus_owner *owner;
    uint16_t conn;
    int r;

    r = bus_enter(a, m, method_disconnect, 0, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "q", &conn);
    if (r < 0)
        return r;
    r = bus_opts_read(m, DISCONNECT_OPTS, ARRAY_LEN(DISCONNECT_OPTS), &o, error);
    if (r < 0)
        return r;
    if (!disconnect_may_say(o.reason))
        return bus_error_invalid(error,
                                 "reason: 0x%02x may not be told to a peer; 0x05, 0x13, 0x14, "
                                 "0x15, 0x1a, 0x29 and 0x3b may.",
                                 o.reason);

    struct bus_conn *c = bus_conn_find(a, conn, NULL);
    if (!c)
        return sd_bus_reply_method_return(m, "b", 0);
    struct bus_use *use = bus_conn_use_of(c, owner);
    if (!use && !o.force)
        return bus_error_access(error,
                                "Connection %u is used by %s; only its users may disconnect it, or "
                                "anybody with the option force.",
                                conn, bus_conn_owner(c)->who);
    if (o.force || bus_conn_is_last(use))
        return link_disconnect(a, m, c, &o, error);
    bus_conn_leave(use);
    bus_sub_end_all(owner, conn);
    bus_sockets_end_all(a, owner, conn);
    bus_l2cap_leave(a, owner, conn);
    return sd_bus_reply_method_return(m, "b", 1);
}

/* ---- UpdateParameters ---- */

struct update_opts {
    struct bus_opts head;
    uint32_t min_interval_us, max_interval_us, timeout_ms;
    uint16_t latency;
};

enum { UPDATE_LATENCY = 2 };

static const struct bus_opt UPDATE_OPTS[] = {
    {"min_conn_interval_us", "u", offsetof(struct update_opts, min_interval_us), 7500, 4000000,
     NULL},
    {"max_conn_interval_us", "u", offsetof(struct update_opts, max_interval_us), 7500, 4000000,
     NULL},
    {"latency", "q", offsetof(struct update_opts, latency), 0, 499, NULL},
    {"supervision_timeout_ms", "u", offsetof(struct update_opts, timeout_ms), 100, 32000, NULL},
};

static void update_done(struct bus_call *call, const struct bl_event *e)
{
    if (e->done.status != BL_OK)
        link_fail(call, e, "the parameter update");
    else
        bus_call_reply(call, "qqq", e->done.params.interval, e->done.params.latency,
                       e->done.params.timeout);
}

static const struct bus_call_kind UPDATE = {
    .method = "UpdateParameters",
    .out = "qqq",
    .size = sizeof(struct link_call),
    .done = update_done,
};

static int method_update_parameters(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct update_opts o = {0};
    struct bus_conn *c;
    struct bus_call *call;
    bl_op op = 0;
    int r;

    r = link_enter(a, m, method_update_parameters, NULL, &c, error);
    if (r != 0)
        return r;
    r = bus_opts_read(m, UPDATE_OPTS, ARRAY_LEN(UPDATE_OPTS), &o, error);
    if (r < 0)
        return r;
    struct bl_conn_params p = {
        .min_interval_us = o.min_interval_us,
        .max_interval_us = o.max_interval_us,
        .latency = o.latency,
        .has_latency = bus_opts_given(&o.head, UPDATE_LATENCY),
        .timeout_ms = o.timeout_ms,
    };
    r = bus_conn_params_check(&p, false, error);
    if (r < 0)
        return r;
    r = bus_call_new(a, m, &UPDATE, !o.head.no_wait, &call, error);
    if (r < 0)
        return r;
    r = bl_update_parameters(a->host, bus_now(a), c->info.conn, &p, &op);
    return link_go(call, c->info.conn, r, op, "the parameter update", error);
}

/* ---- ReadRssi ---- */

static void rssi_done(struct bus_call *call, const struct bl_event *e)
{
    if (e->done.status != BL_OK)
        link_fail(call, e, "reading the RSSI");
    else
        bus_call_reply(call, "n", (int)e->done.rssi);
}

static const struct bus_call_kind READ_RSSI = {
    .method = "ReadRssi",
    .out = "n",
    .size = sizeof(struct link_call),
    .done = rssi_done,
};

static int method_read_rssi(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_conn *c;
    struct bus_call *call;
    bl_op op = 0;
    int r;

    r = link_enter(a, m, method_read_rssi, NULL, &c, error);
    if (r != 0)
        return r;
    r = bus_call_new(a, m, &READ_RSSI, true, &call, error);
    if (r < 0)
        return r;
    r = bl_read_rssi(a->host, bus_now(a), c->info.conn, &op);
    return link_go(call, c->info.conn, r, op, "reading the RSSI", error);
}

/* ---- SetPhy ---- */

struct phy_opts {
    struct bus_opts head;
    uint8_t tx, rx;
};

static const struct bus_opt PHY_OPTS[] = {
    {"tx", "as", offsetof(struct phy_opts, tx), 0, 0, bus_opt_phys},
    {"rx", "as", offsetof(struct phy_opts, rx), 0, 0, bus_opt_phys},
};

static void phy_done(struct bus_call *call, const struct bl_event *e)
{
    if (e->done.status != BL_OK)
        link_fail(call, e, "the PHY update");
    else
        bus_call_reply(call, "ss", bus_phy_name(e->done.phy.tx), bus_phy_name(e->done.phy.rx));
}

static const struct bus_call_kind SET_PHY = {
    .method = "SetPhy",
    .out = "ss",
    .size = sizeof(struct link_call),
    .done = phy_done,
};

static int method_set_phy(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct phy_opts o = {0};
    struct bus_conn *c;
    struct bus_call *call;
    bl_op op = 0;
    int r;

    r = link_enter(a, m, method_set_phy, NULL, &c, error);
    if (r != 0)
        return r;
    r = bus_opts_read(m, PHY_OPTS, ARRAY_LEN(PHY_OPTS), &o, error);
    if (r < 0)
        return r;
    r = bus_call_new(a, m, &SET_PHY, !o.head.no_wait, &call, error);
    if (r < 0)
        return r;
    r = bl_set_phy(a->host, bus_now(a), c->info.conn, o.tx, o.rx, &op);
    return link_go(call, c->info.conn, r, op, "the PHY update", error);
}

/* ---- SetDataLength ---- */

static void data_length_done(struct bus_call *call, const struct bl_event *e)
{
    if (e->done.status != BL_OK)
        link_fail(call, e, "setting the data length");
    else
        bus_call_reply(call, "");
}

static const struct bus_call_kind SET_DATA_LENGTH = {
    .method = "SetDataLength",
    .out = "",
    .size = sizeof(struct link_call),
    .done = data_length_done,
};

static int method_set_data_length(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_conn *c;
    struct bus_call *call;
    uint16_t octets;
    bl_op op = 0;
    int r;

    r = link_enter(a, m, method_set_data_length, NULL, &c, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "q", &octets);
    if (r < 0)
        return r;
    if (octets < 27 || octets > 251) /* Core 5.4, Vol 4, Part E, 7.8.33 */
        return bus_error_invalid(error, "A data length of %u octets is not from 27 to 251.",
                                 octets);
    r = bus_call_new(a, m, &SET_DATA_LENGTH, true, &call, error);
    if (r < 0)
        return r;
    r = bl_set_data_length(a->host, bus_now(a), c->info.conn, octets, &op);
    return link_go(call, c->info.conn, r, op, "setting the data length", error);
}

/* ---- Stats ---- */

static int method_stats(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    sd_bus_message *reply = NULL;
    struct bus_conn *c;
    int r;

    r = link_enter(a, m, method_stats, NULL, &c, error);
    if (r != 0)
        return r;
    (void)bl_conn_info(a->host, c->info.conn, &c->info);
    r = sd_bus_message_new_method_return(m, &reply);
    if (r < 0)
        return r;
    sd_bus_message_open_container(reply, 'a', "{st}");
    bus_stat(reply, "rx-packets", c->info.rx_packets);
    bus_stat(reply, "tx-packets", c->info.tx_packets);
    bus_stat(reply, "rx-bytes", c->info.rx_bytes);
    bus_stat(reply, "tx-bytes", c->info.tx_bytes);
    bus_stat(reply, "tx-queued", c->info.queued);
    bus_stat(reply, "tx-octets", c->info.tx_octets);
    bus_stat(reply, "rx-octets", c->info.rx_octets);
    sd_bus_message_close_container(reply);
    r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r;
}

/* ---- events ---- */

void bus_link_on_updated(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->conn_updated.conn, NULL);

    if (c)
        bus_emit(a, bus_conn_audience(c), LINK_INTERFACE, "ConnectionUpdated", "qqqqq",
                 c->info.conn, e->conn_updated.interval, e->conn_updated.latency,
                 e->conn_updated.timeout, e->conn_updated.status);
}

void bus_link_on_disconnected(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->disconnected.conn, NULL);

    if (c)
        bus_emit(a, bus_conn_audience(c), LINK_INTERFACE, "Disconnected", "qq", c->info.conn,
                 bl_status_hci(e->disconnected.reason));
}

static const sd_bus_vtable link_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Disconnect", SD_BUS_ARGS("q", conn, "a{sv}", options),
                            SD_BUS_RESULT("b", was_connected), method_disconnect,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("UpdateParameters", SD_BUS_ARGS("q", conn, "a{sv}", options),
                            SD_BUS_RESULT("q", interval, "q", latency, "q", timeout),
                            method_update_parameters, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ReadRssi", SD_BUS_ARGS("q", conn), SD_BUS_RESULT("n", rssi),
                            method_read_rssi, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("SetPhy", SD_BUS_ARGS("q", conn, "a{sv}", options),
                            SD_BUS_RESULT("s", tx, "s", rx), method_set_phy,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("SetDataLength", SD_BUS_ARGS("q", conn, "q", octets), SD_BUS_NO_RESULT,
                            method_set_data_length, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Stats", SD_BUS_ARGS("q", conn), SD_BUS_RESULT("a{st}", counters),
                            method_stats, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL_WITH_ARGS(
        "ConnectionUpdated",
        SD_BUS_ARGS("q", conn, "q", interval, "q", latency, "q", timeout, "q", status), 0),
    SD_BUS_SIGNAL_WITH_ARGS("Disconnected", SD_BUS_ARGS("q", conn, "q", status), 0),
    SD_BUS_VTABLE_END,
};

const struct bus_module bus_module_link = {
    .interface = LINK_INTERFACE,
    .vtable = link_vtable,
};
