/* SPDX-License-Identifier: MIT */

/*
 * A hostile peer of a host with listeners, open channels and procedures under way. The input is a
 * row of steps, each an octet for what and one for how long, then so many octets:
 *
 *     0 a PDU on CID 5   1 a K-frame: its CID's low octet, then the payload   2 time passes   3 the
 *     host connects   4 disconnects   5 sends   6 reads   7 replies   8 listens, or does not   9
 *     reconfigures   10 the peer answers the host's last request: these octets after the header 11
 *     the peer goes, and another comes   12 the controller holds its credits back, or gives them
 *
 * Besides what the sanitizers see: what the host sends is well-formed and within the credits that
 * it was given, a channel is told to be open and to have ended in turn, SDUs are as long as is
 * said, and every operation ends, once.
 */

#include "base/cleanup.h"
#include "base/rd.h"
#include "base/wr.h"
#include "hci/cmd.h"
#include "host.h"
#include "l2cap/sig.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { CID_SIGNALING = 5, CID_FIRST = 0x40, CIDS = 64, PSMS = 4, FIRST_PSM = 0x80 };

struct fuzz {
    struct bl_host *host;
    uint64_t now;
    uint16_t handle, next_handle, conn; /* conn 0: not connected */
    unsigned owed;                      /* credits of the controller */
    bool stingy;
    bool open[CIDS]; /* told CONNECTED */
    uint32_t request;
    uint8_t asked, asked_id; /* the host's last request that wants an answer */
    unsigned begun, ended;
    uint8_t rx[BL_MAX_L2CAP_PDU];
    size_t n_rx;
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void touch(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)*(const volatile uint8_t *)&p[i];
}

static int counted(void *ctx, void *out, size_t n)
{
    (void)ctx;
    memset(out, 0xc5, n);
    return 0;
}

/* ---- what the host sends ---- */

static void check_signal(struct fuzz *f, const uint8_t *p, size_t n)
{
    struct bl_sig sig;
    uint8_t again[BL_SIG_MTU];

    must(bl_l2cap_sig_parse(p, n, &sig) == BL_SIG_OK);
    must(bl_l2cap_sig_build(&sig, again, sizeof(again)) == n && memcmp(again, p, n) == 0);
    if (sig.code == BL_SIG_LE_CONNECTION_REQ || sig.code == BL_SIG_ENHANCED_REQ ||
        sig.code == BL_SIG_RECONFIGURE_REQ || sig.code == BL_SIG_DISCONNECTION_REQ) {
        f->asked = sig.code;
        f->asked_id = sig.identifier;
    }
}

static void hear(struct fuzz *f, const uint8_t *p, size_t n)
{
    struct rd r = rd_make(p, n);
    uint16_t field = rd_u16(&r);

    rd_u16(&r);
    must(rd_ok(&r));
    if (f->handle != (field & 0x0fff))
        return;
    f->owed++;
    if ((field >> 12 & 3) != 1)
        f->n_rx = 0;
    must(r.left <= sizeof(f->rx) - f->n_rx);
    memcpy(f->rx + f->n_rx, r.p, r.left);
    f->n_rx += r.left;
    struct rd pdu = rd_make(f->rx, f->n_rx);
    uint16_t length = rd_u16(&pdu), cid = rd_u16(&pdu);
    if (!rd_ok(&pdu) || pdu.left != length)
        return;
    if (cid == CID_SIGNALING)
        check_signal(f, pdu.p, length);
    else if (cid >= CID_FIRST)
        must(cid < CID_FIRST + CIDS && length > 0);
}

static void drain(struct fuzz *f);

/* From memory of exactly its size. */
static void give(struct fuzz *f, const uint8_t *packet, size_t n)
{
    uint8_t *exact = malloc(n);

    if (!exact)
        return;
    memcpy(exact, packet, n);
    must(bl_host_receive(f->host, f->now, exact, n) == 0);
    drain(f);
    free(exact);
}

static void disconnected(struct fuzz *f)
{
    const uint8_t gone[] = {0x04, 0x05, 4, 0, (uint8_t)f->handle, (uint8_t)(f->handle >> 8), 0x13};

    f->handle = f->conn = 0;
    f->owed = 0;
    give(f, gone, sizeof(gone));
}

