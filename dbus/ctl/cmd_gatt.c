/* SPDX-License-Identifier: MIT */

/* cmd_gatt: a peer's attributes: services, read, write, subscribe. */

#include "ctl.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define GATT_CLIENT "org.bled.GattClient1"

enum { GATT_VALUE_MAX = 512 };

/* ---- services ---- */

static const char *properties_text(unsigned properties)
{
    static const char *const names[] = {"broadcast", "read",     "write-command", "write",
                                        "notify",    "indicate", "signed-write",  "extended"};
    static char text[96];
    size_t len = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (properties >> i & 1)
            len +=
                (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? " " : "", names[i]);
    return text;
}

static json_t *call_list(struct ctl *c, int *status, const char *what, const char *method,
                         const char *types, unsigned conn, unsigned start, unsigned end)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

    if (strcmp(types, "qsa{sv}") == 0)
        *status = ctl_call(c, what, GATT_CLIENT, method, &m, types, conn, "", 0);
    else if (strcmp(types, "qqqa{sv}") == 0)
        *status = ctl_call(c, what, GATT_CLIENT, method, &m, types, conn, start, end, 0);
    else
        *status = ctl_call(c, what, GATT_CLIENT, method, &m, types, conn, start, end, "", 0);
    json_t *j = *status == CTL_OK ? ctl_value(m) : NULL;
    if (*status == CTL_OK && !j)
        *status = ctl_fail(CTL_FAILED, "%s: no memory", what);
    return j;
}

static unsigned field(const json_t *row, size_t i)
{
    return (unsigned)json_integer_value(json_array_get(row, i));
}

static void print_uuid(const char *uuid)
{
    const char *name = ctl_uuid_name(uuid);

    printf("%s%s%s%s", uuid, name ? " (" : "", name ? name : "", name ? ")" : "");
}

/* What Find Information gives behind a value up to the characteristic's end. */
static json_t *descriptors(struct ctl *c, int *status, unsigned conn, unsigned value, unsigned end)
{
    json_t *all = value < end ? call_list(c, status, "looking for descriptors",
                                          "DiscoverDescriptors", "qqqa{sv}", conn, value + 1, end)
                              : json_array();
    json_t *row;
    size_t i;

    if (!c->json)
        json_array_foreach(all, i, row)
        {
            printf("    descriptor %u: ", field(row, 0));
            print_uuid(json_string_value(json_array_get(row, 1)));
            putchar('\n');
        }
    json_t *out = json_array();
    json_array_foreach(all, i, row) json_array_append_new(
        out, json_pack("{s:i,s:O}", "handle", field(row, 0), "uuid", json_array_get(row, 1)));
    json_decref(all);
    return out;
}

static json_t *characteristics(struct ctl *c, int *status, unsigned conn, unsigned start,
                               unsigned end)
{
    json_t *all = call_list(c, status, "looking for characteristics", "DiscoverCharacteristics",
                            "qqqsa{sv}", conn, start, end);
    json_t *row, *out = json_array();
    size_t i;

    json_array_foreach(all, i, row)
    {
        if (*status != CTL_OK)
            break;
        if (!c->json) {
            printf("  characteristic %u: ", field(row, 1));
            print_uuid(json_string_value(json_array_get(row, 3)));
            printf(": %s\n", properties_text(field(row, 2)));
        }
        json_t *below = descriptors(c, status, conn, field(row, 1), field(row, 0));
        json_array_append_new(out,
                              json_pack("{s:i,s:O,s:i,s:i,s:o}", "handle", field(row, 1), "uuid",
                                        json_array_get(row, 3), "properties", field(row, 2), "end",
                                        field(row, 0), "descriptors", below));
    }
    json_decref(all);
    return out;
}

int cmd_services(struct ctl *c, int argc, char **argv)
{
    struct ctl_device device;
    int status;
    json_t *row;
    size_t i;

    if (argc != 2)
        return ctl_usage(argv[0], "one DEVICE is to be given");
    if ((status = ctl_device_connected(c, argv[1], &device)) != CTL_OK)
        return status;
    json_t *all = call_list(c, &status, "looking for services", "DiscoverServices", "qsa{sv}",
                            device.conn, 0, 0);
    json_t *out = json_array();
    json_array_foreach(all, i, row)
    {
        if (status != CTL_OK)
            break;
        if (!c->json) {
            printf("service %u to %u: ", field(row, 0), field(row, 1));
            print_uuid(json_string_value(json_array_get(row, 2)));
            putchar('\n');
        }
        json_t *below = characteristics(c, &status, device.conn, field(row, 0), field(row, 1));
        json_array_append_new(out, json_pack("{s:i,s:i,s:O,s:o}", "start", field(row, 0), "end",
                                             field(row, 1), "uuid", json_array_get(row, 2),
                                             "characteristics", below));
    }
    if (c->json && status == CTL_OK)
        ctl_json(json_incref(out));
    json_decref(out);
    json_decref(all);
    return status;
}

/* ---- values ---- */

enum form { FORM_AUTO, FORM_HEX, FORM_TEXT, FORM_NUMBER, FORM_RAW };

