/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * hci: one controller's HCI, sans I/O: bring-up, the command queue, events as structures, ACL both
 * ways with the controller's flow control.
 *
 * Input is pulled: bl_hci_receive() takes a packet, then bl_hci_next() gives what it means until it
 * is false; the packet must stay where it is until then. bl_hci_tick() may add replies and the end
 * (BL_HCI_DEAD) to what bl_hci_next() gives. Nothing here calls upward.
 *
 * Commands are tagged with the module that sent them (owner) and a number of its own (arg), and
 * answered in exactly one BL_HCI_REPLY: the Command Complete, the Command Status (for commands
 * that are answered so: Core 5.4, Vol 4, Part E, 7.7.15), or `lost` when the controller kept silent
 * for 2 s. Commands that the controller does not claim to support are refused at once; one that
 * answers Unknown Command (0x01) is taken as unsupported from then on.
 */

#include "base/buf.h"
#include "base/rd.h"
#include "bounds.h"
#include "env.h"
#include "hci/event.h"
#include "types.h"

#define BL_HCI_COMMAND_TIMEOUT_US 2000000u
#define BL_HCI_LOST_LIMIT         3 /* commands lost in a row: the controller is dead */

enum bl_hci_owner { /* who gets the reply */
                    BL_HCI_OWNER_BRINGUP,
                    BL_HCI_OWNER_PRIVACY,
                    BL_HCI_OWNER_ADVERTISER,
                    BL_HCI_OWNER_SCANNER,
                    BL_HCI_OWNER_CONNECTOR,
                    BL_HCI_OWNER_LINKS,
                    BL_HCI_OWNER_SMP,
                    BL_HCI_OWNER_HOST,
                    BL_HCI_OWNERS,
};

struct bl_hci_reply {
    enum bl_hci_owner owner;
    uint32_t arg;
    uint16_t opcode;
    uint8_t status;   /* HCI error; 0x1f (Unspecified) where lost */
    bool lost;        /* no answer within the timeout */
    struct rd params; /* return parameters after the status; empty for Command Status */
};

enum bl_hci_kind {
    BL_HCI_READY, /* bring-up has ended well: caps is filled */
    BL_HCI_REPLY,
    BL_HCI_EVENT,
    BL_HCI_PDU,  /* a whole L2CAP PDU */
    BL_HCI_DEAD, /* hardware error, commands lost, bring-up impossible: nothing follows */
};

struct bl_hci_in {
    enum bl_hci_kind kind;
    union {
        struct bl_hci_reply reply;
        struct bl_hci_event event;
        struct {
            uint16_t handle, cid;
            const uint8_t *data; /* the information payload, borrowed until the next call */
            size_t len;
        } pdu;
        struct {
            const char *why; /* a static sentence */
        } dead;
    };
};

struct bl_hci_caps {
    uint8_t hci_version;
    uint16_t manufacturer;
    uint64_t le_features;
    uint8_t lmp_features[8];
    uint8_t commands[64];       /* as read, less what turned out to be a lie */
    struct bl_addr public_addr; /* zero: none */
    uint16_t acl_len, acl_num;
    bool acl_shared; /* the pool is shared with BR/EDR */
    uint8_t accept_list, resolving_list;
    uint16_t adv_data_max; /* 31 without extended advertising */
    uint8_t adv_sets;      /* 1 without */
    int8_t adv_tx_power;   /* of legacy advertising, dBm; 127: not known */
    uint16_t max_tx_octets, max_tx_time, max_rx_octets, max_rx_time;
    bool extended; /* extended advertising, scanning and initiating are used */
};

