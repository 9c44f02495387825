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

/* ---- frames ---- */

START_TEST(sdu_is_cut_into_whole_frames_and_a_last_one)
{
    struct rig *r = rig_new(251, 8);
    struct l2cap_channel *ch = rig_open(r, 0, 512, 48, 1);
    /* octets of the SDU, frames: the first one has room for two less */
    static const unsigned sizes[][2] = {{0, 1},  {1, 1},  {45, 1}, {46, 1},  {47, 2},
                                        {94, 2}, {95, 3}, {96, 3}, {142, 3}, {512, 11}};

    rig_credits(ch, 1000);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        unsigned before = rig_peer(ch)->frames;
        ck_assert_int_eq(rig_send(ch, sizes[i][0]), 1);
        rig_run(r);
        ck_assert_uint_eq(rig_peer(ch)->frames - before, sizes[i][1]);
        ck_assert_uint_eq(rig_peer(ch)->received, i + 1);
    }
    ck_assert_uint_eq(ch->tx.sdus, ARRAY_LEN(sizes));
    ck_assert_uint_eq(r->l.counters[BL_L2CAP_N_TX_SDUS], ARRAY_LEN(sizes));
    ck_assert_uint_eq(ch->tx.bytes, 0 + 1 + 45 + 46 + 47 + 94 + 95 + 96 + 142 + 512);
    ck_assert_uint_eq(ch->tx.credits, 1000 - (1 + 1 + 1 + 1 + 2 + 2 + 3 + 3 + 3 + 11));
    rig_free(r);
}
END_TEST

/* Core 5.4, Vol 3, Part A, 3.4.1 to 3.4.3 */
START_TEST(octets_on_the_air)
{
    struct rig *r = rig_new(251, 8);
    struct l2cap_channel *ch = rig_open(r, 0, 64, 23, 1);
    uint8_t sdu[24];
    const uint8_t *p;

    for (uint8_t i = 0; i < 24; i++)
        sdu[i] = i;
    ch->peer_cid = 0x4321;
    r->unchecked = true;
    ck_assert(l2cap_tx_credits(ch, 0, 2));
    ck_assert_int_eq(bl_l2cap_tx_send(ch, 0, sdu, 24), 1);
    ck_assert_uint_eq(l2cap_tx_fill(&r->c[0], 0), 1);
    ck_assert_uint_eq(bl_hci_next_tx(r->ctl->hci, 0, &p), 5 + 4 + 23);
    ck_assert_mem_eq(p, "\x02\x40\x00\x1b\x00\x17\x00\x21\x43\x18\x00\x00\x01\x02", 14);
    ck_assert_uint_eq(bl_hci_next_tx(r->ctl->hci, 0, &p), 0);
    ck_assert_uint_eq(l2cap_tx_fill(&r->c[0], 0), 1);
    ck_assert_uint_eq(bl_hci_next_tx(r->ctl->hci, 0, &p), 5 + 4 + 3);
    ck_assert_mem_eq(p, "\x02\x40\x00\x07\x00\x03\x00\x21\x43\x15\x16\x17", 12);
    ck_assert_uint_eq(bl_hci_next_tx(r->ctl->hci, 0, &p), 0);
    ck_assert_uint_eq(l2cap_tx_fill(&r->c[0], 0), 0);
    rig_free(r);
}
END_TEST

START_TEST(frames_longer_than_packets_are_cut_again)
{
    static const uint16_t lengths[] = {27, 28, 30, 31, 64, 251, 1021};

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        for (uint16_t mps = 23; mps < 70; mps++) {
            struct rig *r = rig_new(lengths[i], 3);
            struct l2cap_channel *ch = rig_open(r, 0, 300, mps, 1);
            rig_credits(ch, 200);
            for (size_t n = 0; n < 8; n++)
                ck_assert_int_ge(rig_send(ch, 293 + n), 0);
            rig_run(r);
            ck_assert_uint_eq(rig_peer(ch)->received, 8);
            rig_free(r);
        }
}
END_TEST

