/* SPDX-License-Identifier: MIT */

#include "controller.h"
#include "oom.h"

#include <check.h>
#include <errno.h>

enum { START = 2, NEXT = 1 };

/* A PDU of n octets of payload, each of them `fill`, on the ATT channel. */
static struct buf *pdu(size_t n, uint8_t fill)
{
    struct buf *b = buf_new(n + 4);

    ck_assert_ptr_nonnull(b);
    b->data[0] = (uint8_t)n;
    b->data[1] = (uint8_t)(n >> 8);
    b->data[2] = 4;
    b->data[3] = 0;
    memset(b->data + 4, fill, n);
    b->len = n + 4;
    return b;
}

static struct ctl *connected(uint8_t version, unsigned n)
{
    struct ctl *c = ctl_ready(version);

    for (unsigned i = 0; i < n; i++)
        ctl_connect(c, (uint16_t)(0x40 + i));
    ck_assert_uint_eq(c->n_in, n);
    c->n_in = 0;
    return c;
}

static uint16_t acl_handle(const struct ctl *c, size_t i)
{
    return (uint16_t)(c->acl[i].bytes[0] | (c->acl[i].bytes[1] & 0x0f) << 8);
}

/* ---- out ---- */

START_TEST(pdu_is_cut_to_the_controllers_length_and_loses_nothing)
{
    struct ctl *c = connected(6, 1); /* 27 octets, 4 buffers */
    struct buf *b = pdu(96, 0);
    uint8_t whole[100], joined[100];
    size_t n = 0;

    for (uint8_t i = 0; i < 96; i++)
        b->data[4 + i] = i;
    memcpy(whole, b->data, 100);
    ck_assert_int_eq(bl_hci_send(c->hci, 0x40, b), 0);
    ck_assert_uint_eq(bl_hci_queued(c->hci, 0x40), 1);
    ctl_pump(c);
    ck_assert_uint_eq(c->n_acl, 4);
    for (size_t i = 0; i < 4; i++) {
        size_t len = i < 3 ? 27 : 19;
        ck_assert_uint_eq(c->acl[i].len, 4 + len);
        ck_assert_uint_eq(acl_handle(c, i), 0x40);
        ck_assert_uint_eq(c->acl[i].bytes[1] >> 4, i == 0 ? 0 : NEXT);
        ck_assert_uint_eq(c->acl[i].bytes[2], len);
        ck_assert_uint_eq(c->acl[i].bytes[3], 0);
        memcpy(joined + n, c->acl[i].bytes + 4, len);
        n += len;
    }
    ck_assert_uint_eq(n, 100);
    ck_assert_mem_eq(joined, whole, 100);
    ck_assert_uint_eq(bl_hci_queued(c->hci, 0x40), 4); /* in the controller */
    ctl_completed(c, 0x40, 4);
    ck_assert_uint_eq(bl_hci_queued(c->hci, 0x40), 0);
    ctl_free(c);
}
END_TEST

/* Frames of channels are always there: who has room for so many PDUs of his own does not count
 * them, nor all that they have in the controller. */
START_TEST(frames_with_a_home_take_nobody_elses_room)
{
    struct ctl *c = connected(6, 1); /* 27 octets, 4 buffers */
    struct list home;

    list_init(&home);
    for (unsigned i = 0; i < 9; i++) {
        struct buf *b = pdu(20, 0);
        if (i % 3 > 0)
            b->home = &home;
        ck_assert_int_eq(bl_hci_send(c->hci, 0x40, b), 0);
    }
    ck_assert_uint_eq(bl_hci_queued(c->hci, 0x40), 9);
    ck_assert_uint_eq(bl_hci_queued_beside(c->hci, 0x40), 3);
    ctl_pump(c);
    ck_assert_uint_eq(bl_hci_queued(c->hci, 0x40), 9); /* four of them in the controller */
    ck_assert_uint_eq(bl_hci_queued_beside(c->hci, 0x40), 4 + 1);
    ck_assert_uint_eq(bl_hci_queued_beside(c->hci, 0x41), 0);
    for (struct list *l; (l = list_pop(&home)) != NULL;) {
        struct buf *b = list_entry(l, struct buf, link);
        b->home = NULL;
        buf_free(b);
    }
    ctl_completed(c, 0x40, 4);
    ctl_pump(c);
    ctl_completed(c, 0x40, 4);
    ctl_pump(c);
    ctl_free(c);
    for (struct list *l; (l = list_pop(&home)) != NULL;) {
        struct buf *b = list_entry(l, struct buf, link);
        b->home = NULL;
        buf_free(b);
    }
}
END_TEST

