/* SPDX-License-Identifier: MIT */

/*
 * SDUs on their way out: cut into K-frames, which go as the peer's credits allow (Core 5.4, Vol 3,
 * Part A, 3.4.3 and 10.1).
 *
 * An SDU lies in one buffer, and its frames are cut where it lies:
 *
 *     data  0        4        6
 *           | header | length | SDU ...                          the first frame, from 0 on
 *                         | header | SDU ...                     each later one, its header over
 *                         at       4 + at                        what has been sent
 *
 * lib/hci writes its own headers in the same way. While it has a frame the whole buffer is its
 * (`flying`): a channel has one frame at a time there, which loses nothing, as the next one is cut
 * as soon as the last one has been handed on. It gives the buffer back to conn.home, where
 * l2cap_tx_fill() finds it.
 *
 *     spare --commit--> queue --> first --fill, a credit--> flying --lib/hci--> home
 *       ^                           ^                                            |
 *       '------ all has left -------+---------------- more to cut ---------------'
 *
 * Frames are as long as the peer takes them, but for an SDU's last one: some give credits for whole
 * SDUs, and count on that.
 */

#include "internal.h"

#include "base/cleanup.h"
#include "bounds.h"

#include <errno.h>
#include <string.h>

enum {
    TX_HEADER = 4,     /* length, CID: Core 5.4, Vol 3, Part A, 3.4.1 */
    TX_SDU_LENGTH = 2, /* in an SDU's first frame: 3.4.3 */
    TX_BEFORE = TX_HEADER + TX_SDU_LENGTH,
    TX_SIZE_MIN = 256, /* of an SDU in the first buffers, or the peer's MTU */
};

/* Frames for n octets, an SDU's length among them. */
static size_t tx_frames(const struct l2cap_channel *ch, size_t n)
{
    return n <= ch->peer_mps ? 1 : (n + ch->peer_mps - 1) / ch->peer_mps;
}

/* Has its turn where a frame could go. */
static void tx_turn(struct l2cap_channel *ch)
{
    struct l2cap_tx *tx = &ch->tx;

    if (tx->flying || tx->credits == 0 || (!tx->first && list_empty(&tx->queue)) ||
        !list_empty(&tx->turn))
        return;
    list_append(&ch->c->turns, &tx->turn);
    l2cap_sending(ch->c);
}

void l2cap_tx_init(struct l2cap_channel *ch)
{
    ch->tx = (struct l2cap_tx){0};
    list_init(&ch->tx.turn);
    list_init(&ch->tx.queue);
    list_init(&ch->tx.spare);
}

void l2cap_tx_deinit(struct l2cap_channel *ch)
{
    struct l2cap_tx *tx = &ch->tx;

    list_remove(&tx->turn);
    if (!tx->flying) {
        buf_free(tx->first);
    } else {
        tx->first->home = NULL; /* lib/hci frees it when its frame has gone ... */
        ch->c->frames--;
        list_each(l, next, &ch->c->home)
        {
            if (l == &tx->first->link) { /* ... unless it has */
                list_remove(l);
                buf_free(tx->first);
                break;
            }
        }
    }
    buf_free_all(&tx->queue);
    buf_free_all(&tx->spare);
    l2cap_tx_init(ch);
}

/* ---- SDUs ---- */

/* Buffers are as large as was ever asked for, for an SDU of n octets from now on: smaller ones that
 * are spare go. */
static void tx_larger(struct l2cap_tx *tx, size_t n)
{
    tx->size = n;
    list_each(l, next, &tx->spare)
    {
        struct buf *b = list_entry(l, struct buf, link);
        if (b->cap < TX_BEFORE + n) {
            list_remove(l);
            buf_free(b);
            tx->n_spare--;
        }
    }
}

/* For the next SDU, unless it is from before they became larger. */
static void tx_put(struct l2cap_tx *tx, struct buf *b)
{
    if (b->cap < TX_BEFORE + tx->size) {
        buf_free(b);
        return;
    }
    list_append(&tx->spare, &b->link);
    tx->n_spare++;
}

/* Whether n spare buffers are there, having made them. */
static bool tx_spare(struct l2cap_tx *tx, size_t n)
{
    while (tx->n_spare < n) {
        struct buf *b = buf_new(TX_BEFORE + tx->size);
        if (!b)
            return false;
        list_append(&tx->spare, &b->link);
        tx->n_spare++;
    }
    return true;
}

