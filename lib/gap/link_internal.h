/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * link_internal: one connection, for links.c (the table), link_cmd.c (commands to the controller),
 * link_event.c (its events), link_ops.c (the user's operations), link_update.c (connection
 * parameters) and link_signal.c (the same, asked for by L2CAP).
 */

#include "gap/links.h"

#define LINK_CMD_BITS   4
#define LINK_SERIAL_MAX ((1u << (32 - LINK_CMD_BITS)) - 1)

enum link_state {
    LINK_NEW,     /* not announced: waits for a sign of life, or for its advertisement */
    LINK_UP,      /* announced */
    LINK_DROPPED, /* never to be announced: being thrown away */
};

/* Commands about a link, each with one row in link_cmd.c. */
enum link_cmd {
    LINK_CMD_DISCONNECT,
    LINK_CMD_PARAM_REPLY,
    LINK_CMD_PARAM_REJECT,
    LINK_CMD_FEATURES,
    LINK_CMD_READ_PHY,
    LINK_CMD_UPDATE,
    LINK_CMD_RSSI,
    LINK_CMD_PHY,
    LINK_CMD_DATA_LENGTH,
    LINK_CMDS,
};

enum link_op {
    LINK_OP_UPDATE,
    LINK_OP_RSSI,
    LINK_OP_PHY,
    LINK_OP_DATA_LENGTH,
    LINK_OP_DISCONNECT, /* last: it ends after the others */
    LINK_OPS,
};

enum link_timer {
    LINK_TIMER_ANNOUNCE,
    LINK_TIMER_UPDATE,
    LINK_TIMER_PHY,
    LINK_TIMER_END,
    LINK_TIMERS,
};

enum link_features {
    LINK_FEATURES_UNKNOWN, /* and will not be known */
    LINK_FEATURES_ASKED,
    LINK_FEATURES_KNOWN,
};

enum link_update {
    LINK_UPDATE_NONE,
    LINK_UPDATE_FEATURES, /* the way to go depends on the peer's features */
    LINK_UPDATE_LL,       /* LE Connection Update is queued, out, or accepted */
    LINK_UPDATE_SIGNAL,   /* asked by L2CAP */
    LINK_UPDATE_GRANTED,  /* the central has said yes, and is to do it */
};

struct bl_link {
    uint32_t serial; /* of this object, in the arg of its commands */
    uint16_t conn;   /* 0 until announced */
    uint16_t handle, attempt, adv;
    enum bl_role role;
    enum link_state state;
    struct bl_addr own, air, identity; /* own, identity: zero until known */
    uint64_t since;
    uint16_t interval, latency, timeout;
    uint8_t tx_phy, rx_phy;
    uint16_t tx_octets, rx_octets;
    enum link_features features_state;
    uint64_t features;

    unsigned wants; /* bit n: enum link_cmd n is to be sent */
    bl_op ops[LINK_OPS];
    struct link_clock {
        struct timer timer;
        struct bl_link *link;
        enum link_timer kind;
    } clocks[LINK_TIMERS];

    bool ending; /* Disconnect is to be sent, or has been */
    uint8_t end_reason;

    enum link_update update;
    bool update_is_users;           /* else it is what a peer was granted */
    struct bl_conn_units updating;  /* what is under way */
    bool user_waits, granted_waits; /* to be begun next */
    struct bl_conn_units users, granted;
    struct bl_conn_units answer; /* of LINK_CMD_PARAM_REPLY */
    uint8_t sig_id;              /* of our request */

    uint8_t tx_phys, rx_phys; /* of LINK_CMD_PHY */
    uint16_t octets;          /* of LINK_CMD_DATA_LENGTH */
};

/* The link of a handle in any state; NULL: none. */
struct bl_link *link_by_handle(const struct bl_links *l, uint16_t handle);
/* An announced link; NULL: none. */
struct bl_link *link_by_conn(const struct bl_links *l, uint16_t conn);
/* BL_EV_CONNECTED, if it has not been. */
void link_announce(struct bl_links *l, uint64_t now, struct bl_link *link);
/* Throws a link away that was not announced. */
void link_drop(struct bl_links *l, uint64_t now, struct bl_link *link);
/* Ends and frees it, with the events that belong to its state. `ops`: how its operations end. */
void link_end(struct bl_links *l, uint64_t now, struct bl_link *link, uint8_t reason,
              bl_status ops);
void link_set_timer(struct bl_links *l, struct bl_link *link, enum link_timer timer, uint64_t at);
void link_stop_timer(struct bl_links *l, struct bl_link *link, enum link_timer timer);
const struct bl_addr *link_peer(const struct bl_link *link); /* as events name it */

/* link_cmd.c: queues the command as soon as there is room; what it is about is in the link. A
 * command that the controller does not support is answered Unknown Command (0x01) on the spot. */
void link_want(struct bl_links *l, uint64_t now, struct bl_link *link, enum link_cmd cmd);
/* Sends what waits for room. */
void link_flush(struct bl_links *l, uint64_t now);
/* Disconnects a connection that has no place in the table. */
void link_orphan(struct bl_links *l, uint64_t now, uint16_t handle);

/* link_ops.c */
void link_begin_end(struct bl_links *l, uint64_t now, struct bl_link *link, uint8_t reason);
void link_op_done(struct bl_links *l, struct bl_link *link, enum link_op op, bl_status status);
void link_phy_event(struct bl_links *l, struct bl_link *link, uint8_t status);

/* link_update.c: inputs of the procedure. */
void link_update_next(struct bl_links *l, uint64_t now, struct bl_link *link);
void link_update_features(struct bl_links *l, uint64_t now, struct bl_link *link);
void link_update_reply(struct bl_links *l, uint64_t now, struct bl_link *link, uint8_t status,
                       bool lost);
void link_update_event(struct bl_links *l, uint64_t now, struct bl_link *link,
                       const struct bl_hci_event *e);
void link_update_answered(struct bl_links *l, uint64_t now, struct bl_link *link, bool accepted);
void link_update_not_understood(struct bl_links *l, uint64_t now, struct bl_link *link);
void link_update_timeout(struct bl_links *l, uint64_t now, struct bl_link *link);

/* link_signal.c: asks the central for link->updating; 0, -ENOMEM or what bl_hci_send() says. */
int link_signal_update(struct bl_links *l, struct bl_link *link);