START_TEST(no_more_packets_are_out_than_the_controller_has_buffers)
{
    struct ctl *c = connected(6, 1);

    for (unsigned i = 0; i < 10; i++)
        ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(10, (uint8_t)i)), 0);
    ctl_pump(c);
    ck_assert_uint_eq(c->n_acl, 4);
    ctl_completed(c, 0x40, 1);
    ck_assert_uint_eq(c->n_acl, 5);
    ctl_completed(c, 0x40, 3);
    ck_assert_uint_eq(c->n_acl, 8);
    ctl_completed(c, 0x40, 0);
    ck_assert_uint_eq(c->n_acl, 8);
    ctl_completed(c, 0x40, 4);
    ck_assert_uint_eq(c->n_acl, 10);
    for (size_t i = 0; i < 10; i++)
        ck_assert_uint_eq(c->acl[i].bytes[8], i); /* in order */
    ctl_free(c);
}
END_TEST

/* What is before the PDU in its buffer is room for headers. */
START_TEST(pdu_may_begin_anywhere_in_its_buffer)
{
    static const size_t starts[] = {0, 1, 4, 5, 23, 60};

    for (size_t k = 0; k < sizeof(starts) / sizeof(*starts); k++) {
        struct ctl *c = connected(6, 1); /* 27 octets */
        struct buf *b = buf_new(starts[k] + 44);
        uint8_t joined[64];
        size_t n = 0;
        memset(b->data, 0xaa, starts[k]);
        for (uint8_t i = 0; i < 44; i++)
            b->data[starts[k] + i] = i;
        b->data[starts[k]] = 40;
        b->start = starts[k];
        b->len = starts[k] + 44;
        ck_assert_int_eq(bl_hci_send(c->hci, 0x40, b), 0);
        ctl_pump(c);
        ck_assert_uint_eq(c->n_acl, 2);
        for (size_t i = 0; i < 2; i++) {
            ck_assert_uint_eq(c->acl[i].bytes[1] >> 4, i == 0 ? 0 : NEXT);
            memcpy(joined + n, c->acl[i].bytes + 4, c->acl[i].len - 4);
            n += c->acl[i].len - 4;
        }
        ck_assert_uint_eq(n, 44);
        ck_assert_uint_eq(joined[0], 40);
        for (uint8_t i = 1; i < 44; i++)
            ck_assert_uint_eq(joined[i], i);
        ctl_free(c);
    }
}
END_TEST

START_TEST(pdu_without_octets_is_refused_wherever_it_begins)
{
    struct ctl *c = connected(6, 1);
    struct buf *b[3] = {buf_new(10), buf_new(10), buf_new(10)};

    b[0]->start = b[0]->len = 5;
    b[1]->start = 6;
    b[1]->len = 5;
    b[2]->start = 5;
    b[2]->len = 11;
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(bl_hci_send(c->hci, 0x40, b[i]), -EINVAL);
    ctl_free(c);
}
END_TEST

