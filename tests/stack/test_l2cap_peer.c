/* SPDX-License-Identifier: MIT */

/* A peer that is scripted against a host of the real stack: each command with each value that the
 * specification names, and what is answered. Core 5.4, Vol 3, Part A, 4 and 10. */

#include "l2cap_rig.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define SECOND 1000000u

enum { PSM = 0x80, A = 0, B = 1, SIGNALS = 5, ID = 0x55, THEIRS = 0x0050 };

#define HOST(i) (s->end[i].host)

static struct stack *s;
static uint16_t conn[2];
static size_t victim;
static uint16_t c; /* its connection */
static struct bl_host *h;

/* The victim is central and peripheral in turn. */
static void begin(size_t who, uint16_t mtu)
{
    const struct bl_air_config config = bl_air_config_default();

    s = stack_new(3, 2, &config);
    stack_connect(s, A, B, &conn[A], &conn[B]);
    victim = who % 2;
    c = conn[victim];
    h = HOST(victim);
    coc_listen(s, victim, PSM, mtu);
    stack_run(s, 5 * SECOND); /* what hosts say of themselves to begin with */
    stack_forget(s);
    coc_script(s, victim, c);
}

static void end(void)
{
    stack_run(s, SECOND);
    ck_assert_uint_eq(stack_count(s, victim, BL_EV_DISCONNECTED), 0);
    stack_free(s);
}

static struct bl_sig request(bool enhanced, uint16_t psm, uint16_t mtu, uint16_t mps,
                             uint16_t credits, unsigned n)
{
    struct bl_sig sig = {.code = enhanced ? BL_SIG_ENHANCED_REQ : BL_SIG_LE_CONNECTION_REQ,
                         .identifier = ID,
                         .channel = {.spsm = psm, .mtu = mtu, .mps = mps, .credits = credits}};

    sig.channel.n_cid = (uint8_t)n;
    for (unsigned i = 0; i < n; i++)
        sig.channel.cid[i] = (uint16_t)(THEIRS + i);
    return sig;
}

static struct bl_sig ask(const struct bl_sig *sig)
{
    coc_signal(sig);
    struct bl_sig answer = coc_hear((uint8_t)(sig->code + 1));
    ck_assert_uint_eq(answer.identifier, sig->identifier);
    return answer;
}

/* Opens n channels to the victim, as the peer: their numbers and the peer's credits. */
static void open_channels(bool enhanced, unsigned n, uint16_t mtu, uint16_t mps, uint16_t credits,
                          uint16_t *ret_cid, struct bl_sig *ret)
{
    struct bl_sig sig = request(enhanced, PSM, mtu, mps, credits, n);

    *ret = ask(&sig);
    ck_assert_uint_eq(ret->channel.result, BL_L2CAP_SUCCESS);
    for (unsigned i = 0; i < n; i++) {
        ck_assert(ret->channel.cid[i] >= 0x40 && ret->channel.cid[i] <= 0x7f);
        ret_cid[i] = ret->channel.cid[i];
    }
    stack_forget(s);
}

static void disconnect(uint16_t theirs, uint16_t mine)
{
    coc_signal(&(struct bl_sig){.code = BL_SIG_DISCONNECTION_REQ,
                                .identifier = 9,
                                .disconnection = {.dcid = theirs, .scid = mine}});
}

/* The victim has had enough of that channel, says so, and tells its owner when it is answered. */
static void expect_broken(uint16_t theirs, uint16_t mine)
{
    struct bl_sig sig = coc_hear(BL_SIG_DISCONNECTION_REQ);

    ck_assert_uint_eq(sig.disconnection.scid, theirs);
    ck_assert_uint_eq(sig.disconnection.dcid, mine);
    sig.code = BL_SIG_DISCONNECTION_RSP;
    coc_signal(&sig);
    struct bl_event e;
    do
        e = coc_next(s, victim, SECOND);
    while (e.kind == BL_EV_L2CAP_RECEIVED);
    ck_assert_int_eq(e.kind, BL_EV_L2CAP_DISCONNECTED);
    ck_assert_uint_eq(e.l2cap.cid, theirs);
    ck_assert_uint_eq(e.l2cap.status, BL_PROTOCOL);
    coc_quiet(s, victim, SECOND);
    coc_hear_nothing(SECOND);
}

/* ---- their requests ---- */

static const struct {
    const char *name;
    bool enhanced;
    uint16_t psm, mtu, mps, credits, cid;
    uint16_t result;
} requests[] = {
    /* L2CAP/LE/CFC/BV-03: the least and the most there is. */
    {"least", false, PSM, 23, 23, 0, 0x40, BL_L2CAP_SUCCESS},
    {"most", false, PSM, 65535, 65533, 65535, 0x7f, BL_L2CAP_SUCCESS},
    {"no listener", false, PSM + 1, 23, 23, 1, 0x40, BL_L2CAP_SPSM_NOT_SUPPORTED},
    {"SPSM 0", false, 0, 23, 23, 1, 0x40, BL_L2CAP_SPSM_NOT_SUPPORTED},
    {"SPSM over 255", false, 0x100 + PSM, 23, 23, 1, 0x40, BL_L2CAP_SPSM_NOT_SUPPORTED},
    {"MTU 22", false, PSM, 22, 23, 1, 0x40, BL_L2CAP_UNACCEPTABLE_PARAMETERS},
    {"MPS 22", false, PSM, 23, 22, 1, 0x40, BL_L2CAP_UNACCEPTABLE_PARAMETERS},
    {"MPS 65534", false, PSM, 23, 65534, 1, 0x40, BL_L2CAP_UNACCEPTABLE_PARAMETERS},
    {"CID 0", false, PSM, 23, 23, 1, 0, BL_L2CAP_INVALID_SOURCE_CID},
    {"CID 0x3f", false, PSM, 23, 23, 1, 0x3f, BL_L2CAP_INVALID_SOURCE_CID},
    {"CID 0x80", false, PSM, 23, 23, 1, 0x80, BL_L2CAP_INVALID_SOURCE_CID},
    {"CID 0xffff", false, PSM, 23, 23, 1, 0xffff, BL_L2CAP_INVALID_SOURCE_CID},
    /* L2CAP/ECFC/BV-03, BV-27 */
    {"least", true, PSM, 64, 64, 1, 0x40, BL_L2CAP_SUCCESS},
    {"most", true, PSM, 65535, 65533, 65535, 0x7f, BL_L2CAP_SUCCESS},
    {"no listener", true, PSM + 1, 64, 64, 1, 0x40, BL_L2CAP_SPSM_NOT_SUPPORTED},
    {"SPSM 0", true, 0, 64, 64, 1, 0x40, BL_L2CAP_SPSM_NOT_SUPPORTED},
    {"SPSM over 255", true, 0x100 + PSM, 64, 64, 1, 0x40, BL_L2CAP_SPSM_NOT_SUPPORTED},
    /* L2CAP/ECFC/BV-26 */
    {"MTU 63", true, PSM, 63, 64, 1, 0x40, BL_L2CAP_INVALID_PARAMETERS},
    {"MPS 63", true, PSM, 64, 63, 1, 0x40, BL_L2CAP_INVALID_PARAMETERS},
    {"MPS 65534", true, PSM, 64, 65534, 1, 0x40, BL_L2CAP_INVALID_PARAMETERS},
    {"no credits", true, PSM, 64, 64, 0, 0x40, BL_L2CAP_INVALID_PARAMETERS},
    {"CID 0", true, PSM, 64, 64, 1, 0, BL_L2CAP_INVALID_SOURCE_CID},
    {"CID 0x80", true, PSM, 64, 64, 1, 0x80, BL_L2CAP_INVALID_SOURCE_CID},
};

