/* SPDX-License-Identifier: MIT */

/*
 * The table of connections.
 *
 *   central      NEW --sign of life, 6 intervals--> UP --Disconnection Complete, forced--> gone
 *                 |'--Disconnection Complete--> gone unseen (news LOST: the connector's again)
 *                 '--abandoned--> DROPPED --Disconnection Complete, forced--> gone unseen
 *   peripheral   NEW --adv known, PDU, event, 100 ms--> UP --> gone
 *
 * Timers of a link: ANNOUNCE (NEW), UPDATE and PHY (an operation under way), END (Disconnect).
 */

#include "gap/link_internal.h"

#include "base/cleanup.h"
#include "gap/privacy.h"
#include "hci/cmd.h"
#include "hci/error.h"

#include <errno.h>
#include <stdlib.h>

int bl_links_init(struct bl_links *l, struct bl_radio *radio, struct bl_privacy *privacy,
                  struct bl_l2cap *l2cap, struct bl_gatt *gatt, struct bl_smp *smp)
{
    *l = (struct bl_links){.radio = radio,
                           .privacy = privacy,
                           .l2cap = l2cap,
                           .gatt = gatt,
                           .smp = smp,
                           .blocked_until = TIMERQ_NEVER};
    return 0;
}

void bl_links_deinit(struct bl_links *l)
{
    while (l->count > 0)
        free(l->table[--l->count]);
}

struct bl_link *link_by_handle(const struct bl_links *l, uint16_t handle)
{
    for (unsigned i = 0; i < l->count; i++)
        if (l->table[i]->handle == handle)
            return l->table[i];
    return NULL;
}

struct bl_link *link_by_conn(const struct bl_links *l, uint16_t conn)
{
    for (unsigned i = 0; conn != 0 && i < l->count; i++)
        if (l->table[i]->conn == conn)
            return l->table[i];
    return NULL;
}

void link_set_timer(struct bl_links *l, struct bl_link *link, enum link_timer timer, uint64_t at)
{
    timerq_set(&l->timers, &link->clocks[timer].timer, at);
}

void link_stop_timer(struct bl_links *l, struct bl_link *link, enum link_timer timer)
{
    timerq_cancel(&l->timers, &link->clocks[timer].timer);
}

const struct bl_addr *link_peer(const struct bl_link *link)
{
    return bl_addr_is_zero(&link->identity) ? &link->air : &link->identity;
}

/* ---- news ---- */

static void links_tell(struct bl_links *l, const struct bl_link *link, enum bl_links_news_kind kind,
                       uint8_t reason)
{
    if (l->n_news == ARRAY_LEN(l->news))
        abort(); /* not popped as the header says: a bug, not an input */
    l->news[(l->news_head + l->n_news++) % ARRAY_LEN(l->news)] =
        (struct bl_links_news){.kind = kind,
                               .role = link->role,
                               .conn = link->conn,
                               .attempt = link->attempt,
                               .adv = link->adv,
                               .peer = *link_peer(link),
                               .reason = reason};
}

/* A connection that nobody has seen came through this advertisement, and is no more. */
static void links_tell_adv_free(struct bl_links *l, uint16_t adv)
{
    links_tell(l, &(struct bl_link){.role = BL_ROLE_PERIPHERAL, .adv = adv}, BL_LINKS_GONE,
               BL_HCI_UNSPECIFIED);
}

bool bl_links_pop_news(struct bl_links *l, struct bl_links_news *ret)
{
    if (l->n_news == 0)
        return false;
    *ret = l->news[l->news_head];
    l->news_head = (l->news_head + 1) % (unsigned)ARRAY_LEN(l->news);
    l->n_news--;
    return true;
}

/* ---- beginnings ---- */

static uint16_t links_new_conn(struct bl_links *l)
{
    do
        l->last_conn++;
    while (l->last_conn == 0 || l->last_conn == UINT16_MAX || link_by_conn(l, l->last_conn));
    return l->last_conn;
}

/* Our address where nobody has said which: the one that we use for nothing else said. */
static struct bl_smp_link link_made(const struct bl_links *l, const struct bl_link *link)
{
    struct bl_smp_link made = {.conn = link->conn,
                               .handle = link->handle,
                               .role = link->role,
                               .own = link->own,
                               .peer = link->air,
                               .identity = link->identity};

    if (bl_addr_is_zero(&made.own))
        (void)bl_privacy_current(l->privacy, &made.own);
    return made;
}

