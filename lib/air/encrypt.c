/* SPDX-License-Identifier: MIT */

/*
 * Encryption of links: rows and procedure. Nothing is enciphered; the two hosts' keys are compared
 * where the first enciphered PDU would fail its integrity check.
 *
 *   central                               peripheral
 *   LE Enable Encryption
 *        --- LL_ENC_REQ (rand, ediv) --->     LE Long Term Key Request
 *        <-- LL_REJECT_IND -------------      ... Negative Reply
 *        <-- LL_START_ENC_REQ ----------      ... Reply
 *   keys compared: MIC failure, both closed
 *        --- LL_START_ENC_RSP --------->      Encryption Change
 *        <-- LL_START_ENC_RSP ----------
 *   Encryption Change
 *
 * On a link that is encrypted already, data stands still from the request on (the pause procedure)
 * and Encryption Key Refresh Complete takes Encryption Change's place.
 * Core 5.4, Vol 6, Part B, 5.1.3.
 */

#include "air/air_internal.h"

#include "crypto/crypto.h"

static void enc_tell(struct air_end *e, uint8_t status, bool refresh)
{
    struct air_event ev;

    bl_air_event_begin(&ev, refresh ? EV_KEY_REFRESH : EV_ENCRYPTION_CHANGE);
    wr_u8(&ev.w, status);
    wr_u16(&ev.w, e->handle);
    if (!refresh)
        wr_u8(&ev.w, status == AIR_OK);
    bl_air_event_send(e->c, &ev, 0);
}

/* ---- procedure ---- */

/* A refusal leaves a plain link plain; an encrypted one, whose encryption is paused, ends. */
static void enc_refuse(struct air_end *e, uint8_t error)
{
    bl_air_timer_stop(e->link->air, &e->link->response);
    if (e->link->encrypted) {
        e->terminating = true;
        bl_air_ll_send(e, &(struct ll_ctl){.op = LL_TERMINATE, .error = error});
    } else {
        bl_air_ll_reject(e, LL_ENC_REQ, error);
    }
}

void bl_air_enc_request(struct air_end *e, const struct ll_ctl *ctl)
{
    struct air_event ev;

    if (!(e->c->cfg.le_features & BL_AIR_LE_ENCRYPTION)) {
        enc_refuse(e, AIR_UNSUPPORTED_REMOTE);
        return;
    }
    if (!bl_air_event_wanted(e->c, EV_META, LE_LTK_REQUEST)) {
        enc_refuse(e, AIR_KEY_MISSING);
        return;
    }
    e->ltk_wanted = true;
    bl_air_meta_begin(&ev, LE_LTK_REQUEST);
    wr_u16(&ev.w, e->handle);
    wr_bytes(&ev.w, ctl->rand, 8);
    wr_u16(&ev.w, ctl->ediv);
    bl_air_event_send(e->c, &ev, 0);
}

void bl_air_enc_rejected(struct air_end *e, uint8_t error)
{
    struct air_link *l = e->link;

    if (e->side != 0 || !l->encrypting)
        return;
    bl_air_timer_stop(l->air, &l->response);
    l->encrypting = false;
    enc_tell(e, error, false);
    bl_air_link_kick(l);
}

/* At the central. */
void bl_air_enc_start(struct air_end *e, const struct ll_ctl *ctl)
{
    struct air_link *l = e->link;

    if (!l->encrypting)
        return;
    bl_air_timer_stop(l->air, &l->response);
    if (!bl_crypto_equal(ctl->key, l->key, 16)) {
        struct air_end *peer = bl_air_end_peer(e);
        bl_air_end_close(e, AIR_MIC_FAILURE);
        bl_air_end_close(peer, AIR_MIC_FAILURE);
        return;
    }
    bl_air_ll_send(e, &(struct ll_ctl){.op = LL_START_ENC_RSP});
}

void bl_air_enc_started(struct air_end *e, const struct ll_ctl *ctl)
{
    struct air_link *l = e->link;

    (void)ctl;
    enc_tell(e, AIR_OK, l->encrypted);
    if (e->side == 1) {
        bl_air_ll_send(e, &(struct ll_ctl){.op = LL_START_ENC_RSP});
        return;
    }
    l->encrypted = true;
    l->encrypting = false;
    bl_air_link_kick(l);
}

/* ---- rows: Core 5.4, Vol 4, Part E, 7.8.24 to 7.8.26 ---- */

static uint8_t enc_enable(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_end *e = c->on;
    struct ll_ctl ctl = {.op = LL_ENC_REQ};

    (void)ret;
    rd_copy(p, ctl.rand, 8);
    ctl.ediv = rd_u16(p);
    if (e->side != 0)
        return bl_air_disallow(c, "LE Enable Encryption by a peripheral");
    if (e->link->encrypting)
        return bl_air_disallow(c, "LE Enable Encryption while it is under way");
    rd_copy(p, e->link->key, 16);
    e->link->encrypting = true;
    bl_air_ll_response_start(e->link);
    bl_air_ll_send(e, &ctl);
    return AIR_OK;
}

static uint8_t enc_reply(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_end *e = c->on;
    struct ll_ctl ctl = {.op = LL_START_ENC_REQ};

    (void)ret;
    if (!e->ltk_wanted)
        return bl_air_disallow(c, "an LTK that was not asked for");
    rd_copy(p, ctl.key, 16);
    e->ltk_wanted = false;
    bl_air_ll_send(e, &ctl);
    bl_crypto_wipe(&ctl, sizeof(ctl));
    return AIR_OK;
}

static uint8_t enc_negative(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_end *e = c->on;

    (void)p, (void)ret;
    if (!e->ltk_wanted)
        return bl_air_disallow(c, "the lack of an LTK that was not asked for");
    e->ltk_wanted = false;
    enc_refuse(e, AIR_KEY_MISSING);
    return AIR_OK;
}

#define ENC BL_AIR_LE_ENCRYPTION

static const struct air_cmd enc_rows[] = {
    {0x2019, 28, 28, 0, AIR_BIT(28, 0), 0, ENC, AIR_CMD_STATUS | AIR_CMD_HANDLE, enc_enable},
    {0x201a, 18, 18, 2, AIR_BIT(28, 1), 0, ENC, AIR_CMD_HANDLE, enc_reply},
    {0x201b, 2, 2, 2, AIR_BIT(28, 2), 0, ENC, AIR_CMD_HANDLE, enc_negative},
};

const struct air_cmd_table bl_air_encrypt_commands = {enc_rows,
                                                      sizeof(enc_rows) / sizeof(enc_rows[0])};
