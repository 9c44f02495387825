/* SPDX-License-Identifier: MIT */

/*
 * adapter_config: the configuration properties of Adapter1, one row each.
 *
 * A value holds for the next procedure and until the daemon ends. A change signal comes when the
 * value has become another one. Those of the stack's business (all
 * but RxBuf and PairableTimeout) it is told at once.
 */

#include "adapter_iface.h"

#include "gap/ad.h"

#include <errno.h>

#define FIELD(name) offsetof(struct bus_adapter_config, name)

struct row {
    const char *name;
    char type; /* y q u b s */
    size_t offset;
    uint32_t min, max;
    bool of_host; /* struct bl_config has it too */
};

static const struct row ROWS[] = {
    {"AddrMode", 'y', FIELD(addr_mode), 0, BL_ADDR_MODE_NRPA, true},
    {"GapName", 's', FIELD(gap_name), 0, 248, true}, /* Core 5.4, Vol 3, Part C, 12.1 */
    {"Appearance", 'q', FIELD(appearance), 0, UINT16_MAX, true},
    {"RxBuf", 'u', FIELD(rx_buf), 512, 16 * 1024 * 1024, true},
    {"Mtu", 'q', FIELD(mtu), 23, 517, true},
    {"Bond", 'b', FIELD(bond), 0, 1, true},
    {"Mitm", 'b', FIELD(mitm), 0, 1, true},
    {"Io", 'y', FIELD(io), 0, 4, true}, /* Core 5.4, Vol 3, Part H, 3.5.1 */
    {"LeSecure", 'b', FIELD(le_secure), 0, 1, true},
    {"Pairable", 'b', FIELD(pairable), 0, 1, true},
    {"PairableTimeout", 'u', FIELD(pairable_timeout), 0, UINT32_MAX, false},
};

static const struct row *find(const char *property)
{
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++)
        if (strcmp(ROWS[i].name, property) == 0)
            return &ROWS[i];
    return NULL;
}

static uint32_t load(const struct row *row, const void *field)
{
    switch (row->type) {
    case 'b':
        return *(const bool *)field;
    case 'y':
        return *(const uint8_t *)field;
    case 'q':
        return *(const uint16_t *)field;
    default:
        return *(const uint32_t *)field;
    }
}

static void store(const struct row *row, void *field, uint32_t v)
{
    switch (row->type) {
    case 'b':
        *(bool *)field = v != 0;
        return;
    case 'y':
        *(uint8_t *)field = (uint8_t)v;
        return;
    case 'q':
        *(uint16_t *)field = (uint16_t)v;
        return;
    default:
        *(uint32_t *)field = v;
        return;
    }
}

int bus_config_get(sd_bus *sd, const char *path, const char *interface, const char *property,
                   sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    const struct row *row = find(property);
    (void)sd, (void)path, (void)interface, (void)error;
    if (!row)
        return -ENOENT; /* a property of the vtable without a row */
    const char *field = (const char *)&a->config + row->offset;
    if (row->type == 's')
        return sd_bus_message_append_basic(reply, 's', field);
    union {
        uint8_t y;
        uint16_t q;
        uint32_t u;
        int b;
    } v;
    uint32_t value = load(row, field);
    if (row->type == 'y')
        v.y = (uint8_t)value;
    else if (row->type == 'q')
        v.q = (uint16_t)value;
    else if (row->type == 'b')
        v.b = value != 0;
    else
        v.u = value;
    return sd_bus_message_append_basic(reply, row->type, &v);
}

/* addr_mode: it is known; before that, the host has what the file said. */
static void tell_host(struct bus_adapter *a, bool addr_mode)
{
    struct bl_config config;
    bl_host_get_config(a->host, &config);
    if (addr_mode)
        config.addr_mode = (enum bl_addr_mode)a->config.addr_mode;
    config.mtu = a->config.mtu;
    config.rx_buf = a->config.rx_buf;
    config.bond = a->config.bond;
    config.mitm = a->config.mitm;
    config.io = a->config.io;
    config.le_secure = a->config.le_secure;
    config.pairable = a->config.pairable;
    config.appearance = a->config.appearance;
    memcpy(config.gap_name, a->config.gap_name, sizeof(config.gap_name));
    if (bl_host_set_config(a->host, bus_now(a), &config) < 0)
        bus_log(a->bus, BL_LOG_WARNING, "%s: address mode %u is refused", a->name,
                a->config.addr_mode);
    bus_kick(a);
}

