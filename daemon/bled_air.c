/* SPDX-License-Identifier: MIT */
/*
 * bled-air: simulated controllers for programs that drive real ones. The radio is lib/air; here are
 * the command line, the clock and the sockets.
 */
#include "air_control.h"
#include "air_serve.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "Usage: bled-air [OPTION]... DIR\n"
    "Serves simulated Bluetooth LE controllers as H4 unix sockets DIR/hci0, DIR/hci1, ...\n"
    "See bled-air(1).\n"
    "\n"
    "  -n N             so many controllers (default: 2)\n"
    "  --le=VERSION     4.0, 4.2 or 5 (default)\n"
    "  --pace=PACE      real (default): connection events as on the air; none: data crosses at "
    "once\n"
    "  --seed=N         what is random follows from it (default: 1)\n"
    "  --acl=LEN,NUM    the controllers' buffers: octets, packets\n"
    "  --loss=PERMILLE  of the packets between any two are lost\n"
    "  --delay=US       data is so much later\n"
    "  --control        commands on standard input; its end is the end\n"
    "  --version        print the version and exit\n"
    "  --help           print this and exit\n"
    "\n"
    "A line \"ready\" on standard output tells that all sockets accept connections.\n"
    "Exit status: 0; 1 if it could not serve or a host broke a rule of HCI (told on standard\n"
    "error); 2 for bad usage.\n";

struct options {
    const char *dir;
    long n, loss, delay;
    unsigned long long seed;
    bool unpaced, control;
    struct bl_air_config config;
};

struct bled_air {
    struct options options;
    struct ev_loop *ev;
    struct bl_air *air;
    struct air_serve serve;
    ev_signal sigterm, sigint, sighup;
    ev_io input;
    char line[256];
    size_t len;
};

static const struct option long_options[] = {
    {"le", required_argument, NULL, 'l'},   {"pace", required_argument, NULL, 'p'},
    {"seed", required_argument, NULL, 's'}, {"acl", required_argument, NULL, 'a'},
    {"loss", required_argument, NULL, 'o'}, {"delay", required_argument, NULL, 'd'},
    {"control", no_argument, NULL, 'c'},    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0},
};

/* What an option takes, for who gave it something else. */
static const struct {
    int option;
    const char *allowed;
} hints[] = {
    {'n', "a number from 1 to 64"},
    {'l', "4.0, 4.2 or 5"},
    {'p', "real or none"},
    {'s', "a number, decimal or hexadecimal after 0x"},
    {'o', "a number from 0 to 1000"},
    {'d', "a number of microseconds from 0 to 60000000"},
};
_Static_assert(AIR_SERVE_MAX == 64, "the hint of -n says so");

static void refuse(int option, int at, const char *text)
{
    const char *allowed = "not a good value";
    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        if (hints[i].option == option)
            allowed = hints[i].allowed;
    if (option == 'n')
        fprintf(stderr, "bled-air: -n %s: it takes %s\n", text, allowed);
    else
        fprintf(stderr, "bled-air: --%s=%s: it takes %s\n", long_options[at].name, text, allowed);
}

static bool number(const char *text, long min, long max, long *ret)
{
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (end == text || *end || errno || v < min || v > max)
        return false;
    *ret = v;
    return true;
}

static bool set_version(struct options *o, const char *text)
{
    if (strcmp(text, "4.0") == 0)
        o->config = bl_air_config_v40();
    else if (strcmp(text, "4.2") == 0)
        o->config = bl_air_config_v42();
    else if (strcmp(text, "5") == 0)
        o->config = bl_air_config_default();
    else
        return false;
    return true;
}

static bool set_acl(struct options *o, const char *text)
{
    unsigned len, num;
    char end;
    if (sscanf(text, "%5u,%3u%c", &len, &num, &end) != 2 || len < 27 || len > 0xffff || num < 1 ||
        num > 255)
        return false;
    o->config.acl_len = (uint16_t)len;
    o->config.acl_num = (uint8_t)num;
    return true;
}

static bool set_seed(struct options *o, const char *text)
{
    char *end;
    errno = 0;
    o->seed = strtoull(text, &end, 0);
    return end != text && !*end && !errno;
}

