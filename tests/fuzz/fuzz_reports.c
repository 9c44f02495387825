/* SPDX-License-Identifier: MIT */

/*
 * Advertising reports in any order, with any fields and fragments, through a scanner with four
 * scans of different filters. The input is a row of records:
 *
 *     octet: bits 0..1 data status, 2 anonymous, 3 scan response, 4 connectable, 5 directed,
 *            6 time passes (5 s), 7 a random address
 *     octet: the advertiser; octet: adv_type (over 4: extended); octet: SID; octet: RSSI
 *     octet: length; so many octets of data
 */

#include "fake_hci.h"
#include "gap/scanner.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static int same(void *ctx, void *out, size_t n)
{
    (void)ctx;
    memset(out, 0x5a, n);
    return 0;
}

static struct bl_hci_event next_report(struct rd *r)
{
    uint8_t bits = rd_u8(r), who = rd_u8(r), type = rd_u8(r), sid = rd_u8(r);
    struct bl_report report = {.addr = {bits >> 7, {who, 1, 2, 3, 4, (uint8_t)(who << 4)}},
                               .adv_type = type > 4 ? 0xff : type,
                               .legacy = type <= 4,
                               .sid = sid > 15 ? 0xff : sid,
                               .rssi = rd_i8(r),
                               .anonymous = bits & 4,
                               .scan_response = (bits & 8) || type == 4,
                               .connectable = bits & 16,
                               .directed = bits & 32,
                               .primary_phy = type & 1 ? BL_PHY_1M : BL_PHY_CODED};
    uint8_t len = rd_u8(r);

    report.data = rd_bytes(r, len);
    report.len = report.data ? len : 0;
    return (struct bl_hci_event){
        .kind = BL_HCI_EV_REPORT,
        .adv = {.report = report, .data_status = (enum bl_hci_data_status)(bits & 3)}};
}

static void start(struct bl_scanner *s, struct bl_hci *hci)
{
    static const struct bl_uuid service = {
        {0xfb, 0x34, 0x9b, 0x5f, 0x80, 0, 0, 0x80, 0, 0x10, 0, 0, 0x0d, 0x18}};
    static const struct bl_addr address = {ADDR_RANDOM, {1, 1, 2, 3, 4, 0x10}};
    static const uint16_t company = 0x4c;
    const struct bl_scan_filter filters[] = {
        {.n_services = 0},
        {.services = &service, .n_services = 1, .name_prefix = "a"},
        {.addresses = &address, .n_addresses = 1},
        {.manufacturers = &company, .n_manufacturers = 1, .has_rssi_min = true, .rssi_min = -70},
    };
    const struct fake_cmd *cmd;

    for (unsigned i = 0; i < 4; i++) {
        struct bl_scan_params p = {.interval_us = 10000,
                                   .window_us = 10000,
                                   .active = i != 2,
                                   .filter_duplicates = i & 1,
                                   .extended = i != 3,
                                   .phys = i ? BL_PHYS_1M | BL_PHYS_CODED : 0,
                                   .filter = filters[i]};
        uint16_t which;
        bl_op op;
        must(bl_scanner_scan(s, 0, &p, &which, &op) == 0);
    }
    while (bl_scanner_step(s, 0) && (cmd = fake_hci_take(hci))) {
        struct bl_hci_reply reply = fake_hci_reply(cmd, 0, NULL, 0);
        s->radio->outstanding = false;
        bl_scanner_reply(s, 0, &reply);
    }
    must(s->waiting == 0);
}

static void drain(struct bl_evq *events)
{
    struct bl_event e;

    while (bl_evq_pop(events, &e)) {
        if (e.kind != BL_EV_REPORT)
            continue;
        must(e.report.len <= BL_MAX_ADV_EXTENDED && e.report.scans != 0);
        must(!(e.report.scans & 4) || !e.report.scan_response);
        must(!(e.report.scans & 8) || e.report.adv_type <= 4);
        must(e.report.adv_type != 1 || e.report.len == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct bl_hci *hci = fake_hci_new(true);
    const struct bl_env env = {.random = same};
    struct bl_evq events;
    struct bl_radio radio = {.hci = hci, .env = &env, .events = &events, .ready = true};
    struct bl_privacy privacy;
    struct bl_scanner s;
    struct rd r = rd_make(data, n);
    uint64_t now = 1;

    must(bl_evq_init(&events) == 0);
    bl_privacy_init(&privacy, &radio);
    must(bl_scanner_init(&s, &radio, &privacy) == 0);
    start(&s, hci);
    while (r.left > 0) {
        if (r.p[0] & 64)
            now += BL_REPORT_JOIN_TIMEOUT_US;
        struct bl_hci_event e = next_report(&r);
        if (e.adv.data_status > BL_HCI_DATA_TRUNCATED)
            e.adv.data_status = BL_HCI_DATA_MORE;
        bl_scanner_event(&s, now, &e);
        if (now >= bl_scanner_deadline(&s))
            bl_scanner_tick(&s, now);
        must(now < bl_scanner_deadline(&s));
        drain(&events);
    }
    bl_scanner_reset(&s, now, BL_NOT_ACTIVE);
    drain(&events);
    must(events.open_ops == 0);
    bl_scanner_deinit(&s);
    bl_privacy_deinit(&privacy);
    bl_evq_deinit(&events);
    fake_hci_free(hci);
    return 0;
}
