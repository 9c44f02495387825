/* SPDX-License-Identifier: MIT */

#include "server_fixture.h"

#include "oom.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* GATT/SR/GAN/BV-01-C, GATT/SR/GAI/BV-01-C: each client's own, Core 5.4, Vol 3, Part G, 3.3.3.3 */
START_TEST(a_cccd_is_each_clients_own)
{
    check(A, "12 2300 0100", "13");
    check(B, "12 2300 0200", "13");
    check(A, "0a 2300", "0b 0100");
    check(B, "0a 2300", "0b 0200");
    check(C, "0a 2300", "0b 0000");
    check(B, "08 0100 ffff 0229", "09 04 0b00 0000 2300 0200 5300 0000 5600 0000");
    told("subscribed 1 22 1;subscribed 2 22 2;");
    ck_assert_uint_eq(bl_gatts_bits(client(A), 0x22), 1);
    ck_assert_uint_eq(bl_gatts_bits(client(B), 0x22), 2);
    ck_assert_uint_eq(bl_gatts_bits(client(C), 0x22), 0);
    ck_assert_uint_eq(bl_gatts_bits(client(A), 0x23), 0);
    check(A, "12 2300 0100", "13");
    told(""); /* nothing has changed */
    check(A, "12 2300 0300", "13");
    check(A, "12 2300 0000", "13");
    check(A, "12 2300 0000", "13");
    told("subscribed 1 22 3;subscribed 1 22 0;");
    bl_gatt_close(&gatt, now, A, 0x113);
    told("");
    bl_gatt_close(&gatt, now, B, 0x113);
    told("subscribed 2 22 0;");
}
END_TEST

START_TEST(a_cccd_takes_two_octets_of_what_the_characteristic_has)
{
    static const struct row rows[] = {
        {"12 2300", "01 12 2300 0d"},
        {"12 2300 01", "01 12 2300 0d"},
        {"12 2300 010000", "01 12 2300 0d"},
        {"12 2300 0400", "01 12 2300 13"},
        {"12 2300 0001", "01 12 2300 13"},
        {"12 2300 ffff", "01 12 2300 13"},
        {"12 0b00 0100", "01 12 0b00 13"},
        {"12 0b00 0200", "13"},
        {"12 2300 0300", "13"},
    };

    CHECK_ROWS(A, rows);
    client(A)->security =
        (struct bl_gatt_security){.encrypted = true, .authenticated = true, .key_size = 16};
    check(A, "12 5300 0200", "01 12 5300 13");
    check(A, "12 5600 0100", "01 12 5600 13");
    told("subscribed 1 22 3;"); /* the host's own are nobody's business */
}
END_TEST

static void add_notifiers(uint16_t *handles, size_t n)
{
    struct bl_gatts_characteristic c[BL_MAX_CCCDS + 2];
    struct bl_gatts_service def = {.uuid = bl_uuid_from16(0xfeed),
                                   .handle = 0x1000,
                                   .characteristics = c,
                                   .n_characteristics = n};

    for (size_t i = 0; i < n; i++)
        c[i] = (struct bl_gatts_characteristic){
            .uuid = bl_uuid_from16(0x2a00), .flags = BL_GATT_NOTIFY, .max_len = 20};
    ck_assert_int_eq(bl_gatt_db_add(&gatt.db, &def, false, NULL, handles), 0);
}

static void subscribe(uint16_t conn, uint16_t cccd, uint8_t bits, uint8_t error)
{
    uint8_t pdu[5] = {0x12, (uint8_t)cccd, (uint8_t)(cccd >> 8), bits, 0};
    char text[32] = "13";

    says_octets(conn, pdu, 5);
    if (error)
        snprintf(text, sizeof(text), "01 12 %02x%02x %02x", pdu[1], pdu[2], error);
    hears(conn, text);
    silence();
}

