/* SPDX-License-Identifier: MIT */
/*
 *   CLOSED --take--> CONNECTING --connected--> STARTING --BL_EV_READY--> READY
 *      ^                  |                       |                        |
 *      +-----lose---------+-----------lose--------+----lose, give back-----+
 *
 * `take` is called by ops->open(), by the timer while the controller is wanted, and once at start
 * as a probe. The bus hears of an attempt only if it asked for one or wants the controller
 * (`expected`); a probe that nobody wants ends at READY, with what was learnt.
 *
 * A controller never ends the daemon. Why one cannot be had is told when it is another reason than
 * last time, in words that say what to do; repeated attempts are told at level debug.
 */
#include "adapter.h"
#include "entropy.h"
#include "log.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define CONNECT_S   5.
#define RETRY_MIN_S 0.125
#define RETRY_MAX_S 1.

static void lose(struct adapter *a, const char *why);
static void arm_bonds(struct adapter *a);

static void env_log(void *ctx, enum bl_log_level level, const char *text)
{
    struct adapter *a = ctx;
    log_msg((enum log_level)level, a->spec->name, "%s", text);
}

static bool wanted(const struct adapter *a)
{
    return !a->ended && (a->keep || bus_adapter_wanted(a->bus));
}

static void set_timer(struct adapter *a, double delay)
{
    ev_timer_stop(a->in_loop.loop->ev, &a->timer);
    ev_timer_set(&a->timer, delay, 0.);
    ev_timer_start(a->in_loop.loop->ev, &a->timer);
}

static void settle(struct adapter *a)
{
    a->settled = true;
    a->changed(a->ctx);
}

/* The transport goes, the host ends what it had, the bus is told of each end. */
static void give_back(struct adapter *a)
{
    ev_timer_stop(a->in_loop.loop->ev, &a->timer);
    if (a->state == ADAPTER_CLOSED)
        return;
    a->state = ADAPTER_CLOSED;
    a->expected = false;
    loop_host_unwatch(&a->in_loop);
    transport_close(&a->transport);
    bl_host_stop(a->host, loop_now());
    loop_host_events(&a->in_loop); /* the bus may have it taken again, and expect that */
}

static void try_again(struct adapter *a)
{
    if (!wanted(a) || a->state != ADAPTER_CLOSED)
        return;
    double delay = RETRY_MIN_S;
    for (unsigned i = 1; i < a->failures && delay < RETRY_MAX_S; i++)
        delay *= 2.;
    set_timer(a, delay < RETRY_MAX_S ? delay : RETRY_MAX_S);
}

static void tell(struct adapter *a, bool waiting)
{
    bool again = strcmp(a->why, a->told) == 0;
    log_msg(again ? LOG_TRACE : LOG_WARN, a->spec->name, "%s%s", a->why,
            waiting ? " (waiting for it)" : "");
    memcpy(a->told, a->why, sizeof(a->told));
}

static int start_host(struct adapter *a)
{
    a->state = ADAPTER_STARTING;
    int r = bl_host_start(a->host, loop_now(), &a->start_op);
    loop_host_kick(&a->in_loop);
    return r;
}

/* -errno with a->why, all given back. */
static int take(struct adapter *a)
{
    ev_timer_stop(a->in_loop.loop->ev, &a->timer);
    int r = transport_open(&a->transport);
    if (r >= 0) {
        a->state = ADAPTER_CONNECTING;
        loop_host_watch(&a->in_loop, r > 0);
        if (r > 0)
            set_timer(a, CONNECT_S);
        else
            r = start_host(a);
    }
    if (r >= 0) {
        a->expected = a->expected || wanted(a);
        bus_adapter_opening(a->bus); /* calls wait for this attempt */
        return 0;
    }
    transport_explain(&a->transport, r, a->why, sizeof(a->why));
    give_back(a);
    a->failures++;
    a->absent = true;
    return r;
}

/* The attempt or the controller is over, not by our will. */
static void lose(struct adapter *a, const char *why)
{
    if (a->state == ADAPTER_CLOSED)
        return;
    snprintf(a->why, sizeof(a->why), "%s", why);
    bool expected = a->expected;
    give_back(a);
    a->failures++;
    a->absent = true;
    if (expected && a->state == ADAPTER_CLOSED)
        bus_adapter_failed(a->bus, a->why);
    if (a->state != ADAPTER_CLOSED)
        return; /* the bus had it taken again */
    tell(a, wanted(a));
    try_again(a);
    settle(a);
}

static void lose_for(struct adapter *a, int error)
{
    char why[sizeof(a->why)];
    transport_explain(&a->transport, error, why, sizeof(why));
    lose(a, why);
}

