/* SPDX-License-Identifier: MIT */

#include "server_fixture.h"

#include "oom.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int reply(uint8_t error, const char *hex)
{
    uint8_t value[600];
    size_t n = hex ? octets(hex, value, sizeof(value)) : 0;
    int r = bl_gatts_do_reply(&gatt, now, last_request, error, hex ? value : NULL, n);

    turn();
    return r;
}

/* A request that is asked about, and not answered yet. */
static void asks(uint16_t conn, const char *request, const char *event)
{
    says(conn, request);
    silence();
    told(event);
}

START_TEST(a_read_waits_for_the_reply)
{
    asks(A, "0a 3200", "read# 1 32;");
    ck_assert_int_eq(reply(0, NULL), 0);
    hears(A, "0b 61");
    asks(A, "0a 3200", "read# 1 32;");
    ck_assert_int_eq(reply(0, "0102"), 0);
    hears(A, "0b 0102");
    has(0x32, "61"); /* served, not stored */
    asks(A, "0a 3200", "read# 1 32;");
    ck_assert_int_eq(reply(0, ""), 0);
    hears(A, "0b");
    asks(A, "0a 3200", "read# 1 32;");
    ck_assert_int_eq(reply(0x80, NULL), 0);
    hears(A, "01 0a 3200 80");
    ck_assert_int_eq(reply(0, NULL), -ENOENT);
    silence();
    told("");
    ck_assert_ptr_null(client(A)->server.held);
}
END_TEST

START_TEST(the_value_is_as_it_is_when_the_reply_comes)
{
    asks(A, "0a 3200", "read# 1 32;");
    ck_assert_int_eq(bl_gatt_db_store(attr(0x32), 0, (const uint8_t *)"xyz", 3, false), 0);
    ck_assert_int_eq(reply(0, NULL), 0);
    hears(A, "0b 78797a");
}
END_TEST

START_TEST(only_the_client_that_asked_waits)
{
    asks(A, "0a 3200", "read# 1 32;");
    uint32_t first = last_request;
    check(B, "0a 2200", "0b 0102");
    asks(B, "12 3200 05", "write# 2 32 05;");
    ck_assert_uint_ne(first, last_request);
    ck_assert_int_eq(reply(0, NULL), 0);
    hears(B, "13");
    told("written 2 32 05;");
    says(A, "52 2200 0a");
    told("written 1 22 0a;");
    says(A, "0a 2200"); /* against the rules */
    hears(A, "01 0a 0000 11");
    last_request = first;
    ck_assert_int_eq(reply(0, NULL), 0);
    hears(A, "0b 05");
}
END_TEST

START_TEST(a_write_waits_for_the_reply)
{
    asks(A, "12 3200 0102", "write# 1 32 0102;");
    has(0x32, "61");
    ck_assert_int_eq(reply(0, NULL), 0);
    hears(A, "13");
    told("written 1 32 0102;");
    has(0x32, "0102");
    asks(A, "12 3200 07", "write# 1 32 07;");
    ck_assert_int_eq(reply(0, "aabbcc"), 0);
    hears(A, "13");
    told("written 1 32 aabbcc;");
    has(0x32, "aabbcc");
    asks(A, "12 3200 07", "write# 1 32 07;");
    ck_assert_int_eq(reply(0x08, NULL), 0);
    hears(A, "01 12 3200 08");
    told("");
    has(0x32, "aabbcc");
}
END_TEST

START_TEST(options_ask_as_the_flags_do)
{
    attr(0x22)->authorize_reads = true;
    attr(0x2a)->authorize_reads = true;
    attr(0x29)->authorize_writes = true;
    asks(A, "0a 2200", "read# 1 22;");
    ck_assert_int_eq(reply(0, NULL), 0);
    hears(A, "0b 0102");
    check(A, "12 2200 05", "13");
    told("written 1 22 05;");
    asks(A, "0a 2a00", "read# 1 2a;");
    ck_assert_int_eq(reply(0, "41"), 0);
    hears(A, "0b 41");
    asks(A, "12 2900 05", "write# 1 29 05;");
    ck_assert_int_eq(reply(0, NULL), 0);
    hears(A, "13");
    told("written 1 29 05;");
    check(A, "0a 2300", "0b 0000"); /* not its CCCD */
}
END_TEST

