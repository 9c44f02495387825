/* SPDX-License-Identifier: MIT */

/*
 * Channels when things go wrong: links and controllers that end at every packet of a scenario that
 * opens, sends, reconfigures and closes, and memory that fails at every allocation of it. After
 * each, every command has ended, once, nothing was told of a channel after its end or its
 * connection's, and the next connection does it all.
 */

#include "l2cap_rig.h"
#include "oom.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000u

enum { PSM = 0x80, ASKED_PSM = 0x81, MOST_STEPS = 4000, A = 0, B = 1, OPS = 64 };

#define HOST(i) (s->end[i].host)

/* As stack_need(), with what to say. */
#define need(expr, ...)                                                                            \
    do {                                                                                           \
        if (!(expr))                                                                               \
            ck_abort_msg(__VA_ARGS__);                                                             \
    } while (0)

static uint16_t conn[2];

static struct {
    bl_op op[OPS];
    unsigned n;
} begun[2]; /* what each end has asked for */

static void asked(size_t end, int r, bl_op op)
{
    if (r != 0)
        return;
    stack_need(begun[end].n < OPS);
    begun[end].op[begun[end].n++] = op;
}

/* ---- the scenario ---- */

static void enter(struct stack *s)
{
    if (s->enter)
        s->enter();
}

static void leave(struct stack *s)
{
    if (s->leave)
        s->leave();
}

static void opens(struct stack *s, size_t end, uint16_t psm, unsigned enhanced)
{
    const struct bl_l2cap_connect params = {
        .psm = psm, .mtu = 300, .enhanced = enhanced > 0, .count = (uint8_t)enhanced};
    bl_op op = 0;

    enter(s);
    int r = bl_l2cap_connect(HOST(end), s->now, conn[end], &params, &op);
    leave(s);
    asked(end, r, op);
}

/* The channels of that end that are open, as far as it was told. */
static unsigned open_ones(const struct stack *s, size_t end, uint16_t cids[64], bool enhanced)
{
    unsigned n = 0;

    for (uint16_t cid = 0x40; cid < 0x80; cid++) {
        struct bl_l2cap_info info;
        if (bl_l2cap_info(s->end[end].host, conn[end], cid, &info) == 0 && info.open &&
            (info.enhanced || !enhanced))
            cids[n++] = cid;
    }
    return n;
}

static void answers(struct stack *s)
{
    for (size_t i = 0; i < s->end[A].n_events; i++) {
        const struct bl_event *e = &s->end[A].events[i];
        if (e->kind != BL_EV_L2CAP_ACCEPT || e->l2cap.request == 0)
            continue;
        enter(s);
        (void)bl_l2cap_reply(HOST(A), s->now, e->l2cap.request,
                             e->l2cap.request % 2 ? 0 : BL_L2CAP_NO_RESOURCES);
        leave(s);
    }
}

static void sends(struct stack *s, size_t end)
{
    static const uint8_t sdu[300] = {1, 2, 3};
    uint16_t cids[64];
    unsigned n = open_ones(s, end, cids, false);

    enter(s);
    for (unsigned i = 0; i < n; i++) {
        struct bl_l2cap_slot slot[2];
        size_t len[2] = {100, 0};
        for (unsigned k = 0; k < 3; k++)
            (void)bl_l2cap_send(HOST(end), s->now, conn[end], cids[i], sdu, sizeof(sdu) - 50 * k);
        size_t slots = bl_l2cap_slots(HOST(end), conn[end], cids[i], slot, 2);
        if (slots > 0)
            (void)bl_l2cap_commit(HOST(end), s->now, conn[end], cids[i], len, slots);
    }
    leave(s);
}

static void reads(struct stack *s, size_t end)
{
    for (uint16_t cid = 0x40; cid < 0x80; cid++) {
        const uint8_t *sdu;
        size_t n;
        while (bl_l2cap_peek(HOST(end), conn[end], cid, 0, &sdu, &n)) {
            volatile uint8_t sum = 0;
            for (size_t i = 0; i < n; i++)
                sum = (uint8_t)(sum + sdu[i]);
            enter(s);
            int r = bl_l2cap_consume(HOST(end), s->now, conn[end], cid, n);
            leave(s);
            stack_need(r == 0);
        }
    }
}

static void changes(struct stack *s, size_t end)
{
    uint16_t cids[64];
    unsigned n = open_ones(s, end, cids, true);
    bl_op op = 0;

    if (n == 0)
        return;
    enter(s);
    int r = bl_l2cap_reconfigure(HOST(end), s->now, conn[end], cids, n < 5 ? n : 5, 2000, 0, &op);
    leave(s);
    asked(end, r, op);
}

