/* SPDX-License-Identifier: MIT */

/*
 * The client's less usual procedures against our own server: values of one UUID and of many lengths
 * around every boundary of ATT_MTU, read by their UUID, several at once, one by one, and written in
 * every mode; what includes what; CCCDs.
 */

#include "gatt_rig.h"

#include "att/att.h"
#include "base/cleanup.h"

#include <check.h>
#include <errno.h>
#include <string.h>

enum { SERVER = 0, CLIENT = 1, MAX_VALUES = 24 };

static const uint16_t mtus[] = {23, 24, 64, 247, 256, 257, 258, 512, 513, 517};

struct world {
    struct stack *s;
    uint16_t conn[2];
    uint16_t mtu;
    size_t n;
    uint16_t len[MAX_VALUES], handle[MAX_VALUES];
    uint16_t service, inner, other; /* the one with the values, and what it includes */
    uint16_t notifying;             /* a value with a CCCD after its User Description */
};

static struct bl_uuid long_uuid(void)
{
    struct bl_uuid uuid;

    ck_assert(bl_uuid_parse("6e400001-b5a3-f393-e0a9-e50e24dcca9e", &uuid));
    return uuid;
}

static void value_of(size_t i, size_t n, uint8_t *out)
{
    for (size_t k = 0; k < n; k++)
        out[k] = (uint8_t)(i * 17 + k + k / 256);
}

static void fill(struct world *w)
{
    static uint8_t values[MAX_VALUES][512];
    struct bl_host *host = w->s->end[SERVER].host;
    struct bl_gatts_characteristic chars[MAX_VALUES + 1] = {0};
    struct bl_gatts_descriptor about = {
        .uuid = bl_uuid_from16(0x2901), .flags = BL_GATT_READ, .max_len = 20};
    const int m = w->mtu, lens[] = {0,   1,         m - 5,     m - 4,     m - 3,     m - 2, m - 1,
                                    m,   2 * m - 2, 2 * m - 1, 2 * m - 5, 251,       252,   253,
                                    254, 3 * m - 3, 511,       512,       m - 1 - 4, 0};
    struct bl_gatts_service def = {.uuid = long_uuid()};
    uint16_t handles[MAX_VALUES + 3], includes[2];

    ck_assert_int_eq(bl_gatts_add(host, w->s->now, &def, &w->inner, handles), 0);
    def = (struct bl_gatts_service){.uuid = bl_uuid_from16(0x180f), .secondary = true};
    ck_assert_int_eq(bl_gatts_add(host, w->s->now, &def, &w->other, handles), 0);

    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        w->len[i] = (uint16_t)(lens[i] < 512 ? lens[i] : 512);
        value_of(i, w->len[i], values[i]);
        chars[i] = (struct bl_gatts_characteristic){
            .uuid = bl_uuid_from16(0x2a99),
            .flags = BL_GATT_READ | BL_GATT_WRITE | BL_GATT_WRITE_NO_RESPONSE,
            .value = values[i],
            .len = w->len[i],
            .max_len = 512,
        };
    }
    w->n = ARRAY_LEN(lens);
    chars[w->n] = (struct bl_gatts_characteristic){
        .uuid = long_uuid(),
        .flags = BL_GATT_NOTIFY | BL_GATT_INDICATE,
        .max_len = 20,
        .descriptors = &about,
        .n_descriptors = 1,
    };
    includes[0] = w->other;
    includes[1] = w->inner;
    def = (struct bl_gatts_service){.uuid = bl_uuid_from16(0x180d),
                                    .includes = includes,
                                    .n_includes = 2,
                                    .characteristics = chars,
                                    .n_characteristics = w->n + 1};
    ck_assert_int_eq(bl_gatts_add(host, w->s->now, &def, &w->service, handles), 0);
    memcpy(w->handle, handles, w->n * sizeof(handles[0]));
    w->notifying = handles[w->n];
}

static struct world world_new(uint16_t mtu)
{
    struct bl_air_config config = bl_air_config_default();
    struct world w = {.s = stack_new(mtu, 2, &config), .mtu = mtu};
    bl_op op = 0;

    rig_mtu(w.s, mtu);
    fill(&w);
    stack_connect(w.s, SERVER, CLIENT, &w.conn[SERVER], &w.conn[CLIENT]);
    int r = bl_gattc_exchange_mtu(w.s->end[CLIENT].host, w.s->now, w.conn[CLIENT], 0, &op);
    rig_ok(w.s, CLIENT, r, op);
    ck_assert_uint_eq(bl_gatt_mtu(w.s->end[CLIENT].host, w.conn[CLIENT]), mtu);
    stack_forget(w.s);
    return w;
}

