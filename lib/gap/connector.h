/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * connector: connection attempts as central, and their turns at the one initiator that a
 * controller has.
 *
 * A direct attempt names a peer and has a scan duration. It waits in line with the other direct
 * ones; the duration counts from when its turn comes (so that a queue in front of it does not eat
 * it up), goes on through pauses and retries, and when it is over the attempt ends with
 * BL_TIMEOUT, unless a connection came about while the initiation was being cancelled: the
 * connection wins. An attempt thus lasts at most the durations in front of it plus its own, plus a
 * few seconds for each where the controller keeps silent.
 *
 * Automatic attempts wait for their peers together, through the accept list, whenever no direct
 * attempt has its turn, and again after each disconnection, until cancelled. Where they do not all
 * fit into the list, or differ in parameters, they take turns of BL_CONNECTOR_ROTATE_US.
 *
 * A peer whose key we have (privacy.h) may be on the air with an address that changes every few
 * minutes. While an attempt for it waits, the host scans beside (bl_connector_seek()), and whatever
 * address it is heard with is the one that the controller is told to look for; before that it is
 * the one that the attempt names.
 *
 * A failure that asking again may mend (0x3E Failed to be Established, before all) is no end: the
 * attempt goes again after a short pause, inside its duration.
 *
 * A direct attempt ends in BL_EV_ATTEMPT_ENDED and then its BL_EV_OP_DONE, both with the same
 * status; or, connected, in BL_EV_OP_DONE with the number of the connection, which the links
 * module announces before. An automatic attempt's op is done at once, and the attempt ends in one
 * BL_EV_ATTEMPT_ENDED, connected or not: when it is cancelled, or cannot be served at all.
 *
 * Whose link it is: host.c asks bl_connector_complete() about every connection of role central and
 * hands the attempt to bl_links_add(). 0 with a link is a link that nobody wants (cancelled): the
 * links module drops it unseen.
 */

#include "base/list.h"
#include "gap/conn_params.h"
#include "gap/radio.h"

#define BL_CONNECTOR_RETRY_US      50000u    /* between two tries of a direct attempt */
#define BL_CONNECTOR_AUTO_RETRY_US 500000u   /* and of automatic ones */
#define BL_CONNECTOR_ROTATE_US     10240000u /* a turn at the accept list where it is contended */
#define BL_CONNECTOR_CANCEL_US     2000000u  /* from a cancel's answer to the event that ends it */
#define BL_CONNECTOR_REFUSED_US    200000u   /* the same where the cancel was refused or lost */
#define BL_CONNECTOR_SIGHTED_US    1500000u  /* an address that was heard is believed so long */

struct bl_privacy;
struct bl_attempt;

enum bl_connector_phase { /* what the controller's initiator does, as far as is known */
                          BL_CONNECTOR_IDLE,
                          BL_CONNECTOR_CREATING,   /* Create Connection is not answered yet */
                          BL_CONNECTOR_INITIATING, /* accepted */
                          BL_CONNECTOR_CANCELING,  /* Cancel is not answered yet */
                          BL_CONNECTOR_CANCELED,   /* answered; waiting for the last event */
};

struct bl_connector {
    struct bl_radio *radio;
    struct bl_privacy *privacy;
    struct list direct;    /* struct bl_attempt, in line; the first has the turn */
    struct list automatic; /* in the order of their turns */
    unsigned count;
    uint16_t last_id;

    enum bl_connector_phase phase;
    uint32_t initiation;       /* counts initiations: the arg of their commands */
    struct bl_attempt *target; /* the direct attempt that the initiation is for */
    bool by_list;              /* or it is for the accept list */
    bool stop;                 /* the initiation has to be cancelled, whoever wants it */
    bool owns_address;         /* bl_privacy_own() not released */
    struct bl_addr own;        /* ours in the last initiation; zero before the first */
    uint64_t stop_at;          /* CANCELED: when to stop waiting */
    uint64_t rotate_at;        /* by_list: end of the turn */
    uint64_t auto_retry_at;    /* no initiation by list before */

