/* SPDX-License-Identifier: MIT */

/*
 * gatts_def: reading services out of messages, in the two forms that there are: the tuples of
 * RegisterServices, and the dictionaries of AddService and AddCharacteristic. Both end in the same
 * structures and pass the same checks, so that what the stack could refuse is refused here first,
 * naming what is wrong with which characteristic.
 */

#include "gatts_def.h"

#include "base/cleanup.h"
#include "error.h"

#include <errno.h>
#include <stdlib.h>

enum { NAME_LEN = 192 };

void gatts_characteristic_clear(struct bl_gatts_characteristic *c)
{
    free((void *)(uintptr_t)c->descriptors); /* const for the stack, ours to free */
    *c = (struct bl_gatts_characteristic){0};
}

void gatts_def_clear(struct gatts_def *d)
{
    for (size_t i = 0; i < d->service.n_characteristics; i++)
        gatts_characteristic_clear(&d->characteristics[i]);
    free(d->characteristics);
    free(d->includes);
    *d = (struct gatts_def){0};
}

void gatts_defs_clear(struct gatts_defs *d)
{
    for (size_t i = 0; i < d->n; i++)
        gatts_def_clear(&d->v[i]);
    free(d->v);
    *d = (struct gatts_defs){0};
}

/* Declaration, value, CCCD, descriptors, Extended Properties: host_gatt.h. */
size_t gatts_characteristic_handles(const struct bl_gatts_characteristic *c)
{
    struct bl_uuid extended = bl_uuid_from16(0x2900);
    size_t n = 2 + c->n_descriptors;

    if (c->flags & (BL_GATT_NOTIFY | BL_GATT_INDICATE))
        n++;
    if (!(c->flags & BL_GATT_AUX_WRITE))
        return n;
    for (size_t i = 0; i < c->n_descriptors; i++)
        if (bl_uuid_eq(&c->descriptors[i].uuid, &extended))
            return n;
    return n + 1;
}

size_t gatts_service_handles(const struct bl_gatts_service *s)
{
    size_t n = 1 + s->n_includes;

    for (size_t i = 0; i < s->n_characteristics; i++)
        n += gatts_characteristic_handles(&s->characteristics[i]);
    return n;
}

size_t gatts_characteristic_values(const struct bl_gatts_characteristic *c)
{
    return 1 + c->n_descriptors;
}

size_t gatts_service_values(const struct bl_gatts_service *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_characteristics; i++)
        n += gatts_characteristic_values(&s->characteristics[i]);
    return n;
}

/* ---- checks ---- */

static int check_flags(const char *name, uint32_t flags, sd_bus_error *error)
{
    uint32_t unknown = flags & ~(uint32_t)BL_GATT_FLAGS;

    if (unknown != 0)
        return bus_error_invalid(error,
                                 "%s: there are no flags 0x%x; all that there are make 0x%x.", name,
                                 unknown, (unsigned)BL_GATT_FLAGS);
    return 0;
}

/* Core 5.4, Vol 3, Part G, 3: what declares something is the stack's to make. */
static int check_type(const char *name, const struct bl_uuid *uuid, sd_bus_error *error)
{
    uint16_t v = bl_uuid_is16(uuid) ? bl_uuid_get16(uuid) : 0;

    if (v >= 0x2800 && v <= 0x2803)
        return bus_error_invalid(error,
                                 "%s: 0x%04x declares a service or characteristic; bled "
                                 "makes these itself.",
                                 name, v);
    if (v == 0x2902)
        return bus_error_invalid(error,
                                 "%s: bled adds the CCCD (0x2902) itself, where a "
                                 "characteristic has NOTIFY or INDICATE.",
                                 name);
    return 0;
}