/* While the controller has room, the next packet is there as soon as it is asked for. */
START_TEST(frames_follow_one_another_without_a_pause)
{
    struct rig *r = rig_new(100, 100);
    struct l2cap_channel *ch = rig_open(r, 0, 1000, 96, 1);

    rig_credits(ch, 100);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(rig_send(ch, 1000), 1);
    for (unsigned i = 0; i < 4 * 11; i++) {
        ck_assert(rig_step(r));
        ck_assert_uint_eq(rig_peer(ch)->frames, i + 1);
    }
    ck_assert(!rig_step(r));
    ck_assert(l2cap_tx_idle(&r->c[0]));
    rig_free(r);
}
END_TEST

/* ---- credits ---- */

START_TEST(frame_needs_a_credit)
{
    struct rig *r = rig_new(251, 8);
    struct l2cap_channel *ch = rig_open(r, 0, 100, 23, 1);
    struct bl_l2cap_info info;

    ck_assert_int_eq(rig_send(ch, 100), 0); /* five frames */
    ck_assert(!rig_step(r));
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_uint_eq(rig_peer(ch)->received, 0);
        ck_assert_uint_eq(r->drained, 0);
        bl_l2cap_channel_info(ch, &info);
        ck_assert_uint_eq(info.tx_frames, 5 - i);
        rig_credits(ch, 1);
        ck_assert(rig_step(r));
        ck_assert(!rig_step(r));
        ck_assert_uint_eq(ch->tx.credits, 0);
    }
    ck_assert_uint_eq(rig_peer(ch)->received, 1);
    ck_assert_uint_eq(r->drained, 1);
    rig_free(r);
}
END_TEST

START_TEST(more_than_65535_credits_are_refused)
{
    struct rig *r = rig_new(251, 8);
    struct l2cap_channel *ch = rig_open(r, 0, 100, 23, 1);

    ck_assert(l2cap_tx_credits(ch, 0, 65535));
    ck_assert(!l2cap_tx_credits(ch, 0, 1));
    ck_assert(!l2cap_tx_credits(ch, 0, 65535));
    ck_assert_uint_eq(ch->tx.credits, 65535);
    ch->tx.credits = 0;
    ck_assert(l2cap_tx_credits(ch, 0, 65534));
    ck_assert(!l2cap_tx_credits(ch, 0, 2));
    ck_assert(l2cap_tx_credits(ch, 0, 1));
    rig_free(r);
}
END_TEST

START_TEST(sender_is_told_when_credits_are_at_an_end)
{
    struct rig *r = rig_new(251, 8);
    struct l2cap_channel *ch = rig_open(r, 0, 100, 50, 1);

    rig_credits(ch, 4);
    ck_assert_int_eq(rig_send(ch, 98), 1); /* two frames */
    ck_assert_int_eq(rig_send(ch, 48), 1);
    ck_assert_int_eq(rig_send(ch, 49), 0); /* two, and one credit is left */
    ck_assert_int_eq(rig_send(ch, 0), -EBUSY);
    rig_run(r);
    ck_assert_uint_eq(rig_peer(ch)->received, 2);
    ck_assert_int_eq(rig_send(ch, 0), -EBUSY);
    ck_assert_uint_eq(r->drained, 0);
    rig_credits(ch, 10); /* more is no reason while something waits */
    ck_assert_int_eq(rig_send(ch, 0), -EBUSY);
    rig_run(r);
    ck_assert_uint_eq(r->drained, 1);
    ck_assert_int_eq(rig_send(ch, 100), 1);
    rig_run(r);
    ck_assert_uint_eq(r->drained, 1); /* nobody waited */
    rig_free(r);
}
END_TEST

START_TEST(credits_that_suffice_exactly_are_enough)
{
    struct rig *r = rig_new(251, 8);
    struct l2cap_channel *ch = rig_open(r, 0, 100, 51, 1);

    rig_credits(ch, 2);
    ck_assert_int_eq(rig_send(ch, 100), 1);
    rig_run(r);
    ck_assert_uint_eq(rig_peer(ch)->received, 1);
    ck_assert_int_eq(rig_send(ch, 0), 0);
    rig_credits(ch, 1);
    rig_run(r);
    ck_assert_uint_eq(r->drained, 1);
    rig_free(r);
}
END_TEST

/* ---- room ---- */

