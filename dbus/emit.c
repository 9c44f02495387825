/* SPDX-License-Identifier: MIT */

/*
 * emit: sending signals, and finding out who does not read them.
 *
 * Between us and a client stands the bus daemon, which takes what we send and keeps it for the
 * client in memory of its own; nothing tells us how much. So each attached client is asked: after
 * every 256 signals it is sent a Ping (org.freedesktop.DBus.Peer) behind them, whether or not those
 * before have been answered. The bus keeps order, so that an answer, be it an error, says that all
 * signals before the question have been read. Every D-Bus library answers Ping by itself, when its
 * connection is read. What has been sent since the last answered Ping waits, but for up to 255 that
 * may have been read before the next was due; when 4,096 wait for sure the client is detached. An
 * error from the bus daemon itself says nothing of the client and is taken for an answer: where the
 * bus does not let us ask, its own limits serve.
 *
 * Broadcasts are not counted: who hears them is known to the bus daemon alone, and its limits are
 * per receiver. Nothing is broadcast before the name is ours, because the policy that keeps others
 * from hearing (org.bled.conf) goes by the name.
 */

#include "emit.h"

#include "adapter.h"

#include <stdarg.h>

/* The oldest question is answered: clients answer in order. */
static int on_probe(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_client *c = userdata;
    (void)m;
    (void)error;
    c->read += BUS_PROBE_EVERY;
    c->probes[c->first_probe] = sd_bus_slot_unref(c->probes[c->first_probe]);
    c->first_probe = (c->first_probe + 1) % BUS_MAX_PROBES;
    c->n_probes--;
    return 1;
}

static void count(struct bus_client *c)
{
    c->sent++;
    c->bus->signals_sent++;
    if (c->n_probes < BUS_MAX_PROBES &&
        c->sent - c->read >= (c->n_probes + 1) * (uint64_t)BUS_PROBE_EVERY) {
        sd_bus_slot **slot = &c->probes[(c->first_probe + c->n_probes) % BUS_MAX_PROBES];
        if (sd_bus_call_method_async(c->bus->sd, slot, c->name, "/", "org.freedesktop.DBus.Peer",
                                     "Ping", on_probe, c, NULL) >= 0)
            c->n_probes++;
    }
    if (c->sent - c->read >= BUS_MAX_SIGNALS + BUS_PROBE_EVERY - 1)
        bus_client_mark_slow(c);
}

static void count_broadcast(struct bus *b, int r)
{
    if (r < 0)
        b->signals_failed++;
    else
        b->signals_sent++;
}

int bus_signal_new(struct bus_adapter *a, const char *path, const char *interface,
                   const char *member, sd_bus_message **ret)
{
    int r = sd_bus_message_new_signal(a->bus->sd, ret, path ? path : a->path, interface, member);
    if (r < 0)
        a->bus->signals_failed++;
    return r;
}

static int send_copy(struct bus *b, sd_bus_message *m, const char *name)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *copy = NULL;
    int r =
        sd_bus_message_new_signal(b->sd, &copy, sd_bus_message_get_path(m),
                                  sd_bus_message_get_interface(m), sd_bus_message_get_member(m));
    if (r >= 0)
        r = sd_bus_message_rewind(m, true);
    if (r >= 0)
        r = sd_bus_message_copy(copy, m, true);
    return r < 0 ? r : sd_bus_send_to(b->sd, copy, name, NULL);
}

/* To several: sealed once, then copied, because a message has one destination. */
static void send_each(struct bus_adapter *a, bus_mask to, sd_bus_message *m)
{
    bool single = (to & (to - 1)) == 0;
    if (!single && sd_bus_message_seal(m, UINT32_MAX, 0) < 0) {
        a->bus->signals_failed++;
        return;
    }
    for (; to != 0; to &= to - 1) {
        struct bus_owner *o = a->owners[__builtin_ctzll(to)];
        if (!o || !o->client)
            continue;
        int r = single ? sd_bus_send_to(a->bus->sd, m, o->client->name, NULL)
                       : send_copy(a->bus, m, o->client->name);
        if (r < 0) {
            a->bus->signals_failed++;
            bus_client_mark_slow(o->client);
            continue;
        }
        count(o->client);
    }
}

void bus_signal_send(struct bus_adapter *a, bus_mask to, sd_bus_message **m)
{
    if (!*m)
        return;
    if (to & BUS_EVERYONE) {
        if (a->bus->named)
            count_broadcast(a->bus, sd_bus_send(a->bus->sd, *m, NULL));
    } else {
        send_each(a, to, *m);
    }
    *m = sd_bus_message_unref(*m);
}

void bus_emit(struct bus_adapter *a, bus_mask to, const char *interface, const char *member,
              const char *types, ...)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    if (to == 0 || bus_signal_new(a, NULL, interface, member, &m) < 0)
        return;
    va_list ap;
    va_start(ap, types);
    int r = *types ? sd_bus_message_appendv(m, types, ap) : 0;
    va_end(ap);
    if (r < 0)
        a->bus->signals_failed++;
    else
        bus_signal_send(a, to, &m);
}

void bus_emit_changed(struct bus_adapter *a, const char *interface, const char *property, ...)
{
    enum { MOST = 16 };
    char *names[MOST + 1] = {NULL};
    size_t n = 0;
    va_list ap;
    va_start(ap, property);
    for (const char *p = property; p && n < MOST; p = va_arg(ap, const char *))
        names[n++] = (char *)(uintptr_t)p; /* sd-bus reads them only */
    va_end(ap);
    bus_emit_changed_strv(a->bus, a->path, interface, names);
}

void bus_emit_changed_strv(struct bus *b, const char *path, const char *interface, char **names)
{
    if (b->named)
        count_broadcast(b, sd_bus_emit_properties_changed_strv(b->sd, path, interface, names));
}

void bus_emit_object_added(struct bus *b, const char *path)
{
    if (b->named)
        count_broadcast(b, sd_bus_emit_object_added(b->sd, path));
}

void bus_emit_object_removed(struct bus *b, const char *path)
{
    if (b->named)
        count_broadcast(b, sd_bus_emit_object_removed(b->sd, path));
}
