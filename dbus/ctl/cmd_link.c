/* SPDX-License-Identifier: MIT */

/* cmd_link: connect and disconnect: of connections that outlive us. */

#include "ctl.h"

#include <getopt.h>
#include <string.h>

int cmd_connect(struct ctl *c, int argc, char **argv)
{
    static const struct option options[] = {{"timeout", required_argument, NULL, 't'},
                                            {"auto", no_argument, NULL, 'A'},
                                            {NULL, 0, NULL, 0}};
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    sd_bus_message *m = NULL;
    unsigned long seconds = 10;
    struct ctl_device device;
    char address[ADDR_TEXT_LEN], what[64];
    int option, status;
    bool keep = false;
    uint16_t conn = 0;

    while ((option = getopt_long(argc, argv, "t:", options, NULL)) != -1) {
        if (option == 't' && !ctl_parse_number(optarg, 3600, &seconds))
            return ctl_usage(argv[0], "--timeout is in seconds, up to 3600");
        if (option == '?')
            return ctl_usage(argv[0], "no such option");
        keep = keep || option == 'A';
    }
    if (argc - optind != 1)
        return ctl_usage(argv[0], "one DEVICE is to be given");
    c->stay = true;
    if ((status = ctl_device(c, argv[optind], &device)) != CTL_OK ||
        (status = ctl_need_active(c)) != CTL_OK)
        return status;
    if (device.conn != 0 && device.by_conn)
        return ctl_fail(CTL_OK, "connection %u is up", device.conn);
    bl_addr_format(&device.addr, address);
    snprintf(what, sizeof(what), "connecting to %s", address);
    ctl_progress(c, "Connecting to %s (%s) ...", address, ctl_addr_kind(device.addr.type));
    if ((status = ctl_message(c, "org.bled.Central1", "Connect", &m)) != CTL_OK)
        return status;
    int r = sd_bus_message_append(m, "ysa{sv}", device.addr.type, address, 2, "scan_duration_ms",
                                  "u", (uint32_t)seconds * 1000, "auto", "b", (int)keep);
    if (r < 0) {
        sd_bus_message_unref(m);
        return ctl_error(what, r, NULL);
    }
    if ((status = ctl_send(c, what, m, &reply)) != CTL_OK)
        return status;
    (void)sd_bus_message_read(reply, "q", &conn);
    if (c->json)
        ctl_json(json_pack("{s:i,s:s,s:s}", "conn", conn, "address", address, "type",
                           ctl_addr_kind(device.addr.type)));
    else if (conn != 0)
        printf("connection %u\n", conn);
    else
        printf("bled goes on trying\n");
    return CTL_OK;
}

int cmd_disconnect(struct ctl *c, int argc, char **argv)
{
    static const struct option options[] = {{"force", no_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
    struct ctl_device device;
    int option, status;
    bool force = false;

    while ((option = getopt_long(argc, argv, "f", options, NULL)) != -1) {
        if (option == '?')
            return ctl_usage(argv[0], "no such option");
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
