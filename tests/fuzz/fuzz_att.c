/* SPDX-License-Identifier: MIT */

/*
 * Two hostile peers of a host with a database, whose client and server are busy. The input is a row
 * of steps, each an octet for what and one for how long, then so many octets:
 *
 *     0 a PDU from the first peer   1 from the second   2 time passes   3 the host's client and
 *     server do something   4 the application replies   5 a peer goes, and another comes   6 the
 *     controller holds its credits back, or gives them   7 a PDU with the CID that the input has
 *     8 the database changes   9 the answer that the last request asks for, with these octets
 *
 * Besides what the sanitizers see: PDUs have an opcode and a length of the specification's, a peer
 * gets no more answers than it sent PDUs and one request more than that, and every operation ends,
 * once.
 */

#include "att/att.h"
#include "base/cleanup.h"
#include "hci/cmd.h"
#include "host.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { PEERS = 2, VALUES = 12, OPS = 1024 };

struct peer {
    uint16_t handle, conn; /* 0: not connected */
    unsigned heard;        /* PDUs that it sent */
    unsigned answers;      /* and got */
    unsigned requests;     /* the host's to it */
    uint8_t request;       /* the last one; 0: it has said something since */
    unsigned owed;         /* credits */
    uint8_t rx[BL_MAX_L2CAP_PDU];
    size_t n_rx;
};

