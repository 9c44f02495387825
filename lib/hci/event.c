/* SPDX-License-Identifier: MIT */

/*
 * One row an event: how long it may be and who reads it. The loop checks the length and that the
 * parser consumed exactly what was there; parsers read straight down and check ranges. Advertising
 * reports come several in a packet and are taken one by one, as they are asked for.
 *
 * Reports lie in the packet one whole report after the other. (The specification's notation,
 * "Address[i]", reads like one array a field; no controller has ever sent them so.)
 */

#include "hci/event.h"

#include "base/cleanup.h"

#define EVENT_LE_META    0x3e
#define EVENT_HANDLE_MAX 0x0eff /* Core 5.4, Vol 4, Part E, 5.4.2 */

struct bl_hci_event_row {
    uint8_t code, subevent; /* 0: a plain event */
    uint8_t min, max;       /* octets, after the subevent */
    bool many;              /* begins with the number of reports */
    enum bl_hci_event_kind kind;
    bool (*parse)(struct rd *r, struct bl_hci_event *e);
};

static bool event_handle(uint16_t handle)
{
    return handle <= EVENT_HANDLE_MAX;
}

/* Core 5.4, Vol 4, Part E, 7.7.65.1 and .3 */
static bool event_parameters(uint16_t interval, uint16_t latency, uint16_t timeout)
{
    return interval >= 0x0006 && interval <= 0x0c80 && latency <= 0x01f3 && timeout >= 0x000a &&
           timeout <= 0x0c80;
}

/* HCI address types 2 and 3 are identities that the controller resolved: 7.7.65.10. */
static bool event_address(struct rd *r, struct bl_addr *ret, bool *ret_resolved)
{
    uint8_t type = rd_u8(r);

    rd_copy(r, ret->b, 6);
    ret->type = type & 1;
    *ret_resolved = type == 2 || type == 3;
    return type <= 3;
}

/* ---- connections ---- */

static bool event_connection(struct rd *r, struct bl_hci_event *e, bool enhanced)
{
    e->status = rd_u8(r);
    e->handle = rd_u16(r);
    uint8_t role = rd_u8(r);
    bool ok = event_address(r, &e->connection.peer, &e->connection.resolved);

    if (enhanced) {
        rd_copy(r, e->connection.local_rpa, 6);
        rd_copy(r, e->connection.peer_rpa, 6);
    }
    e->connection.interval = rd_u16(r);
    e->connection.latency = rd_u16(r);
    e->connection.timeout = rd_u16(r);
    rd_u8(r); /* central clock accuracy */
    e->connection.role = role == 1 ? BL_ROLE_PERIPHERAL : BL_ROLE_CENTRAL;
    if (e->status != 0)
        return true; /* the rest means nothing then */
    return ok && role <= 1 && event_handle(e->handle) &&
           event_parameters(e->connection.interval, e->connection.latency, e->connection.timeout);
}

static bool event_connection_v0(struct rd *r, struct bl_hci_event *e)
{
    return event_connection(r, e, false);
}

static bool event_connection_v1(struct rd *r, struct bl_hci_event *e)
{
    return event_connection(r, e, true);
}

static bool event_connection_v2(struct rd *r, struct bl_hci_event *e)
{
    bool ok = event_connection(r, e, true);

    rd_u8(r);  /* advertising handle, of periodic advertising with responses alone */
    rd_u16(r); /* sync handle */
    return ok;
}

static bool event_disconnection(struct rd *r, struct bl_hci_event *e)
{
    e->status = rd_u8(r);
    e->handle = rd_u16(r);
    e->disconnection.reason = rd_u8(r);
    return event_handle(e->handle);
}

static bool event_update(struct rd *r, struct bl_hci_event *e)
{
    e->status = rd_u8(r);
    e->handle = rd_u16(r);
    e->update.interval = rd_u16(r);
    e->update.latency = rd_u16(r);
    e->update.timeout = rd_u16(r);
    return event_handle(e->handle) &&
           (e->status != 0 ||
            event_parameters(e->update.interval, e->update.latency, e->update.timeout));
}

