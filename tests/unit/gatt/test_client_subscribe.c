/* SPDX-License-Identifier: MIT */

/* Subscriptions: where the CCCD is, and remembering it; Service Changed; the exchange of ATT_MTU.
 */

#include "client_fixture.h"
#include "oom.h"

#include <check.h>
#include <errno.h>

static int subscribe(void)
{
    return bl_gattc_do_subscribe(&conn, now, 3, 1, &op);
}

static int subscribe_both(void)
{
    return bl_gattc_do_subscribe(&conn, now, 3, 3, &op);
}

static int subscribe_last(void)
{
    return bl_gattc_do_subscribe(&conn, now, 0xffff, 1, &op);
}

static int unsubscribe(void)
{
    return bl_gattc_do_subscribe(&conn, now, 3, 0, &op);
}

#define S(...)                                                                                     \
    (const struct exchange[])                                                                      \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }
#define FIND "04 0300 ffff"

static const struct play plays[] = {
    /* GATT/CL/GAN/BV-01-C, GAI/BV-01-C */
    {"after the value", subscribe, 23,
     S({FIND, "05 01 0300 372a 0400 0229 0500 0328"}, {"12 0400 0100", "13"}), "done 0\n"},
    {"to both", subscribe_both, 23, S({FIND, "05 01 0300 372a 0400 0229"}, {"12 0400 0300", "13"}),
     "done 0\n"},
    {"unsubscribes", unsubscribe, 23,
     S({FIND, "05 01 0300 372a 0400 0229"}, {"12 0400 0000", "13"}), "done 0\n"},
    {"after other descriptors", subscribe, 23,
     S({FIND, "05 01 0300 372a 0400 0129 0500 0429"}, {"04 0600 ffff", "05 01 0600 0229"},
       {"12 0600 0100", "13"}),
     "done 0\n"},
    {"of a value with 128 bits", subscribe, 23,
     S({FIND, "05 02 0300 000102030405060708090a0b0c0d0e0f"}, {"04 0400 ffff", "05 01 0400 0229"},
       {"12 0400 0100", "13"}),
     "done 0\n"},
    {"none before the next characteristic", subscribe, 23,
     S({FIND, "05 01 0300 372a 0400 0328 0500 382a 0600 0229"}), "done a\n"},
    {"none before the next service", subscribe, 23,
     S({FIND, "05 01 0300 372a 0400 0028 0500 0229"}), "done a\n"},
    {"none before the next secondary service", subscribe, 23,
     S({FIND, "05 01 0300 372a 0400 0128 0500 0229"}), "done a\n"},
    {"nothing after the value", subscribe, 23,
     S({FIND, "05 01 0300 372a"}, {"04 0400 ffff", "01 04 0400 0a"}), "done a\n"},
    {"up to the last handle", subscribe, 23, S({FIND, "05 01 0300 372a ffff 0129"}), "done a\n"},
    {"the last handle", subscribe_last, 23, S({"04 ffff ffff", "05 01 ffff 372a"}), "done a\n"},
    {"no such value", subscribe, 23, S({FIND, "05 01 0400 0229"}), "done a\n"},
    {"a declaration", subscribe, 23, S({FIND, "05 01 0300 0328 0400 372a 0500 0229"}), "done a\n"},
    {"a CCCD", subscribe, 23, S({FIND, "05 01 0300 0229"}), "done a\n"},
    {"refused", subscribe, 23,
     S({FIND, "05 01 0300 372a 0400 0229"}, {"12 0400 0100", "01 12 0400 05"}), "done 5\n"},
    {"not found at all", subscribe, 23, S({FIND, "01 04 0300 0a"}), "done a\n"},
};

START_TEST(a_cccd_is_looked_for)
{
    play_all(&plays[_i]);
    ck_assert_uint_eq(conn.client.nonsense, 0);
    ck_assert(still_works());
}
END_TEST

static const struct play wrong[] = {
    {"falls", subscribe, 23, S({FIND, "05 01 0300 372a 0200 0229"}), "done 407\n"},
    {"the same again", subscribe, 23,
     S({FIND, "05 01 0300 372a"}, {"04 0400 ffff", "05 01 0300 372a"}), "done 407\n"},
    {"format 3", subscribe, 23, S({FIND, "05 03 0300 372a"}), "done 407\n"},
    {"half a pair", subscribe, 23, S({FIND, "05 01 0300 372a 04"}), "done 407\n"},
};

START_TEST(an_answer_that_is_wrong)
{
    play_all(&wrong[_i]);
    ck_assert_uint_eq(conn.client.nonsense, 1);
    ck_assert_uint_eq(conn.client.n_known, 0);
    ck_assert(still_works());
}
END_TEST

static const struct play first = {"first", subscribe, 23,
                                  S({FIND, "05 01 0300 372a 0400 0229"}, {"12 0400 0100", "13"}),
                                  "done 0\n"};
