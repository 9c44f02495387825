/* SPDX-License-Identifier: MIT */

/* server_fixture: see the header. */

#include "server_fixture.h"

#include "oom.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct bl_hci *hci;
struct bl_evq events;
struct bl_config config;
struct bl_gatt gatt;
uint64_t now;
uint32_t last_request;
bl_op op;

const struct bl_uuid uuid128 = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

static int some_random(void *ctx, void *out, size_t n)
{
    (void)ctx;
    memset(out, 0x5a, n);
    return 0;
}

static const struct bl_env env = {.random = some_random};

/* ---- the database ---- */

enum {
    READ = BL_GATT_READ,
    WRITE = BL_GATT_WRITE,
    COMMAND = BL_GATT_WRITE_NO_RESPONSE,
    NOTIFY = BL_GATT_NOTIFY,
    INDICATE = BL_GATT_INDICATE,
    ENCRYPTED = BL_GATT_READ_ENCRYPTED | BL_GATT_WRITE_ENCRYPTED,
    AUTHENTICATED = BL_GATT_READ_AUTHENTICATED | BL_GATT_WRITE_AUTHENTICATED,
    AUTHORIZED = BL_GATT_READ_AUTHORIZED | BL_GATT_WRITE_AUTHORIZED,
};

static struct bl_gatts_characteristic value(uint16_t uuid, uint32_t flags, uint16_t max,
                                            const char *text)
{
    return (struct bl_gatts_characteristic){.uuid = bl_uuid_from16(uuid),
                                            .flags = flags,
                                            .value = (const uint8_t *)text,
                                            .len = (uint16_t)strlen(text),
                                            .max_len = max};
}

static uint16_t add(uint16_t handle, struct bl_uuid uuid, bool secondary, uint16_t include,
                    const struct bl_gatts_characteristic *chars, size_t n)
{
    uint16_t handles[32], service = 0;
    struct bl_gatts_service def = {.uuid = uuid,
                                   .secondary = secondary,
                                   .handle = handle,
                                   .includes = &include,
                                   .n_includes = include ? 1 : 0,
                                   .characteristics = chars,
                                   .n_characteristics = n};

    ck_assert_int_eq(bl_gatt_db_add(&gatt.db, &def, false, &service, handles), 0);
    return service;
}

uint16_t add_service(uint16_t handle, uint16_t uuid)
{
    struct bl_gatts_characteristic c = value(0x2a00, READ | WRITE | NOTIFY | INDICATE, 20, "new");

    return add(handle, bl_uuid_from16(uuid), false, 0, &c, 1);
}

static void build(void)
{
    struct bl_gatts_descriptor text = {.uuid = bl_uuid_from16(0x2901),
                                       .flags = READ,
                                       .value = (const uint8_t *)"abc",
                                       .len = 3,
                                       .max_len = 3};
    struct bl_gatts_descriptor secret = {
        .uuid = bl_uuid_from16(0x2901), .flags = WRITE | BL_GATT_WRITE_AUTHENTICATED, .max_len = 8};
    char long_value[513] = "", events_value[31] = "";

    memset(long_value, 0x5a, 512);
    memset(events_value, 0x77, 30);
    struct bl_gatts_characteristic first[] = {
        value(0x2a37, READ | WRITE | COMMAND | NOTIFY | INDICATE | BL_GATT_SIGNED_WRITE, 20,
              "\x01\x02"),
        value(0x2a38, READ, 512, long_value),
        value(0x2a39, WRITE, 4, ""),
        value(0, READ | WRITE, 512, ""),
        value(0x2a3a, READ | WRITE, 8, "ab"),
    };
    first[2].truncate = true;
    first[3].uuid = uuid128;
    first[3].descriptors = &text;
    first[3].n_descriptors = 1;
    first[4].append = true;
    add(0x20, bl_uuid_from16(0x180d), false, 0, first, ARRAY_LEN(first));

    struct bl_gatts_characteristic second[] = {
        value(0x2a19, READ | WRITE | COMMAND | AUTHORIZED, 512, "\x61"),
        value(0x2a1a, READ, 30, events_value),
        value(0x2a1b, BL_GATT_BROADCAST, 20, "\x01"),
        value(0x2a19, READ, 20, "\x64"),
    };
    second[1].read_events = true;
    add(0x30, bl_uuid_from16(0x180f), false, 0, second, ARRAY_LEN(second));
    add(0x40, bl_uuid_from16(0x1234), true, 0x30, NULL, 0);

    struct bl_gatts_characteristic third[] = {
        value(0x2a1c, READ | WRITE | NOTIFY | ENCRYPTED, 20, "\x01"),
        value(0x2a1d, READ | WRITE | INDICATE | AUTHENTICATED, 20, "\x02"),
        value(0x2a1e, READ | BL_GATT_READ_ENCRYPTED, 20, "\x03"),
    };
    third[2].descriptors = &secret;
    third[2].n_descriptors = 1;
    add(0x50, uuid128, false, 0, third, ARRAY_LEN(third));
}

