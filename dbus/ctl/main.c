/* SPDX-License-Identifier: MIT */

/*
 * bledctl [OPTION...] COMMAND [ARGUMENT...]: options that concern all commands come before the
 * command, its own behind it.
 */

#include "ctl.h"

#include <getopt.h>
#include <locale.h>
#include <string.h>

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
        "permitted, 4 not found, 5 timed out.\n");
}

static const struct ctl_command *find(const char *name)
{
    for (size_t i = 0; i < ctl_n_commands; i++)
        if (strcmp(ctl_commands[i].name, name) == 0)
            return &ctl_commands[i];
    return NULL;
}

static int run(struct ctl *c, int argc, char **argv)
{
    const struct ctl_command *command = find(argv[0]);

    if (!command) {
        ctl_fail(0, "there is no command %s", argv[0]);
        fprintf(stderr, "See `bledctl --help`.\n");
        return CTL_USAGE;
    }
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        printf("Usage: bledctl %s %s\n%s.\n\n%s", command->name, command->arguments,
               command->summary, command->help);
        return CTL_OK;
    }
    int status = command->no_bus ? CTL_OK : ctl_open(c);
    if (status == CTL_OK) {
        optind = 0; /* the command's own options */
        status = command->run(c, argc, argv);
    }
    ctl_close(c);
    if (fflush(stdout) != 0 && status == CTL_OK)
        status = CTL_FAILED;
    return status;
}

int main(int argc, char **argv)
{
    struct ctl c = {.bus_name = "org.bled"};
    int option;

    setlocale(LC_CTYPE, "");
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
            return CTL_OK;
        case 'V':
            printf("bledctl %s\n", BLED_VERSION);
            return CTL_OK;
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
