/* SPDX-License-Identifier: MIT */

#include "data_rig.h"

#include "base/cleanup.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static uint32_t seed;

static uint32_t rnd(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

/* What may not be, whatever comes: more in memory or promised than the window. */
static void check_window(const struct l2cap_channel *ch)
{
    const struct l2cap_rx *rx = &ch->rx;

    rig_must(rx->tail - rx->head + (size_t)rx->credits * ch->our_mps <= rx->window);
    rig_must(rx->cap <= rx->window);
    rig_must(rx->tail <= rx->cap);
}

/* One frame, from memory of exactly its size. */
static const char *frame(struct l2cap_channel *ch, const void *data, size_t n)
{
    uint8_t *exact = malloc(n > 0 ? n : 1);

    rig_must(exact);
    if (n > 0)
        memcpy(exact, data, n);
    const char *why = l2cap_rx_frame(ch, 0, exact, n);
    free(exact);
    check_window(ch);
    return why;
}

/* The next SDU of the peer, in frames of at most mps octets, as far as credits go; false: there
 * were not enough, and the rest is missing. */
static bool arrive(struct l2cap_channel *ch, size_t n, size_t mps)
{
    uint8_t *sdu = malloc(n + 2);
    bool whole = true;

    rig_must(sdu);
    sdu[0] = (uint8_t)n;
    sdu[1] = (uint8_t)(n >> 8);
    rig_fill(ch, rig_peer(ch)->sent++, sdu + 2, n);
    for (size_t at = 0; whole && at < n + 2;) {
        size_t part = n + 2 - at < mps ? n + 2 - at : mps;
        whole = ch->rx.credits > 0;
        if (whole)
            rig_must(!frame(ch, sdu + at, part));
        at += part;
    }
    free(sdu);
    return whole;
}

/* The index-th SDU that waits is the peer's number `number`, from its octet `from` on. */
static void expect(const struct l2cap_channel *ch, size_t index, unsigned number, size_t from)
{
    const uint8_t *p;
    size_t n;

    rig_must(bl_l2cap_rx_peek(ch, index, &p, &n));
    uint8_t *expected = malloc(from + n + 1);
    rig_must(expected);
    rig_fill(ch, number, expected, from + n);
    rig_must(memcmp(p, expected + from, n) == 0);
    free(expected);
}

static size_t left_of(const struct l2cap_channel *ch, size_t index)
{
    const uint8_t *p;
    size_t n;

    return bl_l2cap_rx_peek(ch, index, &p, &n) ? n : SIZE_MAX;
}

static void expect_available(const struct l2cap_channel *ch, size_t bytes, size_t sdus)
{
    size_t b, s;

    bl_l2cap_rx_available(ch, &b, &s);
    rig_must(b == bytes);
    rig_must(s == sdus);
}

/* Credits that the last command gave; the test fails unless there was one since. */
static uint16_t given(struct rig *r, struct l2cap_channel *ch)
{
    rig_must(r->n_sig == 1);
    rig_must(r->sig[0].code == BL_SIG_CREDITS);
    rig_must(r->sig[0].identifier != 0);
    rig_must(r->sig[0].credits.cid == ch->cid);
    r->n_sig = 0;
    return r->sig[0].credits.credits;
}

static unsigned received_events(struct rig *r, const struct l2cap_channel *ch)
{
    struct bl_event e;
    unsigned n = 0;

    while (bl_evq_pop(&r->events, &e)) {
        rig_must(e.kind == BL_EV_L2CAP_RECEIVED);
        rig_must(e.l2cap.conn == ch->c->conn);
        rig_must(e.l2cap.cid == ch->cid);
        rig_must(e.l2cap.psm == ch->psm);
        n++;
    }
    return n;
}

/* A rig with one channel, whose peer has its credits. */
static struct l2cap_channel *opened(uint16_t mtu, uint16_t mps, unsigned sdus)
{
    struct l2cap_channel *ch = rig_open(rig_new(251, 8), 0, mtu, mps, sdus);

    ch->psm = 0x80;
    (void)l2cap_rx_first_credits(ch);
    check_window(ch);
    return ch;
}

/* ---- joining ---- */

START_TEST(frames_are_joined_and_told_of_once)
{
    static const size_t sizes[] = {0, 1, 44, 45, 46, 47, 92, 93, 94, 500, 512};
    struct l2cap_channel *ch = opened(512, 47, 3);
    struct rig *r = rig_of(ch);

    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        ck_assert(arrive(ch, sizes[i], 47));
        ck_assert_uint_eq(received_events(r, ch), 1);
        expect_available(ch, sizes[i], 1);
        ck_assert_uint_eq(left_of(ch, 0), sizes[i]);
        expect(ch, 0, i, 0);
        ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, sizes[i]), 0);
        expect_available(ch, 0, 0);
    }
    ck_assert_uint_eq(ch->rx.total_sdus, ARRAY_LEN(sizes));
    ck_assert_uint_eq(ch->rx.total_bytes, 0 + 1 + 44 + 45 + 46 + 47 + 92 + 93 + 94 + 500 + 512);
    ck_assert_uint_eq(r->l.counters[BL_L2CAP_N_RX_SDUS], ARRAY_LEN(sizes));
    rig_free(r);
}
END_TEST

