/* SPDX-License-Identifier: MIT */

/*
 * What a scanner hears, and what its host is told of it. An advertising event is heard if it falls
 * into the scan window, passes privacy and filter policy, and, where it is directed, is meant for
 * us; then it is reported unless it is a duplicate, and asked for its scan response if we scan
 * actively. Core 5.4, Vol 6, Part B, 4.4.3; reports: Vol 4, Part E, 7.7.65.2, .11, .13.
 */

#include "air/air_internal.h"

enum { SCAN_FRAGMENT = 229 }; /* the most data in one extended report */

enum { /* Event_Type of an extended report beside the advertising properties' own bits */
       REPORT_RESPONSE = 0x08,
       REPORT_MORE = 0x20,
       REPORT_TRUNCATED = 0x40,
};

struct scan_report {
    const struct air_event_pdu *pdu;
    struct bl_addr id; /* who it is from: the identity where resolved */
    bool resolved, anonymous, for_me, response;
    const struct air_data *data;
    int8_t rssi;
};

bool bl_air_window_open(const struct air_window *w, uint64_t start, uint64_t now)
{
    return w->on && (now - start) % (w->interval * UINT64_C(625)) < w->window * UINT64_C(625);
}

/* ---- duplicates ---- */

static uint16_t scan_kind(const struct scan_report *r)
{
    const struct air_set *s = r->pdu->set;
    uint16_t sid = s->props & ADV_LEGACY ? 0 : s->sid;

    return (uint16_t)(0x8000 | sid << 8 | (s->props & 0x37) | (r->response ? REPORT_RESPONSE : 0));
}

/* Remembers it; false where it was there already. The oldest of its place is forgotten. */
static bool scan_is_new(struct air_scan *s, const struct scan_report *r)
{
    struct air_duplicate d = {.type = r->anonymous ? 0xff
                                                   : (uint8_t)(r->id.type | (r->resolved ? 2 : 0)),
                              .kind = scan_kind(r),
                              .did = r->pdu->set->props & ADV_LEGACY ? 0 : r->pdu->set->did};

    memcpy(d.addr, r->id.b, 6);
    uint32_t place = bl_addr_hash(&r->id, d.kind) % AIR_DUPLICATE_SETS;
    struct air_duplicate *ways = &s->seen[place * AIR_DUPLICATE_WAYS];
    for (unsigned i = 0; i < AIR_DUPLICATE_WAYS; i++)
        if (ways[i].kind == d.kind && ways[i].type == d.type &&
            memcmp(ways[i].addr, d.addr, 6) == 0) {
            bool same = ways[i].did == d.did;
            ways[i].did = d.did;
            return !same;
        }
    ways[s->next_way[place]++ % AIR_DUPLICATE_WAYS] = d;
    return true;
}

/* ---- reports ---- */

static uint8_t scan_addr_type(const struct scan_report *r)
{
    return r->anonymous ? 0xff : (uint8_t)(r->id.type | (r->resolved ? 2 : 0));
}

static uint8_t scan_legacy_type(const struct scan_report *r)
{
    uint16_t props = r->pdu->set->props;

    if (r->response)
        return 4;
    if (props & ADV_DIRECTED)
        return 1;
    if (props & ADV_CONNECTABLE)
        return 0;
    return props & ADV_SCANNABLE ? 2 : 3;
}

static void scan_report_legacy(struct air_ctrl *c, const struct scan_report *r)
{
    bool directed = r->pdu->set->props & ADV_DIRECTED && !r->for_me;
    struct air_event e;

    bl_air_meta_begin(&e, directed ? LE_DIRECTED_REPORT : LE_ADVERTISING_REPORT);
    wr_u8(&e.w, 1);
    wr_u8(&e.w, scan_legacy_type(r));
    wr_u8(&e.w, scan_addr_type(r));
    wr_bytes(&e.w, r->id.b, 6);
    if (directed) {
        wr_u8(&e.w, ADDR_RANDOM);
        wr_bytes(&e.w, r->pdu->targeta.b, 6);
    } else {
        wr_u8(&e.w, r->data ? (uint8_t)r->data->len : 0);
        if (r->data)
            wr_bytes(&e.w, r->data->bytes, r->data->len);
    }
    wr_i8(&e.w, r->rssi);
    bl_air_event_send(c, &e, 0);
}

static void scan_report_part(struct air_ctrl *c, const struct scan_report *r, uint16_t type,
                             size_t from, size_t n)
{
    const struct air_set *s = r->pdu->set;
    bool legacy = s->props & ADV_LEGACY, directed = s->props & ADV_DIRECTED;
    struct air_event e;

    bl_air_meta_begin(&e, LE_EXTENDED_REPORT);
    wr_u8(&e.w, 1);
    wr_u16(&e.w, type);
    wr_u8(&e.w, scan_addr_type(r));
    if (r->anonymous)
        wr_zero(&e.w, 6);
    else
        wr_bytes(&e.w, r->id.b, 6);
    wr_u8(&e.w, s->phy1);
    wr_u8(&e.w, legacy ? 0 : s->phy2);
    wr_u8(&e.w, legacy ? 0xff : s->sid);
    wr_i8(&e.w, s->props & ADV_TX_POWER ? s->tx_power : 127);
    wr_i8(&e.w, r->rssi);
    wr_u16(&e.w, 0); /* no periodic advertising */
    if (!directed)
        wr_zero(&e.w, 7);
    else {
        bool rpa = bl_addr_is_rpa(&r->pdu->targeta);
        wr_u8(&e.w, !r->for_me                    ? 0xfe
                    : rpa && c->scan.own_type > 1 ? c->scan.own_type
                                                  : r->pdu->targeta.type);
        wr_bytes(&e.w, r->pdu->targeta.b, 6);
    }
    wr_u8(&e.w, (uint8_t)n);
    if (n > 0)
        wr_bytes(&e.w, r->data->bytes + from, n);
    bl_air_event_send(c, &e, 0);
}

