/* SPDX-License-Identifier: MIT */

/*
 * observer: org.bled.Observer1. The stack merges the scans on the radio and tells for each report
 * which scans want it; here each scan has its form: signals, batches of them, a socket, or an
 * answer at the end (Discover).
 *
 * Scan and AcquireScan are the owner's one scan: a new one takes the place of the old one. Each
 * Discover is a scan of its own, so that scripts do not end what others watch.
 */

#include "observer.h"

#include "ad_dict.h"
#include "conn.h"
#include "scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OBSERVER_INTERFACE "org.bled.Observer1"

enum {
    BATCH_BYTES = 65536,  /* of data in one ScanResults; then it goes early */
    DISCOVER_LIMIT = 256, /* advertisers, unless told */
    DISCOVER_LIMIT_MAX = 4096,
    /* A script looks for a few seconds and expects to find who is there: the seed's window for a
     * Scan, 11.25 ms of every 1.28 s, would miss most. */
    DISCOVER_INTERVAL_US = 60000,
    DISCOVER_WINDOW_US = 30000,
};

struct observer {
    struct list scans; /* oldest first */
    uint64_t batches, results, stream_dropped;
};

/* What a filter points to. */
struct scan_lists {
    struct bus_uuids services;
    struct bus_addrs addresses;
    struct bus_u16s manufacturers;
    char name_prefix[256];
};

struct scan_call {
    struct bus_call call;
    struct scan *scan; /* NULL when it has ended */
};

static struct observer *observer_of(const struct bus_adapter *a)
{
    return a->module[BUS_MODULE_observer];
}

/* ---- a scan's life ---- */

static void scan_flush(struct scan *s)
{
    bus_timer_cancel(s->adapter, &s->flush);
    if (!s->batch)
        return;
    sd_bus_message_close_container(s->batch);
    observer_of(s->adapter)->batches++;
    bus_signal_send(s->adapter, bus_owner_bit(s->thing.owner), &s->batch);
    s->batch_bytes = 0;
}

static void scan_flush_timer(struct bus_timer *timer, uint64_t now)
{
    (void)now;
    scan_flush(list_entry(timer, struct scan, flush));
}

static void scan_free(struct scan *s)
{
    struct list *l;

    bus_timer_cancel(s->adapter, &s->flush);
    s->batch = sd_bus_message_unref(s->batch);
    if (s->stream)
        observer_of(s->adapter)->stream_dropped += bus_stream_dropped(s->stream);
    s->stream = bus_stream_free(s->stream);
    s->discover = bus_discover_free(s->discover);
    if (s->call)
        ((struct scan_call *)s->call)->scan = NULL;
    while ((l = list_pop(&s->stops))) {
        struct bus_call *c = list_entry(l, struct bus_call, waiting);
        bus_call_reply(c, "");
        bus_call_free(c);
    }
    list_remove(&s->link);
    bus_thing_remove(&s->thing);
    free(s->lists);
    free(s);
}

/* The answer to the call that waited for the end; the call ends too. */
static void scan_answer(struct scan *s, bl_status status)
{
    struct bus_call *call = s->call;
    sd_bus_message *reply = NULL;

    if (!call)
        return;
    s->call = NULL;
    ((struct scan_call *)call)->scan = NULL;
    if (status != BL_OK) {
        bus_call_fail(call, status, "scanning");
    } else if (s->kind == SCAN_DISCOVER) {
        if (bus_call_reply_new(call, &reply) >= 0 && reply) {
            (void)bus_discover_append(s->discover, reply);
            bus_call_send(call, reply);
        }
    } else {
        bus_call_reply(call, "");
    }
    bus_call_free(call);
}

