/* SPDX-License-Identifier: MIT */

/* Security of links on a recording stand-in for lib/hci: what the controller claims, what peers ask
 * for, and what cannot be sent. */

#include "fake_hci.h"
#include "hci/cmd.h"
#include "hci/error.h"
#include "oom.h"
#include "smp/smp_internal.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HANDLE = 0x40, CONN = 1 };

static struct bl_hci *hci;
static struct bl_evq events;
static struct bl_config config;
static struct bl_smp *smp;
static uint64_t now;
static uint32_t seed;

static int some_random(void *ctx, void *out, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = (uint8_t)((seed = seed * 1103515245u + 12345u) >> 16);
    return 0;
}

static const struct bl_env env = {.random = some_random};
static const struct bl_addr own = {ADDR_PUBLIC, {1, 2, 3, 4, 5, 6}};
static const struct bl_addr peer = {ADDR_RANDOM, {9, 8, 7, 6, 5, 0xc4}};

static void setup(void)
{
    oom_off();
    seed = 1;
    now = 1000000;
    hci = fake_hci_new(false);
    ck_assert_int_eq(bl_evq_init(&events), 0);
    config = (struct bl_config){.io = BL_IO_NONE, .bond = true, .pairable = true};
    smp = bl_smp_new(hci, &env, &events, &config);
    ck_assert_ptr_nonnull(smp);
    bl_smp_ready(smp, &own);
}

static void teardown(void)
{
    bl_smp_free(smp);
    bl_evq_deinit(&events);
    fake_hci_free(hci);
}

/* ---- the script's verbs ---- */

static struct bl_bond some_bond(bool authenticated)
{
    return (struct bl_bond){.identity = peer,
                            .authenticated = authenticated,
                            .secure_connections = true,
                            .has_local_ltk = true,
                            .has_peer_ltk = true,
                            .local_ltk = {.key = {0x11}, .size = 16, .ediv = 7, .rand = {3}},
                            .peer_ltk = {.key = {0x22}, .size = 16, .ediv = 8, .rand = {4}}};
}

static void add_bond(bool authenticated)
{
    const struct bl_bond b = some_bond(authenticated);

    ck_assert_int_eq(bl_smp_bond_add(smp, now, &b), 0);
}

static void open_link(enum bl_role role)
{
    const struct bl_smp_link link = {
        .conn = CONN, .handle = HANDLE, .role = role, .own = own, .peer = peer};

    ck_assert_int_eq(bl_smp_open(smp, now, &link), 0);
    if (bl_bonds_find(bl_smp_bonds(smp), &peer)) { /* by its address, known at once */
        struct bl_event e;
        ck_assert(bl_evq_pop(&events, &e));
        ck_assert_int_eq(e.kind, BL_EV_IDENTITY);
        ck_assert(bl_addr_eq(&e.identity.identity, &peer));
    }
}

static void event(enum bl_hci_event_kind kind, uint8_t status, uint8_t enabled, uint8_t key_size)
{
    const struct bl_hci_event e = {
        .kind = kind, .status = status, .handle = HANDLE, .encryption = {enabled, key_size}};

    bl_smp_event(smp, now, CONN, &e);
}

static void changed(uint8_t status, uint8_t enabled)
{
    event(BL_HCI_EV_ENCRYPTION_CHANGE, status, enabled, 0);
}

static void ltk_request(uint16_t ediv, uint8_t rand0)
{
    const struct bl_hci_event e = {
        .kind = BL_HCI_EV_LTK_REQUEST, .handle = HANDLE, .ltk = {.rand = {rand0}, .ediv = ediv}};

    bl_smp_event(smp, now, CONN, &e);
}

static const struct fake_cmd *command(uint16_t opcode)
{
    const struct fake_cmd *cmd = fake_hci_take(hci);

    ck_assert_ptr_nonnull(cmd);
    ck_assert_msg(cmd->opcode == opcode, "%04x", cmd->opcode);
    ck_assert_int_eq(cmd->owner, BL_HCI_OWNER_SMP);
    ck_assert_uint_eq(cmd->params[0], HANDLE);
    return cmd;
}