void link_announce(struct bl_links *l, uint64_t now, struct bl_link *link)
{
    if (link->state != LINK_NEW)
        return;
    link_stop_timer(l, link, LINK_TIMER_ANNOUNCE);
    link->state = LINK_UP;
    link->conn = links_new_conn(l);
    l->opened++;
    bl_evq_push(l->radio->events, &(struct bl_event){.kind = BL_EV_CONNECTED,
                                                     .connected = {.conn = link->conn,
                                                                   .attempt = link->attempt,
                                                                   .adv = link->adv,
                                                                   .role = link->role,
                                                                   .peer = *link_peer(link)}});
    links_tell(l, link, BL_LINKS_ESTABLISHED, 0);
    const struct bl_smp_link made = link_made(l, link);
    if ((bl_l2cap_open(l->l2cap, now, link->conn, link->handle) < 0 ||
         bl_gatt_open(l->gatt, now, link->conn, link->handle, link->role) < 0 ||
         bl_smp_open(l->smp, now, &made) < 0) &&
        !link->ending)
        link_begin_end(l, now, link, BL_HCI_REMOTE_LOW_RESOURCES);
}

void link_drop(struct bl_links *l, uint64_t now, struct bl_link *link)
{
    link_stop_timer(l, link, LINK_TIMER_ANNOUNCE);
    link->state = LINK_DROPPED;
    link->attempt = 0;
    link_begin_end(l, now, link, BL_HCI_REMOTE_TERMINATED);
}

static void link_set_peer(struct bl_links *l, struct bl_link *link, const struct bl_hci_event *e)
{
    struct bl_addr rpa = {.type = ADDR_RANDOM};

    link->air = e->connection.peer;
    if (e->connection.resolved) { /* by the controller */
        link->identity = e->connection.peer;
        memcpy(rpa.b, e->connection.peer_rpa, sizeof(rpa.b));
        if (!bl_addr_is_zero(&rpa))
            link->air = rpa;
    } else {
        (void)bl_privacy_resolve(l->privacy, &link->air, &link->identity);
    }
}

static struct bl_link *link_new(struct bl_links *l, uint64_t now, const struct bl_hci_event *e)
{
    struct bl_link *link = l->count < BL_MAX_LINKS ? calloc(1, sizeof(*link)) : NULL;

    if (!link)
        return NULL;
    l->last_serial = l->last_serial % LINK_SERIAL_MAX + 1;
    link->serial = l->last_serial;
    link->handle = e->handle;
    link->role = e->connection.role;
    link->since = now;
    link->interval = e->connection.interval;
    link->latency = e->connection.latency;
    link->timeout = e->connection.timeout;
    link->tx_phy = link->rx_phy = BL_PHY_1M;
    link->tx_octets = link->rx_octets = 27; /* Core 5.4, Vol 6, Part B, 4.5.10 */
    for (unsigned i = 0; i < LINK_TIMERS; i++) {
        link->clocks[i].link = link;
        link->clocks[i].kind = (enum link_timer)i;
    }
    link_set_peer(l, link, e);
    l->table[l->count++] = link;
    return link;
}

/* A central's controller gives a connection up after six intervals without an answer (Core 5.4,
 * Vol 6, Part B, 4.5.2); the first comes an interval and some after the request. */
static uint64_t link_proof_us(const struct bl_link *link)
{
    return (6u + 2u) * link->interval * UINT64_C(1250) + 50000u;
}

/* What is asked of every link: the peer's features (as peripheral only where the controller can),
 * and the PHY where the connection may have begun on another than 1M. */
static void link_ask(struct bl_links *l, uint64_t now, struct bl_link *link)
{
    const struct bl_hci *hci = l->radio->hci;
    bool may = link->role == BL_ROLE_CENTRAL || bl_hci_has_feature(hci, BL_LE_PERIPHERAL_FEATURES);

    if (may && bl_hci_supports(hci, BL_CMD_LE_READ_REMOTE_FEATURES)) {
        link->features_state = LINK_FEATURES_ASKED;
        link_want(l, now, link, LINK_CMD_FEATURES);
    }
    if (bl_hci_caps(hci)->extended && bl_hci_supports(hci, BL_CMD_LE_READ_PHY) &&
        (bl_hci_has_feature(hci, BL_LE_2M) || bl_hci_has_feature(hci, BL_LE_CODED)))
        link_want(l, now, link, LINK_CMD_READ_PHY);
}

