/* SPDX-License-Identifier: MIT */

/* What peers do with local values: who is told, who may answer, and what happens when nobody does.
 */

#include "gatts_rig.h"

#include <errno.h>
#include <stdio.h>

#define INVALID SD_BUS_ERROR_INVALID_ARGS

enum { SECOND = 1000000 };

static uint16_t value;

static void setup(const char *owner)
{
    value = add_service(owner);
    connected(1);
    connected(2);
    rig_forget(&rig);
}

static void peer_reads(uint16_t conn, uint32_t request)
{
    event(&(struct bl_event){.kind = BL_EV_GATTS_READ,
                             .gatt = {.conn = conn, .handle = value, .request = request}});
}

static void peer_writes(uint16_t conn, uint32_t request)
{
    static const uint8_t bytes[] = {1, 2, 3};
    event(&(struct bl_event){
        .kind = request ? BL_EV_GATTS_WRITE : BL_EV_GATTS_WRITTEN,
        .gatt = {.conn = conn, .handle = value, .request = request, .value = {bytes, 3}}});
}

/* The number of the request that the last signal asked of. */
static unsigned asked(const char *member, const char *whom)
{
    char prefix[64];
    unsigned number = 0;

    snprintf(prefix, sizeof(prefix), "signal %s -> %s ", member, whom);
    const char *line = rig_find(&rig, prefix);
    ck_assert_msg(line && sscanf(line + strlen(prefix), "%u", &number) == 1,
                  "%s has not been asked", whom);
    rig_forget(&rig);
    return number;
}

static unsigned reply(const char *who, unsigned number, unsigned status)
{
    return rig_call(&rig, who, GATTS, "Reply", "uqa{sv}", number, status, 0);
}

/* The stack has been answered this; how many times in all. */
static void ck_replied(uint32_t request, uint8_t error, size_t times)
{
    size_t n = 0;

    for (size_t i = 0; i < rig.host.gatt.n_log; i++)
        n += strcmp(rig.host.gatt.log[i].what, "reply") == 0;
    ck_assert_uint_eq(n, times);
    if (times == 0)
        return;
    ck_assert_uint_eq(rig.host.gatt.request, request);
    ck_assert_uint_eq(rig.host.gatt.error, error);
}

static void wait_us(uint64_t us)
{
    rig.now += us;
    rig_run(&rig);
}

START_TEST(writes_are_told_to_the_owner_alone)
{
    attach(":1.1");
    setup(":1.1");
    peer_writes(2, 0);
    ck_assert_uint_eq(rig_count(&rig, "signal Written -> :1.1 2 18"), 1);
    ck_assert_uint_eq(rig_count(&rig, "signal Written"), 1);
    event(&(struct bl_event){.kind = BL_EV_GATTS_SUBSCRIBED,
                             .gatt = {.conn = 2, .handle = value, .bits = 3}});
    ck_assert_uint_eq(rig_count(&rig, "signal Subscribed -> :1.1 2 18 3"), 1);
    ck_assert_uint_eq(rig_count(&rig, "signal Subscribed"), 1);
    event(&(struct bl_event){.kind = BL_EV_GATTS_INDICATE_DONE,
                             .gatt = {.conn = 2, .handle = value, .status = BL_TIMEOUT}});
    ck_assert_uint_eq(rig_count(&rig, "signal IndicateDone -> :1.1 2 18 1025"), 1);
    ck_assert_uint_eq(rig_count(&rig, "signal IndicateDone"), 1);
}
END_TEST

START_TEST(what_the_daemon_has_is_broadcast)
{
    setup(":1.5");
    peer_writes(1, 0);
    ck_assert_uint_eq(rig_count(&rig, "signal Written -> * 1 18"), 1);
}
END_TEST

START_TEST(events_of_what_has_gone_are_dropped)
{
    setup(":1.5");
    ck_answer(rig_call(&rig, ":1.5", GATTS, "RemoveService", "q", value - 2), "reply");
    rig_forget(&rig);
    peer_writes(1, 0);
    peer_reads(1, 0);
    ck_assert_uint_eq(rig_count(&rig, "signal"), 0);
    ck_replied(0, 0, 0);
    peer_reads(1, 70);
    ck_replied(70, 0x08, 1);
    peer_writes(2, 71);
    ck_replied(71, 0x08, 2);
    ck_assert_uint_eq(rig_count(&rig, "signal"), 0);
}
END_TEST

