/* SPDX-License-Identifier: MIT */

/* Pairing1: who is asked, who may answer, what becomes of prompts when people go; Pair; bonds. That
 * pairings come about is shown between daemons (test_pairing.py). */

#include "conn.h"
#include "pairing.h"
#include "rig.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#define P      PAIRING_INTERFACE
#define DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define BAD    "org.freedesktop.DBus.Error.InvalidArgs"

enum { INPUT = 2, DISPLAY = 3, COMPARE = 4 };

static struct rig rig;

static void event(const struct bl_event *e)
{
    bus_adapter_event(rig.a, e);
    rig_run(&rig);
}

static void connected(uint16_t conn)
{
    event(&(struct bl_event){
        .kind = BL_EV_CONNECTED,
        .connected = {.conn = conn,
                      .role = BL_ROLE_PERIPHERAL,
                      .peer = {.type = ADDR_RANDOM, .b = {(uint8_t)conn, 2, 3, 4, 5, 0xc6}}}});
    rig_forget(&rig);
}

static void setup(void)
{
    rig_start(&rig, true);
    rig_ready(&rig);
    connected(1);
}

static void teardown(void)
{
    ck_assert_uint_eq(rig.a->bus->signals_failed, 0);
    rig_stop(&rig);
}

static const char *answer(unsigned call)
{
    return rig_answer(&rig, call);
}

static void attach(const char *name)
{
    ck_assert_str_eq(answer(rig_call(&rig, name, "org.bled.Adapter1", "Attach", "a{sv}", 0)),
                     "reply");
}

static unsigned detach(const char *name)
{
    return rig_call(&rig, name, "org.bled.Adapter1", "Detach", "");
}

static unsigned pair(const char *name)
{
    return rig_call(&rig, name, P, "Pair", "qa{sv}", 1, 0);
}

static unsigned attend(const char *name, bool draw)
{
    return rig_call(&rig, name, P, "Attend", "a{sv}", 1, "draw", "b", (int)draw);
}

static unsigned passkey(const char *name, unsigned action, unsigned number)
{
    return rig_call(&rig, name, P, "Passkey", "qyu", 1, action, number);
}

static void asked(enum bl_passkey_action action, uint32_t number)
{
    event(&(struct bl_event){.kind = BL_EV_PASSKEY, .passkey = {1, (uint8_t)action, number}});
}

static void encrypted(bool bonded)
{
    event(&(struct bl_event){.kind = BL_EV_ENCRYPTED,
                             .encrypted = {.conn = 1,
                                           .encrypted = true,
                                           .authenticated = true,
                                           .bonded = bonded,
                                           .secure_connections = true,
                                           .key_size = 16}});
}

static void failed(bl_status status)
{
    event(&(struct bl_event){.kind = BL_EV_PAIRING_FAILED, .pairing_failed = {1, status}});
}

static void done(bl_status status)
{
    event(&(struct bl_event){.kind = BL_EV_OP_DONE,
                             .done = {.op = rig.host.last_op,
                                      .status = status,
                                      .security = {true, true, false, true, 16}}});
}

static struct bus_conn *link_one(void)
{
    return bus_conn_find(rig.a, 1, NULL);
}

/* The first connection is this attached client's. */
static void give(const char *name)
{
    attach(name);
    for (unsigned i = 1; i < BUS_MAX_OWNERS; i++)
        if (rig.a->owners[i] && strcmp(rig.a->owners[i]->client->name, name) == 0)
            ck_assert_int_eq(bus_conn_use(link_one(), rig.a->owners[i]), 0);
    struct bus_use *daemon = bus_conn_use_of(link_one(), rig.a->owners[0]);
    if (daemon)
        bus_conn_leave(daemon);
    rig_run(&rig);
    rig_forget(&rig);
}

/* ---- Pair ---- */

START_TEST(pair_answers_when_it_is_over_and_after_the_signal)
{
    unsigned c = pair(":1.1");
    ck_assert_str_eq(answer(c), "");
    encrypted(false);
    done(BL_OK);
    char line[64];
    snprintf(line, sizeof(line), "reply %u 1 1 0 16", c);
    ck_assert_ptr_nonnull(rig_find(&rig, line));
    ck_assert_ptr_nonnull(rig_find(&rig, "signal EncryptionUpdated -> * 1 1 1 0 16"));
    ck_assert_uint_lt(rig_index(&rig, "signal EncryptionUpdated"), rig_index(&rig, line));
}
END_TEST

START_TEST(options_of_pair_reach_the_host)
{
    rig_call(&rig, ":1.1", P, "Pair", "qa{sv}", 1, 5, "bond", "b", 0, "mitm", "b", 1, "le_secure",
             "b", 1, "io", "y", 4, "security", "y", 3);
    const struct bl_pair_params *p = &rig.host.smp.params;
    ck_assert(p->has_bond && !p->bond && p->has_mitm && p->mitm && p->has_le_secure &&
              p->le_secure && p->has_io && p->io == 4 && p->security == 3);
    done(BL_OK);
    pair(":1.1");
    ck_assert(!p->has_bond && !p->has_mitm && !p->has_le_secure && !p->has_io && p->security == 0);
    done(BL_OK);
}
END_TEST

