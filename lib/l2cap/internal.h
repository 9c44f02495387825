/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * internal: a connection's signalling and its channels, for the files of lib/l2cap. l2cap.c has the
 * connections, the signalling channel and its identifiers; listen.c the peer's requests; connect.c
 * ours; reconfigure.c MTUs that change; channel.c a channel's life; tx.c SDUs on their way out,
 * rx.c on their way in, with the credits that each side gives the other.
 *
 *                  connect.c                                  listen.c
 *     (none) --do_connect--> CONNECTING                (none) --request--> ASKED (authorize)
 *                                | response                          | reply, or at once
 *                                v                                   v
 *                              OPEN <---------------------------------'
 *                                |  do_disconnect
 *                                v                     response, RTX
 *                            DRAINING --all sent--> DISCONNECTING --> ended
 *     ended: unread SDUs keep the channel as ENDED until they are read or the link ends; its CID is
 *     not given again before.
 *
 * The peer's Disconnection Request and a broken rule end it from OPEN on, the link's end from
 * anywhere.
 */

#include "base/buf.h"
#include "l2cap/l2cap.h"

#define L2CAP_ID_FIRST      129        /* of our identifiers: see l2cap_next_id() */
#define L2CAP_RTX_US        30000000u  /* our requests: Core 5.4, Vol 3, Part A, 6.2.1: 1..60 s */
#define L2CAP_DISCONNECT_US 10000000u  /* the same for Disconnection Request */
#define L2CAP_DRAIN_US      5000000u   /* without progress, before it is sent all the same */
#define L2CAP_ERTX_US       60000000u  /* after a response that says "pending": 6.2.2: 60..300 s */
#define L2CAP_PENDING_US    300000000u /* however often it says so */
/* A response that comes after its time may still name channels that the peer takes to be open. */
#define L2CAP_LATE_US 300000000u

enum l2cap_state {
    L2CAP_CONNECTING, /* our request is out, or to be sent */
    L2CAP_ASKED,      /* the peer's waits for bl_l2cap_reply() */
    L2CAP_OPEN,
    L2CAP_DRAINING,      /* to be disconnected when what was taken has left */
    L2CAP_DISCONNECTING, /* Disconnection Request is out, or to be sent */
    L2CAP_ENDED,         /* what has come may still be read */
};

/* A procedure of ours on the signalling channel: what is due is sent as soon as there is room. */
enum l2cap_due {
    L2CAP_DUE_NOTHING,
    L2CAP_DUE_REQUEST, /* to be sent */
    L2CAP_DUE_SENT,    /* waits for its response until the timer fires */
    L2CAP_DUE_LATE,    /* it has fired, and what waited has ended */
};

/* Connect and Reconfigure, for one to five channels; and Disconnection Request for what is no
 * channel of ours, but one to the peer. */
struct l2cap_request {
    struct timer timer; /* first: the queue gives it back */
    struct list link;   /* conn.requests */
    struct bl_l2cap_conn *c;
    enum l2cap_due due;
    uint8_t code; /* enum bl_sig_code: LE_CONNECTION_, ENHANCED_, RECONFIGURE_, DISCONNECTION_REQ */
    uint8_t id;   /* 0 until sent */
    bl_op op;
    uint16_t psm, mtu, mps;
    uint16_t cid[BL_SIG_CID_MAX]; /* ours; of RECONFIGURE_REQ 0: that channel has ended meanwhile */
    uint8_t n_cid;
    uint16_t peer_cid;                                         /* of DISCONNECTION_REQ */
    uint16_t old_mtu[BL_SIG_CID_MAX], old_mps[BL_SIG_CID_MAX]; /* of RECONFIGURE_REQ */
    uint64_t until; /* however often the peer says "pending" */
};

/* A request of the peer's that has not been answered: one to five channels, of which some may wait
 * for bl_l2cap_reply(). */
