/* SPDX-License-Identifier: MIT */

/*
 * A channel's life: its CID and its window, the events of its beginning and end, and disconnection,
 * whoever asks for it (Core 5.4, Vol 3, Part A, 4.6, 4.7).
 *
 * CIDs are given in turn. One that the peer may still take to be open (a Disconnection Request or a
 * response is under way) is not given again meanwhile, nor one whose data is to be read.
 *
 * Timers of a channel: DRAINING looks every second whether anything has left, DISCONNECTING waits
 * for the response.
 */

#include "internal.h"

#include "base/cleanup.h"
#include "bounds.h"
#include "host.h"

#include <errno.h>
#include <stdlib.h>

#define CHANNEL_DRAIN_LOOK_US 1000000u
#define CHANNEL_RX_BUF        65536u /* as bl_config.rx_buf says of 0 */
#define CHANNEL_MPS_MAX       65533u /* Core 5.4, Vol 3, Part A, 4.22 */

/* ---- windows ---- */

uint16_t l2cap_mps(const struct bl_l2cap_conn *c, uint16_t mtu, bool enhanced)
{
    uint32_t least = enhanced ? BL_L2CAP_MTU_MIN_ENHANCED : BL_L2CAP_MTU_MIN;
    uint32_t acl = bl_hci_caps(c->l->hci)->acl_len, most = mtu + 2u;
    uint32_t mps = acl > 4 ? acl - 4 : 0;

    if (mps > most)
        mps = most;
    if (mps > CHANNEL_MPS_MAX)
        mps = CHANNEL_MPS_MAX;
    return (uint16_t)(mps < least ? least : mps);
}

/* An SDU and a frame in any case; and a quarter of rx_buf while it is not all promised. Half of the
 * bound is left to those that come after. */
size_t l2cap_window(const struct bl_l2cap_conn *c, uint16_t mtu, uint16_t mps)
{
    size_t rx_buf = c->l->config->rx_buf ? c->l->config->rx_buf : CHANNEL_RX_BUF;
    size_t half = BL_MAX_CHANNEL_RX / 2, most = half + (rx_buf > half ? rx_buf : half);
    size_t least = (size_t)mtu + 2 + mps, extra = rx_buf / 4, promised = c->promised + least;

    if (promised > most)
        return 0;
    if (promised > rx_buf)
        return least;
    return least + (extra < rx_buf - promised ? extra : rx_buf - promised);
}

/* ---- life ---- */

static uint16_t channel_cid(struct bl_l2cap_conn *c)
{
    for (size_t i = 0; i < ARRAY_LEN(c->channels); i++) {
        if (++c->last_cid > BL_L2CAP_CID_MAX)
            c->last_cid = BL_L2CAP_CID_MIN;
        if (!c->channels[c->last_cid - BL_L2CAP_CID_MIN] && !l2cap_request_has_cid(c, c->last_cid))
            return c->last_cid;
    }
    return 0;
}

struct l2cap_channel *l2cap_channel_new(struct bl_l2cap_conn *c, uint16_t mtu, bool enhanced,
                                        int *ret_error)
{
    uint16_t mps = l2cap_mps(c, mtu, enhanced);
    size_t window = l2cap_window(c, mtu, mps);
    uint16_t cid = window > 0 ? channel_cid(c) : 0;
    struct l2cap_channel *ch = cid != 0 ? calloc(1, sizeof(*ch)) : NULL;

    if (!ch) {
        *ret_error = cid != 0 ? -ENOMEM : -ENOBUFS;
        return NULL;
    }
    ch->c = c;
    ch->cid = cid;
    ch->our_mtu = mtu;
    ch->our_mps = mps;
    ch->enhanced = enhanced;
    list_init(&ch->sending);
    l2cap_tx_init(ch);
    l2cap_rx_init(ch, window);
    l2cap_rx_first_credits(ch);
    c->promised += ch->rx.window;
    c->channels[cid - BL_L2CAP_CID_MIN] = ch;
    c->n_channels++;
    return ch;
}

struct l2cap_channel *l2cap_channel_find(const struct bl_l2cap_conn *c, uint16_t cid)
{
    if (cid < BL_L2CAP_CID_MIN || cid > BL_L2CAP_CID_MAX)
        return NULL;
    return c->channels[cid - BL_L2CAP_CID_MIN];
}

struct l2cap_channel *l2cap_channel_of_peer(const struct bl_l2cap_conn *c, uint16_t peer_cid)
{
    unsigned left = c->n_channels;

