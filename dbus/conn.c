/* SPDX-License-Identifier: MIT */

/*
 * conn: the table of connections and org.bled.Connection1.
 *
 * Whose a new connection is: as central the attempt's owner, as peripheral the advertisement's,
 * the daemon's where that is unknown or gone. Properties are a copy of what the stack said last,
 * so that a Get never meets a connection that is just ending.
 */

#include "conn.h"

#include "broadcaster.h"
#include "central.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CONN_INTERFACE "org.bled.Connection1"

enum { MTU_AT_FIRST = 23 }; /* Core 5.4, Vol 3, Part G, 5.2.1 */

struct bus_conns {
    struct list all;
};

static struct bus_conns *conns_of(const struct bus_adapter *a)
{
    return a->module[BUS_MODULE_conn];
}

struct bus_conn *bus_conn_find(struct bus_adapter *a, uint16_t conn, sd_bus_error *error)
{
    struct bus_conns *t = conns_of(a);

    list_each(l, next, &t->all)
    {
        struct bus_conn *c = list_entry(l, struct bus_conn, link);
        if (c->info.conn == conn)
            return c;
    }
    if (error)
        bus_error_set(error, BUS_NOT_CONNECTED, "There is no connection %u on %s.", conn, a->name);
    return NULL;
}

struct bus_conn *bus_conn_next(struct bus_adapter *a, struct bus_conn *c)
{
    struct list *head = &conns_of(a)->all, *l = c ? c->link.next : head->next;

    return l == head ? NULL : list_entry(l, struct bus_conn, link);
}

/* ---- uses ---- */

struct bus_use *bus_conn_use_of(const struct bus_conn *c, const struct bus_owner *owner)
{
    list_each(l, next, &c->uses)
    {
        struct bus_use *u = list_entry(l, struct bus_use, of_conn);
        if (u->thing.owner == owner)
            return u;
    }
    return NULL;
}

static void conn_unuse(struct bus_use *use)
{
    list_remove(&use->of_conn);
    bus_thing_remove(&use->thing);
    free(use);
}

static void conn_changed(const struct bus_conn *c, const char *property, const char *second,
                         const char *third)
{
    char *names[] = {(char *)(uintptr_t)property, (char *)(uintptr_t)second,
                     (char *)(uintptr_t)third, NULL}; /* sd-bus reads them only */

    bus_emit_changed_strv(c->adapter->bus, c->path, CONN_INTERFACE, names);
}

bool bus_conn_is_last(const struct bus_use *use)
{
    return use->conn->uses.next->next == &use->conn->uses;
}

void bus_conn_leave(struct bus_use *use)
{
    struct bus_conn *c = use->conn;
    bool owner = c->uses.next == &use->of_conn;

    conn_unuse(use);
    if (owner)
        conn_changed(c, "Owner", NULL, NULL);
}

/* An error but for the reason means that the stack knows it no more: its event is on its way. */
int bus_conn_end(struct bus_conn *c, uint8_t reason)
{
    struct bus_adapter *a = c->adapter;

    if (bl_disconnect(a->host, bus_now(a), c->info.conn, reason, NULL) == -EINVAL)
        return -EINVAL;
    c->ending = true;
    bus_kick(a);
    return 0;
}

/* The owner goes: with the last use goes the link, and the use when the link has gone, so that
 * Detach is answered after the signals. */
static void conn_use_release(struct bus_thing *thing)
{
    struct bus_use *use = list_entry(thing, struct bus_use, thing);

    if (!bus_conn_is_last(use))
        bus_conn_leave(use);
    else if (!use->conn->ending)
        (void)bus_conn_end(use->conn, 0);
}

static const struct bus_thing_kind CONN_USE = {
    .holds = "connections",
    .rank = BUS_RANK_USE,
    .release = conn_use_release,
};

int bus_conn_use(struct bus_conn *c, struct bus_owner *owner)
{
    if (bus_conn_use_of(c, owner))
        return 0;

    struct bus_use *use = calloc(1, sizeof(*use));
    if (!use)
        return -ENOMEM;
    use->conn = c;
    list_append(&c->uses, &use->of_conn);
    bus_thing_add(&use->thing, owner, &CONN_USE);
    return 0;
}

struct bus_owner *bus_conn_owner(const struct bus_conn *c)
{
    if (list_empty(&c->uses))
        return c->adapter->owners[0];
    return list_entry(c->uses.next, struct bus_use, of_conn)->thing.owner;
}

