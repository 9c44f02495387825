/* SPDX-License-Identifier: MIT */

#include "server_fixture.h"

#include "oom.h"

#include <check.h>
#include <errno.h>
#include <string.h>

static uint16_t sent;

static int notify(uint16_t conn, uint16_t handle, const char *hex)
{
    uint8_t value[600];
    size_t n = hex ? octets(hex, value, sizeof(value)) : 0;
    int r = bl_gatts_do_notify(client(conn), now, handle, hex ? value : NULL, n, &sent, &op);

    turn();
    return r;
}

static int indicate(uint16_t conn, uint16_t handle, const char *hex)
{
    uint8_t value[600];
    size_t n = hex ? octets(hex, value, sizeof(value)) : 0;
    int r = bl_gatts_do_indicate(client(conn), now, handle, hex ? value : NULL, n, &sent, &op);

    bl_gatt_due(client(conn)); /* as the host does */
    turn();
    return r;
}

static int update(uint16_t handle, const char *hex, bool send)
{
    uint8_t value[600];
    size_t n = octets(hex, value, sizeof(value));
    int r = bl_gatts_do_write(&gatt, now, handle, value, n, send, &op);

    bl_gatt_due_all(&gatt); /* as the host does */
    turn();
    return r;
}

static void subscribe(uint16_t conn, const char *cccd, const char *bits)
{
    uint8_t pdu[5] = {0x12};

    octets(cccd, pdu + 1, 2);
    octets(bits, pdu + 3, 2);
    says_octets(conn, pdu, 5);
    hears(conn, "13");
    silence();
    while (events.count > 0) {
        struct bl_event e;
        ck_assert(bl_evq_pop(&events, &e) && e.kind == BL_EV_GATTS_SUBSCRIBED);
    }
}

/* No notification finds room until there is some again. */
static void congest(bool on)
{
    hci->queued = on ? BL_ATT_TX_UNACKED : 0;
}

/* GATT/SR/GAN/BV-01-C */
START_TEST(a_notification_carries_what_fits)
{
    ck_assert_int_eq(notify(A, 0x22, NULL), 1);
    hears(A, "1b 2200 0102");
    ck_assert_uint_eq(sent, 2);
    ck_assert_uint_eq(op, 0);
    ck_assert_int_eq(notify(B, 0x25, NULL), 1);
    hears(B, "1b 2500 5a*20");
    ck_assert_uint_eq(sent, 20);
    mtu(B, 517);
    ck_assert_int_eq(notify(B, 0x25, "11*514"), 1);
    hears(B, "1b 2500 11*512"); /* as much as a value has, though there is room for more */
    ck_assert_uint_eq(sent, 512);
    ck_assert_int_eq(notify(A, 0x22, ""), 1);
    hears(A, "1b 2200");
    ck_assert_uint_eq(sent, 0);
    has(0x22, "0102");
    silence();
    told("");
}
END_TEST

START_TEST(only_characteristics_of_clients_are_sent)
{
    static const uint16_t none[] = {0, 1, 3, 0x0a, 0x0d, 0x20, 0x21, 0x23, 0x2a, 0x41, 0xffff};

    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        ck_assert_int_eq(notify(A, none[i], "00"), -ENOENT);
        ck_assert_int_eq(indicate(A, none[i], "00"), -ENOENT);
    }
    silence();
    ck_assert_uint_eq(events.open_ops, 0);
}
END_TEST

START_TEST(a_notification_waits_for_room)
{
    congest(true);
    ck_assert_int_eq(notify(A, 0x22, "01"), 0);
    ck_assert_uint_ne(op, 0);
    silence();
    for (unsigned i = 1; i < BL_MAX_TX_WAIT; i++)
        ck_assert_int_eq(notify(A, 0x22, "02"), 0);
    ck_assert_int_eq(notify(A, 0x22, "03"), -EAGAIN);
    ck_assert_uint_eq(events.open_ops, BL_MAX_TX_WAIT);
    told("");
    bl_gatt_close(&gatt, now, A, 0x113);
    for (unsigned i = 0; i < BL_MAX_TX_WAIT; i++) {
        struct bl_event e;
        ck_assert(bl_evq_pop(&events, &e) && e.kind == BL_EV_OP_DONE && e.done.status == 0x113);
    }
    told("");
    ck_assert_int_eq(notify(B, 0x22, "04"), 0);
    congest(false);
    bl_gatt_due_all(&gatt);
    turn();
    hears(B, "1b 2200 04");
    told("done 0;");
    ck_assert_uint_eq(op, 0);
}
END_TEST