START_TEST(subscriptions_are_bounded_for_each_client)
{
    uint16_t handles[BL_MAX_CCCDS + 2];

    add_notifiers(handles, ARRAY_LEN(handles));
    turn();
    for (unsigned i = BL_MAX_CCCDS; i > 0; i--)
        subscribe(A, (uint16_t)(handles[i] + 1), 1, 0);
    subscribe(A, (uint16_t)(handles[0] + 1), 1, BL_ATT_INSUFFICIENT_RESOURCES);
    subscribe(A, (uint16_t)(handles[5] + 1), 1, 0);
    subscribe(A, (uint16_t)(handles[5] + 1), 0, 0);
    subscribe(A, (uint16_t)(handles[0] + 1), 1, 0);
    subscribe(B, (uint16_t)(handles[0] + 1), 1, 0);
    for (unsigned i = 0; i <= BL_MAX_CCCDS; i++)
        ck_assert_uint_eq(bl_gatts_bits(client(A), handles[i]), i != 5);
    ck_assert_uint_eq(events.count, BL_MAX_CCCDS + 3);

    /* two in one execution, with room for one */
    check(A, "16 2300 0000 0100", "17 2300 0000 0100");
    char text[64], echo[64];
    uint16_t cccd = (uint16_t)(handles[5] + 1);
    snprintf(text, sizeof(text), "16 %02x%02x 0000 0100", cccd & 0xff, cccd >> 8);
    snprintf(echo, sizeof(echo), "17 %02x%02x 0000 0100", cccd & 0xff, cccd >> 8);
    subscribe(A, (uint16_t)(handles[6] + 1), 0, 0);
    check(A, text, echo);
    check(A, "18 01", "01 18 1210 11");
    ck_assert_uint_eq(cccd, 0x1012);
    ck_assert_uint_eq(client(A)->server.n_cccds, BL_MAX_CCCDS - 1);
    check(A, "16 2300 0000 0100", "17 2300 0000 0100");
    check(A, text, echo);
    subscribe(A, (uint16_t)(handles[7] + 1), 0, 0);
    check(A, "18 01", "19");
    ck_assert_uint_eq(client(A)->server.n_cccds, BL_MAX_CCCDS);
}
END_TEST

START_TEST(subscriptions_go_with_their_service)
{
    check(A, "12 2300 0100", "13");
    check(A, "12 0b00 0200", "13");
    told("subscribed 1 22 1;");
    remove_service(0x20);
    add_service(0x20, 0xfeed);
    turn();
    hears(A, "1d 0a00 2000 2c00");
    check(A, "0a 2300", "0b 0000");
    told("");
}
END_TEST

START_TEST(every_end_of_everything_has_room_among_the_events)
{
    uint16_t handles[BL_MAX_CCCDS + 2];
    struct bl_event e = {.kind = BL_EV_READY};

    add_notifiers(handles, ARRAY_LEN(handles));
    for (uint16_t conn = CLIENTS + 1; conn <= BL_MAX_LINKS; conn++)
        ck_assert_int_eq(bl_gatt_open(&gatt, now, conn, 0x40 + conn, BL_ROLE_PERIPHERAL), 0);
    ck_assert_int_eq(bl_gatt_open(&gatt, now, 99, 0x99, BL_ROLE_PERIPHERAL), -ENOMEM);
    for (uint16_t conn = 1; conn <= BL_MAX_LINKS; conn++) {
        for (unsigned i = 0; i < BL_MAX_CCCDS; i++)
            subscribe(conn, (uint16_t)(handles[i] + 1), 1, 0);
        while (bl_evq_pop(&events, &e))
            ck_assert_int_eq(e.kind, BL_EV_GATTS_SUBSCRIBED);
        uint16_t sent;
        bl_op number;
        for (unsigned i = 0; i < BL_MAX_INDICATIONS; i++) {
            int r = bl_gatts_do_indicate(client(conn), now, handles[i], NULL, 0, &sent, &number);
            ck_assert(r == 0 || r == -EBUSY);
        }
        hci->n_sent = hci->sent_taken = 0;
    }
    for (unsigned i = 0; i < BL_EVENTS_FULL; i++)
        bl_evq_push(&events, &(struct bl_event){.kind = BL_EV_READY});
    while (gatt.n_conns > 0)
        bl_gatt_close(&gatt, now, gatt.conns[0]->conn, BL_NOT_ACTIVE);
    ck_assert_uint_ge(events.count, BL_EVENTS_FULL + BL_MAX_LINKS * BL_MAX_CCCDS);
    ck_assert_uint_eq(events.open_ops, 0);
}
END_TEST

