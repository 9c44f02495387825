/* SPDX-License-Identifier: MIT */

/* org.bled.L2cap1 but for its sockets, with the fake host behind it. */

#include "l2cap.h"

#include "rig.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define A      "org.bled.Adapter1"
#define L      L2CAP_INTERFACE
#define NONE   "a{sv}", 0
#define BUSY   "org.bled.Error.Busy"
#define GONE   "org.bled.Error.NotFound"
#define DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define BAD    "org.freedesktop.DBus.Error.InvalidArgs"

enum { CONN = 1, CID = 0x40, PSM = 0x80 };

static struct rig rig;
static struct fake_l2cap *host;

static void connect_peer(uint16_t conn)
{
    bus_adapter_event(rig.a,
                      &(struct bl_event){.kind = BL_EV_CONNECTED,
                                         .connected = {.conn = conn, .role = BL_ROLE_PERIPHERAL}});
}

static void attach(const char *who)
{
    ck_assert_str_eq(rig_answer(&rig, rig_call(&rig, who, A, "Attach", NONE)), "reply");
}

static void setup(void)
{
    rig_start(&rig, false);
    host = &rig.host.l2cap;
    rig_ready(&rig);
    attach(":1.1");
    attach(":1.2");
    connect_peer(CONN);
    rig_run(&rig);
    rig_forget(&rig);
}

static void teardown(void)
{
    rig_stop(&rig);
}

static void event(enum bl_event_kind kind, uint16_t cid, bl_status status, bl_op op)
{
    bus_adapter_event(rig.a, &(struct bl_event){.kind = kind,
                                                .l2cap = {.conn = CONN,
                                                          .cid = cid,
                                                          .psm = PSM,
                                                          .our_mtu = 512,
                                                          .peer_mtu = 256,
                                                          .status = status,
                                                          .op = op,
                                                          .incoming = op == 0}});
    rig_run(&rig);
}

static void accept_event(uint16_t cid, uint32_t request)
{
    bus_adapter_event(rig.a, &(struct bl_event){.kind = BL_EV_L2CAP_ACCEPT,
                                                .l2cap = {.conn = CONN,
                                                          .cid = cid,
                                                          .psm = PSM,
                                                          .our_mtu = 512,
                                                          .peer_mtu = 256,
                                                          .incoming = true,
                                                          .request = request}});
    rig_run(&rig);
}

static const char *answer(unsigned call)
{
    return rig_answer(&rig, call);
}

static unsigned listens(const char *who)
{
    return rig_call(&rig, who, L, "Listen", "qqa{sv}", PSM, 512, 0);
}

static unsigned connects(const char *who)
{
    return rig_call(&rig, who, L, "Connect", "qqqa{sv}", CONN, PSM, 512, 0);
}

/* The end of the Connect that was begun last: OP_DONE. */
static void connect_ends(bl_status status)
{
    bus_adapter_event(
        rig.a, &(struct bl_event){
                   .kind = BL_EV_OP_DONE,
                   .done = {.op = rig.host.last_op, .status = status, .l2cap = {CID, 512, 256}}});
    rig_run(&rig);
}

/* A channel of this client's. */
static struct fake_channel *opened(const char *who)
{
    struct fake_channel *ch = fake_l2cap_open(&rig.host, CONN, CID, 256);
    unsigned call = connects(who);

    event(BL_EV_L2CAP_CONNECTED, CID, 0, rig.host.last_op);
    connect_ends(BL_OK);
    ck_assert_str_eq(answer(call), "reply");
    rig_forget(&rig);
    return ch;
}

static bool said(const char *line)
{
    const char *found = rig_find(&rig, line);

    return found && strcmp(found, line) == 0;
}

static size_t open_channels(void)
{
    return bus_l2cap_of(rig.a)->n_channels;
}

/* ---- listening ---- */

START_TEST(listen_passes_its_arguments_on)
{
    unsigned call = rig_call(&rig, ":1.9", L, "Listen", "qqa{sv}", PSM, 1000, 2, "security", "y", 3,
                             "authorize", "b", 1);

    ck_assert_str_eq(answer(call), "reply");
    ck_assert_uint_eq(host->listen.psm, PSM);
    ck_assert_uint_eq(host->listen.mtu, 1000);
    ck_assert_uint_eq(host->listen.security, 3);
    ck_assert(host->listen.authorize);
}
END_TEST

START_TEST(a_psm_has_one_listener_and_busy_names_it)
{
    char line[128];

    ck_assert_str_eq(answer(listens(":1.1")), "reply");
    unsigned call = listens(":1.2");
    ck_assert_str_eq(answer(call), BUSY);
    snprintf(line, sizeof(line), "error %u %s :1.1", call, BUSY);
    ck_assert_ptr_nonnull(rig_find(&rig, line));
    ck_assert_str_eq(answer(listens(":1.1")), BUSY);
    host->listening[0x27] = true; /* the stack's own */
    call = rig_call(&rig, ":1.2", L, "Listen", "qqa{sv}", 0x27, 512, 0);
    ck_assert_str_eq(answer(call), BUSY);
}
END_TEST

static const struct {
    unsigned psm, mtu;
    const char *key;
    int value;
    const char *named;
} WRONG[] = {
    {0, 512, NULL, 0, "psm"},
    {0x100, 512, NULL, 0, "0x100"},
    {PSM, 22, NULL, 0, "22"},
    {PSM, 512, "security", 0, "security"},
    {PSM, 512, "security", 5, "security"},
};

