/* SPDX-License-Identifier: MIT */

/* The sockets of the two GATT interfaces, called over D-Bus, with the fake host behind them. */

#include "socket.h"

#include "gattc.h"
#include "gatts.h"
#include "watches.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define A     "org.bled.Adapter1"
#define NONE  "a{sv}", 0
#define CONN  1
#define FLAGS (BL_GATT_WRITE | BL_GATT_NOTIFY)

static struct rig rig;
static uint16_t handle;

static void connect_peer(uint16_t conn)
{
    bus_adapter_event(rig.a,
                      &(struct bl_event){.kind = BL_EV_CONNECTED,
                                         .connected = {.conn = conn, .role = BL_ROLE_PERIPHERAL}});
}

static void disconnect_peer(uint16_t conn)
{
    bus_adapter_event(
        rig.a, &(struct bl_event){
                   .kind = BL_EV_DISCONNECTED,
                   .disconnected = {.conn = conn, .role = BL_ROLE_PERIPHERAL, .reason = 0x13}});
    rig_run(&rig);
}

/* A service with one characteristic; its value handle. */
static uint16_t add(const char *sender, uint32_t flags)
{
    struct bus_attr *t = NULL, *last = NULL;
    unsigned call = rig_call(&rig, sender, GATTS_INTERFACE, "AddService", "saa{sv}a{sv}", "180d", 1,
                             2, "uuid", "s", "2a37", "flags", "u", flags, 0);

    ck_assert_str_eq(rig_answer(&rig, call), "reply");
    while ((t = bus_gatts_next_characteristic(rig.a, t ? t->handle : 0)))
        last = t;
    ck_assert_ptr_nonnull(last);
    return last->handle;
}

static void setup(void)
{
    rig_start(&rig, false);
    watches_start(&rig);
    rig_ready(&rig);
    connect_peer(CONN);
    handle = add(":1.1", FLAGS);
    rig_forget(&rig);
    rig.host.gatt.commands = 0;
}

static void teardown(void)
{
    rig_stop(&rig);
    ck_assert(watches_none());
}

static unsigned acquire(const char *sender, const char *interface, const char *member)
{
    return rig_call(&rig, sender, interface, member, "qqa{sv}", CONN, handle, 0);
}

static int take_fd(void)
{
    int fd = rig.fd;

    ck_assert_int_ge(fd, 0);
    rig.fd = -1;
    return fd;
}

static int acquired(const char *sender, const char *interface, const char *member)
{
    ck_assert_str_eq(rig_answer(&rig, acquire(sender, interface, member)), "reply");
    return take_fd();
}

static void put(int fd, uint8_t octet)
{
    ck_assert_int_eq(send(fd, &octet, 1, MSG_NOSIGNAL), 1);
}

