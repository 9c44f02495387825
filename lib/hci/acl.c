/* SPDX-License-Identifier: MIT */

/*
 * ACL data. Out: each link has a bounded queue of PDUs; links that have something to send stand in
 * line and send one fragment each, so that a long queue here does not hold up a short one there.
 * The controller's buffers are counted per handle: Number Of Completed Packets gives them back,
 * and so does a disconnection (Core 5.4, Vol 4, Part E, 4.3). While other links have nothing in
 * the controller, a busy one leaves them up to half of the buffers: a peer that is out of range
 * would else hold them all until its supervision timeout.
 *
 * A PDU's fragments are sent from where it lies: the first header goes into the room before it,
 * each later one over octets that have been sent.
 *
 * In: a PDU within one packet is handed on as it lies in the packet; others are joined in a buffer
 * of the link, which grows with what has arrived, not with what a peer promises.
 */

#include "internal.h"

#include "base/cleanup.h"
#include "base/timerq.h"
#include "base/wr.h"

#include <errno.h>
#include <stdlib.h>

enum { /* packet boundary flags: Core 5.4, Vol 4, Part E, 5.4.2 */
       ACL_FIRST_NON_FLUSHABLE = 0,
       ACL_CONTINUING = 1,
       ACL_FIRST_FLUSHABLE = 2,
};

#define ACL_RX_CAP_MIN 256

static void acl_link_clear(struct hci_link *link)
{
    buf_free_all(&link->queue);
    list_remove(&link->turn);
    if (link->rx)
        explicit_bzero(link->rx, link->rx_cap); /* keys that peers hand out come through here */
    free(link->rx);
    *link = (struct hci_link){0};
}

void acl_clear(struct hci_acl *acl)
{
    for (size_t i = 0; acl->n_links > 0 && i < ARRAY_LEN(acl->links); i++)
        if (acl->links[i].used) {
            acl->index[acl->links[i].handle] = 0;
            acl_link_clear(&acl->links[i]);
            acl->n_links--;
        }
    acl->lent = buf_free(acl->lent);
    list_init(&acl->turns);
    acl->idle_links = acl->used = 0;
}

struct hci_link *acl_find(const struct hci_acl *acl, uint16_t handle)
{
    if (handle >= HCI_HANDLES || acl->index[handle] == 0)
        return NULL;
    return (struct hci_link *)(uintptr_t)&acl->links[acl->index[handle] - 1];
}

int acl_add(struct hci_acl *acl, uint16_t handle, const struct bl_addr *peer)
{
    const struct hci_link *old = acl_find(acl, handle);

    if (old && bl_addr_eq(&old->peer, peer))
        return -EEXIST;
    if (old)
        acl_remove(acl, handle);
    for (size_t i = 0; i < ARRAY_LEN(acl->links); i++) {
        struct hci_link *link = &acl->links[i];
        if (link->used)
            continue;
        *link = (struct hci_link){.handle = handle, .peer = *peer, .used = true};
        list_init(&link->turn);
        list_init(&link->queue);
        acl->index[handle] = (uint8_t)(i + 1);
        acl->n_links++;
        acl->idle_links++;
        return 0;
    }
    return -ENOSPC;
}

/* Core 5.4, Vol 4, Part E, 4.3: the buffers of a handle that has gone are free again. */
bool acl_remove(struct hci_acl *acl, uint16_t handle)
{
    struct hci_link *link = acl_find(acl, handle);

    if (!link)
        return false;
    acl->used -= link->in_flight;
    if (link->in_flight == 0)
        acl->idle_links--;
    acl->index[handle] = 0;
    acl->n_links--;
    acl_link_clear(link);
    return true;
}

/* ---- in ---- */

static void acl_drop(struct bl_hci *hci, struct hci_link *link, const char *text, unsigned number)
{
    if (link) {
        link->stats.rx_dropped++;
        link->rx_open = false;
    }
    bl_hci_complain(hci, HCI_N_ACL_DROPPED, HCI_SAID_ACL, text, number);
}

/* Room for n more octets of the PDU being joined. */
static bool acl_grow(struct hci_link *link, size_t n)
{
    size_t cap = link->rx_cap ? link->rx_cap : ACL_RX_CAP_MIN;

    if (n <= link->rx_cap - link->rx_len)
        return true;
    while (n > cap - link->rx_len)
        cap *= 2;              /* at most twice BL_MAX_L2CAP_PDU: the caller has checked the sum */
    uint8_t *rx = malloc(cap); /* not realloc: the old octets may be keys, and are wiped */
    if (!rx)
        return false;
    if (link->rx) {
        memcpy(rx, link->rx, link->rx_len);
        explicit_bzero(link->rx, link->rx_cap);
    }
    free(link->rx);
    link->rx = rx;
    link->rx_cap = cap;
    return true;
}

static size_t acl_pdu_size(const uint8_t *p)
{
    struct rd r = rd_make(p, 2);

    return (size_t)rd_u16(&r) + HCI_L2CAP_HEADER;
}

