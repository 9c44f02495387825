/* SPDX-License-Identifier: MIT */

/* What we ask for: Core 5.4, Vol 3, Part A, 4.22, 4.23, 4.25, 4.26, 6.2. */

#include "signal_rig.h"

/* Our request as it went out; enhanced ones have n channels from first on. */
static void asked(uint8_t id, uint16_t cid)
{
    TX(0x14, id, PSM, cid, MTU, MPS, l2cap_channel_find(conn, cid)->rx.credits);
}

static void asked_enhanced(uint8_t id, uint16_t first, unsigned n)
{
    uint16_t words[4 + 5] = {PSM, MTU, MPS, l2cap_channel_find(conn, first)->rx.credits};

    for (unsigned i = 0; i < n; i++) {
        words[4 + i] = (uint16_t)(first + i);
        ck_assert_uint_eq(l2cap_channel_find(conn, words[4 + i])->rx.credits, words[3]);
    }
    tx_words(0x17, id, words, 4 + n);
}

static void connected(uint16_t cid, uint16_t peer_mtu, bl_op op)
{
    struct bl_event e = next_event(BL_EV_L2CAP_CONNECTED, cid);

    ck_assert_uint_eq(e.l2cap.psm, PSM);
    ck_assert_uint_eq(e.l2cap.our_mtu, MTU);
    ck_assert_uint_eq(e.l2cap.peer_mtu, peer_mtu);
    ck_assert(!e.l2cap.incoming);
    ck_assert_uint_eq(e.l2cap.op, op);
}

static void connected_op(bl_op op, uint16_t cid, uint16_t peer_mtu)
{
    struct bl_event e;

    ck_assert(bl_evq_pop(&events, &e));
    ck_assert_int_eq(e.kind, BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_uint_eq(e.done.status, BL_OK);
    ck_assert_uint_eq(e.done.l2cap.cid, cid);
    ck_assert_uint_eq(e.done.l2cap.our_mtu, MTU);
    ck_assert_uint_eq(e.done.l2cap.peer_mtu, peer_mtu);
}

static void nothing_left(void)
{
    silent();
    ck_assert_uint_eq(conn->n_channels, 0);
    ck_assert_uint_eq(conn->promised, 0);
}

START_TEST(arguments_of_connect_are_checked)
{
    static const struct {
        uint16_t conn;
        struct bl_l2cap_connect params;
        int r;
    } rows[] = {
        {CONN, {0, MTU, false, 1}, -EINVAL},   {CONN, {0x100, MTU, false, 1}, -EINVAL},
        {CONN, {PSM, 22, false, 1}, -EINVAL},  {CONN, {PSM, 63, true, 1}, -EINVAL},
        {CONN, {PSM, MTU, false, 2}, -EINVAL}, {CONN, {PSM, MTU, true, 6}, -EINVAL},
        {2, {PSM, MTU, false, 1}, -ENOTCONN},  {CONN, {1, 23, false, 0}, 0},
        {CONN, {0xff, 65535, true, 5}, 0},
    };
    bl_op op = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        op = 0;
        ck_assert_int_eq(bl_l2cap_do_connect(&l2cap, now, rows[i].conn, &rows[i].params, &op),
                         rows[i].r);
        ck_assert_int_eq(op != 0, rows[i].r == 0);
    }
}
END_TEST

START_TEST(an_le_channel_opens)
{
    bl_op op = connects(PSM, MTU, false, 1);

    ck_assert_uint_eq(l2cap_channel_find(conn, 0x40)->rx.credits, CREDITS);
    asked(ID(1), 0x40);
    ck_assert_ptr_null(channel(0x40));
    link_goes_on();
    RX(0x15, ID(1), 0x55, 600, 100, 9, 0);
    connected(0x40, 600, op);
    connected_op(op, 0x40, 600);
    silent();
    struct bl_l2cap_info info;
    bl_l2cap_channel_info(channel(0x40), &info);
    ck_assert_uint_eq(info.peer_cid, 0x55);
    ck_assert_uint_eq(info.peer_mps, 100);
    ck_assert_uint_eq(info.credits, 9);
    ck_assert(info.open && !info.incoming && !info.enhanced);
    RX(0x15, ID(1), 0x56, 600, 100, 9, 0); /* once more: of nothing under way */
    silent();
    ck_assert_uint_eq(bl_l2cap_deadline(&l2cap), TIMERQ_NEVER);
}
END_TEST

