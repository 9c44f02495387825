/* SPDX-License-Identifier: MIT */

/*
 * GATT when things go wrong: links and controllers that end at every packet of a scenario with
 * every procedure in it, peers that do not answer, and peers that answer nonsense. After each,
 * every procedure has ended, once, and the connection (or the next one) works.
 */

#include "gatt_rig.h"

#include "att/att.h"
#include "oom.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define SECOND 1000000u

enum { MOST_STEPS = 1500 };

static struct rig_db db;
static uint16_t conn[2];

/* ---- ends at every step ---- */

/* Everything once from end 1, asked for at once, and what a server does from end 0. */
static void scenario(struct stack *s)
{
    struct bl_host *server = s->end[0].host, *client = s->end[1].host;
    uint8_t value[400] = {1, 2, 3};
    uint16_t c = conn[1], sent, service, handle;
    struct bl_gatts_characteristic def = {.uuid = bl_uuid_from16(0x2a37), .flags = 2, .max_len = 9};
    struct bl_gatts_service more = {
        .uuid = bl_uuid_from16(0x180d), .characteristics = &def, .n_characteristics = 1};
    bl_op op;

    if (s->enter)
        s->enter();
    (void)bl_gattc_exchange_mtu(client, s->now, c, 60, &op);
    (void)bl_gattc_services(client, s->now, c, NULL, &op);
    (void)bl_gattc_characteristics(client, s->now, c, db.service[0], db.service[0] + 9, NULL, &op);
    (void)bl_gattc_descriptors(client, s->now, c, db.service[0], db.service[0] + 30, &op);
    (void)bl_gattc_includes(client, s->now, c, 1, 0xffff, &op);
    (void)bl_gattc_read(client, s->now, c, db.value[5], 0, true, &op);
    (void)bl_gattc_read_multiple(client, s->now, c, db.value + 1, 3, &op);
    (void)bl_gattc_subscribe(client, s->now, c, db.streaming[0], 3, &op);
    (void)bl_gattc_write(client, s->now, c, db.value[7], value, 30, BL_GATT_WRITE_REQUEST, 0, &op);
    (void)bl_gattc_write(client, s->now, c, db.value[8], value, 9, BL_GATT_WRITE_RELIABLE, 0, &op);
    (void)bl_gattc_write(client, s->now, c, db.value[8], value, 400, BL_GATT_WRITE_REQUEST, 0, &op);
    (void)bl_gattc_write(client, s->now, c, db.value[1], value, 9, BL_GATT_WRITE_REQUEST, 0, &op);
    for (int i = 0; i < 20; i++) {
        (void)bl_gattc_write(client, s->now, c, db.value[6], value, 20, BL_GATT_WRITE_COMMAND, 0,
                             &op);
        (void)bl_gatts_notify(server, s->now, conn[0], db.streaming[0], value, 20, &sent, &op);
        if (i < 4)
            (void)bl_gatts_indicate(server, s->now, conn[0], db.streaming[0], value, 20, &sent,
                                    &op);
    }
    int added = bl_gatts_add(server, s->now, &more, &service, &handle);
    if (s->leave)
        s->leave();
    stack_run(s, 6 * SECOND);
    /* Number 1 waits for the application, which answers now, if it is still asked. */
    const struct bl_event *e = rig_event(s, 0, BL_EV_GATTS_WRITE, 0, 0);
    if (e)
        (void)bl_gatts_reply(server, s->now, e->gatt.request, 0, NULL, 0);
    stack_run(s, 2 * SECOND);
    if (added == 0)
        ck_assert_int_eq(bl_gatts_remove(server, s->now, service), 0);
    stack_run(s, SECOND);
}

static void hang_up(struct stack *s, size_t end)
{
    bl_op op;

    (void)bl_disconnect(s->end[end].host, s->now, conn[end], 0x13, &op);
}

static void restart(struct stack *s, size_t end)
{
    struct stack_end *e = &s->end[end];
    bl_op op;

    if (!e->dead)
        return;
    bl_air_power_on(s->air, s->now, e->controller);
    e->dead = false;
    e->die_after = 0;
    ck_assert_int_eq(bl_host_start(e->host, s->now, &op), 0);
    ck_assert_uint_eq(stack_done(s, end, op, SECOND).done.status, BL_OK);
}