static bool is_text(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < 0x20 || p[i] > 0x7e)
            return false;
    return n > 0;
}

/* Hex, and the text where it is one. */
static void print_value(const struct ctl *c, enum form form, const uint8_t *p, size_t n,
                        unsigned handle)
{
    uint64_t number = 0;

    if (c->json) {
        ctl_json(json_pack("{s:i,s:o}", "handle", handle, "value", ctl_json_hex(p, n)));
        return;
    }
    for (size_t i = n < 8 ? n : 8; i > 0; i--)
        number = number << 8 | p[i - 1];
    if (form == FORM_RAW)
        fwrite(p, 1, n, stdout);
    else if (form == FORM_TEXT) {
        ctl_text(stdout, p, n, CTL_ALL_COLUMNS);
        putchar('\n');
    } else if (form == FORM_NUMBER && n > 0 && n <= sizeof(number))
        printf("%llu\n", (unsigned long long)number);
    else if (form == FORM_NUMBER)
        ctl_fail(0, "a value of %zu octets is no number", n);
    else {
        ctl_hex(stdout, p, n, ' ');
        if (form == FORM_AUTO && is_text(p, n))
            printf("  \"%.*s\"", (int)n, (const char *)p);
        putchar('\n');
    }
    fflush(stdout);
}

static const struct option FORMS[] = {
    {"hex", no_argument, NULL, 'x'},
    {"text", no_argument, NULL, 't'},
    {"number", no_argument, NULL, 'N'},
    {"raw", no_argument, NULL, 'r'},
    {"command", no_argument, NULL, 'c'},
    {"reliable", no_argument, NULL, 'R'},
    {"signed", no_argument, NULL, 'S'},
    {"indicate", no_argument, NULL, 'i'},
    {"count", required_argument, NULL, 'n'},
    {"size", required_argument, NULL, 's'},
    {NULL, 0, NULL, 0},
};

struct value_line {
    enum form form;
    unsigned mode; /* of a write */
    bool indicate;
    unsigned long count, size;
};

/* The options of the three commands; `allowed`: the letters of this one's. */
static int read_line(struct value_line *l, int argc, char **argv, const char *allowed,
                     int arguments)
{
    int option;

    *l = (struct value_line){.mode = 1};
    while ((option = getopt_long(argc, argv, "xtn:s:", FORMS, NULL)) != -1) {
        if (option == '?')
            return ctl_usage_said(argv[0]);
        if (!strchr(allowed, option))
            return ctl_usage(argv[0], "it has not all the options of read and write: not this one");
        l->form = option == 'x'   ? FORM_HEX
                  : option == 't' ? FORM_TEXT
                  : option == 'N' ? FORM_NUMBER
                  : option == 'r' ? FORM_RAW
                                  : l->form;
        l->mode = option == 'c' ? 0 : option == 'R' ? 2 : option == 'S' ? 3 : l->mode;
        l->indicate = l->indicate || option == 'i';
        if (option == 'n' && (!ctl_parse_number(optarg, UINT32_MAX, &l->count) || l->count == 0))
            return ctl_usage(argv[0], "--count is 1 or more");
        if (option == 's' && (!ctl_parse_number(optarg, 8, &l->size) || l->size == 0))
            return ctl_usage(argv[0], "--size is 1 to 8 octets");
    }
    return argc - optind == arguments ? CTL_OK
                                      : ctl_usage(argv[0], "%d arguments are needed", arguments);
}

static int find(struct ctl *c, char **argv, struct ctl_device *device,
                struct ctl_characteristic *characteristic)
{
    int status = ctl_device_connected(c, argv[0], device);

    return status == CTL_OK ? ctl_characteristic(c, device->conn, argv[1], characteristic) : status;
}

int cmd_read(struct ctl *c, int argc, char **argv)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    struct ctl_characteristic characteristic;
    struct ctl_device device;
    struct value_line line;
    const void *p;
    size_t n;

    int status = read_line(&line, argc, argv, "xtNr", 2);
    if (status == CTL_OK)
        status = find(c, argv + optind, &device, &characteristic);
    if (status == CTL_OK)
        status = ctl_call(c, "reading", GATT_CLIENT, "Read", &m, "qqa{sv}", device.conn,
                          characteristic.value, 0);
    if (status != CTL_OK)
        return status;
    int r = sd_bus_message_read_array(m, 'y', &p, &n);
    if (r < 0)
        return ctl_error("reading", r, NULL);
    print_value(c, line.form, p, n, characteristic.value);
    return line.form == FORM_NUMBER && !c->json && (n == 0 || n > 8) ? CTL_FAILED : CTL_OK;
}

/* VALUE: hex, or with --text its octets, or with --number little-endian in --size octets. "-" is
 * standard input, as it is. Negative: said, *status. */