START_TEST(sdu_in_joining_cannot_be_read)
{
    struct l2cap_channel *ch = opened(100, 50, 3);
    struct rig *r = rig_of(ch);

    ck_assert_ptr_null(frame(ch,
                             "\x03\x00"
                             "ab",
                             4));
    expect_available(ch, 0, 0);
    ck_assert_uint_eq(left_of(ch, 0), SIZE_MAX);
    ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 0), -ENOENT);
    ck_assert_int_eq(bl_l2cap_rx_consume_sdus(ch, 0, 1), -EINVAL);
    ck_assert_uint_eq(received_events(r, ch), 0);
    ck_assert_ptr_null(frame(ch, "", 0)); /* no octets are no harm, and a credit */
    ck_assert_uint_eq(received_events(r, ch), 0);
    ck_assert_ptr_null(frame(ch, "c", 1));
    ck_assert_uint_eq(received_events(r, ch), 1);
    expect_available(ch, 3, 1);
    rig_free(r);
}
END_TEST

START_TEST(frame_that_breaks_a_rule_says_which)
{
    static const uint8_t octets[200];
    static const struct {
        const char *first; /* before it */
        size_t n_first;
        const char *start; /* its first octets */
        size_t n;
        bool no_credit;
        const char *why;
    } rows[] = {
        {NULL, 0, "\x01\x00", 3, true, "a frame without a credit"},
        {"\x05\x00", 2, "\x00\x00", 3, true, "a frame without a credit"},
        {NULL, 0, "\x64\x00", 51, false, "a frame longer than our MPS"},
        {"\x64\x00", 2, "\x00\x00", 51, false, "a frame longer than our MPS"},
        {NULL, 0, "", 0, false, "a first frame without the SDU's length"},
        {NULL, 0, "\x00", 1, false, "a first frame without the SDU's length"},
        {NULL, 0, "\x65\x00", 10, false, "an SDU longer than our MTU"},
        {NULL, 0, "\xff\xff", 2, false, "an SDU longer than our MTU"},
        {NULL, 0, "\x00\x00", 3, false, "more octets than the SDU's length"},
        {NULL, 0, "\x0a\x00", 13, false, "more octets than the SDU's length"},
        {"\x05\x00\x01\x02", 4, "\x00\x00", 4, false, "more octets than the SDU's length"},
        /* and what is just within them */
        {NULL, 0, "\x64\x00", 50, false, NULL},
        {NULL, 0, "\x00\x00", 2, false, NULL},
        {NULL, 0, "\x30\x00", 50, false, NULL},
        {"\x05\x00\x01\x02", 4, "\x00\x00", 3, false, NULL},
        {"\x64\x00\x01\x02", 4, "\x00\x00", 50, false, NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct l2cap_channel *ch = opened(100, 50, 1);
        struct rig *r = rig_of(ch);
        uint8_t data[200];
        memcpy(data, octets, sizeof(data));
        memcpy(data, rows[i].start, rows[i].n < 2 ? rows[i].n : 2);
        if (rows[i].first)
            ck_assert_ptr_null(frame(ch, rows[i].first, rows[i].n_first));
        if (rows[i].no_credit)
            ch->rx.credits = 0;
        const char *why = frame(ch, data, rows[i].n);
        if (rows[i].why)
            ck_assert_str_eq(why, rows[i].why);
        else
            ck_assert_ptr_null(why);
        rig_free(r);
    }
}
END_TEST

START_TEST(mtu_and_mps_of_the_greatest_kind)
{
    struct l2cap_channel *ch = opened(65535, 65533, 1);

    for (unsigned i = 0; i < 3; i++) {
        ck_assert(arrive(ch, 65535, 65533));
        expect(ch, 0, i, 0);
        ck_assert_uint_eq(left_of(ch, 0), 65535);
        ck_assert_int_eq(bl_l2cap_rx_consume_sdus(ch, 0, 1), 0);
    }
    rig_free(rig_of(ch));
}
END_TEST

/* ---- reading ---- */

START_TEST(sdus_are_read_in_part_whole_and_several_at_once)
{
    struct l2cap_channel *ch = opened(100, 50, 10);
    static const size_t sizes[] = {10, 0, 100, 1, 30};

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        ck_assert(arrive(ch, sizes[i], 50));
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        ck_assert_uint_eq(left_of(ch, i), sizes[i]);
        expect(ch, i, i, 0);
    }
    ck_assert_uint_eq(left_of(ch, 5), SIZE_MAX);
    ck_assert_uint_eq(left_of(ch, SIZE_MAX), SIZE_MAX);
    expect_available(ch, 141, 5);
    ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 11), -EINVAL);
    for (size_t i = 1; i < 10; i++) { /* one octet at a time */
        ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 1), 0);
        expect(ch, 0, 0, i);
        ck_assert_uint_eq(left_of(ch, 0), 10 - i);
        expect_available(ch, 141 - i, 5);
    }
    ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 0), 0); /* not an empty one: nothing happens */
    expect_available(ch, 132, 5);
    ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 1), 0);
    ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 1), -EINVAL);
    ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 0), 0); /* the empty one */
    expect_available(ch, 131, 3);
    ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 60), 0);
    expect(ch, 0, 2, 60);
    expect(ch, 1, 3, 0);
    ck_assert_int_eq(bl_l2cap_rx_consume_sdus(ch, 0, 4), -EINVAL);
    expect_available(ch, 71, 3);
    ck_assert_int_eq(bl_l2cap_rx_consume_sdus(ch, 0, 2), 0); /* what is left of one, and one */
    expect_available(ch, 30, 1);
    expect(ch, 0, 4, 0);
    ck_assert_int_eq(bl_l2cap_rx_consume_sdus(ch, 0, 0), 0);
    ck_assert_int_eq(bl_l2cap_rx_consume_sdus(ch, 0, 1), 0);
    ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 0), -ENOENT);
    rig_free(rig_of(ch));
}
END_TEST

