/* SPDX-License-Identifier: MIT */

/* GattClient1: what becomes of calls, subscriptions and listeners when answers come late, badly, or
 * not at all. The other way round, that it works, is shown between daemons (test_gatt_client.py).
 */

#include "gattc.h"
#include "rig.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#define GATTC "org.bled.GattClient1"
#define LATER 1, "wait", "b", 0

static struct rig rig;

static void event(const struct bl_event *e)
{
    bus_adapter_event(rig.a, e);
    rig_run(&rig);
}

static void connected(uint16_t conn)
{
    event(&(struct bl_event){
        .kind = BL_EV_CONNECTED,
        .connected = {.conn = conn,
                      .role = BL_ROLE_PERIPHERAL,
                      .peer = {.type = ADDR_RANDOM, .b = {(uint8_t)conn, 2, 3, 4, 5, 0xc6}}}});
    rig_forget(&rig);
}

static void disconnected(uint16_t conn)
{
    event(&(struct bl_event){
        .kind = BL_EV_DISCONNECTED,
        .disconnected = {.conn = conn, .role = BL_ROLE_PERIPHERAL, .reason = 0x13}});
}

static void setup(void)
{
    rig_start(&rig, true);
    rig_ready(&rig);
    connected(1);
}

static void teardown(void)
{
    ck_assert_uint_eq(rig.a->bus->signals_failed, 0);
    rig_stop(&rig);
}

static void attach(const char *name)
{
    ck_assert_str_eq(
        rig_answer(&rig, rig_call(&rig, name, "org.bled.Adapter1", "Attach", "a{sv}", 0)), "reply");
}

static unsigned detach(const char *name)
{
    return rig_call(&rig, name, "org.bled.Adapter1", "Detach", "");
}

static unsigned reading(const char *name)
{
    return rig_call(&rig, name, GATTC, "Read", "qqa{sv}", 1, 21, 0);
}

static unsigned subscribe(const char *name, unsigned bits)
{
    return rig_call(&rig, name, GATTC, "Subscribe", "qqya{sv}", 1, 21, bits, 0);
}

static unsigned command(const char *name, uint8_t octet)
{
    return rig_call(&rig, name, GATTC, "Write", "qqayya{sv}", 1, 21, 1, octet, 0, 0);
}

/* The operation given last ends so. */
static void done(bl_status status)
{
    rig_done(&rig, rig.host.last_op, status);
}

static void value(enum bl_event_kind kind, bl_op op, uint16_t handle, const char *text)
{
    event(&(struct bl_event){
        .kind = kind,
        .gatt = {
            .conn = 1, .handle = handle, .op = op, .value = {(const void *)text, strlen(text)}}});
}

static void notified(uint16_t handle)
{
    value(BL_EV_GATTC_NOTIFIED, 0, handle, "v");
}

/* A read ends well. */
static void read_done(bl_op op)
{
    value(BL_EV_GATTC_VALUE, op, 21, "value");
    rig_done(&rig, op, BL_OK);
}

static const char *answer(unsigned call)
{
    return rig_answer(&rig, call);
}

static const char *sentence(unsigned call)
{
    char prefix[32];
    snprintf(prefix, sizeof(prefix), "error %u ", call);
    const char *line = rig_find(&rig, prefix);
    return line ? line : "";
}

static size_t count_log(const char *what)
{
    size_t n = 0;
    for (size_t i = 0; i < rig.host.gatt.n_log; i++)
        n += strcmp(rig.host.gatt.log[i].what, what) == 0;
    return n;
}

/* ---- calls ---- */

START_TEST(results_are_signals_after_the_reply_where_nobody_waits)
{
    unsigned c = rig_call(&rig, ":1.1", GATTC, "DiscoverServices", "qsa{sv}", 1, "", LATER);
    ck_assert_str_eq(answer(c), "reply");
    bl_op op = rig.host.last_op;
    struct bl_event e = {.kind = BL_EV_GATTC_SERVICE,
                         .gatt = {.op = op, .start = 1, .end = 5, .uuid = bl_uuid_from16(0x1800)}};
    event(&e);
    rig_done(&rig, op, BL_STATUS_HCI + 0x13);
    disconnected(1);
    ck_assert_uint_lt(rig_index(&rig, "reply"),
                      rig_index(&rig, "signal ServiceResult -> * 1 1 5 1800"));
    ck_assert_uint_lt(rig_index(&rig, "signal ServiceResult"),
                      rig_index(&rig, "signal ServiceDone -> * 1 275"));
    ck_assert_uint_lt(rig_index(&rig, "signal ServiceDone"),
                      rig_index(&rig, "signal Disconnected -> * 1 275"));
    ck_assert_uint_ne(rig_index(&rig, "signal Disconnected"), SIZE_MAX);
}
END_TEST