/* Each operation has ended once, each indication too, and a new connection does everything. */
static void all_is_well(struct stack *s, unsigned step)
{
    stack_run(s, 45 * SECOND);
    for (size_t end = 0; end < 2; end++) {
        ck_assert_msg(stack_counter(s, end, "procedures-open") == 0, "step %u: open at end %zu",
                      step, end);
        ck_assert_uint_eq(bl_gatt_mtu(s->end[end].host, conn[end]), 0);
        restart(s, end);
    }
    stack_forget(s);
    stack_connect(s, 0, 1, &conn[0], &conn[1]);
    ck_assert_uint_eq(bl_gatts_subscription(s->end[0].host, conn[0], db.streaming[0]), 0);
    ck_assert_uint_eq(bl_gatt_mtu(s->end[1].host, conn[1]), 23);
    rig_discover(s, 1, conn[1], &db);
    rig_read(s, 1, conn[1], &db, 10, false); /* none of these is written by the scenario */
}

/* way 0, 1: that end hangs up; 2, 3: its controller vanishes. False: the step was not reached. */
static bool ends_at(const struct bl_air_config *config, int way, unsigned step)
{
    struct stack *s = stack_new(step, 2, config);
    struct stack_end *e = &s->end[way % 2];

    rig_fill(s, 0, 50, &db);
    ck_assert_int_eq(bl_gatts_set_authorization(s->end[0].host, db.value[1], false, true), 0);
    stack_connect(s, 0, 1, &conn[0], &conn[1]);
    stack_forget(s);
    if (way < 2) {
        e->call = hang_up;
        e->call_after = e->packets_in + step;
    } else {
        e->die_after = e->packets_in + step;
    }
    scenario(s);
    bool reached = way < 2 ? e->call_after == 0 : e->dead;
    if (reached)
        all_is_well(s, step);
    stack_free(s);
    return reached;
}

START_TEST(the_link_ends_at_every_step)
{
    struct bl_air_config config = _i % 2 == 0 ? bl_air_config_v40() : bl_air_config_default();
    unsigned step = 1;

    while (ends_at(&config, _i / 2, step)) {
        ck_assert_msg(step < MOST_STEPS, "the scenario has no end");
        step++;
    }
    ck_assert_uint_gt(step, 50);
}
END_TEST

/* ---- memory ---- */

static unsigned long oom_left; /* allocations of the hosts until one fails */

static void oom_enter(void)
{
    if (oom_left)
        oom_fail_at(oom_left);
}

static void oom_leave(void)
{
    if (oom_left)
        oom_left -= oom_count() < oom_left ? oom_count() : oom_left;
    oom_off();
}

/* Whatever it costs (a procedure, the link), all ends, and the next connection has it all again. */
START_TEST(each_allocation_may_fail)
{
    struct bl_air_config config = _i == 0 ? bl_air_config_v40() : bl_air_config_default();
    bool reached = true;
    unsigned step = 1;

    for (; reached; step++) {
        ck_assert_msg(step < 2 * MOST_STEPS, "the scenario has no end");
        struct stack *s = stack_new(step, 2, &config);
        rig_fill(s, 0, 50, &db);
        ck_assert_int_eq(bl_gatts_set_authorization(s->end[0].host, db.value[1], false, true), 0);
        stack_connect(s, 0, 1, &conn[0], &conn[1]);
        stack_forget(s);
        oom_left = step;
        s->enter = oom_enter;
        s->leave = oom_leave;
        scenario(s);
        reached = oom_left == 0;
        s->enter = s->leave = NULL;
        stack_run(s, 31 * SECOND); /* what was not sent for want of memory has its time */
        hang_up(s, 1);
        all_is_well(s, step);
        stack_free(s);
    }
    ck_assert_uint_gt(step, 50);
}
END_TEST

/* ---- silence ---- */

