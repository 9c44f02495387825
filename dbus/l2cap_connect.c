/* SPDX-License-Identifier: MIT */

/*
 * l2cap_connect: L2cap1's Connect and Reconfigure.
 *
 *     Connect --> [pairing, where the link offers less than `security`] --> connecting --> answered
 *
 * The call is one of Pair first, so that people are asked as they would be for the same caller's
 * Pair. Its caller may go while either is under way: the channels that come then are closed at
 * once. Each channel that does not come about is told by Disconnected with cid 0, by the stack
 * where the peer has refused it, from here where nothing came of the call at all.
 */

#include "l2cap.h"
#include "pairing.h"

#include <errno.h>

/* ---- Connect ---- */

struct connect_call {
    struct pair_call pair; /* first: begins with struct bus_call */
    struct bl_l2cap_connect params;
    uint16_t conn;
    bool pairing;   /* the first of two operations is under way */
    bool abandoned; /* whoever waited has gone */
    bool refused;   /* Disconnected has been sent */
};

struct connect_opts {
    struct bus_opts head;
    uint8_t security, channels;
    bool enhanced;
};

static const struct bus_opt CONNECT_OPTS[] = {
    {"security", "y", offsetof(struct connect_opts, security), BL_SECURITY_NONE, BL_SECURITY_SC,
     NULL},
    {"enhanced", "b", offsetof(struct connect_opts, enhanced), 0, 0, NULL},
    {"channels", "y", offsetof(struct connect_opts, channels), 1, BL_L2CAP_AT_ONCE, NULL},
};

/* Whom the channels are for; NULL: nobody any more. */
static struct bus_owner *connect_owner(const struct connect_call *c)
{
    struct bus_owner *owner = c->pair.call.owner;

    return c->abandoned || (owner && owner->ending) ? NULL : owner;
}

static void connect_refused(struct connect_call *c, bl_status status)
{
    const struct bus_owner *owner = c->pair.call.owner;

    c->refused = true;
    if (owner && !c->abandoned)
        bus_emit(c->pair.call.adapter, bus_owner_bit(owner), L2CAP_INTERFACE, "Disconnected",
                 "qqqq", c->conn, 0, c->params.psm, status);
}

static void connect_fail(struct connect_call *c, bl_status status)
{
    struct bus_call *call = &c->pair.call;
    struct bl_conn_info info;

    if (!c->refused)
        connect_refused(c, status);
    if (status >= BL_STATUS_HCI && status < BL_STATUS_SMP &&
        bl_conn_info(call->adapter->host, c->conn, &info) < 0)
        bus_call_fail_disconnected(call, status, "connecting to PSM 0x%02x on connection %u",
                                   c->params.psm, c->conn);
    else
        bus_call_fail(call, status, "connecting to PSM 0x%02x on connection %u", c->params.psm,
                      c->conn);
}

/* A sentence of its own where the status would not say it. */
static void connect_fail_error(struct connect_call *c, bl_status status, const sd_bus_error *error)
{
    if (!c->refused)
        connect_refused(c, status);
    bus_call_fail_error(&c->pair.call, error);
}

/* 1, as bus_call_go(), or negative with error set. */
static int connect_begin(struct connect_call *c, sd_bus_error *error)
{
    struct bus_adapter *a = c->pair.call.adapter;
    bl_op op = 0;

    int r = bl_l2cap_connect(a->host, bus_now(a), c->conn, &c->params, &op);
    if (r == -ENOBUFS)
        return bus_error_set(error, BUS_NO_RESOURCES,
                             "There is no room for %u more channels with an MTU of %u on "
                             "connection %u.",
                             c->params.count, c->params.mtu, c->conn);
    if (r < 0)
        return bus_error_errno(error, r, "connecting to PSM 0x%02x on connection %u", c->params.psm,
                               c->conn);
    return bus_call_go(&c->pair.call, op);
}

static void pairing_done(struct connect_call *c, bl_status status)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

    c->pairing = false;
    bus_pairing_over(&c->pair);
    if (status == BL_OK && !connect_owner(c))
        status = BL_CANCELED;
    if (status != BL_OK)
        connect_fail(c, status);
    else if (connect_begin(c, &error) < 0)
        connect_fail_error(c, BL_NO_RESOURCES, &error);
}

