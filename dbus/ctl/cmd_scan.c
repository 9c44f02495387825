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
#include <limits.h>
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
    SCAN_UUIDS = 16,         /* remembered of a device */
    SCAN_LINES = 512,        /* of a terminal; more stay empty */
    SCAN_NAME_COLUMNS = 20,
    SCAN_LISTED = 16, /* values of one option */
    SCAN_NO_RSSI = 127,
};

struct seen {
    struct bl_addr addr;
    int8_t rssi;
    bool connectable, has_company;
    uint16_t company;
    unsigned reports, n_uuids;
    struct bl_uuid uuids[SCAN_UUIDS];
    char *name; /* fit for a terminal; NULL: none */
    uint64_t last;
};

struct wanted { /* the options */
    unsigned long seconds;
    bool passive, coded, has_rssi;
    const char *name;
    char services[SCAN_LISTED][UUID_TEXT_LEN];
    struct bl_addr addresses[2 * SCAN_LISTED];
    uint16_t manufacturers[SCAN_LISTED];
    size_t n_services, n_addresses, n_manufacturers;
    int rssi;
};

struct scan {
    struct ctl *c;
    struct wanted wanted;
    bool table;
    struct seen *seen;
    size_t n, cap;
    size_t drawn;                      /* lines on the terminal that are ours, */
    unsigned short widths[SCAN_LINES]; /* and how wide: a narrower terminal folds them */
    uint64_t reports;
};

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The one that has not been heard for longest makes room: private addresses come and go. */
static struct seen *forget_one(struct scan *s)
{
    struct seen *oldest = &s->seen[0];

    for (size_t i = 1; i < s->n; i++)
        if (s->seen[i].last < oldest->last)
            oldest = &s->seen[i];
    free(oldest->name);
    return oldest;
}

static struct seen *find(struct scan *s, const struct bl_addr *addr)
{
    for (size_t i = 0; i < s->n; i++)
        if (bl_addr_eq(&s->seen[i].addr, addr))
            return &s->seen[i];
    if (s->n == SCAN_MOST) {
        struct seen *d = forget_one(s);
        *d = (struct seen){.addr = *addr};
        return d;
    }
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
    size_t len, name_len;
    char *name = NULL;

    bl_ad_parse(data, n, &info);
    FILE *to = info.has_name ? open_memstream(&name, &name_len) : NULL;
    if (to) {
        size_t whole = 0; /* a NUL ends it */
        while (whole < info.name_len && info.name[whole])
            whole++;
        ctl_text(to, info.name, whole, CTL_ALL_COLUMNS);
        fclose(to);
        free(d->name);
        d->name = name;
    }
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
    if (d->name && d->name[0])
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
                          d->name ? d->name : "", "services", uuids, "data", ctl_json_hex(data, n));
    if (j && d->has_company)
        json_object_set_new(j, "manufacturer", json_integer(d->company));
    ctl_json(j);
}

/* ---- the table ---- */

static int by_strength(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    int first = x->rssi == SCAN_NO_RSSI ? INT8_MIN : x->rssi; /* unknown is not strong */
    int second = y->rssi == SCAN_NO_RSSI ? INT8_MIN : y->rssi;

    return first != second ? second - first : memcmp(x->addr.b, y->addr.b, 6);
}

static void put_services(FILE *to, const struct seen *d)
{
    char uuid[UUID_TEXT_LEN];

    for (unsigned i = 0; i < d->n_uuids; i++) {
        const char *name = ctl_uuid_name(bl_uuid_format(&d->uuids[i], uuid));
        fprintf(to, "%s%s", i > 0 ? ", " : "", name ? name : uuid);
    }
    if (d->n_uuids == 0 && d->has_company)
        fprintf(to, "company 0x%04x", d->company);
}

static void put_device(FILE *to, const struct seen *d, uint64_t now)
{
    char address[ADDR_TEXT_LEN], rssi[8] = "?";
    const char *name = d->name ? d->name : "";

    if (d->rssi != SCAN_NO_RSSI)
        snprintf(rssi, sizeof(rssi), "%d", d->rssi);
    fprintf(to, "%-17s %-6s %4s %5u %3us  ", bl_addr_format(&d->addr, address),
            ctl_addr_kind(d->addr.type), rssi, d->reports, (unsigned)((now - d->last) / 1000000));
    unsigned used = ctl_text(to, name, strlen(name), SCAN_NAME_COLUMNS);
    fprintf(to, "%*s ", (int)(SCAN_NAME_COLUMNS - used), "");
    put_services(to, d);
}

