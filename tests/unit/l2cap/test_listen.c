/* SPDX-License-Identifier: MIT */

/* What the peer asks for: Core 5.4, Vol 3, Part A, 4.22, 4.23, 4.25, 4.26. */

#include "signal_rig.h"

/* The response of this result, and nothing else. */
static void le_refused(uint8_t id, uint16_t result)
{
    TX(0x15, id, 0, 0, 0, 0, result);
    silent();
}

static struct bl_event accepts(uint16_t cid, bool asked)
{
    struct bl_event e = next_event(BL_EV_L2CAP_ACCEPT, cid);

    ck_assert_uint_eq(e.l2cap.psm, PSM);
    ck_assert_uint_eq(e.l2cap.our_mtu, MTU);
    ck_assert(e.l2cap.incoming);
    ck_assert_int_eq(e.l2cap.request != 0, asked);
    return e;
}

static void connected(uint16_t cid, uint16_t peer_mtu)
{
    struct bl_event e = next_event(BL_EV_L2CAP_CONNECTED, cid);

    ck_assert_uint_eq(e.l2cap.psm, PSM);
    ck_assert_uint_eq(e.l2cap.our_mtu, MTU);
    ck_assert_uint_eq(e.l2cap.peer_mtu, peer_mtu);
    ck_assert(e.l2cap.incoming);
    ck_assert_uint_eq(e.l2cap.op, 0);
}

/* ---- listeners ---- */

