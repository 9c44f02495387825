/* SPDX-License-Identifier: MIT */

/* Channels without memory, at every allocation in turn: each call is answered, nothing is left
 * behind, and afterwards all works. */

#include "l2cap.h"

#include "../../support/oom.h"
#include "watches.h"

#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define L L2CAP_INTERFACE

enum { CONN = 1, CID = 0x40, PSM = 0x80, MTU = 64, MOST = 8 };

static struct rig rig;
static struct fake_channel *ch;
static unsigned calls[MOST];
static size_t n_calls;

static void event(enum bl_event_kind kind, uint32_t request, bl_op op)
{
    bus_adapter_event(rig.a, &(struct bl_event){.kind = kind,
                                                .l2cap = {.conn = CONN,
                                                          .cid = CID,
                                                          .psm = PSM,
                                                          .our_mtu = MTU,
                                                          .peer_mtu = MTU,
                                                          .incoming = op == 0,
                                                          .request = request,
                                                          .op = op}});
    rig_run(&rig);
}

static void call_ends(bl_status status)
{
    bus_adapter_event(
        rig.a, &(struct bl_event){
                   .kind = BL_EV_OP_DONE,
                   .done = {.op = rig.host.last_op, .status = status, .l2cap = {CID, MTU, MTU}}});
    rig_run(&rig);
}

static void use(void)
{
    uint8_t data[MTU] = {0};

    calls[n_calls++] = rig_call(&rig, ":1.1", L, "Send", "qqay", CONN, CID, 1, 7);
    fake_l2cap_put(ch, data, 5);
    fake_l2cap_put(ch, data, 6);
    event(BL_EV_L2CAP_RECEIVED, 0, 0);
    calls[n_calls++] = rig_call(&rig, ":1.1", L, "Receive", "qqu", CONN, CID, 5);
    calls[n_calls++] = rig_call(&rig, ":1.1", L, "Acquire", "qqa{sv}", CONN, CID, 0);
    if (rig.fd >= 0) {
        (void)!send(rig.fd, data, 1, MSG_NOSIGNAL);
        watches_run();
        close(rig.fd);
        rig.fd = -1;
        watches_run();
    } else {
        calls[n_calls++] = rig_call(&rig, ":1.1", L, "Disconnect", "qq", CONN, CID);
    }
}

static void incoming(void)
{
    calls[n_calls++] = rig_call(&rig, ":1.1", L, "Listen", "qqa{sv}", PSM, MTU, 0);
    if (!rig.host.l2cap.listening[PSM])
        return;
    event(BL_EV_L2CAP_ACCEPT, 0, 0);
    event(BL_EV_L2CAP_CONNECTED, 0, 0);
    use();
}

static void asked(void)
{
    calls[n_calls++] = rig_call(&rig, ":1.1", L, "Listen", "qqa{sv}", PSM, MTU, 0);
    if (!rig.host.l2cap.listening[PSM])
        return;
    event(BL_EV_L2CAP_ACCEPT, 9, 0);
    if (rig.host.l2cap.replies > 0)
        return; /* refused */
    calls[n_calls++] = rig_call(&rig, ":1.1", L, "Reply", "uq", rig.a->last_request, 0);
    event(BL_EV_L2CAP_CONNECTED, 0, 0);
    use();
}

static void outgoing(void)
{
    calls[n_calls++] =
        rig_call(&rig, ":1.1", L, "Connect", "qqqa{sv}", CONN, PSM, MTU, 1, "security", "y", 2);
    call_ends(BL_OK); /* the pairing */
    if (rig.host.l2cap.connects == 0)
        return;
    event(BL_EV_L2CAP_CONNECTED, 0, rig.host.last_op);
    call_ends(BL_OK);
    use();
}

static void start(void)
{
    rig_start(&rig, false);
    watches_start(&rig);
    rig_ready(&rig);
    bus_adapter_event(rig.a,
                      &(struct bl_event){.kind = BL_EV_CONNECTED,
                                         .connected = {.conn = CONN, .role = BL_ROLE_PERIPHERAL}});
    rig_call(&rig, ":1.1", "org.bled.Adapter1", "Attach", "a{sv}", 0);
    rig_forget(&rig);
    ch = fake_l2cap_open(&rig.host, CONN, CID, MTU);
    n_calls = 0;
}

static void (*const WAYS[])(void) = {incoming, asked, outgoing};

START_TEST(each_is_done_or_refused)
{
    unsigned long n = 0, count;

    do {
        start();
        oom_fail_at(++n);
        WAYS[_i]();
        count = oom_count();
        oom_off();
        ch->there = false;
        ch->n_rx = 0;
        event(BL_EV_L2CAP_DISCONNECTED, 0, 0);
        for (size_t i = 0; i < n_calls; i++)
            ck_assert_msg(*rig_answer(&rig, calls[i]) != '\0', "allocation %lu, call %zu", n, i);
        ck_assert_msg(bus_l2cap_of(rig.a)->n_channels == 0, "allocation %lu", n);
        ck_assert_msg(bus_l2cap_of(rig.a)->n_sockets == 0, "allocation %lu", n);
        ck_assert_msg(watches_none(), "allocation %lu", n);
        /* Whatever had failed: it works now. */
        rig_forget(&rig);
        rig_call(&rig, ":1.1", L, "StopListening", "q", PSM);
        ch = fake_l2cap_open(&rig.host, CONN, CID, MTU);
        n_calls = 0;
        incoming();
        for (size_t i = 0; i < n_calls; i++)
            ck_assert_msg(strcmp(rig_answer(&rig, calls[i]), "reply") == 0, "allocation %lu", n);
        ck_assert_msg(n_calls == 4, "allocation %lu", n);
        rig_stop(&rig);
    } while (count >= n);
    ck_assert_uint_gt(n, 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("l2cap_oom");
    TCase *t = tcase_create("l2cap_oom");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_is_done_or_refused, 0, (int)ARRAY_LEN(WAYS));
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