/* LE feature bits: Core 5.4, Vol 6, Part B, 4.6. */
enum {
    BL_LE_ENCRYPTION = 0,
    BL_LE_PARAM_REQUEST = 1,
    BL_LE_EXTENDED_REJECT = 2,
    BL_LE_PERIPHERAL_FEATURES = 3,
    BL_LE_PING = 4,
    BL_LE_DATA_LENGTH = 5,
    BL_LE_PRIVACY = 6,
    BL_LE_EXT_SCAN_FILTER = 7,
    BL_LE_2M = 8,
    BL_LE_CODED = 11,
    BL_LE_EXTENDED_ADV = 12,
    BL_LE_PERIODIC_ADV = 13,
    BL_LE_CSA2 = 14,
    BL_LE_CIS_CENTRAL = 28,
    BL_LE_CIS_PERIPHERAL = 29,
};

struct bl_hci;

/* NULL when there is no memory. env is borrowed. */
struct bl_hci *bl_hci_new(const struct bl_env *env);
struct bl_hci *bl_hci_free(struct bl_hci *hci);

/* Begins bring-up, from Reset on; forgets everything before. */
void bl_hci_start(struct bl_hci *hci, uint64_t now);
/* Forgets everything: queues, links, replies to come. */
void bl_hci_stop(struct bl_hci *hci);

/* One H4 packet; borrowed until bl_hci_next() is false. */
void bl_hci_receive(struct bl_hci *hci, uint64_t now, const uint8_t *packet, size_t n);
bool bl_hci_next(struct bl_hci *hci, uint64_t now, struct bl_hci_in *ret);
size_t bl_hci_next_tx(struct bl_hci *hci, uint64_t now, const uint8_t **bytes);
/* The packet that it gave last is not looked at any more, as otherwise its next call says. */
void bl_hci_taken(struct bl_hci *hci);
uint64_t bl_hci_deadline(const struct bl_hci *hci);
void bl_hci_tick(struct bl_hci *hci, uint64_t now);
/* Input was held back for so long: commands in flight are waited for as much longer. */
void bl_hci_forgive(struct bl_hci *hci, uint64_t us);

const struct bl_hci_caps *bl_hci_caps(const struct bl_hci *hci);
bool bl_hci_has_feature(const struct bl_hci *hci, unsigned bit);
/* In the list of supported commands, and not found out to be a lie. */
bool bl_hci_supports(const struct bl_hci *hci, uint16_t opcode);

/* Queues a command. 0; -EOPNOTSUPP; -EINVAL (length not of the command's table); -EBUSY
 * (BL_MAX_COMMANDS wait, or the controller is not ready). */
int bl_hci_cmd(struct bl_hci *hci, uint16_t opcode, const void *params, size_t n,
               enum bl_hci_owner owner, uint32_t arg);
/* For HciCommand of the user: no table, no support check. 0; -EINVAL (over 255 octets, or opcode 0,
 * which is never answered); -EBUSY. */
int bl_hci_cmd_raw(struct bl_hci *hci, uint16_t opcode, const void *params, size_t n,
                   enum bl_hci_owner owner, uint32_t arg);

/* ACL out. The PDU is b->data[start..len), its L2CAP header (length, CID) first; what is before it
 * is written over. Ownership is taken, also on failure. -ENOTCONN; -EINVAL (empty); -ENOBUFS where
 * BL_MAX_TX_PDUS wait on the connection. */
int bl_hci_send(struct bl_hci *hci, uint16_t handle, struct buf *b);
/* PDUs of this connection that have not left for the controller yet, and packets in it. */
unsigned bl_hci_queued(const struct bl_hci *hci, uint16_t handle);
/* The same as others see it who share the connection with frames of channels, which are always
 * there: without those (they have a home), and at most BL_MAX_CHANNEL_FRAMES packets. */
unsigned bl_hci_queued_beside(const struct bl_hci *hci, uint16_t handle);

struct bl_hci_link_stats {
    uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped;
    uint64_t tx_pdus; /* that have left whole */
    unsigned queued;  /* PDUs that have not */
};
bool bl_hci_link_stats(const struct bl_hci *hci, uint16_t handle, struct bl_hci_link_stats *ret);

/* Counters for Stats, by name; false past the last. */
bool bl_hci_counter(const struct bl_hci *hci, size_t index, const char **ret_name,
                    uint64_t *ret_value);