struct fuzz {
    struct bl_host *host;
    uint64_t now;
    struct peer peer[PEERS];
    uint16_t next_handle, value[VALUES], service[2];
    size_t n_values;
    bool stingy;
    uint32_t request; /* last one that waits for the application */
    unsigned begun, ended;
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

static void check_tx(struct peer *p, const uint8_t *pdu, size_t n)
{
    const struct bl_att_row *row = bl_att_row(pdu[0]);

    must(row && n >= row->min && n <= row->max);
    switch ((enum bl_att_kind)row->kind) {
    case BL_ATT_REQUEST:
        must(++p->requests <= p->heard + 1);
        p->request = row->opcode;
        break;
    case BL_ATT_RESPONSE:
    case BL_ATT_CONFIRM:
        must(++p->answers <= p->heard);
        break;
    case BL_ATT_COMMAND:
    case BL_ATT_NOTIFY:
    case BL_ATT_INDICATE:
        break;
    }
}

/* An ACL packet of the host's. */
static void hear(struct fuzz *f, const uint8_t *p, size_t n)
{
    struct rd r = rd_make(p, n);
    uint16_t field = rd_u16(&r);

    rd_u16(&r);
    must(rd_ok(&r));
    for (unsigned i = 0; i < PEERS; i++) {
        struct peer *peer = &f->peer[i];
        if (peer->handle == 0 || peer->handle != (field & 0x0fff))
            continue;
        peer->owed++;
        if ((field >> 12 & 3) != 1)
            peer->n_rx = 0;
        must(r.left <= sizeof(peer->rx) - peer->n_rx);
        memcpy(peer->rx + peer->n_rx, r.p, r.left);
        peer->n_rx += r.left;
        struct rd pdu = rd_make(peer->rx, peer->n_rx);
        uint16_t length = rd_u16(&pdu), cid = rd_u16(&pdu);
        if (rd_ok(&pdu) && pdu.left == length && cid == BL_ATT_CID) {
            must(length > 0);
            check_tx(peer, pdu.p, length);
        }
    }
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

static void disconnected(struct fuzz *f, uint16_t handle)
{
    const uint8_t gone[] = {0x04, 0x05, 4, 0, (uint8_t)handle, (uint8_t)(handle >> 8), 0x13};

    for (unsigned i = 0; i < PEERS; i++)
        if (f->peer[i].handle == handle)
            f->peer[i] = (struct peer){0};
    give(f, gone, sizeof(gone));
}

/* Every command succeeds: at once, or as its event says. */
static void command(struct fuzz *f, const uint8_t *p, size_t n)
{
    uint16_t opcode = (uint16_t)(p[0] | p[1] << 8);
    uint8_t complete[3 + 3 + 80] = {0x04, 0x0e, 3 + 80, 1, p[0], p[1]};
    const uint8_t status[] = {0x04, 0x0f, 4, 0, 1, p[0], p[1]};
    bool by_event = opcode == BL_CMD_DISCONNECT || opcode == BL_CMD_LE_READ_REMOTE_FEATURES;

    if (by_event) {
        give(f, status, sizeof(status));
        if (opcode == BL_CMD_DISCONNECT && n >= 5)
            disconnected(f, (uint16_t)((p[3] | p[4] << 8) & 0x0fff));
        return;
    }
    memset(complete + 6, 0xff, 80);
    complete[6] = 0;
    if (opcode == BL_CMD_LE_READ_BUFFER_SIZE_V2)
        memcpy(complete + 7, "\x1b\x00\x04", 3);
    give(f, complete, sizeof(complete));
}

static void event(struct fuzz *f, const struct bl_event *e)
{
    must(e->kind < BL_EV_KINDS);
    if (e->kind == BL_EV_OP_DONE) {
        must(++f->ended <= f->begun);
    } else if (e->kind >= BL_EV_NAME_WRITTEN && e->kind <= BL_EV_GATTC_SERVICES_CHANGED) {
        must(e->gatt.value.len <= 512);
        touch(e->gatt.value.data, e->gatt.value.len);
        if (e->gatt.request)
            f->request = e->gatt.request;
    } else if (e->kind == BL_EV_MTU) {
        must(e->mtu.mtu >= 23 && e->mtu.mtu <= 517);
    } else if (e->kind == BL_EV_CONNECTED) {
        struct bl_conn_info info;
        must(bl_conn_info(f->host, e->connected.conn, &info) == 0);
        for (unsigned i = 0; i < PEERS; i++)
            if (f->peer[i].handle == info.handle)
                f->peer[i].conn = e->connected.conn;
    }
}

static void credits(struct fuzz *f)
{
    for (unsigned i = 0; i < PEERS; i++) {
        struct peer *p = &f->peer[i];
        const uint8_t completed[] = {
            0x04, 0x13, 5, 1, (uint8_t)p->handle, (uint8_t)(p->handle >> 8), (uint8_t)p->owed, 0};
        if (p->owed == 0 || f->stingy)
            continue;
        p->owed = 0;
        give(f, completed, sizeof(completed));
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
        while (bl_host_next_event(f->host, &e))
            event(f, &e);
    }
    credits(f);
}

static void connect_peer(struct fuzz *f, struct peer *p)
{
    uint8_t packet[3 + 19] = {0x04, 0x3e, 19, 0x01, 0x00};
    struct wr w = wr_make(packet + 5, sizeof(packet) - 5);

    *p = (struct peer){.handle = f->next_handle};
    f->next_handle = f->next_handle % 0xe00 + 1;
    wr_u16(&w, p->handle);
    wr_u8(&w, 1); /* we are the peripheral */
    wr_u8(&w, 1);
    wr_u16(&w, p->handle);
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

/* ---- what peers do ---- */

static void peer_sends(struct fuzz *f, struct peer *p, uint16_t cid, const uint8_t *bytes, size_t n)
{
    uint8_t packet[5 + 4 + 600] = {0x02};
    struct wr w = wr_make(packet + 1, sizeof(packet) - 1);

    if (p->handle == 0)
        return;
    wr_u16(&w, p->handle | 0x2000);
    wr_u16(&w, (uint16_t)(n + 4));
    wr_u16(&w, (uint16_t)n);
    wr_u16(&w, cid);
    wr_bytes(&w, bytes, n);
    must(wr_ok(&w));
    p->heard++;
    p->request = 0;
    give(f, packet, 1 + w.len);
}

/* The response of the right opcode, so that the input need not know it. */
static void peer_answers(struct fuzz *f, struct peer *p, const uint8_t *bytes, size_t n)
{
    const struct bl_att_row *row = bl_att_row(p->request);
    uint8_t pdu[256];

    if (!row || row->kind != BL_ATT_REQUEST)
        return;
    pdu[0] = row->answer;
    memcpy(pdu + 1, bytes, n);
    peer_sends(f, p, BL_ATT_CID, pdu, 1 + n);
}

/* ---- what the host does ---- */

static void count(struct fuzz *f, int r)
{
    f->begun += r == 0;
}

static void serve(struct fuzz *f, uint16_t conn, uint8_t what, uint16_t handle,
                  const uint8_t *value, size_t n)
{
    uint16_t length;
    const uint8_t *stored;
    size_t stored_len;
    bl_op op;

    switch (what) {
    case 0:
        count(f, bl_gatts_notify(f->host, f->now, conn, handle, value, n, &length, &op));
        break;
    case 1:
        count(f, bl_gatts_indicate(f->host, f->now, conn, handle, NULL, 0, &length, &op));
        break;
    case 2:
        count(f, bl_gatts_write(f->host, f->now, handle, value, n, true, &op));
        break;
    case 3:
        (void)bl_gatts_set_buffer(f->host, handle, (uint16_t)(n * 2), n & 1);
        break;
    case 4:
        if (bl_gatts_read(f->host, handle, n & 1, &stored, &stored_len) == 0)
            touch(stored, stored_len);
        break;
    case 5:
        (void)bl_gatts_set_authorization(f->host, handle, n & 1, n & 2);
        break;
    default:
        (void)bl_gatts_set_read_events(f->host, handle, n & 1);
        break;
    }
}

static void ask(struct fuzz *f, uint16_t conn, uint8_t what, uint16_t handle, const uint8_t *value,
                size_t n)
{
    const struct bl_uuid uuid = bl_uuid_from16(0x2a00);
    const uint16_t handles[] = {handle, 3, 5};
    struct bl_host *h = f->host;
    bl_op op = 0;

    switch (what) {
    case 0:
        count(f, bl_gattc_services(h, f->now, conn, n & 1 ? &uuid : NULL, &op));
        break;
    case 1:
        count(f,
              bl_gattc_characteristics(h, f->now, conn, handle, 0xffff, n & 1 ? &uuid : NULL, &op));
        break;
    case 2:
        count(f, bl_gattc_descriptors(h, f->now, conn, handle, 0xffff, &op));
        break;
    case 3:
        count(f, bl_gattc_includes(h, f->now, conn, handle, 0xffff, &op));
        break;
    case 4:
        count(f, bl_gattc_read(h, f->now, conn, handle, 0, n & 1, &op));
        break;
    case 5:
        count(f, bl_gattc_read_by_uuid(h, f->now, conn, handle, 0xffff, &uuid, &op));
        break;
    case 6:
        count(f, bl_gattc_read_multiple(h, f->now, conn, handles, 1 + n % 3, &op));
        break;
    case 7:
        count(f, bl_gattc_write(h, f->now, conn, handle, value, n,
                                n > 0 ? (enum bl_gatt_write_mode)(value[0] % 3)
                                      : BL_GATT_WRITE_COMMAND,
                                0, &op));
        break;
    case 8:
        count(f, bl_gattc_exchange_mtu(h, f->now, conn, 0, &op));
        break;
    default:
        count(f, bl_gattc_subscribe(h, f->now, conn, handle, n % 4, &op));
        break;
    }
    if (n == 7 && op)
        (void)bl_gattc_cancel(h, f->now, op);
}

static void act(struct fuzz *f, const uint8_t *p, size_t n)
{
    uint8_t what = p[0] % 17;
    uint16_t conn = f->peer[p[1] % PEERS].conn, handle = p[2];

    if (what < 7)
        serve(f, conn, what, f->value[p[2] % f->n_values], p + 3, n - 3);
    else
        ask(f, conn, what - 7, handle, p + 3, n - 3);
}

/* ---- the database ---- */

static void add_service(struct fuzz *f, unsigned which)
{
    static const uint8_t value[60] = {1, 2, 3};
    static const struct bl_gatts_descriptor descriptors[] = {{.uuid = {{2}},
                                                              .flags = BL_GATT_READ | BL_GATT_WRITE,
                                                              .value = value,
                                                              .len = 30,
                                                              .max_len = 40}};
    const struct bl_gatts_characteristic characteristics[] = {
        {.uuid = bl_uuid_from16(0x2a37),
         .flags = BL_GATT_READ | BL_GATT_WRITE | BL_GATT_NOTIFY | BL_GATT_INDICATE |
                  BL_GATT_WRITE_NO_RESPONSE,
         .value = value,
         .len = 60,
         .max_len = 512},
        {.uuid = {{1}},
         .flags = BL_GATT_READ | BL_GATT_WRITE | BL_GATT_AUX_WRITE,
         .max_len = 20,
         .truncate = true,
         .descriptors = descriptors,
         .n_descriptors = 1},
        {.uuid = bl_uuid_from16(0x2a38),
         .flags = BL_GATT_READ | BL_GATT_WRITE | BL_GATT_WRITE_NO_RESPONSE,
         .value = value,
         .len = 2,
         .max_len = 100,
         .append = true},
        {.uuid = bl_uuid_from16(0x2a39),
         .flags = BL_GATT_READ | BL_GATT_WRITE | BL_GATT_SIGNED_WRITE,
         .value = value,
         .len = 40,
         .max_len = 50,
         .authorize_reads = true,
         .authorize_writes = true,
         .read_events = true},
        {.uuid = bl_uuid_from16(0x2a3a),
         .flags =
             BL_GATT_READ | BL_GATT_READ_ENCRYPTED | BL_GATT_WRITE | BL_GATT_WRITE_AUTHENTICATED,
         .value = value,
         .len = 4,
         .max_len = 50},
    };
    const struct bl_gatts_service service = {.uuid = which ? (struct bl_uuid){{3}}
                                                           : bl_uuid_from16(0x180d),
                                             .secondary = which,
                                             .includes = &f->service[0],
                                             .n_includes = which && f->service[0] ? 1 : 0,
                                             .characteristics = characteristics,
                                             .n_characteristics = ARRAY_LEN(characteristics)};
    uint16_t *values = f->value + which * (VALUES / 2);

    must(bl_gatts_add(f->host, f->now, &service, &f->service[which], values) == 0);
    f->n_values = VALUES;
}

static void change(struct fuzz *f, unsigned which)
{
    if (f->service[which] == 0) {
        add_service(f, which);
        return;
    }
    must(bl_gatts_remove(f->host, f->now, f->service[which]) == 0);
    f->service[which] = 0;
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

static void step(struct fuzz *f, uint8_t what, const uint8_t *p, size_t n)
{
    struct peer *peer = &f->peer[n & 1];

    switch (what) {
    case 0:
    case 1:
        peer_sends(f, &f->peer[what], BL_ATT_CID, p, n);
        break;
    case 2:
        pass(f, n > 0 ? p[0] * 200000u : 30000000u);
        break;
    case 3:
        if (n >= 3)
            act(f, p, n);
        break;
    case 4:
        (void)bl_gatts_reply(f->host, f->now, f->request, n > 0 ? p[0] % 4 : 0, n > 1 ? p : NULL,
                             n);
        break;
    case 5:
        if (peer->handle)
            disconnected(f, peer->handle);
        connect_peer(f, peer);
        break;
    case 6:
        f->stingy = !f->stingy;
        credits(f);
        break;
    case 7:
        if (n > 2)
            peer_sends(f, peer, (uint16_t)(p[0] | p[1] << 8), p + 2, n - 2);
        break;
    case 8:
        change(f, n & 1);
        break;
    default:
        peer_answers(f, &f->peer[0], p, n);
        break;
    }
    drain(f);
}

static bool begin(struct fuzz *f, const struct bl_env *env)
{
    const struct bl_config config = {
        .addr_mode = BL_ADDR_MODE_PUBLIC, .mtu = 100, .gap_name = "fuzz", .name_writable = true};
    bl_op op;

    if (bl_host_new(&f->host, env, &config) < 0)
        return false;
    must(bl_host_start(f->host, f->now, &op) == 0);
    f->begun++;
    drain(f);
    must(bl_host_ready(f->host));
    for (unsigned i = 0; i < 2; i++)
        add_service(f, i);
    for (unsigned i = 0; i < PEERS; i++) {
        connect_peer(f, &f->peer[i]);
        must(f->peer[i].conn != 0);
    }
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
        uint8_t what = rd_u8(&r) % 10;
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
