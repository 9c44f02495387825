/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * controller: a scripted controller that bl_hci drives. It answers commands from a description of
 * itself, or as `rules` say for an opcode; what the host under test says is kept in `in`. Packets
 * are given to the host from memory of exactly their size, so that a sanitizer sees every read
 * past the end. Time is `now`, moved by the test.
 */

#include "hci/cmd.h"
#include "hci/error.h"
#include "hci/hci.h"

enum ctl_how {
    CTL_UNKNOWN,        /* Command Complete: Unknown Command */
    CTL_UNKNOWN_STATUS, /* the same by Command Status */
    CTL_ERROR,          /* Command Complete: Unspecified Error, nothing but the status */
    CTL_SHORT,          /* success, one octet less than there should be */
    CTL_EMPTY,          /* no return parameters at all */
    CTL_SILENT,
    CTL_TWICE, /* answered, and answered again */
    CTL_NOISE, /* before the answer come events nobody asked for */
};

enum { CTL_RULES = 16, CTL_INS = 1024, CTL_SEEN = 1024, CTL_DATA = 256 };

struct ctl_rule {
    uint16_t opcode;
    enum ctl_how how;
    unsigned times; /* 0: always */
};

struct ctl_in {
    struct bl_hci_in in;
    uint8_t data[CTL_DATA]; /* of a PDU, a report, a reply's parameters: cut */
    size_t len;             /* not cut */
};

struct ctl {
    struct bl_hci *hci;
    struct bl_env env;
    uint64_t now;

    uint8_t version, lmp[8], commands[64], addr[6];
    uint64_t features;
    uint16_t le_len, shared_len, shared_num;
    uint8_t le_num;
    uint16_t adv_data_max;
    uint8_t adv_sets;
    uint16_t tx_octets, tx_time;

    uint8_t credits; /* Num_HCI_Command_Packets of answers */
    bool hold;       /* commands are kept in `seen` and not answered */
    struct ctl_rule rules[CTL_RULES];
    size_t n_rules;

    uint16_t seen[CTL_SEEN]; /* opcodes, in order */
    uint8_t params[CTL_SEEN][64];
    size_t n_seen;

    struct {
        uint8_t bytes[CTL_DATA];
        size_t len;
    } acl[CTL_SEEN]; /* ACL packets without the H4 type, cut */
    size_t n_acl;

    struct ctl_in in[CTL_INS];
    size_t n_in;
    unsigned logged;
};

/* Not started. 4.0: LE only, nothing optional; 4.2: data length, privacy, parameter request, BR/EDR
 * with a shared pool; 5.0: extended advertising, 2M; 5.3: v2 buffer sizes, page 2. */
struct ctl *ctl_new(uint8_t version);
void ctl_free(struct ctl *c);
void ctl_rule(struct ctl *c, uint16_t opcode, enum ctl_how how, unsigned times);
void ctl_support(struct ctl *c, uint16_t opcode, bool supported);

/* Starts, and answers all until the host has nothing more to send. */
void ctl_start(struct ctl *c);
/* The same, and the test fails unless it ends in READY and nothing else; `in` is empty then. */
struct ctl *ctl_ready(uint8_t version);
/* Carries what there is to carry, both ways. */
void ctl_pump(struct ctl *c);
/* To the next deadline, ticks and carries; false when there is none. */
bool ctl_wait(struct ctl *c);

/* One packet to the host, H4 type first. */
void ctl_packet(struct ctl *c, const void *packet, size_t n);
void ctl_event(struct ctl *c, uint8_t code, const void *params, size_t n);
void ctl_le_event(struct ctl *c, uint8_t subevent, const void *params, size_t n);
void ctl_complete(struct ctl *c, uint16_t opcode, const void *returns, size_t n);
void ctl_status(struct ctl *c, uint16_t opcode, uint8_t status);
void ctl_connect(struct ctl *c, uint16_t handle);
void ctl_disconnect(struct ctl *c, uint16_t handle);
void ctl_completed(struct ctl *c, uint16_t handle, uint16_t count);
void ctl_acl(struct ctl *c, uint16_t handle, unsigned boundary, const void *data, size_t n);

unsigned ctl_times(const struct ctl *c, uint16_t opcode); /* seen */
/* The parameters of its last time. */
const uint8_t *ctl_params(const struct ctl *c, uint16_t opcode);
/* How many of the kind are in `in`. */
unsigned ctl_count(const struct ctl *c, enum bl_hci_kind kind);
const struct ctl_in *ctl_last(const struct ctl *c, enum bl_hci_kind kind);
uint64_t ctl_counter(const struct ctl *c, const char *name);
