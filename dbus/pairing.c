/* SPDX-License-Identifier: MIT */

/*
 * pairing: org.bled.Pairing1: Pair, out-of-band data, bonds, and what is told of them.
 *
 * A pairing's end is told to all who use the connection (EncryptionUpdated or PairingFailed), then
 * answered to the caller of Pair. By then the bond has been given to whoever keeps it: the stack
 * tells of it first (BL_EV_BOND), and here it goes to the daemon's own store, or to the client that
 * provides secrets. Keys and passkeys are in no line of the log, no broadcast and no property.
 */

#include "pairing.h"

#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SECRET_LEN = 16,      /* of TK, r and c */
    SEEN_COARSE_S = 3600, /* last_seen alone is stored when it is that much out of date */
};

/* ---- Pair ---- */

struct pair_opts {
    struct bus_opts head;
    bool bond, mitm, le_secure;
    uint8_t io, security;
    uint32_t passkey;
};

enum { PAIR_BOND, PAIR_MITM, PAIR_LE_SECURE, PAIR_IO, PAIR_PASSKEY, PAIR_SECURITY };

static const struct bus_opt PAIR_OPTS[] = {
    [PAIR_BOND] = {"bond", "b", offsetof(struct pair_opts, bond), 0, 0, NULL},
    [PAIR_MITM] = {"mitm", "b", offsetof(struct pair_opts, mitm), 0, 0, NULL},
    [PAIR_LE_SECURE] = {"le_secure", "b", offsetof(struct pair_opts, le_secure), 0, 0, NULL},
    [PAIR_IO] = {"io", "y", offsetof(struct pair_opts, io), 0, 4, NULL},
    [PAIR_PASSKEY] = {"passkey", "u", offsetof(struct pair_opts, passkey), 0, 999999, NULL},
    [PAIR_SECURITY] = {"security", "y", offsetof(struct pair_opts, security), BL_SECURITY_ENCRYPTED,
                       BL_SECURITY_SC, NULL},
};

static void pair_done(struct bus_call *call, const struct bl_event *e)
{
    uint16_t conn = ((struct pair_call *)call)->conn;
    bl_status status = e->done.status;
    struct bl_conn_info info;

    if (status == BL_OK)
        bus_call_reply(call, "bbby", (int)e->done.security.encrypted,
                       (int)e->done.security.authenticated, (int)e->done.security.bonded,
                       e->done.security.key_size);
    else if (status >= BL_STATUS_HCI && status < BL_STATUS_SMP &&
             bl_conn_info(call->adapter->host, conn, &info) < 0)
        bus_call_fail_disconnected(call, status, "pairing on connection %u", conn);
    else
        bus_call_fail(call, status, "pairing on connection %u", conn);
}

/* What was asked of the client that has gone is refused at once; the pairing itself is not its
 * alone: the connection's other users may be the better for it. */
static void pair_cancel(struct bus_call *call)
{
    bus_pairing_prompt_call_gone((struct pair_call *)call);
}

static void pair_drop(struct bus_call *call)
{
    struct pair_call *c = (struct pair_call *)call;

    if (pairing_of(call->adapter))
        bus_pairing_prompt_call_gone(c);
    explicit_bzero(&c->passkey, sizeof(c->passkey));
}

static const struct bus_call_kind PAIR = {
    .method = "Pair",
    .out = "bbby",
    .size = sizeof(struct pair_call),
    .done = pair_done,
    .cancel = pair_cancel,
    .drop = pair_drop,
    .watch = true,
};

