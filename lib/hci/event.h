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

#include "base/rd.h"
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

enum bl_hci_parse {
    BL_HCI_PARSE_OK = 0,
    BL_HCI_PARSE_UNKNOWN, /* no row */
    BL_HCI_PARSE_BAD,     /* does not fit its row */
};

struct bl_hci_event_row;

/* What one event packet holds: advertising reports come several in one, all else is one. */
struct bl_hci_events {
    const struct bl_hci_event_row *row;
    struct rd rd;
    unsigned left;
};

/*
 * One event packet: its code and parameters (an LE Meta event's subevent is their first octet),
 * borrowed until the last of *it is taken. UNKNOWN, BAD: nothing is in it.
 */
enum bl_hci_parse bl_hci_events_begin(struct bl_hci_events *it, uint8_t code, const uint8_t *params,
                                      size_t n);
/* While it->left is not 0: the next one into *ret, which on BAD is zero; the rest is then lost. */
enum bl_hci_parse bl_hci_events_next(struct bl_hci_events *it, struct bl_hci_event *ret);

/* The rows, for tests: false past the last. subevent is 0 for a plain event; sizes are of the
 * parameters after the subevent. */
bool bl_hci_event_row(size_t index, uint8_t *ret_code, uint8_t *ret_subevent, uint8_t *ret_min,
                      uint8_t *ret_max);