START_TEST(a_request_without_an_answer_costs_the_link_after_30_s)
{
    struct bl_air_config config = _i == 0 ? bl_air_config_v40() : bl_air_config_default();
    bl_op read, next, last;

    struct stack *s = stack_new(1, 2, &config);
    rig_fill(s, 0, 50, &db);
    stack_connect(s, 0, 1, &conn[0], &conn[1]);
    stack_forget(s);
    s->end[0].deaf = true;
    uint64_t begun = s->now;
    struct bl_host *h = s->end[1].host;
    ck_assert_int_eq(bl_gattc_read(h, s->now, conn[1], db.value[0], 0, false, &read), 0);
    ck_assert_int_eq(bl_gattc_read(h, s->now, conn[1], db.value[1], 0, false, &next), 0);
    stack_run(s, 29 * SECOND);
    ck_assert_uint_eq(rig_count(s, 1, BL_EV_OP_DONE, 0), 0);
    ck_assert_uint_eq(stack_done(s, 1, read, 2 * SECOND).done.status, BL_TIMEOUT);
    ck_assert_uint_ge(s->now - begun, 30 * SECOND);
    ck_assert_uint_le(s->now - begun, 30 * SECOND + SECOND / 2);
    if (bl_gattc_read(h, s->now, conn[1], db.value[1], 0, false, &last) == 0)
        ck_assert_uint_ne(stack_done(s, 1, last, 5 * SECOND).done.status, BL_OK);
    stack_wait(s, 1, BL_EV_DISCONNECTED, 5 * SECOND);
    ck_assert_uint_ne(stack_done(s, 1, next, SECOND).done.status, BL_OK);
    stack_wait(s, 0, BL_EV_DISCONNECTED, 5 * SECOND);
    ck_assert_uint_eq(stack_counter(s, 1, "procedures-open"), 0);

    s->end[0].deaf = false;
    stack_forget(s);
    stack_connect(s, 0, 1, &conn[0], &conn[1]);
    rig_read(s, 1, conn[1], &db, 5, false);
    stack_free(s);
}
END_TEST

START_TEST(an_indication_without_a_confirmation_costs_the_link_after_30_s)
{
    struct bl_air_config config = _i == 0 ? bl_air_config_v40() : bl_air_config_default();
    uint16_t sent;
    bl_op op[3];

    struct stack *s = stack_new(1, 2, &config);
    rig_fill(s, 0, 50, &db);
    stack_connect(s, 0, 1, &conn[0], &conn[1]);
    stack_forget(s);
    s->end[1].deaf = true;
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(bl_gatts_indicate(s->end[0].host, s->now, conn[0], db.streaming[0],
                                           (const uint8_t *)"x", 1, &sent, &op[i]),
                         0);
    stack_run(s, 29 * SECOND);
    ck_assert_uint_eq(rig_count(s, 0, BL_EV_OP_DONE, 0), 0);
    struct bl_event e = stack_wait(s, 0, BL_EV_GATTS_INDICATE_DONE, 2 * SECOND);
    ck_assert_uint_eq(e.gatt.status, BL_TIMEOUT);
    ck_assert_uint_eq(e.gatt.handle, db.streaming[0]);
    ck_assert_uint_eq(stack_done(s, 0, op[0], SECOND).done.status, BL_TIMEOUT);
    stack_wait(s, 0, BL_EV_DISCONNECTED, 5 * SECOND);
    for (unsigned i = 1; i < 3; i++)
        ck_assert_uint_ne(stack_done(s, 0, op[i], SECOND).done.status, BL_OK);
    ck_assert_uint_eq(rig_count(s, 0, BL_EV_GATTS_INDICATE_DONE, 0), 3);
    ck_assert_uint_eq(stack_counter(s, 0, "procedures-open"), 0);
    stack_free(s);
}
END_TEST

/* ---- nonsense ---- */

enum ask {
    SERVICES,
    BY_UUID,
    CHARACTERISTICS,
    DESCRIPTORS,
    INCLUDES,
    READ,
    READ_LONG,
    READ_BY_UUID,
    READ_MULTIPLE,
    WRITE,
    WRITE_LONG,
    MTU
};

#define PDU(...) {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})