START_TEST(channel_that_has_ended_goes_with_its_last_sdu)
{
    struct l2cap_channel *ch = opened(100, 50, 10);
    struct rig *r = rig_of(ch);

    ck_assert(arrive(ch, 10, 50));
    ck_assert(arrive(ch, 0, 50));
    ck_assert(arrive(ch, 20, 50));
    ck_assert_ptr_null(frame(ch, "\x05\x00", 2)); /* never completed */
    ch->state = L2CAP_ENDED;
    ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 4), 0);
    expect(ch, 0, 0, 4);
    ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 6), 0);
    ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 0), 0);
    ck_assert_uint_eq(r->freed, 0);
    ck_assert_uint_eq(r->n_sig, 0); /* nobody to give credits to */
    ck_assert_int_eq(bl_l2cap_rx_consume_sdus(ch, 0, 1), 0);
    ck_assert_uint_eq(r->freed, 1);
    rig_free(r);
}
END_TEST

/* ---- credits ---- */

START_TEST(first_credits_are_what_the_window_holds)
{
    static const struct {
        uint16_t mtu, mps;
        unsigned sdus;
        uint16_t credits;
    } rows[] = {
        {23, 23, 1, 2},       {100, 50, 1, 3},
        {512, 247, 4, 9},     {65535, 23, 23, 65535}, /* no more than 10.1 allows */
        {65535, 65533, 1, 2}, {65535, 247, 1, 266},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig *r = rig_new(251, 8);
        struct l2cap_channel *ch = rig_open(r, 0, rows[i].mtu, rows[i].mps, rows[i].sdus);
        ck_assert_uint_eq(l2cap_rx_first_credits(ch), rows[i].credits);
        ck_assert_uint_eq(ch->rx.credits, rows[i].credits);
        ck_assert_uint_eq(l2cap_rx_first_credits(ch), 0); /* they are the peer's */
        rig_free(r);
    }
}
END_TEST

