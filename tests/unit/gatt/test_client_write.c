/* SPDX-License-Identifier: MIT */

/* Writing: requests, prepared parts and what may become of them, commands, signatures. */

#include "client_fixture.h"
#include "oom.h"

#include <check.h>
#include <errno.h>
#include <string.h>

/* What is being written: n octets of 5a to handle 3. */
static size_t n_value;
static enum bl_gatt_write_mode mode;
static uint16_t at;

static int write_it(void)
{
    uint8_t value[600];

    memset(value, 0x5a, sizeof(value));
    return bl_gattc_do_write(&conn, now, 3, value, n_value, mode, at, &op);
}

struct row {
    size_t n;
    enum bl_gatt_write_mode mode;
    uint16_t at;
    uint64_t nonsense;
    struct play play;
};

static void play_row(const struct row *row)
{
    n_value = row->n;
    mode = row->mode;
    at = row->at;
    play_all(&row->play);
    ck_assert_uint_eq(conn.client.nonsense, row->nonsense);
    ck_assert(still_works());
}

#define S(...)                                                                                     \
    (const struct exchange[])                                                                      \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }
#define REQUEST  BL_GATT_WRITE_REQUEST
#define RELIABLE BL_GATT_WRITE_RELIABLE

static const struct row good[] = {
    /* GATT/CL/GAW/BV-03-C */
    {0, REQUEST, 0, 0, {"empty", write_it, 23, S({"12 0300", "13"}), "done 0\n"}},
    {20, REQUEST, 0, 0, {"fits 23", write_it, 23, S({"12 0300 5a*20", "13"}), "done 0\n"}},
    {21, REQUEST, 0, 0, {"fits 24", write_it, 24, S({"12 0300 5a*21", "13"}), "done 0\n"}},
    {509, REQUEST, 0, 0, {"fits 512", write_it, 512, S({"12 0300 5a*509", "13"}), "done 0\n"}},
    {512, REQUEST, 0, 0, {"fits 517", write_it, 517, S({"12 0300 5a*512", "13"}), "done 0\n"}},
    /* GATT/CL/GAW/BV-05-C: long */
    {21,
     REQUEST,
     0,
     0,
     {"does not fit 23", write_it, 23,
      S({"16 0300 0000 5a*18", "17 0300 0000 5a*18"}, {"16 0300 1200 5a*3", "17 0300 1200 5a*3"},
        {"18 01", "19"}),
      "done 0\n"}},
    {36,
     REQUEST,
     0,
     0,
     {"two whole parts", write_it, 23,
      S({"16 0300 0000 5a*18", "17 0300 0000 5a*18"}, {"16 0300 1200 5a*18", "17 0300 1200 5a*18"},
        {"18 01", "19"}),
      "done 0\n"}},
    {512,
     REQUEST,
     0,
     0,
     {"512 at 512", write_it, 512,
      S({"16 0300 0000 5a*507", "17 0300 0000 5a*507"}, {"16 0300 fb01 5a*5", "17 0300 fb01 5a*5"},
        {"18 01", "19"}),
      "done 0\n"}},
    {1,
     REQUEST,
     5,
     0,
     {"at an offset", write_it, 23, S({"16 0300 0500 5a", "17 0300 0500 5a"}, {"18 01", "19"}),
      "done 0\n"}},
    {20,
     REQUEST,
     492,
     0,
     {"up to 512", write_it, 23,
      S({"16 0300 ec01 5a*18", "17 0300 ec01 5a*18"}, {"16 0300 fe01 5a*2", "17 0300 fe01 5a*2"},
        {"18 01", "19"}),
      "done 0\n"}},
    {0,
     REQUEST,
     512,
     0,
     {"nothing at 512", write_it, 23, S({"16 0300 0002", "17 0300 0002"}, {"18 01", "19"}),
      "done 0\n"}},
    /* GATT/CL/GAW/BV-06-C: reliable */
    {2,
     RELIABLE,
     0,
     0,
     {"reliable", write_it, 23, S({"16 0300 0000 5a*2", "17 0300 0000 5a*2"}, {"18 01", "19"}),
      "done 0\n"}},
    {0,
     RELIABLE,
     0,
     0,
     {"reliable and empty", write_it, 23, S({"16 0300 0000", "17 0300 0000"}, {"18 01", "19"}),
      "done 0\n"}},
    {512,
     RELIABLE,
     0,
     0,
     {"reliable 512 at 517", write_it, 517,
      S({"16 0300 0000 5a*512", "17 0300 0000 5a*512"}, {"18 01", "19"}), "done 0\n"}},
};