START_TEST(credits_of_a_response_may_be_none_and_all)
{
    uint16_t credits = _i ? 65535 : 0;
    bl_op op = connects(PSM, MTU, false, 1);

    asked(ID(1), 0x40);
    RX(0x15, ID(1), 0x55, 600, 100, credits, 0);
    connected(0x40, 600, op);
    connected_op(op, 0x40, 600);
    ck_assert_uint_eq(channel(0x40)->tx.credits, credits);
    op = connects(PSM, MTU, true, 1);
    asked_enhanced(ID(2), 0x41, 1);
    RX(0x18, ID(2), 600, 100, credits, 0, 0x56);
    connected(0x41, 600, op);
    connected_op(op, 0x41, 600);
    ck_assert_uint_eq(channel(0x41)->tx.credits, credits);
}
END_TEST

static const struct {
    uint16_t result;
    bl_status status;
} refusals[] = {
    {0x0002, 0x302}, {0x0004, 0x304}, {0x0005, 0x305}, {0x0006, 0x306},       {0x0007, 0x307},
    {0x0008, 0x308}, {0x0009, 0x309}, {0x000a, 0x30a}, {0x000b, 0x30b},       {0x000c, 0x30c},
    {0x0001, 0x301}, {0x00ff, 0x3ff}, {0x0010, 0x310}, {0x0100, BL_PROTOCOL}, {0xffff, BL_PROTOCOL},
};

START_TEST(an_le_channel_is_refused_by_name)
{
    bl_op op = connects(PSM, MTU, false, 1);

    asked(ID(1), 0x40);
    RX(0x15, ID(1), 0, 0, 0, 0, refusals[_i].result);
    refused(op, refusals[_i].status);
    op_ends(op, refusals[_i].status);
    nothing_left();
    /* and one that names parameters all the same is refused no less */
    op = connects(PSM, MTU, false, 1);
    asked(ID(2), 0x41);
    RX(0x15, ID(2), 0x44, 512, 100, 5, refusals[_i].result);
    refused(op, refusals[_i].status);
    op_ends(op, refusals[_i].status);
    nothing_left();
}
END_TEST

START_TEST(an_enhanced_request_is_refused_by_name)
{
    /* with a word about each channel, with too few, with none */
    bl_op op = connects(PSM, MTU, true, 2);

    asked_enhanced(ID(1), 0x40, 2);
    RX(0x18, ID(1), 0, 0, 0, refusals[_i].result, 0, 0);
    for (unsigned i = 0; i < 2; i++)
        refused(op, refusals[_i].status);
    op_ends(op, refusals[_i].status);
    nothing_left();
    op = connects(PSM, MTU, true, 2);
    asked_enhanced(ID(2), 0x42, 2);
    RX(0x18, ID(2), 0, 0, 0, refusals[_i].result, 0);
    for (unsigned i = 0; i < 2; i++)
        refused(op, refusals[_i].status);
    op_ends(op, refusals[_i].status);
    op = connects(PSM, MTU, true, 2);
    asked_enhanced(ID(3), 0x44, 2);
    RX(0x18, ID(3), 0, 0, 0, refusals[_i].result);
    for (unsigned i = 0; i < 2; i++)
        refused(op, refusals[_i].status);
    op_ends(op, refusals[_i].status);
    nothing_left();
}
END_TEST

START_TEST(enhanced_channels_open_together)
{
    bl_op op = connects(PSM, MTU, true, 5);

    asked_enhanced(ID(1), 0x40, 5);
    RX(0x18, ID(1), 600, 100, 9, 0, 0x55, 0x54, 0x53, 0x52, 0x51);
    for (uint16_t cid = 0x40; cid <= 0x44; cid++) {
        connected(cid, 600, op);
        ck_assert_uint_eq(channel(cid)->peer_cid, 0x55 + 0x40 - cid);
        ck_assert(channel(cid)->enhanced);
    }
    connected_op(op, 0x40, 600);
    silent();
}
END_TEST

