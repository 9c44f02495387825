/* SPDX-License-Identifier: MIT */

/* value: D-Bus values as JSON, and as text. */

#include "ctl.h"

#include <stdlib.h>
#include <string.h>

static json_t *basic(sd_bus_message *m, char type)
{
    union {
        uint8_t y;
        int b;
        int16_t n;
        uint16_t q;
        int32_t i;
        uint32_t u;
        int64_t x;
        uint64_t t;
        double d;
        const char *s;
    } v = {0};

    if (sd_bus_message_read_basic(m, type, &v) <= 0)
        return NULL;
    switch (type) {
    case 'y':
        return json_integer(v.y);
    case 'b':
        return json_boolean(v.b);
    case 'n':
        return json_integer(v.n);
    case 'q':
        return json_integer(v.q);
    case 'i':
        return json_integer(v.i);
    case 'u':
        return json_integer(v.u);
    case 'x':
        return json_integer(v.x);
    case 't':
        return json_integer((json_int_t)v.t);
    case 'd':
        return json_real(v.d);
    case 's':
    case 'o':
    case 'g':
        return json_string(v.s);
    default:
        return json_null(); /* a descriptor */
    }
}

/* A key of a dictionary, which JSON wants as text. */
static char *key_of(sd_bus_message *m)
{
    json_t *j = ctl_value(m);
    char *text = j ? ctl_value_text(j) : NULL;

    json_decref(j);
    return text;
}

static json_t *dictionary(sd_bus_message *m)
{
    json_t *all = json_object();
    const char *type;
    char kind;

    while (all && sd_bus_message_peek_type(m, &kind, &type) > 0 &&
           sd_bus_message_enter_container(m, 'e', type) > 0) {
        char *key = key_of(m);
        json_t *value = ctl_value(m);
        if (key && value)
            json_object_set(all, key, value);
        json_decref(value);
        free(key);
        sd_bus_message_exit_container(m);
    }
    return all;
}

static json_t *list(sd_bus_message *m)
{
    json_t *all = json_array(), *one;

    while (all && (one = ctl_value(m)) != NULL)
        json_array_append_new(all, one);
    return all;
}

static json_t *octets(sd_bus_message *m)
{
    const void *p;
    size_t n;

    return sd_bus_message_read_array(m, 'y', &p, &n) < 0 ? NULL : ctl_json_hex(p, n);
}

json_t *ctl_value(sd_bus_message *m)
{
    const char *inner;
    json_t *j;
    char type;

    if (sd_bus_message_peek_type(m, &type, &inner) <= 0)
        return NULL;
    if (type == 'a' && strcmp(inner, "y") == 0)
        return octets(m);
    if (!strchr("avr", type))
        return basic(m, type);
    bool entries = type == 'a' && inner[0] == '{';
    if (sd_bus_message_enter_container(m, type, inner) < 0)
        return NULL;
    j = type == 'v' ? ctl_value(m) : entries ? dictionary(m) : list(m);
    sd_bus_message_exit_container(m);
    return j;
}

json_t *ctl_properties(struct ctl *c, const char *path, const char *interface, int *status)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    int r = sd_bus_call_method(c->bus, c->bus_name, path, "org.freedesktop.DBus.Properties",
                               "GetAll", &error, &m, "s", interface);
    json_t *j = r < 0 ? NULL : ctl_value(m);

    if (!j)
        *status = ctl_error(path, r, &error);
    return j;
}

static void write_text(FILE *to, const json_t *j)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_string(j)) {
        ctl_text(to, json_string_value(j), json_string_length(j), CTL_ALL_COLUMNS);
    } else if (json_is_boolean(j)) {
        fputs(json_is_true(j) ? "yes" : "no", to);
    } else if (json_is_array(j)) {
        json_array_foreach(j, i, value)
        {
            fputs(i > 0 ? ", " : "", to);
            write_text(to, value);
        }
    } else if (json_is_object(j)) {
        const char *between = "";
        json_object_foreach((json_t *)(uintptr_t)j, key, value)
        {
            fprintf(to, "%s%s ", between, key);
            write_text(to, value);
            between = ", ";
        }
    } else {
        json_dumpf(j, to, JSON_ENCODE_ANY);
    }
}

char *ctl_value_text(const json_t *j)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);

    if (!to)
        return NULL;
    write_text(to, j);
    fclose(to);
    return text;
}