/* What the peer asks for is not checked here: it has to be answered whatever it is. */
static bool event_param_request(struct rd *r, struct bl_hci_event *e)
{
    e->handle = rd_u16(r);
    e->param_request.interval_min = rd_u16(r);
    e->param_request.interval_max = rd_u16(r);
    e->param_request.latency = rd_u16(r);
    e->param_request.timeout = rd_u16(r);
    return event_handle(e->handle);
}

static bool event_features(struct rd *r, struct bl_hci_event *e)
{
    e->status = rd_u8(r);
    e->handle = rd_u16(r);
    e->features.features = rd_u64(r);
    return event_handle(e->handle);
}

static bool event_version(struct rd *r, struct bl_hci_event *e)
{
    e->status = rd_u8(r);
    e->handle = rd_u16(r);
    e->version.version = rd_u8(r);
    e->version.manufacturer = rd_u16(r);
    e->version.subversion = rd_u16(r);
    return event_handle(e->handle);
}

static bool event_ltk(struct rd *r, struct bl_hci_event *e)
{
    e->handle = rd_u16(r);
    rd_copy(r, e->ltk.rand, 8);
    e->ltk.ediv = rd_u16(r);
    return event_handle(e->handle);
}

static bool event_encryption_v1(struct rd *r, struct bl_hci_event *e)
{
    e->status = rd_u8(r);
    e->handle = rd_u16(r);
    e->encryption.enabled = rd_u8(r);
    return event_handle(e->handle) && e->encryption.enabled <= 2;
}

static bool event_encryption_v2(struct rd *r, struct bl_hci_event *e)
{
    bool ok = event_encryption_v1(r, e);

    e->encryption.key_size = rd_u8(r);
    /* 7.7.8: 7..16 where it is on */
    return ok && (e->status != 0 || e->encryption.enabled == 0 ||
                  (e->encryption.key_size >= 7 && e->encryption.key_size <= 16));
}

static bool event_key_refresh(struct rd *r, struct bl_hci_event *e)
{
    e->status = rd_u8(r);
    e->handle = rd_u16(r);
    return event_handle(e->handle);
}

/* 7.7.65.7 */
static bool event_data_length(struct rd *r, struct bl_hci_event *e)
{
    e->handle = rd_u16(r);
    e->data_length.tx_octets = rd_u16(r);
    e->data_length.tx_time = rd_u16(r);
    e->data_length.rx_octets = rd_u16(r);
    e->data_length.rx_time = rd_u16(r);
    return event_handle(e->handle) && e->data_length.tx_octets >= 27 &&
           e->data_length.tx_octets <= 251 && e->data_length.rx_octets >= 27 &&
           e->data_length.rx_octets <= 251 && e->data_length.tx_time >= 0x0148 &&
           e->data_length.tx_time <= 0x4290 && e->data_length.rx_time >= 0x0148 &&
           e->data_length.rx_time <= 0x4290;
}

static bool event_phy(struct rd *r, struct bl_hci_event *e)
{
    e->status = rd_u8(r);
    e->handle = rd_u16(r);
    e->phy.tx = rd_u8(r);
    e->phy.rx = rd_u8(r);
    return event_handle(e->handle) &&
           (e->status != 0 || (e->phy.tx >= BL_PHY_1M && e->phy.tx <= BL_PHY_CODED &&
                               e->phy.rx >= BL_PHY_1M && e->phy.rx <= BL_PHY_CODED));
}

static bool event_channel_selection(struct rd *r, struct bl_hci_event *e)
{
    e->handle = rd_u16(r);
    rd_u8(r);
    return event_handle(e->handle);
}

/* ---- advertising and scanning ---- */

static bool event_scan_timeout(struct rd *r, struct bl_hci_event *e)
{
    (void)r;
    (void)e;
    return true;
}

static bool event_adv_terminated(struct rd *r, struct bl_hci_event *e)
{
    e->status = rd_u8(r);
    e->adv_terminated.set = rd_u8(r);
    e->adv_terminated.conn_handle = rd_u16(r);
    e->adv_terminated.events = rd_u8(r);
    return e->adv_terminated.set <= 0xef &&
           (e->status != 0 || event_handle(e->adv_terminated.conn_handle));
}