static void pairable_over(struct bus_timer *t, uint64_t now)
{
    struct bus_adapter *a = list_entry(t, struct bus_adapter, pairable_timer);
    (void)now;
    a->config.pairable = false;
    tell_host(a, a->config.has_addr_mode || a->known);
    bus_emit_changed(a, ADAPTER_IFACE, "Pairable", NULL);
}

void bus_config_start(struct bus_adapter *a)
{
    bus_config_stop(a);
    a->pairable_timer.fire = pairable_over;
    if (a->config.pairable && a->config.pairable_timeout > 0)
        bus_timer_set(a, &a->pairable_timer,
                      bus_now(a) + a->config.pairable_timeout * (uint64_t)1000000);
}

void bus_config_stop(struct bus_adapter *a)
{
    bus_timer_cancel(a, &a->pairable_timer);
}

void bus_config_apply(struct bus_adapter *a)
{
    if (!a->config.has_addr_mode) {
        uint8_t mode =
            bl_addr_is_zero(&a->info.public_addr) ? BL_ADDR_MODE_STATIC : BL_ADDR_MODE_PUBLIC;
        bool news = mode != a->config.addr_mode;
        a->config.addr_mode = mode;
        if (news)
            bus_emit_changed(a, ADAPTER_IFACE, "AddrMode", NULL);
    }
    tell_host(a, true);
}

static int set_name(struct bus_adapter *a, const struct row *row, sd_bus_message *value,
                    bool *ret_news, sd_bus_error *error)
{
    const char *text;
    char *field = (char *)&a->config + row->offset;
    int r = sd_bus_message_read_basic(value, 's', &text);
    if (r < 0)
        return r;
    size_t n = strlen(text);
    if (n > row->max)
        return bus_error_invalid(error, "%s has %zu bytes; %u are the most.", row->name, n,
                                 row->max);
    *ret_news = strcmp(field, text) != 0;
    memcpy(field, text, n + 1);
    return 0;
}

static int set_number(struct bus_adapter *a, const struct row *row, sd_bus_message *value,
                      bool *ret_news, sd_bus_error *error)
{
    void *field = (char *)&a->config + row->offset;
    union {
        uint8_t y;
        uint16_t q;
        uint32_t u;
        int b;
    } v = {0};
    int r = sd_bus_message_read_basic(value, row->type, &v);
    if (r < 0)
        return r;
    uint32_t n = row->type == 'y'   ? v.y
                 : row->type == 'q' ? v.q
                 : row->type == 'b' ? (uint32_t)v.b
                                    : v.u;
    if (n < row->min || n > row->max)
        return bus_error_invalid(error, "%s is %u, which is not in %u to %u.", row->name, n,
                                 row->min, row->max);
    *ret_news = load(row, field) != n;
    store(row, field, n);
    return 0;
}

int bus_config_set(sd_bus *sd, const char *path, const char *interface, const char *property,
                   sd_bus_message *value, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    const struct row *row = find(property);
    bool news = false;
    (void)sd, (void)path;
    if (!row)
        return -ENOENT;
    int r = row->type == 's' ? set_name(a, row, value, &news, error)
                             : set_number(a, row, value, &news, error);
    if (r < 0)
        return r;
    if (row->offset == FIELD(addr_mode))
        a->config.has_addr_mode = true;
    if (row->of_host)
        tell_host(a, a->config.has_addr_mode || a->known);
    if (row->offset == FIELD(pairable) || row->offset == FIELD(pairable_timeout))
        bus_config_start(a);
    if (news)
        bus_emit_changed(a, interface, property, NULL);
    return 0;
}

/* A peer may write anything; the property is text, and peers are to read what it says. */
void bus_config_on_name_written(struct bus_adapter *a, const struct bl_event *e)
{
    char text[BL_AD_TEXT_MAX + 1];
    size_t n = bl_ad_text(e->gatt.value.data, e->gatt.value.len, text);

    if (n >= sizeof(a->config.gap_name))
        for (n = sizeof(a->config.gap_name) - 1; (text[n] & 0xc0) == 0x80; n--) {
        }
    bool same = n == e->gatt.value.len && memcmp(text, e->gatt.value.data, n) == 0;
    text[n] = '\0';
    bool news = strcmp(a->config.gap_name, text) != 0;
    memcpy(a->config.gap_name, text, n + 1);
    if (news || !same)
        tell_host(a, true);
    if (news)
        bus_emit_changed(a, ADAPTER_IFACE, "GapName", NULL);
}
