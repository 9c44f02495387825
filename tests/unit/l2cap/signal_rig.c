/* SPDX-License-Identifier: MIT */

#include "signal_rig.h"

#include "base/rd.h"
#include "base/wr.h"

struct bl_hci *hci;
struct bl_evq events;
struct bl_config config;
struct bl_l2cap l2cap;
struct bl_l2cap_conn *conn;
uint64_t now;

static const struct bl_env env = {0};

void setup(void)
{
    oom_off();
    now = 1000 * SECONDS;
    hci = fake_hci_new(false);
    hci->caps.acl_len = ACL_LEN;
    config = (struct bl_config){0};
    ck_assert_int_eq(bl_evq_init(&events), 0);
    ck_assert_int_eq(bl_l2cap_init(&l2cap, hci, &env, &events, &config), 0);
    ck_assert_int_eq(bl_l2cap_open(&l2cap, now, CONN, HANDLE), 0);
    conn = l2cap.table[0];
}

void teardown(void)
{
    oom_off();
    bl_l2cap_deinit(&l2cap);
    bl_evq_deinit(&events);
    fake_hci_free(hci);
}

void step(void)
{
    bl_l2cap_step(&l2cap, now);
    (void)bl_l2cap_fill(&l2cap, now);
}

bool rx_words(uint8_t code, uint8_t id, const uint16_t *words, size_t n)
{
    uint8_t pdu[64];
    struct wr w = wr_make(pdu, sizeof(pdu));
    struct bl_sig sig;

    wr_u8(&w, code);
    wr_u8(&w, id);
    wr_u16(&w, (uint16_t)(2 * n));
    for (size_t i = 0; i < n; i++)
        wr_u16(&w, words[i]);
    bool handed_on = bl_l2cap_signal(&l2cap, now, CONN, pdu, w.len, &sig);
    step();
    return !handed_on;
}

void tx_words(uint8_t code, uint8_t id, const uint16_t *words, size_t n)
{
    const struct fake_sent *s = fake_hci_take_sent(hci);

    if (!s)
        ck_abort_msg("nothing sent, but code 0x%02x is due", code);
    struct rd r = rd_make(s->data, s->n);
    MUST(s->handle == HANDLE);
    MUST(rd_u16(&r) == 4 + 2 * n);
    MUST(rd_u16(&r) == BL_L2CAP_SIGNALING_CID);
    uint8_t sent_code = rd_u8(&r), sent_id = rd_u8(&r);
    if (sent_code != code || sent_id != id)
        ck_abort_msg("code 0x%02x, identifier %u, not 0x%02x, %u", sent_code, sent_id, code, id);
    MUST(rd_u16(&r) == 2 * n);
    for (size_t i = 0; i < n; i++) {
        uint16_t word = rd_u16(&r);
        if (word != words[i])
            ck_abort_msg("code 0x%02x: number %zu is 0x%04x, not 0x%04x", code, i, word, words[i]);
    }
    MUST(rd_done(&r));
}

void no_tx(void)
{
    const struct fake_sent *s = fake_hci_take_sent(hci);

    if (s)
        ck_abort_msg("sent to CID 0x%04x, code 0x%02x", s->data[2] | s->data[3] << 8, s->data[4]);
}

void rx_frame(uint16_t cid, const void *data, size_t n)
{
    bl_l2cap_pdu(&l2cap, now, CONN, cid, data, n);
    step();
}

void rx_sdu(uint16_t cid, size_t n)
{
    uint8_t frame[1024] = {(uint8_t)n, (uint8_t)(n >> 8)};

    rx_frame(cid, frame, n + 2);
}

void advance(uint64_t us)
{
    uint64_t until = now + us;

    for (;;) {
        uint64_t at = bl_l2cap_deadline(&l2cap);
        if (at > until)
            break;
        now = at > now ? at : now;
        bl_l2cap_tick(&l2cap, now);
        step();
    }
    now = until;
}

