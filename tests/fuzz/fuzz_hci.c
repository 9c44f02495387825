/* SPDX-License-Identifier: MIT */

/*
 * A hostile controller. The first octet of the input: bit 0, bring-up is answered honestly and the
 * rest of the input meets a controller that is up; else the input answers bring-up as well. Then a
 * row of steps, each an octet for what and one for how long, then so many octets:
 *
 *     0 any packet   1 an event   2 an LE event   3 ACL data   4 Command Complete for what is in
 *     flight   5 Command Status for it   6 time passes   7 the host sends a PDU   8 and a command
 *     9 stop and start   10 the packets that wait are taken out
 *
 * Besides what the sanitizers see: events are within their documented ranges, nothing follows DEAD,
 * and no command gets two replies.
 */

#include "base/buf.h"
#include "base/rd.h"
#include "base/wr.h"
#include "hci/cmd.h"
#include "hci/hci.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct fuzz {
    struct bl_hci *hci;
    uint64_t now;
    uint16_t opcode; /* last sent by the host */
    bool up, dead;
    unsigned asked, replied;
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* Reads every octet, for the sanitizers. */
static void touch(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)*(const volatile uint8_t *)&p[i];
}

static void check_event(const struct bl_hci_event *e)
{
    must(e->kind < BL_HCI_EV_KINDS);
    if (e->kind == BL_HCI_EV_REPORT) {
        must(e->adv.report.len <= 229);
        touch(e->adv.report.data, e->adv.report.len);
        must(e->adv.report.addr.type <= 1 && e->adv.report.target.type <= 1);
    } else if (e->kind == BL_HCI_EV_CONNECTION_COMPLETE) {
        must(e->connection.peer.type <= 1);
        if (e->status == 0)
            must(e->handle <= 0x0eff && e->connection.interval >= 6 && e->connection.timeout >= 10);
    } else if (e->kind == BL_HCI_EV_PHY_UPDATE && e->status == 0) {
        must(e->phy.tx >= 1 && e->phy.tx <= 3 && e->phy.rx >= 1 && e->phy.rx <= 3);
    }
}

static void drain(struct fuzz *f)
{
    struct bl_hci_in in;

    for (unsigned i = 0; bl_hci_next(f->hci, f->now, &in); i++) {
        must(!f->dead && i < 1000);
        switch (in.kind) {
        case BL_HCI_READY:
            must(!f->up);
            f->up = true;
            must(bl_hci_caps(f->hci)->acl_len >= 27 && bl_hci_caps(f->hci)->acl_num > 0);
            break;
        case BL_HCI_REPLY:
            must(f->up && ++f->replied <= f->asked);
            touch(in.reply.params.p, in.reply.params.left);
            break;
        case BL_HCI_EVENT:
            must(f->up);
            check_event(&in.event);
            break;
        case BL_HCI_PDU:
            must(f->up && in.pdu.handle <= 0x0eff && in.pdu.len <= 65535);
            touch(in.pdu.data, in.pdu.len);
            break;
        case BL_HCI_DEAD:
            must(in.dead.why != NULL);
            f->dead = true;
            break;
        }
    }
}

/* From memory of exactly its size. */
static void give(struct fuzz *f, const uint8_t *packet, size_t n)
{
    uint8_t *exact = malloc(n > 0 ? n : 1);

    if (!exact)
        return;
    if (n > 0)
        memcpy(exact, packet, n);
    bl_hci_receive(f->hci, f->now, exact, n);
    drain(f);
    free(exact);
}

static void give_event(struct fuzz *f, uint8_t code, const void *head, size_t n_head,
                       const uint8_t *p, size_t n)
{
    uint8_t packet[3 + 255];
    struct wr w = wr_make(packet, sizeof(packet));

    if (n > 255 - n_head)
        n = 255 - n_head;
    wr_u8(&w, 0x04);
    wr_u8(&w, code);
    wr_u8(&w, (uint8_t)(n_head + n));
    wr_bytes(&w, head, n_head);
    wr_bytes(&w, p, n);
    give(f, packet, w.len);
}