/* Whose buffers have a home has them back, sent, refused or lost. */
START_TEST(buffers_come_home_when_lib_hci_is_done_with_them)
{
    struct ctl *c = connected(6, 2);
    struct list home;
    struct buf *b[8];
    const uint8_t *p;

    list_init(&home);
    for (uint16_t i = 0; i < 8; i++) {
        b[i] = pdu(40, 1); /* two packets */
        b[i]->home = &home;
        b[i]->tag = i;
        ck_assert_int_eq(bl_hci_send(c->hci, i == 7 ? 0x99 : 0x40, b[i]), i == 7 ? -ENOTCONN : 0);
    }
    ck_assert_ptr_eq(home.next, &b[7]->link); /* refused: at once */
    list_remove(&b[7]->link);
    ck_assert_uint_gt(bl_hci_next_tx(c->hci, 0, &p), 0);
    ck_assert_uint_gt(bl_hci_next_tx(c->hci, 0, &p), 0);
    ck_assert(list_empty(&home)); /* the packet is the transport's until the next call */
    ck_assert_uint_gt(bl_hci_next_tx(c->hci, 0, &p), 0);
    ck_assert_ptr_eq(list_pop(&home), &b[0]->link);
    ck_assert(list_empty(&home));
    ctl_disconnect(c, 0x40); /* with one sent in part; others in the queue */
    for (uint16_t i = 1; i < 7; i++) {
        ck_assert_ptr_eq(list_pop(&home), &b[i]->link);
        ck_assert_uint_eq(b[i]->tag, i);
    }
    ck_assert(list_empty(&home));
    ck_assert_int_eq(bl_hci_send(c->hci, 0x41, b[0]), 0);
    ck_assert_int_eq(bl_hci_send(c->hci, 0x41, b[1]), 0);
    ck_assert_uint_gt(bl_hci_next_tx(c->hci, 0, &p), 0);
    ck_assert_uint_gt(bl_hci_next_tx(c->hci, 0, &p), 0);
    b[0]->home = b[1]->home = NULL; /* homeless: the one lent and the one queued are freed */
    for (size_t i = 2; i < 8; i++) {
        b[i]->home = NULL;
        buf_free(b[i]);
    }
    ctl_free(c);
}
END_TEST

START_TEST(more_completed_than_sent_is_clamped_and_counted)
{
    struct ctl *c = connected(6, 2);

    ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(10, 0)), 0);
    ctl_pump(c);
    ctl_completed(c, 0x40, 0xffff);
    ctl_completed(c, 0x41, 1);
    ctl_completed(c, 0x77, 1);
    ck_assert_uint_eq(ctl_counter(c, "acl-overcompleted"), 3);
    ck_assert_uint_eq(c->logged, 1);
    for (unsigned i = 0; i < 10; i++)
        ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(10, 0)), 0);
    ctl_disconnect(c, 0x41);
    c->n_acl = 0;
    ctl_pump(c);
    ck_assert_uint_eq(c->n_acl, 4); /* still four buffers, no more */
    ctl_free(c);
}
END_TEST

START_TEST(malformed_number_of_completed_packets_changes_nothing)
{
    struct ctl *c = connected(6, 1);

    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(10, 0)), 0);
    ctl_pump(c);
    ctl_event(c, 0x13, "", 0);
    ctl_event(c, 0x13, "\x01\x40\x00\x01", 4);
    ctl_event(c, 0x13, "\x02\x40\x00\x01\x00", 5);
    ctl_event(c, 0x13, "\x01\x40\x00\x01\x00\x00", 6);
    ctl_pump(c);
    ck_assert_uint_eq(c->n_acl, 4);
    ck_assert_uint_eq(ctl_counter(c, "hci-events-bad"), 4);
    ctl_event(c, 0x13, "\x02\x40\x00\x01\x00\x40\x00\x02\x00", 9); /* several at once */
    ctl_pump(c);
    ck_assert_uint_eq(c->n_acl, 7);
    ctl_free(c);
}
END_TEST

START_TEST(disconnected_handle_gives_its_buffers_and_its_queue_back)
{
    struct ctl *c = connected(6, 2);

    for (unsigned i = 0; i < BL_MAX_TX_PDUS; i++)
        ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(100, 1)), 0);
    ctl_pump(c);
    size_t stuck = c->n_acl;
    ck_assert_uint_ge(stuck, 2);
    ctl_disconnect(c, 0x40);
    ck_assert_uint_eq(bl_hci_queued(c->hci, 0x40), 0);
    ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(1, 1)), -ENOTCONN);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(bl_hci_send(c->hci, 0x41, pdu(10, 2)), 0);
    ctl_pump(c);
    ck_assert_uint_eq(c->n_acl, stuck + 4); /* the whole pool is the other's */
    ctl_completed(c, 0x40, 2);              /* late: belongs to nobody */
    ck_assert_uint_eq(c->n_acl, stuck + 4);
    ctl_connect(c, 0x40); /* the handle again, another connection */
    ck_assert_uint_eq(bl_hci_queued(c->hci, 0x40), 0);
    ctl_completed(c, 0x41, 4);
    ctl_completed(c, 0x41, 2);
    ctl_completed(c, 0x41, 2);
    ck_assert_uint_eq(bl_hci_queued(c->hci, 0x41), 0);
    ctl_free(c);
}
END_TEST

