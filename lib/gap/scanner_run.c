/* SPDX-License-Identifier: MIT */

/*
 * scanner_run: the scanner's dealings with the controller, one command at a time.
 *
 *            +--- (nothing wanted, radio->pause or hush, initiating while blocked)
 *            v                    .
 *     +---> OFF --(want != told)--> SETTING --taken--+
 *     |      |  <------------------------------------+
 *     |      +------(want == told)----> ENABLING --taken--> ON --(stale, pause, nothing wanted)--+
 *     |      ^                            |                                                       |
 *     |      +-------refused--------------+             DISABLING <-------------------------------+
 *     +------------------any answer------------------------+
 *
 * A refusal ends the scans that asked for the change; with none of these, those that run: a change
 * that was only to restore them cannot. Two exceptions. A command that was lost may have been bad
 * luck, so running scans get one more try; whether it was executed is not known, so scanning is
 * first switched off. And controllers that cannot scan while they initiate say so by Command
 * Disallowed: running scans wait until initiating has ended, newcomers are told.
 */

#include "base/timerq.h"
#include "base/wr.h"
#include "gap/scanner_internal.h"
#include "hci/cmd.h"
#include "hci/error.h"

#include <errno.h>

static bool scanner_extended(const struct bl_scanner *s)
{
    return bl_hci_caps(s->radio->hci)->extended;
}

/* ---- commands ---- */

static int scanner_cmd(struct bl_scanner *s, uint16_t opcode, const struct wr *w)
{
    return bl_radio_cmd(s->radio, opcode, w->buf, w->len, BL_HCI_OWNER_SCANNER, 0);
}

/* Core 5.4, Vol 4, Part E, 7.8.10 and 7.8.64. Filter policy 0: all advertisers, and of directed
 * advertising what is for us. */
static int scanner_cmd_params(struct bl_scanner *s, const struct bl_scanner_setup *setup)
{
    uint8_t bytes[3 + 2 * 5];
    struct wr w = wr_make(bytes, sizeof(bytes));

    if (!scanner_extended(s)) {
        wr_u8(&w, setup->active);
        wr_u16(&w, setup->interval[0]);
        wr_u16(&w, setup->window[0]);
        wr_u8(&w, setup->own_type);
        wr_u8(&w, 0);
        return scanner_cmd(s, BL_CMD_LE_SET_SCAN_PARAMS, &w);
    }
    wr_u8(&w, setup->own_type);
    wr_u8(&w, 0);
    wr_u8(&w, setup->phys);
    for (unsigned i = 0; i < 2; i++) {
        if (!setup->interval[i])
            continue;
        wr_u8(&w, setup->active);
        wr_u16(&w, setup->interval[i]);
        wr_u16(&w, setup->window[i]);
    }
    return scanner_cmd(s, BL_CMD_LE_SET_EXT_SCAN_PARAMS, &w);
}

/* Core 5.4, Vol 4, Part E, 7.8.11 and 7.8.65. No duration: durations are each scan's own. */
static int scanner_cmd_enable(struct bl_scanner *s, bool on)
{
    uint8_t bytes[6];
    struct wr w = wr_make(bytes, sizeof(bytes));

    wr_u8(&w, on);
    wr_u8(&w, on && s->filter_duplicates);
    if (!scanner_extended(s))
        return scanner_cmd(s, BL_CMD_LE_SET_SCAN_ENABLE, &w);
    wr_u16(&w, 0);
    wr_u16(&w, 0);
    return scanner_cmd(s, BL_CMD_LE_SET_EXT_SCAN_ENABLE, &w);
}

/* ---- what goes wrong ---- */

/* What was asked for last cannot be had. */
static void scanner_refused(struct bl_scanner *s, bl_status status)
{
    uint64_t asked = s->starting & s->waiting;

    s->starting = 0;
    s->told_valid = false;
    bl_scanner_end(s, asked ? asked : s->used, status, status);
}

static void scanner_queue_failed(struct bl_scanner *s, int r)
{
    if (r == -EBUSY)
        return; /* the queue is full: the next step finds room */
    s->starting = 0;
    s->told_valid = false;
    bl_scanner_end(s, s->used, BL_NOT_SUPPORTED, BL_NOT_SUPPORTED);
}

/* ---- steps ---- */

static void scanner_off(struct bl_scanner *s)
{
    s->state = BL_SCANNER_OFF;
    s->radio->scanning = false;
    bl_report_join_clear(&s->join); /* their ends will not come */
}

/* Claims the address kind and finds its own_type. Passive scanning sends nothing; for it the
 * address matters only to directed advertising, and whatever kind there is has to do. */
static int scanner_own_type(struct bl_scanner *s, uint64_t now, uint8_t *ret)
{
    bool claims = s->mode != BL_ADDR_MODE_DEFAULT; /* else it is our own, which leaves the choice
                                                      to the connector */
    int r = claims ? bl_privacy_own(s->privacy, now, BL_PRIVACY_SCAN, s->mode, ret) : -EBUSY;

    if (r < 0 && r != -EAGAIN && !s->want.active) {
        bl_privacy_release(s->privacy, BL_PRIVACY_SCAN);
        *ret = ADDR_PUBLIC;
        return 0;
    }
    return r;
}

