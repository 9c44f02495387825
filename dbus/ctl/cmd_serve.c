/* SPDX-License-Identifier: MIT */

/*
 * cmd_serve: a GATT server out of a small file in JSON, until Ctrl-C. What peers write is printed;
 * a line `CHARACTERISTIC VALUE` on standard input sets a value and tells those who subscribed.
 */

#include "ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERVER "org.bled.GattServer1"

enum { SERVE_VALUE = 512, SERVE_MOST = 256 };

struct served { /* a characteristic or descriptor that there is now */
    char uuid[UUID_TEXT_LEN];
    uint16_t handle;
};

struct serve {
    struct ctl *c;
    const char *file;
    struct served all[SERVE_MOST];
    size_t n;
    char line[2 * SERVE_VALUE + 128]; /* of standard input */
    size_t n_line;
};

static const struct {
    const char *name;
    uint32_t flag;
} FLAGS[] = {
    {"broadcast", 0x0001},
    {"read", 0x0002},
    {"write-command", 0x0004},
    {"write", 0x0008},
    {"notify", 0x0010},
    {"indicate", 0x0020},
    {"signed-write", 0x0040},
    {"read-encrypted", 0x0200},
    {"read-authenticated", 0x0400},
    {"write-encrypted", 0x1000},
    {"write-authenticated", 0x2000},
};

static int wrong(const struct serve *s, const char *what, const char *why)
{
    return ctl_fail(CTL_USAGE, "%s: %s: %s", s->file, what, why);
}

/* Whether a key that is there has a value of its kind. */
static bool is_of(const json_t *j, const char *key, json_type type)
{
    const json_t *value = json_object_get(j, key);

    return !value || json_typeof(value) == type;
}

static bool is_number(const json_t *j, const char *key, json_int_t max)
{
    const json_t *value = json_object_get(j, key);

    return !value || (json_is_integer(value) && json_integer_value(value) >= 0 &&
                      json_integer_value(value) <= max);
}

/* ---- the file, into the call ---- */

static const char *flags_of(const json_t *names, uint32_t *ret)
{
    const json_t *name;
    size_t i;

    *ret = 0;
    json_array_foreach(names, i, name)
    {
        const char *text = json_string_value(name);
        size_t row = 0;
        while (text && row < ARRAY_LEN(FLAGS) && strcmp(FLAGS[row].name, text) != 0)
            row++;
        if (!text || row == ARRAY_LEN(FLAGS))
            return "\"flags\" are broadcast, read, write, write-command, notify, indicate, "
                   "signed-write, {read,write}-{encrypted,authenticated}";
        *ret |= FLAGS[row].flag;
    }
    return json_is_array(names) && i > 0 ? NULL : "\"flags\" is a list, and not empty";
}

static const char *value_of(const json_t *j, uint8_t out[static SERVE_VALUE], size_t *ret_n)
{
    const char *hex = json_string_value(json_object_get(j, "value"));
    const char *text = json_string_value(json_object_get(j, "text"));

    *ret_n = 0;
    if (!is_of(j, "value", JSON_STRING) || !is_of(j, "text", JSON_STRING))
        return "\"value\" is a string of hex digits, \"text\" a string";
    if (hex && text)
        return "either \"value\" or \"text\"";
    if (text && strlen(text) > SERVE_VALUE)
        return "a value has at most 512 octets";
    if (text)
        memcpy(out, text, *ret_n = strlen(text));
    int n = hex ? ctl_parse_hex(hex, out, SERVE_VALUE) : 0;
    if (n < 0)
        return "\"value\" is hex digits, at most 512 octets of them";
    *ret_n = text ? *ret_n : (size_t)n;
    return NULL;
}

/* Keys that there are not are mistakes. */
static const char *unknown(const json_t *j, const char *known)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)j, key, value)
    {
        size_t n = strlen(key);
        const char *at = known;
        while (*at && (strcspn(at, " ") != n || strncmp(at, key, n) != 0))
            at += strcspn(at, " ") + strspn(at + strcspn(at, " "), " ");
        if (*at == '\0')
            return key;
    }
    return NULL;
}