START_TEST(some_enhanced_channels_are_refused)
{
    static const uint16_t results[] = {0x0004, 0x0009, 0x000a};

    for (size_t i = 0; i < 3; i++) {
        bl_op op = connects(PSM, MTU, true, 3);
        uint16_t first = (uint16_t)(0x40 + 3 * i);
        asked_enhanced((uint8_t)ID(1 + i), first, 3);
        RX(0x18, (uint8_t)ID(1 + i), 600, 100, 9, results[i], 0, 0x55 + (uint16_t)i, 0);
        refused(op, 0x300 + results[i]);
        connected(first + 1, 600, op);
        refused(op, 0x300 + results[i]);
        connected_op(op, first + 1, 600);
        silent();
    }
    ck_assert_uint_eq(conn->n_channels, 3);
}
END_TEST

/* ---- several at once ---- */

START_TEST(responses_come_in_any_order)
{
    bl_op first = connects(PSM, MTU, false, 1);
    bl_op second = connects(PSM, MTU, true, 2);
    bl_op third = connects(PSM, MTU, false, 1);

    asked(ID(1), 0x40);
    asked_enhanced(ID(2), 0x41, 2);
    asked(ID(3), 0x43);
    RX(0x15, ID(3), 0x53, 600, 100, 9, 0);
    connected(0x43, 600, third);
    connected_op(third, 0x43, 600);
    RX(0x15, ID(2), 0x53, 600, 100, 9, 0); /* of another kind than was asked */
    no_tx();
    RX(0x18, ID(1), 600, 100, 9, 0, 0x54);
    RX(0x15, ID(9), 0x53, 600, 100, 9, 0);
    no_tx();
    RX(0x15, ID(1), 0, 0, 0, 0, 2);
    refused(first, 0x302);
    op_ends(first, 0x302);
    RX(0x18, ID(2), 600, 100, 9, 0, 0x51, 0x52);
    connected(0x41, 600, second);
    connected(0x42, 600, second);
    connected_op(second, 0x41, 600);
    silent();
    ck_assert_uint_eq(l2cap.counters[BL_L2CAP_N_SIGNALS_BAD], 3);
}
END_TEST

START_TEST(both_sides_may_connect_at_once)
{
    listen_on(PSM, MTU, 0, false);
    bl_op op = connects(PSM, MTU, false, 1);
    asked(ID(1), 0x40);
    RX(0x14, 1, PSM, 0x40, 600, 100, 5); /* the same identifier, the same CID: another's */
    TX(0x15, 1, 0x41, MTU, MPS, channel(0x41)->rx.credits, 0);
    next_event(BL_EV_L2CAP_ACCEPT, 0x41);
    next_event(BL_EV_L2CAP_CONNECTED, 0x41);
    RX(0x15, ID(1), 0x41, 600, 100, 5, 0);
    connected(0x40, 600, op);
    connected_op(op, 0x40, 600);
    silent();
    ck_assert_uint_eq(channel(0x40)->peer_cid, 0x41);
    ck_assert_uint_eq(channel(0x41)->peer_cid, 0x40);
}
END_TEST

START_TEST(identifiers_are_of_one_sequence_and_never_taken_twice)
{
    ck_assert_uint_eq(bl_l2cap_sig_id(&l2cap, CONN), 129);
    ck_assert_uint_eq(bl_l2cap_sig_id(&l2cap, 2), 0);
    connects(PSM, MTU, false, 1);
    asked(130, 0x40);
    for (unsigned i = 131; i <= 255; i++)
        ck_assert_uint_eq(bl_l2cap_sig_id(&l2cap, CONN), i);
    ck_assert_uint_eq(bl_l2cap_sig_id(&l2cap, CONN), 129); /* neither 0 nor one of Linux's */
    ck_assert_uint_eq(bl_l2cap_sig_id(&l2cap, CONN), 131); /* 130 is under way */
    RX(0x15, 130, 0, 0, 0, 0, 2);
    for (unsigned i = 132; i <= 255; i++)
        ck_assert_uint_eq(bl_l2cap_sig_id(&l2cap, CONN), i);
    ck_assert_uint_eq(l2cap_next_id(conn), 129);
    ck_assert_uint_eq(l2cap_next_id(conn), 130);
    conn->last_id = 254;
    ck_assert_uint_eq(l2cap_next_id(conn), 129); /* 255 is the parameter update's */
}
END_TEST