/* The peer's whole answer to the first request of a procedure. */
static const struct {
    const char *name;
    enum ask ask;
    uint8_t pdu[48];
    size_t n;
} nonsense[] = {
    {"another response", SERVICES, PDU(BL_ATT_WRITE_RSP)},
    {"a read's response", SERVICES, PDU(BL_ATT_READ_RSP, 1, 2, 3)},
    {"services without any", SERVICES, PDU(BL_ATT_READ_BY_GROUP_RSP, 6)},
    {"services of length 0", SERVICES, PDU(BL_ATT_READ_BY_GROUP_RSP, 0, 1, 0, 2, 0, 0, 0x18)},
    {"services of length 5", SERVICES, PDU(BL_ATT_READ_BY_GROUP_RSP, 5, 1, 0, 2, 0, 0)},
    {"half a service", SERVICES, PDU(BL_ATT_READ_BY_GROUP_RSP, 6, 1, 0, 9, 0, 0, 0x18, 10, 0, 20)},
    {"a service at 0", SERVICES, PDU(BL_ATT_READ_BY_GROUP_RSP, 6, 0, 0, 9, 0, 0, 0x18)},
    {"a service that ends before it begins", SERVICES,
     PDU(BL_ATT_READ_BY_GROUP_RSP, 6, 9, 0, 8, 0, 0, 0x18)},
    {"services that do not rise", SERVICES,
     PDU(BL_ATT_READ_BY_GROUP_RSP, 6, 9, 0, 12, 0, 0, 0x18, 9, 0, 12, 0, 1, 0x18)},
    {"services that overlap", SERVICES,
     PDU(BL_ATT_READ_BY_GROUP_RSP, 6, 1, 0, 12, 0, 0, 0x18, 9, 0, 20, 0, 1, 0x18)},
    {"a range that ends before it begins", BY_UUID, PDU(BL_ATT_FIND_BY_TYPE_RSP, 9, 0, 8, 0)},
    {"half a range", BY_UUID, PDU(BL_ATT_FIND_BY_TYPE_RSP, 9, 0, 10)},
    {"no range", BY_UUID, PDU(BL_ATT_FIND_BY_TYPE_RSP)},
    {"a characteristic outside of what was asked for", CHARACTERISTICS,
     PDU(BL_ATT_READ_BY_TYPE_RSP, 7, 0xff, 0xf0, 2, 0, 0xf1, 0, 0x2a)},
    {"a declaration with its value before it", CHARACTERISTICS,
     PDU(BL_ATT_READ_BY_TYPE_RSP, 7, 20, 0, 2, 19, 0, 0, 0x2a)},
    {"characteristics that do not rise", CHARACTERISTICS,
     PDU(BL_ATT_READ_BY_TYPE_RSP, 7, 20, 0, 2, 21, 0, 0, 0x2a, 20, 0, 2, 21, 0, 0, 0x2a)},
    {"characteristics of length 8", CHARACTERISTICS,
     PDU(BL_ATT_READ_BY_TYPE_RSP, 8, 20, 0, 2, 21, 0, 0, 0x2a, 0)},
    {"descriptors of format 3", DESCRIPTORS, PDU(BL_ATT_FIND_INFO_RSP, 3, 20, 0, 1, 0x29)},
    {"descriptors of format 0", DESCRIPTORS, PDU(BL_ATT_FIND_INFO_RSP, 0, 20, 0, 1, 0x29)},
    {"descriptors without any", DESCRIPTORS, PDU(BL_ATT_FIND_INFO_RSP, 1)},
    {"descriptors that do not rise", DESCRIPTORS,
     PDU(BL_ATT_FIND_INFO_RSP, 1, 20, 0, 1, 0x29, 20, 0, 2, 0x29)},
    {"half a descriptor", DESCRIPTORS, PDU(BL_ATT_FIND_INFO_RSP, 1, 20, 0, 1, 0x29, 21)},
    {"an include of length 7", INCLUDES, PDU(BL_ATT_READ_BY_TYPE_RSP, 7, 20, 0, 1, 0, 2, 0, 9)},
    {"a write's response", READ, PDU(BL_ATT_WRITE_RSP)},
    {"an error for another request", READ, PDU(BL_ATT_ERROR_RSP, BL_ATT_WRITE_REQ, 1, 0, 3)},
    {"half an error", READ, PDU(BL_ATT_ERROR_RSP, BL_ATT_READ_REQ)},
    {"a response that there is not", READ, PDU(0x3f, 1, 2)},
    {"another's response", READ_LONG, PDU(BL_ATT_READ_BLOB_RSP, 1)},
    {"values of length 1", READ_BY_UUID, PDU(BL_ATT_READ_BY_TYPE_RSP, 1, 20, 0, 1)},
    {"values of length 0", READ_BY_UUID, PDU(BL_ATT_READ_BY_TYPE_RSP, 0)},
    {"values that do not come out even", READ_BY_UUID,
     PDU(BL_ATT_READ_BY_TYPE_RSP, 4, 20, 0, 1, 2, 21)},
    {"a response to another way to read several", READ_MULTIPLE,
     PDU(BL_ATT_READ_MULTIPLE_VAR_RSP, 1, 0, 1, 1, 0, 2, 1, 0, 3)},
    {"a prepared write's response", WRITE, PDU(BL_ATT_PREPARE_WRITE_RSP, 20, 0, 0, 0, 1)},
    {"an echo with another handle", WRITE_LONG, PDU(BL_ATT_PREPARE_WRITE_RSP, 1, 0, 0, 0, 1)},
    {"no echo", WRITE_LONG, PDU(BL_ATT_PREPARE_WRITE_RSP)},
    {"an MTU under 23", MTU, PDU(BL_ATT_MTU_RSP, 22, 0)},
    {"an MTU of an octet", MTU, PDU(BL_ATT_MTU_RSP, 23)},
};