/* Writes something and turns the loop; nothing may come of it. */
static bool hung_up(int fd)
{
    struct pollfd p = {.fd = fd};

    watches_run();
    return poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

static size_t open_sockets(void)
{
    size_t n = 0;
    const struct list *all = rig.a->module[BUS_MODULE_socket];

    list_each(l, next, all) n++;
    return n;
}

/* ---- from the client to the peer ---- */

static const struct {
    const char *interface, *member, *command;
    uint32_t flags;
} WAYS[] = {
    {GATTC_INTERFACE, "AcquireWrite", "write", FLAGS},
    {GATTS_INTERFACE, "AcquireNotify", "notify", FLAGS},
    {GATTS_INTERFACE, "AcquireNotify", "indicate", BL_GATT_INDICATE},
};

static int way(int i)
{
    if (WAYS[i].flags != FLAGS)
        handle = add(":1.1", WAYS[i].flags);
    int fd = acquired(":1.1", WAYS[i].interface, WAYS[i].member);
    rig.host.gatt.commands = 0;
    return fd;
}

START_TEST(packets_become_commands_while_there_is_room)
{
    int fd = way(_i);

    rig.host.gatt.result = 1;
    for (uint8_t i = 0; i < 50; i++)
        put(fd, i);
    watches_run();
    ck_assert_uint_eq(rig.host.gatt.commands, 50);
    ck_assert_str_eq(rig.host.gatt.last, WAYS[_i].command);
    ck_assert_uint_eq(rig.host.gatt.conn, CONN);
    ck_assert_uint_eq(rig.host.gatt.handle, handle);
    ck_assert_uint_eq(rig.host.gatt.n, 1);
    ck_assert_uint_eq(rig.host.gatt.value[0], 49);
    close(fd);
    watches_run();
    ck_assert_uint_eq(open_sockets(), 0);
}
END_TEST

START_TEST(packets_wait_for_the_end_of_an_operation)
{
    int fd = way(_i);

    rig.host.gatt.result = 0;
    for (uint8_t i = 0; i < 20; i++)
        put(fd, i);
    for (uint8_t i = 0; i < 20; i++) {
        watches_run();
        ck_assert_uint_eq(rig.host.gatt.commands, (unsigned)i + 1);
        ck_assert_uint_eq(rig.host.gatt.value[0], i);
        rig_done(&rig, rig.host.last_op, BL_OK);
    }
    watches_run();
    ck_assert_uint_eq(rig.host.gatt.commands, 20);
    ck_assert(list_empty(&rig.a->calls));
    close(fd);
}
END_TEST

START_TEST(packet_without_room_is_tried_again)
{
    int fd = way(_i);

    rig.host.gatt.result = -EAGAIN;
    put(fd, 7);
    put(fd, 8);
    watches_run();
    for (int i = 0; i < 3; i++) {
        rig.now += 5000;
        bus_tick(rig.bus, rig.now);
        watches_run();
        ck_assert_uint_eq(rig.host.gatt.commands, 0);
    }
    rig.host.gatt.result = 1;
    watches_run();
    ck_assert_uint_eq(rig.host.gatt.commands, 0); /* in its own time, and in order */
    rig.now += 5000;
    bus_tick(rig.bus, rig.now);
    watches_run();
    ck_assert_uint_eq(rig.host.gatt.commands, 2);
    ck_assert_uint_eq(rig.host.gatt.value[0], 8);
    close(fd);
}
END_TEST

START_TEST(empty_packet_without_room_is_kept_too)
{
    int fd = way(0);

    rig.host.gatt.result = -EAGAIN;
    ck_assert_int_eq(send(fd, "", 0, 0), 0);
    watches_run();
    rig.host.gatt.result = 0;
    rig.now += 5000;
    bus_tick(rig.bus, rig.now);
    ck_assert_uint_eq(rig.host.gatt.commands, 1);
    ck_assert_uint_eq(rig.host.gatt.n, 0);
    close(fd);
}
END_TEST

START_TEST(what_the_stack_refuses_ends_the_socket)
{
    int fd = way(_i);

    rig.host.gatt.result = -ENOTCONN;
    put(fd, 1);
    ck_assert(hung_up(fd));
    ck_assert_uint_eq(open_sockets(), 0);
    close(fd);
}
END_TEST

/* The end of its operation comes after the socket's own. */
START_TEST(operation_outlives_its_socket)
{
    int fd = way(_i);

    rig.host.gatt.result = 0;
    put(fd, 1);
    watches_run();
    bl_op op = rig.host.last_op;
    disconnect_peer(CONN);
    ck_assert(hung_up(fd));
    ck_assert_uint_eq(open_sockets(), 0);
    ck_assert(list_empty(&rig.a->calls));
    rig_done(&rig, op, BL_DISCONNECTED);
    close(fd);
}
END_TEST

START_TEST(connection_ends_while_a_packet_is_held)
{
    int fd = way(_i);

    rig.host.gatt.result = -EAGAIN;
    put(fd, 1);
    watches_run();
    disconnect_peer(CONN);
    ck_assert(hung_up(fd));
    rig.now += 5000;
    bus_tick(rig.bus, rig.now);
    ck_assert_uint_eq(rig.host.gatt.commands, 0);
    close(fd);
}
END_TEST

START_TEST(what_was_written_before_closing_is_sent)
{
    int fd = way(_i);

    rig.host.gatt.result = 0;
    for (uint8_t i = 0; i < 12; i++)
        put(fd, i);
    close(fd);
    for (unsigned i = 1; i <= 12; i++) {
        watches_run();
        ck_assert_uint_eq(rig.host.gatt.commands, i);
        ck_assert_uint_eq(open_sockets(), 1);
        rig_done(&rig, rig.host.last_op, BL_OK);
    }
    watches_run();
    ck_assert_uint_eq(open_sockets(), 0);
}
END_TEST

START_TEST(limit_follows_the_mtu)
{
    uint8_t data[100] = {0};
    int fd = way(_i);

    rig.host.gatt.result = 1;
    ck_assert_int_eq(send(fd, data, 20, 0), 20);
    watches_run();
    rig.host.gatt.mtu = 103;
    bus_adapter_event(rig.a, &(struct bl_event){.kind = BL_EV_MTU, .mtu = {CONN, 103}});
    rig.host.gatt.commands = 0;
    ck_assert_int_eq(send(fd, data, 100, 0), 100);
    watches_run();
    ck_assert_uint_eq(rig.host.gatt.commands, 1);
    ck_assert_uint_eq(rig.host.gatt.n, 100);
    rig.host.gatt.mtu = 23;
    bus_adapter_event(rig.a, &(struct bl_event){.kind = BL_EV_MTU, .mtu = {CONN, 23}});
    rig.host.gatt.commands = 0;
    ck_assert_int_eq(send(fd, data, 21, 0), 21);
    ck_assert(hung_up(fd));
    ck_assert_uint_eq(rig.host.gatt.commands, 0);
    close(fd);
}
END_TEST

/* ---- whose they are ---- */

START_TEST(the_second_is_busy_and_names_the_first)
{
    int fd = way(_i);
    unsigned second = acquire(":1.2", WAYS[_i].interface, WAYS[_i].member);

    ck_assert_str_eq(rig_answer(&rig, second), BUS_BUSY);
    close(fd);
    watches_run();
    fd = acquired(":1.2", WAYS[_i].interface, WAYS[_i].member);
    close(fd);
}
END_TEST

/* Nothing has turned the loop between the end of the one and the call for the next. */
START_TEST(a_closed_one_is_not_in_the_way_of_the_next)
{
    int fd = way(_i);

    rig.host.gatt.result = 1;
    for (uint8_t i = 0; i < 100; i++)
        put(fd, i);
    close(fd);
    fd = acquired(":1.2", WAYS[_i].interface, WAYS[_i].member);
    ck_assert_uint_eq(rig.host.gatt.commands, 100);
    ck_assert_uint_eq(rig.host.gatt.value[0], 99);
    ck_assert_uint_eq(open_sockets(), 1);
    put(fd, 100);
    watches_run();
    ck_assert_uint_eq(rig.host.gatt.commands, 101);
    close(fd);
}
END_TEST

static const struct {
    const char *interface, *member;
} READ_WAYS[] = {{GATTS_INTERFACE, "AcquireWrites"}, {GATTC_INTERFACE, "AcquireNotify"}};

START_TEST(a_closed_one_that_only_reads_is_not_in_the_way_either)
{
    const char *interface = READ_WAYS[_i].interface, *member = READ_WAYS[_i].member;

    for (int i = 0; i < 5; i++) {
        unsigned call = acquire(":1.2", interface, member);
        for (int k = 0; k < 2 && _i == 1; k++) /* the CCCD is cleared and set again */
            rig_done(&rig, rig.host.last_op, BL_OK);
        ck_assert_str_eq(rig_answer(&rig, call), "reply");
        ck_assert_uint_eq(open_sockets(), 1);
        close(take_fd());
    }
    watches_run();
    ck_assert_uint_eq(open_sockets(), 0);
}
END_TEST

/* What comes out with each end of an operation. */
START_TEST(what_a_closed_one_still_has_goes_before_the_next_ones)
{
    static const uint8_t order[] = {0, 1, 2, 10, 11, 20, 21};
    int fd = way(_i);

    rig.host.gatt.result = 0;
    for (uint8_t i = 0; i < 3; i++)
        put(fd, i);
    close(fd);
    fd = acquired(":1.2", WAYS[_i].interface, WAYS[_i].member);
    put(fd, 10);
    watches_run();
    put(fd, 11);
    close(fd);
    close(acquired(":1.3", WAYS[_i].interface, WAYS[_i].member));
    fd = acquired(":1.1", WAYS[_i].interface, WAYS[_i].member);
    put(fd, 20);
    put(fd, 21);
    unsigned late = acquire(":1.2", WAYS[_i].interface, WAYS[_i].member);
    ck_assert_str_eq(rig_answer(&rig, late), BUS_BUSY);
    ck_assert_uint_eq(open_sockets(), 4);
    for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
        for (int k = 0; k < 4; k++) {
            watches_run();
            bus_tick(rig.bus, rig.now);
        }
        ck_assert_uint_eq(rig.host.gatt.commands, i + 1);
        ck_assert_uint_eq(rig.host.gatt.value[0], order[i]);
        rig_done(&rig, rig.host.last_op, BL_OK);
    }
    ck_assert_uint_eq(open_sockets(), 1);
    ck_assert(!hung_up(fd));
    ck_assert_uint_eq(bus_deadline(rig.bus), TIMERQ_NEVER);
    close(fd);
    watches_run();
    ck_assert_uint_eq(open_sockets(), 0);
}
END_TEST