static void scan_end(struct scan *s, bl_status status)
{
    struct bus_adapter *a = s->adapter;
    bus_mask to = bus_owner_bit(s->thing.owner);

    bus_log(a->bus, BL_LOG_DEBUG, "%s: a scan of %s has ended (0x%03x)", a->name,
            s->thing.owner->who, status);
    if (s->kind == SCAN_BATCH)
        scan_flush(s);
    if (s->kind == SCAN_STREAM)
        bus_stream_finish(s->stream);
    /* One that waits for its controller has had its ScanDone. */
    if (s->kind != SCAN_DISCOVER && !s->replaced && !s->remembered)
        bus_emit(a, to, OBSERVER_INTERFACE, "ScanDone", "");
    scan_answer(s, s->replaced ? BL_CANCELED : status);
    if (status == BL_NOT_ACTIVE && !s->stopped && !s->replaced && s->params.duration_ms == 0 &&
        (s->kind == SCAN_SIGNALS || s->kind == SCAN_BATCH) &&
        bus_adapter_keeps(a, s->thing.owner)) {
        s->remembered = true;
        s->slot = NO_SLOT;
        return;
    }
    scan_free(s);
}

void bus_scan_stop(struct scan *s)
{
    struct bus_adapter *a = s->adapter;

    if (s->slot == NO_SLOT) {
        scan_end(s, BL_OK);
        return;
    }
    if (!s->stopped) /* refused: it has ended, and SCAN_DONE is on its way */
        (void)bl_scan_stop(a->host, bus_now(a), s->slot, NULL);
    s->stopped = true;
    bus_kick(a);
}

static void scan_release(struct bus_thing *thing)
{
    bus_scan_stop(list_entry(thing, struct scan, thing));
}

static const struct bus_thing_kind OBSERVER_SCAN = {
    .holds = "scans",
    .rank = BUS_RANK_SCAN,
    .release = scan_release,
};

/* The owner's one scan, Discover's aside; NULL when there is none. */
static struct scan *scan_of_owner(struct bus_adapter *a, const struct bus_owner *owner)
{
    list_each(l, next, &observer_of(a)->scans)
    {
        struct scan *s = list_entry(l, struct scan, link);
        if (s->thing.owner == owner && s->kind != SCAN_DISCOVER && !s->replaced && !s->stopped)
            return s;
    }
    return NULL;
}

/* ---- options ---- */

struct scan_opts {
    struct bus_opts head;
    uint32_t interval_us, window_us, batch_ms, limit;
    bool active, filter_duplicates;
    uint8_t phys, addr_mode;
    int16_t rssi_min;
    const char *name_prefix;
    struct scan_lists lists;
};

enum {
    SCAN_OPT_RSSI_MIN = 0,
    SCAN_OPT_INTERVAL = 1,
    SCAN_OPT_WINDOW = 2,
    SCAN_OPT_COMMON = 10,
};

/* The rows of Scan, then those that some methods have: a method's table is a part of this one. */
static const struct bus_opt SCAN_OPTS[] = {
    {"rssi_min", "n", offsetof(struct scan_opts, rssi_min), -127, 20, NULL},
    {"interval_us", "u", offsetof(struct scan_opts, interval_us), 0, 0, NULL},
    {"window_us", "u", offsetof(struct scan_opts, window_us), 0, 0, NULL},
    {"active", "b", offsetof(struct scan_opts, active), 0, 0, NULL},
    {"filter_duplicates", "b", offsetof(struct scan_opts, filter_duplicates), 0, 0, NULL},
    {"phys", "as", offsetof(struct scan_opts, phys), 0, 0, bus_opt_phys},
    {"addr_mode", "y", offsetof(struct scan_opts, addr_mode), 0, 3, NULL},
    {"services", "as", offsetof(struct scan_opts, lists.services), 0, 0, bus_opt_uuids},
    {"addresses", "a(ys)", offsetof(struct scan_opts, lists.addresses), 0, 0, bus_opt_addrs},
    {"manufacturers", "aq", offsetof(struct scan_opts, lists.manufacturers), 0, 0, bus_opt_u16s},
    {"name_prefix", "s", offsetof(struct scan_opts, name_prefix), 0, 0, NULL},
    {"batch_ms", "u", offsetof(struct scan_opts, batch_ms), 1, 60000, NULL},
    {"limit", "u", offsetof(struct scan_opts, limit), 1, DISCOVER_LIMIT_MAX, NULL},
};

