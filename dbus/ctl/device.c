/* SPDX-License-Identifier: MIT */

/*
 * device: DEVICE of a command line. What people have is an address without its kind, or a name; the
 * daemon's calls take an address with its kind. What bled knows already is asked first, then the
 * air.
 */

#include "ctl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEVICE_QUICK_MS = 400, DEVICE_SEARCH_MS = 2500 };

const char *ctl_addr_kind(uint8_t type)
{
    return type == ADDR_PUBLIC ? "public" : "random";
}

bool ctl_parse_addr(const char *text, struct bl_addr *ret, bool *ret_kind_given)
{
    char address[ADDR_TEXT_LEN];
    const char *comma = strchr(text, ',');
    size_t n = comma ? (size_t)(comma - text) : strlen(text);
    uint8_t type = ADDR_PUBLIC;

    if (n != sizeof(address) - 1)
        return false;
    memcpy(address, text, n);
    address[n] = '\0';
    if (comma && strcmp(comma + 1, "random") == 0)
        type = ADDR_RANDOM;
    else if (comma && strcmp(comma + 1, "public") != 0)
        return false;
    *ret_kind_given = comma != NULL;
    return bl_addr_parse(address, type, ret);
}

static void name_it(struct ctl_device *d)
{
    char text[ADDR_TEXT_LEN];

    snprintf(d->text, sizeof(d->text), "%s", bl_addr_format(&d->addr, text));
}

/* Whether an address of the daemon's answers is the one that is looked for, its kind aside. */
static bool same(const char *text, uint8_t type, const struct bl_addr *want, struct bl_addr *ret)
{
    return bl_addr_parse(text, type, ret) && memcmp(ret->b, want->b, sizeof(want->b)) == 0;
}

/* One connection of GetManagedObjects: {sa{sv}} with Connection1. */
struct connection {
    uint16_t conn;
    const char *peer, *identity;
    uint8_t peer_type, identity_type;
};

static int read_connection(sd_bus_message *m, struct connection *ret)
{
    const char *key;
    int r;

    *ret = (struct connection){.peer = "", .identity = ""};
    if ((r = sd_bus_message_enter_container(m, 'a', "{sv}")) < 0)
        return r;
    while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = sd_bus_message_read(m, "s", &key);
        if (r >= 0 && strcmp(key, "Conn") == 0)
            r = sd_bus_message_read(m, "v", "q", &ret->conn);
        else if (r >= 0 && strcmp(key, "PeerAddress") == 0)
            r = sd_bus_message_read(m, "v", "s", &ret->peer);
        else if (r >= 0 && strcmp(key, "PeerAddressType") == 0)
            r = sd_bus_message_read(m, "v", "y", &ret->peer_type);
        else if (r >= 0 && strcmp(key, "IdentityAddress") == 0)
            r = sd_bus_message_read(m, "v", "s", &ret->identity);
        else if (r >= 0 && strcmp(key, "IdentityAddressType") == 0)
            r = sd_bus_message_read(m, "v", "y", &ret->identity_type);
        else if (r >= 0)
            r = sd_bus_message_skip(m, "v");
        if (r < 0 || (r = sd_bus_message_exit_container(m)) < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static bool is_it(const struct connection *k, struct ctl_device *d, bool kind)
{
    struct bl_addr peer;

    if (d->by_conn ? k->conn != d->conn
                   : !(same(k->peer, k->peer_type, &d->addr, &peer) &&
                       (!kind || peer.type == d->addr.type)) &&
                         !(same(k->identity, k->identity_type, &d->addr, &peer) &&
                           (!kind || peer.type == d->addr.type)))
        return false;
    if (d->by_conn && !bl_addr_parse(k->identity, k->identity_type, &peer) &&
        !bl_addr_parse(k->peer, k->peer_type, &peer))
        return false;
    d->addr = peer;
    d->conn = k->conn;
    return true;
}

/* Looks for d->conn or d->addr among the connections. 1, 0, or a negative errno. */
static int among_connections(struct ctl *c, struct ctl_device *d, bool kind, sd_bus_error *error)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    const char *path, *interface;
    size_t n = strlen(c->path);
    bool found = false;

    int r =
        sd_bus_call_method(c->bus, c->bus_name, "/org/bled", "org.freedesktop.DBus.ObjectManager",
                           "GetManagedObjects", error, &m, "");
    if (r >= 0)
        r = sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}")) > 0) {
        bool ours;
        r = sd_bus_message_read(m, "o", &path);
        if (r < 0)
            return r;
        ours = strncmp(path, c->path, n) == 0 && path[n] == '/';
        r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
            struct connection k;
            r = sd_bus_message_read(m, "s", &interface);
            if (r >= 0 && ours && strcmp(interface, "org.bled.Connection1") == 0) {
                r = read_connection(m, &k);
                found = found || (r >= 0 && is_it(&k, d, kind));
            } else if (r >= 0) {
                r = sd_bus_message_skip(m, "a{sv}");
            }
            if (r >= 0)
                r = sd_bus_message_exit_container(m);
        }
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
    }
    return r < 0 ? r : found;
}

static int among_bonds(struct ctl *c, struct ctl_device *d, sd_bus_error *error)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    struct bl_addr bonded;
    bool found = false;
    const char *address;
    uint8_t type;

    int r = sd_bus_call_method(c->bus, c->bus_name, c->path, "org.bled.Pairing1", "ListBonds",
                               error, &m, "");
    if (r >= 0)
        r = sd_bus_message_enter_container(m, 'a', "(ysa{sv})");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "ysa{sv}")) > 0) {
        r = sd_bus_message_read(m, "ys", &type, &address);
        if (r >= 0 && same(address, type, &d->addr, &bonded)) {
            d->addr = bonded;
            found = true;
        }
        if (r >= 0)
            r = sd_bus_message_skip(m, "a{sv}");
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
    }
    return r < 0 ? r : found;
}

