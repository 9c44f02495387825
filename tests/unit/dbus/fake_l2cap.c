/* SPDX-License-Identifier: MIT */

/* The part of channels: commands are numbered and kept; a channel is there when a test says so. */

#include "fake_host.h"

#include <errno.h>
#include <string.h>

enum { SLOT_MAX = 65535, SLOTS_TOGETHER = 65536 };

static uint8_t slots[BL_L2CAP_SLOTS][SLOT_MAX];

uint32_t fake_l2cap_sum(uint32_t sum, const uint8_t *sdu, size_t n)
{
    sum = (sum ^ (uint32_t)n) * 16777619u;
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ sdu[i]) * 16777619u;
    return sum;
}

struct fake_channel *fake_l2cap_find(struct bl_host *host, uint16_t conn, uint16_t cid)
{
    for (size_t i = 0; i < FAKE_CHANNELS; i++) {
        struct fake_channel *ch = &host->l2cap.channels[i];
        if (ch->there && ch->conn == conn && ch->cid == cid)
            return ch;
    }
    return NULL;
}

struct fake_channel *fake_l2cap_open(struct bl_host *host, uint16_t conn, uint16_t cid,
                                     uint16_t peer_mtu)
{
    size_t i = 0;

    while (host->l2cap.channels[i].there && i < FAKE_CHANNELS - 1)
        i++;
    host->l2cap.channels[i] = (struct fake_channel){
        .there = true, .conn = conn, .cid = cid, .peer_mtu = peer_mtu, .room = 1u << 30};
    return &host->l2cap.channels[i];
}

void fake_l2cap_put(struct fake_channel *ch, const uint8_t *sdu, size_t n)
{
    ch->rx[ch->n_rx].p = sdu;
    ch->rx[ch->n_rx].n = n;
    ch->n_rx++;
}

static const struct fake_channel *find(const struct bl_host *host, uint16_t conn, uint16_t cid)
{
    return fake_l2cap_find((struct bl_host *)(uintptr_t)host, conn, cid);
}

int bl_l2cap_listen(struct bl_host *host, const struct bl_l2cap_listen *params)
{
    if (host->l2cap.result < 0)
        return host->l2cap.result;
    if (host->l2cap.listening[params->psm])
        return -EEXIST;
    host->l2cap.listening[params->psm] = true;
    host->l2cap.listen = *params;
    host->l2cap.listens++;
    return 0;
}

int bl_l2cap_unlisten(struct bl_host *host, uint64_t now, uint16_t psm)
{
    (void)now;
    host->l2cap.unlistens++;
    if (!host->l2cap.listening[psm])
        return -ENOENT;
    host->l2cap.listening[psm] = false;
    return 0;
}

int bl_l2cap_reply(struct bl_host *host, uint64_t now, uint32_t request, uint16_t result)
{
    (void)now;
    if (result == 1 || result == 3 || result > BL_L2CAP_INVALID_PARAMETERS)
        return -EINVAL;
    host->l2cap.replies++;
    host->l2cap.request = request;
    host->l2cap.reply = result;
    if (host->l2cap.n_answers < FAKE_CHANNELS) {
        host->l2cap.answers[host->l2cap.n_answers].request = request;
        host->l2cap.answers[host->l2cap.n_answers++].result = result;
    }
    return host->l2cap.result;
}

int bl_l2cap_connect(struct bl_host *host, uint64_t now, uint16_t conn,
                     const struct bl_l2cap_connect *params, bl_op *op)
{
    (void)now, (void)conn;
    if (host->l2cap.result < 0)
        return host->l2cap.result;
    host->l2cap.connects++;
    host->l2cap.connect = *params;
    *op = ++host->last_op;
    return 0;
}

int bl_l2cap_reconfigure(struct bl_host *host, uint64_t now, uint16_t conn, const uint16_t *cids,
                         size_t n, uint16_t mtu, uint16_t mps, bl_op *op)
{
    (void)now, (void)conn, (void)cids, (void)n;
    if (host->l2cap.result < 0)
        return host->l2cap.result;
    host->l2cap.reconfigures++;
    host->l2cap.mtu = mtu;
    host->l2cap.mps = mps;
    *op = ++host->last_op;
    return 0;
}

int bl_l2cap_disconnect(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t cid, bl_op *op)
{
    struct fake_channel *ch = fake_l2cap_find(host, conn, cid);

    (void)now;
    host->l2cap.disconnects++;
    if (ch)
        ch->disconnecting = true;
    if (op)
        *op = ++host->last_op;
    return ch ? 0 : -ENOENT;
}

