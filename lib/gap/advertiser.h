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
 *     an error that asking again will not mend.
 * OP_DONE of a start comes when the advertisement is on the air; where it has to wait (its turn, a
 * connection that the controller cannot advertise beside), so does the OP_DONE. Stopping it before
 * gives BL_CANCELED.
 *
 * What may be combined (Core 5.4, Vol 4, Part E, 7.8.5 and 7.8.53), -EINVAL else:
 *   legacy     connectable (scannable is implied), scannable or neither; directed is connectable,
 *              and only it has a high duty cycle; PHYs are 1M
 *   extended   connectable, scannable or neither, each directed or not; both flags: connectable
 *   data       legacy directed has none (-EMSGSIZE); extended scannable has scan response data
 *              alone; a response only where it is scannable, and connectable extended is not
 *
 * Replacing: data alone is changed in place, with no gap on the air (what needs several HCI
 * fragments excepted); other parameters by disable, set, enable; duration starts anew. An argument
 * error leaves the old advertisement as it is; a refusal by the controller ends it (OP_DONE, then
 * ADV_STOPPED, both with the error). A start that was still waiting ends with BL_CANCELED.
 */

#include "gap/privacy.h"
#include "gap/radio.h"

struct bl_adv; /* an advertisement: adv_internal.h */

enum { BL_ADVERTISER_SETS = 32 }; /* more of a controller's sets are not used */

/* One of the controller's sets (without extended advertising there is one), and what is known of
 * it. Stamps name versions of an advertisement's parts, so that equality is "nothing to do". */
struct bl_adv_set {
    uint16_t adv;         /* whose turn it is; 0: nobody's */
    uint16_t on;          /* which one was enabled last */
    bool enabled, exists; /* exists: extended, the controller has made it */
    uint8_t suspect;      /* the controller says it is on when it is off: 1 to be disabled, 2 was */
    uint8_t props;    /* kind of advertising: what is on the air may differ from what is wanted */
    uint8_t own_type; /* Own_Address_Type, the same */
    uint32_t params_told, data_told, resp_told;
    struct bl_addr addr_told;
    uint32_t sending; /* the data of which some fragments have gone */
    size_t sent;
    uint64_t turn_began;
    uint16_t conn_handle, conn_adv; /* of the last connection that was put down to it */
};

struct bl_adv_asked { /* the outstanding command */
    uint8_t kind;     /* enum adv_ask, 0: none is */
    uint8_t set;
    uint8_t props, own_type;
    bool last; /* fragment */
    uint16_t adv;
    uint32_t stamp;
    size_t n;
    struct bl_addr addr;
};

struct bl_advertiser {
    struct bl_radio *radio;
    struct bl_privacy *privacy;
    struct bl_adv *advs[BL_MAX_ADV]; /* who has waited longest for a turn is first */
    unsigned n_advs;
    unsigned set_limit; /* fewer than announced turned out to fit; 0: not known to */
    uint16_t last_adv;
    uint32_t last_stamp;
    struct bl_adv_set sets[BL_ADVERTISER_SETS];
    struct bl_adv_asked asked;
    struct bl_addr conn_own; /* ours in the connection that the last call of _connected() or
                              * _terminated() was about; zero: not certain */
    /* Nothing to do until something happens to the advertiser, or these change: most input is not
     * about it. */
    bool settled, seen_pause, seen_still, seen_listed;
    unsigned seen_links;
    uint64_t started, ended, connections, refused;
};

int bl_advertiser_init(struct bl_advertiser *a, struct bl_radio *radio, struct bl_privacy *privacy);
void bl_advertiser_deinit(struct bl_advertiser *a);

int bl_advertiser_start(struct bl_advertiser *a, uint64_t now, uint16_t adv,
                        const struct bl_adv_params *params, uint16_t *ret_adv, bl_op *op);
int bl_advertiser_stop(struct bl_advertiser *a, uint64_t now, uint16_t adv, bl_op *op);
/* Octets of advertising data that fit; for extended scannable ones, of the scan response. */
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
/* Everything ends with `status`; what was being stopped has been. */
void bl_advertiser_reset(struct bl_advertiser *a, uint64_t now, bl_status status);
bool bl_advertiser_counter(const struct bl_advertiser *a, size_t index, const char **ret_name,
                           uint64_t *ret_value);
