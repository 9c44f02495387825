/* SPDX-License-Identifier: MIT */

/* The queue of procedures, and what a peer says on its own. */

#include "client_fixture.h"
#include "oom.h"

#include <check.h>
#include <errno.h>
#include <string.h>

static bl_op read_handle(uint16_t handle)
{
    bl_op mine = 0;

    ck_assert_int_eq(bl_gattc_do_read(&conn, now, handle, 0, false, &mine), 0);
    ck_assert_uint_ne(mine, 0);
    return mine;
}

/* ---- the queue ---- */

START_TEST(procedures_run_in_order)
{
    struct bl_event e;
    bl_op ops[3];

    for (uint16_t i = 0; i < 3; i++)
        ops[i] = read_handle((uint16_t)(i + 1));
    asks("0a 0100");
    asks_nothing();
    bl_gattc_step(&conn, now);
    asks_nothing();
    says("0b 01");
    asks("0a 0200");
    asks_nothing();
    says("01 0a 0200 02");
    asks("0a 0300");
    says("0b 03");
    asks_nothing();

    static const struct {
        enum bl_event_kind kind;
        int of;
        bl_status status;
    } expected[] = {{BL_EV_GATTC_VALUE, 0, 0},
                    {BL_EV_OP_DONE, 0, BL_OK},
                    {BL_EV_OP_DONE, 1, 2},
                    {BL_EV_GATTC_VALUE, 2, 0},
                    {BL_EV_OP_DONE, 2, BL_OK}};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        ck_assert(bl_evq_pop(&events, &e));
        ck_assert_int_eq(e.kind, expected[i].kind);
        if (e.kind == BL_EV_OP_DONE) {
            ck_assert_uint_eq(e.done.op, ops[expected[i].of]);
            ck_assert_uint_eq(e.done.status, expected[i].status);
        } else {
            ck_assert_uint_eq(e.gatt.op, ops[expected[i].of]);
        }
    }
    ck_assert(!bl_evq_pop(&events, &e));
}
END_TEST

START_TEST(so_many_procedures_wait)
{
    bl_op one_more = 77;

    for (unsigned i = 0; i < BL_MAX_PROCEDURES; i++)
        (void)read_handle(3);
    ck_assert_int_eq(bl_gattc_do_read(&conn, now, 3, 0, false, &one_more), -EBUSY);
    ck_assert_uint_eq(one_more, 77);
    ck_assert_uint_eq(events.open_ops, BL_MAX_PROCEDURES);
    asks("0a 0300");
    says("0b");
    asks("0a 0300");
    ck_assert_int_eq(bl_gattc_do_read(&conn, now, 3, 0, false, &one_more), 0);
}
END_TEST

START_TEST(no_more_operations_is_busy)
{
    while (bl_evq_op(&events))
        continue;
    ck_assert_int_eq(bl_gattc_do_read(&conn, now, 3, 0, false, &op), -EBUSY);
    ck_assert_uint_eq(conn.client.n_procedures, 0);
    asks_nothing();
}
END_TEST

/* One that cannot begin does not keep the next one from it. */
START_TEST(one_without_memory_makes_room_for_the_next)
{
    bl_op first = read_handle(1), second = read_handle(2);

    op = read_handle(3);
    asks("0a 0100");
    oom_fail_at(1); /* the second one's PDU */
    says("0b");
    oom_off();
    asks("0a 0300");
    says("0b");
    ck_assert_uint_eq(first, 1);
    ck_assert_uint_eq(second, 2);
    told("value 1 \ndone#1 0\ndone#2 404\nvalue 3 \ndone 0\n");
}
END_TEST

/* The answer that comes after all is nobody's: the next procedure, of another kind, ends, and that
 * is all. */
START_TEST(a_late_answer_hurts_nobody_for_long)
{
    bl_op first, second;

    ck_assert_int_eq(bl_gattc_do_descriptors(&conn, now, 1, 9, &first), 0);
    second = read_handle(3);
    asks("04 0100 0900");
    says("13");
    asks("0a 0300");
    says("05 01 0100 0028");
    asks_nothing();
    says("0b aa");
    ck_assert_uint_eq(first, 1);
    ck_assert_uint_eq(second, 2);
    told("done#1 407\ndone#2 407\n");
    ck_assert_uint_eq(conn.client.nonsense, 2);
    ck_assert_uint_eq(conn.bearer.unexpected, 1);
    ck_assert(still_works());
}
END_TEST

