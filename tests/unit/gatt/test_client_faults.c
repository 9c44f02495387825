/* SPDX-License-Identifier: MIT */

/*
 * Every procedure of the client with everything that can go wrong at every one of its requests: an
 * error, an answer of another kind, an answer cut at every length, silence, the end of the link, no
 * memory. Whatever happens: one OP_DONE, nothing left behind, and the connection goes on.
 */

#include "client_fixture.h"
#include "oom.h"

#include <check.h>
#include <errno.h>
#include <string.h>

static int services(void)
{
    return bl_gattc_do_services(&conn, now, NULL, &op);
}

static int services_by_uuid(void)
{
    struct bl_uuid uuid = bl_uuid_from16(0x180d);

    return bl_gattc_do_services(&conn, now, &uuid, &op);
}

static int characteristics(void)
{
    return bl_gattc_do_characteristics(&conn, now, 1, 9, NULL, &op);
}

static int descriptors(void)
{
    return bl_gattc_do_descriptors(&conn, now, 3, 6, &op);
}

static int includes(void)
{
    return bl_gattc_do_includes(&conn, now, 1, 0xffff, &op);
}

static int long_read(void)
{
    return bl_gattc_do_read(&conn, now, 3, 0, true, &op);
}

static int read_by_uuid(void)
{
    struct bl_uuid uuid = bl_uuid_from16(0x2a00);

    return bl_gattc_do_read_by_uuid(&conn, now, 1, 0xffff, &uuid, &op);
}

static int read_multiple(void)
{
    static const uint16_t handles[] = {3, 4, 5};

    return bl_gattc_do_read_multiple(&conn, now, handles, ARRAY_LEN(handles), &op);
}

static int write_request(void)
{
    return bl_gattc_do_write(&conn, now, 3, (const uint8_t *)"ab", 2, BL_GATT_WRITE_REQUEST, 0,
                             &op);
}

static int long_write(void)
{
    static const uint8_t value[40] = {1, 2, 3};

    return bl_gattc_do_write(&conn, now, 3, value, sizeof(value), BL_GATT_WRITE_REQUEST, 0, &op);
}

static int exchange_mtu(void)
{
    return bl_gattc_do_exchange_mtu(&conn, now, 200, &op);
}

static int subscribe(void)
{
    return bl_gattc_do_subscribe(&conn, now, 3, 1, &op);
}

