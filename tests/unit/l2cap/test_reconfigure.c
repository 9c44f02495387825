/* SPDX-License-Identifier: MIT */

/* MTUs and MPSs that change: Core 5.4, Vol 3, Part A, 4.27, 4.28. */

#include "signal_rig.h"

static int tries(const uint16_t *cids, size_t n, uint16_t mtu, uint16_t mps, bl_op *op)
{
    return bl_l2cap_do_reconfigure(&l2cap, now, CONN, cids, n, mtu, mps, op);
}

static bl_op reconfigures(uint16_t cid, uint16_t mtu, uint16_t mps)
{
    bl_op op = 0;

    ck_assert_int_eq(tries(&cid, 1, mtu, mps, &op), 0);
    return op;
}

static void told(uint16_t cid, uint16_t our_mtu, uint16_t peer_mtu, bl_op op)
{
    struct bl_event e = next_event(BL_EV_L2CAP_RECONFIGURED, cid);

    ck_assert_uint_eq(e.l2cap.our_mtu, our_mtu);
    ck_assert_uint_eq(e.l2cap.peer_mtu, peer_mtu);
    ck_assert_uint_eq(e.l2cap.op, op);
}

/* ---- the peer's ---- */

static const struct {
    uint16_t mtu, mps, cid[3], n, result;
} asked[] = {
    /* 0x55 and 0x56 are enhanced (MTU 512, MPS 100), 0x57 is not */
    {512, 100, {0x55}, 1, 0},       {65535, 65533, {0x55, 0x56}, 2, 0},
    {600, 99, {0x56}, 1, 0}, /* one channel's MPS may be less */
    {511, 100, {0x55}, 1, 1},       {64, 100, {0x55}, 1, 1},
    {0, 100, {0x55}, 1, 1},         {511, 99, {0x55, 0x56}, 2, 1},
    {600, 99, {0x55, 0x56}, 2, 2},  {600, 100, {0x57}, 1, 3},
    {600, 100, {0x55, 0x57}, 2, 3}, {600, 100, {0x58}, 1, 3},
    {600, 100, {0x40}, 1, 3}, /* our name for it */
    {600, 100, {0}, 1, 3},          {600, 100, {0x55, 0x56, 0x55}, 3, 3},
    {600, 63, {0x55}, 1, 4},        {600, 0, {0x55}, 1, 4},
    {600, 65534, {0x55}, 1, 4},
};

START_TEST(what_the_peer_asks_for_is_answered_as_the_table_says)
{
    uint16_t cid[3] = {enhanced(0x55), enhanced(0x56), outgoing(0x57)};
    uint16_t words[5] = {asked[_i].mtu, asked[_i].mps, asked[_i].cid[0], asked[_i].cid[1],
                         asked[_i].cid[2]};

    rx_words(0x19, 9, words, 2u + asked[_i].n);
    TX(0x1a, 9, asked[_i].result);
    for (unsigned i = 0; asked[_i].result == 0 && i < asked[_i].n; i++)
        told(cid[asked[_i].cid[i] - 0x55], MTU, asked[_i].mtu, 0);
    silent();
    for (unsigned i = 0; i < 3; i++) {
        bool changed = false;
        for (unsigned k = 0; asked[_i].result == 0 && k < asked[_i].n; k++)
            changed = changed || asked[_i].cid[k] == 0x55 + i;
        ck_assert_int_eq(channel(cid[i])->state, L2CAP_OPEN);
        ck_assert_uint_eq(channel(cid[i])->peer_mtu, changed ? asked[_i].mtu : 512);
        ck_assert_uint_eq(channel(cid[i])->peer_mps, changed ? asked[_i].mps : 100);
    }
}
END_TEST

START_TEST(what_the_peer_is_not_told_of_has_not_happened)
{
    uint16_t cid = enhanced(0x55);

    hci->send_error = -ENOBUFS;
    RX(0x19, 9, 600, 100, 0x55);
    silent();
    ck_assert_uint_eq(channel(cid)->peer_mtu, 512);
    ck_assert_uint_eq(l2cap.counters[BL_L2CAP_N_SIGNALS_DROPPED], 1);
}
END_TEST

