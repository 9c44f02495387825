/* SPDX-License-Identifier: MIT */

/* Rows: commands about a connection, and the defaults for new ones. */

#include "air/air_internal.h"

/* Core 5.4, Vol 4, Part E, 7.1.6. */
static uint8_t link_cmd_disconnect(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    static const uint8_t reasons[] = {0x05, 0x13, 0x14, 0x15, 0x1a, 0x29, 0x3b};
    struct air_end *e = c->on;
    uint8_t reason = rd_u8(p);

    (void)ret;
    if (!memchr(reasons, reason, sizeof(reasons)))
        return AIR_INVALID;
    if (e->terminating)
        return AIR_DISALLOWED;
    e->terminating = true;
    bl_air_link_reach(e->link); /* unanswered, it ends by the supervision timeout: 5.1.6 */
    bl_air_ll_send(e, &(struct ll_ctl){.op = LL_TERMINATE, .error = reason});
    return AIR_OK;
}

static uint8_t link_cmd_remote_version(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_end *e = c->on;

    (void)p, (void)ret;
    e->version_asked = true;
    if (e->version_known) {
        bl_air_tell_version(e, AIR_OK);
    } else if (!e->version_sent) {
        e->version_sent = true;
        bl_air_ll_send(e, &(struct ll_ctl){.op = LL_VERSION,
                                           .version = c->cfg.hci_version,
                                           .manufacturer = c->cfg.manufacturer});
    }
    return AIR_OK;
}

static uint8_t link_cmd_remote_features(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_end *e = c->on;

    (void)p, (void)ret;
    if (e->side == 1 && !(c->cfg.le_features & BL_AIR_LE_PERIPHERAL_FEATURES))
        return bl_air_disallow(c, "LE Read Remote Features by a peripheral that cannot ask");
    if (e->features_known) {
        bl_air_tell_features(e, AIR_OK);
        return AIR_OK;
    }
    if (!e->features_asked)
        bl_air_ll_send(e, &(struct ll_ctl){.op = LL_FEATURE_REQ, .features = c->cfg.le_features});
    e->features_asked = true;
    return AIR_OK;
}

static uint8_t link_cmd_rssi(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    const struct air_ctrl *peer = bl_air_end_peer(c->on)->c;

    (void)p;
    wr_i8(ret, peer ? bl_air_pair(c->air, c, peer).rssi : 127);
    return AIR_OK;
}

static uint8_t link_cmd_tx_power(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)c;
    if (rd_u8(p) > 1)
        return AIR_INVALID;
    wr_i8(ret, 0);
    return AIR_OK;
}

static uint8_t link_cmd_read_auth(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p;
    wr_u16(ret, c->on->auth_timeout);
    return AIR_OK;
}

/* Core 5.4, Vol 4, Part E, 7.3.94: no less than the connection's own pace. */
static uint8_t link_cmd_write_auth(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint16_t timeout = rd_u16(p);
    const struct air_link *l = c->on->link;

    (void)ret;
    if (timeout == 0 || timeout * 10000u < l->interval * 1250u * (1u + l->latency))
        return AIR_INVALID;
    c->on->auth_timeout = timeout;
    return AIR_OK;
}

/* ---- channels ---- */

static uint8_t link_cmd_channels(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint8_t map[5];
    unsigned good = 0;

    (void)ret;
    rd_copy(p, map, 5);
    for (unsigned i = 0; i < 37; i++)
        good += map[i / 8] >> i % 8 & 1;
    if (good < 2 || map[4] & 0xe0)
        return AIR_INVALID;
    memcpy(c->channels, map, 5);
    list_each(pos, tmp, &c->ends)
    {
        struct air_end *e = list_entry(pos, struct air_end, of_ctrl);
        if (e->side == 0)
            memcpy(e->link->channels, map, 5);
    }
    return AIR_OK;
}

static uint8_t link_cmd_read_channels(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p;
    wr_bytes(ret, c->on->link->channels, 5);
    return AIR_OK;
}

/* ---- connection parameters: Core 5.4, Vol 4, Part E, 7.8.18, 7.8.31, 7.8.32 ---- */