START_TEST(queue_is_bounded_and_the_pdu_is_freed_all_the_same)
{
    struct ctl *c = connected(6, 1);

    for (unsigned i = 0; i < BL_MAX_TX_PDUS; i++)
        ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(10, 0)), 0);
    ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(10, 0)), -ENOBUFS);
    struct bl_hci_link_stats stats;
    ck_assert(bl_hci_link_stats(c->hci, 0x40, &stats));
    ck_assert_uint_eq(stats.tx_pdus, 0);
    ck_assert_uint_eq(stats.queued, BL_MAX_TX_PDUS);
    ctl_pump(c);
    ck_assert(bl_hci_link_stats(c->hci, 0x40, &stats));
    ck_assert_uint_eq(stats.tx_pdus, 4);
    ck_assert_uint_eq(stats.queued, BL_MAX_TX_PDUS - 4);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(10, 0)), 0);
    ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(10, 0)), -ENOBUFS);
    ck_assert_int_eq(bl_hci_send(c->hci, 0x99, pdu(10, 0)), -ENOTCONN);
    ck_assert_int_eq(bl_hci_send(c->hci, 0xffff, pdu(10, 0)), -ENOTCONN);
    ck_assert_int_eq(bl_hci_send(c->hci, 0x40, buf_new(10)), -ENOBUFS);
    ck_assert_uint_eq(ctl_counter(c, "tx-refused"), 5);
    ck_assert_uint_eq(ctl_counter(c, "tx-high-water"), BL_MAX_TX_PDUS);
    ctl_free(c);
}
END_TEST

START_TEST(links_take_turns_fragment_by_fragment)
{
    struct ctl *c = connected(6, 3);

    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(200, 0)), 0);
    ck_assert_int_eq(bl_hci_send(c->hci, 0x41, pdu(40, 1)), 0);
    ck_assert_int_eq(bl_hci_send(c->hci, 0x42, pdu(40, 2)), 0);
    ctl_pump(c);
    ck_assert_uint_eq(acl_handle(c, 0), 0x40);
    ck_assert_uint_eq(acl_handle(c, 1), 0x41);
    ck_assert_uint_eq(acl_handle(c, 2), 0x42);
    unsigned last = 0;
    for (unsigned i = 0; i < 8 && last < 4; i++) {
        ctl_completed(c, acl_handle(c, i), 1);
        last = 0;
        for (size_t k = 0; k < c->n_acl; k++)
            last += acl_handle(c, k) != 0x40;
    }
    ck_assert_uint_eq(last, 4); /* both short ones are out, long before the long queue */
    ck_assert_uint_le(c->n_acl, 8);
    ctl_free(c);
}
END_TEST

/* A peer out of range takes what it is given and completes nothing until its timeout. */
START_TEST(a_stalled_link_does_not_take_the_whole_pool)
{
    struct ctl *c = connected(9, 3); /* 6 buffers */

    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(10, 0)), 0);
    ctl_pump(c);
    ck_assert_uint_eq(c->n_acl, 4);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(bl_hci_send(c->hci, 0x41, pdu(10, 1)), 0);
        ck_assert_int_eq(bl_hci_send(c->hci, 0x42, pdu(10, 2)), 0);
    }
    ctl_pump(c);
    for (unsigned i = 0; i < 5; i++) {
        ctl_completed(c, 0x41, 1);
        ctl_completed(c, 0x42, 1);
    }
    ck_assert_uint_eq(bl_hci_queued(c->hci, 0x41), 0);
    ck_assert_uint_eq(bl_hci_queued(c->hci, 0x42), 0);
    ctl_free(c);
}
END_TEST

START_TEST(commands_go_before_data)
{
    struct ctl *c = connected(6, 1);
    const uint8_t *p;

    ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(10, 0)), 0);
    ck_assert_int_eq(bl_hci_cmd(c->hci, BL_CMD_READ_RSSI, "\x40\x00", 2, BL_HCI_OWNER_LINKS, 7), 0);
    ck_assert_uint_eq(bl_hci_next_tx(c->hci, c->now, &p), 6);
    ck_assert_uint_eq(p[0], 0x01);
    ck_assert_uint_eq(bl_hci_next_tx(c->hci, c->now, &p), 5 + 14);
    ck_assert_uint_eq(p[0], 0x02);
    ck_assert_uint_eq(bl_hci_next_tx(c->hci, c->now, &p), 0);
    ctl_free(c);
}
END_TEST

