/* SPDX-License-Identifier: MIT */

/*
 * The initiator: one at a time, for the direct attempt that has the turn, or through the accept
 * list for a batch of automatic ones.
 *
 *   IDLE --Create--> CREATING --status--> INITIATING --Connection Complete--> IDLE
 *    ^                  |                     | unwanted (timeout, cancel, pause, turn over)
 *    |                  | no answer, 0x0c     v
 *    |                  '--------------> (stop) --Cancel--> CANCELING --reply--> CANCELED
 *    '--------------- Connection Complete, or none in stop_at's time -----------------'
 *
 * Connection Complete ends every phase, early or late: a controller may send it before the status
 * of its command, and it is then the truth. Where Create was not answered or was refused as
 * Disallowed (0x0c), the controller may be initiating all the same (an earlier Cancel was lost),
 * and Cancel clears the ground; or it cannot initiate beside scanning, which then makes way
 * (radio->hush). Cancel is answered Disallowed where nothing is under way; the event
 * that makes it so may still be on its way, so a moment is waited for it.
 *
 * Timers: the deadlines of direct attempts, their retries, auto_retry_at, rotate_at, stop_at; all
 * bounded, so nothing waits for a controller that has lost its tongue.
 */

#include "gap/connector_internal.h"

#include "base/cleanup.h"
#include "base/timerq.h"
#include "base/wr.h"
#include "gap/privacy.h"
#include "hci/cmd.h"
#include "hci/error.h"

#include <errno.h>

enum { /* 0.625 ms */
       /* A person waits: the whole time where the radio has nothing else to do, else half of it
        * (TGAP(scan_fast_interval), TGAP(scan_fast_window): Core 5.4, Vol 3, Part C, App. A). */
       DIRECT_INTERVAL = 96,
       DIRECT_WINDOW_ALONE = 96,
       DIRECT_WINDOW = 48,
       /* In the background: a quarter of the time. */
       LIST_INTERVAL = 192,
       LIST_WINDOW = 48,
};

static uint64_t connector_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void connector_release(struct bl_connector *c)
{
    if (c->owns_address)
        bl_privacy_release(c->privacy, BL_PRIVACY_INIT);
    c->owns_address = false;
}

void connector_rest(struct bl_connector *c)
{
    c->phase = BL_CONNECTOR_IDLE;
    c->target = NULL;
    c->by_list = false;
    c->stop = false;
    c->rotate_at = TIMERQ_NEVER;
    c->radio->initiating = false;
    connector_release(c);
}

/* The direct attempt that has the turn. Its clock starts here, unless the radio is still busy with
 * the end of another one. */
static struct bl_attempt *connector_turn(struct bl_connector *c, uint64_t now)
{
    bool winding = c->phase != BL_CONNECTOR_IDLE && !c->by_list;

    list_each(l, next, &c->direct)
    {
        struct bl_attempt *a = connector_entry(l);
        if (a->state != BL_ATTEMPT_WAITING)
            continue;
        if (a->deadline == TIMERQ_NEVER && !winding)
            a->deadline = now + a->params.scan_duration_ms * UINT64_C(1000);
        return a;
    }
    return NULL;
}

/* ---- what ends an initiation ---- */

/* What asking again may mend; *ret_why: what to say if it does not. */
static bool connector_retryable(uint8_t status, bl_status *ret_why)
{
    switch (status) {
    case BL_HCI_FAILED_TO_ESTABLISH:
    case BL_HCI_UNKNOWN_CONNECTION: /* cancelled, though not by us */
    case BL_HCI_CANCELLED_BY_HOST:
    case BL_HCI_CONNECTION_TIMEOUT:
        *ret_why = BL_TIMEOUT;
        return true;
    case BL_HCI_CONNECTION_EXISTS: /* a link that is on its way out */
    case BL_HCI_COMMAND_DISALLOWED:
        *ret_why = bl_status_hci(status);
        return true;
    default:
        return false;
    }
}

