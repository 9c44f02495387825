/* SPDX-License-Identifier: MIT */

/*
 * cmd_pair: pairing with somebody at the keyboard, bonds. `pair DEVICE` begins one, `pair --wait`
 * answers what others begin (the attendant of Pairing1).
 */

#include "ctl.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAIRING "org.bled.Pairing1"

struct pair {
    struct ctl *c;
    bool wait, person; /* person: there is one to ask */
    uint16_t conn;
};

static void tell(struct pair *p, uint16_t conn, int encrypted, int authenticated, int bonded,
                 unsigned key_size)
{
    if (p->c->json)
        ctl_json(json_pack("{s:i,s:b,s:b,s:b,s:i}", "conn", conn, "encrypted", encrypted,
                           "authenticated", authenticated, "bonded", bonded, "key_size", key_size));
    else
        printf("connection %u: %sencrypted, %sauthenticated, %sbonded, key of %u octets\n", conn,
               encrypted ? "" : "not ", authenticated ? "" : "not ", bonded ? "" : "not ",
               key_size);
    fflush(stdout);
}

static int on_paired(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct pair *p = userdata;
    const sd_bus_error *e = sd_bus_message_get_error(m);
    int encrypted, authenticated, bonded;
    uint8_t key_size;

    (void)error;
    ctl_prompt_over(p->c);
    if (e)
        ctl_loop_end(p->c, ctl_error("pairing", -sd_bus_message_get_errno(m), e));
    else if (sd_bus_message_read(m, "bbby", &encrypted, &authenticated, &bonded, &key_size) >= 0) {
        tell(p, p->conn, encrypted, authenticated, bonded, key_size);
        ctl_loop_end(p->c, CTL_OK);
    }
    return 0;
}

static int on_updated(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    int encrypted, authenticated, bonded;
    uint8_t key_size;
    uint16_t conn;

    (void)error;
    if (sd_bus_message_read(m, "qbbby", &conn, &encrypted, &authenticated, &bonded, &key_size) >= 0)
        tell(userdata, conn, encrypted, authenticated, bonded, key_size);
    return 0;
}

static int on_failed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct pair *p = userdata;
    uint16_t conn, status;

    (void)error;
    ctl_prompt_over(p->c);
    if (sd_bus_message_read(m, "qq", &conn, &status) < 0)
        return 0;
    if (p->c->json)
        ctl_json(json_pack("{s:s,s:i,s:i,s:s}", "event", "PairingFailed", "conn", conn, "status",
                           status, "name", ctl_status_name(status)));
    else
        ctl_fail(0, "connection %u: pairing failed: %s", conn, ctl_status_name(status));
    return 0;
}

struct pair_line {
    bool has_bond, bond, has_mitm, mitm, secure, wait;
    int io;
    unsigned long passkey, security;
    bool has_passkey;
};

static int read_line(struct pair_line *l, int argc, char **argv)
{
    static const struct option options[] = {{"mitm", no_argument, NULL, 'm'},
                                            {"no-mitm", no_argument, NULL, 'M'},
                                            {"no-bond", no_argument, NULL, 'B'},
                                            {"secure", no_argument, NULL, 's'},
                                            {"io", required_argument, NULL, 'i'},
                                            {"passkey", required_argument, NULL, 'p'},
                                            {"security", required_argument, NULL, 'S'},
                                            {"wait", no_argument, NULL, 'w'},
                                            {NULL, 0, NULL, 0}};
    static const char *const ios[] = {"display", "yesno", "keyboard", "none", "both"};
    int option;

    *l = (struct pair_line){.io = -1};
    while ((option = getopt_long(argc, argv, "w", options, NULL)) != -1)
        switch (option) {
        case 'm':
        case 'M':
            l->has_mitm = true;
            l->mitm = option == 'm';
            if (l->mitm && l->security < 3)
                l->security = 3; /* who asks for it in so many words wants it, or an error */
            break;
        case 'B':
            l->has_bond = true;
            break;
        case 's':
            l->secure = true;
            break;
        case 'i':
            for (int i = 0; i < (int)ARRAY_LEN(ios); i++)
                if (strcmp(optarg, ios[i]) == 0)
                    l->io = i;
            if (l->io < 0)
                return ctl_usage(argv[0], "--io is display, yesno, keyboard, none or both");
            break;
        case 'p':
            l->has_passkey = true;
            if (strlen(optarg) > 6 || strspn(optarg, "0123456789") != strlen(optarg) || !*optarg)
                return ctl_usage(argv[0], "--passkey is up to six digits");
            l->passkey = strtoul(optarg, NULL, 10);
            break;
        case 'S':
            if (!ctl_parse_number(optarg, 4, &l->security) || l->security < 2)
                return ctl_usage(argv[0], "--security is 2 to 4");
            break;
        case 'w':
            l->wait = true;
            break;
        default:
            return ctl_usage_said(argv[0]);
        }
    if (l->wait &&
        (l->has_mitm || l->has_bond || l->secure || l->io >= 0 || l->has_passkey || l->security))
        return ctl_usage(
            argv[0], "--wait goes by the adapter's settings (`bledctl config Io 4`), not options");
    return argc - optind == !l->wait
               ? CTL_OK
               : ctl_usage(argv[0], "one DEVICE is to be given, or --wait without");
}