static const struct {
    const char *key, *type;
    unsigned bad, good;
} EDGES[] = {{"io", "y", 5, 4},
             {"passkey", "u", 1000000, 999999},
             {"security", "y", 1, 2},
             {"security", "y", 5, 4}};

START_TEST(options_of_pair_have_edges)
{
    ck_assert_str_eq(answer(rig_call(&rig, ":1.1", P, "Pair", "qa{sv}", 1, 1, EDGES[_i].key,
                                     EDGES[_i].type, EDGES[_i].bad)),
                     BAD);
    ck_assert_uint_eq(rig.host.smp.pairs, 0);
    rig_call(&rig, ":1.1", P, "Pair", "qa{sv}", 1, 1, EDGES[_i].key, EDGES[_i].type,
             EDGES[_i].good);
    ck_assert_uint_eq(rig.host.smp.pairs, 1);
    done(BL_OK);
}
END_TEST

START_TEST(refusals_of_pair_have_names)
{
    ck_assert_str_eq(answer(rig_call(&rig, ":1.1", P, "Pair", "qa{sv}", 9, 0)),
                     "org.bled.Error.NotConnected");
    rig.host.smp.result = -EBUSY;
    ck_assert_str_eq(answer(pair(":1.1")), "org.bled.Error.Busy");
    rig.host.smp.result = -ENOTCONN;
    ck_assert_str_eq(answer(pair(":1.1")), "org.bled.Error.NotConnected");
}
END_TEST

static const struct {
    bl_status status;
    bool linked;
    const char *name;
} ENDS[] = {{0x201, true, "org.bled.Error.Smp.PasskeyEntryFailed"},
            {0x20c, true, "org.bled.Error.Smp.NumericComparisonFailed"},
            {0x203, false, "org.bled.Error.Smp.AuthenticationRequirements"},
            {BL_TIMEOUT, true, "org.bled.Error.Timeout"},
            {0x106, true, "org.bled.Error.Hci.PinOrKeyMissing"},
            {0x113, false, "org.bled.Error.Disconnected"}};

START_TEST(failures_of_pair_have_names)
{
    rig.host.linked = ENDS[_i].linked;
    unsigned c = pair(":1.1");
    failed(ENDS[_i].status);
    done(ENDS[_i].status);
    ck_assert_str_eq(answer(c), ENDS[_i].name);
    char line[64];
    snprintf(line, sizeof(line), "signal PairingFailed -> * 1 %u", ENDS[_i].status);
    ck_assert_ptr_nonnull(rig_find(&rig, line));
    ck_assert_uint_eq(rig_count(&rig, "signal EncryptionUpdated"), 0);
}
END_TEST

START_TEST(pair_without_waiting_answers_zeros_at_once)
{
    unsigned c = rig_call(&rig, ":1.1", P, "Pair", "qa{sv}", 1, 1, "wait", "b", 0);
    char line[64];
    snprintf(line, sizeof(line), "reply %u 0 0 0 0", c);
    ck_assert_ptr_nonnull(rig_find(&rig, line));
    asked(BL_PASSKEY_INPUT, 0);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal PasskeyAction -> :1.1 1 2 0"));
    rig_vanish(&rig, ":1.1");
    ck_assert_uint_eq(rig.host.smp.refusals, 1);
    failed(0x201);
    done(0x201);
}
END_TEST

/* Its bond has gone, and nothing of the pairing's is told. */
START_TEST(connection_shows_that_its_bond_has_gone)
{
    encrypted(true);
    rig_forget(&rig);
    event(&(struct bl_event){.kind = BL_EV_SECURITY,
                             .encrypted = {.conn = 1,
                                           .encrypted = true,
                                           .authenticated = true,
                                           .secure_connections = true,
                                           .key_size = 16}});
    ck_assert_uint_eq(rig_count(&rig, "signal PropertiesChanged"), 1);
    ck_assert_uint_eq(rig_count(&rig, "signal"), 1);
    ck_assert(link_one()->security.encrypted && !link_one()->security.bonded);
}
END_TEST

/* A peer's counter is stored as far ahead as the host says. */
START_TEST(counters_are_stored_ahead)
{
    const struct bl_bond b = {.identity = {.type = ADDR_RANDOM, .b = {7, 2, 3, 4, 5, 0xc6}},
                              .peer_counter = 10,
                              .peer_ahead = 256};

    ck_assert_int_eq(bl_bond_add(&rig.host, 0, &b), 0);
    event(&(struct bl_event){.kind = BL_EV_BOND, .bond = {b.identity, false, false}});
    ck_assert_uint_eq(rig.wrote_counter, 266);
}
END_TEST