bool connector_hopeless(uint8_t status)
{
    return status == BL_HCI_UNKNOWN_COMMAND || status == BL_HCI_UNSUPPORTED ||
           status == BL_HCI_INVALID_PARAMETERS || status == BL_HCI_PARAMETER_OUT_OF_RANGE;
}

static void connector_list_failed(struct bl_connector *c, uint64_t now, uint8_t status)
{
    c->retries++;
    c->auto_retry_at = now + BL_CONNECTOR_AUTO_RETRY_US;
    if (connector_hopeless(status))
        connector_end_automatic(c, true, bl_status_hci(status));
}

/* The initiation has ended without a connection. */
static void connector_over(struct bl_connector *c, uint64_t now, uint8_t status)
{
    bool meant = c->phase == BL_CONNECTOR_CANCELING || c->phase == BL_CONNECTOR_CANCELED;
    bool by_list = c->by_list;
    struct bl_attempt *a = c->target;

    connector_rest(c);
    if (by_list) {
        if (!meant)
            connector_list_failed(c, now, status);
    } else if (a && a->expired) {
        connector_end(c, a, a->why);
    } else if (a && !meant) {
        c->retries++;
        a->retry_at = now + BL_CONNECTOR_RETRY_US;
        if (!connector_retryable(status, &a->why))
            connector_end(c, a, bl_status_hci(status));
    }
}

static bool connector_is_peer(struct bl_connector *c, const struct bl_attempt *a,
                              const struct bl_hci_event *e)
{
    struct bl_addr rpa = {.type = ADDR_RANDOM};

    memcpy(rpa.b, e->connection.peer_rpa, sizeof(rpa.b));
    if (!e->connection.resolved && bl_privacy_refuses(c->privacy, &e->connection.peer))
        return false;
    return connector_names(c, a, &e->connection.peer) || bl_addr_eq(&rpa, &a->params.peer);
}

static struct bl_attempt *connector_whose(struct bl_connector *c, const struct bl_hci_event *e)
{
    if (!c->by_list)
        return c->target && connector_is_peer(c, c->target, e) ? c->target : NULL;
    list_each(l, next, &c->automatic)
    {
        struct bl_attempt *a = connector_entry(l);
        if (a->in_batch && a->state == BL_ATTEMPT_WAITING && connector_is_peer(c, a, e))
            return a;
    }
    return NULL;
}

uint16_t bl_connector_complete(struct bl_connector *c, uint64_t now, const struct bl_hci_event *e)
{
    if (c->phase == BL_CONNECTOR_IDLE)
        return 0;
    if (e->status != 0) {
        connector_over(c, now, e->status);
        return 0;
    }

    struct bl_attempt *a = connector_whose(c, e);
    if (!a) { /* to a peer that nobody asked for, or no more */
        connector_over(c, now, BL_HCI_UNKNOWN_CONNECTION);
        return 0;
    }
    connector_rest(c);
    a->state = BL_ATTEMPT_LINKED;
    a->link_peer = e->connection.peer;
    a->expired = false;
    a->in_batch = false;
    return a->id;
}

/* ---- commands ---- */

static void connector_conn_params(struct wr *w, const struct bl_conn_units *u)
{
    wr_u16(w, u->interval_min);
    wr_u16(w, u->interval_max);
    wr_u16(w, u->latency);
    wr_u16(w, u->timeout);
    wr_zero(w, 4); /* connection event lengths: the controller's choice */
}

/* Core 5.4, Vol 4, Part E, 7.8.66; a set of parameters a PHY. */
static void connector_write_extended(struct wr *w, const struct bl_attempt *a, bool by_list,
                                     uint8_t own, uint16_t interval, uint16_t window)
{
    if ((a->params.phys & BL_PHYS_1M) && (a->params.phys & BL_PHYS_CODED))
        window /= 2; /* two to look on: half of the time each */
    wr_u8(w, by_list ? 1 : 0);
    wr_u8(w, own);
    wr_u8(w, by_list ? 0 : connector_address(a)->type);
    wr_bytes(w, by_list ? (const uint8_t[6]){0} : connector_address(a)->b, 6);
    wr_u8(w, a->params.phys);
    for (unsigned bit = 1; bit <= BL_PHYS_CODED; bit <<= 1) {
        if (!(a->params.phys & bit))
            continue;
        wr_u16(w, interval);
        wr_u16(w, window);
        connector_conn_params(w, &a->units);
    }
}

