/* SPDX-License-Identifier: MIT */

/* Channels as sockets, with the fake host behind them. */

#include "l2cap.h"

#include "pipe.h"
#include "watches.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define A    "org.bled.Adapter1"
#define L    L2CAP_INTERFACE
#define NONE "a{sv}", 0
#define BUSY "org.bled.Error.Busy"

enum { CONN = 1, CID = 0x40, PSM = 0x80, MTU = 65535 };

static struct rig rig;
static struct fake_channel *ch;
static uint8_t data[MTU + 1];

static void event(enum bl_event_kind kind, bl_status status)
{
    bus_adapter_event(rig.a, &(struct bl_event){.kind = kind,
                                                .l2cap = {.conn = CONN,
                                                          .cid = CID,
                                                          .psm = PSM,
                                                          .our_mtu = MTU,
                                                          .peer_mtu = ch->peer_mtu,
                                                          .status = status,
                                                          .incoming = true}});
    rig_run(&rig);
}

static const char *answer(unsigned call)
{
    return rig_answer(&rig, call);
}

static void setup(void)
{
    rig_start(&rig, false);
    watches_start(&rig);
    rig_ready(&rig);
    bus_adapter_event(rig.a,
                      &(struct bl_event){.kind = BL_EV_CONNECTED,
                                         .connected = {.conn = CONN, .role = BL_ROLE_PERIPHERAL}});
    rig_call(&rig, ":1.1", A, "Attach", NONE);
    rig_call(&rig, ":1.1", L, "Listen", "qqa{sv}", PSM, MTU, 0);
    ch = fake_l2cap_open(&rig.host, CONN, CID, MTU);
    event(BL_EV_L2CAP_ACCEPT, 0);
    event(BL_EV_L2CAP_CONNECTED, 0);
    rig_forget(&rig);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + (i >> 8));
}

static void teardown(void)
{
    rig_stop(&rig);
    ck_assert(watches_none());
}

static unsigned acquire(const char *who)
{
    return rig_call(&rig, who, L, "Acquire", "qqa{sv}", CONN, CID, 0);
}

static int acquired(void)
{
    ck_assert_str_eq(answer(acquire(":1.1")), "reply");
    int fd = rig.fd;
    ck_assert_int_ge(fd, 0);
    rig.fd = -1;
    return fd;
}

static size_t sockets(void)
{
    return bus_l2cap_of(rig.a)->n_sockets;
}

static size_t channels(void)
{
    return bus_l2cap_of(rig.a)->n_channels;
}

