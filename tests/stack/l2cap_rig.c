/* SPDX-License-Identifier: MIT */

#include "l2cap_rig.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000u
#define STEP   10000u

/* ---- events ---- */

static bool coc_concerns(enum bl_event_kind kind)
{
    return kind == BL_EV_OP_DONE || (kind >= BL_EV_L2CAP_ACCEPT && kind < BL_EV_KINDS);
}

static bool coc_poll(struct stack *s, size_t end, uint64_t us, struct bl_event *ret)
{
    struct stack_end *e = &s->end[end];
    uint64_t until = s->now + us;

    stack_settle(s);
    for (;;) {
        while (e->taken < e->n_events) {
            *ret = e->events[e->taken++];
            if (coc_concerns(ret->kind))
                return true;
        }
        if (s->now >= until)
            return false;
        stack_run(s, until - s->now < STEP ? until - s->now : STEP);
    }
}

struct bl_event coc_next(struct stack *s, size_t end, uint64_t us)
{
    struct bl_event e = {0};

    ck_assert_msg(coc_poll(s, end, us, &e), "nothing at end %zu within %llu us", end,
                  (unsigned long long)us);
    return e;
}

struct bl_event coc_expect(struct stack *s, size_t end, enum bl_event_kind kind)
{
    struct bl_event e = coc_next(s, end, 10 * SECOND);

    ck_assert_msg(e.kind == kind, "event %d at end %zu, not %d", (int)e.kind, end, (int)kind);
    return e;
}

void coc_quiet(struct stack *s, size_t end, uint64_t us)
{
    struct bl_event e;

    if (coc_poll(s, end, us, &e))
        ck_abort_msg("event %d at end %zu", (int)e.kind, end);
}

/* ---- channels ---- */

void coc_listen(struct stack *s, size_t end, uint16_t psm, uint16_t mtu)
{
    const struct bl_l2cap_listen listen = {.psm = psm, .mtu = mtu};

    ck_assert_int_eq(bl_l2cap_listen(s->end[end].host, &listen), 0);
}

bl_op coc_connect(struct stack *s, size_t end, uint16_t conn, uint16_t psm, uint16_t mtu,
                  unsigned enhanced)
{
    const struct bl_l2cap_connect params = {
        .psm = psm, .mtu = mtu, .enhanced = enhanced > 0, .count = (uint8_t)enhanced};
    bl_op op = 0;

    ck_assert_int_eq(bl_l2cap_connect(s->end[end].host, s->now, conn, &params, &op), 0);
    ck_assert_uint_ne(op, 0);
    return op;
}

static void coc_init(struct coc *c, unsigned i, const size_t ends[COC_ENDS],
                     const uint16_t conns[COC_ENDS], const struct bl_event told[COC_ENDS])
{
    for (size_t k = 0; k < COC_ENDS; k++) {
        struct coc_half *h = &c->half[k];
        uint32_t id = (uint32_t)told[0].l2cap.cid << 16 | told[1].l2cap.cid;
        *h = (struct coc_half){.end = ends[k],
                               .conn = conns[k],
                               .cid = told[k].l2cap.cid,
                               .out_seed = id * 2 + (uint32_t)k + i,
                               .in_seed = id * 2 + (uint32_t)(1 - k) + i,
                               .out_cap = told[k].l2cap.peer_mtu,
                               .in_cap = told[k].l2cap.our_mtu,
                               .by_slots = (told[0].l2cap.cid + k) % 2 == 1,
                               .opened = 1};
        h->expected = malloc(h->in_cap);
        ck_assert_ptr_nonnull(h->expected);
    }
}