/* Every command succeeds: at once, or as its event says. */
static void command(struct fuzz *f, const uint8_t *p, size_t n)
{
    uint16_t opcode = (uint16_t)(p[0] | p[1] << 8);
    uint8_t complete[3 + 3 + 80] = {0x04, 0x0e, 3 + 80, 1, p[0], p[1]};
    const uint8_t status[] = {0x04, 0x0f, 4, 0, 1, p[0], p[1]};

    if (opcode == BL_CMD_DISCONNECT || opcode == BL_CMD_LE_READ_REMOTE_FEATURES) {
        give(f, status, sizeof(status));
        if (opcode == BL_CMD_DISCONNECT && n >= 5 && f->handle)
            disconnected(f);
        return;
    }
    memset(complete + 6, 0xff, 80);
    complete[6] = 0;
    if (opcode == BL_CMD_LE_READ_BUFFER_SIZE_V2)
        memcpy(complete + 7, "\x40\x00\x04", 3);
    give(f, complete, sizeof(complete));
}

/* ---- what it tells ---- */

static void channel_event(struct fuzz *f, const struct bl_event *e)
{
    uint16_t cid = e->l2cap.cid;

    must(cid == 0 || (cid >= CID_FIRST && cid < CID_FIRST + CIDS));
    switch ((int)e->kind) {
    case BL_EV_L2CAP_ACCEPT:
        must(!f->open[cid - CID_FIRST]);
        if (e->l2cap.request)
            f->request = e->l2cap.request;
        break;
    case BL_EV_L2CAP_CONNECTED:
        must(!f->open[cid - CID_FIRST] && e->l2cap.peer_mtu >= BL_L2CAP_MTU_MIN);
        f->open[cid - CID_FIRST] = true;
        break;
    case BL_EV_L2CAP_DISCONNECTED:
        must(cid == 0 || f->open[cid - CID_FIRST]);
        if (cid)
            f->open[cid - CID_FIRST] = false;
        break;
    default:
        must(f->open[cid - CID_FIRST]);
        break;
    }
}

static void event(struct fuzz *f, const struct bl_event *e)
{
    must(e->kind < BL_EV_KINDS);
    if (e->kind == BL_EV_OP_DONE) {
        must(++f->ended <= f->begun);
    } else if (e->kind == BL_EV_CONNECTED) {
        f->conn = e->connected.conn;
    } else if (e->kind == BL_EV_DISCONNECTED) {
        for (unsigned i = 0; i < CIDS; i++)
            must(!f->open[i]);
    } else if (e->kind >= BL_EV_L2CAP_ACCEPT && e->kind <= BL_EV_L2CAP_RECONFIGURED) {
        channel_event(f, e);
    }
}

static void drain(struct fuzz *f)
{
    const uint8_t *p;
    struct bl_event e;
    size_t n;

    while (bl_host_next_event(f->host, &e))
        event(f, &e);
    while ((n = bl_host_next_tx(f->host, f->now, &p)) > 0) {
        uint8_t packet[1024];
        must(n <= sizeof(packet));
        memcpy(packet, p, n);
        if (packet[0] == 0x01)
            command(f, packet + 1, n - 1);
        else
            hear(f, packet + 1, n - 1);
    }
    while (bl_host_next_event(f->host, &e))
        event(f, &e);
    if (f->owed > 0 && f->handle && !f->stingy) {
        const uint8_t completed[] = {
            0x04, 0x13, 5, 1, (uint8_t)f->handle, (uint8_t)(f->handle >> 8), (uint8_t)f->owed, 0};
        f->owed = 0;
        give(f, completed, sizeof(completed));
    }
}