/* A whole exchange of events is kept until stack_forget(). */
static void is_value(const struct world *w, bl_op op, unsigned number, size_t i)
{
    const struct bl_event *e = rig_event(w->s, CLIENT, BL_EV_GATTC_VALUE, op, number);
    uint8_t expected[512];

    ck_assert_ptr_nonnull(e);
    ck_assert_uint_eq(e->gatt.handle, w->handle[i]);
    ck_assert_uint_eq(e->gatt.value.len, w->len[i]);
    value_of(i, w->len[i], expected);
    if (w->len[i] > 0)
        ck_assert_mem_eq(e->gatt.value.data, expected, w->len[i]);
}

START_TEST(values_of_every_length_are_read_whole)
{
    struct world w = world_new(mtus[_i]);
    struct bl_host *host = w.s->end[CLIENT].host;
    struct bl_uuid uuid = bl_uuid_from16(0x2a99);
    uint16_t conn = w.conn[CLIENT], turned[MAX_VALUES];
    bl_op op = 0;
    int r;

    for (size_t i = 0; i < w.n; i++) {
        r = bl_gattc_read(host, w.s->now, conn, w.handle[i], 0, true, &op);
        rig_ok(w.s, CLIENT, r, op);
        ck_assert_uint_eq(rig_count(w.s, CLIENT, BL_EV_GATTC_VALUE, op), 1);
        is_value(&w, op, 0, i);
    }
    r = bl_gattc_read_by_uuid(host, w.s->now, conn, 1, 0xffff, &uuid, &op);
    rig_ok(w.s, CLIENT, r, op);
    ck_assert_uint_eq(rig_count(w.s, CLIENT, BL_EV_GATTC_VALUE, op), w.n);
    for (unsigned i = 0; i < w.n; i++)
        is_value(&w, op, i, i);

    r = bl_gattc_read_multiple(host, w.s->now, conn, w.handle, w.n, &op);
    rig_ok(w.s, CLIENT, r, op);
    ck_assert_uint_eq(rig_count(w.s, CLIENT, BL_EV_GATTC_VALUE, op), w.n);
    for (unsigned i = 0; i < w.n; i++)
        is_value(&w, op, i, i);

    for (size_t i = 0; i < w.n; i++)
        turned[i] = w.handle[w.n - 1 - i];
    r = bl_gattc_read_multiple(host, w.s->now, conn, turned, w.n, &op);
    rig_ok(w.s, CLIENT, r, op);
    for (unsigned i = 0; i < w.n; i++)
        is_value(&w, op, i, w.n - 1 - i);
    ck_assert_uint_eq(stack_counter(w.s, CLIENT, "gattc-nonsense"), 0);
    stack_free(w.s);
}
END_TEST

/* Offsets at, before and past the end, of a value of every length. */
START_TEST(reads_at_offsets)
{
    struct world w = world_new(mtus[_i]);
    struct bl_host *host = w.s->end[CLIENT].host;

    for (size_t i = 0; i < w.n; i++)
        for (int d = -2; d <= 2; d++) {
            int offset = w.len[i] + d;
            uint8_t expected[512];
            bl_op op = 0;

            if (offset <= 0)
                continue;
            stack_forget(w.s);
            int r = bl_gattc_read(host, w.s->now, w.conn[CLIENT], w.handle[i], (uint16_t)offset,
                                  true, &op);
            struct bl_event done = rig_done(w.s, CLIENT, r, op);
            if (d > 0) {
                ck_assert_uint_eq(done.done.status, BL_ATT_INVALID_OFFSET);
                ck_assert_uint_eq(rig_count(w.s, CLIENT, BL_EV_GATTC_VALUE, op), 0);
                continue;
            }
            ck_assert_uint_eq(done.done.status, BL_OK);
            const struct bl_event *e = rig_event(w.s, CLIENT, BL_EV_GATTC_VALUE, op, 0);
            ck_assert_uint_eq(e->gatt.value.len, (size_t)-d);
            value_of(i, w.len[i], expected);
            if (d < 0)
                ck_assert_mem_eq(e->gatt.value.data, expected + offset, (size_t)-d);
        }
    stack_free(w.s);
}
END_TEST