START_TEST(a_write_is_done)
{
    play_row(&good[_i]);
    ck_assert(!conn.client.unclean);
}
END_TEST

#define FIRST  "16 0300 0000 5a*18"
#define SECOND "16 0300 1200 5a*3"

static const struct row wrong[] = {
    {20,
     REQUEST,
     0,
     0,
     {"refused", write_it, 23, S({"12 0300 5a*20", "01 12 0300 03"}), "done 3\n"}},
    {20,
     REQUEST,
     0,
     1,
     {"answered with more", write_it, 23, S({"12 0300 5a*20", "13 00"}), "done 407\n"}},
    /* the peer holds nothing: nothing to cancel */
    {21,
     REQUEST,
     0,
     0,
     {"the first part refused", write_it, 23, S({FIRST, "01 16 0300 09"}), "done 9\n"}},
    {21,
     REQUEST,
     0,
     0,
     {"the second part refused", write_it, 23,
      S({FIRST, "17 0300 0000 5a*18"}, {SECOND, "01 16 0300 09"}, {"18 00", "19"}), "done 9\n"}},
    {21,
     REQUEST,
     0,
     0,
     {"and the cancelling too", write_it, 23,
      S({FIRST, "17 0300 0000 5a*18"}, {SECOND, "01 16 0300 09"}, {"18 00", "01 18 0000 0e"}),
      "done 9\n"}},
    {21,
     REQUEST,
     0,
     0,
     {"the execution refused", write_it, 23,
      S({FIRST, "17 0300 0000 5a*18"}, {SECOND, "17 0300 1200 5a*3"}, {"18 01", "01 18 0300 0d"}),
      "done d\n"}},
    /* GATT/CL/GAW/BI-32-C: another echo cancels */
    {21,
     REQUEST,
     0,
     1,
     {"another handle", write_it, 23, S({FIRST, "17 0400 0000 5a*18"}, {"18 00", "19"}),
      "done 407\n"}},
    {21,
     REQUEST,
     0,
     1,
     {"another offset", write_it, 23, S({FIRST, "17 0300 0100 5a*18"}, {"18 00", "19"}),
      "done 407\n"}},
    {21,
     REQUEST,
     0,
     1,
     {"another value", write_it, 23, S({FIRST, "17 0300 0000 5a*17 5b"}, {"18 00", "19"}),
      "done 407\n"}},
    {21,
     REQUEST,
     0,
     1,
     {"less of it", write_it, 23, S({FIRST, "17 0300 0000 5a*17"}, {"18 00", "19"}), "done 407\n"}},
    {2,
     RELIABLE,
     0,
     1,
     {"more of it", write_it, 23, S({"16 0300 0000 5a*2", "17 0300 0000 5a*3"}, {"18 00", "19"}),
      "done 407\n"}},
    {0,
     RELIABLE,
     0,
     1,
     {"something of nothing", write_it, 23, S({"16 0300 0000", "17 0300 0000 00"}, {"18 00", "19"}),
      "done 407\n"}},
    {21,
     REQUEST,
     0,
     1,
     {"in the second part", write_it, 23,
      S({FIRST, "17 0300 0000 5a*18"}, {SECOND, "17 0300 0000 5a*3"}, {"18 00", "01 18 0000 06"}),
      "done 407\n"}},
    /* it may have been queued nevertheless */
    {21,
     REQUEST,
     0,
     1,
     {"answered by something else", write_it, 23, S({FIRST, "13"}, {"18 00", "19"}), "done 407\n"}},
    {21,
     REQUEST,
     0,
     1,
     {"half an echo", write_it, 23, S({FIRST, "17 0300"}, {"18 00", "19"}), "done 407\n"}},
};

