/* SPDX-License-Identifier: MIT */
/*
 * adapter and loop: when a controller is taken, given back, lost and tried again, what the bus is
 * told of it, and how input waits. The host and the bus are stand-ins that record; the transport is
 * a real unix socket whose other end is the test's.
 */
#include "adapter.h"
#include "base/cleanup.h"
#include "bonds_disk.h"
#include "log.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- the host ---- */

static struct {
    bool running, full;
    int starts, stops, ticks;
    uint8_t received[64][300];
    int n_received;
    enum bl_event_kind events[64];
    int n_events, next_event;
    int to_send;         /* so many packets wait */
    uint8_t sent_number; /* counts them */
    size_t sent_size;
    uint64_t deadline;
    uint16_t manufacturer;
    int bonds;           /* added */
    struct bl_bond bond; /* the last one */
} host;

int bl_host_new(struct bl_host **ret, const struct bl_env *env, const struct bl_config *config)
{
    (void)env;
    ck_assert(bl_addr_is_static(&config->static_addr));
    *ret = (struct bl_host *)(void *)&host;
    return 0;
}

struct bl_host *bl_host_free(struct bl_host *h)
{
    (void)h;
    return NULL;
}

static void say(enum bl_event_kind kind)
{
    ck_assert_int_lt(host.n_events, 64);
    host.events[host.n_events++] = kind;
}

int bl_host_start(struct bl_host *h, uint64_t now, bl_op *op)
{
    (void)h;
    (void)now;
    ck_assert(!host.running);
    host.running = true;
    host.starts++;
    host.to_send = 1;
    *op = 7;
    return 0;
}

void bl_host_stop(struct bl_host *h, uint64_t now)
{
    (void)h;
    (void)now;
    if (!host.running)
        return;
    host.running = false;
    host.stops++;
    host.to_send = 0;
    say(BL_EV_DISCONNECTED);
}

int bl_host_receive(struct bl_host *h, uint64_t now, const void *packet, size_t n)
{
    (void)h;
    (void)now;
    if (host.full)
        return -EAGAIN;
    ck_assert_int_lt(host.n_received, 64);
    ck_assert_uint_le(n, 300);
    memcpy(host.received[host.n_received++], packet, n);
    const uint8_t *p = packet;
    if (p[0] == 4 && p[1] == 0x0e)
        say(BL_EV_READY);
    if (p[0] == 4 && p[1] == 0x10)
        say(BL_EV_FAILED);
    if (p[0] == 4 && p[1] == 0x3e)
        say(BL_EV_REPORT);
    return 0;
}

size_t bl_host_next_tx(struct bl_host *h, uint64_t now, const uint8_t **bytes)
{
    static uint8_t packet[1000] = {2, 0x40, 0x20};
    (void)h;
    (void)now;
    if (host.to_send == 0)
        return 0;
    host.to_send--;
    size_t n = host.sent_size ? host.sent_size : 6;
    packet[3] = (uint8_t)(n - 5);
    packet[4] = (uint8_t)((n - 5) >> 8);
    packet[5] = host.sent_number++;
    *bytes = packet;
    return n;
}

bool bl_host_next_event(struct bl_host *h, struct bl_event *ret)
{
    (void)h;
    if (host.next_event == host.n_events)
        return false;
    *ret = (struct bl_event){.kind = host.events[host.next_event++]};
    if (ret->kind == BL_EV_FAILED)
        ret->failed.why = "it smokes";
    host.full = false;
    return true;
}

uint64_t bl_host_deadline(const struct bl_host *h)
{
    (void)h;
    return host.deadline;
}

void bl_host_tick(struct bl_host *h, uint64_t now)
{
    (void)h;
    ck_assert_uint_ge(now, host.deadline);
    host.deadline = UINT64_MAX;
    host.ticks++;
}

void bl_host_info(const struct bl_host *h, struct bl_controller_info *ret)
{
    (void)h;
    *ret = (struct bl_controller_info){.hci_version = 9,
                                       .manufacturer = host.manufacturer,
                                       .identity = {ADDR_PUBLIC, {1, 2, 3, 4, 5, 6}}};
}

int bl_bond_add(struct bl_host *h, uint64_t now, const struct bl_bond *bond)
{
    (void)h;
    (void)now;
    host.bonds++;
    host.bond = *bond;
    return 0;
}

