/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * event: what the host tells its owner, pulled by bl_host_next_event(). An event is the caller's
 * from then on, but for the bytes behind `report.data`, `reply.params` and `failed.why`, which are
 * borrowed until the next call into the host.
 */

#include "report.h"
#include "types.h"

enum bl_event_kind {
    BL_EV_OP_DONE,         /* a command has ended */
    BL_EV_READY,           /* bring-up done: the controller may be used */
    BL_EV_FAILED,          /* the controller died; everything has ended, events for it came first */
    BL_EV_ADDRESS_CHANGED, /* the address on the air (own.addr) is another one */
    BL_EV_ADV_STOPPED,     /* an advertisement ended */
    BL_EV_REPORT,          /* an advertising report */
    BL_EV_SCAN_DONE,       /* a scan ended */
    BL_EV_CONNECTED,       /* a connection is up, in either role */
    BL_EV_ATTEMPT_ENDED,   /* a connection attempt ended without a connection */
    BL_EV_CONN_UPDATED,    /* connection parameters changed, or a change failed */
    BL_EV_PHY_UPDATED,
    BL_EV_DATA_LENGTH,
    BL_EV_DISCONNECTED,
};

struct bl_event {
    enum bl_event_kind kind;
    union {
        struct {
            bl_op op;
            bl_status status;
            union {
                uint16_t conn;      /* connect */
                uint16_t adv;       /* advertise */
                uint16_t scan;      /* scan */
                int8_t rssi;        /* read_rssi */
                bool was_connected; /* disconnect */
                struct {
                    uint16_t interval, latency, timeout;
                } params; /* update_parameters */
                struct {
                    uint8_t tx, rx;
                } phy; /* set_phy */
                struct {
                    const uint8_t *params;
                    size_t len;
                    uint8_t status;
                } reply; /* hci_command */
            };
        } done;
        struct {
            const char *why;
        } failed;
        struct {
            struct bl_addr addr;
        } address;
        struct {
            uint16_t adv;
            bl_status status;
        } adv_stopped;
        struct bl_report report;
        struct {
            uint16_t scan;
            bl_status status;
        } scan_done;
        struct {
            uint16_t conn;    /* the host's own number, not the controller's handle */
            uint16_t attempt; /* central: the attempt it came from, else 0 */
            uint16_t adv;     /* peripheral: the advertisement it came through, 0 if unknown */
            enum bl_role role;
            struct bl_addr peer; /* identity where known, else as on the air */
        } connected;
        struct {
            uint16_t attempt;
            struct bl_addr peer;
            bl_status status; /* BL_CANCELED, BL_TIMEOUT, BL_NOT_ACTIVE or 0x100 + HCI error */
        } attempt_ended;
        struct {
            uint16_t conn, interval, latency, timeout;
            bl_status status;
        } conn_updated;
        struct {
            uint16_t conn;
            uint8_t tx, rx;
            bl_status status;
        } phy_updated;
        struct {
            uint16_t conn, tx_octets, rx_octets;
        } data_length;
        struct {
            uint16_t conn;
            enum bl_role role;
            struct bl_addr peer;
            uint8_t reason; /* HCI */
        } disconnected;
    };
};
