/* SPDX-License-Identifier: MIT */

/*
 * Every state a channel or a procedure can be in, against every PDU of the peer's; the end of the
 * link in each; and long random lives. What must hold whatever comes: the link goes on, every
 * operation ends once, what was told to be open is told to have ended, and the books add up.
 */

#include "signal_rig.h"

enum state {
    NONE,
    CONNECTING,
    CONNECTING_ENHANCED,
    PENDING,
    UNSENT,
    ASKED,
    ASKED_ENHANCED,
    INCOMING,
    OUTGOING,
    ENHANCED,
    RECONFIGURING,
    DRAINING,
    DISCONNECTING,
    BROKEN,
    ENDED,
    LATE,
    STATES,
};

/* ---- what has been told ---- */

static struct ledger {
    bool open[0x80];   /* CONNECTED without DISCONNECTED */
    bl_op begun[4096]; /* operations that have not ended */
    unsigned n_begun;
    uint32_t request; /* the last that was asked for */
} told;

static void begun(bl_op op)
{
    MUST(told.n_begun < 4096);
    told.begun[told.n_begun++] = op;
}

static void op_ended(bl_op op)
{
    unsigned i = 0;

    while (i < told.n_begun && told.begun[i] != op)
        i++;
    if (i == told.n_begun)
        ck_abort_msg("operation %u ends twice, or was never begun", op);
    told.begun[i] = told.begun[--told.n_begun];
}

static void take_events(void)
{
    struct bl_event e;

    while (bl_evq_pop(&events, &e)) {
        uint16_t cid = e.l2cap.cid;
        switch ((int)e.kind) {
        case BL_EV_OP_DONE:
            op_ended(e.done.op);
            break;
        case BL_EV_L2CAP_ACCEPT:
            MUST(!told.open[cid]);
            if (e.l2cap.request)
                told.request = e.l2cap.request;
            break;
        case BL_EV_L2CAP_CONNECTED:
            MUST(!told.open[cid]);
            told.open[cid] = true;
            break;
        case BL_EV_L2CAP_DISCONNECTED:
            MUST(cid == 0 || told.open[cid]);
            told.open[cid] = false;
            break;
        default:
            MUST(e.kind > BL_EV_L2CAP_DISCONNECTED);
            MUST(told.open[cid]);
            break;
        }
    }
}

static void take_sent(void)
{
    while (fake_hci_take_sent(hci))
        ;
    hci->n_sent = hci->sent_taken = 0;
}

static void check_books(void)
{
    size_t promised = 0;
    unsigned n = 0, waiting = 0;

    for (uint16_t cid = BL_L2CAP_CID_MIN; cid <= BL_L2CAP_CID_MAX; cid++) {
        const struct l2cap_channel *ch = l2cap_channel_find(conn, cid);
        if (!ch)
            continue;
        n++;
        promised += ch->rx.window;
        MUST(ch->cid == cid);
        MUST(ch->rx.window >= ch->rx.tail - ch->rx.head + (size_t)ch->rx.credits * ch->our_mps);
        if (ch->state >= L2CAP_OPEN && ch->state != L2CAP_ENDED) {
            MUST(told.open[cid]);
            MUST(l2cap_channel_of_peer(conn, ch->peer_cid) == ch);
        } else {
            MUST(!told.open[cid]);
        }
    }
    list_each(l, next, &conn->asked)
    {
        const struct l2cap_asked *a = list_entry(l, struct l2cap_asked, link);
        for (unsigned i = 0; i < a->n_cid; i++)
            waiting += a->request[i] != 0;
    }
    MUST(conn->n_channels == n);
    MUST(conn->promised == promised);
    MUST(promised <= BL_MAX_CHANNEL_RX);
    MUST(conn->n_asked == waiting);
    MUST(events.open_ops == told.n_begun);
}

static void settle(void)
{
    take_events();
    take_sent();
    check_books();
}

/* The link ends, and with it all. */
static void finish(void)
{
    lose(0x113);
    take_events();
    for (unsigned i = 0; i < 0x80; i++)
        if (told.open[i])
            ck_abort_msg("channel 0x%02x was never told to have ended", i);
    MUST(told.n_begun == 0);
    MUST(events.open_ops == 0);
}

