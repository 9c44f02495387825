/* SPDX-License-Identifier: MIT */

/* How channels end, and what is not theirs: Core 5.4, Vol 3, Part A, 4.6, 4.7, 4.24, 10.1. */

#include "signal_rig.h"

static bl_op disconnects(uint16_t cid)
{
    bl_op op = 0;

    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, cid, &op), 0);
    ck_assert_uint_ne(op, 0);
    return op;
}

static void nothing_left(void)
{
    silent();
    ck_assert_uint_eq(conn->n_channels, 0);
    ck_assert_uint_eq(conn->promised, 0);
    ck_assert_uint_eq(bl_l2cap_deadline(&l2cap), TIMERQ_NEVER);
    ck_assert(list_empty(&l2cap.sending));
}

/* The next that is sent is a frame to the peer's CID. */
static void frame_sent(uint16_t peer_cid)
{
    const struct fake_sent *s = fake_hci_take_sent(hci);

    ck_assert_ptr_nonnull(s);
    ck_assert_uint_eq(s->data[2] | s->data[3] << 8, peer_cid);
}

static uint16_t one(int kind, uint16_t peer_cid)
{
    return kind == 0 ? incoming(peer_cid) : kind == 1 ? outgoing(peer_cid) : enhanced(peer_cid);
}

/* ---- ours ---- */

START_TEST(a_channel_is_disconnected)
{
    uint16_t cid = one(_i, 0x55);
    uint8_t id = conn->last_id ? conn->last_id + 1 : ID(1);
    bl_op op = disconnects(cid);

    TX(0x06, id, 0x55, cid);
    no_tx();
    struct bl_l2cap_info info;
    bl_l2cap_channel_info(channel(cid), &info);
    ck_assert(!info.open);
    RX(0x07, id, 0x55, cid);
    ended(cid, BL_OK);
    op_ends(op, BL_OK);
    nothing_left();
    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, cid, &op), -ENOENT);
}
END_TEST

START_TEST(arguments_of_disconnect_are_checked)
{
    uint16_t cid = incoming(0x55);
    bl_op op = 0;

    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, 2, cid, &op), -ENOTCONN);
    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, 0, &op), -ENOENT);
    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, 4, &op), -ENOENT);
    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, 0x80, &op), -ENOENT);
    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, cid + 1, &op), -ENOENT);
    bl_op busy;
    while ((busy = bl_evq_op(&events)) != 0)
        op = busy;
    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, cid, &busy), -EBUSY);
    ck_assert_int_eq(channel(cid)->state, L2CAP_OPEN);
    for (; op != 0; op--)
        bl_evq_op_done(&events, op, BL_OK);
    struct bl_event e;
    while (bl_evq_pop(&events, &e))
        ;
    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, cid, NULL), 0);
    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, cid, &op), -ENOENT);
    TX(0x06, ID(1), 0x55, cid);
    RX(0x07, ID(1), 0x55, cid);
    ended(cid, BL_OK);
    nothing_left();
}
END_TEST

START_TEST(a_disconnection_response_that_does_not_match_is_ignored)
{
    uint16_t cid = incoming(0x55), other = incoming(0x56);
    bl_op op = disconnects(cid);

    TX(0x06, ID(1), 0x55, cid);
    RX(0x07, ID(2), 0x55, cid);
    RX(0x07, ID(1), 0x56, cid);
    RX(0x07, ID(1), 0x55, other);
    RX(0x07, ID(1), cid, 0x55);
    RX(0x07, ID(1), 0, 0);
    RX(0x01, ID(2), 0);
    no_tx();
    ck_assert_int_eq(channel(cid)->state, L2CAP_DISCONNECTING);
    ck_assert_int_eq(channel(other)->state, L2CAP_OPEN);
    ck_assert_uint_eq(l2cap.counters[BL_L2CAP_N_SIGNALS_BAD], 5);
    RX(0x07, ID(1), 0x55, cid);
    ended(cid, BL_OK);
    op_ends(op, BL_OK);
    silent();
}
END_TEST

