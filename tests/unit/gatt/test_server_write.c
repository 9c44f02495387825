/* SPDX-License-Identifier: MIT */

#include "server_fixture.h"

#include "crypto/crypto.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

/* GATT/SR/GAW/BV-03-C, BI-02..06-C */
START_TEST(write_stores_and_tells)
{
    check(A, "12 2200 070809", "13");
    has(0x22, "070809");
    told("written 1 22 070809;");
    check(A, "12 2200", "13");
    has(0x22, "");
    told("written 1 22;");
    check(A, "12 2200 11*20", "13");
    told("written 1 22 1111111111111111111111111111111111111111;");
    mtu(A, 517);
    check(A, "12 2900 22*512", "13");
    has(0x29, "22*512");
}
END_TEST

START_TEST(write_is_refused_and_changes_nothing)
{
    static const struct row rows[] = {
        {"12 0000 01", "01 12 0000 01"},   {"12 1200 01", "01 12 1200 01"},
        {"12 ffff 01", "01 12 ffff 01"},   {"12 2500 01", "01 12 2500 03"},
        {"12 2000 01", "01 12 2000 03"},   {"12 2100 01", "01 12 2100 03"},
        {"12 2a00 01", "01 12 2a00 03"},   {"12 3600 01", "01 12 3600 03"},
        {"12 0f00 01", "01 12 0f00 03"},   {"12 1100 01", "01 12 1100 03"},
        {"12 0500 0102", "01 12 0500 03"}, {"12 5200 09", "01 12 5200 05"},
        {"12 5500 09", "01 12 5500 05"},   {"12 5900 09", "01 12 5900 05"},
        {"12 5800 09", "01 12 5800 03"},   {"12 22", "01 12 0000 04"},
    };

    CHECK_ROWS(A, rows);
    mtu(A, 24);
    check(A, "12 2200 11*21", "01 12 2200 0d"); /* GATT/SR/GAW/BI-32-C */
    has(0x22, "0102");
    told("");
}
END_TEST

/* Core 5.4, Vol 3, Part C, 10.3.1 */
START_TEST(security_is_asked_for_each_write)
{
    struct bl_gatt_security *s = &client(A)->security;

    s->has_ltk = true;
    check(A, "12 5200 09", "01 12 5200 0f");
    check(A, "12 5500 09", "01 12 5500 0f");
    check(A, "16 5500 0000 09", "01 16 5500 0f");
    check(A, "12 5600 0200", "01 12 5600 0f"); /* a CCCD asks for what its value asks for */
    check(A, "12 5300 0100", "01 12 5300 0f");
    *s = (struct bl_gatt_security){.encrypted = true, .key_size = 7};
    check(A, "12 5200 09", "01 12 5200 0c");
    check(A, "12 5300 0100", "01 12 5300 0c");
    check(A, "12 5500 09", "01 12 5500 05");
    s->key_size = 16;
    check(A, "12 5200 09", "13");
    check(A, "12 5300 0100", "13");
    check(A, "12 5900 09", "01 12 5900 05");
    s->authenticated = true;
    check(A, "12 5900 09", "13");
    check(A, "12 5600 0200", "13");
    told("written 1 52 09;subscribed 1 52 1;written 1 59 09;subscribed 1 55 2;");
}
END_TEST

/* GATT/SR/GAW/BV-01-C, BI-01.. */
START_TEST(write_commands_are_not_answered)
{
    says(A, "52 2200 0304");
    told("written 1 22 0304;");
    has(0x22, "0304");
    says(A, "52 0000 01");
    says(A, "52 1200 01");
    says(A, "52 2500 01");
    says(A, "52 2700 01"); /* by request only */
    says(A, "52 2300 0100");
    says(A, "52 5200 01");
    says(A, "52 22");
    mtu(A, 517);
    says(A, "52 2200 11*21");
    silence();
    told("");
    has(0x22, "0304");
    has(0x27, "");
}
END_TEST

