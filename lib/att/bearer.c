/* SPDX-License-Identifier: MIT */

/*
 * One bearer. The two sides share the channel and nothing else:
 *
 *     client   idle --request--> request --response, error, nonsense--> idle
 *                                   '--30 s--> dead
 *     server   idle --peer's request--> answering --respond, refuse--> idle
 *     server   idle --indicate--> indicating --confirmation--> idle
 *                                   '--30 s--> dead
 *
 * A response that has no room keeps its transaction open (answering): a peer that asks on without
 * waiting is refused while there is room for that, and not heard when there is none, so that one
 * response, one error and one confirmation are all that it can make us keep.
 */

#include "att/bearer.h"

#include "base/cleanup.h"
#include "bounds.h"

#include <errno.h>
#include <stdlib.h>

enum { ATT_L2CAP_HEADER = 4 };

enum att_waits {
    ATT_WAITS_PUSH,
    ATT_WAITS_REQUEST,
    ATT_WAITS_INDICATION,
};

struct att_waiting {
    struct list link;
    struct buf *pdu;
    bl_op op;
    enum att_waits kind;
};

void bl_att_open(struct bl_att_bearer *b, struct bl_hci *hci, struct bl_evq *events,
                 uint16_t handle, uint16_t offered)
{
    *b = (struct bl_att_bearer){
        .hci = hci,
        .events = events,
        .handle = handle,
        .mtu = BL_ATT_MTU_MIN,
        .offered = offered,
        .request_until = TIMERQ_NEVER,
        .indicate_until = TIMERQ_NEVER,
    };
    list_init(&b->waiting);
}

void bl_att_close(struct bl_att_bearer *b, bl_status status)
{
    struct list *l;

    b->dead = true;
    b->response = buf_free(b->response);
    while ((l = list_pop(&b->waiting))) {
        struct att_waiting *w = list_entry(l, struct att_waiting, link);
        bl_evq_op_done(b->events, w->op, status);
        buf_free(w->pdu);
        free(w);
    }
    b->n_waiting = 0;
    b->request = b->answering = b->owed_error = 0;
    b->indicating = b->owed_confirmation = false;
    b->request_mark = b->indicate_mark = 0;
    b->request_until = b->indicate_until = TIMERQ_NEVER;
}

/* ---- out ---- */

struct buf *bl_att_new(const struct bl_att_bearer *b, size_t cap, struct wr *ret)
{
    size_t n = cap < b->mtu ? cap : b->mtu;
    struct buf *pdu = buf_new(ATT_L2CAP_HEADER + n);

    if (pdu)
        *ret = wr_make(pdu->data + ATT_L2CAP_HEADER, n);
    else
        *ret = (struct wr){.bad = true};
    return pdu;
}

/* Packets in the controller count as well: more of them than lib/hci takes PDUs is room enough. */
static bool att_room(const struct bl_att_bearer *b, unsigned limit)
{
    return bl_hci_queued(b->hci, b->handle) < limit;
}

/* For what has no flow control of its own. */
static bool att_push_room(const struct bl_att_bearer *b)
{
    return bl_hci_queued_beside(b->hci, b->handle) < BL_ATT_TX_UNACKED &&
           att_room(b, BL_MAX_TX_PDUS);
}

/* The basic header goes before the PDU: Core 5.4, Vol 3, Part A, 3.1. */
static void att_finish(struct buf *pdu, const struct wr *w)
{
    struct wr header = wr_make(pdu->data, ATT_L2CAP_HEADER);

    wr_u16(&header, (uint16_t)w->len);
    wr_u16(&header, BL_ATT_CID);
    pdu->len = ATT_L2CAP_HEADER + w->len;
}

/* The caller has looked for room. What else may fail is a link that has gone, whose end is on its
 * way here. */
static void att_send(const struct bl_att_bearer *b, struct buf *pdu)
{
    (void)bl_hci_send(b->hci, b->handle, pdu);
}

/* What bl_att_request(), _indicate() and _push() refuse alike; 0: the PDU is complete. */
static int att_check(const struct bl_att_bearer *b, struct buf *pdu, const struct wr *w)
{
    int r = b->dead                 ? -ENOTCONN
            : !pdu                  ? -ENOMEM
            : w->bad || w->len == 0 ? -EMSGSIZE
            : w->len > b->mtu       ? -EMSGSIZE
                                    : 0;

    if (r < 0)
        buf_free(pdu);
    else
        att_finish(pdu, w);
    return r;
}