START_TEST(a_caller_that_waits_gets_no_result_signals)
{
    unsigned c = reading(":1.1");
    value(BL_EV_GATTC_VALUE, rig.host.last_op, 21, "value");
    ck_assert_str_eq(answer(c), "");
    done(BL_OK);
    ck_assert_str_eq(answer(c), "reply");
    ck_assert_ptr_null(rig_find(&rig, "signal"));
}
END_TEST

START_TEST(a_read_that_brought_no_value_is_answered)
{
    unsigned c = reading(":1.1");
    done(BL_OK);
    ck_assert_str_eq(answer(c), "org.bled.Error.NoResources");
    c = rig_call(&rig, ":1.1", GATTC, "ReadByUuid", "qqqsa{sv}", 1, 1, 9, "2A37", 0);
    done(BL_OK);
    ck_assert_str_eq(answer(c), "reply"); /* there are none */
}
END_TEST

START_TEST(results_of_an_attached_client_that_has_gone_go_to_nobody)
{
    attach(":1.1");
    rig_call(&rig, ":1.1", GATTC, "Read", "qqa{sv}", 1, 21, LATER);
    bl_op op = rig.host.last_op;
    rig_vanish(&rig, ":1.1");
    rig_forget(&rig);
    value(BL_EV_GATTC_VALUE, op, 21, "value");
    rig_done(&rig, op, BL_OK);
    ck_assert_ptr_null(rig_find(&rig, "signal Read"));
}
END_TEST

START_TEST(errors_name_what_they_are_about)
{
    static const struct {
        bl_status status;
        const char *name, *words[3];
    } ROWS[] = {
        {0x02, "org.bled.Error.Att.ReadNotPermitted", {"21 (0x0015)", "connection 1", "0x02"}},
        {0x85, "org.bled.Error.Att.Application85", {"21 (0x0015)", "connection 1", "0x85"}},
        {BL_STATUS_HCI + 8, "org.bled.Error.Disconnected", {"21 (0x0015)", "0x08", ""}},
        {BL_DISCONNECTED, "org.bled.Error.Disconnected", {"21 (0x0015)", "0x403", ""}},
        {BL_TIMEOUT, "org.bled.Error.Timeout", {"21 (0x0015)", "0x401", ""}},
        {BL_PROTOCOL, "org.bled.Error.ProtocolViolation", {"21 (0x0015)", "0x407", ""}},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        unsigned c = reading(":1.1");
        done(ROWS[i].status);
        ck_assert_str_eq(answer(c), ROWS[i].name);
        for (size_t k = 0; k < 3; k++)
            ck_assert_msg(strstr(sentence(c), ROWS[i].words[k]) != NULL, "%s", sentence(c));
    }
    unsigned c = rig_call(&rig, ":1.1", GATTC, "ReadByUuid", "qqqsa{sv}", 1, 1, 9, "2A37", 0);
    done(0x05);
    ck_assert_msg(strstr(sentence(c), "2a37") && strstr(sentence(c), "0x05"), "%s", sentence(c));
}
END_TEST