/* One line of the table, cut where the terminal ends; d NULL: `text`. */
static void draw_line(struct scan *s, const struct seen *d, uint64_t now, const char *text,
                      unsigned columns)
{
    char *line = NULL;
    size_t n;
    FILE *to = open_memstream(&line, &n);

    if (!to)
        return;
    if (d)
        put_device(to, d, now);
    else
        fputs(text, to);
    fclose(to);
    /* not into the last column: terminals differ in where the cursor is then */
    s->widths[s->drawn++] = (unsigned short)ctl_text(stdout, line, n, columns - 1);
    putchar('\n');
    free(line);
}

/* Back to the first line of ours, wherever a terminal that has become narrower has it now. */
static void undraw(struct scan *s, unsigned columns)
{
    size_t up = 0;

    for (size_t i = 0; i < s->drawn; i++)
        up += s->widths[i] ? (s->widths[i] + columns - 1u) / columns : 1;
    if (up > 0)
        printf("\033[%zuA", up);
    printf("\r\033[J"); /* and all below away */
    s->drawn = 0;
}

static void draw(struct scan *s)
{
    struct winsize size = {0};
    uint64_t now = now_us();
    char text[96];

    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    unsigned columns = size.ws_col > 1 ? size.ws_col : 80;
    size_t lines = (size.ws_row ? size.ws_row : 24u) - 1u; /* the cursor has one */
    lines = lines == 0 ? 1 : lines < SCAN_LINES ? lines : SCAN_LINES;
    if (s->n > 0)
        qsort(s->seen, s->n, sizeof(*s->seen), by_strength);
    undraw(s, columns);
    snprintf(text, sizeof(text), "%-17s %-6s %4s %5s %4s  %-*s %s", "ADDRESS", "KIND", "RSSI",
             "SEEN", "AGO", SCAN_NAME_COLUMNS, "NAME", "SERVICES");
    if (lines > 2)
        draw_line(s, NULL, 0, text, columns);
    size_t room = lines - s->drawn, shown = s->n <= room ? s->n : room > 1 ? room - 1 : room;
    for (size_t i = 0; i < shown; i++)
        draw_line(s, &s->seen[i], now, NULL, columns);
    snprintf(text, sizeof(text), "... and %zu more", s->n - shown);
    if (shown < s->n && s->drawn < lines)
        draw_line(s, NULL, 0, text, columns);
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
    if (!s->table)
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
    if (!s->table)
        fflush(stdout);
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
    else if (s->wanted.seconds > 0)
        ctl_loop_end(s->c, CTL_OK);
    return 0;
}

/* Without a time that has passed: the controller is gone, or has been taken down. */
static int on_done(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct scan *s = userdata;

    (void)m;
    (void)error;
    if (s->wanted.seconds == 0)
        ctl_loop_end(s->c,
                     ctl_fail(CTL_FAILED, "the scan has ended: the controller is not active"));
    return 0;
}

/* ---- the command ---- */

/* One option of the line; NULL, or what is wrong with it. */
static const char *option_of(struct wanted *w, int option, const char *text)
{
    unsigned long number;
    struct bl_addr addr;
    bool kind;

    switch (option) {
    case 't':
        return ctl_parse_number(text, 86400, &w->seconds) ? NULL : "is in seconds, up to 86400";
    case 's':
        return w->n_services < SCAN_LISTED && ctl_uuid_parse(text, w->services[w->n_services++])
                   ? NULL
                   : "is a UUID or the name of one; 16 at most";
    case 'A':
        if (w->n_addresses == ARRAY_LEN(w->addresses) || !ctl_parse_addr(text, &addr, &kind))
            return "is an address; 16 at most";
        if (!kind)
            addr.type = ADDR_PUBLIC;
        w->addresses[w->n_addresses++] = addr;
        if (!kind)
            addr.type = ADDR_RANDOM;
        w->addresses[w->n_addresses++] = addr;
        return NULL;
    case 'm':
        if (w->n_manufacturers == SCAN_LISTED || !ctl_parse_number(text, 0xffff, &number))
            return "is a company's number, as 0x004c; 16 at most";
        w->manufacturers[w->n_manufacturers++] = (uint16_t)number;
        return NULL;
    case 'r':
        if (!ctl_parse_number(text + (text[0] == '-'), text[0] == '-' ? 127 : 20, &number))
            return "is in dBm, -127 to 20";
        w->rssi = text[0] == '-' ? -(int)number : (int)number;
        w->has_rssi = true;
        return NULL;
    default:
        w->name = option == 'n' ? text : w->name;
        w->passive = w->passive || option == 'p';
        w->coded = w->coded || option == 'c';
        return NULL;
    }
}