static int check_len(const char *name, size_t len, uint16_t max_len, bool truncate,
                     sd_bus_error *error)
{
    if (len > GATTS_VALUE_MAX)
        return bus_error_invalid(error, "%s: a value of %zu octets is over the %d that ATT allows.",
                                 name, len, (int)GATTS_VALUE_MAX);
    if (len > max_len && !truncate)
        return bus_error_invalid(error, "%s: a value of %zu octets is over max_len, %u.", name, len,
                                 max_len);
    return 0;
}

/* Core 5.4, Vol 3, Part G, 3.3.3.1 (two octets), .2, .4 and .6: at most one of each. */
static int check_single(const char *name, const struct bl_gatts_characteristic *c,
                        const struct bl_gatts_descriptor *d, sd_bus_error *error)
{
    uint16_t v = bl_uuid_is16(&d->uuid) ? bl_uuid_get16(&d->uuid) : 0;

    if (v != 0x2900 && v != 0x2901 && v != 0x2903 && v != 0x2905)
        return 0;
    if (v == 0x2900 && d->len != 0 && d->len != 2)
        return bus_error_invalid(error, "%s: Extended Properties are 2 octets, not %u.", name,
                                 d->len);
    for (size_t i = 0; i < c->n_descriptors; i++)
        if (bl_uuid_eq(&c->descriptors[i].uuid, &d->uuid))
            return bus_error_invalid(error, "%s: a characteristic has 0x%04x at most once.", name,
                                     v);
    return 0;
}

/* "characteristic 2 (2a37)", "descriptor 1 (2901) of characteristic 2 (2a37)" */
static void name_it(char out[static NAME_LEN], const char *what, size_t index, const char *uuid,
                    const char *of)
{
    char shown[UUID_TEXT_LEN];

    snprintf(shown, sizeof(shown), "%s", uuid);
    bus_text_trim(shown);
    snprintf(out, NAME_LEN, "%s %zu (%s)%s%.100s", what, index + 1, shown, *of ? " of " : "", of);
    bus_text_trim(out);
}

static int parse_uuid(const char *name, const char *text, struct bl_uuid *ret, sd_bus_error *error)
{
    if (bl_uuid_parse(text, ret))
        return 0;
    return bus_error_invalid(error,
                             "%s: '%s' is not a UUID: 4 or 8 hexadecimal digits or the "
                             "128-bit form.",
                             name, text);
}

static int too_many(sd_bus_error *error)
{
    return bus_error_set(
        error, BUS_NO_RESOURCES,
        "The services would take more than the %d handles that one owner may have.",
        (int)GATTS_MAX_HANDLES);
}

/* Room for one more of `size` octets in an array that has n. */
static int grow(void **array, size_t n, size_t size)
{
    if ((n & (n - 1)) != 0) /* grown at the powers of two */
        return 0;
    void *p = realloc(*array, (n ? 2 * n : 1) * size);
    if (!p)
        return -ENOMEM;
    *array = p;
    return 0;
}

static int add_descriptor(struct bl_gatts_characteristic *c, const struct bl_gatts_descriptor *d)
{
    void *v = (void *)(uintptr_t)c->descriptors;
    int r = grow(&v, c->n_descriptors, sizeof(*d));

    if (r < 0)
        return r;
    ((struct bl_gatts_descriptor *)v)[c->n_descriptors++] = *d;
    c->descriptors = v;
    return 0;
}

/* Takes what *c holds, in either case. */
static int add_characteristic(struct gatts_def *d, struct bl_gatts_characteristic *c)
{
    void *v = d->characteristics;
    int r = grow(&v, d->service.n_characteristics, sizeof(*c));

    if (r < 0) {
        gatts_characteristic_clear(c);
        return r;
    }
    d->characteristics = v;
    d->characteristics[d->service.n_characteristics++] = *c;
    d->service.characteristics = d->characteristics;
    return 0;
}

/* ---- RegisterServices: tuples ---- */

static int read_tuple_descriptors(sd_bus_message *m, const char *of,
                                  struct bl_gatts_characteristic *c, sd_bus_error *error)
{
    char name[NAME_LEN];
    const char *text;
    uint32_t flags;