static int take(struct fake_channel *ch, const uint8_t *sdu, size_t n)
{
    ch->sent++;
    ch->sent_octets += n;
    ch->last = n;
    ch->sum = fake_l2cap_sum(ch->sum, sdu, n);
    if (ch->room > 0)
        ch->room--;
    ch->busy = ch->room == 0;
    return ch->busy ? 0 : 1;
}

int bl_l2cap_send(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t cid, const void *sdu,
                  size_t n)
{
    struct fake_channel *ch = fake_l2cap_find(host, conn, cid);

    (void)now;
    if (!ch || ch->disconnecting)
        return -ENOENT;
    if (n > ch->peer_mtu)
        return -EMSGSIZE;
    if (ch->busy)
        return -EBUSY;
    return host->l2cap.result < 0 ? host->l2cap.result : take(ch, sdu, n);
}

size_t bl_l2cap_slots(struct bl_host *host, uint16_t conn, uint16_t cid, struct bl_l2cap_slot *ret,
                      size_t max)
{
    struct fake_channel *ch = fake_l2cap_find(host, conn, cid);
    size_t n = 0;

    if (!ch || ch->busy || ch->disconnecting || host->l2cap.no_memory)
        return 0;
    do {
        ret[n] = (struct bl_l2cap_slot){slots[n], ch->peer_mtu};
        n++;
    } while (n < max && (n + 1) * ch->peer_mtu <= SLOTS_TOGETHER);
    return n;
}

int bl_l2cap_commit(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t cid,
                    const size_t *len, size_t n)
{
    struct fake_channel *ch = fake_l2cap_find(host, conn, cid);
    int r = 1;

    (void)now;
    if (!ch || ch->disconnecting)
        return -ENOENT;
    if (host->l2cap.result < 0)
        return host->l2cap.result;
    host->l2cap.commits++;
    for (size_t i = 0; i < n; i++)
        r = take(ch, slots[i], len[i]);
    return r;
}

int bl_l2cap_available(const struct bl_host *host, uint16_t conn, uint16_t cid, size_t *ret_bytes,
                       size_t *ret_sdus)
{
    const struct fake_channel *ch = find(host, conn, cid);

    if (!ch)
        return -ENOENT;
    *ret_bytes = 0;
    *ret_sdus = ch->n_rx;
    for (size_t i = 0; i < ch->n_rx; i++)
        *ret_bytes += ch->rx[i].n;
    return 0;
}

bool bl_l2cap_peek(const struct bl_host *host, uint16_t conn, uint16_t cid, size_t index,
                   const uint8_t **ret_sdu, size_t *ret_len)
{
    const struct fake_channel *ch = find(host, conn, cid);

    if (!ch || index >= ch->n_rx)
        return false;
    *ret_sdu = ch->rx[index].p;
    *ret_len = ch->rx[index].n;
    return true;
}

static void drop(struct fake_channel *ch, size_t sdus)
{
    ch->n_rx -= sdus;
    memmove(ch->rx, ch->rx + sdus, ch->n_rx * sizeof(ch->rx[0]));
}

int bl_l2cap_consume(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t cid, size_t n)
{
    struct fake_channel *ch = fake_l2cap_find(host, conn, cid);

    (void)now;
    if (!ch || ch->n_rx == 0)
        return -ENOENT;
    if (n > ch->rx[0].n)
        return -EINVAL;
    ch->rx[0].p += n;
    ch->rx[0].n -= n;
    if (ch->rx[0].n == 0)
        drop(ch, 1);
    return 0;
}

int bl_l2cap_consume_sdus(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t cid,
                          size_t sdus)
{
    struct fake_channel *ch = fake_l2cap_find(host, conn, cid);

    (void)now;
    if (!ch)
        return -ENOENT;
    if (sdus > ch->n_rx)
        return -EINVAL;
    drop(ch, sdus);
    return 0;
}

int bl_l2cap_info(const struct bl_host *host, uint16_t conn, uint16_t cid,
                  struct bl_l2cap_info *ret)
{
    const struct fake_channel *ch = find(host, conn, cid);

    if (!ch)
        return -ENOENT;
    *ret = (struct bl_l2cap_info){
        .peer_mtu = ch->peer_mtu, .enhanced = ch->enhanced, .tx_frames = ch->frames};
    return 0;
}