/* GATT/SR/GAI/BV-01-C */
START_TEST(an_indication_ends_when_it_is_confirmed)
{
    ck_assert_int_eq(indicate(A, 0x22, NULL), 0);
    ck_assert_uint_ne(op, 0);
    ck_assert_uint_eq(sent, 2);
    hears(A, "1d 2200 0102");
    told("");
    says(A, "1e");
    told("indicated 1 22 0;done 0;");
    ck_assert_uint_eq(op, 0);
    says(A, "1e"); /* nobody waits for it */
    told("");
    silence();
}
END_TEST

START_TEST(an_indication_carries_what_fits_and_a_value_has)
{
    static const struct {
        uint16_t mtu;
        const char *pdu;
        uint16_t sent;
    } rows[] = {{23, "1d 2500 11*20", 20},
                {514, "1d 2500 11*511", 511},
                {515, "1d 2500 11*512", 512},
                {516, "1d 2500 11*512", 512},
                {517, "1d 2500 11*512", 512}};

    if (rows[_i].mtu > 23)
        mtu(A, rows[_i].mtu);
    ck_assert_int_eq(indicate(A, 0x25, "11*600"), 0);
    hears(A, rows[_i].pdu);
    ck_assert_uint_eq(sent, rows[_i].sent);
    says(A, "1e");
    told("indicated 1 25 0;done 0;");
}
END_TEST

START_TEST(indications_go_one_after_the_other_on_each_link)
{
    ck_assert_int_eq(indicate(A, 0x22, "01"), 0);
    ck_assert_int_eq(indicate(A, 0x25, "02*40"), 0);
    ck_assert_int_eq(indicate(B, 0x22, "03"), 0);
    hears(A, "1d 2200 01");
    hears(B, "1d 2200 03");
    silence();
    check(A, "0a 2200", "0b 0102"); /* the other side goes on */
    bl_op last = op;
    says(A, "1e");
    hears(A, "1d 2500 02*20");
    told("indicated 1 22 0;done 0;");
    says(B, "1e");
    op = last;
    told("indicated 2 22 0;done 0;");
    ck_assert_uint_eq(op, 0);
    says(A, "1e");
    told("indicated 1 25 0;done 0;");
    ck_assert_uint_eq(events.open_ops, 0);
}
END_TEST

START_TEST(indications_are_bounded)
{
    for (unsigned i = 0; i < BL_MAX_INDICATIONS; i++)
        ck_assert_int_eq(indicate(A, 0x22, "01"), 0);
    ck_assert_int_eq(indicate(A, 0x22, "01"), -EAGAIN);
    ck_assert_int_eq(indicate(B, 0x22, "01"), 0);
    ck_assert_uint_eq(events.open_ops, BL_MAX_INDICATIONS + 1);
    hears(A, "1d 2200 01");
    hears(B, "1d 2200 01");
    says(A, "1e");
    hears(A, "1d 2200 01");
    told("indicated 1 22 0;done 0;");
    ck_assert_int_eq(indicate(A, 0x22, "01"), 0);
}
END_TEST

/* Core 5.4, Vol 3, Part F, 3.3.3 */
START_TEST(an_indication_without_confirmation_times_out)
{
    ck_assert_int_eq(indicate(A, 0x22, "01"), 0);
    ck_assert_int_eq(indicate(A, 0x22, "02"), 0);
    hears(A, "1d 2200 01");
    now += BL_ATT_TIMEOUT_US - 1;
    bl_gatt_tick(&gatt, now);
    told("");
    now += 1;
    bl_gatt_tick(&gatt, now);
    turn();
    told("indicated 1 22 401;done 401;");
    ck_assert_uint_eq(bl_gatt_pop_dead(&gatt), A);
    ck_assert_int_eq(indicate(A, 0x22, "03"), -ENOTCONN);
    ck_assert_int_eq(notify(A, 0x22, "03"), -ENOTCONN);
    silence();
    bl_gatt_close(&gatt, now, A, 0x122);
    told("indicated 1 22 122;done 122;");
    ck_assert_uint_eq(events.open_ops, 0);
}
END_TEST

START_TEST(a_link_ends_its_indications)
{
    ck_assert_int_eq(indicate(A, 0x22, "01"), 0);
    ck_assert_int_eq(indicate(A, 0x25, "02"), 0);
    hears(A, "1d 2200 01");
    subscribe(A, "2300", "0300");
    bl_gatt_close(&gatt, now, A, 0x113);
    told("indicated 1 22 113;done 113;indicated 1 25 113;done 113;subscribed 1 22 0;");
    ck_assert_uint_eq(events.open_ops, 0);
}
END_TEST