enum {                                  /* how many rows, and which */
       SCAN_ROWS = SCAN_OPT_COMMON + 2, /* with name_prefix and batch_ms */
       DISCOVER_ROWS = SCAN_ROWS + 1,
};

/* The window is written into params, which point into lists. */
static int scan_params(const struct scan_opts *o, uint32_t duration_ms, bool extended,
                       struct scan_lists *lists, struct bl_scan_params *ret, sd_bus_error *error)
{
    *lists = o->lists;
    *ret = (struct bl_scan_params){
        .duration_ms = duration_ms,
        .interval_us = o->interval_us,
        .window_us = o->window_us,
        .active = o->active,
        .filter_duplicates = o->filter_duplicates,
        .extended = extended,
        .phys = o->phys,
        .addr_mode = o->addr_mode,
        .filter = {.services = lists->services.v,
                   .n_services = lists->services.n,
                   .addresses = lists->addresses.v,
                   .n_addresses = lists->addresses.n,
                   .manufacturers = lists->manufacturers.v,
                   .n_manufacturers = lists->manufacturers.n,
                   .has_rssi_min = bus_opts_given(&o->head, SCAN_OPT_RSSI_MIN),
                   .rssi_min = (int8_t)o->rssi_min},
    };
    int r = bus_phys_check(o->phys, error);
    if (r < 0)
        return r;
    if (o->name_prefix && *o->name_prefix) {
        size_t n = strlen(o->name_prefix);
        if (n >= sizeof(lists->name_prefix))
            return bus_error_invalid(error,
                                     "name_prefix has %zu octets, at most %zu can be matched.", n,
                                     sizeof(lists->name_prefix) - 1);
        memcpy(lists->name_prefix, o->name_prefix, n + 1);
        ret->filter.name_prefix = lists->name_prefix;
    }
    if (o->interval_us < 2500 || o->interval_us > 40960000 || o->window_us < 2500 ||
        o->window_us > o->interval_us)
        return bus_error_invalid(error,
                                 "A window of %u us every %u us cannot be scanned: both are from "
                                 "2500 us to 10240000 us (40960000 us with extended scanning), the "
                                 "window not above the interval.",
                                 o->window_us, o->interval_us);
    return 0;
}

/* ---- Scan, AcquireScan, Discover ---- */

static int scan_start(struct scan *s, bl_op *ret_op)
{
    struct bus_adapter *a = s->adapter;

    int r = bl_scan(a->host, bus_now(a), &s->params, &s->slot, ret_op);
    if (r == 0)
        bus_log(a->bus, BL_LOG_DEBUG, "%s: %s scans", a->name, s->thing.owner->who);
    return r;
}

/* It runs, or the controller has refused (SCAN_DONE has come then, and has answered). */
static void scan_started(struct bus_call *call, const struct bl_event *e)
{
    struct scan_call *c = (struct scan_call *)call;

    if (!c->scan)
        return;
    if (e->done.status != BL_OK) {
        call->parked = true; /* scan_end() answers, with the status of SCAN_DONE, which follows */
        return;
    }
    if (c->scan->kind == SCAN_DISCOVER || c->scan->params.duration_ms > 0) {
        call->parked = true; /* until SCAN_DONE */
        return;
    }
    c->scan->call = NULL;
    c->scan = NULL;
    bus_call_reply(call, "");
}

static void scan_canceled(struct bus_call *call)
{
    struct scan_call *c = (struct scan_call *)call;

    if (c->scan)
        bus_scan_stop(c->scan);
}

static void scan_dropped(struct bus_call *call)
{
    struct scan_call *c = (struct scan_call *)call;

    if (c->scan)
        c->scan->call = NULL;
}

static const struct bus_call_kind SCAN = {
    .method = "Scan",
    .out = "",
    .size = sizeof(struct scan_call),
    .done = scan_started,
    .cancel = scan_canceled,
    .drop = scan_dropped,
};

