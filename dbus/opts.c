/* SPDX-License-Identifier: MIT */

/*
 * opts: one loop over a{sv}, one row per key.
 *
 * A value's type is compared with the row's signature as text before anything is read, so a reader
 * never meets another type than its own. `given` has a bit per row, which also finds keys given
 * twice; `wait` is told apart by being no row.
 */

#include "opts.h"

#include "base/cleanup.h"
#include "error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int bad_type(sd_bus_error *error, const char *key, const char *want, const char *got)
{
    return bus_error_invalid(error, "Option '%s' takes a value of type '%s', not '%s'.", key, want,
                             got);
}

static int store_integer(const struct bus_opt *o, uint8_t *field, int64_t v, sd_bus_error *error)
{
    if (o->max != 0 && (v < o->min || v > o->max))
        return bus_error_invalid(
            error, "Option '%s' is %" PRId64 ", which is not in %" PRId64 " to %" PRId64 ".",
            o->key, v, o->min, o->max);

    switch (o->signature[0]) {
    case 'y':
        *field = (uint8_t)v;
        return 0;
    case 'n':
        *(int16_t *)(void *)field = (int16_t)v;
        return 0;
    case 'q':
        *(uint16_t *)(void *)field = (uint16_t)v;
        return 0;
    case 'i':
        *(int32_t *)(void *)field = (int32_t)v;
        return 0;
    default:
        *(uint32_t *)(void *)field = (uint32_t)v;
        return 0;
    }
}

static int read_integer(sd_bus_message *m, const struct bus_opt *o, uint8_t *field,
                        sd_bus_error *error)
{
    union {
        uint8_t y;
        int16_t n;
        uint16_t q;
        int32_t i;
        uint32_t u;
    } v = {0};
    int r = sd_bus_message_read_basic(m, o->signature[0], &v);
    if (r < 0)
        return r;

    switch (o->signature[0]) {
    case 'y':
        return store_integer(o, field, v.y, error);
    case 'n':
        return store_integer(o, field, v.n, error);
    case 'q':
        return store_integer(o, field, v.q, error);
    case 'i':
        return store_integer(o, field, v.i, error);
    default:
        return store_integer(o, field, v.u, error);
    }
}

/* The message stands inside the variant, whose type is the row's. */
static int read_value(sd_bus_message *m, const struct bus_opt *o, uint8_t *field,
                      sd_bus_error *error)
{
    if (o->read)
        return o->read(m, o, field, error);

    if (o->signature[0] == 'a') { /* ay */
        struct bus_bytes *bytes = (void *)field;
        const void *p;
        int r = sd_bus_message_read_array(m, 'y', &p, &bytes->n);
        bytes->p = p;
        return r;
    }
    if (o->signature[0] == 'b') {
        int v = 0;
        int r = sd_bus_message_read_basic(m, 'b', &v);
        *(bool *)field = v != 0;
        return r;
    }
    if (o->signature[0] == 's' || o->signature[0] == 't' || o->signature[0] == 'x')
        return sd_bus_message_read_basic(m, o->signature[0], field);
    return read_integer(m, o, field, error);
}

static int read_variant(sd_bus_message *m, const struct bus_opt *o, void *dest, const char *type,
                        sd_bus_error *error)
{
    int r = sd_bus_message_enter_container(m, 'v', type);
    if (r < 0)
        return r;
    r = read_value(m, o, (uint8_t *)dest + o->offset, error);
    if (r < 0)
        return r;
    return sd_bus_message_exit_container(m);
}

static int read_wait(sd_bus_message *m, struct bus_opts *head, bool *seen, const char *type,
                     sd_bus_error *error)
{
    int wait = 1;
    if (*seen)
        return bus_error_invalid(error, "Option 'wait' is given twice.");
    *seen = true;
    if (strcmp(type, "b") != 0)
        return bad_type(error, "wait", "b", type);
    int r = sd_bus_message_read(m, "v", "b", &wait);
    head->no_wait = !wait;
    return r;
}

/* What there is, for who mistyped it. */
static int unknown_key(sd_bus_error *error, const char *key, const struct bus_opt *table, size_t n,
                       bool wait)
{
    char known[512];
    size_t len = 0;

    for (size_t i = 0; i < n + wait && len < sizeof(known); i++)
        len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", i > 0 ? ", " : "",
                                i < n ? table[i].key : "wait");
    if (n + wait == 0)
        return bus_error_invalid(error, "There is no option '%s' here, nor any other.", key);
    return bus_error_invalid(error, "There is no option '%s' here, but %s.", key, known);
}

static int read_entry(sd_bus_message *m, const struct bus_opt *table, size_t n, void *dest,
                      bool *wait_seen, sd_bus_error *error)
{
    struct bus_opts *head = dest;
    const char *key, *type;
    char kind;
    int r = sd_bus_message_read_basic(m, 's', &key);
    if (r < 0)
        return r;
    r = sd_bus_message_peek_type(m, &kind, &type);
    if (r < 0)
        return r;

    if (wait_seen && strcmp(key, "wait") == 0)
        return read_wait(m, head, wait_seen, type, error);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(key, table[i].key) != 0)
            continue;
        if (head->given >> i & 1)
            return bus_error_invalid(error, "Option '%s' is given twice.", key);
        if (strcmp(type, table[i].signature) != 0)
            return bad_type(error, key, table[i].signature, type);
        head->given |= (uint64_t)1 << i;
        return read_variant(m, &table[i], dest, type, error);
    }
    return unknown_key(error, key, table, n, wait_seen != NULL);
}

static int read_dict(sd_bus_message *m, const struct bus_opt *table, size_t n, void *dest,
                     bool *wait_seen, sd_bus_error *error)
{
    *(struct bus_opts *)dest = (struct bus_opts){0};
    int r = sd_bus_message_enter_container(m, 'a', "{sv}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = read_entry(m, table, n, dest, wait_seen, error);
        if (r < 0)
            return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    r = sd_bus_message_exit_container(m);
    return r < 0 ? r : 0;
}

int bus_opts_read(sd_bus_message *m, const struct bus_opt *table, size_t n, void *dest,
                  sd_bus_error *error)
{
    bool wait_seen = false;
    return read_dict(m, table, n, dest, &wait_seen, error);
}

int bus_opts_read_nested(sd_bus_message *m, const struct bus_opt *table, size_t n, void *dest,
                         sd_bus_error *error)
{
    return read_dict(m, table, n, dest, NULL, error);
}

int bus_opts_read_wait(sd_bus_message *m, bool *ret_wait, sd_bus_error *error)
{
    struct bus_opts head;
    int r = bus_opts_read(m, NULL, 0, &head, error);
    if (r < 0)
        return r;
    *ret_wait = !head.no_wait;
    return 0;
}
