/* SPDX-License-Identifier: MIT */

/* Rows: extended advertising. Core 5.4, Vol 4, Part E, 7.8.52 to 7.8.60. */

#include "air/air_internal.h"

enum { OP_INTERMEDIATE, OP_FIRST, OP_LAST, OP_COMPLETE, OP_UNCHANGED };

enum { ADV_CONNECTABLE_DATA = 251 }; /* connectable PDUs do not chain */

static struct air_set *adv_ext_find(struct air_ctrl *c, uint8_t handle)
{
    for (unsigned i = 0; i < c->cfg.num_sets; i++)
        if (c->sets[i].exists && c->sets[i].handle == handle)
            return &c->sets[i];
    return NULL;
}

static struct air_set *adv_ext_free(struct air_ctrl *c)
{
    for (unsigned i = 0; i < c->cfg.num_sets; i++)
        if (!c->sets[i].exists)
            return &c->sets[i];
    return NULL;
}

static uint8_t adv_ext_random(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_set *s = adv_ext_find(c, rd_u8(p));

    (void)ret;
    if (!s)
        return AIR_UNKNOWN_ADVERTISING;
    if (s->enabled && s->props & ADV_CONNECTABLE)
        return bl_air_disallow(c, "random address of a connectable set that advertises");
    rd_copy(p, s->random.b, 6);
    s->random.type = ADDR_RANDOM;
    s->has_random = true;
    return AIR_OK;
}

/* The combinations of properties that exist: Core 5.4, Vol 4, Part E, 7.8.53. */
static bool adv_ext_props_ok(uint16_t props)
{
    if (props & ADV_LEGACY)
        return props == 0x13 || props == 0x15 || props == 0x1d || props == 0x12 || props == 0x10;
    if (props & ~0x7fu || props & ADV_HIGH_DUTY)
        return false;
    if (props & ADV_CONNECTABLE && props & ADV_SCANNABLE)
        return false;
    return !(props & ADV_ANONYMOUS && props & (ADV_CONNECTABLE | ADV_SCANNABLE));
}

static bool adv_ext_phys_ok(const struct air_ctrl *c, const struct air_set *s)
{
    bool two = c->cfg.le_features & BL_AIR_LE_2M, coded = c->cfg.le_features & BL_AIR_LE_CODED;

    return (s->phy1 != 3 || coded) &&
           (s->props & ADV_LEGACY || ((s->phy2 != 2 || two) && (s->phy2 != 3 || coded)));
}

static bool adv_ext_data_fits(const struct air_set *s)
{
    if (!(s->props & ADV_LEGACY))
        return true;
    if (s->props & ADV_DIRECTED)
        return s->data.len == 0;
    return s->data.len <= 31 && s->response.len <= 31;
}

static uint8_t adv_ext_params_check(const struct air_ctrl *c, const struct air_set *s)
{
    bool legacy = s->props & ADV_LEGACY;

    if (!adv_ext_props_ok(s->props) || s->own_type > 3 || s->peer.type > 1 || s->channels == 0 ||
        s->channels > 7 || s->filter_policy > 3 || s->sid > 0x0f)
        return AIR_INVALID;
    if (!(s->props & ADV_HIGH_DUTY) &&
        (s->interval_min < 0x20 || s->interval_min > s->interval_max))
        return AIR_INVALID;
    if ((s->phy1 != 1 && (legacy || s->phy1 != 3)) || (!legacy && (s->phy2 < 1 || s->phy2 > 3)))
        return AIR_INVALID;
    if (!adv_ext_phys_ok(c, s))
        return AIR_UNSUPPORTED;
    return adv_ext_data_fits(s) ? AIR_OK : AIR_INVALID;
}

static uint8_t adv_ext_params(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint8_t handle = rd_u8(p);

    if (handle > 0xef)
        return AIR_INVALID;
    struct air_set *set = adv_ext_find(c, handle);
    if (set && set->enabled)
        return bl_air_disallow(c, "parameters of a set that advertises");
    if (!set)
        set = adv_ext_free(c);
    if (!set)
        return AIR_MEMORY_EXCEEDED;
    struct air_set s = *set;
    s.extended = s.exists = true;
    s.handle = handle;
    s.props = rd_u16(p);
    s.interval_min = rd_u24(p);
    s.interval_max = rd_u24(p);
    s.channels = rd_u8(p);
    s.own_type = rd_u8(p);
    s.peer.type = rd_u8(p);
    rd_copy(p, s.peer.b, 6);
    s.filter_policy = rd_u8(p);
    int8_t power = rd_i8(p);
    s.tx_power = power == 127 ? 0 : power > 10 ? 10 : power < -20 ? -20 : power;
    s.phy1 = rd_u8(p);
    rd_u8(p); /* Secondary_Advertising_Max_Skip */
    s.phy2 = rd_u8(p);
    s.sid = rd_u8(p);
    uint8_t notify = rd_u8(p);
    s.notify_scan = notify;
    uint8_t status = notify > 1 ? AIR_INVALID : adv_ext_params_check(c, &s);
    if (status != AIR_OK)
        return status;
    if (s.props & ADV_LEGACY)
        s.phy2 = 0;
    if (s.props & ADV_LEGACY && s.props & ADV_DIRECTED)
        s.filter_policy = 0;
    *set = s;
    wr_i8(ret, s.tx_power);
    return AIR_OK;
}

