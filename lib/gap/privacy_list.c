/* SPDX-License-Identifier: MIT */

/*
 * privacy_list: the controller's resolving list: the peers that it looks for by itself, whatever
 * private address they have.
 *
 * On it are the peers that connection attempts are for, as they are asked for; where it is full the
 * one that was used the longest ago makes room, if that is some time ago. Local IRKs are zero: our
 * own private addresses are the host's. Every entry is in device privacy mode (Core 5.4, Vol 6,
 * Part B, 4.7): a bonded peer may turn its privacy off and be found all the same. A controller
 * without that mode is not used, since its entries would hide such a peer.
 *
 * Nothing here may change while anything is on the air (Core 5.4, Vol 4, Part E, 7.8.38), extended
 * advertising sets included, so radio->still makes all stand still for
 *
 *     [Remove] -> Add -> Set Privacy Mode -> [Set Address Resolution Enable]
 *
 * The first thing that goes wrong ends the list's use until the controller is reset, resolution is
 * switched off, and the host looks for peers itself (connector_seek.c).
 */

#include "gap/privacy.h"

#include "base/wr.h"
#include "crypto/crypto.h"
#include "hci/cmd.h"
#include "hci/error.h"

#include <errno.h>

#define LIST_IN_USE_US   20480000u /* an entry used since then is not thrown out */
#define LIST_DEVICE_MODE 1         /* Core 5.4, Vol 4, Part E, 7.8.77 */

static bool list_usable(const struct bl_privacy *p)
{
    static const uint16_t needed[] = {BL_CMD_LE_ADD_RESOLVING_LIST, BL_CMD_LE_REMOVE_RESOLVING_LIST,
                                      BL_CMD_LE_SET_ADDRESS_RESOLUTION, BL_CMD_LE_SET_PRIVACY_MODE};
    const struct bl_hci *hci = p->radio->hci;

    if (p->list.broken || !bl_hci_has_feature(hci, BL_LE_PRIVACY) ||
        bl_hci_caps(hci)->resolving_list == 0)
        return false;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (!bl_hci_supports(hci, needed[i]))
            return false;
    return true;
}

static unsigned list_cap(const struct bl_privacy *p)
{
    unsigned cap = bl_hci_caps(p->radio->hci)->resolving_list;

    if (p->list.cap && p->list.cap < cap)
        cap = p->list.cap;
    return cap < BL_PRIVACY_LIST ? cap : BL_PRIVACY_LIST;
}

static struct bl_privacy_row *list_find(struct bl_privacy *p, const struct bl_addr *identity)
{
    for (unsigned i = 0; i < p->list.n; i++)
        if (bl_addr_eq(&p->list.rows[i].addr, identity))
            return &p->list.rows[i];
    return NULL;
}

bool bl_privacy_is_listed(struct bl_privacy *p, const struct bl_addr *identity)
{
    const struct bl_privacy_row *row = list_find(p, identity);

    return row && row->device_mode && !row->stale && p->list.on && !p->list.broken;
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
    if (!list_usable(p) || !bl_privacy_knows(p, identity))
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
        if (stale ? row->stale : !row->stale && !row->device_mode)
            return row;
    }
    return NULL;
}

/* The next command, 0 where all is done; *ret_row: whom it is about. */
static uint16_t list_next(struct bl_privacy *p, struct bl_privacy_row *ret_row)
{
    struct bl_privacy_list *l = &p->list;
    const struct bl_privacy_row *row;
    bool wanted = !bl_addr_is_zero(&l->wanted) && bl_privacy_knows(p, &l->wanted);

    if (l->broken)
        return l->on ? BL_CMD_LE_SET_ADDRESS_RESOLUTION : 0;
    if ((row = list_first(p, true))) {
        *ret_row = *row;
        return BL_CMD_LE_REMOVE_RESOLVING_LIST;
    }
    if ((row = list_first(p, false))) {
        *ret_row = *row;
        return BL_CMD_LE_SET_PRIVACY_MODE;
    }
    if (wanted && !list_find(p, &l->wanted)) {
        bool full = l->n >= list_cap(p);
        *ret_row = full ? *list_oldest(p)
                        : (struct bl_privacy_row){.addr = l->wanted, .used = l->wanted_at};
        return full ? BL_CMD_LE_REMOVE_RESOLVING_LIST : BL_CMD_LE_ADD_RESOLVING_LIST;
    }
    return l->n > 0 && !l->on ? BL_CMD_LE_SET_ADDRESS_RESOLUTION : 0;
}