void bl_links_add(struct bl_links *l, uint64_t now, const struct bl_hci_event *e,
                  const struct bl_addr *own, uint16_t attempt, uint16_t adv, bool adv_unknown)
{
    struct bl_link *link = link_by_handle(l, e->handle);

    if (link) /* the controller has given its handle away: it has ended, unreported */
        link_end(l, now, link, BL_HCI_UNSPECIFIED, bl_status_hci(BL_HCI_UNSPECIFIED));
    link = link_new(l, now, e);
    if (!link) {
        struct bl_link none = {.attempt = attempt, .adv = adv, .role = e->connection.role};
        none.air = e->connection.peer;
        l->refused++;
        link_orphan(l, now, e->handle);
        links_tell(l, &none, none.role == BL_ROLE_CENTRAL ? BL_LINKS_LOST : BL_LINKS_GONE,
                   BL_HCI_CONNECTION_LIMIT);
        return;
    }
    link->own = *own;
    link->attempt = attempt;
    link->adv = adv;
    if (link->role == BL_ROLE_CENTRAL && attempt == 0) {
        link_drop(l, now, link);
        return;
    }
    if (link->role == BL_ROLE_PERIPHERAL && !e->connection.resolved &&
        bl_privacy_refuses(l->privacy, &link->air)) { /* not who it says it is */
        l->refused++;
        link_drop(l, now, link);
        if (!adv_unknown)
            links_tell_adv_free(l, adv);
        return;
    }
    if (link->role == BL_ROLE_CENTRAL)
        link_set_timer(l, link, LINK_TIMER_ANNOUNCE, now + link_proof_us(link));
    else if (adv_unknown)
        link_set_timer(l, link, LINK_TIMER_ANNOUNCE, now + BL_LINKS_ADV_WAIT_US);
    else
        link_announce(l, now, link);
    link_ask(l, now, link);
}

void bl_links_adv_known(struct bl_links *l, uint64_t now, uint16_t handle,
                        const struct bl_addr *own, uint16_t adv)
{
    struct bl_link *link = link_by_handle(l, handle);

    if (!link || link->state == LINK_DROPPED) {
        /* gone already, or there was no room for it: whose it was may still matter */
        links_tell_adv_free(l, adv);
    } else if (link->role == BL_ROLE_PERIPHERAL && link->adv == 0) {
        link->adv = adv;
        if (bl_addr_is_zero(&link->own))
            link->own = *own;
        if (link->state == LINK_UP)
            bl_smp_own(l->smp, link->conn, &link->own);
        link_announce(l, now, link);
    }
}

void bl_links_identified(struct bl_links *l, uint16_t conn, const struct bl_addr *identity)
{
    struct bl_link *link = link_by_conn(l, conn);

    if (link)
        link->identity = *identity;
}

void bl_links_abandon(struct bl_links *l, uint64_t now, uint16_t attempt)
{
    for (unsigned i = 0; attempt != 0 && i < l->count; i++)
        if (l->table[i]->attempt == attempt && l->table[i]->state == LINK_NEW)
            link_drop(l, now, l->table[i]);
}

/* ---- ends ---- */

static void links_remove(struct bl_links *l, struct bl_link *link)
{
    unsigned i = 0;

    while (l->table[i] != link)
        i++;
    l->count--;
    memmove(&l->table[i], &l->table[i + 1], (l->count - i) * sizeof(l->table[0]));
    for (i = 0; i < LINK_TIMERS; i++)
        link_stop_timer(l, link, (enum link_timer)i);
    free(link);
}

void link_end(struct bl_links *l, uint64_t now, struct bl_link *link, uint8_t reason, bl_status ops)
{
    if (link->state == LINK_NEW && link->role == BL_ROLE_PERIPHERAL)
        link_announce(l, now, link); /* the central was there: that is told */
    if (link->state == LINK_NEW)
        links_tell(l, link, BL_LINKS_LOST, reason);
    if (link->state == LINK_UP) {
        for (unsigned i = 0; i < LINK_OP_DISCONNECT; i++)
            link_op_done(l, link, (enum link_op)i, ops);
        bl_smp_close(l->smp, now, link->conn, bl_status_hci(reason));
        bl_gatt_close(l->gatt, now, link->conn, bl_status_hci(reason));
        bl_l2cap_close(l->l2cap, now, link->conn, bl_status_hci(reason));
        l->closed++;
        bl_evq_push(l->radio->events, &(struct bl_event){.kind = BL_EV_DISCONNECTED,
                                                         .disconnected = {.conn = link->conn,
                                                                          .role = link->role,
                                                                          .peer = *link_peer(link),
                                                                          .reason = reason}});
        link_op_done(l, link, LINK_OP_DISCONNECT, BL_OK);
        links_tell(l, link, BL_LINKS_GONE, reason);
    }
    links_remove(l, link);
}