/* Core 5.4, Vol 4, Part E, 7.8.12 */
static void connector_write_legacy(struct wr *w, const struct bl_attempt *a, bool by_list,
                                   uint8_t own, uint16_t interval, uint16_t window)
{
    wr_u16(w, interval);
    wr_u16(w, window);
    wr_u8(w, by_list ? 1 : 0);
    wr_u8(w, by_list ? 0 : connector_address(a)->type);
    wr_bytes(w, by_list ? (const uint8_t[6]){0} : connector_address(a)->b, 6);
    wr_u8(w, own);
    connector_conn_params(w, &a->units);
}

/* Create Connection, for a alone, or by_list with a's parameters. What bl_radio_cmd() says. */
static int connector_create(struct bl_connector *c, struct bl_attempt *a, bool by_list, uint8_t own)
{
    bool extended = bl_hci_caps(c->radio->hci)->extended;
    bool alone = !c->radio->scanning && !c->radio->advertising;
    uint16_t interval = by_list ? LIST_INTERVAL : DIRECT_INTERVAL;
    uint16_t window = by_list ? LIST_WINDOW : alone ? DIRECT_WINDOW_ALONE : DIRECT_WINDOW;
    uint8_t bytes[64];
    struct wr w = wr_make(bytes, sizeof(bytes));

    if (extended)
        connector_write_extended(&w, a, by_list, own, interval, window);
    else
        connector_write_legacy(&w, a, by_list, own, interval, window);

    int r = bl_radio_cmd(c->radio,
                         extended ? BL_CMD_LE_EXT_CREATE_CONNECTION : BL_CMD_LE_CREATE_CONNECTION,
                         bytes, w.len, BL_HCI_OWNER_CONNECTOR, c->initiation + 1);
    if (r < 0)
        return r;
    c->own = own & ADDR_RANDOM ? c->privacy->shared : bl_hci_caps(c->radio->hci)->public_addr;
    c->initiation++;
    c->initiations++;
    c->phase = BL_CONNECTOR_CREATING;
    c->target = by_list ? NULL : a;
    c->by_list = by_list;
    c->stop = false;
    if (!by_list)
        a->why = BL_TIMEOUT;
    return 0;
}

static bool connector_cancel_initiation(struct bl_connector *c, uint64_t now)
{
    int r = bl_radio_cmd(c->radio, BL_CMD_LE_CREATE_CONNECTION_CANCEL, NULL, 0,
                         BL_HCI_OWNER_CONNECTOR, c->initiation);

    if (r == 0) {
        c->phase = BL_CONNECTOR_CANCELING;
    } else if (r != -EBUSY) { /* cannot be cancelled: what comes of it later is nobody's */
        c->phase = BL_CONNECTOR_CANCELED;
        c->stop_at = now + BL_CONNECTOR_REFUSED_US;
    }
    return r == 0;
}

/* What bl_privacy_own() says. */
static int connector_own(struct bl_connector *c, uint64_t now, const struct bl_attempt *a,
                         uint8_t *ret_own)
{
    int r = bl_privacy_own(c->privacy, now, BL_PRIVACY_INIT, a->params.addr_mode, ret_own);

    c->owns_address = r == 0 || r == -EAGAIN;
    return r;
}

/* Towards a peer on its list the controller makes our address, where it can: what that peer directs
 * at us, by another address of ours, is for us too (Core 5.4, Vol 6, Part B, 6.4). */
static uint8_t connector_own_type(const struct bl_connector *c, uint8_t own, bool listed)
{
    bool private = c->privacy->claims[BL_PRIVACY_INIT] == BL_ADDR_MODE_RPA;

    return listed && private && bl_privacy_by_controller(c->privacy) ? BL_PRIVACY_LISTED : own;
}

static bl_status connector_own_failed(int r)
{
    return r == -EOPNOTSUPP ? BL_NOT_SUPPORTED : BL_NO_RESOURCES;
}