START_TEST(a_disconnection_that_is_rejected_has_ended)
{
    uint16_t cid = incoming(0x55);
    bl_op op = disconnects(cid);

    TX(0x06, ID(1), 0x55, cid);
    RX(0x01, ID(1), 2, 0x55, cid);
    ended(cid, BL_OK);
    op_ends(op, BL_OK);
    nothing_left();
}
END_TEST

START_TEST(a_disconnection_that_is_not_answered_ends_after_10_s)
{
    uint16_t cid = incoming(0x55);
    bl_op op = disconnects(cid);

    TX(0x06, ID(1), 0x55, cid);
    advance(10 * SECONDS - 1);
    no_tx();
    ck_assert_ptr_nonnull(channel(cid));
    advance(1);
    ended(cid, BL_OK);
    op_ends(op, BL_OK);
    nothing_left();
    RX(0x07, ID(1), 0x55, cid); /* late */
    nothing_left();
}
END_TEST

START_TEST(both_sides_disconnect_at_once)
{
    uint16_t cid = incoming(0x55);
    bl_op op = disconnects(cid);

    TX(0x06, ID(1), 0x55, cid);
    RX(0x06, 9, cid, 0x55);
    TX(0x07, 9, cid, 0x55);
    ended(cid, BL_OK);
    op_ends(op, BL_OK);
    nothing_left();
    if (_i == 0)
        RX(0x07, ID(1), 0x55, cid);
    else
        ck_assert(!RX(0x01, ID(1), 2, 0x55, cid)); /* lib/gap's to ignore */
    nothing_left();
}
END_TEST

START_TEST(a_disconnection_waits_for_room)
{
    uint16_t cid = incoming(0x55);

    hci->send_error = -ENOBUFS;
    bl_op op = disconnects(cid);
    no_tx();
    hci->send_error = -ENOBUFS;
    step();
    no_tx();
    ck_assert(!list_empty(&l2cap.sending));
    step();
    TX(0x06, conn->last_id, 0x55, cid);
    step();
    no_tx();
    RX(0x07, conn->last_id, 0x55, cid);
    ended(cid, BL_OK);
    op_ends(op, BL_OK);
    nothing_left();
}
END_TEST

START_TEST(the_10_s_of_a_disconnection_are_from_when_it_is_sent)
{
    uint16_t cid = incoming(0x55);

    hci->send_error = -ENOBUFS;
    bl_op op = disconnects(cid);
    advance(9 * SECONDS);
    step();
    TX(0x06, conn->last_id, 0x55, cid);
    advance(10 * SECONDS - 1);
    no_tx();
    ck_assert_ptr_nonnull(channel(cid));
    advance(1);
    ended(cid, BL_OK);
    op_ends(op, BL_OK);
    nothing_left();
    /* one that never finds room ends all the same */
    cid = incoming(0x55);
    hci->send_error = -ENOBUFS;
    op = disconnects(cid);
    hci->send_error = -ENOBUFS;
    now += 10 * SECONDS;
    bl_l2cap_tick(&l2cap, now);
    ended(cid, BL_OK);
    op_ends(op, BL_OK);
    step();
    nothing_left();
}
END_TEST

START_TEST(a_disconnection_waits_for_memory)
{
    uint16_t cid = incoming(0x55);

    oom_fail_from(1);
    bl_op op = 0;
    int r = bl_l2cap_do_disconnect(&l2cap, now, CONN, cid, &op);
    bl_l2cap_step(&l2cap, now);
    uint64_t at = bl_l2cap_deadline(&l2cap);
    oom_off();
    ck_assert_int_eq(r, 0);
    ck_assert_uint_gt(at, now);
    ck_assert_uint_le(at, now + SECONDS); /* nobody else may ever come to try again */
    no_tx();
    advance(SECONDS);
    TX(0x06, conn->last_id, 0x55, cid);
    RX(0x07, conn->last_id, 0x55, cid);
    ended(cid, BL_OK);
    op_ends(op, BL_OK);
    nothing_left();
}
END_TEST

/* ---- draining ---- */

static const uint8_t some[512];