START_TEST(buffers_cut_or_append)
{
    check(A, "12 2700 0102030405", "13");
    told("written 1 27 01020304;");
    has(0x27, "01020304");
    check(A, "12 2c00 636465", "13");
    told("written 1 2c 636465;");
    check(A, "12 2c00 66676869", "13");
    told("written 1 2c 666768;");
    has(0x2c, "6162636465666768");
    check(A, "12 2c00 70", "13");
    told("written 1 2c;");
    has(0x2c, "6162636465666768");
}
END_TEST

/* ---- long writes: GATT/SR/GAW/BV-05-C, BV-06-C, BV-10-C, BI-07..14-C ---- */

START_TEST(prepared_writes_are_echoed_and_stored_together)
{
    static const struct row rows[] = {
        {"16 2900 0000 0102030405", "17 2900 0000 0102030405"},
        {"16 2900 0500 060708", "17 2900 0500 060708"},
        {"16 2200 0000 aa", "17 2200 0000 aa"},
        {"0a 2900", "0b"},
        {"18 01", "19"},
        {"0a 2900", "0b 0102030405060708"},
        {"0a 2200", "0b aa"},
        {"18 01", "19"}, /* nothing is left of it */
    };

    CHECK_ROWS(A, rows);
    told("written 1 29 0102030405060708;written 1 22 aa;");
    ck_assert_uint_eq(client(A)->server.n_prepared, 0);
    ck_assert_uint_eq(client(A)->server.prepared_bytes, 0);
}
END_TEST

START_TEST(prepared_writes_can_be_cancelled)
{
    check(A, "16 2200 0000 aa", "17 2200 0000 aa");
    check(A, "18 00", "19");
    check(A, "18 01", "19");
    check(A, "18 02", "01 18 0000 04");
    has(0x22, "0102");
    told("");
}
END_TEST

START_TEST(each_client_has_its_own_queue)
{
    check(A, "16 2200 0000 aa", "17 2200 0000 aa");
    check(B, "16 2200 0000 bb", "17 2200 0000 bb");
    check(C, "18 01", "19");
    has(0x22, "0102");
    check(B, "18 01", "19");
    has(0x22, "bb");
    bl_gatt_close(&gatt, now, A, 0x113);
    has(0x22, "bb");
    told("written 2 22 bb;");
}
END_TEST

/* What is behind and before the parts stays, unless they begin at the beginning. */
START_TEST(parts_are_laid_over_the_value)
{
    check(A, "12 2200 000102030405", "13");
    check(A, "16 2200 0200 aabb", "17 2200 0200 aabb");
    check(A, "18 01", "19");
    has(0x22, "0001aabb0405");
    check(A, "16 2200 0600 cc", "17 2200 0600 cc");
    check(A, "18 01", "19");
    has(0x22, "0001aabb0405cc");
    check(A, "16 2200 0400 ee", "17 2200 0400 ee");
    check(A, "16 2200 0000 dd", "17 2200 0000 dd");
    check(A, "18 01", "19");
    has(0x22, "dd01aabbee05cc");
    check(A, "16 2200 0000 11", "17 2200 0000 11");
    check(A, "16 2200 0100 22", "17 2200 0100 22");
    check(A, "16 2200 0000 33", "17 2200 0000 33");
    check(A, "18 01", "19");
    has(0x22, "3322");
    check(A, "16 2200 0000", "17 2200 0000");
    check(A, "18 01", "19");
    has(0x22, "");
}
END_TEST

START_TEST(an_execution_that_fails_has_stored_nothing)
{
    static const struct row rows[] = {
        {"16 2200 0000 aa", "17 2200 0000 aa"},
        {"16 2900 0100 bb", "17 2900 0100 bb"}, /* empty */
        {"18 01", "01 18 2900 07"},
        {"16 2200 0000 aa", "17 2200 0000 aa"},
        {"16 2200 1400 bb", "17 2200 1400 bb"}, /* would leave a hole */
        {"18 01", "01 18 2200 07"},
        {"16 2900 0000 aa", "17 2900 0000 aa"},
        {"16 2200 0000 aa*18", "17 2200 0000 aa*18"},
        {"16 2200 1200 aa*3", "17 2200 1200 aa*3"},
        {"18 01", "01 18 2200 0d"},
        {"18 01", "19"}, /* and drops the queue */
        {"0a 2900", "0b"},
        {"0a 2200", "0b 0102"},
    };

    CHECK_ROWS(A, rows);
    told("");
}
END_TEST