/* That of a Disconnection Request that waits for its answer is taken. */
START_TEST(identifiers_under_129_are_given_only_while_all_others_are_taken)
{
    uint16_t cid = incoming(0x55);
    struct l2cap_request waits[127] = {0};

    for (unsigned i = 0; i < 127; i++) {
        waits[i] = (struct l2cap_request){.c = conn, .id = (uint8_t)(129 + i)};
        waits[i].due = L2CAP_DUE_SENT;
        list_append(&conn->requests, &waits[i].link);
    }
    for (unsigned i = 1; i <= 3; i++)
        ck_assert_uint_eq(bl_l2cap_sig_id(&l2cap, CONN), i < 3 ? i : 1);
    list_remove(&waits[200 - 129].link);
    ck_assert_uint_eq(l2cap_next_id(conn), 200);
    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, cid, NULL), 0);
    step();
    TX(0x06, 200, 0x55, cid);
    ck_assert_uint_eq(l2cap_next_id(conn), 2); /* 1 is lent */
    for (unsigned i = 0; i < 127; i++)
        list_remove(&waits[i].link);
    ck_assert_uint_eq(l2cap_next_id(conn), 129);
    conn->last_id = 199;
    ck_assert_uint_eq(l2cap_next_id(conn), 201);
}
END_TEST

START_TEST(what_is_of_the_parameter_update_is_handed_on)
{
    struct bl_sig sig;
    static const uint8_t rsp[] = {0x13, ID(9), 2, 0, 1, 0}, reject[] = {1, ID(9), 2, 0, 0, 0},
                         req[] = {0x12, ID(9), 8, 0, 6, 0, 6, 0, 0, 0, 100, 0};

    ck_assert(bl_l2cap_signal(&l2cap, now, CONN, rsp, sizeof(rsp), &sig));
    ck_assert_uint_eq(sig.result.result, 1);
    ck_assert(bl_l2cap_signal(&l2cap, now, CONN, reject, sizeof(reject), &sig));
    ck_assert_uint_eq(sig.identifier, ID(9));
    ck_assert(bl_l2cap_signal(&l2cap, now, CONN, req, sizeof(req), &sig));
    ck_assert_uint_eq(sig.params.timeout, 100);
    ck_assert(!bl_l2cap_signal(&l2cap, now, 2, req, sizeof(req), &sig));
    conn->last_id = ID(8);
    bl_op op = connects(PSM, MTU, false, 1);
    asked(ID(9), 0x40);
    ck_assert(!bl_l2cap_signal(&l2cap, now, CONN, reject, sizeof(reject), &sig));
    refused(op, BL_NOT_SUPPORTED);
    op_ends(op, BL_NOT_SUPPORTED);
    ck_assert(bl_l2cap_signal(&l2cap, now, CONN, reject, sizeof(reject), &sig));
    nothing_left();
}
END_TEST

START_TEST(a_reject_ends_a_request)
{
    static const struct {
        uint16_t words[3];
        size_t n;
        bl_status status;
    } rows[] = {
        {{0}, 1, BL_NOT_SUPPORTED},
        {{1, 22}, 2, BL_PROTOCOL},
        {{2, 0x40, 0}, 3, BL_PROTOCOL},
        {{3}, 1, BL_NOT_SUPPORTED},
    };

    for (unsigned i = 0; i < 2; i++) {
        bl_op op = connects(PSM, MTU, i == 1, 1);
        while (fake_hci_take_sent(hci))
            ;
        ck_assert(rx_words(0x01, conn->last_id, rows[_i].words, rows[_i].n));
        refused(op, rows[_i].status);
        op_ends(op, rows[_i].status);
        nothing_left();
    }
}
END_TEST