/* ---- data, whole or in fragments: Core 5.4, Vol 4, Part E, 7.8.54, 7.8.55 ---- */

static size_t adv_ext_data_max(const struct air_set *s)
{
    if (s->props & ADV_LEGACY)
        return 31;
    if (s->props & ADV_CONNECTABLE && s->c->cfg.max_adv_data > ADV_CONNECTABLE_DATA)
        return ADV_CONNECTABLE_DATA;
    return s->c->cfg.max_adv_data;
}

static uint8_t adv_ext_put(struct air_set *s, struct air_data *d, uint8_t op, struct rd data)
{
    size_t n = data.left;

    if (op == OP_UNCHANGED) {
        if (n > 0 || !s->enabled || d->len == 0 || s->props & ADV_LEGACY)
            return AIR_INVALID;
        s->did = (s->did + 1) & 0xfff;
        return AIR_OK;
    }
    if (s->enabled && op != OP_COMPLETE)
        return bl_air_disallow(s->c, "data in fragments while the set advertises");
    if (op != OP_COMPLETE && (n == 0 || s->props & ADV_LEGACY))
        return AIR_INVALID;
    if ((op == OP_INTERMEDIATE || op == OP_LAST) && !d->partial)
        return bl_air_disallow(s->c, "a later fragment of data without its first");
    if (op == OP_FIRST || op == OP_COMPLETE)
        d->len = 0;
    d->partial = op == OP_FIRST || op == OP_INTERMEDIATE;
    if (d->len + n > adv_ext_data_max(s)) {
        d->len = 0;
        d->partial = false;
        return s->props & ADV_LEGACY ? AIR_INVALID : AIR_MEMORY_EXCEEDED;
    }
    s->did = (s->did + 1) & 0xfff;
    return bl_air_data_put(d, rd_bytes(&data, n), n) ? AIR_OK : AIR_MEMORY_EXCEEDED;
}

static uint8_t adv_ext_set_data(struct air_ctrl *c, struct rd *p, bool response)
{
    struct air_set *s = adv_ext_find(c, rd_u8(p));
    uint8_t op = rd_u8(p), preference = rd_u8(p), len = rd_u8(p);

    if (!s)
        return AIR_UNKNOWN_ADVERTISING;
    if (op > (response ? OP_COMPLETE : OP_UNCHANGED) || preference > 1 || len > 251 ||
        p->left != len)
        return AIR_INVALID;
    bool takes = response                ? s->props & ADV_SCANNABLE
                 : s->props & ADV_LEGACY ? !(s->props & ADV_DIRECTED)
                                         : !(s->props & ADV_SCANNABLE);
    if (!takes && len > 0)
        return AIR_INVALID;
    return adv_ext_put(s, response ? &s->response : &s->data, op, *p);
}

static uint8_t adv_ext_data(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)ret;
    return adv_ext_set_data(c, p, false);
}

static uint8_t adv_ext_response(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)ret;
    return adv_ext_set_data(c, p, true);
}

/* ---- enable: Core 5.4, Vol 4, Part E, 7.8.56 ---- */

static uint8_t adv_ext_startable(struct air_ctrl *c, const struct air_set *s, uint16_t duration)
{
    if (s->data.partial || s->response.partial)
        return bl_air_disallow(c, "enabling a set whose data is not complete");
    if (!(s->props & ADV_LEGACY) && s->props & ADV_SCANNABLE && s->response.len == 0)
        return bl_air_disallow(c, "enabling a scannable set without scan response data");
    if (s->props & ADV_HIGH_DUTY && (duration == 0 || duration > 128))
        return AIR_INVALID;
    if (s->own_type & 1 && !s->has_random &&
        !(s->own_type == 3 && bl_air_resolving_find(c, &s->peer))) {
        bl_air_violate(c, "advertising with a random address that was never set");
        return AIR_INVALID;
    }
    if (!(s->props & ADV_LEGACY) && s->props & ADV_CONNECTABLE &&
        s->data.len > ADV_CONNECTABLE_DATA)
        return AIR_TOO_LONG;
    return AIR_OK;
}