/* The one in the middle goes, then the connection. */
START_TEST(those_that_wait_go_with_their_owner_and_their_connection)
{
    int fd = way(0);

    rig.host.gatt.result = 0;
    put(fd, 0);
    put(fd, 1);
    watches_run();
    close(fd);
    rig_call(&rig, ":1.5", A, "Attach", NONE);
    int middle = acquired(":1.5", GATTC_INTERFACE, "AcquireWrite");
    put(middle, 10);
    unsigned detach = rig_call(&rig, ":1.5", A, "Detach", "");
    int last = acquired(":1.2", GATTC_INTERFACE, "AcquireWrite");
    put(last, 20);
    rig.now += 5000000;
    rig_run(&rig);
    watches_run();
    ck_assert_str_eq(rig_answer(&rig, detach), "reply");
    ck_assert(hung_up(middle));
    ck_assert_uint_eq(rig.host.gatt.commands, 1); /* the first still waits for its operation */
    ck_assert_uint_eq(open_sockets(), 2);
    disconnect_peer(CONN);
    ck_assert(hung_up(last));
    ck_assert_uint_eq(open_sockets(), 0);
    ck_assert_uint_eq(rig.host.gatt.commands, 1);
    ck_assert_uint_eq(bus_deadline(rig.bus), TIMERQ_NEVER);
    close(middle);
    close(last);
}
END_TEST