void bl_bond_clear(struct bl_host *h, uint64_t now)
{
    (void)h;
    (void)now;
    host.bonds = 0;
}

/* ---- the bus ---- */

static struct {
    const struct bus_adapter_ops *ops;
    void *ctx;
    bool wanted, congested, close_on_report, endable;
    int ready, reports, disconnected, failed;
    char why[400];
} bus;

int bus_adapter_new(struct bus_adapter **ret, struct bus *b, const char *name,
                    const char *transport, struct bl_host *h,
                    const struct bus_adapter_config *config, const struct bus_adapter_ops *ops,
                    void *ctx)
{
    (void)b;
    (void)h;
    ck_assert_str_eq(name, "hci0");
    ck_assert_int_eq(strncmp(transport, "unix:", 5), 0);
    bus.wanted = config->active;
    bus.ops = ops;
    bus.ctx = ctx;
    *ret = (struct bus_adapter *)(void *)&bus;
    return 0;
}

struct bus_adapter *bus_adapter_free(struct bus_adapter *a)
{
    (void)a;
    return NULL;
}

void bus_adapter_event(struct bus_adapter *a, const struct bl_event *e)
{
    (void)a;
    bus.ready += e->kind == BL_EV_READY;
    bus.reports += e->kind == BL_EV_REPORT;
    bus.disconnected += e->kind == BL_EV_DISCONNECTED;
    ck_assert_int_ne(e->kind, BL_EV_FAILED);
    if (e->kind == BL_EV_REPORT && bus.close_on_report)
        bus.ops->close(bus.ctx);
}

void bus_adapter_failed(struct bus_adapter *a, const char *why)
{
    (void)a;
    ck_assert(!host.running);
    ck_assert_int_eq(host.next_event, host.n_events); /* what ended was told before */
    bus.failed++;
    snprintf(bus.why, sizeof(bus.why), "%s", why);
}

void bus_adapter_probed(struct bus_adapter *a)
{
    (void)a;
}

void bus_adapter_opening(struct bus_adapter *a)
{
    (void)a;
}

bool bus_adapter_wanted(const struct bus_adapter *a)
{
    (void)a;
    return bus.wanted;
}

bool bus_adapter_end(struct bus_adapter *a)
{
    (void)a;
    return bus.endable;
}

/* ---- the test's world ---- */

static char dir[] = "/tmp/bled-test-adapter.XXXXXX";
static struct sockaddr_un address;
static struct spec spec;
static struct config_adapter config;
static struct loop loop;
static struct adapter adapter;
static int listener, peer, changes;

static void nothing(void *ctx)
{
    (void)ctx;
}

static bool congested(void *ctx)
{
    (void)ctx;
    return bus.congested;
}

static void on_changed(void *ctx)
{
    (void)ctx;
    changes++;
}

static int left;

static void on_tick(EV_P_ ev_timer *w, int revents)
{
    (void)loop;
    (void)w;
    (void)revents;
    ck_assert_msg(--left > 0, "nothing came for 5 s");
}

/* Turns of the loop until the condition holds; a timer sees to it that there are turns. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        ev_timer tick;                                                                             \
        left = 1000;                                                                               \
        ev_timer_init(&tick, on_tick, .005, .005);                                                 \
        ev_timer_start(loop.ev, &tick);                                                            \
        while (!(condition))                                                                       \
            ev_run(loop.ev, EVRUN_ONCE);                                                           \
        ev_timer_stop(loop.ev, &tick);                                                             \
    } while (0)

/* What can happen at once has happened. */
static void settle(void)
{
    for (int i = 0; i < 20; i++)
        ev_run(loop.ev, EVRUN_NOWAIT);
}

static void serve(void)
{
    unlink(address.sun_path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(listener, 4), 0);
}

static bool accepted(void)
{
    peer = accept(listener, NULL, NULL);
    return peer >= 0;
}

static void answer(const char *bytes, size_t n)
{
    ck_assert_int_eq(write(peer, bytes, n), (ssize_t)n);
}

#define COMPLETE "\x04\x0e\x01\x00"
#define REPORT   "\x04\x3e\x01\x02"

