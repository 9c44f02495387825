/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * adapter: the inside of struct bus and struct bus_adapter, for the files of dbus/ alone.
 *
 * An adapter is INACTIVE, ACTIVATING (the controller is being brought up), ACTIVE or ENDING (it is
 * being let go of, in order). While it is ACTIVATING, or while the caller's own things are ending,
 * calls that need an active adapter wait (bus_enter) and are dispatched again afterwards.
 *
 * An interface is a module: one .c file, one row in modules.h, and rows in events.c for the events
 * it wants. Modules call bl_* with a->host and bus_now(a), and bus_kick(a) after a command
 * (bus_call_go does it).
 */

#include "base/cleanup.h"
#include "base/list.h"
#include "base/timerq.h"
#include "bus.h"
#include "call.h"
#include "emit.h"
#include "error.h"
#include "modules.h"
#include "opts.h"
#include "owner.h"

enum bus_state {
    BUS_INACTIVE,
    BUS_ACTIVATING,
    BUS_ACTIVE,
    BUS_ENDING,
};

/* A timer of the bus side: runs from the daemon's loop by bus_tick(). Zeroed before first use. */
struct bus_timer {
    struct timer timer;
    void (*fire)(struct bus_timer *t, uint64_t now);
};

enum { BUS_CALL_BUCKETS = 64 };

struct bus {
    sd_bus *sd;
    struct bus_options options;
    struct list adapters; /* struct bus_adapter.link */
    struct list clients;  /* struct bus_client.link */
    struct timerq timers;
    struct bus_access *access;
    sd_bus_slot *slots[8];
    size_t n_slots;
    sd_bus_slot *name_slot;
    bool name_owned;
    uint64_t signals_sent, signals_failed, clients_detached, calls_refused;
};

struct bus_adapter {
    struct list link;
    struct bus *bus;
    struct bl_host *host;
    const struct bus_adapter_ops *ops;
    void *ctx;
    const char *transport;
    char name[16]; /* hci0 */
    char path[32]; /* /org/bled/hci0 */

    enum bus_state state;
    bool hold;        /* SetActive(true) holds; clients' holds are in their owners */
    bool closing;     /* SIGTERM */
    bool known;       /* info has been read from a controller at least once */
    bool reset;       /* ENDING because of Reset: bring-up follows, the daemon's things restored */
    bool restore;     /* things of the daemon wait for the controller to come back */
    bool forget_hold; /* the hold was taken by a SetActive that is still waiting */
    bl_op shutdown;
    struct list waiting; /* calls for the change of state under way to be complete */

    struct bus_adapter_config config;
    struct bl_controller_info info;
    uint32_t last_request; /* see bus_request() */

    struct bus_owner *owners[BUS_MAX_OWNERS]; /* by slot; 0 is the daemon, always there */
    struct list calls;                        /* every call that has not ended */
    struct list by_op[BUS_CALL_BUCKETS];
    struct list held; /* calls to be dispatched again (bus_enter), in order */

    void *module[BUS_MODULES];
    sd_bus_slot *slots[BUS_MODULES];
};

static inline uint64_t bus_now(const struct bus_adapter *a)
{
    return a->ops->now(a->ctx);
}

static inline void bus_kick(struct bus_adapter *a)
{
    a->ops->kick(a->ctx);
}

/*
 * What happens when things of this owner end now, for modules that handle ADV_STOPPED and the like:
 * true when the controller was lost (or is reset) and the thing is the daemon's: the module gives
 * the signals of the end as always, but remembers what it takes to start again in its restore().
 */
bool bus_adapter_keeps(const struct bus_adapter *a, const struct bus_owner *owner);

/* The next request number: unique per adapter, never 0. */
uint32_t bus_request(struct bus_adapter *a);

/* Fires at `at` (us, scale of bus_now()); setting it again moves it. */
void bus_timer_set(struct bus_adapter *a, struct bus_timer *t, uint64_t at);
void bus_timer_cancel(struct bus_adapter *a, struct bus_timer *t);

/* One line for the daemon's log, at syslog's `level`. */
void bus_log(struct bus *b, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Life cycle: adapter.c. Answers `c` (may be NULL) when the change is complete. */
void bus_adapter_activate(struct bus_adapter *a, struct bus_call *c, bool take_hold);
/* Lets go of the controller when nothing wants it any more. True: nothing to wait for. */
bool bus_adapter_settle(struct bus_adapter *a);
/* BL_EV_READY, BL_EV_FAILED and the end of bl_host_shutdown(). */
void bus_adapter_on_ready(struct bus_adapter *a, const struct bl_event *e);
void bus_adapter_on_failed(struct bus_adapter *a, const struct bl_event *e);
/* Dispatches held calls again whose reason to wait has gone. */
void bus_adapter_run_held(struct bus_adapter *a);
