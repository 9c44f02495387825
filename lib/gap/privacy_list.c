/* SPDX-License-Identifier: MIT */

/*
 * privacy_list: the controller's resolving list: the peers that it looks for by itself, whatever
 * private address they have, and our own private addresses, where it makes them.
 *
 * Peers: on it are those that connection attempts are for, as they are asked for; where it is full
 * the one that was used the longest ago makes room, if that is some time ago. Their privacy mode is
 * the configured one (Core 5.4, Vol 6, Part B, 4.7). In device mode a bonded peer may turn its
 * privacy off and be found all the same; a controller that does not know that mode is not used
 * then, since its entries would hide such a peer.
 *
 * Our own: all entries have our key, so that the controller makes an RPA towards each peer. For
 * whoever else hears our advertising there is an entry for nobody, without a peer's key, under the
 * address that undirected advertising names as its peer: zeros. The entry stands first, since it is
 * also how a controller shows that its list does anything at all. Some take entries and do nothing,
 * or hear nothing any more of whom they are about, and use the public address where an RPA is asked
 * for; so before anything depends on it, LE Read Local Resolvable Address has to give an address
 * that was made with our key, and again and again another one while we advertise. No event tells of
 * a new one, so it is asked for when the old one's time is over.
 *
 *     Set RPA Timeout -> Add (nobody) -> Set Address Resolution Enable
 *         -> scan -> Read Local RPA -> do not scan
 *         -> [Remove] -> Add -> [Set Privacy Mode] ...
 *
 * The scan is for controllers that make addresses when there is a use for them, and have nothing to
 * say before (Zephyr's reads where nothing is). It is passive: nothing is sent, under no address.
 *
 * Nothing here may change while anything is on the air (Core 5.4, Vol 4, Part E, 7.8.38), extended
 * advertising sets included, so radio->still makes all stand still for it; not for reading.
 *
 * The first thing that goes wrong ends the list's use until the controller is reset, resolution is
 * switched off, and the host makes the addresses and looks for peers itself (connector_seek.c).
 */

#include "gap/privacy.h"

#include "base/cleanup.h"
#include "base/timerq.h"
#include "base/wr.h"
#include "crypto/crypto.h"
#include "hci/cmd.h"
#include "hci/error.h"

#include <errno.h>
#include <string.h>

#define LIST_IN_USE_US 20480000u /* an entry used since then is not thrown out */
#define LIST_GRACE_US  5000000u  /* that an address of ours may be too old, beside another period */
#define LIST_ASK_US    1000000u  /* between two looks for a new one, at least */
#define LIST_SCAN      0x10      /* interval and window, 10 ms */

enum { LIST_RPA_OR_PUBLIC = 2 };              /* Own_Address_Type */
enum { LIST_NETWORK_MODE, LIST_DEVICE_MODE }; /* Core 5.4, Vol 4, Part E, 7.8.77 */

static bool list_supports(const struct bl_privacy *p, const uint16_t *needed, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!bl_hci_supports(p->radio->hci, needed[i]))
            return false;
    return true;
}

/* What is needed in any case; and to see whether it does what it is there for. */
static bool list_usable(const struct bl_privacy *p)
{
    static const uint16_t needed[] = {BL_CMD_LE_ADD_RESOLVING_LIST, BL_CMD_LE_REMOVE_RESOLVING_LIST,
                                      BL_CMD_LE_SET_ADDRESS_RESOLUTION};
    static const uint16_t proof[] = {BL_CMD_LE_SET_RPA_TIMEOUT, BL_CMD_LE_READ_LOCAL_RPA};
    const struct bl_hci *hci = p->radio->hci;

    return !p->list.broken && bl_hci_has_feature(hci, BL_LE_PRIVACY) &&
           bl_hci_caps(hci)->resolving_list > 0 && list_supports(p, needed, ARRAY_LEN(needed)) &&
           (!bl_privacy_has_irk(p) || list_supports(p, proof, ARRAY_LEN(proof)));
}

/* A new entry is in network mode. */
static bool list_usable_for_peers(const struct bl_privacy *p)
{
    static const uint16_t needed[] = {BL_CMD_LE_SET_PRIVACY_MODE};

    return list_usable(p) &&
           (p->radio->config.network_privacy || list_supports(p, needed, ARRAY_LEN(needed)));
}