START_TEST(a_connection_request_is_answered_as_its_values_say)
{
    begin((size_t)_i, 200);
    struct bl_sig sig = request(requests[_i].enhanced, requests[_i].psm, requests[_i].mtu,
                                requests[_i].mps, requests[_i].credits, 1);
    sig.channel.cid[0] = requests[_i].cid;
    struct bl_sig answer = ask(&sig);
    ck_assert_msg(answer.channel.result == requests[_i].result, "%s: 0x%04x", requests[_i].name,
                  answer.channel.result);
    if (requests[_i].result == BL_L2CAP_SUCCESS) {
        coc_expect(s, victim, BL_EV_L2CAP_ACCEPT);
        struct bl_event e = coc_expect(s, victim, BL_EV_L2CAP_CONNECTED);
        ck_assert_uint_eq(e.l2cap.cid, answer.channel.cid[0]);
        ck_assert_uint_eq(e.l2cap.peer_mtu, requests[_i].mtu);
        ck_assert_uint_eq(answer.channel.mtu, 200);
        ck_assert_uint_gt(answer.channel.credits, 0);
        ck_assert_uint_ge(answer.channel.mps, requests[_i].enhanced ? 64 : 23);
        struct bl_l2cap_info info;
        ck_assert_int_eq(bl_l2cap_info(h, c, e.l2cap.cid, &info), 0);
        ck_assert_uint_eq(info.credits, requests[_i].credits);
        ck_assert_uint_eq(info.peer_credits, answer.channel.credits);
        ck_assert_uint_eq(info.peer_mps, requests[_i].mps);
        ck_assert_uint_eq(info.peer_cid, requests[_i].cid);
    } else {
        for (unsigned i = 0; i < answer.channel.n_cid; i++)
            ck_assert_uint_eq(answer.channel.cid[i], 0);
        coc_quiet(s, victim, SECOND);
    }
    end();
}
END_TEST

/* L2CAP/LE/CFC/BV-20, L2CAP/ECFC/BV-20: one of them is open already; the others are taken. */
START_TEST(a_number_that_is_taken_is_refused)
{
    uint16_t cid[5];
    struct bl_sig answer;

    begin((size_t)_i, 200);
    open_channels(_i % 2 == 1, 1, 100, 100, 5, cid, &answer);
    struct bl_sig sig = request(false, PSM, 100, 100, 5, 1);
    answer = ask(&sig);
    ck_assert_uint_eq(answer.channel.result, BL_L2CAP_SOURCE_CID_TAKEN);
    coc_quiet(s, victim, SECOND);
    sig = request(true, PSM, 100, 100, 5, 5);
    answer = ask(&sig);
    ck_assert_uint_eq(answer.channel.result, BL_L2CAP_SOURCE_CID_TAKEN);
    ck_assert_uint_eq(answer.channel.n_cid, 5);
    ck_assert_uint_eq(answer.channel.cid[0], 0);
    for (unsigned i = 1; i < 5; i++)
        ck_assert(answer.channel.cid[i] >= 0x40 && answer.channel.cid[i] <= 0x7f);
    stack_run(s, SECOND);
    ck_assert_uint_eq(stack_count(s, victim, BL_EV_L2CAP_CONNECTED), 4);
    end();
}
END_TEST

/* The same number twice in one request is one channel at most. */
START_TEST(a_number_twice_in_a_request_is_not_two_channels)
{
    begin((size_t)_i, 200);
    struct bl_sig sig = request(true, PSM, 100, 100, 5, 2);
    sig.channel.cid[1] = sig.channel.cid[0];
    struct bl_sig answer = ask(&sig);
    ck_assert_uint_ne(answer.channel.result, BL_L2CAP_SUCCESS);
    stack_run(s, SECOND);
    ck_assert_uint_le(stack_count(s, victim, BL_EV_L2CAP_CONNECTED), 1);
    end();
}
END_TEST

/* ---- their answers ---- */

static bl_op connect_out(bool enhanced, unsigned n, struct bl_sig *ret)
{
    bl_op op = coc_connect(s, victim, c, PSM, 100, enhanced ? n : 0);

    *ret = coc_hear(enhanced ? BL_SIG_ENHANCED_REQ : BL_SIG_LE_CONNECTION_REQ);
    ck_assert_uint_eq(ret->channel.spsm, PSM);
    ck_assert_uint_eq(ret->channel.mtu, 100);
    ck_assert_uint_gt(ret->channel.credits, 0);
    ck_assert_uint_eq(ret->channel.n_cid, n);
    for (unsigned i = 0; i < n; i++) /* L2CAP/LE/CFC/BV-29, L2CAP/ECFC/BV-38 */
        ck_assert(ret->channel.cid[i] >= 0x40 && ret->channel.cid[i] <= 0x7f);
    return op;
}

static struct bl_sig response(const struct bl_sig *to, uint16_t result)
{
    struct bl_sig sig = *to;

    sig.code = (uint8_t)(to->code + 1);
    sig.channel.mtu = sig.channel.mps = 100;
    sig.channel.credits = 10;
    sig.channel.result = result;
    for (unsigned i = 0; i < sig.channel.n_cid; i++)
        sig.channel.cid[i] = result ? 0 : (uint16_t)(THEIRS + i);
    return sig;
}