static const struct play again = {"again", unsubscribe, 23, S({"12 0400 0000", "13"}), "done 0\n"};
static const struct play refused = {"refused", unsubscribe, 23,
                                    S({"12 0400 0000", "01 12 0400 01"}), "done 1\n"};

START_TEST(a_cccd_is_remembered)
{
    play_all(&first);
    play_all(&again);
    ck_assert_uint_eq(conn.client.n_known, 1);
    /* until it is refused */
    play_all(&refused);
    ck_assert_uint_eq(conn.client.n_known, 0);
    play_all(&first);
}
END_TEST

/* Two that wait: the second one knows what the first one has found. */
START_TEST(a_cccd_is_remembered_for_what_waits)
{
    bl_op earlier;

    ck_assert_int_eq(subscribe(), 0);
    earlier = op;
    ck_assert_int_eq(unsubscribe(), 0);
    asks(FIND);
    says("05 01 0300 372a 0400 0229");
    asks("12 0400 0100");
    says("13");
    asks("12 0400 0000");
    says("13");
    asks_nothing();
    ck_assert_uint_eq(earlier, 1);
    told("done#1 0\ndone 0\n");
}
END_TEST

/* As many as there may be; the others are looked for each time. */
START_TEST(not_more_than_so_many_are_remembered)
{
    for (uint16_t i = 1; i <= 300; i++) {
        uint8_t pdu[10] = {5, 1};
        struct wr w = wr_make(pdu + 2, 8);

        ck_assert_int_eq(bl_gattc_do_subscribe(&conn, now, (uint16_t)(2 * i), 2, &op), 0);
        wr_u16(&w, (uint16_t)(2 * i));
        wr_u16(&w, 0x2a37);
        wr_u16(&w, (uint16_t)(2 * i + 1));
        wr_u16(&w, 0x2902);
        says_octets(pdu, sizeof(pdu));
        says("13");
        told("done 0\n");
        hci->n_sent = hci->sent_taken = 0;
    }
    ck_assert_uint_eq(conn.client.n_known, 256);
    ck_assert_int_eq(bl_gattc_do_subscribe(&conn, now, 512, 0, &op), 0);
    asks("12 0102 0000");
    says("13");
    ck_assert_int_eq(bl_gattc_do_subscribe(&conn, now, 514, 0, &op), 0);
    asks("04 0202 ffff");
}
END_TEST

START_TEST(without_memory_a_cccd_is_not_remembered)
{
    ck_assert_int_eq(subscribe(), 0);
    asks(FIND);
    oom_fail_at(1);
    says("05 01 0300 372a 0400 0229");
    oom_off();
    asks("12 0400 0100");
    says("13");
    told("done 0\n");
    ck_assert_uint_eq(conn.client.n_known, 0);
}
END_TEST

START_TEST(arguments_are_checked)
{
    ck_assert_int_eq(bl_gattc_do_subscribe(&conn, now, 0, 1, &op), -EINVAL);
    ck_assert_int_eq(bl_gattc_do_subscribe(&conn, now, 3, 4, &op), -EINVAL);
    ck_assert_int_eq(bl_gattc_do_exchange_mtu(&conn, now, 22, &op), -EINVAL);
    ck_assert_int_eq(bl_gattc_do_exchange_mtu(&conn, now, 518, &op), -EINVAL);
    asks_nothing();
    told("");
}
END_TEST

/* ---- Service Changed ---- */

static int descriptors(void)
{
    return bl_gattc_do_descriptors(&conn, now, 0x10, 0x12, &op);
}

static int characteristics(void)
{
    return bl_gattc_do_characteristics(&conn, now, 0x10, 0x12, NULL, &op);
}

static int subscribe_10(void)
{
    return bl_gattc_do_subscribe(&conn, now, 0x11, 2, &op);
}

/* What teaches where it is: handle 11. */
static const struct play teachers[] = {
    {"descriptors", descriptors, 23, S({"04 1000 1200", "05 01 1000 0328 1100 052a 1200 0229"}),
     "descriptor 10 2803\ndescriptor 11 2a05\ndescriptor 12 2902\ndone 0\n"},
    {"characteristics", characteristics, 23,
     S({"08 1000 1200 0328", "09 07 1000 20 1100 052a"}, {"08 1100 1200 0328", "01 08 1100 0a"}),
     "characteristic 10-12 11 20 2a05\ndone 0\n"},
    {"subscribe", subscribe_10, 23,
     S({"04 1100 ffff", "05 01 1100 052a 1200 0229"}, {"12 1200 0200", "13"}), "done 0\n"},
};