static void tell_ready(const struct adapter *a)
{
    struct bl_controller_info info;
    char address[ADDR_TEXT_LEN];
    bl_host_info(a->host, &info);
    log_msg(LOG_INFORM, a->spec->name, "controller ready: %s, HCI version %u, manufacturer %u%s%s",
            bl_addr_format(&info.identity, address), info.hci_version, info.manufacturer,
            info.extended_advertising ? ", extended advertising" : "",
            a->expected ? "" : " (given back until it is wanted)");
}

/* A probe that nobody waits for ends here; the bus tells the cases apart as well. */
static void on_ready(struct adapter *a, const struct bl_event *e)
{
    if (a->state != ADAPTER_STARTING)
        return; /* it was ready, but is lost already */
    a->state = ADAPTER_READY;
    a->failures = 0;
    a->absent = false;
    a->told[0] = '\0';
    a->expected = a->expected || wanted(a);
    tell_ready(a);
    bus_adapter_event(a->bus, e);
    if (a->state == ADAPTER_READY && !a->expected)
        give_back(a);
    settle(a);
}

static void on_event(void *ctx, const struct bl_event *e)
{
    struct adapter *a = ctx;
    if (e->kind == BL_EV_OP_DONE && e->done.op == a->start_op && a->start_op != 0)
        a->start_op = 0;
    else if (e->kind == BL_EV_READY)
        on_ready(a, e);
    else if (e->kind == BL_EV_FAILED)
        lose(a, e->failed.why ? e->failed.why : "the controller failed");
    else
        bus_adapter_event(a->bus, e);
    if (e->kind == BL_EV_DISCONNECTED) {
        bonds_hurry(&a->bonds, loop_now());
        arm_bonds(a);
    }
}

static void on_connected(void *ctx, int error)
{
    struct adapter *a = ctx;
    ev_timer_stop(a->in_loop.loop->ev, &a->timer);
    if (error == 0)
        error = start_host(a);
    if (error < 0)
        lose_for(a, error);
}

static void on_dead(void *ctx, int error)
{
    lose_for(ctx, error);
}

static void on_packet(void *ctx, bool received, const uint8_t *packet, size_t n)
{
    struct adapter *a = ctx;
    capture_write(&a->capture, received, packet, n);
}

static void on_timer(EV_P_ ev_timer *w, int revents)
{
    struct adapter *a = w->data;
    (void)loop;
    (void)revents;
    if (a->state == ADAPTER_CONNECTING)
        lose_for(a, -ETIMEDOUT);
    else if (a->state == ADAPTER_CLOSED && wanted(a) && take(a) < 0) {
        tell(a, true);
        try_again(a);
    }
}

static int ops_open(void *ctx, bool keep, const char **ret_why)
{
    struct adapter *a = ctx;
    a->keep = keep;
    if (a->state != ADAPTER_CLOSED) {
        a->expected = true;
        return 0;
    }
    int r = take(a);
    if (r == 0) {
        a->expected = true;
        return 0;
    }
    *ret_why = a->why;
    tell(a, false); /* it is up to the bus now whether the controller is waited for */
    try_again(a);
    settle(a);
    return r;
}

static void ops_close(void *ctx)
{
    struct adapter *a = ctx;
    a->keep = false;
    give_back(a);
    a->changed(a->ctx);
}

static void ops_kick(void *ctx)
{
    struct adapter *a = ctx;
    loop_host_kick(&a->in_loop);
}

static uint64_t ops_now(void *ctx)
{
    (void)ctx;
    return loop_now();
}

static int ops_capture_start(void *ctx, int fd, bool keys, uint32_t snaplen)
{
    struct adapter *a = ctx;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return copy < 0 ? -errno : capture_start(&a->capture, copy, keys, snaplen);
}

static void ops_capture_stop(void *ctx)
{
    struct adapter *a = ctx;
    capture_stop(&a->capture);
}

/* ---- bonds ---- */

static void arm_bonds(struct adapter *a)
{
    uint64_t now = loop_now(), deadline = bonds_deadline(&a->bonds);
    ev_timer_stop(a->in_loop.loop->ev, &a->bonds_timer);
    if (deadline == UINT64_MAX)
        return;
    ev_timer_set(&a->bonds_timer, deadline > now ? (double)(deadline - now) / 1e6 : 0., 0.);
    ev_timer_start(a->in_loop.loop->ev, &a->bonds_timer);
}

static void on_bonds_timer(EV_P_ ev_timer *w, int revents)
{
    struct adapter *a = w->data;
    (void)loop;
    (void)revents;
    bonds_tick(&a->bonds, loop_now());
    arm_bonds(a);
}

static void ops_bond_write(void *ctx, const struct bl_bond *bond)
{
    struct adapter *a = ctx;
    bonds_write(&a->bonds, loop_now(), bond);
    arm_bonds(a);
}

