/* SPDX-License-Identifier: MIT */
/*
 * main: the life of the process.
 *
 *   configuration -> loop, bus -> adapters, each probed -> the name is asked for -> turns
 *   -> SIGTERM: adapters end in order, for END_S at most -> exit 0
 *
 * The name is asked for as soon as the objects exist, before the controllers have answered; the
 * service manager is told READY when the name is ours and each controller is up or known absent.
 * SIGHUP means nothing to bled and is ignored, as is SIGPIPE: writes say EPIPE.
 */
#include "adapter.h"
#include "base/cleanup.h"
#include "bus.h"
#include "bus_ev.h"
#include "company.h"
#include "log.h"
#include "loop.h"
#include "notify.h"
#include "options.h"
#include "watch.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define END_S     3.
#define FLUSH_MS  1000
#define STATE_DIR "/var/lib/bled"

struct bled {
    struct config config;
    struct loop loop;
    struct notify notify;
    struct bus_ev bus_ev;
    sd_bus *sd;
    struct bus *bus;
    struct adapter *adapters;
    size_t n_adapters; /* initialised */
    ev_signal sigterm, sigint;
    ev_timer end_timer;
    bool named, ending, probing;
    bool told;       /* in the log, why it cannot start */
    const char *why; /* it ends, for the log */
    int status;      /* to exit with */
};

/*
 * What a host keeps ready for many links, commands and events is to cost nothing until it is used,
 * and what a burst needed is to go back. Large objects get pages of their own for that, which are
 * zero when they come: calloc() touches none. malloc() does so only for what does not fit into
 * the heap's spare room, so there is to be little of it, and what there is already goes first.
 */
static void set_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 8192);
    mallopt(M_TOP_PAD, 8192);
    mallopt(M_TRIM_THRESHOLD, 65536);
    malloc_trim(0);
}

static void tell_status(struct bled *b)
{
    char text[64 + SPEC_MAX * 24];
    size_t n = (size_t)snprintf(text, sizeof(text), "%zu adapters:", b->n_adapters);
    bool settled = b->named && !b->probing;
    for (size_t i = 0; i < b->n_adapters; i++) {
        const struct adapter *a = &b->adapters[i];
        settled = settled && a->settled;
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s %s", i > 0 ? "," : "",
                              a->spec->name, adapter_status(a));
    }
    if (b->ending)
        return;
    notify_status(&b->notify, text);
    if (settled)
        notify_ready(&b->notify);
}

static void on_adapter_changed(void *ctx)
{
    tell_status(ctx);
}

static void on_name(void *ctx)
{
    struct bled *b = ctx;
    b->named = true;
    log_msg(LOG_INFORM, NULL, "serving as %s", b->config.bus_name);
    tell_status(b);
}

static void begin_end(struct bled *b, int status, const char *why)
{
    if (b->ending) {
        ev_break(b->loop.ev, EVBREAK_ALL); /* asked twice: at once */
        return;
    }
    b->ending = true;
    b->status = status;
    b->why = why;
    notify_stopping(&b->notify);
    ev_timer_start(b->loop.ev, &b->end_timer);
}

static void on_signal(EV_P_ ev_signal *w, int revents)
{
    (void)loop;
    (void)revents;
    begin_end(w->data, EXIT_SUCCESS, w->signum == SIGINT ? "SIGINT" : "SIGTERM");
}

static void on_end_timer(EV_P_ ev_timer *w, int revents)
{
    (void)w;
    (void)revents;
    log_msg(LOG_WARN, NULL, "not everything ended in order within %g s", END_S);
    ev_break(EV_A_ EVBREAK_ALL);
}

static void on_bus_gone(void *ctx, int error)
{
    struct bled *b = ctx;
    if (b->ending)
        return;
    if (error != -EEXIST && error != -EACCES) /* about the name, which dbus/ has told */
        log_msg(LOG_ERROR, NULL, "the connection to the bus ended: %s", strerror(-error));
    begin_end(b, EXIT_FAILURE, "the bus or the name on it is lost");
}

static void before_wait(void *ctx)
{
    struct bled *b = ctx;
    if (b->ending) {
        bool all = true;
        for (size_t i = 0; i < b->n_adapters; i++)
            all = adapter_end(&b->adapters[i]) && all;
        if (all)
            ev_break(b->loop.ev, EVBREAK_ALL);
    }
    bus_ev_prepare(&b->bus_ev);
}

static bool congested(void *ctx)
{
    const struct bled *b = ctx;
    return bus_congested(b->bus);
}

static void log_line(void *ctx, int level, const char *text)
{
    (void)ctx;
    log_msg((enum log_level)level, NULL, "%s", text);
}

static const char *get_log_level(void *ctx)
{
    (void)ctx;
    return log_get_level();
}

static int set_log_level(void *ctx, const char *level)
{
    (void)ctx;
    return log_set_level(level);
}

static const char *get_log_target(void *ctx)
{
    (void)ctx;
    return log_get_target();
}

static int set_log_target(void *ctx, const char *target)
{
    (void)ctx;
    return log_set_target(target);
}

static int on_watch(void *ctx, int fd, uint32_t events,
                    void (*ready)(void *userdata, uint32_t revents), void *userdata,
                    struct bus_watch **ret)
{
    struct bled *b = ctx;
    return watch_new(b->loop.ev, fd, events, ready, userdata, ret);
}

