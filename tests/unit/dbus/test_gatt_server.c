/* SPDX-License-Identifier: MIT */

/* Services: made, replaced, removed, lost with their owners and kept over a lost controller. */

#include "gatts_rig.h"

#include <errno.h>
#include <stdio.h>

#define INVALID SD_BUS_ERROR_INVALID_ARGS

/* Two services: 180d with 2a37 (notify: a CCCD) and its 2901, 180f with 2a19. */
static unsigned register_two(const char *name)
{
    return rig_call(&rig, name, GATTS, "RegisterServices", "a(sa(sua(su)))a{sv}", 2, "180d", 1,
                    "2a37", 0x12, 1, "2901", 0x02, "180f", 1, "2a19", 0x02, 0, 0);
}

static unsigned register_none(const char *name)
{
    return rig_call(&rig, name, GATTS, "RegisterServices", "a(sa(sua(su)))a{sv}", 0, 0);
}

static size_t services(void)
{
    return gatts_of(rig.a)->n_services;
}

START_TEST(handles_are_those_of_values_and_descriptors)
{
    ck_answer(register_two(":1.1"), "reply");
    /* 16: service, 17 declaration, 18 value, 19 CCCD, 20 descriptor; 21, 22, 23. */
    struct bus_attr *value = bus_gatts_find(rig.a, 18), *descriptor = bus_gatts_find(rig.a, 20);
    ck_assert_ptr_nonnull(value);
    ck_assert_ptr_nonnull(descriptor);
    ck_assert_ptr_null(value->of);
    ck_assert_ptr_eq(descriptor->of, value);
    ck_assert_ptr_null(bus_gatts_find(rig.a, 17));
    ck_assert_ptr_null(bus_gatts_find(rig.a, 19));
    ck_assert_ptr_nonnull(bus_gatts_find(rig.a, 23));
    ck_assert_ptr_eq(bus_gatts_next_characteristic(rig.a, 0), value);
    ck_assert_ptr_eq(bus_gatts_next_characteristic(rig.a, 18), bus_gatts_find(rig.a, 23));
    ck_assert_ptr_null(bus_gatts_next_characteristic(rig.a, 23));
    ck_assert_uint_eq(gatts_of(rig.a)->n_handles, 8);
}
END_TEST

START_TEST(registering_again_replaces_and_gives_the_same_handles)
{
    uint16_t added = add_service(":1.1");
    ck_answer(register_two(":1.1"), "reply");
    struct bus_attr *first = bus_gatts_next_characteristic(rig.a, added);
    ck_assert_ptr_nonnull(first);
    uint16_t handle = first->handle;
    ck_answer(register_two(":1.2"), "reply"); /* the daemon's too: neither is attached */
    ck_assert_uint_eq(services(), 3);
    ck_assert_ptr_nonnull(bus_gatts_find(rig.a, handle));
    ck_assert_ptr_nonnull(bus_gatts_find(rig.a, added)); /* AddService's stays */
    ck_answer(register_none(":1.3"), "reply");
    ck_assert_uint_eq(services(), 1);
    ck_assert_ptr_null(bus_gatts_find(rig.a, handle));
    ck_assert_ptr_nonnull(bus_gatts_find(rig.a, added));
}
END_TEST

START_TEST(owners_register_beside_each_other)
{
    attach(":1.1");
    ck_answer(register_two(":1.1"), "reply");
    ck_answer(register_two(":1.2"), "reply");
    ck_assert_uint_eq(services(), 4);
    ck_answer(register_none(":1.2"), "reply");
    ck_assert_uint_eq(services(), 2);
}
END_TEST

START_TEST(registering_while_advertising_is_busy)
{
    unsigned on = rig_call(&rig, ":1.1", "org.bled.Broadcaster1", "Advertise", "ua{sv}", 100000, 0);
    rig_done(&rig, rig.host.last_op, BL_OK);
    ck_answer(on, "reply");
    ck_answer(register_two(":1.1"), "org.bled.Error.Busy");
    ck_answer(register_none(":1.1"), "org.bled.Error.Busy");
    add_service(":1.1"); /* is not */
    attach(":1.2");
    ck_answer(register_two(":1.2"), "reply"); /* another owner does not advertise */
}
END_TEST

