/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * internal: what the parts of hci share. cmdq.c holds the command queue, acl.c the links and their
 * data, bringup.c the sequence that makes a controller usable, hci.c all of it together.
 */

#include "base/list.h"
#include "hci/hci.h"

enum { /* H4 packet types: Core 5.4, Vol 4, Part A, 2 */
       HCI_H4_COMMAND = 0x01,
       HCI_H4_ACL = 0x02,
       HCI_H4_EVENT = 0x04,
};

enum {
    HCI_COMMAND_HEADER = 4,     /* H4 type, opcode, length */
    HCI_ACL_HEADER = 5,         /* H4 type, handle and flags, length */
    HCI_L2CAP_HEADER = 4,       /* length, CID */
    HCI_HANDLES = 0x0eff + 1,   /* Core 5.4, Vol 4, Part E, 5.4.2 */
    HCI_ACL_LEN_MIN = 27,       /* the least an LE controller may offer: 7.8.2 */
    HCI_COMMAND_ROWS_MAX = 128, /* more than there are rows in the table of commands */
};

enum hci_counter {
    HCI_N_COMMANDS,
    HCI_N_COMMANDS_LOST,
    HCI_N_COMMANDS_UNKNOWN,    /* announced, yet Unknown Command */
    HCI_N_REPLIES_SHORT,       /* return parameters shorter than the command's row */
    HCI_N_REPLIES_UNSOLICITED, /* for no command that is in flight */
    HCI_N_COMMANDS_HIGH_WATER, /* waiting or in flight */
    HCI_N_EVENTS,
    HCI_N_EVENTS_UNKNOWN,
    HCI_N_EVENTS_BAD,
    HCI_N_PACKETS_BAD, /* of no known type, or cut */
    HCI_N_ACL_RX,
    HCI_N_ACL_TX,
    HCI_N_ACL_RX_BYTES,
    HCI_N_ACL_TX_BYTES,
    HCI_N_ACL_DROPPED,
    HCI_N_ACL_OVERCOMPLETED, /* packets reported as completed that never were sent */
    HCI_N_OVERFLOWS,         /* Data Buffer Overflow */
    HCI_N_TX_REFUSED,        /* PDUs for a full queue or no connection */
    HCI_N_TX_HIGH_WATER,     /* PDUs queued on one connection */
    HCI_COUNTERS,
};

/* What is said once about a controller, then only counted. */
enum hci_complaint {
    HCI_SAID_PACKET = 1 << 0,
    HCI_SAID_EVENT_UNKNOWN = 1 << 1,
    HCI_SAID_EVENT_BAD = 1 << 2,
    HCI_SAID_UNSOLICITED = 1 << 3,
    HCI_SAID_SHORT = 1 << 4,
    HCI_SAID_ACL = 1 << 5,
    HCI_SAID_OVERCOMPLETED = 1 << 6,
    HCI_SAID_STALLED = 1 << 7,
    HCI_SAID_OVERFLOW = 1 << 8,
};

/* ---- commands ---- */

struct hci_slot {
    struct list link; /* in one of the queue's lists */
    uint64_t deadline;
    uint32_t arg;
    uint16_t opcode, len;
    uint8_t owner;
    bool internal; /* nobody above hears of the reply */
    uint8_t wire[HCI_COMMAND_HEADER + 255];
};

struct hci_cmdq {
    struct list waiting, sent, lost, unused;
    unsigned n_used, n_sent, fresh; /* slots from fresh on have never been used */
    unsigned credits;               /* how many may be in flight */
    unsigned lost_in_row;
    uint64_t stalled_at; /* since when commands wait without a credit; TIMERQ_NEVER: not */
    uint8_t denied[HCI_COMMAND_ROWS_MAX / 8]; /* by row: announced, and a lie */
    struct hci_slot slots[BL_MAX_COMMANDS];
};

struct hci_answer { /* to one command, taken out of the queue */
    struct hci_slot *slot;
    uint8_t status;
    bool lost;
    struct rd params;
};

void cmdq_clear(struct hci_cmdq *q);
/* 0 or -EBUSY. */
int cmdq_push(struct bl_hci *hci, uint16_t opcode, const void *params, size_t n,
              enum bl_hci_owner owner, uint32_t arg, bool internal);
size_t cmdq_next_tx(struct bl_hci *hci, uint64_t now, const uint8_t **bytes);
/* Command Complete and Command Status; true when a command has ended, *ret then says how. The slot
 * is free already, its contents valid until the next push. */