START_TEST(connection_shows_what_it_has)
{
    encrypted(true);
    ck_assert_uint_eq(rig_index(&rig, "signal PropertiesChanged"), 0);
    ck_assert(link_one()->security.encrypted && link_one()->security.bonded);
    ck_assert_uint_eq(link_one()->security.key_size, 16);
    rig_forget(&rig);
    encrypted(true);
    ck_assert_uint_eq(rig_count(&rig, "signal PropertiesChanged"), 0);
    const struct bl_addr who = {ADDR_PUBLIC, {1, 1, 1, 1, 1, 1}};
    event(&(struct bl_event){.kind = BL_EV_IDENTITY, .identity = {1, who}});
    ck_assert_uint_eq(rig_count(&rig, "signal PropertiesChanged"), 1);
    ck_assert(bl_addr_eq(&link_one()->info.identity, &who));
    ck_assert(bl_addr_eq(&link_one()->peer, &who));
}
END_TEST

/* ---- who is asked ---- */

START_TEST(caller_of_pair_is_asked_though_unattached_and_any_may_answer)
{
    attend(":1.9", false);
    unsigned c = pair(":1.1");
    asked(BL_PASSKEY_COMPARE, 123456);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal PasskeyAction -> :1.1 1 4 123456"));
    ck_assert_uint_eq(rig_count(&rig, "signal PasskeyAction"), 1);
    ck_assert_str_eq(answer(passkey(":1.7", COMPARE, 1)), "reply");
    ck_assert_uint_eq(rig.host.smp.action, BL_PASSKEY_COMPARE);
    ck_assert_uint_eq(rig.host.smp.passkey, 1);
    ck_assert_str_eq(answer(passkey(":1.1", COMPARE, 1)), "org.bled.Error.NotFound");
    encrypted(false);
    done(BL_OK);
    ck_assert_str_eq(answer(c), "reply");
}
END_TEST

START_TEST(attached_caller_of_pair_alone_may_answer)
{
    give(":1.2");
    attach(":1.1");
    pair(":1.1");
    asked(BL_PASSKEY_INPUT, 0);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal PasskeyAction -> :1.1 1 2 0"));
    ck_assert_str_eq(answer(passkey(":1.2", INPUT, 7)), DENIED);
    ck_assert_str_eq(answer(passkey(":1.3", INPUT, 7)), DENIED);
    ck_assert_uint_eq(rig.host.smp.answers, 0);
    ck_assert_str_eq(answer(passkey(":1.1", INPUT, 7)), "reply");
    ck_assert_uint_eq(rig.host.smp.passkey, 7);
    done(BL_OK);
}
END_TEST

START_TEST(owner_of_the_connection_is_asked_before_the_attendant)
{
    attend(":1.9", false);
    give(":1.2");
    asked(BL_PASSKEY_DISPLAY, 0);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal PasskeyAction -> :1.2 1 3 0"));
    ck_assert_uint_eq(rig_count(&rig, "signal PasskeyAction"), 1);
    ck_assert_str_eq(answer(passkey(":1.2", DISPLAY, 999999)), "reply");
    ck_assert_uint_eq(rig.host.smp.passkey, 999999);
}
END_TEST

START_TEST(attendant_is_asked_where_the_daemon_owns_the_connection)
{
    ck_assert_str_eq(answer(attend(":1.9", false)), "reply");
    asked(BL_PASSKEY_INPUT, 0);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal PasskeyAction -> :1.9 1 2 0"));
    ck_assert_str_eq(answer(passkey(":1.9", INPUT, 0)), "reply");
}
END_TEST

START_TEST(what_nobody_can_answer_is_refused_at_once)
{
    asked(BL_PASSKEY_INPUT, 0);
    ck_assert_uint_eq(rig.host.smp.refusals, 1);
    ck_assert_uint_eq(rig_count(&rig, "signal"), 0);
    ck_assert_str_eq(answer(passkey(":1.1", INPUT, 0)), "org.bled.Error.NotFound");
}
END_TEST

START_TEST(passkey_of_pair_answers_input_in_silence_and_display_aloud)
{
    for (int display = 0; display < 2; display++) {
        rig_forget(&rig);
        unsigned c = rig_call(&rig, ":1.1", P, "Pair", "qa{sv}", 1, 1, "passkey", "u", 4711);
        asked(display ? BL_PASSKEY_DISPLAY : BL_PASSKEY_INPUT, 0);
        ck_assert_uint_eq(rig.host.smp.answers, (unsigned)display + 1);
        ck_assert_uint_eq(rig.host.smp.passkey, 4711);
        ck_assert_uint_eq(rig_count(&rig, "signal PasskeyAction -> :1.1 1 3 4711"),
                          (size_t)display);
        ck_assert_uint_eq(rig_count(&rig, "signal"), (size_t)display);
        done(BL_OK);
        ck_assert_str_eq(answer(c), "reply");
    }
}
END_TEST

/* What is wiped, and whether the passkey was in it. */
enum { SECRET = 987654 };
static unsigned wiped;
void __real_explicit_bzero(void *p, size_t n);
void __wrap_explicit_bzero(void *p, size_t n);
void __wrap_explicit_bzero(void *p, size_t n)
{
    const uint32_t secret = SECRET;

    for (size_t i = 0; i + sizeof(secret) <= n; i += sizeof(secret))
        wiped += memcmp((const uint8_t *)p + i, &secret, sizeof(secret)) == 0;
    __real_explicit_bzero(p, n);
}