static bool put(int fd, size_t n)
{
    return send(fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n;
}

/* The octets of the next packet; -1: none. */
static ssize_t get(int fd)
{
    static uint8_t got[MTU + 1];
    ssize_t n = recv(fd, got, sizeof(got), MSG_DONTWAIT);

    if (n > 0)
        ck_assert_mem_eq(got, data, (size_t)n);
    return n;
}

static bool hung_up(int fd)
{
    struct pollfd p = {.fd = fd};

    watches_run();
    return poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

static void arrives(size_t n)
{
    fake_l2cap_put(ch, data, n);
    event(BL_EV_L2CAP_RECEIVED, 0);
}

static void ends(void)
{
    event(BL_EV_L2CAP_DISCONNECTED, 0);
}

/* ---- from the client to the peer ---- */

START_TEST(a_packet_is_an_sdu)
{
    static const size_t lengths[] = {1, 0, 20, 0, 1000, 3, 4, 5, 6, 7, 8, 9, 0};
    uint32_t sum = 0;
    int fd = acquired();

    ch->peer_mtu = 1000;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        ck_assert(put(fd, lengths[i]));
        sum = fake_l2cap_sum(sum, data, lengths[i]);
    }
    watches_run();
    ck_assert_uint_eq(ch->sent, ARRAY_LEN(lengths));
    ck_assert_uint_eq(ch->sum, sum);
    ck_assert(!ch->disconnecting);
    close(fd);
}
END_TEST

START_TEST(several_packets_take_one_system_call)
{
    int fd = acquired();

    ch->peer_mtu = 1000;
    for (int i = 0; i < 64; i++)
        ck_assert(put(fd, 500));
    watches_run();
    ck_assert_uint_eq(ch->sent, 64);
    ck_assert_uint_eq(rig.host.l2cap.commits, 8);
    ck_assert_uint_le(bus_l2cap_of(rig.a)->socket_reads, 10);
    close(fd);
}
END_TEST

START_TEST(the_longest_sdu_goes_both_ways)
{
    int fd = acquired();

    ck_assert(put(fd, MTU));
    ck_assert(put(fd, MTU));
    watches_run();
    ck_assert_uint_eq(ch->sent, 2);
    ck_assert_uint_eq(ch->sum, fake_l2cap_sum(fake_l2cap_sum(0, data, MTU), data, MTU));
    for (int i = 0; i < 2; i++) {
        arrives(MTU);
        ck_assert_int_eq(get(fd), MTU);
    }
    close(fd);
}
END_TEST

START_TEST(while_the_peer_takes_nothing_packets_stay_in_the_socket)
{
    unsigned wrote = 0;
    int fd = acquired();

    ch->room = 3;
    ch->peer_mtu = 1000;
    while (put(fd, 1000)) {
        wrote++;
        watches_run(); /* nothing spins */
    }
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_uint_gt(wrote, 50);
    ck_assert_uint_lt(ch->sent, 3 + BL_L2CAP_SLOTS);
    while (ch->sent < wrote) {
        unsigned before = ch->sent;
        ch->room = 5;
        ch->busy = false;
        event(BL_EV_L2CAP_SEND_READY, 0);
        watches_run();
        ck_assert_uint_gt(ch->sent, before);
    }
    ck_assert_uint_eq(rig_count(&rig, "signal SendReady"), 0);
    close(fd);
}
END_TEST

START_TEST(closing_sends_all_that_was_written_first)
{
    int fd = acquired();

    ch->room = 10;
    ch->peer_mtu = 1000;
    for (int i = 0; i < 30; i++)
        ck_assert(put(fd, 100));
    watches_run();
    close(fd);
    watches_run();
    ck_assert(!ch->disconnecting);
    while (ch->sent < 30) {
        ck_assert(!ch->disconnecting);
        ch->room = 10;
        ch->busy = false;
        event(BL_EV_L2CAP_SEND_READY, 0);
        watches_run();
    }
    ch->busy = false; /* the last batch has left */
    event(BL_EV_L2CAP_SEND_READY, 0);
    watches_run();
    ck_assert(ch->disconnecting);
    ck_assert_uint_eq(ch->sent, 30);
    ends();
    ck_assert_ptr_nonnull(rig_find(&rig, "signal Disconnected -> :1.1 1 64 128 0"));
    ck_assert_uint_eq(channels(), 0);
}
END_TEST

START_TEST(a_packet_over_the_peers_mtu_ends_the_channel_behind_those_before_it)
{
    int fd = acquired();

    ch->peer_mtu = 50;
    ck_assert(put(fd, 50));
    ck_assert(put(fd, 50));
    ck_assert(put(fd, 51));
    ck_assert(put(fd, 50));
    watches_run();
    ck_assert_uint_eq(ch->sent, 2);
    ck_assert(ch->disconnecting);
    ck_assert(!put(fd, 1));
    ck_assert_int_eq(errno, EPIPE);
    ends();
    ck_assert(hung_up(fd));
    ck_assert_int_eq(get(fd), 0); /* and no error before it */
    ck_assert_uint_eq(bus_l2cap_of(rig.a)->too_long, 1);
    close(fd);
}
END_TEST

START_TEST(without_memory_for_slots_it_is_tried_again)
{
    int fd = acquired();

    rig.host.l2cap.no_memory = true;
    put(fd, 10);
    watches_run();
    ck_assert_uint_eq(ch->sent, 0);
    rig.host.l2cap.no_memory = false;
    rig.now += 10000;
    rig_run(&rig);
    watches_run();
    ck_assert_uint_eq(ch->sent, 1);
    close(fd);
}
END_TEST

START_TEST(a_send_that_is_not_over_holds_the_socket)
{
    ch->room = 1;
    rig_call(&rig, ":1.1", L, "Send", "qqay", CONN, CID, 1, 7);
    int fd = acquired();
    put(fd, 10);
    watches_run();
    rig.now += 10000;
    rig_run(&rig);
    ck_assert_uint_eq(ch->sent, 1);
    ch->busy = false;
    ch->room = 9;
    event(BL_EV_L2CAP_SEND_READY, 0);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal SendReady -> :1.1 1 64 0"));
    watches_run();
    ck_assert_uint_eq(ch->sent, 2);
    close(fd);
}
END_TEST

/* ---- from the peer to the client ---- */

START_TEST(an_sdu_is_a_packet)
{
    static const size_t lengths[] = {1, 0, 20, 0, 1000};
    struct pollfd p = {.events = POLLIN};
    int fd = acquired();

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        arrives(lengths[i]);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        p.fd = fd;
        ck_assert_int_eq(poll(&p, 1, 0), 1);
        ck_assert(!(p.revents & POLLHUP));
        ck_assert_int_eq(get(fd), (ssize_t)lengths[i]);
    }
    ck_assert_int_eq(get(fd), -1);
    ck_assert_uint_eq(rig_count(&rig, "signal"), 0);
    close(fd);
}
END_TEST