static unsigned list_cap(const struct bl_privacy *p)
{
    unsigned cap = bl_hci_caps(p->radio->hci)->resolving_list;

    if (p->list.cap && p->list.cap < cap)
        cap = p->list.cap;
    cap -= bl_privacy_has_irk(p) && cap > 0; /* the dummy */
    return cap < BL_PRIVACY_LIST ? cap : BL_PRIVACY_LIST;
}

static struct bl_privacy_row *list_find(struct bl_privacy *p, const struct bl_addr *identity)
{
    for (unsigned i = 0; i < p->list.n; i++)
        if (bl_addr_eq(&p->list.rows[i].addr, identity))
            return &p->list.rows[i];
    return NULL;
}

static bool list_is_right(const struct bl_privacy *p, const struct bl_privacy_row *row)
{
    return !row->stale && row->network == p->radio->config.network_privacy;
}

bool bl_privacy_is_listed(struct bl_privacy *p, const struct bl_addr *identity)
{
    const struct bl_privacy_row *row = list_find(p, identity);

    return row && list_is_right(p, row) && p->list.on && !p->list.broken;
}

static struct bl_privacy_row *list_oldest(struct bl_privacy *p)
{
    struct bl_privacy_row *oldest = &p->list.rows[0];

    for (unsigned i = 1; i < p->list.n; i++)
        if (p->list.rows[i].used < oldest->used)
            oldest = &p->list.rows[i];
    return oldest;
}

int bl_privacy_list(struct bl_privacy *p, uint64_t now, const struct bl_addr *identity)
{
    struct bl_privacy_row *row = list_find(p, identity);

    if (bl_privacy_is_listed(p, identity)) {
        row->used = now;
        return 0;
    }
    if (!list_usable_for_peers(p) || !bl_privacy_knows(p, identity) || list_cap(p) == 0)
        return -EOPNOTSUPP;
    if (!row && p->list.n >= list_cap(p) && list_oldest(p)->used + LIST_IN_USE_US > now)
        return -EOPNOTSUPP;
    p->list.wanted = *identity;
    p->list.wanted_at = now;
    return -EAGAIN;
}

void bl_privacy_list_forget(struct bl_privacy *p, const struct bl_addr *identity)
{
    struct bl_privacy_row *row = list_find(p, identity);

    if (row)
        row->stale = true;
    if (bl_addr_eq(&p->list.asking.addr, identity))
        p->list.asking.stale = true; /* on its way there */
}

/* ---- what is to be done ---- */

static struct bl_privacy_row *list_first(struct bl_privacy *p, bool stale)
{
    for (unsigned i = 0; i < p->list.n; i++) {
        struct bl_privacy_row *row = &p->list.rows[i];
        if (stale ? row->stale : !list_is_right(p, row))
            return row;
    }
    return NULL;
}

/* Whether the controller is to make RPAs of ours. */
static bool list_wants_own(const struct bl_privacy *p)
{
    return p->radio->config.resolving_list && bl_privacy_has_irk(p) &&
           bl_privacy_in_use(p, BL_ADDR_MODE_RPA) && list_usable(p);
}

static uint16_t list_scan_params(const struct bl_privacy *p)
{
    return bl_hci_caps(p->radio->hci)->extended ? BL_CMD_LE_SET_EXT_SCAN_PARAMS
                                                : BL_CMD_LE_SET_SCAN_PARAMS;
}

static uint16_t list_scan_enable(const struct bl_privacy *p)
{
    return bl_hci_caps(p->radio->hci)->extended ? BL_CMD_LE_SET_EXT_SCAN_ENABLE
                                                : BL_CMD_LE_SET_SCAN_ENABLE;
}

/* Of what comes before peers: the entry for nobody, switched on. */
static uint16_t list_next_own(const struct bl_privacy *p)
{
    const struct bl_privacy_list *l = &p->list;

    if (l->timeout_s != bl_privacy_period(p) / 1000000)
        return BL_CMD_LE_SET_RPA_TIMEOUT;
    if (!l->dummy)
        return BL_CMD_LE_ADD_RESOLVING_LIST;
    if (!l->on)
        return BL_CMD_LE_SET_ADDRESS_RESOLUTION;
    if (!bl_addr_is_zero(&l->own))
        return 0;
    return l->stirred ? list_scan_enable(p) : list_scan_params(p);
}

/* The next command, 0 where all is done; *ret_row: whom it is about, the dummy where it stays as it
 * is. */
