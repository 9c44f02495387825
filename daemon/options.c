/* SPDX-License-Identifier: MIT */
/*
 * The command line is checked first, so that a mistake in it is told before one in the file; then
 * the file is read, and the command line's values replace the file's.
 */
#include "options.h"
#include "base/cleanup.h"
#include "log.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "Usage: bled [OPTION]...\n"
    "A Bluetooth LE daemon with a D-Bus API: see bled(8), bled.conf(5).\n"
    "\n"
    "  --adapter=SPEC     a controller to serve; may be given several times:\n"
    "                       hciN            the kernel's controller (default: hci0)\n"
    "                       unix:PATH       H4 over a unix socket\n"
    "                       tcp:HOST:PORT   H4 over TCP\n"
    "                       tty:DEV[,BAUD]  H4 over a serial line\n"
    "  --bus=BUS          system (default), session, or a bus address\n"
    "  --bus-name=NAME    default: org.bled\n"
    "  --state-dir=DIR    default: $STATE_DIRECTORY, else /var/lib/bled\n"
    "  --config=FILE      default: " BLED_CONFIG_FILE "\n"
    "  --log-level=LEVEL  emerg, alert, crit, err, warning, notice, info (default), debug\n"
    "  --btsnoop=FILE     capture HCI traffic for Wireshark, without keys\n"
    "  --check-config     check the configuration and exit\n"
    "  --version          print the version and exit\n"
    "  --help             print this and exit\n";

static const struct option long_options[] = {
    {"adapter", required_argument, NULL, 'a'},
    {"bus", required_argument, NULL, 's'},
    {"bus-name", required_argument, NULL, 's'},
    {"state-dir", required_argument, NULL, 's'},
    {"log-level", required_argument, NULL, 's'},
    {"btsnoop", required_argument, NULL, 's'},
    {"config", required_argument, NULL, 'c'},
    {"check-config", no_argument, NULL, 'k'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void report(void *ctx, const char *text)
{
    (void)ctx;
    log_msg(LOG_ERROR, NULL, "%s", text);
}

/* Sets what argv says in *c; the rest in the other parameters. */
static enum options_result read_line(int argc, char **argv, struct config *c, const char **ret_file,
                                     bool *ret_check)
{
    int option, at;
    optind = 1;
    while ((option = getopt_long(argc, argv, "", long_options, &at)) != -1) {
        if (option == 'V') {
            printf("bled %s\n", BLED_VERSION);
            return OPTIONS_CHECKED;
        }
        if (option == 'h') {
            fputs(usage, stdout);
            return OPTIONS_CHECKED;
        }
        if (option == '?') { /* getopt has said what is wrong */
            fprintf(stderr, "bled: see bled --help\n");
            return OPTIONS_WRONG;
        }
        if (option == 'k')
            *ret_check = true;
        if (option == 'c')
            *ret_file = optarg;
        const char *name = long_options[at].name;
        const char *why = option == 'a' || option == 's' ? config_set(c, name, optarg) : NULL;
        if (why) {
            fprintf(stderr, "bled: --%s=%s: %s\n", name, optarg, why);
            return OPTIONS_WRONG;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "bled: %s is not an option: see bled --help\n", argv[optind]);
        return OPTIONS_WRONG;
    }
    return OPTIONS_RUN;
}

/* Moves what the command line gave over what the file gave. */
static void override(struct config *c, struct config *line)
{
    char **to[] = {&c->bus, &c->bus_name, &c->state_dir, &c->log_level, &c->btsnoop};
    char **from[] = {&line->bus, &line->bus_name, &line->state_dir, &line->log_level,
                     &line->btsnoop};
    for (size_t i = 0; i < ARRAY_LEN(to); i++)
        if (*from[i]) {
            free(*to[i]);
            *to[i] = steal_ptr(*from[i]);
        }
    if (line->n_specs > 0) {
        config_forget_adapters(c);
        c->n_specs = line->n_specs;
        c->specs = steal_ptr(line->specs);
        line->n_specs = 0;
    }
}

enum options_result options_read(int argc, char **argv, struct config *c)
{
    _cleanup_(config_done) struct config line;
    const char *file = NULL;
    bool check = false;
    config_init(&line);
    enum options_result result = read_line(argc, argv, &line, &file, &check);
    if (result != OPTIONS_RUN)
        return result;
    const char *path = file ? file : BLED_CONFIG_FILE;
    int r = config_load(c, path, report, NULL);
    if (r == -ENOENT && !file)
        r = 0; /* all keys have defaults */
    else if (r < 0 && r != -EINVAL)
        log_msg(LOG_ERROR, NULL, "%s cannot be read: %s", path, strerror(-r));
    if (r < 0)
        return OPTIONS_FAILED;
    override(c, &line);
    if (config_finish(c, report, NULL) < 0)
        return OPTIONS_FAILED;
    if (check)
        printf("bled: the configuration is good\n");
    return check ? OPTIONS_CHECKED : OPTIONS_RUN;
}