static int pair_begin(struct bus_adapter *a, struct bus_call *call, uint16_t conn,
                      const struct pair_opts *o, sd_bus_error *error)
{
    struct pair_call *c = (struct pair_call *)call;
    const struct bus_opts *h = &o->head;
    bl_op op = 0;
    const struct bl_pair_params params = {
        .has_bond = bus_opts_given(h, PAIR_BOND),
        .bond = o->bond,
        .has_mitm = bus_opts_given(h, PAIR_MITM),
        .mitm = o->mitm,
        .has_le_secure = bus_opts_given(h, PAIR_LE_SECURE),
        .le_secure = o->le_secure,
        .has_io = bus_opts_given(h, PAIR_IO),
        .io = o->io,
        .security = o->security,
    };

    c->conn = conn;
    c->has_passkey = bus_opts_given(h, PAIR_PASSKEY);
    c->passkey = o->passkey;
    int r = bl_pair(a->host, bus_now(a), conn, &params, &op);
    if (r == -EBUSY)
        return bus_error_set(error, BUS_BUSY, "A pairing is under way on connection %u.", conn);
    if (r < 0)
        return bus_error_errno(error, r, "pairing on connection %u", conn);
    list_append(&pairing_of(a)->pairs, &call->waiting);
    return bus_call_go(call, op);
}

int bus_pairing_begin(struct pair_call *call, uint16_t conn, uint8_t security, sd_bus_error *error)
{
    const struct pair_opts o = {.security = security};

    return pair_begin(call->call.adapter, &call->call, conn, &o, error);
}

void bus_pairing_over(struct pair_call *call)
{
    list_remove(&call->call.waiting);
    bus_pairing_unasked(call);
}

void bus_pairing_unasked(struct pair_call *call)
{
    if (pairing_of(call->call.adapter))
        bus_pairing_prompt_call_gone(call);
}