bus_mask bus_conn_audience(const struct bus_conn *c)
{
    bus_mask mask = list_empty(&c->uses) ? BUS_EVERYONE : 0;

    list_each(l, next, &c->uses) mask |=
        bus_owner_bit(list_entry(l, struct bus_use, of_conn)->thing.owner);
    return mask;
}

/* ---- what clients ask for ---- */

int bus_conn_params_check(const struct bl_conn_params *p, bool defaults, sd_bus_error *error)
{
    uint32_t min = p->min_interval_us, max = p->max_interval_us, timeout = p->timeout_ms;

    if (min && max && min > max)
        return bus_error_invalid(error, "min_conn_interval_us %u is above max_conn_interval_us %u.",
                                 min, max);
    if (defaults && !max)
        max = min > 50000 ? min : 50000;
    if (defaults && !timeout)
        return 0;                                                 /* grows with the others */
    uint64_t least = (uint64_t)(1 + p->latency) * max * 2 / 1000; /* 7.8.18 */
    if (max && timeout && timeout <= least)
        return bus_error_invalid(
            error,
            "supervision_timeout_ms %u is not above (1 + latency) * interval * "
            "2, which is %llu ms.",
            timeout, (unsigned long long)least);
    return 0;
}

int bus_phys_check(uint8_t phys, sd_bus_error *error)
{
    if (phys & BL_PHYS_2M)
        return bus_error_invalid(error, "phys: nobody is found on 2m, which is a secondary PHY; 1m "
                                        "and coded are the primary ones.");
    return 0;
}

/* ---- org.bled.Connection1 ---- */

static int conn_get_address(sd_bus *bus, const char *path, const char *interface,
                            const char *property, sd_bus_message *reply, void *userdata,
                            sd_bus_error *error)
{
    const struct bl_addr *a = userdata;
    char text[ADDR_TEXT_LEN];

    (void)bus, (void)path, (void)interface, (void)property, (void)error;
    return sd_bus_message_append(reply, "s", bl_addr_is_zero(a) ? "" : bl_addr_format(a, text));
}

static int conn_get_role(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const struct bus_conn *c = userdata;

    (void)bus, (void)path, (void)interface, (void)property, (void)error;
    return sd_bus_message_append(reply, "s",
                                 c->info.role == BL_ROLE_CENTRAL ? "central" : "peripheral");
}

static int conn_get_owner(sd_bus *bus, const char *path, const char *interface,
                          const char *property, sd_bus_message *reply, void *userdata,
                          sd_bus_error *error)
{
    const struct bus_owner *o = bus_conn_owner(userdata);

    (void)bus, (void)path, (void)interface, (void)property, (void)error;
    return sd_bus_message_append(reply, "s", o->client ? o->client->name : "");
}

static int conn_get_phy(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const uint8_t *phy = userdata;

    (void)bus, (void)path, (void)interface, (void)property, (void)error;
    return sd_bus_message_append(reply, "s", bus_phy_name(*phy));
}

static int conn_get_flag(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const bool *flag = userdata;

    (void)bus, (void)path, (void)interface, (void)property, (void)error;
    return sd_bus_message_append(reply, "b", (int)*flag);
}

