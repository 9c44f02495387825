/* SPDX-License-Identifier: MIT */

/*
 * adapter: the life of one controller as its clients see it.
 *
 *                 open(), opening            BL_EV_READY
 *     INACTIVE ------------> ACTIVATING --------------------> ACTIVE
 *        ^  ^------ failed ------'                              | nothing wants it, Reset
 *        |                                                      v
 *        '--- close() <--- bl_host_shutdown() has ended --- ENDING
 *
 * From ACTIVE a controller that is lost leads to INACTIVE at once; the daemon goes on trying while
 * the adapter is wanted, and BL_EV_READY out of INACTIVE makes it ACTIVE with what the daemon owned
 * (the modules' restore()). What ends gives its signals while the events of the end are pulled, so
 * the change of Active comes after all of them, then Failed, then the answers.
 *
 * Everything that others might not expect in the middle of what they do (ends of owners, calls that
 * waited) is put off to bus_adapter_run_due().
 */

#include "adapter.h"

#include "adapter_iface.h"

#include <errno.h>
#include <stdio.h>

bool bus_adapter_wanted(const struct bus_adapter *a)
{
    return !a->closing && (a->hold || bus_owner_holders(a, NULL, NULL) > 0);
}

bool bus_adapter_keeps(const struct bus_adapter *a, const struct bus_owner *owner)
{
    return bus_owner_is_daemon(owner) && !a->closing && (a->state != BUS_ENDING || a->reset);
}

uint32_t bus_request(struct bus_adapter *a)
{
    if (++a->last_request == 0)
        a->last_request = 1;
    return a->last_request;
}

void bus_timer_set(struct bus_adapter *a, struct bus_timer *t, uint64_t at)
{
    timerq_set(&a->bus->timers, &t->timer, at);
    bus_kick(a); /* the loop has to look at its deadline again */
}

void bus_timer_cancel(struct bus_adapter *a, struct bus_timer *t)
{
    timerq_cancel(&a->bus->timers, &t->timer);
}

static void on_due(struct bus_timer *t, uint64_t now)
{
    (void)now;
    bus_adapter_run_due(list_entry(t, struct bus_adapter, due));
}

void bus_adapter_due(struct bus_adapter *a)
{
    a->due.fire = on_due;
    bus_timer_set(a, &a->due, 0);
}

/* Ending an adapter can bring on events, which come here again: the outer run does the rest. */
void bus_adapter_run_due(struct bus_adapter *a)
{
    if (a->running)
        return;
    a->running = true;
    do {
        bus_timer_cancel(a, &a->due);
        bus_client_end_slow(a->bus);
        bus_owner_step_all(a);
        bus_call_run_held(a);
    } while (a->due.timer.set);
    a->running = false;
}

static void close_controller(struct bus_adapter *a)
{
    if (!a->opened)
        return;
    a->opened = false;
    a->ops->close(a->ctx);
}

static void answer(struct bus_adapter *a, const sd_bus_error *error)
{
    for (struct list *l; (l = list_pop(&a->waiting));) {
        struct bus_change *c = list_entry(l, struct bus_change, call.waiting);
        c->ended(c, error);
        bus_call_free(&c->call);
    }
    bus_adapter_due(a);
}

static void answer_error(struct bus_adapter *a, const char *name, const char *text)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    bus_error_set(&error, name, "%s: %s", a->name, text);
    answer(a, &error);
}

static void went_inactive(struct bus_adapter *a, bool keep)
{
    a->state = BUS_INACTIVE;
    a->shutdown = 0;
    a->restore = keep;
    a->info.current = (struct bl_addr){0};
    for (size_t i = 0; i < BUS_MODULES; i++)
        if (bus_modules[i]->inactive)
            bus_modules[i]->inactive(a, keep);
    bus_adapter_iface_active_changed(a);
}

static int open_controller(struct bus_adapter *a, bool keep)
{
    const char *why = "the controller cannot be opened.";
    a->state = BUS_ACTIVATING;
    int r = a->ops->open(a->ctx, keep, &why);
    if (r < 0) {
        a->state = BUS_INACTIVE;
        snprintf(a->why, sizeof(a->why), "%s", why);
    }
    a->opened = r >= 0 || keep;
    return r;
}