static void closes(struct stack *s, size_t end, unsigned from, unsigned step)
{
    uint16_t cids[64];
    unsigned n = open_ones(s, end, cids, false);

    for (unsigned i = from; i < n; i += step) {
        bl_op op = 0;
        enter(s);
        int r = bl_l2cap_disconnect(HOST(end), s->now, conn[end], cids[i], &op);
        leave(s);
        asked(end, r, op);
    }
}

static void scenario(struct stack *s)
{
    opens(s, B, PSM, 0);
    opens(s, B, PSM, 3);
    opens(s, A, PSM, 1);
    opens(s, B, ASKED_PSM, 4);
    opens(s, B, PSM + 5, 2);
    stack_run(s, SECOND / 2);
    answers(s);
    stack_run(s, SECOND / 2);
    sends(s, A);
    sends(s, B);
    changes(s, B);
    stack_run(s, SECOND / 4);
    changes(s, A);
    reads(s, A);
    stack_run(s, SECOND / 4);
    sends(s, A);
    reads(s, B);
    closes(s, B, 0, 3);
    closes(s, A, 2, 3);
    stack_run(s, SECOND / 4);
    sends(s, B);
    closes(s, B, 0, 2);
    stack_run(s, SECOND / 4);
    reads(s, A);
    closes(s, A, 0, 1);
    stack_run(s, SECOND);
}

/* ---- what must hold after it ---- */

/* A channel's events are between its CONNECTED and its DISCONNECTED, which is before the
 * connection's. */
static void check_order(const struct stack *s, size_t end, unsigned step)
{
    bool is_open[0x80] = {0}, gone = false;

    for (size_t i = 0; i < s->end[end].n_events; i++) {
        const struct bl_event *e = &s->end[end].events[i];
        if (e->kind == BL_EV_DISCONNECTED && e->disconnected.conn == conn[end]) {
            for (unsigned cid = 0x40; cid < 0x80; cid++)
                need(!is_open[cid], "step %u: 0x%x outlives its connection", step, cid);
            gone = true;
        }
        if (e->kind < BL_EV_L2CAP_ACCEPT || e->kind >= BL_EV_KINDS)
            continue;
        need(!gone, "step %u: event %d after the connection", step, (int)e->kind);
        stack_need(e->l2cap.conn == conn[end]);
        stack_need(e->l2cap.cid < 0x80);
        bool *open = &is_open[e->l2cap.cid];
        if (e->kind == BL_EV_L2CAP_ACCEPT || e->l2cap.cid == 0)
            continue;
        need(*open == (e->kind != BL_EV_L2CAP_CONNECTED), "step %u: event %d of 0x%x", step,
             (int)e->kind, e->l2cap.cid);
        *open = e->kind != BL_EV_L2CAP_DISCONNECTED;
    }
}

static void check_ops(const struct stack *s, size_t end, unsigned step)
{
    need(stack_counter(s, end, "procedures-open") == 0, "step %u: open at end %zu", step, end);
    for (unsigned k = 0; k < begun[end].n; k++) {
        unsigned ends = 0;
        for (size_t i = 0; i < s->end[end].n_events; i++) {
            const struct bl_event *e = &s->end[end].events[i];
            ends += e->kind == BL_EV_OP_DONE && e->done.op == begun[end].op[k];
        }
        need(ends == 1, "step %u: command %u of end %zu has ended %u times", step, k, end, ends);
    }
}

static void restart(struct stack *s, size_t end)
{
    struct stack_end *e = &s->end[end];
    bl_op op;

    if (!e->dead)
        return;
    bl_air_power_on(s->air, s->now, e->controller);
    e->dead = false;
    e->die_after = 0;
    ck_assert_int_eq(bl_host_start(e->host, s->now, &op), 0);
    ck_assert_uint_eq(stack_done(s, end, op, SECOND).done.status, BL_OK);
}

static void listens(struct stack *s, size_t end)
{
    int r;

    (void)bl_l2cap_unlisten(HOST(end), s->now, PSM);
    (void)bl_l2cap_unlisten(HOST(end), s->now, ASKED_PSM);
    r = bl_l2cap_listen(HOST(end), &(struct bl_l2cap_listen){.psm = PSM, .mtu = 300});
    ck_assert_int_eq(r, 0);
    r = bl_l2cap_listen(HOST(end),
                        &(struct bl_l2cap_listen){.psm = ASKED_PSM, .mtu = 300, .authorize = true});
    ck_assert_int_eq(r, 0);
}

