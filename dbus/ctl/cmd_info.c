/* SPDX-License-Identifier: MIT */

/* cmd_info: what there is: status, list, config, stats. */

#include "ctl.h"

#include <stdlib.h>
#include <string.h>

#define MANAGER    "org.bled.Manager1"
#define CONNECTION "org.bled.Connection1"

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    return s ? s : "";
}

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* ---- status ---- */

static void print_address(const char *name, const json_t *pair)
{
    const char *address = json_string_value(json_array_get(pair, 1));

    if (address && *address)
        printf("  %-14s %s %s\n", name, address,
               ctl_addr_kind((uint8_t)json_integer_value(json_array_get(pair, 0))));
}

static void print_adapter(const char *path, const json_t *p)
{
    json_t *features = json_object_get(p, "Features");
    char *list = ctl_value_text(features);

    const char *name = text_of(p, "GapName");
    printf("%s: %s, \"", strrchr(path, '/') + 1,
           json_is_true(json_object_get(p, "Active")) ? "active" : "not active");
    ctl_text(stdout, name, strlen(name), CTL_ALL_COLUMNS);
    printf("\"\n");
    printf("  %-14s %s\n", "transport", text_of(p, "Transport"));
    print_address("identity", json_object_get(p, "Identity"));
    print_address("on the air", json_object_get(p, "Mac"));
    if (number_of(p, "HciVersion"))
        printf("  %-14s HCI version %lld%s%s\n", "controller", number_of(p, "HciVersion"),
               *text_of(p, "Manufacturer") ? ", " : "", text_of(p, "Manufacturer"));
    if (list && *list)
        printf("  %-14s %s\n", "features", list);
    free(list);
}

static void print_clients(const json_t *clients)
{
    json_t *client;
    size_t i;

    json_array_foreach(clients, i, client)
    {
        char *holds = ctl_value_text(json_array_get(client, 2));
        printf("client %s (pid %lld): %s\n", json_string_value(json_array_get(client, 0)),
               json_integer_value(json_array_get(client, 1)), holds && *holds ? holds : "attached");
        free(holds);
    }
}

int cmd_status(struct ctl *c, int argc, char **argv)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    int status = CTL_OK;
    json_t *path;
    size_t i;

    if (argc > 1)
        return ctl_usage(argv[0], "there are no arguments to it");
    json_t *manager = ctl_properties(c, "/org/bled", MANAGER, &status);
    if (!manager)
        return status;
    int r =
        sd_bus_call_method(c->bus, c->bus_name, "/org/bled", MANAGER, "Clients", &error, &m, "");
    json_t *clients = r < 0 ? NULL : ctl_value(m);
    if (!clients) {
        json_decref(manager);
        return ctl_error("asking for clients", r, &error);
    }
    json_t *adapters = json_object();
    if (!c->json)
        printf("bled %s\n", text_of(manager, "Version"));
    json_array_foreach(json_object_get(manager, "Adapters"), i, path)
    {
        const char *at = json_string_value(path);
        json_t *p = ctl_properties(c, at, CTL_ADAPTER, &status);
        if (p && !c->json)
            print_adapter(at, p);
        if (p)
            json_object_set_new(adapters, strrchr(at, '/') + 1, p);
    }
    if (!c->json)
        print_clients(clients);
    else
        ctl_json(json_pack("{s:s,s:O,s:O}", "version", text_of(manager, "Version"), "adapters",
                           adapters, "clients", clients));
    json_decref(adapters);
    json_decref(clients);
    json_decref(manager);
    return status;
}

/* ---- list ---- */

static void print_connection(const json_t *p)
{
    const char *identity = text_of(p, "IdentityAddress");
    char *address = NULL;

    if (*identity && strcmp(identity, text_of(p, "PeerAddress")) != 0 &&
        asprintf(&address, " (identity %s)", identity) < 0)
        address = NULL;
    printf("connection %lld: %s %s%s, we are %s, MTU %lld, %lld.%02lld ms, %s%s\n",
           number_of(p, "Conn"), text_of(p, "PeerAddress"),
           ctl_addr_kind((uint8_t)number_of(p, "PeerAddressType")), address ? address : "",
           text_of(p, "Role"), number_of(p, "Mtu"), number_of(p, "Interval") * 5 / 4,
           number_of(p, "Interval") * 125 % 100,
           !json_is_true(json_object_get(p, "Encrypted"))      ? "not encrypted"
           : json_is_true(json_object_get(p, "Authenticated")) ? "encrypted, authenticated"
                                                               : "encrypted",
           json_is_true(json_object_get(p, "Bonded")) ? ", bonded" : "");
    free(address);
}

static void print_characteristic(const json_t *p)
{
    const char *name = ctl_uuid_name(text_of(p, "Uuid"));

    printf("characteristic %lld: %s%s%s%s of service %s, %zu subscribed\n", number_of(p, "Handle"),
           text_of(p, "Uuid"), name ? " (" : "", name ? name : "", name ? ")" : "",
           text_of(p, "Service"), json_array_size(json_object_get(p, "Subscribers")));
}