/* By an exit (0) or by Detach (1). */
START_TEST(what_a_leaving_owner_has_written_is_sent)
{
    unsigned detach = 0;

    rig_call(&rig, ":1.5", A, "Attach", NONE);
    int fd = acquired(":1.5", GATTC_INTERFACE, "AcquireWrite");
    rig.host.gatt.commands = 0;
    for (uint8_t i = 0; i < 20; i++)
        put(fd, i);
    if (_i == 0) {
        close(fd);
        rig_vanish(&rig, ":1.5");
    } else {
        detach = rig_call(&rig, ":1.5", A, "Detach", "");
        ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), -1);
        ck_assert_int_eq(errno, EPIPE);
    }
    for (uint8_t i = 0; i < 20; i++) {
        watches_run();
        ck_assert_uint_eq(rig.host.gatt.commands, (unsigned)i + 1);
        ck_assert_uint_eq(rig.host.gatt.value[0], i);
        ck_assert_uint_eq(rig.a->attached, 1);
        rig_done(&rig, rig.host.last_op, BL_OK);
    }
    watches_run();
    rig_run(&rig);
    ck_assert_uint_eq(open_sockets(), 0);
    ck_assert_uint_eq(rig.a->attached, 0);
    ck_assert_uint_eq(bus_deadline(rig.bus), TIMERQ_NEVER); /* nothing fires into what is gone */
    if (_i == 1) {
        ck_assert_str_eq(rig_answer(&rig, detach), "reply");
        ck_assert(hung_up(fd));
        close(fd);
    }
}
END_TEST