static int att_wait(struct bl_att_bearer *b, struct buf *pdu, enum att_waits kind, bl_op op)
{
    struct att_waiting *w = malloc(sizeof(*w));

    if (!w) {
        buf_free(pdu);
        return -ENOMEM;
    }
    *w = (struct att_waiting){.pdu = pdu, .op = op, .kind = kind};
    list_append(&b->waiting, &w->link);
    return 0;
}

static struct bl_hci_link_stats att_stats(const struct bl_att_bearer *b)
{
    struct bl_hci_link_stats stats = {0};

    (void)bl_hci_link_stats(b->hci, b->handle, &stats);
    return stats;
}

/* Sends a request or an indication: its mark. */
static uint64_t att_send_timed(struct bl_att_bearer *b, struct buf *pdu)
{
    bool ahead = bl_hci_queued(b->hci, b->handle) > 0;

    att_send(b, pdu);
    if (!ahead)
        return 0;
    const struct bl_hci_link_stats stats = att_stats(b);
    b->tx_seen = stats.tx_packets;
    return stats.tx_pdus + stats.queued;
}

/* A request or an indication: at once, or behind what waits. */
static int att_begin(struct bl_att_bearer *b, struct buf *pdu, enum att_waits kind,
                     uint64_t *ret_mark)
{
    if (list_empty(&b->waiting) && att_room(b, BL_MAX_TX_PDUS)) {
        *ret_mark = att_send_timed(b, pdu);
        return 0;
    }
    *ret_mark = BL_ATT_HERE;
    b->tx_seen = att_stats(b).tx_packets;
    return att_wait(b, pdu, kind, 0);
}

int bl_att_request(struct bl_att_bearer *b, uint64_t now, struct buf *pdu, const struct wr *w)
{
    if (pdu && !b->dead && b->request) {
        buf_free(pdu);
        return -EBUSY;
    }
    int r = att_check(b, pdu, w);
    if (r < 0)
        return r;

    uint8_t opcode = pdu->data[ATT_L2CAP_HEADER];
    uint64_t mark;
    r = att_begin(b, pdu, ATT_WAITS_REQUEST, &mark);
    if (r < 0)
        return r;
    b->request = opcode;
    b->request_mark = mark;
    b->request_until = now + BL_ATT_TIMEOUT_US;
    return 0;
}

/* Core 5.4, Vol 3, Part F, 3.4.2.1 */
int bl_att_exchange_mtu(struct bl_att_bearer *b, uint64_t now, uint16_t offered)
{
    struct wr w;
    struct buf *pdu = bl_att_new(b, 3, &w);
    uint16_t mine = b->answered ? b->offered : offered;

    wr_u8(&w, BL_ATT_MTU_REQ);
    wr_u16(&w, mine);
    int r = bl_att_request(b, now, pdu, &w);
    if (r == 0)
        b->offered = mine;
    return r;
}

int bl_att_indicate(struct bl_att_bearer *b, uint64_t now, struct buf *pdu, const struct wr *w)
{
    if (pdu && !b->dead && b->indicating) {
        buf_free(pdu);
        return -EBUSY;
    }
    int r = att_check(b, pdu, w);
    uint64_t mark;
    if (r < 0 || (r = att_begin(b, pdu, ATT_WAITS_INDICATION, &mark)) < 0)
        return r;
    b->indicating = true;
    b->indicate_mark = mark;
    b->indicate_until = now + BL_ATT_TIMEOUT_US;
    return 0;
}

bool bl_att_has_room(const struct bl_att_bearer *b)
{
    return !b->dead && list_empty(&b->waiting) && att_push_room(b);
}

int bl_att_push(struct bl_att_bearer *b, struct buf *pdu, const struct wr *w, bl_op op)
{
    int r = att_check(b, pdu, w);

    if (r < 0)
        return r;
    if (bl_att_has_room(b)) {
        att_send(b, pdu);
        return 1;
    }
    if (b->n_waiting >= BL_MAX_TX_WAIT) {
        buf_free(pdu);
        return -EAGAIN;
    }
    r = att_wait(b, pdu, ATT_WAITS_PUSH, op);
    if (r == 0)
        b->n_waiting++;
    return r;
}

