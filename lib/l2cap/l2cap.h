/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * l2cap: the signalling channel of every connection (CID 5) and the connection-oriented channels on
 * it (CIDs 0x0040..0x007f). This file is what lib/gap (links) and host.c see.
 *
 *     links.c: announced --> bl_l2cap_open    ended --> bl_l2cap_close (before BL_EV_DISCONNECTED)
 *     host.c:  PDU on CID 5 --> bl_l2cap_signal      CID 0x0040.. --> bl_l2cap_pdu
 *              every command and tick --> bl_l2cap_step       bl_host_next_tx --> bl_l2cap_fill
 *
 * Of the signalling commands those of channels are seen to here; the connection parameter update is
 * lib/gap's, which is handed what concerns it and sends by bl_l2cap_sig_send(), with identifiers
 * from the same sequence. Anything else is refused as sig.h says.
 */

#include "base/list.h"
#include "base/timerq.h"
#include "evq.h"
#include "hci/hci.h"
#include "host_l2cap.h"
#include "l2cap/sig.h"

struct bl_config;
struct bl_l2cap_conn;
struct l2cap_listener;

#define BL_L2CAP_SIGNALING_CID 0x0005 /* Core 5.4, Vol 3, Part A, 2.1 */
#define BL_L2CAP_CID_MIN       0x0040
#define BL_L2CAP_CID_MAX       0x007f

enum bl_l2cap_counter {
    BL_L2CAP_N_SIGNALS_BAD,     /* PDUs of the signalling channel that were rejected or ignored */
    BL_L2CAP_N_SIGNALS_DROPPED, /* answers for which there was no room or memory */
    BL_L2CAP_N_OPENED,
    BL_L2CAP_N_REFUSED, /* by us */
    BL_L2CAP_N_BROKEN,  /* channels ended because the peer broke a rule */
    BL_L2CAP_N_STRAY,   /* frames for no channel */
    BL_L2CAP_N_TX_SDUS,
    BL_L2CAP_N_RX_SDUS,
    BL_L2CAP_COUNTERS,
};

/* What the link offers; Core 5.4, Vol 3, Part C, 10.2. */
struct bl_l2cap_security {
    bool encrypted, authenticated, secure_connections;
    bool has_ltk;     /* a bond that encryption could be started with */
    uint8_t key_size; /* 7..16 while encrypted */
};

struct bl_l2cap {
    struct bl_hci *hci;
    const struct bl_env *env;
    struct bl_evq *events;
    const struct bl_config *config;
    struct l2cap_listener *listeners[BL_L2CAP_SPSM_MAX + 1]; /* by SPSM */
    struct bl_l2cap_conn *table[BL_MAX_LINKS];               /* the first `count` */
    unsigned count;
    struct bl_l2cap_conn *recent; /* data came on it last, and does next, likely; NULL: none */
    struct list sending; /* connections with SDUs to cut, credits to give or commands to send */
    struct timerq timers, request_timers; /* of channels, of our procedures */
    bool starved;                         /* a command has found no memory ... */
    uint64_t retry_at;                    /* ... and is tried again then */
    uint32_t last_request;
    unsigned commands; /* handed to lib/hci so far */
    uint64_t counters[BL_L2CAP_COUNTERS];
};

/* All borrowed. 0. */
int bl_l2cap_init(struct bl_l2cap *l, struct bl_hci *hci, const struct bl_env *env,
                  struct bl_evq *events, const struct bl_config *config);
void bl_l2cap_deinit(struct bl_l2cap *l);

/* A connection is announced. -ENOMEM: the link is to be dropped. */
int bl_l2cap_open(struct bl_l2cap *l, uint64_t now, uint16_t conn, uint16_t handle);
/* It has ended: channels and procedures end with status (0x100 + HCI reason, or local), with
 * events. */
void bl_l2cap_close(struct bl_l2cap *l, uint64_t now, uint16_t conn, bl_status status);
void bl_l2cap_set_security(struct bl_l2cap *l, uint16_t conn,
                           const struct bl_l2cap_security *security);
/* The controller is gone, all connections have been closed: listeners go. */
void bl_l2cap_reset(struct bl_l2cap *l);

