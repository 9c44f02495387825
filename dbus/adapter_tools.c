/* SPDX-License-Identifier: MIT */

/*
 * adapter_tools: what Adapter1 has for those who look under the hood: raw HCI commands, captures,
 * counters.
 *
 * A capture is a thing of its owner: it goes on while the adapter goes down and up, and ends with
 * StopCapture or with the client that began it.
 */

#include "adapter_iface.h"

#include <errno.h>
#include <fcntl.h>

static void hci_done(struct bus_call *c, const struct bl_event *e)
{
    if (e->done.status >= BL_STATUS_LOCAL) {
        bus_call_fail(c, e->done.status, "the HCI command");
        return;
    }
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = bus_call_reply_new(c, &reply);
    if (!reply)
        return;
    if (r >= 0)
        r = sd_bus_message_append(reply, "y", e->done.reply.status);
    if (r >= 0)
        r = sd_bus_message_append_array(reply, 'y', e->done.reply.params, e->done.reply.len);
    if (r >= 0)
        bus_call_send(c, steal_ptr(reply));
    else
        bus_call_fail(c, BL_NO_RESOURCES, "the answer of the HCI command");
}

static const struct bus_call_kind HCI_COMMAND = {
    .method = "HciCommand",
    .out = "yay",
    .size = sizeof(struct bus_call),
    .done = hci_done,
};

int bus_tools_hci_command(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_call *call;
    uint16_t ogf, ocf;
    const void *params;
    size_t n;
    bl_op op;

    int r = bus_enter(a, m, bus_tools_hci_command, BUS_ROOT, NULL, error);
    if (r != 0)
        return r;
    if (!a->config.hci_command)
        return bus_error_access(error, "HciCommand is off; the configuration file can allow it.");
    r = sd_bus_message_read(m, "qq", &ogf, &ocf);
    if (r >= 0)
        r = sd_bus_message_read_array(m, 'y', &params, &n);
    if (r < 0)
        return r;
    if (ogf > 0x3f || ocf > 0x3ff) /* Core 5.4, Vol 4, Part E, 5.4.1 */
        return bus_error_invalid(error, "OGF 0x%x, OCF 0x%x: the most are 0x3f and 0x3ff.", ogf,
                                 ocf);
    if (n > UINT8_MAX)
        return bus_error_invalid(error, "%zu bytes of parameters; 255 are the most.", n);

    r = bus_call_new(a, m, &HCI_COMMAND, true, &call, error);
    if (r < 0)
        return r;
    r = bl_hci_command(a->host, bus_now(a), (uint16_t)(ogf << 10 | ocf), params, n, &op);
    if (r < 0) {
        bus_call_free(call);
        return bus_error_errno(error, r, "HCI command 0x%04x", ogf << 10 | ocf);
    }
    return bus_call_go(call, op);
}

static void capture_release(struct bus_thing *t)
{
    struct bus_adapter *a = t->owner->adapter;
    a->ops->capture_stop(a->ctx);
    bus_thing_remove(t);
}

static const struct bus_thing_kind CAPTURE = {
    .holds = "captures",
    .rank = BUS_RANK_CAPTURE,
    .release = capture_release,
};

struct capture_opts {
    struct bus_opts head;
    bool keys;
    uint32_t snaplen;
};

static const struct bus_opt CAPTURE_OPTS[] = {
    {"keys", "b", offsetof(struct capture_opts, keys), 0, 0, NULL},
    {"snaplen", "u", offsetof(struct capture_opts, snaplen), 0, 0, NULL},
};

int bus_tools_start_capture(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    struct capture_opts opts = {0};
    int fd;

    int r = bus_enter(a, m, bus_tools_start_capture, BUS_ROOT, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "h", &fd);
    if (r >= 0)
        r = bus_opts_read(m, CAPTURE_OPTS, ARRAY_LEN(CAPTURE_OPTS), &opts, error);
    if (r < 0)
        return r;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return bus_error_invalid(error, "The file descriptor cannot be written to.");
    if (a->capture.owner)
        return bus_error_set(error, BUS_BUSY, "A capture of %s runs on %s's file.",
                             a->capture.owner->who, a->name);

    r = a->ops->capture_start(a->ctx, fd, opts.keys, opts.snaplen);
    if (r == -EBUSY)
        return bus_error_set(error, BUS_BUSY, "The daemon captures %s to a file of its own.",
                             a->name);
    if (r < 0)
        return bus_error_errno(error, r, "capturing %s", a->name);
    bus_thing_add(&a->capture, owner, &CAPTURE);
    return sd_bus_reply_method_return(m, NULL);
}

int bus_tools_stop_capture(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;

    int r = bus_enter(a, m, bus_tools_stop_capture, BUS_WHILE_INACTIVE, &owner, error);
    if (r != 0)
        return r;
    if (a->capture.owner) {
        r = bus_owner_may(owner, a->capture.owner, "The capture", error);
        if (r < 0)
            return r;
        capture_release(&a->capture);
    }
    return sd_bus_reply_method_return(m, NULL);
}

static uint64_t count_calls(const struct bus_adapter *a)
{
    uint64_t n = 0;
    list_each(l, next, &a->calls) n++;
    return n;
}

int bus_tools_stats(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    const char *name;
    uint64_t value;

    int r = bus_enter(a, m, bus_tools_stats, BUS_WHILE_INACTIVE, NULL, error);
    if (r != 0)
        return r;
    r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "{st}");
    if (r < 0)
        return r;
    for (size_t i = 0; bl_host_counter(a->host, i, &name, &value); i++)
        bus_stat(reply, name, value);
    bus_stat(reply, "calls-open", count_calls(a));
    bus_stat(reply, "calls-refused", a->bus->calls_refused);
    bus_stat(reply, "signals-sent", a->bus->signals_sent);
    bus_stat(reply, "signals-failed", a->bus->signals_failed);
    bus_stat(reply, "clients-attached", a->attached);
    bus_stat(reply, "clients-detached", a->bus->clients_detached);
    for (size_t i = 0; i < BUS_MODULES; i++)
        if (bus_modules[i]->stats)
            bus_modules[i]->stats(a, reply);
    r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(a->bus->sd, reply, NULL);
}