static struct air_conn_params link_cmd_params(struct rd *p)
{
    struct air_conn_params q = {.interval_min = rd_u16(p)};

    q.interval_max = rd_u16(p);
    q.latency = rd_u16(p);
    q.timeout = rd_u16(p);
    rd_u32(p); /* Min_CE_Length, Max_CE_Length */
    return q;
}

static uint8_t link_cmd_update(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_conn_params q = link_cmd_params(p);

    (void)ret;
    return bl_air_conn_params_ok(&q) ? bl_air_ll_update(c->on, &q) : AIR_INVALID;
}

static uint8_t link_cmd_param_reply(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_conn_params q = link_cmd_params(p);

    (void)ret;
    if (!bl_air_conn_params_ok(&q))
        return AIR_INVALID;
    if (!c->on->param_wanted)
        return bl_air_disallow(c, "a reply to a connection parameter request that is none");
    bl_air_ll_param_reply(c->on, &q);
    return AIR_OK;
}

static uint8_t link_cmd_param_negative(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)ret;
    if (!c->on->param_wanted)
        return bl_air_disallow(c, "a reply to a connection parameter request that is none");
    c->on->param_wanted = false;
    bl_air_ll_reject(c->on, LL_PARAM_REQ, rd_u8(p));
    return AIR_OK;
}

/* ---- data length: Core 5.4, Vol 4, Part E, 7.8.33 to 7.8.35, 7.8.46 ---- */

static bool link_cmd_length_ok(uint16_t octets, uint16_t time)
{
    return octets >= 0x1b && octets <= 0xfb && time >= 0x148 && time <= 0x4290;
}

static uint8_t link_cmd_set_length(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint16_t octets = rd_u16(p), time = rd_u16(p);

    (void)ret;
    if (!link_cmd_length_ok(octets, time))
        return AIR_INVALID;
    c->on->want_tx = octets;
    c->on->want_time = time;
    bl_air_ll_length(c->on);
    return AIR_OK;
}

static uint8_t link_cmd_read_default(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p;
    wr_u16(ret, c->default_tx);
    wr_u16(ret, c->default_time);
    return AIR_OK;
}

static uint8_t link_cmd_write_default(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint16_t octets = rd_u16(p), time = rd_u16(p);

    (void)ret;
    if (!link_cmd_length_ok(octets, time))
        return AIR_INVALID;
    c->default_tx = octets;
    c->default_time = time;
    return AIR_OK;
}

static uint8_t link_cmd_max_length(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    bool coded = c->cfg.le_features & BL_AIR_LE_CODED;

    (void)p;
    for (unsigned i = 0; i < 2; i++) {
        wr_u16(ret, 251);
        wr_u16(ret, coded ? 17040 : 2120);
    }
    return AIR_OK;
}

/* ---- PHY: Core 5.4, Vol 4, Part E, 7.8.47 to 7.8.49 ---- */

/* Reads All_PHYs, TX_PHYs, RX_PHYs; no preference is all that there are. */
static uint8_t link_cmd_phys(const struct air_ctrl *c, struct rd *p, uint8_t *tx, uint8_t *rx)
{
    uint8_t any = rd_u8(p), able = 1;

    *tx = rd_u8(p);
    *rx = rd_u8(p);
    if (c->cfg.le_features & BL_AIR_LE_2M)
        able |= 2;
    if (c->cfg.le_features & BL_AIR_LE_CODED)
        able |= 4;
    if (any & 1)
        *tx = able;
    if (any & 2)
        *rx = able;
    if (any > 3 || *tx == 0 || *rx == 0)
        return AIR_INVALID;
    return (*tx | *rx) & ~able ? AIR_UNSUPPORTED : AIR_OK;
}

static uint8_t link_cmd_read_phy(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    const struct air_end *e = c->on;

    (void)p;
    wr_u8(ret, e->link->phy[e->side]);
    wr_u8(ret, e->link->phy[!e->side]);
    return AIR_OK;
}