static const struct bus_call_kind DISCOVER = {
    .method = "Discover",
    .out = "a(ysbna{sv})",
    .size = sizeof(struct scan_call),
    .done = scan_started,
    .cancel = scan_canceled,
    .drop = scan_dropped,
};

static int observer_read(sd_bus_message *m, struct scan_opts *o, size_t rows,
                         uint32_t *ret_duration, sd_bus_error *error)
{
    o->interval_us = 1280000;
    o->window_us = 11250;
    o->addr_mode = BL_ADDR_MODE_DEFAULT;
    o->limit = DISCOVER_LIMIT;

    int r = sd_bus_message_read(m, "u", ret_duration);
    if (r < 0)
        return r;
    return bus_opts_read(m, SCAN_OPTS, rows, o, error);
}

/* A scan made, not begun. */
static struct scan *scan_new(struct bus_adapter *a, struct bus_owner *owner, enum scan_kind kind)
{
    struct scan *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->adapter = a;
    s->kind = kind;
    s->slot = NO_SLOT;
    s->flush.fire = scan_flush_timer;
    list_init(&s->stops);
    list_append(&observer_of(a)->scans, &s->link);
    bus_thing_add(&s->thing, owner, &OBSERVER_SCAN);
    s->lists = calloc(1, sizeof(*s->lists));
    if (!s->lists) {
        scan_free(s);
        return NULL;
    }
    return s;
}

/* Begins it, in the place of the owner's old one where it has one. */
static int observer_begin(struct scan *s, struct scan *old, bl_op *ret_op, sd_bus_error *error)
{
    struct bus_adapter *a = s->adapter;

    int r = scan_start(s, ret_op);
    if (r == -EBUSY)
        return bus_error_set(error, BUS_BUSY,
                             "The radio cannot scan with this kind of address now: advertising, "
                             "another scan or a connection attempt uses another kind.");
    if (r < 0)
        return bus_error_errno(error, r, "scanning");
    if (old) {
        old->replaced = true;
        bus_scan_stop(old);
    }
    bus_kick(a);
    return 0;
}

static int method_scan_or_discover(sd_bus_message *m, struct bus_adapter *a,
                                   struct bus_owner *owner, bool discover, sd_bus_error *error)
{
    _cleanup_free_ struct scan_opts *o = calloc(1, sizeof(*o));
    struct bus_call *call = NULL;
    uint32_t duration;
    bl_op op = 0;

    if (!o)
        return -ENOMEM;
    int r = observer_read(m, o, discover ? DISCOVER_ROWS : SCAN_ROWS, &duration, error);
    if (r < 0)
        return r;
    if (discover && o->batch_ms)
        return bus_error_invalid(error, "batch_ms is an option of Scan; Discover has one answer.");
    if (discover && duration == 0)
        return bus_error_invalid(error, "Discover needs a duration; 0 would never be answered.");
    if (discover && !bus_opts_given(&o->head, SCAN_OPT_INTERVAL) &&
        !bus_opts_given(&o->head, SCAN_OPT_WINDOW)) {
        o->interval_us = DISCOVER_INTERVAL_US;
        o->window_us = DISCOVER_WINDOW_US;
    }

    struct scan *old = discover ? NULL : scan_of_owner(a, owner);
    enum scan_kind kind = discover ? SCAN_DISCOVER : o->batch_ms ? SCAN_BATCH : SCAN_SIGNALS;
    struct scan *s = scan_new(a, owner, kind);
    if (!s)
        return -ENOMEM;
    s->batch_ms = o->batch_ms;
    r = scan_params(o, duration, true, s->lists, &s->params, error);
    if (r >= 0 && discover && !(s->discover = bus_discover_new(o->limit)))
        r = -ENOMEM;
    if (r >= 0)
        r = bus_call_new(a, m, discover ? &DISCOVER : &SCAN, !o->head.no_wait, &call, error);
    if (r >= 0)
        r = observer_begin(s, old, &op, error);
    if (r < 0) {
        if (call)
            bus_call_free(call);
        scan_free(s);
        return r;
    }
    ((struct scan_call *)call)->scan = s;
    s->call = call;
    return bus_call_go(call, op);
}