START_TEST(what_had_come_before_is_in_it)
{
    fake_l2cap_put(ch, data, 10);
    fake_l2cap_put(ch, data, 11);
    int fd = acquired();
    ck_assert_int_eq(get(fd), 10);
    ck_assert_int_eq(get(fd), 11);
    close(fd);
}
END_TEST

START_TEST(while_the_client_does_not_read_sdus_stay_in_the_stack)
{
    int fd = acquired();
    unsigned sent = 0, got = 0;

    while (ch->n_rx < 50) {
        fake_l2cap_put(ch, data, 5000);
        event(BL_EV_L2CAP_RECEIVED, 0);
        sent++;
    }
    watches_run();
    uint64_t writes = bus_l2cap_of(rig.a)->socket_writes;
    event(BL_EV_L2CAP_RECEIVED, 0); /* costs nothing */
    ck_assert_uint_eq(bus_l2cap_of(rig.a)->socket_writes, writes);
    ck_assert_uint_ge(ch->n_rx, 50);
    while (got < sent) {
        while (get(fd) == 5000)
            got++;
        watches_run();
    }
    ck_assert_uint_eq(ch->n_rx, 0);
    arrives(3);
    ck_assert_int_eq(get(fd), 3);
    close(fd);
}
END_TEST

START_TEST(what_came_before_the_end_is_read_to_the_end)
{
    int fd = acquired();
    unsigned sent = 0, got = 0;

    while (ch->n_rx < 13) {
        fake_l2cap_put(ch, data, 5000);
        event(BL_EV_L2CAP_RECEIVED, 0);
        sent++;
    }
    put(fd, 9); /* of which nothing comes any more */
    ends();
    ck_assert_ptr_nonnull(rig_find(&rig, "signal Disconnected"));
    ck_assert_uint_eq(ch->n_rx, 0); /* all of it is the kernel's to keep */
    ck_assert_uint_eq(channels(), 0);
    ck_assert_uint_eq(sockets(), 0);
    while (get(fd) == 5000)
        got++;
    ck_assert_uint_eq(got, sent);
    ck_assert(hung_up(fd));
    ck_assert(!put(fd, 1));
    ck_assert_int_eq(errno, EPIPE);
    close(fd);
}
END_TEST

/* More than any buffer takes. */
static unsigned flood(void)
{
    unsigned sent = 0;

    while (ch->n_rx < 250) {
        fake_l2cap_put(ch, data, 20000);
        event(BL_EV_L2CAP_RECEIVED, 0);
        sent++;
    }
    return sent;
}

START_TEST(even_what_no_buffer_takes)
{
    int fd = acquired();
    unsigned sent = flood(), got = 0;

    ends();
    ck_assert_uint_gt(ch->n_rx, 0);
    ck_assert_uint_eq(channels(), 1);
    while (got < sent) {
        while (get(fd) == 20000)
            got++;
        watches_run();
    }
    ck_assert_uint_eq(channels(), 0);
    ck_assert(hung_up(fd));
    close(fd);
}
END_TEST

START_TEST(unless_its_reader_goes)
{
    int fd = acquired();

    flood();
    ends();
    ck_assert_uint_eq(channels(), 1);
    if (_i == 0)
        close(fd);
    else
        rig_call(&rig, ":1.1", A, "Detach", "");
    watches_run();
    rig_run(&rig);
    ck_assert_uint_eq(channels(), 0);
    ck_assert_uint_eq(ch->n_rx, 0);
    if (_i != 0)
        close(fd);
}
END_TEST

