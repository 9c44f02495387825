/* SPDX-License-Identifier: MIT */

/* adv_legacy: advertising by the commands of Bluetooth 4: one set, 31 octets. */

#include "gap/adv_internal.h"

#include "base/wr.h"
#include "hci/cmd.h"

static uint8_t adv_legacy_type(const struct bl_adv_params *p)
{
    if (p->has_directed)
        return p->high_duty ? 1 : 4; /* ADV_DIRECT_IND, high and low duty cycle */
    if (p->connectable)
        return 0; /* ADV_IND */
    return p->scannable ? 2 : 3;
}

/* Core 5.4, Vol 4, Part E, 7.8.5. */
static void adv_legacy_params(struct wr *w, const struct bl_adv_params *p, uint8_t own_type)
{
    static const struct bl_addr none;
    const struct bl_addr *peer = p->has_directed ? &p->directed : &none;
    uint16_t interval = (uint16_t)(p->interval_us / 625);

    wr_u16(w, interval);
    wr_u16(w, interval);
    wr_u8(w, adv_legacy_type(p));
    wr_u8(w, own_type);
    wr_u8(w, peer->type);
    wr_bytes(w, peer->b, 6);
    wr_u8(w, 0x07); /* all three channels */
    wr_u8(w, 0x00); /* anyone may scan and connect */
}

/* Core 5.4, Vol 4, Part E, 7.8.7 and 7.8.8: all 31 octets are always there. */
static void adv_legacy_data(struct wr *w, const uint8_t *data, size_t n)
{
    wr_u8(w, (uint8_t)n);
    wr_bytes(w, data, n);
    wr_zero(w, BL_MAX_ADV_LEGACY - n);
}

int adv_legacy_ask(struct bl_advertiser *a, const struct bl_adv *x, struct bl_adv_asked *asked)
{
    uint8_t bytes[1 + BL_MAX_ADV_LEGACY];
    struct wr w = wr_make(bytes, sizeof(bytes));
    uint16_t opcode = BL_CMD_LE_SET_ADV_ENABLE;

    switch ((enum adv_ask)asked->kind) {
    case ADV_ASK_PARAMS:
        opcode = BL_CMD_LE_SET_ADV_PARAMS;
        asked->stamp = x->params_stamp;
        asked->props = adv_extended_props(&x->params);
        adv_legacy_params(&w, &x->params, asked->own_type);
        break;
    case ADV_ASK_DATA:
        opcode = BL_CMD_LE_SET_ADV_DATA;
        asked->stamp = x->data_stamp;
        adv_legacy_data(&w, x->params.adv_data, x->params.adv_len);
        break;
    case ADV_ASK_RESP:
        opcode = BL_CMD_LE_SET_SCAN_RSP_DATA;
        asked->stamp = x->resp_stamp;
        adv_legacy_data(&w, x->params.resp_data, x->params.resp_len);
        break;
    case ADV_ASK_ENABLE:
        wr_u8(&w, 1);
        break;
    case ADV_ASK_DISABLE:
    case ADV_ASK_NONE: /* the last three do not come here */
    case ADV_ASK_ADDR:
    case ADV_ASK_REMOVE:
        wr_u8(&w, 0);
        break;
    }
    asked->last = true;
    return bl_radio_cmd(a->radio, opcode, bytes, w.len, BL_HCI_OWNER_ADVERTISER, 0);
}