/* ---- life ---- */

void setup(void)
{
    uint16_t start, end;

    oom_off();
    hci = fake_hci_new(false);
    ck_assert_int_eq(bl_evq_init(&events), 0);
    config = (struct bl_config){.mtu = 517, .gap_name = "bled", .name_writable = true};
    now = 1000;
    ck_assert_int_eq(bl_gatt_init(&gatt, hci, &env, &events, &config), 0);
    build();
    bl_gatt_db_changes(&gatt.db, &start, &end);
    for (uint16_t i = 1; i <= CLIENTS; i++)
        ck_assert_int_eq(bl_gatt_open(&gatt, now, i, 0x40 + i, BL_ROLE_PERIPHERAL), 0);
    turn();
    silence();
    told("");
}

void teardown(void)
{
    oom_off();
    bl_gatt_deinit(&gatt);
    bl_evq_deinit(&events);
    fake_hci_free(hci);
}

struct bl_gatt_conn *client(uint16_t conn)
{
    struct bl_gatt_conn *c = bl_gatt_find(&gatt, conn);

    ck_assert_ptr_nonnull(c);
    return c;
}

void mtu(uint16_t conn, uint16_t n)
{
    client(conn)->bearer.mtu = n;
}

/* ---- PDUs ---- */

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t octets(const char *hex, uint8_t *out, size_t cap)
{
    size_t n = 0;

    while (*hex) {
        if (*hex == ' ') {
            hex++;
            continue;
        }
        if (digit(hex[0]) < 0 || digit(hex[1]) < 0)
            ck_abort_msg("not hexadecimal: %s", hex);
        unsigned long times = 1;
        uint8_t v = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
        hex += 2;
        if (*hex == '*') {
            char *end;
            times = strtoul(hex + 1, &end, 10);
            hex = end;
        }
        for (; times > 0; times--) {
            if (n == cap)
                ck_abort_msg("too long");
            out[n++] = v;
        }
    }
    return n;
}

void turn(void)
{
    bl_gatt_step(&gatt, now);
}

void says_octets(uint16_t conn, const uint8_t *pdu, size_t n)
{
    bl_gatt_pdu(&gatt, now, conn, pdu, n);
    turn();
}

void says(uint16_t conn, const char *hex)
{
    uint8_t pdu[1024];
    size_t n = octets(hex, pdu, sizeof(pdu));

    says_octets(conn, pdu, n);
}

bool take(uint16_t *ret_conn, uint8_t *out, size_t cap, size_t *ret_n)
{
    const struct fake_sent *sent = fake_hci_take_sent(hci);

    if (!sent) {
        hci->n_sent = hci->sent_taken = 0;
        return false;
    }
    if (sent->n < 4 || sent->n - 4 > cap || sent->data[2] != BL_ATT_CID ||
        (sent->data[0] | sent->data[1] << 8) != (int)sent->n - 4)
        ck_abort_msg("no PDU");
    *ret_conn = (uint16_t)(sent->handle - 0x40);
    *ret_n = sent->n - 4;
    memcpy(out, sent->data + 4, *ret_n);
    return true;
}

static void text_of(char *text, const uint8_t *p, size_t n)
{
    *text = 0;
    for (size_t i = 0; i < n; i++)
        snprintf(text + 2 * i, 3, "%02x", p[i]);
}