static void no_command(void)
{
    ck_assert_ptr_null(fake_hci_take(hci));
}

static void pdu(const void *bytes, size_t n)
{
    bl_smp_pdu(smp, now, CONN, bytes, n);
}

static void request(uint8_t auth)
{
    pdu((const uint8_t[]){BL_SMP_PAIRING_REQUEST, BL_IO_NONE, 0, auth, 16, 7, 7}, 7);
}

/* The PDU that was sent next: its code, and its first octet. */
static uint8_t sent(uint8_t *ret_first)
{
    const struct fake_sent *s = fake_hci_take_sent(hci);

    ck_assert_ptr_nonnull(s);
    ck_assert_uint_eq(s->handle, HANDLE);
    ck_assert_uint_eq(s->data[2], BL_SMP_CID);
    *ret_first = s->data[5];
    return s->data[4];
}

static void refused(uint8_t reason)
{
    uint8_t why;

    ck_assert_uint_eq(sent(&why), BL_SMP_FAILED);
    ck_assert_uint_eq(why, reason);
}

static struct bl_event next_event(enum bl_event_kind kind)
{
    struct bl_event e = {0};

    ck_assert(bl_evq_pop(&events, &e));
    ck_assert_msg(e.kind == kind, "event %d", e.kind);
    return e;
}

static void silent(void)
{
    struct bl_event e;

    ck_assert(!bl_evq_pop(&events, &e));
}

static unsigned news(enum bl_smp_news_kind kind)
{
    struct bl_smp_news n;
    unsigned found = 0;

    while (bl_smp_pop_news(smp, &n))
        found += n.kind == kind;
    return found;
}

static struct bl_security security(void)
{
    struct bl_security s;

    bl_smp_security(smp, CONN, &s);
    return s;
}

static bl_op pair(uint8_t level)
{
    const struct bl_pair_params p = {.security = level};
    bl_op op = 0;

    ck_assert_int_eq(bl_smp_pair(smp, now, CONN, &p, &op), 0);
    return op;
}

static void failed(bl_status status)
{
    ck_assert_uint_eq(next_event(BL_EV_PAIRING_FAILED).pairing_failed.status, status);
}

static void op_ends(bl_op op, bl_status status)
{
    struct bl_event e = next_event(BL_EV_OP_DONE);

    ck_assert_uint_eq(e.done.op, op);
    ck_assert_msg(e.done.status == status, "%03x", e.done.status);
}

/* ---- what the controller says ---- */

START_TEST(a_claim_that_nobody_gave_a_key_for_encrypts_nothing)
{
    open_link(_i ? BL_ROLE_CENTRAL : BL_ROLE_PERIPHERAL);
    changed(0, 1);
    event(BL_HCI_EV_KEY_REFRESH, 0, 0, 0);
    ck_assert(!security().encrypted);
    silent();
    ck_assert_uint_eq(news(BL_SMP_SECURITY), 0);
}
END_TEST

START_TEST(a_peripheral_gives_the_key_that_is_asked_for)
{
    add_bond(true);
    open_link(BL_ROLE_PERIPHERAL);
    ltk_request(7, 3);
    const struct fake_cmd *cmd = command(BL_CMD_LE_LTK_REPLY);
    ck_assert_uint_eq(cmd->n, 18);
    ck_assert_uint_eq(cmd->params[2], 0x11);
    changed(0, 1);
    struct bl_event e = next_event(BL_EV_ENCRYPTED);
    ck_assert(e.encrypted.encrypted && e.encrypted.authenticated && e.encrypted.bonded);
    ck_assert_uint_eq(e.encrypted.key_size, 16);
    ck_assert_uint_ge(news(BL_SMP_SECURITY), 1);
}
END_TEST