static void finish_end(struct bus_adapter *a)
{
    close_controller(a);
    went_inactive(a, a->reset);
    if (!a->reset || a->closing) {
        a->reset = false;
        a->why[0] = '\0';
        answer(a, NULL);
        return;
    }
    if (open_controller(a, true) < 0) {
        a->reset = false;
        bus_adapter_iface_failed(a, a->why);
        answer_error(a, BUS_NOT_READY, a->why);
    }
}

static void begin_end(struct bus_adapter *a)
{
    a->state = BUS_ENDING;
    if (bl_host_shutdown(a->host, bus_now(a), &a->shutdown) < 0) {
        finish_end(a);
        return;
    }
    bus_kick(a);
}

/* What the daemon owned will not be made again: nobody wants the controller back. */
static void forget(struct bus_adapter *a)
{
    close_controller(a);
    a->why[0] = '\0';
    if (!a->restore)
        return;
    a->restore = false;
    for (size_t i = 0; i < BUS_MODULES; i++)
        if (bus_modules[i]->inactive)
            bus_modules[i]->inactive(a, false);
}

bool bus_adapter_settle(struct bus_adapter *a)
{
    if (bus_adapter_wanted(a))
        return a->state != BUS_ENDING;
    switch (a->state) {
    case BUS_INACTIVE:
        forget(a);
        return true;
    case BUS_ACTIVATING:
        a->state = BUS_INACTIVE;
        a->reset = false;
        forget(a);
        answer_error(a, BUS_CANCELED, "it was made inactive before it was up.");
        return true;
    case BUS_ACTIVE:
        begin_end(a);
        return a->state == BUS_INACTIVE;
    case BUS_ENDING:
        a->reset = false;
        return false;
    }
    return true;
}

int bus_adapter_restart(struct bus_adapter *a)
{
    a->reset = true;
    begin_end(a);
    return 0;
}

void bus_adapter_activate(struct bus_adapter *a, struct bus_change *c)
{
    if (a->state == BUS_ACTIVE) {
        c->ended(c, NULL);
        bus_call_free(&c->call);
        return;
    }
    list_append(&a->waiting, &c->call.waiting);
    int r = a->state == BUS_INACTIVE ? open_controller(a, !c->took_hold) : 0;
    if (r >= 0) {
        bus_call_go(&c->call, 0);
        return;
    }
    answer_error(a, r == -EBUSY ? BUS_BUSY : BUS_NOT_READY, a->why);
    if (!bus_adapter_wanted(a))
        forget(a);
}

static void learn(struct bus_adapter *a)
{
    struct bl_controller_info old = a->info;
    bl_host_info(a->host, &a->info);
    if (a->state == BUS_INACTIVE)
        a->info.current = (struct bl_addr){0};
    bus_adapter_iface_learned(a, &old);
    a->known = true;
}

void bus_adapter_probed(struct bus_adapter *a)
{
    if (a->state == BUS_INACTIVE)
        learn(a);
}

void bus_adapter_opening(struct bus_adapter *a)
{
    if (a->state != BUS_INACTIVE || !bus_adapter_wanted(a))
        return;
    a->state = BUS_ACTIVATING;
    a->opened = true;
}

void bus_adapter_on_ready(struct bus_adapter *a, const struct bl_event *e)
{
    (void)e;
    if (a->state == BUS_INACTIVE && !bus_adapter_wanted(a)) {
        learn(a);
        return;
    }
    if (a->state != BUS_INACTIVE && a->state != BUS_ACTIVATING)
        return;
    a->state = BUS_ACTIVE;
    a->opened = true;
    a->why[0] = '\0';
    a->reset = false;
    learn(a);
    bus_adapter_iface_active_changed(a);

    bool restore = a->restore;
    a->restore = false;
    for (size_t i = 0; i < BUS_MODULES && restore; i++)
        if (bus_modules[i]->restore)
            bus_modules[i]->restore(a);
    answer(a, NULL);
}