static int append_bytes(sd_bus_message *m, const char *key, const uint8_t *p, size_t n)
{
    int r = sd_bus_message_open_container(m, 'e', "sv");

    if (r >= 0)
        r = sd_bus_message_append(m, "s", key);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'v', "ay");
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', p, n);
    for (int i = 0; r >= 0 && i < 2; i++)
        r = sd_bus_message_close_container(m);
    return r;
}

/* Opens {sv} "descriptors": aa{sv}, to be closed three times. */
static int open_list(sd_bus_message *m, const char *key)
{
    int r = sd_bus_message_open_container(m, 'e', "sv");

    if (r >= 0)
        r = sd_bus_message_append(m, "s", key);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'v', "aa{sv}");
    return r < 0 ? r : sd_bus_message_open_container(m, 'a', "a{sv}");
}

static int append_attribute(struct serve *s, sd_bus_message *m, const json_t *j, bool descriptor,
                            int *status)
{
    const char *known = descriptor ? "uuid flags value text max-length"
                                   : "uuid flags value text max-length descriptors";
    const char *text = json_string_value(json_object_get(j, "uuid"));
    const json_t *max = json_object_get(j, "max-length"), *below;
    char uuid[UUID_TEXT_LEN], what[128];
    uint8_t value[SERVE_VALUE];
    uint32_t flags;
    size_t n, i;

    snprintf(what, sizeof(what), "%s %s", descriptor ? "descriptor" : "characteristic",
             text ? text : "without \"uuid\"");
    const char *key = json_is_object(j) ? unknown(j, known) : NULL;
    const char *why = !text || !ctl_uuid_parse(text, uuid) ? "there is no such UUID"
                      : key                                ? "a key that there is not"
                                                           : value_of(j, value, &n);
    if (!why)
        why = flags_of(json_object_get(j, "flags"), &flags);
    if (!why && !is_number(j, "max-length", SERVE_VALUE))
        why = "\"max-length\" is a number, 0 to 512";
    if (!why && max && json_integer_value(max) < (json_int_t)n)
        why = "the value is longer than \"max-length\"";
    if (!why && !is_of(j, "descriptors", JSON_ARRAY))
        why = "\"descriptors\" is a list";
    if (!why && s->n == SERVE_MOST)
        why = "256 are the most";
    if (why) {
        *status = wrong(s, key ? key : what, why);
        return -1;
    }
    snprintf(s->all[s->n++].uuid, UUID_TEXT_LEN, "%s", uuid);
    int r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = sd_bus_message_append(m, "{sv}{sv}{sv}", "uuid", "s", uuid, "flags", "u", flags,
                                  "max_len", "q",
                                  (unsigned)(max ? json_integer_value(max) : SERVE_VALUE));
    if (r >= 0)
        r = append_bytes(m, "value", value, n);
    const json_t *descriptors = json_object_get(j, "descriptors");
    if (r >= 0 && descriptors) {
        r = open_list(m, "descriptors");
        json_array_foreach(descriptors, i, below) if (r >= 0) r =
            append_attribute(s, m, below, true, status);
        for (i = 0; r >= 0 && i < 3; i++)
            r = sd_bus_message_close_container(m);
    }
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int add_service(struct serve *s, const json_t *j)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    const char *text = json_string_value(json_object_get(j, "uuid"));
    const json_t *list = json_object_get(j, "characteristics"), *one;
    sd_bus_message *m = NULL;
    char uuid[UUID_TEXT_LEN];
    size_t i, first = s->n;
    int status;

    if (!text || !ctl_uuid_parse(text, uuid))
        return wrong(s, text ? text : "a service without \"uuid\"", "there is no such UUID");
    if (unknown(j, "uuid characteristics"))
        return wrong(s, text, "a service has \"uuid\" and \"characteristics\"");
    if (!is_of(j, "characteristics", JSON_ARRAY))
        return wrong(s, text, "\"characteristics\" is a list");
    if ((status = ctl_message(s->c, SERVER, "AddService", &m)) != CTL_OK)
        return status;
    int r = sd_bus_message_append(m, "s", uuid);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "a{sv}");
    json_array_foreach(list, i, one) if (r >= 0) r = append_attribute(s, m, one, false, &status);
    if (r >= 0)
        r = sd_bus_message_close_container(m);
    if (r >= 0)
        r = sd_bus_message_append(m, "a{sv}", 0);
    if (r < 0) {
        sd_bus_message_unref(m);
        return status != CTL_OK ? status : ctl_error(uuid, r, NULL);
    }
    if ((status = ctl_send(s->c, uuid, m, &reply)) != CTL_OK)
        return status;
    const uint16_t *handles;
    size_t size;
    uint16_t service;
    r = sd_bus_message_read(reply, "q", &service);
    if (r >= 0)
        r = sd_bus_message_read_array(reply, 'q', (const void **)&handles, &size);
    for (i = 0; r >= 0 && first + i < s->n && i < size / 2; i++)
        s->all[first + i].handle = handles[i];
    return r < 0 ? ctl_error(uuid, r, NULL) : CTL_OK;
}