static int ask(struct stack *s, enum ask what, bl_op *op)
{
    static const uint8_t value[400] = {7};
    struct bl_host *h = s->end[1].host;
    struct bl_uuid uuid = bl_uuid_from16(RIG_SERVICE_UUID);
    uint16_t c = conn[1];

    switch (what) {
    case SERVICES:
        return bl_gattc_services(h, s->now, c, NULL, op);
    case BY_UUID:
        return bl_gattc_services(h, s->now, c, &uuid, op);
    case CHARACTERISTICS:
        return bl_gattc_characteristics(h, s->now, c, 10, 200, NULL, op);
    case DESCRIPTORS:
        return bl_gattc_descriptors(h, s->now, c, 10, 200, op);
    case INCLUDES:
        return bl_gattc_includes(h, s->now, c, 10, 200, op);
    case READ:
        return bl_gattc_read(h, s->now, c, db.value[0], 0, false, op);
    case READ_LONG:
        return bl_gattc_read(h, s->now, c, db.value[5], 0, true, op);
    case READ_BY_UUID:
        return bl_gattc_read_by_uuid(h, s->now, c, 10, 200, &uuid, op);
    case READ_MULTIPLE:
        return bl_gattc_read_multiple(h, s->now, c, db.value, 3, op);
    case WRITE:
        return bl_gattc_write(h, s->now, c, db.value[1], value, 3, BL_GATT_WRITE_REQUEST, 0, op);
    case WRITE_LONG:
        return bl_gattc_write(h, s->now, c, db.value[1], value, 400, BL_GATT_WRITE_REQUEST, 0, op);
    case MTU:
        return bl_gattc_exchange_mtu(h, s->now, c, 100, op);
    }
    return -EINVAL;
}

START_TEST(nonsense_ends_the_procedure_and_not_the_connection)
{
    struct bl_air_config config = bl_air_config_default();
    bl_op op;

    struct stack *s = stack_new(1, 2, &config);
    rig_fill(s, 0, 50, &db);
    stack_connect(s, 0, 1, &conn[0], &conn[1]);
    s->end[0].deaf = true;
    stack_forget(s);
    ck_assert_int_eq(ask(s, nonsense[_i].ask, &op), 0);
    stack_run(s, SECOND / 2);
    ck_assert_uint_eq(rig_count(s, 1, BL_EV_OP_DONE, 0), 0);
    stack_inject(s, 1, conn[1], BL_ATT_CID, nonsense[_i].pdu, nonsense[_i].n);
    s->end[0].deaf = false; /* what was prepared is cancelled, which is to be answered */
    stack_run(s, SECOND / 2);
    unsigned ended = rig_count(s, 1, BL_EV_OP_DONE, 0);
    ck_assert_msg(ended == 1, "%s: %u ends", nonsense[_i].name, ended);
    ck_assert_msg(rig_event(s, 1, BL_EV_OP_DONE, 0, 0)->done.status == BL_PROTOCOL, "%s: status %x",
                  nonsense[_i].name, rig_event(s, 1, BL_EV_OP_DONE, 0, 0)->done.status);
    rig_discover(s, 1, conn[1], &db);
    rig_read(s, 1, conn[1], &db, 3, false);
    ck_assert_uint_eq(bl_gatt_mtu(s->end[1].host, conn[1]), 23);
    ck_assert_uint_eq(rig_count(s, 1, BL_EV_DISCONNECTED, 0), 0);
    stack_free(s);
}
END_TEST