START_TEST(what_was_prepared_is_cancelled)
{
    play_row(&wrong[_i]);
    ck_assert(!conn.client.unclean);
}
END_TEST

static const struct row left = {2,
                                RELIABLE,
                                0,
                                1,
                                {"no answer to the execution", write_it, 23,
                                 S({"16 0300 0000 5a*2", "17 0300 0000 5a*2"}, {"18 01", "13"}),
                                 "done 407\n"}};
static const struct play after[] = {
    {"cancelled", write_it, 23,
     S({"18 00", "19"}, {"16 0300 0000 5a*2", "17 0300 0000 5a*2"}, {"18 01", "19"}), "done 0\n"},
    {"not cancelled", write_it, 23,
     S({"18 00", "01 18 0000 0e"}, {"16 0300 0000 5a*2", "17 0300 0000 5a*2"}, {"18 01", "19"}),
     "done 0\n"},
    {"answered by something else", write_it, 23,
     S({"18 00", "13"}, {"16 0300 0000 5a*2", "17 0300 0000 5a*2"}, {"18 01", "19"}), "done 0\n"},
};

/* Whether it was executed nobody knows: the next prepared write makes sure. */
START_TEST(what_may_have_been_left_is_cancelled_by_the_next)
{
    play_row(&left);
    ck_assert(conn.client.unclean);
    play_all(&after[_i]);
    ck_assert(!conn.client.unclean);
}
END_TEST

/* No memory for the second part, nor for cancelling the first. */
START_TEST(what_could_not_be_cancelled_is_cancelled_later)
{
    n_value = 21;
    mode = BL_GATT_WRITE_REQUEST;
    at = 0;
    ck_assert_int_eq(write_it(), 0);
    asks(FIRST);
    oom_fail_from(1);
    says("17 0300 0000 5a*18");
    oom_off();
    asks_nothing();
    told("done 404\n");
    ck_assert(conn.client.unclean);
    ck_assert(still_works());

    ck_assert_int_eq(write_it(), 0);
    asks("18 00");
    says("19");
    asks(FIRST);
    oom_fail_at(1); /* for the second part alone */
    says("17 0300 0000 5a*18");
    oom_off();
    asks("18 00");
    says("19");
    told("done 404\n");
    ck_assert(!conn.client.unclean);
}
END_TEST

/* The length that one request can hold is that of the moment when it begins. */
START_TEST(the_mtu_is_that_of_the_beginning)
{
    bl_op exchange;

    ck_assert_int_eq(bl_gattc_do_exchange_mtu(&conn, now, 100, &exchange), 0);
    asks("02 6400");
    n_value = 97;
    mode = BL_GATT_WRITE_REQUEST;
    at = 0;
    ck_assert_int_eq(write_it(), 0);
    asks_nothing();
    says("03 6400");
    asks("12 0300 5a*97");
    says("13");
    told("done#1 0\ndone 0\n");
}
END_TEST

