/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * bearer: one ATT bearer, the fixed channel of one connection. Core 5.4, Vol 3, Part F, 3.3.
 *
 * It knows the flow of transactions and nothing of attributes: at most one request of ours and one
 * of the peer's without an answer, one indication each way, the two sides independent; 30 s for
 * each of ours, after which the bearer is dead and nothing more may be sent on it (3.3.3); the MTU.
 * Input is classified, output is a struct buf in which the PDU begins after the L2CAP header.
 *
 * Room. lib/hci takes BL_MAX_TX_PDUS for a connection. What has no flow control of its own
 * (commands, notifications) may fill BL_ATT_TX_UNACKED of them, so that answers find room, and
 * waits here beyond that, at most BL_MAX_TX_WAIT. A request or an indication goes behind what waits
 * already: a peer sees a write command before the read that was asked for after it. An answer and a
 * confirmation overtake; where there is no room or memory even for them, they are kept back.
 * bl_att_flush() sends what has got room, to be called when the controller has taken packets.
 *
 * A request's or indication's 30 s begin when it leaves for the controller: what is in front of it
 * on a slow link may take longer than that. If nothing at all leaves for 30 s, they are over as
 * well.
 */

#include "att/att.h"
#include "base/buf.h"
#include "base/timerq.h"
#include "evq.h"
#include "hci/hci.h"

#define BL_ATT_HERE       UINT64_MAX
#define BL_ATT_TIMEOUT_US 30000000u /* Core 5.4, Vol 3, Part F, 3.3.3 */

enum { BL_ATT_TX_UNACKED = 16 }; /* and no more, so that answers need not wait long behind them */

struct bl_att_bearer {
    struct bl_hci *hci;
    struct bl_evq *events; /* ends the ops of what waited */
    uint16_t handle;       /* the controller's */
    uint16_t mtu;          /* ATT_MTU in force */
    uint16_t offered;      /* what we say in an exchange */
    bool asked, answered;  /* an exchange of ours has been answered; the peer has asked for one */
    bool dead;

    uint8_t request;         /* ours that waits for its response; 0: none */
    uint64_t request_until;  /* TIMERQ_NEVER without */
    uint8_t answering;       /* the peer's that waits for our response; 0: none */
    bool indicating;         /* ours that waits for its confirmation */
    uint64_t indicate_until; /* TIMERQ_NEVER without */

    struct list waiting; /* struct att_waiting: what has no room, in order */
    unsigned n_waiting;  /* commands and notifications in it */
    /* Of the request and the indication while they have not left: how many PDUs have when they
     * have; BL_ATT_HERE in `waiting`. 0: left. */
    uint64_t request_mark, indicate_mark;
    uint64_t tx_seen;             /* packets that had left when we last looked whether any do */
    struct buf *response;         /* without room */
    uint8_t owed_error;           /* without room or memory: the answer to `answering`; 0: none */
    uint16_t owed_handle;         /* in it */
    bool owed_confirmation;       /* the same */
    uint64_t unexpected, invalid; /* PDUs nobody asked for; PDUs of a wrong length */
};

/* Who is to look at a PDU. */
enum bl_att_in {
    BL_ATT_IN_NONE,     /* seen to, or nothing to see to */
    BL_ATT_IN_MTU,      /* the peer's exchange, answered: b->mtu is in force */
    BL_ATT_IN_REQUEST,  /* server: to be answered by bl_att_respond() or bl_att_refuse() */
    BL_ATT_IN_COMMAND,  /* server */
    BL_ATT_IN_CONFIRM,  /* server: our indication was confirmed */
    BL_ATT_IN_RESPONSE, /* client: the answer to our request, whose time has stopped */
    BL_ATT_IN_ERROR,    /* client: Error Response to our request: pdu->error */
    BL_ATT_IN_NONSENSE, /* client: our request was answered by something that is no answer */
    BL_ATT_IN_NOTIFY,   /* client */
    BL_ATT_IN_INDICATE, /* client: already confirmed when it is due */
};

