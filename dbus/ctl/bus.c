/* SPDX-License-Identifier: MIT */

/* bus: the connection to the bus and to the daemon on it, calls, events, the loop. */

#include "ctl.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const struct {
    const char *error; /* after org.bled.Error. or org.freedesktop.DBus.Error. */
    int status;
} STATUS[] = {
    {"NotFound", CTL_NOT_FOUND},       {"NotConnected", CTL_NOT_FOUND},
    {"UnknownObject", CTL_NOT_FOUND},  {"Timeout", CTL_TIMEOUT},
    {"NoReply", CTL_TIMEOUT},          {"InvalidArgs", CTL_USAGE},
    {"ServiceUnknown", CTL_NO_DAEMON}, {"NameHasNoOwner", CTL_NO_DAEMON},
    {"AccessDenied", CTL_NO_DAEMON},   {"Hci.ConnectionFailedToBeEstablished", CTL_TIMEOUT},
};

int ctl_error(const char *what, int r, const sd_bus_error *error)
{
    const char *name = error && error->name ? error->name : "";
    const char *text = error && error->message ? error->message : strerror(-r);
    static const char *const before[] = {"org.bled.Error.", "org.freedesktop.DBus.Error."};

    if (strcmp(name, SD_BUS_ERROR_SERVICE_UNKNOWN) == 0 ||
        strcmp(name, SD_BUS_ERROR_NAME_HAS_NO_OWNER) == 0)
        return ctl_fail(CTL_NO_DAEMON, "bled is not running here (`systemctl start bled`)");
    /* the bus says NoReply of who has gone, sd-bus of who has not answered in time */
    if (strcmp(name, SD_BUS_ERROR_NO_REPLY) == 0 && !strstr(text, "timed out"))
        return ctl_fail(CTL_NO_DAEMON, "%s: bled has gone", what);
    /* bled's own refusals say whose something is; the bus's speak of rules */
    if (strcmp(name, SD_BUS_ERROR_ACCESS_DENIED) == 0 &&
        (strncmp(text, "Rejected send", 13) == 0 || strstr(text, "not authorized")))
        return ctl_fail(CTL_NO_DAEMON,
                        "%s: this user may not use bled (root and group bluetooth may)", what);
    if (strcmp(name, SD_BUS_ERROR_UNKNOWN_OBJECT) == 0)
        return ctl_fail(CTL_NOT_FOUND, "%s: bled has no such adapter (`bledctl status`)", what);
    if (strncmp(text, what, strlen(what)) == 0) /* bled says what it was about, too */
        text += strlen(what) + strspn(text + strlen(what), ": ");
    for (size_t b = 0; b < ARRAY_LEN(before); b++) {
        size_t n = strlen(before[b]);
        for (size_t i = 0; strncmp(name, before[b], n) == 0 && i < ARRAY_LEN(STATUS); i++)
            if (strcmp(name + n, STATUS[i].error) == 0)
                return ctl_fail(STATUS[i].status, "%s: %s", what, text);
    }
    return ctl_fail(r == -ECONNRESET || r == -ENOTCONN ? CTL_NO_DAEMON
                    : r == -ETIMEDOUT                  ? CTL_TIMEOUT
                                                       : CTL_FAILED,
                    "%s: %s", what, text);
}

static int open_bus(struct ctl *c)
{
    if (!c->address || strcmp(c->address, "system") == 0)
        return sd_bus_open_system(&c->bus);
    if (strcmp(c->address, "session") == 0)
        return sd_bus_open_user(&c->bus);
    int r = sd_bus_new(&c->bus);
    if (r >= 0)
        r = sd_bus_set_address(c->bus, c->address);
    if (r >= 0)
        r = sd_bus_set_bus_client(c->bus, 1);
    return r < 0 ? r : sd_bus_start(c->bus);
}

