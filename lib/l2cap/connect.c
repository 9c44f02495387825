/* SPDX-License-Identifier: MIT */

/*
 * Our procedures on the signalling channel (Core 5.4, Vol 3, Part A, 4.22, 4.25, 6.2): each is a
 * request in conn.requests, sent as soon as there is room, matched with its response by the
 * identifier, so that several are under way at once and end in any order.
 *
 *     new --room--> sent --response--> gone
 *                     |  ^ "pending", bounded
 *                     |  '--'
 *                     '--timer--> late (what waited has ended) --response, 5 min--> gone
 *
 * A response that comes late, or that says what it must not, may be about channels which the peer
 * takes to be open: each such is closed with a Disconnection Request that nobody here waits for.
 */

#include "internal.h"

#include "base/cleanup.h"
#include "bounds.h"

#include <errno.h>
#include <stdlib.h>

enum { /* Core 5.4, Vol 3, Part A, 4.22, 4.26 */
       CONNECT_MPS_MAX = 65533,
       CONNECT_PENDING_FIRST = 0x000d,
       CONNECT_PENDING_LAST = 0x000f,
};

/* ---- the list ---- */

struct l2cap_request *l2cap_request_new(struct bl_l2cap_conn *c, uint64_t now, uint8_t code)
{
    struct l2cap_request *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    r->c = c;
    r->code = code;
    r->due = L2CAP_DUE_REQUEST;
    r->until = now + L2CAP_PENDING_US;
    list_init(&r->link);
    list_append(&c->requests, &r->link);
    timerq_set(&c->l->request_timers, &r->timer, now + L2CAP_RTX_US);
    return r;
}

struct l2cap_request *l2cap_request_free(struct l2cap_request *r)
{
    timerq_cancel(&r->c->l->request_timers, &r->timer);
    list_remove(&r->link);
    free(r);
    return NULL;
}

bool l2cap_request_has_id(const struct bl_l2cap_conn *c, uint8_t id)
{
    list_each(l, next, &c->requests)
    {
        if (list_entry(l, struct l2cap_request, link)->id == id)
            return true;
    }
    return false;
}

bool l2cap_request_has_cid(const struct bl_l2cap_conn *c, uint16_t cid)
{
    list_each(l, next, &c->requests)
    {
        const struct l2cap_request *r = list_entry(l, struct l2cap_request, link);
        for (unsigned i = 0; i < r->n_cid; i++)
            if (r->cid[i] == cid)
                return true;
    }
    return false;
}

/* To one who takes a channel to be open that is none here. Without memory it stays so: frames on it
 * are ignored. */
static void connect_orphan(struct bl_l2cap_conn *c, uint64_t now, uint16_t peer_cid, uint16_t cid)
{
    bool names = peer_cid >= BL_L2CAP_CID_MIN && peer_cid <= BL_L2CAP_CID_MAX;
    struct l2cap_request *r = names ? l2cap_request_new(c, now, BL_SIG_DISCONNECTION_REQ) : NULL;

    if (!r)
        return;
    r->cid[r->n_cid++] = cid;
    r->peer_cid = peer_cid;
    l2cap_sending(c);
}

/* ---- out ---- */

static void connect_credits(const struct l2cap_request *r, struct bl_sig *sig)
{
    uint16_t credits = UINT16_MAX; /* the least that one of them may have: there is one field */

    for (unsigned i = 0; i < r->n_cid; i++)
        if (l2cap_channel_find(r->c, r->cid[i])->rx.credits < credits)
            credits = l2cap_channel_find(r->c, r->cid[i])->rx.credits;
    for (unsigned i = 0; i < r->n_cid; i++)
        l2cap_channel_find(r->c, r->cid[i])->rx.credits = credits;
    sig->channel.credits = credits;
}

static struct bl_sig request_command(const struct l2cap_request *r)
{
    struct bl_sig sig = {.code = r->code};

    if (r->code == BL_SIG_DISCONNECTION_REQ) {
        sig.disconnection.dcid = r->peer_cid;
        sig.disconnection.scid = r->cid[0];
        return sig;
    }
    sig.channel.spsm = r->psm;
    sig.channel.mtu = r->mtu;
    sig.channel.mps = r->mps;
    for (unsigned i = 0; i < r->n_cid; i++)
        if (r->cid[i])
            sig.channel.cid[sig.channel.n_cid++] = r->cid[i];
    if (r->code != BL_SIG_RECONFIGURE_REQ)
        connect_credits(r, &sig);
    return sig;
}

