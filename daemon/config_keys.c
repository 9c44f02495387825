/* SPDX-License-Identifier: MIT */
/* One row a key: where the value goes, its range, and the hint that an error gives. */
#include "config_keys.h"
#include "base/cleanup.h"
#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool parse_u32(const char *text, uint32_t *ret)
{
    int base = strncmp(text, "0x", 2) == 0 ? 16 : 10;
    const char *digits = base == 16 ? text + 2 : text;
    if (!isxdigit((unsigned char)*digits) || strlen(digits) > 10)
        return false;
    char *end;
    unsigned long long v = strtoull(digits, &end, base);
    if (*end || v > UINT32_MAX)
        return false;
    *ret = (uint32_t)v;
    return true;
}

static void store(void *object, const struct config_key *key, uint32_t value)
{
    char *at = (char *)object + key->offset;
    uint8_t u8 = (uint8_t)value;
    uint16_t u16 = (uint16_t)value;
    if (key->size == 1)
        memcpy(at, &u8, 1);
    else if (key->size == 2)
        memcpy(at, &u16, 2);
    else
        memcpy(at, &value, 4);
}

static const char *set_number(const struct config_key *key, void *object, const char *value)
{
    uint32_t v;
    if (!parse_u32(value, &v) || v < key->min || v > key->max)
        return key->hint;
    store(object, key, v);
    return NULL;
}

static bool parse_bool(const char *text, bool *ret)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *ret = strcasecmp(text, yes[i]) == 0;
            return true;
        }
    return false;
}

static const char *set_bool(const struct config_key *key, void *object, const char *value)
{
    bool v;
    if (!parse_bool(value, &v))
        return "yes or no";
    memcpy((char *)object + key->offset, &v, sizeof(v));
    return NULL;
}

static const char *set_text(const struct config_key *key, void *object, const char *value)
{
    char **at = (char **)(void *)((char *)object + key->offset);
    if (!*value || strlen(value) > key->max)
        return key->hint;
    char *copy = strdup(value);
    if (!copy)
        return "out of memory";
    free(*at);
    *at = copy;
    return NULL;
}

static const char *set_bus(const struct config_key *key, void *object, const char *value)
{
    const char *colon = strchr(value, ':');
    bool address = colon && colon > value && strchr(colon, '=');
    if (strcmp(value, "system") != 0 && strcmp(value, "session") != 0 && !address)
        return key->hint;
    return set_text(key, object, value);
}

/* D-Bus Specification, Valid Names: elements of letters, digits, _ and -, no digit first. */
static bool is_bus_name(const char *p)
{
    unsigned dots = 0;
    for (bool first = true; *p; p++) {
        if (*p == '.' ? first : !(isalnum((unsigned char)*p) || *p == '_' || *p == '-'))
            return false;
        if (first && isdigit((unsigned char)*p))
            return false;
        dots += *p == '.';
        first = *p == '.';
        if (first && !p[1])
            return false;
    }
    return dots > 0;
}

static const char *set_bus_name(const struct config_key *key, void *object, const char *value)
{
    return is_bus_name(value) ? set_text(key, object, value) : key->hint;
}

static const char *set_level(const struct config_key *key, void *object, const char *value)
{
    const char *const names[] = {"emerg",   "alert",  "crit", "err",
                                 "warning", "notice", "info", "debug"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(value, names[i]) == 0)
            return set_text(key, object, value);
    return key->hint;
}

static const char *set_adapter(const struct config_key *key, void *object, const char *value)
{
    struct config *c = object;
    (void)key;
    struct spec spec;
    const char *why;
    if (spec_parse(value, &spec, &why) < 0)
        return why;
    for (size_t i = 0; i < c->n_specs; i++)
        if (spec_same(&c->specs[i], &spec))
            return "that adapter is given twice";
    if (c->n_specs == SPEC_MAX)
        return "there are 16 adapters at most";
    struct spec *specs = reallocarray(c->specs, c->n_specs + 1, sizeof(*specs));
    if (!specs)
        return "out of memory";
    specs[c->n_specs++] = spec;
    c->specs = specs;
    return NULL;
}

