/* SPDX-License-Identifier: MIT */

#include "pipe.h"

#include "watches.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the pipe's user sees. */
struct user {
    struct bus_pipe *pipe;
    unsigned packets, overs;
    uint8_t last[BUS_PIPE_MAX];
    size_t last_n, octets;
    unsigned take;    /* says to wait after so many packets; 0: never */
    bool frees;       /* in over() */
    unsigned free_at; /* in the packet of this number */
    char why[128];
};

static bool on_packet(void *userdata, const uint8_t *data, size_t n)
{
    struct user *u = userdata;

    u->packets++;
    u->octets += n;
    u->last_n = n;
    if (n > 0)
        memcpy(u->last, data, n);
    if (u->packets == u->free_at)
        u->pipe = bus_pipe_free(u->pipe);
    return u->take == 0 || u->packets % u->take != 0;
}

static void on_over(void *userdata, const char *why)
{
    struct user *u = userdata;

    u->overs++;
    snprintf(u->why, sizeof(u->why), "%s", why ? why : "");
    if (u->frees)
        u->pipe = bus_pipe_free(u->pipe);
}

static const struct bus_pipe_ops BOTH = {.packet = on_packet, .over = on_over};
static const struct bus_pipe_ops READERS = {.over = on_over};

static struct rig rig;
static struct user user;
static int fd;

static void open_pipe(const struct bus_pipe_ops *ops, size_t max, size_t queue_max)
{
    user = (struct user){.frees = true};
    ck_assert_int_eq(bus_pipe_new(&user.pipe, rig.a, 1, max, queue_max, ops, &user, &fd), 0);
}

static void setup(void)
{
    rig_start(&rig, false);
    watches_start(&rig);
    fd = -1;
}

static void teardown(void)
{
    bus_pipe_free(user.pipe);
    user.pipe = NULL;
    rig_stop(&rig);
    ck_assert(watches_none());
    if (fd >= 0)
        close(fd);
}

