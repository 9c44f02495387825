/* SPDX-License-Identifier: MIT */

/*
 * host: the wiring. Input goes to lib/hci, what it says is handed to the modules that it concerns,
 * and then the modules are asked, in a fixed order, for the next configuration command.
 *
 *     OFF --start--> BRINGUP --(hci ready)--> READY --shutdown--> LEAVING --(no links)--> RESETTING
 *      ^                |                       |                    |                        |
 *      +----- dead, stop (everything ends, with events) -------------+---- Reset answered ----+
 *
 * Modules never call each other upward; where one's news is another's (a connection that an
 * attempt led to, a link whose end frees an advertisement) it passes through here.
 */

#include "host_internal.h"

#include "base/cleanup.h"
#include "base/timerq.h"
#include "hci/cmd.h"
#include "hci/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HOST_SHUTDOWN_US 1500000u /* for all links to end */
#define HOST_RESET_US    500000u  /* and for Reset to be answered */

enum { /* Core 5.4, Vol 4, Part A, 2 and Part E, 7.7.19 */
       HOST_H4_ACL = 0x02,
       HOST_H4_EVENT = 0x04,
       HOST_COMPLETED_PACKETS = 0x13,
};

int bl_host_new(struct bl_host **ret, const struct bl_env *env, const struct bl_config *config)
{
    struct bl_host *host = calloc(1, sizeof(*host));
    int r = host ? 0 : -ENOMEM;

    if (r < 0)
        return r;
    host->env = *env;
    host->shutdown_deadline = host->held_since = TIMERQ_NEVER;
    host->hci = bl_hci_new(&host->env);
    host->radio = (struct bl_radio){
        .hci = host->hci, .env = &host->env, .events = &host->events, .config = *config};
    host->smp = bl_smp_new(host->hci, &host->env, &host->events, &host->radio.config);
    if (bl_evq_init(&host->events) < 0 || !host->hci || !host->smp) {
        bl_host_free(host);
        return -ENOMEM;
    }
    bl_privacy_init(&host->privacy, &host->radio);
    if ((r = bl_advertiser_init(&host->advertiser, &host->radio, &host->privacy)) < 0 ||
        (r = bl_scanner_init(&host->scanner, &host->radio, &host->privacy)) < 0 ||
        (r = bl_connector_init(&host->connector, &host->radio, &host->privacy)) < 0 ||
        (r = bl_l2cap_init(&host->l2cap, host->hci, &host->env, &host->events,
                           &host->radio.config)) < 0 ||
        (r = bl_gatt_init(&host->gatt, host->hci, &host->env, &host->events, &host->radio.config)) <
            0 ||
        (r = bl_links_init(&host->links, &host->radio, &host->privacy, &host->l2cap, &host->gatt,
                           host->smp)) < 0) {
        bl_host_free(host);
        return r;
    }
    *ret = host;
    return 0;
}

struct bl_host *bl_host_free(struct bl_host *host)
{
    if (!host)
        return NULL;
    bl_gatt_deinit(&host->gatt);
    bl_l2cap_deinit(&host->l2cap);
    bl_links_deinit(&host->links);
    bl_connector_deinit(&host->connector);
    bl_scanner_deinit(&host->scanner);
    bl_advertiser_deinit(&host->advertiser);
    bl_privacy_deinit(&host->privacy);
    bl_smp_free(host->smp);
    bl_hci_free(host->hci);
    bl_evq_deinit(&host->events);
    free(host);
    return NULL;
}

static void host_end_op(struct bl_host *host, bl_op *op, bl_status status)
{
    bl_op ended = *op;

    *op = 0;
    bl_evq_op_done(&host->events, ended, status);
}

/* Everything that depends on the controller ends, in the order of the D-Bus contract: links, then
 * what is on the air. */
static void host_end_all(struct bl_host *host, uint64_t now)
{
    host->radio.ready = false;
    bl_links_reset(&host->links, now, BL_NOT_ACTIVE);
    bl_l2cap_reset(&host->l2cap);
    bl_host_security(host, now);
    bl_bonds_flush(bl_smp_bonds(host->smp), now);
    bl_connector_reset(&host->connector, now, BL_NOT_ACTIVE);
    bl_scanner_reset(&host->scanner, now, BL_NOT_ACTIVE);
    bl_advertiser_reset(&host->advertiser, now, BL_NOT_ACTIVE);
    bl_privacy_reset(&host->privacy, now, BL_NOT_ACTIVE);
    for (size_t i = 0; i < ARRAY_LEN(host->user_ops); i++)
        host_end_op(host, &host->user_ops[i], BL_NOT_ACTIVE);
    host_end_op(host, &host->lifecycle_op, BL_NOT_ACTIVE);
    host->radio.outstanding = host->radio.advertising = host->radio.scanning = false;
    host->radio.initiating = host->radio.pause = host->radio.still = host->radio.sets = false;
    host->shutdown_deadline = host->held_since = TIMERQ_NEVER;
    host->state = BL_HOST_OFF;
}