bool l2cap_requests_send(struct bl_l2cap_conn *c, uint64_t now)
{
    list_each(l, next, &c->requests)
    {
        struct l2cap_request *r = list_entry(l, struct l2cap_request, link);
        if (r->due != L2CAP_DUE_REQUEST)
            continue;
        struct bl_sig sig = request_command(r);
        sig.identifier = l2cap_next_id(c);
        if (sig.identifier == 0 || l2cap_command(c, &sig) < 0)
            return false;
        r->id = sig.identifier;
        r->due = L2CAP_DUE_SENT;
        timerq_set(&c->l->request_timers, &r->timer, now + L2CAP_RTX_US);
    }
    return true;
}

/* Of an enhanced request all or none: the response has one MTU for all of them. */
static int connect_channels(struct l2cap_request *r, bool enhanced, unsigned n)
{
    int error = 0;

    while (r->n_cid < n) {
        struct l2cap_channel *ch = l2cap_channel_new(r->c, r->mtu, enhanced, &error);
        if (!ch)
            break;
        ch->psm = r->psm;
        r->mps = ch->our_mps;
        r->cid[r->n_cid++] = ch->cid;
    }
    for (unsigned i = 0; error && i < r->n_cid; i++)
        l2cap_channel_free(l2cap_channel_find(r->c, r->cid[i]));
    return error;
}

int bl_l2cap_do_connect(struct bl_l2cap *l, uint64_t now, uint16_t conn,
                        const struct bl_l2cap_connect *params, bl_op *op)
{
    struct bl_l2cap_conn *c = l2cap_conn(l, conn);
    unsigned n = params->count ? params->count : 1, most = params->enhanced ? BL_L2CAP_AT_ONCE : 1;
    uint16_t least = params->enhanced ? BL_L2CAP_MTU_MIN_ENHANCED : BL_L2CAP_MTU_MIN;

    if (params->psm == 0 || params->psm > BL_L2CAP_SPSM_MAX || params->mtu < least || n > most)
        return -EINVAL;
    if (!c)
        return -ENOTCONN;
    struct l2cap_request *r = l2cap_request_new(
        c, now, params->enhanced ? BL_SIG_ENHANCED_REQ : BL_SIG_LE_CONNECTION_REQ);
    if (!r)
        return -ENOMEM;
    r->psm = params->psm;
    r->mtu = params->mtu;
    int error = connect_channels(r, params->enhanced, n);
    if (error == 0 && (r->op = bl_evq_op(l->events)) == 0) {
        error = -EBUSY;
        for (unsigned i = 0; i < n; i++)
            l2cap_channel_free(l2cap_channel_find(c, r->cid[i]));
    }
    if (error) {
        l2cap_request_free(r);
        return error;
    }
    *op = r->op;
    if (!l2cap_requests_send(c, now))
        l2cap_sending(c);
    return 0;
}

/* ---- what became of it ---- */

/* One that did not come about. Nobody waits for those of a late request, which have none. */
static void connect_refused(struct l2cap_request *r, unsigned i, bl_status status)
{
    struct bl_event e = {.kind = BL_EV_L2CAP_DISCONNECTED,
                         .l2cap = {.conn = r->c->conn, .psm = r->psm, .status = status}};

    if (r->due == L2CAP_DUE_LATE)
        return;
    e.l2cap.op = r->op;
    l2cap_channel_free(l2cap_channel_find(r->c, r->cid[i]));
    bl_evq_push(r->c->l->events, &e);
}

static void connect_fail(struct l2cap_request *r, bl_status status)
{
    for (unsigned i = 0; i < r->n_cid; i++)
        connect_refused(r, i, status);
    bl_evq_op_done(r->c->l->events, r->op, status);
    r->op = 0;
}

/* Whether a response that takes channels may be believed: as many as were asked for, and what 4.23
 * and 4.26 allow to be said of them. Initial credits may be any. */
static bool connect_sound(const struct l2cap_request *r, const struct bl_sig *sig)
{
    uint16_t least = r->code == BL_SIG_ENHANCED_REQ ? BL_L2CAP_MTU_MIN_ENHANCED : BL_L2CAP_MTU_MIN;

    return sig->channel.n_cid == r->n_cid && sig->channel.mtu >= least &&
           sig->channel.mps >= least && sig->channel.mps <= CONNECT_MPS_MAX;
}

/* The i-th destination is one, and nothing else of the peer's is called so. */
static bool connect_free_name(const struct l2cap_request *r, const struct bl_sig *sig, unsigned i)
{
    uint16_t cid = sig->channel.cid[i];
    unsigned same = 0;

    for (unsigned k = 0; k < sig->channel.n_cid; k++)
        same += sig->channel.cid[k] == cid;
    return cid >= BL_L2CAP_CID_MIN && cid <= BL_L2CAP_CID_MAX && same == 1 &&
           !l2cap_channel_of_peer(r->c, cid);
}