    uint64_t keys_seen; /* privacy->changes, when attempts were looked at */
    bool recognized;    /* they were, all of them */
    bool seeking;       /* bl_connector_seek() said so last */

    /* The controller's accept list. */
    bool list_known;
    uint8_t list_cap; /* what it was found to hold, where less than it claims */
    unsigned n_listed;
    struct bl_addr listed[BL_MAX_ATTEMPTS];
    struct bl_addr listing; /* the entry of the Add or Remove that is outstanding */

    uint64_t attempts, initiations, retries, timeouts, cancels_lost, sightings;
};

/* radio and privacy are borrowed. 0. */
int bl_connector_init(struct bl_connector *c, struct bl_radio *radio, struct bl_privacy *privacy);
void bl_connector_deinit(struct bl_connector *c);

/*
 * What bl_connect() says. -EALREADY is for attempts alone: whether there is a connection already
 * is the caller's to check.
 * -EINVAL: peer zero or of no type; parameters (conn_params.h); a scan duration of 0 (direct);
 *          PHYs without 1M and coded.
 * -EOPNOTSUPP: PHYs or automatic that the controller does not offer.
 * -EBUSY: BL_MAX_ATTEMPTS or BL_MAX_OPS reached, or another kind of own address is in use.
 * -ENOMEM.
 */
int bl_connector_connect(struct bl_connector *c, uint64_t now,
                         const struct bl_connect_params *params, uint16_t *ret_attempt, bl_op *op);
/* Ends the attempt at once with BL_CANCELED; -ENOENT when there is none. What the controller does
 * for it is cancelled behind that; a link that comes of it all the same is nobody's. The caller
 * calls bl_links_abandon() next, for a link that waits for its first sign of life. A connection
 * that an automatic attempt has made stays. */
int bl_connector_cancel(struct bl_connector *c, uint64_t now, uint16_t attempt);

/* Whether the host is to listen for peers, and on which PHYs (never 0). */
enum bl_seek bl_connector_seek(struct bl_connector *c, uint8_t *ret_phys);
/* A report has come: true where it calls for a step. */
bool bl_connector_sighted(struct bl_connector *c, uint64_t now, const struct bl_report *report);

/* Connection Complete, role central or failed, any status: the attempt that it ends or connects;
 * 0 where it is nobody's, or failed (then all is done here). */
uint16_t bl_connector_complete(struct bl_connector *c, uint64_t now, const struct bl_hci_event *e);
/* BL_LINKS_ESTABLISHED: the op ends with conn. */
void bl_connector_established(struct bl_connector *c, uint64_t now, uint16_t attempt,
                              uint16_t conn);
/* BL_LINKS_LOST: 0x3E (0x08 alike) is tried again, other reasons end a direct attempt.
 * peer is as bl_links_add() had it. */
void bl_connector_link_lost(struct bl_connector *c, uint64_t now, uint16_t attempt,
                            const struct bl_addr *peer, uint8_t reason);
/* A connection to peer has ended (after BL_EV_DISCONNECTED): an automatic attempt that made it
 * goes again. */
void bl_connector_peer_gone(struct bl_connector *c, uint64_t now, const struct bl_addr *peer);

/* As radio.h says. */
bool bl_connector_step(struct bl_connector *c, uint64_t now);
void bl_connector_reply(struct bl_connector *c, uint64_t now, const struct bl_hci_reply *reply);
uint64_t bl_connector_deadline(const struct bl_connector *c); /* TIMERQ_NEVER: none */
void bl_connector_tick(struct bl_connector *c, uint64_t now);
/* The controller is gone: every attempt, automatic ones included, ends with status. */
void bl_connector_reset(struct bl_connector *c, uint64_t now, bl_status status);
bool bl_connector_counter(const struct bl_connector *c, size_t index, const char **ret_name,
                          uint64_t *ret_value);