static unsigned pair_secretly(uint16_t conn)
{
    return rig_call(&rig, ":1.1", P, "Pair", "qa{sv}", conn, 1, "passkey", "u", SECRET);
}

START_TEST(passkeys_are_wiped_whatever_becomes_of_them)
{
    wiped = 0;
    ck_assert_str_eq(answer(pair_secretly(9)), "org.bled.Error.NotConnected");
    ck_assert_uint_eq(wiped, 1);
    pair_secretly(1);
    ck_assert_uint_eq(wiped, 2); /* as it was read; the call has its own */
    asked(BL_PASSKEY_INPUT, 0);
    ck_assert_uint_eq(rig.host.smp.passkey, SECRET);
    done(BL_OK);
    ck_assert_uint_eq(wiped, 3);
    pair(":1.1");
    asked(BL_PASSKEY_INPUT, 0);
    ck_assert_str_eq(answer(passkey(":1.1", INPUT, SECRET)), "reply");
    ck_assert_uint_eq(wiped, 4);
    done(BL_OK);
}
END_TEST

START_TEST(passkey_of_pair_is_no_comparison)
{
    rig_call(&rig, ":1.1", P, "Pair", "qa{sv}", 1, 1, "passkey", "u", 1);
    asked(BL_PASSKEY_COMPARE, 42);
    ck_assert_uint_eq(rig.host.smp.answers, 0);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal PasskeyAction -> :1.1 1 4 42"));
    done(BL_OK);
}
END_TEST

START_TEST(drawn_numbers_are_told_and_given_and_are_not_all_the_same)
{
    uint32_t first = 0;
    bool other = false;

    attend(":1.9", true);
    for (unsigned i = 0; i < 32; i++) {
        char line[64];
        rig_forget(&rig);
        asked(BL_PASSKEY_DISPLAY, 0);
        ck_assert_uint_eq(rig.host.smp.answers, i + 1);
        ck_assert_uint_le(rig.host.smp.passkey, 999999);
        snprintf(line, sizeof(line), "signal PasskeyAction -> :1.9 1 3 %u", rig.host.smp.passkey);
        ck_assert_ptr_nonnull(rig_find(&rig, line));
        first = i == 0 ? rig.host.smp.passkey : first;
        other |= rig.host.smp.passkey != first;
    }
    ck_assert(other);
    asked(BL_PASSKEY_INPUT, 0);
    ck_assert_uint_eq(rig.host.smp.answers, 32);
    ck_assert_str_eq(answer(passkey(":1.9", DISPLAY, 1)), "org.bled.Error.NotFound");
}
END_TEST

START_TEST(keys_pressed_are_told_by_who_is_asked_and_to_who_shows)
{
    attend(":1.9", false);
    ck_assert_str_eq(answer(rig_call(&rig, ":1.9", P, "Keypress", "qy", 1, 1)),
                     "org.bled.Error.NotFound");
    asked(BL_PASSKEY_INPUT, 0);
    for (unsigned type = 0; type <= 4; type++) {
        ck_assert_str_eq(answer(rig_call(&rig, ":1.9", P, "Keypress", "qy", 1, type)), "reply");
        ck_assert_uint_eq(rig.host.smp.keypress, type);
    }
    ck_assert_str_eq(answer(rig_call(&rig, ":1.9", P, "Keypress", "qy", 1, 5)), BAD);
    rig.host.smp.result = -ENOENT; /* the peer does not want to know */
    ck_assert_str_eq(answer(rig_call(&rig, ":1.9", P, "Keypress", "qy", 1, 1)),
                     "org.bled.Error.NotFound");
    rig.host.smp.result = 0;
    asked(BL_PASSKEY_DISPLAY, 0);
    ck_assert_str_eq(answer(rig_call(&rig, ":1.9", P, "Keypress", "qy", 1, 1)),
                     "org.bled.Error.NotFound");
    ck_assert_str_eq(answer(passkey(":1.9", DISPLAY, 1)), "reply");
    event(&(struct bl_event){.kind = BL_EV_KEYPRESS, .keypress = {1, 2}});
    ck_assert_ptr_nonnull(rig_find(&rig, "signal KeypressReceived -> :1.9 1 2"));
    detach(":1.9");
    rig_forget(&rig);
    event(&(struct bl_event){.kind = BL_EV_KEYPRESS, .keypress = {1, 2}});
    ck_assert_uint_eq(rig.n_lines, 0);
}
END_TEST

START_TEST(keys_pressed_by_who_was_not_asked_are_refused)
{
    give(":1.2");
    asked(BL_PASSKEY_INPUT, 0);
    ck_assert_str_eq(answer(rig_call(&rig, ":1.3", P, "Keypress", "qy", 1, 1)), DENIED);
    ck_assert_str_eq(answer(rig_call(&rig, ":1.2", P, "Keypress", "qy", 1, 1)), "reply");
}
END_TEST

/* ---- one question after another ---- */

static void asked_unread(enum bl_passkey_action action, uint32_t number)
{
    bus_adapter_event(
        rig.a, &(struct bl_event){.kind = BL_EV_PASSKEY, .passkey = {1, (uint8_t)action, number}});
    rig_run_deaf(&rig); /* it is on its way */
}

