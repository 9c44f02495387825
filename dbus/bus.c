/* SPDX-License-Identifier: MIT */

/*
 * bus: the objects that are there without a controller, the bus name, who leaves the bus, timers.
 *
 * One match tells of every name that leaves the bus; most are nobody's that we know. That costs a
 * wakeup for each client of the bus that ends, and saves a question and a race for each of ours.
 */

#include "bus.h"

#include "access.h"
#include "adapter.h"
#include "gatts.h"
#include "manager.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { CONGESTED = 512 }; /* messages that the bus daemon has not taken */

void bus_log(struct bus *b, int level, const char *format, ...)
{
    char text[240];
    if (!b->options.log)
        return;
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    b->options.log(b->options.ctx, level, text);
}

static int on_name_lost(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus *b = userdata;
    const char *name, *before, *after;
    (void)error;
    if (sd_bus_message_read(m, "sss", &name, &before, &after) < 0 || after[0] != '\0')
        return 0;
    struct bus_client *c = name[0] == ':' ? bus_client_find(b, name) : NULL;
    if (c)
        bus_client_vanished(c);
    return 0;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus *b = userdata;
    (void)m;
    (void)error;
    if (b->options.gone)
        b->options.gone(b->options.ctx, -ECONNRESET);
    return 0;
}

static int register_objects(struct bus *b)
{
    sd_bus_slot **slot = b->slots;
    int r = sd_bus_add_object_manager(b->sd, slot++, "/org/bled");
    if (r >= 0)
        r = sd_bus_add_object_vtable(b->sd, slot++, "/org/bled", "org.bled.Manager1",
                                     bus_manager_vtable, b);
    if (r >= 0)
        r = sd_bus_add_object_vtable(b->sd, slot++, "/org/freedesktop/LogControl1",
                                     "org.freedesktop.LogControl1", bus_log_control_vtable, b);
    if (r >= 0)
        r = bus_characteristic_register(b, slot++);
    if (r >= 0)
        r = sd_bus_match_signal(b->sd, slot++, "org.freedesktop.DBus.Local",
                                "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                "Disconnected", on_disconnected, b);
    if (r >= 0)
        r = sd_bus_add_match_async(
            b->sd, slot++,
            "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
            "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''",
            on_name_lost, NULL, b);
    return r;
}

int bus_new(struct bus **ret, sd_bus *sd, const struct bus_options *options)
{
    struct bus *b = calloc(1, sizeof(*b));
    if (!b)
        return -ENOMEM;
    b->sd = sd;
    b->options = *options;
    list_init(&b->adapters);
    list_init(&b->clients);
    int r = bus_access_new(&b->access, b);
    if (r >= 0)
        r = register_objects(b);
    if (r < 0) {
        bus_free(b);
        return r;
    }
    *ret = b;
    return 0;
}

struct bus *bus_free(struct bus *b)
{
    if (!b)
        return NULL;
    list_each(l, next, &b->adapters) bus_adapter_free(list_entry(l, struct bus_adapter, link));
    sd_bus_slot_unref(b->name_slot);
    for (size_t i = ARRAY_LEN(b->slots); i-- > 0;)
        sd_bus_slot_unref(b->slots[i]);
    bus_access_free(b->access);
    free(b);
    return NULL;
}

static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus *b = userdata;
    uint32_t result = 0;
    (void)error;
    b->name_slot = sd_bus_slot_unref(b->name_slot);
    if (sd_bus_message_is_method_error(m, NULL)) {
        bus_log(b, BL_LOG_ERROR, "the bus does not give out the name %s: %s", b->options.name,
                sd_bus_message_get_error(m)->message);
        if (b->options.gone)
            b->options.gone(b->options.ctx, -EACCES);
        return 1;
    }
    /* 1: primary owner, 4: already ours. D-Bus Specification, RequestName. */
    if (sd_bus_message_read(m, "u", &result) < 0 || (result != 1 && result != 4)) {
        bus_log(b, BL_LOG_ERROR, "the name %s is taken by somebody else on this bus",
                b->options.name);
        if (b->options.gone)
            b->options.gone(b->options.ctx, -EEXIST);
        return 1;
    }
    b->named = true;
    if (b->options.name_acquired)
        b->options.name_acquired(b->options.ctx);
    return 1;
}

int bus_request_name(struct bus *b)
{
    return sd_bus_request_name_async(b->sd, &b->name_slot, b->options.name, 0, on_name, b);
}

uint64_t bus_deadline(const struct bus *b)
{
    return timerq_next(&b->timers);
}

void bus_tick(struct bus *b, uint64_t now)
{
    for (struct timer *t; (t = timerq_pop(&b->timers, now));) {
        struct bus_timer *timer = list_entry(t, struct bus_timer, timer);
        timer->fire(timer, now);
    }
}

bool bus_congested(const struct bus *b)
{
    uint64_t n;
    return sd_bus_get_n_queued_write(b->sd, &n) >= 0 && n > CONGESTED;
}