static const struct {
    const char *service, *uuid, *descriptor, *second;
    uint32_t flags, descriptor_flags;
    const char *says;
} BAD[] = {
    {"18", "2a37", "2901", NULL, 2, 2, "'18'"},
    {"180d", "nonsense", "2901", NULL, 2, 2, "'nonsense'"},
    {"180d", "2a37", "2901", NULL, 0x8082, 2, "0x8080"},
    {"180d", "2a37", "2901", NULL, 2, 0x10002, "0x10000"},
    {"180d", "2803", "2901", NULL, 2, 2, "2803"},
    {"180d", "2800", "2901", NULL, 2, 2, "2800"},
    {"180d", "2a37", "2902", NULL, 2, 2, "CCCD"},
    {"180d", "2a37", "0x2902", NULL, 0x12, 2, "CCCD"},
    {"180d", "2a37", "2901", "00002901-0000-1000-8000-00805f9b34fb", 2, 2, "at most once"},
};

START_TEST(a_bad_definition_changes_nothing_and_is_named)
{
    const char *second = BAD[_i].second;
    ck_answer(register_two(":1.1"), "reply");
    unsigned call =
        second ? rig_call(&rig, ":1.1", GATTS, "RegisterServices", "a(sa(sua(su)))a{sv}", 2, "1800",
                          0, BAD[_i].service, 1, BAD[_i].uuid, BAD[_i].flags, 2, BAD[_i].descriptor,
                          BAD[_i].descriptor_flags, second, BAD[_i].descriptor_flags, 0)
               : rig_call(&rig, ":1.1", GATTS, "RegisterServices", "a(sa(sua(su)))a{sv}", 2, "1800",
                          0, BAD[_i].service, 1, BAD[_i].uuid, BAD[_i].flags, 1, BAD[_i].descriptor,
                          BAD[_i].descriptor_flags, 0);
    ck_answer(call, INVALID);
    ck_assert_msg(strstr(text_of(call), BAD[_i].says), "%s", text_of(call));
    ck_assert_ptr_nonnull(strstr(text_of(call), "service 2"));
    ck_assert_uint_eq(services(), 2);
    ck_assert_ptr_nonnull(bus_gatts_find(rig.a, 18));
}
END_TEST

START_TEST(a_refusal_of_the_stack_leaves_nothing_half_made)
{
    ck_answer(register_two(":1.1"), "reply");
    rig.host.gatt.refuse_add = rig.host.gatt.adds + 2;
    rig.host.gatt.refusal = -ENOSPC;
    ck_answer(register_two(":1.1"), "org.bled.Error.NoResources");
    ck_assert_uint_eq(services(), 0);
    ck_assert_uint_eq(gatts_of(rig.a)->n_handles, 0);
    ck_assert_ptr_null(bus_gatts_next_characteristic(rig.a, 0));
    ck_answer(register_two(":1.1"), "reply");
}
END_TEST

/* So many services of so many characteristics. */
static unsigned register_many(const char *name, unsigned n, unsigned m)
{
    sd_bus_message *call;
    uint64_t number = 0;

    must(sd_bus_message_new_method_call(rig.peer, &call, "org.bled", "/org/bled/hci0", GATTS,
                                        "RegisterServices") >= 0);
    must(sd_bus_message_set_sender(call, name) >= 0);
    must(sd_bus_message_open_container(call, 'a', "(sa(sua(su)))") >= 0);
    for (unsigned i = 0; i < n; i++) {
        must(sd_bus_message_open_container(call, 'r', "sa(sua(su))") >= 0);
        must(sd_bus_message_append(call, "s", "180d") >= 0);
        must(sd_bus_message_open_container(call, 'a', "(sua(su))") >= 0);
        for (unsigned k = 0; k < m; k++)
            must(sd_bus_message_append(call, "(sua(su))", "2a37", 2, 0) >= 0);
        must(sd_bus_message_close_container(call) >= 0);
        must(sd_bus_message_close_container(call) >= 0);
    }
    must(sd_bus_message_close_container(call) >= 0);
    must(sd_bus_message_append(call, "a{sv}", 0) >= 0);
    must(sd_bus_send(rig.peer, call, &number) >= 0);
    sd_bus_message_unref(call);
    rig_run(&rig);
    return (unsigned)number;
}