START_TEST(what_the_stack_refuses_comes_at_once)
{
    static const struct {
        int r;
        const char *name;
    } ROWS[] = {
        {-EBUSY, "org.bled.Error.Busy"},
        {-ENOTCONN, "org.bled.Error.NotConnected"},
        {-ENETDOWN, "org.bled.Error.NotActive"},
        {-ENOMEM, "org.freedesktop.DBus.Error.NoMemory"},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        rig.host.gatt.result = ROWS[i].r;
        unsigned c = reading(":1.1");
        ck_assert_str_eq(answer(c), ROWS[i].name);
        c = rig_call(&rig, ":1.1", GATTC, "Read", "qqa{sv}", 1, 21, LATER);
        ck_assert_str_eq(answer(c), ROWS[i].name);
        c = subscribe(":1.1", 1);
        ck_assert_str_eq(answer(c), ROWS[i].name);
        c = rig_call(&rig, ":1.1", GATTC, "Subscribe", "qqya{sv}", 1, 21, 0, 0);
        ck_assert_str_eq(answer(c), ROWS[i].name);
        c = rig_call(&rig, ":1.1", GATTC, "ExchangeMtu", "qa{sv}", 1, 0);
        ck_assert_str_eq(answer(c), ROWS[i].name);
    }
    ck_assert(list_empty(&rig.a->calls));
    ck_assert(list_empty(&rig.a->owners[0]->things) ||
              list_entry(rig.a->owners[0]->things.next, struct bus_thing, link)->kind->rank ==
                  BUS_RANK_USE);
}
END_TEST

START_TEST(a_client_that_vanishes_cancels_what_it_waited_for)
{
    reading(":1.1");
    bl_op op = rig.host.last_op;
    rig_vanish(&rig, ":1.1");
    ck_assert_uint_eq(rig.host.gatt.canceled, op);
    rig.host.gatt.canceled = 0;
    rig_call(&rig, ":1.2", GATTC, "Write", "qqayya{sv}", 1, 21, 1, 7, 1, LATER);
    rig_vanish(&rig, ":1.2");
    ck_assert_uint_eq(rig.host.gatt.canceled, 0); /* what scripts leave behind goes on */
    rig_done(&rig, op, BL_CANCELED);
    done(BL_OK);
    ck_assert(list_empty(&rig.a->calls));
}
END_TEST

START_TEST(mtu_is_told_before_the_reply_and_a_second_exchange_is_none)
{
    unsigned c = rig_call(&rig, ":1.1", GATTC, "ExchangeMtu", "qa{sv}", 1, 0);
    bl_op op = rig.host.last_op;
    event(&(struct bl_event){.kind = BL_EV_MTU, .mtu = {1, 100}});
    event(&(struct bl_event){.kind = BL_EV_OP_DONE, .done = {.op = op, .mtu = 100}});
    char reply[32];
    snprintf(reply, sizeof(reply), "reply %u 100", c);
    ck_assert_uint_lt(rig_index(&rig, "signal PropertiesChanged -> * org.bled.Connection1"),
                      rig_index(&rig, "signal MtuExchanged -> * 1 100"));
    ck_assert_uint_lt(rig_index(&rig, "signal MtuExchanged -> * 1 100"), rig_index(&rig, reply));
    ck_assert_uint_ne(rig_index(&rig, reply), SIZE_MAX);

    rig_forget(&rig);
    rig.host.gatt.result = 1;
    rig.host.gatt.mtu = 100;
    c = rig_call(&rig, ":1.1", GATTC, "ExchangeMtu", "qa{sv}", 1, 0);
    snprintf(reply, sizeof(reply), "reply %u 100", c);
    ck_assert_ptr_nonnull(rig_find(&rig, reply));
    ck_assert_ptr_null(rig_find(&rig, "signal"));
    event(&(struct bl_event){.kind = BL_EV_MTU, .mtu = {1, 100}}); /* the peer's own exchange */
    ck_assert_uint_eq(rig_count(&rig, "signal MtuExchanged"), 1);
    ck_assert_ptr_null(rig_find(&rig, "signal PropertiesChanged"));
}
END_TEST

/* ---- write commands ---- */

START_TEST(a_command_is_replied_to_when_it_is_queued)
{
    rig.host.gatt.result = 1;
    ck_assert_str_eq(answer(command(":1.1", 1)), "reply");
    rig.host.gatt.result = 0;
    unsigned c = command(":1.1", 2);
    ck_assert_str_eq(answer(c), "");
    done(BL_OK);
    ck_assert_str_eq(answer(c), "reply");
    ck_assert(list_empty(&rig.a->calls));
}
END_TEST