static uint16_t list_next(struct bl_privacy *p, struct bl_privacy_row *ret_row)
{
    struct bl_privacy_list *l = &p->list;
    const struct bl_privacy_row *row;
    bool wanted = !bl_addr_is_zero(&l->wanted) && bl_privacy_knows(p, &l->wanted);
    bool ours = list_wants_own(p) || (bl_privacy_has_irk(p) && (wanted || l->n > 0));
    uint16_t own;

    if (l->stirring) { /* nothing else while that is on */
        bool asks = ours && !l->broken && !l->dummy_stale && bl_addr_is_zero(&l->own);
        return asks ? BL_CMD_LE_READ_LOCAL_RPA : list_scan_enable(p);
    }
    if (l->broken)
        return l->on ? BL_CMD_LE_SET_ADDRESS_RESOLUTION : 0;
    if ((row = list_first(p, true))) {
        *ret_row = *row;
        return BL_CMD_LE_REMOVE_RESOLVING_LIST;
    }
    if (l->dummy && l->dummy_stale)
        return BL_CMD_LE_REMOVE_RESOLVING_LIST;
    if (ours && (own = list_next_own(p)) != 0)
        return own;
    if ((row = list_first(p, false))) {
        *ret_row = *row;
        return BL_CMD_LE_SET_PRIVACY_MODE;
    }
    if (wanted && !list_find(p, &l->wanted)) {
        bool full = l->n >= list_cap(p);
        *ret_row = full ? *list_oldest(p)
                        : (struct bl_privacy_row){l->wanted, .used = l->wanted_at, .network = true};
        return full ? BL_CMD_LE_REMOVE_RESOLVING_LIST : BL_CMD_LE_ADD_RESOLVING_LIST;
    }
    return l->n > 0 && !l->on ? BL_CMD_LE_SET_ADDRESS_RESOLUTION : 0;
}

bool bl_privacy_list_wants(struct bl_privacy *p)
{
    struct bl_privacy_row ignored;

    return list_next(p, &ignored) != 0;
}

/* Passive, with an RPA or else the public address, which is not sent either: Core 5.4, Vol 4, Part
 * E, 7.8.10, 7.8.11, 7.8.64, 7.8.65. */
static void list_write_scan(struct wr *w, uint16_t opcode, bool on)
{
    bool extended = opcode == BL_CMD_LE_SET_EXT_SCAN_PARAMS;

    if (opcode == BL_CMD_LE_SET_SCAN_ENABLE || opcode == BL_CMD_LE_SET_EXT_SCAN_ENABLE) {
        wr_u8(w, on);
        wr_zero(w, opcode == BL_CMD_LE_SET_SCAN_ENABLE ? 1 : 5);
        return;
    }
    if (extended) {
        wr_u8(w, LIST_RPA_OR_PUBLIC);
        wr_u8(w, 0);
        wr_u8(w, BL_PHYS_1M);
    }
    wr_u8(w, 0);
    wr_u16(w, LIST_SCAN);
    wr_u16(w, LIST_SCAN);
    if (!extended) {
        wr_u8(w, LIST_RPA_OR_PUBLIC);
        wr_u8(w, 0);
    }
}

/* What bl_radio_cmd() says. Core 5.4, Vol 4, Part E, 7.8.38, 7.8.39, 7.8.43 to 7.8.45, 7.8.77 */
static int list_cmd(struct bl_privacy *p, uint16_t opcode, const struct bl_privacy_row *row)
{
    const struct bl_config *config = &p->radio->config;
    uint8_t bytes[7 + 16 + 16];
    struct wr w = wr_make(bytes, sizeof(bytes));

    if (opcode == BL_CMD_LE_SET_ADDRESS_RESOLUTION) {
        wr_u8(&w, !p->list.broken);
    } else if (opcode == BL_CMD_LE_SET_RPA_TIMEOUT) {
        wr_u16(&w, (uint16_t)(bl_privacy_period(p) / 1000000));
    } else if (opcode == list_scan_params(p) || opcode == list_scan_enable(p)) {
        list_write_scan(&w, opcode, !p->list.stirring);
    } else {
        wr_u8(&w, row->addr.type);
        wr_bytes(&w, row->addr.b, 6);
    }
    if (opcode == BL_CMD_LE_SET_PRIVACY_MODE)
        wr_u8(&w, config->network_privacy ? LIST_NETWORK_MODE : LIST_DEVICE_MODE);
    if (opcode == BL_CMD_LE_ADD_RESOLVING_LIST) {
        wr_bytes(&w, bl_privacy_irk(p, &row->addr), 16);
        wr_bytes(&w, config->irk, 16);
    }
    int r = bl_radio_cmd(p->radio, opcode, bytes, w.len, BL_HCI_OWNER_PRIVACY, 0);
    bl_crypto_wipe(bytes, sizeof(bytes));
    return r;
}