static void host_failed(struct bl_host *host, uint64_t now, const char *why)
{
    bl_hci_stop(host->hci);
    host_end_all(host, now);
    bl_evq_push(&host->events, &(struct bl_event){.kind = BL_EV_FAILED, .failed = {why}});
}

/* ---- input ---- */

/* Our address in a new connection: the controller's word, where it made one up. */
static struct bl_addr host_own(const struct bl_hci_event *e, const struct bl_addr *ours)
{
    struct bl_addr own = {.type = ADDR_RANDOM};

    memcpy(own.b, e->connection.local_rpa, sizeof(own.b));
    return bl_addr_is_zero(&own) ? *ours : own;
}

static void host_connection_complete(struct bl_host *host, uint64_t now,
                                     const struct bl_hci_event *e)
{
    if (host->state != BL_HOST_READY)
        return; /* shutting down: Reset will end it */
    if (e->connection.role == BL_ROLE_CENTRAL) {
        uint16_t attempt = bl_connector_complete(&host->connector, now, e);
        struct bl_addr own = host_own(e, &host->connector.own);
        if (e->status == 0)
            bl_links_add(&host->links, now, e, &own, attempt, 0, false);
    } else if (e->status != 0) {
        bl_advertiser_failed_connect(&host->advertiser, now, e);
    } else {
        uint16_t adv = bl_advertiser_connected(&host->advertiser, now, e);
        struct bl_addr own = host_own(e, &host->advertiser.conn_own);
        bl_links_add(&host->links, now, e, &own, 0, adv, adv == 0);
    }
}

static void host_event(struct bl_host *host, uint64_t now, const struct bl_hci_event *e)
{
    switch (e->kind) {
    case BL_HCI_EV_CONNECTION_COMPLETE:
        host_connection_complete(host, now, e);
        break;
    case BL_HCI_EV_ADV_TERMINATED: {
        uint16_t adv = bl_advertiser_terminated(&host->advertiser, now, e);
        if (e->status == 0)
            bl_links_adv_known(&host->links, now, e->adv_terminated.conn_handle,
                               &host->advertiser.conn_own, adv);
        break;
    }
    case BL_HCI_EV_REPORT:
    case BL_HCI_EV_SCAN_TIMEOUT:
        bl_scanner_event(&host->scanner, now, e);
        break;
    case BL_HCI_EV_LTK_REQUEST:
    case BL_HCI_EV_ENCRYPTION_CHANGE:
    case BL_HCI_EV_KEY_REFRESH:
        bl_links_event(&host->links, now, e);
        bl_smp_event(host->smp, now, bl_links_by_handle(&host->links, e->handle), e);
        break;
    case BL_HCI_EV_DISCONNECTION_COMPLETE:
    case BL_HCI_EV_CONNECTION_UPDATE:
    case BL_HCI_EV_PARAM_REQUEST:
    case BL_HCI_EV_REMOTE_FEATURES:
    case BL_HCI_EV_REMOTE_VERSION:
    case BL_HCI_EV_DATA_LENGTH:
    case BL_HCI_EV_PHY_UPDATE:
    case BL_HCI_EV_CHANNEL_SELECTION:
        bl_links_event(&host->links, now, e);
        break;
    case BL_HCI_EV_KINDS:
        break;
    }
}

static void host_reset_answered(struct bl_host *host, uint64_t now)
{
    bl_hci_stop(host->hci);
    host_end_op(host, &host->lifecycle_op, BL_OK);
    host_end_all(host, now);
}

static void host_user_reply(struct bl_host *host, const struct bl_hci_reply *reply)
{
    for (size_t i = 0; i < ARRAY_LEN(host->user_ops); i++) {
        if (host->user_ops[i] == 0 || host->user_ops[i] != reply->arg)
            continue;
        struct bl_event e = {.kind = BL_EV_OP_DONE,
                             .done = {.op = host->user_ops[i],
                                      .status = reply->lost ? BL_TIMEOUT : BL_OK,
                                      .reply = {.params = reply->params.p,
                                                .len = reply->params.left,
                                                .status = reply->status}}};
        host->user_ops[i] = 0;
        bl_evq_op_reply(&host->events, &e);
    }
}