struct l2cap_asked {
    struct list link; /* conn.asked */
    uint8_t code, id;
    uint16_t psm;
    uint8_t n_cid;
    uint16_t cid[BL_SIG_CID_MAX];     /* ours; 0: refused */
    uint32_t request[BL_SIG_CID_MAX]; /* 0: decided */
    uint16_t result; /* of those refused: the last one's, as 4.26 has room for one */
};

struct l2cap_tx {
    struct list turn;  /* conn.turns while a frame could go */
    struct list queue; /* struct buf: SDUs to be sent, behind `first` */
    struct list spare; /* struct buf of `size` octets each, for the next */
    struct buf *first; /* the SDU that has been cut in part, or whole; NULL: none */
    bool flying;       /* lib/hci has a frame of it, and so the buffer; or it is at conn.home */
    unsigned n_queue;  /* SDUs that have not left whole, the first one among them */
    unsigned n_spare;
    size_t size;      /* of an SDU in spare buffers: as large as was asked for, at most peer_mtu */
    size_t octets;    /* of the n_queue SDUs */
    size_t total, at; /* of `first`, the two octets of its length included: all, and cut so far */
    size_t need;      /* credits that what has not been cut needs */
    uint16_t credits; /* frames that the peer takes */
    bool stalled;     /* bl_l2cap_send() said 0: SEND_READY is due when the queue is empty */
    uint64_t sdus, bytes;
};

struct l2cap_rx {
    uint8_t *store; /* records: length in two octets, then the SDU; [head, tail) is in use */
    size_t cap, head, tail;
    size_t sdus;      /* whole ones; one that was read in part has a record of what is left */
    size_t octets;    /* of them */
    bool open;        /* an SDU is being joined: the last record */
    size_t length;    /* its length */
    size_t want;      /* octets of its record that have not come */
    size_t window;    /* octets that may be in `store` or promised: MTU + 2 + MPS at the least */
    size_t batch;     /* octets that are worth a command: half of the window's frames */
    unsigned roomy;   /* times in a row that the store was emptied and had been far too large */
    uint16_t credits; /* frames that the peer may send */
    bool give;        /* credits are to be given as soon as there is room for the command */
    uint64_t total_sdus, total_bytes;
};

struct l2cap_channel {
    struct timer timer;  /* first; L2CAP_DRAINING and L2CAP_DISCONNECTING */
    struct list sending; /* conn.due while there are credits to give or commands to send */
    struct bl_l2cap_conn *c;
    enum l2cap_state state;
    uint16_t cid, peer_cid, psm;
    uint16_t our_mtu, our_mps, peer_mtu, peer_mps;
    bool enhanced, incoming;
    enum l2cap_due disconnect; /* Disconnection Request */
    uint8_t disconnect_id;
    size_t drain_left; /* of tx.need, when L2CAP_DRAINING was last looked at */
    uint64_t drain_until;
    bl_op disconnect_op;  /* 0: nobody waits */
    bl_status end_status; /* of L2CAP_DISCONNECTED when it has ended: 0, or BL_PROTOCOL */
    struct l2cap_tx tx;
    struct l2cap_rx rx;
};

struct bl_l2cap_conn {
    struct list sending; /* l2cap.sending */
    struct bl_l2cap *l;
    uint16_t conn, handle;
    struct bl_l2cap_security security;
    uint8_t last_id;
    uint8_t lent_id; /* the last one that bl_l2cap_sig_id() gave */
    uint16_t last_cid;
    struct l2cap_channel *channels[BL_L2CAP_CID_MAX - BL_L2CAP_CID_MIN + 1]; /* by our CID */
    unsigned n_channels;
    size_t promised;      /* octets: the windows of its channels */
    struct list due;      /* l2cap_channel.sending: channels with something to do, in turn */
    struct list requests; /* l2cap_request.link */
    struct list asked;    /* l2cap_asked.link */
    unsigned n_asked;     /* channels in it that wait */
    struct list turns;    /* l2cap_tx.turn: channels with a frame that could go, in turn; this and
                           * `home` are l2cap.c's to list_init() */
    struct list home;     /* struct buf: those that lib/hci is done with; tag: their channel */
    unsigned frames;      /* of channels in lib/hci's queue, or at home */
    struct buf *credits;  /* for giving them, the same each time; NULL: none so far */
    struct list kept;     /* where it is while lib/hci does not have it */
};

