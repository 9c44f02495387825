/* SPDX-License-Identifier: MIT */

#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

void rig_must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "rig: not so: %s\n", what);
    abort();
}

static int fake_open(void *ctx, bool keep, const char **ret_why)
{
    struct rig *rig = ctx;
    rig->opens++;
    rig->keep = keep;
    *ret_why = "the controller is not there.";
    return rig->open_result;
}

static void fake_close(void *ctx)
{
    ((struct rig *)ctx)->closes++;
}

static void fake_kick(void *ctx)
{
    (void)ctx;
}

static uint64_t fake_now(void *ctx)
{
    return ((struct rig *)ctx)->now;
}

static int fake_capture_start(void *ctx, int fd, bool keys, uint32_t snaplen)
{
    (void)fd, (void)keys, (void)snaplen;
    ((struct rig *)ctx)->captures++;
    return 0;
}

static void fake_capture_stop(void *ctx)
{
    ((struct rig *)ctx)->captures--;
}

static void fake_bond_write(void *ctx, const struct bl_bond *bond)
{
    ((struct rig *)ctx)->bond_writes++;
    ((struct rig *)ctx)->wrote = bond->identity.b[0];
    ((struct rig *)ctx)->wrote_counter = bond->peer_counter;
}

static void fake_bond_delete(void *ctx, const struct bl_addr *identity)
{
    (void)identity;
    ((struct rig *)ctx)->bond_deletes++;
}

static void fake_bonds_load(void *ctx)
{
    ((struct rig *)ctx)->bond_loads++;
}

static const struct bus_adapter_ops OPS = {
    .open = fake_open,
    .close = fake_close,
    .kick = fake_kick,
    .now = fake_now,
    .capture_start = fake_capture_start,
    .capture_stop = fake_capture_stop,
    .bond_write = fake_bond_write,
    .bond_delete = fake_bond_delete,
    .bonds_load = fake_bonds_load,
};

/* One value of a basic type as text; arrays and structures are left out. */
static void append_value(sd_bus_message *m, char *line, size_t size)
{
    char type;
    const char *contents;
    while (sd_bus_message_peek_type(m, &type, &contents) > 0) {
        union {
            uint8_t y;
            uint16_t q;
            uint32_t u;
            int i;
            const char *s;
            uint64_t t;
        } v = {0};
        size_t n = strlen(line);
        if (strchr("av(r{e", type)) {
            must(sd_bus_message_skip(m, NULL) >= 0);
            snprintf(line + n, size - n, " ...");
            continue;
        }
        must(sd_bus_message_read_basic(m, type, &v) > 0);
        if (type == 's' || type == 'o')
            snprintf(line + n, size - n, " %s", v.s);
        else
            snprintf(line + n, size - n, " %u",
                     type == 'y'                  ? v.y
                     : type == 'q' || type == 'n' ? v.q
                                                  : v.u);
    }
}

static void keep_fd(struct rig *rig, sd_bus_message *m)
{
    int fd;

    if (!sd_bus_message_has_signature(m, "hq") && !sd_bus_message_has_signature(m, "h"))
        return;
    must(sd_bus_message_read_basic(m, 'h', &fd) > 0);
    must(rig->fd < 0);
    rig->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    must(sd_bus_message_rewind(m, true) >= 0);
}

static void keep(struct rig *rig, sd_bus_message *m)
{
    char line[512];
    uint8_t type;
    uint64_t number = 0;
    sd_bus_message_get_type(m, &type);
    sd_bus_message_get_reply_cookie(m, &number);
    const char *to = sd_bus_message_get_destination(m);
    if (type == SD_BUS_MESSAGE_METHOD_RETURN) {
        snprintf(line, sizeof(line), "reply %u", (unsigned)number);
        keep_fd(rig, m);
        append_value(m, line, sizeof(line));
    } else if (type == SD_BUS_MESSAGE_METHOD_ERROR) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        snprintf(line, sizeof(line), "error %u %s %s", (unsigned)number, e->name, e->message);
    } else if (type == SD_BUS_MESSAGE_SIGNAL) {
        snprintf(line, sizeof(line), "signal %s -> %s", sd_bus_message_get_member(m),
                 to ? to : "*");
        append_value(m, line, sizeof(line));
    } else {
        return;
    }
    must(rig->n_lines < RIG_LINES);
    rig->lines[rig->n_lines++] = strdup(line);
}

static bool step_peer(struct rig *rig)
{
    sd_bus_message *m = NULL;
    int r = sd_bus_process(rig->peer, &m);
    must(r >= 0);
    if (m)
        keep(rig, m);
    sd_bus_message_unref(m);
    return r > 0;
}

static bool step_server(struct rig *rig)
{
    int r = sd_bus_process(rig->server, NULL);
    must(r >= 0);
    bool due = rig->bus && bus_deadline(rig->bus) <= rig->now;
    if (due)
        bus_tick(rig->bus, rig->now);
    return r > 0 || due;
}

void rig_run(struct rig *rig)
{
    for (int idle = 0; idle < 3;) {
        bool moved = step_server(rig);
        moved |= step_peer(rig);
        idle = moved ? 0 : idle + 1;
    }
}

void rig_run_deaf(struct rig *rig)
{
    while (step_server(rig))
        ;
}