START_TEST(wrong_requests_for_keys_get_none)
{
    add_bond(true);
    open_link(BL_ROLE_PERIPHERAL);
    ltk_request(8, 3);
    (void)command(BL_CMD_LE_LTK_NEGATIVE_REPLY);
    ltk_request(7, 4);
    (void)command(BL_CMD_LE_LTK_NEGATIVE_REPLY);
    ltk_request(0, 0);
    (void)command(BL_CMD_LE_LTK_NEGATIVE_REPLY);
    changed(0, 1);
    ck_assert(!security().encrypted);
    config.min_key_size = 0;
    config.le_secure = true;
    ltk_request(7, 3);
    (void)command(BL_CMD_LE_LTK_REPLY); /* it is a Secure Connections key */
}
END_TEST

START_TEST(a_central_is_not_asked_for_keys)
{
    open_link(BL_ROLE_CENTRAL);
    add_bond(true);
    ltk_request(7, 3);
    (void)command(BL_CMD_LE_LTK_NEGATIVE_REPLY);
}
END_TEST

START_TEST(no_key_is_given_before_a_pairing_has_one)
{
    add_bond(false);
    config.pair_again = true;
    open_link(BL_ROLE_PERIPHERAL);
    request(BL_SMP_AUTH_SC | BL_SMP_AUTH_BONDING);
    ltk_request(0, 0);
    (void)command(BL_CMD_LE_LTK_NEGATIVE_REPLY);
    ltk_request(7, 3); /* nor the old one, which the new pairing is to replace */
    (void)command(BL_CMD_LE_LTK_NEGATIVE_REPLY);
    changed(0, 1);
    ck_assert(!security().encrypted);
}
END_TEST

START_TEST(encryption_that_stops_ends_the_link)
{
    add_bond(true);
    open_link(BL_ROLE_PERIPHERAL);
    ltk_request(7, 3);
    changed(0, 1);
    (void)news(BL_SMP_DROP);
    if (_i)
        event(BL_HCI_EV_KEY_REFRESH, 0, 0, 0); /* with whose key? */
    else
        changed(0, 0);
    ck_assert(!security().encrypted);
    ck_assert_uint_eq(news(BL_SMP_DROP), 1);
}
END_TEST

START_TEST(a_shorter_key_than_ours_is_believed)
{
    add_bond(true);
    open_link(BL_ROLE_PERIPHERAL);
    ltk_request(7, 3);
    event(BL_HCI_EV_ENCRYPTION_CHANGE, 0, 1, 10);
    ck_assert_uint_eq(security().key_size, 10);
}
END_TEST

START_TEST(a_central_encrypts_with_its_bond_at_once)
{
    add_bond(true);
    open_link(BL_ROLE_CENTRAL);
    const struct fake_cmd *cmd = command(BL_CMD_LE_ENABLE_ENCRYPTION);
    ck_assert_uint_eq(cmd->n, 28);
    ck_assert_uint_eq(cmd->params[2], 4);     /* Rand */
    ck_assert_uint_eq(cmd->params[10], 8);    /* EDIV */
    ck_assert_uint_eq(cmd->params[12], 0x22); /* the key */
    changed(0, 1);
    (void)next_event(BL_EV_ENCRYPTED);
    silent();
}
END_TEST

START_TEST(what_stops_encryption_is_told)
{
    struct bl_hci_reply reply;

    add_bond(true);
    if (_i == 0)
        hci->cmd_error = -EBUSY;
    open_link(BL_ROLE_CENTRAL);
    if (_i > 0) {
        const struct fake_cmd *cmd = command(BL_CMD_LE_ENABLE_ENCRYPTION);
        silent();
        if (_i == 1)
            reply = fake_hci_reply(cmd, BL_HCI_COMMAND_DISALLOWED, NULL, 0);
        else
            reply = fake_hci_lost(cmd);
        if (_i < 3)
            bl_smp_reply(smp, now, &reply);
        else if (_i == 3)
            changed(BL_HCI_KEY_MISSING, 0);
        else
            bl_smp_tick(smp, now = bl_smp_deadline(smp));
    }
    static const bl_status why[] = {BL_NO_RESOURCES, 0x10c, 0x11f, 0x106, BL_TIMEOUT};
    failed(why[_i]);
    ck_assert(!security().encrypted);
    ck_assert_ptr_nonnull(bl_smp_bond(smp, CONN));
    ck_assert_uint_eq(news(BL_SMP_DROP), 0);
}
END_TEST