START_TEST(arguments_of_listen_are_checked)
{
    static const struct {
        struct bl_l2cap_listen params;
        int r;
    } rows[] = {
        {{0, 23, 0, false}, -EINVAL},      {{0x100, 23, 0, false}, -EINVAL},
        {{0x80, 22, 0, false}, -EINVAL},   {{0x80, 23, 5, false}, -EINVAL},
        {{0x01, 23, 0, false}, 0},         {{0xff, 65535, 4, true}, 0},
        {{0xff, 65535, 4, true}, -EEXIST},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_int_eq(bl_l2cap_do_listen(&l2cap, &rows[i].params), rows[i].r);
    ck_assert_int_eq(bl_l2cap_do_unlisten(&l2cap, now, 0x80), -ENOENT);
    ck_assert_int_eq(bl_l2cap_do_unlisten(&l2cap, now, 0x1ff), -ENOENT);
    ck_assert_int_eq(bl_l2cap_do_unlisten(&l2cap, now, 0x01), 0);
    ck_assert_int_eq(bl_l2cap_do_unlisten(&l2cap, now, 0x01), -ENOENT);
    oom_fail_at(1);
    int r = bl_l2cap_do_listen(&l2cap, &rows[4].params);
    oom_off();
    ck_assert_int_eq(r, -ENOMEM);
    ck_assert_int_eq(bl_l2cap_do_listen(&l2cap, &rows[4].params), 0);
}
END_TEST

START_TEST(listeners_go_with_the_controller)
{
    listen_on(PSM, MTU, 0, false);
    bl_l2cap_reset(&l2cap);
    RX(0x14, 3, PSM, 0x40, 512, 100, 5);
    le_refused(3, BL_L2CAP_SPSM_NOT_SUPPORTED);
}
END_TEST

START_TEST(a_listener_that_goes_leaves_its_channels)
{
    uint16_t cid = incoming(0x40);

    ck_assert_int_eq(bl_l2cap_do_unlisten(&l2cap, now, PSM), 0);
    silent();
    ck_assert_int_eq(channel(cid)->state, L2CAP_OPEN);
    rx_sdu(cid, 3);
    next_event(BL_EV_L2CAP_RECEIVED, cid);
    RX(0x14, 3, PSM, 0x41, 512, 100, 5);
    le_refused(3, BL_L2CAP_SPSM_NOT_SUPPORTED);
}
END_TEST

/* ---- LE credit based ---- */

START_TEST(an_le_request_opens_a_channel)
{
    listen_on(PSM, MTU, 0, false);
    RX(0x14, 7, PSM, 0x44, 600, 100, 5);
    TX(0x15, 7, 0x40, MTU, MPS, CREDITS, 0);
    struct bl_event e = accepts(0x40, false);
    ck_assert_uint_eq(e.l2cap.peer_mtu, 600);
    connected(0x40, 600);
    silent();
    struct bl_l2cap_info info;
    bl_l2cap_channel_info(channel(0x40), &info);
    ck_assert_uint_eq(info.psm, PSM);
    ck_assert_uint_eq(info.peer_cid, 0x44);
    ck_assert_uint_eq(info.our_mtu, MTU);
    ck_assert_uint_eq(info.peer_mtu, 600);
    ck_assert_uint_eq(info.our_mps, MPS);
    ck_assert_uint_eq(info.peer_mps, 100);
    ck_assert_uint_eq(info.credits, 5);
    ck_assert_uint_eq(info.peer_credits, CREDITS);
    ck_assert(info.open && info.incoming && !info.enhanced);
}
END_TEST

START_TEST(an_le_request_may_give_no_credits_and_have_the_least_and_the_most_of_all)
{
    static const struct {
        uint16_t cid, mtu, mps, credits;
    } rows[] = {{0x40, 23, 23, 0}, {0x7f, 65535, 65533, 65535}, {0x50, 23, 65533, 1}};

    listen_on(PSM, MTU, 0, false);
    RX(0x14, 7, PSM, rows[_i].cid, rows[_i].mtu, rows[_i].mps, rows[_i].credits);
    TX(0x15, 7, 0x40, MTU, MPS, CREDITS, 0);
    accepts(0x40, false);
    connected(0x40, rows[_i].mtu);
    silent();
    ck_assert_uint_eq(channel(0x40)->tx.credits, rows[_i].credits);
}
END_TEST

static const struct {
    uint16_t spsm, cid, mtu, mps, credits, result;
} le_refusals[] = {
    {0, 0x44, 512, 100, 5, 0x0002},      {0x81, 0x44, 512, 100, 5, 0x0002},
    {0x100, 0x44, 512, 100, 5, 0x0002},  {0x180, 0x44, 512, 100, 5, 0x0002},
    {0xffff, 0x44, 512, 100, 5, 0x0002}, {PSM, 0, 512, 100, 5, 0x0009},
    {PSM, 5, 512, 100, 5, 0x0009},       {PSM, 0x3f, 512, 100, 5, 0x0009},
    {PSM, 0x80, 512, 100, 5, 0x0009},    {PSM, 0xffff, 512, 100, 5, 0x0009},
    {PSM, 0x50, 512, 100, 5, 0x000a},    {PSM, 0x44, 22, 100, 5, 0x000b},
    {PSM, 0x44, 0, 100, 5, 0x000b},      {PSM, 0x44, 512, 22, 5, 0x000b},
    {PSM, 0x44, 512, 65534, 5, 0x000b},  {PSM, 0x44, 512, 0, 5, 0x000b},
};

START_TEST(an_le_request_is_refused_as_the_table_says)
{
    (void)incoming(0x50);
    RX(0x14, 9, le_refusals[_i].spsm, le_refusals[_i].cid, le_refusals[_i].mtu, le_refusals[_i].mps,
       le_refusals[_i].credits);
    le_refused(9, le_refusals[_i].result);
    ck_assert_uint_eq(conn->n_channels, 1);
    ck_assert_uint_eq(l2cap.counters[BL_L2CAP_N_REFUSED], 1);
    RX(0x14, 9, PSM, 0x44, 512, 100, 5);
    TX(0x15, 9, 0x41, MTU, MPS, (uint16_t)(channel(0x41)->rx.credits), 0);
}
END_TEST

START_TEST(a_request_of_wrong_length_is_not_understood)
{
    listen_on(PSM, MTU, 0, false);
    RX(0x14, 9, PSM, 0x44, 512, 100);
    TX(0x01, 9, 0);
    RX(0x14, 10, PSM, 0x44, 512, 100, 5, 0);
    TX(0x01, 10, 0);
    RX(0x17, 11, PSM, 512, 100, 5);
    TX(0x01, 11, 0);
    RX(0x17, 12, PSM, 512, 100, 5, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45);
    TX(0x01, 12, 1, 23); /* over MTUsig */
    RX(0x19, 13, 512, 100);
    TX(0x01, 13, 0);
    RX(0x06, 14, 0x40);
    TX(0x01, 14, 0);
    silent();
    ck_assert_uint_eq(l2cap.counters[BL_L2CAP_N_SIGNALS_BAD], 6);
}
END_TEST

/* ---- security ---- */

static const struct {
    uint8_t level, min_key;
    struct bl_l2cap_security has;
    uint16_t result;
} security[] = {
    /* encrypted, authenticated, secure connections, a key, its size */
    {0, 0, {false, false, false, false, 0}, 0},      {1, 0, {false, false, false, false, 0}, 0},
    {2, 0, {false, false, false, false, 0}, 0x0005}, {2, 0, {false, false, false, true, 0}, 0x0008},
    {3, 0, {false, false, false, true, 0}, 0x0008},  {4, 0, {false, false, false, true, 0}, 0x0008},
    {4, 0, {false, false, false, false, 0}, 0x0005}, {2, 0, {true, false, false, true, 16}, 0},
    {2, 0, {true, false, false, true, 15}, 0x0007},  {2, 7, {true, false, false, true, 7}, 0},
    {2, 8, {true, false, false, true, 7}, 0x0007},   {3, 0, {true, false, true, true, 16}, 0x0005},
    {3, 0, {true, true, false, true, 16}, 0},        {3, 10, {true, true, false, true, 9}, 0x0007},
    {4, 0, {true, false, true, true, 16}, 0x0005},   {4, 0, {true, true, false, true, 16}, 0x0005},
    {4, 7, {true, true, true, true, 15}, 0x0007},    {4, 7, {true, true, true, true, 16}, 0},
    {1, 0, {true, false, false, true, 7}, 0},
};

START_TEST(the_link_must_be_worth_what_the_listener_asks_for)
{
    config.min_key_size = security[_i].min_key;
    listen_on(PSM, MTU, security[_i].level, false);
    bl_l2cap_set_security(&l2cap, CONN, &security[_i].has);
    RX(0x14, 9, PSM, 0x44, 512, 100, 5);
    if (security[_i].result) {
        le_refused(9, security[_i].result);
        RX(0x17, 10, PSM, 512, 100, 5, 0x44, 0x45);
        TX(0x18, 10, 0, 0, 0, security[_i].result, 0, 0);
        silent();
    } else {
        TX(0x15, 9, 0x40, MTU, MPS, CREDITS, 0);
        accepts(0x40, false);
        connected(0x40, 512);
        silent();
    }
}
END_TEST

START_TEST(who_does_not_listen_is_not_known_by_security)
{
    listen_on(PSM, MTU, 4, false);
    RX(0x14, 9, PSM + 1, 0x44, 512, 100, 5);
    le_refused(9, BL_L2CAP_SPSM_NOT_SUPPORTED);
    RX(0x14, 9, PSM, 0, 0, 0, 0); /* and what is wrong besides is not told to one unknown */
    le_refused(9, BL_L2CAP_INSUFFICIENT_AUTHENTICATION);
}
END_TEST

/* ---- enhanced ---- */

START_TEST(an_enhanced_request_opens_all_its_channels)
{
    listen_on(PSM, MTU, 0, false);
    RX(0x17, 7, PSM, 600, 100, 5, 0x44, 0x45, 0x46, 0x47, 0x48);
    /* the last one's window is the least that rx_buf leaves, and all begin as it does */
    uint16_t credits = channel(0x44)->rx.credits;
    TX(0x18, 7, MTU, MPS, credits, 0, 0x40, 0x41, 0x42, 0x43, 0x44);
    for (uint16_t cid = 0x40; cid <= 0x44; cid++)
        accepts(cid, false);
    for (uint16_t cid = 0x40; cid <= 0x44; cid++) {
        connected(cid, 600);
        ck_assert_uint_eq(channel(cid)->rx.credits, credits);
        ck_assert_uint_eq(channel(cid)->tx.credits, 5);
        ck_assert_uint_eq(channel(cid)->peer_cid, cid + 4);
        ck_assert(channel(cid)->enhanced);
    }
    silent();
}
END_TEST

static const struct {
    uint16_t spsm, mtu, mps, credits, result;
} enhanced_refusals[] = {
    {0, 512, 100, 5, 0x0002},   {0x81, 512, 100, 5, 0x0002}, {0x180, 512, 100, 5, 0x0002},
    {PSM, 63, 100, 5, 0x000c},  {PSM, 512, 63, 5, 0x000c},   {PSM, 512, 65534, 5, 0x000c},
    {PSM, 512, 100, 0, 0x000c}, {0x82, 512, 100, 5, 0x000b}, /* the listener's MTU is short */
};

START_TEST(an_enhanced_request_is_refused_as_a_whole_as_the_table_says)
{
    listen_on(PSM, MTU, 0, false);
    listen_on(0x82, 63, 0, false);
    RX(0x17, 7, enhanced_refusals[_i].spsm, enhanced_refusals[_i].mtu, enhanced_refusals[_i].mps,
       enhanced_refusals[_i].credits, 0x44, 0x45, 0x46);
    TX(0x18, 7, 0, 0, 0, enhanced_refusals[_i].result, 0, 0, 0);
    silent();
    ck_assert_uint_eq(conn->n_channels, 0);
    ck_assert_uint_eq(l2cap.counters[BL_L2CAP_N_REFUSED], 3);
}
END_TEST

START_TEST(an_enhanced_request_with_the_least_of_all_is_taken)
{
    listen_on(PSM, 64, 0, false);
    RX(0x17, 7, PSM, 64, 64, 1, 0x7f);
    ck_assert_ptr_nonnull(channel(0x40));
    TX(0x18, 7, 64, 66, channel(0x40)->rx.credits, 0, 0x40);
}
END_TEST

static const struct {
    uint16_t cid[3], result;
    uint16_t ours[3];
} some_refused[] = {
    {{0x44, 0x3f, 0x45}, 0x0009, {0x41, 0, 0x42}}, {{0x44, 0x45, 0x80}, 0x0009, {0x41, 0x42, 0}},
    {{0x50, 0x44, 0x45}, 0x000a, {0, 0x41, 0x42}}, /* open already */
    {{0x44, 0x44, 0x45}, 0x000a, {0x41, 0, 0x42}}, /* twice in one */
    {{0x50, 0x44, 0}, 0x0009, {0, 0x41, 0}},       /* the last one's result */
    {{0, 0x44, 0x50}, 0x000a, {0, 0x41, 0}},
};

START_TEST(an_enhanced_request_is_refused_in_part)
{
    (void)incoming(0x50);
    RX(0x17, 7, PSM, 512, 100, 5, some_refused[_i].cid[0], some_refused[_i].cid[1],
       some_refused[_i].cid[2]);
    uint16_t credits = channel(0x41)->rx.credits;
    TX(0x18, 7, MTU, MPS, credits, some_refused[_i].result, some_refused[_i].ours[0],
       some_refused[_i].ours[1], some_refused[_i].ours[2]);
    for (unsigned i = 0; i < 3; i++)
        if (some_refused[_i].ours[i])
            accepts(some_refused[_i].ours[i], false);
    for (unsigned i = 0; i < 3; i++)
        if (some_refused[_i].ours[i])
            connected(some_refused[_i].ours[i], 512);
    silent();
}
END_TEST

START_TEST(an_enhanced_request_of_which_all_is_refused_has_no_parameters)
{
    listen_on(PSM, MTU, 0, false);
    RX(0x17, 7, PSM, 512, 100, 5, 0x3f, 0x80);
    TX(0x18, 7, 0, 0, 0, BL_L2CAP_INVALID_SOURCE_CID, 0, 0);
    silent();
}
END_TEST

/* ---- bounds ---- */

START_TEST(there_are_64_channels)
{
    listen_on(PSM, 23, 0, false);
    for (uint16_t i = 0; i < 62; i++) {
        RX(0x14, 7, PSM, 0x40 + i, 512, 100, 5);
        ck_assert_ptr_nonnull(channel(0x40 + i));
    }
    while (fake_hci_take_sent(hci))
        ;
    ck_assert_int_eq(bl_l2cap_do_unlisten(&l2cap, now, PSM), 0);
    listen_on(PSM, 64, 0, false);
    RX(0x17, 7, PSM, 512, 100, 5, 0x7e, 0x7f, 0x40);
    TX(0x18, 7, 64, 66, channel(0x7e)->rx.credits, BL_L2CAP_SOURCE_CID_TAKEN, 0x7e, 0x7f, 0);
    const struct bl_l2cap_connect more = {PSM, MTU, false, 1};
    bl_op op;
    ck_assert_int_eq(bl_l2cap_do_connect(&l2cap, now, CONN, &more, &op), -ENOBUFS);
    /* one ends, and its CID is the one that is left */
    RX(0x06, 8, 0x66, 0x66);
    TX(0x07, 8, 0x66, 0x66);
    RX(0x14, 9, PSM, 0x66, 512, 100, 5);
    ck_assert_ptr_nonnull(channel(0x66));
}
END_TEST

START_TEST(no_cid_is_left_where_ours_take_them)
{
    listen_on(PSM, MTU, 0, false);
    for (unsigned i = 0; i < 64; i++)
        connects(PSM, 23, false, 1);
    while (fake_hci_take_sent(hci))
        ;
    RX(0x14, 7, PSM, 0x44, 512, 100, 5);
    TX(0x15, 7, 0, 0, 0, 0, BL_L2CAP_NO_RESOURCES);
    RX(0x17, 8, PSM, 512, 100, 5, 0x44, 0x45);
    TX(0x18, 8, 0, 0, 0, BL_L2CAP_NO_RESOURCES, 0, 0);
    no_tx();
}
END_TEST

START_TEST(the_octets_promised_on_a_connection_are_bounded)
{
    size_t least = 65535 + 2 + MPS, n = 0;

    listen_on(PSM, 65535, 0, false);
    for (uint16_t cid = 0x40; cid <= 0x7f; cid++) {
        RX(0x14, 7, PSM, cid, 512, 100, 5);
        const struct fake_sent *s = fake_hci_take_sent(hci);
        if (s->data[8] == 0) {
            ck_assert_uint_eq(s->data[16], BL_L2CAP_NO_RESOURCES);
            break;
        }
        n++;
    }
    ck_assert_uint_eq(n, BL_MAX_CHANNEL_RX / least);
    ck_assert_uint_le(conn->promised, BL_MAX_CHANNEL_RX);
    /* one that is short still fits */
    listen_on(0x81, 23, 0, false);
    RX(0x14, 7, 0x81, 0x7f, 512, 100, 5);
    ck_assert_uint_eq(fake_hci_take_sent(hci)->data[16], 0);
    lose(0x113);
}
END_TEST

START_TEST(rx_buf_is_shared_out_and_may_be_more_than_the_bound)
{
    static const struct {
        uint32_t rx_buf;
        uint16_t mtu, mps;
        size_t window;
    } rows[] = {
        {0, MTU, MPS, MTU + 2 + MPS + 16384},
        {65536, MTU, MPS, MTU + 2 + MPS + 16384},
        {1000, MTU, MPS, MTU + 2 + MPS + 239}, /* what is left of it */
        {700, MTU, MPS, MTU + 2 + MPS},        /* an SDU and a frame in any case */
        {8 << 20, MTU, MPS, MTU + 2 + MPS + (2 << 20)},
        {8 << 20, 65535, 65533, 65535 + 2 + 65533 + (2 << 20)},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        config.rx_buf = rows[i].rx_buf;
        ck_assert_uint_eq(l2cap_window(conn, rows[i].mtu, rows[i].mps), rows[i].window);
    }
    config.rx_buf = 0;
    conn->promised = BL_MAX_CHANNEL_RX - MTU - 2 - MPS;
    ck_assert_uint_eq(l2cap_window(conn, MTU, MPS), MTU + 2 + MPS);
    conn->promised++;
    ck_assert_uint_eq(l2cap_window(conn, MTU, MPS), 0);
    config.rx_buf = BL_MAX_CHANNEL_RX + 1;
    ck_assert_uint_eq(l2cap_window(conn, MTU, MPS), MTU + 2 + MPS);
    conn->promised = 0;
}
END_TEST

START_TEST(our_mps_is_what_fits_a_packet_of_the_controller)
{
    static const struct {
        uint16_t acl_len, mtu;
        bool enhanced;
        uint16_t mps;
    } rows[] = {
        {251, 512, false, 247},  {27, 512, false, 23}, {27, 512, true, 64},
        {251, 100, false, 102},  {251, 23, false, 25}, {251, 64, true, 66},
        {27, 23, false, 23},     {0, 23, false, 23},   {65535, 65535, false, 65531},
        {65535, 100, true, 102},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        hci->caps.acl_len = rows[i].acl_len;
        ck_assert_uint_eq(l2cap_mps(conn, rows[i].mtu, rows[i].enhanced), rows[i].mps);
    }
}
END_TEST

/* ---- authorize ---- */

START_TEST(an_asked_channel_opens_when_it_is_granted)
{
    listen_on(PSM, MTU, 0, true);
    RX(0x14, 7, PSM, 0x44, 512, 100, 5);
    struct bl_event e = accepts(0x40, true);
    silent();
    ck_assert_ptr_null(channel(0x40));
    link_goes_on();
    ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, e.l2cap.request, 0), 0);
    TX(0x15, 7, 0x40, MTU, MPS, CREDITS, 0);
    connected(0x40, 512);
    silent();
    ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, e.l2cap.request, 0), -ENOENT);
}
END_TEST