/* An Error Response at once, if there is room and memory for it. */
static bool att_error(const struct bl_att_bearer *b, uint8_t request, uint16_t handle,
                      uint8_t error)
{
    struct wr w;
    struct buf *pdu = att_room(b, BL_MAX_TX_PDUS) ? bl_att_new(b, 5, &w) : NULL;

    if (!pdu)
        return false;
    bl_att_put_error(&w, request, handle, error);
    att_finish(pdu, &w);
    att_send(b, pdu);
    return true;
}

void bl_att_refuse(struct bl_att_bearer *b, uint16_t handle, uint8_t error)
{
    if (b->dead || b->answering == 0)
        return;
    if (att_error(b, b->answering, handle, error)) {
        b->answering = 0;
        return;
    }
    b->owed_error = error;
    b->owed_handle = handle;
}

void bl_att_respond(struct bl_att_bearer *b, struct buf *pdu, const struct wr *w)
{
    if (b->dead || b->answering == 0) {
        buf_free(pdu);
    } else if (!pdu || w->bad || w->len > b->mtu) {
        buf_free(pdu);
        bl_att_refuse(b, 0, BL_ATT_INSUFFICIENT_RESOURCES);
    } else {
        att_finish(pdu, w);
        if (att_room(b, BL_MAX_TX_PDUS)) {
            att_send(b, pdu);
            b->answering = 0;
        } else {
            buf_free(b->response);
            b->response = pdu;
        }
    }
}

/* Core 5.4, Vol 3, Part F, 3.4.7.3 */
static void att_confirm(struct bl_att_bearer *b)
{
    struct wr w;
    struct buf *pdu = att_room(b, BL_MAX_TX_PDUS) ? bl_att_new(b, 1, &w) : NULL;

    b->owed_confirmation = pdu == NULL;
    if (!pdu)
        return;
    wr_u8(&w, BL_ATT_CONFIRMATION);
    att_finish(pdu, &w);
    att_send(b, pdu);
}

static void att_flush_owed(struct bl_att_bearer *b)
{
    if (b->response && att_room(b, BL_MAX_TX_PDUS)) {
        att_send(b, steal_ptr(b->response));
        b->answering = 0;
    }
    if (b->owed_error && att_error(b, b->answering, b->owed_handle, b->owed_error))
        b->owed_error = b->answering = 0;
    if (b->owed_confirmation)
        att_confirm(b);
}

static bool att_is_on_its_way(uint64_t mark)
{
    return mark != 0 && mark != BL_ATT_HERE;
}

/* The time of what has left meanwhile begins now. */
static void att_look(struct bl_att_bearer *b, uint64_t now)
{
    if (!att_is_on_its_way(b->request_mark) && !att_is_on_its_way(b->indicate_mark))
        return;
    const struct bl_hci_link_stats stats = att_stats(b);
    if (att_is_on_its_way(b->request_mark) && stats.tx_pdus >= b->request_mark) {
        b->request_mark = 0;
        b->request_until = now + BL_ATT_TIMEOUT_US;
    }
    if (att_is_on_its_way(b->indicate_mark) && stats.tx_pdus >= b->indicate_mark) {
        b->indicate_mark = 0;
        b->indicate_until = now + BL_ATT_TIMEOUT_US;
    }
}

static void att_leaves(struct bl_att_bearer *b, uint64_t now, struct att_waiting *w)
{
    switch (w->kind) {
    case ATT_WAITS_PUSH:
        b->n_waiting--;
        att_send(b, w->pdu);
        break;
    case ATT_WAITS_REQUEST:
        b->request_mark = att_send_timed(b, w->pdu);
        b->request_until = now + BL_ATT_TIMEOUT_US;
        break;
    case ATT_WAITS_INDICATION:
        b->indicate_mark = att_send_timed(b, w->pdu);
        b->indicate_until = now + BL_ATT_TIMEOUT_US;
        break;
    }
}

bool bl_att_flush(struct bl_att_bearer *b, uint64_t now)
{
    if (b->dead)
        return false;
    att_flush_owed(b);
    while (!list_empty(&b->waiting)) {
        struct att_waiting *w = list_entry(b->waiting.next, struct att_waiting, link);
        if (w->kind == ATT_WAITS_PUSH ? !att_push_room(b) : !att_room(b, BL_MAX_TX_PDUS))
            break;
        list_remove(&w->link);
        att_leaves(b, now, w);
        bl_evq_op_done(b->events, w->op, BL_OK);
        free(w);
    }
    att_look(b, now);
    return bl_att_waits(b);
}

/* ---- in ---- */