/* ACCEPT of each before its CONNECTED, in the opener's order. */
static void coc_accepted(struct stack *s, unsigned count, const size_t ends[COC_ENDS],
                         const uint16_t conns[COC_ENDS], struct bl_event told[][COC_ENDS])
{
    unsigned accepts = 0, opened = 0;

    while (opened < count) {
        struct bl_event e = coc_next(s, ends[1], SECOND);
        stack_need(e.kind == BL_EV_L2CAP_ACCEPT || e.kind == BL_EV_L2CAP_CONNECTED);
        accepts += e.kind == BL_EV_L2CAP_ACCEPT;
        if (e.kind == BL_EV_L2CAP_ACCEPT)
            stack_need(e.l2cap.request == 0);
        else
            told[opened++][1] = e;
        stack_need(accepts >= opened);
    }
    stack_need(accepts == count);
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < COC_ENDS; k++) {
            struct bl_l2cap_info info;
            ck_assert_int_eq(
                bl_l2cap_info(s->end[ends[k]].host, conns[k], told[i][k].l2cap.cid, &info), 0);
            stack_need(info.peer_cid == told[i][1 - k].l2cap.cid);
        }
}

void coc_open(struct stack *s, struct coc *ret, unsigned count, const size_t ends[COC_ENDS],
              const uint16_t conns[COC_ENDS], uint16_t psm, uint16_t mtu, bool enhanced)
{
    struct bl_event told[5][COC_ENDS];

    ck_assert_uint_le(count, 5);
    stack_forget(s);
    bl_op op = coc_connect(s, ends[0], conns[0], psm, mtu, enhanced ? count : 0);
    for (unsigned i = 0; i < count; i++)
        told[i][0] = coc_expect(s, ends[0], BL_EV_L2CAP_CONNECTED);
    struct bl_event done = coc_expect(s, ends[0], BL_EV_OP_DONE);
    stack_need(done.done.op == op);
    ck_assert_msg(done.done.status == BL_OK, "0x%03x", done.done.status);
    stack_need(done.done.l2cap.cid == told[0][0].l2cap.cid);
    stack_need(done.done.l2cap.our_mtu == mtu);
    stack_need(done.done.l2cap.peer_mtu == told[0][0].l2cap.peer_mtu);
    coc_accepted(s, count, ends, conns, told);
    for (unsigned i = 0; i < count; i++) {
        for (size_t k = 0; k < COC_ENDS; k++) {
            const struct bl_event *e = &told[i][k];
            stack_need(e->l2cap.conn == conns[k]);
            stack_need(e->l2cap.psm == psm);
            stack_need(e->l2cap.our_mtu == told[i][1 - k].l2cap.peer_mtu);
            stack_need(e->l2cap.incoming == (k == COC_LISTENER));
            stack_need(e->l2cap.op == (k == COC_OPENER ? op : 0));
            stack_need(e->l2cap.cid >= 0x40 && e->l2cap.cid <= 0x7f);
        }
        ret[i] = (struct coc){.psm = psm, .enhanced = enhanced};
        coc_init(&ret[i], i, ends, conns, told[i]);
    }
    stack_forget(s);
}

void coc_open_one(struct stack *s, struct coc *ret, const uint16_t conns[COC_ENDS], uint16_t psm,
                  uint16_t mtu)
{
    static const size_t ends[COC_ENDS] = {1, 0};
    const uint16_t from[COC_ENDS] = {conns[1], conns[0]}; /* the opener first */

    coc_open(s, ret, 1, ends, from, psm, mtu, false);
}

void coc_free(struct coc *channels, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < COC_ENDS; k++) {
            free(channels[i].half[k].expected);
            channels[i].half[k].expected = NULL;
        }
}