static int advertise(struct serve *s, const json_t *j)
{
    const json_t *list = json_object_get(j, "services"), *one;
    const char *name = json_string_value(json_object_get(j, "name"));
    const json_t *interval = json_object_get(j, "interval");
    sd_bus_message *m = NULL;
    char uuid[UUID_TEXT_LEN];
    size_t i;

    if (!json_is_object(j) || unknown(j, "name services interval") ||
        !is_of(j, "name", JSON_STRING) || !is_number(j, "interval", 40960) ||
        !is_of(j, "services", JSON_ARRAY))
        return wrong(s, "advertise",
                     "it has \"name\", \"services\" (a list) and \"interval\" (ms)");
    int status = ctl_message(s->c, "org.bled.Broadcaster1", "Advertise", &m);
    if (status != CTL_OK)
        return status;
    int r = sd_bus_message_append(
        m, "u", (uint32_t)((interval ? json_integer_value(interval) : 100) * 1000));
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = sd_bus_message_append(m, "{sv}", "resume", "b", 1);
    if (r >= 0 && name)
        r = sd_bus_message_append(m, "{sv}", "name", "s", name);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'e', "sv");
    if (r >= 0)
        r = sd_bus_message_append(m, "s", "services");
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'v', "as");
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "s");
    json_array_foreach(list, i, one) if (r >= 0) r =
        ctl_uuid_parse(json_string_value(one) ? json_string_value(one) : "", uuid)
            ? sd_bus_message_append(m, "s", uuid)
            : -1;
    for (i = 0; r >= 0 && i < 4; i++)
        r = sd_bus_message_close_container(m);
    if (r < 0) {
        sd_bus_message_unref(m);
        return wrong(s, "advertise", "\"services\" is a list of UUIDs");
    }
    return ctl_send(s->c, "advertising", m, NULL);
}

/* ---- while it is served ---- */

static const char *name_of(const struct serve *s, uint16_t handle)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->all[i].handle == handle)
            return s->all[i].uuid;
    return "?";
}

static int on_event(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct serve *s = userdata;
    const char *member = sd_bus_message_get_member(m);
    uint16_t conn, handle;

    (void)error;
    bool written = strcmp(member, "Written") == 0;
    if ((!written && strcmp(member, "Subscribed") != 0) ||
        sd_bus_message_read(m, "qq", &conn, &handle) < 0)
        return 0;
    json_t *what = ctl_value(m);
    if (s->c->json) {
        ctl_json(json_pack("{s:s,s:i,s:i,s:s,s:o}", "event", member, "conn", conn, "handle", handle,
                           "uuid", name_of(s, handle), written ? "value" : "bits", what));
        return 0;
    }
    char *text = what ? ctl_value_text(what) : NULL;
    printf("connection %u %s %s (%u): %s\n", conn, written ? "wrote" : "subscribed to",
           name_of(s, handle), handle, text ? text : "");
    fflush(stdout);
    free(text);
    json_decref(what);
    return 0;
}