static void compare(uint16_t conn, const char *request, const char *hex)
{
    uint8_t want[600], got[600];
    char text[1300] = "";
    uint16_t who = 0;
    size_t n = octets(hex, want, sizeof(want)), m = 0;

    if (!take(&who, got, sizeof(got), &m))
        ck_abort_msg("%s: nothing was sent, not %s", request, hex);
    text_of(text, got, m);
    if (who != conn || n != m || memcmp(want, got, n) != 0)
        ck_abort_msg("%s: %u was sent %s, not %u %s", request, who, text, conn, hex);
}

void hears(uint16_t conn, const char *hex)
{
    compare(conn, "", hex);
}

void silence(void)
{
    uint8_t got[600];
    char text[1300];
    uint16_t who;
    size_t n;

    if (!take(&who, got, sizeof(got), &n))
        return;
    text_of(text, got, n);
    ck_abort_msg("%u was sent %s", who, text);
}

void check(uint16_t conn, const char *request, const char *response)
{
    says(conn, request);
    compare(conn, request, response);
    silence();
}

void check_rows(uint16_t conn, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check(conn, rows[i].request, rows[i].response);
}

/* ---- events ---- */

static const char *const names[BL_EV_KINDS] = {
    [BL_EV_NAME_WRITTEN] = "name",
    [BL_EV_GATTS_WRITTEN] = "written",
    [BL_EV_GATTS_READ] = "read",
    [BL_EV_GATTS_SERVED] = "served",
    [BL_EV_GATTS_WRITE] = "write",
    [BL_EV_GATTS_SUBSCRIBED] = "subscribed",
    [BL_EV_GATTS_INDICATE_DONE] = "indicated",
};

static size_t event_text(char *out, size_t cap, const struct bl_event *e)
{
    char number[16] = "", value[1100] = "";

    if (e->kind == BL_EV_OP_DONE) {
        op = e->done.op == op ? 0 : op;
        return (size_t)snprintf(out, cap, "done %x;", e->done.status);
    }
    if (!names[e->kind])
        return (size_t)snprintf(out, cap, "event %d;", (int)e->kind);
    if (e->gatt.request) {
        last_request = e->gatt.request;
        snprintf(number, sizeof(number), "#");
    }
    text_of(value, e->gatt.value.data, e->gatt.value.len);
    if (e->kind == BL_EV_GATTS_SUBSCRIBED)
        snprintf(value, sizeof(value), "%x", e->gatt.bits);
    if (e->kind == BL_EV_GATTS_INDICATE_DONE)
        snprintf(value, sizeof(value), "%x", e->gatt.status);
    return (size_t)snprintf(out, cap, "%s%s %x %x%s%s;", names[e->kind], number, e->gatt.conn,
                            e->gatt.handle, *value ? " " : "", value);
}

void told(const char *text)
{
    static char got[65536];
    struct bl_event e;
    size_t n = 0;

    got[0] = 0;
    while (bl_evq_pop(&events, &e))
        if (n < sizeof(got) - 2048)
            n += event_text(got + n, sizeof(got) - n, &e);
    ck_assert_str_eq(got, text);
}

/* ---- values ---- */

struct bl_gatt_attr *attr(uint16_t handle)
{
    struct bl_gatt_attr *a = bl_gatt_db_get(&gatt.db, handle);

    ck_assert_ptr_nonnull(a);
    return a;
}

void has(uint16_t handle, const char *hex)
{
    uint8_t want[600];
    size_t n = octets(hex, want, sizeof(want));
    struct bl_gatt_attr *a = attr(handle);

    if (a->len != n || (n > 0 && memcmp(a->value, want, n) != 0))
        ck_abort_msg("%04x has %u octets, not %s", handle, a->len, hex);
}

void remove_service(uint16_t service)
{
    const struct bl_gatt_service_rec *rec = bl_gatt_db_service(&gatt.db, service);

    ck_assert_ptr_nonnull(rec);
    bl_gatts_removing(&gatt, now, rec->start, rec->end);
    ck_assert_int_eq(bl_gatt_db_remove(&gatt.db, service), 0);
}