static bool scanner_step_off(struct bl_scanner *s, uint64_t now)
{
    s->stale = false;
    if (!s->used) {
        bl_privacy_release(s->privacy, BL_PRIVACY_SCAN);
        s->retried = s->blocked = false;
        return false;
    }
    if (s->radio->pause || s->radio->hush || (s->blocked && s->radio->initiating))
        return false;
    s->blocked = false;
    s->told_valid &= !s->radio->scan_moved;
    s->radio->scan_moved = false;

    struct bl_scanner_setup setup = s->want;
    int r = scanner_own_type(s, now, &setup.own_type);
    if (r == -EAGAIN)
        return bl_privacy_step(s->privacy, now);
    s->starting = s->waiting;
    if (r < 0) {
        scanner_refused(s, r == -EOPNOTSUPP ? BL_NOT_SUPPORTED : BL_NO_RESOURCES);
        return scanner_step_off(s, now); /* there are fewer now */
    }

    bool set = s->told_valid && bl_scanner_setup_eq(&setup, &s->told);
    r = set ? scanner_cmd_enable(s, true) : scanner_cmd_params(s, &setup);
    if (r < 0) {
        scanner_queue_failed(s, r);
        return false;
    }
    s->telling = setup;
    s->state = set ? BL_SCANNER_ENABLING : BL_SCANNER_SETTING;
    return true;
}

static bool scanner_step_on(struct bl_scanner *s, uint64_t now)
{
    if (s->used && !s->stale && !s->radio->pause && !s->radio->hush)
        return false;

    int r = scanner_cmd_enable(s, false);
    if (r == 0) {
        s->state = BL_SCANNER_DISABLING;
        s->restarts += s->used != 0;
        return true;
    }
    if (r == -EBUSY)
        return false;
    scanner_off(s); /* a controller that has forgotten the command is not to be stopped */
    return scanner_step_off(s, now);
}

bool bl_scanner_step(struct bl_scanner *s, uint64_t now)
{
    if (s->radio->outstanding || !s->radio->ready)
        return false;
    switch (s->state) {
    case BL_SCANNER_OFF:
        return scanner_step_off(s, now);
    case BL_SCANNER_ON:
        return scanner_step_on(s, now);
    case BL_SCANNER_SETTING:
    case BL_SCANNER_ENABLING:
    case BL_SCANNER_DISABLING:
        break;
    }
    return false;
}

/* ---- replies ---- */

/* Running scans alone asked: is it worth another try, now or later? */
static bool scanner_try_again(struct bl_scanner *s, const struct bl_hci_reply *reply)
{
    if (s->starting & s->waiting)
        return false;
    if (reply->lost && !s->retried) {
        s->retried = true;
        return true;
    }
    if (reply->status == BL_HCI_COMMAND_DISALLOWED && s->radio->initiating) {
        s->blocked = true;
        return true;
    }
    return false;
}

static void scanner_reply_params(struct bl_scanner *s, const struct bl_hci_reply *reply)
{
    s->state = BL_SCANNER_OFF;
    s->told_valid = reply->status == 0;
    if (reply->status == 0)
        s->told = s->telling;
    else if (!scanner_try_again(s, reply))
        scanner_refused(s, bl_status_hci(reply->status));
}

static void scanner_reply_enable(struct bl_scanner *s, uint64_t now,
                                 const struct bl_hci_reply *reply)
{
    if (reply->status == 0) {
        s->state = BL_SCANNER_ON;
        s->radio->scanning = true;
        s->retried = false;
        bl_scanner_begun(s, now, s->starting & s->waiting);
        s->starting = 0;
        return;
    }
    scanner_off(s);
    if (reply->lost) { /* it may scan */
        s->state = BL_SCANNER_ON;
        s->radio->scanning = s->stale = true;
    }
    s->told_valid = false;
    if (!scanner_try_again(s, reply))
        scanner_refused(s, bl_status_hci(reply->status));
}

/* Whatever the answer, it is taken as off; only a lost one is worth asking again. */
static void scanner_reply_disable(struct bl_scanner *s, const struct bl_hci_reply *reply)
{
    if (reply->lost && !s->retried) {
        s->retried = s->stale = true;
        s->state = BL_SCANNER_ON;
        return;
    }
    scanner_off(s);
}

void bl_scanner_reply(struct bl_scanner *s, uint64_t now, const struct bl_hci_reply *reply)
{
    switch (s->state) {
    case BL_SCANNER_SETTING:
        scanner_reply_params(s, reply);
        break;
    case BL_SCANNER_ENABLING:
        scanner_reply_enable(s, now, reply);
        break;
    case BL_SCANNER_DISABLING:
        scanner_reply_disable(s, reply);
        break;
    case BL_SCANNER_OFF: /* an answer from before a reset */
    case BL_SCANNER_ON:
        break;
    }
}

/* A scan without duration does not time out: the controller stopped by itself. Started again. */
void bl_scanner_stopped(struct bl_scanner *s)
{
    if (s->state == BL_SCANNER_ON)
        scanner_off(s);
}