static void connect_done(struct bus_call *call, const struct bl_event *e)
{
    struct connect_call *c = (struct connect_call *)call;
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    bl_status status = e->done.status;

    if (c->pairing) {
        pairing_done(c, status);
        return;
    }
    if (status == BL_NOT_SUPPORTED) {
        (void)bus_error_set(&error, BUS_NOT_SUPPORTED,
                            "connecting to PSM 0x%02x on connection %u: the peer knows no %s "
                            "(status 0x%03x).",
                            c->params.psm, c->conn,
                            c->params.enhanced ? "enhanced channels: leave out the option enhanced"
                                               : "connection-oriented channels",
                            status);
        connect_fail_error(c, status, &error);
    } else if (status != BL_OK) {
        connect_fail(c, status);
    } else if (!bus_l2cap_find(call->adapter, c->conn, e->done.l2cap.cid)) {
        connect_fail(c, connect_owner(c) ? BL_NO_RESOURCES : BL_CANCELED);
    } else {
        bus_call_reply(call, "qqq", e->done.l2cap.cid, e->done.l2cap.our_mtu,
                       e->done.l2cap.peer_mtu);
    }
}

/* Called too when nobody waits (watch): what people were asked in its name is void then. */
static void connect_cancel(struct bus_call *call)
{
    struct connect_call *c = (struct connect_call *)call;

    if (call->wait)
        c->abandoned = true;
    if (c->pairing)
        bus_pairing_unasked(&c->pair);
}

static void connect_drop(struct bus_call *call)
{
    struct connect_call *c = (struct connect_call *)call;

    if (c->pairing)
        bus_pairing_over(&c->pair);
}

static const struct bus_call_kind CONNECT = {
    .method = "Connect",
    .out = "qqq",
    .size = sizeof(struct connect_call),
    .done = connect_done,
    .cancel = connect_cancel,
    .drop = connect_drop,
    .watch = true,
};

struct bus_owner *bus_l2cap_connect_owner(struct bus_adapter *a, bl_op op)
{
    struct bus_call *call = op != 0 ? bus_call_find(a, op) : NULL;

    return call && call->kind == &CONNECT ? connect_owner((struct connect_call *)call) : NULL;
}

void bus_l2cap_connect_refused(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_call *call = e->l2cap.op != 0 ? bus_call_find(a, e->l2cap.op) : NULL;

    if (call && call->kind == &CONNECT)
        connect_refused((struct connect_call *)call, e->l2cap.status);
}

static bool link_offers(const struct bus_adapter *a, uint16_t conn, uint8_t level)
{
    struct bl_security s;

    bl_security(a->host, conn, &s);
    switch (level) {
    case BL_SECURITY_ENCRYPTED:
        return s.encrypted;
    case BL_SECURITY_AUTHENTICATED:
        return s.encrypted && s.authenticated;
    case BL_SECURITY_SC:
        return s.encrypted && s.authenticated && s.secure_connections && s.key_size == 16;
    default:
        return true;
    }
}

static int connect_check(const struct bl_l2cap_connect *p, sd_bus_error *error)
{
    if (p->count > 1 && !p->enhanced)
        return bus_error_invalid(error,
                                 "channels: %u at once are of the enhanced mode alone "
                                 "(enhanced).",
                                 p->count);
    return bus_l2cap_check(p->psm, p->mtu,
                           p->enhanced ? BL_L2CAP_MTU_MIN_ENHANCED : BL_L2CAP_MTU_MIN, error);
}

int bus_l2cap_method_connect(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct connect_opts o = {.security = BL_SECURITY_NONE, .channels = 1};
    struct bl_l2cap_connect params = {0};
    struct bus_call *call;
    uint16_t conn;

    int r = bus_enter(a, m, bus_l2cap_method_connect, 0, NULL, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "qqq", &conn, &params.psm, &params.mtu);
    if (r >= 0)
        r = bus_opts_read(m, CONNECT_OPTS, ARRAY_LEN(CONNECT_OPTS), &o, error);
    if (r < 0)
        return r;
    params.enhanced = o.enhanced;
    params.count = o.channels;
    r = connect_check(&params, error);
    if (r < 0)
        return r;
    if (!bus_conn_find(a, conn, error))
        return -ENOTCONN;
    r = bus_call_new(a, m, &CONNECT, !o.head.no_wait, &call, error);
    if (r < 0)
        return r;

    struct connect_call *c = (struct connect_call *)call;
    c->conn = conn;
    c->params = params;
    c->pairing = !link_offers(a, conn, o.security);
    r = c->pairing ? bus_pairing_begin(&c->pair, conn, o.security, error) : connect_begin(c, error);
    if (r < 0)
        bus_call_free(call);
    return r;
}