static int method_scan(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_owner *owner;
    int r = bus_enter(userdata, m, method_scan, 0, &owner, error);

    return r != 0 ? r : method_scan_or_discover(m, userdata, owner, false, error);
}

static int method_discover(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_owner *owner;
    int r = bus_enter(userdata, m, method_discover, 0, &owner, error);

    return r != 0 ? r : method_scan_or_discover(m, userdata, owner, true, error);
}

static int method_acquire_scan(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    uint32_t duration;
    int fd = -1;
    bl_op op;

    int r = bus_enter(a, m, method_acquire_scan, 0, &owner, error);
    if (r != 0)
        return r;
    _cleanup_free_ struct scan_opts *o = calloc(1, sizeof(*o));
    if (!o)
        return -ENOMEM;
    r = observer_read(m, o, SCAN_ROWS - 1, &duration, error); /* no batches */
    if (r < 0)
        return r;

    struct scan *old = scan_of_owner(a, owner);
    struct scan *s = scan_new(a, owner, SCAN_STREAM);
    if (!s)
        return -ENOMEM;
    r = scan_params(o, duration, true, s->lists, &s->params, error);
    if (r >= 0)
        r = bus_stream_new(s, a->config.rx_buf, &s->stream, &fd);
    if (r >= 0)
        r = observer_begin(s, old, &op, error);
    if (r < 0) {
        scan_free(s);
    } else {
        r = sd_bus_reply_method_return(m, "h", fd); /* duplicates it */
        if (r >= 0)
            r = 1;
    }
    if (fd >= 0)
        close(fd);
    return r;
}

/* ---- StopScan ---- */

static const struct bus_call_kind STOP_SCAN = {
    .method = "StopScan",
    .out = "",
    .size = sizeof(struct bus_call),
};

static int method_stop_scan(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    struct bus_call *call;

    int r = bus_enter(a, m, method_stop_scan, BUS_WHILE_INACTIVE, &owner, error);
    if (r != 0)
        return r;
    struct scan *s = scan_of_owner(a, owner);
    if (!s)
        return sd_bus_reply_method_return(m, "");
    r = bus_call_new(a, m, &STOP_SCAN, true, &call, error);
    if (r < 0)
        return r;
    list_append(&s->stops, &call->waiting);
    bus_scan_stop(s);
    return 1;
}

/* ---- reports ---- */

/* The scan that has the slot now, NULL when it has ended meanwhile. */
static struct scan *scan_by_slot(struct bus_adapter *a, uint16_t slot)
{
    list_each(l, next, &observer_of(a)->scans)
    {
        struct scan *s = list_entry(l, struct scan, link);
        if (s->slot == slot)
            return s;
    }
    return NULL;
}

static void observer_entry(sd_bus_message *m, const char *key, const char *type, ...)
{
    va_list ap;

    sd_bus_message_open_container(m, 'e', "sv");
    sd_bus_message_append_basic(m, 's', key);
    sd_bus_message_open_container(m, 'v', type);
    va_start(ap, type);
    sd_bus_message_appendv(m, type, ap);
    va_end(ap);
    sd_bus_message_close_container(m);
    sd_bus_message_close_container(m);
}