/* The stored key was enough for nobody who waits: a pairing follows. */
START_TEST(who_joins_an_encryption_may_ask_for_more)
{
    uint8_t ignored;

    add_bond(false);
    config.io = BL_IO_DISPLAY_YES_NO;
    open_link(BL_ROLE_CENTRAL);
    (void)command(BL_CMD_LE_ENABLE_ENCRYPTION);
    bl_op op = pair(BL_SECURITY_AUTHENTICATED);
    changed(0, 1);
    (void)next_event(BL_EV_ENCRYPTED);
    ck_assert_uint_eq(sent(&ignored), BL_SMP_PAIRING_REQUEST);
    pdu((const uint8_t[]){BL_SMP_FAILED, BL_SMP_PAIRING_NOT_SUPPORTED}, 2);
    failed(BL_STATUS_SMP + BL_SMP_PAIRING_NOT_SUPPORTED);
    op_ends(op, BL_STATUS_SMP + BL_SMP_PAIRING_NOT_SUPPORTED);
    ck_assert(security().encrypted); /* with what it was */
}
END_TEST

/* ---- what peers ask for ---- */

/* Core 5.4, Vol 3, Part C, 10.2.4, whatever is allowed otherwise */
START_TEST(secure_connections_only_asks_for_128_bits)
{
    config.min_key_size = 7;
    config.le_secure = true;
    open_link(BL_ROLE_PERIPHERAL);
    pdu((const uint8_t[]){BL_SMP_PAIRING_REQUEST, BL_IO_NONE, 0, 0x09, 15, 7, 7}, 7);
    refused(BL_SMP_ENCRYPTION_KEY_SIZE);
}
END_TEST

START_TEST(pairing_requests_without_end_are_slowed_down)
{
    uint8_t why;

    open_link(BL_ROLE_PERIPHERAL);
    unsigned begun = 0;
    for (unsigned i = 0; i < 100; i++) {
        request(BL_SMP_AUTH_SC);
        if (sent(&why) == BL_SMP_PAIRING_RESPONSE) {
            begun++;
            pdu((const uint8_t[]){BL_SMP_FAILED, 8}, 2);
        } else {
            ck_assert_uint_eq(why, BL_SMP_REPEATED_ATTEMPTS);
        }
        now += 1000;
    }
    ck_assert_uint_eq(begun, 3);
    now += 1000000;
    request(BL_SMP_AUTH_SC);
    ck_assert_uint_eq(sent(&why), BL_SMP_PAIRING_RESPONSE);
    pdu((const uint8_t[]){BL_SMP_FAILED, 8}, 2);
    now += 1000000; /* the wait is twice as long now */
    request(BL_SMP_AUTH_SC);
    refused(BL_SMP_REPEATED_ATTEMPTS);
}
END_TEST

START_TEST(a_lost_key_is_told_a_few_times)
{
    unsigned told = 0;
    struct bl_event e;

    add_bond(true);
    open_link(BL_ROLE_PERIPHERAL);
    for (unsigned i = 0; i < 50; i++)
        request(BL_SMP_AUTH_SC | BL_SMP_AUTH_MITM);
    while (bl_evq_pop(&events, &e)) {
        ck_assert_int_eq(e.kind, BL_EV_PAIRING_FAILED);
        ck_assert_uint_eq(e.pairing_failed.status, 0x106);
        told++;
    }
    ck_assert_uint_eq(told, 3);
}
END_TEST

START_TEST(security_requests_without_end_are_slowed_down)
{
    unsigned tried = 0;

    add_bond(true);
    open_link(BL_ROLE_CENTRAL);
    for (unsigned i = 0; i < 50; i++) {
        if (fake_hci_take(hci)) {
            tried++;
            changed(BL_HCI_KEY_MISSING, 0);
        }
        pdu((const uint8_t[]){BL_SMP_SECURITY_REQUEST, 0x0d}, 2);
    }
    ck_assert_uint_eq(tried, 3);
}
END_TEST

