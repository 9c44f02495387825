/* SPDX-License-Identifier: MIT */

/* opts_types: the values of options and arguments that are more than a number or a string. */

#include "error.h"
#include "opts.h"

#include <errno.h>

int bus_read_addr(const char *text, uint8_t type, struct bl_addr *ret, sd_bus_error *error)
{
    if (type > ADDR_RANDOM)
        return bus_error_invalid(error, "Address type %u is neither 0 (public) nor 1 (random).",
                                 type);
    if (!bl_addr_parse(text, type, ret))
        return bus_error_invalid(error, "'%s' is not an address like AA:BB:CC:DD:EE:FF.", text);
    return 0;
}

int bus_read_uuid(const char *text, struct bl_uuid *ret, sd_bus_error *error)
{
    if (!bl_uuid_parse(text, ret))
        return bus_error_invalid(
            error, "'%s' is not a UUID: 4 or 8 hexadecimal digits or the 128-bit form.", text);
    return 0;
}

static int too_many(const struct bus_opt *o, sd_bus_error *error)
{
    return bus_error_invalid(error, "Option '%s' has more than %d items.", o->key,
                             BUS_OPT_MAX_ITEMS);
}

int bus_opt_uuids(sd_bus_message *m, const struct bus_opt *o, void *field, sd_bus_error *error)
{
    struct bus_uuids *list = field;
    const char *text;
    int r = sd_bus_message_enter_container(m, 'a', "s");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_read_basic(m, 's', &text)) > 0) {
        if (list->n == BUS_OPT_MAX_ITEMS)
            return too_many(o, error);
        if (!bl_uuid_parse(text, &list->v[list->n]))
            return bus_error_invalid(error, "Option '%s': '%s' is not a UUID.", o->key, text);
        list->n++;
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* 1: read, 0: the array is at its end. */
static int read_one_addr(sd_bus_message *m, const struct bus_opt *o, struct bl_addr *ret,
                         sd_bus_error *error)
{
    uint8_t type;
    const char *text;
    int r = sd_bus_message_read(m, "(ys)", &type, &text);
    if (r <= 0)
        return r;
    if (type > ADDR_RANDOM || !bl_addr_parse(text, type, ret))
        return bus_error_invalid(error, "Option '%s': (%u, '%s') is not an address.", o->key, type,
                                 text);
    return 1;
}

int bus_opt_addr(sd_bus_message *m, const struct bus_opt *o, void *field, sd_bus_error *error)
{
    int r = read_one_addr(m, o, field, error);
    return r < 0 ? r : 0;
}

int bus_opt_addrs(sd_bus_message *m, const struct bus_opt *o, void *field, sd_bus_error *error)
{
    struct bus_addrs *list = field;
    struct bl_addr addr;
    int r = sd_bus_message_enter_container(m, 'a', "(ys)");
    if (r < 0)
        return r;
    while ((r = read_one_addr(m, o, &addr, error)) > 0) {
        if (list->n == BUS_OPT_MAX_ITEMS)
            return too_many(o, error);
        list->v[list->n++] = addr;
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

int bus_opt_u16s(sd_bus_message *m, const struct bus_opt *o, void *field, sd_bus_error *error)
{
    struct bus_u16s *list = field;
    const void *p;
    size_t size;
    int r = sd_bus_message_read_array(m, 'q', &p, &size);
    if (r < 0)
        return r;
    if (size > sizeof(list->v))
        return too_many(o, error);
    list->n = size / sizeof(list->v[0]);
    if (size > 0)
        memcpy(list->v, p, size);
    return 0;
}

static const char *const PHYS[] = {
    [BL_PHY_NONE] = "",
    [BL_PHY_1M] = "1m",
    [BL_PHY_2M] = "2m",
    [BL_PHY_CODED] = "coded",
};

const char *bus_phy_name(uint8_t phy)
{
    return phy <= BL_PHY_CODED ? PHYS[phy] : "";
}

static uint8_t phy_number(const char *text)
{
    for (uint8_t i = BL_PHY_1M; i <= BL_PHY_CODED; i++)
        if (strcmp(text, PHYS[i]) == 0)
            return i;
    return BL_PHY_NONE;
}

static int bad_phy(const struct bus_opt *o, const char *text, sd_bus_error *error)
{
    return bus_error_invalid(error, "Option '%s': '%s' is not a PHY; there are 1m, 2m and coded.",
                             o->key, text);
}

int bus_opt_phys(sd_bus_message *m, const struct bus_opt *o, void *field, sd_bus_error *error)
{
    uint8_t *mask = field;
    const char *text;
    int r = sd_bus_message_enter_container(m, 'a', "s");
    if (r < 0)
        return r;
    *mask = 0;
    while ((r = sd_bus_message_read_basic(m, 's', &text)) > 0) {
        uint8_t phy = phy_number(text);
        if (phy == BL_PHY_NONE)
            return bad_phy(o, text, error);
        *mask |= (uint8_t)(1u << (phy - 1));
    }
    if (r < 0)
        return r;
    if (*mask == 0)
        return bus_error_invalid(error, "Option '%s' names no PHY.", o->key);
    return sd_bus_message_exit_container(m);
}

int bus_opt_phy(sd_bus_message *m, const struct bus_opt *o, void *field, sd_bus_error *error)
{
    const char *text;
    int r = sd_bus_message_read_basic(m, 's', &text);
    if (r < 0)
        return r;
    uint8_t phy = phy_number(text);
    if (phy == BL_PHY_NONE)
        return bad_phy(o, text, error);
    *(uint8_t *)field = phy;
    return 0;
}
