/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * air: a simulated radio. LE controllers as their hosts see them through HCI, over one medium, for
 * tests, demonstrations and people who develop hosts. Sans I/O like the rest of lib: H4 packets in,
 * H4 packets out, time as an argument (microseconds, monotonic, never going back), and everything
 * that is random comes from the seed: the same calls give the same bytes.
 *
 * The owner's loop: bl_air_receive() for what a host sent, bl_air_tick() when bl_air_deadline() has
 * come, and after either bl_air_next_tx() for every controller until it is 0, since what one host
 * does makes packets for others.
 *
 * A controller is complete for LE: commands as Core 5.4, Vol 4, Part E has them, with their
 * parameters' ranges, events by the host's masks, legacy and extended advertising, scanning and
 * initiating, links in both roles with the Link Layer's procedures, encryption and privacy.
 *
 * A host's mistakes are answered as a real controller answers them, and kept as text besides:
 * bl_air_violations().
 */

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bl_air;

enum bl_air_pace {
    BL_AIR_PACED, /* data moves at connection events, at the speed of the PHY */
    BL_AIR_NONE,  /* data crosses at once */
};

/* LE feature bits, Core 5.4, Vol 6, Part B, 4.6, as masks. */
#define BL_AIR_LE_ENCRYPTION          (UINT64_C(1) << 0)
#define BL_AIR_LE_PARAM_REQUEST       (UINT64_C(1) << 1)
#define BL_AIR_LE_EXTENDED_REJECT     (UINT64_C(1) << 2)
#define BL_AIR_LE_PERIPHERAL_FEATURES (UINT64_C(1) << 3)
#define BL_AIR_LE_PING                (UINT64_C(1) << 4)
#define BL_AIR_LE_DATA_LENGTH         (UINT64_C(1) << 5)
#define BL_AIR_LE_PRIVACY             (UINT64_C(1) << 6)
#define BL_AIR_LE_EXT_SCAN_FILTER     (UINT64_C(1) << 7)
#define BL_AIR_LE_2M                  (UINT64_C(1) << 8)
#define BL_AIR_LE_CODED               (UINT64_C(1) << 11)
#define BL_AIR_LE_EXTENDED_ADV        (UINT64_C(1) << 12)
#define BL_AIR_LE_CSA2                (UINT64_C(1) << 14)

/* What becomes of a resolving list's entries. */
enum bl_air_list {
    BL_AIR_LIST_WORKS, /* as Core 5.4 says */
    /* Faults: none makes or resolves an address; where one is asked for it uses the public one, and
     * of the peers on it nothing is heard. Or what it has made stays for ever. */
    BL_AIR_LIST_IDLE,
    BL_AIR_LIST_FROZEN,
};

struct bl_air_config {
    struct bl_addr public; /* zero: none */
    uint8_t hci_version;   /* 6: 4.0, 7: 4.1, 8: 4.2, 9: 5.0 .. 13: 5.4 */
    uint16_t manufacturer;
    uint64_t le_features;  /* BL_AIR_LE_*; commands that need one are unknown without it */
    bool extended;         /* extended advertising, scanning, initiating; with its feature bit */
    uint8_t num_sets;      /* advertising sets, where extended; at most 64 */
    uint16_t max_adv_data; /* 31..1650, where extended */
    uint16_t acl_len;      /* octets of data in a packet from the host, 27 at least */
    uint8_t acl_num;       /* packets, 1 at least */
    bool shared_buffers;   /* these buffers are told by Read Buffer Size; LE Read Buffer Size: 0 */
    bool buffer_v2;        /* LE Read Buffer Size [v2] too */
    uint8_t accept_list_size;
    uint8_t resolving_list_size;
    enum bl_air_list list;
    uint8_t max_links; /* at most 64 */
};

/* 5.3, LE only: everything above, 4 sets of 1650 octets, 8 buffers of 251 octets. */
struct bl_air_config bl_air_config_default(void);
/* 4.0: encryption alone; 10 buffers of 27 octets. */
struct bl_air_config bl_air_config_v40(void);
/* 4.2: data length and privacy too, no extended anything; 6 buffers of 251 octets. */
struct bl_air_config bl_air_config_v42(void);

/* NULL when there is no memory. Unpaced is BL_AIR_NONE; a new one is BL_AIR_PACED. */
struct bl_air *bl_air_new(uint64_t seed);
struct bl_air *bl_air_free(struct bl_air *air);
void bl_air_set_pace(struct bl_air *air, uint64_t now, enum bl_air_pace pace);

/* A controller, powered off. Its index (0, 1, ..); -EINVAL for a config out of the ranges above,
 * -ENOMEM. */