START_TEST(queue_is_bounded_by_slots_and_octets)
{
    static const struct {
        uint16_t mtu;
        unsigned slots, sends; /* of SDUs of the MTU: at once, and one by one */
    } rows[] = {{23, 8, 8},    {8192, 8, 8},  {8193, 7, 8}, {16384, 4, 4},
                {32768, 2, 2}, {32769, 1, 2}, {65535, 1, 2}};
    struct bl_l2cap_slot slot[20];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig *r = rig_new(251, 8);
        struct l2cap_channel *ch = rig_open(r, 0, rows[i].mtu, 247, 1);
        rig_credits(ch, 65535);
        ck_assert_uint_eq(bl_l2cap_tx_slots(ch, slot, 20), rows[i].slots);
        for (unsigned k = 1; k <= rows[i].sends; k++) {
            ck_assert_int_eq(rig_send(ch, rows[i].mtu), k < rows[i].sends);
            size_t more = bl_l2cap_tx_slots(ch, slot, 20);
            ck_assert_uint_eq(more > 0, k < rows[i].sends);
            ck_assert_uint_le(more, 8 - k);
        }
        ck_assert_int_eq(rig_send(ch, 0), -EBUSY);
        ck_assert_uint_eq(r->drained, 0);
        rig_run(r);
        ck_assert_uint_eq(r->drained, 1);
        ck_assert_uint_eq(rig_peer(ch)->received, rows[i].sends);
        rig_free(r);
    }
}
END_TEST

/* As a phone offers, whatever is sent: its MTU is no reason to wait after each of them. */
START_TEST(short_sdus_are_queued_whatever_the_mtu)
{
    struct rig *r = rig_new(251, 8);
    struct l2cap_channel *ch = rig_open(r, 0, 65535, 247, 1);
    struct bl_l2cap_slot slot[8];

    rig_credits(ch, 65535);
    for (unsigned i = 1; i <= 8; i++)
        ck_assert_int_eq(rig_send(ch, 500), i < 8);
    ck_assert_uint_lt(ch->tx.size, 1000);
    rig_run(r);
    for (unsigned i = 1; i <= 8; i++) {
        ck_assert_uint_eq(bl_l2cap_tx_slots(ch, slot, 8), 1);
        ck_assert_uint_eq(slot[0].size, 65535);
        rig_fill(ch, rig_peer(ch)->sent++, slot[0].data, 500);
        ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, (size_t[]){500}, 1), i < 8);
    }
    ck_assert_uint_eq(bl_l2cap_tx_slots(ch, slot, 8), 0);
    rig_run(r);
    ck_assert_uint_eq(rig_peer(ch)->received, 16);
    ck_assert_uint_eq(bl_l2cap_tx_slots(ch, slot, 8), 1);
    ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, (size_t[]){500, 500}, 2), -EINVAL);
    rig_free(r);
}
END_TEST

START_TEST(sdu_over_mtu_and_channels_that_are_not_open_are_refused)
{
    static const enum l2cap_state closed[] = {L2CAP_CONNECTING, L2CAP_ASKED, L2CAP_DRAINING,
                                              L2CAP_DISCONNECTING, L2CAP_ENDED};
    struct rig *r = rig_new(251, 8);
    struct l2cap_channel *ch = rig_open(r, 0, 100, 50, 1);
    struct bl_l2cap_slot slot;

    rig_credits(ch, 10);
    ck_assert_int_eq(rig_send(ch, 101), -EMSGSIZE);
    ck_assert_int_eq(rig_send(ch, 100), 1);
    for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
        ch->state = closed[i];
        ck_assert_int_eq(rig_send(ch, 1), -ENOENT);
        ck_assert_uint_eq(bl_l2cap_tx_slots(ch, &slot, 1), 0);
        ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, &(size_t){1}, 1), -ENOENT);
    }
    ch->state = L2CAP_DRAINING; /* what was taken goes, and then the request may */
    rig_run(r);
    ck_assert_uint_eq(r->emptied, 1);
    ck_assert_uint_eq(rig_peer(ch)->received, 1);
    rig_free(r);
}
END_TEST

START_TEST(nothing_goes_once_disconnection_was_asked_for)
{
    for (unsigned frames = 0; frames < 4; frames++) {
        struct rig *r = rig_new(251, 1);
        struct l2cap_channel *ch = rig_open(r, 0, 200, 50, 1);
        rig_credits(ch, 3);
        ck_assert_int_eq(rig_send(ch, 200), 0);
        while (rig_peer(ch)->frames < frames) {
            (void)rig_step(r);
            rig_complete(r, 0, r->in_flight[0]);
        }
        ch->state = L2CAP_DISCONNECTING;
        rig_credits(ch, 10);
        rig_run(r);
        ck_assert_uint_le(rig_peer(ch)->frames, frames + 1);
        ck_assert_uint_eq(rig_peer(ch)->received, 0);
        ck_assert(l2cap_tx_idle(&r->c[0]));
        rig_free(r);
    }
}
END_TEST

