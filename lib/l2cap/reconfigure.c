/* SPDX-License-Identifier: MIT */

/*
 * Another MTU or MPS for channels of the enhanced mode, either side's (Core 5.4, Vol 3, Part A,
 * 4.27, 4.28). The CIDs of a request are those of who sends it, whose MTU and MPS these are.
 *
 * Ours: from the request on we take both what was agreed and what is asked for, for the peer may
 * act on it as soon as it has answered; the answer, or its absence, decides which it is.
 */

#include "internal.h"

#include "base/cleanup.h"
#include "bounds.h"
#include "host.h"

#include <errno.h>
#include <string.h>

enum { /* Core 5.4, Vol 3, Part A, 4.28, table 4.22 */
       RECONFIGURE_MTU_REDUCED = 0x0001,
       RECONFIGURE_MPS_REDUCED = 0x0002,
       RECONFIGURE_OTHER = 0x0004,
       RECONFIGURE_MPS_MAX = 65533, /* 4.22 */
};

static void reconfigure_tell(const struct l2cap_channel *ch, bl_op op)
{
    struct bl_event e = {.kind = BL_EV_L2CAP_RECONFIGURED,
                         .l2cap = {.conn = ch->c->conn,
                                   .cid = ch->cid,
                                   .psm = ch->psm,
                                   .our_mtu = ch->our_mtu,
                                   .peer_mtu = ch->peer_mtu,
                                   .incoming = ch->incoming}};

    e.l2cap.op = op;
    bl_evq_push(ch->c->l->events, &e);
}

/* ---- the peer's ---- */

static struct l2cap_channel *reconfigure_peers(const struct bl_l2cap_conn *c, uint16_t peer_cid)
{
    struct l2cap_channel *ch = l2cap_channel_of_peer(c, peer_cid);
    bool ok = ch && ch->enhanced && (ch->state == L2CAP_OPEN || ch->state == L2CAP_DRAINING);

    return ok ? ch : NULL;
}

static bool reconfigure_twice(const uint16_t *cids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (cids[i] == cids[k])
                return true;
    return false;
}

/* 0 and the channels, or a result of 4.28. */
static uint16_t reconfigure_check(const struct bl_l2cap_conn *c, const struct bl_sig *sig,
                                  struct l2cap_channel **ret)
{
    uint16_t mtu = sig->channel.mtu, mps = sig->channel.mps, result = 0;

    if (mps < BL_L2CAP_MTU_MIN_ENHANCED || mps > RECONFIGURE_MPS_MAX)
        return RECONFIGURE_OTHER;
    if (reconfigure_twice(sig->channel.cid, sig->channel.n_cid))
        return BL_SIG_RECONFIGURE_INVALID_CID;
    for (unsigned i = 0; i < sig->channel.n_cid; i++) {
        struct l2cap_channel *ch = reconfigure_peers(c, sig->channel.cid[i]);
        if (!ch)
            return BL_SIG_RECONFIGURE_INVALID_CID;
        if (mtu < ch->peer_mtu)
            result = RECONFIGURE_MTU_REDUCED;
        else if (mps < ch->peer_mps && sig->channel.n_cid > 1 && !result)
            result = RECONFIGURE_MPS_REDUCED;
        ret[i] = ch;
    }
    return result;
}

void l2cap_on_reconfigure_request(struct bl_l2cap_conn *c, uint64_t now, const struct bl_sig *sig)
{
    struct l2cap_channel *channels[BL_SIG_CID_MAX];
    uint16_t result = reconfigure_check(c, sig, channels);
    const struct bl_sig answer = {
        .code = BL_SIG_RECONFIGURE_RSP, .identifier = sig->identifier, .result = {result}};

    (void)now;
    if (!l2cap_answer(c, &answer) || result) /* what it is not told of has not happened */
        return;
    for (unsigned i = 0; i < sig->channel.n_cid; i++) {
        channels[i]->peer_mtu = sig->channel.mtu;
        channels[i]->peer_mps = sig->channel.mps;
        l2cap_tx_resized(channels[i]);
        reconfigure_tell(channels[i], 0);
    }
}

/* ---- ours ---- */

static bool reconfigure_under_way(const struct bl_l2cap_conn *c, uint16_t cid)
{
    list_each(l, next, &c->requests)
    {
        const struct l2cap_request *r = list_entry(l, struct l2cap_request, link);
        for (unsigned i = 0; r->code == BL_SIG_RECONFIGURE_REQ && i < r->n_cid; i++)
            if (r->cid[i] == cid)
                return true;
    }
    return false;
}

/* *mps: 0 becomes one that reduces nobody's. */
static int reconfigure_may(const struct bl_l2cap_conn *c, const uint16_t *cids, size_t n,
                           uint16_t mtu, uint16_t *mps)
{
    uint16_t most = 0;

    if (n == 0 || n > BL_L2CAP_AT_ONCE || reconfigure_twice(cids, n) ||
        (*mps != 0 && *mps < BL_L2CAP_MTU_MIN_ENHANCED) || *mps > RECONFIGURE_MPS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        const struct l2cap_channel *ch = l2cap_channel_find(c, cids[i]);
        if (!ch || ch->state != L2CAP_OPEN)
            return -ENOENT;
        if (!ch->enhanced || mtu < ch->our_mtu)
            return -EINVAL;
        if (reconfigure_under_way(c, cids[i]))
            return -EBUSY;
        most = ch->our_mps > most ? ch->our_mps : most;
    }
    if (*mps == 0)
        *mps = most;
    return n > 1 && *mps < most ? -EINVAL : 0;
}

