/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * links: the connections of a controller, in both roles, from Connection Complete to the end.
 *
 * Numbers. `conn` is ours: from 1, one after the other for the life of this object, also across
 * bl_links_reset(); 0 and 0xffff never; none again before all others. It is given when the
 * connection is announced (BL_EV_CONNECTED), so that what nobody saw takes no number.
 *
 * When a connection is announced. As central: at its first sign of life (an LL answer, an event
 * about it or a PDU), or when the controller would have given up on it (6 intervals, and some);
 * one lost before that is never seen, and goes back to the connector (BL_LINKS_LOST). As
 * peripheral: when the advertisement that it came through is known, at the first PDU or event, or
 * after 100 ms. A central link of attempt 0 is nobody's: it is dropped and never seen. Before its
 * announcement no function below knows a link, but for those that take its handle.
 *
 * Operations. At most one of each kind a connection (-EBUSY), each bounded by a timer, each ended
 * by the end of the connection with 0x100 + reason, before BL_EV_DISCONNECTED; the op of a
 * disconnect ends after it, with BL_OK. Events of a change come before the op's end.
 *
 * Channels, attributes and security. bl_l2cap_open(), bl_gatt_open() and bl_smp_open() follow
 * BL_EV_CONNECTED (a connection that there is no memory for is disconnected); bl_smp_close(),
 * bl_gatt_close() and bl_l2cap_close() come before BL_EV_DISCONNECTED, with 0x100 and the reason.
 *
 * The end. A connection whose disconnection the controller does not report within the command
 * timeout, its supervision timeout and a second is taken as ended with reason 0x08.
 *
 * What others have to know of is told by bl_links_pop_news(), to be called until it is false after
 * every input, tick and command.
 */

#include "base/timerq.h"
#include "gap/conn_params.h"
#include "gap/radio.h"
#include "gatt/gatt.h"
#include "l2cap/l2cap.h"
#include "smp/smp.h"

#define BL_LINKS_ADV_WAIT_US  100000u   /* for the advertisement's end */
#define BL_LINKS_LL_US        42000000u /* LL procedures: 40 s (Core 5.4, Vol 6, Part B, 5.2) */
#define BL_LINKS_SIGNAL_US    30000000u /* an answer on the signalling channel, and its effect */
#define BL_LINKS_END_EXTRA_US 1000000u
#define BL_LINKS_ORPHANS      16
#define BL_LINKS_NEWS         (4 * BL_MAX_LINKS)

enum bl_links_news_kind {
    BL_LINKS_ESTABLISHED, /* announced: conn, attempt or adv */
    BL_LINKS_LOST,        /* of an attempt, never announced: attempt, peer, reason */
    BL_LINKS_GONE, /* BL_EV_DISCONNECTED has been pushed: conn, attempt or adv, peer, reason; or,
                    * conn 0, one of advertisement `adv` has gone unseen */
};

struct bl_links_news {
    enum bl_links_news_kind kind;
    enum bl_role role;
    uint16_t conn;
    uint16_t attempt;    /* central, else 0 */
    uint16_t adv;        /* peripheral; 0 where unknown */
    struct bl_addr peer; /* as in the events */
    uint8_t reason;
};

struct bl_privacy;
struct bl_link;

struct bl_links {
    struct bl_radio *radio;
    struct bl_privacy *privacy;
    struct bl_l2cap *l2cap;
    struct bl_gatt *gatt;
    struct bl_smp *smp;
    struct bl_link *table[BL_MAX_LINKS]; /* the first `count`, oldest first */
    unsigned count;
    uint16_t last_conn;
    uint32_t last_serial;
    struct timerq timers;
    uint64_t blocked_until; /* the command queue was full: try again */

    struct bl_links_news news[BL_LINKS_NEWS];
    unsigned news_head, n_news;
    uint16_t orphans[BL_LINKS_ORPHANS]; /* handles to disconnect that have no entry */
    unsigned n_orphans;

    uint64_t opened, closed, forced, refused;
};

/* All borrowed. 0. */
int bl_links_init(struct bl_links *l, struct bl_radio *radio, struct bl_privacy *privacy,
                  struct bl_l2cap *l2cap, struct bl_gatt *gatt, struct bl_smp *smp);
void bl_links_deinit(struct bl_links *l);