    int r = sd_bus_message_enter_container(m, 'a', "(su)");
    while (r >= 0 && (r = sd_bus_message_read(m, "(su)", &text, &flags)) > 0) {
        struct bl_gatts_descriptor d = {.flags = flags, .max_len = GATTS_REGISTERED_BUFFER};
        name_it(name, "descriptor", c->n_descriptors, text, of);
        r = parse_uuid(name, text, &d.uuid, error);
        if (r >= 0)
            r = check_type(name, &d.uuid, error);
        if (r >= 0)
            r = check_flags(name, flags, error);
        if (r >= 0)
            r = check_single(name, c, &d, error);
        if (r >= 0)
            r = c->n_descriptors < GATTS_MAX_HANDLES ? add_descriptor(c, &d) : too_many(error);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* 1: read, 0: the array is at its end. */
static int read_tuple_characteristic(sd_bus_message *m, const char *of, size_t index,
                                     struct bl_gatts_characteristic *c, sd_bus_error *error)
{
    char name[NAME_LEN];
    const char *text;

    int r = sd_bus_message_enter_container(m, 'r', "sua(su)");
    if (r <= 0)
        return r;
    r = sd_bus_message_read(m, "su", &text, &c->flags);
    if (r < 0)
        return r;
    name_it(name, "characteristic", index, text, of);
    c->max_len = GATTS_REGISTERED_BUFFER;
    c->truncate = true;
    r = parse_uuid(name, text, &c->uuid, error);
    if (r >= 0)
        r = check_type(name, &c->uuid, error);
    if (r >= 0)
        r = check_flags(name, c->flags, error);
    if (r >= 0)
        r = read_tuple_descriptors(m, name, c, error);
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    return r < 0 ? r : 1;
}

static int read_tuple_service(sd_bus_message *m, size_t index, struct gatts_def *d,
                              sd_bus_error *error)
{
    char name[NAME_LEN];
    const char *text;
    int r = sd_bus_message_read_basic(m, 's', &text);

    if (r < 0)
        return r;
    name_it(name, "service", index, text, "");
    r = parse_uuid(name, text, &d->service.uuid, error);
    if (r >= 0)
        r = sd_bus_message_enter_container(m, 'a', "(sua(su))");
    while (r >= 0) {
        struct bl_gatts_characteristic c = {0};
        r = read_tuple_characteristic(m, name, d->service.n_characteristics, &c, error);
        if (r <= 0) {
            gatts_characteristic_clear(&c);
            break;
        }
        r = d->service.n_characteristics < GATTS_MAX_HANDLES ? add_characteristic(d, &c) : -E2BIG;
        if (r == -E2BIG) {
            gatts_characteristic_clear(&c);
            return too_many(error);
        }
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int add_service(struct gatts_defs *defs)
{
    void *v = defs->v;
    int r = grow(&v, defs->n, sizeof(*defs->v));

    if (r < 0)
        return r;
    defs->v = v;
    defs->v[defs->n++] = (struct gatts_def){0};
    return 0;
}

int gatts_def_read_services(sd_bus_message *m, struct gatts_defs *ret, sd_bus_error *error)
{
    *ret = (struct gatts_defs){0};
    int r = sd_bus_message_enter_container(m, 'a', "(sa(sua(su)))");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "sa(sua(su))")) > 0) {
        if (ret->n == GATTS_MAX_SERVICES)
            return bus_error_set(error, BUS_NO_RESOURCES, "One owner may have %d services.",
                                 (int)GATTS_MAX_SERVICES);
        r = add_service(ret);
        if (r >= 0)
            r = read_tuple_service(m, ret->n - 1, &ret->v[ret->n - 1], error);
        if (r < 0)
            return r;
        ret->handles += gatts_service_handles(&ret->v[ret->n - 1].service);
        if (ret->handles > GATTS_MAX_HANDLES)
            return too_many(error);
        r = sd_bus_message_exit_container(m);
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    return r < 0 ? r : 0;
}

void gatts_defs_apply(struct gatts_defs *d, const struct gatts_defaults *defaults)
{
    for (size_t i = 0; i < d->n; i++)
        for (size_t k = 0; k < d->v[i].service.n_characteristics; k++) {
            struct bl_gatts_characteristic *c = &d->v[i].characteristics[k];
            c->authorize_reads = defaults->authorize_reads;
            c->authorize_writes = defaults->authorize_writes;
            c->read_events = defaults->read_events;
        }
}

/* ---- AddService, AddCharacteristic: dictionaries ---- */

struct descriptor_opts {
    struct bus_opts head;
    const char *uuid;
    uint32_t flags;
    struct bus_bytes value;
    uint16_t max_len;
};

enum { OPT_UUID, OPT_FLAGS }; /* rows that must be there, in both tables */

#define DESCRIPTOR_FIELD(member) offsetof(struct descriptor_opts, member)

static const struct bus_opt DESCRIPTOR_OPTS[] = {
    [OPT_UUID] = {"uuid", "s", DESCRIPTOR_FIELD(uuid), 0, 0, NULL},
    [OPT_FLAGS] = {"flags", "u", DESCRIPTOR_FIELD(flags), 0, 0, NULL},
    {"value", "ay", DESCRIPTOR_FIELD(value), 0, 0, NULL},
    {"max_len", "q", DESCRIPTOR_FIELD(max_len), 0, GATTS_VALUE_MAX, NULL},
};

/* What the two dictionaries have in common: both keys that must be there, and good ones. */
static int check_dict(char name[static NAME_LEN], const char *what, size_t index,
                      const struct bus_opts *head, const char *uuid, uint32_t flags,
                      struct bl_uuid *ret, sd_bus_error *error)
{
    if (!bus_opts_given(head, OPT_UUID) || !bus_opts_given(head, OPT_FLAGS))
        return bus_error_invalid(error, "%s %zu has no '%s'.", what, index + 1,
                                 bus_opts_given(head, OPT_UUID) ? "flags" : "uuid");
    name_it(name, what, index, uuid, "");
    int r = parse_uuid(name, uuid, ret, error);
    if (r >= 0)
        r = check_type(name, ret, error);
    return r < 0 ? r : check_flags(name, flags, error);
}

static int read_descriptor(sd_bus_message *m, const struct bl_gatts_characteristic *c,
                           struct bl_gatts_descriptor *ret, sd_bus_error *error)
{
    struct descriptor_opts o = {.max_len = GATTS_VALUE_MAX};
    char name[NAME_LEN];

    int r = bus_opts_read_nested(m, DESCRIPTOR_OPTS, ARRAY_LEN(DESCRIPTOR_OPTS), &o, error);
    if (r >= 0)
        r = check_dict(name, "descriptor", c->n_descriptors, &o.head, o.uuid, o.flags, &ret->uuid,
                       error);
    if (r >= 0)
        r = check_len(name, o.value.n, o.max_len, false, error);
    if (r < 0)
        return r;
    ret->flags = o.flags;
    ret->value = o.value.p;
    ret->len = (uint16_t)o.value.n;
    ret->max_len = o.max_len;
    return check_single(name, c, ret, error);
}

/* aa{sv} into the characteristic's array of them. */
static int opt_descriptors(sd_bus_message *m, const struct bus_opt *o, void *field,
                           sd_bus_error *error)
{
    struct bl_gatts_characteristic *c = field;
    (void)o;

    int r = sd_bus_message_enter_container(m, 'a', "a{sv}");
    while (r >= 0 && (r = sd_bus_message_at_end(m, false)) == 0) {
        struct bl_gatts_descriptor d = {0};
        r = read_descriptor(m, c, &d, error);
        if (r >= 0)
            r = c->n_descriptors < GATTS_MAX_HANDLES ? add_descriptor(c, &d) : too_many(error);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

struct characteristic_opts {
    struct bus_opts head;
    const char *uuid;
    uint32_t flags;
    struct bus_bytes value;
    uint16_t max_len;
    bool append, authorize_reads, authorize_writes, read_events;
    struct bl_gatts_characteristic descriptors; /* these alone */
};

#define CHARACTERISTIC_FIELD(member) offsetof(struct characteristic_opts, member)

static const struct bus_opt CHARACTERISTIC_OPTS[] = {
    [OPT_UUID] = {"uuid", "s", CHARACTERISTIC_FIELD(uuid), 0, 0, NULL},
    [OPT_FLAGS] = {"flags", "u", CHARACTERISTIC_FIELD(flags), 0, 0, NULL},
    {"value", "ay", CHARACTERISTIC_FIELD(value), 0, 0, NULL},
    {"max_len", "q", CHARACTERISTIC_FIELD(max_len), 0, GATTS_VALUE_MAX, NULL},
    {"append", "b", CHARACTERISTIC_FIELD(append), 0, 0, NULL},
    {"authorize_reads", "b", CHARACTERISTIC_FIELD(authorize_reads), 0, 0, NULL},
    {"authorize_writes", "b", CHARACTERISTIC_FIELD(authorize_writes), 0, 0, NULL},
    {"read_events", "b", CHARACTERISTIC_FIELD(read_events), 0, 0, NULL},
    {"descriptors", "aa{sv}", CHARACTERISTIC_FIELD(descriptors), 0, 0, opt_descriptors},
};

static int read_characteristic(sd_bus_message *m, const struct gatts_defaults *defaults,
                               size_t index, struct bl_gatts_characteristic *ret,
                               sd_bus_error *error)
{
    struct characteristic_opts o = {
        .max_len = GATTS_VALUE_MAX,
        .authorize_reads = defaults->authorize_reads,
        .authorize_writes = defaults->authorize_writes,
        .read_events = defaults->read_events,
    };
    char name[NAME_LEN];

    int r = bus_opts_read_nested(m, CHARACTERISTIC_OPTS, ARRAY_LEN(CHARACTERISTIC_OPTS), &o, error);
    *ret = o.descriptors;
    if (r >= 0)
        r = check_dict(name, "characteristic", index, &o.head, o.uuid, o.flags, &ret->uuid, error);
    if (r >= 0)
        r = check_len(name, o.value.n, o.max_len, false, error);
    if (r < 0) {
        gatts_characteristic_clear(ret);
        return r;
    }
    ret->flags = o.flags;
    ret->value = o.value.p;
    ret->len = (uint16_t)o.value.n;
    ret->max_len = o.max_len;
    ret->append = o.append;
    ret->authorize_reads = o.authorize_reads;
    ret->authorize_writes = o.authorize_writes;
    ret->read_events = o.read_events;
    return 0;
}

int gatts_def_read_characteristic(sd_bus_message *m, const struct gatts_defaults *defaults,
                                  struct bl_gatts_characteristic *ret, sd_bus_error *error)
{
    *ret = (struct bl_gatts_characteristic){0};
    return read_characteristic(m, defaults, 0, ret, error);
}

int gatts_def_read_characteristics(sd_bus_message *m, const struct gatts_defaults *defaults,
                                   struct gatts_def *ret, sd_bus_error *error)
{
    size_t handles = 1;

    int r = sd_bus_message_enter_container(m, 'a', "a{sv}");
    while (r >= 0 && (r = sd_bus_message_at_end(m, false)) == 0) {
        struct bl_gatts_characteristic c;
        r = read_characteristic(m, defaults, ret->service.n_characteristics, &c, error);
        if (r < 0)
            return r;
        handles += gatts_characteristic_handles(&c);
        r = add_characteristic(ret, &c);
        if (r >= 0 && handles > GATTS_MAX_HANDLES)
            r = too_many(error);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}
