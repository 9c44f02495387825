/* SPDX-License-Identifier: MIT */
#pragma once

/* host_internal: the host's parts, for host.c (life, input, output), host_api.c, host_gatt.c,
 * host_l2cap.c and host_smp.c (commands), and host_security.c (lib/smp and the others). */

#include "gap/advertiser.h"
#include "gap/connector.h"
#include "gap/links.h"
#include "gap/privacy.h"
#include "gap/scanner.h"
#include "gatt/gatt.h"
#include "host.h"
#include "l2cap/l2cap.h"
#include "smp/smp.h"

enum bl_host_state {
    BL_HOST_OFF,       /* not started, failed or stopped */
    BL_HOST_BRINGUP,   /* lib/hci talks to the controller */
    BL_HOST_READY,     /* commands are taken */
    BL_HOST_LEAVING,   /* shutdown: links are being disconnected */
    BL_HOST_RESETTING, /* shutdown: the last command, Reset, is out */
};

struct bl_host {
    struct bl_env env;
    struct bl_evq events;
    struct bl_hci *hci;
    struct bl_radio radio;
    struct bl_privacy privacy;
    struct bl_advertiser advertiser;
    struct bl_scanner scanner;
    struct bl_connector connector;
    struct bl_links links;
    struct bl_l2cap l2cap;
    struct bl_gatt gatt;
    struct bl_smp *smp;
    enum bl_host_state state;
    bl_op user_ops[8];          /* bl_hci_command() calls that wait for their reply */
    bl_op lifecycle_op;         /* of start or shutdown */
    uint64_t shutdown_deadline; /* TIMERQ_NEVER unless leaving */
    uint64_t held_since;        /* input is held back; TIMERQ_NEVER: not */
};

/* What must follow every input and every command: messages of lib/hci handed to whom they concern,
 * then the next configuration command. */
void bl_host_pump(struct bl_host *host, uint64_t now);
/* The same after what concerns attributes and channels alone. */
void bl_host_pump_gatt(struct bl_host *host, uint64_t now);
/* host_security.c: who we are for peers, which may have changed. */
void bl_host_identity(struct bl_host *host);
/* What lib/smp has to tell the others. */
void bl_host_security(struct bl_host *host, uint64_t now);
/* What is to be kept of bonded clients goes into their bonds. */
void bl_host_keep(struct bl_host *host, uint64_t now);