static void event_legacy_type(struct bl_report *report, uint8_t type)
{
    report->adv_type = type;
    report->legacy = true;
    report->connectable = type == 0 || type == 1;
    report->scannable = type == 0 || type == 2;
    report->directed = type == 1;
    report->scan_response = type == 4;
    report->primary_phy = BL_PHY_1M;
    report->secondary_phy = BL_PHY_NONE;
    report->sid = 0xff;
    report->tx_power = 127;
}

/* 7.7.65.2 */
static bool event_report(struct rd *r, struct bl_hci_event *e)
{
    struct bl_report *report = &e->adv.report;
    uint8_t type = rd_u8(r);
    bool ok = event_address(r, &report->addr, &e->adv.resolved);

    event_legacy_type(report, type);
    report->len = rd_u8(r);
    report->data = rd_bytes(r, report->len);
    report->rssi = rd_i8(r);
    return ok && type <= 4 && report->len <= 31;
}

/* 7.7.65.11: of a directed advertisement whose target could not be resolved */
static bool event_directed(struct rd *r, struct bl_hci_event *e)
{
    struct bl_report *report = &e->adv.report;
    uint8_t type = rd_u8(r);
    bool ok = event_address(r, &report->addr, &e->adv.resolved);
    uint8_t target = rd_u8(r);

    event_legacy_type(report, type);
    rd_copy(r, report->target.b, 6);
    report->target.type = target == 0xfe ? ADDR_RANDOM : target & 1;
    report->rssi = rd_i8(r);
    return ok && type == 1 && (target <= 3 || target == 0xfe);
}

static uint8_t event_legacy_of(uint16_t type)
{
    if (type & 8)
        return 4;
    if (type & 4)
        return 1;
    return type & 1 ? 0 : type & 2 ? 2 : 3;
}

/* 7.7.65.13 */
static bool event_extended(struct rd *r, struct bl_hci_event *e)
{
    struct bl_report *report = &e->adv.report;
    uint16_t type = rd_u16(r);
    uint8_t address_type = rd_u8(r);

    rd_copy(r, report->addr.b, 6);
    report->addr.type = address_type & 1;
    report->anonymous = address_type == 0xff;
    e->adv.resolved = address_type == 2 || address_type == 3;
    report->primary_phy = rd_u8(r);
    report->secondary_phy = rd_u8(r);
    report->sid = rd_u8(r);
    report->tx_power = rd_i8(r);
    report->rssi = rd_i8(r);
    report->periodic_interval = rd_u16(r);
    uint8_t target = rd_u8(r);
    rd_copy(r, report->target.b, 6);
    report->len = rd_u8(r);
    report->data = rd_bytes(r, report->len);

    report->connectable = type & 1;
    report->scannable = type & 2;
    report->directed = type & 4;
    report->scan_response = type & 8;
    report->legacy = type & 0x10;
    report->adv_type = report->legacy ? event_legacy_of(type) : 0xff;
    if (report->legacy) {
        report->secondary_phy = BL_PHY_NONE;
        report->sid = 0xff;
    }
    if (report->directed)
        report->target.type = target == 0xfe ? ADDR_RANDOM : target & 1;
    else
        report->target = (struct bl_addr){0};
    if (report->anonymous)
        report->addr = (struct bl_addr){0};
    unsigned status = type >> 5 & 3;
    e->adv.data_status = (enum bl_hci_data_status)status;
    report->truncated = status == BL_HCI_DATA_TRUNCATED;
    return status <= BL_HCI_DATA_TRUNCATED && (address_type <= 3 || report->anonymous) &&
           (!report->directed || target <= 3 || target == 0xfe) &&
           (report->sid <= 0x0f || report->sid == 0xff) && report->primary_phy >= BL_PHY_1M &&
           report->primary_phy <= BL_PHY_CODED && report->secondary_phy <= BL_PHY_CODED &&
           (!report->legacy || report->len <= 31);
}

/* ---- the table ---- */

#define LE EVENT_LE_META