static int method_pair(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* o is wiped by whoever calls this: there may be a passkey in it. */
static int pair_read(struct bus_adapter *a, sd_bus_message *m, struct pair_opts *o,
                     sd_bus_error *error)
{
    struct bus_call *call;
    uint16_t conn;

    int r = bus_enter(a, m, method_pair, 0, NULL, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "q", &conn);
    if (r >= 0)
        r = bus_opts_read(m, PAIR_OPTS, ARRAY_LEN(PAIR_OPTS), o, error);
    if (r < 0)
        return r;
    if (!bus_conn_find(a, conn, error))
        return -ENOTCONN;
    r = bus_call_new(a, m, &PAIR, !o->head.no_wait, &call, error);
    if (r < 0)
        return r;
    r = pair_begin(a, call, conn, o, error);
    if (r < 0)
        bus_call_free(call);
    return r;
}

static int method_pair(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct pair_opts o = {0};
    int r = pair_read(userdata, m, &o, error);

    explicit_bzero(&o, sizeof(o));
    return r;
}

/* ---- out of band ---- */

struct oob_opts {
    struct bus_opts head;
    struct bus_bytes tk, r, c;
};

static const struct bus_opt OOB_OPTS[] = {
    {"tk", "ay", offsetof(struct oob_opts, tk), 0, 0, NULL},
    {"r", "ay", offsetof(struct oob_opts, r), 0, 0, NULL},
    {"c", "ay", offsetof(struct oob_opts, c), 0, 0, NULL},
};

static int oob_check(const struct oob_opts *o, sd_bus_error *error)
{
    const struct bus_bytes *values[] = {&o->tk, &o->r, &o->c};

    for (size_t i = 0; i < ARRAY_LEN(OOB_OPTS); i++)
        if (bus_opts_given(&o->head, i) && values[i]->n != SECRET_LEN)
            return bus_error_invalid(error, "%s: %zu octets are not the 16 that it has.",
                                     OOB_OPTS[i].key, values[i]->n);
    if (bus_opts_given(&o->head, 1) != bus_opts_given(&o->head, 2))
        return bus_error_invalid(error, "r and c go together: the peer told both or neither.");
    return 0;
}

static int method_set_oob(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct oob_opts o = {0};
    struct bl_addr peer;
    const char *addr;
    uint8_t type;

    int r = bus_enter(a, m, method_set_oob, 0, NULL, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "ys", &type, &addr);
    if (r >= 0)
        r = bus_read_addr(addr, type, &peer, error);
    if (r >= 0)
        r = bus_opts_read(m, OOB_OPTS, ARRAY_LEN(OOB_OPTS), &o, error);
    if (r >= 0)
        r = oob_check(&o, error);
    if (r < 0)
        return r;
    r = bl_oob_set(a->host, &peer, o.tk.p, o.r.p, o.c.p);
    if (r == -ENOBUFS)
        return bus_error_set(error, BUS_NO_RESOURCES,
                             "Data of %d peers waits to be used already; forget some of it by a "
                             "SetOob without options.",
                             (int)BL_MAX_OOB);
    if (r < 0)
        return bus_error_errno(error, r, "out-of-band data of %s", addr);
    return sd_bus_reply_method_return(m, NULL);
}

static int append_bytes(sd_bus_message *m, const char *key, const uint8_t *p, size_t n)
{
    int r = sd_bus_message_open_container(m, 'e', "sv");

    if (r >= 0)
        r = sd_bus_message_append_basic(m, 's', key);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'v', "ay");
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', p, n);
    if (r >= 0)
        r = sd_bus_message_close_container(m);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_oob(struct bus_adapter *a, sd_bus_message *m, const uint8_t *mine,
                      const uint8_t *confirm)
{
    char text[ADDR_TEXT_LEN];
    int r = sd_bus_message_open_container(m, 'a', "{sv}");

    if (r >= 0)
        r = append_bytes(m, "r", mine, SECRET_LEN);
    if (r >= 0)
        r = append_bytes(m, "c", confirm, SECRET_LEN);
    if (r >= 0)
        r = sd_bus_message_append(m, "{sv}{sv}", "addr_type", "y", (int)a->info.current.type,
                                  "addr", "s", bl_addr_format(&a->info.current, text));
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int method_get_oob(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    uint8_t mine[SECRET_LEN], confirm[SECRET_LEN];
    bool wait;

    int r = bus_enter(a, m, method_get_oob, BUS_ROOT, NULL, error);
    if (r != 0)
        return r;
    r = bus_opts_read_wait(m, &wait, error);
    if (r < 0)
        return r;
    r = bl_oob_get(a->host, mine, confirm);
    if (r < 0)
        return bus_error_set(error, BUS_NOT_SUPPORTED,
                             "The cryptography for it is not to be had: %s", strerror(-r));
    r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = append_oob(a, reply, mine, confirm);
    explicit_bzero(mine, sizeof(mine));
    return r < 0 ? r : sd_bus_send(a->bus->sd, reply, NULL);
}

/* ---- bonds ---- */

/* Whoever the connection of this bond's peer is with; 0: none. */
static uint16_t bond_conn(struct bus_adapter *a, const struct bl_addr *identity)
{
    for (struct bus_conn *c = bus_conn_next(a, NULL); c; c = bus_conn_next(a, c))
        if (bl_addr_eq(&c->peer, identity))
            return c->info.conn;
    return 0;
}

static int append_bond(struct bus_adapter *a, sd_bus_message *m, const struct bl_bond *b)
{
    const struct bl_ltk *ltk = b->has_peer_ltk ? &b->peer_ltk : &b->local_ltk;
    uint16_t conn = bond_conn(a, &b->identity);
    char text[ADDR_TEXT_LEN];
    int r = sd_bus_message_open_container(m, 'r', "ysa{sv}");

    if (r >= 0)
        r = sd_bus_message_append(m, "ys", b->identity.type, bl_addr_format(&b->identity, text));
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = sd_bus_message_append(
            m, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "authenticated", "b", (int)b->authenticated,
            "secure_connections", "b", (int)b->secure_connections, "key_size", "y", (int)ltk->size,
            "last_seen", "t", b->last_seen, "resolvable", "b", (int)b->has_irk, "signing", "b",
            (int)(b->has_local_csrk && b->has_peer_csrk), "subscriptions", "q", (int)b->n_cccds);
    if (r >= 0 && conn != 0)
        r = sd_bus_message_append(m, "{sv}", "conn", "q", (int)conn);
    if (r >= 0)
        r = sd_bus_message_close_container(m);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int method_list_bonds(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    const struct bl_bond *b;

    int r = bus_enter(a, m, method_list_bonds, BUS_WHILE_INACTIVE, NULL, error);
    if (r != 0)
        return r;
    r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "(ysa{sv})");
    for (size_t i = 0; r >= 0 && (b = bl_bond_at(a->host, i)); i++)
        r = append_bond(a, reply, b);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(a->bus->sd, reply, NULL);
}

/* It waits for the event, which BondRemoved comes from. */
struct delete_call {
    struct bus_call call;
    struct bl_addr identity;
};

static const struct bus_call_kind DELETE = {
    .method = "DeleteBond",
    .out = "",
    .size = sizeof(struct delete_call),
};

static void deletes_answer(struct bus_adapter *a, const struct bl_addr *identity)
{
    list_each(l, next, &pairing_of(a)->deletes)
    {
        struct bus_call *call = list_entry(l, struct bus_call, waiting);
        if (!bl_addr_eq(&((struct delete_call *)call)->identity, identity))
            continue;
        bus_call_reply(call, "");
        bus_call_free(call);
    }
}

static int method_delete_bond(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_call *call;
    struct bl_addr peer;
    const char *addr;
    uint8_t type;

    int r = bus_enter(a, m, method_delete_bond, BUS_WHILE_INACTIVE, NULL, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "ys", &type, &addr);
    if (r >= 0)
        r = bus_read_addr(addr, type, &peer, error);
    if (r < 0)
        return r;
    const struct bl_bond *b = bl_bond_get(a->host, &peer);
    if (!b)
        return bus_error_set(error, BUS_NOT_FOUND, "%s (type %u) is not bonded.", addr, type);
    peer = b->identity;
    r = bus_call_new(a, m, &DELETE, true, &call, error);
    if (r < 0)
        return r;
    ((struct delete_call *)call)->identity = peer;
    list_append(&pairing_of(a)->deletes, &call->waiting);
    r = bl_bond_remove(a->host, bus_now(a), &peer);
    if (r < 0) {
        bus_call_free(call);
        return bus_error_errno(error, r, "the bond of %s", addr);
    }
    return bus_call_go(call, 0);
}

/* ---- what is kept ---- */

static bool secrets_serve(const struct bus_adapter *a)
{
    return bus_pairing_part_taken(&pairing_of(a)->secrets.part);
}

static void bond_store(struct bus_adapter *a, const struct bl_addr *identity)
{
    const struct bl_bond *now = bl_bond_get(a->host, identity);

    if (!now)
        return;
    struct bl_bond bond = *now;           /* borrowed until the host is called again */
    bond.peer_counter += bond.peer_ahead; /* no further than it goes: lib/smp/bonds.h */
    bond.peer_ahead = 0;
    if (secrets_serve(a))
        bus_pairing_secrets_store(a, &bond, false);
    else if (a->ops->bond_write)
        a->ops->bond_write(a->ctx, &bond);
    explicit_bzero(&bond, sizeof(bond));
}

static void bond_forget(struct bus_adapter *a, const struct bl_addr *identity)
{
    const struct bl_bond gone = {.identity = *identity};

    if (secrets_serve(a))
        bus_pairing_secrets_store(a, &gone, true);
    else if (a->ops->bond_delete)
        a->ops->bond_delete(a->ctx, identity);
}

void bus_pairing_finish_deletes(struct bus_adapter *a)
{
    list_each(l, next, &pairing_of(a)->deletes)
    {
        struct bus_call *call = list_entry(l, struct bus_call, waiting);
        bond_forget(a, &((struct delete_call *)call)->identity);
    }
}

static uint64_t realtime_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec;
}

/* It is here. A store that is written for each connection wears out what it is kept on. */
static void bond_seen(struct bus_adapter *a, const struct bl_addr *peer)
{
    const struct bl_bond *b = bl_bond_get(a->host, peer);
    uint64_t now = realtime_s();

    if (!b)
        return;
    uint64_t before = b->last_seen;
    struct bl_addr identity = b->identity;
    bl_bond_seen(a->host, &identity, now);
    if (now < before || now - before >= SEEN_COARSE_S)
        bond_store(a, &identity);
}

/* ---- events ---- */

void bus_pairing_on_ready(struct bus_adapter *a, const struct bl_event *e)
{
    struct pairing *p = pairing_of(a);
    struct bl_controller_info info;

    (void)e;
    if (secrets_serve(a))
        return;
    bl_host_info(a->host, &info);
    if (!bl_addr_is_zero(&p->loaded_for) && !bl_addr_eq(&p->loaded_for, &info.identity))
        bl_bond_clear(a->host, bus_now(a)); /* of another controller */
    p->loaded_for = info.identity;
    if (a->ops->bonds_load)
        a->ops->bonds_load(a->ctx);
}

void bus_pairing_on_encrypted(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->encrypted.conn, NULL);

    bus_pairing_prompt_over(a, e->encrypted.conn);
    if (!c)
        return;
    if (e->encrypted.bonded)
        bond_seen(a, &c->peer);
    bus_emit(a, bus_conn_audience(c), PAIRING_INTERFACE, "EncryptionUpdated", "qbbby", c->info.conn,
             (int)e->encrypted.encrypted, (int)e->encrypted.authenticated, (int)e->encrypted.bonded,
             (int)e->encrypted.key_size);
}

