/* SPDX-License-Identifier: MIT */

/* Rows: scanning. Core 5.4, Vol 4, Part E, 7.8.10, 7.8.11, 7.8.64, 7.8.65. */

#include "air/air_internal.h"

#include <stdlib.h>

#define SCAN_DURATION_US UINT64_C(10000)
#define SCAN_PERIOD_US   UINT64_C(1280000)

void bl_air_scan_forget(struct air_scan *s)
{
    if (s->seen)
        memset(s->seen, 0, AIR_DUPLICATE_SETS * AIR_DUPLICATE_WAYS * sizeof(*s->seen));
}

void bl_air_scan_stop(struct air_ctrl *c)
{
    struct air_scan *s = &c->scan;

    s->enabled = false;
    bl_air_timer_stop(c->air, &s->end);
    free(s->seen);
    free(s->next_way);
    s->seen = NULL;
    s->next_way = NULL;
    bl_air_listen(c);
}

static bool scan_window_ok(const struct air_window *w, bool extended)
{
    return w->interval >= 4 && w->window >= 4 && w->window <= w->interval &&
           (extended || w->interval <= 0x4000);
}

static bool scan_policy_ok(const struct air_ctrl *c, uint8_t own_type, uint8_t policy)
{
    bool privacy = c->cfg.le_features & BL_AIR_LE_PRIVACY;
    bool directed = c->cfg.le_features & BL_AIR_LE_EXT_SCAN_FILTER;

    return own_type <= (privacy ? 3 : 1) && policy <= (directed ? 3 : 1);
}

static uint8_t scan_params(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint8_t active = rd_u8(p);
    struct air_window w = {.on = true, .active = active};

    (void)ret;
    w.interval = rd_u16(p);
    w.window = rd_u16(p);
    uint8_t own_type = rd_u8(p), policy = rd_u8(p);
    if (active > 1 || !scan_window_ok(&w, false) || !scan_policy_ok(c, own_type, policy))
        return AIR_INVALID;
    if (c->scan.enabled)
        return bl_air_disallow(c, "LE Set Scan Parameters while scanning");
    c->scan.phy[0] = w;
    c->scan.phy[1].on = false;
    c->scan.own_type = own_type;
    c->scan.policy = policy;
    return AIR_OK;
}

static uint8_t scan_ext_params(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint8_t own_type = rd_u8(p), policy = rd_u8(p), phys = rd_u8(p);
    struct air_window w[2] = {{0}};

    (void)ret;
    if (phys == 0 || phys & ~5u || !scan_policy_ok(c, own_type, policy))
        return AIR_INVALID;
    if (phys & 4 && !(c->cfg.le_features & BL_AIR_LE_CODED))
        return AIR_UNSUPPORTED;
    for (unsigned i = 0; i < 2; i++) {
        if (!(phys & (i ? 4 : 1)))
            continue;
        uint8_t active = rd_u8(p);
        w[i] = (struct air_window){.on = true, .active = active};
        w[i].interval = rd_u16(p);
        w[i].window = rd_u16(p);
        if (active > 1 || (rd_ok(p) && !scan_window_ok(&w[i], true)))
            return AIR_INVALID;
    }
    if (!rd_done(p))
        return AIR_INVALID;
    if (c->scan.enabled)
        return bl_air_disallow(c, "LE Set Extended Scan Parameters while scanning");
    c->scan.phy[0] = w[0];
    c->scan.phy[1] = w[1];
    c->scan.own_type = own_type;
    c->scan.policy = policy;
    return AIR_OK;
}

static void scan_timed_out(struct bl_air *air, struct air_timer *timer)
{
    struct air_ctrl *c = timer_entry(timer, struct air_ctrl, scan.end);
    struct air_event e;

    (void)air;
    bl_air_scan_stop(c);
    bl_air_meta_begin(&e, LE_SCAN_TIMEOUT);
    bl_air_event_send(c, &e, 0);
}

static uint8_t scan_start(struct air_ctrl *c, bool extended, uint8_t dedupe, uint64_t duration,
                          uint64_t period)
{
    struct air_scan *s = &c->scan;

    if (s->own_type == 1 && !c->has_random) {
        bl_air_violate(c, "scanning with a random address that was never set");
        return AIR_INVALID;
    }
    bl_air_scan_stop(c);
    if (dedupe) {
        s->seen = calloc(AIR_DUPLICATE_SETS * AIR_DUPLICATE_WAYS, sizeof(*s->seen));
        s->next_way = calloc(AIR_DUPLICATE_SETS, 1);
        if (!s->seen || !s->next_way) {
            bl_air_scan_stop(c);
            return AIR_MEMORY_EXCEEDED;
        }
    }
    bl_air_privacy_begin(c, s->own_type);
    s->enabled = true;
    s->extended = extended;
    s->dedupe = dedupe;
    s->dedupe_period = dedupe == 2;
    s->start = c->air->now;
    s->duration = duration;
    s->period = period;
    s->period_index = 0;
    if (duration && !period)
        bl_air_timer_set(c->air, &s->end, c->air->now + duration, scan_timed_out);
    bl_air_listen(c);
    return AIR_OK;
}

static uint8_t scan_enable(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint8_t enable = rd_u8(p), dedupe = rd_u8(p);

    (void)ret;
    if (enable > 1 || (enable && dedupe > 1))
        return AIR_INVALID;
    if (!enable) {
        bl_air_scan_stop(c);
        return AIR_OK;
    }
    return scan_start(c, false, dedupe, 0, 0);
}

static uint8_t scan_ext_enable(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    uint8_t enable = rd_u8(p), dedupe = rd_u8(p);
    uint64_t duration = rd_u16(p) * SCAN_DURATION_US, period = rd_u16(p) * SCAN_PERIOD_US;

    (void)ret;
    if (enable > 1)
        return AIR_INVALID;
    if (!enable) {
        bl_air_scan_stop(c);
        return AIR_OK;
    }
    if (dedupe > 2 || (duration && period && duration >= period) ||
        (dedupe == 2 && (!duration || !period)))
        return AIR_INVALID;
    return scan_start(c, true, dedupe, duration, duration ? period : 0);
}

#define EXT BL_AIR_LE_EXTENDED_ADV, AIR_CMD_EXTENDED

static const struct air_cmd scan_rows[] = {
    {0x200b, 7, 7, 0, AIR_BIT(26, 2), 0, 0, AIR_CMD_LEGACY, scan_params},
    {0x200c, 2, 2, 0, AIR_BIT(26, 3), 0, 0, AIR_CMD_LEGACY, scan_enable},
    {0x2041, 8, 13, 0, AIR_BIT(37, 5), 9, EXT, scan_ext_params},
    {0x2042, 6, 6, 0, AIR_BIT(37, 6), 9, EXT, scan_ext_enable},
};

const struct air_cmd_table bl_air_scan_commands = {scan_rows,
                                                   sizeof(scan_rows) / sizeof(scan_rows[0])};
