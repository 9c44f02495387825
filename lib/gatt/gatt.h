/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * gatt: the attribute side of every connection: one bearer each, with the local server and the
 * client on it. This file is what lib/gap (links) and host.c see; server.h and client.h are its two
 * halves, which never call each other.
 *
 *     links.c: announced --> bl_gatt_open     ended --> bl_gatt_close (before BL_EV_DISCONNECTED)
 *     host.c:  PDU on CID 4 --> bl_gatt_pdu   every input, command and tick --> bl_gatt_step
 *
 * A connection that something was done on, or on which something waits for room, is in the list
 * `due`, and the others cost bl_gatt_step() nothing. Its deadline is taken over by the timer queue
 * when it has had its turn there.
 *
 * Events are pushed on the host's queue; nothing is called upward. A bearer whose time has run out
 * is reported by bl_gatt_pop_dead(), for host.c to drop the link.
 */

#include "att/bearer.h"
#include "base/timerq.h"
#include "bond.h"
#include "gatt/client.h"
#include "gatt/db.h"
#include "gatt/server.h"
#include "host.h"

/* What the link offers: lib/smp's and the controller's doing. */
struct bl_gatt_security {
    bool encrypted, authenticated, secure_connections;
    bool has_ltk;     /* a bond that encryption could be started with */
    uint8_t key_size; /* 7..16 while encrypted */
};

/* For signed writes: Core 5.4, Vol 3, Part H, 2.4.5. In wire order; wiped at the end. */
struct bl_gatt_signing {
    bool has_local, has_remote;
    uint8_t local[16], remote[16];
    uint32_t local_counter;  /* of the next one we sign */
    uint32_t remote_counter; /* the least that is accepted */
};

struct bl_gatt_conn {
    struct timer timer; /* first: the queue gives it back */
    struct list due;    /* in bl_gatt.due; bl_gatt_due() */
    struct bl_gatt *gatt;
    uint16_t conn;
    enum bl_role role;
    struct bl_att_bearer bearer;
    struct bl_gatt_security security;
    struct bl_gatt_signing signing;
    struct bl_gatts_conn server;
    struct bl_gattc_conn client;
    bool changed; /* what a bond keeps: bl_gatt_pop_changed() */
    bool kept;    /* it has what the bond kept */
};

struct bl_gatt {
    struct bl_hci *hci;
    const struct bl_env *env;
    struct bl_evq *events;
    const struct bl_config *config;
    struct bl_gatt_db db;
    struct bl_gatts server;
    struct bl_gatt_conn *conns[BL_MAX_LINKS]; /* the first n_conns */
    unsigned n_conns;
    struct list due; /* struct bl_gatt_conn.due */
    struct timerq timers;
    uint16_t dead[BL_MAX_LINKS];
    unsigned n_dead;
    bool changed; /* a connection may be */
    uint64_t timeouts;
    uint64_t unexpected, invalid, nonsense; /* of connections that have ended */
};

/* All borrowed. Makes the GAP and GATT services. 0 or -ENOMEM. */
int bl_gatt_init(struct bl_gatt *g, struct bl_hci *hci, const struct bl_env *env,
                 struct bl_evq *events, const struct bl_config *config);
void bl_gatt_deinit(struct bl_gatt *g);
/* The configuration has changed: name, appearance, preferred parameters. */
void bl_gatt_configured(struct bl_gatt *g, uint64_t now);

/* A connection is announced. -ENOMEM: the link is to be dropped. */
int bl_gatt_open(struct bl_gatt *g, uint64_t now, uint16_t conn, uint16_t handle,
                 enum bl_role role);
/* It has ended: everything on it ends with status (0x100 + HCI reason, or local), with events. */
void bl_gatt_close(struct bl_gatt *g, uint64_t now, uint16_t conn, bl_status status);
void bl_gatt_set_security(struct bl_gatt *g, uint64_t now, uint16_t conn,
                          const struct bl_gatt_security *security);
void bl_gatt_set_signing(struct bl_gatt *g, uint16_t conn, const struct bl_gatt_signing *signing);

/* What a bond keeps of a client (kept.c). changed: for the files of lib/gatt. pop_changed: a
 * connection on which it has changed, each once; 0: none. */
void bl_gatt_changed(struct bl_gatt_conn *c);
uint16_t bl_gatt_pop_changed(struct bl_gatt *g);
enum bl_gatt_kept {
    BL_GATT_KEPT_SAME,
    BL_GATT_KEPT_CHANGED, /* to be stored */
    BL_GATT_KEPT_AT_ONCE, /* before anything is sent */
};
/* Into the bond. client: the peer has shown on this link that it is the bonded one; else nothing
 * but the counters of signatures, which show it themselves. */
enum bl_gatt_kept bl_gatt_save(struct bl_gatt *g, uint16_t conn, bool client, struct bl_bond *bond);
/* Out of it, once a connection, with BL_EV_GATTS_SUBSCRIBED for what is subscribed to again. */
void bl_gatt_restore(struct bl_gatt *g, uint64_t now, uint16_t conn, const struct bl_bond *bond);

struct bl_gatt_conn *bl_gatt_find(const struct bl_gatt *g, uint16_t conn);
/* bl_gatt_step() is to look at it: done by this file for PDUs and by host_gatt.c for commands; for
 * whoever does something on a connection otherwise. _all: on any. */
void bl_gatt_due(struct bl_gatt_conn *c);
void bl_gatt_due_all(struct bl_gatt *g);

void bl_gatt_pdu(struct bl_gatt *g, uint64_t now, uint16_t conn, const uint8_t *data, size_t n);
/* What has room or has its turn goes out; Service Changed where the database changed. */
void bl_gatt_step(struct bl_gatt *g, uint64_t now);
uint64_t bl_gatt_deadline(const struct bl_gatt *g);
void bl_gatt_tick(struct bl_gatt *g, uint64_t now);
/* A connection whose bearer is dead, each once; 0: none. */
uint16_t bl_gatt_pop_dead(struct bl_gatt *g);
bool bl_gatt_counter(const struct bl_gatt *g, size_t index, const char **ret_name,
                     uint64_t *ret_value);
