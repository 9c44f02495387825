/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * owner: who made what.
 *
 * A client is a connection to the bus that is attached somewhere or has calls under way; it goes
 * when the bus says so (one match on NameOwnerChanged). An owner is the daemon, or one client's
 * attachment to one adapter; it has a slot 0..63 in that adapter, 0 being the daemon, so that a set
 * of owners is a mask of 64 bits (bus_mask, see emit.h).
 *
 * Whatever a call creates is a struct bus_thing in its owner's list: embedded in the interface's
 * own structure, entered by bus_thing_add(), taken out by bus_thing_remove() when it has ended,
 * whatever ended it. When an owner goes (Detach, vanished client, a client that does not read) the
 * things of the lowest rank are released, then, when all of these have gone, those of the next, and
 * so on; then its hold on the adapter goes, and then its Detach call is answered. While an owner is
 * ending, its client's calls wait (bus_enter).
 */

#include "base/list.h"
#include "bus.h"

struct bus_call;

enum {
    BUS_MAX_OWNERS = 64,    /* a bit each; the daemon and 63 attached clients of one adapter */
    BUS_MAX_CALLS = 64,     /* calls of one client that have not ended */
    BUS_MAX_SIGNALS = 4096, /* signals to one client that it has not read */
    BUS_PROBE_EVERY = 256,
    BUS_MAX_PROBES = BUS_MAX_SIGNALS / BUS_PROBE_EVERY + 1,
};

typedef uint64_t bus_mask;
#define BUS_EVERYONE ((bus_mask)1) /* the daemon's slot: broadcast */

struct bus_client {
    struct list link; /* bus.clients */
    struct bus *bus;
    unsigned calls;  /* under way, on all adapters */
    unsigned owners; /* attachments */
    bool gone;       /* the bus said that the name has gone; only calls keep the structure */
    bool slow;       /* to be detached when the present event or call is over */
    uint32_t pid;    /* 0: unknown */
    /* See emit.c: signals sent to it, and how many of them it is known to have read. */
    uint64_t sent, read;
    sd_bus_slot *probes[BUS_MAX_PROBES]; /* Pings without an answer, from the oldest on */
    unsigned first_probe, n_probes;
    char name[]; /* unique: :1.42 */
};

/* In the order in which things end. */
enum bus_rank {
    BUS_RANK_SERVICE,
    BUS_RANK_ADVERT,
    BUS_RANK_SCAN,
    BUS_RANK_LISTENER,
    BUS_RANK_SUBSCRIPTION,
    BUS_RANK_REQUEST,
    BUS_RANK_CHANNEL,
    BUS_RANK_ATTEMPT,
    BUS_RANK_USE, /* of a connection */
    BUS_RANK_CAPTURE,
    BUS_RANKS
};

struct bus_thing;

struct bus_thing_kind {
    const char *holds; /* its key in Manager1.Clients(), counted: "advertisements" */
    enum bus_rank rank;
    /* The owner goes: see to the end of t, with its signals; bus_thing_remove() at once or when the
     * stack has said that it is over. Called once. */
    void (*release)(struct bus_thing *t);
};

struct bus_thing {
    struct list link; /* owner.things; in order of creation */
    struct bus_owner *owner;
    const struct bus_thing_kind *kind;
    bool releasing;
};

struct bus_owner {
    struct bus_adapter *adapter;
    struct bus_client *client; /* NULL for the daemon and for a client that has vanished */
    unsigned slot;
    uint64_t serial; /* never the same for two owners, as slots are */
    bool hold;       /* holds the adapter active */
    bool authorize_reads, authorize_writes, read_events;
    bool ending;
    struct list things;
    struct bus_call *detach; /* to be answered at the end */
    char who[64];            /* ":1.42 (pid 1234)", "the daemon" */
};

static inline bus_mask bus_owner_bit(const struct bus_owner *o)
{
    return (bus_mask)1 << o->slot;
}

static inline bool bus_owner_is_daemon(const struct bus_owner *o)
{
    return o->slot == 0;
}

/* The owner of what a call of this sender creates: its own, or the daemon's. Never NULL. */
struct bus_owner *bus_owner_of(struct bus_adapter *a, sd_bus_message *m);

/* Whether `caller` may act on what `owner` has: its own or the daemon's; else AccessDenied in error
 * ("set 3 belongs to :1.42 (pid 1234)"), and -EACCES. */
int bus_owner_may(const struct bus_owner *caller, const struct bus_owner *owner, const char *what,
                  sd_bus_error *error);

void bus_thing_add(struct bus_thing *t, struct bus_owner *owner, const struct bus_thing_kind *kind);
/* Takes it out; t->owner is NULL then. Harmless when t is in no list. What that completes (the
 * owner's end, the reply to its Detach) happens after the present event or call. */
void bus_thing_remove(struct bus_thing *t);
/* How many things of this kind it has. */
size_t bus_thing_count(const struct bus_owner *owner, const struct bus_thing_kind *kind);
/* Attached clients that hold the adapter, but for `except`: how many, and the first one's text. */
size_t bus_owner_holders(const struct bus_adapter *a, const struct bus_owner *except,
                         const char **ret_who);

/* Attaches the sender or, attached already, gives its owner back. -ENOBUFS when all slots are
 * taken, -ENOMEM. */
int bus_owner_attach(struct bus_adapter *a, sd_bus_message *m, struct bus_owner **ret);
/* Begins the end of everything it owns; `detach` (may be NULL) is answered when all is gone. */
void bus_owner_end(struct bus_owner *o, struct bus_call *detach);
/* Goes on with the ends under way on this adapter: from the loop (bus_adapter_due()), never while a
 * module is at work. */
void bus_owner_step_all(struct bus_adapter *a);
int bus_owner_daemon(struct bus_adapter *a);           /* makes slot 0 */
struct bus_owner *bus_owner_free(struct bus_owner *o); /* at the end of the adapter only */

/* By unique name; NULL when unknown. bus_client_get() makes it. */
struct bus_client *bus_client_find(struct bus *b, const char *name);
struct bus_client *bus_client_get(struct bus *b, const char *name);
/* Frees it when nothing needs it any more. */
void bus_client_put(struct bus_client *c);
/* The bus says that it has gone: its calls are cancelled, its attachments ended. */
void bus_client_vanished(struct bus_client *c);
/* It does not read its signals: its attachments are ended, and that is counted. Only marks it; from
 * the loop, bus_client_end_slow() does it. */
void bus_client_mark_slow(struct bus_client *c);
void bus_client_end_slow(struct bus *b);