START_TEST(arguments_are_checked)
{
    static const struct {
        uint16_t handle;
        size_t n;
        int mode;
        uint16_t at;
        int error;
    } rows[] = {
        {0, 1, BL_GATT_WRITE_REQUEST, 0, -EINVAL},
        {0, 1, BL_GATT_WRITE_COMMAND, 0, -EINVAL},
        {3, 1, 4, 0, -EINVAL},
        {3, 1, BL_GATT_WRITE_COMMAND, 1, -EINVAL},
        {3, 1, BL_GATT_WRITE_SIGNED, 1, -EINVAL},
        {3, 513, BL_GATT_WRITE_REQUEST, 0, -EMSGSIZE},
        {3, 512, BL_GATT_WRITE_REQUEST, 1, -EMSGSIZE},
        {3, 0, BL_GATT_WRITE_RELIABLE, 513, -EMSGSIZE},
        {3, 1, BL_GATT_WRITE_RELIABLE, 0xffff, -EMSGSIZE},
        {3, 21, BL_GATT_WRITE_COMMAND, 0, -EMSGSIZE},
        {3, 9, BL_GATT_WRITE_SIGNED, 0, -EMSGSIZE},
        {3, 8, BL_GATT_WRITE_SIGNED, 0, -EOPNOTSUPP},
    };
    uint8_t value[600] = {0};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_msg(bl_gattc_do_write(&conn, now, rows[i].handle, value, rows[i].n,
                                        (enum bl_gatt_write_mode)rows[i].mode, rows[i].at,
                                        &op) == rows[i].error,
                      "row %zu", i);
    asks_nothing();
    told("");
    ck_assert_uint_eq(events.open_ops, 0);
}
END_TEST

/* ---- commands ---- */

/* GATT/CL/GAW/BV-01-C */
START_TEST(a_command_goes_out_at_once)
{
    bl_op reading;

    ck_assert_int_eq(bl_gattc_do_read(&conn, now, 9, 0, false, &reading), 0);
    asks("0a 0900");
    mode = BL_GATT_WRITE_COMMAND;
    at = 0;
    n_value = 20;
    ck_assert_int_eq(write_it(), 1);
    ck_assert_uint_eq(op, 0);
    asks("52 0300 5a*20");
    n_value = 0;
    ck_assert_int_eq(write_it(), 1);
    asks("52 0300");
    set_mtu(517);
    n_value = 514;
    ck_assert_int_eq(write_it(), 1);
    asks("52 0300 5a*514");
    told("");
    says("0b");
    told("value 9 \ndone#1 0\n");
}
END_TEST

START_TEST(a_command_waits_for_room)
{
    mode = BL_GATT_WRITE_COMMAND;
    at = 0;
    n_value = 1;
    hci->queued = BL_ATT_TX_UNACKED;
    for (unsigned i = 0; i < BL_MAX_TX_WAIT; i++) {
        ck_assert_int_eq(write_it(), 0);
        ck_assert_uint_ne(op, 0);
    }
    ck_assert_int_eq(write_it(), -EAGAIN);
    ck_assert_uint_eq(events.open_ops, BL_MAX_TX_WAIT);
    asks_nothing();
    told("");
    hci->queued = 0;
    ck_assert(!bl_att_flush(&conn.bearer, now));
    for (unsigned i = 0; i < BL_MAX_TX_WAIT; i++)
        asks("52 0300 5a");
    ck_assert_uint_eq(events.open_ops, 0);
}
END_TEST

START_TEST(a_command_without_memory)
{
    int first, second;

    mode = BL_GATT_WRITE_COMMAND;
    at = 0;
    n_value = 1;
    oom_fail_at(1);
    first = write_it();
    hci->queued = BL_ATT_TX_UNACKED;
    oom_fail_at(2);
    second = write_it();
    oom_off();
    ck_assert_int_eq(first, -ENOMEM);
    ck_assert_int_eq(second, -ENOMEM);
    ck_assert_uint_eq(events.open_ops, 0);
    asks_nothing();
}
END_TEST

/* ---- signatures ---- */

/* The MAC was made with `openssl mac`: AES-CMAC of the octets of the PDU and the counter, all
 * turned round, by the key turned round. */