/* Whether the result says that some channels may have been made. */
static bool connect_takes_some(const struct l2cap_request *r, uint16_t result)
{
    if (r->code != BL_SIG_ENHANCED_REQ)
        return result == BL_L2CAP_SUCCESS;
    return result == BL_L2CAP_SUCCESS || result == BL_L2CAP_NO_RESOURCES ||
           result == BL_L2CAP_INVALID_SOURCE_CID || result == BL_L2CAP_SOURCE_CID_TAKEN;
}

static bl_status connect_status(uint16_t result)
{
    return result == 0 || result > UINT8_MAX ? (bl_status)BL_PROTOCOL
                                             : (bl_status)(BL_STATUS_L2CAP + result);
}

static void connect_opened(struct l2cap_request *r, uint64_t now, const struct bl_sig *sig,
                           unsigned i)
{
    struct l2cap_channel *ch = l2cap_channel_find(r->c, r->cid[i]);

    ch->peer_cid = sig->channel.cid[i];
    ch->peer_mtu = sig->channel.mtu;
    ch->peer_mps = sig->channel.mps;
    ch->tx.credits = sig->channel.credits;
    l2cap_channel_opened(ch, now, r->op);
}

/* The peer says that it has made the i-th channel, and it is none: each side is to know. */
static void connect_undo(struct l2cap_request *r, uint64_t now, const struct bl_sig *sig,
                         unsigned i)
{
    struct l2cap_channel *other = l2cap_channel_of_peer(r->c, sig->channel.cid[i]);

    if (other) /* 4.26: one that has a destination's name already is not to be used any more */
        l2cap_channel_break(other, now, "the peer gave its name to another");
    connect_orphan(r->c, now, sig->channel.cid[i], r->cid[i]);
}

static void connect_answered(struct l2cap_request *r, uint64_t now, const struct bl_sig *sig)
{
    struct bl_event done = {.kind = BL_EV_OP_DONE, .done = {.op = r->op}};
    bool some = connect_takes_some(r, sig->channel.result), sound = connect_sound(r, sig);
    bl_status status = BL_OK;

    for (unsigned i = 0; i < r->n_cid; i++) {
        bool made = some && i < sig->channel.n_cid && sig->channel.cid[i] != 0;
        if (made && sound && r->due == L2CAP_DUE_SENT && connect_free_name(r, sig, i)) {
            connect_opened(r, now, sig, i);
            if (done.done.l2cap.cid == 0) {
                done.done.l2cap.cid = r->cid[i];
                done.done.l2cap.our_mtu = r->mtu;
                done.done.l2cap.peer_mtu = sig->channel.mtu;
            }
            continue;
        }
        bl_status why = made ? (bl_status)BL_PROTOCOL : connect_status(sig->channel.result);
        if (made)
            connect_undo(r, now, sig, i);
        connect_refused(r, i, why);
        status = status ? status : why;
    }
    done.done.status = done.done.l2cap.cid ? (bl_status)BL_OK : status;
    bl_evq_op_result(r->c->l->events, &done);
    l2cap_request_free(r);
}

/* 4.26: the peer asks somebody. */
static bool connect_pending(struct l2cap_request *r, uint64_t now, const struct bl_sig *sig)
{
    uint64_t at = now + L2CAP_ERTX_US;

    if (r->code != BL_SIG_ENHANCED_REQ || sig->channel.result < CONNECT_PENDING_FIRST ||
        sig->channel.result > CONNECT_PENDING_LAST)
        return false;
    if (r->due == L2CAP_DUE_SENT)
        timerq_set(&r->c->l->request_timers, &r->timer, at < r->until ? at : r->until);
    return true;
}

/* It ends without a response that could be believed; `due` is as it was. */
static void request_fail(struct l2cap_request *r, uint64_t now, bl_status status)
{
    switch ((enum bl_sig_code)r->code) {
    case BL_SIG_LE_CONNECTION_REQ:
    case BL_SIG_ENHANCED_REQ:
        connect_fail(r, status);
        break;
    case BL_SIG_RECONFIGURE_REQ:
        l2cap_reconfigure_end(r, now, status);
        break;
    case BL_SIG_DISCONNECTION_REQ: /* nobody waits for it */
    case BL_SIG_REJECT:
    case BL_SIG_DISCONNECTION_RSP:
    case BL_SIG_PARAM_UPDATE_REQ:
    case BL_SIG_PARAM_UPDATE_RSP:
    case BL_SIG_LE_CONNECTION_RSP:
    case BL_SIG_CREDITS:
    case BL_SIG_ENHANCED_RSP:
    case BL_SIG_RECONFIGURE_RSP:
        break;
    }
}

