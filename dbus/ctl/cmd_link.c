/* SPDX-License-Identifier: MIT */

/* cmd_link: connect and disconnect: of connections that outlive us. */

#include "ctl.h"

#include <getopt.h>
#include <string.h>

struct connecting {
    struct ctl *c;
    const char *what;
    uint16_t conn;
    bool answered, refused;
};

static int on_connected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct connecting *k = userdata;
    const sd_bus_error *e = sd_bus_message_get_error(m);

    (void)error;
    k->answered = true;
    k->refused = e != NULL;
    if (!e)
        (void)sd_bus_message_read(m, "q", &k->conn);
    if (k->c->interrupted) /* nobody wants to hear it */
        return 0;
    ctl_loop_end(k->c, e ? ctl_error(k->what, -sd_bus_message_get_errno(m), e) : CTL_OK);
    return 0;
}

/* The attempt is the daemon's, and would go on without us; so would a connection that has come
 * about just now. */
static void give_up(struct connecting *k, const struct bl_addr *addr)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    char address[ADDR_TEXT_LEN];
    struct ctl *c = k->c;

    (void)sd_bus_call_method(c->bus, c->bus_name, c->path, "org.bled.Central1", "CancelConnect",
                             &error, NULL, "ys", addr->type, bl_addr_format(addr, address));
    while (!k->answered && sd_bus_process(c->bus, NULL) > 0)
        ;
    if (k->answered && !k->refused && k->conn != 0)
        (void)sd_bus_call_method(c->bus, c->bus_name, c->path, "org.bled.Link1", "Disconnect", NULL,
                                 NULL, "qa{sv}", k->conn, 0);
}

static int say_connected(const struct ctl *c, const struct ctl_device *device, uint16_t conn)
{
    char address[ADDR_TEXT_LEN];

    bl_addr_format(&device->addr, address);
    if (c->json)
        ctl_json(json_pack("{s:i,s:s,s:s}", "conn", conn, "address", address, "type",
                           ctl_addr_kind(device->addr.type)));
    else if (conn != 0)
        printf("connection %u\n", conn);
    else
        printf("bled goes on trying\n");
    return CTL_OK;
}

int cmd_connect(struct ctl *c, int argc, char **argv)
{
    static const struct option options[] = {{"timeout", required_argument, NULL, 't'},
                                            {"auto", no_argument, NULL, 'A'},
                                            {NULL, 0, NULL, 0}};
    struct connecting k = {.c = c};
    sd_bus_message *m = NULL;
    unsigned long seconds = 10;
    struct ctl_device device;
    char address[ADDR_TEXT_LEN], what[64], ready[128];
    int option, status;
    bool keep = false;

    while ((option = getopt_long(argc, argv, "t:", options, NULL)) != -1) {
        if (option == 't' && (!ctl_parse_number(optarg, 3600, &seconds) || seconds == 0))
            return ctl_usage(argv[0], "--timeout is in seconds, 1 to 3600");
        if (option == '?')
            return ctl_usage_said(argv[0]);
        keep = keep || option == 'A';
    }
    if (argc - optind != 1)
        return ctl_usage(argv[0], "one DEVICE is to be given");
    c->stay = true;
    if ((status = ctl_device(c, argv[optind], &device)) != CTL_OK ||
        (status = ctl_need_active(c)) != CTL_OK)
        return status;
    if (device.by_conn)
        return say_connected(c, &device, device.conn);
    bl_addr_format(&device.addr, address);
    snprintf(what, sizeof(what), "connecting to %s", address);
    k.what = what;
    snprintf(ready, sizeof(ready), "Connecting to %s (%s) ...", address,
             ctl_addr_kind(device.addr.type));
    if ((status = ctl_loop_init(c)) != CTL_OK ||
        (status = ctl_message(c, "org.bled.Central1", "Connect", &m)) != CTL_OK)
        return status;
    int r = sd_bus_message_append(m, "ysa{sv}", device.addr.type, address, 2, "scan_duration_ms",
                                  "u", (uint32_t)seconds * 1000, "auto", "b", (int)keep);
    if (r >= 0) /* it ends by itself after the time given */
        r = sd_bus_call_async(c->bus, NULL, m, on_connected, &k, UINT64_MAX);
    sd_bus_message_unref(m);
    if (r < 0)
        return ctl_error(what, r, NULL);
    status = ctl_loop(c, CTL_INTERRUPTED, ready);
    if (c->interrupted)
        give_up(&k, &device.addr);
    return status == CTL_OK ? say_connected(c, &device, k.conn) : status;
}

int cmd_disconnect(struct ctl *c, int argc, char **argv)
{
    static const struct option options[] = {{"force", no_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
    struct ctl_device device;
    int option, status;
    bool force = false;

    while ((option = getopt_long(argc, argv, "f", options, NULL)) != -1) {
        if (option == '?')
            return ctl_usage_said(argv[0]);
        force = true;
    }
    if (argc - optind != 1)
        return ctl_usage(argv[0], "one DEVICE is to be given");
    if ((status = ctl_device(c, argv[optind], &device)) != CTL_OK)
        return status;
    if (device.conn == 0)
        return ctl_fail(CTL_NOT_FOUND, "%s is not connected", argv[optind]);
    return ctl_call(c, "disconnecting", "org.bled.Link1", "Disconnect", NULL, "qa{sv}", device.conn,
                    1, "force", "b", (int)force);
}