START_TEST(offset_and_length_end_at_512)
{
    mtu(A, 517);
    check(A, "12 2900 11*511", "13");
    check(A, "16 2900 ff01 2222", "17 2900 ff01 2222");
    check(A, "18 01", "01 18 2900 0d");
    check(A, "16 2900 ff01 22", "17 2900 ff01 22");
    check(A, "18 01", "19");
    has(0x29, "11*511 22");
    check(A, "16 2900 0002", "17 2900 0002");
    check(A, "18 01", "19");
    has(0x29, "11*511 22");
    check(A, "16 2900 0102", "17 2900 0102");
    check(A, "18 01", "01 18 2900 07");
    check(A, "16 2900 ffff 01", "17 2900 ffff 01");
    check(A, "18 01", "01 18 2900 07");
    check(A, "16 2700 0000 11*500", "17 2700 0000 11*500"); /* also where the rest is cut off */
    check(A, "16 2700 f401 11*12", "17 2700 f401 11*12");
    check(A, "16 2700 0002 11", "17 2700 0002 11");
    check(A, "18 01", "01 18 2700 0d");
    has(0x27, "");
}
END_TEST

START_TEST(prepare_checks_what_a_write_does)
{
    static const struct row rows[] = {
        {"16 0000 0000 01", "01 16 0000 01"}, {"16 ffff 0000 01", "01 16 ffff 01"},
        {"16 2500 0000 01", "01 16 2500 03"}, {"16 5200 0000 01", "01 16 5200 05"},
        {"16 2200 00", "01 16 0000 04"},      {"18", "01 18 0000 04"},
        {"18 0100", "01 18 0000 04"},         {"18 01", "19"},
    };

    CHECK_ROWS(A, rows);
}
END_TEST

START_TEST(long_writes_are_cut_or_appended_as_others)
{
    check(A, "16 2700 0000 010203", "17 2700 0000 010203");
    check(A, "16 2700 0300 040506", "17 2700 0300 040506");
    check(A, "16 2700 0600 07", "17 2700 0600 07");
    check(A, "18 01", "19");
    told("written 1 27 01020304;");
    check(A, "16 2c00 0000 6364", "17 2c00 0000 6364");
    check(A, "16 2c00 0200 65", "17 2c00 0200 65");
    check(A, "18 01", "19");
    told("written 1 2c 636465;");
    has(0x2c, "6162636465");
    check(A, "16 2c00 0100 70", "17 2c00 0100 70"); /* what is appended has a beginning too */
    check(A, "18 01", "01 18 2c00 07");
    has(0x2c, "6162636465");
}
END_TEST

/* Prepare Queue Full: Core 5.4, Vol 3, Part F, 3.4.6.1 */
START_TEST(the_queue_has_a_quota)
{
    for (unsigned i = 0; i < BL_MAX_PREPARED; i++)
        check(A, "16 2200 0000 aa", "17 2200 0000 aa");
    check(A, "16 2200 0000 bb", "01 16 2200 09");
    check(B, "16 2200 0000 bb", "17 2200 0000 bb");
    check(A, "18 01", "19");
    has(0x22, "aa");
    told("written 1 22 aa;");

    mtu(A, 517);
    for (unsigned i = 0; i < BL_MAX_PREPARED_BYTES / 512; i++)
        check(A, "16 2900 0000 cc*512", "17 2900 0000 cc*512");
    check(A, "16 2900 0000 bb", "01 16 2900 09");
    check(A, "16 2900 0000", "17 2900 0000");
    check(A, "18 01", "19");
    has(0x29, "cc*512");
}
END_TEST