START_TEST(credits_come_back_by_half_a_window)
{
    struct l2cap_channel *ch = opened(98, 50, 8); /* 850 octets, 17 frames */
    struct rig *r = rig_of(ch);

    ck_assert_uint_eq(ch->rx.credits, 17);
    for (unsigned i = 0; i < 30; i++) {
        ck_assert(arrive(ch, 98, 50)); /* two frames */
        ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 98), 0);
        if (i % 4 == 3)
            ck_assert_uint_eq(given(r, ch), 8);
        ck_assert_uint_eq(r->n_sig, 0);
    }
    rig_free(r);
}
END_TEST

START_TEST(frames_shorter_than_the_mps_give_credits_back_before_anything_is_read)
{
    struct l2cap_channel *ch = opened(98, 50, 8);
    struct rig *r = rig_of(ch);

    for (unsigned i = 0; i < 8; i++) {
        ck_assert_uint_eq(r->n_sig, 0);
        ck_assert_ptr_null(frame(ch, "\x00\x00", 2));
    }
    ck_assert_uint_eq(r->n_sig, 0); /* 850 - 16 - 9 * 50 is less than eight frames */
    ck_assert_ptr_null(frame(ch, "\x00\x00", 2));
    ck_assert_uint_eq(given(r, ch), 8);
    rig_free(r);
}
END_TEST

START_TEST(reader_that_takes_nothing_gets_no_more_than_the_window)
{
    struct l2cap_channel *ch = opened(100, 50, 4);
    struct rig *r = rig_of(ch);
    unsigned n = 0;

    while (ch->rx.credits > 0)
        ck_assert(arrive(ch, 48, 50)), n++;
    ck_assert_uint_eq(n, 458 / 50);
    ck_assert_uint_eq(r->n_sig, 0);
    ck_assert_str_eq(frame(ch, "\x00\x00", 2), "a frame without a credit");
    for (unsigned i = 0; i < n; i++)
        expect(ch, i, i, 0);
    /* the peer waits: the first room is its */
    ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 41), 0);
    ck_assert_uint_eq(r->n_sig, 0); /* 8 that were left, 41 of 50 */
    ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 1), 0);
    ck_assert_uint_eq(given(r, ch), 1);
    rig_free(r);
}
END_TEST

/* A window for one SDU and a frame, the least there is. */
START_TEST(peer_with_tiny_frames_never_waits_for_ever)
{
    static const size_t mtus[] = {23, 24, 46, 64, 100};

    for (size_t i = 0; i < ARRAY_LEN(mtus); i++)
        for (uint16_t mps = 23; mps < 110; mps += 7)
            for (size_t tiny = 1; tiny < 4; tiny++) {
                struct l2cap_channel *ch = opened((uint16_t)mtus[i], mps, 1);
                struct rig *r = rig_of(ch);
                uint8_t start[2] = {(uint8_t)mtus[i], 0};
                for (unsigned n = 0; n < 3; n++) {
                    rig_must(!frame(ch, start, 2));
                    for (size_t left = mtus[i]; left > 0;) {
                        size_t part = left < tiny ? left : tiny;
                        rig_must(ch->rx.credits > 0);
                        rig_must(!frame(ch, "abc", part));
                        left -= part;
                    }
                    expect_available(ch, mtus[i], 1);
                    rig_must(bl_l2cap_rx_consume_sdus(ch, 0, 1) == 0);
                }
                rig_free(r);
            }
}
END_TEST