static void set_value(struct serve *s, char *line)
{
    uint8_t value[SERVE_VALUE];
    char uuid[UUID_TEXT_LEN] = "";
    char *rest = line + strcspn(line, " \t");
    unsigned long handle = 0;
    sd_bus_message *m = NULL;
    int n;

    if (*rest)
        *rest++ = '\0';
    (void)(ctl_uuid_parse(line, uuid) || ctl_parse_number(line, 0xffff, &handle));
    for (size_t i = 0; i < s->n && handle == 0; i++)
        if (strcmp(s->all[i].uuid, uuid) == 0)
            handle = s->all[i].handle;
    if (*line == '\0')
        return;
    if (handle == 0 && *uuid) {
        ctl_fail(0, "%s: the file has no such characteristic", line);
        return;
    }
    if (handle == 0 || (n = ctl_parse_hex(rest, value, sizeof(value))) < 0) {
        ctl_fail(0, "a line is a characteristic and hex digits: 2a37 00 3d");
        return;
    }
    if (ctl_message(s->c, SERVER, "Write", &m) != CTL_OK)
        return;
    int r = sd_bus_message_append(m, "q", (unsigned)handle);
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', value, (size_t)n);
    if (r >= 0)
        r = sd_bus_message_append(m, "b", 1);
    if (r < 0)
        sd_bus_message_unref(m);
    else
        (void)ctl_send(s->c, "writing", m, NULL);
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct serve *s = userdata;
    ssize_t n = read(fd, s->line + s->n_line, sizeof(s->line) - 1 - s->n_line);

    (void)events;
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (n <= 0 && sd_event_source_set_enabled(source, SD_EVENT_OFF) >= 0 && s->n_line > 0)
        s->line[s->n_line] = '\n', n = 1; /* the last line may have no end */
    if (n <= 0)
        return 0;
    s->n_line += (size_t)n;
    s->line[s->n_line] = '\0';
    char *begin = s->line, *end;
    while ((end = memchr(begin, '\n', s->n_line - (size_t)(begin - s->line))) != NULL) {
        *end = '\0';
        if (!ctl_prompt_answer(s->c, begin))
            set_value(s, begin);
        begin = end + 1;
    }
    s->n_line -= (size_t)(begin - s->line);
    memmove(s->line, begin, s->n_line);
    if (s->n_line == sizeof(s->line) - 1) {
        ctl_fail(0, "a line is too long: a value has at most 512 octets");
        s->n_line = 0;
    }
    return 0;
}

int cmd_serve(struct ctl *c, int argc, char **argv)
{
    struct serve s = {.c = c};
    json_error_t where;
    json_t *service;
    size_t i;

    if (argc != 2)
        return ctl_usage(argv[0], "one FILE is to be given");
    s.file = argv[1];
    json_t *all = strcmp(argv[1], "-") == 0
                      ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &where)
                      : json_load_file(argv[1], JSON_REJECT_DUPLICATES, &where);
    if (!all)
        return where.line < 0 ? ctl_fail(CTL_USAGE, "%s", where.text) /* it names the file */
                              : ctl_fail(CTL_USAGE, "%s:%d: %s", argv[1], where.line, where.text);
    int status =
        unknown(all, "services advertise") || !json_is_array(json_object_get(all, "services"))
            ? wrong(&s, "file", "it has \"services\", a list, and may have \"advertise\"")
            : ctl_attach(c, true);
    json_array_foreach(json_object_get(all, "services"), i, service) if (status == CTL_OK) status =
        add_service(&s, service);
    if (status == CTL_OK)
        status = ctl_match(c, SERVER, NULL, on_event, &s);
    if (status == CTL_OK)
        status = ctl_prompts(c);
    if (status == CTL_OK)
        status = ctl_loop_init(c);
    if (status == CTL_OK && json_object_get(all, "advertise"))
        status = advertise(&s, json_object_get(all, "advertise"));
    json_decref(all);
    if (status != CTL_OK)
        return status;
    for (i = 0; i < s.n; i++)
        if (c->json)
            ctl_json(json_pack("{s:s,s:i,s:s}", "event", "Serving", "handle", s.all[i].handle,
                               "uuid", s.all[i].uuid));
        else
            printf("%u: %s\n", s.all[i].handle, s.all[i].uuid);
    fflush(stdout);
    if (strcmp(argv[1], "-") != 0)
        (void)sd_event_add_io(c->event, NULL, STDIN_FILENO, EPOLLIN, on_input, &s);
    return ctl_loop(c, CTL_OK, "Serving; Ctrl-C ends it. A line `2a37 00 3d` sets a value.");
}