static void acl_pdu(const struct hci_link *link, const uint8_t *p, size_t n, struct bl_hci_in *ret)
{
    struct rd r = rd_make(p, n);

    rd_u16(&r);
    *ret = (struct bl_hci_in){.kind = BL_HCI_PDU, .pdu = {.handle = link->handle}};
    ret->pdu.cid = rd_u16(&r);
    ret->pdu.data = r.p;
    ret->pdu.len = r.left;
}

/* One more fragment of the PDU that is open; true when that completes it. */
static bool acl_join(struct bl_hci *hci, struct hci_link *link, const uint8_t *p, size_t n,
                     struct bl_hci_in *ret)
{
    if (n > BL_MAX_L2CAP_PDU - link->rx_len ||
        (link->rx_want && n > link->rx_want - link->rx_len)) {
        acl_drop(hci, link, "a fragment is longer than its PDU (%u octets)", (unsigned)n);
        return false;
    }
    if (!acl_grow(link, n)) {
        acl_drop(hci, link, "no memory to join a PDU (%u octets)", (unsigned)n);
        return false;
    }
    if (n > 0)
        memcpy(link->rx + link->rx_len, p, n);
    link->rx_len += n;
    if (link->rx_want == 0 && link->rx_len >= HCI_L2CAP_HEADER) {
        link->rx_want = acl_pdu_size(link->rx);
        if (link->rx_len > link->rx_want) {
            acl_drop(hci, link, "a fragment is longer than its PDU (%u octets)", (unsigned)n);
            return false;
        }
    }
    if (link->rx_want == 0 || link->rx_len < link->rx_want)
        return false;
    link->rx_open = false;
    acl_pdu(link, link->rx, link->rx_len, ret);
    return true;
}

static bool acl_start(struct bl_hci *hci, struct hci_link *link, const uint8_t *p, size_t n,
                      struct bl_hci_in *ret)
{
    if (link->rx_open)
        acl_drop(hci, link, "a PDU begins before the last one has ended (%u octets lost)",
                 (unsigned)link->rx_len);
    if (n == 0) {
        acl_drop(hci, link, "an empty packet begins a PDU on handle %u", link->handle);
        return false;
    }
    if (n >= HCI_L2CAP_HEADER && acl_pdu_size(p) == n) {
        acl_pdu(link, p, n, ret); /* whole, as most are: not copied */
        return true;
    }
    link->rx_open = true;
    link->rx_len = link->rx_want = 0;
    return acl_join(hci, link, p, n, ret);
}

bool acl_receive(struct bl_hci *hci, const uint8_t *p, size_t n, struct bl_hci_in *ret)
{
    struct rd r = rd_make(p, n);
    uint16_t field = rd_u16(&r), length = rd_u16(&r);
    struct hci_link *link = acl_find(&hci->acl, field & 0x0fff);
    unsigned boundary = field >> 12 & 3, broadcast = field >> 14;

    if (!rd_ok(&r) || length != r.left) {
        acl_drop(hci, NULL, "an ACL packet's length is wrong (%u octets)", (unsigned)n);
        return false;
    }
    if (!link) {
        acl_drop(hci, NULL, "ACL data for handle 0x%04x, which is no connection", field & 0x0fff);
        return false;
    }
    hci->counters[HCI_N_ACL_RX]++;
    hci->counters[HCI_N_ACL_RX_BYTES] += length;
    link->stats.rx_packets++;
    link->stats.rx_bytes += length;
    if (broadcast != 0) {
        acl_drop(hci, link, "an ACL packet's broadcast flag is %u", broadcast);
        return false;
    }
    /* Only the flushable kind may come from a controller; some send the other (5.4.2). */
    if (boundary == ACL_FIRST_FLUSHABLE || boundary == ACL_FIRST_NON_FLUSHABLE)
        return acl_start(hci, link, r.p, r.left, ret);
    if (boundary != ACL_CONTINUING || !link->rx_open) {
        acl_drop(hci, link, "an ACL fragment continues nothing (boundary flag %u)", boundary);
        return false;
    }
    return acl_join(hci, link, r.p, r.left, ret);
}

/* ---- out ---- */

int bl_hci_send(struct bl_hci *hci, uint16_t handle, struct buf *b)
{
    struct hci_link *link = hci->state == HCI_UP ? acl_find(&hci->acl, handle) : NULL;
    int r = !link                                   ? -ENOTCONN
            : link->queued >= BL_MAX_TX_PDUS        ? -ENOBUFS
            : b->start >= b->len || b->len > b->cap ? -EINVAL
                                                    : 0;

    if (r < 0) {
        hci->counters[HCI_N_TX_REFUSED]++;
        buf_free(b);
        return r;
    }
    b->sent = b->start;
    list_append(&link->queue, &b->link);
    link->queued++;
    bl_hci_high_water(hci, HCI_N_TX_HIGH_WATER, link->queued);
    if (list_empty(&link->turn))
        list_append(&hci->acl.turns, &link->turn);
    return 0;
}

