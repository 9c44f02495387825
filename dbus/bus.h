/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * bus: the D-Bus face of the daemon, as the daemon sees it.
 *
 * dbus/ owns what is on the bus and who owns it; daemon/ owns the process, the loop, the
 * transports and the files. What dbus/ needs of the daemon it gets through bus_adapter_ops, so
 * that it never includes anything of daemon/. dbus/ calls bl_* commands on the host itself and
 * then ops->kick(), upon which the daemon drains events and packets from the loop (never from
 * within kick).
 */

#include "host.h"

#include <systemd/sd-bus.h>

struct bus;
struct bus_adapter;

/* Initial values of the configuration properties of Adapter1, from the configuration file. */
struct bus_adapter_config {
    bool has_addr_mode; /* else public, or static random where there is no public address */
    uint8_t addr_mode;
    char gap_name[249];
    uint16_t appearance;
    uint32_t rx_buf;
    uint16_t mtu;
    bool bond, mitm, le_secure, pairable;
    uint8_t io;
    uint32_t pairable_timeout;
    bool hci_command; /* Adapter1.HciCommand is allowed */
    bool active;      /* the daemon holds the adapter active from the start */
};

struct bus_adapter_ops {
    /*
     * Take the controller: open the transport and bl_host_start(). Returns 0 when that is under way
     * (BL_EV_READY or bus_adapter_failed() follows), or -errno with *ret_why, a sentence a person
     * can act on, borrowed until the next call: -EBUSY, -EPERM, -ENODEV, ...
     * After a failure the daemon goes on trying by itself as long as keep is set; once the adapter
     * has been active, as long as bus_adapter_wanted(). Called again while it is under way already:
     * 0, with keep replaced.
     */
    int (*open)(void *ctx, bool keep, const char **ret_why);
    /* Let go of the controller: no more attempts, transport closed, bl_host_stop(). The events of
     * what ended are pulled and handed over by the daemon before this returns. */
    void (*close)(void *ctx);
    /* The host has something to send, or another deadline, or events: see to it from the loop. */
    void (*kick)(void *ctx);
    /* Microseconds, CLOCK_MONOTONIC (CLOCK_BOOTTIME would jump procedures over a suspend). */
    uint64_t (*now)(void *ctx);
    /* btsnoop to fd (borrowed; the daemon duplicates it); -EBUSY when one runs. */
    int (*capture_start)(void *ctx, int fd, bool keys, uint32_t snaplen);
    void (*capture_stop)(void *ctx);
    /* Stores or deletes a bond; failures are logged by the daemon and do not undo the bond. NULL:
     * nothing is kept. */
    void (*bond_write)(void *ctx, const struct bl_bond *bond);
    void (*bond_delete)(void *ctx, const struct bl_addr *identity);
    /* Gives every stored bond to bl_bond_add(): at BL_EV_READY, and when a secrets provider has
     * left. */
    void (*bonds_load)(void *ctx);
};

/* A file descriptor of a client's socket that the loop watches for dbus/. */
struct bus_watch;

struct bus_options {
    const char *name; /* org.bled */
    bool system;      /* the system bus: root and group bluetooth, by the policy */
    /* LogControl1: level as syslog's names; set returns -EINVAL for an unknown one. */
    const char *(*log_level)(void *ctx);
    int (*set_log_level)(void *ctx, const char *level);
    const char *(*log_target)(void *ctx);
    int (*set_log_target)(void *ctx, const char *target);
    /* May be NULL. The company of this number, NULL when it is not known; borrowed. */
    const char *(*manufacturer)(void *ctx, uint16_t id);
    /* May be NULL. One line for the log, without a newline, at syslog's level; borrowed. */
    void (*log)(void *ctx, int level, const char *text);
    void (*name_acquired)(void *ctx); /* the bus name is ours */
    /* Calls ready(userdata, revents) from the loop for POLLIN and POLLOUT of poll(2), as many of
     * them as events has; a hang-up or an error counts as both, for whoever reads or writes then to
     * find out. With events 0 nothing is told. Who neither takes in what a client writes nor leaves
     * out POLLIN is called again and again. unwatch_fd may be called from within ready(). */
    int (*watch_fd)(void *ctx, int fd, uint32_t events,
                    void (*ready)(void *userdata, uint32_t revents), void *userdata,
                    struct bus_watch **ret);
    void (*rewatch_fd)(struct bus_watch *w, uint32_t events);
    void (*unwatch_fd)(struct bus_watch *w);
    void (*gone)(void *ctx, int error); /* the bus connection broke or the name is taken: end */
    void *ctx;
};

/* Registers /org/bled and the rest; borrows sd_bus. */
int bus_new(struct bus **ret, sd_bus *sd, const struct bus_options *options);
struct bus *bus_free(struct bus *b);
/* After all configured adapters exist: asks for the name. */
int bus_request_name(struct bus *b);

/* The bus side's own timers (batches, pings of slow clients): ask for the deadline before each
 * sleep, on the scale of ops->now(); UINT64_MAX for none. */
uint64_t bus_deadline(const struct bus *b);
void bus_tick(struct bus *b, uint64_t now);
/* The bus daemon does not take our messages fast enough: as long as this is true do not pull
 * events of hosts, so that their queues fill and hold the controllers back. */
bool bus_congested(const struct bus *b);

/* An object /org/bled/<name>. host, strings and ctx are borrowed for the adapter's life. */
int bus_adapter_new(struct bus_adapter **ret, struct bus *b, const char *name,
                    const char *transport, struct bl_host *host,
                    const struct bus_adapter_config *config, const struct bus_adapter_ops *ops,
                    void *ctx);
struct bus_adapter *bus_adapter_free(struct bus_adapter *a);

/* Every event of the host, in order. BL_EV_READY makes the adapter active when it is wanted,
 * whoever began to open it; otherwise it is taken as bus_adapter_probed(). BL_EV_FAILED counts as
 * bus_adapter_failed(), which may follow all the same. */
void bus_adapter_event(struct bus_adapter *a, const struct bl_event *e);
/* The transport died, or an attempt that ops->open() called under way failed; the host has been
 * stopped and its events handed over. Emits Failed where the adapter was active; when the daemon
 * gets the controller back (BL_EV_READY) what the daemon owned is restored. */
void bus_adapter_failed(struct bus_adapter *a, const char *why);
/* Identity and static facts learnt by probing at start (from bl_host_info), while inactive. */
void bus_adapter_probed(struct bus_adapter *a);
/* The daemon begins by itself to take a controller that is wanted: calls wait for the outcome,
 * which is BL_EV_READY or bus_adapter_failed(). Does nothing otherwise. */
void bus_adapter_opening(struct bus_adapter *a);
/* Whether anything wants the controller (a hold): the daemon keeps trying to open it while so. True
 * from the start with config->active; dbus/ calls ops->open() only when a client asks. */
bool bus_adapter_wanted(const struct bus_adapter *a);

/* SIGTERM: no new calls are taken (NotActive), all ends in order with its signals; true when
 * everything has ended and the transport may be closed; call again after events until then. */
bool bus_adapter_end(struct bus_adapter *a);
