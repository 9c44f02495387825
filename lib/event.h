/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * event: what the host tells its owner, pulled by bl_host_next_event(). An event is the caller's
 * from then on, but for the bytes behind `report.data`, `reply.params`, `gatt.value` and
 * `failed.why`, which are borrowed until the next call into the host.
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
    BL_EV_MTU,                 /* an exchange of ATT_MTU has ended, whoever began it */
    BL_EV_NAME_WRITTEN,        /* a peer wrote the Device Name (gatt.value) */
    BL_EV_GATTS_WRITTEN,       /* a peer wrote gatt.value to gatt.handle, and it is stored */
    BL_EV_GATTS_READ,          /* a peer reads gatt.handle: gatt.value; gatt.request not 0: waits */
    BL_EV_GATTS_SERVED,        /* what has waited is read: gatt.value; where reads are told of */
    BL_EV_GATTS_WRITE,         /* a peer wants to write gatt.value: waits for a reply */
    BL_EV_GATTS_INDICATE_DONE, /* an indication of gatt.handle is confirmed or given up (status) */
    BL_EV_GATTS_SUBSCRIBED,    /* a peer's CCCD of gatt.handle (the value's) is gatt.bits now */
    BL_EV_GATTC_SERVICE,       /* results of procedures: gatt.op */
    BL_EV_GATTC_CHARACTERISTIC,
    BL_EV_GATTC_DESCRIPTOR,
    BL_EV_GATTC_INCLUDE,
    BL_EV_GATTC_VALUE,
    BL_EV_GATTC_NOTIFIED, /* gatt.handle, gatt.value */
    BL_EV_GATTC_INDICATED,
    BL_EV_GATTC_SERVICES_CHANGED, /* gatt.start, gatt.end */
    BL_EV_ENCRYPTED, /* a link is encrypted: a pairing has ended well, or a stored key was used */
    BL_EV_SECURITY,  /* what a link is worth is less: its bond has gone, or it is to end (encrypted)
                      */
    BL_EV_PAIRING_FAILED,     /* a pairing, or encryption with a stored key */
    BL_EV_PASSKEY,            /* a person is to act: bl_passkey() answers */
    BL_EV_KEYPRESS,           /* the peer's Keypress Notification */
    BL_EV_BOND,               /* a bond is new, has changed or has gone: to be stored */
    BL_EV_IDENTITY,           /* who a connection's peer is: it has told, or its bond says so */
    BL_EV_L2CAP_ACCEPT,       /* a peer opens a channel; l2cap.request not 0: waits for a reply */
    BL_EV_L2CAP_CONNECTED,    /* a channel is open, whoever asked for it */
    BL_EV_L2CAP_DISCONNECTED, /* a channel has ended, or (cid 0) was refused: l2cap.status */
    BL_EV_L2CAP_RECEIVED,     /* an SDU waits to be read: one event each */
    BL_EV_L2CAP_SEND_READY,   /* what was sent has left; l2cap.status not 0: it was lost */
    BL_EV_L2CAP_RECONFIGURED, /* MTUs have changed, whoever asked for it */
    BL_EV_KINDS,
};

struct bl_value {
    const uint8_t *data;
    size_t len;
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
                } params;     /* update_parameters */
                uint16_t mtu; /* exchange_mtu */
                struct {
                    bool encrypted, authenticated, bonded, secure_connections;
                    uint8_t key_size;
                } security; /* pair */
                struct {
                    uint16_t cid, our_mtu, peer_mtu;
                } l2cap; /* l2cap_connect */
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
        struct {
            uint16_t conn, mtu;
        } mtu;
        struct { /* GATTS, GATTC and NAME_WRITTEN: what each has is said above and below */
            uint16_t conn;
            uint16_t handle;       /* SERVICE: 0; CHARACTERISTIC, INCLUDE: of the declaration */
            uint16_t start;        /* SERVICE, INCLUDE: of the (included) service */
            uint16_t end;          /* the same, and of the characteristic: its last handle */
            uint16_t value_handle; /* CHARACTERISTIC */
            uint8_t properties;    /* CHARACTERISTIC */
            uint8_t bits;          /* SUBSCRIBED */
            bl_status status;      /* INDICATE_DONE */
            bl_op op;              /* GATTC results: of the procedure */
            uint32_t request;      /* GATTS_READ, GATTS_WRITE: for bl_gatts_reply() */
            struct bl_uuid uuid;   /* SERVICE, CHARACTERISTIC, DESCRIPTOR, INCLUDE */
            struct bl_value value; /* borrowed until the next call into the host */
        } gatt;
        struct {
            uint16_t conn;
            bool encrypted, authenticated, bonded, secure_connections;
            uint8_t key_size;
        } encrypted;
        struct {
            uint16_t conn;
            bl_status status; /* 0x200 + reason, 0x100 + HCI error, BL_TIMEOUT */
        } pairing_failed;
        struct {
            uint16_t conn;
            uint8_t action;   /* enum bl_passkey_action */
            uint32_t passkey; /* COMPARE: the six digits, else 0 */
        } passkey;
        struct {
            uint16_t conn;
            uint8_t type;
        } keypress;
        struct {
            struct bl_addr identity;
            bool added;   /* there was none before */
            bool removed; /* else bl_bond_get() gives it */
        } bond;
        struct {
            uint16_t conn;
            struct bl_addr identity;
        } identity;
        struct { /* L2CAP_*: what each has is said in host_l2cap.h */
            uint16_t conn;
            uint16_t cid;               /* ours; 0: a channel that we asked for was refused */
            uint16_t psm;               /* the SPSM */
            uint16_t our_mtu, peer_mtu; /* ACCEPT, CONNECTED, RECONFIGURED */
            bl_status status;           /* DISCONNECTED: 0 closed by either side, 0x100 + reason,
                                         * 0x300 + result, BL_PROTOCOL, ...; SEND_READY */
            bool incoming;              /* CONNECTED: the peer asked for it */
            uint32_t request;           /* ACCEPT: for bl_l2cap_reply(); 0: it is accepted */
            bl_op op; /* CONNECTED, DISCONNECTED with cid 0, RECONFIGURED: ours that led to it */
        } l2cap;
    };
};