static int call_pair(struct pair *p, const struct pair_line *l)
{
    struct ctl *c = p->c;
    sd_bus_message *m = NULL;
    int io = l->io >= 0 ? l->io : p->person ? 4 : 3;

    int status = ctl_message(c, PAIRING, "Pair", &m);
    if (status != CTL_OK)
        return status;
    int r = sd_bus_message_append(m, "q", p->conn);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = sd_bus_message_append(m, "{sv}{sv}", "io", "y", io, "mitm", "b",
                                  (int)(l->has_mitm ? l->mitm : io != 3));
    if (r >= 0 && l->has_bond)
        r = sd_bus_message_append(m, "{sv}", "bond", "b", (int)l->bond);
    if (r >= 0 && l->secure)
        r = sd_bus_message_append(m, "{sv}", "le_secure", "b", 1);
    if (r >= 0 && l->has_passkey)
        r = sd_bus_message_append(m, "{sv}", "passkey", "u", (uint32_t)l->passkey);
    if (r >= 0 && l->security)
        r = sd_bus_message_append(m, "{sv}", "security", "y", (int)l->security);
    if (r >= 0)
        r = sd_bus_message_close_container(m);
    if (r >= 0)
        r = sd_bus_call_async(c->bus, NULL, m, on_paired, p, CTL_LONG_US);
    sd_bus_message_unref(m);
    return r < 0 ? ctl_error("pairing", r, NULL) : CTL_OK;
}

int cmd_pair(struct ctl *c, int argc, char **argv)
{
    struct pair p = {.c = c, .person = isatty(STDIN_FILENO)};
    struct ctl_device device;
    struct pair_line line;

    int status = read_line(&line, argc, argv);
    if (status != CTL_OK || (status = ctl_attach(c, true)) != CTL_OK)
        return status;
    p.wait = line.wait;
    if (!p.wait && (status = ctl_device_connected(c, argv[optind], &device)) != CTL_OK)
        return status;
    p.conn = p.wait ? 0 : device.conn;
    status = ctl_prompts(c);
    if (status == CTL_OK && p.wait)
        status = ctl_match(c, PAIRING, "EncryptionUpdated", on_updated, &p);
    if (status == CTL_OK && p.wait)
        status = ctl_match(c, PAIRING, "PairingFailed", on_failed, &p);
    if (status == CTL_OK)
        status = ctl_loop_init(c);
    if (status == CTL_OK)
        ctl_prompt_input(c, !p.wait);
    if (status == CTL_OK && p.wait)
        status = ctl_call(c, "attending", PAIRING, "Attend", NULL, "a{sv}", 1, "draw", "b", 1);
    if (status == CTL_OK && !p.wait)
        status = call_pair(&p, &line);
    if (status == CTL_OK)
        status = ctl_loop(c, p.wait ? CTL_OK : CTL_INTERRUPTED,
                          p.wait ? "Waiting for others to pair; Ctrl-C ends it." : "Pairing ...");
    return status;
}

/* ---- bonds ---- */

int cmd_bonds(struct ctl *c, int argc, char **argv)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    json_t *bond;
    size_t i;

    if (argc > 1)
        return ctl_usage(argv[0], "there are no arguments to it");
    int status = ctl_call(c, "asking for bonds", PAIRING, "ListBonds", &m, "");
    json_t *all = status == CTL_OK ? ctl_value(m) : NULL;
    if (!all)
        return status;
    json_t *out = json_array();
    json_array_foreach(all, i, bond)
    {
        const char *address = json_string_value(json_array_get(bond, 1));
        const char *kind = ctl_addr_kind((uint8_t)json_integer_value(json_array_get(bond, 0)));
        json_t *more = json_array_get(bond, 2);
        char *text = ctl_value_text(more);
        if (!c->json)
            printf("%s %s: %s\n", address, kind, text);
        free(text);
        json_object_set_new(more, "address", json_string(address));
        json_object_set_new(more, "type", json_string(kind));
        json_array_append(out, more);
    }
    if (c->json)
        ctl_json(json_incref(out));
    json_decref(out);
    json_decref(all);
    return CTL_OK;
}

int cmd_forget(struct ctl *c, int argc, char **argv)
{
    struct bl_addr addr;
    char text[ADDR_TEXT_LEN];
    bool kind;

    if (argc != 2 || !ctl_parse_addr(argv[1], &addr, &kind))
        return ctl_usage(argv[0], "one address of `bledctl bonds` is to be given");
    bl_addr_format(&addr, text);
    if (!kind) { /* that of the bond: the air is of no help */
        int status = ctl_bonded(c, &addr);
        if (status != CTL_OK)
            return status;
    }
    return ctl_call(c, "forgetting", PAIRING, "DeleteBond", NULL, "ys", addr.type, text);
}