START_TEST(what_was_taken_goes_first)
{
    uint16_t cid = incoming(0x55); /* five frames of 100 octets */

    ck_assert_int_eq(bl_l2cap_tx_send(channel(cid), now, some, 300), 1);
    ck_assert_int_eq(bl_l2cap_tx_send(channel(cid), now, some, 300), 0);
    bl_op op = disconnects(cid);
    ck_assert_int_eq(channel(cid)->state, L2CAP_DRAINING);
    ck_assert_int_eq(bl_l2cap_tx_send(channel(cid), now, some, 3), -ENOENT);
    bl_op other;
    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, cid, &other), -ENOENT);
    for (unsigned i = 0; i < 10; i++)
        step();
    for (unsigned i = 0; i < 5; i++)
        frame_sent(0x55);
    no_tx();
    rx_sdu(cid, 7); /* the peer is not done either */
    (void)next_event(BL_EV_L2CAP_RECEIVED, cid);
    RX(0x16, 3, 0x55, 4);
    for (unsigned i = 0; i < 10; i++)
        step();
    for (unsigned i = 0; i < 3; i++)
        frame_sent(0x55);
    uint8_t id = conn->last_id;
    TX(0x06, id, 0x55, cid);
    struct bl_event e = next_event(BL_EV_L2CAP_SEND_READY, cid);
    ck_assert_uint_eq(e.l2cap.status, 0);
    RX(0x07, id, 0x55, cid);
    ended(cid, BL_OK);
    op_ends(op, BL_OK);
    silent();
    ck_assert_int_eq(bl_l2cap_rx_consume(channel(cid), now, 7), 0);
    nothing_left();
}
END_TEST

START_TEST(a_peer_that_takes_nothing_for_5_s_is_not_waited_for)
{
    uint16_t cid = incoming(0x55);

    (void)bl_l2cap_tx_send(channel(cid), now, some, 498); /* the five frames it takes */
    step();
    ck_assert_int_eq(bl_l2cap_tx_send(channel(cid), now, some, 500), 0);
    bl_op op = disconnects(cid);
    for (unsigned i = 0; i < 10; i++)
        step();
    while (fake_hci_take_sent(hci))
        ;
    advance(4 * SECONDS);
    no_tx();
    RX(0x16, 3, 0x55, 1); /* one more: it is not that slow */
    step();
    frame_sent(0x55);
    advance(5 * SECONDS - 1);
    no_tx();
    ck_assert_int_eq(channel(cid)->state, L2CAP_DRAINING);
    advance(2 * SECONDS);
    uint8_t id = conn->last_id;
    TX(0x06, id, 0x55, cid);
    RX(0x16, 3, 0x55, 100); /* too late */
    step();
    no_tx();
    RX(0x07, id, 0x55, cid);
    struct bl_event e = next_event(BL_EV_L2CAP_SEND_READY, cid);
    ck_assert_uint_eq(e.l2cap.status, BL_DISCONNECTED);
    ended(cid, BL_OK);
    op_ends(op, BL_OK);
    nothing_left();
}
END_TEST

START_TEST(the_peer_may_end_what_drains)
{
    uint16_t cid = incoming(0x55);

    (void)bl_l2cap_tx_send(channel(cid), now, some, 512);
    (void)bl_l2cap_tx_send(channel(cid), now, some, 512);
    bl_op op = disconnects(cid);
    for (unsigned i = 0; i < 10; i++)
        step();
    while (fake_hci_take_sent(hci))
        ;
    RX(0x06, 9, cid, 0x55);
    TX(0x07, 9, cid, 0x55);
    struct bl_event e = next_event(BL_EV_L2CAP_SEND_READY, cid);
    ck_assert_uint_eq(e.l2cap.status, BL_DISCONNECTED);
    ended(cid, BL_OK);
    op_ends(op, BL_OK);
    nothing_left();
}
END_TEST

/* ---- the peer's ---- */