static void connect_peer(struct fuzz *f)
{
    uint8_t packet[3 + 19] = {0x04, 0x3e, 19, 0x01, 0x00};
    struct wr w = wr_make(packet + 5, sizeof(packet) - 5);

    f->handle = f->next_handle;
    f->next_handle = f->next_handle % 0xe00 + 1;
    wr_u16(&w, f->handle);
    wr_u8(&w, 1); /* we are the peripheral */
    wr_u8(&w, 1);
    wr_u16(&w, f->handle);
    wr_bytes(&w, "\x01\x02\x03\xc0", 4);
    wr_u16(&w, 24);
    wr_u16(&w, 0);
    wr_u16(&w, 500);
    wr_u8(&w, 0);
    must(wr_ok(&w));
    give(f, packet, sizeof(packet));
    f->now += 100000; /* announced by then */
    bl_host_tick(f->host, f->now);
    drain(f);
}

/* ---- what the peer does ---- */

static void peer_sends(struct fuzz *f, uint16_t cid, const uint8_t *bytes, size_t n)
{
    uint8_t packet[5 + 4 + 600] = {0x02};
    struct wr w = wr_make(packet + 1, sizeof(packet) - 1);

    if (f->handle == 0)
        return;
    wr_u16(&w, f->handle | 0x2000);
    wr_u16(&w, (uint16_t)(n + 4));
    wr_u16(&w, (uint16_t)n);
    wr_u16(&w, cid);
    wr_bytes(&w, bytes, n);
    must(wr_ok(&w));
    give(f, packet, 1 + w.len);
}

/* Of the right code and identifier, so that the input need not know them. */
static void peer_answers(struct fuzz *f, const uint8_t *bytes, size_t n)
{
    uint8_t pdu[4 + 255] = {(uint8_t)(f->asked + 1), f->asked_id, (uint8_t)n};

    if (f->asked == 0)
        return;
    if (n > 0)
        memcpy(pdu + 4, bytes, n);
    peer_sends(f, CID_SIGNALING, pdu, 4 + n);
}

/* ---- what the host does ---- */

static void count(struct fuzz *f, int r)
{
    f->begun += r == 0;
}

static void connects(struct fuzz *f, uint8_t how)
{
    const struct bl_l2cap_connect params = {.psm = (uint16_t)(FIRST_PSM + how % PSMS),
                                            .mtu = how & 4 ? 64 : 512,
                                            .enhanced = how & 8,
                                            .count = how & 8 ? how >> 4 & 7 : 1};
    bl_op op;

    count(f, bl_l2cap_connect(f->host, f->now, f->conn, &params, &op));
}

static void sends(struct fuzz *f, uint16_t cid, const uint8_t *bytes, size_t n)
{
    struct bl_l2cap_slot slots[BL_L2CAP_SLOTS];
    size_t len[BL_L2CAP_SLOTS];

    if (n & 1) {
        (void)bl_l2cap_send(f->host, f->now, f->conn, cid, bytes, n);
        return;
    }
    size_t m = bl_l2cap_slots(f->host, f->conn, cid, slots, BL_L2CAP_SLOTS);
    for (size_t i = 0; i < m; i++) {
        len[i] = n < slots[i].size ? n : slots[i].size;
        memset(slots[i].data, 0x11, len[i]);
    }
    if (m > 0)
        must(bl_l2cap_commit(f->host, f->now, f->conn, cid, len, m) >= 0);
}

static void reads(struct fuzz *f, uint16_t cid, uint8_t most)
{
    size_t bytes = 0, sdus = 0, len, all = 0;
    const uint8_t *sdu;

    if (bl_l2cap_available(f->host, f->conn, cid, &bytes, &sdus) < 0)
        return;
    for (size_t i = 0; bl_l2cap_peek(f->host, f->conn, cid, i, &sdu, &len); i++) {
        touch(sdu, len);
        all += len;
        must(i < sdus);
    }
    must(all == bytes);
    if (most == 0xff)
        must(bl_l2cap_consume_sdus(f->host, f->now, f->conn, cid, sdus) == 0);
    else if (sdus > 0 && bl_l2cap_peek(f->host, f->conn, cid, 0, &sdu, &len))
        must(bl_l2cap_consume(f->host, f->now, f->conn, cid, most < len ? most : len) == 0);
}

