/* SPDX-License-Identifier: MIT */

/* cmd_capture: HCI traffic as btsnoop, until Ctrl-C. bled writes into our descriptor itself. */

#include "ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

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
            return ctl_usage(argv[0], "no such option");
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
    if (status == CTL_OK)
        status = ctl_message(c, CTL_ADAPTER, "StartCapture", &m);
    if (status == CTL_OK) {
        int r = sd_bus_message_append(m, "h", fd);
        if (r >= 0 && snaplen)
            r = sd_bus_message_append(m, "a{sv}", 2, "keys", "b", (int)keys, "snaplen", "u",
                                      (uint32_t)snaplen);
        else if (r >= 0)
            r = sd_bus_message_append(m, "a{sv}", 1, "keys", "b", (int)keys);
        if (r >= 0)
            status = ctl_send(c, "capturing", m, NULL);
        else
            status = ctl_error("capturing", r, NULL);
    }
    if (status == CTL_OK) {
        ctl_progress(c, "Capturing; Ctrl-C ends it.");
        status = ctl_loop(c, CTL_OK);
        (void)ctl_call(c, "ending the capture", CTL_ADAPTER, "StopCapture", NULL, "");
    }
    if (!out)
        close(fd);
    return status;
}