START_TEST(a_leaving_owner_does_not_wait_for_ever)
{
    rig_call(&rig, ":1.5", A, "Attach", NONE);
    int fd = acquired(":1.5", GATTC_INTERFACE, "AcquireWrite");
    put(fd, 1);
    watches_run();
    unsigned call = rig_call(&rig, ":1.5", A, "Detach", "");
    rig.now += 4999999;
    rig_run(&rig);
    ck_assert_str_eq(rig_answer(&rig, call), "");
    rig.now += 1;
    rig_run(&rig);
    ck_assert_str_eq(rig_answer(&rig, call), "reply");
    ck_assert(hung_up(fd));
    close(fd);
}
END_TEST

START_TEST(detach_ends_sockets_and_then_replies)
{
    unsigned call = rig_call(&rig, ":1.5", A, "Attach", NONE);
    ck_assert_str_eq(rig_answer(&rig, call), "reply");
    int fds[2] = {acquired(":1.5", GATTC_INTERFACE, "AcquireWrite"),
                  acquired(":1.5", GATTS_INTERFACE, "AcquireWrites")};
    call = rig_call(&rig, ":1.5", A, "Detach", "");
    watches_run();
    rig_run(&rig);
    ck_assert_str_eq(rig_answer(&rig, call), "reply");
    ck_assert_uint_eq(open_sockets(), 0);
    for (size_t i = 0; i < 2; i++) {
        ck_assert(hung_up(fds[i]));
        close(fds[i]);
    }
}
END_TEST

START_TEST(acquiring_makes_a_user_of_the_connection)
{
    unsigned call = rig_call(&rig, ":1.5", A, "Attach", NONE);
    ck_assert_str_eq(rig_answer(&rig, call), "reply");
    int fd = acquired(":1.5", GATTC_INTERFACE, "AcquireWrite");
    struct bus_socket *s = list_entry(((struct list *)rig.a->module[BUS_MODULE_socket])->next,
                                      struct bus_socket, link);
    ck_assert_ptr_nonnull(bus_conn_use_of(bus_conn_find(rig.a, CONN, NULL), s->thing.owner));
    close(fd);
}
END_TEST

START_TEST(adapter_goes_with_sockets_open)
{
    int fds[3] = {acquired(":1.1", GATTC_INTERFACE, "AcquireWrite"),
                  acquired(":1.1", GATTS_INTERFACE, "AcquireNotify"),
                  acquired(":1.1", GATTS_INTERFACE, "AcquireWrites")};

    put(fds[0], 1);
    put(fds[1], 1);
    watches_run();
    teardown();
    for (size_t i = 0; i < 3; i++) {
        struct pollfd p = {.fd = fds[i]};
        ck_assert_int_eq(poll(&p, 1, 0), 1);
        ck_assert(p.revents & POLLHUP);
        close(fds[i]);
    }
    setup(); /* for teardown() */
}
END_TEST

/* ---- AcquireWrites ---- */

static void peer_writes(uint16_t conn, const void *value, size_t n)
{
    bus_adapter_event(
        rig.a, &(struct bl_event){.kind = BL_EV_GATTS_WRITTEN,
                                  .gatt = {.conn = conn, .handle = handle, .value = {value, n}}});
    rig_run(&rig);
}