/* May this link take one more of the controller's buffers? */
static bool acl_may_send(const struct bl_hci *hci, const struct hci_link *link)
{
    const struct hci_acl *acl = &hci->acl;
    unsigned unused = hci->caps.acl_num > acl->used ? hci->caps.acl_num - acl->used : 0;
    unsigned kept = acl->idle_links;

    if (link->in_flight == 0)
        return unused > 0;
    if (kept > hci->caps.acl_num / 2u)
        kept = hci->caps.acl_num / 2u;
    return unused > kept;
}

static struct hci_link *acl_next_link(const struct bl_hci *hci)
{
    list_each(l, next, &hci->acl.turns)
    {
        struct hci_link *link = list_entry(l, struct hci_link, turn);
        if (acl_may_send(hci, link))
            return link;
    }
    return NULL;
}

/* The next fragment of b, with its header before it: in the headroom, or where the last fragment
 * lay, or what was before the PDU. */
static size_t acl_fragment(const struct bl_hci *hci, uint16_t handle, struct buf *b,
                           const uint8_t **bytes)
{
    size_t left = b->len - b->sent, n = left < hci->caps.acl_len ? left : hci->caps.acl_len;
    uint8_t *at = (uint8_t *)b + offsetof(struct buf, data) + b->sent - HCI_ACL_HEADER;
    struct wr w = wr_make(at, HCI_ACL_HEADER);
    unsigned boundary = b->sent > b->start ? ACL_CONTINUING : ACL_FIRST_NON_FLUSHABLE;

    wr_u8(&w, HCI_H4_ACL);
    wr_u16(&w, (uint16_t)(handle | boundary << 12));
    wr_u16(&w, (uint16_t)n);
    b->sent += n;
    *bytes = at;
    return HCI_ACL_HEADER + n;
}

void bl_hci_taken(struct bl_hci *hci)
{
    if (hci->acl.lent)
        hci->acl.lent = buf_free(hci->acl.lent);
}

size_t acl_next_tx(struct bl_hci *hci, const uint8_t **bytes)
{
    struct hci_acl *acl = &hci->acl;

    bl_hci_taken(hci);
    struct hci_link *link = acl_next_link(hci);
    if (!link)
        return 0;

    struct buf *b = list_entry(link->queue.next, struct buf, link);
    size_t n = acl_fragment(hci, link->handle, b, bytes);
    if (b->sent == b->len) {
        list_remove(&b->link);
        link->queued--;
        link->stats.tx_pdus++;
        acl->lent = b;
    }
    list_remove(&link->turn);
    if (link->queued > 0)
        list_append(&acl->turns, &link->turn);
    if (link->in_flight++ == 0)
        acl->idle_links--;
    acl->used++;
    hci->counters[HCI_N_ACL_TX]++;
    hci->counters[HCI_N_ACL_TX_BYTES] += n - HCI_ACL_HEADER;
    link->stats.tx_packets++;
    link->stats.tx_bytes += n - HCI_ACL_HEADER;
    return n;
}

/* 7.7.19: pairs of a handle and a number, one pair after the other. */
bool acl_completed(struct bl_hci *hci, const uint8_t *params, size_t n)
{
    struct rd r = rd_make(params, n);
    uint8_t pairs = rd_u8(&r);

    if (!rd_ok(&r) || r.left != pairs * 4u)
        return false;
    while (pairs-- > 0) {
        uint16_t handle = rd_u16(&r) & 0x0fff, count = rd_u16(&r);
        struct hci_link *link = acl_find(&hci->acl, handle);
        unsigned most = link ? link->in_flight : 0;

        if (count > most) {
            bl_hci_complain(
                hci, HCI_N_ACL_OVERCOMPLETED, HCI_SAID_OVERCOMPLETED,
                "the controller has completed more packets than it was sent (handle %u)", handle);
            count = (uint16_t)most;
        }
        if (!link || count == 0)
            continue;
        link->in_flight -= count;
        hci->acl.used -= count;
        if (link->in_flight == 0)
            hci->acl.idle_links++;
    }
    return true;
}

unsigned bl_hci_queued(const struct bl_hci *hci, uint16_t handle)
{
    const struct hci_link *link = acl_find(&hci->acl, handle);

    return link ? link->queued + link->in_flight : 0;
}

unsigned bl_hci_queued_beside(const struct bl_hci *hci, uint16_t handle)
{
    const struct hci_link *link = acl_find(&hci->acl, handle);
    unsigned n = 0;

    if (!link)
        return 0;
    list_each(l, next, &link->queue)
    {
        n += !list_entry(l, struct buf, link)->home;
    }
    return n + (link->in_flight < BL_MAX_CHANNEL_FRAMES ? link->in_flight : BL_MAX_CHANNEL_FRAMES);
}

bool bl_hci_link_stats(const struct bl_hci *hci, uint16_t handle, struct bl_hci_link_stats *ret)
{
    const struct hci_link *link = acl_find(&hci->acl, handle);

    if (link) {
        *ret = link->stats;
        ret->queued = link->queued;
    }
    return link != NULL;
}