/* The daemon says which adapter is the usual one. */
static int default_path(struct ctl *c, bool no_adapter)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    const char *path;

    int r = sd_bus_get_property(c->bus, c->bus_name, "/org/bled", "org.bled.Manager1",
                                "DefaultAdapter", &error, &m, "o");
    if (r >= 0)
        r = sd_bus_message_read(m, "o", &path);
    if (r < 0)
        return ctl_error("asking for the adapter", r, &error);
    if (strncmp(path, "/org/bled/", 10) != 0 || strlen(path) >= sizeof(c->path))
        return no_adapter ? CTL_OK : ctl_fail(CTL_NOT_FOUND, "bled has no adapter");
    strcpy(c->path, path);
    return CTL_OK;
}

int ctl_open(struct ctl *c, bool no_adapter)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    int active, r = open_bus(c);

    if (r < 0)
        return ctl_fail(CTL_NO_DAEMON, "there is no bus at %s: %s",
                        c->address ? c->address : "the system's address", strerror(-r));
    sd_bus_set_method_call_timeout(c->bus, CTL_LONG_US);
    if (!c->adapter)
        return default_path(c, no_adapter);
    if (snprintf(c->path, sizeof(c->path), "/org/bled/%s", c->adapter) >= (int)sizeof(c->path) ||
        !sd_bus_object_path_is_valid(c->path))
        return ctl_fail(CTL_USAGE, "--adapter=%s: an adapter is named hci0, hci1, ...", c->adapter);
    r = sd_bus_get_property_trivial(c->bus, c->bus_name, c->path, CTL_ADAPTER, "Active", &error,
                                    'b', &active);
    return r < 0 ? ctl_error(c->adapter, r, &error) : CTL_OK;
}

void ctl_close(struct ctl *c)
{
    sd_bus_message *m = NULL;

    c->prompt.input = sd_event_source_unref(c->prompt.input);
    /* that we leave is no news for the daemon's log; nobody waits for the answer */
    if (c->attached && ctl_message(c, CTL_ADAPTER, "Detach", &m) == CTL_OK) {
        (void)sd_bus_message_set_expect_reply(m, 0);
        (void)sd_bus_send(c->bus, m, NULL);
        sd_bus_message_unref(m);
    }
    sd_bus_flush_close_unref(c->bus);
    c->bus = NULL;
    c->event = sd_event_unref(c->event);
}

int ctl_message(struct ctl *c, const char *interface, const char *method, sd_bus_message **ret)
{
    int r = sd_bus_message_new_method_call(c->bus, ret, c->bus_name, c->path, interface, method);

    return r < 0 ? ctl_error(method, r, NULL) : CTL_OK;
}

int ctl_send(struct ctl *c, const char *what, sd_bus_message *m, sd_bus_message **ret_reply)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = sd_bus_call(c->bus, m, 0, &error, ret_reply);

    sd_bus_message_unref(m);
    return r < 0 ? ctl_error(what, r, &error) : CTL_OK;
}

int ctl_call(struct ctl *c, const char *what, const char *interface, const char *method,
             sd_bus_message **ret_reply, const char *types, ...)
{
    sd_bus_message *m = NULL;
    va_list ap;

    int status = ctl_message(c, interface, method, &m);
    if (status != CTL_OK)
        return status;
    va_start(ap, types);
    int r = sd_bus_message_appendv(m, types, ap);
    va_end(ap);
    if (r < 0) {
        sd_bus_message_unref(m);
        return ctl_error(what, r, NULL);
    }
    return ctl_send(c, what, m, ret_reply);
}

int ctl_attach(struct ctl *c, bool active)
{
    if (c->attached)
        return CTL_OK;
    int status = ctl_call(c, "attaching to bled", CTL_ADAPTER, "Attach", NULL, "a{sv}", 1, "active",
                          "b", (int)active);
    c->attached = status == CTL_OK;
    return status;
}

/* Not looked up first: it may be on its way down, with another client's hold. */
int ctl_need_active(struct ctl *c)
{
    if (!c->stay)
        return ctl_attach(c, true);
    return ctl_call(c, "taking the controller", CTL_ADAPTER, "SetActive", NULL, "ba{sv}", 1, 0);
}

/* ---- events ---- */