/* ---- slots ---- */

START_TEST(slots_are_filled_in_place_and_sent_in_order)
{
    struct rig *r = rig_new(251, 8);
    struct l2cap_channel *ch = rig_open(r, 0, 100, 50, 1);
    struct bl_l2cap_slot slot[8], again[8];
    size_t len[8] = {100, 0, 33};

    rig_credits(ch, 50);
    ck_assert_uint_eq(bl_l2cap_tx_slots(ch, slot, 8), 8);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(slot[i].size, 100);
    for (unsigned i = 0; i < 3; i++)
        rig_fill(ch, i, slot[i].data, len[i]);
    ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, len, 3), 1);
    ck_assert_uint_eq(bl_l2cap_tx_slots(ch, again, 8), 5);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_ptr_eq(again[i].data, slot[3 + i].data);
    rig_run(r);
    ck_assert_uint_eq(rig_peer(ch)->received, 3);
    ck_assert_uint_eq(bl_l2cap_tx_slots(ch, slot, 2), 2);
    ck_assert_uint_eq(bl_l2cap_tx_slots(ch, slot, 0), 0);
    rig_free(r);
}
END_TEST

START_TEST(commit_of_more_than_there_is_takes_nothing)
{
    struct rig *r = rig_new(251, 8);
    struct l2cap_channel *ch = rig_open(r, 0, 100, 50, 1);
    struct bl_l2cap_slot slot[8];
    size_t len[9] = {1, 101, 1};

    rig_credits(ch, 50);
    ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, len, 1), -EINVAL); /* none asked for */
    ck_assert_uint_eq(bl_l2cap_tx_slots(ch, slot, 3), 3);
    ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, len, 3), -EINVAL);
    len[1] = SIZE_MAX;
    ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, len, 3), -EINVAL);
    len[1] = 1;
    ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, len, 4), -EINVAL);
    ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, len, SIZE_MAX), -EINVAL);
    ck_assert(l2cap_tx_empty(ch));
    ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, len, 0), 1);
    ch->tx.credits = 0;
    ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, len, 2), 0);
    ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, len, 1), -EINVAL); /* busy: there are none */
    ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, len, 0), 0);
    rig_free(r);
}
END_TEST

/* ---- turns ---- */

START_TEST(channels_take_turns_frame_by_frame)
{
    struct rig *r = rig_new(251, 1);
    struct l2cap_channel *ch[12];

    for (unsigned i = 0; i < 12; i++) { /* more than have a frame in lib/hci at once */
        ch[i] = rig_open(r, 0, 1000, 100, 1);
        rig_credits(ch[i], 100);
        ck_assert_int_eq(rig_send(ch[i], i == 0 ? 1000 : 398), 1); /* 11 frames, four each */
    }
    rig_run(r);
    for (unsigned i = 0; i < 48; i++)
        ck_assert_uint_eq(r->log[i], 0x1040 + i % 12);
    for (unsigned i = 48; i < 55; i++)
        ck_assert_uint_eq(r->log[i], 0x1040);
    ck_assert_uint_eq(r->n_log, 55);
    rig_free(r);
}
END_TEST

START_TEST(att_waits_for_no_more_than_a_frame_of_each_channel_up_to_eight)
{
    struct rig *r = rig_new(251, 1);

    for (unsigned i = 0; i < 12; i++) {
        struct l2cap_channel *ch = rig_open(r, 0, 1000, 100, 1);
        rig_credits(ch, 100);
        ck_assert_int_eq(rig_send(ch, 1000), 1);
    }
    l2cap_tx_fill(&r->c[0], 0);
    ck_assert_uint_eq(bl_hci_queued(r->ctl->hci, r->c[0].handle), BL_MAX_CHANNEL_FRAMES);
    for (unsigned n = 0; n < 10; n++) {
        size_t at = r->n_log;
        ck_assert_int_eq(rig_att(r, 0, 10), 0);
        while (r->n_log == at || r->log[r->n_log - 1] != 4) {
            if (!rig_step(r))
                rig_complete(r, 0, 1);
        }
        ck_assert_uint_le(r->n_log - at, BL_MAX_CHANNEL_FRAMES + 1);
    }
    rig_run(r);
    rig_free(r);
}
END_TEST