START_TEST(endless_empty_sdus_stay_within_the_window)
{
    struct l2cap_channel *ch = opened(100, 50, 4);
    unsigned n = 0;

    for (; ch->rx.credits > 0; n++)
        rig_must(!frame(ch, "\x00\x00", 2));
    rig_must(n * 2 + 50 <= ch->rx.window + 50); /* two octets each */
    expect_available(ch, 0, n);
    rig_must(n >= 200);
    for (; n > 0; n--)
        rig_must(bl_l2cap_rx_consume(ch, 0, 0) == 0);
    rig_must(ch->rx.credits > 0);
    expect_available(ch, 0, 0);
    rig_free(rig_of(ch));
}
END_TEST

START_TEST(credits_that_find_no_room_are_given_later)
{
    struct l2cap_channel *ch = opened(98, 50, 8);
    struct rig *r = rig_of(ch);

    r->deny = true;
    for (unsigned i = 0; i < 4; i++) {
        ck_assert(!ch->rx.give);
        ck_assert(arrive(ch, 98, 50));
        ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 98), 0);
    }
    ck_assert(ch->rx.give);
    ck_assert_ptr_eq(ch->c->due.next, &ch->sending);
    ck_assert(!list_empty(&ch->c->sending));
    ck_assert_uint_eq(ch->rx.credits, 9);
    l2cap_rx_give(ch, 0);
    ck_assert(ch->rx.give);
    ck_assert(arrive(ch, 98, 50));
    ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 98), 0);
    r->deny = false;
    l2cap_rx_give(ch, 0);
    ck_assert(!ch->rx.give);
    ck_assert_uint_eq(given(r, ch), 10);
    ck_assert_uint_eq(ch->rx.credits, 17);
    list_remove(&ch->sending); /* as the step does */
    l2cap_rx_give(ch, 0);
    ck_assert_uint_eq(r->n_sig, 0);
    rig_free(r);
}
END_TEST

START_TEST(no_credits_on_a_channel_that_is_being_disconnected)
{
    struct l2cap_channel *ch = opened(98, 50, 8);
    struct rig *r = rig_of(ch);

    for (unsigned i = 0; i < 8; i++)
        ck_assert(arrive(ch, 98, 50));
    ch->state = L2CAP_DISCONNECTING;
    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 98), 0);
    ck_assert_uint_eq(r->n_sig, 0);
    ck_assert(!ch->rx.give);
    rig_free(r);
}
END_TEST

START_TEST(draining_channel_still_gives_credits)
{
    struct l2cap_channel *ch = opened(98, 50, 8);
    struct rig *r = rig_of(ch);

    ch->state = L2CAP_DRAINING;
    for (unsigned i = 0; i < 4; i++) {
        ck_assert(arrive(ch, 98, 50));
        ck_assert_int_eq(bl_l2cap_rx_consume(ch, 0, 98), 0);
    }
    ck_assert_uint_eq(given(r, ch), 8);
    rig_free(r);
}
END_TEST

START_TEST(never_more_than_65535_credits)
{
    struct l2cap_channel *ch = opened(65535, 23, 24); /* room for 68383 frames */
    struct rig *r = rig_of(ch);

    rig_must(ch->rx.credits == 65535);
    for (unsigned i = 0; i < 40000; i++) {
        rig_must(!l2cap_rx_frame(ch, 0, (const uint8_t *)"\x00\x00", 2));
        rig_must(bl_l2cap_rx_consume(ch, 0, 0) == 0);
        if (r->n_sig > 0)
            rig_must(ch->rx.credits == 65535);
        r->n_sig = 0;
        while (bl_evq_pop(&r->events, &(struct bl_event){0}))
            ;
    }
    rig_free(r);
}
END_TEST

/* ---- reconfiguration ---- */

START_TEST(sdu_in_joining_goes_on_when_the_mtu_grows)
{
    struct l2cap_channel *ch = opened(100, 50, 1);
    struct rig *r = rig_of(ch);
    uint8_t sdu[102] = {100, 0};

    rig_fill(ch, 0, sdu + 2, 100);
    rig_peer(ch)->sent = 1;
    ck_assert_ptr_null(frame(ch, sdu, 50));
    ch->our_mtu = 1000;
    l2cap_rx_resized(ch, 4 * 1002 + 50);
    check_window(ch);
    l2cap_rx_give(ch, 0);
    ck_assert_uint_eq(given(r, ch), (4058 - 50 - 2 * 50) / 50);
    ck_assert_ptr_null(frame(ch, sdu + 50, 50));
    ck_assert_ptr_null(frame(ch, sdu + 100, 2));
    expect(ch, 0, 0, 0);
    ck_assert(arrive(ch, 1000, 50));
    expect(ch, 1, 1, 0);
    rig_free(r);
}
END_TEST