START_TEST(commands_without_room_are_held_in_order)
{
    unsigned r = reading(":1.9");
    bl_op op = rig.host.last_op;
    connected(2);
    rig.host.gatt.result = -EAGAIN;
    unsigned c[3] = {command(":1.1", 1), command(":1.2", 2), command(":1.1", 3)};
    rig.host.gatt.result = 1;
    unsigned late = command(":1.3", 4); /* behind the others, though there is room now */
    unsigned other = rig_call(&rig, ":1.3", GATTC, "Write", "qqayya{sv}", 2, 21, 1, 9, 0, 0);
    ck_assert_str_eq(answer(other), "reply"); /* its connection has room */
    for (size_t i = 0; i < 3; i++)
        ck_assert_str_eq(answer(c[i]), "");
    ck_assert_str_eq(answer(late), "");
    read_done(op);
    ck_assert_str_eq(answer(r), "reply");
    for (size_t i = 0; i < 3; i++)
        ck_assert_str_eq(answer(c[i]), "reply");
    ck_assert_str_eq(answer(late), "reply");
    uint8_t order[8];
    size_t n = 0;
    for (size_t i = 0; i < rig.host.gatt.n_log; i++)
        if (strcmp(rig.host.gatt.log[i].what, "write") == 0 && rig.host.gatt.log[i].conn == 1)
            order[n++] = rig.host.gatt.log[i].first;
    ck_assert_uint_eq(n, 4);
    ck_assert_mem_eq(order, "\1\2\3\4", 4);
}
END_TEST

START_TEST(held_commands_end_with_their_connection_or_their_client)
{
    reading(":1.9");
    bl_op op = rig.host.last_op;
    rig.host.gatt.result = -EAGAIN;
    command(":1.1", 1);
    unsigned c = command(":1.2", 2);
    rig_call_noreply(&rig, ":1.3", GATTC, "Write", "qqayya{sv}", 1, 21, 1, 3, 0, 0);
    rig_vanish(&rig, ":1.1");
    rig_vanish(&rig, ":1.3");
    rig.host.gatt.result = 1;
    rig_done(&rig, op, BL_OK);
    ck_assert_str_eq(answer(c), "reply");
    ck_assert_uint_eq(count_log("write"),
                      2); /* not what had not begun; but what nobody waits for */

    rig.host.gatt.result = -EAGAIN;
    c = command(":1.2", 4);
    disconnected(1);
    ck_assert_str_eq(answer(c), "org.bled.Error.Disconnected");
    ck_assert_uint_lt(rig_index(&rig, "error"), rig_index(&rig, "signal Disconnected"));
    ck_assert(list_empty(&rig.a->calls));
}
END_TEST

START_TEST(a_held_command_that_can_never_fit_is_refused_at_once)
{
    rig.host.gatt.result = -EAGAIN;
    unsigned c = rig_call(&rig, ":1.1", GATTC, "Write", "qqayya{sv}", 1, 21, 21, 1, 2, 3, 4, 5, 6,
                          7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 0, 0);
    ck_assert_str_eq(answer(c), "org.freedesktop.DBus.Error.InvalidArgs");
    ck_assert_msg(strstr(sentence(c), "21 octets") && strstr(sentence(c), "20 fit"), "%s",
                  sentence(c));
}
END_TEST

/* ---- subscriptions ---- */

START_TEST(one_write_serves_all_who_want_the_same)
{
    attach(":1.1");
    attach(":1.2");
    unsigned a = subscribe(":1.1", 1), b = subscribe(":1.2", 1), c = subscribe(":1.3", 1);
    ck_assert_uint_eq(count_log("subscribe"), 1);
    ck_assert_str_eq(answer(b), "");
    done(BL_OK);
    ck_assert_str_eq(answer(a), "reply");
    ck_assert_str_eq(answer(b), "reply");
    ck_assert_str_eq(answer(c), "reply");
}
END_TEST

/* By hand, or by services that the peer has put in place of others, it may be anything by now. */
START_TEST(whoever_asks_again_has_it_written_again)
{
    subscribe(":1.1", 1);
    done(BL_OK);
    unsigned again = subscribe(":1.1", 1);
    ck_assert_uint_eq(count_log("subscribe"), 2);
    ck_assert_str_eq(answer(again), "");
    done(BL_OK);
    ck_assert_str_eq(answer(again), "reply");
    attach(":1.2");
    unsigned none = subscribe(":1.2", 0); /* has none: what the others want is written */
    ck_assert_uint_eq(count_log("subscribe"), 3);
    ck_assert_uint_eq(rig.host.gatt.bits, 1);
    done(BL_OK);
    ck_assert_str_eq(answer(none), "reply");
}
END_TEST