START_TEST(a_channel_that_is_being_disconnected_is_not_reconfigured)
{
    uint16_t cid = enhanced(0x55);
    bl_op op;

    ck_assert_int_eq(bl_l2cap_do_disconnect(&l2cap, now, CONN, cid, NULL), 0);
    ck_assert_ptr_nonnull(fake_hci_take_sent(hci));
    RX(0x19, 9, 600, 100, 0x55);
    TX(0x1a, 9, 3);
    ck_assert_int_eq(tries(&cid, 1, 600, 0, &op), -ENOENT);
    silent();
}
END_TEST

START_TEST(frames_are_cut_as_the_peer_takes_them_from_then_on)
{
    static const uint8_t sdu[600];
    uint16_t cid = enhanced(0x55);

    ck_assert_int_eq(bl_l2cap_tx_send(channel(cid), now, sdu, 513), -EMSGSIZE);
    RX(0x19, 9, 600, 400, 0x55);
    TX(0x1a, 9, 0);
    told(cid, MTU, 600, 0);
    ck_assert_int_eq(bl_l2cap_tx_send(channel(cid), now, sdu, 600), 1);
    step();
    step();
    step();
    ck_assert_uint_eq(fake_hci_take_sent(hci)->n, 404);
    ck_assert_uint_eq(fake_hci_take_sent(hci)->n, 206);
    silent();
}
END_TEST

/* ---- ours ---- */

START_TEST(arguments_of_reconfigure_are_checked)
{
    uint16_t a = enhanced(0x55), b = enhanced(0x56), le = outgoing(0x57);
    const struct {
        uint16_t cid[6];
        size_t n;
        uint16_t mtu, mps;
        int r;
    } rows[] = {
        {{a}, 0, 600, 0, -EINVAL},          {{a, a, a, a, a, a}, 6, 600, 0, -EINVAL},
        {{a, a}, 2, 600, 0, -EINVAL},       {{le}, 1, 600, 0, -EINVAL},
        {{a, le}, 2, 600, 0, -EINVAL},      {{a, 0x7f}, 2, 600, 0, -ENOENT},
        {{0}, 1, 600, 0, -ENOENT},          {{a}, 1, MTU - 1, 0, -EINVAL},
        {{a}, 1, 600, 63, -EINVAL},         {{a}, 1, 600, 65534, -EINVAL},
        {{a, b}, 2, 600, MPS - 1, -EINVAL},
    };
    bl_op op = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_int_eq(tries(rows[i].cid, rows[i].n, rows[i].mtu, rows[i].mps, &op), rows[i].r);
    ck_assert_int_eq(bl_l2cap_do_reconfigure(&l2cap, now, 2, &a, 1, 600, 0, &op), -ENOTCONN);
    ck_assert_uint_eq(op, 0);
    no_tx();
}
END_TEST

START_TEST(our_mtu_grows_and_its_window_with_it)
{
    uint16_t cid[2] = {enhanced(0x55), enhanced(0x56)};
    size_t promised = conn->promised;
    uint8_t id = (uint8_t)(conn->last_id + 1);
    uint8_t frame[MPS] = {0x58, 0x02}; /* an SDU of 600 octets */
    bl_op op = 0;

    ck_assert_int_eq(tries(cid, 2, 5000, 0, &op), 0);
    TX(0x19, id, 5000, MPS, cid[0], cid[1]);
    link_goes_on();
    bl_op other;
    ck_assert_int_eq(tries(cid, 1, 6000, 0, &other), -EBUSY);
    RX(0x1a, id, 0);
    told(cid[0], 5000, 512, op);
    told(cid[1], 5000, 512, op);
    op_ends(op, BL_OK);
    silent();
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(channel(cid[i])->our_mtu, 5000);
        ck_assert_uint_eq(channel(cid[i])->our_mps, MPS);
        ck_assert_uint_ge(channel(cid[i])->rx.window, 5000 + 2 + MPS);
    }
    ck_assert_uint_eq(conn->promised, channel(cid[0])->rx.window + channel(cid[1])->rx.window);
    ck_assert_uint_gt(conn->promised, promised);
    ck_assert_uint_eq(bl_l2cap_deadline(&l2cap), TIMERQ_NEVER);
    rx_frame(cid[0], frame, sizeof(frame));
    rx_frame(cid[0], frame, sizeof(frame));
    rx_frame(cid[0], frame, 602 - 2 * MPS);
    (void)next_event(BL_EV_L2CAP_RECEIVED, cid[0]);
    lose(0x113);
}
END_TEST