/* Any result there is or will be. */
START_TEST(a_refusal_is_told_as_it_is)
{
    static const uint16_t results[] = {2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 3, 0x10, 0x00ff};
    bool enhanced = _i >= 14;
    uint16_t result = results[_i % 14];
    unsigned n = enhanced ? 1 + (unsigned)_i % 5 : 1;
    struct bl_sig sig;

    begin((size_t)_i, 200);
    bl_op op = connect_out(enhanced, n, &sig);
    sig = response(&sig, result);
    coc_signal(&sig);
    for (unsigned i = 0; i < n; i++) {
        struct bl_event e = coc_expect(s, victim, BL_EV_L2CAP_DISCONNECTED);
        ck_assert(e.l2cap.cid == 0 && e.l2cap.op == op);
        ck_assert_uint_eq(e.l2cap.status, BL_STATUS_L2CAP + result);
    }
    struct bl_event e = coc_expect(s, victim, BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_uint_eq(e.done.status, BL_STATUS_L2CAP + result);
    coc_signal(&sig); /* again: nobody waits for it */
    coc_quiet(s, victim, SECOND);
    coc_hear_nothing(SECOND);
    end();
}
END_TEST

/* L2CAP/LE/CFC/BV-01, L2CAP/ECFC/BV-01 */
START_TEST(a_peer_that_does_not_know_the_request_rejects_it)
{
    struct bl_sig sig;

    begin((size_t)_i / 2, 200);
    bl_op op = connect_out(_i % 2 == 1, 1, &sig);
    struct bl_sig reject = bl_l2cap_sig_not_understood(sig.identifier);
    coc_signal(&reject);
    struct bl_event e = stack_done(s, victim, op, SECOND);
    ck_assert_uint_eq(e.done.status, BL_NOT_SUPPORTED);
    ck_assert_uint_eq(stack_count(s, victim, BL_EV_L2CAP_CONNECTED), 0);
    end();
}
END_TEST

/* Core 5.4, Vol 3, Part A, 4.26: the peer asks somebody, and answers again. */
START_TEST(a_peer_may_say_that_it_takes_its_time)
{
    struct bl_sig asked, sig;

    begin((size_t)_i, 200);
    bl_op op = connect_out(true, 2, &asked);
    for (uint16_t pending = 0x000d; pending <= 0x000f; pending++) {
        sig = response(&asked, pending);
        coc_quiet(s, victim, 25 * SECOND);
        coc_signal(&sig);
    }
    coc_quiet(s, victim, 25 * SECOND);
    if (_i % 2 == 0) {
        sig = response(&asked, 0);
        coc_signal(&sig);
        ck_assert_uint_eq(stack_done(s, victim, op, SECOND).done.status, BL_OK);
        ck_assert_uint_eq(stack_count(s, victim, BL_EV_L2CAP_CONNECTED), 2);
    } else {
        ck_assert_uint_eq(stack_done(s, victim, op, 300 * SECOND).done.status, BL_TIMEOUT);
        ck_assert_uint_eq(stack_count(s, victim, BL_EV_L2CAP_CONNECTED), 0);
    }
    coc_hear_nothing(SECOND);
    end();
}
END_TEST

static const struct {
    const char *name;
    bool enhanced;
    uint16_t mtu, mps, credits, cid;
} wrong[] = {
    {"MTU 22", false, 22, 100, 5, 0x50},    {"MPS 22", false, 100, 22, 5, 0x50},
    {"CID 0", false, 100, 100, 5, 0},       {"CID 0x3f", false, 100, 100, 5, 0x3f},
    {"CID 0x80", false, 100, 100, 5, 0x80}, {"MPS 65534", false, 100, 65534, 5, 0x50},
    {"MTU 63", true, 63, 100, 5, 0x50},     {"MPS 63", true, 100, 63, 5, 0x50},
    {"CID 0", true, 100, 100, 5, 0},        {"CID 0x80", true, 100, 100, 5, 0x80},
};

/* The peer takes a channel for open that has a number: it is told otherwise. */
START_TEST(an_answer_that_may_not_be_opens_nothing)
{
    struct bl_sig sig;

    begin((size_t)_i, 200);
    bl_op op = connect_out(wrong[_i].enhanced, 1, &sig);
    sig = response(&sig, 0);
    sig.channel.mtu = wrong[_i].mtu;
    sig.channel.mps = wrong[_i].mps;
    sig.channel.credits = wrong[_i].credits;
    sig.channel.cid[0] = wrong[_i].cid;
    coc_signal(&sig);
    struct bl_event e = stack_done(s, victim, op, SECOND);
    ck_assert_msg(e.done.status == BL_PROTOCOL, "%s: 0x%03x", wrong[_i].name, e.done.status);
    ck_assert_uint_eq(stack_count(s, victim, BL_EV_L2CAP_CONNECTED), 0);
    struct coc_pdu pdu;
    if (coc_hear_any(SECOND, &pdu)) {
        ck_assert_uint_eq(pdu.data[0], BL_SIG_DISCONNECTION_REQ);
        ck_assert_uint_eq(pdu.data[4], wrong[_i].cid);
    }
    coc_hear_nothing(11 * SECOND); /* nor is that repeated */
    stack_forget(s);
    op = connect_out(true, 2, &sig); /* the next one is good */
    sig = response(&sig, 0);
    coc_signal(&sig);
    ck_assert_uint_eq(stack_done(s, victim, op, SECOND).done.status, BL_OK);
    end();
}
END_TEST

/* L2CAP/ECFC/BV-18, BV-19: some are opened, the others not. */
START_TEST(an_answer_may_take_some)
{
    uint16_t result = _i % 2 == 0 ? BL_L2CAP_INVALID_SOURCE_CID : BL_L2CAP_SOURCE_CID_TAKEN;
    struct bl_sig sig, asked;

    begin((size_t)_i, 200);
    bl_op op = connect_out(true, 5, &asked);
    sig = response(&asked, 0);
    sig.channel.result = result;
    sig.channel.cid[1] = sig.channel.cid[3] = 0;
    coc_signal(&sig);
    struct bl_event e = stack_done(s, victim, op, SECOND);
    ck_assert_uint_eq(e.done.status, BL_OK);
    ck_assert_uint_eq(e.done.l2cap.cid, asked.channel.cid[0]);
    unsigned opened = 0;
    for (size_t i = 0; i < s->end[victim].n_events; i++) {
        const struct bl_event *event = &s->end[victim].events[i];
        if (event->kind == BL_EV_L2CAP_CONNECTED) {
            ck_assert_uint_eq(event->l2cap.cid, asked.channel.cid[2 * opened]);
            ck_assert_int_eq(bl_l2cap_send(h, s->now, c, event->l2cap.cid, "abc", 3), 1);
            struct coc_pdu pdu = {0};
            ck_assert(coc_hear_any(SECOND, &pdu));
            ck_assert_uint_eq(pdu.cid, THEIRS + 2 * opened);
            ck_assert_uint_eq(pdu.n, 5);
            opened++;
        } else if (event->kind == BL_EV_L2CAP_DISCONNECTED) {
            ck_assert_uint_eq(event->l2cap.cid, 0);
            ck_assert_uint_eq(event->l2cap.status, BL_STATUS_L2CAP + result);
        }
    }
    ck_assert_uint_eq(opened, 3);
    ck_assert_uint_eq(stack_count(s, victim, BL_EV_L2CAP_DISCONNECTED), 2);
    coc_hear_nothing(SECOND);
    end();
}
END_TEST

/* L2CAP/ECFC/BV-29: a destination that another channel has already: neither is used any more. */
START_TEST(a_destination_that_is_taken_costs_both_channels)
{
    uint16_t cid[1];
    struct bl_sig sig, answer;
    struct bl_l2cap_info info;

    begin((size_t)_i / 2, 200);
    open_channels(true, 1, 100, 100, 5, cid, &answer);
    bl_op op = connect_out(_i % 2 == 1, 1, &sig);
    sig = response(&sig, 0);
    ck_assert_uint_eq(sig.channel.cid[0], THEIRS);
    coc_signal(&sig);
    ck_assert_uint_eq(stack_done(s, victim, op, SECOND).done.status, BL_PROTOCOL);
    ck_assert_uint_eq(stack_count(s, victim, BL_EV_L2CAP_CONNECTED), 0);
    struct bl_sig bye = coc_hear(BL_SIG_DISCONNECTION_REQ);
    ck_assert_uint_eq(bye.disconnection.scid, cid[0]);
    bye.code = BL_SIG_DISCONNECTION_RSP;
    coc_signal(&bye);
    ck_assert_uint_eq(stack_count(s, victim, BL_EV_L2CAP_DISCONNECTED), 2);
    ck_assert_int_eq(bl_l2cap_info(h, c, cid[0], &info), -ENOENT);
    end();
}
END_TEST

START_TEST(a_destination_given_twice_opens_neither)
{
    struct bl_sig asked, sig;

    begin((size_t)_i, 200);
    bl_op op = connect_out(true, 3, &asked);
    sig = response(&asked, 0);
    sig.channel.cid[2] = sig.channel.cid[0];
    coc_signal(&sig);
    ck_assert_uint_eq(stack_done(s, victim, op, SECOND).done.status, BL_OK);
    ck_assert_uint_eq(stack_count(s, victim, BL_EV_L2CAP_CONNECTED), 1);
    ck_assert_uint_eq(stack_wait(s, victim, BL_EV_L2CAP_CONNECTED, SECOND).l2cap.cid,
                      asked.channel.cid[1]);
    end();
}
END_TEST

START_TEST(answers_nobody_waits_for_are_ignored)
{
    struct bl_sig sig, asked;

    begin((size_t)_i, 200);
    bl_op op = connect_out(_i % 2 == 1, 1, &asked);
    sig = response(&asked, 0);
    sig.identifier++;
    coc_signal(&sig); /* another identifier */
    sig.identifier = asked.identifier;
    sig.code = asked.code == BL_SIG_ENHANCED_REQ ? BL_SIG_LE_CONNECTION_RSP : BL_SIG_ENHANCED_RSP;
    coc_signal(&sig); /* another answer */
    coc_signal(&(struct bl_sig){.code = BL_SIG_DISCONNECTION_RSP,
                                .identifier = asked.identifier,
                                .disconnection = {.dcid = THEIRS, .scid = asked.channel.cid[0]}});
    coc_signal(&(struct bl_sig){.code = BL_SIG_RECONFIGURE_RSP, .identifier = asked.identifier});
    coc_quiet(s, victim, SECOND);
    coc_hear_nothing(SECOND);
    sig = response(&asked, 0);
    coc_signal(&sig);
    ck_assert_uint_eq(stack_done(s, victim, op, SECOND).done.status, BL_OK);
    stack_forget(s);
    coc_signal(&sig); /* L2CAP/COS/CED/BI-29: a second time */
    coc_quiet(s, victim, SECOND);
    end();
}
END_TEST

/* L2CAP/COS/CED/BI-29: none twice before all from 129 on have been used. The others are left alone
 * for the sake of Linux, which takes them for its own requests and mixes up what has the same. */
START_TEST(identifiers_are_used_in_turn)
{
    bool seen[256] = {0};
    struct bl_sig sig;

    begin((size_t)_i, 200);
    for (unsigned i = 0; i < 127; i++) {
        bl_op op = connect_out(false, 1, &sig);
        ck_assert_uint_ge(sig.identifier, 129);
        ck_assert_msg(!seen[sig.identifier], "identifier %u again after %u", sig.identifier, i);
        seen[sig.identifier] = true;
        struct bl_sig answer = response(&sig, BL_L2CAP_NO_RESOURCES);
        coc_signal(&answer);
        ck_assert_uint_ne(stack_done(s, victim, op, SECOND).done.status, BL_OK);
        stack_forget(s);
    }
    bl_op op = connect_out(false, 1, &sig);
    sig = response(&sig, 0);
    coc_signal(&sig);
    ck_assert_uint_eq(stack_done(s, victim, op, SECOND).done.status, BL_OK);
    end();
}
END_TEST

/* ---- credits ---- */

static void give(uint16_t mine, uint16_t credits)
{
    coc_signal(&(struct bl_sig){
        .code = BL_SIG_CREDITS, .identifier = 3, .credits = {.cid = mine, .credits = credits}});
}

static unsigned hear_frames(uint64_t us)
{
    struct coc_pdu pdu;
    unsigned n = 0;

    while (coc_hear_any(us, &pdu))
        n += pdu.cid == THEIRS;
    return n;
}

/* L2CAP/LE/CFC/BV-06, L2CAP/ECFC/BV-06 */
START_TEST(as_many_frames_are_sent_as_there_are_credits)
{
    static const uint16_t credits[] = {1, 1, 2, 5, 1, 30, 200};
    uint8_t sdu[1000] = {0};
    struct bl_sig answer;
    uint16_t cid[1];

    begin((size_t)_i / 2, 200);
    open_channels(_i % 2 == 1, 1, 1000, 64, 3, cid, &answer);
    for (unsigned i = 0; i < 20; i++)
        if (bl_l2cap_send(h, s->now, c, cid[0], sdu, sizeof(sdu)) < 1)
            break;
    ck_assert_uint_eq(hear_frames(SECOND), 3);
    for (size_t i = 0; i < sizeof(credits) / sizeof(credits[0]); i++) {
        give(THEIRS, 0); /* L2CAP/ECFC/BI-01: not a credit */
        ck_assert_uint_eq(hear_frames(SECOND), 0);
        give(THEIRS, credits[i]); /* the giver's number is what counts: Core 5.4, 4.24 */
        unsigned sent = hear_frames(SECOND);
        ck_assert_uint_le(sent, credits[i]);
        if (credits[i] < 30)
            ck_assert_uint_eq(sent, credits[i]);
    }
    end();
}
END_TEST

/* L2CAP/LE/CFC/BI-01, L2CAP/ECFC/BI-01: over 65535 together. */
START_TEST(too_many_credits_end_the_channel)
{
    struct bl_sig answer;
    uint16_t cid[1];

    begin((size_t)_i / 2, 200);
    open_channels(_i % 2 == 1, 1, 100, 100, 5, cid, &answer);
    give(THEIRS, 0);
    give(THEIRS, 65530);
    coc_quiet(s, victim, SECOND);
    give(0x7e, 65535); /* of no channel: ignored */
    coc_quiet(s, victim, SECOND);
    coc_hear_nothing(SECOND);
    give(THEIRS, 1);
    expect_broken(cid[0], THEIRS);
    end();
}
END_TEST

/* ---- frames ---- */

static void frame(uint16_t cid, uint16_t sdu_len, size_t n, bool first)
{
    uint8_t data[1000] = {(uint8_t)sdu_len, (uint8_t)(sdu_len >> 8)};

    for (size_t i = first ? 2 : 0; i < n; i++)
        data[i] = (uint8_t)i;
    coc_say(cid, data, n);
}

/* L2CAP/ECFC/BI-02: N frames, and one more. */
START_TEST(a_frame_without_a_credit_ends_the_channel)
{
    struct bl_sig answer;
    uint16_t cid[1];

    begin((size_t)_i / 2, 200);
    open_channels(_i % 2 == 1, 1, 100, 100, 5, cid, &answer);
    for (unsigned i = 0; i < answer.channel.credits; i++)
        frame(cid[0], 3, 5, true);
    struct coc_pdu pdu;
    uint16_t more = 0;
    while (coc_hear_any(SECOND, &pdu)) { /* nothing is read, but short SDUs leave room for more */
        struct bl_sig sig;
        ck_assert_int_eq(bl_l2cap_sig_parse(pdu.data, pdu.n, &sig), BL_SIG_OK);
        ck_assert_uint_eq(sig.code, BL_SIG_CREDITS);
        ck_assert_uint_eq(sig.credits.cid, cid[0]);
        for (unsigned i = 0; i < sig.credits.credits; i++, more++)
            frame(cid[0], 3, 5, true);
        ck_assert_uint_lt(more, 60000);
    }
    frame(cid[0], 3, 5, true);
    expect_broken(cid[0], THEIRS);
    size_t bytes, sdus; /* those before it can be read */
    ck_assert_int_eq(bl_l2cap_available(h, c, cid[0], &bytes, &sdus), 0);
    ck_assert_uint_eq(sdus, (unsigned)answer.channel.credits + more);
    ck_assert_uint_eq(bytes, 3 * sdus);
    ck_assert_int_eq(bl_l2cap_consume_sdus(h, s->now, c, cid[0], sdus), 0);
    ck_assert_int_eq(bl_l2cap_available(h, c, cid[0], &bytes, &sdus), -ENOENT);
    end();
}
END_TEST

/* L2CAP/LE/CFC/BV-26, 27, 28, L2CAP/ECFC/BV-33, 34, 35: an SDU over our MTU; a frame over our MPS;
 * more than was announced, at once and in a second frame. And a frame without a length. */
START_TEST(a_frame_that_breaks_a_rule_ends_the_channel)
{
    struct bl_sig answer;
    uint16_t cid[1];

    begin((size_t)_i, 200);
    open_channels(_i % 2 == 1, 1, 100, 100, 5, cid, &answer);
    uint16_t mps = answer.channel.mps;
    frame(cid[0], 3, 5, true); /* a good one before */
    switch (_i / 2) {
    case 0:
        frame(cid[0], 201, 23, true);
        break;
    case 1:
        frame(cid[0], 200, mps + 1u, true);
        break;
    case 2:
        frame(cid[0], 9, 12, true);
        break;
    case 3:
        frame(cid[0], 30, 22, true);
        frame(cid[0], 0, 11, false);
        break;
    case 4:
        frame(cid[0], 0, 1, true);
        break;
    case 5:
        frame(cid[0], 0, 0, true);
        break;
    default:
        frame(cid[0], 0xffff, 30, true);
        break;
    }
    expect_broken(cid[0], THEIRS);
    const uint8_t *sdu;
    size_t n;
    ck_assert(bl_l2cap_peek(h, c, cid[0], 0, &sdu, &n));
    ck_assert_uint_eq(n, 3);
    ck_assert(!bl_l2cap_peek(h, c, cid[0], 1, &sdu, &n));
    end();
}
END_TEST

/* L2CAP/LE/CFC/BV-32, L2CAP/ECFC/BV-80; L2CAP/LE/CFC/BV-31: in pieces of every length. */
START_TEST(an_sdu_is_joined_however_it_is_cut)
{
    struct bl_sig answer;
    uint16_t cid[1];

    begin((size_t)_i, 200);
    open_channels(_i % 2 == 1, 1, 100, 100, 5, cid, &answer);
    uint16_t mps = answer.channel.mps;
    for (uint16_t len = 0; len <= 200; len = (uint16_t)(len + 1 + len / 7))
        for (size_t piece = len < 8 ? 1 : len / 5u; piece < mps - 2u; piece = piece * 2 + 1) {
            uint8_t data[300] = {(uint8_t)len, (uint8_t)(len >> 8)};
            size_t at = piece < len ? piece : len;
            for (uint16_t i = 0; i < len; i++)
                data[2 + i] = (uint8_t)(i * 3 + len);
            coc_say(cid[0], data, 2 + at);
            for (; at < len; at += piece)
                coc_say(cid[0], data + 2 + at, piece < len - at ? piece : len - at);
            const uint8_t *sdu;
            size_t n;
            ck_assert_uint_eq(coc_expect(s, victim, BL_EV_L2CAP_RECEIVED).l2cap.cid, cid[0]);
            ck_assert(bl_l2cap_peek(h, c, cid[0], 0, &sdu, &n));
            ck_assert_uint_eq(n, len);
            ck_assert(len == 0 || memcmp(sdu, data + 2, len) == 0);
            ck_assert_int_eq(bl_l2cap_consume(h, s->now, c, cid[0], n), 0);
            stack_run(s, 20000);
            struct coc_pdu pdu;
            while (coc_hear_any(0, &pdu))
                ck_assert_uint_eq(pdu.cid, SIGNALS);
        }
    coc_quiet(s, victim, SECOND);
    end();
}
END_TEST

/* L2CAP/LE/CFC/BV-30, 31, L2CAP/ECFC/BV-39, 41: commands and frames in ACL packets of any length.
 */
START_TEST(what_the_link_layer_cuts_is_joined)
{
    bool enhanced = _i % 2 == 1;

    begin((size_t)_i, 200);
    for (size_t piece = 1; piece < 30; piece++) {
        struct bl_sig sig = request(enhanced, PSM, 100, 100, 5, enhanced ? 5 : 1);
        uint8_t data[200], n = (uint8_t)bl_l2cap_sig_build(&sig, data, sizeof(data));
        coc_say_cut(SIGNALS, data, n, piece);
        sig = coc_hear((uint8_t)(sig.code + 1));
        ck_assert_uint_eq(sig.channel.result, BL_L2CAP_SUCCESS);
        stack_forget(s);
        for (uint8_t i = 0; i < 60; i++)
            data[i] = (uint8_t)(i * piece);
        data[0] = 58;
        data[1] = 0;
        const uint8_t *sdu;
        size_t len;
        coc_say_cut(sig.channel.cid[0], data, 60, piece);
        ck_assert(bl_l2cap_peek(h, c, sig.channel.cid[0], 0, &sdu, &len));
        ck_assert_uint_eq(len, 58);
        ck_assert_mem_eq(sdu, data + 2, 58);
        ck_assert_int_eq(bl_l2cap_consume(h, s->now, c, sig.channel.cid[0], len), 0);
        for (unsigned i = 0; i < sig.channel.n_cid; i++) {
            disconnect(sig.channel.cid[i], (uint16_t)(THEIRS + i));
            coc_hear(BL_SIG_DISCONNECTION_RSP);
        }
    }
    end();
}
END_TEST

/* L2CAP/LE/CID/BI-01: and channels that have ended. */
START_TEST(frames_of_no_channel_are_ignored)
{
    struct bl_sig answer;
    uint16_t cid[1];

    begin((size_t)_i, 200);
    open_channels(false, 1, 100, 100, 5, cid, &answer);
    for (uint32_t other = 1; other < 0x10000; other += other < 0x100 ? 1 : 0xff1)
        if (other > 6 && other != cid[0]) /* those of the specification are others' */
            frame((uint16_t)other, 3, 5, true);
    coc_quiet(s, victim, SECOND);
    coc_hear_nothing(SECOND);
    disconnect(cid[0], THEIRS);
    coc_hear(BL_SIG_DISCONNECTION_RSP);
    coc_expect(s, victim, BL_EV_L2CAP_DISCONNECTED);
    frame(cid[0], 3, 5, true);
    coc_quiet(s, victim, SECOND);
    coc_hear_nothing(SECOND);
    end();
}
END_TEST

/* ---- disconnection ---- */

/* L2CAP/LE/CFC/BV-23, L2CAP/ECFC/BV-30. Core 5.4, Vol 3, Part A, 4.6. */
START_TEST(a_disconnection_names_a_channel)
{
    struct bl_sig answer;
    uint16_t cid[1];

    begin((size_t)_i, 200);
    open_channels(_i % 2 == 1, 1, 100, 100, 5, cid, &answer);
    disconnect((uint16_t)(cid[0] + 1), THEIRS);
    struct bl_sig sig = coc_hear(BL_SIG_REJECT);
    ck_assert_uint_eq(sig.identifier, 9);
    ck_assert_uint_eq(sig.reject.reason, BL_SIG_INVALID_CID);
    ck_assert_uint_eq(sig.reject.local_cid, cid[0] + 1);
    ck_assert_uint_eq(sig.reject.remote_cid, THEIRS);
    disconnect(cid[0], THEIRS + 1); /* discarded */
    coc_quiet(s, victim, SECOND);
    coc_signal(&(struct bl_sig){.code = BL_SIG_DISCONNECTION_RSP, /* of nothing */
                                .identifier = 9,
                                .disconnection = {.dcid = THEIRS, .scid = cid[0]}});
    coc_quiet(s, victim, SECOND);
    coc_hear_nothing(SECOND);
    disconnect(cid[0], THEIRS);
    sig = coc_hear(BL_SIG_DISCONNECTION_RSP);
    ck_assert_uint_eq(sig.disconnection.dcid, cid[0]);
    ck_assert_uint_eq(sig.disconnection.scid, THEIRS);
    ck_assert_uint_eq(coc_expect(s, victim, BL_EV_L2CAP_DISCONNECTED).l2cap.status, 0);
    disconnect(cid[0], THEIRS);
    ck_assert_uint_eq(coc_hear(BL_SIG_REJECT).reject.reason, BL_SIG_INVALID_CID);
    coc_quiet(s, victim, SECOND);
    end();
}
END_TEST

/* Ours is out when theirs comes, with data in between: all is answered, the channel ends once. */
START_TEST(disconnections_may_cross)
{
    struct bl_sig answer;
    uint16_t cid[1];
    bl_op op;

    begin((size_t)_i / 2, 200);
    open_channels(_i % 2 == 1, 1, 100, 100, 5, cid, &answer);
    ck_assert_int_eq(bl_l2cap_disconnect(h, s->now, c, cid[0], &op), 0);
    struct bl_sig sig = coc_hear(BL_SIG_DISCONNECTION_REQ);
    frame(cid[0], 3, 5, true);
    give(THEIRS, 65535);
    give(THEIRS, 65535);
    disconnect(cid[0], THEIRS);
    coc_hear(BL_SIG_DISCONNECTION_RSP);
    sig.code = BL_SIG_DISCONNECTION_RSP;
    coc_signal(&sig);
    coc_signal(&sig);
    ck_assert_uint_eq(stack_done(s, victim, op, SECOND).done.status, BL_OK);
    stack_run(s, SECOND);
    ck_assert_uint_eq(stack_count(s, victim, BL_EV_L2CAP_DISCONNECTED), 1);
    coc_hear_nothing(20 * SECOND);
    end();
}
END_TEST

/* ---- reconfiguration ---- */

static uint16_t reconfigure(uint16_t mtu, uint16_t mps, unsigned n, const uint16_t *mine)
{
    struct bl_sig sig = {.code = BL_SIG_RECONFIGURE_REQ,
                         .identifier = ID,
                         .channel = {.mtu = mtu, .mps = mps, .n_cid = (uint8_t)n}};

    memcpy(sig.channel.cid, mine, n * sizeof(*mine));
    return ask(&sig).result.result;
}

/* L2CAP/ECFC/BV-23, BV-25, BI-03..BI-07. Core 5.4, Vol 3, Part A, 4.27, 4.28: the numbers are the
 * requester's. */
START_TEST(a_reconfiguration_is_answered_as_its_values_say)
{
    static const uint16_t mine[] = {THEIRS, THEIRS + 1, THEIRS + 2, THEIRS + 3, 0x7f};
    static const uint16_t twice[] = {THEIRS, THEIRS};
    struct bl_l2cap_info info;
    struct bl_sig answer;
    uint16_t cid[3], one[1];

    begin((size_t)_i, 200);
    open_channels(true, 3, 100, 100, 5, cid, &answer);
    struct bl_sig le = request(false, PSM, 100, 100, 5, 1);
    le.channel.cid[0] = THEIRS + 3;
    one[0] = ask(&le).channel.cid[0];
    ck_assert_uint_ne(one[0], 0);
    stack_run(s, SECOND);
    stack_forget(s);
    ck_assert_uint_eq(reconfigure(99, 100, 1, mine), 1);      /* the MTU may not sink */
    ck_assert_uint_eq(reconfigure(100, 99, 3, mine), 2);      /* the MPS may not of more than one */
    ck_assert_uint_eq(reconfigure(100, 100, 1, mine + 4), 3); /* of no channel */
    ck_assert_uint_eq(reconfigure(200, 100, 4, mine), 3);     /* one of the other mode */
    ck_assert_uint_eq(reconfigure(200, 63, 1, mine), 4);
    ck_assert_uint_eq(reconfigure(200, 65534, 1, mine), 4);
    ck_assert_uint_ne(reconfigure(63, 100, 1, mine), 0);
    ck_assert_uint_ne(reconfigure(300, 100, 2, twice), 0);
    coc_quiet(s, victim, SECOND);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(bl_l2cap_info(h, c, cid[i], &info), 0);
        ck_assert(info.peer_mtu == 100 && info.peer_mps == 100 && info.open);
    }
    ck_assert_uint_eq(reconfigure(300, 150, 2, mine), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct bl_event e = coc_expect(s, victim, BL_EV_L2CAP_RECONFIGURED);
        ck_assert_uint_eq(e.l2cap.cid, cid[i]);
        ck_assert_uint_eq(e.l2cap.peer_mtu, 300);
    }
    ck_assert_uint_eq(reconfigure(300, 120, 3, mine), 2); /* between those there are: BI-04 */
    ck_assert_uint_eq(reconfigure(300, 64, 1, mine), 0);  /* one may */
    ck_assert_int_eq(bl_l2cap_info(h, c, cid[0], &info), 0);
    ck_assert(info.peer_mtu == 300 && info.peer_mps == 64);
    ck_assert_int_eq(bl_l2cap_info(h, c, cid[2], &info), 0);
    ck_assert(info.peer_mtu == 100 && info.peer_mps == 100);
    end();
}
END_TEST

