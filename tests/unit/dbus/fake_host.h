/* SPDX-License-Identifier: MIT */
#pragma once

/* fake_host: a struct bl_host that does nothing but number the commands it is given. The part of
 * GATT (fake_gatt.c) keeps what it was given last, too. */

#include "host.h"

enum { FAKE_HANDLES = 64, FAKE_VALUE = 512, FAKE_LOG = 128, FAKE_SERVICES = 2048 };

struct fake_command {
    const char *what;
    uint16_t conn, handle;
    uint16_t n;    /* octets of its value */
    uint8_t first; /* the first of them, 0 where there is none; of a subscription: the bits */
    bl_op op;
};

struct fake_gatt {
    int result;        /* of commands: 0: a new operation; 1: done at once; else -errno */
    unsigned commands; /* that were taken */
    const char *last;  /* the name of the last one */
    uint16_t conn, handle;
    uint8_t bits;       /* of the last subscription */
    bl_op canceled;     /* the last operation that was to be */
    bool was_read;      /* whatever is asked for next */
    bool reads, writes; /* of the last set_authorization; reads: of set_read_events too */
    uint8_t error;      /* of the last reply, as request */
    uint32_t request;
    bool has_value;
    bool append;                                   /* of the last set_buffer */
    struct bl_gatts_characteristic characteristic; /* the last one added; its pointers are void */
    unsigned adds, refuse_add;         /* services added; the how manieth is refused, 0: none... */
    int refusal;                       /* ...with this */
    struct fake_command log[FAKE_LOG]; /* the first ones that were taken */
    size_t n_log;
    uint8_t value[FAKE_VALUE];
    size_t n;
    uint16_t mtu;         /* of every connection; 0: 23 */
    uint16_t next_handle; /* of services: they follow each other */
    struct {
        uint16_t start, end; /* 0: none */
    } services[FAKE_SERVICES];
    uint16_t on_the_air; /* an indication of this handle, to connection 1, until it is given up */
    uint32_t subscribed; /* bit n: connection n has subscribed to everything */
    struct {
        uint8_t data[FAKE_VALUE];
        uint16_t len;
        bool exists;
    } values[FAKE_HANDLES]; /* of local attributes, by handle */
};

enum { FAKE_BONDS = 8 };

struct fake_smp {
    int result; /* of commands: 0, or -errno */
    unsigned pairs, answers, refusals, clears;
    uint16_t conn; /* of the last command */
    struct bl_pair_params params;
    enum bl_passkey_action action;
    uint32_t passkey;
    uint8_t keypress; /* the last one */
    struct bl_addr oob_peer;
    unsigned oob; /* 1 tk, 2 r, 4 c: what was given last */
    struct bl_bond bonds[FAKE_BONDS];
    size_t n_bonds;
    struct bl_security security; /* of every connection */
};

enum { FAKE_CHANNELS = 16, FAKE_SDUS = 256 };

/* A channel as the stack has it: what was sent is counted and summed up, what is to be read is the
 * test's to put there (fake_l2cap_put). */
struct fake_channel {
    bool there, enhanced;
    bool disconnecting; /* it was asked to be */
    bool busy;          /* until SEND_READY, which is the test's */
    uint16_t conn, cid, peer_mtu;
    unsigned room; /* SDUs that are taken before it is busy */
    size_t frames; /* of these that have not left */
    unsigned sent;
    size_t sent_octets, last;
    uint32_t sum; /* of lengths and octets, in order: fake_l2cap_sum() */
    struct {
        const uint8_t *p;
        size_t n;
    } rx[FAKE_SDUS];
    size_t n_rx;
};

struct fake_l2cap {
    int result;     /* of commands: 0, or -errno */
    bool no_memory; /* slots are refused */
    unsigned listens, unlistens, connects, disconnects, reconfigures, replies, commits;
    struct bl_l2cap_listen listen;   /* the last one */
    struct bl_l2cap_connect connect; /* the last one */
    uint32_t request;                /* of the last reply */
    uint16_t reply, mtu, mps;        /* of the last reply, reconfiguration */
    struct {
        uint32_t request;
        uint16_t result;
    } answers[FAKE_CHANNELS]; /* replies since n_answers was 0 */
    size_t n_answers;
    bool listening[BL_L2CAP_SPSM_MAX + 1];
    struct fake_channel channels[FAKE_CHANNELS];
};

struct bl_host {
    struct fake_l2cap l2cap;
    struct fake_gatt gatt;
    struct fake_smp smp;
    bool linked; /* bl_conn_info() knows every connection (and says nothing of it) */
    bl_op last_op;
    int result; /* what commands return; 0: a new operation */
    bl_op shutdown_op, hci_op;
    uint16_t hci_opcode;
    uint16_t last_adv;
    unsigned adv_stops, scan_stops, disconnects;
    struct bl_config config;
    struct bl_controller_info info;
};

/* A channel that is there; the events are the test's. */
struct fake_channel *fake_l2cap_open(struct bl_host *host, uint16_t conn, uint16_t cid,
                                     uint16_t peer_mtu);
struct fake_channel *fake_l2cap_find(struct bl_host *host, uint16_t conn, uint16_t cid);
/* An SDU to be read; borrowed. */
void fake_l2cap_put(struct fake_channel *ch, const uint8_t *sdu, size_t n);
uint32_t fake_l2cap_sum(uint32_t sum, const uint8_t *sdu, size_t n);