int cmd_list(struct ctl *c, int argc, char **argv)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    const char *path;
    json_t *interfaces, *p;
    size_t n = strlen(c->path);

    if (argc > 1)
        return ctl_usage(argv[0], "there are no arguments to it");
    int r =
        sd_bus_call_method(c->bus, c->bus_name, "/org/bled", "org.freedesktop.DBus.ObjectManager",
                           "GetManagedObjects", &error, &m, "");
    json_t *objects = r < 0 ? NULL : ctl_value(m);
    if (!objects)
        return ctl_error("asking for objects", r, &error);
    json_t *all = json_array();
    json_object_foreach(objects, path, interfaces)
    {
        if (strncmp(path, c->path, n) != 0 || path[n] != '/')
            continue;
        const char *const kinds[] = {CONNECTION, "org.bled.Characteristic1"};
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
            if (!(p = json_object_get(interfaces, kinds[i])))
                continue;
            if (!c->json)
                (i == 0 ? print_connection : print_characteristic)(p);
            json_array_append_new(all, json_pack("{s:s,s:O}", "object", path,
                                                 i == 0 ? "connection" : "characteristic", p));
        }
    }
    if (c->json)
        ctl_json(json_incref(all));
    else if (json_array_size(all) == 0)
        ctl_progress(c, "%s has no connections and no characteristics", strrchr(c->path, '/') + 1);
    json_decref(all);
    json_decref(objects);
    return CTL_OK;
}

/* ---- config ---- */

static const struct {
    const char *name, *type;
} CONFIG[] = {
    {"AddrMode", "y"},
    {"GapName", "s"},
    {"Appearance", "q"},
    {"RxBuf", "u"},
    {"Mtu", "q"},
    {"Bond", "b"},
    {"Mitm", "b"},
    {"Io", "y"},
    {"LeSecure", "b"},
    {"Pairable", "b"},
    {"PairableTimeout", "u"},
};

static int config_set(struct ctl *c, size_t row, const char *text)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    const char *name = CONFIG[row].name, *type = CONFIG[row].type;
    unsigned long v = 0;
    int r;

    bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    bool no = strcmp(text, "no") == 0 || strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
    if (*type == 'b' && !yes && !no)
        return ctl_fail(CTL_USAGE, "%s is yes or no, not %s", name, text);
    if ((*type == 'y' || *type == 'q' || *type == 'u') &&
        !ctl_parse_number(text,
                          *type == 'y'   ? UINT8_MAX
                          : *type == 'q' ? UINT16_MAX
                                         : UINT32_MAX,
                          &v))
        return ctl_fail(CTL_USAGE, "%s is a number, not %s", name, text);
    if (*type == 's')
        r = sd_bus_set_property(c->bus, c->bus_name, c->path, CTL_ADAPTER, name, &error, "s", text);
    else
        r = sd_bus_set_property(c->bus, c->bus_name, c->path, CTL_ADAPTER, name, &error, type,
                                *type == 'b' ? (unsigned)yes : (unsigned)v);
    return r < 0 ? ctl_error(name, r, &error) : CTL_OK;
}

int cmd_config(struct ctl *c, int argc, char **argv)
{
    int status = CTL_OK;
    size_t row = ARRAY_LEN(CONFIG);

    if (argc > 3)
        return ctl_usage(argv[0], "a name and a value are the most");
    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(CONFIG); i++)
        if (strcasecmp(CONFIG[i].name, argv[1]) == 0)
            row = i;
    if (argc > 1 && row == ARRAY_LEN(CONFIG))
        return ctl_fail(CTL_USAGE, "there is no setting %s (`bledctl config` shows them)", argv[1]);
    if (argc == 3)
        return config_set(c, row, argv[2]);
    json_t *p = ctl_properties(c, c->path, CTL_ADAPTER, &status), *shown = json_object();
    for (size_t i = 0; p && i < ARRAY_LEN(CONFIG); i++) {
        json_t *value = json_object_get(p, CONFIG[i].name);
        if (argc > 1 && i != row)
            continue;
        char *text = ctl_value_text(value);
        if (!c->json && argc > 1)
            printf("%s\n", text ? text : "");
        else if (!c->json)
            printf("%-16s %s\n", CONFIG[i].name, text ? text : "");
        free(text);
        json_object_set(shown, CONFIG[i].name, value);
    }
    if (p && c->json)
        ctl_json(json_incref(shown));
    json_decref(shown);
    json_decref(p);
    return status;
}

/* ---- stats ---- */

int cmd_stats(struct ctl *c, int argc, char **argv)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    struct ctl_device device;
    const char *key;
    json_t *value;
    int status;

    if (argc > 2)
        return ctl_usage(argv[0], "a connection is the most");
    if (argc == 2) {
        status = ctl_device(c, argv[1], &device);
        if (status == CTL_OK && device.conn == 0)
            status = ctl_fail(CTL_NOT_FOUND, "%s is not connected", argv[1]);
        if (status == CTL_OK)
            status =
                ctl_call(c, "asking for figures", "org.bled.Link1", "Stats", &m, "q", device.conn);
    } else {
        status = ctl_call(c, "asking for figures", CTL_ADAPTER, "Stats", &m, "");
    }
    json_t *all = status == CTL_OK ? ctl_value(m) : NULL;
    if (!all)
        return status;
    if (!c->json)
        json_object_foreach(all, key, value) printf("%-36s %lld\n", key, json_integer_value(value));
    else
        ctl_json(json_incref(all));
    json_decref(all);
    return CTL_OK;
}