START_TEST(with_no_reader_what_comes_is_thrown_away)
{
    int fd = acquired();

    ch->room = 1;
    put(fd, 1);
    put(fd, 1);
    watches_run();
    close(fd);
    watches_run();
    for (int i = 0; i < 20; i++)
        arrives(1000);
    ck_assert_uint_eq(ch->n_rx, 0);
    ck_assert(!ch->disconnecting);
}
END_TEST

START_TEST(a_channel_that_has_ended_is_acquired_to_be_read)
{
    fake_l2cap_put(ch, data, 10);
    ends();
    ck_assert_uint_eq(channels(), 1);
    int fd = acquired();
    ck_assert_uint_eq(channels(), 0);
    ck_assert_int_eq(get(fd), 10);
    ck_assert(hung_up(fd));
    close(fd);
}
END_TEST

/* ---- whose it is ---- */

START_TEST(a_channel_has_one_socket_and_no_other_methods)
{
    int fd = acquired();

    ck_assert_str_eq(answer(acquire(":1.1")), BUSY);
    ck_assert_str_eq(answer(acquire(":1.2")), "org.freedesktop.DBus.Error.AccessDenied");
    ck_assert_str_eq(answer(rig_call(&rig, ":1.1", L, "Send", "qqay", CONN, CID, 1, 7)), BUSY);
    ck_assert_str_eq(answer(rig_call(&rig, ":1.1", L, "Receive", "qqu", CONN, CID, 7)), BUSY);
    ck_assert_str_eq(answer(rig_call(&rig, ":1.1", L, "Available", "qq", CONN, CID)), BUSY);
    close(fd);
}
END_TEST

START_TEST(disconnect_sends_what_was_written_first)
{
    int fd = acquired();

    ch->room = 4;
    ch->peer_mtu = 1000;
    for (int i = 0; i < 20; i++)
        put(fd, 10);
    unsigned call = rig_call(&rig, ":1.1", L, "Disconnect", "qq", CONN, CID);
    ck_assert(!put(fd, 10));
    ck_assert_int_eq(errno, EPIPE);
    for (int i = 0; i < 10 && !ch->disconnecting; i++) {
        watches_run();
        ch->busy = false;
        ch->room = 4;
        event(BL_EV_L2CAP_SEND_READY, 0);
    }
    ck_assert(ch->disconnecting);
    ck_assert_uint_eq(ch->sent, 20);
    ck_assert_str_eq(answer(call), "");
    ends();
    ck_assert_str_eq(answer(call), "reply");
    ck_assert(hung_up(fd));
    close(fd);
}
END_TEST

START_TEST(but_waits_5_s_without_progress_alone)
{
    int fd = acquired();

    ch->room = 1;
    for (int i = 0; i < 20; i++)
        put(fd, 10);
    watches_run();
    rig_call(&rig, ":1.1", A, "Detach", "");
    watches_run();
    rig.now += 4000000;
    ch->busy = false;
    ch->room = 1;
    event(BL_EV_L2CAP_SEND_READY, 0);
    watches_run();
    rig.now += 4999999;
    rig_run(&rig);
    ck_assert(!ch->disconnecting);
    rig.now += 1;
    rig_run(&rig);
    ck_assert(ch->disconnecting);
    ends();
    ck_assert_uint_eq(channels(), 0);
    close(fd);
}
END_TEST

START_TEST(and_5_minutes_in_all)
{
    int fd = acquired(), turns = 0;

    ch->peer_mtu = 40000; /* one slot at a time */
    ch->room = 1;
    for (int i = 0; i < 100; i++)
        put(fd, 10);
    watches_run();
    rig_call(&rig, ":1.1", L, "Disconnect", "qq", CONN, CID);
    while (!ch->disconnecting) {
        rig.now += 4000000;
        rig_run(&rig);
        watches_run();
        ch->busy = false;
        ch->room = 1;
        event(BL_EV_L2CAP_SEND_READY, 0);
        watches_run();
        turns++;
    }
    ck_assert_int_eq(turns, 75);
    ck_assert_uint_lt(ch->sent, 100);
    ends();
    close(fd);
}
END_TEST

/* ---- a client that goes while the peer takes nothing ---- */

static void pass(uint64_t us)
{
    rig.now += us;
    rig_run(&rig);
    watches_run();
}