    for (size_t i = 0; left > 0; i++) {
        struct l2cap_channel *ch = c->channels[i];
        if (!ch)
            continue;
        left--;
        if (ch->peer_cid == peer_cid && ch->state != L2CAP_CONNECTING && ch->state != L2CAP_ENDED)
            return ch;
    }
    return NULL;
}

struct l2cap_channel *bl_l2cap_channel(const struct bl_l2cap *l, uint16_t conn, uint16_t cid,
                                       int *ret_error)
{
    const struct bl_l2cap_conn *c = l2cap_conn(l, conn);
    struct l2cap_channel *ch = c ? l2cap_channel_find(c, cid) : NULL;

    if (ch && ch->state >= L2CAP_OPEN)
        return ch;
    if (ret_error)
        *ret_error = c ? -ENOENT : -ENOTCONN;
    return NULL;
}

void l2cap_channel_free(struct l2cap_channel *ch)
{
    struct bl_l2cap_conn *c = ch->c;

    c->channels[ch->cid - BL_L2CAP_CID_MIN] = NULL;
    c->n_channels--;
    c->promised -= ch->rx.window;
    timerq_cancel(&c->l->timers, &ch->timer);
    list_remove(&ch->sending);
    l2cap_tx_deinit(ch);
    l2cap_rx_deinit(ch);
    free(ch);
}

static struct bl_event channel_event(const struct l2cap_channel *ch, enum bl_event_kind kind)
{
    return (struct bl_event){.kind = kind,
                             .l2cap = {.conn = ch->c->conn, .cid = ch->cid, .psm = ch->psm}};
}

void l2cap_channel_opened(struct l2cap_channel *ch, uint64_t now, bl_op op)
{
    struct bl_event e = channel_event(ch, BL_EV_L2CAP_CONNECTED);

    (void)now;
    ch->state = L2CAP_OPEN;
    l2cap_tx_resized(ch);
    ch->c->l->counters[BL_L2CAP_N_OPENED]++;
    e.l2cap.our_mtu = ch->our_mtu;
    e.l2cap.peer_mtu = ch->peer_mtu;
    e.l2cap.incoming = ch->incoming;
    e.l2cap.op = op;
    bl_evq_push(ch->c->l->events, &e);
}

void l2cap_channel_ended(struct l2cap_channel *ch, uint64_t now, bl_status status)
{
    struct bl_l2cap *l = ch->c->l;
    struct bl_event e = channel_event(ch, BL_EV_L2CAP_DISCONNECTED);
    bool by_link = status != BL_OK && status != BL_PROTOCOL;
    bl_op op = ch->disconnect_op;

    (void)now;
    if (ch->tx.stalled) {
        struct bl_event lost = channel_event(ch, BL_EV_L2CAP_SEND_READY);
        lost.l2cap.status = status ? status : BL_DISCONNECTED;
        bl_evq_push(l->events, &lost);
    }
    e.l2cap.status = status;
    bl_evq_push(l->events, &e);
    ch->state = L2CAP_ENDED;
    ch->disconnect = L2CAP_DUE_NOTHING;
    ch->disconnect_op = 0;
    timerq_cancel(&l->timers, &ch->timer);
    list_remove(&ch->sending);
    l2cap_reconfigure_forget(ch->c, ch->cid);
    l2cap_tx_deinit(ch);
    if (ch->rx.sdus == 0)
        l2cap_channel_free(ch);
    bl_evq_op_done(l->events, op, by_link ? status : (bl_status)BL_OK);
}

/* ---- disconnection ---- */

bool l2cap_disconnect_send(struct l2cap_channel *ch, uint64_t now)
{
    struct bl_sig sig = {.code = BL_SIG_DISCONNECTION_REQ,
                         .disconnection = {.dcid = ch->peer_cid, .scid = ch->cid}};

    if (ch->disconnect != L2CAP_DUE_REQUEST)
        return true;
    sig.identifier = l2cap_next_id(ch->c);
    if (sig.identifier == 0 || l2cap_command(ch->c, &sig) < 0)
        return false;
    ch->disconnect_id = sig.identifier;
    ch->disconnect = L2CAP_DUE_SENT;
    timerq_set(&ch->c->l->timers, &ch->timer, now + L2CAP_DISCONNECT_US);
    return true;
}

static void channel_disconnect(struct l2cap_channel *ch, uint64_t now)
{
    ch->state = L2CAP_DISCONNECTING;
    ch->disconnect = L2CAP_DUE_REQUEST;
    timerq_set(&ch->c->l->timers, &ch->timer, now + L2CAP_DISCONNECT_US);
    if (!l2cap_disconnect_send(ch, now))
        l2cap_channel_due(ch);
}