/* ExtendedScanResult: what has no legacy form. */
static void observer_extended(struct scan *s, const struct bl_report *r, const char *addr)
{
    sd_bus_message *m = NULL;

    if (bus_signal_new(s->adapter, NULL, OBSERVER_INTERFACE, "ExtendedScanResult", &m) < 0)
        return;
    sd_bus_message_append(m, "ys", r->addr.type, addr);
    sd_bus_message_open_container(m, 'a', "{sv}");
    observer_entry(m, "rssi", "n", (int)r->rssi);
    observer_entry(m, "connectable", "b", r->connectable);
    observer_entry(m, "scannable", "b", r->scannable);
    observer_entry(m, "directed", "b", r->directed);
    observer_entry(m, "scan_response", "b", r->scan_response);
    observer_entry(m, "truncated", "b", r->truncated);
    observer_entry(m, "anonymous", "b", r->anonymous);
    observer_entry(m, "primary_phy", "s", bus_phy_name(r->primary_phy));
    observer_entry(m, "secondary_phy", "s", bus_phy_name(r->secondary_phy));
    if (r->sid != 0xff)
        observer_entry(m, "sid", "y", r->sid);
    if (r->tx_power != 127)
        observer_entry(m, "tx_power", "n", (int)r->tx_power);
    if (r->periodic_interval)
        observer_entry(m, "periodic_interval", "q", r->periodic_interval);
    sd_bus_message_open_container(m, 'e', "sv");
    sd_bus_message_append_basic(m, 's', "data");
    sd_bus_message_open_container(m, 'v', "ay");
    sd_bus_message_append_array(m, 'y', r->data, r->len);
    sd_bus_message_close_container(m);
    sd_bus_message_close_container(m);
    sd_bus_message_close_container(m);
    bus_signal_send(s->adapter, bus_owner_bit(s->thing.owner), &m);
}

static void observer_append(sd_bus_message *m, const struct bl_report *r, const char *addr)
{
    int16_t rssi = r->rssi;

    sd_bus_message_append_basic(m, 'y', &r->addr.type);
    sd_bus_message_append_basic(m, 's', addr);
    sd_bus_message_append_basic(m, 'y', &r->adv_type);
    sd_bus_message_append_basic(m, 'n', &rssi);
    sd_bus_message_append_array(m, 'y', r->data, r->len);
}

static void observer_signal(struct scan *s, const struct bl_report *r, const char *addr)
{
    sd_bus_message *m = NULL;

    if (bus_signal_new(s->adapter, NULL, OBSERVER_INTERFACE, "ScanResult", &m) < 0)
        return;
    observer_append(m, r, addr);
    bus_signal_send(s->adapter, bus_owner_bit(s->thing.owner), &m);
}

static void observer_batch(struct scan *s, const struct bl_report *r, const char *addr)
{
    if (!s->batch) {
        if (bus_signal_new(s->adapter, NULL, OBSERVER_INTERFACE, "ScanResults", &s->batch) < 0)
            return;
        sd_bus_message_open_container(s->batch, 'a', "(ysynay)");
        bus_timer_set(s->adapter, &s->flush, bus_now(s->adapter) + (uint64_t)s->batch_ms * 1000);
    }
    sd_bus_message_open_container(s->batch, 'r', "ysynay");
    observer_append(s->batch, r, addr);
    sd_bus_message_close_container(s->batch);
    s->batch_bytes += 48 + (size_t)r->len;
    if (s->batch_bytes > BATCH_BYTES)
        scan_flush(s);
}

static void observer_deliver(struct scan *s, const struct bl_report *r, const char *addr)
{
    switch (s->kind) {
    case SCAN_STREAM:
        bus_stream_report(s->stream, r);
        break;
    case SCAN_DISCOVER:
        bus_discover_report(s->discover, r);
        break;
    case SCAN_BATCH:
        if (r->adv_type == 0xff)
            observer_extended(s, r, addr);
        else
            observer_batch(s, r, addr);
        break;
    case SCAN_SIGNALS:
        if (r->adv_type == 0xff)
            observer_extended(s, r, addr);
        else
            observer_signal(s, r, addr);
        break;
    }
}

void bus_observer_on_report(struct bus_adapter *a, const struct bl_event *e)
{
    struct observer *o = observer_of(a);
    char addr[ADDR_TEXT_LEN] = "";

    list_each(l, next, &o->scans)
    {
        struct scan *s = list_entry(l, struct scan, link);
        if (s->slot == NO_SLOT || s->stopped || s->replaced || !(e->report.scans >> s->slot & 1))
            continue;
        o->results++;
        if (s->kind != SCAN_STREAM && !addr[0])
            bl_addr_format(&e->report.addr, addr);
        observer_deliver(s, &e->report, addr);
    }
}

