/* SPDX-License-Identifier: MIT */

/*
 * log_control: org.freedesktop.LogControl1, as org.freedesktop.LogControl1(5) has it. The setters
 * are privileged (root, or the daemon's own uid), like those of systemd's daemons.
 */

#include "adapter.h"
#include "manager.h"

static int get_level(sd_bus *sd, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const struct bus_options *o = &((struct bus *)userdata)->options;
    (void)sd, (void)path, (void)interface, (void)property, (void)error;
    return sd_bus_message_append_basic(reply, 's', o->log_level ? o->log_level(o->ctx) : "info");
}

static int get_target(sd_bus *sd, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const struct bus_options *o = &((struct bus *)userdata)->options;
    (void)sd, (void)path, (void)interface, (void)property, (void)error;
    return sd_bus_message_append_basic(reply, 's', o->log_target ? o->log_target(o->ctx) : "auto");
}

static int get_identifier(sd_bus *sd, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    (void)sd, (void)path, (void)interface, (void)property, (void)userdata, (void)error;
    return sd_bus_message_append_basic(reply, 's', "bled");
}

static int set(sd_bus_message *value, const struct bus_options *o,
               int (*setter)(void *ctx, const char *text), const char *what, sd_bus_error *error)
{
    const char *text;
    int r = sd_bus_message_read_basic(value, 's', &text);
    if (r < 0)
        return r;
    if (!setter || setter(o->ctx, text) < 0)
        return bus_error_invalid(error, "There is no log %s '%s'.", what, text);
    return 0;
}

static int set_level(sd_bus *sd, const char *path, const char *interface, const char *property,
                     sd_bus_message *value, void *userdata, sd_bus_error *error)
{
    const struct bus_options *o = &((struct bus *)userdata)->options;
    (void)sd, (void)path, (void)interface, (void)property;
    return set(value, o, o->set_log_level, "level", error);
}

static int set_target(sd_bus *sd, const char *path, const char *interface, const char *property,
                      sd_bus_message *value, void *userdata, sd_bus_error *error)
{
    const struct bus_options *o = &((struct bus *)userdata)->options;
    (void)sd, (void)path, (void)interface, (void)property;
    return set(value, o, o->set_log_target, "target", error);
}

const sd_bus_vtable bus_log_control_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, 0),
    SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0, 0),
    SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_VTABLE_END,
};