START_TEST(larger_mps_counts_for_credits_that_are_out)
{
    struct l2cap_channel *ch = opened(100, 50, 4); /* 458: 9 credits */
    struct rig *r = rig_of(ch);

    ch->our_mps = 100;
    l2cap_rx_resized(ch, 458);
    check_window(ch);
    for (unsigned i = 0; i < 9; i++)
        ck_assert(arrive(ch, 98, 100)); /* as it may */
    ck_assert_uint_eq(r->n_sig, 0);
    for (unsigned i = 0; i < 9; i++)
        expect(ch, i, i, 0);
    rig_free(r);
}
END_TEST

START_TEST(smaller_window_is_reached_as_credits_are_used)
{
    struct l2cap_channel *ch = opened(100, 50, 8);
    struct rig *r = rig_of(ch);
    unsigned n = ch->rx.credits;

    l2cap_rx_resized(ch, 152);
    check_window(ch);
    for (unsigned i = 0; i < n; i++)
        ck_assert(arrive(ch, 48, 50));
    for (unsigned i = 0; i < n; i++)
        expect(ch, i, i, 0);
    rig_free(r);
}
END_TEST

/* ---- memory ---- */

START_TEST(no_memory_for_a_frame_ends_the_channel_and_spoils_nothing)
{
    for (unsigned long nth = 1;; nth++) {
        struct l2cap_channel *ch = opened(1000, 100, 10);
        struct rig *r = rig_of(ch);
        uint8_t sdu[1002] = {0xe8, 0x03};
        const char *why = NULL;
        unsigned n = 0;
        rig_fill(ch, 0, sdu + 2, 1000);
        oom_fail_at(nth);
        for (; n < 9 && !why; n++)
            for (size_t at = 0; at < 1002 && !why; at += 100)
                why = l2cap_rx_frame(ch, 0, sdu + at, at < 1000 ? 100 : 2);
        oom_off();
        if (why) {
            ck_assert_str_eq(why, "a frame that there is no memory for");
            expect_available(ch, (n - 1) * 1000, n - 1);
        }
        for (unsigned i = 0; i < ch->rx.sdus; i++)
            expect(ch, i, 0, 0);
        bool all = !why;
        rig_free(r);
        if (all) {
            ck_assert_uint_gt(nth, 4);
            return;
        }
    }
}
END_TEST

/* Where moving what there is makes room, that is done. */
START_TEST(no_memory_to_grow_is_no_matter_where_there_is_room)
{
    struct l2cap_channel *ch = opened(600, 602, 10);
    struct rig *r = rig_of(ch);

    ck_assert(arrive(ch, 300, 602));
    ck_assert(arrive(ch, 600, 602)); /* 904 of 1024 */
    ck_assert_int_eq(bl_l2cap_rx_consume_sdus(ch, 0, 1), 0);
    uint8_t sdu[302] = {44, 1};
    rig_fill(ch, 2, sdu + 2, 300);
    oom_fail_from(1);
    const char *why = l2cap_rx_frame(ch, 0, sdu, 302);
    oom_off();
    ck_assert_ptr_null(why);
    expect(ch, 0, 1, 0);
    expect(ch, 1, 2, 0);
    rig_free(r);
}
END_TEST

START_TEST(nothing_is_allocated_for_an_sdu_once_it_runs)
{
    struct l2cap_channel *ch = opened(1000, 247, 20);
    struct rig *r = rig_of(ch);
    uint8_t sdu[1002] = {0xe8, 0x03};
    struct bl_event e;

    for (unsigned i = 0; i < 1000; i++) {
        oom_fail_at(0);
        for (unsigned k = 0; k <= i % 8; k++) /* read one by one, or in heaps */
            for (size_t at = 0; at < 1002; at += 247)
                (void)l2cap_rx_frame(ch, 0, sdu + at, 1002 - at < 247 ? 1002 - at : 247);
        (void)bl_l2cap_rx_consume_sdus(ch, 0, 1 + i % 8);
        unsigned long n = oom_count();
        oom_off();
        while (bl_evq_pop(&r->events, &e))
            ;
        if (i >= 8)
            rig_must(n == 0);
    }
    rig_must(ch->rx.total_sdus == 4500);
    rig_free(r);
}
END_TEST