START_TEST(the_peer_disconnects)
{
    uint16_t cid = one(_i, 0x55);

    RX(0x06, 9, cid, 0x55);
    TX(0x07, 9, cid, 0x55);
    ended(cid, BL_OK);
    nothing_left();
    RX(0x06, 10, cid, 0x55); /* and is told when it asks again */
    TX(0x01, 10, 2, cid, 0x55);
    nothing_left();
}
END_TEST

START_TEST(a_disconnection_of_what_is_no_channel_is_rejected)
{
    static const uint16_t none[] = {0, 1, 4, 5, 6, 0x3f, 0x41, 0x7f, 0x80, 0xffff};
    uint16_t cid = incoming(0x55);

    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        RX(0x06, 9, none[i], 0x55);
        TX(0x01, 9, 2, none[i], 0x55);
    }
    silent();
    ck_assert_int_eq(channel(cid)->state, L2CAP_OPEN);
}
END_TEST

START_TEST(a_disconnection_by_another_name_is_ignored)
{
    uint16_t cid = incoming(0x55);

    (void)incoming(0x56);
    RX(0x06, 9, cid, 0x56);
    RX(0x06, 9, cid, cid);
    RX(0x06, 9, cid, 0);
    silent();
    ck_assert_int_eq(channel(cid)->state, L2CAP_OPEN);
}
END_TEST

START_TEST(what_is_not_open_yet_is_not_there_to_disconnect)
{
    listen_on(PSM, MTU, 0, true);
    RX(0x14, 7, PSM, 0x44, 512, 100, 5);
    (void)next_event(BL_EV_L2CAP_ACCEPT, 0x40);
    connects(PSM, MTU, false, 1);
    (void)fake_hci_take_sent(hci);
    RX(0x06, 9, 0x40, 0x44);
    TX(0x01, 9, 2, 0x40, 0x44);
    RX(0x06, 9, 0x41, 0);
    TX(0x01, 9, 2, 0x41, 0);
    bl_op op;
    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, 0x40, &op), -ENOENT);
    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, 0x41, &op), -ENOENT);
    no_tx();
    ck_assert_uint_eq(conn->n_channels, 2);
}
END_TEST

START_TEST(an_answer_without_room_is_dropped_and_the_channel_ends)
{
    uint16_t cid = incoming(0x55);

    hci->send_error = -ENOBUFS;
    RX(0x06, 9, cid, 0x55);
    ended(cid, BL_OK);
    nothing_left();
    ck_assert_uint_eq(l2cap.counters[BL_L2CAP_N_SIGNALS_DROPPED], 1);
}
END_TEST

START_TEST(what_has_come_is_read_after_the_end)
{
    uint16_t cid = incoming(0x55);

    rx_sdu(cid, 3);
    rx_sdu(cid, 5);
    rx_frame(cid, (const uint8_t[]){9, 0, 1, 2}, 4); /* never whole */
    (void)next_event(BL_EV_L2CAP_RECEIVED, cid);
    (void)next_event(BL_EV_L2CAP_RECEIVED, cid);
    if (_i == 0)
        RX(0x06, 9, cid, 0x55);
    else
        rx_frame(cid, some, 400); /* breaks it */
    if (_i == 0) {
        TX(0x07, 9, cid, 0x55);
    } else {
        TX(0x06, ID(1), 0x55, cid);
        RX(0x07, ID(1), 0x55, cid);
    }
    ended(cid, _i == 0 ? BL_OK : BL_PROTOCOL);
    silent();
    const uint8_t *sdu;
    size_t len, bytes, sdus;
    bl_l2cap_rx_available(channel(cid), &bytes, &sdus);
    ck_assert_uint_eq(bytes, 8);
    ck_assert_uint_eq(sdus, 2);
    ck_assert(bl_l2cap_rx_peek(channel(cid), 1, &sdu, &len));
    ck_assert_uint_eq(len, 5);
    /* nothing more may happen to it, and its CID is not given again */
    rx_sdu(cid, 3);
    RX(0x16, 9, 0x55, 5);
    RX(0x06, 9, cid, 0x55);
    TX(0x01, 9, 2, cid, 0x55);
    bl_op op;
    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, cid, &op), -ENOENT);
    ck_assert_int_eq(bl_l2cap_tx_send(channel(cid), now, some, 1), -ENOENT);
    silent();
    conn->last_cid = BL_L2CAP_CID_MAX;
    ck_assert_uint_ne(incoming(0x55), cid);
    ck_assert_int_eq(bl_l2cap_rx_consume(channel(cid), now, 3), 0);
    ck_assert_int_eq(bl_l2cap_rx_consume(channel(cid), now, 5), 0);
    ck_assert_ptr_null(channel(cid));
    ck_assert_uint_eq(conn->n_channels, 1);
}
END_TEST

