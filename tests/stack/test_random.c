/* SPDX-License-Identifier: MIT */

/*
 * Random lives of three hosts on the simulated radio: every command at any time, with controllers
 * that keep silent, refuse, cut events, invent events, fail and vanish, and a medium that loses
 * packets. Meanwhile time passes (no host asks to be called again at once without end), and no
 * command ends twice. Afterwards every command has ended, nothing is left over, and the hosts can
 * connect. BLED_TRACE=1 tells the seed of each life, BLED_SEED and BLED_LIVES choose others.
 */

#include "stack.h"

#include "base/addr.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000u

enum {
    HOSTS = 3,
    STEPS = 150,
    LIVES = 100,
    OPS = 1024,
    TICKS_PER_SECOND = 2000, /* steps of time, of the radio's events too: a turn takes 1..100 ms */
};

static uint32_t state;
static bool honest; /* controllers do what they say: then no host may do anything wrong */
static struct stack *s;
static bl_op open_ops[HOSTS][OPS];
static size_t n_open[HOSTS];
static uint16_t advs[HOSTS][4], scans[HOSTS][4], attempts[HOSTS][4], conns[HOSTS][4];

static uint32_t pick(uint32_t n)
{
    state = state * 1664525 + 1013904223;
    return (state >> 8) % n;
}