int ctl_match(struct ctl *c, const char *interface, const char *member,
              sd_bus_message_handler_t handler, void *userdata)
{
    char match[512];

    snprintf(match, sizeof(match), "type='signal',sender='%s',path_namespace='%s'%s%s%s%s%s%s",
             c->bus_name, c->path, interface ? ",interface='" : "", interface ? interface : "",
             interface ? "'" : "", member ? ",member='" : "", member ? member : "",
             member ? "'" : "");
    int r = sd_bus_add_match(c->bus, NULL, match, handler, userdata);
    return r < 0 ? ctl_error("listening to bled", r, NULL) : CTL_OK;
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
    struct ctl *c = userdata;

    (void)s;
    (void)si;
    c->over = c->interrupted = true;
    return 0;
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct ctl *c = userdata;
    const char *name, *old, *new;

    (void)error;
    if (sd_bus_message_read(m, "sss", &name, &old, &new) < 0 || *old == '\0')
        return 0;
    ctl_loop_end(c, ctl_fail(CTL_NO_DAEMON, "bled has gone"));
    return 0;
}

/* What we made has ended with it: going on would be waiting for nothing. */
static int on_detached(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    const char *reason = "";

    (void)error;
    (void)sd_bus_message_read(m, "s", &reason);
    ctl_loop_end(userdata, ctl_fail(CTL_FAILED, "bled has detached us: %s", reason));
    return 0;
}

static int on_bus_gone(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct ctl *c = userdata;

    (void)m;
    (void)error;
    ctl_loop_end(c, ctl_fail(CTL_NO_DAEMON, "the bus has gone"));
    return 0;
}

static void block_signals(bool block)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

int ctl_loop_init(struct ctl *c)
{
    char match[256];

    block_signals(true); /* as sd-event wants them */
    snprintf(match, sizeof(match),
             "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'",
             c->bus_name);
    int r = sd_event_default(&c->event);
    if (r >= 0)
        r = sd_event_add_signal(c->event, NULL, SIGINT, on_signal, c);
    if (r >= 0)
        r = sd_event_add_signal(c->event, NULL, SIGTERM, on_signal, c);
    if (r >= 0)
        r = sd_bus_add_match(c->bus, NULL, match, on_owner, c);
    if (r >= 0 && c->attached && ctl_match(c, CTL_ADAPTER, "Detached", on_detached, c) != CTL_OK)
        r = -ENOMEM;
    if (r >= 0)
        r = sd_bus_match_signal_async(c->bus, NULL, "org.freedesktop.DBus.Local", NULL,
                                      "org.freedesktop.DBus.Local", "Disconnected", on_bus_gone,
                                      NULL, c);
    if (r >= 0)
        r = sd_bus_attach_event(c->bus, c->event, SD_EVENT_PRIORITY_NORMAL);
    block_signals(false);
    return r < 0 ? ctl_error("waiting for events", r, NULL) : CTL_OK;
}

/* Ctrl-C makes a terminal throw away what has been written to it and not shown yet, a moment after
 * the signal: that may be our last words. Where we may, we ask it not to. */
static bool keep_output(struct termios *old)
{
    if (tcgetpgrp(STDIN_FILENO) != getpgrp() || tcgetattr(STDIN_FILENO, old) < 0)
        return false;
    struct termios new = *old;
    new.c_lflag |= NOFLSH;
    return tcsetattr(STDIN_FILENO, TCSANOW, &new) == 0;
}

int ctl_loop(struct ctl *c, int interrupted, const char *ready)
{
    struct termios old;
    int r = 0;

    bool kept = keep_output(&old);
    block_signals(true);
    if (ready)
        ctl_progress(c, "%s", ready);
    /* not sd_event_loop(), whose end closes the bus: there may be something to tidy up */
    while (r >= 0 && !c->over && !ferror(stdout))
        r = sd_event_run(c->event, UINT64_MAX);
    if (kept)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &old);
    if (r < 0)
        return ctl_error("waiting for events", r, NULL);
    return c->interrupted ? interrupted : c->status;
}

void ctl_loop_end(struct ctl *c, int status)
{
    if (!c->over)
        c->status = status;
    c->over = true;
}
