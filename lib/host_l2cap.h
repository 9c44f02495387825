/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * host_l2cap: the L2CAP part of the facade: connection-oriented channels in the LE credit based and
 * the enhanced credit based flow control mode (Core 5.4, Vol 3, Part A, 3.4, 4.22 to 4.28, 10).
 * Rules, errors and events as in host.h, which includes this file. Further:
 *
 *   -ENOENT   no such channel on that connection, no such listener or request
 *   -EEXIST   somebody listens on that SPSM already
 *
 * A channel is named by its connection and our CID (0x0040..0x007f); numbers are given in turn, so
 * that one that has ended is not soon another's. SDUs are 0..MTU octets, MTU 23 (enhanced: 64) to
 * 65535. Both ways are bounded: towards the peer by bl_l2cap_send()'s answer, from the peer by the
 * credits it is given, which come back as SDUs are consumed.
 *
 * The order of a channel's events: ACCEPT (incoming), CONNECTED, then RECEIVED and SEND_READY,
 * RECONFIGURED, then DISCONNECTED, always before the connection's. What a peer had sent before the
 * channel ended can still be read (bl_l2cap_peek) until it has been, or the connection has ended;
 * its CID is in use until then. An incoming channel that does not come to CONNECTED (refused, its
 * listener gone, the link gone) has no event after ACCEPT.
 */

#include "event.h"
#include "types.h"

struct bl_host;

enum { /* bounds; see also bounds.h */
       BL_L2CAP_MTU_MIN = 23,
       BL_L2CAP_MTU_MIN_ENHANCED = 64,
       BL_L2CAP_SPSM_MAX = 0xff, /* 0x01..0x7f are the SIG's, 0x80..0xff dynamic: 4.22 */
       BL_L2CAP_AT_ONCE = 5,     /* channels in one enhanced request: 4.25 */
       BL_L2CAP_SLOTS = 8,
};

enum bl_l2cap_result { /* Core 5.4, Vol 3, Part A, 4.23 and 4.26; status is 0x300 + it */
                       BL_L2CAP_SUCCESS = 0x0000,
                       BL_L2CAP_SPSM_NOT_SUPPORTED = 0x0002,
                       BL_L2CAP_NO_RESOURCES = 0x0004,
                       BL_L2CAP_INSUFFICIENT_AUTHENTICATION = 0x0005,
                       BL_L2CAP_INSUFFICIENT_AUTHORIZATION = 0x0006,
                       BL_L2CAP_KEY_SIZE_TOO_SHORT = 0x0007,
                       BL_L2CAP_INSUFFICIENT_ENCRYPTION = 0x0008,
                       BL_L2CAP_INVALID_SOURCE_CID = 0x0009,
                       BL_L2CAP_SOURCE_CID_TAKEN = 0x000a,
                       BL_L2CAP_UNACCEPTABLE_PARAMETERS = 0x000b,
                       BL_L2CAP_INVALID_PARAMETERS = 0x000c,
};

/* ---- listening ---- */

struct bl_l2cap_listen {
    uint16_t psm;     /* the SPSM, 0x01..0xff */
    uint16_t mtu;     /* ours, for its channels: 23..65535 */
    uint8_t security; /* enum bl_security_level: what the link must offer; 0 is NONE */
    bool authorize;   /* each channel waits for bl_l2cap_reply() */
};

/* Channels of both modes are accepted (an enhanced one is refused with Unacceptable Parameters
 * where mtu is below 64). 0; -EINVAL, -EEXIST, -ENETDOWN, -ENOMEM. */
int bl_l2cap_listen(struct bl_host *host, const struct bl_l2cap_listen *params);
/* Channels that exist stay. Requests of it that wait for an answer are refused as if nobody had
 * listened; no event says so. -ENOENT. */
int bl_l2cap_unlisten(struct bl_host *host, uint64_t now, uint16_t psm);
/* Answers BL_EV_L2CAP_ACCEPT by its request number: 0 or an enum bl_l2cap_result. -ENOENT: no such
 * request (any more), -EINVAL: no result that a refusal can have (INVALID_PARAMETERS
 * only that of an enhanced channel). */
int bl_l2cap_reply(struct bl_host *host, uint64_t now, uint32_t request, uint16_t result);

/* ---- connecting ---- */

struct bl_l2cap_connect {
    uint16_t psm;  /* 0x01..0xff */
    uint16_t mtu;  /* ours: 23..65535, enhanced 64..65535 */
    bool enhanced; /* in the enhanced mode */
    uint8_t count; /* channels: 1, enhanced 1..5; 0 is 1 */
};