void coc_close(struct stack *s, struct coc *c, size_t half)
{
    struct coc_half *h = &c->half[half], *other = &c->half[1 - half];
    bl_op op;

    stack_forget(s);
    ck_assert_int_eq(bl_l2cap_disconnect(s->end[h->end].host, s->now, h->conn, h->cid, &op), 0);
    struct bl_event e = coc_expect(s, h->end, BL_EV_L2CAP_DISCONNECTED);
    ck_assert_uint_eq(e.l2cap.cid, h->cid);
    ck_assert_uint_eq(e.l2cap.status, 0);
    e = coc_expect(s, h->end, BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_uint_eq(e.done.status, BL_OK);
    e = coc_expect(s, other->end, BL_EV_L2CAP_DISCONNECTED);
    ck_assert_uint_eq(e.l2cap.cid, other->cid);
    ck_assert_uint_eq(e.l2cap.status, 0);
    h->ended++;
    other->ended++;
}

struct bl_l2cap_info coc_info(const struct stack *s, const struct coc_half *h)
{
    struct bl_l2cap_info info;

    stack_need(bl_l2cap_info(s->end[h->end].host, h->conn, h->cid, &info) == 0);
    return info;
}

/* ---- data ---- */

static uint64_t coc_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Empty ones, whole ones, and those around the length of a frame are more frequent than chance. */
size_t coc_sdu_len(uint32_t seed, unsigned k, size_t cap)
{
    uint64_t r = coc_mix((uint64_t)seed << 32 | k);
    size_t frame = 20 + (r >> 20) % 240, len = (r >> 32) % (cap + 1);

    switch (r % 16) {
    case 0:
        return 0;
    case 1:
    case 2:
        return cap;
    case 3:
    case 4:
    case 5:
        return frame < cap ? frame : cap;
    case 6:
        return 1;
    default:
        return len;
    }
}

void coc_sdu_fill(uint32_t seed, unsigned k, uint8_t *out, size_t n)
{
    uint64_t x = coc_mix((uint64_t)seed << 32 | k) | 1;
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(out + i, &x, 8);
    }
    for (; i < n; i++)
        out[i] = (uint8_t)(x >> (8 * (i % 8)) ^ i);
}

static bool coc_wrote(struct coc_half *h, int r, size_t n)
{
    stack_need(r == 0 || r == 1);
    h->written++;
    h->written_bytes += n;
    h->blocked = r == 0;
    return !h->blocked;
}

static bool coc_write_slots(struct stack *s, struct coc_half *h, uint64_t bytes, unsigned sdus)
{
    struct bl_l2cap_slot slot[BL_L2CAP_SLOTS];
    struct bl_host *host = s->end[h->end].host;
    size_t len[BL_L2CAP_SLOTS], n = 0;
    uint64_t sum = h->written_bytes;
    unsigned k = h->written;

    size_t got = bl_l2cap_slots(host, h->conn, h->cid, slot, BL_L2CAP_SLOTS);
    stack_need(got >= 1);
    stack_need(got <= BL_L2CAP_SLOTS);
    for (; n < got && sum < bytes && k + n < sdus; n++) {
        len[n] = coc_sdu_len(h->out_seed, k + (unsigned)n, h->out_cap);
        stack_need(slot[n].size >= len[n]);
        coc_sdu_fill(h->out_seed, k + (unsigned)n, slot[n].data, len[n]);
        sum += len[n];
    }
    int r = bl_l2cap_commit(host, s->now, h->conn, h->cid, len, n);
    for (size_t i = 0; i + 1 < n; i++)
        coc_wrote(h, 1, len[i]);
    return coc_wrote(h, r, len[n - 1]);
}

void coc_write(struct stack *s, struct coc_half *h, uint64_t bytes, unsigned sdus)
{
    struct bl_host *host = s->end[h->end].host;
    static uint8_t sdu[65535];
    bool more = !h->blocked;

    while (more && h->written_bytes < bytes && h->written < sdus) {
        if (h->by_slots) {
            more = coc_write_slots(s, h, bytes, sdus);
            continue;
        }
        size_t n = coc_sdu_len(h->out_seed, h->written, h->out_cap);
        coc_sdu_fill(h->out_seed, h->written, sdu, n);
        more = coc_wrote(h, bl_l2cap_send(host, s->now, h->conn, h->cid, sdu, n), n);
    }
    /* Blocked: both ways of writing say so, unless SEND_READY waits to be looked at. */
    struct bl_l2cap_slot slot;
    if (h->blocked && bl_l2cap_slots(host, h->conn, h->cid, &slot, 1) == 0)
        stack_need(bl_l2cap_send(host, s->now, h->conn, h->cid, sdu, 1) == -EBUSY);
}