/* Whatever it asks for, a bonded peripheral is encrypted with its bond's key. */
START_TEST(a_lower_request_does_not_lower)
{
    add_bond(true);
    open_link(BL_ROLE_CENTRAL);
    (void)command(BL_CMD_LE_ENABLE_ENCRYPTION);
    changed(BL_HCI_UNSUPPORTED_REMOTE, 0);
    failed(0x11a);
    pdu((const uint8_t[]){BL_SMP_SECURITY_REQUEST, _i ? 0x01 : 0x00}, 2);
    (void)command(BL_CMD_LE_ENABLE_ENCRYPTION);
    ck_assert_ptr_null(fake_hci_take_sent(hci));
    changed(0, 1);
    pdu((const uint8_t[]){BL_SMP_SECURITY_REQUEST, 0x0d}, 2); /* it has all that */
    no_command();
    ck_assert_ptr_null(fake_hci_take_sent(hci));
}
END_TEST

/* An unauthenticated bond is replaced by an authenticated one or not at all: the peripheral that
 * asks for one may be anybody. */
START_TEST(a_request_for_more_must_bring_it)
{
    uint8_t first;

    add_bond(false);
    open_link(BL_ROLE_CENTRAL);
    (void)command(BL_CMD_LE_ENABLE_ENCRYPTION);
    changed(BL_HCI_UNSUPPORTED_REMOTE, 0);
    failed(0x11a);
    pdu((const uint8_t[]){BL_SMP_SECURITY_REQUEST, 0x0d}, 2);
    no_command();
    ck_assert_uint_eq(sent(&first), BL_SMP_PAIRING_REQUEST);
    pdu((const uint8_t[]){BL_SMP_PAIRING_RESPONSE, BL_IO_NONE, 0, 0x09, 16, 5, 5}, 7);
    refused(BL_SMP_AUTHENTICATION_REQUIREMENTS);
    ck_assert_ptr_nonnull(bl_smp_bond(smp, CONN));
}
END_TEST

START_TEST(what_we_ask_for_stays_asked_for)
{
    const struct fake_sent *s;

    config.mitm = true;
    open_link(BL_ROLE_CENTRAL);
    pdu((const uint8_t[]){BL_SMP_SECURITY_REQUEST, 0x01}, 2); /* without MITM */
    s = fake_hci_take_sent(hci);
    ck_assert_ptr_nonnull(s);
    ck_assert_uint_eq(s->data[4], BL_SMP_PAIRING_REQUEST);
    ck_assert(s->data[7] & BL_SMP_AUTH_MITM);
}
END_TEST

START_TEST(a_bond_sets_the_level_of_the_next_pairing)
{
    add_bond(true);
    config.pair_again = true;
    open_link(BL_ROLE_PERIPHERAL);
    request(BL_SMP_AUTH_SC | BL_SMP_AUTH_BONDING); /* Just Works */
    refused(BL_SMP_AUTHENTICATION_REQUIREMENTS);
    request(BL_SMP_AUTH_BONDING); /* legacy */
    refused(BL_SMP_AUTHENTICATION_REQUIREMENTS);
    ck_assert_ptr_nonnull(bl_smp_bond(smp, CONN));
}
END_TEST

START_TEST(nonsense_is_refused_and_begins_nothing)
{
    open_link(BL_ROLE_PERIPHERAL);
    pdu((const uint8_t[]){BL_SMP_PAIRING_REQUEST, 3, 0, 1}, 4);
    refused(BL_SMP_INVALID_PARAMETERS);
    pdu((const uint8_t[]){0x77}, 1);
    refused(BL_SMP_COMMAND_NOT_SUPPORTED);
    pdu((const uint8_t[]){0}, 1);
    refused(BL_SMP_COMMAND_NOT_SUPPORTED);
    pdu((const uint8_t[17]){BL_SMP_CONFIRM}, 17);
    refused(BL_SMP_UNSPECIFIED_REASON);
    pdu((const uint8_t[]){BL_SMP_FAILED, 3}, 2);
    pdu((const uint8_t[]){BL_SMP_KEYPRESS, 1}, 2);
    pdu("", 0);
    ck_assert_ptr_null(fake_hci_take_sent(hci)); /* no answer to an answer */
    silent();
    ck_assert_uint_eq(bl_smp_deadline(smp), TIMERQ_NEVER);
}
END_TEST

