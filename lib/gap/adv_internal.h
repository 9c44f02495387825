/* SPDX-License-Identifier: MIT */
#pragma once

/* adv_internal: what the advertiser's files share. advertiser.c has the commands, adv_turns.c who
 * is on which set, adv_step.c the next command for a set, adv_events.c what the controller says
 * unasked, adv_legacy.c and adv_extended.c the commands' bytes. */

#include "gap/advertiser.h"

enum adv_ask { /* what a command was about */
               ADV_ASK_NONE,
               ADV_ASK_PARAMS,
               ADV_ASK_ADDR,
               ADV_ASK_DATA,
               ADV_ASK_RESP,
               ADV_ASK_ENABLE,
               ADV_ASK_DISABLE,
               ADV_ASK_REMOVE,
};

enum { ADV_STAMP_EMPTY = 1 }; /* no data, and a set's state when it is new */

struct bl_adv {
    uint16_t id;
    struct bl_adv_params params; /* its data point into `bytes` */
    uint8_t *bytes;              /* owned */
    enum bl_addr_mode mode;      /* never DEFAULT */
    uint32_t params_stamp, data_stamp, resp_stamp;
    bool has_tx_power; /* the controller has said it */
    int8_t tx_power;
    struct bl_addr addr; /* extended: its own address; zero: none made yet */
    uint64_t addr_until;
    bl_op start_op, stop_op; /* not ended */
    bool lived;              /* its start has succeeded once */
    bool stopping;           /* ends with end_status as soon as it is off the air */
    bool connected;          /* resume: waits for the end of the connection */
    bool blocked;            /* the controller refuses it beside a connection */
    uint8_t tries;           /* refusals in a row that may pass */
    bl_status end_status;
    uint64_t not_before; /* 0: at once */
    uint64_t ends_at;    /* TIMERQ_NEVER: not by time */
};

static inline bool bl_adv_extended(const struct bl_advertiser *a)
{
    return bl_hci_caps(a->radio->hci)->extended;
}

/* advertiser.c */
struct bl_adv *bl_adv_find(const struct bl_advertiser *a, uint16_t id);
/* The controller's TX power, for the data of those that want it. */
void bl_adv_tx_power(struct bl_advertiser *a, struct bl_adv *x, int8_t dbm);
/* Marks it to end, with this status, as soon as it is off the air. */
void bl_adv_end(struct bl_adv *x, bl_status status);
/* Ends those that are marked and off the air: events, and the memory. */
void bl_adv_reap(struct bl_advertiser *a);
/* A connection came through it: it ends, or waits with `resume`. */
void bl_adv_connected(struct bl_advertiser *a, struct bl_adv *x);
/* Tells those whose start is done, and keeps radio->advertising true. */
void bl_adv_settle(struct bl_advertiser *a, uint64_t now);

/* adv_turns.c */
unsigned bl_adv_sets(const struct bl_advertiser *a);
void bl_adv_schedule(struct bl_advertiser *a, uint64_t now);
/* When the next turn ends, TIMERQ_NEVER where nobody waits. */
uint64_t bl_adv_turn_deadline(const struct bl_advertiser *a);

/* adv_step.c: the Own_Address_Type that x is to have on this set. */
uint8_t bl_adv_own_type(const struct bl_advertiser *a, const struct bl_adv_set *set,
                        const struct bl_adv *x);
/* Whether the set's parts are x's as it is now. */
bool bl_adv_is_current(const struct bl_advertiser *a, const struct bl_adv_set *set,
                       const struct bl_adv *x);

/* One command, which asked->kind names, for asked->set; the rest of `asked` is
 * filled in. What
 * bl_radio_cmd() returns. x may be NULL to disable or remove. */
int adv_legacy_ask(struct bl_advertiser *a, const struct bl_adv *x, struct bl_adv_asked *asked);
int adv_extended_ask(struct bl_advertiser *a, const struct bl_adv *x, struct bl_adv_asked *asked);

enum { /* Advertising_Event_Properties: Core 5.4, Vol 4, Part E, 7.8.53 */
       ADV_CONNECTABLE = 0x01,
       ADV_SCANNABLE = 0x02,
       ADV_DIRECTED = 0x04,
       ADV_HIGH_DUTY = 0x08,
       ADV_LEGACY = 0x10,
};
/* The kind of advertising, for either kind of commands. */
uint8_t adv_extended_props(const struct bl_adv_params *p);