void rig_start(struct rig *rig, bool hold)
{
    int fds[2];
    sd_id128_t id;
    *rig = (struct rig){.now = 1000000, .fd = -1};
    rig->host.info.public_addr = (struct bl_addr){ADDR_PUBLIC, {1, 2, 3, 4, 5, 6}};
    rig->host.info.identity = rig->host.info.current = rig->host.info.public_addr;
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    must(sd_id128_randomize(&id) >= 0);
    must(sd_bus_new(&rig->server) >= 0);
    must(sd_bus_set_fd(rig->server, fds[0], fds[0]) >= 0);
    must(sd_bus_set_server(rig->server, 1, id) >= 0);
    must(sd_bus_start(rig->server) >= 0);
    must(sd_bus_new(&rig->peer) >= 0);
    must(sd_bus_set_fd(rig->peer, fds[1], fds[1]) >= 0);
    must(sd_bus_start(rig->peer) >= 0);
    rig_run(rig);

    struct bus_options options = {.name = "org.bled", .system = true};
    struct bus_adapter_config config = {
        .rx_buf = 65536, .mtu = 256, .bond = true, .io = 3, .pairable = true, .active = hold};
    strcpy(config.gap_name, "bled");
    must(bus_new(&rig->bus, rig->server, &options) >= 0);
    rig->bus->named = true;
    must(bus_adapter_new(&rig->a, rig->bus, "hci0", "unix:/x", &rig->host, &config, &OPS, rig) >=
         0);
    rig_run(rig);
    rig_forget(rig);
}

void rig_stop(struct rig *rig)
{
    rig_forget(rig);
    bus_adapter_free(rig->a);
    must(list_empty(&rig->bus->clients));
    bus_free(rig->bus);
    sd_bus_close_unref(rig->server);
    sd_bus_close_unref(rig->peer);
}

void rig_ready(struct rig *rig)
{
    rig->a->hold = true;
    bus_adapter_event(rig->a, &(struct bl_event){.kind = BL_EV_READY});
    rig_run(rig);
    rig_forget(rig);
}

static unsigned call(struct rig *rig, const char *sender, const char *interface, const char *member,
                     bool reply, const char *types, va_list ap)
{
    sd_bus_message *m;
    uint64_t number = 0;
    must(sd_bus_message_new_method_call(rig->peer, &m, "org.bled", "/org/bled/hci0", interface,
                                        member) >= 0);
    must(sd_bus_message_set_sender(m, sender) >= 0);
    must(sd_bus_message_set_expect_reply(m, reply) >= 0);
    if (*types)
        must(sd_bus_message_appendv(m, types, ap) >= 0);
    must(sd_bus_send(rig->peer, m, &number) >= 0);
    sd_bus_message_unref(m);
    rig_run(rig);
    return (unsigned)number;
}

unsigned rig_call(struct rig *rig, const char *sender, const char *interface, const char *member,
                  const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    unsigned number = call(rig, sender, interface, member, true, types, ap);
    va_end(ap);
    return number;
}

unsigned rig_call_noreply(struct rig *rig, const char *sender, const char *interface,
                          const char *member, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    unsigned number = call(rig, sender, interface, member, false, types, ap);
    va_end(ap);
    return number;
}

void rig_done(struct rig *rig, bl_op op, bl_status status)
{
    bus_adapter_event(
        rig->a, &(struct bl_event){.kind = BL_EV_OP_DONE, .done = {.op = op, .status = status}});
    rig_run(rig);
}

void rig_vanish(struct rig *rig, const char *name)
{
    struct bus_client *c = bus_client_find(rig->bus, name);
    must(c != NULL);
    bus_client_vanished(c);
    rig_run(rig);
}

size_t rig_index(struct rig *rig, const char *prefix)
{
    for (size_t i = 0; i < rig->n_lines; i++)
        if (strncmp(rig->lines[i], prefix, strlen(prefix)) == 0)
            return i;
    return SIZE_MAX;
}

const char *rig_find(struct rig *rig, const char *prefix)
{
    size_t i = rig_index(rig, prefix);
    return i == SIZE_MAX ? NULL : rig->lines[i];
}

size_t rig_count(struct rig *rig, const char *prefix)
{
    size_t n = 0;
    for (size_t i = 0; i < rig->n_lines; i++)
        n += strncmp(rig->lines[i], prefix, strlen(prefix)) == 0;
    return n;
}

const char *rig_answer(struct rig *rig, unsigned number)
{
    static char name[128];
    char prefix[32];
    snprintf(prefix, sizeof(prefix), "reply %u", number);
    for (size_t i = 0; i < rig->n_lines; i++)
        if (strncmp(rig->lines[i], prefix, strlen(prefix)) == 0 &&
            strchr(" ", rig->lines[i][strlen(prefix)])) /* or the end: 3 is not 39 */
            return "reply";
    snprintf(prefix, sizeof(prefix), "error %u ", number);
    const char *line = rig_find(rig, prefix);
    if (!line)
        return "";
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(line + strlen(prefix), " "),
             line + strlen(prefix));
    return name;
}

void rig_forget(struct rig *rig)
{
    for (size_t i = 0; i < rig->n_lines; i++)
        free(rig->lines[i]);
    rig->n_lines = 0;
}
