/* SPDX-License-Identifier: MIT */

#include "att/bearer.h"
#include "fake_hci.h"
#include "oom.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

enum { HANDLE = 0x0042 };

static struct bl_hci *hci;
static struct bl_evq events;
static struct bl_att_bearer b;
static uint64_t now;

static void begin(uint16_t offered)
{
    oom_off();
    hci = fake_hci_new(false);
    ck_assert_int_eq(bl_evq_init(&events), 0);
    bl_att_open(&b, hci, &events, HANDLE, offered);
    now = 1000;
}

static void setup(void)
{
    begin(256);
}

static void teardown(void)
{
    bl_att_close(&b, BL_DISCONNECTED);
    bl_evq_deinit(&events);
    fake_hci_free(hci);
}

/* A PDU from memory of exactly its size, for the sanitizers. */
static enum bl_att_in in(const char *bytes, size_t n, struct bl_att_pdu *ret)
{
    static uint8_t *kept;
    struct bl_att_pdu pdu;

    free(kept);
    kept = malloc(n > 0 ? n : 1);
    ck_assert_ptr_nonnull(kept);
    memcpy(kept, bytes, n);
    return bl_att_receive(&b, now, kept, n, ret ? ret : &pdu);
}

/* Its first octet is `opcode`, the others are zeros. */
static enum bl_att_in in_long(uint8_t opcode, size_t n)
{
    char bytes[1024] = {(char)opcode};

    return in(bytes, n, NULL);
}

/* The next PDU that was sent, and nothing else. */
static void sent(const char *bytes, size_t n)
{
    const struct fake_sent *s = fake_hci_take_sent(hci);

    ck_assert_ptr_nonnull(s);
    ck_assert_uint_eq(s->handle, HANDLE);
    ck_assert_uint_eq(s->n, 4 + n);
    ck_assert_uint_eq(s->data[0] | s->data[1] << 8, n);
    ck_assert_uint_eq(s->data[2] | s->data[3] << 8, BL_ATT_CID);
    ck_assert_mem_eq(s->data + 4, bytes, n);
}

static void nothing_sent(void)
{
    ck_assert_ptr_null(fake_hci_take_sent(hci));
}

static struct buf *build(struct wr *w, const char *bytes, size_t n)
{
    struct buf *pdu = bl_att_new(&b, n, w);

    if (pdu)
        wr_bytes(w, bytes, n);
    return pdu;
}

static int request(const char *bytes, size_t n)
{
    struct wr w;
    struct buf *pdu = build(&w, bytes, n);

    return bl_att_request(&b, now, pdu, &w);
}

static int indicate(const char *bytes, size_t n)
{
    struct wr w;
    struct buf *pdu = build(&w, bytes, n);

    return bl_att_indicate(&b, now, pdu, &w);
}

/* A notification of handle 1 with this value. */
static int push(uint8_t value, bl_op op)
{
    char bytes[4] = {0x1b, 1, 0, (char)value};
    struct wr w;
    struct buf *pdu = build(&w, bytes, sizeof(bytes));

    return bl_att_push(&b, pdu, &w, op);
}

static void respond(const char *bytes, size_t n)
{
    struct wr w;
    struct buf *pdu = build(&w, bytes, n);

    bl_att_respond(&b, pdu, &w);
}

