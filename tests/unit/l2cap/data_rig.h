/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * data_rig: channels on the real lib/hci, whose controller is the test, with stand-ins for the rest
 * of lib/l2cap. What leaves is joined as a strict peer would: each frame needs a credit that it was
 * given, is of the peer's whole MPS but for an SDU's last one, and SDUs are the ones that were
 * sent, in order.
 */

#include "../hci/controller.h"
#include "oom.h"

#include "l2cap/internal.h"

#include <check.h>

/* An assertion for what is asked millions of times: Check writes to a file for each of its own. */
#define rig_must(what)                                                                             \
    do {                                                                                           \
        if (!(what))                                                                               \
            ck_abort_msg("%s", #what);                                                             \
    } while (0)

enum { RIG_LINKS = 2, RIG_LOG = 4096 };

struct rig_peer {  /* of one channel */
    uint8_t *sdu;  /* being joined */
    size_t length; /* it is to have so many octets */
    size_t have;
    bool open;
    unsigned sent, received; /* SDUs: the number of the next one */
    unsigned credits;        /* that it has given and we have not used */
    unsigned frames;         /* that have come */
};

struct rig {
    struct ctl *ctl;
    struct bl_evq events;
    struct bl_l2cap l;
    struct bl_l2cap_conn c[RIG_LINKS];
    struct rig_peer peer[RIG_LINKS][BL_MAX_CHANNELS];

    uint8_t *pdu[RIG_LINKS]; /* being joined */
    size_t pdu_len[RIG_LINKS];
    unsigned in_flight[RIG_LINKS]; /* ACL packets that the controller has not completed */
    uint16_t log[RIG_LOG];         /* CIDs of PDUs in the order in which they left */
    size_t n_log;
    bool unchecked; /* frames that no credit was counted for, and SDUs of any content */

    struct bl_sig sig[64]; /* commands */
    unsigned n_sig;
    bool deny;        /* no command finds room */
    bool crowd;       /* no frame does: whenever one might, lib/hci's queue is full */
    unsigned drained; /* SEND_READY that were due */
    unsigned emptied; /* l2cap_channel_drained(), for that or another reason */
    unsigned freed;
};

/* A controller with `num` buffers of `len` octets, and RIG_LINKS connections on it. */
struct rig *rig_new(uint16_t len, uint8_t num);
void rig_free(struct rig *r);

/* Both sides have this MTU and MPS; the window holds `sdus` of our MTU. */
struct l2cap_channel *rig_open(struct rig *r, unsigned link, uint16_t mtu, uint16_t mps,
                               unsigned sdus);
void rig_close(struct l2cap_channel *ch);
/* The rig that a channel is of, and its peer. */
struct rig *rig_of(const struct l2cap_channel *ch);
struct rig_peer *rig_peer(const struct l2cap_channel *ch);

/* The content of the channel's SDU of that number. */
void rig_fill(const struct l2cap_channel *ch, unsigned number, uint8_t *sdu, size_t n);
/* The next SDU, of n octets; bl_l2cap_tx_send()'s answer. */
int rig_send(struct l2cap_channel *ch, size_t n);
void rig_credits(struct l2cap_channel *ch, uint16_t n);
/* A PDU of ATT. */
int rig_att(struct rig *r, unsigned link, size_t n);
/* One packet out, as bl_host_next_tx() would take it; false: none may go. */
bool rig_step(struct rig *r);
/* The controller has sent n packets of a link. */
void rig_complete(struct rig *r, unsigned link, unsigned n);
/* All that can go. */
void rig_run(struct rig *r);