START_TEST(a_refused_reconfiguration_changes_nothing)
{
    uint16_t result = (uint16_t)(_i % 6);
    struct bl_l2cap_info before, after;
    struct bl_sig answer;
    uint16_t cid[2];
    bl_op op;

    begin((size_t)_i, 200);
    open_channels(true, 2, 100, 100, 5, cid, &answer);
    ck_assert_int_eq(bl_l2cap_info(h, c, cid[0], &before), 0);
    ck_assert_int_eq(bl_l2cap_reconfigure(h, s->now, c, cid, 2, 1000, 0, &op), 0);
    struct bl_sig sig = coc_hear(BL_SIG_RECONFIGURE_REQ);
    ck_assert_uint_eq(sig.channel.n_cid, 2);
    ck_assert(sig.channel.cid[0] == cid[0] && sig.channel.cid[1] == cid[1]);
    ck_assert_uint_eq(sig.channel.mtu, 1000);
    if (result == 0) {
        sig = bl_l2cap_sig_not_understood(sig.identifier);
    } else {
        sig.code = BL_SIG_RECONFIGURE_RSP;
        sig.result.result = result;
    }
    coc_signal(&sig);
    struct bl_event e = coc_expect(s, victim, BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_uint_eq(e.done.status, BL_NOT_SUPPORTED);
    ck_assert_int_eq(bl_l2cap_info(h, c, cid[0], &after), 0);
    ck_assert_uint_eq(after.our_mtu, before.our_mtu);
    ck_assert_uint_eq(after.our_mps, before.our_mps);
    /* An SDU of 200 octets is as good as before, one of 201 not. */
    frame(cid[0], 200, before.our_mps, true);
    if (before.our_mps < 202)
        frame(cid[0], 0, 202u - before.our_mps, false);
    coc_expect(s, victim, BL_EV_L2CAP_RECEIVED);
    frame(cid[1], 201, 30, true);
    expect_broken(cid[1], THEIRS + 1);
    end();
}
END_TEST

/* ---- commands that are none ---- */

#define RAW(...) {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})

/* L2CAP/LE/REJ/BI-02, L2CAP/COS/CED/BI-05, 09, 11, 13, 16..25: rejected or ignored, and what is
 * good is served after each. */
static const struct {
    const char *name;
    uint8_t data[48];
    size_t n;
} raw[] = {
    /* L2CAP/LE/CPU/BI-02: to a peripheral, which the first one is */
    {"parameters from a central", RAW(0x12, 1, 8, 0, 24, 0, 40, 0, 0, 0, 42, 0)},
    {"an unknown command", RAW(0x7f, 1, 0, 0)},
    {"an echo request", RAW(0x08, 1, 4, 0, 1, 2, 3, 4)},
    {"an information request", RAW(0x0a, 1, 2, 0, 2, 0)},
    {"a BR/EDR connection request", RAW(0x02, 1, 4, 0, 1, 0, 0x40, 0)},
    {"shorter than it says", RAW(0x14, 1, 10, 0, 0x80, 0, 23, 0, 23, 0, 1)},
    {"longer than it says", RAW(0x14, 1, 10, 0, 0x80, 0, 0x41, 0, 23, 0, 23, 0, 1, 0, 0)},
    {"a length over the PDU", RAW(0x14, 1, 0xff, 0xff, 0x80, 0, 0x41, 0, 23, 0, 23, 0, 1, 0)},
    {"a data length of less", RAW(0x14, 1, 8, 0, 0x80, 0, 0x41, 0, 23, 0, 23, 0)},
    {"an enhanced request without a channel", RAW(0x17, 1, 8, 0, 0x80, 0, 64, 0, 64, 0, 1, 0)},
    {"an enhanced request of half a channel",
     RAW(0x17, 1, 9, 0, 0x80, 0, 64, 0, 64, 0, 1, 0, 0x41)},
    {"an enhanced request of six channels", RAW(0x17, 1, 20, 0, 0x80, 0, 64, 0, 64, 0, 1, 0, 0x41,
                                                0, 0x42, 0, 0x43, 0, 0x44, 0, 0x45, 0, 0x46, 0)},
    {"two commands in one", RAW(0x06, 1, 4, 0, 0x41, 0, 0x42, 0, 0x06, 2, 4, 0, 0x41, 0, 0x42, 0)},
    {"a request and a command cut off",
     RAW(0x14, 1, 10, 0, 0x80, 0, 0x41, 0, 23, 0, 23, 0, 1, 0, 0x06, 2, 4, 0, 0x41)},
    {"a disconnection without a channel", RAW(0x06, 1, 2, 0, 0x41, 0)},
    {"a reconfiguration without a channel", RAW(0x19, 1, 4, 0, 64, 0, 64, 0)},
    {"credits cut short", RAW(0x16, 1, 2, 0, 0x41, 0)},
    {"half a header", RAW(0x14, 1, 10)},
    {"a code alone", RAW(0x14)},
    {"an identifier of 0", RAW(0x14, 0, 10, 0, 0x80, 0, 23, 0, 23, 0, 0x41, 0, 1, 0)},
};

START_TEST(commands_that_are_none_change_nothing)
{
    struct bl_sig sig, answer;
    struct coc_pdu pdu;
    uint16_t cid[1];

    begin((size_t)_i, 200);
    coc_say(SIGNALS, raw[_i].data, raw[_i].n);
    if (coc_hear_any(SECOND, &pdu)) {
        ck_assert_uint_eq(pdu.cid, SIGNALS);
        ck_assert_int_eq(bl_l2cap_sig_parse(pdu.data, pdu.n, &sig), BL_SIG_OK);
        ck_assert_msg(sig.code == BL_SIG_REJECT, "%s: 0x%02x", raw[_i].name, sig.code);
        ck_assert_uint_eq(sig.identifier, 1);
    }
    coc_hear_nothing(SECOND);
    coc_quiet(s, victim, SECOND);
    open_channels(_i % 2 == 1, 1, 100, 100, 5, cid, &answer);
    end();
}
END_TEST

static Suite *peer_suite(void)
{
    Suite *suite = suite_create("stack/l2cap_peer");
    TCase *t = tcase_create("scripts");

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_connection_request_is_answered_as_its_values_say, 0, ROWS(requests));
    tcase_add_loop_test(t, a_number_that_is_taken_is_refused, 0, 4);
    tcase_add_loop_test(t, a_number_twice_in_a_request_is_not_two_channels, 0, 2);
    tcase_add_loop_test(t, a_refusal_is_told_as_it_is, 0, 28);
    tcase_add_loop_test(t, a_peer_that_does_not_know_the_request_rejects_it, 0, 4);
    tcase_add_loop_test(t, an_answer_that_may_not_be_opens_nothing, 0, ROWS(wrong));
    tcase_add_loop_test(t, a_peer_may_say_that_it_takes_its_time, 0, 4);
    tcase_add_loop_test(t, an_answer_may_take_some, 0, 2);
    tcase_add_loop_test(t, a_destination_that_is_taken_costs_both_channels, 0, 4);
    tcase_add_loop_test(t, a_destination_given_twice_opens_neither, 0, 2);
    tcase_add_loop_test(t, answers_nobody_waits_for_are_ignored, 0, 2);
    tcase_add_loop_test(t, identifiers_are_used_in_turn, 0, 2);
    tcase_add_loop_test(t, as_many_frames_are_sent_as_there_are_credits, 0, 4);
    tcase_add_loop_test(t, too_many_credits_end_the_channel, 0, 4);
    tcase_add_loop_test(t, a_frame_without_a_credit_ends_the_channel, 0, 4);
    tcase_add_loop_test(t, a_frame_that_breaks_a_rule_ends_the_channel, 0, 14);
    tcase_add_loop_test(t, an_sdu_is_joined_however_it_is_cut, 0, 2);
    tcase_add_loop_test(t, what_the_link_layer_cuts_is_joined, 0, 2);
    tcase_add_loop_test(t, frames_of_no_channel_are_ignored, 0, 2);
    tcase_add_loop_test(t, a_disconnection_names_a_channel, 0, 4);
    tcase_add_loop_test(t, disconnections_may_cross, 0, 4);
    tcase_add_loop_test(t, a_reconfiguration_is_answered_as_its_values_say, 0, 2);
    tcase_add_loop_test(t, a_refused_reconfiguration_changes_nothing, 0, 6);
    tcase_add_loop_test(t, commands_that_are_none_change_nothing, 0, ROWS(raw));
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(peer_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