static void op_done(bl_op op, bl_status status)
{
    struct bl_event e;

    ck_assert(bl_evq_pop(&events, &e));
    ck_assert_uint_eq(e.kind, BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_uint_eq(e.done.status, status);
}

/* ---- the peer's side ---- */

/* The requests of the specification, the shortest of each. */
static const struct {
    const char *bytes;
    size_t n, longest;
} requests[] = {
    {"\x04\x01\x00\xff\xff", 5, 5},          {"\x06\x01\x00\xff\xff\x00\x28", 7, 23},
    {"\x08\x01\x00\xff\xff\x00\x28", 7, 21}, {"\x0a\x01\x00", 3, 3},
    {"\x0c\x01\x00\x00\x00", 5, 5},          {"\x0e\x01\x00\x02\x00", 5, 23},
    {"\x10\x01\x00\xff\xff\x00\x28", 7, 21}, {"\x12\x01\x00", 3, 23},
    {"\x16\x01\x00\x00\x00", 5, 23},         {"\x18\x00", 2, 2},
    {"\x20\x01\x00\x02\x00", 5, 23},
};

enum { REQUESTS = sizeof(requests) / sizeof(requests[0]) };

START_TEST(a_request_is_handed_on_and_answered)
{
    struct bl_att_pdu pdu;

    ck_assert_int_eq(in(requests[_i].bytes, requests[_i].n, &pdu), BL_ATT_IN_REQUEST);
    ck_assert_uint_eq(pdu.opcode, (uint8_t)requests[_i].bytes[0]);
    ck_assert_uint_eq(pdu.body.left, requests[_i].n - 1);
    ck_assert_mem_eq(pdu.body.p, requests[_i].bytes + 1, pdu.body.left);
    nothing_sent();
    respond("\x0b\x55", 2);
    sent("\x0b\x55", 2);
    ck_assert_int_eq(in(requests[_i].bytes, requests[_i].n, &pdu), BL_ATT_IN_REQUEST);
}
END_TEST

START_TEST(a_request_of_a_wrong_length_is_an_invalid_pdu)
{
    uint8_t opcode = (uint8_t)requests[_i].bytes[0];
    char error[5] = {1, (char)opcode, 0, 0, BL_ATT_INVALID_PDU};
    unsigned wrong = 0;

    for (size_t n = 1; n <= 40; n++) {
        if (n >= requests[_i].n && n <= requests[_i].longest)
            continue;
        ck_assert_int_eq(in_long(opcode, n), BL_ATT_IN_NONE);
        sent(error, 5);
        wrong++;
    }
    ck_assert_uint_eq(b.invalid, wrong);
    ck_assert_int_eq(in_long(opcode, requests[_i].n), BL_ATT_IN_REQUEST);
}
END_TEST

START_TEST(an_unknown_request_is_not_supported)
{
    static const uint8_t unknown[] = {0x00, 0x14, 0x15, 0x1a, 0x1c, 0x1f, 0x22, 0x24, 0x3f, 0x80};
    char error[5] = {1, (char)unknown[_i], 0, 0, BL_ATT_REQUEST_NOT_SUPPORTED};

    ck_assert_int_eq(in_long(unknown[_i], 1), BL_ATT_IN_NONE);
    sent(error, 5);
    ck_assert_int_eq(in_long(unknown[_i], 100), BL_ATT_IN_NONE);
    sent(error, 5);
    ck_assert_int_eq(in("\x0a\x01\x00", 3, NULL), BL_ATT_IN_REQUEST);
}
END_TEST

START_TEST(an_unknown_command_is_ignored)
{
    static const uint8_t unknown[] = {0x40, 0x53, 0x5b, 0x7f, 0xc0, 0xd3, 0xff};

    ck_assert_int_eq(in_long(unknown[_i], 1), BL_ATT_IN_NONE);
    ck_assert_int_eq(in_long(unknown[_i], 20), BL_ATT_IN_NONE);
    nothing_sent();
    ck_assert_uint_eq(b.unexpected, 2);
}
END_TEST

START_TEST(commands_are_handed_on_and_never_answered)
{
    ck_assert_int_eq(in_long(BL_ATT_WRITE_CMD, 3), BL_ATT_IN_COMMAND);
    ck_assert_int_eq(in_long(BL_ATT_WRITE_CMD, 23), BL_ATT_IN_COMMAND);
    ck_assert_int_eq(in_long(BL_ATT_SIGNED_WRITE_CMD, 15), BL_ATT_IN_COMMAND);
    ck_assert_int_eq(in_long(BL_ATT_WRITE_CMD, 2), BL_ATT_IN_NONE);
    ck_assert_int_eq(in_long(BL_ATT_WRITE_CMD, 24), BL_ATT_IN_NONE);
    ck_assert_int_eq(in_long(BL_ATT_SIGNED_WRITE_CMD, 14), BL_ATT_IN_NONE);
    ck_assert_uint_eq(b.invalid, 3);
    nothing_sent();
}
END_TEST

START_TEST(a_second_request_before_the_answer_is_refused_and_the_first_stays)
{
    ck_assert_int_eq(in("\x0a\x01\x00", 3, NULL), BL_ATT_IN_REQUEST);
    ck_assert_int_eq(in("\x12\x02\x00", 3, NULL), BL_ATT_IN_NONE);
    sent("\x01\x12\x00\x00\x11", 5);
    ck_assert_int_eq(in("\x02\x00\x02", 3, NULL), BL_ATT_IN_NONE); /* an exchange, too */
    sent("\x01\x02\x00\x00\x11", 5);
    ck_assert_uint_eq(b.mtu, 23);
    ck_assert_int_eq(in("\x99", 1, NULL), BL_ATT_IN_NONE);
    sent("\x01\x99\x00\x00\x06", 5);
    bl_att_refuse(&b, 7, BL_ATT_INVALID_HANDLE);
    sent("\x01\x0a\x07\x00\x01", 5);
    ck_assert_int_eq(in("\x12\x02\x00", 3, NULL), BL_ATT_IN_REQUEST);
}
END_TEST

START_TEST(commands_go_on_while_a_request_is_unanswered)
{
    ck_assert_int_eq(in("\x0a\x01\x00", 3, NULL), BL_ATT_IN_REQUEST);
    ck_assert_int_eq(in("\x52\x02\x00", 3, NULL), BL_ATT_IN_COMMAND);
    ck_assert_int_eq(in("\x1b\x02\x00", 3, NULL), BL_ATT_IN_NOTIFY);
    nothing_sent();
}
END_TEST

START_TEST(an_answer_that_nobody_asked_for_is_not_sent)
{
    respond("\x0b", 1);
    bl_att_refuse(&b, 1, BL_ATT_INVALID_HANDLE);
    nothing_sent();
}
END_TEST

START_TEST(an_answer_that_failed_is_insufficient_resources)
{
    struct wr w;
    struct buf *pdu;

    ck_assert_int_eq(in("\x0a\x01\x00", 3, NULL), BL_ATT_IN_REQUEST);
    bl_att_respond(&b, NULL, NULL);
    sent("\x01\x0a\x00\x00\x11", 5);
    ck_assert_int_eq(in("\x0a\x01\x00", 3, NULL), BL_ATT_IN_REQUEST);
    pdu = bl_att_new(&b, 2, &w);
    wr_u32(&w, 0);
    bl_att_respond(&b, pdu, &w);
    sent("\x01\x0a\x00\x00\x11", 5);
    nothing_sent();
}
END_TEST

START_TEST(a_pdu_has_room_for_the_mtu_or_less)
{
    struct wr w;

    buf_free(bl_att_new(&b, 1000, &w));
    ck_assert_uint_eq(w.cap, 23);
    buf_free(bl_att_new(&b, 22, &w));
    ck_assert_uint_eq(w.cap, 22);
    ck_assert_int_eq(in("\x02\x64\x00", 3, NULL), BL_ATT_IN_MTU);
    buf_free(bl_att_new(&b, 1000, &w));
    ck_assert_uint_eq(w.cap, 100);
}
END_TEST

/* ---- the client's side ---- */

START_TEST(our_request_ends_with_its_response)
{
    struct bl_att_pdu pdu;

    ck_assert_int_eq(request("\x0a\x01\x00", 3), 0);
    sent("\x0a\x01\x00", 3);
    ck_assert_uint_eq(bl_att_deadline(&b), now + BL_ATT_TIMEOUT_US);
    ck_assert_int_eq(request("\x0a\x02\x00", 3), -EBUSY);
    ck_assert_int_eq(in("\x0b\x77", 2, &pdu), BL_ATT_IN_RESPONSE);
    ck_assert_uint_eq(pdu.opcode, 0x0b);
    ck_assert_uint_eq(pdu.request, 0x0a);
    ck_assert_uint_eq(rd_u8(&pdu.body), 0x77);
    ck_assert(rd_done(&pdu.body));
    ck_assert_uint_eq(bl_att_deadline(&b), TIMERQ_NEVER);
    ck_assert_int_eq(request("\x0a\x02\x00", 3), 0);
    sent("\x0a\x02\x00", 3);
    nothing_sent();
}
END_TEST

START_TEST(our_request_ends_with_an_error)
{
    struct bl_att_pdu pdu;

    ck_assert_int_eq(request("\x12\x34\x12\x00", 4), 0);
    ck_assert_int_eq(in("\x01\x12\x34\x12\x03", 5, &pdu), BL_ATT_IN_ERROR);
    ck_assert_uint_eq(pdu.request, 0x12);
    ck_assert_uint_eq(pdu.handle, 0x1234);
    ck_assert_uint_eq(pdu.error, BL_ATT_WRITE_NOT_PERMITTED);
    ck_assert_uint_eq(bl_att_deadline(&b), TIMERQ_NEVER);
    ck_assert_int_eq(request("\x12\x34\x12\x00", 4), 0);
    ck_assert_int_eq(in("\x01\x12\x34\x12\x00", 5, &pdu), BL_ATT_IN_ERROR);
    ck_assert_uint_eq(pdu.error, BL_ATT_UNLIKELY_ERROR);
}
END_TEST

START_TEST(an_answer_that_is_none_ends_our_request_as_nonsense)
{
    static const struct {
        const char *bytes;
        size_t n;
    } rows[] = {
        {"\x0d\x77", 2},             /* Read Blob's response */
        {"\x13", 1},                 /* Write's */
        {"\x3f", 1},                 /* an odd opcode that nobody knows */
        {"\x01\x0c\x01\x00\x01", 5}, /* an error for another request */
        {"\x01\x0a\x01\x00", 4},     /* an error cut short, and one too long */
        {"\x01\x0a\x01\x00\x01\x00", 6},
        {"\x05\x01\x01\x00", 4}, /* too short for what it is */
        {"\x0b"
         "0123456789012345678901234567890",
         24}, /* more than ATT_MTU */
    };
    struct bl_att_pdu pdu;

    ck_assert_int_eq(request("\x0a\x01\x00", 3), 0);
    sent("\x0a\x01\x00", 3);
    ck_assert_int_eq(in(rows[_i].bytes, rows[_i].n, &pdu), BL_ATT_IN_NONSENSE);
    ck_assert_uint_eq(pdu.request, 0x0a);
    nothing_sent();
    ck_assert_uint_eq(bl_att_deadline(&b), TIMERQ_NEVER);
    ck_assert_int_eq(request("\x0a\x01\x00", 3), 0);
    ck_assert(!b.dead);
}
END_TEST

START_TEST(a_response_that_nobody_asked_for_is_dropped_and_counted)
{
    static const char *const rows[] = {"\x0b", "\x13", "\x19", "\x21", "\x0d", "\x0f"};

    ck_assert_int_eq(in(rows[_i], 1, NULL), BL_ATT_IN_NONE);
    ck_assert_int_eq(in("\x01\x0a\x01\x00\x01", 5, NULL), BL_ATT_IN_NONE);
    ck_assert_int_eq(in("\x03\x00\x02", 3, NULL), BL_ATT_IN_NONE);
    ck_assert_uint_eq(b.unexpected, 3);
    ck_assert_uint_eq(b.mtu, 23);
    ck_assert(!b.asked);
    nothing_sent();
}
END_TEST

START_TEST(the_sides_do_not_block_each_other)
{
    ck_assert_int_eq(request("\x0a\x01\x00", 3), 0);
    ck_assert_int_eq(in("\x0a\x09\x00", 3, NULL), BL_ATT_IN_REQUEST);
    ck_assert_int_eq(indicate("\x1d\x05\x00", 3), 0);
    ck_assert_int_eq(in("\x1d\x06\x00", 3, NULL), BL_ATT_IN_INDICATE);
    ck_assert_int_eq(in("\x0b", 1, NULL), BL_ATT_IN_RESPONSE);
    ck_assert_int_eq(in("\x1e", 1, NULL), BL_ATT_IN_CONFIRM);
    respond("\x0b\x01", 2);
    sent("\x0a\x01\x00", 3);
    sent("\x1d\x05\x00", 3);
    sent("\x1e", 1);
    sent("\x0b\x01", 2);
    nothing_sent();
}
END_TEST

START_TEST(a_pdu_that_failed_or_is_too_long_is_refused)
{
    struct wr w;
    struct buf *pdu = bl_att_new(&b, 2, &w);

    wr_u32(&w, 0);
    ck_assert_int_eq(bl_att_request(&b, now, pdu, &w), -EMSGSIZE);
    pdu = bl_att_new(&b, 2, &w);
    wr_u32(&w, 0);
    ck_assert_int_eq(bl_att_indicate(&b, now, pdu, &w), -EMSGSIZE);
    pdu = bl_att_new(&b, 2, &w);
    wr_u32(&w, 0);
    ck_assert_int_eq(bl_att_push(&b, pdu, &w, 0), -EMSGSIZE);
    ck_assert_int_eq(bl_att_request(&b, now, NULL, &w), -ENOMEM);
    ck_assert_int_eq(bl_att_indicate(&b, now, NULL, &w), -ENOMEM);
    ck_assert_int_eq(bl_att_push(&b, NULL, &w, 0), -ENOMEM);
    ck_assert_uint_eq(bl_att_deadline(&b), TIMERQ_NEVER);
    nothing_sent();
}
END_TEST

/* ---- notifications and indications ---- */

START_TEST(an_indication_is_confirmed_at_once_and_once)
{
    struct bl_att_pdu pdu;

    ck_assert_int_eq(in("\x1d\x01\x00\x55", 4, &pdu), BL_ATT_IN_INDICATE);
    ck_assert_uint_eq(pdu.opcode, BL_ATT_INDICATION);
    ck_assert_uint_eq(rd_u16(&pdu.body), 1);
    sent("\x1e", 1);
    nothing_sent();
    ck_assert_int_eq(in("\x1d\x00\x00", 3, NULL), BL_ATT_IN_INDICATE); /* no value: still one */
    sent("\x1e", 1);
    nothing_sent();
}
END_TEST

START_TEST(what_is_no_notification_or_indication_is_dropped)
{
    for (size_t n = 1; n < 3; n++) {
        ck_assert_int_eq(in_long(BL_ATT_NOTIFICATION, n), BL_ATT_IN_NONE);
        ck_assert_int_eq(in_long(BL_ATT_INDICATION, n), BL_ATT_IN_NONE);
    }
    for (size_t n = 1; n < 5; n++)
        ck_assert_int_eq(in_long(BL_ATT_MULTIPLE_NOTIFICATION, n), BL_ATT_IN_NONE);
    ck_assert_int_eq(in_long(BL_ATT_NOTIFICATION, 24), BL_ATT_IN_NONE);
    ck_assert_int_eq(in_long(BL_ATT_INDICATION, 24), BL_ATT_IN_NONE);
    ck_assert_int_eq(in_long(BL_ATT_MULTIPLE_NOTIFICATION, 24), BL_ATT_IN_NONE);
    ck_assert_uint_eq(b.invalid, 11);
    ck_assert_int_eq(in_long(BL_ATT_NOTIFICATION, 23), BL_ATT_IN_NOTIFY);
    ck_assert_int_eq(in_long(BL_ATT_MULTIPLE_NOTIFICATION, 23), BL_ATT_IN_NOTIFY);
    ck_assert_int_eq(bl_att_receive(&b, now, NULL, 0, &(struct bl_att_pdu){0}), BL_ATT_IN_NONE);
    ck_assert_uint_eq(b.invalid, 12);
    nothing_sent();
}
END_TEST

START_TEST(one_indication_at_a_time)
{
    ck_assert_int_eq(in("\x1e", 1, NULL), BL_ATT_IN_NONE);
    ck_assert_uint_eq(b.unexpected, 1);
    ck_assert_int_eq(indicate("\x1d\x01\x00", 3), 0);
    ck_assert_int_eq(indicate("\x1d\x02\x00", 3), -EBUSY);
    ck_assert_uint_eq(bl_att_deadline(&b), now + BL_ATT_TIMEOUT_US);
    ck_assert_int_eq(in("\x1e\x00", 2, NULL), BL_ATT_IN_NONE); /* no confirmation is that long */
    ck_assert_uint_eq(b.invalid, 1);
    ck_assert(b.indicating);
    ck_assert_int_eq(in("\x1e", 1, NULL), BL_ATT_IN_CONFIRM);
    ck_assert_uint_eq(bl_att_deadline(&b), TIMERQ_NEVER);
    ck_assert_int_eq(in("\x1e", 1, NULL), BL_ATT_IN_NONE);
    ck_assert_int_eq(indicate("\x1d\x02\x00", 3), 0);
    sent("\x1d\x01\x00", 3);
    sent("\x1d\x02\x00", 3);
    nothing_sent();
}
END_TEST

/* ---- the MTU ---- */

START_TEST(the_peers_exchange_is_answered_with_ours)
{
    static const struct {
        uint16_t offered, theirs, mtu;
    } rows[] = {
        {256, 517, 256}, {256, 100, 100},    {256, 256, 256},  {256, 23, 23},
        {256, 22, 23},   {256, 0, 23},       {23, 517, 23},    {517, 517, 517},
        {517, 516, 516}, {517, 0xffff, 517}, {24, 0xffff, 24}, {512, 513, 512},
    };
    char bytes[3] = {2, (char)rows[_i].theirs, (char)(rows[_i].theirs >> 8)};
    char answer[3] = {3, (char)rows[_i].offered, (char)(rows[_i].offered >> 8)};

    b.offered = rows[_i].offered;
    ck_assert_int_eq(in(bytes, 3, NULL), BL_ATT_IN_MTU);
    sent(answer, 3);
    ck_assert_uint_eq(b.mtu, rows[_i].mtu);
    ck_assert(b.answered && !b.asked);
    ck_assert_int_eq(in_long(BL_ATT_NOTIFICATION, rows[_i].mtu), BL_ATT_IN_NOTIFY);
    ck_assert_int_eq(in_long(BL_ATT_NOTIFICATION, rows[_i].mtu + 1u), BL_ATT_IN_NONE);
}
END_TEST

START_TEST(a_second_exchange_of_the_peers_changes_nothing)
{
    ck_assert_int_eq(in("\x02\x64\x00", 3, NULL), BL_ATT_IN_MTU);
    ck_assert_int_eq(in("\x02\x00\x02", 3, NULL), BL_ATT_IN_NONE);
    sent("\x03\x00\x01", 3);
    sent("\x03\x00\x01", 3);
    ck_assert_uint_eq(b.mtu, 100);
    ck_assert_int_eq(in("\x0a\x01\x00", 3, NULL), BL_ATT_IN_REQUEST); /* it was answered */
}
END_TEST

START_TEST(our_exchange_ends_with_the_lesser_of_both)
{
    static const struct {
        uint16_t ours, theirs, mtu;
    } rows[] = {{517, 517, 517}, {517, 23, 23}, {100, 517, 100}, {23, 23, 23}, {517, 0xffff, 517}};
    char bytes[3] = {2, (char)rows[_i].ours, (char)(rows[_i].ours >> 8)};
    char answer[3] = {3, (char)rows[_i].theirs, (char)(rows[_i].theirs >> 8)};
    struct bl_att_pdu pdu;

    ck_assert_int_eq(bl_att_exchange_mtu(&b, now, rows[_i].ours), 0);
    sent(bytes, 3);
    ck_assert_uint_eq(b.mtu, 23);
    ck_assert_int_eq(in(answer, 3, &pdu), BL_ATT_IN_RESPONSE);
    ck_assert_uint_eq(pdu.opcode, BL_ATT_MTU_RSP);
    ck_assert_uint_eq(rd_u16(&pdu.body), rows[_i].theirs); /* left for who wants to look */
    ck_assert_uint_eq(b.mtu, rows[_i].mtu);
    ck_assert(b.asked && !b.answered);
}
END_TEST

START_TEST(an_answer_below_23_is_nonsense_and_changes_nothing)
{
    static const char *const rows[] = {"\x03\x16\x00", "\x03\x00\x00", "\x03\x01\x00"};

    ck_assert_int_eq(bl_att_exchange_mtu(&b, now, 517), 0);
    ck_assert_int_eq(in(rows[_i], 3, NULL), BL_ATT_IN_NONSENSE);
    ck_assert_uint_eq(b.mtu, 23);
    ck_assert(b.asked);
}
END_TEST

START_TEST(both_sides_may_exchange_at_once)
{
    ck_assert_int_eq(bl_att_exchange_mtu(&b, now, 300), 0);
    sent("\x02\x2c\x01", 3);
    ck_assert_int_eq(in("\x02\x05\x02", 3, NULL), BL_ATT_IN_MTU);
    sent("\x03\x2c\x01", 3); /* the same in both directions */
    ck_assert_uint_eq(b.mtu, 300);
    ck_assert_int_eq(in("\x03\x05\x02", 3, NULL), BL_ATT_IN_RESPONSE);
    ck_assert_uint_eq(b.mtu, 300);
}
END_TEST

/* A peer that says one thing and then another, in either order: what is queued stays sendable. */
START_TEST(the_mtu_never_falls)
{
    ck_assert_int_eq(in("\x02\x05\x02", 3, NULL), BL_ATT_IN_MTU);
    sent("\x03\x00\x01", 3);
    ck_assert_int_eq(bl_att_exchange_mtu(&b, now, 517), 0);
    sent("\x02\x00\x01", 3);
    ck_assert_int_eq(in("\x03\x17\x00", 3, NULL), BL_ATT_IN_RESPONSE);
    ck_assert_uint_eq(b.mtu, 256);
}
END_TEST

START_TEST(the_mtu_does_not_fall_for_the_peers_exchange_either)
{
    ck_assert_int_eq(bl_att_exchange_mtu(&b, now, 517), 0);
    sent("\x02\x05\x02", 3);
    ck_assert_int_eq(in("\x03\x64\x00", 3, NULL), BL_ATT_IN_RESPONSE);
    ck_assert_int_eq(in("\x02\x17\x00", 3, NULL), BL_ATT_IN_MTU);
    sent("\x03\x05\x02", 3);
    ck_assert_uint_eq(b.mtu, 100);
}
END_TEST

START_TEST(what_was_answered_once_is_asked_again)
{
    ck_assert_int_eq(in("\x02\x05\x02", 3, NULL), BL_ATT_IN_MTU);
    sent("\x03\x00\x01", 3);
    ck_assert_int_eq(bl_att_exchange_mtu(&b, now, 517), 0);
    sent("\x02\x00\x01", 3);
    ck_assert_int_eq(in("\x03\x05\x02", 3, NULL), BL_ATT_IN_RESPONSE);
    ck_assert_uint_eq(b.mtu, 256);
}
END_TEST

START_TEST(a_refused_exchange_leaves_the_mtu)
{
    struct bl_att_pdu pdu;

    ck_assert_int_eq(bl_att_exchange_mtu(&b, now, 517), 0);
    ck_assert_int_eq(in("\x01\x02\x00\x00\x06", 5, &pdu), BL_ATT_IN_ERROR);
    ck_assert_uint_eq(b.mtu, 23);
    ck_assert(b.asked);
}
END_TEST

/* ---- time ---- */

START_TEST(a_request_times_out_after_30_s_exactly)
{
    ck_assert_int_eq(request("\x0a\x01\x00", 3), 0);
    sent("\x0a\x01\x00", 3);
    now += 30000000u - 1;
    ck_assert(!bl_att_tick(&b, now));
    now++;
    ck_assert_uint_eq(bl_att_deadline(&b), now);
    ck_assert(bl_att_tick(&b, now));
    ck_assert(b.dead);
    ck_assert_uint_eq(b.request, 0x0a);
    ck_assert_uint_eq(bl_att_deadline(&b), TIMERQ_NEVER);
    ck_assert(!bl_att_tick(&b, now + 1));
    /* nothing more is sent or heard: 3.3.3 */
    ck_assert_int_eq(in("\x0b", 1, NULL), BL_ATT_IN_NONE);
    ck_assert_int_eq(in("\x0a\x01\x00", 3, NULL), BL_ATT_IN_NONE);
    ck_assert_int_eq(in("\x1d\x01\x00", 3, NULL), BL_ATT_IN_NONE);
    ck_assert_int_eq(in("\x99", 1, NULL), BL_ATT_IN_NONE);
    ck_assert_int_eq(request("\x0a\x01\x00", 3), -ENOTCONN);
    ck_assert_int_eq(indicate("\x1d\x01\x00", 3), -ENOTCONN);
    ck_assert_int_eq(push(0, 0), -ENOTCONN);
    ck_assert_int_eq(bl_att_exchange_mtu(&b, now, 100), -ENOTCONN);
    respond("\x0b", 1);
    ck_assert(!bl_att_flush(&b, now));
    ck_assert(!bl_att_has_room(&b));
    nothing_sent();
}
END_TEST

START_TEST(an_indication_times_out_after_30_s_exactly)
{
    ck_assert_int_eq(indicate("\x1d\x01\x00", 3), 0);
    now += 10000000u;
    ck_assert_int_eq(request("\x0a\x01\x00", 3), 0);
    ck_assert_uint_eq(bl_att_deadline(&b), now + 20000000u);
    now += 20000000u - 1;
    ck_assert(!bl_att_tick(&b, now));
    ck_assert(bl_att_tick(&b, now + 1));
    ck_assert(b.indicating && b.dead);
}
END_TEST

START_TEST(an_answer_within_30_s_is_in_time)
{
    ck_assert_int_eq(request("\x0a\x01\x00", 3), 0);
    now += 30000000u - 1;
    ck_assert(!bl_att_tick(&b, now));
    ck_assert_int_eq(in("\x0b", 1, NULL), BL_ATT_IN_RESPONSE);
    ck_assert(!bl_att_tick(&b, now + 1));
    ck_assert(!b.dead);
}
END_TEST

/* ---- room ---- */

START_TEST(what_has_no_room_waits_in_order_and_ends_its_operation_when_it_leaves)
{
    bl_op first = bl_evq_op(&events), second = bl_evq_op(&events);

    hci->counts = true;
    for (uint8_t i = 0; i < BL_ATT_TX_UNACKED; i++) {
        ck_assert(bl_att_has_room(&b));
        ck_assert_int_eq(push(i, 0), 1);
    }
    ck_assert(!bl_att_has_room(&b));
    ck_assert_int_eq(push(100, first), 0);
    ck_assert_int_eq(push(101, 0), 0);
    ck_assert_int_eq(push(102, second), 0);
    ck_assert(bl_att_waits(&b));
    ck_assert(bl_att_flush(&b, now)); /* nothing has left */
    for (uint8_t i = 0; i < BL_ATT_TX_UNACKED; i++)
        sent((char[]){0x1b, 1, 0, (char)i}, 4);
    nothing_sent();
    hci->queued -= 2;
    ck_assert(bl_att_flush(&b, now));
    sent("\x1b\x01\x00\x64", 4);
    sent("\x1b\x01\x00\x65", 4);
    nothing_sent();
    op_done(first, BL_OK);
    hci->queued = 0;
    ck_assert(!bl_att_has_room(&b)); /* one waits, and is first */
    ck_assert_int_eq(push(103, 0), 0);
    ck_assert(!bl_att_flush(&b, now));
    sent("\x1b\x01\x00\x66", 4);
    sent("\x1b\x01\x00\x67", 4);
    op_done(second, BL_OK);
    ck_assert(bl_att_has_room(&b));
}
END_TEST

START_TEST(so_many_wait_and_no_more)
{
    bl_op op;

    hci->queued = BL_ATT_TX_UNACKED;
    for (unsigned i = 0; i < BL_MAX_TX_WAIT; i++)
        ck_assert_int_eq(push((uint8_t)i, i == 0 ? (op = bl_evq_op(&events)) : 0), 0);
    ck_assert_int_eq(push(0, 0), -EAGAIN);
    ck_assert_uint_eq(b.n_waiting, BL_MAX_TX_WAIT);
    nothing_sent();
    bl_att_close(&b, 0x113);
    op_done(op, 0x113);
    ck_assert_uint_eq(b.n_waiting, 0);
}
END_TEST

START_TEST(answers_find_room_where_notifications_wait)
{
    hci->counts = true;
    for (unsigned i = 0; i < BL_ATT_TX_UNACKED + 3; i++)
        ck_assert_int_eq(push((uint8_t)i, 0), i < BL_ATT_TX_UNACKED);
    for (unsigned i = 0; i < BL_ATT_TX_UNACKED; i++)
        ck_assert_ptr_nonnull(fake_hci_take_sent(hci));
    ck_assert_int_eq(in("\x0a\x01\x00", 3, NULL), BL_ATT_IN_REQUEST);
    respond("\x0b\x01", 2);
    sent("\x0b\x01", 2);
    ck_assert_int_eq(in("\x1d\x01\x00", 3, NULL), BL_ATT_IN_INDICATE);
    sent("\x1e", 1);
}
END_TEST

START_TEST(a_request_goes_behind_the_commands_that_wait)
{
    hci->queued = BL_ATT_TX_UNACKED;
    ck_assert_int_eq(push(1, 0), 0);
    ck_assert_int_eq(request("\x0a\x01\x00", 3), 0);
    ck_assert_int_eq(indicate("\x1d\x01\x00", 3), 0);
    ck_assert_int_eq(push(2, 0), 0);
    nothing_sent();
    ck_assert_int_eq(request("\x0a\x02\x00", 3), -EBUSY);
    ck_assert_int_eq(indicate("\x1d\x02\x00", 3), -EBUSY);
    /* nobody can have answered yet */
    ck_assert_int_eq(in("\x0b", 1, NULL), BL_ATT_IN_NONE);
    ck_assert_int_eq(in("\x1e", 1, NULL), BL_ATT_IN_NONE);
    ck_assert_uint_eq(b.unexpected, 2);
    now += 20000000u;
    hci->queued = 0;
    ck_assert(!bl_att_flush(&b, now));
    sent("\x1b\x01\x00\x01", 4);
    sent("\x0a\x01\x00", 3);
    sent("\x1d\x01\x00", 3);
    sent("\x1b\x01\x00\x02", 4);
    /* its time begins when it leaves */
    ck_assert_uint_eq(bl_att_deadline(&b), now + BL_ATT_TIMEOUT_US);
    ck_assert_int_eq(in("\x0b", 1, NULL), BL_ATT_IN_RESPONSE);
    ck_assert_int_eq(in("\x1e", 1, NULL), BL_ATT_IN_CONFIRM);
}
END_TEST

START_TEST(the_time_of_what_waits_is_prolonged_while_anything_leaves)
{
    hci->queued = BL_MAX_TX_PDUS;
    hci->stats.tx_packets = 7;
    ck_assert_int_eq(request("\x0a\x01\x00", 3), 0);
    ck_assert_int_eq(indicate("\x1d\x01\x00", 3), 0);
    ck_assert_uint_eq(bl_att_deadline(&b), now + BL_ATT_TIMEOUT_US);
    now += BL_ATT_TIMEOUT_US;
    hci->stats.tx_packets = 8;
    ck_assert(!bl_att_tick(&b, now));
    ck_assert_uint_eq(bl_att_deadline(&b), now + BL_ATT_TIMEOUT_US);
    now += BL_ATT_TIMEOUT_US;
    ck_assert(bl_att_tick(&b, now)); /* nothing left */
}
END_TEST

START_TEST(the_time_of_a_request_begins_when_what_is_before_it_has_left)
{
    bool indication = _i == 1;

    hci->queued = 3;
    hci->stats.tx_pdus = 10;
    hci->stats.queued = 4; /* with the one that is sent now */
    if (indication)
        ck_assert_int_eq(indicate("\x1d\x01\x00", 3), 0);
    else
        ck_assert_int_eq(request("\x0a\x01\x00", 3), 0);
    ck_assert(bl_att_waits(&b));
    now += 20000000u;
    hci->stats.tx_pdus = 13;
    ck_assert(bl_att_flush(&b, now));
    ck_assert_uint_eq(bl_att_deadline(&b), now + 10000000u);
    now += 5000000u;
    hci->stats.tx_pdus = 14;
    ck_assert(!bl_att_flush(&b, now));
    ck_assert_uint_eq(bl_att_deadline(&b), now + BL_ATT_TIMEOUT_US);
    now += BL_ATT_TIMEOUT_US;
    hci->stats.tx_packets = 100; /* that others leave does not prolong it */
    ck_assert(bl_att_tick(&b, now));
    ck_assert_int_eq(b.request_until <= now, !indication);
    ck_assert_int_eq(b.indicate_until <= now, indication);
}
END_TEST

START_TEST(an_answer_that_comes_early_is_one)
{
    hci->queued = 3;
    hci->stats.queued = 4;
    ck_assert_int_eq(request("\x0a\x01\x00", 3), 0);
    ck_assert_int_eq(in("\x0b", 1, NULL), BL_ATT_IN_RESPONSE);
    ck_assert(!bl_att_waits(&b));
    ck_assert_uint_eq(bl_att_deadline(&b), TIMERQ_NEVER);
}
END_TEST

START_TEST(without_any_room_an_answer_is_kept_and_no_further_request_heard)
{
    hci->queued = BL_MAX_TX_PDUS;
    ck_assert_int_eq(in("\x0a\x01\x00", 3, NULL), BL_ATT_IN_REQUEST);
    respond("\x0b\x01", 2);
    ck_assert_int_eq(in("\x0a\x02\x00", 3, NULL), BL_ATT_IN_NONE);
    ck_assert_int_eq(in("\x0a", 1, NULL), BL_ATT_IN_NONE);
    ck_assert_int_eq(in("\x99", 1, NULL), BL_ATT_IN_NONE);
    ck_assert(bl_att_flush(&b, now));
    nothing_sent();
    hci->queued--;
    ck_assert(!bl_att_flush(&b, now));
    sent("\x0b\x01", 2);
    nothing_sent();
    ck_assert_int_eq(in("\x0a\x03\x00", 3, NULL), BL_ATT_IN_REQUEST);
}
END_TEST

START_TEST(without_any_room_an_error_and_a_confirmation_are_owed)
{
    hci->queued = BL_MAX_TX_PDUS;
    ck_assert_int_eq(in("\x99", 1, NULL), BL_ATT_IN_NONE);
    ck_assert_int_eq(in("\x1d\x01\x00", 3, NULL), BL_ATT_IN_INDICATE);
    ck_assert_int_eq(in("\x1d\x01\x00", 3, NULL), BL_ATT_IN_NONE); /* the first is not confirmed */
    ck_assert(bl_att_flush(&b, now));
    hci->queued--;
    ck_assert(!bl_att_flush(&b, now));
    sent("\x01\x99\x00\x00\x06", 5);
    sent("\x1e", 1);
    nothing_sent();
}
END_TEST

START_TEST(a_link_that_has_gone_costs_nothing)
{
    hci->send_error = -ENOTCONN;
    ck_assert_int_eq(request("\x0a\x01\x00", 3), 0);
    hci->send_error = -ENOBUFS;
    ck_assert_int_eq(push(1, 0), 1);
    nothing_sent();
}
END_TEST

START_TEST(close_ends_what_waits_with_the_links_status)
{
    bl_op op = bl_evq_op(&events);

    hci->queued = BL_MAX_TX_PDUS;
    ck_assert_int_eq(push(1, op), 0);
    ck_assert_int_eq(request("\x0a\x01\x00", 3), 0);
    ck_assert_int_eq(in("\x0a\x01\x00", 3, NULL), BL_ATT_IN_REQUEST);
    respond("\x0b\x01", 2);
    bl_att_close(&b, 0x108);
    op_done(op, 0x108);
    hci->queued = 0;
    ck_assert(!bl_att_flush(&b, now));
    nothing_sent();
    ck_assert_uint_eq(bl_att_deadline(&b), TIMERQ_NEVER);
}
END_TEST

/* ---- memory ---- */

START_TEST(without_memory_nothing_of_ours_begins)
{
    int r[4];

    oom_fail_from(1);
    r[0] = request("\x0a\x01\x00", 3);
    r[1] = indicate("\x1d\x01\x00", 3);
    r[2] = push(1, 0);
    r[3] = bl_att_exchange_mtu(&b, now, 100);
    oom_off();
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(r[i], -ENOMEM);
    ck_assert_uint_eq(b.request, 0);
    ck_assert(!b.indicating);
    ck_assert_uint_eq(b.offered, 256);
    nothing_sent();
}
END_TEST

START_TEST(without_memory_to_wait_nothing_waits)
{
    int r[3];

    hci->queued = BL_MAX_TX_PDUS;
    oom_fail_at(2);
    r[0] = request("\x0a\x01\x00", 3);
    oom_fail_at(2);
    r[1] = indicate("\x1d\x01\x00", 3);
    oom_fail_at(2);
    r[2] = push(1, 0);
    oom_off();
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(r[i], -ENOMEM);
    ck_assert(!bl_att_waits(&b));
    ck_assert_uint_eq(bl_att_deadline(&b), TIMERQ_NEVER);
}
END_TEST

START_TEST(without_memory_an_answer_is_owed)
{
    struct bl_att_pdu pdu;
    enum bl_att_in r[4];
    bool waits;

    oom_fail_from(1);
    r[0] = bl_att_receive(&b, now, (const uint8_t *)"\x0a\x01\x00", 3, &pdu);
    bl_att_respond(&b, NULL, NULL);
    r[1] = bl_att_receive(&b, now, (const uint8_t *)"\x02\x64\x00", 3, &pdu);
    r[2] = bl_att_receive(&b, now, (const uint8_t *)"\x1d\x01\x00", 3, &pdu);
    r[3] = bl_att_receive(&b, now, (const uint8_t *)"\x99", 1, &pdu);
    waits = bl_att_flush(&b, now);
    oom_off();
    ck_assert_int_eq(r[0], BL_ATT_IN_REQUEST);
    ck_assert_int_eq(r[1], BL_ATT_IN_NONE);
    ck_assert_int_eq(r[2], BL_ATT_IN_INDICATE);
    ck_assert_int_eq(r[3], BL_ATT_IN_NONE);
    ck_assert(waits);
    nothing_sent();
    ck_assert(!bl_att_flush(&b, now));
    sent("\x01\x0a\x00\x00\x11", 5);
    sent("\x1e", 1);
    nothing_sent();
    ck_assert_uint_eq(b.mtu, 23);
}
END_TEST

START_TEST(without_memory_the_peers_exchange_is_refused)
{
    struct bl_att_pdu pdu;

    oom_fail_from(1);
    enum bl_att_in r = bl_att_receive(&b, now, (const uint8_t *)"\x02\x64\x00", 3, &pdu);
    oom_off();
    ck_assert_int_eq(r, BL_ATT_IN_NONE);
    ck_assert(!bl_att_flush(&b, now));
    sent("\x01\x02\x00\x00\x11", 5);
    ck_assert(!b.answered);
    ck_assert_int_eq(in("\x02\x64\x00", 3, NULL), BL_ATT_IN_MTU);
    ck_assert_uint_eq(b.mtu, 100);
}
END_TEST

#define LOOP(t, name, rows) tcase_add_loop_test(t, name, 0, rows)

int main(void)
{
    Suite *s = suite_create("bearer");
    TCase *t = tcase_create("bearer");

    tcase_add_checked_fixture(t, setup, teardown);
    LOOP(t, a_request_is_handed_on_and_answered, REQUESTS);
    LOOP(t, a_request_of_a_wrong_length_is_an_invalid_pdu, REQUESTS);
    LOOP(t, an_unknown_request_is_not_supported, 10);
    LOOP(t, an_unknown_command_is_ignored, 7);
    tcase_add_test(t, commands_are_handed_on_and_never_answered);
    tcase_add_test(t, a_second_request_before_the_answer_is_refused_and_the_first_stays);
    tcase_add_test(t, commands_go_on_while_a_request_is_unanswered);
    tcase_add_test(t, an_answer_that_nobody_asked_for_is_not_sent);
    tcase_add_test(t, an_answer_that_failed_is_insufficient_resources);
    tcase_add_test(t, a_pdu_has_room_for_the_mtu_or_less);
    tcase_add_test(t, our_request_ends_with_its_response);
    tcase_add_test(t, our_request_ends_with_an_error);
    LOOP(t, an_answer_that_is_none_ends_our_request_as_nonsense, 8);
    LOOP(t, a_response_that_nobody_asked_for_is_dropped_and_counted, 6);
    tcase_add_test(t, the_sides_do_not_block_each_other);
    tcase_add_test(t, a_pdu_that_failed_or_is_too_long_is_refused);
    tcase_add_test(t, an_indication_is_confirmed_at_once_and_once);
    tcase_add_test(t, what_is_no_notification_or_indication_is_dropped);
    tcase_add_test(t, one_indication_at_a_time);
    LOOP(t, the_peers_exchange_is_answered_with_ours, 12);
    tcase_add_test(t, a_second_exchange_of_the_peers_changes_nothing);
    LOOP(t, our_exchange_ends_with_the_lesser_of_both, 5);
    LOOP(t, an_answer_below_23_is_nonsense_and_changes_nothing, 3);
    tcase_add_test(t, both_sides_may_exchange_at_once);
    tcase_add_test(t, the_mtu_never_falls);
    tcase_add_test(t, the_mtu_does_not_fall_for_the_peers_exchange_either);
    tcase_add_test(t, what_was_answered_once_is_asked_again);
    tcase_add_test(t, a_refused_exchange_leaves_the_mtu);
    tcase_add_test(t, a_request_times_out_after_30_s_exactly);
    tcase_add_test(t, an_indication_times_out_after_30_s_exactly);
    tcase_add_test(t, an_answer_within_30_s_is_in_time);
    tcase_add_test(t, what_has_no_room_waits_in_order_and_ends_its_operation_when_it_leaves);
    tcase_add_test(t, so_many_wait_and_no_more);
    tcase_add_test(t, answers_find_room_where_notifications_wait);
    tcase_add_test(t, a_request_goes_behind_the_commands_that_wait);
    tcase_add_test(t, the_time_of_what_waits_is_prolonged_while_anything_leaves);
    LOOP(t, the_time_of_a_request_begins_when_what_is_before_it_has_left, 2);
    tcase_add_test(t, an_answer_that_comes_early_is_one);
    tcase_add_test(t, without_any_room_an_answer_is_kept_and_no_further_request_heard);
    tcase_add_test(t, without_any_room_an_error_and_a_confirmation_are_owed);
    tcase_add_test(t, a_link_that_has_gone_costs_nothing);
    tcase_add_test(t, close_ends_what_waits_with_the_links_status);
    tcase_add_test(t, without_memory_nothing_of_ours_begins);
    tcase_add_test(t, without_memory_to_wait_nothing_waits);
    tcase_add_test(t, without_memory_an_answer_is_owed);
    tcase_add_test(t, without_memory_the_peers_exchange_is_refused);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
