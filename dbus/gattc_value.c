/* SPDX-License-Identifier: MIT */

/*
 * gattc_value: org.bled.GattClient1: Read, ReadByUuid, ReadMultiple and Write.
 *
 * Write commands have no answer: their call is replied to when they are queued. One that finds too
 * much waiting on its connection is held here, and all later ones of that connection behind it;
 * whenever an operation of the adapter ends they are tried again, in order.
 */

#include "gattc_call.h"

#include <errno.h>

enum { GATTC_VALUE_MAX = 512 }; /* Core 5.4, Vol 3, Part F, 3.2.9 */

static int append_value(sd_bus_message *m, const struct bl_event *e)
{
    return sd_bus_message_append_array(m, 'y', e->gatt.value.data, e->gatt.value.len);
}

/* ReadResult. */
static int append_read(sd_bus_message *m, const struct bl_event *e)
{
    int r = sd_bus_message_append_basic(m, 'q', &e->gatt.handle);

    return r < 0 ? r : append_value(m, e);
}

static int element_read(sd_bus_message *m, const struct bl_event *e)
{
    int r = sd_bus_message_open_container(m, 'r', "qay");

    if (r >= 0)
        r = append_read(m, e);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

#define GATTC_READ(name, type)                                                                     \
    .call =                                                                                        \
        {                                                                                          \
            .method = name,                                                                        \
            .out = type,                                                                           \
            .size = sizeof(struct gattc_call),                                                     \
            .done = bus_gattc_call_done,                                                           \
            .cancel = bus_gattc_call_cancel,                                                       \
            .drop = bus_gattc_call_drop,                                                           \
    },                                                                                             \
    .result = "ReadResult", .fields = append_read, .done = "ReadDone", .done_handle = true

static const struct gattc_kind READ = {
    GATTC_READ("Read", "ay"),
    .what = "reading",
    .append = append_value,
};

static const struct gattc_kind READ_BY_UUID = {
    GATTC_READ("ReadByUuid", "a(qay)"),
    .what = "reading values of",
    .element = "(qay)",
    .append = element_read,
};

static const struct gattc_kind READ_MULTIPLE = {
    GATTC_READ("ReadMultiple", "aay"),
    .what = "reading values of",
    .element = "ay",
    .append = append_value,
};

/* ---- Read ---- */

struct read_opts {
    struct bus_opts head;
    uint16_t offset;
    bool is_long;
};

static const struct bus_opt READ_OPTS[] = {
    {"offset", "q", offsetof(struct read_opts, offset), 0, UINT16_MAX, NULL},
    {"long", "b", offsetof(struct read_opts, is_long), 0, 0, NULL},
};

int bus_gattc_method_read(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct read_opts o = {.is_long = true};
    struct gattc_call *g;
    struct bus_conn *c;
    uint16_t handle;
    bl_op op = 0;
    int r;

    r = bus_gattc_enter(a, m, bus_gattc_method_read, NULL, &c, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read_basic(m, 'q', &handle);
    if (r >= 0)
        r = bus_gattc_check_handle(handle, error);
    if (r >= 0)
        r = bus_opts_read(m, READ_OPTS, ARRAY_LEN(READ_OPTS), &o, error);
    if (r < 0)
        return r;
    r = bus_gattc_call_new(a, m, &READ, !o.head.no_wait, c->info.conn, handle, &g, error);
    if (r < 0)
        return r;
    r = bl_gattc_read(a->host, bus_now(a), c->info.conn, handle, o.offset, o.is_long, &op);
    return bus_gattc_call_go(g, r, op, error);
}

/* ---- ReadByUuid ---- */

int bus_gattc_method_read_by_uuid(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct gattc_call *g;
    struct bl_uuid uuid;
    struct bus_conn *c;
    uint16_t start, end;
    const char *text;
    bool wait;
    bl_op op = 0;
    int r;

    r = bus_gattc_enter(a, m, bus_gattc_method_read_by_uuid, NULL, &c, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "qqs", &start, &end, &text);
    if (r >= 0)
        r = bus_gattc_check_range(start, end, error);
    if (r >= 0)
        r = bus_read_uuid(text, &uuid, error);
    if (r >= 0)
        r = bus_opts_read_wait(m, &wait, error);
    if (r < 0)
        return r;
    r = bus_gattc_call_new(a, m, &READ_BY_UUID, wait, c->info.conn, 0, &g, error);
    if (r < 0)
        return r;
    g->has_uuid = true;
    g->uuid = uuid;
    r = bl_gattc_read_by_uuid(a->host, bus_now(a), c->info.conn, start, end, &uuid, &op);
    return bus_gattc_call_go(g, r, op, error);
}

/* ---- ReadMultiple ---- */

int bus_gattc_method_read_multiple(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct gattc_call *g;
    struct bus_conn *c;
    const void *array;
    size_t size;
    bool wait;
    bl_op op = 0;
    int r;

    r = bus_gattc_enter(a, m, bus_gattc_method_read_multiple, NULL, &c, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read_array(m, 'q', &array, &size);
    if (r < 0)
        return r;
    const uint16_t *handles = array;
    size_t n = size / sizeof(*handles);
    if (n == 0 || n > BL_MAX_READ_MULTIPLE)
        return bus_error_invalid(error, "%zu handles are given; 1 to %d can be read at once.", n,
                                 BL_MAX_READ_MULTIPLE);
    for (size_t i = 0; i < n && r >= 0; i++)
        r = bus_gattc_check_handle(handles[i], error);
    if (r >= 0)
        r = bus_opts_read_wait(m, &wait, error);
    if (r < 0)
        return r;
    r = bus_gattc_call_new(a, m, &READ_MULTIPLE, wait, c->info.conn, 0, &g, error);
    if (r < 0)
        return r;
    r = bl_gattc_read_multiple(a->host, bus_now(a), c->info.conn, handles, n, &op);
    return bus_gattc_call_go(g, r, op, error);
}

/* ---- Write ---- */

struct write_opts {
    struct bus_opts head;
    uint16_t offset;
};

static const struct bus_opt WRITE_OPTS[] = {
    {"offset", "q", offsetof(struct write_opts, offset), 0, UINT16_MAX, NULL},
};

static const struct gattc_kind WRITE = {
    .call =
        {
            .method = "Write",
            .out = "",
            .size = sizeof(struct gattc_call),
            .done = bus_gattc_call_done,
            .cancel = bus_gattc_call_cancel,
            .drop = bus_gattc_call_drop,
        },
    .what = "writing",
    .done = "WriteDone",
    .done_handle = true,
};

/* Commands: no signal ever stands for them. What nobody waits for any more goes out all the same,
 * unless it is held: then nothing has been begun. */
static void command_cancel(struct bus_call *call)
{
    struct gattc_call *g = (struct gattc_call *)call;

    g->source = sd_bus_message_unref(g->source);
}

static const struct gattc_kind COMMAND = {
    .call =
        {
            .method = "Write",
            .out = "",
            .size = sizeof(struct gattc_call),
            .done = bus_gattc_call_done,
            .cancel = command_cancel,
            .drop = bus_gattc_call_drop,
        },
    .what = "writing",
};

static bool is_command(uint8_t mode)
{
    return mode == BL_GATT_WRITE_COMMAND || mode == BL_GATT_WRITE_SIGNED;
}

static int write_check(size_t n, uint8_t mode, uint16_t offset, sd_bus_error *error)
{
    if (mode > BL_GATT_WRITE_SIGNED)
        return bus_error_invalid(error,
                                 "Write mode %u is none: 0 command, 1 request, 2 reliable, 3 "
                                 "signed command.",
                                 mode);
    if (n > GATTC_VALUE_MAX)
        return bus_error_invalid(error, "The value has %zu octets; %d are the most.", n,
                                 GATTC_VALUE_MAX);
    if (!is_command(mode) && offset + n > GATTC_VALUE_MAX)
        return bus_error_invalid(error,
                                 "Option 'offset': %zu octets from %u on end behind the %d that a "
                                 "value may have.",
                                 n, offset, GATTC_VALUE_MAX);
    if (offset != 0 && is_command(mode))
        return bus_error_invalid(error,
                                 "Option 'offset' goes with modes 1 and 2; a command (mode %u) "
                                 "writes from the beginning.",
                                 mode);
    return 0;
}

/* What the stack refused of a write: the sentence that fits. */
static int write_refused(struct bus_adapter *a, struct gattc_call *g, int r, sd_bus_error *error)
{
    unsigned mtu = bl_gatt_mtu(a->host, g->conn);

    if (r == -EMSGSIZE && is_command(g->mode)) {
        bool is_signed = g->mode == BL_GATT_WRITE_SIGNED && g->n <= mtu - 3;
        r = bus_error_invalid(error,
                              "The value has %zu octets; %u fit into a %scommand at an MTU of %u. "
                              "ExchangeMtu may allow more, mode 1 writes more.",
                              g->n, mtu - (is_signed ? 15 : 3), is_signed ? "signed " : "", mtu);
    } else if (r == -EOPNOTSUPP) {
        r = bus_error_set(error, BUS_NOT_SUPPORTED,
                          "A signed write to handle %u of connection %u needs a bond with its "
                          "signing key, or an encrypted link.",
                          g->handle, g->conn);
    } else {
        r = bus_gattc_refused(error, r, "writing", g->handle, g->conn);
    }
    bus_call_free(&g->call);
    return r;
}

static struct gattc_call *held_first(struct bus_adapter *a, uint16_t conn)
{
    list_each(l, next, &bus_gattc_of(a)->held)
    {
        struct gattc_call *g = list_entry(l, struct gattc_call, call.waiting);
        if (g->conn == conn)
            return g;
    }
    return NULL;
}

static int command_send(struct bus_adapter *a, struct gattc_call *g, bl_op *op)
{
    return bl_gattc_write(a->host, bus_now(a), g->conn, g->handle, g->value, g->n,
                          (enum bl_gatt_write_mode)g->mode, 0, op);
}

/* Lengths can be told before there is room: ATT_MTU never shrinks. */
static int command_hold(struct bus_adapter *a, sd_bus_message *m, struct gattc_call *g,
                        sd_bus_error *error)
{
    if (g->n + 3 > bl_gatt_mtu(a->host, g->conn))
        return write_refused(a, g, -EMSGSIZE, error);
    g->source = sd_bus_message_ref(m);
    list_append(&bus_gattc_of(a)->held, &g->call.waiting);
    return bus_call_go(&g->call, 0);
}

static int command_begin(struct bus_adapter *a, sd_bus_message *m, struct gattc_call *g,
                         sd_bus_error *error)
{
    bl_op op = 0;

    if (held_first(a, g->conn))
        return command_hold(a, m, g, error);
    int r = command_send(a, g, &op);
    if (r == -EAGAIN)
        return command_hold(a, m, g, error);
    if (r < 0)
        return write_refused(a, g, r, error);
    bus_kick(a);
    if (r == 0)
        return bus_call_go(&g->call, op);
    bus_call_reply(&g->call, "");
    bus_call_free(&g->call);
    return 1;
}

/* True: this one is through, or has failed. */
static bool held_try(struct bus_adapter *a, struct gattc_call *g)
{
    bl_op op = 0;
    int r = g->source ? command_send(a, g, &op) : 1;

    if (r == -EAGAIN || r == -ENOTCONN) /* its end is on its way */
        return false;
    list_remove(&g->call.waiting);
    g->source = sd_bus_message_unref(g->source);
    if (r == 0) {
        bus_call_go(&g->call, op);
        return true;
    }
    bus_kick(a);
    bus_gattc_call_end(g, r < 0 ? BL_NO_RESOURCES : BL_OK);
    bus_call_free(&g->call);
    return true;
}

void bus_gattc_write_retry(struct bus_adapter *a)
{
    struct list *held = &bus_gattc_of(a)->held;

    list_each(l, next, held)
    {
        struct gattc_call *g = list_entry(l, struct gattc_call, call.waiting);
        if (held_first(a, g->conn) == g)
            (void)held_try(a, g);
    }
}

void bus_gattc_write_conn_gone(struct bus_adapter *a, uint16_t conn, bl_status status)
{
    list_each(l, next, &bus_gattc_of(a)->held)
    {
        struct gattc_call *g = list_entry(l, struct gattc_call, call.waiting);
        if (g->conn != conn)
            continue;
        bus_gattc_call_end(g, status);
        bus_call_free(&g->call);
    }
}

void bus_gattc_write_deinit(struct bus_adapter *a)
{
    while (list_pop(&bus_gattc_of(a)->held)) { /* the calls themselves are the adapter's to free */
    }
}

int bus_gattc_method_write(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct write_opts o = {0};
    struct gattc_call *g;
    struct bus_conn *c;
    const void *value;
    uint16_t handle;
    uint8_t mode;
    bl_op op = 0;
    size_t n;
    int r;

    r = bus_gattc_enter(a, m, bus_gattc_method_write, NULL, &c, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read_basic(m, 'q', &handle);
    if (r >= 0)
        r = sd_bus_message_read_array(m, 'y', &value, &n);
    if (r >= 0)
        r = sd_bus_message_read_basic(m, 'y', &mode);
    if (r >= 0)
        r = bus_gattc_check_handle(handle, error);
    if (r >= 0)
        r = bus_opts_read(m, WRITE_OPTS, ARRAY_LEN(WRITE_OPTS), &o, error);
    if (r >= 0)
        r = write_check(n, mode, o.offset, error);
    if (r < 0)
        return r;
    r = bus_gattc_call_new(a, m, is_command(mode) ? &COMMAND : &WRITE, !o.head.no_wait,
                           c->info.conn, handle, &g, error);
    if (r < 0)
        return r;
    g->value = value;
    g->n = n;
    g->mode = mode;
    if (is_command(mode))
        return command_begin(a, m, g, error);
    r = bl_gattc_write(a->host, bus_now(a), c->info.conn, handle, value, n,
                       (enum bl_gatt_write_mode)mode, o.offset, &op);
    return r < 0 ? write_refused(a, g, r, error) : bus_gattc_call_go(g, r, op, error);
}