bool cmdq_complete(struct bl_hci *hci, uint64_t now, const uint8_t *params, size_t n,
                   struct hci_answer *ret);
bool cmdq_status(struct bl_hci *hci, uint64_t now, const uint8_t *params, size_t n,
                 struct hci_answer *ret);
/* The next command that was lost. */
bool cmdq_pop_lost(struct hci_cmdq *q, struct hci_answer *ret);
void cmdq_tick(struct bl_hci *hci, uint64_t now);
uint64_t cmdq_deadline(const struct hci_cmdq *q);
void cmdq_forgive(struct hci_cmdq *q, uint64_t us);
/* Has this row's command been found out to be a lie? */
bool cmdq_denied(const struct hci_cmdq *q, uint16_t opcode);

/* ---- links and their data ---- */

struct hci_link {
    struct list turn;  /* in acl.turns while something waits */
    struct list queue; /* struct buf: PDUs, the first one perhaps sent in part */
    uint16_t handle;
    struct bl_addr peer; /* as Connection Complete named it */
    bool used;
    unsigned queued, in_flight;
    uint8_t *rx;                    /* a PDU being joined, header included; kept for the next one */
    size_t rx_cap, rx_len, rx_want; /* want 0: its header is not whole yet */
    bool rx_open;
    struct bl_hci_link_stats stats;
};

struct hci_acl {
    struct list turns;            /* links that have something to send, the next one first */
    unsigned n_links, idle_links; /* idle: without a packet in the controller */
    unsigned used;                /* buffers of the controller that are taken */
    struct buf *lent;           /* sent whole; its bytes are the transport's until the next call */
    uint8_t index[HCI_HANDLES]; /* by handle: slot + 1, 0: none */
    struct hci_link links[BL_MAX_LINKS];
};

void acl_clear(struct hci_acl *acl);
/* 0; -EEXIST (a link to this peer has this handle); -ENOSPC. Another peer's link on the handle has
 * ended unreported. */
int acl_add(struct hci_acl *acl, uint16_t handle, const struct bl_addr *peer);
/* False when there was no such link. */
bool acl_remove(struct hci_acl *acl, uint16_t handle);
struct hci_link *acl_find(const struct hci_acl *acl, uint16_t handle);
/* One ACL packet without the H4 type; true when it completes a PDU. */
bool acl_receive(struct bl_hci *hci, const uint8_t *p, size_t n, struct bl_hci_in *ret);
/* Number Of Completed Packets; false when it is malformed. */
bool acl_completed(struct bl_hci *hci, const uint8_t *params, size_t n);
size_t acl_next_tx(struct bl_hci *hci, const uint8_t **bytes);

/* ---- bring-up ---- */

struct hci_bringup {
    size_t step;
    bool no_extended;  /* found out not to work: this bring-up is the second attempt */
    bool mask_refused; /* LE Set Event Mask with all that the features promise */
    bool asked_again;  /* for the present step */
};

void bringup_start(struct bl_hci *hci);
void bringup_answer(struct bl_hci *hci, struct hci_answer *answer);

/* ---- all of it ---- */

enum hci_state {
    HCI_OFF,
    HCI_RESETTING, /* nothing counts but the answer to Reset */
    HCI_BRINGUP,
    HCI_UP,
    HCI_DEAD,
};

struct bl_hci {
    const struct bl_env *env;
    enum hci_state state;
    bool ready_to_tell, dead_to_tell;
    const char *why; /* dead */
    unsigned said;   /* enum hci_complaint */
    struct bl_hci_caps caps;
    struct hci_bringup bringup;
    uint64_t counters[HCI_COUNTERS];

    const uint8_t *packet; /* what bl_hci_receive() was given, until it is used up; NULL: none */
    size_t packet_len;
    uint8_t event_code;          /* of the last event packet */
    struct bl_hci_events events; /* left > 0: reports of the packet that are to come */

    struct hci_cmdq cmdq;
    struct hci_acl acl;
};

void bl_hci_die(struct bl_hci *hci, const char *why);
/* Counts, and says `text` the first time. */
void bl_hci_complain(struct bl_hci *hci, enum hci_counter counter, enum hci_complaint once,
                     const char *text, unsigned number);
void bl_hci_high_water(struct bl_hci *hci, enum hci_counter counter, uint64_t value);