/* ---- credits, and broken rules ---- */

START_TEST(credits_are_for_the_channel_that_the_peer_names)
{
    uint16_t cid = incoming(0x55), other = incoming(0x56);

    RX(0x16, 3, 0x55, 7);
    ck_assert_uint_eq(channel(cid)->tx.credits, 12);
    ck_assert_uint_eq(channel(other)->tx.credits, 5);
    RX(0x16, 3, 0x55, 0); /* none */
    RX(0x16, 3, cid, 7);  /* by our name for it */
    RX(0x16, 3, 0, 7);
    RX(0x16, 3, 5, 7);
    RX(0x16, 3, 0x57, 7);
    silent();
    ck_assert_uint_eq(channel(cid)->tx.credits, 12);
    ck_assert_uint_eq(channel(other)->tx.credits, 5);
    RX(0x16, 3, 0x55, 65535 - 12);
    ck_assert_uint_eq(channel(cid)->tx.credits, 65535);
    silent();
}
END_TEST

START_TEST(more_credits_than_65535_end_the_channel)
{
    uint16_t cid = incoming(0x55), other = incoming(0x56);

    RX(0x16, 3, 0x55, 65535 - 4);
    TX(0x06, ID(1), 0x55, cid);
    RX(0x16, 3, 0x55, 65535);
    rx_sdu(cid, 3); /* dropped */
    silent();
    ck_assert_uint_eq(l2cap.counters[BL_L2CAP_N_STRAY], 0);
    RX(0x07, ID(1), 0x55, cid);
    ended(cid, BL_PROTOCOL);
    silent();
    ck_assert_int_eq(channel(other)->state, L2CAP_OPEN);
    ck_assert_uint_eq(l2cap.counters[BL_L2CAP_N_BROKEN], 1);
}
END_TEST

START_TEST(a_broken_rule_ends_the_channel)
{
    static const struct {
        uint8_t data[4];
        size_t n;
        unsigned credits; /* that are taken away first */
    } rows[] = {
        {{0}, MPS + 1, 0},       /* longer than our MPS */
        {{1, 2}, 2, 0},          /* an SDU of 513 octets */
        {{0}, 1, 0},             /* no length */
        {{1, 0, 1, 1}, 4, 0},    /* longer than it says */
        {{1, 0, 1}, 3, CREDITS}, /* without a credit */
    };
    uint16_t cid = incoming(0x55);
    uint8_t frame[MPS + 1] = {0};

    memcpy(frame, rows[_i].data, sizeof(rows[_i].data));
    channel(cid)->rx.credits = (uint16_t)(channel(cid)->rx.credits - rows[_i].credits);
    bl_l2cap_pdu(&l2cap, now, CONN, cid, frame, rows[_i].n);
    TX(0x06, ID(1), 0x55, cid);
    silent();
    if (_i % 2) {
        RX(0x07, ID(1), 0x55, cid);
    } else {
        advance(10 * SECONDS);
    }
    ended(cid, BL_PROTOCOL);
    nothing_left();
}
END_TEST

START_TEST(a_broken_channel_may_be_disconnected_and_waited_for)
{
    uint16_t cid = incoming(0x55);
    bl_op op, other;

    rx_frame(cid, some, 1);
    TX(0x06, ID(1), 0x55, cid);
    op = disconnects(cid);
    no_tx();
    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, cid, &other), -ENOENT);
    RX(0x06, 4, cid, 0x55);
    TX(0x07, 4, cid, 0x55);
    ended(cid, BL_PROTOCOL);
    op_ends(op, BL_OK);
    nothing_left();
}
END_TEST