/* The host's first packet has come. */
static void expect_start(void)
{
    uint8_t bytes[6];
    ck_assert_int_eq(recv(peer, bytes, sizeof(bytes), MSG_DONTWAIT), 6);
}

static void expect_hung_up(void)
{
    char byte;
    ck_assert_int_eq(recv(peer, &byte, 1, MSG_DONTWAIT), 0);
    close(peer);
}

static void set_up(void)
{
    char text[100];
    const char *why;
    size_t again;
    signal(SIGPIPE, SIG_IGN);
    log_set_target("null");
    memset(&host, 0, sizeof(host));
    memset(&bus, 0, sizeof(bus));
    memset(&config, 0, sizeof(config));
    host.deadline = UINT64_MAX;
    changes = 0;
    peer = -1;
    strcpy(dir + sizeof(dir) - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", dir);
    snprintf(text, sizeof(text), "unix:%s/s", dir);
    ck_assert_int_eq(spec_parse(text, &spec, &why), 0);
    ck_assert_int_eq(spec_name_all(&spec, 1, &again), 0);
    loop = (struct loop){.before_wait = nothing, .congested = congested};
    ck_assert_int_eq(loop_open(&loop), 0);
    serve();
}

static void begin(bool active)
{
    config.bus.active = active;
    struct adapter_options o = {
        .spec = &spec, .config = &config, .state_dir = dir, .loop = &loop, .changed = on_changed};
    ck_assert_int_eq(adapter_init(&adapter, &o), 0);
    adapter_probe(&adapter);
}

static void tear_down(void)
{
    char command[100];
    adapter_done(&adapter);
    ck_assert(!host.running);
    loop_close(&loop);
    close(listener);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static void make_ready(void)
{
    UNTIL(accepted());
    UNTIL(host.to_send == 0);
    expect_start();
    answer(COMPLETE, 4);
    UNTIL(bus.ready > 0);
}

/* ---- */

START_TEST(a_probe_that_nobody_wants_ends_when_the_controller_is_known)
{
    begin(false);
    ck_assert(!adapter.settled);
    make_ready();
    ck_assert(adapter.settled);
    ck_assert_int_eq(host.stops, 1);
    ck_assert_int_eq(bus.failed, 0);
    expect_hung_up();
    ck_assert_str_eq(adapter_status(&adapter), "idle");
    settle();
    ck_assert(!accepted());
}
END_TEST

START_TEST(a_controller_that_is_wanted_from_the_start_is_kept)
{
    begin(true);
    make_ready();
    settle();
    ck_assert(host.running);
    ck_assert_str_eq(adapter_status(&adapter), "active");
    bus.ops->close(bus.ctx);
    ck_assert(!host.running);
    ck_assert_int_eq(bus.disconnected, 1); /* told before close() returned */
    expect_hung_up();
}
END_TEST

START_TEST(an_open_during_the_probe_adopts_it)
{
    const char *why = NULL;
    begin(false);
    ck_assert_int_eq(bus.ops->open(bus.ctx, true, &why), 0);
    bus.wanted = true;
    make_ready();
    settle();
    ck_assert_int_eq(host.starts, 1);
    ck_assert(host.running);
    close(peer);
}
END_TEST

START_TEST(a_missing_controller_is_told_and_not_waited_for_unless_wanted)
{
    const char *why = NULL;
    close(listener);
    unlink(address.sun_path);
    begin(false);
    ck_assert(adapter.settled);
    ck_assert_str_eq(adapter_status(&adapter), "absent");
    ck_assert_int_eq(bus.ops->open(bus.ctx, false, &why), -ENOENT);
    ck_assert_ptr_nonnull(strstr(why, address.sun_path));
    ck_assert(!ev_is_active(&adapter.timer));
    ck_assert_int_eq(bus.failed, 0);
    ck_assert_int_eq(bus.ops->open(bus.ctx, true, &why), -ENOENT);
    ck_assert(ev_is_active(&adapter.timer));
    serve();
    make_ready();
    ck_assert(host.running);
    close(peer);
}
END_TEST

START_TEST(closing_ends_the_waiting)
{
    const char *why = NULL;
    close(listener);
    begin(false);
    ck_assert_int_eq(bus.ops->open(bus.ctx, true, &why), -ECONNREFUSED);
    ck_assert(ev_is_active(&adapter.timer));
    bus.ops->close(bus.ctx);
    ck_assert(!ev_is_active(&adapter.timer));
}
END_TEST

START_TEST(a_hang_up_during_bring_up_fails_the_open_once)
{
    const char *why = NULL;
    begin(false);
    ck_assert_int_eq(bus.ops->open(bus.ctx, false, &why), 0);
    UNTIL(accepted());
    UNTIL(host.to_send == 0);
    close(peer);
    UNTIL(bus.failed > 0);
    settle();
    ck_assert_int_eq(bus.failed, 1);
    ck_assert_ptr_nonnull(strstr(bus.why, address.sun_path));
    ck_assert(!ev_is_active(&adapter.timer));
}
END_TEST

START_TEST(a_lost_controller_is_taken_again_while_it_is_wanted)
{
    begin(true);
    make_ready();
    close(peer);
    UNTIL(bus.failed > 0);
    ck_assert_int_eq(bus.disconnected, 1);
    bus.ready = 0;
    make_ready();
    ck_assert_int_eq(host.starts, 2);
    ck_assert_int_eq(bus.failed, 1);
    close(peer);
}
END_TEST

START_TEST(nonsense_on_the_line_loses_the_controller)
{
    begin(true);
    make_ready();
    answer(REPORT "\x99", 5);
    UNTIL(bus.failed > 0);
    ck_assert_int_eq(bus.reports, 1); /* what came before counts */
    ck_assert_ptr_nonnull(strstr(bus.why, "H4"));
    expect_hung_up();
}
END_TEST

START_TEST(a_controller_lost_before_its_readiness_was_told_is_taken_again)
{
    begin(true);
    UNTIL(accepted());
    UNTIL(host.to_send == 0);
    expect_start();
    answer(COMPLETE "\x99", 5); /* both in one read */
    UNTIL(bus.failed > 0);
    ck_assert_int_eq(bus.ready, 0);
    expect_hung_up();
    make_ready();
    ck_assert_int_eq(host.starts, 2);
    close(peer);
}
END_TEST

START_TEST(a_host_that_gives_up_loses_the_controller)
{
    begin(true);
    make_ready();
    answer("\x04\x10\x01\x05", 4);
    UNTIL(bus.failed > 0);
    ck_assert_str_eq(bus.why, "it smokes");
    ck_assert_int_eq(bus.failed, 1);
    expect_hung_up();
}
END_TEST

START_TEST(closing_from_within_an_event_is_safe)
{
    begin(true);
    make_ready();
    bus.close_on_report = true;
    answer(REPORT REPORT REPORT COMPLETE, 16);
    UNTIL(!host.running);
    settle();
    ck_assert_int_eq(bus.failed, 0);
    ck_assert_int_eq(bus.disconnected, 1);
    expect_hung_up();
}
END_TEST

START_TEST(events_are_pulled_when_the_host_can_take_no_more)
{
    begin(true);
    make_ready();
    host.full = true;
    say(BL_EV_REPORT);
    answer(REPORT REPORT, 8);
    UNTIL(bus.reports == 3);
    ck_assert_int_eq(host.n_received, 3);
    close(peer);
}
END_TEST

START_TEST(a_congested_bus_holds_input_back_and_nothing_is_lost)
{
    begin(true);
    make_ready();
    bus.congested = true;
    answer(REPORT REPORT, 8);
    UNTIL(host.n_received == 3);
    settle();
    ck_assert_int_eq(bus.reports, 0);
    host.full = true;
    answer(REPORT COMPLETE REPORT, 12);
    UNTIL(adapter.in_loop.held);
    settle();
    ck_assert_int_eq(host.n_received, 3);
    answer(REPORT, 4);
    settle();
    host.to_send = 2; /* what is to be sent still goes */
    bus.ops->kick(bus.ctx);
    settle();
    ck_assert_int_eq(host.to_send, 0);
    bus.congested = false;
    settle();
    ck_assert_int_eq(host.n_received, 7);
    ck_assert_int_eq(bus.reports, 5);
    ck_assert_uint_eq(host.received[4][1], 0x0e); /* in order */
    close(peer);
}
END_TEST

START_TEST(a_controller_that_does_not_read_gets_everything_in_order)
{
    enum { PACKETS = 2000, SIZE = 900 };
    static uint8_t got[PACKETS * SIZE];
    size_t n = 0;
    begin(true);
    make_ready();
    host.sent_number = 0;
    host.sent_size = SIZE;
    host.to_send = PACKETS;
    bus.ops->kick(bus.ctx);
    settle();
    ck_assert_int_gt(host.to_send, 0); /* it waits in the host, not in buffers */
    ck_assert_uint_lt(adapter.transport.tx_cap, 16384);
    while (n < sizeof(got)) {
        ssize_t r = recv(peer, got + n, sizeof(got) - n, MSG_DONTWAIT);
        if (r < 0)
            ev_run(loop.ev, EVRUN_NOWAIT);
        else
            n += (size_t)r;
    }
    for (int i = 0; i < PACKETS; i++)
        ck_assert_uint_eq(got[i * SIZE + 5], (uint8_t)i);
    settle();
    ck_assert_int_eq(adapter.in_loop.io.events & EV_WRITE, 0);
    close(peer);
}
END_TEST

START_TEST(deadlines_are_kept_and_may_move)
{
    begin(true);
    make_ready();
    host.deadline = loop_now() + 20000;
    bus.ops->kick(bus.ctx);
    settle();
    host.deadline += 30000; /* later: the timer finds out */
    UNTIL(host.ticks == 1);
    host.deadline = loop_now() + 60000000;
    bus.ops->kick(bus.ctx);
    settle();
    host.deadline = loop_now() + 10000; /* earlier */
    bus.ops->kick(bus.ctx);
    UNTIL(host.ticks == 2);
    close(peer);
}
END_TEST

START_TEST(the_end_waits_for_the_bus_and_is_final)
{
    begin(true);
    make_ready();
    ck_assert(!adapter_end(&adapter));
    ck_assert(host.running);
    bus.endable = true;
    ck_assert(adapter_end(&adapter));
    ck_assert(!host.running);
    expect_hung_up();
    settle();
    ck_assert(!accepted());
    ck_assert(adapter_end(&adapter));
}
END_TEST

START_TEST(a_capture_runs_once_and_sees_both_directions)
{
    int p[2];
    uint8_t got[200];
    begin(true);
    ck_assert_int_eq(pipe(p), 0);
    ck_assert_int_eq(bus.ops->capture_start(bus.ctx, p[1], false, 0), 0);
    ck_assert_int_eq(bus.ops->capture_start(bus.ctx, p[1], false, 0), -EBUSY);
    make_ready();
    bus.ops->capture_stop(bus.ctx);
    bus.ops->capture_stop(bus.ctx);
    close(p[1]);
    ck_assert_int_eq(read(p[0], got, sizeof(got)), 16 + 24 + 6 + 24 + 4);
    ck_assert_uint_eq(got[16 + 11], 0);      /* sent, data */
    ck_assert_uint_eq(got[16 + 30 + 11], 3); /* received, event */
    ck_assert_int_eq(read(p[0], got, sizeof(got)), 0);
    ck_assert_int_eq(bus.ops->capture_start(bus.ctx, p[0], false, 0), -EBADF);
    close(p[0]);
    close(peer);
}
END_TEST

/* ---- bonds ---- */

static struct bl_bond some_bond(void)
{
    return (struct bl_bond){.identity = {ADDR_RANDOM, {1, 2, 3, 4, 5, 0xc6}},
                            .has_peer_ltk = true,
                            .peer_ltk = {.size = 16, .key = {1, 2, 3}}};
}

static void begin_again(void)
{
    adapter_done(&adapter);
    close(peer);
    bus.ready = 0;
    begin(true);
    make_ready();
    bus.ops->bonds_load(bus.ctx);
}

static int stored(struct bl_bond *ret)
{
    char path[100];
    struct bl_bond b = some_bond();
    snprintf(path, sizeof(path), "%s/hci0/bonds", dir);
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    int r = fd < 0 ? -errno : bonds_disk_read(fd, &b.identity, ret);
    close(fd);
    return r;
}

START_TEST(bonds_are_there_again_after_a_restart)
{
    struct bl_bond b = some_bond();
    begin(true);
    make_ready();
    bus.ops->bonds_load(bus.ctx);
    ck_assert_int_eq(host.bonds, 0);
    bus.ops->bond_write(bus.ctx, &b);
    b.cccds[b.n_cccds++] = (struct bl_bond_cccd){.handle = 3, .bits = 2};
    bus.ops->bond_write(bus.ctx, &b); /* later, and at the end at the latest */
    begin_again();
    ck_assert_int_eq(host.bonds, 1);
    ck_assert_mem_eq(host.bond.peer_ltk.key, b.peer_ltk.key, 16);
    ck_assert_uint_eq(host.bond.n_cccds, 1);
    bus.ops->bond_delete(bus.ctx, &b.identity);
    host.bonds = 0;
    begin_again();
    ck_assert_int_eq(host.bonds, 0);
}
END_TEST

START_TEST(changes_of_a_bond_are_stored_when_a_link_ends_and_after_a_while)
{
    struct bl_bond b = some_bond(), now = {0};
    begin(true);
    make_ready();
    bus.ops->bonds_load(bus.ctx);
    bus.ops->bond_write(bus.ctx, &b);
    b.client_features = 1;
    bus.ops->bond_write(bus.ctx, &b);
    ck_assert_int_eq(stored(&now), 0);
    ck_assert_uint_eq(now.client_features, 0);
    say(BL_EV_DISCONNECTED);
    bus.ops->kick(bus.ctx);
    UNTIL(stored(&now) == 0 && now.client_features == 1);
    b.client_features = 3;
    bus.ops->bond_write(bus.ctx, &b);
    UNTIL(stored(&now) == 0 && now.client_features == 3);
}
END_TEST

START_TEST(another_controller_is_not_given_the_keys_unless_configured)
{
    struct bl_bond b = some_bond();
    begin(true);
    make_ready();
    bus.ops->bonds_load(bus.ctx);
    bus.ops->bond_write(bus.ctx, &b);
    host.bonds = 1;
    host.manufacturer = 7; /* in its place, with its address */
    bus.ops->bonds_load(bus.ctx);
    ck_assert_int_eq(host.bonds, 0);
    begin_again();
    ck_assert_int_eq(host.bonds, 0);
    host.manufacturer = 0;
    bus.ops->bonds_load(bus.ctx);
    ck_assert_int_eq(host.bonds, 1);
    host.bonds = 0;
    host.manufacturer = 7;
    config.bonds_any_controller = true;
    begin_again();
    ck_assert_int_eq(host.bonds, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("daemon/adapter");
    TCase *c = tcase_create("adapter");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 30);
    tcase_add_test(c, a_probe_that_nobody_wants_ends_when_the_controller_is_known);
    tcase_add_test(c, a_controller_that_is_wanted_from_the_start_is_kept);
    tcase_add_test(c, an_open_during_the_probe_adopts_it);
    tcase_add_test(c, a_missing_controller_is_told_and_not_waited_for_unless_wanted);
    tcase_add_test(c, closing_ends_the_waiting);
    tcase_add_test(c, a_hang_up_during_bring_up_fails_the_open_once);
    tcase_add_test(c, a_lost_controller_is_taken_again_while_it_is_wanted);
    tcase_add_test(c, nonsense_on_the_line_loses_the_controller);
    tcase_add_test(c, a_host_that_gives_up_loses_the_controller);
    tcase_add_test(c, a_controller_lost_before_its_readiness_was_told_is_taken_again);
    tcase_add_test(c, closing_from_within_an_event_is_safe);
    tcase_add_test(c, events_are_pulled_when_the_host_can_take_no_more);
    tcase_add_test(c, a_congested_bus_holds_input_back_and_nothing_is_lost);
    tcase_add_test(c, a_controller_that_does_not_read_gets_everything_in_order);
    tcase_add_test(c, deadlines_are_kept_and_may_move);
    tcase_add_test(c, the_end_waits_for_the_bus_and_is_final);
    tcase_add_test(c, a_capture_runs_once_and_sees_both_directions);
    tcase_add_test(c, bonds_are_there_again_after_a_restart);
    tcase_add_test(c, changes_of_a_bond_are_stored_when_a_link_ends_and_after_a_while);
    tcase_add_test(c, another_controller_is_not_given_the_keys_unless_configured);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