static void write_packet(const void *data, size_t n)
{
    ck_assert_int_eq(send(fd, data, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* A packet of the client's reading; -1: nothing there, -2: the end. */
static ssize_t read_packet(void *data, size_t n)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t got = recv(fd, data, n, MSG_DONTWAIT);

    if (got != 0)
        return got;
    poll(&p, 1, 0);
    return p.revents & POLLHUP ? -2 : 0;
}

static uint64_t stat_of(const char *name)
{
    char prefix[64];
    sd_bus_message *m = NULL;
    const char *key;
    uint64_t value, found = UINT64_MAX;

    snprintf(prefix, sizeof(prefix), "%s", name);
    ck_assert_int_ge(sd_bus_message_new_signal(rig.server, &m, "/x", "x.x", "x"), 0);
    ck_assert_int_ge(sd_bus_message_open_container(m, 'a', "{st}"), 0);
    bus_module_pipe.stats(rig.a, m);
    ck_assert_int_ge(sd_bus_message_close_container(m), 0);
    ck_assert_int_ge(sd_bus_message_seal(m, 1, 0), 0);
    ck_assert_int_ge(sd_bus_message_enter_container(m, 'a', "{st}"), 0);
    while (sd_bus_message_read(m, "{st}", &key, &value) > 0)
        if (strcmp(key, prefix) == 0)
            found = value;
    sd_bus_message_unref(m);
    return found;
}

/* ---- from the client ---- */

START_TEST(packets_arrive_one_by_one_and_in_order)
{
    open_pipe(&BOTH, 20, 4096);
    for (uint8_t i = 0; i < 100; i++)
        write_packet(&i, 1);
    watches_run();
    ck_assert_uint_eq(user.packets, 100);
    ck_assert_uint_eq(user.octets, 100);
    ck_assert_uint_eq(user.last[0], 99);
    ck_assert_uint_eq(user.overs, 0);
}
END_TEST

START_TEST(empty_packet_is_an_empty_value_and_not_the_end)
{
    open_pipe(&BOTH, 20, 4096);
    write_packet("", 0);
    watches_run();
    ck_assert_uint_eq(user.packets, 1);
    ck_assert_uint_eq(user.last_n, 0);
    ck_assert_uint_eq(user.overs, 0);
}
END_TEST

START_TEST(empty_packets_before_the_end_are_values_each)
{
    open_pipe(&BOTH, 20, 4096);
    write_packet("a", 1);
    write_packet("", 0);
    write_packet("", 0);
    close(fd);
    fd = -1;
    watches_run();
    ck_assert_uint_eq(user.packets, 3);
    ck_assert_uint_eq(user.overs, 1);
    ck_assert_str_eq(user.why, "");
}
END_TEST

/* A batch that is exactly full hides the end until the next read. */
START_TEST(end_after_full_batches_is_seen)
{
    open_pipe(&BOTH, 20, 4096);
    for (int i = 0; i < _i; i++)
        write_packet("x", 1);
    close(fd);
    fd = -1;
    watches_run();
    ck_assert_uint_eq(user.packets, (unsigned)_i);
    ck_assert_uint_eq(user.overs, 1);
}
END_TEST

START_TEST(shutdown_of_writing_is_the_end)
{
    open_pipe(&BOTH, 20, 4096);
    write_packet("x", 1);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    watches_run();
    ck_assert_uint_eq(user.packets, 1);
    ck_assert_uint_eq(user.overs, 1);
}
END_TEST

START_TEST(packet_of_max_is_taken)
{
    uint8_t data[BUS_PIPE_MAX] = {7};

    open_pipe(&BOTH, (size_t)_i, 4096);
    write_packet(data, (size_t)_i);
    watches_run();
    ck_assert_uint_eq(user.packets, 1);
    ck_assert_uint_eq(user.last_n, (size_t)_i);
    ck_assert_uint_eq(user.overs, 0);
}
END_TEST

START_TEST(longer_packet_ends_it_after_those_before)
{
    uint8_t data[4096] = {0};

    open_pipe(&BOTH, 20, 4096);
    write_packet(data, 20);
    write_packet(data, (size_t)_i);
    write_packet(data, 20);
    watches_run();
    ck_assert_uint_eq(user.packets, 1);
    ck_assert_uint_eq(user.overs, 1);
    ck_assert_ptr_nonnull(strstr(user.why, "20 are the most"));
    ck_assert_ptr_null(user.pipe);
    ck_assert_int_eq(send(fd, data, 1, MSG_NOSIGNAL), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_uint_eq(stat_of("sockets-too-long"), 1);
}
END_TEST

START_TEST(limit_follows_the_mtu)
{
    uint8_t data[BUS_PIPE_MAX] = {0};

    open_pipe(&BOTH, 20, 4096);
    write_packet(data, 20);
    watches_run();
    bus_pipe_set_max(user.pipe, 514); /* ATT_MTU 517: no value is over 512 */
    write_packet(data, 512);
    watches_run();
    ck_assert_uint_eq(user.packets, 2);
    ck_assert_uint_eq(user.overs, 0);
    bus_pipe_set_max(user.pipe, 100);
    write_packet(data, 101);
    watches_run();
    ck_assert_uint_eq(user.overs, 1);
}
END_TEST

START_TEST(who_may_not_write_is_hung_up_on)
{
    open_pipe(&READERS, 0, 4096);
    write_packet("x", 1);
    watches_run();
    ck_assert_uint_eq(user.overs, 1);
    ck_assert_str_ne(user.why, "");
}
END_TEST

static int count_fds(void)
{
    int n = 0;

    for (int i = 0; i < 256; i++)
        n += fcntl(i, F_GETFD) >= 0;
    return n;
}

START_TEST(descriptors_sent_along_are_closed)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    char data[] = "x";
    struct iovec iov = {data, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    open_pipe(&BOTH, 20, 4096);
    must(c != NULL);
    if (c)
        *c = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    int before = count_fds();
    ck_assert_int_eq(sendmsg(fd, &m, 0), 1);
    watches_run();
    ck_assert_uint_eq(user.packets, 1);
    ck_assert_int_eq(count_fds(), before);
}
END_TEST

/* ---- back-pressure ---- */

START_TEST(nothing_is_handed_over_until_resumed)
{
    open_pipe(&BOTH, 20, 4096);
    user.take = 1;
    for (uint8_t i = 0; i < 30; i++)
        write_packet(&i, 1);
    for (unsigned i = 1; i <= 30; i++) {
        watches_run();
        ck_assert_uint_eq(user.packets, i);
        ck_assert_uint_eq(user.last[0], i - 1);
        bus_pipe_resume(user.pipe);
    }
    watches_run();
    ck_assert_uint_eq(user.packets, 30);
    bus_pipe_resume(user.pipe); /* that nothing waits for */
    ck_assert_uint_eq(user.overs, 0);
}
END_TEST

START_TEST(paused_pipe_fills_the_writers_socket)
{
    unsigned n = 0;

    open_pipe(&BOTH, 20, 4096);
    user.take = 1;
    while (send(fd, "0123456789", 10, MSG_DONTWAIT | MSG_NOSIGNAL) == 10) {
        watches_run();
        ck_assert_uint_lt(n++, 100000);
    }
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_uint_eq(user.packets, 1);
    user.take = 0;
    bus_pipe_resume(user.pipe);
    watches_run();
    ck_assert_uint_eq(user.packets, n);
    ck_assert_uint_eq(user.octets, n * 10);
}
END_TEST

START_TEST(what_was_written_before_the_end_is_handed_over_after_a_pause)
{
    open_pipe(&BOTH, 20, 4096);
    user.take = 1;
    for (uint8_t i = 0; i < 20; i++)
        write_packet(&i, 1);
    close(fd);
    fd = -1;
    for (unsigned i = 1; i <= 20; i++) {
        watches_run(); /* does not spin on the hang-up */
        ck_assert_uint_eq(user.packets, i);
        ck_assert_uint_eq(user.overs, 0);
        bus_pipe_resume(user.pipe);
    }
    watches_run();
    ck_assert_uint_eq(user.overs, 1);
}
END_TEST

START_TEST(looking_at_what_is_open_takes_nothing)
{
    open_pipe(&BOTH, 10, 1000);
    ck_assert(bus_pipe_look(user.pipe));
    write_packet("ab", 2);
    ck_assert(bus_pipe_look(user.pipe));
    ck_assert_uint_eq(user.packets, 0);
    watches_run();
    ck_assert_uint_eq(user.packets, 1);
}
END_TEST

/* More than a turn of the loop takes. By closing (0) or by shutdown (1). */
START_TEST(looking_at_what_is_closed_takes_all)
{
    open_pipe(&BOTH, 10, 1000);
    for (uint8_t i = 0; i < 100; i++)
        write_packet(&i, 1);
    if (_i == 0) {
        close(fd);
        fd = -1;
    } else {
        ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    }
    ck_assert(!bus_pipe_look(user.pipe));
    ck_assert_uint_eq(user.packets, 100);
    ck_assert_uint_eq(user.last[0], 99);
    ck_assert_uint_eq(user.overs, 1);
    ck_assert_str_eq(user.why, "");
    ck_assert(watches_none());
}
END_TEST

START_TEST(looking_at_what_is_closed_and_waits_takes_nothing_more)
{
    open_pipe(&BOTH, 10, 1000);
    user.take = 1;
    write_packet("a", 1);
    write_packet("bc", 2);
    close(fd);
    fd = -1;
    for (int i = 0; i < 3; i++)
        ck_assert(!bus_pipe_look(user.pipe));
    ck_assert_uint_eq(user.packets, 1);
    ck_assert_uint_eq(user.overs, 0);
    bus_pipe_resume(user.pipe);
    ck_assert_uint_eq(user.packets, 2);
    bus_pipe_resume(user.pipe);
    watches_run();
    ck_assert_uint_eq(user.overs, 1);
}
END_TEST

/* Before there was anything; whether the client writes meanwhile (1) or not (0). */
START_TEST(paused_from_the_beginning)
{
    open_pipe(&BOTH, 10, 1000);
    bus_pipe_pause(user.pipe);
    if (_i == 1)
        write_packet("a", 1);
    watches_run();
    ck_assert_uint_eq(user.packets, 0);
    bus_pipe_resume(user.pipe);
    ck_assert_uint_eq(user.packets, (unsigned)_i);
    write_packet("bc", 2);
    watches_run();
    ck_assert_uint_eq(user.packets, (unsigned)_i + 1);
    ck_assert_uint_eq(user.last_n, 2);
}
END_TEST

START_TEST(one_client_does_not_keep_the_loop)
{
    open_pipe(&BOTH, 20, 4096);
    for (int i = 0; i < 200; i++)
        write_packet("x", 1);
    watches_turn();
    ck_assert_uint_gt(user.packets, 0);
    ck_assert_uint_le(user.packets, 32);
    watches_run();
    ck_assert_uint_eq(user.packets, 200);
}
END_TEST

START_TEST(may_be_freed_in_a_packet)
{
    open_pipe(&BOTH, 20, 4096);
    user.free_at = (unsigned)_i;
    for (int i = 0; i < 20; i++)
        write_packet("x", 1);
    watches_run();
    ck_assert_uint_eq(user.packets, (unsigned)_i);
    ck_assert_uint_eq(user.overs, 0);
    ck_assert_uint_eq(stat_of("sockets-open"), 0);
}
END_TEST

START_TEST(may_be_freed_in_a_packet_after_a_pause)
{
    open_pipe(&BOTH, 20, 4096);
    user.take = 2;
    user.free_at = 3;
    for (int i = 0; i < 8; i++)
        write_packet("x", 1);
    watches_run();
    ck_assert_uint_eq(user.packets, 2);
    bus_pipe_resume(user.pipe);
    ck_assert_uint_eq(user.packets, 3);
    ck_assert_uint_eq(stat_of("sockets-open"), 0);
}
END_TEST

/* ---- towards the client ---- */

START_TEST(values_are_packets)
{
    uint8_t data[BUS_PIPE_MAX] = {1, 2, 3}, got[BUS_PIPE_MAX + 1];

    open_pipe(&READERS, 0, 4096);
    ck_assert_int_eq(bus_pipe_send(user.pipe, data, 3), 0);
    ck_assert_int_eq(bus_pipe_send(user.pipe, data, 0), 0);
    ck_assert_int_eq(bus_pipe_send(user.pipe, data, BUS_PIPE_MAX), 0);
    ck_assert_int_eq(bus_pipe_send(user.pipe, data, BUS_PIPE_MAX + 1), -EMSGSIZE);
    ck_assert_int_eq(read_packet(got, sizeof(got)), 3);
    ck_assert_mem_eq(got, data, 3);
    ck_assert_int_eq(read_packet(got, sizeof(got)), 0);
    ck_assert_int_eq(read_packet(got, sizeof(got)), BUS_PIPE_MAX);
    ck_assert_int_eq(read_packet(got, sizeof(got)), -1);
}
END_TEST

/* Far more than the socket holds waits in order, of all lengths. */
START_TEST(what_the_socket_does_not_take_waits)
{
    uint8_t data[BUS_PIPE_MAX], got[BUS_PIPE_MAX];
    unsigned n = 3000;

    open_pipe(&READERS, 0, 4 << 20);
    for (unsigned i = 0; i < n; i++) {
        memset(data, (int)i, sizeof(data));
        ck_assert_int_eq(bus_pipe_send(user.pipe, data, i % 512), 0);
    }
    for (unsigned i = 0; i < n; i++) {
        watches_run();
        ck_assert_int_eq(read_packet(got, sizeof(got)), i % 512);
        if (i % 512 > 0)
            ck_assert_uint_eq(got[i % 512 - 1], (uint8_t)i);
    }
    watches_run();
    ck_assert_int_eq(read_packet(got, sizeof(got)), -1);
    ck_assert_uint_eq(user.overs, 0);
    ck_assert_uint_eq(stat_of("socket-packets-sent"), n);
}
END_TEST

/* Sends until it is hung up on: how many were taken. */
static unsigned flood(size_t n)
{
    uint8_t data[BUS_PIPE_MAX] = {0};
    unsigned taken = 0;

    while (user.pipe && bus_pipe_send(user.pipe, data, n) == 0)
        ck_assert_uint_lt(taken++, 1000000);
    return taken;
}

START_TEST(reader_that_leaves_too_much_is_hung_up_on_and_loses_nothing_before)
{
    uint8_t got[BUS_PIPE_MAX];
    ssize_t n;
    unsigned read = 0;

    open_pipe(&READERS, 0, 8192);
    unsigned taken = flood(100);
    ck_assert_uint_eq(user.overs, 1);
    ck_assert_uint_eq(stat_of("sockets-overflowed"), 1);
    ck_assert_uint_eq(stat_of("sockets-open"), 1); /* it drains */
    while ((n = read_packet(got, sizeof(got))) == 100) {
        read++;
        watches_run();
    }
    ck_assert_int_eq(n, -2);
    ck_assert_uint_eq(read, taken);
    ck_assert_uint_eq(stat_of("sockets-open"), 0);
    ck_assert_uint_eq(stat_of("sockets-undelivered"), 0);
}
END_TEST

START_TEST(what_waits_is_bounded_per_connection)
{
    struct user first = {.frees = true};
    int other;

    open_pipe(&READERS, 0, 8192);
    ck_assert_int_eq(bus_pipe_new(&first.pipe, rig.a, 1, 0, 8192, &READERS, &first, &other), 0);
    uint8_t data[100] = {0};
    uint64_t sent;
    do { /* until the first's socket is full and something waits */
        sent = stat_of("socket-packets-sent");
        ck_assert_int_eq(bus_pipe_send(first.pipe, data, 100), 0);
    } while (stat_of("socket-packets-sent") != sent);
    for (int i = 0; i < 60; i++)
        ck_assert_int_eq(bus_pipe_send(first.pipe, data, 100), 0);
    uint64_t before = stat_of("socket-packets-sent");
    unsigned taken = flood(100);
    unsigned waited = taken - (unsigned)(stat_of("socket-packets-sent") - before);
    ck_assert_uint_lt(waited, 25); /* 8192 octets less the first's 61 times 102 */
    ck_assert_uint_eq(first.overs, 0);
    bus_pipe_free(first.pipe);
    close(other);
}
END_TEST

START_TEST(draining_ends_when_the_reader_goes)
{
    open_pipe(&READERS, 0, 8192);
    flood(100);
    close(fd);
    fd = -1;
    watches_run();
    ck_assert_uint_eq(stat_of("sockets-open"), 0);
}
END_TEST

START_TEST(draining_ends_after_half_a_minute)
{
    open_pipe(&READERS, 0, 8192);
    flood(100);
    watches_run();
    ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), -1); /* nobody listens any more */
    ck_assert_int_eq(errno, EPIPE);
    rig.now += 29000000;
    bus_tick(rig.bus, rig.now);
    ck_assert_uint_eq(stat_of("sockets-open"), 1);
    rig.now += 1000000;
    bus_tick(rig.bus, rig.now);
    ck_assert_uint_eq(stat_of("sockets-open"), 0);
    ck_assert_uint_eq(stat_of("sockets-undelivered"), 1);
}
END_TEST

/* teardown() frees the adapter meanwhile. */
START_TEST(draining_is_cut_by_the_end_of_the_adapter)
{
    open_pipe(&READERS, 0, 8192);
    flood(100);
    ck_assert_uint_eq(stat_of("sockets-open"), 1);
}
END_TEST

START_TEST(freed_pipe_is_hung_up)
{
    uint8_t got[8];

    open_pipe(&BOTH, 20, 4096);
    ck_assert_int_eq(bus_pipe_send(user.pipe, (const uint8_t *)"abc", 3), 0);
    user.pipe = bus_pipe_free(user.pipe);
    ck_assert_int_eq(read_packet(got, sizeof(got)), 3);
    ck_assert_int_eq(read_packet(got, sizeof(got)), -2);
    ck_assert_uint_eq(user.overs, 0);
}
END_TEST

START_TEST(closing_with_values_unread_is_an_end_after_what_was_written)
{
    open_pipe(&BOTH, 20, 4096);
    ck_assert_int_eq(bus_pipe_send(user.pipe, (const uint8_t *)"abc", 3), 0);
    write_packet("x", 1);
    close(fd);
    fd = -1;
    watches_run();
    ck_assert_uint_eq(user.packets, 1);
    ck_assert_uint_eq(user.overs, 1);
    ck_assert_str_eq(user.why, "");
}
END_TEST

START_TEST(sending_to_a_reader_that_has_gone_is_harmless)
{
    open_pipe(&READERS, 0, 4096);
    close(fd);
    fd = -1;
    ck_assert_int_eq(bus_pipe_send(user.pipe, (const uint8_t *)"abc", 3), 0);
    watches_run();
    ck_assert_uint_eq(user.overs, 1);
}
END_TEST

START_TEST(over_is_told_once_and_then_all_is_quiet)
{
    open_pipe(&BOTH, 20, 4096);
    user.frees = false;
    close(fd);
    fd = -1;
    watches_run();
    ck_assert_uint_eq(user.overs, 1);
    ck_assert_int_eq(bus_pipe_send(user.pipe, (const uint8_t *)"abc", 3), -ENOBUFS);
    bus_pipe_resume(user.pipe);
    watches_run();
    ck_assert_uint_eq(user.overs, 1);
}
END_TEST

START_TEST(both_ways_at_once_with_a_pause)
{
    uint8_t got[128], data[100] = {0};

    open_pipe(&BOTH, 100, 1 << 20);
    user.take = 1;
    for (int i = 0; i < 10; i++)
        write_packet(data, 100);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(bus_pipe_send(user.pipe, data, 100), 0);
    for (int i = 0; i < 1000; i++) {
        watches_turn(); /* paused, and writable now and then */
        ck_assert_int_eq(read_packet(got, sizeof(got)), 100);
    }
    ck_assert_uint_eq(user.packets, 1);
    user.take = 0;
    bus_pipe_resume(user.pipe);
    watches_run();
    ck_assert_uint_eq(user.packets, 10);
}
END_TEST

START_TEST(pipes_are_bounded)
{
    struct bus_pipe *p[BUS_MAX_PIPES + 1] = {NULL};
    int ends[BUS_MAX_PIPES + 1];

    user.frees = false;
    for (size_t i = 0; i < BUS_MAX_PIPES; i++)
        ck_assert_int_eq(
            bus_pipe_new(&p[i], rig.a, (uint16_t)(i % 64), 20, 4096, &BOTH, &user, &ends[i]), 0);
    ck_assert_int_eq(bus_pipe_new(&p[BUS_MAX_PIPES], rig.a, 1, 20, 4096, &BOTH, &user, &ends[0]),
                     -ENOBUFS);
    for (size_t i = 0; i < BUS_MAX_PIPES; i++) {
        bus_pipe_free(p[i]);
        close(ends[i]);
    }
    ck_assert_uint_eq(stat_of("sockets-open"), 0);
    open_pipe(&BOTH, 20, 4096);
}
END_TEST

START_TEST(without_a_watch_there_is_no_pipe)
{
    struct bus_pipe *p = NULL;
    int end = -1, before = count_fds();

    watches_fail(-ENOMEM);
    ck_assert_int_eq(bus_pipe_new(&p, rig.a, 1, 20, 4096, &BOTH, &user, &end), -ENOMEM);
    ck_assert_ptr_null(p);
    ck_assert_int_eq(count_fds(), before);
    ck_assert_uint_eq(stat_of("sockets-open"), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("pipe");
    TCase *t = tcase_create("pipe");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, packets_arrive_one_by_one_and_in_order);
    tcase_add_test(t, empty_packet_is_an_empty_value_and_not_the_end);
    tcase_add_test(t, empty_packets_before_the_end_are_values_each);
    tcase_add_loop_test(t, end_after_full_batches_is_seen, 0, 70);
    tcase_add_test(t, shutdown_of_writing_is_the_end);
    tcase_add_loop_test(t, packet_of_max_is_taken, 0, 3);
    tcase_add_loop_test(t, packet_of_max_is_taken, 511, 513);
    tcase_add_loop_test(t, longer_packet_ends_it_after_those_before, 21, 23);
    tcase_add_loop_test(t, longer_packet_ends_it_after_those_before, 512, 514);
    tcase_add_loop_test(t, longer_packet_ends_it_after_those_before, 4096, 4097);
    tcase_add_test(t, limit_follows_the_mtu);
    tcase_add_test(t, who_may_not_write_is_hung_up_on);
    tcase_add_test(t, descriptors_sent_along_are_closed);
    tcase_add_test(t, nothing_is_handed_over_until_resumed);
    tcase_add_test(t, paused_pipe_fills_the_writers_socket);
    tcase_add_test(t, what_was_written_before_the_end_is_handed_over_after_a_pause);
    tcase_add_test(t, one_client_does_not_keep_the_loop);
    tcase_add_test(t, looking_at_what_is_open_takes_nothing);
    tcase_add_loop_test(t, looking_at_what_is_closed_takes_all, 0, 2);
    tcase_add_test(t, looking_at_what_is_closed_and_waits_takes_nothing_more);
    tcase_add_loop_test(t, paused_from_the_beginning, 0, 2);
    tcase_add_loop_test(t, may_be_freed_in_a_packet, 1, 12);
    tcase_add_test(t, may_be_freed_in_a_packet_after_a_pause);
    tcase_add_test(t, values_are_packets);
    tcase_add_test(t, what_the_socket_does_not_take_waits);
    tcase_add_test(t, reader_that_leaves_too_much_is_hung_up_on_and_loses_nothing_before);
    tcase_add_test(t, what_waits_is_bounded_per_connection);
    tcase_add_test(t, draining_ends_when_the_reader_goes);
    tcase_add_test(t, draining_ends_after_half_a_minute);
    tcase_add_test(t, draining_is_cut_by_the_end_of_the_adapter);
    tcase_add_test(t, freed_pipe_is_hung_up);
    tcase_add_test(t, closing_with_values_unread_is_an_end_after_what_was_written);
    tcase_add_test(t, sending_to_a_reader_that_has_gone_is_harmless);
    tcase_add_test(t, over_is_told_once_and_then_all_is_quiet);
    tcase_add_test(t, both_ways_at_once_with_a_pause);
    tcase_add_test(t, pipes_are_bounded);
    tcase_add_test(t, without_a_watch_there_is_no_pipe);
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