/* _i: 1 the first question was answered, 2 the client is attached */
START_TEST(answer_to_an_earlier_question_is_none_to_the_next)
{
    if (_i & 2)
        give(":1.1");
    else
        pair(":1.1");
    asked(BL_PASSKEY_COMPARE, 111111);
    if (_i & 1)
        ck_assert_str_eq(answer(passkey(":1.1", COMPARE, 1)), "reply");
    unsigned before = rig.host.smp.answers;
    failed(0x205);
    if (!(_i & 2)) {
        done(0x205);
        pair(":1.1");
    }
    asked_unread(BL_PASSKEY_COMPARE, 222222);
    ck_assert_str_eq(answer(passkey(":1.1", COMPARE, 1)), "org.bled.Error.NotFound");
    ck_assert_uint_eq(rig.host.smp.answers, before);
    rig_run(&rig); /* now it has read it */
    ck_assert_uint_eq(rig_count(&rig, "signal PasskeyAction -> :1.1 1 4 222222"), 1);
    ck_assert_str_eq(answer(passkey(":1.1", COMPARE, 1)), "reply");
    ck_assert_uint_eq(rig.host.smp.answers, before + 1);
    rig_vanish(&rig, ":1.1");
}
END_TEST

/* Its library never answers Ping: the question is open for its time and no longer; and nothing of
 * it is left when the controller goes or the connection ends. */
START_TEST(who_never_reads_is_not_waited_for)
{
    attend(":1.9", false);
    for (unsigned n = 0; n < 4; n++) {
        unsigned before = rig.host.smp.refusals;
        asked_unread(BL_PASSKEY_COMPARE, 111111 + n);
        rig.now += 29999999;
        bus_tick(rig.bus, rig.now);
        rig_run_deaf(&rig);
        ck_assert_uint_eq(rig.host.smp.refusals, before);
        rig.now++;
        bus_tick(rig.bus, rig.now);
        rig_run_deaf(&rig);
        ck_assert_uint_eq(rig.host.smp.refusals, before + 1);
        ck_assert(list_empty(&pairing_of(rig.a)->prompts));
    }
    asked_unread(BL_PASSKEY_COMPARE, 222222);
    if (_i)
        bus_adapter_event(
            rig.a, &(struct bl_event){.kind = BL_EV_DISCONNECTED, .disconnected = {.conn = 1}});
    else
        bus_adapter_event(rig.a, &(struct bl_event){.kind = BL_EV_FAILED, .failed = {"it died."}});
    ck_assert(list_empty(&pairing_of(rig.a)->prompts));
    ck_assert(list_empty(&pairing_of(rig.a)->asked));
    rig_run(&rig); /* the answers of all that, which nobody waits for */
}
END_TEST

/* Its library answers Ping before its program is given the signal that follows: an answer that the
 * signal brought about is never early. */
START_TEST(first_question_of_a_connection_can_be_answered_at_once)
{
    attend(":1.9", false);
    asked_unread(BL_PASSKEY_INPUT, 0);
    ck_assert_str_eq(answer(passkey(":1.9", INPUT, 1)), "reply");
}
END_TEST

START_TEST(who_was_asked_before_does_not_answer_for_who_is_asked_now)
{
    attend(":1.9", false);
    pair(":1.1");
    asked(BL_PASSKEY_COMPARE, 111111);
    failed(0x205);
    done(0x205);
    asked(BL_PASSKEY_COMPARE, 222222);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal PasskeyAction -> :1.9 1 4 222222"));
    ck_assert_str_eq(answer(passkey(":1.1", COMPARE, 1)), "org.bled.Error.NotFound");
    ck_assert_str_eq(answer(passkey(":1.9", COMPARE, 1)), "reply");
}
END_TEST

START_TEST(another_connection_of_the_same_number_begins_anew)
{
    attend(":1.9", false);
    asked(BL_PASSKEY_COMPARE, 111111);
    event(&(struct bl_event){.kind = BL_EV_DISCONNECTED, .disconnected = {.conn = 1}});
    ck_assert(list_empty(&pairing_of(rig.a)->asked));
    connected(1);
    asked_unread(BL_PASSKEY_COMPARE, 222222);
    ck_assert_str_eq(answer(passkey(":1.9", COMPARE, 1)), "reply");
}
END_TEST

/* ---- the attendant ---- */

START_TEST(there_is_one_attendant)
{
    ck_assert_str_eq(answer(attend(":1.9", false)), "reply");
    ck_assert_str_eq(answer(attend(":1.8", false)), "org.bled.Error.Busy");
    ck_assert_ptr_nonnull(strstr(rig_find(&rig, "error"), ":1.9"));
    ck_assert_str_eq(answer(attend(":1.9", true)), "reply");
    ck_assert(pairing_of(rig.a)->draw);
    ck_assert_str_eq(answer(detach(":1.9")), "reply");
    ck_assert_str_eq(answer(attend(":1.8", false)), "reply");
    ck_assert(!pairing_of(rig.a)->draw);
    rig_vanish(&rig, ":1.8");
    attach(":1.7");
    ck_assert_str_eq(answer(attend(":1.7", false)), "reply");
    ck_assert_str_eq(answer(attend(":1.6", false)), "org.bled.Error.Busy");
    ck_assert_str_eq(answer(detach(":1.7")), "reply");
    ck_assert_str_eq(answer(attend(":1.6", false)), "reply");
    ck_assert_str_eq(answer(detach(":1.6")), "reply");
    ck_assert(list_empty(&rig.a->calls));
    ck_assert(list_empty(&rig.bus->clients));
}
END_TEST