START_TEST(results_without_end_are_ended)
{
    struct bl_air_config config = bl_air_config_default();
    /* The same service over and over: every answer is good but for where it stands. */
    static const uint8_t same[] = {BL_ATT_READ_BY_GROUP_RSP, 6, 1, 0, 9, 0, 0, 0x18};
    /* A value that has no end. */
    uint8_t blob[23];
    bl_op op;

    struct stack *s = stack_new(1, 2, &config);
    rig_fill(s, 0, 50, &db);
    stack_connect(s, 0, 1, &conn[0], &conn[1]);
    s->end[0].deaf = true;
    stack_forget(s);
    ck_assert_int_eq(ask(s, SERVICES, &op), 0);
    for (int i = 0; i < 2; i++) {
        stack_run(s, SECOND / 2);
        stack_inject(s, 1, conn[1], BL_ATT_CID, same, sizeof(same));
    }
    ck_assert_uint_eq(stack_done(s, 1, op, SECOND).done.status, BL_PROTOCOL);
    ck_assert_uint_eq(rig_count(s, 1, BL_EV_GATTC_SERVICE, op), 1);

    stack_forget(s);
    ck_assert_int_eq(ask(s, READ_LONG, &op), 0);
    memset(blob, 9, sizeof(blob));
    unsigned blobs = 0;
    for (; rig_count(s, 1, BL_EV_OP_DONE, 0) == 0; blobs++) {
        ck_assert_uint_lt(blobs, 40);
        stack_run(s, SECOND / 2);
        blob[0] = blobs == 0 ? BL_ATT_READ_RSP : BL_ATT_READ_BLOB_RSP;
        stack_inject(s, 1, conn[1], BL_ATT_CID, blob, sizeof(blob));
        stack_run(s, SECOND / 100);
    }
    const struct bl_event *value = rig_event(s, 1, BL_EV_GATTC_VALUE, op, 0);
    if (value)
        ck_assert_uint_le(value->gatt.value.len, 512);
    s->end[0].deaf = false;
    stack_run(s, SECOND);
    rig_read(s, 1, conn[1], &db, 3, false);
    stack_free(s);
}
END_TEST

START_TEST(responses_and_confirmations_nobody_asked_for_are_dropped)
{
    static const uint8_t opcodes[] = {BL_ATT_ERROR_RSP,
                                      BL_ATT_MTU_RSP,
                                      BL_ATT_FIND_INFO_RSP,
                                      BL_ATT_FIND_BY_TYPE_RSP,
                                      BL_ATT_READ_BY_TYPE_RSP,
                                      BL_ATT_READ_RSP,
                                      BL_ATT_READ_BLOB_RSP,
                                      BL_ATT_READ_MULTIPLE_RSP,
                                      BL_ATT_READ_BY_GROUP_RSP,
                                      BL_ATT_WRITE_RSP,
                                      BL_ATT_PREPARE_WRITE_RSP,
                                      BL_ATT_EXECUTE_WRITE_RSP,
                                      BL_ATT_CONFIRMATION,
                                      0x7f,
                                      0xff,
                                      BL_ATT_READ_MULTIPLE_VAR_RSP};
    struct bl_air_config config = bl_air_config_default();

    struct stack *s = stack_new(1, 2, &config);
    rig_fill(s, 0, 50, &db);
    stack_connect(s, 0, 1, &conn[0], &conn[1]);
    for (size_t i = 0; i < sizeof(opcodes); i++)
        for (size_t n = 0; n < 12; n++) {
            uint8_t pdu[16] = {opcodes[i], 8, 1, 0};
            stack_inject(s, i % 2, conn[i % 2], BL_ATT_CID, pdu, n);
            stack_run(s, 10000);
        }
    rig_discover(s, 1, conn[1], &db);
    rig_read(s, 1, conn[1], &db, 3, false);
    ck_assert_uint_eq(rig_count(s, 1, BL_EV_DISCONNECTED, 0), 0);
    stack_free(s);
}
END_TEST

static Suite *faults_suite(void)
{
    Suite *suite = suite_create("stack/gatt_faults");
    TCase *t = tcase_create("faults");

    tcase_set_timeout(t, 280);
    tcase_add_loop_test(t, the_link_ends_at_every_step, 0, 8);
    tcase_add_loop_test(t, each_allocation_may_fail, 0, 2);
    tcase_add_loop_test(t, a_request_without_an_answer_costs_the_link_after_30_s, 0, 2);
    tcase_add_loop_test(t, an_indication_without_a_confirmation_costs_the_link_after_30_s, 0, 2);
    tcase_add_loop_test(t, nonsense_ends_the_procedure_and_not_the_connection, 0,
                        sizeof(nonsense) / sizeof(nonsense[0]));
    tcase_add_test(t, results_without_end_are_ended);
    tcase_add_test(t, responses_and_confirmations_nobody_asked_for_are_dropped);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(faults_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