bool bl_privacy_list_wants(struct bl_privacy *p)
{
    struct bl_privacy_row ignored;

    return list_next(p, &ignored) != 0;
}

/* Core 5.4, Vol 4, Part E, 7.8.38, 7.8.39, 7.8.44, 7.8.77 */
bool bl_privacy_list_step(struct bl_privacy *p)
{
    struct bl_privacy_row row = {0};
    uint16_t opcode = list_next(p, &row);
    uint8_t bytes[7 + 16 + 16];
    struct wr w = wr_make(bytes, sizeof(bytes));

    if (opcode == BL_CMD_LE_SET_ADDRESS_RESOLUTION) {
        wr_u8(&w, !p->list.broken);
    } else {
        wr_u8(&w, row.addr.type);
        wr_bytes(&w, row.addr.b, 6);
    }
    if (opcode == BL_CMD_LE_SET_PRIVACY_MODE)
        wr_u8(&w, LIST_DEVICE_MODE);
    if (opcode == BL_CMD_LE_ADD_RESOLVING_LIST) {
        wr_bytes(&w, bl_privacy_irk(p, &row.addr), 16);
        wr_zero(&w, 16);
    }
    int r = bl_radio_cmd(p->radio, opcode, bytes, w.len, BL_HCI_OWNER_PRIVACY, 0);
    bl_crypto_wipe(bytes, sizeof(bytes));
    if (r == 0) {
        p->list.asked = opcode;
        p->list.asking = row;
    } else if (r != -EBUSY) {
        p->list.broken = true;
        p->list.on = false;
        p->changes++;
    }
    return r == 0;
}

/* ---- what came of it ---- */

static void list_refused(struct bl_privacy *p, const struct bl_hci_reply *reply)
{
    struct bl_privacy_list *l = &p->list;

    if (reply->opcode == BL_CMD_LE_ADD_RESOLVING_LIST && !reply->lost && l->n > 0 &&
        reply->status == BL_HCI_MEMORY_EXCEEDED) {
        l->cap = (uint8_t)l->n; /* smaller than it claims */
        l->wanted = (struct bl_addr){0};
        return;
    }
    bl_env_log(p->radio->env, BL_LOG_WARNING,
               "The controller's resolving list cannot be used (HCI error 0x%02x)", reply->status);
    /* Off it is if it was never on, or if the controller does not even take that. */
    if (reply->opcode == BL_CMD_LE_SET_ADDRESS_RESOLUTION)
        l->on = !l->broken && reply->lost;
    l->broken = true;
}

void bl_privacy_list_reply(struct bl_privacy *p, const struct bl_hci_reply *reply)
{
    struct bl_privacy_list *l = &p->list;
    struct bl_privacy_row *row = list_find(p, &l->asking.addr);
    uint16_t asked = l->asked;

    l->asked = 0;
    if (asked != reply->opcode)
        return; /* of before a reset */
    p->changes++;
    if (reply->status != 0 || reply->lost) {
        list_refused(p, reply);
    } else if (asked == BL_CMD_LE_SET_ADDRESS_RESOLUTION) {
        l->on = !l->broken;
    } else if (asked == BL_CMD_LE_ADD_RESOLVING_LIST) {
        l->rows[l->n++] = l->asking;
    } else if (asked == BL_CMD_LE_SET_PRIVACY_MODE && row) {
        row->device_mode = true;
        if (bl_addr_eq(&row->addr, &l->wanted))
            l->wanted = (struct bl_addr){0};
    } else if (asked == BL_CMD_LE_REMOVE_RESOLVING_LIST && row) {
        *row = l->rows[--l->n];
    }
}
