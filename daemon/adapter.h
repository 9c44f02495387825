/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * adapter: one configured controller, there or not: its host, its transport and its object on the
 * bus, and the policy of when the controller is taken, given back and tried again.
 */

#include "bonds.h"
#include "bus.h"
#include "capture.h"
#include "config.h"
#include "loop.h"

enum adapter_state {
    ADAPTER_CLOSED,
    ADAPTER_CONNECTING, /* the transport is being connected */
    ADAPTER_STARTING,   /* the host brings the controller up */
    ADAPTER_READY,
};

struct adapter {
    const struct spec *spec; /* borrowed, with its name */
    struct bl_host *host;
    struct transport transport;
    struct loop_host in_loop;
    struct bus_adapter *bus;
    struct capture capture;
    struct bonds bonds;
    ev_timer bonds_timer;
    enum adapter_state state;
    ev_timer timer; /* closed: the next attempt; connecting: its end */
    unsigned failures;
    bl_op start_op;
    bool keep;     /* try until close, as ops->open() asked */
    bool expected; /* the bus waits for BL_EV_READY or has had it */
    bool settled;  /* the first attempt has ended, one way or the other */
    bool absent;   /* the last attempt failed */
    bool ended;    /* by adapter_end() */
    char why[352], told[352];
    /* `settled`, or what adapter_status() says, has changed. */
    void (*changed)(void *ctx);
    void *ctx;
};

struct adapter_options {
    const struct spec *spec;
    const struct config_adapter *config;
    const char *state_dir; /* borrowed, as spec */
    struct loop *loop;
    struct bus *bus;
    void (*changed)(void *ctx);
    void *ctx;
};

/* *a stays where it is until adapter_done(). */
int adapter_init(struct adapter *a, const struct adapter_options *o);
void adapter_done(struct adapter *a);

/* The first attempt: learns what the controller is, and keeps it if it is wanted. */
void adapter_probe(struct adapter *a);
/* SIGTERM: true when all has ended and the controller is given back; call again in later turns. */
bool adapter_end(struct adapter *a);
/* One word for people: active, starting, idle or absent. */
const char *adapter_status(const struct adapter *a);