/* *op ends when the peer has answered, after a BL_EV_L2CAP_CONNECTED for each channel that it took
 * and a BL_EV_L2CAP_DISCONNECTED with cid 0 for each that did not come about: with BL_OK and
 * done.l2cap of the first one where it took any, else, as those events, with 0x300 + its result;
 * BL_TIMEOUT after 30 s (5 minutes at most where it says that it asks somebody); BL_NOT_SUPPORTED
 * where it does not know the request (Command Reject); BL_PROTOCOL where it answers nonsense; 0x100
 * + reason where the link ends. -ENOBUFS: no CIDs or room left (see bounds.h). */
int bl_l2cap_connect(struct bl_host *host, uint64_t now, uint16_t conn,
                     const struct bl_l2cap_connect *params, bl_op *op);
/* Another MTU (not smaller), another MPS (0: as it is) for channels of the enhanced mode, 1..5 of
 * one connection: Core 5.4, Vol 3, Part A, 4.27. *op ends with BL_OK after a
 * BL_EV_L2CAP_RECONFIGURED each, or with 0x300 + 0, BL_TIMEOUT, ... as above; a refusal's result is
 * in the table of 4.28 and none of enum bl_l2cap_result: the op ends with BL_NOT_SUPPORTED then.
 * -EINVAL also for channels of the other mode. */
int bl_l2cap_reconfigure(struct bl_host *host, uint64_t now, uint16_t conn, const uint16_t *cids,
                         size_t n, uint16_t mtu, uint16_t mps, bl_op *op);
/* What was taken for sending goes first, as long as the peer takes it (5 s without progress end
 * that), then the Disconnection Request. *op (op may be NULL) ends after BL_EV_L2CAP_DISCONNECTED
 * (status 0). -ENOENT also for one that is being disconnected by a call before, -ENOTCONN. The op
 * ends with 0x100 + reason where the link does, else with BL_OK. */
int bl_l2cap_disconnect(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t cid, bl_op *op);

/* ---- data ---- */

/* 1: taken, another may follow at once. 0: taken, but the peer's credits or the room here are at an
 * end: BL_EV_L2CAP_SEND_READY comes when all has left for the controller, and until then -EBUSY.
 * -EMSGSIZE (over peer_mtu), -ENOENT, -ENOTCONN, -ENOMEM. */
int bl_l2cap_send(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t cid, const void *sdu,
                  size_t n);

/* The same without a copy: places to write the next SDUs to (from a socket), then how long each
 * is. */
struct bl_l2cap_slot {
    uint8_t *data; /* the channel's, until the next call about it */
    size_t size;   /* its peer_mtu */
};
/* How many of ret[] (max, at most BL_L2CAP_SLOTS) there are: 0 while bl_l2cap_send() says -EBUSY,
 * where there is no such channel or no memory. More than one where SDUs are short: together about
 * 64 KiB. */
size_t bl_l2cap_slots(struct bl_host *host, uint16_t conn, uint16_t cid, struct bl_l2cap_slot *ret,
                      size_t max);
/* The first n of them, in order, hold len[i] octets and are to be sent. 1 or 0 as bl_l2cap_send()
 * of the last one; all are taken. -ENOENT, -ENOTCONN, -EINVAL (more than there were, or too long).
 */
int bl_l2cap_commit(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t cid,
                    const size_t *len, size_t n);

/* What waits to be read: octets in all, and SDUs (an SDU may be empty). 0 or -ENOENT, -ENOTCONN. */
int bl_l2cap_available(const struct bl_host *host, uint16_t conn, uint16_t cid, size_t *ret_bytes,
                       size_t *ret_sdus);
/* What is left of the index-th SDU that waits, borrowed until the next call into the host. False:
 * there is none. */
bool bl_l2cap_peek(const struct bl_host *host, uint16_t conn, uint16_t cid, size_t index,
                   const uint8_t **ret_sdu, size_t *ret_len);
/* Takes n octets of the first SDU; it is gone with its last one. n may be 0 for an empty SDU, which
 * is gone then. Credits go back to the peer as room comes about. -EINVAL: more than is left of it;
 * -ENOENT: none. */
int bl_l2cap_consume(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t cid, size_t n);
/* The next `sdus` whole ones (the first one perhaps in part), at once. -EINVAL: so many there are
 * not. */
int bl_l2cap_consume_sdus(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t cid,
                          size_t sdus);

struct bl_l2cap_info {
    uint16_t psm, peer_cid, our_mtu, peer_mtu, our_mps, peer_mps;
    uint16_t credits;              /* that we have */
    uint16_t peer_credits;         /* that the peer has */
    size_t tx_frames;              /* that what was taken for sending still makes */
    bool enhanced, incoming, open; /* open: not being disconnected, nor ended */
    uint64_t tx_sdus, rx_sdus, tx_bytes, rx_bytes;
};
int bl_l2cap_info(const struct bl_host *host, uint16_t conn, uint16_t cid,
                  struct bl_l2cap_info *ret); /* -ENOENT, -ENOTCONN */