struct bl_att_pdu {
    uint8_t opcode;
    uint8_t request; /* RESPONSE, ERROR, NONSENSE: the opcode that was answered */
    uint8_t error;   /* ERROR; 0 in it is taken as BL_ATT_UNLIKELY_ERROR */
    uint16_t handle; /* ERROR: the handle in it */
    struct rd body;  /* after the opcode; borrowed. The table's lengths hold. */
};

void bl_att_open(struct bl_att_bearer *b, struct bl_hci *hci, struct bl_evq *events,
                 uint16_t handle, uint16_t offered);
/* The link has ended: ops of what waited end with status. */
void bl_att_close(struct bl_att_bearer *b, bl_status status);

/*
 * One PDU. What it refuses itself: requests of a wrong length or longer than ATT_MTU (Invalid PDU),
 * unknown requests (Request Not Supported), a request while another is unanswered (Insufficient
 * Resources; 3.3.2 forbids it). What it drops and counts: unknown commands, responses and
 * confirmations nobody waits for, what is not answered and of a wrong length. An indication is
 * confirmed at once (3.4.7.2 asks for it whatever its handle is). A dead bearer answers nothing.
 *
 * The MTU (3.4.2): ATT_MTU is the lesser of what both have said, 23 at the least, and is in force
 * when the answer is on its way or has come; it never falls. What we said once we say again: both
 * directions of an exchange have the same MTU. An answer below 23 is nonsense and changes nothing.
 */
enum bl_att_in bl_att_receive(struct bl_att_bearer *b, uint64_t now, const uint8_t *data, size_t n,
                              struct bl_att_pdu *ret);

/* A PDU to fill: at most ATT_MTU octets, or cap where that is less. NULL: no memory. Write it by
 * the cursor, then give both to one of the functions below, which take the buffer in any case. */
struct buf *bl_att_new(const struct bl_att_bearer *b, size_t cap, struct wr *ret);

/* Our request or MTU request: 0; -EBUSY while another has no answer; -ENOTCONN on a dead bearer;
 * -ENOMEM where pdu is NULL; -EMSGSIZE where the cursor failed. */
int bl_att_request(struct bl_att_bearer *b, uint64_t now, struct buf *pdu, const struct wr *w);
/* What has been offered to the peer's exchange stays what is offered (3.4.2.2). */
int bl_att_exchange_mtu(struct bl_att_bearer *b, uint64_t now, uint16_t offered);
/* The answer to the peer's request. With pdu NULL or a failed cursor: Insufficient Resources. */
void bl_att_respond(struct bl_att_bearer *b, struct buf *pdu, const struct wr *w);
void bl_att_refuse(struct bl_att_bearer *b, uint16_t handle, uint8_t error);
/* As bl_att_request(). */
int bl_att_indicate(struct bl_att_bearer *b, uint64_t now, struct buf *pdu, const struct wr *w);
/*
 * A command or notification. 1: on its way. 0: it waits for room, op (may be 0) ends with BL_OK
 * when it is on its way, or with the link. -EAGAIN: BL_MAX_TX_WAIT wait; -ENOTCONN, -ENOMEM,
 * -EMSGSIZE.
 */
int bl_att_push(struct bl_att_bearer *b, struct buf *pdu, const struct wr *w, bl_op op);
/* Sends what has got room. True while something still waits, or begins its time (bl_att_waits()).
 */
bool bl_att_flush(struct bl_att_bearer *b, uint64_t now);
static inline bool bl_att_waits(const struct bl_att_bearer *b)
{
    return !b->dead && (!list_empty(&b->waiting) || b->response || b->owed_error ||
                        b->owed_confirmation || b->request_mark || b->indicate_mark);
}
/* Whether the next bl_att_push() would return 1. */
bool bl_att_has_room(const struct bl_att_bearer *b);

uint64_t bl_att_deadline(const struct bl_att_bearer *b);
/* True when time has run out for a request (b->request and request_until are left as they were) or
 * an indication (b->indicating and indicate_until): the bearer is dead from now on and the link is
 * to be dropped. */
bool bl_att_tick(struct bl_att_bearer *b, uint64_t now);