START_TEST(store_grows_with_what_has_come_and_goes_when_little_does)
{
    struct l2cap_channel *ch = opened(65535, 247, 2);
    struct rig *r = rig_of(ch);

    rig_must(!ch->rx.store);
    rig_must(!frame(ch, "\xff\xff", 2)); /* a promise of the peer's */
    rig_must(ch->rx.cap <= 1024);
    for (unsigned i = 0; i < 65535; i += 241)
        rig_must(!frame(ch, r->pdu[0], 65535 - i < 241 ? 65535 - i : 241));
    rig_must(ch->rx.cap >= 65537);
    rig_must(bl_l2cap_rx_consume_sdus(ch, 0, 1) == 0);
    rig_peer(ch)->sent = 0;
    for (unsigned i = 0; i < 200; i++) {
        rig_must(arrive(ch, 20, 247));
        expect(ch, 0, i, 0);
        rig_must(bl_l2cap_rx_consume(ch, 0, 20) == 0);
    }
    rig_must(ch->rx.cap <= 1024);
    rig_free(r);
}
END_TEST

/* What is not read is moved as rarely as can be: octets moved stay in proportion to those that
 * come, for a reader that keeps up within half of the store. */
START_TEST(borrowed_sdus_are_in_one_piece_wherever_they_lie)
{
    struct l2cap_channel *ch = opened(300, 100, 4);
    unsigned read = 0, n = 0;

    while (read < 2000) {
        if (n - read < 3 && ch->rx.credits >= 4) {
            rig_must(arrive(ch, n++ * 37 % 301, 100));
        } else {
            expect(ch, 0, read, 0);
            rig_must(left_of(ch, 0) == read * 37 % 301);
            rig_must(bl_l2cap_rx_consume_sdus(ch, 0, 1) == 0);
            read++;
        }
    }
    rig_free(rig_of(ch));
}
END_TEST

/* ---- everything at once ---- */

struct stream { /* what the peer sends on a channel */
    uint8_t sdu[65537];
    size_t n, at;         /* of the record under way; n 0: none */
    unsigned size[65536]; /* of SDUs that have been begun */
};

static void peer_sends(struct l2cap_channel *ch, struct stream *s)
{
    if (ch->rx.credits == 0)
        return;
    if (s->at == s->n) {
        size_t n = rnd(3) ? rnd(ch->our_mtu + 1u) : rnd(30) % (ch->our_mtu + 1u);
        unsigned number = rig_peer(ch)->sent++;
        s->size[number] = (unsigned)n;
        s->sdu[0] = (uint8_t)n;
        s->sdu[1] = (uint8_t)(n >> 8);
        rig_fill(ch, number, s->sdu + 2, n);
        s->n = n + 2;
        s->at = 0;
    }
    size_t left = s->n - s->at, n = left < ch->our_mps ? left : ch->our_mps;
    if (rnd(4) == 0)
        n = s->at == 0 ? 2 : rnd((uint32_t)n + 1); /* a short one, or one without octets */
    rig_must(!frame(ch, s->sdu + s->at, n));
    s->at += n;
}

static void reader_takes(struct l2cap_channel *ch, const struct stream *s, unsigned *number,
                         size_t *from)
{
    size_t bytes, sdus;

    bl_l2cap_rx_available(ch, &bytes, &sdus);
    if (sdus == 0)
        return;
    size_t n = left_of(ch, 0);
    rig_must(n == s->size[*number] - *from);
    expect(ch, 0, *number, *from);
    if (rnd(3) == 0) {
        n = 1 + rnd((uint32_t)sdus);
        size_t index = rnd((uint32_t)n);
        expect(ch, index, *number + (unsigned)index, index == 0 ? *from : 0);
        rig_must(bl_l2cap_rx_consume_sdus(ch, 0, n) == 0);
        *number += (unsigned)n;
        *from = 0;
    } else {
        size_t take = rnd((uint32_t)n + 1);
        rig_must(bl_l2cap_rx_consume(ch, 0, take) == 0);
        *from += take;
        if (take == n) {
            ++*number;
            *from = 0;
        }
    }
    check_window(ch);
}