void lose(bl_status status)
{
    bl_l2cap_close(&l2cap, now, CONN, status);
    MUST(bl_l2cap_deadline(&l2cap) == TIMERQ_NEVER);
    MUST(list_empty(&l2cap.sending));
    conn = NULL;
}

struct bl_event next_event(enum bl_event_kind kind, uint16_t cid)
{
    struct bl_event e;

    ck_assert_msg(bl_evq_pop(&events, &e), "no event, but %d is due", kind);
    ck_assert_int_eq(e.kind, kind);
    ck_assert_uint_eq(e.l2cap.conn, CONN);
    ck_assert_uint_eq(e.l2cap.cid, cid);
    return e;
}

void op_ends(bl_op op, bl_status status)
{
    struct bl_event e;

    ck_assert(bl_evq_pop(&events, &e));
    ck_assert_int_eq(e.kind, BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_uint_eq(e.done.status, status);
}

void silent(void)
{
    struct bl_event e;

    no_tx();
    bool any = bl_evq_pop(&events, &e);
    ck_assert_msg(!any, "event %d", any ? (int)e.kind : 0);
    ck_assert_uint_eq(events.open_ops, 0);
}

void ended(uint16_t cid, bl_status status)
{
    struct bl_event e = next_event(BL_EV_L2CAP_DISCONNECTED, cid);

    ck_assert_uint_eq(e.l2cap.status, status);
}

void refused(bl_op op, bl_status status)
{
    struct bl_event e = next_event(BL_EV_L2CAP_DISCONNECTED, 0);

    ck_assert_uint_eq(e.l2cap.psm, PSM);
    ck_assert_uint_eq(e.l2cap.op, op);
    ck_assert_uint_eq(e.l2cap.status, status);
}

void link_goes_on(void)
{
    RX(0x99, 0xee, 0);
    TX(0x01, 0xee, BL_SIG_NOT_UNDERSTOOD);
    struct bl_event e;
    no_tx();
    MUST(!bl_evq_pop(&events, &e));
}

/* ---- channels ---- */

void listen_on(uint16_t psm, uint16_t mtu, uint8_t security, bool authorize)
{
    const struct bl_l2cap_listen params = {psm, mtu, security, authorize};

    MUST(bl_l2cap_do_listen(&l2cap, &params) == 0);
}

bl_op connects(uint16_t psm, uint16_t mtu, bool as_enhanced, uint8_t count)
{
    const struct bl_l2cap_connect params = {psm, mtu, as_enhanced, count};
    bl_op op = 0;

    MUST(bl_l2cap_do_connect(&l2cap, now, CONN, &params, &op) == 0);
    MUST(op != 0);
    return op;
}

/* What is said while a channel opens is of no interest. */
static uint16_t opened(void)
{
    struct bl_event e;
    uint16_t cid = 0;

    while (bl_evq_pop(&events, &e))
        if (e.kind == BL_EV_L2CAP_CONNECTED)
            cid = e.l2cap.cid;
    while (fake_hci_take_sent(hci))
        ;
    MUST(cid != 0);
    return cid;
}

uint16_t incoming(uint16_t peer_cid)
{
    if (!l2cap.listeners[PSM])
        listen_on(PSM, MTU, 0, false);
    RX(0x14, 0xf0, PSM, peer_cid, 512, 100, 5);
    return opened();
}

uint16_t outgoing(uint16_t peer_cid)
{
    connects(PSM, MTU, false, 1);
    RX(0x15, conn->last_id, peer_cid, 512, 100, 5, 0);
    return opened();
}

uint16_t enhanced(uint16_t peer_cid)
{
    connects(PSM, MTU, true, 1);
    RX(0x18, conn->last_id, 512, 100, 5, 0, peer_cid);
    return opened();
}

struct l2cap_channel *channel(uint16_t cid)
{
    return bl_l2cap_channel(&l2cap, CONN, cid, NULL);
}