START_TEST(a_failed_write_takes_back_all_that_shared_it)
{
    attach(":1.1");
    attach(":1.2");
    unsigned a = subscribe(":1.1", 1), b = subscribe(":1.2", 1), c = subscribe(":1.2", 2);
    rig_forget(&rig);
    notified(21); /* nothing is lost before the peer has answered */
    ck_assert_ptr_nonnull(rig_find(&rig, "signal Notified -> :1.1 1 21"));
    ck_assert_ptr_nonnull(rig_find(&rig, "signal Notified -> :1.2 1 21"));
    done(0x03);
    ck_assert_str_eq(answer(a), "org.bled.Error.Att.WriteNotPermitted");
    ck_assert_str_eq(answer(b), "org.bled.Error.Att.WriteNotPermitted");
    ck_assert_str_eq(answer(c), ""); /* it asked for more, later */
    ck_assert_uint_eq(rig.host.gatt.bits, 2);
    done(BL_OK);
    ck_assert_str_eq(answer(c), "reply");
    rig_forget(&rig);
    notified(21);
    ck_assert_ptr_null(rig_find(&rig, "signal Notified -> :1.1"));
    ck_assert_ptr_nonnull(rig_find(&rig, "signal Notified -> :1.2"));
}
END_TEST

START_TEST(a_failed_change_leaves_what_was_there)
{
    subscribe(":1.1", 1);
    done(BL_OK);
    unsigned more = subscribe(":1.1", 3);
    ck_assert_uint_eq(rig.host.gatt.bits, 3);
    done(0x80);
    ck_assert_str_eq(answer(more), "org.bled.Error.Att.Application80");
    ck_assert_uint_eq(count_log("subscribe"), 2); /* the CCCD is what it was: nothing to write */
    unsigned none = subscribe(":1.1", 0);
    ck_assert_uint_eq(rig.host.gatt.bits, 0);
    done(0x80);
    ck_assert_str_eq(answer(none), "org.bled.Error.Att.Application80");
    ck_assert_uint_eq(count_log("subscribe"), 3);
    rig_forget(&rig);
    notified(21); /* still there */
    ck_assert_ptr_nonnull(rig_find(&rig, "signal Notified"));
}
END_TEST

START_TEST(one_that_wants_less_than_the_write_under_way_does_not_fail_with_the_next)
{
    attach(":1.1");
    attach(":1.2");
    attach(":1.3");
    unsigned a = subscribe(":1.1", 1), b = subscribe(":1.2", 2), c = subscribe(":1.3", 1);
    done(BL_OK);
    ck_assert_str_eq(answer(a), "reply");
    ck_assert_str_eq(answer(c), "reply");
    ck_assert_str_eq(answer(b), "");
    ck_assert_uint_eq(rig.host.gatt.bits, 3);
    done(0x03);
    ck_assert_str_eq(answer(b), "org.bled.Error.Att.WriteNotPermitted");
    ck_assert_uint_eq(count_log("subscribe"), 2);
}
END_TEST

START_TEST(unsubscribing_and_subscribing_again_cross)
{
    subscribe(":1.1", 1);
    done(BL_OK);
    unsigned off = subscribe(":1.1", 0), on = subscribe(":1.1", 1);
    ck_assert_uint_eq(rig.host.gatt.bits, 0);
    done(BL_OK);
    ck_assert_str_eq(answer(off), "reply");
    ck_assert_str_eq(answer(on), "");
    ck_assert_uint_eq(rig.host.gatt.bits, 1);
    done(BL_OK);
    ck_assert_str_eq(answer(on), "reply");
}
END_TEST

START_TEST(detach_waits_until_the_peer_knows)
{
    attach(":1.1");
    attach(":1.2");
    subscribe(":1.1", 1);
    done(BL_OK);
    subscribe(":1.2", 2);
    unsigned d = detach(":1.2"); /* while its write is under way */
    ck_assert_str_eq(answer(d), "");
    ck_assert_uint_eq(rig.host.gatt.bits, 3);
    done(BL_OK);
    ck_assert_uint_eq(rig.host.gatt.bits, 1);
    ck_assert_str_eq(answer(d), "");
    done(BL_OK);
    ck_assert_str_eq(answer(d), "reply");
    ck_assert_uint_eq(count_log("subscribe"), 3);

    d = detach(":1.1");
    ck_assert_uint_eq(rig.host.gatt.bits, 0);
    done(0x80); /* whatever it says */
    ck_assert_str_eq(answer(d), "reply");
    ck_assert_uint_eq(count_log("subscribe"), 4);
}
END_TEST