/* A PDU on CID 5. True: *ret is of the connection parameter update, or a Command Reject of a
 * command that is not ours: lib/gap's. */
bool bl_l2cap_signal(struct bl_l2cap *l, uint64_t now, uint16_t conn, const uint8_t *data, size_t n,
                     struct bl_sig *ret);
/* A command out, at once. 0; -ENOTCONN, -ENOMEM, -ENOBUFS. */
int bl_l2cap_sig_send(struct bl_l2cap *l, uint16_t conn, const struct bl_sig *sig);
/* An identifier that no command of ours under way has; 1..255. 0: no connection, or all are in
 * use. */
uint8_t bl_l2cap_sig_id(struct bl_l2cap *l, uint16_t conn);

/* A PDU on CID 0x0040 and up: a K-frame, or of no channel (ignored: Core 5.4, Vol 3, Part A, 3). */
void bl_l2cap_pdu(struct bl_l2cap *l, uint64_t now, uint16_t conn, uint16_t cid,
                  const uint8_t *data, size_t n);
/* Commands and credits that are due go out. */
void bl_l2cap_step(struct bl_l2cap *l, uint64_t now);
/* Frames that may go are handed to lib/hci, before it is asked for the next packet, so that they
 * have their place among what others send, and what has waited for their end; false: nothing new is
 * with lib/hci. There may be events. Cheap when there is nothing. */
bool bl_l2cap_fill(struct bl_l2cap *l, uint64_t now);
uint64_t bl_l2cap_deadline(const struct bl_l2cap *l);
void bl_l2cap_tick(struct bl_l2cap *l, uint64_t now);
bool bl_l2cap_count(const struct bl_l2cap *l, size_t index, const char **ret_name,
                    uint64_t *ret_value);

/* The commands of host_l2cap.h, behind its checks of the host's state. */
int bl_l2cap_do_listen(struct bl_l2cap *l, const struct bl_l2cap_listen *params);
int bl_l2cap_do_unlisten(struct bl_l2cap *l, uint64_t now, uint16_t psm);
int bl_l2cap_do_reply(struct bl_l2cap *l, uint64_t now, uint32_t request, uint16_t result);
int bl_l2cap_do_connect(struct bl_l2cap *l, uint64_t now, uint16_t conn,
                        const struct bl_l2cap_connect *params, bl_op *op);
int bl_l2cap_do_reconfigure(struct bl_l2cap *l, uint64_t now, uint16_t conn, const uint16_t *cids,
                            size_t n, uint16_t mtu, uint16_t mps, bl_op *op);
int bl_l2cap_do_disconnect(struct bl_l2cap *l, uint64_t now, uint16_t conn, uint16_t cid,
                           bl_op *op);
/* Data, by channel: NULL where there is none (*ret_error: -ENOTCONN or -ENOENT, may be NULL). */
struct l2cap_channel;
struct l2cap_channel *bl_l2cap_channel(const struct bl_l2cap *l, uint16_t conn, uint16_t cid,
                                       int *ret_error);
/* tx.c and rx.c: as the functions of the facade. */
int bl_l2cap_tx_send(struct l2cap_channel *ch, uint64_t now, const void *sdu, size_t n);
size_t bl_l2cap_tx_slots(struct l2cap_channel *ch, struct bl_l2cap_slot *ret, size_t max);
int bl_l2cap_tx_commit(struct l2cap_channel *ch, uint64_t now, const size_t *len, size_t n);
void bl_l2cap_rx_available(const struct l2cap_channel *ch, size_t *ret_bytes, size_t *ret_sdus);
bool bl_l2cap_rx_peek(const struct l2cap_channel *ch, size_t index, const uint8_t **ret_sdu,
                      size_t *ret_len);
/* The channel is gone afterwards where it had ended and nothing is left. */
int bl_l2cap_rx_consume(struct l2cap_channel *ch, uint64_t now, size_t n);
int bl_l2cap_rx_consume_sdus(struct l2cap_channel *ch, uint64_t now, size_t sdus);
void bl_l2cap_channel_info(const struct l2cap_channel *ch, struct bl_l2cap_info *ret);