START_TEST(attendant_serves_while_inactive)
{
    rig_stop(&rig);
    rig_start(&rig, false);
    ck_assert_str_eq(answer(attend(":1.9", false)), "reply");
    ck_assert_str_eq(answer(pair(":1.1")), "org.bled.Error.NotActive");
    ck_assert_str_eq(answer(passkey(":1.1", INPUT, 1)), "org.bled.Error.NotActive");
}
END_TEST

/* ---- people who go ---- */

START_TEST(prompt_of_a_client_that_goes_is_refused_at_once)
{
    bool attached = _i & 1, pairs = _i & 2, leaves = _i & 4;

    if (!attached && !pairs && leaves)
        return; /* Detach of whoever is the attendant: below */
    if (attached)
        attach(":1.1");
    if (pairs)
        pair(":1.1");
    else
        attend(":1.1", false);
    asked(BL_PASSKEY_INPUT, 0);
    ck_assert_uint_eq(rig_count(&rig, "signal PasskeyAction -> :1.1"), 1);
    if (leaves && attached)
        detach(":1.1");
    else
        rig_vanish(&rig, ":1.1");
    ck_assert_uint_eq(rig.host.smp.refusals, 1);
    ck_assert_str_eq(answer(passkey(":1.2", INPUT, 1)), "org.bled.Error.NotFound");
    if (pairs)
        done(0x201);
}
END_TEST

START_TEST(attendant_that_detaches_is_refused_at_once)
{
    attend(":1.1", false);
    asked(BL_PASSKEY_INPUT, 0);
    detach(":1.1");
    ck_assert_uint_eq(rig.host.smp.refusals, 1);
}
END_TEST

START_TEST(another_client_that_goes_changes_nothing)
{
    attend(":1.1", false);
    pair(":1.2");
    asked(BL_PASSKEY_INPUT, 0);
    rig_vanish(&rig, ":1.1");
    ck_assert_uint_eq(rig.host.smp.refusals, 0);
    ck_assert_str_eq(answer(passkey(":1.2", INPUT, 1)), "reply");
    done(BL_OK);
}
END_TEST

START_TEST(caller_that_has_gone_is_not_asked)
{
    attend(":1.9", false);
    pair(":1.1");
    rig_vanish(&rig, ":1.1");
    ck_assert_uint_eq(rig.host.smp.refusals, 0);
    asked(BL_PASSKEY_INPUT, 0);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal PasskeyAction -> :1.9 1 2 0"));
    done(BL_OK);
}
END_TEST

START_TEST(prompt_ends_with_its_time_its_pairing_and_its_connection)
{
    attend(":1.9", false);
    for (int how = 0; how < 4; how++) {
        asked(BL_PASSKEY_INPUT, 0);
        rig.now += 29999999;
        rig_run(&rig);
        ck_assert_uint_eq(rig.host.smp.refusals, 0);
        if (how == 0)
            failed(0x201);
        else if (how == 1)
            encrypted(false);
        else if (how == 2)
            rig.now++;
        else
            event(&(struct bl_event){
                .kind = BL_EV_DISCONNECTED,
                .disconnected = {.conn = 1, .role = BL_ROLE_PERIPHERAL, .reason = 0x13}});
        rig_run(&rig);
        ck_assert_uint_eq(rig.host.smp.refusals, how == 2);
        rig.host.smp.refusals = 0;
        ck_assert_str_eq(answer(passkey(":1.9", INPUT, 1)),
                         how == 3 ? "org.bled.Error.NotConnected" : "org.bled.Error.NotFound");
    }
}
END_TEST