void l2cap_channel_break(struct l2cap_channel *ch, uint64_t now, const char *why)
{
    if (ch->state != L2CAP_OPEN && ch->state != L2CAP_DRAINING)
        return;
    bl_env_log(ch->c->l->env, BL_LOG_NOTICE, "Channel 0x%04x of connection %u is closed: %s",
               ch->cid, ch->c->conn, why);
    ch->c->l->counters[BL_L2CAP_N_BROKEN]++;
    ch->end_status = BL_PROTOCOL;
    channel_disconnect(ch, now);
}

static void channel_look(struct l2cap_channel *ch, uint64_t now)
{
    uint64_t at = now + CHANNEL_DRAIN_LOOK_US;

    if (ch->tx.need != ch->drain_left) {
        ch->drain_left = ch->tx.need;
        ch->drain_until = now + L2CAP_DRAIN_US;
    }
    if (now >= ch->drain_until)
        channel_disconnect(ch, now);
    else
        timerq_set(&ch->c->l->timers, &ch->timer, at < ch->drain_until ? at : ch->drain_until);
}

int bl_l2cap_do_disconnect(struct bl_l2cap *l, uint64_t now, uint16_t conn, uint16_t cid, bl_op *op)
{
    int error = 0;
    struct l2cap_channel *ch = bl_l2cap_channel(l, conn, cid, &error);
    bl_op mine = 0;

    if (!ch)
        return error;
    /* one that the peer's fault ends, of which nothing has been told, is as good as open */
    bool broken = ch->state == L2CAP_DISCONNECTING && ch->end_status && ch->disconnect_op == 0;
    if (ch->state != L2CAP_OPEN && !broken)
        return -ENOENT;
    if (op && (mine = bl_evq_op(l->events)) == 0)
        return -EBUSY;
    if (op)
        *op = mine;
    ch->disconnect_op = mine;
    if (broken)
        return 0;
    if (l2cap_tx_empty(ch)) {
        channel_disconnect(ch, now);
        return 0;
    }
    ch->state = L2CAP_DRAINING;
    ch->drain_left = ch->tx.need;
    ch->drain_until = now + L2CAP_DRAIN_US;
    timerq_set(&l->timers, &ch->timer, now + CHANNEL_DRAIN_LOOK_US);
    return 0;
}

void l2cap_channel_drained(struct l2cap_channel *ch, uint64_t now)
{
    if (ch->tx.stalled) {
        struct bl_event e = channel_event(ch, BL_EV_L2CAP_SEND_READY);
        ch->tx.stalled = false;
        bl_evq_push(ch->c->l->events, &e);
    }
    if (ch->state == L2CAP_DRAINING)
        channel_disconnect(ch, now);
}

void l2cap_channel_expired(struct bl_l2cap *l, uint64_t now, struct l2cap_channel *ch)
{
    (void)l;
    if (ch->state == L2CAP_DRAINING)
        channel_look(ch, now);
    else
        l2cap_channel_ended(ch, now, ch->end_status);
}

/* Core 5.4, Vol 3, Part A, 4.6: a destination that is none is rejected, a source that does not
 * belong to it ignored. Fixed channels are none of these. */
void l2cap_on_disconnection_request(struct bl_l2cap_conn *c, uint64_t now, const struct bl_sig *sig)
{
    struct l2cap_channel *ch = l2cap_channel_find(c, sig->disconnection.dcid);
    struct bl_sig answer;

    if (!ch || ch->state < L2CAP_OPEN || ch->state == L2CAP_ENDED) {
        if (bl_l2cap_sig_refuse(sig, &answer))
            l2cap_answer(c, &answer);
        return;
    }
    if (ch->peer_cid != sig->disconnection.scid)
        return;
    answer = *sig;
    answer.code = BL_SIG_DISCONNECTION_RSP;
    l2cap_answer(c, &answer);
    l2cap_channel_ended(ch, now, ch->end_status);
}

/* 4.24: the CID is the sender's. None of either is no error. */
void l2cap_on_credits(struct bl_l2cap_conn *c, uint64_t now, const struct bl_sig *sig)
{
    struct l2cap_channel *ch = l2cap_channel_of_peer(c, sig->credits.cid);

    if (!ch || (ch->state != L2CAP_OPEN && ch->state != L2CAP_DRAINING) ||
        sig->credits.credits == 0)
        return;
    if (!l2cap_tx_credits(ch, now, sig->credits.credits))
        l2cap_channel_break(ch, now, "more credits than 65535");
}