#define CONN_INFO(member)     offsetof(struct bus_conn, info.member)
#define CONN_SECURITY(member) offsetof(struct bus_conn, security.member)
#define CONN_CONST            SD_BUS_VTABLE_PROPERTY_CONST
#define CONN_CHANGES          SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable conn_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Conn", "q", NULL, CONN_INFO(conn), CONN_CONST),
    SD_BUS_PROPERTY("HciHandle", "q", NULL, CONN_INFO(handle), CONN_CONST),
    SD_BUS_PROPERTY("PeerAddress", "s", conn_get_address, CONN_INFO(peer), CONN_CONST),
    SD_BUS_PROPERTY("PeerAddressType", "y", NULL, CONN_INFO(peer.type), CONN_CONST),
    SD_BUS_PROPERTY("IdentityAddress", "s", conn_get_address, CONN_INFO(identity), CONN_CHANGES),
    SD_BUS_PROPERTY("IdentityAddressType", "y", NULL, CONN_INFO(identity.type), CONN_CHANGES),
    SD_BUS_PROPERTY("Role", "s", conn_get_role, 0, CONN_CONST),
    SD_BUS_PROPERTY("Owner", "s", conn_get_owner, 0, CONN_CHANGES),
    SD_BUS_PROPERTY("Mtu", "q", NULL, offsetof(struct bus_conn, mtu), CONN_CHANGES),
    SD_BUS_PROPERTY("Interval", "q", NULL, CONN_INFO(interval), CONN_CHANGES),
    SD_BUS_PROPERTY("Latency", "q", NULL, CONN_INFO(latency), CONN_CHANGES),
    SD_BUS_PROPERTY("SupervisionTimeout", "q", NULL, CONN_INFO(timeout), CONN_CHANGES),
    SD_BUS_PROPERTY("TxPhy", "s", conn_get_phy, CONN_INFO(tx_phy), CONN_CHANGES),
    SD_BUS_PROPERTY("RxPhy", "s", conn_get_phy, CONN_INFO(rx_phy), CONN_CHANGES),
    SD_BUS_PROPERTY("Encrypted", "b", conn_get_flag, CONN_SECURITY(encrypted), CONN_CHANGES),
    SD_BUS_PROPERTY("Authenticated", "b", conn_get_flag, CONN_SECURITY(authenticated),
                    CONN_CHANGES),
    SD_BUS_PROPERTY("Bonded", "b", conn_get_flag, CONN_SECURITY(bonded), CONN_CHANGES),
    SD_BUS_PROPERTY("KeySize", "y", NULL, CONN_SECURITY(key_size), CONN_CHANGES),
    SD_BUS_PROPERTY("ConnectedSince", "t", NULL, offsetof(struct bus_conn, since), CONN_CONST),
    SD_BUS_VTABLE_END,
};

/* ---- beginning and end ---- */

static void conn_free(struct bus_conn *c)
{
    struct list *l;

    while ((l = list_pop(&c->ends))) {
        struct bus_call *call = list_entry(l, struct bus_call, waiting);
        bus_call_reply(call, "b", 1);
        bus_call_free(call);
    }
    while ((l = list_pop(&c->uses)))
        conn_unuse(list_entry(l, struct bus_use, of_conn));
    list_remove(&c->link);
    sd_bus_slot_unref(c->slot);
    free(c);
}

static uint64_t conn_realtime(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void conn_log_up(const struct bus_conn *c)
{
    char text[ADDR_TEXT_LEN];

    bus_news(c->adapter, "connection %u: %s %s (%s), for %s", c->info.conn,
             c->info.role == BL_ROLE_CENTRAL ? "connected to" : "connected by",
             bl_addr_format(&c->peer, text), c->peer.type == ADDR_RANDOM ? "random" : "public",
             bus_conn_owner(c)->who);
}

static void conn_log_down(const struct bus_conn *c, uint8_t reason)
{
    char text[ADDR_TEXT_LEN];

    bus_news(c->adapter, "connection %u: %s %s has ended: %s (0x%02x)", c->info.conn,
             c->info.role == BL_ROLE_CENTRAL ? "to" : "by", bl_addr_format(&c->peer, text),
             bus_error_text(bl_status_hci(reason)), reason);
}

void bus_conn_on_connected(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = calloc(1, sizeof(*c));
    struct bus_owner *owner = NULL;
    bool gone = false;
    int r = -ENOMEM;

    if (c) {
        list_init(&c->link);
        list_init(&c->uses);
        list_init(&c->ends);
        c->adapter = a;
        c->peer = e->connected.peer;
        c->since = conn_realtime();
        c->mtu = MTU_AT_FIRST;
        c->info.conn = e->connected.conn;
        c->info.role = e->connected.role;
        c->info.peer = e->connected.peer;
        (void)bl_conn_info(a->host, e->connected.conn, &c->info); /* gone already: as above */
        snprintf(c->path, sizeof(c->path), "%s/conn%04x", a->path, c->info.conn);
        if (e->connected.role == BL_ROLE_CENTRAL)
            owner = bus_central_owner(a, e->connected.attempt);
        else
            owner = bus_broadcaster_owner(a, e->connected.adv, &gone);
        r = bus_conn_use(c, owner ? owner : a->owners[0]);
        if (r >= 0)
            r = sd_bus_add_object_vtable(a->bus->sd, &c->slot, c->path, CONN_INTERFACE, conn_vtable,
                                         c);
    }
    if (r < 0) {
        /* Nobody could see or end it: it may not stay. */
        bus_log(a->bus, BL_LOG_ERROR, "%s: connection %u: %s; disconnecting", a->name,
                e->connected.conn, strerror(-r));
        (void)bl_disconnect(a->host, bus_now(a), e->connected.conn, 0, NULL);
        bus_kick(a);
        if (c)
            conn_free(c);
        return;
    }
    list_append(&conns_of(a)->all, &c->link);
    bus_emit_object_added(a->bus, c->path);
    conn_log_up(c);
    if (gone) /* nobody is there any more whom it could have been for */
        (void)bus_conn_end(c, 0);
}

static struct bus_conn *conn_refresh(struct bus_adapter *a, uint16_t conn)
{
    struct bus_conn *c = bus_conn_find(a, conn, NULL);

    if (c)
        (void)bl_conn_info(a->host, conn, &c->info);
    return c;
}

void bus_conn_on_updated(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->conn_updated.conn, NULL);

    if (!c || e->conn_updated.status != BL_OK)
        return;
    c->info.interval = e->conn_updated.interval;
    c->info.latency = e->conn_updated.latency;
    c->info.timeout = e->conn_updated.timeout;
    conn_changed(c, "Interval", "Latency", "SupervisionTimeout");
}