static const struct play plays[] = {
    {"services", services, 23,
     (const struct exchange[]){
         {"10 0100 ffff 0028", "11 06 0100 0500 0018 0600 0900 0118"},
         {"10 0a00 ffff 0028", "11 14 1000 1f00 000102030405060708090a0b0c0d0e0f"},
         {"10 2000 ffff 0028", "01 10 2000 0a"},
         {NULL, NULL},
     },
     "service 1-5 1800\nservice 6-9 1801\n"
     "service 10-1f 0f0e0d0c-0b0a-0908-0706-050403020100\ndone 0\n"},
    {"services by UUID", services_by_uuid, 23,
     (const struct exchange[]){
         {"06 0100 ffff 0028 0d18", "07 0100 0500"},
         {"06 0600 ffff 0028 0d18", "07 1000 1f00 2000 ffff"},
         {NULL, NULL},
     },
     "service 1-5 180d\nservice 10-1f 180d\nservice 20-ffff 180d\ndone 0\n"},
    {"characteristics", characteristics, 23,
     (const struct exchange[]){
         {"08 0100 0900 0328", "09 07 0200 0a 0300 002a 0400 12 0500 372a"},
         {"08 0500 0900 0328", "09 15 0700 02 0800 000102030405060708090a0b0c0d0e0f"},
         {"08 0800 0900 0328", "01 08 0800 0a"},
         {NULL, NULL},
     },
     "characteristic 2-3 3 0a 2a00\ncharacteristic 4-6 5 12 2a37\n"
     "characteristic 7-9 8 02 0f0e0d0c-0b0a-0908-0706-050403020100\ndone 0\n"},
    {"descriptors", descriptors, 23,
     (const struct exchange[]){
         {"04 0300 0600", "05 01 0300 372a 0400 0229"},
         {"04 0500 0600", "05 02 0600 000102030405060708090a0b0c0d0e0f"},
         {NULL, NULL},
     },
     "descriptor 3 2a37\ndescriptor 4 2902\n"
     "descriptor 6 0f0e0d0c-0b0a-0908-0706-050403020100\ndone 0\n"},
    {"includes", includes, 23,
     (const struct exchange[]){
         {"08 0100 ffff 0228", "09 08 0200 1000 1f00 0f18"},
         {"08 0300 ffff 0228", "09 06 0300 2000 2f00 0400 3000 3f00"},
         {"0a 2000", "0b 000102030405060708090a0b0c0d0e0f"},
         {"0a 3000", "0b 100102030405060708090a0b0c0d0e0f"},
         {"08 0500 ffff 0228", "01 08 0500 0a"},
         {NULL, NULL},
     },
     "include 2 10-1f 180f\ninclude 3 20-2f 0f0e0d0c-0b0a-0908-0706-050403020100\n"
     "include 4 30-3f 0f0e0d0c-0b0a-0908-0706-050403020110\ndone 0\n"},
    {"long read", long_read, 23,
     (const struct exchange[]){
         {"0a 0300", "0b 5a*22"},
         {"0c 0300 1600", "0d 5a*22"},
         {"0c 0300 2c00", "0d 5a"},
         {NULL, NULL},
     },
     "value 3 45 octets of 5a\ndone 0\n"},
    {"read by UUID", read_by_uuid, 23,
     (const struct exchange[]){
         {"08 0100 ffff 002a", "09 04 0300 0102 0500 0304"},
         {"08 0600 ffff 002a", "09 15 0700 5a*19"},
         {"0a 0700", "0b 5a*22"},
         {"0c 0700 1600", "0d 5a*19"},
         {"08 0800 ffff 002a", "01 08 0800 0a"},
         {NULL, NULL},
     },
     "value 3 0102\nvalue 5 0304\nvalue 7 41 octets of 5a\ndone 0\n"},
    {"read multiple", read_multiple, 23,
     (const struct exchange[]){
         {"0a 0300", "0b aa"},
         {"0a 0400", "0b 5a*22"},
         {"0c 0400 1600", "0d 5a*10"},
         {"0a 0500", "0b bb"},
         {NULL, NULL},
     },
     "value 3 aa\nvalue 4 32 octets of 5a\nvalue 5 bb\ndone 0\n"},
    {"write", write_request, 23,
     (const struct exchange[]){
         {"12 0300 6162", "13"},
         {NULL, NULL},
     },
     "done 0\n"},
    {"long write", long_write, 23,
     (const struct exchange[]){
         {"16 0300 0000 010203 00*15", "17 0300 0000 010203 00*15"},
         {"16 0300 1200 00*18", "17 0300 1200 00*18"},
         {"16 0300 2400 00*4", "17 0300 2400 00*4"},
         {"18 01", "19"},
         {NULL, NULL},
     },
     "done 0\n"},
    {"exchange of MTU", exchange_mtu, 23,
     (const struct exchange[]){
         {"02 c800", "03 6400"},
         {NULL, NULL},
     },
     "done 0\n"},
    {"subscribe", subscribe, 23,
     (const struct exchange[]){
         {"04 0300 ffff", "05 01 0300 372a"},
         {"04 0400 ffff", "05 01 0400 0129 0500 0229"},
         {"12 0500 0100", "13"},
         {NULL, NULL},
     },
     "done 0\n"},
};

static size_t steps(const struct play *play)
{
    size_t n = 0;

    while (play->script[n].ask)
        n++;
    return n;
}

/* The play up to its nth request, which waits for its answer then. */
static void come_to(const struct play *play, size_t n)
{
    set_mtu(play->mtu);
    conn.bearer.asked = false;
    conn.client.unclean = false; /* test_client_write has it */
    ck_assert_int_eq(play->begin(), 0);
    ck_assert_msg(play_until(play, n), "%s: no request %zu", play->name, n);
}

/* Whatever else it asks is refused; then it has ended, once, and all is as before. */
static bl_status ends(const struct play *play)
{
    bl_status status = BL_OK;

    ck_assert_msg(!play_until(play, SIZE_MAX), "%s", play->name);
    ck_assert_msg(drain(&status) == 1, "%s did not end once", play->name);
    ck_assert_uint_eq(conn.client.n_procedures, 0);
    ck_assert_msg(still_works(), "%s: no read after it", play->name);
    return status;
}

START_TEST(it_ends_well)
{
    const struct play *play = &plays[_i];

    set_mtu(play->mtu);
    ck_assert_int_eq(play->begin(), 0);
    ck_assert(!play_until(play, SIZE_MAX));
    told(play->result);
    ck_assert_uint_eq(conn.client.nonsense, 0);
    ck_assert(still_works());
}
END_TEST

/* GATT/CL/GAR/BI-01-C to BI-22-C and BI-36-C to BI-44-C, GAW/BI-02-C to BI-13-C: every procedure,
 * every error */
START_TEST(an_error_ends_it)
{
    const struct play *play = &plays[_i];

    for (size_t n = 0; n < steps(play); n++)
        for (unsigned error = 1; error < 0x100; error++) {
            uint8_t request = 0;

            come_to(play, n);
            request = conn.bearer.request;
            says_octets((uint8_t[]){1, request, 0, 0, (uint8_t)error}, 5);
            bl_status status = ends(play);
            if (error != 6 && error != 7 && error != 0x0a && error != 0x0b)
                ck_assert_msg(status == error || status == 0x0e, "%s %zu: %x", play->name, n,
                              status);
        }
    ck_assert_uint_eq(conn.client.nonsense, 0);
}
END_TEST

