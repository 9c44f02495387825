/* SPDX-License-Identifier: MIT */

/* Rows: legacy advertising. Core 5.4, Vol 4, Part E, 7.8.5 to 7.8.9. */

#include "air/air_internal.h"

static const uint16_t adv_legacy_props[] = {
    ADV_LEGACY | ADV_CONNECTABLE | ADV_SCANNABLE,                /* ADV_IND */
    ADV_LEGACY | ADV_CONNECTABLE | ADV_DIRECTED | ADV_HIGH_DUTY, /* ADV_DIRECT_IND, high duty */
    ADV_LEGACY | ADV_SCANNABLE,                                  /* ADV_SCAN_IND */
    ADV_LEGACY,                                                  /* ADV_NONCONN_IND */
    ADV_LEGACY | ADV_CONNECTABLE | ADV_DIRECTED,                 /* ADV_DIRECT_IND, low duty */
};

enum { ADV_TYPES = sizeof(adv_legacy_props) / sizeof(adv_legacy_props[0]) };

static bool adv_legacy_interval_ok(const struct air_ctrl *c, const struct air_set *s)
{
    uint32_t least = 0x20;

    if (s->props & ADV_HIGH_DUTY)
        return true;
    if (c->cfg.hci_version < 9 && !(s->props & ADV_CONNECTABLE))
        least = 0xa0; /* before 5.0: 100 ms for the two that cannot be connected to */
    return s->interval_min >= least && s->interval_min <= s->interval_max &&
           s->interval_max <= 0x4000;
}

static uint8_t adv_legacy_params(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_set s = c->legacy;

    (void)ret;
    s.interval_min = rd_u16(p);
    s.interval_max = rd_u16(p);
    uint8_t type = rd_u8(p);
    s.own_type = rd_u8(p);
    s.peer.type = rd_u8(p);
    rd_copy(p, s.peer.b, 6);
    s.channels = rd_u8(p);
    s.filter_policy = rd_u8(p);
    if (c->legacy.enabled)
        return bl_air_disallow(c, "LE Set Advertising Parameters while advertising");
    if (type >= ADV_TYPES || s.own_type > (c->cfg.le_features & BL_AIR_LE_PRIVACY ? 3 : 1) ||
        s.peer.type > 1 || s.channels == 0 || s.channels > 7 || s.filter_policy > 3)
        return AIR_INVALID;
    s.props = adv_legacy_props[type];
    if (!adv_legacy_interval_ok(c, &s))
        return AIR_INVALID;
    if (s.props & ADV_DIRECTED)
        s.filter_policy = 0; /* ignored: Core 5.4, Vol 4, Part E, 7.8.5 */
    c->legacy = s;
    return AIR_OK;
}

static uint8_t adv_legacy_tx_power(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)c, (void)p;
    wr_i8(ret, 0);
    return AIR_OK;
}

static uint8_t adv_legacy_put(struct air_data *d, struct rd *p)
{
    uint8_t len = rd_u8(p);

    if (len > 31)
        return AIR_INVALID;
    d->len = 0;
    return bl_air_data_put(d, rd_bytes(p, len), len) ? AIR_OK : AIR_MEMORY_EXCEEDED;
}

static uint8_t adv_legacy_data(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)ret;
    return adv_legacy_put(&c->legacy.data, p);
}

static uint8_t adv_legacy_response(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)ret;
    return adv_legacy_put(&c->legacy.response, p);
}

static uint8_t adv_legacy_enable(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint8_t enable = rd_u8(p);
    struct air_set *s = &c->legacy;

    (void)ret;
    if (enable > 1)
        return AIR_INVALID;
    if (!enable) {
        bl_air_set_stop(s);
        return AIR_OK;
    }
    if (s->own_type & 1 && !c->has_random &&
        !(s->own_type == 3 && bl_air_resolving_find(c, &s->peer))) {
        bl_air_violate(c, "advertising with a random address that was never set");
        return AIR_INVALID;
    }
    if (s->enabled)
        return AIR_OK;
    return bl_air_set_start(s, 0, 0);
}

static const struct air_cmd adv_legacy_rows[] = {
    {0x2006, 15, 15, 0, AIR_BIT(25, 5), 0, 0, AIR_CMD_LEGACY, adv_legacy_params},
    {0x2007, 0, 0, 1, AIR_BIT(25, 6), 0, 0, AIR_CMD_LEGACY, adv_legacy_tx_power},
    {0x2008, 32, 32, 0, AIR_BIT(25, 7), 0, 0, AIR_CMD_LEGACY, adv_legacy_data},
    {0x2009, 32, 32, 0, AIR_BIT(26, 0), 0, 0, AIR_CMD_LEGACY, adv_legacy_response},
    {0x200a, 1, 1, 0, AIR_BIT(26, 1), 0, 0, AIR_CMD_LEGACY, adv_legacy_enable},
};

const struct air_cmd_table bl_air_adv_legacy_commands = {
    adv_legacy_rows, sizeof(adv_legacy_rows) / sizeof(adv_legacy_rows[0])};