/* Another one comes. */
static void again(void)
{
    take_sent();
    bl_l2cap_reset(&l2cap);
    MUST(bl_l2cap_open(&l2cap, now, CONN, HANDLE) == 0);
    conn = l2cap.table[0];
    hci->send_error = 0;
}

/* ---- states ---- */

static bl_op ask(bool as_enhanced, uint8_t n)
{
    bl_op op = connects(PSM, MTU, as_enhanced, n);

    begun(op);
    return op;
}

/* Of its channels the first is 0x40, and 0x55 to the peer; what is under way has the identifier
 * ID(1) where nothing came before it. */
static void enter(enum state state)
{
    static const uint8_t sdu[512];
    uint16_t cid = 0x40;
    bl_op op = 0;

    told = (struct ledger){0};
    listen_on(PSM, MTU, 0, state == ASKED || state == ASKED_ENHANCED);
    switch (state) {
    case NONE:
        break;
    case CONNECTING:
        ask(false, 1);
        break;
    case CONNECTING_ENHANCED:
        ask(true, 3);
        break;
    case PENDING:
        ask(true, 2);
        RX(0x18, ID(1), 0, 0, 0, 0x000d, 0, 0);
        break;
    case UNSENT:
        hci->send_error = -ENOBUFS;
        ask(false, 1);
        break;
    case ASKED:
        RX(0x14, ID(1), PSM, 0x55, 512, 100, 5);
        break;
    case ASKED_ENHANCED:
        RX(0x17, ID(1), PSM, 512, 100, 5, 0x55, 0x56);
        break;
    case INCOMING:
        cid = incoming(0x55);
        break;
    case OUTGOING:
        cid = outgoing(0x55);
        break;
    case ENHANCED:
    case RECONFIGURING:
    case DRAINING:
    case DISCONNECTING:
    case BROKEN:
    case ENDED:
        cid = enhanced(0x55);
        break;
    case LATE:
        ask(true, 2);
        advance(31 * SECONDS);
        break;
    case STATES:
        break;
    }
    if (channel(cid))
        told.open[cid] = true;
    if (state == RECONFIGURING)
        MUST(bl_l2cap_do_reconfigure(&l2cap, now, CONN, &cid, 1, 600, 0, &op) == 0);
    if (state == DRAINING)
        for (unsigned i = 0; i < 3; i++)
            (void)bl_l2cap_tx_send(channel(cid), now, sdu, sizeof(sdu));
    if (state == DRAINING || state == DISCONNECTING)
        MUST(bl_l2cap_do_disconnect(&l2cap, now, CONN, cid, &op) == 0);
    if (state == BROKEN)
        rx_frame(cid, sdu, 1);
    if (state == ENDED) {
        rx_sdu(cid, 3);
        RX(0x06, 9, cid, 0x55);
    }
    if (op)
        begun(op);
    for (unsigned i = 0; state == DRAINING && i < 6; i++)
        step(); /* all that the peer's credits allow */
    settle();
}

/* ---- PDUs ---- */

