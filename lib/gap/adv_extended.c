/* SPDX-License-Identifier: MIT */

/* adv_extended: advertising by the commands of Bluetooth 5: sets with addresses of their own, both
 * kinds of PDUs, data in fragments. */

#include "gap/adv_internal.h"

#include "base/wr.h"
#include "hci/cmd.h"

#define ADV_FRAGMENT           251 /* Core 5.4, Vol 4, Part E, 7.8.54 */
#define ADV_HIGH_DUTY_DURATION 128 /* 1.28 s, the most that is allowed: 7.8.56 */

uint8_t adv_extended_props(const struct bl_adv_params *p)
{
    uint8_t kind = p->connectable ? ADV_CONNECTABLE : p->scannable ? ADV_SCANNABLE : 0;
    uint8_t directed = p->has_directed ? ADV_DIRECTED : 0;

    if (p->extended)
        return kind | directed;
    if (p->has_directed)
        return ADV_LEGACY | ADV_CONNECTABLE | directed | (p->high_duty ? ADV_HIGH_DUTY : 0);
    return ADV_LEGACY | (p->connectable ? ADV_CONNECTABLE | ADV_SCANNABLE : kind);
}

/* 7.8.53, version 1. */
static void adv_extended_params(struct wr *w, const struct bl_adv_asked *asked,
                                const struct bl_adv *x)
{
    static const struct bl_addr none;
    const struct bl_adv_params *p = &x->params;
    const struct bl_addr *peer = p->has_directed ? &p->directed : &none;

    wr_u8(w, asked->set);
    wr_u16(w, adv_extended_props(p));
    wr_u24(w, p->interval_us / 625);
    wr_u24(w, p->interval_us / 625);
    wr_u8(w, 0x07); /* all three channels */
    wr_u8(w, asked->own_type);
    wr_u8(w, peer->type);
    wr_bytes(w, peer->b, 6);
    wr_u8(w, 0x00); /* anyone may scan and connect */
    wr_u8(w, 0x7f); /* TX power: no preference */
    wr_u8(w, p->primary_phy ? p->primary_phy : BL_PHY_1M);
    wr_u8(w, 0x00); /* no primary event skipped */
    wr_u8(w, p->secondary_phy ? p->secondary_phy : BL_PHY_1M);
    wr_u8(w, p->sid);
    wr_u8(w, 0x00); /* no scan request events */
}

/* 7.8.54 and 7.8.55: the next fragment. Operation 0 intermediate, 1 first, 2 last, 3 complete. */
static void adv_extended_data(struct wr *w, const struct bl_adv_set *set, const uint8_t *data,
                              size_t total, struct bl_adv_asked *asked)
{
    size_t at = set->sending == asked->stamp ? set->sent : 0;

    asked->n = total - at < ADV_FRAGMENT ? total - at : ADV_FRAGMENT;
    asked->last = at + asked->n == total;
    wr_u8(w, asked->set);
    wr_u8(w, (uint8_t)((at == 0 ? 1 : 0) | (asked->last ? 2 : 0)));
    wr_u8(w, 0x01); /* better not fragmented on the air */
    wr_u8(w, (uint8_t)asked->n);
    wr_bytes(w, data + at, asked->n);
}

/* 7.8.56. */
static void adv_extended_enable(struct wr *w, uint8_t set, const struct bl_adv *x)
{
    wr_u8(w, x != NULL);
    wr_u8(w, 1); /* one set */
    wr_u8(w, set);
    wr_u16(w, x && x->params.high_duty ? ADV_HIGH_DUTY_DURATION : 0);
    wr_u8(w, 0); /* no limit of events */
}

int adv_extended_ask(struct bl_advertiser *a, const struct bl_adv *x, struct bl_adv_asked *asked)
{
    const struct bl_adv_set *set = &a->sets[asked->set];
    uint8_t bytes[4 + ADV_FRAGMENT];
    struct wr w = wr_make(bytes, sizeof(bytes));
    uint16_t opcode = BL_CMD_LE_SET_EXT_ADV_ENABLE;

    asked->last = true;
    switch ((enum adv_ask)asked->kind) {
    case ADV_ASK_PARAMS:
        opcode = BL_CMD_LE_SET_EXT_ADV_PARAMS;
        asked->stamp = x->params_stamp;
        asked->props = adv_extended_props(&x->params);
        adv_extended_params(&w, asked, x);
        break;
    case ADV_ASK_ADDR:
        opcode = BL_CMD_LE_SET_ADV_SET_RANDOM_ADDRESS;
        asked->addr = x->addr;
        wr_u8(&w, asked->set);
        wr_bytes(&w, x->addr.b, 6);
        break;
    case ADV_ASK_DATA:
        opcode = BL_CMD_LE_SET_EXT_ADV_DATA;
        asked->stamp = x->data_stamp;
        adv_extended_data(&w, set, x->params.adv_data, x->params.adv_len, asked);
        break;
    case ADV_ASK_RESP:
        opcode = BL_CMD_LE_SET_EXT_SCAN_RSP_DATA;
        asked->stamp = x->resp_stamp;
        adv_extended_data(&w, set, x->params.resp_data, x->params.resp_len, asked);
        break;
    case ADV_ASK_ENABLE:
        adv_extended_enable(&w, asked->set, x);
        break;
    case ADV_ASK_DISABLE:
    case ADV_ASK_NONE: /* does not come here */
        adv_extended_enable(&w, asked->set, NULL);
        break;
    case ADV_ASK_REMOVE:
        opcode = BL_CMD_LE_REMOVE_ADV_SET;
        wr_u8(&w, asked->set);
        break;
    }
    return bl_radio_cmd(a->radio, opcode, bytes, w.len, BL_HCI_OWNER_ADVERTISER, 0);
}