/* ---- Service Changed: GATT/SR/GAS/BV-01-C ---- */

START_TEST(service_changed_goes_to_those_who_want_it)
{
    check(A, "12 0b00 0200", "13");
    add_service(0x60, 0xfeed);
    turn();
    hears(A, "1d 0a00 6000 6300");
    silence();
    says(A, "1e");
    silence();
    told("");
    check(A, "12 0b00 0000", "13");
    remove_service(0x60);
    turn();
    silence();
}
END_TEST

START_TEST(changes_are_merged_while_one_is_on_the_air)
{
    check(A, "12 0b00 0200", "13");
    add_service(0x60, 0xfeed);
    add_service(0x70, 0xfeed);
    turn();
    hears(A, "1d 0a00 6000 7300");
    remove_service(0x70);
    turn();
    add_service(0x1000, 0xfeed);
    turn();
    silence();
    says(A, "1e");
    hears(A, "1d 0a00 7000 0310");
    add_service(0x80, 0xfeed);
    turn();
    add_service(0x70, 0xfeed);
    turn();
    says(A, "1e");
    hears(A, "1d 0a00 7000 8300");
    says(A, "1e");
    silence();
    told("");
}
END_TEST

START_TEST(service_changed_comes_before_what_waits)
{
    uint16_t sent;

    check(A, "12 0b00 0200", "13");
    ck_assert_int_eq(bl_gatts_do_indicate(client(A), now, 0x22, NULL, 0, &sent, &op), 0);
    ck_assert_int_eq(bl_gatts_do_indicate(client(A), now, 0x25, NULL, 0, &sent, &op), 0);
    hears(A, "1d 2200 0102");
    add_service(0x60, 0xfeed);
    turn();
    says(A, "1e");
    hears(A, "1d 0a00 6000 6300");
    told("indicated 1 22 0;done 0;");
    says(A, "1e");
    hears(A, "1d 2500 5a*20");
    told("");
}
END_TEST

START_TEST(service_changed_is_not_kept_for_who_does_not_want_it)
{
    uint16_t sent;

    check(A, "12 0b00 0200", "13");
    ck_assert_int_eq(bl_gatts_do_indicate(client(A), now, 0x22, NULL, 0, &sent, &op), 0);
    hears(A, "1d 2200 0102");
    add_service(0x60, 0xfeed);
    turn();
    check(A, "12 0b00 0000", "13");
    says(A, "1e");
    silence();
    check(A, "12 0b00 0200", "13");
    told("indicated 1 22 0;done 0;");
}
END_TEST

START_TEST(service_changed_waits_for_memory)
{
    check(A, "12 0b00 0200", "13");
    add_service(0x60, 0xfeed);
    for (unsigned long n = 1; n <= 2; n++) {
        oom_fail_at(n);
        turn();
        oom_off();
        silence();
    }
    turn();
    hears(A, "1d 0a00 6000 6300");
    bl_gatt_close(&gatt, now, A, 0x113);
    told("");
}
END_TEST

/* ---- Client Supported Features: GATT/SR/GAS/BV-04-C.., Core 5.4, Vol 3, Part G, 7.2 ---- */

START_TEST(features_are_set_and_never_cleared)
{
    static const struct row rows[] = {
        {"0a 0d00", "0b 00"},
        {"12 0d00", "01 12 0d00 0d"},
        {"12 0d00 01", "13"},
        {"0a 0d00", "0b 01"},
        {"12 0d00 00", "01 12 0d00 13"},
        {"12 0d00 02", "01 12 0d00 13"},
        {"12 0d00 05", "13"},
        {"0a 0d00", "0b 05"},
        {"12 0d00 ff ff", "13"}, /* what has no meaning yet is ignored */
        {"0a 0d00", "0b 07"},
        {"16 0d00 0000 00", "17 0d00 0000 00"},
        {"18 01", "01 18 0d00 13"},
        {"16 0d00 0000 07", "17 0d00 0000 07"},
        {"18 01", "19"},
        {"0a 0d00", "0b 07"},
    };

    CHECK_ROWS(A, rows);
    check(B, "0a 0d00", "0b 00");
    told("");
}
END_TEST

