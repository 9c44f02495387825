/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * fake_hci: lib/hci's functions for tests of what stands on it. Commands are recorded, the test
 * takes them one by one and makes the replies; what is sent over ACL is kept. Link it in place of
 * bl_hci.
 */

#include "gap/radio.h"

enum {
    FAKE_HCI_COMMANDS = 4096, /* that have not been taken */
    FAKE_HCI_SENT = 256,
};

struct fake_cmd {
    uint16_t opcode;
    uint8_t params[256];
    size_t n;
    enum bl_hci_owner owner;
    uint32_t arg;
};

struct fake_sent {
    uint16_t handle;
    size_t n;
    uint8_t data[1024]; /* the PDU with its L2CAP header; cut there */
};

struct bl_hci {
    struct bl_hci_caps caps;  /* the test's to set; bits of le_features included */
    uint16_t unsupported[16]; /* opcodes that bl_hci_supports() denies and bl_hci_cmd() refuses */
    size_t n_unsupported;
    int cmd_error;   /* what the next bl_hci_cmd() returns, once, where not 0 */
    int send_error;  /* the same for bl_hci_send() */
    unsigned queued; /* what bl_hci_queued() says */
    bool counts;     /* bl_hci_send() adds to it */
    struct bl_hci_link_stats stats;
    struct fake_cmd commands[FAKE_HCI_COMMANDS];
    size_t n_commands, taken;
    uint64_t total; /* commands ever queued */
    struct fake_sent sent[FAKE_HCI_SENT];
    size_t n_sent, sent_taken;
};

/* A controller that supports everything, with a public address 00:11:22:33:44:55: extended with 3
 * sets of 1650 octets, or legacy alone. fake_hci_free() takes NULL. */
struct bl_hci *fake_hci_new(bool extended);
void fake_hci_free(struct bl_hci *hci);
void fake_hci_deny(struct bl_hci *hci, uint16_t opcode);

/* The oldest command that has not been taken, NULL when there is none. */
const struct fake_cmd *fake_hci_take(struct bl_hci *hci);
const struct fake_sent *fake_hci_take_sent(struct bl_hci *hci);

/* Its reply; `returned` are the return parameters after the status, borrowed. */
struct bl_hci_reply fake_hci_reply(const struct fake_cmd *cmd, uint8_t status, const void *returned,
                                   size_t n);
struct bl_hci_reply fake_hci_lost(const struct fake_cmd *cmd);