START_TEST(an_answer_of_another_kind_ends_it)
{
    static const uint8_t responses[] = {0x03, 0x05, 0x07, 0x09, 0x0b, 0x0d,
                                        0x0f, 0x11, 0x13, 0x17, 0x19, 0x21};
    const struct play *play = &plays[_i];

    for (size_t n = 0; n < steps(play); n++)
        for (size_t k = 0; k < ARRAY_LEN(responses); k++) {
            uint8_t pdu[40] = {responses[k]};
            size_t len = responses[k] == 0x03                           ? 3
                         : responses[k] == 0x13 || responses[k] == 0x19 ? 1
                                                                        : 22;
            uint64_t nonsense = conn.client.nonsense;

            come_to(play, n);
            if (bl_att_row(conn.bearer.request)->answer == responses[k]) {
                bl_gattc_close(&conn, now, 0x113);
                bl_gattc_open(&conn);
                bl_att_close(&conn.bearer, 0x113);
                bl_att_open(&conn.bearer, hci, &events, HANDLE, 256);
                bl_status ignored;
                drain(&ignored);
                continue;
            }
            says_octets(pdu, len);
            ck_assert_uint_eq(conn.client.nonsense, nonsense + 1);
            ck_assert_uint_eq(ends(play), BL_PROTOCOL);
        }
}
END_TEST

/* An Error Response to something else is as wrong. */
START_TEST(an_error_of_another_request_ends_it)
{
    const struct play *play = &plays[_i];

    for (size_t n = 0; n < steps(play); n++) {
        come_to(play, n);
        says("01 1c 0000 0a");
        ck_assert_uint_eq(ends(play), BL_PROTOCOL);
    }
}
END_TEST

/* Cut at every length; each octet after the opcode turned over, wholly and a bit of it: no matter
 * what comes of it. */
START_TEST(a_spoilt_answer_ends_it)
{
    const struct play *play = &plays[_i];

    for (size_t n = 0; n < steps(play); n++) {
        uint8_t answer[600];
        size_t len = play_answer(play, n, answer, sizeof(answer));

        for (size_t k = 0; k < 3 * len; k++) {
            uint8_t spoilt[600];
            if (k >= len && k % len == 0)
                continue;
            size_t m = k < len ? k + (k == 0) : len;

            memcpy(spoilt, answer, len);
            if (k >= len)
                spoilt[k % len] ^= k < 2 * len ? 0xff : 0x01;
            come_to(play, n);
            says_octets(spoilt, m);
            ends(play);
        }
    }
}
END_TEST

START_TEST(a_longer_answer_is_no_better)
{
    const struct play *play = &plays[_i];

    for (size_t n = 0; n < steps(play); n++)
        for (size_t more = 1; more < 300; more += more < 25 ? 1 : 57) {
            uint8_t answer[600] = {0};
            size_t len = play_answer(play, n, answer, sizeof(answer));

            come_to(play, n);
            says_octets(answer, len + more);
            ends(play);
        }
}
END_TEST

/* GATT/CL/GAT/BV-01-C, BV-02-C, BV-03-C */
START_TEST(silence_ends_it)
{
    const struct play *play = &plays[_i];

    for (size_t n = 0; n < steps(play); n++) {
        bl_status status = BL_OK;
        bl_op late;

        come_to(play, n);
        now += BL_ATT_TIMEOUT_US - 1;
        ck_assert(!bl_att_tick(&conn.bearer, now));
        now++;
        ck_assert(bl_att_tick(&conn.bearer, now));
        bl_gattc_timeout(&conn, now);
        ck_assert_uint_eq(drain(&status), 1);
        ck_assert_uint_eq(status, BL_TIMEOUT);
        ck_assert_int_eq(bl_gattc_do_read(&conn, now, 3, 0, false, &late), -ENOTCONN);
        bl_gattc_step(&conn, now);
        asks_nothing();
        teardown();
        setup();
    }
}
END_TEST

START_TEST(the_end_of_the_link_ends_it)
{
    const struct play *play = &plays[_i];

    for (size_t n = 0; n < steps(play); n++) {
        bl_status status = BL_OK;

        come_to(play, n);
        bl_gattc_close(&conn, now, 0x113);
        ck_assert_uint_eq(drain(&status), 1);
        ck_assert_uint_eq(status, 0x113);
        teardown();
        ck_assert_uint_eq(events.open_ops, 0);
        setup();
    }
}
END_TEST