START_TEST(att_without_end_does_not_stop_a_channel)
{
    struct rig *r = rig_new(251, 1);
    struct l2cap_channel *ch = rig_open(r, 0, 1000, 100, 1);
    unsigned steps = 0;

    rig_credits(ch, 100);
    ck_assert_int_eq(rig_send(ch, 1000), 1); /* eleven frames */
    for (; rig_peer(ch)->received == 0; steps++) {
        while (bl_hci_queued(r->ctl->hci, r->c[0].handle) - r->in_flight[0] < 20)
            ck_assert_int_eq(rig_att(r, 0, 10), 0);
        ck_assert(rig_step(r));
        rig_complete(r, 0, 1);
    }
    ck_assert_uint_le(steps, 11 * 21);
    rig_run(r);
    rig_free(r);
}
END_TEST

START_TEST(links_have_their_own_turns)
{
    struct rig *r = rig_new(251, 2);
    struct l2cap_channel *a = rig_open(r, 0, 1000, 100, 1), *b = rig_open(r, 1, 1000, 100, 1);

    rig_credits(a, 100);
    rig_credits(b, 100);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(rig_send(a, 1000), 1);
    ck_assert_int_eq(rig_send(b, 398), 1);
    for (unsigned i = 0; i < 12; i++)
        if (!rig_step(r))
            for (unsigned k = 0; k < RIG_LINKS; k++)
                rig_complete(r, k, r->in_flight[k]);
    ck_assert_uint_eq(rig_peer(b)->received, 1);
    rig_run(r);
    ck_assert_uint_eq(rig_peer(a)->received, 5);
    rig_free(r);
}
END_TEST

/* ---- what may go wrong ---- */

START_TEST(frame_that_lib_hci_refuses_goes_later)
{
    struct rig *r = rig_new(251, 1);
    struct l2cap_channel *ch = rig_open(r, 0, 200, 23, 1);
    unsigned refused = 0;

    rig_credits(ch, 10);
    ck_assert_int_eq(rig_send(ch, 200), 1);
    ck_assert_int_eq(rig_send(ch, 0), 1);
    for (unsigned frames = 0; frames < 10; frames++, r->n_log = 0) {
        r->crowd = true;
        for (unsigned i = 0; i < 3; i++) {
            (void)rig_step(r);
            rig_complete(r, 0, r->in_flight[0]);
            ck_assert_uint_eq(rig_peer(ch)->frames, frames);
            ck_assert_uint_eq(ch->tx.credits, 10 - frames);
            ck_assert_uint_eq(ch->tx.need, 10 - frames);
            refused += !list_empty(&r->c[0].turns);
        }
        r->crowd = false;
        while (rig_peer(ch)->frames == frames) {
            (void)rig_step(r);
            rig_complete(r, 0, r->in_flight[0]);
        }
    }
    ck_assert_uint_ge(refused, 10);
    ck_assert_uint_eq(rig_peer(ch)->received, 2);
    r->n_log = 0;
    rig_free(r);
}
END_TEST

/* The link or the channel ends after so many steps, with its buffer queued, given out in part,
 * lent, or at home. */
static void end_after(unsigned steps, bool home, bool link, uint16_t acl)
{
    struct rig *r = rig_new(acl, 3);
    struct l2cap_channel *ch = rig_open(r, 0, 200, 90, 1), *other = rig_open(r, 0, 200, 90, 1);
    const uint8_t *p;

    rig_credits(ch, 3);
    rig_credits(other, 100);
    for (unsigned i = 0; i < 3; i++) {
        (void)rig_send(ch, 200);
        ck_assert_int_eq(rig_send(other, 200), 1);
    }
    while (steps-- > 0)
        if (!rig_step(r) && r->in_flight[0] > 0)
            rig_complete(r, 0, r->in_flight[0]);
    if (home)
        (void)bl_hci_next_tx(r->ctl->hci, 0, &p); /* what was lent is not any more; a packet less */
    if (link) {
        ctl_disconnect(r->ctl, r->c[0].handle);
        rig_close(ch);
        rig_close(other);
        ck_assert_uint_eq(r->c[0].frames, 0);
        ck_assert_uint_eq(l2cap_tx_fill(&r->c[0], 0), 0);
    } else {
        r->unchecked = r->unchecked || home;
        rig_close(ch);
        if (home) { /* the packet that was taken away is missing */
            r->pdu_len[0] = 0;
            rig_close(other);
        } else {
            rig_run(r);
            ck_assert_uint_eq(rig_peer(other)->received, 3);
        }
    }
    rig_free(r);
}

