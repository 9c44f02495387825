/* SPDX-License-Identifier: MIT */

/*
 * Commands about links: a bit in link->wants is a command that is to be sent; its parameters are in
 * the link, so that one that finds the queue full is sent later with what then holds, and no queue
 * grows here. Replies find their link by the serial number in arg (not by handle, which the
 * controller may have given to another one since) and their meaning by the row.
 */

#include "gap/link_internal.h"

#include "base/cleanup.h"
#include "base/wr.h"
#include "hci/cmd.h"
#include "hci/error.h"

#include <errno.h>

#define LINK_BLOCKED_US 100000u /* until the next try where the command queue was full */

struct link_answer {
    uint8_t status;
    bool lost;
    struct rd params;
};

static void write_disconnect(struct bl_links *l, const struct bl_link *link, struct wr *w)
{
    (void)l;
    wr_u8(w, link->end_reason);
}

static void write_units(struct wr *w, const struct bl_conn_units *u)
{
    wr_u16(w, u->interval_min);
    wr_u16(w, u->interval_max);
    wr_u16(w, u->latency);
    wr_u16(w, u->timeout);
    wr_zero(w, 4); /* connection event lengths: the controller's choice */
}

static void write_update(struct bl_links *l, const struct bl_link *link, struct wr *w)
{
    (void)l;
    write_units(w, &link->updating);
}

static void write_param_reply(struct bl_links *l, const struct bl_link *link, struct wr *w)
{
    (void)l;
    write_units(w, &link->answer);
}

static void write_param_reject(struct bl_links *l, const struct bl_link *link, struct wr *w)
{
    (void)l;
    (void)link;
    wr_u8(w, BL_HCI_UNACCEPTABLE_PARAMETERS);
}

/* Core 5.4, Vol 4, Part E, 7.8.49: no mask is "no preference", which has a bit of its own. */
static void write_phy(struct bl_links *l, const struct bl_link *link, struct wr *w)
{
    (void)l;
    wr_u8(w, (uint8_t)((link->tx_phys ? 0 : 1) | (link->rx_phys ? 0 : 2)));
    wr_u8(w, link->tx_phys);
    wr_u8(w, link->rx_phys);
    wr_u16(w, 0);
}

/* How long so many octets last: Core 5.4, Vol 6, Part B, 4.5.10; coded at S=8. */
static void write_data_length(struct bl_links *l, const struct bl_link *link, struct wr *w)
{
    unsigned time =
        link->tx_phy == BL_PHY_CODED ? link->octets * 64u + 976u : (link->octets + 14u) * 8u;

    (void)l;
    wr_u16(w, link->octets);
    wr_u16(w, (uint16_t)time);
}

/* ---- replies ---- */

static void reply_disconnect(struct bl_links *l, uint64_t now, struct bl_link *link,
                             struct link_answer *a)
{
    if (a->lost || a->status == 0 || a->status == BL_HCI_COMMAND_DISALLOWED)
        return; /* the event ends it, or the timer */
    if (a->status == BL_HCI_UNKNOWN_CONNECTION) {
        link_end(l, now, link, BL_HCI_LOCAL_TERMINATED, bl_status_hci(BL_HCI_LOCAL_TERMINATED));
    } else if (link->ops[LINK_OP_DISCONNECT]) { /* refused: it stays */
        link->ending = false;
        link_stop_timer(l, link, LINK_TIMER_END);
        link_op_done(l, link, LINK_OP_DISCONNECT, bl_status_hci(a->status));
    }
}

static void reply_features(struct bl_links *l, uint64_t now, struct bl_link *link,
                           struct link_answer *a)
{
    if (a->status == 0 || link->features_state != LINK_FEATURES_ASKED)
        return;
    link->features_state = LINK_FEATURES_UNKNOWN;
    link_update_features(l, now, link);
}

static void reply_read_phy(struct bl_links *l, uint64_t now, struct bl_link *link,
                           struct link_answer *a)
{
    uint16_t handle = rd_u16(&a->params);
    uint8_t tx = rd_u8(&a->params), rx = rd_u8(&a->params);

    (void)now;
    if (a->status != 0 || !rd_ok(&a->params) || handle != link->handle || tx < BL_PHY_1M ||
        tx > BL_PHY_CODED || rx < BL_PHY_1M || rx > BL_PHY_CODED ||
        (tx == link->tx_phy && rx == link->rx_phy))
        return;
    link->tx_phy = tx;
    link->rx_phy = rx;
    if (link->state == LINK_UP)
        link_phy_event(l, link, 0);
}

static void reply_update(struct bl_links *l, uint64_t now, struct bl_link *link,
                         struct link_answer *a)
{
    link_update_reply(l, now, link, a->status, a->lost);
}

static bl_status answer_status(const struct link_answer *a)
{
    return a->lost ? (bl_status)BL_TIMEOUT : bl_status_hci(a->status);
}

static void reply_rssi(struct bl_links *l, uint64_t now, struct bl_link *link,
                       struct link_answer *a)
{
    uint16_t handle = rd_u16(&a->params);
    int8_t rssi = rd_i8(&a->params);
    struct bl_event e = {.kind = BL_EV_OP_DONE};

    (void)now;
    if (a->lost || a->status != 0 || !rd_ok(&a->params) || handle != link->handle) {
        bool wrong = !a->lost && a->status == 0;
        link_op_done(l, link, LINK_OP_RSSI, wrong ? (bl_status)BL_PROTOCOL : answer_status(a));
        return;
    }
    e.done.op = link->ops[LINK_OP_RSSI];
    e.done.rssi = rssi;
    link->ops[LINK_OP_RSSI] = 0;
    bl_evq_op_result(l->radio->events, &e);
}