START_TEST(an_asked_channel_is_refused_with_the_result_that_is_given)
{
    static const uint16_t results[] = {2, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    uint16_t cid = 0x40;

    listen_on(PSM, MTU, 0, true);
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        if (results[i] != BL_L2CAP_INVALID_PARAMETERS) {
            RX(0x14, 7, PSM, 0x44, 512, 100, 5);
            struct bl_event e = next_event(BL_EV_L2CAP_ACCEPT, cid++);
            ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, e.l2cap.request, results[i]), 0);
            le_refused(7, results[i]);
        }
        RX(0x17, 7, PSM, 512, 100, 5, 0x44);
        struct bl_event e = next_event(BL_EV_L2CAP_ACCEPT, cid++);
        ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, e.l2cap.request, results[i]), 0);
        TX(0x18, 7, 0, 0, 0, results[i], 0);
    }
    ck_assert_uint_eq(conn->n_channels, 0);
    ck_assert_uint_eq(conn->n_asked, 0);
    ck_assert_uint_eq(conn->promised, 0);
}
END_TEST

START_TEST(a_reply_is_checked)
{
    static const uint16_t bad[] = {1, 3, 0x0d, 0x0e, 0x0f, 0x10, 0xffff};

    listen_on(PSM, MTU, 0, true);
    RX(0x14, 7, PSM, 0x44, 512, 100, 5);
    struct bl_event e = accepts(0x40, true);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, e.l2cap.request, bad[i]), -EINVAL);
    ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, 0, 0), -ENOENT);
    ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, e.l2cap.request + 1, 0), -ENOENT);
    silent();
}
END_TEST