START_TEST(an_owner_has_so_many_handles_and_services)
{
    ck_answer(register_two(":1.1"), "reply");
    /* 1 + 2 * 8192 is one over; so are 1025 services. */
    ck_answer(register_many(":1.1", 1, 8192), "org.bled.Error.NoResources");
    ck_answer(register_many(":1.1", GATTS_MAX_SERVICES + 1, 0), "org.bled.Error.NoResources");
    ck_assert_uint_eq(services(), 2);                   /* as before */
    ck_answer(register_many(":1.1", 1, 8191), "reply"); /* in place of the two */
    ck_assert_uint_eq(gatts_of(rig.a)->n_handles, 16383);
    unsigned call = rig_call(&rig, ":1.1", GATTS, "AddService", "saa{sv}a{sv}", "180d", 1, 2,
                             "uuid", "s", "2a37", "flags", "u", 2, 0);
    ck_answer(call, "org.bled.Error.NoResources");
    ck_answer(register_many(":1.1", GATTS_MAX_SERVICES, 0), "reply");
    ck_assert_uint_eq(services(), GATTS_MAX_SERVICES);
    call = rig_call(&rig, ":1.1", GATTS, "AddService", "saa{sv}a{sv}", "180d", 0, 0);
    ck_answer(call, "org.bled.Error.NoResources");
}
END_TEST

static unsigned add_with(const char *key, const char *type, unsigned value)
{
    return rig_call(&rig, ":1.1", GATTS, "AddService", "saa{sv}a{sv}", "180d", 1, 3, "uuid", "s",
                    "2a37", "flags", "u", 0x0a, key, type, value, 0);
}

START_TEST(a_characteristic_has_the_keys_that_there_are)
{
    ck_answer(add_with("max_len", "q", 512), "reply");
    ck_assert_uint_eq(rig.host.gatt.characteristic.max_len, 512);
    ck_assert(!rig.host.gatt.characteristic.truncate);
    ck_answer(add_with("max_len", "q", 0), "reply");
    ck_assert_uint_eq(rig.host.gatt.characteristic.max_len, 0);
    ck_answer(add_with("max_len", "q", 513), INVALID);
    ck_answer(add_with("max_len", "u", 20), INVALID);
    ck_answer(add_with("wait", "b", 1), INVALID);
    ck_answer(add_with("maxlen", "q", 1), INVALID);
    ck_answer(add_with("append", "b", 1), "reply");
    ck_assert(rig.host.gatt.characteristic.append);
    ck_answer(add_with("authorize_writes", "b", 1), "reply");
    ck_assert(rig.host.gatt.characteristic.authorize_writes);
    ck_assert(!rig.host.gatt.characteristic.authorize_reads);
    unsigned call = rig_call(&rig, ":1.1", GATTS, "AddService", "saa{sv}a{sv}", "180d", 1, 1,
                             "uuid", "s", "2a37", 0);
    ck_answer(call, INVALID);
    ck_assert_ptr_nonnull(strstr(text_of(call), "flags"));
    call = rig_call(&rig, ":1.1", GATTS, "AddService", "saa{sv}a{sv}", "180d", 1, 1, "flags", "u",
                    2, 0);
    ck_answer(call, INVALID);
    ck_assert_ptr_nonnull(strstr(text_of(call), "uuid"));
}
END_TEST

START_TEST(a_value_fits_its_own_max_len)
{
    unsigned call =
        rig_call(&rig, ":1.1", GATTS, "AddService", "saa{sv}a{sv}", "180d", 1, 4, "uuid", "s",
                 "2a37", "flags", "u", 2, "value", "ay", 3, 1, 2, 3, "max_len", "q", 2, 0);
    ck_answer(call, INVALID);
    call = rig_call(&rig, ":1.1", GATTS, "AddService", "saa{sv}a{sv}", "180d", 1, 4, "uuid", "s",
                    "2a37", "flags", "u", 2, "max_len", "q", 3, "value", "ay", 3, 1, 2, 3, 0);
    ck_answer(call, "reply");
    ck_assert_uint_eq(rig.host.gatt.characteristic.len, 3);
}
END_TEST

