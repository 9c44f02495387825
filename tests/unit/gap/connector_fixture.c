/* SPDX-License-Identifier: MIT */

#include "connector_fixture.h"

#include "oom.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

struct bl_hci *hci;
struct bl_evq events;
struct bl_radio radio;
struct bl_privacy privacy;
struct bl_connector connector;
uint64_t now;
bool standstill;

static int no_random(void *ctx, void *out, size_t n)
{
    (void)ctx;
    memset(out, 0x5a, n);
    return 0;
}

static const struct bl_env env = {.random = no_random};

static void begin(bool extended)
{
    hci = fake_hci_new(extended);
    ck_assert_int_eq(bl_evq_init(&events), 0);
    radio = (struct bl_radio){.hci = hci, .env = &env, .events = &events, .ready = true};
    bl_privacy_init(&privacy, &radio);
    bl_privacy_ready(&privacy, now);
    ck_assert_int_eq(bl_connector_init(&connector, &radio, &privacy), 0);
    now = 5000 * MS;
    oom_off();
    standstill = false;
}

void setup(void)
{
    begin(false);
}

void setup_extended(void)
{
    begin(true);
}

void teardown(void)
{
    bl_connector_deinit(&connector);
    bl_privacy_deinit(&privacy);
    bl_evq_deinit(&events);
    fake_hci_free(hci);
}

/* ---- the host's part ---- */

static void step(void)
{
    if (!radio.outstanding && (standstill || !bl_privacy_step(&privacy, now)))
        bl_connector_step(&connector, now);
}

/* The command that comes next, NULL if none does. */
const struct fake_cmd *next(void)
{
    step();
    return fake_hci_take(hci);
}

const struct fake_cmd *expect(uint16_t opcode)
{
    const struct fake_cmd *cmd = next();

    ck_assert_ptr_nonnull(cmd);
    ck_assert_msg(cmd->opcode == opcode, "%04x instead of %04x", cmd->opcode, opcode);
    return cmd;
}

static void give(const struct bl_hci_reply *reply)
{
    radio.outstanding = false;
    if (reply->owner == BL_HCI_OWNER_PRIVACY)
        bl_privacy_reply(&privacy, now, reply);
    else
        bl_connector_reply(&connector, now, reply);
}

void answer(const struct fake_cmd *cmd, uint8_t status)
{
    struct bl_hci_reply reply = fake_hci_reply(cmd, status, NULL, 0);

    give(&reply);
}

void lose(const struct fake_cmd *cmd)
{
    struct bl_hci_reply reply = fake_hci_lost(cmd);

    now += BL_HCI_COMMAND_TIMEOUT_US;
    give(&reply);
}

void accepted(uint16_t opcode)
{
    answer(expect(opcode), 0);
}

void initiating(void)
{
    accepted(BL_CMD_LE_CREATE_CONNECTION);
    ck_assert(radio.initiating);
}

uint16_t complete(uint8_t status, const struct bl_addr *peer)
{
    struct bl_hci_event e = {.kind = BL_HCI_EV_CONNECTION_COMPLETE,
                             .status = status,
                             .handle = 64,
                             .connection = {.role = BL_ROLE_CENTRAL, .peer = *peer}};

    return bl_connector_complete(&connector, now, &e);
}

void advance(uint64_t us)
{
    uint64_t end = now + us;

    while (bl_connector_deadline(&connector) <= end) {
        uint64_t at = bl_connector_deadline(&connector);
        now = at > now ? at : now;
        bl_connector_tick(&connector, now);
        ck_assert_msg(bl_connector_deadline(&connector) > now, "a deadline that stays");
        step();
    }
    now = end;
}

struct bl_addr addr(uint8_t n)
{
    return (struct bl_addr){ADDR_RANDOM, {n, 0, 0, 0, 0, 0xc0}};
}

uint16_t begin_attempt(uint8_t n, uint32_t ms, bool automatic, bl_op *op)
{
    struct bl_connect_params p = {.peer = addr(n),
                                  .scan_duration_ms = ms,
                                  .addr_mode = BL_ADDR_MODE_PUBLIC,
                                  .automatic = automatic};
    uint16_t id = 0;

    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &id, op), 0);
    ck_assert_uint_ne(id, 0);
    ck_assert_uint_ne(*op, 0);
    return id;
}

bl_op last_op;

uint16_t direct(uint8_t n, uint32_t ms)
{
    return begin_attempt(n, ms, false, &last_op);
}

void silent(void)
{
    struct bl_event e;

    ck_assert(!bl_evq_pop(&events, &e));
}

void op_ends(bl_op op, bl_status status, uint16_t conn)
{
    struct bl_event e;

    ck_assert(bl_evq_pop(&events, &e));
    ck_assert_int_eq(e.kind, BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_uint_eq(e.done.status, status);
    ck_assert_uint_eq(e.done.conn, conn);
}

void attempt_ends(uint16_t id, bl_status status)
{
    struct bl_event e;

    ck_assert(bl_evq_pop(&events, &e));
    ck_assert_int_eq(e.kind, BL_EV_ATTEMPT_ENDED);
    ck_assert_uint_eq(e.attempt_ended.attempt, id);
    ck_assert_msg(e.attempt_ended.status == status, "%04x", e.attempt_ended.status);
}

/* A direct attempt's end without a connection: its event, its op, and nothing more. */
void fails(uint16_t id, bl_op op, bl_status status)
{
    attempt_ends(id, status);
    op_ends(op, status, 0);
    silent();
    ck_assert_int_eq(bl_connector_cancel(&connector, now, id), -ENOENT);
}

uint16_t automatic(uint8_t n)
{
    bl_op op;
    uint16_t id = begin_attempt(n, 0, true, &op);

    op_ends(op, BL_OK, 0);
    return id;
}

void connects(uint16_t id, uint8_t n, bl_op op)
{
    struct bl_addr peer = addr(n);

    ck_assert_uint_eq(complete(0, &peer), id);
    ck_assert(!radio.initiating);
    silent();
    bl_connector_established(&connector, now, id, 7);
    op_ends(op, BL_OK, 7);
    silent();
}

void cancels(uint8_t status)
{
    answer(expect(BL_CMD_LE_CREATE_CONNECTION_CANCEL), status);
}