START_TEST(our_mps_changes)
{
    uint16_t cid = enhanced(0x55);
    uint16_t mps = _i == 0 ? 64 : 2000;
    uint8_t id = (uint8_t)(conn->last_id + 1), frame[2000] = {0};
    bl_op op = reconfigures(cid, MTU, mps);

    TX(0x19, id, MTU, mps, cid);
    rx_frame(cid, frame, 2); /* as before, meanwhile */
    (void)next_event(BL_EV_L2CAP_RECEIVED, cid);
    RX(0x1a, id, 0);
    told(cid, MTU, 512, op);
    op_ends(op, BL_OK);
    ck_assert_uint_eq(channel(cid)->our_mps, mps);
    /* what its credits may bring has room */
    ck_assert_uint_ge(channel(cid)->rx.window, (size_t)channel(cid)->rx.credits * mps);
    ck_assert_uint_eq(conn->promised, channel(cid)->rx.window);
    while (fake_hci_take_sent(hci))
        ;
    frame[0] = mps > MTU ? 0xfe : 200;
    frame[1] = mps > MTU;
    rx_frame(cid, frame, mps > MTU ? MTU : mps);
    ck_assert_int_eq(channel(cid)->state, L2CAP_OPEN);
    rx_frame(cid, frame, mps + 1u > sizeof(frame) ? sizeof(frame) : mps + 1u);
    ck_assert_int_eq(channel(cid)->state, L2CAP_DISCONNECTING);
}
END_TEST

START_TEST(a_refusal_leaves_all_as_it_was)
{
    static const struct {
        uint16_t code, word;
        bl_status status;
    } rows[] = {
        {0x1a, 1, BL_NOT_SUPPORTED}, {0x1a, 2, BL_NOT_SUPPORTED},      {0x1a, 3, BL_NOT_SUPPORTED},
        {0x1a, 4, BL_NOT_SUPPORTED}, {0x1a, 0xffff, BL_NOT_SUPPORTED}, {0x01, 0, BL_NOT_SUPPORTED},
    };
    uint16_t cid = enhanced(0x55);
    bl_op op = reconfigures(cid, 5000, 300);

    (void)fake_hci_take_sent(hci);
    RX((uint8_t)rows[_i].code, conn->last_id, rows[_i].word);
    op_ends(op, rows[_i].status);
    silent();
    ck_assert_uint_eq(channel(cid)->our_mtu, MTU);
    ck_assert_uint_eq(channel(cid)->our_mps, MPS);
    ck_assert_uint_eq(conn->promised, channel(cid)->rx.window);
    rx_frame(cid, (const uint8_t[]){0x01, 0x02}, 2);
    TX(0x06, conn->last_id, 0x55, cid);
}
END_TEST

START_TEST(what_is_not_answered_ends_after_30_s_and_may_come_late)
{
    uint16_t cid = enhanced(0x55);
    bl_op op = reconfigures(cid, 5000, 0);
    uint8_t id = conn->last_id;

    (void)fake_hci_take_sent(hci);
    advance(30 * SECONDS);
    op_ends(op, BL_TIMEOUT);
    silent();
    if (_i == 0) {
        RX(0x1a, id, 0);
        told(cid, 5000, 512, 0);
        ck_assert_uint_eq(channel(cid)->our_mtu, 5000);
    } else if (_i == 1) {
        RX(0x1a, id, 4);
        ck_assert_uint_eq(channel(cid)->our_mtu, MTU);
    } else {
        advance(301 * SECONDS);
        ck_assert(list_empty(&conn->requests));
    }
    silent();
    ck_assert_uint_eq(bl_l2cap_deadline(&l2cap), TIMERQ_NEVER);
    op = reconfigures(cid, 6000, 0);
}
END_TEST