static void is_stored(const struct world *w, uint16_t handle, const uint8_t *value, size_t n)
{
    const uint8_t *stored;
    size_t len;

    ck_assert_int_eq(bl_gatts_read(w->s->end[SERVER].host, handle, false, &stored, &len), 0);
    ck_assert_uint_eq(len, n);
    if (n > 0)
        ck_assert_mem_eq(stored, value, n);
}

/* Each length, turned over, in both modes; once it was written one WRITTEN event has told it. */
START_TEST(values_of_every_length_are_written_whole)
{
    struct world w = world_new(mtus[_i]);
    struct bl_host *host = w.s->end[CLIENT].host;

    for (size_t i = 0; i < w.n; i++)
        for (int reliable = 0; reliable < 2; reliable++) {
            uint8_t value[512];
            bl_op op = 0;

            value_of(i + 100 + (size_t)reliable, w.len[i], value);
            stack_forget(w.s);
            int r =
                bl_gattc_write(host, w.s->now, w.conn[CLIENT], w.handle[i], value, w.len[i],
                               reliable ? BL_GATT_WRITE_RELIABLE : BL_GATT_WRITE_REQUEST, 0, &op);
            rig_ok(w.s, CLIENT, r, op);
            is_stored(&w, w.handle[i], value, w.len[i]);
            ck_assert_uint_eq(rig_count(w.s, SERVER, BL_EV_GATTS_WRITTEN, 0), 1);
            ck_assert_uint_eq(rig_event(w.s, SERVER, BL_EV_GATTS_WRITTEN, 0, 0)->gatt.value.len,
                              w.len[i]);
        }
    stack_free(w.s);
}
END_TEST

/* A part in the middle of a value of 512 octets, and one past its end. */
START_TEST(writes_at_offsets)
{
    struct world w = world_new(mtus[_i]);
    struct bl_host *host = w.s->end[CLIENT].host;
    uint8_t expected[512], part[100];
    size_t last = 17; /* 512 octets */
    bl_op op = 0;

    ck_assert_uint_eq(w.len[last], 512);
    value_of(last, 512, expected);
    value_of(50, sizeof(part), part);
    int r = bl_gattc_write(host, w.s->now, w.conn[CLIENT], w.handle[last], part, sizeof(part),
                           BL_GATT_WRITE_REQUEST, 200, &op);
    rig_ok(w.s, CLIENT, r, op);
    const uint8_t *stored;
    size_t len;
    ck_assert_int_eq(bl_gatts_read(w.s->end[SERVER].host, w.handle[last], false, &stored, &len), 0);
    ck_assert_uint_ge(len, 300);
    ck_assert_mem_eq(stored, expected, 200);
    ck_assert_mem_eq(stored + 200, part, sizeof(part));

    /* the second value has one octet */
    r = bl_gattc_write(host, w.s->now, w.conn[CLIENT], w.handle[1], part, sizeof(part),
                       BL_GATT_WRITE_RELIABLE, 5, &op);
    ck_assert_uint_eq(rig_done(w.s, CLIENT, r, op).done.status, BL_ATT_INVALID_OFFSET);
    value_of(1, 1, expected);
    is_stored(&w, w.handle[1], expected, 1);
    r = bl_gattc_read(host, w.s->now, w.conn[CLIENT], w.handle[1], 0, true, &op);
    rig_ok(w.s, CLIENT, r, op);
    is_value(&w, op, rig_count(w.s, CLIENT, BL_EV_GATTC_VALUE, op) - 1, 1);
    stack_free(w.s);
}
END_TEST