/* ---- robust caching: GATT/SR/GAS/BV-05-C.., Core 5.4, Vol 3, Part G, 2.5.2.1 ---- */

static void robust(uint16_t conn)
{
    check(conn, "12 0d00 01", "13");
}

static void change(void)
{
    static uint16_t at;

    if (at && bl_gatt_db_service(&gatt.db, at))
        remove_service(at);
    else
        at = add_service(0x60, 0xfeed);
    turn();
}

START_TEST(a_client_that_keeps_a_cache_is_told_once)
{
    robust(A);
    check(A, "0a 2200", "0b 0102");
    change();
    check(B, "0a 2200", "0b 0102"); /* keeps none */
    check(A, "0a 2200", "01 0a 2200 12");
    check(A, "0a 2200", "0b 0102");
    check(A, "0a 2200", "0b 0102");
    change();
    check(A, "12 2200 05", "01 12 2200 12");
    change(); /* before it was aware */
    check(A, "12 2200 05", "01 12 2200 12");
    check(A, "12 2200 05", "13");
    told("written 1 22 05;");
}
END_TEST

START_TEST(what_names_handles_is_out_of_sync)
{
    static const struct row rows[] = {
        {"0a 2200", "01 0a 2200 12"},           {"0c 2200 0000", "01 0c 2200 12"},
        {"0e 2200 2300", "01 0e 2200 12"},      {"20 2200 2300", "01 20 2200 12"},
        {"12 2200 05", "01 12 2200 12"},        {"16 2200 0000 05", "01 16 2200 12"},
        {"08 2000 ffff 372a", "01 08 2000 12"}, {"08 2000 ffff 2a2b", "01 08 2000 12"},
        {"08 0100 feff 372a", "01 08 0100 12"}, {"0a ffff", "01 0a ffff 12"},
    };

    robust(A);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        change();
        check(A, rows[i].request, rows[i].response);
    }
    told("");
}
END_TEST

START_TEST(discovery_and_the_hash_go_on)
{
    static const struct row rows[] = {
        {"10 1200 ffff 0028", "11 06 2000 2c00 0d18 3000 3800 0f18"},
        {"06 0100 ffff 0028 0d18", "07 2000 2c00"},
        {"04 2200 2200", "05 01 2200 372a"},
        {"08 2000 2300 0328", "09 07 2100 7e 2200 372a"},
        {"08 4000 ffff 0228", "09 08 4100 3000 3800 0f18"},
        {"08 0100 ffff 372a", "09 04 2200 0102"},
        {"18 01", "19"},
    };

    robust(A);
    change();
    CHECK_ROWS(A, rows);
    check(A, "0a 2200", "01 0a 2200 12"); /* none of that made it aware */
}
END_TEST

static void read_hash(uint16_t conn)
{
    const uint8_t *hash;
    char text[64] = "09 12 0f00 ";

    ck_assert_int_eq(bl_gatt_db_hash(&gatt.db, &hash), 0);
    for (unsigned i = 0; i < 16; i++)
        snprintf(text + 11 + 2 * i, 3, "%02x", hash[i]);
    check(conn, "08 0100 ffff 2a2b", text);
}

/* GATT/SR/GAS/BV-06-C */
START_TEST(the_hash_makes_aware_with_the_next_request)
{
    robust(A);
    change();
    read_hash(A);
    says(A, "52 2200 05"); /* a command is no request */
    told("");
    check(A, "0a 2200", "0b 0102");
    says(A, "52 2200 05");
    told("written 1 22 05;");
}
END_TEST

/* Whoever only asks where it is has not read it. */
START_TEST(a_search_for_the_hash_makes_nobody_aware)
{
    robust(A);
    change();
    check(A, "06 0100 ffff 2a2b ee", "01 06 0100 0a");
    check(A, "0a 2200", "01 0a 2200 12");
}
END_TEST

