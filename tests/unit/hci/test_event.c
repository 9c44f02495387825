/* SPDX-License-Identifier: MIT */

#include "base/wr.h"
#include "controller.h"

#include <check.h>
#include <stdlib.h>

/* One good event of each row, at its least length, the subevent left out. */
static const struct good {
    uint8_t code, subevent, n;
    enum bl_hci_event_kind kind;
    uint8_t bytes[40];
} goods[] = {
    {0x05, 0, 4, BL_HCI_EV_DISCONNECTION_COMPLETE, {0, 0x40, 0, 0x13}},
    {0x08, 0, 4, BL_HCI_EV_ENCRYPTION_CHANGE, {0, 0x40, 0, 1}},
    {0x0c, 0, 8, BL_HCI_EV_REMOTE_VERSION, {0, 0x40, 0, 9, 0x34, 0x12, 0x78, 0x56}},
    {0x30, 0, 3, BL_HCI_EV_KEY_REFRESH, {0, 0x40, 0}},
    {0x59, 0, 5, BL_HCI_EV_ENCRYPTION_CHANGE, {0, 0x40, 0, 1, 16}},
    {0x3e,
     0x01,
     18,
     BL_HCI_EV_CONNECTION_COMPLETE,
     {0, 0x41, 0, 1, 1, 1, 2, 3, 4, 5, 6, 0x18, 0, 3, 0, 0xf4, 1, 5}},
    {0x3e, 0x02, 11, BL_HCI_EV_REPORT, {1, 3, 1, 1, 2, 3, 4, 5, 6, 0, 0xc4}},
    {0x3e, 0x03, 9, BL_HCI_EV_CONNECTION_UPDATE, {0, 0x40, 0, 0x18, 0, 2, 0, 0xf4, 1}},
    {0x3e, 0x04, 11, BL_HCI_EV_REMOTE_FEATURES, {0, 0x40, 0, 1, 2, 3, 4, 5, 6, 7, 8}},
    {0x3e, 0x05, 12, BL_HCI_EV_LTK_REQUEST, {0x40, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x34, 0x12}},
    {0x3e, 0x06, 10, BL_HCI_EV_PARAM_REQUEST, {0x40, 0, 6, 0, 12, 0, 1, 0, 0xf4, 1}},
    {0x3e, 0x07, 10, BL_HCI_EV_DATA_LENGTH, {0x40, 0, 251, 0, 0x48, 8, 27, 0, 0x48, 1}},
    {0x3e, 0x0a, 30, BL_HCI_EV_CONNECTION_COMPLETE, {0,  0x41, 0,  0,  3,  1,  2,  3,  4,  5,
                                                     6,  11,   12, 13, 14, 15, 16, 21, 22, 23,
                                                     24, 25,   26, 6,  0,  0,  0,  10, 0,  0}},
    {0x3e, 0x0b, 17, BL_HCI_EV_REPORT, {1, 1, 0, 1, 2, 3, 4, 5, 6, 1, 7, 8, 9, 10, 11, 0x4c, 0xc4}},
    {0x3e, 0x0c, 5, BL_HCI_EV_PHY_UPDATE, {0, 0x40, 0, 2, 3}},
    {0x3e, 0x0d, 25, BL_HCI_EV_REPORT, {1, 1,    0,    1, 1, 2, 3, 4, 5, 6, 1, 2, 7,
                                        4, 0xc4, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {0x3e, 0x11, 0, BL_HCI_EV_SCAN_TIMEOUT, {0}},
    {0x3e, 0x12, 5, BL_HCI_EV_ADV_TERMINATED, {0, 2, 0x40, 0, 9}},
    {0x3e, 0x14, 3, BL_HCI_EV_CHANNEL_SELECTION, {0x40, 0, 1}},
    {0x3e, 0x29, 33, BL_HCI_EV_CONNECTION_COMPLETE, {0, 0x41, 0, 0, 1, 1,  2, 3, 4,    5,    6,
                                                     0, 0,    0, 0, 0, 0,  0, 0, 0,    0,    0,
                                                     0, 6,    0, 0, 0, 10, 0, 0, 0xff, 0xff, 0xff}},
};

static const struct good *good_of(uint8_t code, uint8_t subevent)
{
    for (size_t i = 0; i < sizeof(goods) / sizeof(*goods); i++)
        if (goods[i].code == code && goods[i].subevent == subevent)
            return &goods[i];
    ck_abort_msg("no sample for event 0x%02x 0x%02x", code, subevent);
    return NULL;
}

/* From memory of exactly the size, for the sanitizer. */
static enum bl_hci_parse parse(uint8_t code, uint8_t subevent, const uint8_t *bytes, size_t n,
                               struct bl_hci_event *ret)
{
    size_t more = code == 0x3e;
    uint8_t *exact = malloc(n + more > 0 ? n + more : 1);
    struct bl_hci_events it;

    ck_assert_ptr_nonnull(exact);
    if (more)
        exact[0] = subevent;
    memcpy(exact + more, bytes, n);
    enum bl_hci_parse r = bl_hci_events_begin(&it, code, exact, n + more);
    while (r == BL_HCI_PARSE_OK && it.left > 0)
        r = bl_hci_events_next(&it, ret);
    free(exact);
    return r;
}

static struct bl_hci_event parsed(uint8_t code, uint8_t subevent)
{
    const struct good *g = good_of(code, subevent);
    struct bl_hci_event e;

    ck_assert_int_eq(parse(code, subevent, g->bytes, g->n, &e), BL_HCI_PARSE_OK);
    return e;
}

START_TEST(each_row_takes_its_least_length_and_nothing_below)
{
    uint8_t code, subevent, min, max;
    struct bl_hci_event e;
    size_t i;

    for (i = 0; bl_hci_event_row(i, &code, &subevent, &min, &max); i++) {
        const struct good *g = good_of(code, subevent);
        ck_assert_uint_eq(g->n, min);
        ck_assert_int_eq(parse(code, subevent, g->bytes, min, &e), BL_HCI_PARSE_OK);
        ck_assert_int_eq(e.kind, g->kind);
        for (size_t n = 0; n < min; n++)
            ck_assert_int_eq(parse(code, subevent, g->bytes, n, &e), BL_HCI_PARSE_BAD);
    }
    ck_assert_uint_eq(i, sizeof(goods) / sizeof(*goods));
}
END_TEST

START_TEST(each_row_refuses_one_octet_more_than_its_greatest)
{
    uint8_t code, subevent, min, max, bytes[256];
    struct bl_hci_event e;

    for (size_t i = 0; bl_hci_event_row(i, &code, &subevent, &min, &max); i++) {
        const struct good *g = good_of(code, subevent);
        memset(bytes, 0, sizeof(bytes));
        memcpy(bytes, g->bytes, g->n);
        for (size_t n = min + 1u; n <= max + 1u && n < 256; n++)
            ck_assert_int_eq(parse(code, subevent, bytes, n, &e), BL_HCI_PARSE_BAD);
    }
}
END_TEST

START_TEST(handles_above_0x0eff_are_refused_everywhere)
{
    uint8_t code, subevent, min, max, bytes[40];
    struct bl_hci_event e;
    unsigned seen = 0;

    for (size_t i = 0; bl_hci_event_row(i, &code, &subevent, &min, &max); i++) {
        const struct good *g = good_of(code, subevent);
        if (g->kind == BL_HCI_EV_REPORT || g->kind == BL_HCI_EV_SCAN_TIMEOUT)
            continue;
        /* the handle is first, after a status, or after a status and the set */
        bool first = subevent == 5 || subevent == 6 || subevent == 7 || subevent == 0x14;
        size_t at = first ? 0 : subevent == 0x12 ? 2 : 1;
        memcpy(bytes, g->bytes, sizeof(bytes));
        bytes[at] = 0xff;
        bytes[at + 1] = 0x0e;
        ck_assert_int_eq(parse(code, subevent, bytes, min, &e), BL_HCI_PARSE_OK);
        bytes[at] = 0x00;
        bytes[at + 1] = 0x0f;
        ck_assert_int_eq(parse(code, subevent, bytes, min, &e), BL_HCI_PARSE_BAD);
        seen++;
    }
    ck_assert_uint_eq(seen, 16);
}
END_TEST

START_TEST(unknown_events_and_subevents_are_unknown)
{
    struct bl_hci_event e;
    uint8_t bytes[4] = {0};
    struct bl_hci_events it;

    ck_assert_int_eq(parse(0x02, 0, bytes, 4, &e), BL_HCI_PARSE_UNKNOWN);
    ck_assert_int_eq(parse(0xff, 0, bytes, 0, &e), BL_HCI_PARSE_UNKNOWN);
    ck_assert_int_eq(parse(0x3e, 0x33, bytes, 4, &e), BL_HCI_PARSE_UNKNOWN);
    ck_assert_int_eq(parse(0x3e, 0x00, bytes, 4, &e), BL_HCI_PARSE_UNKNOWN);
    ck_assert_int_eq(bl_hci_events_begin(&it, 0x3e, bytes, 0), BL_HCI_PARSE_BAD);
}
END_TEST

START_TEST(fields_are_where_the_specification_has_them)
{
    struct bl_hci_event e = parsed(0x05, 0);
    ck_assert_uint_eq(e.handle, 0x40);
    ck_assert_uint_eq(e.disconnection.reason, 0x13);
    e = parsed(0x0c, 0);
    ck_assert_uint_eq(e.version.version, 9);
    ck_assert_uint_eq(e.version.manufacturer, 0x1234);
    ck_assert_uint_eq(e.version.subversion, 0x5678);
    e = parsed(0x59, 0);
    ck_assert_uint_eq(e.encryption.enabled, 1);
    ck_assert_uint_eq(e.encryption.key_size, 16);
    e = parsed(0x3e, 0x03);
    ck_assert_uint_eq(e.update.interval, 24);
    ck_assert_uint_eq(e.update.latency, 2);
    ck_assert_uint_eq(e.update.timeout, 500);
    e = parsed(0x3e, 0x04);
    ck_assert_uint_eq(e.features.features, 0x0807060504030201);
    e = parsed(0x3e, 0x05);
    ck_assert_mem_eq(e.ltk.rand, "\1\2\3\4\5\6\7\10", 8);
    ck_assert_uint_eq(e.ltk.ediv, 0x1234);
    e = parsed(0x3e, 0x06);
    ck_assert_uint_eq(e.param_request.interval_min, 6);
    ck_assert_uint_eq(e.param_request.interval_max, 12);
    ck_assert_uint_eq(e.param_request.latency, 1);
    ck_assert_uint_eq(e.param_request.timeout, 500);
    e = parsed(0x3e, 0x07);
    ck_assert_uint_eq(e.data_length.tx_octets, 251);
    ck_assert_uint_eq(e.data_length.tx_time, 2120);
    ck_assert_uint_eq(e.data_length.rx_octets, 27);
    ck_assert_uint_eq(e.data_length.rx_time, 328);
    e = parsed(0x3e, 0x0c);
    ck_assert_uint_eq(e.phy.tx, BL_PHY_2M);
    ck_assert_uint_eq(e.phy.rx, BL_PHY_CODED);
    e = parsed(0x3e, 0x12);
    ck_assert_uint_eq(e.adv_terminated.set, 2);
    ck_assert_uint_eq(e.adv_terminated.conn_handle, 0x40);
    ck_assert_uint_eq(e.adv_terminated.events, 9);
}
END_TEST

START_TEST(connections_of_all_three_kinds_say_the_same)
{
    struct bl_hci_event e = parsed(0x3e, 0x01);
    ck_assert_uint_eq(e.handle, 0x41);
    ck_assert_int_eq(e.connection.role, BL_ROLE_PERIPHERAL);
    ck_assert_uint_eq(e.connection.peer.type, ADDR_RANDOM);
    ck_assert_mem_eq(e.connection.peer.b, "\1\2\3\4\5\6", 6);
    ck_assert(!e.connection.resolved);
    ck_assert_uint_eq(e.connection.interval, 24);
    ck_assert_uint_eq(e.connection.latency, 3);
    ck_assert_uint_eq(e.connection.timeout, 500);

    e = parsed(0x3e, 0x0a);
    ck_assert_int_eq(e.connection.role, BL_ROLE_CENTRAL);
    ck_assert(e.connection.resolved);
    ck_assert_uint_eq(e.connection.peer.type, ADDR_RANDOM); /* 3: a random identity */
    ck_assert_mem_eq(e.connection.local_rpa, "\13\14\15\16\17\20", 6);
    ck_assert_mem_eq(e.connection.peer_rpa, "\25\26\27\30\31\32", 6);

    e = parsed(0x3e, 0x29);
    ck_assert(!e.connection.resolved);
    ck_assert_uint_eq(e.connection.interval, 6);
}
END_TEST

START_TEST(a_failed_connection_may_hold_anything)
{
    uint8_t bytes[30];
    struct bl_hci_event e;

    memset(bytes, 0xff, sizeof(bytes));
    bytes[0] = BL_HCI_FAILED_TO_ESTABLISH;
    ck_assert_int_eq(parse(0x3e, 0x01, bytes, 18, &e), BL_HCI_PARSE_OK);
    ck_assert_uint_eq(e.status, BL_HCI_FAILED_TO_ESTABLISH);
    ck_assert_int_eq(e.connection.role, BL_ROLE_CENTRAL);
    ck_assert_int_eq(parse(0x3e, 0x0a, bytes, 30, &e), BL_HCI_PARSE_OK);
    memset(bytes + 1, 0, sizeof(bytes) - 1);
    ck_assert_int_eq(parse(0x3e, 0x03, bytes, 9, &e), BL_HCI_PARSE_OK);
    ck_assert_int_eq(parse(0x3e, 0x0c, bytes, 5, &e), BL_HCI_PARSE_OK);
}
END_TEST

/* One octet of a good event made bad. */
START_TEST(values_out_of_range_are_bad)
{
    static const struct {
        uint8_t code, subevent, at, value;
    } rows[] = {
        {0x3e, 0x01, 3, 2},     /* role */
        {0x3e, 0x01, 4, 4},     /* address type */
        {0x3e, 0x01, 11, 5},    /* interval 5 */
        {0x3e, 0x01, 12, 0x0d}, /* interval over 4 s */
        {0x3e, 0x01, 14, 2},    /* latency over 499 */
        {0x3e, 0x01, 16, 0x0d}, /* timeout over 32 s */
        {0x3e, 0x03, 3, 1},     /* interval 1 */
        {0x3e, 0x07, 2, 26},    /* octets */
        {0x3e, 0x07, 3, 1},     {0x3e, 0x07, 6, 26},   {0x3e, 0x07, 9, 0},    {0x3e, 0x0c, 3, 0},
        {0x3e, 0x0c, 3, 4},     {0x3e, 0x0c, 4, 0},    {0x3e, 0x12, 1, 0xf0}, /* set */
        {0x3e, 0x02, 0, 0},                                                   /* no reports */
        {0x3e, 0x02, 0, 2},                            /* more reports than there are */
        {0x3e, 0x02, 1, 5},                            /* event type */
        {0x3e, 0x02, 2, 4},                            /* address type */
        {0x3e, 0x02, 9, 1},                            /* data where none is */
        {0x3e, 0x0b, 1, 0},                            /* not directed */
        {0x3e, 0x0b, 9, 0xff},  {0x3e, 0x0d, 1, 0x60}, /* data status 3 */
        {0x3e, 0x0d, 3, 4},     {0x3e, 0x0d, 10, 0},   {0x3e, 0x0d, 10, 4},   {0x3e, 0x0d, 11, 4},
        {0x3e, 0x0d, 12, 0x10}, {0x3e, 0x0d, 24, 1},   {0x08, 0, 3, 3},       {0x59, 0, 4, 6},
        {0x59, 0, 4, 17},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct good *g = good_of(rows[i].code, rows[i].subevent);
        struct bl_hci_event e;
        uint8_t bytes[40];
        memcpy(bytes, g->bytes, sizeof(bytes));
        bytes[rows[i].at] = rows[i].value;
        ck_assert_msg(parse(rows[i].code, rows[i].subevent, bytes, g->n, &e) == BL_HCI_PARSE_BAD,
                      "row %zu", i);
        ck_assert_int_eq(e.kind, 0);
    }
}
END_TEST

START_TEST(legacy_reports_say_what_their_type_allows)
{
    static const struct {
        bool connectable, scannable, directed, response;
    } want[5] = {{1, 1, 0, 0}, {1, 0, 1, 0}, {0, 1, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 1}};

    for (uint8_t type = 0; type < 5; type++) {
        uint8_t bytes[14] = {1, type, 2, 1, 2, 3, 4, 5, 6, 3, 0xaa, 0xbb, 0xcc, 0x81};
        struct bl_hci_event e;
        struct bl_report *r = &e.adv.report;
        ck_assert_int_eq(parse(0x3e, 0x02, bytes, 14, &e), BL_HCI_PARSE_OK);
        ck_assert(r->legacy && r->adv_type == type && e.adv.resolved);
        ck_assert_int_eq(r->connectable, want[type].connectable);
        ck_assert_int_eq(r->scannable, want[type].scannable);
        ck_assert_int_eq(r->directed, want[type].directed);
        ck_assert_int_eq(r->scan_response, want[type].response);
        ck_assert_uint_eq(r->len, 3);
        ck_assert_int_eq(r->rssi, -127);
        ck_assert_int_eq(r->tx_power, 127);
        ck_assert_uint_eq(r->sid, 0xff);
        ck_assert_uint_eq(r->primary_phy, BL_PHY_1M);
        ck_assert_uint_eq(r->secondary_phy, BL_PHY_NONE);
        ck_assert_uint_eq(r->addr.type, ADDR_PUBLIC);
    }
}
END_TEST

START_TEST(extended_reports_of_legacy_advertisements_say_their_legacy_type)
{
    static const struct {
        uint8_t event, legacy;
    } rows[] = {{0x13, 0}, {0x15, 1}, {0x12, 2}, {0x10, 3}, {0x1b, 4}, {0x1a, 4}, {0x01, 0xff}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint8_t bytes[25];
        struct bl_hci_event e;
        memcpy(bytes, good_of(0x3e, 0x0d)->bytes, 25);
        bytes[1] = rows[i].event;
        ck_assert_int_eq(parse(0x3e, 0x0d, bytes, 25, &e), BL_HCI_PARSE_OK);
        ck_assert_uint_eq(e.adv.report.adv_type, rows[i].legacy);
        ck_assert_uint_eq(e.adv.report.sid, rows[i].legacy == 0xff ? 7 : 0xff);
        ck_assert_uint_eq(e.adv.report.secondary_phy, rows[i].legacy == 0xff ? 2 : 0);
    }
}
END_TEST

START_TEST(extended_reports_carry_every_field)
{
    uint8_t bytes[28];
    struct bl_hci_event e;
    struct bl_report *r = &e.adv.report;
    struct wr w = wr_make(bytes, sizeof(bytes));

    wr_u8(&w, 1);
    wr_u16(&w, 0x0024); /* directed, more data to come */
    wr_u8(&w, 0xff);    /* anonymous */
    wr_bytes(&w, "\1\2\3\4\5\6", 6);
    wr_u8(&w, 3);
    wr_u8(&w, 2);
    wr_u8(&w, 0x0f);
    wr_i8(&w, -20);
    wr_i8(&w, 127);
    wr_u16(&w, 0x1234);
    wr_u8(&w, 0xfe);
    wr_bytes(&w, "\7\7\7\7\7\7", 6);
    wr_u8(&w, 3);
    wr_bytes(&w, "abc", 3);
    ck_assert_int_eq(parse(0x3e, 0x0d, bytes, w.len, &e), BL_HCI_PARSE_OK);
    ck_assert(r->directed && r->anonymous && !r->legacy && !r->connectable && !r->truncated);
    ck_assert_int_eq(e.adv.data_status, BL_HCI_DATA_MORE);
    ck_assert(bl_addr_is_zero(&r->addr));
    ck_assert_uint_eq(r->target.type, ADDR_RANDOM);
    ck_assert_mem_eq(r->target.b, "\7\7\7\7\7\7", 6);
    ck_assert_uint_eq(r->primary_phy, BL_PHY_CODED);
    ck_assert_uint_eq(r->secondary_phy, BL_PHY_2M);
    ck_assert_uint_eq(r->sid, 15);
    ck_assert_int_eq(r->tx_power, -20);
    ck_assert_int_eq(r->rssi, 127);
    ck_assert_uint_eq(r->periodic_interval, 0x1234);
    ck_assert_uint_eq(r->len, 3);
    bytes[1] = 0x41; /* truncated */
    ck_assert_int_eq(parse(0x3e, 0x0d, bytes, w.len, &e), BL_HCI_PARSE_OK);
    ck_assert(r->truncated && bl_addr_is_zero(&r->target));
}
END_TEST

START_TEST(several_reports_in_a_packet_come_one_by_one_and_uncopied)
{
    uint8_t bytes[256] = {3};
    struct wr w = wr_make(bytes + 1, 255);
    struct bl_hci_events it;
    struct bl_hci_event e;

    for (uint8_t i = 0; i < 3; i++) {
        wr_u8(&w, i);
        wr_u8(&w, 0);
        wr_zero(&w, 5);
        wr_u8(&w, i);
        wr_u8(&w, i);
        wr_zero(&w, i);
        wr_u8(&w, 0x80);
    }
    uint8_t packet[257] = {0x02};
    memcpy(packet + 1, bytes, w.len + 1);
    ck_assert_int_eq(bl_hci_events_begin(&it, 0x3e, packet, w.len + 2), BL_HCI_PARSE_OK);
    ck_assert_uint_eq(it.left, 3);
    for (uint8_t i = 0; i < 3; i++) {
        ck_assert_int_eq(bl_hci_events_next(&it, &e), BL_HCI_PARSE_OK);
        ck_assert_uint_eq(e.adv.report.adv_type, i);
        ck_assert_uint_eq(e.adv.report.addr.b[5], i);
        ck_assert_uint_eq(e.adv.report.len, i);
        ck_assert(e.adv.report.data > packet && e.adv.report.data < packet + sizeof(packet));
    }
    ck_assert_uint_eq(it.left, 0);
}
END_TEST

START_TEST(the_reports_before_a_bad_one_are_kept)
{
    struct ctl *c = ctl_ready(6);
    uint8_t bytes[21] = {2, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0x80, 9, 0, 2, 2, 2, 2, 2, 2, 0, 0x80};

    ctl_le_event(c, 0x02, bytes, sizeof(bytes));
    ck_assert_uint_eq(c->n_in, 1);
    ck_assert_uint_eq(c->in[0].in.event.adv.report.addr.b[0], 1);
    ck_assert_uint_eq(ctl_counter(c, "hci-events-bad"), 1);
    ck_assert_uint_eq(c->logged, 1);
    ctl_le_event(c, 0x02, bytes, sizeof(bytes));
    ck_assert_uint_eq(c->logged, 1); /* said once */
    ck_assert_uint_eq(ctl_counter(c, "hci-events-bad"), 2);
    ctl_free(c);
}
END_TEST

START_TEST(no_event_of_any_code_and_length_is_read_past_its_end)
{
    struct ctl *c = ctl_ready(12);
    uint8_t bytes[255];
    uint32_t random = 1;

    for (unsigned code = 0; code < 256; code++)
        for (size_t n = 0; n < 64; n++) {
            for (size_t i = 0; i < n; i++)
                bytes[i] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
            if (code == 0x3e && n > 0)
                bytes[0] = (uint8_t)(random >> 16 & 0x3f);
            c->n_in = 0;
            if (code != 0x10) /* hardware error: an end of its own */
                ctl_event(c, (uint8_t)code, bytes, n);
        }
    ck_assert_uint_eq(ctl_counter(c, "hci-events"), ctl_counter(c, "commands") + 255 * 64);
    ctl_free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("event");
    TCase *t = tcase_create("event");

    tcase_set_timeout(t, 60); /* under sanitizers, on a busy machine */
    tcase_add_test(t, each_row_takes_its_least_length_and_nothing_below);
    tcase_add_test(t, each_row_refuses_one_octet_more_than_its_greatest);
    tcase_add_test(t, handles_above_0x0eff_are_refused_everywhere);
    tcase_add_test(t, unknown_events_and_subevents_are_unknown);
    tcase_add_test(t, fields_are_where_the_specification_has_them);
    tcase_add_test(t, connections_of_all_three_kinds_say_the_same);
    tcase_add_test(t, a_failed_connection_may_hold_anything);
    tcase_add_test(t, values_out_of_range_are_bad);
    tcase_add_test(t, legacy_reports_say_what_their_type_allows);
    tcase_add_test(t, extended_reports_of_legacy_advertisements_say_their_legacy_type);
    tcase_add_test(t, extended_reports_carry_every_field);
    tcase_add_test(t, several_reports_in_a_packet_come_one_by_one_and_uncopied);
    tcase_add_test(t, the_reports_before_a_bad_one_are_kept);
    tcase_add_test(t, no_event_of_any_code_and_length_is_read_past_its_end);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