/* clang-format off */
static const struct bl_hci_event_row event_rows[] = {
    {0x05, 0, 4, 4, false, BL_HCI_EV_DISCONNECTION_COMPLETE, event_disconnection},
    {0x08, 0, 4, 4, false, BL_HCI_EV_ENCRYPTION_CHANGE, event_encryption_v1},
    {0x0c, 0, 8, 8, false, BL_HCI_EV_REMOTE_VERSION, event_version},
    {0x30, 0, 3, 3, false, BL_HCI_EV_KEY_REFRESH, event_key_refresh},
    {0x59, 0, 5, 5, false, BL_HCI_EV_ENCRYPTION_CHANGE, event_encryption_v2},
    {LE, 0x01, 18, 18, false, BL_HCI_EV_CONNECTION_COMPLETE, event_connection_v0},
    {LE, 0x02, 11, 254, true, BL_HCI_EV_REPORT, event_report},
    {LE, 0x03, 9, 9, false, BL_HCI_EV_CONNECTION_UPDATE, event_update},
    {LE, 0x04, 11, 11, false, BL_HCI_EV_REMOTE_FEATURES, event_features},
    {LE, 0x05, 12, 12, false, BL_HCI_EV_LTK_REQUEST, event_ltk},
    {LE, 0x06, 10, 10, false, BL_HCI_EV_PARAM_REQUEST, event_param_request},
    {LE, 0x07, 10, 10, false, BL_HCI_EV_DATA_LENGTH, event_data_length},
    {LE, 0x0a, 30, 30, false, BL_HCI_EV_CONNECTION_COMPLETE, event_connection_v1},
    {LE, 0x0b, 17, 254, true, BL_HCI_EV_REPORT, event_directed},
    {LE, 0x0c, 5, 5, false, BL_HCI_EV_PHY_UPDATE, event_phy},
    {LE, 0x0d, 25, 254, true, BL_HCI_EV_REPORT, event_extended},
    {LE, 0x11, 0, 0, false, BL_HCI_EV_SCAN_TIMEOUT, event_scan_timeout},
    {LE, 0x12, 5, 5, false, BL_HCI_EV_ADV_TERMINATED, event_adv_terminated},
    {LE, 0x14, 3, 3, false, BL_HCI_EV_CHANNEL_SELECTION, event_channel_selection},
    {LE, 0x29, 33, 33, false, BL_HCI_EV_CONNECTION_COMPLETE, event_connection_v2},
};
/* clang-format on */

static const struct bl_hci_event_row *event_row(uint8_t code, uint8_t subevent)
{
    for (size_t i = 0; i < ARRAY_LEN(event_rows); i++)
        if (event_rows[i].code == code && event_rows[i].subevent == subevent)
            return &event_rows[i];
    return NULL;
}

enum bl_hci_parse bl_hci_events_begin(struct bl_hci_events *it, uint8_t code, const uint8_t *params,
                                      size_t n)
{
    struct rd r = rd_make(params, n);
    uint8_t subevent = code == EVENT_LE_META ? rd_u8(&r) : 0;
    const struct bl_hci_event_row *row = rd_ok(&r) ? event_row(code, subevent) : NULL;

    *it = (struct bl_hci_events){0};
    if (!row)
        return rd_ok(&r) ? BL_HCI_PARSE_UNKNOWN : BL_HCI_PARSE_BAD;
    if (r.left < row->min || r.left > row->max)
        return BL_HCI_PARSE_BAD;
    unsigned left = row->many ? rd_u8(&r) : 1;
    if (left == 0)
        return BL_HCI_PARSE_BAD;
    *it = (struct bl_hci_events){.row = row, .rd = r, .left = left};
    return BL_HCI_PARSE_OK;
}

enum bl_hci_parse bl_hci_events_next(struct bl_hci_events *it, struct bl_hci_event *ret)
{
    *ret = (struct bl_hci_event){.kind = it->row->kind};
    it->left--;
    bool ok = it->row->parse(&it->rd, ret);
    if (ok && rd_ok(&it->rd) && (it->left > 0 || rd_done(&it->rd)))
        return BL_HCI_PARSE_OK;
    *ret = (struct bl_hci_event){0};
    it->left = 0;
    return BL_HCI_PARSE_BAD;
}

bool bl_hci_event_row(size_t index, uint8_t *ret_code, uint8_t *ret_subevent, uint8_t *ret_min,
                      uint8_t *ret_max)
{
    if (index >= ARRAY_LEN(event_rows))
        return false;
    *ret_code = event_rows[index].code;
    *ret_subevent = event_rows[index].subevent;
    *ret_min = event_rows[index].min;
    *ret_max = event_rows[index].max;
    return true;
}