/* The name of one entry of Discover, from its a{sv}; "" without one. */
static int read_name(sd_bus_message *m, const char **ret)
{
    const char *key;
    int r = sd_bus_message_enter_container(m, 'a', "{sv}");

    *ret = "";
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = sd_bus_message_read(m, "s", &key);
        if (r >= 0)
            r = strcmp(key, "name") == 0 ? sd_bus_message_read(m, "v", "s", ret)
                                         : sd_bus_message_skip(m, "v");
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* One that answers to the name, or has the address; of several by that name: none. */
static int on_the_air(struct ctl *c, const char *name, unsigned ms, struct ctl_device *d,
                      sd_bus_error *error)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
    char text[ADDR_TEXT_LEN];
    unsigned found = 0;
    int r = sd_bus_message_new_method_call(c->bus, &m, c->bus_name, c->path, "org.bled.Observer1",
                                           "Discover");

    if (r >= 0 && name)
        r = sd_bus_message_append(m, "ua{sv}", ms, 2, "active", "b", 1, "name_prefix", "s", name);
    else if (r >= 0)
        r = sd_bus_message_append(m, "ua{sv}", ms, 2, "limit", "u", 1, "addresses", "a(ys)", 2, 0,
                                  bl_addr_format(&d->addr, text), 1, text);
    if (r >= 0)
        r = sd_bus_call(c->bus, m, 0, error, &reply);
    if (r >= 0)
        r = sd_bus_message_enter_container(reply, 'a', "(ysbna{sv})");
    while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'r', "ysbna{sv}")) > 0) {
        const char *address, *its;
        uint8_t type;
        int connectable;
        int16_t rssi;
        r = sd_bus_message_read(reply, "ysbn", &type, &address, &connectable, &rssi);
        if (r >= 0)
            r = read_name(reply, &its);
        if (r >= 0 && (!name || strcmp(its, name) == 0) && bl_addr_parse(address, type, &d->addr))
            found++;
        if (r >= 0)
            r = sd_bus_message_exit_container(reply);
    }
    return r < 0 ? r : (int)found;
}

int ctl_device(struct ctl *c, const char *text, struct ctl_device *ret)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    unsigned long number;
    bool kind = false, address;
    int r;

    *ret = (struct ctl_device){0};
    snprintf(ret->text, sizeof(ret->text), "%s", text);
    if (ctl_parse_number(text, 0xfffe, &number)) {
        ret->by_conn = true;
        ret->conn = (uint16_t)number;
        r = among_connections(c, ret, false, &error);
        if (r < 0)
            return ctl_error("asking for connections", r, &error);
        return r ? CTL_OK : ctl_fail(CTL_NOT_FOUND, "there is no connection %s", text);
    }
    address = ctl_parse_addr(text, &ret->addr, &kind);
    if (address) {
        name_it(ret);
        r = among_connections(c, ret, kind, &error);
        if (r == 0 && !kind)
            r = among_bonds(c, ret, &error);
        if (r < 0)
            return ctl_error("asking for connections", r, &error);
        if (r > 0 || kind)
            return CTL_OK;
    }
    int status = ctl_need_active(c);
    if (status != CTL_OK)
        return status;
    ctl_progress(c, "Looking for %s ...", ret->text);
    /* an address is found with its first advertisement; of a name there may be several */
    r = address ? on_the_air(c, NULL, DEVICE_QUICK_MS, ret, &error) : 0;
    if (r == 0)
        r = on_the_air(c, address ? NULL : text, DEVICE_SEARCH_MS, ret, &error);
    if (r < 0)
        return ctl_error("looking for it", r, &error);
    if (r == 0)
        return ctl_fail(
            CTL_NOT_FOUND,
            "%s is not advertising here (one that is connected may not: `bledctl list`)", text);
    if (r > 1)
        return ctl_fail(CTL_NOT_FOUND, "%d devices are called %s: give the address of one", r,
                        text);
    if (!address)
        r = among_connections(c, ret, true, &error);
    return r < 0 ? ctl_error("asking for connections", r, &error) : CTL_OK;
}

int ctl_bonded(struct ctl *c, struct bl_addr *addr)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    struct ctl_device d = {.addr = *addr};
    char text[ADDR_TEXT_LEN];

    int r = among_bonds(c, &d, &error);
    if (r < 0)
        return ctl_error("asking for bonds", r, &error);
    *addr = d.addr;
    return r ? CTL_OK : ctl_fail(CTL_NOT_FOUND, "%s is not bonded", bl_addr_format(addr, text));
}

int ctl_device_connected(struct ctl *c, const char *text, struct ctl_device *ret)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    char what[128], address[ADDR_TEXT_LEN];

    int status = ctl_device(c, text, ret);
    if (status != CTL_OK || ret->by_conn)
        return status;
    /* Connected or not: the daemon knows whether that connection is about to end. */
    if ((status = ctl_attach(c, true)) != CTL_OK)
        return status;
    bl_addr_format(&ret->addr, address);
    snprintf(what, sizeof(what), "connecting to %s", address);
    ctl_progress(c, "Connecting to %s (%s) ...", address, ctl_addr_kind(ret->addr.type));
    status = ctl_call(c, what, "org.bled.Central1", "Connect", &reply, "ysa{sv}", ret->addr.type,
                      address, 1, "scan_duration_ms", "u", 10000);
    if (status == CTL_OK && sd_bus_message_read(reply, "q", &ret->conn) < 0)
        status = ctl_fail(CTL_FAILED, "%s: bled's answer makes no sense", what);
    return status;
}