START_TEST(answers_are_checked)
{
    static const struct {
        unsigned action, number;
        const char *answer;
    } rows[] = {{1, 0, BAD},
                {5, 0, BAD},
                {INPUT, 1000000, BAD},
                {COMPARE, 2, BAD},
                {0, 0, "org.bled.Error.NotFound"},
                {DISPLAY, 1, "org.bled.Error.NotFound"},
                {COMPARE, 1, "org.bled.Error.NotFound"},
                {INPUT, 999999, "reply"}};

    attend(":1.9", false);
    asked(BL_PASSKEY_INPUT, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_str_eq(answer(passkey(":1.9", rows[i].action, rows[i].number)), rows[i].answer);
}
END_TEST

/* ---- bonds ---- */

static const struct bl_addr WHO = {ADDR_RANDOM, {1, 2, 3, 4, 5, 0xc6}};

static void bond_event(bool added, bool removed)
{
    event(&(struct bl_event){.kind = BL_EV_BOND, .bond = {WHO, added, removed}});
}

static void bonded(void)
{
    const struct bl_bond b = {.identity = WHO, .has_peer_ltk = true, .peer_ltk = {.size = 16}};
    ck_assert_int_eq(bl_bond_add(&rig.host, 0, &b), 0);
    bond_event(true, false);
}

START_TEST(bond_is_written_then_told)
{
    attach(":1.1");
    bonded();
    ck_assert_uint_eq(rig.bond_writes, 1);
    ck_assert_uint_eq(rig.wrote, 1);
    ck_assert_uint_ne(rig.host.smp.bonds[0].last_seen, 0);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal BondAdded -> * 1 C6:05:04:03:02:01"));
    rig_forget(&rig);
    bond_event(false, false);
    ck_assert_uint_eq(rig.bond_writes, 2);
    ck_assert_uint_eq(rig.n_lines, 0);
    encrypted(true); /* seen a moment ago */
    ck_assert_uint_eq(rig.bond_writes, 2);
    rig.host.smp.bonds[0].last_seen = 1;
    encrypted(true);
    ck_assert_uint_eq(rig.bond_writes, 3);
    ck_assert_uint_gt(rig.host.smp.bonds[0].last_seen, 1);
}
END_TEST

START_TEST(delete_bond_answers_when_it_is_gone_and_told)
{
    ck_assert_str_eq(answer(rig_call(&rig, ":1.1", P, "DeleteBond", "ys", 1, "C6:05:04:03:02:01")),
                     "org.bled.Error.NotFound");
    bonded();
    unsigned c = rig_call(&rig, ":1.1", P, "DeleteBond", "ys", 1, "c6:05:04:03:02:01");
    ck_assert_str_eq(answer(c), "");
    bond_event(false, true);
    ck_assert_str_eq(answer(c), "reply");
    ck_assert_uint_eq(rig.bond_deletes, 1);
    char line[32];
    snprintf(line, sizeof(line), "reply %u", c);
    ck_assert_uint_lt(rig_index(&rig, "signal BondRemoved -> * 1 C6:05:04:03:02:01"),
                      rig_index(&rig, line));
    ck_assert_str_eq(answer(rig_call(&rig, ":1.1", P, "DeleteBond", "ys", 2, "C6:05:04:03:02:01")),
                     BAD);
}
END_TEST

START_TEST(bonds_are_listed_and_deleted_while_inactive)
{
    rig_stop(&rig);
    rig_start(&rig, false);
    bonded();
    ck_assert_str_eq(answer(rig_call(&rig, ":1.1", P, "ListBonds", "")), "reply");
    unsigned c = rig_call(&rig, ":1.1", P, "DeleteBond", "ys", 1, "C6:05:04:03:02:01");
    bond_event(false, true);
    ck_assert_str_eq(answer(c), "reply");
}
END_TEST

START_TEST(bonds_are_loaded_when_the_controller_is_known)
{
    ck_assert_uint_eq(rig.bond_loads, 1);
    event(&(struct bl_event){.kind = BL_EV_FAILED, .failed = {"it died."}});
    rig_ready(&rig);
    ck_assert_uint_eq(rig.bond_loads, 2);
    ck_assert_uint_eq(rig.host.smp.clears, 0);
    event(&(struct bl_event){.kind = BL_EV_FAILED, .failed = {"it died."}});
    rig.host.info.identity.b[0]++;
    rig_ready(&rig);
    ck_assert_uint_eq(rig.bond_loads, 3);
    ck_assert_uint_eq(rig.host.smp.clears, 1); /* of another controller */
}
END_TEST

/* ---- out of band ---- */

static unsigned set_oob(const char *key, unsigned n, const char *second)
{
    sd_bus_message *m = NULL;
    static const uint8_t octets[17];
    uint64_t cookie;

    ck_assert_int_ge(
        sd_bus_message_new_method_call(rig.peer, &m, "org.bled", "/org/bled/hci0", P, "SetOob"), 0);
    sd_bus_message_set_sender(m, ":1.1");
    sd_bus_message_append(m, "ys", 1, "C6:05:04:03:02:01");
    sd_bus_message_open_container(m, 'a', "{sv}");
    const char *keys[] = {key, second};
    for (size_t i = 0; i < 2; i++) {
        if (!keys[i])
            continue;
        sd_bus_message_open_container(m, 'e', "sv");
        sd_bus_message_append_basic(m, 's', keys[i]);
        sd_bus_message_open_container(m, 'v', "ay");
        sd_bus_message_append_array(m, 'y', octets, n);
        sd_bus_message_close_container(m);
        sd_bus_message_close_container(m);
    }
    ck_assert_int_ge(sd_bus_message_close_container(m), 0);
    ck_assert_int_ge(sd_bus_send(rig.peer, m, &cookie), 0);
    sd_bus_message_unref(m);
    rig_run(&rig);
    return (unsigned)cookie;
}

START_TEST(out_of_band_data_is_checked_and_given)
{
    ck_assert_str_eq(answer(set_oob("tk", 16, NULL)), "reply");
    ck_assert_uint_eq(rig.host.smp.oob, 1);
    ck_assert(bl_addr_eq(&rig.host.smp.oob_peer, &WHO));
    ck_assert_str_eq(answer(set_oob("r", 16, "c")), "reply");
    ck_assert_uint_eq(rig.host.smp.oob, 6);
    ck_assert_str_eq(answer(set_oob(NULL, 0, NULL)), "reply");
    ck_assert_uint_eq(rig.host.smp.oob, 0);
    ck_assert_str_eq(answer(set_oob("r", 16, NULL)), BAD);
    ck_assert_str_eq(answer(set_oob("c", 16, NULL)), BAD);
    ck_assert_str_eq(answer(set_oob("tk", 15, NULL)), BAD);
    ck_assert_str_eq(answer(set_oob("tk", 17, NULL)), BAD);
    ck_assert_str_eq(answer(set_oob("tk", 0, NULL)), BAD);
    rig.host.smp.result = -ENOBUFS;
    ck_assert_str_eq(answer(set_oob("tk", 16, NULL)), "org.bled.Error.NoResources");
    rig.host.smp.result = 0;
    ck_assert_str_eq(answer(rig_call(&rig, ":1.1", P, "GetOob", "a{sv}", 0)), "reply");
    rig.host.smp.result = -EIO;
    ck_assert_str_eq(answer(rig_call(&rig, ":1.1", P, "GetOob", "a{sv}", 0)),
                     "org.bled.Error.NotSupported");
    rig.host.smp.result = 0;
}
END_TEST

START_TEST(adapter_that_goes_in_the_middle_leaves_nothing)
{
    pair(":1.1");
    attend(":1.9", false);
    attach(":1.5");
    asked(BL_PASSKEY_INPUT, 0);
    bonded();
    rig_call(&rig, ":1.1", P, "DeleteBond", "ys", 1, "C6:05:04:03:02:01");
    rig_call(&rig, ":1.6", P, "ProvideSecrets", "a{sv}", 0);
    /* teardown() frees it */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pairing");
    TCase *t = tcase_create("pairing");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, pair_answers_when_it_is_over_and_after_the_signal);
    tcase_add_test(t, options_of_pair_reach_the_host);
    tcase_add_loop_test(t, options_of_pair_have_edges, 0, (int)ARRAY_LEN(EDGES));
    tcase_add_test(t, refusals_of_pair_have_names);
    tcase_add_loop_test(t, failures_of_pair_have_names, 0, (int)ARRAY_LEN(ENDS));
    tcase_add_test(t, pair_without_waiting_answers_zeros_at_once);
    tcase_add_test(t, connection_shows_what_it_has);
    tcase_add_test(t, connection_shows_that_its_bond_has_gone);
    tcase_add_test(t, counters_are_stored_ahead);
    tcase_add_test(t, caller_of_pair_is_asked_though_unattached_and_any_may_answer);
    tcase_add_test(t, attached_caller_of_pair_alone_may_answer);
    tcase_add_test(t, owner_of_the_connection_is_asked_before_the_attendant);
    tcase_add_test(t, attendant_is_asked_where_the_daemon_owns_the_connection);
    tcase_add_test(t, what_nobody_can_answer_is_refused_at_once);
    tcase_add_test(t, passkey_of_pair_answers_input_in_silence_and_display_aloud);
    tcase_add_test(t, passkeys_are_wiped_whatever_becomes_of_them);
    tcase_add_test(t, passkey_of_pair_is_no_comparison);
    tcase_add_test(t, drawn_numbers_are_told_and_given_and_are_not_all_the_same);
    tcase_add_test(t, keys_pressed_are_told_by_who_is_asked_and_to_who_shows);
    tcase_add_test(t, keys_pressed_by_who_was_not_asked_are_refused);
    tcase_add_loop_test(t, answer_to_an_earlier_question_is_none_to_the_next, 0, 4);
    tcase_add_loop_test(t, who_never_reads_is_not_waited_for, 0, 2);
    tcase_add_test(t, first_question_of_a_connection_can_be_answered_at_once);
    tcase_add_test(t, who_was_asked_before_does_not_answer_for_who_is_asked_now);
    tcase_add_test(t, another_connection_of_the_same_number_begins_anew);
    tcase_add_test(t, there_is_one_attendant);
    tcase_add_test(t, attendant_serves_while_inactive);
    tcase_add_loop_test(t, prompt_of_a_client_that_goes_is_refused_at_once, 0, 8);
    tcase_add_test(t, attendant_that_detaches_is_refused_at_once);
    tcase_add_test(t, another_client_that_goes_changes_nothing);
    tcase_add_test(t, caller_that_has_gone_is_not_asked);
    tcase_add_test(t, prompt_ends_with_its_time_its_pairing_and_its_connection);
    tcase_add_test(t, answers_are_checked);
    tcase_add_test(t, bond_is_written_then_told);
    tcase_add_test(t, delete_bond_answers_when_it_is_gone_and_told);
    tcase_add_test(t, bonds_are_listed_and_deleted_while_inactive);
    tcase_add_test(t, bonds_are_loaded_when_the_controller_is_known);
    tcase_add_test(t, out_of_band_data_is_checked_and_given);
    tcase_add_test(t, adapter_that_goes_in_the_middle_leaves_nothing);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures ? 1 : 0;
}