static void ops_bond_delete(void *ctx, const struct bl_addr *identity)
{
    struct adapter *a = ctx;
    bonds_delete(&a->bonds, loop_now(), identity);
    arm_bonds(a);
}

static int give_bond(void *ctx, const struct bl_bond *bond)
{
    struct adapter *a = ctx;
    return bl_bond_add(a->host, loop_now(), bond);
}

static void ops_bonds_load(void *ctx)
{
    struct adapter *a = ctx;
    struct bl_controller_info info;
    bl_host_info(a->host, &info);
    const struct bonds_controller c = {.address = info.identity,
                                       .hci_version = info.hci_version,
                                       .manufacturer = info.manufacturer};
    if (bonds_serve(&a->bonds, loop_now(), &c))
        bl_bond_clear(a->host, loop_now());
    (void)bonds_load(&a->bonds, give_bond, a);
    arm_bonds(a);
}

static const struct bus_adapter_ops bus_ops = {
    .open = ops_open,
    .close = ops_close,
    .kick = ops_kick,
    .now = ops_now,
    .capture_start = ops_capture_start,
    .capture_stop = ops_capture_stop,
    .bond_write = ops_bond_write,
    .bond_delete = ops_bond_delete,
    .bonds_load = ops_bonds_load,
};

static const struct loop_host_ops loop_ops = {
    .event = on_event,
    .connected = on_connected,
    .dead = on_dead,
    .packet = on_packet,
};

int adapter_init(struct adapter *a, const struct adapter_options *o)
{
    *a = (struct adapter){.spec = o->spec, .changed = o->changed, .ctx = o->ctx};
    struct bl_env env = {.random = entropy_random, .log = env_log, .ctx = a};
    struct bl_config config = o->config->host;
    struct state_identity identity;
    (void)state_identity(o->state_dir, o->spec->name, &identity); /* logged; goes on without */
    config.static_addr = identity.static_addr;
    memcpy(config.irk, identity.irk, sizeof(config.irk));
    config.addr_mode = o->config->bus.has_addr_mode ? (enum bl_addr_mode)o->config->bus.addr_mode
                                                    : BL_ADDR_MODE_PUBLIC;
    config.mtu = o->config->bus.mtu;
    config.appearance = o->config->bus.appearance;
    memcpy(config.gap_name, o->config->bus.gap_name, sizeof(config.gap_name));
    int r = bl_host_new(&a->host, &env, &config);
    explicit_bzero(&identity, sizeof(identity));
    explicit_bzero(&config, sizeof(config));
    if (r < 0)
        return r;
    transport_init(&a->transport, o->spec);
    capture_init(&a->capture, o->loop->ev, o->spec->name);
    a->in_loop = (struct loop_host){
        .loop = o->loop,
        .host = a->host,
        .transport = &a->transport,
        .ops = &loop_ops,
        .ctx = a,
    };
    loop_host_add(&a->in_loop);
    ev_init(&a->timer, on_timer);
    a->timer.data = a;
    bonds_init(&a->bonds, &(struct bonds_place){.state_dir = o->state_dir,
                                                .name = o->spec->name,
                                                .any_controller = o->config->bonds_any_controller});
    ev_init(&a->bonds_timer, on_bonds_timer);
    a->bonds_timer.data = a;
    r = bus_adapter_new(&a->bus, o->bus, o->spec->name, o->spec->text, a->host, &o->config->bus,
                        &bus_ops, a);
    if (r < 0)
        adapter_done(a);
    return r;
}

void adapter_done(struct adapter *a)
{
    if (!a->host)
        return;
    a->ended = true;
    a->bus = bus_adapter_free(a->bus);
    give_back(a);
    bonds_flush(&a->bonds, loop_now());
    ev_timer_stop(a->in_loop.loop->ev, &a->bonds_timer);
    bonds_done(&a->bonds);
    capture_stop(&a->capture);
    loop_host_remove(&a->in_loop);
    transport_done(&a->transport);
    a->host = bl_host_free(a->host);
}

void adapter_probe(struct adapter *a)
{
    if (a->state != ADAPTER_CLOSED)
        return;
    if (take(a) < 0) {
        tell(a, wanted(a));
        try_again(a);
        settle(a);
    }
}

bool adapter_end(struct adapter *a)
{
    if (a->ended)
        return true;
    if (!bus_adapter_end(a->bus))
        return false;
    a->ended = true;
    ops_close(a);
    return true;
}

const char *adapter_status(const struct adapter *a)
{
    if (a->state == ADAPTER_READY)
        return "active";
    if (a->state != ADAPTER_CLOSED)
        return "starting";
    return a->absent ? "absent" : "idle";
}
