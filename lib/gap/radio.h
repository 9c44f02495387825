/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * radio: what the modules of GAP share, and how they take turns at the controller.
 *
 * The advertiser, the scanner, the connector and privacy each hold what is wanted and what the
 * controller has been told, and close the gap one command at a time: bl_<module>_step() queues the
 * one command that is next for it, by bl_radio_cmd(), and says whether it did. Only one such
 * configuration command is outstanding for the whole host at any time (`outstanding`), and host.c
 * asks the modules in a fixed order after every input (privacy, links, connector, advertiser,
 * scanner), so that no two procedures can cross. Commands about an established connection
 * (owner LINKS) do not take part and may go at any time.
 *
 * A module's reply handler records what the controller has accepted and nothing else; the next
 * step follows from the state. Errors that will not go away by asking again end the wish that
 * caused them, with its status.
 */

#include "evq.h"
#include "hci/hci.h"
#include "host.h"

enum bl_seek { /* how much of the air is listened to for peers that we want to connect to */
               BL_SEEK_OFF,
               BL_SEEK_SLOWLY,
               BL_SEEK_FAST,
};

struct bl_radio {
    struct bl_hci *hci;
    const struct bl_env *env;
    struct bl_evq *events;
    struct bl_config config;
    bool ready;       /* between BL_EV_READY and the end */
    bool outstanding; /* a configuration command has not been answered */

    /* What the controller does now: kept true by the modules' reply handlers. While any of these
     * is set, LE Set Random Address is forbidden for legacy commands (Core 5.4, Vol 4, Part E,
     * 7.8.4), and while initiating or scanning for all. */
    bool advertising; /* any legacy advertising, or any set that uses the shared address */
    bool scanning;
    bool initiating;
    bool sets;      /* any extended advertising set is on */
    bool listed;    /* some advertising has its address from the controller's resolving list */
    unsigned links; /* connections there are, in either role; host.c keeps it */

    /* Set by privacy when the shared random address has to change: advertiser (legacy), scanner
     * and connector disable themselves in their step, keeping their wishes, until it is clear. */
    bool pause;
    /* Set beside it when the controller's resolving list has to change: extended advertising sets
     * stand still too. */
    bool still;
    /* Set by privacy when it has told the controller other scan parameters than the scanner's. */
    bool scan_moved;
    /* Set by the connector while a direct attempt waits that the controller refuses to begin beside
     * scanning (some cannot do both): the scanner disables itself until it is clear. */
    bool hush;
};

/* Queues a configuration command; the reply goes to `owner`. What bl_hci_cmd() returns; on 0
 * outstanding is set (host.c clears it when the reply has come). Never call while outstanding. */
int bl_radio_cmd(struct bl_radio *radio, uint16_t opcode, const void *params, size_t n,
                 enum bl_hci_owner owner, uint32_t arg);