/* How many SDUs of the peer's MTU may be put into places at once. */
static size_t tx_slots(const struct l2cap_channel *ch)
{
    const struct l2cap_tx *tx = &ch->tx;

    if (tx->stalled)
        return 0;
    size_t n = (BL_MAX_CHANNEL_TX - tx->octets) / ch->peer_mtu;
    size_t places = BL_L2CAP_SLOTS - tx->n_queue;
    n = n > 0 ? n : 1;
    return n < places ? n : places;
}

/* The first spare buffer, which holds an SDU of n octets, is to be sent. */
static void tx_queue(struct l2cap_channel *ch, size_t n)
{
    struct l2cap_tx *tx = &ch->tx;
    struct buf *b = list_entry(tx->spare.next, struct buf, link);

    list_remove(&b->link);
    tx->n_spare--;
    b->data[TX_HEADER] = (uint8_t)n;
    b->data[TX_HEADER + 1] = (uint8_t)(n >> 8);
    b->len = TX_BEFORE + n;
    list_append(&tx->queue, &b->link);
    tx->n_queue++;
    tx->octets += n;
    tx->need += tx_frames(ch, TX_SDU_LENGTH + n);
}

/* What the sender is told, once all it had is in the queue. */
static int tx_taken(struct l2cap_channel *ch)
{
    struct l2cap_tx *tx = &ch->tx;

    tx_turn(ch);
    tx->stalled =
        tx->need > tx->credits || tx->n_queue >= BL_L2CAP_SLOTS || tx->octets >= BL_MAX_CHANNEL_TX;
    return !tx->stalled;
}

int bl_l2cap_tx_send(struct l2cap_channel *ch, uint64_t now, const void *sdu, size_t n)
{
    (void)now;
    if (ch->state != L2CAP_OPEN)
        return -ENOENT;
    if (n > ch->peer_mtu)
        return -EMSGSIZE;
    if (ch->tx.stalled)
        return -EBUSY;
    if (n > ch->tx.size) { /* the peer's MTU may be far more than what anybody sends */
        size_t size = TX_SIZE_MIN;
        while (size < n)
            size *= 2;
        tx_larger(&ch->tx, size < ch->peer_mtu ? size : ch->peer_mtu);
    }
    if (!tx_spare(&ch->tx, 1))
        return -ENOMEM;
    if (n > 0)
        memcpy(list_entry(ch->tx.spare.next, struct buf, link)->data + TX_BEFORE, sdu, n);
    tx_queue(ch, n);
    return tx_taken(ch);
}

size_t bl_l2cap_tx_slots(struct l2cap_channel *ch, struct bl_l2cap_slot *ret, size_t max)
{
    struct l2cap_tx *tx = &ch->tx;
    size_t n = 0, most = tx_slots(ch);

    if (ch->state != L2CAP_OPEN || most == 0)
        return 0;
    if (tx->size < ch->peer_mtu)
        tx_larger(tx, ch->peer_mtu);
    if (max > most)
        max = most;
    (void)tx_spare(tx, max); /* fewer will do */
    list_each(l, next, &tx->spare)
    {
        if (n == max)
            break;
        ret[n].data = list_entry(l, struct buf, link)->data + TX_BEFORE;
        ret[n++].size = tx->size;
    }
    return n;
}

int bl_l2cap_tx_commit(struct l2cap_channel *ch, uint64_t now, const size_t *len, size_t n)
{
    struct l2cap_tx *tx = &ch->tx;

    (void)now;
    if (ch->state != L2CAP_OPEN)
        return -ENOENT;
    if (n > 0 && (n > tx->n_spare || n > tx_slots(ch)))
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (len[i] > tx->size)
            return -EINVAL;
    for (size_t i = 0; i < n; i++)
        tx_queue(ch, len[i]);
    return n > 0 ? tx_taken(ch) : !tx->stalled;
}

void l2cap_tx_resized(struct l2cap_channel *ch)
{
    struct l2cap_tx *tx = &ch->tx;
    /* Places that bl_l2cap_slots() has named stay until they are asked for again. The frames to
     * come are of the new MPS, the rest of an SDU among them. */
    tx->need = tx->first && tx->at < tx->total ? tx_frames(ch, tx->total - tx->at) : 0;
    list_each(l, next, &tx->queue)
    {
        tx->need += tx_frames(ch, list_entry(l, struct buf, link)->len - TX_HEADER);
    }
}

/* ---- frames ---- */