/* GATT/CL/GAS/BV-01-C */
START_TEST(service_changed_is_learnt_and_makes_forget)
{
    play_all(&first);
    says("1d 1100 0100 ffff");
    asks("1e");
    told("indicated 11 0100ffff\n");
    ck_assert_uint_eq(conn.client.n_known, 1);

    play_all(&teachers[_i]);
    says("1d 1200 0100 ffff");
    asks("1e");
    told("indicated 12 0100ffff\n");
    says("1b 1100 0100 ffff");
    told("notified 11 0100ffff\n");
    ck_assert_uint_ge(conn.client.n_known, 1);

    says("1d 1100 0100 ffff");
    asks("1e");
    told("indicated 11 0100ffff\nchanged 1-ffff\n");
    ck_assert_uint_eq(conn.client.n_known, 0);
    play_all(&first);

    says("1d 1100 0500 0500"); /* of one handle */
    asks("1e");
    told("indicated 11 05000500\nchanged 5-5\n");
}
END_TEST

/* Confirmed and told as a value, but nothing has changed. */
START_TEST(a_service_changed_that_is_wrong)
{
    static const char *const values[][2] = {
        {"1d 1100", "indicated 11 \n"},
        {"1d 1100 0100ff", "indicated 11 0100ff\n"},
        {"1d 1100 0100ffff00", "indicated 11 0100ffff00\n"},
        {"1d 1100 0000ffff", "indicated 11 0000ffff\n"},
        {"1d 1100 02000100", "indicated 11 02000100\n"},
    };

    play_all(&teachers[0]);
    says(values[_i][0]);
    asks("1e");
    told(values[_i][1]);
    ck_assert_uint_eq(conn.client.nonsense, 1);
}
END_TEST

/* ---- ATT_MTU ---- */

static const struct {
    uint16_t asked;
    const char *ask, *answer, *told;
    uint16_t mtu;
} exchanges[] = {
    /* GATT/CL/GAC/BV-01-C */
    {0, "02 0001", "03 0002", "done 0\n", 256},
    {23, "02 1700", "03 0502", "done 0\n", 23},
    {517, "02 0502", "03 1700", "done 0\n", 23},
    {517, "02 0502", "03 0502", "done 0\n", 517},
    {517, "02 0502", "03 ffff", "done 0\n", 517},
    {517, "02 0502", "03 1800", "done 0\n", 24},
    {100, "02 6400", "03 1600", "done 407\n", 23},
    {100, "02 6400", "03 0000", "done 407\n", 23},
    {100, "02 6400", "03 64", "done 407\n", 23},
    {100, "02 6400", "0b 64", "done 407\n", 23},
    {100, "02 6400", "01 02 0000 06", "done 6\n", 23},
};

START_TEST(an_exchange_of_mtu)
{
    bl_op second;

    ck_assert_int_eq(bl_gattc_do_exchange_mtu(&conn, now, exchanges[_i].asked, &op), 0);
    asks(exchanges[_i].ask);
    says(exchanges[_i].answer);
    asks_nothing();
    ck_assert_uint_eq(events.count, 1);
    ck_assert_uint_eq(events.ring[events.head].done.mtu, exchanges[_i].mtu);
    told(exchanges[_i].told);
    ck_assert_uint_eq(conn.bearer.mtu, exchanges[_i].mtu);

    /* Core 5.4, Vol 3, Part F, 3.4.2.1: once */
    ck_assert_int_eq(bl_gattc_do_exchange_mtu(&conn, now, 200, &second), 1);
    ck_assert_uint_eq(second, 0);
    asks_nothing();
    told("");
    ck_assert_uint_eq(events.open_ops, 0);
    ck_assert(still_works());
}
END_TEST

START_TEST(a_second_exchange_that_waited_has_nothing_to_ask)
{
    bl_op earlier;

    ck_assert_int_eq(bl_gattc_do_exchange_mtu(&conn, now, 100, &earlier), 0);
    ck_assert_int_eq(bl_gattc_do_exchange_mtu(&conn, now, 200, &op), 0);
    asks("02 6400");
    says("03 6400");
    asks_nothing();
    ck_assert_uint_eq(events.count, 2);
    ck_assert_uint_eq(events.ring[events.head + 1].done.mtu, 100);
    told("done#1 0\ndone 0\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gatt-client-subscribe");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_cccd_is_looked_for, 0, (int)ARRAY_LEN(plays));
    tcase_add_loop_test(tc, an_answer_that_is_wrong, 0, (int)ARRAY_LEN(wrong));
    tcase_add_test(tc, a_cccd_is_remembered);
    tcase_add_test(tc, a_cccd_is_remembered_for_what_waits);
    tcase_add_test(tc, not_more_than_so_many_are_remembered);
    tcase_add_test(tc, without_memory_a_cccd_is_not_remembered);
    tcase_add_test(tc, arguments_are_checked);
    tcase_add_loop_test(tc, service_changed_is_learnt_and_makes_forget, 0, 3);
    tcase_add_loop_test(tc, a_service_changed_that_is_wrong, 0, 5);
    tcase_add_loop_test(tc, an_exchange_of_mtu, 0, (int)ARRAY_LEN(exchanges));
    tcase_add_test(tc, a_second_exchange_that_waited_has_nothing_to_ask);
    suite_add_tcase(suite, tc);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