static void takes(unsigned sdus)
{
    ch->busy = false;
    ch->room = sdus;
    event(BL_EV_L2CAP_SEND_READY, 0);
    watches_run();
}

/* With more in the socket, which the daemon has seen or will see, or with nothing. */
static int goes_while_stalled(int how)
{
    int fd = acquired();

    ch->room = 1;
    for (int i = 0; i < (how % 3 == 2 ? 1 : 20); i++)
        put(fd, 10);
    watches_run();
    if (how % 3 == 1) {
        put(fd, 10);
        watches_run();
    }
    ck_assert(ch->busy);
    if (how < 3)
        close(fd);
    else
        shutdown(fd, how < 6 ? SHUT_RDWR : SHUT_WR);
    watches_run();
    ck_assert(!ch->disconnecting);
    return how < 3 ? -1 : fd;
}

START_TEST(a_socket_that_is_closed_while_the_peer_takes_nothing_ends_in_time)
{
    int fd = goes_while_stalled(_i);

    pass(1000000); /* it is looked for once a second at least */
    pass(3999999);
    ck_assert(!ch->disconnecting);
    pass(1000001);
    ck_assert(ch->disconnecting);
    ck_assert(ch->sent < 20);
    ends();
    ck_assert_ptr_nonnull(rig_find(&rig, "signal Disconnected -> :1.1 1 64 128 0"));
    ck_assert_uint_eq(channels(), 0);
    ck_assert_uint_eq(sockets(), 0);
    if (fd >= 0)
        close(fd);
}
END_TEST

START_TEST(what_it_has_written_goes_as_long_as_the_peer_takes_it)
{
    int fd = acquired(), turns = 0;

    ch->peer_mtu = 40000; /* one slot at a time */
    ch->room = 1;
    for (int i = 0; i < 6; i++)
        put(fd, 10);
    watches_run();
    close(fd);
    for (; ch->sent < 6; turns++) {
        pass(4000000);
        ck_assert(!ch->disconnecting);
        takes(1);
    }
    ck_assert_int_eq(turns, 5);
    takes(1);
    ck_assert(ch->disconnecting);
    ck_assert_uint_eq(ch->sent, 6);
    ends();
}
END_TEST

START_TEST(a_part_of_an_sdu_is_progress_but_5_minutes_are_all)
{
    int fd = acquired();

    ch->room = 1;
    ch->frames = 100;
    for (int i = 0; i < 20; i++)
        put(fd, 10);
    watches_run();
    close(fd);
    pass(1000000); /* it is seen */
    for (int i = 1; i < 300; i++) {
        if (i % 4 == 0)
            ch->frames--;
        pass(1000000);
        ck_assert(!ch->disconnecting);
    }
    pass(1000000);
    ck_assert(ch->disconnecting);
    ends();
}
END_TEST

START_TEST(a_client_that_is_there_waits_for_ever)
{
    int fd = acquired();

    ch->room = 1;
    ch->peer_mtu = 1000;
    for (int i = 0; i < 20; i++)
        put(fd, 10);
    watches_run();
    for (int i = 0; i < 100; i++)
        pass(1000000);
    ck_assert(!ch->disconnecting);
    takes(100);
    ck_assert_uint_eq(ch->sent, 20);
    pass(10000000);
    ck_assert(!ch->disconnecting);
    close(fd);
}
END_TEST

START_TEST(a_client_that_wrote_and_died_has_written)
{
    int fd = acquired();

    put(fd, 10);
    put(fd, 11);
    close(fd);
    rig_vanish(&rig, ":1.1");
    watches_run();
    ck_assert_uint_eq(ch->sent, 2);
    ck_assert(ch->disconnecting);
    ck_assert_uint_eq(channels(), 1);
    ends();
    ck_assert_uint_eq(channels(), 0);
    rig_run(&rig);
}
END_TEST

START_TEST(an_attached_client_may_have_the_daemons_channel)
{
    /* That of setup is :1.1's: another one, of the daemon's listener. */
    ends();
    rig_call(&rig, ":1.1", L, "StopListening", "q", PSM);
    rig_call(&rig, ":1.9", L, "Listen", "qqa{sv}", PSM, MTU, 0);
    event(BL_EV_L2CAP_ACCEPT, 0);
    event(BL_EV_L2CAP_CONNECTED, 0);
    int fd = acquired();
    put(fd, 10);
    unsigned call = rig_call(&rig, ":1.1", A, "Detach", "");
    ck_assert_str_eq(answer(call), "");
    watches_run();
    ck_assert_uint_eq(ch->sent, 1);
    ck_assert(ch->disconnecting);
    ends();
    rig_run(&rig);
    ck_assert_str_eq(answer(call), "reply");
    ck_assert(hung_up(fd));
    close(fd);
}
END_TEST