void bus_observer_on_scan_done(struct bus_adapter *a, const struct bl_event *e)
{
    struct scan *s = scan_by_slot(a, e->scan_done.scan);

    if (s)
        scan_end(s, e->scan_done.status);
}

/* ---- the module ---- */

static int observer_init(struct bus_adapter *a)
{
    struct observer *o = calloc(1, sizeof(*o));

    if (!o)
        return -ENOMEM;
    list_init(&o->scans);
    a->module[BUS_MODULE_observer] = o;
    return 0;
}

static void observer_deinit(struct bus_adapter *a)
{
    struct observer *o = observer_of(a);

    if (!o)
        return;
    list_each(l, next, &o->scans) scan_free(list_entry(l, struct scan, link));
    free(o);
    a->module[BUS_MODULE_observer] = NULL;
}

static void observer_inactive(struct bus_adapter *a, bool keep)
{
    list_each(l, next, &observer_of(a)->scans)
    {
        struct scan *s = list_entry(l, struct scan, link);
        if (s->remembered && !keep)
            scan_free(s);
    }
}

static void observer_restore(struct bus_adapter *a)
{
    list_each(l, next, &observer_of(a)->scans)
    {
        struct scan *s = list_entry(l, struct scan, link);
        bl_op op;
        if (!s->remembered)
            continue;
        s->remembered = false;
        int r = scan_start(s, &op);
        if (r < 0) {
            bus_log(a->bus, BL_LOG_WARNING, "%s: a scan could not be restored: %s", a->name,
                    strerror(-r));
            scan_free(s);
        }
    }
    bus_kick(a);
}

static void observer_stats(struct bus_adapter *a, sd_bus_message *reply)
{
    const struct observer *o = observer_of(a);
    uint64_t dropped = o->stream_dropped;

    list_each(l, next, &observer_of(a)->scans)
    {
        const struct scan *s = list_entry(l, struct scan, link);
        dropped += s->stream ? bus_stream_dropped(s->stream) : 0;
    }
    bus_stat(reply, "scan-results", o->results);
    bus_stat(reply, "scan-batches", o->batches);
    bus_stat(reply, "scan-stream-dropped", dropped);
}

static const sd_bus_vtable observer_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Scan", SD_BUS_ARGS("u", duration_ms, "a{sv}", options),
                            SD_BUS_NO_RESULT, method_scan, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("StopScan", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_stop_scan,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Discover", SD_BUS_ARGS("u", duration_ms, "a{sv}", options),
                            SD_BUS_RESULT("a(ysbna{sv})", advertisers), method_discover,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("AcquireScan", SD_BUS_ARGS("u", duration_ms, "a{sv}", options),
                            SD_BUS_RESULT("h", fd), method_acquire_scan,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL_WITH_ARGS(
        "ScanResult",
        SD_BUS_ARGS("y", addr_type, "s", addr, "y", adv_type, "n", rssi, "ay", adv_data), 0),
    SD_BUS_SIGNAL_WITH_ARGS("ScanResults", SD_BUS_ARGS("a(ysynay)", results), 0),
    SD_BUS_SIGNAL_WITH_ARGS("ExtendedScanResult",
                            SD_BUS_ARGS("y", addr_type, "s", addr, "a{sv}", report), 0),
    SD_BUS_SIGNAL("ScanDone", "", 0),
    SD_BUS_VTABLE_END,
};

const struct bus_module bus_module_observer = {
    .interface = OBSERVER_INTERFACE,
    .vtable = observer_vtable,
    .init = observer_init,
    .deinit = observer_deinit,
    .inactive = observer_inactive,
    .restore = observer_restore,
    .stats = observer_stats,
};