START_TEST(frames_of_no_channel_are_ignored_and_counted)
{
    listen_on(PSM, MTU, 0, true);
    RX(0x14, 7, PSM, 0x44, 512, 100, 5);
    (void)next_event(BL_EV_L2CAP_ACCEPT, 0x40);
    connects(PSM, MTU, false, 1);
    (void)fake_hci_take_sent(hci);
    static const uint16_t cids[] = {0x40, 0x41, 0x42, 0x7f, 0x80, 0xffff};
    for (size_t i = 0; i < sizeof(cids) / sizeof(cids[0]); i++)
        rx_sdu(cids[i], 3);
    bl_l2cap_pdu(&l2cap, now, 2, 0x40, some, 3);
    no_tx();
    ck_assert_uint_eq(l2cap.counters[BL_L2CAP_N_STRAY], 7);
}
END_TEST

START_TEST(what_happened_is_counted)
{
    static const char *const names[] = {"signals-bad",      "signals-dropped", "channels-opened",
                                        "channels-refused", "channels-broken", "channels-stray",
                                        "channels-tx-sdus", "channels-rx-sdus"};
    const char *name;
    uint64_t value;
    uint16_t cid = incoming(0x55);

    rx_sdu(cid, 3);
    (void)bl_l2cap_tx_send(channel(cid), now, some, 3);
    for (unsigned i = 0; i < 4; i++)
        step();
    for (size_t i = 0; i < BL_L2CAP_COUNTERS; i++) {
        ck_assert(bl_l2cap_count(&l2cap, i, &name, &value));
        ck_assert_str_eq(name, names[i]);
        ck_assert_uint_eq(value, i == BL_L2CAP_N_OPENED || i >= BL_L2CAP_N_TX_SDUS);
    }
    ck_assert(!bl_l2cap_count(&l2cap, BL_L2CAP_COUNTERS, &name, &value));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("l2cap/channel");
    TCase *t = tcase_create("channel");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_channel_is_disconnected, 0, 3);
    tcase_add_test(t, arguments_of_disconnect_are_checked);
    tcase_add_test(t, a_disconnection_response_that_does_not_match_is_ignored);
    tcase_add_test(t, a_disconnection_that_is_rejected_has_ended);
    tcase_add_test(t, a_disconnection_that_is_not_answered_ends_after_10_s);
    tcase_add_loop_test(t, both_sides_disconnect_at_once, 0, 2);
    tcase_add_test(t, a_disconnection_waits_for_room);
    tcase_add_test(t, the_10_s_of_a_disconnection_are_from_when_it_is_sent);
    tcase_add_test(t, a_disconnection_waits_for_memory);
    tcase_add_test(t, what_was_taken_goes_first);
    tcase_add_test(t, a_peer_that_takes_nothing_for_5_s_is_not_waited_for);
    tcase_add_test(t, the_peer_may_end_what_drains);
    tcase_add_loop_test(t, the_peer_disconnects, 0, 3);
    tcase_add_test(t, a_disconnection_of_what_is_no_channel_is_rejected);
    tcase_add_test(t, a_disconnection_by_another_name_is_ignored);
    tcase_add_test(t, what_is_not_open_yet_is_not_there_to_disconnect);
    tcase_add_test(t, an_answer_without_room_is_dropped_and_the_channel_ends);
    tcase_add_loop_test(t, what_has_come_is_read_after_the_end, 0, 2);
    tcase_add_test(t, credits_are_for_the_channel_that_the_peer_names);
    tcase_add_test(t, more_credits_than_65535_end_the_channel);
    tcase_add_loop_test(t, a_broken_rule_ends_the_channel, 0, 5);
    tcase_add_test(t, a_broken_channel_may_be_disconnected_and_waited_for);
    tcase_add_test(t, frames_of_no_channel_are_ignored_and_counted);
    tcase_add_test(t, what_happened_is_counted);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