START_TEST(writes_of_this_connection_go_to_the_socket_in_place_of_written)
{
    uint8_t got[32];
    int fd = acquired(":1.1", GATTS_INTERFACE, "AcquireWrites");

    connect_peer(2);
    peer_writes(CONN, "abc", 3);
    peer_writes(CONN, "", 0);
    ck_assert_uint_eq(rig_count(&rig, "signal Written"), 0);
    peer_writes(2, "other", 5);
    ck_assert_uint_eq(rig_count(&rig, "signal Written"), 1);
    ck_assert_int_eq(recv(fd, got, sizeof(got), 0), 3);
    ck_assert_int_eq(recv(fd, got, sizeof(got), 0), 0);
    ck_assert_int_eq(recv(fd, got, sizeof(got), MSG_DONTWAIT), -1);
    close(fd);
    watches_run();
    peer_writes(CONN, "abc", 3);
    ck_assert_uint_eq(rig_count(&rig, "signal Written"), 2);
}
END_TEST

START_TEST(what_a_slow_reader_cannot_have_is_written_again)
{
    uint8_t data[100] = {0};
    unsigned n = 0;

    rig.a->config.rx_buf = 1000;
    int fd = acquired(":1.1", GATTS_INTERFACE, "AcquireWrites");
    while (rig_count(&rig, "signal Written") == 0) {
        peer_writes(CONN, data, sizeof(data));
        ck_assert_uint_lt(n++, 100000);
    }
    ck_assert_uint_eq(open_sockets(), 0);
    for (unsigned i = 0; i < n - 1; i++) { /* all but the one that was Written */
        watches_run();
        ck_assert_int_eq(recv(fd, data, sizeof(data), MSG_DONTWAIT), 100);
    }
    ck_assert_int_eq(recv(fd, data, sizeof(data), MSG_DONTWAIT), 0);
    close(fd);
    watches_run();
}
END_TEST

START_TEST(removed_service_hangs_up)
{
    int writes = acquired(":1.1", GATTS_INTERFACE, "AcquireWrites");
    int notify = acquired(":1.1", GATTS_INTERFACE, "AcquireNotify");
    struct bus_attr *t = bus_gatts_find(rig.a, handle);

    ck_assert_ptr_nonnull(t);
    unsigned call =
        rig_call(&rig, ":1.1", GATTS_INTERFACE, "RemoveService", "q", t->service->handle);
    ck_assert_str_eq(rig_answer(&rig, call), "reply");
    ck_assert(hung_up(writes));
    ck_assert(hung_up(notify));
    close(writes);
    close(notify);
}
END_TEST

/* ---- AcquireNotify of the client ---- */

static void peer_notifies(const void *value, size_t n)
{
    bus_adapter_event(
        rig.a, &(struct bl_event){.kind = BL_EV_GATTC_NOTIFIED,
                                  .gatt = {.conn = CONN, .handle = handle, .value = {value, n}}});
    rig_run(&rig);
}

START_TEST(values_before_the_response_are_in_the_socket)
{
    uint8_t got[32];
    unsigned call = acquire(":1.1", GATTC_INTERFACE, "AcquireNotify");

    ck_assert_str_eq(rig.host.gatt.last, "subscribe");
    ck_assert_uint_eq(rig.host.gatt.bits, 1);
    ck_assert_str_eq(rig_answer(&rig, call), "");
    peer_notifies("early", 5);
    rig_done(&rig, rig.host.last_op, BL_OK);
    ck_assert_str_eq(rig_answer(&rig, call), "reply");
    int fd = take_fd();
    peer_notifies("later", 5);
    ck_assert_int_eq(recv(fd, got, sizeof(got), 0), 5);
    ck_assert_mem_eq(got, "early", 5);
    ck_assert_int_eq(recv(fd, got, sizeof(got), 0), 5);
    ck_assert_mem_eq(got, "later", 5);
    ck_assert_uint_eq(rig_count(&rig, "signal Notified"), 0);
    close(fd);
    watches_run();
    ck_assert_uint_eq(open_sockets(), 0);
    ck_assert_uint_eq(rig.host.gatt.bits, 0); /* unsubscribed */
    rig_done(&rig, rig.host.last_op, BL_OK);
    ck_assert(list_empty(&rig.a->calls));
}
END_TEST