START_TEST(listen_refuses_what_is_out_of_range)
{
    unsigned call = WRONG[_i].key ? rig_call(&rig, ":1.1", L, "Listen", "qqa{sv}", WRONG[_i].psm,
                                             WRONG[_i].mtu, 1, WRONG[_i].key, "y", WRONG[_i].value)
                                  : rig_call(&rig, ":1.1", L, "Listen", "qqa{sv}", WRONG[_i].psm,
                                             WRONG[_i].mtu, 0);

    ck_assert_str_eq(answer(call), BAD);
    ck_assert_ptr_nonnull(strstr(rig_find(&rig, "error"), WRONG[_i].named));
    ck_assert_uint_eq(host->listens, 0);
}
END_TEST

START_TEST(stop_listening_is_its_owners)
{
    unsigned call = rig_call(&rig, ":1.2", L, "StopListening", "q", PSM);
    ck_assert_str_eq(answer(call), GONE);
    listens(":1.1");
    call = rig_call(&rig, ":1.2", L, "StopListening", "q", PSM);
    ck_assert_str_eq(answer(call), DENIED);
    call = rig_call(&rig, ":1.1", L, "StopListening", "q", PSM);
    ck_assert_str_eq(answer(call), "reply");
    ck_assert(!host->listening[PSM]);
    listens(":1.9"); /* the daemon's: anybody's */
    call = rig_call(&rig, ":1.2", L, "StopListening", "q", PSM);
    ck_assert_str_eq(answer(call), "reply");
    ck_assert(!host->listening[PSM]);
}
END_TEST

START_TEST(a_listener_ends_with_its_owner)
{
    listens(":1.1");
    unsigned call = rig_call(&rig, ":1.1", A, "Detach", "");
    ck_assert_str_eq(answer(call), "reply");
    ck_assert(!host->listening[PSM]);
    ck_assert_str_eq(answer(listens(":1.2")), "reply");
    rig_vanish(&rig, ":1.2");
    ck_assert(!host->listening[PSM]);
}
END_TEST

static void lose_controller(void)
{
    memset(host->listening, 0, sizeof(host->listening));
    bus_adapter_failed(rig.a, "unplugged");
    rig_run(&rig);
}

START_TEST(the_daemons_listeners_come_back_with_the_controller)
{
    listens(":1.9");
    rig_call(&rig, ":1.1", L, "Listen", "qqa{sv}", 0x81, 512, 0);
    lose_controller();
    ck_assert_uint_eq(bus_l2cap_of(rig.a)->n_listeners, 1);
    bus_adapter_event(rig.a, &(struct bl_event){.kind = BL_EV_READY});
    ck_assert(host->listening[PSM]);
    ck_assert(!host->listening[0x81]);
}
END_TEST

START_TEST(one_that_is_stopped_meanwhile_does_not)
{
    listens(":1.9");
    lose_controller();
    unsigned unlistens = host->unlistens;
    ck_assert_str_eq(answer(rig_call(&rig, ":1.9", L, "StopListening", "q", PSM)), "reply");
    ck_assert_uint_eq(host->unlistens, unlistens);
    bus_adapter_event(rig.a, &(struct bl_event){.kind = BL_EV_READY});
    ck_assert(!host->listening[PSM]);
}
END_TEST

START_TEST(one_that_cannot_be_made_again_is_forgotten)
{
    listens(":1.9");
    lose_controller();
    host->result = -ENOMEM;
    bus_adapter_event(rig.a, &(struct bl_event){.kind = BL_EV_READY});
    host->result = 0;
    ck_assert_uint_eq(bus_l2cap_of(rig.a)->n_listeners, 0);
    ck_assert_str_eq(answer(listens(":1.1")), "reply");
}
END_TEST

START_TEST(no_listening_while_inactive)
{
    lose_controller();
    ck_assert_str_eq(answer(listens(":1.1")), "org.bled.Error.NotActive");
}
END_TEST

/* ---- channels of peers ---- */

START_TEST(a_channel_goes_to_the_owner_of_its_listener)
{
    listens(":1.1");
    rig_forget(&rig);
    accept_event(CID, 0);
    ck_assert(said("signal Accept -> :1.1 0 1 64 128 512 256"));
    event(BL_EV_L2CAP_CONNECTED, CID, 0, 0);
    ck_assert(said("signal Connected -> :1.1 1 64 128 512 256"));
    struct bus_conn *c = bus_conn_find(rig.a, CONN, NULL);
    ck_assert_ptr_nonnull(bus_conn_use_of(c, bus_l2cap_find(rig.a, CONN, CID)->thing.owner));
    event(BL_EV_L2CAP_DISCONNECTED, CID, 0x113, 0);
    ck_assert(said("signal Disconnected -> :1.1 1 64 128 275"));
    ck_assert_uint_eq(open_channels(), 0);
}
END_TEST

START_TEST(of_the_daemons_all_is_broadcast)
{
    struct fake_channel *ch = fake_l2cap_open(&rig.host, CONN, CID, 256);

    listens(":1.9");
    accept_event(CID, 0);
    event(BL_EV_L2CAP_CONNECTED, CID, 0, 0);
    event(BL_EV_L2CAP_RECEIVED, CID, 0, 0);
    ch->there = false;
    event(BL_EV_L2CAP_DISCONNECTED, CID, 0, 0);
    ck_assert(said("signal Accept -> * 0 1 64 128 512 256"));
    ck_assert(said("signal Connected -> * 1 64 128 512 256"));
    ck_assert(said("signal Received -> * 1 64"));
    ck_assert(said("signal Disconnected -> * 1 64 128 0"));
}
END_TEST