/* Of nothing that there is: each has its one answer, and nothing changes. */
static const struct {
    uint8_t code;
    uint16_t words[5];
    size_t n;
    uint8_t answer; /* 0: none */
    uint16_t answer_words[5];
    size_t answer_n;
} strangers[] = {
    {0x01, {0}, 1, 0, {0}, 0},
    {0x01, {1, 23}, 2, 0, {0}, 0},
    {0x01, {2, 0x40, 0x55}, 3, 0, {0}, 0},
    {0x02, {1, 0x40}, 2, 0x01, {0}, 1}, /* of BR/EDR */
    {0x03, {0x40, 0x55, 0, 0}, 4, 0, {0}, 0},
    {0x04, {0x40, 0}, 2, 0x01, {0}, 1},
    {0x06, {0x60, 0x61}, 2, 0x01, {2, 0x60, 0x61}, 3},
    {0x06, {4, 4}, 2, 0x01, {2, 4, 4}, 3},
    {0x06, {6, 0x55}, 2, 0x01, {2, 6, 0x55}, 3},
    {0x07, {0x55, 0x40}, 2, 0, {0}, 0},
    {0x07, {0x60, 0x61}, 2, 0, {0}, 0},
    {0x08, {1, 2}, 2, 0x01, {0}, 1},
    {0x0a, {2}, 1, 0x01, {0}, 1},
    {0x0b, {2, 0}, 2, 0, {0}, 0},
    {0x14, {0x99, 0x60, 512, 100, 5}, 5, 0x15, {0, 0, 0, 0, 2}, 5},
    {0x14, {PSM, 0x3f, 512, 100, 5}, 5, 0x15, {0, 0, 0, 0, 9}, 5},
    {0x15, {0x60, 512, 100, 5, 0}, 5, 0, {0}, 0},
    {0x15, {0x55, 512, 100, 5, 0}, 5, 0, {0}, 0},
    {0x15, {0, 0, 0, 0, 2}, 5, 0, {0}, 0},
    {0x16, {0x60, 7}, 2, 0, {0}, 0},
    {0x16, {0x55, 0}, 2, 0, {0}, 0},
    {0x16, {0, 7}, 2, 0, {0}, 0},
    {0x17, {0x99, 512, 100, 5, 0x60}, 5, 0x18, {0, 0, 0, 2, 0}, 5},
    {0x17, {PSM, 63, 100, 5, 0x60}, 5, 0x18, {0, 0, 0, 12, 0}, 5},
    {0x18, {512, 100, 5, 0, 0x60}, 5, 0, {0}, 0},
    {0x18, {0, 0, 0, 2, 0}, 5, 0, {0}, 0},
    {0x19, {600, 100, 0x60}, 3, 0x1a, {3}, 1},
    {0x19, {600, 10, 0x55}, 3, 0x1a, {4}, 1},
    {0x1a, {0}, 1, 0, {0}, 0},
    {0x1a, {1}, 1, 0, {0}, 0},
    {0x1b, {0}, 1, 0x01, {0}, 1},
    {0x00, {0}, 1, 0x01, {0}, 1},
    {0xff, {0}, 0, 0x01, {0}, 1},
};

enum { STRANGERS = (int)(sizeof(strangers) / sizeof(strangers[0])) };

struct picture {
    struct {
        enum l2cap_state state;
        uint16_t peer_cid, our_mtu, our_mps, peer_mtu, peer_mps, tx_credits, rx_credits;
        size_t window, sdus;
    } channels[BL_MAX_CHANNELS];
    size_t promised;
    unsigned n_asked, n_requests;
    uint64_t deadline;
};

static void draw(struct picture *p)
{
    memset(p, 0, sizeof(*p));
    for (unsigned i = 0; i < BL_MAX_CHANNELS; i++) {
        const struct l2cap_channel *ch = conn->channels[i];
        if (!ch)
            continue;
        p->channels[i].state = ch->state;
        p->channels[i].peer_cid = ch->peer_cid;
        p->channels[i].our_mtu = ch->our_mtu;
        p->channels[i].our_mps = ch->our_mps;
        p->channels[i].peer_mtu = ch->peer_mtu;
        p->channels[i].peer_mps = ch->peer_mps;
        p->channels[i].tx_credits = ch->tx.credits;
        p->channels[i].rx_credits = ch->rx.credits;
        p->channels[i].window = ch->rx.window;
        p->channels[i].sdus = ch->rx.sdus;
    }
    p->promised = conn->promised;
    p->n_asked = conn->n_asked;
    list_each(l, next, &conn->requests)
    {
        p->n_requests++;
    }
    p->deadline = bl_l2cap_deadline(&l2cap);
}

START_TEST(what_nobody_asked_for_changes_nothing)
{
    static struct picture before, after;

    enter((enum state)_i);
    if (_i == UNSENT)
        step(); /* there is room by now */
    take_sent();
    draw(&before);
    for (size_t i = 0; i < STRANGERS; i++) {
        rx_words(strangers[i].code, 0x77, strangers[i].words, strangers[i].n);
        if (strangers[i].answer)
            tx_words(strangers[i].answer, 0x77, strangers[i].answer_words, strangers[i].answer_n);
        struct bl_event e;
        no_tx();
        MUST(!bl_evq_pop(&events, &e));
        draw(&after);
        ck_assert_msg(memcmp(&before, &after, sizeof(before)) == 0,
                      "state %d: PDU %zu changes something", _i, i);
    }
    rx_frame(0x60, (const uint8_t[]){1, 0, 1}, 3);
    draw(&after);
    ck_assert_mem_eq(&before, &after, sizeof(before));
    settle();
    finish();
}
END_TEST