START_TEST(a_peripheral_does_not_request_of_us)
{
    open_link(BL_ROLE_CENTRAL);
    request(BL_SMP_AUTH_SC);
    refused(BL_SMP_COMMAND_NOT_SUPPORTED);
}
END_TEST

/* ---- what cannot be done ---- */

START_TEST(a_pdu_that_cannot_be_sent_ends_the_pairing)
{
    open_link(_i ? BL_ROLE_CENTRAL : BL_ROLE_PERIPHERAL);
    hci->send_error = -ENOBUFS;
    if (_i) {
        bl_op op = pair(0);
        failed(BL_NO_RESOURCES);
        op_ends(op, BL_NO_RESOURCES);
    } else {
        request(BL_SMP_AUTH_SC);
        failed(BL_NO_RESOURCES);
    }
    ck_assert_uint_eq(bl_smp_deadline(smp), TIMERQ_NEVER);
}
END_TEST

START_TEST(a_request_that_cannot_be_sent_has_not_been_made)
{
    const struct bl_pair_params p = {0};
    bl_op op = 99;

    open_link(BL_ROLE_PERIPHERAL);
    hci->send_error = -ENOBUFS;
    ck_assert_int_eq(bl_smp_pair(smp, now, CONN, &p, &op), -ENOMEM);
    ck_assert_uint_eq(op, 99);
    ck_assert_uint_eq(events.open_ops, 0);
    op = pair(0);
    bl_smp_tick(smp, now = bl_smp_deadline(smp));
    failed(BL_TIMEOUT);
    op_ends(op, BL_TIMEOUT);
}
END_TEST

START_TEST(no_memory_ends_what_it_stops)
{
    for (unsigned long n = 1; n < 4; n++) {
        uint8_t why;
        open_link(BL_ROLE_PERIPHERAL);
        oom_fail_at(n);
        request(BL_SMP_AUTH_SC);
        oom_off();
        struct bl_event e;
        bool ended = bl_evq_pop(&events, &e);
        while (fake_hci_take_sent(hci))
            ;
        if (ended)
            ck_assert_int_eq(e.kind, BL_EV_PAIRING_FAILED);
        bl_smp_close(smp, now, CONN, 0x108);
        while (bl_evq_pop(&events, &e))
            ;
        open_link(BL_ROLE_PERIPHERAL);
        request(BL_SMP_AUTH_SC);
        ck_assert_uint_eq(sent(&why), BL_SMP_PAIRING_RESPONSE);
        bl_smp_close(smp, now, CONN, 0x108);
        while (bl_evq_pop(&events, &e))
            ;
    }
    const struct bl_smp_link link = {.conn = CONN};
    oom_fail_at(1);
    int r = bl_smp_open(smp, now, &link);
    oom_off();
    ck_assert_int_eq(r, -ENOMEM);
}
END_TEST

START_TEST(a_bond_that_no_pairing_could_have_made_is_refused)
{
    struct bl_bond b = some_bond(true);

    b.identity.b[5] = 0x40; /* a resolvable private address is nobody's identity */
    ck_assert_int_eq(bl_smp_bond_add(smp, now, &b), -EINVAL);
    b = some_bond(true);
    b.identity = (struct bl_addr){0};
    ck_assert_int_eq(bl_smp_bond_add(smp, now, &b), -EINVAL);
    b = some_bond(true);
    b.local_ltk.size = 6;
    ck_assert_int_eq(bl_smp_bond_add(smp, now, &b), -EINVAL);
    b.local_ltk.size = 17;
    ck_assert_int_eq(bl_smp_bond_add(smp, now, &b), -EINVAL);
    b = some_bond(true);
    memset(b.peer_ltk.key, 0, 16);
    ck_assert_int_eq(bl_smp_bond_add(smp, now, &b), -EINVAL);
    b = some_bond(true);
    b.has_irk = true; /* of zeros */
    ck_assert_int_eq(bl_smp_bond_add(smp, now, &b), -EINVAL);
    b = some_bond(true);
    b.n_cccds = BL_BOND_CCCDS + 1;
    ck_assert_int_eq(bl_smp_bond_add(smp, now, &b), -EINVAL);
    ck_assert_uint_eq(bl_smp_bonds(smp)->n, 0);
    ck_assert_uint_eq(news(BL_SMP_BOND_ADDED), 0);
}
END_TEST