START_TEST(end_of_the_link_or_the_channel_loses_no_buffer)
{
    for (unsigned steps = 0; steps < 24; steps++)
        for (unsigned i = 0; i < 8; i++)
            end_after(steps, i & 1, i & 2, i & 4 ? 251 : 27);
}
END_TEST

START_TEST(link_that_is_gone_takes_no_frame)
{
    struct rig *r = rig_new(251, 8);
    struct l2cap_channel *ch = rig_open(r, 0, 200, 90, 1);

    rig_credits(ch, 10);
    ctl_disconnect(r->ctl, r->c[0].handle);
    ck_assert_int_eq(rig_send(ch, 200), 1); /* nobody has told us yet */
    ck_assert_uint_eq(l2cap_tx_fill(&r->c[0], 0), 0);
    ck_assert_uint_eq(l2cap_tx_fill(&r->c[0], 0), 0);
    ck_assert_uint_eq(ch->tx.credits, 10);
    rig_free(r);
}
END_TEST

START_TEST(no_memory_is_said_and_the_channel_goes_on)
{
    struct rig *r = rig_new(251, 8);
    struct l2cap_channel *ch = rig_open(r, 0, 200, 90, 1);
    struct bl_l2cap_slot slot[8];
    uint8_t sdu[200];

    rig_credits(ch, 100);
    rig_fill(ch, 0, sdu, 200);
    oom_fail_at(1);
    int answer = bl_l2cap_tx_send(ch, 0, sdu, 200);
    oom_off();
    ck_assert_int_eq(answer, -ENOMEM);
    ck_assert(l2cap_tx_empty(ch) && !ch->tx.stalled);
    oom_fail_at(1);
    size_t n = bl_l2cap_tx_slots(ch, slot, 8);
    oom_off();
    ck_assert_uint_eq(n, 0);
    oom_fail_at(4);
    n = bl_l2cap_tx_slots(ch, slot, 8);
    oom_off();
    ck_assert_uint_eq(n, 3); /* fewer */
    ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, (size_t[]){1, 1, 1, 1}, 4), -EINVAL);
    ck_assert_int_eq(rig_send(ch, 200), 1);
    rig_run(r);
    ck_assert_uint_eq(rig_peer(ch)->received, 1);
    rig_free(r);
}
END_TEST

START_TEST(nothing_is_allocated_for_an_sdu_once_it_runs)
{
    struct rig *r = rig_new(27, 4);
    struct l2cap_channel *ch = rig_open(r, 0, 2000, 100, 1);
    uint8_t sdu[2000] = {0};
    const uint8_t *p;
    unsigned long allocated = 0;

    r->unchecked = true;
    for (unsigned i = 0; i < 40; i++) {
        ck_assert(l2cap_tx_credits(ch, 0, 200));
        for (bool more = true; more; rig_complete(r, 0, r->in_flight[0])) {
            oom_fail_at(0);
            while (!ch->tx.stalled && bl_l2cap_tx_send(ch, 0, sdu, (40 - i) * 50) == 1)
                ;
            (void)l2cap_tx_fill(&r->c[0], 0);
            more = bl_hci_next_tx(r->ctl->hci, 0, &p) > 0 || ch->tx.n_queue > 0;
            allocated += oom_count();
            oom_off();
            r->in_flight[0] += more;
            if (ch->tx.sdus > i * 8)
                ch->tx.stalled = true; /* enough of that length */
        }
        ck_assert_uint_eq(allocated, BL_L2CAP_SLOTS); /* and no more */
        ch->tx.stalled = false;
        ch->tx.credits = 0;
        r->n_log = 0;
    }
    oom_off();
    ck_assert_uint_ge(ch->tx.sdus, 300);
    rig_free(r);
}
END_TEST

/* ---- reconfiguration ---- */