/* Each code with numbers that may be anybody's: the ones that count are among them. */
static const uint16_t numbers[][6] = {
    {0x40, 0x55, 512, 100, 5, 0},
    {0x55, 0x40, 512, 100, 5, 0},
    {PSM, 0x56, 512, 100, 5, 0x57},
    {PSM, 512, 100, 5, 0x56, 0x57},
    {512, 100, 5, 0, 0x55, 0x56},
    {512, 100, 5, 0, 0x56, 0x56},
    {512, 100, 5, 4, 0x56, 0},
    {0x56, 512, 100, 5, 0, 0},
    {0x56, 512, 100, 5, 2, 0},
    {0, 0, 0, 2, 0, 0},
    {600, 200, 0x55, 0x56, 0x57, 0},
    {0x55, 0xffff, 0, 0, 0, 0},
    {0, 0, 0, 0, 0, 0},
    {0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff},
    {0x40, 0, 0, 0, 0x41, 0x42},
    {0, 0, 0, 0x000f, 0, 0},
    {2, 0x55, 0x40, 0, 0, 0},
    {1, 0, 0, 0, 0, 0},
};

enum { NUMBERS = (int)(sizeof(numbers) / sizeof(numbers[0])) };

START_TEST(the_link_goes_on_whatever_comes)
{
    /* of lengths that are theirs */
    static const struct {
        uint8_t code;
        size_t least, most;
    } codes[] = {{0x01, 1, 3}, {0x06, 2, 2}, {0x07, 2, 2}, {0x14, 5, 5}, {0x15, 5, 5},
                 {0x16, 2, 2}, {0x17, 5, 6}, {0x18, 4, 6}, {0x19, 3, 5}, {0x1a, 1, 1}};

    for (size_t c = 0; c < sizeof(codes) / sizeof(codes[0]); c++)
        for (size_t k = 0; k < NUMBERS; k++)
            for (size_t n = codes[c].least; n <= codes[c].most; n++)
                for (uint8_t id = ID(1); id <= ID(2); id++) {
                    /* twice, for what the first one has led to */
                    enter((enum state)_i);
                    rx_words(codes[c].code, id, numbers[k], n);
                    settle();
                    rx_words(codes[c].code, id, numbers[k], n);
                    settle();
                    rx_sdu(0x40, 3);
                    for (unsigned i = 0; i < 20; i++)
                        step();
                    settle();
                    link_goes_on();
                    if (n % 2)
                        advance(400 * SECONDS);
                    settle();
                    finish();
                    again();
                }
}
END_TEST

START_TEST(all_ends_with_the_link_or_in_time)
{
    enter((enum state)_i);
    finish();
    again();
    enter((enum state)_i);
    (void)bl_l2cap_do_unlisten(&l2cap, now, PSM);
    settle();
    advance(1000 * SECONDS);
    settle();
    /* only what is open, or has unread data, is left */
    ck_assert(list_empty(&conn->requests));
    ck_assert(list_empty(&conn->asked));
    ck_assert_uint_eq(bl_l2cap_deadline(&l2cap), TIMERQ_NEVER);
    ck_assert_uint_eq(told.n_begun, 0);
    finish();
}
END_TEST

/* ---- random lives ---- */

static uint32_t dice_state;

static uint32_t dice(uint32_t n)
{
    dice_state ^= dice_state << 13;
    dice_state ^= dice_state >> 17;
    dice_state ^= dice_state << 5;
    return dice_state % n;
}

static uint16_t some_cid(void)
{
    return dice(12) == 0 ? (uint16_t)dice(0x90) : (uint16_t)(0x40 + dice(16));
}

static uint16_t some_number(void)
{
    static const uint16_t of[] = {0, 1, 5, 22, 23, 63, 64, 100, 512, 600, PSM, 0x81, 65533, 65535};

    return dice(3) ? some_cid() : of[dice(sizeof(of) / sizeof(of[0]))];
}