/* All that one execution tells of has room among the events. */
START_TEST(an_execution_stores_no_more_than_events_can_carry)
{
    struct bl_gatts_characteristic c[40];
    uint16_t handles[40];
    uint8_t big[512];
    struct bl_gatts_service def = {.uuid = bl_uuid_from16(0xfeed),
                                   .handle = 0x100,
                                   .characteristics = c,
                                   .n_characteristics = ARRAY_LEN(c)};
    char text[64];

    memset(big, 7, sizeof(big));
    for (unsigned i = 0; i < ARRAY_LEN(c); i++)
        c[i] = (struct bl_gatts_characteristic){.uuid = bl_uuid_from16(0x2a00),
                                                .flags = BL_GATT_WRITE,
                                                .value = big,
                                                .len = 512,
                                                .max_len = 512};
    ck_assert_int_eq(bl_gatt_db_add(&gatt.db, &def, false, NULL, handles), 0);
    for (unsigned n = 32; n <= 33; n++) {
        for (unsigned i = 0; i < n; i++) {
            snprintf(text, sizeof(text), "16 %02x01 0100 aa", handles[i] & 0xff);
            says(A, text);
        }
        says(A, "18 01");
        hci->n_sent = hci->sent_taken = 0;
        ck_assert_uint_eq(bl_gatt_db_get(&gatt.db, handles[0])->value[1], n == 32 ? 0xaa : 7);
        unsigned events_told = 0;
        struct bl_event e;
        while (bl_evq_pop(&events, &e))
            events_told++;
        ck_assert_uint_eq(events_told, n == 32 ? 32 : 0);
        bl_gatt_db_get(&gatt.db, handles[0])->value[1] = 7;
    }
}
END_TEST

START_TEST(prepared_writes_of_what_has_gone_fail)
{
    check(A, "16 2900 0000 aa", "17 2900 0000 aa");
    check(A, "16 3800 0000 aa", "01 16 3800 03");
    check(A, "16 3200 0000 aa", "17 3200 0000 aa");
    remove_service(0x30);
    check(A, "18 01", "01 18 3200 01");
    has(0x29, "");
    check(A, "16 2200 0000 aa", "17 2200 0000 aa");
    remove_service(0x20);
    add_service(0x21, 0xfeed); /* 23 is a value, 22 a declaration */
    check(A, "18 01", "01 18 2200 01");
    check(A, "16 2300 0000 aa", "17 2300 0000 aa");
    check(A, "18 01", "19");
    has(0x23, "aa");
}
END_TEST

START_TEST(a_cccd_can_be_prepared)
{
    check(A, "16 2300 0000 01", "17 2300 0000 01");
    check(A, "16 2300 0100 00", "17 2300 0100 00");
    check(A, "18 01", "19");
    told("subscribed 1 22 1;");
    check(A, "16 2300 0000 02", "17 2300 0000 02");
    check(A, "18 01", "01 18 2300 0d");
    check(A, "16 2300 0000 0400", "17 2300 0000 0400");
    check(A, "18 01", "01 18 2300 13");
    told("");
}
END_TEST

/* ---- the device name ---- */

START_TEST(the_name_is_written_where_it_is_allowed)
{
    check(A, "12 0300 616263", "13");
    told("name 1 3 616263;");
    check(B, "0a 0300", "0b 616263");
    mtu(A, 517);
    check(A, "12 0300 61*248", "13");
    check(A, "12 0300 61*249", "01 12 0300 0d");
    check(A, "0a 0300", "0b 61*248");
    config.name_writable = false;
    bl_gatt_configured(&gatt, now);
    check(A, "12 0300 616263", "01 12 0300 03");
}
END_TEST

/* ---- signed writes: GATT/SR/GAW/BV-02-C, BI-01-C ---- */