/* 3.4.2.2: in force after the answer has been sent. */
/* What both have said, 23 at the least. It never falls: both exchanges of a connection have the
 * same outcome (3.4.2), and what is queued was cut for the greater one. */
static void att_agree(struct bl_att_bearer *b, uint16_t theirs)
{
    uint16_t mtu = theirs < b->offered ? theirs : b->offered;

    if (mtu > b->mtu)
        b->mtu = mtu;
}

static enum bl_att_in att_in_mtu_request(struct bl_att_bearer *b, struct bl_att_pdu *pdu)
{
    uint16_t theirs = rd_u16(&pdu->body);
    struct wr w;
    struct buf *rsp = bl_att_new(b, 3, &w);

    b->answering = BL_ATT_MTU_REQ;
    if (!rsp) {
        bl_att_refuse(b, 0, BL_ATT_INSUFFICIENT_RESOURCES);
        return BL_ATT_IN_NONE;
    }
    wr_u8(&w, BL_ATT_MTU_RSP);
    wr_u16(&w, b->offered);
    bl_att_respond(b, rsp, &w);
    if (b->answered) /* once in the life of a connection: 3.4.2.1 */
        return BL_ATT_IN_NONE;
    b->answered = true;
    att_agree(b, theirs);
    return BL_ATT_IN_MTU;
}

/* One that the server is not asked about. While another is unanswered it may not have been sent,
 * and is not heard where there is no room to say so. */
static void att_turn_down(struct bl_att_bearer *b, uint8_t opcode, uint8_t error)
{
    if (att_error(b, opcode, 0, error) || b->answering)
        return;
    b->answering = opcode; /* for 0x00, which is none, that is not to be heard */
    b->owed_error = opcode ? error : 0;
    b->owed_handle = 0;
}

static enum bl_att_in att_in_request(struct bl_att_bearer *b, struct bl_att_pdu *pdu, bool valid)
{
    uint8_t error = !valid ? BL_ATT_INVALID_PDU : b->answering ? BL_ATT_INSUFFICIENT_RESOURCES : 0;

    if (error) {
        b->unexpected += valid;
        att_turn_down(b, pdu->opcode, error);
        return BL_ATT_IN_NONE;
    }
    if (pdu->opcode == BL_ATT_MTU_REQ)
        return att_in_mtu_request(b, pdu);
    b->answering = pdu->opcode;
    return BL_ATT_IN_REQUEST;
}

static enum bl_att_in att_in_confirm(struct bl_att_bearer *b, bool valid)
{
    if (!valid)
        return BL_ATT_IN_NONE;
    if (!b->indicating || b->indicate_mark == BL_ATT_HERE) {
        b->unexpected++;
        return BL_ATT_IN_NONE;
    }
    b->indicating = false;
    b->indicate_mark = 0;
    b->indicate_until = TIMERQ_NEVER;
    return BL_ATT_IN_CONFIRM;
}

/* Ours has been answered, whatever the answer is worth. */
static enum bl_att_in att_in_mtu_response(struct bl_att_bearer *b, struct bl_att_pdu *pdu)
{
    struct rd r = pdu->body;
    uint16_t theirs = rd_u16(&r);

    if (theirs < BL_ATT_MTU_MIN) /* 3.4.2.2 */
        return BL_ATT_IN_NONSENSE;
    att_agree(b, theirs);
    return BL_ATT_IN_RESPONSE;
}

static enum bl_att_in att_in_error(struct bl_att_pdu *pdu)
{
    uint8_t request = rd_u8(&pdu->body);

    pdu->handle = rd_u16(&pdu->body);
    pdu->error = rd_u8(&pdu->body);
    if (pdu->error == 0)
        pdu->error = BL_ATT_UNLIKELY_ERROR;
    return request == pdu->request ? BL_ATT_IN_ERROR : BL_ATT_IN_NONSENSE;
}

/* 3.3.2: it ends our transaction, also when it is wrong: else a peer that answers nonsense would
 * cost the link 30 s later. */