START_TEST(a_channel_that_nobody_listens_for_is_closed_without_a_word)
{
    fake_l2cap_open(&rig.host, CONN, CID, 256);
    accept_event(CID, 0);
    event(BL_EV_L2CAP_CONNECTED, CID, 0, 0);
    ck_assert_uint_eq(host->disconnects, 1);
    event(BL_EV_L2CAP_DISCONNECTED, CID, 0, 0);
    ck_assert_uint_eq(rig_count(&rig, "signal"), 0);
    accept_event(CID, 7); /* and one that waits is refused */
    ck_assert_uint_eq(host->request, 7);
    ck_assert_uint_eq(host->reply, BL_L2CAP_SPSM_NOT_SUPPORTED);
}
END_TEST

/* Our number of the last request that was told. */
static uint32_t request(void)
{
    struct bus_channel *ch = bus_l2cap_find(rig.a, CONN, CID);

    ck_assert_ptr_nonnull(ch);
    ck_assert_uint_ne(ch->request, 0);
    return ch->request;
}

START_TEST(reply_accepts)
{
    listens(":1.1");
    accept_event(CID, 77);
    unsigned call = rig_call(&rig, ":1.2", L, "Reply", "uq", request(), 0);
    ck_assert_str_eq(answer(call), DENIED);
    call = rig_call(&rig, ":1.1", L, "Reply", "uq", request(), 0);
    ck_assert_str_eq(answer(call), "reply");
    ck_assert_uint_eq(host->request, 77);
    ck_assert_uint_eq(host->reply, 0);
    call = rig_call(&rig, ":1.1", L, "Reply", "uq", request(), 0);
    ck_assert_str_eq(answer(call), GONE);
    event(BL_EV_L2CAP_CONNECTED, CID, 0, 0);
    ck_assert(said("signal Connected -> :1.1 1 64 128 512 256"));
}
END_TEST

START_TEST(reply_refuses)
{
    listens(":1.9");
    accept_event(CID, 77);
    unsigned call = rig_call(&rig, ":1.2", L, "Reply", "uq", request(), 3);
    ck_assert_str_eq(answer(call), BAD); /* and it stays open */
    host->result = -EINVAL;              /* as of 0x000c, where the channel is not enhanced */
    call = rig_call(&rig, ":1.2", L, "Reply", "uq", request(), 12);
    ck_assert_str_eq(answer(call), BAD);
    host->result = 0;
    ck_assert_uint_eq(open_channels(), 1);
    call = rig_call(&rig, ":1.2", L, "Reply", "uq", request(), 6);
    ck_assert_str_eq(answer(call), "reply");
    ck_assert_uint_eq(host->reply, 6);
    ck_assert_uint_eq(open_channels(), 0);
    ck_assert_str_eq(answer(rig_call(&rig, ":1.9", L, "Reply", "uq", 4711, 0)), GONE);
}
END_TEST

START_TEST(without_an_answer_it_is_accepted_after_5_s)
{
    listens(":1.1");
    accept_event(CID, 77);
    rig.now += 4999999;
    rig_run(&rig);
    ck_assert_uint_eq(host->replies, 0);
    rig.now += 1;
    rig_run(&rig);
    ck_assert_uint_eq(host->replies, 1);
    ck_assert_uint_eq(host->reply, 0);
    event(BL_EV_L2CAP_CONNECTED, CID, 0, 0);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal Connected"));
}
END_TEST

START_TEST(a_request_goes_with_its_listener)
{
    listens(":1.1");
    accept_event(CID, 77);
    uint32_t number = request();
    rig_call(&rig, ":1.1", L, "StopListening", "q", PSM);
    ck_assert_uint_eq(open_channels(), 0);
    ck_assert_str_eq(answer(rig_call(&rig, ":1.1", L, "Reply", "uq", number, 0)), GONE);
    listens(":1.1");
    accept_event(CID, 78);
    rig_vanish(&rig, ":1.1");
    ck_assert_uint_eq(open_channels(), 0);
    ck_assert(!host->listening[PSM]);
    ck_assert_uint_eq(bus_l2cap_of(rig.a)->n_asked, 0);
}
END_TEST

START_TEST(what_was_accepted_stays_when_listening_stops)
{
    listens(":1.1");
    accept_event(CID, 0);
    rig_call(&rig, ":1.1", L, "StopListening", "q", PSM);
    event(BL_EV_L2CAP_CONNECTED, CID, 0, 0);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal Connected"));
    ck_assert_uint_eq(open_channels(), 1);
}
END_TEST

START_TEST(one_that_opens_while_its_owner_goes_is_closed_then)
{
    listens(":1.1");
    accept_event(CID, 0);
    unsigned call = rig_call(&rig, ":1.1", A, "Detach", ""); /* which the stack does not know yet */
    ck_assert_str_eq(answer(call), "");
    unsigned disconnects = host->disconnects;
    fake_l2cap_open(&rig.host, CONN, CID, 256);
    event(BL_EV_L2CAP_CONNECTED, CID, 0, 0);
    ck_assert_uint_eq(host->disconnects, disconnects + 1);
    event(BL_EV_L2CAP_DISCONNECTED, CID, 0, 0);
    ck_assert_str_eq(answer(call), "reply");
}
END_TEST

