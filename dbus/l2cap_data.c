/* SPDX-License-Identifier: MIT */

/* l2cap_data: L2cap1's Send, Receive and Available. */

#include "l2cap.h"

#include <errno.h>

/* bus_l2cap_enter(), and no socket has the channel. */
static int data_enter(struct bus_adapter *a, sd_bus_message *m, sd_bus_message_handler_t handler,
                      struct bus_channel **ret, sd_bus_error *error)
{
    struct bus_owner *owner;

    int r = bus_l2cap_enter(a, m, handler, &owner, ret, error);
    if (r != 0 || !(*ret)->socket)
        return r;
    return bus_error_set(error, BUS_BUSY, "Channel 0x%04x of connection %u is a socket of %s.",
                         (*ret)->cid, (*ret)->conn, bus_l2cap_socket_owner((*ret)->socket)->who);
}

static int send_refused(const struct bus_channel *ch, int r, size_t n, sd_bus_error *error)
{
    if (r == -EBUSY)
        return bus_error_set(error, BUS_BUSY,
                             "Channel 0x%04x of connection %u takes nothing before SendReady.",
                             ch->cid, ch->conn);
    if (r == -EMSGSIZE)
        return bus_error_invalid(error, "sdu: %zu octets are over the peer's MTU of %u.", n,
                                 ch->peer_mtu);
    if (r == -ENOENT)
        return bus_error_set(error, BUS_NOT_FOUND,
                             "Channel 0x%04x of connection %u has ended, or is being closed.",
                             ch->cid, ch->conn);
    return bus_error_errno(error, r, "channel 0x%04x of connection %u", ch->cid, ch->conn);
}

int bus_l2cap_method_send(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_channel *ch;
    const void *sdu;
    size_t n;

    int r = data_enter(a, m, bus_l2cap_method_send, &ch, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read_array(m, 'y', &sdu, &n);
    if (r < 0)
        return r;
    if (ch->state != BUS_CHANNEL_OPEN || ch->closing)
        return send_refused(ch, -ENOENT, n, error);
    r = bl_l2cap_send(a->host, bus_now(a), ch->conn, ch->cid, n > 0 ? sdu : "", n);
    if (r < 0)
        return send_refused(ch, r, n, error);
    ch->stalled = r == 0;
    bus_kick(a);
    return sd_bus_reply_method_return(m, "b", r);
}

int bus_l2cap_method_receive(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    struct bus_adapter *a = userdata;
    struct bus_channel *ch;
    const uint8_t *sdu = NULL;
    size_t n = 0;
    uint32_t max;

    int r = data_enter(a, m, bus_l2cap_method_receive, &ch, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read_basic(m, 'u', &max);
    if (r < 0)
        return r;
    bool take = max > 0 && bl_l2cap_peek(a->host, ch->conn, ch->cid, 0, &sdu, &n);
    n = take && n > max ? max : n;
    r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = sd_bus_message_append_array(reply, 'y', sdu, n);
    if (r < 0)
        return r;
    if (take) { /* there is a reply to carry it */
        (void)bl_l2cap_consume(a->host, bus_now(a), ch->conn, ch->cid, n);
        bus_kick(a);
        bus_l2cap_read_up(ch);
    }
    return sd_bus_send(NULL, reply, NULL);
}

int bus_l2cap_method_available(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_channel *ch;
    size_t octets, sdus;

    int r = data_enter(a, m, bus_l2cap_method_available, &ch, error);
    if (r != 0)
        return r;
    r = bl_l2cap_available(a->host, ch->conn, ch->cid, &octets, &sdus);
    if (r < 0) /* the link has ended: its event is on its way */
        octets = 0;
    return sd_bus_reply_method_return(m, "u", (uint32_t)octets);
}