/* One allocation fails, or all from one on. */
START_TEST(no_memory_ends_it)
{
    const struct play *play = &plays[_i];

    for (int mode = 0; mode < 2; mode++)
        for (unsigned long n = 1;; n++) {
            bl_status status = BL_OK;
            unsigned long count;
            int r;

            conn.bearer.asked = false;
            set_mtu(play->mtu);
            mode ? oom_fail_from(n) : oom_fail_at(n);
            r = play->begin();
            (void)play_until(play, SIZE_MAX);
            oom_off();
            count = oom_count();
            if (r < 0)
                ck_assert_int_eq(r, -ENOMEM);
            else
                ck_assert_uint_eq(drain(&status), 1);
            ck_assert_uint_eq(conn.client.n_procedures, 0);
            ck_assert_msg(still_works(), "%s, allocation %lu", play->name, n);
            bl_gattc_close(&conn, now, 0x113); /* forgets */
            if (count < n)
                break;
        }
}
END_TEST

static int all_characteristics(void)
{
    return bl_gattc_do_characteristics(&conn, now, 1, 0xffff, NULL, &op);
}

/* A peer that never comes to an end: the handles do. */
static const struct {
    const char *name;
    int (*begin)(void);
    uint8_t answer;
    uint8_t entry; /* 0: there is none */
} endless[] = {
    {"services", services, 0x11, 6},
    {"services by UUID", services_by_uuid, 0x07, 0},
    {"characteristics", all_characteristics, 0x09, 7},
    {"descriptors", descriptors, 0x05, 1},
    {"includes", includes, 0x09, 8},
    {"read by UUID", read_by_uuid, 0x09, 3},
};

START_TEST(an_endless_answer_has_an_end)
{
    unsigned asked = 0;
    bl_status status = BL_OK;

    ck_assert_int_eq(endless[_i].begin(), 0);
    while (conn.bearer.request) {
        const struct fake_sent *sent = fake_hci_take_sent(hci);
        uint8_t pdu[32], request[32];
        struct wr w = wr_make(pdu, sizeof(pdu));

        ck_assert_ptr_nonnull(sent);
        memcpy(request, sent->data + 4, 8);
        hci->n_sent = hci->sent_taken = 0;
        struct rd r = rd_make(request + 1, 2);
        uint16_t from = rd_u16(&r);
        wr_u8(&w, endless[_i].answer);
        if (endless[_i].entry)
            wr_u8(&w, endless[_i].entry);
        if (endless[_i].begin == all_characteristics && from > 1)
            from++; /* past the value before it */
        wr_u16(&w, from);
        if (endless[_i].begin == all_characteristics)
            wr_u8(&w, 2);
        if (endless[_i].begin == all_characteristics)
            wr_u16(&w, (uint16_t)(from + 1));
        if (endless[_i].begin == services || endless[_i].begin == services_by_uuid)
            wr_u16(&w, from);
        if (endless[_i].begin == includes)
            wr_u32(&w, 0x00010001);
        if (endless[_i].begin == read_by_uuid)
            wr_u8(&w, 9);
        else if (endless[_i].begin != services_by_uuid)
            wr_u16(&w, 0x1800);
        says_octets(pdu, w.len);
        ck_assert_uint_le(++asked, 0xffff);
        struct bl_event e;
        while (bl_evq_pop(&events, &e))
            status = e.kind == BL_EV_OP_DONE ? e.done.status : status;
    }
    ck_assert_uint_eq(conn.client.n_procedures, 0);
    ck_assert_uint_gt(asked, 2);
    /* the last characteristic's value is past the end of what was asked for, or not after it */
    ck_assert_uint_eq(status, endless[_i].begin == all_characteristics ? BL_PROTOCOL : BL_OK);
    ck_assert(still_works());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gatt-client-faults");
    TCase *tc = tcase_create("each");
    int n = (int)ARRAY_LEN(plays);

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, it_ends_well, 0, n);
    tcase_add_loop_test(tc, an_error_ends_it, 0, n);
    tcase_add_loop_test(tc, an_answer_of_another_kind_ends_it, 0, n);
    tcase_add_loop_test(tc, an_error_of_another_request_ends_it, 0, n);
    tcase_add_loop_test(tc, a_spoilt_answer_ends_it, 0, n);
    tcase_add_loop_test(tc, a_longer_answer_is_no_better, 0, n);
    tcase_add_loop_test(tc, silence_ends_it, 0, n);
    tcase_add_loop_test(tc, the_end_of_the_link_ends_it, 0, n);
    tcase_add_loop_test(tc, no_memory_ends_it, 0, n);
    tcase_add_loop_test(tc, an_endless_answer_has_an_end, 0, (int)ARRAY_LEN(endless));
    suite_add_tcase(suite, tc);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
