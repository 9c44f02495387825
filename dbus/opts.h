/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * opts: reading a{sv} by a table.
 *
 *     struct connect_opts {
 *         struct bus_opts head;          first member
 *         uint32_t scan_duration_ms;
 *         const char *mode;
 *     };
 *     static const struct bus_opt CONNECT_OPTS[] = {
 *         {"scan_duration_ms", "u", offsetof(struct connect_opts, scan_duration_ms)},
 *         {"phys", "as", offsetof(struct connect_opts, phys), .read = bus_opt_phys},
 *     };
 *
 * The caller sets the defaults first. Unknown keys, wrong types, values out of range and keys given
 * twice are InvalidArgs naming the key. `wait` b is read for every method and not in the tables.
 */

#include "bus.h"

struct bus_opts {
    bool no_wait;   /* wait was given as false */
    uint64_t given; /* bit n: row n of the table was given */
};

struct bus_opt {
    const char *key;
    const char *signature;
    size_t offset;    /* in the structure, for the type that the signature names (below) */
    int64_t min, max; /* of integers, where max is not 0; both ends legal */
    /* For signatures other than b (bool) y (uint8_t) n (int16_t) q (uint16_t) i u (32 bits) x t
     * (64) s (const char *, borrowed from the message) and ay (struct bus_bytes, borrowed). The
     * message stands before the value; 0, or negative with error set naming o->key. */
    int (*read)(sd_bus_message *m, const struct bus_opt *o, void *field, sd_bus_error *error);
};

struct bus_bytes {
    const uint8_t *p;
    size_t n;
};

/* Of an array read by the functions below: borrowed memory of the structure itself. */
enum { BUS_OPT_MAX_ITEMS = BL_MAX_FILTER_ITEMS };

struct bus_uuids {
    size_t n;
    struct bl_uuid v[BUS_OPT_MAX_ITEMS];
};

struct bus_addrs {
    size_t n;
    struct bl_addr v[BUS_OPT_MAX_ITEMS];
};

struct bus_u16s {
    size_t n;
    uint16_t v[BUS_OPT_MAX_ITEMS];
};

int bus_opt_uuids(sd_bus_message *m, const struct bus_opt *o, void *field, sd_bus_error *error);
int bus_opt_addr(sd_bus_message *m, const struct bus_opt *o, void *field,
                 sd_bus_error *error); /* (ys) -> struct bl_addr */
int bus_opt_addrs(sd_bus_message *m, const struct bus_opt *o, void *field,
                  sd_bus_error *error); /* a(ys) */
int bus_opt_u16s(sd_bus_message *m, const struct bus_opt *o, void *field,
                 sd_bus_error *error); /* aq */
int bus_opt_phys(sd_bus_message *m, const struct bus_opt *o, void *field,
                 sd_bus_error *error); /* as of 1m 2m coded -> uint8_t BL_PHYS_* */
int bus_opt_phy(sd_bus_message *m, const struct bus_opt *o, void *field,
                sd_bus_error *error); /* s -> uint8_t enum bl_phy */

/* The rest of the arguments, an a{sv}, into *dest, which begins with struct bus_opts. The head is
 * set here; 0 or negative with error set. */
int bus_opts_read(sd_bus_message *m, const struct bus_opt *table, size_t n, void *dest,
                  sd_bus_error *error);
/* For an a{sv} that takes `wait` alone, and for one inside an argument: no `wait` there. */
int bus_opts_read_wait(sd_bus_message *m, bool *ret_wait, sd_bus_error *error);
int bus_opts_read_nested(sd_bus_message *m, const struct bus_opt *table, size_t n, void *dest,
                         sd_bus_error *error);

static inline bool bus_opts_given(const struct bus_opts *head, size_t row)
{
    return (head->given >> row & 1) != 0;
}

/* Arguments, not options: addresses and UUIDs as text; -EINVAL with error set. */
int bus_read_addr(const char *text, uint8_t type, struct bl_addr *ret, sd_bus_error *error);
int bus_read_uuid(const char *text, struct bl_uuid *ret, sd_bus_error *error);
/* The name of a PHY (enum bl_phy): 1m, 2m, coded; "" for none. */
const char *bus_phy_name(uint8_t phy);