/* Data beyond one event goes on in more reports; a fragment that is lost ends it. */
static void scan_report_extended(struct air_ctrl *c, const struct scan_report *r)
{
    uint16_t type =
        r->pdu->set->props & (ADV_CONNECTABLE | ADV_SCANNABLE | ADV_DIRECTED | ADV_LEGACY);
    size_t len = r->data ? r->data->len : 0, from = 0;

    if (c->n_tx + len / SCAN_FRAGMENT >= AIR_TX_REPORTS)
        return;
    if (r->response)
        type |= REPORT_RESPONSE;
    for (;;) {
        size_t n = len - from < SCAN_FRAGMENT ? len - from : SCAN_FRAGMENT;
        if (from > 0 && !bl_air_heard(c->air, r->pdu->from, c)) {
            scan_report_part(c, r, type | REPORT_TRUNCATED, 0, 0);
            return;
        }
        bool more = from + n < len;
        scan_report_part(c, r, more ? type | REPORT_MORE : type, from, n);
        if (!more)
            return;
        from += n;
    }
}

static void scan_report(struct air_ctrl *c, const struct scan_report *r)
{
    if (c->scan.dedupe && !scan_is_new(&c->scan, r))
        return;
    if (c->scan.extended)
        scan_report_extended(c, r);
    else
        scan_report_legacy(c, r);
}

/* ---- the scan request: Core 5.4, Vol 6, Part B, 4.4.2.3, 4.4.2.10; events 7.7.65.19 ---- */

static bool scan_request(struct air_ctrl *c, const struct scan_report *r)
{
    struct air_set *s = r->pdu->set;
    struct air_ctrl *advertiser = r->pdu->from;
    struct bl_addr scana =
        bl_air_own_addr(c, BL_AIR_USE_SCAN, c->scan.own_type, &r->id, &c->random);
    struct bl_addr id;
    struct air_event e;

    if (!bl_air_heard(c->air, c, advertiser) || bl_air_privacy_refuses(advertiser, &scana))
        return false;
    bool resolved = bl_air_resolve(advertiser, &scana, &id) && bl_addr_is_rpa(&scana);
    if (s->filter_policy & 1 && !bl_air_accepted(advertiser, &id))
        return false;
    if (s->notify_scan) {
        bl_air_meta_begin(&e, LE_SCAN_REQUEST);
        wr_u8(&e.w, s->handle);
        wr_u8(&e.w, (uint8_t)(id.type | (resolved ? 2 : 0)));
        wr_bytes(&e.w, id.b, 6);
        bl_air_event_send(advertiser, &e, 0);
    }
    return bl_air_heard(c->air, advertiser, c);
}

/* ---- hearing ---- */

static bool scan_can_receive(struct air_ctrl *c, const struct air_set *s)
{
    struct air_scan *scan = &c->scan;
    uint64_t now = c->air->now, need = s->phy2 == 2   ? BL_AIR_LE_2M
                                       : s->phy2 == 3 ? BL_AIR_LE_CODED
                                                      : 0;

    if (!bl_air_window_open(&scan->phy[s->phy1 == 3], scan->start, now))
        return false;
    if (!(s->props & ADV_LEGACY) && (!scan->extended || (c->cfg.le_features & need) != need))
        return false;
    if (scan->period) {
        uint64_t index = (now - scan->start) / scan->period;
        if (index != scan->period_index && scan->dedupe_period)
            bl_air_scan_forget(scan);
        scan->period_index = index;
        return (now - scan->start) % scan->period < scan->duration;
    }
    return true;
}

void bl_air_scan_hear(struct air_ctrl *c, const struct air_event_pdu *pdu)
{
    struct air_scan *scan = &c->scan;
    struct air_set *s = pdu->set;
    struct scan_report r = {.pdu = pdu, .anonymous = s->props & ADV_ANONYMOUS};

    if (!scan_can_receive(c, s))
        return;
    if (r.anonymous) {
        r.id = (struct bl_addr){.type = 0xff};
    } else {
        if (bl_air_privacy_refuses(c, &pdu->adva))
            return;
        r.resolved = bl_air_resolve(c, &pdu->adva, &r.id) && bl_addr_is_rpa(&pdu->adva) &&
                     !bl_addr_eq(&pdu->adva, &r.id);
    }
    if (scan->policy & 1 && !bl_air_accepted(c, &r.id))
        return;
    if (s->props & ADV_DIRECTED) {
        r.for_me = bl_air_is_mine(c, scan->own_type, &pdu->targeta);
        if (!r.for_me && !(scan->policy & 2 && bl_addr_is_rpa(&pdu->targeta)))
            return;
    }
    bool separate = !(s->props & ADV_LEGACY) && s->props & ADV_SCANNABLE;
    bool bare = s->props & ADV_LEGACY && s->props & ADV_DIRECTED;
    r.rssi = bl_air_pair(c->air, c, pdu->from).rssi;
    r.data = separate || bare ? NULL : &s->data;
    scan_report(c, &r);
    if (s->props & ADV_SCANNABLE && scan->phy[s->phy1 == 3].active && scan_request(c, &r)) {
        r.response = true;
        r.data = &s->response;
        scan_report(c, &r);
    }
}