START_TEST(answers_that_nobody_asked_for)
{
    static const char *const answers[] = {
        "01 0a 0300 0a", "03 6400", "05 01 0100 0028", "07 0100 0200",         "09 04 0100 0000",
        "0b 00",         "0d 00",   "0f 00",           "11 06 0100 0200 0018", "13",
        "17 0300 0000",  "19",      "21 0000 0000",
    };

    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        says(answers[i]);
    ck_assert_uint_eq(conn.bearer.unexpected, ARRAY_LEN(answers));
    asks_nothing();
    told("");
    ck_assert_uint_eq(conn.bearer.mtu, 23);
    ck_assert(still_works());
}
END_TEST

/* ---- cancel ---- */

START_TEST(what_has_sent_nothing_is_canceled)
{
    bl_op first = read_handle(1), second = read_handle(2), third = read_handle(3);

    ck_assert_int_eq(bl_gattc_do_cancel(&gatt, now, second), 0);
    op = second;
    told("done 402\n");
    ck_assert_int_eq(bl_gattc_do_cancel(&gatt, now, second), -ENOENT);
    ck_assert_int_eq(bl_gattc_do_cancel(&gatt, now, first), -ENOENT);
    ck_assert_int_eq(bl_gattc_do_cancel(&gatt, now, 0), -ENOENT);
    ck_assert_int_eq(bl_gattc_do_cancel(&gatt, now, 999), -ENOENT);
    told("");
    asks("0a 0100");
    says("0b");
    asks("0a 0300");
    says("0b");
    op = third;
    told("value 1 \ndone#1 0\nvalue 3 \ndone 0\n");
    ck_assert_uint_eq(conn.client.n_procedures, 0);
}
END_TEST

/* ---- the end ---- */

START_TEST(the_end_of_the_link_ends_all)
{
    for (unsigned i = 0; i < BL_MAX_PROCEDURES; i++)
        (void)read_handle(3);
    bl_gattc_close(&conn, now, 0x108);
    for (unsigned i = 1; i <= BL_MAX_PROCEDURES; i++) {
        struct bl_event e;
        ck_assert(bl_evq_pop(&events, &e));
        ck_assert_int_eq(e.kind, BL_EV_OP_DONE);
        ck_assert_uint_eq(e.done.op, i);
        ck_assert_uint_eq(e.done.status, 0x108);
    }
    told("");
    ck_assert_uint_eq(events.open_ops, 0);
    ck_assert_uint_eq(conn.client.n_procedures, 0);
}
END_TEST

/* The first one has run out of time; nothing more is sent; the others end with the link. */
START_TEST(a_timeout_is_of_the_first)
{
    bl_op first = read_handle(1), second = read_handle(2);

    asks("0a 0100");
    now += BL_ATT_TIMEOUT_US;
    ck_assert(bl_att_tick(&conn.bearer, now));
    bl_gattc_timeout(&conn, now);
    bl_gattc_step(&conn, now);
    op = first;
    told("done 401\n");
    asks_nothing();
    says("0b 01");
    told("");
    asks_nothing();
    bl_gattc_close(&conn, now, 0x116);
    op = second;
    told("done 116\n");
}
END_TEST

START_TEST(a_timeout_of_an_indication_ends_nothing_of_ours)
{
    bl_gattc_timeout(&conn, now);
    told("");
}
END_TEST

/* ---- notifications and indications ---- */

/* GATT/CL/GAN/BV-01-C, GAI/BV-01-C: from the first packet on, whoever asked for them */
START_TEST(what_the_peer_says_is_told)
{
    says("1b 0300 010203");
    says("1d 0400 04");
    asks("1e");
    says("1b 0500");
    says("1b ffff 5a*20");
    asks_nothing();
    told("notified 3 010203\nindicated 4 04\nnotified 5 \n"
         "notified ffff 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\n");
    ck_assert_uint_eq(conn.client.nonsense, 0);
}
END_TEST

/* GATT/CL/GAI/BI-01-C: the second one is not to come yet, and does no harm */
START_TEST(two_indications_at_once)
{
    says("1d 0300 01");
    says("1d 0400 02");
    asks("1e");
    asks("1e");
    asks_nothing();
    told("indicated 3 01\nindicated 4 02\n");
}
END_TEST