static void sign(uint8_t key, uint32_t counter, const char *params, uint8_t *pdu, size_t *n)
{
    uint8_t message[64], csrk[16], mac[16];

    pdu[0] = 0xd2;
    *n = 1 + octets(params, pdu + 1, 40);
    for (unsigned i = 0; i < 4; i++)
        pdu[(*n)++] = (uint8_t)(counter >> 8 * i);
    for (size_t i = 0; i < *n; i++)
        message[i] = pdu[*n - 1 - i];
    memset(csrk, key, sizeof(csrk));
    ck_assert_int_eq(bl_crypto_cmac(csrk, message, *n, mac), 0);
    for (unsigned i = 0; i < 8; i++)
        pdu[(*n)++] = mac[7 - i];
}

START_TEST(signed_writes_are_taken_once_and_in_order)
{
    struct bl_gatt_signing signing = {.has_remote = true, .remote_counter = 5};
    uint8_t pdu[64], bad[64];
    size_t n;

    memset(signing.remote, 0x42, 16);
    sign(0x42, 5, "2200 0708", pdu, &n);
    says_octets(A, pdu, n);
    told(""); /* no key */
    bl_gatt_set_signing(&gatt, A, &signing);
    for (size_t i = 1; i < n; i++) {
        memcpy(bad, pdu, n);
        bad[i] ^= 0x10;
        says_octets(A, bad, n);
    }
    for (size_t i = 1; i < n; i++)
        says_octets(A, pdu, i);
    told("");
    ck_assert_uint_eq(client(A)->signing.remote_counter, 5);
    says_octets(A, pdu, n);
    told("written 1 22 0708;");
    says_octets(A, pdu, n);
    told("");
    sign(0x42, 4, "2200 09", pdu, &n);
    says_octets(A, pdu, n);
    told("");
    sign(0x42, 100, "2200", pdu, &n);
    says_octets(A, pdu, n);
    told("written 1 22;");
    ck_assert_uint_eq(client(A)->signing.remote_counter, 101);
    sign(0x42, UINT32_MAX, "2200", pdu, &n);
    says_octets(A, pdu, n);
    sign(0x43, 200, "2200", pdu, &n);
    says_octets(A, pdu, n);
    sign(0x42, 201, "2700 01", pdu, &n); /* right, but not permitted there */
    says_octets(A, pdu, n);
    sign(0x42, 202, "1200 01", pdu, &n);
    says_octets(A, pdu, n);
    told("");
    ck_assert_uint_eq(client(A)->signing.remote_counter, 203);
    silence();

    attr(0x22)->authorize_writes = true; /* asked about as others are */
    sign(0x42, 203, "2200 0a", pdu, &n);
    says_octets(A, pdu, n);
    told("write# 1 22 0a;");
    ck_assert_int_eq(bl_gatts_do_reply(&gatt, now, last_request, 0, NULL, 0), 0);
    told("written 1 22 0a;");
    ck_assert_uint_eq(client(A)->signing.remote_counter, 204);
    silence();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("server_write");
    TCase *t = tcase_create("server_write");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, write_stores_and_tells);
    tcase_add_test(t, write_is_refused_and_changes_nothing);
    tcase_add_test(t, security_is_asked_for_each_write);
    tcase_add_test(t, write_commands_are_not_answered);
    tcase_add_test(t, buffers_cut_or_append);
    tcase_add_test(t, prepared_writes_are_echoed_and_stored_together);
    tcase_add_test(t, prepared_writes_can_be_cancelled);
    tcase_add_test(t, each_client_has_its_own_queue);
    tcase_add_test(t, parts_are_laid_over_the_value);
    tcase_add_test(t, an_execution_that_fails_has_stored_nothing);
    tcase_add_test(t, offset_and_length_end_at_512);
    tcase_add_test(t, prepare_checks_what_a_write_does);
    tcase_add_test(t, long_writes_are_cut_or_appended_as_others);
    tcase_add_test(t, the_queue_has_a_quota);
    tcase_add_test(t, an_execution_stores_no_more_than_events_can_carry);
    tcase_add_test(t, prepared_writes_of_what_has_gone_fail);
    tcase_add_test(t, a_cccd_can_be_prepared);
    tcase_add_test(t, the_name_is_written_where_it_is_allowed);
    tcase_add_test(t, signed_writes_are_taken_once_and_in_order);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