void bus_adapter_failed(struct bus_adapter *a, const char *why)
{
    snprintf(a->why, sizeof(a->why), "%s", why ? why : "the controller failed.");
    switch (a->state) {
    case BUS_INACTIVE:
        return;
    case BUS_ACTIVATING:
        a->state = BUS_INACTIVE;
        if (a->reset)
            bus_adapter_iface_failed(a, a->why);
        a->reset = false;
        answer_error(a, BUS_NOT_READY, a->why);
        if (!bus_adapter_wanted(a))
            forget(a);
        return;
    case BUS_ACTIVE:
        went_inactive(a, true);
        bus_adapter_iface_failed(a, a->why);
        bus_adapter_due(a);
        return;
    case BUS_ENDING:
        finish_end(a);
        return;
    }
}

void bus_adapter_on_failed(struct bus_adapter *a, const struct bl_event *e)
{
    bus_adapter_failed(a, e->failed.why);
}

void bus_adapter_on_op_done(struct bus_adapter *a, const struct bl_event *e)
{
    if (a->shutdown != 0 && e->done.op == a->shutdown)
        finish_end(a);
}

void bus_adapter_on_address(struct bus_adapter *a, const struct bl_event *e)
{
    a->info.current = e->address.addr;
    bus_adapter_iface_address_changed(a);
}

bool bus_adapter_end(struct bus_adapter *a)
{
    a->closing = true;
    if (a->state != BUS_INACTIVE || a->opened)
        (void)bus_adapter_settle(a);
    return a->state == BUS_INACTIVE;
}

static int register_modules(struct bus_adapter *a)
{
    for (size_t i = 0; i < BUS_MODULES; i++) {
        const struct bus_module *m = bus_modules[i];
        int r = m->init ? m->init(a) : 0;
        if (r >= 0 && m->vtable)
            r = sd_bus_add_object_vtable(a->bus->sd, &a->slots[i], a->path, m->interface, m->vtable,
                                         a);
        if (r < 0)
            return r;
    }
    return 0;
}

int bus_adapter_new(struct bus_adapter **ret, struct bus *b, const char *name,
                    const char *transport, struct bl_host *host,
                    const struct bus_adapter_config *config, const struct bus_adapter_ops *ops,
                    void *ctx)
{
    struct bus_adapter *a = calloc(1, sizeof(*a));
    if (!a)
        return -ENOMEM;
    a->bus = b;
    a->host = host;
    a->ops = ops;
    a->ctx = ctx;
    a->transport = transport;
    a->config = *config;
    a->hold = a->opened = config->active;
    list_init(&a->waiting);
    list_init(&a->calls);
    list_init(&a->held);
    for (size_t i = 0; i < BUS_CALL_BUCKETS; i++)
        list_init(&a->by_op[i]);
    list_append(&b->adapters, &a->link);

    int r = -EINVAL;
    if (strlen(name) < sizeof(a->name)) {
        snprintf(a->name, sizeof(a->name), "%s", name);
        snprintf(a->path, sizeof(a->path), "/org/bled/%s", name);
        r = bus_owner_daemon(a);
    }
    if (r >= 0)
        r = register_modules(a);
    if (r < 0) {
        bus_adapter_free(a);
        return r;
    }
    bus_emit_object_added(b, a->path);
    char adapters[] = "Adapters", first[] = "DefaultAdapter"; /* sd-bus wants char * */
    bus_emit_changed_strv(b, "/org/bled", "org.bled.Manager1", (char *[]){adapters, first, NULL});
    *ret = a;
    return 0;
}

struct bus_adapter *bus_adapter_free(struct bus_adapter *a)
{
    if (!a)
        return NULL;
    a->running = true; /* nothing starts any more */
    if (a->slots[0])
        bus_emit_object_removed(a->bus, a->path);
    for (size_t i = BUS_MODULES; i-- > 0;) {
        sd_bus_slot_unref(a->slots[i]);
        if (bus_modules[i]->deinit)
            bus_modules[i]->deinit(a);
    }
    list_each(l, next, &a->calls) bus_call_free(list_entry(l, struct bus_call, link));
    for (size_t i = BUS_MAX_OWNERS; i-- > 0;)
        a->owners[i] = bus_owner_free(a->owners[i]);
    timerq_cancel(&a->bus->timers, &a->due.timer);
    list_remove(&a->link);
    free(a);
    return NULL;
}