START_TEST(larger_mtu_needs_larger_slots_and_keeps_what_was_given_out)
{
    struct rig *r = rig_new(251, 8);
    struct l2cap_channel *ch = rig_open(r, 0, 100, 50, 1);
    struct bl_l2cap_slot slot[8];

    rig_credits(ch, 100);
    ck_assert_uint_eq(bl_l2cap_tx_slots(ch, slot, 2), 2);
    ch->peer_mtu = 1000;
    l2cap_tx_resized(ch);
    rig_fill(ch, 0, slot[0].data, 100);
    ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, (size_t[]){101}, 1), -EINVAL);
    ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, (size_t[]){100}, 1), 1);
    rig_peer(ch)->sent = 1;
    ck_assert_uint_eq(bl_l2cap_tx_slots(ch, slot, 8), 7);
    for (unsigned i = 0; i < 7; i++)
        ck_assert_uint_eq(slot[i].size, 1000);
    rig_fill(ch, 1, slot[0].data, 1000);
    ck_assert_int_eq(bl_l2cap_tx_commit(ch, 0, (size_t[]){1000}, 1), 1);
    rig_peer(ch)->sent = 2;
    rig_run(r);
    for (unsigned i = 0; i < 20; i++) { /* the small buffer has come home meanwhile */
        ck_assert_int_eq(rig_send(ch, 1000), 0 + (i < 3));
        ck_assert_uint_eq(ch->tx.size, 1000);
        if (i >= 3)
            rig_credits(ch, 100);
        rig_run(r);
        if (i >= 3)
            ch->tx.credits = 0, rig_peer(ch)->credits = 0;
    }
    ck_assert_uint_eq(rig_peer(ch)->received, 22);
    rig_free(r);
}
END_TEST

START_TEST(larger_mps_holds_from_the_next_frame_on)
{
    for (unsigned steps = 0; steps < 30; steps++) {
        struct rig *r = rig_new(27, 2);
        struct l2cap_channel *ch = rig_open(r, 0, 1000, 64, 1);
        const struct rig_peer *peer = rig_peer(ch);
        rig_credits(ch, 21);
        ck_assert_int_eq(rig_send(ch, 600), 1);
        ck_assert_int_eq(rig_send(ch, 600), 1);
        r->unchecked = true; /* the rig knows one MPS at a time */
        for (unsigned i = 0; i < steps; i++)
            if (!rig_step(r))
                rig_complete(r, 0, r->in_flight[0]);
        ch->peer_mps = 200;
        l2cap_tx_resized(ch);
        size_t need = ch->tx.need;
        unsigned before = peer->frames + (r->pdu_len[0] > 0 || ch->tx.flying);
        uint16_t credits = ch->tx.credits;
        rig_run(r);
        ck_assert_uint_eq(ch->tx.need, 0);
        ck_assert_uint_eq(credits - ch->tx.credits, need);
        ck_assert_uint_le(peer->frames, before + need);
        ck_assert_uint_eq(ch->tx.sdus, 2);
        rig_free(r);
    }
}
END_TEST

/* ---- everything at once ---- */

static const uint16_t mtus[] = {23, 24, 64, 100, 512, 1000, 4000, 20000, 65535};
static const uint16_t mpss[] = {23, 24, 27, 48, 64, 100, 192, 247, 1017, 4000, 65533};
static const uint16_t acls[] = {27, 28, 31, 64, 192, 251, 1021};

static void random_act(struct rig *r, struct l2cap_channel *ch, unsigned *stalls)
{
    struct bl_l2cap_slot slot[8];
    size_t len[8], n;
    int answer = 1;

    switch (rnd(8)) {
    case 0:
    case 1: {
        bool busy = ch->tx.stalled;
        answer = rig_send(ch, rnd(3) ? rnd(ch->peer_mtu + 1u) : rnd(60) % (ch->peer_mtu + 1u));
        ck_assert_int_eq(answer == -EBUSY, busy);
        break;
    }
    case 2:
        n = bl_l2cap_tx_slots(ch, slot, rnd(9));
        if (n > 0)
            n = rnd((uint32_t)n + 1);
        for (size_t i = 0; i < n; i++) {
            len[i] = rnd(4) ? rnd(100) % (ch->peer_mtu + 1u) : rnd(ch->peer_mtu + 1u);
            rig_fill(ch, rig_peer(ch)->sent++, slot[i].data, len[i]);
        }
        answer = n > 0 ? bl_l2cap_tx_commit(ch, 0, len, n) : 1;
        break;
    case 3:
        rig_credits(ch, (uint16_t)rnd(20));
        break;
    case 4:
        (void)rig_att(r, (unsigned)(ch->c - r->c), rnd(100));
        break;
    default:
        for (unsigned i = rnd(12); i > 0; i--)
            if (!rig_step(r))
                for (unsigned k = 0; k < RIG_LINKS; k++)
                    rig_complete(r, k, rnd(r->in_flight[k] + 1));
        break;
    }
    *stalls += answer == 0;
}