static void host_reply(struct bl_host *host, uint64_t now, const struct bl_hci_reply *reply)
{
    switch (reply->owner) {
    case BL_HCI_OWNER_PRIVACY:
        host->radio.outstanding = false;
        bl_privacy_reply(&host->privacy, now, reply);
        break;
    case BL_HCI_OWNER_ADVERTISER:
        host->radio.outstanding = false;
        bl_advertiser_reply(&host->advertiser, now, reply);
        break;
    case BL_HCI_OWNER_SCANNER:
        host->radio.outstanding = false;
        bl_scanner_reply(&host->scanner, now, reply);
        break;
    case BL_HCI_OWNER_CONNECTOR:
        host->radio.outstanding = false;
        bl_connector_reply(&host->connector, now, reply);
        break;
    case BL_HCI_OWNER_LINKS:
        bl_links_reply(&host->links, now, reply);
        break;
    case BL_HCI_OWNER_HOST:
        if (host->state == BL_HOST_RESETTING && reply->arg == 0)
            host_reset_answered(host, now);
        else
            host_user_reply(host, reply);
        break;
    case BL_HCI_OWNER_SMP:
        bl_smp_reply(host->smp, now, reply);
        break;
    case BL_HCI_OWNER_BRINGUP:
    case BL_HCI_OWNERS:
        break;
    }
}

enum host_input {
    HOST_INPUT_NONE,
    HOST_INPUT_REPORTS, /* nothing but: they change nothing for anybody but their readers */
    HOST_INPUT_FRAMES,  /* data on channels: nothing for anybody but lib/l2cap */
    HOST_INPUT_TRAFFIC, /* PDUs as well, and nothing else: lib/gap need not be asked */
    HOST_INPUT_NEWS,
};

/* Whom it may concern. */
static enum host_input host_pdu(struct bl_host *host, uint64_t now, const struct bl_hci_in *in)
{
    uint16_t conn = bl_links_pdu(&host->links, now, in->pdu.handle);
    enum host_input ret = HOST_INPUT_NEWS;
    struct bl_sig sig;

    if (conn == 0)
        return HOST_INPUT_TRAFFIC; /* no such connection, or one that is being thrown away */
    switch (in->pdu.cid) {
    case BL_ATT_CID:
        bl_gatt_pdu(&host->gatt, now, conn, in->pdu.data, in->pdu.len);
        ret = HOST_INPUT_TRAFFIC;
        break;
    case BL_L2CAP_SIGNALING_CID:
        if (bl_l2cap_signal(&host->l2cap, now, conn, in->pdu.data, in->pdu.len, &sig))
            bl_links_signal(&host->links, now, conn, &sig);
        else
            ret = HOST_INPUT_TRAFFIC;
        break;
    case BL_SMP_CID:
        bl_smp_pdu(host->smp, now, conn, in->pdu.data, in->pdu.len);
        break;
    default:
        if (in->pdu.cid >= BL_L2CAP_CID_MIN) {
            bl_l2cap_pdu(&host->l2cap, now, conn, in->pdu.cid, in->pdu.data, in->pdu.len);
            ret = HOST_INPUT_FRAMES;
        }
        break; /* Core 5.4, Vol 3, Part A, 3: data on an unknown channel is ignored */
    }
    /* that it was the first sign of life of its link is news */
    return host->links.n_news > 0 ? HOST_INPUT_NEWS : ret;
}

static void host_ready(struct bl_host *host, uint64_t now)
{
    host->state = BL_HOST_READY;
    host->radio.ready = true;
    bl_privacy_ready(&host->privacy, now);
    bl_host_identity(host);
    bl_evq_push(&host->events, &(struct bl_event){.kind = BL_EV_READY});
    host_end_op(host, &host->lifecycle_op, BL_OK);
}

/* What became of links concerns those who made them. */
static void host_link_news(struct bl_host *host, uint64_t now)
{
    struct bl_links_news news;

    while (bl_links_pop_news(&host->links, &news))
        switch (news.kind) {
        case BL_LINKS_ESTABLISHED:
            if (news.attempt)
                bl_connector_established(&host->connector, now, news.attempt, news.conn);
            break;
        case BL_LINKS_LOST:
            if (news.attempt)
                bl_connector_link_lost(&host->connector, now, news.attempt, &news.peer,
                                       news.reason);
            break;
        case BL_LINKS_GONE:
            bl_connector_peer_gone(&host->connector, now, &news.peer);
            bl_advertiser_link_gone(&host->advertiser, now, news.adv);
            break;
        }
}