START_TEST(refused_subscription_leaves_nothing)
{
    unsigned call = acquire(":1.1", GATTC_INTERFACE, "AcquireNotify");

    rig_done(&rig, rig.host.last_op, 0x0a);
    ck_assert_str_eq(rig_answer(&rig, call), "org.bled.Error.Att.AttributeNotFound");
    ck_assert_uint_eq(open_sockets(), 0);
    ck_assert(list_empty(&rig.a->calls));
    ck_assert(watches_none());
    rig.host.gatt.result = -EBUSY;
    call = acquire(":1.1", GATTC_INTERFACE, "AcquireNotify");
    ck_assert_str_eq(rig_answer(&rig, call), BUS_BUSY);
    ck_assert_uint_eq(open_sockets(), 0);
    ck_assert(list_empty(&rig.a->calls));
}
END_TEST

START_TEST(refused_subscription_makes_no_user)
{
    struct bus_owner *owner = NULL;

    rig_call(&rig, ":1.5", A, "Attach", NONE);
    for (unsigned i = 1; i < BUS_MAX_OWNERS && !owner; i++)
        owner = rig.a->owners[i];
    unsigned call = acquire(":1.5", GATTC_INTERFACE, "AcquireNotify");
    ck_assert_ptr_nonnull(bus_conn_use_of(bus_conn_find(rig.a, CONN, NULL), owner));
    rig_done(&rig, rig.host.last_op, 0x0a);
    ck_assert_str_eq(rig_answer(&rig, call), "org.bled.Error.Att.AttributeNotFound");
    ck_assert_ptr_null(bus_conn_use_of(bus_conn_find(rig.a, CONN, NULL), owner));
}
END_TEST

START_TEST(connection_ends_while_subscribing)
{
    unsigned call = acquire(":1.1", GATTC_INTERFACE, "AcquireNotify");
    bl_op op = rig.host.last_op;

    disconnect_peer(CONN);
    rig_done(&rig, op, bl_status_hci(0x13));
    ck_assert_str_eq(rig_answer(&rig, call), BUS_DISCONNECTED);
    ck_assert_uint_eq(open_sockets(), 0);
    ck_assert(list_empty(&rig.a->calls));
}
END_TEST

/* Attached or not. */
START_TEST(client_goes_while_subscribing)
{
    if (_i == 1)
        rig_call(&rig, ":1.5", A, "Attach", NONE);
    acquire(":1.5", GATTC_INTERFACE, "AcquireNotify");
    bl_op op = rig.host.last_op;
    rig_vanish(&rig, ":1.5");
    rig_done(&rig, op, BL_OK);
    for (int i = 0; i < 3; i++) /* and the unsubscription */
        rig_done(&rig, rig.host.last_op, BL_OK);
    watches_run();
    ck_assert_uint_eq(open_sockets(), 0);
    ck_assert(list_empty(&rig.a->calls));
    ck_assert_uint_eq(rig.a->attached, 0);
    ck_assert(watches_none());
}
END_TEST

START_TEST(detach_while_subscribing)
{
    rig_call(&rig, ":1.5", A, "Attach", NONE);
    unsigned call = acquire(":1.5", GATTC_INTERFACE, "AcquireNotify");
    bl_op op = rig.host.last_op;
    unsigned detach = rig_call(&rig, ":1.5", A, "Detach", "");
    rig_done(&rig, op, BL_OK);
    for (int i = 0; i < 3; i++)
        rig_done(&rig, rig.host.last_op, BL_OK);
    ck_assert_str_ne(rig_answer(&rig, call), "");
    ck_assert_str_ne(rig_answer(&rig, call), "reply");
    ck_assert_str_eq(rig_answer(&rig, detach), "reply");
    ck_assert_uint_eq(open_sockets(), 0);
    ck_assert(list_empty(&rig.a->calls));
}
END_TEST

