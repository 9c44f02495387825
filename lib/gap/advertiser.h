/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * advertiser: what we advertise. Any number (to BL_MAX_ADV) of advertisements is laid out over the
 * sets that the controller has (one, without extended advertising): each in a set of its own while
 * there are sets, else they take turns on the air, fairly.
 *
 * The commands are host.h's bl_advertise*(), and so are ranges and errors. An advertisement's
 * number is valid from the command's return until
 *   - its start fails: OP_DONE with the status, and it has never been there;
 *   - it ends: BL_EV_ADV_STOPPED, once: 0 stopped or connected to, BL_TIMEOUT when its duration is
 *     over (or a high duty cycle directed one heard nothing), BL_NOT_ACTIVE with the controller, or
 *     an HCI error that asking again will not mend.
 * OP_DONE of a start comes when the advertisement is on the air; where it has to wait (its turn, a
 * connection that the controller cannot advertise beside), so does the OP_DONE.
 *
 * Replacing: data alone is changed in place, with no gap on the air; other parameters by disable,
 * set, enable. An argument error leaves the old advertisement as it is; a refusal by the controller
 * ends it (ADV_STOPPED after the OP_DONE, both with the error). A replacement of one whose start is
 * still waiting ends that start with BL_CANCELED.
 */

#include "gap/privacy.h"
#include "gap/radio.h"

struct bl_adv; /* an advertisement */
struct bl_adv_turns;

struct bl_adv_set { /* one of the controller's sets; the one set of a legacy controller */
    uint16_t adv;   /* whose turn it is; 0: nobody's */
    bool enabled;   /* on the air, as far as is known */
    bool exists;    /* the controller has the set (extended) */
    uint64_t turn_ends;
};

enum { BL_ADVERTISER_SETS = 32 }; /* more of a controller's sets are not used */

struct bl_advertiser {
    struct bl_radio *radio;
    struct bl_privacy *privacy;
    struct bl_adv *advs[BL_MAX_ADV]; /* in the order of their turns */
    unsigned n_advs;
    uint16_t last_adv;
    struct bl_adv_set sets[BL_ADVERTISER_SETS];
    struct {
        uint8_t kind; /* what the outstanding command was: adv_internal.h; 0 none */
        uint8_t set;
        uint16_t adv;
        uint32_t stamp;
        uint32_t tag;
    } asked;
    uint32_t tag;
    uint64_t retry_at; /* refused for now: not before */
    uint64_t started, stopped, connections, refused;
};

int bl_advertiser_init(struct bl_advertiser *a, struct bl_radio *radio, struct bl_privacy *privacy);
void bl_advertiser_deinit(struct bl_advertiser *a);

int bl_advertiser_start(struct bl_advertiser *a, uint64_t now, uint16_t adv,
                        const struct bl_adv_params *params, uint16_t *ret_adv, bl_op *op);
int bl_advertiser_stop(struct bl_advertiser *a, uint64_t now, uint16_t adv, bl_op *op);
size_t bl_advertiser_max(const struct bl_advertiser *a, const struct bl_adv_params *params);

/* A connection as peripheral is complete. The advertisement that it came through, which has ended
 * by it (or waits, with `resume`); 0 where that is not certain yet and bl_advertiser_terminated()
 * will tell. */
uint16_t bl_advertiser_connected(struct bl_advertiser *a, uint64_t now,
                                 const struct bl_hci_event *e);
/* LE Advertising Set Terminated: the advertisement it is about, 0 for none that is known. */
uint16_t bl_advertiser_terminated(struct bl_advertiser *a, uint64_t now,
                                  const struct bl_hci_event *e);
/* Connection Complete as peripheral with an error: advertising has ended without a connection. */
void bl_advertiser_failed_connect(struct bl_advertiser *a, uint64_t now,
                                  const struct bl_hci_event *e);
/* A connection has ended: the one that came through `adv`, or any other (0). */
void bl_advertiser_link_gone(struct bl_advertiser *a, uint64_t now, uint16_t adv);

bool bl_advertiser_step(struct bl_advertiser *a, uint64_t now);
void bl_advertiser_reply(struct bl_advertiser *a, uint64_t now, const struct bl_hci_reply *reply);
uint64_t bl_advertiser_deadline(const struct bl_advertiser *a);
void bl_advertiser_tick(struct bl_advertiser *a, uint64_t now);
/* Everything ends: open operations and advertisements with `status`. */
void bl_advertiser_reset(struct bl_advertiser *a, uint64_t now, bl_status status);
bool bl_advertiser_counter(const struct bl_advertiser *a, size_t index, const char **ret_name,
                           uint64_t *ret_value);