static void coc_expected(struct coc_half *h)
{
    if (h->has_expected)
        return;
    h->expected_len = coc_sdu_len(h->in_seed, h->read, h->in_cap);
    coc_sdu_fill(h->in_seed, h->read, h->expected, h->expected_len);
    h->has_expected = true;
}

/* What is left of the first SDU is right. */
static size_t coc_check(const struct stack *s, struct coc_half *h)
{
    const uint8_t *sdu;
    size_t n;

    stack_need(bl_l2cap_peek(s->end[h->end].host, h->conn, h->cid, 0, &sdu, &n));
    coc_expected(h);
    if (n != h->expected_len - h->at)
        ck_abort_msg("SDU %u of %zu octets, %zu read: %zu are left", h->read, h->expected_len,
                     h->at, n);
    if (n > 0 && memcmp(sdu, h->expected + h->at, n) != 0)
        ck_abort_msg("SDU %u is wrong", h->read);
    return n;
}

static void coc_took(struct coc_half *h, size_t n)
{
    h->at += n;
    h->read_bytes += n;
    if (h->at < h->expected_len)
        return;
    h->read++;
    h->at = 0;
    h->has_expected = false;
}

/* All that waits, looked at through the index. */
static size_t coc_read_whole(struct stack *s, struct coc_half *h, size_t sdus, size_t most)
{
    struct bl_host *host = s->end[h->end].host;
    size_t sum = 0, n = 0;

    for (; n < sdus && sum < most; n++) {
        const uint8_t *sdu;
        size_t len;
        stack_need(bl_l2cap_peek(host, h->conn, h->cid, n, &sdu, &len));
        coc_expected(h);
        stack_need(len == h->expected_len - h->at);
        if (len > 0 && memcmp(sdu, h->expected + h->at, len) != 0)
            ck_abort_msg("SDU %u is wrong", h->read);
        sum += len;
        coc_took(h, len);
    }
    stack_need(bl_l2cap_consume_sdus(host, s->now, h->conn, h->cid, n) == 0);
    return sum;
}

void coc_read(struct stack *s, struct coc_half *h, size_t most, size_t piece)
{
    struct bl_host *host = s->end[h->end].host;
    size_t bytes, sdus, sum = 0;

    for (;;) {
        int r = bl_l2cap_available(host, h->conn, h->cid, &bytes, &sdus);
        if (r == -ENOENT && h->ended)
            return; /* all has been read */
        stack_need(r == 0);
        stack_need(sdus > 0 || bytes == 0);
        if (sdus == 0 || sum >= most)
            return;
        if (piece == 0) {
            sum += coc_read_whole(s, h, sdus, most - sum);
            continue;
        }
        size_t n = coc_check(s, h);
        n = n < piece ? n : piece;
        stack_need(bl_l2cap_consume(host, s->now, h->conn, h->cid, n) == 0);
        coc_took(h, n);
        sum += n > 0 ? n : 1;
    }
}

static struct coc_half *coc_find(struct coc *channels, size_t n, size_t end, uint16_t conn,
                                 uint16_t cid)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < COC_ENDS; k++) {
            struct coc_half *h = &channels[i].half[k];
            if (h->end == end && h->conn == conn && h->cid == cid)
                return h;
        }
    return NULL;
}