START_TEST(what_is_not_permitted_is_not_asked_about)
{
    attr(0x27)->authorize_reads = true;
    attr(0x52)->authorize_writes = true;
    attr(0x22)->authorize_writes = true;
    check(A, "0a 2700", "01 0a 2700 02");
    check(A, "12 5200 01", "01 12 5200 05");
    mtu(A, 24);
    check(A, "12 2200 01*21", "01 12 2200 0d");
    told("");
}
END_TEST

START_TEST(a_long_read_is_asked_about_once)
{
    asks(A, "0a 3200", "read# 1 32;");
    ck_assert_int_eq(reply(0, "01*44"), 0);
    hears(A, "0b 01*22");
    check(A, "0c 3200 1600", "0d 01*22");
    check(A, "0c 3200 2c00", "0d"); /* it might have gone on */
    told("");
    asks(A, "0c 3200 2c00", "read# 1 32;");
    ck_assert_int_eq(reply(0, "02*50"), 0);
    hears(A, "0d 02*6");
    asks(A, "0c 3200 0500", "read# 1 32;");
    ck_assert_int_eq(reply(0, "02*5"), 0);
    hears(A, "0d");
    asks(A, "0c 3200 0600", "read# 1 32;");
    ck_assert_int_eq(reply(0, "02*5"), 0);
    hears(A, "01 0c 3200 07");
    asks(A, "0c 3200 0000", "read# 1 32;");
    ck_assert_int_eq(reply(0, "03*600"), 0);
    hears(A, "0d 03*22");
    ck_assert_uint_eq(client(A)->server.long_len, 512);
    check(A, "0c 3200 1600", "0d 03*22");
    check(A, "0a 2200", "0b 0102");
    asks(A, "0c 3200 2c00", "read# 1 32;");
    bl_gatt_close(&gatt, now, A, 0x113);
}
END_TEST

START_TEST(several_are_asked_about_in_turn)
{
    attr(0x22)->authorize_reads = true;
    asks(A, "0e 2200 3200", "read# 1 22;");
    ck_assert_int_eq(reply(0, "aa"), 0);
    silence();
    told("read# 1 32;");
    ck_assert_int_eq(reply(0, NULL), 0);
    hears(A, "0f aa61");
    asks(A, "20 2a00 2200 3200 2200", "read# 1 22;");
    ck_assert_int_eq(reply(0, NULL), 0);
    told("read# 1 32;");
    ck_assert_int_eq(reply(0, "bb"), 0);
    hears(A, "21 0300616263 02000102 0100bb 02000102");
    asks(A, "20 2200 3200", "read# 1 22;");
    ck_assert_int_eq(reply(0, NULL), 0);
    told("read# 1 32;");
    ck_assert_int_eq(reply(0x81, NULL), 0);
    hears(A, "01 20 3200 81");
    told("");
}
END_TEST

START_TEST(read_by_type_asks_for_the_first_alone)
{
    asks(A, "08 0100 ffff 192a", "read# 1 32;");
    ck_assert_int_eq(reply(0, NULL), 0);
    hears(A, "09 03 3200 61 3800 64");
    asks(A, "08 0100 ffff 192a", "read# 1 32;");
    ck_assert_int_eq(reply(0x08, NULL), 0);
    hears(A, "01 08 3200 08");
    attr(0x38)->authorize_reads = true;
    attr(0x32)->flags &= ~(uint32_t)BL_GATT_READ_AUTHORIZED;
    check(A, "08 0100 ffff 192a", "09 03 3200 61");
    asks(A, "08 3300 ffff 192a", "read# 1 38;");
    ck_assert_int_eq(reply(0, "0102"), 0);
    hears(A, "09 04 3800 0102");
}
END_TEST

