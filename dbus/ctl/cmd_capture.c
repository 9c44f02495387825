/* SPDX-License-Identifier: MIT */

/* cmd_capture: HCI traffic as btsnoop, until Ctrl-C. bled writes into our descriptor itself. */

#include "ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

/* Whoever read it (wireshark, `head`) has gone. */
static int on_reader(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
    (void)s;
    (void)fd;
    (void)events;
    ctl_loop_end(userdata, CTL_OK);
    return 0;
}

int cmd_capture(struct ctl *c, int argc, char **argv)
{
    static const struct option options[] = {{"keys", no_argument, NULL, 'k'},
                                            {"snaplen", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    unsigned long snaplen = 0;
    sd_bus_message *m = NULL;
    bool keys = false;
    int option;

    while ((option = getopt_long(argc, argv, "s:", options, NULL)) != -1) {
        if (option == '?')
            return ctl_usage_said(argv[0]);
        if (option == 's' && !ctl_parse_number(optarg, UINT32_MAX, &snaplen))
            return ctl_usage(argv[0], "--snaplen is in octets");
        keys = keys || option == 'k';
    }
    if (argc - optind != 1)
        return ctl_usage(argv[0], "one FILE is to be given (- is standard output)");
    bool out = strcmp(argv[optind], "-") == 0;
    if (out && isatty(STDOUT_FILENO))
        return ctl_usage(argv[0], "a capture is nothing for a terminal: | wireshark -k -i -");
    int fd =
        out ? STDOUT_FILENO : open(argv[optind], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return ctl_fail(CTL_USAGE, "%s: %s", argv[optind], strerror(errno));
    int status = ctl_attach(c, true);
    if (status == CTL_OK)
        status = ctl_loop_init(c);
    if (status == CTL_OK) /* no event but the error that a pipe without a reader has */
        (void)sd_event_add_io(c->event, NULL, fd, 0, on_reader, c);
    if (status == CTL_OK)
        status = ctl_message(c, CTL_ADAPTER, "StartCapture", &m);
    if (status == CTL_OK) {
        int r = sd_bus_message_append(m, "h", fd);
        if (r >= 0 && snaplen)
            r = sd_bus_message_append(m, "a{sv}", 2, "keys", "b", (int)keys, "snaplen", "u",
                                      (uint32_t)snaplen);
        else if (r >= 0)
            r = sd_bus_message_append(m, "a{sv}", 1, "keys", "b", (int)keys);
        if (r < 0)
            sd_bus_message_unref(m);
        status = r < 0 ? ctl_error("capturing", r, NULL) : ctl_send(c, "capturing", m, NULL);
    }
    if (status == CTL_OK) {
        status = ctl_loop(c, CTL_OK, "Capturing; Ctrl-C ends it.");
        if (status == CTL_OK)
            status = ctl_call(c, "ending the capture", CTL_ADAPTER, "StopCapture", NULL, "");
    }
    if (!out)
        close(fd);
    return status;
}