START_TEST(without_waiting_the_socket_comes_first)
{
    unsigned call = rig_call(&rig, ":1.1", GATTC_INTERFACE, "AcquireNotify", "qqa{sv}", CONN,
                             handle, 2, "wait", "b", 0, "bits", "y", 2);
    ck_assert_str_eq(rig_answer(&rig, call), "reply");
    ck_assert_uint_eq(rig.host.gatt.bits, 2);
    int fd = take_fd();
    rig_done(&rig, rig.host.last_op, 0x03);
    ck_assert(hung_up(fd));
    ck_assert_uint_eq(open_sockets(), 0);
    ck_assert(list_empty(&rig.a->calls));
    close(fd);
}
END_TEST

START_TEST(slow_reader_is_unsubscribed)
{
    uint8_t data[100] = {0};
    unsigned n = 0;

    rig.a->config.rx_buf = 1000;
    unsigned call = acquire(":1.1", GATTC_INTERFACE, "AcquireNotify");
    rig_done(&rig, rig.host.last_op, BL_OK);
    ck_assert_str_eq(rig_answer(&rig, call), "reply");
    int fd = take_fd();
    while (open_sockets() > 0) {
        peer_notifies(data, sizeof(data));
        ck_assert_uint_lt(n++, 100000);
    }
    rig_run(&rig);
    ck_assert_uint_eq(rig.host.gatt.bits, 0);
    rig_done(&rig, rig.host.last_op, BL_OK);
    close(fd);
    watches_run();
    ck_assert(watches_none());
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("socket");
    TCase *t = tcase_create("socket");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, packets_become_commands_while_there_is_room, 0, 3);
    tcase_add_loop_test(t, packets_wait_for_the_end_of_an_operation, 0, 3);
    tcase_add_loop_test(t, packet_without_room_is_tried_again, 0, 3);
    tcase_add_test(t, empty_packet_without_room_is_kept_too);
    tcase_add_loop_test(t, what_the_stack_refuses_ends_the_socket, 0, 3);
    tcase_add_loop_test(t, operation_outlives_its_socket, 0, 3);
    tcase_add_loop_test(t, connection_ends_while_a_packet_is_held, 0, 3);
    tcase_add_loop_test(t, what_was_written_before_closing_is_sent, 0, 3);
    tcase_add_loop_test(t, limit_follows_the_mtu, 0, 3);
    tcase_add_loop_test(t, the_second_is_busy_and_names_the_first, 0, 3);
    tcase_add_loop_test(t, a_closed_one_is_not_in_the_way_of_the_next, 0, 3);
    tcase_add_loop_test(t, a_closed_one_that_only_reads_is_not_in_the_way_either, 0, 2);
    tcase_add_loop_test(t, what_a_closed_one_still_has_goes_before_the_next_ones, 0, 3);
    tcase_add_test(t, those_that_wait_go_with_their_owner_and_their_connection);
    tcase_add_loop_test(t, what_a_leaving_owner_has_written_is_sent, 0, 2);
    tcase_add_test(t, a_leaving_owner_does_not_wait_for_ever);
    tcase_add_test(t, detach_ends_sockets_and_then_replies);
    tcase_add_test(t, acquiring_makes_a_user_of_the_connection);
    tcase_add_test(t, adapter_goes_with_sockets_open);
    tcase_add_test(t, writes_of_this_connection_go_to_the_socket_in_place_of_written);
    tcase_add_test(t, what_a_slow_reader_cannot_have_is_written_again);
    tcase_add_test(t, removed_service_hangs_up);
    tcase_add_test(t, values_before_the_response_are_in_the_socket);
    tcase_add_test(t, refused_subscription_leaves_nothing);
    tcase_add_test(t, refused_subscription_makes_no_user);
    tcase_add_test(t, connection_ends_while_subscribing);
    tcase_add_loop_test(t, client_goes_while_subscribing, 0, 2);
    tcase_add_test(t, detach_while_subscribing);
    tcase_add_test(t, without_waiting_the_socket_comes_first);
    tcase_add_test(t, slow_reader_is_unsubscribed);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(suite());

    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
