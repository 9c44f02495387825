/* SPDX-License-Identifier: MIT */

/*
 * l2cap: org.bled.L2cap1: the channels, and what is told of them.
 *
 * A channel is a thing of whoever asked for it, or listened. The stack opens and ends it; what it
 * says of a channel that is not in the table here is of one that nobody is there for any more, and
 * that one is closed as soon as it opens, without a signal.
 *
 * The end of a channel is told at once; the structure stays, ENDED, while there is something in it
 * to be read.
 */

#include "l2cap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the table ---- */

struct bus_channel *bus_l2cap_find(struct bus_adapter *a, uint16_t conn, uint16_t cid)
{
    list_each(l, next, &bus_l2cap_of(a)->channels[cid % BUS_L2CAP_BUCKETS])
    {
        struct bus_channel *ch = list_entry(l, struct bus_channel, link);
        if (ch->conn == conn && ch->cid == cid)
            return ch;
    }
    return NULL;
}

static void channel_emit(const struct bus_channel *ch, const char *member, const char *types,
                         unsigned first, unsigned second)
{
    bus_emit(ch->adapter, bus_l2cap_audience(ch), L2CAP_INTERFACE, member, types, ch->conn, ch->cid,
             first, second);
}

static void channel_discard(const struct bus_channel *ch)
{
    struct bus_adapter *a = ch->adapter;
    size_t octets, sdus;

    if (bl_l2cap_available(a->host, ch->conn, ch->cid, &octets, &sdus) == 0 && sdus > 0)
        (void)bl_l2cap_consume_sdus(a->host, bus_now(a), ch->conn, ch->cid, sdus);
}

/* The owner goes. */
static void channel_release(struct bus_thing *thing)
{
    struct bus_channel *ch = list_entry(thing, struct bus_channel, thing);

    switch (ch->state) {
    case BUS_CHANNEL_ASKED: /* its listener has gone before it */
        bus_l2cap_refuse(ch, BL_L2CAP_SPSM_NOT_SUPPORTED);
        return;
    case BUS_CHANNEL_ENDED:
        channel_discard(ch);
        bus_l2cap_channel_free(ch);
        return;
    case BUS_CHANNEL_COMING:
    case BUS_CHANNEL_OPEN:
        if (ch->socket)
            bus_l2cap_socket_close(ch->socket);
        else
            bus_l2cap_close(ch);
        return;
    }
}

static const struct bus_thing_kind CHANNEL = {
    .holds = "channels",
    .rank = BUS_RANK_CHANNEL,
    .release = channel_release,
};

struct bus_channel *bus_l2cap_channel_new(struct bus_adapter *a, struct bus_owner *owner,
                                          const struct bl_event *e, enum bus_channel_state state)
{
    struct bus_l2cap *t = bus_l2cap_of(a);
    struct bus_channel *ch = calloc(1, sizeof(*ch));

    if (!ch)
        return NULL;
    ch->adapter = a;
    ch->state = state;
    ch->conn = e->l2cap.conn;
    ch->cid = e->l2cap.cid;
    ch->psm = e->l2cap.psm;
    ch->our_mtu = e->l2cap.our_mtu;
    ch->peer_mtu = e->l2cap.peer_mtu;
    list_init(&ch->ends);
    list_append(&t->channels[ch->cid % BUS_L2CAP_BUCKETS], &ch->link);
    t->n_channels++;
    bus_thing_add(&ch->thing, owner, &CHANNEL);
    return ch;
}

/* The Disconnect calls: it has ended. */
static void channel_answer(struct bus_channel *ch)
{
    struct list *l;

    while ((l = list_pop(&ch->ends))) {
        struct bus_call *call = list_entry(l, struct bus_call, waiting);
        bus_call_reply(call, "");
        bus_call_free(call);
    }
}

void bus_l2cap_channel_free(struct bus_channel *ch)
{
    if (ch->state == BUS_CHANNEL_ASKED)
        bus_l2cap_answered(ch);
    bus_l2cap_socket_free(ch->socket);
    channel_answer(ch);
    bus_l2cap_of(ch->adapter)->n_channels--;
    list_remove(&ch->link);
    bus_thing_remove(&ch->thing);
    free(ch);
}

void bus_l2cap_close(struct bus_channel *ch)
{
    struct bus_adapter *a = ch->adapter;

    if (ch->closing || ch->state == BUS_CHANNEL_ENDED)
        return;
    ch->closing = true;
    /* Refused: it has ended, of which the event is on its way. */
    (void)bl_l2cap_disconnect(a->host, bus_now(a), ch->conn, ch->cid, NULL);
    bus_kick(a);
}