static void take(struct fuzz *f)
{
    const uint8_t *p;
    size_t n;

    while ((n = bl_hci_next_tx(f->hci, f->now, &p)) > 0) {
        must(!f->dead && n >= 4);
        touch(p, n);
        if (p[0] == 0x01)
            f->opcode = (uint16_t)(p[1] | p[2] << 8);
        else
            must(f->up && n <= 5u + bl_hci_caps(f->hci)->acl_len);
    }
}

static void complete(struct fuzz *f, const uint8_t *p, size_t n)
{
    uint8_t head[3] = {1, (uint8_t)f->opcode, (uint8_t)(f->opcode >> 8)};

    give_event(f, 0x0e, head, 3, p, n);
}

/* A controller that can everything, with four buffers of 27 octets. */
static void bring_up(struct fuzz *f)
{
    for (unsigned i = 0; i < 100 && !f->up; i++) {
        uint8_t returns[80];
        memset(returns, 0xff, sizeof(returns));
        returns[0] = 0;
        f->opcode = 0;
        take(f);
        if (f->opcode == BL_CMD_LE_READ_BUFFER_SIZE_V2)
            memcpy(returns + 1, "\x1b\x00\x04", 3);
        complete(f, returns, sizeof(returns));
    }
    must(f->up);
}

static void start(struct fuzz *f, bool honest)
{
    bl_hci_start(f->hci, f->now);
    f->up = f->dead = false;
    f->asked = f->replied = 0;
    if (honest)
        bring_up(f);
}

static void send_pdu(struct fuzz *f, const uint8_t *p, size_t n)
{
    struct buf *b = buf_new(600);

    if (!b || n < 2) {
        buf_free(b);
        return;
    }
    memset(b->data, 0, b->cap);
    b->len = 4 + p[0] * 2u;
    (void)bl_hci_send(f->hci, (uint16_t)(p[1] & 7), b);
}

static void step(struct fuzz *f, uint8_t what, const uint8_t *p, size_t n, bool honest)
{
    uint8_t acl[5 + 255] = {0x02};
    uint8_t status[4] = {n > 0 ? p[0] : 0, 1, (uint8_t)f->opcode, (uint8_t)(f->opcode >> 8)};

    if (what == 0) {
        give(f, p, n);
    } else if (what == 1 && n > 0) {
        give_event(f, p[0], NULL, 0, p + 1, n - 1);
    } else if (what == 2) {
        give_event(f, 0x3e, NULL, 0, p, n);
    } else if (what == 3 && n >= 2) {
        acl[1] = p[0] & 7;
        acl[2] = p[1];
        acl[3] = (uint8_t)(n - 2);
        memcpy(acl + 5, p + 2, n - 2);
        give(f, acl, 5 + n - 2);
    } else if (what == 4) {
        complete(f, p, n);
    } else if (what == 5) {
        give_event(f, 0x0f, status, 4, NULL, 0);
    } else if (what == 6) {
        f->now += n > 0 ? p[0] * 20000u : 2000000u;
        bl_hci_tick(f->hci, f->now);
        drain(f);
    } else if (what == 7) {
        send_pdu(f, p, n);
    } else if (what == 8 && n > 2) {
        uint16_t opcode = (uint16_t)(p[0] | p[1] << 8);
        int r = p[2] & 1 ? bl_hci_cmd_raw(f->hci, opcode, p, n, BL_HCI_OWNER_HOST, 1)
                         : bl_hci_cmd(f->hci, opcode, p + 3, n - 3, BL_HCI_OWNER_LINKS, 2);
        f->asked += r == 0;
    } else if (what == 9) {
        bl_hci_stop(f->hci);
        start(f, honest);
    } else if (what == 10) {
        take(f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct bl_env env = {0};
    struct rd r = rd_make(data, n);
    bool honest = rd_u8(&r) & 1;
    struct fuzz f = {.hci = bl_hci_new(&env), .now = 1};

    if (!f.hci)
        return 0;
    start(&f, honest);
    while (rd_ok(&r) && r.left >= 2) {
        uint8_t what = rd_u8(&r) % 11;
        size_t len = rd_u8(&r);
        if (len > r.left)
            len = r.left;
        const uint8_t *p = rd_bytes(&r, len);
        if (!p)
            break;
        step(&f, what, p, len, honest);
        if (what != 7 && what != 8)
            take(&f);
    }
    bl_hci_free(f.hci);
    return 0;
}