START_TEST(descriptors_are_dictionaries_too)
{
    unsigned call = rig_call(&rig, ":1.1", GATTS, "AddService", "saa{sv}a{sv}", "180d", 1, 3,
                             "uuid", "s", "2a37", "flags", "u", 0x12, "descriptors", "aa{sv}", 2, 3,
                             "uuid", "s", "2901", "flags", "u", 2, "value", "ay", 2, 'h', 'r', 2,
                             "uuid", "s", "2904", "flags", "u", 2, 0);
    ck_answer(call, "reply");
    ck_assert_uint_eq(rig.host.gatt.characteristic.n_descriptors, 2);
    ck_assert_ptr_nonnull(bus_gatts_find(rig.a, 20));
    ck_assert_ptr_eq(bus_gatts_find(rig.a, 21)->of, bus_gatts_find(rig.a, 18));
    call = rig_call(&rig, ":1.1", GATTS, "AddService", "saa{sv}a{sv}", "180d", 1, 3, "uuid", "s",
                    "2a37", "flags", "u", 0x12, "descriptors", "aa{sv}", 1, 3, "uuid", "s", "2901",
                    "flags", "u", 2, "append", "b", 1, 0);
    ck_answer(call, INVALID);
    ck_assert_ptr_nonnull(strstr(text_of(call), "append"));
}
END_TEST

START_TEST(attach_gives_the_defaults)
{
    unsigned call = rig_call(&rig, ":1.1", "org.bled.Adapter1", "Attach", "a{sv}", 2,
                             "authorize_reads", "b", 1, "read_events", "b", 1);
    ck_answer(call, "reply");
    ck_answer(register_two(":1.1"), "reply");
    const struct bl_gatts_characteristic *c = &rig.host.gatt.characteristic;
    ck_assert(c->authorize_reads && c->read_events && !c->authorize_writes);
    ck_assert_uint_eq(c->max_len, 20);
    ck_assert(c->truncate);
    call = rig_call(&rig, ":1.1", GATTS, "RegisterServices", "a(sa(sua(su)))a{sv}", 1, "180d", 1,
                    "2a37", 2, 0, 2, "authorize_reads", "b", 0, "authorize_writes", "b", 1);
    ck_answer(call, "reply");
    ck_assert(!c->authorize_reads && c->read_events && c->authorize_writes);
    ck_answer(add_with("read_events", "b", 0), "reply");
    ck_assert(c->authorize_reads && !c->read_events && !c->authorize_writes);
    add_service(":1.2");
    ck_assert(!c->authorize_reads && !c->read_events && !c->authorize_writes);
}
END_TEST

START_TEST(a_place_that_is_taken_says_whose_it_is)
{
    attach(":1.1");
    uint16_t value = add_service(":1.1");
    rig.host.gatt.refuse_add = rig.host.gatt.adds + 1;
    rig.host.gatt.refusal = -EEXIST;
    unsigned call = rig_call(&rig, ":1.2", GATTS, "AddService", "saa{sv}a{sv}", "180d", 0, 1,
                             "handle", "q", value);
    ck_answer(call, "org.bled.Error.Busy");
    ck_assert_ptr_nonnull(strstr(text_of(call), ":1.1"));
    rig.host.gatt.refuse_add = rig.host.gatt.adds + 1;
    call =
        rig_call(&rig, ":1.2", GATTS, "AddService", "saa{sv}a{sv}", "180d", 0, 1, "handle", "q", 3);
    ck_answer(call, "org.bled.Error.Busy");
    ck_assert_ptr_nonnull(strstr(text_of(call), "bled's own"));
    call =
        rig_call(&rig, ":1.2", GATTS, "AddService", "saa{sv}a{sv}", "180d", 0, 1, "handle", "q", 0);
    ck_answer(call, INVALID);
    rig.host.gatt.refuse_add = rig.host.gatt.adds + 1;
    rig.host.gatt.refusal = -ENOENT;
    call = rig_call(&rig, ":1.2", GATTS, "AddService", "saa{sv}a{sv}", "180d", 0, 1, "includes",
                    "aq", 1, 0x1234);
    ck_answer(call, "org.bled.Error.NotFound");
    ck_assert_ptr_nonnull(strstr(text_of(call), "0x1234"));
}
END_TEST