static bool connector_start_direct(struct bl_connector *c, uint64_t now)
{
    struct bl_attempt *a;
    uint8_t own;

    while ((a = connector_turn(c, now)) && a->retry_at <= now) {
        if (!connector_enlist(c, now, a))
            return bl_privacy_step(c->privacy, now);
        if (!connector_findable(c, a))
            return false;
        int r = connector_own(c, now, a, &own);
        if (r == -EBUSY) { /* another kind of address is on the air, maybe not for long */
            a->why = BL_NO_RESOURCES;
            a->retry_at = now + BL_CONNECTOR_RETRY_US;
        }
        if (r == -EAGAIN) /* nobody else may have a reason to step before long */
            return bl_privacy_step(c->privacy, now);
        if (r == -EBUSY)
            return false;
        if (r == 0) {
            r = connector_create(c, a, false, connector_own_type(c, own, a->listed));
            if (r == 0 || r == -EBUSY)
                return r == 0;
            r = -EOPNOTSUPP;
        }
        connector_end(c, a, connector_own_failed(r));
    }
    return false;
}

static bool connector_start_list(struct bl_connector *c, uint64_t now)
{
    bool more, listed = true;
    struct bl_attempt *first;
    uint8_t own;
    int r;

    if (c->auto_retry_at > now || !(first = connector_choose_batch(c, &more))) {
        connector_release(c);
        return false;
    }
    list_each(l, next, &c->automatic)
    {
        struct bl_attempt *a = connector_entry(l);
        if (a->in_batch && !connector_enlist(c, now, a))
            return bl_privacy_step(c->privacy, now);
        listed &= a->listed || !a->in_batch;
    }
    r = connector_sync_list(c);
    if (r == 0 && c->n_listed == 0) { /* all of them have yet to be heard: others may go on */
        connector_release(c);
        if (more && c->rotate_at == TIMERQ_NEVER)
            c->rotate_at = now + BL_CONNECTOR_AUTO_RETRY_US;
        return false;
    }
    if (r == 0 && (r = connector_own(c, now, first, &own)) == 0 &&
        (r = connector_create(c, first, true, connector_own_type(c, own, listed))) == 0) {
        c->rotate_at = more ? now + BL_CONNECTOR_ROTATE_US : TIMERQ_NEVER;
        r = 1;
    }
    if (r == -EAGAIN)
        return bl_privacy_step(c->privacy, now);
    if (r == -EBUSY)
        c->auto_retry_at = now + BL_CONNECTOR_AUTO_RETRY_US;
    if (r == -EOPNOTSUPP || r == -EIO || r == -EINVAL) {
        connector_end_automatic(c, true, connector_own_failed(r));
        c->auto_retry_at = now + BL_CONNECTOR_RETRY_US; /* for those of other parameters */
    }
    return r == 1;
}

/* ---- turns ---- */

static bool connector_unwanted(struct bl_connector *c, uint64_t now)
{
    struct bl_attempt *a = connector_turn(c, now);

    if (c->stop || c->radio->pause)
        return true;
    return c->by_list ? a && a->retry_at <= now : !c->target || c->target->expired;
}

bool bl_connector_step(struct bl_connector *c, uint64_t now)
{
    connector_recognize(c);
    if (c->radio->hush && !connector_turn(c, now))
        c->radio->hush = false;
    switch (c->phase) {
    case BL_CONNECTOR_CREATING:
    case BL_CONNECTOR_CANCELING:
    case BL_CONNECTOR_CANCELED:
        return false;
    case BL_CONNECTOR_INITIATING:
        return connector_unwanted(c, now) && connector_cancel_initiation(c, now);
    case BL_CONNECTOR_IDLE:
        break;
    }
    if (connector_turn(c, now)) {
        if (c->radio->pause)
            return false;
        if (connector_start_direct(c, now))
            return true;
    }
    if (c->radio->pause || connector_turn(c, now))
        return false; /* between two tries the turn is not given up */
    return connector_start_list(c, now);
}