/* 4.23's table ends at 0x000b. */
START_TEST(only_an_enhanced_request_is_refused_with_invalid_parameters)
{
    listen_on(PSM, MTU, 0, true);
    RX(0x14, 7, PSM, 0x44, 512, 100, 5);
    uint32_t request = accepts(0x40, true).l2cap.request;
    ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, request, 0x000c), -EINVAL);
    silent();
    ck_assert_uint_eq(conn->n_asked, 1); /* it waits on */
    ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, request, 0x000b), 0);
    le_refused(7, 0x000b);
    ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, request, 0x000c), -ENOENT);
}
END_TEST

START_TEST(an_enhanced_request_is_answered_when_all_of_it_is_decided)
{
    /* which of the three are refused, with what; the result that is sent: of the last decided */
    static const struct {
        uint16_t result[3], sent;
    } rows[] = {
        {{0, 0, 0}, 0}, {{0, 4, 0}, 4}, {{6, 0, 0}, 4}, /* 0x0006 would say that all are refused */
        {{4, 0, 9}, 4}, {{6, 6, 6}, 6}, {{2, 2, 6}, 2},
    };
    static const unsigned order[] = {2, 0, 1};
    uint16_t credits = 0;
    uint32_t request[3];

    listen_on(PSM, MTU, 0, true);
    RX(0x17, 7, PSM, 512, 100, 5, 0x44, 0x45, 0x46);
    for (unsigned i = 0; i < 3; i++)
        request[i] = accepts((uint16_t)(0x40 + i), true).l2cap.request;
    ck_assert(request[0] != request[1] && request[1] != request[2] && request[0] != request[2]);
    for (unsigned i = 0; i < 3; i++) {
        silent();
        uint16_t least = UINT16_MAX;
        for (unsigned k = 0; k < 3; k++) {
            const struct l2cap_channel *ch = l2cap_channel_find(conn, (uint16_t)(0x40 + k));
            if (ch && rows[_i].result[k] == 0 && ch->rx.credits < least)
                least = ch->rx.credits;
        }
        credits = least;
        ck_assert_int_eq(
            bl_l2cap_do_reply(&l2cap, now, request[order[i]], rows[_i].result[order[i]]), 0);
    }
    bool any = false;
    uint16_t cid[3];
    for (unsigned i = 0; i < 3; i++) {
        cid[i] = rows[_i].result[i] ? 0 : (uint16_t)(0x40 + i);
        any = any || cid[i];
    }
    if (any)
        TX(0x18, 7, MTU, MPS, credits, rows[_i].sent, cid[0], cid[1], cid[2]);
    else
        TX(0x18, 7, 0, 0, 0, rows[_i].sent, 0, 0, 0);
    for (unsigned i = 0; i < 3; i++)
        if (cid[i])
            connected(cid[i], 512);
    silent();
}
END_TEST