static void reply_phy(struct bl_links *l, uint64_t now, struct bl_link *link, struct link_answer *a)
{
    (void)now;
    if (a->lost || a->status != 0) {
        link_stop_timer(l, link, LINK_TIMER_PHY);
        link_op_done(l, link, LINK_OP_PHY, answer_status(a));
    }
}

static void reply_data_length(struct bl_links *l, uint64_t now, struct bl_link *link,
                              struct link_answer *a)
{
    (void)now;
    link_op_done(l, link, LINK_OP_DATA_LENGTH, answer_status(a));
}

static void reply_ignored(struct bl_links *l, uint64_t now, struct bl_link *link,
                          struct link_answer *a)
{
    (void)l;
    (void)now;
    (void)link;
    (void)a;
}

/* The parameters after the handle, which is the first of all of them. */
static const struct link_cmd_row {
    uint16_t opcode;
    void (*write)(struct bl_links *, const struct bl_link *, struct wr *); /* NULL: none */
    void (*reply)(struct bl_links *, uint64_t, struct bl_link *, struct link_answer *);
} link_cmds[LINK_CMDS] = {
    [LINK_CMD_DISCONNECT] = {BL_CMD_DISCONNECT, write_disconnect, reply_disconnect},
    [LINK_CMD_PARAM_REPLY] = {BL_CMD_LE_PARAM_REQUEST_REPLY, write_param_reply, reply_ignored},
    [LINK_CMD_PARAM_REJECT] = {BL_CMD_LE_PARAM_REQUEST_NEGATIVE_REPLY, write_param_reject,
                               reply_ignored},
    [LINK_CMD_FEATURES] = {BL_CMD_LE_READ_REMOTE_FEATURES, NULL, reply_features},
    [LINK_CMD_READ_PHY] = {BL_CMD_LE_READ_PHY, NULL, reply_read_phy},
    [LINK_CMD_UPDATE] = {BL_CMD_LE_CONNECTION_UPDATE, write_update, reply_update},
    [LINK_CMD_RSSI] = {BL_CMD_READ_RSSI, NULL, reply_rssi},
    [LINK_CMD_PHY] = {BL_CMD_LE_SET_PHY, write_phy, reply_phy},
    [LINK_CMD_DATA_LENGTH] = {BL_CMD_LE_SET_DATA_LENGTH, write_data_length, reply_data_length},
};

static int link_cmd_send(struct bl_links *l, const struct bl_link *link, enum link_cmd cmd)
{
    uint8_t bytes[32] = {0};
    struct wr w = wr_make(bytes, sizeof(bytes));

    wr_u16(&w, link->handle);
    if (link_cmds[cmd].write)
        link_cmds[cmd].write(l, link, &w);
    return bl_hci_cmd(l->radio->hci, link_cmds[cmd].opcode, bytes, w.len, BL_HCI_OWNER_LINKS,
                      link->serial << LINK_CMD_BITS | (uint32_t)cmd);
}

void link_want(struct bl_links *l, uint64_t now, struct bl_link *link, enum link_cmd cmd)
{
    int r = link_cmd_send(l, link, cmd);

    link->wants &= ~(1u << cmd);
    if (r == -EBUSY) {
        link->wants |= 1u << cmd;
        l->blocked_until = now + LINK_BLOCKED_US;
    } else if (r < 0) {
        struct link_answer a = {.status = BL_HCI_UNKNOWN_COMMAND, .params = {.bad = true}};
        link_cmds[cmd].reply(l, now, link, &a);
    }
}

static bool link_orphan_send(struct bl_links *l, uint16_t handle)
{
    uint8_t bytes[3];
    struct wr w = wr_make(bytes, sizeof(bytes));

    wr_u16(&w, handle);
    wr_u8(&w, BL_HCI_REMOTE_TERMINATED);
    return bl_hci_cmd(l->radio->hci, BL_CMD_DISCONNECT, bytes, w.len, BL_HCI_OWNER_LINKS, 0) !=
           -EBUSY;
}

void link_orphan(struct bl_links *l, uint64_t now, uint16_t handle)
{
    if (link_orphan_send(l, handle) || l->n_orphans == BL_LINKS_ORPHANS)
        return;
    l->orphans[l->n_orphans++] = handle;
    l->blocked_until = now + LINK_BLOCKED_US;
}

void link_flush(struct bl_links *l, uint64_t now)
{
    if (l->blocked_until == TIMERQ_NEVER)
        return;
    l->blocked_until = TIMERQ_NEVER;
    while (l->n_orphans > 0 && l->blocked_until == TIMERQ_NEVER) {
        uint16_t handle = l->orphans[--l->n_orphans];
        link_orphan(l, now, handle);
    }
    for (unsigned i = 0; i < l->count; i++)
        for (unsigned cmd = 0; cmd < LINK_CMDS && l->blocked_until == TIMERQ_NEVER; cmd++)
            if (l->table[i]->wants >> cmd & 1)
                link_want(l, now, l->table[i], (enum link_cmd)cmd);
}

void bl_links_reply(struct bl_links *l, uint64_t now, const struct bl_hci_reply *reply)
{
    uint32_t cmd = reply->arg & ((1u << LINK_CMD_BITS) - 1);
    struct link_answer a = {.status = reply->status, .lost = reply->lost, .params = reply->params};

    for (unsigned i = 0; cmd < LINK_CMDS && i < l->count; i++) {
        if (l->table[i]->serial != reply->arg >> LINK_CMD_BITS)
            continue;
        link_cmds[cmd].reply(l, now, l->table[i], &a);
        break;
    }
    link_flush(l, now);
}