static bool set_option(struct options *o, int option, const char *text, const char **ret_acl)
{
    switch (option) {
    case 'n':
        return number(text, 1, AIR_SERVE_MAX, &o->n);
    case 'l':
        return set_version(o, text);
    case 'p':
        o->unpaced = strcmp(text, "none") == 0;
        return o->unpaced || strcmp(text, "real") == 0;
    case 's':
        return set_seed(o, text);
    case 'a':
        *ret_acl = text; /* after --le, wherever that is */
        return true;
    case 'o':
        return number(text, 0, 1000, &o->loss);
    case 'd':
        return number(text, 0, 60000000, &o->delay);
    case 'c':
        o->control = true;
        return true;
    default:
        return false;
    }
}

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
    int option, at = 0;
    const char *acl = NULL;
    *o = (struct options){.n = 2, .seed = 1, .config = bl_air_config_default()};
    while ((option = getopt_long(argc, argv, "n:h", long_options, &at)) != -1) {
        if (option == 'V') {
            printf("bled-air %s\n", BLED_VERSION);
            return EXIT_SUCCESS;
        }
        if (option == 'h') {
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        }
        if (option == '?') { /* getopt has said what is wrong */
            fprintf(stderr, "bled-air: see bled-air --help\n");
            return 2;
        }
        if (!set_option(o, option, optarg, &acl)) {
            refuse(option, at, optarg);
            return 2;
        }
    }
    if (acl && !set_acl(o, acl)) {
        fprintf(stderr, "bled-air: --acl=%s: LEN is 27 to 65535, NUM 1 to 255\n", acl);
        return 2;
    }
    if (argc - optind != 1) {
        fprintf(stderr, "bled-air: needs one directory for its sockets: see bled-air --help\n");
        return 2;
    }
    o->dir = argv[optind];
    return -1;
}

static void on_signal(EV_P_ ev_signal *w, int revents)
{
    (void)w;
    (void)revents;
    ev_break(EV_A_ EVBREAK_ALL);
}

static void run_line(struct bled_air *b)
{
    const char *wrong = air_control(&b->serve, b->line);
    if (wrong)
        printf("error %s\n", wrong);
    else
        printf("ok\n");
    fflush(stdout);
}

static void on_input(EV_P_ ev_io *w, int revents)
{
    struct bled_air *b = w->data;
    char bytes[256];
    (void)revents;
    ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        ev_break(EV_A_ EVBREAK_ALL);
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] != '\n') {
            if (b->len < sizeof(b->line) - 1)
                b->line[b->len++] = bytes[i];
            continue;
        }
        b->line[b->len] = '\0';
        b->len = 0;
        run_line(b);
    }
}

static void watch(struct bled_air *b)
{
    ev_signal *signals[] = {&b->sigterm, &b->sigint, &b->sighup};
    const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        ev_signal_init(signals[i], on_signal, numbers[i]);
        ev_signal_start(b->ev, signals[i]);
    }
    ev_io_init(&b->input, on_input, STDIN_FILENO, EV_READ);
    b->input.data = b;
    if (b->options.control)
        ev_io_start(b->ev, &b->input);
}

static int spoil(struct bled_air *b, uint64_t now)
{
    int n = (int)b->options.n, r = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i && r == 0; j++) {
            r = bl_air_set_loss(b->air, now, i, j, (unsigned)b->options.loss);
            if (r == 0)
                r = bl_air_set_delay(b->air, now, i, j, (uint64_t)b->options.delay);
        }
    return r;
}

static int start(struct bled_air *b)
{
    const struct options *o = &b->options;
    b->ev = ev_default_loop(EVFLAG_NOENV);
    b->air = bl_air_new(o->seed);
    if (!b->ev || !b->air) {
        fprintf(stderr, "bled-air: cannot start\n");
        return -ENOMEM;
    }
    if (o->unpaced)
        bl_air_set_pace(b->air, 0, BL_AIR_NONE);
    watch(b);
    int r = air_serve_open(&b->serve, b->ev, b->air, o->dir, (int)o->n, &o->config);
    if (r == 0 && (o->loss > 0 || o->delay > 0))
        r = spoil(b, 0);
    return r;
}

static void tell_ready(const struct bled_air *b)
{
    for (int i = 0; i < b->serve.n; i++)
        printf("hci%d 00:00:5E:00:53:%02X %s\n", i, (unsigned)i,
               b->serve.controllers[i].address.sun_path);
    printf("ready\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct bled_air b = {0};
    int status = read_options(argc, argv, &b.options);
    if (status >= 0)
        return status;
    signal(SIGPIPE, SIG_IGN);
    int r = start(&b);
    if (r == 0) {
        tell_ready(&b);
        ev_run(b.ev, 0);
    }
    if (b.serve.controllers)
        air_serve_close(&b.serve);
    if (b.ev)
        ev_loop_destroy(b.ev);
    b.air = bl_air_free(b.air);
    return r == 0 && b.serve.violations == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