/* GATT/SR/GAS/BV-07-C */
START_TEST(service_changed_makes_aware)
{
    robust(A);
    check(A, "12 0b00 0200", "13");
    change();
    hears(A, "1d 0a00 6000 6300");
    says(A, "1e");
    check(A, "0a 2200", "0b 0102");
    change();
    hears(A, "1d 0a00 6000 6300");
    change(); /* it will not know of this one by confirming that one */
    says(A, "1e");
    hears(A, "1d 0a00 6000 6300");
    check(A, "0a 2200", "01 0a 2200 12");
    says(A, "1e");
    check(A, "0a 2200", "0b 0102");
}
END_TEST

START_TEST(commands_of_the_unaware_are_ignored)
{
    robust(A);
    change();
    says(A, "52 2200 05");
    silence();
    told("");
    check(A, "0a 2200", "01 0a 2200 12");
    says(A, "52 2200 05");
    told("");
    check(A, "0a 2200", "0b 0102");
    says(A, "52 2200 05");
    told("written 1 22 05;");
}
END_TEST

START_TEST(the_unaware_get_nothing_but_service_changed)
{
    uint16_t sent = 7;

    robust(A);
    check(A, "12 2300 0100", "13");
    check(B, "12 2300 0100", "13");
    check(A, "0a 5300", "0b 0000");
    told("subscribed 1 22 1;subscribed 2 22 1;");
    change();
    ck_assert_int_eq(bl_gatts_do_notify(client(A), now, 0x22, NULL, 0, &sent, &op), 1);
    ck_assert_uint_eq(sent, 0);
    ck_assert_int_eq(bl_gatts_do_indicate(client(A), now, 0x22, NULL, 0, &sent, &op), 0);
    silence();
    ck_assert_int_eq(
        bl_gatts_do_write(&gatt, now, 0x22, (const uint8_t *)"x", 1, true, &(bl_op){0}), 1);
    hears(B, "1b 2200 78");
    silence();
    check(A, "0a 2200", "01 0a 2200 12");
    says(A, "0a 2200");
    hears(A, "0b 78");
    hears(A, "1d 2200 0102"); /* what it was when it was asked for */
    says(A, "1e");
    told("indicated 1 22 0;done 0;");
}
END_TEST

START_TEST(a_new_link_knows_the_database)
{
    robust(A);
    change();
    bl_gatt_close(&gatt, now, A, 0x113);
    ck_assert_int_eq(bl_gatt_open(&gatt, now, A, 0x41, BL_ROLE_CENTRAL), 0);
    robust(A);
    check(A, "0a 2200", "0b 0102");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("server_subs");
    TCase *t = tcase_create("server_subs");

    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_cccd_is_each_clients_own);
    tcase_add_test(t, a_cccd_takes_two_octets_of_what_the_characteristic_has);
    tcase_add_test(t, subscriptions_are_bounded_for_each_client);
    tcase_add_test(t, subscriptions_go_with_their_service);
    tcase_add_test(t, every_end_of_everything_has_room_among_the_events);
    tcase_add_test(t, service_changed_goes_to_those_who_want_it);
    tcase_add_test(t, changes_are_merged_while_one_is_on_the_air);
    tcase_add_test(t, service_changed_comes_before_what_waits);
    tcase_add_test(t, service_changed_is_not_kept_for_who_does_not_want_it);
    tcase_add_test(t, service_changed_waits_for_memory);
    tcase_add_test(t, features_are_set_and_never_cleared);
    tcase_add_test(t, a_client_that_keeps_a_cache_is_told_once);
    tcase_add_test(t, what_names_handles_is_out_of_sync);
    tcase_add_test(t, discovery_and_the_hash_go_on);
    tcase_add_test(t, the_hash_makes_aware_with_the_next_request);
    tcase_add_test(t, a_search_for_the_hash_makes_nobody_aware);
    tcase_add_test(t, service_changed_makes_aware);
    tcase_add_test(t, commands_of_the_unaware_are_ignored);
    tcase_add_test(t, the_unaware_get_nothing_but_service_changed);
    tcase_add_test(t, a_new_link_knows_the_database);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