static void disconnect_peer(void)
{
    bus_adapter_event(
        rig.a, &(struct bl_event){
                   .kind = BL_EV_DISCONNECTED,
                   .disconnected = {.conn = CONN, .role = BL_ROLE_PERIPHERAL, .reason = 0x13}});
    rig_run(&rig);
}

START_TEST(a_request_goes_with_the_connection)
{
    listens(":1.1");
    accept_event(CID, 77);
    disconnect_peer();
    ck_assert_uint_eq(open_channels(), 0);
    rig.now += 10000000;
    rig_run(&rig);
    ck_assert_uint_eq(host->replies, 0);
}
END_TEST

/* ---- Connect ---- */

START_TEST(connect_passes_its_arguments_on_and_replies_behind_connected)
{
    unsigned call = rig_call(&rig, ":1.1", L, "Connect", "qqqa{sv}", CONN, PSM, 512, 2, "enhanced",
                             "b", 1, "channels", "y", 3);
    char line[64];

    ck_assert_uint_eq(host->connect.psm, PSM);
    ck_assert_uint_eq(host->connect.mtu, 512);
    ck_assert_uint_eq(host->connect.count, 3);
    ck_assert(host->connect.enhanced);
    for (uint16_t i = 0; i < 3; i++)
        event(BL_EV_L2CAP_CONNECTED, (uint16_t)(CID + i), 0, rig.host.last_op);
    ck_assert_str_eq(answer(call), "");
    connect_ends(BL_OK);
    snprintf(line, sizeof(line), "reply %u 64 512 256", call);
    ck_assert(said(line));
    ck_assert_uint_eq(rig_count(&rig, "signal Connected -> :1.1"), 3);
    ck_assert_uint_eq(open_channels(), 3);
}
END_TEST

static const struct {
    unsigned psm, mtu, channels;
    bool enhanced;
} WRONG_CONNECTS[] = {{0, 512, 1, false},  {0x100, 512, 1, false}, {PSM, 22, 1, false},
                      {PSM, 63, 1, true},  {PSM, 512, 2, false},   {PSM, 512, 6, true},
                      {PSM, 512, 0, true}, {PSM, 0, 1, false}};

START_TEST(connect_refuses_what_is_out_of_range)
{
    unsigned call =
        rig_call(&rig, ":1.1", L, "Connect", "qqqa{sv}", CONN, WRONG_CONNECTS[_i].psm,
                 WRONG_CONNECTS[_i].mtu, 2, "enhanced", "b", (int)WRONG_CONNECTS[_i].enhanced,
                 "channels", "y", (int)WRONG_CONNECTS[_i].channels);

    ck_assert_str_eq(answer(call), BAD);
    ck_assert_uint_eq(host->connects, 0);
}
END_TEST

START_TEST(connect_without_a_connection)
{
    unsigned call = rig_call(&rig, ":1.1", L, "Connect", "qqqa{sv}", 9, PSM, 512, 0);

    ck_assert_str_eq(answer(call), "org.bled.Error.NotConnected");
}
END_TEST

static const struct {
    bl_status status;
    const char *error;
} ENDS[] = {
    {0x302, "org.bled.Error.L2cap.SpsmNotSupported"},
    {0x305, "org.bled.Error.L2cap.InsufficientAuthentication"},
    {0x37b, "org.bled.Error.L2cap.Unknown7B"},
    {BL_TIMEOUT, "org.bled.Error.Timeout"},
    {BL_NOT_SUPPORTED, "org.bled.Error.NotSupported"},
    {0x113, "org.bled.Error.Disconnected"},
};

START_TEST(a_connect_that_fails_is_told_once_with_cid_0)
{
    unsigned call = connects(":1.1");
    char line[64], number[8];

    if (ENDS[_i].status >= 0x300 && ENDS[_i].status < 0x400) /* the stack tells of refusals */
        event(BL_EV_L2CAP_DISCONNECTED, 0, ENDS[_i].status, rig.host.last_op);
    connect_ends(ENDS[_i].status);
    ck_assert_str_eq(answer(call), ENDS[_i].error);
    ck_assert_ptr_nonnull(strstr(rig_find(&rig, "error"), "PSM 0x80"));
    snprintf(number, sizeof(number), "%02x", ENDS[_i].status & 0xff);
    ck_assert_ptr_nonnull(strstr(rig_find(&rig, "error"), number));
    snprintf(line, sizeof(line), "signal Disconnected -> :1.1 1 0 128 %u", ENDS[_i].status);
    ck_assert(said(line));
    ck_assert_uint_eq(rig_count(&rig, "signal"), 1);
    ck_assert_uint_lt(rig_index(&rig, "signal"), rig_index(&rig, "error"));
}
END_TEST

START_TEST(connect_without_waiting_is_answered_in_zeros)
{
    unsigned call =
        rig_call(&rig, ":1.9", L, "Connect", "qqqa{sv}", CONN, PSM, 512, 1, "wait", "b", 0);
    char line[64];

    snprintf(line, sizeof(line), "reply %u 0 0 0", call);
    ck_assert(said(line));
    event(BL_EV_L2CAP_CONNECTED, CID, 0, rig.host.last_op);
    connect_ends(BL_OK);
    ck_assert(said("signal Connected -> * 1 64 128 512 256"));
}
END_TEST