START_TEST(a_service_grows_at_its_end)
{
    uint16_t value = add_service(":1.1"), service = (uint16_t)(value - 2);
    unsigned call = rig_call(&rig, ":1.2", GATTS, "AddCharacteristic", "qa{sv}", service, 2, "uuid",
                             "s", "2a38", "flags", "u", 2);
    ck_answer(call, "reply");
    struct bus_attr *t = bus_gatts_next_characteristic(rig.a, value);
    ck_assert_ptr_nonnull(t);
    ck_assert_uint_eq(t->handle, value + 3); /* behind the CCCD and the declaration */
    ck_assert_uint_eq(gatts_of(rig.a)->n_handles, 6);
    call = rig_call(&rig, ":1.2", GATTS, "AddCharacteristic", "qa{sv}", value, 2, "uuid", "s",
                    "2a38", "flags", "u", 2);
    ck_answer(call, "org.bled.Error.NotFound");
    rig.host.gatt.result = -ENOSPC;
    call = rig_call(&rig, ":1.2", GATTS, "AddCharacteristic", "qa{sv}", service, 2, "uuid", "s",
                    "2a38", "flags", "u", 2);
    ck_answer(call, "org.bled.Error.NoResources");
    ck_assert_uint_eq(gatts_of(rig.a)->n_handles, 6);
    call = rig_call(&rig, ":1.3", GATTS, "RemoveService", "q", service);
    ck_answer(call, "reply");
    ck_assert_uint_eq(gatts_of(rig.a)->n_handles, 0);
    ck_assert_ptr_null(bus_gatts_next_characteristic(rig.a, 0));
    call = rig_call(&rig, ":1.3", GATTS, "RemoveService", "q", service);
    ck_answer(call, "org.bled.Error.NotFound");
}
END_TEST

START_TEST(another_attached_clients_service_is_denied)
{
    attach(":1.1");
    uint16_t value = add_service(":1.1"), service = (uint16_t)(value - 2);
    const char *denied = SD_BUS_ERROR_ACCESS_DENIED;
    connected(1);
    for (int i = 0; i < 2; i++) {
        const char *who = i ? ":1.2" : ":1.3";
        if (i)
            attach(who);
        ck_answer(rig_call(&rig, who, GATTS, "RemoveService", "q", service), denied);
        ck_answer(rig_call(&rig, who, GATTS, "AddCharacteristic", "qa{sv}", service, 2, "uuid", "s",
                           "2a38", "flags", "u", 2),
                  denied);
        ck_answer(rig_call(&rig, who, GATTS, "Read", "q", value), denied);
        ck_answer(rig_call(&rig, who, GATTS, "Write", "qayb", value, 1, 1, 0), denied);
        ck_answer(rig_call(&rig, who, GATTS, "SetBuffer", "qub", value, 1, 0), denied);
        ck_answer(rig_call(&rig, who, GATTS, "Notify", "qqa{sv}", 1, value, 0), denied);
        ck_answer(rig_call(&rig, who, GATTS, "Indicate", "qqa{sv}", 1, value, 0), denied);
        ck_answer(rig_call(&rig, who, GATTS, "SetAuthorization", "qbbq", value, 1, 1, 8), denied);
    }
    uint16_t open = add_service(":1.3"); /* the daemon's: anybody may */
    ck_answer(rig_call(&rig, ":1.1", GATTS, "Read", "q", open), "reply");
    ck_answer(rig_call(&rig, ":1.1", GATTS, "RemoveService", "q", open - 2), "reply");
}
END_TEST

START_TEST(services_go_with_their_owner)
{
    attach(":1.1");
    uint16_t mine = add_service(":1.1"), daemons = add_service(":1.2");
    ck_answer(register_two(":1.1"), "reply");
    rig_vanish(&rig, ":1.1");
    ck_assert_uint_eq(services(), 1);
    ck_assert_ptr_null(bus_gatts_find(rig.a, mine));
    ck_assert_ptr_nonnull(bus_gatts_find(rig.a, daemons));
    ck_assert_uint_eq(rig.a->attached, 0);
}
END_TEST