START_TEST(an_execution_asks_before_it_stores_anything)
{
    attr(0x22)->authorize_writes = true;
    check(A, "16 2900 0000 01", "17 2900 0000 01");
    check(A, "16 3200 0000 02", "17 3200 0000 02");
    check(A, "16 2200 0000 03", "17 2200 0000 03");
    check(A, "16 3200 0100 04", "17 3200 0100 04");
    told("");
    asks(A, "18 01", "write# 1 32 0204;");
    ck_assert_int_eq(reply(0, NULL), 0);
    told("write# 1 22 03;");
    has(0x29, "");
    has(0x32, "61");
    ck_assert_int_eq(reply(0, "dddd"), 0);
    hears(A, "19");
    told("written 1 29 01;written 1 32 0204;written 1 22 dddd;");
    has(0x22, "dddd");
    has(0x32, "0204");

    check(A, "16 2900 0000 07", "17 2900 0000 07");
    check(A, "16 3200 0000 07", "17 3200 0000 07");
    asks(A, "18 01", "write# 1 32 07;");
    ck_assert_int_eq(reply(0x08, NULL), 0);
    hears(A, "01 18 3200 08");
    check(A, "18 01", "19");
    told("");
    has(0x29, "01");
}
END_TEST

/* Commands hold nothing up. */
START_TEST(commands_wait_by_themselves)
{
    char text[16];

    asks(A, "52 3200 aa", "write# 1 32 aa;");
    uint32_t first = last_request;
    check(A, "0a 2200", "0b 0102");
    asks(A, "0a 3200", "read# 1 32;");
    ck_assert_int_eq(reply(0, NULL), 0);
    hears(A, "0b 61");
    asks(A, "52 3200 bb", "write# 1 32 bb;");
    ck_assert_int_eq(reply(0, NULL), 0);
    told("written 1 32 bb;");
    last_request = first;
    ck_assert_int_eq(reply(0x08, NULL), 0);
    silence();
    told("");
    has(0x32, "bb");
    for (unsigned i = 0; i < BL_MAX_HELD_COMMANDS; i++) {
        snprintf(text, sizeof(text), "52 3200 %02x", i);
        says(A, text);
    }
    ck_assert_uint_eq(client(A)->server.n_commands, BL_MAX_HELD_COMMANDS);
    ck_assert_uint_eq(events.count, BL_MAX_HELD_COMMANDS);
    says(A, "52 3200 ff");
    ck_assert_uint_eq(events.count, BL_MAX_HELD_COMMANDS);
    ck_assert_uint_eq(gatt.server.commands_dropped, 1);
    asks(B, "52 3200 cc",
         "write# 1 32 00;write# 1 32 01;write# 1 32 02;write# 1 32 03;"
         "write# 1 32 04;write# 1 32 05;write# 1 32 06;write# 1 32 07;"
         "write# 1 32 08;write# 1 32 09;write# 1 32 0a;write# 1 32 0b;"
         "write# 1 32 0c;write# 1 32 0d;write# 1 32 0e;write# 1 32 0f;"
         "write# 2 32 cc;");
    ck_assert_int_eq(reply(0, NULL), 0);
    told("written 2 32 cc;");
}
END_TEST

START_TEST(a_link_takes_its_requests_with_it)
{
    asks(A, "0a 3200", "read# 1 32;");
    uint32_t first = last_request;
    asks(A, "52 3200 aa", "write# 1 32 aa;");
    bl_gatt_close(&gatt, now, A, 0x113);
    ck_assert_int_eq(reply(0, NULL), -ENOENT);
    last_request = first;
    ck_assert_int_eq(reply(0, NULL), -ENOENT);
    ck_assert_int_eq(bl_gatts_do_reply(&gatt, now, 0, 0, NULL, 0), -ENOENT);
    silence();
    told("");
}
END_TEST

START_TEST(requests_end_with_their_attribute)
{
    asks(A, "0a 3200", "read# 1 32;");
    asks(B, "52 3200 aa", "write# 2 32 aa;");
    remove_service(0x30);
    turn();
    hears(A, "01 0a 3200 01");
    silence();
    ck_assert_int_eq(reply(0, NULL), -ENOENT);
    ck_assert_uint_eq(client(B)->server.n_commands, 0);
    check(A, "0a 2200", "0b 0102");
}
END_TEST