static int read_value(const struct value_line *l, const char *text,
                      uint8_t out[static GATT_VALUE_MAX], int *status)
{
    unsigned long number;
    int n = -1;

    if (strcmp(text, "-") == 0) {
        size_t got = fread(out, 1, GATT_VALUE_MAX, stdin);
        if (!ferror(stdin) && fgetc(stdin) == EOF)
            return (int)got;
        *status = ferror(stdin) ? ctl_fail(CTL_FAILED, "standard input cannot be read")
                                : ctl_fail(CTL_USAGE, "standard input has more than %d octets",
                                           GATT_VALUE_MAX);
        return -1;
    }
    if (l->form == FORM_TEXT && strlen(text) <= GATT_VALUE_MAX) {
        n = (int)strlen(text);
        memcpy(out, text, (size_t)n);
    } else if (l->form == FORM_NUMBER && ctl_parse_number(text, UINT64_MAX, &number)) {
        size_t size = l->size ? l->size : 1;
        while (!l->size && size < 8 && number >> (8 * size))
            size++;
        for (size_t i = 0; i < size; i++)
            out[i] = (uint8_t)(number >> (8 * i));
        n = size < 8 && number >> (8 * size) ? -1 : (int)size;
    } else if (l->form == FORM_AUTO || l->form == FORM_HEX) {
        n = ctl_parse_hex(text, out, GATT_VALUE_MAX);
    }
    if (n < 0)
        *status = ctl_fail(CTL_USAGE, "%s: %s", text,
                           l->form == FORM_TEXT     ? "a value has at most 512 octets"
                           : l->form == FORM_NUMBER ? "no number, or over --size"
                                                    : "no whole octets in hex (--text, --number)");
    return n;
}

int cmd_write(struct ctl *c, int argc, char **argv)
{
    struct ctl_characteristic characteristic;
    struct ctl_device device;
    struct value_line line;
    uint8_t value[GATT_VALUE_MAX];
    sd_bus_message *m = NULL;
    int n = 0;

    int status = read_line(&line, argc, argv, "xtNcRSs", 3);
    if (status == CTL_OK)
        n = read_value(&line, argv[optind + 2], value, &status);
    if (status == CTL_OK)
        status = find(c, argv + optind, &device, &characteristic);
    if (status == CTL_OK)
        status = ctl_message(c, GATT_CLIENT, "Write", &m);
    if (status != CTL_OK)
        return status;
    int r = sd_bus_message_append(m, "qq", device.conn, characteristic.value);
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', value, (size_t)n);
    if (r >= 0)
        r = sd_bus_message_append(m, "ya{sv}", line.mode, 0);
    if (r < 0) {
        sd_bus_message_unref(m);
        return ctl_error("writing", r, NULL);
    }
    return ctl_send(c, "writing", m, NULL);
}

/* ---- subscribe ---- */

struct subscription {
    struct ctl *c;
    uint16_t conn, handle;
    struct value_line line;
    unsigned long seen;
};

static int on_value(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct subscription *s = userdata;
    uint16_t conn, handle;
    const void *p;
    size_t n;

    (void)error;
    if (sd_bus_message_read(m, "qq", &conn, &handle) < 0 || conn != s->conn ||
        handle != s->handle || sd_bus_message_read_array(m, 'y', &p, &n) < 0)
        return 0;
    print_value(s->c, s->line.form, p, n, handle);
    if (++s->seen == s->line.count)
        ctl_loop_end(s->c, CTL_OK);
    return 0;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct subscription *s = userdata;
    uint16_t conn, status;

    (void)error;
    if (sd_bus_message_read(m, "qq", &conn, &status) >= 0 && conn == s->conn)
        ctl_loop_end(s->c,
                     ctl_fail(CTL_FAILED, "the connection has ended: %s", ctl_status_name(status)));
    return 0;
}

int cmd_subscribe(struct ctl *c, int argc, char **argv)
{
    struct ctl_characteristic characteristic;
    struct subscription s = {.c = c};
    struct ctl_device device;

    int status = read_line(&s.line, argc, argv, "xtNrin", 2);
    /* attached, so that the values come to us and the subscription ends with us */
    if (status == CTL_OK)
        status = ctl_attach(c, true);
    if (status == CTL_OK)
        status = find(c, argv + optind, &device, &characteristic);
    if (status != CTL_OK)
        return status;
    s.conn = device.conn;
    s.handle = characteristic.value;
    unsigned bits = s.line.indicate                                               ? 2
                    : characteristic.properties & 0x10 || !characteristic.uuid[0] ? 1
                                                                                  : 2;
    status = ctl_match(c, GATT_CLIENT, "Notified", on_value, &s);
    if (status == CTL_OK)
        status = ctl_match(c, GATT_CLIENT, "Indicated", on_value, &s);
    if (status == CTL_OK)
        status = ctl_match(c, "org.bled.Link1", "Disconnected", on_disconnected, &s);
    if (status == CTL_OK)
        status = ctl_loop_init(c);
    if (status == CTL_OK)
        status = ctl_call(c, "subscribing", GATT_CLIENT, "Subscribe", NULL, "qqya{sv}", s.conn,
                          s.handle, bits, 0);
    if (status != CTL_OK)
        return status;
    return ctl_loop(c, CTL_OK, "Subscribed; Ctrl-C ends it.");
}
