/* SPDX-License-Identifier: MIT */

/*
 * cmd_scan: who advertises. On a terminal a table that is drawn again in place twice a second;
 * piped, a line for each report. Reports come in batches, so that a busy place costs little.
 *
 * What strangers send is shown: names without control characters, nothing longer than a line.
 */

#include "ctl.h"

#include "gap/ad.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
    SCAN_MOST = 4096, /* devices remembered */
    SCAN_BATCH_MS = 200,
    SCAN_DRAW_US = 500000,
    SCAN_LISTEN_US = 100000, /* all the time, as somebody is looking */
    SCAN_UUIDS = 4,          /* shown of a device */
    SCAN_NAME = 64,
};

struct seen {
    struct bl_addr addr;
    int8_t rssi;
    bool connectable, has_company;
    uint16_t company;
    unsigned reports, n_uuids;
    struct bl_uuid uuids[SCAN_UUIDS];
    char name[SCAN_NAME];
    uint64_t last;
};

struct scan {
    struct ctl *c;
    bool table, passive;
    unsigned long seconds;
    struct seen *seen;
    size_t n, cap;
    unsigned drawn; /* lines on the terminal that are ours */
    uint64_t reports;
};

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static struct seen *find(struct scan *s, const struct bl_addr *addr)
{
    for (size_t i = 0; i < s->n; i++)
        if (bl_addr_eq(&s->seen[i].addr, addr))
            return &s->seen[i];
    if (s->n == SCAN_MOST)
        return NULL;
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        struct seen *more = reallocarray(s->seen, cap, sizeof(*more));
        if (!more)
            return NULL;
        s->seen = more;
        s->cap = cap;
    }
    s->seen[s->n] = (struct seen){.addr = *addr};
    return &s->seen[s->n++];
}

static void add_uuid(struct seen *d, const struct bl_uuid *u)
{
    for (unsigned i = 0; i < d->n_uuids; i++)
        if (bl_uuid_eq(&d->uuids[i], u))
            return;
    if (d->n_uuids < SCAN_UUIDS)
        d->uuids[d->n_uuids++] = *u;
}

static void learn(struct seen *d, const uint8_t *data, size_t n)
{
    struct bl_ad_info info;
    struct bl_ad_iter it = bl_ad_iter_make(data, n);
    struct bl_uuid uuid;
    const uint8_t *more;
    size_t len;

    bl_ad_parse(data, n, &info);
    if (info.has_name)
        snprintf(d->name, sizeof(d->name), "%s", ctl_text(info.name, info.name_len));
    while (bl_ad_next_service(&it, &uuid))
        add_uuid(d, &uuid);
    it = bl_ad_iter_make(data, n);
    if (bl_ad_next_manufacturer(&it, &d->company, &more, &len))
        d->has_company = true;
}

/* ---- lines ---- */

static void print_line(const struct seen *d, uint8_t type, const uint8_t *data, size_t n)
{
    static const char *const types[] = {"ADV_IND", "ADV_DIRECT_IND", "ADV_SCAN_IND",
                                        "ADV_NONCONN_IND", "SCAN_RSP"};
    char address[ADDR_TEXT_LEN], uuid[UUID_TEXT_LEN];

    printf("%s %s %4d dBm %-15s", bl_addr_format(&d->addr, address), ctl_addr_kind(d->addr.type),
           d->rssi, type < ARRAY_LEN(types) ? types[type] : "extended");
    if (d->name[0])
        printf(" \"%s\"", d->name);
    for (unsigned i = 0; i < d->n_uuids; i++)
        printf(" %s", bl_uuid_format(&d->uuids[i], uuid));
    fputs(" ", stdout);
    ctl_hex(stdout, data, n, 0);
    putchar('\n');
}

static void print_json(const struct seen *d, uint8_t type, const uint8_t *data, size_t n)
{
    char address[ADDR_TEXT_LEN], uuid[UUID_TEXT_LEN];
    json_t *uuids = json_array();

    for (unsigned i = 0; i < d->n_uuids; i++)
        json_array_append_new(uuids, json_string(bl_uuid_format(&d->uuids[i], uuid)));
    json_t *j = json_pack("{s:s,s:s,s:i,s:i,s:b,s:s,s:o,s:o}", "address",
                          bl_addr_format(&d->addr, address), "type", ctl_addr_kind(d->addr.type),
                          "rssi", d->rssi, "adv_type", type, "connectable", d->connectable, "name",
                          d->name, "services", uuids, "data", ctl_json_hex(data, n));
    if (j && d->has_company)
        json_object_set_new(j, "manufacturer", json_integer(d->company));
    ctl_json(j);
}

/* ---- the table ---- */

static int by_strength(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;

    return x->rssi != y->rssi ? y->rssi - x->rssi : memcmp(x->addr.b, y->addr.b, 6);
}

