/* SPDX-License-Identifier: MIT */

#include "data_rig.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

enum { RIG_HANDLE = 0x40 };

/* ---- stand-ins ---- */

static struct rig *rig_of_conn(const struct bl_l2cap_conn *c)
{
    return (struct rig *)(uintptr_t)((const char *)c->l - offsetof(struct rig, l));
}

struct rig *rig_of(const struct l2cap_channel *ch)
{
    return rig_of_conn(ch->c);
}

static unsigned rig_link(const struct l2cap_channel *ch)
{
    return (unsigned)(ch->c - rig_of(ch)->c);
}

struct rig_peer *rig_peer(const struct l2cap_channel *ch)
{
    return &rig_of(ch)->peer[rig_link(ch)][ch->cid - BL_L2CAP_CID_MIN];
}

uint8_t l2cap_next_id(struct bl_l2cap_conn *c)
{
    return c->last_id = c->last_id == 255 ? 1 : (uint8_t)(c->last_id + 1);
}

int l2cap_command(struct bl_l2cap_conn *c, const struct bl_sig *sig)
{
    struct rig *r = rig_of_conn(c);

    if (r->deny)
        return -ENOBUFS;
    r->sig[r->n_sig++ % 64] = *sig;
    return 0;
}

void l2cap_sending(struct bl_l2cap_conn *c)
{
    if (list_empty(&c->sending))
        list_append(&c->l->sending, &c->sending);
}

void l2cap_channel_drained(struct l2cap_channel *ch, uint64_t now)
{
    (void)now; /* and no assertion here: Check allocates for one, and tests count that */
    rig_of(ch)->emptied += l2cap_tx_empty(ch);
    rig_of(ch)->drained += ch->tx.stalled && l2cap_tx_empty(ch);
    ch->tx.stalled = false;
}

void l2cap_channel_free(struct l2cap_channel *ch)
{
    rig_of(ch)->freed++;
    rig_close(ch);
}

/* ---- life ---- */

struct rig *rig_new(uint16_t len, uint8_t num)
{
    struct rig *r = calloc(1, sizeof(*r));

    ck_assert_ptr_nonnull(r);
    r->ctl = ctl_new(6);
    r->ctl->le_len = len;
    r->ctl->le_num = num;
    ctl_start(r->ctl);
    ck_assert_int_eq(bl_evq_init(&r->events), 0);
    r->l = (struct bl_l2cap){.hci = r->ctl->hci, .events = &r->events};
    list_init(&r->l.sending);
    for (unsigned i = 0; i < RIG_LINKS; i++) {
        struct bl_l2cap_conn *c = &r->c[i];
        c->l = &r->l;
        c->conn = (uint16_t)(i + 1);
        c->handle = (uint16_t)(RIG_HANDLE + i);
        list_init(&c->sending);
        list_init(&c->due);
        list_init(&c->turns);
        list_init(&c->home);
        ctl_connect(r->ctl, c->handle);
        r->pdu[i] = malloc(BL_MAX_L2CAP_PDU);
        ck_assert_ptr_nonnull(r->pdu[i]);
    }
    return r;
}

void rig_free(struct rig *r)
{
    for (unsigned i = 0; i < RIG_LINKS; i++) {
        for (unsigned k = 0; k < BL_MAX_CHANNELS; k++)
            if (r->c[i].channels[k])
                rig_close(r->c[i].channels[k]);
        ck_assert_uint_eq(r->c[i].frames, 0);
        ck_assert(list_empty(&r->c[i].home) && list_empty(&r->c[i].turns));
        free(r->pdu[i]);
    }
    bl_evq_deinit(&r->events);
    ctl_free(r->ctl);
    free(r);
}

struct l2cap_channel *rig_open(struct rig *r, unsigned link, uint16_t mtu, uint16_t mps,
                               unsigned sdus)
{
    struct bl_l2cap_conn *c = &r->c[link];
    struct l2cap_channel *ch = calloc(1, sizeof(*ch));
    uint16_t i = 0;

    ck_assert_ptr_nonnull(ch);
    while (c->channels[i])
        i++;
    c->channels[i] = ch;
    ch->c = c;
    ch->state = L2CAP_OPEN;
    ch->cid = (uint16_t)(BL_L2CAP_CID_MIN + i);
    ch->peer_cid = (uint16_t)(0x1000 + ch->cid);
    ch->our_mtu = ch->peer_mtu = mtu;
    ch->our_mps = ch->peer_mps = mps;
    list_init(&ch->sending);
    l2cap_tx_init(ch);
    l2cap_rx_init(ch, sdus * (2u + mtu) + mps);
    *rig_peer(ch) = (struct rig_peer){.sdu = malloc(65535)};
    ck_assert_ptr_nonnull(rig_peer(ch)->sdu);
    return ch;
}

void rig_close(struct l2cap_channel *ch)
{
    list_remove(&ch->sending);
    l2cap_tx_deinit(ch);
    l2cap_rx_deinit(ch);
    free(rig_peer(ch)->sdu);
    rig_peer(ch)->sdu = NULL;
    ch->c->channels[ch->cid - BL_L2CAP_CID_MIN] = NULL;
    free(ch);
}

/* ---- out ---- */

void rig_fill(const struct l2cap_channel *ch, unsigned number, uint8_t *sdu, size_t n)
{
    uint32_t x = (ch->cid * 65537u + rig_link(ch)) * 2654435761u + number * 40503u + 1;

    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        sdu[i] = (uint8_t)(x >> 24);
    }
}

