/* SPDX-License-Identifier: MIT */

/* The user's operations on a link, but for connection parameters (link_update.c). */

#include "gap/link_internal.h"

#include "base/cleanup.h"
#include "hci/cmd.h"
#include "hci/error.h"

#include <errno.h>

/* Reserves the operation of a kind: 0, -ENOTCONN, -EBUSY. */
static int link_op_begin(struct bl_links *l, struct bl_link *link, enum link_op kind, bl_op *op)
{
    if (link->ops[kind])
        return -EBUSY;
    link->ops[kind] = bl_evq_op(l->radio->events);
    if (!link->ops[kind])
        return -EBUSY;
    *op = link->ops[kind];
    return 0;
}

void link_op_done(struct bl_links *l, struct bl_link *link, enum link_op op, bl_status status)
{
    struct bl_event e = {.kind = BL_EV_OP_DONE, .done = {.op = link->ops[op], .status = status}};

    if (op == LINK_OP_DISCONNECT)
        e.done.was_connected = true;
    if (op == LINK_OP_UPDATE && status == BL_OK) {
        e.done.params.interval = link->interval;
        e.done.params.latency = link->latency;
        e.done.params.timeout = link->timeout;
    }
    if (op == LINK_OP_PHY && status == BL_OK) {
        e.done.phy.tx = link->tx_phy;
        e.done.phy.rx = link->rx_phy;
    }
    link->ops[op] = 0;
    bl_evq_op_result(l->radio->events, &e);
}

/* ---- disconnect ---- */

/* Core 5.4, Vol 4, Part E, 7.1.6 */
static bool link_reason_allowed(uint8_t reason)
{
    static const uint8_t allowed[] = {0x05, 0x13, 0x14, 0x15, 0x1a, 0x29, 0x3b};

    return memchr(allowed, reason, sizeof(allowed)) != NULL;
}

void link_begin_end(struct bl_links *l, uint64_t now, struct bl_link *link, uint8_t reason)
{
    uint16_t timeout = link->timeout <= 3200 ? link->timeout : 3200;

    link->ending = true;
    link->end_reason = reason;
    link_set_timer(l, link, LINK_TIMER_END,
                   now + BL_HCI_COMMAND_TIMEOUT_US + timeout * UINT64_C(10000) +
                       BL_LINKS_END_EXTRA_US);
    link_want(l, now, link, LINK_CMD_DISCONNECT);
}

int bl_links_disconnect(struct bl_links *l, uint64_t now, uint16_t conn, uint8_t reason, bl_op *op)
{
    struct bl_link *link = link_by_conn(l, conn);
    int r;

    if (reason == 0)
        reason = BL_HCI_REMOTE_TERMINATED;
    if (!link_reason_allowed(reason))
        return -EINVAL;
    if (!link)
        return -ENOTCONN;
    if (op && (r = link_op_begin(l, link, LINK_OP_DISCONNECT, op)) < 0)
        return r;
    if (!link->ending)
        link_begin_end(l, now, link, reason);
    return 0;
}

/* ---- rssi, phy, data length ---- */

int bl_links_read_rssi(struct bl_links *l, uint64_t now, uint16_t conn, bl_op *op)
{
    struct bl_link *link = link_by_conn(l, conn);
    int r;

    if (!link)
        return -ENOTCONN;
    if (!bl_hci_supports(l->radio->hci, BL_CMD_READ_RSSI))
        return -EOPNOTSUPP;
    if ((r = link_op_begin(l, link, LINK_OP_RSSI, op)) < 0)
        return r;
    link_want(l, now, link, LINK_CMD_RSSI);
    return 0;
}

int bl_links_set_phy(struct bl_links *l, uint64_t now, uint16_t conn, uint8_t tx_phys,
                     uint8_t rx_phys, bl_op *op)
{
    const struct bl_hci *hci = l->radio->hci;
    uint8_t all = BL_PHYS_1M | BL_PHYS_2M | BL_PHYS_CODED, phys = tx_phys | rx_phys;
    struct bl_link *link = link_by_conn(l, conn);
    int r;

    if (phys & ~all)
        return -EINVAL;
    if (!link)
        return -ENOTCONN;
    if (!bl_hci_supports(hci, BL_CMD_LE_SET_PHY) ||
        ((phys & BL_PHYS_2M) && !bl_hci_has_feature(hci, BL_LE_2M)) ||
        ((phys & BL_PHYS_CODED) && !bl_hci_has_feature(hci, BL_LE_CODED)))
        return -EOPNOTSUPP;
    if ((r = link_op_begin(l, link, LINK_OP_PHY, op)) < 0)
        return r;
    link->tx_phys = tx_phys;
    link->rx_phys = rx_phys;
    link_set_timer(l, link, LINK_TIMER_PHY, now + BL_LINKS_LL_US);
    link_want(l, now, link, LINK_CMD_PHY);
    return 0;
}

/* A PHY event, good or bad, for the user; it ends the operation whose command has left. */
void link_phy_event(struct bl_links *l, struct bl_link *link, uint8_t status)
{
    struct bl_event e = {.kind = BL_EV_PHY_UPDATED,
                         .phy_updated = {.conn = link->conn,
                                         .tx = link->tx_phy,
                                         .rx = link->rx_phy,
                                         .status = bl_status_hci(status)}};

    bl_evq_push(l->radio->events, &e);
    if (link->ops[LINK_OP_PHY] && !(link->wants >> LINK_CMD_PHY & 1)) {
        link_stop_timer(l, link, LINK_TIMER_PHY);
        link_op_done(l, link, LINK_OP_PHY, bl_status_hci(status));
    }
}

int bl_links_set_data_length(struct bl_links *l, uint64_t now, uint16_t conn, uint16_t octets,
                             bl_op *op)
{
    struct bl_link *link = link_by_conn(l, conn);
    int r;

    if (octets < 27 || octets > 251) /* Core 5.4, Vol 4, Part E, 7.8.33 */
        return -EINVAL;
    if (!link)
        return -ENOTCONN;
    if (!bl_hci_supports(l->radio->hci, BL_CMD_LE_SET_DATA_LENGTH) ||
        !bl_hci_has_feature(l->radio->hci, BL_LE_DATA_LENGTH))
        return -EOPNOTSUPP;
    if ((r = link_op_begin(l, link, LINK_OP_DATA_LENGTH, op)) < 0)
        return r;
    link->octets = octets;
    link_want(l, now, link, LINK_CMD_DATA_LENGTH);
    return 0;
}