/* ---- nonsense ---- */

static const struct {
    uint16_t cid, mtu, mps;
    bool named; /* so that it can be closed */
} nonsense[] = {
    {0, 512, 100, false},  {0x3f, 512, 100, false}, {0x80, 512, 100, false},  {5, 512, 100, false},
    {0x44, 22, 100, true}, {0x44, 512, 22, true},   {0x44, 512, 65534, true}, {0x44, 0, 0, true},
};

START_TEST(an_le_response_that_says_nonsense_opens_nothing)
{
    bl_op op = connects(PSM, MTU, false, 1);

    asked(ID(1), 0x40);
    RX(0x15, ID(1), nonsense[_i].cid, nonsense[_i].mtu, nonsense[_i].mps, 9, 0);
    refused(op, BL_PROTOCOL);
    op_ends(op, BL_PROTOCOL);
    if (nonsense[_i].named) {
        TX(0x06, ID(2), nonsense[_i].cid, 0x40);
        rx_sdu(0x40, 3);
        conn->last_cid = 0x3f;
        connects(PSM, MTU, false, 1); /* its CID is not given again before that is answered */
        asked(ID(3), 0x41);
        RX(0x15, ID(3), 0, 0, 0, 0, 2);
        (void)next_event(BL_EV_L2CAP_DISCONNECTED, 0);
        op_ends(op + 1, 0x302);
        RX(0x07, ID(2), nonsense[_i].cid, 0x41); /* of another channel: ignored */
        ck_assert(l2cap_request_has_cid(conn, 0x40));
        RX(0x07, ID(2), nonsense[_i].cid, 0x40);
        ck_assert(!l2cap_request_has_cid(conn, 0x40));
    }
    nothing_left();
    ck_assert_uint_eq(bl_l2cap_deadline(&l2cap), TIMERQ_NEVER);
}
END_TEST

START_TEST(an_enhanced_response_that_says_nonsense_opens_what_it_may)
{
    bl_op op = connects(PSM, MTU, true, 3);

    asked_enhanced(ID(1), 0x40, 3);
    RX(0x18, ID(1), 512, 100, 9, 0, 0x44, 0x3f, 0); /* "all are open" */
    connected(0x40, 512, op);
    refused(op, BL_PROTOCOL);
    refused(op, BL_PROTOCOL);
    connected_op(op, 0x40, 512);
    silent();
}
END_TEST

START_TEST(an_enhanced_response_about_other_channels_than_were_asked_for_opens_none)
{
    static const struct {
        uint16_t words[9];
        size_t n;
        unsigned named; /* of two */
    } rows[] = {
        {{512, 100, 9, 0, 0x44}, 5, 1},
        {{512, 100, 9, 0, 0x44, 0x45, 0x46}, 7, 2},
        {{512, 100, 9, 0}, 4, 0},
        {{63, 100, 9, 0, 0x44, 0x45}, 6, 2},
        {{512, 63, 9, 0, 0x44, 0x45}, 6, 2},
        {{512, 65534, 9, 0, 0x44, 0x45}, 6, 2},
        {{512, 100, 9, 4, 0x44}, 5, 1},
        {{512, 100, 9, 0, 0x44, 0x44}, 6, 2}, /* one name for two */
    };
    bl_op op = connects(PSM, MTU, true, 2);

    asked_enhanced(ID(1), 0x40, 2);
    rx_words(0x18, ID(1), rows[_i].words, rows[_i].n);
    for (unsigned i = 0; i < 2; i++) {
        struct bl_event e = next_event(BL_EV_L2CAP_DISCONNECTED, 0);
        ck_assert(e.l2cap.status == BL_PROTOCOL || (_i == 6 && e.l2cap.status == 0x304));
    }
    op_ends(op, BL_PROTOCOL);
    for (uint16_t i = 0; i < rows[_i].named; i++)
        TX(0x06, (uint8_t)ID(2 + i), rows[_i].words[4 + i], 0x40 + i);
    nothing_left();
    for (uint16_t i = 0; i < rows[_i].named; i++) /* it knows none of them */
        RX(0x01, (uint8_t)ID(2 + i), 2, rows[_i].words[4 + i], 0x40 + i);
    nothing_left();
    ck_assert(list_empty(&conn->requests));
}
END_TEST