static enum bl_att_in att_in_response(struct bl_att_bearer *b, struct bl_att_pdu *pdu, bool valid)
{
    if (b->request == 0 || b->request_mark == BL_ATT_HERE) {
        b->unexpected++;
        return BL_ATT_IN_NONE;
    }
    pdu->request = b->request;
    b->request = 0;
    b->request_mark = 0;
    b->request_until = TIMERQ_NEVER;
    b->asked = b->asked || pdu->request == BL_ATT_MTU_REQ;
    if (!valid)
        return BL_ATT_IN_NONSENSE;
    if (pdu->opcode == BL_ATT_ERROR_RSP)
        return att_in_error(pdu);
    const struct bl_att_row *row = bl_att_row(pdu->request);
    if (!row || pdu->opcode != row->answer)
        return BL_ATT_IN_NONSENSE;
    return pdu->opcode == BL_ATT_MTU_RSP ? att_in_mtu_response(b, pdu) : BL_ATT_IN_RESPONSE;
}

static enum bl_att_in att_in_indication(struct bl_att_bearer *b, bool valid)
{
    if (!valid)
        return BL_ATT_IN_NONE;
    if (b->owed_confirmation) { /* 3.3.2: the last one has not been confirmed yet */
        b->unexpected++;
        return BL_ATT_IN_NONE;
    }
    att_confirm(b);
    return BL_ATT_IN_INDICATE;
}

static enum bl_att_in att_in(struct bl_att_bearer *b, const struct bl_att_row *row,
                             struct bl_att_pdu *pdu, bool valid)
{
    switch ((enum bl_att_kind)row->kind) {
    case BL_ATT_REQUEST:
        return att_in_request(b, pdu, valid);
    case BL_ATT_COMMAND:
        return valid ? BL_ATT_IN_COMMAND : BL_ATT_IN_NONE;
    case BL_ATT_CONFIRM:
        return att_in_confirm(b, valid);
    case BL_ATT_RESPONSE:
        return att_in_response(b, pdu, valid);
    case BL_ATT_NOTIFY:
        return valid ? BL_ATT_IN_NOTIFY : BL_ATT_IN_NONE;
    case BL_ATT_INDICATE:
        return att_in_indication(b, valid);
    }
    return BL_ATT_IN_NONE;
}

/* 3.4.8: commands that are not known are ignored. Responses have odd opcodes: where one is due, one
 * of those is an answer, and no good one. Anything else is taken as a request. */
static enum bl_att_in att_in_unknown(struct bl_att_bearer *b, struct bl_att_pdu *pdu)
{
    if (!(pdu->opcode & 0xc0) && (pdu->opcode & 1) && b->request && b->request_mark != BL_ATT_HERE)
        return att_in_response(b, pdu, false);
    b->unexpected++;
    if (!(pdu->opcode & 0x40))
        att_turn_down(b, pdu->opcode, BL_ATT_REQUEST_NOT_SUPPORTED);
    return BL_ATT_IN_NONE;
}

enum bl_att_in bl_att_receive(struct bl_att_bearer *b, uint64_t now, const uint8_t *data, size_t n,
                              struct bl_att_pdu *ret)
{
    struct rd r = rd_make(data, n);
    uint8_t opcode = rd_u8(&r);
    const struct bl_att_row *row = bl_att_row(opcode);

    (void)now;
    *ret = (struct bl_att_pdu){.opcode = opcode, .body = r};
    if (b->dead)
        return BL_ATT_IN_NONE;
    if (n == 0) {
        b->invalid++;
        return BL_ATT_IN_NONE;
    }
    if (!row)
        return att_in_unknown(b, ret);
    bool valid = n >= row->min && n <= row->max && n <= b->mtu;
    b->invalid += !valid;
    return att_in(b, row, ret, valid);
}

/* ---- time ---- */

uint64_t bl_att_deadline(const struct bl_att_bearer *b)
{
    if (b->dead)
        return TIMERQ_NEVER;
    return b->request_until < b->indicate_until ? b->request_until : b->indicate_until;
}

/* What has not left has as much time again, if anything does. */
static void att_prolong(struct bl_att_bearer *b, uint64_t now)
{
    uint64_t left = att_stats(b).tx_packets;

    att_look(b, now);
    if (left == b->tx_seen)
        return;
    b->tx_seen = left;
    if (b->request_mark && b->request_until <= now)
        b->request_until = now + BL_ATT_TIMEOUT_US;
    if (b->indicate_mark && b->indicate_until <= now)
        b->indicate_until = now + BL_ATT_TIMEOUT_US;
}

bool bl_att_tick(struct bl_att_bearer *b, uint64_t now)
{
    if (b->dead || now < bl_att_deadline(b))
        return false;
    if (b->request_mark || b->indicate_mark)
        att_prolong(b, now);
    if (now < bl_att_deadline(b))
        return false;
    b->dead = true;
    return true;
}