/* Core 5.4, Vol 3, Part A, 4.24: more than 65535 in all ends the channel. */
bool l2cap_tx_credits(struct l2cap_channel *ch, uint64_t now, uint16_t credits)
{
    (void)now;
    if (credits > UINT16_MAX - ch->tx.credits)
        return false;
    ch->tx.credits = (uint16_t)(ch->tx.credits + credits);
    tx_turn(ch);
    return true;
}

/* The next frame of the first SDU to lib/hci; false: there is no room, all is as it was. */
static bool tx_cut(struct l2cap_channel *ch)
{
    struct l2cap_tx *tx = &ch->tx;
    struct bl_l2cap_conn *c = ch->c;
    struct buf *b = tx->first;

    if (!b) {
        b = tx->first = list_entry(tx->queue.next, struct buf, link);
        list_remove(&b->link);
        tx->total = b->len - TX_HEADER;
        tx->at = 0;
    }
    size_t left = tx->total - tx->at, n = left < ch->peer_mps ? left : ch->peer_mps;
    uint8_t *header = b->data + tx->at;
    header[0] = (uint8_t)n;
    header[1] = (uint8_t)(n >> 8);
    header[2] = (uint8_t)ch->peer_cid;
    header[3] = (uint8_t)(ch->peer_cid >> 8);
    b->start = tx->at;
    b->len = tx->at + TX_HEADER + n;
    b->tag = ch->cid;
    b->home = &c->home;
    if (bl_hci_send(c->l->hci, c->handle, b) < 0) {
        list_remove(&b->link); /* it has come home at once */
        b->home = NULL;
        return false;
    }
    tx->flying = true;
    tx->at += n;
    tx->credits--;
    tx->need--;
    c->frames++;
    return true;
}

/* lib/hci is done with this one's frame. */
static void tx_landed(struct l2cap_channel *ch, uint64_t now)
{
    struct l2cap_tx *tx = &ch->tx;
    tx->first->home = NULL;
    tx->flying = false;
    ch->c->frames--;
    if (tx->at == tx->total) {
        tx->sdus++;
        tx->bytes += tx->total - TX_SDU_LENGTH;
        tx->octets -= tx->total - TX_SDU_LENGTH;
        ch->c->l->counters[BL_L2CAP_N_TX_SDUS]++;
        tx->n_queue--;
        tx_put(tx, steal_ptr(tx->first));
        if (tx->n_queue == 0 && (tx->stalled || ch->state == L2CAP_DRAINING))
            l2cap_channel_drained(ch, now);
    }
    tx_turn(ch);
}

/* After Disconnection Request nothing is sent: Core 5.4, Vol 3, Part A, 4.6. */
static bool tx_open(const struct l2cap_channel *ch)
{
    return ch->state == L2CAP_OPEN || ch->state == L2CAP_DRAINING;
}

unsigned l2cap_tx_fill(struct bl_l2cap_conn *c, uint64_t now)
{
    unsigned n = 0;
    struct list *l;

    while ((l = list_pop(&c->home)))
        tx_landed(c->channels[list_entry(l, struct buf, link)->tag - BL_L2CAP_CID_MIN], now);
    while (c->frames < BL_MAX_CHANNEL_FRAMES && (l = list_pop(&c->turns))) {
        struct l2cap_channel *ch = list_entry(l, struct l2cap_channel, tx.turn);
        if (!tx_open(ch))
            continue;
        if (!tx_cut(ch)) {
            list_prepend(&c->turns, l);
            break;
        }
        n++;
    }
    return n;
}

/* ---- and of both ways ---- */

void bl_l2cap_channel_info(const struct l2cap_channel *ch, struct bl_l2cap_info *ret)
{
    *ret = (struct bl_l2cap_info){
        .psm = ch->psm,
        .peer_cid = ch->peer_cid,
        .our_mtu = ch->our_mtu,
        .peer_mtu = ch->peer_mtu,
        .our_mps = ch->our_mps,
        .peer_mps = ch->peer_mps,
        .credits = ch->tx.credits,
        .peer_credits = ch->rx.credits,
        .tx_frames = ch->tx.need,
        .enhanced = ch->enhanced,
        .incoming = ch->incoming,
        .open = ch->state == L2CAP_OPEN,
        .tx_sdus = ch->tx.sdus,
        .rx_sdus = ch->rx.total_sdus,
        .tx_bytes = ch->tx.bytes,
        .rx_bytes = ch->rx.total_bytes,
    };
}