static uint8_t adv_ext_stop_all(struct air_ctrl *c)
{
    for (unsigned i = 0; i < c->cfg.num_sets; i++)
        bl_air_set_stop(&c->sets[i]);
    return AIR_OK;
}

static uint8_t adv_ext_enable(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint8_t enable = rd_u8(p), n = rd_u8(p);
    uint8_t named[32] = {0};

    (void)ret;
    if (enable > 1 || n > 0x3f || p->left != n * 4u || (enable && n == 0))
        return AIR_INVALID;
    if (n == 0)
        return adv_ext_stop_all(c);
    for (struct rd check = *p; check.left > 0;) {
        uint8_t handle = rd_u8(&check);
        uint16_t duration = rd_u16(&check);
        rd_u8(&check);
        if (named[handle / 8] >> handle % 8 & 1)
            return AIR_INVALID;
        named[handle / 8] |= (uint8_t)(1 << handle % 8);
        const struct air_set *s = adv_ext_find(c, handle);
        if (!s)
            return AIR_UNKNOWN_ADVERTISING;
        uint8_t status = enable ? adv_ext_startable(c, s, duration) : AIR_OK;
        if (status != AIR_OK)
            return status;
    }
    while (p->left > 0) {
        struct air_set *s = adv_ext_find(c, rd_u8(p));
        uint64_t duration = rd_u16(p) * UINT64_C(10000);
        uint8_t events = rd_u8(p);
        if (s && enable)
            bl_air_set_start(s, duration, events);
        else if (s)
            bl_air_set_stop(s);
    }
    return AIR_OK;
}

static uint8_t adv_ext_max_data(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p;
    wr_u16(ret, c->cfg.max_adv_data);
    return AIR_OK;
}

static uint8_t adv_ext_num_sets(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p;
    wr_u8(ret, c->cfg.num_sets);
    return AIR_OK;
}

static uint8_t adv_ext_remove(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_set *s = adv_ext_find(c, rd_u8(p));

    (void)ret;
    if (!s)
        return AIR_UNKNOWN_ADVERTISING;
    if (s->enabled)
        return bl_air_disallow(c, "removing a set that advertises");
    bl_air_set_clear(s);
    return AIR_OK;
}

static uint8_t adv_ext_clear(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p, (void)ret;
    if (bl_air_advertising(c))
        return bl_air_disallow(c, "clearing sets while one advertises");
    for (unsigned i = 0; i < c->cfg.num_sets; i++)
        bl_air_set_clear(&c->sets[i]);
    return AIR_OK;
}

static uint8_t adv_ext_power(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)c, (void)p;
    wr_i8(ret, -20);
    wr_i8(ret, 10);
    return AIR_OK;
}

#define EXT BL_AIR_LE_EXTENDED_ADV, AIR_CMD_EXTENDED

static const struct air_cmd adv_ext_rows[] = {
    {0x2035, 7, 7, 0, AIR_BIT(36, 1), 9, EXT, adv_ext_random},
    {0x2036, 25, 25, 1, AIR_BIT(36, 2), 9, EXT, adv_ext_params},
    {0x2037, 4, 255, 0, AIR_BIT(36, 3), 9, EXT, adv_ext_data},
    {0x2038, 4, 255, 0, AIR_BIT(36, 4), 9, EXT, adv_ext_response},
    {0x2039, 2, 254, 0, AIR_BIT(36, 5), 9, EXT, adv_ext_enable},
    {0x203a, 0, 0, 2, AIR_BIT(36, 6), 9, EXT, adv_ext_max_data},
    {0x203b, 0, 0, 1, AIR_BIT(36, 7), 9, EXT, adv_ext_num_sets},
    {0x203c, 1, 1, 0, AIR_BIT(37, 0), 9, EXT, adv_ext_remove},
    {0x203d, 0, 0, 0, AIR_BIT(37, 1), 9, EXT, adv_ext_clear},
    {0x204b, 0, 0, 2, AIR_BIT(38, 7), 9, 0, 0, adv_ext_power},
};

const struct air_cmd_table bl_air_adv_ext_commands = {adv_ext_rows, sizeof(adv_ext_rows) /
                                                                        sizeof(adv_ext_rows[0])};