static void coc_told(struct coc_half *h, const struct bl_event *e)
{
    stack_need(h->ended == 0);
    h->opened += e->kind == BL_EV_L2CAP_CONNECTED;
    h->told += e->kind == BL_EV_L2CAP_RECEIVED;
    h->reconfigured += e->kind == BL_EV_L2CAP_RECONFIGURED;
    if (e->kind == BL_EV_L2CAP_SEND_READY) {
        stack_need(h->blocked);
        h->blocked = false;
        h->readies++;
    } else if (e->kind == BL_EV_L2CAP_DISCONNECTED) {
        h->ended++;
        h->status = e->l2cap.status;
    }
}

void coc_look(struct stack *s, struct coc *channels, size_t n)
{
    for (size_t end = 0; end < s->n; end++) {
        struct stack_end *e = &s->end[end];
        for (size_t i = 0; i < e->n_events; i++) {
            const struct bl_event *event = &e->events[i];
            if (event->kind < BL_EV_L2CAP_ACCEPT || event->kind >= BL_EV_KINDS)
                continue;
            struct coc_half *h = coc_find(channels, n, end, event->l2cap.conn, event->l2cap.cid);
            if (h)
                coc_told(h, event);
        }
        e->n_events = e->taken = 0;
    }
}

void coc_exchange(struct stack *s, struct coc *channels, size_t n, unsigned sdus)
{
    unsigned base[64][COC_ENDS];
    bool done = false;

    ck_assert_uint_le(n, 64);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < COC_ENDS; k++)
            base[i][k] = channels[i].half[k].written;
    for (unsigned round = 0; !done; round++) {
        stack_need(round < 20000); /* data without end */
        done = true;
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < COC_ENDS; k++) {
                struct coc_half *h = &channels[i].half[k], *from = &channels[i].half[1 - k];
                coc_write(s, h, UINT64_MAX, base[i][k] + sdus);
                coc_read(s, h, SIZE_MAX, (i + k) % 2 == 0 ? 0 : 7 + 300 * k);
                done &=
                    h->read == base[i][1 - k] + sdus && from->written == h->read && !from->blocked;
            }
        stack_run(s, 2 * STEP);
        coc_look(s, channels, n);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < COC_ENDS; k++) {
            const struct coc_half *h = &channels[i].half[k];
            struct bl_l2cap_info info = coc_info(s, h);
            ck_assert_uint_eq(h->told, h->read);
            ck_assert_uint_eq(info.tx_sdus, h->written);
            ck_assert_uint_eq(info.tx_bytes, h->written_bytes);
            ck_assert_uint_eq(info.rx_sdus, h->read);
            ck_assert_uint_eq(info.rx_bytes, h->read_bytes);
        }
}

void coc_check_window(const struct stack *s, const struct coc_half *h, size_t rx_buf)
{
    struct bl_l2cap_info info = coc_info(s, h);
    size_t bytes, sdus, least = (size_t)info.our_mtu + 2 + 2u * info.our_mps;

    stack_need(bl_l2cap_available(s->end[h->end].host, h->conn, h->cid, &bytes, &sdus) == 0);
    size_t held = bytes + (size_t)info.peer_credits * info.our_mps;
    if (held > (rx_buf > least ? rx_buf : least))
        ck_abort_msg("%zu octets wait, %u credits of %u octets are out, MTU %u", bytes,
                     info.peer_credits, info.our_mps, info.our_mtu);
}

/* ---- a peer that is scripted ---- */

static struct coc_script {
    struct stack *s;
    size_t victim;
    uint16_t conn;
    struct coc_pdu pdus[COC_PDUS]; /* what the victim has sent */
    size_t n, taken;
    uint8_t open[COC_PDU_MAX]; /* what is being joined, its L2CAP header first */
    size_t open_n;
} script;