struct l2cap_listener {
    uint16_t psm, mtu;
    uint8_t security;
    bool authorize;
};

/* ---- l2cap.c ---- */
struct bl_l2cap_conn *l2cap_conn(const struct bl_l2cap *l, uint16_t conn); /* NULL: none */
/* One command. -ENOMEM, -ENOBUFS: again later, where it is ours; an answer is dropped and
 * counted (the peer has its own timer), and false. */
int l2cap_command(struct bl_l2cap_conn *c, const struct bl_sig *sig);
bool l2cap_answer(struct bl_l2cap_conn *c, const struct bl_sig *sig);
uint8_t l2cap_next_id(struct bl_l2cap_conn *c); /* 0: all in use */
/* Has it looked at by bl_l2cap_step() and bl_l2cap_fill(). */
void l2cap_sending(struct bl_l2cap_conn *c);
/* The same for one of its channels: in conn.due. */
static inline void l2cap_channel_due(struct l2cap_channel *ch)
{
    if (list_empty(&ch->sending))
        list_append(&ch->c->due, &ch->sending);
    l2cap_sending(ch->c);
}

/* ---- listen.c: the peer's requests for channels ---- */
void l2cap_on_connection_request(struct bl_l2cap_conn *c, uint64_t now, const struct bl_sig *sig);
bool l2cap_asked_send(struct bl_l2cap_conn *c, uint64_t now); /* what is due; false: again later */
void l2cap_asked_free_all(struct bl_l2cap_conn *c); /* and their channels, without events */

/* ---- connect.c: ours, and our procedures of all kinds ---- */
/* Responses and rejects; false: of nothing that is under way. */
bool l2cap_on_response(struct bl_l2cap_conn *c, uint64_t now, const struct bl_sig *sig);
bool l2cap_requests_send(struct bl_l2cap_conn *c, uint64_t now); /* what is due; false: later */
void l2cap_requests_end(struct bl_l2cap_conn *c, uint64_t now, bl_status status);
void l2cap_request_expired(struct bl_l2cap *l, uint64_t now, struct l2cap_request *r);
/* A new one in conn.requests, to be sent. NULL: no memory. */
struct l2cap_request *l2cap_request_new(struct bl_l2cap_conn *c, uint64_t now, uint8_t code);
struct l2cap_request *l2cap_request_free(struct l2cap_request *r);
/* One of them, that has not ended, has this identifier; this CID of ours. */
bool l2cap_request_has_id(const struct bl_l2cap_conn *c, uint8_t id);
bool l2cap_request_has_cid(const struct bl_l2cap_conn *c, uint16_t cid);

/* ---- reconfigure.c: both sides' ---- */
void l2cap_on_reconfigure_request(struct bl_l2cap_conn *c, uint64_t now, const struct bl_sig *sig);
/* The answer to ours: 0 or a result of 4.28. */
void l2cap_reconfigured(struct l2cap_request *r, uint64_t now, uint16_t result);
/* It was not answered, or the link has ended: the op ends, r stays. */
void l2cap_reconfigure_end(struct l2cap_request *r, uint64_t now, bl_status status);
/* A channel has ended. */
void l2cap_reconfigure_forget(struct bl_l2cap_conn *c, uint16_t cid);

/* ---- channel.c ---- */
/* A new one, with our CID and its window; the peer's side is the caller's to fill in. NULL with
 * *ret_error -ENOBUFS or -ENOMEM. mtu: ours. */
struct l2cap_channel *l2cap_channel_new(struct bl_l2cap_conn *c, uint16_t mtu, bool enhanced,
                                        int *ret_error);