START_TEST(a_lost_controller_keeps_what_the_daemon_made)
{
    attach(":1.1");
    uint16_t mine = add_service(":1.1"), daemons = add_service(":1.2");
    size_t before = rig.host.gatt.n_log;
    event(&(struct bl_event){.kind = BL_EV_FAILED, .failed = {"it is gone"}});
    ck_assert_uint_eq(services(), 1);
    ck_assert_uint_eq(rig.host.gatt.n_log, before + 1);
    ck_log(before, "remove", 0, (uint16_t)(mine - 2));
    /* No object stands for it meanwhile, and no method reaches it. */
    ck_assert_ptr_null(bus_gatts_find(rig.a, daemons));
    ck_assert_ptr_null(bus_gatts_next_characteristic(rig.a, 0));
    ck_answer(rig_call(&rig, ":1.2", GATTS, "Read", "q", daemons), "org.bled.Error.NotActive");
    event(&(struct bl_event){.kind = BL_EV_READY});
    ck_assert_ptr_nonnull(bus_gatts_find(rig.a, daemons));
    ck_assert_ptr_null(bus_gatts_find(rig.a, mine));
    ck_assert_uint_eq(rig.host.gatt.n_log, before + 1); /* the stack had it all the time */
    ck_answer(rig_call(&rig, ":1.2", GATTS, "Read", "q", daemons), "reply");
}
END_TEST

START_TEST(a_controller_that_nobody_wants_back_keeps_nothing)
{
    add_service(":1.2");
    event(&(struct bl_event){.kind = BL_EV_FAILED, .failed = {"it is gone"}});
    ck_assert_uint_eq(services(), 1);
    unsigned off = rig_call(&rig, ":1.1", "org.bled.Adapter1", "SetActive", "ba{sv}", 0, 0);
    ck_answer(off, "reply");
    ck_assert_uint_eq(services(), 0);
}
END_TEST

START_TEST(services_end_with_the_adapters_activity)
{
    add_service(":1.2");
    ck_answer(register_two(":1.1"), "reply");
    unsigned off = rig_call(&rig, ":1.1", "org.bled.Adapter1", "SetActive", "ba{sv}", 0, 0);
    rig_done(&rig, rig.host.shutdown_op, BL_OK);
    ck_answer(off, "reply");
    ck_assert_uint_eq(services(), 0);
    ck_answer(register_two(":1.1"), "org.bled.Error.NotActive");
}
END_TEST

START_TEST(what_is_not_a_clients_is_not_found)
{
    uint16_t value = add_service(":1.1");
    unsigned call = rig_call(&rig, ":1.1", GATTS, "Read", "q", value + 1); /* its CCCD */
    ck_answer(call, "org.bled.Error.NotFound");
    ck_assert_ptr_nonnull(strstr(text_of(call), "0x0013"));
    ck_answer(rig_call(&rig, ":1.1", GATTS, "Read", "q", 3), "org.bled.Error.NotFound");
    ck_answer(rig_call(&rig, ":1.1", GATTS, "Read", "q", 0), "org.bled.Error.NotFound");
    ck_answer(rig_call(&rig, ":1.1", GATTS, "Read", "q", 0xffff), "org.bled.Error.NotFound");
}
END_TEST

static void add(TCase *t)
{
    tcase_add_test(t, handles_are_those_of_values_and_descriptors);
    tcase_add_test(t, registering_again_replaces_and_gives_the_same_handles);
    tcase_add_test(t, owners_register_beside_each_other);
    tcase_add_test(t, registering_while_advertising_is_busy);
    tcase_add_loop_test(t, a_bad_definition_changes_nothing_and_is_named, 0, ARRAY_LEN(BAD));
    tcase_add_test(t, a_refusal_of_the_stack_leaves_nothing_half_made);
    tcase_add_test(t, an_owner_has_so_many_handles_and_services);
    tcase_add_test(t, a_characteristic_has_the_keys_that_there_are);
    tcase_add_test(t, a_value_fits_its_own_max_len);
    tcase_add_test(t, descriptors_are_dictionaries_too);
    tcase_add_test(t, attach_gives_the_defaults);
    tcase_add_test(t, a_place_that_is_taken_says_whose_it_is);
    tcase_add_test(t, a_service_grows_at_its_end);
    tcase_add_test(t, another_attached_clients_service_is_denied);
    tcase_add_test(t, services_go_with_their_owner);
    tcase_add_test(t, a_lost_controller_keeps_what_the_daemon_made);
    tcase_add_test(t, a_controller_that_nobody_wants_back_keeps_nothing);
    tcase_add_test(t, services_end_with_the_adapters_activity);
    tcase_add_test(t, what_is_not_a_clients_is_not_found);
}

int main(void)
{
    return gatts_main("gatt_server", add);
}
