/* SPDX-License-Identifier: MIT */

/* cmd_advertise: until Ctrl-C, or with --keep for as long as the daemon lives. */

#include "ctl.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

enum { ADVERTISE_MOST = 16 };

struct advertise {
    struct ctl *c;
    const char *name, *services[ADVERTISE_MOST], *manufacturer;
    char uuids[ADVERTISE_MOST][UUID_TEXT_LEN];
    size_t n_services;
    unsigned long interval_ms, seconds, set;
    bool keep, broadcast, resume, stopped;
    unsigned connections;
};

static int append_manufacturer(sd_bus_message *m, const char *text)
{
    uint8_t data[251];
    char id[16];
    unsigned long company;
    const char *colon = strchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : strlen(text);
    int len = ctl_parse_hex(colon ? colon + 1 : "", data, sizeof(data));

    if (n >= sizeof(id) || len < 0)
        return -EINVAL;
    memcpy(id, text, n);
    id[n] = '\0';
    if (!ctl_parse_number(id, 0xffff, &company))
        return -EINVAL;
    int r = sd_bus_message_open_container(m, 'e', "sv");
    if (r >= 0)
        r = sd_bus_message_append(m, "s", "manufacturer_data");
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'v', "a{qay}");
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "{qay}");
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'e', "qay");
    if (r >= 0)
        r = sd_bus_message_append(m, "q", (unsigned)company);
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', data, (size_t)len);
    for (int i = 0; r >= 0 && i < 4; i++)
        r = sd_bus_message_close_container(m);
    return r;
}

static int append(struct advertise *a, sd_bus_message *m)
{
    int r = sd_bus_message_append(m, "u", (uint32_t)a->interval_ms * 1000);

    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}", "set", "y", (int)a->set, "connectable",
                                  "b", (int)!a->broadcast, "resume", "b", (int)a->resume,
                                  "duration_ms", "u", (uint32_t)a->seconds * 1000);
    if (r >= 0 && a->name && sd_bus_message_append(m, "{sv}", "name", "s", a->name) < 0)
        return -EILSEQ;
    if (r >= 0 && a->n_services > 0) {
        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
            r = sd_bus_message_append(m, "s", "services");
        if (r >= 0)
            r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
            r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; r >= 0 && i < a->n_services; i++)
            r = sd_bus_message_append(m, "s", a->uuids[i]);
        for (int i = 0; r >= 0 && i < 3; i++)
            r = sd_bus_message_close_container(m);
    }
    if (r >= 0 && a->manufacturer)
        r = append_manufacturer(m, a->manufacturer);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int read_line(struct advertise *a, int argc, char **argv)
{
    static const struct option options[] = {
        {"name", required_argument, NULL, 'n'},     {"service", required_argument, NULL, 's'},
        {"interval", required_argument, NULL, 'i'}, {"manufacturer", required_argument, NULL, 'm'},
        {"time", required_argument, NULL, 't'},     {"set", required_argument, NULL, 'S'},
        {"keep", no_argument, NULL, 'k'},           {"broadcast", no_argument, NULL, 'b'},
        {"resume", no_argument, NULL, 'R'},         {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "n:s:i:m:t:k", options, NULL)) != -1)
        switch (option) {
        case 'n':
            a->name = optarg;
            break;
        case 's':
            if (a->n_services == ADVERTISE_MOST || !ctl_uuid_parse(optarg, a->uuids[a->n_services]))
                return ctl_usage(argv[0], "--service=%s: no UUID nor name of one, or too many",
                                 optarg);
            a->n_services++;
            break;
        case 'i':
            if (!ctl_parse_number(optarg, 40960, &a->interval_ms))
                return ctl_usage(argv[0], "--interval is in ms: 20 to 10240");
            break;
        case 'm':
            a->manufacturer = optarg;
            break;
        case 't':
            if (!ctl_parse_number(optarg, 655, &a->seconds))
                return ctl_usage(argv[0], "--time is in seconds, up to 655");
            break;
        case 'S':
            if (!ctl_parse_number(optarg, 254, &a->set))
                return ctl_usage(argv[0], "--set is 0 to 254");
            break;
        case 'k':
            a->keep = true;
            break;
        case 'b':
            a->broadcast = true;
            break;
        case 'R':
            a->resume = true;
            break;
        default:
            return ctl_usage_said(argv[0]);
        }
    return optind == argc ? CTL_OK : ctl_usage(argv[0], "%s is no option", argv[optind]);
}

/* A connection ends the advertisement; it is ours, and would end with us. */
static int on_stopped(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct advertise *a = userdata;
    uint16_t status = 0;
    uint8_t set;

    (void)error;
    if (sd_bus_message_read(m, "yq", &set, &status) < 0 || set != a->set)
        return 0;
    a->stopped = true;
    if (status == 0x401)
        ctl_progress(a->c, "The time is over.");
    if (status == 0x405)
        ctl_fail(0, "advertising has ended: %s", ctl_status_name(status));
    if (status != 0 && a->connections == 0)
        ctl_loop_end(a->c, status == 0x405 ? CTL_FAILED : CTL_OK);
    return 0;
}

static int on_central(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct advertise *a = userdata;
    const char *address;
    uint16_t conn;
    uint8_t type;

    (void)error;
    if (sd_bus_message_read(m, "qys", &conn, &type, &address) < 0)
        return 0;
    const char *what = sd_bus_message_get_member(m);
    if (a->c->json)
        ctl_json(json_pack("{s:s,s:i,s:s,s:s}", "event", what, "conn", conn, "address", address,
                           "type", ctl_addr_kind(type)));
    else
        printf("%s: connection %u, %s %s\n", what, conn, address, ctl_addr_kind(type));
    fflush(stdout);
    if (strcmp(what, "CentralConnected") == 0) {
        a->connections++;
    } else if (a->connections > 0 && --a->connections == 0 && a->stopped && !a->resume) {
        ctl_progress(a->c, "The connection has ended (--resume goes on then).");
        ctl_loop_end(a->c, CTL_OK);
    }
    return 0;
}

int cmd_advertise(struct ctl *c, int argc, char **argv)
{
    struct advertise a = {.c = c, .interval_ms = 100};
    sd_bus_message *m = NULL;

    int status = read_line(&a, argc, argv);
    if (status != CTL_OK)
        return status;
    c->stay = a.keep;
    status = a.keep ? ctl_need_active(c) : ctl_attach(c, true);
    if (status == CTL_OK && !a.keep)
        status = ctl_match(c, "org.bled.Broadcaster1", "AdvertisingStopped", on_stopped, &a);
    if (status == CTL_OK && !a.keep)
        status = ctl_match(c, "org.bled.Peripheral1", NULL, on_central, &a);
    if (status == CTL_OK && !a.keep)
        status = ctl_prompts(c); /* what comes of it is ours, and so are its pairings */
    if (status == CTL_OK && !a.keep)
        status = ctl_loop_init(c);
    if (status == CTL_OK)
        status = ctl_message(c, "org.bled.Broadcaster1", "Advertise", &m);
    if (status != CTL_OK)
        return status;
    int r = append(&a, m);
    if (r < 0) {
        sd_bus_message_unref(m);
        return ctl_usage(argv[0], r == -EILSEQ ? "--name is no UTF-8"
                                               : "--manufacturer is ID:HEX, as in 0xffff:0102");
    }
    status = ctl_send(c, "advertising", m, NULL);
    if (status != CTL_OK || a.keep)
        return status;
    ctl_prompt_input(c, false);
    return ctl_loop(c, CTL_OK, "Advertising; Ctrl-C ends it.");
}