START_TEST(indications_of_what_goes_are_cancelled)
{
    ck_assert_int_eq(indicate(A, 0x22, "01"), 0);
    ck_assert_int_eq(indicate(A, 0x22, "02"), 0);
    ck_assert_int_eq(indicate(A, 0x34, "03"), 0);
    remove_service(0x20);
    told("indicated 1 22 402;done 402;indicated 1 22 402;done 402;");
    hears(A, "1d 2200 01");
    silence(); /* one at a time, whosever they were */
    says(A, "1e");
    hears(A, "1d 3400 03");
    told("");
    says(A, "1e");
    told("indicated 1 34 0;done 0;");
}
END_TEST

START_TEST(who_removes_may_end_them_itself)
{
    uint16_t conn = 0;

    ck_assert_int_eq(indicate(A, 0x22, "01"), 0);
    ck_assert_int_eq(indicate(A, 0x22, "02"), 0);
    ck_assert_int_eq(indicate(B, 0x22, "03"), 0);
    ck_assert(!bl_gatts_do_give_up(&gatt, 0x34, &conn));
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(bl_gatts_do_give_up(&gatt, 0x22, &conn));
        ck_assert_uint_eq(conn, i < 2 ? A : B);
    }
    ck_assert(!bl_gatts_do_give_up(&gatt, 0x22, &conn));
    remove_service(0x20);
    told("done 402;done 402;done 402;");
    /* The same handle, with another's indication behind what the peer has not confirmed. */
    ck_assert_uint_eq(add_service(0x20, 0x180d), 0x20);
    hears(A, "1d 2200 01");
    hears(B, "1d 2200 03");
    ck_assert_int_eq(indicate(A, 0x22, "04"), 0);
    silence();
    says(A, "1e");
    told("");
    hears(A, "1d 2200 04");
    bl_gatt_close(&gatt, now, B, 0x113);
    told("");
    says(A, "1e");
    told("indicated 1 22 0;done 0;");
    ck_assert_uint_eq(client(A)->server.n_indications, 0);
    ck_assert_uint_eq(events.open_ops, 0);
}
END_TEST

/* ---- updates ---- */

START_TEST(an_update_goes_to_each_by_what_it_subscribed_to)
{
    subscribe(A, "2300", "0100");
    subscribe(B, "2300", "0200");
    ck_assert_int_eq(update(0x22, "0a0b", true), 1);
    ck_assert_uint_eq(op, 0);
    hears(A, "1b 2200 0a0b");
    hears(B, "1d 2200 0a0b");
    silence();
    has(0x22, "0a0b");
    ck_assert_int_eq(update(0x22, "0c", false), 1);
    silence();
    says(B, "1e");
    told("indicated 2 22 0;");
    subscribe(B, "2300", "0300"); /* notified, where both are wanted */
    ck_assert_int_eq(update(0x22, "11*30", true), 1);
    hears(A, "1b 2200 11*20");
    hears(B, "1b 2200 11*20");
    silence();
    has(0x22, "11*30"); /* a local value enlarges the buffer */
    subscribe(A, "2300", "0000");
    bl_gatt_close(&gatt, now, B, 0x113);
    told("subscribed 2 22 0;");
    ck_assert_int_eq(update(0x22, "00", true), 1);
    silence();
}
END_TEST

START_TEST(a_local_write_needs_an_attribute_of_ours_and_512_octets)
{
    uint8_t big[513] = {0};

    ck_assert_int_eq(update(0x12, "00", true), -ENOENT);
    ck_assert_int_eq(update(3, "00", false), -ENOENT);
    ck_assert_int_eq(update(0x21, "00", false), -ENOENT);
    ck_assert_int_eq(update(0x23, "0100", false), -ENOENT);
    ck_assert_int_eq(bl_gatts_do_write(&gatt, now, 0x22, big, 513, true, &op), -EMSGSIZE);
    ck_assert_int_eq(bl_gatts_do_write(&gatt, now, 0x22, big, 512, true, &op), 1);
    ck_assert_int_eq(update(0x2a, "4142", true), 1);
    has(0x2a, "4142");
    silence();
    told("");
}
END_TEST