START_TEST(random_peers_and_readers_agree)
{
    static const uint16_t mtus[] = {23, 24, 64, 100, 512, 1000, 4000, 65535};
    static const uint16_t mpss[] = {23, 24, 27, 48, 64, 100, 192, 247, 1017, 4000, 65533};
    struct stream *s = malloc(sizeof(*s));

    rig_must(s);
    for (uint32_t round = 0; round < 80; round++) {
        seed = round * 31 + 7;
        struct l2cap_channel *ch =
            opened(mtus[rnd(ARRAY_LEN(mtus))], mpss[rnd(ARRAY_LEN(mpss))], 1 + rnd(4));
        struct rig *r = rig_of(ch);
        unsigned number = 0, slow = 1 + rnd(6);
        size_t from = 0;
        s->n = s->at = 0;
        for (unsigned i = 0; i < 1500; i++) {
            r->deny = rnd(5) == 0;
            if (rnd(slow + 1) > 0)
                peer_sends(ch, s);
            else
                reader_takes(ch, s, &number, &from);
            if (ch->rx.give && rnd(2))
                l2cap_rx_give(ch, 0);
        }
        r->deny = false;
        l2cap_rx_give(ch, 0);
        while (s->at < s->n) { /* it can always be completed, if what is whole is read */
            rig_must(ch->rx.credits > 0 || ch->rx.sdus > 0);
            peer_sends(ch, s);
            reader_takes(ch, s, &number, &from);
        }
        while (ch->rx.sdus > 0)
            reader_takes(ch, s, &number, &from);
        rig_must(number == rig_peer(ch)->sent);
        rig_must(received_events(r, ch) == number);
        rig_free(r);
    }
    free(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("l2cap/rx");
    TCase *t = tcase_create("rx");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, frames_are_joined_and_told_of_once);
    tcase_add_test(t, sdu_in_joining_cannot_be_read);
    tcase_add_test(t, frame_that_breaks_a_rule_says_which);
    tcase_add_test(t, mtu_and_mps_of_the_greatest_kind);
    tcase_add_test(t, sdus_are_read_in_part_whole_and_several_at_once);
    tcase_add_test(t, channel_that_has_ended_goes_with_its_last_sdu);
    tcase_add_test(t, first_credits_are_what_the_window_holds);
    tcase_add_test(t, credits_come_back_by_half_a_window);
    tcase_add_test(t, frames_shorter_than_the_mps_give_credits_back_before_anything_is_read);
    tcase_add_test(t, reader_that_takes_nothing_gets_no_more_than_the_window);
    tcase_add_test(t, peer_with_tiny_frames_never_waits_for_ever);
    tcase_add_test(t, endless_empty_sdus_stay_within_the_window);
    tcase_add_test(t, credits_that_find_no_room_are_given_later);
    tcase_add_test(t, no_credits_on_a_channel_that_is_being_disconnected);
    tcase_add_test(t, draining_channel_still_gives_credits);
    tcase_add_test(t, never_more_than_65535_credits);
    tcase_add_test(t, sdu_in_joining_goes_on_when_the_mtu_grows);
    tcase_add_test(t, larger_mps_counts_for_credits_that_are_out);
    tcase_add_test(t, smaller_window_is_reached_as_credits_are_used);
    tcase_add_test(t, no_memory_for_a_frame_ends_the_channel_and_spoils_nothing);
    tcase_add_test(t, no_memory_to_grow_is_no_matter_where_there_is_room);
    tcase_add_test(t, nothing_is_allocated_for_an_sdu_once_it_runs);
    tcase_add_test(t, store_grows_with_what_has_come_and_goes_when_little_does);
    tcase_add_test(t, borrowed_sdus_are_in_one_piece_wherever_they_lie);
    tcase_add_test(t, random_peers_and_readers_agree);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
