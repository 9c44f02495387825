/* SPDX-License-Identifier: MIT */

/* Values read and written here, and what goes out: order, room, ends. */

#include "gatts_rig.h"

#include <errno.h>
#include <stdio.h>

#define INVALID SD_BUS_ERROR_INVALID_ARGS

static uint16_t value; /* of a service of the daemon's */
static size_t base;    /* what the stack had taken before */

static void setup(void)
{
    value = add_service(":1.1");
    connected(1);
    connected(2);
    base = rig.host.gatt.n_log;
    rig_forget(&rig);
}

static unsigned notify(const char *who, uint16_t conn, unsigned first)
{
    return rig_call(&rig, who, GATTS, "Notify", "qqa{sv}", conn, value, 1, "value", "ay", 2, first,
                    0);
}

static unsigned indicate(const char *who, uint16_t conn)
{
    return rig_call(&rig, who, GATTS, "Indicate", "qqa{sv}", conn, value, 0);
}

static unsigned store(const char *who, unsigned first, int update)
{
    return rig_call(&rig, who, GATTS, "Write", "qayb", value, 1, first, update);
}

static void room(void)
{
    rig.host.gatt.result = 1;
    rig_done(&rig, 99999, BL_OK); /* somebody else's operation */
}

START_TEST(a_notification_is_answered_when_it_is_queued)
{
    setup();
    unsigned call = notify(":1.5", 1, 7);
    ck_answer(call, "reply");
    ck_assert_ptr_nonnull(strstr(text_of(call), " 2")); /* octets */
    ck_log(base, "notify", 1, value);
    rig.host.gatt.result = 0;
    call = notify(":1.5", 1, 7);
    bl_op op = rig.host.last_op;
    ck_answer(call, "");
    rig_done(&rig, op, BL_OK);
    ck_answer(call, "reply");
    call = notify(":1.5", 1, 7);
    rig_done(&rig, rig.host.last_op, bl_status_hci(0x13));
    ck_answer(call, "org.bled.Error.Disconnected");
}
END_TEST

START_TEST(who_does_not_wait_is_answered_in_zeros)
{
    setup();
    unsigned call = rig_call(&rig, ":1.5", GATTS, "Notify", "qqa{sv}", 1, value, 1, "wait", "b", 0);
    ck_assert_str_eq(text_of(call) + strlen(text_of(call)) - 2, " 0");
    rig.host.gatt.result = 0;
    call = rig_call(&rig, ":1.5", GATTS, "Indicate", "qqa{sv}", 1, value, 1, "wait", "b", 0);
    ck_assert_str_eq(text_of(call) + strlen(text_of(call)) - 2, " 0");
    rig_done(&rig, rig.host.last_op, BL_OK);
    ck_assert_uint_eq(rig_count(&rig, "reply"), 2);
    ck_assert(list_empty(&rig.a->calls));
}
END_TEST

START_TEST(an_indication_is_answered_after_its_signal)
{
    setup();
    rig.host.gatt.result = 0;
    unsigned call = indicate(":1.5", 2);
    bl_op op = rig.host.last_op;
    event(&(struct bl_event){.kind = BL_EV_GATTS_INDICATE_DONE,
                             .gatt = {.conn = 2, .handle = value, .status = BL_OK}});
    ck_answer(call, "");
    rig_done(&rig, op, BL_OK);
    ck_answer(call, "reply");
    ck_assert_uint_lt(rig_index(&rig, "signal IndicateDone -> * 2 18 0"), rig_index(&rig, "reply"));
    call = indicate(":1.5", 2);
    rig_done(&rig, rig.host.last_op, BL_TIMEOUT);
    ck_answer(call, "org.bled.Error.Timeout");
}
END_TEST

START_TEST(what_finds_no_room_waits_in_order)
{
    setup();
    rig.host.gatt.result = -EAGAIN;
    unsigned first = notify(":1.5", 1, 1);
    unsigned second = notify(":1.6", 1, 2);
    rig.host.gatt.result = 1;
    unsigned third = notify(":1.7", 1, 3); /* there is room, but others were before */
    unsigned other = notify(":1.8", 2, 4); /* another connection */
    ck_answer(first, "");
    ck_answer(second, "");
    ck_answer(third, "");
    ck_answer(other, "reply");
    ck_assert_uint_eq(rig.host.gatt.log[base].first, 4);
    room();
    ck_answer(first, "reply");
    ck_answer(second, "reply");
    ck_answer(third, "reply");
    for (unsigned i = 1; i <= 3; i++)
        ck_assert_uint_eq(rig.host.gatt.log[base + i].first, i);
    ck_assert(list_empty(&gatts_of(rig.a)->held));
}
END_TEST