static void services_text(const struct seen *d, char *out, size_t n)
{
    char uuid[UUID_TEXT_LEN];
    size_t len = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < d->n_uuids && len < n; i++) {
        const char *name = ctl_uuid_name(bl_uuid_format(&d->uuids[i], uuid));
        len += (size_t)snprintf(out + len, n - len, "%s%s", i > 0 ? ", " : "", name ? name : uuid);
    }
    if (d->n_uuids == 0 && d->has_company)
        snprintf(out, n, "company 0x%04x", d->company);
}

static void draw(struct scan *s)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    char address[ADDR_TEXT_LEN], services[160], line[512];
    uint64_t now = now_us();

    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    size_t rows = size.ws_row > 4 ? size.ws_row - 3u : 1, columns = size.ws_col ? size.ws_col : 80;
    qsort(s->seen, s->n, sizeof(*s->seen), by_strength);
    if (s->drawn > 0)
        printf("\033[%uA\r\033[J", s->drawn); /* up, and all below away */
    snprintf(line, sizeof(line), "%-17s %-6s %4s %5s %4s  %-20s %s", "ADDRESS", "KIND", "RSSI",
             "SEEN", "AGO", "NAME", "SERVICES");
    printf("%.*s\n", (int)columns - 1, line);
    s->drawn = 1;
    for (size_t i = 0; i < s->n && i < rows; i++, s->drawn++) {
        const struct seen *d = &s->seen[i];
        services_text(d, services, sizeof(services));
        snprintf(line, sizeof(line), "%-17s %-6s %4d %5u %3us  %-20.20s %s",
                 bl_addr_format(&d->addr, address), ctl_addr_kind(d->addr.type), d->rssi,
                 d->reports, (unsigned)((now - d->last) / 1000000), d->name, services);
        printf("%.*s\n", (int)columns - 1, line);
    }
    if (s->n > rows) {
        printf("... and %zu more\n", s->n - rows);
        s->drawn++;
    }
    fflush(stdout);
}

static int on_draw(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct scan *s = userdata;

    draw(s);
    (void)sd_event_source_set_time(source, usec + SCAN_DRAW_US);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- reports ---- */

static void report(struct scan *s, uint8_t addr_type, const char *address, uint8_t type,
                   int16_t rssi, bool connectable, const uint8_t *data, size_t n)
{
    struct bl_addr addr;
    struct seen *d = bl_addr_parse(address, addr_type, &addr) ? find(s, &addr) : NULL;

    if (!d)
        return;
    s->reports++;
    d->reports++;
    d->rssi = (int8_t)rssi;
    d->last = now_us();
    d->connectable = d->connectable || connectable;
    learn(d, data, n);
    if (s->c->json)
        print_json(d, type, data, n);
    else if (!s->table)
        print_line(d, type, data, n);
}

static int on_results(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct scan *s = userdata;
    const char *address;
    uint8_t kind, type;
    const void *data;
    int16_t rssi;
    size_t n;
    int r = sd_bus_message_enter_container(m, 'a', "(ysynay)");

    (void)error;
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "ysynay")) > 0) {
        r = sd_bus_message_read(m, "ysyn", &kind, &address, &type, &rssi);
        if (r >= 0)
            r = sd_bus_message_read_array(m, 'y', &data, &n);
        if (r >= 0)
            report(s, kind, address, type, rssi, type <= 1, data, n);
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
    }
    fflush(stdout);
    return 0;
}

static int on_extended(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct scan *s = userdata;
    const char *address;
    uint8_t kind, data[1650];
    int n = 0;

    (void)error;
    if (sd_bus_message_read(m, "ys", &kind, &address) < 0)
        return 0;
    json_t *r = ctl_value(m);
    const char *hex = json_string_value(json_object_get(r, "data"));
    if (hex)
        n = ctl_parse_hex(hex, data, sizeof(data));
    report(s, kind, address, 0xff, (int16_t)json_integer_value(json_object_get(r, "rssi")),
           json_is_true(json_object_get(r, "connectable")), data, n > 0 ? (size_t)n : 0);
    json_decref(r);
    return 0;
}

/* The answer: at once where the scan has no end, else at its end. */
static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct scan *s = userdata;
    const sd_bus_error *e = sd_bus_message_get_error(m);

    (void)error;
    if (e)
        ctl_loop_end(s->c, ctl_error("scan", -sd_bus_message_get_errno(m), e));
    else if (s->seconds > 0)
        ctl_loop_end(s->c, CTL_OK);
    return 0;
}

/* ---- the command ---- */