void bus_conn_on_phy(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->phy_updated.conn, NULL);

    if (!c || e->phy_updated.status != BL_OK ||
        (c->info.tx_phy == e->phy_updated.tx && c->info.rx_phy == e->phy_updated.rx))
        return;
    c->info.tx_phy = e->phy_updated.tx;
    c->info.rx_phy = e->phy_updated.rx;
    conn_changed(c, "TxPhy", "RxPhy", NULL);
}

void bus_conn_on_data_length(struct bus_adapter *a, const struct bl_event *e)
{
    (void)conn_refresh(a, e->data_length.conn);
}

void bus_conn_on_mtu(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->mtu.conn, NULL);

    if (!c || c->mtu == e->mtu.mtu)
        return;
    c->mtu = e->mtu.mtu;
    conn_changed(c, "Mtu", NULL, NULL);
}

void bus_conn_on_security(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->encrypted.conn, NULL);
    char encrypted[] = "Encrypted", authenticated[] = "Authenticated", bonded[] = "Bonded",
         key_size[] = "KeySize"; /* sd-bus wants char * */
    char *names[5] = {NULL};
    size_t n = 0;

    if (!c)
        return;
    const struct bl_security was = c->security,
                             now = {.encrypted = e->encrypted.encrypted,
                                    .authenticated = e->encrypted.authenticated,
                                    .bonded = e->encrypted.bonded,
                                    .secure_connections = e->encrypted.secure_connections,
                                    .key_size = e->encrypted.key_size};
    c->security = now;
    if (now.encrypted != was.encrypted)
        names[n++] = encrypted;
    if (now.authenticated != was.authenticated)
        names[n++] = authenticated;
    if (now.bonded != was.bonded)
        names[n++] = bonded;
    if (now.key_size != was.key_size)
        names[n++] = key_size;
    if (n > 0)
        bus_emit_changed_strv(a->bus, c->path, CONN_INTERFACE, names);
}

void bus_conn_on_identity(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->identity.conn, NULL);

    if (!c)
        return;
    c->peer = e->identity.identity;
    if (bl_addr_eq(&c->info.identity, &c->peer))
        return;
    c->info.identity = c->peer;
    conn_changed(c, "IdentityAddress", "IdentityAddressType", NULL);
}

void bus_conn_on_disconnected(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->disconnected.conn, NULL);

    if (!c)
        return;
    conn_log_down(c, e->disconnected.reason);
    bus_emit_object_removed(a->bus, c->path);
    conn_free(c);
}

/* ---- the module ---- */

static int conn_init(struct bus_adapter *a)
{
    struct bus_conns *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;
    list_init(&t->all);
    a->module[BUS_MODULE_conn] = t;
    return 0;
}

static void conn_deinit(struct bus_adapter *a)
{
    struct bus_conns *t = conns_of(a);

    if (!t)
        return;
    list_each(l, next, &t->all) conn_free(list_entry(l, struct bus_conn, link));
    free(t);
    a->module[BUS_MODULE_conn] = NULL;
}

const struct bus_module bus_module_conn = {
    .init = conn_init,
    .deinit = conn_deinit,
};