static uint8_t link_cmd_default_phy(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint8_t tx, rx, status = link_cmd_phys(c, p, &tx, &rx);

    (void)ret;
    if (status == AIR_OK) {
        c->default_tx_phys = tx;
        c->default_rx_phys = rx;
    }
    return status;
}

static uint8_t link_cmd_set_phy(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_end *e = c->on;
    uint8_t tx, rx, status = link_cmd_phys(c, p, &tx, &rx);

    (void)ret;
    if (status != AIR_OK)
        return status;
    if (rd_u16(p) > 2)
        return AIR_INVALID;
    if (e->phy_asked)
        return bl_air_disallow(c, "LE Set PHY while it is under way");
    e->pref_tx = tx;
    e->pref_rx = rx;
    e->phy_asked = true;
    bl_air_ll_phy(e);
    return AIR_OK;
}

#define HANDLE        AIR_CMD_HANDLE
#define STATUS        (AIR_CMD_HANDLE | AIR_CMD_STATUS)
#define PARAM_REQUEST BL_AIR_LE_PARAM_REQUEST
#define DATA_LENGTH   BL_AIR_LE_DATA_LENGTH
#define PHY           BL_AIR_LE_2M

static const struct air_cmd link_cmd_rows[] = {
    /* clang-format off */
    {0x0406, 3, 3, 0, AIR_BIT(0, 5), 0, 0, STATUS, link_cmd_disconnect},
    {0x041d, 2, 2, 0, AIR_BIT(2, 7), 0, 0, STATUS, link_cmd_remote_version},
    {0x0c2d, 3, 3, 3, AIR_BIT(10, 2), 0, 0, HANDLE, link_cmd_tx_power},
    {0x0c7b, 2, 2, 4, AIR_BIT(32, 4), 7, BL_AIR_LE_PING, HANDLE, link_cmd_read_auth},
    {0x0c7c, 4, 4, 2, AIR_BIT(32, 5), 7, BL_AIR_LE_PING, HANDLE, link_cmd_write_auth},
    {0x1405, 2, 2, 3, AIR_BIT(15, 5), 0, 0, HANDLE, link_cmd_rssi},
    {0x2013, 14, 14, 0, AIR_BIT(27, 2), 0, 0, STATUS, link_cmd_update},
    {0x2014, 5, 5, 0, AIR_BIT(27, 3), 0, 0, 0, link_cmd_channels},
    {0x2015, 2, 2, 7, AIR_BIT(27, 4), 0, 0, HANDLE, link_cmd_read_channels},
    {0x2016, 2, 2, 0, AIR_BIT(27, 5), 0, 0, STATUS, link_cmd_remote_features},
    {0x2020, 14, 14, 2, AIR_BIT(33, 4), 7, PARAM_REQUEST, HANDLE, link_cmd_param_reply},
    {0x2021, 3, 3, 2, AIR_BIT(33, 5), 7, PARAM_REQUEST, HANDLE, link_cmd_param_negative},
    {0x2022, 6, 6, 2, AIR_BIT(33, 6), 8, DATA_LENGTH, HANDLE, link_cmd_set_length},
    {0x2023, 0, 0, 4, AIR_BIT(33, 7), 8, DATA_LENGTH, 0, link_cmd_read_default},
    {0x2024, 4, 4, 0, AIR_BIT(34, 0), 8, DATA_LENGTH, 0, link_cmd_write_default},
    {0x202f, 0, 0, 8, AIR_BIT(35, 3), 8, DATA_LENGTH, 0, link_cmd_max_length},
    {0x2030, 2, 2, 4, AIR_BIT(35, 4), 9, PHY, HANDLE, link_cmd_read_phy},
    {0x2031, 3, 3, 0, AIR_BIT(35, 5), 9, PHY, 0, link_cmd_default_phy},
    {0x2032, 7, 7, 0, AIR_BIT(35, 6), 9, PHY, STATUS, link_cmd_set_phy},
    /* clang-format on */
};

const struct air_cmd_table bl_air_link_commands = {link_cmd_rows, sizeof(link_cmd_rows) /
                                                                      sizeof(link_cmd_rows[0])};