/* What it takes to hold an SDU of both, and what the credits that are out may bring. */
static size_t reconfigure_window(struct l2cap_channel *ch, uint16_t mtu, uint16_t mps)
{
    size_t kept = ch->rx.window, window, least;

    ch->c->promised -= kept;
    window = l2cap_window(ch->c, mtu, mps);
    ch->c->promised += kept;
    least = ch->rx.tail - ch->rx.head + (size_t)ch->rx.credits * mps;
    if (window > 0 && window < kept)
        window = kept;
    return window > 0 && window < least ? least : window;
}

static void reconfigure_begin(struct l2cap_channel *ch, uint16_t mtu, uint16_t mps, size_t window)
{
    size_t kept = ch->rx.window;

    ch->our_mtu = mtu;
    if (mps > ch->our_mps)
        ch->our_mps = mps;
    l2cap_rx_resized(ch, window);
    ch->c->promised += ch->rx.window - kept;
}

int bl_l2cap_do_reconfigure(struct bl_l2cap *l, uint64_t now, uint16_t conn, const uint16_t *cids,
                            size_t n, uint16_t mtu, uint16_t mps, bl_op *op)
{
    struct bl_l2cap_conn *c = l2cap_conn(l, conn);
    size_t window[BL_L2CAP_AT_ONCE], more = 0, most = BL_MAX_CHANNEL_RX;
    int error = c ? reconfigure_may(c, cids, n, mtu, &mps) : -ENOTCONN;

    if (error)
        return error;
    for (size_t i = 0; i < n; i++) {
        struct l2cap_channel *ch = l2cap_channel_find(c, cids[i]);
        window[i] = reconfigure_window(ch, mtu, mps > ch->our_mps ? mps : ch->our_mps);
        if (window[i] == 0)
            return -ENOBUFS;
        more += window[i] - ch->rx.window;
    }
    if (l->config->rx_buf > most)
        most = l->config->rx_buf;
    if (c->promised + more > most)
        return -ENOBUFS;
    struct l2cap_request *r = l2cap_request_new(c, now, BL_SIG_RECONFIGURE_REQ);
    if (!r)
        return -ENOMEM;
    if ((r->op = bl_evq_op(l->events)) == 0) {
        l2cap_request_free(r);
        return -EBUSY;
    }
    *op = r->op;
    r->mtu = mtu;
    r->mps = mps;
    r->n_cid = (uint8_t)n;
    memcpy(r->cid, cids, n * sizeof(*cids));
    for (size_t i = 0; i < n; i++) {
        struct l2cap_channel *ch = l2cap_channel_find(c, cids[i]);
        r->old_mtu[i] = ch->our_mtu;
        r->old_mps[i] = ch->our_mps;
        reconfigure_begin(ch, mtu, mps, window[i]);
    }
    if (!l2cap_requests_send(c, now))
        l2cap_sending(c);
    return 0;
}

/* As it was agreed before; the window stays, for there are credits for it. */
static void reconfigure_back(struct l2cap_request *r)
{
    for (unsigned i = 0; i < r->n_cid; i++) {
        struct l2cap_channel *ch = r->cid[i] ? l2cap_channel_find(r->c, r->cid[i]) : NULL;
        if (!ch)
            continue;
        ch->our_mtu = r->old_mtu[i];
        ch->our_mps = r->old_mps[i];
        l2cap_rx_resized(ch, ch->rx.window);
    }
}

static void reconfigure_done(struct l2cap_request *r)
{
    for (unsigned i = 0; i < r->n_cid; i++) {
        struct l2cap_channel *ch = r->cid[i] ? l2cap_channel_find(r->c, r->cid[i]) : NULL;
        if (!ch)
            continue;
        ch->our_mps = r->mps;
        l2cap_rx_resized(ch, ch->rx.window);
        reconfigure_tell(ch, r->op);
    }
}

void l2cap_reconfigured(struct l2cap_request *r, uint64_t now, uint16_t result)
{
    (void)now;
    if (result == 0)
        reconfigure_done(r);
    else
        reconfigure_back(r);
    bl_evq_op_done(r->c->l->events, r->op, result ? (bl_status)BL_NOT_SUPPORTED : (bl_status)BL_OK);
    r->op = 0;
}

/* Whether the peer has done it is not known where it has not answered: both stay legal. */
void l2cap_reconfigure_end(struct l2cap_request *r, uint64_t now, bl_status status)
{
    (void)now;
    if (status != BL_TIMEOUT)
        reconfigure_back(r);
    bl_evq_op_done(r->c->l->events, r->op, status);
    r->op = 0;
}

static bool reconfigure_of_none(const struct l2cap_request *r)
{
    for (unsigned i = 0; i < r->n_cid; i++)
        if (r->cid[i])
            return false;
    return r->code == BL_SIG_RECONFIGURE_REQ;
}

void l2cap_reconfigure_forget(struct bl_l2cap_conn *c, uint16_t cid)
{
    list_each(l, next, &c->requests)
    {
        struct l2cap_request *r = list_entry(l, struct l2cap_request, link);
        for (unsigned i = 0; r->code == BL_SIG_RECONFIGURE_REQ && i < r->n_cid; i++)
            if (r->cid[i] == cid)
                r->cid[i] = 0;
        if (r->due == L2CAP_DUE_REQUEST && reconfigure_of_none(r)) {
            bl_evq_op_done(c->l->events, r->op, BL_DISCONNECTED);
            l2cap_request_free(r);
        }
    }
}