int rig_send(struct l2cap_channel *ch, size_t n)
{
    uint8_t *sdu = malloc(n > 0 ? n : 1);
    struct rig_peer *peer = rig_peer(ch);

    rig_must(sdu);
    rig_fill(ch, peer->sent, sdu, n);
    int answer = bl_l2cap_tx_send(ch, rig_of(ch)->ctl->now, sdu, n);
    free(sdu);
    peer->sent += answer >= 0;
    return answer;
}

void rig_credits(struct l2cap_channel *ch, uint16_t n)
{
    rig_must(l2cap_tx_credits(ch, rig_of(ch)->ctl->now, n));
    rig_peer(ch)->credits += n;
}

static void rig_frame(struct l2cap_channel *ch, const uint8_t *p, size_t n)
{
    struct rig_peer *peer = rig_peer(ch);
    uint8_t *expected;

    peer->frames++;
    if (rig_of(ch)->unchecked)
        return;
    rig_must(peer->credits > 0);
    peer->credits--;
    rig_must(n <= ch->peer_mps);
    if (!peer->open) {
        rig_must(n >= 2);
        peer->length = (size_t)(p[0] | p[1] << 8);
        peer->have = 0;
        peer->open = true;
        p += 2;
        n -= 2;
        rig_must(peer->length <= ch->peer_mtu);
        rig_must(n + 2 == ch->peer_mps || n == peer->length);
    } else {
        rig_must(n == ch->peer_mps || peer->have + n == peer->length);
        rig_must(n > 0);
    }
    rig_must(n <= peer->length - peer->have);
    memcpy(peer->sdu + peer->have, p, n);
    peer->have += n;
    if (peer->have < peer->length)
        return;
    peer->open = false;
    expected = malloc(peer->length + 1);
    rig_must(expected);
    rig_fill(ch, peer->received++, expected, peer->length);
    rig_must(memcmp(expected, peer->sdu, peer->length) == 0);
    free(expected);
}

static void rig_pdu(struct rig *r, unsigned link, const uint8_t *p, size_t n)
{
    uint16_t cid = (uint16_t)(p[2] | p[3] << 8);

    rig_must(r->n_log < RIG_LOG);
    r->log[r->n_log++] = cid;
    if (cid < 0x1000)
        return;
    struct l2cap_channel *ch = r->c[link].channels[cid - 0x1000 - BL_L2CAP_CID_MIN];
    if (ch) /* what lib/hci has of one that has ended goes all the same */
        rig_frame(ch, p + 4, n - 4);
}

static void rig_packet(struct rig *r, const uint8_t *p, size_t n)
{
    unsigned link = (unsigned)(p[1] | (p[2] & 0x0f) << 8) - RIG_HANDLE, flags = p[2] >> 4;
    size_t *have = &r->pdu_len[link];
    uint8_t *pdu = r->pdu[link];

    rig_must(p[0] == 0x02);
    rig_must(link < RIG_LINKS);
    rig_must((unsigned)(p[3] | p[4] << 8) == n - 5);
    rig_must(n - 5 <= r->ctl->le_len);
    rig_must(flags == (*have > 0));
    memcpy(pdu + *have, p + 5, n - 5);
    *have += n - 5;
    if (*have >= 4 && *have == (size_t)(pdu[0] | pdu[1] << 8) + 4) {
        rig_pdu(r, link, pdu, *have);
        *have = 0;
    }
    r->in_flight[link]++;
}

int rig_att(struct rig *r, unsigned link, size_t n)
{
    struct buf *b = buf_new(4 + n);

    rig_must(b);
    memset(b->data, 0, 4 + n);
    b->data[0] = (uint8_t)n;
    b->data[1] = (uint8_t)(n >> 8);
    b->data[2] = 4;
    b->len = 4 + n;
    return bl_hci_send(r->ctl->hci, r->c[link].handle, b);
}

static unsigned rig_fill_all(struct rig *r)
{
    unsigned n = 0;

    for (unsigned i = 0; i < RIG_LINKS; i++) {
        struct bl_l2cap_conn *c = &r->c[i];
        if (l2cap_tx_idle(c))
            continue;
        while (r->crowd && rig_att(r, i, 10) == 0)
            ;
        rig_must(!list_empty(&c->sending)); /* else nobody would look at it */
        n += l2cap_tx_fill(c, r->ctl->now);
    }
    return n;
}

/* While the packet is the transport's, more is taken and cut: it must not change for that. */
bool rig_step(struct rig *r)
{
    const uint8_t *p;
    uint8_t copy[5 + 1021];
    size_t n;

    bl_hci_taken(r->ctl->hci);
    rig_fill_all(r);
    n = bl_hci_next_tx(r->ctl->hci, r->ctl->now, &p);
    if (n == 0)
        return false;
    rig_must(n <= sizeof(copy));
    memcpy(copy, p, n);
    rig_fill_all(r);
    rig_must(memcmp(copy, p, n) == 0);
    rig_packet(r, p, n);
    return true;
}

void rig_complete(struct rig *r, unsigned link, unsigned n)
{
    uint8_t event[] = {0x04, 0x13, 5, 1, (uint8_t)(RIG_HANDLE + link), 0, (uint8_t)n, 0};

    rig_must(n <= r->in_flight[link]);
    r->in_flight[link] -= n;
    ctl_packet(r->ctl, event, sizeof(event));
}

void rig_run(struct rig *r)
{
    bool more;

    do {
        more = false;
        while (rig_step(r))
            more = true;
        for (unsigned i = 0; i < RIG_LINKS; i++)
            if (r->in_flight[i] > 0) {
                rig_complete(r, i, r->in_flight[i]);
                more = true;
            }
    } while (more);
}