START_TEST(detach_does_not_wait_long_for_a_peer_that_is_silent)
{
    attach(":1.1");
    subscribe(":1.1", 1);
    done(BL_OK);
    unsigned d = detach(":1.1");
    ck_assert_uint_eq(rig.host.gatt.bits, 0);
    rig.now += 1999999;
    rig_run(&rig);
    ck_assert_str_eq(answer(d), "");
    rig.now += 1;
    rig_run(&rig);
    ck_assert_str_eq(answer(d), "reply");
    done(BL_OK); /* late, and nobody's any more */
}
END_TEST

START_TEST(detach_of_one_of_two_alike_writes_nothing)
{
    attach(":1.1");
    attach(":1.2");
    subscribe(":1.1", 1);
    subscribe(":1.2", 1);
    done(BL_OK);
    ck_assert_str_eq(answer(detach(":1.1")), "reply");
    ck_assert_uint_eq(count_log("subscribe"), 1);
}
END_TEST

START_TEST(a_write_that_found_no_room_is_made_later)
{
    attach(":1.1");
    subscribe(":1.1", 1);
    done(BL_OK);
    reading(":1.2");
    bl_op op = rig.host.last_op;
    rig.host.gatt.result = -EBUSY;
    unsigned d = detach(":1.1");
    ck_assert_str_eq(answer(d), "");
    rig.host.gatt.result = 0;
    read_done(op);
    ck_assert_uint_eq(rig.host.gatt.bits, 0);
    ck_assert_str_eq(answer(d), "");
    done(BL_OK);
    ck_assert_str_eq(answer(d), "reply");
}
END_TEST

START_TEST(the_end_of_the_link_ends_subscriptions_before_it_is_told)
{
    attach(":1.1");
    unsigned a = subscribe(":1.1", 1), b = subscribe(":1.2", 2);
    unsigned d = detach(":1.1");
    rig.host.gatt.result = -ENOTCONN;
    done(BL_STATUS_HCI + 0x13);
    disconnected(1);
    ck_assert_str_eq(answer(a), "org.bled.Error.Disconnected");
    ck_assert_str_eq(answer(b), "org.bled.Error.Disconnected");
    ck_assert_str_eq(answer(d), "reply");
    ck_assert(list_empty(&rig.a->calls));
    ck_assert(list_empty(&rig.a->owners[0]->things));
    ck_assert_uint_lt(rig_index(&rig, "error"), rig_index(&rig, "signal Disconnected"));
}
END_TEST

START_TEST(calls_for_the_next_write_are_cut_with_the_reason)
{
    unsigned a = subscribe(":1.1", 1), b = subscribe(":1.1", 3);
    rig.host.gatt.result = -ENOTCONN;
    done(BL_STATUS_HCI + 0x08);
    ck_assert_msg(strstr(sentence(a), "0x08") != NULL, "%s", sentence(a));
    ck_assert_msg(strstr(sentence(b), "0x08") != NULL, "%s", sentence(b));
}
END_TEST

START_TEST(changed_services_are_told)
{
    event(&(struct bl_event){.kind = BL_EV_GATTC_SERVICES_CHANGED,
                             .gatt = {.conn = 1, .start = 22, .end = 0xffff}});
    ck_assert_ptr_nonnull(rig_find(&rig, "signal ServicesChanged -> * 1 22 65535"));
}
END_TEST

START_TEST(an_owner_has_1024_subscriptions)
{
    unsigned c = 0;
    for (unsigned handle = 1; handle <= 1025; handle++) {
        c = rig_call(&rig, ":1.1", GATTC, "Subscribe", "qqya{sv}", 1, handle, 1, 0);
        if (handle <= 1024)
            done(BL_OK);
    }
    ck_assert_str_eq(answer(c), "org.bled.Error.NoResources");
    attach(":1.2");
    c = subscribe(":1.2", 1);
    done(BL_OK);
    ck_assert_str_eq(answer(c), "reply");
    c = rig_call(&rig, ":1.1", GATTC, "Subscribe", "qqya{sv}", 1, 7, 1, 0);
    done(BL_OK);
    ck_assert_str_eq(answer(c), "reply");
}
END_TEST

