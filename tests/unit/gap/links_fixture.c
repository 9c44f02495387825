/* SPDX-License-Identifier: MIT */

#include "links_fixture.h"

#include "oom.h"

#include <check.h>

struct bl_hci *hci;
struct bl_evq events;
struct bl_radio radio;
struct bl_privacy privacy;
struct bl_l2cap l2cap;
struct bl_gatt gatt;
struct bl_smp *smp;
struct bl_links links;
uint64_t now;

static int some_random(void *ctx, void *out, size_t n)
{
    (void)ctx;
    memset(out, 0x5a, n);
    return 0;
}

static const struct bl_env env = {.random = some_random};

static void begin(bool extended)
{
    oom_off();
    hci = fake_hci_new(extended);
    ck_assert_int_eq(bl_evq_init(&events), 0);
    radio = (struct bl_radio){.hci = hci, .env = &env, .events = &events, .ready = true};
    bl_privacy_init(&privacy, &radio);
    bl_privacy_ready(&privacy, now);
    ck_assert_int_eq(bl_l2cap_init(&l2cap, hci, &env, &events, &radio.config), 0);
    ck_assert_int_eq(bl_gatt_init(&gatt, hci, &env, &events, &radio.config), 0);
    smp = bl_smp_new(hci, &env, &events, &radio.config);
    ck_assert_ptr_nonnull(smp);
    ck_assert_int_eq(bl_links_init(&links, &radio, &privacy, &l2cap, &gatt, smp), 0);
    now = 5000 * MS;
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
    bl_links_deinit(&links);
    bl_gatt_deinit(&gatt);
    bl_l2cap_deinit(&l2cap);
    bl_smp_free(smp);
    bl_privacy_deinit(&privacy);
    bl_evq_deinit(&events);
    fake_hci_free(hci);
}

struct bl_addr addr(uint8_t n)
{
    return (struct bl_addr){ADDR_RANDOM, {n, 0, 0, 0, 0, 0xc0}};
}

void add(enum bl_role role, uint16_t n, uint16_t attempt, uint16_t adv, bool adv_unknown)
{
    struct bl_hci_event e = {
        .kind = BL_HCI_EV_CONNECTION_COMPLETE,
        .handle = n,
        .connection = {
            .role = role, .peer = addr((uint8_t)n), .interval = INTERVAL, .timeout = TIMEOUT}};

    bl_links_add(&links, now, &e, &(struct bl_addr){0}, attempt, adv, adv_unknown);
}

uint16_t central(uint16_t n)
{
    add(BL_ROLE_CENTRAL, n, n, 0, false);
    answer(expect(BL_CMD_LE_READ_REMOTE_FEATURES, n), 0);
    features(n, 0, 0);
    struct bl_event e = next_event(BL_EV_CONNECTED);
    (void)news(BL_LINKS_ESTABLISHED);
    silent();
    no_command();
    return e.connected.conn;
}

uint16_t peripheral(uint16_t n)
{
    add(BL_ROLE_PERIPHERAL, n, 0, 0, false);
    struct bl_event e = next_event(BL_EV_CONNECTED);
    (void)news(BL_LINKS_ESTABLISHED);
    silent();
    no_command();
    return e.connected.conn;
}

const struct fake_cmd *expect(uint16_t opcode, uint16_t handle)
{
    const struct fake_cmd *cmd = fake_hci_take(hci);

    ck_assert_ptr_nonnull(cmd);
    ck_assert_msg(cmd->opcode == opcode, "%04x instead of %04x", cmd->opcode, opcode);
    ck_assert_uint_eq(cmd->params[0] | cmd->params[1] << 8, handle);
    ck_assert_int_eq(cmd->owner, BL_HCI_OWNER_LINKS);
    return cmd;
}

void no_command(void)
{
    ck_assert_ptr_null(fake_hci_take(hci));
}

void answer_with(const struct fake_cmd *cmd, uint8_t status, const void *returned, size_t n)
{
    struct bl_hci_reply reply = fake_hci_reply(cmd, status, returned, n);

    bl_links_reply(&links, now, &reply);
}

void answer(const struct fake_cmd *cmd, uint8_t status)
{
    answer_with(cmd, status, NULL, 0);
}

void lose(const struct fake_cmd *cmd)
{
    struct bl_hci_reply reply = fake_hci_lost(cmd);

    now += BL_HCI_COMMAND_TIMEOUT_US;
    bl_links_reply(&links, now, &reply);
}

void event(const struct bl_hci_event *e)
{
    bl_links_event(&links, now, e);
}

void signal_pdu(uint16_t conn, const void *pdu, size_t n)
{
    struct bl_sig sig;

    if (bl_l2cap_signal(&l2cap, now, conn, pdu, n, &sig))
        bl_links_signal(&links, now, conn, &sig);
}

void features(uint16_t n, uint8_t status, uint64_t bits)
{
    event(&(struct bl_hci_event){
        .kind = BL_HCI_EV_REMOTE_FEATURES, .status = status, .handle = n, .features = {bits}});
}

void updated(uint16_t n, uint8_t status, uint16_t interval, uint16_t latency, uint16_t timeout)
{
    event(&(struct bl_hci_event){.kind = BL_HCI_EV_CONNECTION_UPDATE,
                                 .status = status,
                                 .handle = n,
                                 .update = {interval, latency, timeout}});
}

void gone(uint16_t n, uint8_t reason)
{
    event(&(struct bl_hci_event){
        .kind = BL_HCI_EV_DISCONNECTION_COMPLETE, .handle = n, .disconnection = {reason}});
}

void advance(uint64_t us)
{
    uint64_t end = now + us;

    while (bl_links_deadline(&links) <= end) {
        uint64_t at = bl_links_deadline(&links);
        now = at > now ? at : now;
        bl_links_tick(&links, now);
        ck_assert_msg(bl_links_deadline(&links) > now, "a deadline that stays");
    }
    now = end;
}

struct bl_event next_event(enum bl_event_kind kind)
{
    struct bl_event e = {0};

    ck_assert(bl_evq_pop(&events, &e));
    ck_assert_int_eq(e.kind, kind);
    return e;
}

void silent(void)
{
    struct bl_event e;

    ck_assert_msg(!bl_evq_pop(&events, &e), "kind %d", e.kind);
}

void op_ends(bl_op op, bl_status status)
{
    struct bl_event e = next_event(BL_EV_OP_DONE);

    ck_assert_uint_eq(e.done.op, op);
    ck_assert_msg(e.done.status == status, "%04x instead of %04x", e.done.status, status);
}

void disconnected(uint16_t conn, uint8_t reason)
{
    struct bl_event e = next_event(BL_EV_DISCONNECTED);

    ck_assert_uint_eq(e.disconnected.conn, conn);
    ck_assert_uint_eq(e.disconnected.reason, reason);
}

struct bl_links_news news(enum bl_links_news_kind kind)
{
    struct bl_links_news n = {0};

    ck_assert(bl_links_pop_news(&links, &n));
    ck_assert_int_eq(n.kind, kind);
    return n;
}

void no_news(void)
{
    struct bl_links_news n;

    ck_assert(!bl_links_pop_news(&links, &n));
}