static void coc_tap(struct stack *s, size_t end, const uint8_t *packet, size_t n)
{
    (void)s;
    (void)end;
    if (packet[0] != 0x02)
        return;
    if ((packet[2] >> 4 & 3) != 1) /* not a continuation */
        script.open_n = 0;
    ck_assert_uint_le(script.open_n + n - 5, sizeof(script.open));
    memcpy(script.open + script.open_n, packet + 5, n - 5);
    script.open_n += n - 5;
    const uint8_t *pdu = script.open;
    if (script.open_n < 4 || script.open_n < 4u + pdu[0] + pdu[1] * 256u)
        return;
    ck_assert_uint_lt(script.n, COC_PDUS);
    struct coc_pdu *p = &script.pdus[script.n++];
    p->cid = (uint16_t)(pdu[2] | pdu[3] << 8);
    p->n = script.open_n - 4;
    memcpy(p->data, pdu + 4, p->n);
    script.open_n = 0;
}

void coc_script(struct stack *s, size_t victim, uint16_t conn)
{
    stack_settle(s);
    script.s = s;
    script.victim = victim;
    script.conn = conn;
    script.n = script.taken = script.open_n = 0;
    s->end[victim].tap = coc_tap;
    s->end[1 - victim].deaf = true;
}

void coc_say(uint16_t cid, const void *data, size_t n)
{
    stack_inject(script.s, script.victim, script.conn, cid, data, n);
    stack_run(script.s, STEP);
}

void coc_say_cut(uint16_t cid, const void *data, size_t n, size_t piece)
{
    struct stack_end *e = &script.s->end[script.victim];
    struct bl_conn_info info;
    uint8_t pdu[COC_PDU_MAX] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)cid, (uint8_t)(cid >> 8)};

    ck_assert_int_eq(bl_conn_info(e->host, script.conn, &info), 0);
    ck_assert_uint_le(n, sizeof(pdu) - 4);
    memcpy(pdu + 4, data, n);
    for (size_t at = 0; at < n + 4; at += piece) {
        size_t len = piece < n + 4 - at ? piece : n + 4 - at;
        uint8_t packet[5 + COC_PDU_MAX] = {0x02, (uint8_t)info.handle,
                                           (uint8_t)(info.handle >> 8 | (at ? 0x10 : 0x20)),
                                           (uint8_t)len, (uint8_t)(len >> 8)};
        memcpy(packet + 5, pdu + at, len);
        ck_assert_int_eq(
            bl_air_inject(script.s->air, script.s->now, e->controller, packet, 5 + len), 0);
    }
    stack_run(script.s, STEP);
}

void coc_signal(const struct bl_sig *sig)
{
    uint8_t data[BL_SIG_MTU];
    size_t n = bl_l2cap_sig_build(sig, data, sizeof(data));

    ck_assert_uint_gt(n, 0);
    coc_say(0x0005, data, n);
}

bool coc_hear_any(uint64_t us, struct coc_pdu *ret)
{
    for (uint64_t until = script.s->now + us;;) {
        if (script.taken < script.n) {
            *ret = script.pdus[script.taken++];
            if (script.taken == script.n)
                script.taken = script.n = 0;
            return true;
        }
        if (script.s->now >= until)
            return false;
        stack_run(script.s, STEP);
    }
}

struct bl_sig coc_hear(uint8_t code)
{
    struct coc_pdu pdu = {0};
    struct bl_sig sig;

    do
        ck_assert_msg(coc_hear_any(2 * SECOND, &pdu), "no command 0x%02x", code);
    while (pdu.cid != 0x0005 || (pdu.data[0] == BL_SIG_CREDITS && code != BL_SIG_CREDITS));
    ck_assert_int_eq(bl_l2cap_sig_parse(pdu.data, pdu.n, &sig), BL_SIG_OK);
    ck_assert_msg(sig.code == code, "command 0x%02x, not 0x%02x", sig.code, code);
    return sig;
}

void coc_hear_nothing(uint64_t us)
{
    struct coc_pdu pdu = {0};

    if (coc_hear_any(us, &pdu))
        ck_abort_msg("CID 0x%04x: %zu octets, code 0x%02x", pdu.cid, pdu.n, pdu.data[0]);
}