START_TEST(a_failed_subscription_makes_no_user)
{
    attach(":1.1");
    unsigned c = subscribe(":1.1", 1);
    struct bus_conn *conn = bus_conn_find(rig.a, 1, NULL);
    struct bus_owner *o = rig.a->owners[1];
    ck_assert_ptr_nonnull(bus_conn_use_of(conn, o));
    done(0x0a);
    ck_assert_str_eq(answer(c), "org.bled.Error.Att.AttributeNotFound");
    ck_assert_ptr_null(bus_conn_use_of(conn, o));
    subscribe(":1.1", 1);
    done(BL_OK);
    ck_assert_ptr_nonnull(bus_conn_use_of(conn, o));
}
END_TEST

START_TEST(subscribing_to_nothing_writes_where_nothing_is_known)
{
    unsigned c = subscribe(":1.1", 0);
    ck_assert_uint_eq(count_log("subscribe"), 1);
    ck_assert_uint_eq(rig.host.gatt.bits, 0);
    unsigned d = subscribe(":1.2", 0);
    done(BL_OK);
    ck_assert_str_eq(answer(c), "reply");
    ck_assert_str_eq(answer(d), "reply");
    ck_assert_uint_eq(count_log("subscribe"), 1);
    ck_assert_ptr_null(bus_sub_find(rig.a, rig.a->owners[0], 1, 21));
}
END_TEST

START_TEST(values_go_to_subscribers_else_to_users)
{
    attach(":1.1");
    attach(":1.2");
    notified(21);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal Notified -> * 1 21"));
    subscribe(":1.1", 1);
    rig_forget(&rig);
    value(BL_EV_GATTC_INDICATED, 0, 21, "");
    ck_assert_uint_eq(rig_count(&rig, "signal"), 1);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal Indicated -> :1.1 1 21"));
    rig_forget(&rig);
    notified(22);
    ck_assert_uint_eq(rig_count(&rig, "signal"), 1);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal Notified -> * 1 22"));
    subscribe(":1.9", 1);
    rig_forget(&rig);
    notified(21);
    ck_assert_uint_eq(rig_count(&rig, "signal"), 1); /* broadcast: it reaches :1.1 too */
    ck_assert_ptr_nonnull(rig_find(&rig, "signal Notified -> * 1 21"));
}
END_TEST

/* ---- ListenFor ---- */

static unsigned listen_for(const char *name, unsigned n, unsigned timeout_ms)
{
    return rig_call(&rig, name, GATTC, "ListenFor", "qqua{sv}", 1, 21, n, 1, "timeout_ms", "u",
                    timeout_ms);
}

static void later(uint64_t us)
{
    rig.now += us;
    rig_run(&rig);
}

START_TEST(a_listener_is_answered_when_its_time_is_over)
{
    unsigned none = listen_for(":1.1", 2, 1000), some = listen_for(":1.2", 2, 2000);
    unsigned ever = listen_for(":1.3", 2, 0);
    later(999999);
    ck_assert_str_eq(answer(none), "");
    later(1);
    ck_assert_str_eq(answer(none), "org.bled.Error.Timeout");
    notified(21);
    ck_assert_str_eq(answer(some), "");
    later(1000000);
    ck_assert_str_eq(answer(some), "reply");
    later(UINT64_C(1000000) * 3600 * 24);
    ck_assert_str_eq(answer(ever), "");
    notified(21);
    ck_assert_str_eq(answer(ever), "reply");
    ck_assert(list_empty(&rig.a->calls));
}
END_TEST

START_TEST(listeners_end_with_the_link_and_with_their_client)
{
    unsigned none = listen_for(":1.1", 1, 0);
    listen_for(":1.2", 1, 0);
    rig_vanish(&rig, ":1.2");
    ck_assert(rig.a->calls.next->next == &rig.a->calls);
    unsigned some = listen_for(":1.3", 2, 0);
    value(BL_EV_GATTC_NOTIFIED, 0, 22, "not this one");
    ck_assert_str_eq(answer(none), "");
    notified(21);
    ck_assert_str_eq(answer(none), "reply");
    none = listen_for(":1.1", 1, 0);
    disconnected(1);
    ck_assert_str_eq(answer(some), "reply");
    ck_assert_str_eq(answer(none), "org.bled.Error.Disconnected");
    ck_assert(list_empty(&rig.a->calls));
}
END_TEST