START_TEST(the_end_of_the_link_ends_it)
{
    int fd = acquired();

    arrives(10);
    event(BL_EV_L2CAP_DISCONNECTED, 0x113);
    bus_adapter_event(rig.a, &(struct bl_event){.kind = BL_EV_DISCONNECTED,
                                                .disconnected = {.conn = CONN, .reason = 0x13}});
    ck_assert_int_eq(get(fd), 10);
    ck_assert(hung_up(fd));
    ck_assert_uint_eq(channels(), 0);
    close(fd);
}
END_TEST

START_TEST(sockets_are_counted_with_the_pipes)
{
    int claimed = 0;

    while (bus_pipe_claim(rig.a) == 0)
        claimed++;
    ck_assert_int_eq(claimed, BUS_MAX_PIPES);
    ck_assert_str_eq(answer(acquire(":1.1")), "org.bled.Error.NoResources");
    bus_pipe_unclaim(rig.a);
    int fd = acquired();
    while (--claimed > 0)
        bus_pipe_unclaim(rig.a);
    close(fd);
}
END_TEST

START_TEST(a_watch_that_fails_leaves_the_channel_as_it_was)
{
    watches_fail(-EMFILE);
    ck_assert_str_eq(answer(acquire(":1.1")), "org.bled.Error.NoResources");
    ck_assert_uint_eq(sockets(), 0);
    watches_fail(0);
    int fd = acquired();
    put(fd, 3);
    watches_run();
    ck_assert_uint_eq(ch->sent, 1);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("l2cap sockets");
    TCase *t = tcase_create("l2cap sockets");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_packet_is_an_sdu);
    tcase_add_test(t, several_packets_take_one_system_call);
    tcase_add_test(t, the_longest_sdu_goes_both_ways);
    tcase_add_test(t, while_the_peer_takes_nothing_packets_stay_in_the_socket);
    tcase_add_test(t, closing_sends_all_that_was_written_first);
    tcase_add_test(t, a_packet_over_the_peers_mtu_ends_the_channel_behind_those_before_it);
    tcase_add_test(t, without_memory_for_slots_it_is_tried_again);
    tcase_add_test(t, a_send_that_is_not_over_holds_the_socket);
    tcase_add_test(t, an_sdu_is_a_packet);
    tcase_add_test(t, what_had_come_before_is_in_it);
    tcase_add_test(t, while_the_client_does_not_read_sdus_stay_in_the_stack);
    tcase_add_test(t, what_came_before_the_end_is_read_to_the_end);
    tcase_add_test(t, even_what_no_buffer_takes);
    tcase_add_loop_test(t, unless_its_reader_goes, 0, 2);
    tcase_add_test(t, with_no_reader_what_comes_is_thrown_away);
    tcase_add_test(t, a_channel_that_has_ended_is_acquired_to_be_read);
    tcase_add_test(t, a_channel_has_one_socket_and_no_other_methods);
    tcase_add_test(t, disconnect_sends_what_was_written_first);
    tcase_add_test(t, but_waits_5_s_without_progress_alone);
    tcase_add_test(t, and_5_minutes_in_all);
    tcase_add_loop_test(t, a_socket_that_is_closed_while_the_peer_takes_nothing_ends_in_time, 0, 9);
    tcase_add_test(t, what_it_has_written_goes_as_long_as_the_peer_takes_it);
    tcase_add_test(t, a_part_of_an_sdu_is_progress_but_5_minutes_are_all);
    tcase_add_test(t, a_client_that_is_there_waits_for_ever);
    tcase_add_test(t, a_client_that_wrote_and_died_has_written);
    tcase_add_test(t, an_attached_client_may_have_the_daemons_channel);
    tcase_add_test(t, the_end_of_the_link_ends_it);
    tcase_add_test(t, sockets_are_counted_with_the_pipes);
    tcase_add_test(t, a_watch_that_fails_leaves_the_channel_as_it_was);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