START_TEST(what_was_granted_goes_with_its_attribute)
{
    attr(0x22)->authorize_reads = true;
    asks(A, "0e 3200 2200", "read# 1 32;");
    ck_assert_int_eq(reply(0, "aa"), 0);
    told("read# 1 22;");
    remove_service(0x30);
    turn();
    silence();
    ck_assert_int_eq(reply(0, NULL), 0);
    hears(A, "01 0e 3200 01");
    told("");
}
END_TEST

START_TEST(a_reply_waits_for_room_among_the_events)
{
    struct bl_event e = {.kind = BL_EV_READY};

    asks(A, "12 3200 07", "write# 1 32 07;");
    for (unsigned i = 0; i < BL_EVENTS_FULL; i++)
        bl_evq_push(&events, &e);
    ck_assert_int_eq(reply(0, NULL), -EAGAIN);
    silence();
    while (bl_evq_pop(&events, &e))
        continue;
    ck_assert_int_eq(reply(0, NULL), 0);
    hears(A, "13");
    told("written 1 32 07;");
}
END_TEST

START_TEST(a_refusal_needs_no_room)
{
    struct bl_event e = {.kind = BL_EV_READY};

    asks(A, "12 3200 07", "write# 1 32 07;");
    for (unsigned i = 0; i < BL_EVENTS_FULL; i++)
        bl_evq_push(&events, &e);
    ck_assert_int_eq(reply(0x08, NULL), 0);
    hears(A, "01 12 3200 08");
    while (bl_evq_pop(&events, &e))
        continue;
}
END_TEST

START_TEST(request_numbers_are_never_zero)
{
    gatt.server.last_request = UINT32_MAX;
    asks(A, "0a 3200", "read# 1 32;");
    ck_assert_uint_eq(last_request, 1);
    ck_assert_int_eq(reply(0, NULL), 0);
    hears(A, "0b 61");
}
END_TEST

START_TEST(no_memory_is_insufficient_resources_and_a_reply_can_be_repeated)
{
    says(A, "0a 2200");
    hears(A, "0b 0102");
    oom_fail_at(1);
    bl_gatt_pdu(&gatt, now, A, (const uint8_t *)"\x0a\x32\x00", 3);
    oom_off();
    turn();
    hears(A, "01 0a 3200 11");
    told("");
    for (unsigned long n = 1; n <= 2; n++) {
        asks(A, "12 3200 07", "write# 1 32 07;");
        oom_fail_at(n);
        int r = bl_gatts_do_reply(&gatt, now, last_request, 0, (const uint8_t *)"ab", 2);
        oom_off();
        ck_assert_int_eq(r, -ENOMEM);
        silence();
        ck_assert_int_eq(reply(0, NULL), 0);
        hears(A, "13");
        told("written 1 32 07;");
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("server_auth");
    TCase *t = tcase_create("server_auth");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_read_waits_for_the_reply);
    tcase_add_test(t, the_value_is_as_it_is_when_the_reply_comes);
    tcase_add_test(t, only_the_client_that_asked_waits);
    tcase_add_test(t, a_write_waits_for_the_reply);
    tcase_add_test(t, options_ask_as_the_flags_do);
    tcase_add_test(t, what_is_not_permitted_is_not_asked_about);
    tcase_add_test(t, a_long_read_is_asked_about_once);
    tcase_add_test(t, several_are_asked_about_in_turn);
    tcase_add_test(t, read_by_type_asks_for_the_first_alone);
    tcase_add_test(t, an_execution_asks_before_it_stores_anything);
    tcase_add_test(t, commands_wait_by_themselves);
    tcase_add_test(t, a_link_takes_its_requests_with_it);
    tcase_add_test(t, requests_end_with_their_attribute);
    tcase_add_test(t, what_was_granted_goes_with_its_attribute);
    tcase_add_test(t, a_reply_waits_for_room_among_the_events);
    tcase_add_test(t, a_refusal_needs_no_room);
    tcase_add_test(t, request_numbers_are_never_zero);
    tcase_add_test(t, no_memory_is_insufficient_resources_and_a_reply_can_be_repeated);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
