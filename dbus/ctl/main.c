/* SPDX-License-Identifier: MIT */

/*
 * bledctl [OPTION...] COMMAND [ARGUMENT...]: options that concern all commands come before the
 * command, its own behind it.
 */

#include "ctl.h"

#include <fcntl.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct option OPTIONS[] = {
    {"bus", required_argument, NULL, 'B'},
    {"bus-name", required_argument, NULL, 'N'},
    {"adapter", required_argument, NULL, 'a'},
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void help(void)
{
    printf("Usage: bledctl [OPTION...] COMMAND [ARGUMENT...]\n"
           "Bluetooth LE from the command line, by way of bled: see bledctl(1).\n"
           "\n"
           "  -a, --adapter=hciN   default: the daemon's first\n"
           "      --bus=BUS        system (default), session, or a bus address\n"
           "      --bus-name=NAME  default: org.bled\n"
           "  -j, --json           for programs: a JSON value a line\n"
           "  -q, --quiet          no word of what is under way\n"
           "  -v, --verbose        of that, where standard error is no terminal too\n"
           "  -h, --help           this, or of a command: `bledctl scan --help`\n"
           "      --version\n"
           "\n"
           "Commands:\n");
    for (size_t i = 0; i < ctl_n_commands; i++)
        if (ctl_commands[i].summary)
            printf("  %-12s %s\n", ctl_commands[i].name, ctl_commands[i].summary);
    printf(
        "\nDEVICE is an address (C0:11:22:33:44:55, also with ,random or ,public), a name, or the\n"
        "number of a connection. Exit status: 0 done, 1 refused, 2 usage, 3 no daemon or not\n"
        "permitted, 4 not found, 5 timed out. BLED_BUS, BLED_BUS_NAME and BLED_ADAPTER stand for "
        "the\n"
        "options of those names.\n");
}

static const struct ctl_command *find(const char *name)
{
    for (size_t i = 0; i < ctl_n_commands; i++)
        if (strcmp(ctl_commands[i].name, name) == 0)
            return &ctl_commands[i];
    return NULL;
}

static bool help_is_wanted(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || (i == 1 && strcmp(argv[i], "-h") == 0))
            return true;
    return false;
}

/* What is said has been written: a full disk is no success. */
static int said(int status)
{
    if (!ferror(stdout) && fflush(stdout) == 0)
        return status;
    ctl_fail(0, "standard output cannot be written");
    return status == CTL_OK ? CTL_FAILED : status;
}

static int run(struct ctl *c, int argc, char **argv)
{
    const struct ctl_command *command = find(argv[0]);

    if (!command) {
        ctl_fail(0, "there is no command %s", argv[0]);
        fprintf(stderr, "See `bledctl --help`.\n");
        return CTL_USAGE;
    }
    if (help_is_wanted(argc, argv)) {
        printf("Usage: bledctl %s %s\n%s.\n\n%s", command->name, command->arguments,
               command->summary, command->help);
        return said(CTL_OK);
    }
    int status = command->no_bus ? CTL_OK : ctl_open(c, command->no_adapter);
    if (status == CTL_OK) {
        optind = 0; /* the command's own options */
        status = command->run(c, argc, argv);
    }
    ctl_close(c);
    return said(status);
}

/* As everybody expects a command to find the world, whatever it was started by. */
static void prepare(void)
{
    (void)signal(SIGPIPE, SIG_DFL); /* `| head -1` ends it without a word */
    for (int fd = open("/dev/null", O_RDWR); fd >= 0; fd = open("/dev/null", O_RDWR))
        if (fd > STDERR_FILENO) { /* 0 to 2 are open, and nothing of ours gets their numbers */
            close(fd);
            break;
        }
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8"); /* what bled says is UTF-8 */
}

int main(int argc, char **argv)
{
    struct ctl c = {.bus_name = "org.bled"};
    int option;

    prepare();
    c.address = getenv("BLED_BUS");
    c.adapter = getenv("BLED_ADAPTER");
    if (getenv("BLED_BUS_NAME"))
        c.bus_name = getenv("BLED_BUS_NAME");
    /* + : options behind the command are the command's */
    while ((option = getopt_long(argc, argv, "+a:jqvh", OPTIONS, NULL)) != -1)
        switch (option) {
        case 'B':
            c.address = optarg;
            break;
        case 'N':
            c.bus_name = optarg;
            break;
        case 'a':
            c.adapter = optarg;
            break;
        case 'j':
            c.json = true;
            break;
        case 'v':
            c.verbose = true;
            break;
        case 'q':
            c.quiet = true;
            break;
        case 'h':
            help();
            return said(CTL_OK);
        case 'V':
            printf("bledctl %s\n", BLED_VERSION);
            return said(CTL_OK);
        default:
            fprintf(stderr, "See `bledctl --help`.\n");
            return CTL_USAGE;
        }
    if (optind == argc) {
        help();
        return CTL_USAGE;
    }
    return run(&c, argc - optind, argv + optind);
}