/* ---- in ---- */

static const uint8_t sample[14] = {10, 0, 4, 0, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'};

START_TEST(whole_pdu_is_handed_on_as_it_lies)
{
    struct ctl *c = connected(6, 1);

    ctl_acl(c, 0x40, START, sample, sizeof(sample));
    ck_assert_uint_eq(c->n_in, 1);
    ck_assert_int_eq(c->in[0].in.kind, BL_HCI_PDU);
    ck_assert_uint_eq(c->in[0].in.pdu.handle, 0x40);
    ck_assert_uint_eq(c->in[0].in.pdu.cid, 4);
    ck_assert_uint_eq(c->in[0].len, 10);
    ck_assert_mem_eq(c->in[0].data, "abcdefghij", 10);
    ctl_acl(c, 0x40, START, "\0\0\5\0", 4); /* no payload is a payload */
    ck_assert_uint_eq(c->in[1].in.pdu.cid, 5);
    ck_assert_uint_eq(c->in[1].len, 0);
    ctl_free(c);
}
END_TEST

START_TEST(pdu_is_joined_however_it_was_cut)
{
    struct ctl *c = connected(6, 2);

    for (size_t first = 1; first < sizeof(sample); first++)
        for (size_t second = 0; first + second <= sizeof(sample); second++) {
            c->n_in = 0;
            ctl_acl(c, 0x40, START, sample, first);
            ctl_acl(c, 0x41, START, sample, sizeof(sample)); /* another link, in between */
            ctl_acl(c, 0x40, NEXT, sample + first, second);
            if (first + second < sizeof(sample))
                ctl_acl(c, 0x40, NEXT, sample + first + second, sizeof(sample) - first - second);
            ck_assert_uint_eq(c->n_in, 2);
            ck_assert_uint_eq(c->in[1].in.pdu.handle, 0x40);
            ck_assert_uint_eq(c->in[1].len, 10);
            ck_assert_mem_eq(c->in[1].data, "abcdefghij", 10);
        }
    ck_assert_uint_eq(ctl_counter(c, "acl-rx-dropped"), 0);
    ctl_free(c);
}
END_TEST

START_TEST(greatest_pdu_is_joined)
{
    struct ctl *c = connected(9, 1);
    uint8_t block[251] = {0xff, 0xff, 0x40, 0x00};
    size_t left = BL_MAX_L2CAP_PDU;

    for (bool first = true; left > 0; first = false) {
        size_t n = left < sizeof(block) ? left : sizeof(block);
        ck_assert_uint_eq(c->n_in, 0);
        ctl_acl(c, 0x40, first ? START : NEXT, block, n);
        left -= n;
    }
    ck_assert_uint_eq(c->n_in, 1);
    ck_assert_uint_eq(c->in[0].len, 65535);
    ctl_free(c);
}
END_TEST

/* After each, the next whole PDU arrives. */
START_TEST(fragments_that_do_not_fit_are_dropped_and_counted)
{
    static const struct {
        uint8_t boundary[3], n[3];
    } rows[] = {
        {{NEXT}, {5}},            /* continues nothing */
        {{START}, {0}},           /* empty */
        {{START, NEXT}, {10, 5}}, /* one octet too many */
        {{START}, {15}},          /* the same in the first one */
        {{3}, {14}},              /* a boundary flag that LE does not have */
        {{START, 3}, {10, 4}},
        {{START, START}, {10, 14}},        /* begins anew: the second is delivered */
        {{START, NEXT, NEXT}, {14, 0, 1}}, /* continues what was whole */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct ctl *c = connected(6, 1);
        uint8_t bytes[20] = {0};
        memcpy(bytes, sample, sizeof(sample));
        for (size_t k = 0; k < 3 && rows[i].boundary[k] > 0; k++)
            ctl_acl(c, 0x40, rows[i].boundary[k], bytes, rows[i].n[k]);
        ck_assert_uint_ge(ctl_counter(c, "acl-rx-dropped"), 1);
        struct bl_hci_link_stats stats;
        ck_assert(bl_hci_link_stats(c->hci, 0x40, &stats));
        ck_assert_uint_eq(stats.rx_dropped, ctl_counter(c, "acl-rx-dropped"));
        c->n_in = 0;
        ctl_acl(c, 0x40, START, sample, sizeof(sample));
        ck_assert_uint_eq(ctl_count(c, BL_HCI_PDU), 1);
        ctl_free(c);
    }
}
END_TEST

START_TEST(header_that_comes_in_pieces_still_bounds_the_pdu)
{
    struct ctl *c = connected(6, 1);

    ctl_acl(c, 0x40, START, "\x01\x00\x04", 3);
    ctl_acl(c, 0x40, NEXT, "\x00\x61\x62", 3); /* one octet announced, two there */
    ck_assert_uint_eq(c->n_in, 0);
    ck_assert_uint_eq(ctl_counter(c, "acl-rx-dropped"), 1);
    ctl_free(c);
}
END_TEST

START_TEST(packets_with_wrong_lengths_handles_or_flags_are_dropped)
{
    struct ctl *c = connected(6, 1);
    uint8_t packet[19] = {0x02, 0x40, 0x20, 14, 0};

    memcpy(packet + 5, sample, 14);
    packet[3] = 13;
    ctl_packet(c, packet, 19);
    packet[3] = 15;
    ctl_packet(c, packet, 19);
    packet[3] = 14;
    packet[1] = 0x41;
    ctl_packet(c, packet, 19);
    packet[1] = 0x40;
    packet[2] = 0x2f; /* a handle above 0x0eff */
    ctl_packet(c, packet, 19);
    packet[2] = 0x60; /* broadcast */
    ctl_packet(c, packet, 19);
    ck_assert_uint_eq(c->n_in, 0);
    ck_assert_uint_eq(ctl_counter(c, "acl-rx-dropped"), 5);
    for (size_t n = 0; n < 5; n++)
        ctl_packet(c, packet, n);
    ck_assert_uint_eq(ctl_counter(c, "packets-bad"), 5);
    packet[2] = 0x00; /* the other first kind, which some controllers send */
    ctl_packet(c, packet, 19);
    ck_assert_uint_eq(ctl_count(c, BL_HCI_PDU), 1);
    ctl_free(c);
}
END_TEST

START_TEST(no_memory_to_join_drops_one_pdu_and_no_more)
{
    struct ctl *c = connected(6, 1);

    uint8_t packet[15] = {0x02, 0x40, 0x20, 10, 0};
    struct bl_hci_in in;
    memcpy(packet + 5, sample, 10);
    oom_fail_at(1);
    bl_hci_receive(c->hci, c->now, packet, 15);
    bool told = bl_hci_next(c->hci, c->now, &in);
    oom_off();
    ck_assert(!told);
    ck_assert_uint_eq(oom_count(), 1);
    ck_assert_uint_eq(ctl_counter(c, "acl-rx-dropped"), 1);
    ctl_acl(c, 0x40, NEXT, sample + 10, 4);
    ck_assert_uint_eq(ctl_counter(c, "acl-rx-dropped"), 2);
    ctl_acl(c, 0x40, START, sample, 10);
    ctl_acl(c, 0x40, NEXT, sample + 10, 4);
    ck_assert_uint_eq(ctl_count(c, BL_HCI_PDU), 1);
    ctl_free(c);
}
END_TEST

START_TEST(joining_takes_no_memory_once_it_has_some)
{
    struct ctl *c = connected(6, 1);
    uint8_t first[15] = {0x02, 0x40, 0x20, 10, 0}, second[9] = {0x02, 0x40, 0x10, 4, 0};
    struct bl_hci_in in;

    memcpy(first + 5, sample, 10);
    memcpy(second + 5, sample + 10, 4);
    unsigned good = 0;
    for (unsigned i = 0; i < 100; i++) {
        if (i == 1)
            oom_fail_from(1);
        bl_hci_receive(c->hci, c->now, first, 15);
        good += !bl_hci_next(c->hci, c->now, &in);
        bl_hci_receive(c->hci, c->now, second, 9);
        good += bl_hci_next(c->hci, c->now, &in) && in.kind == BL_HCI_PDU;
        good += !bl_hci_next(c->hci, c->now, &in);
    }
    oom_off();
    ck_assert_uint_eq(good, 300);
    ck_assert_uint_eq(oom_count(), 0);
    ctl_free(c);
}
END_TEST

/* ---- links ---- */

START_TEST(another_peer_on_a_live_handle_means_that_the_first_has_ended)
{
    static const uint8_t other[18] = {0, 0x40, 0, 1, 0, 9, 9, 9, 9, 9, 9, 24, 0, 0, 0, 0xf4, 1, 0};
    struct ctl *c = connected(6, 1);

    ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(10, 0)), 0);
    ctl_le_event(c, 0x01, other, sizeof(other));
    ck_assert_uint_eq(c->n_in, 1);
    ck_assert_uint_eq(c->in[0].in.event.handle, 0x40);
    ck_assert_uint_eq(bl_hci_queued(c->hci, 0x40), 0); /* what was for the first is for nobody */
    ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(10, 0)), 0);
    ctl_free(c);
}
END_TEST

