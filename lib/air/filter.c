/* SPDX-License-Identifier: MIT */

/* Rows: the Filter Accept List. Core 5.4, Vol 4, Part E, 7.8.14 to 7.8.17. */

#include "air/air_internal.h"

static struct air_accepted *filter_find(const struct air_ctrl *c, uint8_t type, const uint8_t *addr)
{
    for (unsigned i = 0; i < c->n_accepted; i++)
        if (c->accepted[i].type == type &&
            (type == 0xff || memcmp(c->accepted[i].addr, addr, 6) == 0))
            return &c->accepted[i];
    return NULL;
}

bool bl_air_accepted(const struct air_ctrl *c, const struct bl_addr *a)
{
    return filter_find(c, a->type, a->b) != NULL;
}

/* The list must not change while anything goes by it. */
static bool filter_in_use(const struct air_ctrl *c)
{
    return bl_air_advertising_by_list(c) || (c->scan.enabled && c->scan.policy & 1) ||
           (c->init.enabled && c->init.by_list);
}

static uint8_t filter_read_size(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p;
    wr_u8(ret, c->cfg.accept_list_size);
    return AIR_OK;
}

static uint8_t filter_clear(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    (void)p, (void)ret;
    if (filter_in_use(c))
        return bl_air_disallow(c, "the accept list is in use");
    c->n_accepted = 0;
    return AIR_OK;
}

static bool filter_type_ok(uint8_t type)
{
    return type <= 1 || type == 0xff;
}

static uint8_t filter_add(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_accepted a = {.type = rd_u8(p)};

    (void)ret;
    rd_copy(p, a.addr, 6);
    if (!filter_type_ok(a.type))
        return AIR_INVALID;
    if (filter_in_use(c))
        return bl_air_disallow(c, "the accept list is in use");
    if (filter_find(c, a.type, a.addr))
        return AIR_OK;
    if (c->n_accepted >= c->cfg.accept_list_size)
        return AIR_MEMORY_EXCEEDED;
    c->accepted[c->n_accepted++] = a;
    return AIR_OK;
}

static uint8_t filter_remove(struct air_ctrl *c, struct rd *p, struct wr *ret)
{
    struct air_accepted a = {.type = rd_u8(p)};

    (void)ret;
    rd_copy(p, a.addr, 6);
    if (!filter_type_ok(a.type))
        return AIR_INVALID;
    if (filter_in_use(c))
        return bl_air_disallow(c, "the accept list is in use");
    struct air_accepted *found = filter_find(c, a.type, a.addr);
    if (found)
        *found = c->accepted[--c->n_accepted];
    return AIR_OK;
}

static const struct air_cmd filter_rows[] = {
    {0x200f, 0, 0, 1, AIR_BIT(26, 6), 0, 0, 0, filter_read_size},
    {0x2010, 0, 0, 0, AIR_BIT(26, 7), 0, 0, 0, filter_clear},
    {0x2011, 7, 7, 0, AIR_BIT(27, 0), 0, 0, 0, filter_add},
    {0x2012, 7, 7, 0, AIR_BIT(27, 1), 0, 0, 0, filter_remove},
};

const struct air_cmd_table bl_air_filter_commands = {filter_rows,
                                                     sizeof(filter_rows) / sizeof(filter_rows[0])};