struct l2cap_channel *l2cap_channel_find(const struct bl_l2cap_conn *c, uint16_t cid);
/* By the peer's CID: one that has not ended. */
struct l2cap_channel *l2cap_channel_of_peer(const struct bl_l2cap_conn *c, uint16_t peer_cid);
/* Without events. */
void l2cap_channel_free(struct l2cap_channel *ch);
/* Open: CONNECTED. */
void l2cap_channel_opened(struct l2cap_channel *ch, uint64_t now, bl_op op);
/* It has ended: SEND_READY for what is lost, DISCONNECTED, the op; freed, or ENDED. */
void l2cap_channel_ended(struct l2cap_channel *ch, uint64_t now, bl_status status);
/* The peer broke a rule: Disconnection Request, DISCONNECTED with BL_PROTOCOL when it has been
 * answered. What has come whole may be read. `why` is for the log. */
void l2cap_channel_break(struct l2cap_channel *ch, uint64_t now, const char *why);
/* The octets of a window for this MTU and MPS, out of what is left on the connection; 0: no room.
 * See bounds.h (BL_MAX_CHANNEL_RX) and host.h (rx_buf). */
size_t l2cap_window(const struct bl_l2cap_conn *c, uint16_t mtu, uint16_t mps);
/* Our MPS for this MTU: what fits one ACL packet of the controller's, so that a frame is not cut
 * and joined again. */
uint16_t l2cap_mps(const struct bl_l2cap_conn *c, uint16_t mtu, bool enhanced);
void l2cap_channel_expired(struct bl_l2cap *l, uint64_t now, struct l2cap_channel *ch);
bool l2cap_disconnect_send(struct l2cap_channel *ch, uint64_t now); /* where due; false: later */
/* What the peer says of it. */
void l2cap_on_credits(struct bl_l2cap_conn *c, uint64_t now, const struct bl_sig *sig);
void l2cap_on_disconnection_request(struct bl_l2cap_conn *c, uint64_t now,
                                    const struct bl_sig *sig);
/* All has left: SEND_READY where it is due, on from DRAINING. */
void l2cap_channel_drained(struct l2cap_channel *ch, uint64_t now);

/* ---- tx.c ---- */
void l2cap_tx_init(struct l2cap_channel *ch);
void l2cap_tx_deinit(struct l2cap_channel *ch);
/* LE Flow Control Credit. False: over 65535 in all (the channel is to be broken). */
bool l2cap_tx_credits(struct l2cap_channel *ch, uint64_t now, uint16_t credits);
/* Buffers that have come home are seen to, and frames go to lib/hci, a channel a frame in turn, as
 * many as there may be: how many went. A channel that lib/hci has nothing more of and that has
 * nothing more to send is handed to l2cap_channel_drained(), which does not free it. */
unsigned l2cap_tx_fill(struct bl_l2cap_conn *c, uint64_t now);
/* Nothing for l2cap_tx_fill() to do, now or when lib/hci is done with a frame. Until then the
 * connection stays in l2cap.sending. */
static inline bool l2cap_tx_idle(const struct bl_l2cap_conn *c)
{
    return c->frames == 0 && list_empty(&c->turns);
}
/* All that was taken has left for the controller. */
static inline bool l2cap_tx_empty(const struct l2cap_channel *ch)
{
    return ch->tx.n_queue == 0;
}
/* Peer_mtu or peer_mps have changed. */
void l2cap_tx_resized(struct l2cap_channel *ch);

/* ---- rx.c ---- */
void l2cap_rx_init(struct l2cap_channel *ch, size_t window);
void l2cap_rx_deinit(struct l2cap_channel *ch);
/* Credits for the peer to begin with: they are its from now on. */
uint16_t l2cap_rx_first_credits(struct l2cap_channel *ch);
/* A K-frame on a channel that is open or draining. NULL, or which rule it broke. */
const char *l2cap_rx_frame(struct l2cap_channel *ch, uint64_t now, const uint8_t *data, size_t n);
/* Gives credits where that is due, and there is room for the command; else the channel is in
 * conn.due, with rx.give set, for the step to call this again. */
void l2cap_rx_give(struct l2cap_channel *ch, uint64_t now);
/* Our MTU, MPS or window have changed. */
void l2cap_rx_resized(struct l2cap_channel *ch, size_t window);