static const char *set_addr_mode(const struct config_key *key, void *object, const char *value)
{
    static const char *const names[] = {"public", "static", "rpa", "nrpa"};
    struct config_adapter *a = object;
    for (uint8_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(value, names[i]) == 0) {
            a->bus.has_addr_mode = true;
            a->bus.addr_mode = i;
            return NULL;
        }
    return key->hint;
}

static const char *set_privacy_mode(const struct config_key *key, void *object, const char *value)
{
    if (strcmp(value, "device") != 0 && strcmp(value, "network") != 0)
        return key->hint;
    store(object, key, value[0] == 'n');
    return NULL;
}

static size_t utf8_sequence(const unsigned char *p)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* Overlong forms, surrogates and what is above U+10FFFF: Unicode, table 3-7. */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

static const char *set_gap_name(const struct config_key *key, void *object, const char *value)
{
    struct config_adapter *a = object;
    if (strlen(value) >= sizeof(a->bus.gap_name))
        return key->hint;
    for (const unsigned char *p = (const unsigned char *)value; *p;) {
        size_t n = utf8_sequence(p);
        if (n == 0)
            return key->hint;
        p += n;
    }
    strcpy(a->bus.gap_name, value);
    return NULL;
}

/* Values that are good alone and not together: NULL, or what is wrong. */
static const char *config_adapter_check(const struct config_adapter *a)
{
    if (a->host.accept_max_interval && a->host.accept_min_interval > a->host.accept_max_interval)
        return "accept-min-interval-us is more than accept-max-interval-us";
    if (a->host.preferred_max && a->host.preferred_min > a->host.preferred_max)
        return "preferred-min-interval-us is more than preferred-max-interval-us";
    return NULL;
}

/* Microseconds to units of 1.25 ms, the smallest interval rounded up, the largest down. */
static const char *set_interval(const struct config_key *key, void *object, const char *value)
{
    uint32_t v;
    if (!parse_u32(value, &v) || v < key->min || v > key->max)
        return key->hint;
    struct config_adapter copy = *(struct config_adapter *)object;
    bool smallest = key->offset == offsetof(struct config_adapter, host.accept_min_interval) ||
                    key->offset == offsetof(struct config_adapter, host.preferred_min);
    store(&copy, key, (smallest ? v + 1249 : v) / 1250);
    const char *why = config_adapter_check(&copy);
    if (!why)
        *(struct config_adapter *)object = copy;
    return why;
}

static const char *set_timeout(const struct config_key *key, void *object, const char *value)
{
    uint32_t v;
    if (!parse_u32(value, &v) || v < key->min || v > key->max)
        return key->hint;
    store(object, key, v / 10);
    return NULL;
}

#define DAEMON(member) offsetof(struct config, member), sizeof(((struct config *)0)->member)
#define ADAPTER(member)                                                                            \
    offsetof(struct config_adapter, member), sizeof(((struct config_adapter *)0)->member)

static const struct config_key daemon_keys[] = {
    {"adapter", set_adapter, 0, 0, 0, 0, "", true},
    {"bus", set_bus, DAEMON(bus), 0, 4095,
     "system, session, or a bus address, as in unix:path=/run/dbus/bus", false},
    {"bus-name", set_bus_name, DAEMON(bus_name), 0, 255, "a bus name, as in org.bled", false},
    {"state-dir", set_text, DAEMON(state_dir), 0, 3800, "the path of a directory", false},
    {"log-level", set_level, DAEMON(log_level), 0, 16,
     "emerg, alert, crit, err, warning, notice, info or debug", false},
    {"btsnoop", set_text, DAEMON(btsnoop), 0, 4000, "the path of a file", false},
};

