/* SPDX-License-Identifier: MIT */

/* cmd_complete: candidates for the shell, one a line, whatever can be had without waiting. */

#include "ctl.h"

#include <string.h>

static void each_name(const char *uuid, const char *name)
{
    char text[64];

    snprintf(text, sizeof(text), "%s", name);
    for (char *at = text; *at; at++)
        if (*at == ' ')
            *at = '-';
        else if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at | 32);
    printf("%s\n%s\n", uuid, text);
}

/* Addresses of connections and bonds. */
static void devices(struct ctl *c)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *bonds = NULL;
    json_t *objects, *interfaces, *bond;
    const char *path;
    size_t i;

    if (sd_bus_call_method(c->bus, c->bus_name, "/org/bled", "org.freedesktop.DBus.ObjectManager",
                           "GetManagedObjects", NULL, &m, "") >= 0 &&
        (objects = ctl_value(m)) != NULL) {
        json_object_foreach(objects, path, interfaces)
        {
            json_t *p = json_object_get(interfaces, "org.bled.Connection1");
            if (p)
                printf("%s\n%lld\n", json_string_value(json_object_get(p, "PeerAddress")),
                       json_integer_value(json_object_get(p, "Conn")));
        }
        json_decref(objects);
    }
    if (sd_bus_call_method(c->bus, c->bus_name, c->path, "org.bled.Pairing1", "ListBonds", NULL,
                           &bonds, "") >= 0 &&
        (objects = ctl_value(bonds)) != NULL) {
        json_array_foreach(objects, i, bond)
            printf("%s\n", json_string_value(json_array_get(bond, 1)));
        json_decref(objects);
    }
}

static void adapters(struct ctl *c)
{
    int status = CTL_OK;
    json_t *manager = ctl_properties(c, "/org/bled", "org.bled.Manager1", &status), *path;
    size_t i;

    json_array_foreach(json_object_get(manager, "Adapters"), i, path)
        printf("%s\n", strrchr(json_string_value(path), '/') + 1);
    json_decref(manager);
}

int cmd_complete(struct ctl *c, int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "commands") == 0)
        for (size_t i = 0; i < ctl_n_commands; i++)
            if (ctl_commands[i].summary)
                printf("%s\n", ctl_commands[i].name);
    if (strcmp(what, "uuids") == 0)
        ctl_uuid_names(each_name);
    if (strcmp(what, "adapters") == 0 && ctl_open(c, true) == CTL_OK)
        adapters(c);
    if (strcmp(what, "devices") == 0 && ctl_open(c, false) == CTL_OK)
        devices(c);
    return CTL_OK;
}