void connector_unsure(struct bl_connector *c, uint64_t now, bl_status why)
{
    c->phase = BL_CONNECTOR_INITIATING;
    c->radio->initiating = true;
    c->stop = true;
    c->retries++;
    if (c->by_list)
        c->auto_retry_at = now + BL_CONNECTOR_AUTO_RETRY_US;
    if (c->target) {
        c->target->retry_at = now + BL_CONNECTOR_RETRY_US;
        c->target->why = why;
    }
}

static void connector_created(struct bl_connector *c, uint64_t now,
                              const struct bl_hci_reply *reply)
{
    if (c->phase != BL_CONNECTOR_CREATING || reply->arg != c->initiation)
        return; /* Connection Complete came first */
    if (reply->lost || reply->status == BL_HCI_COMMAND_DISALLOWED) {
        c->radio->hush = !reply->lost && c->target && c->radio->scanning;
        connector_unsure(c, now, reply->lost ? BL_TIMEOUT : bl_status_hci(reply->status));
    } else if (reply->status != 0) {
        connector_over(c, now, reply->status);
    } else {
        c->phase = BL_CONNECTOR_INITIATING;
        c->radio->initiating = true;
    }
}

static void connector_canceled(struct bl_connector *c, uint64_t now,
                               const struct bl_hci_reply *reply)
{
    bool good = reply->status == 0 && !reply->lost;

    if (reply->lost)
        c->cancels_lost++;
    if (c->phase != BL_CONNECTOR_CANCELING || reply->arg != c->initiation)
        return;
    c->phase = BL_CONNECTOR_CANCELED;
    c->stop_at = now + (good ? BL_CONNECTOR_CANCEL_US : BL_CONNECTOR_REFUSED_US);
}

void bl_connector_reply(struct bl_connector *c, uint64_t now, const struct bl_hci_reply *reply)
{
    static const struct {
        uint16_t opcode;
        void (*handler)(struct bl_connector *, uint64_t, const struct bl_hci_reply *);
    } table[] = {
        {BL_CMD_LE_CREATE_CONNECTION, connector_created},
        {BL_CMD_LE_EXT_CREATE_CONNECTION, connector_created},
        {BL_CMD_LE_CREATE_CONNECTION_CANCEL, connector_canceled},
        {BL_CMD_LE_CLEAR_ACCEPT_LIST, connector_cleared},
        {BL_CMD_LE_ADD_ACCEPT_LIST, connector_listed},
        {BL_CMD_LE_REMOVE_ACCEPT_LIST, connector_listed},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].opcode == reply->opcode)
            table[i].handler(c, now, reply);
}

/* ---- time ---- */

uint64_t bl_connector_deadline(const struct bl_connector *c)
{
    uint64_t at = c->rotate_at;

    if (c->phase == BL_CONNECTOR_CANCELED)
        at = connector_min(at, c->stop_at);
    if (c->auto_retry_at)
        at = connector_min(at, c->auto_retry_at);
    list_each(l, next, &c->direct)
    {
        const struct bl_attempt *a = connector_entry(l);
        if (a->state != BL_ATTEMPT_WAITING)
            continue;
        if (!a->expired)
            at = connector_min(at, a->deadline);
        if (a->retry_at)
            at = connector_min(at, a->retry_at);
    }
    return at;
}

void bl_connector_tick(struct bl_connector *c, uint64_t now)
{
    if (c->auto_retry_at <= now)
        c->auto_retry_at = 0;
    if (c->rotate_at <= now)
        connector_rotate(c);
    if (c->phase == BL_CONNECTOR_CANCELED && c->stop_at <= now)
        connector_over(c, now, BL_HCI_UNKNOWN_CONNECTION);
    list_each(l, next, &c->direct)
    {
        struct bl_attempt *a = connector_entry(l);
        if (a->state != BL_ATTEMPT_WAITING)
            continue;
        if (a->retry_at <= now)
            a->retry_at = 0;
        if (a->deadline > now)
            continue;
        if (a == c->target)
            a->expired = true; /* the step cancels; what comes of that decides */
        else
            connector_end(c, a, a->why);
    }
}