START_TEST(a_channel_for_a_client_that_has_gone_is_closed)
{
    const char *who = _i == 0 ? ":1.1" : ":1.9";

    connects(who);
    rig_vanish(&rig, who);
    rig_forget(&rig);
    event(BL_EV_L2CAP_CONNECTED, CID, 0, rig.host.last_op);
    ck_assert_uint_eq(host->disconnects, 1);
    connect_ends(BL_OK);
    event(BL_EV_L2CAP_DISCONNECTED, CID, 0, 0);
    ck_assert_uint_eq(rig_count(&rig, "signal"), 0);
    ck_assert_uint_eq(open_channels(), 0);
}
END_TEST

START_TEST(who_does_not_wait_may_go)
{
    rig_call(&rig, ":1.9", L, "Connect", "qqqa{sv}", CONN, PSM, 512, 1, "wait", "b", 0);
    rig_vanish(&rig, ":1.9");
    event(BL_EV_L2CAP_CONNECTED, CID, 0, rig.host.last_op);
    ck_assert_uint_eq(open_channels(), 1);
    ck_assert_uint_eq(host->disconnects, 0);
    connect_ends(BL_OK);
}
END_TEST

START_TEST(connect_is_canceled_by_detach)
{
    unsigned call = connects(":1.1");

    rig_call(&rig, ":1.1", A, "Detach", "");
    event(BL_EV_L2CAP_CONNECTED, CID, 0, rig.host.last_op);
    connect_ends(BL_OK);
    ck_assert_str_eq(answer(call), "org.bled.Error.Canceled");
}
END_TEST

/* ---- Connect with security ---- */

static unsigned connects_securely(const char *who, unsigned level)
{
    return rig_call(&rig, who, L, "Connect", "qqqa{sv}", CONN, PSM, 512, 1, "security", "y", level);
}

START_TEST(a_link_that_offers_less_is_paired_first)
{
    unsigned call = connects_securely(":1.1", 3);

    ck_assert_uint_eq(rig.host.smp.pairs, 1);
    ck_assert_uint_eq(rig.host.smp.params.security, 3);
    ck_assert_uint_eq(host->connects, 0);
    connect_ends(BL_OK); /* the pairing */
    ck_assert_uint_eq(host->connects, 1);
    event(BL_EV_L2CAP_CONNECTED, CID, 0, rig.host.last_op);
    connect_ends(BL_OK);
    ck_assert_str_eq(answer(call), "reply");
}
END_TEST

START_TEST(a_link_that_offers_enough_is_not)
{
    rig.host.smp.security = (struct bl_security){
        .encrypted = true, .authenticated = _i >= 3, .secure_connections = _i >= 4, .key_size = 16};
    connects_securely(":1.1", (unsigned)_i);
    ck_assert_uint_eq(rig.host.smp.pairs, 0);
    ck_assert_uint_eq(host->connects, 1);
    connects_securely(":1.1", (unsigned)_i + 1);
    ck_assert_uint_eq(rig.host.smp.pairs, _i < 4);
}
END_TEST

START_TEST(people_are_asked_for_the_caller)
{
    for (int i = 0; i < 2; i++) {
        const char *who = i == 0 ? ":1.1" : ":1.9";
        connects_securely(who, 3);
        bus_adapter_event(rig.a, &(struct bl_event){.kind = BL_EV_PASSKEY,
                                                    .passkey = {CONN, BL_PASSKEY_COMPARE, 123456}});
        rig_run(&rig);
        char line[64];
        snprintf(line, sizeof(line), "signal PasskeyAction -> %s", who);
        ck_assert_ptr_nonnull(rig_find(&rig, line));
        unsigned refusals = rig.host.smp.refusals;
        rig_vanish(&rig, who);
        ck_assert_uint_eq(rig.host.smp.refusals, refusals + 1);
        connect_ends(0x201);
    }
}
END_TEST

START_TEST(a_pairing_that_fails_is_the_answer)
{
    unsigned call = connects_securely(":1.1", 2);

    connect_ends(0x204);
    ck_assert_str_eq(answer(call), "org.bled.Error.Smp.ConfirmValueFailed");
    ck_assert(said("signal Disconnected -> :1.1 1 0 128 516"));
    ck_assert_uint_eq(host->connects, 0);
    rig.host.smp.result = -EBUSY;
    ck_assert_str_eq(answer(connects_securely(":1.1", 2)), BUSY);
}
END_TEST

START_TEST(who_goes_while_it_is_paired_connects_to_nothing)
{
    connects_securely(":1.9", 2);
    rig_vanish(&rig, ":1.9");
    connect_ends(BL_OK);
    ck_assert_uint_eq(host->connects, 0);
}
END_TEST

START_TEST(what_the_stack_refuses_behind_a_pairing_is_told)
{
    unsigned call = connects_securely(":1.1", 2);

    host->result = -ENOBUFS;
    connect_ends(BL_OK);
    ck_assert_str_eq(answer(call), "org.bled.Error.NoResources");
    ck_assert_uint_eq(rig_count(&rig, "signal Disconnected -> :1.1 1 0"), 1);
}
END_TEST

/* ---- data ---- */