/* ---- in ---- */

static struct l2cap_request *request_find(const struct bl_l2cap_conn *c, uint8_t id)
{
    list_each(l, next, &c->requests)
    {
        struct l2cap_request *r = list_entry(l, struct l2cap_request, link);
        if (r->id == id)
            return r;
    }
    return NULL;
}

/* 4.7: what does not name the channel is ignored. */
static bool connect_disconnected(struct bl_l2cap_conn *c, uint64_t now, const struct bl_sig *sig)
{
    struct l2cap_channel *ch = l2cap_channel_find(c, sig->disconnection.scid);

    if (!ch || ch->disconnect != L2CAP_DUE_SENT || ch->disconnect_id != sig->identifier ||
        ch->peer_cid != sig->disconnection.dcid)
        return false;
    l2cap_channel_ended(ch, now, ch->end_status);
    return true;
}

/* A Disconnection Request that the peer rejects is about what is no channel there. */
static bool connect_disconnect_rejected(struct bl_l2cap_conn *c, uint64_t now, uint8_t id)
{
    for (size_t i = 0; i < ARRAY_LEN(c->channels); i++) {
        struct l2cap_channel *ch = c->channels[i];
        if (ch && ch->disconnect == L2CAP_DUE_SENT && ch->disconnect_id == id) {
            l2cap_channel_ended(ch, now, ch->end_status);
            return true;
        }
    }
    return false;
}

static bool connect_rejected(struct bl_l2cap_conn *c, uint64_t now, const struct bl_sig *sig)
{
    struct l2cap_request *r = request_find(c, sig->identifier);

    if (!r)
        return connect_disconnect_rejected(c, now, sig->identifier);
    /* 4.1: the other reasons are about what our requests are not: too long, or of fixed channels */
    request_fail(r, now,
                 sig->reject.reason == BL_SIG_MTU_EXCEEDED ||
                         sig->reject.reason == BL_SIG_INVALID_CID
                     ? BL_PROTOCOL
                     : BL_NOT_SUPPORTED);
    l2cap_request_free(r);
    return true;
}

bool l2cap_on_response(struct bl_l2cap_conn *c, uint64_t now, const struct bl_sig *sig)
{
    struct l2cap_request *r;

    if (sig->code == BL_SIG_REJECT)
        return connect_rejected(c, now, sig);
    if (sig->code == BL_SIG_DISCONNECTION_RSP && connect_disconnected(c, now, sig))
        return true;
    r = request_find(c, sig->identifier);
    if (!r || sig->code != r->code + 1)
        return false;
    switch ((enum bl_sig_code)r->code) {
    case BL_SIG_LE_CONNECTION_REQ:
    case BL_SIG_ENHANCED_REQ:
        if (!connect_pending(r, now, sig))
            connect_answered(r, now, sig);
        return true;
    case BL_SIG_RECONFIGURE_REQ:
        l2cap_reconfigured(r, now, sig->result.result);
        break;
    case BL_SIG_DISCONNECTION_REQ:
        if (r->peer_cid != sig->disconnection.dcid || r->cid[0] != sig->disconnection.scid)
            return false;
        break;
    case BL_SIG_REJECT:
    case BL_SIG_DISCONNECTION_RSP:
    case BL_SIG_PARAM_UPDATE_REQ:
    case BL_SIG_PARAM_UPDATE_RSP:
    case BL_SIG_LE_CONNECTION_RSP:
    case BL_SIG_CREDITS:
    case BL_SIG_ENHANCED_RSP:
    case BL_SIG_RECONFIGURE_RSP:
        return false;
    }
    l2cap_request_free(r);
    return true;
}

/* ---- time, and the end ---- */

void l2cap_request_expired(struct bl_l2cap *l, uint64_t now, struct l2cap_request *r)
{
    bool sent = r->due == L2CAP_DUE_SENT && r->code != BL_SIG_DISCONNECTION_REQ;

    request_fail(r, now, BL_TIMEOUT);
    if (!sent) {
        l2cap_request_free(r);
        return;
    }
    r->due = L2CAP_DUE_LATE;
    timerq_set(&l->request_timers, &r->timer, now + L2CAP_LATE_US);
}

void l2cap_requests_end(struct bl_l2cap_conn *c, uint64_t now, bl_status status)
{
    list_each(l, next, &c->requests)
    {
        struct l2cap_request *r = list_entry(l, struct l2cap_request, link);
        request_fail(r, now, status);
        l2cap_request_free(r);
    }
}