static int append_filter(sd_bus_message *m, int option, const char *text)
{
    char uuid[UUID_TEXT_LEN];
    unsigned long number;
    struct bl_addr addr;
    bool kind;

    switch (option) {
    case 's':
        if (!ctl_uuid_parse(text, uuid))
            return -1;
        return sd_bus_message_append(m, "{sv}", "services", "as", 1, uuid);
    case 'n':
        return sd_bus_message_append(m, "{sv}", "name_prefix", "s", text);
    case 'A':
        if (!ctl_parse_addr(text, &addr, &kind))
            return -1;
        bl_addr_format(&addr, uuid);
        if (kind)
            return sd_bus_message_append(m, "{sv}", "addresses", "a(ys)", 1, addr.type, uuid);
        return sd_bus_message_append(m, "{sv}", "addresses", "a(ys)", 2, 0, uuid, 1, uuid);
    case 'm':
        if (!ctl_parse_number(text, 0xffff, &number))
            return -1;
        return sd_bus_message_append(m, "{sv}", "manufacturers", "aq", 1, (unsigned)number);
    case 'r':
        if (!ctl_parse_number(text + (text[0] == '-'), 127, &number))
            return -1;
        return sd_bus_message_append(m, "{sv}", "rssi_min", "n",
                                     text[0] == '-' ? -(int)number : (int)number);
    default:
        return 0;
    }
}

/* The call, from the command line. Negative with *status said. */
static int build(struct scan *s, int argc, char **argv, sd_bus_message *m, int *status)
{
    static const struct option options[] = {{"time", required_argument, NULL, 't'},
                                            {"passive", no_argument, NULL, 'p'},
                                            {"service", required_argument, NULL, 's'},
                                            {"name", required_argument, NULL, 'n'},
                                            {"address", required_argument, NULL, 'A'},
                                            {"manufacturer", required_argument, NULL, 'm'},
                                            {"rssi", required_argument, NULL, 'r'},
                                            {"coded", no_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    int option, active = 1, coded = 0;

    /* the time comes first in the message: the line is read twice */
    while ((option = getopt_long(argc, argv, "t:ps:n:A:m:r:", options, NULL)) != -1) {
        if (option == '?' || (option == 't' && !ctl_parse_number(optarg, 86400, &s->seconds))) {
            *status = ctl_usage(argv[0], option == '?' ? "no such option"
                                                       : "--time is in seconds, up to 86400");
            return -1;
        }
        active = active && option != 'p';
        coded = coded || option == 'c';
    }
    if (optind != argc) {
        *status = ctl_usage(argv[0], "%s is no option", argv[optind]);
        return -1;
    }
    int r = sd_bus_message_append(m, "u", (uint32_t)s->seconds * 1000);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}", "active", "b", active, "batch_ms", "u",
                                  SCAN_BATCH_MS, "interval_us", "u", SCAN_LISTEN_US, "window_us",
                                  "u", SCAN_LISTEN_US);
    if (r >= 0 && coded)
        r = sd_bus_message_append(m, "{sv}", "phys", "as", 2, "1m", "coded");
    optind = 0;
    while (r >= 0 && (option = getopt_long(argc, argv, "t:ps:n:A:m:r:", options, NULL)) != -1)
        if ((r = append_filter(m, option, optarg)) == -1) {
            *status = ctl_usage(argv[0], "%s makes no sense there", optarg);
            return -1;
        }
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int listen_to(struct scan *s)
{
    struct ctl *c = s->c;
    static const char observer[] = "org.bled.Observer1";
    uint64_t now;

    int status = ctl_match(c, observer, "ScanResults", on_results, s);
    if (status == CTL_OK)
        status = ctl_match(c, observer, "ExtendedScanResult", on_extended, s);
    if (status == CTL_OK)
        status = ctl_loop_init(c);
    if (status != CTL_OK || !s->table)
        return status;
    sd_event_now(c->event, CLOCK_MONOTONIC, &now);
    return sd_event_add_time(c->event, NULL, CLOCK_MONOTONIC, now, 10000, on_draw, s) < 0
               ? CTL_FAILED
               : CTL_OK;
}

int cmd_scan(struct ctl *c, int argc, char **argv)
{
    struct scan s = {.c = c, .table = isatty(STDOUT_FILENO) && !c->json};
    sd_bus_message *m = NULL;

    int status = ctl_message(c, "org.bled.Observer1", "Scan", &m);
    if (status != CTL_OK)
        return status;
    int r = build(&s, argc, argv, m, &status);
    if (r < 0 || (status = ctl_attach(c, true)) != CTL_OK || (status = listen_to(&s)) != CTL_OK) {
        sd_bus_message_unref(m);
        return status == CTL_OK ? ctl_error("scan", r, NULL) : status;
    }
    r = sd_bus_call_async(c->bus, NULL, m, on_answer, &s, UINT64_MAX);
    sd_bus_message_unref(m);
    if (r < 0)
        return ctl_error("scan", r, NULL);
    if (!s.table)
        ctl_progress(c, "Scanning; Ctrl-C ends it.");
    status = ctl_loop(c, CTL_OK);
    if (s.table)
        draw(&s);
    if (s.table || !c->json)
        ctl_progress(c, "%zu devices, %llu reports", s.n, (unsigned long long)s.reports);
    free(s.seen);
    return status;
}