START_TEST(connection_that_is_told_twice_is_one)
{
    struct ctl *c = connected(6, 1);

    ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(10, 0)), 0);
    ctl_connect(c, 0x40);
    ck_assert_uint_eq(c->n_in, 0);
    ck_assert_uint_eq(ctl_counter(c, "hci-events-bad"), 1);
    ck_assert_uint_eq(bl_hci_queued(c->hci, 0x40), 1);
    ctl_free(c);
}
END_TEST

START_TEST(disconnection_of_nobody_and_failed_disconnection_end_no_link)
{
    struct ctl *c = connected(6, 1);

    ctl_disconnect(c, 0x55);
    ck_assert_uint_eq(c->n_in, 0);
    ctl_event(c, 0x05, "\x0c\x40\x00\x00", 4);
    ck_assert_uint_eq(c->n_in, 1);
    ck_assert_uint_eq(c->in[0].in.event.status, 0x0c);
    ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(10, 0)), 0);
    ctl_free(c);
}
END_TEST

START_TEST(a_connection_too_many_is_turned_away)
{
    struct ctl *c = connected(6, BL_MAX_LINKS);

    ctl_connect(c, 0x200);
    ck_assert_uint_eq(c->n_in, 1);
    ck_assert_uint_eq(c->in[0].in.event.status, BL_HCI_CONNECTION_LIMIT);
    ctl_pump(c);
    ck_assert_mem_eq(ctl_params(c, BL_CMD_DISCONNECT), "\x00\x02\x13", 3);
    ck_assert_uint_eq(c->n_in, 1); /* its reply is nobody's */
    ctl_disconnect(c, 0x200);
    ck_assert_uint_eq(c->n_in, 1);
    ctl_disconnect(c, 0x40);
    ctl_connect(c, 0x201);
    ck_assert_uint_eq(ctl_last(c, BL_HCI_EVENT)->in.event.status, 0);
    ctl_free(c);
}
END_TEST