START_TEST(requests_that_wait_are_bounded)
{
    listen_on(PSM, 64, 0, true);
    unsigned n = 0;
    for (uint8_t id = 1; id < 20; id++) {
        uint16_t first = (uint16_t)(0x40 + (id - 1) * 5);
        RX(0x17, id, PSM, 512, 100, 5, first, first + 1, first + 2, first + 3, first + 4);
        struct bl_event e;
        while (bl_evq_pop(&events, &e))
            n++;
    }
    ck_assert_uint_eq(n, BL_MAX_CHANNEL_REQUESTS);
    ck_assert_uint_eq(conn->n_asked, BL_MAX_CHANNEL_REQUESTS);
    while (fake_hci_take_sent(hci)) /* the rest is refused */
        n++;
    ck_assert_uint_eq(n, BL_MAX_CHANNEL_REQUESTS + 19 - 13);
    lose(0x108);
    silent();
}
END_TEST

START_TEST(a_request_that_is_asked_again_has_one_answer)
{
    listen_on(PSM, MTU, 0, true);
    RX(0x14, 7, PSM, 0x44, 512, 100, 5);
    struct bl_event e = accepts(0x40, true);
    RX(0x14, 7, PSM, 0x44, 512, 100, 5);
    RX(0x17, 7, PSM, 512, 100, 5, 0x45);
    silent();
    RX(0x14, 8, PSM, 0x44, 512, 100, 5);
    le_refused(8, BL_L2CAP_SOURCE_CID_TAKEN); /* while the first one waits */
    ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, e.l2cap.request, 0), 0);
    TX(0x15, 7, 0x40, MTU, MPS, CREDITS, 0);
    connected(0x40, 512);
    silent();
}
END_TEST