static void listens(struct fuzz *f, uint8_t how)
{
    const struct bl_l2cap_listen params = {.psm = (uint16_t)(FIRST_PSM + how % PSMS),
                                           .mtu = how & 4 ? 64 : 512,
                                           .security = how & 8 ? BL_SECURITY_ENCRYPTED : 0,
                                           .authorize = how & 16};

    if (how & 32)
        (void)bl_l2cap_unlisten(f->host, f->now, params.psm);
    else
        (void)bl_l2cap_listen(f->host, &params);
}

static void reconfigures(struct fuzz *f, const uint8_t *p, size_t n)
{
    uint16_t cids[2] = {p[0], n > 3 ? p[3] : 0};
    bl_op op;

    count(f, bl_l2cap_reconfigure(f->host, f->now, f->conn, cids, n > 3 ? 2 : 1,
                                  (uint16_t)(500 + p[1] * 16), (uint16_t)(p[2] * 4), &op));
}

/* ---- the input ---- */

static void pass(struct fuzz *f, uint64_t us)
{
    uint64_t until = f->now + us, at;

    for (unsigned i = 0; (at = bl_host_deadline(f->host)) <= until; i++) {
        must(i < 10000);
        f->now = at > f->now ? at : f->now;
        bl_host_tick(f->host, f->now);
        drain(f);
    }
    f->now = until;
}

static void act(struct fuzz *f, uint8_t what, const uint8_t *p, size_t n)
{
    bl_op op;

    switch (what) {
    case 3:
        connects(f, p[0]);
        break;
    case 4:
        if (n & 1)
            count(f, bl_l2cap_disconnect(f->host, f->now, f->conn, p[0], &op));
        else
            (void)bl_l2cap_disconnect(f->host, f->now, f->conn, p[0], NULL);
        break;
    case 5:
        sends(f, p[0], p, n);
        break;
    case 6:
        reads(f, p[0], n > 1 ? p[1] : 0xff);
        break;
    case 7:
        (void)bl_l2cap_reply(f->host, f->now, f->request - (n > 1 ? p[1] : 0), p[0]);
        break;
    case 8:
        listens(f, p[0]);
        break;
    default:
        if (n >= 3)
            reconfigures(f, p, n);
        break;
    }
}

static void step(struct fuzz *f, uint8_t what, const uint8_t *p, size_t n)
{
    switch (what) {
    case 0:
        peer_sends(f, CID_SIGNALING, p, n);
        break;
    case 1:
        if (n > 0)
            peer_sends(f, p[0], p + 1, n - 1);
        break;
    case 2:
        pass(f, n > 0 ? p[0] * 200000u : 30000000u);
        break;
    case 10:
        peer_answers(f, p, n);
        break;
    case 11:
        if (f->handle)
            disconnected(f);
        connect_peer(f);
        break;
    case 12:
        f->stingy = !f->stingy;
        break;
    default:
        if (n > 0)
            act(f, what, p, n);
        break;
    }
    drain(f);
}

static bool begin(struct fuzz *f, const struct bl_env *env)
{
    const struct bl_config config = {.addr_mode = BL_ADDR_MODE_PUBLIC, .gap_name = "fuzz"};
    bl_op op;

    if (bl_host_new(&f->host, env, &config) < 0)
        return false;
    must(bl_host_start(f->host, f->now, &op) == 0);
    f->begun++;
    drain(f);
    must(bl_host_ready(f->host));
    listens(f, 0);
    listens(f, 1 + 16);
    connect_peer(f);
    must(f->conn != 0);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct fuzz f;
    const struct bl_env env = {.random = counted};
    struct rd r = rd_make(data, n);

    f = (struct fuzz){.now = 1, .next_handle = 1};
    if (!begin(&f, &env))
        return 0;
    while (rd_ok(&r) && r.left >= 2) {
        uint8_t what = rd_u8(&r) % 13;
        size_t len = rd_u8(&r);
        if (len > r.left)
            len = r.left;
        const uint8_t *p = rd_bytes(&r, len);
        if (!p)
            break;
        step(&f, what, p, len);
    }
    bl_host_stop(f.host, f.now);
    drain(&f);
    must(f.ended == f.begun);
    bl_host_free(f.host);
    return 0;
}