START_TEST(random_traffic_arrives_whole_and_in_order)
{
    for (uint32_t round = 0; round < 60; round++) {
        seed = round * 77 + 1;
        struct rig *r = rig_new(acls[rnd(ARRAY_LEN(acls))], (uint8_t)(1 + rnd(9)));
        struct l2cap_channel *ch[12];
        unsigned n = 1 + rnd(12), stalls = 0;
        for (unsigned i = 0; i < n; i++) {
            ch[i] = rig_open(r, i % RIG_LINKS, mtus[rnd(ARRAY_LEN(mtus))],
                             mpss[rnd(ARRAY_LEN(mpss))], 1);
            rig_credits(ch[i], (uint16_t)rnd(30));
        }
        for (unsigned i = 0; i < 200; i++, r->n_log = 0)
            random_act(r, ch[rnd(n)], &stalls);
        for (unsigned i = 0; i < n; i++)
            for (unsigned k = 0; k < 8; k++, r->n_log = 0) { /* 65535 octets by 23 are 2850 */
                rig_credits(ch[i], 3000);
                rig_run(r);
            }
        for (unsigned i = 0; i < n; i++) {
            ck_assert_uint_eq(rig_peer(ch[i])->received, rig_peer(ch[i])->sent);
            ck_assert_uint_eq(ch[i]->tx.need, 0);
            ck_assert(l2cap_tx_empty(ch[i]) && !ch[i]->tx.stalled);
        }
        ck_assert_uint_eq(r->drained, stalls); /* once each */
        rig_free(r);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("l2cap/tx");
    TCase *t = tcase_create("tx");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, sdu_is_cut_into_whole_frames_and_a_last_one);
    tcase_add_test(t, octets_on_the_air);
    tcase_add_test(t, frames_longer_than_packets_are_cut_again);
    tcase_add_test(t, frames_follow_one_another_without_a_pause);
    tcase_add_test(t, frame_needs_a_credit);
    tcase_add_test(t, more_than_65535_credits_are_refused);
    tcase_add_test(t, sender_is_told_when_credits_are_at_an_end);
    tcase_add_test(t, credits_that_suffice_exactly_are_enough);
    tcase_add_test(t, queue_is_bounded_by_slots_and_octets);
    tcase_add_test(t, short_sdus_are_queued_whatever_the_mtu);
    tcase_add_test(t, sdu_over_mtu_and_channels_that_are_not_open_are_refused);
    tcase_add_test(t, nothing_goes_once_disconnection_was_asked_for);
    tcase_add_test(t, slots_are_filled_in_place_and_sent_in_order);
    tcase_add_test(t, commit_of_more_than_there_is_takes_nothing);
    tcase_add_test(t, channels_take_turns_frame_by_frame);
    tcase_add_test(t, att_waits_for_no_more_than_a_frame_of_each_channel_up_to_eight);
    tcase_add_test(t, att_without_end_does_not_stop_a_channel);
    tcase_add_test(t, links_have_their_own_turns);
    tcase_add_test(t, frame_that_lib_hci_refuses_goes_later);
    tcase_add_test(t, end_of_the_link_or_the_channel_loses_no_buffer);
    tcase_add_test(t, link_that_is_gone_takes_no_frame);
    tcase_add_test(t, no_memory_is_said_and_the_channel_goes_on);
    tcase_add_test(t, nothing_is_allocated_for_an_sdu_once_it_runs);
    tcase_add_test(t, larger_mtu_needs_larger_slots_and_keeps_what_was_given_out);
    tcase_add_test(t, larger_mps_holds_from_the_next_frame_on);
    tcase_add_test(t, random_traffic_arrives_whole_and_in_order);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