/* In the middle of a procedure, in order with what it finds. */
START_TEST(notifications_between_answers)
{
    ck_assert_int_eq(bl_gattc_do_read(&conn, now, 3, 0, true, &op), 0);
    asks("0a 0300");
    says("1b 0300 01");
    says("0b 5a*22");
    asks("0c 0300 1600");
    says("1d 0300 02");
    asks("1e");
    says("0d");
    says("1b 0300 03");
    told("notified 3 01\nindicated 3 02\nvalue 3 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\n"
         "done 0\nnotified 3 03\n");
}
END_TEST

/* GATT/CL/GAN/BV-02-C */
START_TEST(several_in_one)
{
    says("23 0300 0100 aa 0400 0000 0500 0200 bbcc");
    told("notified 3 aa\nnotified 4 \nnotified 5 bbcc\n");
    says("23 0300 0000");
    told("notified 3 \n");
    set_mtu(517);
    says("23 0300 0002 5a*512");
    told("notified 3 512 octets of 5a\n");
    ck_assert_uint_eq(conn.client.nonsense, 0);
}
END_TEST

START_TEST(several_of_which_one_is_wrong)
{
    static const char *const pdus[] = {
        "23 0300 0100 aa 0400 0200 bb", "23 0300 0100 aa 0400", "23 0300 0100 aa 04",
        "23 0300 0100 aa 0000 0100 bb", "23 0300 ffff aa",      "23 0300 0500 aabbccdd",
        "23 0300 0100 aa 0400 01",
    };

    set_mtu(517);
    for (size_t i = 0; i < ARRAY_LEN(pdus); i++) {
        says(pdus[i]);
        told("");
        ck_assert_uint_eq(conn.client.nonsense, i + 1);
    }
    ck_assert(still_works());
}
END_TEST

/* Handle 0 is no attribute, and no value is longer than 512 octets. */
START_TEST(what_cannot_be_is_not_told)
{
    set_mtu(517);
    says("1b 0000 01");
    says("1b 0300 5a*513");
    told("");
    ck_assert_uint_eq(conn.client.nonsense, 2);
    says("1d 0000 01");
    asks("1e"); /* confirmed all the same */
    says("1d 0300 5a*514");
    asks("1e");
    told("");
    ck_assert_uint_eq(conn.client.nonsense, 4);
    says("1b 0300 5a*512");
    told("notified 3 512 octets of 5a\n");
}
END_TEST

/* The bearer sees to lengths that the opcode cannot have. */
START_TEST(pdus_of_no_length)
{
    says("1b");
    says("1b 03");
    says("1d 03");
    says("23");
    says("23 0300 00");
    told("");
    ck_assert(still_works());
}
END_TEST

/* As many events and octets as one PDU can bring fit when input has just not been held back. */
START_TEST(the_most_that_one_pdu_can_say)
{
    uint8_t pdu[517] = {0x23};
    struct wr w = wr_make(pdu + 1, sizeof(pdu) - 1);
    struct bl_event e;
    unsigned n = 0, most = 0;

    set_mtu(517);
    while (w.cap - w.len >= 4) {
        wr_u32(&w, 3);
        most++;
    }
    while (!bl_evq_full(&events))
        bl_evq_push(&events, &(struct bl_event){.kind = BL_EV_READY});
    says_octets(pdu, 1 + w.len);
    while (bl_evq_pop(&events, &e))
        n += e.kind == BL_EV_GATTC_NOTIFIED;
    ck_assert_uint_eq(n, most);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gatt-client");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, procedures_run_in_order);
    tcase_add_test(tc, so_many_procedures_wait);
    tcase_add_test(tc, no_more_operations_is_busy);
    tcase_add_test(tc, one_without_memory_makes_room_for_the_next);
    tcase_add_test(tc, a_late_answer_hurts_nobody_for_long);
    tcase_add_test(tc, answers_that_nobody_asked_for);
    tcase_add_test(tc, what_has_sent_nothing_is_canceled);
    tcase_add_test(tc, the_end_of_the_link_ends_all);
    tcase_add_test(tc, a_timeout_is_of_the_first);
    tcase_add_test(tc, a_timeout_of_an_indication_ends_nothing_of_ours);
    tcase_add_test(tc, what_the_peer_says_is_told);
    tcase_add_test(tc, two_indications_at_once);
    tcase_add_test(tc, notifications_between_answers);
    tcase_add_test(tc, several_in_one);
    tcase_add_test(tc, several_of_which_one_is_wrong);
    tcase_add_test(tc, what_cannot_be_is_not_told);
    tcase_add_test(tc, pdus_of_no_length);
    tcase_add_test(tc, the_most_that_one_pdu_can_say);
    suite_add_tcase(suite, tc);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
