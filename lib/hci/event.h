/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * event: the controller's events as structures. Each event code and subevent has one row in a
 * table (minimum, maximum, parser); what does not fit its row is counted, logged once a kind and
 * dropped. Core 5.4, Vol 4, Part E, 7.7. Ranges that matter to memory safety and to the stack's
 * promises (handles to 0x0EFF, intervals, PHYs) are checked by the parser.
 *
 * Command Complete, Command Status, Number Of Completed Packets, Data Buffer Overflow and Hardware
 * Error are hci's own and do not show here.
 */

#include "report.h"
#include "types.h"

enum bl_hci_event_kind {
    BL_HCI_EV_CONNECTION_COMPLETE, /* LE, legacy or enhanced (v1, v2) */
    BL_HCI_EV_DISCONNECTION_COMPLETE,
    BL_HCI_EV_CONNECTION_UPDATE,
    BL_HCI_EV_PARAM_REQUEST,
    BL_HCI_EV_REMOTE_FEATURES,
    BL_HCI_EV_REMOTE_VERSION,
    BL_HCI_EV_LTK_REQUEST,
    BL_HCI_EV_ENCRYPTION_CHANGE, /* v1, v2 */
    BL_HCI_EV_KEY_REFRESH,
    BL_HCI_EV_DATA_LENGTH,
    BL_HCI_EV_PHY_UPDATE,
    BL_HCI_EV_REPORT, /* one advertising report: legacy, directed or extended */
    BL_HCI_EV_SCAN_TIMEOUT,
    BL_HCI_EV_ADV_TERMINATED,
    BL_HCI_EV_CHANNEL_SELECTION,
    BL_HCI_EV_KINDS,
};

/* Data status of an extended report: Core 5.4, Vol 4, Part E, 7.7.65.13. */
enum bl_hci_data_status {
    BL_HCI_DATA_COMPLETE = 0,
    BL_HCI_DATA_MORE = 1,
    BL_HCI_DATA_TRUNCATED = 2,
};

struct bl_hci_event {
    enum bl_hci_event_kind kind;
    uint8_t status;  /* where the event has one, else 0 */
    uint16_t handle; /* where the event has one */
    union {
        struct {
            enum bl_role role;
            struct bl_addr peer;               /* type 0 or 1: identity where `resolved` */
            bool resolved;                     /* HCI address type 2 or 3 */
            uint8_t local_rpa[6], peer_rpa[6]; /* zero where not given */
            uint16_t interval, latency, timeout;
        } connection;
        struct {
            uint8_t reason;
        } disconnection;
        struct {
            uint16_t interval, latency, timeout;
        } update;
        struct {
            uint16_t interval_min, interval_max, latency, timeout;
        } param_request;
        struct {
            uint64_t features;
        } features;
        struct {
            uint8_t version;
            uint16_t manufacturer, subversion;
        } version;
        struct {
            uint8_t rand[8];
            uint16_t ediv;
        } ltk;
        struct {
            uint8_t enabled;  /* 0 off, 1 AES-CCM, 2 */
            uint8_t key_size; /* v2, else 0 */
        } encryption;
        struct {
            uint16_t tx_octets, tx_time, rx_octets, rx_time;
        } data_length;
        struct {
            uint8_t tx, rx;
        } phy;
        struct {
            struct bl_report report; /* data borrowed from the packet; scans, time not set */
            bool resolved;           /* the address is an identity the controller resolved */
            enum bl_hci_data_status data_status;
        } adv;
        struct {
            uint8_t set;
            uint16_t conn_handle; /* valid where status is 0 */
            uint8_t events;
        } adv_terminated;
    };
};

/* One LE meta or plain event's parameters (without code and length); for reports, `index` picks
 * the one of several, and *ret_more tells whether there is another. Positive: BL_HCI_EVENT_*. */
enum bl_hci_parse {
    BL_HCI_PARSE_OK = 0,
    BL_HCI_PARSE_UNKNOWN, /* no row */
    BL_HCI_PARSE_BAD,     /* does not fit its row */
};