START_TEST(what_waits_is_refused_when_its_listener_goes)
{
    listen_on(PSM, MTU, 0, true);
    listen_on(0x81, MTU, 0, true);
    RX(0x14, 7, PSM, 0x44, 512, 100, 5);
    struct bl_event first = accepts(0x40, true);
    RX(0x17, 8, PSM, 512, 100, 5, 0x45, 0x46);
    struct bl_event second = accepts(0x41, true);
    struct bl_event third = accepts(0x42, true);
    RX(0x14, 9, 0x81, 0x47, 512, 100, 5);
    struct bl_event other = next_event(BL_EV_L2CAP_ACCEPT, 0x43);
    ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, second.l2cap.request, 0), 0);
    no_tx();

    ck_assert_int_eq(bl_l2cap_do_unlisten(&l2cap, now, PSM), 0);
    TX(0x15, 7, 0, 0, 0, 0, BL_L2CAP_SPSM_NOT_SUPPORTED);
    TX(0x18, 8, MTU, MPS, channel(0x41)->rx.credits, BL_L2CAP_NO_RESOURCES, 0x41, 0);
    connected(0x41, 512); /* was granted before */
    silent();
    ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, first.l2cap.request, 0), -ENOENT);
    ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, third.l2cap.request, 0), -ENOENT);
    ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, other.l2cap.request, 4), 0);
    le_refused(9, 4);
}
END_TEST