void bus_pairing_on_failed(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->pairing_failed.conn, NULL);

    bus_pairing_prompt_over(a, e->pairing_failed.conn);
    if (!c)
        return;
    bus_news(a, "connection %u: pairing has failed: %s (0x%03x)", c->info.conn,
             bus_error_text(e->pairing_failed.status), e->pairing_failed.status);
    bus_emit(a, bus_conn_audience(c), PAIRING_INTERFACE, "PairingFailed", "qq", c->info.conn,
             e->pairing_failed.status);
}

void bus_pairing_on_bond(struct bus_adapter *a, const struct bl_event *e)
{
    const struct bl_addr identity = e->bond.identity;
    char text[ADDR_TEXT_LEN];

    bl_addr_format(&identity, text);
    if (e->bond.removed) {
        bond_forget(a, &identity);
    } else {
        if (e->bond.added)
            bl_bond_seen(a->host, &identity, realtime_s());
        bond_store(a, &identity);
    }
    if (!e->bond.added && !e->bond.removed)
        return;
    bus_news(a, e->bond.removed ? "the bond with %s is gone" : "bonded with %s", text);
    bus_emit(a, BUS_EVERYONE, PAIRING_INTERFACE, e->bond.removed ? "BondRemoved" : "BondAdded",
             "ys", (int)identity.type, text);
    if (e->bond.removed)
        deletes_answer(a, &identity);
}