static unsigned sends(const char *who, size_t n)
{
    static const uint8_t octets[300];
    sd_bus_message *m;
    uint64_t number = 0;

    must(sd_bus_message_new_method_call(rig.peer, &m, "org.bled", "/org/bled/hci0", L, "Send") >=
         0);
    must(sd_bus_message_set_sender(m, who) >= 0);
    must(sd_bus_message_append(m, "qq", CONN, CID) >= 0);
    must(sd_bus_message_append_array(m, 'y', octets, n) >= 0);
    must(sd_bus_send(rig.peer, m, &number) >= 0);
    sd_bus_message_unref(m);
    rig_run(&rig);
    return (unsigned)number;
}

static bool replied(unsigned call, unsigned value)
{
    char line[32];

    snprintf(line, sizeof(line), "reply %u %u", call, value);
    return said(line);
}

START_TEST(send_says_when_it_is_enough)
{
    struct fake_channel *ch = opened(":1.1");

    ch->room = 2;
    ck_assert(replied(sends(":1.1", 0), 1));
    ck_assert(replied(sends(":1.1", 256), 0));
    ck_assert_uint_eq(ch->last, 256);
    ck_assert_str_eq(answer(sends(":1.1", 1)), BUSY);
    ch->busy = false;
    ch->room = 9;
    event(BL_EV_L2CAP_SEND_READY, CID, 0, 0);
    ck_assert(said("signal SendReady -> :1.1 1 64 0"));
    ck_assert(replied(sends(":1.1", 1), 1));
    event(BL_EV_L2CAP_SEND_READY, CID, 0, 0); /* nobody waits for it */
    ck_assert_uint_eq(rig_count(&rig, "signal SendReady"), 1);
}
END_TEST

START_TEST(an_sdu_over_the_peers_mtu_is_refused_with_both_numbers)
{
    opened(":1.1");
    ck_assert_str_eq(answer(sends(":1.1", 257)), BAD);
    ck_assert_ptr_nonnull(strstr(rig_find(&rig, "error"), "257"));
    ck_assert_ptr_nonnull(strstr(rig_find(&rig, "error"), "256"));
}
END_TEST

START_TEST(a_channel_is_its_owners)
{
    static const struct {
        const char *method, *types;
    } methods[] = {{"Available", "qq"},
                   {"Receive", "qqu"},
                   {"Disconnect", "qq"},
                   {"Acquire", "qqa{sv}"},
                   {"Reconfigure", "qqqa{sv}"}};

    opened(":1.1");
    ck_assert_str_eq(answer(sends(":1.2", 1)), DENIED);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        ck_assert_str_eq(
            answer(rig_call(&rig, ":1.9", L, methods[i].method, methods[i].types, CONN, CID, 0, 0)),
            DENIED);
        ck_assert_str_eq(answer(rig_call(&rig, ":1.1", L, methods[i].method, methods[i].types, CONN,
                                         0x7f, 0, 0)),
                         GONE);
        ck_assert_str_eq(
            answer(rig_call(&rig, ":1.1", L, methods[i].method, methods[i].types, 9, CID, 0, 0)),
            "org.bled.Error.NotConnected");
    }
}
END_TEST

/* The octets that Receive gave. */
static size_t receives(unsigned max)
{
    size_t before = host->channels[0].n_rx > 0 ? host->channels[0].rx[0].n : 0, sdus;

    sdus = host->channels[0].n_rx;
    ck_assert_str_eq(answer(rig_call(&rig, ":1.1", L, "Receive", "qqu", CONN, CID, max)), "reply");
    if (host->channels[0].n_rx == sdus)
        return sdus > 0 ? before - host->channels[0].rx[0].n : 0;
    return before;
}

static unsigned available(void)
{
    unsigned n = 0, call = rig_call(&rig, ":1.1", L, "Available", "qq", CONN, CID);
    char line[32];

    snprintf(line, sizeof(line), "reply %u ", call);
    ck_assert_int_eq(sscanf(rig_find(&rig, line) + strlen(line), "%u", &n), 1);
    return n;
}

START_TEST(receive_never_crosses_sdus)
{
    static const uint8_t data[100];
    struct fake_channel *ch = opened(":1.1");

    ck_assert_uint_eq(receives(10), 0);
    fake_l2cap_put(ch, data, 100);
    fake_l2cap_put(ch, data, 0);
    fake_l2cap_put(ch, data, 5);
    event(BL_EV_L2CAP_RECEIVED, CID, 0, 0);
    ck_assert(said("signal Received -> :1.1 1 64"));
    ck_assert_uint_eq(available(), 105);
    ck_assert_uint_eq(receives(0), 0);
    ck_assert_uint_eq(receives(60), 60);
    ck_assert_uint_eq(available(), 45);
    ck_assert_uint_eq(receives(60), 40);
    ck_assert_uint_eq(ch->n_rx, 2);
    ck_assert_uint_eq(receives(60), 0); /* the empty one */
    ck_assert_uint_eq(ch->n_rx, 1);
    ck_assert_uint_eq(receives(60), 5);
    ck_assert_uint_eq(available(), 0);
}
END_TEST

START_TEST(what_had_come_before_the_end_is_still_read)
{
    static const uint8_t data[100];
    struct fake_channel *ch = opened(":1.1");

    fake_l2cap_put(ch, data, 100);
    event(BL_EV_L2CAP_DISCONNECTED, CID, 0, 0);
    ck_assert(said("signal Disconnected -> :1.1 1 64 128 0"));
    ck_assert_str_eq(answer(sends(":1.1", 1)), GONE);
    ck_assert_uint_eq(available(), 100);
    ck_assert_uint_eq(receives(60), 60);
    ck_assert_uint_eq(receives(60), 40);
    ck_assert_uint_eq(open_channels(), 0);
    ck_assert_str_eq(answer(rig_call(&rig, ":1.1", L, "Available", "qq", CONN, CID)), GONE);
}
END_TEST