static bool host_step(struct bl_host *host, uint64_t now)
{
    uint8_t phys;
    enum bl_seek seek = bl_connector_seek(&host->connector, &phys);

    bl_scanner_seek(&host->scanner, now, seek, phys);
    return bl_privacy_step(&host->privacy, now) || bl_connector_step(&host->connector, now) ||
           bl_advertiser_step(&host->advertiser, now) || bl_scanner_step(&host->scanner, now);
}

/* The last command: without it a controller behind a serial line would go on advertising. */
static void host_leave(struct bl_host *host, uint64_t now)
{
    bool late = now >= host->shutdown_deadline;

    if (host->state == BL_HOST_LEAVING && (bl_links_count(&host->links) == 0 || late)) {
        host->state = BL_HOST_RESETTING;
        host->shutdown_deadline = now + HOST_RESET_US;
        if (bl_hci_cmd(host->hci, BL_CMD_RESET, NULL, 0, BL_HCI_OWNER_HOST, 0) < 0)
            host_reset_answered(host, now);
    }
}

static enum host_input host_take_input(struct bl_host *host, uint64_t now)
{
    enum host_input all = HOST_INPUT_NONE;
    struct bl_hci_in in;

    while (host->state != BL_HOST_OFF && bl_hci_next(host->hci, now, &in)) {
        enum host_input this = HOST_INPUT_NEWS;
        switch (in.kind) {
        case BL_HCI_READY:
            host_ready(host, now);
            break;
        case BL_HCI_REPLY:
            host_reply(host, now, &in.reply);
            break;
        case BL_HCI_EVENT:
            if (in.event.kind == BL_HCI_EV_REPORT &&
                !bl_connector_sighted(&host->connector, now, &in.event.adv.report))
                this = HOST_INPUT_REPORTS;
            host_event(host, now, &in.event);
            break;
        case BL_HCI_PDU:
            this = host_pdu(host, now, &in);
            break;
        case BL_HCI_DEAD:
            host_failed(host, now, in.dead.why);
            break;
        }
        all = this > all ? this : all;
    }
    return all;
}

/* A peer that did not answer within its time is not one any more: Core 5.4, Vol 3, Part F, 3.3.3 */
void bl_host_pump_gatt(struct bl_host *host, uint64_t now)
{
    uint16_t conn;

    bl_l2cap_step(&host->l2cap, now);
    bl_gatt_step(&host->gatt, now);
    while ((conn = bl_gatt_pop_dead(&host->gatt)) != 0)
        (void)bl_links_disconnect(&host->links, now, conn, 0, NULL);
    bl_host_keep(host, now);
}

static void host_pump_all(struct bl_host *host, uint64_t now)
{
    bl_host_security(host, now);
    bl_host_pump_gatt(host, now);
    host_link_news(host, now);
    host->radio.links = bl_links_count(&host->links);
    /* Twice: an address that a later module claims may call for an earlier one to pause. */
    for (int i = 0; i < 2 && host->state == BL_HOST_READY && !host->radio.outstanding; i++)
        if (host_step(host, now))
            break;
    host_leave(host, now);
}

void bl_host_pump(struct bl_host *host, uint64_t now)
{
    if (host_take_input(host, now) != HOST_INPUT_REPORTS)
        host_pump_all(host, now);
}

/* ACL data, or the credits for it (Number Of Completed Packets): what brings no command's end. */
static bool host_is_traffic(const uint8_t *packet, size_t n)
{
    return n >= 2 && (packet[0] == HOST_H4_ACL ||
                      (packet[0] == HOST_H4_EVENT && packet[1] == HOST_COMPLETED_PACKETS));
}

int bl_host_receive(struct bl_host *host, uint64_t now, const void *packet, size_t n)
{
    if (bl_evq_full(&host->events)) {
        if (host->held_since == TIMERQ_NEVER)
            host->held_since = now;
        return -EAGAIN;
    }
    if (host->state == BL_HOST_OFF)
        return 0;
    if (host->held_since != TIMERQ_NEVER && now > host->held_since)
        bl_hci_forgive(host->hci, now - host->held_since);
    host->held_since = TIMERQ_NEVER;
    bl_hci_receive(host->hci, now, packet, n);

    enum host_input input = host_take_input(host, now);
    if (input == HOST_INPUT_NONE && host_is_traffic(packet, n))
        input = HOST_INPUT_TRAFFIC;
    if (input == HOST_INPUT_FRAMES)
        bl_l2cap_step(&host->l2cap, now);
    else if (input == HOST_INPUT_TRAFFIC)
        bl_host_pump_gatt(host, now);
    else if (input != HOST_INPUT_REPORTS)
        host_pump_all(host, now);
    return 0;
}