void bus_pairing_on_disconnected(struct bus_adapter *a, const struct bl_event *e)
{
    bus_pairing_prompt_forget(a, e->disconnected.conn);
}

static void part_detach(struct pairing_part *part, const char *client)
{
    if (part->presence && bus_pairing_part_is(part, client))
        bus_pairing_part_end(part);
}

/* An attached client's parts are things of its owner, which ends. */
void bus_pairing_detach(struct bus_adapter *a, const char *client)
{
    part_detach(&pairing_of(a)->attendant, client);
    part_detach(&pairing_of(a)->secrets.part, client);
}

/* ---- the module ---- */

#define FLAGS   SD_BUS_VTABLE_UNPRIVILEGED
#define SECRECY (SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_SENSITIVE)

static const sd_bus_vtable pairing_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS(
        "Pair", SD_BUS_ARGS("q", conn, "a{sv}", options),
        SD_BUS_RESULT("b", encrypted, "b", authenticated, "b", bonded, "y", key_size), method_pair,
        SECRECY),
    SD_BUS_METHOD_WITH_ARGS("Passkey", SD_BUS_ARGS("q", conn, "y", action, "u", passkey),
                            SD_BUS_NO_RESULT, bus_pairing_method_passkey, SECRECY),
    SD_BUS_METHOD_WITH_ARGS("Keypress", SD_BUS_ARGS("q", conn, "y", type), SD_BUS_NO_RESULT,
                            bus_pairing_method_keypress, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("Attend", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                            bus_pairing_method_attend, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("SetOob", SD_BUS_ARGS("y", addr_type, "s", addr, "a{sv}", options),
                            SD_BUS_NO_RESULT, method_set_oob, SECRECY),
    SD_BUS_METHOD_WITH_ARGS("GetOob", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a{sv}", data),
                            method_get_oob, SECRECY),
    SD_BUS_METHOD_WITH_ARGS("ListBonds", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ysa{sv})", bonds),
                            method_list_bonds, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("DeleteBond", SD_BUS_ARGS("y", addr_type, "s", addr), SD_BUS_NO_RESULT,
                            method_delete_bond, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("ProvideSecrets", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                            bus_pairing_method_provide, FLAGS),
    SD_BUS_METHOD_WITH_ARGS("Reply", SD_BUS_ARGS("u", request, "b", ok, "ay", value),
                            SD_BUS_NO_RESULT, bus_pairing_method_reply, SECRECY),
    SD_BUS_SIGNAL_WITH_ARGS(
        "EncryptionUpdated",
        SD_BUS_ARGS("q", conn, "b", encrypted, "b", authenticated, "b", bonded, "y", key_size), 0),
    SD_BUS_SIGNAL_WITH_ARGS("PairingFailed", SD_BUS_ARGS("q", conn, "q", status), 0),
    SD_BUS_SIGNAL_WITH_ARGS("PasskeyAction", SD_BUS_ARGS("q", conn, "y", action, "u", passkey), 0),
    SD_BUS_SIGNAL_WITH_ARGS("KeypressReceived", SD_BUS_ARGS("q", conn, "y", type), 0),
    SD_BUS_SIGNAL_WITH_ARGS("BondAdded", SD_BUS_ARGS("y", addr_type, "s", addr), 0),
    SD_BUS_SIGNAL_WITH_ARGS("BondRemoved", SD_BUS_ARGS("y", addr_type, "s", addr), 0),
    SD_BUS_SIGNAL_WITH_ARGS(
        "SecretRequested",
        SD_BUS_ARGS("u", request, "i", sec_type, "i", index, "b", has_key, "ay", key), 0),
    SD_BUS_SIGNAL_WITH_ARGS(
        "SecretStored",
        SD_BUS_ARGS("u", request, "i", sec_type, "ay", key, "b", has_value, "ay", value), 0),
    SD_BUS_VTABLE_END,
};

static int pairing_init(struct bus_adapter *a)
{
    struct pairing *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    list_init(&p->pairs);
    list_init(&p->deletes);
    list_init(&p->prompts);
    list_init(&p->asked);
    list_init(&p->secrets.requests);
    p->attendant = (struct pairing_part){.adapter = a,
                                         .kind = &bus_pairing_attendant_kind,
                                         .name = "The attendant",
                                         .left = bus_pairing_attendant_left};
    p->secrets.part = (struct pairing_part){.adapter = a,
                                            .kind = &bus_pairing_provider_kind,
                                            .name = "The provider of secrets",
                                            .left = bus_pairing_provider_left};
    a->module[BUS_MODULE_pairing] = p;
    return 0;
}

/* No more than memory: the adapter is not there any more for anybody. */
static void part_deinit(struct pairing_part *part)
{
    bus_thing_remove(&part->thing);
    if (part->presence)
        bus_call_free(part->presence);
}

static void list_empty_out(struct list *list)
{
    while (list_pop(list)) {
    }
}

static void pairing_deinit(struct bus_adapter *a)
{
    struct pairing *p = pairing_of(a);

    if (!p)
        return;
    bus_pairing_prompt_forget(a, 0);
    bus_pairing_secrets_free(a);
    part_deinit(&p->attendant);
    part_deinit(&p->secrets.part);
    list_empty_out(&p->pairs); /* the calls themselves are the adapter's */
    list_empty_out(&p->deletes);
    a->module[BUS_MODULE_pairing] = NULL;
    free(p);
}

static void pairing_inactive(struct bus_adapter *a, bool keep)
{
    (void)keep;
    bus_pairing_prompt_forget(a, 0);
}

static void pairing_stats(struct bus_adapter *a, sd_bus_message *reply)
{
    uint64_t bonds = 0;

    while (bl_bond_at(a->host, bonds))
        bonds++;
    bus_stat(reply, "bonds", bonds);
}

const struct bus_module bus_module_pairing = {
    .interface = PAIRING_INTERFACE,
    .vtable = pairing_vtable,
    .init = pairing_init,
    .deinit = pairing_deinit,
    .inactive = pairing_inactive,
    .stats = pairing_stats,
};