void bus_l2cap_read_up(struct bus_channel *ch)
{
    size_t octets, sdus;

    if (ch->state == BUS_CHANNEL_ENDED &&
        (bl_l2cap_available(ch->adapter->host, ch->conn, ch->cid, &octets, &sdus) < 0 || sdus == 0))
        bus_l2cap_channel_free(ch);
}

void bus_l2cap_leave(struct bus_adapter *a, const struct bus_owner *owner, uint16_t conn)
{
    for (size_t i = 0; i < BUS_L2CAP_BUCKETS; i++)
        list_each(l, next, &bus_l2cap_of(a)->channels[i])
        {
            struct bus_channel *ch = list_entry(l, struct bus_channel, link);
            if (ch->conn != conn)
                continue;
            if (ch->thing.owner == owner)
                channel_release(&ch->thing);
            else if (ch->socket && bus_l2cap_socket_owner(ch->socket) == owner)
                bus_l2cap_socket_close(ch->socket);
        }
}

/* ---- events ---- */

/* One that nobody is there for. */
static void channel_unwanted(struct bus_adapter *a, const struct bl_event *e)
{
    (void)bl_l2cap_disconnect(a->host, bus_now(a), e->l2cap.conn, e->l2cap.cid, NULL);
    bus_kick(a);
}

/* The channel of this event, and its owner a user of the connection; NULL: it is not to be. */
static struct bus_channel *channel_connected(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_channel *ch = bus_l2cap_find(a, e->l2cap.conn, e->l2cap.cid);
    struct bus_conn *c = bus_conn_find(a, e->l2cap.conn, NULL);
    struct bus_owner *owner;

    if (!e->l2cap.incoming && !ch) {
        owner = bus_l2cap_connect_owner(a, e->l2cap.op);
        ch = owner ? bus_l2cap_channel_new(a, owner, e, BUS_CHANNEL_COMING) : NULL;
    }
    if (!ch)
        return NULL;
    if (ch->state == BUS_CHANNEL_ASKED)
        bus_l2cap_answered(ch);
    owner = ch->thing.owner;
    if (!c || !owner || bus_conn_use(c, owner) < 0) {
        bus_l2cap_channel_free(ch);
        return NULL;
    }
    return ch;
}

void bus_l2cap_on_connected(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_channel *ch = channel_connected(a, e);

    if (!ch) {
        channel_unwanted(a, e);
        return;
    }
    ch->state = BUS_CHANNEL_OPEN;
    ch->our_mtu = e->l2cap.our_mtu;
    ch->peer_mtu = e->l2cap.peer_mtu;
    bus_log(a->bus, BL_LOG_DEBUG, "%s: connection %u: channel 0x%04x, PSM 0x%02x, for %s", a->name,
            ch->conn, ch->cid, ch->psm, ch->thing.owner->who);
    bus_emit(a, bus_l2cap_audience(ch), L2CAP_INTERFACE, "Connected", "qqqqq", ch->conn, ch->cid,
             ch->psm, ch->our_mtu, ch->peer_mtu);
    if (!ch->closing)
        return;
    ch->closing = false; /* its owner went while it was on its way, and the stack could not yet */
    bus_l2cap_close(ch);
}

void bus_l2cap_on_ended(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_channel *ch;

    if (e->l2cap.cid == 0) {
        bus_l2cap_connect_refused(a, e);
        return;
    }
    ch = bus_l2cap_find(a, e->l2cap.conn, e->l2cap.cid);
    if (!ch || ch->state == BUS_CHANNEL_ENDED)
        return;
    if (ch->state != BUS_CHANNEL_OPEN) { /* nobody has heard that it was there */
        bus_l2cap_channel_free(ch);
        return;
    }
    ch->state = BUS_CHANNEL_ENDED;
    bus_log(a->bus, BL_LOG_DEBUG, "%s: connection %u: channel 0x%04x has ended (0x%03x)", a->name,
            ch->conn, ch->cid, e->l2cap.status);
    channel_emit(ch, "Disconnected", "qqqq", ch->psm, e->l2cap.status);
    channel_answer(ch);
    /* Whoever closed it, or goes, does not read it any more. */
    if (!ch->socket && (ch->closing || ch->thing.releasing)) {
        channel_discard(ch);
        bus_l2cap_channel_free(ch);
        return;
    }
    if (!ch->socket || bus_l2cap_socket_ended(ch->socket))
        bus_l2cap_read_up(ch);
}

void bus_l2cap_on_received(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_channel *ch = bus_l2cap_find(a, e->l2cap.conn, e->l2cap.cid);

    if (!ch)
        return;
    if (ch->socket)
        bus_l2cap_socket_received(ch->socket);
    else
        channel_emit(ch, "Received", "qq", 0, 0);
}