static int read_line(struct wanted *w, int argc, char **argv)
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
    int option;

    while ((option = getopt_long(argc, argv, "t:ps:n:A:m:r:", options, NULL)) != -1) {
        const char *why = option == '?' ? NULL : option_of(w, option, optarg);
        if (option == '?')
            return ctl_usage_said(argv[0]);
        for (size_t i = 0; why && i < ARRAY_LEN(options) - 1; i++)
            if (options[i].val == option)
                return ctl_usage(argv[0], "--%s=%s: it %s", options[i].name, optarg, why);
    }
    return optind == argc ? CTL_OK : ctl_usage(argv[0], "%s is no option", argv[optind]);
}

/* {sv} with a list of n in it; `each` appends one of `items`. */
static int append_list(sd_bus_message *m, const char *key, const char *type, const char *one,
                       int (*each)(sd_bus_message *m, const struct wanted *w, size_t i),
                       const struct wanted *w, size_t n)
{
    if (n == 0)
        return 0;
    int r = sd_bus_message_open_container(m, 'e', "sv");
    if (r >= 0)
        r = sd_bus_message_append(m, "s", key);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'v', type);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', one);
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = each(m, w, i);
    for (int i = 0; r >= 0 && i < 3; i++)
        r = sd_bus_message_close_container(m);
    return r;
}

static int each_service(sd_bus_message *m, const struct wanted *w, size_t i)
{
    return sd_bus_message_append(m, "s", w->services[i]);
}

static int each_address(sd_bus_message *m, const struct wanted *w, size_t i)
{
    char text[ADDR_TEXT_LEN];

    return sd_bus_message_append(m, "(ys)", w->addresses[i].type,
                                 bl_addr_format(&w->addresses[i], text));
}

static int each_manufacturer(sd_bus_message *m, const struct wanted *w, size_t i)
{
    return sd_bus_message_append(m, "q", (unsigned)w->manufacturers[i]);
}

static int build(const struct wanted *w, sd_bus_message *m)
{
    int r = sd_bus_message_append(m, "u", (uint32_t)w->seconds * 1000);

    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}", "active", "b", (int)!w->passive,
                                  "batch_ms", "u", SCAN_BATCH_MS, "interval_us", "u",
                                  SCAN_LISTEN_US, "window_us", "u", SCAN_LISTEN_US);
    if (r >= 0 && w->coded)
        r = sd_bus_message_append(m, "{sv}", "phys", "as", 2, "1m", "coded");
    if (r >= 0 && w->name)
        r = sd_bus_message_append(m, "{sv}", "name_prefix", "s", w->name);
    if (r >= 0 && w->has_rssi)
        r = sd_bus_message_append(m, "{sv}", "rssi_min", "n", w->rssi);
    if (r >= 0)
        r = append_list(m, "services", "as", "s", each_service, w, w->n_services);
    if (r >= 0)
        r = append_list(m, "addresses", "a(ys)", "(ys)", each_address, w, w->n_addresses);
    if (r >= 0)
        r = append_list(m, "manufacturers", "aq", "q", each_manufacturer, w, w->n_manufacturers);
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
        status = ctl_match(c, observer, "ScanDone", on_done, s);
    if (status == CTL_OK)
        status = ctl_loop_init(c);
    if (status != CTL_OK || !s->table)
        return status;
    (void)setvbuf(stdout, NULL, _IOFBF, 0); /* a table at a time, so that it does not flicker */
    (void)sd_event_now(c->event, CLOCK_MONOTONIC, &now);
    int r = sd_event_add_time(c->event, NULL, CLOCK_MONOTONIC, now, 10000, on_draw, s);
    return r < 0 ? ctl_error("scan", r, NULL) : CTL_OK;
}

int cmd_scan(struct ctl *c, int argc, char **argv)
{
    const char *term = getenv("TERM");
    struct scan s = {.c = c};
    sd_bus_message *m = NULL;

    s.table = isatty(STDOUT_FILENO) && !c->json && term && strcmp(term, "dumb") != 0;
    int status = read_line(&s.wanted, argc, argv);
    if (status == CTL_OK)
        status = ctl_attach(c, true);
    if (status == CTL_OK)
        status = listen_to(&s);
    if (status == CTL_OK)
        status = ctl_message(c, "org.bled.Observer1", "Scan", &m);
    if (status != CTL_OK)
        return status;
    int r = build(&s.wanted, m);
    if (r >= 0)
        r = sd_bus_call_async(c->bus, NULL, m, on_answer, &s, UINT64_MAX);
    sd_bus_message_unref(m);
    if (r < 0)
        return ctl_error("scan", r, NULL);
    status = ctl_loop(c, CTL_OK, s.table ? NULL : "Scanning; Ctrl-C ends it.");
    if (s.table)
        draw(&s);
    if (s.table || !c->json)
        ctl_progress(c, "%zu devices, %llu reports", s.n, (unsigned long long)s.reports);
    for (size_t i = 0; i < s.n; i++)
        free(s.seen[i].name);
    free(s.seen);
    return status;
}