START_TEST(or_it_ends_with_disconnect_the_link_or_its_owner)
{
    static const uint8_t data[100];
    struct fake_channel *ch = opened(":1.1");

    fake_l2cap_put(ch, data, 100);
    event(BL_EV_L2CAP_DISCONNECTED, CID, 0, 0);
    if (_i == 0)
        ck_assert_str_eq(answer(rig_call(&rig, ":1.1", L, "Disconnect", "qq", CONN, CID)), "reply");
    else if (_i == 1)
        disconnect_peer();
    else
        rig_call(&rig, ":1.1", A, "Detach", "");
    ck_assert_uint_eq(open_channels(), 0);
    ck_assert_uint_eq(rig_count(&rig, "signal Disconnected -> :1.1 1 64"), 1);
    ck_assert(_i == 1 || ch->n_rx == 0);
}
END_TEST

/* ---- the end ---- */

START_TEST(disconnect_replies_behind_its_signal)
{
    struct fake_channel *ch = opened(":1.1");
    unsigned first = rig_call(&rig, ":1.1", L, "Disconnect", "qq", CONN, CID),
             second = rig_call(&rig, ":1.1", L, "Disconnect", "qq", CONN, CID);

    ck_assert(ch->disconnecting);
    ck_assert_uint_eq(host->disconnects, 1);
    ck_assert_str_eq(answer(first), "");
    ck_assert_str_eq(answer(sends(":1.1", 1)), GONE);
    rig_forget(&rig);
    event(BL_EV_L2CAP_DISCONNECTED, CID, 0, 0);
    ck_assert_str_eq(answer(first), "reply");
    ck_assert_str_eq(answer(second), "reply");
    ck_assert_uint_lt(rig_index(&rig, "signal Disconnected"), rig_index(&rig, "reply"));
    ck_assert_uint_eq(open_channels(), 0);
}
END_TEST

START_TEST(detach_closes_channels_and_waits_for_it)
{
    struct fake_channel *ch = opened(":1.1");
    unsigned call = rig_call(&rig, ":1.1", A, "Detach", "");

    ck_assert(ch->disconnecting);
    ck_assert_str_eq(answer(call), "");
    event(BL_EV_L2CAP_DISCONNECTED, CID, 0, 0);
    ck_assert(said("signal Disconnected -> :1.1 1 64 128 0"));
    ck_assert_str_eq(answer(call), "reply");
}
END_TEST

START_TEST(who_leaves_a_connection_that_others_use_closes_its_channels)
{
    struct fake_channel *ch = opened(":1.1");
    unsigned call = rig_call(&rig, ":1.1", "org.bled.Link1", "Disconnect", "qa{sv}", CONN, 0);

    ck_assert_str_eq(answer(call), "reply"); /* the daemon stays */
    ck_assert(ch->disconnecting);
}
END_TEST

START_TEST(a_channel_of_another_conn_or_nobodys_is_no_matter)
{
    opened(":1.1");
    bus_adapter_event(
        rig.a, &(struct bl_event){.kind = BL_EV_L2CAP_RECEIVED, .l2cap = {.conn = 2, .cid = CID}});
    event(BL_EV_L2CAP_RECEIVED, 0x41, 0, 0);
    event(BL_EV_L2CAP_SEND_READY, 0x41, 0, 0);
    event(BL_EV_L2CAP_RECONFIGURED, 0x41, 0, 0);
    event(BL_EV_L2CAP_DISCONNECTED, 0x41, 0, 0);
    event(BL_EV_L2CAP_DISCONNECTED, 0, 0x302, 4711);
    ck_assert_uint_eq(rig_count(&rig, "signal"), 0);
    ck_assert_uint_eq(open_channels(), 1);
}
END_TEST

/* ---- Reconfigure ---- */

START_TEST(reconfigure_replies_behind_its_signal)
{
    struct fake_channel *ch = opened(":1.1");
    unsigned call;

    ch->enhanced = true;
    call = rig_call(&rig, ":1.1", L, "Reconfigure", "qqqa{sv}", CONN, CID, 600, 1, "mps", "q", 128);
    ck_assert_uint_eq(host->mtu, 600);
    ck_assert_uint_eq(host->mps, 128);
    event(BL_EV_L2CAP_RECONFIGURED, CID, 0, rig.host.last_op);
    ck_assert(said("signal Reconfigured -> :1.1 1 64 512 256"));
    ck_assert_str_eq(answer(call), "");
    connect_ends(BL_OK);
    ck_assert_str_eq(answer(call), "reply");
    call = rig_call(&rig, ":1.1", L, "Reconfigure", "qqqa{sv}", CONN, CID, 600, 0);
    connect_ends(BL_NOT_SUPPORTED);
    ck_assert_str_eq(answer(call), "org.bled.Error.NotSupported");
    call = rig_call(&rig, ":1.1", L, "Reconfigure", "qqqa{sv}", CONN, CID, 600, 0);
    connect_ends(0x113);
    ck_assert_str_eq(answer(call), "org.bled.Error.Disconnected");
}
END_TEST

