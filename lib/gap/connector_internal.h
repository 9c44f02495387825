/* SPDX-License-Identifier: MIT */
#pragma once

/* connector_internal: what connector.c (the book of attempts), connector_run.c (their turns
 * at the controller) and connector_list.c (the accept list) share. */

#include "gap/connector.h"
#include "gap/privacy.h"

enum bl_attempt_state {
    BL_ATTEMPT_WAITING,   /* for its turn, for the peer, or for the next try */
    BL_ATTEMPT_LINKED,    /* the controller has connected; no sign of life yet */
    BL_ATTEMPT_CONNECTED, /* automatic: until bl_connector_peer_gone() */
};

struct bl_attempt {
    struct list link; /* in connector->direct or ->automatic */
    uint16_t id;
    bl_op op; /* 0: has ended (automatic) */
    enum bl_attempt_state state;
    struct bl_connect_params params;
    struct bl_conn_units units;
    struct bl_addr link_peer; /* LINKED, CONNECTED: the peer as the controller named it */

    /* Direct. */
    uint64_t deadline; /* TIMERQ_NEVER before its turn */
    uint64_t retry_at; /* 0: at once */
    bool expired;      /* the deadline came during an initiation, which is being cancelled */
    bl_status why;     /* what to end with when the deadline comes */

    bool in_batch; /* automatic: among those on the accept list now */

    /* Of a peer that may use private addresses (connector_seek.c). */
    struct bl_addr identity; /* zero: it has told us no key */
    struct bl_addr on_air;   /* what it was heard with last; zero: not heard */
    uint64_t heard_at;
    bool listed; /* the controller finds it by its identity */
    bool seeks;  /* or it cannot: on_air is for the host to find out */
};

static inline struct bl_attempt *connector_entry(struct list *l)
{
    return list_entry(l, struct bl_attempt, link);
}

/* What the controller is to look for. */
static inline const struct bl_addr *connector_address(const struct bl_attempt *a)
{
    if (a->listed)
        return &a->identity;
    return bl_addr_is_zero(&a->on_air) ? &a->params.peer : &a->on_air;
}

/* Whether that is somebody: in network privacy mode a peer that has not been heard yet, and that
 * the controller does not find by itself, is nobody. */
static inline bool connector_findable(const struct bl_connector *c, const struct bl_attempt *a)
{
    return a->listed || !bl_privacy_refuses(c->privacy, connector_address(a));
}

/* To be asked before an attempt is initiated for. False: the controller has to be told of the peer
 * first; it is privacy's turn. */
bool connector_enlist(struct bl_connector *c, uint64_t now, struct bl_attempt *a);

/* Whose keys we have may have changed: attempts know it again. */
void connector_recognize(struct bl_connector *c);
/* Whether an address, as user, controller or links name it, is that of the attempt's peer. */
bool connector_names(struct bl_connector *c, const struct bl_attempt *a,
                     const struct bl_addr *addr);
/* BL_EV_ATTEMPT_ENDED, the op's end, and the end of a. */
void connector_end(struct bl_connector *c, struct bl_attempt *a, bl_status status);
/* All automatic attempts end; with `batch`, those of the batch that wait. */
void connector_end_automatic(struct bl_connector *c, bool batch, bl_status status);
/* The initiator has come to rest: what it did is over. */
void connector_rest(struct bl_connector *c);
/* Create has not begun what was asked for, as far as one can tell: try again, after a Cancel. */
void connector_unsure(struct bl_connector *c, uint64_t now, bl_status why);
/* An automatic attempt outlives what may change with time: memory, the number of links. */
bool connector_hopeless(uint8_t status);

/* Puts the first automatic attempt that waits in the batch, and those like it that fit beside it;
 * NULL where none waits. */
struct bl_attempt *connector_choose_batch(struct bl_connector *c, bool *ret_more);
/* The one command that brings the accept list closer to the batch: 1 when it is out, 0 when there
 * is none, else what bl_radio_cmd() says. */
int connector_sync_list(struct bl_connector *c);
/* Replies to Add, Remove and Clear. */
void connector_listed(struct bl_connector *c, uint64_t now, const struct bl_hci_reply *reply);
void connector_cleared(struct bl_connector *c, uint64_t now, const struct bl_hci_reply *reply);
/* The batch has had its turn: behind the others with it. */
void connector_rotate(struct bl_connector *c);