static uint32_t one_of(const uint32_t *values, size_t n)
{
    return values[pick((uint32_t)n)];
}
#define ONE_OF(...)                                                                                \
    one_of((const uint32_t[]){__VA_ARGS__},                                                        \
           sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* ---- what is open ---- */

static void begun(size_t end, int r, const bl_op *op)
{
    if (r < 0)
        return;
    ck_assert_uint_ne(*op, 0);
    ck_assert_uint_lt(n_open[end], OPS);
    open_ops[end][n_open[end]++] = *op;
}

static void ended(size_t end, bl_op op)
{
    for (size_t i = 0; i < n_open[end]; i++)
        if (open_ops[end][i] == op) {
            open_ops[end][i] = open_ops[end][--n_open[end]];
            return;
        }
    ck_abort_msg("command %u at end %zu ended twice, or was never begun", op, end);
}

static void look(void)
{
    stack_settle(s);
    for (size_t end = 0; end < s->n; end++) {
        struct stack_end *e = &s->end[end];
        for (size_t i = 0; i < e->n_events; i++) {
            if (e->events[i].kind == BL_EV_OP_DONE)
                ended(end, e->events[i].done.op);
            else if (e->events[i].kind == BL_EV_CONNECTED)
                conns[end][pick(4)] = e->events[i].connected.conn;
        }
    }
    stack_forget(s);
}

/* In pieces, so that what is kept of events stays small. */
static void live(uint64_t us)
{
    uint64_t until = s->now + us;

    while (s->now < until) {
        uint64_t began = s->steps, piece = until - s->now < SECOND ? until - s->now : SECOND;
        stack_run(s, piece);
        ck_assert_msg(s->steps - began <= TICKS_PER_SECOND, "%llu turns in %llu us",
                      (unsigned long long)(s->steps - began), (unsigned long long)piece);
        look();
    }
}

/* ---- what hosts are told ---- */

static enum bl_addr_mode mode(void)
{
    return (enum bl_addr_mode)ONE_OF(BL_ADDR_MODE_DEFAULT, BL_ADDR_MODE_DEFAULT,
                                     BL_ADDR_MODE_PUBLIC, BL_ADDR_MODE_STATIC, BL_ADDR_MODE_RPA,
                                     BL_ADDR_MODE_NRPA);
}

static void do_advertise(struct bl_host *h, size_t end)
{
    static const uint8_t data[300] = {5, 9, 'b', 'l', 'e', 'd'};
    struct bl_adv_params p = {.interval_us = ONE_OF(20000, 100000, 250000, 1000000),
                              .connectable = pick(2),
                              .scannable = pick(2),
                              .extended = pick(3) == 0,
                              .resume = pick(2),
                              .has_directed = pick(6) == 0,
                              .high_duty = pick(2),
                              .directed = stack_addr(s, pick(HOSTS)),
                              .sid = (uint8_t)pick(16),
                              .duration_ms = ONE_OF(0, 0, 100, 5000),
                              .addr_mode = mode(),
                              .adv_data = data,
                              .resp_data = data,
                              .adv_len = ONE_OF(0, 6, 31, 200),
                              .resp_len = ONE_OF(0, 0, 6, 300)};
    size_t i = pick(4);
    bl_op op = 0;

    begun(end, bl_advertise(h, s->now, pick(3) ? 0 : advs[end][pick(4)], &p, &advs[end][i], &op),
          &op);
}

static void do_scan(struct bl_host *h, size_t end)
{
    struct bl_scan_params p = {.duration_ms = ONE_OF(0, 100, 3000),
                               .interval_us = 60000,
                               .window_us = ONE_OF(10000, 60000),
                               .active = pick(2),
                               .filter_duplicates = pick(2),
                               .extended = pick(2),
                               .phys = (uint8_t)ONE_OF(0, BL_PHYS_1M, BL_PHYS_CODED, 5),
                               .addr_mode = mode()};
    bl_op op = 0;

    begun(end, bl_scan(h, s->now, &p, &scans[end][pick(4)], &op), &op);
}

static void do_connect(struct bl_host *h, size_t end)
{
    struct bl_connect_params p = {.peer = stack_addr(s, (end + 1 + pick(2)) % HOSTS),
                                  .scan_duration_ms = ONE_OF(50, 1000, 4000),
                                  .phys = (uint8_t)ONE_OF(0, 1, 3, 5, 7),
                                  .addr_mode = mode(),
                                  .automatic = pick(4) == 0};
    bl_op op = 0;

    if (pick(5) == 0)
        p.peer.b[2] ^= (uint8_t)(1 + pick(3)); /* nobody */
    begun(end, bl_connect(h, s->now, &p, &attempts[end][pick(4)], &op), &op);
}

static void do_link(struct bl_host *h, size_t end)
{
    struct bl_conn_params params = {.min_interval_us = ONE_OF(7500, 30000, 500000),
                                    .max_interval_us = ONE_OF(30000, 500000),
                                    .timeout_ms = ONE_OF(1000, 5000, 32000)};
    uint16_t conn = conns[end][pick(4)];
    bl_op op = 0;
    int r = -1;

    switch (pick(6)) {
    case 0:
        r = bl_disconnect(h, s->now, conn, (uint8_t)ONE_OF(0, 0x13, 0x15), &op);
        break;
    case 1:
        r = bl_update_parameters(h, s->now, conn, &params, &op);
        break;
    case 2:
        r = bl_read_rssi(h, s->now, conn, &op);
        break;
    case 3:
        r = bl_set_phy(h, s->now, conn, (uint8_t)pick(8), (uint8_t)pick(8), &op);
        break;
    case 4:
        r = bl_set_data_length(h, s->now, conn, (uint16_t)(27 + pick(225)), &op);
        break;
    case 5:
        bl_disconnect(h, s->now, conn, 0x13, NULL);
        break;
    }
    begun(end, r, &op);
}

static void do_end(struct bl_host *h, size_t end)
{
    bl_op op = 0;

    switch (pick(4)) {
    case 0:
        begun(end, bl_advertise_stop(h, s->now, advs[end][pick(4)], &op), &op);
        break;
    case 1:
        begun(end, bl_scan_stop(h, s->now, scans[end][pick(4)], &op), &op);
        break;
    case 2:
        bl_connect_cancel(h, s->now, attempts[end][pick(4)]);
        break;
    case 3:
        bl_advertise_stop(h, s->now, advs[end][pick(4)], NULL);
        bl_scan_stop(h, s->now, scans[end][pick(4)], NULL);
        break;
    }
}

static void do_life(struct bl_host *h, size_t end)
{
    struct bl_config config;
    bl_op op = 0;

    switch (pick(4)) {
    case 0:
        begun(end, bl_host_shutdown(h, s->now, &op), &op);
        break;
    case 1:
        bl_host_stop(h, s->now);
        break;
    default:
        bl_host_get_config(h, &config);
        config.addr_mode = (enum bl_addr_mode)ONE_OF(BL_ADDR_MODE_PUBLIC, BL_ADDR_MODE_STATIC,
                                                     BL_ADDR_MODE_RPA, BL_ADDR_MODE_NRPA);
        config.rpa_timeout_s = 1 + pick(5);
        config.irk[3] = (uint8_t)pick(2);
        bl_host_set_config(h, s->now, &config);
        break;
    }
}

/* ---- what goes wrong ---- */

/* An event out of nowhere, of small handles that may be live. */
static void invent_event(size_t end)
{
    static const struct {
        uint8_t code, sub, len; /* of the parameters after the subevent */
    } kinds[] = {{0x05, 0, 4},   {0x3e, 1, 18}, {0x3e, 10, 30}, {0x3e, 3, 9}, {0x3e, 18, 5},
                 {0x3e, 12, 5},  {0x3e, 4, 11}, {0x13, 0, 5},   {0x0e, 0, 4}, {0x0f, 0, 4},
                 {0x3e, 17, 0},  {0x3e, 2, 12}, {0x3e, 6, 10},  {0x08, 0, 4}, {0x3e, 5, 12},
                 {0x3e, 13, 26}, {0x10, 0, 1}};
    uint8_t packet[64] = {0x04};
    size_t kind = pick(sizeof(kinds) / sizeof(kinds[0]) - (pick(8) > 0)), n = 3;

    packet[1] = kinds[kind].code;
    if (kinds[kind].code == 0x3e)
        packet[n++] = kinds[kind].sub;
    for (size_t i = 0; i < kinds[kind].len; i++)
        packet[n++] = (uint8_t)(pick(3) ? pick(3) : pick(256));
    packet[2] = (uint8_t)(n - 3);
    bl_air_inject(s->air, s->now, s->end[end].controller, packet, n);
}

static void do_fault(size_t end)
{
    static const uint32_t commands[] = {0x0406, 0x1405, 0x2005, 0x2006, 0x2008, 0x2009, 0x200a,
                                        0x200b, 0x200c, 0x200d, 0x200e, 0x2010, 0x2011, 0x2012,
                                        0x2013, 0x2016, 0x2022, 0x2032, 0x2035, 0x2036, 0x2037,
                                        0x2038, 0x2039, 0x203c, 0x2041, 0x2042, 0x2043, 0x0c03};
    int controller = s->end[end].controller;
    int other = s->end[(end + 1) % HOSTS].controller;

    switch (honest ? 3 + pick(4) + (pick(8) == 0) : pick(9)) {
    case 0:
    case 1: {
        uint16_t opcode = (uint16_t)one_of(commands, sizeof(commands) / sizeof(commands[0]));
        uint32_t kind = pick(4);
        uint32_t value = kind == BL_AIR_ANSWER_STATUS
                             ? ONE_OF(1, 7, 9, 0x0c, 0x0d, 0x12, 0x1f, 0x42)
                         : kind == BL_AIR_ANSWER_LATE ? ONE_OF(10, 1500, 2500)
                                                      : 1;
        bl_air_fault_command(s->air, controller, opcode, (enum bl_air_command_fault)kind, value,
                             1 + pick(2));
        break;
    }
    case 2:
        bl_air_fault_event(s->air, controller, (uint8_t)ONE_OF(0x05, 0x3e, 0x13, 0x0e),
                           (uint8_t)ONE_OF(1, 2, 3, 4, 10, 13, 18), pick(2) ? 1 : -1, 1);
        break;
    case 3:
        bl_air_fault_establish(s->air, controller, 1 + pick(2), pick(2));
        break;
    case 4:
        bl_air_set_loss(s->air, s->now, controller, other, ONE_OF(0, 0, 100, 900));
        break;
    case 5:
        bl_air_set_rssi(s->air, s->now, controller, other,
                        (int8_t)(pick(3) ? -60 : BL_AIR_OUT_OF_RANGE));
        break;
    case 6:
        bl_air_set_delay(s->air, s->now, controller, other, ONE_OF(0, 1000, 100000));
        break;
    case 7:
        if (pick(3) == 0)
            s->end[end].die_after = s->end[end].packets_in + 1 + pick(30);
        break;
    case 8:
        invent_event(end);
        break;
    }
}

/* A host that is off begins again, as the daemon would. */
static void revive(size_t end)
{
    struct stack_end *e = &s->end[end];
    bl_op op = 0;

    if (e->dead || pick(2))
        bl_host_stop(e->host, s->now);
    look();
    bl_air_power_off(s->air, s->now, e->controller);
    bl_air_power_on(s->air, s->now, e->controller);
    e->dead = false;
    e->die_after = 0;
    begun(end, bl_host_start(e->host, s->now, &op), &op);
}

static void step(void)
{
    size_t end = pick(HOSTS);
    struct bl_host *h = s->end[end].host;

    if (!bl_host_ready(h) && pick(3) == 0)
        revive(end);
    switch (pick(10)) {
    case 0:
    case 1:
        do_advertise(h, end);
        break;
    case 2:
        do_scan(h, end);
        break;
    case 3:
    case 4:
        do_connect(h, end);
        break;
    case 5:
    case 6:
        do_link(h, end);
        break;
    case 7:
        do_end(h, end);
        break;
    case 8:
        do_fault(end);
        break;
    case 9:
        if (pick(6) == 0)
            do_life(h, end);
        break;
    }
    live(ONE_OF(0, 0, 200, 5000, 50000, 300000, 2000000));
}

/* ---- the end ---- */

static void stop_all(size_t end)
{
    struct bl_host *h = s->end[end].host;

    for (unsigned id = 1; id < 1000; id++) {
        bl_connect_cancel(h, s->now, (uint16_t)id);
        bl_advertise_stop(h, s->now, (uint16_t)id, NULL);
        bl_scan_stop(h, s->now, (uint16_t)(id - 1), NULL);
        bl_disconnect(h, s->now, (uint16_t)id, 0x13, NULL);
    }
}

static void all_is_well(void)
{
    uint16_t a, b;

    for (size_t end = 0; end < HOSTS; end++) {
        bl_air_fault_clear(s->air, s->end[end].controller);
        s->end[end].die_after = 0;
        bl_air_set_loss(s->air, s->now, s->end[end].controller,
                        s->end[(end + 1) % HOSTS].controller, 0);
        bl_air_set_rssi(s->air, s->now, s->end[end].controller,
                        s->end[(end + 1) % HOSTS].controller, -60);
        bl_air_set_delay(s->air, s->now, s->end[end].controller,
                         s->end[(end + 1) % HOSTS].controller, 0);
        if (!bl_host_ready(s->end[end].host))
            revive(end);
    }
    live(10 * SECOND);
    for (size_t end = 0; end < HOSTS; end++)
        stop_all(end);
    live(60 * SECOND);
    for (size_t end = 0; end < HOSTS; end++) {
        ck_assert_msg(n_open[end] == 0, "command %u at end %zu never ended", open_ops[end][0], end);
        ck_assert_uint_eq(stack_counter(s, end, "procedures-open"), 0);
        ck_assert_uint_eq(stack_counter(s, end, "connect-open"), 0);
        ck_assert_uint_eq(stack_counter(s, end, "advertisements-open"), 0);
        ck_assert_uint_eq(stack_counter(s, end, "links-open"), 0);
        bl_host_stop(s->end[end].host, s->now); /* what an invented event hid from it goes, too */
        revive(end);
    }
    live(5 * SECOND);
    for (size_t end = 0; end < HOSTS; end++) {
        struct bl_config config;
        ck_assert_msg(bl_host_ready(s->end[end].host), "end %zu did not come back", end);
        bl_host_get_config(s->end[end].host, &config);
        config.addr_mode = BL_ADDR_MODE_PUBLIC;
        bl_host_set_config(s->end[end].host, s->now, &config);
    }
    look();
    stack_connect(s, 0, 1, &a, &b);
}

static void check_life(uint32_t seed)
{
    struct bl_air_config configs[] = {bl_air_config_v40(), bl_air_config_v42(),
                                      bl_air_config_default()};

    memset(n_open, 0, sizeof(n_open));
    memset(advs, 0, sizeof(advs));
    memset(scans, 0, sizeof(scans));
    memset(attempts, 0, sizeof(attempts));
    memset(conns, 0, sizeof(conns));
    s = stack_new(state, HOSTS, &configs[seed / 2 % 3]);
    for (int i = 0; i < STEPS; i++)
        step();
    all_is_well();
    if (!honest)
        bl_air_violations_clear(s->air);
    stack_free(s);
}

START_TEST(whatever_happens_every_command_ends_and_all_works_again)
{
    const char *from = getenv("BLED_SEED"), *many = getenv("BLED_LIVES");
    uint32_t first = from ? (uint32_t)atoi(from) : 1, lives = many ? (uint32_t)atoi(many) : LIVES;

    for (uint32_t seed = first; seed < first + lives; seed++) {
        state = seed;
        honest = seed % 2;
        if (getenv("BLED_TRACE"))
            fprintf(stderr, "seed %u\n", seed);
        check_life(seed);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stack/random");
    TCase *t = tcase_create("lives");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(t, 280);
    tcase_add_test(t, whatever_happens_every_command_ends_and_all_works_again);
    suite_add_tcase(suite, t);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