static const struct config_key adapter_keys[] = {
    {"active", set_bool, ADAPTER(bus.active), 0, 1, "", false},
    {"addr-mode", set_addr_mode, 0, 0, 0, 0, "public, static, rpa or nrpa", false},
    {"gap-name", set_gap_name, 0, 0, 0, 0, "a name in UTF-8 of at most 248 bytes", false},
    {"appearance", set_number, ADAPTER(bus.appearance), 0, 0xffff, "a number up to 65535", false},
    {"rx-buf", set_number, ADAPTER(bus.rx_buf), 512, 16 << 20, "a number from 512 to 16777216",
     false},
    {"mtu", set_number, ADAPTER(bus.mtu), 23, 517, "a number from 23 to 517", false},
    {"bond", set_bool, ADAPTER(bus.bond), 0, 1, "", false},
    {"mitm", set_bool, ADAPTER(bus.mitm), 0, 1, "", false},
    {"le-secure", set_bool, ADAPTER(bus.le_secure), 0, 1, "", false},
    {"io", set_number, ADAPTER(bus.io), 0, 4, "a number from 0 to 4", false},
    {"pairable", set_bool, ADAPTER(bus.pairable), 0, 1, "", false},
    {"pairable-timeout", set_number, ADAPTER(bus.pairable_timeout), 0, UINT32_MAX,
     "a number of seconds", false},
    {"hci-command", set_bool, ADAPTER(bus.hci_command), 0, 1, "", false},
    {"rpa-timeout", set_number, ADAPTER(host.rpa_timeout_s), 1, 0xa1b8,
     "a number of seconds from 1 to 41400", false},
    {"accept-min-interval-us", set_interval, ADAPTER(host.accept_min_interval), 7500, 4000000,
     "a number from 7500 to 4000000", false},
    {"accept-max-interval-us", set_interval, ADAPTER(host.accept_max_interval), 7500, 4000000,
     "a number from 7500 to 4000000", false},
    {"accept-max-latency", set_number, ADAPTER(host.accept_max_latency), 0, 499,
     "a number up to 499", false},
    {"accept-max-timeout-ms", set_timeout, ADAPTER(host.accept_max_timeout), 100, 32000,
     "a number from 100 to 32000", false},
    {"gap-name-writable", set_bool, ADAPTER(host.name_writable), 0, 1, "", false},
    {"resolving-list", set_bool, ADAPTER(host.resolving_list), 0, 1, "", false},
    {"privacy-mode", set_privacy_mode, ADAPTER(host.network_privacy), 0, 1, "device or network",
     false},
    {"pair-again", set_bool, ADAPTER(host.pair_again), 0, 1, "", false},
    {"bonds-any-controller", set_bool, ADAPTER(bonds_any_controller), 0, 1, "", false},
    {"min-key-size", set_number, ADAPTER(host.min_key_size), 7, 16, "a number from 7 to 16", false},
    {"preferred-min-interval-us", set_interval, ADAPTER(host.preferred_min), 7500, 4000000,
     "a number from 7500 to 4000000", false},
    {"preferred-max-interval-us", set_interval, ADAPTER(host.preferred_max), 7500, 4000000,
     "a number from 7500 to 4000000", false},
    {"preferred-latency", set_number, ADAPTER(host.preferred_latency), 0, 499, "a number up to 499",
     false},
    {"preferred-timeout-ms", set_timeout, ADAPTER(host.preferred_timeout), 100, 32000,
     "a number from 100 to 32000", false},
};

const struct config_key *config_key_find(bool daemon, const char *name, size_t *ret_bit)
{
    const struct config_key *keys = daemon ? daemon_keys : adapter_keys;
    size_t n = daemon ? ARRAY_LEN(daemon_keys) : ARRAY_LEN(adapter_keys);
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].name, name) == 0) {
            *ret_bit = i;
            return &keys[i];
        }
    return NULL;
}

void config_adapter_defaults(struct config_adapter *a)
{
    *a = (struct config_adapter){
        .bus =
            {
                .gap_name = "bled",
                .rx_buf = 65536,
                .mtu = 256,
                .bond = true,
                .pairable = true,
                .io = 3,
            },
        .host = {.resolving_list = true},
    };
}