START_TEST(listeners_of_a_connection_share_a_bound)
{
    rig.a->config.rx_buf = 5;
    unsigned a = listen_for(":1.1", 9, 0), b = listen_for(":1.1", 9, 0);
    notified(21);
    notified(21); /* two octets each */
    ck_assert_str_eq(answer(a), "");
    notified(21); /* the fifth octet is held, the sixth would be too many */
    ck_assert_str_eq(answer(a), "");
    ck_assert_str_eq(answer(b), "reply");
    notified(21);
    notified(21);
    ck_assert_str_eq(answer(a), "");
    notified(21);
    ck_assert_str_eq(answer(a), "reply");
}
END_TEST

/* ---- the name ---- */

START_TEST(a_name_that_a_peer_wrote_is_made_text)
{
    static const struct {
        const char *wrote, *text;
    } ROWS[] = {{"plain", "plain"}, {"b\xc3\xb6se", "b\xc3\xb6se"}, {"\xff", "\xef\xbf\xbd"}};

    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        rig_forget(&rig);
        value(BL_EV_NAME_WRITTEN, 0, 3, ROWS[i].wrote);
        ck_assert_str_eq(rig.a->config.gap_name, ROWS[i].text);
        ck_assert_str_eq(rig.host.config.gap_name, ROWS[i].text);
        ck_assert_uint_eq(rig_count(&rig, "signal PropertiesChanged -> * org.bled.Adapter1"), 1);
        value(BL_EV_NAME_WRITTEN, 0, 3, ROWS[i].wrote);
        ck_assert_uint_eq(rig_count(&rig, "signal PropertiesChanged"), 1);
    }
    char longest[249]; /* 124 of two octets each, cut in the middle of none */
    memset(longest, 0xff, 248);
    longest[248] = '\0';
    value(BL_EV_NAME_WRITTEN, 0, 3, longest);
    ck_assert_uint_eq(strlen(rig.a->config.gap_name), 246);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        results_are_signals_after_the_reply_where_nobody_waits,
        a_caller_that_waits_gets_no_result_signals,
        a_read_that_brought_no_value_is_answered,
        results_of_an_attached_client_that_has_gone_go_to_nobody,
        errors_name_what_they_are_about,
        what_the_stack_refuses_comes_at_once,
        a_client_that_vanishes_cancels_what_it_waited_for,
        mtu_is_told_before_the_reply_and_a_second_exchange_is_none,
        a_command_is_replied_to_when_it_is_queued,
        commands_without_room_are_held_in_order,
        held_commands_end_with_their_connection_or_their_client,
        a_held_command_that_can_never_fit_is_refused_at_once,
        one_write_serves_all_who_want_the_same,
        whoever_asks_again_has_it_written_again,
        a_failed_write_takes_back_all_that_shared_it,
        a_failed_change_leaves_what_was_there,
        one_that_wants_less_than_the_write_under_way_does_not_fail_with_the_next,
        unsubscribing_and_subscribing_again_cross,
        detach_waits_until_the_peer_knows,
        detach_does_not_wait_long_for_a_peer_that_is_silent,
        detach_of_one_of_two_alike_writes_nothing,
        a_write_that_found_no_room_is_made_later,
        the_end_of_the_link_ends_subscriptions_before_it_is_told,
        calls_for_the_next_write_are_cut_with_the_reason,
        changed_services_are_told,
        an_owner_has_1024_subscriptions,
        a_failed_subscription_makes_no_user,
        subscribing_to_nothing_writes_where_nothing_is_known,
        values_go_to_subscribers_else_to_users,
        a_listener_is_answered_when_its_time_is_over,
        listeners_end_with_the_link_and_with_their_client,
        listeners_of_a_connection_share_a_bound,
        a_name_that_a_peer_wrote_is_made_text,
    };
    Suite *suite = suite_create("gattc");
    TCase *t = tcase_create("gattc");
    suite_add_tcase(suite, t);
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(t, tests[i]);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