/*
 * A successful Connection Complete. Central: `attempt` as bl_connector_complete() gave it, adv 0
 * and adv_unknown false. Peripheral: attempt 0; adv 0 where unknown for good, adv_unknown where an
 * event that tells is expected. own: our address in it, zero where not known (yet). Where there is
 * no room or memory for it, it is disconnected (and its attempt is lost with reason 0x09).
 */
void bl_links_add(struct bl_links *l, uint64_t now, const struct bl_hci_event *e,
                  const struct bl_addr *own, uint16_t attempt, uint16_t adv, bool adv_unknown);
void bl_links_adv_known(struct bl_links *l, uint64_t now, uint16_t handle,
                        const struct bl_addr *own, uint16_t adv);
/* Its peer has told who it is. */
void bl_links_identified(struct bl_links *l, uint16_t conn, const struct bl_addr *identity);
/* A link of this attempt that is not announced yet is dropped and never seen. */
void bl_links_abandon(struct bl_links *l, uint64_t now, uint16_t attempt);
bool bl_links_pop_news(struct bl_links *l, struct bl_links_news *ret);

/* Any event about a link but Connection Complete; of other kinds, or of no link: nothing. */
void bl_links_event(struct bl_links *l, uint64_t now, const struct bl_hci_event *e);
/* A PDU has come: a sign of life. Its connection, or 0: drop it. To be called for every PDU. */
uint16_t bl_links_pdu(struct bl_links *l, uint64_t now, uint16_t handle);
/* What bl_l2cap_signal() has handed on: Connection Parameter Update, and rejects of ours. */
void bl_links_signal(struct bl_links *l, uint64_t now, uint16_t conn, const struct bl_sig *sig);

/* As host.h says; -ENOTCONN, -EINVAL, -EOPNOTSUPP, -EBUSY, -ENOMEM.
 * disconnect: reason 0 is 0x13; else one that HCI allows (Core 5.4, Vol 4, Part E, 7.1.6).
 * update: what is left out stays as it is; refused by the peer: 0x100 + 0x3B, also by L2CAP.
 * read_rssi: 127 is "not available". set_phy: 0 is no preference. set_data_length: 27..251; ends
 * when the controller has taken it, BL_EV_DATA_LENGTH comes when the air has changed. */
int bl_links_disconnect(struct bl_links *l, uint64_t now, uint16_t conn, uint8_t reason, bl_op *op);
int bl_links_update(struct bl_links *l, uint64_t now, uint16_t conn,
                    const struct bl_conn_params *params, bl_op *op);
int bl_links_read_rssi(struct bl_links *l, uint64_t now, uint16_t conn, bl_op *op);
int bl_links_set_phy(struct bl_links *l, uint64_t now, uint16_t conn, uint8_t tx_phys,
                     uint8_t rx_phys, bl_op *op);
int bl_links_set_data_length(struct bl_links *l, uint64_t now, uint16_t conn, uint16_t octets,
                             bl_op *op);

/* Lookups, of announced links. */
uint16_t bl_links_by_handle(const struct bl_links *l, uint16_t handle); /* 0: none */
bool bl_links_handle(const struct bl_links *l, uint16_t conn, uint16_t *ret_handle);
uint16_t bl_links_find(const struct bl_links *l, const struct bl_addr *peer); /* 0: none */
int bl_links_info(const struct bl_links *l, uint16_t conn, struct bl_conn_info *ret);
/* The announced connection after `conn` in the table (0: the first); 0 at the end. */
uint16_t bl_links_next(const struct bl_links *l, uint16_t conn);

void bl_links_reply(struct bl_links *l, uint64_t now, const struct bl_hci_reply *reply);
uint64_t bl_links_deadline(const struct bl_links *l); /* TIMERQ_NEVER: none */
void bl_links_tick(struct bl_links *l, uint64_t now);
/* The controller is gone: ops end with status, connections with its HCI error where it is one,
 * else with 0x16. Numbers go on. Links never announced vanish; their attempts are the connector's
 * to end. */
void bl_links_reset(struct bl_links *l, uint64_t now, bl_status status);

/* Shutdown: every link is disconnected, with the events of any disconnection. */
void bl_links_disconnect_all(struct bl_links *l, uint64_t now, uint8_t reason);
/* Links that the controller has, announced or not: 0 when all have gone. */
unsigned bl_links_count(const struct bl_links *l);
bool bl_links_counter(const struct bl_links *l, size_t index, const char **ret_name,
                      uint64_t *ret_value);