START_TEST(included_services_and_services_by_uuid)
{
    struct world w = world_new(mtus[_i]);
    struct bl_host *host = w.s->end[CLIENT].host;
    struct bl_uuid uuid = long_uuid();
    const struct bl_event *e;
    bl_op op = 0;
    int r = bl_gattc_includes(host, w.s->now, w.conn[CLIENT], 1, 0xffff, &op);

    rig_ok(w.s, CLIENT, r, op);
    ck_assert_uint_eq(rig_count(w.s, CLIENT, BL_EV_GATTC_INCLUDE, op), 2);
    e = rig_event(w.s, CLIENT, BL_EV_GATTC_INCLUDE, op, 0);
    ck_assert_uint_eq(e->gatt.handle, w.service + 1);
    ck_assert_uint_eq(e->gatt.start, w.other);
    ck_assert_uint_eq(e->gatt.end, w.other);
    ck_assert_uint_eq(bl_uuid_get16(&e->gatt.uuid), 0x180f);
    e = rig_event(w.s, CLIENT, BL_EV_GATTC_INCLUDE, op, 1);
    ck_assert_uint_eq(e->gatt.handle, w.service + 2);
    ck_assert_uint_eq(e->gatt.start, w.inner);
    ck_assert(bl_uuid_eq(&e->gatt.uuid, &uuid));

    r = bl_gattc_services(host, w.s->now, w.conn[CLIENT], &uuid, &op);
    rig_ok(w.s, CLIENT, r, op);
    ck_assert_uint_eq(rig_count(w.s, CLIENT, BL_EV_GATTC_SERVICE, op), 1);
    ck_assert_uint_eq(rig_event(w.s, CLIENT, BL_EV_GATTC_SERVICE, op, 0)->gatt.start, w.inner);

    /* the secondary one is not among them */
    uuid = bl_uuid_from16(0x180f);
    r = bl_gattc_services(host, w.s->now, w.conn[CLIENT], &uuid, &op);
    rig_ok(w.s, CLIENT, r, op);
    ck_assert_uint_eq(rig_count(w.s, CLIENT, BL_EV_GATTC_SERVICE, op), 0);

    uuid = bl_uuid_from16(0x2a99);
    r = bl_gattc_characteristics(host, w.s->now, w.conn[CLIENT], w.service, 0xffff, &uuid, &op);
    rig_ok(w.s, CLIENT, r, op);
    ck_assert_uint_eq(rig_count(w.s, CLIENT, BL_EV_GATTC_CHARACTERISTIC, op), w.n);
    for (unsigned i = 0; i < w.n; i++) {
        e = rig_event(w.s, CLIENT, BL_EV_GATTC_CHARACTERISTIC, op, i);
        ck_assert_uint_eq(e->gatt.value_handle, w.handle[i]);
        ck_assert_uint_eq(e->gatt.handle, w.handle[i] - 1);
        ck_assert_uint_eq(e->gatt.end, w.handle[i]);
    }
    stack_free(w.s);
}
END_TEST

/* Without asking for anything before: the CCCD is found, what comes is told. */
START_TEST(subscriptions)
{
    struct world w = world_new(mtus[_i]);
    struct bl_host *host = w.s->end[CLIENT].host, *server = w.s->end[SERVER].host;
    bl_op op = 0;

    for (uint8_t bits = 3; bits != 0xff; bits--) {
        int r = bl_gattc_subscribe(host, w.s->now, w.conn[CLIENT], w.notifying, bits, &op);
        rig_ok(w.s, CLIENT, r, op);
        ck_assert_uint_eq(bl_gatts_subscription(server, w.conn[SERVER], w.notifying), bits);
        stack_forget(w.s);
        r = bl_gatts_write(server, w.s->now, w.notifying, &bits, 1, true, &op);
        ck_assert_int_ge(r, 0);
        stack_run(w.s, 1000000);
        enum bl_event_kind kind = bits & 1 ? BL_EV_GATTC_NOTIFIED : BL_EV_GATTC_INDICATED;
        ck_assert_uint_eq(rig_count(w.s, CLIENT, BL_EV_GATTC_NOTIFIED, 0) +
                              rig_count(w.s, CLIENT, BL_EV_GATTC_INDICATED, 0),
                          bits != 0);
        if (bits)
            ck_assert_uint_eq(rig_event(w.s, CLIENT, kind, 0, 0)->gatt.value.data[0], bits);
    }
    int r = bl_gattc_subscribe(host, w.s->now, w.conn[CLIENT], w.handle[0], 1, &op);
    ck_assert_uint_eq(rig_done(w.s, CLIENT, r, op).done.status, BL_ATT_ATTRIBUTE_NOT_FOUND);
    r = bl_gattc_subscribe(host, w.s->now, w.conn[CLIENT], 0xfff0, 1, &op);
    ck_assert_uint_eq(rig_done(w.s, CLIENT, r, op).done.status, BL_ATT_ATTRIBUTE_NOT_FOUND);
    stack_free(w.s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stack-gatt-client");
    TCase *tc = tcase_create("every MTU");
    int n = (int)ARRAY_LEN(mtus);

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, values_of_every_length_are_read_whole, 0, n);
    tcase_add_loop_test(tc, reads_at_offsets, 0, n);
    tcase_add_loop_test(tc, values_of_every_length_are_written_whole, 0, n);
    tcase_add_loop_test(tc, writes_at_offsets, 0, n);
    tcase_add_loop_test(tc, included_services_and_services_by_uuid, 0, n);
    tcase_add_loop_test(tc, subscriptions, 0, n);
    suite_add_tcase(suite, tc);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