/* ---- bonds of links ---- */

static void encrypted_by_bond(void)
{
    add_bond(false);
    open_link(BL_ROLE_PERIPHERAL);
    ltk_request(7, 3);
    (void)command(BL_CMD_LE_LTK_REPLY);
    changed(0, 1);
    ck_assert(next_event(BL_EV_ENCRYPTED).encrypted.bonded);
    (void)news(BL_SMP_DROP);
}

/* Whatever takes the bond: deletion, the end of its store, another one in a full table. */
START_TEST(a_link_whose_bond_goes_is_not_bonded)
{
    struct bl_bond b = some_bond(true);

    encrypted_by_bond();
    if (_i == 0) {
        ck_assert_int_eq(bl_smp_bond_remove(smp, now, &peer), 0);
        ck_assert(next_event(BL_EV_BOND).bond.removed);
    } else if (_i == 1) {
        bl_smp_bond_clear(smp);
    } else {
        for (unsigned i = 1; i < BL_MAX_BONDS; i++) {
            b.identity = (struct bl_addr){ADDR_PUBLIC, {(uint8_t)i, (uint8_t)(i >> 8), 7}};
            ck_assert_int_eq(bl_smp_bond_add(smp, now, &b), 0);
            (void)news(BL_SMP_DROP);
        }
        silent();
        b.identity.b[2] = 8;
        ck_assert_int_eq(smp_bond_put(smp, now, &b, false), 0);
        ck_assert(next_event(BL_EV_BOND).bond.removed);
        ck_assert(next_event(BL_EV_BOND).bond.added);
    }
    struct bl_event e = next_event(BL_EV_SECURITY);
    ck_assert(e.encrypted.encrypted && !e.encrypted.bonded);
    ck_assert_uint_eq(e.encrypted.key_size, 16);
    silent();
    ck_assert(security().encrypted && !security().bonded);
    ck_assert_uint_eq(news(BL_SMP_DROP), _i == 0); /* the others go on */
}
END_TEST

/* The controller has been given the key, and has not said what came of it. */
START_TEST(a_bond_that_goes_while_it_is_used_does_not_come_back)
{
    add_bond(false);
    open_link(BL_ROLE_PERIPHERAL);
    ltk_request(7, 3);
    bl_smp_bond_clear(smp);
    changed(0, 1);
    ck_assert(!next_event(BL_EV_ENCRYPTED).encrypted.bonded);
    ck_assert(!security().bonded);
}
END_TEST

/* _i: we are central, and encrypt as if it had been there before */
START_TEST(a_link_is_known_by_a_bond_that_comes_later)
{
    open_link(_i ? BL_ROLE_CENTRAL : BL_ROLE_PERIPHERAL);
    no_command();
    add_bond(true);
    bl_smp_identified(smp, now, CONN, &peer);
    struct bl_event e = next_event(BL_EV_IDENTITY);
    ck_assert(bl_addr_eq(&e.identity.identity, &peer));
    silent();
    ck_assert_uint_eq(news(BL_SMP_IDENTITY), 1);
    if (_i)
        (void)command(BL_CMD_LE_ENABLE_ENCRYPTION);
    no_command();
    bl_smp_identified(smp, now, CONN, &peer); /* and that is that */
    silent();
    no_command();
}
END_TEST