START_TEST(a_destination_that_is_open_already_is_neither_channels_any_more)
{
    uint16_t old = outgoing(0x55);
    bl_op op = connects(PSM, MTU, _i == 1, 1);
    uint8_t id = conn->last_id;

    (void)fake_hci_take_sent(hci);
    if (_i == 1)
        RX(0x18, id, 512, 100, 5, 0, 0x55);
    else
        RX(0x15, id, 0x55, 512, 100, 5, 0);
    refused(op, BL_PROTOCOL);
    op_ends(op, BL_PROTOCOL);
    TX(0x06, id + 1, 0x55, old);
    TX(0x06, id + 2, 0x55, old + 1);
    RX(0x07, id + 1, 0x55, old);
    ended(old, BL_PROTOCOL);
    RX(0x07, id + 2, 0x55, old + 1);
    nothing_left();
    ck_assert_uint_eq(l2cap.counters[BL_L2CAP_N_BROKEN], 1);
}
END_TEST

/* ---- time ---- */

START_TEST(a_request_that_is_not_answered_ends_after_30_s)
{
    bl_op op = connects(PSM, MTU, _i == 1, 1);

    (void)fake_hci_take_sent(hci);
    advance(30 * SECONDS - 1);
    no_tx();
    ck_assert_uint_eq(conn->n_channels, 1);
    advance(1);
    refused(op, BL_TIMEOUT);
    op_ends(op, BL_TIMEOUT);
    nothing_left();
    advance(299 * SECONDS);
    ck_assert(l2cap_request_has_cid(conn, 0x40));
    advance(SECONDS);
    ck_assert(list_empty(&conn->requests));
    ck_assert_uint_eq(bl_l2cap_deadline(&l2cap), TIMERQ_NEVER);
    nothing_left();
}
END_TEST

START_TEST(what_a_late_response_opens_is_closed_again)
{
    bl_op op = connects(PSM, MTU, _i >= 1, _i >= 1 ? 2 : 1);
    unsigned n = _i >= 1 ? 2 : 1;

    (void)fake_hci_take_sent(hci);
    advance(30 * SECONDS);
    for (unsigned i = 0; i < n; i++)
        refused(op, BL_TIMEOUT);
    op_ends(op, BL_TIMEOUT);
    nothing_left();
    rx_sdu(0x40, 3); /* frames and credits on what it takes to be open do nothing */
    RX(0x16, 5, 0x44, 7);
    nothing_left();
    connects(PSM, MTU, false, 1); /* another CID, another identifier */
    asked(ID(2), (uint16_t)(0x40 + n));
    RX(0x15, ID(2), 0, 0, 0, 0, 2);
    (void)next_event(BL_EV_L2CAP_DISCONNECTED, 0);
    op_ends(op + 1, 0x302);
    switch (_i) {
    case 0:
        RX(0x15, ID(1), 0x44, 512, 100, 5, 0);
        TX(0x06, ID(3), 0x44, 0x40);
        break;
    case 1:
        RX(0x18, ID(1), 512, 100, 5, 0, 0x44, 0x45);
        TX(0x06, ID(3), 0x44, 0x40);
        TX(0x06, ID(4), 0x45, 0x41);
        break;
    case 2:
        RX(0x18, ID(1), 512, 100, 5, 4, 0, 0x45);
        TX(0x06, ID(3), 0x45, 0x41);
        break;
    case 3:
        RX(0x18, ID(1), 0, 0, 0, 2, 0, 0);
        break;
    default:
        RX(0x01, ID(1), 0);
        break;
    }
    nothing_left();
    advance(30 * SECONDS); /* whether that is answered or not */
    ck_assert(list_empty(&conn->requests));
    nothing_left();
}
END_TEST