/* GATT/CL/GAW/BV-02-C */
START_TEST(a_signed_command)
{
    static const uint8_t key[16] = {0x50, 0x5e, 0x42, 0xdf, 0x96, 0x91, 0xec, 0x72,
                                    0xd3, 0x1f, 0xcd, 0xfb, 0xeb, 0x64, 0x1b, 0x61};
    static const uint8_t value[] = {0x13, 0x37};

    memcpy(conn.signing.local, key, sizeof(key));
    conn.signing.has_local = true;
    conn.signing.local_counter = 1;
    ck_assert_int_eq(
        bl_gattc_do_write(&conn, now, 0x0012, value, sizeof(value), BL_GATT_WRITE_SIGNED, 0, &op),
        1);
    asks("d2 1200 1337 01000000 f1871e933c900ff2");
    ck_assert_uint_eq(conn.signing.local_counter, 2);
    ck_assert_int_eq(
        bl_gattc_do_write(&conn, now, 0x0012, value, sizeof(value), BL_GATT_WRITE_SIGNED, 0, &op),
        1);
    const struct fake_sent *sent = fake_hci_take_sent(hci);
    ck_assert_ptr_nonnull(sent);
    ck_assert_mem_eq(sent->data + 4, "\xd2\x12\x00\x13\x37\x02\x00\x00\x00", 9);
    ck_assert_mem_ne(sent->data + 13, "\xf1\x87\x1e\x93\x3c\x90\x0f\xf2", 8);
}
END_TEST

/* The largest that fits; a counter is used up by what goes out alone. */
START_TEST(a_signed_command_of_the_largest_size)
{
    uint8_t value[8] = {0};
    int r;

    conn.signing.has_local = true;
    ck_assert_int_eq(bl_gattc_do_write(&conn, now, 3, value, 8, BL_GATT_WRITE_SIGNED, 0, &op), 1);
    ck_assert_uint_eq(fake_hci_take_sent(hci)->n, 4 + 23);
    ck_assert_int_eq(bl_gattc_do_write(&conn, now, 3, value, 9, BL_GATT_WRITE_SIGNED, 0, &op),
                     -EMSGSIZE);
    oom_fail_at(1);
    r = bl_gattc_do_write(&conn, now, 3, value, 8, BL_GATT_WRITE_SIGNED, 0, &op);
    oom_off();
    ck_assert_int_eq(r, -ENOMEM);
    ck_assert_uint_eq(conn.signing.local_counter, 1);
    hci->queued = BL_ATT_TX_UNACKED; /* it waits, and has its counter */
    ck_assert_int_eq(bl_gattc_do_write(&conn, now, 3, value, 8, BL_GATT_WRITE_SIGNED, 0, &op), 0);
    ck_assert_uint_eq(conn.signing.local_counter, 2);
}
END_TEST

/* Core 5.4, Vol 3, Part G, 4.9.2 */
START_TEST(an_encrypted_link_needs_no_signature)
{
    conn.security.encrypted = true;
    conn.signing.has_local = _i;
    ck_assert_int_eq(
        bl_gattc_do_write(&conn, now, 3, (const uint8_t *)"a", 1, BL_GATT_WRITE_SIGNED, 0, &op), 1);
    asks("52 0300 61");
    ck_assert_uint_eq(conn.signing.local_counter, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gatt-client-write");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_write_is_done, 0, (int)ARRAY_LEN(good));
    tcase_add_loop_test(tc, what_was_prepared_is_cancelled, 0, (int)ARRAY_LEN(wrong));
    tcase_add_loop_test(tc, what_may_have_been_left_is_cancelled_by_the_next, 0, 3);
    tcase_add_test(tc, what_could_not_be_cancelled_is_cancelled_later);
    tcase_add_test(tc, the_mtu_is_that_of_the_beginning);
    tcase_add_test(tc, arguments_are_checked);
    tcase_add_test(tc, a_command_goes_out_at_once);
    tcase_add_test(tc, a_command_waits_for_room);
    tcase_add_test(tc, a_command_without_memory);
    tcase_add_test(tc, a_signed_command);
    tcase_add_test(tc, a_signed_command_of_the_largest_size);
    tcase_add_loop_test(tc, an_encrypted_link_needs_no_signature, 0, 2);
    suite_add_tcase(suite, tc);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
