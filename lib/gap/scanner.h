/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * scanner: the observer role: up to BL_MAX_SCANS scans at once, made into the one scan that the
 * controller can do.
 *
 * Merging. The controller runs with the interval and window of the scan with the largest duty
 * cycle, for each PHY among those that want the PHY; actively if any scan is active; on all PHYs
 * wanted. It filters duplicates itself (by its own idea of them, on top of ours) only where all
 * scans filter duplicates and none has a filter that depends on more than the address. Each scan
 * has its own filter, duplicates, duration and wish for scan responses. Whenever a scan joins,
 * the controller is restarted, so that its memory of advertisers does not cut the newcomer short.
 *
 * Each scan that was taken ends, whatever happens, in exactly one BL_EV_OP_DONE (of its command)
 * and then one BL_EV_SCAN_DONE; also where the controller refuses it: both with that status.
 */

#include "gap/privacy.h"
#include "gap/radio.h"
#include "gap/report_join.h"

struct bl_scan_slot;

#define BL_SCANNER_SEEK_AGAIN_US 10240000u /* after the controller has refused */

/* What the controller is told, in its units. */
struct bl_scanner_setup {
    bool active;
    uint8_t own_type;
    uint8_t phys;         /* BL_PHYS_1M, BL_PHYS_CODED */
    uint16_t interval[2]; /* 625 us; on 1M, on Coded; zero where the PHY is not used */
    uint16_t window[2];
};

enum bl_scanner_state {
    BL_SCANNER_OFF,     /* the controller does not scan */
    BL_SCANNER_SETTING, /* its parameters are being set */
    BL_SCANNER_ENABLING,
    BL_SCANNER_ON, /* it scans as `told` says */
    BL_SCANNER_DISABLING,
};

struct bl_scanner {
    struct bl_radio *radio;
    struct bl_privacy *privacy;
    struct bl_scan_slot *slots[BL_MAX_SCANS];
    uint64_t used;     /* bit n: slot n is taken */
    uint64_t waiting;  /* bit n: not on the air yet, its op is open */
    uint64_t starting; /* those of `waiting` that the command that is out is for */
    unsigned next_slot;
    enum bl_scanner_state state;
    struct bl_scanner_setup want;    /* the merged scans, but for own_type */
    struct bl_scanner_setup told;    /* what the controller took last */
    struct bl_scanner_setup telling; /* what the command that is out says */
    enum bl_addr_mode mode;          /* of the merged scans */
    bool filter_duplicates;          /* of the merged scans */
    bool told_valid;
    bool stale;        /* on, but not as wanted: to be restarted */
    bool retried;      /* a lost command was given again */
    bool blocked;      /* the controller does not scan while it initiates */
    uint64_t deadline; /* of the scan that ends first */
    uint64_t again_at; /* 0; when to have the controller report known advertisers again */
    uint64_t seed;     /* of the filters' tables; 0: not drawn yet */
    struct report_join join;
    enum bl_seek seek; /* as last asked for */
    uint8_t seek_phys; /* the same */
    uint8_t seek_slot; /* where there is one */
    bool seek_on;      /* there is: it was not refused */
    uint64_t seek_at;  /* when it was begun, or refused */
    uint64_t restarts, received, unwanted, duplicates;
};

int bl_scanner_init(struct bl_scanner *s, struct bl_radio *radio, struct bl_privacy *privacy);
/* Frees all, says nothing. */
void bl_scanner_deinit(struct bl_scanner *s);

/*
 * Begins a scan. Interval and window: 2.5 ms..10.24 s, up to 40.96 s with `extended` where the
 * controller has it; rounded down to 625 us. `extended` without such a controller gets what there
 * is, which has legacy forms all. The duration counts from OP_DONE.
 *   0            *ret_scan and *op are set
 *   -EINVAL      a range; BL_PHYS_2M, on which nobody is found (Core 5.4, Vol 4, Part E, 7.8.64)
 *   -EBUSY       all slots taken; active, and another active scan or user of the radio needs
 *                another kind of address
 *   -EOPNOTSUPP  BL_PHYS_CODED, or the kind of address
 *   -ENOMEM
 */
int bl_scanner_scan(struct bl_scanner *s, uint64_t now, const struct bl_scan_params *params,
                    uint16_t *ret_scan, bl_op *op);
/* Ends it at once: SCAN_DONE with 0, then OP_DONE; the command of a scan that was not on the air
 * yet ends in BL_CANCELED. -ENOENT; -EBUSY where no op is to be had. */
int bl_scanner_stop_scan(struct bl_scanner *s, uint64_t now, uint16_t scan, bl_op *op);

/* A scan of the host's own, passive, that tells nobody anything; the reports are there for
 * bl_connector_sighted(). To be asked for again and again: one that ends, or finds no room, comes
 * back. */
void bl_scanner_seek(struct bl_scanner *s, uint64_t now, enum bl_seek seek, uint8_t phys);

bool bl_scanner_step(struct bl_scanner *s, uint64_t now);
void bl_scanner_reply(struct bl_scanner *s, uint64_t now, const struct bl_hci_reply *reply);
void bl_scanner_event(struct bl_scanner *s, uint64_t now, const struct bl_hci_event *e);
uint64_t bl_scanner_deadline(const struct bl_scanner *s);
void bl_scanner_tick(struct bl_scanner *s, uint64_t now);
/* The controller is gone or not to be used any more: all scans end with `status`. */
void bl_scanner_reset(struct bl_scanner *s, uint64_t now, bl_status status);

/* False past the last. */
bool bl_scanner_counter(const struct bl_scanner *s, size_t index, const char **ret_name,
                        uint64_t *ret_value);