int bl_air_add(struct bl_air *air, const struct bl_air_config *config);
/* As plugging in: whatever was before is forgotten. */
void bl_air_power_on(struct bl_air *air, uint64_t now, int i);
/* As pulling it out, in the middle of anything: peers see the supervision timeout. */
void bl_air_power_off(struct bl_air *air, uint64_t now, int i);
bool bl_air_powered(const struct bl_air *air, int i);

/* What a controller has sent under an address of its own: the address that it used last, zero for
 * none, and how often it was the one that is watched for, since that was said. */
enum bl_air_use { BL_AIR_USE_ADV, BL_AIR_USE_SCAN, BL_AIR_USE_INIT, BL_AIR_USES };
struct bl_addr bl_air_own(const struct bl_air *air, int i, enum bl_air_use use);
void bl_air_watch(struct bl_air *air, int i, const struct bl_addr *addr);
uint64_t bl_air_watched(const struct bl_air *air, int i);

/* One complete H4 packet (type octet first) from the host. One for a controller that is off is
 * dropped. */
void bl_air_receive(struct bl_air *air, uint64_t now, int i, const uint8_t *packet, size_t n);
/* The next H4 packet for the host, borrowed until the next call for this controller or its power
 * switch; 0 when there is none. */
size_t bl_air_next_tx(struct bl_air *air, int i, const uint8_t **bytes);
/* TIMERQ_NEVER (UINT64_MAX) where nothing is to come. */
uint64_t bl_air_deadline(const struct bl_air *air);
void bl_air_tick(struct bl_air *air, uint64_t now);

/*
 * The medium between two controllers, both ways alike. Out of range nothing is heard, and links
 * run into their supervision timeout. Loss applies to each packet (an advertising event, a data
 * packet, which is sent again at the next connection event); 1000 is all. Delay applies to data.
 */
#define BL_AIR_OUT_OF_RANGE 127
#define BL_AIR_RSSI_DEFAULT (-60)
/* -ENOMEM; 0. */
int bl_air_set_rssi(struct bl_air *air, uint64_t now, int a, int b, int8_t rssi);
int bl_air_set_loss(struct bl_air *air, uint64_t now, int a, int b, unsigned permille);
int bl_air_set_delay(struct bl_air *air, uint64_t now, int a, int b, uint64_t us);

/*
 * Faults of one controller. They outlive power cycles, until used up or cleared.
 */
#define BL_AIR_FOREVER (~0u)

enum bl_air_command_fault {
    BL_AIR_NEVER_ANSWER,  /* the command is lost: not carried out, never answered */
    BL_AIR_ANSWER_STATUS, /* not carried out; answered with status `value` (0x01: unknown command)
                           */
    BL_AIR_ANSWER_SHORT,  /* carried out; the last `value` octets of Command Complete are missing */
    BL_AIR_ANSWER_LATE,   /* carried out at once; answered `value` milliseconds later */
};
/* The next `times` commands of this opcode. 0; -ENOMEM. */
int bl_air_fault_command(struct bl_air *air, int i, uint16_t opcode,
                         enum bl_air_command_fault fault, unsigned value, unsigned times);
/* The next `times` events of this code (and LE subevent, where the code is 0x3e) are `delta` octets
 * longer or, below zero, shorter than they should be; the length octet is true to that. 0;
 * -ENOMEM. */
int bl_air_fault_event(struct bl_air *air, int i, uint8_t code, uint8_t subevent, int delta,
                       unsigned times);
/* The next `times` connections that this controller initiates are not heard by the peer. At once:
 * LE Connection Complete has status 0x3e; else it is success, and Disconnection Complete with
 * reason 0x3e follows after six connection intervals, as on the air. */
void bl_air_fault_establish(struct bl_air *air, int i, unsigned times, bool at_once);
/* Powers itself off when `packets` more have passed between it and the host, either way. 0: not. */
void bl_air_fault_vanish(struct bl_air *air, int i, unsigned packets);
/* All packets for the host come so much later. */
void bl_air_fault_delay(struct bl_air *air, int i, uint64_t us);
/* None of the above any more. */
void bl_air_fault_clear(struct bl_air *air, int i);

/* An arbitrary H4 packet for the host, after what waits already. 0; -ENOMEM; -ENETDOWN (off). */
int bl_air_inject(struct bl_air *air, uint64_t now, int i, const uint8_t *packet, size_t n);
int bl_air_hardware_error(struct bl_air *air, uint64_t now, int i, uint8_t code);

/*
 * What hosts did wrong so far: more ACL packets than buffers, fragments too long, ACL data for a
 * handle that is none, a command without a credit, wrong parameter lengths, parameters out of range
 * (0x12), commands in a state that forbids them (0x0c, unless a race explains it), unknown packet
 * types. The count goes on; the first 256 texts are kept ("hci1: ...", without newline), NULL past
 * those.
 */
unsigned bl_air_violations(const struct bl_air *air);
const char *bl_air_violation(const struct bl_air *air, unsigned k);
void bl_air_violations_clear(struct bl_air *air);
