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
#include "news.h"
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
    bool slow; /* a client is marked so */
    sd_bus_slot *slots[8];
    sd_bus_slot *name_slot;
    bool named; /* the name is ours: nothing is said before, see emit.c */
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
    bool hold;    /* SetActive(true) holds; clients' holds are in their owners */
    bool closing; /* SIGTERM */
    bool known;   /* info has been read from a controller at least once */
    bool reset;   /* ENDING because of Reset: bring-up follows, the daemon's things restored */
    bool opened;  /* the daemon has the controller, or tries to get it */
    bool running; /* bus_adapter_run_due() */
    bool restore; /* things of the daemon wait for the controller to come back */
    bl_op shutdown;
    struct list waiting;  /* struct bus_change: for the change of state under way */
    struct bus_timer due; /* see bus_adapter_due() */
    char why[352];        /* what was wrong with the controller last, "" for nothing */

    struct bus_adapter_config config; /* what the properties say now */
    struct bus_timer pairable_timer;
    struct bus_thing capture; /* its owner is NULL when none runs */
    struct bl_controller_info info;
    uint32_t last_request; /* see bus_request() */
    uint64_t last_owner;   /* serial */

    unsigned attached;                        /* owners but for the daemon */
    struct bus_owner *owners[BUS_MAX_OWNERS]; /* by slot; 0 is the daemon, always there */
    struct list calls;                        /* every call that has not ended */
    struct list by_op[BUS_CALL_BUCKETS];
    struct list held; /* calls to be dispatched again (bus_enter), in order */
    struct news news; /* see bus_news() */

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

/* A call that waits for the adapter's change of state: Adapter1's SetActive, Attach, Reset. */
struct bus_change {
    struct bus_call call;
    /* The change is complete (error NULL) or has failed: answer, take back what the call alone had
     * brought about. The call is freed afterwards. */
    void (*ended)(struct bus_change *c, const sd_bus_error *error);
    bool took_hold; /* the hold that it wanted was not there before */
    bool attached;  /* the client was not attached before */
};

/* Brings the controller up for `c`, which waits from then on, or has c->ended() called at once. */
void bus_adapter_activate(struct bus_adapter *a, struct bus_change *c);
/* Lets go of the controller if nothing wants it any more. True: that is complete, or is not to be;
 * false: it is on its way down, and a change may be put on a->waiting. */
bool bus_adapter_settle(struct bus_adapter *a);
/* Down and up again. 0, or -errno when it cannot begin. */
int bus_adapter_restart(struct bus_adapter *a);

/* Events: BL_EV_READY, BL_EV_FAILED, the end of bl_host_shutdown(), BL_EV_ADDRESS_CHANGED. */
void bus_adapter_on_ready(struct bus_adapter *a, const struct bl_event *e);
void bus_adapter_on_failed(struct bus_adapter *a, const struct bl_event *e);
void bus_adapter_on_op_done(struct bus_adapter *a, const struct bl_event *e);
void bus_adapter_on_address(struct bus_adapter *a, const struct bl_event *e);

/* What was put off until no module is at work (owners' ends, calls that waited) is done soon. */
void bus_adapter_due(struct bus_adapter *a);
void bus_adapter_run_due(struct bus_adapter *a);
