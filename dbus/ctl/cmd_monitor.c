/* SPDX-License-Identifier: MIT */

/*
 * cmd_monitor: every event that we may hear, a line each. The names of the arguments are those of
 * the interface files (a test compares).
 *
 * Events of what attached clients own go to them alone: nobody else hears of them.
 */

#include "ctl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *arguments_of(const char *interface, const char *member)
{
    char name[128];

    snprintf(name, sizeof(name), "%s.%s", strrchr(interface, '.') + 1, member);
    for (const struct ctl_event *e = ctl_events; e->member; e++)
        if (strcmp(e->member, name) == 0)
            return e->arguments;
    return "";
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct ctl *c = userdata;
    const char *interface = sd_bus_message_get_interface(m);
    const char *member = sd_bus_message_get_member(m);
    const char *names = arguments_of(interface, member);
    json_t *all = json_object(), *value;
    struct timespec t;
    struct tm local;
    char key[64], when[32], number = '0';

    (void)error;
    while (all && (value = ctl_value(m)) != NULL) {
        size_t n = strcspn(names, " ");
        if (n > 0 && n < sizeof(key))
            snprintf(key, sizeof(key), "%.*s", (int)n, names);
        else
            snprintf(key, sizeof(key), "%c", number++);
        names += n + (names[n] == ' ');
        json_object_set_new(all, key, value);
    }
    clock_gettime(CLOCK_REALTIME, &t);
    localtime_r(&t.tv_sec, &local);
    strftime(when, sizeof(when), "%H:%M:%S", &local);
    json_t *code = json_object_get(all, "status");
    if (json_is_integer(code))
        json_object_set_new(all, "status_name",
                            json_string(ctl_status_name((unsigned)json_integer_value(code))));
    if (c->json) {
        json_object_set_new(all, "time", json_real((double)t.tv_sec + (double)t.tv_nsec / 1e9));
        json_object_set_new(all, "object", json_string(sd_bus_message_get_path(m)));
        json_object_set_new(all, "event", json_string(member));
        ctl_json(all);
        return 0;
    }
    if (json_is_integer(code)) { /* the number is in its name */
        json_object_set(all, "status", json_object_get(all, "status_name"));
        json_object_del(all, "status_name");
    }
    char *text = ctl_value_text(all);
    printf("%s.%03ld %s %s %s\n", when, t.tv_nsec / 1000000,
           sd_bus_message_get_path(m) + strlen("/org/bled"), member, text ? text : "");
    fflush(stdout);
    free(text);
    json_decref(all);
    return 0;
}

int cmd_monitor(struct ctl *c, int argc, char **argv)
{
    if (argc > 1)
        return ctl_usage(argv[0], "there are no arguments to it");
    if (!c->adapter) /* all adapters', and objects' coming and going */
        snprintf(c->path, sizeof(c->path), "/org/bled");
    int status = ctl_match(c, NULL, NULL, on_signal, c);
    if (status == CTL_OK)
        status = ctl_loop_init(c);
    return status == CTL_OK ? ctl_loop(c, CTL_OK, "Listening; Ctrl-C ends it.") : status;
}