START_TEST(what_waits_ends_with_the_link_without_a_word)
{
    listen_on(PSM, MTU, 0, true);
    RX(0x17, 8, PSM, 512, 100, 5, 0x45, 0x46);
    struct bl_event e = accepts(0x40, true);
    accepts(0x41, true);
    ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, e.l2cap.request, 0), 0);
    lose(0x113);
    silent();
    ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, e.l2cap.request + 1, 0), -ENOENT);
}
END_TEST

/* ---- no room, no memory ---- */

START_TEST(an_answer_waits_for_room_and_the_channel_for_it)
{
    listen_on(PSM, MTU, 0, _i == 1);
    if (_i == 0)
        hci->send_error = -ENOBUFS;
    RX(0x14, 7, PSM, 0x44, 512, 100, 5); /* its turn tries again */
    struct bl_event e = accepts(0x40, _i == 1);
    if (_i == 1) {
        hci->send_error = -ENOBUFS;
        ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, e.l2cap.request, 0), 0);
        silent();
        ck_assert_ptr_null(channel(0x40));
        step();
    }
    TX(0x15, 7, 0x40, MTU, MPS, CREDITS, 0);
    connected(0x40, 512);
    silent();
    ck_assert(list_empty(&l2cap.sending));
}
END_TEST

START_TEST(a_refusal_without_room_is_dropped_and_counted)
{
    hci->send_error = -ENOBUFS;
    RX(0x14, 7, PSM, 0x44, 512, 100, 5);
    silent();
    ck_assert_uint_eq(l2cap.counters[BL_L2CAP_N_SIGNALS_DROPPED], 1);
}
END_TEST

START_TEST(an_answer_that_waits_for_memory_is_forgotten_with_the_last_link)
{
    listen_on(PSM, MTU, 0, true);
    RX(0x14, 7, PSM, 0x44, 512, 100, 5);
    struct bl_event e = accepts(0x40, true);
    ck_assert_int_eq(bl_l2cap_open(&l2cap, now, CONN + 1, HANDLE + 1), 0);
    oom_fail_at(1);
    ck_assert_int_eq(bl_l2cap_do_reply(&l2cap, now, e.l2cap.request, 4), 0);
    if (_i == 1) {
        oom_fail_at(1);
        bl_l2cap_step(&l2cap, now); /* which sets a time */
    }
    oom_off();
    silent();
    bl_l2cap_close(&l2cap, now, CONN + 1, 0x113);
    ck_assert_uint_ne(bl_l2cap_deadline(&l2cap), TIMERQ_NEVER);
    lose(0x113); /* nothing is to be tried again */
    silent();
}
END_TEST