START_TEST(an_update_that_waits_holds_back_its_owners_later_calls)
{
    setup();
    attach(":1.9");
    rig.host.gatt.result = -EAGAIN;
    unsigned update = store(":1.5", 1, true);
    rig.host.gatt.result = 1;
    unsigned other = notify(":1.9", 2, 4);
    ck_answer(other, "reply");
    unsigned plain = store(":1.5", 2, false), after = notify(":1.6", 2, 3); /* one owner: daemon */
    ck_answer(update, "");
    ck_answer(plain, "");
    ck_answer(after, "");
    room();
    ck_answer(update, "reply");
    ck_answer(plain, "reply");
    ck_answer(after, "reply");
    ck_log(base + 1, "write_update", 0, value);
    ck_log(base + 2, "write", 0, value);
    ck_log(base + 3, "notify", 2, value);
}
END_TEST

START_TEST(what_waits_without_a_value_keeps_the_stored_one)
{
    setup();
    ck_answer(store(":1.5", 0x11, false), "reply");
    rig.host.gatt.result = -EAGAIN;
    unsigned call = rig_call(&rig, ":1.5", GATTS, "Notify", "qqa{sv}", 1, value, 0);
    ck_answer(call, "");
    ck_answer(store(":1.6", 0x22, false), "reply");
    room();
    ck_answer(call, "reply");
    ck_assert_uint_eq(rig.host.gatt.log[base + 2].first, 0x11);
}
END_TEST

START_TEST(what_waits_ends_with_its_connection)
{
    setup();
    rig.host.gatt.result = -EAGAIN;
    unsigned one = notify(":1.5", 1, 1), two = indicate(":1.5", 1), other = notify(":1.5", 2, 1);
    disconnected(1);
    ck_answer(one, "org.bled.Error.Disconnected");
    ck_answer(two, "org.bled.Error.Disconnected");
    ck_answer(other, "");
    ck_assert_uint_eq(rig_count(&rig, "signal IndicateDone -> * 1 18 275"), 1); /* 0x113 */
    ck_assert_uint_lt(rig_index(&rig, "signal IndicateDone"), rig_index(&rig, "signal Disconn"));
    room();
    ck_answer(other, "reply");
}
END_TEST

START_TEST(what_waits_ends_with_its_service)
{
    setup();
    rig.host.gatt.result = -EAGAIN;
    unsigned one = notify(":1.5", 1, 1), two = indicate(":1.5", 1);
    ck_answer(rig_call(&rig, ":1.6", GATTS, "RemoveService", "q", value - 2), "reply");
    ck_answer(one, "org.bled.Error.Canceled");
    ck_answer(two, "org.bled.Error.Canceled");
    ck_assert_uint_eq(rig_count(&rig, "signal IndicateDone -> * 1 18 1026"), 1); /* 0x402 */
}
END_TEST

/* The handle is another client's when the peer confirms. */
START_TEST(what_is_on_the_air_ends_with_its_service)
{
    attach(":1.5");
    value = add_service(":1.5");
    connected(1);
    rig.host.gatt.result = 0;
    unsigned one = indicate(":1.5", 1), two = notify(":1.5", 1, 1), quiet;
    bl_op op = rig.host.last_op;
    rig.host.gatt.on_the_air = value;
    rig_forget(&rig);
    ck_answer(rig_call(&rig, ":1.5", GATTS, "RemoveService", "q", value - 2), "reply");
    ck_assert_uint_eq(rig_count(&rig, "signal IndicateDone -> :1.5 1 18 1026"), 1);
    ck_answer(one, "org.bled.Error.Canceled");
    ck_answer(two, "org.bled.Error.Canceled");
    ck_assert_uint_lt(rig_index(&rig, "signal IndicateDone"), rig_index(&rig, "error"));
    ck_assert_uint_lt(rig_index(&rig, "error"), rig_index(&rig, "reply"));

    rig.host.gatt.result = 1;
    attach(":1.6");
    ck_assert_uint_eq(add_service(":1.6"), value);
    rig.host.gatt.result = 0;
    quiet = indicate(":1.6", 1);
    rig_forget(&rig);
    rig_done(&rig, op - 1, BL_CANCELED);
    rig_done(&rig, op, BL_OK);
    ck_answer(quiet, "");
    ck_assert_uint_eq(rig_count(&rig, "signal"), 0);
    ck_assert_uint_eq(rig_count(&rig, "error"), 0);
}
END_TEST

START_TEST(what_waits_goes_out_though_its_caller_has_gone)
{
    setup();
    rig.host.gatt.result = -EAGAIN;
    notify(":1.5", 1, 1);
    rig_vanish(&rig, ":1.5");
    room();
    ck_log(base, "notify", 1, value);
    ck_assert(list_empty(&rig.a->calls));
}
END_TEST

START_TEST(a_client_may_have_so_many_calls_waiting)
{
    setup();
    rig.host.gatt.result = -EAGAIN;
    for (int i = 0; i < BUS_MAX_CALLS / 2; i++) {
        ck_answer(notify(":1.5", 1, 1), "");
        rig_call_noreply(&rig, ":1.5", GATTS, "Notify", "qqa{sv}", 1, value, 0);
    }
    ck_answer(notify(":1.5", 1, 1), "org.bled.Error.Busy");
    ck_answer(notify(":1.6", 1, 1), "");
    room();
    ck_assert_uint_eq(rig.host.gatt.n_log - base, BUS_MAX_CALLS + 1);
    ck_assert(list_empty(&rig.a->calls));
}
END_TEST