START_TEST(a_request_is_answered_once_by_its_number)
{
    attach(":1.1");
    setup(":1.1");
    peer_reads(1, 500);
    unsigned read = asked("ReadRequested", ":1.1");
    ck_assert_uint_ne(read, 0);
    peer_writes(2, 501);
    unsigned written = asked("WriteRequested", ":1.1");
    ck_assert_uint_ne(read, written);
    ck_answer(reply(":1.1", written, 0x80), "reply");
    ck_replied(501, 0x80, 1);
    ck_answer(reply(":1.1", written, 0), "org.bled.Error.NotFound");
    unsigned call =
        rig_call(&rig, ":1.1", GATTS, "Reply", "uqa{sv}", read, 0, 1, "value", "ay", 2, 9, 9);
    ck_answer(call, "reply");
    ck_replied(500, 0, 2);
    ck_assert_uint_eq(rig.host.gatt.log[rig.host.gatt.n_log - 1].first, 9);
    wait_us(6 * SECOND);
    ck_replied(500, 0, 2);
    ck_assert_uint_eq(gatts_of(rig.a)->n_requests, 0);
}
END_TEST

START_TEST(nobody_else_answers_an_attached_clients_request)
{
    attach(":1.1");
    attach(":1.2");
    setup(":1.1");
    peer_reads(1, 500);
    unsigned number = asked("ReadRequested", ":1.1");
    ck_answer(reply(":1.2", number, 0), SD_BUS_ERROR_ACCESS_DENIED);
    ck_answer(reply(":1.3", number, 0), SD_BUS_ERROR_ACCESS_DENIED);
    ck_replied(0, 0, 0);
    ck_answer(reply(":1.1", number, 0), "reply");
    ck_replied(500, 0, 1);
}
END_TEST

START_TEST(anybody_answers_the_daemons_the_first_wins)
{
    attach(":1.2");
    setup(":1.5");
    peer_reads(1, 500);
    unsigned number = asked("ReadRequested", "*");
    ck_answer(reply(":1.2", number, 0x0e), "reply");
    ck_answer(reply(":1.3", number, 0), "org.bled.Error.NotFound");
    ck_replied(500, 0x0e, 1);
}
END_TEST

START_TEST(silence_is_the_default_status_after_5_s)
{
    setup(":1.5");
    peer_reads(1, 500);
    unsigned number = asked("ReadRequested", "*");
    wait_us(5 * SECOND - 1);
    ck_replied(0, 0, 0);
    wait_us(1);
    ck_replied(500, 0x08, 1);
    ck_answer(reply(":1.5", number, 0), "org.bled.Error.NotFound");
    unsigned set =
        rig_call(&rig, ":1.5", GATTS, "SetAuthorization", "qbbq", value, true, false, 0x0e);
    ck_answer(set, "reply");
    ck_assert(rig.host.gatt.reads && !rig.host.gatt.writes);
    peer_writes(1, 501);
    wait_us(5 * SECOND);
    ck_replied(501, 0x0e, 2);
    set = rig_call(&rig, ":1.5", GATTS, "SetAuthorization", "qbbq", value, 1, 1, 0x100);
    ck_answer(set, INVALID);
    set = rig_call(&rig, ":1.5", GATTS, "SetAuthorization", "qbbq", value, 1, 1, 0);
    ck_answer(set, "reply"); /* lets it pass */
    peer_writes(1, 502);
    wait_us(5 * SECOND);
    ck_replied(502, 0, 3);
}
END_TEST

START_TEST(an_answer_that_finds_no_room_is_given_again)
{
    setup(":1.5");
    peer_reads(1, 500);
    unsigned number = asked("ReadRequested", "*");
    rig.host.gatt.result = -EAGAIN;
    ck_answer(reply(":1.5", number, 0), "org.bled.Error.Busy");
    ck_answer(reply(":1.5", number, 0), "org.bled.Error.Busy"); /* it is still open */
    wait_us(5 * SECOND);
    ck_replied(500, 0x08, 3);
    rig.host.gatt.result = 0;
    wait_us(SECOND / 10);
    ck_replied(500, 0x08, 4);
    ck_answer(reply(":1.5", number, 0), "org.bled.Error.NotFound");
}
END_TEST