/* All that can wait at once: every link has every kind, and more does not. */
START_TEST(news_have_room)
{
    struct bl_smp_news n;
    struct bl_bond b = some_bond(false);
    unsigned waiting = 0;

    for (uint16_t i = 0; i < BL_MAX_LINKS; i++) {
        const struct bl_smp_link link = {.conn = (uint16_t)(100 + i),
                                         .handle = i,
                                         .role = BL_ROLE_PERIPHERAL,
                                         .own = own,
                                         .peer = {ADDR_PUBLIC, {(uint8_t)i, 9, 9}}};
        b.identity = link.peer;
        ck_assert_int_eq(bl_smp_open(smp, now, &link), 0);
        ck_assert_int_eq(bl_smp_bond_add(smp, now, &b), 0);
        while (bl_smp_pop_news(smp, &n)) {
        }
    }
    for (unsigned round = 0; round < 8; round++) {
        for (uint16_t i = 0; i < BL_MAX_LINKS; i++) {
            const struct bl_addr who = {ADDR_PUBLIC, {(uint8_t)i, 9, 9}};
            bl_smp_identified(smp, now, (uint16_t)(100 + i), &who);
            smp_drop(smp, smp_find(smp, (uint16_t)(100 + i)));
        }
        ck_assert_int_eq(bl_smp_bond_remove(smp, now, &b.identity), 0);
        ck_assert_int_eq(bl_smp_bond_add(smp, now, &b), 0);
    }
    while (bl_smp_pop_news(smp, &n))
        waiting++;
    ck_assert_uint_eq(waiting, 3 * BL_MAX_LINKS + 2);
}
END_TEST

static Suite *smp_suite(void)
{
    Suite *s = suite_create("smp");
    TCase *t = tcase_create("smp");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_claim_that_nobody_gave_a_key_for_encrypts_nothing, 0, 2);
    tcase_add_test(t, a_peripheral_gives_the_key_that_is_asked_for);
    tcase_add_test(t, wrong_requests_for_keys_get_none);
    tcase_add_test(t, a_central_is_not_asked_for_keys);
    tcase_add_test(t, no_key_is_given_before_a_pairing_has_one);
    tcase_add_loop_test(t, encryption_that_stops_ends_the_link, 0, 2);
    tcase_add_test(t, a_shorter_key_than_ours_is_believed);
    tcase_add_test(t, a_central_encrypts_with_its_bond_at_once);
    tcase_add_loop_test(t, what_stops_encryption_is_told, 0, 5);
    tcase_add_test(t, who_joins_an_encryption_may_ask_for_more);
    tcase_add_test(t, secure_connections_only_asks_for_128_bits);
    tcase_add_test(t, pairing_requests_without_end_are_slowed_down);
    tcase_add_test(t, a_lost_key_is_told_a_few_times);
    tcase_add_test(t, security_requests_without_end_are_slowed_down);
    tcase_add_loop_test(t, a_lower_request_does_not_lower, 0, 2);
    tcase_add_test(t, a_request_for_more_must_bring_it);
    tcase_add_test(t, what_we_ask_for_stays_asked_for);
    tcase_add_test(t, a_bond_sets_the_level_of_the_next_pairing);
    tcase_add_test(t, nonsense_is_refused_and_begins_nothing);
    tcase_add_test(t, a_peripheral_does_not_request_of_us);
    tcase_add_loop_test(t, a_pdu_that_cannot_be_sent_ends_the_pairing, 0, 2);
    tcase_add_test(t, a_request_that_cannot_be_sent_has_not_been_made);
    tcase_add_test(t, no_memory_ends_what_it_stops);
    tcase_add_test(t, a_bond_that_no_pairing_could_have_made_is_refused);
    tcase_add_loop_test(t, a_link_whose_bond_goes_is_not_bonded, 0, 3);
    tcase_add_test(t, a_bond_that_goes_while_it_is_used_does_not_come_back);
    tcase_add_loop_test(t, a_link_is_known_by_a_bond_that_comes_later, 0, 2);
    tcase_add_test(t, news_have_room);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(smp_suite());

    srunner_run_all(r, CK_ENV);
    int n = srunner_ntests_failed(r);
    srunner_free(r);
    return n ? EXIT_FAILURE : EXIT_SUCCESS;
}