START_TEST(values_are_read_and_written)
{
    setup();
    ck_answer(store(":1.5", 7, false), "reply");
    ck_assert_uint_eq(rig.host.gatt.values[value].data[0], 7);
    ck_answer(rig_call(&rig, ":1.5", GATTS, "Read", "q", value), "reply");
    ck_answer(rig_call(&rig, ":1.5", GATTS, "Write", "qayb", value, 0, 1), "reply"); /* empty */
    ck_assert_uint_eq(rig.host.gatt.values[value].len, 0);
    ck_answer(rig_call(&rig, ":1.5", GATTS, "SetBuffer", "qub", value, 512, 1), "reply");
    ck_assert(rig.host.gatt.append);
    ck_answer(rig_call(&rig, ":1.5", GATTS, "SetBuffer", "qub", value, 513, 1), INVALID);
    ck_answer(rig_call(&rig, ":1.5", GATTS, "SetBuffer", "qub", value, 65536 + 20, 1), INVALID);
}
END_TEST

static unsigned write_octets(size_t n, int update)
{
    sd_bus_message *call;
    uint64_t number = 0;
    void *p;

    must(sd_bus_message_new_method_call(rig.peer, &call, "org.bled", "/org/bled/hci0", GATTS,
                                        "Write") >= 0);
    must(sd_bus_message_set_sender(call, ":1.5") >= 0);
    must(sd_bus_message_append(call, "q", value) >= 0);
    must(sd_bus_message_append_array_space(call, 'y', n, &p) >= 0);
    memset(p, 0x55, n);
    must(sd_bus_message_append(call, "b", update) >= 0);
    must(sd_bus_send(rig.peer, call, &number) >= 0);
    sd_bus_message_unref(call);
    rig_run(&rig);
    return (unsigned)number;
}

START_TEST(values_have_512_octets_at_most)
{
    setup();
    ck_answer(write_octets(512, 0), "reply");
    ck_answer(write_octets(513, 0), INVALID);
    ck_answer(write_octets(70000, 1), INVALID);
    ck_assert_uint_eq(rig.host.gatt.values[value].len, 512);
}
END_TEST

START_TEST(what_cannot_be_sent_is_refused)
{
    setup();
    ck_answer(notify(":1.5", 9, 1), "org.bled.Error.NotConnected");
    ck_answer(notify(":1.5", 0, 1), "org.bled.Error.NotConnected");
    unsigned add = rig_call(&rig, ":1.5", GATTS, "AddCharacteristic", "qa{sv}", value - 2, 3,
                            "uuid", "s", "2a38", "flags", "u", 2, "descriptors", "aa{sv}", 1, 2,
                            "uuid", "s", "2901", "flags", "u", 2);
    ck_answer(add, "reply");
    struct bus_attr *t = bus_gatts_next_characteristic(rig.a, value);
    uint16_t descriptor = (uint16_t)(t->handle + 1);
    unsigned call = rig_call(&rig, ":1.5", GATTS, "Notify", "qqa{sv}", 1, descriptor, 0);
    ck_answer(call, "org.bled.Error.NotFound");
    ck_assert_ptr_nonnull(strstr(text_of(call), "descriptor"));
    ck_answer(rig_call(&rig, ":1.5", GATTS, "Write", "qayb", descriptor, 1, 1, 1), INVALID);
    ck_answer(rig_call(&rig, ":1.5", GATTS, "Write", "qayb", descriptor, 1, 1, 0), "reply");
    ck_answer(rig_call(&rig, ":1.5", GATTS, "Notify", "qqa{sv}", 1, value, 1, "values", "ay", 0),
              INVALID);
}
END_TEST

static void add(TCase *t)
{
    tcase_add_test(t, a_notification_is_answered_when_it_is_queued);
    tcase_add_test(t, who_does_not_wait_is_answered_in_zeros);
    tcase_add_test(t, an_indication_is_answered_after_its_signal);
    tcase_add_test(t, what_finds_no_room_waits_in_order);
    tcase_add_test(t, an_update_that_waits_holds_back_its_owners_later_calls);
    tcase_add_test(t, what_waits_without_a_value_keeps_the_stored_one);
    tcase_add_test(t, what_waits_ends_with_its_connection);
    tcase_add_test(t, what_waits_ends_with_its_service);
    tcase_add_test(t, what_is_on_the_air_ends_with_its_service);
    tcase_add_test(t, what_waits_goes_out_though_its_caller_has_gone);
    tcase_add_test(t, a_client_may_have_so_many_calls_waiting);
    tcase_add_test(t, values_are_read_and_written);
    tcase_add_test(t, values_have_512_octets_at_most);
    tcase_add_test(t, what_cannot_be_sent_is_refused);
}

int main(void)
{
    return gatts_main("gatts_value", add);
}