void bl_links_reset(struct bl_links *l, uint64_t now, bl_status status)
{
    bool hci = status > BL_STATUS_HCI && status < BL_STATUS_SMP;
    uint8_t reason = hci ? (uint8_t)(status - BL_STATUS_HCI) : BL_HCI_LOCAL_TERMINATED;

    while (l->count > 0) {
        if (l->table[0]->state == LINK_UP)
            link_end(l, now, l->table[0], reason, status);
        else
            links_remove(l, l->table[0]);
    }
    l->n_news = 0;
    l->n_orphans = 0;
    l->blocked_until = TIMERQ_NEVER;
}

void bl_links_disconnect_all(struct bl_links *l, uint64_t now, uint8_t reason)
{
    for (unsigned i = 0; i < l->count; i++) {
        struct bl_link *link = l->table[i];
        if (link->state == LINK_NEW) {
            if (link->attempt)
                links_tell(l, link, BL_LINKS_LOST, BL_HCI_LOCAL_TERMINATED);
            link_drop(l, now, link);
        } else if (!link->ending) {
            link_begin_end(l, now, link, reason ? reason : BL_HCI_REMOTE_TERMINATED);
        }
    }
}

/* ---- lookups ---- */

uint16_t bl_links_by_handle(const struct bl_links *l, uint16_t handle)
{
    const struct bl_link *link = link_by_handle(l, handle);

    return link && link->state == LINK_UP ? link->conn : 0;
}

bool bl_links_handle(const struct bl_links *l, uint16_t conn, uint16_t *ret_handle)
{
    const struct bl_link *link = link_by_conn(l, conn);

    if (link)
        *ret_handle = link->handle;
    return link != NULL;
}

uint16_t bl_links_find(const struct bl_links *l, const struct bl_addr *peer)
{
    struct bl_addr identity = {0};
    bool resolved = bl_privacy_resolve(l->privacy, peer, &identity);

    for (unsigned i = 0; i < l->count; i++) {
        const struct bl_link *link = l->table[i];
        if (link->state != LINK_UP)
            continue;
        if (bl_addr_eq(&link->air, peer) || bl_addr_eq(link_peer(link), peer) ||
            (resolved && bl_addr_eq(link_peer(link), &identity)))
            return link->conn;
    }
    return 0;
}

int bl_links_info(const struct bl_links *l, uint16_t conn, struct bl_conn_info *ret)
{
    const struct bl_link *link = link_by_conn(l, conn);
    struct bl_hci_link_stats stats = {0};

    if (!link)
        return -ENOTCONN;
    (void)bl_hci_link_stats(l->radio->hci, link->handle, &stats);
    *ret = (struct bl_conn_info){.conn = link->conn,
                                 .handle = link->handle,
                                 .role = link->role,
                                 .peer = link->air,
                                 .identity = link->identity,
                                 .interval = link->interval,
                                 .latency = link->latency,
                                 .timeout = link->timeout,
                                 .tx_phy = link->tx_phy,
                                 .rx_phy = link->rx_phy,
                                 .tx_octets = link->tx_octets,
                                 .rx_octets = link->rx_octets,
                                 .since = link->since,
                                 .rx_packets = stats.rx_packets,
                                 .tx_packets = stats.tx_packets,
                                 .rx_bytes = stats.rx_bytes,
                                 .tx_bytes = stats.tx_bytes,
                                 .queued = bl_hci_queued(l->radio->hci, link->handle)};
    return 0;
}

uint16_t bl_links_next(const struct bl_links *l, uint16_t conn)
{
    bool here = conn == 0;

    for (unsigned i = 0; i < l->count; i++) {
        if (here && l->table[i]->state == LINK_UP)
            return l->table[i]->conn;
        here = here || l->table[i]->conn == conn;
    }
    return 0;
}

unsigned bl_links_count(const struct bl_links *l)
{
    return l->count;
}

bool bl_links_counter(const struct bl_links *l, size_t index, const char **ret_name,
                      uint64_t *ret_value)
{
    const struct {
        const char *name;
        uint64_t value;
    } table[] = {
        {"links-open", l->count},    {"links-opened", l->opened},   {"links-closed", l->closed},
        {"links-forced", l->forced}, {"links-refused", l->refused},
    };

    if (index >= ARRAY_LEN(table))
        return false;
    *ret_name = table[index].name;
    *ret_value = table[index].value;
    return true;
}