START_TEST(a_client_that_goes_has_answered_at_once)
{
    attach(":1.1");
    setup(":1.1");
    peer_reads(1, 500);
    size_t before = rig.host.gatt.n_log;
    rig_vanish(&rig, ":1.1");
    ck_replied(500, 0x08, 1);
    ck_log(before, "reply", 0, 0); /* before the service goes */
    ck_log(before + 1, "remove", 0, (uint16_t)(value - 2));
    wait_us(6 * SECOND);
    ck_replied(500, 0x08, 1);
}
END_TEST

START_TEST(a_request_is_void_with_its_connection)
{
    setup(":1.5");
    peer_reads(1, 500);
    unsigned one = asked("ReadRequested", "*");
    peer_reads(2, 501);
    unsigned two = asked("ReadRequested", "*");
    disconnected(1);
    ck_replied(0, 0, 0);
    ck_answer(reply(":1.5", one, 0), "org.bled.Error.NotFound");
    ck_answer(reply(":1.5", two, 0), "reply");
    ck_replied(501, 0, 1);
    wait_us(6 * SECOND);
    ck_replied(501, 0, 1);
}
END_TEST

START_TEST(a_reply_that_makes_no_sense_is_refused_and_the_request_stays)
{
    static const unsigned bad[] = {0x100, 0x101, 0xffff};
    setup(":1.5");
    peer_writes(1, 500);
    unsigned number = asked("WriteRequested", "*");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_answer(reply(":1.5", number, bad[i]), INVALID);
    ck_answer(
        rig_call(&rig, ":1.5", GATTS, "Reply", "uqa{sv}", number, 0x80, 1, "value", "ay", 1, 1),
        INVALID);
    ck_answer(rig_call(&rig, ":1.5", GATTS, "Reply", "uqa{sv}", number, 0, 1, "value", "s", "x"),
              INVALID);
    ck_answer(reply(":1.5", 0, 0), "org.bled.Error.NotFound");
    ck_answer(reply(":1.5", number + 1, 0), "org.bled.Error.NotFound");
    ck_replied(0, 0, 0);
    ck_answer(reply(":1.5", number, 0xff), "reply");
    ck_replied(500, 0xff, 1);
}
END_TEST

START_TEST(an_empty_value_is_a_value)
{
    setup(":1.5");
    peer_reads(1, 500);
    unsigned number = asked("ReadRequested", "*");
    ck_answer(rig_call(&rig, ":1.5", GATTS, "Reply", "uqa{sv}", number, 0, 1, "value", "ay", 0),
              "reply");
    ck_replied(500, 0, 1);
    ck_assert(rig.host.gatt.has_value);
}
END_TEST

START_TEST(reads_are_told_of_where_they_were_asked_for)
{
    setup(":1.5");
    peer_reads(1, 0);
    ck_assert_uint_eq(rig_count(&rig, "signal ReadRequested"), 0);
    unsigned add = rig_call(&rig, ":1.5", GATTS, "AddService", "saa{sv}a{sv}", "180f", 1, 3, "uuid",
                            "s", "2a19", "flags", "u", 2, "read_events", "b", 1, 0);
    ck_answer(add, "reply");
    value = bus_gatts_next_characteristic(rig.a, value)->handle;
    peer_reads(1, 0);
    ck_assert_uint_eq(rig_count(&rig, "signal ReadRequested -> * 0 1"), 1);
}
END_TEST

static void add(TCase *t)
{
    tcase_add_test(t, writes_are_told_to_the_owner_alone);
    tcase_add_test(t, what_the_daemon_has_is_broadcast);
    tcase_add_test(t, events_of_what_has_gone_are_dropped);
    tcase_add_test(t, a_request_is_answered_once_by_its_number);
    tcase_add_test(t, nobody_else_answers_an_attached_clients_request);
    tcase_add_test(t, anybody_answers_the_daemons_the_first_wins);
    tcase_add_test(t, silence_is_the_default_status_after_5_s);
    tcase_add_test(t, an_answer_that_finds_no_room_is_given_again);
    tcase_add_test(t, a_client_that_goes_has_answered_at_once);
    tcase_add_test(t, a_request_is_void_with_its_connection);
    tcase_add_test(t, a_reply_that_makes_no_sense_is_refused_and_the_request_stays);
    tcase_add_test(t, an_empty_value_is_a_value);
    tcase_add_test(t, reads_are_told_of_where_they_were_asked_for);
}

int main(void)
{
    return gatts_main("gatts_request", add);
}