void bus_l2cap_on_send_ready(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_channel *ch = bus_l2cap_find(a, e->l2cap.conn, e->l2cap.cid);

    if (!ch)
        return;
    bool told = ch->stalled;
    ch->stalled = false;
    if (told) /* what a socket's client writes is not Send's */
        channel_emit(ch, "SendReady", "qqq", e->l2cap.status, 0);
    if (ch->socket && e->l2cap.status == BL_OK)
        bus_l2cap_socket_ready(ch->socket);
}

void bus_l2cap_on_reconfigured(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_channel *ch = bus_l2cap_find(a, e->l2cap.conn, e->l2cap.cid);

    if (!ch)
        return;
    ch->our_mtu = e->l2cap.our_mtu;
    ch->peer_mtu = e->l2cap.peer_mtu;
    channel_emit(ch, "Reconfigured", "qqqq", ch->our_mtu, ch->peer_mtu);
}

void bus_l2cap_on_disconnected(struct bus_adapter *a, const struct bl_event *e)
{
    for (size_t i = 0; i < BUS_L2CAP_BUCKETS; i++)
        list_each(l, next, &bus_l2cap_of(a)->channels[i])
        {
            struct bus_channel *ch = list_entry(l, struct bus_channel, link);
            if (ch->conn == e->disconnected.conn)
                bus_l2cap_channel_free(ch);
        }
}

/* ---- methods ---- */

int bus_l2cap_check(uint16_t psm, uint16_t mtu, uint16_t mtu_min, sd_bus_error *error)
{
    if (psm == 0 || psm > BL_L2CAP_SPSM_MAX) /* Core 5.4, Vol 3, Part A, 4.22 */
        return bus_error_invalid(error, "psm: 0x%x is not from 0x01 to 0xff.", psm);
    if (mtu < mtu_min)
        return bus_error_invalid(error, "mtu: %u is below %u, the least%s.", mtu, mtu_min,
                                 mtu_min > BL_L2CAP_MTU_MIN ? " in the enhanced mode" : "");
    return 0;
}

int bus_l2cap_enter(struct bus_adapter *a, sd_bus_message *m, sd_bus_message_handler_t handler,
                    struct bus_owner **ret_owner, struct bus_channel **ret, sd_bus_error *error)
{
    uint16_t conn, cid;
    char what[64];

    int r = bus_enter(a, m, handler, 0, ret_owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "qq", &conn, &cid);
    if (r < 0)
        return r;
    struct bus_channel *ch = bus_l2cap_find(a, conn, cid);
    if (!ch || ch->state < BUS_CHANNEL_OPEN) {
        if (!bus_conn_find(a, conn, error))
            return -ENOTCONN;
        return bus_error_set(error, BUS_NOT_FOUND, "Connection %u has no channel 0x%04x.", conn,
                             cid);
    }
    snprintf(what, sizeof(what), "Channel 0x%04x of connection %u", cid, conn);
    r = bus_owner_may(*ret_owner, ch->thing.owner, what, error);
    if (r < 0)
        return r;
    *ret = ch;
    return 0;
}

/* Any number of these wait for the one end. */
static const struct bus_call_kind DISCONNECT = {
    .method = "Disconnect",
    .out = "",
    .size = sizeof(struct bus_call),
};

static int method_disconnect(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    struct bus_channel *ch;
    struct bus_call *call;

    int r = bus_l2cap_enter(a, m, method_disconnect, &owner, &ch, error);
    if (r != 0)
        return r;
    if (ch->state == BUS_CHANNEL_ENDED) { /* its signal has been; nobody wants to read it */
        channel_discard(ch);
        bus_l2cap_channel_free(ch);
        return sd_bus_reply_method_return(m, NULL);
    }
    r = bus_call_new(a, m, &DISCONNECT, true, &call, error);
    if (r < 0)
        return r;
    list_append(&ch->ends, &call->waiting);
    if (ch->socket)
        bus_l2cap_socket_close(ch->socket);
    else
        bus_l2cap_close(ch);
    return bus_call_go(call, 0);
}

/* ---- the module ---- */

#define FLAGS SD_BUS_VTABLE_UNPRIVILEGED