static void all_is_well(struct stack *s, unsigned step)
{
    static const size_t ends[2] = {B, A};
    struct coc channels[3] = {0};

    stack_run(s, 45 * SECOND);
    for (size_t end = 0; end < 2; end++) {
        check_order(s, end, step);
        check_ops(s, end, step);
        struct bl_l2cap_info info;
        ck_assert_int_eq(bl_l2cap_info(HOST(end), conn[end], 0x40, &info),
                         s->end[end].dead ? -ENETDOWN : -ENOTCONN);
        restart(s, end);
        listens(s, end);
    }
    stack_forget(s);
    stack_connect(s, A, B, &conn[A], &conn[B]);
    const uint16_t conns[2] = {conn[B], conn[A]};
    coc_open(s, channels, 2, ends, conns, PSM, 300, true);
    coc_open(s, channels + 2, 1, ends, conns, PSM, 300, false);
    coc_exchange(s, channels, 3, 3);
    coc_free(channels, 3);
}

static struct stack *begin(const struct bl_air_config *config, unsigned seed)
{
    struct stack *s = stack_new(seed, 2, config);

    memset(begun, 0, sizeof(begun));
    listens(s, A);
    listens(s, B);
    stack_connect(s, A, B, &conn[A], &conn[B]);
    stack_run(s, SECOND);
    stack_forget(s);
    return s;
}

static void hang_up(struct stack *s, size_t end)
{
    (void)bl_disconnect(HOST(end), s->now, conn[end], 0x13, NULL);
}

/* ---- ends at every step ---- */

/* way 0, 1: that end hangs up; 2, 3: its controller vanishes. False: the step was not reached. */
static bool ends_at(const struct bl_air_config *config, int way, unsigned step)
{
    struct stack *s = begin(config, step);
    struct stack_end *e = &s->end[way % 2];

    if (way < 2) {
        e->call = hang_up;
        e->call_after = e->packets_in + step;
    } else {
        e->die_after = e->packets_in + step;
    }
    scenario(s);
    bool reached = way < 2 ? e->call_after == 0 : e->dead;
    if (reached)
        all_is_well(s, step);
    stack_free(s);
    return reached;
}

START_TEST(the_link_ends_at_every_step)
{
    struct bl_air_config config = _i % 2 == 0 ? bl_air_config_v40() : bl_air_config_default();
    unsigned step = 1;

    while (ends_at(&config, _i / 2, step)) {
        ck_assert_msg(step < MOST_STEPS, "the scenario has no end");
        step++;
    }
    ck_assert_uint_gt(step, 50);
}
END_TEST

/* Nobody hangs up: the packets of one end are not heard any more, and all is given up in time. */
START_TEST(a_peer_falls_silent_at_every_step)
{
    struct bl_air_config config = bl_air_config_default();

    for (unsigned step = 0; step < 40; step++) {
        struct stack *s = begin(&config, step);
        opens(s, B, PSM, step % 3);
        stack_run(s, 20000u * step);
        s->end[_i].deaf = true;
        scenario(s);
        stack_run(s, 60 * SECOND);
        for (size_t end = 0; end < 2; end++) {
            check_order(s, end, step);
            check_ops(s, end, step);
        }
        s->end[_i].deaf = false;
        hang_up(s, B);
        all_is_well(s, step);
        stack_free(s);
    }
}
END_TEST

/* ---- memory ---- */

static unsigned long oom_left; /* allocations of the hosts until one fails */

static void oom_enter(void)
{
    if (oom_left)
        oom_fail_at(oom_left);
}

static void oom_leave(void)
{
    if (oom_left)
        oom_left -= oom_count() < oom_left ? oom_count() : oom_left;
    oom_off();
}

/* Whatever it costs (a command, a channel, the link), all ends, and the next connection has it all
 * again. */
START_TEST(each_allocation_may_fail)
{
    struct bl_air_config config = _i == 0 ? bl_air_config_v40() : bl_air_config_default();
    bool reached = true;
    unsigned step = 1;

    for (; reached; step++) {
        ck_assert_msg(step < MOST_STEPS, "the scenario has no end");
        struct stack *s = begin(&config, step);
        oom_left = step;
        s->enter = oom_enter;
        s->leave = oom_leave;
        scenario(s);
        reached = oom_left == 0;
        s->enter = s->leave = NULL;
        stack_run(s, 31 * SECOND); /* what was not sent for want of memory has its time */
        check_order(s, A, step);
        check_order(s, B, step);
        hang_up(s, B);
        all_is_well(s, step);
        stack_free(s);
    }
    ck_assert_uint_gt(step, 50);
}
END_TEST

static Suite *faults_suite(void)
{
    Suite *suite = suite_create("stack/l2cap_faults");
    TCase *t = tcase_create("faults");

    tcase_set_timeout(t, 280);
    tcase_add_loop_test(t, the_link_ends_at_every_step, 0, 8);
    tcase_add_loop_test(t, a_peer_falls_silent_at_every_step, 0, 2);
    tcase_add_loop_test(t, each_allocation_may_fail, 0, 2);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(faults_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