/* One operation for all of them. */
START_TEST(an_update_ends_when_the_last_has_it)
{
    subscribe(A, "2300", "0100");
    subscribe(B, "2300", "0100");
    subscribe(C, "2300", "0200");
    congest(true);
    ck_assert_int_eq(update(0x22, "07", true), 0);
    ck_assert_uint_ne(op, 0);
    hears(C, "1d 2200 07");
    silence();
    told("");
    bl_gatt_close(&gatt, now, A, 0x113);
    told("subscribed 1 22 0;");
    congest(false);
    bl_gatt_due_all(&gatt);
    turn();
    hears(B, "1b 2200 07");
    told("done 0;");
    ck_assert_uint_eq(op, 0);
    ck_assert_uint_eq(events.open_ops, 0);
    ck_assert_uint_eq(events.n_shared, 0);

    congest(true);
    ck_assert_int_eq(update(0x22, "08", true), 0);
    bl_gatt_close(&gatt, now, B, 0x113); /* that is no error */
    told("subscribed 2 22 0;done 0;");
    ck_assert_uint_eq(events.n_shared, 0);
}
END_TEST

START_TEST(an_update_that_has_no_room_is_not_stored)
{
    subscribe(A, "2300", "0100");
    subscribe(B, "2300", "0200");
    congest(true);
    for (unsigned i = 0; i < BL_MAX_TX_WAIT; i++)
        ck_assert_int_eq(notify(A, 0x25, "02"), 0);
    ck_assert_int_eq(update(0x22, "07", true), -EAGAIN);
    has(0x22, "0102");
    ck_assert_int_eq(update(0x22, "07", false), 1);
    congest(false);
    bl_gatt_due_all(&gatt);
    turn();
    hci->n_sent = hci->sent_taken = 0;
    while (events.count > 0)
        bl_evq_pop(&events, &(struct bl_event){0});
    for (unsigned i = 0; i < BL_MAX_INDICATIONS; i++)
        ck_assert_int_eq(indicate(B, 0x25, "01"), 0);
    ck_assert_int_eq(update(0x22, "08", true), -EAGAIN);
    has(0x22, "07");
}
END_TEST

/* Nobody is told of a value that could not be stored, and nothing leaks. */
START_TEST(without_memory_nothing_is_sent_or_stored)
{
    static const uint8_t value[60] = {9};
    struct bl_gatt_conn *c = client(C); /* assertions allocate */
    int r = -ENOMEM;

    subscribe(A, "2300", "0100");
    subscribe(B, "2300", "0100");
    for (unsigned long n = 1; r == -ENOMEM; n++) {
        ck_assert_uint_lt(n, 10);
        oom_fail_at(n);
        r = bl_gatts_do_write(&gatt, now, 0x22, value, sizeof(value), true, &op);
        oom_off();
        if (r == -ENOMEM) {
            has(0x22, "0102");
            silence();
        }
        ck_assert_uint_eq(events.open_ops, 0);
    }
    ck_assert_int_eq(r, 1);
    hears(A, "1b 2200 09 00*19");
    hears(B, "1b 2200 09 00*19");

    for (unsigned long n = 1; n <= 2; n++) {
        oom_fail_at(n);
        r = bl_gatts_do_indicate(c, now, 0x22, value, 1, &sent, &op);
        oom_off();
        ck_assert_int_eq(r, n == 1 ? -ENOMEM : 0);
        silence();
    }
    turn(); /* the second was kept, and is sent with the next turn */
    hears(C, "1d 2200 09");
    says(C, "1e");
    told("indicated 3 22 0;done 0;");
    oom_fail_at(1);
    r = bl_gatts_do_notify(c, now, 0x22, value, 1, &sent, &op);
    oom_off();
    ck_assert_int_eq(r, -ENOMEM);
    ck_assert_uint_eq(events.open_ops, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("server_send");
    TCase *t = tcase_create("server_send");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_notification_carries_what_fits);
    tcase_add_test(t, only_characteristics_of_clients_are_sent);
    tcase_add_test(t, a_notification_waits_for_room);
    tcase_add_test(t, an_indication_ends_when_it_is_confirmed);
    tcase_add_loop_test(t, an_indication_carries_what_fits_and_a_value_has, 0, 5);
    tcase_add_test(t, indications_go_one_after_the_other_on_each_link);
    tcase_add_test(t, indications_are_bounded);
    tcase_add_test(t, an_indication_without_confirmation_times_out);
    tcase_add_test(t, a_link_ends_its_indications);
    tcase_add_test(t, indications_of_what_goes_are_cancelled);
    tcase_add_test(t, who_removes_may_end_them_itself);
    tcase_add_test(t, an_update_goes_to_each_by_what_it_subscribed_to);
    tcase_add_test(t, a_local_write_needs_an_attribute_of_ours_and_512_octets);
    tcase_add_test(t, an_update_ends_when_the_last_has_it);
    tcase_add_test(t, an_update_that_has_no_room_is_not_stored);
    tcase_add_test(t, without_memory_nothing_is_sent_or_stored);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