/* ---- output and time ---- */

size_t bl_host_next_tx(struct bl_host *host, uint64_t now, const uint8_t **bytes)
{
    if (host->state == BL_HOST_OFF)
        return 0;
    if (!list_empty(&host->l2cap.sending)) {
        bl_hci_taken(host->hci); /* frames are cut where the last one has lain */
        bl_l2cap_fill(&host->l2cap, now);
    }
    return bl_hci_next_tx(host->hci, now, bytes);
}

bool bl_host_next_event(struct bl_host *host, struct bl_event *ret)
{
    return bl_evq_pop(&host->events, ret);
}

static uint64_t host_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t bl_host_deadline(const struct bl_host *host)
{
    if (host->state == BL_HOST_OFF)
        return TIMERQ_NEVER;

    uint64_t at = host->shutdown_deadline;
    if (host->held_since == TIMERQ_NEVER)
        at = host_min(at, bl_hci_deadline(host->hci));
    at = host_min(at, bl_privacy_deadline(&host->privacy));
    at = host_min(at, bl_connector_deadline(&host->connector));
    at = host_min(at, bl_links_deadline(&host->links));
    at = host_min(at, bl_l2cap_deadline(&host->l2cap));
    at = host_min(at, bl_gatt_deadline(&host->gatt));
    at = host_min(at, bl_smp_deadline(host->smp));
    at = host_min(at, bl_advertiser_deadline(&host->advertiser));
    return host_min(at, bl_scanner_deadline(&host->scanner));
}

void bl_host_tick(struct bl_host *host, uint64_t now)
{
    if (host->state == BL_HOST_OFF)
        return;
    if (host->state == BL_HOST_RESETTING && now >= host->shutdown_deadline) {
        host_reset_answered(host, now); /* the controller had its time */
        return;
    }
    if (host->held_since == TIMERQ_NEVER) /* else its answers may be in what is held back */
        bl_hci_tick(host->hci, now);
    bl_privacy_tick(&host->privacy, now);
    bl_connector_tick(&host->connector, now);
    bl_links_tick(&host->links, now);
    bl_l2cap_tick(&host->l2cap, now);
    bl_gatt_tick(&host->gatt, now);
    bl_smp_tick(host->smp, now);
    bl_advertiser_tick(&host->advertiser, now);
    bl_scanner_tick(&host->scanner, now);
    bl_host_pump(host, now);
}

/* ---- life ---- */

int bl_host_start(struct bl_host *host, uint64_t now, bl_op *op)
{
    if (host->state != BL_HOST_OFF)
        return -EBUSY;
    host->lifecycle_op = bl_evq_op(&host->events);
    if (host->lifecycle_op == 0)
        return -EBUSY;
    *op = host->lifecycle_op;
    host->state = BL_HOST_BRINGUP;
    bl_hci_start(host->hci, now);
    return 0;
}

int bl_host_shutdown(struct bl_host *host, uint64_t now, bl_op *op)
{
    if (host->state != BL_HOST_READY)
        return -ENETDOWN;

    bl_op mine = bl_evq_op(&host->events);
    if (mine == 0)
        return -EBUSY;
    *op = host->lifecycle_op = mine;
    host->state = BL_HOST_LEAVING;
    host->radio.ready = false;
    host->shutdown_deadline = now + HOST_SHUTDOWN_US;
    bl_connector_reset(&host->connector, now, BL_NOT_ACTIVE);
    bl_scanner_reset(&host->scanner, now, BL_NOT_ACTIVE);
    bl_advertiser_reset(&host->advertiser, now, BL_NOT_ACTIVE);
    bl_links_disconnect_all(&host->links, now, BL_HCI_REMOTE_TERMINATED);
    bl_host_pump(host, now);
    return 0;
}

void bl_host_stop(struct bl_host *host, uint64_t now)
{
    if (host->state == BL_HOST_OFF)
        return;
    bl_hci_stop(host->hci);
    host_end_all(host, now);
}

bool bl_host_ready(const struct bl_host *host)
{
    return host->state == BL_HOST_READY;
}