static bool list_step(struct bl_privacy *p, uint16_t opcode, const struct bl_privacy_row *row)
{
    struct bl_privacy_list *l = &p->list;
    int r = list_cmd(p, opcode, row);

    if (r == 0) {
        l->asked = opcode;
        l->asking = *row;
        l->asking.network =
            p->radio->config.network_privacy || opcode == BL_CMD_LE_ADD_RESOLVING_LIST;
        if (opcode == BL_CMD_LE_ADD_RESOLVING_LIST)
            memcpy(l->irk, p->radio->config.irk, sizeof(l->irk));
        if (opcode == BL_CMD_LE_SET_RPA_TIMEOUT)
            l->timeout_s = (uint32_t)(bl_privacy_period(p) / 1000000);
        /* also where no answer tells whether it has them */
        p->radio->scan_moved |= opcode == list_scan_params(p);
    } else if (r != -EBUSY) {
        l->broken = true;
        l->on &= opcode != BL_CMD_LE_SET_ADDRESS_RESOLUTION;
        p->changes++;
    }
    return r == 0;
}

bool bl_privacy_list_step(struct bl_privacy *p)
{
    struct bl_privacy_row row = {0};
    uint16_t opcode = list_next(p, &row);

    return list_step(p, opcode, &row);
}

bool bl_privacy_list_ask(struct bl_privacy *p)
{
    const struct bl_privacy_list *l = &p->list;
    static const struct bl_privacy_row nobody;

    if (!l->ask || !l->dummy || l->dummy_stale || !l->on || l->broken)
        return false;
    return list_step(p, BL_CMD_LE_READ_LOCAL_RPA, &nobody);
}

/* ---- what came of it ---- */

/* Why that cannot be used. Off it is if it was never on, or if the controller does not even take
 * that. */
static void list_break(struct bl_privacy *p, const char *why, uint8_t status)
{
    bl_env_log(p->radio->env, BL_LOG_WARNING,
               "The controller's resolving list cannot be used: %s (HCI error 0x%02x)", why,
               status);
    p->list.broken = true;
}

static void list_refused(struct bl_privacy *p, const struct bl_hci_reply *reply)
{
    struct bl_privacy_list *l = &p->list;

    if (reply->opcode == BL_CMD_LE_ADD_RESOLVING_LIST && !reply->lost && l->n > 0 &&
        reply->status == BL_HCI_MEMORY_EXCEEDED) {
        l->cap = (uint8_t)(l->n + l->dummy); /* smaller than it claims */
        l->wanted = (struct bl_addr){0};
        return;
    }
    bool was_broken = l->broken;
    if (!was_broken)
        list_break(p, reply->lost ? "no answer" : "a command was refused", reply->status);
    if (reply->opcode == BL_CMD_LE_SET_ADDRESS_RESOLUTION)
        l->on = !was_broken && reply->lost;
    if (reply->opcode == list_scan_enable(p)) { /* once more, where nobody knows */
        l->stirring = reply->lost && l->stirred;
        l->stirred = false;
    }
}

/* An address that was made with our key, and another one when its time is over. */
static void list_told_own(struct bl_privacy *p, uint64_t now, struct rd r)
{
    struct bl_privacy_list *l = &p->list;
    struct bl_addr own = {.type = ADDR_RANDOM};
    uint64_t period = bl_privacy_period(p);
    uint8_t hash[3];

    if (l->dummy_stale)
        return; /* it has our old key */
    rd_copy(&r, own.b, sizeof(own.b));
    if (!rd_ok(&r) || !bl_addr_is_rpa(&own) || bl_crypto_ah(l->irk, own.b + 3, hash) < 0 ||
        !bl_crypto_equal(hash, own.b, sizeof(hash))) {
        list_break(p, "it makes no private addresses", 0);
        return;
    }
    bool late = now > l->ask_at + period; /* nobody was interested for a while */
    l->ask = false;
    l->ask_at = now + period;
    if (!bl_addr_eq(&own, &l->own)) {
        l->own = own;
        l->own_since = now;
    } else if (late || !p->radio->listed) {
        l->own_since = now; /* it may wait until it needs another one */
    } else if (now - l->own_since > 2 * period + LIST_GRACE_US) {
        list_break(p, "it does not change its private address", 0);
    } else {
        l->ask_at = now + (period / 16 > LIST_ASK_US ? period / 16 : LIST_ASK_US);
    }
}