START_TEST(a_peer_that_asks_somebody_is_waited_for)
{
    bl_op op = connects(PSM, MTU, true, 1);
    uint16_t pending = (uint16_t)(0x000d + _i);

    asked_enhanced(ID(1), 0x40, 1);
    advance(29 * SECONDS);
    RX(0x18, ID(1), 0, 0, 0, pending, 0);
    link_goes_on();
    advance(59 * SECONDS);
    no_tx();
    RX(0x18, ID(1), 600, 100, 5, 0, 0x44);
    connected(0x40, 600, op);
    connected_op(op, 0x40, 600);
    silent();
}
END_TEST

START_TEST(but_not_for_ever)
{
    bl_op op = connects(PSM, MTU, true, 1);
    unsigned n = 0;
    struct bl_event e;

    asked_enhanced(ID(1), 0x40, 1);
    while (!bl_evq_pop(&events, &e)) {
        RX(0x18, ID(1), 0, 0, 0, 0x000f, 0);
        advance(25 * SECONDS);
        n++;
    }
    ck_assert_uint_eq(n, 300 / 25);
    ck_assert_int_eq(e.kind, BL_EV_L2CAP_DISCONNECTED);
    op_ends(op, BL_TIMEOUT);
    RX(0x18, ID(1), 0, 0, 0, 0x000f, 0); /* still: nobody waits */
    nothing_left();
    RX(0x18, ID(1), 600, 100, 5, 0, 0x44);
    TX(0x06, ID(2), 0x44, 0x40);
    nothing_left();
}
END_TEST

START_TEST(an_le_response_is_never_pending)
{
    bl_op op = connects(PSM, MTU, false, 1);

    asked(ID(1), 0x40);
    RX(0x15, ID(1), 0, 0, 0, 0, 0x000d);
    refused(op, 0x30d);
    op_ends(op, 0x30d);
    nothing_left();
}
END_TEST

/* ---- the link goes, no room, no memory ---- */

START_TEST(a_request_ends_with_the_link)
{
    static const unsigned counts[] = {1, 3, 1, 3};
    unsigned n = counts[_i];

    if (_i >= 2)
        hci->send_error = -ENOBUFS; /* not even sent */
    bl_op op = connects(PSM, MTU, n > 1, (uint8_t)n);
    lose(0x113);
    for (unsigned i = 0; i < n; i++)
        refused(op, 0x113);
    op_ends(op, 0x113);
    while (fake_hci_take_sent(hci))
        ;
    silent();
}
END_TEST

START_TEST(a_request_waits_for_room)
{
    hci->send_error = -ENOBUFS;
    bl_op op = connects(PSM, MTU, false, 1);
    no_tx();
    advance(SECONDS);
    step();
    asked(ID(2), 0x40); /* the first identifier was never used */
    ck_assert(list_empty(&l2cap.sending));
    advance(30 * SECONDS - 1);
    no_tx();
    advance(1); /* from then on */
    refused(op, BL_TIMEOUT);
    op_ends(op, BL_TIMEOUT);
}
END_TEST

START_TEST(a_request_that_never_finds_room_ends_in_time)
{
    hci->send_error = -ENOBUFS;
    bl_op op = connects(PSM, MTU, true, 2);
    for (unsigned i = 0; i < 29; i++) {
        hci->send_error = -ENOBUFS;
        advance(SECONDS);
        step();
        no_tx();
    }
    hci->send_error = -ENOBUFS;
    advance(SECONDS);
    refused(op, BL_TIMEOUT);
    refused(op, BL_TIMEOUT);
    op_ends(op, BL_TIMEOUT);
    ck_assert(list_empty(&conn->requests)); /* the peer knows of nothing */
    nothing_left();
}
END_TEST