static const sd_bus_vtable l2cap_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Listen", SD_BUS_ARGS("q", psm, "q", mtu, "a{sv}", options),
                            SD_BUS_NO_RESULT, bus_l2cap_method_listen, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("StopListening", SD_BUS_ARGS("q", psm), SD_BUS_NO_RESULT,
                            bus_l2cap_method_stop_listening, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("Connect", SD_BUS_ARGS("q", conn, "q", psm, "q", mtu, "a{sv}", options),
                            SD_BUS_RESULT("q", cid, "q", our_mtu, "q", peer_mtu),
                            bus_l2cap_method_connect, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("Reconfigure",
                            SD_BUS_ARGS("q", conn, "q", cid, "q", mtu, "a{sv}", options),
                            SD_BUS_NO_RESULT, bus_l2cap_method_reconfigure, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("Disconnect", SD_BUS_ARGS("q", conn, "q", cid), SD_BUS_NO_RESULT,
                            method_disconnect, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("Send", SD_BUS_ARGS("q", conn, "q", cid, "ay", sdu),
                            SD_BUS_RESULT("b", ready), bus_l2cap_method_send, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("Receive", SD_BUS_ARGS("q", conn, "q", cid, "u", max),
                            SD_BUS_RESULT("ay", data), bus_l2cap_method_receive, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("Available", SD_BUS_ARGS("q", conn, "q", cid),
                            SD_BUS_RESULT("u", octets), bus_l2cap_method_available, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("Acquire", SD_BUS_ARGS("q", conn, "q", cid, "a{sv}", options),
                            SD_BUS_RESULT("h", fd), bus_l2cap_method_acquire, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("Reply", SD_BUS_ARGS("u", request, "q", result), SD_BUS_NO_RESULT,
                            bus_l2cap_method_reply, FLAGS),
    SD_BUS_SIGNAL_WITH_ARGS(
        "Accept",
        SD_BUS_ARGS("u", request, "q", conn, "q", cid, "q", psm, "q", our_mtu, "q", peer_mtu), 0),
    SD_BUS_SIGNAL_WITH_ARGS(
        "Connected", SD_BUS_ARGS("q", conn, "q", cid, "q", psm, "q", our_mtu, "q", peer_mtu), 0),
    SD_BUS_SIGNAL_WITH_ARGS("Disconnected", SD_BUS_ARGS("q", conn, "q", cid, "q", psm, "q", status),
                            0),
    SD_BUS_SIGNAL_WITH_ARGS("Received", SD_BUS_ARGS("q", conn, "q", cid), 0),
    SD_BUS_SIGNAL_WITH_ARGS("SendReady", SD_BUS_ARGS("q", conn, "q", cid, "q", status), 0),
    SD_BUS_SIGNAL_WITH_ARGS("Reconfigured",
                            SD_BUS_ARGS("q", conn, "q", cid, "q", our_mtu, "q", peer_mtu), 0),
    SD_BUS_VTABLE_END,
};

static int l2cap_init(struct bus_adapter *a)
{
    struct bus_l2cap *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;
    for (size_t i = 0; i < BUS_L2CAP_BUCKETS; i++)
        list_init(&t->channels[i]);
    list_init(&t->listeners);
    a->module[BUS_MODULE_l2cap] = t;
    return 0;
}

/* Memory alone, and without answers: the calls are the adapter's. */
static void l2cap_deinit(struct bus_adapter *a)
{
    struct bus_l2cap *t = bus_l2cap_of(a);

    if (!t)
        return;
    for (size_t i = 0; i < BUS_L2CAP_BUCKETS; i++)
        list_each(l, next, &t->channels[i])
        {
            struct bus_channel *ch = list_entry(l, struct bus_channel, link);
            while (list_pop(&ch->ends)) {
            }
            bus_l2cap_channel_free(ch);
        }
    bus_l2cap_listeners_free(a);
    free(t);
    a->module[BUS_MODULE_l2cap] = NULL;
}

static void l2cap_stats(struct bus_adapter *a, sd_bus_message *reply)
{
    const struct bus_l2cap *t = bus_l2cap_of(a);

    bus_stat(reply, "l2cap-listeners-open", t->n_listeners);
    bus_stat(reply, "l2cap-channels-open", t->n_channels);
    bus_stat(reply, "l2cap-requests-open", t->n_asked);
    bus_stat(reply, "l2cap-sockets-open", t->n_sockets);
    bus_stat(reply, "l2cap-socket-sdus-taken", t->socket_in);
    bus_stat(reply, "l2cap-socket-sdus-given", t->socket_out);
    bus_stat(reply, "l2cap-socket-reads", t->socket_reads);
    bus_stat(reply, "l2cap-socket-writes", t->socket_writes);
    bus_stat(reply, "l2cap-sockets-too-long", t->too_long);
}

const struct bus_module bus_module_l2cap = {
    .interface = L2CAP_INTERFACE,
    .vtable = l2cap_vtable,
    .init = l2cap_init,
    .deinit = l2cap_deinit,
    .inactive = bus_l2cap_listeners_inactive,
    .restore = bus_l2cap_listeners_restore,
    .stats = l2cap_stats,
};