START_TEST(a_channel_may_end_meanwhile)
{
    uint16_t cid[2] = {enhanced(0x55), enhanced(0x56)};
    bl_op op = 0;

    ck_assert_int_eq(tries(cid, 2, 600, 0, &op), 0);
    uint8_t id = conn->last_id;
    TX(0x19, id, 600, MPS, cid[0], cid[1]);
    RX(0x06, 9, cid[0], 0x55);
    TX(0x07, 9, cid[0], 0x55);
    ended(cid[0], BL_OK);
    RX(0x1a, id, 0);
    told(cid[1], 600, 512, op);
    op_ends(op, BL_OK);
    silent();
}
END_TEST

START_TEST(what_is_not_sent_yet_is_not_of_channels_that_have_ended)
{
    uint16_t cid[2] = {enhanced(0x55), enhanced(0x56)};
    bl_op op = 0;

    hci->send_error = -ENOBUFS;
    ck_assert_int_eq(tries(cid, 2, 600, 0, &op), 0);
    no_tx();
    l2cap_channel_ended(channel(cid[0]), now, BL_OK);
    ended(cid[0], BL_OK);
    if (_i == 1) {
        l2cap_channel_ended(channel(cid[1]), now, BL_OK);
        ended(cid[1], BL_OK);
        op_ends(op, BL_DISCONNECTED);
        ck_assert(list_empty(&conn->requests));
        step();
        silent();
        return;
    }
    step();
    TX(0x19, conn->last_id, 600, MPS, cid[1]);
}
END_TEST

START_TEST(it_ends_with_the_link)
{
    uint16_t cid = enhanced(0x55);
    bl_op op = reconfigures(cid, 5000, 0);

    (void)fake_hci_take_sent(hci);
    lose(0x108);
    op_ends(op, 0x108);
    ended(cid, 0x108);
    silent();
}
END_TEST

START_TEST(a_window_for_which_there_is_no_room_is_refused)
{
    uint16_t cid = enhanced(0x55);
    size_t kept = conn->promised;
    bl_op op = 0;

    conn->promised = BL_MAX_CHANNEL_RX - 1000;
    ck_assert_int_eq(tries(&cid, 1, 65535, 0, &op), -ENOBUFS);
    conn->promised = kept;
    ck_assert_int_eq(tries(&cid, 1, 65535, 65533, &op), -ENOBUFS); /* for all its credits */
    no_tx();
    ck_assert_uint_eq(channel(cid)->our_mtu, MTU);
    ck_assert_uint_eq(channel(cid)->our_mps, MPS);
    while (bl_evq_op(&events))
        ;
    ck_assert_int_eq(tries(&cid, 1, 600, 0, &op), -EBUSY);
    ck_assert(list_empty(&conn->requests));
    oom_fail_at(1);
    int r = tries(&cid, 1, 600, 0, &op);
    oom_off();
    ck_assert_int_eq(r, -ENOMEM);
    ck_assert_uint_eq(channel(cid)->our_mtu, MTU);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))

int main(void)
{
    Suite *s = suite_create("l2cap/reconfigure");
    TCase *t = tcase_create("reconfigure");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, what_the_peer_asks_for_is_answered_as_the_table_says, 0, ROWS(asked));
    tcase_add_test(t, what_the_peer_is_not_told_of_has_not_happened);
    tcase_add_test(t, a_channel_that_is_being_disconnected_is_not_reconfigured);
    tcase_add_test(t, frames_are_cut_as_the_peer_takes_them_from_then_on);
    tcase_add_test(t, arguments_of_reconfigure_are_checked);
    tcase_add_test(t, our_mtu_grows_and_its_window_with_it);
    tcase_add_loop_test(t, our_mps_changes, 0, 2);
    tcase_add_loop_test(t, a_refusal_leaves_all_as_it_was, 0, 6);
    tcase_add_loop_test(t, what_is_not_answered_ends_after_30_s_and_may_come_late, 0, 3);
    tcase_add_test(t, a_channel_may_end_meanwhile);
    tcase_add_loop_test(t, what_is_not_sent_yet_is_not_of_channels_that_have_ended, 0, 2);
    tcase_add_test(t, it_ends_with_the_link);
    tcase_add_test(t, a_window_for_which_there_is_no_room_is_refused);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