START_TEST(a_request_finds_memory_later)
{
    struct bl_l2cap_connect params = {PSM, MTU, true, 2};
    unsigned long n = 0;
    bl_op op;
    int r;

    do {
        op = 0;
        oom_fail_at(++n);
        r = bl_l2cap_do_connect(&l2cap, now, CONN, &params, &op);
        bool all = oom_count() < n;
        oom_off();
        if (r < 0) {
            ck_assert_int_eq(r, -ENOMEM);
            ck_assert_uint_eq(op, 0);
            nothing_left();
            ck_assert(list_empty(&conn->requests));
            continue;
        }
        advance(SECONDS / 5); /* the command itself is tried again */
        ck_assert_ptr_nonnull(fake_hci_take_sent(hci));
        RX(0x01, conn->last_id, 0);
        refused(op, BL_NOT_SUPPORTED);
        refused(op, BL_NOT_SUPPORTED);
        op_ends(op, BL_NOT_SUPPORTED);
        nothing_left();
        if (all)
            break;
    } while (true);
    ck_assert_uint_ge(n, 4);
}
END_TEST

START_TEST(operations_are_bounded)
{
    struct bl_l2cap_connect params = {PSM, MTU, false, 1};
    bl_op op = 0;

    while (bl_evq_op(&events) != 0)
        ;
    ck_assert_int_eq(bl_l2cap_do_connect(&l2cap, now, CONN, &params, &op), -EBUSY);
    ck_assert_uint_eq(conn->n_channels, 0);
    ck_assert(list_empty(&conn->requests));
    no_tx();
}
END_TEST

START_TEST(an_enhanced_request_for_which_there_is_room_in_part_is_none)
{
    struct bl_l2cap_connect params = {PSM, 65535, true, 5};
    bl_op op = 0;
    unsigned n = 0;

    while (bl_l2cap_do_connect(&l2cap, now, CONN, &params, &op) == 0)
        n++;
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_eq(conn->n_channels, 15);
    ck_assert_int_eq(bl_l2cap_do_connect(&l2cap, now, CONN, &params, &op), -ENOBUFS);
    ck_assert_uint_eq(conn->n_channels, 15);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))

int main(void)
{
    Suite *s = suite_create("l2cap/connect");
    TCase *t = tcase_create("connect");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, arguments_of_connect_are_checked);
    tcase_add_test(t, an_le_channel_opens);
    tcase_add_loop_test(t, credits_of_a_response_may_be_none_and_all, 0, 2);
    tcase_add_loop_test(t, an_le_channel_is_refused_by_name, 0, ROWS(refusals));
    tcase_add_loop_test(t, an_enhanced_request_is_refused_by_name, 0, ROWS(refusals));
    tcase_add_test(t, enhanced_channels_open_together);
    tcase_add_test(t, some_enhanced_channels_are_refused);
    tcase_add_test(t, responses_come_in_any_order);
    tcase_add_test(t, both_sides_may_connect_at_once);
    tcase_add_test(t, identifiers_are_of_one_sequence_and_never_taken_twice);
    tcase_add_test(t, identifiers_under_129_are_given_only_while_all_others_are_taken);
    tcase_add_test(t, what_is_of_the_parameter_update_is_handed_on);
    tcase_add_loop_test(t, a_reject_ends_a_request, 0, 4);
    tcase_add_loop_test(t, an_le_response_that_says_nonsense_opens_nothing, 0, ROWS(nonsense));
    tcase_add_test(t, an_enhanced_response_that_says_nonsense_opens_what_it_may);
    tcase_add_loop_test(t, an_enhanced_response_about_other_channels_than_were_asked_for_opens_none,
                        0, 8);
    tcase_add_loop_test(t, a_destination_that_is_open_already_is_neither_channels_any_more, 0, 2);
    tcase_add_loop_test(t, a_request_that_is_not_answered_ends_after_30_s, 0, 2);
    tcase_add_loop_test(t, what_a_late_response_opens_is_closed_again, 0, 5);
    tcase_add_loop_test(t, a_peer_that_asks_somebody_is_waited_for, 0, 3);
    tcase_add_test(t, but_not_for_ever);
    tcase_add_test(t, an_le_response_is_never_pending);
    tcase_add_loop_test(t, a_request_ends_with_the_link, 0, 4);
    tcase_add_test(t, a_request_waits_for_room);
    tcase_add_test(t, a_request_that_never_finds_room_ends_in_time);
    tcase_add_test(t, a_request_finds_memory_later);
    tcase_add_test(t, operations_are_bounded);
    tcase_add_test(t, an_enhanced_request_for_which_there_is_room_in_part_is_none);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