/* ---- Reconfigure ---- */

struct reconfigure_call {
    struct bus_call call;
    uint16_t conn, cid, mtu;
};

struct reconfigure_opts {
    struct bus_opts head;
    uint16_t mps;
};

enum { MPS_MIN = 64, MPS_MAX = 65533 }; /* Core 5.4, Vol 3, Part A, 4.27 */

static const struct bus_opt RECONFIGURE_OPTS[] = {
    {"mps", "q", offsetof(struct reconfigure_opts, mps), MPS_MIN, MPS_MAX, NULL},
};

static void reconfigure_done(struct bus_call *call, const struct bl_event *e)
{
    const struct reconfigure_call *c = (const struct reconfigure_call *)call;
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    struct bl_conn_info info;
    bl_status status = e->done.status;

    if (status == BL_OK) {
        bus_call_reply(call, "");
    } else if (status == BL_NOT_SUPPORTED) {
        (void)bus_error_set(&error, BUS_NOT_SUPPORTED,
                            "The peer refuses an MTU of %u for channel 0x%04x of connection %u "
                            "(status 0x%03x).",
                            c->mtu, c->cid, c->conn, status);
        bus_call_fail_error(call, &error);
    } else if (status >= BL_STATUS_HCI && status < BL_STATUS_SMP &&
               bl_conn_info(call->adapter->host, c->conn, &info) < 0) {
        bus_call_fail_disconnected(call, status, "reconfiguring channel 0x%04x of connection %u",
                                   c->cid, c->conn);
    } else {
        bus_call_fail(call, status, "reconfiguring channel 0x%04x of connection %u", c->cid,
                      c->conn);
    }
}

static const struct bus_call_kind RECONFIGURE = {
    .method = "Reconfigure",
    .out = "",
    .size = sizeof(struct reconfigure_call),
    .done = reconfigure_done,
};

static int reconfigure_check(const struct bus_channel *ch, uint16_t mtu, sd_bus_error *error)
{
    struct bl_l2cap_info info;

    if (ch->state != BUS_CHANNEL_OPEN ||
        bl_l2cap_info(ch->adapter->host, ch->conn, ch->cid, &info) < 0)
        return bus_error_set(error, BUS_NOT_FOUND, "Channel 0x%04x of connection %u has ended.",
                             ch->cid, ch->conn);
    if (!info.enhanced)
        return bus_error_set(error, BUS_NOT_SUPPORTED,
                             "Channel 0x%04x of connection %u is not of the enhanced mode.",
                             ch->cid, ch->conn);
    if (mtu < ch->our_mtu)
        return bus_error_invalid(error, "mtu: %u is below the present one, %u.", mtu, ch->our_mtu);
    return 0;
}

int bus_l2cap_method_reconfigure(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct reconfigure_opts o = {0};
    struct bus_owner *owner;
    struct bus_channel *ch;
    struct bus_call *call;
    bl_op op = 0;
    uint16_t mtu;

    int r = bus_l2cap_enter(a, m, bus_l2cap_method_reconfigure, &owner, &ch, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read_basic(m, 'q', &mtu);
    if (r >= 0)
        r = bus_opts_read(m, RECONFIGURE_OPTS, ARRAY_LEN(RECONFIGURE_OPTS), &o, error);
    if (r >= 0)
        r = reconfigure_check(ch, mtu, error);
    if (r >= 0)
        r = bus_call_new(a, m, &RECONFIGURE, !o.head.no_wait, &call, error);
    if (r < 0)
        return r;
    struct reconfigure_call *c = (struct reconfigure_call *)call;
    c->conn = ch->conn;
    c->cid = ch->cid;
    c->mtu = mtu;
    r = bl_l2cap_reconfigure(a->host, bus_now(a), ch->conn, &ch->cid, 1, mtu, o.mps, &op);
    if (r < 0) {
        bus_call_free(call);
        return bus_error_errno(error, r, "reconfiguring channel 0x%04x of connection %u", ch->cid,
                               ch->conn);
    }
    return bus_call_go(call, op);
}