START_TEST(stop_forgets_links_and_queues)
{
    struct ctl *c = connected(6, 4);

    for (uint16_t h = 0x40; h < 0x44; h++) {
        ck_assert_int_eq(bl_hci_send(c->hci, h, pdu(100, 0)), 0);
        ctl_acl(c, h, START, sample, 10);
    }
    ctl_pump(c);
    bl_hci_stop(c->hci);
    for (uint16_t h = 0x40; h < 0x44; h++)
        ck_assert_uint_eq(bl_hci_queued(c->hci, h), 0);
    ck_assert_int_eq(bl_hci_send(c->hci, 0x40, pdu(10, 0)), -ENOTCONN);
    ctl_start(c);
    ctl_connect(c, 0x43);
    ctl_acl(c, 0x43, NEXT, sample + 10, 4); /* nothing is left of the open PDU */
    ck_assert_uint_eq(ctl_count(c, BL_HCI_PDU), 0);
    ctl_free(c);
}
END_TEST

/* Random traffic against a model: credits are never overdrawn, and nothing is lost or leaks. */
START_TEST(random_connections_and_traffic_keep_the_books)
{
    struct ctl *c = ctl_ready(9);
    unsigned out[8] = {0}, total = 0, random = 7;
    bool up[8] = {false};

    for (unsigned step = 0; step < 6000; step++) {
        random = random * 1664525 + 1013904223;
        unsigned i = random >> 10 & 7, what = random >> 20 & 7;
        uint16_t handle = (uint16_t)(0x40 + i);
        c->n_in = c->n_acl = c->n_seen = 0;
        if (what == 0 && !up[i]) {
            ctl_connect(c, handle);
            up[i] = true;
        } else if (what == 1 && up[i]) {
            ctl_disconnect(c, handle);
            total -= out[i];
            out[i] = 0;
            up[i] = false;
        } else if (what < 5) {
            int r = bl_hci_send(c->hci, handle, pdu(random >> 8 & 0x3ff, 0));
            ck_assert(up[i] ? r == 0 || r == -ENOBUFS : r == -ENOTCONN);
        } else if (out[i] > 0) {
            unsigned n = 1 + (random >> 24) % out[i];
            out[i] -= n;
            total -= n;
            ctl_completed(c, handle, (uint16_t)n);
        }
        ctl_pump(c);
        for (size_t k = 0; k < c->n_acl; k++) {
            ck_assert(up[acl_handle(c, k) - 0x40]);
            ck_assert_uint_le(c->acl[k].len, 4 + 251);
            out[acl_handle(c, k) - 0x40]++;
            total++;
        }
        ck_assert_uint_le(total, 6);
        bool waits = false;
        for (unsigned k = 0; k < 8; k++) {
            unsigned queued = bl_hci_queued(c->hci, (uint16_t)(0x40 + k));
            ck_assert_uint_ge(queued, out[k]);
            waits |= queued > out[k];
        }
        ck_assert(!waits || total >= 3); /* no buffer lies idle beyond what is kept */
    }
    ck_assert_uint_eq(ctl_counter(c, "acl-overcompleted"), 0);
    ctl_free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("acl");
    TCase *t = tcase_create("acl");

    tcase_set_timeout(t, 60); /* under sanitizers, on a busy machine */
    tcase_add_test(t, pdu_is_cut_to_the_controllers_length_and_loses_nothing);
    tcase_add_test(t, frames_with_a_home_take_nobody_elses_room);
    tcase_add_test(t, no_more_packets_are_out_than_the_controller_has_buffers);
    tcase_add_test(t, pdu_may_begin_anywhere_in_its_buffer);
    tcase_add_test(t, pdu_without_octets_is_refused_wherever_it_begins);
    tcase_add_test(t, buffers_come_home_when_lib_hci_is_done_with_them);
    tcase_add_test(t, more_completed_than_sent_is_clamped_and_counted);
    tcase_add_test(t, malformed_number_of_completed_packets_changes_nothing);
    tcase_add_test(t, disconnected_handle_gives_its_buffers_and_its_queue_back);
    tcase_add_test(t, queue_is_bounded_and_the_pdu_is_freed_all_the_same);
    tcase_add_test(t, links_take_turns_fragment_by_fragment);
    tcase_add_test(t, a_stalled_link_does_not_take_the_whole_pool);
    tcase_add_test(t, commands_go_before_data);
    tcase_add_test(t, whole_pdu_is_handed_on_as_it_lies);
    tcase_add_test(t, pdu_is_joined_however_it_was_cut);
    tcase_add_test(t, greatest_pdu_is_joined);
    tcase_add_test(t, fragments_that_do_not_fit_are_dropped_and_counted);
    tcase_add_test(t, header_that_comes_in_pieces_still_bounds_the_pdu);
    tcase_add_test(t, packets_with_wrong_lengths_handles_or_flags_are_dropped);
    tcase_add_test(t, no_memory_to_join_drops_one_pdu_and_no_more);
    tcase_add_test(t, joining_takes_no_memory_once_it_has_some);
    tcase_add_test(t, another_peer_on_a_live_handle_means_that_the_first_has_ended);
    tcase_add_test(t, connection_that_is_told_twice_is_one);
    tcase_add_test(t, disconnection_of_nobody_and_failed_disconnection_end_no_link);
    tcase_add_test(t, a_connection_too_many_is_turned_away);
    tcase_add_test(t, stop_forgets_links_and_queues);
    tcase_add_test(t, random_connections_and_traffic_keep_the_books);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