static void pdu_somehow(void)
{
    static const uint8_t codes[] = {0x01, 0x06, 0x07, 0x14, 0x14, 0x15, 0x15, 0x16,
                                    0x16, 0x17, 0x17, 0x18, 0x18, 0x19, 0x1a, 0x99};
    uint16_t words[6];
    uint8_t code = codes[dice(sizeof(codes))];
    uint8_t id = dice(3) ? (uint8_t)(conn->last_id - dice(3)) : (uint8_t)dice(256);
    size_t n = dice(7);

    for (unsigned i = 0; i < 6; i++)
        words[i] = some_number();
    if (dice(4)) { /* as it should be */
        static const uint16_t good_le[] = {PSM, 0, 512, 100, 5}, good_rsp[] = {0, 512, 100, 5, 0},
                              good_en[] = {PSM, 512, 100, 5}, good_ersp[] = {512, 100, 5, 0},
                              good_re[] = {700, 200};
        const uint16_t *good = code == 0x14   ? good_le
                               : code == 0x15 ? good_rsp
                               : code == 0x17 ? good_en
                               : code == 0x18 ? good_ersp
                               : code == 0x19 ? good_re
                                              : NULL;
        size_t m = code == 0x14 || code == 0x15 ? 5 : code == 0x19 ? 2 : 4;
        if (good)
            memcpy(words, good, m * 2);
        if (code == 0x14)
            words[1] = some_cid();
        if (code == 0x15)
            words[0] = some_cid();
        n = m + (code >= 0x17 && code <= 0x19 ? 1 + dice(2) : 0);
        if (!good)
            n = code == 0x1a ? 1 : 2;
        if (code == 0x1a)
            words[0] = (uint16_t)dice(2);
    }
    rx_words(code, id ? id : 1, words, n);
}

static bl_op act_somehow(void)
{
    static const uint8_t sdu[600];
    const struct bl_l2cap_connect params = {dice(9) ? PSM : 0x81, MTU, dice(2), (uint8_t)(dice(4))};
    const struct bl_l2cap_listen listener = {dice(2) ? PSM : 0x81, MTU, 0, dice(2)};
    uint16_t cids[2] = {some_cid(), some_cid()};
    struct l2cap_channel *ch = channel(cids[0]);
    bl_op op = 0;

    switch (dice(9)) {
    case 0:
        (void)bl_l2cap_do_connect(&l2cap, now, CONN, &params, &op);
        break;
    case 1:
        (void)bl_l2cap_do_disconnect(&l2cap, now, CONN, cids[0], dice(2) ? &op : NULL);
        break;
    case 2:
        (void)bl_l2cap_do_reconfigure(&l2cap, now, CONN, cids, 1 + dice(2),
                                      (uint16_t)(MTU + dice(300)), dice(2) ? 300 : 0, &op);
        break;
    case 3:
        (void)bl_l2cap_do_reply(&l2cap, now, told.request - dice(3), dice(2) ? 0 : 6);
        break;
    case 4:
        (void)bl_l2cap_do_listen(&l2cap, &listener);
        break;
    case 5:
        if (dice(3) == 0)
            (void)bl_l2cap_do_unlisten(&l2cap, now, listener.psm);
        break;
    case 6:
        if (ch)
            (void)bl_l2cap_tx_send(ch, now, sdu, dice(600));
        break;
    case 7:
        if (ch)
            (void)bl_l2cap_rx_consume(ch, now, dice(2) ? 3 : dice(20));
        break;
    default:
        rx_sdu(cids[0], dice(10));
        break;
    }
    return op;
}

START_TEST(lives_at_random_keep_their_books)
{
    dice_state = 0x9e3779b9u * (uint32_t)(_i + 1);
    told = (struct ledger){0};
    for (unsigned i = 0; i < 2000; i++) {
        if (dice(30) == 0)
            hci->send_error = -ENOBUFS;
        bool starve = _i % 2 && dice(10) == 0;
        if (starve)
            oom_fail_at(1 + dice(4));
        uint32_t what = dice(20);
        bl_op op = 0;
        if (what < 9)
            op = act_somehow();
        else if (what < 19)
            pdu_somehow();
        if (starve)
            oom_off();
        if (op)
            begun(op);
        if (what == 19)
            advance(dice(6) ? dice(SECONDS) : (uint64_t)dice(40) * SECONDS);
        step();
        settle();
    }
    hci->send_error = 0;
    for (unsigned i = 0; i < 100; i++)
        step(); /* what may go has gone */
    settle();
    link_goes_on();
    finish();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("l2cap/states");
    TCase *t = tcase_create("states");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, what_nobody_asked_for_changes_nothing, 0, STATES);
    tcase_add_loop_test(t, the_link_goes_on_whatever_comes, 0, STATES);
    tcase_add_loop_test(t, all_ends_with_the_link_or_in_time, 0, STATES);
    tcase_add_loop_test(t, lives_at_random_keep_their_books, 0, 8);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