static int open_bus(struct bled *b)
{
    const char *where = b->config.bus;
    int r = bus_ev_connect(&b->sd, where);
    if (r < 0) {
        b->told = true;
        if (r == -ENOMEDIUM && strcmp(where, "session") == 0)
            log_msg(LOG_ERROR, NULL, "no session bus: DBUS_SESSION_BUS_ADDRESS is not set");
        else
            log_msg(LOG_ERROR, NULL, "cannot connect to the bus %s: %s", where, strerror(-r));
        return r;
    }
    struct bus_options options = {
        .name = b->config.bus_name,
        .system = strcmp(where, "system") == 0,
        .log_level = get_log_level,
        .set_log_level = set_log_level,
        .log_target = get_log_target,
        .set_log_target = set_log_target,
        .manufacturer = company_name,
        .log = log_line,
        .watch_fd = on_watch,
        .rewatch_fd = watch_set,
        .unwatch_fd = watch_free,
        .name_acquired = on_name,
        .gone = on_bus_gone,
        .ctx = b,
    };
    r = bus_new(&b->bus, b->sd, &options);
    if (r < 0)
        return r;
    b->bus_ev = (struct bus_ev){
        .ev = b->loop.ev, .sd = b->sd, .bus = b->bus, .gone = on_bus_gone, .ctx = b};
    bus_ev_start(&b->bus_ev);
    return 0;
}

static void begin_capture(struct bled *b, struct adapter *a)
{
    char path[CONFIG_PATH + 32];
    if (!b->config.btsnoop)
        return;
    bool several = b->config.n_specs > 1;
    snprintf(path, sizeof(path), "%s%s%s", b->config.btsnoop, several ? "." : "",
             several ? a->spec->name : "");
    int r = capture_start_file(&a->capture, path);
    if (r < 0)
        log_msg(LOG_ERROR, a->spec->name, "cannot capture to %s: %s", path, strerror(-r));
}

static int open_adapters(struct bled *b)
{
    b->adapters = calloc(b->config.n_specs, sizeof(*b->adapters));
    if (!b->adapters)
        return -ENOMEM;
    for (size_t i = 0; i < b->config.n_specs; i++) {
        struct config_adapter config = config_adapter(&b->config, b->config.specs[i].name);
        struct adapter_options options = {
            .spec = &b->config.specs[i],
            .config = &config,
            .state_dir = b->config.state_dir,
            .loop = &b->loop,
            .bus = b->bus,
            .changed = on_adapter_changed,
            .ctx = b,
        };
        int r = adapter_init(&b->adapters[i], &options);
        if (r < 0)
            return r;
        b->n_adapters++;
        begin_capture(b, &b->adapters[i]);
    }
    return 0;
}

static int start(struct bled *b)
{
    struct ev_loop *ev;
    b->loop.before_wait = before_wait;
    b->loop.congested = congested;
    b->loop.ctx = b;
    int r = loop_open(&b->loop);
    if (r < 0)
        return r;
    ev = b->loop.ev;
    ev_signal_init(&b->sigterm, on_signal, SIGTERM);
    ev_signal_init(&b->sigint, on_signal, SIGINT);
    b->sigterm.data = b->sigint.data = b;
    ev_signal_start(ev, &b->sigterm);
    ev_signal_start(ev, &b->sigint);
    ev_timer_init(&b->end_timer, on_end_timer, END_S, 0.);
    notify_open(&b->notify, ev);
    r = open_bus(b);
    if (r == 0)
        r = open_adapters(b);
    if (r == 0)
        r = bus_request_name(b->bus);
    if (r < 0)
        return r;
    b->probing = true;
    for (size_t i = 0; i < b->n_adapters; i++)
        adapter_probe(&b->adapters[i]);
    b->probing = false;
    tell_status(b);
    return 0;
}

static void stop(struct bled *b)
{
    for (size_t i = 0; i < b->n_adapters; i++)
        adapter_done(&b->adapters[i]);
    b->bus = bus_free(b->bus);
    if (b->sd) {
        bus_ev_flush(&b->bus_ev, FLUSH_MS);
        bus_ev_stop(&b->bus_ev);
        sd_bus_close(b->sd);
        sd_bus_unref(b->sd);
    }
    if (b->loop.ev) {
        notify_close(&b->notify);
        ev_timer_stop(b->loop.ev, &b->end_timer);
        ev_signal_stop(b->loop.ev, &b->sigterm);
        ev_signal_stop(b->loop.ev, &b->sigint);
        loop_close(&b->loop);
    }
    free(b->adapters);
    config_done(&b->config);
}

/* What neither the file nor the command line said. */
static int set_defaults(struct config *c)
{
    const char *state = getenv("STATE_DIRECTORY");
    const struct {
        char **at;
        const char *value;
    } rows[] = {
        {&c->bus, "system"},
        {&c->bus_name, "org.bled"},
        {&c->log_level, "info"},
        {&c->state_dir, state && *state ? state : STATE_DIR},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (*rows[i].at)
            continue;
        *rows[i].at = strdup(rows[i].value);
        if (!*rows[i].at)
            return -ENOMEM;
    }
    return log_set_level(c->log_level);
}

int main(int argc, char **argv)
{
    struct bled b = {.status = EXIT_SUCCESS};
    set_memory();
    log_open();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    config_init(&b.config);
    switch (options_read(argc, argv, &b.config)) {
    case OPTIONS_RUN:
        break;
    case OPTIONS_CHECKED:
        config_done(&b.config);
        return EXIT_SUCCESS;
    case OPTIONS_WRONG:
        config_done(&b.config);
        return 2;
    case OPTIONS_FAILED:
        config_done(&b.config);
        return EXIT_FAILURE;
    }
    int r = set_defaults(&b.config);
    if (r == 0)
        r = start(&b);
    if (r == 0)
        ev_run(b.loop.ev, 0);
    else if (!b.told)
        log_msg(LOG_ERROR, NULL, "cannot start: %s", strerror(-r));
    stop(&b);
    if (b.why)
        log_msg(LOG_INFORM, NULL, "ended: %s", b.why);
    return r == 0 ? b.status : EXIT_FAILURE;
}
