/* SPDX-License-Identifier: MIT */

/*
 * host_l2cap: the commands about channels. Each hands its arguments to lib/l2cap; what follows goes
 * out at once, or when there is room for it, and needs no turn of the rest. What ends with the
 * controller (listeners among them) needs one that is ready.
 */

#include "host_internal.h"

#include <errno.h>

/* The channel that a command is about. */
static int l2cap_channel(const struct bl_host *host, uint16_t conn, uint16_t cid,
                         struct l2cap_channel **ret)
{
    int error = -ENETDOWN;

    *ret = bl_host_ready(host) ? bl_l2cap_channel(&host->l2cap, conn, cid, &error) : NULL;
    return *ret ? 0 : error;
}

/* ---- listening ---- */

int bl_l2cap_listen(struct bl_host *host, const struct bl_l2cap_listen *params)
{
    return bl_host_ready(host) ? bl_l2cap_do_listen(&host->l2cap, params) : -ENETDOWN;
}

int bl_l2cap_unlisten(struct bl_host *host, uint64_t now, uint16_t psm)
{
    return bl_host_ready(host) ? bl_l2cap_do_unlisten(&host->l2cap, now, psm) : -ENETDOWN;
}

int bl_l2cap_reply(struct bl_host *host, uint64_t now, uint32_t request, uint16_t result)
{
    return bl_host_ready(host) ? bl_l2cap_do_reply(&host->l2cap, now, request, result) : -ENETDOWN;
}

/* ---- connecting ---- */

int bl_l2cap_connect(struct bl_host *host, uint64_t now, uint16_t conn,
                     const struct bl_l2cap_connect *params, bl_op *op)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return bl_l2cap_do_connect(&host->l2cap, now, conn, params, op);
}

int bl_l2cap_reconfigure(struct bl_host *host, uint64_t now, uint16_t conn, const uint16_t *cids,
                         size_t n, uint16_t mtu, uint16_t mps, bl_op *op)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return bl_l2cap_do_reconfigure(&host->l2cap, now, conn, cids, n, mtu, mps, op);
}

int bl_l2cap_disconnect(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t cid, bl_op *op)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    return bl_l2cap_do_disconnect(&host->l2cap, now, conn, cid, op);
}

/* ---- data ---- */

int bl_l2cap_send(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t cid, const void *sdu,
                  size_t n)
{
    struct l2cap_channel *ch;
    int r = l2cap_channel(host, conn, cid, &ch);

    return r < 0 ? r : bl_l2cap_tx_send(ch, now, sdu, n);
}

size_t bl_l2cap_slots(struct bl_host *host, uint16_t conn, uint16_t cid, struct bl_l2cap_slot *ret,
                      size_t max)
{
    struct l2cap_channel *ch;

    return l2cap_channel(host, conn, cid, &ch) < 0 ? 0 : bl_l2cap_tx_slots(ch, ret, max);
}

int bl_l2cap_commit(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t cid,
                    const size_t *len, size_t n)
{
    struct l2cap_channel *ch;
    int r = l2cap_channel(host, conn, cid, &ch);

    return r < 0 ? r : bl_l2cap_tx_commit(ch, now, len, n);
}

int bl_l2cap_available(const struct bl_host *host, uint16_t conn, uint16_t cid, size_t *ret_bytes,
                       size_t *ret_sdus)
{
    struct l2cap_channel *ch;
    int r = l2cap_channel(host, conn, cid, &ch);

    if (r == 0)
        bl_l2cap_rx_available(ch, ret_bytes, ret_sdus);
    return r;
}

bool bl_l2cap_peek(const struct bl_host *host, uint16_t conn, uint16_t cid, size_t index,
                   const uint8_t **ret_sdu, size_t *ret_len)
{
    struct l2cap_channel *ch;

    return l2cap_channel(host, conn, cid, &ch) == 0 &&
           bl_l2cap_rx_peek(ch, index, ret_sdu, ret_len);
}

int bl_l2cap_consume(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t cid, size_t n)
{
    struct l2cap_channel *ch;
    int r = l2cap_channel(host, conn, cid, &ch);

    return r < 0 ? r : bl_l2cap_rx_consume(ch, now, n);
}

int bl_l2cap_consume_sdus(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t cid,
                          size_t sdus)
{
    struct l2cap_channel *ch;
    int r = l2cap_channel(host, conn, cid, &ch);

    return r < 0 ? r : bl_l2cap_rx_consume_sdus(ch, now, sdus);
}

int bl_l2cap_info(const struct bl_host *host, uint16_t conn, uint16_t cid,
                  struct bl_l2cap_info *ret)
{
    struct l2cap_channel *ch;
    int r = l2cap_channel(host, conn, cid, &ch);

    if (r == 0)
        bl_l2cap_channel_info(ch, ret);
    return r;
}