static void list_accepted(struct bl_privacy *p, uint64_t now, uint16_t asked, struct rd params)
{
    struct bl_privacy_list *l = &p->list;
    struct bl_privacy_row *row = list_find(p, &l->asking.addr);
    bool nobody = bl_addr_is_zero(&l->asking.addr);

    if (asked == BL_CMD_LE_SET_ADDRESS_RESOLUTION) {
        l->on = !l->broken;
    } else if (asked == list_scan_params(p)) {
        l->stirred = true;
    } else if (asked == list_scan_enable(p)) {
        l->stirring = l->stirred && !l->stirring;
        l->stirred = l->stirring;
    } else if (asked == BL_CMD_LE_READ_LOCAL_RPA) {
        list_told_own(p, now, params);
    } else if (asked == BL_CMD_LE_ADD_RESOLVING_LIST && nobody) {
        l->dummy = true;
    } else if (asked == BL_CMD_LE_ADD_RESOLVING_LIST) {
        l->rows[l->n++] = l->asking;
    } else if (asked == BL_CMD_LE_SET_PRIVACY_MODE && row) {
        row->network = l->asking.network;
    } else if (asked == BL_CMD_LE_REMOVE_RESOLVING_LIST && nobody) {
        l->dummy = l->dummy_stale = false;
    } else if (asked == BL_CMD_LE_REMOVE_RESOLVING_LIST && row) {
        *row = l->rows[--l->n];
    }
    if (!bl_addr_is_zero(&l->wanted) && (row = list_find(p, &l->wanted)) && list_is_right(p, row))
        l->wanted = (struct bl_addr){0};
}

void bl_privacy_list_reply(struct bl_privacy *p, uint64_t now, const struct bl_hci_reply *reply)
{
    struct bl_privacy_list *l = &p->list;
    uint16_t asked = l->asked;
    bool able = bl_privacy_by_controller(p);

    l->asked = 0;
    if (asked != reply->opcode)
        return; /* of before a reset */
    if (reply->status != 0 || reply->lost)
        list_refused(p, reply);
    else
        list_accepted(p, now, asked, reply->params);
    p->changes += asked != BL_CMD_LE_READ_LOCAL_RPA || able != bl_privacy_by_controller(p);
}

/* ---- our own addresses ---- */

bool bl_privacy_by_controller(const struct bl_privacy *p)
{
    const struct bl_privacy_list *l = &p->list;

    return l->dummy && !l->dummy_stale && l->on && !l->broken && !l->stirring &&
           !bl_addr_is_zero(&l->own) && list_wants_own(p);
}

bool bl_privacy_list_proving(const struct bl_privacy *p)
{
    return list_wants_own(p) && (bl_addr_is_zero(&p->list.own) || p->list.stirring);
}

uint64_t bl_privacy_list_deadline(const struct bl_privacy *p)
{
    return bl_privacy_by_controller(p) && !p->list.ask ? p->list.ask_at : TIMERQ_NEVER;
}

void bl_privacy_list_tick(struct bl_privacy *p, uint64_t now)
{
    if (bl_privacy_by_controller(p) && now >= p->list.ask_at)
        p->list.ask = true;
}

/* Another key of ours, and all entries have to be made anew. */
void bl_privacy_list_configured(struct bl_privacy *p)
{
    struct bl_privacy_list *l = &p->list;

    p->changes++;
    if (bl_crypto_equal(l->irk, p->radio->config.irk, sizeof(l->irk)))
        return;
    for (unsigned i = 0; i < l->n; i++)
        l->rows[i].stale = true;
    l->asking.stale = l->asked == BL_CMD_LE_ADD_RESOLVING_LIST;
    l->dummy_stale = l->dummy || (l->asking.stale && bl_addr_is_zero(&l->asking.addr));
    l->own = (struct bl_addr){0};
    l->ask = false;
}