START_TEST(without_memory_a_request_is_refused_or_answered_later)
{
    unsigned long n = 0;
    bool all = false;

    listen_on(PSM, MTU, 0, false);
    while (!all) {
        oom_fail_at(++n);
        RX(0x17, 7, PSM, 512, 100, 5, 0x44, 0x45);
        all = oom_count() < n;
        oom_off();
        advance(SECONDS); /* what waits for memory has it now */
        const struct fake_sent *s = fake_hci_take_sent(hci);
        if (s) { /* else the answer was dropped */
            ck_assert_uint_eq(s->data[4], 0x18);
            ck_assert_uint_eq(s->data[5], 7);
        }
        no_tx();
        struct bl_event e;
        unsigned accepted = 0, open = 0;
        while (bl_evq_pop(&events, &e)) {
            accepted += e.kind == BL_EV_L2CAP_ACCEPT;
            open += e.kind == BL_EV_L2CAP_CONNECTED;
        }
        ck_assert_uint_eq(accepted, open);
        ck_assert_uint_eq(conn->n_channels, open);
        if (all)
            ck_assert_uint_eq(open, 2);
        for (uint16_t cid = BL_L2CAP_CID_MIN; cid <= BL_L2CAP_CID_MAX; cid++)
            if (channel(cid))
                l2cap_channel_free(channel(cid));
        ck_assert_uint_eq(conn->promised, 0);
    }
    ck_assert_uint_ge(n, 4);
}
END_TEST

START_TEST(where_there_is_no_memory_a_link_has_no_channels)
{
    oom_fail_at(1);
    int r = bl_l2cap_open(&l2cap, now, 2, 0x22);
    oom_off();
    ck_assert_int_eq(r, -ENOMEM);
    ck_assert_int_eq(bl_l2cap_open(&l2cap, now, 2, 0x22), 0);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))

int main(void)
{
    Suite *s = suite_create("l2cap/listen");
    TCase *t = tcase_create("listen");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, arguments_of_listen_are_checked);
    tcase_add_test(t, listeners_go_with_the_controller);
    tcase_add_test(t, a_listener_that_goes_leaves_its_channels);
    tcase_add_test(t, an_le_request_opens_a_channel);
    tcase_add_loop_test(t, an_le_request_may_give_no_credits_and_have_the_least_and_the_most_of_all,
                        0, 3);
    tcase_add_loop_test(t, an_le_request_is_refused_as_the_table_says, 0, ROWS(le_refusals));
    tcase_add_test(t, a_request_of_wrong_length_is_not_understood);
    tcase_add_loop_test(t, the_link_must_be_worth_what_the_listener_asks_for, 0, ROWS(security));
    tcase_add_test(t, who_does_not_listen_is_not_known_by_security);
    tcase_add_test(t, an_enhanced_request_opens_all_its_channels);
    tcase_add_loop_test(t, an_enhanced_request_is_refused_as_a_whole_as_the_table_says, 0,
                        ROWS(enhanced_refusals));
    tcase_add_test(t, an_enhanced_request_with_the_least_of_all_is_taken);
    tcase_add_loop_test(t, an_enhanced_request_is_refused_in_part, 0, ROWS(some_refused));
    tcase_add_test(t, an_enhanced_request_of_which_all_is_refused_has_no_parameters);
    tcase_add_test(t, there_are_64_channels);
    tcase_add_test(t, no_cid_is_left_where_ours_take_them);
    tcase_add_test(t, the_octets_promised_on_a_connection_are_bounded);
    tcase_add_test(t, rx_buf_is_shared_out_and_may_be_more_than_the_bound);
    tcase_add_test(t, our_mps_is_what_fits_a_packet_of_the_controller);
    tcase_add_test(t, an_asked_channel_opens_when_it_is_granted);
    tcase_add_test(t, an_asked_channel_is_refused_with_the_result_that_is_given);
    tcase_add_test(t, a_reply_is_checked);
    tcase_add_test(t, only_an_enhanced_request_is_refused_with_invalid_parameters);
    tcase_add_loop_test(t, an_enhanced_request_is_answered_when_all_of_it_is_decided, 0, 6);
    tcase_add_test(t, requests_that_wait_are_bounded);
    tcase_add_test(t, a_request_that_is_asked_again_has_one_answer);
    tcase_add_test(t, what_waits_is_refused_when_its_listener_goes);
    tcase_add_test(t, what_waits_ends_with_the_link_without_a_word);
    tcase_add_loop_test(t, an_answer_waits_for_room_and_the_channel_for_it, 0, 2);
    tcase_add_test(t, a_refusal_without_room_is_dropped_and_counted);
    tcase_add_loop_test(t, an_answer_that_waits_for_memory_is_forgotten_with_the_last_link, 0, 2);
    tcase_add_test(t, without_memory_a_request_is_refused_or_answered_later);
    tcase_add_test(t, where_there_is_no_memory_a_link_has_no_channels);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