START_TEST(reconfigure_refuses_what_cannot_be)
{
    struct fake_channel *ch = opened(":1.1");
    unsigned call = rig_call(&rig, ":1.1", L, "Reconfigure", "qqqa{sv}", CONN, CID, 600, 0);

    ck_assert_str_eq(answer(call), "org.bled.Error.NotSupported");
    ch->enhanced = true;
    call = rig_call(&rig, ":1.1", L, "Reconfigure", "qqqa{sv}", CONN, CID, 511, 0);
    ck_assert_str_eq(answer(call), BAD);
    call = rig_call(&rig, ":1.1", L, "Reconfigure", "qqqa{sv}", CONN, CID, 600, 1, "mps", "q", 63);
    ck_assert_str_eq(answer(call), BAD);
    ck_assert_uint_eq(host->reconfigures, 0);
}
END_TEST

START_TEST(clients_and_stats_show_what_there_is)
{
    listens(":1.1");
    opened(":1.1");
    ck_assert_uint_eq(bus_l2cap_of(rig.a)->n_listeners, 1);
    struct bus_owner *owner = bus_l2cap_find(rig.a, CONN, CID)->thing.owner;
    size_t seen = 0;
    list_each(l, next, &owner->things)
    {
        const char *holds = list_entry(l, struct bus_thing, link)->kind->holds;
        seen += strcmp(holds, "listeners") == 0 || strcmp(holds, "channels") == 0;
    }
    ck_assert_uint_eq(seen, 2);
    ck_assert_str_eq(answer(rig_call(&rig, ":1.1", A, "Stats", "")), "reply");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("l2cap");
    TCase *t = tcase_create("l2cap");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, listen_passes_its_arguments_on);
    tcase_add_test(t, a_psm_has_one_listener_and_busy_names_it);
    tcase_add_loop_test(t, listen_refuses_what_is_out_of_range, 0, (int)ARRAY_LEN(WRONG));
    tcase_add_test(t, stop_listening_is_its_owners);
    tcase_add_test(t, a_listener_ends_with_its_owner);
    tcase_add_test(t, the_daemons_listeners_come_back_with_the_controller);
    tcase_add_test(t, one_that_is_stopped_meanwhile_does_not);
    tcase_add_test(t, one_that_cannot_be_made_again_is_forgotten);
    tcase_add_test(t, no_listening_while_inactive);
    tcase_add_test(t, a_channel_goes_to_the_owner_of_its_listener);
    tcase_add_test(t, of_the_daemons_all_is_broadcast);
    tcase_add_test(t, a_channel_that_nobody_listens_for_is_closed_without_a_word);
    tcase_add_test(t, reply_accepts);
    tcase_add_test(t, reply_refuses);
    tcase_add_test(t, without_an_answer_it_is_accepted_after_5_s);
    tcase_add_test(t, a_request_goes_with_its_listener);
    tcase_add_test(t, what_was_accepted_stays_when_listening_stops);
    tcase_add_test(t, one_that_opens_while_its_owner_goes_is_closed_then);
    tcase_add_test(t, a_request_goes_with_the_connection);
    tcase_add_test(t, connect_passes_its_arguments_on_and_replies_behind_connected);
    tcase_add_loop_test(t, connect_refuses_what_is_out_of_range, 0, (int)ARRAY_LEN(WRONG_CONNECTS));
    tcase_add_test(t, connect_without_a_connection);
    tcase_add_loop_test(t, a_connect_that_fails_is_told_once_with_cid_0, 0, (int)ARRAY_LEN(ENDS));
    tcase_add_test(t, connect_without_waiting_is_answered_in_zeros);
    tcase_add_loop_test(t, a_channel_for_a_client_that_has_gone_is_closed, 0, 2);
    tcase_add_test(t, who_does_not_wait_may_go);
    tcase_add_test(t, connect_is_canceled_by_detach);
    tcase_add_test(t, a_link_that_offers_less_is_paired_first);
    tcase_add_loop_test(t, a_link_that_offers_enough_is_not, 2, 5);
    tcase_add_test(t, people_are_asked_for_the_caller);
    tcase_add_test(t, a_pairing_that_fails_is_the_answer);
    tcase_add_test(t, who_goes_while_it_is_paired_connects_to_nothing);
    tcase_add_test(t, what_the_stack_refuses_behind_a_pairing_is_told);
    tcase_add_test(t, send_says_when_it_is_enough);
    tcase_add_test(t, an_sdu_over_the_peers_mtu_is_refused_with_both_numbers);
    tcase_add_test(t, a_channel_is_its_owners);
    tcase_add_test(t, receive_never_crosses_sdus);
    tcase_add_test(t, what_had_come_before_the_end_is_still_read);
    tcase_add_loop_test(t, or_it_ends_with_disconnect_the_link_or_its_owner, 0, 3);
    tcase_add_test(t, disconnect_replies_behind_its_signal);
    tcase_add_test(t, detach_closes_channels_and_waits_for_it);
    tcase_add_test(t, who_leaves_a_connection_that_others_use_closes_its_channels);
    tcase_add_test(t, a_channel_of_another_conn_or_nobodys_is_no_matter);
    tcase_add_test(t, reconfigure_replies_behind_its_signal);
    tcase_add_test(t, reconfigure_refuses_what_cannot_be);
    tcase_add_test(t, clients_and_stats_show_what_there_is);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
